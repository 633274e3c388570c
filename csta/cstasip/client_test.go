package cstasip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

var networks = []string{udpNet, tcpNet, tlsNet}

func held(n int) *csta.HeldEvent {
	return &csta.HeldEvent{
		Monitored:      csta.Monitored{MonitorCrossRefID: "77"},
		HeldConnection: csta.Connection(strconv.Itoa(n), "1001"),
		HoldingDevice:  csta.Party("1001"),
		Cause:          "normal",
	}
}

// A client opens a dialog, asks, is told events in order, and hangs up.
func TestClientAndServer(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, nil)
			const events = 100
			got := make(chan csta.Event, events)
			c := b.dial(network, func(cfg *ClientConfig) {
				cfg.OnEvent = func(ev csta.Event) { got <- ev }
				cfg.UserAgent = "rccctl"
			})
			if r, ok := c.Opened().(*csta.RequestSystemStatusResponse); !ok || r.SystemStatus != "normal" {
				t.Errorf("INVITE was answered with %#v", c.Opened())
			}
			s := b.session()
			if s.d.Line != "tel:1001;phone-context=dialstring" || s.d.UserAgent != "rccctl" || s.d.Transport != network || s.d.Edition() != "ed3" {
				t.Errorf("dialog %+v", s.d)
			}
			if User(s.d.To) != "csta" || User(s.d.From) != "rccgw-client" || User(s.d.RequestURI) != "csta" {
				t.Errorf("To %q, From %q, Request-URI %q", s.d.To, s.d.From, s.d.RequestURI)
			}
			if (s.d.Certificate != nil) != (network == tlsNet) {
				t.Errorf("certificate %v", s.d.Certificate)
			}
			r, err := csta.Call(t.Context(), c, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device("1001")}})
			if err != nil || r.MonitorCrossRefID != "77" {
				t.Fatalf("%v, %v", r, err)
			}
			for i := range events {
				if err := s.d.Send(held(i)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range events {
				ev := within(t, got, "an event").(*csta.HeldEvent)
				if ev.HeldConnection.CallID != strconv.Itoa(i) {
					t.Fatalf("event %s came in the place of %d", ev.HeldConnection.CallID, i)
				}
			}
			_, err = c.ServeCSTA(t.Context(), &csta.AnswerCall{CallToBeAnswered: csta.Connection("1", "1001")})
			if want := csta.Errorf(csta.Operation, "serviceNotSupported", ""); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
			b.closedWith(ErrBye)
		})
	}
}

// Requests that are under way at once are answered each with its own answer.
func TestClientPipelines(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, nil)
			c := b.dial(network, nil)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					for j := range 10 {
						want := strconv.Itoa(100*i + j)
						r, err := csta.Call(context.Background(), c, &csta.SnapshotDevice{SnapshotObject: csta.Device(want)})
						if err != nil {
							t.Error(err)
							return
						}
						if got := r.CrossRefIDorSnapshotData.ServiceCrossRefID; got != want {
							t.Errorf("answer %s, want %s", got, want)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// What a client makes of refusals, of silence and of the server's own requests.
func TestClientErrors(t *testing.T) {
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		switch req.(type) {
		case *csta.AnswerCall:
			return nil, csta.Errorf(csta.StateIncompatibility, "noCallToAnswer", "")
		case *csta.ClearConnection:
			return nil, &Refusal{Status: 503, Reason: "Away", RetryAfter: 7 * time.Second}
		case *csta.HoldCall:
			return nil, nil
		case *csta.RetrieveCall:
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return normal(ctx, d, req)
	}, func(cfg *Config) { cfg.ErrorStyle, cfg.RequestTimeout = ErrorsInSIP, time.Second })
	c := b.dial(tcpNet, nil)
	connection := csta.Connection("1", "1001")

	_, err := c.ServeCSTA(t.Context(), &csta.AnswerCall{CallToBeAnswered: connection})
	var status *StatusError
	if want := csta.Errorf(csta.StateIncompatibility, "noCallToAnswer", ""); !errors.Is(err, want) || !errors.As(err, &status) || status.Status != 488 {
		t.Errorf("AnswerCall: %v", err)
	}
	_, err = c.ServeCSTA(t.Context(), &csta.ClearConnection{ConnectionToBeCleared: connection})
	if !errors.As(err, &status) || status.Status != 503 || status.Reason != "Away" || status.RetryAfter != 7*time.Second || status.CSTA != nil {
		t.Errorf("ClearConnection: %v", err)
	}
	if _, err = c.ServeCSTA(t.Context(), &csta.HoldCall{CallToBeHeld: connection}); err == nil {
		t.Error("an answer without body is no answer")
	}
	if _, err = c.ServeCSTA(t.Context(), &csta.HoldCall{}); err == nil {
		t.Error("an incomplete request was sent")
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err = c.ServeCSTA(ctx, &csta.RetrieveCall{CallToBeRetrieved: connection}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("RetrieveCall: %v", err)
	}
	if c.Err() != nil {
		t.Errorf("the dialog has ended: %v", c.Err())
	}
}

// The server may ask, too.
func TestClientHandler(t *testing.T) {
	b := newBench(t, nil, nil)
	asked := make(chan csta.Message, 1)
	b.dial(udpNet, func(cfg *ClientConfig) {
		cfg.Handler = csta.HandlerFunc(func(_ context.Context, req csta.Message) (csta.Message, error) {
			asked <- req
			return &csta.SystemStatusResponse{}, nil
		})
	})
	if err := b.session().d.Send(&csta.SystemStatus{SystemStatus: "normal"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := within(t, asked, "a request").(*csta.SystemStatus); !ok {
		t.Error("another request came")
	}
}

// A client whose connection is lost is told at once, and asks nothing more.
func TestClientDisconnected(t *testing.T) {
	started, release := make(chan struct{}, 1), make(chan struct{})
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.GetCSTAFeatures); ok {
			started <- struct{}{}
			<-release
		}
		return normal(ctx, d, req)
	}, nil)
	c := b.dial(tcpNet, nil)
	failed := make(chan error, 1)
	go func() {
		_, err := c.ServeCSTA(context.Background(), &csta.GetCSTAFeatures{})
		failed <- err
	}()
	within(t, started, "the request")
	b.core.mu.Lock()
	var all []*conn
	for _, x := range b.conns {
		all = append(all, x)
	}
	b.core.mu.Unlock()
	for _, x := range all {
		x.shut()
	}
	if err := within(t, failed, "an error"); !errors.Is(err, ErrDisconnected) {
		t.Errorf("error %v", err)
	}
	close(release)
	asked := b.Stats().Opened
	if _, err := csta.Call(t.Context(), c, &csta.RequestSystemStatus{}); !errors.Is(err, ErrUnsent) || !errors.Is(err, ErrDisconnected) {
		t.Errorf("over a connection that was lost: %v", err)
	}
	if _, err := c.e.Dial(t.Context(), ClientConfig{Line: "tel:1002"}); !errors.Is(err, ErrDisconnected) {
		t.Errorf("another dialog: %v", err)
	}
	if st := b.Stats(); st.Opened != asked || st.Connections != 0 {
		t.Errorf("%+v", st)
	}
}

// Events come in order and once, though datagrams are lost both ways.
func TestClientOnALossyNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
		e, err := connect(t.Context(), n.host("192.0.2.2"), b.url(udpNet), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		dice := rand.New(rand.NewPCG(1, 2))
		n.mu.Lock()
		n.lose = func([]byte) bool { return dice.IntN(4) == 0 }
		n.mu.Unlock()
		got := make(chan string, 1000)
		c, err := e.Dial(t.Context(), ClientConfig{OnEvent: func(ev csta.Event) { got <- ev.(*csta.HeldEvent).HeldConnection.CallID }})
		if err != nil {
			t.Fatal(err)
		}
		s := b.session()
		for i := range 50 {
			if err := s.d.Send(held(i)); err != nil {
				t.Fatal(err)
			}
			want := strconv.Itoa(i)
			r, err := csta.Call(t.Context(), c, &csta.SnapshotDevice{SnapshotObject: csta.Device(want)})
			if err != nil || r.CrossRefIDorSnapshotData.ServiceCrossRefID != want {
				t.Fatalf("request %d: %v", i, err)
			}
		}
		time.Sleep(patience)
		seen := map[string]bool{}
		for len(got) > 0 {
			id := <-got
			if seen[id] {
				t.Errorf("event %s came twice", id)
			}
			seen[id] = true
		}
		if len(seen) != 50 {
			t.Errorf("%d events of 50", len(seen))
		}
		n.mu.Lock()
		n.lose = nil
		n.mu.Unlock()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An event whose transaction never comes is delivered all the same, in its
// order; a request is answered when it comes again.
func TestClientMissesNoTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan string, 3)
		e := &Endpoint{clients: map[string]*Client{}}
		e.core.init(hostNetwork{}, slog.New(slog.DiscardHandler), nil, "")
		c := &Client{e: e, log: slog.New(slog.DiscardHandler), done: make(chan struct{}), cfg: ClientConfig{OnEvent: func(ev csta.Event) {
			got <- csta.FirstConnection(ev).CallID
		}}}
		c.leg = leg{core: &e.core, callID: "a", localTag: "1", remoteTag: "2"}
		var first *delivery
		for i := range 3 {
			ev := held(0)
			ev.HeldConnection.CallID = fmt.Sprint(i)
			body, err := csta.Encode(ev, csta.DefaultEdition)
			if err != nil {
				t.Fatal(err)
			}
			m := &message{method: info, body: body, callID: "a", cseq: uint32(i + 1), fromTag: "2", toTag: "1", vias: []string{"SIP/2.0/TCP h"},
				headers: []sip.Header{sip.NewHeader("Content-Type", "application/csta+xml")}}
			tk := &ticket{m: m}
			c.arrived(tk)
			if i == 0 {
				first = tk.in
			}
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Fatalf("delivered before its time: %s", <-got)
		}
		time.Sleep(ticketTimeout + time.Millisecond)
		synctest.Wait()
		for i := range 3 {
			if call := <-got; call != fmt.Sprint(i) {
				t.Errorf("%s is delivered in the place of %d", call, i)
			}
		}
		if !first.alone || !first.rec.done {
			t.Error("its sender finds no answer when it asks again")
		}
		c.end(ErrEnded)
	})
}

// What Permit does not let leave is not asked; what has left may have been performed.
func TestClientPermit(t *testing.T) {
	asked := make(chan csta.Message, 10)
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.RequestSystemStatus); !ok {
			asked <- req
		}
		return normal(ctx, d, req)
	}, nil)
	mayNot := errors.New("not now")
	var forbid atomic.Bool
	type key struct{}
	c := b.dial(tcpNet, func(cfg *ClientConfig) {
		cfg.Permit = func(ctx context.Context) error {
			if ctx.Value(key{}) != "mine" {
				t.Error("Permit is not asked with the context of the request")
			}
			if forbid.Load() {
				return mayNot
			}
			return nil
		}
	})
	ctx := context.WithValue(t.Context(), key{}, "mine")
	if _, err := csta.Call(ctx, c, &csta.GetCSTAFeatures{}); err != nil {
		t.Fatal(err)
	}
	<-asked
	forbid.Store(true)
	if _, err := csta.Call(ctx, c, &csta.GetCSTAFeatures{}); !errors.Is(err, mayNot) || !errors.Is(err, ErrUnsent) {
		t.Errorf("not permitted: %v", err)
	}
	forbid.Store(false)
	if _, err := csta.Call(ctx, c, &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("1002")}); err != nil {
		t.Error(err)
	}
	if req := <-asked; csta.Name(req) != "MakeCall" {
		t.Errorf("%s was asked", csta.Name(req))
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := csta.Call(gone, c, &csta.GetCSTAFeatures{}); !errors.Is(err, ErrUnsent) {
		t.Errorf("nobody waits: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := csta.Call(ctx, c, &csta.GetCSTAFeatures{}); !errors.Is(err, ErrUnsent) || !errors.Is(err, ErrEnded) {
		t.Errorf("the dialog has ended: %v", err)
	}
	if len(asked) > 0 {
		t.Errorf("%d more were asked", len(asked))
	}
}

// After Settle, the events that were sent before an answer have been handed on.
func TestClientSettle(t *testing.T) {
	const events = 20
	b := newBench(t, nil, nil)
	var got atomic.Int32
	gate := make(chan struct{})
	c := b.dial(tcpNet, func(cfg *ClientConfig) {
		cfg.OnEvent = func(csta.Event) {
			<-gate
			got.Add(1)
		}
	})
	s := b.session()
	if err := c.Settle(t.Context()); err != nil {
		t.Errorf("nothing has come: %v", err)
	}
	for i := range events {
		if err := s.d.Send(held(i)); err != nil {
			t.Fatal(err)
		}
	}
	for begin := time.Now(); b.Stats().EventsAnswered < events; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%+v", b.Stats())
		}
	}
	brief, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Settle(brief); !errors.Is(err, context.Canceled) {
		t.Errorf("events that are not taken: %v", err)
	}
	settled := make(chan int32, 1)
	go func() {
		if err := c.Settle(context.Background()); err != nil {
			t.Error(err)
		}
		settled <- got.Load()
	}()
	close(gate)
	if n := within(t, settled, "Settle"); n != events {
		t.Errorf("%d of %d events were handed on", n, events)
	}
}

// What cannot be read is told, in its place.
func TestClientUnread(t *testing.T) {
	for name, raw := range map[string]string{
		"no XML":     "<HeldEvent",
		"incomplete": `<HeldEvent xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"><monitorCrossRefID>77</monitorCrossRefID></HeldEvent>`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil, nil)
			told := make(chan string, 10)
			b.dial(tcpNet, func(cfg *ClientConfig) {
				cfg.OnEvent = func(ev csta.Event) { told <- csta.Name(ev) }
				cfg.OnUnread = func(error) { told <- "unread" }
			})
			s := b.session()
			if err := s.d.Send(held(1)); err != nil {
				t.Fatal(err)
			}
			if got := within(t, told, "an event"); got != "HeldEvent" {
				t.Errorf("%s came", got)
			}
			s.d.mu.Lock()
			s.d.outbox.list = append(s.d.outbox.list, outgoing{method: info, body: []byte(raw)})
			s.d.pump()
			s.d.mu.Unlock()
			if got := within(t, told, "word of it"); got != "unread" {
				t.Errorf("%s came", got)
			}
		})
	}
}

// A connection that sipgo holds on to though it has ended is not believed in for ever.
func TestClientDeadConnection(t *testing.T) {
	b := newBench(t, nil, nil)
	c := b.dial(tcpNet, nil)
	pool, peer := c.e.tpl.Pool(tcpNet), c.e.way.peer.String()
	dead, local := pool.Get(peer), c.e.dialled.String()
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); pool.Size() > 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the reader does not end")
		}
	}
	pool.Add(peer, dead) // as sipgo does where the reader is quicker
	pool.Add(local, dead)
	if _, err := csta.Call(t.Context(), c, &csta.RequestSystemStatus{}); !errors.Is(err, ErrUnsent) {
		t.Error(err)
	}
	if pool.Size() != 0 || c.e.Connected() {
		t.Errorf("%d entries are left", pool.Size())
	}
}

// An endpoint knows when its connection was lost, and another ends the dialogs that it
// has left behind.
func TestClientConnectionLost(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, nil)
			var config *tls.Config
			if network == tlsNet {
				config = clientTLS(t)
			}
			connect := func() *Endpoint {
				e, err := Connect(t.Context(), b.url(network), config, nil)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(e.Close)
				return e
			}
			e := connect()
			c, err := e.Dial(t.Context(), ClientConfig{Line: "tel:1001"})
			if err != nil {
				t.Fatal(err)
			}
			if !e.Connected() {
				t.Error("not connected")
			}
			if err := e.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if network != udpNet {
				b.core.mu.Lock()
				var conns []*conn
				for _, x := range b.conns {
					conns = append(conns, x)
				}
				b.core.mu.Unlock()
				for _, x := range conns {
					x.shut()
				}
				for begin := time.Now(); e.Connected(); time.Sleep(time.Millisecond) {
					if time.Since(begin) > 10*time.Second {
						t.Fatal("a connection that was lost is believed in")
					}
				}
			}
			e.Close()
			select {
			case err := <-b.closed:
				t.Fatalf("the dialog has ended: %v", err)
			default:
			}
			if err := connect().HangUp(t.Context(), c); err != nil {
				t.Error(err)
			}
			b.closedWith(ErrBye)
			if err := connect().HangUp(t.Context(), c); err != nil {
				t.Errorf("a dialog that the server does not know: %v", err)
			}
		})
	}
}
