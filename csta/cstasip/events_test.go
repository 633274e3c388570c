package cstasip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

// A memBench is a server on a network in memory, and a client that speaks bytes.
type memBench struct {
	*bench
	n *memNet
	p *sipPeer
	c *script
	s *fakeSession
}

// bubble runs f in a synctest bubble, with a dialog open.
func bubble(t *testing.T, network string, serve serveFunc, change func(*Config), f func(t *testing.T, b *memBench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &memBench{n: newMemNet()}
		b.bench = newBenchOn(t, b.n.host("192.0.2.1"), serve, change)
		b.p = b.n.host("192.0.2.2").peer(t, b.url(network))
		b.c = b.p.script()
		b.c.extra = []string{"Supported: timer"}
		b.c.open()
		b.s = b.session()
		f(t, b)
	})
}

func (b *memBench) send(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := b.s.d.Send(held(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// event returns the next message, which must be the event with the number.
func (p *sipPeer) event(n int) *message {
	p.t.Helper()
	m := p.request(info)
	if want := "<callID>" + strconv.Itoa(n) + "</callID>"; !strings.Contains(string(m.body), want) {
		p.t.Fatalf("got %s, want event %d", m.brief(), n)
	}
	return m
}

func (p *sipPeer) nothing() {
	p.t.Helper()
	synctest.Wait()
	select {
	case m := <-p.in:
		p.t.Fatalf("got %s, want nothing", m.brief())
	default:
	}
}

// Over TCP events leave without waiting for each other's answer, up to a
// window; those that are not answered in 500 ms leave the window.
func TestEventWindow(t *testing.T) {
	bubble(t, tcpNet, nil, nil, func(t *testing.T, b *memBench) {
		start := time.Now()
		b.send(t, 0, 3*window)
		for i := range window {
			b.p.event(i)
		}
		b.p.nothing()
		if time.Since(start) != 0 {
			t.Errorf("the first took %v", time.Since(start))
		}
		for i := range window {
			b.p.ok(b.p.event(window+i), 200, "")
		}
		if d := time.Since(start); d != t1 {
			t.Errorf("unanswered ones held the window for %v", d)
		}
		for i := range window {
			b.p.event(2*window + i)
		}
		if d := time.Since(start); d != t1 {
			t.Errorf("answered ones held the window for %v", d-t1)
		}
	})
}

// Over UDP an event leaves when the one before it is answered, or after 500 ms.
func TestEventsOverUDP(t *testing.T) {
	bubble(t, udpNet, nil, nil, func(t *testing.T, b *memBench) {
		start := time.Now()
		b.send(t, 0, 4)
		first := b.p.event(0)
		b.p.nothing()
		b.p.ok(first, 200, "")
		b.p.event(1)
		if time.Since(start) != 0 {
			t.Errorf("an answered event held the next for %v", time.Since(start))
		}
		time.Sleep(t1 - 1)
		b.p.nothing()
		seen := b.p.next() // the second again, and the third
		if next := b.p.next(); seen.cseq+next.cseq != 2*first.cseq+3 {
			t.Errorf("got %s and %s", seen.brief(), next.brief())
		}
		if d := time.Since(start); d != t1 {
			t.Errorf("the third left after %v", d)
		}
	})
}

// A lost event comes again, and those behind it stay behind it.
func TestLostEventIsRepeated(t *testing.T) {
	bubble(t, udpNet, nil, nil, func(t *testing.T, b *memBench) {
		lost := 0
		b.n.mu.Lock()
		b.n.lose = func(p []byte) bool {
			if bytes.HasPrefix(p, []byte("INFO")) && bytes.Contains(p, []byte("<callID>0<")) && lost < 2 {
				lost++
				return true
			}
			return false
		}
		b.n.mu.Unlock()
		b.send(t, 0, 1)
		b.p.ok(b.p.event(0), 200, "")
		synctest.Wait()
		if lost != 2 {
			t.Errorf("%d datagrams were lost", lost)
		}
		b.send(t, 1, 2)
		b.p.ok(b.p.event(1), 200, "")
	})
}

// A client that never answers is told everything, in order, and its dialog
// lasts as long as it refreshes it.
func TestSilentClient(t *testing.T) {
	for _, network := range []string{udpNet, tcpNet} {
		t.Run(network, func(t *testing.T) {
			bubble(t, network, nil, nil, func(t *testing.T, b *memBench) {
				const n = 50
				b.send(t, 0, n)
				got, last := 0, uint32(0)
				for got < n {
					m := b.p.request(info)
					if m.cseq <= last {
						continue // a retransmission
					}
					if want := "<callID>" + strconv.Itoa(got) + "</callID>"; !strings.Contains(string(m.body), want) {
						t.Fatalf("got %s in the place of %d", m.brief(), got)
					}
					got, last = got+1, m.cseq
				}
				time.Sleep(2 * patience)
				if b.Stats().Dialogs != 1 {
					t.Error("the dialog has ended")
				}
				if st := b.Stats(); st.EventsSent != n || st.EventsUnanswered != n {
					t.Errorf("%d sent, %d unanswered", st.EventsSent, st.EventsUnanswered)
				}
				for len(b.p.in) > 0 {
					<-b.p.in
				}
				b.p.send(b.c.write(info, 2, snapshot(1)))
				b.p.response(200, info, 2)
			})
		})
	}
}

// 481 ends the dialog. So does 408 from a proxy, and silence on UDP, where the
// client has answered before.
func TestEventThatEndsTheDialog(t *testing.T) {
	for name, test := range map[string]struct {
		network string
		before  int // status of the answer to an event before; zero: none
		status  int // zero: none
		ends    bool
	}{
		"481":                                 {tcpNet, 0, 481, true},
		"481 after 200":                       {udpNet, 200, 481, true},
		"408 for a client that answers":       {tcpNet, 200, 408, true},
		"408 for one that never answers":      {tcpNet, 0, 408, false},
		"silence on UDP of one that answers":  {udpNet, 200, 0, true},
		"silence on TCP of one that answers":  {tcpNet, 200, 0, false},
		"silence of one that never answers":   {udpNet, 0, 0, false},
		"500 says that it is there":           {tcpNet, 200, 500, false},
		"a provisional answer is none at all": {tcpNet, 0, 183, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, test.network, nil, nil, func(t *testing.T, b *memBench) {
				if test.before != 0 {
					b.send(t, 0, 1)
					b.p.ok(b.p.event(0), test.before, "")
					synctest.Wait()
				}
				b.send(t, 1, 2)
				m := b.p.event(1)
				if test.status != 0 {
					b.p.ok(m, test.status, "")
				}
				time.Sleep(patience + time.Second)
				if !test.ends {
					if b.Stats().Dialogs != 1 {
						t.Error("the dialog has ended")
					}
					return
				}
				b.closedWith(ErrGone)
				if err := b.s.d.Send(held(2)); !errors.Is(err, ErrEnded) {
					t.Errorf("Send on an ended dialog: %v", err)
				}
				for len(b.p.in) > 0 {
					if m := <-b.p.in; m.method == bye {
						t.Error("BYE to a client that does not know the dialog")
					}
				}
			})
		})
	}
}

// Events that a request causes wait for its answer; those of one request do not
// wait for the next.
func TestEventsFollowTheAnswer(t *testing.T) {
	for _, network := range []string{udpNet, tcpNet} {
		t.Run(network, func(t *testing.T) {
			serve := func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
				if s, ok := req.(*csta.SnapshotDevice); ok {
					n, _ := strconv.Atoi(s.SnapshotObject.ID)
					if err := d.Send(held(n)); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Second)
				}
				return normal(ctx, d, req)
			}
			bubble(t, network, serve, nil, func(t *testing.T, b *memBench) {
				b.p.send(b.c.write(info, 2, snapshot(1)), b.c.write(info, 3, snapshot(2)))
				b.p.response(200, info, 2)
				b.p.ok(b.p.event(1), 200, "")
				b.p.nothing()
				b.p.response(200, info, 3)
				b.p.ok(b.p.event(2), 200, "")
			})
		})
	}
}

// What is sent while the session opens leaves after the 200 to INVITE.
func TestEventsFollowTheInvite(t *testing.T) {
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if err := d.Send(held(0)); err != nil {
			t.Error(err)
		}
		return normal(ctx, d, req)
	}, nil)
	p := newPeer(t, b.url(tcpNet))
	p.script().open()
	p.event(0)
}

// Events do not wait for ever: a request that hangs holds them up to a deadline.
func TestEventsAreHeldBriefly(t *testing.T) {
	serve := func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.SnapshotDevice); ok {
			if err := d.Send(held(1)); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Second)
		}
		return normal(ctx, d, req)
	}
	bubble(t, tcpNet, serve, nil, func(t *testing.T, b *memBench) {
		start := time.Now()
		b.p.send(b.c.write(info, 2, snapshot(1)))
		b.p.event(1)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("held for %v", d)
		}
		b.p.response(200, info, 2)
		if n := b.Stats().EventsHeld; n != 1 {
			t.Errorf("%d counted", n)
		}
	})
}

// Where the deadline is over and the window is full, the event waits for the
// window, and nothing turns in circles meanwhile: a timer that is armed for what
// is over stops the clock of the bubble for ever.
func TestEventsAreHeldByTheWindow(t *testing.T) {
	serve := func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.SnapshotDevice); ok {
			if err := d.Send(held(window)); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * t1)
		}
		return normal(ctx, d, req)
	}
	bubble(t, tcpNet, serve, func(cfg *Config) { cfg.EventHold = t1 / 4 }, func(t *testing.T, b *memBench) {
		synctest.Wait() // the answer to INVITE is written: the first events wait for nothing
		start := time.Now()
		b.send(t, 0, window)
		for i := range window {
			b.p.event(i)
		}
		b.p.send(b.c.write(info, 2, snapshot(1)))
		b.p.event(window)
		if d := time.Since(start); d != t1 {
			t.Errorf("held for %v", d)
		}
		b.p.response(200, info, 2)
	})
}

// A client that does not take its events is not left with a picture that is
// wrong: the dialog ends.
func TestEventOverflow(t *testing.T) {
	bubble(t, udpNet, nil, func(cfg *Config) { cfg.MaxEvents = 10 }, func(t *testing.T, b *memBench) {
		var err error
		for i := 0; err == nil && i < 100; i++ {
			err = b.s.d.Send(held(i))
			if i == 0 {
				b.p.event(0)
			}
		}
		if !errors.Is(err, ErrOverflow) {
			t.Fatalf("Send: %v", err)
		}
		// The BYE does not wait for the events.
		m := b.p.request(bye)
		if !strings.Contains(m.header("reason"), "does not take its events") {
			t.Errorf("Reason: %s", m.header("reason"))
		}
		b.p.ok(m, 200, "")
		b.closedWith(ErrOverflow)
		if n := b.Stats().EventsDropped; n != 10 {
			t.Errorf("%d events dropped", n)
		}
		if !strings.Contains(b.log.String(), "does not take its events") {
			t.Error("not logged")
		}
	})
}

// BYE is answered at once, whatever is in service; what came before it is
// served, and the session closed after that.
func TestByeOvertakes(t *testing.T) {
	release := make(chan struct{})
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.SnapshotDevice); ok {
			<-release
			if err := d.Send(held(1)); !errors.Is(err, ErrEnded) {
				t.Errorf("Send after BYE: %v", err)
			}
		}
		return normal(ctx, d, req)
	}, nil)
	p := newPeer(t, b.url(tcpNet))
	c := p.script()
	c.open()
	p.send(c.write(info, 2, snapshot(1)), c.write(info, 3, snapshot(2)), c.write(bye, 4, ""))
	p.response(200, bye, 4)
	p.send(c.write(info, 5, snapshot(2)))
	p.response(481, info, 5)
	select {
	case <-b.closed:
		t.Error("the session was closed while it served")
	default:
	}
	close(release)
	p.response(200, info, 2)
	p.response(200, info, 3)
	b.closedWith(ErrBye)
}

// A BYE that comes again over UDP is answered again.
func TestRepeatedBye(t *testing.T) {
	bubble(t, udpNet, nil, nil, func(t *testing.T, b *memBench) {
		m := b.c.write(bye, 2, "")
		for range 2 {
			b.p.send(m)
			b.p.response(200, bye, 2)
		}
		b.closedWith(ErrBye)
		time.Sleep(patience + time.Second)
		b.p.send(m)
		b.p.response(481, bye, 2)
	})
}

// Messages far beyond 1,300 octets work on UDP, both ways.
func TestLargeMessagesOverUDP(t *testing.T) {
	b := newBench(t, nil, nil)
	got := make(chan csta.Event, 10)
	c := b.dial(udpNet, func(cfg *ClientConfig) { cfg.OnEvent = func(ev csta.Event) { got <- ev } })
	s := b.session()
	for _, n := range []int{1300, 1500, 4000, 7000} {
		ev := held(n)
		ev.HoldingDevice = csta.Party(strings.Repeat("x", n))
		if err := s.d.Send(ev); err != nil {
			t.Fatal(err)
		}
		if e := within(t, got, "an event").(*csta.HeldEvent); len(e.HoldingDevice.DeviceIdentifier.ID) != n {
			t.Errorf("an event of %d octets came as %d", n, len(e.HoldingDevice.DeviceIdentifier.ID))
		}
		r, err := csta.Call(t.Context(), c, &csta.SnapshotDevice{SnapshotObject: csta.Device(strings.Repeat("y", n))})
		if err != nil || len(r.CrossRefIDorSnapshotData.ServiceCrossRefID) != n {
			t.Errorf("a request of %d octets: %v", n, err)
		}
	}
	// What sipgo's buffer does not hold is refused, not lost.
	_, err := c.ServeCSTA(t.Context(), &csta.SnapshotDevice{SnapshotObject: csta.Device(strings.Repeat("y", maxDatagram))})
	var status *StatusError
	if !errors.As(err, &status) || status.Status != 513 {
		t.Errorf("a request of more than %d octets: %v", maxDatagram, err)
	}
}

// Send is safe for many goroutines, and none of their events is lost.
func TestSendIsConcurrent(t *testing.T) {
	b := newBench(t, nil, func(cfg *Config) { cfg.MaxEvents = 10000 })
	const senders, each = 10, 50
	var mu sync.Mutex
	last := map[string]int{}
	total := make(chan struct{}, senders*each)
	b.dial(tcpNet, func(cfg *ClientConfig) {
		cfg.OnEvent = func(ev csta.Event) {
			var who string
			var n int
			fmt.Sscanf(ev.(*csta.HeldEvent).HeldConnection.CallID, "%1s-%d", &who, &n)
			mu.Lock()
			defer mu.Unlock()
			if last[who] != n {
				t.Errorf("sender %s: %d in the place of %d", who, n, last[who])
			}
			last[who]++
			total <- struct{}{}
		}
	})
	s := b.session()
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for j := range each {
				ev := held(0)
				ev.HeldConnection.CallID = fmt.Sprintf("%c-%d", 'a'+i, j)
				if err := s.d.Send(ev); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for range senders * each {
		within(t, total, "an event")
	}
}

// An event that the schema forbids is the caller's mistake, and no one else's.
func TestSendRefusesWhatCannotBeEncoded(t *testing.T) {
	b := newBench(t, nil, nil)
	p := newPeer(t, b.url(tcpNet))
	p.script().open()
	s := b.session()
	if err := s.d.Send(&csta.HeldEvent{}); err == nil {
		t.Error("an empty event was sent")
	}
	if err := s.d.Send((*csta.HeldEvent)(nil)); err == nil {
		t.Error("a nil event was sent")
	}
	if err := s.d.Send(held(1)); err != nil {
		t.Error(err)
	}
	p.event(1)
}

// What is served before its transaction is there has not been answered: its
// events wait until it is.
func TestEventsWaitForALateTransaction(t *testing.T) {
	s := newBench(t, nil, nil).Server
	d := &Dialog{server: s, begun: 1}
	j := &job{dialog: d, m: &message{method: info}, rec: &record{}, number: 1}
	d.finish(j, answer{status: 200})
	if !d.waits(&outgoing{after: 1}) {
		t.Error("an event overtakes the answer")
	}
	d.answered(j)
	if d.waits(&outgoing{after: 1}) {
		t.Error("an event waits for an answer that is written")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}
