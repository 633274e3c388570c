package pbx

import (
	"slices"
	"strings"

	"rccgw/csta"
)

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

// Get returns a copy of the call, and whether there is one of that callID.
func (m *Calls) Get(id string) (Call, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.calls[id]
	if c == nil {
		return Call{}, false
	}
	return c.clone(), true
}

// At returns copies of the calls that the device is in, ordered by callID.
func (m *Calls) At(device string) []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.at[device]) == 0 {
		return nil
	}
	list := make([]Call, 0, len(m.at[device]))
	for _, c := range m.at[device] {
		list = append(list, c.clone())
	}
	slices.SortFunc(list, func(a, b Call) int { return strings.Compare(a.ID, b.ID) })
	return list
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
// own state comes first in each compound call state (ECMA-269 clause 6.1.5). It
// shows what the device sees by events: not a call in which it is no own device.
func (m *Calls) SnapshotDevice(device string) *csta.SnapshotDeviceResponse {
	list := &csta.SnapshotDeviceDataList{}
	for _, c := range m.At(device) {
		own := c.find(device)
		if !own.Own {
			continue
		}
		info := csta.SnapshotDeviceResponseInfo{ConnectionIdentifier: csta.Connection(c.ID, device), EndpointDevice: csta.NotKnown()}
		states := []csta.LocalConnectionState{own.State}
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

// SnapshotCall answers the service of that name from the model. An id without a
// deviceID means the call. One that names neither a call nor a connection is
// refused with operation/invalidConnectionID.
func (m *Calls) SnapshotCall(id csta.ConnectionID) (*csta.SnapshotCallResponse, error) {
	c, ok := m.Get(id.CallID)
	if !ok || id.DeviceID.ID != "" && c.find(id.DeviceID.ID) == nil {
		return nil, csta.Errorf(csta.Operation, "invalidConnectionID", "there is no connection %s", id)
	}
	list := &csta.SnapshotCallDataList{}
	for _, conn := range c.Connections {
		list.SnapshotCallResponseInfo = append(list.SnapshotCallResponseInfo, csta.SnapshotCallResponseInfo{DeviceOnCall: conn.shownTo(id.DeviceID.ID),
			CallIdentifier: csta.Connection(c.ID, conn.Device), LocalConnectionInfo: conn.State})
	}
	return &csta.SnapshotCallResponse{CrossRefIDorSnapshotData: &csta.SnapshotCallData{SnapshotData: list},
		CallingDevice: c.calling(Connection{Party: Party{Device: id.DeviceID.ID}}), CalledDevice: c.called()}, nil
}
