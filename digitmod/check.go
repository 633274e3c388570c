package digitmod

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Limits of a plan. A real one has some dozens of rules; the limits keep a wrong file, or a hostile one, from taking the
// memory of the process that a plan is edited in.
const (
	maxRules        = 10_000  // of both tables together, and of examples
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
	if n := len(cfg.Outgoing) + len(cfg.Incoming); n > maxRules {
		c.mistakes.add("outgoing and incoming", nil, "%d rules, more than %d", n, maxRules)
		return nil, c.mistakes
	}
	p.outgoing = c.table("outgoing", cfg.Outgoing)
	p.incoming = c.table("incoming", cfg.Incoming)
	c.examples(p, cfg.Examples)
	if err := c.mistakes.orNil(); err != nil {
		return nil, err
	}
	return p, nil
}

func (c *checker) table(name string, rules []Rule) []rule {
	compiled := make([]rule, len(rules))
	for i, r := range rules {
		if place := fmt.Sprintf("%s[%d]", name, i); !c.skip[place] {
			compiled[i] = c.rule(name, place, r)
		}
	}
	return compiled
}

func (c *checker) rule(table, place string, r Rule) rule {
	out := rule{front: frontOfAny(), max: math.MaxInt, from: r.From, replace: r.Replacement}
	c.lengths(place, r, &out)
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
			c.mistakes.add(place+".addPlus", true, "only incoming rules have it; write the + in the replacement")
		}
		if r.From != "" {
			c.mistakes.add(place+".from", string(r.From), "only incoming rules have it")
		}
	case "incoming":
		out.flag = r.AddPlus
		if r.IgnoreARS {
			c.mistakes.add(place+".ignoreARS", true, "only outgoing rules have it")
		}
		c.origin(place+".from", r.From)
		if r.AddPlus && strings.HasPrefix(r.Replacement, "+") {
			c.mistakes.add(place+".replacement", r.Replacement, "begins with + and addPlus would put a second one in front")
		}
	}
	conditions := r.Length != nil || r.MinLength != nil || r.MaxLength != nil || r.Plus != nil || r.From != ""
	replacement := place + ".replacement"
	switch {
	case r.Leading != nil && r.Match != nil:
		c.mistakes.add(place, nil, "has both leading and match")
		c.replacement(replacement, r.Replacement, anyGroups, true)
	case r.Match != nil:
		groups, anchored := c.match(place, *r.Match, &out)
		out.parts = c.replacement(replacement, r.Replacement, groups, anchored)
	case r.Leading != nil:
		c.leading(place, *r.Leading, &out)
		c.replacement(replacement, r.Replacement, noGroups, true)
	default:
		out.numbers = true
		if !conditions {
			c.mistakes.add(place, nil, `has neither leading nor match nor a condition; leading: "" matches every number`)
		}
		c.replacement(replacement, r.Replacement, noGroups, true)
	}
	return out
}

func (c *checker) origin(place string, from Origin) {
	if from != "" && from != Internal && from != External {
		c.mistakes.add(place, string(from), "neither internal nor external")
	}
}

func (c *checker) lengths(place string, r Rule, out *rule) {
	sound := true
	length := func(key string, n *int, set ...*int) {
		if n == nil {
			return
		}
		if *n < 1 || *n > maxDigits {
			c.mistakes.add(place+key, *n, "a length is between 1 and %d", maxDigits)
			sound = false
			return
		}
		for _, s := range set {
			*s = *n
		}
	}
	length(".length", r.Length, &out.min, &out.max)
	if r.Length != nil && (r.MinLength != nil || r.MaxLength != nil) {
		c.mistakes.add(place+".length", *r.Length, "stands beside minLength or maxLength")
		return
	}
	length(".minLength", r.MinLength, &out.min)
	length(".maxLength", r.MaxLength, &out.max)
	if sound && out.min > out.max {
		c.mistakes.add(place+".minLength", out.min, "is more than maxLength %d", out.max)
	}
}

func (c *checker) leading(place, leading string, out *rule) {
	out.leading, out.numbers = leading, leading == ""
	place += ".leading"
	switch {
	case strings.HasPrefix(leading, "+"):
		c.mistakes.add(place, leading, "never matches: the + is off before matching; plus: true demands one")
	case !allDialable(leading):
		c.mistakes.add(place, leading, "digits are 0 to 9, *, # and A to D")
	case len(leading) > out.max:
		c.mistakes.add(place, leading, "never matches: longer than the length of %d", out.max)
	case len(leading) > maxDigits:
		c.mistakes.add(place, leading, "more than %d digits", maxDigits)
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
func (c *checker) match(place, match string, out *rule) (groups int, anchored bool) {
	place += ".match"
	switch {
	case match == "":
		c.mistakes.add(place, match, `is empty; leading: "" matches every number`)
		return anyGroups, true
	case len(match) > maxMatch:
		c.mistakes.add(place, match, "longer than %d bytes", maxMatch)
		return anyGroups, true
	case c.instructions > maxInstructions: // said at the rule before
		return anyGroups, true
	}
	re, err := regexp.Compile(match)
	if err != nil {
		c.mistakes.add(place, match, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return anyGroups, true
	}
	tree, err := syntax.Parse(match, syntax.Perl)
	if err != nil {
		panic("digitmod: regexp compiled what its parser refuses: " + err.Error())
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		panic("digitmod: regexp compiled what its compiler refuses: " + err.Error())
	}
	if c.instructions += len(prog.Inst); c.instructions > maxInstructions {
		c.mistakes.add(place, match, "the expressions of the plan are too large up to this one")
	}
	e := analyse(tree)
	if e.min > min(out.max, maxDigits) || e.max < out.min {
		c.mistakes.add(place, match, "never matches a number of the length demanded")
	}
	out.re, out.front = re, e.front
	out.min, out.max = max(out.min, e.min), min(out.max, e.max)
	return re.NumSubexp(), e.anchored
}

// replacement checks the replacement of a rule with so many groups and splits it. front tells that it becomes the beginning of
// the number.
func (c *checker) replacement(place, s string, groups int, front bool) []part {
	if len(s) > maxReplacement {
		c.mistakes.add(place, s, "longer than %d bytes", maxReplacement)
		return nil
	}
	var parts []part
	text := 0
	for i := 0; i < len(s); i++ {
		switch {
		case dialable(s[i]):
		case s[i] == '+':
			if i > 0 || !front {
				c.mistakes.add(place, s, "a + stands in front of a number only; a match has ^ in front then")
				return nil
			}
		case s[i] == '$' && groups == noGroups:
			c.mistakes.add(place, s, "only a rule with match has groups")
			return nil
		case s[i] == '$' && i+1 < len(s) && isDigit(s[i+1]):
			group := int(s[i+1] - '0')
			if group > groups {
				c.mistakes.add(place, s, "$%d is beyond the %d groups of match", group, groups)
				return nil
			}
			if text < i {
				parts = append(parts, part{text: s[text:i]})
			}
			parts = append(parts, part{group: group})
			i++
			text = i + 1
		case s[i] == '$':
			c.mistakes.add(place, s, "a $ is followed by the digit of a group")
			return nil
		default:
			c.mistakes.add(place, s, "cannot be dialled: digits are 0 to 9, *, # and A to D")
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
		sound = sound && strings.HasPrefix(m.Place, "examples[")
	}
	for i, e := range examples {
		place := fmt.Sprintf("examples[%d]", i)
		if c.skip[place] {
			continue
		}
		before := len(c.mistakes)
		if (e.Outgoing == nil) == (e.Incoming == nil) {
			c.mistakes.add(place, nil, "has one of outgoing and incoming")
		}
		if e.Outgoing != nil && e.From != "" {
			c.mistakes.add(place+".from", string(e.From), "only incoming examples have it")
		}
		c.origin(place+".from", e.From)
		if e.Is == "" {
			c.mistakes.add(place+".is", nil, "is missing")
		}
		if sound && len(c.mistakes) == before {
			c.run(place, p, e)
		}
	}
}

func (c *checker) run(place string, p *Plan, e Example) {
	if e.Outgoing != nil {
		res, err := p.Destination(*e.Outgoing)
		switch {
		case err != nil:
			c.mistakes.add(place+".outgoing", *e.Outgoing, "gives an error (%v), not %q", err, e.Is)
		case res.Number != e.Is:
			ars := ""
			if res.ARS {
				ars = ", ARS added"
			}
			c.mistakes.add(place+".outgoing", *e.Outgoing, "gives %q (%s%s), not %q", res.Number, fired("outgoing", res.Rule), ars, e.Is)
		}
		return
	}
	res := p.Present(*e.Incoming, e.From)
	got := res.Number
	if got == "" {
		got = res.Kind.String()
	}
	if got != e.Is {
		c.mistakes.add(place+".incoming", *e.Incoming, "gives %q (%s), not %q", got, fired("incoming", res.Rule), e.Is)
	}
}

// fired names the rule that fired for a message.
func fired(table string, i int) string {
	if i < 0 {
		return "no " + table + " rule"
	}
	return fmt.Sprintf("%s[%d]", table, i)
}

func allDialable(s string) bool {
	for i := range len(s) {
		if !dialable(s[i]) {
			return false
		}
	}
	return true
}
