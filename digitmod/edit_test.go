package digitmod

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ptr[T any](v T) *T { return &v }

func mustReadConfig(t testing.TB, text string) Config {
	t.Helper()
	c, err := ReadConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// leadings writes a table as its leading digits.
func leadings(rules []Rule) string {
	var list []string
	for _, r := range rules {
		list = append(list, *r.Leading)
	}
	return strings.Join(list, " ")
}

func TestEdits(t *testing.T) {
	base := mustReadConfig(t, `{outgoing: [{leading: "1"}, {leading: "2"}, {leading: "3"}], incoming: [{leading: "7"}]}`)
	rule := Rule{Leading: ptr("4")}
	for _, tt := range []struct {
		name string
		edit func() (Config, error)
		want string // of the outgoing table; empty: ErrNoRule
	}{
		{"add", func() (Config, error) { return base.Insert(OutgoingTable, 4, rule) }, "1 2 3 4"},
		{"add first", func() (Config, error) { return base.Insert(OutgoingTable, 1, rule) }, "4 1 2 3"},
		{"add beyond", func() (Config, error) { return base.Insert(OutgoingTable, 5, rule) }, ""},
		{"remove 2", func() (Config, error) { return base.Remove(OutgoingTable, 2) }, "1 3"},
		{"remove 0", func() (Config, error) { return base.Remove(OutgoingTable, 0) }, ""},
		{"remove 4", func() (Config, error) { return base.Remove(OutgoingTable, 4) }, ""},
		{"modify 1", func() (Config, error) { return base.Modify(OutgoingTable, 1, rule) }, "4 2 3"},
		{"modify 4", func() (Config, error) { return base.Modify(OutgoingTable, 4, rule) }, ""},
		{"up 3", func() (Config, error) { return base.MoveUp(OutgoingTable, 3) }, "1 3 2"},
		{"up 1", func() (Config, error) { return base.MoveUp(OutgoingTable, 1) }, ""},
		{"down 1", func() (Config, error) { return base.MoveDown(OutgoingTable, 1) }, "2 1 3"},
		{"down 3", func() (Config, error) { return base.MoveDown(OutgoingTable, 3) }, ""},
		{"another table", func() (Config, error) { return base.Insert("sideways", 1, rule) }, ""},
		{"incoming", func() (Config, error) { return base.Insert(IncomingTable, 1, rule) }, "1 2 3"},
	} {
		got, err := tt.edit()
		if tt.want == "" {
			if !errors.Is(err, ErrNoRule) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil || leadings(got.Outgoing) != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, leadings(got.Outgoing), err, tt.want)
		}
		if leadings(base.Outgoing) != "1 2 3" || leadings(base.Incoming) != "7" {
			t.Fatalf("%s changed the plan that it was made from", tt.name)
		}
	}
}

// A result that is no plan is refused with all its mistakes, each with the
// rule's number and field.
func TestEditMistakes(t *testing.T) {
	base := mustReadConfig(t, `{outgoing: [{leading: "1"}], examples: [{outgoing: "123", is: "23"}]}`)
	_, err := base.Insert(OutgoingTable, 2, Rule{Leading: ptr("+1"), Replacement: "x", Length: ptr(0)})
	var ms Mistakes
	if !errors.As(err, &ms) {
		t.Fatal(err)
	}
	var fields []string
	for _, m := range ms {
		table, n, field, ok := m.Rule()
		if !ok || table != OutgoingTable || n != 2 {
			t.Errorf("%v is told of %s rule %d", m, table, n)
		}
		fields = append(fields, field)
	}
	if got := strings.Join(fields, " "); got != "length leading replacement" {
		t.Errorf("fields: %s", got)
	}
	// An example refuses an edit that spoils it.
	if _, err = base.Remove(OutgoingTable, 1); !errors.As(err, &ms) || !strings.HasPrefix(ms[0].Place, "example 1") {
		t.Errorf("got %v", err)
	}
	if _, _, _, ok := ms[0].Rule(); ok {
		t.Error("an example is a rule")
	}
}

func TestReadRule(t *testing.T) {
	r, err := ReadRule([]byte(`{"leading": "", "plus": false, "length": 4}`))
	if want := (Rule{Leading: ptr(""), Plus: ptr(false), Length: ptr(4)}); err != nil || !cmp.Equal(r, want) {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = ReadRule([]byte(`{leding: "1", length: four, addPlus: 3}`))
	for _, want := range []string{`"leding": unknown key`, `rule.length: "four": is not a whole number`, `rule.addPlus`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in %v", want, err)
		}
	}
	for _, bad := range []string{"", "[]", "word", "{", "~"} {
		if _, err := ReadRule([]byte(bad)); err == nil {
			t.Errorf("%q is a rule", bad)
		}
	}
}

func TestChanges(t *testing.T) {
	older := mustReadConfig(t, `{ars: "9", outgoing: [{leading: "1"}, {leading: "2"}, {leading: "3"}]}`)
	newer := mustReadConfig(t,
		`{ars: "0", outgoing: [{leading: "1"}, {leading: "3"}], incoming: [{length: 4, addPlus: true}]}`)
	want := []string{`- ars: "9"`, `+ ars: "0"`, `- outgoing 2: {"leading":"2"}`, `+ incoming 1: {"addPlus":true,"length":4}`}
	if diff := cmp.Diff(want, Changes(older, newer)); diff != "" {
		t.Error(diff)
	}
	if c := Changes(older, older); c != nil {
		t.Errorf("a plan differs from itself: %v", c)
	}
	var many Config
	for range 100 {
		many.Outgoing = append(many.Outgoing, Rule{Leading: ptr("1")})
	}
	if c := Changes(Config{}, many); len(c) != maxChanges+1 || c[maxChanges] != "… and 60 more" {
		t.Errorf("%d lines, the last is %q", len(c), c[len(c)-1])
	}
}

// anyConfig draws a plan that has no mistake, with the texts that are hard to
// carry: quotes, separators, empty leading digits.
func anyConfig(t *rapid.T) Config {
	length := rapid.IntRange(1, 12)
	rules := func(t *rapid.T, table Table) (rules []Rule) {
		for range rapid.IntRange(0, 5).Draw(t, "rules") {
			r := Rule{Replacement: rapid.StringMatching(`\+?[0-9*#A-D]{0,4}`).Draw(t, "replacement")}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				r.Leading = ptr(rapid.StringMatching(`[0-9*#]{0,4}`).Draw(t, "leading"))
			case 1:
				r.Match = ptr("^" + rapid.SampledFrom([]string{`0(\d+)`, `[1-9]{1,3}`, `(?P<a>"|;|,|1)`, " ?1", "0|'1'", `#|\*72`}).Draw(t, "match"))
			case 2:
				r.Length = ptr(length.Draw(t, "length"))
			case 3:
				r.MinLength, r.MaxLength = ptr(1), ptr(length.Draw(t, "max"))
			}
			if rapid.Bool().Draw(t, "has plus") {
				r.Plus = ptr(rapid.Bool().Draw(t, "plus"))
			}
			if table == IncomingTable {
				r.From = rapid.SampledFrom([]Origin{"", Internal, External}).Draw(t, "from")
				r.AddPlus = rapid.Bool().Draw(t, "addPlus") && !strings.HasPrefix(r.Replacement, "+")
			} else {
				r.IgnoreARS = rapid.Bool().Draw(t, "ignoreARS")
			}
			rules = append(rules, r)
		}
		return rules
	}
	c := Config{ARS: rapid.StringMatching(`[0-9]{0,2}`).Draw(t, "ars"), Internal: InternalConfig{MaxLength: rapid.IntRange(0, 8).Draw(t, "internal")},
		Outgoing: rules(t, OutgoingTable), Incoming: rules(t, IncomingTable)}
	if p, err := New(c); err != nil {
		t.Skip(err)
	} else if rapid.Bool().Draw(t, "example") {
		number := "+49301234"
		if res, err := p.Destination(number); err == nil {
			c.Examples = []Example{{Outgoing: &number, Is: res.Number}}
		}
	}
	return c
}

// YAML carries everything, CSV every rule.
func TestExportImport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyConfig(t)
		back, err := ReadConfig(c.YAML())
		if err != nil || !back.Equal(c) {
			t.Fatalf("%v\n%s", err, c.YAML())
		}
		base := c
		base.Outgoing, base.Incoming = nil, nil
		if back, err = base.ReadCSV(c.CSV()); err != nil || !back.Equal(c) {
			t.Fatalf("%v\n%s\n%s", err, c.CSV(), cmp.Diff(c, back))
		}
	})
}

func TestYAML(t *testing.T) {
	c := mustReadConfig(t, designPlan)
	want := `ars: "9"
internal: {maxLength: 5}
outgoing:
  - {leading: "1613592", ignoreARS: true}
incoming:
  - {replacement: "1613592", addPlus: true, length: 4, from: "internal"}
  - {replacement: "1", addPlus: true, length: 10}
  - {match: "^00([1-9]\\d+)$", replacement: "$1", addPlus: true}
examples:
  - {outgoing: "tel:+16135925660", is: "5660"}
  - {incoming: "5660", from: "internal", is: "+16135925660"}
`
	if diff := cmp.Diff(want, string(c.YAML())); diff != "" {
		t.Error(diff)
	}
}

func TestReadCSV(t *testing.T) {
	base := mustReadConfig(t, `{ars: "9", outgoing: [{leading: "1"}]}`)
	got, err := base.ReadCSV([]byte("\ufefffrom;table;kind;pattern;replacement;addPlus\r\n;outgoing;leading;00;;\r\ninternal;incoming;match;^(..)$;49$1;TRUE\r\n"))
	want := Config{ARS: "9", Outgoing: []Rule{{Leading: ptr("00")}}, Incoming: []Rule{{Match: ptr("^(..)$"), Replacement: "49$1", AddPlus: true, From: Internal}}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	if got, err = base.ReadCSV([]byte(strings.Join(columns, ","))); err != nil || len(got.Outgoing) != 0 || got.ARS != "9" {
		t.Errorf("a header alone: %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"":                            "empty",
		"table,colour\n":              `line 1: "colour": unknown column`,
		"table,table\n":               `given twice`,
		"kind,pattern\nleading,1\n":   `column table is missing`,
		"table,plus\noutgoing,maybe":  `line 2.plus: "maybe"`,
		"table,length\noutgoing,4\n,": `line 3.table: "": not outgoing`,
		"table,length\noutgoing,four": `line 2.length: "four"`,
		"table,kind,pattern\noutgoing,prefix,1\noutgoing,,1": `line 3.pattern`,
		"table\noutgoing,1": `a cell without a column`,
		"table\n\"outgoing": `line 2`,
		"table,kind\noutgoing,leading\n\noutgoing,leading,\nincoming,match": `a cell without a column`,
		"table,kind\nincoming,match":                                        `incoming rule 1: match`,
	} {
		var ms Mistakes
		if _, err := base.ReadCSV([]byte(text)); !errors.As(err, &ms) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
