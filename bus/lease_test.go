package bus

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"rccgw/csta"
)

var (
	outOfService = &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}
	uncertain    = &csta.Error{Class: csta.PrivateError, Value: "uncertain"}
)

// standby starts a second adapter of the PBX, on a connection of its own, and
// waits until it stands by.
func (l *lab) standby(instance string) (second *fakePBX) {
	l.t.Helper()
	first, firstAdapter, firstStop := l.pbx, l.adapter, l.stop
	gateway := l.conn
	l.conn, l.pbx = l.connect(ConnectConfig{Server: l.server}), newFakePBX()
	l.startAdapter(instance)
	second = l.pbx
	l.pbx, l.adapter, l.stop, l.conn = first, firstAdapter, firstStop, gateway
	return second
}

// severed replaces the lab's adapter by one on a connection of its own, and
// returns what cuts it off from the bus.
func (l *lab) severed(instance string) (cut func()) {
	l.t.Helper()
	gateway := l.conn
	l.stop()
	l.conn = l.connect(ConnectConfig{Server: l.server})
	l.startAdapter(instance)
	<-l.pbx.linked
	own := l.conn
	l.conn = gateway
	return own.Close
}

// The holder that is cut off from the bus drops its link to the PBX before the
// standby opens its own, which is soon; clients are told, and commands go to the
// new one.
func TestStandbyTakesOver(t *testing.T) {
	l := newLab(t)
	cut := l.severed("one")
	first, second := l.pbx, l.standby("two")
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1002"), r)
	time.Sleep(entryLife + renewal) // as long as the holder renews, nothing changes
	if len(second.linked) != 0 || r.all() != "" {
		t.Fatalf("a standby acts beside the holder: %d links, %s", len(second.linked), r.all())
	}
	asked := make(chan error)
	came := make(chan struct{})
	first.shot = func() { // a question that is not answered any more
		close(came)
		time.Sleep(answerTime)
	}
	go func() {
		_, err := csta.Call(t.Context(), l.client.PBX("main"), &csta.SnapshotCall{SnapshotObject: csta.Connection("none", "1001")})
		asked <- err
	}()
	<-came
	begun := time.Now()
	cut()
	if err := <-asked; !errors.Is(err, outOfService) || time.Since(begun) > answerTime/2 {
		t.Errorf("a question to who is gone: %v after %v", err, time.Since(begun))
	}
	<-second.linked
	if first.running.Load() {
		t.Error("both have a link to the PBX")
	}
	if d := time.Since(begun); d > 6*time.Second { // half of it on a machine that has nothing else to do
		t.Errorf("taken over after %v", d)
	}
	r.want(t, "link false", "link true")
	if _, err := csta.Call(t.Context(), l.client.PBX("main"), makeCall("1002")); err != nil {
		t.Error(err)
	}
	if first.made.Load() != 0 || second.made.Load() != 1 {
		t.Errorf("%d calls by the first, %d by the second", first.made.Load(), second.made.Load())
	}
}

// Whoever waits for a command of an adapter that is gone is told that it is uncertain, soon after another has taken its place.
func TestCommandOfWhoIsGone(t *testing.T) {
	l := newLab(t)
	cut := l.severed("one")
	second := l.standby("two")
	l.line("1001")
	result := make(chan error)
	go func() {
		_, err := csta.Call(t.Context(), l.client.PBX("main"), makeCall("wait"))
		result <- err
	}()
	<-l.pbx.held
	begun := time.Now()
	cut()
	if err := <-result; !errors.Is(err, uncertain) || time.Since(begun) >= answerTime {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	close(l.pbx.free)
	if second.made.Load() != 0 {
		t.Error("the second adapter carried the command on")
	}
}

// A holder that was stopped for a while and does not know it yet neither acts nor
// reports. What it had begun is uncertain, and is not carried on.
func TestPausedHolder(t *testing.T) {
	l := newLab(t)
	cut := l.severed("one")
	result := make(chan error)
	go func() {
		_, err := l.adapter.perform(t.Context(), makeCall("wait"), own{})
		result <- err
	}()
	<-l.pbx.held
	cut()
	eventually(t, "the lease is over", func() bool { return !l.adapter.lease.held() })
	close(l.pbx.free)
	if err := <-result; !errors.Is(err, uncertain) {
		t.Errorf("what was begun: %v", err)
	}
	if _, err := l.adapter.perform(t.Context(), makeCall("1002"), own{}); !errors.Is(err, outOfService) {
		t.Errorf("what came too late: %v", err)
	}
	if n := l.pbx.made.Load(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	before := l.adapter.entry().Seq
	l.adapter.emit("1001", &csta.DoNotDisturbEvent{Device: csta.Party("1001"), DoNotDisturbOn: true})
	if after := l.adapter.entry().Seq; after != before {
		t.Error("an event was reported without the lease")
	}
}

// Where nobody else can reach the bus, a process that is short of time neither drops
// its link nor takes its own adapter for dead.
func TestAlone(t *testing.T) {
	l := newLab(t)
	a, err := NewAdapter(AdapterConfig{PBX: "alone", Conn: l.conn, Driver: newFakePBX(), Lines: l.adapter.Lines, Alone: true, Log: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	a.hold(1, time.Now().Add(-time.Hour))
	if !a.lease.held() {
		t.Error("the lease of an adapter without rivals ran out")
	}
	l.line("1001")
	for _, alone := range []bool{true, false} {
		l.client.mu.Lock()
		x := l.client.pbxs["main"]
		x.entry.Alone, x.seen = alone, time.Now().Add(-time.Hour)
		l.client.mu.Unlock()
		l.client.expire()
		l.client.mu.Lock()
		if x.served != alone {
			t.Errorf("alone %v: served %v", alone, x.served)
		}
		l.client.mu.Unlock()
	}
}

// A holder whose bus comes back before anybody has taken its place goes on, in a
// term of its own: watchers are told the difference.
func TestLeaseLostAndFound(t *testing.T) {
	l := newLab(t)
	epoch := l.adapter.entry().Epoch
	r := &recorder{}
	_, _ = l.client.Watch(t.Context(), l.line("1001"), r)
	l.adapter.lease.set(time.Now())
	l.adapter.entryChanged() // it notices now
	<-l.pbx.linked
	eventually(t, "another term", func() bool { return l.adapter.Ready() && l.adapter.entry().Epoch != epoch })
	r.want(t, "link false", "link true")
}

// Two processes with one instance name: the second is taken for a new life of the
// first, which stands by from then on, and says what is wrong.
func TestInstanceTwice(t *testing.T) {
	l := newLab(t)
	l.line("1001")
	second := l.standby("one")
	<-second.linked
	eventually(t, "the first stands by", func() bool { return !l.pbx.running.Load() })
	time.Sleep(2 * entryLife)
	if l.pbx.running.Load() || !second.running.Load() || len(second.linked) != 0 {
		t.Error("the two take the place from each other")
	}
}

// An entry that nobody renews is no obstacle, though the bucket still has it, and
// one that has vanished is made again.
func TestRenewEntry(t *testing.T) {
	l := newLab(t)
	l.stop()
	kv, err := openAdapters(t.Context(), l.conn)
	if err != nil {
		t.Fatal(err)
	}
	mine := Entry{PBX: "other", Instance: "me", Epoch: "1"}
	c := &candidate{kv: kv}
	first, holder, err := c.claim(t.Context(), mine)
	if err != nil || holder != "" {
		t.Fatalf("claimed: %q %v", holder, err)
	}
	second, err := renewEntry(t.Context(), kv, mine, first)
	if err != nil {
		t.Fatal(err)
	}
	// The answer of the second was lost.
	third, err := renewEntry(t.Context(), kv, mine, first)
	if err != nil || third <= second {
		t.Errorf("renewed after a lost answer: %d %v", third, err)
	}
	if err := kv.Purge(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if _, err := renewEntry(t.Context(), kv, mine, third); err != nil {
		t.Errorf("renewed after it vanished: %v", err)
	}
	text, err := json.Marshal(Entry{PBX: "other", Instance: "you", Epoch: "2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "other", text); err != nil {
		t.Fatal(err)
	}
	var taken *errTaken
	if _, err := renewEntry(t.Context(), kv, mine, third); !errors.As(err, &taken) || taken.instance != "you" {
		t.Errorf("renewed what is another's: %v", err)
	}
}
