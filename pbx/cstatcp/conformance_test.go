package cstatcp_test

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
	"rccgw/pbx/cstatcp"
	"rccgw/pbx/cstatcp/cstatcptest"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
	"rccgw/pbx/sim/simtest"
)

var fast = pbx.Backoff{Min: time.Millisecond, Max: time.Millisecond}

// settings are those of a driver of the server.
func settings(s *cstatcptest.Server) cstatcp.Settings {
	return cstatcp.Settings{Address: s.Address(), Edition: "ed3", Session: "off", ApplicationID: "rccgw", Duration: "3m", Heartbeat: "30s", Timeout: "5s"}
}

// newServer returns a simulated PBX behind a server.
func newServer(t *testing.T, c cstatcptest.Config) (*sim.Sim, *cstatcptest.Server) {
	s := simtest.New(t)
	c.Driver = s
	return s, cstatcptest.Start(t, c)
}

// bench returns a bench of the PBX, with lines as newLine makes them. What is
// cut is the connection to the server.
func bench(s *sim.Sim, server *cstatcptest.Server, newLine func(device string) *pbxtest.Line) *pbxtest.Bench {
	b := simtest.Bench(s, func(device string, p pbxtest.Person) *pbxtest.Line {
		l := newLine(device)
		l.Person = p
		return l
	})
	b.Cut, b.Restore = server.Cut, server.Restore
	// What the driver does not see, or does not make good after a lost link; the
	// README says so.
	b.Offered, b.Orbit, b.Queue = nil, "", ""
	for _, l := range append(b.Lines, b.Impatient) {
		l.Person.Message = nil
	}
	b.Lacks = map[pbxtest.Ability]string{
		pbxtest.Offering:  "the server tells the features of all devices as one",
		pbxtest.Orbit:     "a device's snapshot does not show who has left an orbit",
		pbxtest.Queue:     "a device's snapshot does not show who has left a queue",
		pbxtest.VoiceMail: "message waiting is not asked for after a lost link",
	}
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

// startDriver keeps the driver's link, and returns its services when it is up.
func startDriver(t *testing.T, d *cstatcp.Driver, emit pbx.Emit) *csta.Mux {
	t.Helper()
	var m csta.Mux
	d.Services(&m)
	normal := make(chan struct{})
	var once sync.Once
	start(t, func(ctx context.Context) error {
		return pbx.Keep(ctx, d, func(device string, msg csta.Message) {
			emit(device, msg)
			if s, ok := msg.(*csta.SystemStatus); ok && s.SystemStatus == pbx.StatusNormal {
				once.Do(func() { close(normal) })
			}
		}, fast, slog.New(slog.NewTextHandler(t.Output(), nil)))
	})
	select {
	case <-normal:
	case <-time.After(10 * time.Second):
		t.Fatal("the link is not up")
	}
	return &m
}

func newDriver(t *testing.T, s cstatcp.Settings) *cstatcp.Driver {
	t.Helper()
	d, err := cstatcp.New(s, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func monitor(t *testing.T, m *csta.Mux, device string) {
	t.Helper()
	if _, err := csta.Call(t.Context(), m, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(device)}}); err != nil {
		t.Fatal(err)
	}
}

// The suite, through the frames of a connection.
func TestDriver(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s, server := newServer(t, cstatcptest.Config{})
		var f pbxtest.Fan
		m := startDriver(t, newDriver(t, settings(server)), f.Emit)
		for _, device := range simtest.Devices {
			monitor(t, m, device)
		}
		return bench(s, server, func(device string) *pbxtest.Line {
			return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device), Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
		})
	})
}

// The suite, from the bus to the server: the adapter tells the driver which
// devices are watched.
func TestOverBus(t *testing.T) {
	lines, err := digitmod.ParseLines("*")
	if err != nil {
		t.Fatal(err)
	}
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		log := slog.New(slog.NewTextHandler(t.Output(), nil))
		nats, err := bus.Embed(bus.EmbedConfig{Dir: t.TempDir(), Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { bus.Stop(nats) })
		conn, err := bus.Connect(t.Context(), bus.ConnectConfig{Server: nats, Name: t.Name(), Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		s, server := newServer(t, cstatcptest.Config{Session: &cstatcptest.Session{ApplicationID: "rccgw", User: "gateway", Secret: "s<&>t", Duration: time.Minute}})
		set := settings(server)
		set.Session, set.User, set.Secret = "ecma354", "gateway", "s<&>t"
		a, err := bus.NewAdapter(bus.AdapterConfig{PBX: "cti", Conn: conn, Driver: newDriver(t, set), Lines: lines, Backoff: fast, Log: log})
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
		return bench(s, server, func(device string) *pbxtest.Line {
			l := await(t, c, device)
			features := csta.Clone(l.Features)
			features.SupportedServices.MonitoringServList = nil // a session's, not the bus's
			return &pbxtest.Line{ID: l.Device, Handler: c.PBX(l.PBX), Features: features, Watch: func(w pbxtest.Watcher) func() {
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
