package sim

import (
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// What can be done to a call, by a client or by a hand. All of it needs the
// lock of the PBX, and either refuses or does it all.

// connection returns the device's connection in c; it must have one.
func connection(c pbx.Call, device string) pbx.Connection {
	i := slices.IndexFunc(c.Connections, func(conn pbx.Connection) bool { return conn.Device == device })
	return c.Connections[i]
}

func has(c pbx.Call, device string) bool {
	return slices.ContainsFunc(c.Connections, func(conn pbx.Connection) bool { return conn.Device == device })
}

// attempt starts a call of the phone, which is dialling number. An empty id is
// a new call, else one that is initiated.
func (s *Sim) attempt(p *phone, id, number string, cause csta.EventCause) string {
	if id == "" {
		id = s.newCall()
	}
	pr := s.of(id)
	pr.stop()
	pr.dialled = ""
	s.calls.Originated(id, p.party(), s.shown(number), cause)
	s.deliver(id, s.resolve(number, nil), causeNewCall)
	return id
}

// initiate takes the phone off hook, or prompts it to be, to dial number later;
// an empty one is still to be dialled.
func (s *Sim) initiate(p *phone, number string, cause csta.EventCause) string {
	id := s.newCall()
	pr := s.of(id)
	pr.dialled = number
	s.calls.Initiated(id, p.party(), cause)
	if number != "" && p.AutoAnswer {
		return s.attempt(p, id, number, causeMakeCall)
	}
	s.after(pr, p.RingTime, func() {
		s.calls.Ended(id, causeNotAnswered)
		s.forget(id)
	})
	return id
}

// establish answers at an alerting device. Another call that a phone is active
// in is put on hold, as desk phones do.
func (s *Sim) establish(id, device string, cause csta.EventCause) {
	for _, c := range s.calls.At(device) {
		switch conn := connection(c, device); {
		case !conn.Own:
		case conn.State == pbx.Connected:
			s.calls.Held(c.ID, device, causeKeyOperation)
		case conn.State == pbx.Initiated, conn.State == pbx.Fail:
			s.end(c.ID, causeNormalClearing)
		}
	}
	s.of(id).stop()
	_, conn, err := s.calls.Find(csta.Connection(id, device))
	if err == nil {
		s.calls.Established(id, conn.Party, cause)
	}
}

// release takes a device out of its call. Who is left alone is released too.
func (s *Sim) release(id, device string, cause csta.EventCause) {
	s.calls.Cleared(id, device, cause)
	s.left(device)
	c, _ := s.calls.Get(id)
	talking := 0
	for _, conn := range c.Connections {
		if conn.State != pbx.Fail {
			talking++
		}
	}
	if talking < 2 {
		s.end(id, causeNormalClearing)
	}
}

// end releases everyone. A phone that still rings is told that the call was
// given up.
func (s *Sim) end(id string, cause csta.EventCause) {
	c, _ := s.calls.Get(id)
	for _, conn := range c.Connections {
		why := cause
		if conn.State == pbx.Alerting {
			why = causeCancelled
		}
		s.calls.Cleared(id, conn.Device, why)
		s.left(conn.Device)
	}
	s.forget(id)
}

// divert sends an alerting call elsewhere.
func (s *Sim) divert(id, device, number string) (target, error) {
	c, _ := s.calls.Get(id)
	t, err := s.reach(c, number)
	if err != nil {
		return t, err
	}
	s.of(id).stop()
	s.calls.Diverted(id, device, t.party.Shown(), causeRedirected)
	s.deliver(id, t, causeRedirected)
	return t, nil
}

// handOver replaces the device in its call by who answers at number, and
// returns the callID of the call that results.
func (s *Sim) handOver(c pbx.Call, device, number string) (string, target, error) {
	if err := s.talking(c, device); err != nil {
		return "", target{}, err
	}
	t, err := s.reach(c, number)
	if err != nil {
		return "", t, err
	}
	id := s.newCall()
	s.calls.Transferred(pbx.Joining{Device: device, Primary: c.ID, Result: id, To: t.party.Shown(), Cause: causeSingleStep})
	s.forget(c.ID)
	s.deliver(id, t, causeSingleStep)
	return id, t, nil
}

// talking refuses a call whose far end has not answered.
func (s *Sim) talking(c pbx.Call, device string) error {
	for _, far := range c.Other(device) {
		if far.State == pbx.Connected || far.State == pbx.Hold {
			return nil
		}
	}
	return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "the far end of call %s has not answered", c.ID)
}

// reach returns where a call would go if it were sent to number, and refuses
// what would lose the call.
func (s *Sim) reach(c pbx.Call, number string) (target, error) {
	if err := checkDigits(number); err != nil {
		return target{}, csta.Errorf(csta.Operation, "invalidDestination", "%v", err)
	}
	t := s.resolve(number, nil)
	if has(c, t.party.Device) {
		return t, csta.Errorf(csta.Operation, "invalidDestination", "%q leads to %s, who is in the call already", number, t.party.Device)
	}
	switch t.failure {
	case "":
		return t, nil
	case causeUnallocated, causeNotObtainable:
		return t, csta.Errorf(csta.Operation, "invalidDestination", "nobody can be reached at %q", number)
	default:
		return t, csta.Errorf(csta.StateIncompatibility, "invalidDestinationDeviceState", "%q cannot take the call: %s", number, t.failure)
	}
}

// merge joins the far ends of a held and an active call of the device.
func (s *Sim) merge(held, active pbx.Call, device string) error {
	if err := s.talking(held, device); err != nil {
		return err
	}
	far := active.Other(device)
	if len(far) == 0 || far[0].State == pbx.Fail {
		return csta.Errorf(csta.StateIncompatibility, "invalidActiveConnectionState", "there is nobody in call %s to transfer to", active.ID)
	}
	if has(held, far[0].Device) {
		return csta.Errorf(csta.Operation, "notDifferentDevices", "both calls are with %s", far[0].Device)
	}
	// The call that rings or talks goes on, with what the PBX keeps of it.
	s.calls.Transferred(pbx.Joining{Device: device, Primary: held.ID, Secondary: active.ID, Result: active.ID, To: far[0].Shown(), Cause: causeTransfer})
	s.forget(held.ID)
	return nil
}

// alternate holds the active call and retrieves the held one.
func (s *Sim) alternate(held, active, device string) {
	s.calls.Held(active, device, causeAlternate)
	s.calls.Retrieved(held, device, causeAlternate)
}

// dials refuses what the phone cannot dial in the state that it is in: it is
// free, or its calls are on hold.
func (s *Sim) dials(p *phone, number string) error {
	if err := checkDigits(number); err != nil {
		return csta.Errorf(csta.Operation, "invalidCalledDeviceID", "%v", err)
	}
	calls := s.calls.At(p.Number)
	if len(calls) >= maxCalls {
		return csta.Errorf(csta.SystemResourceAvailability, "resourceLimitExceeded", "%s has %d calls", p.Number, len(calls))
	}
	for _, c := range calls {
		if conn := connection(c, p.Number); conn.Own && conn.State != pbx.Hold {
			return csta.Errorf(csta.StateIncompatibility, "invalidCallingDeviceState", "%s is %s in call %s", p.Number, conn.State, c.ID)
		}
	}
	return nil
}
