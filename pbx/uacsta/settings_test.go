package uacsta_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rccgw/pbx/pbxtest"
	"rccgw/pbx/uacsta"
)

func TestSettings(t *testing.T) {
	usual := func() uacsta.Settings {
		s := defaults()
		s.Address = "tcp://pbx.example.com:5060"
		return s
	}
	ca, cert, key := clientFiles(t, pbxtest.NewAuthority(t, "authority"))
	noPEM := filepath.Join(t.TempDir(), "no.pem")
	if err := os.WriteFile(noPEM, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	secure := func(s *uacsta.Settings) { s.Address = "tls://pbx.example.com:5061" }
	for _, tt := range []struct {
		variable string
		change   func(*uacsta.Settings)
	}{
		{"ADDRESS", func(s *uacsta.Settings) { s.Address = "" }},
		{"ADDRESS", func(s *uacsta.Settings) { s.Address = "pbx.example.com" }},
		{"ADDRESS", func(s *uacsta.Settings) { s.Address = "sip://pbx.example.com:5060" }},
		{"ADDRESS", func(s *uacsta.Settings) { s.Address = "udp://:5060" }},
		{"ADDRESS", func(s *uacsta.Settings) { s.Address = "udp://pbx.example.com:0" }},
		{"ADDRESS", func(s *uacsta.Settings) { s.Address = "udp://a@pbx.example.com:5060" }},
		{"ADDRESSES", func(s *uacsta.Settings) { s.Addresses = "1001" }},
		{"ADDRESSES", func(s *uacsta.Settings) { s.Addresses = "10;01=udp://10.0.0.1:5060" }},
		{"ADDRESSES", func(s *uacsta.Settings) { s.Addresses = "1001=10.0.0.1:5060" }},
		{"ADDRESSES", func(s *uacsta.Settings) { s.Addresses = "1001=udp://10.0.0.1:5060,1001=udp://10.0.0.2:5060" }},
		{"TLS_CA", func(s *uacsta.Settings) { s.TlsCa = ca }},
		{"TLS_CA", func(s *uacsta.Settings) { secure(s); s.TlsCa = noPEM }},
		{"TLS_CA", func(s *uacsta.Settings) { secure(s); s.TlsCa = noPEM + "x" }},
		{"TLS_CERT", func(s *uacsta.Settings) { secure(s); s.TlsKey = key }},
		{"TLS_KEY", func(s *uacsta.Settings) { secure(s); s.TlsCert = cert }},
		{"TLS_CERT", func(s *uacsta.Settings) { secure(s); s.TlsCert, s.TlsKey = noPEM, key }},
		{"TO", func(s *uacsta.Settings) { s.To = "{line}" }},
		{"TO", func(s *uacsta.Settings) { s.To = "tel:{line}" }},
		{"TO", func(s *uacsta.Settings) { s.To = "sip:{number}@{host}" }},
		{"FROM", func(s *uacsta.Settings) { s.From = "sip:a b@{host}" }},
		{"LINE", func(s *uacsta.Settings) { s.Line = "tel:1001" }},
		{"LINE", func(s *uacsta.Settings) { s.Line = "tel:{line};at={site}" }},
		{"NUMBER", func(s *uacsta.Settings) { s.Number = "tel:{line}" }},
		{"LINE_IN_INVITE", func(s *uacsta.Settings) { s.LineInInvite = "yes" }},
		{"USER", func(s *uacsta.Settings) { s.Secret = "hidden" }},
		{"USER", func(s *uacsta.Settings) { s.User, s.Secret = "u\n", "hidden" }},
		{"SECRET", func(s *uacsta.Settings) { s.User = "u" }},
		{"SECRET", func(s *uacsta.Settings) { s.User, s.Secret = "u", "hid\nden" }},
		{"EDITION", func(s *uacsta.Settings) { s.Edition = "ed7" }},
		{"FEATURES", func(s *uacsta.Settings) { s.Features = "MakeCall,NoSuchCall" }},
		{"SESSION_EXPIRES", func(s *uacsta.Settings) { s.SessionExpires = "1m" }},
		{"REFRESH", func(s *uacsta.Settings) { s.Refresh = "" }},
		{"HEARTBEAT", func(s *uacsta.Settings) { s.Heartbeat = "0" }},
		{"TIMEOUT", func(s *uacsta.Settings) { s.Timeout = "5" }},
		{"IDLE", func(s *uacsta.Settings) { s.Idle = "-1m" }},
		{"RETRY", func(s *uacsta.Settings) { s.Retry = "0s" }},
		{"RETRY_MAX", func(s *uacsta.Settings) { s.Retry, s.RetryMax = "1m", "1s" }},
		{"OPEN_RATE", func(s *uacsta.Settings) { s.OpenRate = "0" }},
		{"MAX_LINES", func(s *uacsta.Settings) { s.MaxLines = "many" }},
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
		if _, err := uacsta.New(s, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: a driver is made of it", tt.variable)
		}
	}
	for _, good := range []func(*uacsta.Settings){
		func(*uacsta.Settings) {},
		func(s *uacsta.Settings) { s.Address = "udp://[::1]:5060" },
		func(s *uacsta.Settings) { secure(s); s.TlsCa, s.TlsCert, s.TlsKey = ca, cert, key },
		func(s *uacsta.Settings) { s.Address = "udp://phone-{line}.example.com:5060" },
		func(s *uacsta.Settings) {
			s.Address, s.Addresses = "", "# the hall\n1001 = udp://10.0.0.11:5060\n\n1002=tls://10.0.0.12:5061\n"
		},
		func(s *uacsta.Settings) { s.To, s.From, s.Line = "sip:aes@{host}", "sip:{line}@{host}", "{line}" },
		func(s *uacsta.Settings) { s.Number, s.SessionExpires, s.Edition = "{number}", "off", "ed3/privA" },
		func(s *uacsta.Settings) { s.User, s.SecretFile = "u", "/run/secrets/x" },
	} {
		s := usual()
		good(&s)
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
