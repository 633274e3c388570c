package digitmod

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Generators. Numbers come from few digits, so that rules and numbers meet.
var (
	drawDigits  = rapid.StringMatching(`[1269]{1,12}`)
	drawWritten = rapid.OneOf(
		drawDigits,
		rapid.StringMatching(`(tel:|sip:|)\+?[126]{1,7}[-. ()]{0,2}[129*#]{0,6}(@pbx\.example\.com)?(;ext=[129]{1,4})?(;phone-context=dialstring)?`),
		rapid.StringMatching(`[*#][0-9]{1,4}`),
		rapid.StringMatching(`(sip:)?[a-z]{1,6}(@example\.com)?`),
		rapid.SampledFrom([]string{"", "+", "anonymous", "unknown", "tel:5555551234v:41234", "613 592 5660 x12"}),
		rapid.String(),
	)
	drawOrigin = rapid.SampledFrom([]Origin{"", Internal, External})
	drawMatch  = rapid.StringMatching(`(\(\?i\))?\^?(1|12|\\d|\[12\]|\[\^6\]|\.|\(1\|2\)|\(12\|6\)|\(\\d\{2\}\)|\(\\d\+\)|\(1\\d\*\)\{2\}|\(12\)\{1,2\}|\\b|6\*|9\?|\[1d\]|126|\(126\)\+|\(1\|12\)6|\(\?:12\)\{0,2\}|\(\?:21\)\{2,3\}|1\(\)2|[1D]A?){1,4}\$?`)
)

func drawRule(t *rapid.T, outgoing, withPlus bool) Rule {
	r := Rule{Replacement: rapid.StringMatching(`[0-9]{0,4}`).Draw(t, "replacement")}
	if withPlus && rapid.Bool().Draw(t, "plus in replacement") {
		r.Replacement = "+" + r.Replacement
	}
	if rapid.Bool().Draw(t, "leading") {
		r.Leading = new(rapid.StringMatching(`[126]{0,3}`).Draw(t, "digits"))
	} else {
		r.Match = new("^(?:" + drawMatch.Draw(t, "match") + ")")
	}
	if rapid.Bool().Draw(t, "lengths") {
		r.MinLength = new(rapid.IntRange(1, 6).Draw(t, "min"))
		r.MaxLength = new(rapid.IntRange(6, 12).Draw(t, "max"))
	}
	if rapid.Bool().Draw(t, "plus condition") {
		r.Plus = new(rapid.Bool().Draw(t, "plus"))
	}
	if outgoing {
		r.IgnoreARS = rapid.Bool().Draw(t, "ignoreARS")
	} else {
		r.From = drawOrigin.Draw(t, "from")
		r.AddPlus = !strings.HasPrefix(r.Replacement, "+") && withPlus && rapid.Bool().Draw(t, "addPlus")
	}
	return r
}

// drawPlan draws a plan; without withPlus no rule of it makes a +.
func drawPlan(t *rapid.T, withPlus bool) (*Plan, Config) {
	cfg := Config{
		ARS:      rapid.SampledFrom([]string{"", "9", "00"}).Draw(t, "ars"),
		Internal: InternalConfig{MaxLength: rapid.IntRange(0, 6).Draw(t, "internal")},
		NotKnown: rapid.SampledFrom([]string{"", "", "000", "nobody"}).Draw(t, "notKnown"),
	}
	for range rapid.IntRange(0, 5).Draw(t, "outgoing") {
		cfg.Outgoing = append(cfg.Outgoing, drawRule(t, true, withPlus))
	}
	for range rapid.IntRange(0, 5).Draw(t, "incoming") {
		cfg.Incoming = append(cfg.Incoming, drawRule(t, false, withPlus))
	}
	for _, key := range []string{"forward", "redirecting"} {
		list := map[string]*[]Rule{"forward": &cfg.Forward, "redirecting": &cfg.Redirecting}[key]
		if rapid.Bool().Draw(t, key) {
			*list = []Rule{}
			for range rapid.IntRange(0, 2).Draw(t, key) {
				*list = append(*list, drawRule(t, false, withPlus))
			}
		}
	}
	p, err := New(cfg)
	if err != nil {
		t.Skip("an expression that cannot match")
	}
	return p, cfg
}

// checkResult checks what holds for every result of every plan.
func checkResult(t interface{ Fatalf(string, ...any) }, p *Plan, what string, res Result) {
	withheld := res.Kind == Restricted || res.Kind == NotKnown
	if withheld && res.Number != p.Withheld(res.Kind).Number || !withheld && res.Number == "" || res.Number == "+" {
		t.Fatalf("%s: kind %v with number %q", what, res.Kind, res.Number)
	}
	if res.Kind == Named && (res.Number != res.Read.Name || res.Rule != -1 || res.ARS) {
		t.Fatalf("%s: a name was modified: %+v", what, res)
	}
	if strings.ContainsAny(res.Number, "\x00\r\n") {
		t.Fatalf("%s: control characters in %q", what, res.Number)
	}
}

func TestNumberProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkNumber(t, drawWritten.Draw(t, "written")) })
}

func checkNumber(t interface{ Fatalf(string, ...any) }, written string) {
	n, err := ParseNumber(written)
	if err != nil {
		if n != (Number{}) || err != ErrNoNumber && err != ErrMalformed {
			t.Fatalf("%q: %+v, %v", written, n, err)
		}
		return
	}
	switch {
	case (n.Digits == "") == (n.Name == ""):
		t.Fatalf("%q: %+v has not one of digits and name", written, n)
	case n.Digits != "" && !regexp.MustCompile(`^[0-9*#][0-9*#A-D]*$`).MatchString(n.Digits):
		t.Fatalf("%q: digits %q", written, n.Digits)
	case n.Plus && (n.Ext || !isDigit(n.Digits[0])):
		t.Fatalf("%q: %+v is no global number", written, n)
	}
	canonical := n.String()
	if again, err := Canonical(canonical); again != canonical || err != nil {
		t.Fatalf("%q: canonical %q reads as %q, %v", written, canonical, again, err)
	}
}

func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPlan(t, true)
		checkPlan(t, p, drawWritten.Draw(t, "number"), drawOrigin.Draw(t, "from"))
	})
}

func checkPlan(t interface{ Fatalf(string, ...any) }, p *Plan, number string, from Origin) {
	dest, err := p.Destination(number)
	device, deviceErr := p.Device(number)
	if (err == nil) != (deviceErr == nil) {
		t.Fatalf("%q: destination %v, device %v", number, err, deviceErr)
	}
	if err == nil {
		checkResult(t, p, "Destination", dest)
		checkResult(t, p, "Device", device)
		if dest.Kind > Named || device.ARS || device.Rule != dest.Rule {
			t.Fatalf("%q: destination %+v, device %+v", number, dest, device)
		}
		want := device.Number
		if dest.ARS {
			want = p.ars + want
		}
		if dest.Number != want {
			t.Fatalf("%q: destination %q is not ARS and device %q", number, dest.Number, device.Number)
		}
	}
	present, forward, redirecting := p.Present(number, from), p.ForwardTarget(number), p.Redirecting(number, from)
	checkResult(t, p, "Present", present)
	checkResult(t, p, "ForwardTarget", forward)
	checkResult(t, p, "Redirecting", redirecting)
	_ = p.RoundTrip(number)
	checkExplanation(t, p, Destination, number, "", dest, err)
	checkExplanation(t, p, Identity, number, "", device, deviceErr)
	checkExplanation(t, p, Presentation, number, from, present, nil)
	checkExplanation(t, p, Forward, number, "", forward, nil)
	checkExplanation(t, p, Redirecting, number, from, redirecting, nil)
}

func TestNoInventedPlus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPlan(t, false)
		number := drawWritten.Draw(t, "number")
		if res, err := p.Destination(number); err == nil && res.Kind == Digits && strings.Contains(res.Number, "+") {
			t.Fatalf("Destination(%q) dials a +: %+v", number, res)
		}
		for _, res := range []Result{p.Present(number, drawOrigin.Draw(t, "from")), p.ForwardTarget(number)} {
			if res.Kind == Digits && strings.Contains(res.Number, "+") && (!res.Read.Plus || res.Rule >= 0) {
				t.Fatalf("%q got a +: %+v", number, res)
			}
		}
	})
}

func TestIdentityPlanIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p *Plan
		number := drawWritten.Draw(t, "number")
		if once, err := p.Destination(number); err == nil {
			if twice, err := p.Destination(once.Number); twice.Number != once.Number || err != nil {
				t.Fatalf("Destination(%q) = %q, then %q, %v", number, once.Number, twice.Number, err)
			}
		}
		if once := p.Present(number, External); once.Number != "" {
			if twice := p.Present(once.Number, External); twice.Number != once.Number {
				t.Fatalf("Present(%q) = %q, then %q", number, once.Number, twice.Number)
			}
		}
	})
}

// A number that left without a rule comes back, as a forward target, as it would be presented.
func TestForwardTargetUndoesARS(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := mustNewRapid(t, Config{
			ARS:      rapid.SampledFrom([]string{"", "9", "00"}).Draw(t, "ars"),
			Internal: InternalConfig{MaxLength: rapid.IntRange(0, 6).Draw(t, "internal")},
		})
		digits := drawDigits.Draw(t, "digits")
		dest, err := p.Destination(digits)
		if err != nil {
			t.Fatal(err)
		}
		if !dest.ARS && p.ars != "" {
			t.Skip("an internal number")
		}
		if back := p.ForwardTarget(dest.Number); back.Number != digits && len(dest.Number) > p.internal {
			t.Fatalf("%q was dialled as %q and comes back as %+v", digits, dest.Number, back)
		}
	})
}

func mustNewRapid(t *rapid.T, cfg Config) *Plan {
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What is derived of expressions never changes which of them matches first, nor what it makes.
func TestExpressionsMatchAsRE2Does(t *testing.T) {
	hits := make(map[int]int)
	rapid.Check(t, func(t *rapid.T) {
		var rules []Rule
		// The first expression that comes so far is run at once; only those behind it are ruled out without.
		list := append([]string{"8$"}, rapid.SliceOfN(drawMatch, 1, 3).Draw(t, "expressions")...)
		for i, match := range list {
			rules = append(rules, Rule{Match: &list[i], Replacement: "0"})
			if _, err := New(Config{Outgoing: rules[i:]}); err != nil {
				t.Skip(match + " cannot match")
			}
		}
		p := mustNewRapid(t, Config{Outgoing: rules})
		digits := rapid.OneOf(drawDigits, rapid.StringMatching(rapid.SampledFrom(list[1:]).Draw(t, "near")), rapid.StringMatching(`[126][126D*]{0,8}`)).Draw(t, "digits")
		if n, err := ParseNumber(digits); err != nil || n.Digits != digits {
			t.Skip("matches what is no number")
		}
		want, rule := digits, -1
		for i, match := range list {
			if at := regexp.MustCompile(match).FindStringIndex(digits); at != nil {
				want, rule = digits[:at[0]]+"0"+digits[at[1]:], i
				break
			}
		}
		hits[rule]++
		if got, err := p.Destination(digits); got.Number != want || got.Rule != rule || err != nil {
			t.Fatalf("%q makes %+v, %v of %s, want %s by rule %d", list, got, err, digits, want, rule)
		}
	})
	for _, rule := range []int{-1, 1} {
		if hits[rule] == 0 {
			t.Errorf("rule %d never fired", rule)
		}
	}
}

// The first rule that matches on its own wins.
func TestFirstMatchWins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, cfg := drawPlan(t, true)
		number, from := drawDigits.Draw(t, "number"), drawOrigin.Draw(t, "from")
		want := -1
		for i, r := range cfg.Incoming {
			if mustNewRapid(t, Config{Incoming: []Rule{r}}).Present(number, from).Rule == 0 {
				want = i
				break
			}
		}
		if got := p.Present(number, from); got.Rule != want {
			t.Fatalf("Present(%q, %q) = %+v, want rule %d", number, from, got, want)
		}
	})
}
