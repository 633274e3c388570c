package digitmod

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLint(t *testing.T) {
	for _, tt := range []struct {
		name, plan, lines string
		want              []string
	}{
		{"golden example", `{ars: "9", internal: {maxLength: 5}, outgoing: [{leading: "1613592", ignoreARS: true}]}`, "", nil},
		{"no plan", `{}`, "1001-1099", nil},

		{"shadowed", `outgoing: [{leading: "1", minLength: 4}, {leading: "1613"}]`, "",
			[]string{"warning outgoing rule 2: never fires: rules before it take every number that it matches, as outgoing rule 1 takes 1613"}},
		{"shadowed by some together", `outgoing: [{leading: "4", maxLength: 4}, {leading: "4", minLength: 5, plus: true, replacement: "04"}, {leading: "44", plus: true, replacement: "4"}]`, "",
			[]string{"warning outgoing rule 3: never fires: rules before it take every number that it matches, as outgoing rule 1 takes +44"}},
		{"shadowed by origin", `incoming: [{from: internal, length: 4, replacement: "1"}, {from: internal, leading: "22", length: 4}]`, "",
			[]string{"warning incoming rule 2: never fires: rules before it take every number that it matches, as incoming rule 1 takes 2200 (internal)"}},
		{"not shadowed for a code", `outgoing: [{leading: "", plus: false}, {match: "^[*4]", replacement: "$0"}]`, "", nil},
		{"shadowed match", `outgoing: [{leading: "44", replacement: "44"}, {match: "^44(\\d{3,})$", replacement: "1"}]`, "",
			[]string{"warning outgoing rule 2: never fires: rules before it take every number that it matches, as outgoing rule 1 takes 44000"}},
		{"shadowed by matches", `{outgoing: [{match: "[*#02468ABCD]$", replacement: "$0"}, {match: "[13579]$", replacement: "$0"}, {leading: "77", length: 9}]}`, "",
			[]string{"warning outgoing rule 3: never fires: rules before it take every number that it matches, as outgoing rule 1 takes 770000000"}},
		{"forward rule for nothing", `{ars: "9", internal: {maxLength: 3}, forward: [{from: internal, minLength: 4, replacement: "1"}]}`, "",
			[]string{"warning forward rule 1: never fires: no number comes to this table that it matches"}},

		{"way back", `{ars: "9", internal: {maxLength: 4}, outgoing: [{leading: "1613592", ignoreARS: true}], incoming: [{from: internal, length: 4, replacement: "1613593", addPlus: true}]}`, "",
			[]string{
				"warning outgoing rule 1: 16135920000 is dialled as 0000, which incoming rule 1 shows as +16135930000",
				"warning incoming rule 1: 0000 (internal) is shown as +16135930000, which as a line comes back as 16135930000 (no outgoing rule)"}},
		{"way back behind ARS", `{ars: "9", internal: {maxLength: 3}, outgoing: [{leading: "44", minLength: 9, replacement: "0"}], incoming: [{leading: "01", maxLength: 12, from: external, replacement: "441", addPlus: true}, {leading: "0", replacement: "49", from: external, addPlus: true, maxLength: 13}]}`, "",
			[]string{"warning outgoing rule 1: 440000000 is dialled as 900000000, which incoming rule 2 shows as +490000000"}},
		{"internal number changed on its way back", `{internal: {maxLength: 4}, outgoing: [{leading: "5", replacement: "65"}]}`, "",
			[]string{"warning outgoing rule 1: 5 (internal) is shown as 5, which as a line comes back as 65 (outgoing rule 1)"}},

		{"line", `{outgoing: [{leading: "1613592"}], incoming: [{length: 4, replacement: "1613593", addPlus: true}]}`, "1001-1099,+16135932XXX",
			[]string{
				"warning outgoing rule 1: 16135920000 is dialled as 0000, which incoming rule 1 shows as +16135930000",
				`error incoming rule 1: line 1001: device "1001" is shown as "+16135931001" (incoming rule 1), which comes back as device "16135931001" (no outgoing rule)`}},
		{"one line of too many to try", `{incoming: [{leading: "300", length: 7, replacement: "31"}]}`, "3XXXXXX",
			[]string{`error incoming rule 1: line 3000000: device "3000000" is shown as "310000" (incoming rule 1), which comes back as device "310000" (no outgoing rule)`}},

		{"collision", `outgoing: [{leading: "1613592", length: 11}, {leading: "1613593", length: 11}]`, "",
			[]string{"warning outgoing rule 2: 16135930000 becomes 0000, as 16135920000 does (outgoing rule 1)"}},
		{"collision with an unchanged number", `incoming: [{leading: "12", replacement: "34"}]`, "",
			[]string{"warning incoming rule 1: 12 (internal) becomes 34, as 34 does (no incoming rule)"}},
		{"spellings are no collision", `{ars: "9", internal: {maxLength: 4}, outgoing: [{leading: "1613592", ignoreARS: true}, {leading: "613592", ignoreARS: true}]}`, "", nil},
		{"collision of a match", `outgoing: [{match: "^5(\\d)\\d\\d$", replacement: "5$1"}]`, "",
			[]string{"warning outgoing rule 1: 5010 becomes 50, as 5000 does (outgoing rule 1)"}},

		{"not served", `{ars: "9", internal: {maxLength: 5}, outgoing: [{leading: "1613592", length: 11, ignoreARS: true}]}`, "5000-5999",
			[]string{"warning outgoing rule 1: 16135920000 is dialled as 0000, which is no line and does not begin with the ARS digits 9"}},
		{"served", `{ars: "9", internal: {maxLength: 5}, outgoing: [{leading: "16135925", replacement: "5", length: 11, ignoreARS: true}]}`, "5XXX", nil},
		{"served as a global number", `{ars: "9", internal: {maxLength: 5}, outgoing: [{leading: "1613592", length: 11, ignoreARS: true}], incoming: [{length: 4, replacement: "1613592", addPlus: true}]}`, "+1613592XXXX", nil},

		{"not E.164", `incoming: [{addPlus: true, replacement: "", maxLength: 9}]`, "",
			[]string{"warning incoming rule 1: 0 (internal) is shown as +0, which is not E.164: it begins with 0"}},
		{"too long", `redirecting: [{leading: "613", replacement: "1613", addPlus: true}]`, "",
			[]string{"warning redirecting rule 1: 613000000000000 (internal) is shown as +1613000000000000, which is not E.164: it has 16 digits"}},
		{"code with a plus", `incoming: [{match: "^[*]72$", addPlus: true, replacement: "$0"}]`, "",
			[]string{"warning incoming rule 1: *72 (internal) is shown as +*72, which is not E.164: it has more than digits",
				"warning incoming rule 1: *72 (internal) is shown as +*72, which as a line gives no device (no outgoing rule)"}},

		{"emergency", `outgoing: [{leading: "1", replacement: "2"}]`, "",
			[]string{
				"error outgoing rule 1: the emergency number 112 is dialled as 212",
				"warning outgoing rule 1: 1 becomes 2, as 2 does (no outgoing rule)"}},
		{"emergency with ARS", `ars: "0"`, "",
			[]string{"warning outgoing: the emergency number 112 is dialled as 0112: no rule is about it, and it is not internal"}},
		{"emergency lost", `outgoing: [{match: "^112$"}]`, "", []string{"error outgoing rule 1: the emergency number 112 cannot be dialled"}},
		{"emergency allowed", `{ars: "0", emergency: {mayAlter: true}}`, "", nil},
		{"emergency of the place", `{outgoing: [{leading: "1", length: 3}, {leading: "999"}], emergency: {numbers: ["999"]}}`, "",
			[]string{"error outgoing rule 2: the emergency number 999 cannot be dialled"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustParse(t, tt.plan)
			var lines *Lines
			if tt.lines != "" {
				lines = mustLines(t, tt.lines)
			}
			var got []string
			for _, f := range p.Lint(lines) {
				checkFinding(t, p, lines, f)
				got = append(got, fmt.Sprintf("%s %v", f.Severity, f))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// What the plan of the documents does with numbers of lengths that it does not expect.
func TestLintOfTheDesignPlan(t *testing.T) {
	text, err := json.MarshalIndent(mustParse(t, designPlan).Lint(mustLines(t, "5600-5699")), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/findings.json", string(text)+"\n")
}

func TestLintOfNoPlan(t *testing.T) {
	if got := (*Plan)(nil).Lint(nil); len(got) != 0 {
		t.Error(got)
	}
}

// An expression whose automaton is too large is said not to be decided, in bounded time.
func TestLintUndecided(t *testing.T) {
	p := mustParse(t, `outgoing: [{match: "1.{0,20}2"}, {match: "[12]1.{13}2.{13}1.{13}2"}, {match: "1.{14}2.{14}1.{14}2", length: 47}]`)
	var got []Flaw
	for _, f := range p.Lint(nil) {
		got = append(got, f.Kind)
	}
	if !slices.Contains(got, Undecided) {
		t.Errorf("findings %v", got)
	}
}

// checkFinding checks with the tables that a witness shows what a finding says.
func checkFinding(t interface{ Fatalf(string, ...any) }, p *Plan, lines *Lines, f Finding) {
	role := map[string]Role{"outgoing": Destination, "incoming": Presentation, "forward": Forward, "redirecting": Redirecting}[f.Table]
	fail := func(what string, got ...any) { t.Fatalf("%v\n%+v: %s: %+v", f, f, what, got) }
	name, table := p.table(role)
	if name != f.Table || f.Rule > len(table) || f.Reason == "" || (f.Severity != Fault && f.Severity != Warning) {
		fail("place")
	}
	if f.Witness == "" {
		if f.Kind != Undecided && f.Kind != Shadowed {
			fail("no witness")
		}
		return
	}
	res, err := p.modify(role, f.Witness, f.From, nil)
	switch f.Kind {
	case Shadowed:
		n, err := ParseNumber(f.Witness)
		if role == Forward {
			n, f.From, _ = p.withoutARS(n)
		}
		i, _ := find(table, n, f.From, nil)
		if alone, _ := find(table[f.Rule-1:f.Rule], n, f.From, nil); alone != 0 || i < 0 || i >= f.Rule-1 || err != nil {
			fail("taken by", i, alone, err)
		}
	case OneWay:
		shown := p.Present(f.Witness, Internal)
		back, err := p.Device(shown.Number)
		if p.RoundTrip(f.Witness) == nil || f.Table == "incoming" && f.Rule != shown.Rule+1 || f.Table == "outgoing" && err == nil && f.Rule != back.Rule+1 {
			fail("comes back", shown, back)
		}
	case WayBack:
		back := p.ForwardTarget(res.Number)
		if err != nil || res.Rule != f.Rule-1 || back.Rule < 0 || strings.TrimPrefix(back.Number, "+") == res.Read.Digits {
			fail("comes back", res, back)
		}
	case Line:
		_, served := lines.Match(f.Witness)
		device, err := p.Device(f.Witness)
		if !served || err == nil && p.RoundTrip(device.Number) == nil {
			fail("comes back", device)
		}
	case Collision:
		other, otherErr := p.modify(role, f.Other, f.From, nil)
		if err != nil || otherErr != nil || res.Number != other.Number || res.Rule != f.Rule-1 || other.Rule > res.Rule ||
			res.Read.Digits == other.Read.Digits || len(res.Read.Digits) != len(other.Read.Digits) {
			fail("collides", res, other)
		}
	case NotServed:
		_, device := lines.Match(res.Number)
		_, shown := lines.Match(p.Present(res.Number, Internal).Number)
		if err != nil || res.Rule != f.Rule-1 || device || shown || strings.HasPrefix(res.Number, p.ars) {
			fail("is served", res)
		}
	case NotE164:
		if digits, ok := strings.CutPrefix(res.Number, "+"); res.Rule != f.Rule-1 || !ok ||
			digits[0] != '0' && len(digits) <= 15 && strings.Trim(digits, "0123456789") == "" {
			fail("is E.164", res)
		}
	case Emergency:
		if (f.Severity == Fault) != (err != nil || res.Rule >= 0) || !slices.Contains(p.emergency, f.Witness) || err == nil && (res.Number == f.Witness || res.Rule != f.Rule-1) {
			fail("is dialled", res, err)
		}
	default:
		fail("kind")
	}
}

var drawLines = rapid.SampledFrom([]string{"", "*", "1XX", "12-26,+1XXX", "2XX,66", "XXXXXX", "*12"})

// Every finding is true, whatever the plan.
func TestFindingsAreTrue(t *testing.T) {
	kinds := make(map[Flaw]int)
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPlan(t, true)
		var lines *Lines
		if text := drawLines.Draw(t, "lines"); text != "" {
			lines, _ = ParseLines(text)
		}
		for _, f := range p.Lint(lines) {
			checkFinding(t, p, lines, f)
			kinds[f.Kind]++
		}
	})
	for _, kind := range []Flaw{Shadowed, WayBack, OneWay, Line, Collision, NotServed, NotE164, Emergency} {
		if kinds[kind] == 0 {
			t.Errorf("no finding of kind %s was checked", kind)
		}
	}
}

// drawExact draws a plan of leading digits and lengths, which Lint is exact about.
func drawExact(t *rapid.T) *Plan {
	table := func(name string, outgoing bool) (list []Rule) {
		for range rapid.IntRange(0, 4).Draw(t, name) {
			r := Rule{Leading: new(rapid.StringMatching(`[*]?[12]{0,2}`).Draw(t, "leading")), Replacement: rapid.StringMatching(`\+?[012]{0,2}`).Draw(t, "replacement")}
			if rapid.Bool().Draw(t, "lengths") {
				r.MinLength = new(rapid.IntRange(1, 3).Draw(t, "min"))
				r.MaxLength = new(rapid.IntRange(3, 5).Draw(t, "max"))
			}
			if rapid.IntRange(0, 3).Draw(t, "plus condition") == 0 {
				r.Plus = new(rapid.Bool().Draw(t, "plus"))
			}
			if outgoing {
				r.IgnoreARS = rapid.Bool().Draw(t, "ignoreARS")
			} else {
				r.From = drawOrigin.Draw(t, "from")
				r.AddPlus = !strings.HasPrefix(r.Replacement, "+") && rapid.Bool().Draw(t, "addPlus")
			}
			list = append(list, r)
		}
		return list
	}
	cfg := Config{ARS: rapid.SampledFrom([]string{"", "1", "02"}).Draw(t, "ars"), Internal: InternalConfig{MaxLength: rapid.IntRange(0, 4).Draw(t, "internal")},
		Outgoing: table("outgoing", true), Incoming: table("incoming", false)}
	if rapid.Bool().Draw(t, "forward") {
		cfg.Forward = append([]Rule{}, table("forward", false)...)
	}
	if rapid.Bool().Draw(t, "redirecting") {
		cfg.Redirecting = append([]Rule{}, table("redirecting", false)...)
	}
	p, err := New(cfg)
	if err != nil {
		t.Skip("a rule that cannot match")
	}
	return p
}

// shortNumbers are all numbers of up to five of a few digits, codes too, in order of size.
var shortNumbers = func() []string {
	list := []string{"0", "1", "2", "*"}
	for from, length := 0, 2; length <= 5; length++ {
		end := len(list)
		for _, begin := range list[from:end] {
			for _, c := range "012" {
				list = append(list, begin+string(c))
			}
		}
		from = end
	}
	return list
}()

// Lint leaves nothing out that can be found by trying all short numbers, and its witness is no larger than what is found so.
func TestLintMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawExact(t)
		var lines *Lines
		if text := rapid.SampledFrom([]string{"", "1X", "12-21,1XX", "11,*1X"}).Draw(t, "lines"); text != "" {
			lines, _ = ParseLines(text)
		}
		findings := p.Lint(lines)
		told := func(kind Flaw, table string, rule int) *Finding {
			for i, f := range findings {
				if f.Kind == kind && f.Table == table && f.Rule == rule+1 {
					return &findings[i]
				}
			}
			return nil
		}
		need := func(kind Flaw, table string, rule int, witness string, what any) {
			f := told(kind, table, rule)
			if f == nil {
				t.Fatalf("%s rule %d, %s, %s, is not found: %+v\nfound: %+v", table, rule+1, kind, witness, what, findings)
			}
			if size := func(number string) string {
				n, _ := ParseNumber(number)
				if table == "forward" {
					n, _, _ = p.withoutARS(n)
				}
				return n.Digits
			}; kind != Collision && smaller(size(f.Witness), size(witness)) > 0 {
				t.Fatalf("%s rule %d, %s: %s is smaller than %+v", table, rule+1, kind, witness, f)
			}
		}
		fired := make(map[string]bool)
		l := &linter{plan: p}
		for _, s := range l.sides() {
			results := make(map[string]try)
			for _, digits := range shortNumbers {
				for _, n := range l.tries(s.role, digits) {
					res, err := p.modify(s.role, n.written, n.from, nil)
					if err != nil {
						continue
					}
					if res.Rule >= 0 {
						fired[fmt.Sprint(s.name, res.Rule)] = true
					}
					if res.Kind != Digits {
						continue
					}
					if d, plus := strings.CutPrefix(res.Number, "+"); s.role != Destination && res.Rule >= 0 && s.table[res.Rule].flag && plus &&
						(d[0] == '0' || strings.Trim(d, digitSymbols) != "") && strings.Trim(digits[1:], digitSymbols) == "" {
						need(NotE164, s.name, res.Rule, n.written, res)
					}
					if s.role != Forward {
						key := fmt.Sprint(len(digits), n.from, " ", res.Number)
						if before, ok := results[key]; !ok {
							results[key] = n
						} else if before.read.Digits != digits {
							other, _ := p.modify(s.role, before.written, n.from, nil)
							need(Collision, s.name, max(res.Rule, other.Rule), n.written, []Result{res, other})
						}
					}
					if s.role == Destination && res.Rule >= 0 {
						back := p.ForwardTarget(res.Number)
						if back.Kind == Digits && back.Rule >= 0 && strings.TrimPrefix(back.Number, "+") != digits {
							need(WayBack, s.name, res.Rule, n.written, []Result{res, back})
						}
						if lines != nil && p.ars != "" && !res.ARS && !strings.HasPrefix(res.Number, p.ars) && res.Number[0] != '*' {
							_, device := lines.Match(res.Number)
							_, shown := lines.Match(p.Present(res.Number, Internal).Number)
							if !device && !shown {
								need(NotServed, s.name, res.Rule, n.written, res)
							}
						}
					}
				}
			}
		}
		for _, digits := range shortNumbers {
			if _, served := lines.Match(digits); served {
				device, err := p.Device(digits)
				if err != nil || p.RoundTrip(device.Number) != nil {
					line := slices.ContainsFunc(findings, func(f Finding) bool { return f.Kind == Line })
					if !line {
						t.Fatalf("line %s does not come back: %+v", digits, findings)
					}
				}
			}
			shown := p.Present(digits, Internal)
			if !p.isInternal(Number{Digits: digits}) || shown.Kind != Digits || p.RoundTrip(digits) == nil {
				continue
			}
			table, rule := "incoming", shown.Rule
			if rule < 0 {
				n, _ := ParseNumber(shown.Number)
				table = "outgoing"
				rule, _ = find(p.outgoing, n, "", nil)
			}
			need(OneWay, table, rule, digits, shown)
		}
		for _, f := range findings {
			checkFinding(t, p, lines, f)
			if f.Kind == Shadowed && fired[fmt.Sprint(f.Table, f.Rule-1)] {
				t.Fatalf("a shadowed rule fires: %+v", f)
			}
			if f.Kind == Undecided {
				t.Fatalf("undecided: %+v", f)
			}
		}
		// Conditions are of short numbers, so that a rule that fires at all fires for one of seven symbols.
		for _, s := range l.sides() {
			for i := range s.table {
				if told(Shadowed, s.name, i) == nil && !fired[fmt.Sprint(s.name, i)] && !firesLater(p, s, i) {
					t.Fatalf("%s rule %d never fires: %+v", s.name, i+1, findings)
				}
			}
		}
	})
}

// firesLater reports whether a rule fires for a number that is none of the short ones: with a symbol or a length that these lack.
func firesLater(p *Plan, s side, i int) bool {
	l := &linter{plan: p}
	for _, digits := range shortNumbers {
		for _, more := range []string{"*", "#", "A", "000000"} {
			for _, n := range l.tries(s.role, digits+more) {
				if res, _ := p.modify(s.role, n.written, n.from, nil); res.Rule == i && res.Read.Digits != "" {
					return true
				}
				// A result that is no number has no rule; the table has.
				if first, _ := find(s.table, n.read, n.from, nil); first == i {
					return true
				}
			}
		}
	}
	return slices.ContainsFunc(shortNumbers, func(digits string) bool {
		return slices.ContainsFunc(l.tries(s.role, digits), func(n try) bool {
			first, _ := find(s.table, n.read, n.from, nil)
			return first == i
		})
	})
}
