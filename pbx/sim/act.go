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

// attempt starts a call of the phone, which is dialling number.
func (s *Sim) attempt(p *phone, id, number string, cause csta.EventCause) string {
	pr := s.of(id)
	pr.stop()
	pr.dialled = ""
	p.heard = ""
	p.lastDialled = number
	s.calls.Originated(id, p.caller(), s.shown(number), cause)
	t := s.resolve(number, nil)
	s.noCallBack(p, s.phones[t.party.Device])
	if cause != causeCallBack {
		cause = causeNewCall
	}
	s.deliver(id, t, cause)
	return id
}

// dial dials the number at the phone, which has a dial tone.
func (s *Sim) dial(p *phone, id, number string) {
	s.calls.Dialled(id, p.Number, csta.Device(number), causeKeyOperation)
	s.attempt(p, id, number, causeNewCall)
}

// initiate takes the phone off hook, or prompts it to be, to dial number later;
// an empty one is still to be dialled.
func (s *Sim) initiate(p *phone, id, number string, cause csta.EventCause) string {
	pr := s.of(id)
	pr.dialled, pr.why = number, cause
	s.calls.Initiated(id, p.caller(), cause)
	if number != "" && p.autoAnswer && p.rings == 0 {
		return s.attempt(p, id, number, cause)
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
	if _, conn, err := s.calls.Find(csta.Connection(id, device)); err == nil {
		s.connect(id, conn.Party, cause)
	}
}

// connect lets a party take part in the call.
func (s *Sim) connect(id string, party pbx.Party, cause csta.EventCause) {
	pr := s.of(id)
	pr.stop()
	if p := s.phones[party.Device]; p != nil {
		p.heard = ""
	}
	s.calls.Established(id, party, cause)
	c, _ := s.calls.Get(id)
	// Who adds a party may have left, or put the conference on hold.
	if by := pr.adding; by != "" && has(c, by) && connection(c, by).State == pbx.Connected {
		s.calls.Conferenced(pbx.Joining{Device: by, Primary: id, Result: id, To: party.Shown(), Cause: causeAdded})
	}
	pr.adding = ""
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
	if err := s.settled(c, device); err != nil {
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

// answered reports whether the party takes part in its call.
func answered(conn pbx.Connection) bool { return conn.State == pbx.Connected || conn.State == pbx.Hold }

// talkers returns how many take part in the call.
func talkers(c pbx.Call) (n int) {
	for _, conn := range c.Connections {
		if answered(conn) {
			n++
		}
	}
	return n
}

// talking refuses a call in which nobody else has answered.
func (s *Sim) talking(c pbx.Call, device string) error {
	if slices.ContainsFunc(c.Other(device), answered) {
		return nil
	}
	return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "the far end of call %s has not answered", c.ID)
}

// settled refuses a call in which somebody else has not answered, or nobody is.
func (s *Sim) settled(c pbx.Call, device string) error {
	for _, far := range c.Other(device) {
		if !answered(far) {
			return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "%s in call %s is %s", far.Device, c.ID, far.State)
		}
	}
	return s.talking(c, device)
}

// reach returns where a call would go if it were sent to number, and refuses
// what would lose the call.
func (s *Sim) reach(c pbx.Call, number string) (target, error) {
	if err := checkDigits(number); err != nil {
		return target{}, csta.Errorf(csta.Operation, "invalidDestination", "%v", err)
	}
	t := s.resolve(number, nil)
	if t.orbit {
		return t, csta.Errorf(csta.Operation, "invalidDestination", "%q is an orbit: a call is parked there by ParkCall", number)
	}
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
	if err := s.settled(held, device); err != nil {
		return err
	}
	far := active.Other(device)
	if len(far) == 0 || far[0].State == pbx.Fail || s.isOrbit(far[0].Device) {
		return csta.Errorf(csta.StateIncompatibility, "invalidActiveConnectionState", "there is nobody in call %s to transfer to", active.ID)
	}
	if err := s.joinable(held, active, device); err != nil {
		return err
	}
	to := far[0].Shown()
	if len(far) > 1 {
		to = csta.NotKnown() // a conference
	}
	// The call that rings or talks goes on, with what the PBX keeps of it.
	s.calls.Transferred(pbx.Joining{Device: device, Primary: held.ID, Secondary: active.ID, Result: active.ID, To: to, Cause: causeTransfer})
	s.forget(held.ID)
	return nil
}

// joinable refuses two calls that have somebody else in common, or would be too
// large a conference.
func (s *Sim) joinable(held, active pbx.Call, device string) error {
	far := active.Other(device)
	for _, conn := range far {
		if has(held, conn.Device) {
			return csta.Errorf(csta.Operation, "notDifferentDevices", "both calls are with %s", conn.Device)
		}
	}
	return s.room(held, len(far))
}

// room refuses to add more parties to a call than a conference takes.
func (s *Sim) room(c pbx.Call, more int) error {
	if n := len(c.Connections) + more; n > maxParties {
		return csta.Errorf(csta.SystemResourceAvailability, "conferenceMemberLimitExceeded", "a conference of %d is too large: %d are the most", n, maxParties)
	}
	return nil
}

// alternate holds the active call and retrieves the held one.
func (s *Sim) alternate(held, active, device string) {
	s.calls.Held(active, device, causeAlternate)
	s.calls.Retrieved(held, device, causeAlternate)
}

// dials refuses what the phone cannot dial in the state that it is in.
func (s *Sim) dials(p *phone, number string) error {
	if err := checkDigits(number); err != nil {
		return csta.Errorf(csta.Operation, "invalidCalledDeviceID", "%v", err)
	}
	return s.free(p, "invalidCallingDeviceState")
}

// free refuses a phone that cannot have a further call now: it has none, or its
// calls are on hold.
func (s *Sim) free(p *phone, value string) error {
	calls := s.calls.At(p.Number)
	if len(calls) >= maxCalls {
		return csta.Errorf(csta.SystemResourceAvailability, "resourceLimitExceeded", "%s has %d calls", p.Number, len(calls))
	}
	for _, c := range calls {
		if conn := connection(c, p.Number); conn.Own && conn.State != pbx.Hold {
			return csta.Errorf(csta.StateIncompatibility, value, "%s is %s in call %s", p.Number, conn.State, c.ID)
		}
	}
	return nil
}
