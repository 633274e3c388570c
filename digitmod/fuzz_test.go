package digitmod

import (
	"errors"
	"testing"
)

func FuzzPlan(f *testing.F) {
	for _, text := range []string{
		designPlan,
		`{"ars":"9","internal":{"maxLength":4},"outgoing":[{"match":"^0(\\d+)$","replacement":"+49$1","ignoreARS":true}]}`,
		"outgoing: [{leading: '', replacement: '*31#'}]\nincoming: [{plus: true, match: '(.*)1', replacement: '$1$0'}]",
		"ars: 9\n---\nars: 0\n",
		"incoming: [&a {length: 4}, *a]\nx: {<<: *a}",
		"examples:\n- incoming: !!binary YQ==\n  is: notKnown\n",
		`{"forward":[{"leading":"1","replacement":"+2"}],"redirecting":[],"restricted":"nobody","emergency":{"numbers":["1"]}}`,
		"{}",
		"[",
	} {
		for _, number := range []string{"tel:+16135925660", "5660", "#900", "sip:alice@example.com", "", "anonymous", "9001"} {
			f.Add([]byte(text), number)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, number string) {
		p, err := Parse(text)
		if err != nil {
			var ms Mistakes
			if p != nil || !errors.As(err, &ms) || len(ms) == 0 || ms.Error() == "" {
				t.Fatalf("%v, %#v", p, err)
			}
			return
		}
		for _, from := range []Origin{"", Internal, External} {
			checkPlan(t, p, number, from)
		}
		if len(p.outgoing)+len(p.incoming)+len(p.forward)+len(p.redirecting) <= 10 {
			for _, f := range p.Lint(nil) {
				checkFinding(t, p, nil, f)
			}
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, written := range []string{
		"tel:+16135925660", "tel:+16135925660;ext=5660", "tel:73124;phone-context=dialstring;partition=BE_BRS_INT", "#900", "*72",
		"sip:5660@pbx.example.com;user=phone", "(613) 592-5660", "tel:5555551234v:41234", "tel:%23900", "sip:%2B1613@h", "+", "",
		"sip:alice%3Bext%3D5660@h", "613 592 5660 Ext. 1234", "\u202a+1\u00a0613\u2011592\u202c", "sip:tel%3A5660@h", "12AB", "<unknown>",
	} {
		f.Add(written)
	}
	f.Fuzz(func(t *testing.T, written string) {
		checkNumber(t, written)
		checkPlan(t, nil, written, External)
	})
}

func FuzzLines(f *testing.F) {
	f.Add("1001-1099,10XX,+1613592XXXX,*", "1001")
	f.Add("#900-#950", "#925")
	f.Add("000000000000000000-999999999999999999,XXXXXXXXXXXXXXXXXX", "123456789012345678")
	f.Fuzz(func(t *testing.T, text, number string) {
		l, err := ParseLines(text)
		if err != nil {
			return
		}
		specificity, pattern := l.match(number)
		if pattern == "" {
			return
		}
		one, err := ParseLines(pattern)
		if err != nil {
			t.Fatalf("%q: pattern %q: %v", text, pattern, err)
		}
		if s, ok := one.Match(number); !ok || s != specificity || s < 0 {
			t.Fatalf("%q: %q matches %q with %d, alone with %d, %v", text, pattern, number, specificity, s, ok)
		}
	})
}
