package cstatcp_test

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/cstatcp"
	"rccgw/pbx/cstatcp/cstatcptest"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
)

// A tally counts what is emitted, and can be waited for.
type tally struct {
	mu      sync.Mutex
	changed chan struct{}
	seen    map[string]int // "device Event", and states of the link
}

func newTally() *tally { return &tally{changed: make(chan struct{}), seen: map[string]int{}} }

func (c *tally) emit(device string, msg csta.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := msg.(*csta.SystemStatus); ok {
		c.seen[string(s.SystemStatus)]++
	} else {
		c.seen[device+" "+csta.Name(msg)]++
		c.seen["events"]++
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *tally) count(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[what]
}

// until waits until it was seen n times.
func (c *tally) until(t *testing.T, what string, n int) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		c.mu.Lock()
		got, changed := c.seen[what], c.changed
		c.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s: %d times, want %d", what, got, n)
		}
	}
}

// A thousand devices are watched: each has one monitor, and after a lost link
// everyone is told what changed, and no more.
func TestThousandDevices(t *testing.T) {
	const n = 1000
	var phones []sim.Device
	for i := range n {
		phones = append(phones, sim.Device{Number: fmt.Sprint(2000 + i)})
	}
	s, err := sim.New(sim.Config{Devices: phones})
	if err != nil {
		t.Fatal(err)
	}
	server := cstatcptest.Start(t, cstatcptest.Config{Driver: s})
	seen := newTally()
	m := pbxtest.Start(t, newDriver(t, settings(server)), seen.emit)
	begin := time.Now()
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, p := range phones {
		slots <- struct{}{}
		all.Go(func() { monitor(t, m, p.Number); <-slots })
	}
	all.Wait()
	t.Logf("%d devices watched after %v", n, time.Since(begin))
	hand := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Half of them call the other half; a quarter of the calls is answered.
	for i := 0; i < n; i += 2 {
		hand(s.Phone(phones[i].Number).Dial(phones[i+1].Number))
		if i%8 == 0 {
			hand(s.Phone(phones[i+1].Number).Answer())
		}
	}
	// Hookswitch, ServiceInitiated, DigitsDialed, Originated, two Delivered; Hookswitch and two Established.
	told := n/2*6 + n/8*3
	seen.until(t, "events", told)
	server.Cut()
	seen.until(t, "disabled", 1)
	// The rest is answered, unseen.
	for i := 0; i < n; i += 2 {
		if i%8 != 0 {
			hand(s.Phone(phones[i+1].Number).Answer())
		}
	}
	begin = time.Now()
	server.Restore()
	seen.until(t, "normal", 2)
	t.Logf("%d devices compared after %v", n, time.Since(begin))
	if got, want := seen.count("events"), told+(n/2-n/8)*2; got != want {
		t.Errorf("%d events were told, want %d", got, want)
	}
	for _, p := range phones {
		if k := server.Monitors(p.Number); k != 1 {
			t.Errorf("%s has %d monitors", p.Number, k)
		}
		if k := seen.count(p.Number + " EstablishedEvent"); k != 1 {
			t.Errorf("%s was told %d times that the call was answered", p.Number, k)
		}
	}
	if k := server.Asked("MonitorStart"); k != 2*n {
		t.Errorf("%d monitors were started, want %d", k, 2*n)
	}
}

// A server that ends monitors gets them back.
func TestMonitorsEndedByServer(t *testing.T) {
	s, server := newServer(t, cstatcptest.Config{})
	seen := newTally()
	m := pbxtest.Start(t, newDriver(t, settings(server)), seen.emit)
	monitor(t, m, "1001")
	monitor(t, m, "1002")
	server.StopMonitors("1001")
	if err := s.Phone("1001").Dial("1002"); err != nil {
		t.Fatal(err)
	}
	seen.until(t, "1002 DeliveredEvent", 1)
	seen.until(t, "1001 OriginatedEvent", 1) // by the snapshot
	if server.Monitors("1001") != 1 || seen.count("disabled") != 0 {
		t.Errorf("%d monitors, link lost %d times", server.Monitors("1001"), seen.count("disabled"))
	}
}

// A server that has neither snapshots nor heartbeats serves all the same.
func TestPoorServer(t *testing.T) {
	s, server := newServer(t, cstatcptest.Config{Lacks: []csta.Message{&csta.SnapshotDevice{}, &csta.RequestSystemStatus{}, &csta.HeldEvent{}}})
	seen := newTally()
	m := pbxtest.Start(t, newDriver(t, settings(server)), seen.emit)
	f := m.Features("1001")
	if f.Supports(&csta.SnapshotDevice{}) || f.Supports(&csta.HeldEvent{}) || !f.Supports(&csta.MakeCall{}) {
		t.Errorf("offered: %+v", f)
	}
	monitor(t, m, "1001")
	if err := s.Phone("1001").Dial("1002"); err != nil {
		t.Fatal(err)
	}
	seen.until(t, "1001 DeliveredEvent", 1)
}

// authority returns a server's certificate, and the path of that of who signed it.
func authority(t *testing.T) (cert tls.Certificate, path string) {
	t.Helper()
	a := pbxtest.NewAuthority(t, t.Name())
	path = filepath.Join(t.TempDir(), "ca.pem")
	pbxtest.WriteCertificate(t, a.Certificate(), path, "")
	return a.Server(), path
}

func TestTLS(t *testing.T) {
	cert, ca := authority(t)
	_, server := newServer(t, cstatcptest.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	set := settings(server)
	set.Address, set.TlsCa = "tls://"+set.Address, ca
	seen := newTally()
	m := pbxtest.Start(t, newDriver(t, set), seen.emit)
	if _, err := csta.Call(t.Context(), m, &csta.SnapshotDevice{SnapshotObject: csta.Device("1001")}); err != nil {
		t.Error(err)
	}
	// Another authority's server is not spoken to.
	_, other := authority(t)
	for name, change := range map[string]func(*cstatcp.Settings){
		"another authority": func(s *cstatcp.Settings) { s.TlsCa = other },
		"the system's":      func(s *cstatcp.Settings) { s.TlsCa = "" },
		"TCP":               func(s *cstatcp.Settings) { s.Address, s.TlsCa, s.Timeout = server.Address(), "", "200ms" },
	} {
		bad := set
		change(&bad)
		if err := newDriver(t, bad).Run(t.Context(), func(string, csta.Message) {}); err == nil {
			t.Errorf("%s: the link was up", name)
		}
	}
}

// An outage that looks like none: the way to the server swallows everything.
// The heartbeat finds it, and the next connection tells what happened.
func TestHalfOpen(t *testing.T) {
	s, server := newServer(t, cstatcptest.Config{})
	way := pbxtest.NewWay(t, server.Address, nil)
	set := settings(server)
	set.Address, set.Heartbeat, set.Timeout = way.Address(), "1s", "300ms"
	seen := newTally()
	m := pbxtest.Start(t, newDriver(t, set), seen.emit)
	monitor(t, m, "1001")
	way.Forget()
	if err := s.Phone("1001").Dial("1002"); err != nil {
		t.Fatal(err)
	}
	seen.until(t, string(pbx.StatusDisabled), 1)
	seen.until(t, string(pbx.StatusNormal), 2)
	if seen.count("1001 OriginatedEvent") != 1 {
		t.Error("the call was not told")
	}
}
