package uacsta

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rccgw/csta"
	"rccgw/pbx"
)

// Settings are the variables of the driver, as text, named RCC_PBX_<NAME>_…
// Their tags are read by whoever reads the environment.
type Settings struct {
	Address        string `split_words:"true" desc:"the other end: udp://host:port, tcp://host:port or tls://host:port; with {line} in the host each line has its own, as desk phones do"`
	Addresses      string `split_words:"true" desc:"addresses of single lines, such as 1001=udp://10.0.0.11:5060, separated by commas or line ends; other lines have ADDRESS, or do not exist where that is empty"`
	AddressesFile  string `split_words:"true" desc:"path of a file with them"`
	TlsCa          string `split_words:"true" desc:"path of PEM certificates that a tls:// end's must come from; empty: the system's"`
	TlsCert        string `split_words:"true" desc:"path of a PEM certificate chain to show to a tls:// end that wants one"`
	TlsKey         string `split_words:"true" desc:"path of its PEM key"`
	To             string `split_words:"true" default:"sip:{line}@{host}" desc:"Request-URI and To of a line's dialog; {line} is the line, {host} the host of the address"`
	From           string `split_words:"true" default:"sip:rccgw@{host}" desc:"From of a line's dialog, likewise"`
	Line           string `split_words:"true" default:"tel:{line}" desc:"how the other end writes the line itself, in what is asked; {host} is replaced, too"`
	LineInInvite   string `split_words:"true" default:"on" desc:"on: the INVITE names the line, as Microsoft's lcs:line; off: the other end finds it by To and From"`
	Number         string `split_words:"true" default:"tel:{number}" desc:"how a number that is dialled, or forwarded to, is written; {host} is replaced, too"`
	User           string `split_words:"true" desc:"user of digest authentication; empty: a challenge is not answered"`
	Secret         string `split_words:"true" secret:"true" desc:"the user's password"`
	SecretFile     string `split_words:"true" desc:"path of a file with it"`
	Edition        string `split_words:"true" default:"ed3" desc:"edition of ECMA-323 in the namespace of what is sent: ed2 to ed6, ed3/privA"`
	Features       string `split_words:"true" desc:"services and events of every line, such as MakeCall,DeliveredEvent, where the other end has no GetCSTAFeatures; empty: each line is asked"`
	SessionExpires string `split_words:"true" default:"5m" desc:"session timer that is asked for (RFC 4028): for so long a dialog may outlive a gateway that was killed; off: none"`
	Refresh        string `split_words:"true" default:"update" desc:"update: dialogs are refreshed by UPDATE where the other end allows it; invite: by re-INVITE always"`
	Heartbeat      string `split_words:"true" default:"1m" desc:"how often each dialog is refreshed, which shows that it still lives"`
	Timeout        string `split_words:"true" default:"5s" desc:"how long the other end may take to answer, and to accept a connection"`
	Idle           string `split_words:"true" default:"2m" desc:"how long a line's dialog is kept that nobody watches and nobody has asked for anything"`
	Retry          string `split_words:"true" default:"1s" desc:"pause before a line's dialog is opened again; it doubles each time"`
	RetryMax       string `split_words:"true" default:"1m" desc:"longest such pause"`
	OpenRate       string `split_words:"true" default:"50" desc:"dialogs that are opened per second at the most"`
	MaxLines       string `split_words:"true" default:"10000" desc:"lines that may have a dialog at a time; others are refused"`
}

// config is what the settings say.
type config struct {
	address   *address           // of lines that have none of their own; nil: they do not exist
	addresses map[string]address // of single lines
	perLine   bool               // address has {line}

	tls                      *tls.Config
	to, from, line, number   string
	lineInInvite, byInvite   bool
	user, secret             string
	edition                  csta.Edition
	features                 *csta.GetCSTAFeaturesResponse // nil: the line is asked
	sessionExpires           time.Duration                 // less than zero: none
	heartbeat, timeout, idle time.Duration
	retry, retryMax          time.Duration
	openRate, maxLines       int
}

// An address is where dialogs go to.
type address struct{ network, host, port string }

// server is the address as package cstasip wants it.
func (a address) server() string { return a.network + "://" + net.JoinHostPort(a.host, a.port) }

// of returns the address of one line, of one that has {line}.
func (a address) of(line string) address {
	a.host = strings.ReplaceAll(a.host, "{line}", line)
	return a
}

// Check returns all mistakes, a line each, beginning with the variable's name
// without prefix. No line shows a secret.
func (s Settings) Check() error {
	_, err := s.config()
	return err
}

func (s Settings) config() (config, error) {
	var m pbx.Mistakes
	c := config{to: s.To, from: s.From, line: s.Line, number: s.Number, user: s.User, secret: s.Secret, edition: csta.Edition(s.Edition), addresses: map[string]address{}}
	s.addressesOf(&c, &m)
	s.tlsOf(&c, &m)
	s.spellingOf(&m)
	switch {
	case s.User != "" && s.Secret == "" && s.SecretFile == "":
		m.Note("SECRET", "missing, of the USER")
	case s.User == "" && s.Secret+s.SecretFile != "":
		m.Note("USER", "missing, of the SECRET")
	}
	if strings.ContainsFunc(s.User, unicode.IsControl) {
		m.Add("USER", s.User, "has a control character")
	}
	if strings.ContainsFunc(s.Secret, unicode.IsControl) {
		m.Note("SECRET", "has a control character")
	}
	if !csta.Edition(s.Edition).Valid() {
		m.Add("EDITION", s.Edition, "not ed2 to ed6, or one with a private part such as ed3/privA")
	}
	if s.Features != "" {
		var wrong []string
		c.features, wrong = csta.FeaturesOf(s.Features)
		for _, name := range wrong {
			m.Add("FEATURES", s.Features, "%q is not a service or an event", name)
		}
	}
	either := func(variable, value, no, yes string) bool {
		if value != no && value != yes {
			m.Add(variable, value, "not %s or %s", yes, no)
		}
		return value == yes
	}
	c.lineInInvite = either("LINE_IN_INVITE", s.LineInInvite, "off", "on")
	c.byInvite = either("REFRESH", s.Refresh, "update", "invite")
	if c.sessionExpires = -1; s.SessionExpires != "off" {
		c.sessionExpires = m.Duration("SESSION_EXPIRES", s.SessionExpires, 90*time.Second, 24*time.Hour, "30s")
	}
	c.heartbeat = m.Duration("HEARTBEAT", s.Heartbeat, time.Second, time.Hour, "30s")
	c.timeout = m.Duration("TIMEOUT", s.Timeout, 100*time.Millisecond, time.Minute, "30s")
	c.idle = m.Duration("IDLE", s.Idle, time.Second, 24*time.Hour, "30s")
	c.retry = m.Duration("RETRY", s.Retry, 10*time.Millisecond, time.Hour, "30s")
	c.retryMax = m.Duration("RETRY_MAX", s.RetryMax, 10*time.Millisecond, time.Hour, "30s")
	if c.retryMax < c.retry {
		m.Add("RETRY_MAX", s.RetryMax, "shorter than RETRY=%s", s.Retry)
	}
	count := func(variable, value string, high int) int {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > high {
			m.Add(variable, value, "not a number from 1 to %d", high)
		}
		return n
	}
	c.openRate = count("OPEN_RATE", s.OpenRate, 10_000)
	c.maxLines = count("MAX_LINES", s.MaxLines, 100_000)
	return c, m.Err()
}

// addressesOf reads where lines are.
func (s Settings) addressesOf(c *config, m *pbx.Mistakes) {
	if s.Address == "" && s.Addresses == "" && s.AddressesFile == "" {
		m.Note("ADDRESS", "missing, or ADDRESSES")
	}
	if s.Address != "" {
		a, err := parseAddress(s.Address)
		if err != nil {
			m.Add("ADDRESS", s.Address, "%v", err)
		}
		c.address, c.perLine = &a, strings.Contains(a.host, "{line}")
	}
	for item := range strings.FieldsFuncSeq(s.Addresses, func(r rune) bool { return r == ',' || r == '\n' }) {
		item = strings.TrimSpace(item)
		if item == "" || strings.HasPrefix(item, "#") {
			continue
		}
		line, text, ok := strings.Cut(item, "=")
		line, text = strings.TrimSpace(line), strings.TrimSpace(text)
		a, err := parseAddress(text)
		switch _, twice := c.addresses[line]; {
		case !ok || checkLine(line) != nil:
			m.Add("ADDRESSES", item, "not a line, = and its address, such as 1001=udp://10.0.0.11:5060")
		case err != nil:
			m.Add("ADDRESSES", item, "%v", err)
		case twice:
			m.Add("ADDRESSES", item, "line %s has two addresses", line)
		default:
			c.addresses[line] = a.of(line)
		}
	}
}

func parseAddress(text string) (a address, err error) {
	network, rest, ok := strings.Cut(text, "://")
	if !ok || network != "udp" && network != "tcp" && network != "tls" {
		return a, errors.New("not udp://host:port, tcp://host:port or tls://host:port")
	}
	a.network = network
	if a.host, a.port, err = net.SplitHostPort(rest); err != nil || a.host == "" {
		return a, fmt.Errorf("%q is not host:port", rest)
	}
	if strings.ContainsAny(a.host, "/@;?<> \t\r\"") {
		return a, fmt.Errorf("%q is not a host", a.host)
	}
	if n, err := strconv.ParseUint(a.port, 10, 16); err != nil || n == 0 {
		return a, fmt.Errorf("port %q is not a number from 1 to 65535", a.port)
	}
	return a, nil
}

// secure reports whether any line is reached by TLS.
func (c *config) secure() bool {
	for _, a := range c.addresses {
		if a.network == "tls" {
			return true
		}
	}
	return c.address != nil && c.address.network == "tls"
}

// tlsOf reads what certificate the other end must have, and what it is shown.
func (s Settings) tlsOf(c *config, m *pbx.Mistakes) {
	if !c.secure() {
		for variable, value := range map[string]string{"TLS_CA": s.TlsCa, "TLS_CERT": s.TlsCert, "TLS_KEY": s.TlsKey} {
			if value != "" {
				m.Add(variable, value, "is of use with a tls:// address only")
			}
		}
		return
	}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TlsCa != "" {
		pem, err := os.ReadFile(s.TlsCa)
		c.tls.RootCAs = x509.NewCertPool()
		if err != nil {
			m.Add("TLS_CA", s.TlsCa, "%v", err)
		} else if !c.tls.RootCAs.AppendCertsFromPEM(pem) {
			m.Add("TLS_CA", s.TlsCa, "has no PEM certificate")
		}
	}
	switch {
	case s.TlsCert == "" && s.TlsKey == "":
	case s.TlsCert == "":
		m.Note("TLS_CERT", "missing, of the TLS_KEY")
	case s.TlsKey == "":
		m.Note("TLS_KEY", "missing, of the TLS_CERT")
	default:
		cert, err := tls.LoadX509KeyPair(s.TlsCert, s.TlsKey)
		if err != nil {
			m.Add("TLS_CERT", s.TlsCert, "%v", err)
		}
		c.tls.Certificates = []tls.Certificate{cert}
	}
}

// spellingOf checks how lines and numbers are written.
func (s Settings) spellingOf(m *pbx.Mistakes) {
	filled := strings.NewReplacer("{line}", "1", "{host}", "h", "{number}", "1")
	for _, p := range []struct{ variable, value, needs, forbids string }{
		{"TO", s.To, "", "{number}"}, {"FROM", s.From, "", "{number}"}, {"LINE", s.Line, "{line}", "{number}"}, {"NUMBER", s.Number, "{number}", "{line}"},
	} {
		uri := p.variable == "TO" || p.variable == "FROM"
		text := filled.Replace(p.value)
		u, err := url.Parse(text)
		switch {
		case !strings.Contains(p.value, p.needs):
			m.Add(p.variable, p.value, "has no %s", p.needs)
		case strings.Contains(p.value, p.forbids):
			m.Add(p.variable, p.value, "%s has no meaning here", p.forbids)
		case strings.ContainsAny(text, "{}<>\" \t\r\n"):
			m.Add(p.variable, p.value, "has a space, a quote, a bracket, or a brace that means nothing")
		case uri && (err != nil || u.Scheme != "sip" && u.Scheme != "sips" || u.Opaque == ""):
			m.Add(p.variable, p.value, "not a SIP URI")
		}
	}
}
