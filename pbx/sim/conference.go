package sim

import (
	"rccgw/csta"
	"rccgw/pbx"
)

func (s *Sim) conferenceCall(r *csta.ConferenceCall) (*csta.ConferenceCallResponse, error) {
	held, active, p, err := s.requireTwo(r.HeldCall, r.ActiveCall, pbx.Connected)
	if err != nil {
		return nil, err
	}
	if err := s.conference(held, active, p.Number); err != nil {
		return nil, err
	}
	_, list := result(active.ID, append(held.Connections, active.Other(p.Number)...))
	return &csta.ConferenceCallResponse{ConferenceCall: csta.Connection(active.ID, p.Number), Connections: list}, nil
}

// conference joins a held and an active call of the device, which stays.
func (s *Sim) conference(held, active pbx.Call, device string) error {
	for _, c := range []pbx.Call{held, active} {
		if err := s.settled(c, device); err != nil {
			return err
		}
	}
	if err := s.joinable(held, active, device); err != nil {
		return err
	}
	added := active.Other(device)[0].Shown()
	s.calls.Conferenced(pbx.Joining{Device: device, Primary: held.ID, Secondary: active.ID, Result: active.ID, To: added, Cause: causeConference})
	s.forget(held.ID)
	return nil
}

// singleStepConferenceCall lets the added device ring in the call. It takes part
// when it has answered; the others go on if it does not.
func (s *Sim) singleStepConferenceCall(r *csta.SingleStepConferenceCall) (*csta.SingleStepConferenceCallResponse, error) {
	c, p, err := s.require(r.ActiveCall, "invalidActiveConnectionState", pbx.Connected)
	if err != nil {
		return nil, err
	}
	if r.ParticipationType != "active" {
		return nil, csta.Errorf(csta.Operation, "invalidParticipationType", "participationType %q is not offered, only active", r.ParticipationType)
	}
	if err := s.settled(c, p.Number); err != nil {
		return nil, err
	}
	if err := s.room(c, 1); err != nil {
		return nil, err
	}
	t, err := s.reach(c, r.DeviceToJoin.ID)
	if err != nil {
		return nil, err
	}
	s.of(c.ID).adding = p.Number
	s.deliver(c.ID, t, causeAdded)
	return &csta.SingleStepConferenceCallResponse{ConferencedCall: csta.Connection(c.ID, t.party.Device)}, nil
}

// clearCall ends the call for everybody. A phone that only rings has no say in it.
func (s *Sim) clearCall(r *csta.ClearCall) (*csta.ClearCallResponse, error) {
	c, _, err := s.require(r.CallToBeCleared, badConnection, pbx.Initiated, pbx.Connected, pbx.Hold, pbx.Fail)
	if err != nil {
		return nil, err
	}
	s.end(c.ID, causeNormalClearing)
	return &csta.ClearCallResponse{}, nil
}
