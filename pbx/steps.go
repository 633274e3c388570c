package pbx

import "rccgw/csta"

// What events say of connections, and events that say what is so.

// A Subject is the connection that an event is about.
type Subject struct {
	ID                     csta.ConnectionID
	Shown, Calling, Called csta.ExtendedDeviceID
	Caller                 bool // it made the call
	Own                    bool // it is that of the device that is told
}

// StepOf returns the connection that an event is about, and the state to which
// it leads it; no state if it leads none.
func StepOf(ev csta.Event) (Subject, csta.LocalConnectionState) {
	switch e := ev.(type) {
	case *csta.ServiceInitiatedEvent:
		return Subject{ID: e.InitiatedConnection, Shown: e.InitiatingDevice}, Initiated
	case *csta.OriginatedEvent:
		return Subject{ID: e.OriginatedConnection, Shown: e.CallingDevice}, Connected
	case *csta.DeliveredEvent:
		return Subject{ID: e.Connection, Shown: e.AlertingDevice}, Alerting
	case *csta.EstablishedEvent:
		return Subject{ID: e.EstablishedConnection, Shown: e.AnsweringDevice}, Connected
	case *csta.HeldEvent:
		return Subject{ID: e.HeldConnection, Shown: e.HoldingDevice}, Hold
	case *csta.RetrievedEvent:
		return Subject{ID: e.RetrievedConnection, Shown: e.RetrievingDevice}, Connected
	case *csta.FailedEvent:
		return Subject{ID: e.FailedConnection, Shown: e.FailingDevice}, Fail
	case *csta.DivertedEvent:
		return Subject{ID: e.Connection, Shown: e.DivertingDevice}, Null
	case *csta.ConnectionClearedEvent:
		return Subject{ID: e.DroppedConnection, Shown: e.ReleasingDevice}, Null
	}
	return Subject{}, ""
}

// A Union is what a transfer or a conference made of two calls.
type Union struct {
	Primary, Secondary csta.ConnectionID
	Connections        []csta.ConnectionListItem
	Stays              string // the deviceID of who conferences, who is connected now
}

// UnionOf returns what the event says of calls that were joined, and whether it
// says so.
func UnionOf(ev csta.Event) (Union, bool) {
	switch e := ev.(type) {
	case *csta.TransferedEvent:
		return Union{e.PrimaryOldCall, e.SecondaryOldCall, e.TransferredConnections, ""}, true
	case *csta.ConferencedEvent:
		return Union{e.PrimaryOldCall, e.SecondaryOldCall, e.ConferenceConnections, e.PrimaryOldCall.DeviceID.ID}, true
	}
	return Union{}, false
}

// Result is the callID of what is left.
func (u Union) Result() string {
	if len(u.Connections) == 0 {
		return u.Primary.CallID
	}
	return u.Connections[0].NewConnection.CallID
}

// Become returns the events that lead from one state to another; local is the
// state of the device that is told, empty where none is to be. A connection that
// cannot have come to its new state by one step was cleared and has come anew.
func (p Subject) Become(was, is, local csta.LocalConnectionState) []csta.Event {
	if was == is {
		return nil
	}
	// A device may have been queued itself: then it rings, and answers like one that rang.
	queued := was == Queued && is != Initiated
	if was != Null && is != Null && !queued && !follows(Connection{State: was}, Connection{State: is}) {
		between := local
		if p.Own {
			between = Null
		}
		return append(p.Become(was, Null, between), p.Become(Null, is, local)...)
	}
	shown, calling, called := orNotKnown(p.Shown), orNotKnown(p.Calling), orNotKnown(p.Called)
	redirection := csta.RedirectionDeviceID{NotKnown: true}
	var events []csta.Event
	switch is {
	case Null:
		return []csta.Event{&csta.ConnectionClearedEvent{DroppedConnection: p.ID, ReleasingDevice: shown, LocalConnectionInfo: local, Cause: CauseNormal}}
	case Initiated:
		return []csta.Event{&csta.ServiceInitiatedEvent{InitiatedConnection: p.ID, InitiatingDevice: shown, LocalConnectionInfo: local, Cause: CauseNormal}}
	case Alerting:
		return []csta.Event{&csta.DeliveredEvent{Connection: p.ID, AlertingDevice: shown, CallingDevice: calling, CalledDevice: called,
			LastRedirectionDevice: redirection, LocalConnectionInfo: local, Cause: CauseNormal}}
	case Queued:
		return []csta.Event{&csta.QueuedEvent{QueuedConnection: p.ID, Queue: shown, CallingDevice: calling, CalledDevice: called,
			LastRedirectionDevice: redirection, LocalConnectionInfo: local, Cause: CauseNormal}}
	case Fail:
		return []csta.Event{&csta.FailedEvent{FailedConnection: p.ID, FailingDevice: shown, CallingDevice: calling, CalledDevice: called,
			LastRedirectionDevice: redirection, LocalConnectionInfo: local, Cause: CauseNormal}}
	}
	if was != Connected && was != Hold {
		between := local
		if is == Hold && p.Own {
			between = Connected
		}
		if p.Caller {
			events = append(events, &csta.OriginatedEvent{OriginatedConnection: p.ID, CallingDevice: shown, CalledDevice: called,
				LocalConnectionInfo: between, Cause: CauseNormal})
		} else {
			events = append(events, &csta.EstablishedEvent{EstablishedConnection: p.ID, AnsweringDevice: shown, CallingDevice: calling, CalledDevice: called,
				LastRedirectionDevice: redirection, LocalConnectionInfo: between, Cause: CauseNormal})
		}
		was = Connected
	}
	switch {
	case is == Hold && was != Hold:
		events = append(events, &csta.HeldEvent{HeldConnection: p.ID, HoldingDevice: shown, LocalConnectionInfo: local, Cause: CauseNormal})
	case is == Connected && was == Hold:
		events = append(events, &csta.RetrievedEvent{RetrievedConnection: p.ID, RetrievingDevice: shown, LocalConnectionInfo: local, Cause: CauseNormal})
	}
	return events
}
