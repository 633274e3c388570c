package uacsta_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
	"rccgw/pbx/sim/simtest"
	"rccgw/pbx/uacsta"
)

// A rig is a driver in front of a gateway in front of a simulated PBX.
type rig struct {
	*testing.T
	sim  *sim.Sim
	up   *upstream
	mux  *csta.Mux
	seen *tally
}

func newRig(t *testing.T, network string, tune ...func(u *upstream, s *uacsta.Settings)) *rig {
	t.Helper()
	r := &rig{T: t, sim: simtest.New(t), seen: newTally()}
	r.up = newUpstream(t, r.sim, network, nil, "")
	set := r.up.settings()
	for _, f := range tune {
		f(r.up, &set)
	}
	r.mux = pbxtest.Start(t, newDriver(t, set), r.seen.emit)
	return r
}

func (r *rig) hand(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// watch watches a line, and waits until the other end does.
func (r *rig) watch(device string) {
	r.Helper()
	monitor(r, r.mux, device)
	snapshot(r, r.mux, device)
}

// refused asks, and checks why that is refused.
func (r *rig) refused(req csta.Message, class csta.ErrorClass, value string) {
	r.Helper()
	_, err := r.mux.ServeCSTA(r.Context(), req)
	if want := (&csta.Error{Class: class, Value: value}); !errors.Is(err, want) {
		r.Errorf("%s: %v, want %v", csta.Name(req), err, want)
	}
}

func call(from, to string) *csta.MakeCall {
	return &csta.MakeCall{CallingDevice: csta.Device(from), CalledDirectoryNumber: csta.Device(to), AutoOriginate: "doNotPrompt"}
}

// Nothing is opened that nobody needs, a line's one dialog serves all who do, and when
// nobody has for a while it is closed.
func TestLazily(t *testing.T) {
	r := newRig(t, "tcp", func(u *upstream, s *uacsta.Settings) { s.Idle, u.limit = "1s", 1 })
	if r.up.opened != 0 {
		t.Fatalf("%d dialogs before any is needed", r.up.opened)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := csta.Call(t.Context(), r.mux, &csta.SnapshotDevice{SnapshotObject: csta.Device("1001")}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r.watch("1002")
	if r.up.most != 1 || r.up.opened != 2 || r.up.count("tel:1001") != 1 {
		t.Errorf("%d dialogs were opened, %d of one line at a time", r.up.opened, r.up.most)
	}
	until(t, "the idle dialog is closed", func() bool { return r.up.count("tel:1001") == 0 })
	if r.up.count("tel:1002") != 1 {
		t.Error("a watched line's dialog was closed")
	}
	snapshot(t, r.mux, "1001")
	if _, err := csta.Call(t.Context(), r.mux, &csta.MonitorStop{MonitorCrossRefID: "1002"}); err != nil {
		t.Error(err)
	}
	until(t, "nobody watches any more", func() bool { return r.up.count("tel:1002") == 0 })
	if n := r.up.requests("MonitorStop"); n != 1 {
		t.Errorf("%d monitors were stopped", n)
	}
	if r.seen.count("1002 OutOfServiceEvent") > 0 {
		t.Error("a line that nobody needs was told to be out of service")
	}
}

// A line is what the other end offers for it, and is not known before.
func TestFeaturesByLine(t *testing.T) {
	r := newRig(t, "tcp")
	for _, device := range []string{"1001", "1006"} {
		snapshot(t, r.mux, device)
	}
	accept := func(device string) *csta.AcceptCall {
		return &csta.AcceptCall{CallToBeAccepted: csta.Connection("none", device)}
	}
	if r.mux.Features("1001").Supports(&csta.AcceptCall{}) || !r.mux.Features("1006").Supports(&csta.AcceptCall{}) {
		t.Error("AcceptCall is not offered as the other end does")
	}
	r.refused(accept("1001"), csta.Operation, "serviceNotSupported")
	r.refused(accept("1006"), csta.Operation, "invalidConnectionID")
	r.refused(accept("1002"), csta.Operation, "serviceNotSupported") // its dialog is opened for it
	if n := r.up.requests("AcceptCall"); n != 1 {
		t.Errorf("AcceptCall was asked %d times", n)
	}
	if r.mux.Features("1003").Supports(&csta.DeliveredEvent{}) {
		t.Error("events are offered of a line of which nothing is known")
	}
}

// A dialog that the other end ends is opened again. The line is out of service
// meanwhile, and what has happened is told when it is back.
func TestBYE(t *testing.T) {
	r := newRig(t, "tcp")
	r.watch("1001")
	r.watch("1002")
	r.hand(r.sim.Phone("1001").Dial("1002"))
	r.seen.until(t, "1002 DeliveredEvent", 1)
	gate := make(chan struct{})
	r.up.serveBefore(func(_ context.Context, d *cstasip.Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.GetCSTAFeatures); ok && d.Line == "tel:1002" {
			<-gate
		}
		return nil, nil
	})
	r.up.each("tel:1002", func(d *cstasip.Dialog) { d.End(errors.New("enough")) })
	r.seen.until(t, "1002 OutOfServiceEvent", 1)
	r.refused(call("1002", "1003"), csta.SystemResourceAvailability, "resourceOutOfService")
	r.hand(r.sim.Phone("1002").Answer())
	r.seen.until(t, "1001 EstablishedEvent", 1)
	close(gate)
	r.seen.until(t, "1002 EstablishedEvent", 1)
	list := r.seen.all()
	if out, back, told := slices.Index(list, "1002 OutOfServiceEvent"), slices.Index(list, "1002 BackInServiceEvent"), slices.Index(list, "1002 EstablishedEvent"); out < 0 || back < out || told < back {
		t.Errorf("told: %v", list)
	}
	if r.seen.count("1001 OutOfServiceEvent") > 0 || r.seen.count("disabled") > 0 {
		t.Error("the end of one dialog is not that of others")
	}
	if n := r.up.requests("MakeCall"); n > 0 {
		t.Errorf("MakeCall was asked %d times", n)
	}
}

// What happened behind a lost connection is told; an end that has one dialog for each
// line is told that the one before has ended.
func TestConnectionLost(t *testing.T) {
	r := newRig(t, "tcp", func(u *upstream, s *uacsta.Settings) { u.limit = 1 })
	r.watch("1001")
	r.watch("1002")
	snapshot(t, r.mux, "1003") // nobody watches it
	for n := 1; n <= 3; n++ {
		lost := r.seen.count("disabled")
		r.up.way.Cut()
		r.seen.until(t, "disabled", lost+1)
		r.refused(call("1001", "1003"), csta.SystemResourceAvailability, "resourceOutOfService")
		r.hand(r.sim.Phone("1001").Dial("1002"))
		r.up.way.Mend()
		r.seen.until(t, "1002 DeliveredEvent", n)
		r.seen.until(t, "normal", n+1)
		r.hand(r.sim.Phone("1001").HangUp())
		r.seen.until(t, "1002 ConnectionClearedEvent", n)
		until(t, "who is not watched can be asked", func() bool { return snapshotError(r.mux, "1003") == nil })
	}
	if r.up.most != 1 {
		t.Errorf("a line had %d dialogs at a time", r.up.most)
	}
}

// The gateway is killed and comes back without its dialogs.
func TestRestart(t *testing.T) {
	r := newRig(t, "tcp")
	r.watch("1001")
	r.watch("1002")
	r.hand(r.sim.Phone("1001").Dial("1002"))
	r.seen.until(t, "1002 DeliveredEvent", 1)
	r.up.stop(false)
	r.seen.until(t, "disabled", 1)
	r.hand(r.sim.Phone("1002").Answer())
	r.up.start()
	r.seen.until(t, "1002 EstablishedEvent", 1)
	r.seen.until(t, "normal", 2)
	if n := r.seen.count("1002 DeliveredEvent"); n != 1 {
		t.Errorf("what was told is told again: %v", r.seen.all())
	}
}

// Over UDP nothing tells that the other end has forgotten its dialogs but the
// heartbeat.
func TestRestartUDP(t *testing.T) {
	r := newRig(t, "udp", func(_ *upstream, s *uacsta.Settings) { s.Heartbeat, s.Timeout = "1s", "1s" })
	r.watch("1001")
	r.up.stop(false)
	r.up.start()
	r.seen.until(t, "1001 OutOfServiceEvent", 1)
	r.hand(r.sim.Phone("1002").Dial("1001"))
	r.seen.until(t, "1001 DeliveredEvent", 1)
	r.seen.until(t, "1001 BackInServiceEvent", 1)
}

// A connection that stands and lets nothing through is noticed by the heartbeat.
func TestSilence(t *testing.T) {
	r := newRig(t, "tcp", func(_ *upstream, s *uacsta.Settings) { s.Heartbeat, s.Timeout = "1s", "300ms" })
	r.watch("1001")
	r.up.way.Forget()
	r.seen.until(t, "1001 OutOfServiceEvent", 1)
	r.refused(call("1001", "1002"), csta.SystemResourceAvailability, "resourceOutOfService")
	r.seen.until(t, "1001 BackInServiceEvent", 1)
	snapshot(t, r.mux, "1001")
}

// What a command is answered with, and that it is asked once. A dialog in which
// something was not answered is looked at, and opened again where it is dead.
func TestAnswers(t *testing.T) {
	r := newRig(t, "tcp", func(_ *upstream, s *uacsta.Settings) { s.Timeout = "500ms" })
	r.watch("1001")
	var asked atomic.Int32
	answers := func(err error, wait time.Duration) {
		asked.Store(0)
		r.up.serveBefore(func(ctx context.Context, _ *cstasip.Dialog, req csta.Message) (csta.Message, error) {
			if _, ok := req.(*csta.MakeCall); !ok {
				return nil, nil
			}
			asked.Add(1)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			return nil, err
		})
	}
	for status, want := range map[int]string{
		400: "operation/generic", 403: "operation/privilegeViolationSpecifiedDevice", 404: "operation/generic", 405: "operation/serviceNotSupported",
		408: "privateErrorCode/uncertain", 480: "systemResourceAvailibility/resourceOutOfService", 486: "systemResourceAvailibility/resourceOutOfService",
		488: "operation/generic", 500: "privateErrorCode/uncertain", 501: "operation/serviceNotSupported", 503: "systemResourceAvailibility/resourceOutOfService",
		504: "privateErrorCode/uncertain", 603: "operation/generic",
	} {
		answers(&cstasip.Refusal{Status: status}, 0)
		class, value, _ := strings.Cut(want, "/")
		until(t, "the line is there", func() bool { return snapshotError(r.mux, "1001") == nil })
		r.refused(call("1001", "1002"), csta.ErrorClass(class), value)
		if asked.Load() != 1 {
			t.Errorf("%d: asked %d times", status, asked.Load())
		}
	}
	answers(csta.Errorf(csta.StateIncompatibility, "invalidObjectState", "busy"), 0)
	r.refused(call("1001", "1002"), csta.StateIncompatibility, "invalidObjectState")

	before := r.seen.count("1001 OutOfServiceEvent")
	answers(&cstasip.Refusal{Status: 400}, 4*time.Second)
	r.refused(call("1001", "1002"), csta.PrivateError, "uncertain")
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	r.seen.until(t, "1001 OutOfServiceEvent", before+1) // it answers nothing in that dialog
	r.up.serveBefore(nil)
	r.seen.until(t, "1001 BackInServiceEvent", before+1)
	if _, err := r.mux.ServeCSTA(t.Context(), call("1001", "1002")); err != nil {
		t.Error(err)
	}
}

// The other end breaks off in the middle of a command: it is not asked again.
func TestLostInCommand(t *testing.T) {
	for _, how := range []string{"connection", "BYE"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, "tcp")
			r.watch("1001")
			var asked atomic.Int32
			r.up.serveBefore(func(ctx context.Context, d *cstasip.Dialog, req csta.Message) (csta.Message, error) {
				if _, ok := req.(*csta.MakeCall); !ok {
					return nil, nil
				}
				if asked.Add(1) == 1 {
					if how == "BYE" {
						d.End(errors.New("enough"))
						<-ctx.Done()
					} else {
						r.up.way.Cut()
						r.up.way.Mend()
					}
				}
				return nil, csta.Errorf(csta.Operation, "generic", "nobody hears this")
			})
			r.refused(call("1001", "1002"), csta.PrivateError, "uncertain")
			until(t, "the line is back", func() bool { return snapshotError(r.mux, "1001") == nil })
			if asked.Load() != 1 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

// A slow end is waited for: the suite's ordinary call, where each answer takes a while.
func TestSlow(t *testing.T) {
	r := newRig(t, "tcp")
	r.up.serveBefore(func(context.Context, *cstasip.Dialog, csta.Message) (csta.Message, error) {
		time.Sleep(100 * time.Millisecond)
		return nil, nil
	})
	r.watch("1001")
	r.watch("1002")
	resp, err := csta.Call(t.Context(), r.mux, call("1001", "1002"))
	r.hand(err)
	r.seen.until(t, "1002 DeliveredEvent", 1)
	_, err = csta.Call(t.Context(), r.mux, &csta.AnswerCall{CallToBeAnswered: csta.Connection(resp.CallingDevice.CallID, "1002")})
	r.hand(err)
	r.seen.until(t, "1001 EstablishedEvent", 1)
}

// A monitor that the other end stops is started again, and what it would have told is
// told.
func TestMonitorStopped(t *testing.T) {
	r := newRig(t, "tcp")
	r.watch("1001")
	gate := make(chan struct{})
	r.up.serveBefore(func(_ context.Context, _ *cstasip.Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.MonitorStart); ok {
			<-gate
		}
		return nil, nil
	})
	r.up.each("tel:1001", func(d *cstasip.Dialog) { _ = d.Send(&csta.MonitorStop{MonitorCrossRefID: "1"}) })
	until(t, "the monitor is started again", func() bool { return r.up.requests("MonitorStart") == 2 })
	close(gate)
	until(t, "stock is taken", func() bool { return r.up.requests("SnapshotDevice") >= 5 })
	r.hand(r.sim.Phone("1002").Dial("1001"))
	r.seen.until(t, "1001 DeliveredEvent", 1)
}

// Where no snapshot can be had, nothing is made up: the line was out of service, and of
// its calls the next event tells.
func TestNoSnapshot(t *testing.T) {
	r := newRig(t, "tcp")
	r.up.serveBefore(func(_ context.Context, _ *cstasip.Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.GetCSTAFeatures); !ok {
			return nil, nil
		}
		f, _ := csta.FeaturesOf("MakeCall,DeliveredEvent,EstablishedEvent,ConnectionClearedEvent,OriginatedEvent")
		return f, nil
	})
	monitor(t, r.mux, "1002")
	r.refused(&csta.SnapshotDevice{SnapshotObject: csta.Device("1002")}, csta.Operation, "serviceNotSupported")
	r.hand(r.sim.Phone("1001").Dial("1002"))
	r.seen.until(t, "1002 DeliveredEvent", 1)
	r.up.each("tel:1002", func(d *cstasip.Dialog) { d.End(errors.New("enough")) })
	r.seen.until(t, "1002 BackInServiceEvent", 1)
	r.hand(r.sim.Phone("1002").Answer())
	r.seen.until(t, "1002 EstablishedEvent", 1)
	if list := r.seen.all(); !slices.Equal(list, []string{"normal", "1002 DeliveredEvent", "1002 OutOfServiceEvent", "1002 BackInServiceEvent", "1002 EstablishedEvent"}) {
		t.Errorf("told: %v", list)
	}
}

// Lines that are not there are refused as such, and one too many as that.
func TestRefusedLines(t *testing.T) {
	r := newRig(t, "tcp", func(_ *upstream, s *uacsta.Settings) { s.MaxLines, s.Retry, s.RetryMax = "2", "1m", "1m" })
	r.refused(&csta.SnapshotDevice{SnapshotObject: csta.Device("1099")}, csta.Operation, "invalidDeviceID")
	r.refused(&csta.SnapshotDevice{SnapshotObject: csta.Device("10;01")}, csta.Operation, "invalidDeviceID")
	snapshot(t, r.mux, "1001")
	r.refused(&csta.SnapshotDevice{SnapshotObject: csta.Device("1002")}, csta.SystemResourceAvailability, "resourceLimitExceeded")
	r.refused(call("1001", "10x"), csta.Operation, "invalidCalledDeviceID")
	if n := r.up.requests("MakeCall"); n > 0 {
		t.Errorf("MakeCall was asked %d times", n)
	}
}

// A line that cannot be had when it is begun to be watched is told to be out of service.
func TestWatchedInVain(t *testing.T) {
	r := newRig(t, "tcp")
	monitor(t, r.mux, "1099")
	r.seen.until(t, "1099 OutOfServiceEvent", 1)
	r.refused(&csta.SnapshotDevice{SnapshotObject: csta.Device("1099")}, csta.Operation, "invalidDeviceID")
}

// A line that is refused for a time is not asked for before that is over.
func TestRetryAfter(t *testing.T) {
	r := newRig(t, "tcp", func(_ *upstream, s *uacsta.Settings) { s.RetryMax = "5s" })
	r.up.mu.Lock()
	r.up.refusal = &cstasip.Refusal{Status: 503, RetryAfter: time.Second}
	r.up.mu.Unlock()
	begin := time.Now()
	monitor(t, r.mux, "1001")
	r.seen.until(t, "1001 BackInServiceEvent", 1)
	if took := time.Since(begin); took < time.Second || r.up.opened != 2 {
		t.Errorf("opened the %d. time after %v", r.up.opened, took)
	}
}

// Many lines do not reach the other end at once, and a link that is lost opens them in
// the same way again.
func TestPace(t *testing.T) {
	const lines, rate = 6, 20
	r := newRig(t, "tcp", func(_ *upstream, s *uacsta.Settings) { s.OpenRate = fmt.Sprint(rate) })
	begin := time.Now()
	for _, device := range simtest.Devices[:lines] {
		monitor(t, r.mux, device)
	}
	until(t, "all lines are open", func() bool { return r.up.requests("GetCSTAFeatures") == lines })
	if took, least := time.Since(begin), (lines-1)*time.Second/rate; took < least {
		t.Errorf("%d lines were opened in %v, which is less than %v", lines, took, least)
	}
	begin = time.Now()
	r.up.way.Cut()
	r.seen.until(t, "disabled", 1)
	r.up.way.Mend()
	r.seen.until(t, "normal", 2)
	if took, least := time.Since(begin), (lines-1)*time.Second/rate; took < least {
		t.Errorf("%d lines were opened again in %v, which is less than %v", lines, took, least)
	}
	for _, device := range simtest.Devices[:lines] {
		if r.seen.count(device+" OutOfServiceEvent") > 0 {
			t.Errorf("%s was opened in time, and told to be out of service", device)
		}
	}
}

// Nothing is written for a command without the lease.
func TestLease(t *testing.T) {
	r := newRig(t, "tcp")
	r.watch("1001")
	_, err := r.mux.ServeCSTA(pbx.WithLease(t.Context(), func() bool { return false }), call("1001", "1002"))
	if !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
		t.Error(err)
	}
	if n := r.up.requests("MakeCall"); n > 0 {
		t.Errorf("MakeCall was asked %d times", n)
	}
}

// When the driver ends, so do its dialogs.
func TestEnd(t *testing.T) {
	s := simtest.New(t)
	u := newUpstream(t, s, "tcp", nil, "")
	d := newDriver(t, u.settings())
	m, seen := new(csta.Mux), newTally()
	d.Services(m)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, seen.emit) }()
	seen.until(t, "normal", 1)
	for _, device := range simtest.Devices {
		monitor(t, m, device)
		snapshot(t, m, device)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, device := range simtest.Devices {
		until(t, device+" has no dialog", func() bool { return u.count("tel:"+device) == 0 })
	}
	for _, why := range u.ends {
		if !errors.Is(why, cstasip.ErrBye) {
			t.Errorf("a dialog ended with %v", why)
		}
	}
	if _, err := m.ServeCSTA(t.Context(), call("1001", "1002")); !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
		t.Error(err)
	}
}

// An end that asks for a password is shown it; with a wrong one no line is reached.
func TestPassword(t *testing.T) {
	u := newUpstream(t, simtest.New(t), "tcp", nil, "")
	u.stop(true)
	u.auth = &cstasip.Auth{Dialogs: true, Users: map[string]cstasip.Credential{"gateway": {Password: "s<&>t"}}}
	u.start()
	for _, password := range []string{"s<&>t", "guess"} {
		set := u.settings()
		set.User, set.Secret = "gateway", password
		err := snapshotError(pbxtest.Start(t, newDriver(t, set), newTally().emit), "1001")
		if password == "guess" {
			if !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
				t.Errorf("a wrong password: %v", err)
			}
		} else if err != nil {
			t.Error(err)
		}
	}
}

// Desk phones: each line has an address of its own. One that dies is one line that is
// out of service.
func TestAddressPerLine(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			one, two := newUpstream(t, simtest.New(t), network, nil, ""), newUpstream(t, simtest.New(t), network, nil, "")
			set := one.settings()
			set.Addresses, set.Address = "1001="+set.Address+", 1002="+two.settings().Address, ""
			set.Heartbeat, set.Timeout = "1s", "500ms"
			seen := newTally()
			m := pbxtest.Start(t, newDriver(t, set), seen.emit)
			for _, device := range []string{"1001", "1002"} {
				monitor(t, m, device)
				snapshot(t, m, device)
			}
			if one.count("tel:1001") != 1 || one.count("tel:1002") != 0 || two.count("tel:1001") != 0 || two.count("tel:1002") != 1 {
				t.Error("the dialogs are not where the lines are")
			}
			if err := snapshotError(m, "1003"); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidDeviceID"}) {
				t.Errorf("a line without an address: %v", err)
			}
			two.stop(false)
			seen.until(t, "1002 OutOfServiceEvent", 1)
			snapshot(t, m, "1001")
			two.start()
			seen.until(t, "1002 BackInServiceEvent", 1)
			if seen.count("disabled") > 0 || seen.count("1001 OutOfServiceEvent") > 0 {
				t.Errorf("told: %v", seen.all())
			}
		})
	}
}
