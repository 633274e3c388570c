package sim

import (
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// A callBack is a call that is made when both phones are free.
type callBack struct {
	from, to *phone
	// due is false until to, where nobody answered, is used: before that nobody
	// is there.
	due bool
}

func (s *Sim) callBack(r *csta.CallBack) (*csta.CallBackResponse, error) {
	c, p, err := s.require(r.CallbackConnection, "noCallToComplete", pbx.Connected, pbx.Fail)
	if err != nil {
		return nil, err
	}
	busy := false
	for _, o := range c.Other(p.Number) {
		if o.State != pbx.Alerting && o.State != pbx.Fail {
			return nil, csta.Errorf(csta.StateIncompatibility, "noCallToComplete", "%s in call %s is %s", o.Device, c.ID, o.State)
		}
		busy = busy || o.State == pbx.Fail
	}
	to := s.phones[s.of(c.ID).target]
	if to == nil || to == p {
		return nil, csta.Errorf(csta.Operation, "requestIncompatibleWithCalledDevice", "%q is not a phone that can be waited for", s.of(c.ID).target)
	}
	if slices.ContainsFunc(s.waiting, func(b callBack) bool { return b.from == p && b.to == to }) {
		return nil, csta.Errorf(csta.Operation, "featureAlreadySet", "%s waits for %s already", p.Number, to.Number)
	}
	s.end(c.ID, causeCallBack)
	s.waiting = append(s.waiting, callBack{from: p, to: to, due: busy})
	return &csta.CallBackResponse{TargetDevice: csta.Device(to.Number)}, nil
}

// noCallBack forgets that from waits for to: it calls by itself.
func (s *Sim) noCallBack(from, to *phone) {
	s.waiting = slices.DeleteFunc(s.waiting, func(b callBack) bool { return b.from == from && b.to == to })
}

// callThemBack prompts who waits for a phone that is free now. Who does not lift
// then is not called back again.
func (s *Sim) callThemBack() {
	for i := 0; i < len(s.waiting); i++ {
		b := &s.waiting[i]
		if _, used := s.at(b.to, pbx.Connected, pbx.Initiated, pbx.Hold); used {
			b.due = true
		}
		if !b.due || s.engaged(b.to) || b.to.dnd || len(s.calls.At(b.from.Number)) > 0 {
			continue
		}
		from, to := b.from, b.to
		s.noCallBack(from, to)
		s.initiate(from, s.newCall(), to.Number, causeCallBack)
		i = -1 // others may wait for one of the two
	}
}
