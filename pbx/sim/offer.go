package sim

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// offers reports whether calls are offered to the device before it rings.
func (s *Sim) offers(device string) bool {
	p := s.phones[device]
	return p != nil && p.Offers
}

// acceptCall lets the phone ring for the call that it was offered.
func (s *Sim) acceptCall(r *csta.AcceptCall) (*csta.AcceptCallResponse, error) {
	c, p, err := s.require(r.CallToBeAccepted, badConnection, pbx.Alerting)
	if err != nil {
		return nil, err
	}
	if !connection(c, p.Number).Early {
		return nil, csta.Errorf(csta.StateIncompatibility, badConnection, "%s rings already", p.Number)
	}
	s.alert(s.of(c.ID), p, causeNewCall)
	return &csta.AcceptCallResponse{}, nil
}
