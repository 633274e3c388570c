package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// Both forms of a consultation transfer, with phones that know nothing of it.
func TestTransfer(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	for _, form := range []string{"ConsultationCall", "HoldCall and MakeCall"} {
		var held, active csta.ConnectionID
		if form == "ConsultationCall" {
			held, active = b.consulted(alice, bob, carol)
		} else {
			held, _ = b.talk(alice, bob, "1001", "1002")
			do(b, &csta.HoldCall{CallToBeHeld: held})
			active = b.makeCall("1001", "1003")
			carol.Wait("incoming 1001") // and Alice's phone rings not again
			carol.Answer()
			wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.CallID == active.CallID })
		}
		resp := do(b, &csta.TransferCall{HeldCall: held, ActiveCall: active})
		if resp.TransferredCall != csta.Connection(held.CallID, "1003") {
			t.Errorf("%s: %+v", form, resp)
		}
		alice.Wait("ended")
		b.until(c, "transferred", func(m map[string][]ami.Event) bool { return talking("1002", "1003")(m) && m["1001"] == nil })
		for _, l := range []string{"1001", "1002", "1003"} {
			e := wait[*csta.TransferedEvent](b, l)
			if e.PrimaryOldCall != held || e.SecondaryOldCall != active || e.TransferredToDevice.String() != "1003" {
				t.Errorf("%s: %s", form, line(e))
			}
		}
		// The parties may go on: the far ends know the call by its one ID, at the PBX, too.
		found, err := c.List(t.Context(), action("Status", "Variables", "RCC_CALL"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found {
			if v := e.Get("Variable"); e.Get("Type") == "PJSIP" && v != "RCC_CALL="+held.CallID {
				t.Errorf("%s: %s has %s", form, e.Get("Channel"), v)
			}
		}
		do(b, &csta.HoldCall{CallToBeHeld: csta.Connection(held.CallID, "1003")})
		wait[*csta.HeldEvent](b, "1002")
		do(b, &csta.RetrieveCall{CallToBeRetrieved: csta.Connection(held.CallID, "1003")})
		b.until(c, "retrieved", talking("1002", "1003"))
		bob.Hangup()
		carol.Wait("ended")
		b.idle()
	}
}

// A transfer by desk phones of which each call has a leg of its own.
func TestTransferTwoLegs(t *testing.T) {
	b := start(t, func(s *Settings) { s.TalkEvent, s.AutoAnswer = "*", "*" })
	alice, bob, carol := deskphone{b.Deskphone(t, "1001")}, b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	held, _ := b.talk(alice, bob, "1001", "1002")
	do(b, &csta.HoldCall{CallToBeHeld: held})
	alice.Wait("held")
	active := do(b, &csta.MakeCall{CallingDevice: device("1001"), CalledDirectoryNumber: device("1003"), AutoOriginate: "doNotPrompt"}).CallingDevice
	carol.Wait("incoming")
	carol.Answer()
	wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.CallID == active.CallID })
	if m := b.channels(c); len(m["1001"]) != 2 {
		t.Errorf("Alice's phone has %v", m["1001"])
	}
	// The phone itself alternates.
	do(b, &csta.AlternateCall{HeldCall: held, ActiveCall: active})
	alice.Wait("held")
	alice.Wait("resumed")
	wait(b, "1001", func(e *csta.RetrievedEvent) bool { return e.RetrievedConnection == held })
	do(b, &csta.TransferCall{HeldCall: active, ActiveCall: held})
	alice.Wait("ended")
	alice.Wait("ended")
	b.until(c, "transferred", func(m map[string][]ami.Event) bool { return talking("1002", "1003")(m) && m["1001"] == nil })
	wait[*csta.TransferedEvent](b, "1002")
	bob.Hangup()
	carol.Wait("ended")
	b.idle()
}

// Single-step transfer of an active, a held and an alerting call.
func TestSingleStepTransfer(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	for _, state := range []csta.LocalConnectionState{pbx.Connected, pbx.Hold} {
		id, _ := b.talk(alice, bob, "1001", "1002")
		if state == pbx.Hold {
			do(b, &csta.HoldCall{CallToBeHeld: id})
		}
		refuses(b, &csta.SingleStepTransferCall{ActiveCall: id, TransferredTo: device("1999")}, csta.Operation, "invalidDestination")
		do(b, &csta.SingleStepTransferCall{ActiveCall: id, TransferredTo: device("1003")})
		alice.Wait("ended")
		carol.Wait("incoming 1002")
		if e := wait[*csta.TransferedEvent](b, "1001"); e.LocalConnectionInfo != pbx.Null || e.TransferredToDevice.String() != "1003" {
			t.Errorf("%s: %s", state, line(e))
		}
		if e := wait[*csta.DeliveredEvent](b, "1003"); e.CallingDevice.String() != "1002" || e.Connection.CallID != id.CallID || e.Cause != causeSingleStep {
			t.Errorf("%s: %s", state, line(e))
		}
		carol.Answer()
		carol.Wait("established")
		wait[*csta.EstablishedEvent](b, "1002", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.DeviceID.ID == "1003" })
		b.until(c, "transferred", talking("1002", "1003"))
		carol.Hangup()
		bob.Wait("ended")
		b.idle()
	}
	for _, deflect := range []bool{true, false} {
		alice.Dial("1002")
		bob.Wait("incoming")
		id := wait[*csta.DeliveredEvent](b, "1002").Connection
		refuses(b, &csta.DeflectCall{CallToBeDiverted: id, NewDestination: device("1999")}, csta.Operation, "invalidDestination")
		if deflect {
			do(b, &csta.DeflectCall{CallToBeDiverted: id, NewDestination: device("1003")})
		} else {
			do(b, &csta.SingleStepTransferCall{ActiveCall: id, TransferredTo: device("1003")})
		}
		bob.Wait("ended")
		carol.Wait("incoming 1001")
		if e := wait[*csta.DivertedEvent](b, "1002"); e.NewDestination.String() != "1003" {
			t.Errorf("%s", line(e))
		}
		e := wait[*csta.DeliveredEvent](b, "1003")
		if e.CallingDevice.String() != "1001" || e.CalledDevice.String() != "1002" || e.LastRedirectionDevice.NumberDialed.ID != "1002" {
			t.Errorf("%s", line(e))
		}
		carol.Answer()
		alice.Wait("established")
		refuses(b, &csta.DeflectCall{CallToBeDiverted: e.Connection, NewDestination: device("1002")}, csta.StateIncompatibility, "noCallToAnswer")
		alice.Hangup()
		carol.Wait("ended")
		b.idle()
	}
}

// Transfers that are done at the phone are told: blind, and attended.
func TestTransferAtPhone(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := deskphone{b.Deskphone(t, "1001")}, b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	id, _ := b.talk(alice, bob, "1001", "1002")
	b.until(c, "bridged", talking("1001", "1002"))
	alice.Transfer("1003")
	carol.Wait("incoming 1002")
	if e := wait[*csta.TransferedEvent](b, "1001"); e.PrimaryOldCall != id || e.Cause != causeSingleStep {
		t.Errorf("%s", line(e))
	}
	if e := wait[*csta.DeliveredEvent](b, "1003"); e.Connection.CallID != id.CallID {
		t.Errorf("%s", line(e))
	}
	carol.Answer()
	b.until(c, "transferred", talking("1002", "1003"))
	carol.Hangup()
	bob.Wait("ended")
	alice.Wait("ended")
	b.idle()

	held, _ := b.talk(alice, bob, "1001", "1002")
	alice.Dial("1003")
	alice.Wait("held")
	active, _ := csta.ConnectionID{}, 0
	carol.Wait("incoming")
	active = csta.Connection(wait[*csta.DeliveredEvent](b, "1003").Connection.CallID, "1001")
	carol.Answer()
	alice.Wait("established")
	b.until(c, "bridged", func(m map[string][]ami.Event) bool { return len(m["1003"]) == 1 && m["1003"][0].Get("BridgeId") != "" })
	alice.Join()
	for _, l := range []string{"1001", "1002", "1003"} {
		if e := wait[*csta.TransferedEvent](b, l); e.PrimaryOldCall != held || e.SecondaryOldCall != active || e.TransferredToDevice.String() != "1003" {
			t.Errorf("%s", line(e))
		}
	}
	b.until(c, "transferred", func(m map[string][]ami.Event) bool { return talking("1002", "1003")(m) && m["1001"] == nil })
	do(b, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(held.CallID, "1003")})
	bob.Wait("ended")
	b.idle()
}
