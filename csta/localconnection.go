package csta

import "reflect"

// LocalConnection returns the state of the reporting device's own connection
// and the callID of the event's first connection; both are empty for an event
// that is not about a call.
func LocalConnection(ev Event) (state LocalConnectionState, callID string) {
	v := reflect.ValueOf(ev).Elem()
	if f := planOf(v.Type()).find("localConnectionInfo"); f != nil {
		state = LocalConnectionState(v.FieldByIndex(f.index).String())
	}
	return state, FirstConnection(ev).CallID
}

// FirstConnection returns the connection that the event is about: the first one
// that it names.
func FirstConnection(ev Event) ConnectionID {
	v := reflect.ValueOf(ev).Elem()
	for _, f := range planOf(v.Type()).fields {
		if f.typ == typeConnection {
			return v.FieldByIndex(f.index).Interface().(ConnectionID)
		}
	}
	return ConnectionID{}
}

// WithoutLocalConnection returns a copy of ev that says nothing of the reporting
// device's own connection: as a monitor of type call is told it.
func WithoutLocalConnection(ev Event) Event {
	ev = Clone(ev)
	v := reflect.ValueOf(ev).Elem()
	if f := planOf(v.Type()).find("localConnectionInfo"); f != nil {
		v.FieldByIndex(f.index).SetZero()
	}
	return ev
}
