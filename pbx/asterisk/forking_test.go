package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx/asterisk/asterisktest"
)

// A call rings a desk phone and, over a trunk, another phone of the same person. It is one call; the phone that does not get it is
// told that it was answered elsewhere, and so is its client.
func TestForking(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{Dialplan: "exten => 1001,1,Dial(PJSIP/1001&PJSIP/+16135921001@softphones)\n" +
		"exten => 2000,1,Dial(PJSIP/5921001@softphones&PJSIP/1001&Local/9916135550100@phones)\n" +
		"exten => 9916135550100,1,Dial(PJSIP/16135550100@trunk)\n"})
	b.run(settings(b.Asterisk))
	desk, carol, soft := b.Deskphone(t, "1001"), b.Deskphone(t, "1003"), b.Softphones(t)
	// The caller is told of both, in the order in which they ring.
	alerts := func() (own, other *csta.DeliveredEvent) {
		t.Helper()
		for own == nil || other == nil {
			switch e := wait[*csta.DeliveredEvent](b, "1003"); {
			case e.Connection.DeviceID.ID == "1001":
				own = e
			default:
				other = e
			}
		}
		if own.Connection.CallID != other.Connection.CallID || own.CallingDevice.String() != "1003" || other.CallingDevice != own.CallingDevice {
			t.Errorf("two calls: %s, %s", line(own), line(other))
		}
		return own, other
	}
	cleared := func(id csta.ConnectionID) csta.EventCause {
		return wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == id }).Cause
	}
	for _, answers := range []string{"softphone", "desk phone", "nobody"} {
		carol.Dial("1001")
		desk.Wait("incoming 1003")
		soft.Wait("incoming 1003")
		own, other := alerts()
		if n := other.AlertingDevice; n.String() != "+16135921001" || !n.DeviceIdentifier.External || n.DeviceIdentifier.Dialled {
			t.Errorf("the softphone is %+v", n)
		}
		switch answers {
		case "softphone":
			soft.Answer()
			if e := wait[*csta.EstablishedEvent](b, "1001"); e.EstablishedConnection != other.Connection || e.LocalConnectionInfo != "alerting" {
				t.Errorf("answered by the softphone: %s", line(e))
			}
			desk.Wait("ended elsewhere")
			if cause := cleared(own.Connection); cause != causeElsewhere {
				t.Errorf("the desk phone's leg ended with %s", cause)
			}
			soft.Hangup()
			carol.Wait("ended")
		case "desk phone":
			desk.Answer()
			wait(b, "1001", func(e *csta.EstablishedEvent) bool {
				return e.EstablishedConnection == own.Connection && e.LocalConnectionInfo == "connected"
			})
			soft.Wait("ended elsewhere")
			if cause := cleared(other.Connection); cause != causeElsewhere {
				t.Errorf("the softphone's leg ended with %s", cause)
			}
			carol.Hangup()
			desk.Wait("ended")
		case "nobody":
			carol.Hangup()
			if cause := cleared(own.Connection); cause != "normalClearing" {
				t.Errorf("given up by the caller: %s", cause)
			}
			desk.Wait("ended")
			soft.Wait("ended")
		}
		b.idle()
	}

	// A group: what was dialled is nobody's number, and the trunks are not dialled alike.
	trunk := b.Trunk(t)
	carol.Dial("2000")
	soft.Wait("incoming")
	trunk.Wait("incoming")
	shown := map[string]bool{}
	for range 3 {
		e := wait(b, "1003", func(e *csta.DeliveredEvent) bool { return e.CalledDevice.String() == "2000" })
		shown[e.AlertingDevice.String()] = true
	}
	if !shown["5921001"] || !shown["1001"] || !shown["16135550100"] {
		t.Errorf("alerting: %v", shown)
	}
	carol.Hangup()
	desk.Wait("ended")
	b.idle()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.seen {
		if _, left := r.msg.(*csta.NetworkReachedEvent); left {
			t.Errorf("a call that rings here, too, is told to have left: %s %s", r.device, line(r.msg))
		}
	}
}
