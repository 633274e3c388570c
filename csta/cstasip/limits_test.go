package cstasip

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A peer that asks more than it may is told so, and the others are not concerned.
// Nothing of what was refused is kept.
func TestPeerRequests(t *testing.T) {
	for _, network := range []string{udpNet, tcpNet} {
		bubble(t, network, nil, func(cfg *Config) { cfg.MaxPeerRequests = 10 }, func(t *testing.T, b *memBench) {
			time.Sleep(time.Second) // the INVITE has counted
			others := b.n.host("192.0.2.3").peer(t, b.url(network))
			for i := range 12 {
				b.p.send(b.c.write(info, 2+i, snapshot(i)))
				status := 200
				if i >= 10 {
					status = 503
				}
				if m := b.p.response(status, info, uint32(2+i)); status == 503 && m.header("retry-after") != "5" {
					t.Errorf("Retry-After %q", m.header("retry-after"))
				}
			}
			again := b.p.script()
			again.branch = false
			for _, method := range []string{invite, options, "SUBSCRIBE"} {
				b.p.send(again.write(method, 1, ""))
				b.p.response(503, method, 1)
			}
			b.p.send(b.c.write(options, 20, ""))
			b.p.response(503, options, 20)
			b.p.send(b.c.write(invite, 21, snapshot(1)))
			b.p.response(503, invite, 21)
			b.p.send(b.c.write(ack, 21, ""))
			time.Sleep(50 * time.Millisecond)
			if b.Server.mu.Lock(); len(b.invites) > 1 { // that of the dialog
				t.Errorf("%d INVITEs are kept", len(b.invites))
			}
			b.Server.mu.Unlock()

			others.send(others.script().write(options, 1, ""))
			others.response(200, options, 1)
			if got := b.Stats().LimitedRequests; got != 7 {
				t.Errorf("%d requests counted", got)
			}

			// What was refused stays so: the client was told.
			time.Sleep(time.Second)
			refused := b.c.write(info, 30, snapshot(1))
			for range 10 {
				b.p.send(again.write(options, 1, ""))
				b.p.response(200, options, 1)
			}
			b.p.send(refused)
			b.p.response(503, info, 30)
			time.Sleep(time.Second)
			b.p.send(refused)
			b.p.response(503, info, 30)
			b.p.send(b.c.write(info, 31, snapshot(1)))
			b.p.response(200, info, 31)

			// Hanging up is never refused.
			for range 8 {
				b.p.send(again.write(options, 1, ""))
				b.p.response(200, options, 1)
			}
			b.p.send(b.c.write(bye, 32, ""))
			b.p.response(200, bye, 32)
			b.closedWith(ErrBye)
		})
	}
}

// Dialogs that open count as well as those that are open, and each place is free
// again when its dialog has ended or was refused.
func TestPeerDialogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		refuse := false
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) {
			cfg.MaxPeerDialogs = 2
			open := cfg.Open
			cfg.Open = func(ctx context.Context, d *Dialog) (Session, error) {
				if refuse {
					return nil, &Refusal{Status: 403}
				}
				return open(ctx, d)
			}
		})
		p := n.host("192.0.2.2").peer(t, b.url(tcpNet))
		q := n.host("192.0.2.2").peer(t, b.url(udpNet)) // the same peer
		refuse = true
		for range 3 {
			p.send(p.script().write(invite, 1, body("RequestSystemStatus", "")))
			p.response(403, invite, 1)
		}
		synctest.Wait() // the answer leaves before the place is free
		refuse = false
		first, second, third, fourth := p.script(), q.script(), n.host("192.0.2.3").peer(t, b.url(tcpNet)).script(), p.script()
		first.open()
		second.open()
		for _, full := range []*sipPeer{p, q} {
			c := full.script()
			full.send(c.write(invite, 1, body("RequestSystemStatus", "")))
			m := full.response(503, invite, 1)
			if m.header("retry-after") == "" {
				t.Error("503 without Retry-After")
			}
			c.toTag = m.toTag
			full.send(c.write(ack, 1, ""))
		}
		third.open()
		if got := b.Stats().LimitedDialogs; got != 2 {
			t.Errorf("%d refusals counted", got)
		}
		first.bye(2)
		synctest.Wait() // the answer leaves before the place is free
		fourth.open()
		for _, c := range []*script{second, third, fourth} {
			c.bye(2)
		}
	})
}

func TestPeerConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) { cfg.MaxPeerConnections = 2 })
		url, host := b.url(tcpNet), n.host("192.0.2.2")
		first, second := host.peer(t, url), host.peer(t, url)
		if _, open := <-host.peer(t, url).in; open {
			t.Error("a third connection is served")
		}
		dialogs := []*script{n.host("192.0.2.3").peer(t, url).script(), second.script()}
		for _, c := range dialogs {
			c.open()
		}
		if st := b.Stats(); st.LimitedConnections != 1 || st.Connections != 3 || st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		first.conn.Close()
		synctest.Wait()
		dialogs = append(dialogs, host.peer(t, url).script())
		dialogs[2].open()
		for _, c := range dialogs {
			c.bye(2)
		}
	})
}

// INVITEs that wait for their ACK are bounded, whoever sends them.
func TestInvitesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) { cfg.MaxInvites = 10 })
		for i := range 30 {
			p := n.host(fmt.Sprintf("192.0.2.%d", 100+i)).peer(t, b.url(udpNet))
			p.send(p.script().write(invite, 1, "", "Content-Type: application/sdp"))
			status := 488
			if i >= 10 {
				status = 503
			}
			p.response(status, invite, 1)
		}
		if b.Server.mu.Lock(); len(b.invites) != 10 || len(b.byTag) != 10 {
			t.Errorf("%d and %d INVITEs are kept", len(b.invites), len(b.byTag))
		}
		b.Server.mu.Unlock()
		time.Sleep(patience + time.Second)
		n.host("192.0.2.2").peer(t, b.url(udpNet)).script().open()
	})
}

// What is kept of peers is bounded, and nothing is kept of one that has nothing.
func TestPeersAreForgotten(t *testing.T) {
	r := newRates(1)
	a := netip.MustParseAddr("10.0.0.0")
	for range 3 * ratedPeers {
		a = a.Next()
		if !r.allow(a) {
			t.Fatalf("the first request of %s is refused", a)
		}
	}
	if n := r.buckets.Len(); n != ratedPeers {
		t.Errorf("%d buckets, want %d", n, ratedPeers)
	}
	if r.allow(a) {
		t.Error("the last peer is forgotten")
	}
	count := tally{}
	one, same, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1"), netip.MustParseAddr("2001:db8:0:1::1")
	count.add(one, 1)
	count.add(same, 1)
	if count.of(one) != 2 || count.of(other) != 0 {
		t.Errorf("%v", count)
	}
	count.add(one, -1)
	count.add(same, -1)
	if len(count) != 0 {
		t.Errorf("left: %v", count)
	}
}

// What a request pays for being counted.
func BenchmarkRates(b *testing.B) {
	r := newRates(1 << 30)
	a := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		r.allow(a)
	}
}
