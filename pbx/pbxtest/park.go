package pbxtest

import (
	"errors"
	"slices"
	"sync"

	"rccgw/csta"
	"rccgw/pbx"
)

// Calls that are parked.

func parkScenarios() []scenario {
	need := services(&csta.MakeCall{}, &csta.ParkCall{}, &csta.QueuedEvent{})
	at := []Ability{Orbit}
	return []scenario{
		{name: "park and retrieve", services: need, needs: at, play: func(s *stage) { parkRetrieve(s, s.C) }},
		{name: "park and retrieve oneself", services: need, needs: at, play: func(s *stage) { parkRetrieve(s, s.A) }},
		{name: "park by hand", services: services(&csta.MakeCall{}, &csta.QueuedEvent{}), needs: []Ability{Orbit, HandPark, HandDial}, play: parkByHand},
		{name: "park, and the parked party leaves", services: need, needs: []Ability{Orbit, Quick}, play: parkGivenUp},
		{name: "park, and nobody retrieves", services: need, needs: []Ability{Orbit, Impatient}, play: parkRecall},
		{name: "park, refused", services: need, needs: []Ability{Orbit, Unknown}, play: parkRefused},
		{name: "park by both at once", services: need, needs: at, play: parkByBoth},
		{name: "park a conference", services: append(need[:3:3], &csta.ConferenceCall{}, &csta.ConsultationCall{}), needs: at, play: parkConference},
		{name: "link lost, parked, then retrieved", services: need, needs: []Ability{Orbit, Link, LinkWaiting, HandDial}, play: linkParked},
		{name: "an orbit where nothing is parked", services: need, needs: at, play: orbitEmpty},
	}
}

// parked waits until all are told that a parked its call with b at the orbit.
func (s *stage) parked(a, b *actor, call string) {
	s.Helper()
	shown := func(d csta.ExtendedDeviceID) bool { return d.String() == s.b.OrbitShown || d.String() == s.b.Orbit }
	for _, x := range []*actor{a, b} {
		ev := expect(x, a.name+" parks", func(e *csta.DivertedEvent) bool { return x.isConn(e.Connection, call, a) })
		if ev.Cause != "park" || !shown(ev.NewDestination) {
			s.Errorf("%s: %s to %q with cause %s, not to %q with cause park", x.name, describe(ev), ev.NewDestination, ev.Cause, s.b.Orbit)
		}
	}
	ev := expect(b, "the call is parked", func(e *csta.QueuedEvent) bool { return e.QueuedConnection.CallID == call })
	b.checkLocal(ev, pbx.Connected)
	if ev.Cause != "park" || !shown(ev.Queue) {
		s.Errorf("%s: %s at %q with cause %s, not at %q with cause park", b.name, describe(ev), ev.Queue, ev.Cause, s.b.Orbit)
	}
	if state := a.states()[call]; state != "" {
		s.Errorf("%s is %s in the call that it parked", a.name, state)
	}
	s.agree(a, b)
}

// park has a's client park its call with b.
func (s *stage) park(a, b *actor, call string) {
	s.Helper()
	resp := ask(a, &csta.ParkCall{Parking: a.conn(call, a), ParkTo: csta.Device(s.b.Orbit)})
	if at := resp.ParkedTo; at.CallID != call || at.DeviceID.ID != s.b.Orbit && at.DeviceID.ID != s.b.OrbitShown {
		s.Errorf("the answer to ParkCall names %s, not %s at %s", at, call, s.b.Orbit)
	}
	s.parked(a, b, call)
}

// notice waits until a is told that the call which it parked has left the orbit.
// It has no connection in that call.
func (s *stage) notice(a *actor, call string) {
	s.Helper()
	a.until("notice that "+call+" left the orbit", func() bool {
		for _, x := range a.events {
			local, of := csta.LocalConnection(x.ev)
			st, ok := stepOf(x.ev)
			if ok && of == call && local == "" && st.to == pbx.Null && st.id.DeviceID.ID != a.ID {
				return true
			}
		}
		return false
	})
}

// together waits until the lines talk in one call, and returns it.
func (s *stage) together(a, b *actor) (call string) {
	s.Helper()
	s.eventually("call of "+a.name+" and "+b.name, func() error {
		theirs := b.states()
		for id, state := range a.states() {
			if state == pbx.Connected && theirs[id] == pbx.Connected && len(theirs) == 1 {
				call = id
				return nil
			}
		}
		return errors.New("seen:\n" + a.told() + b.told())
	})
	s.agree(a, b)
	return call
}

// Dialling the orbit retrieves the call. Whether it keeps its callID is open.
func parkRetrieve(s *stage, who *actor) {
	call := s.talk(s.A, s.B)
	s.park(s.A, s.B, call)
	s.dial(who, s.b.Orbit)
	now := s.together(who, s.B)
	if who != s.A {
		s.notice(s.A, call)
	}
	s.agree(s.A, s.B, s.C)
	s.hangsUp(who, now, s.B)
}

func parkByHand(s *stage) {
	call := s.talk(s.A, s.B)
	s.by("A", "park", s.A.Person.Park(s.b.Orbit))
	s.parked(s.A, s.B, call)
	s.by("C", "dial", s.C.Person.Dial(s.b.Orbit))
	now := s.together(s.C, s.B)
	s.notice(s.A, call)
	s.hangsUp(s.B, now, s.C)
}

// The orbit is free again.
func parkGivenUp(s *stage) {
	for range 2 {
		call := s.talk(s.A, s.B)
		s.park(s.A, s.B, call)
		s.hangsUp(s.B, call)
		s.notice(s.A, call)
		s.agree(s.A, s.B)
	}
}

func parkRecall(s *stage) {
	a := s.impatient
	call := s.talk(s.B, a)
	s.park(a, s.B, call)
	ev := expect(a, "the call comes back", func(e *csta.DeliveredEvent) bool { return a.isConn(e.Connection, call, a) && e.Cause != "newCall" })
	if ev.Cause != "recall" && ev.Cause != "recallNoAnswer" {
		s.Errorf("the parked call comes back with cause %s", ev.Cause)
	}
	a.checkLocal(ev, pbx.Alerting)
	s.notice(a, call)
	expect(s.B, "the call leaves the orbit", func(e *csta.DivertedEvent) bool {
		return e.Connection.CallID == call && !s.B.isConn(e.Connection, call, a)
	})
	s.B.until("alerting of who parked the call", func() bool {
		for _, x := range s.B.events {
			if e, ok := x.ev.(*csta.DeliveredEvent); ok && s.B.isConn(e.Connection, call, a) && (e.Cause == "recall" || e.Cause == "recallNoAnswer") {
				return true
			}
		}
		return false
	})
}

func parkRefused(s *stage) {
	call := s.talk(s.A, s.B)
	park := func(a *actor, call, to string) *csta.ParkCall {
		return &csta.ParkCall{Parking: a.conn(call, a), ParkTo: csta.Device(to)}
	}
	s.refused(s.A, park(s.A, call, s.b.Unknown), csta.Operation, "invalidParkToDeviceID", "invalidDestination")
	s.refused(s.A, park(s.A, call, "9\r\n00"), csta.Operation)
	s.refused(s.A, park(s.A, call, ""), csta.Operation)
	s.agree(s.A, s.B)
	s.park(s.A, s.B, call)
	// Full.
	other := s.talk(s.C, s.D)
	s.refused(s.C, park(s.C, other, s.b.Orbit), csta.StateIncompatibility, "invalidParkToDeviceState")
	s.agree(s.C, s.D)
	// Who is parked cannot be held, or parked by its client again.
	s.refused(s.B, &csta.ParkCall{Parking: s.B.conn(call, s.B), ParkTo: csta.Device(s.b.Orbit)}, csta.StateIncompatibility)
	if s.B.Features.Supports(&csta.HoldCall{}) {
		s.refused(s.B, &csta.HoldCall{CallToBeHeld: s.B.conn(call, s.B)}, csta.StateIncompatibility)
	}
	s.refused(s.A, park(s.A, call, s.b.Orbit), csta.Operation, badConnections...)
	s.agree(s.A, s.B, s.C, s.D)
}

// Of two who park each other at once one is parked, and the other told that it is too late.
func parkByBoth(s *stage) {
	call := s.talk(s.A, s.B)
	line := []*actor{s.A, s.B}
	errs := make([]error, len(line))
	var both sync.WaitGroup
	for i, a := range line {
		both.Go(func() {
			_, errs[i] = s.try(a, &csta.ParkCall{Parking: a.conn(call, a), ParkTo: csta.Device(s.b.Orbit)})
		})
	}
	both.Wait()
	if errs[0] != nil {
		slices.Reverse(line)
		slices.Reverse(errs)
	}
	if errs[0] != nil || errs[1] == nil {
		s.Fatalf("of two who park each other one is to be parked: %v", errs)
	}
	if e := csta.AsError(errs[1]); e.Class != csta.StateIncompatibility && e.Class != csta.Operation {
		s.Errorf("who is parked was refused with %v", errs[1])
	}
	s.parked(line[0], line[1], call)
}

// A PBX may refuse to park a conference; then nothing has changed.
func parkConference(s *stage) {
	call := s.three()
	if _, err := s.try(s.A, &csta.ParkCall{Parking: s.A.conn(call, s.A), ParkTo: csta.Device(s.b.Orbit)}); err == nil {
		s.parked(s.A, s.B, call)
		return
	} else if e := csta.AsError(err); e.Class != csta.Operation && e.Class != csta.StateIncompatibility {
		s.Errorf("the parking of a conference was refused with %v", err)
	}
	s.agree(s.A, s.B, s.C)
	s.leaves(s.A, call, s.B, s.C)
}

func linkParked(s *stage) {
	call := s.talk(s.A, s.B)
	s.park(s.A, s.B, call)
	s.cut()
	s.by("C", "dial", s.C.Person.Dial(s.b.Orbit))
	s.restore()
	now := s.together(s.C, s.B)
	s.notice(s.A, call)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.B, now, s.C)
}

func orbitEmpty(s *stage) {
	s.fails(s.A, s.dial(s.A, s.b.Orbit), "destNotObtainable", "numberUnallocated", "invalidNumberFormat")
	s.agree(s.A)
}
