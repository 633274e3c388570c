package pbxtest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rccgw/csta"
	"rccgw/pbx"
)

// A scenario is a story that is played on a fresh bench.
type scenario struct {
	name     string
	services []csta.Message // and events that it cannot do without
	needs    []Ability
	play     func(s *stage)
}

// Run plays all scenarios, each as a subtest on a bench of its own. The bench
// has to be idle again when the test's Cleanup is over, with no goroutine left
// of what newBench started. What the lines offer and no scenario has shown to work
// fails the run.
func Run(t *testing.T, newBench func(t *testing.T) *Bench) {
	record, played, all := newShown(), 0, scenarios()
	for _, sc := range all {
		t.Run(sc.name, func(t *testing.T) {
			played++
			play(t, sc, newBench, record)
		})
	}
	if played == len(all) && !t.Failed() { // with -run, some are not
		record.complete(t)
	}
}

func scenarios() []scenario {
	return slices.Concat(callScenarios(), outsideScenarios(), holdScenarios(), consultScenarios(), transferScenarios(), conferenceScenarios(),
		parkScenarios(), pickupScenarios(), callBackScenarios(), offerScenarios(), dataScenarios(), routeScenarios(), settingScenarios(), deviceScenarios(),
		featureScenarios(), refusalScenarios(), linkScenarios(), stormScenarios())
}

func play(t *testing.T, sc scenario, newBench func(t *testing.T) *Bench, record *shown) {
	record.skip(t, sc)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		// The bench has been taken down: Cleanup runs last in, first out.
		if err := goleak.Find(before); err != nil {
			t.Errorf("goroutines are left: %v", err)
		}
	})
	b := newBench(t)
	b.complete(t)
	s := &stage{T: t, b: b}
	names := "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i, l := range b.Lines {
		s.actors = append(s.actors, newActor(t, names[i%26:i%26+1], l, b.Wait, record))
	}
	further := func(name string, l *Line) *actor {
		if l == nil {
			return nil
		}
		a := newActor(t, name, l, b.Wait, record)
		s.actors = append(s.actors, a)
		return a
	}
	s.impatient, s.offered = further("Impatient", b.Impatient), further("Offered", b.Offered)
	s.A, s.B, s.C, s.D = s.actors[0], s.actors[1], s.actors[2], s.actors[3]
	for _, m := range sc.services {
		s.offers(m)
	}
	for _, a := range sc.needs {
		b.need(t, a, record)
	}
	for _, a := range s.actors {
		t.Cleanup(a.Watch(a))
	}
	sc.play(s)
	s.clearAll()
	s.idle()
}

// A stage is where a scenario is played.
type stage struct {
	*testing.T
	b          *Bench
	actors     []*actor
	A, B, C, D *actor
	impatient  *actor
	offered    *actor
}

// offers skips the scenario where the lines do not offer the service or event
// of m. That it is refused then is checked, too.
func (s *stage) offers(m csta.Message) {
	s.Helper()
	s.offersOf(s.A, m)
}

// offersOf is offers for a line that may differ from the others.
func (s *stage) offersOf(a *actor, m csta.Message) {
	s.Helper()
	if a.Features.Supports(m) {
		return
	}
	if _, event := m.(csta.Event); !event {
		s.refused(a, sample(m, a, "none"), csta.Operation, "serviceNotSupported")
	}
	a.shown.lacks(s.T, csta.Name(m), "the line does not offer "+csta.Name(m))
}

// ask performs a service that must succeed.
func ask[Q csta.Request[R], R csta.Message](a *actor, req Q) R {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 2*a.wait)
	defer cancel()
	name := csta.Name(req)
	resp, err := csta.Call(ctx, a.Handler, req)
	if err != nil {
		a.t.Fatalf("%s: %s was refused: %v; seen:\n%s", a.name, name, err, a.told())
	}
	if err := csta.Check(resp); err != nil {
		a.t.Errorf("%s: the answer to %s is not valid: %v", a.name, name, err)
	}
	a.shown.work(req)
	return resp
}

// try performs a service whatever comes of it.
func (s *stage) try(a *actor, req csta.Message) (csta.Message, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 2*a.wait)
	defer cancel()
	resp, err := a.Handler.ServeCSTA(ctx, req)
	if err == nil {
		a.shown.work(req)
	}
	return resp, err
}

// refused performs a service that must be refused with the class and one of
// the values; no value means any.
func (s *stage) refused(a *actor, req csta.Message, class csta.ErrorClass, values ...string) {
	s.Helper()
	name := csta.Name(req)
	_, err := s.try(a, req)
	var e *csta.Error
	switch {
	case err == nil:
		s.Errorf("%s: %s was not refused", a.name, name)
	case !errors.As(err, &e):
		s.Errorf("%s: %s was refused with %v, which is no CSTA error", a.name, name, err)
	case e.Class != class || len(values) > 0 && !slices.Contains(values, e.Value):
		s.Errorf("%s: %s was refused with %v, not with %s/%v", a.name, name, err, class, values)
	}
	if e != nil {
		if err := csta.Check(e); err != nil {
			s.Errorf("%s: the refusal of %s is not valid: %v", a.name, name, err)
		}
	}
}

// by performs what a hand does; it must succeed.
func (s *stage) by(who, what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("the hand of %s does not %s: %v", who, what, err)
	}
}

// clearAll ends what is left of the scenario's calls.
func (s *stage) clearAll() {
	s.Helper()
	for _, a := range s.actors {
		for call := range a.states() {
			// It may have ended with another's.
			_, _ = s.try(a, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(call, a.ID)})
		}
	}
	if s.b.Outside != nil && s.b.Outside.Person.HangUp != nil {
		_ = s.b.Outside.Person.HangUp() // whoever is still there
	}
	for _, a := range s.actors {
		a.until("end of all calls", func() bool { return len(a.view.States()) == 0 })
	}
}

// idle checks that nothing is left of any call.
func (s *stage) idle() {
	s.Helper()
	for _, a := range s.actors {
		s.agree(a)
	}
	if s.b.Calls == nil {
		return
	}
	// A party outside may leave after the last line, of which nobody is told.
	s.eventually("empty model", func() error {
		if calls := s.b.Calls(); len(calls) > 0 {
			return errors.New("the model has calls: " + listCalls(calls))
		}
		return nil
	})
}

func listCalls(calls []pbx.Call) string {
	text := ""
	for _, c := range calls {
		text += " " + c.ID + ":"
		for _, conn := range c.Connections {
			text += " " + conn.Device + "=" + string(conn.State)
		}
	}
	return text
}

// eventually waits for something that no event tells of.
func (s *stage) eventually(what string, ok func() error) {
	s.Helper()
	deadline := time.After(s.b.Wait)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("no %s within %v: %v", what, s.b.Wait, err)
		}
	}
}
