package uacsta_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rccgw/bus/bustest"
	"rccgw/csta"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim/simtest"
	"rccgw/pbx/uacsta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench returns a bench of the PBX behind the gateway, with lines as line makes them.
func bench(b *pbxtest.Bench) *pbxtest.Bench {
	// What the driver does not see, or does not make good after a lost dialog; the
	// README says so.
	for _, l := range append(b.Lines, b.Impatient, b.Offered) {
		l.Person.Message = nil
		watch := l.Watch
		l.Watch = func(w pbxtest.Watcher) func() { return watch(&inService{w: w, link: true, service: true}) }
	}
	b.Lacks = map[pbxtest.Ability]string{
		pbxtest.LinkWaiting: "a line's snapshot does not show who has left an orbit or a queue",
		pbxtest.VoiceMail:   "message waiting is not asked for after a lost dialog",
	}
	return b
}

// inService is a watcher to whom a line that is out of service is one whose link is
// lost.
type inService struct {
	w             pbxtest.Watcher
	link, service bool
}

func (s *inService) Event(ev csta.Event) {
	switch ev.(type) {
	case *csta.OutOfServiceEvent:
		s.service = false
	case *csta.BackInServiceEvent:
		s.service = true
	default:
		s.w.Event(ev)
		return
	}
	s.w.Link(s.link && s.service)
}

func (s *inService) Link(up bool) {
	s.link = up
	s.w.Link(s.link && s.service)
}

func monitor(t testing.TB, m *csta.Mux, device string) {
	t.Helper()
	if _, err := csta.Call(t.Context(), m, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(device)}}); err != nil {
		t.Fatal(err)
	}
}

// snapshotError asks for a snapshot, and returns why there is none.
func snapshotError(m csta.Handler, device string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	_, err := csta.Call(ctx, m, &csta.SnapshotDevice{SnapshotObject: csta.Device(device)})
	return err
}

// snapshot opens the line's dialog, and shows that it is open.
func snapshot(t testing.TB, m csta.Handler, device string) *csta.SnapshotDeviceResponse {
	t.Helper()
	r, err := csta.Call(t.Context(), m, &csta.SnapshotDevice{SnapshotObject: csta.Device(device)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// direct returns the bench of a driver with the settings, without a bus.
func direct(t *testing.T, set uacsta.Settings, make func(line func(device string) *pbxtest.Line) *pbxtest.Bench) *pbxtest.Bench {
	var f pbxtest.Fan
	m := pbxtest.Start(t, newDriver(t, set), f.Emit)
	for _, device := range simtest.Devices {
		monitor(t, m, device)
	}
	return bench(make(func(device string) *pbxtest.Line {
		snapshot(t, m, device)
		return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device), Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
	}))
}

// The suite, through dialogs over one TCP connection to a gateway. What is cut is the
// gateway's link to its PBX: the lines are out of service.
func TestTCP(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := simtest.New(t)
		u := newUpstream(t, s, "tcp", nil, "")
		return direct(t, u.settings(), func(line func(string) *pbxtest.Line) *pbxtest.Bench { return simtest.Bench(s, line) })
	})
}

// The suite, from the bus to the gateway. What is cut is the connection to the gateway.
func TestOverBus(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := simtest.New(t)
		u := newUpstream(t, s, "tcp", nil, "")
		b := simtest.Bench(s, bustest.Lines(t, newDriver(t, u.settings())))
		b.Cut, b.Restore = u.way.Cut, u.way.Mend
		return bench(b)
	})
}
