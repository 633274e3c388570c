package digitmod

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// designPlan is the plan that the documents show.
const designPlan = `
ars: "9"                       # access digits
internal: {maxLength: 5}       # longest number that is internal
outgoing:                      # first match wins
  - {leading: "1613592", replacement: "", ignoreARS: true}
incoming:
  - {from: internal, length: 4, replacement: "1613592", addPlus: true}
  - {length: 10, replacement: "1", addPlus: true}
  - {match: "^00([1-9]\\d+)$", replacement: "$1", addPlus: true}
examples:                      # checked at every load; one that fails refuses the plan
  - {outgoing: "tel:+16135925660", is: "5660"}
  - {incoming: "5660", from: internal, is: "+16135925660"}
`

func mustParse(t testing.TB, text string) *Plan {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return p
}

func mustNew(t testing.TB, cfg Config) *Plan {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return p
}

type destinationTest struct {
	written, want string
	rule          int
	ars           bool
}

func testDestination(t *testing.T, p *Plan, tests []destinationTest) {
	t.Helper()
	for _, tt := range tests {
		got, err := p.Destination(tt.written)
		if err != nil || got.Number != tt.want || got.Rule != tt.rule || got.ARS != tt.ars {
			t.Errorf("Destination(%q) = %+v, %v, want %q by rule %d, ARS %v", tt.written, got, err, tt.want, tt.rule, tt.ars)
		}
	}
}

func TestDestination(t *testing.T) {
	testDestination(t, mustParse(t, designPlan), []destinationTest{
		{"tel:+16135925660", "5660", 0, false},
		{"tel:16135925660", "5660", 0, false},
		{"tel:+1 (613) 592-5660", "5660", 0, false},
		{"sip:+16135925660@pbx.example.com;user=phone", "5660", 0, false},
		{"tel:+16135925660;ext=5661", "5661", -1, false},
		{"tel:+4930123456;ext=1234567", "1234567", -1, false},
		{"tel:73124;phone-context=dialstring;partition=BE_BRS_INT", "73124", -1, false},
		{"123456", "9123456", -1, true},
		{"(613) 592-5660", "96135925660", -1, true},
		{"tel:+12125550100", "912125550100", -1, true},
		{"+1234", "91234", -1, true},
		{"tel:5555551234v:41234", "95555551234", -1, true},
		{"112", "112", -1, false},
		{"#900", "#900", -1, false},
		{"*72", "*72", -1, false},
		{"*7216135925660", "*7216135925660", -1, false},
		{"sip:alice@example.com", "alice", -1, false},
	})
}

func TestDestinationWithoutARS(t *testing.T) {
	testDestination(t, mustParse(t, strings.Replace(designPlan, `ars: "9"`, `ars: ""`, 1)), []destinationTest{
		{"tel:+16135925660", "5660", 0, false},
		{"tel:+12125550100", "12125550100", -1, false},
		{"123456", "123456", -1, false},
		{"5660", "5660", -1, false},
		{"#900", "#900", -1, false},
	})
}

// Without a length for internal numbers all but codes, extensions and names leave by the trunk.
func TestDestinationWithoutInternal(t *testing.T) {
	testDestination(t, mustParse(t, `ars: 9`), []destinationTest{
		{"5660", "95660", -1, true},
		{"tel:5660;ext=5660", "5660", -1, false},
		{"*72", "*72", -1, false},
		{"sip:alice@example.com", "alice", -1, false},
	})
}

// The incoming table is ordered, the first match wins, and what it makes of a caller is what the trunk presents.
func TestIncomingTableFirstMatchWins(t *testing.T) {
	first := Rule{Leading: new("613"), Replacement: "1613", AddPlus: true}
	second := Rule{Leading: new("6"), Replacement: "346", AddPlus: true}
	p := mustNew(t, Config{Incoming: []Rule{first, second}})
	if got := p.Present("6135925660", External); got.Number != "+16135925660" || got.Rule != 0 {
		t.Errorf("in this order: %+v", got)
	}
	p = mustNew(t, Config{Incoming: []Rule{second, first}})
	if got := p.Present("6135925660", External); got.Number != "+346135925660" || got.Rule != 0 {
		t.Errorf("moved: %+v", got)
	}
	p = mustNew(t, Config{Incoming: []Rule{first, second}})
	if got := p.Present("612345678", External); got.Number != "+34612345678" || got.Rule != 1 {
		t.Errorf("second rule: %+v", got)
	}
	// It also amends what is E.164 already.
	p = mustNew(t, Config{Incoming: []Rule{{Leading: new("44"), Plus: new(true), Replacement: "353", AddPlus: true}}})
	if got := p.Present("+44123", External); got.Number != "+353123" {
		t.Errorf("amended: %+v", got)
	}
}

// The golden example of the outgoing table: leading 1613592, replacement blank, with and without "ignore ARS digits".
func TestOutgoingGoldenExample(t *testing.T) {
	for _, tt := range []struct {
		ignore bool
		want   string
	}{{true, "5660"}, {false, "95660"}} {
		p := mustNew(t, Config{ARS: "9", Outgoing: []Rule{{Leading: new("1613592"), IgnoreARS: tt.ignore}}})
		got, err := p.Destination("tel:+16135925660")
		want := Result{Number: tt.want, Read: Number{Digits: "16135925660", Plus: true}, ARS: !tt.ignore}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("ignoreARS %v (-want +got), %v:\n%s", tt.ignore, err, diff)
		}
		device, err := p.Device("tel:+16135925660")
		if err != nil || device.Number != "5660" || device.ARS {
			t.Errorf("ignoreARS %v: Device = %+v, %v, want 5660", tt.ignore, device, err)
		}
	}
}

func TestDevice(t *testing.T) {
	p := mustParse(t, designPlan)
	for written, want := range map[string]string{
		"tel:+16135925660":                  "5660",
		"tel:5660;phone-context=dialstring": "5660",
		"tel:+12125550100":                  "12125550100",
		"sip:alice@example.com":             "alice",
		"tel:+16135925660;ext=5661":         "5661",
	} {
		got, err := p.Device(written)
		if err != nil || got.Number != want || got.ARS {
			t.Errorf("Device(%q) = %+v, %v, want %q", written, got, err, want)
		}
	}
}

func TestPresent(t *testing.T) {
	p := mustParse(t, designPlan)
	for _, tt := range []struct {
		number string
		from   Origin
		want   string
		rule   int
	}{
		{"5660", Internal, "+16135925660", 0},
		{"5660", External, "5660", -1},
		{"5660", "", "5660", -1},
		{"6135551234", External, "+16135551234", 1},
		{"6135551234", Internal, "+16135551234", 1},
		{"0049301234567", External, "+49301234567", 2},
		{"0001234567", External, "+10001234567", 1},
		{"00012345678", External, "00012345678", -1},
		{"+49301234567", External, "+49301234567", -1},
		{"tel:+49 30 1234567", External, "+49301234567", -1},
		{"#900", Internal, "#900", -1},
		{"*722", Internal, "*722", -1},
		{"alice", Internal, "alice", -1},
		{"12 34", Internal, "+16135921234", 0},
	} {
		got := p.Present(tt.number, tt.from)
		if got.Number != tt.want || got.Rule != tt.rule {
			t.Errorf("Present(%q, %q) = %+v, want %q by rule %d", tt.number, tt.from, got, tt.want, tt.rule)
		}
	}
}

// A caller without calling-line identification is never a + or an empty number.
func TestPresentWithoutNumber(t *testing.T) {
	p := mustNew(t, Config{Incoming: []Rule{
		{Match: new("^0+$"), AddPlus: true},
		{Leading: new(""), AddPlus: true},
	}})
	for number, want := range map[string]Kind{
		"":                                NotKnown,
		"+":                               NotKnown,
		"tel:":                            NotKnown,
		"unknown":                         NotKnown,
		"<unknown>":                       NotKnown,
		"Unavailable":                     NotKnown,
		"0000000000":                      NotKnown,
		"12\n34":                          NotKnown,
		"anonymous":                       Restricted,
		"sip:anonymous@anonymous.invalid": Restricted,
		"Restricted":                      Restricted,
		"PRIVATE":                         Restricted,
		"withheld":                        Restricted,
	} {
		for _, plan := range []*Plan{p, nil} {
			got := plan.Present(number, External)
			if plan == nil && number == "0000000000" {
				continue
			}
			if got.Kind != want || got.Number != "" {
				t.Errorf("Present(%q) = %+v, want %v", number, got, want)
			}
		}
	}
}

func TestForwardTarget(t *testing.T) {
	p := mustParse(t, designPlan)
	for _, tt := range []struct {
		dialled, want string
		rule          int
		ars           bool
	}{
		{"5660", "+16135925660", 0, false},
		{"95551", "95551", -1, false}, // as long as an internal number
		{"96135551234", "+16135551234", 1, true},
		{"90049301234567", "+49301234567", 2, true},
		{"912125550100", "12125550100", -1, true},
		{"9123456", "123456", -1, true},
		{"91234567", "1234567", -1, true},
		{"6135551234", "+16135551234", 1, false},
		{"+912345678", "+912345678", -1, false},
		{"*72", "*72", -1, false},
		{"alice", "alice", -1, false},
	} {
		got := p.ForwardTarget(tt.dialled)
		if got.Number != tt.want || got.Rule != tt.rule || got.ARS != tt.ars {
			t.Errorf("ForwardTarget(%q) = %+v, want %q by rule %d, ARS %v", tt.dialled, got, tt.want, tt.rule, tt.ars)
		}
	}
	if got := p.ForwardTarget(""); got.Kind != NotKnown {
		t.Errorf("no target: %+v", got)
	}
	if got := mustParse(t, "ars: 9").ForwardTarget("9"); got.Number != "9" || got.ARS {
		t.Errorf("the ARS digits alone: %+v", got)
	}
}

// Lists of their own are asked in place of the incoming table, an empty one too.
func TestOwnLists(t *testing.T) {
	const general = `
ars: "9"
internal: {maxLength: 4}
incoming:
  - {length: 4, replacement: "1613592", addPlus: true}
`
	for _, tt := range []struct{ name, lists, forward, redirecting string }{
		{"none", "", "+16135925660", "+16135925660"},
		{"forward", `
forward:
  - {from: internal, length: 4, replacement: "49911", addPlus: true}`, "+499115660", "+16135925660"},
		{"redirecting", `
redirecting:
  - {from: external, length: 4, replacement: "44"}`, "+16135925660", "445660"},
		{"empty", "\nforward: []\nredirecting: []", "5660", "5660"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustParse(t, general+tt.lists)
			if got := p.ForwardTarget("5660"); got.Number != tt.forward {
				t.Errorf("ForwardTarget = %+v, want %s", got, tt.forward)
			}
			if got := p.Redirecting("5660", External); got.Number != tt.redirecting {
				t.Errorf("Redirecting = %+v, want %s", got, tt.redirecting)
			}
			if got := p.Present("5660", External); got.Number != "+16135925660" {
				t.Errorf("Present = %+v", got)
			}
			// What is shown by the number that was dialled is a party, not a forward target.
			for number, want := range map[string]string{"5660": "+16135925660", "96135551234": "6135551234", "95660": "+16135925660"} {
				if got := p.Dialled(number); got.Number != want || got.ARS != (number != "5660") {
					t.Errorf("Dialled(%s) = %+v, want %s", number, got, want)
				}
			}
		})
	}
}

// A site may show a text of its own where clients cannot show restricted and notKnown. The kind stays.
func TestTextsForWithheldNumbers(t *testing.T) {
	p := mustParse(t, `
restricted: anonymous
notKnown: "000"
incoming:
  - {match: "^9+$"}
forward: []
examples:
  - {incoming: private, is: anonymous}
  - {incoming: "", is: "000"}
  - {redirecting: unknown, from: external, is: "000"}
  - {forward: "1234", is: "1234"}
`)
	for number, want := range map[string]Result{
		"":        {Kind: NotKnown, Number: "000"},
		"unknown": {Kind: NotKnown, Number: "000"},
		"999":     {Kind: NotKnown, Number: "000"},
		"\x00":    {Kind: NotKnown, Number: "000"},
		"private": {Kind: Restricted, Number: "anonymous"},
	} {
		for name, got := range map[string]Result{"Present": p.Present(number, External), "ForwardTarget": p.ForwardTarget(number)} {
			if name == "ForwardTarget" && number == "999" {
				continue // no rule of the forward list is about it
			}
			if got.Kind != want.Kind || got.Number != want.Number {
				t.Errorf("%s(%q) = %+v, want %+v", name, number, got, want)
			}
		}
		if got := (*Plan)(nil).Present(number, External); want.Kind != got.Kind && number != "999" || got.Number != "" && number != "999" {
			t.Errorf("without texts Present(%q) = %+v", number, got)
		}
	}
	if got := p.Withheld(Restricted); got.Number != "anonymous" || got.Kind != Restricted {
		t.Errorf("Withheld = %+v", got)
	}
	if got := (*Plan)(nil).Withheld(NotKnown); got.Number != "" || got.Kind != NotKnown {
		t.Errorf("Withheld without texts = %+v", got)
	}
	if err := p.RoundTrip("999"); err == nil {
		t.Error("a device that is shown as the text for none comes back")
	}
}

func TestMatchRules(t *testing.T) {
	for _, tt := range []struct {
		match, replacement string
		written, want      string
	}{
		{`^00([1-9]\d+)$`, `$1`, "0049301234", "49301234"},
		{`^00`, ``, "0049301234", "49301234"},
		{`^(\d{3})(\d+)$`, `$2#$1`, "1234567", "4567#123"},
		{`^(\d{3})`, `$10`, "1234567", "12304567"},
		{`34`, `*`, "123456", "12*56"},
		{`5$`, `$0$0`, "12345", "123455"},
		{`^(1)?2`, `9$1`, "2345", "9345"},
		{`^`, `+1`, "2345", "+12345"},
		{`^\d{4}$`, `7`, "12345", "12345"},
		{`(?i)^00`, `1`, "0049", "149"},
		{`^(?:00|011)(\d+)`, `$1`, "01149", "49"},
		{`^#9(\d\d)$`, `*8$1`, "#900", "*800"},
		{`^.{4}$`, `5$0`, "#900", "5#900"},
		{`^(?:1\d*){2}$`, `7`, "121234", "7"},
		{`^(?:12){2}$`, `7`, "1212", "7"},
		{`^(?:1?){0}2$`, `7`, "2", "7"},
		{`^1?2$`, `7`, "2", "7"},
		{`^(?:12){1,2}3$`, `7`, "123", "7"},
		{`^1{1,3}2$`, `7`, "112", "7"},
		{`^1{2,}2$`, `7`, "1112", "7"},
		{`^1+2$`, `7`, "1112", "7"},
		{`^(?i)1d2`, `7`, "1D23", "73"},
		{`^1(?:23|4)5`, `7`, "145", "7"},
		{`^(?:1234|5)$`, `7`, "1234", "7"},
	} {
		p := mustNew(t, Config{Outgoing: []Rule{{Match: new(tt.match), Replacement: tt.replacement}}})
		if got, err := p.Destination(tt.written); got.Number != tt.want || err != nil {
			t.Errorf("%s → %s: Destination(%q) = %+v, %v, want %q", tt.match, tt.replacement, tt.written, got, err, tt.want)
		}
	}
}

func TestConditions(t *testing.T) {
	const hit = "7"
	for _, tt := range []struct {
		name    string
		rule    Rule
		written string
		matches bool
	}{
		{"length", Rule{Length: new(4)}, "1234", true},
		{"length without plus", Rule{Length: new(4)}, "+1234", true},
		{"longer", Rule{Length: new(4)}, "12345", false},
		{"minLength", Rule{MinLength: new(4)}, "1234", true},
		{"below minLength", Rule{MinLength: new(4)}, "123", false},
		{"maxLength", Rule{MaxLength: new(4)}, "1234", true},
		{"above maxLength", Rule{MaxLength: new(4)}, "12345", false},
		{"both", Rule{MinLength: new(3), MaxLength: new(4)}, "123", true},
		{"plus", Rule{Plus: new(true)}, "+12", true},
		{"plus missing", Rule{Plus: new(true)}, "12", false},
		{"no plus", Rule{Plus: new(false)}, "12", true},
		{"no plus but one", Rule{Plus: new(false)}, "+12", false},
		{"ext has no plus", Rule{Plus: new(true)}, "tel:+12;ext=12", false},
		{"empty leading", Rule{Leading: new("")}, "12", true},
		{"empty leading and code", Rule{Leading: new("")}, "*12", false},
		{"length and code", Rule{Length: new(4)}, "#900", false},
		{"leading code", Rule{Leading: new("#9")}, "#900", true},
		{"match and length", Rule{Match: new("^1"), Length: new(4)}, "1234", true},
		{"match and other length", Rule{Match: new("^1"), Length: new(4)}, "123", false},
		{"name", Rule{Leading: new("")}, "alice", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rule.Replacement = hit
			got, err := mustNew(t, Config{Outgoing: []Rule{tt.rule}}).Destination(tt.written)
			if err != nil || (got.Rule == 0) != tt.matches {
				t.Errorf("Destination(%q) = %+v, %v, want match %v", tt.written, got, err, tt.matches)
			}
		})
	}
}

// A + is dialled only where a replacement says so, and then ARS still comes in front unless ignored.
func TestReplacementWithPlus(t *testing.T) {
	for _, tt := range []struct {
		ars    string
		ignore bool
		want   string
	}{{"9", true, "+16135925660"}, {"", false, "+16135925660"}, {"9", false, "9+16135925660"}} {
		p := mustNew(t, Config{ARS: tt.ars, Outgoing: []Rule{{Leading: new("1613"), Replacement: "+1613", IgnoreARS: tt.ignore}}})
		if got, err := p.Destination("16135925660"); got.Number != tt.want || err != nil {
			t.Errorf("ARS %q ignored %v: %+v, %v, want %q", tt.ars, tt.ignore, got, err, tt.want)
		}
	}
}

func TestRuleThatLeavesNothing(t *testing.T) {
	p := mustNew(t, Config{ARS: "9", Outgoing: []Rule{
		{Leading: new("12")},
		{Leading: new("3"), Replacement: "+"},
		{Match: new("^4+"), Replacement: strings.Repeat("$0", 30)},
	}})
	for written, want := range map[string]error{"12": ErrNoNumber, "3": ErrNoNumber, "444": ErrMalformed} {
		if got, err := p.Destination(written); !errors.Is(err, want) || !strings.Contains(err.Error(), "outgoing rule ") {
			t.Errorf("Destination(%q) = %+v, %v, want error %v naming the rule", written, got, err, want)
		}
		if got, err := p.Device(written); !errors.Is(err, want) {
			t.Errorf("Device(%q) = %+v, %v, want error %v", written, got, err, want)
		}
	}
}

func TestErrorsOfNumbers(t *testing.T) {
	var p *Plan
	for _, written := range []string{"", "tel:+", "\x00"} {
		if got, err := p.Destination(written); err == nil {
			t.Errorf("Destination(%q) = %+v, want an error", written, got)
		}
		if got, err := p.Device(written); err == nil {
			t.Errorf("Device(%q) = %+v, want an error", written, got)
		}
	}
}

func TestIdentityPlan(t *testing.T) {
	for _, p := range []*Plan{nil, {}, mustNew(t, Config{}), mustParse(t, "{}")} {
		for written, want := range map[string]string{
			"tel:+16135925660": "16135925660", "5660": "5660", "#900": "#900", "sip:alice@example.com": "alice",
		} {
			for _, f := range []func(string) (Result, error){p.Destination, p.Device} {
				if got, err := f(written); got.Number != want || got.Rule != -1 || got.ARS || err != nil {
					t.Errorf("%q gives %+v, %v, want %q", written, got, err, want)
				}
			}
		}
		if got := p.Present("+16135925660", External); got.Number != "+16135925660" {
			t.Errorf("Present = %+v", got)
		}
		if got := p.ForwardTarget("95660"); got.Number != "95660" {
			t.Errorf("ForwardTarget = %+v", got)
		}
		if err := p.RoundTrip("5660"); err != nil {
			t.Error(err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	p := mustParse(t, designPlan)
	for _, device := range []string{"5660", "73124", "#900", "alice"} {
		if err := p.RoundTrip(device); err != nil {
			t.Error(err)
		}
	}
	oneWay := mustNew(t, Config{
		Outgoing: []Rule{{Leading: new("44")}},
		Incoming: []Rule{{From: Internal, Length: new(4), Replacement: "1613592", AddPlus: true}, {Leading: new("7"), Replacement: "44"}},
	})
	for _, tt := range []struct {
		device string
		want   []string
	}{
		{"5660", []string{`"5660"`, `"+16135925660"`, "incoming rule 1", `"16135925660"`, "no outgoing rule"}},
		{"4412", []string{`"+16135924412"`}},
		{"44123", []string{`"123"`, "no incoming rule", "outgoing rule 1"}},
		{"7", []string{`"44"`, "no device", "outgoing rule 1"}},
		{"+49301", []string{`"49301"`}},
		{"anonymous", []string{"restricted"}},
		{"", []string{"notKnown"}},
	} {
		err := oneWay.RoundTrip(tt.device)
		if err == nil {
			t.Errorf("RoundTrip(%q) = nil", tt.device)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("RoundTrip(%q) = %v, want %s in it", tt.device, err, want)
			}
		}
	}
	// A PBX whose devices have a + says so in a rule.
	plus := mustNew(t, Config{Outgoing: []Rule{{Leading: new("1613"), Plus: new(true), Replacement: "+1613", IgnoreARS: true}}})
	if err := plus.RoundTrip("+16135925660"); err != nil {
		t.Error(err)
	}
}

func TestPlanSharesNoMemoryWithItsConfig(t *testing.T) {
	cfg := Config{Outgoing: []Rule{{Leading: new("12"), Replacement: "3", Length: new(4), Plus: new(false)}}}
	p := mustNew(t, cfg)
	*cfg.Outgoing[0].Leading, *cfg.Outgoing[0].Length, *cfg.Outgoing[0].Plus = "99", 9, true
	cfg.Outgoing[0] = Rule{}
	if got, err := p.Destination("1234"); got.Number != "334" || err != nil {
		t.Errorf("after the config changed: %+v, %v", got, err)
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[Kind]string{Digits: "digits", Named: "named", Restricted: "restricted", NotKnown: "notKnown", 9: "Kind(9)"} {
		if got := kind.String(); got != want {
			t.Errorf("Kind %d is %q, want %q", uint8(kind), got, want)
		}
	}
}
