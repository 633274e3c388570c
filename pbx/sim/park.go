package sim

import (
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// A call that is parked waits at an orbit, which is a party of it, until
// somebody dials the orbit, or the phone that parked it rings again. That phone
// is told when the call leaves the orbit.

func (s *Sim) isOrbit(number string) bool { return slices.Contains(s.config.Orbits, number) }

func (s *Sim) parkCall(r *csta.ParkCall) (*csta.ParkCallResponse, error) {
	c, p, err := s.require(r.Parking, badConnection, pbx.Connected)
	if err != nil {
		return nil, err
	}
	if err := s.park(c, p, r.ParkTo.ID); err != nil {
		return nil, err
	}
	return &csta.ParkCallResponse{ParkedTo: csta.Connection(c.ID, r.ParkTo.ID)}, nil
}

// park moves the call of two from the phone to the orbit.
func (s *Sim) park(c pbx.Call, p *phone, orbit string) error {
	if !s.isOrbit(orbit) {
		return csta.Errorf(csta.Operation, "invalidParkToDeviceID", "parkTo %q is no orbit", orbit)
	}
	if err := s.settled(c, p.Number); err != nil {
		return err
	}
	if n := len(c.Connections); n > 2 {
		return csta.Errorf(csta.Operation, "requestIncompatibleWithConnection", "a conference of %d is not parked", n)
	}
	if len(s.calls.At(orbit)) > 0 {
		return csta.Errorf(csta.StateIncompatibility, "invalidParkToDeviceState", "another call is parked at %q", orbit)
	}
	at := pbx.Party{Device: orbit, For: p.Number}
	s.calls.Diverted(c.ID, p.Number, at.Shown(), causePark)
	s.calls.Queued(c.ID, at, causePark)
	s.recallLater(s.of(c.ID), p, orbit)
	return nil
}

// recallLater brings the call back to the phone that parked it, as soon as that
// can ring when time is up.
func (s *Sim) recallLater(pr *progress, p *phone, orbit string) {
	s.after(pr, p.ParkTime, func() {
		t := s.resolve(p.Number, nil)
		if t.phone != p {
			s.recallLater(pr, p, orbit)
			return
		}
		s.calls.Diverted(pr.id, orbit, t.party.Shown(), causeRecall)
		s.deliver(pr.id, t, causeRecall)
	})
}

// retrieve lets the orbit answer the call and join it with the one that is
// parked there.
func (s *Sim) retrieve(id string, orbit pbx.Party) {
	parked := s.calls.At(orbit.Device)
	c, _ := s.calls.Get(id)
	who := s.hears(id)
	if len(parked) == 0 || has(parked[0], who.Device) {
		s.fail(id, orbit, causeNotObtainable)
		return
	}
	s.calls.Established(id, orbit, causePark)
	s.calls.Transferred(pbx.Joining{Device: orbit.Device, Primary: parked[0].ID, Secondary: c.ID, Result: c.ID, To: who.Shown(), Cause: causePark})
	s.forget(parked[0].ID)
}
