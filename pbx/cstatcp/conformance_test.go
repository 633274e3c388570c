package cstatcp_test

import (
	"log/slog"
	"testing"
	"time"

	"rccgw/bus/bustest"
	"rccgw/csta"
	"rccgw/pbx/cstatcp"
	"rccgw/pbx/cstatcp/cstatcptest"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
	"rccgw/pbx/sim/simtest"
)

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

// bench returns a bench of the PBX, with lines as line makes them. What is cut is
// the connection to the server.
func bench(s *sim.Sim, server *cstatcptest.Server, line func(device string) *pbxtest.Line) *pbxtest.Bench {
	b := simtest.Bench(s, line)
	b.Cut, b.Restore = server.Cut, server.Restore
	// What the driver does not see, or does not make good after a lost link; the
	// README says so.
	for _, l := range append(b.Lines, b.Impatient) {
		l.Person.Message = nil
	}
	b.Lacks = map[pbxtest.Ability]string{
		pbxtest.LinkWaiting: "a device's snapshot does not show who has left an orbit or a queue",
		pbxtest.VoiceMail:   "message waiting is not asked for after a lost link",
	}
	return b
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
		m := pbxtest.Start(t, newDriver(t, settings(server)), f.Emit)
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
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s, server := newServer(t, cstatcptest.Config{Session: &cstatcptest.Session{ApplicationID: "rccgw", User: "gateway", Secret: "s<&>t", Duration: time.Minute}})
		set := settings(server)
		set.Session, set.User, set.Secret = "ecma354", "gateway", "s<&>t"
		return bench(s, server, bustest.Lines(t, newDriver(t, set)))
	})
}
