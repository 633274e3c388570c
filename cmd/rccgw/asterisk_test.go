package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/asterisktest"
	"rccgw/pbx/pbxtest"
)

// A tape is what a client is told, in order.
type tape chan string

func (t tape) Event(ev csta.Event) {
	state, call := csta.LocalConnection(ev)
	words := []string{strings.TrimSuffix(csta.Name(ev), "Event"), string(state)}
	switch e := ev.(type) {
	case *csta.DeliveredEvent:
		words = append(words, e.CallingDevice.String(), e.CalledDevice.String())
	case *csta.OriginatedEvent:
		words = append(words, e.CallingDevice.String(), e.CalledDevice.String())
	case *csta.ForwardingEvent:
		words = append(words, string(e.ForwardingType), fmt.Sprint(e.ForwardStatus), e.ForwardTo.ID)
	case *csta.DoNotDisturbEvent:
		words = append(words, fmt.Sprint(e.DoNotDisturbOn))
	}
	t <- strings.Join(words, " ") + " call=" + call
}

func (t tape) Link(up bool) { t <- fmt.Sprint("link ", up) }

// want waits for an event that matches, passing over others, and returns it.
func (t tape) want(tt *testing.T, pattern string) string {
	tt.Helper()
	re := regexp.MustCompile(pattern)
	var passed []string
	deadline := time.After(asterisktest.Timeout)
	for {
		select {
		case s := <-t:
			if re.MatchString(s) {
				return s
			}
			passed = append(passed, s)
		case <-deadline:
			tt.Fatalf("no event %q; there were %q", pattern, passed)
		}
	}
}

func callOf(event string) string {
	_, call, _ := strings.Cut(event, "call=")
	return call
}

// An office is the whole service on a real Asterisk.
type office struct {
	*asterisktest.Asterisk
	t    *testing.T
	vars []string
}

const officePlan = `{"ars": "9", "internal": {"maxLength": 5},
  "outgoing": [{"leading": "1613592", "replacement": "", "ignoreARS": true}, {"leading": "1416", "replacement": "416"}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "1613592", "addPlus": true}, {"length": 10, "replacement": "1", "addPlus": true}]}`

// newOffice starts the Asterisk. address is where the gateway finds its AMI.
func newOffice(t *testing.T, address func(*asterisktest.Asterisk) string) *office {
	t.Helper()
	o := newOfficeWith(t, "exten => 5660,1,Answer()\n same => n,Echo()\n", officePlan)
	if address != nil {
		o.vars = append(o.vars, "RCC_PBX_OFFICE_ADDRESS="+address(o.Asterisk))
	}
	return o
}

// newOfficeWith starts an Asterisk with further lines of dialplan, for a gateway with the digit plan.
func newOfficeWith(t *testing.T, dialplan, plan string) *office {
	t.Helper()
	return officeOn(t, asterisktest.Start(t, asterisktest.Options{Extensions: []string{"1001", "1002", "1003"}, Dialplan: dialplan}), plan)
}

// officeOn returns the settings of a gateway with the digit plan for an Asterisk that runs.
func officeOn(t *testing.T, a *asterisktest.Asterisk, plan string) *office {
	return &office{Asterisk: a, t: t, vars: []string{"RCC_PBX=office", "RCC_PBX_OFFICE_DRIVER=asterisk", "RCC_PBX_OFFICE_ADDRESS=" + a.Address(),
		"RCC_PBX_OFFICE_USER=" + a.User, "RCC_PBX_OFFICE_SECRET=" + a.Secret, "RCC_PBX_OFFICE_LINES=1001-1003",
		"RCC_PBX_OFFICE_DIGITS=" + plan, "RCC_PBX_OFFICE_POLL_INTERVAL=200ms"}}
}

// channels returns what the PBX itself says of its channels.
func (o *office) channels() string { return o.CLI(o.t, "core show channels concise") }

const line1, line2 = "tel:+16135921001;ext=1001", "tel:+16135921002"

func watch(t *testing.T, d *desk) tape {
	t.Helper()
	tp := make(tape, 1000)
	d.watch(t, tp)
	return tp
}

// The golden example on a real PBX: what was dialled is read from the PBX, what
// was shown from the client, with ARS and without.
func TestAsteriskDigits(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			o := newOffice(t, nil)
			alice, bob, trunk := o.Baresip(t, "1001"), o.Baresip(t, "1002"), o.Trunk(t)
			g := startGateway(t, o.vars...)
			d := g.open(network, line1)
			events := watch(t, d)
			for _, c := range []struct {
				written, dialled string
				answer           func()
				hangup           func()
			}{
				{"tel:+16135925660", "5660", nil, nil},
				{"tel:+16135921002", "1002", func() { bob.Wait("incoming"); bob.Answer() }, func() { bob.Hangup() }},
				{"tel:+14165551234", "94165551234", func() { trunk.Wait("incoming"); trunk.Answer() }, func() { trunk.Hangup() }},
			} {
				resp, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device(line1), CalledDirectoryNumber: csta.Device(c.written), AutoOriginate: "prompt"})
				if err != nil {
					t.Fatalf("%s: %v", c.written, err)
				}
				if resp.CallingDevice.DeviceID.ID != line1 {
					t.Errorf("answered %s", resp.CallingDevice)
				}
				alice.Wait("incoming")
				alice.Answer()
				ev := events.want(t, "^Originated connected")
				if want := line1 + " " + c.written; !strings.Contains(ev, want) || callOf(ev) != resp.CallingDevice.CallID {
					t.Errorf("%s: told %q", c.written, ev)
				}
				if c.answer != nil {
					c.answer()
				}
				events.want(t, "^Established connected")
				if want := "!(phones|rcc-ring)!" + c.dialled + "!"; !regexp.MustCompile(want).MatchString(o.channels()) {
					t.Errorf("%s: no %s at the PBX:\n%s", c.written, want, o.channels())
				}
				if c.hangup != nil {
					c.hangup()
				} else if _, err := csta.Call(t.Context(), d, &csta.ClearConnection{ConnectionToBeCleared: resp.CallingDevice}); err != nil {
					t.Error(err)
				}
				alice.Wait("ended")
				events.want(t, "^ConnectionCleared null")
			}
		})
	}
}

// Callers from the trunk, with a number and without, are shown so that the
// client finds their names.
func TestAsteriskCallers(t *testing.T) {
	o := newOffice(t, nil)
	bob, trunk := o.Baresip(t, "1002"), o.Trunk(t)
	g := startGateway(t, o.vars...)
	events := watch(t, g.open("tcp", line2))
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{[]string{`From: "Ann" <sip:4165551234@127.0.0.2>`}, `tel:\+14165551234`},
		{[]string{`From: <sip:+14165551234@127.0.0.2>`}, `tel:\+14165551234`},
		{[]string{`From: "Anonymous" <sip:anonymous@anonymous.invalid>`, "Privacy: id"}, "restricted"},
		{[]string{`From: "Anonymous" <sip:anonymous@anonymous.invalid>`, `P-Asserted-Identity: "Ann" <sip:4165551234@127.0.0.2>`, "Privacy: id"}, "restricted"},
		{[]string{`From: <sip:127.0.0.2>`}, "notKnown"},
	} {
		trunk.Dial("16135921002", c.headers...)
		bob.Wait("incoming")
		ev := events.want(t, "^Delivered alerting")
		if !regexp.MustCompile("^Delivered alerting " + c.want + " ").MatchString(ev) {
			t.Errorf("%q: told %q", c.headers, ev)
		}
		trunk.Hangup()
		bob.Wait("ended")
		events.want(t, "^ConnectionCleared null")
	}
}

// Two clients of one line see the same calls, each in its own spelling, and
// either may act; one that crashes changes nothing for the other.
func TestAsteriskTwoClients(t *testing.T) {
	o := newOffice(t, nil)
	alice, bob := o.Baresip(t, "1001"), o.Baresip(t, "1002")
	g := startGateway(t, o.vars...)
	one, two := g.open("tcp", line2), g.open("udp", "tel:1002")
	eventsOne, eventsTwo := watch(t, one), watch(t, two)
	alice.Dial("1002")
	bob.Wait("incoming")
	call := callOf(eventsOne.want(t, "^Delivered alerting .* "+regexp.QuoteMeta(line2)+" "))
	if other := callOf(eventsTwo.want(t, "^Delivered alerting .* tel:1002 ")); other != call {
		t.Errorf("one sees call %s, two %s", call, other)
	}
	bob.Answer()
	eventsOne.want(t, "^Established connected")
	eventsTwo.want(t, "^Established connected")
	if _, err := csta.Call(t.Context(), two, &csta.SetDoNotDisturb{Device: csta.Device("tel:1002"), DoNotDisturbOn: true}); err != nil {
		t.Fatal(err)
	}
	eventsOne.want(t, "^DoNotDisturb .*true")
	if got := o.CLI(t, "database show DND"); !strings.Contains(got, "1002") {
		t.Errorf("AstDB: %s", got)
	}
	if _, err := csta.Call(t.Context(), two, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(call, "tel:1002")}); err != nil {
		t.Fatal(err)
	}
	bob.Wait("ended")
	alice.Wait("ended")
	eventsOne.want(t, "^ConnectionCleared null")
}

// The AMI link is lost during a call, which ends meanwhile.
func TestAsteriskLinkLost(t *testing.T) {
	var link *pbxtest.Way
	o := newOffice(t, func(a *asterisktest.Asterisk) string {
		link = a.Link(t)
		return link.Address()
	})
	alice, bob := o.Baresip(t, "1001"), o.Baresip(t, "1002")
	g := startGateway(t, o.vars...)
	d := g.open("tcp", line2)
	events := watch(t, d)
	alice.Dial("1002")
	bob.Wait("incoming")
	bob.Answer()
	events.want(t, "^Established connected")
	link.Cut()
	events.want(t, "^link false")
	if _, err := csta.Call(t.Context(), d, &csta.GetDoNotDisturb{Device: csta.Device(line2)}); csta.AsError(err).Value != "resourceOutOfService" {
		t.Errorf("a service without the PBX: %v", err)
	}
	if g.ready() == 200 {
		t.Error("ready without the PBX")
	}
	alice.Hangup()
	bob.Wait("ended")
	link.Mend()
	events.want(t, "^link true")
	events.want(t, "^ConnectionCleared null")
	s, err := csta.Call(t.Context(), d, &csta.SnapshotDevice{SnapshotObject: csta.Device(line2)})
	if err != nil || s.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo != nil {
		t.Errorf("snapshot %+v, %v", s, err)
	}
}

// The gateway is killed with -9 during a call and a hold of the PBX's making,
// and comes back: the call has the same callID and is retrieved and cleared.
func TestAsteriskGatewayKilled(t *testing.T) {
	o := newOffice(t, nil)
	alice, bob := o.Baresip(t, "1001"), o.Baresip(t, "1002")
	dir := t.TempDir()
	binary := filepath.Join(dir, "rccgw")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func() (*gatewayUnderTest, *exec.Cmd) {
		t.Helper()
		g := &gatewayUnderTest{t: t, sip: map[string]string{}, ended: make(chan struct{}), log: &safeBuffer{}}
		cmd := exec.Command(binary)
		cmd.Env = append([]string{"RCC_SIP_LISTEN=tcp://127.0.0.1:0", "RCC_HTTP_LISTEN=127.0.0.1:0", "RCC_DATA=" + dir}, o.vars...)
		cmd.Stderr = g.log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { g.err = cmd.Wait(); close(g.ended) }()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-g.ended })
		g.find()
		return g, cmd
	}
	g, cmd := run()
	d := g.open("tcp", line2)
	events := watch(t, d)
	alice.Dial("1002")
	bob.Wait("incoming")
	bob.Answer()
	call := callOf(events.want(t, "^Established connected"))
	own := csta.Connection(call, line2)
	if _, err := csta.Call(t.Context(), d, &csta.HoldCall{CallToBeHeld: own}); err != nil {
		t.Fatal(err)
	}
	events.want(t, "^Held hold")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-g.ended

	g, cmd = run()
	d = g.open("tcp", line2)
	events = watch(t, d)
	s, err := csta.Call(t.Context(), d, &csta.SnapshotDevice{SnapshotObject: csta.Device(line2)})
	if err != nil {
		t.Fatal(err)
	}
	infos := s.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo
	if len(infos) != 1 || infos[0].ConnectionIdentifier != own || infos[0].LocalCallState.CompoundCallState.LocalConnectionState[0] != pbx.Hold {
		t.Fatalf("after the kill: %+v", infos)
	}
	if _, err := csta.Call(t.Context(), d, &csta.RetrieveCall{CallToBeRetrieved: own}); err != nil {
		t.Fatal(err)
	}
	events.want(t, "^Retrieved connected")
	if _, err := csta.Call(t.Context(), d, &csta.ClearConnection{ConnectionToBeCleared: own}); err != nil {
		t.Fatal(err)
	}
	bob.Wait("ended")
	alice.Wait("ended")
	events.want(t, "^ConnectionCleared null")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-g.ended
	if g.err != nil {
		t.Errorf("after SIGINT: %v\n%s", g.err, g.log)
	}
}

// SIGTERM in the middle of things: not ready, no new dialogs, BYE to clients.
func TestShutdown(t *testing.T) {
	g := startGateway(t)
	d := g.open("tcp", "tel:1001")
	g.stop()
	select {
	case <-d.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the client was not told")
	}
	if _, err := cstasip.Dial(t.Context(), cstasip.ClientConfig{Server: "tcp://" + g.sip["tcp"], Line: "tel:1001"}); err == nil {
		t.Error("a stopped gateway accepts dialogs")
	}
}
