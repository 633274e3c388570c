package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

func action(name string, pairs ...string) ami.Action { return ami.NewAction(name, pairs...) }

// The PBX holds for a phone that knows nothing of NOTIFY: the far end hears
// music, and the phone notices nothing.
func TestHoldByPBX(t *testing.T) {
	b := start(t, nil)
	alice, bob := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	c := b.AMI(t)
	a, o := b.talk(alice, bob, "1001", "1002")
	for _, who := range []struct {
		id            csta.ConnectionID
		line, farLine string
	}{{a, "1001", "1002"}, {o, "1002", "1001"}} {
		do(b, &csta.HoldCall{CallToBeHeld: who.id})
		for _, l := range []string{"1001", "1002"} {
			if e := wait[*csta.HeldEvent](b, l); e.HeldConnection != who.id {
				t.Errorf("%s", line(e))
			}
		}
		b.until(c, "held", func(m map[string][]ami.Event) bool {
			return waiting(m, who.line, "holder") && waiting(m, who.farLine, "held") && m[who.farLine][0].Get("Application") == "MusicOnHold"
		})
		refuses(b, &csta.HoldCall{CallToBeHeld: who.id}, csta.StateIncompatibility, "invalidConnectionState")
		do(b, &csta.RetrieveCall{CallToBeRetrieved: who.id})
		b.until(c, "retrieved", talking("1001", "1002"))
		for _, l := range []string{"1001", "1002"} {
			wait[*csta.RetrievedEvent](b, l)
		}
	}
	// Who is held hangs up: the waiting leg is released.
	do(b, &csta.HoldCall{CallToBeHeld: a})
	bob.Hangup()
	alice.Wait("ended")
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == a })
	b.idle()
	// The holder hangs up: the held party is released.
	a, _ = b.talk(alice, bob, "1001", "1002")
	do(b, &csta.HoldCall{CallToBeHeld: a})
	alice.Hangup()
	bob.Wait("ended")
	b.idle()
}

// A phone that holds by itself is not told to retrieve, but may do so itself.
func TestHoldAtPhone(t *testing.T) {
	b := start(t, nil)
	alice, bob := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	a, o := b.talk(alice, bob, "1001", "1002")
	b.until(b.AMI(t), "bridged", talking("1001", "1002"))
	alice.Hold()
	for _, l := range []string{"1001", "1002"} {
		if e := wait[*csta.HeldEvent](b, l); e.HeldConnection != a {
			t.Errorf("%s", line(e))
		}
	}
	refuses(b, &csta.RetrieveCall{CallToBeRetrieved: a}, csta.Operation, "requestIncompatibleWithDevice")
	refuses(b, &csta.RetrieveCall{CallToBeRetrieved: o}, csta.StateIncompatibility, "noHeldCall")
	alice.Resume()
	if e := wait[*csta.RetrievedEvent](b, "1002"); e.RetrievedConnection != a {
		t.Errorf("%s", line(e))
	}
	alice.Hangup()
	bob.Wait("ended")
	b.idle()
}

// A desk phone that honours NOTIFY holds and retrieves by itself.
func TestHoldByNotify(t *testing.T) {
	b := start(t, func(s *Settings) { s.TalkEvent = "1001" })
	alice, bob := deskphone{b.Deskphone(t, "1001")}, b.Baresip(t, "1002")
	a, _ := b.talk(alice, bob, "1001", "1002")
	do(b, &csta.HoldCall{CallToBeHeld: a})
	alice.Wait("held")
	wait[*csta.HeldEvent](b, "1001")
	do(b, &csta.RetrieveCall{CallToBeRetrieved: a})
	alice.Wait("resumed")
	wait[*csta.RetrievedEvent](b, "1001")
	bob.Hangup()
	alice.Wait("ended")
	b.idle()
}

// consulted has Alice talk to Bob and consult Carol, who answers.
func (b *bench) consulted(alice, bob, carol phone) (held, active csta.ConnectionID) {
	b.t.Helper()
	held, _ = b.talk(alice, bob, "1001", "1002")
	active = do(b, &csta.ConsultationCall{ExistingCall: held, ConsultedDevice: device("1003")}).InitiatedCall
	wait(b, "1001", func(e *csta.HeldEvent) bool { return e.HeldConnection == held && e.LocalConnectionInfo == pbx.Hold })
	wait(b, "1001", func(e *csta.OriginatedEvent) bool { return e.OriginatedConnection == active })
	carol.Wait("incoming 1001")
	carol.Answer()
	carol.Wait("established")
	wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.CallID == active.CallID })
	return held, active
}

// One leg of the phone is switched between two parties: the phone is told
// nothing, so that any phone will do.
func TestConsultAlternateReconnect(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	held, active := b.consulted(alice, bob, carol)
	b.until(c, "consulting", func(m map[string][]ami.Event) bool { return talking("1001", "1003")(m) && waiting(m, "1002", "held") })
	for _, now := range []struct{ talks, waits string }{{"1002", "1003"}, {"1003", "1002"}} {
		do(b, &csta.AlternateCall{HeldCall: held, ActiveCall: active})
		wait(b, "1001", func(e *csta.HeldEvent) bool { return e.HeldConnection == active })
		wait(b, "1001", func(e *csta.RetrievedEvent) bool { return e.RetrievedConnection == held })
		b.until(c, "alternated", func(m map[string][]ami.Event) bool {
			return talking("1001", now.talks)(m) && waiting(m, now.waits, "held")
		})
		held, active = active, held
	}
	refuses(b, &csta.RetrieveCall{CallToBeRetrieved: held}, csta.StateIncompatibility, "connectedCallExists")
	do(b, &csta.ReconnectCall{HeldCall: held, ActiveCall: active})
	carol.Wait("ended")
	b.until(c, "reconnected", func(m map[string][]ami.Event) bool { return talking("1001", "1002")(m) && m["1003"] == nil })
	wait(b, "1001", func(e *csta.RetrievedEvent) bool { return e.RetrievedConnection == held })
	bob.Hangup()
	alice.Wait("ended")
	b.idle()
}

// Who is consulted leaves, is busy, or the held party leaves: the others stay.
func TestConsultationEnds(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	held, active := b.consulted(alice, bob, carol)
	carol.Hangup()
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == active })
	b.until(c, "waiting", func(m map[string][]ami.Event) bool { return waiting(m, "1001", "holder") && waiting(m, "1002", "held") })

	// The phone is off hook: another call goes out of the same leg, and rings no phone but the called one.
	id := b.makeCall("1001", "602")
	if e := wait[*csta.FailedEvent](b, "1001"); e.FailedConnection.CallID != id.CallID || e.Cause != causeBusy {
		t.Errorf("%s", line(e))
	}
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == id })
	refuses(b, &csta.MakeCall{CallingDevice: device("1001"), CalledDirectoryNumber: device("1999")}, csta.Operation, "invalidCalledDeviceID")

	do(b, &csta.RetrieveCall{CallToBeRetrieved: held})
	b.until(c, "retrieved", talking("1001", "1002"))

	// again, and the held party leaves
	active = do(b, &csta.ConsultationCall{ExistingCall: held, ConsultedDevice: device("1003")}).InitiatedCall
	carol.Wait("incoming")
	carol.Answer()
	wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.CallID == active.CallID })
	bob.Hangup()
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == held })
	b.until(c, "still talking", func(m map[string][]ami.Event) bool { return talking("1001", "1003")(m) && m["1002"] == nil })
	carol.Hangup()
	alice.Wait("ended") // there is nobody to go back to
	b.idle()
}

// Both ends hold: neither hears the other until both have retrieved.
func TestHoldByBoth(t *testing.T) {
	b := start(t, nil)
	alice, bob := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	c := b.AMI(t)
	a, o := b.talk(alice, bob, "1001", "1002")
	do(b, &csta.HoldCall{CallToBeHeld: a})
	do(b, &csta.HoldCall{CallToBeHeld: o})
	wait(b, "1001", func(e *csta.HeldEvent) bool { return e.HeldConnection == o })
	do(b, &csta.RetrieveCall{CallToBeRetrieved: a})
	b.until(c, "held by the other", func(m map[string][]ami.Event) bool { return waiting(m, "1001", "held") && waiting(m, "1002", "holder") })
	do(b, &csta.RetrieveCall{CallToBeRetrieved: o})
	b.until(c, "retrieved", talking("1001", "1002"))
	alice.Hangup()
	bob.Wait("ended")
	b.idle()
}
