package pbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rccgw/csta"
	"rccgw/pbx"
)

// Calls go on while nobody hears their events: the difference leads by legal
// steps to what snapshots show, and is told once.
func TestToldProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		told := map[string]*pbx.Told{}
		for _, d := range devices {
			told[d] = pbx.NewTold(d, d)
		}
		hear := func(device string, msg csta.Message) {
			w.emit(device, msg)
			told[device].Note(msg.(csta.Event))
		}
		w.SetEmit(hear)
		for range rapid.IntRange(0, 30).Draw(t, "facts before") {
			w.step()
		}
		w.SetEmit(func(string, csta.Message) {})
		for range rapid.IntRange(0, 30).Draw(t, "facts meanwhile") {
			w.step()
		}
		for _, d := range devices[:4] {
			now := w.SnapshotDevice(d)
			for _, ev := range told[d].Difference(now, w.parties(told[d].Unclear(now)), nil) {
				hear(d, ev)
			}
			if again := told[d].Difference(now, w.parties(told[d].Unclear(now)), nil); len(again) > 0 {
				t.Fatalf("%s: %s is told twice, or was not", d, csta.Name(again[0]))
			}
		}
		w.agree()
		w.SetEmit(hear)
		for _, c := range w.List() {
			w.Ended(c.ID, pbx.CauseNormal)
		}
		w.agree()
	})
}

// parties are those of the connections' calls.
func (w *world) parties(connections []csta.ConnectionID) pbx.Parties {
	all := pbx.Parties{}
	for _, id := range connections {
		r, err := w.SnapshotCall(id)
		if err != nil {
			w.t.Fatal(err)
		}
		all[id.CallID] = r.Connections()
	}
	return all
}

// shot returns a snapshot of device A with one call of the states, with B.
func shot(call string, states ...csta.LocalConnectionState) *csta.SnapshotDeviceResponse {
	list := &csta.SnapshotDeviceDataList{}
	if len(states) > 0 {
		list.SnapshotDeviceResponseInfo = []csta.SnapshotDeviceResponseInfo{{ConnectionIdentifier: csta.Connection(call, "A"), EndpointDevice: csta.Party("B"),
			LocalCallState: &csta.CallState{CompoundCallState: &csta.CompoundCallState{LocalConnectionState: states}}}}
	}
	return &csta.SnapshotDeviceResponse{CrossRefIDorSnapshotData: &csta.SnapshotDeviceData{SnapshotData: list}}
}

// words writes events as "Event device local".
func words(events []csta.Event) string {
	var list []string
	for _, ev := range events {
		local, _ := csta.LocalConnection(ev)
		list = append(list, strings.TrimSpace(strings.TrimSuffix(csta.Name(ev), "Event")+" "+csta.FirstConnection(ev).DeviceID.ID+" "+string(local)))
	}
	return strings.Join(list, ", ")
}

func TestToldDifference(t *testing.T) {
	conn, party := csta.Connection, csta.Party
	prompted := &csta.ServiceInitiatedEvent{InitiatedConnection: conn("c", "A"), InitiatingDevice: party("A")}
	made := &csta.OriginatedEvent{OriginatedConnection: conn("c", "A"), LocalConnectionInfo: pbx.Connected}
	rings := &csta.DeliveredEvent{Connection: conn("c", "B"), LocalConnectionInfo: pbx.Connected}
	alerts := &csta.DeliveredEvent{Connection: conn("c", "A")} // without localConnectionInfo, which is optional
	answers := &csta.EstablishedEvent{EstablishedConnection: conn("c", "B"), LocalConnectionInfo: pbx.Connected}
	over := &csta.CallClearedEvent{ClearedCall: conn("c", "")}
	queued := &csta.QueuedEvent{QueuedConnection: conn("c", "B"), LocalConnectionInfo: pbx.Connected}
	for _, tt := range []struct {
		name string
		told []csta.Event
		now  *csta.SnapshotDeviceResponse
		want string
	}{
		{"nothing", nil, shot(""), ""},
		{"no snapshot", []csta.Event{made}, nil, ""},
		{"same", []csta.Event{made, rings}, shot("c", pbx.Connected, pbx.Alerting), ""},
		{"new, dialling", nil, shot("c", pbx.Connected), "Originated A connected"},
		{"new, made", nil, shot("c", pbx.Connected, pbx.Alerting), "Originated A connected"},
		{"new, talking", nil, shot("c", pbx.Connected, pbx.Connected), "Established A connected"},
		{"new, ringing", nil, shot("c", pbx.Alerting, pbx.Connected), "Delivered A alerting"},
		{"new, held", nil, shot("c", pbx.Hold, pbx.Connected), "Established A connected, Held A hold"},
		{"lifted", []csta.Event{prompted}, shot("c", pbx.Connected, pbx.Alerting), "Originated A connected"},
		{"answered", []csta.Event{alerts}, shot("c", pbx.Connected, pbx.Connected), "Established A connected"},
		{"answered there", []csta.Event{made, rings}, shot("c", pbx.Connected, pbx.Connected), "Established B connected"},
		{"taken from the queue", []csta.Event{made, queued}, shot("c", pbx.Connected, pbx.Connected), "Established B connected"},
		{"held by both", []csta.Event{made, rings, answers}, shot("c", pbx.Hold, pbx.Hold), "Held A hold, Held B hold"},
		{"left by the other", []csta.Event{made, rings, answers}, shot("c", pbx.Connected), "ConnectionCleared B connected"},
		{"another call", []csta.Event{made, rings}, shot("d", pbx.Alerting, pbx.Connected), "ConnectionCleared A null, Delivered A alerting"},
		{"ended", []csta.Event{made, rings}, shot(""), "ConnectionCleared A null"},
		{"ended before", []csta.Event{made, rings, over}, shot(""), ""},
		{"rings again", []csta.Event{made}, shot("c", pbx.Alerting, pbx.Connected), "ConnectionCleared A null, Delivered A alerting"},
		{"busy", []csta.Event{made, rings}, shot("c", pbx.Connected, pbx.Fail), "Failed B connected"},
	} {
		told := pbx.NewTold("A", "A")
		for _, ev := range tt.told {
			told.Note(ev)
		}
		events := told.Difference(tt.now, nil, nil)
		if got := words(events); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		for _, ev := range events {
			if err := csta.Check(ev); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			told.Note(ev)
		}
		if again := told.Difference(tt.now, nil, nil); len(again) > 0 {
			t.Errorf("%s: then %s", tt.name, words(again))
		}
	}
}

// Of those that rang together, who is there after the link was lost need not be the
// one that an event has named: who is who is asked.
func TestToldUnclear(t *testing.T) {
	told := pbx.NewTold("A", "A")
	for _, device := range []string{"A", "C"} {
		told.Note(&csta.DeliveredEvent{Connection: csta.Connection("c", device), LocalConnectionInfo: pbx.Alerting})
	}
	now := shot("c", pbx.Connected, pbx.Connected) // B called, and A answered
	unclear := told.Unclear(now)
	if len(unclear) != 1 || unclear[0] != csta.Connection("c", "A") {
		t.Fatalf("unclear are %v", unclear)
	}
	parties := pbx.Parties{"c": {{DeviceOnCall: csta.Party("A"), CallIdentifier: csta.Connection("c", "A"), LocalConnectionInfo: pbx.Connected},
		{DeviceOnCall: csta.Party("B"), CallIdentifier: csta.Connection("c", "B"), LocalConnectionInfo: pbx.Connected}}}
	want := "Established A connected, ConnectionCleared C connected, Established B connected"
	if got := words(told.Difference(now, parties, nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Settings are told as far as they can be asked, and when they changed.
func TestToldSettings(t *testing.T) {
	features := &csta.GetCSTAFeaturesResponse{SupportedServices: &csta.SupportedServices{}, SupportedEvents: &csta.SupportedEvents{}}
	to := "B"
	h := csta.HandlerFunc(func(_ context.Context, req csta.Message) (csta.Message, error) {
		switch req.(type) {
		case *csta.GetForwarding:
			return &csta.GetForwardingResponse{ForwardingList: []csta.ForwardListItem{{ForwardingType: "forwardBusy", ForwardStatus: true, ForwardDN: csta.Device(to)},
				{ForwardingType: "forwardNoAns"}}}, nil
		case *csta.GetDoNotDisturb:
			return &csta.GetDoNotDisturbResponse{DoNotDisturbOn: true}, nil
		}
		return nil, errors.New("not asked for")
	})
	told := pbx.NewTold("A", "A")
	learn := func(want ...string) {
		t.Helper()
		var got []string
		for _, ev := range told.Difference(nil, nil, pbx.Settings(t.Context(), h, "A", features)) {
			got = append(got, csta.Name(ev))
			if !pbx.Covers(ev) || csta.Check(ev) != nil {
				t.Errorf("%+v is no event of a setting", ev)
			}
			told.Note(ev)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	learn()
	features.Add(&csta.GetForwarding{}, &csta.GetDoNotDisturb{}, &csta.DoNotDisturbEvent{})
	learn("DoNotDisturbEvent")
	features.Add(&csta.ForwardingEvent{})
	learn("ForwardingEvent") // and not that forwardNoAns is off
	learn()
	to = "C"
	learn("ForwardingEvent")
	if pbx.Covers(&csta.MessageWaitingEvent{}) {
		t.Error("a snapshot is taken to show the message waiting indicator")
	}
}
