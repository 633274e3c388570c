package pbxtest

import (
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
)

// The suite is only as good as what it objects to.
func TestView(t *testing.T) {
	conn := csta.Connection
	originated := &csta.OriginatedEvent{OriginatedConnection: conn("c", "A"), LocalConnectionInfo: pbx.Connected}
	delivered := &csta.DeliveredEvent{Connection: conn("c", "B"), LocalConnectionInfo: pbx.Connected}
	established := &csta.EstablishedEvent{EstablishedConnection: conn("c", "B"), LocalConnectionInfo: pbx.Connected}
	held := &csta.HeldEvent{HeldConnection: conn("c", "A"), LocalConnectionInfo: pbx.Hold}
	cleared := &csta.ConnectionClearedEvent{DroppedConnection: conn("c", "A"), LocalConnectionInfo: pbx.Null}
	diverted := &csta.DivertedEvent{Connection: conn("c", "A"), LocalConnectionInfo: pbx.Null}
	rings := &csta.DeliveredEvent{Connection: conn("c", "A"), LocalConnectionInfo: pbx.Alerting}
	initiated := &csta.ServiceInitiatedEvent{InitiatedConnection: conn("c", "A"), LocalConnectionInfo: pbx.Initiated}
	dialled := &csta.DigitsDialedEvent{DialingConnection: conn("c", "A"), LocalConnectionInfo: pbx.Initiated}
	offered := &csta.OfferedEvent{OfferedConnection: conn("c", "A"), LocalConnectionInfo: pbx.Alerting}
	answered := &csta.EstablishedEvent{EstablishedConnection: conn("c", "A"), LocalConnectionInfo: pbx.Connected}
	pickedUp := &csta.EstablishedEvent{EstablishedConnection: conn("c", "A"), LocalConnectionInfo: pbx.Connected, Cause: "callPickup"}
	reached := &csta.NetworkReachedEvent{OutboundConnection: conn("c", "B"), LocalConnectionInfo: pbx.Connected}
	parked := &csta.DivertedEvent{Connection: conn("c", "A"), LocalConnectionInfo: pbx.Null, Cause: "park"}
	retrieved := &csta.DivertedEvent{Connection: conn("c", "#900")}
	data := &csta.CallInformationEvent{Connection: conn("c", "B")}
	digits := &csta.DigitsGeneratedEvent{Connection: conn("c", "B")}
	item := func(call, device string) csta.ConnectionListItem {
		return csta.ConnectionListItem{NewConnection: conn(call, device), OldConnection: conn("c", device), Endpoint: &csta.Endpoint{DeviceID: csta.Device(device)}}
	}
	transferred := func(local csta.LocalConnectionState, items ...csta.ConnectionListItem) csta.Event {
		return &csta.TransferedEvent{PrimaryOldCall: conn("c", "B"), TransferredConnections: items, LocalConnectionInfo: local}
	}
	second := &csta.OriginatedEvent{OriginatedConnection: conn("e", "A"), LocalConnectionInfo: pbx.Connected}
	mine := item("c", "A")
	mine.OldConnection = conn("e", "A")
	back := &csta.TransferedEvent{PrimaryOldCall: conn("c", "#900"), SecondaryOldCall: conn("e", "#900"),
		TransferredConnections: []csta.ConnectionListItem{mine, item("c", "B")}, LocalConnectionInfo: pbx.Connected}
	for _, test := range []struct {
		name   string
		events []csta.Event
		want   string // is in the objection to the last event; empty: there is none
	}{
		{"a call", []csta.Event{originated, delivered, established, held, cleared}, ""},
		{"not about a call", []csta.Event{&csta.DoNotDisturbEvent{}}, ""},
		{"comes back after a diversion", []csta.Event{rings, diverted, rings}, ""},
		{"transferred", []csta.Event{originated, transferred(pbx.Connected, item("d", "A"), item("d", "B"))}, ""},
		{"dialled", []csta.Event{initiated, dialled, originated}, ""},
		{"offered, then rings", []csta.Event{offered, rings, answered}, ""},
		{"offered, then answered", []csta.Event{offered, answered}, ""},
		{"through a network", []csta.Event{originated, reached, delivered, established}, ""},
		{"parked, then retrieved", []csta.Event{rings, answered, parked, retrieved}, ""},
		{"left, then retrieved where it is parked", []csta.Event{originated, cleared, second, back, held}, ""},
		{"data", []csta.Event{originated, data, digits}, ""},
		{"rings twice after an offer", []csta.Event{offered, rings, rings}, "goes from alerting to alerting"},
		{"dialled after it was originated", []csta.Event{originated, dialled}, "goes from connected to initiated"},
		{"rings though it was reached before", []csta.Event{originated, reached, established, delivered}, "goes from connected to alerting"},
		{"retrieved, though not parked", []csta.Event{rings, diverted, retrieved}, "localConnectionInfo is missing"},
		{"retrieved twice", []csta.Event{rings, answered, parked, retrieved, retrieved}, "localConnectionInfo is missing"},
		{"data of another call", []csta.Event{data}, "not in call"},
		{"digits of another call", []csta.Event{digits}, "not in call"},
		{"no call", []csta.Event{delivered}, "not in call"},
		{"twice", []csta.Event{originated, delivered, delivered}, "goes from alerting to alerting"},
		{"own, illegal", []csta.Event{rings, held}, "goes from alerting to hold"},
		{"other, illegal", []csta.Event{originated, established, delivered}, "goes from connected to alerting"},
		{"wrong local state", []csta.Event{originated, &csta.DeliveredEvent{Connection: conn("c", "B"), LocalConnectionInfo: pbx.Alerting}}, "localConnectionInfo is alerting"},
		{"no local state", []csta.Event{&csta.OriginatedEvent{OriginatedConnection: conn("c", "A")}}, "localConnectionInfo is missing"},
		{"no callID", []csta.Event{&csta.OriginatedEvent{OriginatedConnection: conn("", "A")}}, "lacks callID"},
		{"after the end", []csta.Event{originated, cleared, delivered}, "has left call"},
		{"sent back after the end", []csta.Event{originated, cleared, rings}, ""},
		{"picked up after the end", []csta.Event{originated, cleared, pickedUp}, ""},
		{"answered after the end", []csta.Event{originated, cleared, answered}, "has left call"},
		{"back by itself after the end", []csta.Event{originated, cleared, originated}, "has left call"},
		{"cleared twice", []csta.Event{originated, cleared, cleared}, "has left call"},
		{"transfer of a stranger", []csta.Event{transferred(pbx.Null)}, "in neither"},
		{"transfer without local state", []csta.Event{originated, transferred("")}, "is missing"},
		{"transfer into two", []csta.Event{originated, transferred(pbx.Connected, item("d", "A"), item("e", "B"))}, "are of calls d and e"},
		{"transfer that forgets the line", []csta.Event{originated, transferred(pbx.Connected, item("d", "B"))}, "not among the new connections"},
		{"transfer that changes the state", []csta.Event{originated, transferred(pbx.Alerting, item("d", "A"))}, "goes from [connected] to alerting"},
		{"old call after a transfer", []csta.Event{originated, transferred(pbx.Connected, item("d", "A")), delivered}, "has left call"},
		{"back by a transfer", []csta.Event{originated, cleared, transferred(pbx.Connected, item("c", "A"))}, "in neither"},
	} {
		v := NewView("A")
		for i, ev := range test.events {
			err := v.Take(ev)
			switch last := i == len(test.events)-1; {
			case err == nil && last && test.want != "":
				t.Errorf("%s: there is no objection", test.name)
			case err != nil && (!last || test.want == "" || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%s: event %d: %v", test.name, i+1, err)
			}
		}
	}
}
