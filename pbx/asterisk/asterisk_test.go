package asterisk

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/asterisk/asterisktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout is how long an event may take.
const timeout = asterisktest.Timeout

// A bench is a driver on a real Asterisk, and everything that it reported.
type bench struct {
	*asterisktest.Asterisk
	t    *testing.T
	d    *Driver
	mux  csta.Mux
	stop func() // the driver, as if it were killed: nothing is cleaned up at the PBX

	mu     sync.Mutex
	seen   []reported
	read   map[string]int // events of a device that the test has passed
	change chan struct{}
}

type reported struct {
	device string
	msg    csta.Message
}

// settings are those of the documented setup.
func settings(a *asterisktest.Asterisk) Settings {
	return Settings{Address: a.Address(), User: a.User, Secret: a.Secret, Context: "phones", HoldContext: "rcc-hold",
		ConsultContext: "rcc-consult", ConferenceContext: "rcc-conference", PickupContext: "rcc-pickup", MailContext: "rcc-mwi", Technology: "PJSIP", Endpoint: "{line}", Endpoints: "X.",
		AutoAnswerHeader: "Call-Info: <sip:rccgw>;answer-after=0", RingTime: "30s", Features: "asterisk", PollInterval: "100ms"}
}

// start starts an Asterisk and a driver on it, and waits until the link is normal.
func start(t *testing.T, change func(*Settings)) *bench {
	t.Helper()
	b := bare(t)
	s := settings(b.Asterisk)
	if change != nil {
		change(&s)
	}
	b.run(s)
	return b
}

// bare starts an Asterisk without a driver.
func bare(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	return newRecorder(t, asterisktest.Options{})
}

func newRecorder(t *testing.T, o asterisktest.Options) *bench {
	t.Helper()
	b := &bench{Asterisk: asterisktest.Start(t, o), t: t, read: map[string]int{}, change: make(chan struct{})}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.history())
		}
	})
	return b
}

// run runs a new driver.
func (b *bench) run(s Settings) {
	b.t.Helper()
	var err error
	b.d, err = New(s, testLog(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	b.mux = csta.Mux{}
	b.d.Services(&b.mux)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	d := b.d
	go func() {
		defer close(done)
		_ = pbx.Keep(ctx, d, b.emit, pbx.Backoff{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond}, testLog(b.t))
	}()
	b.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	b.t.Cleanup(b.stop)
	b.link(pbx.StatusNormal)
}

// testLog logs into the test's output.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (b *bench) emit(device string, msg csta.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ev, ok := msg.(csta.Event); ok {
		if err := csta.Check(ev); err != nil {
			b.t.Errorf("%s: %v", csta.Name(ev), err)
		}
		if !b.mux.Reported(ev) {
			b.t.Errorf("%s is not declared", csta.Name(ev))
		}
	}
	b.seen = append(b.seen, reported{device, msg})
	close(b.change)
	b.change = make(chan struct{})
}

func (b *bench) history() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s strings.Builder
	for _, r := range b.seen {
		fmt.Fprintf(&s, "%s %s\n", r.device, line(r.msg))
	}
	return s.String()
}

// line writes an event in one line, without the numbers that others are shown.
func line(msg csta.Message) string {
	conn := func(id csta.ConnectionID, local csta.LocalConnectionState, cause csta.EventCause) string {
		return fmt.Sprintf("%s %s local=%s cause=%s", strings.TrimSuffix(csta.Name(msg), "Event"), id, local, cause)
	}
	switch e := msg.(type) {
	case *csta.SystemStatus:
		return "link " + string(e.SystemStatus)
	case *csta.ServiceInitiatedEvent:
		return conn(e.InitiatedConnection, e.LocalConnectionInfo, e.Cause)
	case *csta.OriginatedEvent:
		return conn(e.OriginatedConnection, e.LocalConnectionInfo, e.Cause) + fmt.Sprintf(" %s>%s", e.CallingDevice, e.CalledDevice)
	case *csta.DeliveredEvent:
		return conn(e.Connection, e.LocalConnectionInfo, e.Cause) + fmt.Sprintf(" %s>%s alerting=%s last=%s", e.CallingDevice, e.CalledDevice,
			e.AlertingDevice, e.LastRedirectionDevice.NumberDialed)
	case *csta.EstablishedEvent:
		return conn(e.EstablishedConnection, e.LocalConnectionInfo, e.Cause) + fmt.Sprintf(" %s>%s answering=%s", e.CallingDevice, e.CalledDevice, e.AnsweringDevice)
	case *csta.HeldEvent:
		return conn(e.HeldConnection, e.LocalConnectionInfo, e.Cause)
	case *csta.RetrievedEvent:
		return conn(e.RetrievedConnection, e.LocalConnectionInfo, e.Cause)
	case *csta.DivertedEvent:
		return conn(e.Connection, e.LocalConnectionInfo, e.Cause) + fmt.Sprintf(" to=%s", e.NewDestination)
	case *csta.QueuedEvent:
		return conn(e.QueuedConnection, e.LocalConnectionInfo, e.Cause) + fmt.Sprintf(" at=%s", e.Queue)
	case *csta.NetworkReachedEvent:
		return conn(e.OutboundConnection, e.LocalConnectionInfo, e.Cause) + fmt.Sprintf(" by=%s", e.NetworkInterfaceUsed)
	case *csta.FailedEvent:
		return conn(e.FailedConnection, e.LocalConnectionInfo, e.Cause)
	case *csta.TransferedEvent:
		return conn(e.PrimaryOldCall, e.LocalConnectionInfo, e.Cause) + fmt.Sprintf(" second=%s to=%s", e.SecondaryOldCall, e.TransferredToDevice)
	case *csta.ConnectionClearedEvent:
		return conn(e.DroppedConnection, e.LocalConnectionInfo, e.Cause)
	case *csta.ForwardingEvent:
		return fmt.Sprintf("Forwarding %s %v %s", e.ForwardingType, e.ForwardStatus, e.ForwardTo)
	case *csta.DoNotDisturbEvent:
		return fmt.Sprintf("DoNotDisturb %v", e.DoNotDisturbOn)
	}
	return csta.Name(msg)
}

// wait waits for the next event of the device that holds, passing over others.
func wait[E csta.Message](b *bench, device string, holds ...func(E) bool) E {
	b.t.Helper()
	deadline := time.After(timeout)
	for {
		b.mu.Lock()
		for b.read[device] < len(b.seen) {
			r := b.seen[b.read[device]]
			b.read[device]++
			if ev, ok := r.msg.(E); ok && r.device == device && (len(holds) == 0 || holds[0](ev)) {
				b.mu.Unlock()
				return ev
			}
		}
		change := b.change
		b.mu.Unlock()
		select {
		case <-change:
		case <-deadline:
			b.t.Fatalf("%s: no %s", device, csta.Name(*new(E)))
		}
	}
}

func (b *bench) link(status csta.SystemStatusValue) {
	b.t.Helper()
	wait(b, "", func(s *csta.SystemStatus) bool { return s.SystemStatus == status })
}

// do performs a service that must succeed.
func do[Q csta.Request[R], R csta.Message](b *bench, req Q) R {
	b.t.Helper()
	resp, err := ask(b, req)
	if err != nil {
		b.t.Fatalf("%s: %v", csta.Name(req), err)
	}
	return resp
}

// ask performs a service as the bus does.
func ask[Q csta.Request[R], R csta.Message](b *bench, req Q) (R, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), 8*time.Second)
	defer cancel()
	return csta.Call(ctx, &b.mux, req)
}

// refuses checks that a service is refused with that error.
func refuses[Q csta.Request[R], R csta.Message](b *bench, req Q, class csta.ErrorClass, value string) {
	b.t.Helper()
	_, err := ask(b, req)
	if e := csta.AsError(orNil(err)); e.Class != class || e.Value != value {
		b.t.Errorf("%s: %v, not %s/%s", csta.Name(req), err, class, value)
	}
}

func orNil(err error) error {
	if err == nil {
		return fmt.Errorf("not refused")
	}
	return err
}

// idle checks that nothing is left: at the PBX, in the model, in the driver.
func (b *bench) idle() {
	b.t.Helper()
	c := b.AMI(b.t)
	deadline := time.After(timeout)
	for {
		channels, err := c.List(b.t.Context(), ami.NewAction("CoreShowChannels"))
		if err != nil {
			b.t.Fatal(err)
		}
		b.d.turn <- struct{}{}
		left := len(b.d.channels) + len(b.d.states) + len(b.d.bridges) + len(b.d.calls.List()) + len(b.d.making)
		state := fmt.Sprint(len(b.d.channels), " channels, ", len(b.d.states), " calls, ", len(b.d.bridges), " bridges, model ", b.d.calls.List())
		for _, c := range b.d.states {
			state += fmt.Sprintf(", call %+v", *c)
		}
		<-b.d.turn
		if len(channels)+left == 0 {
			return
		}
		select {
		case <-deadline:
			b.t.Fatalf("left: at the PBX %v; in the driver %s", channels, state)
		case <-c.Events():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func device(id string) csta.DeviceID { return csta.Device(id) }

// calls makes from call to: the phone is prompted, and answers.
func (b *bench) makeCall(from, to string) csta.ConnectionID {
	b.t.Helper()
	return do(b, &csta.MakeCall{CallingDevice: device(from), CalledDirectoryNumber: device(to)}).CallingDevice
}

// channels are the PBX's own view: context/extension and bridge of each line's
// channels, read by another AMI user's eyes.
func (b *bench) channels(c *ami.Conn) map[string][]ami.Event {
	b.t.Helper()
	found, err := c.List(b.t.Context(), ami.NewAction("CoreShowChannels"))
	if err != nil {
		b.t.Fatal(err)
	}
	m := map[string][]ami.Event{}
	for _, e := range found {
		_, name, _ := strings.Cut(e.Get("Channel"), "/")
		line, _, _ := strings.Cut(name, "-")
		m[line] = append(m[line], e)
	}
	return m
}

// until waits until the PBX's own view of the channels is so.
func (b *bench) until(c *ami.Conn, what string, ok func(map[string][]ami.Event) bool) {
	b.t.Helper()
	deadline := time.After(timeout)
	for {
		m := b.channels(c)
		if ok(m) {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			b.t.Fatalf("%s: the PBX has %v", what, m)
		}
	}
}

// talking reports whether exactly the lines talk with each other at the PBX.
func talking(lines ...string) func(map[string][]ami.Event) bool {
	return func(m map[string][]ami.Event) bool {
		bridge := ""
		for _, l := range lines {
			if len(m[l]) != 1 || m[l][0].Get("BridgeId") == "" || bridge != "" && bridge != m[l][0].Get("BridgeId") {
				return false
			}
			bridge = m[l][0].Get("BridgeId")
		}
		return true
	}
}

// waiting reports whether the line's one channel waits at the extension for held calls.
func waiting(m map[string][]ami.Event, line, exten string) bool {
	return len(m[line]) == 1 && m[line][0].Get("Context") == "rcc-hold" && m[line][0].Get("Exten") == exten && m[line][0].Get("BridgeId") == ""
}

// A phone is what baresip and the desk phone have in common.
type phone interface {
	Dial(number string)
	Answer()
	Hangup()
	Wait(event string) string
}

// deskphone dials as baresip does.
type deskphone struct{ *asterisktest.UA }

func (p deskphone) Dial(number string) { p.UA.Dial(number) }

// talk has the first phone call the second, which answers, and returns the
// connection of each.
func (b *bench) talk(from, to phone, caller, called string) (a, o csta.ConnectionID) {
	b.t.Helper()
	from.Dial(called)
	to.Wait("incoming " + caller)
	id := wait(b, called, func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == called }).Connection
	to.Answer()
	from.Wait("established")
	wait(b, caller, func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id })
	wait(b, called, func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id })
	return csta.Connection(id.CallID, caller), id
}
