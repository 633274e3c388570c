// Package simtest makes benches of the conformance suite on the simulated PBX: for
// the driver itself, and for all that stands in front of it.
package simtest

import (
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
)

// Devices are the phones of New: four, one that rings for a moment only, and one
// that is offered its calls.
var Devices = []string{"1001", "1002", "1003", "1004", "1005", "1006"}

// New returns a PBX with what the suite needs.
func New(t testing.TB) *sim.Sim {
	t.Helper()
	devices := sim.DefaultDevices()[:6]
	for i := range devices {
		devices[i].PickupGroup = "70"
	}
	devices[4].RingTime, devices[4].ParkTime = time.Second, 50*time.Millisecond // while it rings, a hand can answer
	devices[5].Offers = true
	s, err := sim.New(sim.Config{Devices: devices, Queues: []sim.Queue{{Number: "600", Members: []string{"1003", "1004"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Person is who sits at the phone.
func Person(h sim.Phone) pbxtest.Person {
	return pbxtest.Person{Lift: h.Lift, Dial: h.Dial, Answer: h.Answer, HangUp: h.HangUp, Hold: h.Hold, Retrieve: h.Retrieve,
		Transfer: h.Transfer, Join: func() error { return h.Transfer("") }, Conference: h.Conference, Park: h.Park, PickUp: h.PickUp, Press: h.Press, Heard: h.Heard,
		SetForwarding: h.SetForwarding, SetDoNotDisturb: h.SetDoNotDisturb, Message: h.Message}
}

// Bench returns a bench on a PBX of New, with lines as line makes them of a
// device; the people at them are the PBX's. Numbers are the PBX's own.
func Bench(s *sim.Sim, line func(device string) *pbxtest.Line) *pbxtest.Bench {
	at := func(i int) *pbxtest.Line {
		l := line(Devices[i])
		l.Person = Person(s.Phone(Devices[i]))
		return l
	}
	b := &pbxtest.Bench{Busy: "602", Unknown: "1099", Cut: s.Cut, Restore: s.Restore, Calls: s.Calls, Impatient: at(4), Offered: at(5),
		Orbit: "#900", PickupGroup: "70", Queue: "600"}
	for i := range 4 {
		b.Lines = append(b.Lines, at(i))
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
