package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/freeswitch/esl"
	"rccgw/pbx/freeswitch/freeswitchtest"
	"rccgw/pbx/pbxtest"
)

// patience is how long what must happen may take.
const patience = 10 * time.Second

// A recorder keeps what a driver tells.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) emit(device string, msg csta.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ev, ok := msg.(csta.Event); ok && device != "" {
		state, call := csta.LocalConnection(ev)
		r.events = append(r.events, fmt.Sprint(device, " ", csta.Name(ev), " ", call, " ", state))
	}
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// until waits for what must become so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// shape is the model's calls without their order.
func shape(d *Driver) string {
	var lines []string
	for _, c := range d.calls.List() {
		var conns []string
		for _, conn := range c.Connections {
			conns = append(conns, conn.Device+" "+string(conn.State))
		}
		slices.Sort(conns)
		lines = append(lines, c.ID+": "+strings.Join(conns, ", "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// found returns the calls that another driver finds, which may not act: that is up to the first.
func found(t *testing.T, fake *freeswitchtest.Server) string {
	t.Helper()
	other := newDriver(t, settings(fake))
	ctx, cancel := context.WithCancel(pbx.WithLease(t.Context(), func() bool { return false }))
	up, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = other.Run(ctx, func(device string, _ csta.Message) {
			if device == "" {
				close(up)
			}
		})
	}()
	select {
	case <-up:
	case <-time.After(patience):
		t.Error("the other driver has no link")
	}
	cancel()
	<-ended
	return shape(other)
}

func makeCall(t *testing.T, m *csta.Mux, from, to string) string {
	t.Helper()
	resp, err := csta.Call(t.Context(), m, &csta.MakeCall{CallingDevice: csta.Device(from), CalledDirectoryNumber: csta.Device(to), AutoOriginate: "doNotPrompt"})
	if err != nil {
		t.Fatal(err)
	}
	return resp.CallingDevice.CallID
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// talk has two phones talk.
func talk(t *testing.T, d *Driver, m *csta.Mux, fake *freeswitchtest.Server, from, to string) string {
	t.Helper()
	call := makeCall(t, m, from, to)
	until(t, to+" rings", func() bool { return strings.Contains(shape(d), call+": "+from+" connected, "+to+" alerting") })
	must(t, fake.Phone(to).Answer())
	until(t, to+" talks", func() bool { return strings.Contains(shape(d), call+": "+from+" connected, "+to+" connected") })
	return call
}

// Another driver, which knows nothing but the PBX, finds the same calls: after calls were made,
// held, consulted and transferred in both ways.
func TestAnotherDriverFindsTheSame(t *testing.T) {
	numbers := []string{"1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008"}
	fake := startFake(t, numbers...)
	d := newDriver(t, settings(fake))
	m := pbxtest.Start(t, d, new(recorder).emit)
	same := func(what string) {
		t.Helper()
		if got, want := found(t, fake), shape(d); got != want || want == "" {
			t.Errorf("%s: another driver finds\n%s\nnot\n%s", what, got, want)
		}
	}
	makeCall(t, m, "1001", "1002")
	until(t, "1002 rings", func() bool { return strings.Contains(shape(d), "1002 alerting") })
	same("alerting")
	must(t, fake.Phone("1001").HangUp())
	until(t, "the end", func() bool { return shape(d) == "" })

	if _, err := csta.Call(t.Context(), m, &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002"), AutoOriginate: "prompt"}); err != nil {
		t.Fatal(err)
	}
	until(t, "1001 is prompted", func() bool { return strings.Contains(shape(d), "1001 initiated") })
	same("prompted")
	must(t, fake.Phone("1001").HangUp())

	must(t, fake.Phone("1007").Dial("1008"))
	until(t, "1008 rings", func() bool { return strings.Contains(shape(d), "1008 alerting") })
	same("dialled by hand")

	held := talk(t, d, m, fake, "1001", "1002")
	consulted, err := csta.Call(t.Context(), m, &csta.ConsultationCall{ExistingCall: csta.Connection(held, "1001"), ConsultedDevice: csta.Device("1003")})
	must(t, err)
	active := consulted.InitiatedCall.CallID
	until(t, "1003 rings", func() bool { return strings.Contains(shape(d), "1003 alerting") })
	must(t, fake.Phone("1003").Answer())
	until(t, "1003 talks", func() bool { return strings.Contains(shape(d), "1003 connected") })
	same("consulted")
	moved, err := csta.Call(t.Context(), m, &csta.TransferCall{HeldCall: csta.Connection(held, "1001"), ActiveCall: csta.Connection(active, "1001")})
	must(t, err)
	until(t, "1001 is released", func() bool { return fake.Channels() == 4 })
	same("transferred")
	consulted, err = csta.Call(t.Context(), m, &csta.ConsultationCall{ExistingCall: csta.Connection(moved.TransferredCall.CallID, "1002"), ConsultedDevice: csta.Device("1005")})
	must(t, err)
	until(t, "1005 rings", func() bool { return strings.Contains(shape(d), "1005 alerting") })
	must(t, fake.Phone("1005").Answer())
	until(t, "1005 talks", func() bool { return strings.Contains(shape(d), "1005 connected") })
	room, err := csta.Call(t.Context(), m, &csta.ConferenceCall{HeldCall: csta.Connection(moved.TransferredCall.CallID, "1002"), ActiveCall: consulted.InitiatedCall})
	must(t, err)
	until(t, "three meet", func() bool { return fake.Channels() == 5 })
	same("conference")
	must(t, fake.Phone("1005").HangUp())
	must(t, fake.Phone("1003").HangUp())
	until(t, "who is alone is released", func() bool { return fake.Channels() == 2 && !strings.Contains(shape(d), room.ConferenceCall.CallID) })
	call := talk(t, d, m, fake, "1002", "1003")
	sent, err := csta.Call(t.Context(), m, &csta.SingleStepTransferCall{ActiveCall: csta.Connection(call, "1003"), TransferredTo: csta.Device("1004")})
	must(t, err)
	until(t, "1004 rings", func() bool { return strings.Contains(shape(d), "1004 alerting") })
	same("transferred in a single step")
	call = talk(t, d, m, fake, "1005", "1006")
	_, err = csta.Call(t.Context(), m, join(call, "1005", "1003"))
	must(t, err)
	until(t, "1003 rings", func() bool { return strings.Contains(shape(d), "1003 alerting") })
	same("called into a conference")
	must(t, fake.Phone("1003").Answer())
	until(t, "1003 talks", func() bool { return strings.Contains(shape(d), "1003 connected") })
	same("conference by a single step")
	for _, id := range []string{moved.TransferredCall.CallID, sent.TransferredCall.CallID} {
		if id == held || id == active {
			t.Errorf("the transfer used callID %s again", id)
		}
	}
}

// join asks that a number be called into a line's call.
func join(call, line, number string) *csta.SingleStepConferenceCall {
	return &csta.SingleStepConferenceCall{ActiveCall: csta.Connection(call, line), DeviceToJoin: csta.Device(number), ParticipationType: "active"}
}

// Whatever number of events is lost, the model is right soon after, without the link being
// lost; and a listener is told by ordinary events.
func TestLostEvents(t *testing.T) {
	for _, lost := range []int{1, 2, 3, 5, 8, 12, 20, 100} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			fake := startFake(t, "1001", "1002", "1003", "1004")
			d := newDriver(t, settings(fake))
			var r recorder
			m := pbxtest.Start(t, d, r.emit)
			call := talk(t, d, m, fake, "1001", "1002")
			looked(t, d)
			// Of what comes now some is lost: a hold, the end of a call, a new one.
			fake.Lose(lost)
			must(t, fake.Phone("1002").Hold())
			must(t, fake.Phone("1001").HangUp())
			must(t, fake.Phone("1003").Dial("1004"))
			fake.Lose(0)
			// The next event, of whatever, shows the gap.
			fake.Heartbeat()
			until(t, "the model is what is", func() bool {
				s := shape(d)
				return !strings.Contains(s, call) && strings.HasSuffix(s, ": 1003 connected, 1004 alerting")
			})
			told := r.all()
			if !slices.Contains(told, "1001 ConnectionClearedEvent "+call+" null") || !slices.Contains(told, "1002 ConnectionClearedEvent "+call+" null") {
				t.Errorf("the end of %s was not told:\n%s", call, strings.Join(told, "\n"))
			}
			if !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "1004 DeliveredEvent") }) {
				t.Errorf("the new call was not told:\n%s", strings.Join(told, "\n"))
			}
		})
	}
}

// looked waits until the driver has no reason to look at the list of channels.
func looked(t *testing.T, d *Driver) {
	t.Helper()
	until(t, "the list agrees", func() bool {
		d.turn <- struct{}{}
		defer d.done()
		return !d.suspect
	})
}

// A call that has ended does not come back by a list that is behind.
func TestEndedIsListed(t *testing.T) {
	fake := startFake(t, "1001", "1002")
	d := newDriver(t, settings(fake))
	d.fresh = 0
	var r recorder
	m := pbxtest.Start(t, d, r.emit)
	talk(t, d, m, fake, "1001", "1002")
	fake.Freeze(true)
	must(t, fake.Phone("1001").HangUp())
	until(t, "the end", func() bool { return shape(d) == "" })
	before, told := fake.Shown(), len(r.all())
	fake.Heartbeat()
	until(t, "the list was looked at", func() bool { return fake.Shown() > before })
	fake.Heartbeat()
	looked(t, d)
	if now := r.all(); shape(d) != "" || len(now) != told {
		t.Errorf("the list that is behind led to\n%s\nand was told as %v", shape(d), now[told:])
	}
}

// What FreeSWITCH lists is behind its events, or ahead of them: that ends no call that the list has not yet.
func TestListIsBehind(t *testing.T) {
	fake := startFake(t, "1001", "1002", "1003", "1004")
	d := newDriver(t, settings(fake))
	d.fresh = time.Hour
	var r recorder
	m := pbxtest.Start(t, d, r.emit)
	old := talk(t, d, m, fake, "1001", "1002")
	fake.Freeze(true)
	must(t, fake.Phone("1001").HangUp())
	must(t, fake.Phone("1003").Dial("1004"))
	is := func() bool {
		return strings.HasSuffix(shape(d), ": 1003 connected, 1004 alerting") && !strings.Contains(shape(d), old)
	}
	until(t, "the calls are what events said", is)
	before, told := fake.Shown(), len(r.all())
	until(t, "the list was looked at", func() bool { return fake.Shown() >= before+2 })
	if now := r.all(); !is() || len(now) != told {
		t.Errorf("the list that is behind led to\n%s\nand was told as %v", shape(d), now[told:])
	}
}

// A driver that starts while the list is behind finds a call that has ended. It looks again.
func TestListIsBehindAtStart(t *testing.T) {
	fake := startFake(t, "1001", "1002")
	must(t, fake.Phone("1001").Dial("1002"))
	fake.Freeze(true)
	must(t, fake.Phone("1001").HangUp())
	d := newDriver(t, settings(fake))
	pbxtest.Start(t, d, new(recorder).emit)
	if shape(d) == "" {
		t.Fatal("the list is not behind")
	}
	fake.Freeze(false)
	until(t, "the call is gone", func() bool { return shape(d) == "" })
}

// A consultation whose second call cannot be made leaves the first as it was.
func TestConsultationFails(t *testing.T) {
	fake := startFake(t, "1001", "1002", "1003")
	d := newDriver(t, settings(fake))
	m := pbxtest.Start(t, d, new(recorder).emit)
	call := talk(t, d, m, fake, "1001", "1002")
	fake.Phone("1001").Unregister()
	_, err := csta.Call(t.Context(), m, &csta.ConsultationCall{ExistingCall: csta.Connection(call, "1001"), ConsultedDevice: csta.Device("1003")})
	if !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "callingDeviceOutOfService"}) {
		t.Error(err)
	}
	if n := count(fake, "uuid_hold off"); n != 1 {
		t.Errorf("retrieved %d times", n)
	}
	until(t, "the call goes on", func() bool { return shape(d) == call+": 1001 connected, 1002 connected" })
}

// Who rejects a call by its client does so with that cause.
func TestRejected(t *testing.T) {
	fake := startFake(t, "1001", "1002")
	d := newDriver(t, settings(fake))
	m := pbxtest.Start(t, d, new(recorder).emit)
	call := makeCall(t, m, "1001", "1002")
	until(t, "1002 rings", func() bool { return strings.Contains(shape(d), "1002 alerting") })
	_, err := csta.Call(t.Context(), m, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(call, "1002")})
	must(t, err)
	until(t, "the end", func() bool { return shape(d) == "" })
	if c := fake.Commands(); !strings.HasSuffix(c[len(c)-1], " CALL_REJECTED") {
		t.Errorf("rejected by %q", c[len(c)-1])
	}
}

// A caller who gives up, or is released, while it is left open whether the call is forwarded takes the phone
// that did not answer along, in this order.
func TestReleasedWhileLingering(t *testing.T) {
	d := newDriver(t, valid())
	var r recorder
	d.calls.SetEmit(r.emit)
	tell := func(name, id, direction, user, callstate, answer, cause string) {
		d.handle(esl.Event{Header: esl.Header{"Event-Name": name, "Unique-ID": id, "Call-Direction": direction, "Channel-Presence-ID": user + "%40lab",
			"Channel-State": "CS_EXECUTE", "Channel-Call-State": callstate, "Answer-State": answer, "Channel-Call-UUID": "a", "Caller-Dialplan": "XML",
			"Caller-Destination-Number": "1002", "Hangup-Cause": cause}})
	}
	tell("CHANNEL_CALLSTATE", "a", "inbound", "1001", "RINGING", "ringing", "")
	tell("CHANNEL_CALLSTATE", "b", "outbound", "1002", "RINGING", "ringing", "")
	tell("CHANNEL_HANGUP", "b", "outbound", "1002", "RINGING", "hangup", "NO_ANSWER")
	if s := shape(d); s != "a: 1001 connected, 1002 alerting" {
		t.Errorf("while it is left open: %s", s)
	}
	tell("CHANNEL_HANGUP", "a", "inbound", "1001", "RINGING", "hangup", "NO_ANSWER")
	told := strings.Join(r.all(), "\n")
	const want = "1001 OriginatedEvent a connected\n1001 DeliveredEvent a connected\n1002 DeliveredEvent a alerting\n" +
		"1001 ConnectionClearedEvent a connected\n1002 ConnectionClearedEvent a null\n1001 ConnectionClearedEvent a null"
	if told != want || shape(d) != "" {
		t.Errorf("told\n%s\nnot\n%s", told, want)
	}
}

// A command is carried out once, however often it is asked for with the same key.
func TestOnce(t *testing.T) {
	fake := startFake(t, "1001", "1002", "1003")
	d := newDriver(t, settings(fake))
	m := pbxtest.Start(t, d, new(recorder).emit)
	ctx := csta.WithCommandKey(t.Context(), "the same")
	req := &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002"), AutoOriginate: "doNotPrompt"}
	var all sync.WaitGroup
	ids := make([]string, 5)
	for i := range ids {
		all.Go(func() {
			resp, err := csta.Call(ctx, m, req)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = resp.CallingDevice.CallID
		})
	}
	all.Wait()
	again := newDriver(t, settings(fake))
	mux := pbxtest.Start(t, again, new(recorder).emit)
	resp, err := csta.Call(ctx, mux, req)
	must(t, err)
	if ids = slices.Compact(append(ids, resp.CallingDevice.CallID)); len(ids) != 1 {
		t.Errorf("the command made the calls %v", ids)
	}
	if n := count(fake, "originate"); n != 1 {
		t.Errorf("%d times originated", n)
	}
	// After the call has ended, too.
	must(t, fake.Phone("1001").HangUp())
	until(t, "the end", func() bool { return shape(d) == "" })
	_, err = csta.Call(ctx, m, req)
	must(t, err)
	if n := count(fake, "originate"); n != 1 {
		t.Errorf("%d times originated", n)
	}
}

// So is one that calls somebody into a call; who cannot be called changes nothing for the others.
func TestJoinOnce(t *testing.T) {
	fake := startFake(t, "1001", "1002", "1003", "1004")
	fake.Phone("1004").Unregister()
	d := newDriver(t, settings(fake))
	m := pbxtest.Start(t, d, new(recorder).emit)
	call := talk(t, d, m, fake, "1001", "1002")
	before := count(fake, "originate")
	ctx := csta.WithCommandKey(t.Context(), "the same")
	for range 2 {
		resp, err := csta.Call(ctx, m, join(call, "1001", "1003"))
		must(t, err)
		if resp.ConferencedCall != csta.Connection(call, "1003") {
			t.Errorf("the answer names %s", resp.ConferencedCall)
		}
	}
	if n := count(fake, "originate") - before; n != 1 {
		t.Errorf("%d times originated", n)
	}
	must(t, fake.Phone("1003").Answer())
	until(t, "three talk", func() bool { return strings.Count(shape(d), "connected") == 3 })
	_, err := csta.Call(t.Context(), m, join(call, "1002", "1004"))
	if !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
		t.Errorf("a phone that is away: %v", err)
	}
	if n := strings.Count(shape(d), "connected"); n != 3 || len(d.additions) != 0 {
		t.Errorf("then %d talk, and %d are to come", n, len(d.additions))
	}
}

func count(fake *freeswitchtest.Server, command string) (n int) {
	for _, c := range fake.Commands() {
		if strings.HasPrefix(c, command) {
			n++
		}
	}
	return n
}

// A command whose answer does not come is uncertain, and not tried again.
func TestUncertain(t *testing.T) {
	for verb, req := range map[string]func(call string) csta.Message{
		"uuid_hold": func(call string) csta.Message { return &csta.HoldCall{CallToBeHeld: csta.Connection(call, "1001")} },
		"uuid_kill": func(call string) csta.Message {
			return &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(call, "1001")}
		},
		"originate": func(string) csta.Message {
			return &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002")}
		},
	} {
		t.Run(verb, func(t *testing.T) {
			fake := startFake(t, "1001", "1002")
			s := settings(fake)
			s.LookAgain = "1h" // nobody else asks
			d := newDriver(t, s)
			m := pbxtest.Start(t, d, new(recorder).emit)
			call := talk(t, d, m, fake, "1001", "1002")
			before := count(fake, verb)
			fake.Deafen(verb)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var waiting sync.WaitGroup
			defer waiting.Wait()
			waiting.Go(func() {
				for end := time.Now().Add(patience); count(fake, verb) == before && time.Now().Before(end); time.Sleep(time.Millisecond) {
				}
				cancel() // the PBX has it
			})
			if _, err := m.ServeCSTA(ctx, req(call)); !errors.Is(err, &csta.Error{Class: csta.PrivateError, Value: "uncertain"}) {
				t.Error(err)
			}
			if n := count(fake, verb) - before; n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

// A phone that is not there is said so at once.
func TestPhoneOutOfService(t *testing.T) {
	fake := startFake(t, "1001", "1002")
	fake.Phone("1001").Unregister()
	m := pbxtest.Start(t, newDriver(t, settings(fake)), new(recorder).emit)
	_, err := csta.Call(t.Context(), m, &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002")})
	if !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "callingDeviceOutOfService"}) {
		t.Error(err)
	}
}

// Services that depend on the phone are offered for lines of which the settings say so.
func TestPhonesDiffer(t *testing.T) {
	fake := startFake(t, "1001", "1002")
	s := settings(fake)
	s.TalkEvent, s.AutoAnswer = "1001", "1002"
	var m csta.Mux
	newDriver(t, s).Services(&m)
	for line, want := range map[string][2]bool{"1001": {true, false}, "1002": {false, true}, "1003": {false, false}} {
		f := m.Features(line)
		if got := [2]bool{f.Supports(&csta.AnswerCall{}), f.Supports(&csta.ConsultationCall{})}; got != want {
			t.Errorf("%s: AnswerCall and ConsultationCall are offered: %v, want %v", line, got, want)
		}
	}
}

// What the dialplan has to do is offered where the settings say that it does it.
func TestDialplanIsAsked(t *testing.T) {
	for _, on := range []bool{true, false} {
		s := settings(startFake(t, "1001"))
		if !on {
			s.Conference, s.Features = "", "off"
		}
		var m csta.Mux
		newDriver(t, s).Services(&m)
		f := m.Features("1001")
		for _, msg := range []csta.Message{&csta.ConferenceCall{}, &csta.SingleStepConferenceCall{}, &csta.ConferencedEvent{}, &csta.SetForwarding{}, &csta.GetForwarding{}, &csta.ForwardingEvent{},
			&csta.SetDoNotDisturb{}, &csta.GetDoNotDisturb{}, &csta.DoNotDisturbEvent{}} {
			if f.Supports(msg) != on {
				t.Errorf("%s is offered: %v", csta.Name(msg), !on)
			}
		}
	}
}

// A process that may not act for the PBX any more writes nothing there.
func TestNoLease(t *testing.T) {
	fake := startFake(t, "1001", "1002", "1003")
	d := newDriver(t, settings(fake))
	m := pbxtest.Start(t, d, new(recorder).emit)
	call := talk(t, d, m, fake, "1001", "1002")
	before := len(fake.Commands())
	var asked atomic.Int32
	ctx := pbx.WithLease(t.Context(), func() bool { asked.Add(1); return false })
	id := csta.Connection(call, "1001")
	for _, req := range []csta.Message{
		&csta.MakeCall{CallingDevice: csta.Device("1003"), CalledDirectoryNumber: csta.Device("1002")}, &csta.HoldCall{CallToBeHeld: id},
		&csta.ClearConnection{ConnectionToBeCleared: id}, &csta.ClearCall{CallToBeCleared: id},
		&csta.SingleStepTransferCall{ActiveCall: id, TransferredTo: csta.Device("1003")},
		&csta.ConsultationCall{ExistingCall: id, ConsultedDevice: csta.Device("1003")}, join(call, "1001", "1003"),
		&csta.GenerateDigits{ConnectionToSendDigits: id, CharactersToSend: "1"},
		&csta.SetDoNotDisturb{Device: csta.Device("1001"), DoNotDisturbOn: true},
		&csta.SetForwarding{Device: csta.Device("1001"), ActivateForward: true, ForwardDN: csta.Device("1002")},
	} {
		if _, err := m.ServeCSTA(ctx, req); !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
			t.Errorf("%s: %v", csta.Name(req), err)
		}
	}
	if after := len(fake.Commands()); after != before || asked.Load() == 0 {
		t.Errorf("without the lease: %v", fake.Commands()[before:])
	}
}

// A FreeSWITCH that is not there, refuses or does not speak ends Run with an error.
func TestNoLink(t *testing.T) {
	fake := startFake(t, "1001")
	wrong := settings(fake)
	wrong.Secret = "wrong"
	gone := settings(fake)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	gone.Address = l.Addr().String()
	must(t, l.Close())
	for name, s := range map[string]Settings{"password": wrong, "address": gone} {
		if err := newDriver(t, s).Run(t.Context(), new(recorder).emit); err == nil || strings.Contains(err.Error(), s.Secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := new(csta.Mux)
	newDriver(t, settings(fake)).Services(m)
	if _, err := csta.Call(t.Context(), m, &csta.SnapshotDevice{SnapshotObject: csta.Device("1001")}); !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
		t.Errorf("without a link: %v", err)
	}
}

// Forwarding and do-not-disturb are kept at the PBX: another driver reads what was set.
func TestSettingsAreKept(t *testing.T) {
	fake := startFake(t, "1001", "1002")
	m := pbxtest.Start(t, newDriver(t, settings(fake)), new(recorder).emit)
	line := csta.Device("1001")
	_, err := csta.Call(t.Context(), m, &csta.SetForwarding{Device: line, ForwardingType: "forwardNoAns", ActivateForward: true, ForwardDN: csta.Device("+1613*5#")})
	must(t, err)
	_, err = csta.Call(t.Context(), m, &csta.SetDoNotDisturb{Device: line, DoNotDisturbOn: true})
	must(t, err)
	other := pbxtest.Start(t, newDriver(t, settings(fake)), new(recorder).emit)
	f, err := csta.Call(t.Context(), other, &csta.GetForwarding{Device: line})
	must(t, err)
	on := 0
	for _, item := range f.ForwardingList {
		if item.ForwardStatus {
			on++
			if item.ForwardingType != "forwardNoAns" || item.ForwardDN.ID != "+1613*5#" {
				t.Errorf("%+v", item)
			}
		}
	}
	dnd, err := csta.Call(t.Context(), other, &csta.GetDoNotDisturb{Device: line})
	must(t, err)
	if on != 1 || !dnd.DoNotDisturbOn {
		t.Errorf("forwarding is %+v, do-not-disturb %v", f.ForwardingList, dnd.DoNotDisturbOn)
	}
}

// Somebody else transfers: a phone, or an operator at FreeSWITCH's own console. The parties are told who is
// there, and another driver finds the same.
func TestTransferredByOthers(t *testing.T) {
	numbers := []string{"1001", "1002", "1003", "1004"}
	fake := startFake(t, numbers...)
	d := newDriver(t, settings(fake))
	m := pbxtest.Start(t, d, new(recorder).emit)
	console, err := esl.Dial(t.Context(), esl.Config{Address: fake.Address(), Password: freeswitchtest.Password})
	must(t, err)
	pbxtest.Background(t, func(ctx context.Context) error { return console.Run(ctx) })
	far := func(call, line string) string {
		t.Helper()
		must(t, d.take(t.Context()))
		defer d.done()
		own, err := d.find(csta.Connection(call, line))
		must(t, err)
		return d.far(own).uuid
	}
	is := func(what string, states ...string) {
		t.Helper()
		until(t, what, func() bool {
			return strings.HasSuffix(shape(d), ": "+strings.Join(states, ", ")) && !strings.Contains(shape(d), "\n")
		})
		until(t, what+": another driver finds the same", func() bool { return found(t, fake) == shape(d) })
	}
	held := talk(t, d, m, fake, "1001", "1002")
	must(t, fake.Phone("1001").Hold())
	until(t, "the hold", func() bool { return strings.Contains(shape(d), "1001 hold") })
	active := talk(t, d, m, fake, "1001", "1003")
	_, err = console.API(t.Context(), "uuid_bridge "+far(held, "1001")+" "+far(active, "1001"))
	must(t, err)
	is("1001 has left", "1002 connected", "1003 connected")
	call, _, _ := strings.Cut(shape(d), ":")
	_, err = console.API(t.Context(), "uuid_transfer "+far(call, "1003")+" -bleg 1004 XML phones")
	must(t, err)
	is("1002 has left", "1003 connected", "1004 alerting")
	must(t, fake.Phone("1004").Answer())
	is("1004 has answered", "1003 connected", "1004 connected")
}

// A process that was short of time looks at the list while events wait that are older: they come first.
func TestListIsAheadOfWaitingEvents(t *testing.T) {
	fake := startFake(t, "1001", "1002")
	d := newDriver(t, settings(fake))
	d.fresh = 0
	conn, err := esl.Dial(t.Context(), esl.Config{Address: fake.Address(), Password: freeswitchtest.Password})
	must(t, err)
	pbxtest.Background(t, func(ctx context.Context) error { return conn.Run(ctx) })
	var r recorder
	must(t, d.takeStock(t.Context(), conn, r.emit))
	look := func() {
		t.Helper()
		d.suspect = true
		must(t, d.lookForLost(t.Context()))
	}
	must(t, fake.Phone("1001").Dial("1002"))
	look()
	if s := shape(d); !strings.HasSuffix(s, ": 1001 connected, 1002 alerting") {
		t.Fatalf("while it rings there is %q", s)
	}
	must(t, fake.Phone("1002").Answer())
	must(t, fake.Phone("1001").HangUp())
	look()
	look()
	for range len(conn.Events()) {
		d.handle(<-conn.Events())
	}
	answered, originated := 0, 0
	for _, told := range r.all() {
		if strings.HasPrefix(told, "1001 EstablishedEvent") {
			answered++
		}
		if strings.HasPrefix(told, "1001 OriginatedEvent") {
			originated++
		}
	}
	if answered != 1 || originated != 1 || shape(d) != "" {
		t.Errorf("the call was originated %d times and answered %d times; left is %q", originated, answered, shape(d))
	}
}
