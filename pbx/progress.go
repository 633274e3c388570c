package pbx

import "rccgw/csta"

// What a call may go through before somebody is alerted.

// Dialled reports the digits that were dialled at a device that is off hook,
// before its call is originated. It is reported once.
func (m *Calls) Dialled(call, device string, digits csta.DeviceID, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(call, device)
	if conn == nil || conn.State != Initiated {
		return
	}
	m.tell(c, func(to Connection) csta.Event {
		return &csta.DigitsDialedEvent{DialingConnection: csta.Connection(call, device), DialingDevice: conn.shownTo(to.Device),
			DialingSequence: digits, LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Offered reports that the device may accept, answer or reject the call, which
// it does not alert for yet. Its state is Alerting nevertheless (ECMA-269 clause
// 6.1.5): Delivered follows, Established or the end.
func (m *Calls) Offered(call string, at Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offered(call, at, cause)
}

func (m *Calls) offered(call string, at Party, cause csta.EventCause) {
	c := m.calls[call]
	if c == nil || c.find(at.Device) != nil {
		return
	}
	m.enter(c, at, Alerting)
	c.find(at.Device).Early = true
	m.tell(c, func(to Connection) csta.Event {
		return &csta.OfferedEvent{OfferedConnection: csta.Connection(call, at.Device), OfferedDevice: at.shownTo(to.Device),
			CallingDevice: c.calling(to), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: to.State, Cause: cause}
	})
}

// NetworkReached reports that the call left over a trunk, via, for a party in
// another network, which is connected by that. Delivered, Established or Failed
// follow where the network tells them.
func (m *Calls) NetworkReached(call string, party Party, via csta.ExtendedDeviceID, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.networkReached(call, party, via, cause)
}

func (m *Calls) networkReached(call string, party Party, via csta.ExtendedDeviceID, cause csta.EventCause) {
	c := m.calls[call]
	if c == nil || c.find(party.Device) != nil {
		return
	}
	m.enter(c, party, Connected)
	c.find(party.Device).Early = true
	m.tell(c, func(to Connection) csta.Event {
		return &csta.NetworkReachedEvent{OutboundConnection: csta.Connection(call, party.Device), NetworkInterfaceUsed: orNotKnown(via),
			CallingDevice: c.calling(to), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: to.State, Cause: cause}
	})
}

// Queued reports that the call waits at a party that is no phone: a queue, or
// the orbit where For parked it. It leaves by Diverted, Cleared or Transferred.
func (m *Calls) Queued(call string, at Party, cause csta.EventCause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued(call, at, cause)
}

func (m *Calls) queued(call string, at Party, cause csta.EventCause) {
	c := m.calls[call]
	if c == nil || c.find(at.Device) != nil {
		return
	}
	m.enter(c, at, Queued)
	m.tell(c, func(to Connection) csta.Event {
		return &csta.QueuedEvent{QueuedConnection: csta.Connection(call, at.Device), Queue: at.shownTo(to.Device),
			CallingDevice: c.calling(to), CalledDevice: c.called(), LastRedirectionDevice: c.LastRedirected,
			LocalConnectionInfo: to.State, Cause: cause}
	})
}
