package digitmod

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML writes the plan as [ReadConfig] reads it: one rule in a line. Comments of the text that the plan was read from are gone.
func (c Config) YAML() []byte {
	// By way of JSON, which leaves out what is not set: null stands for nothing in a plan.
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text(c)), &doc); err != nil {
		panic("digitmod: JSON is not YAML: " + err.Error())
	}
	root := doc.Content[0]
	root.Style = 0
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i+1].Kind == yaml.SequenceNode {
			root.Content[i+1].Style = 0
		}
	}
	plainKeys(root)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(&doc), e.Close()); err != nil {
		panic("digitmod: a plan is not encoded: " + err.Error())
	}
	return b.Bytes()
}

// plainKeys takes the quotes of JSON off the keys; texts keep them, for 001 is no number.
func plainKeys(n *yaml.Node) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			child.Style = 0
		}
		plainKeys(child)
	}
}

// columns are those of the CSV form, in order. A cell of a flag or a length is empty where the rule does not have it. kind tells
// whether pattern holds leading digits or a match, so that leading digits which are empty are not mistaken for none.
var columns = []string{"table", "kind", "pattern", "replacement", "ignoreARS", "addPlus", "length", "minLength", "maxLength", "plus", "from"}

// CSV writes the rules of both tables with a header row, in their order, outgoing first. It carries every rule as it is, but
// neither the ARS digits nor the length of internal numbers nor the examples.
//
// A spreadsheet must read all columns as text: it would take the zeros in front of 0049 off, and a + as the beginning of a formula.
func (c Config) CSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{columns}
	for _, t := range []Table{OutgoingTable, IncomingTable} {
		rules, _ := c.Rules(t)
		for _, r := range rules {
			rows = append(rows, row(t, r))
		}
	}
	if err := w.WriteAll(rows); err != nil {
		panic("digitmod: a buffer refused CSV: " + err.Error())
	}
	return b.Bytes()
}

func row(t Table, r Rule) []string {
	kind, pattern := "", ""
	switch {
	case r.Leading != nil:
		kind, pattern = "leading", *r.Leading
	case r.Match != nil:
		kind, pattern = "match", *r.Match
	}
	number := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	flag := func(f bool) string {
		if f {
			return "true"
		}
		return ""
	}
	plus := ""
	if r.Plus != nil {
		plus = strconv.FormatBool(*r.Plus)
	}
	return []string{string(t), kind, pattern, r.Replacement, flag(r.IgnoreARS), flag(r.AddPlus), number(r.Length), number(r.MinLength),
		number(r.MaxLength), plus, string(r.From)}
}

// ReadCSV returns the plan with the rules of a CSV text in the place of its own; what CSV does not carry stays. The columns may
// come in any order, those that are not needed may be missing, and semicolons may part them, as some spreadsheets write it. The
// error is of type [Mistakes].
func (c Config) ReadCSV(text []byte) (Config, error) {
	if len(text) > maxText {
		return Config{}, Mistakes{{Reason: fmt.Sprintf("the text has %d bytes, more than %d", len(text), maxText)}}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	r := csv.NewReader(bytes.NewReader(text))
	if header, _, _ := bytes.Cut(text, []byte("\n")); bytes.Count(header, []byte(";")) > bytes.Count(header, []byte(",")) {
		r.Comma = ';'
	}
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return Config{}, Mistakes{{Reason: "the text is empty; a header row alone is a plan without rules"}}
	}
	if err != nil {
		return Config{}, Mistakes{{Reason: err.Error()}}
	}
	var mistakes Mistakes
	known, seen := map[string]bool{}, map[string]bool{}
	for _, name := range columns {
		known[name] = true
	}
	for i, name := range head {
		head[i] = strings.TrimSpace(name)
		switch name = head[i]; {
		case !known[name]:
			mistakes.add("line 1", name, "unknown column; there are %s", strings.Join(columns, ", "))
		case seen[name]:
			mistakes.add("line 1", name, "given twice")
		}
		seen[name] = true
	}
	if !seen["table"] {
		mistakes.add("line 1", nil, "column table is missing")
	}
	if err := mistakes.orNil(); err != nil {
		return Config{}, err
	}
	c.Outgoing, c.Incoming = nil, nil
	for n := 2; ; n++ {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			mistakes.add("", nil, "%v", err)
			return Config{}, mistakes
		}
		line, _ := r.FieldPos(0)
		place := fmt.Sprintf("line %d", line)
		switch {
		case n > maxRules+1:
			mistakes.add(place, nil, "more than %d rules", maxRules)
			return Config{}, mistakes
		case len(cells) > len(head):
			mistakes.add(place, cells[len(head)], "a cell without a column")
			continue
		}
		values := map[string]string{}
		for i, cell := range cells {
			values[head[i]] = cell
		}
		t, rule := readRow(place, values, &mistakes)
		switch t {
		case OutgoingTable:
			c.Outgoing = append(c.Outgoing, rule)
		case IncomingTable:
			c.Incoming = append(c.Incoming, rule)
		default:
			mistakes.add(place+".table", string(t), "neither outgoing nor incoming")
		}
	}
	if err := mistakes.orNil(); err != nil {
		return Config{}, err
	}
	if _, err := New(c); err != nil {
		return Config{}, err
	}
	return c, nil
}

func readRow(place string, cells map[string]string, mistakes *Mistakes) (Table, Rule) {
	r := Rule{Replacement: cells["replacement"], From: Origin(cells["from"])}
	pattern := cells["pattern"]
	switch kind := cells["kind"]; {
	case kind == "leading":
		r.Leading = &pattern
	case kind == "match":
		r.Match = &pattern
	case kind != "":
		mistakes.add(place+".kind", kind, "neither leading nor match")
	case pattern != "":
		mistakes.add(place+".pattern", pattern, "kind does not say whether it is leading or match")
	}
	flag := func(name string) *bool {
		switch value := strings.ToLower(cells[name]); value { // spreadsheets write TRUE
		case "":
			return nil
		case "true", "false":
			f := value == "true"
			return &f
		}
		mistakes.add(place+"."+name, cells[name], "is not true or false")
		return nil
	}
	number := func(name string) *int {
		if cells[name] == "" {
			return nil
		}
		n, err := strconv.Atoi(cells[name])
		if err != nil {
			mistakes.add(place+"."+name, cells[name], "is not a whole number")
			return nil
		}
		return &n
	}
	set := func(f *bool) bool { return f != nil && *f }
	r.IgnoreARS, r.AddPlus, r.Plus = set(flag("ignoreARS")), set(flag("addPlus")), flag("plus")
	r.Length, r.MinLength, r.MaxLength = number("length"), number("minLength"), number("maxLength")
	return Table(cells["table"]), r
}

// Equal reports whether two plans have the same source: the same rules in the same order, settings and examples.
func (c Config) Equal(other Config) bool {
	c, other = c.normal(), other.normal()
	return reflect.DeepEqual(c, other)
}

// normal makes lists without entries nil.
func (c Config) normal() Config {
	if len(c.Outgoing) == 0 {
		c.Outgoing = nil
	}
	if len(c.Incoming) == 0 {
		c.Incoming = nil
	}
	if len(c.Examples) == 0 {
		c.Examples = nil
	}
	return c
}
