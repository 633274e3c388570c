package pbx

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"rccgw/csta"
)

// found makes a call as a driver finds it: device=state for each party; a
// device that begins with T is outside. The first one calls the second.
func found(id string, parties ...string) Call {
	c := Call{ID: id}
	for i, p := range parties {
		device, state, _ := strings.Cut(p, "=")
		c.Connections = append(c.Connections, Connection{Party: Party{Device: device, Own: device[0] != 'T'}, State: csta.LocalConnectionState(state)})
		switch i {
		case 0:
			c.Calling = csta.Party(device)
		case 1:
			c.Called = csta.Party(device)
		}
	}
	return c
}

// brief writes an event in a few words: who sees it, what, of which
// connection, and its own state.
func brief(device string, msg csta.Message) string {
	ev := msg.(csta.Event)
	local, _ := csta.LocalConnection(ev)
	var id csta.ConnectionID
	csta.Connections(ev, func(c *csta.ConnectionID) {
		if id.IsZero() {
			id = *c
		}
	})
	return fmt.Sprintf("%s:%s(%s)%s", device, strings.TrimSuffix(csta.Name(ev), "Event"), id, local)
}

func TestSync(t *testing.T) {
	for _, test := range []struct {
		name   string
		before []Call
		found  []Call
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"new, prompted", nil, []Call{found("c", "A=initiated")}, "A:ServiceInitiated(A@c)initiated"},
		{"new, alerting", nil, []Call{found("c", "A=connected", "B=alerting")},
			"A:Originated(A@c)connected A:Delivered(B@c)connected B:Delivered(B@c)alerting"},
		{"new, talking", nil, []Call{found("c", "A=connected", "B=connected")},
			"A:Originated(A@c)connected A:Established(B@c)connected B:Established(B@c)connected"},
		{"new, held by the called", nil, []Call{found("c", "A=connected", "B=hold")},
			"A:Originated(A@c)connected A:Established(B@c)connected B:Established(B@c)connected A:Held(B@c)connected B:Held(B@c)hold"},
		{"new, held by the caller", nil, []Call{found("c", "A=hold", "B=connected")},
			"A:Originated(A@c)connected A:Held(A@c)hold A:Established(B@c)hold B:Established(B@c)connected"},
		{"new, failed", nil, []Call{found("c", "A=connected", "B=fail")},
			"A:Originated(A@c)connected A:Failed(B@c)connected B:Failed(B@c)fail"},
		{"new, from outside", nil, []Call{found("c", "T=connected", "B=alerting")}, "B:Delivered(B@c)alerting"},
		{"new, the called listed first", nil, []Call{{ID: "c", Calling: csta.Party("A"), Called: csta.Party("B"),
			Connections: []Connection{{Party: own("B"), State: Alerting}, {Party: own("A"), State: Connected}}}},
			"A:Originated(A@c)connected A:Delivered(B@c)connected B:Delivered(B@c)alerting"},
		{"new, the caller has left", nil, []Call{{ID: "c", Calling: csta.Party("X"), Called: csta.Party("B"),
			Connections: []Connection{{Party: own("B"), State: Connected}, {Party: own("C"), State: Connected}}}},
			"B:Established(B@c)connected B:Established(C@c)connected C:Established(C@c)connected"},
		{"new, two callers without a number", nil, []Call{{ID: "c", Calling: csta.NotKnown(),
			Connections: []Connection{{Party: outside("T1", csta.NotKnown()), State: Connected}, {Party: own("B"), State: Alerting}}}},
			"B:Delivered(B@c)alerting"},
		{"gone, alerting", []Call{found("c", "A=connected", "B=alerting")}, nil,
			"A:ConnectionCleared(A@c)null B:ConnectionCleared(A@c)alerting B:ConnectionCleared(B@c)null"},
		{"gone, on hold", []Call{found("c", "A=hold", "T=connected")}, nil, "A:ConnectionCleared(A@c)null"},
		{"found empty", []Call{found("c", "A=initiated")}, []Call{{ID: "c"}}, "A:ConnectionCleared(A@c)null"},
		{"lifted", []Call{found("c", "A=initiated")}, []Call{found("c", "A=connected", "B=alerting")},
			"A:Originated(A@c)connected A:Delivered(B@c)connected B:Delivered(B@c)alerting"},
		{"lifted, answered and held", []Call{found("c", "A=initiated")}, []Call{found("c", "A=hold", "B=connected")},
			"A:Originated(A@c)connected A:Held(A@c)hold A:Established(B@c)hold B:Established(B@c)connected"},
		{"answered", []Call{found("c", "A=connected", "B=alerting")}, []Call{found("c", "A=connected", "B=connected")},
			"A:Established(B@c)connected B:Established(B@c)connected"},
		{"answered and held", []Call{found("c", "A=connected", "B=alerting")}, []Call{found("c", "A=connected", "B=hold")},
			"A:Established(B@c)connected B:Established(B@c)connected A:Held(B@c)connected B:Held(B@c)hold"},
		{"failed", []Call{found("c", "A=connected", "B=alerting")}, []Call{found("c", "A=fail")},
			"A:ConnectionCleared(B@c)connected B:ConnectionCleared(B@c)null A:Failed(A@c)fail"},
		{"diverted", []Call{found("c", "A=connected", "B=alerting")}, []Call{found("c", "A=connected", "C=alerting")},
			"A:ConnectionCleared(B@c)connected B:ConnectionCleared(B@c)null A:Delivered(C@c)connected C:Delivered(C@c)alerting"},
		{"held", []Call{found("c", "A=connected", "B=connected")}, []Call{found("c", "A=hold", "B=connected")},
			"A:Held(A@c)hold B:Held(A@c)connected"},
		{"retrieved", []Call{found("c", "A=hold", "B=connected")}, []Call{found("c", "A=connected", "B=connected")},
			"A:Retrieved(A@c)connected B:Retrieved(A@c)connected"},
		{"one joins", []Call{found("c", "A=connected", "B=connected")}, []Call{found("c", "A=connected", "B=connected", "C=connected")},
			"A:Established(C@c)connected B:Established(C@c)connected C:Established(C@c)connected"},
		{"all are others", []Call{found("c", "A=connected", "B=connected")}, []Call{found("c", "C=connected", "D=connected")},
			"A:ConnectionCleared(A@c)null B:ConnectionCleared(A@c)connected B:ConnectionCleared(B@c)null " +
				"C:Originated(C@c)connected C:Established(D@c)connected D:Established(D@c)connected"},
		{"transferred", []Call{found("c1", "A=hold", "B=connected"), found("c2", "A=connected", "C=connected")}, []Call{found("c2", "B=connected", "C=connected")},
			"A:ConnectionCleared(A@c1)null B:ConnectionCleared(A@c1)connected B:ConnectionCleared(B@c1)null " +
				"A:ConnectionCleared(A@c2)null C:ConnectionCleared(A@c2)connected C:Established(B@c2)connected B:Established(B@c2)connected"},
		{"rings again", []Call{found("c", "A=connected", "B=connected")}, []Call{found("c", "A=connected", "B=alerting")},
			"A:ConnectionCleared(B@c)connected B:ConnectionCleared(B@c)null A:Delivered(B@c)connected B:Delivered(B@c)alerting"},
		{"talks after it failed", []Call{found("c", "A=connected", "B=fail")}, []Call{found("c", "A=connected", "B=connected")},
			"A:ConnectionCleared(B@c)connected B:ConnectionCleared(B@c)null A:Established(B@c)connected B:Established(B@c)connected"},
		{"a call and another", []Call{found("c1", "A=connected", "B=connected")}, []Call{found("c2", "A=connected", "C=alerting")},
			"A:ConnectionCleared(A@c1)null B:ConnectionCleared(A@c1)connected B:ConnectionCleared(B@c1)null " +
				"A:Originated(A@c2)connected A:Delivered(C@c2)connected C:Delivered(C@c2)alerting"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := NewCalls()
			m.Sync(test.before)
			want := normal(test.found)
			var events []string
			emit := func(device string, msg csta.Message) {
				if err := csta.Check(msg); err != nil {
					t.Errorf("%s: %v", csta.Name(msg), err)
				}
				events = append(events, brief(device, msg))
			}
			m.SetEmit(emit)
			m.Sync(test.found)
			if got := strings.Join(events, " "); got != test.want {
				t.Errorf("events\n got %s\nwant %s", got, test.want)
			}
			if got := normal(m.List()); got != want {
				t.Errorf("calls\n got %s\nwant %s", got, want)
			}
			events = nil
			m.Sync(m.List())
			if len(events) > 0 {
				t.Errorf("Sync of the model's own list reports %v", events)
			}
		})
	}
}

// normal writes calls without regard to the order of their connections.
func normal(calls []Call) string {
	var lines []string
	for _, c := range calls {
		var parts []string
		for _, conn := range c.Connections {
			parts = append(parts, fmt.Sprintf("%s=%s own=%v %s", conn.Device, conn.State, conn.Own, conn.Shown()))
		}
		slices.Sort(parts)
		if len(parts) > 0 {
			lines = append(lines, c.ID+" "+strings.Join(parts, " "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Numbers that became known while the link was lost are known afterwards.
func TestSyncNumbers(t *testing.T) {
	m := NewCalls()
	m.Sync([]Call{found("c", "T=connected", "A=connected")})
	c := found("c", "T=connected", "A=connected")
	c.Connections[0].Number = csta.Party("6135550100")
	c.Calling = csta.Party("6135550100")
	c.LastRedirected = csta.RedirectionDeviceID{NumberDialed: csta.Device("B")}
	r := &record{t: t}
	m.SetEmit(r.emit)
	m.Sync([]Call{c})
	if len(r.lines) > 0 {
		t.Errorf("events of a number: %v", r.lines)
	}
	got, _ := m.Get("c")
	if got.Connections[0].Shown().String() != "6135550100" || got.Calling.String() != "6135550100" || got.LastRedirected.NumberDialed.ID != "B" {
		t.Errorf("the model has %+v", got)
	}
}
