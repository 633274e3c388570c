package digitmod

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mistakesOf returns the mistakes of a plan as lines.
func mistakesOf(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var ms Mistakes
	if !errors.As(err, &ms) {
		t.Fatalf("%v is a %T", err, err)
	}
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return lines
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"ars", `ars: "9x"`, `ars: "9x": access digits are 0 to 9`},
		{"long ars", `ars: "999999999"`, `ars: "999999999": more than 8 digits`},
		{"internal", `internal: {maxLength: -1}`, `internal.maxLength: -1: a length is between 0 and 64`},
		{"bad RE2", `outgoing: [{match: "(("}]`, "outgoing rule 1: match: \"((\": missing closing ): `((`"},
		{"lookahead", `outgoing: [{match: "(?=1)"}]`, "outgoing rule 1: match: \"(?=1)\": invalid or unsupported Perl syntax: `(?=`"},
		{"empty match", `outgoing: [{match: ""}]`, `outgoing rule 1: match: "": is empty; leading: "" matches every number`},
		{"long match", `outgoing: [{match: "` + strings.Repeat("1", 513) + `"}]`,
			`outgoing rule 1: match: "` + strings.Repeat("1", 80) + `"… (513 bytes): longer than 512 bytes`},
		{"leading and match", `outgoing: [{leading: "1", match: "^1(2)", replacement: "$1"}]`, `outgoing rule 1: has both leading and match`},
		{"neither", `outgoing: [{replacement: "1"}]`,
			`outgoing rule 1: has neither leading nor match nor a condition; leading: "" matches every number`},
		{"plus in leading", `outgoing: [{leading: "+1613"}]`,
			`outgoing rule 1: leading: "+1613": never matches: the + is off before matching; plus: true demands one`},
		{"leading", `outgoing: [{leading: "16-13"}]`, `outgoing rule 1: leading: "16-13": digits are 0 to 9, *, # and A to D`},
		{"long leading", `outgoing: [{leading: "` + strings.Repeat("1", 65) + `"}]`,
			`outgoing rule 1: leading: "` + strings.Repeat("1", 65) + `": more than 64 digits`},
		{"leading longer than length", `outgoing: [{leading: "1613", length: 3}]`,
			`outgoing rule 1: never matches: no number fulfils all its conditions`},
		{"length and minLength", `outgoing: [{length: 4, minLength: 3}]`, `outgoing rule 1: length: 4: stands beside minLength or maxLength`},
		{"min over max", `incoming: [{minLength: 5, maxLength: 4}]`, `incoming rule 1: minLength: 5: is more than maxLength 4`},
		{"negative length", `incoming: [{length: -4}]`, `incoming rule 1: length: -4: a length is between 1 and 64`},
		{"zero length", `incoming: [{maxLength: 0, match: "1"}]`, `incoming rule 1: maxLength: 0: a length is between 1 and 64`},
		{"match of another length", `incoming: [{match: "^\\d{5}$", length: 4}]`,
			`incoming rule 1: never matches: no number fulfils all its conditions`},
		{"letter first", `outgoing: [{leading: "A1"}]`, `outgoing rule 1: never matches: no number fulfils all its conditions`},
		{"code with plus", `outgoing: [{leading: "*7", plus: true}]`, `outgoing rule 1: never matches: no number fulfils all its conditions`},
		{"match of nothing", `incoming: [{match: "1$2"}]`, `incoming rule 1: never matches: no number fulfils all its conditions`},
		{"match beyond any length", `incoming: [{match: "1{65}"}]`, `incoming rule 1: never matches: no number fulfils all its conditions`},
		{"from outgoing", `outgoing: [{length: 4, from: internal}]`, `outgoing rule 1: from: "internal": outgoing rules do not have it`},
		{"from", `incoming: [{length: 4, from: trunk}]`, `incoming rule 1: from: "trunk": neither internal nor external`},
		{"addPlus outgoing", `outgoing: [{length: 4, addPlus: true}]`,
			`outgoing rule 1: addPlus: true: an outgoing rule has the + in its replacement`},
		{"ignoreARS incoming", `incoming: [{length: 4, ignoreARS: true}]`, `incoming rule 1: ignoreARS: true: only outgoing rules have it`},
		{"two plus", `incoming: [{length: 4, addPlus: true, replacement: "+1"}]`,
			`incoming rule 1: replacement: "+1": begins with + and addPlus would put a second one in front`},
		{"replacement", `outgoing: [{leading: "1", replacement: "0-1"}]`,
			`outgoing rule 1: replacement: "0-1": cannot be dialled: digits are 0 to 9, *, # and A to D`},
		{"pause", `outgoing: [{leading: "1", replacement: "0,1"}]`,
			`outgoing rule 1: replacement: "0,1": cannot be dialled: digits are 0 to 9, *, # and A to D`},
		{"plus inside", `outgoing: [{leading: "1", replacement: "0+1"}]`,
			`outgoing rule 1: replacement: "0+1": a + stands in front of a number only; a match has ^ in front then`},
		{"plus not in front", `outgoing: [{match: "1$", replacement: "+"}]`,
			`outgoing rule 1: replacement: "+": a + stands in front of a number only; a match has ^ in front then`},
		{"group without match", `outgoing: [{leading: "1", replacement: "$1"}]`,
			`outgoing rule 1: replacement: "$1": only a rule with match has groups`},
		{"group beyond", `outgoing: [{match: "^(1)", replacement: "$1$2"}]`,
			`outgoing rule 1: replacement: "$1$2": $2 is beyond the 1 groups of match`},
		{"dollar", `outgoing: [{match: "^(1)", replacement: "${1}"}]`,
			`outgoing rule 1: replacement: "${1}": a $ is followed by the digit of a group`},
		{"long replacement", `outgoing: [{leading: "1", replacement: "` + strings.Repeat("1", 65) + `"}]`,
			`outgoing rule 1: replacement: "` + strings.Repeat("1", 65) + `": longer than 64 bytes`},
		{"example of nothing", `examples: [{is: "1"}]`, `example 1: has one of outgoing, incoming, forward and redirecting`},
		{"example of both", `examples: [{outgoing: "1", incoming: "1", is: "1"}]`, `example 1: has one of outgoing, incoming, forward and redirecting`},
		{"example without is", `examples: [{outgoing: "1"}]`, `example 1: is: is missing`},
		{"example from outgoing", `examples: [{outgoing: "1", from: internal, is: "1"}]`,
			`example 1: from: "internal": only incoming and redirecting examples have it`},
		{"example from", `examples: [{incoming: "1", from: trunk, is: "1"}]`, `example 1: from: "trunk": neither internal nor external`},
		{"redirecting", `redirecting: [{length: 4, replacement: "x"}]`,
			`redirecting rule 1: replacement: "x": cannot be dialled: digits are 0 to 9, *, # and A to D`},
		{"forward", `forward: [{length: 4, ignoreARS: true}]`, `forward rule 1: ignoreARS: true: only outgoing rules have it`},
		{"text for restricted", `restricted: "+49 911"`, `restricted: "+49 911": is no number or name in its canonical form`},
		{"text for notKnown", `notKnown: "+"`, `notKnown: "+": is no number or name in its canonical form`},
		{"emergency", `emergency: {numbers: ["112", "+112"]}`,
			`emergency.numbers 2: "+112": is not a number to dial: digits are 0 to 9, *, # and A to D`},
		{"example from forward", `examples: [{forward: "1", from: internal, is: "1"}]`,
			`example 1: from: "internal": only incoming and redirecting examples have it`},
		{"failing forward example", `{ars: "9", internal: {maxLength: 3}, examples: [{forward: "9123", is: "9123"}]}`,
			`example 1: forward: "9123": gives "123" (no incoming rule), not "9123"`},
		{"failing redirecting example", `{redirecting: [{leading: "1", replacement: "2"}], examples: [{redirecting: "1", is: "1"}]}`,
			`example 1: redirecting: "1": gives "2" (redirecting rule 1), not "1"`},
		{"failing example", `{ars: 9, outgoing: [{leading: "12"}], examples: [{outgoing: "tel:+123", is: "3"}]}`,
			`example 1: outgoing: "tel:+123": gives "93" (outgoing rule 1, ARS added), not "3"`},
		{"failing example without rule", `examples: [{outgoing: "tel:+123", is: "3"}]`,
			`example 1: outgoing: "tel:+123": gives "123" (no outgoing rule), not "3"`},
		{"example with error", `examples: [{outgoing: "+", is: "3"}]`,
			`example 1: outgoing: "+": gives an error (no number), not "3"`},
		{"failing incoming example", `examples: [{incoming: "anonymous", is: "notKnown"}]`,
			`example 1: incoming: "anonymous": gives "restricted" (no incoming rule), not "notKnown"`},

		{"unknown key", `outgoing: [{leading: "1", lenght: 4}]`, `outgoing rule 1: "lenght": unknown key`},
		{"unknown key at the top", `outgoin: []`, `"outgoin": unknown key`},
		{"twice", "ars: 9\nars: 0", `ars: given twice`},
		{"not a number", `incoming: [{length: four}]`, `incoming rule 1: length: "four": is not a whole number`},
		{"not a bool", `incoming: [{length: 4, addPlus: maybe}]`, `incoming rule 1: addPlus: "maybe": is not true or false`},
		{"not a text", `ars: [9]`, `ars: "": is not a text`},
		{"not a list", `incoming: 4`, `incoming: "4": is not a list`},
		{"not a mapping", `incoming: [4]`, `incoming rule 1: "4": is not a list of keys and values`},
		{"empty rule", "incoming:\n-\n", `incoming rule 1: "": is not a list of keys and values`},
		{"scalar plan", `9`, `"9": is not a list of keys and values`},
		{"comment for a value", "examples:\n- outgoing: #900\n  is: x", `example 1: outgoing: has no value; quote a text that is empty or begins with #`},
		{"alias", "incoming: [&a {length: 4}, *a]", `incoming rule 2: "*a": aliases are not supported`},
		{"two documents", "ars: 9\n---\nars: 0\n", `more than one YAML document`},
		{"empty text", "# nothing\n", `the text is empty; {} is a plan without rules`},
		{"no YAML", "ars: [", `line 1: did not find expected node content`},
		{"too large", strings.Repeat(" ", maxText+1), `the text has 1048577 bytes, more than 1048576`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse([]byte(tt.text))
			if diff := cmp.Diff([]string{tt.want}, mistakesOf(t, err)); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
			if err != nil && p != nil {
				t.Error("a plan beside an error")
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Parse([]byte(`
ars: nine
internal: {maxLength: -1, minLength: 2}
outgoing:
  - {leading: "1", match: "^1"}
  - {lenght: 4}
  - {match: "((", replacement: "x", length: -1}
incoming:
  - {replacement: "$1", from: trunk}
examples:
  - {outgoing: "1", incoming: "2"}
  - {outgoing: "1", is: "2"}
`))
	want := []string{
		`internal: "minLength": unknown key`,
		`outgoing rule 2: "lenght": unknown key`,
		`ars: "nine": access digits are 0 to 9`,
		`internal.maxLength: -1: a length is between 0 and 64`,
		`outgoing rule 1: has both leading and match`,
		`outgoing rule 3: length: -1: a length is between 1 and 64`,
		"outgoing rule 3: match: \"((\": missing closing ): `((`",
		`outgoing rule 3: replacement: "x": cannot be dialled: digits are 0 to 9, *, # and A to D`,
		`incoming rule 1: from: "trunk": neither internal nor external`,
		`incoming rule 1: replacement: "$1": only a rule with match has groups`,
		`example 1: has one of outgoing, incoming, forward and redirecting`,
		`example 1: is: is missing`,
	}
	if diff := cmp.Diff(want, mistakesOf(t, err)); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

func TestAllFailingExamples(t *testing.T) {
	_, err := Parse([]byte(`
examples:
  - {outgoing: "1", is: "2"}
  - {outgoing: "3", is: "3"}
  - {incoming: "4", is: ""}
  - {incoming: "5", is: "+5"}
`))
	want := []string{
		`example 1: outgoing: "1": gives "1" (no outgoing rule), not "2"`,
		`example 3: is: is missing`,
		`example 4: incoming: "5": gives "5" (no incoming rule), not "+5"`,
	}
	if diff := cmp.Diff(want, mistakesOf(t, err)); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

func TestExamplesOfWithheldNumbers(t *testing.T) {
	mustParse(t, `examples: [{incoming: "", is: notKnown}, {incoming: anonymous, from: external, is: restricted}]`)
}

func TestLimits(t *testing.T) {
	rules := make([]Rule, maxRules/2+1)
	for i := range rules {
		rules[i] = Rule{Leading: new(fmt.Sprint(i))}
	}
	if _, err := New(Config{Outgoing: rules[1:], Incoming: rules[1:]}); err != nil {
		t.Errorf("%d rules: %v", maxRules, err)
	}
	if _, err := New(Config{Outgoing: rules, Incoming: rules}); err == nil {
		t.Errorf("%d rules are no mistake", 2*len(rules))
	}
	if _, err := New(Config{Examples: make([]Example, maxRules+1)}); len(mistakesOf(t, err)) != 1 {
		t.Errorf("%d examples: %v", maxRules+1, err)
	}
	if _, err := Parse([]byte("outgoing: [" + strings.Repeat("{},", maxRules+1) + "]")); len(mistakesOf(t, err)) != 1 {
		t.Errorf("%d rules of text: %d mistakes", maxRules+1, len(mistakesOf(t, err)))
	}
	large := make([]Rule, 2000)
	for i := range large {
		large[i] = Rule{Match: new(`(\d{30}){30}`), Replacement: "1"}
	}
	_, err := New(Config{Outgoing: large})
	var tooLarge int
	for _, m := range mistakesOf(t, err) {
		if strings.Contains(m, "too large") {
			tooLarge++
		}
	}
	if tooLarge != 1 {
		t.Errorf("expressions too large together are said %d times", tooLarge)
	}
}

// The same plan as YAML, as JSON with tabs, and as what encoding/json writes.
func TestPlanAsJSON(t *testing.T) {
	cfg := Config{
		ARS:      "9",
		Internal: InternalConfig{MaxLength: 5},
		Outgoing: []Rule{{Leading: new("1613592"), IgnoreARS: true}},
		Incoming: []Rule{{Length: new(4), From: Internal, Replacement: "1613592", AddPlus: true}},
		Examples: []Example{{Outgoing: new("tel:+16135925660"), Is: "5660"}},
	}
	plain, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(cfg, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{plain, indented} {
		p, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := p.Present("5660", Internal); got.Number != "+16135925660" {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// Administrators forget quotes.
func TestPlanWithoutQuotes(t *testing.T) {
	p := mustParse(t, `
ars: 0
internal:
  maxLength: 3
outgoing:
  - leading: 0049
    replacement: 0
    ignoreARS: yes
incoming:
`)
	if got, err := p.Destination("0049301234"); got.Number != "0301234" || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
