package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// Calls that ring at one phone and are answered at another.

func pickupScenarios() []scenario {
	directed := services(&csta.MakeCall{}, &csta.DirectedPickupCall{})
	group := services(&csta.MakeCall{}, &csta.GroupPickupCall{})
	return []scenario{
		{name: "directed pick-up", services: directed, play: directedPickup},
		{name: "directed pick-up, while another call is held", services: append(directed[:2:2], &csta.HoldCall{}, &csta.RetrieveCall{}), play: directedPickupHolding},
		{name: "directed pick-up of a parked call", services: append(directed[:2:2], &csta.ParkCall{}), needs: []Ability{Orbit}, play: directedPickupParked},
		{name: "directed pick-up, refused", services: directed, play: directedPickupRefused},
		{name: "group pick-up", services: group, play: func(s *stage) { groupPickup(s, "") }},
		{name: "group pick-up, group named", services: group, needs: []Ability{Group}, play: func(s *stage) { groupPickup(s, s.b.PickupGroup) }},
		{name: "group pick-up by hand", services: group, needs: []Ability{HandPickUp}, play: groupPickupByHand},
		{name: "group pick-up, refused", services: group, needs: []Ability{Unknown}, play: groupPickupRefused},
	}
}

// liftsToPick has a lift its phone, where that is called to pick up; one that has a call on hold is not.
func (s *stage) liftsToPick(a *actor) {
	s.Helper()
	for _, state := range a.states() {
		if state == pbx.Hold {
			return
		}
	}
	if s.b.Prompts {
		expect(a, "the phone is prompted", func(e *csta.ServiceInitiatedEvent) bool { return e.InitiatedConnection.DeviceID.ID == a.ID })
		s.by(a.name, "lift", a.Person.Lift())
	}
}

// pickedUp waits until all are told that c answered, in the place of b, the call
// that a made, and ends it.
func (s *stage) pickedUp(a, b, c *actor, call string) {
	s.Helper()
	for _, x := range []*actor{a, b} {
		ev := expect(x, c.name+" picks up", func(e *csta.DivertedEvent) bool { return x.isConn(e.Connection, call, b) })
		x.check(ev, "divertingDevice", ev.DivertingDevice, b)
		x.check(ev, "newDestination", ev.NewDestination, c)
		if ev.Cause != "callPickup" {
			s.Errorf("%s: %s has cause %s", x.name, describe(ev), ev.Cause)
		}
	}
	s.answers(c, call, a)
	if !saw(c, func(e *csta.EstablishedEvent) bool {
		return e.Cause == "callPickup" && c.shows(e.CallingDevice.String(), a)
	}) {
		s.Errorf("%s was not told that it picked up the call of %s:\n%s", c.name, a.name, c.told())
	}
	s.agree(a, b, c)
	s.hangsUp(a, call, c)
}

func (s *stage) pickUp(c, b *actor, call string) {
	s.Helper()
	resp := ask(c, &csta.DirectedPickupCall{CallToBePickedUp: c.conn(call, b), RequestingDevice: csta.Device(c.ID)})
	if !c.isConn(resp.PickedCall, call, c) {
		s.Errorf("the answer names connection %s, not that of %s in call %s", resp.PickedCall, c.name, call)
	}
	s.liftsToPick(c)
}

func directedPickup(s *stage) {
	call := s.ring(s.A, s.B)
	s.pickUp(s.C, s.B, call)
	s.pickedUp(s.A, s.B, s.C, call)
}

func directedPickupHolding(s *stage) {
	held := s.talk(s.C, s.D)
	s.hold(s.C, held, s.D)
	call := s.ring(s.A, s.B)
	s.pickUp(s.C, s.B, call)
	s.pickedUp(s.A, s.B, s.C, call)
	ask(s.C, &csta.RetrieveCall{CallToBeRetrieved: s.C.conn(held, s.C)})
	s.retrieved(s.C, held, s.D)
}

func directedPickupParked(s *stage) {
	call := s.talk(s.A, s.B)
	resp := ask(s.A, &csta.ParkCall{Parking: s.A.conn(call, s.A), ParkTo: csta.Device(s.b.Orbit)})
	s.parked(s.A, s.B, call)
	ask(s.C, &csta.DirectedPickupCall{CallToBePickedUp: resp.ParkedTo, RequestingDevice: csta.Device(s.C.ID)})
	s.liftsToPick(s.C)
	now := s.together(s.C, s.B)
	s.notice(s.A, call)
	s.hangsUp(s.C, now, s.B)
}

func directedPickupRefused(s *stage) {
	pick := func(by *actor, call string, of *actor) *csta.DirectedPickupCall {
		return &csta.DirectedPickupCall{CallToBePickedUp: by.conn(call, of), RequestingDevice: csta.Device(by.ID)}
	}
	call := s.ring(s.A, s.B)
	s.refused(s.B, pick(s.B, call, s.B), csta.Operation)
	s.refused(s.A, pick(s.A, call, s.B), csta.Operation)
	s.refused(s.C, pick(s.C, call, s.D), csta.Operation, badConnections...)
	s.refused(s.C, pick(s.C, call, s.A), csta.StateIncompatibility, "invalidConnectionState")
	s.answer(s.B, call)
	s.answers(s.B, call, s.A)
	s.refused(s.C, pick(s.C, call, s.B), csta.StateIncompatibility, "invalidConnectionState")
	other := s.ring(s.C, s.D)
	s.refused(s.A, pick(s.A, other, s.D), csta.StateIncompatibility)
	s.agree(s.A, s.B, s.C, s.D)
}

func groupPickup(s *stage, group string) {
	call := s.ring(s.A, s.B)
	req := &csta.GroupPickupCall{NewDestination: csta.Device(s.C.ID)}
	if group != "" {
		req.PickGroup = csta.Device(group)
	}
	resp := ask(s.C, req)
	if !s.C.isConn(resp.PickedCall, call, s.C) {
		s.Errorf("the answer names connection %s, not that of C in call %s", resp.PickedCall, call)
	}
	s.liftsToPick(s.C)
	s.pickedUp(s.A, s.B, s.C, call)
}

func groupPickupByHand(s *stage) {
	call := s.ring(s.A, s.B)
	s.by("C", "pick up", s.C.Person.PickUp())
	s.pickedUp(s.A, s.B, s.C, call)
}

func groupPickupRefused(s *stage) {
	pick := func(by *actor, group string) *csta.GroupPickupCall {
		return &csta.GroupPickupCall{NewDestination: csta.Device(by.ID), PickGroup: csta.Device(group)}
	}
	s.refused(s.C, pick(s.C, ""), csta.StateIncompatibility, "noCallToAnswer")
	call := s.ring(s.A, s.B)
	s.refused(s.C, pick(s.C, s.b.Unknown), csta.Operation, "invalidPickUpDeviceID")
	s.refused(s.A, pick(s.A, ""), csta.StateIncompatibility) // its own call
	s.refused(s.B, pick(s.B, ""), csta.StateIncompatibility) // it rings
	talk := s.talk(s.C, s.D)
	s.refused(s.C, pick(s.C, ""), csta.StateIncompatibility)
	s.agree(s.A, s.B, s.C, s.D)
	if state := s.B.states()[call]; state != pbx.Alerting {
		s.Errorf("after everything was refused B is %s", state)
	}
	s.hangsUp(s.C, talk, s.D)
}
