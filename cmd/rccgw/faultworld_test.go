package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	"rccgw/pbx/pbxtest"
)

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

// A faultWorld has the parts as in the field, each a process but for the bus and the simulated PBX, and ways between them that can fail.
type faultWorld struct {
	t       *testing.T
	pbx     exchange
	dir     string
	nats    *server.Server
	address string             // of the bus
	link    *pbxtest.Way       // adapter to PBX
	ways    map[string]*busWay // of the part to the bus
	parts   map[string]*parts
	adapter *part
	gateway *part
	clients []*watcher

	commands, refused, uncertain int
	recovered                    []time.Duration
}

func newFaultWorld(t *testing.T, x exchange) *faultWorld {
	w := &faultWorld{t: t, pbx: x, dir: t.TempDir(), address: freeAddress(t), ways: map[string]*busWay{}, parts: map[string]*parts{}}
	w.link = pbxtest.NewWay(t, x.address, nil)
	w.startBus()
	t.Cleanup(func() { bus.Stop(w.nats) })
	for _, name := range []string{"adapter", "gateway"} {
		w.ways[name] = newBusWay(t, w.address)
		w.parts[name] = &parts{t, []string{"RCC_NATS_URL=nats://" + w.ways[name].Address(), "RCC_NATS_TOKEN=t"}, map[string]string{}}
	}
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
	w.adapter = w.parts["adapter"].start("adapter", append(w.pbx.vars(), "RCC_SIP_LISTEN=off", "RCC_PBX=main", "RCC_PBX_MAIN_ADDRESS="+w.link.Address(), "RCC_LOG_LEVEL=info")...)
}

func (w *faultWorld) startGateway() { w.gateway = w.parts["gateway"].gateway("gateway") }

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
	ctx, cancel := context.WithTimeout(w.t.Context(), 9*time.Second)
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
	wrong := w.pbx.differs(strings.TrimPrefix(c.line, "tel:"), answered)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.up:
		return fmt.Errorf("%s: it was told that it is out of service", c.line)
	case wrong != "":
		return fmt.Errorf("%s: the snapshot has %v, %s", c.line, answered, wrong)
	case !maps.Equal(c.calls, answered):
		return fmt.Errorf("%s: the client believes %v, the snapshot has %v", c.line, c.calls, answered)
	}
	return nil
}

// agreeTogether compares which lines the PBX has connected with the calls that their clients believe in.
func (w *faultWorld) agreeTogether() error {
	believed := map[string]map[string]csta.LocalConnectionState{}
	for _, c := range w.clients {
		c.mu.Lock()
		believed[strings.TrimPrefix(c.line, "tel:")] = maps.Clone(c.calls)
		c.mu.Unlock()
	}
	for _, lines := range w.pbx.together() {
		for _, other := range lines[1:] {
			one := false
			for call := range believed[lines[0]] {
				one = one || believed[other][call] != ""
			}
			if !one {
				return fmt.Errorf("the PBX has %s and %s connected, whose clients believe %v and %v", lines[0], other, believed[lines[0]], believed[other])
			}
		}
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
		if err == nil {
			err = w.agreeTogether()
		}
		if err == nil || time.Since(begun) > patience {
			return time.Since(begun), err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ended reports whether the dialog has: with its gateway.
func ended(c *cstasip.Client) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// do has the act done. An error is that of a phone which cannot do it now.
func (w *faultWorld) do(a act) error {
	phone, number := w.pbx.person(faultLines[a.who]), faultLines[a.to]
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
	switch a.what {
	case "dials":
		return phone.Dial(number)
	case "answers":
		return phone.Answer()
	case "hangs up":
		return phone.HangUp()
	case "holds":
		return phone.Hold()
	case "retrieves":
		return phone.Retrieve()
	case "transfers to":
		if w.pbx.twice(number) {
			return errors.New("the line is in a call")
		}
		return phone.Transfer(number)
	case "MakeCall":
		req = &csta.MakeCall{CallingDevice: csta.Device(w.clients[a.who].line), CalledDirectoryNumber: csta.Device("tel:" + number), AutoOriginate: "doNotPrompt"}
	case "AnswerCall":
		req = &csta.AnswerCall{CallToBeAnswered: own(pbx.Alerting)}
	case "ClearConnection":
		req = &csta.ClearConnection{ConnectionToBeCleared: own(pbx.Connected, pbx.Alerting, pbx.Hold)}
	case "HoldCall":
		req = &csta.HoldCall{CallToBeHeld: own(pbx.Connected)}
	case "ConsultationCall":
		req = &csta.ConsultationCall{ExistingCall: own(pbx.Connected), ConsultedDevice: csta.Device("tel:" + number)}
	case "AlternateCall":
		req = &csta.AlternateCall{HeldCall: own(pbx.Hold), ActiveCall: own(pbx.Connected)}
	case "ReconnectCall":
		req = &csta.ReconnectCall{HeldCall: own(pbx.Hold), ActiveCall: own(pbx.Connected)}
	case "TransferCall":
		req = &csta.TransferCall{HeldCall: own(pbx.Hold), ActiveCall: own(pbx.Connected)}
	case "ConferenceCall":
		req = &csta.ConferenceCall{HeldCall: own(pbx.Hold), ActiveCall: own(pbx.Connected)}
	case "RetrieveCall":
		req = &csta.RetrieveCall{CallToBeRetrieved: own(pbx.Hold)}
	case "SingleStepTransferCall":
		if w.pbx.twice(number) {
			return nil
		}
		req = &csta.SingleStepTransferCall{ActiveCall: own(pbx.Connected), TransferredTo: csta.Device("tel:" + number)}
	}
	client := w.clients[a.who].client
	if client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	w.commands++
	_, err := client.ServeCSTA(ctx, req)
	if err != nil {
		w.refused++
	}
	var e *csta.Error
	switch {
	case errors.Is(err, &csta.Error{Class: csta.PrivateError, Value: "uncertain"}):
		w.uncertain++
	case err != nil && !errors.As(err, &e) && !ended(client):
		w.t.Errorf("%v is answered %v, which is no CSTA error", a, err)
	}
	return nil
}

// A fault is something that fails, with what repairs it.
type fault struct {
	name string
	// hidden says that the parts must find the fault by themselves: nobody tells them that a connection is half open.
	hidden bool
	breaks func(w *faultWorld) (repair func())
}

// way is a fault of the part's way to the bus.
func way(part string, breaks func(w *busWay)) func(w *faultWorld) func() {
	return func(w *faultWorld) func() {
		breaks(w.ways[part])
		return w.ways[part].mend
	}
}

// eachOther has every other event pass as often as it says, and all others once.
func eachOther(times int) func() int {
	n := 0
	return func() int {
		if n++; n%2 == 0 {
			return 1
		}
		return times
	}
}

var faults = []fault{
	{name: "no fault", breaks: func(*faultWorld) func() { return func() {} }},
	{name: "the PBX link is cut", breaks: func(w *faultWorld) func() { w.link.Cut(); return w.link.Mend }},
	{name: "the PBX link is cut twice", breaks: func(w *faultWorld) func() { w.link.Cut(); w.link.Mend(); w.link.Cut(); return w.link.Mend }},
	{name: "the PBX link is slow", breaks: func(w *faultWorld) func() { w.link.Slow(50 * time.Millisecond); return w.link.Mend }},
	{name: "the adapter is killed", breaks: func(w *faultWorld) func() { w.adapter.kill(); return w.startAdapter }},
	{name: "the gateway is killed", breaks: func(w *faultWorld) func() { w.gateway.kill(); return w.startGateway }},
	{name: "the bus is restarted", breaks: func(w *faultWorld) func() { bus.Stop(w.nats); return w.startBus }},
	{name: "the bus is restarted and the PBX link cut", breaks: func(w *faultWorld) func() {
		bus.Stop(w.nats)
		w.link.Cut()
		return func() { w.startBus(); w.link.Mend() }
	}},
	{name: "everything is killed", breaks: func(w *faultWorld) func() {
		w.adapter.kill()
		w.gateway.kill()
		bus.Stop(w.nats)
		return func() { w.startBus(); w.startAdapter(); w.startGateway() }
	}},
	{name: "the PBX is restarted", breaks: func(w *faultWorld) func() { w.pbx.restart(); return func() {} }},
	{name: "the adapter loses the bus", breaks: way("adapter", func(w *busWay) { w.Cut() })},
	{name: "the gateway loses the bus", breaks: way("gateway", func(w *busWay) { w.Cut() })},
	{name: "the adapter's bus is slow", breaks: way("adapter", func(w *busWay) { w.Slow(50 * time.Millisecond) })},
	{name: "the gateway's bus is slow", breaks: way("gateway", func(w *busWay) { w.Slow(50 * time.Millisecond) })},
	{name: "every other event is lost", breaks: way("gateway", func(w *busWay) { w.spoil(eachOther(0)) })},
	{name: "every other event comes twice", breaks: way("gateway", func(w *busWay) { w.spoil(eachOther(2)) })},
	{name: "the PBX link is half open", hidden: true, breaks: func(w *faultWorld) func() { w.link.Forget(); return w.link.Mend }},
	{name: "the adapter's bus is half open", hidden: true, breaks: way("adapter", func(w *busWay) { w.Forget() })},
	{name: "the gateway's bus is half open", hidden: true, breaks: way("gateway", func(w *busWay) { w.Forget() })},
}
