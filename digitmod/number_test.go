package digitmod

import (
	"errors"
	"strings"
	"testing"
)

func TestParseNumber(t *testing.T) {
	global := func(digits string) Number { return Number{Digits: digits, Plus: true} }
	local := func(digits string) Number { return Number{Digits: digits} }
	ext := func(digits string) Number { return Number{Digits: digits, Ext: true} }
	name := func(name string) Number { return Number{Name: name} }
	for _, tt := range []struct {
		written string
		want    Number
	}{
		// The formats that must survive.
		{"tel:+16135925660", global("16135925660")},
		{"tel:+16135925660;ext=5660", ext("5660")},
		{"tel:73124;phone-context=dialstring;partition=BE_BRS_INT", local("73124")},
		{"#900", local("#900")},
		{"*72", local("*72")},
		{"sip:5660@pbx.example.com;user=phone", local("5660")},
		{"(613) 592-5660", local("6135925660")},
		{"tel:5555551234v:41234", local("5555551234")},

		// Schemes and parameters.
		{"5660", local("5660")},
		{"TEL:+1-613-592-5660", global("16135925660")},
		{"tel: +1 613 592 5660", global("16135925660")},
		{"sips:+16135925660@pbx.example.com;transport=tls?subject=x", global("16135925660")},
		{"SIP:5660@pbx.example.com", local("5660")},
		{"sip:5660", local("5660")},
		{"sip:5660;phone-context=example.com", local("5660")},
		{"sip:73124;phone-context=dialstring@pbx.example.com;user=phone", local("73124")},
		{"sip:+16135925660;ext=5660@pbx.example.com;user=phone", ext("5660")},
		{"sip:5660:secret@pbx.example.com", local("5660")},
		{"5660@pbx.example.com", local("5660")},
		{"73124;phone-context=dialstring", local("73124")},
		{"tel:+16135925660;isub=12;EXT=56-60", ext("5660")},
		{"tel:;ext=5660", ext("5660")},
		{"tel:+16135925660;ext=", global("16135925660")},
		{"tel:+16135925660;ext=reception", global("16135925660")},
		{"tel:+16135925660;ext=+5660", global("16135925660")},

		// Percent escapes of URIs.
		{"tel:%23900", local("#900")},
		{"sip:%2B16135925660@pbx.example.com", global("16135925660")},
		{"sip:%2a72@pbx.example.com", local("*72")},
		{"sip:50%zz@pbx.example.com", name("50%zz")},
		{"50%2B", name("50%2B")},

		// Separators, also as office programs paste them.
		{"  +1 (613) 592.5660\r\n", global("16135925660")},
		{"\u202a+1\u00a0613\u2011592\u20135660\u202c", global("16135925660")},
		{"(+1) 613 592 5660", global("16135925660")},
		{"1\t2", local("12")},

		// Leftovers of address books.
		{"5555551234v:41234", local("5555551234")},
		{"tel:+1 (555) 555-1234 fax:", global("15555551234")},
		{"+1 613 592 5660 x1234", global("16135925660")},
		{"+16135925660x1234", global("16135925660")},
		{"613 592 5660 Ext. 1234", local("6135925660")},
		{"613 592 5660 extension 1234", local("6135925660")},
		{"5660 Desk: 3rd floor", local("5660")},
		{"1001-0x555588370000", name("1001-0x555588370000")},
		{"5660 x", name("5660 x")},
		{"5660 Desk", name("5660 Desk")},

		// Letters that telephones send.
		{"12A*D#", local("12A*D#")},
		{"12a", name("12a")},
		{"A12", name("A12")},

		// Names.
		{"sip:alice@example.com", name("alice")},
		{"sips:alice.smith:secret@example.com", name("alice.smith")},
		{"sip:alice", name("alice")},
		{"alice", name("alice")},
		{"tel:alice", name("alice")},
		{"tel:1-800-FLOWERS", name("1-800-FLOWERS")},
		{"<unknown>", name("<unknown>")},
		{" Room 12 ", name("Room 12")},
		{"7up", name("7up")},
		{"12+34", name("12+34")},
		{"0911/12345", name("0911/12345")},
		{"jürgen", name("jürgen")},
	} {
		got, err := ParseNumber(tt.written)
		if err != nil || got != tt.want {
			t.Errorf("ParseNumber(%q) = %+v, %v, want %+v", tt.written, got, err, tt.want)
		}
	}
}

func TestParseNumberRefuses(t *testing.T) {
	for _, tt := range []struct {
		written string
		want    error
	}{
		{"", ErrNoNumber},
		{"   ", ErrNoNumber},
		{"+", ErrNoNumber},
		{"tel:", ErrNoNumber},
		{"tel:+", ErrNoNumber},
		{"(-)", ErrNoNumber},
		{"tel:;phone-context=dialstring", ErrNoNumber},
		{"sip:@pbx.example.com", ErrNoNumber},
		{"sip:pbx.example.com", ErrNoNumber},
		{"sip:192.0.2.1:5060;transport=tcp", ErrNoNumber},
		{"sip:[2001:db8::1]", ErrNoNumber},
		{"+#900", ErrMalformed},
		{"++16135925660", ErrMalformed},
		{"+alice", ErrMalformed},
		{"5660\r\nAction: Command", ErrMalformed},
		{"sip:5660%0d%0aAction:%20Command@pbx.example.com", ErrMalformed},
		{"alice\x00", ErrMalformed},
		{"\xff\xfe", ErrMalformed},
		{"sip:alice%3Bext%3D5660@pbx.example.com", ErrMalformed},
		{"sip:tel%3A5660@pbx.example.com", ErrMalformed},
		{strings.Repeat("tel:", 200) + "5660", ErrMalformed},
		{strings.Repeat("1", maxDigits+1), ErrMalformed},
		{"1" + strings.Repeat("A", 1000), ErrMalformed},
		{strings.Repeat("a", maxWritten+1), ErrMalformed},
	} {
		if got, err := ParseNumber(tt.written); !errors.Is(err, tt.want) {
			t.Errorf("ParseNumber(%q) = %+v, %v, want error %v", tt.written, got, err, tt.want)
		}
	}
}

func TestCanonical(t *testing.T) {
	for written, want := range map[string]string{
		"tel:+1 613 592-5660":                 "+16135925660",
		"tel:+16135925660;ext=5660":           "5660",
		"tel:5660;phone-context=dialstring":   "5660",
		"sip:%2B16135925660@pbx.example.com":  "+16135925660",
		"#900":                                "#900",
		"sip:alice@example.com":               "alice",
		"sip:5660@pbx.example.com;user=phone": "5660",
	} {
		if got, err := Canonical(written); got != want || err != nil {
			t.Errorf("Canonical(%q) = %q, %v, want %q", written, got, err, want)
		}
	}
	if got, err := Canonical("tel:+"); !errors.Is(err, ErrNoNumber) {
		t.Errorf("Canonical of a lone + = %q, %v", got, err)
	}
}

func TestParseNumberDoesNotAllocate(t *testing.T) {
	for _, written := range []string{"tel:+16135925660", "sip:5660@pbx.example.com;user=phone", "tel:+16135925660;ext=5660", "#900"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = ParseNumber(written) }); n != 0 {
			t.Errorf("ParseNumber(%q) allocates %v times", written, n)
		}
	}
}
