package digitmod

import (
	"math"
	"math/bits"
	"regexp/syntax"
	"strings"
	"unicode"
)

// Symbols are a set of the sixteen characters of numbers, one bit each.
type symbols uint16

const alphabet = "0123456789*#ABCD"

// symbolOf holds the set of each symbol, and an empty one for what is none.
var symbolOf = func() (set [256]symbols) {
	for i := range len(alphabet) {
		set[alphabet[i]] = 1 << i
	}
	return set
}()

func symbol(c byte) symbols { return symbolOf[c] }

// A front holds sets for the first twelve characters of a number, four in a word: country and area codes and exchanges lie
// within. The front of a number has sets of one, and empty ones behind its end; that of a rule has what it admits.
type front [3]uint64

const maxFront = 12

func frontOf(digits string) (f front) {
	for i := range min(len(digits), maxFront) {
		f.set(i, symbol(digits[i]))
	}
	return f
}

// backOf is frontOf of the number read backwards.
func backOf(digits string) (f front) {
	for i := range min(len(digits), maxFront) {
		f.set(i, symbol(digits[len(digits)-1-i]))
	}
	return f
}

// frontOfAny admits everything.
func frontOfAny() front { return front{math.MaxUint64, math.MaxUint64, math.MaxUint64} }

func (f *front) set(i int, s symbols) {
	shift := 16 * (i % 4)
	f[i/4] = f[i/4]&^(0xffff<<shift) | uint64(s)<<shift
}

// within reports whether rule admits f, the front of a number.
func (f *front) within(rule *front) bool {
	return f[0]&^rule[0]|f[1]&^rule[1]|f[2]&^rule[2] == 0
}

// Pairs are a set of pairs of neighbours in a number, one bit each.
type pairs [4]uint64

func (p *pairs) add(a, b int) { p[a/4] |= 1 << (16*(a%4) + b) }

// contain reports whether all of q are in p.
func (p *pairs) contain(q *pairs) bool {
	return q[0]&^p[0]|q[1]&^p[1]|q[2]&^p[2]|q[3]&^p[3] == 0
}

func pairsOf(digits string) (p pairs) {
	before := -1
	for i := range len(digits) {
		s := bits.TrailingZeros16(uint16(symbol(digits[i])))
		if before >= 0 {
			p.add(before, s)
		}
		before = s
	}
	return p
}

// An expression is what can be told of the numbers that an RE2 expression matches without running it. What it leaves out may
// match or not.
type expression struct {
	front    front // of numbers, where the match begins where the number begins
	back     front // of numbers read backwards, where the match ends where the number ends
	pairs    pairs // in the numbers
	min, max int   // length of the numbers
	anchored bool  // the match begins where the number begins
}

func analyse(re *syntax.Regexp) expression {
	e := expression{front: frontOfAny(), back: frontOfAny(), max: math.MaxInt}
	e.require(re, -1)
	shortest, longest := lengths(re)
	e.min = shortest
	seq := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		seq = re.Sub
	}
	e.anchored = seq[0].Op == syntax.OpBeginText
	if e.anchored {
		f := filler{front: &e.front}
		f.fill(re)
	}
	if seq[len(seq)-1].Op == syntax.OpEndText {
		f := filler{front: &e.back, backwards: true}
		f.fill(re)
		if e.anchored {
			e.max = longest
		}
	}
	return e
}

// require adds to e.pairs what stands in every match of re. before is the symbol that certainly stands directly before re, -1
// where none does; the one that stands last is returned.
func (e *expression) require(re *syntax.Regexp, before int) int {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return before
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			s := strings.IndexRune(alphabet, r)
			if re.Flags&syntax.FoldCase != 0 && unicode.IsLetter(r) {
				s = -1
			}
			if before >= 0 && s >= 0 {
				e.pairs.add(before, s)
			}
			before = s
		}
		return before
	case syntax.OpCapture, syntax.OpPlus:
		return e.require(re.Sub[0], before)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return e.require(re.Sub[0], before)
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			before = e.require(sub, before)
		}
		return before
	}
	return -1
}

// A filler fills a front with what an expression admits, from its beginning or backwards from its end.
type filler struct {
	front     *front
	told      int // characters of front that are set
	backwards bool
}

// fill adds what re matches, and reports whether that is all of it and of one length, so that what stands next to re can be
// added too.
func (f *filler) fill(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText:
		return true
	case syntax.OpLiteral:
		for i := range re.Rune {
			r := re.Rune[f.index(i, len(re.Rune))]
			f.add(func(c rune) bool {
				return c == r || re.Flags&syntax.FoldCase != 0 && unicode.ToUpper(r) == c
			})
		}
		return true
	case syntax.OpCharClass:
		f.add(func(c rune) bool {
			for i := 0; i < len(re.Rune); i += 2 {
				if re.Rune[i] <= c && c <= re.Rune[i+1] {
					return true
				}
			}
			return false
		})
		return true
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		f.add(func(rune) bool { return true })
		return true
	case syntax.OpCapture:
		return f.fill(re.Sub[0])
	case syntax.OpConcat:
		for i := range re.Sub {
			if !f.fill(re.Sub[f.index(i, len(re.Sub))]) {
				return false
			}
		}
		return true
	case syntax.OpPlus:
		f.fill(re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			if !f.fill(re.Sub[0]) {
				return false
			}
		}
		return re.Min == re.Max
	}
	return false
}

func (f *filler) index(i, n int) int {
	if f.backwards {
		return n - 1 - i
	}
	return i
}

// add adds the set of characters of which in is true.
func (f *filler) add(in func(rune) bool) {
	if f.told == maxFront {
		return
	}
	var set symbols
	for _, c := range alphabet {
		if in(c) {
			set |= symbol(byte(c))
		}
	}
	f.front.set(f.told, set)
	f.told++
}

// lengths returns the lengths of the shortest and the longest text that re matches. Numbers are ASCII: a rune is a byte.
func lengths(re *syntax.Regexp) (shortest, longest int) {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune), len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 1
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return 0, 0
	case syntax.OpCapture:
		return lengths(re.Sub[0])
	case syntax.OpStar:
		return 0, math.MaxInt
	case syntax.OpPlus:
		shortest, _ = lengths(re.Sub[0])
		return shortest, math.MaxInt
	case syntax.OpQuest:
		_, longest = lengths(re.Sub[0])
		return 0, longest
	case syntax.OpRepeat:
		shortest, longest = lengths(re.Sub[0])
		if re.Max < 0 {
			return shortest * re.Min, math.MaxInt
		}
		return shortest * re.Min, times(longest, re.Max)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			s, l := lengths(sub)
			shortest, longest = shortest+s, plus(longest, l)
		}
		return shortest, longest
	case syntax.OpAlternate:
		shortest = math.MaxInt
		for _, sub := range re.Sub {
			s, l := lengths(sub)
			shortest, longest = min(shortest, s), max(longest, l)
		}
		return shortest, longest
	}
	return 0, math.MaxInt
}

// plus and times treat math.MaxInt as "no limit". RE2 allows a thousand repetitions, so that nothing else comes near it.
func plus(a, b int) int {
	if a == math.MaxInt || b == math.MaxInt {
		return math.MaxInt
	}
	return a + b
}

func times(a, n int) int {
	if a == math.MaxInt && n > 0 {
		return math.MaxInt
	}
	return a * n
}
