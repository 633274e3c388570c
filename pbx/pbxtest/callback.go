package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// Calls that are made when who is called is free.

const callBack csta.EventCause = "callBack"

func callBackScenarios() []scenario {
	need := services(&csta.MakeCall{}, &csta.CallBack{}, &csta.ServiceInitiatedEvent{})
	return []scenario{
		{name: "call back, busy", services: need, needs: []Ability{Engaged, HandLift}, play: callBackBusy},
		{name: "call back, not answered", services: need, needs: []Ability{HandLift}, play: callBackNotAnswered},
		{name: "call back, not lifted", services: need, needs: []Ability{Engaged}, play: callBackNotLifted},
		{name: "call back, called again meanwhile", services: need, needs: []Ability{Engaged}, play: callBackCalledAgain},
		{name: "call back, refused", services: need, needs: []Ability{Engaged, Busy}, play: callBackRefused},
	}
}

// awaits has A call B, who is busy with C, and ask to be called back.
func (s *stage) awaits() (talk string) {
	s.Helper()
	talk = s.talk(s.B, s.C)
	call := s.dial(s.A, s.B.Number)
	s.fails(s.A, call, "busy")
	s.asksBack(call)
	return talk
}

// asksBack has A's client ask for a call back of its call to B, which ends by that.
func (s *stage) asksBack(call string) {
	s.Helper()
	resp := ask(s.A, &csta.CallBack{CallbackConnection: s.A.conn(call, s.A)})
	if !s.A.shows(resp.TargetDevice.ID, s.B) {
		s.Errorf("who is waited for is %q, not B", resp.TargetDevice)
	}
	s.gone(call, s.A)
	s.agree(s.A, s.B)
}

// calledBack waits until A's phone is prompted to call B.
func (s *stage) calledBack() (call string) {
	s.Helper()
	ev := expect(s.A, "the phone is called back", func(e *csta.ServiceInitiatedEvent) bool { return e.Cause == callBack })
	s.A.checkLocal(ev, pbx.Initiated)
	s.A.check(ev, "initiatingDevice", ev.InitiatingDevice, s.A)
	return ev.InitiatedConnection.CallID
}

// reaches has A lift and B answer the call that was waited for.
func (s *stage) reaches(call string) {
	s.Helper()
	s.by("A", "lift", s.A.Person.Lift())
	if ev := s.originated(s.A, call); ev.Cause != callBack {
		s.Errorf("the call is made with cause %s", ev.Cause)
	}
	s.alerts(s.A, s.B, call)
	s.answer(s.B, call)
	s.answers(s.B, call, s.A)
	s.agree(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

func callBackBusy(s *stage) {
	talk := s.awaits()
	s.silent(s.A)
	s.hangsUp(s.B, talk, s.C)
	s.reaches(s.calledBack())
}

// Who did not answer is called when the phone was used.
func callBackNotAnswered(s *stage) {
	call := s.ring(s.A, s.B)
	s.asksBack(call)
	s.gone(call, s.B)
	talk := s.talk(s.B, s.C)
	if n := count(s.A, func(*csta.ServiceInitiatedEvent) bool { return true }); n > 0 && !s.b.Prompts {
		s.Errorf("A was called back before B's phone was used")
	}
	s.hangsUp(s.B, talk, s.C)
	s.reaches(s.calledBack())
}

// prompts counts how often A was called back.
func (s *stage) prompts() int {
	return count(s.A, func(e *csta.ServiceInitiatedEvent) bool { return e.Cause == callBack })
}

// Who refuses to call is not asked again.
func callBackNotLifted(s *stage) {
	talk := s.awaits()
	s.hangsUp(s.B, talk, s.C)
	s.hangsUp(s.A, s.calledBack())
	talk = s.talk(s.B, s.C)
	s.hangsUp(s.B, talk, s.C)
	call := s.ring(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
	if n := s.prompts(); n != 1 {
		s.Errorf("A was called back %d times, not once", n)
	}
}

// A call that the user makes takes the place of the one that was waited for.
func callBackCalledAgain(s *stage) {
	talk := s.awaits()
	call := s.dial(s.A, s.B.Number)
	s.fails(s.A, call, "busy")
	s.clearLine(s.A)
	s.hangsUp(s.B, talk, s.C)
	call = s.ring(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
	if n := s.prompts(); n != 0 {
		s.Errorf("A was called back %d times, though it called by itself", n)
	}
}

// clearLine ends what is left of the line's calls.
func (s *stage) clearLine(a *actor) {
	s.Helper()
	for call := range a.states() {
		_, _ = s.try(a, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(call, a.ID)}) // it may have ended
	}
	a.until("end of all calls", func() bool { return len(a.view.States()) == 0 })
}

func callBackRefused(s *stage) {
	back := func(call string) *csta.CallBack { return &csta.CallBack{CallbackConnection: s.A.conn(call, s.A)} }
	call := s.talk(s.A, s.D)
	s.refused(s.A, back(call), csta.StateIncompatibility, "noCallToComplete")
	s.hangsUp(s.A, call, s.D)
	call = s.dial(s.A, s.b.Busy)
	s.fails(s.A, call, "busy")
	s.refused(s.A, back(call), csta.Operation, "requestIncompatibleWithCalledDevice", "invalidCalledDeviceID")
	s.agree(s.A)
	s.clearLine(s.A)
	// Twice is once: the second has replaced the call that the first was for.
	talk := s.awaits()
	s.refused(s.A, back("no-such-call"), csta.Operation, badConnections...)
	s.hangsUp(s.B, talk, s.C)
	s.hangsUp(s.A, s.calledBack())
}
