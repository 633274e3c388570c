package pbxtest

import (
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// Conferences, and the end of calls for everybody.

// active is how a party takes part in a conference that it is added to.
const active csta.ParticipationType = "active"

func conferenceScenarios() []scenario {
	both := services(&csta.MakeCall{}, &csta.ConsultationCall{}, &csta.ConferenceCall{}, &csta.ConferencedEvent{})
	with := func(more ...csta.Message) []csta.Message { return append(both[:4:4], more...) }
	single := services(&csta.MakeCall{}, &csta.SingleStepConferenceCall{}, &csta.ConferencedEvent{})
	clearing := services(&csta.MakeCall{}, &csta.ClearCall{})
	return []scenario{
		{name: "conference, who made it leaves first", services: both, play: func(s *stage) { conferenceEnds(s, s.A, s.B, s.C) }},
		{name: "conference, who was held leaves first", services: both, play: func(s *stage) { conferenceEnds(s, s.B, s.C, s.A) }},
		{name: "conference, who was consulted leaves first", services: both, play: func(s *stage) { conferenceEnds(s, s.C, s.A, s.B) }},
		{name: "conference after HoldCall and MakeCall", services: services(&csta.MakeCall{}, &csta.HoldCall{}, &csta.ConferenceCall{}), play: conferenceHeldAndMade},
		{name: "conference by hand", services: services(&csta.MakeCall{}, &csta.ConsultationCall{}, &csta.ConferencedEvent{}), needs: []Ability{HandConference}, play: conferenceByHand},
		{name: "conference of four", services: both, play: conferenceOfFour},
		{name: "conference of one who holds", services: with(&csta.HoldCall{}, &csta.RetrieveCall{}), play: conferenceHolds},
		{name: "conference out of which is transferred", services: with(&csta.TransferCall{}), play: conferenceTransferred},
		{name: "conference before answer", services: both, play: conferenceBeforeAnswer},
		{name: "conference of calls in the wrong states", services: both, play: conferenceWrongStates},
		{name: "link lost, conference", services: both, needs: []Ability{Link, HandConference, HandHangUp}, play: linkConference},
		{name: "link lost in a conference", services: both, needs: []Ability{Link, HandHangUp}, play: linkInConference},
		{name: "single-step conference", services: single, play: singleStepConference},
		{name: "single-step conference, of which the maker leaves", services: single, play: singleStepMakerLeaves},
		{name: "single-step conference, not answered", services: single, needs: []Ability{Impatient}, play: singleStepNotAnswered},
		{name: "single-step conference, refused", services: single, needs: []Ability{Unknown}, play: singleStepRefused},
		{name: "clear call, by caller", services: clearing, play: func(s *stage) { clearCall(s, s.A) }},
		{name: "clear call, by called", services: clearing, play: func(s *stage) { clearCall(s, s.B) }},
		{name: "clear call, alerting", services: clearing, play: clearCallAlerting},
		{name: "clear call, conference", services: with(&csta.ClearCall{}), play: clearConference},
	}
}

// conferenced waits until all are told of the conference of a, and returns the
// callID of what results. Everybody in it is told.
func (s *stage) conferenced(a *actor, primary, secondary string, added *actor, others ...*actor) (call string) {
	s.Helper()
	all := append(others, a)
	for _, x := range all {
		ev := expect(x, a.name+" makes a conference", func(e *csta.ConferencedEvent) bool {
			return x.isConn(e.PrimaryOldCall, primary, a) && (secondary == "" || x.isConn(e.SecondaryOldCall, secondary, a))
		})
		x.check(ev, "conferencingDevice", ev.ConferencingDevice, a)
		x.check(ev, "addedParty", ev.AddedParty, added)
		x.checkLocal(ev, pbx.Connected)
		if len(ev.ConferenceConnections) != len(all) {
			s.Errorf("%s: the conference has %d connections, not %d", x.name, len(ev.ConferenceConnections), len(all))
		}
		for _, item := range ev.ConferenceConnections {
			if call == "" {
				call = item.NewConnection.CallID
			}
			if item.NewConnection.CallID != call {
				s.Errorf("%s: the conference is call %s, another line was told %s", x.name, item.NewConnection.CallID, call)
			}
		}
		for _, y := range all {
			if !slices.ContainsFunc(ev.ConferenceConnections, func(item csta.ConnectionListItem) bool { return x.isConn(item.NewConnection, call, y) }) {
				s.Errorf("%s: %s is not among the connections of the conference", x.name, y.name)
			}
		}
	}
	if call == "" {
		s.Fatalf("the conference is no call")
	}
	return call
}

// conference has a's client join the calls, and waits until all are told.
func (s *stage) conference(a *actor, held, active string, added *actor, others ...*actor) (call string) {
	s.Helper()
	resp := ask(a, &csta.ConferenceCall{HeldCall: a.conn(held, a), ActiveCall: a.conn(active, a)})
	call = s.conferenced(a, held, active, added, others...)
	if !a.isConn(resp.ConferenceCall, call, a) {
		s.Errorf("the answer names connection %s, the events %s", resp.ConferenceCall, a.conn(call, a))
	}
	for _, item := range resp.Connections {
		if item.NewConnection.CallID != call {
			s.Errorf("the answer lists connection %s, which is not of call %s", item.NewConnection, call)
		}
	}
	s.agree(append(others, a)...)
	return call
}

// three makes a conference of A, B and C.
func (s *stage) three() (call string) {
	s.Helper()
	held, active := s.consulted()
	return s.conference(s.A, held, active, s.C, s.B, s.C)
}

// leaves has a's client leave a call that the others stay in.
func (s *stage) leaves(a *actor, call string, others ...*actor) {
	s.Helper()
	s.hangsUp(a, call)
	for _, x := range others {
		ev := expect(x, a.name+" leaves", func(e *csta.ConnectionClearedEvent) bool { return x.isConn(e.DroppedConnection, call, a) })
		x.check(ev, "releasingDevice", ev.ReleasingDevice, a)
		x.checkLocal(ev, pbx.Connected)
	}
	s.agree(append(others, a)...)
}

// conferenceEnds has the parties leave one by one until nobody is left.
func conferenceEnds(s *stage, first, second, third *actor) {
	call := s.three()
	s.leaves(first, call, second, third)
	s.hangsUp(second, call, third)
	s.agree(s.A, s.B, s.C)
}

func conferenceHeldAndMade(s *stage) {
	held := s.talk(s.A, s.B)
	s.hold(s.A, held, s.B)
	call := s.conference(s.A, held, s.talk(s.A, s.C), s.C, s.B, s.C)
	s.leaves(s.A, call, s.B, s.C)
}

func conferenceByHand(s *stage) {
	held, active := s.consulted()
	s.by("A", "make a conference", s.A.Person.Conference())
	call := s.conferenced(s.A, held, active, s.C, s.B, s.C)
	s.agree(s.A, s.B, s.C)
	s.leaves(s.B, call, s.A, s.C)
}

func conferenceOfFour(s *stage) {
	held := s.three()
	active := s.consult(s.A, held, s.D)
	s.answer(s.D, active)
	s.answers(s.D, active, s.A)
	call := s.conference(s.A, held, active, s.D, s.B, s.C, s.D)
	s.leaves(s.B, call, s.A, s.C, s.D)
	s.leaves(s.A, call, s.C, s.D)
	s.hangsUp(s.D, call, s.C)
}

// Who holds is not heard, and the others go on.
func conferenceHolds(s *stage) {
	call := s.three()
	for _, x := range []*actor{s.A, s.C} {
		var others []*actor
		for _, y := range []*actor{s.A, s.B, s.C} {
			if y != x {
				others = append(others, y)
			}
		}
		s.hold(x, call, others...)
		for _, y := range others {
			if state := y.states()[call]; state != pbx.Connected {
				s.Errorf("%s is %s while %s holds", y.name, state, x.name)
			}
		}
		s.agree(s.A, s.B, s.C)
		ask(x, &csta.RetrieveCall{CallToBeRetrieved: x.conn(call, x)})
		s.retrieved(x, call, others...)
		s.agree(s.A, s.B, s.C)
	}
}

// A transfer out of a conference leaves all others connected, or is refused
// without a trace.
func conferenceTransferred(s *stage) {
	held := s.three()
	active := s.consult(s.A, held, s.D)
	s.answer(s.D, active)
	s.answers(s.D, active, s.A)
	_, err := s.try(s.A, &csta.TransferCall{HeldCall: s.A.conn(held, s.A), ActiveCall: s.A.conn(active, s.A)})
	if err != nil {
		if e := csta.AsError(err); e.Class != csta.StateIncompatibility && e.Class != csta.Operation {
			s.Errorf("the transfer was refused with %v", err)
		}
		s.agree(s.A, s.B, s.C, s.D)
		return
	}
	call := s.transferred(s.A, held, active, s.B, s.C, s.D)
	for _, x := range []*actor{s.B, s.C, s.D} {
		x.untilState(call, pbx.Connected)
	}
	s.agree(s.A, s.B, s.C, s.D)
	s.leaves(s.D, call, s.B, s.C)
}

// A PBX may refuse a conference with somebody who has not answered; then
// nothing has changed.
func conferenceBeforeAnswer(s *stage) {
	held := s.talk(s.A, s.B)
	active := s.consult(s.A, held, s.C)
	_, err := s.try(s.A, &csta.ConferenceCall{HeldCall: s.A.conn(held, s.A), ActiveCall: s.A.conn(active, s.A)})
	if err != nil {
		if e := csta.AsError(err); e.Class != csta.StateIncompatibility {
			s.Errorf("the conference was refused with %v", err)
		}
		s.agree(s.A, s.B, s.C)
		return
	}
	var call string
	for _, x := range []*actor{s.A, s.B, s.C} {
		ev := expect(x, "A makes a conference", func(e *csta.ConferencedEvent) bool { return x.isConn(e.PrimaryOldCall, held, s.A) })
		call = ev.ConferenceConnections[0].NewConnection.CallID
	}
	s.agree(s.A, s.B, s.C)
	s.answer(s.C, call)
	s.answers(s.C, call, s.A, s.B)
	s.agree(s.A, s.B, s.C)
}

func conferenceWrongStates(s *stage) {
	held, active := s.consulted()
	s.refused(s.A, &csta.ConferenceCall{HeldCall: s.A.conn(active, s.A), ActiveCall: s.A.conn(held, s.A)}, csta.StateIncompatibility, "invalidHeldConnectionState", "noHeldCall")
	s.refused(s.A, &csta.ConferenceCall{HeldCall: s.A.conn(held, s.A), ActiveCall: s.A.conn(held, s.A)}, csta.StateIncompatibility, "invalidActiveConnectionState", "noActiveCall")
	s.refused(s.A, &csta.ConferenceCall{HeldCall: s.A.conn(held, s.A), ActiveCall: s.A.conn("no-such-call", s.A)}, csta.Operation, badConnections...)
	s.agree(s.A, s.B, s.C)
	s.conference(s.A, held, active, s.C, s.B, s.C)
}

// A conference that came to be, and that somebody left, while the link was lost.
func linkConference(s *stage) {
	s.consulted()
	s.cut()
	s.by("A", "make a conference", s.A.Person.Conference())
	s.by("C", "hang up", s.C.Person.HangUp())
	s.restore()
	for _, x := range []*actor{s.A, s.B} {
		x.until("one call", func() bool { return len(x.view.States()) == 1 })
	}
	s.C.until("end of all calls", func() bool { return len(s.C.view.States()) == 0 })
	s.agree(s.A, s.B, s.C)
	for call, state := range s.A.states() {
		if state != pbx.Connected || s.B.states()[call] != pbx.Connected {
			s.Errorf("A is %s in call %s, B in %v", state, call, s.B.states())
		}
		s.hangsUp(s.A, call, s.B)
	}
}

// A conference is still one after the link was lost, and can be held and left.
func linkInConference(s *stage) {
	call := s.three()
	s.cut()
	s.by("C", "hang up", s.C.Person.HangUp())
	s.restore()
	s.C.until("end of all calls", func() bool { return len(s.C.view.States()) == 0 })
	s.agree(s.A, s.B, s.C)
	s.hold(s.A, call, s.B)
	s.cut()
	s.restore()
	s.agree(s.A, s.B)
	ask(s.A, &csta.RetrieveCall{CallToBeRetrieved: s.A.conn(call, s.A)})
	s.retrieved(s.A, call, s.B)
	s.hangsUp(s.A, call, s.B)
}

// added has A's client add x to its call with B, and waits until x rings.
func (s *stage) added(x *actor) (call string) {
	s.Helper()
	call = s.talk(s.A, s.B)
	resp := ask(s.A, &csta.SingleStepConferenceCall{ActiveCall: s.A.conn(call, s.A), DeviceToJoin: csta.Device(x.Number), ParticipationType: active})
	if !s.A.isConn(resp.ConferencedCall, call, x) {
		s.Errorf("the answer names connection %s, not that of %s in call %s", resp.ConferencedCall, x.name, call)
	}
	for _, y := range []*actor{s.A, s.B, x} {
		ev := expect(y, x.name+" alerts", func(e *csta.DeliveredEvent) bool { return y.isConn(e.Connection, call, x) })
		y.check(ev, "alertingDevice", ev.AlertingDevice, x)
	}
	s.agree(s.A, s.B, x)
	return call
}

func singleStepConference(s *stage) {
	call := s.added(s.C)
	s.answer(s.C, call)
	s.answers(s.C, call, s.A, s.B)
	if now := s.conferenced(s.A, call, "", s.C, s.B, s.C); now != call {
		s.Errorf("the conference is call %s, its connection was told as of %s", now, call)
	}
	s.agree(s.A, s.B, s.C)
	s.leaves(s.B, call, s.A, s.C)
	s.hangsUp(s.C, call, s.A)
}

// The party that is added takes the place of who added it and left.
func singleStepMakerLeaves(s *stage) {
	call := s.added(s.C)
	s.hangsUp(s.A, call)
	s.answer(s.C, call)
	s.answers(s.C, call, s.B)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.B, call, s.C)
}

func singleStepNotAnswered(s *stage) {
	call := s.added(s.impatient)
	s.gone(call, s.impatient)
	for _, x := range []*actor{s.A, s.B} {
		ev := expect(x, "who was to be added is gone", func(e *csta.ConnectionClearedEvent) bool { return x.isConn(e.DroppedConnection, call, s.impatient) })
		x.checkLocal(ev, pbx.Connected)
	}
	s.agree(s.A, s.B, s.impatient)
	s.hangsUp(s.A, call, s.B)
}

func singleStepRefused(s *stage) {
	call := s.talk(s.A, s.B)
	add := func(number string, how csta.ParticipationType) *csta.SingleStepConferenceCall {
		return &csta.SingleStepConferenceCall{ActiveCall: s.A.conn(call, s.A), DeviceToJoin: csta.Device(number), ParticipationType: how}
	}
	nobody := []string{"invalidDestination", "invalidDestinationDeviceID", "invalidCalledDeviceID"}
	s.refused(s.A, add(s.b.Unknown, active), csta.Operation, nobody...)
	s.refused(s.A, add("10\r\n03", active), csta.Operation)
	s.refused(s.A, add(s.B.Number, active), csta.Operation, append(nobody, "notDifferentDevices")...)
	for _, how := range []csta.ParticipationType{"silent", "none"} {
		resp, err := s.try(s.A, add(s.C.Number, how))
		if err != nil {
			if e := csta.AsError(err); e.Class != csta.Operation || e.Value != "invalidParticipationType" && e.Value != "participationTypeOutOfRange" {
				s.Errorf("participation type %s was refused with %v", how, err)
			}
			continue
		}
		s.Errorf("participation type %s was taken (%v), which no scenario knows", how, resp)
	}
	s.refused(s.A, add(s.C.Number, "loud"), csta.Operation)
	s.silent(s.C)
	s.agree(s.A, s.B, s.C)
	if state := s.A.states()[call]; state != pbx.Connected {
		s.Errorf("after everything was refused the call is %s", state)
	}
}

func clearCall(s *stage, who *actor) {
	call := s.talk(s.A, s.B)
	ask(who, &csta.ClearCall{CallToBeCleared: who.conn(call, who)})
	s.gone(call, s.A, s.B)
	s.agree(s.A, s.B)
}

func clearCallAlerting(s *stage) {
	call := s.ring(s.A, s.B)
	ask(s.A, &csta.ClearCall{CallToBeCleared: s.A.conn(call, s.A)})
	s.gone(call, s.A, s.B)
	s.agree(s.A, s.B)
}

func clearConference(s *stage) {
	call := s.three()
	ask(s.B, &csta.ClearCall{CallToBeCleared: s.B.conn(call, s.B)})
	s.gone(call, s.A, s.B, s.C)
	s.agree(s.A, s.B, s.C)
}
