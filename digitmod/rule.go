package digitmod

import (
	"regexp"
	"strings"
)

// A rule is a compiled [Rule]. Its cheap conditions rule most rules of a table out, in about a nanosecond each; running an
// expression costs some 100 ns.
type rule struct {
	front    front // what the number begins with, as far as a front reaches
	min, max int   // length of the whole number
	plus     plusCondition
	numbers  bool // does not apply to codes
	flag     bool // ignoreARS of an outgoing, addPlus of any other rule
	from     Origin
	leading  string // of a rule without match
	replace  string // what comes in its place
	match    *match // nil for a rule with leading digits

	shortest, longest int // the length that the plan demands; min and max hold what the expression demands too
}

// A match is the expression of a rule. back and pairs are derived from it, as front, min and max of the rule are.
type match struct {
	re    *regexp.Regexp
	back  front  // what the number ends with
	pairs pairs  // what stands somewhere in the number
	parts []part // what comes in place of what matched
}

type plusCondition uint8

const (
	anyPlus plusCondition = iota
	withPlus
	withoutPlus
)

// A part of a replacement is text or, where text is empty, the number of a group.
type part struct {
	text  string
	group int
}

// find returns the index of the first rule of the table that matches n, -1 without one. For a match rule it returns the groups
// too.
func find(table []rule, n Number, from Origin, tr *trace) (int, []int) {
	begin := frontOf(n.Digits)
	var end front
	var inside pairs
	expressions := 0
	for i := range table {
		r := &table[i]
		var groups []int
		why := missNothing
		switch {
		case !begin.within(&r.front):
			why = missDigits
		case len(n.Digits) < r.min || len(n.Digits) > r.max:
			why = missLength
		case r.numbers && n.code():
			why = missCode
		case r.from != "" && r.from != from:
			why = missFrom
		case r.plus == withPlus && !n.Plus || r.plus == withoutPlus && n.Plus:
			why = missPlus
		case r.match == nil:
			if !strings.HasPrefix(n.Digits, r.leading) {
				why = missDigits
			}
		default:
			// The first expression is run at once: where its front is that of the number, mostly it matches.
			if expressions++; expressions == 2 {
				end, inside = backOf(n.Digits), pairsOf(n.Digits)
			}
			if expressions > 1 && (!end.within(&r.match.back) || !inside.contain(&r.match.pairs)) {
				why = missDigits
			} else if groups = r.match.re.FindStringSubmatchIndex(n.Digits); groups == nil {
				why = missDigits
			}
		}
		if why == missNothing {
			if tr != nil {
				tr.matched(i, r)
			}
			return i, groups
		}
		if tr != nil {
			tr.missed(i, r, why, n, from)
		}
	}
	if tr != nil {
		tr.noRule(len(table))
	}
	return -1, nil
}

// A miss is why a rule does not match a number.
type miss uint8

const (
	missNothing miss = iota // it matches
	missDigits              // leading or match
	missLength
	missCode
	missFrom
	missPlus
)

// apply returns front and the modified digits.
func (r *rule) apply(front, digits string, groups []int, tr *trace) (string, error) {
	var out string
	begin, end := 0, len(r.leading) // of what is replaced
	if r.match == nil {
		out = front + r.replace + digits[end:]
	} else {
		begin, end = groups[0], groups[1]
		var b strings.Builder
		b.Grow(len(front) + len(digits) + 16)
		b.WriteString(front)
		b.WriteString(digits[:begin])
		for _, p := range r.match.parts {
			switch {
			case p.text != "":
				b.WriteString(p.text)
			case groups[2*p.group] >= 0:
				b.WriteString(digits[groups[2*p.group]:groups[2*p.group+1]])
			}
		}
		b.WriteString(digits[end:])
		out = b.String()
	}
	modified := out[len(front):]
	if tr != nil {
		tr.replaced(digits[begin:end], modified[begin:len(modified)-len(digits)+end], modified)
	}
	switch {
	case modified == "" || modified == "+":
		return "", ErrNoNumber
	case len(modified) > maxDigits:
		return "", ErrMalformed
	}
	return out, nil
}
