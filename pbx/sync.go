package pbx

import (
	"slices"

	"rccgw/csta"
)

// Sync makes the model agree with what the driver found at the PBX after a
// lost link, and reports the difference by ordinary events: what ended is
// cleared, what is new is delivered, what changed changes. A connection that
// cannot have come to its new state by one step was cleared and has come anew.
// found belongs to the model afterwards.
func (m *Calls) Sync(found []Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := map[string]*Call{}
	for i := range found {
		if len(found[i].Connections) > 0 {
			now[found[i].ID] = &found[i]
		}
	}
	for _, id := range m.ids() {
		if now[id] == nil {
			m.end(id, CauseNormal)
		}
	}
	for i := range found {
		if n := &found[i]; now[n.ID] == n {
			m.catchUp(n)
		}
	}
}

// catchUp reports what leads to the found call from what is known of it.
func (m *Calls) catchUp(n *Call) {
	c := m.start(n.ID)
	for _, conn := range slices.Clone(c.Connections) {
		if f := n.find(conn.Device); f == nil || !follows(conn, *f) {
			m.drop(c, conn.Device)
		}
	}
	if !n.Calling.IsZero() {
		c.Calling, c.from = keepName(n.Calling, c.Calling), n.from
	}
	c.Correlator = n.Correlator
	if !n.Called.IsZero() {
		c.Called = keepName(n.Called, c.Called)
	}
	if !n.LastRedirected.IsZero() {
		c.LastRedirected = n.LastRedirected
	}
	// Whoever calls comes first, so that a new call is told in its order.
	order := n.Connections
	caller := n.caller()
	if caller > 0 {
		order = append([]Connection{order[caller]}, slices.Delete(slices.Clone(order), caller, caller+1)...)
	}
	for i, conn := range order {
		originates := i == 0 && caller >= 0 && len(c.Connections) == 0
		m.step(c, conn, originates)
	}
	if len(c.Connections) == 0 {
		delete(m.calls, c.ID)
	}
}

// follows reports whether a connection can be found as it is after it was seen
// as it was, without having been away meanwhile.
func follows(was, is Connection) bool {
	switch is.State {
	case Initiated, Queued:
		return was.State == is.State
	case Alerting:
		return was.State == Alerting && (was.Early || !is.Early) || was.State == Connected && was.Early && !is.Early
	case Connected, Hold:
		return was.State != Fail && was.State != Queued && (was.Early && was.State == Connected || !is.Early)
	default:
		return true
	}
}

// drop clears a connection like Cleared, but keeps the call: somebody may come.
func (m *Calls) drop(c *Call, device string) {
	m.tellCleared(c, c.find(device), CauseNormal)
	m.remove(c, device)
}

// caller returns the index of the connection that the call came from, -1 if
// that has left or is not known.
func (c *Call) caller() int {
	for i, conn := range c.Connections {
		if conn.State == Initiated {
			return i
		}
	}
	if c.Calling.IsZero() {
		return 0
	}
	if c.from != "" {
		return slices.IndexFunc(c.Connections, func(conn Connection) bool { return conn.Device == c.from })
	}
	return slices.IndexFunc(c.Connections, func(conn Connection) bool { return sameParty(conn.Shown(), c.Calling) })
}

// sameParty compares what identifies a party; attributes do not.
func sameParty(a, b csta.ExtendedDeviceID) bool {
	return a.DeviceIdentifier.ID == b.DeviceIdentifier.ID && a.NotKnown == b.NotKnown && a.Restricted == b.Restricted
}

// keepName returns the party as it was found, with the name that it had where it
// was found without.
func keepName(found, known csta.ExtendedDeviceID) csta.ExtendedDeviceID {
	if found.Name == "" && found.DeviceIdentifier.ID != "" && sameParty(found, known) {
		found.Name = known.Name
	}
	return found
}

// step reports what leads one connection to the state that it was found in.
func (m *Calls) step(c *Call, conn Connection, originates bool) {
	was, early := Null, false
	if known := c.find(conn.Device); known != nil {
		was, early = known.State, known.Early
		known.Own = conn.Own
		known.learn(conn.Party)
	}
	switch conn.State {
	case Initiated:
		m.initiated(c.ID, conn.Party, CauseNormal)
	case Alerting:
		if conn.Early {
			m.offered(c.ID, conn.Party, CauseNewCall)
		} else {
			m.delivered(c.ID, conn.Party, CauseNewCall)
		}
	case Queued:
		m.queued(c.ID, conn.Party, CauseNormal)
	case Fail:
		m.failed(c.ID, conn.Party, CauseNormal)
	case Connected, Hold:
		switch {
		case conn.Early:
			m.networkReached(c.ID, conn.Party, csta.NotKnown(), CauseNewCall)
			return
		case was == Initiated, was == Null && originates:
			calling := c.Calling
			m.originated(c.ID, conn.Party, c.Called, CauseNewCall)
			if !calling.IsZero() {
				c.Calling = calling
			}
		case was == Null, was == Alerting, early:
			m.established(c.ID, conn.Party, CauseNormal)
		}
		if conn.State == Hold {
			m.held(c.ID, conn.Device, CauseNormal)
		} else {
			m.retrieved(c.ID, conn.Device, CauseNormal)
		}
	default:
	}
}
