package digitmod

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Lines are the patterns of the lines that a PBX serves. They do not change once made and are safe for concurrent use. A nil
// Lines serves no line.
type Lines struct {
	text   string
	exact  map[string]bool
	ranges []linePattern
	masks  []linePattern
	all    bool
}

// A linePattern is a range from lo to hi, or the mask lo, in which X stands for any digit.
type linePattern struct {
	text   string
	lo, hi string
	count  int // numbers that it covers
}

// maxLineDigits keeps the count of any pattern within 64 bits. E.164 has 15 digits.
const maxLineDigits = 18

// everything is the pattern that covers all lines, names too.
const everything = "*"

// ParseLines reads patterns separated by commas: 1001, 1001-1099, 10XX, +1613592XXXX, #900-#950, and * for everything. X is any
// digit. A pattern with + matches global numbers only, one without + matches others only. The error is of type [Mistakes].
func ParseLines(text string) (*Lines, error) {
	l := &Lines{text: text, exact: make(map[string]bool)}
	var mistakes Mistakes
	for i, p := range strings.Split(text, ",") {
		if err := l.add(strings.TrimSpace(p)); err != nil {
			mistakes.add(fmt.Sprintf("pattern %d", i+1), strings.TrimSpace(p), "%v", err)
		}
	}
	if err := mistakes.orNil(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Lines) add(text string) error {
	switch text {
	case "":
		return errors.New("is empty")
	case everything:
		l.all = true
		return nil
	}
	lo, hi, isRange := strings.Cut(text, "-")
	lo, hi = strings.TrimSpace(lo), strings.TrimSpace(hi)
	if !isRange {
		_, digits := splitSign(lo)
		switch {
		case digits == "" || strings.Trim(digits, "0123456789X") != "":
			return errors.New("a line is digits, X for any digit, behind +, * or # if any")
		case len(digits) > maxLineDigits:
			return fmt.Errorf("more than %d digits", maxLineDigits)
		}
		if xs := strings.Count(digits, "X"); xs > 0 {
			l.masks = append(l.masks, linePattern{text: text, lo: lo, count: int(min(pow10(xs), math.MaxInt-1))})
		} else {
			l.exact[lo] = true
		}
		return nil
	}
	loSign, loDigits := splitSign(lo)
	hiSign, hiDigits := splitSign(hi)
	switch {
	case strings.Contains(hi, "-"):
		return errors.New("has two hyphens; a range has one and numbers have none")
	case loDigits == "" || hiDigits == "" || strings.Trim(loDigits+hiDigits, "0123456789") != "":
		return errors.New("the ends of a range are digits, behind +, * or # if any")
	case loSign != hiSign:
		return errors.New("the ends of a range begin with the same sign")
	case len(lo) != len(hi):
		return errors.New("the ends of a range have the same length")
	case len(loDigits) > maxLineDigits:
		return fmt.Errorf("more than %d digits", maxLineDigits)
	case lo > hi:
		return errors.New("the range ends before it begins")
	}
	count := value(hiDigits) - value(loDigits) + 1
	l.ranges = append(l.ranges, linePattern{text: text, lo: lo, hi: hi, count: int(min(count, math.MaxInt-1))})
	return nil
}

// splitSign splits a pattern or a number into its leading +, * or # and the rest.
func splitSign(s string) (sign, digits string) {
	if s != "" && (s[0] == '+' || s[0] == '*' || s[0] == '#') {
		return s[:1], s[1:]
	}
	return "", s
}

// value returns the value of at most 18 digits.
func value(digits string) (v int64) {
	for i := range len(digits) {
		v = v*10 + int64(digits[i]-'0')
	}
	return v
}

func pow10(n int) int64 {
	v := int64(1)
	for range n {
		v *= 10
	}
	return v
}

// Numbers returns the numbers that the patterns cover, in order, and whether these are all: a pattern that would make them
// more than limit is left out, and so is the one for everything.
func (l *Lines) Numbers(limit int) (numbers []string, all bool) {
	if l == nil {
		return nil, true
	}
	for n := range l.exact {
		numbers = append(numbers, n)
	}
	all = !l.all
	for _, p := range slices.Concat(l.ranges, l.masks) {
		if p.count > limit-len(numbers) {
			all = false
			continue
		}
		numbers = append(numbers, p.numbers()...)
	}
	slices.Sort(numbers)
	return numbers, all
}

// numbers writes out what the pattern covers.
func (p *linePattern) numbers() []string {
	var list []string
	if p.hi == "" {
		list = []string{""}
		for _, c := range p.lo {
			var next []string
			for _, n := range list {
				if c != 'X' {
					next = append(next, n+string(c))
					continue
				}
				for d := '0'; d <= '9'; d++ {
					next = append(next, n+string(d))
				}
			}
			list = next
		}
		return list
	}
	sign, lo := splitSign(p.lo)
	_, hi := splitSign(p.hi)
	for v := value(lo); v <= value(hi); v++ {
		list = append(list, fmt.Sprintf("%s%0*d", sign, len(lo), v))
	}
	return list
}

// rules returns match rules that match the digits of the lines, without a + in front.
func (l *Lines) rules() []rule {
	var list []rule
	add := func(text string) {
		list = append(list, rule{match: &match{re: regexp.MustCompile("^" + regexp.QuoteMeta(strings.TrimPrefix(text, "+")) + "$")}})
	}
	for n := range l.exact {
		add(n)
	}
	for _, p := range slices.Concat(l.ranges, l.masks) {
		for _, mask := range p.masks() {
			add(mask)
		}
	}
	for i := range list {
		list[i].match.re = regexp.MustCompile(strings.ReplaceAll(list[i].match.re.String(), "X", "[0-9]"))
	}
	return list
}

// masks writes the pattern as masks: a range from 1001 to 1099 is 1001 … 1009 and 101X to 109X.
func (p *linePattern) masks() []string {
	if p.hi == "" {
		return []string{p.lo}
	}
	lo, hi := p.lo, p.hi
	var list []string
	for lo <= hi {
		// As many X at the end as the range has room for.
		xs := 0
		for xs < len(lo) && lo[len(lo)-1-xs] == '0' && isDigit(lo[len(lo)-1-xs]) && lo[:len(lo)-1-xs]+strings.Repeat("9", xs+1) <= hi {
			xs++
		}
		list = append(list, lo[:len(lo)-xs]+strings.Repeat("X", xs))
		next := lo[:len(lo)-xs] + strings.Repeat("9", xs)
		sign, digits := splitSign(next)
		v := value(digits) + 1
		lo = fmt.Sprintf("%s%0*d", sign, len(digits), v)
		if len(lo) > len(next) {
			break
		}
	}
	return list
}

// String returns the patterns as they were written.
func (l *Lines) String() string {
	if l == nil {
		return ""
	}
	return l.text
}

// Match reports whether a line is served. Of two patterns the one that covers fewer lines is more specific: a number before a
// range, a range of ninety before 10XX, * last. Specificities can be compared between lists, higher is more specific; they
// mean nothing else. The number is in its canonical form, or the device as the PBX calls it.
func (l *Lines) Match(number string) (specificity int, ok bool) {
	specificity, pattern := l.match(number)
	return specificity, pattern != ""
}

// match returns the most specific pattern too, "" where none matches.
func (l *Lines) match(number string) (specificity int, pattern string) {
	if l == nil || number == "" {
		return 0, ""
	}
	if l.exact[number] {
		return math.MaxInt - 1, number
	}
	if l.all {
		pattern = everything
	}
	for i := range l.ranges {
		if p := &l.ranges[i]; math.MaxInt-p.count > specificity && p.inRange(number) {
			specificity, pattern = math.MaxInt-p.count, p.text
		}
	}
	for i := range l.masks {
		if p := &l.masks[i]; math.MaxInt-p.count > specificity && p.fits(number) {
			specificity, pattern = math.MaxInt-p.count, p.text
		}
	}
	return specificity, pattern
}

// inRange compares texts: ends and number are of one length, so that their order is that of their values.
func (p *linePattern) inRange(number string) bool {
	if len(number) != len(p.lo) || number < p.lo || number > p.hi {
		return false
	}
	sign, _ := splitSign(p.lo)
	return strings.HasPrefix(number, sign) && strings.Trim(number[len(sign):], "0123456789") == ""
}

func (p *linePattern) fits(number string) bool {
	if len(number) != len(p.lo) {
		return false
	}
	for i := range len(number) {
		if x := p.lo[i] == 'X'; x && !isDigit(number[i]) || !x && number[i] != p.lo[i] {
			return false
		}
	}
	return true
}

// ErrNotServed means that no PBX serves a line.
var ErrNotServed = errors.New("no PBX serves this line")

// Choose returns the name of the PBX that serves a line, of the patterns of each by its name. Each is matched against the
// canonical number and against its own form of the device, which device returns ("" for none; the function may be nil). The
// most specific match wins. Two that match equally well are an error that names both; none is [ErrNotServed].
func Choose(canonical string, pbxs map[string]*Lines, device func(pbx string) string) (string, error) {
	type claim struct{ pbx, pattern string }
	var claims []claim
	best := 0
	for pbx, lines := range pbxs {
		specificity, pattern := lines.match(canonical)
		if device != nil {
			if s, p := lines.match(device(pbx)); p != "" && (pattern == "" || s > specificity) {
				specificity, pattern = s, p
			}
		}
		if pattern == "" || len(claims) > 0 && specificity < best {
			continue
		}
		if specificity > best {
			claims = claims[:0]
		}
		best = specificity
		claims = append(claims, claim{pbx, pattern})
	}
	switch len(claims) {
	case 0:
		return "", ErrNotServed
	case 1:
		return claims[0].pbx, nil
	}
	texts := make([]string, len(claims))
	for i, c := range claims {
		texts[i] = fmt.Sprintf("%s (%s)", c.pbx, c.pattern)
	}
	slices.Sort(texts)
	return "", fmt.Errorf("the line is served equally by %s", strings.Join(texts, " and "))
}
