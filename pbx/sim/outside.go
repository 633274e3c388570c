package sim

import (
	"slices"
	"strconv"

	"rccgw/csta"
	"rccgw/pbx"
)

// A subscriber is somebody behind the trunk. It is known as long as it is busy
// or in a call.
type subscriber struct {
	number  string
	busy    bool
	devices []string // that stand for it in calls
}

// subscriber returns the subscriber of the number, known or not.
func (s *Sim) subscriber(number string) *subscriber {
	if sub := s.outside[number]; sub != nil {
		return sub
	}
	return &subscriber{number: number}
}

// stands notes that the device stands for the subscriber in a call.
func (s *Sim) stands(device string, sub *subscriber) {
	s.outside[sub.number] = sub
	s.trunk[device] = sub
	if !slices.Contains(sub.devices, device) {
		sub.devices = append(sub.devices, device)
	}
}

// left forgets what is known of a party outside that left its last call.
func (s *Sim) left(device string) {
	sub := s.trunk[device]
	if sub == nil || len(s.calls.At(device)) > 0 {
		return
	}
	delete(s.trunk, device)
	sub.devices = slices.DeleteFunc(sub.devices, func(d string) bool { return d == device })
	if len(sub.devices) == 0 && !sub.busy {
		delete(s.outside, sub.number)
	}
}

// An Outside is a subscriber behind the trunk.
type Outside struct {
	s      *Sim
	number string
}

// Outside returns the subscriber of the number, as the PBX shows it: without
// access digits.
func (s *Sim) Outside(number string) Outside { return Outside{s, number} }

// at returns a call that the subscriber is in with one of the states, and the
// device that stands for it there.
func (o Outside) at(states ...csta.LocalConnectionState) (call, device string, ok bool) {
	sub := o.s.subscriber(o.number)
	for _, state := range states {
		for _, device := range sub.devices {
			for _, c := range o.s.calls.At(device) {
				if connection(c, device).State == state {
					return c.ID, device, true
				}
			}
		}
	}
	return "", "", false
}

func (o Outside) errorf(format string) error {
	return csta.Errorf(csta.StateIncompatibility, "invalidDeviceState", "subscriber %s: "+format, o.number)
}

// Call calls a number of the PBX. What the PBX is shown of the caller is from;
// without it, the number. csta.Restricted() is a caller that withholds it,
// csta.NotKnown() one that comes without; its Name is what the trunk calls the
// caller. It returns the callID; an error tells
// why the call failed.
func (o Outside) Call(number string, from ...csta.ExtendedDeviceID) (string, error) {
	o.s.mu.Lock()
	defer o.s.unlock()
	for _, n := range []string{o.number, number} {
		if err := checkDigits(n); err != nil {
			return "", csta.Errorf(csta.Operation, "invalidCalledDeviceID", "%v", err)
		}
	}
	party := pbx.Party{Device: o.number, Number: external(o.number)}
	if len(from) > 0 {
		// Who withholds the number must not be named by a ConnectionID either.
		o.s.lastLine++
		party = pbx.Party{Device: "trunk-" + strconv.FormatUint(o.s.lastLine, 10), Number: from[0], Name: from[0].Name}
	}
	t := o.s.resolve(number, nil)
	if t.sub != nil && len(t.from) == 0 || t.orbit {
		return "", csta.Errorf(csta.Operation, "invalidCalledDeviceID", "%q is not a number of this PBX", number)
	}
	if t.failure != "" {
		return "", csta.Errorf(csta.StateIncompatibility, "invalidCalledDeviceState", "%s cannot be reached: %s", number, t.failure)
	}
	id := o.s.newCall()
	o.s.stands(party.Device, o.s.subscriber(o.number))
	o.s.calls.Originated(id, party, o.s.shown(number), causeNewCall)
	o.s.deliver(id, t, causeNewCall)
	return id, nil
}

// Answer answers the call that rings there.
func (o Outside) Answer() error {
	o.s.mu.Lock()
	defer o.s.unlock()
	id, device, ok := o.at(pbx.Alerting)
	if !ok {
		return o.errorf("is not called")
	}
	o.s.establish(id, device, causeNewCall)
	return nil
}

// HangUp ends its call, or rejects the one that rings.
func (o Outside) HangUp() error {
	o.s.mu.Lock()
	defer o.s.unlock()
	id, device, ok := o.at(pbx.Connected, pbx.Alerting)
	if !ok {
		return o.errorf("is not in a call")
	}
	o.s.release(id, device, causeNormalClearing)
	return nil
}

// Busy makes the number busy for those who call it, or free again. A call that
// rings there now fails.
func (o Outside) Busy(on bool) {
	o.s.mu.Lock()
	defer o.s.unlock()
	sub := o.s.subscriber(o.number)
	sub.busy = on
	if !on {
		if len(sub.devices) == 0 {
			delete(o.s.outside, sub.number)
		}
		return
	}
	o.s.outside[sub.number] = sub
	if id, device, ok := o.at(pbx.Alerting); ok {
		_, conn, _ := o.s.calls.Find(csta.Connection(id, device))
		o.s.fail(id, conn.Party, causeBusy)
	}
}
