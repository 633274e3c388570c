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
		link.Restore()
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

// A line without mailboxes, and a PBX without voice mail, know of no messages.
func TestNoVoiceMail(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{})
	b.run(settings(b.Asterisk))
	refuses(b, &csta.GetMessageWaitingIndicator{Device: device("1001")}, csta.Operation, "requestIncompatibleWithDevice")
	b.CLI(t, "module unload app_voicemail.so")
	b.stop()
	b.run(settings(b.Asterisk))
	refuses(b, &csta.GetMessageWaitingIndicator{Device: device("1001")}, csta.Operation, "serviceNotSupported")
	if b.mux.Features("1001").Supports(&csta.MessageWaitingEvent{}) {
		t.Error("the PBX has no voice mail, and the line is said to be told of messages")
	}
	b.watch("1001")
}
