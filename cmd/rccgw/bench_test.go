package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
)

// A process is a gateway of its own, so that its processor time can be told
// from its clients'.
type process struct {
	cmd  *exec.Cmd
	sip  string // host:port
	http string
}

// startProcess builds and starts the gateway with the simulated PBX.
func startProcess(b *testing.B, variables ...string) *process {
	b.Helper()
	dir := b.TempDir()
	binary := filepath.Join(dir, "rccgw")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	port := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	p := &process{sip: port(), http: port()}
	p.cmd = exec.Command(binary)
	p.cmd.Env = append([]string{"RCC_SIP_LISTEN=tcp://" + p.sip + ",udp://" + p.sip, "RCC_HTTP_LISTEN=" + p.http, "RCC_DATA=" + dir, "RCC_LOG_LEVEL=error"}, variables...)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if resp, err := http.Get("http://" + p.http + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(deadline) {
			b.Fatal("the gateway was not ready")
		}
	}
}

// cpu returns the processor time that the gateway has used.
func (p *process) cpu(b *testing.B) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // clock ticks
}

// gauge reads one number of the /metrics of the gateway whose HTTP listens at
// host:port.
func gauge(tb testing.TB, address, name string) float64 {
	tb.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if value, ok := strings.CutPrefix(s.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				tb.Fatal(err)
			}
			return v
		}
	}
	tb.Fatalf("no metric %s", name)
	return 0
}

func (p *process) dial(b *testing.B, e *cstasip.Endpoint, line string, onEvent func(csta.Event)) *cstasip.Client {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	c, err := e.Dial(ctx, cstasip.ClientConfig{Line: "tel:" + line, OnEvent: onEvent})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (p *process) endpoint(b *testing.B, network string) *cstasip.Endpoint {
	b.Helper()
	e, err := cstasip.Connect(b.Context(), network+"://"+p.sip, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Close)
	return e
}

// One service through everything: INFO in, decode, bus, simulated PBX, answer,
// encode, 200. cpu-µs/op is the gateway's alone.
func BenchmarkService(b *testing.B) {
	p := startProcess(b)
	for _, network := range []string{"udp", "tcp"} {
		b.Run(network, func(b *testing.B) {
			const dialogs = 8
			var clients []*cstasip.Client
			for i := range dialogs {
				clients = append(clients, p.dial(b, p.endpoint(b, network), fmt.Sprint(1001+i), nil))
			}
			before := p.cpu(b)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var running sync.WaitGroup
			for i, c := range clients {
				running.Go(func() {
					req := &csta.GetDoNotDisturb{Device: csta.Device(fmt.Sprint("tel:", 1001+i))}
					for left.Add(-1) >= 0 {
						if _, err := csta.Call(b.Context(), c, req); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
			b.StopTimer()
			b.ReportMetric(float64((p.cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			for _, c := range clients {
				_ = c.Close(context.Background())
			}
		})
	}
}

// One event to each of N dialogs that watch the line, with its INFO and 200.
// An operation is one INFO; the service that causes the event is shared by N.
func BenchmarkEvent(b *testing.B) {
	p := startProcess(b)
	on := false // of the phone; b.Run may run a benchmark several times
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("dialogs=%d", n), func(b *testing.B) {
			e := p.endpoint(b, "tcp")
			got := make(chan struct{}, 10*n)
			var clients []*cstasip.Client
			for range n {
				c := p.dial(b, e, "1001", func(csta.Event) { got <- struct{}{} })
				if _, err := csta.Call(b.Context(), c, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device("tel:1001")}}); err != nil {
					b.Fatal(err)
				}
				clients = append(clients, c)
			}
			before := p.cpu(b)
			b.ResetTimer()
			for sent := 0; sent < b.N; sent += n {
				on = !on
				if _, err := csta.Call(b.Context(), clients[0], &csta.SetDoNotDisturb{Device: csta.Device("tel:1001"), DoNotDisturbOn: on}); err != nil {
					b.Fatal(err)
				}
				for range n {
					<-got
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((p.cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			for _, c := range clients {
				_ = c.Close(context.Background())
			}
		})
	}
}

// What a monitored dialog costs while nothing happens: heap of the gateway, all
// of its layers. The heap is read after its garbage was collected.
func BenchmarkIdleDialog(b *testing.B) {
	const dialogs = 5000
	p := startProcess(b, "GOGC=10")
	e := p.endpoint(b, "tcp")
	settled := func() float64 {
		least := gauge(b, p.http, "go_memstats_heap_alloc_bytes")
		for range 200 { // scraping makes garbage, so collections go on
			least = min(least, gauge(b, p.http, "go_memstats_heap_alloc_bytes"))
		}
		return least
	}
	for b.Loop() {
		before, goroutines := settled(), gauge(b, p.http, "go_goroutines")
		var clients []*cstasip.Client
		for i := range dialogs {
			line := fmt.Sprint(1001 + i%10)
			c := p.dial(b, e, line, nil)
			if _, err := csta.Call(b.Context(), c, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device("tel:" + line)}}); err != nil {
				b.Fatal(err)
			}
			clients = append(clients, c)
		}
		b.ReportMetric((settled()-before)/dialogs, "heap-B/dialog")
		b.ReportMetric((gauge(b, p.http, "go_goroutines")-goroutines)/dialogs, "goroutines/dialog")
		for _, c := range clients {
			_ = c.Close(b.Context())
		}
	}
}
