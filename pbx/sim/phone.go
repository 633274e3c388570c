package sim

import (
	"fmt"
	"slices"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// phone is a phone of the PBX.
type phone struct {
	Device
	settings
	told        settings // what the driver reported
	heard       string   // in the call that it was active in last
	lastDialled string
}

func (p *phone) party() pbx.Party { return pbx.Party{Device: p.Number, Name: p.Name, Own: true} }

// caller is the party of a call that the phone makes.
func (p *phone) caller() pbx.Party {
	party := p.party()
	if p.withholds {
		party.Number = csta.Restricted()
	}
	return party
}

// patience is how long the phone rings.
func (p *phone) patience() time.Duration {
	if f := p.forwards[forwardNoAns]; f.on && f.rings > 0 {
		return min(time.Duration(f.rings)*ringPeriod, p.RingTime)
	}
	return p.RingTime
}

// active returns the call that the phone is active in: talking, dialling or
// hearing a tone.
func (s *Sim) active(p *phone) (pbx.Call, bool) {
	return s.at(p, pbx.Connected, pbx.Fail, pbx.Initiated)
}

// at returns the first call that the phone is in with one of the states, the
// earlier states before the later.
func (s *Sim) at(p *phone, states ...csta.LocalConnectionState) (pbx.Call, bool) {
	calls := s.calls.At(p.Number)
	for _, state := range states {
		i := slices.IndexFunc(calls, func(c pbx.Call) bool {
			conn := connection(c, p.Number)
			return conn.Own && conn.State == state
		})
		if i >= 0 {
			return calls[i], true
		}
	}
	return pbx.Call{}, false
}

// A Phone is a person's hand at a phone. What it cannot do, because the phone
// is in another state or there is no such phone, is returned as an error. The
// hand works while the driver's link is cut, too.
type Phone struct {
	s      *Sim
	device string
}

// Phone returns the hand at the phone of the device.
func (s *Sim) Phone(device string) Phone { return Phone{s, device} }

// with runs f on the phone, with the PBX locked.
func (h Phone) with(f func(p *phone) error) error {
	h.s.mu.Lock()
	defer h.s.unlock()
	p := h.s.phones[h.device]
	if p == nil {
		return csta.Errorf(csta.Operation, "invalidDeviceID", "there is no phone %q", h.device)
	}
	return f(p)
}

func (h Phone) errorf(format string, args ...any) error {
	return csta.Errorf(csta.StateIncompatibility, "invalidDeviceState", "phone %s: %s", h.device, fmt.Sprintf(format, args...))
}

// Lift lifts the handset: it answers a ringing phone, dials for a prompted one,
// and gives an idle one a dial tone.
func (h Phone) Lift() error {
	return h.with(func(p *phone) error {
		_, rings := h.s.at(p, pbx.Alerting)
		c, active := h.s.active(p)
		if active && !rings && h.s.of(c.ID).dialled == "" {
			return h.errorf("is off hook, in call %s", c.ID)
		}
		h.s.pickHandset(p)
		return nil
	})
}

// Dial dials number, lifting the handset first where it is not.
func (h Phone) Dial(number string) error {
	return h.with(func(p *phone) error {
		c, ok := h.s.at(p, pbx.Initiated)
		if ok && h.s.of(c.ID).dialled == "" {
			if err := checkDigits(number); err != nil {
				return csta.Errorf(csta.Operation, "invalidCalledDeviceID", "%v", err)
			}
			h.s.lift(p)
			h.s.dial(p, c.ID, number)
			return nil
		}
		if err := h.s.dials(p, number); err != nil {
			return err
		}
		h.s.lift(p)
		h.s.dial(p, h.s.initiate(p, h.s.newCall(), "", causeNormal), number)
		return nil
	})
}

// Answer answers the call that rings.
func (h Phone) Answer() error {
	return h.with(func(p *phone) error {
		c, ok := h.s.at(p, pbx.Alerting)
		if !ok {
			return h.errorf("does not ring")
		}
		h.s.lift(p)
		h.s.establish(c.ID, p.Number, causeNewCall)
		return nil
	})
}

// HangUp ends the active call; without one it rejects the call that rings, and
// without that it ends the one on hold.
func (h Phone) HangUp() error {
	return h.with(func(p *phone) error {
		c, ok := h.s.at(p, pbx.Connected, pbx.Fail, pbx.Initiated, pbx.Alerting, pbx.Hold)
		if !ok {
			return h.errorf("is idle")
		}
		h.s.release(c.ID, p.Number, causeNormalClearing)
		return nil
	})
}

// Hold puts the active call on hold.
func (h Phone) Hold() error {
	return h.with(func(p *phone) error {
		c, ok := h.s.at(p, pbx.Connected)
		if !ok {
			return h.errorf("is not in a call")
		}
		if err := h.s.talking(c, p.Number); err != nil {
			return err
		}
		h.s.calls.Held(c.ID, p.Number, causeKeyOperation)
		return nil
	})
}

// Retrieve takes the call back that is on hold; an active one changes places
// with it.
func (h Phone) Retrieve() error {
	return h.with(func(p *phone) error {
		held, ok := h.s.at(p, pbx.Hold)
		if !ok {
			return h.errorf("has no call on hold")
		}
		active, ok := h.s.active(p)
		if !ok {
			h.s.calls.Retrieved(held.ID, p.Number, causeKeyOperation)
			return nil
		}
		if err := h.s.talking(active, p.Number); err != nil {
			return err
		}
		h.s.alternate(held.ID, active.ID, p.Number)
		return nil
	})
}

// Consult holds the active call and dials number.
func (h Phone) Consult(number string) error {
	return h.with(func(p *phone) error {
		c, ok := h.s.at(p, pbx.Connected)
		if !ok {
			return h.errorf("is not in a call")
		}
		_, err := h.s.consult(c, p, number, nil)
		return err
	})
}

// Transfer sends the call away: to number, from an active, a held or a ringing
// phone; with an empty number it joins the held call and the active one.
func (h Phone) Transfer(number string) error {
	return h.with(func(p *phone) error {
		if number == "" {
			held, ok := h.s.at(p, pbx.Hold)
			active, both := h.s.at(p, pbx.Connected)
			if !ok || !both {
				return h.errorf("has no two calls to join")
			}
			return h.s.merge(held, active, p.Number)
		}
		if c, ok := h.s.at(p, pbx.Connected, pbx.Hold); ok {
			_, _, err := h.s.handOver(c, p.Number, number)
			return err
		}
		if c, ok := h.s.at(p, pbx.Alerting); ok {
			_, err := h.s.divert(c.ID, p.Number, number)
			return err
		}
		return h.errorf("has no call to transfer")
	})
}

// Conference joins the held call and the active one, and stays.
func (h Phone) Conference() error {
	return h.with(func(p *phone) error {
		held, ok := h.s.at(p, pbx.Hold)
		active, both := h.s.at(p, pbx.Connected)
		if !ok || !both {
			return h.errorf("has no two calls to join")
		}
		return h.s.conference(held, active, p.Number)
	})
}

// Press sends digits into the active call.
func (h Phone) Press(digits string) error {
	return h.with(func(p *phone) error {
		c, ok := h.s.at(p, pbx.Connected)
		if !ok {
			return h.errorf("is not in a call")
		}
		return h.s.dtmf(c, p, digits)
	})
}

// Heard returns what came to the phone in its last call: digits, and the name of
// a tone in parentheses.
func (h Phone) Heard() string {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if p := h.s.phones[h.device]; p != nil {
		return p.heard
	}
	return ""
}

// Park parks the active call at an orbit. Dialling that retrieves it.
func (h Phone) Park(orbit string) error {
	return h.with(func(p *phone) error {
		c, ok := h.s.at(p, pbx.Connected)
		if !ok {
			return h.errorf("is not in a call")
		}
		return h.s.park(c, p, orbit)
	})
}

// PickUp answers the oldest call that rings at another phone of the group.
func (h Phone) PickUp() error {
	return h.with(func(p *phone) error {
		_, err := h.s.pickUpGroup(p, p.PickupGroup)
		return err
	})
}

// SetForwarding switches forwarding of a type on or off, as its feature code
// does. An empty target is the one that was set last.
func (h Phone) SetForwarding(kind csta.ForwardingType, on bool, to string) error {
	return h.with(func(p *phone) error {
		defer h.s.tellSettings(p)
		return h.s.forward(p, kind, forward{on: on, to: to})
	})
}

// SetDoNotDisturb switches do-not-disturb on or off.
func (h Phone) SetDoNotDisturb(on bool) error {
	return h.with(func(p *phone) error {
		p.dnd = on
		h.s.tellSettings(p)
		return nil
	})
}

// Message switches the indicator that a message waits, as voice mail does.
func (h Phone) Message(waits bool) error {
	return h.with(func(p *phone) error {
		p.message, p.messageAt = waits, ""
		h.s.tellSettings(p)
		return nil
	})
}
