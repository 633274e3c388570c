package bus

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// What events say of connections, and events that say what is so.

// stepOf returns the connection that an event is about, and the state to which
// it leads it; no state if it leads none.
func stepOf(ev csta.Event) (party, csta.LocalConnectionState) {
	switch e := ev.(type) {
	case *csta.ServiceInitiatedEvent:
		return party{id: e.InitiatedConnection, shown: e.InitiatingDevice}, pbx.Initiated
	case *csta.OriginatedEvent:
		return party{id: e.OriginatedConnection, shown: e.CallingDevice}, pbx.Connected
	case *csta.DeliveredEvent:
		return party{id: e.Connection, shown: e.AlertingDevice}, pbx.Alerting
	case *csta.EstablishedEvent:
		return party{id: e.EstablishedConnection, shown: e.AnsweringDevice}, pbx.Connected
	case *csta.HeldEvent:
		return party{id: e.HeldConnection, shown: e.HoldingDevice}, pbx.Hold
	case *csta.RetrievedEvent:
		return party{id: e.RetrievedConnection, shown: e.RetrievingDevice}, pbx.Connected
	case *csta.FailedEvent:
		return party{id: e.FailedConnection, shown: e.FailingDevice}, pbx.Fail
	case *csta.DivertedEvent:
		return party{id: e.Connection, shown: e.DivertingDevice}, pbx.Null
	case *csta.ConnectionClearedEvent:
		return party{id: e.DroppedConnection, shown: e.ReleasingDevice}, pbx.Null
	}
	return party{}, ""
}

// A joining is what a transfer or a conference made of two calls.
type joining struct {
	primary, secondary csta.ConnectionID
	connections        []csta.ConnectionListItem
	stays              string // the deviceID of who conferences, who is connected now
}

func joiningOf(ev csta.Event) (joining, bool) {
	switch e := ev.(type) {
	case *csta.TransferedEvent:
		return joining{e.PrimaryOldCall, e.SecondaryOldCall, e.TransferredConnections, ""}, true
	case *csta.ConferencedEvent:
		return joining{e.PrimaryOldCall, e.SecondaryOldCall, e.ConferenceConnections, e.PrimaryOldCall.DeviceID.ID}, true
	}
	return joining{}, false
}

// result is the callID of what is left.
func (j joining) result() string {
	if len(j.connections) == 0 {
		return j.primary.CallID
	}
	return j.connections[0].NewConnection.CallID
}

// A party is a connection whose state is told anew.
type party struct {
	id                     csta.ConnectionID
	shown, calling, called csta.ExtendedDeviceID
	caller                 bool // it made the call
}

// become returns the events that lead from one state to another; local is the
// state of the device that is told.
func (p party) become(was, is, local csta.LocalConnectionState) []csta.Event {
	if was == is {
		return nil
	}
	for _, d := range []*csta.ExtendedDeviceID{&p.shown, &p.calling, &p.called} {
		if d.IsZero() {
			*d = csta.NotKnown()
		}
	}
	redirection := csta.RedirectionDeviceID{NotKnown: true}
	var events []csta.Event
	switch is {
	case pbx.Null:
		return []csta.Event{&csta.ConnectionClearedEvent{DroppedConnection: p.id, ReleasingDevice: p.shown, LocalConnectionInfo: local, Cause: pbx.CauseNormal}}
	case pbx.Initiated:
		return []csta.Event{&csta.ServiceInitiatedEvent{InitiatedConnection: p.id, InitiatingDevice: p.shown, LocalConnectionInfo: local, Cause: pbx.CauseNormal}}
	case pbx.Alerting:
		return []csta.Event{&csta.DeliveredEvent{Connection: p.id, AlertingDevice: p.shown, CallingDevice: p.calling, CalledDevice: p.called,
			LastRedirectionDevice: redirection, LocalConnectionInfo: local, Cause: pbx.CauseNormal}}
	case pbx.Fail:
		return []csta.Event{&csta.FailedEvent{FailedConnection: p.id, FailingDevice: p.shown, CallingDevice: p.calling, CalledDevice: p.called,
			LastRedirectionDevice: redirection, LocalConnectionInfo: local, Cause: pbx.CauseNormal}}
	}
	if was == pbx.Null || was == pbx.Initiated || was == pbx.Alerting {
		between := local
		if is == pbx.Hold && local == pbx.Hold {
			between = pbx.Connected // its own, on the way
		}
		if p.caller {
			events = append(events, &csta.OriginatedEvent{OriginatedConnection: p.id, CallingDevice: p.shown, CalledDevice: p.called,
				LocalConnectionInfo: between, Cause: pbx.CauseNormal})
		} else {
			events = append(events, &csta.EstablishedEvent{EstablishedConnection: p.id, AnsweringDevice: p.shown, CallingDevice: p.calling, CalledDevice: p.called,
				LastRedirectionDevice: redirection, LocalConnectionInfo: between, Cause: pbx.CauseNormal})
		}
		was = pbx.Connected
	}
	switch {
	case is == pbx.Hold && was != pbx.Hold:
		events = append(events, &csta.HeldEvent{HeldConnection: p.id, HoldingDevice: p.shown, LocalConnectionInfo: local, Cause: pbx.CauseNormal})
	case is == pbx.Connected && was == pbx.Hold:
		events = append(events, &csta.RetrievedEvent{RetrievedConnection: p.id, RetrievingDevice: p.shown, LocalConnectionInfo: local, Cause: pbx.CauseNormal})
	}
	return events
}
