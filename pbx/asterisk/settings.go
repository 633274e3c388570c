package asterisk

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"rccgw/pbx"
)

// Settings are the variables of the driver, as text, named RCC_PBX_<NAME>_…
// Their tags are read by whoever reads the environment.
type Settings struct {
	Address           string `split_words:"true" default:"127.0.0.1:5038" desc:"AMI of the Asterisk: host:port, or tls://host:port"`
	User              string `split_words:"true" default:"rccgw" desc:"AMI user"`
	Secret            string `split_words:"true" secret:"true" desc:"its secret"`
	SecretFile        string `split_words:"true" desc:"path of a file with it"`
	Context           string `split_words:"true" default:"phones" desc:"dialplan context in which the gateway dials; the global RCC_CONTEXT of the dialplan says the same"`
	HoldContext       string `split_words:"true" default:"rcc-hold" desc:"dialplan context in which the two ends of a held call wait"`
	ConsultContext    string `split_words:"true" default:"rcc-consult" desc:"dialplan context by which a phone with a held call dials another"`
	ConferenceContext string `split_words:"true" default:"rcc-conference" desc:"dialplan context in which the parties of a conference meet"`
	PickupContext     string `split_words:"true" default:"rcc-pickup" desc:"dialplan context by which a phone picks up a call that rings at another"`
	MailContext       string `split_words:"true" default:"rcc-mwi" desc:"dialplan context by which phones are told that a message waits"`
	OrbitPrefix       string `split_words:"true" desc:"what is dialled before the number of a parking space, such as # where #900 retrieves what is parked at 900"`
	Technology        string `split_words:"true" default:"PJSIP" desc:"channel technology of the phones"`
	Endpoint          string `split_words:"true" default:"{line}" desc:"name of a line's endpoint, such as phone-{line}; of a line with several phones all of them: {line},{line}-soft"`
	Endpoints         string `split_words:"true" default:"X." desc:"lines whose endpoints are phones: 1001-1099, 20XX, X. for all digits, *; any other endpoint is a trunk"`
	TalkEvent         string `split_words:"true" desc:"lines whose phones honour NOTIFY talk and hold; read the warning in pbx/asterisk/README.md"`
	AutoAnswer        string `split_words:"true" desc:"lines whose phones answer by themselves when the header below asks for it"`
	AutoAnswerHeader  string `split_words:"true" default:"Call-Info: <sip:rccgw>;answer-after=0" desc:"SIP header that asks a phone to answer by itself"`
	RingTime          string `split_words:"true" default:"30s" desc:"how long the own phone rings for MakeCall"`
	Features          string `split_words:"true" default:"asterisk" desc:"families of AstDB: asterisk (DND CF CFB CFNA) or freepbx (DND CF CFB CFU)"`
	DndFamily         string `split_words:"true" desc:"family of do-not-disturb, where it is another"`
	DndValue          string `split_words:"true" desc:"what is written there for on, where it is something else than 1, or YES with freepbx"`
	ForwardFamily     string `split_words:"true" desc:"family of forwarding at once, where it is another"`
	BusyFamily        string `split_words:"true" desc:"family of forwarding when busy, where it is another"`
	NoAnswerFamily    string `split_words:"true" desc:"family of forwarding without an answer, where it is another"`
	PollInterval      string `split_words:"true" default:"2s" desc:"how often forwarding and do-not-disturb of watched lines are looked up; 0: never"`
}

// config is what the settings say.
type config struct {
	address, user, secret                string
	context, holdContext, consultContext string
	conferenceContext, pickupContext     string
	mailContext                          string
	orbitPrefix                          string
	technology                           string
	endpoints                            []naming
	lines, talk, autoAnswer              pbx.Lines
	autoAnswerVariable                   string
	ringTime, poll                       time.Duration
	dnd, forward, busy, noAnswer, dndOn  string
}

// A naming is how endpoints are named after their lines.
type naming struct{ prefix, suffix string }

func (n naming) of(line string) string { return n.prefix + line + n.suffix }

// Check returns all mistakes, a line each, beginning with the variable's name
// without prefix. No line shows a secret.
func (s Settings) Check() error {
	_, err := s.config()
	return err
}

func (s Settings) config() (config, error) {
	var m pbx.Mistakes
	c := config{address: s.Address, user: s.User, secret: s.Secret, context: s.Context, holdContext: s.HoldContext,
		consultContext: s.ConsultContext, conferenceContext: s.ConferenceContext, pickupContext: s.PickupContext, mailContext: s.MailContext, orbitPrefix: s.OrbitPrefix, technology: s.Technology}
	scheme, host, ok := strings.Cut(s.Address, "://")
	if !ok {
		scheme, host = "tcp", s.Address
	}
	if scheme != "tcp" && scheme != "tls" {
		m.Add("ADDRESS", s.Address, "not host:port, tcp://host:port or tls://host:port")
	} else if h, port, err := net.SplitHostPort(host); err != nil || h == "" {
		m.Add("ADDRESS", s.Address, "not host:port")
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		m.Add("ADDRESS", s.Address, "port %q is not a number up to 65535", port)
	}
	if s.User == "" || hasControl(s.User) {
		m.Add("USER", s.User, "not the name of an AMI user")
	}
	if s.Secret == "" && s.SecretFile == "" {
		m.Note("SECRET", "missing")
	} else if hasControl(s.Secret) {
		m.Note("SECRET", "has a control character")
	}
	word := func(variable, value string) {
		if value == "" || strings.Trim(value, letters+digits+"_-") != "" {
			m.Add(variable, value, "not letters, digits, - and _")
		}
	}
	word("CONTEXT", s.Context)
	word("HOLD_CONTEXT", s.HoldContext)
	word("CONSULT_CONTEXT", s.ConsultContext)
	word("CONFERENCE_CONTEXT", s.ConferenceContext)
	word("PICKUP_CONTEXT", s.PickupContext)
	word("MAIL_CONTEXT", s.MailContext)
	if strings.Trim(s.OrbitPrefix, digits+"*#") != "" || len(s.OrbitPrefix) > 8 {
		m.Add("ORBIT_PREFIX", s.OrbitPrefix, "not up to 8 digits, * and #")
	}
	word("TECHNOLOGY", s.Technology)
	for name := range strings.SplitSeq(s.Endpoint, ",") {
		var n naming
		n.prefix, n.suffix, ok = strings.Cut(strings.TrimSpace(name), "{line}")
		switch {
		case !ok:
			m.Add("ENDPOINT", s.Endpoint, "%q has no {line} in it", name)
		case strings.Trim(n.prefix+n.suffix, letters+digits+"_-.") != "":
			m.Add("ENDPOINT", s.Endpoint, "%q is not letters, digits, -, _ and . around {line}", name)
		case slices.Contains(c.endpoints, n):
			m.Add("ENDPOINT", s.Endpoint, "%q is there twice", name)
		}
		c.endpoints = append(c.endpoints, n)
	}
	c.lines = m.Lines("ENDPOINTS", s.Endpoints)
	if s.Endpoints == "" {
		m.Add("ENDPOINTS", s.Endpoints, "no endpoint is a phone")
	}
	c.talk = m.Lines("TALK_EVENT", s.TalkEvent)
	c.autoAnswer = m.Lines("AUTO_ANSWER", s.AutoAnswer)
	if s.Technology != "PJSIP" && s.TalkEvent != "" {
		m.Add("TALK_EVENT", s.TalkEvent, "works with the technology PJSIP only")
	}
	if s.Technology != "PJSIP" && s.AutoAnswer != "" {
		m.Add("AUTO_ANSWER", s.AutoAnswer, "works with the technology PJSIP only")
	}
	name, value, ok := strings.Cut(s.AutoAnswerHeader, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok || name == "" || value == "" || strings.Trim(name, letters+digits+"-") != "":
		m.Add("AUTO_ANSWER_HEADER", s.AutoAnswerHeader, "not Name: value")
	case strings.ContainsAny(value, ",$`\\\"'()[]{}") || hasControl(value):
		// Asterisk reads these itself, and splits at commas.
		m.Add("AUTO_ANSWER_HEADER", s.AutoAnswerHeader, "has a character that Asterisk would interpret")
	}
	c.autoAnswerVariable = "PJSIP_HEADER(add," + name + ")=" + value
	c.ringTime = m.Duration("RING_TIME", s.RingTime, time.Second, time.Hour, "5s")
	c.poll = m.Duration("POLL_INTERVAL", s.PollInterval, 0, time.Hour, "5s")
	c.features(s, &m)
	return c, m.Err()
}

// features fills in the families of AstDB.
func (c *config) features(s Settings, m *pbx.Mistakes) {
	c.dnd, c.dndOn, c.forward, c.busy, c.noAnswer = "DND", "1", "CF", "CFB", "CFNA"
	switch s.Features {
	case "asterisk":
	case "freepbx":
		c.dndOn, c.noAnswer = "YES", "CFU"
	default:
		m.Add("FEATURES", s.Features, "not asterisk or freepbx")
	}
	for _, f := range []struct {
		variable, value string
		into            *string
	}{
		{"DND_FAMILY", s.DndFamily, &c.dnd}, {"DND_VALUE", s.DndValue, &c.dndOn}, {"FORWARD_FAMILY", s.ForwardFamily, &c.forward},
		{"BUSY_FAMILY", s.BusyFamily, &c.busy}, {"NO_ANSWER_FAMILY", s.NoAnswerFamily, &c.noAnswer},
	} {
		if f.value == "" {
			continue
		}
		if *f.into = f.value; strings.Trim(f.value, letters+digits+"_-/") != "" {
			m.Add(f.variable, f.value, "not letters, digits, -, _ and /")
		}
	}
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
