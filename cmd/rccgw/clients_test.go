package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/gateway"
)

// Which profile a client has, by what it says of itself, and what a rule adds.
func TestProfiles(t *testing.T) {
	var m mistakes
	table := parseClients(`
- {agent: "Desk*", peer: 10.1.0.0/16, profile: sipe, numbers: digits}
- {peer: 192.0.2.7, errors: sip, names: private}
- {agent: "*sipe*", peer: 192.0.2.8, errors: csta, link: both}
`, &m)
	if m.list != nil {
		t.Fatal(m.list)
	}
	for _, c := range []struct {
		agent, peer, profile string
		want                 treatment
	}{
		{"Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)", "127.0.0.1", "sipe", treatment{Errors: cstasip.ErrorsInSIP}},
		{"LCC/1.3", "127.0.0.1", "lcs2005", treatment{}},
		{"UCCP/2.0.6362.67 OC/2.0.6362.67 (Microsoft Office Communicator)", "127.0.0.1", "oc2007", treatment{}},
		{"UCCAPI/3.5.6907.0 OC/3.5.6907.0 (Microsoft Office Communicator 2007 R2)", "127.0.0.1", "oc2007", treatment{}},
		{"UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)", "127.0.0.1", "lync", treatment{}},
		{"estos UCServer", "127.0.0.1", "estos", treatment{}},
		{"C4B XPhone Connect", "127.0.0.1", "xphone", treatment{}},
		{"", "127.0.0.1", "generic", treatment{}},
		{"rccctl", "127.0.0.1", "generic", treatment{}},
		{"desk console 3", "10.1.2.3", "sipe", treatment{Errors: cstasip.ErrorsInSIP, Numbers: gateway.NumbersAsDigits}},
		{"desk console 3", "10.2.2.3", "generic", treatment{}},
		{"UCCAPI/4.0", "::ffff:192.0.2.7", "lync", treatment{Errors: cstasip.ErrorsInSIP, Names: gateway.NamesAsPrivate}},
		{"Purple/2 Sipe/1", "192.0.2.8", "sipe", treatment{Errors: cstasip.ErrorsInCSTA, Link: gateway.NoticeByBoth}},
	} {
		if name, got := table.of(c.agent, netip.MustParseAddr(c.peer)); name != c.profile || got != c.want {
			t.Errorf("%q from %s: %s %+v, want %s %+v", c.agent, c.peer, name, got, c.profile, c.want)
		}
	}
}

// Every mistake in the rules is reported.
func TestClientRuleMistakes(t *testing.T) {
	_, err := load(environ(t, `RCC_SIP_CLIENTS=[{profile: sipe}, {agent: "[", errors: maybe}, {peer: nowhere, profile: skype}, {agent: x, numbers: roman, link: none, names: all}]`))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"rule 1: neither agent nor peer", `"[": rule 2: agent`, `"maybe": rule 2: errors`, `"nowhere": rule 3: peer`,
		`"skype": rule 3: profile`, `"roman": rule 4: numbers`, `"none": rule 4: link`, `"all": rule 4: names`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	if _, err := load(environ(t, "RCC_SIP_CLIENTS=[{agent: x, colour: red}]")); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("an unknown field: %v", err)
	}
}

// The same refusal, as two clients read it.
func TestErrorStyleOfProfile(t *testing.T) {
	g := startGateway(t)
	refused := func(agent string) error {
		d := g.open("tcp", "tel:1001", func(c *cstasip.ClientConfig) { c.UserAgent = agent })
		_, err := csta.Call(t.Context(), d, &csta.MonitorStop{MonitorCrossRefID: "none"})
		if !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidMonitorCrossRefID"}) {
			t.Errorf("%s: %v", agent, err)
		}
		return err
	}
	var status *cstasip.StatusError
	if err := refused("Purple/2.14.12 Sipe/1.25.0"); !errors.As(err, &status) || status.Status != 404 {
		t.Errorf("a client that looks at the status alone gets %v", err)
	}
	if err := refused("rccctl"); errors.As(err, &status) {
		t.Errorf("a client of the standard gets %v", err)
	}
}

// The table of docs/clients.md is the table of the program.
func TestProfilesTable(t *testing.T) {
	const path, begin, end = "../../docs/clients.md", "<!-- profiles: begin -->\n", "<!-- profiles: end -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/clients.md has no place for the table")
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	var m mistakes
	if len(parseClients(example, &m)) == 0 || m.list != nil {
		t.Errorf("the example is not understood: %v", m.list)
	}
	var b strings.Builder
	b.WriteString("| profile | User-Agent | errors | numbers | link | names |\n|---|---|---|---|---|---|\n")
	for _, p := range profiles {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", p.name, strings.Join(p.agents, "`, `"), p.Errors, p.Numbers, p.Link, p.Names)
		if p.name != "generic" && !strings.Contains(string(text), "("+p.name+")") {
			t.Errorf("docs/clients.md says nothing of %s", p.name)
		}
	}
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("the table of docs/clients.md is out of date: go test ./cmd/rccgw -run TestProfilesTable -update")
	}
}
