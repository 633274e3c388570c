package cstasip

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

func snapshot(n int) string {
	return body("SnapshotDevice", "<snapshotObject>"+strconv.Itoa(n)+"</snapshotObject>")
}

// Thousands of pipelined INFOs are served and answered in the order of their
// arrival, one at a time.
func TestPipelinedRequestsKeepTheirOrder(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			served, running := 0, 0 // one at a time: no lock is needed, and -race would tell
			b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
				running++
				defer func() { running-- }()
				if s, ok := req.(*csta.SnapshotDevice); ok {
					if want := strconv.Itoa(served); s.SnapshotObject.ID != want || running != 1 {
						t.Errorf("served %s in the place of %s, %d at once", s.SnapshotObject.ID, want, running)
					}
					served++
				}
				return normal(ctx, d, req)
			}, func(cfg *Config) { cfg.MaxRequests = 1000 })
			p := newPeer(t, b.url(network))
			c := p.script()
			c.open()
			const rounds, batch = 20, 100
			for r := range rounds {
				var list []string
				for i := range batch {
					n := r*batch + i
					list = append(list, c.write(info, 2+n, snapshot(n)))
				}
				p.send(list...)
				for i := range batch {
					n := r*batch + i
					m := p.response(200, info, uint32(2+n))
					if want := fmt.Sprintf("<serviceCrossRefID>%d</serviceCrossRefID>", n); !strings.Contains(string(m.body), want) {
						t.Fatalf("answer %s, want %s", m.body, want)
					}
				}
			}
			p.send(c.write(bye, 10000, ""))
			p.response(200, bye, 10000)
		})
	}
}

// The commands of a dialog have different keys; the same command that comes
// twice is served once and answered twice.
func TestRepeatedRequestIsServedOnce(t *testing.T) {
	keys := make(chan string, 10)
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		keys <- csta.CommandKey(ctx)
		return normal(ctx, d, req)
	}, nil)
	p := newPeer(t, b.url(udpNet))
	c := p.script()
	c.open()
	<-keys
	one, two := c.write(info, 2, snapshot(1)), c.write(info, 3, snapshot(1))
	p.send(one)
	first := p.response(200, info, 2)
	p.send(two)
	p.response(200, info, 3)
	p.send(one)
	again := p.response(200, info, 2)
	if string(again.body) != string(first.body) {
		t.Errorf("answered with %s, then with %s", first.body, again.body)
	}
	p.send(c.write(info, 3, snapshot(2)))
	p.response(500, info, 3)
	if a, b := <-keys, <-keys; a == b || len(a) != 32 {
		t.Errorf("keys %q and %q", a, b)
	}
	if len(keys) != 0 {
		t.Errorf("served %d times more", len(keys))
	}
	if n := b.Stats().Repeated; n != 1 {
		t.Errorf("%d repetitions counted", n)
	}
}

// Answers are kept for 64·T1, far longer than a transaction lives, and then
// forgotten: nothing is served a second time.
func TestAnswersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		served := 0
		b := newBenchOn(t, n.host("192.0.2.1"), func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
			served++
			return normal(ctx, d, req)
		}, nil)
		p := n.host("192.0.2.2").peer(t, b.url(udpNet))
		c := p.script()
		c.open()
		m := c.write(info, 2, snapshot(1))
		p.send(m)
		p.response(200, info, 2)
		time.Sleep(patience - time.Second)
		p.send(m)
		p.response(200, info, 2)
		d := b.session().d
		d.mu.Lock()
		if len(d.inbox.records) != 1 {
			t.Errorf("%d records", len(d.inbox.records))
		}
		d.mu.Unlock()
		time.Sleep(2 * time.Second)
		d.mu.Lock()
		if d.inbox.records != nil {
			t.Errorf("%d records are left", len(d.inbox.records))
		}
		d.mu.Unlock()
		time.Sleep(sip.Timer_J)
		p.send(m)
		p.response(500, info, 2)
		if served != 2 {
			t.Errorf("served %d times", served)
		}
	})
}

// Requests that wait too long are answered 504 and not served; the one that is
// stuck has its context ended, and the next one its turn when it gives in.
func TestRequestsAreServedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		var served []string
		b := newBenchOn(t, n.host("192.0.2.1"), func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
			if s, ok := req.(*csta.SnapshotDevice); ok {
				served = append(served, s.SnapshotObject.ID)
				if s.SnapshotObject.ID == "1" {
					<-ctx.Done()
					time.Sleep(5 * time.Second) // does not keep the Handler's contract
					return nil, ctx.Err()
				}
			}
			return normal(ctx, d, req)
		}, nil)
		p := n.host("192.0.2.2").peer(t, b.url(tcpNet))
		c := p.script()
		c.open()
		start := time.Now()
		p.send(c.write(info, 2, snapshot(1)), c.write(info, 3, snapshot(2)))
		p.response(504, info, 2)
		p.response(504, info, 3)
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("504 after %v", d)
		}
		p.send(c.write(info, 4, snapshot(3)))
		p.response(200, info, 4)
		if d := time.Since(start); d != 35*time.Second {
			t.Errorf("served after %v", d)
		}
		if got := fmt.Sprint(served); got != "[1 3]" {
			t.Errorf("served %s", got)
		}
	})
}

// Too many requests at once are refused one by one.
func TestRequestsAreBounded(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if s, ok := req.(*csta.SnapshotDevice); ok && s.SnapshotObject.ID == "0" {
			close(started)
			<-release
		}
		return normal(ctx, d, req)
	}, func(cfg *Config) { cfg.MaxRequests = 3 })
	p := newPeer(t, b.url(tcpNet))
	c := p.script()
	c.open()
	p.send(c.write(info, 2, snapshot(0)))
	within(t, started, "the request")
	p.send(c.write(info, 3, snapshot(1)), c.write(info, 4, snapshot(2)), c.write(info, 5, snapshot(3)), c.write(info, 6, snapshot(4)))
	if m := p.response(503, info, 6); m.header("retry-after") == "" {
		t.Error("503 without Retry-After")
	}
	close(release)
	for i := uint32(2); i <= 5; i++ {
		p.response(200, info, i)
	}
}

// The ACK may come late, or with a CSeq of its own, or not at all: requests are
// served and events sent without it, and the 2xx is repeated until a request
// says the same as an ACK.
func TestACK(t *testing.T) {
	type run struct {
		p *sipPeer
		c *script
		b *bench
	}
	for name, test := range map[string]func(t *testing.T, r run){
		"comes late": func(t *testing.T, r run) {
			r.p.send(r.c.write(info, 2, snapshot(1)))
			r.p.response(200, info, 2)
			r.p.send(r.c.write(ack, 1, ""))
			time.Sleep(2 * patience)
			r.p.send(r.c.write(info, 3, snapshot(1)))
			r.p.response(200, info, 3)
		},
		"has a CSeq of its own": func(t *testing.T, r run) {
			r.p.send(r.c.write(ack, 1, ""))
			r.p.send(r.c.write(invite, 5, ""))
			r.p.response(200, invite, 5)
			r.p.send(r.c.write(ack, 1, ""))
			time.Sleep(2 * patience)
			r.p.send(r.c.write(info, 2, snapshot(1)))
			r.p.response(200, info, 2)
		},
		"is an INFO": func(t *testing.T, r run) {
			r.p.send(r.c.write(info, 2, snapshot(1)))
			r.p.response(200, info, 2)
			time.Sleep(2 * patience)
			r.p.send(r.c.write(info, 3, snapshot(1)))
			r.p.response(200, info, 3)
		},
		"is lost": func(t *testing.T, r run) {
			start := time.Now()
			for range 2 {
				r.p.response(200, invite, 1) // again
			}
			if d := time.Since(start); d != 1500*time.Millisecond {
				t.Errorf("repeated after %v", d)
			}
			// RFC 3261 §13.3.1.4: given up after 64·T1, with BYE.
			for m := r.p.next(); ; m = r.p.next() {
				if m.method == bye {
					r.p.ok(m, 200, "")
					break
				}
			}
			if d := time.Since(start); d != patience {
				t.Errorf("ended after %v", d)
			}
			r.b.closedWith(ErrNoACK)
		},
		"events do not wait for it": func(t *testing.T, r run) {
			if err := r.b.session().d.Send(held(1)); err != nil {
				t.Fatal(err)
			}
			r.p.ok(r.p.request(info), 200, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
				p := n.host("192.0.2.2").peer(t, b.url(udpNet))
				c := p.script()
				p.send(c.write(invite, 1, body("RequestSystemStatus", ""), "Supported: timer"))
				c.toTag = p.response(200, invite, 1).toTag
				test(t, run{p, c, b})
			})
		})
	}
}

// Over TCP a 2xx is repeated only where a proxy may have gone on over UDP.
func TestACKOverTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
		p := n.host("192.0.2.2").peer(t, b.url(tcpNet))
		c := p.script()
		p.send(c.write(invite, 1, ""+body("RequestSystemStatus", "")))
		c.toTag = p.response(200, invite, 1).toTag
		start := time.Now()
		p.ok(p.request(bye), 200, "")
		if d := time.Since(start); d != patience {
			t.Errorf("BYE after %v", d)
		}
		b.closedWith(ErrNoACK)
	})
}

// A repeated INVITE is absorbed while it is served, and given the answer after.
func TestRepeatedInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		opened := 0
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) {
			open := cfg.Open
			cfg.Open = func(ctx context.Context, d *Dialog) (Session, error) {
				opened++
				time.Sleep(time.Second)
				return open(ctx, d)
			}
		})
		p := n.host("192.0.2.2").peer(t, b.url(udpNet))
		for _, branch := range []bool{true, false} {
			opened = 0
			c := p.script()
			c.branch = branch
			m := c.write(invite, 1, body("RequestSystemStatus", ""))
			p.send(m)
			p.response(100, invite, 1) // after 200 ms
			p.send(m)
			p.response(100, invite, 1)
			ok := p.response(200, invite, 1)
			p.send(m)
			if again := p.response(200, invite, 1); again.toTag != ok.toTag {
				t.Errorf("tags %s and %s", ok.toTag, again.toTag)
			}
			c.toTag = ok.toTag
			p.send(c.write(ack, 1, ""))
			p.send(c.write(bye, 2, ""))
			p.response(200, bye, 2)
			if opened != 1 {
				t.Errorf("opened %d sessions", opened)
			}
		}
	})
}
