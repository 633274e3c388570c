package cstatcp

import (
	"crypto/tls"
	"crypto/x509"
	"net"
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
	Address       string `split_words:"true" desc:"the CTI server: host:port, or tls://host:port"`
	TlsCa         string `split_words:"true" desc:"path of PEM certificates that a tls:// server's must come from; empty: the system's"`
	Edition       string `split_words:"true" default:"ed3" desc:"edition of ECMA-323 in the namespace of what is sent: ed2 to ed6, ed3/privA"`
	Features      string `split_words:"true" desc:"services and events of the server, such as MakeCall,DeliveredEvent, where it has no GetCSTAFeatures; empty: it is asked"`
	Session       string `split_words:"true" default:"off" desc:"ecma354: an application session is started first; off: none"`
	ApplicationID string `split_words:"true" default:"rccgw" desc:"applicationID of the session"`
	Protocol      string `split_words:"true" desc:"protocolVersion asked for in the session; empty: the namespace of EDITION"`
	User          string `split_words:"true" desc:"user of the session, sent as Avaya's SessionLoginInfo; empty: none is sent"`
	Secret        string `split_words:"true" secret:"true" desc:"its secret"`
	SecretFile    string `split_words:"true" desc:"path of a file with it"`
	Duration      string `split_words:"true" default:"3m" desc:"how long the session lasts if it is not renewed, which it is at half that time"`
	Heartbeat     string `split_words:"true" default:"30s" desc:"how often the server is asked for its state"`
	Timeout       string `split_words:"true" default:"5s" desc:"how long the server may take to answer, and to accept a connection"`
}

// config is what the settings say.
type config struct {
	address             string
	tls                 *tls.Config // nil: TCP
	edition             csta.Edition
	features            *csta.GetCSTAFeaturesResponse // nil: the server is asked
	session             bool
	applicationID       string
	protocol            string
	user, secret        string
	duration, heartbeat time.Duration
	timeout             time.Duration
}

// Check returns all mistakes, a line each, beginning with the variable's name
// without prefix. No line shows a secret.
func (s Settings) Check() error {
	_, err := s.config()
	return err
}

func (s Settings) config() (config, error) {
	var m pbx.Mistakes
	c := config{edition: csta.Edition(s.Edition), applicationID: s.ApplicationID, protocol: s.Protocol, user: s.User, secret: s.Secret}
	s.addressOf(&c, &m)
	if !c.edition.Valid() {
		m.Add("EDITION", s.Edition, "not ed2 to ed6, or one with a private part such as ed3/privA")
	}
	if s.Features != "" {
		var wrong []string
		c.features, wrong = csta.FeaturesOf(s.Features)
		for _, name := range wrong {
			m.Add("FEATURES", s.Features, "%q is not a service or an event", name)
		}
	}
	switch s.Session {
	case "off":
	case "ecma354":
		c.session = true
	default:
		m.Add("SESSION", s.Session, "not ecma354 or off")
	}
	if c.session && (s.ApplicationID == "" || hasControl(s.ApplicationID)) {
		m.Add("APPLICATION_ID", s.ApplicationID, "not the name of an application")
	}
	if c.protocol == "" {
		c.protocol = cstaNamespace + s.Edition
	}
	if hasControl(s.Protocol) {
		m.Add("PROTOCOL", s.Protocol, "has a control character")
	}
	if s.User != "" && !c.session {
		m.Add("USER", s.User, "is of use with SESSION=ecma354 only")
	}
	if hasControl(s.User) {
		m.Add("USER", s.User, "has a control character")
	}
	hasSecret := s.Secret != "" || s.SecretFile != ""
	switch {
	case s.User != "" && !hasSecret:
		m.Note("SECRET", "missing, of the USER")
	case s.User == "" && hasSecret:
		m.Note("SECRET", "of no USER")
	case hasControl(s.Secret):
		m.Note("SECRET", "has a control character")
	}
	c.duration = m.Duration("DURATION", s.Duration, 10*time.Second, 24*time.Hour, "30s")
	c.heartbeat = m.Duration("HEARTBEAT", s.Heartbeat, time.Second, time.Hour, "30s")
	c.timeout = m.Duration("TIMEOUT", s.Timeout, 100*time.Millisecond, time.Minute, "30s")
	return c, m.Err()
}

// addressOf reads the address, and what certificate its server must have.
func (s Settings) addressOf(c *config, m *pbx.Mistakes) {
	scheme, address, ok := strings.Cut(s.Address, "://")
	if !ok {
		scheme, address = "tcp", s.Address
	}
	c.address = address
	host, port, err := net.SplitHostPort(address)
	switch {
	case s.Address == "":
		m.Note("ADDRESS", "missing")
		return
	case scheme != "tcp" && scheme != "tls":
		m.Add("ADDRESS", s.Address, "not host:port, tcp://host:port or tls://host:port")
	case err != nil || host == "":
		m.Add("ADDRESS", s.Address, "not host:port")
	default:
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			m.Add("ADDRESS", s.Address, "port %q is not a number from 1 to 65535", port)
		}
	}
	if scheme == "tls" {
		c.tls = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	if s.TlsCa == "" {
		return
	}
	if c.tls == nil {
		m.Add("TLS_CA", s.TlsCa, "is of use with a tls:// address only")
		return
	}
	pem, err := os.ReadFile(s.TlsCa)
	if err != nil {
		m.Add("TLS_CA", s.TlsCa, "%v", err)
		return
	}
	c.tls.RootCAs = x509.NewCertPool()
	if !c.tls.RootCAs.AppendCertsFromPEM(pem) {
		m.Add("TLS_CA", s.TlsCa, "has no PEM certificate")
	}
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
