package sim

import (
	"rccgw/csta"
)

// The forwarding types that the PBX has.
const (
	forwardImmediate csta.ForwardingType = "forwardImmediate"
	forwardBusy      csta.ForwardingType = "forwardBusy"
	forwardNoAns     csta.ForwardingType = "forwardNoAns"
)

// forwardingTypes are in the order in which they are told.
var forwardingTypes = []csta.ForwardingType{forwardImmediate, forwardBusy, forwardNoAns}

// forward is one forwarding setting. A target outlives its switching off.
type forward struct {
	on    bool
	to    string
	rings int64 // before forwardNoAns; 0: as long as the phone rings
}

func (s *Sim) getForwarding(p *phone, _ *csta.GetForwarding) (*csta.GetForwardingResponse, error) {
	resp := &csta.GetForwardingResponse{}
	for _, kind := range forwardingTypes {
		f := p.forwards[kind]
		resp.ForwardingList = append(resp.ForwardingList, csta.ForwardListItem{ForwardingType: kind,
			ForwardStatus: f.on, ForwardDN: csta.Device(f.to), RingCount: f.ringCount()})
	}
	return resp, nil
}

func (f forward) ringCount() *int64 {
	if f.rings == 0 {
		return nil
	}
	return &f.rings
}

func (s *Sim) setForwarding(p *phone, r *csta.SetForwarding) (*csta.SetForwardingResponse, error) {
	f := forward{on: r.ActivateForward, to: r.ForwardDN.ID}
	if r.RingCount != nil {
		if f.rings = *r.RingCount; f.rings < 1 || f.rings > 15 {
			return nil, csta.Errorf(csta.Operation, "invalidRingCount", "ringCount %d is not between 1 and 15", f.rings)
		}
	}
	if err := s.forward(p, r.ForwardingType, f); err != nil {
		return nil, err
	}
	return &csta.SetForwardingResponse{}, nil
}

// forward changes a setting, for clients and hands alike. An empty kind is
// immediate forwarding, an empty target the one that was set last.
func (s *Sim) forward(p *phone, kind csta.ForwardingType, f forward) error {
	switch kind {
	case "":
		kind = forwardImmediate
	case forwardImmediate, forwardBusy, forwardNoAns:
	default:
		return csta.Errorf(csta.Operation, "invalidForwardingType", "forwardingType %s is not offered, only %v", kind, forwardingTypes)
	}
	was := p.forwards[kind]
	if !f.on {
		f = forward{to: was.to, rings: was.rings}
	} else if err := s.checkForward(p, kind, &f, was); err != nil {
		return err
	}
	if p.forwards == nil {
		p.forwards = map[csta.ForwardingType]forward{}
	}
	p.forwards[kind] = f
	return nil
}

func (s *Sim) checkForward(p *phone, kind csta.ForwardingType, f *forward, was forward) error {
	refuse := func(format string, args ...any) error {
		return csta.Errorf(csta.Operation, "invalidForwardingDestination", format, args...)
	}
	if f.to == "" {
		f.to = was.to
	}
	if f.to == "" {
		return refuse("forwardDN is missing, and none was set before")
	}
	if err := checkDigits(f.to); err != nil {
		return refuse("forwardDN: %v", err)
	}
	if f.to == p.Number {
		return refuse("forwardDN %q is the phone itself", f.to)
	}
	if !s.assigned(f.to) {
		return refuse("forwardDN: nobody has number %q", f.to)
	}
	if kind != forwardImmediate {
		// Two that stand in for each other when busy or away are no loop: a
		// call does not come back to a phone that it was at.
		return nil
	}
	seen := map[string]bool{p.Number: true}
	for to := f.to; s.phones[to] != nil && s.phones[to].forwards[forwardImmediate].on; to = s.phones[to].forwards[forwardImmediate].to {
		seen[to] = true
		if next := s.phones[to].forwards[forwardImmediate].to; seen[next] {
			return refuse("forwardDN %q leads back to %q", f.to, next)
		}
	}
	return nil
}

func (s *Sim) getDoNotDisturb(p *phone, _ *csta.GetDoNotDisturb) (*csta.GetDoNotDisturbResponse, error) {
	return &csta.GetDoNotDisturbResponse{DoNotDisturbOn: p.dnd}, nil
}

func (s *Sim) setDoNotDisturb(p *phone, r *csta.SetDoNotDisturb) (*csta.SetDoNotDisturbResponse, error) {
	// To take them silently would let somebody through, or not, against the user's will.
	if r.CallOrigination != nil || len(r.CallingDeviceList) > 0 {
		return nil, csta.Errorf(csta.Operation, "parameterNotSupported", "do-not-disturb is for all callers: callOrigination and callingDeviceList are not offered")
	}
	p.dnd = r.DoNotDisturbOn
	return &csta.SetDoNotDisturbResponse{}, nil
}

const maxRings = 15

func (s *Sim) getAutoAnswer(p *phone, _ *csta.GetAutoAnswer) (*csta.GetAutoAnswerResponse, error) {
	return &csta.GetAutoAnswerResponse{AutoAnswerOn: p.autoAnswer, NumberOfRings: p.answerRings()}, nil
}

func (s *Sim) setAutoAnswer(p *phone, r *csta.SetAutoAnswer) (*csta.SetAutoAnswerResponse, error) {
	rings := int64(0)
	if r.NumberOfRings != nil {
		if rings = *r.NumberOfRings; rings < 0 || rings > maxRings {
			return nil, csta.Errorf(csta.Operation, "autoAnswerOutOfRange", "numberOfRings %d is not between 0 and %d", rings, maxRings)
		}
	}
	p.autoAnswer, p.rings = r.AutoAnswerOn, rings
	return &csta.SetAutoAnswerResponse{}, nil
}

// answerRings returns how often the phone rings before it answers by itself, nil
// where that was not said.
func (s *settings) answerRings() *int64 {
	if s.rings == 0 {
		return nil
	}
	rings := s.rings
	return &rings
}

func (s *Sim) getCallerIDStatus(p *phone, _ *csta.GetCallerIDStatus) (*csta.GetCallerIDStatusResponse, error) {
	return &csta.GetCallerIDStatusResponse{CallerIDProvided: !p.withholds}, nil
}

// setCallerIDStatus is for the calls that the phone makes from now on.
func (s *Sim) setCallerIDStatus(p *phone, r *csta.SetCallerIDStatus) (*csta.SetCallerIDStatusResponse, error) {
	p.withholds = !r.CallerIDProvided
	return &csta.SetCallerIDStatusResponse{}, nil
}

func (s *Sim) getLastNumberDialed(p *phone, _ *csta.GetLastNumberDialed) (*csta.GetLastNumberDialedResponse, error) {
	if p.lastDialled == "" {
		return nil, csta.Errorf(csta.StateIncompatibility, "invalidDeviceState", "nothing was dialled at %s", p.Number)
	}
	return &csta.GetLastNumberDialedResponse{NumberDialed: csta.Device(p.lastDialled)}, nil
}
