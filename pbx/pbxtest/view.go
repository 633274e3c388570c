package pbxtest

import (
	"fmt"
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// A View is what a line was told of its calls. Each event is checked against
// what the events before it led to.
type View struct {
	own   string // the deviceID of the line's own connections
	calls map[string]map[string]csta.LocalConnectionState
	over  map[string]bool // calls that the line has left

	early  map[connection]bool // connections that were offered a call or reached as a network
	parked map[string]bool     // calls that the line parked
}

// A connection is what a ConnectionID names.
type connection struct{ call, device string }

// NewView returns the view of a line without calls; own is the deviceID of its
// own connections.
func NewView(own string) *View {
	return &View{own: own, calls: map[string]map[string]csta.LocalConnectionState{}, over: map[string]bool{},
		early: map[connection]bool{}, parked: map[string]bool{}}
}

// A step is what an event says of one connection.
type step struct {
	id   csta.ConnectionID
	from []csta.LocalConnectionState
	to   csta.LocalConnectionState
}

// steps are the legal steps of connection states (ECMA-269 clause 6.1.5), by the
// event that reports them.
func stepOf(ev csta.Event) (step, bool) {
	type states = []csta.LocalConnectionState
	switch e := ev.(type) {
	case *csta.ServiceInitiatedEvent:
		return step{e.InitiatedConnection, states{pbx.Null}, pbx.Initiated}, true
	case *csta.OriginatedEvent:
		return step{e.OriginatedConnection, states{pbx.Null, pbx.Initiated, pbx.Alerting}, pbx.Connected}, true
	case *csta.DigitsDialedEvent:
		return step{e.DialingConnection, states{pbx.Initiated}, pbx.Initiated}, true
	case *csta.OfferedEvent:
		return step{e.OfferedConnection, states{pbx.Null}, pbx.Alerting}, true
	case *csta.NetworkReachedEvent:
		return step{e.OutboundConnection, states{pbx.Null}, pbx.Connected}, true
	case *csta.QueuedEvent:
		return step{e.QueuedConnection, states{pbx.Null}, pbx.Queued}, true
	case *csta.DeliveredEvent:
		return step{e.Connection, states{pbx.Null}, pbx.Alerting}, true
	case *csta.EstablishedEvent:
		return step{e.EstablishedConnection, states{pbx.Null, pbx.Initiated, pbx.Alerting}, pbx.Connected}, true
	case *csta.HeldEvent:
		return step{e.HeldConnection, states{pbx.Connected}, pbx.Hold}, true
	case *csta.RetrievedEvent:
		return step{e.RetrievedConnection, states{pbx.Hold}, pbx.Connected}, true
	case *csta.DivertedEvent:
		return step{e.Connection, states{pbx.Null, pbx.Alerting, pbx.Connected, pbx.Queued}, pbx.Null}, true
	case *csta.FailedEvent:
		return step{e.FailedConnection, states{pbx.Null, pbx.Initiated, pbx.Alerting, pbx.Connected, pbx.Hold, pbx.Queued}, pbx.Fail}, true
	case *csta.ConnectionClearedEvent:
		return step{e.DroppedConnection, states{pbx.Initiated, pbx.Alerting, pbx.Connected, pbx.Hold, pbx.Queued, pbx.Fail}, pbx.Null}, true
	}
	return step{}, false
}

func (v *View) state(call, device string) csta.LocalConnectionState {
	if s, ok := v.calls[call][device]; ok {
		return s
	}
	return pbx.Null
}

// Take takes the line's next event in, and returns what is wrong with it.
func (v *View) Take(ev csta.Event) error {
	switch e := ev.(type) {
	case *csta.TransferedEvent:
		return v.join(e.PrimaryOldCall, e.SecondaryOldCall, e.TransferredConnections, e.LocalConnectionInfo)
	case *csta.ConferencedEvent:
		if err := v.join(e.PrimaryOldCall, e.SecondaryOldCall, e.ConferenceConnections, e.LocalConnectionInfo); err != nil {
			return err
		}
		// Who joins them takes part, whatever it held before.
		for _, item := range e.ConferenceConnections {
			if id := item.NewConnection; id.DeviceID.ID == e.PrimaryOldCall.DeviceID.ID {
				v.set(id.CallID, id.DeviceID.ID, pbx.Connected)
			}
		}
		return nil
	case *csta.DigitsGeneratedEvent:
		return v.about(e.Connection)
	case *csta.CallInformationEvent:
		return v.about(e.Connection)
	}
	st, ok := stepOf(ev)
	if !ok {
		return nil // not about a call
	}
	call, device := st.id.CallID, st.id.DeviceID.ID
	if call == "" || device == "" {
		return fmt.Errorf("connection %s lacks callID or deviceID", st.id)
	}
	local, _ := csta.LocalConnection(ev)
	if local == "" && v.parked[call] && device != v.own && st.to == pbx.Null {
		// The call that the line parked has left its orbit.
		delete(v.parked, call)
		return nil
	}
	if local == "" {
		return fmt.Errorf("localConnectionInfo is missing")
	}
	if v.over[call] {
		// A call that was sent away may be sent back: it comes by alerting, or is
		// picked up where it alerts now.
		picked, _ := ev.(*csta.EstablishedEvent)
		if device != v.own || st.to != pbx.Alerting && (picked == nil || picked.Cause != "callPickup") {
			return fmt.Errorf("the line has left call %s", call)
		}
		delete(v.over, call)
	}
	in := v.state(call, v.own) != pbx.Null
	_, diverted := ev.(*csta.DivertedEvent)
	if !in && device != v.own {
		return fmt.Errorf("the line is not in call %s", call)
	}
	// Of others a line knows what it was told since it came: who was there
	// before may do anything first.
	was, known := v.calls[call][device]
	id := connection{call, device}
	if (known || device == v.own) && !slices.Contains(st.from, orNull(was)) && !(v.early[id] && follows(ev)) {
		return fmt.Errorf("connection %s goes from %s to %s", st.id, orNull(was), st.to)
	}
	delete(v.early, id)
	switch e := ev.(type) {
	case *csta.OfferedEvent, *csta.NetworkReachedEvent:
		v.early[id] = true
	case *csta.DivertedEvent:
		if e.Cause == "park" && device == v.own {
			v.parked[call] = true
		}
	}
	v.set(call, device, st.to)
	if now := v.state(call, v.own); now != local {
		return fmt.Errorf("localConnectionInfo is %s, the events led to %s", local, now)
	}
	if v.state(call, v.own) == pbx.Null {
		delete(v.calls, call)
		// A call that was diverted may come back.
		v.over[call] = !diverted
	}
	return nil
}

// follows reports whether the event may come after an offer or a network.
func follows(ev csta.Event) bool {
	switch ev.(type) {
	case *csta.DeliveredEvent, *csta.EstablishedEvent:
		return true
	}
	return false
}

// about checks an event that changes no connection of its call.
func (v *View) about(id csta.ConnectionID) error {
	if v.state(id.CallID, v.own) == pbx.Null {
		return fmt.Errorf("the line is not in call %s", id.CallID)
	}
	return nil
}

func orNull(s csta.LocalConnectionState) csta.LocalConnectionState {
	if s == "" {
		return pbx.Null
	}
	return s
}

func (v *View) set(call, device string, state csta.LocalConnectionState) {
	if v.calls[call] == nil {
		v.calls[call] = map[string]csta.LocalConnectionState{}
	}
	if state == pbx.Null && device != v.own {
		delete(v.calls[call], device)
		return
	}
	v.calls[call][device] = state
}

// join takes in that calls became one.
func (v *View) join(primary, secondary csta.ConnectionID, items []csta.ConnectionListItem, local csta.LocalConnectionState) error {
	if local == "" {
		return fmt.Errorf("localConnectionInfo is missing")
	}
	var before []csta.LocalConnectionState
	for _, old := range []csta.ConnectionID{primary, secondary} {
		if s := v.state(old.CallID, v.own); s != pbx.Null {
			before = append(before, s)
		}
	}
	if len(before) == 0 {
		return fmt.Errorf("the line is in neither %s nor %s", primary, secondary)
	}
	states := map[string]csta.LocalConnectionState{}
	result := ""
	for _, item := range items {
		if item.NewConnection.CallID == "" || item.NewConnection.DeviceID.ID == "" {
			return fmt.Errorf("new connection %s lacks callID or deviceID", item.NewConnection)
		}
		if result != "" && result != item.NewConnection.CallID {
			return fmt.Errorf("the new connections are of calls %s and %s", result, item.NewConnection.CallID)
		}
		result = item.NewConnection.CallID
		if s, ok := v.calls[item.OldConnection.CallID][item.OldConnection.DeviceID.ID]; ok {
			states[item.NewConnection.DeviceID.ID] = s
		}
		if old := (connection{item.OldConnection.CallID, item.OldConnection.DeviceID.ID}); v.early[old] {
			delete(v.early, old)
			v.early[connection{item.NewConnection.CallID, item.NewConnection.DeviceID.ID}] = true
		}
		if item.Endpoint == nil {
			return fmt.Errorf("new connection %s has no endpoint", item.NewConnection)
		}
	}
	delete(v.calls, primary.CallID)
	delete(v.calls, secondary.CallID)
	for _, old := range []string{primary.CallID, secondary.CallID} {
		if old != "" && (old != result || local == pbx.Null) {
			v.over[old] = true
		}
	}
	if local == pbx.Null {
		return nil
	}
	delete(v.over, result) // who left it may come back, by a call to where it is parked
	if _, ok := states[v.own]; !ok {
		return fmt.Errorf("the line goes on as %s but is not among the new connections", local)
	}
	if !slices.Contains(before, local) && !(local == pbx.Connected && slices.Contains(before, pbx.Hold)) {
		return fmt.Errorf("the line's connection goes from %s to %s", before, local)
	}
	states[v.own] = local
	v.calls[result] = states
	return nil
}

// States returns the states of the line's own connections, by callID.
func (v *View) States() map[string]csta.LocalConnectionState {
	m := map[string]csta.LocalConnectionState{}
	for call, states := range v.calls {
		if s := states[v.own]; orNull(s) != pbx.Null {
			m[call] = s
		}
	}
	return m
}
