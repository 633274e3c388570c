package asterisk

import (
	"errors"
	"fmt"
	"strings"
)

// patterns are lines: 1001, 1001-1099, 20XX with X for any digit, X. for all
// that consist of digits, and * for everything. No pattern is no line.
type patterns []pattern

type pattern struct{ lo, hi string } // hi is empty but for a range

func parsePatterns(text string) (patterns, error) {
	if text == "" {
		return nil, nil
	}
	var list patterns
	var errs []error
	for p := range strings.SplitSeq(text, ",") {
		p = strings.TrimSpace(p)
		lo, hi, isRange := strings.Cut(p, "-")
		switch {
		case p == "*" || p == "X.":
			list = append(list, pattern{lo: p})
		case isRange && lo != "" && len(lo) == len(hi) && strings.Trim(lo+hi, digits) == "" && lo <= hi:
			list = append(list, pattern{lo, hi})
		case isRange:
			errs = append(errs, fmt.Errorf("%q is not a range of numbers of one length", p))
		case p == "" || strings.Trim(p, digits+"X*#+") != "":
			errs = append(errs, fmt.Errorf("%q is not digits, X for any digit, or a range", p))
		default:
			list = append(list, pattern{lo: p})
		}
	}
	// A line each would not begin with the variable's name.
	if len(errs) > 0 {
		texts := make([]string, len(errs))
		for i, err := range errs {
			texts[i] = err.Error()
		}
		return nil, errors.New(strings.Join(texts, "; "))
	}
	return list, nil
}

// match reports whether the line is one of them.
func (ps patterns) match(line string) bool {
	for _, p := range ps {
		if p.match(line) {
			return true
		}
	}
	return false
}

func (p pattern) match(line string) bool {
	switch {
	case line == "":
		return false
	case p.lo == "*":
		return true
	case p.lo == "X.":
		return strings.Trim(line, digits) == ""
	case len(line) != len(p.lo):
		return false
	case p.hi != "":
		return strings.Trim(line, digits) == "" && p.lo <= line && line <= p.hi
	}
	for i := range len(line) {
		if c := line[i]; p.lo[i] != c && (p.lo[i] != 'X' || c < '0' || c > '9') {
			return false
		}
	}
	return true
}
