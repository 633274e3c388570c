package digitmod

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Table names one of the tables of a plan.
type Table string

// The tables of a plan.
const (
	OutgoingTable    Table = "outgoing"
	IncomingTable    Table = "incoming"
	ForwardTable     Table = "forward"     // in place of incoming, where there is one
	RedirectingTable Table = "redirecting" // the same
)

// tables are all tables, in the order in which they are written.
var tables = []Table{OutgoingTable, IncomingTable, ForwardTable, RedirectingTable}

func (c *Config) table(t Table) *[]Rule {
	switch t {
	case OutgoingTable:
		return &c.Outgoing
	case IncomingTable:
		return &c.Incoming
	case ForwardTable:
		return &c.Forward
	case RedirectingTable:
		return &c.Redirecting
	}
	return nil
}

// ErrNoRule is wrapped by the errors of edits of a rule, or of a table, that is not there.
var ErrNoRule = errors.New("there is no such rule")

// ReadConfig reads a plan as [Parse] does and returns its source form. Its errors are those of Parse.
func ReadConfig(text []byte) (cfg Config, err error) {
	if _, err := Parse(text); err != nil {
		return Config{}, err
	}
	// What Parse accepts, the library's decoder reads in the same way.
	return cfg, yaml.Unmarshal(text, &cfg)
}

// ReadRule reads one rule in YAML or JSON. It finds what is unknown or of the wrong type; what is wrong with the rule itself is
// found when it becomes a part of a plan. The error is of type [Mistakes].
func ReadRule(text []byte) (r Rule, err error) {
	if len(text) > maxText {
		return Rule{}, Mistakes{{Place: "rule", Reason: fmt.Sprintf("the text has %d bytes, more than %d", len(text), maxText)}}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return Rule{}, Mistakes{{Place: "rule", Reason: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	d := reader{bad: make(map[string]bool)}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		d.mistakes.add("rule", nil, "is not a list of keys and values")
	} else {
		d.read(doc.Content[0], reflect.ValueOf(&r).Elem(), "rule")
	}
	return r, d.mistakes.orNil()
}

// Rules returns the rules of a table, which are not to be changed. A table that is none of a plan is an [ErrNoRule].
func (c Config) Rules(t Table) ([]Rule, error) {
	if rules := c.table(t); rules != nil {
		return *rules, nil
	}
	return nil, fmt.Errorf("%w: table %s is not outgoing, incoming, forward or redirecting", ErrNoRule, quote(string(t)))
}

// Insert returns the plan with the rule as rule n of the table; those from there on are tried later. n may be one more than the
// table has rules.
//
// It and the other edits leave c as it is. Rules have the numbers that people give them, from 1. The errors are [ErrNoRule], and
// [Mistakes] where the result would not be a plan.
func (c Config) Insert(t Table, n int, r Rule) (Config, error) {
	return c.edit(t, func(rules []Rule) ([]Rule, error) {
		if n < 1 || n > len(rules)+1 {
			return nil, fmt.Errorf("%w: %s rule %d; the table has %d", ErrNoRule, t, n, len(rules))
		}
		return slices.Insert(rules, n-1, r), nil
	})
}

// Remove returns the plan without rule n of the table.
func (c Config) Remove(t Table, n int) (Config, error) {
	return c.editRule(t, n, func(rules []Rule) ([]Rule, error) { return slices.Delete(rules, n-1, n), nil })
}

// Modify returns the plan with r in the place of rule n of the table.
func (c Config) Modify(t Table, n int, r Rule) (Config, error) {
	return c.editRule(t, n, func(rules []Rule) ([]Rule, error) { rules[n-1] = r; return rules, nil })
}

// MoveUp returns the plan with rule n of the table one place nearer to the beginning: it is tried earlier. For the first rule
// that is an [ErrNoRule].
func (c Config) MoveUp(t Table, n int) (Config, error) {
	return c.editRule(t, n, func(rules []Rule) ([]Rule, error) {
		if n == 1 {
			return nil, fmt.Errorf("%w: no rule stands before %s rule 1", ErrNoRule, t)
		}
		rules[n-2], rules[n-1] = rules[n-1], rules[n-2]
		return rules, nil
	})
}

// MoveDown returns the plan with rule n of the table one place nearer to the end. For the last rule that is an [ErrNoRule].
func (c Config) MoveDown(t Table, n int) (Config, error) {
	return c.editRule(t, n, func(rules []Rule) ([]Rule, error) {
		if n == len(rules) {
			return nil, fmt.Errorf("%w: no rule stands behind %s rule %d", ErrNoRule, t, n)
		}
		rules[n-1], rules[n] = rules[n], rules[n-1]
		return rules, nil
	})
}

func (c Config) editRule(t Table, n int, f func([]Rule) ([]Rule, error)) (Config, error) {
	return c.edit(t, func(rules []Rule) ([]Rule, error) {
		if n < 1 || n > len(rules) {
			return nil, fmt.Errorf("%w: %s rule %d; the table has %d", ErrNoRule, t, n, len(rules))
		}
		return f(rules)
	})
}

// edit changes a copy of the table and checks the whole plan.
func (c Config) edit(t Table, f func([]Rule) ([]Rule, error)) (Config, error) {
	old, err := c.Rules(t)
	if err != nil {
		return Config{}, err
	}
	rules, err := f(slices.Clone(old))
	if err != nil {
		return Config{}, err
	}
	*c.table(t) = rules
	if _, err := New(c); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Rule returns the rule that the mistake is in, with its number from 1, and the field, empty for the rule as a whole. ok is false
// for a mistake elsewhere.
func (m Mistake) Rule() (t Table, n int, field string, ok bool) {
	table, rest, found := strings.Cut(m.Place, " rule ")
	number, field, _ := strings.Cut(rest, ": ")
	n, err := strconv.Atoi(number)
	if t = Table(table); !found || err != nil || !slices.Contains(tables, t) {
		return "", 0, "", false
	}
	return t, n, field, true
}

// maxChanges bounds the lines that Changes returns.
const maxChanges = 40

// Changes returns what is different in a plan compared with an older one, a line for each setting and rule: "- outgoing 2: …" is
// gone, "+ outgoing 2: …" has come. Rules that only changed their number because of others are left out; of very many changes
// the last line says how many more there are. It is empty for plans whose source is the same.
func Changes(older, newer Config) []string {
	var list []string
	setting := func(name string, was, is any) {
		if !reflect.DeepEqual(was, is) {
			list = append(list, "- "+name+": "+text(was), "+ "+name+": "+text(is))
		}
	}
	setting("ars", older.ARS, newer.ARS)
	setting("internal", older.Internal, newer.Internal)
	setting("restricted", older.Restricted, newer.Restricted)
	setting("notKnown", older.NotKnown, newer.NotKnown)
	setting("emergency", older.Emergency, newer.Emergency)
	for _, t := range tables {
		list = append(list, changed(string(t), *older.table(t), *newer.table(t))...)
	}
	list = append(list, changed("example", older.Examples, newer.Examples)...)
	if more := len(list) - maxChanges; more > 0 {
		list = append(list[:maxChanges], fmt.Sprintf("… and %d more", more))
	}
	return list
}

// changed compares two lists without what they have in common at both ends.
func changed[T any](name string, older, newer []T) (list []string) {
	same := func(a, b T) bool { return reflect.DeepEqual(a, b) }
	head := 0
	for head < len(older) && head < len(newer) && same(older[head], newer[head]) {
		head++
	}
	tail := 0
	for tail < len(older)-head && tail < len(newer)-head && same(older[len(older)-1-tail], newer[len(newer)-1-tail]) {
		tail++
	}
	for i, v := range older[head : len(older)-tail] {
		list = append(list, fmt.Sprintf("- %s %d: %s", name, head+i+1, text(v)))
	}
	for i, v := range newer[head : len(newer)-tail] {
		list = append(list, fmt.Sprintf("+ %s %d: %s", name, head+i+1, text(v)))
	}
	return list
}

// text writes a part of a plan in one line.
func text(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("digitmod: a plan is not encoded: " + err.Error()) // it consists of texts, numbers and flags
	}
	return strings.TrimSuffix(b.String(), "\n")
}
