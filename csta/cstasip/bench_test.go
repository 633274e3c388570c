package cstasip

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// An idle dialog holds little memory and no goroutine: 100,000 of them are a
// gateway's daily load.
func TestIdleDialogIsSmall(t *testing.T) {
	const dialogs, limit = 2000, 2048
	for _, network := range []string{udpNet, tcpNet} {
		t.Run(network, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				session := new(fakeSession)
				session.closed, session.serve = make(chan error, 2*dialogs), normal
				b := newBenchOn(t, n.host("192.0.2.1"), nil, func(cfg *Config) {
					cfg.Log = nil
					cfg.Open = func(context.Context, *Dialog) (Session, error) { return session, nil }
				})
				p := n.host("192.0.2.2").peer(t, b.url(network))
				heap := func() (uint64, int) {
					runtime.GC()
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					return m.HeapAlloc, runtime.NumGoroutine()
				}
				open := func() {
					c := p.script()
					c.extra = []string{"Supported: timer", "User-Agent: Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)"}
					c.open()
					p.send(c.write(info, 2, body("GetCSTAFeatures", "")), c.write(info, 3, body("MonitorStart", "<monitorObject><deviceObject>1001</deviceObject></monitorObject>")))
					p.response(200, info, 2)
					p.response(200, info, 3)
				}
				for range 50 {
					open()
				}
				time.Sleep(time.Minute)
				before, running := heap()
				for range dialogs {
					open()
					time.Sleep(10 * time.Millisecond) // else the runtime keeps what the timers took that fire at once
				}
				time.Sleep(time.Minute)
				after, now := heap()
				each := int64(after-before) / dialogs
				t.Logf("%d octets and %.2f goroutines for each of %d idle dialogs", each, float64(now-running)/dialogs, dialogs)
				if each > limit {
					t.Errorf("%d octets for each dialog, want at most %d", each, limit)
				}
				if now > running {
					t.Errorf("%d goroutines, %d before the dialogs", now, running)
				}
			})
		})
	}
}

// One INFO there and back, client and server in one process.
func BenchmarkInfo(b *testing.B) {
	for _, network := range networks {
		b.Run(network, func(b *testing.B) {
			s := newBench(b, nil, quiet)
			c := s.dial(network, nil)
			req := &csta.RequestSystemStatus{}
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.ServeCSTA(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// INFOs of many dialogs at once, client and server in one process.
func BenchmarkInfoParallel(b *testing.B) {
	for _, network := range networks {
		b.Run(network, func(b *testing.B) {
			s := newBench(b, nil, quiet)
			req := &csta.RequestSystemStatus{}
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				c := s.dial(network, nil)
				for pb.Next() {
					if _, err := c.ServeCSTA(context.Background(), req); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// A request to the server alone: a peer that writes bytes and only counts
// answers.
func BenchmarkServerInfo(b *testing.B) {
	for _, network := range networks {
		b.Run(network, func(b *testing.B) {
			s := newBench(b, nil, quiet)
			p := newPeer(b, s.url(network))
			const dialogs = 16
			var scripts []*script
			for range dialogs {
				c := p.script()
				c.open()
				scripts = append(scripts, c)
			}
			doc := body("RequestSystemStatus", "")
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				c := scripts[n%dialogs]
				p.send(c.write(info, 1+n, doc))
				p.response(200, info, uint32(1+n))
			}
		})
	}
}

// One event to each of many dialogs, answered.
func BenchmarkEvent(b *testing.B) {
	for _, network := range []string{udpNet, tcpNet} {
		for _, dialogs := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", network, dialogs), func(b *testing.B) {
				s := newBench(b, nil, quiet)
				e, err := Connect(context.Background(), s.url(network), nil, nil)
				if err != nil {
					b.Fatal(err)
				}
				defer e.Close()
				var got sync.WaitGroup
				var sessions []*Dialog
				for range dialogs {
					if _, err := e.Dial(context.Background(), ClientConfig{OnEvent: func(csta.Event) { got.Done() }}); err != nil {
						b.Fatal(err)
					}
					sessions = append(sessions, (<-s.sessions).d)
				}
				ev := held(1)
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					n++
					got.Add(dialogs)
					for _, d := range sessions {
						if err := d.Send(ev); err != nil {
							b.Fatal(err)
						}
					}
					got.Wait()
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n*dialogs), "µs/event")
			})
		}
	}
}

// What parsing and writing cost of it.
func BenchmarkMessage(b *testing.B) {
	raw := []byte(recorded(b, "info-MakeCall"))
	parser := newParser()
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m, err := parser.ParseSIP(raw)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := newMessage(m, flow{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("answer", func(b *testing.B) {
		parsed, _ := parser.ParseSIP(raw)
		m, _ := newMessage(parsed, flow{network: tcpNet, peer: mustAddrPort("127.0.0.1:33924")})
		doc := []byte(strings.Repeat("x", 400))
		b.ReportAllocs()
		for b.Loop() {
			_ = m.response(answer{status: 200, body: doc}, "").String()
		}
	})
}

// quiet is for benchmarks, whose one peer is faster than a peer may be.
func quiet(cfg *Config) { cfg.Log, cfg.MaxPeerRequests = nil, 1<<30 }

// What it costs to tell who has sent a request, and to ask who it is.
func BenchmarkAuthenticate(b *testing.B) {
	for _, alg := range []string{algMD5, algSHA256} {
		b.Run(alg, func(b *testing.B) {
			s, err := NewServer(Config{Listen: []string{"udp://127.0.0.1:0"}, Open: func(context.Context, *Dialog) (Session, error) { return nil, nil },
				Auth: &Auth{Users: map[string]Credential{"alice": {Password: "secret"}}, NonceLife: time.Hour}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var l login
			for b.Loop() {
				m := &message{method: register}
				if len(l.met) > 0 {
					b.StopTimer()
					m.headers = l.sign(sip.NewRequest(register, sip.Uri{Scheme: "sip", Host: "d"}))
					b.StartTimer()
				}
				_, a := s.authenticate(m)
				if a.status == 200 {
					continue
				}
				l = login{user: "alice", password: "secret"}
				for line := range strings.SplitSeq(a.headers, "\r\n") {
					if c, ok := readChallenge(strings.TrimPrefix(line, "WWW-Authenticate: ")); ok && c.Algorithm == alg {
						l.met = []*challenge{{Challenge: c, header: "Authorization"}}
					}
				}
			}
		})
	}
	b.Run("challenge", func(b *testing.B) {
		a, err := newAuthority(Auth{Users: map[string]Credential{"alice": {Password: "secret"}}})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			a.challenge(time.Now(), false)
		}
	})
}
