package asterisk

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
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

const (
	impatient = "1005"
	// impatience is how long its phone rings.
	impatience = "exten => " + impatient + ",1,Set(RCC_RING=1)\n same => n,Goto(rcc-ring," + impatient + ",1)\n"
)

func newBench(t *testing.T, change func(*Settings)) *pbxtest.Bench {
	devices := []string{"1001", "1002", "1003", "1004", impatient}
	a := asterisktest.Start(t, asterisktest.Options{Extensions: devices, Dialplan: impatience})
	link := a.Link(t)
	s := settings(a)
	s.Address = link.Address()
	change(&s)
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	var m csta.Mux
	d.Services(&m)
	var f pbxtest.Fan
	normal := make(chan struct{})
	var once sync.Once
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		_ = pbx.Keep(ctx, d, func(device string, msg csta.Message) {
			f.Emit(device, msg)
			if st, ok := msg.(*csta.SystemStatus); ok && st.SystemStatus == pbx.StatusNormal {
				once.Do(func() { close(normal) })
			}
		}, pbx.Backoff{Min: 5 * time.Millisecond, Max: 20 * time.Millisecond}, testLog(t))
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	select {
	case <-normal:
	case <-time.After(timeout):
		t.Fatal("no link")
	}
	line := func(device string) *pbxtest.Line {
		phone := a.Deskphone(t, device)
		p := person(phone)
		p.Transfer = func(number string) error {
			// Before the call is bridged, Asterisk refuses the REFER.
			for !bridged(d, device) {
				select {
				case <-t.Context().Done():
					return t.Context().Err()
				case <-time.After(time.Millisecond):
				}
			}
			return phone.Try("transfer", number)
		}
		return &pbxtest.Line{ID: device, Handler: &m, Features: m.Features(device), Person: p,
			Watch: func(w pbxtest.Watcher) func() {
				if _, err := csta.Call(t.Context(), &m, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(device)}}); err != nil {
					t.Error(err)
				}
				return f.Watch(device, w)
			}}
	}
	b := &pbxtest.Bench{Busy: "602", Unknown: "1999", Cut: link.Cut, Restore: link.Restore, Calls: d.calls.List, Impatient: line(impatient),
		Lacks: map[pbxtest.Ability]string{pbxtest.Engaged: "the phones have call waiting"}, Storm: 100}
	for _, device := range devices[:4] {
		b.Lines = append(b.Lines, line(device))
	}
	trunk := a.Trunk(t)
	b.Outside = &pbxtest.Outside{Number: "96135550100", Shown: "6135550100", Person: person(trunk),
		Call: func(number string) error {
			trunk.Dial("1613592"+number, "From: <sip:6135550100@127.0.0.2>")
			return nil
		},
		CallWithheld: func(number string) error {
			trunk.Dial("1613592"+number, `From: "Anonymous" <sip:anonymous@anonymous.invalid>`,
				"P-Asserted-Identity: <sip:6135550100@127.0.0.2>", "Privacy: id")
			return nil
		}}
	return b
}

// bridged reports whether a call of the device is.
func bridged(d *Driver, device string) bool {
	d.turn <- struct{}{}
	defer d.done()
	for _, ch := range d.channels {
		if ch.device == device && d.far(ch) != nil {
			return true
		}
	}
	return false
}

// person is who sits at a phone.
func person(u *asterisktest.UA) pbxtest.Person {
	try := func(action string) func() error { return func() error { return u.Try(action, "") } }
	dial := func(number string) error { return u.Try("dial", url.PathEscape(number)) }
	return pbxtest.Person{
		Lift: try("answer"), Dial: dial, Answer: try("answer"), HangUp: try("hangup"), Hold: try("hold"), Retrieve: try("resume"),
		Transfer: func(number string) error { return u.Try("transfer", number) },
		SetForwarding: func(kind csta.ForwardingType, on bool, number string) error {
			codes := map[csta.ForwardingType][2]string{"forwardImmediate": {"*73", "*72"}, "forwardBusy": {"*91", "*90"}, "forwardNoAns": {"*93", "*92"}}
			if !on {
				return dial(codes[kind][0])
			}
			return dial(codes[kind][1] + number)
		},
		SetDoNotDisturb: func(on bool) error {
			if on {
				return dial("*78")
			}
			return dial("*79")
		},
	}
}
