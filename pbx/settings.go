package pbx

import (
	"errors"
	"fmt"
	"time"
)

// Mistakes collects what is wrong with a driver's settings: an error for each, which begins with the variable's name without prefix.
type Mistakes []error

// Add notes that the variable has a value that is wrong. The value is shown.
func (m *Mistakes) Add(variable, value, format string, args ...any) {
	*m = append(*m, fmt.Errorf("%s=%q: %s", variable, value, fmt.Sprintf(format, args...)))
}

// Note notes what is wrong without showing the value: of a secret, or where there is none.
func (m *Mistakes) Note(variable, what string) {
	*m = append(*m, fmt.Errorf("%s: %s", variable, what))
}

// Duration reads a duration from low to high; like is one that an administrator may write.
func (m *Mistakes) Duration(variable, value string, low, high time.Duration, like string) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil || d < low || d > high {
		m.Add(variable, value, "not a duration from %v to %v, such as %s", low, high, like)
	}
	return d
}

// Lines reads patterns of lines.
func (m *Mistakes) Lines(variable, value string) Lines {
	p, err := ParseLines(value)
	if err != nil {
		m.Add(variable, value, "%v", err)
	}
	return p
}

// Err returns all mistakes as one error, a line each; nil if there are none.
func (m Mistakes) Err() error { return errors.Join(m...) }
