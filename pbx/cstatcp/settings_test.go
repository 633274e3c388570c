package cstatcp

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	// The defaults, and an address, are enough.
	s := usual()
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if def := f.Tag.Get("default"); f.Name != "Address" && v.Field(i).String() != def {
			t.Errorf("the tests' default of %s is %q, the driver's %q", f.Name, v.Field(i), def)
		}
	}
	if err := s.Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		variable string
		change   func(*Settings)
	}{
		{"ADDRESS", func(s *Settings) { s.Address = "" }},
		{"ADDRESS", func(s *Settings) { s.Address = "server" }},
		{"ADDRESS", func(s *Settings) { s.Address = ":1040" }},
		{"ADDRESS", func(s *Settings) { s.Address = "http://server:1040" }},
		{"ADDRESS", func(s *Settings) { s.Address = "server:0" }},
		{"ADDRESS", func(s *Settings) { s.Address = "server:csta" }},
		{"TLS_CA", func(s *Settings) { s.TlsCa = noPEM }},
		{"TLS_CA", func(s *Settings) { s.Address, s.TlsCa = "tls://server:1040", noPEM }},
		{"TLS_CA", func(s *Settings) { s.Address, s.TlsCa = "tls://server:1040", noPEM+"x" }},
		{"EDITION", func(s *Settings) { s.Edition = "" }},
		{"EDITION", func(s *Settings) { s.Edition = "ed1" }},
		{"EDITION", func(s *Settings) { s.Edition = "ed3/" }},
		{"EDITION", func(s *Settings) { s.Edition = "ed3/a b" }},
		{"FEATURES", func(s *Settings) { s.Features = "MakeCall,NoSuchCall" }},
		{"FEATURES", func(s *Settings) { s.Features = "MakeCallResponse" }},
		{"SESSION", func(s *Settings) { s.Session = "on" }},
		{"APPLICATION_ID", func(s *Settings) { s.Session, s.ApplicationID = "ecma354", "" }},
		{"PROTOCOL", func(s *Settings) { s.Protocol = "a\nb" }},
		{"USER", func(s *Settings) { s.User, s.Secret = "u", "hidden" }},
		{"USER", func(s *Settings) { s.Session, s.User, s.Secret = "ecma354", "u\x00", "hidden" }},
		{"SECRET", func(s *Settings) { s.Session, s.User = "ecma354", "u" }},
		{"SECRET", func(s *Settings) { s.Secret = "hidden" }},
		{"SECRET", func(s *Settings) { s.Session, s.User, s.Secret = "ecma354", "u", "hid\nden" }},
		{"DURATION", func(s *Settings) { s.Duration = "180" }},
		{"HEARTBEAT", func(s *Settings) { s.Heartbeat = "0" }},
		{"TIMEOUT", func(s *Settings) { s.Timeout = "-5s" }},
	} {
		s := usual()
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
		if _, err := New(s, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: a driver is made of it", tt.variable)
		}
	}
	// All mistakes at once, a line each.
	err := Settings{Secret: "hidden", Session: "x", Features: "x"}.Check()
	if n := strings.Count(err.Error(), "\n"); n != 7 || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%d: %v", n, err)
	}
	for _, good := range []func(*Settings){
		func(s *Settings) { s.Address = "tcp://[::1]:1040" },
		func(s *Settings) { s.Address = "tls://server:1040" },
		func(s *Settings) { s.Edition = "ed3/privA" },
		func(s *Settings) { s.Session, s.User, s.Secret = "ecma354", "u", "s" },
		func(s *Settings) { s.Session, s.User, s.SecretFile = "ecma354", "u", "/run/secrets/cti" },
	} {
		s := usual()
		good(&s)
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
