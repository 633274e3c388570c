package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/pbx/sim"
)

// An ear keeps the calls that alert, and checks the numbers that are shown.
type ear struct {
	alerting chan string // callIDs
	own      string
	dialled  string // by the client: shown to it as it wrote it
	check    func(call string, numbers []string)
}

func (e *ear) Link(bool) {}

func (e *ear) Event(ev csta.Event) {
	_, call := csta.LocalConnection(ev)
	var numbers []string
	csta.Numbers(ev, func(n csta.Number) {
		if n.ID.ID != e.own && n.ID.ID != e.dialled {
			numbers = append(numbers, strings.TrimPrefix(n.ID.ID, "tel:"))
		}
	})
	e.check(call, numbers)
	if d, ok := ev.(*csta.DeliveredEvent); ok && d.AlertingDevice.String() == e.own {
		e.alerting <- call
	}
}

// The table is edited a thousand times while calls go on through everything. No
// request fails, and no number is half of one plan and half of the other: not in
// one event, and not in one call, as clients and as the bus see it.
func TestEditsUnderCalls(t *testing.T) {
	const edits = 1000
	prefixes := [2]string{"+4911111", "+4922222"}
	plan := func(prefix string) string {
		digits := prefix[1:]
		return fmt.Sprintf(`{"outgoing":[{"leading":%q,"length":11}],"incoming":[{"from":"internal","length":4,"replacement":%q,"addPlus":true},`+
			`{"from":"external","length":10,"replacement":%q,"addPlus":true}]}`, digits, digits, digits)
	}
	pbx, err := sim.New(sim.Config{Devices: sim.DefaultDevices()})
	if err != nil {
		t.Fatal(err)
	}
	inHands(t, pbx)
	quiet := slog.New(slog.DiscardHandler)
	server, err := bus.Embed(bus.EmbedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "secret", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Stop(server) })
	g := startGateway(t, "RCC_PBX_SIM_DRIVER=test", "RCC_PBX_SIM_LINES=1001-1010", "RCC_PBX_SIM_DIGITS="+plan(prefixes[0]),
		"RCC_NATS_URL="+server.ClientURL(), "RCC_NATS_TOKEN=secret")

	var mu sync.Mutex
	shown := map[string]string{} // prefix by call
	var halves, events atomic.Int64
	check := func(call string, numbers []string) {
		events.Add(1)
		if call == "" || len(numbers) == 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if shown[call] == "" {
			shown[call] = numbers[0][:min(len(numbers[0]), len(prefixes[0]))]
		}
		for _, n := range numbers {
			if p := shown[call]; p != prefixes[0] && p != prefixes[1] || !strings.HasPrefix(n, p) {
				if halves.Add(1) < 10 {
					t.Errorf("call %s, told with %s, has %v", call, p, numbers)
				}
			}
		}
	}
	// Anybody on the bus.
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: server.ClientURL(), Token: "secret", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if _, err := nc.Subscribe("rcc.v1.sim.on.*.*", func(m *nats.Msg) {
		tokens := strings.Split(m.Subject, ".")
		msg, _ := csta.New(tokens[5])
		ev, ok := msg.(csta.Event)
		if !ok {
			return
		}
		if err := json.Unmarshal(m.Data, ev); err != nil {
			t.Error(err)
		}
		numbers := []string{tokens[4]}
		csta.Numbers(ev, func(n csta.Number) { numbers = append(numbers, n.ID.ID) })
		_, call := csta.LocalConnection(ev)
		check(call, numbers)
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}

	var calling sync.WaitGroup
	done := make(chan struct{})
	var calls atomic.Int64
	request := func(d *desk, req csta.Message) csta.Message {
		resp, err := d.ServeCSTA(t.Context(), req)
		if err != nil {
			t.Errorf("%s at %s: %v", csta.Name(req), d.line, err)
		}
		return resp
	}
	// As many at once as there are lines: the processor alone sets how many calls a second there are.
	for i := 1001; i < 1010; i += 2 {
		from, to := g.open("tcp", fmt.Sprint("tel:", i)), g.open("tcp", fmt.Sprint("tel:", i+1))
		rings := &ear{alerting: make(chan string, 100), own: to.line, check: check}
		from.watch(t, &ear{alerting: make(chan string, 100), own: from.line, dialled: to.line, check: check})
		to.watch(t, rings)
		outside := pbx.Outside(fmt.Sprint("613555", i))
		calling.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if n%4 == 3 {
					if _, err := outside.Call(strings.TrimPrefix(to.line, "tel:")); err != nil {
						t.Error(err)
						return
					}
				} else if request(from, &csta.MakeCall{CallingDevice: csta.Device(from.line), CalledDirectoryNumber: csta.Device(to.line), AutoOriginate: "doNotPrompt"}) == nil {
					return
				}
				var call string
				select {
				case call = <-rings.alerting:
				case <-time.After(10 * time.Second):
					t.Errorf("no call rings at %s", to.line)
					return
				}
				own := csta.Connection(call, to.line)
				if request(to, &csta.AnswerCall{CallToBeAnswered: own}) == nil || request(to, &csta.SnapshotDevice{SnapshotObject: csta.Device(to.line)}) == nil ||
					request(to, &csta.ClearConnection{ConnectionToBeCleared: own}) == nil {
					return
				}
				calls.Add(1)
			}
		})
	}

	begun := time.Now()
	etag := `"1"`
	for i := range edits {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+g.http+"/api/v1/pbx/sim/digits", bytes.NewReader([]byte(plan(prefixes[(i+1)%2]))))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-Match", etag)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if etag = resp.Header.Get("ETag"); resp.StatusCode != http.StatusOK {
			t.Errorf("edit %d: %s %s", i, resp.Status, text)
			break
		}
	}
	took := time.Since(begun)
	close(done)
	calling.Wait()
	if err := nc.Flush(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	seen := map[string]int{}
	for _, p := range shown {
		seen[p]++
	}
	if seen[prefixes[0]] == 0 || seen[prefixes[1]] == 0 || calls.Load() == 0 {
		t.Errorf("%d calls, told by %v: both plans were to be seen", calls.Load(), seen)
	}
	t.Logf("%d edits and %d calls in %v, %.0f calls a second, %d events checked, calls told by %v", edits, calls.Load(), took,
		float64(calls.Load())/took.Seconds(), events.Load(), seen)
}
