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

// settings are what a phone is set to.
type settings struct {
	forwards map[csta.ForwardingType]forward
	dnd      bool
}

func (s *Sim) getForwarding(r *csta.GetForwarding) (*csta.GetForwardingResponse, error) {
	p, err := s.line("device", r.Device)
	if err != nil {
		return nil, err
	}
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

func (s *Sim) setForwarding(r *csta.SetForwarding) (*csta.SetForwardingResponse, error) {
	p, err := s.line("device", r.Device)
	if err != nil {
		return nil, err
	}
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
	if s.running {
		s.tellSettings(p)
	}
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

func (s *Sim) getDoNotDisturb(r *csta.GetDoNotDisturb) (*csta.GetDoNotDisturbResponse, error) {
	p, err := s.line("device", r.Device)
	if err != nil {
		return nil, err
	}
	return &csta.GetDoNotDisturbResponse{DoNotDisturbOn: p.dnd}, nil
}

func (s *Sim) setDoNotDisturb(r *csta.SetDoNotDisturb) (*csta.SetDoNotDisturbResponse, error) {
	p, err := s.line("device", r.Device)
	if err != nil {
		return nil, err
	}
	// To take them silently would let somebody through, or not, against the user's will.
	if r.CallOrigination != nil || len(r.CallingDeviceList) > 0 {
		return nil, csta.Errorf(csta.Operation, "parameterNotSupported", "do-not-disturb is for all callers: callOrigination and callingDeviceList are not offered")
	}
	s.disturb(p, r.DoNotDisturbOn)
	return &csta.SetDoNotDisturbResponse{}, nil
}

func (s *Sim) disturb(p *phone, on bool) {
	p.dnd = on
	if s.running {
		s.tellSettings(p)
	}
}

// tellSettings reports what of the phone's settings has not been told.
func (s *Sim) tellSettings(p *phone) {
	for _, kind := range forwardingTypes {
		f := p.forwards[kind]
		if f == p.told.forwards[kind] {
			continue
		}
		if p.told.forwards == nil {
			p.told.forwards = map[csta.ForwardingType]forward{}
		}
		p.told.forwards[kind] = f
		s.emit(p.Number, &csta.ForwardingEvent{Device: csta.Party(p.Number), ForwardingType: kind, ForwardStatus: f.on,
			ForwardTo: csta.Device(f.to), RingCount: f.ringCount()})
	}
	if p.dnd != p.told.dnd {
		p.told.dnd = p.dnd
		s.emit(p.Number, &csta.DoNotDisturbEvent{Device: csta.Party(p.Number), DoNotDisturbOn: p.dnd})
	}
}
