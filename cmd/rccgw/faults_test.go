package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
	"rccgw/pbx/cstatcp/cstatcptest"
	"rccgw/pbx/sim"
)

var (
	faultsTime = flag.Duration("faults.time", 10*time.Second, "how long TestFaults goes on")
	faultsSeed = flag.Uint64("faults.seed", 1, "seed of the first round of TestFaults; 0: a fresh one")
)

// A round is a story: what people and clients do, a fault in the middle of it,
// what people do meanwhile, and the repair.
type round struct {
	fault         string
	before, while []act
}

// An act is what somebody at a phone does, or its client asks for.
type act struct {
	who  int // of the phones
	what string
	to   int
}

func (a act) String() string {
	return fmt.Sprintf("%s %s %s", faultLines[a.who], a.what, faultLines[a.to])
}

func (r round) String() string {
	return fmt.Sprintf("%v, then %s, meanwhile %v", r.before, r.fault, r.while)
}

var (
	faultLines = []string{"1001", "1002", "1003", "1004"}
	faultHands = []string{"dials", "answers", "hangs up", "holds", "retrieves", "transfers to"}
	faultAsks  = []string{"MakeCall", "AnswerCall", "ClearConnection", "HoldCall", "RetrieveCall", "SingleStepTransferCall"}
	faultKinds = []string{"no fault", "the PBX link is cut", "the PBX link is cut twice", "the adapter is killed", "the gateway is killed", "the bus is restarted",
		"the bus is restarted and the PBX link cut", "everything is killed"}
)

func newRound(seed uint64) round {
	r := rand.New(rand.NewPCG(seed, 0))
	acts := func(n int, whats ...string) (list []act) {
		for range n {
			a := act{who: r.IntN(len(faultLines)), what: whats[r.IntN(len(whats))]}
			a.to = (a.who + 1 + r.IntN(len(faultLines)-1)) % len(faultLines)
			list = append(list, a)
		}
		return list
	}
	return round{faultKinds[r.IntN(len(faultKinds))], acts(2+r.IntN(6), slices.Concat(faultHands, faultAsks)...), acts(r.IntN(5), faultHands...)}
}

// A watcher is a client as those in the field: it believes what it is told, and
// opens another dialog, with a snapshot, when it has lost one.
type watcher struct {
	line   string
	client *cstasip.Client

	mu    sync.Mutex
	calls map[string]csta.LocalConnectionState
	up    bool
}

func (w *watcher) take(of *watcher, ev csta.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev.(type) {
	case *csta.OutOfServiceEvent:
		w.up = false
		return
	case *csta.BackInServiceEvent:
		w.up = true
		return
	}
	local, call := csta.LocalConnection(ev)
	if u, ok := pbx.UnionOf(ev); ok {
		delete(w.calls, u.Primary.CallID)
		delete(w.calls, u.Secondary.CallID)
		call = u.Result()
	}
	switch {
	case call == "" || local == "":
	case local == pbx.Null:
		delete(w.calls, call)
	default:
		w.calls[call] = local
	}
}

func (w *watcher) snapshot(ctx context.Context) (map[string]csta.LocalConnectionState, error) {
	r, err := csta.Call(ctx, w.client, &csta.SnapshotDevice{SnapshotObject: csta.Device(w.line)})
	if err != nil {
		return nil, err
	}
	calls := map[string]csta.LocalConnectionState{}
	for _, info := range r.Connections() {
		calls[info.ConnectionIdentifier.CallID] = info.LocalCallState.CompoundCallState.LocalConnectionState[0]
	}
	return calls, nil
}

// A faultWorld has the parts as in the field, each a process but for the bus and
// the simulated PBX.
type faultWorld struct {
	t       *testing.T
	pbx     *sim.Sim
	link    *cstatcptest.Server
	dir     string
	address string
	nats    *server.Server
	parts   *parts
	adapter *part
	gateway *part
	clients []*watcher

	commands, uncertain int
	recovered           []time.Duration
}

func newFaultWorld(t *testing.T) *faultWorld {
	w := &faultWorld{t: t, dir: t.TempDir(), address: freeAddress(t)}
	var devices []sim.Device
	for _, n := range faultLines {
		devices = append(devices, sim.Device{Number: n, CallWaiting: true})
	}
	var err error
	if w.pbx, err = sim.New(sim.Config{Devices: devices, RingTime: time.Hour, ToneTime: time.Hour, Queues: []sim.Queue{{Number: "600", Members: faultLines[:1]}}}); err != nil {
		t.Fatal(err)
	}
	w.link = cstatcptest.Start(t, cstatcptest.Config{Driver: w.pbx})
	w.startBus()
	t.Cleanup(func() { bus.Stop(w.nats) })
	w.parts = &parts{t, []string{"RCC_NATS_URL=nats://" + w.address, "RCC_NATS_TOKEN=t"}, map[string]string{}}
	w.startAdapter()
	w.startGateway()
	for _, line := range faultLines {
		w.clients = append(w.clients, &watcher{line: "tel:" + line})
	}
	t.Cleanup(func() {
		for _, c := range w.clients {
			w.drop(c)
		}
	})
	return w
}

func (w *faultWorld) startBus() {
	var err error
	if w.nats, err = bus.Embed(bus.EmbedConfig{Dir: w.dir, Listen: w.address, Token: "t", Log: slog.New(slog.DiscardHandler)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *faultWorld) startAdapter() {
	w.adapter = w.parts.start("adapter", "RCC_SIP_LISTEN=off", "RCC_PBX=main", "RCC_PBX_MAIN_DRIVER=cstatcp", "RCC_PBX_MAIN_ADDRESS="+w.link.Address(), "RCC_LOG_LEVEL=info")
}

func (w *faultWorld) startGateway() { w.gateway = w.parts.gateway("gateway") }

// drop forgets a client's dialog.
func (w *faultWorld) drop(c *watcher) {
	if c.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.client.Close(ctx)
		c.client = nil
	}
}

// open sees to it that the client has a dialog and a monitor.
func (w *faultWorld) open(ctx context.Context, c *watcher) error {
	if c.client != nil {
		select {
		case <-c.client.Done():
			c.client = nil
		default:
			return nil
		}
	}
	c.mu.Lock()
	c.calls, c.up = map[string]csta.LocalConnectionState{}, true
	c.mu.Unlock()
	now := &watcher{}
	client, err := cstasip.Dial(ctx, cstasip.ClientConfig{Server: "tcp://" + w.gateway.sip["tcp"], Line: c.line, OnEvent: func(ev csta.Event) { c.take(now, ev) }})
	if err != nil {
		return err
	}
	c.client = client
	if _, err = csta.Call(ctx, client, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(c.line)}}); err == nil {
		// What comes after the monitor began is told; what was before is in the snapshot.
		var calls map[string]csta.LocalConnectionState
		if calls, err = c.snapshot(ctx); err == nil {
			c.mu.Lock()
			maps.Copy(c.calls, calls)
			c.mu.Unlock()
		}
	}
	if err != nil {
		w.drop(c)
	}
	return err
}

// agree compares what the client believes, what it is answered, and the PBX.
func (w *faultWorld) agree(c *watcher) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
	defer cancel()
	if err := w.open(ctx, c); err != nil {
		return fmt.Errorf("%s: no dialog: %w", c.line, err)
	}
	answered, err := c.snapshot(ctx)
	if err != nil {
		var e *csta.Error
		if !errors.As(err, &e) {
			w.drop(c) // the gateway is another
		}
		return fmt.Errorf("%s: no snapshot: %w", c.line, err)
	}
	truth := map[string]csta.LocalConnectionState{}
	for _, call := range w.pbx.Calls() {
		for _, conn := range call.Connections {
			if "tel:"+conn.Device == c.line {
				truth[call.ID] = conn.State
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.up:
		return fmt.Errorf("%s: it was told that it is out of service", c.line)
	case !maps.Equal(answered, truth):
		return fmt.Errorf("%s: the snapshot has %v, the PBX %v", c.line, answered, truth)
	case !maps.Equal(c.calls, truth):
		return fmt.Errorf("%s: the client believes %v, the PBX has %v", c.line, c.calls, truth)
	}
	return nil
}

// settle waits until everybody agrees, and returns how long it took.
func (w *faultWorld) settle(patience time.Duration) (time.Duration, error) {
	begun := time.Now()
	for {
		var err error
		for _, c := range w.clients {
			if err = w.agree(c); err != nil {
				break
			}
		}
		if err == nil || time.Since(begun) > patience {
			return time.Since(begun), err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (w *faultWorld) do(a act) {
	phone, number := w.pbx.Phone(faultLines[a.who]), faultLines[a.to]
	own := func(states ...csta.LocalConnectionState) csta.ConnectionID {
		c := w.clients[a.who]
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, call := range slices.Sorted(maps.Keys(c.calls)) {
			if slices.Contains(states, c.calls[call]) {
				return csta.Connection(call, c.line)
			}
		}
		return csta.Connection("none", c.line)
	}
	var req csta.Message
	switch a.what { // what cannot be done now is not done
	case "dials":
		_ = phone.Dial(number)
	case "answers":
		_ = phone.Answer()
	case "hangs up":
		_ = phone.HangUp()
	case "holds":
		_ = phone.Hold()
	case "retrieves":
		_ = phone.Retrieve()
	case "transfers to":
		_ = phone.Transfer(number)
	case "MakeCall":
		req = &csta.MakeCall{CallingDevice: csta.Device(w.clients[a.who].line), CalledDirectoryNumber: csta.Device("tel:" + number), AutoOriginate: "doNotPrompt"}
	case "AnswerCall":
		req = &csta.AnswerCall{CallToBeAnswered: own(pbx.Alerting)}
	case "ClearConnection":
		req = &csta.ClearConnection{ConnectionToBeCleared: own(pbx.Connected, pbx.Alerting, pbx.Hold)}
	case "HoldCall":
		req = &csta.HoldCall{CallToBeHeld: own(pbx.Connected)}
	case "RetrieveCall":
		req = &csta.RetrieveCall{CallToBeRetrieved: own(pbx.Hold)}
	case "SingleStepTransferCall":
		req = &csta.SingleStepTransferCall{ActiveCall: own(pbx.Connected), TransferredTo: csta.Device("tel:" + number)}
	}
	if req == nil {
		return
	}
	client := w.clients[a.who].client
	if client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	w.commands++
	_, err := client.ServeCSTA(ctx, req)
	var e *csta.Error
	switch {
	case errors.Is(err, &csta.Error{Class: csta.PrivateError, Value: "uncertain"}):
		w.uncertain++
	case err != nil && !errors.As(err, &e):
		w.t.Errorf("%v is answered %v, which is no CSTA error", a, err)
	}
}

func (w *faultWorld) breaks(fault string) (repair func()) {
	switch fault {
	case "the PBX link is cut":
		w.link.Cut()
		return w.link.Restore
	case "the PBX link is cut twice":
		w.link.Cut()
		w.link.Restore()
		w.link.Cut()
		return w.link.Restore
	case "the adapter is killed":
		w.adapter.kill()
		return w.startAdapter
	case "the gateway is killed":
		w.gateway.kill()
		return w.startGateway
	case "the bus is restarted":
		bus.Stop(w.nats)
		return w.startBus
	case "the bus is restarted and the PBX link cut":
		bus.Stop(w.nats)
		w.link.Cut()
		return func() { w.startBus(); w.link.Restore() }
	case "everything is killed":
		w.adapter.kill()
		w.gateway.kill()
		bus.Stop(w.nats)
		return func() { w.startBus(); w.startAdapter(); w.startGateway() }
	}
	return func() {}
}

// play plays a round. It begins and ends with nobody in a call.
func (w *faultWorld) play(r round) error {
	if _, err := w.settle(15 * time.Second); err != nil {
		return fmt.Errorf("before the round: %w", err)
	}
	for _, a := range r.before {
		w.do(a)
	}
	repair := w.breaks(r.fault)
	for _, a := range r.while {
		w.do(a)
	}
	repair()
	took, err := w.settle(15 * time.Second)
	if err == nil && r.fault != "no fault" {
		w.recovered = append(w.recovered, took)
		if took > 2*time.Second {
			w.t.Logf("%v after: %v", took.Round(time.Millisecond), r)
		}
	}
	for range 20 { // a held call rings back
		for _, line := range faultLines {
			_ = w.pbx.Phone(line).HangUp()
			_ = w.pbx.Phone(line).Retrieve()
		}
	}
	return err
}

// shrink returns the shortest story found that still fails, within the time.
func (w *faultWorld) shrink(r round, limit time.Duration) round {
	begun := time.Now()
	for again := true; again; {
		again = false
		for _, list := range []*[]act{&r.before, &r.while} {
			for i := 0; i < len(*list) && time.Since(begun) < limit; i++ {
				whole := *list
				*list = slices.Delete(slices.Clone(whole), i, i+1)
				if w.play(r) == nil {
					*list = whole
					continue
				}
				again = true
				i--
			}
		}
	}
	return r
}

// Whatever fails between a PBX and a client, and whatever happens meanwhile: when
// the parts are back, every client has been told how things are, and is answered
// the same. The seed of each round is printed where it fails, and the shortest
// story found that fails.
func TestFaults(t *testing.T) {
	w := newFaultWorld(t)
	seed := *faultsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	first, kinds := seed, map[string]int{}
	for begun := time.Now(); time.Since(begun) < *faultsTime; seed++ {
		r := newRound(seed)
		kinds[r.fault]++
		if err := w.play(r); err != nil {
			t.Errorf("seed %d: %v: %v", seed, r, err)
			t.Fatalf("the shortest found: %v", w.shrink(r, time.Minute))
		}
	}
	var list []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		list = append(list, fmt.Sprintf("%s %d", k, kinds[k]))
	}
	slices.Sort(w.recovered)
	if n := len(w.recovered); n > 0 {
		t.Logf("seeds %d to %d: %s; %d commands, %d uncertain; all agree after %v in the middle, %v at the most", first, seed-1,
			strings.Join(list, ", "), w.commands, w.uncertain, w.recovered[n/2].Round(time.Millisecond), w.recovered[n-1].Round(time.Millisecond))
	}
}
