package asterisk

import (
	"reflect"
	"strings"
	"testing"
)

// defaults are the settings as envconfig fills them in.
func defaults() Settings {
	var s Settings
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		v.Field(i).SetString(v.Type().Field(i).Tag.Get("default"))
	}
	return s
}

func TestSettings(t *testing.T) {
	s := defaults()
	s.Secret = "hidden"
	if err := s.Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for _, tt := range []struct {
		variable string
		change   func(*Settings)
	}{
		{"ADDRESS", func(s *Settings) { s.Address = "x" }},
		{"ADDRESS", func(s *Settings) { s.Address = "http://x:1" }},
		{"ADDRESS", func(s *Settings) { s.Address = "x:70000" }},
		{"USER", func(s *Settings) { s.User = "" }},
		{"USER", func(s *Settings) { s.User = "a\r\nAction: x" }},
		{"SECRET", func(s *Settings) { s.Secret = "" }},
		{"SECRET", func(s *Settings) { s.Secret = "hid\nden" }},
		{"CONTEXT", func(s *Settings) { s.Context = "a,b" }},
		{"HOLD_CONTEXT", func(s *Settings) { s.HoldContext = "" }},
		{"CONSULT_CONTEXT", func(s *Settings) { s.ConsultContext = "${X}" }},
		{"TECHNOLOGY", func(s *Settings) { s.Technology = "PJSIP/1001" }},
		{"ENDPOINT", func(s *Settings) { s.Endpoint = "phone" }},
		{"ENDPOINT", func(s *Settings) { s.Endpoint = "a&{line}" }},
		{"ENDPOINT", func(s *Settings) { s.Endpoint = "{line}," }},
		{"ENDPOINT", func(s *Settings) { s.Endpoint = "{line},soft-{line}, {line}" }},
		{"ENDPOINTS", func(s *Settings) { s.Endpoints = "" }},
		{"ENDPOINTS", func(s *Settings) { s.Endpoints = "1001-99" }},
		{"ORBIT_PREFIX", func(s *Settings) { s.OrbitPrefix = "#;" }},
		{"ORBIT_PREFIX", func(s *Settings) { s.OrbitPrefix = "#########" }},
		{"TALK_EVENT", func(s *Settings) { s.TalkEvent = "10 01,x" }},
		{"TALK_EVENT", func(s *Settings) { s.TalkEvent, s.Technology = "*", "SIP" }},
		{"AUTO_ANSWER", func(s *Settings) { s.AutoAnswer = "1009-1001" }},
		{"AUTO_ANSWER", func(s *Settings) { s.AutoAnswer, s.Technology = "*", "SIP" }},
		{"AUTO_ANSWER_HEADER", func(s *Settings) { s.AutoAnswerHeader = "Call-Info" }},
		{"AUTO_ANSWER_HEADER", func(s *Settings) { s.AutoAnswerHeader = "Call-Info: a,b" }},
		{"AUTO_ANSWER_HEADER", func(s *Settings) { s.AutoAnswerHeader = "Call-Info: ${SHELL(x)}" }},
		{"RING_TIME", func(s *Settings) { s.RingTime = "30" }},
		{"FEATURES", func(s *Settings) { s.Features = "x" }},
		{"DND_FAMILY", func(s *Settings) { s.DndFamily = "a b" }},
		{"DND_VALUE", func(s *Settings) { s.DndValue = "a b" }},
		{"FORWARD_FAMILY", func(s *Settings) { s.ForwardFamily = "a\n" }},
		{"BUSY_FAMILY", func(s *Settings) { s.BusyFamily = "é" }},
		{"NO_ANSWER_FAMILY", func(s *Settings) { s.NoAnswerFamily = "," }},
		{"POLL_INTERVAL", func(s *Settings) { s.PollInterval = "-1s" }},
	} {
		s := defaults()
		s.Secret = "hidden"
		tt.change(&s)
		err := s.Check()
		if err == nil {
			t.Errorf("%s: no mistake in %+v", tt.variable, s)
			continue
		}
		if text := err.Error(); strings.Contains(text, "\n") || strings.Contains(text, "hid") ||
			!strings.HasPrefix(text, tt.variable+"=") && !strings.HasPrefix(text, tt.variable+":") {
			t.Errorf("%s: %s", tt.variable, text)
		}
		if _, err := New(s, testLog(t)); err == nil {
			t.Errorf("%s: a driver is made of it", tt.variable)
		}
	}
	// All mistakes at once, a line each.
	err := Settings{Secret: "hidden"}.Check()
	if n := strings.Count(err.Error(), "\n"); n < 8 || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%v", err)
	}
}

func TestEndpoints(t *testing.T) {
	s := defaults()
	s.Secret, s.Endpoint, s.Endpoints = "hidden", "phone-{line}-a", "10XX"
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.devicesOf("1001"); len(got) != 1 || got[0] != "PJSIP/phone-1001-a" {
		t.Error(got)
	}
	for name, want := range map[string]string{"PJSIP/phone-1001-a-00000001": "1001", "PJSIP/phone-2001-a-00000001": "", "SIP/phone-1001-a-00000001": "",
		"PJSIP/trunk-00000001": "", "Local/1001@phones-0000000a;1": ""} {
		ch := d.newChannel(name, name, name)
		if ch.own != (want != "") || ch.own && ch.device != want {
			t.Errorf("%s: %+v", name, ch)
		}
	}
}

func FuzzDestination(f *testing.F) {
	for _, s := range []string{"5660", "+16135925660", "*72", "#900", "1&2", "1\r\n", "${X}", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if dialable(s) && (s == "" || strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789*#+", r) })) {
			t.Errorf("%q is dialable", s)
		}
	})
}
