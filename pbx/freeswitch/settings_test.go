package freeswitch

import (
	"strings"
	"testing"
)

func valid() Settings {
	return Settings{Address: "127.0.0.1:8021", Secret: "s3cret", Domain: "example.org", Context: "default", Dialplan: "XML", Phones: "X.", Features: "off", RingTime: "30s", LookAgain: "5s"}
}

func TestSettings(t *testing.T) {
	if err := valid().Check(); err != nil {
		t.Error(err)
	}
	for name, tt := range map[string]struct {
		change func(s *Settings)
		want   []string // how the lines begin
	}{
		"address":            {func(s *Settings) { s.Address = "pbx" }, []string{`ADDRESS="pbx": not host:port`}},
		"no host":            {func(s *Settings) { s.Address = ":8021" }, []string{`ADDRESS=":8021": not host:port`}},
		"port":               {func(s *Settings) { s.Address = "pbx:esl" }, []string{`ADDRESS="pbx:esl": port "esl"`}},
		"no secret":          {func(s *Settings) { s.Secret = "" }, []string{"SECRET: missing"}},
		"secret of a file":   {func(s *Settings) { s.Secret, s.SecretFile = "", "/run/secret" }, nil},
		"secret of lines":    {func(s *Settings) { s.Secret = "a\n\napi fsctl" }, []string{"SECRET: has a control character"}},
		"domain":             {func(s *Settings) { s.Domain = "" }, []string{`DOMAIN="": not letters`}},
		"domain of two":      {func(s *Settings) { s.Domain = "a b" }, []string{`DOMAIN="a b": not letters`}},
		"domain of syntax":   {func(s *Settings) { s.Domain = "[::1]" }, []string{`DOMAIN="[::1]": not letters`}},
		"context":            {func(s *Settings) { s.Context = "a,b" }, []string{`CONTEXT="a,b": not letters`}},
		"dialplan":           {func(s *Settings) { s.Dialplan = "X M L" }, []string{`DIALPLAN="X M L": not letters`}},
		"conference":         {func(s *Settings) { s.Conference = "a b" }, []string{`CONFERENCE="a b": not letters`}},
		"features":           {func(s *Settings) { s.Features = "hash" }, []string{`FEATURES="hash": not db or off`}},
		"phones":             {func(s *Settings) { s.Phones = "" }, []string{`PHONES="": no user is a phone`}},
		"lines":              {func(s *Settings) { s.TalkEvent, s.AutoAnswer = "10-1", "alice" }, []string{`TALK_EVENT="10-1": "10-1" is not a range`, `AUTO_ANSWER="alice": "alice" is not digits`}},
		"times":              {func(s *Settings) { s.RingTime, s.LookAgain = "0s", "soon" }, []string{`RING_TIME="0s": not a duration`, `LOOK_AGAIN="soon": not a duration`}},
		"everything at once": {func(s *Settings) { *s = Settings{} }, []string{"ADDRESS=", "SECRET:", "DOMAIN=", "CONTEXT=", "DIALPLAN=", "FEATURES=", "PHONES=", "RING_TIME=", "LOOK_AGAIN="}},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			tt.change(&s)
			var lines []string
			if err := s.Check(); err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(tt.want) {
				t.Fatalf("%q, want %q", lines, tt.want)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, tt.want[i]) || strings.Contains(line, "s3cret") {
					t.Errorf("%q, want %q", line, tt.want[i])
				}
			}
		})
	}
}
