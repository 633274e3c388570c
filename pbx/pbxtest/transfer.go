package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// Transfers and deflections.

func transferScenarios() []scenario {
	sst := services(&csta.MakeCall{}, &csta.SingleStepTransferCall{})
	both := services(&csta.MakeCall{}, &csta.ConsultationCall{}, &csta.TransferCall{})
	return []scenario{
		{name: "transfer after ConsultationCall", services: both, play: transferConsulted},
		{name: "transfer after HoldCall and MakeCall", services: services(&csta.MakeCall{}, &csta.HoldCall{}, &csta.TransferCall{}), play: transferHeldAndMade},
		{name: "transfer after alternation", services: append(both[:3:3], &csta.AlternateCall{}), play: transferAlternated},
		{name: "transfer before answer", services: both, play: transferBeforeAnswer},
		{name: "single-step transfer, active", services: sst, play: func(s *stage) { singleStep(s, false) }},
		{name: "single-step transfer, held", services: append(sst[:2:2], &csta.HoldCall{}), play: func(s *stage) { singleStep(s, true) }},
		{name: "single-step transfer, alerting", services: sst, play: singleStepAlerting},
		{name: "single-step transfer to nobody", services: sst, needs: []Ability{Unknown}, play: singleStepNobody},
		{name: "transferred by hand", services: services(&csta.MakeCall{}), needs: []Ability{HandTransfer}, play: transferredByHand},
		{name: "transferred by hand, after asking", services: services(&csta.MakeCall{}), needs: []Ability{HandDial, HandHold, HandJoin}, play: joinedByHand},
		{name: "deflect", services: services(&csta.MakeCall{}, &csta.DeflectCall{}), play: deflect},
		{name: "deflect to outside", services: services(&csta.MakeCall{}, &csta.DeflectCall{}), needs: []Ability{OutsideLine}, play: deflectOutside},
	}
}

func transferConsulted(s *stage) {
	held, active := s.consulted()
	s.transfer(held, active)
}

func transferHeldAndMade(s *stage) {
	held := s.talk(s.A, s.B)
	s.hold(s.A, held, s.B)
	s.transfer(held, s.talk(s.A, s.C))
}

// After an alternation the call that was made first is the active one.
func transferAlternated(s *stage) {
	first, second := s.consulted()
	ask(s.A, &csta.AlternateCall{HeldCall: s.A.conn(first, s.A), ActiveCall: s.A.conn(second, s.A)})
	s.held(s.A, second)
	s.retrieved(s.A, first)
	s.transfer(second, first)
}

// transfer joins A's calls with B and C.
func (s *stage) transfer(held, active string) {
	s.Helper()
	resp := ask(s.A, &csta.TransferCall{HeldCall: s.A.conn(held, s.A), ActiveCall: s.A.conn(active, s.A)})
	call := s.transferred(s.A, held, active, s.B, s.C)
	if got := resp.TransferredCall.CallID; got != call {
		s.Errorf("the answer names call %s, the events %s", got, call)
	}
	s.B.untilState(call, pbx.Connected)
	s.C.untilState(call, pbx.Connected)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.B, call, s.C)
	s.agree(s.A, s.B, s.C)
}

// A PBX may refuse to transfer to somebody who has not answered; then nothing
// has changed.
func transferBeforeAnswer(s *stage) {
	held := s.talk(s.A, s.B)
	active := s.consult(s.A, held, s.C)
	_, err := s.try(s.A, &csta.TransferCall{HeldCall: s.A.conn(held, s.A), ActiveCall: s.A.conn(active, s.A)})
	if err != nil {
		if e := csta.AsError(err); e.Class != csta.StateIncompatibility {
			s.Errorf("the transfer was refused with %v", err)
		}
		s.agree(s.A, s.B, s.C)
		return
	}
	call := s.transferred(s.A, held, active, s.B, s.C)
	s.agree(s.A, s.B, s.C)
	s.answer(s.C, call)
	s.C.untilState(call, pbx.Connected)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.B, call, s.C)
}

func singleStep(s *stage, onHold bool) {
	call := s.talk(s.A, s.B)
	if onHold {
		s.hold(s.A, call, s.B)
	}
	resp := ask(s.A, &csta.SingleStepTransferCall{ActiveCall: s.A.conn(call, s.A), TransferredTo: csta.Device(s.C.Number)})
	after := s.transferredTo(s.A, s.B, s.C, call)
	if got := resp.TransferredCall.CallID; got != after {
		s.Errorf("the answer names call %s, the events %s", got, after)
	}
}

// transferredTo waits until c rings for b, who was a's, and lets c answer.
func (s *stage) transferredTo(a, b, c *actor, call string) (after string) {
	s.Helper()
	after = s.transferred(a, call, "", b)
	for _, x := range []*actor{b, c} {
		ev := expect(x, "the new party alerts", func(e *csta.DeliveredEvent) bool { return x.isConn(e.Connection, after, c) })
		x.check(ev, "alertingDevice", ev.AlertingDevice, c)
		x.check(ev, "callingDevice", ev.CallingDevice, b)
	}
	s.agree(a, b, c)
	s.answer(c, after)
	s.answers(c, after, b)
	s.agree(a, b, c)
	s.hangsUp(c, after, b)
	return after
}

func singleStepAlerting(s *stage) {
	call := s.ring(s.A, s.B)
	ask(s.B, &csta.SingleStepTransferCall{ActiveCall: s.B.conn(call, s.B), TransferredTo: csta.Device(s.C.Number)})
	s.deflected(call)
}

func deflect(s *stage) {
	call := s.ring(s.A, s.B)
	ask(s.B, &csta.DeflectCall{CallToBeDiverted: s.B.conn(call, s.B), NewDestination: csta.Device(s.C.Number)})
	s.deflected(call)
}

// deflected waits until A's call left B for C, and lets C answer.
func (s *stage) deflected(call string) {
	s.Helper()
	s.diverted(s.A, s.B, call)
	for _, x := range []*actor{s.A, s.C} {
		s.redirected(x, s.B, s.C)
	}
	s.agree(s.A, s.B, s.C)
	s.answer(s.C, call)
	s.answers(s.C, call, s.A)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.A, call, s.C)
}

// diverted waits until b, at whom a's call rang, is told that it is out of it.
func (s *stage) diverted(a, b *actor, call string) {
	s.Helper()
	ev := expect(b, "the call is diverted", func(e *csta.DivertedEvent) bool { return b.isConn(e.Connection, call, b) })
	b.check(ev, "divertingDevice", ev.DivertingDevice, b)
	b.checkLocal(ev, pbx.Null)
	ev = expect(a, "the call is diverted", func(e *csta.DivertedEvent) bool { return a.isConn(e.Connection, call, b) })
	a.checkLocal(ev, pbx.Connected)
}

// redirected waits until x is told that c alerts, after b did or should have.
func (s *stage) redirected(x, b, c *actor) *csta.DeliveredEvent {
	s.Helper()
	ev := expect(x, c.name+" alerts", func(e *csta.DeliveredEvent) bool { return x.shows(e.AlertingDevice.String(), c) })
	if n := ev.LastRedirectionDevice.NumberDialed.ID; !bool(ev.LastRedirectionDevice.NotKnown) && !x.shows(n, b) {
		s.Errorf("%s: %s: lastRedirectionDevice is %q, not %s", x.name, describe(ev), n, b.name)
	}
	return ev
}

func deflectOutside(s *stage) {
	o := s.b.Outside
	call := s.ring(s.A, s.B)
	ask(s.B, &csta.DeflectCall{CallToBeDiverted: s.B.conn(call, s.B), NewDestination: csta.Device(o.Number)})
	s.diverted(s.A, s.B, call)
	ringing := expect(s.A, "the subscriber is called", func(e *csta.DeliveredEvent) bool {
		return e.Connection.CallID == call && !s.A.isConn(e.Connection, call, s.B)
	})
	if n := ringing.AlertingDevice.String(); n != o.Shown && n != o.Number {
		s.Errorf("who was called outside is shown as %q, not %q", n, o.Shown)
	}
	s.by("the subscriber", "answer", o.Person.Answer())
	expect(s.A, "the subscriber answers", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == ringing.Connection })
	s.agree(s.A, s.B)
	s.hangsUp(s.A, call)
}

// A transfer to nobody is refused and the call goes on, or it is accepted and
// the transferred party finds out.
func singleStepNobody(s *stage) {
	call := s.talk(s.A, s.B)
	_, err := s.try(s.A, &csta.SingleStepTransferCall{ActiveCall: s.A.conn(call, s.A), TransferredTo: csta.Device(s.b.Unknown)})
	if err == nil {
		s.A.untilState(call, pbx.Null)
		return
	}
	if e := csta.AsError(err); e.Class != csta.Operation {
		s.Errorf("the transfer was refused with %v", err)
	}
	s.agree(s.A, s.B)
	if state := s.A.states()[call]; state != pbx.Connected {
		s.Errorf("after a transfer that was refused the call is %s", state)
	}
}

func transferredByHand(s *stage) {
	call := s.talk(s.A, s.B)
	s.by("A", "transfer", s.A.Person.Transfer(s.C.Number))
	s.transferredTo(s.A, s.B, s.C, call)
}

// A consults C at the phone, and transfers there.
func joinedByHand(s *stage) {
	held := s.talk(s.A, s.B)
	s.by("A", "hold", s.A.Person.Hold())
	s.held(s.A, held, s.B)
	s.by("A", "dial", s.A.Person.Dial(s.C.Number))
	ev := expect(s.A, "the call is originated", func(e *csta.OriginatedEvent) bool { return e.OriginatedConnection.CallID != held })
	active := ev.OriginatedConnection.CallID
	s.alerts(s.A, s.C, active)
	s.answer(s.C, active)
	s.answers(s.C, active, s.A)
	s.agree(s.A, s.B, s.C)
	s.by("A", "transfer", s.A.Person.Join())
	call := s.transferred(s.A, held, active, s.B, s.C)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.C, call, s.B)
}
