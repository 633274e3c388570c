package digitmod

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Finding is one thing that a plan does and that is probably not meant, with a number that shows it. Its JSON names stay as
// they are.
type Finding struct {
	Severity Severity `json:"severity"`
	Kind     Flaw     `json:"kind"`
	// Table and Rule, counted from 1, name the rule; Rule is 0 where no rule of the table fires, or none alone is the reason.
	Table string `json:"table"`
	Rule  int    `json:"rule,omitempty"`
	// Witness is a number that shows the flaw, From where: for the outgoing table as a client writes it, for the others as the
	// PBX presents it. It was tried with the tables. It is the smallest one that comes to the table so, the shorter the
	// smaller, unless an expression has a part in it. It is empty where there is none: no number
	// comes to the rule, or the question is undecided.
	Witness string `json:"witness,omitempty"`
	From    Origin `json:"from,omitempty"`
	// Other is the second number of a collision.
	Other string `json:"other,omitempty"`
	// Reason says what is wrong.
	Reason string `json:"reason"`
}

// String returns the finding on one line: outgoing rule 3: …
func (f Finding) String() string { return f.Mistake().Error() }

// Mistake returns the finding as a mistake of the plan.
func (f Finding) Mistake() Mistake {
	if f.Rule == 0 {
		return Mistake{Place: f.Table, Reason: f.Reason}
	}
	return Mistake{Place: place(f.Table, f.Rule-1), Reason: f.Reason}
}

// A Severity tells how bad a [Finding] is.
type Severity string

// The severities of findings.
const (
	// Fault is a plan that must not be used: a line that cannot be controlled, an emergency number that is changed.
	Fault Severity = "error"
	// Warning is a plan that does something odd with numbers that may never occur.
	Warning Severity = "warning"
)

// A Flaw is what a [Finding] is about.
type Flaw string

// What findings are about.
const (
	Shadowed  Flaw = "shadowed"  // the rule never fires: every number that it matches is taken before, or none comes here
	WayBack   Flaw = "wayBack"   // what the rule makes of a number, the other table makes a different number of
	OneWay    Flaw = "oneWay"    // an internal number does not come back the same when a client means it as a line
	Line      Flaw = "line"      // a line does not come back the same through both tables
	Collision Flaw = "collision" // two numbers of one length become one; spellings of one number differ in length
	NotServed Flaw = "notServed" // the rule makes a number that is no line, no code and has no ARS
	NotE164   Flaw = "notE164"   // the rule adds a + to what is not E.164: up to 15 digits, the first not 0
	Emergency Flaw = "emergency" // an emergency number is not dialled as it is
	Undecided Flaw = "undecided" // the expressions are too many or too intricate to tell
)

const (
	longest       = 15 // digits of an E.164 number: longer ones are looked at only where a rule demands them
	maxNumbers    = 10_000
	maxWork       = 200_000_000 // rules that the numbers of a Lint pass, and what a number costs itself: some seconds
	perNumber     = 400
	maxPool       = 100 // numbers that stand for what an expression makes, per order of digits
	plainSymbols  = "0123456789*#"
	digitSymbols  = "0123456789"
	symbolsOfRule = alphabet
)

// Lint looks for rules that do not do what they seem to be for. Lines are the lines that the PBX serves; nil leaves out what is
// about lines. The findings are in the order of the tables and rules, at most one of a kind for each rule.
//
// About rules with leading digits and lengths Lint is exact: it finds what there is, [Shadowed] among all numbers, the rest among
// numbers of digits, with a * or # in front or not, of at most 15 digits or as many as the rule demands. Of lines it tries ten
// thousand, and some that stand for the rest.
//
// Whether an expression matches is exact too, so that Shadowed is; where the expressions are too intricate to follow, Lint says
// [Undecided]. What an expression makes of a number cannot be followed: it is tried with some hundred numbers for each rule,
// so that there may be more than is found. Nothing is reported that was not tried.
//
// A Lint of 50 rules with leading digits takes some milliseconds, one of a thousand expressions that match anywhere seconds: it
// is for loading and editing, not for calls.
func (p *Plan) Lint(lines *Lines) []Finding {
	if p == nil {
		return nil
	}
	l := &linter{plan: p, lines: lines, scanners: make(map[string]*scanner), cut: make(map[string]bool)}
	l.emergency()
	l.ownLines()
	for _, s := range l.sides() {
		for i := range s.table {
			l.shadowed(s, i)
			if s.role == Destination {
				l.outgoingWayBack(s, i)
				l.notServed(s, i)
			} else {
				l.notE164(s, i)
			}
		}
		if s.role != Forward {
			l.collisions(s)
		}
	}
	l.oneWay()
	for _, s := range l.sides() {
		if l.cut[s.name] {
			l.add(Finding{Severity: Warning, Kind: Undecided, Table: s.name,
				Reason: "the rules are too many or too intricate to look at all of what they do; there may be more"})
		}
	}
	order := map[string]int{"outgoing": 0, "incoming": 1, "forward": 2, "redirecting": 3}
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(order[a.Table]-order[b.Table], a.Rule-b.Rule)
	})
	return l.findings
}

type linter struct {
	plan     *Plan
	lines    *Lines
	scanners map[string]*scanner
	work     int
	cut      map[string]bool // tables of which not all could be looked at
	findings []Finding
}

// A side is a table and the role that it is for.
type side struct {
	role  Role
	name  string
	table []rule
}

func (l *linter) side(role Role) side {
	name, table := l.plan.table(role)
	return side{role, name, table}
}

// sides returns the tables that the plan has.
func (l *linter) sides() []side {
	list := []side{l.side(Destination), l.side(Presentation)}
	if l.plan.forward != nil {
		list = append(list, l.side(Forward))
	}
	if l.plan.redirecting != nil {
		list = append(list, l.side(Redirecting))
	}
	return list
}

func (l *linter) scanner(s side) *scanner {
	if l.scanners[s.name] == nil {
		l.scanners[s.name] = newScanner(s.table)
	}
	return l.scanners[s.name]
}

func (l *linter) add(f Finding) { l.findings = append(l.findings, f) }

// A try is a number as it is written, and as it comes to the table.
type try struct {
	written string
	from    Origin
	read    Number
}

// tries returns the ways in which digits come to the table of a side: with a + and without, from everywhere.
func (l *linter) tries(role Role, digits string) []try {
	numbers := []Number{{Digits: digits}}
	if isDigit(digits[0]) {
		numbers = append(numbers, Number{Digits: digits, Plus: true})
	}
	var list []try
	for _, n := range numbers {
		if read, err := ParseNumber(n.String()); err != nil || read != n {
			continue
		}
		switch role {
		case Destination, Identity:
			list = append(list, try{n.String(), "", n})
		case Forward:
			// As they are, and behind the ARS digits.
			for _, written := range []string{n.String(), l.plan.ars + digits} {
				read, err := ParseNumber(written)
				if err != nil {
					continue
				}
				if stripped, from, _ := l.plan.withoutARS(read); stripped == n {
					list = append(list, try{written, from, n})
				}
			}
		default:
			for _, from := range []Origin{Internal, External, ""} {
				list = append(list, try{n.String(), from, n})
			}
		}
	}
	return list
}

// result returns what becomes of a number; ok is false where that is no number.
func (l *linter) result(role Role, t try) (res Result, ok bool) {
	res, err := l.plan.modify(role, t.written, t.from, nil)
	return res, err == nil && res.Kind == Digits
}

// search visits numbers that begin with begin until found returns true, and reports whether nothing was left out up to there.
func (l *linter) search(w walk, found func(number string) bool) (all bool) {
	p := l.plan
	cost := perNumber + len(p.outgoing) + len(p.incoming) + len(p.forward) + len(p.redirecting)
	all = w.visit(func(number string) bool {
		l.work += cost
		return l.work > maxWork || found(number)
	})
	return all && l.work <= maxWork
}

// reach returns the longest number that is looked at for a rule.
func reach(rules ...*rule) int {
	n := longest
	for _, r := range rules {
		n = max(n, min(r.min, maxDigits))
	}
	return n
}

// takers visits numbers that rule i of s may take, with the other heads in step, until found returns true. begin is the leading
// text of the rule and more if given.
func (l *linter) takers(s side, i int, others []head, more string, found func(number string) bool) {
	r := &s.table[i]
	begin := r.leading + more
	w := walk{
		heads: append([]head{{l.scanner(s), begin}}, others...), begin: begin, symbols: digitSymbols, longest: max(reach(r), len(begin)),
		alive: func(st states) bool { return l.scanner(s).alive(int(st[0]), i) },
	}
	if begin == "" {
		w.symbols = plainSymbols
	}
	intricate := l.intricate(s)
	if intricate {
		w.nodes = maxPool
	}
	hit := false
	visit := func(number string) bool {
		hit = found(number)
		return hit
	}
	all := l.search(w, visit)
	if !intricate {
		if !all {
			l.cut[s.name] = true
		}
		return
	}
	// Where an expression has a part, the states do not tell what becomes of the number: other digits are tried too.
	codes := w.symbols[len(digitSymbols):]
	for d := 1; d < len(digitSymbols) && !hit; d++ {
		w.symbols = digitSymbols[d:] + digitSymbols[:d] + codes
		l.search(w, visit)
	}
}

// intricate reports whether an expression has a part in what becomes of the numbers of a side, or on their way back.
func (l *linter) intricate(s side) bool {
	for _, of := range []side{s, l.side(Presentation), l.side(Forward), l.side(Destination)} {
		if slices.ContainsFunc(of.table, func(r rule) bool { return r.match != nil }) {
			return true
		}
	}
	return false
}

// shadowed looks for a number that rule i takes. Any symbol counts: a rule that fires for codes only is not shadowed.
func (l *linter) shadowed(s side, i int) {
	r := &s.table[i]
	var witness try
	by, fires := -1, false
	w := walk{heads: []head{{l.scanner(s), r.leading}}, begin: r.leading, symbols: symbolsOfRule, longest: maxDigits,
		bound: l.lengths(s), alive: func(st states) bool { return l.scanner(s).alive(int(st[0]), i) }}
	all := l.search(w, func(number string) bool {
		for _, t := range l.tries(s.role, number) {
			if alone, _ := find(s.table[i:i+1], t.read, t.from, nil); alone < 0 {
				continue
			}
			if first, _ := find(s.table, t.read, t.from, nil); first == i {
				fires = true
				return true
			} else if by < 0 {
				witness, by = t, first
			}
		}
		return false
	})
	switch {
	case fires:
	case l.work > maxWork:
		l.cut[s.name] = true
	case !all:
		l.add(Finding{Severity: Warning, Kind: Undecided, Table: s.name, Rule: i + 1,
			Reason: "whether it ever fires could not be decided: no number was found that it takes"})
	case by >= 0:
		l.add(Finding{Severity: Warning, Kind: Shadowed, Table: s.name, Rule: i + 1, Witness: witness.written, From: witness.from,
			Reason: fmt.Sprintf("never fires: rules before it take every number that it matches, as %s takes %s", place(s.name, by), witness)})
	default:
		l.add(Finding{Severity: Warning, Kind: Shadowed, Table: s.name, Rule: i + 1, Reason: "never fires: no number comes to this table that it matches"})
	}
}

// An outcome is what becomes of a try.
type outcome struct {
	try
	res Result
}

// outcomes returns what becomes of digits in all the ways in which they come to the table, where it is a number.
func (l *linter) outcomes(role Role, digits string) (list []outcome) {
	for _, t := range l.tries(role, digits) {
		if res, ok := l.result(role, t); ok {
			list = append(list, outcome{t, res})
		}
	}
	return list
}

// lengths returns a length from which on lengths make no difference to a table.
func (l *linter) lengths(s side) int {
	bound := l.plan.internal + len(l.plan.ars)
	for i := range s.table {
		bound = max(bound, s.table[i].shortest)
		if n := s.table[i].longest; n <= maxDigits {
			bound = max(bound, n)
		}
	}
	return bound + 1
}

// String returns the number for a sentence.
func (t try) String() string {
	if t.from != "" {
		return fmt.Sprintf("%s (%s)", t.written, t.from)
	}
	return t.written
}

// put returns what rule i of s puts in place of its leading digits, the + or the ARS digits in front included.
func (l *linter) put(s side, i int) string {
	r := &s.table[i]
	switch {
	case r.match != nil:
		return ""
	case s.role == Destination && !r.flag:
		return l.plan.ars + r.replace
	case s.role != Destination && r.flag:
		return "+" + r.replace
	}
	return r.replace
}

// outgoingWayBack looks for a number of which rule i makes one that is shown, as a forward target, as a different number because
// a rule says so.
func (l *linter) outgoingWayBack(s side, i int) {
	back := l.side(Forward)
	if len(back.table) == 0 {
		return
	}
	found := func(number string) bool {
		for _, o := range l.outcomes(Destination, number) {
			t, res := o.try, o.res
			if res.Rule != i {
				continue
			}
			shown := l.plan.ForwardTarget(res.Number)
			if shown.Kind != Digits || shown.Rule < 0 || strings.TrimPrefix(shown.Number, "+") == t.read.Digits {
				continue
			}
			l.add(Finding{Severity: Warning, Kind: WayBack, Table: s.name, Rule: i + 1, Witness: t.written,
				Reason: fmt.Sprintf("%s is dialled as %s, which %s shows as %s", t, res.Number, place(back.name, shown.Rule), shown.Number)})
			return true
		}
		return false
	}
	put, ars := strings.TrimPrefix(l.put(s, i), "+"), l.plan.ars
	if !allDialable(put) {
		return // ARS digits and a +: what is dialled so is no number when it comes back
	}
	scan := l.scanner(back)
	if s.table[i].match != nil {
		l.takers(s, i, []head{{scan, ""}}, "", found)
		return
	}
	// The way back reads the number with the ARS digits or without: each is followed.
	l.best(func() { l.takers(s, i, []head{{scan, put}}, "", found) }, func() {
		switch {
		case ars == "" || strings.HasPrefix(l.put(s, i), "+"):
		case strings.HasPrefix(put, ars):
			l.takers(s, i, []head{{scan, put[len(ars):]}}, "", found)
		case strings.HasPrefix(ars, put):
			l.takers(s, i, []head{{scan, ""}}, ars[len(put):], found)
		}
	})
}

// best runs the searches and keeps of what they find the smallest witness.
func (l *linter) best(searches ...func()) {
	before := len(l.findings)
	for _, search := range searches {
		search()
	}
	if len(l.findings) <= before+1 {
		return
	}
	smallest := slices.MinFunc(l.findings[before:], func(a, b Finding) int { return smaller(a.Witness, b.Witness) })
	l.findings = append(l.findings[:before], smallest)
}

// smaller compares numbers: the shorter is the smaller.
func smaller(a, b string) int {
	digits := func(s string) string { return strings.TrimPrefix(s, "+") }
	return cmp.Or(len(digits(a))-len(digits(b)), strings.Compare(digits(a), digits(b)), len(a)-len(b))
}

// oneWay looks for internal numbers that do not come back the same when a client means them as a line. The incoming
// rule that has a part in it is told, else the outgoing one.
func (l *linter) oneWay() {
	in, out := l.side(Presentation), l.side(Identity)
	told := make(map[int]bool) // outgoing rules
	found := func(i int, number string) bool {
		if !l.plan.isInternal(Number{Digits: number}) {
			return false
		}
		shown := l.plan.Present(number, Internal)
		back, err := l.plan.Device(shown.Number)
		if shown.Rule != i || shown.Kind != Digits || err == nil && back.Number == number {
			return false
		}
		rule, _ := find(out.table, Number{Digits: strings.TrimPrefix(shown.Number, "+"), Plus: shown.Number[0] == '+'}, "", nil)
		what := "gives no device"
		if err == nil {
			what = "comes back as " + back.Number
		}
		f := Finding{Severity: Warning, Kind: OneWay, Table: in.name, Rule: i + 1, Witness: number, From: Internal,
			Reason: fmt.Sprintf("%s (internal) is shown as %s, which as a line %s (%s)", number, shown.Number, what, fired(out.name, rule))}
		if i < 0 {
			if f.Table, f.Rule = out.name, rule+1; told[rule] {
				return false
			}
			told[rule] = true
		}
		l.add(f)
		return true
	}
	for i := range in.table {
		l.takers(in, i, []head{{l.scanner(out), strings.TrimPrefix(l.put(in, i), "+")}}, "", func(number string) bool { return found(i, number) })
	}
	for _, begin := range []string{"", "*", "#"} {
		w := walk{heads: []head{{l.scanner(in), begin}, {l.scanner(out), begin}}, begin: begin, symbols: digitSymbols, longest: longest,
			alive: func(states) bool { return true }}
		if begin == "" {
			w.longest = min(l.plan.internal, longest)
		}
		if !l.search(w, func(number string) bool { found(-1, number); return false }) {
			l.cut[in.name] = true
		}
	}
}

// notServed looks for a number that rule i sends out without ARS although it is no line.
func (l *linter) notServed(s side, i int) {
	if l.lines == nil || l.lines.all || l.plan.ars == "" || !s.table[i].flag {
		return
	}
	found := func(number string) bool {
		for _, o := range l.outcomes(Destination, number) {
			t, res := o.try, o.res
			if res.Rule != i || res.ARS || strings.HasPrefix(res.Number, l.plan.ars) || res.Number[0] == '*' || res.Number[0] == '#' {
				continue
			}
			if _, served := l.lines.Match(res.Number); served {
				continue
			}
			if _, served := l.lines.Match(l.plan.Present(res.Number, Internal).Number); served {
				continue
			}
			l.add(Finding{Severity: Warning, Kind: NotServed, Table: s.name, Rule: i + 1, Witness: t.written,
				Reason: fmt.Sprintf("%s is dialled as %s, which is no line and does not begin with the ARS digits %s", t, res.Number, l.plan.ars)})
			return true
		}
		return false
	}
	if s.table[i].match != nil {
		l.takers(s, i, nil, "", found)
		return
	}
	// A line may be named by what the PBX calls it, and by what clients see of it: each is followed, for each incoming rule that
	// can have a part in the latter.
	put, in := strings.TrimPrefix(s.table[i].replace, "+"), l.side(Presentation)
	var searches []func()
	for q := -1; q < len(in.table); q++ {
		was, with := "", ""
		if q >= 0 {
			was, with = in.table[q].leading, strings.TrimPrefix(l.put(in, q), "+")
		}
		rest, within := strings.CutPrefix(put, was)
		more, beyond := strings.CutPrefix(was, put)
		switch {
		case within:
			more = ""
		case beyond:
			rest = ""
		default:
			continue
		}
		searches = append(searches, func() {
			l.takers(s, i, []head{{l.scanner(in), put + more}, {l.lineScanner(), put + more}, {l.lineScanner(), with + rest}}, more, found)
		})
	}
	l.best(searches...)
}

// notE164 looks for a number of which rule i makes a global one that cannot exist (E.164, clause 6).
func (l *linter) notE164(s side, i int) {
	if !s.table[i].flag {
		return
	}
	l.takers(s, i, nil, "", func(number string) bool {
		for _, o := range l.outcomes(s.role, number) {
			t, res := o.try, o.res
			if res.Rule != i {
				continue
			}
			digits, why := res.Number[1:], ""
			switch {
			case strings.Trim(digits, digitSymbols) != "":
				why = "it has more than digits"
			case digits[0] == '0':
				why = "it begins with 0"
			case len(digits) > longest:
				why = fmt.Sprintf("it has %d digits", len(digits))
			default:
				continue
			}
			l.add(Finding{Severity: Warning, Kind: NotE164, Table: s.name, Rule: i + 1, Witness: t.written, From: t.from,
				Reason: fmt.Sprintf("%s is shown as %s, which is not E.164: %s", t, res.Number, why)})
			return true
		}
		return false
	})
}

// emergency looks for emergency numbers that are not dialled as they are.
func (l *linter) emergency() {
	if l.plan.mayAlter {
		return
	}
	told := make(map[int]bool)
	for _, number := range l.plan.emergency {
		res, err := l.plan.Destination(number)
		if err == nil && res.Number == number {
			continue
		}
		rule := res.Rule
		if err != nil {
			rule, _ = find(l.plan.outgoing, Number{Digits: number}, "", nil)
		}
		if told[rule] {
			continue
		}
		told[rule] = true
		becomes := fmt.Sprintf("is dialled as %s", res.Number)
		if err != nil {
			becomes = "cannot be dialled"
		}
		cause, severity := "", Fault
		if rule < 0 {
			// Some trunks want the access digits in front of these numbers, too.
			cause, severity = ": no rule is about it, and it is not internal", Warning
		}
		l.add(Finding{Severity: severity, Kind: Emergency, Table: "outgoing", Rule: rule + 1, Witness: number,
			Reason: fmt.Sprintf("the emergency number %s %s%s", number, becomes, cause)})
	}
}

// ownLines tries the lines: as a line that a client means, and back.
func (l *linter) ownLines() {
	if l.lines == nil {
		return
	}
	told := make(map[string]bool)
	check := func(line string) bool {
		f := Finding{Severity: Fault, Kind: Line, Table: "outgoing", Witness: line}
		device, err := l.plan.Device(line)
		switch {
		case err != nil:
			f.Reason = fmt.Sprintf("the line %s is no device: %v", line, err)
		default:
			f.Rule = device.Rule + 1
			if err = l.plan.RoundTrip(device.Number); err == nil {
				return false
			}
			if shown := l.plan.Present(device.Number, Internal); shown.Rule >= 0 {
				f.Table, f.Rule = "incoming", shown.Rule+1
			}
			f.Reason = fmt.Sprintf("line %s: %v", line, err)
		}
		if at := fmt.Sprint(f.Table, f.Rule); !told[at] {
			told[at] = true
			l.add(f)
		}
		return true
	}
	numbers, all := l.lines.Numbers(maxNumbers)
	slices.SortFunc(numbers, smaller)
	for _, line := range numbers {
		check(line)
	}
	if all || l.lines.all {
		return
	}
	// The patterns of too many lines: numbers that stand for them.
	out, in := l.side(Identity), l.side(Presentation)
	for i := -1; i < len(out.table); i++ {
		begin, put := "", ""
		if i >= 0 && out.table[i].match == nil {
			begin, put = out.table[i].leading, out.table[i].replace
		}
		w := walk{heads: []head{{l.lineScanner(), begin}, {l.scanner(out), begin}, {l.scanner(in), strings.TrimPrefix(put, "+")}},
			begin: begin, symbols: plainSymbols, longest: maxLineDigits + 1,
			alive: func(st states) bool { return len(l.lineScanner().states[st[0]].items) > 0 }}
		if !l.search(w, func(number string) bool {
			for _, t := range l.tries(Identity, number) {
				if _, served := l.lines.Match(t.written); served && check(t.written) {
					return true
				}
			}
			return false
		}) {
			l.cut[out.name] = true
		}
	}
}

// lineScanner reads the digits of lines.
func (l *linter) lineScanner() *scanner {
	if l.scanners["lines"] == nil {
		l.scanners["lines"] = newScanner(l.lines.rules())
	}
	return l.scanners["lines"]
}

// collisions looks for two numbers of one length that become the same number. They cannot be two spellings of one number, which
// differ in what stands in front.
func (l *linter) collisions(s side) {
	// What a rule puts in place of what, and what is put in front of a number that no rule matches.
	type change struct {
		rule      int
		was, with string
	}
	changes := []change{{-1, "", ""}}
	if s.role == Destination && l.plan.ars != "" {
		changes = append(changes, change{-1, "", l.plan.ars})
	}
	if s.role != Destination {
		changes = append(changes, change{-1, "", "+"})
	}
	for i := range s.table {
		if s.table[i].match == nil {
			changes = append(changes, change{i, s.table[i].leading, l.put(s, i)})
		}
	}
	told := make(map[int]bool)
	compare := func(a, b string) {
		ones, twos := l.outcomes(s.role, a), l.outcomes(s.role, b)
		for _, x := range ones {
			for _, y := range twos {
				if x.from != y.from || x.res.Number != y.res.Number {
					continue
				}
				first, second := x, y
				if second.res.Rule < first.res.Rule {
					first, second = y, x
				}
				rule := second.res.Rule
				if told[rule] {
					continue
				}
				told[rule] = true
				l.add(Finding{Severity: Warning, Kind: Collision, Table: s.name, Rule: rule + 1, Witness: second.written, From: second.from, Other: first.written,
					Reason: fmt.Sprintf("%s becomes %s, as %s does (%s)", second.try, second.res.Number, first.written, fired(s.name, first.res.Rule))})
			}
		}
	}
	scan := l.scanner(s)
	for n, b := range changes {
		for _, a := range changes[:n] {
			if b.rule < 0 || told[b.rule] || len(a.with)-len(a.was) != len(b.with)-len(b.was) {
				continue
			}
			// One of them puts more in: what it puts in more is what the other one keeps.
			x, y := a, b
			if len(x.with) > len(y.with) {
				x, y = y, x
			}
			more, ok := strings.CutPrefix(y.with, x.with)
			if !ok || !allDialable(more) {
				continue
			}
			alive := func(i int, state int32) bool { return i < 0 || scan.alive(int(state), i) }
			begin := x.was + more
			if begin == y.was {
				continue // the same number twice
			}
			w := walk{heads: []head{{scan, begin}, {scan, y.was}}, begin: begin, symbols: digitSymbols, longest: max(longest, len(begin), l.demanded(s, x.rule, y.rule)),
				alive: func(st states) bool { return alive(x.rule, st[0]) && alive(y.rule, st[1]) }}
			all := l.search(w, func(number string) bool {
				compare(number, y.was+number[len(begin):])
				return told[b.rule]
			})
			if !all {
				l.cut[s.name] = true
			}
		}
	}
	l.poolCollisions(s, compare, told)
}

// demanded returns the length that two rules demand at least.
func (l *linter) demanded(s side, rules ...int) int {
	n := 0
	for _, i := range rules {
		if i >= 0 {
			n = max(n, min(s.table[i].min, maxDigits))
		}
	}
	return n
}

// poolCollisions looks for what the match rules of a table lose: a digit in whose place another one makes no difference.
func (l *linter) poolCollisions(s side, compare func(a, b string), told map[int]bool) {
	for i := range s.table {
		if s.table[i].match == nil {
			continue
		}
		taken := 0
		w := walk{heads: []head{{l.scanner(s), ""}}, symbols: plainSymbols, longest: reach(&s.table[i]), nodes: maxPool,
			alive: func(st states) bool { return l.scanner(s).alive(int(st[0]), i) }}
		l.search(w, func(number string) bool {
			for _, o := range l.outcomes(s.role, number) {
				if o.res.Rule != i {
					continue
				}
				taken++
				// What it makes of a number may be a number of that length itself.
				if made := strings.TrimPrefix(o.res.Number, "+"); made != number && len(made) == len(number) && allDialable(made) {
					compare(made, number)
				}
				for at := range number {
					if isDigit(number[at]) {
						other := []byte(number)
						other[at] = '0' + (number[at]-'0'+1)%10
						compare(number, string(other))
					}
				}
				break
			}
			return told[i] || taken == maxPool/10
		})
	}
}
