package cstatcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A fake is a server whose answers a test writes.
type fake struct {
	*peer
	mu      sync.Mutex
	answers map[string]func(req csta.Message) csta.Message // by name; a nil answer is none
	states  []csta.LocalConnectionState                    // of call c at every device, with B
	asked   map[string]int
	bodies  map[string]string // the last request, by name
	last    int               // its invoke ID
	replies []string          // answers to the server's own requests
	refs    int
}

func (s *fake) answer(name string, f func(req csta.Message) csta.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name] = f
}

// answerText has the server answer by what need not be a message of CSTA.
func (s *fake) answerText(name, body string) {
	s.answer(name, func(csta.Message) csta.Message {
		s.send(s.last, body)
		return nil
	})
}

func (s *fake) call(states ...csta.LocalConnectionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = states
}

// body returns the last request of the name.
func (s *fake) body(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[name]
}

func (s *fake) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

// serve answers until the connection ends.
func (s *fake) serve() {
	for {
		f, err := readFrame(s.in)
		if err != nil {
			return
		}
		name := rootName(f.body)
		msg, _, err := csta.Decode(f.body)
		s.mu.Lock()
		s.asked[name]++
		s.bodies[name], s.last = string(f.body), f.id
		if isAnswer(name) {
			s.replies = append(s.replies, fmt.Sprint(f.id, " ", string(f.body)))
			s.mu.Unlock()
			continue
		}
		h, ok := s.answers[name]
		s.mu.Unlock()
		if !ok && err != nil {
			s.t.Errorf("the server got %q: %v", f.body, err)
		}
		if !ok {
			h = s.usual
		}
		if m := h(msg); m != nil {
			s.sendMessage(f.id, m)
		}
	}
}

func (s *fake) usual(req csta.Message) csta.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch req := req.(type) {
	case *csta.RequestSystemStatus:
		return &csta.RequestSystemStatusResponse{SystemStatus: pbx.StatusNormal}
	case *csta.GetCSTAFeatures:
		f := &csta.GetCSTAFeaturesResponse{SupportedServices: &csta.SupportedServices{}, SupportedEvents: &csta.SupportedEvents{}}
		f.Add(&csta.MakeCall{}, &csta.AnswerCall{}, &csta.SnapshotDevice{}, &csta.DeliveredEvent{}, &csta.EstablishedEvent{}, &csta.ConnectionClearedEvent{})
		return f
	case *csta.MonitorStart:
		s.refs++
		return &csta.MonitorStartResponse{MonitorCrossRefID: fmt.Sprint(req.MonitorObject.DeviceObject.ID, "-", s.refs)}
	case *csta.MonitorStop:
		return &csta.MonitorStopResponse{}
	case *csta.MakeCall:
		return &csta.MakeCallResponse{CallingDevice: csta.Connection("c", req.CallingDevice.ID)}
	case *csta.SnapshotDevice:
		list := &csta.SnapshotDeviceDataList{}
		if len(s.states) > 0 {
			list.SnapshotDeviceResponseInfo = []csta.SnapshotDeviceResponseInfo{{ConnectionIdentifier: csta.Connection("c", req.SnapshotObject.ID), EndpointDevice: csta.Party("B"),
				LocalCallState: &csta.CallState{CompoundCallState: &csta.CompoundCallState{LocalConnectionState: s.states}}}}
		}
		return &csta.SnapshotDeviceResponse{CrossRefIDorSnapshotData: &csta.SnapshotDeviceData{SnapshotData: list}}
	}
	return csta.Errorf(csta.Operation, "serviceNotSupported", "")
}

// A rig is a driver and the fake servers that it is connected to, one after
// another, with what it emitted and logged.
type rig struct {
	*Driver
	t   *testing.T
	mux csta.Mux

	mu     sync.Mutex
	seen   []string
	log    bytes.Buffer
	cancel context.CancelFunc
	ended  chan error
}

// Write takes in what is logged.
func (r *rig) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// usual are the defaults, as envconfig fills them in.
func usual() Settings {
	return Settings{Address: "server.example.com:1040", Edition: "ed3", Session: "off", ApplicationID: "rccgw", Duration: "3m", Heartbeat: "30s", Timeout: "5s"}
}

func newRig(t *testing.T, change ...func(*Settings)) *rig {
	t.Helper()
	s := usual()
	for _, f := range change {
		f(&s)
	}
	r := &rig{t: t}
	var err error
	if r.Driver, err = New(s, slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelInfo}))); err != nil {
		t.Fatal(err)
	}
	r.Services(&r.mux)
	return r
}

// connect runs a link to a fake server, after change has been made to it.
func (r *rig) connect(change ...func(*fake)) *fake {
	r.t.Helper()
	p, nc := newPeer(r.t)
	s := &fake{peer: p, answers: map[string]func(csta.Message) csta.Message{}, asked: map[string]int{}, bodies: map[string]string{}}
	for _, f := range change {
		f(s)
	}
	var running sync.WaitGroup
	running.Go(s.serve)
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)
	running.Go(func() { r.ended <- r.run(ctx, nc, r.emit) })
	r.t.Cleanup(func() {
		cancel()
		_ = p.nc.Close()
		running.Wait()
	})
	synctest.Wait()
	return s
}

func (r *rig) emit(device string, msg csta.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := msg.(*csta.SystemStatus); ok {
		r.seen = append(r.seen, string(s.SystemStatus))
		return
	}
	ev := msg.(csta.Event)
	if ref := *ev.CrossRef(); ref != "" {
		r.t.Errorf("%s has the cross reference %q of the server", csta.Name(ev), ref)
	}
	local, _ := csta.LocalConnection(ev)
	r.seen = append(r.seen, device+" "+strings.TrimSuffix(csta.Name(ev), "Event")+" "+string(local))
}

// events checks what was emitted since it was asked last.
func (r *rig) events(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	got := r.seen
	r.seen = nil
	r.mu.Unlock()
	if !slices.Equal(got, want) {
		r.t.Errorf("events\n got %q\nwant %q", got, want)
	}
}

// lost checks why the link was lost.
func (r *rig) lost(want string) {
	r.t.Helper()
	synctest.Wait()
	select {
	case err := <-r.ended:
		if err == nil || !strings.Contains(err.Error(), want) {
			r.t.Errorf("the link was lost by %v, want %s", err, want)
		}
		r.ended <- err
	default:
		r.t.Errorf("the link is not lost; want %s", want)
	}
}

func (r *rig) watch(device string) error {
	_, err := csta.Call(r.t.Context(), &r.mux, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(device)}})
	return err
}

func (r *rig) mustWatch(devices ...string) {
	r.t.Helper()
	for _, device := range devices {
		if err := r.watch(device); err != nil {
			r.t.Fatal(err)
		}
	}
}

func delivered(ref, device string) csta.Message {
	return &csta.DeliveredEvent{Monitored: csta.Monitored{MonitorCrossRefID: ref}, Connection: csta.Connection("c", device), AlertingDevice: csta.Party(device),
		CallingDevice: csta.Party("B"), CalledDevice: csta.Party(device), LastRedirectionDevice: csta.RedirectionDeviceID{NotKnown: true},
		LocalConnectionInfo: pbx.Alerting, Cause: pbx.CauseNewCall}
}

func established(ref, device string) csta.Message {
	return &csta.EstablishedEvent{Monitored: csta.Monitored{MonitorCrossRefID: ref}, EstablishedConnection: csta.Connection("c", device), AnsweringDevice: csta.Party(device),
		CallingDevice: csta.Party("B"), CalledDevice: csta.Party(device), LastRedirectionDevice: csta.RedirectionDeviceID{NotKnown: true},
		LocalConnectionInfo: pbx.Connected, Cause: pbx.CauseNewCall}
}

func makeCall() *csta.MakeCall {
	return &csta.MakeCall{CallingDevice: csta.Device("A"), CalledDirectoryNumber: csta.Device("B")}
}

// refused checks the refusal of a service.
func (r *rig) refused(req csta.Message, class csta.ErrorClass, value string) {
	r.t.Helper()
	if _, err := r.mux.ServeCSTA(r.t.Context(), req); !errors.Is(err, &csta.Error{Class: class, Value: value}) {
		r.t.Errorf("%s: %v, want %s/%s", csta.Name(req), err, class, value)
	}
}

// What is offered is what the server offers, from the time that this is known.
func TestOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		offers := func(want ...string) {
			t.Helper()
			var got []string
			f := r.mux.Features("A")
			for _, m := range csta.Messages() {
				if f.Supports(m) {
					got = append(got, csta.Name(m))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("offered: %v\nwant %v", got, want)
			}
		}
		offers("MonitorStart", "MonitorStop")
		r.refused(makeCall(), csta.Operation, "serviceNotSupported")
		s := r.connect()
		all := []string{"MonitorStart", "MonitorStop", "SnapshotDevice", "MakeCall", "AnswerCall", "DeliveredEvent", "EstablishedEvent", "ConnectionClearedEvent"}
		offers(all...)
		r.refused(&csta.HoldCall{CallToBeHeld: csta.Connection("c", "A")}, csta.Operation, "serviceNotSupported")
		for _, m := range []csta.Message{&csta.ChangeMonitorFilter{}, &csta.SystemStatus{}, &csta.RequestSystemStatus{}, &csta.GetCSTAFeatures{}} {
			if r.mux.Registered(m) {
				t.Errorf("%s is passed on", csta.Name(m))
			}
		}
		_ = s.nc.Close()
		r.lost("closed")
		// A link that is lost does not change what the server can do.
		offers(all...)
		r.refused(makeCall(), csta.SystemResourceAvailability, "resourceOutOfService")
	})
}

// Where the server cannot be asked, a setting says what it does.
func TestFeaturesSetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		none := func(s *fake) {
			s.answer("GetCSTAFeatures", func(csta.Message) csta.Message { return csta.Errorf(csta.Operation, "serviceNotSupported", "") })
		}
		r := newRig(t)
		r.connect(none)
		r.lost("FEATURES")
		r = newRig(t, func(s *Settings) { s.Features = "MakeCall, DeliveredEvent" })
		s := r.connect(none)
		r.events("normal")
		if n := s.count("GetCSTAFeatures"); n != 0 {
			t.Errorf("the server was asked %d times", n)
		}
		if f := r.mux.Features("A"); !f.Supports(&csta.MakeCall{}) || !f.Supports(&csta.DeliveredEvent{}) || f.Supports(&csta.AnswerCall{}) {
			t.Errorf("offered: %+v", f)
		}
		// Without snapshots events are passed on all the same.
		r.mustWatch("A")
		s.sendMessage(eventID, delivered("A-1", "A"))
		r.events("A Delivered alerting")
	})
}

// Services and refusals come back as the server wrote them.
func TestPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.connect()
		resp, err := csta.Call(t.Context(), &r.mux, makeCall())
		if err != nil || resp.CallingDevice != csta.Connection("c", "A") {
			t.Errorf("got %+v, %v", resp, err)
		}
		for _, e := range []*csta.Error{
			csta.Errorf(csta.Operation, "invalidCalledDeviceID", ""),
			csta.Errorf(csta.StateIncompatibility, "invalidCallingDeviceState", ""),
			csta.Errorf(csta.SystemResourceAvailability, "networkBusy", ""),
			csta.Errorf(csta.SubscribedResourceAvailability, "outstandingReqLimitExceeded", ""),
			csta.Errorf(csta.PerformanceManagement, "performanceLimitExceeded", ""),
			csta.Errorf(csta.Security, "securityInfoViolated", ""),
			csta.Errorf(csta.PrivateError, "4711", ""),
			csta.Errorf(csta.Unspecified, "", ""),
		} {
			s.answer("MakeCall", func(csta.Message) csta.Message { return e })
			r.refused(makeCall(), e.Class, e.Value)
		}
		// What cannot be passed on is an error, and costs no more than itself.
		s.answer("MakeCall", func(csta.Message) csta.Message { return &csta.AnswerCallResponse{} })
		r.refused(makeCall(), csta.Operation, "generic")
		for _, body := range []string{"", "not XML", "<MakeCallResponse/>", `<MakeCallResponse xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"/>`,
			`<CSTAErrorCode xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"><operation>noSuchValue</operation></CSTAErrorCode>`,
			`<NoSuchResponse xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"/>`} {
			s.answerText("MakeCall", body)
			_, err := r.mux.ServeCSTA(t.Context(), makeCall())
			if e := csta.AsError(err); e.Class != csta.Operation || e.Value != "generic" {
				t.Errorf("answered by %q: %v", body, e)
			}
		}
		s.answer("MakeCall", s.usual)
		if _, err := csta.Call(t.Context(), &r.mux, makeCall()); err != nil {
			t.Errorf("after all that: %v", err)
		}
		// Nobody knows whether an unanswered command was executed.
		s.answer("MakeCall", func(csta.Message) csta.Message { return nil })
		r.refused(makeCall(), csta.PrivateError, "uncertain")
		go func() { time.Sleep(time.Second); _ = s.nc.Close() }()
		r.refused(makeCall(), csta.PrivateError, "uncertain")
		r.refused(makeCall(), csta.SystemResourceAvailability, "resourceOutOfService")
	})
}

// Each device has one monitor, however often it is watched, and events come
// without the server's cross reference.
func TestMonitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.connect(func(s *fake) { s.call(pbx.Connected, pbx.Connected) })
		r.events("normal")
		r.mustWatch("A", "D", "A")
		if n := s.count("MonitorStart"); n != 2 {
			t.Errorf("%d monitors were started", n)
		}
		r.events() // what was there before is not news
		s.sendMessage(eventID, delivered("A-1", "A"))
		s.sendMessage(eventID, delivered("Z-9", "A"))
		s.sendMessage(eventID, delivered("D-2", "D"))
		s.sendMessage(eventID, &csta.MessageWaitingEvent{Monitored: csta.Monitored{MonitorCrossRefID: "D-2"}, TargetDevice: csta.Party("D"), MessageWaitingOn: true})
		r.events("A Delivered alerting", "D Delivered alerting", "D MessageWaiting ")
		if _, err := csta.Call(t.Context(), &r.mux, &csta.MonitorStop{MonitorCrossRefID: "A"}); err != nil {
			t.Error(err)
		}
		if n := s.count("MonitorStop"); n != 1 {
			t.Errorf("%d monitors were stopped", n)
		}
		s.sendMessage(eventID, delivered("A-1", "A"))
		r.events()
		r.refused(&csta.MonitorStop{MonitorCrossRefID: "A"}, csta.Operation, "invalidMonitorCrossRefID")
		r.refused(&csta.MonitorStart{MonitorObject: &csta.MonitorObject{CallObject: &csta.ConnectionID{CallID: "c"}}}, csta.Operation, "invalidMonitorObject")
		s.answer("MonitorStart", func(csta.Message) csta.Message { return csta.Errorf(csta.Operation, "invalidDeviceID", "") })
		if err := r.watch("X"); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidDeviceID"}) {
			t.Errorf("a device that the server does not know: %v", err)
		}
		if n := r.link.conn.droppedSoFar("event of no monitor"); n != 2 {
			t.Errorf("%d events of no monitor", n)
		}
	})
}

// A watch lasts longer than a link, and begins without one.
func TestWatchWithoutLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustWatch("A", "D")
		s := r.connect(func(s *fake) { s.call(pbx.Alerting, pbx.Connected) })
		r.mu.Lock()
		slices.Sort(r.seen) // devices are asked about at once
		r.mu.Unlock()
		r.events("A Delivered alerting", "D Delivered alerting", "normal")
		_ = s.nc.Close()
		r.lost("closed")
		if _, err := csta.Call(t.Context(), &r.mux, &csta.MonitorStop{MonitorCrossRefID: "D"}); err != nil {
			t.Error(err)
		}
		s = r.connect(func(s *fake) { s.call(pbx.Connected, pbx.Connected) })
		r.events("A Established connected", "normal")
		if n := s.count("MonitorStart"); n != 1 {
			t.Errorf("%d monitors were started", n)
		}
	})
}

// A device that the server refuses keeps nobody from the link, and is tried
// again.
func TestRefusedMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustWatch("A", "D")
		s := r.connect(func(s *fake) {
			s.answer("MonitorStart", func(req csta.Message) csta.Message {
				if req.(*csta.MonitorStart).MonitorObject.DeviceObject.ID == "D" {
					return csta.Errorf(csta.SystemResourceAvailability, "deviceOutOfService", "")
				}
				return s.usual(req)
			})
		})
		r.events("normal")
		s.answer("MonitorStart", s.usual)
		s.call(pbx.Alerting, pbx.Connected)
		time.Sleep(r.heartbeat)
		r.events("D Delivered alerting")
		if n := s.count("MonitorStart"); n != 3 {
			t.Errorf("%d monitors were started", n)
		}
	})
}

// A server that does not say whether it monitors a device has no link: its
// state would be a guess.
func TestUnansweredMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustWatch("A")
		r.connect(func(s *fake) { s.answer("MonitorStart", func(csta.Message) csta.Message { return nil }) })
		time.Sleep(r.timeout)
		r.lost("MonitorStart: no answer")
		r.events()
	})
}

// A monitor that the server ends is started again, and what happened meanwhile
// told.
func TestLostMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.connect()
		r.mustWatch("A", "D")
		r.events("normal")
		s.sendMessage(77, &csta.MonitorStop{MonitorCrossRefID: "A-1"})
		s.sendMessage(78, &csta.MonitorStop{MonitorCrossRefID: "A-1"})
		synctest.Wait()
		if len(s.replies) != 2 || !strings.Contains(s.replies[0], "77 ") || !strings.Contains(s.replies[0], "MonitorStopResponse") ||
			!strings.Contains(s.replies[1], "invalidMonitorCrossRefID") {
			t.Errorf("the server was answered %q", s.replies)
		}
		s.call(pbx.Alerting, pbx.Connected)
		s.sendMessage(eventID, delivered("A-1", "A"))
		r.events()
		time.Sleep(again)
		r.events("A Delivered alerting")
		s.sendMessage(eventID, established("A-3", "A"))
		r.events("A Established connected")
	})
}

// Events that were lost, or came broken, are made good by a snapshot.
func TestMissedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.connect()
		r.mustWatch("A")
		r.events("normal")
		s.call(pbx.Alerting, pbx.Connected)
		s.send(eventID, `<DeliveredEvent xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"><monitorCrossRefID>A-1</monitorCrossRefID>`+
			`<connection><callID>c</callID><deviceID>A</deviceID></connection></DeliveredEvent>`)
		r.events()
		time.Sleep(again)
		r.events("A Delivered alerting")
		s.call(pbx.Connected, pbx.Connected)
		s.sendMessage(eventID, &csta.SystemStatus{SystemStatus: "messagesLost"})
		time.Sleep(again)
		r.events("A Established connected")
		// What is no event that is known loses nothing.
		before := s.count("SnapshotDevice")
		for _, body := range []string{"", "not XML", "<x/>", `<NoSuchEvent xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"/>`,
			`<MakeCallResponse xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"/>`} {
			s.send(eventID, body)
		}
		time.Sleep(2 * again)
		if n := s.count("SnapshotDevice"); n != before {
			t.Errorf("%d snapshots", n-before)
		}
		if n := r.link.conn.droppedSoFar("event not known"); n != 5 {
			t.Errorf("%d events were not known", n)
		}
		_ = s.nc.Close()
		r.lost("closed")
		if log := r.logged(); !strings.Contains(log, "event not known:5") || !strings.Contains(log, "DeliveredEvent not understood:1") {
			t.Errorf("the log does not count what was dropped:\n%s", log)
		}
	})
}

// Nobody knows whether a snapshot shows an event that crossed it: another
// snapshot does. A line where events never cease is not asked for ever.
func TestCrossedSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.connect()
		r.mustWatch("A")
		r.events("normal")
		_ = s.nc.Close()
		r.lost("closed")
		shots := 0
		r.connect(func(s *fake) {
			s.answer("SnapshotDevice", func(req csta.Message) csta.Message {
				if shots++; shots == 1 {
					// The snapshot is older than the event, but comes after it.
					old := s.usual(req)
					s.call(pbx.Alerting, pbx.Connected)
					s.sendMessage(eventID, delivered("A-1", "A"))
					return old
				}
				return s.usual(req)
			})
		})
		r.events("A Delivered alerting", "normal")
		if shots != 2 {
			t.Errorf("%d snapshots were taken", shots)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustWatch("A")
		shots := 0
		r.connect(func(s *fake) {
			s.call(pbx.Alerting, pbx.Connected)
			s.answer("SnapshotDevice", func(req csta.Message) csta.Message {
				shots++
				s.sendMessage(eventID, delivered("A-1", "A"))
				return s.usual(req)
			})
		})
		r.events("A Delivered alerting", "normal")
		if shots != crossings+1 {
			t.Errorf("%d snapshots were taken", shots)
		}
	})
}

// A server that says nothing any more, or that it is out of service, has lost
// the link, however its connection looks.
func TestHeartbeat(t *testing.T) {
	status := func(value csta.SystemStatusValue) func(s *fake) {
		return func(s *fake) {
			s.answer("RequestSystemStatus", func(csta.Message) csta.Message { return &csta.RequestSystemStatusResponse{SystemStatus: value} })
		}
	}
	for _, tt := range []struct {
		name   string
		at     func(s *fake) // from the start
		after  func(s *fake) // it was normal
		within time.Duration
		want   string
	}{
		{"silent at once", func(s *fake) { s.answer("RequestSystemStatus", func(csta.Message) csta.Message { return nil }) }, nil, 5 * time.Second, "RequestSystemStatus: no answer"},
		{"silent, then", nil, func(s *fake) { s.answer("RequestSystemStatus", func(csta.Message) csta.Message { return nil }) }, 35 * time.Second, "RequestSystemStatus: no answer"},
		{"initializing", status("initializing"), nil, 0, "the server's state is initializing"},
		{"disabled, when asked", nil, status("disabled"), 30 * time.Second, "the server's state is disabled"},
		{"disabled, by itself", nil, func(s *fake) { s.sendMessage(5, &csta.SystemStatus{SystemStatus: "disabled"}) }, 0, "the server's state is disabled"},
		{"refuses", func(s *fake) {
			s.answer("RequestSystemStatus", func(csta.Message) csta.Message { return csta.Errorf(csta.Security, "generic", "") })
		}, nil, 0, "security/generic"},
		{"garbage", nil, func(s *fake) { s.raw("GET / HTTP/1.1\r\n\r\n") }, 0, "not with 0x0000"},
		{"lying length", nil, func(s *fake) { s.raw("\x00\x00\x00\x030000") }, 0, "shorter than its header"},
		{"half a frame", nil, func(s *fake) { s.raw("\x00\x00\x01\x000000<x"); s.answer("RequestSystemStatus", nil) }, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				if tt.at == nil {
					tt.at = func(*fake) {}
				}
				s := r.connect(tt.at)
				if tt.after == nil {
					time.Sleep(tt.within)
					r.lost(tt.want)
					r.events()
					return
				}
				r.events("normal")
				if tt.want == "" {
					// The rest of a frame that never comes is silence.
					s.raw("\x00\x00\x01\x000000<x")
					time.Sleep(r.heartbeat + r.timeout)
					r.lost("RequestSystemStatus: no answer")
					return
				}
				tt.after(s)
				if tt.within > 0 {
					time.Sleep(tt.within - time.Millisecond)
					synctest.Wait()
					if len(r.ended) > 0 {
						t.Error("the link was lost too early")
					}
					time.Sleep(time.Millisecond)
				}
				r.lost(tt.want)
			})
		})
	}
	// A server without the service is asked all the same: it answers.
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.connect(func(s *fake) {
			s.answer("RequestSystemStatus", func(csta.Message) csta.Message { return csta.Errorf(csta.Operation, "serviceNotSupported", "") })
		})
		r.events("normal")
		time.Sleep(10 * r.heartbeat)
		synctest.Wait()
		if n := s.count("RequestSystemStatus"); n != 11 || len(r.ended) > 0 {
			t.Errorf("%d heartbeats", n)
		}
	})
}

// The server may ask, too.
func TestServerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.connect()
		r.events("normal")
		s.sendMessage(0, &csta.RequestSystemStatus{})
		s.sendMessage(1, &csta.SystemStatus{SystemStatus: "overloadImminent"})
		s.sendMessage(2, makeCall())
		s.send(3, `<NoSuchThing xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed6"/>`)
		s.send(4, `<SystemStatus xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed6"><systemStatus>well</systemStatus></SystemStatus>`)
		s.send(5, `<Foreign xmlns="urn:x"/>`)
		synctest.Wait()
		want := []string{"RequestSystemStatusResponse", "SystemStatusResponse", "serviceNotSupported", "invalidMsgID", "invalidParameterValue", "generic"}
		if len(s.replies) != len(want) {
			t.Fatalf("answers: %q", s.replies)
		}
		for i, reply := range s.replies {
			if !strings.HasPrefix(reply, fmt.Sprint(i, " ")) || !strings.Contains(reply, want[i]) {
				t.Errorf("answer %d: %s, want %s", i, reply, want[i])
			}
		}
		if !strings.Contains(s.replies[3], "csta/ed6") || len(r.ended) > 0 {
			t.Errorf("answer in another edition: %s", s.replies[3])
		}
		r.events()
	})
}

// A context that ends leaves nothing behind, wherever the link is.
func TestRunEnds(t *testing.T) {
	for _, silent := range []string{"", "RequestSystemStatus", "GetCSTAFeatures", "MonitorStart", "SnapshotDevice"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.mustWatch("A")
			r.connect(func(s *fake) { s.answer(silent, func(csta.Message) csta.Message { return nil }) })
			r.cancel()
			r.lost("context canceled")
			r.refused(makeCall(), map[bool]csta.ErrorClass{true: csta.Operation, false: csta.SystemResourceAvailability}[r.offered.Load() == nil],
				map[bool]string{true: "serviceNotSupported", false: "resourceOutOfService"}[r.offered.Load() == nil])
		})
	}
}

// Whatever the server sends, the driver does not break.
func FuzzTake(f *testing.F) {
	for _, m := range []csta.Message{delivered("A-1", "A"), &csta.SystemStatus{SystemStatus: "messagesLost"}, &csta.MonitorStop{MonitorCrossRefID: "A-1"}, makeCall()} {
		body, err := csta.Encode(m, csta.DefaultEdition)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(1, body)
		f.Add(eventID, body)
	}
	f.Add(eventID, []byte("<ApplicationSessionTerminated><a><b>c</b></a></ApplicationSessionTerminated>"))
	f.Fuzz(func(t *testing.T, id int, body []byte) {
		if id < 0 || id > eventID {
			return
		}
		d, err := New(usual(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		d.offered.Store(&csta.GetCSTAFeaturesResponse{})
		p, nc := newPeer(t)
		w := &watched{device: "A", told: pbx.NewTold("A", "A"), monitor: "A-1"}
		d.devices["A"] = w
		l := &link{Driver: d, conn: newConn(nc, time.Second), monitors: map[string]*watched{"A-1": w}, lost: make(chan struct{}, 1)}
		l.emit = func(device string, msg csta.Message) {
			if ev, ok := msg.(csta.Event); !ok || device != "A" || *ev.CrossRef() != "" || csta.Check(msg) != nil {
				t.Errorf("emitted %s %+v", device, msg)
			}
		}
		answered := make(chan bool)
		go func() {
			_, err := readFrame(p.in)
			answered <- err == nil
		}()
		l.take(id, rootName(body), body)
		l.conn.fail(errors.New("done"))
		if <-answered && id == eventID {
			t.Error("an event was answered")
		}
		// One reason for each kind of message, whatever is in it.
		for reason := range maps.Keys(l.conn.dropped) {
			if len(reason) > 64 {
				t.Errorf("counted: %q", reason)
			}
		}
	})
}
