package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx/asterisk/asterisktest"
	"rccgw/pbx/pbxtest"
)

// A family of clients, as the test plays it: what it says of itself, how it
// refreshes its dialog, whether it registers first, and what it does on the
// wire.
type family struct {
	agent     string
	byInvite  bool
	registers bool
	quirks    func() []quirk
}

var families = map[string]family{
	"generic": {agent: "rccctl", quirks: func() []quirk { return nil }},
	"sipe": {agent: "Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)", byInvite: true, quirks: func() []quirk {
		return []quirk{&oldVia{branches: map[string]string{}}, &restarts{was: map[string]int{}}, neverAnswers{}, &lateACK{}, microsoft{}}
	}},
	"oc2007": {agent: "UCCAPI/3.5.6907.0 OC/3.5.6907.0 (Microsoft Office Communicator 2007 R2)", byInvite: true, quirks: func() []quirk {
		return []quirk{&restarts{was: map[string]int{}}, &lateACK{}, microsoft{}}
	}},
	"lync":    {agent: "UCCAPI/4.0.7577.0 OC/4.0.7577.0 (Microsoft Lync 2010)", quirks: func() []quirk { return []quirk{microsoft{}} }},
	"lcs2005": {agent: "LCC/1.3", byInvite: true, quirks: func() []quirk { return []quirk{otherXML{}, microsoft{}} }},
	"console": {agent: "Desk console 3.1", registers: true, quirks: func() []quirk { return nil }},
}

// users are who may register, one for each line.
const users = `RCC_SIP_USERS={"1001": pw, "1002": pw, "1003": pw, "1004": pw, "1005": pw, "1006": pw}`

// openAs opens a dialog for the line of the device as a client of the family
// does.
func (g *gatewayUnderTest) openAs(name, network, device string) *desk {
	g.t.Helper()
	f := families[name]
	server := g.quirky(network, f.quirks)
	if f.registers {
		return g.openOver(network, lineOf(device), func(ctx context.Context, cfg cstasip.ClientConfig) (*cstasip.Client, error) {
			e, err := cstasip.Connect(ctx, server, g.tls, nil)
			if err != nil {
				return nil, err
			}
			g.t.Cleanup(e.Close)
			if _, err := e.Register(ctx, cstasip.RegisterConfig{AOR: "sip:" + device + "@127.0.0.1", Password: "pw"}); err != nil {
				return nil, err
			}
			cfg.From, cfg.UserAgent = "sip:"+device+"@127.0.0.1", f.agent
			return e.Dial(ctx, cfg)
		})
	}
	return g.open(network, lineOf(device), func(c *cstasip.ClientConfig) {
		c.Server = server
		c.UserAgent, c.RefreshByInvite = f.agent, f.byInvite
		c.TLS = g.tls
	})
}

// A household are the clients of one line, each of another family. They ask in
// turn, and refresh their dialogs now and then; what the line is told, all are
// told.
type household struct {
	desks []*desk
	mu    sync.Mutex
	asked int
}

// refreshes is after how many requests the dialog is refreshed.
const refreshes = 5

func (h *household) ServeCSTA(ctx context.Context, req csta.Message) (csta.Message, error) {
	h.mu.Lock()
	d := h.desks[h.asked%len(h.desks)]
	h.asked++
	refresh := h.asked%refreshes == 0
	h.mu.Unlock()
	if refresh {
		if err := d.Refresh(ctx); err != nil {
			return nil, fmt.Errorf("refresh: %w", err)
		}
	}
	return d.ServeCSTA(ctx, req)
}

// A joint watch is told what all clients were told.
type joint struct {
	t    *testing.T
	w    pbxtest.Watcher
	mu   sync.Mutex
	told [][]any // by client: events, and bool for the link
}

type share struct {
	*joint
	of int
}

func (s share) Event(ev csta.Event) { s.take(s.of, ev) }
func (s share) Link(up bool)        { s.take(s.of, up) }

func (j *joint) take(of int, news any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told[of] = append(j.told[of], news)
	for !slices.ContainsFunc(j.told, func(told []any) bool { return len(told) == 0 }) {
		first := j.told[0][0]
		for i := range j.told {
			if d := cmp.Diff(plain(first), plain(j.told[i][0])); d != "" {
				j.t.Errorf("the clients of one line are told differently:\n%s", d)
			}
			j.told[i] = j.told[i][1:]
		}
		switch news := first.(type) {
		case csta.Event:
			j.w.Event(news)
		case bool:
			j.w.Link(news)
		}
	}
}

// plain is news without what differs between the clients: the one that dialled
// a number is shown it as it wrote it.
func plain(news any) string {
	ev, ok := news.(csta.Event)
	if !ok {
		return fmt.Sprint(news)
	}
	body, err := csta.Encode(ev, csta.DefaultEdition)
	if err != nil {
		return err.Error()
	}
	return regexp.MustCompile(`>tel:(?:\+1613592)?([\d*#]+)<`).ReplaceAllString(string(body), ">$1<")
}

func (h *household) watch(t *testing.T, w pbxtest.Watcher) (stop func()) {
	j := &joint{t: t, w: w, told: make([][]any, len(h.desks))}
	var stops []func()
	for i, d := range h.desks {
		stops = append(stops, d.watch(t, share{j, i}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// The suite with two clients of different families on each line, one over TCP and
// one over TLS, on the simulated PBX.
func TestFamilies(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		return simBench(t, func(g *gatewayUnderTest, device string) client { return g.household(device) })
	})
}

// The same on a real Asterisk.
func TestAsteriskFamilies(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench { return asteriskBench(t) })
}

// households are the families that share a line: the first's client speaks TCP, the
// second's TLS. Among the first three lines there are all of them.
var households = [][2]string{{"sipe", "lync"}, {"oc2007", "console"}, {"generic", "lcs2005"}}

func (g *gatewayUnderTest) household(device string) *household {
	names := households[int(device[len(device)-1]-'1')%len(households)]
	return &household{desks: []*desk{g.openAs(names[0], "tcp", device), g.openAs(names[1], "tls", device)}}
}

// startTLSGateway is startGateway with a tls:// listener, and what its clients
// must know of it.
func startTLSGateway(t *testing.T, variables ...string) *gatewayUnderTest {
	t.Helper()
	cert, key := certificate(t, t.TempDir(), "localhost", 1)
	g := startGateway(t, append(variables, users, "RCC_SIP_AUTH=register", "RCC_SIP_LISTEN=tcp://127.0.0.1:0,udp://127.0.0.1:0,tls://127.0.0.1:0", "RCC_SIP_TLS_CERT="+cert, "RCC_SIP_TLS_KEY="+key)...)
	for path, into := range map[string]*[]byte{cert: &g.cert, key: &g.key} {
		var err error
		if *into, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(g.cert)
	g.tls = &tls.Config{RootCAs: roots, ServerName: "localhost"}
	return g
}

// asteriskBench is a bench on the service with a real Asterisk. Each line has
// a household of clients.
func asteriskBench(t *testing.T) *pbxtest.Bench {
	o := asterisktest.Bench()
	a := asterisktest.Start(t, o)
	link := a.Link(t)
	g := startTLSGateway(t, "RCC_PBX=office", "RCC_PBX_OFFICE_DRIVER=asterisk", "RCC_PBX_OFFICE_ADDRESS="+link.Address(), "RCC_PBX_OFFICE_USER="+a.User,
		"RCC_PBX_OFFICE_SECRET="+a.Secret, "RCC_PBX_OFFICE_TALK_EVENT=*", "RCC_PBX_OFFICE_AUTO_ANSWER=*", "RCC_PBX_OFFICE_POLL_INTERVAL=200ms",
		"RCC_PBX_OFFICE_LINES=1001-1005", "RCC_PBX_OFFICE_DIGITS="+benchPlan)
	line := func(device string) *pbxtest.Line {
		return g.line(device, a.Person(t, a.Deskphone(t, device)), g.household(device))
	}
	b := &pbxtest.Bench{Busy: "602", Unknown: "1999", Cut: link.Cut, Restore: link.Mend, Impatient: line(asterisktest.Impatient),
		Orbit: asterisktest.Orbit, OrbitShown: "tel:" + asterisktest.Orbit, PickupGroup: asterisktest.PickupGroup, Queue: asterisktest.Queue, QueueShown: "tel:" + asterisktest.Queue, Lacks: map[pbxtest.Ability]string{pbxtest.Model: "the driver is inside the service"}, Storm: 100}
	maps.Copy(b.Lacks, asterisktest.Lacks)
	for _, device := range o.Extensions[:4] {
		b.Lines = append(b.Lines, line(device))
	}
	b.Outside = a.Outside(t)
	call, withheld := b.Outside.Call, b.Outside.CallWithheld
	b.Outside.Number, b.Outside.Shown = "tel:+16135550100", "tel:+16135550100"
	b.Outside.Call = func(n string) error { return call(dialled(n)) }
	b.Outside.CallWithheld = func(n string) error { return withheld(dialled(n)) }
	return b
}

// Of four clients of a line one hangs up, one crashes and one goes silent: the
// fourth sees and does everything as before, and nothing of the others is left.
// Who comes back, comes back at once.
func TestClientsLeave(t *testing.T) {
	g := startGateway(t, "RCC_SIP_SESSION_EXPIRES=2", "RCC_SIP_MIN_SE=1")
	const line = "tel:1002"
	open := func() (*desk, func()) {
		var e *cstasip.Endpoint
		d := g.openOver("tcp", line, func(ctx context.Context, cfg cstasip.ClientConfig) (*cstasip.Client, error) {
			var err error
			if e, err = cstasip.Connect(ctx, cfg.Server, nil, nil); err != nil {
				return nil, err
			}
			t.Cleanup(e.Close)
			return e.Dial(ctx, cfg)
		})
		return d, e.Close
	}
	stays, _ := open()
	leaves, _ := open()
	_, crash := open()
	silent := g.rawOpen("udp", line) // it never refreshes
	events := watch(t, stays)
	watch(t, leaves)
	if _, body := silent.ask("INFO", 2, "z9hG4bK-2", fmt.Sprintf(`<MonitorStart xmlns="%s"><monitorObject><deviceObject>%s</deviceObject></monitorObject></MonitorStart>`, cstaNamespace, line)); !strings.Contains(body, "monitorCrossRefID") {
		t.Fatalf("MonitorStart: %s", body)
	}
	g.counts("sip_dialogs", 4)

	caller := g.open("tcp", "tel:1001")
	resp, err := csta.Call(t.Context(), caller, &csta.MakeCall{CallingDevice: csta.Device("tel:1001"), CalledDirectoryNumber: csta.Device("tel:1002"), AutoOriginate: "doNotPrompt"})
	if err != nil {
		t.Fatal(err)
	}
	call := resp.CallingDevice.CallID
	events.want(t, "^Delivered alerting .* call="+call)
	if err := leaves.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	crash()
	g.counts("sip_dialogs", 2) // the stayer's and the caller's

	own := csta.Connection(call, line)
	if _, err := csta.Call(t.Context(), stays, &csta.AnswerCall{CallToBeAnswered: own}); err != nil {
		t.Fatal(err)
	}
	events.want(t, "^Established connected")
	back, _ := open()
	again := watch(t, back)
	snapshot, err := csta.Call(t.Context(), back, &csta.SnapshotDevice{SnapshotObject: csta.Device(line)})
	if err != nil || len(snapshot.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo) != 1 {
		t.Fatalf("%+v, %v", snapshot, err)
	}
	if _, err := csta.Call(t.Context(), back, &csta.ClearConnection{ConnectionToBeCleared: own}); err != nil {
		t.Fatal(err)
	}
	events.want(t, "^ConnectionCleared null")
	again.want(t, "^ConnectionCleared null")
}

// Two clients answer one call at once: one of them does, the other is told what
// stood in its way.
func TestTwoAnswer(t *testing.T) {
	g := startGateway(t)
	caller, one, two := g.open("tcp", "tel:1001"), g.open("tcp", "tel:1002"), g.open("udp", "tel:1002")
	events := watch(t, one)
	resp, err := csta.Call(t.Context(), caller, &csta.MakeCall{CallingDevice: csta.Device("tel:1001"), CalledDirectoryNumber: csta.Device("tel:1002"), AutoOriginate: "doNotPrompt"})
	if err != nil {
		t.Fatal(err)
	}
	events.want(t, "^Delivered alerting")
	answers := make(chan error, 2)
	for _, d := range []*desk{one, two} {
		go func() {
			_, err := csta.Call(t.Context(), d, &csta.AnswerCall{CallToBeAnswered: csta.Connection(resp.CallingDevice.CallID, "tel:1002")})
			answers <- err
		}()
	}
	first, second := <-answers, <-answers
	if first != nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, &csta.Error{Class: csta.StateIncompatibility, Value: "invalidConnectionState"}) &&
		!errors.Is(second, &csta.Error{Class: csta.StateIncompatibility, Value: "noCallToAnswer"}) {
		t.Errorf("they were told %v and %v", first, second)
	}
	events.want(t, "^Established connected")
}

// The monitor of one call tells of all its devices, also after the line has left
// it, and ends with it: the gateway says so by MonitorStop.
func TestMonitorOfACall(t *testing.T) {
	g := startGateway(t)
	stopped := make(chan string, 1)
	d := g.open("tcp", "tel:1001", func(c *cstasip.ClientConfig) {
		c.Handler = csta.HandlerFunc(func(_ context.Context, req csta.Message) (csta.Message, error) {
			stopped <- req.(*csta.MonitorStop).MonitorCrossRefID
			return &csta.MonitorStopResponse{}, nil
		})
	})
	two, three := g.open("tcp", "tel:1002"), g.open("tcp", "tel:1003")
	asked := func(h *desk, req csta.Message) csta.Message {
		t.Helper()
		resp, err := h.ServeCSTA(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", csta.Name(req), err)
		}
		return resp
	}
	call := asked(d, &csta.MakeCall{CallingDevice: csta.Device("tel:1001"), CalledDirectoryNumber: csta.Device("tel:1002"), AutoOriginate: "doNotPrompt"}).(*csta.MakeCallResponse).CallingDevice
	id := asked(d, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{CallObject: &call}}).(*csta.MonitorStartResponse).MonitorCrossRefID
	events := make(tape, 1000)
	d.mu.Lock()
	d.watchers[id] = events
	for _, ev := range d.early[id] {
		d.pass(events, ev)
	}
	d.mu.Unlock()
	asked(two, &csta.AnswerCall{CallToBeAnswered: csta.Connection(call.CallID, "tel:1002")})
	events.want(t, "^Established ")
	asked(d, &csta.SingleStepTransferCall{ActiveCall: call, TransferredTo: csta.Device("tel:1003")})
	events.want(t, "^Transfered ")
	after := callOf(events.want(t, "^Delivered "))
	asked(three, &csta.AnswerCall{CallToBeAnswered: csta.Connection(after, "tel:1003")})
	events.want(t, "^Established ")
	asked(three, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(after, "tel:1003")})
	events.want(t, "^CallCleared ")
	select {
	case got := <-stopped:
		if got != id {
			t.Errorf("monitor %s is stopped, not %s", got, id)
		}
	case <-time.After(asterisktest.Timeout):
		t.Fatal("the monitor is not stopped")
	}
	_, err := d.ServeCSTA(t.Context(), &csta.MonitorStop{MonitorCrossRefID: id})
	if !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidMonitorCrossRefID"}) {
		t.Errorf("a monitor that is gone: %v", err)
	}
}
