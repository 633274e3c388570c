package asterisk

import (
	"context"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
)

// The phone is prompted, answers, and calls.
func TestMakeCallPrompt(t *testing.T) {
	b := start(t, func(s *Settings) { s.AutoAnswer = "*" })
	alice, bob := b.Baresip(t, "1001", ";sip_autoanswer=yes"), b.Baresip(t, "1002")
	id := b.makeCall("1001", "1002")
	alice.Wait("incoming 1002") // the phone shows whom it is about to call, and is not asked to answer by itself
	wait[*csta.ServiceInitiatedEvent](b, "1001")
	alice.Answer()
	if e := wait[*csta.OriginatedEvent](b, "1001"); e.OriginatedConnection != id || e.CalledDevice.String() != "1002" {
		t.Errorf("%+v", e)
	}
	bob.Wait("incoming 1001")
	d := wait[*csta.DeliveredEvent](b, "1002")
	if d.CallingDevice.String() != "1001" || d.CalledDevice.String() != "1002" || d.Connection.CallID != id.CallID {
		t.Errorf("%+v", d)
	}
	bob.Answer()
	wait[*csta.EstablishedEvent](b, "1001")
	wait[*csta.EstablishedEvent](b, "1002")
	do(b, &csta.ClearConnection{ConnectionToBeCleared: id})
	alice.Wait("ended")
	bob.Wait("ended")
	wait[*csta.ConnectionClearedEvent](b, "1001")
	wait[*csta.ConnectionClearedEvent](b, "1002")
	b.idle()
}

// With doNotPrompt a phone that obeys the header answers by itself; the same
// command again calls nobody again.
func TestMakeCallDoNotPrompt(t *testing.T) {
	b := start(t, func(s *Settings) { s.AutoAnswer = "1001" })
	alice, bob := b.Baresip(t, "1001", ";sip_autoanswer=yes"), b.Baresip(t, "1002")
	ctx := csta.WithCommandKey(t.Context(), "one command")
	var ids [3]csta.ConnectionID
	for i := range ids {
		resp, err := csta.Call(ctx, &b.mux, &csta.MakeCall{CallingDevice: device("1001"), CalledDirectoryNumber: device("1002"), AutoOriginate: "doNotPrompt"})
		if err != nil {
			t.Fatal(err)
		}
		if ids[i] = resp.CallingDevice; ids[i] != ids[0] {
			t.Errorf("the same command made calls %v", ids)
		}
	}
	alice.Wait("established")
	bob.Wait("incoming 1001")
	if m := b.channels(b.AMI(t)); len(m["1001"]) != 1 || len(m["1002"]) != 1 {
		t.Errorf("the PBX has %v", m)
	}
	bob.Answer()
	bob.Wait("established")
	bob.Hangup()
	alice.Wait("ended")
	b.idle()

	// 1002 is not said to obey: its phone is prompted.
	do(b, &csta.MakeCall{CallingDevice: device("1002"), CalledDirectoryNumber: device("1001"), AutoOriginate: "doNotPrompt"})
	bob.Wait("incoming 1001")
	bob.Hangup()
	if e := wait[*csta.FailedEvent](b, "1002"); e.Cause != causeBusy {
		t.Errorf("a prompt that was rejected failed with %s", e.Cause)
	}
	b.idle()
}

func TestMakeCallRefused(t *testing.T) {
	b := start(t, func(s *Settings) { s.RingTime = "1s" })
	b.Baresip(t, "1001")
	call := func(from, to string) *csta.MakeCall {
		return &csta.MakeCall{CallingDevice: device(from), CalledDirectoryNumber: device(to)}
	}
	refuses(b, call("1001", "1999"), csta.Operation, "invalidCalledDeviceID")
	for _, bad := range []string{"", "10 02", "1002&1003", "1002,60", "${EXTEN}", "1002\r\nAction: Ping", "(613) 555-0100", "Local/1002@phones"} {
		refuses(b, call("1001", bad), csta.Operation, "invalidCalledDeviceID")
		refuses(b, call(bad, "1001"), csta.Operation, "invalidDeviceID")
	}
	refuses(b, call("1999", "1001"), csta.Operation, "invalidDeviceID")
	refuses(b, call("trunk", "1001"), csta.Operation, "invalidDeviceID")
	// 1002 has no phone
	refuses(b, call("1002", "1001"), csta.SystemResourceAvailability, "callingDeviceOutOfService")
	// the phone is not answered
	id := do(b, call("1001", "1002")).CallingDevice
	if e := wait[*csta.FailedEvent](b, "1001"); e.FailedConnection != id || e.Cause != causeNotAnswered {
		t.Errorf("%s", line(e))
	}
	wait[*csta.ConnectionClearedEvent](b, "1001")
	b.idle()
}

// How a call fails is told, and the caller's phone hears it.
func TestFailures(t *testing.T) {
	b := start(t, nil)
	alice := deskphone{b.Deskphone(t, "1001")}
	bob := b.Deskphone(t, "1002")

	alice.Dial("1002")
	bob.Wait("incoming")
	bob.Hangup() // 486
	if e := wait[*csta.ConnectionClearedEvent](b, "1002"); e.Cause != causeBusy {
		t.Errorf("%s", line(e))
	}
	if e := wait[*csta.FailedEvent](b, "1001"); e.Cause != causeBusy {
		t.Errorf("%s", line(e))
	}
	alice.Wait("ended 486")
	b.idle()

	alice.Dial("1003") // has no phone
	if e := wait[*csta.FailedEvent](b, "1001"); e.Cause != causeUnobtainable {
		t.Errorf("%s", line(e))
	}
	alice.Wait("ended")

	alice.Dial("602") // busy in the dialplan
	if e := wait[*csta.FailedEvent](b, "1001"); e.Cause != causeBusy {
		t.Errorf("%s", line(e))
	}
	alice.Wait("ended 486")

	// nobody answers
	if _, err := b.AMI(t).Do(t.Context(), action("Setvar", "Variable", "RCC_RING", "Value", "1")); err != nil {
		t.Fatal(err)
	}
	alice.Dial("1002")
	bob.Wait("ended")
	if e := wait[*csta.ConnectionClearedEvent](b, "1002"); e.Cause != causeNotAnswered {
		t.Errorf("%s", line(e))
	}
	b.idle()
}

// A call that an application of the dialplan answers is established with it.
func TestApplication(t *testing.T) {
	b := start(t, func(s *Settings) { s.AutoAnswer = "1001" })
	alice := deskphone{b.Deskphone(t, "1001")}
	alice.Dial("600")
	if e := wait[*csta.EstablishedEvent](b, "1001"); e.AnsweringDevice.String() != "600" {
		t.Errorf("%s", line(e))
	}
	alice.Hangup()
	b.idle()
	do(b, &csta.MakeCall{CallingDevice: device("1001"), CalledDirectoryNumber: device("600"), AutoOriginate: "doNotPrompt"})
	if e := wait[*csta.EstablishedEvent](b, "1001"); e.AnsweringDevice.String() != "600" {
		t.Errorf("%s", line(e))
	}
	alice.Hangup()
	b.idle()
}

// NOTIFY talk is sent to phones that are said to honour it, and to no other.
func TestAnswerCall(t *testing.T) {
	b := start(t, func(s *Settings) { s.TalkEvent = "1002" })
	alice, bob, carol := b.Baresip(t, "1001"), b.Deskphone(t, "1002"), b.Baresip(t, "1003")
	if b.mux.Offers(&csta.AnswerCall{}, "1003") || !b.mux.Offers(&csta.AnswerCall{}, "1002") {
		t.Error("AnswerCall is offered for the wrong lines")
	}
	alice.Dial("1002")
	bob.Wait("incoming")
	id := wait[*csta.DeliveredEvent](b, "1002").Connection
	do(b, &csta.AnswerCall{CallToBeAnswered: id})
	bob.Wait("established")
	alice.Wait("established")
	wait[*csta.EstablishedEvent](b, "1002")
	refuses(b, &csta.AnswerCall{CallToBeAnswered: id}, csta.StateIncompatibility, "noCallToAnswer")
	alice.Hangup()
	bob.Wait("ended")

	alice.Dial("1003")
	carol.Wait("incoming")
	id = wait[*csta.DeliveredEvent](b, "1003").Connection
	refuses(b, &csta.AnswerCall{CallToBeAnswered: id}, csta.Operation, "serviceNotSupported")
	carol.Answer() // it still rings
	carol.Wait("established")
	wait[*csta.EstablishedEvent](b, "1003")
	// Either side may clear.
	do(b, &csta.ClearConnection{ConnectionToBeCleared: id})
	carol.Wait("ended")
	alice.Wait("ended")
	b.idle()
}

// A client rejects, and gives up.
func TestClearRinging(t *testing.T) {
	b := start(t, nil)
	alice, bob := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	for _, who := range []string{"1001", "1002"} {
		alice.Dial("1002")
		bob.Wait("incoming")
		id := wait[*csta.DeliveredEvent](b, "1002").Connection
		do(b, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(id.CallID, who)})
		bob.Wait("ended")
		alice.Wait("ended")
		wait[*csta.ConnectionClearedEvent](b, "1001")
		wait[*csta.ConnectionClearedEvent](b, "1002")
		b.idle()
	}
}

// Without a link nothing is done, and everything says so.
func TestNoLink(t *testing.T) {
	t.Parallel()
	d, err := New(Settings{Address: "127.0.0.1:1", User: "u", Secret: "s", Context: "phones", HoldContext: "h", ConsultContext: "c", ConferenceContext: "r", PickupContext: "p", MailContext: "m",
		Technology: "PJSIP", Endpoint: "{line}", Endpoints: "*", TalkEvent: "*", AutoAnswerHeader: "Call-Info: x", RingTime: "30s", Features: "freepbx",
		PollInterval: "0"}, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	var m csta.Mux
	d.Services(&m)
	id := csta.Connection("1", "1001")
	for _, req := range []csta.Message{
		&csta.MakeCall{CallingDevice: device("1001"), CalledDirectoryNumber: device("1002")}, &csta.AnswerCall{CallToBeAnswered: id},
		&csta.ClearConnection{ConnectionToBeCleared: id}, &csta.HoldCall{CallToBeHeld: id}, &csta.RetrieveCall{CallToBeRetrieved: id},
		&csta.ConsultationCall{ExistingCall: id, ConsultedDevice: device("1002")}, &csta.AlternateCall{HeldCall: id, ActiveCall: id},
		&csta.ReconnectCall{HeldCall: id, ActiveCall: id}, &csta.TransferCall{HeldCall: id, ActiveCall: id},
		&csta.ConferenceCall{HeldCall: id, ActiveCall: id}, &csta.ClearCall{CallToBeCleared: id},
		&csta.SingleStepConferenceCall{ActiveCall: id, DeviceToJoin: device("1002"), ParticipationType: "active"},
		&csta.SingleStepTransferCall{ActiveCall: id, TransferredTo: device("1002")}, &csta.DeflectCall{CallToBeDiverted: id, NewDestination: device("1002")},
		&csta.GetForwarding{Device: device("1001")}, &csta.SetForwarding{Device: device("1001")}, &csta.GetDoNotDisturb{Device: device("1001")},
		&csta.GenerateDigits{ConnectionToSendDigits: id, CharactersToSend: "1"}, &csta.ParkCall{Parking: id, ParkTo: device("701")},
		&csta.DirectedPickupCall{CallToBePickedUp: id, RequestingDevice: device("1002")}, &csta.GroupPickupCall{NewDestination: device("1001")},
		&csta.GetMessageWaitingIndicator{Device: device("1001")}, &csta.SetMessageWaitingIndicator{Device: device("1001")},
		&csta.SetDoNotDisturb{Device: device("1001")}, &csta.SnapshotDevice{SnapshotObject: device("1001")},
		&csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: device("1001")}},
	} {
		_, err := m.ServeCSTA(t.Context(), req)
		if e := csta.AsError(orNil(err)); e.Class != csta.SystemResourceAvailability || e.Value != "resourceOutOfService" {
			t.Errorf("%s: %v", csta.Name(req), err)
		}
	}
	if err := d.Run(t.Context(), func(string, csta.Message) { t.Error("an event without a link") }); err == nil {
		t.Error("Run without a PBX returned no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = pbx.Keep(ctx, d, func(string, csta.Message) {}, pbx.Backoff{}, testLog(t))
}
