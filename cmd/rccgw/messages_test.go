package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
)

// An idle driver has nothing to offer: what its line offers is the gateway's.
type idleDriver struct{}

func (idleDriver) Services(*csta.Mux) {}

func (idleDriver) Run(ctx context.Context, emit pbx.Emit) error {
	emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
	<-ctx.Done()
	return ctx.Err()
}

// bothWays are the requests that the gateway sends to clients, too.
var bothWays = []csta.Message{&csta.SystemStatus{}, &csta.MonitorStop{}}

// leastSettings are what a driver cannot be made without, or does not offer all without.
var leastSettings = map[string][]string{"asterisk": {"RCC_PBX_X_SECRET=x"}, "cstatcp": {"RCC_PBX_X_ADDRESS=127.0.0.1:1"},
	"freeswitch": {"RCC_PBX_X_SECRET=x", "RCC_PBX_X_DOMAIN=example.org", "RCC_PBX_X_CONFERENCE=rcc-conference-", "RCC_PBX_X_FEATURES=db"},
	"uacsta":     {"RCC_PBX_X_ADDRESS=tcp://127.0.0.1:1"}}

// proofs say against what the suite is played that shows what a driver offers.
var proofs = map[string]string{"asterisk": "live", "cstatcp": "live", "freeswitch": "recorded", "sim": "live", "uacsta": "live"}

// unshown are what a driver passes on where its PBX offers it, as no bench's does.
var unshown = map[string]string{"cstatcp": "AcceptCall"}

// notOfADriver are messages that are the gateway's, or that it makes of what a driver says.
var notOfADriver = []csta.Message{&csta.GetCSTAFeatures{}, &csta.RequestSystemStatus{}, &csta.SystemStatus{}, &csta.MonitorStart{}, &csta.MonitorStop{},
	&csta.ChangeMonitorFilter{}, &csta.CallClearedEvent{}, &csta.BackInServiceEvent{}, &csta.OutOfServiceEvent{}}

// docs/csta.md has all messages, and who serves them, docs/pbx.md what is shown to
// work of it: as they are registered.
func TestMessageTable(t *testing.T) {
	inHands(t, idleDriver{})
	g := startGateway(t, "RCC_PBX_SIM_DRIVER=test")
	own, err := csta.Call(t.Context(), g.open("tcp", "tel:1001"), &csta.GetCSTAFeatures{})
	if err != nil {
		t.Fatal(err)
	}
	muxes := map[string]*csta.Mux{}
	drivers := slices.DeleteFunc(kindNames(), func(name string) bool { return name == "test" })
	for _, name := range drivers {
		variables := append([]string{"RCC_PBX=x", "RCC_PBX_X_DRIVER=" + name}, leastSettings[name]...)
		c, err := load(environ(t, variables...))
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.pbxs[0].build(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if proofs[name] == "" {
			t.Errorf("nothing is said of what shows that %s works", name)
		}
		muxes[name] = new(csta.Mux)
		d.Services(muxes[name])
	}

	var b, shown strings.Builder
	fmt.Fprintf(&shown, "\n| | %s |\n|---|%s\n", strings.Join(drivers, " | "), strings.Repeat("---|", len(drivers)))
	head := func(title, what string) {
		fmt.Fprintf(&b, "\n## %s\n\n| %s | direction | gateway | %s |\n|---|---|---|%s\n", title, what, strings.Join(drivers, " | "), strings.Repeat("---|", len(drivers)))
	}
	row := func(m csta.Message, direction string) {
		mark := func(yes bool) string {
			if yes {
				return "yes"
			}
			return "–"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s", csta.Name(m), direction, mark(own.Supports(m)))
		var cells []string
		for _, name := range drivers {
			ev, event := m.(csta.Event)
			yes := event && muxes[name].Reported(ev) || !event && muxes[name].Registered(m)
			fmt.Fprintf(&b, " | %s", mark(yes))
			cells = append(cells, map[bool]string{true: proofs[name], false: "–"}[yes && unshown[name] != csta.Name(m)])
		}
		b.WriteString(" |\n")
		if !slices.ContainsFunc(notOfADriver, func(x csta.Message) bool { return csta.Name(x) == csta.Name(m) }) {
			fmt.Fprintf(&shown, "| `%s` | %s |\n", csta.Name(m), strings.Join(cells, " | "))
		}
	}
	head("Services", "request")
	for _, m := range csta.Messages() {
		if csta.Response(m) == nil {
			continue
		}
		direction := "client → gateway"
		if slices.ContainsFunc(bothWays, func(x csta.Message) bool { return csta.Name(x) == csta.Name(m) }) {
			direction = "both"
		}
		row(m, direction)
	}
	head("Events", "event")
	for _, m := range csta.Messages() {
		if ev, ok := m.(csta.Event); ok {
			row(ev, "gateway → client")
		}
	}

	const begin = "<!-- what follows is generated: go test ./cmd/rccgw -run TestMessageTable -update -->\n"
	for path, table := range map[string]string{"../../docs/csta.md": b.String(), "../../docs/pbx.md": shown.String()} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		intro, _, ok := strings.Cut(string(text), begin)
		for _, name := range drivers {
			if row := "\n| [" + name + "](../pbx/" + name + "/README.md) |"; strings.HasSuffix(path, "pbx.md") && !strings.Contains(intro, row) {
				t.Errorf("%s does not say how %s was tested", path, name)
			}
		}
		if !ok {
			t.Fatalf("%s has no place for its table", path)
		}
		want := intro + begin + table
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if want != string(text) {
			t.Errorf("%s is out of date: go test ./cmd/rccgw -run TestMessageTable -update", path)
		}
	}
}
