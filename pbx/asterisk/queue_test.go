package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/asterisk/asterisktest"
)

// queues starts a driver on an Asterisk with queues of several kinds.
func queues(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{
		Extensions: []string{"1001", "1002", "1003", "1004"},
		Queues: "[phones]\nstrategy = ringall\nretry = 1\nmember => PJSIP/1002\nmember => PJSIP/1003\n[wires]\nstrategy = ringall\nretry = 1\nmember => Local/1002@phones\nmember => Local/1003@phones\n" +
			"[one]\nretry = 1\nmember => PJSIP/1002\n[nobody]\n",
		Dialplan: "exten => 605,1,Queue(wires)\nexten => 608,1,Queue(phones)\nexten => 606,1,Answer()\n same => n,Queue(one)\n" +
			"exten => 607,1,Queue(nobody,,,,1)\n same => n,Answer()\n same => n,Echo()\n",
	})
	b.run(settings(b.Asterisk))
	return b
}

// delivered waits until the caller and the line are told that the line rings, after the call has left the queue.
func (b *bench) delivered(caller, line, queue string) csta.ConnectionID {
	b.t.Helper()
	var id csta.ConnectionID
	for _, device := range []string{caller, line} {
		if device == "" {
			continue
		}
		e := wait(b, device, func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == line })
		if e.Cause != causeDistributed || e.LastRedirectionDevice.NumberDialed.ID != queue || e.CalledDevice.String() != queue || e.AlertingDevice.String() != line ||
			caller != "" && e.CallingDevice.String() != caller {
			b.t.Errorf("%s is told %+v", device, e)
		}
		id = e.Connection
	}
	return id
}

// A call rings at all members, whose phones are called by the queue itself or through wires inside the PBX. One answers; the other is told that it
// stopped ringing for that. When the caller gives up it is told that.
func TestQueueRingsAll(t *testing.T) {
	b := queues(t)
	alice, bob, carol := deskphone{b.Deskphone(t, "1001")}, b.Deskphone(t, "1002"), b.Deskphone(t, "1003")
	ring := func(number string) (id, other csta.ConnectionID) {
		t.Helper()
		alice.Dial(number)
		e := wait[*csta.QueuedEvent](b, "1001")
		if e.Queue.String() != number || e.Cause != causeQueued || e.CallingDevice.String() != "1001" || e.LocalConnectionInfo != pbx.Connected {
			t.Errorf("queued: %s", line(e))
		}
		for _, phone := range []*asterisktest.UA{bob, carol} {
			phone.Wait("incoming 1001")
		}
		id, other = b.delivered("", "1002", number), b.delivered("", "1003", number)
		if id.CallID != e.QueuedConnection.CallID || other.CallID != id.CallID {
			t.Errorf("%s and %s ring for %s", id, other, e.QueuedConnection)
		}
		return id, other
	}
	for _, number := range []string{"605", "608"} {
		id, other := ring(number)
		bob.Answer()
		alice.Wait("established")
		carol.Wait("ended")
		for _, device := range []string{"1001", "1002", "1003"} {
			if c := wait(b, device, func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == other }); c.Cause != causeElsewhere {
				t.Errorf("%s: %s", device, line(c))
			}
		}
		if got, want := b.snapshot("1001"), "1001@"+id.CallID+" connected connected\n"; got != want {
			t.Errorf("alice has %q, not %q", got, want)
		}
		do(b, &csta.HoldCall{CallToBeHeld: id})
		wait(b, "1001", func(e *csta.HeldEvent) bool { return e.HeldConnection == id })
		alice.Hangup()
		bob.Wait("ended")
		b.idle()

		id, _ = ring(number)
		alice.Hangup()
		bob.Wait("ended")
		carol.Wait("ended")
		if c := wait(b, "1002", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == id }); c.Cause != pbx.CauseNormalClearing {
			t.Errorf("given up: %s", line(c))
		}
		b.idle()
	}
}

// A member who declines, which Asterisk tells as no answer, is out of the call, which waits again until it rings anew. Meanwhile the gateway is killed.
func TestQueueAgain(t *testing.T) {
	b := queues(t)
	alice, bob := deskphone{b.Deskphone(t, "1001")}, b.Deskphone(t, "1002")
	alice.Dial("606")
	queued := wait[*csta.QueuedEvent](b, "1001").QueuedConnection
	for _, decline := range []func(id csta.ConnectionID){
		func(csta.ConnectionID) { bob.Hangup() },
		func(id csta.ConnectionID) { do(b, &csta.ClearConnection{ConnectionToBeCleared: id}) },
	} {
		bob.Wait("incoming 1001")
		wait(b, "1001", func(e *csta.DivertedEvent) bool { return e.Connection == queued && e.Cause == causeDistributed })
		id := b.delivered("1001", "1002", "606")
		decline(id)
		for _, device := range []string{"1001", "1002"} {
			e := wait(b, device, func(e *csta.DivertedEvent) bool { return e.Connection == id })
			if e.Cause != causeNotAnswered || e.NewDestination.String() != "606" {
				t.Errorf("%s: %s", device, line(e))
			}
		}
		if e := wait[*csta.QueuedEvent](b, "1001"); e.QueuedConnection != queued {
			t.Errorf("%s, first at %s", line(e), queued)
		}
	}
	bob.Wait("incoming 1001")
	id := b.delivered("1001", "1002", "606")
	b.stop()
	b.run(settings(b.Asterisk))
	if got, want := b.snapshot("1001"), "1001@"+id.CallID+" connected alerting\n"; got != want {
		t.Errorf("alice has %q, not %q", got, want)
	}
	bob.Hangup()
	if e := wait[*csta.QueuedEvent](b, "1001"); e.QueuedConnection != queued {
		t.Errorf("%s, first at %s", line(e), queued)
	}
	b.stop()
	b.run(settings(b.Asterisk))
	bob.Wait("incoming 1001")
	wait(b, "1002", func(e *csta.DeliveredEvent) bool { return e.Connection == id && e.Cause == causeDistributed })
	bob.Answer()
	wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id })
	bob.Hangup()
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == id })
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection.DeviceID.ID == "1001" })
	alice.Wait("ended")
	b.idle()
}

// A call that nobody takes leaves the queue for what the dialplan does next.
func TestQueueTimeout(t *testing.T) {
	b := queues(t)
	alice := deskphone{b.Deskphone(t, "1001")}
	alice.Dial("607")
	queued := wait[*csta.QueuedEvent](b, "1001").QueuedConnection
	e := wait(b, "1001", func(e *csta.DivertedEvent) bool { return e.Connection == queued })
	if !bool(e.NewDestination.NotKnown) || e.LocalConnectionInfo != pbx.Connected {
		t.Errorf("left: %s", line(e))
	}
	wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.CallID == queued.CallID })
	alice.Hangup()
	b.idle()
}

// Who calls a queue from outside is shown to the member; and who is there by a prompted or a consulting phone is in one call.
func TestQueueCallers(t *testing.T) {
	b := queues(t)
	bob, carol, trunk := b.Deskphone(t, "1002"), b.Baresip(t, "1003"), b.Trunk(t)
	trunk.Dial("1613592604", "From: <sip:6135550100@127.0.0.2>") // whose members are 1003 and 1004
	carol.Wait("incoming")
	e := wait[*csta.DeliveredEvent](b, "1003")
	if e.CallingDevice.String() != "6135550100" || !e.CallingDevice.DeviceIdentifier.External || e.CalledDevice.String() != "604" || e.LastRedirectionDevice.NumberDialed.ID != "604" {
		t.Errorf("%+v", e)
	}
	carol.Answer()
	carol.Wait("established")
	wait(b, "1003", func(x *csta.EstablishedEvent) bool { return x.EstablishedConnection == e.Connection })
	asks := do(b, &csta.ConsultationCall{ExistingCall: e.Connection, ConsultedDevice: device("606")}).InitiatedCall
	wait(b, "1003", func(e *csta.QueuedEvent) bool { return e.QueuedConnection.CallID == asks.CallID })
	bob.Wait("incoming")
	id := b.delivered("1003", "1002", "606")
	bob.Answer()
	wait(b, "1003", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id && id.CallID == asks.CallID })
	bob.Hangup()
	wait(b, "1003", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == asks })
	trunk.Hangup()
	carol.Wait("ended")
	b.idle()
}

// A phone sends whom it talks with into the queue in which it waits itself: who waits there then is the other.
func TestQueueTransferredInto(t *testing.T) {
	b := queues(t)
	alice, carol := b.Deskphone(t, "1001"), b.Baresip(t, "1003")
	c := b.AMI(t)
	id, _ := b.talk(deskphone{alice}, carol, "1001", "1003")
	b.until(c, "bridged", talking("1001", "1003"))
	alice.Dial("606")
	queued := wait[*csta.QueuedEvent](b, "1001").QueuedConnection
	alice.Wait("established")
	alice.Join()
	wait(b, "1003", func(e *csta.TransferedEvent) bool {
		return e.PrimaryOldCall.CallID == id.CallID && e.SecondaryOldCall.CallID == queued.CallID && e.TransferredToDevice.String() == "606"
	})
	if got, want := b.snapshot("1003"), "1003@"+id.CallID+" connected queued\n"; got != want {
		t.Errorf("carol has %q, not %q", got, want)
	}
	bob := b.Deskphone(t, "1002")
	bob.Wait("incoming")
	if e := wait[*csta.DeliveredEvent](b, "1002"); e.Connection.CallID != id.CallID || e.CallingDevice.String() != "1003" || e.LastRedirectionDevice.NumberDialed.ID != "606" {
		t.Errorf("%+v", e)
	}
	if got, want := b.snapshot("1003"), "1003@"+id.CallID+" connected alerting\n"; got != want {
		t.Errorf("carol has %q, not %q", got, want)
	}
	carol.Hangup()
	bob.Wait("ended")
	b.idle()
}

// A member who is not to be disturbed is passed over: that is no failure of the call.
func TestQueueDoNotDisturb(t *testing.T) {
	b := queues(t)
	alice, bob := deskphone{b.Deskphone(t, "1001")}, b.Deskphone(t, "1002")
	do(b, &csta.SetDoNotDisturb{Device: device("1003"), DoNotDisturbOn: true})
	alice.Dial("605")
	bob.Wait("incoming 1001")
	id := b.delivered("1001", "1002", "605")
	b.until(b.AMI(t), "the other wire is gone", func(m map[string][]ami.Event) bool {
		return len(m["1003@phones"])+len(m["1003"]) == 0
	})
	bob.Answer()
	wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id })
	alice.Hangup()
	bob.Wait("ended")
	b.idle()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.seen {
		if _, failed := r.msg.(*csta.FailedEvent); failed {
			t.Errorf("%s is told %s", r.device, line(r.msg))
		}
	}
}
