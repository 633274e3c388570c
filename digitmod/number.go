package digitmod

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errors of reading a number. They carry no number: errors reach logs, where numbers do not belong.
var (
	// ErrNoNumber means that nothing can be dialled: the text is empty, has separators or a + only, or a rule left nothing.
	ErrNoNumber = errors.New("no number")
	// ErrMalformed means that the text must not travel on: control characters, which a PBX could take for the end of a
	// command, bad UTF-8, too long, or an address that reads differently the second time.
	ErrMalformed = errors.New("malformed number")
)

const (
	maxWritten   = 1024 // bytes of a number with scheme and parameters; addresses with GRUU and opaque take about 300
	maxDigits    = 64   // characters of a number; E.164 has 15, feature codes with account numbers some 40
	maxExtension = 7    // digits behind an "x" that can still be an extension; what is longer is something else
)

// A Number is a number as read from what somebody wrote. Either Digits or Name is set.
type Number struct {
	// Digits holds 0–9, *, # and A–D, without the +. It begins with a digit, * or #.
	Digits string
	// Plus tells that a + stood in front.
	Plus bool
	// Ext tells that Digits come from an ext parameter: an internal number, whatever its length.
	Ext bool
	// Name is an address that is not a number, such as the user part of sip:alice@example.com.
	Name string
}

// String returns the canonical form: + and digits for a global number, plain digits for any other, or the name.
func (n Number) String() string {
	switch {
	case n.Name != "":
		return n.Name
	case n.Plus:
		return "+" + n.Digits
	}
	return n.Digits
}

// code reports whether n is a feature code or an orbit, which no rule about digits may touch.
func (n Number) code() bool {
	return n.Digits != "" && (n.Digits[0] == '*' || n.Digits[0] == '#')
}

// Canonical returns the form of a number on the bus, by which lines are matched too: +16135925660 for a global number, plain
// digits for any other, the extension where one is written. Canonical forms are their own canonical form.
func Canonical(written string) (string, error) {
	n, err := ParseNumber(written)
	if err != nil {
		return "", err
	}
	return n.String(), nil
}

// ParseNumber reads a number as clients, address books and PBXs write it. See the package comment for what comes off.
// The error is [ErrNoNumber] or [ErrMalformed].
func ParseNumber(written string) (Number, error) { return parseNumber(written, nil) }

func parseNumber(written string, tr *trace) (Number, error) {
	if len(written) > maxWritten {
		return Number{}, ErrMalformed
	}
	text := strings.TrimSpace(written)
	rest, scheme := cutScheme(text)
	user, host, hasHost := strings.Cut(rest, "@")
	user, params, _ := strings.Cut(user, ";")
	if tr != nil {
		tr.address(text[:len(text)-len(rest)], host)
	}
	sip := scheme == "sip"
	if sip && !hasHost && strings.ContainsAny(user, ".:[") {
		return Number{}, ErrNoNumber // a host alone; its digits are an address of another kind
	}
	if ext := parameter(params, "ext"); ext != "" {
		plain := unescape(ext)
		if digits, plus, end, err := scan(plain); err == nil && !plus {
			if tr != nil {
				tr.parameters(params, ext)
				tr.scanned(ext, plain, end, digits)
			}
			return Number{Digits: digits, Ext: true}, nil
		}
	}
	if tr != nil {
		tr.parameters(params, "")
	}
	read := func(s string) string { return s }
	if scheme != "" {
		read = unescape
	}
	plain := read(user)
	digits, plus, end, err := scan(plain)
	if err == errNotDigits && sip {
		// RFC 3261 allows a password behind the user, which is not ours to pass on.
		user, _, _ = strings.Cut(user, ":")
		plain = read(user)
		digits, plus, end, err = scan(plain)
	}
	switch err {
	case nil:
		if tr != nil {
			tr.scanned(user, plain, end, digits)
		}
		return Number{Digits: digits, Plus: plus}, nil
	case errNotDigits:
		return parseName(strings.TrimSpace(plain), text)
	}
	return Number{}, err
}

// parseName reads what is not a number. A name that would read differently as a text of its own (sip:12%3Bext%3D5@host) is
// refused: the bus carries the name only, and a second reading there must not dial something else.
func parseName(name, text string) (Number, error) {
	switch {
	case name == "":
		return Number{}, ErrNoNumber
	case name[0] == '+', !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
		return Number{}, ErrMalformed
	case name == text:
		return Number{Name: name}, nil
	}
	// A scheme inside would be read off one by one: tel:tel:tel:…
	if _, scheme := cutScheme(name); scheme != "" {
		return Number{}, ErrMalformed
	}
	if again, err := ParseNumber(name); err != nil || again.Name != name {
		return Number{}, ErrMalformed
	}
	return Number{Name: name}, nil
}

// cutScheme returns what follows the scheme, and "tel", "sip" (for sips too) or "".
func cutScheme(s string) (rest, scheme string) {
	switch {
	case len(s) >= 4 && strings.EqualFold(s[:4], "tel:"):
		return s[4:], "tel"
	case len(s) >= 4 && strings.EqualFold(s[:4], "sip:"):
		return s[4:], "sip"
	case len(s) >= 5 && strings.EqualFold(s[:5], "sips:"):
		return s[5:], "sip"
	}
	return s, ""
}

// parameter returns the value of the named parameter, "" where there is none.
func parameter(params, name string) string {
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		if key, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(key), name) {
			return value
		}
	}
	return ""
}

// unescape decodes percent escapes. A broken one stays as it is, so that the text becomes a name and not another number.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

var errNotDigits = errors.New("not digits")

// scan reads s as digits with separators, + and leftovers, which begin at end. It does not allocate when the digits stand
// together, as they do in all that programs write; people write separators.
func scan(s string) (digits string, plus bool, end int, err error) {
	var buf [maxDigits]byte
	end = len(s)
	n, first, last := 0, 0, 0
	wordEnd := 0 // letters before it have been looked at
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isDigit(c) || c == '*' || c == '#':
		case isLetter(c) && i < wordEnd:
		case isLetter(c):
			if n == 0 {
				return "", false, 0, errNotDigits
			}
			word := letters(s[i:])
			wordEnd = i + len(word)
			if leftover(word, s[i+len(word):]) {
				end, i = i, len(s)
				continue
			}
			if strings.Trim(word, "ABCD") != "" {
				return "", false, 0, errNotDigits
			}
		case c == '+' && n == 0 && !plus:
			plus = true
			continue
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '\t':
			continue
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if !separator(r) {
				return "", false, 0, errNotDigits
			}
			i += size - 1
			continue
		default:
			return "", false, 0, errNotDigits
		}
		if n == maxDigits {
			return "", false, 0, ErrMalformed
		}
		if n == 0 {
			first = i
		}
		buf[n] = c
		n, last = n+1, i
	}
	switch {
	case n == 0:
		return "", false, 0, ErrNoNumber
	case plus && !isDigit(buf[0]):
		return "", false, 0, ErrMalformed
	case last-first+1 == n:
		return s[first : last+1], plus, end, nil
	}
	return string(buf[:n]), plus, end, nil
}

// separator reports whether r stands between digits for the eye only. Contact programs paste no-break spaces, typographic
// hyphens and invisible direction marks around numbers.
func separator(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r) || r == '\u2212'
}

// leftover reports whether word and what follows it are no part of the number before them.
func leftover(word, rest string) bool {
	if strings.HasPrefix(rest, ":") {
		return true
	}
	switch strings.ToLower(word) {
	case "x", "ext", "extn", "extension":
		rest = strings.Trim(rest, ". ")
		return rest != "" && len(rest) <= maxExtension && strings.Trim(rest, "0123456789") == ""
	}
	return false
}

func letters(s string) string {
	for i := range len(s) {
		if !isLetter(s[i]) {
			return s[:i]
		}
	}
	return s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }

// dialable reports whether c can stand in a number: what a telephone can send, without the +.
func dialable(c byte) bool { return isDigit(c) || c == '*' || c == '#' || 'A' <= c && c <= 'D' }
