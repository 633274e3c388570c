package asterisk

import (
	"testing"

	"rccgw/csta"
)

func (b *bench) watch(lines ...string) {
	b.t.Helper()
	for _, l := range lines {
		do(b, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: device(l)}})
	}
}

// Forwarding really redirects, by whoever it is set.
func TestForwarding(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := deskphone{b.Deskphone(t, "1001")}, b.Deskphone(t, "1002"), b.Deskphone(t, "1003")
	if _, err := b.AMI(t).Do(t.Context(), action("Setvar", "Variable", "RCC_RING", "Value", "1")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		kind  csta.ForwardingType
		cause csta.EventCause
		bob   func() // what he does while it rings; nil: it does not
	}{
		{"forwardImmediate", causeForwardAlways, nil},
		{"forwardBusy", causeForwardBusy, func() { bob.Wait("incoming"); bob.Hangup() }},
		{"forwardNoAns", causeForwardNoAns, func() { bob.Wait("incoming"); bob.Wait("ended") }},
	} {
		do(b, &csta.SetForwarding{Device: device("1002"), ForwardingType: f.kind, ActivateForward: true, ForwardDN: device("1003")})
		if e := wait[*csta.ForwardingEvent](b, "1002"); e.ForwardingType != f.kind || !e.ForwardStatus || e.ForwardTo.ID != "1003" {
			t.Errorf("%s", line(e))
		}
		alice.Dial("1002")
		if f.bob != nil {
			f.bob()
			if e := wait[*csta.DivertedEvent](b, "1002"); e.NewDestination.String() != "1003" || e.Cause != f.cause {
				t.Errorf("%s", line(e))
			}
		}
		carol.Wait("incoming 1001")
		e := wait[*csta.DeliveredEvent](b, "1003")
		if e.Cause != f.cause || e.LastRedirectionDevice.NumberDialed.ID != "1002" || e.CalledDevice.String() != "1002" || e.AlertingDevice.String() != "1003" {
			t.Errorf("%s", line(e))
		}
		alice.Hangup()
		alice.Wait("ended 487")
		do(b, &csta.SetForwarding{Device: device("1002"), ForwardingType: f.kind})
		if e := wait[*csta.ForwardingEvent](b, "1002"); e.ForwardingType != f.kind || e.ForwardStatus {
			t.Errorf("%s", line(e))
		}
		b.idle()
	}
	set := func(to string) *csta.SetForwarding {
		return &csta.SetForwarding{Device: device("1002"), ActivateForward: true, ForwardDN: device(to)}
	}
	for _, bad := range []string{"", "1002", "1999", "10${X}", "1003\r\n"} {
		refuses(b, set(bad), csta.Operation, "invalidForwardingDestination")
	}
	req := set("1003")
	req.ForwardingType = "forwardDND"
	refuses(b, req, csta.Operation, "invalidForwardingType")
	req.Device = device("1999")
	req.ForwardingType = ""
	refuses(b, req, csta.Operation, "invalidDeviceID")
}

// Do-not-disturb really silences the phone.
func TestDoNotDisturb(t *testing.T) {
	b := start(t, nil)
	alice, bob := deskphone{b.Deskphone(t, "1001")}, b.Baresip(t, "1002")
	do(b, &csta.SetDoNotDisturb{Device: device("1002"), DoNotDisturbOn: true})
	if e := wait[*csta.DoNotDisturbEvent](b, "1002"); !e.DoNotDisturbOn {
		t.Error("do-not-disturb is not on")
	}
	if !do(b, &csta.GetDoNotDisturb{Device: device("1002")}).DoNotDisturbOn {
		t.Error("do-not-disturb is not on")
	}
	alice.Dial("1002")
	if e := wait[*csta.FailedEvent](b, "1001"); e.Cause != causeDND || e.FailingDevice.String() != "1002" {
		t.Errorf("%s", line(e))
	}
	alice.Wait("ended 486")
	do(b, &csta.SetDoNotDisturb{Device: device("1002")})
	if e := wait[*csta.DoNotDisturbEvent](b, "1002"); e.DoNotDisturbOn {
		t.Error("do-not-disturb is on")
	}
	do(b, &csta.SetDoNotDisturb{Device: device("1002")}) // once more changes nothing
	alice.Dial("1002")
	bob.Wait("incoming 1001")
	alice.Hangup()
	b.idle()
}

// What is set by codes at the phone, or by others in AstDB, is told.
func TestFeaturesSetElsewhere(t *testing.T) {
	b := start(t, nil)
	alice := deskphone{b.Deskphone(t, "1001")}
	c := b.AMI(t)
	alice.Dial("*721003") // nobody watches, and nothing is known of the line
	if e := wait[*csta.ForwardingEvent](b, "1001"); e.ForwardingType != "forwardImmediate" || !e.ForwardStatus || e.ForwardTo.ID != "1003" {
		t.Errorf("%s", line(e))
	}
	alice.Dial("*73")
	if e := wait[*csta.ForwardingEvent](b, "1001"); e.ForwardStatus {
		t.Errorf("%s", line(e))
	}
	alice.Dial("*78")
	if e := wait[*csta.DoNotDisturbEvent](b, "1001"); !e.DoNotDisturbOn {
		t.Errorf("%s", line(e))
	}
	b.watch("1002")
	for _, change := range []struct {
		action []string
		on     bool
	}{{[]string{"DBPut", "Family", "CFB", "Key", "1002", "Val", "1003"}, true}, {[]string{"DBDel", "Family", "CFB", "Key", "1002"}, false}} {
		if _, err := c.Do(t.Context(), action(change.action[0], change.action[1:]...)); err != nil {
			t.Fatal(err)
		}
		if e := wait[*csta.ForwardingEvent](b, "1002"); e.ForwardingType != "forwardBusy" || e.ForwardStatus != change.on {
			t.Errorf("%s", line(e))
		}
	}
	do(b, &csta.MonitorStop{MonitorCrossRefID: "1002"})
	refuses(b, &csta.MonitorStop{MonitorCrossRefID: "1002"}, csta.Operation, "invalidMonitorCrossRefID")
	b.idle()
}

// FreePBX has other families and values.
func TestFreePBX(t *testing.T) {
	b := start(t, func(s *Settings) { s.Features = "freepbx" })
	do(b, &csta.SetDoNotDisturb{Device: device("1001"), DoNotDisturbOn: true})
	do(b, &csta.SetForwarding{Device: device("1001"), ForwardingType: "forwardNoAns", ActivateForward: true, ForwardDN: device("1002")})
	for _, e := range []struct{ family, value string }{{"DND", "YES"}, {"CFU", "1002"}} {
		found, err := b.AMI(t).List(t.Context(), action("DBGet", "Family", e.family, "Key", "1001"))
		if err != nil || len(found) != 1 || found[0].Get("Val") != e.value {
			t.Errorf("%s: %v, %v", e.family, found, err)
		}
	}
}
