package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/asterisktest"
)

// A line is out of service while no phone is registered for it. What changed while there was no link is told when there is one, and that a line
// is still away, again.
func TestOutOfService(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{})
	link := b.Link(t)
	s := settings(b.Asterisk)
	s.Address = link.Address()
	b.run(s)
	b.watch("1001")
	if e := wait[*csta.OutOfServiceEvent](b, "1001"); e.Device.String() != "1001" {
		t.Errorf("out of service is %s", e.Device)
	}
	phone := b.Baresip(t, "1001")
	if e := wait[*csta.BackInServiceEvent](b, "1001"); e.Device.String() != "1001" {
		t.Errorf("back in service is %s", e.Device)
	}
	phone.Do("uadelall", "")
	wait[*csta.OutOfServiceEvent](b, "1001")

	cut := func() {
		link.Cut()
		b.link(pbx.StatusDisabled)
	}
	back := func() {
		link.Mend()
		b.link(pbx.StatusNormal)
	}
	cut()
	back()
	wait[*csta.OutOfServiceEvent](b, "1001")
	cut()
	phone = b.Baresip(t, "1001")
	back()
	wait[*csta.BackInServiceEvent](b, "1001")
	do(b, &csta.MonitorStop{MonitorCrossRefID: "1001"})
	phone.Do("uadelall", "")
	b.watch("1002")
	wait[*csta.OutOfServiceEvent](b, "1002")
	b.mu.Lock()
	defer b.mu.Unlock()
	last := ""
	for _, r := range b.seen {
		if r.device == "1001" {
			last = line(r.msg)
		}
	}
	if last != "BackInServiceEvent" {
		t.Errorf("the last that was told of a line which nobody watches is %s", last)
	}
}

// A line without mailboxes knows of no messages. What the PBX has no modules or no dialplan for is not offered.
func TestWithoutModules(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{})
	b.run(settings(b.Asterisk))
	refuses(b, &csta.GetMessageWaitingIndicator{Device: device("1001")}, csta.Operation, "requestIncompatibleWithDevice")
	for _, req := range []csta.Message{&csta.GetMessageWaitingIndicator{}, &csta.ParkCall{}, &csta.DirectedPickupCall{}, &csta.GroupPickupCall{}} {
		if !b.mux.Offers(req, "1001") {
			t.Errorf("%s is not offered", csta.Name(req))
		}
	}
	b.CLI(t, "module unload app_voicemail.so")
	b.CLI(t, "module unload app_minivm.so")
	b.CLI(t, "module unload res_parking.so")
	b.CLI(t, "dialplan remove context rcc-pickup")
	b.stop()
	b.run(settings(b.Asterisk))
	id := csta.Connection("1", "1001")
	refuses(b, &csta.GetMessageWaitingIndicator{Device: device("1001")}, csta.Operation, "serviceNotSupported")
	refuses(b, &csta.ParkCall{Parking: id, ParkTo: device("701")}, csta.Operation, "serviceNotSupported")
	refuses(b, &csta.DirectedPickupCall{CallToBePickedUp: id, RequestingDevice: device("1002")}, csta.Operation, "serviceNotSupported")
	refuses(b, &csta.GroupPickupCall{NewDestination: device("1001")}, csta.Operation, "serviceNotSupported")
	if b.mux.Features("1001").Supports(&csta.MessageWaitingEvent{}) {
		t.Error("the PBX has no voice mail, and the line is said to be told of messages")
	}
	b.watch("1001")
}
