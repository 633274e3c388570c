package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx"
)

// fakePBX is a driver whose calls a test sets as it likes. MakeCall to "wait"
// lasts until the test lets it go on.
type fakePBX struct {
	calls   *pbx.Calls
	made    atomic.Int32
	watched atomic.Int32
	stopped atomic.Int32
	running atomic.Bool   // the link
	unknown atomic.Bool   // no device is known
	away    atomic.Bool   // no device can be reached
	shots   atomic.Int32  // of devices
	gone    atomic.Value  // a device that is not known
	held    chan struct{} // MakeCall to "wait" tells that it came
	free    chan struct{}
	cut     chan struct{}
	linked  chan struct{} // gets a token for each link that is up
	down    atomic.Bool   // there is no link to be had
	shot    func()        // runs before SnapshotCall is answered
}

func newFakePBX() *fakePBX {
	return &fakePBX{calls: pbx.NewCalls(), held: make(chan struct{}, 10), free: make(chan struct{}), cut: make(chan struct{}), linked: make(chan struct{}, 10)}
}

func (p *fakePBX) Services(m *csta.Mux) {
	csta.Handle(m, func(ctx context.Context, req *csta.MakeCall) (*csta.MakeCallResponse, error) {
		switch req.CalledDirectoryNumber.ID {
		case "refused":
			return nil, csta.Errorf(csta.StateIncompatibility, "noActiveCall", "as asked")
		case "panic":
			panic("as asked")
		case "wait":
			p.held <- struct{}{}
			select {
			case <-p.free:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if err := pbx.CheckLease(ctx); err != nil {
			return nil, err
		}
		n := p.made.Add(1)
		return &csta.MakeCallResponse{CallingDevice: csta.Connection(fmt.Sprint("c", n), req.CallingDevice.ID)}, nil
	})
	csta.Handle(m, func(_ context.Context, req *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
		p.shots.Add(1)
		if p.away.Load() {
			return nil, csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "no way to %q", req.SnapshotObject.ID)
		}
		if p.unknown.Load() || p.gone.Load() == req.SnapshotObject.ID {
			return nil, csta.Errorf(csta.Operation, "invalidDeviceID", "no device %q", req.SnapshotObject.ID)
		}
		return p.calls.SnapshotDevice(req.SnapshotObject.ID), nil
	})
	csta.Handle(m, func(_ context.Context, req *csta.SnapshotCall) (*csta.SnapshotCallResponse, error) {
		if p.shot != nil {
			p.shot()
		}
		return p.calls.SnapshotCall(req.SnapshotObject)
	})
	csta.Handle(m, func(_ context.Context, req *csta.MonitorStart) (*csta.MonitorStartResponse, error) {
		p.watched.Add(1)
		return &csta.MonitorStartResponse{MonitorCrossRefID: req.MonitorObject.DeviceObject.ID}, nil
	})
	csta.Handle(m, func(context.Context, *csta.MonitorStop) (*csta.MonitorStopResponse, error) {
		p.stopped.Add(1)
		return &csta.MonitorStopResponse{}, nil
	})
	csta.Reports(m, &csta.DeliveredEvent{}, &csta.EstablishedEvent{}, &csta.OriginatedEvent{}, &csta.ConnectionClearedEvent{}, &csta.HeldEvent{})
}

func (p *fakePBX) Run(ctx context.Context, emit pbx.Emit) error {
	p.running.Store(true)
	defer p.running.Store(false)
	if p.down.Load() {
		return errors.New("away")
	}
	p.calls.SetEmit(emit)
	emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
	p.linked <- struct{}{}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.cut:
		return errors.New("cut")
	}
}

// lab is a bus with one PBX on it.
type lab struct {
	t       *testing.T
	server  *server.Server
	conn    *nats.Conn
	pbx     *fakePBX
	adapter *Adapter
	client  *Client
	ears    *Subscription
	stop    func() // the adapter
}

func quiet(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// labs are the tests that have a lab.
var labs sync.Map

// newLab returns a lab of the test's own. Most of what is tested there takes its
// time, so tests with a lab run beside each other.
func newLab(t *testing.T) *lab {
	if _, second := labs.LoadOrStore(t, true); !second {
		t.Parallel()
	}
	l := &lab{t: t, pbx: newFakePBX()}
	s, err := Embed(EmbedConfig{Dir: t.TempDir(), Log: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(s) })
	l.server = s
	l.conn = l.connect(ConnectConfig{Server: s})
	l.startAdapter("one")
	<-l.pbx.linked
	l.startClient()
	return l
}

func (l *lab) connect(c ConnectConfig) *nats.Conn {
	c.Log, c.Name = quiet(l.t), "test"
	nc, err := Connect(l.t.Context(), c)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(nc.Close)
	return nc
}

func (l *lab) startAdapter(instance string) {
	lines, err := digitmod.ParseLines("1001-1099")
	if err != nil {
		l.t.Fatal(err)
	}
	a, err := NewAdapter(AdapterConfig{PBX: "main", Conn: l.conn, Driver: l.pbx, Lines: lines, Instance: instance, Log: quiet(l.t),
		Backoff: pbx.Backoff{Min: time.Millisecond}})
	if err != nil {
		l.t.Fatal(err)
	}
	l.adapter = a
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.Run(ctx); !errors.Is(err, context.Canceled) {
			l.t.Errorf("adapter: %v", err)
		}
	}()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	l.stop = stop
	l.t.Cleanup(stop)
}

func (l *lab) startClient() {
	l.client = NewClient(l.conn, quiet(l.t))
	var err error
	if l.ears, err = l.client.Listen(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(l.ears.Close)
}

// eventually waits until what happens by itself has happened.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (l *lab) line(number string) Line {
	l.t.Helper()
	var line Line
	var err error
	eventually(l.t, "line "+number, func() bool {
		line, err = l.client.Line(l.t.Context(), number)
		return err == nil
	})
	return line
}

// recorder is a watcher that notes what it is told.
type recorder struct {
	mu    sync.Mutex
	words []string
}

func (r *recorder) Event(_ string, ev csta.Event) {
	state, call := csta.LocalConnection(ev)
	r.add(strings.TrimSuffix(csta.Name(ev), "Event") + " " + call + " " + string(state))
}

func (r *recorder) Moved() { r.add("moved") }

func (r *recorder) Link(up bool) { r.add(fmt.Sprint("link ", up)) }

func (r *recorder) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words = append(r.words, s)
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.words, ", ")
}

func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, strings.Join(want, ", ")+"; got "+r.all(), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.words) >= len(want)
	})
	if got := r.all(); got != strings.Join(want, ", ") {
		t.Fatalf("got  %s\nwant %s", got, strings.Join(want, ", "))
	}
}

func makeCall(to string) *csta.MakeCall {
	return &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device(to)}
}

func TestRequest(t *testing.T) {
	l := newLab(t)
	line := l.line("tel:1001")
	if line.PBX != "main" || line.Device != "1001" || !line.Features.Supports(&csta.MakeCall{}) || line.Features.Supports(&csta.HoldCall{}) {
		t.Errorf("line is %+v", line)
	}
	h := l.client.PBX("main")
	resp, err := csta.Call(t.Context(), h, makeCall("1002"))
	if err != nil || resp.CallingDevice != csta.Connection("c1", "1001") {
		t.Errorf("got %v, %v", resp, err)
	}
	refused := func(req csta.Message, class csta.ErrorClass, value string) {
		t.Helper()
		_, err := h.ServeCSTA(t.Context(), req)
		if !errors.Is(err, &csta.Error{Class: class, Value: value}) {
			t.Errorf("%s: got %v", csta.Name(req), err)
		}
	}
	refused(makeCall("refused"), csta.StateIncompatibility, "noActiveCall")
	refused(makeCall("panic"), csta.Operation, "generic")
	refused(makeCall(""), csta.Operation, "invalidParameterValue")
	refused(&csta.HoldCall{CallToBeHeld: csta.Connection("1", "1")}, csta.Operation, "serviceNotSupported")
	if _, err := l.client.Line(t.Context(), "2001"); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidDeviceID"}) {
		t.Errorf("a line that nobody serves: %v", err)
	}
	if _, err := l.client.PBX("other").ServeCSTA(t.Context(), makeCall("1002")); !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
		t.Errorf("a PBX that is not there: %v", err)
	}
}

// The same key executes once, whoever asks and whenever.
func TestExecutedOnce(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	h := l.client.PBX("main")
	ask := func(key, to string) (string, error) {
		resp, err := csta.Call(csta.WithCommandKey(t.Context(), key), h, makeCall(to))
		if err != nil {
			return "", err
		}
		return resp.CallingDevice.CallID, nil
	}
	for range 3 {
		if call, err := ask("k1", "1002"); call != "c1" || err != nil {
			t.Errorf("got %s, %v", call, err)
		}
	}
	for range 2 { // a refusal is an answer too
		if _, err := ask("k2", "refused"); !errors.Is(err, &csta.Error{Class: csta.StateIncompatibility, Value: "noActiveCall"}) {
			t.Errorf("got %v", err)
		}
	}
	// While the first is under way, its repetition waits for the same answer.
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			if call, err := ask("k3", "wait"); call != "c2" || err != nil {
				t.Errorf("got %s, %v", call, err)
			}
		})
	}
	<-l.pbx.held
	close(l.pbx.free)
	running.Wait()
	// Another life of the adapter has the same answers.
	l.stop()
	l.startAdapter("one")
	<-l.pbx.linked
	l.line("1001")
	if call, err := ask("k1", "1002"); call != "c1" || err != nil {
		t.Errorf("after a restart: %s, %v", call, err)
	}
	if n := l.pbx.made.Load(); n != 2 {
		t.Errorf("%d calls were made, want 2", n)
	}
	// A key with another service is a defect of somebody, not a repetition.
	if _, err := csta.Call(csta.WithCommandKey(t.Context(), "k1"), h, &csta.SnapshotDevice{SnapshotObject: csta.Device("1001")}); err != nil {
		t.Errorf("a question was refused: %v", err)
	}
}

// An intent without an answer is what a kill leaves: nobody knows, and it is
// said so.
func TestUncertain(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	lost := &commands{open: l.adapter.commands.open}
	block := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = lost.once(t.Context(), "k", makeCall("1002"), func(context.Context) (csta.Message, error) {
			close(block)
			<-t.Context().Done()
			return nil, t.Context().Err()
		})
	}()
	<-block
	_, err := csta.Call(csta.WithCommandKey(t.Context(), "k"), l.client.PBX("main"), makeCall("1002"))
	if !errors.Is(err, &csta.Error{Class: csta.PrivateError, Value: "uncertain"}) {
		t.Errorf("got %v", err)
	}
	if n := l.pbx.made.Load(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	t.Cleanup(func() { <-done })
}

// What arrives after its deadline is not executed.
func TestTooLate(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	m := nats.NewMsg(serviceSubject("main", "MakeCall"))
	m.Data, _ = json.Marshal(makeCall("1002"))
	m.Header.Set(headerDeadline, strconv.FormatInt(time.Now().Add(-time.Second).UnixMilli(), 10))
	reply, err := l.conn.RequestMsg(m, 5*time.Second)
	if err != nil || !strings.Contains(string(reply.Data), "performanceLimitExceeded") || l.pbx.made.Load() != 0 {
		t.Errorf("got %s, %v, %d calls", reply.Data, err, l.pbx.made.Load())
	}
}

func TestEvents(t *testing.T) {
	l := newLab(t)
	line := l.line("1002")
	r := &recorder{}
	stop, up := l.client.Watch(t.Context(), line, r)
	if !up {
		t.Error("the PBX is not up")
	}
	ring := func(call string) {
		l.pbx.calls.Originated(call, pbx.Party{Device: "1001", Own: true}, csta.Party("1002"), pbx.CauseNewCall)
		l.pbx.calls.Delivered(call, pbx.Party{Device: "1002", Own: true}, pbx.CauseNewCall)
	}
	ring("a")
	l.pbx.calls.Established("a", pbx.Party{Device: "1002", Own: true}, pbx.CauseNormal)
	l.pbx.calls.Ended("a", pbx.CauseNormalClearing)
	want := []string{"Delivered a alerting", "Established a connected", "ConnectionCleared a connected", "ConnectionCleared a null"}
	r.want(t, want...)
	if n := l.pbx.watched.Load(); n != 1 {
		t.Errorf("the driver was told %d times to watch", n)
	}
	// A second watcher of the device changes nothing for the PBX.
	r2 := &recorder{}
	stop2, _ := l.client.Watch(t.Context(), line, r2)
	stop()
	ring("b")
	r2.want(t, "Delivered b alerting")
	if l.pbx.stopped.Load() != 0 {
		t.Error("the watch was stopped while somebody watches")
	}
	stop2()
	eventually(t, "the driver stops watching", func() bool { return l.pbx.stopped.Load() == 1 })
	l.pbx.calls.Ended("b", pbx.CauseNormalClearing)
	r.want(t, want...)
}

// lose runs f while what the driver emits does not reach the bus.
func (l *lab) lose(f func()) {
	l.pbx.calls.SetEmit(func(string, csta.Message) {
		l.adapter.emitting.Lock()
		l.adapter.seq++
		l.adapter.emitting.Unlock()
	})
	f()
	l.pbx.calls.SetEmit(l.adapter.emit)
}

// A gap in the sequence is found, and the difference told.
func TestLostEvents(t *testing.T) {
	l := newLab(t)
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1002"), r)
	ring := func(call string) {
		l.pbx.calls.Originated(call, pbx.Party{Device: "1001", Own: true}, csta.Party("1002"), pbx.CauseNewCall)
		l.pbx.calls.Delivered(call, pbx.Party{Device: "1002", Own: true}, pbx.CauseNewCall)
	}
	ring("a")
	r.want(t, "Delivered a alerting")
	// The call ends and another is answered.
	l.lose(func() {
		l.pbx.calls.Ended("a", pbx.CauseNormalClearing)
		ring("b")
		l.pbx.calls.Established("b", pbx.Party{Device: "1002", Own: true}, pbx.CauseNormal)
	})
	// The next event shows the gap; it is told once, by itself or by the snapshot.
	l.pbx.calls.Held("b", "1002", pbx.CauseNormal)
	r.want(t, "Delivered a alerting", "ConnectionCleared a null", "Established b connected", "Held b hold")
	// Nothing follows: the directory's sequence number shows it.
	l.lose(func() { l.pbx.calls.Ended("b", pbx.CauseNormalClearing) })
	r.want(t, "Delivered a alerting", "ConnectionCleared a null", "Established b connected", "Held b hold", "ConnectionCleared b null")
}

// An entry is a directory entry that says that so many events were sent.
type entry struct {
	jetstream.KeyValueEntry
	seq uint64
}

func (entry) Key() string                     { return "main" }
func (entry) Operation() jetstream.KeyValueOp { return jetstream.KeyValuePut }
func (e entry) Value() []byte {
	return fmt.Appendf(nil, `{"pbx":"main","lines":"*","link":"normal","epoch":"e","seq":%d}`, e.seq)
}

// Events that come late are not lost: the directory may be far ahead of them
// for as long as they come.
func TestLateEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClient(new(nats.Conn), quiet(t))
		event := func(seq uint64) {
			m := nats.NewMsg(eventSubject("main", "1002", "DoNotDisturbEvent"))
			m.Header.Set(headerEpoch, "e")
			m.Header.Set(headerSeq, fmt.Sprint(seq))
			c.event(m)
		}
		c.entry(entry{seq: 0})
		x := c.exchange("main")
		for second := range uint64(10) {
			event(second + 1)
			c.entry(entry{seq: 100 * (second + 1)})
			time.Sleep(renewal)
			if x.stale || x.seq != second+1 {
				t.Fatalf("after %d s: stale %v, seen %d", second, x.stale, x.seq)
			}
		}
		c.entry(entry{seq: 1000})
		if !x.stale || x.seq != 1000 {
			t.Errorf("none has come for a second: stale %v, seen %d", x.stale, x.seq)
		}
	})
}

// What the far end did meanwhile is told, too.
func TestLostEventsOfFarEnd(t *testing.T) {
	l := newLab(t)
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1001"), r)
	l.pbx.calls.Originated("a", pbx.Party{Device: "1001", Own: true}, csta.Party("1002"), pbx.CauseNewCall)
	l.pbx.calls.Delivered("a", pbx.Party{Device: "1002", Own: true}, pbx.CauseNewCall)
	r.want(t, "Originated a connected", "Delivered a connected")
	l.lose(func() { l.pbx.calls.Established("a", pbx.Party{Device: "1002", Own: true}, pbx.CauseNormal) })
	r.want(t, "Originated a connected", "Delivered a connected", "Established a connected")
	l.lose(func() {
		l.pbx.calls.Held("a", "1002", pbx.CauseNormal)
		l.pbx.calls.Held("a", "1001", pbx.CauseNormal)
	})
	r.want(t, "Originated a connected", "Delivered a connected", "Established a connected", "Held a hold", "Held a hold")
	l.lose(func() { l.pbx.calls.Cleared("a", "1002", pbx.CauseNormalClearing) })
	r.want(t, "Originated a connected", "Delivered a connected", "Established a connected", "Held a hold", "Held a hold", "ConnectionCleared a hold")
}

// A line that the PBX does not have is refused when a client asks for it.
func TestUnknownDevice(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	l.pbx.unknown.Store(true)
	if _, err := l.client.Line(t.Context(), "1002"); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidDeviceID"}) {
		t.Errorf("got %v", err)
	}
}

// A line to which the PBX has no way now is refused as one whose PBX is away.
func TestDeviceAway(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	l.pbx.away.Store(true)
	if _, err := l.client.Line(t.Context(), "1002"); !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
		t.Errorf("got %v", err)
	}
	l.pbx.away.Store(false)
	l.line("1002")
}

// A PBX is not asked for a line that is not its own.
func TestLineOfOthers(t *testing.T) {
	l := newLab(t)
	l.board().want("1099", LineIdle) // the adapter has asked after all its lines itself
	l.line("1001")
	asked := func(number string) error {
		before := l.pbx.shots.Load()
		err := l.client.ask(t.Context(), "main", number, new(lineInfo))
		if (err == nil) != (l.pbx.shots.Load() > before) {
			t.Errorf("%s: %v, and the PBX was asked %d times", number, err, l.pbx.shots.Load()-before)
		}
		return err
	}
	if err := asked("1002"); err != nil {
		t.Error(err)
	}
	if err := asked("2001"); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidDeviceID"}) {
		t.Errorf("got %v", err)
	}
}

// The link to the PBX goes and comes back.
func TestPBXLink(t *testing.T) {
	l := newLab(t)
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1002"), r)
	l.pbx.cut <- struct{}{}
	<-l.pbx.linked
	r.want(t, "link false", "link true")
}

// The adapter is killed; the calls changed meanwhile.
func TestAdapterRestart(t *testing.T) {
	l := newLab(t)
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1002"), r)
	l.pbx.calls.Originated("a", pbx.Party{Device: "1001", Own: true}, csta.Party("1002"), pbx.CauseNewCall)
	l.pbx.calls.Delivered("a", pbx.Party{Device: "1002", Own: true}, pbx.CauseNewCall)
	r.want(t, "Delivered a alerting")
	l.stop()
	eventually(t, "the PBX is away", func() bool { return !l.client.Up("main") })
	if _, err := l.client.Line(t.Context(), "1001"); !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
		t.Errorf("a line of a PBX that is away: %v", err)
	}
	l.pbx.calls.Established("a", pbx.Party{Device: "1002", Own: true}, pbx.CauseNormal)
	l.startAdapter("one")
	<-l.pbx.linked
	r.want(t, "Delivered a alerting", "link false", "Established a connected", "link true")
}

// An adapter that is killed does not take leave: who watches is told, and its
// lines are away, not unknown. Another instance takes its place.
func TestAdapterKilled(t *testing.T) {
	l := newLab(t)
	gateway := l.conn
	l.stop()
	l.conn = l.connect(ConnectConfig{Server: l.server})
	l.startAdapter("killed")
	<-l.pbx.linked
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1002"), r)
	l.conn.Close()
	r.want(t, "link false")
	_, err := l.client.Line(t.Context(), "1002")
	_, err2 := csta.Call(t.Context(), l.client.PBX("main"), makeCall("1002"))
	for _, err := range []error{err, err2} {
		if !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
			t.Errorf("the PBX of a killed adapter: %v", err)
		}
	}
	l.stop()
	l.conn = gateway
	l.startAdapter("another")
	r.want(t, "link false", "link true")
}

// Two adapters of one PBX: the second waits until the first is gone.
func TestSecondAdapterWaits(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	first := l.pbx
	stopFirst := l.stop
	l.pbx = newFakePBX()
	l.startAdapter("two")
	if _, err := csta.Call(t.Context(), l.client.PBX("main"), makeCall("1002")); err != nil {
		t.Fatal(err)
	}
	if first.made.Load() != 1 || len(l.pbx.linked) != 0 {
		t.Error("the second adapter acts beside the first")
	}
	stopFirst()
	<-l.pbx.linked
	l.line("1001")
	if _, err := csta.Call(t.Context(), l.client.PBX("main"), makeCall("1002")); err != nil {
		t.Fatal(err)
	}
	if l.pbx.made.Load() != 1 {
		t.Error("the second adapter does not act")
	}
}

// An adapter that ends finishes what it began.
func TestAdapterDrains(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	result := make(chan error)
	go func() {
		_, err := csta.Call(t.Context(), l.client.PBX("main"), makeCall("wait"))
		result <- err
	}()
	<-l.pbx.held
	stopped := make(chan struct{})
	go func() { l.stop(); close(stopped) }()
	eventually(t, "no longer ready", func() bool { return !l.adapter.Ready() })
	close(l.pbx.free)
	if err := <-result; err != nil {
		t.Errorf("the request was lost: %v", err)
	}
	<-stopped
}

// The bus goes away and comes back on an external server: nothing asked
// meanwhile is executed afterwards, and what happened is told.
func TestServerOutage(t *testing.T) {
	l := &lab{t: t, pbx: newFakePBX()}
	dir := t.TempDir()
	start := func(listen string) *server.Server {
		s, err := Embed(EmbedConfig{Dir: dir, Listen: listen, Token: "secret", Log: quiet(t)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := start("127.0.0.1:0")
	url := s.ClientURL()
	l.conn = l.connect(ConnectConfig{URL: url, Token: "secret"})
	if _, err := nats.Connect(url, nats.Token("wrong")); err == nil {
		t.Error("the server let somebody in without the token")
	}
	l.startAdapter("one")
	<-l.pbx.linked
	l.startClient()
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1002"), r)
	if _, err := csta.Call(csta.WithCommandKey(t.Context(), "before"), l.client.PBX("main"), makeCall("refused")); csta.AsError(err).Value != "noActiveCall" {
		t.Error(err)
	}
	lost := make(chan error)
	go func() {
		_, err := csta.Call(t.Context(), l.client.PBX("main"), makeCall("wait"))
		lost <- err
	}()
	<-l.pbx.held
	Stop(s)
	// What was asked is not waited for: its answer is lost with the connection.
	begun := time.Now()
	if err := <-lost; !errors.Is(err, uncertain) || time.Since(begun) >= answerTime {
		t.Errorf("what was under way is answered %v after %v", err, time.Since(begun))
	}
	close(l.pbx.free)
	eventually(t, "link lost", func() bool { return r.all() == "link false" })
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := csta.Call(short, l.client.PBX("main"), makeCall("1002")); err == nil {
		t.Error("a request was answered without a bus")
	}
	l.pbx.calls.Originated("a", pbx.Party{Device: "1001", Own: true}, csta.Party("1002"), pbx.CauseNewCall)
	l.pbx.calls.Delivered("a", pbx.Party{Device: "1002", Own: true}, pbx.CauseNewCall)
	s = start(strings.TrimPrefix(url, "nats://"))
	t.Cleanup(func() { Stop(s) })
	r.want(t, "link false", "Delivered a alerting", "link true")
	l.line("1001")
	made := l.pbx.made.Load() // of what was under way
	if made > 1 {
		t.Errorf("%d calls were made late", made-1)
	}
	// The bucket of commands was in the server's memory; it is there again.
	for range 2 {
		if _, err := csta.Call(csta.WithCommandKey(t.Context(), "k"), l.client.PBX("main"), makeCall("1002")); err != nil || l.pbx.made.Load() != made+1 {
			t.Errorf("after the outage: %v, %d calls", err, l.pbx.made.Load())
		}
	}
	// The directory is followed again, too: the adapter is not taken for dead.
	time.Sleep(2 * entryLife)
	r.want(t, "link false", "Delivered a alerting", "link true")
	l.stop()
	l.ears.Close()
}

func BenchmarkRequest(b *testing.B) {
	s, err := Embed(EmbedConfig{Dir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer Stop(s)
	log := slog.New(slog.DiscardHandler)
	nc, err := Connect(b.Context(), ConnectConfig{Server: s, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	lines, _ := digitmod.ParseLines("*")
	p := newFakePBX()
	a, err := NewAdapter(AdapterConfig{PBX: "main", Conn: nc, Driver: p, Lines: lines, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	<-p.linked
	h := NewClient(nc, log).PBX("main")
	for _, keyed := range []bool{false, true} {
		name := "asks"
		if keyed {
			name = "acts"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ctx := b.Context()
				if keyed {
					ctx = csta.WithCommandKey(ctx, fmt.Sprint(b.N, name, i, time.Now()))
				}
				if _, err := csta.Call(ctx, h, makeCall("1002")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	cancel()
	<-done
}

// nobody takes in events.
type nobody struct{}

func (nobody) Event(string, csta.Event) {}
func (nobody) Link(bool)                {}
func (nobody) Moved()                   {}

// BenchmarkEvent takes in one event of a line that nobody watches, and of one that
// somebody watches, while no call is watched as a whole.
func BenchmarkEvent(b *testing.B) {
	ev := &csta.DeliveredEvent{Connection: csta.Connection("a", "1002"), AlertingDevice: csta.Party("1002"), CallingDevice: csta.Party("1001"),
		CalledDevice: csta.Party("1002"), LastRedirectionDevice: csta.RedirectionDeviceID{NotRequired: true}, LocalConnectionInfo: pbx.Alerting, Cause: pbx.CauseNewCall}
	text, err := json.Marshal(ev)
	if err != nil {
		b.Fatal(err)
	}
	for _, who := range []string{"nobody", "line"} {
		b.Run(who, func(b *testing.B) {
			c := NewClient(nil, slog.New(slog.DiscardHandler))
			x := c.exchange("main")
			if who == "line" {
				x.follow["1002"] = &followed{Line: Line{Device: "1002", Local: "1002"}, watchers: map[Watcher]string{nobody{}: "1002"},
					told: pbx.NewTold("1002", "1002")}
			}
			m := nats.NewMsg(eventSubject("main", "1002", "DeliveredEvent"))
			m.Header.Set(headerEpoch, "e")
			m.Header.Set(headerDevice, "1002")
			m.Data = text
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				m.Header.Set(headerSeq, strconv.Itoa(i))
				c.event(m)
			}
		})
	}
}
