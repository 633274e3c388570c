package asterisk

import (
	"testing"

	"rccgw/csta"
)

// Who calls from outside is shown as the trunk presents it, number and name, and
// not at all if the number is withheld.
func TestCallers(t *testing.T) {
	b := start(t, nil)
	bob, trunk := b.Deskphone(t, "1002"), b.Trunk(t)
	const anonymous = `From: "Anonymous" <sip:anonymous@anonymous.invalid>`
	outside := csta.Party("6135550100")
	outside.DeviceIdentifier.External = true
	named := func(name string) csta.ExtendedDeviceID {
		d := outside
		d.Name = name
		return d
	}
	for _, tt := range []struct {
		name    string
		headers []string
		want    csta.ExtendedDeviceID
	}{
		{"number", []string{`From: "Ann Other" <sip:6135550100@127.0.0.2>`}, named("Ann Other")},
		{"name of digits", []string{`From: "16135921001" <sip:6135550100@127.0.0.2>`}, named("16135921001")},
		{"no name", []string{`From: <sip:6135550100@127.0.0.2>`}, outside},
		{"asserted", []string{`From: <sip:1@127.0.0.2>`, `P-Asserted-Identity: "Ann" <sip:6135550100@127.0.0.2>`}, named("Ann")},
		{"anonymous", []string{anonymous, "Privacy: id"}, csta.Restricted()},
		{"withheld", []string{anonymous, `P-Asserted-Identity: "Ann" <sip:6135550100@127.0.0.2>`, "Privacy: id"}, csta.Restricted()},
		{"no user", []string{`From: <sip:127.0.0.2>`}, csta.NotKnown()},
	} {
		trunk.Dial("16135921002", tt.headers...)
		bob.Wait("incoming")
		e := wait(b, "1002", func(e *csta.DeliveredEvent) bool { return e.LocalConnectionInfo == "alerting" })
		if e.CallingDevice != tt.want || e.CalledDevice.String() != "1002" || e.CalledDevice.Name != "Phone 1002" || e.AlertingDevice.Name != "Phone 1002" {
			t.Errorf("%s: %+v, not %+v; called %s", tt.name, e.CallingDevice, tt.want, e.CalledDevice)
		}
		trunk.Hangup()
		trunk.Wait("ended 487")
		bob.Wait("ended")
		wait(b, "1002", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection.DeviceID.ID == "1002" })
	}
	b.idle()
}

// A call to outside: the party has the number that was dialled, and is held,
// transferred and cleared like any.
func TestOutside(t *testing.T) {
	b := start(t, nil)
	alice, bob, trunk := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Trunk(t)
	alice.Dial("96135550100")
	trunk.Wait("incoming 1001")
	left := wait[*csta.NetworkReachedEvent](b, "1001")
	d := wait[*csta.DeliveredEvent](b, "1001")
	if left.OutboundConnection != d.Connection || left.NetworkInterfaceUsed.String() != "trunk" || left.CalledDevice.String() != "96135550100" || left.Cause != "newCall" {
		t.Errorf("%+v", left)
	}
	if d.AlertingDevice.String() != "96135550100" || !d.AlertingDevice.DeviceIdentifier.External || !d.AlertingDevice.DeviceIdentifier.Dialled || d.Connection.DeviceID.ID == "96135550100" {
		t.Errorf("%+v", d)
	}
	trunk.Answer()
	alice.Wait("established")
	wait[*csta.EstablishedEvent](b, "1001")
	id := csta.Connection(d.Connection.CallID, "1001")
	do(b, &csta.HoldCall{CallToBeHeld: id})
	do(b, &csta.SingleStepTransferCall{ActiveCall: id, TransferredTo: device("1002")})
	alice.Wait("ended")
	bob.Wait("incoming")
	e := wait[*csta.DeliveredEvent](b, "1002")
	if e.CallingDevice.String() != "96135550100" || !e.CallingDevice.DeviceIdentifier.External {
		t.Errorf("%+v", e)
	}
	bob.Answer()
	bob.Wait("established")
	trunk.Hangup()
	bob.Wait("ended")
	b.idle()

	// busy outside
	alice.Dial("96135550100")
	trunk.Wait("incoming")
	trunk.Hangup()
	if e := wait[*csta.FailedEvent](b, "1001"); e.Cause != causeBusy {
		t.Errorf("%s", line(e))
	}
	b.idle()
}
