package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx/asterisk/asterisktest"
	"rccgw/pbx/pbxtest"
)

// The suite is played with desk phones that honour NOTIFY talk and hold, and with
// such of which the driver knows nothing: then the PBX holds for them.
func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"talk": func(s *Settings) { s.TalkEvent, s.AutoAnswer = "*", "*" },
		"pbx":  func(s *Settings) { s.AutoAnswer = "*" },
	} {
		t.Run(name, func(t *testing.T) {
			pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench { return newBench(t, change) })
		})
	}
}

func newBench(t *testing.T, change func(*Settings)) *pbxtest.Bench {
	o := asterisktest.Bench()
	a := asterisktest.Start(t, o)
	link := a.Link(t)
	s := settings(a)
	s.Address = link.Address()
	change(&s)
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	var f pbxtest.Fan
	m := pbxtest.Start(t, d, f.Emit)
	line := func(device string) *pbxtest.Line {
		return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device), Person: a.Person(t, a.Deskphone(t, device)),
			Watch: func(w pbxtest.Watcher) func() {
				if _, err := csta.Call(t.Context(), m, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(device)}}); err != nil {
					t.Error(err)
				}
				return f.Watch(device, w)
			}}
	}
	b := &pbxtest.Bench{Busy: "602", Unknown: "1999", Cut: link.Cut, Restore: link.Restore, Calls: d.calls.List, Impatient: line(asterisktest.Impatient),
		Orbit: asterisktest.Orbit, PickupGroup: asterisktest.PickupGroup, Lacks: asterisktest.Lacks, Storm: 100}
	for _, device := range o.Extensions[:4] {
		b.Lines = append(b.Lines, line(device))
	}
	b.Outside = a.Outside(t)
	return b
}
