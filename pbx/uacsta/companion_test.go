package uacsta_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
	"rccgw/pbx/sim/simtest"
)

// atPhones is what the PBX of these tests does not offer.
var atPhones = []csta.Message{&csta.AnswerCall{}, &csta.HoldCall{}, &csta.RetrieveCall{}, &csta.ClearConnection{}}

// A lacking is a PBX that does not offer what is done at its phones. What it tells, the
// phones see too.
type lacking struct {
	*sim.Sim
	phones *phones
}

func (l *lacking) Services(m *csta.Mux) {
	all := &l.phones.all
	for _, msg := range csta.Messages() {
		if ev, ok := msg.(csta.Event); ok {
			if all.Reported(ev) {
				csta.ReportsIf(m, ev, func(device string) bool { return all.ReportedOf(ev, device) })
			}
			continue
		}
		lacks := slices.ContainsFunc(atPhones, func(x csta.Message) bool { return csta.Name(x) == csta.Name(msg) })
		if all.Registered(msg) && !lacks {
			csta.Pass(m, msg, all.ServeCSTA, func(device string) bool { return all.Offers(msg, device) })
		}
	}
}

func (l *lacking) Run(ctx context.Context, emit pbx.Emit) error {
	return l.Sim.Run(ctx, func(device string, msg csta.Message) {
		if ev, ok := msg.(csta.Event); ok && device != "" {
			l.phones.tell(device, csta.Clone(ev))
		}
		emit(device, msg)
	})
}

// phones are the phones of a simulated PBX, as they would tell of themselves: each has
// callIDs of its own.
type phones struct {
	all      csta.Mux // of the PBX
	snapshot bool     // they have SnapshotDevice

	mu    sync.Mutex
	emit  pbx.Emit
	asked map[string]int
}

func newPhones(s *sim.Sim, snapshot bool) *phones {
	p := &phones{snapshot: snapshot, asked: map[string]int{}}
	s.Services(&p.all)
	return p
}

func (p *phones) Services(m *csta.Mux) {
	for _, msg := range atPhones {
		csta.Pass(m, msg, func(ctx context.Context, req csta.Message) (csta.Message, error) {
			p.mu.Lock()
			p.asked[csta.Name(req)]++
			p.mu.Unlock()
			device, ok := csta.Subject(req), true
			csta.Connections(req, func(c *csta.ConnectionID) { c.CallID, ok = strings.CutPrefix(c.CallID, "phone-"+device+"-") })
			if !ok {
				return nil, csta.Errorf(csta.Operation, "invalidConnectionID", "not one of the phone's")
			}
			return p.all.ServeCSTA(ctx, req)
		})
	}
	if p.snapshot {
		csta.Handle(m, func(ctx context.Context, req *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
			r, err := csta.Call(ctx, &p.all, req)
			if err == nil {
				rename(req.SnapshotObject.ID, r)
			}
			return r, err
		})
	}
	csta.Reports(m, &csta.OriginatedEvent{}, &csta.DeliveredEvent{}, &csta.EstablishedEvent{}, &csta.HeldEvent{}, &csta.RetrievedEvent{}, &csta.ConnectionClearedEvent{},
		&csta.ServiceInitiatedEvent{}, &csta.DivertedEvent{}, &csta.FailedEvent{}, &csta.TransferedEvent{}, &csta.ConferencedEvent{})
}

func rename(device string, m csta.Message) {
	csta.Connections(m, func(c *csta.ConnectionID) {
		if c.CallID != "" {
			c.CallID = "phone-" + device + "-" + c.CallID
		}
	})
}

func (p *phones) tell(device string, ev csta.Event) {
	rename(device, ev)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.emit != nil {
		p.emit(device, ev)
	}
}

func (p *phones) Run(ctx context.Context, emit pbx.Emit) error {
	p.mu.Lock()
	p.emit = emit
	p.mu.Unlock()
	emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
	<-ctx.Done()
	p.mu.Lock()
	p.emit = nil
	p.mu.Unlock()
	return ctx.Err()
}

func (p *phones) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[name]
}

// withPhones returns a PBX that lacks what its phones offer, which speak uaCSTA.
func withPhones(t *testing.T, snapshot bool) (*sim.Sim, *phones, *pbx.Companion) {
	t.Helper()
	s := simtest.New(t)
	p := newPhones(s, snapshot)
	u := newUpstream(t, p, "tcp", nil, "")
	c := pbx.NewCompanion(&lacking{s, p}, newDriver(t, u.settings()), slog.New(slog.NewTextHandler(t.Output(), nil)))
	return s, p, c
}

// The suite, on a PBX that does not answer, hold, retrieve and clear by itself.
func TestCompanion(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s, _, c := withPhones(t, true)
		var f pbxtest.Fan
		m := pbxtest.Start(t, c, f.Emit)
		b := simtest.Bench(s, func(device string) *pbxtest.Line {
			monitor(t, m, device)
			snapshot(t, m, device)
			return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device), Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
		})
		b.Cut, b.Restore = nil, nil
		b.Lacks = map[pbxtest.Ability]string{pbxtest.Link: "the phones of this bench are lost with the link to its PBX"}
		return b
	})
}

// Without its phone a line goes on being told of, and is refused what the phone would
// do.
func TestCompanionWithoutPhone(t *testing.T) {
	s := simtest.New(t)
	p := newPhones(s, true)
	u := newUpstream(t, p, "tcp", nil, "")
	seen := newTally()
	m := pbxtest.Start(t, pbx.NewCompanion(&lacking{s, p}, newDriver(t, u.settings()), slog.New(slog.NewTextHandler(t.Output(), nil))), seen.emit)
	monitor(t, m, "1002")
	snapshot(t, m, "1002")
	u.stop(false)
	if err := s.Phone("1001").Dial("1002"); err != nil {
		t.Fatal(err)
	}
	seen.until(t, "1002 DeliveredEvent", 1)
	call := snapshot(t, m, "1002").Connections()[0].ConnectionIdentifier
	answer := &csta.AnswerCall{CallToBeAnswered: call}
	until(t, "the phone is known to be lost", func() bool {
		_, err := m.ServeCSTA(t.Context(), csta.Clone(answer))
		return errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"})
	})
	u.start()
	until(t, "the phone is back", func() bool {
		_, err := m.ServeCSTA(t.Context(), csta.Clone(answer))
		return err == nil
	})
	seen.until(t, "1002 EstablishedEvent", 1)
	if seen.count("1002 OutOfServiceEvent") > 0 || seen.count("disabled") > 0 || p.count("AnswerCall") != 1 {
		t.Errorf("told: %v; the phone was asked %d times", seen.all(), p.count("AnswerCall"))
	}
}

// A phone without SnapshotDevice is known by its events. A command is asked once, of the
// phone's own call.
func TestCompanionByEvents(t *testing.T) {
	s, p, c := withPhones(t, false)
	seen := newTally()
	m := pbxtest.Start(t, c, seen.emit)
	for _, device := range []string{"1001", "1002"} {
		monitor(t, m, device)
		snapshot(t, m, device)
		if f := m.Features(device); !f.Supports(&csta.AnswerCall{}) {
			t.Fatalf("%s is not offered what its phone offers", device)
		}
	}
	if err := s.Phone("1001").Dial("1002"); err != nil {
		t.Fatal(err)
	}
	seen.until(t, "1002 DeliveredEvent", 1)
	call := snapshot(t, m, "1002").Connections()[0].ConnectionIdentifier
	for _, step := range []struct {
		req  csta.Message
		told string
	}{
		{&csta.AnswerCall{CallToBeAnswered: call}, "1002 EstablishedEvent"},
		{&csta.HoldCall{CallToBeHeld: call}, "1002 HeldEvent"},
		{&csta.RetrieveCall{CallToBeRetrieved: call}, "1002 RetrievedEvent"},
		{&csta.ClearConnection{ConnectionToBeCleared: call}, "1002 ConnectionClearedEvent"},
	} {
		// The phone's word of what was before may come later than the PBX's.
		until(t, csta.Name(step.req), func() bool {
			_, err := m.ServeCSTA(t.Context(), csta.Clone(step.req))
			if err != nil && !errors.Is(err, &csta.Error{Class: csta.StateIncompatibility, Value: "invalidConnectionState"}) {
				t.Fatal(err)
			}
			return err == nil
		})
		seen.until(t, step.told, 1)
		if n := p.count(csta.Name(step.req)); n != 1 {
			t.Errorf("%s was asked %d times", csta.Name(step.req), n)
		}
	}
	for _, what := range seen.all() {
		if strings.Count(what, "DeliveredEvent") > 0 && seen.count(what) > 1 {
			t.Errorf("%s was told %d times", what, seen.count(what))
		}
	}
}
