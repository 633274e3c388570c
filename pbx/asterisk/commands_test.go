package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
)

// Whoever has answered is under way to the caller, and so is the caller, until both are in the bridge: a command that comes
// in between waits for that.
func TestUnderway(t *testing.T) {
	s := defaults()
	s.Secret = "secret"
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	caller, callee := csta.Connection("1.0", "1001"), csta.Connection("1.0", "1002")
	for _, e := range []struct {
		name           string
		pairs          []string
		caller, callee bool
	}{
		{"Newchannel", []string{"Uniqueid", "1.0", "Linkedid", "1.0", "Channel", "PJSIP/1001-00000000", "ChannelState", "4", "Exten", "1002"}, false, false},
		{"Newchannel", []string{"Uniqueid", "1.1", "Linkedid", "1.0", "Channel", "PJSIP/1002-00000001", "ChannelState", "0"}, false, false},
		{"DialBegin", []string{"Uniqueid", "1.0", "DestUniqueid", "1.1", "Exten", "1002"}, false, false},
		{"Newstate", []string{"Uniqueid", "1.1", "ChannelState", "5"}, false, false},
		{"Newstate", []string{"Uniqueid", "1.1", "ChannelState", "6"}, true, true},
		{"DialEnd", []string{"Uniqueid", "1.0", "DestUniqueid", "1.1", "DialStatus", "ANSWER"}, true, true},
		{"Newstate", []string{"Uniqueid", "1.0", "ChannelState", "6"}, true, true},
		{"BridgeEnter", []string{"Uniqueid", "1.1", "Linkedid", "1.0", "BridgeUniqueid", "b"}, true, true},
		{"BridgeEnter", []string{"Uniqueid", "1.0", "Linkedid", "1.0", "BridgeUniqueid", "b"}, false, false},
	} {
		d.handle(ami.Event{Name: e.name, Fields: action(e.name, e.pairs...).Fields})
		if one, two := d.underway(caller), d.underway(callee); one != e.caller || two != e.callee {
			t.Errorf("after %s %v: the caller is under way: %v, the callee: %v", e.name, e.pairs, one, two)
		}
	}
}
