package asterisk

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/asterisk/asterisktest"
	"rccgw/pbx/pbxtest"
)

// What happens while the link is away is told when it is back.
func TestLinkLost(t *testing.T) {
	var k *pbxtest.Way
	b := startOver(t, &k)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	id, _ := b.talk(alice, bob, "1001", "1002")
	k.Cut()
	b.link(pbx.StatusDisabled)
	refuses(b, &csta.ClearConnection{ConnectionToBeCleared: id}, csta.SystemResourceAvailability, "resourceOutOfService")
	bob.Hangup()
	alice.Wait("ended")
	k.Mend()
	b.link(pbx.StatusNormal)
	for _, l := range []string{"1001", "1002"} {
		wait(b, l, func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection.DeviceID.ID == l })
	}
	b.idle()

	// A call that began meanwhile, and one that goes on.
	id, _ = b.talk(alice, bob, "1001", "1002")
	k.Cut()
	b.link(pbx.StatusDisabled)
	alice.Hold()
	alice.Wait("held")
	carol.Dial("1002")
	bob.Wait("incoming 1003")
	k.Mend()
	held, rings := false, false // in whatever order the callIDs have
	wait(b, "1002", func(msg csta.Message) bool {
		switch e := msg.(type) {
		case *csta.HeldEvent:
			held = e.HeldConnection == id
		case *csta.DeliveredEvent:
			rings = e.CallingDevice.String() == "1003" && e.CalledDevice.String() == "1002"
		}
		return held && rings
	})
	b.link(pbx.StatusNormal)
	carol.Hangup()
	alice.Hangup()
	b.idle()
}

// startOver is start over a link that can be cut.
func startOver(t *testing.T, k **pbxtest.Way) *bench {
	t.Helper()
	b := bare(t)
	*k = b.Link(t)
	s := settings(b.Asterisk)
	s.Address = (*k).Address()
	b.run(s)
	return b
}

// A driver that is killed leaves everything at the PBX: the next one finds the
// same calls by the same callIDs, and goes on with what the PBX holds.
func TestKilledDriver(t *testing.T) {
	b := start(t, nil)
	alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
	c := b.AMI(t)
	again := func() {
		t.Helper()
		before := map[string]string{}
		for _, l := range []string{"1001", "1002", "1003"} {
			before[l] = b.snapshot(l)
		}
		b.stop()
		b.run(settings(b.Asterisk))
		for l, was := range before {
			if is := b.snapshot(l); is != was {
				t.Errorf("%s: a driver was killed, and the next one has\n%snot\n%s", l, is, was)
			}
		}
	}
	held, _ := b.talk(alice, bob, "1001", "1002")
	again()
	do(b, &csta.HoldCall{CallToBeHeld: held})
	b.until(c, "held", func(m map[string][]ami.Event) bool { return waiting(m, "1002", "held") })
	again()
	do(b, &csta.RetrieveCall{CallToBeRetrieved: held})
	b.until(c, "retrieved", talking("1001", "1002"))
	again()
	active := do(b, &csta.ConsultationCall{ExistingCall: held, ConsultedDevice: device("1003")}).InitiatedCall
	carol.Wait("incoming")
	wait(b, "1003", func(e *csta.DeliveredEvent) bool { return e.Connection.CallID == active.CallID })
	again()
	carol.Answer()
	wait(b, "1003", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.CallID == active.CallID })
	b.until(c, "consulting", talking("1001", "1003"))
	again()
	do(b, &csta.AlternateCall{HeldCall: held, ActiveCall: active})
	b.until(c, "alternated", talking("1001", "1002"))
	again()
	do(b, &csta.TransferCall{HeldCall: active, ActiveCall: held})
	alice.Wait("ended")
	b.until(c, "transferred", talking("1002", "1003"))
	again()
	if id := active.CallID; b.snapshot("1002") == "" || b.d.find(id, "1002") == nil {
		t.Errorf("after the transfer 1002 has %s, not call %s", b.snapshot("1002"), id)
	}
	bob.Hangup()
	carol.Wait("ended")
	b.idle()

	// Both holds of a mutual one.
	held, o := b.talk(alice, bob, "1001", "1002")
	do(b, &csta.HoldCall{CallToBeHeld: held})
	do(b, &csta.HoldCall{CallToBeHeld: o})
	again()
	do(b, &csta.RetrieveCall{CallToBeRetrieved: o})
	do(b, &csta.RetrieveCall{CallToBeRetrieved: held})
	b.until(c, "retrieved", talking("1001", "1002"))

	// The other end of a hold leaves while there is no driver: the waiting leg is released when there is one.
	for _, who := range []phone{alice, bob} {
		do(b, &csta.HoldCall{CallToBeHeld: held})
		b.until(c, "held", func(m map[string][]ami.Event) bool { return waiting(m, "1002", "held") })
		b.stop()
		who.Hangup()
		b.until(c, "one left", func(m map[string][]ami.Event) bool { return len(m) == 1 })
		b.run(settings(b.Asterisk))
		alice.Wait("ended")
		bob.Wait("ended")
		b.idle()
		held, _ = b.talk(alice, bob, "1001", "1002")
	}
	alice.Hangup()
	b.idle()
}

// snapshot writes a line's calls as text.
func (b *bench) snapshot(device string) (text string) {
	b.t.Helper()
	resp := do(b, &csta.SnapshotDevice{SnapshotObject: csta.Device(device)})
	for _, i := range resp.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo {
		text += i.ConnectionIdentifier.String()
		for _, s := range i.LocalCallState.CompoundCallState.LocalConnectionState {
			text += " " + string(s)
		}
		text += "\n"
	}
	return text
}

// The PBX itself goes away and comes back: its calls are over.
func TestRestart(t *testing.T) {
	b := start(t, nil)
	alice, bob := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	b.talk(alice, bob, "1001", "1002")
	b.Kill(t)
	b.link(pbx.StatusDisabled)
	b.Asterisk.Start(t)
	wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection.DeviceID.ID == "1001" })
	b.link(pbx.StatusNormal)
	b.idle()
}

// An Asterisk that starts lets managers in before it knows its modules and its dialplan: it is asked nothing before it says that it is up.
func TestBooting(t *testing.T) {
	for up, want := range map[bool]string{true: "Login Status", false: "Login"} {
		var mu sync.Mutex
		asked, got := make(chan struct{}, 100), ""
		s := defaults()
		s.Address, s.Secret = fakeAMI(t, "", func(action ami.Fields) string {
			mu.Lock()
			defer mu.Unlock()
			name := action.Get("Action")
			if name == "Login" || name == "Status" && !strings.Contains(got, name) {
				got = strings.TrimSpace(got + " " + name)
				asked <- struct{}{}
			}
			if name == "Login" && !up {
				return "Response: Success\n\nEvent: PeerStatus"
			}
			return ""
		}), "secret"
		d, err := New(s, testLog(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx, func(string, csta.Message) {}) }()
		<-asked
		select {
		case <-asked:
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(map[bool]time.Duration{true: timeout, false: 200 * time.Millisecond}[up]):
		}
		cancel()
		<-ended
		mu.Lock()
		if got != want {
			t.Errorf("up %v: %s, not %s", up, got, want)
		}
		mu.Unlock()
	}
}

// Without the AMI class system the driver controls calls and reads settings;
// what it may not do, it says.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{NoSystem: true})
	b.run(settings(b.Asterisk))
	alice, bob := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	id, _ := b.talk(alice, bob, "1001", "1002")
	do(b, &csta.HoldCall{CallToBeHeld: id})
	do(b, &csta.RetrieveCall{CallToBeRetrieved: id})
	do(b, &csta.GetDoNotDisturb{Device: device("1001")})
	b.watch("1001")
	refuses(b, &csta.SetDoNotDisturb{Device: device("1001"), DoNotDisturbOn: true}, csta.Operation, "privilegeViolationSpecifiedDevice")
	do(b, &csta.ClearConnection{ConnectionToBeCleared: id})
	bob.Wait("ended")
	b.idle()
}

// A driver may be killed before anything that it sends for a command. The next one finds what is then: all as before, or all as the command has it.
func TestKilledInCommand(t *testing.T) {
	for _, c := range []struct {
		name string
		two  bool // there is a call on hold
		make func(held, active csta.ConnectionID) csta.Message
	}{
		{"HoldCall", false, func(_, active csta.ConnectionID) csta.Message { return &csta.HoldCall{CallToBeHeld: active} }},
		{"RetrieveCall", false, func(held, _ csta.ConnectionID) csta.Message { return &csta.RetrieveCall{CallToBeRetrieved: held} }},
		{"SingleStepTransferCall", false, func(_, active csta.ConnectionID) csta.Message {
			return &csta.SingleStepTransferCall{ActiveCall: active, TransferredTo: csta.Device("1003")}
		}},
		{"SingleStepConferenceCall", false, func(_, active csta.ConnectionID) csta.Message {
			return &csta.SingleStepConferenceCall{ActiveCall: active, DeviceToJoin: csta.Device("1003"), ParticipationType: "active"}
		}},
		{"ParkCall", false, func(_, active csta.ConnectionID) csta.Message {
			return &csta.ParkCall{Parking: active, ParkTo: csta.Device("701")}
		}},
		{"ConsultationCall", false, func(_, active csta.ConnectionID) csta.Message {
			return &csta.ConsultationCall{ExistingCall: active, ConsultedDevice: csta.Device("1003")}
		}},
		{"AlternateCall", true, func(held, active csta.ConnectionID) csta.Message {
			return &csta.AlternateCall{HeldCall: held, ActiveCall: active}
		}},
		{"ReconnectCall", true, func(held, active csta.ConnectionID) csta.Message {
			return &csta.ReconnectCall{HeldCall: held, ActiveCall: active}
		}},
		{"TransferCall", true, func(held, active csta.ConnectionID) csta.Message {
			return &csta.TransferCall{HeldCall: held, ActiveCall: active}
		}},
		{"ConferenceCall", true, func(held, active csta.ConnectionID) csta.Message {
			return &csta.ConferenceCall{HeldCall: held, ActiveCall: active}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k *pbxtest.Way
			b := startOver(t, &k)
			s := settings(b.Asterisk)
			s.Address = k.Address()
			alice, bob, carol := b.Baresip(t, "1001"), b.Baresip(t, "1002"), b.Baresip(t, "1003")
			events := b.AMI(t)
			// begin makes the calls, and returns what is to be asked.
			begin := func() csta.Message {
				t.Helper()
				active, _ := b.talk(bob, alice, "1002", "1001")
				active.DeviceID = csta.Device("1001")
				b.until(events, "connected", talking("1001", "1002"))
				if c.name == "RetrieveCall" {
					do(b, &csta.HoldCall{CallToBeHeld: active})
					b.until(events, "held", func(m map[string][]ami.Event) bool { return waiting(m, "1002", "held") })
				}
				if !c.two {
					return c.make(active, active)
				}
				held := active
				active = do(b, &csta.ConsultationCall{ExistingCall: held, ConsultedDevice: csta.Device("1003")}).InitiatedCall
				carol.Wait("incoming")
				carol.Answer()
				wait(b, "1003", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection.CallID == active.CallID })
				b.until(events, "consulting", talking("1001", "1003"))
				return c.make(held, active)
			}
			ask := func(req csta.Message) chan error {
				done := make(chan error, 1)
				go func(mux csta.Mux) {
					_, err := mux.ServeCSTA(t.Context(), req)
					done <- err
				}(b.mux)
				return done
			}
			end := func() {
				t.Helper()
				do := func(name string, pairs ...string) {
					if _, err := events.Do(t.Context(), ami.NewAction(name, pairs...)); err != nil {
						t.Fatal(err)
					}
				}
				do("Hangup", "Channel", "/^(PJSIP|Local)/")
				b.idle()
			}
			all := func() string {
				var text []string
				for _, line := range []string{"1001", "1002", "1003"} {
					for call := range strings.Lines(b.snapshot(line)) {
						text = append(text, line+" has "+callIDs.ReplaceAllString(call, "@call"))
					}
				}
				slices.Sort(text)
				return strings.Join(text, "")
			}
			req := begin()
			before := all()
			if err := <-ask(req); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			after := all()
			end()
			if before == after {
				t.Fatal(after)
			}
			for n, over := 0, false; !over; n++ {
				req := begin()
				halt := k.Stop("Action: ", false)
				done := ask(req)
				var err error
			commands:
				for i := 0; ; i++ {
					select {
					case <-halt.Reached():
					case err = <-done:
						over = true
						break commands
					}
					if i == n {
						break
					}
					next := k.Stop("Action: ", false)
					halt.Pass()
					halt = next
				}
				k.Mend()
				b.stop()
				halt.Drop()
				if !over {
					err = <-done
				} else if err != nil {
					t.Fatal(err)
				}
				b.run(s)
				is := all()
				for begin := time.Now(); is != before && is != after; is = all() {
					if time.Since(begin) > time.Second {
						t.Fatalf("killed before action %d (%v), the next one has\n%snot\n%sor\n%s", n, err, is, before, after)
					}
					time.Sleep(5 * time.Millisecond)
				}
				end()
			}
		})
	}
}

// callIDs are what comes behind the device in a connection.
var callIDs = regexp.MustCompile(`@[^ ]+`)
