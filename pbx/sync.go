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
		if f := n.find(conn.Device); f == nil || !follows(conn.State, f.State) {
			m.drop(c, conn.Device)
		}
	}
	if !n.Calling.IsZero() {
		c.Calling = n.Calling
	}
	if !n.Called.IsZero() {
		c.Called = n.Called
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

// follows reports whether a connection can be found in a state after it was
// seen in another, without having been away meanwhile.
func follows(was, is csta.LocalConnectionState) bool {
	switch is {
	case Initiated:
		return was == Initiated
	case Alerting:
		return was == Alerting
	case Connected, Hold:
		return was != Fail
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
	return slices.IndexFunc(c.Connections, func(conn Connection) bool { return sameParty(conn.Shown(), c.Calling) })
}

// sameParty compares what identifies a party; attributes do not.
func sameParty(a, b csta.ExtendedDeviceID) bool {
	return a.DeviceIdentifier.ID == b.DeviceIdentifier.ID && a.NotKnown == b.NotKnown && a.Restricted == b.Restricted
}

// step reports what leads one connection to the state that it was found in.
func (m *Calls) step(c *Call, conn Connection, originates bool) {
	was := Null
	if known := c.find(conn.Device); known != nil {
		was = known.State
		known.Own = conn.Own
		if !conn.Number.IsZero() {
			known.Number = conn.Number
		}
	}
	switch conn.State {
	case Initiated:
		m.initiated(c.ID, conn.Party, CauseNormal)
	case Alerting:
		m.delivered(c.ID, conn.Party, CauseNewCall)
	case Fail:
		m.failed(c.ID, conn.Party, CauseNormal)
	case Connected, Hold:
		switch {
		case was == Initiated, was == Null && originates:
			calling := c.Calling
			m.originated(c.ID, conn.Party, c.Called, CauseNewCall)
			if !calling.IsZero() {
				c.Calling = calling
			}
		case was == Null, was == Alerting:
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
