package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// areaPlan shows the lines 1001 to 1099 with an area code in front, and means
// them by it.
func areaPlan(area string) digitmod.Config {
	four := 4
	return digitmod.Config{
		Outgoing: []digitmod.Rule{{Leading: &area}},
		Incoming: []digitmod.Rule{{Length: &four, Replacement: area, AddPlus: true}},
	}
}

// edit replaces the plan.
func edit(base uint64, by, what string, c digitmod.Config) Edit {
	return Edit{base, by, func(digitmod.Config) (digitmod.Config, string, error) { return c, what, nil }}
}

// set puts a plan in force.
func (l *lab) set(c digitmod.Config) DigitsState {
	l.t.Helper()
	s, err := l.adapter.Digits.Change(l.t.Context(), edit(l.adapter.Digits.State().Revision, "test", "set", c))
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// newDigits returns the plan of PBX main as another process would have it.
func newDigits(t *testing.T, nc *nats.Conn, seed digitmod.Config) *Digits {
	lines, err := digitmod.ParseLines("1001-1099")
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDigits(DigitsConfig{PBX: "main", Conn: nc, Lines: lines, Config: seed, Log: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run is what an adapter does with its plan while it runs.
func (d *Digits) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if err := d.open(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); d.follow(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func digitsBus(t *testing.T) (*server.Server, *nats.Conn) {
	s, err := Embed(EmbedConfig{Dir: t.TempDir(), Log: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(s) })
	return s, (&lab{t: t}).connect(ConnectConfig{Server: s})
}

// The bucket begins with the environment's plan, once; afterwards it is edited,
// and a restart finds the edit.
func TestDigitsSeededOnce(t *testing.T) {
	_, nc := digitsBus(t)
	d := newDigits(t, nc, areaPlan("610"))
	if s := d.State(); s.Revision != 0 || !s.Stale {
		t.Errorf("before the bucket was read: %+v", s)
	}
	stop := d.run(t)
	s := d.State()
	if s.Revision == 0 || s.By != "environment" || s.Stale || s.Problem != "" || s.Source != FromBucket {
		t.Errorf("seeded: %+v", s)
	}
	if s, err := d.Change(t.Context(), edit(s.Revision, "ada", "another area", areaPlan("620"))); err != nil || s.By != "ada" || s.What != "another area" {
		t.Errorf("%+v, %v", s, err)
	}
	stop()
	d = newDigits(t, nc, areaPlan("630"))
	d.run(t)
	if s := d.State(); !s.Config.Equal(areaPlan("620")) || d.now().shown("1001") != "+6201001" {
		t.Errorf("after a restart: %+v", s)
	}
	// Without a plan in the environment nothing is stored until it is edited.
	empty, err := NewDigits(DigitsConfig{PBX: "other", Conn: nc, Lines: d.Lines, Log: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	empty.run(t)
	if s := empty.State(); s.Revision != 0 || s.Stale {
		t.Errorf("an empty one: %+v", s)
	}
	if s, err := empty.Change(t.Context(), edit(0, "test", "set", areaPlan("610"))); err != nil || s.Revision == 0 {
		t.Errorf("the first change: %+v, %v", s, err)
	}
}

// A change is refused as a whole, with all that speaks against it.
func TestDigitsRefused(t *testing.T) {
	l := newLab(t)
	d := l.adapter.Digits
	base := l.set(areaPlan("610"))
	try := func(at uint64, c digitmod.Config) error {
		_, err := d.Change(t.Context(), edit(at, "test", "try", c))
		if s := d.State(); s.Revision != base.Revision || !s.Config.Equal(base.Config) || s.Problem != "" {
			t.Errorf("a refused change left %+v", s)
		}
		return err
	}
	if err := try(base.Revision-1, areaPlan("620")); !errors.Is(err, ErrStale) {
		t.Errorf("a stale edit: %v", err)
	}
	var ms digitmod.Mistakes
	bad := areaPlan("620")
	bad.ARS = "x"
	bad.Outgoing = append(bad.Outgoing, digitmod.Rule{})
	if err := try(base.Revision, bad); !errors.As(err, &ms) || len(ms) != 2 {
		t.Errorf("two mistakes: %v", err)
	}
	four := 4
	oneWay := digitmod.Config{Incoming: []digitmod.Rule{{Length: &four, Replacement: "1", AddPlus: true}}}
	if err := try(base.Revision, oneWay); !errors.As(err, &ms) || len(ms) == 0 || !strings.Contains(err.Error(), "1001") {
		t.Errorf("lines that do not come back: %v", err)
	}
	// A line that no pattern names counts while it is watched.
	stop, _ := l.client.Watch(t.Context(), Line{PBX: "main", Number: "555", Device: "555", Local: "555"}, &recorder{})
	three := 3
	oneWay = areaPlan("610")
	oneWay.Incoming = append(oneWay.Incoming, digitmod.Rule{Length: &three, Replacement: "7"})
	if err := try(base.Revision, oneWay); !errors.As(err, &ms) || len(ms) != 1 || ms[0].Place != "watched line" {
		t.Errorf("a watched line that does not come back: %v", err)
	}
	stop()
	eventually(t, "nobody watches it any more", func() bool { _, err := d.Check(oneWay); return err == nil })
	// What is in force already is no new revision.
	if s, err := d.Change(t.Context(), edit(base.Revision, "test", "set", areaPlan("610"))); err != nil || s.Revision != base.Revision {
		t.Errorf("the same plan: %+v, %v", s, err)
	}
	huge := areaPlan("610")
	for range 9000 {
		match := "^1" + strings.Repeat("[0-9]", 25)
		huge.Outgoing = append(huge.Outgoing, digitmod.Rule{Match: &match})
	}
	if err := try(base.Revision, huge); !errors.As(err, &ms) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a plan that the bus does not carry: %.100v", err)
	}
}

// Every process follows, and of two edits of one revision one is refused.
func TestDigitsReplicas(t *testing.T) {
	s, nc := digitsBus(t)
	a := newDigits(t, nc, areaPlan("610"))
	a.run(t)
	b := newDigits(t, (&lab{t: t}).connect(ConnectConfig{Server: s}), areaPlan("610"))
	b.run(t)
	for i := range 50 {
		eventually(t, "both have it", func() bool { return a.State().Revision == b.State().Revision })
		base := a.State().Revision
		errs := make([]error, 2)
		var both sync.WaitGroup
		for j, d := range []*Digits{a, b} {
			both.Go(func() {
				_, errs[j] = d.Change(t.Context(), edit(base, fmt.Sprint(j), fmt.Sprint(i), areaPlan(fmt.Sprintf("6%d%02d", j, i))))
			})
		}
		both.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, ErrStale) {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("%d of two edits were taken: %v", won, errs)
		}
	}
}

// The rows of the table in docs/design.md: a process that was killed after the
// store had the plan and before it was in force finds it when it starts again.
func TestDigitsKilledBeforeApply(t *testing.T) {
	_, nc := digitsBus(t)
	d := newDigits(t, nc, areaPlan("610"))
	stop := d.run(t)
	stop()
	killed := newDigits(t, nc, areaPlan("610"))
	kv, err := openDigits(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	text, err := killed.record(areaPlan("620"), "ada", "stored, and then the power went")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Update(t.Context(), "main", text, d.State().Revision); err != nil {
		t.Fatal(err)
	}
	again := newDigits(t, nc, areaPlan("610"))
	again.run(t)
	if s := again.State(); !s.Config.Equal(areaPlan("620")) || s.By != "ada" {
		t.Errorf("after the restart: %+v", s)
	}
}

// What cannot be put in force is kept out, by who runs and by who starts, and
// another edit mends it.
func TestDigitsBadStore(t *testing.T) {
	_, nc := digitsBus(t)
	d := newDigits(t, nc, areaPlan("610"))
	stop := d.run(t)
	good := d.State()
	kv, err := openDigits(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"nonsense":              "not understood",
		`{"plan":{"ars":"x"}}`:  "ars",
		`{"plan":{"arse":"9"}}`: "unknown key",
		`{"plan":{"incoming":[{"length":4,"replacement":"1","addPlus":true}]}}`: "line 1001",
	} {
		before := d.State().Newest
		if _, err := kv.Put(t.Context(), "main", []byte(text)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is seen", func() bool { return d.State().Newest > before })
		eventually(t, "it is refused", func() bool { return strings.Contains(d.State().Problem, want) })
		if s := d.State(); s.Revision != good.Revision || !s.Config.Equal(good.Config) {
			t.Errorf("%s: %+v", text, s)
		}
	}
	stop()
	d = newDigits(t, nc, digitmod.Config{})
	d.run(t)
	if s := d.State(); s.Revision != good.Revision || !s.Config.Equal(good.Config) || s.Problem == "" {
		t.Errorf("after a restart: %+v", s)
	}
	list, err := d.History(t.Context())
	unreadable := 0
	for _, r := range list {
		if r.Problem != "" {
			unreadable++
		}
	}
	if err != nil || len(list) != 5 || unreadable != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	if s, err := d.Change(t.Context(), edit(good.Revision, "ada", "mended", good.Config)); err != nil || s.Problem != "" || s.Revision != s.Newest {
		t.Errorf("mended: %+v, %v", s, err)
	}
	if err := kv.Delete(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss is told", func() bool { return strings.Contains(d.State().Problem, "deleted") })
	if s, err := d.Change(t.Context(), edit(d.State().Revision, "ada", "again", areaPlan("620"))); err != nil || s.Problem != "" {
		t.Errorf("after a loss: %+v, %v", s, err)
	}
}

// Without the bus the plan in force goes on, says that it may be stale, and is
// not edited; with it, what came meanwhile is in force.
func TestDigitsOutage(t *testing.T) {
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
	connect := func() *nats.Conn { return (&lab{t: t}).connect(ConnectConfig{URL: url, Token: "secret"}) }
	d := newDigits(t, connect(), areaPlan("610"))
	d.run(t)
	Stop(s)
	eventually(t, "stale", func() bool { return d.State().Stale })
	if _, err := d.Change(t.Context(), edit(d.State().Revision, "test", "set", areaPlan("620"))); !errors.Is(err, ErrNoStore) {
		t.Errorf("a change without a bus: %v", err)
	}
	if _, err := d.History(t.Context()); !errors.Is(err, ErrNoStore) {
		t.Errorf("a history without a bus: %v", err)
	}
	if shown := d.now().shown("1001"); shown != "+6101001" {
		t.Errorf("shown as %s", shown)
	}
	s = start(strings.TrimPrefix(url, "nats://"))
	t.Cleanup(func() { Stop(s) })
	other := newDigits(t, connect(), areaPlan("610"))
	other.run(t)
	if _, err := other.Change(t.Context(), edit(other.State().Revision, "test", "set", areaPlan("620"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new plan", func() bool { return !d.State().Stale && d.now().shown("1001") == "+6201001" })
}

func TestDigitsHistory(t *testing.T) {
	_, nc := digitsBus(t)
	d := newDigits(t, nc, areaPlan("610"))
	d.run(t)
	first := d.State().Revision
	for i := range maxRevisions - 1 {
		if _, err := d.Change(t.Context(), edit(d.State().Revision, "ada", fmt.Sprint("change ", i), areaPlan(fmt.Sprint(600+i)))); err != nil {
			t.Fatal(err)
		}
	}
	list, err := d.History(t.Context())
	if err != nil || len(list) != maxRevisions {
		t.Fatalf("%d revisions, %v", len(list), err)
	}
	last := list[len(list)-1]
	want := []string{`- outgoing 1: {"leading":"661"}`, `+ outgoing 1: {"leading":"662"}`,
		`- incoming 1: {"replacement":"661","addPlus":true,"length":4}`, `+ incoming 1: {"replacement":"662","addPlus":true,"length":4}`}
	if last.Revision != d.State().Revision || last.By != "ada" || last.What != "change 62" || strings.Join(last.Changes, "\n") != strings.Join(want, "\n") || time.Since(last.At) > time.Hour {
		t.Errorf("%+v", last)
	}
	// Going back makes a new revision, and the oldest one makes way for it.
	back, err := d.Past(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := d.Change(t.Context(), edit(d.State().Revision, "ada", "back", back.Config)); err != nil || s.Revision <= last.Revision || !s.Config.Equal(areaPlan("610")) {
		t.Errorf("%+v, %v", s, err)
	}
	if list, err = d.History(t.Context()); err != nil || len(list) != maxRevisions {
		t.Errorf("%d revisions, %v", len(list), err)
	}
	if _, err := d.Past(t.Context(), first); !errors.Is(err, ErrNoRevision) {
		t.Errorf("a revision that made way: %v", err)
	}
}

// A file is read again when it changes, however its name comes to lead to other
// text, and not while it is being written.
func TestDigitsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A folder as Kubernetes mounts a ConfigMap.
		dir := t.TempDir()
		write := func(version string, c digitmod.Config) {
			t.Helper()
			if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, version, "plan.yaml"), c.YAML(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Symlink(version, filepath.Join(dir, "next")), os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "..data"))); err != nil {
				t.Fatal(err)
			}
		}
		write("v1", areaPlan("610"))
		path := filepath.Join(dir, "plan.yaml")
		if err := os.Symlink("..data/plan.yaml", path); err != nil {
			t.Fatal(err)
		}
		d, err := NewDigits(DigitsConfig{PBX: "main", Config: areaPlan("610"), File: path, Lines: newDigits(t, nil, digitmod.Config{}).Lines, Log: quiet(t)})
		if err != nil {
			t.Fatal(err)
		}
		d.run(t)
		wait := func() DigitsState { time.Sleep(3 * filePause); return d.State() }
		if s := wait(); s.Revision != 1 || s.Source != FromFile || s.File != path || s.Stale || s.Problem != "" {
			t.Errorf("%+v", s)
		}
		write("v2", areaPlan("620"))
		if s := wait(); s.Revision != 2 || d.now().shown("1001") != "+6201001" {
			t.Errorf("after the swap: %+v", s)
		}
		if _, err := d.Change(t.Context(), edit(2, "test", "set", areaPlan("630"))); !errors.Is(err, ErrFromFile) {
			t.Errorf("a change beside the file: %v", err)
		}
		// Text that is there for a moment only is half of what is being written.
		real := filepath.Join(dir, "v2", "plan.yaml")
		half := func(text string) {
			if err := os.WriteFile(real, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(filePause / 2)
		half("{}")
		time.Sleep(filePause)
		half("ars: x")
		if s := wait(); s.Revision != 2 || !strings.Contains(s.Problem, "ars") {
			t.Errorf("a file with a mistake: %+v", s)
		}
		half(string(areaPlan("620").YAML()))
		if s := wait(); s.Revision != 2 || s.Problem != "" {
			t.Errorf("back to what was: %+v", s)
		}
		half(strings.Repeat(" ", maxFile+1))
		if s := wait(); s.Revision != 2 || !strings.Contains(s.Problem, "1 MiB") {
			t.Errorf("a huge file: %+v", s)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if s := wait(); s.Revision != 2 || !strings.Contains(s.Problem, "no such file") {
			t.Errorf("no file: %+v", s)
		}
		if err := os.WriteFile(path, areaPlan("630").YAML(), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := wait(); s.Revision != 3 || s.Problem != "" || d.now().shown("1001") != "+6301001" {
			t.Errorf("another file: %+v", s)
		}
	})
}

// heard is what a subscriber on the bus gets.
type heard struct {
	subject, device string
	msg             csta.Event
}

// listen subscribes to the events of the PBX, as any program may.
func (l *lab) listen() <-chan heard {
	ch := make(chan heard, 1000)
	sub, err := l.conn.Subscribe(eventsSubject("main"), func(m *nats.Msg) {
		_, device, name, _ := splitEvent(m.Subject)
		msg, _ := csta.New(name)
		if err := json.Unmarshal(m.Data, msg); err != nil {
			l.t.Error(err)
		}
		if ev, ok := msg.(csta.Event); ok {
			ch <- heard{device, m.Header.Get(headerDevice), ev}
		}
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := l.conn.Flush(); err != nil {
		l.t.Fatal(err)
	}
	return ch
}

// numbers are the subject's device and all numbers of the event.
func (h heard) numbers() (list []string) {
	list = append(list, h.subject)
	csta.Numbers(h.msg, func(n csta.Number) { list = append(list, n.ID.ID) })
	return list
}

// expect reads n events, all of whose numbers have the prefix.
func expect(t *testing.T, ch <-chan heard, n int, prefix string) {
	t.Helper()
	for range n {
		select {
		case h := <-ch:
			for _, number := range h.numbers() {
				if !strings.HasPrefix(number, prefix) {
					t.Errorf("%s at %s has %q, not %s…: %v", csta.Name(h.msg), h.device, number, prefix, h.numbers())
				}
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no event")
		}
	}
}

func own1(device string) pbx.Party { return pbx.Party{Device: device, Own: true} }

// A call keeps the numbers that it was shown with, in events and snapshots,
// until its last device has left; another call has the new ones.
func TestCallKeepsItsNumbers(t *testing.T) {
	l := newLab(t)
	l.set(areaPlan("610"))
	ch := l.listen()
	calls := l.pbx.calls
	ring := func(call, to string) {
		calls.Originated(call, own1("1001"), csta.Party(to), pbx.CauseNewCall)
		calls.Delivered(call, own1(to), pbx.CauseNewCall)
	}
	ring("a", "1002")
	expect(t, ch, 3, "+610")
	l.set(areaPlan("620"))
	calls.Established("a", own1("1002"), pbx.CauseNormal)
	calls.Held("a", "1001", pbx.CauseNormal)
	expect(t, ch, 4, "+610")
	ring("b", "1003")
	expect(t, ch, 3, "+620")
	resp, err := csta.Call(t.Context(), l.client.On(Line{PBX: "main", Device: "+6101001", Local: "1001"}), &csta.SnapshotDevice{SnapshotObject: csta.Device("+6101001")})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, info := range resp.Connections() {
		shown[info.ConnectionIdentifier.CallID] = info.EndpointDevice.String()
	}
	if shown["a"] != "+6101002" || shown["b"] != "+6201003" {
		t.Errorf("snapshot: %v", shown)
	}
	calls.Retrieved("a", "1001", pbx.CauseNormal)
	calls.Ended("a", pbx.CauseNormalClearing)
	expect(t, ch, 5, "+610")
	calls.Ended("b", pbx.CauseNormalClearing)
	expect(t, ch, 3, "+620")
	if n := l.adapter.Digits.calls.count(); n != 0 {
		t.Errorf("%d calls are remembered after all have ended", n)
	}
}

// Calls that were joined go on with the numbers of the primary one, whatever the
// result is called.
func TestJoinedCallKeepsItsNumbers(t *testing.T) {
	for _, result := range []string{"a", "b", "c"} {
		t.Run(result, func(t *testing.T) {
			l := newLab(t)
			l.set(areaPlan("610"))
			ch := l.listen()
			calls := l.pbx.calls
			talk := func(call, from, to string) {
				calls.Originated(call, own1(from), csta.Party(to), pbx.CauseNewCall)
				calls.Delivered(call, own1(to), pbx.CauseNewCall)
				calls.Established(call, own1(to), pbx.CauseNormal)
			}
			talk("a", "1001", "1002")
			calls.Held("a", "1001", pbx.CauseNormal)
			expect(t, ch, 7, "+610")
			l.set(areaPlan("620"))
			talk("b", "1001", "1003")
			expect(t, ch, 5, "+620")
			calls.Transferred(pbx.Joining{Device: "1001", Primary: "a", Secondary: "b", Result: result, To: csta.Party("1003"), Cause: pbx.CauseNormal})
			expect(t, ch, 3, "+610")
			l.set(areaPlan("630"))
			calls.Ended(result, pbx.CauseNormalClearing)
			expect(t, ch, 3, "+610")
			if n := l.adapter.Digits.calls.count(); n != 0 {
				t.Errorf("%d calls are remembered after all have ended", n)
			}
		})
	}
}

// A watched line is followed when it is shown by another number, and acts as
// the device that it was; whoever means another device by it now is told.
func TestWatchFollowsPlan(t *testing.T) {
	l := newLab(t)
	l.set(areaPlan("610"))
	byExtension, byNumber := l.line("1002"), l.line("+6101002")
	if byExtension.Device != "+6101002" || byNumber.Local != "1002" {
		t.Fatalf("%+v, %+v", byExtension, byNumber)
	}
	ext, full := &recorder{}, &recorder{}
	_, _ = l.client.Watch(t.Context(), byExtension, ext)
	stop, _ := l.client.Watch(t.Context(), byNumber, full)
	l.set(areaPlan("620")) // +6101002 is no line of this plan: it means the device 6101002
	eventually(t, "moved", func() bool { return strings.HasPrefix(full.all(), "moved") })
	stop()
	calls := l.pbx.calls
	calls.Originated("a", own1("1001"), csta.Party("1002"), pbx.CauseNewCall)
	calls.Delivered("a", own1("1002"), pbx.CauseNewCall)
	ext.want(t, "Delivered a alerting")
	resp, err := csta.Call(t.Context(), l.client.On(byExtension), &csta.MakeCall{CallingDevice: csta.Device("+6101002"), CalledDirectoryNumber: csta.Device("1003")})
	if err != nil || resp.CallingDevice.DeviceID.ID != "1002" {
		t.Errorf("acted as %v, %v", resp, err)
	}
	if again := l.line("1002"); again.Device != "+6201002" || again.Local != "1002" {
		t.Errorf("looked up anew: %+v", again)
	}
	if n := l.pbx.watched.Load(); n != 1 {
		t.Errorf("the driver was told %d times to watch", n)
	}
	ext.want(t, "Delivered a alerting")
}

// The directory says which plan is in force, and gateways learn of another.
func TestDigitsInDirectory(t *testing.T) {
	l := newLab(t)
	s := l.set(areaPlan("610"))
	eventually(t, "the entry", func() bool {
		e, err := l.adapter.adapters.Get(t.Context(), "main")
		var entry Entry
		return err == nil && json.Unmarshal(e.Value(), &entry) == nil && entry.Digits == EntryDigits{Source: FromBucket, Revision: s.Revision}
	})
}

// Calls whose end is never told do not take memory without bound, and a call
// that is spoken of stays.
func TestCallPlansBounded(t *testing.T) {
	var c callPlans
	four := digits{new(digitmod.Plan)}
	c.seen("talking", "1001", four)
	for i := range 3 * maxGeneration {
		c.seen(fmt.Sprint(i), "1001", digits{})
		if i%1000 == 0 && c.of("talking", digits{}) != four {
			t.Fatalf("the call is forgotten after %d others", i)
		}
	}
	if n := c.count(); n > 2*maxGeneration {
		t.Errorf("%d calls are remembered", n)
	}
}

// A bucket that an operator made, with other properties, is used as it is.
func TestDigitsBucketOfOperator(t *testing.T) {
	_, nc := digitsBus(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: digitsBucket, History: 3, Description: "ours"}); err != nil {
		t.Fatal(err)
	}
	kv, err := openDigits(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := kv.Status(t.Context()); err != nil || s.History() != 3 {
		t.Errorf("%v, %v", s, err)
	}
}

func BenchmarkReport(b *testing.B) {
	d, err := NewDigits(DigitsConfig{PBX: "main", Lines: nil, Config: areaPlan("610"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		call := fmt.Sprint(i % 1000)
		ev := &csta.DeliveredEvent{Connection: csta.Connection(call, "1002"), AlertingDevice: csta.Party("1002"), CallingDevice: csta.Party("1001"),
			CalledDevice: csta.Party("1002"), LocalConnectionInfo: pbx.Alerting}
		d.report("1002", ev)
	}
}

// What a plan does that may not be meant is said once whenever it is put in
// force, and bounded.
func TestDigitsWarns(t *testing.T) {
	shadowed := func(rules int) digitmod.Config {
		c := digitmod.Config{Outgoing: make([]digitmod.Rule, rules+1)}
		for i := range c.Outgoing {
			c.Outgoing[i].Leading = new("2")
		}
		return c
	}
	var log bytes.Buffer
	_, nc := digitsBus(t)
	d := newDigits(t, nc, shadowed(1))
	d.Log = slog.New(slog.NewTextHandler(&log, nil))
	d.run(t)()
	count := func(want int, text string) {
		t.Helper()
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%d times %q, want %d:\n%s", got, text, want, log.String())
		}
	}
	count(1, "outgoing rule 2: never fires")
	findings, err := d.Check(shadowed(3))
	if err != nil || len(findings) < 3 || findings[0].Kind != digitmod.Shadowed {
		t.Errorf("%v, %v", findings, err)
	}
	count(1, "never fires")
	if _, err := d.Change(t.Context(), edit(d.State().Revision, "test", "set", shadowed(100))); err != nil {
		t.Fatal(err)
	}
	count(1+maxWarned, "never fires")
	count(1, "more=80")

	log.Reset()
	d, err = NewDigits(DigitsConfig{PBX: "main", Config: shadowed(1), File: "/nowhere", Lines: d.Lines, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	d.run(t)()
	count(1, "outgoing rule 2: never fires")
}

// count returns how many calls are remembered.
func (c *callPlans) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}
