package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A rig is a PBX whose driver is linked, and what was emitted.
type rig struct {
	*Sim
	t    *testing.T
	mux  csta.Mux
	seen []string
}

func newRig(t *testing.T, c Config) *rig {
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Sim: s, t: t}
	s.Services(&r.mux)
	s.mu.Lock()
	s.link(r.take)
	s.mu.Unlock()
	r.skip()
	return r
}

// take writes events as "device Event cause"; it is called with the PBX locked.
func (r *rig) take(device string, msg csta.Message) {
	cause := ""
	switch e := msg.(type) {
	case *csta.DeliveredEvent:
		cause = string(e.Cause)
	case *csta.FailedEvent:
		cause = string(e.Cause)
	case *csta.DivertedEvent:
		cause = string(e.Cause)
	case *csta.ConnectionClearedEvent:
		if e.DroppedConnection.DeviceID.ID != device {
			return
		}
		cause = string(e.Cause)
	case *csta.ForwardingEvent:
		cause = fmt.Sprintf("%s %v %s", e.ForwardingType, e.ForwardStatus, e.ForwardTo)
	case *csta.HookswitchEvent:
		return // TestHookswitch has them
	case *csta.DoNotDisturbEvent:
		cause = fmt.Sprint(e.DoNotDisturbOn)
	}
	r.seen = append(r.seen, strings.TrimSpace(device+" "+strings.TrimSuffix(csta.Name(msg), "Event")+" "+cause))
}

func (r *rig) do(req csta.Message) csta.Message {
	r.t.Helper()
	resp, err := r.mux.ServeCSTA(r.t.Context(), req)
	if err != nil {
		r.t.Fatalf("%s: %v", csta.Name(req), err)
	}
	return resp
}

func (r *rig) call(from, to string) string {
	r.t.Helper()
	return r.do(&csta.MakeCall{CallingDevice: csta.Device(from), CalledDirectoryNumber: csta.Device(to), AutoOriginate: "doNotPrompt"}).(*csta.MakeCallResponse).CallingDevice.CallID
}

func (r *rig) refuses(req csta.Message, want string) {
	r.t.Helper()
	_, err := r.mux.ServeCSTA(r.t.Context(), req)
	if e := csta.AsError(errors.Join(err)); err == nil || string(e.Class)+"/"+e.Value != want {
		r.t.Errorf("%s was refused with %v, not %s", csta.Name(req), err, want)
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// events checks what was emitted since it was asked last.
func (r *rig) events(want ...string) {
	r.t.Helper()
	r.mu.Lock()
	got := r.seen
	r.seen = nil
	r.mu.Unlock()
	if !slices.Equal(got, want) {
		r.t.Errorf("events\n got %q\nwant %q", got, want)
	}
}

// skip takes no notice of what was emitted.
func (r *rig) skip() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = nil
}

// empty checks that nothing is kept of any call.
func (r *rig) empty() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if calls := r.calls.List(); len(calls) > 0 || len(r.progress) > 0 || len(r.outside) > 0 || len(r.trunk) > 0 || len(r.waiting) > 0 ||
		slices.ContainsFunc(r.queues, func(q *queue) bool { return len(q.calls) > 0 }) {
		r.t.Errorf("left: calls %v, progress %v, subscribers %v, trunk %v, waiting %v", calls, r.progress, r.outside, r.trunk, r.waiting)
	}
}

func TestConfig(t *testing.T) {
	_, err := New(Config{Devices: []Device{{Number: "1001"}, {Number: "1001"}, {Number: "x"}, {Number: ""}, {Number: "602"}, {Number: "1002", RingTime: -1}},
		Access: "a", RingTime: -time.Second, ToneTime: -time.Second})
	if err == nil {
		t.Fatal("a configuration full of mistakes was taken")
	}
	for _, want := range []string{`"1001" is given twice`, `device: number "x"`, `number "" has no digits`, `"602" is given twice`, `"1002": ring time`,
		`access digits: number "a"`, "ring time -1s", "tone time -1s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s:\n%v", want, err)
		}
	}
	_, err = New(Config{Devices: []Device{{Number: "1001", ParkTime: -1, PickupGroup: "x"}}, Orbits: []string{"#1", "#1", "1001", "?"}, ParkTime: -1,
		Queues: []Queue{{Number: "#1"}, {Number: "600", Members: []string{"1002"}}}, QueueTime: -1})
	if err == nil {
		t.Fatal("a configuration full of mistakes was taken")
	}
	for _, want := range []string{`"#1" is given twice`, `"1001" is given twice`, `orbit: number "?"`, `"1001": park time`, `pick-up group: number "x"`, "park time -1ns",
		"queue time -1ns", `queue "#1" has no members`, `queue "600": member "1002" is no phone`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s:\n%v", want, err)
		}
	}
	s, err := New(Config{})
	if err != nil || len(s.phones) != 10 || s.phones["1001"].Name == "" {
		t.Errorf("the default has %d phones, error %v", len(s.phones), err)
	}
}

func TestCallIDsDifferBetweenLives(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			id := s.newCall()
			if seen[id] {
				t.Fatalf("%s twice", id)
			}
			seen[id] = true
		}
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t, Config{})
	talk := r.call("1001", "1002")
	r.must(r.Phone("1002").Answer())
	ring := r.call("1003", "1004")
	r.skip()
	conn := csta.Connection
	number := csta.Device
	for _, test := range []struct {
		req  csta.Message
		want string
	}{
		{&csta.MakeCall{CallingDevice: number("1099"), CalledDirectoryNumber: number("1002")}, "operation/invalidDeviceID"},
		{&csta.MakeCall{CallingDevice: number("1005"), CalledDirectoryNumber: number("")}, "operation/invalidCalledDeviceID"},
		{&csta.MakeCall{CallingDevice: number("1005"), CalledDirectoryNumber: number(strings.Repeat("1", 33))}, "operation/invalidCalledDeviceID"},
		{&csta.MakeCall{CallingDevice: number("1001"), CalledDirectoryNumber: number("1005")}, "stateIncompatibility/invalidCallingDeviceState"},
		{&csta.MakeCall{CallingDevice: number("1004"), CalledDirectoryNumber: number("1005")}, "stateIncompatibility/invalidCallingDeviceState"},
		{&csta.AnswerCall{CallToBeAnswered: conn(talk, "1001")}, "stateIncompatibility/noCallToAnswer"},
		{&csta.AnswerCall{CallToBeAnswered: conn(talk, "1003")}, "operation/invalidConnectionID"},
		{&csta.HoldCall{CallToBeHeld: conn(ring, "1004")}, "stateIncompatibility/invalidConnectionState"},
		{&csta.HoldCall{CallToBeHeld: conn(ring, "1003")}, "stateIncompatibility/invalidConnectionState"},
		{&csta.RetrieveCall{CallToBeRetrieved: conn(talk, "1001")}, "stateIncompatibility/noHeldCall"},
		{&csta.ConsultationCall{ExistingCall: conn(ring, "1003"), ConsultedDevice: number("1005")}, "stateIncompatibility/invalidConnectionState"},
		{&csta.ConsultationCall{ExistingCall: conn(talk, "1001"), ConsultedDevice: number("")}, "operation/invalidCalledDeviceID"},
		{&csta.AlternateCall{HeldCall: conn(talk, "1001"), ActiveCall: conn(talk, "1001")}, "stateIncompatibility/invalidHeldConnectionState"},
		{&csta.TransferCall{HeldCall: conn("x", "1001"), ActiveCall: conn(talk, "1001")}, "operation/invalidConnectionID"},
		{&csta.SingleStepTransferCall{ActiveCall: conn(ring, "1003"), TransferredTo: number("1005")}, "stateIncompatibility/invalidConnectionState"},
		{&csta.SingleStepTransferCall{ActiveCall: conn(talk, "1001"), TransferredTo: number("1001")}, "operation/invalidDestination"},
		{&csta.SingleStepTransferCall{ActiveCall: conn(talk, "1001"), TransferredTo: number("1002")}, "operation/invalidDestination"},
		{&csta.SingleStepTransferCall{ActiveCall: conn(talk, "1001"), TransferredTo: number("1099")}, "operation/invalidDestination"},
		{&csta.SingleStepTransferCall{ActiveCall: conn(talk, "1001"), TransferredTo: number("1003")}, "stateIncompatibility/invalidDestinationDeviceState"},
		{&csta.DeflectCall{CallToBeDiverted: conn(talk, "1001"), NewDestination: number("1005")}, "stateIncompatibility/invalidConnectionState"},
		{&csta.DeflectCall{CallToBeDiverted: conn(ring, "1004"), NewDestination: number("602")}, "stateIncompatibility/invalidDestinationDeviceState"},
		{&csta.DeflectCall{CallToBeDiverted: conn(ring, "1004"), NewDestination: number("")}, "operation/invalidDestination"},
		{&csta.SnapshotDevice{SnapshotObject: number("1099")}, "operation/invalidDeviceID"},
		{&csta.GetForwarding{Device: number("1099")}, "operation/invalidDeviceID"},
		{&csta.SetForwarding{Device: number("1001"), ForwardingType: "forwardDND", ActivateForward: true, ForwardDN: number("1002")}, "operation/invalidForwardingType"},
		{&csta.SetForwarding{Device: number("1001"), ForwardingType: "forwardBusy", ActivateForward: true}, "operation/invalidForwardingDestination"},
		{&csta.SetForwarding{Device: number("1001"), ForwardingType: "forwardBusy", ActivateForward: true, ForwardDN: number("1001")}, "operation/invalidForwardingDestination"},
		{&csta.SetForwarding{Device: number("1001"), ForwardingType: "forwardNoAns", ActivateForward: true, ForwardDN: number("1002"), RingCount: new(int64)}, "operation/invalidRingCount"},
		{&csta.SetDoNotDisturb{Device: number("1001"), DoNotDisturbOn: true, CallOrigination: &csta.CallOrigination{}}, "operation/parameterNotSupported"},
	} {
		r.refuses(test.req, test.want)
	}
	r.events()
	// With one call on hold, the active one must be held before it is retrieved.
	r.do(&csta.HoldCall{CallToBeHeld: conn(talk, "1001")})
	second := r.call("1001", "1005")
	r.must(r.Phone("1005").Answer())
	r.refuses(&csta.RetrieveCall{CallToBeRetrieved: conn(talk, "1001")}, "stateIncompatibility/connectedCallExists")
	r.refuses(&csta.AlternateCall{HeldCall: conn(talk, "1001"), ActiveCall: conn(second, "1005")}, "operation/notSameDevice")
}

func TestNoLink(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	var m csta.Mux
	s.Services(&m)
	_, err = m.ServeCSTA(t.Context(), &csta.SnapshotDevice{SnapshotObject: csta.Device("1001")})
	if e := csta.AsError(errors.Join(err)); e.Class != csta.SystemResourceAvailability || e.Value != "resourceOutOfService" {
		t.Errorf("without a link: %v", err)
	}
}

func TestContextEnded(t *testing.T) {
	r := newRig(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.mux.ServeCSTA(ctx, &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002")}); err == nil {
		t.Error("a command was executed after its context had ended")
	}
	r.events()
	r.empty()
}

func TestOneLink(t *testing.T) {
	r := newRig(t, Config{})
	if err := r.Run(t.Context(), mute); err == nil || errors.Is(err, ErrCut) {
		t.Errorf("a second link: %v", err)
	}
}

// What happens when nobody does anything.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		start := time.Now()
		passes := func(d time.Duration) {
			t.Helper()
			synctest.Wait()
			time.Sleep(time.Until(start.Add(d)) + time.Millisecond)
			synctest.Wait()
			start = time.Now()
		}
		r.call("1001", "1002")
		r.events("1001 Originated", "1001 Delivered newCall", "1002 Delivered newCall")
		passes(30 * time.Second)
		r.events("1002 ConnectionCleared callNotAnswered", "1001 Failed callNotAnswered")
		passes(15 * time.Second)
		r.events("1001 ConnectionCleared normalClearing")
		r.empty()

		r.do(&csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002")})
		r.events("1001 ServiceInitiated")
		passes(30 * time.Second)
		r.events("1001 ConnectionCleared callNotAnswered")
		r.empty()

		r.must(r.Phone("1001").Dial("602"))
		r.events("1001 ServiceInitiated", "1001 DigitsDialed", "1001 Originated", "1001 Failed busy")
		passes(15 * time.Second)
		r.events("1001 ConnectionCleared normalClearing")
		r.empty()

		rings := int64(2)
		r.do(&csta.SetForwarding{Device: csta.Device("1002"), ForwardingType: forwardNoAns, ActivateForward: true, ForwardDN: csta.Device("1003"), RingCount: &rings})
		r.must(r.Phone("1003").SetForwarding(forwardNoAns, true, "1002"))
		r.call("1001", "1002")
		r.skip()
		passes(10 * time.Second)
		r.events("1001 Diverted callForwardNoAnswer", "1002 Diverted callForwardNoAnswer", "1001 Delivered callForwardNoAnswer", "1003 Delivered callForwardNoAnswer")
		passes(30 * time.Second) // and not back to 1002
		r.events("1003 ConnectionCleared callNotAnswered", "1001 Failed callNotAnswered")
		passes(15 * time.Second)
		r.events("1001 ConnectionCleared normalClearing")
		r.empty()

		_, err := r.Outside("6135550100").Call("1004")
		r.must(err)
		passes(30 * time.Second)
		r.events("1004 Delivered newCall", "1004 ConnectionCleared callNotAnswered")
		r.empty()

		r.call("1001", "96135550100")
		r.events("1001 Originated", "1001 NetworkReached", "1001 Delivered newCall")
		passes(30 * time.Second)
		r.events("1001 Failed callNotAnswered")
		r.must(r.Phone("1001").HangUp())
		r.events("1001 ConnectionCleared normalClearing")
		r.empty()

		// A call that is transferred while it rings goes on ringing, and ends by itself.
		first := r.call("1001", "1005")
		r.must(r.Phone("1005").Answer())
		second := r.do(&csta.ConsultationCall{ExistingCall: csta.Connection(first, "1001"), ConsultedDevice: csta.Device("1006")}).(*csta.ConsultationCallResponse).InitiatedCall
		r.do(&csta.TransferCall{HeldCall: csta.Connection(first, "1001"), ActiveCall: second})
		r.skip()
		passes(30 * time.Second)
		r.events("1006 ConnectionCleared callNotAnswered", "1005 Failed callNotAnswered")
		passes(15 * time.Second)
		r.events("1005 ConnectionCleared normalClearing")
		r.empty()
	})
}

// A conference takes eight, however they come.
func TestConferenceLimit(t *testing.T) {
	r := newRig(t, Config{})
	call := r.call("1001", "1002")
	r.must(r.Phone("1002").Answer())
	for i := 3; i <= maxParties; i++ {
		number := fmt.Sprint(1000 + i)
		r.do(&csta.SingleStepConferenceCall{ActiveCall: csta.Connection(call, "1001"), DeviceToJoin: csta.Device(number), ParticipationType: "active"})
		r.must(r.Phone(number).Answer())
	}
	const full = "systemResourceAvailibility/conferenceMemberLimitExceeded"
	r.refuses(&csta.SingleStepConferenceCall{ActiveCall: csta.Connection(call, "1001"), DeviceToJoin: csta.Device("1009"), ParticipationType: "active"}, full)
	second := r.do(&csta.ConsultationCall{ExistingCall: csta.Connection(call, "1001"), ConsultedDevice: csta.Device("1009")}).(*csta.ConsultationCallResponse).InitiatedCall
	r.must(r.Phone("1009").Answer())
	r.refuses(&csta.ConferenceCall{HeldCall: csta.Connection(call, "1001"), ActiveCall: second}, full)
	r.must(r.Phone("1008").HangUp())
	r.do(&csta.ConferenceCall{HeldCall: csta.Connection(call, "1001"), ActiveCall: second})
	r.do(&csta.ClearCall{CallToBeCleared: second})
	r.empty()
}

func TestAssociateDataLimits(t *testing.T) {
	r := newRig(t, Config{})
	id := csta.Connection(r.call("1001", "1002"), "1001")
	r.refuses(&csta.AssociateData{ExistingCall: id, AccountCode: make(csta.HexBinary, maxAccount+1)}, "operation/invalidAccountCode")
	r.refuses(&csta.AssociateData{ExistingCall: id, CorrelatorData: &csta.PrivateData{Text: strings.Repeat("x", maxCorrelator+1)}}, "operation/correlatorDataOutOfRange")
	r.refuses(&csta.AssociateData{ExistingCall: id, AuthCode: csta.HexBinary{1}}, "operation/authorisationCodeNotSupported")
	r.refuses(&csta.AssociateData{ExistingCall: id, SubjectOfCall: "x"}, "operation/parameterNotSupported")
}

// What comes back by itself.
func TestRecalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Devices: []Device{{Number: "1001"}, {Number: "1002"}, {Number: "1003", Offers: true}}})
		passes := func(d time.Duration) {
			t.Helper()
			synctest.Wait()
			time.Sleep(d + time.Millisecond)
			synctest.Wait()
		}
		// Who is busy is not recalled, but later.
		r.call("1001", "1002")
		r.must(r.Phone("1002").Answer())
		r.must(r.Phone("1001").Park("#905"))
		r.must(r.Phone("1001").Lift())
		r.skip()
		passes(29 * time.Second)
		r.events()
		r.must(r.Phone("1001").HangUp())
		r.must(r.Phone("1001").SetDoNotDisturb(true))
		r.skip()
		passes(32 * time.Second)
		r.events()
		r.must(r.Phone("1001").SetDoNotDisturb(false))
		r.skip()
		passes(59 * time.Second)
		r.events("1002 Diverted recall", "1001 Diverted recall", "1002 Delivered recall", "1001 Delivered recall")
		passes(30 * time.Second)
		r.events("1001 ConnectionCleared callNotAnswered", "1002 Failed callNotAnswered")
		passes(15 * time.Second)
		r.events("1002 ConnectionCleared normalClearing")
		r.empty()

		// A call that nobody accepts rings nevertheless.
		r.call("1001", "1003")
		r.events("1001 Originated", "1001 Offered", "1003 Offered")
		passes(5 * time.Second)
		r.events("1001 Delivered newCall", "1003 Delivered newCall")
		passes(30 * time.Second)
		r.events("1003 ConnectionCleared callNotAnswered", "1001 Failed callNotAnswered")

		// Who does not lift when called back is not called again.
		r.must(r.Phone("1001").HangUp())
		r.do(&csta.CallBack{CallbackConnection: csta.Connection(r.call("1002", "1001"), "1002")})
		r.skip()
		r.call("1001", "1003")
		r.must(r.Phone("1001").HangUp())
		r.events("1001 Originated", "1001 Offered", "1003 Offered", "1001 ConnectionCleared normalClearing", "1003 ConnectionCleared callCancelled", "1002 ServiceInitiated")
		passes(30 * time.Second)
		r.events("1002 ConnectionCleared callNotAnswered")
		r.empty()
	})
}

// Calls of a queue go to its members in turn, and back to it.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Devices: []Device{{Number: "1001"}, {Number: "1002"}, {Number: "1003"}, {Number: "1004"}},
			Queues: []Queue{{Number: "600", Members: []string{"1003", "1004"}}}, QueueTime: 100 * time.Second})
		passes := func(d time.Duration) {
			t.Helper()
			synctest.Wait()
			time.Sleep(d + time.Millisecond)
			synctest.Wait()
		}
		r.call("1001", "600")
		r.events("1001 Originated", "1001 Queued", "1001 Diverted distributed", "1001 Delivered distributed", "1003 Delivered distributed")
		passes(30 * time.Second)
		r.events("1001 Diverted callNotAnswered", "1003 Diverted callNotAnswered", "1001 Queued",
			"1001 Diverted distributed", "1001 Delivered distributed", "1004 Delivered distributed")
		r.must(r.Phone("1003").Lift())
		r.must(r.Phone("1004").HangUp()) // who rejects the call ends it
		r.skip()
		passes(45 * time.Second)
		r.empty()

		// Nobody is there: the caller is told when time is up.
		r.must(r.Phone("1003").SetDoNotDisturb(true))
		r.must(r.Phone("1004").SetDoNotDisturb(true))
		r.skip()
		r.call("1001", "600")
		r.events("1001 Originated", "1001 Queued")
		passes(100 * time.Second)
		r.events("1001 Failed queueTimeOverflow")
		passes(15 * time.Second)
		r.events("1001 ConnectionCleared normalClearing")
		r.empty()

		// Who waits longest is first, outside or not.
		_, err := r.Outside("6135550100").Call("600")
		r.must(err)
		r.call("1002", "600")
		r.skip()
		r.must(r.Phone("1004").SetDoNotDisturb(false))
		r.events("1004 DoNotDisturb false", "1004 Delivered distributed")
		r.must(r.Phone("1004").Answer())
		r.must(r.Outside("6135550100").HangUp())
		r.events("1004 Established", "1004 ConnectionCleared normalClearing",
			"1002 Diverted distributed", "1002 Delivered distributed", "1004 Delivered distributed")
		r.must(r.Phone("1002").HangUp())
		r.empty()
	})
}

func TestForwarding(t *testing.T) {
	r := newRig(t, Config{})
	// A chain, of which one link is dialled with access digits.
	r.must(r.Phone("1002").SetForwarding(forwardImmediate, true, "1003"))
	r.must(r.Phone("1003").SetForwarding(forwardImmediate, true, "96135550100"))
	r.events("1002 Forwarding forwardImmediate true 1003", "1003 Forwarding forwardImmediate true 96135550100")
	r.call("1001", "1002")
	r.events("1001 Originated", "1001 NetworkReached", "1001 Delivered callForwardImmediate")
	r.must(r.Outside("6135550100").HangUp())
	r.events("1001 ConnectionCleared normalClearing")
	// The same setting again changes nothing.
	r.must(r.Phone("1003").SetForwarding(forwardImmediate, true, ""))
	r.events()
	// Who is forwarded to hears no echo of itself.
	if _, err := r.Outside("6135550100").Call("1003"); err != nil {
		t.Error(err)
	}
	r.events()
	r.empty()
	// Chains end.
	for i := 2; i < 10; i++ {
		r.must(r.Phone(fmt.Sprint(1000+i)).SetForwarding(forwardImmediate, true, fmt.Sprint(1001+i)))
	}
	r.skip()
	r.call("1001", "1002")
	r.events("1001 Originated", "1001 Failed destNotObtainable")
	r.must(r.Phone("1001").HangUp())
	r.empty()
	// A circle that settings cannot know of: one is forwarded at once, the
	// other because it is busy with who calls.
	r = newRig(t, Config{})
	r.must(r.Phone("1002").SetForwarding(forwardImmediate, true, "1001"))
	r.must(r.Phone("1001").SetForwarding(forwardBusy, true, "1002"))
	r.skip()
	r.call("1001", "1002")
	r.events("1001 Originated", "1001 Failed destNotObtainable")
}

func TestAutoAnswer(t *testing.T) {
	r := newRig(t, Config{AutoAnswer: true})
	r.do(&csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002")})
	r.events("1001 ServiceInitiated", "1001 Originated", "1001 Delivered newCall", "1002 Delivered newCall", "1001 Established", "1002 Established")
	r.must(r.Phone("1001").HangUp())
	r.skip()
	r.call("1001", "6135550100")
	r.events("1001 Originated", "1001 NetworkReached", "1001 Delivered newCall", "1001 Established")
	r.must(r.Phone("1001").HangUp())
	r.empty()
}

// A phone may ring a while before it answers by itself.
func TestAutoAnswerAfterRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		rings := int64(2)
		r.do(&csta.SetAutoAnswer{Device: csta.Device("1002"), AutoAnswerOn: true, NumberOfRings: &rings})
		got := r.do(&csta.GetAutoAnswer{Device: csta.Device("1002")}).(*csta.GetAutoAnswerResponse)
		if !got.AutoAnswerOn || got.NumberOfRings == nil || *got.NumberOfRings != rings {
			t.Errorf("automatic answer is %+v", got)
		}
		r.skip()
		r.call("1001", "1002")
		r.events("1001 Originated", "1001 Delivered newCall", "1002 Delivered newCall")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		r.events()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.events("1001 Established", "1002 Established")
	})
}

// The handset is off hook for what a hand does, and back on it when the phone is
// active no more.
func TestHookswitch(t *testing.T) {
	r := newRig(t, Config{})
	on := func(device string) bool {
		return r.do(&csta.GetHookswitchStatus{Device: csta.Device(device)}).(*csta.GetHookswitchStatusResponse).HookswitchStatusList[0].HookswitchOnHook
	}
	r.call("1001", "1002")
	r.must(r.Phone("1002").Answer())
	if !on("1001") || on("1002") {
		t.Errorf("on hook: 1001 %v, 1002 %v, who was answered by hand", on("1001"), on("1002"))
	}
	r.must(r.Phone("1001").HangUp())
	if !on("1002") {
		t.Error("the handset is off hook after the call")
	}
	if len(r.lifted) > 0 {
		t.Errorf("lifted are %v", r.lifted)
	}
	r.empty()
}

func TestButtons(t *testing.T) {
	r := newRig(t, Config{})
	press := func(button string) *csta.ButtonPress {
		return &csta.ButtonPress{Device: csta.Device("1001"), Button: button}
	}
	for _, button := range []string{"hold", "release", "redial", "1"} {
		r.refuses(press(button), "stateIncompatibility/invalidDeviceState")
	}
	r.refuses(press("12"), "operation/invalidButtonIdentifier")
	call := r.call("1001", "1002")
	r.refuses(press("hold"), "stateIncompatibility/invalidConnectionState")
	r.must(r.Phone("1002").Answer())
	r.skip()
	r.do(press("hold"))
	r.events("1001 Held", "1002 Held")
	r.do(press("hold"))
	r.events("1001 Retrieved", "1002 Retrieved")
	r.refuses(press("redial"), "stateIncompatibility/invalidCallingDeviceState")
	r.do(press("mute"))
	r.do(press("mute"))
	r.events("1001 MicrophoneMute", "1001 MicrophoneMute")
	r.do(press("release"))
	r.events("1001 ConnectionCleared normalClearing", "1002 ConnectionCleared normalClearing")
	r.do(press("redial"))
	r.events("1001 ServiceInitiated", "1001 DigitsDialed", "1001 Originated", "1001 Delivered newCall", "1002 Delivered newCall")
	if _, _, err := r.calls.Find(csta.Connection(call, "1001")); err == nil {
		t.Error("the redialled call is the one before")
	}
	r.do(press("release"))
	r.empty()
}

func TestSteps(t *testing.T) {
	r := newRig(t, Config{})
	device := csta.Device("1001")
	for range 7 {
		r.do(&csta.SetSpeakerVolume{Device: device, SpeakerVolume: &csta.Volume{VolInc: "increment"}})
		r.do(&csta.SetMicrophoneGain{Device: device, MicrophoneGain: &csta.MicrophoneGain{MicGainInc: "decrement"}})
	}
	speaker := r.do(&csta.GetSpeakerVolume{Device: device}).(*csta.GetSpeakerVolumeResponse).SpeakerVolumeList[0].SpeakerVolAbs
	mic := r.do(&csta.GetMicrophoneGain{Device: device}).(*csta.GetMicrophoneGainResponse).MicrophoneGainList[0].MicGainAbs
	if *speaker != 100 || *mic != 0 {
		t.Errorf("seven steps up and down from the middle are %d and %d", *speaker, *mic)
	}
	r.refuses(&csta.SetSpeakerVolume{Device: device}, "operation/invalidParameterValue")
	r.refuses(&csta.SetMicrophoneGain{Device: device}, "operation/invalidParameterValue")
}

func TestCallWaiting(t *testing.T) {
	r := newRig(t, Config{Devices: []Device{{Number: "1001"}, {Number: "1002", CallWaiting: true}, {Number: "1003"}}})
	r.call("1001", "1002")
	r.must(r.Phone("1002").Answer())
	r.skip()
	r.call("1003", "1002")
	r.events("1003 Originated", "1003 Delivered newCall", "1002 Delivered newCall")
	r.must(r.Phone("1002").Answer())
	r.events("1001 Held", "1002 Held", "1003 Established", "1002 Established")
	r.must(r.Phone("1002").Retrieve())
	r.events("1003 Held", "1002 Held", "1001 Retrieved", "1002 Retrieved")
	r.must(r.Phone("1002").Transfer(""))
	r.must(r.Phone("1001").HangUp())
	r.empty()
}

func TestOutside(t *testing.T) {
	r := newRig(t, Config{})
	o := r.Outside("6135550100")
	o.Busy(true)
	r.call("1001", "6135550100")
	r.events("1001 Originated", "1001 Failed busy")
	r.must(r.Phone("1001").HangUp())
	o.Busy(false)
	r.empty()
	r.call("1001", "6135550100")
	r.skip()
	o.Busy(true)
	r.events("1001 Failed busy")
	r.must(r.Phone("1001").HangUp())
	o.Busy(false)
	r.empty()
	r.must(r.Phone("1001").SetDoNotDisturb(true))
	if _, err := o.Call("1001"); err == nil {
		t.Error("a phone rings though it must not be disturbed")
	}
	for _, number := range []string{"1099", "96135550199", ""} {
		if _, err := o.Call(number); err == nil {
			t.Errorf("%q can be called from outside", number)
		}
	}
	// Two calls with the same subscriber, who cannot be connected to himself.
	first := r.call("1002", "6135550100")
	r.must(o.Answer())
	r.do(&csta.HoldCall{CallToBeHeld: csta.Connection(first, "1002")})
	second := r.call("1002", "6135550100")
	r.must(o.Answer())
	r.refuses(&csta.TransferCall{HeldCall: csta.Connection(first, "1002"), ActiveCall: csta.Connection(second, "1002")}, "operation/notDifferentDevices")
	r.refuses(&csta.SingleStepTransferCall{ActiveCall: csta.Connection(second, "1002"), TransferredTo: csta.Device("6135550100")}, "operation/invalidDestination")
	r.must(r.Phone("1002").HangUp())
	r.must(r.Phone("1002").HangUp())
	if err := r.Phone("1002").HangUp(); err == nil {
		t.Error("an idle phone was hung up")
	}
	r.empty()
}

func TestHandRefuses(t *testing.T) {
	r := newRig(t, Config{})
	idle := r.Phone("1001")
	for name, f := range map[string]func() error{"answer": idle.Answer, "hang up": idle.HangUp, "hold": idle.Hold, "retrieve": idle.Retrieve,
		"consult": func() error { return idle.Consult("1002") }, "transfer": func() error { return idle.Transfer("1002") },
		"join": func() error { return idle.Transfer("") }, "dial nothing": func() error { return idle.Dial("") },
		"other phone": r.Phone("1099").Lift} {
		if f() == nil {
			t.Errorf("an idle phone does %s", name)
		}
	}
	r.must(idle.Lift())
	if idle.Lift() == nil {
		t.Error("a lifted phone was lifted")
	}
	r.must(idle.Dial("1002"))
	r.must(r.Phone("1002").Lift())
	r.must(idle.Hold())
	r.must(idle.HangUp())
	r.empty()
}

// The link can be cut at any time, and twice.
func TestRunCut(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.Cut()
	s.Cut()
	emitted := make(chan csta.Message, 10)
	ended := make(chan error)
	go func() { ended <- s.Run(t.Context(), func(_ string, m csta.Message) { emitted <- m }) }()
	s.Restore()
	s.Restore()
	if m := (<-emitted).(*csta.SystemStatus); m.SystemStatus != pbx.StatusNormal {
		t.Errorf("first came %+v", m)
	}
	s.Cut()
	if err := <-ended; !errors.Is(err, ErrCut) {
		t.Errorf("Run returned %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- s.Run(ctx, mute) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
}
