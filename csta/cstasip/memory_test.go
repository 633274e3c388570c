package cstasip

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// kept counts the transactions that sipgo keeps, server's and client's.
func kept(s *Server) int {
	n := 0
	for _, side := range []string{"serverTransactions", "clientTransactions"} {
		n += reflect.ValueOf(s.txl).Elem().FieldByName(side).Elem().FieldByName("items").Len()
	}
	return n
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// 2,000 INFOs per second by UDP leave nothing behind but the answers that a
// dialog keeps for their repetition, which are bounded.
func TestMemoryOfInfos(t *testing.T) {
	const dialogs, perSecond, seconds = 20, 2000, 3
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) { cfg.Log = nil })
		p := n.host("192.0.2.2").peer(t, b.url(udpNet))
		var scripts []*script
		for range dialogs {
			c := p.script()
			c.open()
			scripts = append(scripts, c)
		}
		time.Sleep(patience)
		synctest.Wait()
		before, most := heapInUse(), 0
		for i := range perSecond * seconds {
			cseq := 2 + i/dialogs
			p.send(scripts[i%dialogs].write(info, cseq, snapshot(i)))
			p.response(200, info, uint32(cseq))
			time.Sleep(time.Second / perSecond)
			if i%100 == 0 {
				synctest.Wait()
				most = max(most, kept(b.Server))
			}
		}
		synctest.Wait()
		b.Server.mu.Lock()
		records, octets := 0, 0
		for _, d := range b.dialogs {
			d.mu.Lock()
			records, octets = records+len(d.inbox.records), octets+d.inbox.bytes
			d.mu.Unlock()
		}
		b.Server.mu.Unlock()
		grown := heapInUse() - before
		t.Logf("%d transactions at most, %d answers of %d octets, %d octets of heap", most, records, octets, grown)
		if most > dialogs {
			t.Errorf("sipgo keeps %d transactions", most)
		}
		if records > dialogs*maxRecords {
			t.Errorf("%d answers are kept of %d dialogs", records, dialogs)
		}
		if limit := int64(dialogs * maxRecords * 2048); grown > limit {
			t.Errorf("the heap has grown by %d octets, want at most %d", grown, limit)
		}
		time.Sleep(patience)
		synctest.Wait()
		if left := kept(b.Server); left != 0 {
			t.Errorf("%d transactions are left", left)
		}
		for _, c := range scripts {
			c.bye(1 << 20)
		}
	})
}

// A datagram from a new address each time, as a flood with false senders is, costs
// a bounded amount.
func TestMemoryOfSenders(t *testing.T) {
	const floods = 2
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) { cfg.Log = nil })
		p := n.host("192.0.2.2").peer(t, b.url(udpNet))
		c := p.script()
		c.open()
		to := mustAddrPort("192.0.2.1:5060")
		from := netip.MustParseAddr("10.0.0.0")
		request := c.write(options, 1, "")
		flood := func() {
			for i := range maxSenders {
				from = from.Next()
				stranger := &memPacket{n: n, local: netip.AddrPortFrom(from, 5060)}
				if _, err := stranger.WriteToUDPAddrPort([]byte(request), to); err != nil {
					t.Fatal(err)
				}
				if i%100 == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
		}
		for range 1 + ratedPeers/maxSenders {
			flood() // now everything is full that is bounded
		}
		before := heapInUse()
		for range floods {
			flood()
		}
		grown := heapInUse() - before
		size := b.tpl.Pool(udpNet).Size()
		t.Logf("%d senders are known, %d octets of heap for %d more", size, grown, floods*maxSenders)
		if size > maxSenders+1 {
			t.Errorf("sipgo knows %d senders", size)
		}
		if grown > 1<<20 {
			t.Errorf("the heap has grown by %d octets", grown)
		}
		if left := kept(b.Server); left != 0 {
			t.Errorf("%d transactions are left", left)
		}
		// Who was there before is answered still.
		p.send(c.write(info, 2, snapshot(1)))
		p.response(200, info, 2)
		c.bye(3)
	})
}

// A server with two sockets answers by the one that was asked, whoever asks, and
// when sipgo has forgotten who that was.
func TestAnswersLeaveByTheSocketThatWasAsked(t *testing.T) {
	b := newBench(t, nil, func(cfg *Config) { cfg.Listen = []string{"udp://127.0.0.1:0", "udp://127.0.0.1:0"} })
	c, err := hostNetwork{}.listenPacket(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 4096)
	for i := range 10 {
		_, address, _ := splitListen(b.Addrs()[i%2])
		local := c.LocalAddr().String()
		text := fmt.Sprintf("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n\r\n", local, newBranch(), i)
		if _, err := c.WriteToUDPAddrPort([]byte(text), mustAddrPort(address)); err != nil {
			t.Fatal(err)
		}
		if _, by, err := c.ReadFromUDPAddrPort(buf); err != nil || by.String() != address {
			t.Errorf("asked %s, answered by %s, %v", address, by, err)
		}
	}
}
