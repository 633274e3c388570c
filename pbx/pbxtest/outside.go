package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// Calls with subscribers who are not of the PBX.

func outsideScenarios() []scenario {
	return []scenario{
		{name: "call to outside", services: services(&csta.MakeCall{}), needs: []Ability{OutsideLine}, play: callOutside},
		{name: "call from outside", needs: []Ability{OutsideLine, OutsideCalls}, play: callFromOutside},
		{name: "call without a number", needs: []Ability{OutsideLine, WithheldNumber}, play: callWithheld},
	}
}

func callOutside(s *stage) {
	o := s.b.Outside
	call := s.dial(s.A, o.Number)
	ringing := expect(s.A, "the subscriber is called", func(e *csta.DeliveredEvent) bool { return e.Connection.CallID == call })
	if n := ringing.AlertingDevice.String(); n != o.Shown && n != o.Number {
		s.Errorf("who was called outside is shown as %q, not %q", n, o.Shown)
	}
	s.A.checkLocal(ringing, pbx.Connected)
	s.by("the subscriber", "answer", o.Person.Answer())
	answered := expect(s.A, "the subscriber answers", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == ringing.Connection })
	s.A.checkLocal(answered, pbx.Connected)
	s.agree(s.A)
	s.by("the subscriber", "hang up", o.Person.HangUp())
	s.gone(call, s.A)
}

func callFromOutside(s *stage) {
	o := s.b.Outside
	s.by("the subscriber", "call", o.Call(s.A.Number))
	ringing := expect(s.A, "the phone rings", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == s.A.ID })
	if n := ringing.CallingDevice.String(); n != o.Shown {
		s.Errorf("the caller is shown as %q, not %q", n, o.Shown)
	}
	s.A.check(ringing, "alertingDevice", ringing.AlertingDevice, s.A)
	s.A.check(ringing, "calledDevice", ringing.CalledDevice, s.A)
	s.A.checkLocal(ringing, pbx.Alerting)
	s.agree(s.A)
	call := ringing.Connection.CallID
	s.answer(s.A, call)
	s.answers(s.A, call)
	s.agree(s.A)
	s.by("the subscriber", "hang up", o.Person.HangUp())
	s.gone(call, s.A)
}

func callWithheld(s *stage) {
	o := s.b.Outside
	s.by("the subscriber", "call", o.CallWithheld(s.A.Number))
	ringing := expect(s.A, "the phone rings", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == s.A.ID })
	withheld := func(ev csta.Event, caller csta.ExtendedDeviceID) {
		if !bool(caller.Restricted) && !bool(caller.NotKnown) || !caller.DeviceIdentifier.IsZero() {
			s.Errorf("%s: a caller without a number is shown as %q", describe(ev), caller.DeviceIdentifier)
		}
	}
	withheld(ringing, ringing.CallingDevice)
	call := ringing.Connection.CallID
	s.answer(s.A, call)
	answered := expect(s.A, "A answers", func(e *csta.EstablishedEvent) bool { return s.A.isConn(e.EstablishedConnection, call, s.A) })
	withheld(answered, answered.CallingDevice)
	s.agree(s.A)
	s.by("the subscriber", "hang up", o.Person.HangUp())
	s.gone(call, s.A)
	// Nothing may tell the number: no party, and no connection of it.
	saw(s.A, func(ev csta.Event) bool {
		tells := func(id csta.DeviceID) {
			if id.ID == o.Number || id.ID == o.Shown {
				s.Errorf("%s tells the number that the caller withholds", describe(ev))
			}
		}
		csta.Numbers(ev, func(n csta.Number) { tells(*n.ID) })
		csta.Connections(ev, func(c *csta.ConnectionID) { tells(c.DeviceID) })
		return false
	})
}
