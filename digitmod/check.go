package digitmod

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// Limits of a plan. A real one has some dozens of rules; the limits keep a wrong file, or a hostile one, from taking the
// memory of the process that a plan is edited in.
const (
	maxRules        = 10_000  // of all tables together, and of examples
	maxText         = 1 << 20 // bytes
	maxARS          = 8       // digits
	maxReplacement  = 64      // bytes
	maxMatch        = 512     // bytes
	maxInstructions = 500_000 // of all compiled expressions together, some 20 MB
)

// New checks cfg and makes a Plan of it, which shares no memory with it. The error is of type [Mistakes] and holds all of them.
func New(cfg Config) (*Plan, error) { return check(cfg, nil, nil) }

// A checker compiles a Config and gathers its mistakes.
type checker struct {
	mistakes     Mistakes
	skip         map[string]bool // places whose shape was wrong already: more would be said about what is not there
	instructions int
}

// check is New after the reading of a text, which has found mistakes at the places skip.
func check(cfg Config, found Mistakes, skip map[string]bool) (*Plan, error) {
	c := &checker{mistakes: found, skip: skip}
	p := &Plan{ars: cfg.ARS, internal: cfg.Internal.MaxLength}
	if strings.Trim(cfg.ARS, "0123456789") != "" {
		c.mistakes.add("ars", cfg.ARS, "access digits are 0 to 9")
	}
	if len(cfg.ARS) > maxARS {
		c.mistakes.add("ars", cfg.ARS, "more than %d digits", maxARS)
	}
	if n := cfg.Internal.MaxLength; n < 0 || n > maxDigits {
		c.mistakes.add("internal.maxLength", n, "a length is between 0 and %d", maxDigits)
	}
	if n := len(cfg.Outgoing) + len(cfg.Incoming) + len(cfg.Forward) + len(cfg.Redirecting); n > maxRules {
		c.mistakes.add("", nil, "%d rules, more than %d", n, maxRules)
		return nil, c.mistakes
	}
	p.outgoing = c.table("outgoing", cfg.Outgoing)
	p.incoming = c.table("incoming", cfg.Incoming)
	p.forward = c.table("forward", cfg.Forward)
	p.redirecting = c.table("redirecting", cfg.Redirecting)
	p.restricted = c.shown("restricted", cfg.Restricted)
	p.notKnown = c.shown("notKnown", cfg.NotKnown)
	p.emergency, p.mayAlter = c.emergency(cfg.Emergency.Numbers), cfg.Emergency.MayAlter
	c.examples(p, cfg.Examples)
	if err := c.mistakes.orNil(); err != nil {
		return nil, err
	}
	return p, nil
}

func (c *checker) table(name string, rules []Rule) []rule {
	if rules == nil {
		return nil
	}
	compiled := make([]rule, len(rules))
	for i, r := range rules {
		if at := place(name, i); !c.skip[at] {
			compiled[i] = c.rule(name, at, r)
		}
	}
	return compiled
}

// shown checks a text that is shown in place of a number.
func (c *checker) shown(key, text string) string {
	if text == "" {
		return ""
	}
	if canonical, err := Canonical(text); err != nil || canonical != text {
		c.mistakes.add(key, text, "is no number or name in its canonical form")
	}
	return text
}

// defaultEmergency are the emergency numbers of a plan that names none. See [EmergencyConfig].
var defaultEmergency = []string{"112", "911"}

func (c *checker) emergency(numbers []string) []string {
	if len(numbers) == 0 {
		return defaultEmergency
	}
	if len(numbers) > maxRules {
		c.mistakes.add("emergency.numbers", nil, "%d entries, more than %d", len(numbers), maxRules)
		return nil
	}
	for i, s := range numbers {
		if n, err := ParseNumber(s); err != nil || n.Digits != s {
			c.mistakes.add(place("emergency.numbers", i), s, "is not a number to dial: digits are 0 to 9, *, # and A to D")
		}
	}
	return slices.Clone(numbers)
}

func (c *checker) rule(table, at string, r Rule) rule {
	out := rule{front: frontOfAny(), max: math.MaxInt, from: r.From, replace: r.Replacement}
	before := len(c.mistakes)
	c.lengths(at, r, &out)
	out.shortest, out.longest = out.min, out.max
	if r.Plus != nil {
		out.plus = withoutPlus
		if *r.Plus {
			out.plus = withPlus
		}
	}
	switch table {
	case "outgoing":
		out.flag = r.IgnoreARS
		if r.AddPlus {
			c.mistakes.add(inside(at, "addPlus"), true, "an outgoing rule has the + in its replacement")
		}
		if r.From != "" {
			c.mistakes.add(inside(at, "from"), string(r.From), "outgoing rules do not have it")
		}
	default:
		out.flag = r.AddPlus
		if r.IgnoreARS {
			c.mistakes.add(inside(at, "ignoreARS"), true, "only outgoing rules have it")
		}
		c.origin(inside(at, "from"), r.From)
		if r.AddPlus && strings.HasPrefix(r.Replacement, "+") {
			c.mistakes.add(inside(at, "replacement"), r.Replacement, "begins with + and addPlus would put a second one in front")
		}
	}
	conditions := r.Length != nil || r.MinLength != nil || r.MaxLength != nil || r.Plus != nil || r.From != ""
	replacement := inside(at, "replacement")
	switch {
	case r.Leading != nil && r.Match != nil:
		c.mistakes.add(at, nil, "has both leading and match")
		c.replacement(replacement, r.Replacement, anyGroups, true)
	case r.Match != nil:
		groups, anchored := c.match(at, *r.Match, &out)
		parts := c.replacement(replacement, r.Replacement, groups, anchored)
		if out.match != nil {
			out.match.parts = parts
		}
	case r.Leading != nil:
		c.leading(at, *r.Leading, &out)
		c.replacement(replacement, r.Replacement, noGroups, true)
	default:
		out.numbers = true
		if !conditions {
			c.mistakes.add(at, nil, `has neither leading nor match nor a condition; leading: "" matches every number`)
		}
		c.replacement(replacement, r.Replacement, noGroups, true)
	}
	if before == len(c.mistakes) && c.instructions <= maxInstructions {
		if number, all := out.matches(); number == "" && all {
			c.mistakes.add(at, nil, "never matches: no number fulfils all its conditions")
		}
	}
	return out
}

func (c *checker) origin(at string, from Origin) {
	if from != "" && from != Internal && from != External {
		c.mistakes.add(at, string(from), "neither internal nor external")
	}
}

func (c *checker) lengths(at string, r Rule, out *rule) {
	sound := true
	length := func(key string, n *int, set ...*int) {
		if n == nil {
			return
		}
		if *n < 1 || *n > maxDigits {
			c.mistakes.add(inside(at, key), *n, "a length is between 1 and %d", maxDigits)
			sound = false
			return
		}
		for _, s := range set {
			*s = *n
		}
	}
	length("length", r.Length, &out.min, &out.max)
	if r.Length != nil && (r.MinLength != nil || r.MaxLength != nil) {
		c.mistakes.add(inside(at, "length"), *r.Length, "stands beside minLength or maxLength")
		return
	}
	length("minLength", r.MinLength, &out.min)
	length("maxLength", r.MaxLength, &out.max)
	if sound && out.min > out.max {
		c.mistakes.add(inside(at, "minLength"), out.min, "is more than maxLength %d", out.max)
	}
}

func (c *checker) leading(at, leading string, out *rule) {
	out.leading, out.numbers = leading, leading == ""
	at = inside(at, "leading")
	switch {
	case strings.HasPrefix(leading, "+"):
		c.mistakes.add(at, leading, "never matches: the + is off before matching; plus: true demands one")
	case !allDialable(leading):
		c.mistakes.add(at, leading, "digits are 0 to 9, *, # and A to D")
	case len(leading) > maxDigits:
		c.mistakes.add(at, leading, "more than %d digits", maxDigits)
	}
	for i := range min(len(leading), maxFront) {
		out.front.set(i, symbol(leading[i]))
	}
}

// The groups that a replacement may refer to, besides a number of them.
const (
	noGroups  = -1          // a rule without match
	anyGroups = math.MaxInt // a match that is a mistake itself
)

// match compiles an expression. It returns the number of its groups, and whether it matches at the beginning only.
func (c *checker) match(at, text string, out *rule) (groups int, anchored bool) {
	at = inside(at, "match")
	switch {
	case text == "":
		c.mistakes.add(at, text, `is empty; leading: "" matches every number`)
		return anyGroups, true
	case len(text) > maxMatch:
		c.mistakes.add(at, text, "longer than %d bytes", maxMatch)
		return anyGroups, true
	case c.instructions > maxInstructions: // said at the rule before
		return anyGroups, true
	}
	re, err := regexp.Compile(text)
	if err != nil {
		c.mistakes.add(at, text, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return anyGroups, true
	}
	tree, prog := program(text)
	if c.instructions += len(prog.Inst); c.instructions > maxInstructions {
		c.mistakes.add(at, text, "the expressions of the plan are too large up to this one")
	}
	e := analyse(tree)
	out.front, out.match = e.front, &match{re: re, back: e.back, pairs: e.pairs}
	out.min, out.max = max(out.min, e.min), min(out.max, e.max)
	return re.NumSubexp(), e.anchored
}

// replacement checks the replacement of a rule with so many groups and splits it. front tells that it becomes the beginning of
// the number.
func (c *checker) replacement(at, s string, groups int, front bool) []part {
	if len(s) > maxReplacement {
		c.mistakes.add(at, s, "longer than %d bytes", maxReplacement)
		return nil
	}
	var parts []part
	text := 0
	for i := 0; i < len(s); i++ {
		switch {
		case dialable(s[i]):
		case s[i] == '+':
			if i > 0 || !front {
				c.mistakes.add(at, s, "a + stands in front of a number only; a match has ^ in front then")
				return nil
			}
		case s[i] == '$' && groups == noGroups:
			c.mistakes.add(at, s, "only a rule with match has groups")
			return nil
		case s[i] == '$' && i+1 < len(s) && isDigit(s[i+1]):
			group := int(s[i+1] - '0')
			if group > groups {
				c.mistakes.add(at, s, "$%d is beyond the %d groups of match", group, groups)
				return nil
			}
			if text < i {
				parts = append(parts, part{text: s[text:i]})
			}
			parts = append(parts, part{group: group})
			i++
			text = i + 1
		case s[i] == '$':
			c.mistakes.add(at, s, "a $ is followed by the digit of a group")
			return nil
		default:
			c.mistakes.add(at, s, "cannot be dialled: digits are 0 to 9, *, # and A to D")
			return nil
		}
	}
	if text < len(s) {
		parts = append(parts, part{text: s[text:]})
	}
	return parts
}

// examples checks the examples, and runs them where the tables have no mistake: what a broken table makes of a number would be
// told twice.
func (c *checker) examples(p *Plan, examples []Example) {
	if len(examples) > maxRules {
		c.mistakes.add("examples", nil, "%d examples, more than %d", len(examples), maxRules)
		return
	}
	sound := true
	for _, m := range c.mistakes {
		sound = sound && strings.HasPrefix(m.Place, "example ")
	}
	for i, e := range examples {
		at := place("examples", i)
		if c.skip[at] {
			continue
		}
		before := len(c.mistakes)
		key, role, written := e.number()
		if key == "" {
			c.mistakes.add(at, nil, "has one of outgoing, incoming, forward and redirecting")
		}
		if e.From != "" && (role == Destination || role == Forward) {
			c.mistakes.add(inside(at, "from"), string(e.From), "only incoming and redirecting examples have it")
		}
		c.origin(inside(at, "from"), e.From)
		if e.Is == "" {
			c.mistakes.add(inside(at, "is"), nil, "is missing")
		}
		if sound && len(c.mistakes) == before {
			c.run(inside(at, key), p, role, written, e)
		}
	}
}

// number returns the key of the number that the example is about, its role and the number; the key is empty unless there is
// exactly one.
func (e *Example) number() (key string, role Role, written string) {
	given := 0
	for _, n := range []struct {
		key    string
		role   Role
		number *string
	}{{"outgoing", Destination, e.Outgoing}, {"incoming", Presentation, e.Incoming}, {"forward", Forward, e.Forward}, {"redirecting", Redirecting, e.Redirecting}} {
		if n.number != nil {
			key, role, written = n.key, n.role, *n.number
			given++
		}
	}
	if given != 1 {
		return "", "", ""
	}
	return key, role, written
}

func (c *checker) run(at string, p *Plan, role Role, written string, e Example) {
	res, err := p.modify(role, written, e.From, nil)
	got := res.Number
	if got == "" {
		got = res.Kind.String()
	}
	table, _ := p.table(role)
	ars := ""
	if res.ARS && role == Destination {
		ars = ", ARS added"
	}
	switch {
	case err != nil:
		c.mistakes.add(at, written, "gives an error (%v), not %q", err, e.Is)
	case got != e.Is:
		c.mistakes.add(at, written, "gives %q (%s%s), not %q", got, fired(table, res.Rule), ars, e.Is)
	}
}

func allDialable(s string) bool {
	for i := range len(s) {
		if !dialable(s[i]) {
			return false
		}
	}
	return true
}
