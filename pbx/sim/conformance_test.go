package sim_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
)

const impatient, offered = "1005", "1006"

// newSim returns a PBX with six phones, of which one rings for a moment only
// and one is offered its calls.
func newSim(t *testing.T) *sim.Sim {
	devices := sim.DefaultDevices()[:6]
	for i := range devices {
		devices[i].PickupGroup = "70"
	}
	devices[4].RingTime, devices[4].ParkTime = 50*time.Millisecond, 50*time.Millisecond
	devices[5].Offers = true
	s, err := sim.New(sim.Config{Devices: devices, Queues: []sim.Queue{{Number: "600", Members: []string{"1003", "1004"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bench returns a bench of the PBX, with lines as newLine makes them.
func bench(s *sim.Sim, newLine func(device string) *pbxtest.Line) *pbxtest.Bench {
	line := func(device string) *pbxtest.Line {
		l, h := newLine(device), s.Phone(device)
		l.Person = pbxtest.Person{Lift: h.Lift, Dial: h.Dial, Answer: h.Answer, HangUp: h.HangUp, Hold: h.Hold, Retrieve: h.Retrieve,
			Transfer: h.Transfer, Conference: h.Conference, Park: h.Park, PickUp: h.PickUp, Press: h.Press, Heard: h.Heard,
			SetForwarding: h.SetForwarding, SetDoNotDisturb: h.SetDoNotDisturb, Message: h.Message}
		return l
	}
	b := &pbxtest.Bench{Busy: "602", Unknown: "1099", Cut: s.Cut, Restore: s.Restore, Calls: s.Calls, Impatient: line(impatient), Offered: line(offered),
		Orbit: "#900", PickupGroup: "70", Queue: "600"}
	for _, device := range []string{"1001", "1002", "1003", "1004"} {
		b.Lines = append(b.Lines, line(device))
	}
	o := s.Outside("6135550100")
	call := func(number string, from ...csta.ExtendedDeviceID) error {
		_, err := o.Call(number, from...)
		return err
	}
	b.Outside = &pbxtest.Outside{Number: "96135550100", Shown: "6135550100", Person: pbxtest.Person{Answer: o.Answer, HangUp: o.HangUp},
		Call:         func(number string) error { return call(number) },
		CallWithheld: func(number string) error { return call(number, csta.Restricted()) }}
	return b
}

// start runs f until the test is over.
func start(t *testing.T, f func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = f(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

var fast = pbx.Backoff{Min: time.Millisecond, Max: time.Millisecond}

func TestDriver(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := newSim(t)
		var m csta.Mux
		s.Services(&m)
		var f pbxtest.Fan
		normal := make(chan struct{})
		var once sync.Once
		start(t, func(ctx context.Context) error {
			return pbx.Keep(ctx, s, func(device string, msg csta.Message) {
				f.Emit(device, msg)
				if device == "" {
					once.Do(func() { close(normal) })
				}
			}, fast, slog.New(slog.DiscardHandler))
		})
		<-normal
		return bench(s, func(device string) *pbxtest.Line {
			return &pbxtest.Line{ID: device, Handler: &m, Features: m.Features(device), Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
		})
	})
}

func TestOverBus(t *testing.T) {
	lines, err := digitmod.ParseLines("*")
	if err != nil {
		t.Fatal(err)
	}
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		log := slog.New(slog.NewTextHandler(t.Output(), nil))
		server, err := bus.Embed(bus.EmbedConfig{Dir: t.TempDir(), Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { bus.Stop(server) })
		conn, err := bus.Connect(t.Context(), bus.ConnectConfig{Server: server, Name: t.Name(), Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		s := newSim(t)
		a, err := bus.NewAdapter(bus.AdapterConfig{PBX: "sim", Conn: conn, Driver: s, Lines: lines, Backoff: fast, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		start(t, a.Run)
		c := bus.NewClient(conn, log)
		heard, err := c.Listen(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(heard.Close)
		return bench(s, func(device string) *pbxtest.Line {
			l := await(t, c, device)
			return &pbxtest.Line{ID: l.Device, Handler: c.PBX(l.PBX), Features: l.Features, Watch: func(w pbxtest.Watcher) func() {
				stop, up := c.Watch(context.Background(), l, watcher{w})
				if !up {
					t.Errorf("PBX is not up when %s is watched", device)
				}
				return stop
			}}
		})
	})
}

// A watcher passes on what the suite is interested in.
type watcher struct{ pbxtest.Watcher }

func (w watcher) Event(_ string, ev csta.Event) { w.Watcher.Event(ev) }
func (watcher) Moved()                          {}

// await returns the line as soon as its PBX is served.
func await(t *testing.T, c *bus.Client, device string) bus.Line {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		l, err := c.Line(t.Context(), device)
		if err == nil {
			return l
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("line %s: %v", device, err)
		}
	}
}
