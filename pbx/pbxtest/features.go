package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// Do-not-disturb and forwarding.

const (
	immediate csta.ForwardingType = "forwardImmediate"
	onBusy    csta.ForwardingType = "forwardBusy"
	noAnswer  csta.ForwardingType = "forwardNoAns"
)

func featureScenarios() []scenario {
	dnd := services(&csta.SetDoNotDisturb{}, &csta.GetDoNotDisturb{}, &csta.DoNotDisturbEvent{})
	forwarding := services(&csta.SetForwarding{}, &csta.GetForwarding{}, &csta.ForwardingEvent{})
	return []scenario{
		{name: "do not disturb by client", services: append(dnd[:3:3], &csta.MakeCall{}), play: dndByClient},
		{name: "do not disturb by hand", services: dnd, needs: []Ability{HandDoNotDisturb}, play: dndByHand},
		{name: "forwarding, immediate", services: append(forwarding[:3:3], &csta.MakeCall{}), play: forwardImmediate},
		{name: "forwarding, busy", services: append(forwarding[:3:3], &csta.MakeCall{}), needs: []Ability{Engaged}, play: forwardOnBusy},
		{name: "forwarding, no answer", services: append(forwarding[:3:3], &csta.MakeCall{}), needs: []Ability{Impatient}, play: forwardNoAnswer},
		{name: "forwarding by hand", services: forwarding, needs: []Ability{HandForwarding}, play: forwardByHand},
		{name: "forwarding settings", services: forwarding, play: forwardSettings},
		{name: "forwarding to outside", services: append(forwarding[:3:3], &csta.MakeCall{}), needs: []Ability{OutsideLine}, play: forwardOutside},
		{name: "forwarding refused", services: forwarding, play: forwardRefused},
		{name: "forwarding in a circle", services: forwarding, needs: []Ability{ForwardingRefusal, Unknown}, play: forwardCircle},
	}
}

func (s *stage) dndIs(a *actor, on bool) {
	s.Helper()
	ev := expect(a, "do-not-disturb changes", func(e *csta.DoNotDisturbEvent) bool { return e.DoNotDisturbOn == on })
	a.check(ev, "device", ev.Device, a)
	if got := ask(a, &csta.GetDoNotDisturb{Device: csta.Device(a.ID)}).DoNotDisturbOn; got != on {
		s.Errorf("do-not-disturb is %v after the event said %v", got, on)
	}
}

func dndByClient(s *stage) {
	ask(s.B, &csta.SetDoNotDisturb{Device: csta.Device(s.B.ID), DoNotDisturbOn: true})
	s.dndIs(s.B, true)
	call := s.dial(s.A, s.B.Number)
	s.fails(s.A, call, "doNotDisturb", "busy")
	s.silent(s.B)
	s.agree(s.B)
	s.clearAll()
	ask(s.B, &csta.SetDoNotDisturb{Device: csta.Device(s.B.ID), DoNotDisturbOn: false})
	s.dndIs(s.B, false)
	call = s.ring(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

func dndByHand(s *stage) {
	for _, on := range []bool{true, false} {
		s.by("B", "set do-not-disturb", s.B.Person.SetDoNotDisturb(on))
		s.dndIs(s.B, on)
	}
}

// forward sets the forwarding of a to number by its client, and checks what is
// told and read of it.
func (s *stage) forward(a *actor, kind csta.ForwardingType, on bool, number string) {
	s.Helper()
	req := &csta.SetForwarding{Device: csta.Device(a.ID), ForwardingType: kind, ActivateForward: on}
	if on {
		req.ForwardDN = csta.Device(number)
	}
	ask(a, req)
	s.forwarding(a, kind, on, number)
}

// forwarding waits until a is told of the setting, and reads it back.
func (s *stage) forwarding(a *actor, kind csta.ForwardingType, on bool, number string) {
	s.Helper()
	// What did not change may be told again, after the bus has missed something.
	ev := expect(a, "forwarding changes", func(e *csta.ForwardingEvent) bool {
		return e.ForwardingType == kind && e.ForwardStatus == on && (!on || s.target(number, e.ForwardTo.ID))
	})
	a.check(ev, "device", ev.Device, a)
	found := false
	for _, item := range ask(a, &csta.GetForwarding{Device: csta.Device(a.ID)}).ForwardingList {
		if item.ForwardingType != kind {
			continue
		}
		found = true
		if item.ForwardStatus != on || on && !s.target(number, item.ForwardDN.ID) {
			s.Errorf("%s is %v to %q after the event said %v to %q", kind, item.ForwardStatus, item.ForwardDN, on, number)
		}
	}
	if on && !found {
		s.Errorf("%s is on but not listed", kind)
	}
}

// target reports whether got is how the dialled number may be shown.
func (s *stage) target(number, got string) bool {
	if got == number {
		return true
	}
	for _, a := range s.actors {
		if number == a.Number && got == a.Shown {
			return true
		}
	}
	return s.b.Outside != nil && number == s.b.Outside.Number && got == s.b.Outside.Shown
}

// rang checks that a's call, forwarded from b, rings at c, lets c answer and
// ends it.
func (s *stage) forwarded(a, b, c *actor) {
	s.Helper()
	for _, x := range []*actor{a, c} {
		ev := s.redirected(x, b, c)
		x.check(ev, "callingDevice", ev.CallingDevice, a)
	}
	call := s.rings(c)
	s.agree(a, b, c)
	s.answer(c, call)
	s.answers(c, call, a)
	s.agree(a, b, c)
	s.hangsUp(a, call, c)
}

// rings returns the call that rings at the line.
func (s *stage) rings(x *actor) string {
	s.Helper()
	for call, state := range x.states() {
		if state == pbx.Alerting {
			return call
		}
	}
	s.Fatalf("%s does not ring", x.name)
	return ""
}

func forwardImmediate(s *stage) {
	s.forward(s.B, immediate, true, s.C.Number)
	s.dial(s.A, s.B.Number)
	s.forwarded(s.A, s.B, s.C)
	s.silent(s.B)
	s.forward(s.B, immediate, false, s.C.Number)
	call := s.ring(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

func forwardOnBusy(s *stage) {
	s.forward(s.B, onBusy, true, s.C.Number)
	call := s.ring(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
	talk := s.talk(s.D, s.B)
	s.dial(s.A, s.B.Number)
	s.forwarded(s.A, s.B, s.C)
	s.hangsUp(s.B, talk, s.D)
}

func forwardNoAnswer(s *stage) {
	s.forward(s.impatient, noAnswer, true, s.C.Number)
	call := s.ring(s.A, s.impatient)
	s.diverted(s.A, s.impatient, call)
	s.forwarded(s.A, s.impatient, s.C)
	s.forward(s.impatient, noAnswer, false, s.C.Number)
}

func forwardByHand(s *stage) {
	for _, kind := range []csta.ForwardingType{immediate, onBusy, noAnswer} {
		for _, on := range []bool{true, false} {
			s.by("B", "set forwarding", s.B.Person.SetForwarding(kind, on, s.C.Number))
			s.forwarding(s.B, kind, on, s.C.Number)
		}
	}
}

// Settings do not touch one another, and what was set at the phone is not
// overridden in silence.
func forwardSettings(s *stage) {
	s.forward(s.B, immediate, true, s.C.Number)
	s.forward(s.B, onBusy, true, s.D.Number)
	s.forward(s.B, noAnswer, true, s.C.Number)
	s.forward(s.B, immediate, true, s.D.Number)
	s.forward(s.B, noAnswer, false, s.C.Number)
	on := map[csta.ForwardingType]string{}
	for _, item := range ask(s.B, &csta.GetForwarding{Device: csta.Device(s.B.ID)}).ForwardingList {
		if item.ForwardStatus {
			on[item.ForwardingType] = item.ForwardDN.ID
		}
	}
	if len(on) != 2 || !s.target(s.D.Number, on[immediate]) || !s.target(s.D.Number, on[onBusy]) {
		s.Errorf("forwarding is %v, not immediate and busy to %s", on, s.D.Number)
	}
	if saw(s.A, func(e *csta.ForwardingEvent) bool { return e.ForwardStatus }) {
		s.Errorf("A was told of B's forwarding")
	}
	s.forward(s.B, immediate, false, "")
	s.forward(s.B, onBusy, false, "")
}

func forwardOutside(s *stage) {
	o := s.b.Outside
	s.forward(s.B, immediate, true, o.Number)
	call := s.dial(s.A, s.B.Number)
	ringing := expect(s.A, "the subscriber is called", func(e *csta.DeliveredEvent) bool { return e.Connection.CallID == call })
	if n := ringing.AlertingDevice.String(); n != o.Shown && n != o.Number {
		s.Errorf("who was called outside is shown as %q, not %q", n, o.Shown)
	}
	s.by("the subscriber", "answer", o.Person.Answer())
	expect(s.A, "the subscriber answers", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == ringing.Connection })
	s.silent(s.B)
	s.hangsUp(s.A, call)
	s.forward(s.B, immediate, false, "")
}

func forwardRefused(s *stage) {
	set := func(kind csta.ForwardingType, number string) *csta.SetForwarding {
		return &csta.SetForwarding{Device: csta.Device(s.B.ID), ForwardingType: kind, ActivateForward: true, ForwardDN: csta.Device(number)}
	}
	s.refused(s.B, set(immediate, s.B.Number), csta.Operation, "invalidForwardingDestination")
	s.refused(s.B, set(immediate, "12\r\n34"), csta.Operation)
	s.refused(s.B, set("forwardDNDExt", s.C.Number), csta.Operation, "invalidForwardingType")
	s.refused(s.B, set("no such type", s.C.Number), csta.Operation)
	missing := set(immediate, "")
	s.refused(s.B, missing, csta.Operation, "invalidForwardingDestination", "atLeastOneConditionalParameterNotProvided", "invalidParameterValue")
	for _, item := range ask(s.B, &csta.GetForwarding{Device: csta.Device(s.B.ID)}).ForwardingList {
		if item.ForwardStatus {
			s.Errorf("%s is on after every setting was refused", item.ForwardingType)
		}
	}
	if saw(s.B, func(*csta.ForwardingEvent) bool { return true }) {
		s.Errorf("a setting that was refused was told")
	}
}

func forwardCircle(s *stage) {
	set := func(a *actor, number string) *csta.SetForwarding {
		return &csta.SetForwarding{Device: csta.Device(a.ID), ForwardingType: immediate, ActivateForward: true, ForwardDN: csta.Device(number)}
	}
	s.refused(s.A, set(s.A, s.b.Unknown), csta.Operation, "invalidForwardingDestination")
	s.forward(s.A, immediate, true, s.B.Number)
	s.forward(s.B, immediate, true, s.C.Number)
	s.refused(s.C, set(s.C, s.A.Number), csta.Operation, "invalidForwardingDestination")
	s.refused(s.C, set(s.C, s.B.Number), csta.Operation, "invalidForwardingDestination")
	s.forward(s.A, immediate, false, "")
	s.forward(s.B, immediate, false, "")
}
