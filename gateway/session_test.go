package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx"
)

// scriptedPBX is a driver that dials and does as a test says.
type scriptedPBX struct {
	calls  *pbx.Calls
	mu     sync.Mutex
	asked  []string // services and numbers as the PBX got them
	before func()   // runs inside MakeCall, before it is answered
	plain  bool     // it has no SnapshotCall
	cut    chan struct{}
	linked chan struct{}
}

func (p *scriptedPBX) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf(format, args...))
}

func (p *scriptedPBX) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 {
		return ""
	}
	return p.asked[len(p.asked)-1]
}

func (p *scriptedPBX) Services(m *csta.Mux) {
	csta.Handle(m, func(_ context.Context, r *csta.MakeCall) (*csta.MakeCallResponse, error) {
		p.note("MakeCall %s %s", r.CallingDevice.ID, r.CalledDirectoryNumber.ID)
		if p.before != nil {
			p.before()
		}
		return &csta.MakeCallResponse{CallingDevice: csta.Connection("c1", r.CallingDevice.ID)}, nil
	})
	csta.Handle(m, func(_ context.Context, r *csta.AnswerCall) (*csta.AnswerCallResponse, error) {
		p.note("AnswerCall %s", r.CallToBeAnswered)
		return &csta.AnswerCallResponse{}, nil
	})
	csta.Handle(m, func(_ context.Context, r *csta.DeflectCall) (*csta.DeflectCallResponse, error) {
		p.note("DeflectCall %s %s", r.CallToBeDiverted, r.NewDestination.ID)
		return &csta.DeflectCallResponse{}, nil
	})
	csta.Handle(m, func(_ context.Context, r *csta.GetForwarding) (*csta.GetForwardingResponse, error) {
		p.note("GetForwarding %s", r.Device.ID)
		return &csta.GetForwardingResponse{ForwardingList: []csta.ForwardListItem{{ForwardingType: "forwardImmediate", ForwardStatus: true, ForwardDN: csta.Device("914165551234")}}}, nil
	})
	csta.Handle(m, func(_ context.Context, r *csta.SetForwarding) (*csta.SetForwardingResponse, error) {
		p.note("SetForwarding %s %s", r.Device.ID, r.ForwardDN.ID)
		return &csta.SetForwardingResponse{}, nil
	})
	csta.Handle(m, func(_ context.Context, r *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
		return p.calls.SnapshotDevice(r.SnapshotObject.ID), nil
	})
	if !p.plain {
		csta.Handle(m, func(_ context.Context, r *csta.SnapshotCall) (*csta.SnapshotCallResponse, error) {
			return p.calls.SnapshotCall(r.SnapshotObject)
		})
	}
	csta.Reports(m, &csta.OriginatedEvent{}, &csta.DeliveredEvent{}, &csta.EstablishedEvent{}, &csta.DivertedEvent{}, &csta.TransferedEvent{},
		&csta.ConnectionClearedEvent{})
}

func (p *scriptedPBX) Run(ctx context.Context, emit pbx.Emit) error {
	p.calls.SetEmit(emit)
	emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
	p.linked <- struct{}{}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.cut:
		return errors.New("cut")
	}
}

const plan = `
ars: "9"
internal: {maxLength: 5}
outgoing:
  - {leading: "1613592", replacement: "", ignoreARS: true}
incoming:
  - {from: internal, length: 4, replacement: "1613592", addPlus: true}
  - {length: 10, replacement: "1", addPlus: true}
`

type bench struct {
	t      *testing.T
	pbx    *scriptedPBX
	digits *bus.Digits
	gw     *Gateway
}

func newBench(t *testing.T, plan string, tune ...func(*scriptedPBX)) *bench {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := bus.Embed(bus.EmbedConfig{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Stop(server) })
	conn, err := bus.Connect(t.Context(), bus.ConnectConfig{Server: server, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b := &bench{t: t, pbx: &scriptedPBX{calls: pbx.NewCalls(), cut: make(chan struct{}), linked: make(chan struct{}, 10)}}
	for _, f := range tune {
		f(b.pbx)
	}
	lines, err := digitmod.ParseLines("1001-1099,56XX,73124")
	if err != nil {
		t.Fatal(err)
	}
	var config digitmod.Config
	if plan != "" {
		if config, err = digitmod.ReadConfig([]byte(plan)); err != nil {
			t.Fatal(err)
		}
	}
	digits, err := bus.NewDigits(bus.DigitsConfig{PBX: "main", Conn: conn, Lines: lines, Config: config, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	a, err := bus.NewAdapter(bus.AdapterConfig{PBX: "main", Conn: conn, Driver: b.pbx, Lines: lines, Digits: digits,
		Log: log, Backoff: pbx.Backoff{Min: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-b.pbx.linked
	client := bus.NewClient(conn, log)
	ears, err := client.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ears.Close)
	b.digits = digits
	b.gw = &Gateway{Bus: client, Log: log}
	return b
}

// desk is a client: its session, and what it was sent.
type desk struct {
	*Session
	t     *testing.T
	sent  chan csta.Message
	ended chan struct{}
}

func (b *bench) open(p Peer) *desk {
	b.t.Helper()
	d := &desk{t: b.t, sent: make(chan csta.Message, 100), ended: make(chan struct{})}
	p.Send, p.Log = func(m csta.Message) { d.sent <- m }, b.gw.Log
	end := sync.OnceFunc(func() { close(d.ended) })
	p.End = func(error) { d.Close(nil); end() }
	deadline := time.Now().Add(10 * time.Second)
	for {
		s, err := b.gw.Open(b.t.Context(), p)
		if err == nil {
			d.Session = s
			b.t.Cleanup(func() { s.Close(nil) })
			return d
		}
		if time.Now().After(deadline) {
			b.t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // the directory has not come yet
	}
}

func (d *desk) monitor(device string, filter *csta.MonitorFilter) string {
	d.t.Helper()
	return d.start(&csta.MonitorStart{MonitorObject: onDevice(device), RequestedMonitorFilter: filter}).MonitorCrossRefID
}

func onDevice(device string) *csta.MonitorObject {
	return &csta.MonitorObject{DeviceObject: csta.Device(device)}
}

func onCall(call, device string) *csta.MonitorObject {
	id := csta.Connection(call, device)
	return &csta.MonitorObject{CallObject: &id}
}

func (d *desk) start(r *csta.MonitorStart) *csta.MonitorStartResponse {
	d.t.Helper()
	resp, err := csta.Call(d.t.Context(), d, r)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := csta.Check(resp); err != nil {
		d.t.Error(err)
	}
	return resp
}

func next[M csta.Message](d *desk) M {
	d.t.Helper()
	select {
	case m := <-d.sent:
		r, ok := m.(M)
		if !ok {
			d.t.Fatalf("got %s: %+v", csta.Name(m), m)
		}
		return r
	case <-time.After(10 * time.Second):
		d.t.Fatal("no event within 10 s")
		panic("not reached")
	}
}

func wantError(t *testing.T, err error, class csta.ErrorClass, value string) {
	t.Helper()
	if !errors.Is(err, &csta.Error{Class: class, Value: value}) {
		t.Errorf("got %v, want %s/%s", err, class, value)
	}
}

var (
	alice   = pbx.Party{Device: "5660", Own: true}
	outside = pbx.Party{Device: "trunk1", Number: csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "4165551234", External: true}}}
)

// The golden example, with and without ARS, and the echo of what was written.
func TestMakeCall(t *testing.T) {
	b := newBench(t, plan)
	const line = "tel:+16135925660;ext=5660"
	d := b.open(Peer{Line: line})
	if l := d.Line(); l.Local != "5660" || l.Device != "+16135925660" {
		t.Fatalf("line is %+v", l)
	}
	d.monitor(line, nil)
	for written, dialled := range map[string]string{
		"tel:+16135925661":      "5661",
		"tel:+1 (416) 555-1234": "914165551234",
		"tel:5661":              "5661",
		"*72":                   "*72",
		"tel:#900":              "#900",
	} {
		// The PBX is quick: its events are there before its answer.
		b.pbx.before = func() {
			b.pbx.calls.Originated("c1", alice, csta.Party(dialled), pbx.CauseNewCall)
			b.pbx.calls.Delivered("c1", pbx.Party{Device: dialled}, pbx.CauseNewCall)
		}
		resp, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device(line), CalledDirectoryNumber: csta.Device(written)})
		if err != nil {
			t.Fatal(err)
		}
		if want := "MakeCall 5660 " + dialled; b.pbx.last() != want {
			t.Errorf("%s: the PBX got %s, want %s", written, b.pbx.last(), want)
		}
		if resp.CallingDevice != csta.Connection("c1", line) {
			t.Errorf("answered %v", resp.CallingDevice)
		}
		o := next[*csta.OriginatedEvent](d)
		if o.OriginatedConnection != csta.Connection("c1", line) || o.CallingDevice.String() != line || o.CalledDevice.String() != written || o.MonitorCrossRefID != "1" {
			t.Errorf("%s: Originated %v %s → %s", written, o.OriginatedConnection, o.CallingDevice, o.CalledDevice)
		}
		ev := next[*csta.DeliveredEvent](d)
		if ev.AlertingDevice.String() != written || ev.CalledDevice.String() != written || ev.CallingDevice.String() != line || ev.Connection != csta.Connection("c1", dialled) {
			t.Errorf("%s: Delivered %v %s, %s → %s", written, ev.Connection, ev.AlertingDevice, ev.CallingDevice, ev.CalledDevice)
		}
		b.pbx.calls.Ended("c1", pbx.CauseNormalClearing)
		next[*csta.ConnectionClearedEvent](d)
	}
}

// A caller is shown as the trunk presents it, and never as nothing.
func TestCallers(t *testing.T) {
	b := newBench(t, plan)
	d := b.open(Peer{Line: "tel:+16135925660"})
	d.monitor("tel:+16135925660", nil)
	for i, c := range []struct {
		caller pbx.Party
		want   string
	}{
		{outside, "tel:+14165551234"},
		{pbx.Party{Device: "5661", Own: true}, "tel:+16135925661"},
		{pbx.Party{Device: "t", Number: csta.Restricted()}, "restricted"},
		{pbx.Party{Device: "t", Number: csta.NotKnown()}, "notKnown"},
		{pbx.Party{Device: "t", Number: csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "anonymous", External: true}}}, "restricted"},
		{pbx.Party{Device: "t", Number: csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "1234", External: true}}}, "tel:1234"},
	} {
		call := fmt.Sprint("c", i)
		b.pbx.calls.Originated(call, c.caller, csta.Party("5660"), pbx.CauseNewCall)
		b.pbx.calls.Delivered(call, alice, pbx.CauseNewCall)
		ev := next[*csta.DeliveredEvent](d)
		if got := ev.CallingDevice.String(); got != c.want {
			t.Errorf("caller %v is shown as %s, want %s", c.caller, got, c.want)
		}
		if ev.CalledDevice.String() != "tel:+16135925660" || ev.Connection.DeviceID.ID != "tel:+16135925660" {
			t.Errorf("own line is shown as %s, %s", ev.CalledDevice, ev.Connection)
		}
	}
}

// The digit plan changes under an open dialog. Its line stays the device that it
// was and is shown as the client writes it; its calls keep their numbers; and a
// line that has become another device has its dialog ended.
func TestPlanChanges(t *testing.T) {
	b := newBench(t, plan)
	change := func(old, new string) {
		t.Helper()
		c, err := digitmod.ReadConfig([]byte(strings.ReplaceAll(plan, old, new)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.digits.Change(t.Context(), bus.Edit{Base: b.digits.State().Revision,
			To: func(digitmod.Config) (digitmod.Config, string, error) { return c, "changed", nil }}); err != nil {
			t.Fatal(err)
		}
	}
	d := b.open(Peer{Line: "5660"})
	full := b.open(Peer{Line: "tel:+16135925661"})
	idle := b.open(Peer{Line: "tel:+16135925662"})
	d.monitor("5660", nil)
	full.monitor("tel:+16135925661", nil)
	ring := func(call string) *csta.DeliveredEvent {
		b.pbx.calls.Originated(call, pbx.Party{Device: "5663", Own: true}, csta.Party("5660"), pbx.CauseNewCall)
		b.pbx.calls.Delivered(call, alice, pbx.CauseNewCall)
		return next[*csta.DeliveredEvent](d)
	}
	if ev := ring("old"); ev.CallingDevice.String() != "tel:+16135925663" || ev.CalledDevice.String() != "5660" {
		t.Errorf("%s → %s", ev.CallingDevice, ev.CalledDevice)
	}
	change("1613592", "1613777")
	select {
	case <-full.ended:
	case <-time.After(10 * time.Second):
		t.Error("the dialog of a line that is another device now goes on")
	}
	if resp, err := csta.Call(t.Context(), idle, &csta.RequestSystemStatus{}); err != nil || resp.SystemStatus == pbx.StatusNormal {
		t.Errorf("a line that is another device now is %v, %v", resp, err)
	}
	b.pbx.calls.Established("old", alice, pbx.CauseNormal)
	if ev := next[*csta.EstablishedEvent](d); ev.CallingDevice.String() != "tel:+16135925663" || ev.AnsweringDevice.String() != "5660" {
		t.Errorf("%s → %s", ev.CallingDevice, ev.AnsweringDevice)
	}
	if ev := ring("new"); ev.CallingDevice.String() != "tel:+16137775663" || ev.AlertingDevice.String() != "5660" {
		t.Errorf("%s → %s", ev.CallingDevice, ev.AlertingDevice)
	}
	if _, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device("5660"), CalledDirectoryNumber: csta.Device("tel:+16137775661")}); err != nil || b.pbx.last() != "MakeCall 5660 5661" {
		t.Errorf("%s, %v", b.pbx.last(), err)
	}
	if resp, err := csta.Call(t.Context(), d, &csta.RequestSystemStatus{}); err != nil || resp.SystemStatus != pbx.StatusNormal {
		t.Errorf("%v, %v", resp, err)
	}
}

// The line is echoed byte for byte, whatever it looks like, each monitor in
// its own spelling.
func TestLineSpelling(t *testing.T) {
	b := newBench(t, "")
	for _, line := range []string{"tel:73124;phone-context=dialstring;partition=BE_BRS_INT", "73124", "sip:73124@pbx.example.com;user=phone", "tel:+49-7312-0;ext=73124"} {
		d := b.open(Peer{Line: line})
		d.monitor(line, nil)
		d.monitor("73124", nil)
		b.pbx.calls.Originated("x", pbx.Party{Device: "1002", Own: true}, csta.Party("73124"), pbx.CauseNewCall)
		b.pbx.calls.Delivered("x", pbx.Party{Device: "73124", Own: true}, pbx.CauseNewCall)
		for _, want := range []string{line, "73124"} {
			ev := next[*csta.DeliveredEvent](d)
			if ev.AlertingDevice.String() != want || ev.Connection.DeviceID.ID != want {
				t.Errorf("%s is shown as %s, %s", want, ev.AlertingDevice, ev.Connection)
			}
			caller := "tel:1002"
			if strings.Contains(line, "dialstring") {
				caller += ";phone-context=dialstring"
			}
			if ev.CallingDevice.String() != caller {
				t.Errorf("the caller is shown as %s, want %s", ev.CallingDevice, caller)
			}
		}
		if _, err := csta.Call(t.Context(), d, &csta.AnswerCall{CallToBeAnswered: csta.Connection("x", line)}); err != nil || b.pbx.last() != "AnswerCall 73124@x" {
			t.Errorf("%s: %s, %v", line, b.pbx.last(), err)
		}
		if _, err := csta.Call(t.Context(), d, &csta.AnswerCall{CallToBeAnswered: csta.ConnectionID{CallID: "x"}}); err != nil || b.pbx.last() != "AnswerCall 73124@x" {
			t.Errorf("without a device: %s, %v", b.pbx.last(), err)
		}
		b.pbx.calls.Ended("x", pbx.CauseNormal)
		d.Close(nil)
	}
}

// The line comes from the body, else from what was called, else from the directory.
func TestLineOf(t *testing.T) {
	g := &Gateway{Directory: map[string]string{"alice": "1001"}}
	for want, p := range map[string]Peer{
		"tel:1002": {Line: "tel:1002", Users: []string{"1003"}, From: "alice"},
		"1003":     {Users: []string{"csta-gw", "1003"}, From: "alice"},
		"1001":     {Users: []string{"csta-gw", "csta-gw"}, From: "alice"},
		"csta-gw":  {Users: []string{"csta-gw"}, From: "bob"},
		"":         {From: "bob"},
	} {
		if got := g.lineOf(p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}

func TestOnlyOwnLine(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:1001"})
	for _, req := range []csta.Message{
		&csta.MakeCall{CallingDevice: csta.Device("tel:1002"), CalledDirectoryNumber: csta.Device("1003")},
		&csta.AnswerCall{CallToBeAnswered: csta.Connection("x", "1002")},
		&csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device("1002")}},
		&csta.GetForwarding{Device: csta.Device("tel:+1001")},
		&csta.SnapshotDevice{SnapshotObject: csta.Device("1002")},
	} {
		_, err := d.ServeCSTA(t.Context(), req)
		wantError(t, err, csta.Operation, "privilegeViolationSpecifiedDevice")
	}
	if b.pbx.last() != "" {
		t.Errorf("the PBX was asked for %s", b.pbx.last())
	}
	_, err := b.gw.Open(t.Context(), Peer{Line: "tel:2001", Log: b.gw.Log})
	wantError(t, err, csta.Operation, "invalidDeviceID")
	_, err = b.gw.Open(t.Context(), Peer{Log: b.gw.Log})
	wantError(t, err, csta.Operation, "invalidDeviceID")
}

func TestBadDestinations(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:1001"})
	_, err := d.ServeCSTA(t.Context(), &csta.MakeCall{CallingDevice: csta.Device("1001"), CalledDirectoryNumber: csta.Device("tel:")})
	wantError(t, err, csta.Operation, "invalidCalledDeviceID")
	_, err = d.ServeCSTA(t.Context(), &csta.DeflectCall{CallToBeDiverted: csta.Connection("x", "1001"), NewDestination: csta.Device("sip:@pbx")})
	wantError(t, err, csta.Operation, "invalidDestination")
	_, err = d.ServeCSTA(t.Context(), &csta.SetForwarding{Device: csta.Device("1001"), ActivateForward: true, ForwardDN: csta.Device("tel:;ext=")})
	wantError(t, err, csta.Operation, "invalidForwardingDestination")
	_, err = d.ServeCSTA(t.Context(), &csta.HoldCall{CallToBeHeld: csta.Connection("x", "1001")})
	wantError(t, err, csta.Operation, "serviceNotSupported")
	_, err = d.ServeCSTA(t.Context(), &csta.HeldEvent{})
	wantError(t, err, csta.Operation, "invalidMsgID")
}

// A forward target has the access digits off when it is read back.
func TestForwarding(t *testing.T) {
	b := newBench(t, plan)
	d := b.open(Peer{Line: "tel:+16135925660"})
	if _, err := csta.Call(t.Context(), d, &csta.SetForwarding{Device: csta.Device("tel:+16135925660"), ForwardingType: "forwardImmediate", ActivateForward: true,
		ForwardDN: csta.Device("tel:+14165551234")}); err != nil || b.pbx.last() != "SetForwarding 5660 914165551234" {
		t.Errorf("%s, %v", b.pbx.last(), err)
	}
	r, err := csta.Call(t.Context(), d, &csta.GetForwarding{Device: csta.Device("tel:+16135925660")})
	if err != nil || b.pbx.last() != "GetForwarding 5660" {
		t.Fatalf("%s, %v", b.pbx.last(), err)
	}
	if got := r.ForwardingList[0].ForwardDN.ID; got != "tel:14165551234" {
		t.Errorf("forwarded to %s", got)
	}
}

func TestSystemStatusAndFeatures(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:1001"})
	s, err := csta.Call(t.Context(), d, &csta.RequestSystemStatus{})
	if err != nil || s.SystemStatus != "normal" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := csta.Call(t.Context(), d, &csta.SystemStatus{SystemStatus: "normal"}); err != nil {
		t.Error(err)
	}
	f, err := csta.Call(t.Context(), d, &csta.GetCSTAFeatures{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []csta.Message{&csta.MakeCall{}, &csta.AnswerCall{}, &csta.MonitorStart{}, &csta.MonitorStop{}, &csta.GetCSTAFeatures{}, &csta.RequestSystemStatus{},
		&csta.DeliveredEvent{}, &csta.BackInServiceEvent{}} {
		if !f.Supports(m) {
			t.Errorf("%s is not listed", csta.Name(m))
		}
	}
	for _, m := range []csta.Message{&csta.HoldCall{}, &csta.HeldEvent{}} {
		if f.Supports(m) {
			t.Errorf("%s is listed", csta.Name(m))
		}
	}
}

func TestMonitors(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:5660"})
	yes := true
	one := d.monitor("tel:5660", &csta.MonitorFilter{Callcontrol: &csta.CallControlEvents{Delivered: &yes}})
	two := d.monitor("tel:5660", nil)
	if one == two {
		t.Error("two monitors have one cross reference")
	}
	b.pbx.calls.Originated("a", outside, csta.Party("5660"), pbx.CauseNewCall)
	b.pbx.calls.Delivered("a", alice, pbx.CauseNewCall)
	if ev := next[*csta.DeliveredEvent](d); ev.MonitorCrossRefID != two {
		t.Errorf("monitor %s was told in spite of its filter", ev.MonitorCrossRefID)
	}
	b.pbx.calls.Established("a", alice, pbx.CauseNormal)
	for _, want := range []string{one, two} {
		if ev := next[*csta.EstablishedEvent](d); ev.MonitorCrossRefID != want {
			t.Errorf("told %s, want %s", ev.MonitorCrossRefID, want)
		}
	}
	stop := func(id string) error {
		_, err := csta.Call(t.Context(), d, &csta.MonitorStop{MonitorCrossRefID: id})
		return err
	}
	wantError(t, stop("77"), csta.Operation, "invalidMonitorCrossRefID")
	for _, id := range []string{one, two} {
		if err := stop(id); err != nil {
			t.Error(err)
		}
	}
	wantError(t, stop(one), csta.Operation, "invalidMonitorCrossRefID")
	// Nobody watches; a new monitor begins anew.
	b.pbx.calls.Ended("a", pbx.CauseNormalClearing)
	three := d.monitor("tel:5660", nil)
	b.pbx.calls.Originated("b", outside, csta.Party("5660"), pbx.CauseNewCall)
	b.pbx.calls.Delivered("b", alice, pbx.CauseNewCall)
	if ev := next[*csta.DeliveredEvent](d); ev.MonitorCrossRefID != three || ev.Connection.CallID != "b" {
		t.Errorf("got %v for %s", ev.Connection, ev.MonitorCrossRefID)
	}
}

// While the PBX is away the client is told so, and what happens meanwhile
// comes after it is told that the PBX is back.
func TestPBXAway(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:5660"})
	d.monitor("tel:5660", nil)
	b.pbx.cut <- struct{}{}
	if ev := next[*csta.OutOfServiceEvent](d); ev.Device.String() != "tel:5660" {
		t.Errorf("out of service is %s", ev.Device)
	}
	next[*csta.BackInServiceEvent](d)
	b.pbx.calls.Originated("a", outside, csta.Party("5660"), pbx.CauseNewCall)
	b.pbx.calls.Delivered("a", alice, pbx.CauseNewCall)
	next[*csta.DeliveredEvent](d)
}

// Two clients of a line: each with its own cross references, both see all, one
// leaves and the other stays.
func TestTwoClients(t *testing.T) {
	b := newBench(t, "")
	one, two := b.open(Peer{Line: "tel:5660"}), b.open(Peer{Line: "5660"})
	one.monitor("tel:5660", nil)
	two.monitor("5660", nil)
	b.pbx.calls.Originated("a", outside, csta.Party("5660"), pbx.CauseNewCall)
	b.pbx.calls.Delivered("a", alice, pbx.CauseNewCall)
	if ev := next[*csta.DeliveredEvent](one); ev.AlertingDevice.String() != "tel:5660" {
		t.Errorf("one sees %s", ev.AlertingDevice)
	}
	if ev := next[*csta.DeliveredEvent](two); ev.AlertingDevice.String() != "5660" {
		t.Errorf("two sees %s", ev.AlertingDevice)
	}
	one.Close(nil)
	b.pbx.calls.Established("a", alice, pbx.CauseNormal)
	next[*csta.EstablishedEvent](two)
	select {
	case m := <-one.sent:
		t.Errorf("a closed session was told %s", csta.Name(m))
	default:
	}
}
