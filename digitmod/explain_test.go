package digitmod

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// checkExplanation checks that an explanation tells what happened: its result and the rule that fired are those of the work
// itself, every rule up to that one is told of, and no rule is hidden.
func checkExplanation(t interface{ Fatalf(string, ...any) }, p *Plan, role Role, number string, from Origin, want Result, err error) {
	e := p.Explain(role, number, from)
	text := ""
	if err != nil {
		text, want.Rule = err.Error(), -1
	}
	if e.Number != want.Number || e.Kind != want.Kind || e.Rule != want.Rule+1 || e.ARS != want.ARS || e.Error != text {
		t.Fatalf("Explain(%s, %q, %q) = %+v, want %+v, %v", role, number, from, e, want, err)
	}
	rules, tried, said := 0, 0, false
	if p != nil {
		_, table := p.table(role)
		rules = len(table)
	}
	read := want.Read.Digits != ""
	for _, s := range e.Steps {
		switch s.Do {
		case DoMissed:
			tried++
			if s.Rule != tried || s.Table != e.Table || s.Why == "" || said {
				t.Fatalf("%q: step %+v after %d rules", number, s, tried)
			}
		case DoMatched:
			tried++
			if s.Rule != tried || err == nil && s.Rule != want.Rule+1 && want.Kind != NotKnown {
				t.Fatalf("%q: step %+v, want %+v", number, s, want)
			}
			said = true
		case DoNoRule:
			if tried != rules || want.Rule != -1 {
				t.Fatalf("%q: no rule after %d of %d, want %+v", number, tried, rules, want)
			}
			said = true
		}
		if s.Text == "" || !strings.HasSuffix(s.Text, ".") {
			t.Fatalf("%q: step %+v has no sentence", number, s)
		}
	}
	if read && err == nil && !said {
		t.Fatalf("%q: nothing about the rules in %+v", number, e)
	}
	if e.String() == "" || (e.Back == nil) != (err != nil || want.Kind == Restricted || want.Kind == NotKnown) {
		t.Fatalf("%q: way back of %+v", number, e)
	}
	if e.Back != nil && e.Same != (e.Back.Number == want.Read.String()) {
		t.Fatalf("%q: same %v of %+v, read as %q", number, e.Same, e.Back, want.Read)
	}
}

// The explanations that a person reads. Each is followed by an empty line.
func TestExplanations(t *testing.T) {
	design := mustParse(t, designPlan)
	own := mustParse(t, `
ars: "0"
internal: {maxLength: 4}
outgoing:
  - {leading: "44", plus: true, replacement: "0044"}
  - {match: "^(\\d)1(\\d+)$", minLength: 6, replacement: "$1$2"}
  - {leading: "7", replacement: ""}
  - {leading: "8", maxLength: 6, replacement: "99"}
incoming:
  - {length: 4, from: internal, plus: false, leading: "5", replacement: "+44555"}
  - {match: "^0+$"}
  - {minLength: 3, maxLength: 5, from: external, replacement: ""}
forward:
  - {leading: "5", replacement: "6"}
redirecting: []
restricted: anonymous
`)
	var b strings.Builder
	for _, tt := range []struct {
		p      *Plan
		role   Role
		number string
		from   Origin
	}{
		{design, Destination, "tel:+16135925660", ""},
		{design, Destination, "tel:+1 (613) 555-1234", ""},
		{design, Destination, "sip:5660@pbx.example.com;user=phone", ""},
		{design, Destination, "tel:+16135925660;ext=5661", ""},
		{design, Destination, "tel:73124;phone-context=dialstring;partition=BE_BRS_INT", ""},
		{design, Destination, "tel:5555551234v:41234", ""},
		{design, Destination, "tel:%23900", ""},
		{design, Destination, "sip:alice@example.com", ""},
		{design, Destination, "tel:", ""},
		{design, Destination, "12\n34", ""},
		{design, Identity, "tel:+16135925660", ""},
		{design, Identity, "5660", ""},
		{design, Presentation, "5660", Internal},
		{design, Presentation, "5660", External},
		{design, Presentation, "5660", ""},
		{design, Presentation, "6135551234", External},
		{design, Presentation, "0049301234567", External},
		{design, Presentation, "anonymous", External},
		{design, Presentation, "", External},
		{design, Forward, "96135551234", ""},
		{design, Forward, "5660", ""},
		{design, Forward, "6135551234", ""},
		{design, Redirecting, "5660", Internal},
		{own, Destination, "+44 20 7946", ""},
		{own, Destination, "612345", ""},
		{own, Destination, "7", ""},
		{own, Destination, "81234", ""},
		{own, Destination, "8123456", ""},
		{own, Presentation, "5123", Internal},
		{own, Presentation, "0000", External},
		{own, Presentation, "private", External},
		{own, Forward, "5123", ""},
		{own, Redirecting, "5123", Internal},
		{nil, Destination, "+16135925660", ""},
	} {
		fmt.Fprintln(&b, tt.p.Explain(tt.role, tt.number, tt.from).String()+"\n")
	}
	golden(t, "testdata/explanations.txt", b.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// The JSON of the golden example, whose names other programs read.
func TestExplanationAsJSON(t *testing.T) {
	text, err := json.MarshalIndent(mustParse(t, designPlan).Explain(Destination, "tel:+16135925660", ""), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/explanation.json", string(text)+"\n")
}

func TestExplainUnknownRole(t *testing.T) {
	if e := mustParse(t, designPlan).Explain("caller", "5660", ""); e.Error != `"caller" is no role` || e.String() != e.Error+"." {
		t.Errorf("%+v", e)
	}
}

// A table of many rules does not fill the screen.
func TestExplanationOfManyRules(t *testing.T) {
	e := mustNew(t, Config{Outgoing: leadingRules(1000)}).Explain(Destination, "+16135925660", "")
	if text := e.String(); !strings.Contains(text, "Nor do 979 more. Outgoing rule 1000 matches") || strings.Count(text, "does not match") != maxMissed {
		t.Error(text)
	}
	if len(e.Steps) < 1000 {
		t.Errorf("%d steps", len(e.Steps))
	}
}

// Who does not ask why pays nothing for it.
func TestNoAllocations(t *testing.T) {
	p := mustNew(t, Config{ARS: "9", Outgoing: leadingRules(50)})
	if n := testing.AllocsPerRun(100, func() { _, _ = p.Destination("tel:+16135925660") }); n != 0 {
		t.Errorf("Destination allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = p.Present("5660", Internal) }); n != 0 {
		t.Errorf("Present allocates %v times", n)
	}
}
