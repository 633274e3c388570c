package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rccgw/csta"
	"rccgw/pbx"
)

// callRecorder notes what is told of calls: each event with its connection.
type callRecorder struct {
	recorder
	t *testing.T
}

func (r *callRecorder) tell(ev csta.Event) {
	if err := csta.Check(ev); err != nil {
		r.t.Errorf("%s: %v", csta.Name(ev), err)
	}
	if local, _ := csta.LocalConnection(ev); local != "" {
		r.t.Errorf("%s has localConnectionInfo %s", csta.Name(ev), local)
	}
	r.add(words(ev))
}

// words writes an event with its connection.
func words(ev csta.Event) string {
	text := strings.TrimSuffix(csta.Name(ev), "Event") + " " + csta.FirstConnection(ev).String()
	if j, ok := joiningOf(ev); ok {
		text += " to"
		for _, item := range j.connections {
			text += " " + item.NewConnection.String()
		}
	}
	return text
}

// watchCalls watches calls until the test is over.
func (l *lab) watchCalls(device, call string) *callRecorder {
	l.t.Helper()
	r := &callRecorder{t: l.t}
	stop, err := l.client.WatchCalls(l.t.Context(), l.line(device), call, r.tell)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(stop)
	return r
}

func insider(device string) pbx.Party { return pbx.Party{Device: device, Own: true} }

// abroad is a party of whose connection no event tells.
var abroad = pbx.Party{Device: "trunk", Number: csta.Party("+4989")}

func (l *lab) rings(call string, from, to pbx.Party) {
	l.pbx.calls.Originated(call, from, csta.Party(to.Device), pbx.CauseNewCall)
	l.pbx.calls.Delivered(call, to, pbx.CauseNewCall)
}

func (l *lab) talks(call string, from, to pbx.Party) {
	l.rings(call, from, to)
	l.pbx.calls.Established(call, to, pbx.CauseNormal)
}

// noneWatched checks that nothing is kept of calls that are over.
func (l *lab) noneWatched() {
	l.t.Helper()
	eventually(l.t, "no call is kept", func() bool {
		l.client.mu.Lock()
		defer l.client.mu.Unlock()
		return len(l.client.pbxs["main"].calls) == 0
	})
}

// Each occurrence is told once, though the bus carries it for both lines; and a
// call that nobody watches is not told.
func TestWatchCalls(t *testing.T) {
	l := newLab(t)
	r := l.watchCalls("1002", "")
	l.talks("other", insider("1003"), insider("1004"))
	l.talks("a", insider("1001"), insider("1002"))
	l.pbx.calls.Held("a", "1001", pbx.CauseNormal)
	l.pbx.calls.Retrieved("a", "1001", pbx.CauseNormal)
	l.pbx.calls.Held("a", "1001", pbx.CauseNormal)
	l.pbx.calls.Ended("a", pbx.CauseNormalClearing)
	// Who calls is told to the watched line with the first event that it sees.
	r.want(t, "Delivered 1002@a", "Established 1002@a", "Held 1001@a", "Retrieved 1001@a", "Held 1001@a",
		"ConnectionCleared 1001@a", "ConnectionCleared 1002@a", "CallCleared @a")
	l.noneWatched()
}

// What is there is not told; what happens to it is.
func TestWatchExistingCalls(t *testing.T) {
	for _, call := range []string{"", "a"} {
		l := newLab(t)
		l.talks("a", insider("1001"), insider("1002"))
		l.talks("b", abroad, insider("1002"))
		l.line("1002")
		r := l.watchCalls("1002", call)
		l.pbx.calls.Held("a", "1001", pbx.CauseNormal)
		l.pbx.calls.Ended("a", pbx.CauseNormalClearing)
		r.want(t, "Held 1001@a", "ConnectionCleared 1001@a", "ConnectionCleared 1002@a", "CallCleared @a")
		l.pbx.calls.Ended("b", pbx.CauseNormalClearing)
		if call == "" {
			r.want(t, "Held 1001@a", "ConnectionCleared 1001@a", "ConnectionCleared 1002@a", "CallCleared @a",
				"ConnectionCleared trunk@b", "ConnectionCleared 1002@b", "CallCleared @b")
		}
		l.noneWatched()
	}
}

// Only a call in which the line is can be watched.
func TestWatchCallOfOthers(t *testing.T) {
	l := newLab(t)
	l.talks("a", insider("1001"), insider("1002"))
	for _, call := range []string{"a", "none"} {
		if _, err := l.client.WatchCalls(t.Context(), l.line("1003"), call, func(csta.Event) { t.Error("told") }); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidConnectionID"}) {
			t.Errorf("call %s: %v", call, err)
		}
	}
	l.noneWatched()
}

// The watch goes with the call: deflected, transferred, until it is over
// elsewhere.
func TestWatchedCallLeaves(t *testing.T) {
	l := newLab(t)
	m := l.pbx.calls
	r := l.watchCalls("1002", "")
	l.rings("a", abroad, insider("1002"))
	m.Diverted("a", "1002", csta.Party("1003"), "redirected")
	m.Delivered("a", insider("1003"), "redirected")
	m.Established("a", insider("1003"), pbx.CauseNormal)
	m.Ended("a", pbx.CauseNormalClearing)
	want := []string{"Delivered 1002@a", "Diverted 1002@a", "Delivered 1003@a", "Established 1003@a",
		"ConnectionCleared trunk@a", "ConnectionCleared 1003@a", "CallCleared @a"}
	r.want(t, want...)

	// An attended transfer: the primary call is watched, too, by its name alone,
	// and goes on under the name of the secondary.
	l.talks("b", insider("1001"), insider("1002"))
	want = append(want, "Delivered 1002@b", "Established 1002@b")
	r.want(t, want...)
	one := l.watchCalls("1001", "b")
	m.Held("b", "1002", "consultation")
	l.talks("c", insider("1002"), insider("1003"))
	m.Transferred(pbx.Joining{Device: "1002", Primary: "b", Secondary: "c", Result: "c", To: csta.Party("1003"), Cause: "transfer"})
	m.Held("c", "1003", pbx.CauseNormal)
	m.Ended("c", pbx.CauseNormalClearing)
	after := []string{"Transfered 1002@b to 1001@c 1003@c", "Held 1003@c", "ConnectionCleared 1001@c", "ConnectionCleared 1003@c", "CallCleared @c"}
	one.want(t, append([]string{"Held 1002@b"}, after...)...)
	want = append(want, "Held 1002@b", "Originated 1002@c", "Delivered 1003@c", "Established 1003@c")
	r.want(t, append(want, after...)...)
	l.noneWatched()

	// A conference: who leads it leaves, the others go on.
	two := l.watchCalls("1004", "")
	l.talks("d", insider("1001"), insider("1004"))
	m.Held("d", "1004", "consultation")
	l.talks("e", insider("1004"), insider("1003"))
	m.Conferenced(pbx.Joining{Device: "1004", Primary: "d", Secondary: "e", Result: "f", To: csta.Party("1003"), Cause: "conference"})
	m.Cleared("f", "1004", pbx.CauseNormalClearing)
	m.Held("f", "1001", pbx.CauseNormal)
	m.Ended("f", pbx.CauseNormalClearing)
	two.want(t, "Delivered 1004@d", "Established 1004@d", "Held 1004@d", "Originated 1004@e", "Delivered 1003@e", "Established 1003@e",
		"Conferenced 1004@d to 1001@f 1004@f 1003@f", "ConnectionCleared 1004@f", "Held 1001@f",
		"ConnectionCleared 1001@f", "ConnectionCleared 1003@f", "CallCleared @f")
	l.noneWatched()
}

// Of the end of a call in which only somebody outside is left no line tells: the
// PBX is asked.
func TestWatchedCallOutside(t *testing.T) {
	l := newLab(t)
	asked := make(chan struct{}, 100)
	l.pbx.shot = func() { asked <- struct{}{} }
	r := l.watchCalls("1002", "")
	l.talks("a", abroad, insider("1002"))
	l.pbx.calls.Cleared("a", "1002", pbx.CauseNormalClearing)
	<-asked
	// It is still there.
	r.want(t, "Delivered 1002@a", "Established 1002@a", "ConnectionCleared 1002@a")
	l.pbx.calls.Cleared("a", "trunk", pbx.CauseNormalClearing)
	r.want(t, "Delivered 1002@a", "Established 1002@a", "ConnectionCleared 1002@a", "CallCleared @a")
	l.noneWatched()
}

// Several watches of the same calls are told the same, whoever came first, and
// one that stops leaves the others alone.
func TestWatchesAreIndependent(t *testing.T) {
	l := newLab(t)
	one := &callRecorder{t: t}
	stop, err := l.client.WatchCalls(t.Context(), l.line("1001"), "", one.tell)
	if err != nil {
		t.Fatal(err)
	}
	two := l.watchCalls("1002", "")
	l.rings("a", insider("1001"), insider("1002"))
	one.want(t, "Originated 1001@a", "Delivered 1002@a")
	two.want(t, "Delivered 1002@a")
	three := l.watchCalls("1002", "a")
	l.pbx.calls.Established("a", insider("1002"), pbx.CauseNormal)
	one.want(t, "Originated 1001@a", "Delivered 1002@a", "Established 1002@a")
	two.want(t, "Delivered 1002@a", "Established 1002@a")
	three.want(t, "Established 1002@a")
	stop()
	l.pbx.calls.Held("a", "1001", pbx.CauseNormal)
	two.want(t, "Delivered 1002@a", "Established 1002@a", "Held 1001@a")
	three.want(t, "Established 1002@a", "Held 1001@a")
	one.want(t, "Originated 1001@a", "Delivered 1002@a", "Established 1002@a")
}

// After a gap the difference is told, once: calls that changed, that ended, that
// came, and such as stayed.
func TestWatchCallsAfterGap(t *testing.T) {
	l := newLab(t)
	m := l.pbx.calls
	r := l.watchCalls("1002", "")
	l.talks("changed", insider("1001"), insider("1002"))
	l.talks("ended", insider("1003"), insider("1002"))
	l.talks("stays", abroad, insider("1002"))
	before := []string{"Delivered 1002@changed", "Established 1002@changed", "Delivered 1002@ended", "Established 1002@ended",
		"Delivered 1002@stays", "Established 1002@stays"}
	r.want(t, before...)
	l.lose(func() {
		m.Held("changed", "1001", pbx.CauseNormal)
		m.Cleared("changed", "1002", pbx.CauseNormalClearing)
		m.Delivered("changed", insider("1004"), pbx.CauseNewCall)
		m.Ended("ended", pbx.CauseNormalClearing)
		l.talks("came", insider("1003"), insider("1002"))
	})
	eventually(t, "the difference is told", func() bool { return len(strings.Split(r.all(), ", ")) >= len(before)+7 })
	got := strings.Split(r.all(), ", ")[len(before):]
	slices.Sort(got)
	want := []string{"CallCleared @ended", "ConnectionCleared 1002@changed", "ConnectionCleared 1002@ended", "Delivered 1004@changed", "Established 1002@came",
		"Held 1001@changed", "Originated 1003@came"}
	if i := slices.Index(got, "Originated 1001@changed"); i >= 0 {
		t.Errorf("who called was there all the time: %v", got)
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %v\nwant %v", got, want)
	}
	// A line that came in meanwhile goes on reporting.
	m.Established("changed", insider("1004"), pbx.CauseNormal)
	m.Ended("changed", pbx.CauseNormalClearing)
	eventually(t, "the call goes on and ends", func() bool { return strings.HasSuffix(r.all(), "CallCleared @changed") })
	if all := r.all(); strings.Count(all, "Established 1004@changed") != 1 || strings.Count(all, "ConnectionCleared 1004@changed") != 1 {
		t.Errorf("told %s", all)
	}
}

// The adapter dies and another life of it comes: its numbers start again.
func TestWatchCallsAdapterRestart(t *testing.T) {
	l := newLab(t)
	m := l.pbx.calls
	for range 50 { // far into the first life
		l.talks("x", insider("1003"), insider("1004"))
		m.Ended("x", pbx.CauseNormal)
	}
	l.talks("a", insider("1001"), insider("1002"))
	r := l.watchCalls("1002", "a")
	l.stop()
	eventually(t, "the PBX is away", func() bool { return !l.client.Up("main") })
	m.Held("a", "1001", pbx.CauseNormal)
	l.startAdapter("one")
	<-l.pbx.linked
	r.want(t, "Held 1001@a")
	m.Retrieved("a", "1001", pbx.CauseNormal)
	m.Ended("a", pbx.CauseNormal)
	r.want(t, "Held 1001@a", "Retrieved 1001@a", "ConnectionCleared 1001@a", "ConnectionCleared 1002@a", "CallCleared @a")
}

// What a snapshot shows that was taken for the watch is not told after it.
func TestWatchCallsHolds(t *testing.T) {
	l := newLab(t)
	m := l.pbx.calls
	l.rings("a", insider("1001"), insider("1002"))
	l.pbx.shot = sync.OnceFunc(func() { m.Established("a", insider("1002"), pbx.CauseNormal) })
	r := l.watchCalls("1002", "")
	m.Held("a", "1002", pbx.CauseNormal)
	r.want(t, "Held 1002@a")
}

// An oracle knows what the watch of a line is to be told, from what the PBX
// reports.
type oracle struct {
	device  string
	calls   map[string]bool // that it watches
	want    []string
	cleared []string
}

// take takes in an occurrence, and the lines that were told it and are in the
// call after it.
func (o *oracle) take(ev csta.Event, lines []string) {
	mine := slices.Contains(lines, o.device)
	csta.Connections(ev, func(id *csta.ConnectionID) { mine = mine || o.calls[id.CallID] })
	if !mine {
		return
	}
	o.want = append(o.want, words(ev))
	call := csta.FirstConnection(ev).CallID
	if j, ok := joiningOf(ev); ok {
		delete(o.calls, j.primary.CallID)
		delete(o.calls, j.secondary.CallID)
		call = j.result()
	}
	o.calls[call] = true
}

// Whatever happens at the PBX, the watch of a line is told each occurrence in its
// calls once, in order, wherever they went, and the end of each.
func TestWatchCallsStorm(t *testing.T) {
	l := newLab(t)
	m := l.pbx.calls
	devices := []string{"1001", "1002", "1003", "1004"}
	told := map[string]*callRecorder{}
	var oracles []*oracle
	for _, d := range devices {
		told[d] = l.watchCalls(d, "")
		oracles = append(oracles, &oracle{device: d, calls: map[string]bool{}})
	}
	var occurrence csta.Event
	var lines []string
	flush := func() {
		for _, o := range oracles {
			if occurrence != nil {
				o.take(occurrence, lines)
			}
		}
		occurrence, lines = nil, nil
	}
	emit := l.adapter.emit
	m.SetEmit(func(device string, msg csta.Message) {
		ev := msg.(csta.Event)
		if bare := csta.WithoutLocalConnection(ev); !reflect.DeepEqual(bare, occurrence) {
			flush()
			occurrence = bare
		}
		if local, _ := csta.LocalConnection(ev); local != pbx.Null {
			lines = append(lines, device)
		}
		emit(device, msg)
	})
	rnd := rand.New(rand.NewPCG(1, 2))
	calls, last := []string{"c1", "c2", "c3"}, 3
	act := func(call, other, device string) {
		switch rnd.IntN(11) {
		case 0, 1:
			m.Originated(call, insider(device), csta.Party("x"), pbx.CauseNewCall)
		case 2, 3:
			m.Delivered(call, insider(device), pbx.CauseNewCall)
		case 4:
			m.Established(call, insider(device), pbx.CauseNormal)
		case 5:
			m.Held(call, device, pbx.CauseNormal)
		case 6:
			m.Retrieved(call, device, pbx.CauseNormal)
		case 7:
			m.Diverted(call, device, csta.Party("y"), "redirected")
		case 8:
			m.Cleared(call, device, pbx.CauseNormalClearing)
		case 9:
			m.Ended(call, pbx.CauseNormal)
		default:
			j := pbx.Joining{Device: device, Primary: call, Secondary: other, Result: other, To: csta.Party("z"), Cause: "transfer"}
			if rnd.IntN(2) == 0 {
				m.Conferenced(j)
			} else {
				m.Transferred(j)
			}
		}
	}
	for step := range 3000 {
		if step == 2990 {
			for _, call := range calls {
				m.Ended(call, pbx.CauseNormal)
			}
		} else if step < 2990 {
			act(calls[rnd.IntN(len(calls))], calls[rnd.IntN(len(calls))], devices[rnd.IntN(len(devices))])
		}
		flush()
		for _, o := range oracles {
			for call := range o.calls {
				if _, lives := m.Get(call); !lives {
					delete(o.calls, call)
					o.cleared = append(o.cleared, "CallCleared @"+call)
				}
			}
		}
		for i, call := range calls { // a callID is not used again
			if _, lives := m.Get(call); !lives {
				last++
				calls[i] = fmt.Sprint("c", last)
			}
		}
	}
	l.noneWatched()
	for _, o := range oracles {
		var events, cleared []string
		for _, w := range strings.Split(told[o.device].all(), ", ") {
			if strings.HasPrefix(w, "CallCleared") {
				cleared = append(cleared, w)
			} else {
				events = append(events, w)
			}
		}
		if d := cmp.Diff(o.want, events); d != "" || len(events) < 500 {
			t.Errorf("%s: %d events (-want +got)\n%s", o.device, len(events), d)
		}
		slices.Sort(o.cleared)
		slices.Sort(cleared)
		if d := cmp.Diff(o.cleared, cleared); d != "" || len(cleared) < 50 {
			t.Errorf("%s: %d ends (-want +got)\n%s", o.device, len(cleared), d)
		}
	}
}

// BenchmarkCallEvent takes in one occurrence in a call that is watched as a
// whole: its two copies.
func BenchmarkCallEvent(b *testing.B) {
	c := NewClient(nil, slog.New(slog.DiscardHandler))
	x := c.exchange("main")
	told := 0
	x.callWatches["1002"] = map[*callWatch]struct{}{{tell: func(csta.Event) { told++ }}: {}}
	events := []csta.Event{
		&csta.HeldEvent{HeldConnection: csta.Connection("a", "1002"), HoldingDevice: csta.Party("1002"), LocalConnectionInfo: pbx.Connected, Cause: pbx.CauseNormal},
		&csta.RetrievedEvent{RetrievedConnection: csta.Connection("a", "1002"), RetrievingDevice: csta.Party("1002"), LocalConnectionInfo: pbx.Connected, Cause: pbx.CauseNormal},
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, device := range []string{"1001", "1002"} {
			c.callEvent(x, device, events[n%2], moment{"e", uint64(n)})
		}
		n++
	}
	if told < n-1 || told > n+1 {
		b.Errorf("%d occurrences were told %d times", n, told)
	}
}
