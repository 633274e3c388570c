package pbx

import (
	"reflect"
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
	// Name is what the PBX calls the party, as it has it: of the user of a line,
	// or as a trunk presents it. Empty means that the PBX has none, or not yet.
	// Others are shown it by the party's number, with which it is withheld; a Name
	// in Number does not count.
	Name string
	// Own says that the device is a line of this PBX: it sees events.
	Own bool
	// For is the own device that put the party here: who parked the call in
	// this orbit. It is told when the party leaves, though it left before.
	For string
}

// Shown returns the party's number, and its name, as others are shown it.
func (p Party) Shown() csta.ExtendedDeviceID {
	shown := p.Number
	if shown.IsZero() {
		shown = csta.Party(p.Device)
	}
	shown.Name = ""
	if !shown.Restricted {
		shown.Name = csta.DisplayName(p.Name)
	}
	return shown
}

// shownTo returns the party's number as an own device is shown it: who
// withholds the number does so from others.
func (p Party) shownTo(device string) csta.ExtendedDeviceID {
	if p.Device == device && bool(p.Number.Restricted) {
		p.Number = csta.Party(p.Device)
	}
	return p.Shown()
}

// A Call is a call as a driver found it at its PBX: the input of Calls.Sync
// and the output of Calls.List.
type Call struct {
	ID             string
	Calling        csta.ExtendedDeviceID
	Called         csta.ExtendedDeviceID
	LastRedirected csta.RedirectionDeviceID
	Correlator     *csta.PrivateData // travels with the call; not to be changed
	Connections    []Connection

	from string // the device of Calling
}

// A Connection is a party of a call and its state.
type Connection struct {
	Party
	State csta.LocalConnectionState
	// Early says that the connection is in its state though it does not alert
	// yet: it was offered the call, or the call reached the network.
	Early bool
}

// learn takes in what is known of the party now.
func (c *Connection) learn(p Party) {
	if !p.Number.IsZero() {
		if !sameParty(p.Number, c.Number) {
			c.Name = "" // it was another's
		}
		c.Number = p.Number
	}
	if p.Name != "" {
		c.Name = p.Name
	}
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
	at    map[string][]*Call // the calls that a device is in
	emit  Emit
}

// NewCalls returns an empty model. It emits nothing until SetEmit.
func NewCalls() *Calls {
	return &Calls{calls: map[string]*Call{}, at: map[string][]*Call{}, emit: func(string, csta.Message) {}}
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
func (m *Calls) tell(c *Call, event func(to Connection) csta.Event) {
	for _, conn := range c.Connections {
		if conn.Own {
			m.emit(conn.Device, c.correlate(event(conn)))
		}
	}
}

// tellLeaving is tell, of a connection that ends: who put the party there is
// told too, and that it has no connection itself.
func (m *Calls) tellLeaving(c *Call, leaving *Connection, event func(to Connection) csta.Event) {
	m.tell(c, event)
	if leaving.For != "" && c.find(leaving.For) == nil {
		m.emit(leaving.For, c.correlate(event(Connection{})))
	}
}

// correlate puts the data that travels with the call into an event of it.
func (c *Call) correlate(ev csta.Event) csta.Event {
	if c.Correlator != nil {
		if f := reflect.ValueOf(ev).Elem().FieldByName("CorrelatorData"); f.IsValid() {
			data := *c.Correlator
			f.Set(reflect.ValueOf(&data))
		}
	}
	return ev
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
// changed anything. A party that is there keeps its number and its name unless
// better ones are known now.
func (m *Calls) enter(c *Call, p Party, state csta.LocalConnectionState) bool {
	if conn := c.find(p.Device); conn != nil {
		conn.learn(p)
		changed := conn.State != state || conn.Early
		conn.State, conn.Early = state, false
		return changed
	}
	c.Connections = append(c.Connections, Connection{Party: p, State: state})
	m.at[p.Device] = append(m.at[p.Device], c)
	return true
}

// Initiated reports that the device is off hook, or prompted to go off hook,
// for a call that it has not dialled yet.
func (m *Calls) Initiated(call string, by Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.initiated(call, by, cause)
}

func (m *Calls) initiated(call string, by Party, cause csta.EventCause) {
	c := m.start(call)
	if c.find(by.Device) != nil {
		return
	}
	m.enter(c, by, Initiated)
	if c.Calling.IsZero() {
		c.Calling, c.from = by.Shown(), by.Device
	}
	m.tell(c, func(to Connection) csta.Event {
		return &csta.ServiceInitiatedEvent{InitiatedConnection: csta.Connection(call, by.Device),
			InitiatingDevice: by.shownTo(to.Device), LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Originated reports that a call to called is attempted from the device, which
// is connected to it from now on. A caller outside the PBX is reported the same
// way; nobody sees an event of it.
func (m *Calls) Originated(call string, by Party, called csta.ExtendedDeviceID, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.originated(call, by, called, cause)
}

func (m *Calls) originated(call string, by Party, called csta.ExtendedDeviceID, cause csta.EventCause) {
	c := m.start(call)
	if conn := c.find(by.Device); conn != nil && conn.State != Initiated && conn.State != Alerting {
		return
	}
	m.enter(c, by, Connected)
	by = c.find(by.Device).Party
	c.Calling, c.Called, c.from = by.Shown(), called, by.Device
	called = c.called()
	m.tell(c, func(to Connection) csta.Event {
		return &csta.OriginatedEvent{OriginatedConnection: csta.Connection(call, by.Device),
			CallingDevice: by.shownTo(to.Device), CalledDevice: called, LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Delivered reports that the device alerts, maybe after it was offered the call
// or reached as a network.
func (m *Calls) Delivered(call string, at Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delivered(call, at, cause)
}

func (m *Calls) delivered(call string, at Party, cause csta.EventCause) {
	c := m.calls[call]
	if c == nil {
		return
	}
	if conn := c.find(at.Device); conn != nil && !conn.Early {
		return
	}
	m.enter(c, at, Alerting)
	at = c.find(at.Device).Party
	m.tell(c, func(to Connection) csta.Event {
		return &csta.DeliveredEvent{Connection: csta.Connection(call, at.Device), AlertingDevice: at.shownTo(to.Device),
			CallingDevice: c.calling(to), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Named records what the PBX calls a party that is in the call, where that was
// learned after the party was reported. There is no event of it; later ones have
// the name.
func (m *Calls) Named(call, device, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, conn := m.lookup(call, device); conn != nil {
		conn.Name = name
	}
}

// calling and called never leave a required element empty. A caller that
// withholds its number does so from others.
func (c *Call) calling(to Connection) csta.ExtendedDeviceID {
	if c.from == to.Device && bool(c.Calling.Restricted) {
		return csta.Party(to.Device)
	}
	if conn := c.find(c.from); conn != nil && conn.Name != "" {
		if shown := conn.Shown(); sameParty(shown, c.Calling) {
			c.Calling.Name = shown.Name
		}
	}
	return orNotKnown(c.Calling)
}

// called has the name of the party that was dialled, from when that is in the
// call: who dials a number does not know whose it is.
func (c *Call) called() csta.ExtendedDeviceID {
	for _, conn := range c.Connections {
		if conn.Name == "" || conn.Device == c.from {
			continue
		}
		if shown := conn.Shown(); shown.DeviceIdentifier.ID != "" && sameParty(shown, c.Called) {
			c.Called.Name = shown.Name
		}
	}
	return orNotKnown(c.Called)
}

func orNotKnown(d csta.ExtendedDeviceID) csta.ExtendedDeviceID {
	if d.IsZero() {
		return csta.NotKnown()
	}
	return d
}

// Established reports that the device answered.
func (m *Calls) Established(call string, by Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.established(call, by, cause)
}

func (m *Calls) established(call string, by Party, cause csta.EventCause) {
	c := m.calls[call]
	if c == nil {
		return
	}
	if conn := c.find(by.Device); conn != nil && !conn.Early && (conn.State == Connected || conn.State == Hold || conn.State == Queued || conn.State == Fail) {
		return
	}
	m.enter(c, by, Connected)
	by = c.find(by.Device).Party
	m.tell(c, func(to Connection) csta.Event {
		return &csta.EstablishedEvent{EstablishedConnection: csta.Connection(call, by.Device), AnsweringDevice: by.shownTo(to.Device),
			CallingDevice: c.calling(to), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Held reports that the device placed its connection on hold.
func (m *Calls) Held(call, device string, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held(call, device, cause)
}

func (m *Calls) held(call, device string, cause csta.EventCause) {
	c, conn := m.lookup(call, device)
	if conn == nil || conn.State != Connected {
		return
	}
	conn.State, conn.Early = Hold, false
	m.tell(c, func(to Connection) csta.Event {
		return &csta.HeldEvent{HeldConnection: csta.Connection(call, device), HoldingDevice: conn.shownTo(to.Device),
			LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Retrieved reports that the device is connected again after a hold.
func (m *Calls) Retrieved(call, device string, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retrieved(call, device, cause)
}

func (m *Calls) retrieved(call, device string, cause csta.EventCause) {
	c, conn := m.lookup(call, device)
	if conn == nil || conn.State != Hold {
		return
	}
	conn.State = Connected
	m.tell(c, func(to Connection) csta.Event {
		return &csta.RetrievedEvent{RetrievedConnection: csta.Connection(call, device), RetrievingDevice: conn.shownTo(to.Device),
			LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Diverted reports that the call left the device for another destination. The
// device is no longer in the call; the new destination enters it by Delivered.
// A connection that cannot be diverted, because it holds or has failed or not
// dialled yet, is reported as cleared.
func (m *Calls) Diverted(call, device string, to csta.ExtendedDeviceID, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(call, device)
	if conn == nil {
		return
	}
	if conn.State != Alerting && conn.State != Connected && conn.State != Queued {
		m.clear(call, device, cause)
		return
	}
	conn.State = Null
	destination := orNotKnown(to)
	c.LastRedirected = redirection(conn.Shown())
	m.tellLeaving(c, conn, func(to Connection) csta.Event {
		return &csta.DivertedEvent{Connection: csta.Connection(call, device), DivertingDevice: conn.shownTo(to.Device), NewDestination: destination,
			CallingDevice: c.calling(to), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: to.State, Cause: cause}
	})
	m.leave(c, device)
}

func redirection(d csta.ExtendedDeviceID) csta.RedirectionDeviceID {
	d = orNotKnown(d)
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
	m.failed(call, failing, cause)
}

func (m *Calls) failed(call string, failing Party, cause csta.EventCause) {
	c := m.calls[call]
	if c == nil || !m.enter(c, failing, Fail) {
		return
	}
	failing = c.find(failing.Device).Party
	m.tell(c, func(to Connection) csta.Event {
		return &csta.FailedEvent{FailedConnection: csta.Connection(call, failing.Device), FailingDevice: failing.shownTo(to.Device),
			CallingDevice: c.calling(to), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: to.State, Cause: cause}
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
	m.tellCleared(c, conn, cause)
	m.leave(c, device)
}

func (m *Calls) tellCleared(c *Call, conn *Connection, cause csta.EventCause) {
	conn.State = Null
	m.tellLeaving(c, conn, func(to Connection) csta.Event {
		return &csta.ConnectionClearedEvent{DroppedConnection: csta.Connection(c.ID, conn.Device), ReleasingDevice: conn.shownTo(to.Device),
			LocalConnectionInfo: to.State, Cause: cause}
	})
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

// leave takes the device out of the call, and forgets a call that is empty.
func (m *Calls) leave(c *Call, device string) {
	m.remove(c, device)
	if len(c.Connections) == 0 {
		delete(m.calls, c.ID)
	}
}

// remove takes the device out of the call.
func (m *Calls) remove(c *Call, device string) {
	c.Connections = slices.DeleteFunc(c.Connections, func(conn Connection) bool { return conn.Device == device })
	m.unindex(c, device)
}

func (m *Calls) unindex(c *Call, device string) {
	if list := slices.DeleteFunc(m.at[device], func(o *Call) bool { return o == c }); len(list) > 0 {
		m.at[device] = list
	} else {
		delete(m.at, device)
	}
}

func (m *Calls) lookup(call, device string) (*Call, *Connection) {
	c := m.calls[call]
	if c == nil {
		return nil, nil
	}
	return c, c.find(device)
}
