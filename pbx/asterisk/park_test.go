package asterisk

import (
	"net/url"
	"testing"

	"rccgw/csta"
	"rccgw/pbx/asterisk/asterisktest"
)

// Two calls are parked while the gateway is killed. The next one finds both, at their orbits, and tells who parked them when they leave.
func TestParkedThroughKill(t *testing.T) {
	t.Run("703", func(t *testing.T) { parkedThroughKill(t, "") })
	t.Run("#703", func(t *testing.T) { parkedThroughKill(t, "#") })
}

func parkedThroughKill(t *testing.T, prefix string) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{Dialplan: "exten => _#70X,1,ParkedCall(default,${EXTEN:1})\n"})
	s := settings(b.Asterisk)
	s.OrbitPrefix = prefix
	b.run(s)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	park := func(id csta.ConnectionID, orbit string) csta.ConnectionID {
		t.Helper()
		return do(b, &csta.ParkCall{Parking: id, ParkTo: csta.Device(orbit)}).ParkedTo
	}
	first, _ := b.talk(alice, bob, "1001", "1002")
	if at := park(first, prefix+"703"); at != csta.Connection(first.CallID, prefix+"703") {
		t.Errorf("the call is parked at %s", at)
	}
	alice.Wait("ended")
	second, _ := b.talk(alice, carol, "1001", "1003")
	park(second, prefix+"702")
	alice.Wait("ended")
	b.stop()
	b.run(s)
	for _, x := range []struct{ line, call, orbit string }{{"1002", first.CallID, prefix + "703"}, {"1003", second.CallID, prefix + "702"}} {
		if got, want := b.snapshot(x.line), x.line+"@"+x.call+" connected queued\n"; got != want {
			t.Errorf("%s has %q, not %q", x.line, got, want)
		}
		if got := b.d.atOrbit(x.orbit); got == nil || got.id != x.call {
			t.Errorf("at %s there is %v, not call %s", x.orbit, got, x.call)
		}
	}
	refuses(b, &csta.HoldCall{CallToBeHeld: csta.Connection(first.CallID, "1002")}, csta.StateIncompatibility, "invalidConnectionState")
	alice.Dial(url.PathEscape(prefix + "702"))
	alice.Wait("established")
	wait(b, "1003", func(e *csta.TransferedEvent) bool {
		return e.PrimaryOldCall == csta.Connection(second.CallID, prefix+"702") && e.TransferredToDevice.DeviceIdentifier.ID == "1001"
	})
	bob.Hangup()
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool {
		return e.DroppedConnection == csta.Connection(first.CallID, prefix+"703")
	})
	carol.Hangup()
	alice.Wait("ended")
	b.idle()
}

// A phone that parks by itself transfers to the parking extension. Who dials the orbit is in the call then, and can do with it what one can do with
// any.
func TestParkedByHand(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := deskphone{b.Deskphone(t, "1001")}, b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	id, _ := b.talk(alice, bob, "1001", "1002")
	b.until(c, "bridged", talking("1001", "1002"))
	alice.Transfer("700")
	at := wait(b, "1002", func(e *csta.QueuedEvent) bool { return e.QueuedConnection.CallID == id.CallID && e.Cause == causePark }).QueuedConnection
	alice.Wait("ended")
	carol.Dial(at.DeviceID.ID)
	wait(b, "1001", func(e *csta.DivertedEvent) bool { return e.Connection == at && e.LocalConnectionInfo == "" })
	wait(b, "1002", func(e *csta.TransferedEvent) bool {
		return e.PrimaryOldCall == at && e.TransferredToDevice.DeviceIdentifier.ID == "1003"
	})
	b.until(c, "retrieved", talking("1002", "1003"))
	do(b, &csta.HoldCall{CallToBeHeld: csta.Connection(id.CallID, "1003")})
	wait(b, "1002", func(e *csta.HeldEvent) bool { return e.HeldConnection == csta.Connection(id.CallID, "1003") })
	bob.Hangup()
	carol.Wait("ended")
	b.idle()
}

// A line that has called itself has one connection, and nobody to park.
func TestParkOneself(t *testing.T) {
	b := start(t, nil)
	alice := b.Deskphone(t, "1001")
	alice.Dial("1001")
	alice.Wait("incoming")
	alice.Answer()
	id := wait(b, "1001", func(*csta.OriginatedEvent) bool { return true }).OriginatedConnection
	alice.Wait("established")
	refuses(b, &csta.ParkCall{Parking: id, ParkTo: csta.Device("701")}, csta.StateIncompatibility, "invalidConnectionState")
	do(b, &csta.ClearConnection{ConnectionToBeCleared: id})
	b.idle()
}
