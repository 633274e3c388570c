package asterisk

import (
	"flag"
	"maps"
	"testing"

	"rccgw/csta"
	"rccgw/pbx/asterisk/asterisktest"
	"rccgw/pbx/pbxtest"
)

var phones = flag.String("phones", "scripted", "phones of the suite: scripted, or real, which are baresip and linphone and do not honour NOTIFY talk")

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
	if *phones == "real" {
		s.AutoAnswer = ""
	}
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	var f pbxtest.Fan
	m := pbxtest.Start(t, d, f.Emit)
	phone := func(device string) asterisktest.Phone {
		if *phones == "real" {
			if device == "1001" {
				return a.Linphone(t, device)
			}
			return a.Baresip(t, device)
		}
		return a.Deskphone(t, device)
	}
	line := func(device string) *pbxtest.Line {
		return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device), Person: a.Person(t, phone(device)),
			Watch: func(w pbxtest.Watcher) func() {
				if _, err := csta.Call(t.Context(), m, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(device)}}); err != nil {
					t.Error(err)
				}
				return f.Watch(device, w)
			}}
	}
	b := &pbxtest.Bench{Busy: "602", Unknown: "1999", Cut: link.Cut, Restore: link.Mend, Calls: d.calls.List, Impatient: line(asterisktest.Impatient),
		Orbit: asterisktest.Orbit, PickupGroup: asterisktest.PickupGroup, Queue: asterisktest.Queue, Lacks: asterisktest.Lacks, Storm: 100, Prompts: *phones == "real"}
	if *phones == "real" {
		b.Lacks = maps.Clone(b.Lacks)
		b.Lacks[pbxtest.Quick] = "linphone is busy for some milliseconds after a call"
		b.Lacks[pbxtest.Hears] = "baresip and linphone do not tell what they hear"
	}
	for _, device := range o.Extensions[:4] {
		b.Lines = append(b.Lines, line(device))
	}
	b.Outside = a.Outside(t)
	return b
}
