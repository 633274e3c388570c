package uacsta_test

import (
	"fmt"
	"testing"
	"time"

	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
)

// Many lines are watched over one connection: each has one dialog, and after the
// connection was lost everyone is told what changed, and no more.
func TestManyLines(t *testing.T) {
	const n = 304
	var devices []sim.Device
	for i := range n {
		devices = append(devices, sim.Device{Number: fmt.Sprint(2000 + i)})
	}
	s, err := sim.New(sim.Config{Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	u := newUpstream(t, s, "tcp", nil, "")
	seen := newTally()
	m := pbxtest.Start(t, newDriver(t, u.settings()), seen.emit)
	begin := time.Now()
	for _, d := range devices {
		monitor(t, m, d.Number)
	}
	for _, d := range devices {
		snapshot(t, m, d.Number)
	}
	t.Logf("%d lines watched after %v", n, time.Since(begin))
	if u.most != 1 || u.opened != n {
		t.Errorf("%d dialogs were opened, %d of one line at a time", u.opened, u.most)
	}
	lost := seen.count("disabled")
	u.way.Cut()
	seen.until(t, "disabled", lost+1)
	// Half of them call the other half; a quarter of the calls is answered.
	for i := 0; i < n; i += 2 {
		if err := s.Phone(devices[i].Number).Dial(devices[i+1].Number); err != nil {
			t.Fatal(err)
		}
		if i%8 == 0 {
			if err := s.Phone(devices[i+1].Number).Answer(); err != nil {
				t.Fatal(err)
			}
		}
	}
	told := len(seen.all())
	normal := seen.count("normal")
	u.way.Mend()
	begin = time.Now()
	for _, d := range devices {
		until(t, d.Number+" is back", func() bool { return snapshotError(m, d.Number) == nil })
	}
	seen.until(t, "normal", normal+1)
	t.Logf("all are back after %v, with %d messages", time.Since(begin), len(seen.all())-told)
	for i, d := range devices {
		want := map[string]int{"OriginatedEvent": 1, "DeliveredEvent": 0, "ConnectionClearedEvent": 0}
		switch {
		case i%8 < 2: // of a call that was answered meanwhile nobody knows who made it
			want = map[string]int{"OriginatedEvent": 0, "DeliveredEvent": 0, "EstablishedEvent": 1}
		case i%2 == 1:
			want = map[string]int{"OriginatedEvent": 0, "DeliveredEvent": 1, "EstablishedEvent": 0}
		}
		for name, times := range want {
			if got := seen.count(d.Number + " " + name); got != times {
				t.Fatalf("%s was told of %s %d times, want %d", d.Number, name, got, times)
			}
		}
	}
}
