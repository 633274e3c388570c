package digitmod

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// words writes an edit for a table of tests.
func (e RuleEdit) words() string {
	do := "add"
	if e.Replace {
		do = "modify"
	}
	return fmt.Sprintf("%s %s %d %s", do, e.Table, e.Rule, text(e.With))
}

func TestMerge(t *testing.T) {
	const northAmerica = `{ars: "9", internal: {maxLength: 5}, outgoing: [{leading: "1613592", length: 11, ignoreARS: true}],
		incoming: [{from: internal, length: 4, replacement: "1613592", addPlus: true}, {from: external, length: 10, replacement: "1", addPlus: true}]}`
	for _, tt := range []struct {
		name, plan, lines, identity, presented string
		from                                   Origin
		equal                                  bool
		want                                   []string // edits
		reason                                 string
	}{
		{name: "equal", plan: northAmerica, identity: "sip:+16135551234@trunk.example.com;user=phone", presented: "6135551234", from: External, equal: true},
		{name: "equal internal", plan: northAmerica, identity: "tel:+1-613-592-5660", presented: "5660", from: Internal, equal: true},
		{name: "anonymous", plan: `{}`, identity: "sip:anonymous@anonymous.invalid", presented: "", equal: true},
		{name: "anonymous as the plan shows it", plan: `{restricted: anonymous}`, identity: "sip:anonymous@anonymous.invalid", presented: "private", equal: true},

		{name: "internal", plan: `{}`, identity: "tel:+16135925660", presented: "5660", from: Internal,
			want: []string{`add incoming 1 {"replacement":"1613592","addPlus":true,"length":4,"from":"internal"}`}},
		{name: "internal, with lines that must come back", plan: `{ars: "9", internal: {maxLength: 5}}`, lines: "5600-5699", identity: "tel:+16135925660", presented: "5660", from: Internal,
			want: []string{`add outgoing 1 {"leading":"1613592","ignoreARS":true,"length":11}`, `add incoming 1 {"replacement":"1613592","addPlus":true,"length":4,"from":"internal"}`}},
		{name: "national", plan: `{}`, identity: "sip:+16135551234@t", presented: "6135551234", from: External,
			want: []string{`add incoming 1 {"replacement":"1","addPlus":true,"length":10,"from":"external"}`}},
		{name: "national with its 1: no + in front of a 0", plan: northAmerica, identity: "sip:+14165551234@t", presented: "14165551234", from: External,
			want: []string{`add incoming 3 {"leading":"1","replacement":"1","addPlus":true,"length":11,"from":"external"}`}},
		{name: "national with trunk prefix", plan: `{}`, identity: "sip:+4930123456@t", presented: "030123456", from: External,
			want: []string{`add incoming 1 {"leading":"0","replacement":"49","addPlus":true,"from":"external"}`}},
		{name: "international, before the national rule", plan: `{incoming: [{leading: "0", replacement: "49", addPlus: true, from: external}]}`, identity: "sip:+442079460000@t", presented: "00442079460000", from: External,
			want: []string{`add incoming 1 {"leading":"00","addPlus":true,"from":"external"}`}},
		{name: "international behind 011", plan: northAmerica, identity: "sip:+442079460000@t", presented: "011442079460000", from: External,
			want: []string{`add incoming 3 {"leading":"011","addPlus":true,"from":"external"}`}},
		{name: "the rule forgets the +", plan: `{incoming: [{from: external, length: 10, replacement: "1"}]}`, identity: "tel:+16135551234", presented: "6135551234", from: External,
			want: []string{`modify incoming 1 {"replacement":"1","addPlus":true,"length":10,"from":"external"}`}},
		{name: "the rule has another country", plan: `{incoming: [{from: external, leading: "0", replacement: "44", addPlus: true}]}`, identity: "tel:+4930123456", presented: "030123456", from: External,
			want: []string{`modify incoming 1 {"leading":"0","replacement":"49","addPlus":true,"from":"external"}`}},
		{name: "the rule is right for an example", plan: `{incoming: [{from: external, length: 10, replacement: "1", addPlus: true}], examples: [{incoming: "6135551234", from: external, is: "+16135551234"}]}`,
			identity: "tel:+442079460", presented: "2079460000", from: External,
			want:   []string{`add incoming 1 {"match":"^2079460000$","replacement":"442079460","addPlus":true,"from":"external"}`},
			reason: "this number alone"},
		{name: "the + comes off", plan: `{}`, identity: "sip:0301234567@t", presented: "+49301234567",
			want: []string{`add incoming 1 {"leading":"49","replacement":"0","plus":true}`}},
		{name: "a placeholder", plan: `{}`, identity: "sip:anonymous@anonymous.invalid", presented: "0000000000", from: External,
			want: []string{`add incoming 1 {"match":"^0000000000$","from":"external"}`}, reason: "hides"},
		{name: "an extension of its own", plan: `{}`, identity: "tel:+16135551099", presented: "234", from: Internal,
			want: []string{`add incoming 1 {"match":"^234$","replacement":"16135551099","addPlus":true,"from":"internal"}`}, reason: "the same call?"},

		{name: "a name", plan: `{}`, identity: "sip:alice@example.com", presented: "5660", reason: "alice is a name"},
		{name: "with an extension", plan: `{}`, identity: "tel:+16135925660;ext=5660", presented: "5660", reason: ";ext="},
		{name: "nothing presented", plan: `{}`, identity: "tel:+16135925660", presented: "unknown", reason: "presents no number"},
		{name: "withheld with another text", plan: `{restricted: withheld}`, identity: "sip:anonymous@anonymous.invalid", presented: "private", reason: "here withheld"},
		{name: "a line that would be lost", plan: `{internal: {maxLength: 4}}`, lines: "*,5660", identity: "tel:+16135551099", presented: "5660", from: Internal, reason: "no rule was found"},
	} {
		cfg, err := ReadConfig([]byte(tt.plan))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var lines *Lines
		if tt.lines != "" {
			if lines, err = ParseLines(tt.lines); err != nil {
				t.Fatal(err)
			}
		}
		check := func(c Config) ([]Finding, error) {
			p, err := New(c)
			if err != nil {
				return nil, err
			}
			findings := p.Lint(lines)
			for _, f := range findings {
				if f.Severity == Fault {
					return findings, Mistakes{f.Mistake()}
				}
			}
			return findings, nil
		}
		m, err := cfg.Merge(tt.identity, tt.presented, tt.from, check)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for _, e := range m.Edits {
			got = append(got, e.words())
		}
		if m.Equal != tt.equal || strings.Join(got, "\n") != strings.Join(tt.want, "\n") || (tt.reason == "") != (m.Reason == "") || !strings.Contains(m.Reason, tt.reason) {
			t.Errorf("%s: %+v\nedits %s\nwant %v %s", tt.name, m, strings.Join(got, "\n"), tt.equal, strings.Join(tt.want, "\n"))
		}
		before, _ := check(cfg)
		// What is proposed does it, one edit after another.
		for _, e := range m.Edits {
			if cfg, err = e.Apply(cfg); err == nil {
				_, err = check(cfg)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", tt.name, e.words(), err)
			}
		}
		if m.Edits == nil {
			continue
		}
		if after, _ := check(cfg); m.Findings != max(0, len(after)-len(before)) {
			t.Errorf("%s: it tells of %d more findings: %v, before %v", tt.name, m.Findings, after, before)
		}
		if again, err := cfg.Merge(tt.identity, tt.presented, tt.from, check); err != nil || !again.Equal {
			t.Errorf("%s: after the edits %+v, %v", tt.name, again, err)
		}
	}
	for _, bad := range []string{"", "+", "sip:pbx.example.com", "a\x00b"} {
		if _, err := (Config{}).Merge(bad, "1", "", func(Config) ([]Finding, error) { return nil, nil }); err == nil {
			t.Errorf("the identity %q is read", bad)
		}
	}
}

func TestPresented(t *testing.T) {
	const rules = `incoming: [{from: internal, length: 4, replacement: "1613592", addPlus: true}, {from: external, leading: "0", replacement: "49", addPlus: true},
		{leading: "7", replacement: "8"}]`
	for _, tt := range []struct {
		plan, shown string
		from        Origin
		want        string
		is          Origin
	}{
		{`{}`, "tel:6135551234", "", "6135551234", ""},
		{`{}`, "anonymous", "", "anonymous", ""},
		{rules, "+4930123456", External, "", ""}, // presented so, or as 030123456
		{rules, "812", "", "", ""},               // 812 or 712
		{rules, "2345", "", "2345", External},    // an internal one would be shown otherwise
		{rules, "2345", Internal, "", ""},
		{`incoming: [{plus: true, leading: "49", replacement: "0"}, {leading: "0", replacement: "5"}]`, "512", "", "", ""},
		{`incoming: [{plus: true, leading: "49", replacement: "5"}]`, "+512", "", "+512", ""},
	} {
		p, err := Parse([]byte(tt.plan))
		if err != nil {
			t.Fatal(err)
		}
		got, is, err := p.presented(tt.shown, tt.from)
		if got != tt.want || is != tt.is || (err == nil) != (tt.want != "") {
			t.Errorf("%s, %s: %q, %q, %v; want %q, %q", tt.shown, tt.from, got, is, err, tt.want, tt.is)
		}
		if err == nil && tt.shown != "anonymous" && p.Present(got, is).Number != strings.TrimPrefix(tt.shown, "tel:") {
			t.Errorf("%s, %s is not shown as %s", got, is, tt.shown)
		}
	}
}

func TestMergeShown(t *testing.T) {
	c, err := ReadConfig([]byte(`{incoming: [{from: internal, length: 4, replacement: "1613592", addPlus: true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	check := func(c Config) ([]Finding, error) { return nil, nil }
	for _, tt := range []struct{ identity, shown, want string }{
		{"sip:+16135925660@x", "tel:+16135925660", "equal"}, // whatever the PBX presents
		{"sip:anonymous@anonymous.invalid", "restricted", "equal"},
		{"sip:anonymous@anonymous.invalid", "unknown", "equal"},
		{"sip:+14165551234@x", "tel:4165551234", `add incoming 2 {"replacement":"1","addPlus":true,"length":10}`},
		{"sip:+14165551234@x", "restricted", "the PBX presents no number, of which no rule makes one"},
		{"sip:+14165551234@x", "+16135925660", "more than one number is shown as +16135925660: " + ErrNotPresented.Error()},
		{"sip:x.example.com", "1", "the identity of the INVITE: no number"},
	} {
		m, err := c.MergeShown(tt.identity, tt.shown, "", check)
		got := m.Reason
		switch {
		case err != nil:
			got = err.Error()
		case m.Equal:
			got = "equal"
		case m.Edits != nil:
			got = m.Edits[0].words()
		}
		if got != tt.want {
			t.Errorf("%s, %s: %s; want %s", tt.identity, tt.shown, got, tt.want)
		}
	}
}

// Whatever is proposed makes the two equal, with any plan.
func TestMergeProposals(t *testing.T) {
	check := func(c Config) ([]Finding, error) {
		p, err := New(c)
		return p.Lint(nil), err
	}
	proposals := 0
	rapid.Check(t, func(t *rapid.T) {
		_, c := drawPlan(t, true)
		caller := "+" + drawDigits.Draw(t, "caller")
		presented, from := drawDigits.Draw(t, "prefix")+caller[rapid.IntRange(1, len(caller)-1).Draw(t, "cut"):], drawOrigin.Draw(t, "from")
		m, err := c.Merge(caller, presented, from, check)
		if err != nil {
			t.Fatal(err)
		}
		if m.Equal || m.Edits == nil {
			return
		}
		proposals++
		for _, e := range m.Edits {
			if c, err = e.Apply(c); err != nil {
				t.Fatalf("%s: %v", e.words(), err)
			}
		}
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Present(presented, from).Number; got != caller {
			t.Fatalf("%s from %s is shown as %s after %v", presented, from, got, m.Edits)
		}
	})
	if proposals == 0 {
		t.Error("nothing was proposed")
	}
}
