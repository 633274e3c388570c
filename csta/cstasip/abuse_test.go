package cstasip

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

// raw connects to the server as h, without a reader.
func (h memHost) raw(t *testing.T, url string) net.Conn {
	t.Helper()
	_, address, _ := splitListen(url)
	c, err := h.dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ends returns how long c stays open.
func ends(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("ended with %v", err)
	}
	return time.Since(start)
}

// Who writes an octet now and then has its connection closed when its message, or
// its handshake, takes too long; who writes nothing when it is idle for too long.
func TestSlowPeers(t *testing.T) {
	for name, test := range map[string]struct {
		network, text string
		pause, want   time.Duration
	}{
		"a start line":       {tcpNet, strings.Repeat("OPTIONS", 1000), time.Second, messageTimeout},
		"a header":           {tcpNet, "OPTIONS sip:a@b SIP/2.0\r\nX:" + strings.Repeat("y", 1000), time.Second, messageTimeout},
		"many headers":       {tcpNet, "OPTIONS sip:a@b SIP/2.0\r\n" + strings.Repeat("X:y\r\n", 1000), 100 * time.Millisecond, messageTimeout},
		"a body":             {tcpNet, "OPTIONS sip:a@b SIP/2.0\r\nl: 5000\r\n\r\n" + strings.Repeat("y", 1000), time.Second / 2, messageTimeout},
		"line ends":          {tcpNet, strings.Repeat("\r\n", 1000), time.Second, idleTimeout},
		"nothing":            {tcpNet, "", time.Second, idleTimeout},
		"a handshake":        {tlsNet, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + strings.Repeat("x", 1000), time.Second, handshakeTimeout},
		"no handshake":       {tlsNet, "", time.Second, handshakeTimeout},
		"another's protocol": {tlsNet, "OPTIONS sip:a@b SIP/2.0\r\n\r\n", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			config := serverTLS(t)
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) {
					cfg.Listen, cfg.TLS = []string{test.network + "://192.0.2.1:5060"}, config
				})
				c := n.host("192.0.2.2").raw(t, b.url(test.network))
				written := make(chan struct{})
				go func() {
					defer close(written)
					for i := range len(test.text) {
						if _, err := io.WriteString(c, test.text[i:i+1]); err != nil {
							return
						}
						time.Sleep(test.pause)
					}
				}()
				if got := ends(t, c); got.Round(time.Second) != test.want {
					t.Errorf("closed after %v, want %v", got, test.want)
				}
				synctest.Wait()
				if open := b.Stats().Connections; open != 0 {
					t.Errorf("%d connections are open", open)
				}
				<-written
			})
		})
	}
}

// Messages that are as large as they may be and do not end take what they are
// large, and that until they take too long.
func TestLargeMessagesThatDoNotEnd(t *testing.T) {
	const peers = 50
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) { cfg.Log = nil })
		text := "OPTIONS sip:a@b SIP/2.0\r\n" + strings.Repeat("X: "+strings.Repeat("y", 995)+"\r\n", 180)
		before := heapInUse()
		var conns []net.Conn
		for range peers {
			c := n.host("192.0.2.2").raw(t, b.url(tcpNet))
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		synctest.Wait()
		if each := (heapInUse() - before) / peers; each > 3*maxMessage {
			t.Errorf("%d octets for each message of %d", each, len(text))
		}
		for _, c := range conns {
			ends(t, c)
		}
		synctest.Wait()
		if open := b.Stats().Connections; open != 0 {
			t.Errorf("%d connections are open", open)
		}
	})
}

// Headers may be large, as long as the message is one that is received.
func TestLargeHeaders(t *testing.T) {
	b := newBench(t, nil, nil)
	for _, network := range networks {
		size, beyond := 150<<10, 60<<10
		if network == udpNet {
			size, beyond = 6<<10, 4<<10
		}
		p := newPeer(t, b.url(network))
		large := "X: " + strings.Repeat("y", size)
		p.send(p.script().write(options, 1, "", large))
		p.response(200, options, 1)
		_, _ = io.WriteString(p.conn, p.script().write(options, 2, "", large, "X: "+strings.Repeat("y", beyond)))
		if network == udpNet {
			p.response(513, options, 2)
		} else if m, open := <-p.in; open {
			t.Errorf("%s: got %s", network, m.brief())
		}
	}
}

// A peer that asks and does not read its answers has its connection closed.
func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
		ours, theirs := net.Pipe()
		defer ours.Close()
		n.mu.Lock()
		l := n.tcp[mustAddrPort("192.0.2.1:5060")]
		n.mu.Unlock()
		l.in <- namedConn{theirs, mustAddrPort("192.0.2.1:5060"), mustAddrPort("192.0.2.2:1")}
		text := "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n"
		if _, err := io.WriteString(ours, text); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeTimeout - time.Second)
		if open := b.Stats().Connections; open != 1 {
			t.Errorf("%d connections before the time-out", open)
		}
		time.Sleep(2 * time.Second)
		if open := b.Stats().Connections; open != 0 {
			t.Errorf("%d connections after it", open)
		}
	})
}

// A thousand requests in one piece: none is lost, none is served twice, and those
// that are served are served in order.
func TestPipelinedRequests(t *testing.T) {
	const requests = 1000
	for _, limit := range []int{32, requests} { // more than may wait, and not more
		var served atomic.Int32
		last := -1
		b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
			if s, ok := req.(*csta.SnapshotDevice); ok {
				served.Add(1)
				var n int
				if _, err := fmt.Sscan(s.SnapshotObject.ID, &n); err != nil || n <= last {
					t.Errorf("served %s after %d", s.SnapshotObject.ID, last)
				}
				last = n
			}
			return normal(ctx, d, req)
		}, func(cfg *Config) { cfg.Log, cfg.MaxRequests = nil, limit })
		p := newPeer(t, b.url(tcpNet))
		c := p.script()
		c.open()
		var text strings.Builder
		for i := range requests {
			text.WriteString(c.write(info, 2+i, snapshot(i)))
		}
		p.send(text.String())
		answers, accepted := map[uint32]bool{}, 0
		before := uint32(0)
		for range requests {
			m := p.next()
			if answers[m.cseq] {
				t.Errorf("%d is answered twice", m.cseq)
			}
			answers[m.cseq] = true
			switch {
			case m.status == 200 && m.cseq > before:
				before = m.cseq
				accepted++
			case m.status != 503 || m.header("retry-after") == "" || limit == requests:
				t.Errorf("got %s", m.brief())
			}
		}
		if int(served.Load()) != accepted || len(answers) != requests {
			t.Errorf("%d were served, %d answered 200, %d answered", served.Load(), accepted, len(answers))
		}
		c.bye(2 + requests)
	}
}

// Clients that open a dialog and are not heard of again cost a session interval:
// then the session, with its monitors, is closed, and nothing is left.
func TestAbandonedDialogs(t *testing.T) {
	const dialogs = 300
	for _, network := range []string{udpNet, tcpNet} {
		t.Run(network, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
				p := n.host("192.0.2.2").peer(t, b.url(network))
				synctest.Wait()
				running := runtime.NumGoroutine()
				for range dialogs {
					c := p.script()
					c.extra = []string{"Supported: timer"}
					c.open()
					p.send(c.write(info, 2, body("MonitorStart", "<monitorObject><deviceObject>1001</deviceObject></monitorObject>")))
					p.response(200, info, 2)
				}
				time.Sleep(b.cfg.SessionExpires / 2)
				if open := b.Stats().Dialogs; open != dialogs {
					t.Errorf("%d dialogs in the middle of the interval", open)
				}
				time.Sleep(b.cfg.SessionExpires)
				for range dialogs {
					b.closedWith(ErrExpired)
				}
				time.Sleep(2 * patience) // BYE is repeated, and given up
				synctest.Wait()
				b.Server.mu.Lock()
				left := len(b.dialogs) + len(b.invites) + len(b.byTag) + len(b.openOf) + b.open
				b.Server.mu.Unlock()
				if left != 0 || kept(b.Server) != 0 {
					t.Errorf("left: %d of ours, %d of sipgo's", left, kept(b.Server))
				}
				if now := runtime.NumGoroutine(); now > running+dialogs/10 { // those of timers that have just fired may be counted
					t.Errorf("%d goroutines, %d before the dialogs", now, running)
				}
			})
		})
	}
}

// A flood of connections is closed at the door, and who is inside is served; when
// it is over, there is room again.
func TestConnectionFlood(t *testing.T) {
	const flood, room, each = 500, 40, 10
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) { cfg.MaxConnections, cfg.MaxPeerConnections = room, each })
		client := n.host("192.0.2.2").peer(t, b.url(tcpNet))
		c := client.script()
		c.open()
		var conns []net.Conn
		for i := range flood {
			conns = append(conns, n.host(fmt.Sprintf("198.51.100.%d", i%20)).raw(t, b.url(tcpNet)))
		}
		synctest.Wait()
		if st := b.Stats(); st.Connections != room || st.LimitedConnections+st.Refused != flood+1-room {
			t.Errorf("%d connections, %d and %d refused", st.Connections, st.LimitedConnections, st.Refused)
		}
		client.send(c.write(info, 2, snapshot(1)))
		client.response(200, info, 2)
		time.Sleep(idleTimeout + time.Second)
		if open := b.Stats().Connections; open != 1 {
			t.Errorf("%d connections after the flood", open)
		}
		for i, conn := range conns {
			if took := ends(t, conn); took != 0 {
				t.Errorf("connection %d is open", i)
			}
		}
		p := n.host("198.51.100.1").peer(t, b.url(tcpNet))
		p.send(p.script().write(options, 1, ""))
		p.response(200, options, 1)
		c.bye(3)
	})
}
