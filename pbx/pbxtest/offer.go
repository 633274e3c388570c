package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// Calls that are offered to a line before it alerts.

func offerScenarios() []scenario {
	need := services(&csta.MakeCall{}, &csta.OfferedEvent{})
	at := []Ability{Offering}
	return []scenario{
		{name: "offered, accepted", services: need, needs: at, play: offerAccepted},
		{name: "offered, answered", services: append(need[:2:2], &csta.AnswerCall{}), needs: at, play: offerAnswered},
		{name: "offered, rejected", services: need, needs: at, play: offerRejected},
		{name: "offered, given up", services: need, needs: at, play: offerGivenUp},
		{name: "offered, deflected", services: append(need[:2:2], &csta.DeflectCall{}), needs: at, play: offerDeflected},
		{name: "link lost, offered", services: need, needs: []Ability{Offering, Link}, play: linkOffered},
	}
}

// offer has A call the line, and waits until all are told that it is offered the
// call.
func (s *stage) offer() (call string) {
	s.Helper()
	call = s.dial(s.A, s.offered.Number)
	for _, x := range []*actor{s.A, s.offered} {
		ev := expect(x, "the call is offered", func(e *csta.OfferedEvent) bool { return x.isConn(e.OfferedConnection, call, s.offered) })
		x.check(ev, "offeredDevice", ev.OfferedDevice, s.offered)
		x.check(ev, "callingDevice", ev.CallingDevice, s.A)
	}
	s.offered.untilState(call, pbx.Alerting)
	s.silent(s.offered)
	s.agree(s.A, s.offered)
	return call
}

func (s *stage) accepts(call string) {
	s.Helper()
	ask(s.offered, &csta.AcceptCall{CallToBeAccepted: s.offered.conn(call, s.offered)})
	s.alerts(s.A, s.offered, call)
}

func offerAccepted(s *stage) {
	s.offersOf(s.offered, &csta.AcceptCall{})
	call := s.offer()
	s.accepts(call)
	s.agree(s.A, s.offered)
	s.refused(s.offered, &csta.AcceptCall{CallToBeAccepted: s.offered.conn(call, s.offered)}, csta.StateIncompatibility, "invalidConnectionState")
	s.answer(s.offered, call)
	s.answers(s.offered, call, s.A)
	s.refused(s.offered, &csta.AcceptCall{CallToBeAccepted: s.offered.conn(call, s.offered)}, csta.StateIncompatibility, "invalidConnectionState")
	s.agree(s.A, s.offered)
	s.hangsUp(s.A, call, s.offered)
}

func offerAnswered(s *stage) {
	call := s.offer()
	ask(s.offered, &csta.AnswerCall{CallToBeAnswered: s.offered.conn(call, s.offered)})
	s.answers(s.offered, call, s.A)
	s.agree(s.A, s.offered)
	s.hangsUp(s.offered, call, s.A)
}

func offerRejected(s *stage) {
	call := s.offer()
	ask(s.offered, &csta.ClearConnection{ConnectionToBeCleared: s.offered.conn(call, s.offered)})
	s.gone(call, s.offered)
	s.silent(s.offered)
}

func offerGivenUp(s *stage) {
	call := s.offer()
	s.hangsUp(s.A, call, s.offered)
	s.silent(s.offered)
	s.agree(s.A, s.offered)
}

func offerDeflected(s *stage) {
	call := s.offer()
	ask(s.offered, &csta.DeflectCall{CallToBeDiverted: s.offered.conn(call, s.offered), NewDestination: csta.Device(s.C.Number)})
	s.diverted(s.A, s.offered, call)
	ev := expect(s.C, "C alerts", func(e *csta.DeliveredEvent) bool { return s.C.isConn(e.Connection, call, s.C) })
	s.C.check(ev, "callingDevice", ev.CallingDevice, s.A)
	s.agree(s.A, s.C, s.offered)
	s.hangsUp(s.A, call, s.C)
}

// An offer that was accepted before the link was lost is still a call that rings.
func linkOffered(s *stage) {
	s.offersOf(s.offered, &csta.AcceptCall{})
	call := s.offer()
	s.cut()
	s.restore()
	s.agree(s.A, s.offered)
	s.accepts(call)
	s.cut()
	s.restore()
	s.agree(s.A, s.offered)
	s.hangsUp(s.A, call, s.offered)
}
