package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
	"rccgw/pbx/sim/simtest"
)

// A gatewayUnderTest is the whole service in this process, with a driver that
// the test has in its hands.
type gatewayUnderTest struct {
	t     *testing.T
	sip   map[string]string // host:port by network
	http  string
	stop  func() // SIGTERM, and wait
	ended chan struct{}
	err   error
	log   *safeBuffer

	cert, key []byte      // of its tls:// listener; see withTLS
	tls       *tls.Config // of its clients there
}

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startGateway runs the service with the variables, as main does, and waits
// until it is ready.
func startGateway(t *testing.T, variables ...string) *gatewayUnderTest {
	t.Helper()
	g := &gatewayUnderTest{t: t, sip: map[string]string{}, ended: make(chan struct{}), log: &safeBuffer{}}
	defaults := []string{"RCC_SIP_LISTEN=tcp://127.0.0.1:0,udp://127.0.0.1:0", "RCC_HTTP_LISTEN=127.0.0.1:0", "RCC_DATA=" + t.TempDir()}
	c, err := load(environ(t, append(defaults, variables...)...))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(g.ended)
		g.err = serve(ctx, c, slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelInfo})))
	}()
	g.stop = func() { cancel(); <-g.ended }
	t.Cleanup(func() {
		g.stop()
		http.DefaultClient.CloseIdleConnections()
		if g.err != nil {
			t.Errorf("the service ended with %v", g.err)
		}
		if t.Failed() {
			t.Log(g.log.String())
		}
	})
	g.find()
	return g
}

// find waits until the service is ready, which says in its log where it listens.
func (g *gatewayUnderTest) find() {
	g.t.Helper()
	serves := regexp.MustCompile(`rccgw serves.* sip=(\S*) http=(\S+)`)
	eventually(g.t, "listening", func() bool {
		select {
		case <-g.ended:
			g.t.Fatalf("the service ended: %v\n%s", g.err, g.log)
		default:
		}
		found := serves.FindStringSubmatch(g.log.String())
		if found == nil {
			return false
		}
		for l := range strings.SplitSeq(found[1], ",") {
			network, address, _ := strings.Cut(l, "://")
			g.sip[network] = address
		}
		g.http = found[2]
		return true
	})
	eventually(g.t, "ready", func() bool { return g.ready() == http.StatusOK })
}

func (g *gatewayUnderTest) ready() int {
	resp, err := http.Get("http://" + g.http + "/readyz")
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 15 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A desk is a client with one dialog, whose events go to whom it may concern.
type desk struct {
	*cstasip.Client
	line string

	mu       sync.Mutex
	watchers map[string]pbxtest.Watcher // by cross reference
	early    map[string][]csta.Event
}

// open dials a dialog for the line, over a connection of its own.
func (g *gatewayUnderTest) open(network, line string, tune ...func(*cstasip.ClientConfig)) *desk {
	g.t.Helper()
	return g.openOver(network, line, cstasip.Dial, tune...)
}

// openOver opens a dialog for the line as dial does.
func (g *gatewayUnderTest) openOver(network, line string, dial func(context.Context, cstasip.ClientConfig) (*cstasip.Client, error), tune ...func(*cstasip.ClientConfig)) *desk {
	g.t.Helper()
	d := &desk{line: line, watchers: map[string]pbxtest.Watcher{}, early: map[string][]csta.Event{}}
	cfg := cstasip.ClientConfig{Server: network + "://" + g.sip[network], Line: line, OnEvent: d.event}
	for _, f := range tune {
		f(&cfg)
	}
	ctx, cancel := context.WithTimeout(g.t.Context(), 10*time.Second)
	defer cancel()
	var err error
	if d.Client, err = dial(ctx, cfg); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = d.Client.Close(ctx)
	})
	return d
}

func (d *desk) event(ev csta.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := *ev.CrossRef()
	w := d.watchers[id]
	if w == nil { // an event may overtake the answer to MonitorStart here
		d.early[id] = append(d.early[id], ev)
		return
	}
	d.pass(w, ev)
}

func (d *desk) pass(w pbxtest.Watcher, ev csta.Event) {
	*ev.CrossRef() = ""
	switch ev.(type) {
	case *csta.OutOfServiceEvent:
		w.Link(false)
	case *csta.BackInServiceEvent:
		w.Link(true)
	default:
		w.Event(ev)
	}
}

func (d *desk) watch(t *testing.T, w pbxtest.Watcher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := csta.Call(ctx, d, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(d.line)}})
	if err != nil {
		t.Fatal(err)
	}
	id := resp.MonitorCrossRefID
	d.mu.Lock()
	d.watchers[id] = w
	for _, ev := range d.early[id] {
		d.pass(w, ev)
	}
	delete(d.early, id)
	d.mu.Unlock()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := csta.Call(ctx, d, &csta.MonitorStop{MonitorCrossRefID: id}); err != nil {
			t.Error(err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.watchers[id] = discard{}
	}
}

type discard struct{}

func (discard) Event(csta.Event) {}
func (discard) Link(bool)        {}

// inHands registers a driver that a test made, as RCC_PBX_SIM_DRIVER=test.
func inHands(t *testing.T, d pbx.Driver) {
	kinds["test"] = kind{settings: func() any { return new(struct{}) }, check: func(any) error { return nil },
		build: func(any, *slog.Logger) (pbx.Driver, error) { return d, nil }}
	t.Cleanup(func() { delete(kinds, "test") })
}

const benchPlan = `{"ars": "9", "internal": {"maxLength": 5},
  "outgoing": [{"leading": "1613592", "replacement": "", "ignoreARS": true}, {"leading": "1613555", "replacement": "613555"}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "1613592", "addPlus": true}, {"length": 10, "replacement": "1", "addPlus": true}]}`

// The conformance suite through everything: SIP dialog over UDP, session, bus,
// digit plan, simulated PBX. TestFamilies does the same over TCP and TLS.
func TestConformance(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		return simBench(t, func(g *gatewayUnderTest, device string) client { return g.open("udp", lineOf(device)) })
	})
}

// A client is who controls a line of a bench.
type client interface {
	csta.Handler
	watch(t *testing.T, w pbxtest.Watcher) (stop func())
}

// lineOf is the line of a device, as clients write it.
func lineOf(device string) string { return "tel:+1613592" + device + ";ext=" + device }

// dialled is what a phone dials for a number as clients write it.
func dialled(number string) string {
	if n, ok := strings.CutPrefix(number, "tel:+1613592"); ok {
		return n
	}
	if n, ok := strings.CutPrefix(number, "tel:+1613555"); ok {
		return "9613555" + n
	}
	return number
}

// line is the line of a device: its client, and the person at its phone, who
// dials as the phone does.
func (g *gatewayUnderTest) line(device string, p pbxtest.Person, c client) *pbxtest.Line {
	g.t.Helper()
	f, err := csta.Call(g.t.Context(), c, &csta.GetCSTAFeatures{})
	if err != nil {
		g.t.Fatal(err)
	}
	full := "tel:+1613592" + device
	dial, transfer, forward := p.Dial, p.Transfer, p.SetForwarding
	p.Dial = func(n string) error { return dial(dialled(n)) }
	p.Transfer = func(n string) error { return transfer(dialled(n)) }
	p.SetForwarding = func(kind csta.ForwardingType, on bool, n string) error { return forward(kind, on, dialled(n)) }
	return &pbxtest.Line{ID: lineOf(device), Handle: device, Number: full, Shown: full, Handler: c, Features: f, Person: p,
		Watch: func(w pbxtest.Watcher) func() { return c.watch(g.t, w) }}
}

// simBench is a bench on the service with the simulated PBX, whose lines are
// controlled by the clients that open makes.
func simBench(t *testing.T, open func(g *gatewayUnderTest, device string) client) *pbxtest.Bench {
	s := simtest.New(t)
	inHands(t, s)
	g := startTLSGateway(t, "RCC_PBX_SIM_DRIVER=test", "RCC_PBX_SIM_LINES=1001-1006", "RCC_PBX_SIM_DIGITS="+benchPlan)
	return simBenchOn(t, s, g, open)
}

// simBenchOn is that bench on a service that is there.
func simBenchOn(t *testing.T, s *sim.Sim, g *gatewayUnderTest, open func(g *gatewayUnderTest, device string) client) *pbxtest.Bench {
	line := func(device string) *pbxtest.Line {
		return g.line(device, simtest.Person(s.Phone(device)), open(g, device))
	}
	b := &pbxtest.Bench{Busy: "602", Unknown: "1099", Cut: s.Cut, Restore: s.Restore, Calls: s.Calls, Impatient: line("1005"), Offered: line("1006"),
		Orbit: "#900", OrbitShown: "tel:#900", PickupGroup: "70", Queue: "600", QueueShown: "tel:600", Storm: 100}
	for i := range 4 {
		b.Lines = append(b.Lines, line(fmt.Sprint(1001+i)))
	}
	o := s.Outside("6135550100")
	b.Outside = &pbxtest.Outside{Number: "tel:+16135550100", Shown: "tel:+16135550100", Person: pbxtest.Person{Answer: o.Answer, HangUp: o.HangUp},
		Call: func(n string) error { _, err := o.Call(dialled(n)); return err },
		CallWithheld: func(n string) error {
			_, err := o.Call(dialled(n), csta.Restricted())
			return err
		}}
	return b
}
