package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/asterisktest"
)

// A number rings two lines, which Dial calls itself or through wires inside the PBX. It is one call of three lines, whoever calls.
func TestRingGroup(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{Dialplan: "exten => 2100,1,Dial(PJSIP/1002&PJSIP/1003)\n same => n,Busy(10)\n" +
		"exten => 2101,1,Dial(Local/1002@phones&Local/1003@phones)\n same => n,Busy(10)\n" +
		"exten => 2102,1,Dial(Local/1002@phones/n&Local/1003@phones/n)\n same => n,Busy(10)\n"})
	b.run(settings(b.Asterisk))
	alice, bob, carol := b.Deskphone(t, "1001"), b.Deskphone(t, "1002"), b.Deskphone(t, "1003")
	c := b.AMI(t)
	has := func(call, line, states string) {
		t.Helper()
		if got, want := b.snapshot(line), line+"@"+call+" "+states+"\n"; got != want {
			t.Errorf("%s has %q, not %q", line, got, want)
		}
	}
	cleared := func(id csta.ConnectionID, cause csta.EventCause, lines ...string) {
		t.Helper()
		for _, l := range lines {
			if e := wait(b, l, func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == id }); e.Cause != cause {
				t.Errorf("%s is told %s, not with cause %s", l, line(e), cause)
			}
		}
	}
	ring := func(number string, by func()) (two, three csta.ConnectionID) {
		t.Helper()
		by()
		bob.Wait("incoming 1001")
		carol.Wait("incoming 1001")
		for range 2 {
			e := wait[*csta.DeliveredEvent](b, "1001")
			switch e.AlertingDevice.String() {
			case "1002":
				two = e.Connection
			case "1003":
				three = e.Connection
			}
			if e.CallingDevice.String() != "1001" || e.CalledDevice.String() != number || !bool(e.LastRedirectionDevice.NotRequired) {
				t.Errorf("%+v", e)
			}
		}
		for _, id := range []csta.ConnectionID{two, three} {
			wait(b, id.DeviceID.ID, func(e *csta.DeliveredEvent) bool { return e.Connection == id && e.LocalConnectionInfo == pbx.Alerting })
		}
		if two.CallID != three.CallID || two.DeviceID.ID != "1002" || three.DeviceID.ID != "1003" {
			t.Fatalf("%s and %s ring", two, three)
		}
		has(two.CallID, "1001", "connected alerting alerting")
		return two, three
	}
	for _, number := range []string{"2100", "2101", "2102"} {
		dials := func() { alice.Dial(number) }

		// One answers; the phone of the other is told so, too.
		two, three := ring(number, dials)
		bob.Answer()
		carol.Wait("ended elsewhere")
		cleared(three, causeElsewhere, "1001", "1002", "1003")
		alice.Wait("established")
		has(two.CallID, "1001", "connected connected")
		carol.Dial("1002") // it is free
		bob.Wait("incoming 1003")
		carol.Hangup()
		bob.Hangup()
		alice.Wait("ended")
		b.idle()

		// One declines, the other answers, and can do with the call what one can do with any. The gateway was killed meanwhile.
		two, three = ring(number, func() {
			do(b, &csta.MakeCall{CallingDevice: device("1001"), CalledDirectoryNumber: device(number)})
			alice.Wait("incoming")
			alice.Answer()
		})
		bob.Hangup()
		cleared(two, causeBusy, "1001", "1002", "1003")
		b.stop()
		b.run(settings(b.Asterisk))
		has(three.CallID, "1003", "alerting connected")
		carol.Answer()
		wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == three })
		if number != "2102" { // whose wire stays between the two
			b.until(c, "bridged", talking("1001", "1003"))
			do(b, &csta.HoldCall{CallToBeHeld: three})
			do(b, &csta.RetrieveCall{CallToBeRetrieved: three})
			b.until(c, "retrieved", talking("1001", "1003"))
		}
		has(three.CallID, "1003", "connected connected")
		alice.Hangup()
		carol.Wait("ended")
		b.idle()

		// The caller gives up.
		two, three = ring(number, dials)
		alice.Hangup()
		cleared(two, pbx.CauseNormalClearing, "1002")
		cleared(three, pbx.CauseNormalClearing, "1003")
		bob.Wait("ended")
		carol.Wait("ended")
		b.idle()

		// Both decline.
		two, three = ring(number, dials)
		bob.Hangup()
		cleared(two, causeBusy, "1002")
		carol.Hangup()
		if e := wait[*csta.FailedEvent](b, "1001"); e.Cause != causeBusy || e.FailedConnection.CallID != three.CallID {
			t.Errorf("both decline: %s", line(e))
		}
		wait(b, "1003", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == three })
		alice.Wait("ended 486")
		b.idle()
	}
}
