package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// The link between driver and PBX is lost, in each state of a call, and comes
// back after nothing, or something, has happened.

func linkScenarios() []scenario {
	need := []Ability{Link}
	made := services(&csta.MakeCall{})
	list := []scenario{
		{name: "link lost, idle", services: made, needs: need, play: linkIdle},
		{name: "link lost twice", services: made, needs: need, play: linkTwice},
		{name: "link lost, settings changed", services: services(&csta.ForwardingEvent{}, &csta.DoNotDisturbEvent{}),
			needs: []Ability{Link, HandForwarding, HandDoNotDisturb}, play: linkSettings},
		{name: "link lost, new call", services: made, needs: []Ability{Link, HandDial}, play: linkNewCall},
		{name: "link lost, other call", services: made, needs: []Ability{Link, HandDial, HandHangUp}, play: linkOtherCall},
	}
	hands := []Ability{Link, HandAnswer, HandHangUp, HandHold}
	for _, c := range []struct {
		name  string
		needs []Ability
		// begin makes a call of A and B and returns it; change is what happens
		// while the link is cut, and returns the states that A and B are found in.
		begin  func(s *stage) string
		change func(s *stage) (a, b csta.LocalConnectionState)
	}{
		{"prompted", need, (*stage).prompted, func(*stage) (a, b csta.LocalConnectionState) { return pbx.Initiated, pbx.Null }},
		{"alerting", need, alerting, func(*stage) (a, b csta.LocalConnectionState) { return pbx.Connected, pbx.Alerting }},
		{"connected", need, talking, func(*stage) (a, b csta.LocalConnectionState) { return pbx.Connected, pbx.Connected }},
		{"on hold", hands, onHold, func(*stage) (a, b csta.LocalConnectionState) { return pbx.Hold, pbx.Connected }},
		{"prompted, then lifted", append(hands, HandLift), (*stage).prompted, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("A", "lift", s.A.Person.Lift())
			return pbx.Connected, pbx.Alerting
		}},
		{"alerting, then answered", hands, alerting, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("B", "answer", s.B.Person.Answer())
			return pbx.Connected, pbx.Connected
		}},
		{"alerting, then given up", hands, alerting, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("A", "hang up", s.A.Person.HangUp())
			return pbx.Null, pbx.Null
		}},
		{"alerting, then answered and held", hands, alerting, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("B", "answer", s.B.Person.Answer())
			s.by("B", "hold", s.B.Person.Hold())
			return pbx.Connected, pbx.Hold
		}},
		{"connected, then held", hands, talking, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("A", "hold", s.A.Person.Hold())
			return pbx.Hold, pbx.Connected
		}},
		{"connected, then ended", hands, talking, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("B", "hang up", s.B.Person.HangUp())
			return pbx.Null, pbx.Null
		}},
		{"on hold, then retrieved", hands, onHold, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("A", "retrieve", s.A.Person.Retrieve())
			return pbx.Connected, pbx.Connected
		}},
		{"on hold, then ended", hands, onHold, func(s *stage) (a, b csta.LocalConnectionState) {
			s.by("A", "hang up", s.A.Person.HangUp())
			return pbx.Null, pbx.Null
		}},
	} {
		list = append(list, scenario{name: "link lost, " + c.name, services: services(&csta.MakeCall{}), needs: c.needs, play: func(s *stage) {
			call := c.begin(s)
			s.agree(s.A, s.B)
			before := map[*actor]int{s.A: s.A.seenSoFar(), s.B: s.B.seenSoFar()}
			was := []csta.LocalConnectionState{orNull(s.A.states()[call]), orNull(s.B.states()[call])}
			s.cut()
			a, b := c.change(s)
			s.restore()
			s.A.untilState(call, a)
			s.B.untilState(call, b)
			s.agree(s.A, s.B)
			if was[0] == a && was[1] == b && (before[s.A] != s.A.seenSoFar() || before[s.B] != s.B.seenSoFar()) {
				s.Errorf("nothing happened while the link was lost, but events tell of something:\n%s\n%s", s.A.told(), s.B.told())
			}
		}})
	}
	return list
}

func alerting(s *stage) string { return s.ring(s.A, s.B) }

func talking(s *stage) string { return s.talk(s.A, s.B) }

func onHold(s *stage) string {
	call := s.talk(s.A, s.B)
	s.by("A", "hold", s.A.Person.Hold())
	s.held(s.A, call, s.B)
	return call
}

// cut takes the link away and waits until all lines are told.
func (s *stage) cut() {
	s.Helper()
	s.b.Cut()
	for _, a := range s.actors {
		a.until("word of the lost link", func() bool { return !a.up })
	}
}

func (s *stage) restore() {
	s.Helper()
	s.b.Restore()
	for _, a := range s.actors {
		a.until("word of the link", func() bool { return a.up })
	}
}

func linkIdle(s *stage) {
	s.cut()
	for _, m := range requests() {
		if !monitoring(m) && s.A.Features.Supports(m) {
			s.refused(s.A, sample(m, s.A, "none"), csta.SystemResourceAvailability, "resourceOutOfService")
		}
	}
	s.restore()
	call := s.talk(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

func linkTwice(s *stage) {
	call := s.ring(s.A, s.B)
	s.cut()
	s.restore()
	s.answer(s.B, call)
	s.answers(s.B, call, s.A)
	s.cut()
	s.restore()
	s.agree(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

func linkSettings(s *stage) {
	s.cut()
	s.by("B", "set forwarding", s.B.Person.SetForwarding(onBusy, true, s.C.Number))
	s.by("C", "set do-not-disturb", s.C.Person.SetDoNotDisturb(true))
	s.restore()
	s.forwarding(s.B, onBusy, true, s.C.Number)
	s.dndIs(s.C, true)
}

func linkNewCall(s *stage) {
	s.cut()
	s.by("A", "dial", s.A.Person.Dial(s.B.Number))
	s.restore()
	ringing := expect(s.B, "B alerts", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == s.B.ID })
	s.B.check(ringing, "callingDevice", ringing.CallingDevice, s.A)
	call := ringing.Connection.CallID
	s.originated(s.A, call)
	s.agree(s.A, s.B)
	s.answer(s.B, call)
	s.answers(s.B, call, s.A)
	s.hangsUp(s.B, call, s.A)
}

// One call ended and another, with somebody else, was made.
func linkOtherCall(s *stage) {
	call := s.talk(s.A, s.B)
	s.cut()
	s.by("B", "hang up", s.B.Person.HangUp())
	s.by("A", "dial", s.A.Person.Dial(s.C.Number))
	s.restore()
	s.gone(call, s.A, s.B)
	ringing := expect(s.C, "C alerts", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == s.C.ID })
	s.A.untilState(ringing.Connection.CallID, pbx.Connected)
	s.agree(s.A, s.B, s.C)
}
