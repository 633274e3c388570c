package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"
	"go.yaml.in/yaml/v3"

	"rccgw/bus"
	"rccgw/csta/cstasip"
	"rccgw/digitmod"
	"rccgw/pbx"
)

// prefix is what the names of all variables begin with.
const prefix = "RCC"

// settings are the variables of the service. This struct is the one source of
// their names, defaults and descriptions: -help and the README's table are made
// of it. All are read as text, so that every mistake can be reported at once
// and without showing a secret.
type settings struct {
	SIPListen             string `split_words:"true" default:"udp://127.0.0.1:5060,tcp://127.0.0.1:5060" desc:"listeners; tls://host:5061 needs the certificate below; off: none"`
	SIPAdvertise          string `split_words:"true" desc:"host[:port] for Contact and Via where the listening address is not the reachable one"`
	SIPPeers              string `split_words:"true" desc:"addresses, CIDRs and names that may talk to us, or any; a listener beyond loopback with no peers, client CA or passwords refuses to start"`
	SIPTlsCert            string `split_words:"true" desc:"path of the PEM certificate chain; read again when it changes"`
	SIPTlsKey             string `split_words:"true" desc:"path of its PEM key"`
	SIPTlsClientCa        string `split_words:"true" desc:"path of PEM certificates; with them the peer's certificate is required"`
	SIPSessionExpires     string `split_words:"true" default:"1800" desc:"seconds, RFC 4028; below 90 only for laboratories"`
	SIPMinSe              string `split_words:"true" default:"90" desc:"seconds, the shortest session interval that a client may ask for"`
	SIPErrorStyle         string `split_words:"true" default:"csta" desc:"csta: a refused service is a 200 with CSTAErrorCode; sip: a SIP 4xx with that body"`
	SIPMaxPeerDialogs     string `split_words:"true" default:"100000" desc:"dialogs that one address may have, the first 64 bits of an IPv6 address; more are refused with 503. A proxy is one address for all its clients"`
	SIPMaxPeerConnections string `split_words:"true" default:"10000" desc:"TCP and TLS connections that it may have; more are closed at once"`
	SIPMaxPeerRequests    string `split_words:"true" default:"10000" desc:"requests that it may send per second; more are refused with 503"`
	SIPClients            string `split_words:"true" desc:"how clients are treated that want it other: YAML, a list of {agent, peer, profile, errors, numbers, link, names}; see docs/clients.md"`
	SIPClientsFile        string `split_words:"true" desc:"path of a file with it"`
	SIPPhoneContext       string `split_words:"true" desc:"phone-context of local numbers shown to clients whose line URI has none"`
	SIPAuth               string `split_words:"true" desc:"who must show a password: off; register: who registers; all: who opens a dialog, too; empty: all where there are users, else off"`
	SIPRealm              string `split_words:"true" default:"rccgw" desc:"realm that clients are shown; part of the hashes below"`
	SIPDigest             string `split_words:"true" default:"SHA-256,MD5" desc:"algorithms that are offered, the first preferred; MD5 alone for clients that give up where they see another"`
	SIPUsers              string `split_words:"true" secret:"true" desc:"users with their passwords or hashes and the lines that they may control; YAML, see below"`
	SIPUsersFile          string `split_words:"true" desc:"path of a file with it"`
	Directory             string `split_words:"true" desc:"SIP user → line where a client names no line; YAML, such as {alice: 1001}"`
	DirectoryFile         string `split_words:"true" desc:"path of a file with it"`
	HTTPListen            string `split_words:"true" default:"127.0.0.1:8080" desc:"/healthz, /readyz, /metrics, the API, and the simulated PBX's phones; off: none"`
	APIToken              string `split_words:"true" secret:"true" desc:"bearer token of the API; without it the API serves loopback listeners and peers only"`
	APITokenFile          string `split_words:"true" desc:"path of a file with it"`
	NATSUrl               string `split_words:"true" desc:"external NATS; empty: the embedded server, with its store below RCC_DATA"`
	NATSListen            string `split_words:"true" default:"off" desc:"host:port of the embedded server for other clients; needs the token"`
	NATSToken             string `split_words:"true" secret:"true" desc:"authentication, embedded or external"`
	NATSTokenFile         string `split_words:"true" desc:"path of a file with it"`
	NATSCreds             string `split_words:"true" desc:"path of a NATS credentials file for the external server"`
	Data                  string `split_words:"true" default:"./data" desc:"folder of the embedded store and of the instance's name"`
	Instance              string `split_words:"true" desc:"name of this process among adapters of one PBX; empty: generated once and kept in RCC_DATA"`
	PBX                   string `split_words:"true" default:"sim" desc:"names of the PBXs that this process has adapters for; none: SIP side only"`
	LogLevel              string `split_words:"true" default:"info" desc:"debug, info, warn or error; numbers and bodies appear at debug only"`
	LogFormat             string `split_words:"true" default:"text" desc:"text or json"`
}

// pbxSettings are the variables of one PBX, RCC_PBX_<NAME>_…; a driver adds its
// own.
type pbxSettings struct {
	Driver     string `split_words:"true" default:"sim" desc:"sim, asterisk, cstatcp, freeswitch or uacsta"`
	Lines      string `split_words:"true" default:"*" desc:"lines it serves: 1001-1099, 10XX, +1613592XXXX, *; separated by commas"`
	Digits     string `split_words:"true" desc:"digit plan, YAML or JSON: what the stored plan, which the API edits, begins with"`
	DigitsFile string `split_words:"true" desc:"path of a file with it: the plan is this file, read again when it changes"`
	Companion  string `split_words:"true" desc:"a name that RCC_PBX does not have, whose RCC_PBX_<THAT>_… say how the lines' phones are reached: what the driver does not offer for a line is asked of its phone; see pbx/uacsta/README.md"`
}

// companionSettings are the variables of a companion beside those of its driver.
type companionSettings struct {
	Driver string `split_words:"true" default:"uacsta" desc:"the companion's driver"`
}

// config is what the settings say, checked.
type config struct {
	sip          cstasip.Config
	certificates *certificates // of sip.TLS; nil without
	phoneContext string
	clients      clientTable
	directory    map[string]string
	userLines    map[string]*digitmod.Lines // that a user who has authenticated may control
	http         string
	apiToken     string
	natsURL      string
	natsListen   string
	natsToken    string
	natsCreds    string
	data         string
	instance     string
	pbxs         []pbxConfig
	logLevel     slog.Level
	logJSON      bool
	warnings     []string
	findings     []string // about the plans; logged where a plan is put in force
	effective    []string // NAME=value, without secrets
}

type pbxConfig struct {
	name       string
	lines      *digitmod.Lines
	digits     digitmod.Config // the plan at the start
	digitsFile string          // where it is read again; empty: the bucket has it
	build      func(log *slog.Logger) (pbx.Driver, error)
}

// mistakes collects what is wrong with the configuration.
type mistakes struct{ list []error }

func (m *mistakes) add(variable, value, format string, args ...any) {
	err := fmt.Errorf("%s: %s", variable, fmt.Sprintf(format, args...))
	if value != "" {
		err = fmt.Errorf("%s=%q: %s", variable, value, fmt.Sprintf(format, args...))
	}
	m.list = append(m.list, err)
}

// load reads and checks the environment. The error lists every mistake.
func load(environ []string) (*config, error) {
	var m mistakes
	var s settings
	known := map[string]bool{}
	c := &config{}
	c.read(prefix, &s, known, &m)

	c.loadSIP(&s, &m)
	c.loadBus(&s, &m)
	c.clients = parseClients(textOf("RCC_SIP_CLIENTS", s.SIPClients, s.SIPClientsFile, &m), &m)
	c.phoneContext = s.SIPPhoneContext
	if strings.ContainsAny(s.SIPPhoneContext, ";?<>\"@ \t\r\n") {
		m.add("RCC_SIP_PHONE_CONTEXT", s.SIPPhoneContext, "not a domain or a global number")
	}
	c.directory = map[string]string{}
	if text := textOf("RCC_DIRECTORY", s.Directory, s.DirectoryFile, &m); text != "" {
		if err := yaml.Unmarshal([]byte(text), &c.directory); err != nil {
			m.add("RCC_DIRECTORY", "", "not a map of SIP users to lines: %v", err)
		}
		for user, line := range c.directory {
			if _, err := digitmod.Canonical(line); err != nil {
				m.add("RCC_DIRECTORY", line, "line of %s: %v", user, err)
			}
		}
	}
	c.loadUsers(&s, &m)
	if c.http = s.HTTPListen; c.http == "off" {
		c.http = ""
	} else if _, _, err := net.SplitHostPort(c.http); err != nil {
		m.add("RCC_HTTP_LISTEN", c.http, "not host:port: %v", err)
	}
	c.apiToken = textOf("RCC_API_TOKEN", s.APIToken, s.APITokenFile, &m)
	if err := c.logLevel.UnmarshalText([]byte(s.LogLevel)); err != nil {
		m.add("RCC_LOG_LEVEL", s.LogLevel, "not debug, info, warn or error")
	}
	if c.logJSON = s.LogFormat == "json"; !c.logJSON && s.LogFormat != "text" {
		m.add("RCC_LOG_FORMAT", s.LogFormat, "not text or json")
	}
	c.loadPBXs(&s, known, &m)
	if c.sip.Listen == nil && len(c.pbxs) == 0 {
		m.add("RCC_SIP_LISTEN", s.SIPListen, "with RCC_PBX=%s nothing is left to do", s.PBX)
	}
	unknown(environ, known, &m)
	return c, errors.Join(m.list...)
}

// read fills the struct from its variables and records their names.
func (c *config) read(prefix string, into any, known map[string]bool, m *mistakes) {
	if err := envconfig.Process(prefix, into); err != nil {
		m.list = append(m.list, fmt.Errorf("%s: %s", prefix, "cannot be read")) // all fields are text: not reached by any value
	}
	v := reflect.ValueOf(into).Elem()
	for _, d := range describe(prefix, into) {
		known[d.name] = true
		value := v.FieldByIndex(d.index).String()
		if d.secret && value != "" {
			value = "***"
		}
		c.effective = append(c.effective, d.name+"="+value)
	}
}

// textOf returns the variable's own value or the content of the file beside it.
func textOf(variable, value, file string, m *mistakes) string {
	if file == "" {
		return value
	}
	if value != "" {
		m.add(variable+"_FILE", file, "%s is set too; set one of them", variable)
		return ""
	}
	text, err := os.ReadFile(file)
	if err != nil {
		m.add(variable+"_FILE", file, "%v", errors.Unwrap(err))
		return ""
	}
	if len(text) > 1<<20 {
		m.add(variable+"_FILE", file, "larger than 1 MiB")
		return ""
	}
	return strings.TrimRight(string(text), "\r\n")
}

func (c *config) loadSIP(s *settings, m *mistakes) {
	var beyondLoopback, needsTLS, plain bool
	if s.SIPListen != "off" {
		for l := range strings.SplitSeq(s.SIPListen, ",") {
			l = strings.TrimSpace(l)
			network, address, ok := strings.Cut(l, "://")
			if !ok || network != "udp" && network != "tcp" && network != "tls" {
				m.add("RCC_SIP_LISTEN", l, "not udp://, tcp:// or tls:// and host:port")
				continue
			}
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				m.add("RCC_SIP_LISTEN", l, "not host:port: %v", err)
				continue
			}
			if _, err := strconv.ParseUint(port, 10, 16); err != nil {
				m.add("RCC_SIP_LISTEN", l, "port %q is not a number up to 65535", port)
			}
			if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
				beyondLoopback = true
			}
			needsTLS = needsTLS || network == "tls"
			plain = plain || network != "tls"
			c.sip.Listen = append(c.sip.Listen, l)
		}
	}
	c.sip.Advertise = s.SIPAdvertise
	if strings.ContainsAny(s.SIPAdvertise, " \t\r\n<>;@/") {
		m.add("RCC_SIP_ADVERTISE", s.SIPAdvertise, "not host or host:port")
	}
	passwords := s.SIPAuth == authAll || s.SIPAuth == "" && s.SIPUsers+s.SIPUsersFile != ""
	if s.SIPPeers != "" {
		c.sip.Peers = parsePeers(s.SIPPeers, m)
	} else if beyondLoopback && s.SIPTlsClientCa == "" && !passwords {
		m.add("RCC_SIP_LISTEN", s.SIPListen, "listens beyond loopback: say in RCC_SIP_PEERS who may talk to it, or require certificates by RCC_SIP_TLS_CLIENT_CA, or passwords by RCC_SIP_USERS")
	}
	if s.SIPPeers == "" && beyondLoopback && s.SIPTlsClientCa != "" && plain && !passwords {
		m.add("RCC_SIP_LISTEN", s.SIPListen, "RCC_SIP_TLS_CLIENT_CA guards tls:// listeners only: say in RCC_SIP_PEERS who may talk to the others")
	}
	seconds := func(variable, value string, low int) time.Duration {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > 86400 {
			m.add(variable, value, "not a number of seconds from %d to 86400", low)
		}
		return time.Duration(n) * time.Second
	}
	c.sip.SessionExpires = seconds("RCC_SIP_SESSION_EXPIRES", s.SIPSessionExpires, 2)
	c.sip.MinSE = seconds("RCC_SIP_MIN_SE", s.SIPMinSe, 1)
	if c.sip.MinSE > c.sip.SessionExpires {
		m.add("RCC_SIP_MIN_SE", s.SIPMinSe, "longer than RCC_SIP_SESSION_EXPIRES=%s", s.SIPSessionExpires)
	}
	for name, d := range map[string]time.Duration{"RCC_SIP_SESSION_EXPIRES": c.sip.SessionExpires, "RCC_SIP_MIN_SE": c.sip.MinSE} {
		if d < 90*time.Second {
			c.warnings = append(c.warnings, fmt.Sprintf("%s is below the 90 s of RFC 4028: for laboratories only", name))
		}
	}
	limit := func(variable, value string) int {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 1_000_000 {
			m.add(variable, value, "not a number from 1 to 1000000")
		}
		return n
	}
	c.sip.MaxPeerDialogs = limit("RCC_SIP_MAX_PEER_DIALOGS", s.SIPMaxPeerDialogs)
	c.sip.MaxPeerConnections = limit("RCC_SIP_MAX_PEER_CONNECTIONS", s.SIPMaxPeerConnections)
	c.sip.MaxPeerRequests = limit("RCC_SIP_MAX_PEER_REQUESTS", s.SIPMaxPeerRequests)
	c.sip.ErrorStyle = cstasip.ErrorStyle(s.SIPErrorStyle)
	if c.sip.ErrorStyle != cstasip.ErrorsInCSTA && c.sip.ErrorStyle != cstasip.ErrorsInSIP {
		m.add("RCC_SIP_ERROR_STYLE", s.SIPErrorStyle, "not csta or sip")
	}
	switch {
	case s.SIPTlsCert != "" && s.SIPTlsKey != "":
		t, err := newCertificates(s.SIPTlsCert, s.SIPTlsKey, s.SIPTlsClientCa)
		if err != nil {
			m.list = append(m.list, err)
			break
		}
		c.certificates, c.sip.TLS = t, t.listener()
	case s.SIPTlsCert != "":
		m.add("RCC_SIP_TLS_KEY", "", "missing beside RCC_SIP_TLS_CERT")
	case s.SIPTlsKey != "":
		m.add("RCC_SIP_TLS_CERT", "", "missing beside RCC_SIP_TLS_KEY")
	case needsTLS:
		m.add("RCC_SIP_TLS_CERT", "", "missing: RCC_SIP_LISTEN has a tls:// listener")
	case s.SIPTlsClientCa != "":
		m.add("RCC_SIP_TLS_CLIENT_CA", s.SIPTlsClientCa, "without RCC_SIP_TLS_CERT and RCC_SIP_TLS_KEY there is no TLS")
	}
}

func (c *config) loadBus(s *settings, m *mistakes) {
	c.natsURL, c.natsCreds, c.data, c.instance = s.NATSUrl, s.NATSCreds, s.Data, s.Instance
	c.natsToken = textOf("RCC_NATS_TOKEN", s.NATSToken, s.NATSTokenFile, m)
	if s.NATSListen != "off" {
		c.natsListen = s.NATSListen
		if _, _, err := net.SplitHostPort(s.NATSListen); err != nil {
			m.add("RCC_NATS_LISTEN", s.NATSListen, "not off or host:port: %v", err)
		}
		if c.natsToken == "" {
			m.add("RCC_NATS_TOKEN", "", "missing: RCC_NATS_LISTEN opens the embedded server to others")
		}
		if s.NATSUrl != "" {
			m.add("RCC_NATS_LISTEN", s.NATSListen, "there is no embedded server with RCC_NATS_URL")
		}
	}
	if s.NATSCreds != "" {
		if s.NATSUrl == "" {
			m.add("RCC_NATS_CREDS", s.NATSCreds, "is for an external server: RCC_NATS_URL is missing")
		} else if _, err := os.Stat(s.NATSCreds); err != nil {
			m.add("RCC_NATS_CREDS", s.NATSCreds, "%v", errors.Unwrap(err))
		}
	}
	if s.NATSUrl != "" && !strings.Contains(s.NATSUrl, "://") {
		// The value may hold a password.
		m.add("RCC_NATS_URL", "", "not a URL such as nats://host:4222")
	}
	if s.Data == "" {
		m.add("RCC_DATA", "", "missing")
	}
	if strings.ContainsAny(s.Instance, " \t\r\n.*>") {
		m.add("RCC_INSTANCE", s.Instance, "has white space, a dot, * or >")
	}
}

func (c *config) loadPBXs(s *settings, known map[string]bool, m *mistakes) {
	if s.PBX == "none" {
		return
	}
	names := map[string]string{}
	for name := range strings.SplitSeq(s.PBX, ",") {
		name = strings.TrimSpace(name)
		if err := bus.CheckName(name); err != nil {
			m.add("RCC_PBX", s.PBX, "%v", err)
			continue
		}
		env := variables(name)
		if other, ok := names[env]; ok {
			m.add("RCC_PBX", s.PBX, "%s and %s have the same variables %s_…", other, name, env)
			continue
		}
		names[env] = name
		var p pbxSettings
		c.read(env, &p, known, m)
		pc := pbxConfig{name: name, digitsFile: p.DigitsFile}
		var err error
		if pc.lines, err = digitmod.ParseLines(p.Lines); err != nil {
			m.add(env+"_LINES", p.Lines, "%v", err)
		}
		text := textOf(env+"_DIGITS", p.Digits, p.DigitsFile, m)
		if text != "" {
			if pc.digits, err = digitmod.ReadConfig([]byte(text)); err != nil {
				m.add(env+"_DIGITS", "", "%v", err)
			}
		}
		c.checkDigits(env, pc, m)
		if pc.build = c.loadDriver(env, p.Driver, known, m); pc.build == nil {
			continue
		}
		if p.Companion != "" && !c.loadCompanion(env, p.Companion, s, &pc, known, m) {
			continue
		}
		c.pbxs = append(c.pbxs, pc)
	}
}

// loadDriver reads the settings of a driver of the kind, and returns what makes it; nil
// if they have mistakes.
func (c *config) loadDriver(env, name string, known map[string]bool, m *mistakes) func(log *slog.Logger) (pbx.Driver, error) {
	k, ok := kinds[name]
	if !ok {
		m.add(env+"_DRIVER", name, "not one of %s", strings.Join(kindNames(), ", "))
		return nil
	}
	settings := k.settings()
	c.read(env, settings, known, m)
	for _, d := range describe(env, settings) {
		if file, ok := strings.CutSuffix(d.name, "_FILE"); ok {
			v := reflect.ValueOf(settings).Elem()
			field := v.FieldByName(strings.TrimSuffix(d.field, "File"))
			field.SetString(textOf(file, field.String(), v.FieldByIndex(d.index).String(), m))
			v.FieldByIndex(d.index).SetString("")
		}
	}
	if err := k.check(settings); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			m.list = append(m.list, fmt.Errorf("%s_%s", env, line))
		}
		return nil
	}
	return func(log *slog.Logger) (pbx.Driver, error) { return k.build(settings, log) }
}

// variables returns what the names of a PBX's variables begin with.
func variables(pbx string) string {
	return prefix + "_PBX_" + strings.ToUpper(strings.ReplaceAll(pbx, "-", "_"))
}

// loadCompanion reads the settings of a PBX's companion, and has the PBX's driver made
// of both.
func (c *config) loadCompanion(env, name string, s *settings, p *pbxConfig, known map[string]bool, m *mistakes) bool {
	if err := bus.CheckName(name); err != nil {
		m.add(env+"_COMPANION", name, "%v", err)
		return false
	}
	own := variables(name)
	for other := range strings.SplitSeq(s.PBX, ",") {
		if variables(strings.TrimSpace(other)) == own {
			m.add(env+"_COMPANION", name, "is a PBX of RCC_PBX, too: its phones would be commanded twice")
			return false
		}
	}
	if known[own+"_DRIVER"] {
		m.add(env+"_COMPANION", name, "is the companion of another PBX already")
		return false
	}
	var cs companionSettings
	c.read(own, &cs, known, m)
	main, phones := p.build, c.loadDriver(own, cs.Driver, known, m)
	if phones == nil {
		return false
	}
	p.build = func(log *slog.Logger) (pbx.Driver, error) {
		a, err := main(log)
		if err != nil {
			return nil, err
		}
		log = log.With("companion", name)
		b, err := phones(log)
		if err != nil {
			return nil, err
		}
		return pbx.NewCompanion(a, b, log), nil
	}
	return true
}

// checkDigits looks for flaws in the plan of the start, and notes where the plan
// in force is found. Lines that no pattern names are tried when a client asks
// for them.
func (c *config) checkDigits(env string, p pbxConfig, m *mistakes) {
	if plan, err := digitmod.New(p.digits); err == nil && p.lines != nil {
		for _, f := range plan.Lint(p.lines) {
			if f.Severity == digitmod.Fault {
				m.add(env+"_DIGITS", "", "%v", f)
			} else {
				c.findings = append(c.findings, fmt.Sprintf("%s_DIGITS: %v", env, f))
			}
		}
	}
	source := "the bucket rcc_digits, which begins with " + env + "_DIGITS and is edited by the API"
	if p.digitsFile != "" {
		source = "the file, which is read again when it changes"
	}
	c.effective = append(c.effective, "# digit plan of "+p.name+": "+source)
}

// unknown reports variables that nobody reads: a misspelt name must not pass
// for a setting.
func unknown(environ []string, known map[string]bool, m *mistakes) {
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, prefix+"_") || known[name] || strings.HasPrefix(name, prefix+"_TEST_") {
			continue
		}
		hint := ""
		if strings.HasSuffix(name, "_SERVICE_HOST") || strings.HasSuffix(name, "_SERVICE_PORT") || strings.Contains(name, "_PORT_") || name == prefix+"_PORT" {
			hint = "; Kubernetes makes it for a service of that name: set enableServiceLinks: false"
		}
		m.add(name, "", "is not a setting, or not of the driver that is chosen%s", hint)
	}
}

// A description is one variable, as -help and the README show it.
type description struct {
	name, def, text, field string
	secret                 bool
	index                  []int
}

// describe lists the variables of the struct, named as envconfig names them.
func describe(prefix string, settings any) []description {
	var keys strings.Builder
	if err := envconfig.Usagef(prefix, settings, &keys, "{{range .}}{{usage_key .}}\n{{end}}"); err != nil {
		panic(err) // the struct is a constant of the program
	}
	names := strings.Fields(keys.String())
	var list []description
	for f := range reflect.TypeOf(settings).Elem().Fields() {
		list = append(list, description{name: names[len(list)], def: f.Tag.Get("default"), text: f.Tag.Get("desc"),
			field: f.Name, secret: f.Tag.Get("secret") == "true", index: f.Index})
	}
	return list
}
