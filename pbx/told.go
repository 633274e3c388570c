package pbx

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"rccgw/csta"
)

// Told is what was told of the calls and settings of one device. After events
// were missed, the difference between that and a snapshot is told by ordinary
// events. It is for who sees a device's events and snapshots and no more: who
// knows the whole PBX has Calls. Its methods must not be called at once.
type Told struct {
	device   string
	local    string
	calls    map[string]*toldCall
	settings map[string]toldSetting // by kind
}

// toldSetting is what was told of a setting.
type toldSetting struct {
	value string
	on    bool
}

// toldCall is what was told of a call.
type toldCall struct {
	own    csta.LocalConnectionState
	others map[string]csta.LocalConnectionState // by the deviceID of the connection
}

// NewTold returns the record of a device of which nothing was told. device is
// how events and requests name it, local the deviceID of its own connections.
func NewTold(device, local string) *Told {
	return &Told{device: device, local: local, calls: map[string]*toldCall{}, settings: map[string]toldSetting{}}
}

// In reports whether the device was told to be in the call.
func (t *Told) In(call string) bool { return t.calls[call] != nil }

// Own returns the states of the device's own connections, by the callIDs of the calls
// that it was told to be in.
func (t *Told) Own() map[string]csta.LocalConnectionState {
	states := make(map[string]csta.LocalConnectionState, len(t.calls))
	for call, c := range t.calls {
		states[call] = c.own
	}
	return states
}

// Set reports whether the device was told to forward calls, whenever it does, and
// not to be disturbed.
func (t *Told) Set() (forwarded, doNotDisturb bool) {
	for kind, s := range t.settings {
		switch {
		case kind == kindDoNotDisturb:
			doNotDisturb = s.on
		case s.on:
			forwarded = true
		}
	}
	return forwarded, doNotDisturb
}

// Covers reports whether a snapshot, or an answer of Settings, shows what the
// event tells.
func Covers(ev csta.Event) bool {
	kind, _, _ := setting(ev)
	return kind != "" || csta.FirstConnection(ev).CallID != ""
}

// Note records an event that is told.
func (t *Told) Note(ev csta.Event) {
	local, call := csta.LocalConnection(ev)
	if kind, value, on := setting(ev); kind != "" {
		t.settings[kind] = toldSetting{value, on}
		return
	}
	if u, ok := UnionOf(ev); ok {
		t.replace(u, local)
		return
	}
	_, state := StepOf(ev)
	switch ev.(type) {
	case *csta.CallClearedEvent:
		delete(t.calls, call)
		return
	case *csta.DigitsDialedEvent:
		state = Initiated
	case *csta.OfferedEvent:
		state = Alerting
	case *csta.QueuedEvent:
		state = Queued
	case *csta.NetworkReachedEvent:
		state = Connected
	}
	id := csta.FirstConnection(ev).DeviceID.ID
	if local == "" && id == t.local {
		local = state // localConnectionInfo is optional
	}
	if call == "" || local == "" {
		return
	}
	if local == Null {
		delete(t.calls, call)
		return
	}
	c := t.call(call)
	c.own = local
	switch {
	case id == t.local || state == "":
	case state == Null:
		delete(c.others, id)
	default:
		c.others[id] = state
	}
}

func (t *Told) call(id string) *toldCall {
	c := t.calls[id]
	if c == nil {
		c = &toldCall{others: map[string]csta.LocalConnectionState{}}
		t.calls[id] = c
	}
	return c
}

// replace records that calls became one: who goes on is in it as in its old call.
func (t *Told) replace(u Union, local csta.LocalConnectionState) {
	old := map[string]map[string]csta.LocalConnectionState{}
	for _, call := range []string{u.Primary.CallID, u.Secondary.CallID} {
		if c := t.calls[call]; c != nil {
			old[call] = c.others
		}
		delete(t.calls, call)
	}
	if local == Null || len(u.Connections) == 0 {
		return
	}
	c := t.call(u.Result())
	c.own = local
	for _, item := range u.Connections {
		if id := item.NewConnection.DeviceID.ID; id != t.local {
			c.others[id] = Connected
			if state, ok := old[item.OldConnection.CallID][item.OldConnection.DeviceID.ID]; ok && id != u.Stays {
				c.others[id] = state
			}
		}
	}
}

// Knew reports whether an event says of one connection what was told already.
func (t *Told) Knew(ev csta.Event) bool {
	local, call := csta.LocalConnection(ev)
	if call == "" || local == "" {
		return false
	}
	c := t.calls[call]
	if c == nil {
		return local == Null
	}
	id := csta.FirstConnection(ev).DeviceID.ID
	if _, union := UnionOf(ev); c.own != local || union {
		return false
	}
	_, state := StepOf(ev)
	known := c.others[id]
	return id == t.local || state != "" && (known == state || known == "" && state == Null)
}

const kindDoNotDisturb = "doNotDisturb"

// setting says which setting an event is about, and what of it.
func setting(ev csta.Event) (kind, value string, on bool) {
	switch e := ev.(type) {
	case *csta.ForwardingEvent:
		return "forwarding " + string(e.ForwardingType), fmt.Sprint(e.ForwardStatus, " ", e.ForwardTo.ID), e.ForwardStatus
	case *csta.DoNotDisturbEvent:
		return kindDoNotDisturb, fmt.Sprint(e.DoNotDisturbOn), e.DoNotDisturbOn
	}
	return "", "", false
}

// Settings asks h what the device is set to, and returns the events that tell
// it: of what f says that it can be asked and is reported. A question that is
// refused has no event.
func Settings(ctx context.Context, h csta.Handler, device string, f *csta.GetCSTAFeaturesResponse) []csta.Event {
	var events []csta.Event
	if f.Supports(&csta.GetForwarding{}) && f.Supports(&csta.ForwardingEvent{}) {
		if r, err := csta.Call(ctx, h, &csta.GetForwarding{Device: csta.Device(device)}); err == nil {
			for _, item := range r.ForwardingList {
				events = append(events, &csta.ForwardingEvent{Device: csta.Party(device), ForwardingType: item.ForwardingType,
					ForwardStatus: item.ForwardStatus, ForwardTo: item.ForwardDN})
			}
		}
	}
	if f.Supports(&csta.GetDoNotDisturb{}) && f.Supports(&csta.DoNotDisturbEvent{}) {
		if r, err := csta.Call(ctx, h, &csta.GetDoNotDisturb{Device: csta.Device(device)}); err == nil {
			events = append(events, &csta.DoNotDisturbEvent{Device: csta.Party(device), DoNotDisturbOn: r.DoNotDisturbOn})
		}
	}
	return events
}

// Unclear returns the device's connections to calls of which a snapshot does not say
// who is who: there are more than two in them, or an event has named another party,
// who need not be the one that is there now.
func (t *Told) Unclear(s *csta.SnapshotDeviceResponse) []csta.ConnectionID {
	var list []csta.ConnectionID
	if s != nil {
		for _, info := range s.Connections() {
			known := t.calls[info.ConnectionIdentifier.CallID]
			if len(compound(info)) > 2 || known != nil && len(known.others) > 0 {
				list = append(list, info.ConnectionIdentifier)
			}
		}
	}
	return list
}

// Parties are the connections of calls, by callID.
type Parties map[string][]csta.SnapshotCallResponseInfo

// AskParties asks h who is in the calls of the connections, where f says that it can
// be asked. A call of which it is not told is left out.
func AskParties(ctx context.Context, h csta.Handler, f *csta.GetCSTAFeaturesResponse, connections []csta.ConnectionID) Parties {
	parties := Parties{}
	for _, id := range connections {
		if !f.Supports(&csta.SnapshotCall{}) {
			break
		}
		if r, err := csta.Call(ctx, h, &csta.SnapshotCall{SnapshotObject: id}); err == nil {
			parties[id.CallID] = r.Connections()
		}
	}
	return parties
}

// Difference returns the events that lead from what was told to the snapshot,
// to the parties of its unclear calls, and to the settings: first what ended. They are
// not noted. Without a snapshot (nil) the calls are taken to be unchanged; a setting of
// which nothing was told is taken to be off.
func (t *Told) Difference(s *csta.SnapshotDeviceResponse, parties Parties, settings []csta.Event) []csta.Event {
	var events []csta.Event
	if s != nil {
		events = t.callDifference(s.Connections(), parties)
	}
	for _, ev := range settings {
		kind, value, on := setting(ev)
		if was, told := t.settings[kind]; was.value != value && (told || on) {
			events = append(events, ev)
		}
	}
	return events
}

func (t *Told) callDifference(found []csta.SnapshotDeviceResponseInfo, parties Parties) []csta.Event {
	var events []csta.Event
	now := map[string]bool{}
	for _, info := range found {
		now[info.ConnectionIdentifier.CallID] = true
	}
	for _, call := range slices.Sorted(maps.Keys(t.calls)) {
		if !now[call] {
			own := Subject{ID: csta.Connection(call, t.local), Shown: csta.Party(t.device), Own: true}
			events = append(events, own.Become(t.calls[call].own, Null, Null)...)
		}
	}
	for _, info := range found {
		call, states := info.ConnectionIdentifier.CallID, compound(info)
		was, others := Null, map[string]csta.LocalConnectionState(nil)
		if known := t.calls[call]; known != nil {
			was, others = known.own, known.others
		}
		own := Subject{ID: info.ConnectionIdentifier, Shown: csta.Party(t.device), Calling: info.EndpointDevice, Called: csta.Party(t.device), Own: true}
		// Whoever is in a call that nobody has answered has made it.
		unanswered := len(states) < 2 || states[1] == Alerting || states[1] == Queued || states[1] == Fail
		if was == Initiated || was == Null && unanswered && states[0] != Alerting {
			own.Caller, own.Calling, own.Called = true, own.Called, own.Calling
		}
		steps := own.Become(was, states[0], states[0])
		if slices.ContainsFunc(steps, func(ev csta.Event) bool { local, _ := csta.LocalConnection(ev); return local == Null }) {
			others = nil // who comes to a call anew was told of nobody in it
		}
		events = append(events, steps...)
		if all := parties[call]; len(all) > 0 {
			events = append(events, t.others(call, others, states[0], all)...)
		} else {
			events = append(events, t.far(info, others, states)...)
		}
	}
	return events
}

// compound returns the states of a call, the device's own first.
func compound(info csta.SnapshotDeviceResponseInfo) []csta.LocalConnectionState {
	if s := info.LocalCallState; s != nil && s.CompoundCallState != nil && len(s.CompoundCallState.LocalConnectionState) > 0 {
		return s.CompoundCallState.LocalConnectionState
	}
	return []csta.LocalConnectionState{Connected}
}

// far returns what changed at the far end of a call of two whose parties cannot be
// asked for: it is taken to be the one that an event has named. told are the states of
// others that were told. Of a call of more, the snapshot of a device does not say who
// is who.
func (t *Told) far(info csta.SnapshotDeviceResponseInfo, told map[string]csta.LocalConnectionState, states []csta.LocalConnectionState) []csta.Event {
	if len(told) != 1 || len(states) > 2 {
		return nil
	}
	p := Subject{Shown: info.EndpointDevice, Calling: csta.Party(t.device), Called: info.EndpointDevice}
	was, is := Null, Null
	for id, state := range told {
		p.ID = csta.Connection(info.ConnectionIdentifier.CallID, id)
		was = state
	}
	if len(states) == 2 {
		is = states[1]
	}
	return p.Become(was, is, states[0])
}

// others returns what changed of the other parties of a call whose parties are all
// known; states are those that were told, own is the state of the device.
func (t *Told) others(call string, states map[string]csta.LocalConnectionState, own csta.LocalConnectionState, parties []csta.SnapshotCallResponseInfo) []csta.Event {
	now := map[string]bool{}
	for _, p := range parties {
		now[p.CallIdentifier.DeviceID.ID] = true
	}
	var events []csta.Event
	for _, id := range slices.Sorted(maps.Keys(states)) {
		if !now[id] {
			gone := Subject{ID: csta.Connection(call, id)}
			events = append(events, gone.Become(states[id], Null, own)...)
		}
	}
	for _, p := range parties {
		id := p.CallIdentifier.DeviceID.ID
		if id == t.local || p.LocalConnectionInfo == "" {
			continue
		}
		was := Null
		if state, ok := states[id]; ok {
			was = state
		}
		party := Subject{ID: csta.Connection(call, id), Shown: p.DeviceOnCall, Calling: csta.Party(t.device), Called: p.DeviceOnCall}
		events = append(events, party.Become(was, p.LocalConnectionInfo, own)...)
	}
	return events
}
