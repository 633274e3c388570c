package pbx

import (
	"slices"
	"sync"

	"rccgw/csta"
)

// The connection states of ECMA-269 clause 6.1.5.
const (
	Null      csta.LocalConnectionState = "null"
	Initiated csta.LocalConnectionState = "initiated"
	Alerting  csta.LocalConnectionState = "alerting"
	Connected csta.LocalConnectionState = "connected"
	Hold      csta.LocalConnectionState = "hold"
	Queued    csta.LocalConnectionState = "queued"
	Fail      csta.LocalConnectionState = "fail"
)

// The causes that the model itself gives.
const (
	CauseNormal         csta.EventCause = "normal"
	CauseNewCall        csta.EventCause = "newCall"
	CauseNormalClearing csta.EventCause = "normalClearing"
)

// A Party is a device's part in a call, as the driver reports it.
type Party struct {
	// Device is the deviceID of its ConnectionID: the PBX's name for the line
	// of an own device; anything that is unique in the call for another.
	Device string
	// Number is what others are shown: the zero value means Device itself.
	Number csta.ExtendedDeviceID
	// Own says that the device is a line of this PBX: it sees events.
	Own bool
}

// Shown returns the party's number as others are shown it.
func (p Party) Shown() csta.ExtendedDeviceID {
	if p.Number.IsZero() {
		return csta.Party(p.Device)
	}
	return p.Number
}

// A Call is a call as a driver found it at its PBX: the input of Calls.Sync
// and the output of Calls.List.
type Call struct {
	ID             string
	Calling        csta.ExtendedDeviceID
	Called         csta.ExtendedDeviceID
	LastRedirected csta.RedirectionDeviceID
	Connections    []Connection
}

// A Connection is a party of a call and its state.
type Connection struct {
	Party
	State csta.LocalConnectionState
}

// find returns the connection of the device, nil if it has none.
func (c *Call) find(device string) *Connection {
	for i := range c.Connections {
		if c.Connections[i].Device == device {
			return &c.Connections[i]
		}
	}
	return nil
}

// Calls is the model of a PBX's calls. A driver feeds it facts as it learns
// them; a fact that changes nothing (an answer to an answered call, a second
// alerting) yields no event, so a driver may report what it sees twice. Each
// event goes to every own device in the call, with that device's own state in
// localConnectionInfo. All methods may be called from any goroutine; events
// leave in the order of the facts.
type Calls struct {
	mu    sync.Mutex
	calls map[string]*Call
	emit  Emit
}

// NewCalls returns an empty model. It emits nothing until SetEmit.
func NewCalls() *Calls {
	return &Calls{calls: map[string]*Call{}, emit: func(string, csta.Message) {}}
}

// SetEmit tells where events go. emit is called with the model locked: it must
// not call the model.
func (m *Calls) SetEmit(emit Emit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.emit = emit
}

// tell emits an event to each own device of the call, made anew for each: its
// receivers own it.
func (m *Calls) tell(c *Call, event func(local csta.LocalConnectionState) csta.Event) {
	for _, conn := range c.Connections {
		if conn.Own {
			m.emit(conn.Device, event(conn.State))
		}
	}
}

// start returns the call, a new one if need be.
func (m *Calls) start(id string) *Call {
	c := m.calls[id]
	if c == nil {
		c = &Call{ID: id, LastRedirected: csta.RedirectionDeviceID{NotRequired: true}}
		m.calls[id] = c
	}
	return c
}

// enter puts the party into the call with the state, and reports whether that
// changed anything. A party that is there keeps its number unless a better one
// is known now.
func (c *Call) enter(p Party, state csta.LocalConnectionState) bool {
	if conn := c.find(p.Device); conn != nil {
		if !p.Number.IsZero() {
			conn.Number = p.Number
		}
		changed := conn.State != state
		conn.State = state
		return changed
	}
	c.Connections = append(c.Connections, Connection{p, state})
	return true
}

// Initiated reports that the device is off hook, or prompted to go off hook,
// for a call that it has not dialled yet.
func (m *Calls) Initiated(call string, by Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.start(call)
	if c.find(by.Device) != nil {
		return
	}
	c.enter(by, Initiated)
	c.Calling = by.Shown()
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.ServiceInitiatedEvent{InitiatedConnection: csta.Connection(call, by.Device),
			InitiatingDevice: by.Shown(), LocalConnectionInfo: local, Cause: cause}
	})
}

// Originated reports that a call to called is attempted from the device, which
// is connected to it from now on. A caller outside the PBX is reported the same
// way; nobody sees an event of it.
func (m *Calls) Originated(call string, by Party, called csta.ExtendedDeviceID, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.start(call)
	if conn := c.find(by.Device); conn != nil && conn.State != Initiated && conn.State != Alerting {
		return
	}
	c.enter(by, Connected)
	c.Calling, c.Called = by.Shown(), called
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.OriginatedEvent{OriginatedConnection: csta.Connection(call, by.Device),
			CallingDevice: by.Shown(), CalledDevice: called, LocalConnectionInfo: local, Cause: cause}
	})
}

// Delivered reports that the device alerts.
func (m *Calls) Delivered(call string, to Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.calls[call]
	if c == nil || c.find(to.Device) != nil {
		return
	}
	c.enter(to, Alerting)
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.DeliveredEvent{Connection: csta.Connection(call, to.Device), AlertingDevice: to.Shown(),
			CallingDevice: c.calling(), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: local, Cause: cause}
	})
}

// calling and called never leave a required element empty.
func (c *Call) calling() csta.ExtendedDeviceID {
	if c.Calling.IsZero() {
		return csta.NotKnown()
	}
	return c.Calling
}

func (c *Call) called() csta.ExtendedDeviceID {
	if c.Called.IsZero() {
		return csta.NotKnown()
	}
	return c.Called
}

// Established reports that the device answered.
func (m *Calls) Established(call string, by Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.calls[call]
	if c == nil {
		return
	}
	if conn := c.find(by.Device); conn != nil && (conn.State == Connected || conn.State == Hold) {
		return
	}
	c.enter(by, Connected)
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.EstablishedEvent{EstablishedConnection: csta.Connection(call, by.Device), AnsweringDevice: c.find(by.Device).Shown(),
			CallingDevice: c.calling(), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: local, Cause: cause}
	})
}

// Held reports that the device placed its connection on hold.
func (m *Calls) Held(call, device string, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(call, device)
	if conn == nil || conn.State != Connected {
		return
	}
	conn.State = Hold
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.HeldEvent{HeldConnection: csta.Connection(call, device), HoldingDevice: conn.Shown(),
			LocalConnectionInfo: local, Cause: cause}
	})
}

// Retrieved reports that the device is connected again after a hold.
func (m *Calls) Retrieved(call, device string, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(call, device)
	if conn == nil || conn.State != Hold {
		return
	}
	conn.State = Connected
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.RetrievedEvent{RetrievedConnection: csta.Connection(call, device), RetrievingDevice: conn.Shown(),
			LocalConnectionInfo: local, Cause: cause}
	})
}

// Diverted reports that the call left the device for another destination. The
// device is no longer in the call; the new destination enters it by Delivered.
func (m *Calls) Diverted(call, device string, to csta.ExtendedDeviceID, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(call, device)
	if conn == nil {
		return
	}
	conn.State = Null
	from := conn.Shown()
	c.LastRedirected = redirection(from)
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.DivertedEvent{Connection: csta.Connection(call, device), DivertingDevice: from, NewDestination: to,
			CallingDevice: c.calling(), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: local, Cause: cause}
	})
	m.leave(c, device)
}

func redirection(d csta.ExtendedDeviceID) csta.RedirectionDeviceID {
	return csta.RedirectionDeviceID{NumberDialed: d.DeviceIdentifier, NotKnown: d.NotKnown, Restricted: d.Restricted}
}

// Redirected records that the call was forwarded away from a device that it
// never alerted at: later events name it as the last redirection device.
func (m *Calls) Redirected(call string, from csta.ExtendedDeviceID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.calls[call]; c != nil {
		c.LastRedirected = redirection(from)
	}
}

// Failed reports that the call cannot be completed. failing is the device
// whose connection fails: the called one when it is busy, which enters the call
// by that, or the caller's own when the number does not exist.
func (m *Calls) Failed(call string, failing Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.calls[call]
	if c == nil || !c.enter(failing, Fail) {
		return
	}
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.FailedEvent{FailedConnection: csta.Connection(call, failing.Device), FailingDevice: failing.Shown(),
			CallingDevice: c.calling(), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: local, Cause: cause}
	})
}

// Cleared reports that the device left the call. A call that nobody is in any
// more is forgotten.
func (m *Calls) Cleared(call, device string, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear(call, device, cause)
}

func (m *Calls) clear(call, device string, cause csta.EventCause) {
	c, conn := m.lookup(call, device)
	if conn == nil {
		return
	}
	conn.State = Null
	m.tell(c, func(local csta.LocalConnectionState) csta.Event {
		return &csta.ConnectionClearedEvent{DroppedConnection: csta.Connection(call, device), ReleasingDevice: conn.Shown(),
			LocalConnectionInfo: local, Cause: cause}
	})
	m.leave(c, device)
}

// Ended reports that the whole call is over: everyone in it leaves, in the
// order in which they came.
func (m *Calls) Ended(call string, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(call, cause)
}

func (m *Calls) end(call string, cause csta.EventCause) {
	if c := m.calls[call]; c != nil {
		for _, conn := range slices.Clone(c.Connections) {
			m.clear(call, conn.Device, cause)
		}
	}
	delete(m.calls, call)
}

func (m *Calls) leave(c *Call, device string) {
	c.Connections = slices.DeleteFunc(c.Connections, func(conn Connection) bool { return conn.Device == device })
	if len(c.Connections) == 0 {
		delete(m.calls, c.ID)
	}
}

func (m *Calls) lookup(call, device string) (*Call, *Connection) {
	c := m.calls[call]
	if c == nil {
		return nil, nil
	}
	return c, c.find(device)
}

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
// the resulting call by Delivered or Established.
func (m *Calls) Transferred(j Joining) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, items, result := m.join(j, false)
	if result == nil {
		return
	}
	for _, conn := range old {
		if !conn.Own {
			continue
		}
		ev := &csta.TransferedEvent{PrimaryOldCall: csta.Connection(j.Primary, j.Device), TransferringDevice: csta.Party(j.Device),
			TransferredToDevice: j.To, TransferredConnections: slices.Clone(items), LocalConnectionInfo: conn.State, Cause: j.Cause}
		if j.Secondary != "" {
			ev.SecondaryOldCall = csta.Connection(j.Secondary, j.Device)
		}
		m.emit(conn.Device, ev)
	}
}

// Conferenced reports that the device joined its two calls and stayed.
func (m *Calls) Conferenced(j Joining) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, items, result := m.join(j, true)
	if result == nil {
		return
	}
	for _, conn := range old {
		if !conn.Own {
			continue
		}
		ev := &csta.ConferencedEvent{PrimaryOldCall: csta.Connection(j.Primary, j.Device), ConferencingDevice: csta.Party(j.Device),
			AddedParty: j.To, ConferenceConnections: slices.Clone(items), LocalConnectionInfo: conn.State, Cause: j.Cause}
		if j.Secondary != "" {
			ev.SecondaryOldCall = csta.Connection(j.Secondary, j.Device)
		}
		m.emit(conn.Device, ev)
	}
}

// join makes one call of two. It returns all that were in either, with the
// state they are left in, and what becomes of the connections that go on.
func (m *Calls) join(j Joining, stays bool) (all []Connection, items []csta.ConnectionListItem, result *Call) {
	primary, conn := m.lookup(j.Primary, j.Device)
	if conn == nil {
		return nil, nil, nil
	}
	secondary := m.calls[j.Secondary]
	result = &Call{ID: j.Result, Calling: primary.Calling, Called: primary.Called, LastRedirected: csta.RedirectionDeviceID{NotRequired: true}}
	if !stays {
		result.LastRedirected = redirection(conn.Shown())
	}
	for _, c := range []*Call{primary, secondary} {
		if c == nil {
			continue
		}
		for _, conn := range c.Connections {
			switch {
			case conn.Device != j.Device:
				if conn.State == Hold && !stays {
					conn.State = Connected
				}
			case !stays:
				conn.State = Null
				if c == primary {
					all = append(all, conn)
				}
				continue
			default:
				conn.State = Connected
			}
			if result.find(conn.Device) != nil {
				continue
			}
			result.Connections = append(result.Connections, conn)
			all = append(all, conn)
			item := csta.ConnectionListItem{NewConnection: csta.Connection(j.Result, conn.Device), OldConnection: csta.Connection(c.ID, conn.Device)}
			shown := conn.Shown()
			item.Endpoint = &csta.Endpoint{DeviceID: shown.DeviceIdentifier, NotKnown: shown.NotKnown, Restricted: shown.Restricted}
			items = append(items, item)
		}
		delete(m.calls, c.ID)
	}
	if !stays {
		if len(result.Connections) > 0 {
			result.Calling = result.Connections[0].Shown()
		}
		result.Called = j.To
	}
	m.calls[result.ID] = result
	return all, items, result
}

// Sync makes the model agree with what the driver found at the PBX after a
// lost link, and reports the difference by ordinary events: what ended is
// cleared, what is new is delivered, what changed changes. found belongs to the
// model afterwards.
func (m *Calls) Sync(found []Call) {
	m.mu.Lock()
	now := map[string]*Call{}
	for i := range found {
		now[found[i].ID] = &found[i]
	}
	for _, id := range m.ids() {
		c := m.calls[id]
		n := now[id]
		if n == nil {
			m.end(id, CauseNormal)
			continue
		}
		for _, conn := range slices.Clone(c.Connections) {
			if n.find(conn.Device) == nil {
				m.clear(id, conn.Device, CauseNormal)
			}
		}
	}
	m.mu.Unlock()
	for i := range found {
		m.catchUp(&found[i])
	}
}

// catchUp reports what leads to the found call from what is known of it.
func (m *Calls) catchUp(n *Call) {
	m.mu.Lock()
	if c := m.calls[n.ID]; c != nil {
		if !n.Calling.IsZero() {
			c.Calling = n.Calling
		}
		if !n.Called.IsZero() {
			c.Called = n.Called
		}
	} else {
		c := m.start(n.ID)
		c.Calling, c.Called = n.Calling, n.Called
		if !n.LastRedirected.IsZero() {
			c.LastRedirected = n.LastRedirected
		}
	}
	known := func(device string) csta.LocalConnectionState {
		if _, conn := m.lookup(n.ID, device); conn != nil {
			return conn.State
		}
		return Null
	}
	before := map[string]csta.LocalConnectionState{}
	for _, conn := range n.Connections {
		before[conn.Device] = known(conn.Device)
	}
	m.mu.Unlock()

	called := n.Called
	if called.IsZero() {
		called = csta.NotKnown()
	}
	for i, conn := range n.Connections {
		caller := conn.Shown() == n.Calling || n.Calling.IsZero() && i == 0
		was := before[conn.Device]
		switch conn.State {
		case Initiated:
			m.Initiated(n.ID, conn.Party, CauseNormal)
		case Alerting:
			m.Delivered(n.ID, conn.Party, CauseNewCall)
		case Fail:
			m.Failed(n.ID, conn.Party, CauseNormal)
		case Connected, Hold:
			if was == Null && caller || was == Initiated {
				m.Originated(n.ID, conn.Party, called, CauseNewCall)
			}
			if was == Null && !caller || was == Alerting {
				m.Established(n.ID, conn.Party, CauseNormal)
			}
			if conn.State == Hold {
				m.Held(n.ID, conn.Device, CauseNormal)
			} else if was == Hold {
				m.Retrieved(n.ID, conn.Device, CauseNormal)
			}
		default:
		}
	}
}

func (m *Calls) ids() []string {
	ids := make([]string, 0, len(m.calls))
	for id := range m.calls {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// List returns a copy of all calls, ordered by callID.
func (m *Calls) List() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Call, 0, len(m.calls))
	for _, id := range m.ids() {
		list = append(list, m.calls[id].clone())
	}
	return list
}

func (c *Call) clone() Call {
	n := *c
	n.Connections = slices.Clone(c.Connections)
	return n
}

// At returns copies of the calls that the device is in, ordered by callID.
func (m *Calls) At(device string) []Call {
	return slices.DeleteFunc(m.List(), func(c Call) bool { return c.find(device) == nil })
}

// Find returns the call of id and the connection that id names in it, both
// copies. An id that names no connection is refused with
// operation/invalidConnectionID.
func (m *Calls) Find(id csta.ConnectionID) (Call, Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(id.CallID, id.DeviceID.ID)
	if conn == nil {
		return Call{}, Connection{}, csta.Errorf(csta.Operation, "invalidConnectionID", "there is no connection %s", id)
	}
	return c.clone(), *conn, nil
}

// Require is Find for a service that needs the connection in one of the states;
// another is refused with stateIncompatibility and the given value.
func (m *Calls) Require(id csta.ConnectionID, value string, states ...csta.LocalConnectionState) (Call, Connection, error) {
	c, conn, err := m.Find(id)
	if err == nil && !slices.Contains(states, conn.State) {
		err = csta.Errorf(csta.StateIncompatibility, value, "connection %s is %s, not %v", id, conn.State, states)
	}
	return c, conn, err
}

// Other returns the connections of the call that are not the device's.
func (c Call) Other(device string) []Connection {
	return slices.DeleteFunc(slices.Clone(c.Connections), func(conn Connection) bool { return conn.Device == device })
}

// SnapshotDevice answers the service of that name from the model. The device's
// own state comes first in each compound call state (ECMA-269 clause 6.1.5).
func (m *Calls) SnapshotDevice(device string) *csta.SnapshotDeviceResponse {
	list := &csta.SnapshotDeviceDataList{}
	for _, c := range m.At(device) {
		info := csta.SnapshotDeviceResponseInfo{ConnectionIdentifier: csta.Connection(c.ID, device), EndpointDevice: csta.NotKnown()}
		states := []csta.LocalConnectionState{c.find(device).State}
		for i, o := range c.Other(device) {
			if i == 0 {
				info.EndpointDevice = o.Shown()
			}
			states = append(states, o.State)
		}
		info.LocalCallState = &csta.CallState{CompoundCallState: &csta.CompoundCallState{LocalConnectionState: states}}
		list.SnapshotDeviceResponseInfo = append(list.SnapshotDeviceResponseInfo, info)
	}
	return &csta.SnapshotDeviceResponse{CrossRefIDorSnapshotData: &csta.SnapshotDeviceData{SnapshotData: list}}
}
