package cstasip

import (
	"net/netip"
	"testing"
)

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestNameAddr(t *testing.T) {
	for value, want := range map[string]struct {
		uri, params string
		ok          bool
	}{
		`<sip:a@b>;tag=1;epid=2`:                 {"sip:a@b", "tag=1;epid=2", true},
		`sip:a@b;tag=1`:                          {"sip:a@b", "tag=1", true},
		`"A, <x>; \" B" <sip:a@b;p=1> ; tag = 1`: {"sip:a@b;p=1", " tag = 1", true},
		`Alice Liddell <sip:a@b?X=y>`:            {"sip:a@b?X=y", "", true},
		`<sip:a@b`:                               {"", "", false},
		`<>`:                                     {"", "", false},
		``:                                       {"", "", false},
		`<sip:a@b> tag=1`:                        {"", "", false},
		`"unterminated <sip:a@b>`:                {"", "", false},
		`<sip:alice@lab.example:33924;maddr=1>;p=r`: {"sip:alice@lab.example:33924;maddr=1", "p=r", true},
	} {
		uri, params, ok := nameAddr(value)
		if ok != want.ok || ok && (uri != want.uri || params != want.params) {
			t.Errorf("nameAddr(%q) = %q, %q, %v", value, uri, params, ok)
		}
	}
}

func TestParam(t *testing.T) {
	const params = `tag=1;EPID = "a;b" ;lr; x=`
	for name, want := range map[string]string{"tag": "1", "epid": `"a;b"`, "LR": "", "x": ""} {
		if v, ok := param(params, name); !ok || v != want {
			t.Errorf("param %s = %q, %v", name, v, ok)
		}
	}
	if _, ok := param(params, "b"); ok {
		t.Error("a parameter was found inside a quoted string")
	}
}

func TestParseVia(t *testing.T) {
	for value, want := range map[string]via{
		"SIP/2.0/tcp 127.0.0.1:33924":                      {transport: "tcp", host: "127.0.0.1", port: 33924},
		"SIP/2.0/UDP h;branch=z9hG4bKx;rport":              {transport: "UDP", host: "h", branch: "z9hG4bKx", rport: true},
		"SIP/2.0/UDP h ;rport=5 ; received=1.2.3.4":        {transport: "UDP", host: "h"},
		"SIP / 2.0 / TLS   [2001:db8::1] : 5061 ;branch=b": {transport: "TLS", host: "2001:db8::1", port: 5061, branch: "b"},
	} {
		v, ok := parseVia(value)
		if !ok || v != want {
			t.Errorf("parseVia(%q) = %+v, %v", value, v, ok)
		}
	}
	for _, value := range []string{"", "SIP/2.0", "SIP/2.0/UDP", "HTTP/1.1/TCP h", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP [::1", "SIP/2.0/UDP :5060"} {
		if v, ok := parseVia(value); ok {
			t.Errorf("parseVia(%q) = %+v", value, v)
		}
	}
}

func TestURI(t *testing.T) {
	for uri, want := range map[string]struct {
		user, host string
		port       int
		ok         bool
	}{
		"sip:alice@lab.example:33924;maddr=127.0.0.1;transport=tcp": {"alice", "lab.example", 33924, true},
		"sips:h":                             {"", "h", 0, true},
		"SIP:1001:secret@[::1]:5070?Subject": {"1001", "::1", 5070, true},
		"tel:+1613;phone-context=x":          {"+1613;phone-context=x", "", 0, false},
		"sip:a;b=c@h;p":                      {"a;b=c", "h", 0, true},
		"nonsense":                           {"", "", 0, false},
	} {
		host, port, ok := uriHostPort(uri)
		if User(uri) != want.user || host != want.host || port != want.port || ok != want.ok {
			t.Errorf("%s: user %q, host %q, port %d, %v", uri, User(uri), host, port, ok)
		}
	}
	if v, ok := uriParam("sip:a;transport=x@h;transport=TCP?y=z", "transport"); !ok || v != "TCP" {
		t.Errorf("uriParam = %q", v)
	}
}

// What is received from a sender that asks for rport, or names itself wrongly,
// is echoed with what was seen (RFC 3261 §18.2.1, RFC 3581 §4).
func TestTopVia(t *testing.T) {
	for value, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.1:5060;branch=b":                 "SIP/2.0/UDP 192.0.2.1:5060;branch=b",
		"SIP/2.0/UDP pc:5060;branch=b":                        "SIP/2.0/UDP pc:5060;branch=b;received=192.0.2.1",
		"SIP/2.0/UDP 192.0.2.1;rport;branch=b":                "SIP/2.0/UDP 192.0.2.1;rport=4000;branch=b;received=192.0.2.1",
		"SIP/2.0/UDP 192.0.2.1;branch=b;RPORT, SIP/2.0/TCP x": "SIP/2.0/UDP 192.0.2.1;branch=b;rport=4000;received=192.0.2.1, SIP/2.0/TCP x",
		"SIP/2.0/tcp pc, SIP/2.0/TCP x;rport":                 "SIP/2.0/tcp pc;received=192.0.2.1, SIP/2.0/TCP x;rport",
	} {
		m := &message{vias: []string{value}, flow: flow{peer: mustAddrPort("192.0.2.1:4000")}}
		top := value
		if i := index(top, ','); i >= 0 {
			top = top[:i]
		}
		m.via, _ = parseVia(top)
		if got := m.topVia(value); got != want {
			t.Errorf("%q is echoed as %q, want %q", value, got, want)
		}
	}
}
