package sim

import (
	"cmp"
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

func (s *Sim) directedPickupCall(r *csta.DirectedPickupCall) (*csta.DirectedPickupCallResponse, error) {
	p, err := s.line("requestingDevice", r.RequestingDevice)
	if err != nil {
		return nil, err
	}
	c, conn, err := s.calls.Require(r.CallToBePickedUp, badConnection, pbx.Alerting, pbx.Queued)
	if err != nil {
		return nil, err
	}
	switch {
	case conn.Device == p.Number:
		return nil, csta.Errorf(csta.Operation, "notDifferentDevices", "the call rings at %s itself", p.Number)
	case has(c, p.Number):
		return nil, csta.Errorf(csta.Operation, "requestIncompatibleWithPickupDevice", "%s is in call %s", p.Number, c.ID)
	case conn.State == pbx.Alerting && !conn.Own:
		return nil, csta.Errorf(csta.Operation, "requestIncompatibleWithConnection", "%s is not a phone of this PBX", conn.Device)
	}
	if err := s.free(p, "invalidDeviceState"); err != nil {
		return nil, err
	}
	s.pickUp(c, conn, p)
	return &csta.DirectedPickupCallResponse{PickedCall: csta.Connection(c.ID, p.Number)}, nil
}

// pickUp connects the phone in the place of a party that rings or waits.
func (s *Sim) pickUp(c pbx.Call, conn pbx.Connection, p *phone) {
	s.calls.Diverted(c.ID, conn.Device, csta.Party(p.Number), causePickup)
	s.connect(c.ID, p.party(), causePickup)
}

func (s *Sim) groupPickupCall(r *csta.GroupPickupCall) (*csta.GroupPickupCallResponse, error) {
	p, err := s.line("newDestination", r.NewDestination)
	if err != nil {
		return nil, err
	}
	group := p.PickupGroup
	if id := r.PickGroup.ID; id != "" {
		if group = id; !s.isGroup(id) {
			return nil, csta.Errorf(csta.Operation, "invalidPickUpDeviceID", "pickGroup %q is no pick-up group", id)
		}
	}
	call, err := s.pickUpGroup(p, group)
	if err != nil {
		return nil, err
	}
	return &csta.GroupPickupCallResponse{PickedCall: csta.Connection(call, p.Number)}, nil
}

func (s *Sim) isGroup(number string) bool {
	for _, p := range s.phones {
		if p.PickupGroup == number {
			return true
		}
	}
	return false
}

// pickUpGroup connects the phone to the oldest call that rings at another phone
// of the group, and returns its callID.
func (s *Sim) pickUpGroup(p *phone, group string) (string, error) {
	if err := s.free(p, "invalidDeviceState"); err != nil {
		return "", err
	}
	calls := s.calls.List()
	// callIDs count up, in digits that sort as they are written.
	slices.SortFunc(calls, func(a, b pbx.Call) int { return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID)) })
	for _, c := range calls {
		for _, conn := range c.Connections {
			if conn.Own && conn.State == pbx.Alerting && s.phones[conn.Device].PickupGroup == group && !has(c, p.Number) {
				s.pickUp(c, conn, p)
				return c.ID, nil
			}
		}
	}
	return "", csta.Errorf(csta.StateIncompatibility, "noCallToAnswer", "no call rings in the pick-up group %q", group)
}
