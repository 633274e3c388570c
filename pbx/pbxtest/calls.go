package pbxtest

import (
	"errors"
	"slices"
	"sync"

	"rccgw/csta"
	"rccgw/pbx"
)

// Basic calls: made, answered, cleared, and failed.

func callScenarios() []scenario {
	list := []scenario{
		{name: "make", services: services(&csta.MakeCall{}), play: makeCall},
		{name: "make prompted", services: services(&csta.MakeCall{}, &csta.ServiceInitiatedEvent{}), needs: []Ability{HandLift}, play: makePrompted},
		{name: "prompt refused", services: services(&csta.MakeCall{}, &csta.ServiceInitiatedEvent{}), play: promptCleared},
		{name: "dialled by hand", needs: []Ability{HandDial}, play: dialledByHand},
		{name: "answered by client", services: services(&csta.MakeCall{}, &csta.AnswerCall{}), play: answeredByClient},
		{name: "answered by many at once", services: services(&csta.MakeCall{}, &csta.AnswerCall{}), play: answeredAtOnce},
		{name: "two calls side by side", services: services(&csta.MakeCall{}), play: sideBySide},
		{name: "snapshot of a call", services: services(&csta.MakeCall{}, &csta.SnapshotCall{}), play: snapshotOfCall},
		{name: "callIDs are new", services: services(&csta.MakeCall{}), needs: []Ability{Quick}, play: callIDs},
		{name: "busy number", services: services(&csta.MakeCall{}), needs: []Ability{Busy}, play: busyNumber},
		{name: "busy phone", services: services(&csta.MakeCall{}), needs: []Ability{Engaged}, play: busyPhone},
		{name: "unknown number", services: services(&csta.MakeCall{}), needs: []Ability{Unknown}, play: unknownNumber},
		{name: "not answered", services: services(&csta.MakeCall{}), needs: []Ability{Impatient}, play: notAnswered},
	}
	for _, when := range []string{"alerting", "talking"} {
		for _, side := range []string{"caller", "called"} {
			list = append(list,
				scenario{name: when + ", cleared by client of " + side, services: services(&csta.MakeCall{}, &csta.ClearConnection{}),
					play: func(s *stage) { cleared(s, when == "talking", side == "called", false) }},
				scenario{name: when + ", hung up by " + side, services: services(&csta.MakeCall{}), needs: []Ability{HandHangUp},
					play: func(s *stage) { cleared(s, when == "talking", side == "called", true) }})
		}
	}
	return list
}

func services(ms ...csta.Message) []csta.Message { return ms }

func makeCall(s *stage) {
	call := s.dial(s.A, s.B.Number)
	if !saw(s.A, func(e *csta.OriginatedEvent) bool { return s.A.shows(e.CalledDevice.String(), s.B) }) {
		s.Errorf("the caller was not told whom it called")
	}
	for _, x := range []*actor{s.A, s.B} {
		ev := expect(x, "B alerts", func(e *csta.DeliveredEvent) bool { return x.isConn(e.Connection, call, s.B) })
		x.check(ev, "alertingDevice", ev.AlertingDevice, s.B)
		x.check(ev, "callingDevice", ev.CallingDevice, s.A)
		x.check(ev, "calledDevice", ev.CalledDevice, s.B)
		if !ev.LastRedirectionDevice.NumberDialed.IsZero() {
			s.Errorf("%s: a call that nobody redirected was redirected by %q", x.name, ev.LastRedirectionDevice.NumberDialed)
		}
		if x == s.A {
			x.checkLocal(ev, pbx.Connected)
		} else {
			x.checkLocal(ev, pbx.Alerting)
		}
	}
	s.agree(s.A, s.B)
	s.answer(s.B, call)
	for _, x := range []*actor{s.A, s.B} {
		ev := expect(x, "B answers", func(e *csta.EstablishedEvent) bool { return x.isConn(e.EstablishedConnection, call, s.B) })
		x.check(ev, "answeringDevice", ev.AnsweringDevice, s.B)
		x.check(ev, "callingDevice", ev.CallingDevice, s.A)
		x.check(ev, "calledDevice", ev.CalledDevice, s.B)
		x.checkLocal(ev, pbx.Connected)
	}
	s.agree(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

func makePrompted(s *stage) {
	call := s.prompted()
	s.silent(s.B)
	s.agree(s.A, s.B)
	s.by("A", "lift", s.A.Person.Lift())
	s.originated(s.A, call)
	s.alerts(s.A, s.B, call)
	s.answer(s.B, call)
	s.answers(s.B, call, s.A)
	s.agree(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

// prompted has A's client call B, and waits until A's phone is prompted.
func (s *stage) prompted() (call string) {
	s.Helper()
	resp := ask(s.A, &csta.MakeCall{CallingDevice: csta.Device(s.A.ID), CalledDirectoryNumber: csta.Device(s.B.Number), AutoOriginate: prompt})
	call = resp.CallingDevice.CallID
	ev := expect(s.A, "the phone is prompted", func(e *csta.ServiceInitiatedEvent) bool { return s.A.isConn(e.InitiatedConnection, call, s.A) })
	s.A.check(ev, "initiatingDevice", ev.InitiatingDevice, s.A)
	s.A.checkLocal(ev, pbx.Initiated)
	return call
}

func promptCleared(s *stage) {
	call := s.prompted()
	s.hangsUp(s.A, call)
	s.silent(s.B)
}

func dialledByHand(s *stage) {
	s.by("A", "dial", s.A.Person.Dial(s.B.Number))
	made := expect(s.A, "a call is originated", func(e *csta.OriginatedEvent) bool { return e.OriginatedConnection.DeviceID.ID == s.A.ID })
	call := made.OriginatedConnection.CallID
	s.A.check(made, "callingDevice", made.CallingDevice, s.A)
	s.A.check(made, "calledDevice", made.CalledDevice, s.B)
	s.alerts(s.A, s.B, call)
	s.answer(s.B, call)
	s.answers(s.B, call, s.A)
	s.agree(s.A, s.B)
}

func answeredByClient(s *stage) {
	call := s.ring(s.A, s.B)
	ask(s.B, &csta.AnswerCall{CallToBeAnswered: s.B.conn(call, s.B)})
	s.answers(s.B, call, s.A)
	s.agree(s.A, s.B)
	s.hangsUp(s.B, call, s.A)
}

// Of many clients that answer at once one wins. The others are refused, or
// told that it is done; the call is answered once.
func answeredAtOnce(s *stage) {
	call := s.ring(s.A, s.B)
	errs := make([]error, 5)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = s.try(s.B, &csta.AnswerCall{CallToBeAnswered: s.B.conn(call, s.B)}) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		var e *csta.Error
		switch {
		case err == nil:
			won++
		case !errors.As(err, &e) || e.Class != csta.StateIncompatibility:
			s.Errorf("an answer that came late was refused with %v", err)
		}
	}
	if won == 0 {
		s.Errorf("of %d answers at once none was taken: %v", len(errs), errs)
	}
	s.answers(s.B, call, s.A)
	s.agree(s.A, s.B)
	if saw := count(s.A, func(*csta.EstablishedEvent) bool { return true }); saw != 1 {
		s.Errorf("the caller was told %d times that the call was answered", saw)
	}
}

func count[E csta.Event](a *actor, ok func(E) bool) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.events {
		if ev, is := s.ev.(E); is && ok(ev) {
			n++
		}
	}
	return n
}

func cleared(s *stage, answered, byCalled, byHand bool) {
	call := s.ring(s.A, s.B)
	if answered {
		s.answer(s.B, call)
		s.answers(s.B, call, s.A)
	}
	who := s.A
	if byCalled {
		who = s.B
	}
	if byHand {
		s.by(who.name, "hang up", who.Person.HangUp())
	} else {
		ask(who, &csta.ClearConnection{ConnectionToBeCleared: who.conn(call, who)})
	}
	// Whoever rejects a call may leave the caller with a tone.
	if byCalled && !answered {
		s.gone(call, s.B)
		s.A.until("end of the call or its failure", func() bool {
			state := s.A.view.state(call, s.A.ID)
			return state == pbx.Null || state == pbx.Fail || s.A.failed(call)
		})
	} else {
		s.gone(call, s.A, s.B)
	}
	s.agree(s.A, s.B)
}

// failed reports whether somebody in the call was seen to fail; the actor is
// locked.
func (a *actor) failed(call string) bool {
	for _, state := range a.view.calls[call] {
		if state == pbx.Fail {
			return true
		}
	}
	return false
}

func sideBySide(s *stage) {
	one := s.ring(s.A, s.B)
	two := s.ring(s.C, s.D)
	if one == two {
		s.Fatalf("two calls are %s", one)
	}
	s.answer(s.D, two)
	s.answers(s.D, two, s.C)
	s.answer(s.B, one)
	s.answers(s.B, one, s.A)
	s.hangsUp(s.D, two, s.C)
	s.agree(s.A, s.B, s.C, s.D)
	s.hangsUp(s.B, one, s.A)
}

// A call shows its devices and their states, by whatever names it: the call
// alone or the line's connection in it. Who is not in it is refused.
func snapshotOfCall(s *stage) {
	call := s.ring(s.A, s.B)
	s.shows(call, pbx.Alerting)
	s.answer(s.B, call)
	s.answers(s.B, call, s.A)
	s.shows(call, pbx.Connected)
	s.refused(s.C, &csta.SnapshotCall{SnapshotObject: s.C.conn(call, s.C)}, csta.Operation, "invalidConnectionID")
	s.refused(s.A, &csta.SnapshotCall{SnapshotObject: csta.ConnectionID{CallID: "no-such-call"}}, csta.Operation, "invalidConnectionID")
	s.hangsUp(s.A, call, s.B)
	s.refused(s.A, &csta.SnapshotCall{SnapshotObject: s.A.conn(call, s.A)}, csta.Operation, "invalidConnectionID")
}

// shows checks what A and B are shown of A's call to B, at which B is in the
// state.
func (s *stage) shows(call string, state csta.LocalConnectionState) {
	s.Helper()
	for _, x := range []*actor{s.A, s.B} {
		for _, id := range []csta.ConnectionID{x.conn(call, x), {CallID: call}} {
			shot := ask(x, &csta.SnapshotCall{SnapshotObject: id})
			if data := shot.CrossRefIDorSnapshotData; data == nil || data.SnapshotData == nil {
				s.Fatalf("%s: the snapshot has no data", x.name)
			}
			if !x.shows(shot.CallingDevice.String(), s.A) || !x.shows(shot.CalledDevice.String(), s.B) {
				s.Errorf("%s: the call is from %s to %s", x.name, shot.CallingDevice, shot.CalledDevice)
			}
			infos := shot.CrossRefIDorSnapshotData.SnapshotData.SnapshotCallResponseInfo
			if len(infos) != 2 {
				s.Fatalf("%s: the call of two has the connections %+v", x.name, infos)
			}
			for _, want := range []struct {
				who   *actor
				state csta.LocalConnectionState
			}{{s.A, pbx.Connected}, {s.B, state}} {
				i := slices.IndexFunc(infos, func(info csta.SnapshotCallResponseInfo) bool { return x.isConn(info.CallIdentifier, call, want.who) })
				if i < 0 {
					s.Errorf("%s: no connection of %s in %+v", x.name, want.who.name, infos)
				} else if info := infos[i]; info.LocalConnectionInfo != want.state || !x.shows(info.DeviceOnCall.String(), want.who) {
					s.Errorf("%s: %s is shown as %s, %s, not as %s", x.name, want.who.name, info.DeviceOnCall, info.LocalConnectionInfo, want.state)
				}
			}
		}
	}
}

func callIDs(s *stage) {
	used := map[string]bool{}
	for range 5 {
		call := s.ring(s.A, s.B)
		if used[call] {
			s.Fatalf("call %s was before", call)
		}
		used[call] = true
		s.hangsUp(s.A, call, s.B)
	}
}

func busyNumber(s *stage) {
	s.fails(s.A, s.dial(s.A, s.b.Busy), "busy")
}

func busyPhone(s *stage) {
	talk := s.talk(s.B, s.C)
	s.fails(s.A, s.dial(s.A, s.B.Number), "busy")
	s.silent(s.B)
	s.agree(s.B, s.C)
	s.hangsUp(s.B, talk, s.C)
}

func unknownNumber(s *stage) {
	resp, err := s.try(s.A, &csta.MakeCall{CallingDevice: csta.Device(s.A.ID), CalledDirectoryNumber: csta.Device(s.b.Unknown), AutoOriginate: doNotPrompt})
	if err != nil {
		// A PBX that knows its numbers refuses at once.
		e := csta.AsError(err)
		if e.Class != csta.Operation || e.Value != "invalidCalledDeviceID" && e.Value != "invalidDestination" {
			s.Errorf("a call to nobody was refused with %v", err)
		}
		return
	}
	call := resp.(*csta.MakeCallResponse).CallingDevice.CallID
	if s.b.Prompts {
		expect(s.A, "the phone is prompted", func(e *csta.ServiceInitiatedEvent) bool { return s.A.isConn(e.InitiatedConnection, call, s.A) })
		s.by("A", "lift", s.A.Person.Lift())
	}
	s.fails(s.A, call, "numberUnallocated", "destNotObtainable", "networkNotObtainable", "invalidNumberFormat")
}

func notAnswered(s *stage) {
	call := s.ring(s.A, s.impatient)
	s.gone(call, s.impatient)
	s.A.until("end of the call or its failure", func() bool {
		return s.A.view.state(call, s.A.ID) == pbx.Null || s.A.failed(call)
	})
	s.agree(s.A, s.impatient)
}
