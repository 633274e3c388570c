package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx/asterisk/asterisktest"
)

// A step of the consultation transfer: something that the client asks for, or a phone's answer.
type step struct {
	act    act
	passes string // what passes to a real Asterisk for it, empty for a phone's
}

var transferSteps = []step{
	{act: act{0, "MakeCall", 1}, passes: "Action: Originate"},
	{act: act{1, "answers", 0}},
	{act: act{0, "ConsultationCall", 2}, passes: "Action: Redirect"},
	{act: act{2, "answers", 0}},
	{act: act{0, "TransferCall", 2}, passes: "Action: Bridge"},
}

// Whatever part of the service, or the PBX, is killed at any step of a consultation transfer on a real Asterisk: when it is back, all clients know
// what calls there are, and can end them. The part dies when the command is about to reach the PBX, when it has and was not answered, and when
// the step is done.
func TestKilledInTransfer(t *testing.T) {
	t.Parallel()
	x := newAsteriskExchange(t)
	w := newFaultWorld(t, x)
	for n, s := range transferSteps {
		for _, victim := range []string{"the adapter is killed", "the gateway is killed", "the bus is restarted", "the PBX is restarted"} {
			moments := []string{"after"}
			if s.passes != "" {
				moments = []string{"before", "unanswered", "after"}
			}
			for _, moment := range moments {
				t.Run(fmt.Sprintf("%d %s, %s, %s", n+1, s.act.what, moment, victim), func(t *testing.T) {
					w.t = t
					w.killAt(n, moment, victim)
				})
			}
		}
	}
	w.t = t
}

// killAt plays the transfer up to the step, and has the victim die at the moment.
func (w *faultWorld) killAt(n int, moment, victim string) {
	t := w.t
	if took, err := w.settle(15 * time.Second); err != nil {
		t.Fatalf("before it began, after %v: %v", took, err)
	}
	var dies fault
	for _, f := range faults {
		if f.name == victim {
			dies = f
		}
	}
	for _, s := range transferSteps[:n] {
		w.must(s.act)
	}
	if _, err := w.settle(15 * time.Second); err != nil {
		t.Fatalf("before the step: %v", err)
	}
	s := transferSteps[n]
	var repair func()
	if moment == "after" {
		w.must(s.act)
		repair = dies.breaks(w)
	} else {
		halt := w.link.Stop(s.passes, moment == "unanswered")
		done := make(chan error, 1)
		go func() { done <- w.do(s.act) }()
		select {
		case <-halt.Reached():
		case <-time.After(asterisktest.Timeout):
			w.link.Mend()
			t.Fatalf("%q did not pass: %v", s.passes, <-done)
		}
		repair = dies.breaks(w)
		if victim == "the adapter is killed" || victim == "the PBX is restarted" {
			halt.Drop() // what was kept went with it
		} else {
			halt.Pass()
		}
		defer func() { <-done }()
	}
	repair()
	took, err := w.settle(15 * time.Second)
	if err != nil {
		t.Fatalf("after %v: %v", took, err)
	}
	w.recovered = append(w.recovered, took)
	// The clients end what there is, by the connections that they have been told.
	deadline := time.Now().Add(asterisktest.Timeout)
	for !w.pbx.idle() {
		for _, c := range w.clients {
			c.mu.Lock()
			var ids []csta.ConnectionID
			for call := range c.calls {
				ids = append(ids, csta.Connection(call, c.line))
			}
			c.mu.Unlock()
			for _, id := range ids {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				_, err := csta.Call(ctx, c.client, &csta.ClearConnection{ConnectionToBeCleared: id})
				cancel()
				var e *csta.Error
				if err != nil && !errors.As(err, &e) {
					t.Errorf("ClearConnection %s: %v", id, err)
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("calls are left that no client can end")
		}
		time.Sleep(time.Millisecond)
	}
}

// must has the act done, as soon as it can be.
func (w *faultWorld) must(a act) {
	w.t.Helper()
	deadline := time.Now().Add(asterisktest.Timeout)
	for {
		before := w.refused
		err := w.do(a)
		if err == nil && w.refused == before {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%v: %v", a, err)
		}
		time.Sleep(time.Millisecond)
	}
}
