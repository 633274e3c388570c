package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/asterisk/asterisktest"
)

// Lines have the names of their endpoints, to a driver that was there from the
// beginning and to one that comes later; whose presentation is withheld has none.
func TestNamesOfLines(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{PJSIP: map[string]string{"1003": "callerid_privacy = prohib"}})
	b.run(settings(b.Asterisk))
	alice, bob, carol := b.Baresip(t, "1001"), b.Deskphone(t, "1002"), b.Baresip(t, "1003")
	names := func(event string, got []csta.ExtendedDeviceID, want ...string) {
		t.Helper()
		for i, d := range got {
			if d.Name != want[i] || d.DeviceIdentifier.ID == "" {
				t.Errorf("%s: %q has the name %q, not %q", event, d, d.Name, want[i])
			}
		}
	}
	alice.Dial("1002")
	bob.Wait("incoming")
	d := wait[*csta.DeliveredEvent](b, "1002")
	names("delivered", []csta.ExtendedDeviceID{d.CallingDevice, d.CalledDevice, d.AlertingDevice}, "Phone 1001", "Phone 1002", "Phone 1002")
	bob.Answer()
	e := wait[*csta.EstablishedEvent](b, "1002")
	names("established", []csta.ExtendedDeviceID{e.CallingDevice, e.CalledDevice, e.AnsweringDevice}, "Phone 1001", "Phone 1002", "Phone 1002")
	b.stop()
	b.run(settings(b.Asterisk))
	e = wait[*csta.EstablishedEvent](b, "1001")
	names("found", []csta.ExtendedDeviceID{e.CallingDevice, e.CalledDevice, e.AnsweringDevice}, "Phone 1001", "Phone 1002", "Phone 1002")
	alice.Hangup()
	bob.Wait("ended")
	b.idle()

	carol.Dial("1002")
	bob.Wait("incoming")
	d = wait(b, "1002", func(e *csta.DeliveredEvent) bool { return e.Connection.CallID != d.Connection.CallID })
	names("withheld", []csta.ExtendedDeviceID{d.CallingDevice, d.CalledDevice}, "", "Phone 1002")
	b.stop()
	b.run(settings(b.Asterisk))
	d = wait[*csta.DeliveredEvent](b, "1002")
	names("withheld and found", []csta.ExtendedDeviceID{d.CallingDevice, d.CalledDevice}, "", "Phone 1002")
	carol.Wait("ringing")
	carol.Hangup()
	bob.Wait("ended")
	b.idle()

	// The gateway's own calls, and those of a program that has the phone shown a customer. A driver that
	// comes later cannot tell the customer's name from that of the endpoint, but that it may be another's.
	byOther := func() {
		t.Helper()
		if _, err := b.AMI(t).Do(t.Context(), ami.NewAction("Originate", "Channel", "PJSIP/1001", "Context", "phones", "Exten", "1002", "Priority", "1",
			"CallerID", `"A Customer" <4165551234>`, "Async", "true")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		originate func()
		later     bool
		want      string
	}{
		{func() { b.makeCall("1001", "1002") }, false, "Phone 1001"},
		{func() { b.makeCall("1001", "1002") }, true, "Phone 1001"},
		{byOther, false, "Phone 1001"},
		{byOther, true, ""},
	} {
		before := d.Connection.CallID
		c.originate()
		alice.Wait("incoming")
		if c.later {
			b.stop()
			b.run(settings(b.Asterisk))
		}
		alice.Answer()
		bob.Wait("incoming")
		d = wait(b, "1002", func(e *csta.DeliveredEvent) bool { return e.Connection.CallID != before })
		names("originated", []csta.ExtendedDeviceID{d.CallingDevice, d.CalledDevice}, c.want, "Phone 1002")
		alice.Hangup()
		bob.Wait("ended")
		b.idle()
	}
}
