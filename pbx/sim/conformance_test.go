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
	"rccgw/pbx/sim/simtest"
)

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
		s := simtest.New(t)
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
		return simtest.Bench(s, func(device string, p pbxtest.Person) *pbxtest.Line {
			return &pbxtest.Line{ID: device, Person: p, Handler: &m, Features: m.Features(device), Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
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
		s := simtest.New(t)
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
		return simtest.Bench(s, func(device string, p pbxtest.Person) *pbxtest.Line {
			l := await(t, c, device)
			return &pbxtest.Line{ID: l.Device, Person: p, Handler: c.PBX(l.PBX), Features: l.Features, Watch: func(w pbxtest.Watcher) func() {
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
