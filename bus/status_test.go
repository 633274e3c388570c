package bus

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"rccgw/csta"
	"rccgw/pbx"
)

// board is a wall board: it has what the bucket had when it came, and what became
// of it.
type board struct {
	t     *testing.T
	mu    sync.Mutex
	lines map[string]LineStatus // by line
	seen  map[string]string     // by line, the states in their order
}

func (l *lab) board() *board {
	b := &board{t: l.t, lines: map[string]LineStatus{}, seen: map[string]string{}}
	kv, err := openLines(l.t.Context(), l.conn)
	if err != nil {
		l.t.Fatal(err)
	}
	w, err := kv.WatchAll(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for e := range w.Updates() {
			if e != nil {
				b.take(e)
			}
		}
	})
	l.t.Cleanup(func() { _ = w.Stop(); running.Wait() })
	return b
}

func (b *board) take(e jetstream.KeyValueEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Operation() != jetstream.KeyValuePut {
		for line := range b.lines {
			if lineKey("main", line) == e.Key() {
				delete(b.lines, line)
			}
		}
		return
	}
	var s LineStatus
	if err := json.Unmarshal(e.Value(), &s); err != nil || lineKey(s.PBX, s.Line) != e.Key() {
		b.t.Errorf("%s: %s: %v", e.Key(), e.Value(), err)
	}
	if was := b.lines[s.Line]; was.State != s.State {
		b.seen[s.Line] = strings.TrimSpace(b.seen[s.Line] + " " + string(s.State))
		if was.State != "" && !s.Since.After(was.Since) {
			b.t.Errorf("%s is %s since %v, and was %s since %v", s.Line, s.State, s.Since, was.State, was.Since)
		}
	} else if was.State != "" && s.Since != was.Since {
		b.t.Errorf("%s is %s since %v, and was since %v", s.Line, s.State, s.Since, was.Since)
	}
	b.lines[s.Line] = s
}

func (b *board) want(line string, state LineState) LineStatus {
	b.t.Helper()
	var s LineStatus
	eventually(b.t, line+" "+string(state), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		s = b.lines[line]
		return s.State == state
	})
	return s
}

func (b *board) gone(line string) {
	b.t.Helper()
	eventually(b.t, line+" is gone", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		_, ok := b.lines[line]
		return !ok
	})
}

func TestLineStatus(t *testing.T) {
	l := newLab(t)
	b := l.board()
	idle := b.want("1002", LineIdle)
	if idle.PBX != "main" || idle.Device != "1002" || idle.Epoch != l.adapter.entry().Epoch || time.Since(idle.Since) > time.Minute || idle.DoNotDisturb || idle.Forwarded {
		t.Errorf("an idle line: %+v", idle)
	}
	calls := l.pbx.calls
	calls.Originated("a", own1("1001"), csta.Party("1002"), pbx.CauseNewCall)
	b.want("1001", LineBusy)
	calls.Delivered("a", own1("1002"), pbx.CauseNewCall)
	b.want("1002", LineRinging)
	calls.Established("a", own1("1002"), pbx.CauseNormal)
	b.want("1002", LineBusy)
	calls.Held("a", "1002", pbx.CauseNormal)
	b.want("1002", LineHeld)
	calls.Originated("b", own1("1003"), csta.Party("1002"), pbx.CauseNewCall)
	calls.Delivered("b", own1("1002"), pbx.CauseNewCall)
	b.want("1002", LineRinging)
	calls.Ended("b", pbx.CauseNormalClearing)
	b.want("1002", LineHeld)
	calls.Ended("a", pbx.CauseNormalClearing)
	b.want("1002", LineIdle)
	if got := b.seen["1002"]; got != "idle ringing busy held ringing held idle" {
		t.Errorf("seen: %s", got)
	}

	l.adapter.emit("1001", &csta.DoNotDisturbEvent{Device: csta.Party("1001"), DoNotDisturbOn: true})
	l.adapter.emit("1001", &csta.ForwardingEvent{Device: csta.Party("1001"), ForwardingType: "forwardBusy", ForwardStatus: true, ForwardTo: csta.Device("1003")})
	eventually(t, "settings", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.lines["1001"].DoNotDisturb && b.lines["1001"].Forwarded
	})
	l.adapter.emit("1001", &csta.OutOfServiceEvent{Device: csta.Party("1001")})
	if s := b.want("1001", LineOutOfService); !s.DoNotDisturb {
		t.Errorf("a setting is lost with the device: %+v", s)
	}
	b.want("1002", LineIdle)
	l.adapter.emit("1001", &csta.BackInServiceEvent{Device: csta.Party("1001")})
	b.want("1001", LineIdle)
}

// While the link is lost no line's state is known; what changed meanwhile is there
// when it is back.
func TestLineStatusOfLostLink(t *testing.T) {
	l := newLab(t)
	b := l.board()
	b.want("1099", LineIdle)
	l.pbx.calls.Originated("a", own1("1001"), csta.Party("1002"), pbx.CauseNewCall)
	b.want("1001", LineBusy)
	l.pbx.cut <- struct{}{}
	b.want("1001", LineOutOfService)
	b.want("1099", LineOutOfService)
	<-l.pbx.linked
	b.want("1001", LineBusy)
	b.want("1099", LineIdle)
}

// What a killed adapter left in the bucket is put right by the next one, lines
// that are no more are removed.
func TestLineStatusAfterKill(t *testing.T) {
	l := newLab(t)
	cut := l.severed("one")
	b := l.board()
	l.pbx.calls.Originated("a", own1("1001"), csta.Party("1002"), pbx.CauseNewCall)
	first := b.want("1001", LineBusy)
	b.want("1002", LineIdle)
	second := l.standby("two") // its PBX has no call
	second.calls.Originated("b", own1("1002"), csta.Party("1003"), pbx.CauseNewCall)
	kv, err := openLines(t.Context(), l.conn)
	if err != nil {
		t.Fatal(err)
	}
	stale, err := json.Marshal(LineStatus{PBX: "main", Line: "2000", Device: "2000", State: LineBusy, Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), lineKey("main", "2000"), stale); err != nil {
		t.Fatal(err)
	}
	b.want("2000", LineBusy)
	second.gone.Store("2000")
	found := func(line string) LineState {
		list, err := l.client.Lines(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Line == line {
				return s.State
			}
		}
		return ""
	}
	if state := found("1001"); state != LineBusy {
		t.Errorf("1001 is listed as %s", state)
	}
	if state := found("2000"); state != LineOutOfService {
		t.Errorf("what another epoch left is listed as %s", state)
	}
	cut()
	eventually(t, "it is not busy any more", func() bool { return found("1001") != LineBusy }) // out of service, then idle
	<-second.linked
	b.want("1002", LineBusy)
	if s := b.want("1001", LineIdle); s.Epoch == first.Epoch {
		t.Errorf("still of the first adapter: %+v", s)
	}
	b.gone("2000")
}

// A line that a changed plan shows by another number moves with it.
func TestLineStatusFollowsPlan(t *testing.T) {
	l := newLab(t)
	b := l.board()
	before := b.want("1002", LineIdle)
	l.set(areaPlan("610"))
	after := b.want("+6101002", LineIdle)
	if after.Device != "1002" || after.Since != before.Since {
		t.Errorf("%+v, before %+v", after, before)
	}
	b.gone("1002")
}

// The bucket may be lost with a server that keeps nothing: it is made again, with
// all lines.
func TestLineStatusBucketLost(t *testing.T) {
	l := newLab(t)
	l.board().want("1099", LineIdle)
	js, err := jetstream.New(l.conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), linesBucket); err != nil {
		t.Fatal(err)
	}
	l.pbx.calls.Originated("a", own1("1001"), csta.Party("1002"), pbx.CauseNewCall)
	eventually(t, "the bucket", func() bool {
		_, err := js.KeyValue(t.Context(), linesBucket)
		return !errors.Is(err, jetstream.ErrBucketNotFound)
	})
	b := l.board()
	b.want("1001", LineBusy)
	b.want("1099", LineIdle)
}

// A change is a plain message, too, for who has no JetStream.
func TestLineStatusIsAMessage(t *testing.T) {
	l := newLab(t)
	l.board().want("1001", LineIdle)
	got := make(chan string, 1000)
	sub, err := l.conn.Subscribe("$KV.rcc_lines.main.1001", func(m *nats.Msg) { got <- string(m.Data) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := l.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	l.pbx.calls.Originated("a", own1("1001"), csta.Party("1002"), pbx.CauseNewCall)
	select {
	case text := <-got:
		if !strings.Contains(text, `"line":"1001","device":"1001","state":"busy"`) {
			t.Errorf("got %s", text)
		}
	case <-time.After(10 * time.Second):
		t.Error("no message")
	}
}

func TestLineKey(t *testing.T) {
	valid := regexp.MustCompile(`^[-/_=.a-zA-Z0-9]+$`)
	device := rapid.OneOf(rapid.SampledFrom([]string{"1001", "+1", "*72", "#900", "a.b", "=2B", "%41", "ü", " "}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		a, b := device.Draw(t, "a"), device.Draw(t, "b")
		key := lineKey("main", a)
		if a != "*" && (!valid.MatchString(key) || strings.Count(key, ".") != 1 || strings.HasSuffix(key, ".")) {
			t.Errorf("%q has the key %q", a, key)
		}
		if a != b && key == lineKey("main", b) {
			t.Errorf("%q and %q have the key %q", a, b, key)
		}
	})
}
