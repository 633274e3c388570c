package pbx

import (
	"errors"
	"fmt"
	"strings"
)

// Lines are lines of a PBX by their numbers there, as settings of drivers have them: 1001, 1001-1099, 20XX with X for any digit, X. for all
// that consist of digits, and * for everything, separated by commas. No pattern is no line.
type Lines []linePattern

type linePattern struct{ lo, hi string } // hi is empty but for a range

const decimals = "0123456789"

// ParseLines reads patterns; an error names all that are none, in one line.
func ParseLines(text string) (Lines, error) {
	if text == "" {
		return nil, nil
	}
	var list Lines
	var wrong []string
	for p := range strings.SplitSeq(text, ",") {
		p = strings.TrimSpace(p)
		lo, hi, isRange := strings.Cut(p, "-")
		switch {
		case p == "*" || p == "X.":
			list = append(list, linePattern{lo: p})
		case isRange && lo != "" && len(lo) == len(hi) && strings.Trim(lo+hi, decimals) == "" && lo <= hi:
			list = append(list, linePattern{lo, hi})
		case isRange:
			wrong = append(wrong, fmt.Sprintf("%q is not a range of numbers of one length", p))
		case p == "" || strings.Trim(p, decimals+"X*#+") != "":
			wrong = append(wrong, fmt.Sprintf("%q is not digits, X for any digit, or a range", p))
		default:
			list = append(list, linePattern{lo: p})
		}
	}
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return list, nil
}

// Match reports whether the line is one of them.
func (ls Lines) Match(line string) bool {
	for _, p := range ls {
		if p.match(line) {
			return true
		}
	}
	return false
}

func (p linePattern) match(line string) bool {
	switch {
	case line == "":
		return false
	case p.lo == "*":
		return true
	case p.lo == "X.":
		return strings.Trim(line, decimals) == ""
	case len(line) != len(p.lo):
		return false
	case p.hi != "":
		return strings.Trim(line, decimals) == "" && p.lo <= line && line <= p.hi
	}
	for i := range len(line) {
		digit := line[i] >= '0' && line[i] <= '9'
		if p.lo[i] == 'X' && !digit || p.lo[i] != 'X' && p.lo[i] != line[i] {
			return false
		}
	}
	return true
}
