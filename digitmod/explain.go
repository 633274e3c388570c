package digitmod

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
)

// An Explanation tells what becomes of a number and why, step by step. It is told by the code that does the work, so that its
// result is that of [Plan.Destination] and its kin. Its JSON names stay as they are.
type Explanation struct {
	Role    Role   `json:"role"`
	Written string `json:"written"`
	From    Origin `json:"from,omitempty"` // of a presented or redirecting party
	// Steps are what was done, in that order.
	Steps []Step `json:"steps"`

	// Number, Kind and ARS are as in a [Result].
	Number string `json:"number,omitempty"`
	Kind   Kind   `json:"kind"`
	ARS    bool   `json:"ars"`
	// Table is the list of rules that was asked, Rule the number in it of the rule that fired, counted from 1; 0 means that
	// none did.
	Table string `json:"table"`
	Rule  int    `json:"rule"`
	// Error says why there is no result.
	Error string `json:"error,omitempty"`

	// Back is what becomes of the result on the way back, through the other table: a number dialled, as a forward target; a
	// device, as an internal party; an internal party, as a line; any other that is shown, as a destination. It is nil where
	// there is no number to go back with, and has none of its own.
	Back *Explanation `json:"back,omitempty"`
	// Same tells that Back gives the number as it was read.
	Same bool `json:"same"`
}

// A Step is one thing that was done to a number, or why it was not. Which fields are set depends on Do.
type Step struct {
	Do Doing `json:"do"`
	// Table and Rule, counted from 1, are set for a rule.
	Table string `json:"table,omitempty"`
	Rule  int    `json:"rule,omitempty"`
	// Why is a word for the reason: which condition does not hold, why ARS is left out.
	Why string `json:"why,omitempty"`
	// Was is what stood there, With what came in its place, Is the number then.
	Was  string `json:"was,omitempty"`
	With string `json:"with,omitempty"`
	Is   string `json:"is,omitempty"`
	// Text is a sentence that says all of it.
	Text string `json:"text"`
}

// A Doing is what a [Step] does.
type Doing string

// What steps do.
const (
	DoScheme     Doing = "scheme"     // the scheme Was comes off
	DoHost       Doing = "host"       // the host Was comes off
	DoParameter  Doing = "parameter"  // the parameter Was is used or dropped: Why
	DoEscapes    Doing = "escapes"    // percent escapes are decoded
	DoLeftover   Doing = "leftover"   // what stands behind the number is dropped
	DoSeparators Doing = "separators" // visual separators come off
	DoPlus       Doing = "plus"       // the + comes off and is remembered
	DoRead       Doing = "read"       // Is is the number; Why: digits, code, ext or name
	DoForward    Doing = "forward"    // ARS comes off a forward target, or not: Why is ars, internal or external
	DoMissed     Doing = "missed"     // the rule does not match: Why is leading, match, length, code, from or plus
	DoMatched    Doing = "matched"    // the rule matches
	DoNoRule     Doing = "noRule"     // no rule matches
	DoReplace    Doing = "replace"    // the rule replaces Was by With, which makes Is
	DoARS        Doing = "ars"        // ARS comes in front, or not: Why is added, none, line, rule or internal
	DoAddPlus    Doing = "addPlus"    // a + comes in front, or not: Why is added, rule or noRule
	DoWithhold   Doing = "withhold"   // there is no number: Why is restricted or notKnown, Is the text shown instead
)

// Explain tells what becomes of a number in that role, and what of the result on the way back. From counts for presented and
// redirecting parties. It never fails: what is wrong is in Error.
func (p *Plan) Explain(role Role, number string, from Origin) Explanation {
	switch role {
	case Destination, Identity, Forward:
		from = ""
	case Presentation, Redirecting:
	default:
		return Explanation{Role: role, Written: number, Error: fmt.Sprintf("%s is no role", quote(string(role)))}
	}
	e, read := p.explain(role, number, from)
	if e.Number == "" || e.Kind == Restricted || e.Kind == NotKnown {
		return e
	}
	var back Explanation
	switch {
	case role == Destination:
		back, _ = p.explain(Forward, e.Number, "")
	case role == Identity:
		back, _ = p.explain(Presentation, e.Number, Internal)
	case role == Presentation && from == Internal:
		back, _ = p.explain(Identity, e.Number, "")
	default:
		back, _ = p.explain(Destination, e.Number, "")
	}
	e.Back, e.Same = &back, back.Number == read.String()
	return e
}

func (p *Plan) explain(role Role, number string, from Origin) (Explanation, Number) {
	if p == nil {
		p = new(Plan)
	}
	name, _ := p.table(role)
	tr := &trace{table: name}
	res, err := p.modify(role, number, from, tr)
	e := Explanation{Role: role, Written: number, From: from, Steps: tr.steps,
		Number: res.Number, Kind: res.Kind, ARS: res.ARS, Table: name, Rule: res.Rule + 1}
	if err != nil {
		e.Error, e.Rule = err.Error(), 0
	}
	return e, res.Read
}

// modify does what the role asks for.
func (p *Plan) modify(role Role, number string, from Origin, tr *trace) (Result, error) {
	switch role {
	case Destination, Identity:
		return p.out(role, number, tr)
	case Forward:
		return p.undialled(role, number, tr), nil
	}
	return p.in(role, number, from, tr), nil
}

// maxMissed is how many rules that do not match are told of in a text.
const maxMissed = 20

// String returns the explanation as a text of some lines: the result, how the number was read, the rules, and the way back.
func (e Explanation) String() string {
	lines := []string{e.headline()}
	var line []string
	missed := 0
	for i, s := range e.Steps {
		switch {
		case s.Do != DoMissed:
		case missed == maxMissed:
			rest := 0
			for _, later := range e.Steps[i:] {
				if later.Do == DoMissed {
					rest++
				}
			}
			line = append(line, fmt.Sprintf("Nor do %d more.", rest))
			missed++
			continue
		case missed > maxMissed:
			continue
		default:
			missed++
		}
		line = append(line, s.Text)
		if s.Do == DoRead {
			lines, line = append(lines, strings.Join(line, " ")), nil
		}
	}
	if len(line) > 0 {
		lines = append(lines, strings.Join(line, " "))
	}
	if e.Back != nil {
		lines = append(lines, e.wayBack())
	}
	return strings.Join(lines, "\n")
}

func (e Explanation) headline() string {
	written, is := said(e.Written), said(e.Number)
	switch {
	case e.Number == "" && e.Error == "":
		is = e.Kind.String()
	case e.Kind == Restricted || e.Kind == NotKnown:
		is = fmt.Sprintf("%s, for %v", is, e.Kind)
	}
	party := ""
	if e.From != "" {
		party = fmt.Sprintf(", %s,", e.From)
	}
	switch {
	case e.Role == Destination && e.Error != "":
		return fmt.Sprintf("%s cannot be dialled: %s.", written, e.Error)
	case e.Role == Destination:
		return fmt.Sprintf("%s is dialled as %s.", written, is)
	case e.Role == Identity && e.Error != "":
		return fmt.Sprintf("%s is no device: %s.", written, e.Error)
	case e.Role == Identity:
		return fmt.Sprintf("%s is the device %s.", written, is)
	case e.Role == Presentation:
		return fmt.Sprintf("%s%s is shown as %s.", written, party, is)
	case e.Role == Forward:
		return fmt.Sprintf("%s, a forward target, is shown as %s.", written, is)
	case e.Role == Redirecting:
		return fmt.Sprintf("%s, redirecting%s is shown as %s.", written, cmp.Or(party, ","), is)
	}
	return e.Error + "."
}

func (e Explanation) wayBack() string {
	b := e.Back
	if b.Error != "" {
		return "On the way back " + b.headline()
	}
	by := fmt.Sprintf("no %s rule", b.Table)
	if b.Rule > 0 {
		by = fmt.Sprintf("%s rule %d", b.Table, b.Rule)
	}
	same := ""
	switch read := e.read(); {
	case e.Same:
		same = "the number as it was"
	case strings.TrimPrefix(b.Number, "+") == strings.TrimPrefix(read, "+"):
		same = "the number as it was but for the +"
	default:
		same = "not the number as it was, " + said(read)
	}
	return fmt.Sprintf("On the way back %s (%s): %s.", strings.TrimSuffix(b.headline(), "."), by, same)
}

// read returns the number as it was read.
func (e Explanation) read() string {
	plus := ""
	for _, s := range e.Steps {
		switch s.Do {
		case DoPlus:
			plus = "+"
		case DoRead:
			return plus + s.Is
		}
	}
	return ""
}

// said returns a number for a sentence, quoted where it would not stand out.
func said(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) || s != strings.TrimSpace(s) {
		return quote(s)
	}
	if len(s) > 200 {
		return quote(s)
	}
	return s
}

// A trace collects the steps of an explanation. The code that modifies numbers has a nil one when nobody asks why.
type trace struct {
	table string // the name of the table that is asked
	steps []Step
}

func (t *trace) add(s Step, format string, args ...any) {
	s.Text = fmt.Sprintf(format, args...)
	t.steps = append(t.steps, s)
}

// address notes what stands around the user part of an address.
func (t *trace) address(scheme, host string) {
	if scheme != "" {
		t.add(Step{Do: DoScheme, Was: scheme}, "The scheme %s comes off.", said(scheme))
	}
	if host != "" {
		t.add(Step{Do: DoHost, Was: host}, "The host %s comes off.", said(host))
	}
}

// parameters notes the parameters, and which extension is used, "" for none.
func (t *trace) parameters(params, ext string) {
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		if p == "" {
			continue
		}
		if key, value, _ := strings.Cut(p, "="); ext != "" && value == ext && strings.EqualFold(strings.TrimSpace(key), "ext") {
			t.add(Step{Do: DoParameter, Why: "used", Was: p}, "The parameter %s is an extension: it wins over the number before it.", said(p))
			ext = ""
			continue
		}
		t.add(Step{Do: DoParameter, Why: "dropped", Was: p}, "The parameter %s is dropped.", said(p))
	}
}

// scanned notes how written, which is plain without escapes, became digits; end is where the leftovers begin.
func (t *trace) scanned(written, plain string, end int, digits string) {
	if plain != written {
		t.add(Step{Do: DoEscapes, Was: written, Is: plain}, "The escapes of %s are decoded: %s.", said(written), said(plain))
	}
	if end < len(plain) {
		t.add(Step{Do: DoLeftover, Was: plain[end:]}, "What stands behind the number is dropped: %s.", said(plain[end:]))
	}
	if number := strings.Replace(plain[:end], "+", "", 1); number != digits {
		t.add(Step{Do: DoSeparators, Was: plain[:end], Is: digits}, "The separators of %s come off.", said(plain[:end]))
	}
}

func (t *trace) read(n Number) {
	if n.Plus {
		t.add(Step{Do: DoPlus, Is: n.Digits}, "The + comes off and is remembered.")
	}
	switch {
	case n.Name != "":
		t.add(Step{Do: DoRead, Why: "name", Is: n.Name}, "%s is a name and not a number: no rule is about it.", said(n.Name))
	case n.Ext:
		t.add(Step{Do: DoRead, Why: "ext", Is: n.Digits}, "The number is %s, an internal one.", n.Digits)
	case n.code():
		t.add(Step{Do: DoRead, Why: "code", Is: n.Digits}, "The number is the code %s.", n.Digits)
	default:
		t.add(Step{Do: DoRead, Why: "digits", Is: n.Digits}, "The number is %s.", n.Digits)
	}
}

func (t *trace) forwarded(ars string, read, n Number, from Origin) {
	switch {
	case read.Name != "":
	case n.Digits != read.Digits:
		t.add(Step{Do: DoForward, Why: "ars", Was: ars, Is: n.Digits}, "The ARS digits %s come off, which leaves %s, an external number.", ars, n.Digits)
	case from == Internal:
		t.add(Step{Do: DoForward, Why: "internal", Is: n.Digits}, "It is internal: no ARS digits come off.")
	default:
		t.add(Step{Do: DoForward, Why: "external", Is: n.Digits}, "It is external, without ARS digits in front.")
	}
}

func (t *trace) matched(i int, r *rule) {
	t.add(Step{Do: DoMatched, Table: t.table, Rule: i + 1}, "%s matches: %s.", capital(place(t.table, i)), r.because())
}

func (t *trace) missed(i int, r *rule, why miss, n Number, from Origin) {
	word, text := r.reason(why, n, from)
	t.add(Step{Do: DoMissed, Table: t.table, Rule: i + 1, Why: word}, "%s does not match: %s.", capital(place(t.table, i)), text)
}

func (t *trace) noRule(rules int) {
	if rules == 0 {
		t.add(Step{Do: DoNoRule, Table: t.table}, "There are no %s rules.", t.table)
		return
	}
	t.add(Step{Do: DoNoRule, Table: t.table}, "No %s rule matches.", t.table)
}

func (t *trace) replaced(was, with, is string) {
	s := Step{Do: DoReplace, Was: was, With: with, Is: is}
	leaves := cmp.Or(is, "nothing")
	switch {
	case was == with:
		t.add(s, "It leaves the number as it is: %s.", leaves)
	case was == "":
		t.add(s, "It puts %s in, which makes %s.", with, leaves)
	case with == "":
		t.add(s, "It takes %s away, which leaves %s.", was, leaves)
	default:
		t.add(s, "It replaces %s by %s, which makes %s.", was, with, leaves)
	}
}

func (t *trace) ars(p *Plan, why arsReason, n Number, res Result) {
	switch why {
	case arsAdded:
		t.add(Step{Do: DoARS, Why: "added", With: p.ars, Is: res.Number}, "The ARS digits %s come in front: %s.", p.ars, res.Number)
	case arsNone:
		t.add(Step{Do: DoARS, Why: "none"}, "The plan has no ARS digits.")
	case arsOfLine:
		t.add(Step{Do: DoARS, Why: "line"}, "No ARS digits come in front: a line is meant, not a call.")
	case arsIgnored:
		t.add(Step{Do: DoARS, Why: "rule"}, "No ARS digits come in front: the rule leaves them out.")
	case arsInternal:
		because := fmt.Sprintf("a number of at most %d digits is internal", p.internal)
		switch {
		case n.Ext:
			because = "an extension is internal"
		case n.code():
			because = "a code is internal"
		}
		t.add(Step{Do: DoARS, Why: "internal"}, "No ARS digits come in front: %s.", because)
	}
}

func (t *trace) plus(n Number, res Result, added bool) {
	switch {
	case added:
		t.add(Step{Do: DoAddPlus, Why: "added", Is: res.Number}, "A + comes in front: %s.", res.Number)
	case res.Rule >= 0:
		t.add(Step{Do: DoAddPlus, Why: "rule"}, "The rule adds no +.")
	case n.Plus:
		t.add(Step{Do: DoAddPlus, Why: "noRule", Is: res.Number}, "It is shown as presented, with its +.")
	default:
		t.add(Step{Do: DoAddPlus, Why: "noRule", Is: res.Number}, "It is shown as presented; no + is invented.")
	}
}

func (t *trace) withheld(res Result) {
	why := "There is no number"
	if res.Kind == Restricted {
		why = "The number is withheld"
	}
	if res.Number != "" {
		t.add(Step{Do: DoWithhold, Why: res.Kind.String(), Is: res.Number}, "%s; the plan shows %s instead.", why, said(res.Number))
		return
	}
	t.add(Step{Do: DoWithhold, Why: res.Kind.String()}, "%s.", why)
}

// because says which conditions of the rule hold.
func (r *rule) because() string {
	var list []string
	switch {
	case r.match != nil:
		list = append(list, fmt.Sprintf("%s matches the number", r.match.re))
	case r.leading != "":
		list = append(list, "the number begins with "+r.leading)
	}
	if demand := r.demand(); demand != "" {
		list = append(list, "its length is "+demand)
	}
	switch r.plus {
	case withPlus:
		list = append(list, "it was written with a +")
	case withoutPlus:
		list = append(list, "it was written without a +")
	}
	if r.from != "" {
		list = append(list, fmt.Sprintf("the party is %s", r.from))
	}
	if len(list) == 0 {
		return "it takes every number that is no code"
	}
	if last := len(list) - 1; last > 0 {
		return strings.Join(list[:last], ", ") + " and " + list[last]
	}
	return list[0]
}

// demand says which lengths the plan demands, "" where it demands none.
func (r *rule) demand() string {
	switch {
	case r.shortest == r.longest:
		return fmt.Sprint(r.shortest)
	case r.shortest > 1 && r.longest <= maxDigits:
		return fmt.Sprintf("between %d and %d", r.shortest, r.longest)
	case r.shortest > 1:
		return fmt.Sprintf("at least %d", r.shortest)
	case r.longest <= maxDigits:
		return fmt.Sprintf("at most %d", r.longest)
	}
	return ""
}

// reason returns a word and a text for why the rule does not match.
func (r *rule) reason(why miss, n Number, from Origin) (word, text string) {
	length := len(n.Digits)
	if why == missLength && r.shortest <= length && length <= r.longest {
		why = missDigits // the plan does not demand a length, the expression does
	}
	switch why {
	case missLength:
		return "length", fmt.Sprintf("the length %d is not %s", length, r.demand())
	case missCode:
		return "code", fmt.Sprintf("it takes no codes, and %s is one", n.Digits)
	case missFrom:
		if from == "" {
			return "from", fmt.Sprintf("it takes %s parties, and the PBX does not tell where this one is", r.from)
		}
		return "from", fmt.Sprintf("it takes %s parties, and this one is %s", r.from, from)
	case missPlus:
		if r.plus == withPlus {
			return "plus", "it takes numbers written with a +, and this one has none"
		}
		return "plus", "it takes numbers written without a +, and this one has one"
	}
	if r.match != nil {
		return "match", fmt.Sprintf("%s does not match %s", r.match.re, n.Digits)
	}
	return "leading", fmt.Sprintf("%s does not begin with %s", n.Digits, r.leading)
}

func capital(s string) string {
	return strings.ToUpper(s[:1]) + s[1:]
}
