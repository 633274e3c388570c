package digitmod

import (
	"fmt"
	"strings"
)

// A Mistake is one thing wrong with a digit plan or a list of line patterns.
type Mistake struct {
	Place  string // such as outgoing rule 3: match
	Value  string // what stands there, shortened; empty where something is missing
	Reason string
}

// Error returns place, value and reason on one line.
func (m Mistake) Error() string {
	var b strings.Builder
	for _, s := range []string{m.Place, m.Value, m.Reason} {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(s)
	}
	return b.String()
}

// Mistakes are all the mistakes of a digit plan or a list of line patterns, in the order of the text.
type Mistakes []Mistake

// Error returns one line for each mistake.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// orNil makes an error of ms where there is one.
func (ms Mistakes) orNil() error {
	if len(ms) == 0 {
		return nil
	}
	return ms
}

// add notes a mistake. The value is shown quoted where it is text and left out where it is nil.
func (ms *Mistakes) add(place string, value any, format string, args ...any) {
	m := Mistake{Place: place, Reason: fmt.Sprintf(format, args...)}
	switch v := value.(type) {
	case nil:
	case string:
		m.Value = quote(v)
	default:
		m.Value = fmt.Sprint(v)
	}
	*ms = append(*ms, m)
}

// quote returns s for a message, shortened: a whole file pasted into the wrong place must not come back in the log.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%.80q… (%d bytes)", s, len(s))
	}
	return fmt.Sprintf("%q", s)
}

// place names an entry of a list of the plan as messages do: lists are counted from 1.
func place(list string, i int) string {
	switch list {
	case "outgoing", "incoming", "forward", "redirecting":
		return fmt.Sprintf("%s rule %d", list, i+1)
	case "examples":
		return fmt.Sprintf("example %d", i+1)
	}
	return fmt.Sprintf("%s %d", list, i+1)
}

// inside names a key of a place: internal.maxLength, outgoing rule 3: match.
func inside(at, key string) string {
	switch {
	case at == "":
		return key
	case strings.Contains(at, " "): // an entry of a list
		return at + ": " + key
	}
	return at + "." + key
}
