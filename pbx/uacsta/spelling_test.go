package uacsta

import (
	"errors"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
)

// Numbers come without scheme and parameters; what is no URI stays.
func TestPlain(t *testing.T) {
	for id, want := range map[string]string{
		"tel:1001": "1001", "TEL:+1-613-592-5660;phone-context=x": "+16135925660", "tel:+16135925660;ext=5660": "5660", "tel:(613)555.0100": "6135550100",
		"sip:1001@pbx": "1001", "sips:+1613;phone-context=x@pbx;user=phone": "+1613", "sip:%2321@pbx:5060": "#21", "sip:pbx": "sip:pbx",
		"1001": "1001", "": "", "N<1001>": "N<1001>", "1001:switch::0": "1001:switch::0",
	} {
		if got := plain(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

// The line is written as the other end does, and numbers as they are dialled; of
// ConnectionIDs those of the line.
func TestSpelling(t *testing.T) {
	c := config{line: "sip:{line}@{host};user=phone", number: "sip:{number}@{host}"}
	s := c.spelling("1001", address{"udp", "2001:db8::1", "5060"})
	make := &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("*21#")}
	if err := s.out(make); err != nil || make.CallingDevice.ID != "sip:1001@[2001:db8::1];user=phone" || make.CalledDirectoryNumber.ID != "sip:*21%23@[2001:db8::1]" {
		t.Errorf("%v, %+v", err, make)
	}
	pick := &csta.DirectedPickupCall{CallToBePickedUp: csta.Connection("a", "1002"), RequestingDevice: csta.Device("1001")}
	if err := s.out(pick); err != nil || pick.CallToBePickedUp.DeviceID.ID != "1002" || pick.RequestingDevice.ID != s.line {
		t.Errorf("%v, %+v", err, pick)
	}
	ev := &csta.DeliveredEvent{Connection: csta.Connection("a", "sip:1001@10.0.0.1"), AlertingDevice: csta.Party("sip:1001@10.0.0.1"), CallingDevice: csta.Party("sip:1002@10.0.0.1"), CalledDevice: csta.NotKnown()}
	s.in(ev)
	if ev.Connection.DeviceID.ID != "1001" || ev.AlertingDevice.DeviceIdentifier.ID != "1001" || ev.CallingDevice.DeviceIdentifier.ID != "1002" || !ev.CalledDevice.NotKnown {
		t.Errorf("%+v", ev)
	}
	other := &csta.HeldEvent{HeldConnection: csta.Connection("a", "sip:1002@10.0.0.1"), HoldingDevice: csta.Restricted()}
	s.in(other)
	if other.HeldConnection.DeviceID.ID != "sip:1002@10.0.0.1" || !other.HoldingDevice.Restricted {
		t.Errorf("%+v", other)
	}
	for _, tt := range []struct {
		req   csta.Message
		value string
	}{
		{&csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("10;01")}, "invalidCalledDeviceID"},
		{&csta.ConsultationCall{ExistingCall: csta.Connection("a", "1001"), ConsultedDevice: csta.Device("a@b")}, "invalidCalledDeviceID"},
		{&csta.DeflectCall{CallToBeDiverted: csta.Connection("a", "1001"), NewDestination: csta.Device("1 2")}, "invalidDestination"},
		{&csta.SetForwarding{Device: csta.Device("1001"), ActivateForward: true, ForwardDN: csta.Device("x")}, "invalidForwardingDestination"},
	} {
		if err := s.out(tt.req); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: tt.value}) {
			t.Errorf("%s: %v, want %s", csta.Name(tt.req), err, tt.value)
		}
	}
	if got := fill("tel:{number}", "{number}", "*21#", ""); got != "tel:*21#" {
		t.Error(got)
	}
}

// Each desk phone has an address with its line in it, or one that is named.
func TestAddressOfLine(t *testing.T) {
	set := Settings{Address: "udp://phone-{line}.example.com:5060", Addresses: "1002=tcp://10.0.0.12:5062"}
	c := config{addresses: map[string]address{}}
	var m pbx.Mistakes
	set.addressesOf(&c, &m)
	if got := c.address.of("1001").server(); len(m) > 0 || !c.perLine || got != "udp://phone-1001.example.com:5060" || c.addresses["1002"].server() != "tcp://10.0.0.12:5062" {
		t.Errorf("%v, %s, %+v", m, got, c)
	}
}

// A number is shown as it was dialled in the call that was made by it, and before it is
// known which that is; not in others.
func TestDialled(t *testing.T) {
	var d dialled
	shown := func(call, number string) bool {
		ev := &csta.DeliveredEvent{Connection: csta.Connection(call, "1"), CalledDevice: csta.Party(number)}
		d.mark(ev)
		return ev.CalledDevice.DeviceIdentifier.Dialled
	}
	if shown("a", "96135550100") {
		t.Error("nothing was dialled")
	}
	answered := d.note(&csta.MakeCall{CalledDirectoryNumber: csta.Device("96135550100")})
	if !shown("a", "96135550100") || shown("a", "6135550100") {
		t.Error("before the answer")
	}
	answered(&csta.MakeCallResponse{CallingDevice: csta.Connection("a", "1001")}, nil)
	if !shown("a", "96135550100") || shown("b", "96135550100") {
		t.Error("behind the answer")
	}
	d.note(&csta.ConsultationCall{ConsultedDevice: csta.Device("97")})(&csta.ConsultationCallResponse{InitiatedCall: csta.Connection("c", "1001")}, nil)
	if !shown("c", "97") || shown("a", "97") || shown("c", "96135550100") {
		t.Error("of two calls")
	}
	d.note(&csta.MakeCall{CalledDirectoryNumber: csta.Device("98")})(nil, csta.Errorf(csta.Operation, "generic", "refused"))
	if shown("d", "98") {
		t.Error("of a call that was refused")
	}
	for i := range 3 * maxDialled {
		d.note(&csta.MakeCall{CalledDirectoryNumber: csta.Device(strings.Repeat("1", i+1))})
	}
	if len(d.list) != maxDialled || shown("a", "96135550100") {
		t.Errorf("%d are remembered", len(d.list))
	}
}
