// Package bustest puts a driver on a bus of its own, for the conformance suite.
package bustest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
)

// Lines starts a server, an adapter of the driver and a client, until the test is
// over, and returns what makes a line of the suite of a device: its services and
// events as the bus has them.
func Lines(t *testing.T, d pbx.Driver) func(device string) *pbxtest.Line {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	lines, err := digitmod.ParseLines("*")
	if err != nil {
		t.Fatal(err)
	}
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
	a, err := bus.NewAdapter(bus.AdapterConfig{PBX: "main", Conn: conn, Driver: d, Lines: lines, Backoff: pbxtest.Backoff, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	pbxtest.Background(t, a.Run)
	c := bus.NewClient(conn, log)
	ears, err := c.Listen(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ears.Close)
	return func(device string) *pbxtest.Line {
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
	}
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
