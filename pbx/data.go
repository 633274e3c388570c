package pbx

import "rccgw/csta"

// What is told of a call without changing it.

// Correlate gives data to the call, which it carries in the events from now on.
// A call that is not there yet is to begin next.
func (m *Calls) Correlate(call string, data *csta.PrivateData) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.start(call).Correlator = data
}

// Information reports data that a device in the call associated with it; an
// account code may be nil, and without a correlator the call keeps its own. It
// is reported once.
func (m *Calls) Information(call, device string, account csta.HexBinary, correlator *csta.PrivateData) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(call, device)
	if conn == nil {
		return
	}
	if correlator != nil {
		c.Correlator = correlator
	}
	m.tell(c, func(to Connection) csta.Event {
		return &csta.CallInformationEvent{Connection: csta.Connection(call, device), Device: conn.shownTo(to.Device), CallingDevice: c.calling(to),
			AccountInfo: append(csta.HexBinary(nil), account...)}
	})
}

// Digits reports digits that the device sent into the call. It is reported once.
func (m *Calls) Digits(call, device, digits string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, conn := m.lookup(call, device)
	if conn == nil {
		return
	}
	m.tell(c, func(Connection) csta.Event {
		return &csta.DigitsGeneratedEvent{Connection: csta.Connection(call, device), DigitGeneratedList: digits}
	})
}
