package pbx

import (
	"slices"

	"rccgw/csta"
)

// A Joining is a transfer or a conference: two calls of one device become one.
type Joining struct {
	Device    string // the transferring or conferencing device
	Primary   string // the callID of its held call, or of its only one
	Secondary string // the callID of its active call; empty for a single-step transfer
	Result    string // the callID of what results: one of the two, or a new one
	To        csta.ExtendedDeviceID
	Cause     csta.EventCause
}

// Transferred reports that the device joined the far ends of its calls and left.
// In a single-step transfer there is no secondary call: the new party enters
// the resulting call by Delivered or Established. The far ends keep their
// states: one that still alerts goes on alerting, one that holds goes on
// holding. Where there is no far end the device is reported as cleared. A
// joining of calls that the device is not in, or into a third call, changes
// nothing.
func (m *Calls) Transferred(j Joining) {
	m.tellJoined(j, false, func(done joined, secondary csta.ConnectionID, to Connection) csta.Event {
		return &csta.TransferedEvent{PrimaryOldCall: csta.Connection(j.Primary, j.Device), SecondaryOldCall: secondary, TransferringDevice: done.by.shownTo(to.Device),
			TransferredToDevice: orNotKnown(j.To), TransferredConnections: done.items(j.Result, to.Device), LocalConnectionInfo: to.State, Cause: j.Cause}
	})
}

// Conferenced reports that the device joined its two calls and stayed. It is
// connected then; it must have been connected or holding before. A single-step
// conference that keeps its callID cannot be told from a second one: it is to be
// reported once.
func (m *Calls) Conferenced(j Joining) {
	m.tellJoined(j, true, func(done joined, secondary csta.ConnectionID, to Connection) csta.Event {
		return &csta.ConferencedEvent{PrimaryOldCall: csta.Connection(j.Primary, j.Device), SecondaryOldCall: secondary, ConferencingDevice: done.by.shownTo(to.Device),
			AddedParty: orNotKnown(j.To), ConferenceConnections: done.items(j.Result, to.Device), LocalConnectionInfo: to.State, Cause: j.Cause}
	})
}

// tellJoined joins the calls and emits the event to each own device that was in
// either, made anew for each: its receivers own it.
func (m *Calls) tellJoined(j Joining, stays bool, event func(done joined, secondary csta.ConnectionID, to Connection) csta.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var secondary csta.ConnectionID
	if j.Secondary != "" {
		secondary = csta.Connection(j.Secondary, j.Device)
	}
	done := m.join(j, stays)
	for _, conn := range done.all {
		if conn.Own {
			m.emit(conn.Device, done.call.correlate(event(done, secondary, conn)))
		}
	}
	// An orbit joins whom it parks to who retrieves the call; who put it there
	// is in neither call.
	for _, conn := range done.all {
		if conn.For != "" && conn.State == Null && done.call.find(conn.For) == nil {
			m.emit(conn.For, done.call.correlate(&csta.DivertedEvent{Connection: csta.Connection(j.Primary, conn.Device), DivertingDevice: conn.Shown(),
				NewDestination: orNotKnown(j.To), Cause: j.Cause}))
		}
	}
}

// joined is what a join came to.
type joined struct {
	call *Call            // what results
	by   Party            // the device that joined
	all  []Connection     // all that were in either call, with the state they are left in
	kept []keptConnection // those that go on
}

type keptConnection struct {
	oldCall string
	Party
}

// items returns what became of the connections that go on, made anew for each
// event: its receivers own it.
func (j joined) items(result, to string) []csta.ConnectionListItem {
	items := make([]csta.ConnectionListItem, len(j.kept))
	for i, k := range j.kept {
		shown := k.shownTo(to)
		items[i] = csta.ConnectionListItem{NewConnection: csta.Connection(result, k.Device), OldConnection: csta.Connection(k.oldCall, k.Device),
			Endpoint: &csta.Endpoint{DeviceID: shown.DeviceIdentifier, NotKnown: shown.NotKnown, Restricted: shown.Restricted}}
	}
	return items
}

// join makes one call of two.
func (m *Calls) join(j Joining, stays bool) (done joined) {
	primary, conn := m.lookup(j.Primary, j.Device)
	if conn == nil || j.Primary == j.Secondary || j.Result != j.Primary && j.Result != j.Secondary && m.calls[j.Result] != nil {
		return joined{}
	}
	old := []*Call{primary}
	if j.Secondary != "" {
		secondary, conn := m.lookup(j.Secondary, j.Device)
		if conn == nil {
			return joined{}
		}
		old = append(old, secondary)
	}
	for _, c := range old {
		if state := c.find(j.Device).State; stays && state != Connected && state != Hold {
			return joined{}
		}
	}
	if !slices.ContainsFunc(old, func(c *Call) bool { return len(c.Connections) > 1 }) {
		// There is nobody to be joined: the device leaves.
		for _, c := range old {
			m.clear(c.ID, j.Device, j.Cause)
		}
		return joined{}
	}
	done.by = conn.Party
	result := &Call{ID: j.Result, Calling: primary.Calling, Called: primary.Called, Correlator: primary.Correlator,
		LastRedirected: csta.RedirectionDeviceID{NotRequired: true}, from: primary.from}
	done.call = result
	if !stays {
		result.LastRedirected = redirection(done.by.Shown())
	}
	for _, c := range old {
		if result.Correlator == nil {
			result.Correlator = c.Correlator
		}
		for _, conn := range c.Connections {
			m.unindex(c, conn.Device)
			if conn.Device == j.Device {
				conn.State = Connected
				if !stays {
					conn.State = Null
					if c == primary {
						done.all = append(done.all, conn)
					}
					continue
				}
			}
			// Who is in both calls goes on with the first of its connections.
			if result.find(conn.Device) != nil {
				continue
			}
			m.enter(result, conn.Party, conn.State)
			result.find(conn.Device).Early = conn.Early && conn.Device != j.Device
			done.all = append(done.all, conn)
			done.kept = append(done.kept, keptConnection{c.ID, conn.Party})
		}
		delete(m.calls, c.ID)
	}
	if !stays {
		result.Calling, result.from = result.Connections[0].Shown(), result.Connections[0].Device
		result.Called = j.To
	}
	m.calls[result.ID] = result
	return done
}
