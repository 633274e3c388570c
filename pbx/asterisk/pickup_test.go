package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/asterisktest"
)

// A phone that does not answer by itself rings to pick up, and the other goes on ringing. When that answers, there is nothing to pick up.
func TestPickupPrompted(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	pick := func() csta.ConnectionID {
		t.Helper()
		alice.Dial("1002")
		bob.Wait("incoming 1001")
		id := wait(b, "1002", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == "1002" }).Connection
		resp := do(b, &csta.DirectedPickupCall{CallToBePickedUp: id, RequestingDevice: device("1003")})
		if want := csta.Connection(id.CallID, "1003"); resp.PickedCall != want {
			t.Errorf("picked %s, not %s", resp.PickedCall, want)
		}
		carol.Wait("incoming")
		wait(b, "1003", func(e *csta.ServiceInitiatedEvent) bool { return e.Cause == causePickup })
		return id
	}
	id := pick()
	bob.Answer()
	alice.Wait("established")
	carol.Wait("ended")
	wait(b, "1003", func(e *csta.ConnectionClearedEvent) bool { return e.LocalConnectionInfo == pbx.Null })
	alice.Hangup()
	bob.Wait("ended")
	b.idle()

	id = pick()
	// The driver is killed meanwhile: the phone picks up nevertheless, and the call is the same.
	b.stop()
	carol.Answer()
	bob.Wait("ended")
	alice.Wait("established")
	b.until(b.AMI(t), "picked up", talking("1001", "1003"))
	b.run(settings(b.Asterisk))
	if got, want := b.snapshot("1003"), "1003@"+id.CallID+" connected connected\n"; got != want {
		t.Errorf("1003 has %q, not %q", got, want)
	}
	carol.Hangup()
	alice.Wait("ended")
	b.idle()
}

// Of two calls that ring in groups of a line, the one is picked up that has rung longer; a line without a group picks up none.
func TestPickupGroups(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{Extensions: []string{"1001", "1002", "1003", "1004", "1005", "1006"}, PJSIP: map[string]string{
		"1002": "named_call_group = sales\n", "1003": "call_group = 3-5\n", "1004": "call_group = 6\n", "1001": "pickup_group = 1,4\nnamed_pickup_group = sales\n"}})
	b.run(settings(b.Asterisk))
	phones := map[string]*asterisktest.Baresip{}
	for _, e := range []string{"1001", "1002", "1003", "1004", "1005", "1006"} {
		phones[e] = b.Baresip(t, e)
	}
	refuses(b, &csta.GroupPickupCall{NewDestination: device("1005")}, csta.StateIncompatibility, "noCallToAnswer")
	ring := func(from, to string) string {
		t.Helper()
		phones[from].Dial(to)
		phones[to].Wait("incoming")
		return wait(b, to, func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == to }).Connection.CallID
	}
	pick := func(want string) {
		t.Helper()
		if got := do(b, &csta.GroupPickupCall{NewDestination: device("1001")}).PickedCall; got != csta.Connection(want, "1001") {
			t.Errorf("picked up %s, not the call %s", got, want)
		}
		phones["1001"].Wait("incoming")
		phones["1001"].Answer()
		phones["1001"].Wait("established")
		wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == csta.Connection(want, "1001") })
		phones["1001"].Hangup()
		phones["1001"].Wait("ended")
	}
	ring("1004", "1006") // of no group
	first := ring("1005", "1003")
	pick(first)
	refuses(b, &csta.GroupPickupCall{NewDestination: device("1001")}, csta.StateIncompatibility, "noCallToAnswer")
	second := ring("1005", "1002")
	refuses(b, &csta.GroupPickupCall{NewDestination: device("1001"), PickGroup: device("2")}, csta.Operation, "invalidPickUpDeviceID")
	pick(second)
	phones["1004"].Hangup()
	b.idle()
}
