package pbxtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
)

// An actor is a line in a scenario, with everything that it has seen.
type actor struct {
	*Line
	name  string
	t     *testing.T
	wait  time.Duration
	shown *shown

	mu      sync.Mutex
	changed chan struct{} // closed and made anew when something is seen
	events  []seen
	view    *View
	up      bool
}

type seen struct {
	ev   csta.Event
	used bool // by an expectation
}

func newActor(t *testing.T, name string, l *Line, wait time.Duration, record *shown) *actor {
	record.offers(l.Features)
	return &actor{Line: l, name: name, t: t, wait: wait, shown: record, changed: make(chan struct{}), view: NewView(l.ID), up: true}
}

// Event takes an event in and checks it.
func (a *actor) Event(ev csta.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := csta.Check(ev); err != nil {
		a.t.Errorf("%s: %s is not valid: %v", a.name, csta.Name(ev), err)
	}
	if !a.Features.Supports(ev) {
		a.t.Errorf("%s: %s is not declared by the features", a.name, csta.Name(ev))
	}
	if err := a.view.Take(ev); err != nil {
		a.t.Errorf("%s: %s: %v; seen:\n%s", a.name, describe(ev), err, a.history())
	}
	a.events = append(a.events, seen{ev: csta.Clone(ev)})
	a.shown.work(ev)
	a.wake()
}

// Link takes in that the link is lost or back.
func (a *actor) Link(up bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up = up
	a.wake()
}

func (a *actor) wake() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// until waits until ok, which is called with the actor locked, holds.
func (a *actor) until(what string, ok func() bool) {
	a.t.Helper()
	deadline := time.NewTimer(a.wait)
	defer deadline.Stop()
	for {
		a.mu.Lock()
		done, changed := ok(), a.changed
		history := ""
		if !done {
			history = a.history()
		}
		a.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			a.t.Fatalf("%s: no %s within %v; seen:\n%s", a.name, what, a.wait, history)
		}
	}
}

// told returns what was seen, a line for each event.
func (a *actor) told() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.history()
}

// history is told, of an actor that is locked.
func (a *actor) history() string {
	var b strings.Builder
	for _, s := range a.events {
		fmt.Fprintf(&b, "\t%s\n", describe(s.ev))
	}
	return b.String()
}

// describe writes an event in one line.
func describe(ev csta.Event) string {
	local, call := csta.LocalConnection(ev)
	st, ok := stepOf(ev)
	if !ok {
		return fmt.Sprintf("%s %s %s", csta.Name(ev), call, local)
	}
	return fmt.Sprintf("%s %s local=%s", csta.Name(ev), st.id, local)
}

// expect waits for an event of type E that ok holds for and that no earlier
// expectation took.
func expect[E csta.Event](a *actor, what string, ok func(E) bool) E {
	a.t.Helper()
	var found E
	a.until(fmt.Sprintf("%s (%s)", csta.Name(*new(E)), what), func() bool {
		for i := range a.events {
			s := &a.events[i]
			if ev, is := s.ev.(E); is && !s.used && ok(ev) {
				s.used = true
				found = ev
				return true
			}
		}
		return false
	})
	return found
}

// saw reports whether an event of type E that ok holds for was seen.
func saw[E csta.Event](a *actor, ok func(E) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.events, func(s seen) bool {
		ev, is := s.ev.(E)
		return is && ok(ev)
	})
}

// seenSoFar returns how many events were seen.
func (a *actor) seenSoFar() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)
}

// untilState waits until the events led the line's own connection to the state.
func (a *actor) untilState(call string, state csta.LocalConnectionState) {
	a.t.Helper()
	a.until(fmt.Sprintf("event that leads %s to %s", call, state), func() bool { return a.view.state(call, a.ID) == state })
}

// states returns the line's own states, by callID.
func (a *actor) states() map[string]csta.LocalConnectionState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.view.States())
}

// conn is the connection of who in call, as the actor sees it.
func (a *actor) conn(call string, who *actor) csta.ConnectionID {
	if who == a {
		return csta.Connection(call, a.ID)
	}
	return csta.Connection(call, who.Handle)
}

// isConn reports whether id names that connection.
func (a *actor) isConn(id csta.ConnectionID, call string, who *actor) bool {
	want := a.conn(call, who)
	return id.CallID == want.CallID && id.DeviceID.ID == want.DeviceID.ID
}

// shows reports whether the actor is shown who by the number: itself in its own
// spelling, others as they are presented or as it dialled them.
func (a *actor) shows(number string, who *actor) bool {
	if who == a {
		return number == a.ID
	}
	return number == who.Shown || number == who.Number
}

// check reports an error unless the party of an event is who.
func (a *actor) check(ev csta.Event, field string, party csta.ExtendedDeviceID, who *actor) {
	a.t.Helper()
	if !a.shows(party.String(), who) {
		a.t.Errorf("%s: %s: %s is %q, not %s", a.name, describe(ev), field, party, who.name)
	}
}

func (a *actor) checkLocal(ev csta.Event, want csta.LocalConnectionState) {
	a.t.Helper()
	if local, _ := csta.LocalConnection(ev); local != want {
		a.t.Errorf("%s: %s: localConnectionInfo is %q, not %q", a.name, describe(ev), local, want)
	}
}
