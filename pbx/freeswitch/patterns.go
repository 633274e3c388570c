package freeswitch

import (
	"fmt"
	"strings"
)

// patterns are lines: 1001, 1001-1099, 20XX with X for any digit, and X. for all
// that consist of digits. No pattern is no line.
type patterns []pattern

type pattern struct{ lo, hi string } // hi is empty but for a range

func parsePatterns(text string) (patterns, error) {
	if text == "" {
		return nil, nil
	}
	var list patterns
	for p := range strings.SplitSeq(text, ",") {
		p = strings.TrimSpace(p)
		lo, hi, isRange := strings.Cut(p, "-")
		switch {
		case isRange && (lo == "" || len(lo) != len(hi) || strings.Trim(lo+hi, digits) != "" || lo > hi):
			return nil, fmt.Errorf("%q is not a range of numbers of one length", p)
		case p != "X." && !isRange && (p == "" || strings.Trim(p, digits+"X") != ""):
			return nil, fmt.Errorf("%q is not digits, X for any digit, X. for all digits, or a range", p)
		}
		list = append(list, pattern{lo, hi})
	}
	return list, nil
}

// match reports whether the line is one of them.
func (ps patterns) match(line string) bool {
	if line == "" || strings.Trim(line, digits) != "" {
		return false
	}
	for _, p := range ps {
		if p.match(line) {
			return true
		}
	}
	return false
}

func (p pattern) match(line string) bool {
	switch {
	case p.lo == "X.":
		return true
	case len(line) != len(p.lo):
		return false
	case p.hi != "":
		return p.lo <= line && line <= p.hi
	}
	for i := range len(line) {
		if p.lo[i] != 'X' && p.lo[i] != line[i] {
			return false
		}
	}
	return true
}
