package freeswitch

import (
	"net"
	"strconv"
	"strings"
	"time"

	"rccgw/pbx"
)

// Settings are the variables of the driver, as text, named RCC_PBX_<NAME>_…
// Their tags are read by whoever reads the environment.
type Settings struct {
	Address    string `split_words:"true" default:"127.0.0.1:8021" desc:"event socket of the FreeSWITCH: host:port"`
	Secret     string `split_words:"true" secret:"true" desc:"its password"`
	SecretFile string `split_words:"true" desc:"path of a file with it"`
	Domain     string `split_words:"true" desc:"domain of the phones' users in the directory"`
	Context    string `split_words:"true" default:"default" desc:"dialplan context in which the gateway dials"`
	Dialplan   string `split_words:"true" default:"XML" desc:"dialplan module of that context"`
	Phones     string `split_words:"true" default:"X." desc:"users that are phones: 1001-1099, 20XX, X. for all digits; any other party is outside"`
	TalkEvent  string `split_words:"true" desc:"lines whose phones answer at NOTIFY talk; read the warning in pbx/freeswitch/README.md"`
	AutoAnswer string `split_words:"true" desc:"lines whose phones answer by themselves when the call asks for it"`
	Conference string `split_words:"true" desc:"how numbers begin by which the dialplan connects with a conference of the name that follows, such as rcc-conference-; empty: conferences are not offered"`
	Features   string `split_words:"true" default:"off" desc:"db: the dialplan obeys forwarding and do-not-disturb in FreeSWITCH's database, as pbx/freeswitch/README.md has it; off: they are not offered"`
	RingTime   string `split_words:"true" default:"30s" desc:"how long the own phone rings for MakeCall"`
	LookAgain  string `split_words:"true" default:"5s" desc:"how soon the channels are looked at again after an event may have been lost"`
}

// config is what the settings say.
type config struct {
	address, secret           string
	domain, context, dialplan string
	conference                string
	features                  bool
	phones, talk, autoAnswer  pbx.Lines
	ringTime, lookAgain       time.Duration
}

// Check returns all mistakes, a line each, beginning with the variable's name
// without prefix. No line shows a secret.
func (s Settings) Check() error {
	_, err := s.config()
	return err
}

func (s Settings) config() (config, error) {
	var m pbx.Mistakes
	c := config{address: s.Address, secret: s.Secret, domain: s.Domain, context: s.Context, dialplan: s.Dialplan, conference: s.Conference,
		features: s.Features == "db"}
	if h, port, err := net.SplitHostPort(s.Address); err != nil || h == "" {
		m.Add("ADDRESS", s.Address, "not host:port")
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		m.Add("ADDRESS", s.Address, "port %q is not a number up to 65535", port)
	}
	if s.Secret == "" && s.SecretFile == "" {
		m.Note("SECRET", "missing")
	} else if strings.ContainsFunc(s.Secret, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		m.Note("SECRET", "has a control character")
	}
	// These become words of commands.
	word := func(variable, value, more string) {
		if value == "" || strings.Trim(value, letters+digits+"_-"+more) != "" {
			m.Add(variable, value, "not letters, digits and any of _-%s", more)
		}
	}
	word("DOMAIN", s.Domain, ".")
	word("CONTEXT", s.Context, ".")
	word("DIALPLAN", s.Dialplan, "")
	if s.Conference != "" {
		word("CONFERENCE", s.Conference, "")
	}
	if s.Features != "db" && s.Features != "off" {
		m.Add("FEATURES", s.Features, "not db or off")
	}
	if c.phones = m.Lines("PHONES", s.Phones); s.Phones == "" {
		m.Add("PHONES", s.Phones, "no user is a phone")
	}
	c.talk = m.Lines("TALK_EVENT", s.TalkEvent)
	c.autoAnswer = m.Lines("AUTO_ANSWER", s.AutoAnswer)
	c.ringTime = m.Duration("RING_TIME", s.RingTime, time.Second, time.Hour, "5s")
	c.lookAgain = m.Duration("LOOK_AGAIN", s.LookAgain, 10*time.Millisecond, time.Hour, "5s")
	return c, m.Err()
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)
