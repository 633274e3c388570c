package freeswitch

import (
	"fmt"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx/freeswitch/esl"
)

// Names are those of the caller ID of who calls, and of the callee ID of who is
// called; what FreeSWITCH hides, and what stands for no name, is none.
func TestNames(t *testing.T) {
	for _, tt := range []struct{ caller, callee, hide, want string }{
		{"Ann", "Bob", "", "callingDevice=Ann alertingDevice=Bob calledDevice=Bob"},
		{"1001", "Outbound Call", "", "callingDevice=1001"},
		{"_undef_", "Bob", "", "alertingDevice=Bob calledDevice=Bob"},
		{"Ann", "Bob", "Name", "alertingDevice=Bob calledDevice=Bob"},
		{"Ann", "Bob", "Number", "alertingDevice=Bob calledDevice=Bob"},
		{"", "", "", ""},
	} {
		s := valid()
		s.Phones = "1001-1003"
		d := newDriver(t, s)
		var got string
		d.calls.SetEmit(func(device string, msg csta.Message) {
			if ev, ok := msg.(*csta.DeliveredEvent); ok && device == "1002" {
				var words []string
				for _, p := range []struct {
					element string
					party   csta.ExtendedDeviceID
				}{{"callingDevice", ev.CallingDevice}, {"alertingDevice", ev.AlertingDevice}, {"calledDevice", ev.CalledDevice}} {
					if p.party.Name != "" {
						words = append(words, p.element+"="+p.party.Name)
					}
				}
				got = strings.Join(words, " ")
			}
		})
		feed := func(lines ...string) {
			h := esl.Header{}
			for _, l := range lines {
				key, value, _ := strings.Cut(l, ": ")
				h[key] = value
			}
			d.handle(esl.Event{Header: h})
		}
		hide := fmt.Sprintf("Caller-Privacy-Hide-%s: true", tt.hide)
		calls := []string{"Event-Name: CHANNEL_STATE", "Unique-ID: a", "Call-Direction: inbound", "Channel-Presence-ID: 1001@lab", "Channel-State: CS_EXECUTE", "Channel-Call-State: RINGING",
			"Channel-Call-UUID: a", "Caller-Dialplan: XML", "Caller-Destination-Number: 1002"}
		feed(calls...) // its name may come later
		feed(append(calls, "Caller-Caller-ID-Name: "+tt.caller, "Caller-Callee-ID-Name: Bob", hide)...)
		feed("Event-Name: CHANNEL_STATE", "Unique-ID: b", "Call-Direction: outbound", "Channel-Presence-ID: 1002@lab", "Channel-State: CS_CONSUME_MEDIA", "Channel-Call-State: RINGING",
			"Channel-Call-UUID: a", "Caller-Destination-Number: 1002", "Caller-Caller-ID-Name: "+tt.caller, "Caller-Callee-ID-Name: "+tt.callee)
		if got != tt.want {
			t.Errorf("%+v: told %q", tt, got)
		}
	}
}
