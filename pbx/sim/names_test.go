package sim

import (
	"testing"

	"rccgw/csta"
)

// Phones have the names of their users and callers outside those that they come
// with, unless they withhold their numbers.
func TestNames(t *testing.T) {
	s, err := New(Config{Devices: []Device{{Number: "1001", Name: "Ann"}, {Number: "1002", Name: "Bob"}, {Number: "1003"}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []csta.ExtendedDeviceID
	s.mu.Lock()
	s.link(func(device string, msg csta.Message) {
		if ev, ok := msg.(*csta.DeliveredEvent); ok && device == "1002" {
			got = []csta.ExtendedDeviceID{ev.CallingDevice, ev.CalledDevice, ev.AlertingDevice}
		}
	})
	s.mu.Unlock()
	named := func(d csta.ExtendedDeviceID, name string) csta.ExtendedDeviceID {
		d.Name = name
		return d
	}
	outside := func(from csta.ExtendedDeviceID) func() error {
		return func() error {
			_, err := s.Outside("6135550100").Call("1002", from)
			return err
		}
	}
	phone := func(number string) func() error {
		return func() error { return s.Phone(number).Dial("1002") }
	}
	withhold := func() error {
		s.phones["1001"].withholds = true
		return phone("1001")()
	}
	for _, c := range []struct {
		call func() error
		want csta.ExtendedDeviceID
	}{
		{phone("1001"), named(csta.Party("1001"), "Ann")},
		{phone("1003"), csta.Party("1003")},
		{outside(named(external("6135550100"), "Carol")), named(external("6135550100"), "Carol")},
		{outside(named(csta.Restricted(), "Carol")), csta.Restricted()},
		{withhold, csta.Restricted()},
	} {
		if err := c.call(); err != nil {
			t.Fatal(err)
		}
		if bob := named(csta.Party("1002"), "Bob"); len(got) != 3 || got[0] != c.want || got[1] != bob || got[2] != bob {
			t.Errorf("%+v calls: told %+v", c.want, got)
		}
		if err := s.Phone("1002").HangUp(); err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, p := range []string{"1001", "1003"} {
			_ = s.Phone(p).HangUp() // who was refused hears a tone
		}
	}
}
