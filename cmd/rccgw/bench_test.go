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
	p.cmd.Env = append([]string{"RCC_SIP_LISTEN=tcp://" + p.sip + ",udp://" + p.sip, "RCC_HTTP_LISTEN=" + p.http, "RCC_DATA=" + dir, "RCC_LOG_LEVEL=error", "RCC_SIP_MAX_PEER_REQUESTS=1000000"}, variables...)
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
func (p *process) cpu(b *testing.B) time.Duration { return cpu(b, p.cmd.Process.Pid) }

// cpu returns the processor time that a process and those of its group have
// used.
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	ticks := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if group, _ := strconv.Atoi(f[2]); group != pid && file != fmt.Sprintf("/proc/%d/stat", pid) {
			continue
		}
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		ticks += user + system
	}
	return time.Duration(ticks) * 10 * time.Millisecond
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

// endpoint connects to the gateway, or to a proxy in front of it.
func (p *process) endpoint(b *testing.B, network, address string) *cstasip.Endpoint {
	b.Helper()
	e, err := cstasip.Connect(b.Context(), network+"://"+address, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Close)
	return e
}

// One service through everything: INFO in, decode, bus, simulated PBX, answer,
// encode, 200; directly, and through a proxy. cpu-µs/op is the gateway's alone,
// kamailio-µs/op the proxy's.
func BenchmarkService(b *testing.B) {
	p := startProcess(b)
	for _, network := range []string{"udp", "tcp"} {
		b.Run(network, func(b *testing.B) { p.serve(b, network, p.sip, nil) })
	}
	for _, network := range []string{"udp", "tcp"} {
		b.Run("kamailio/"+network, func(b *testing.B) {
			k := startKamailio(b, p.sip)
			p.serve(b, network, k.address, k)
		})
	}
}

// serve asks for b.N services in eight dialogs.
func (p *process) serve(b *testing.B, network, address string, k *kamailio) {
	const dialogs = 8
	var clients []*cstasip.Client
	for i := range dialogs {
		clients = append(clients, p.dial(b, p.endpoint(b, network, address), fmt.Sprint(1001+i), nil))
	}
	before, proxyBefore := p.cpu(b), time.Duration(0)
	if k != nil {
		proxyBefore = k.cpu(b)
	}
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
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64((p.cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	if k != nil {
		b.ReportMetric(float64((k.cpu(b)-proxyBefore).Microseconds())/float64(b.N), "kamailio-µs/op")
	}
	for _, c := range clients {
		_ = c.Close(context.Background())
	}
}

// What a service is measured by: the same INFO, answered by Kamailio with a
// stateful 200 and nothing else.
func BenchmarkKamailioAnswer(b *testing.B) {
	body, err := csta.Encode(&csta.GetDoNotDisturb{Device: csta.Device("tel:1001")}, "")
	if err != nil {
		b.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		b.Run(network, func(b *testing.B) {
			k := startKamailio(b, "127.0.0.1:9")
			before := k.cpu(b)
			var sent atomic.Int64
			b.ResetTimer()
			var running sync.WaitGroup
			for range 8 {
				conn, err := net.Dial(network, k.address)
				if err != nil {
					b.Fatal(err)
				}
				running.Go(func() {
					defer conn.Close()
					answer := make([]byte, 4096)
					for n := sent.Add(1); n <= int64(b.N); n = sent.Add(1) {
						_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
						_, err := fmt.Fprintf(conn, "INFO sip:answered@%s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
							"From: <sip:1001@lab.example>;tag=%d\r\nTo: <sip:answered@lab.example>\r\nCall-ID: %d\r\nCSeq: 1 INFO\r\n"+
							"Content-Disposition: signal;handling=required\r\nContent-Type: application/csta+xml\r\nContent-Length: %d\r\n\r\n%s",
							k.address, strings.ToUpper(network), conn.LocalAddr(), n, n, n, len(body), body)
						if err != nil {
							b.Error(err)
							return
						}
						got := 0
						for got == 0 || !strings.HasSuffix(string(answer[:got]), "\r\n\r\n") {
							m, err := conn.Read(answer[got:])
							if err != nil {
								b.Error(err)
								return
							}
							got += m
						}
						if !strings.HasPrefix(string(answer[:got]), "SIP/2.0 200 ") {
							b.Errorf("answered %.200s", answer[:got])
							return
						}
					}
				})
			}
			running.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			b.ReportMetric(float64((k.cpu(b)-before).Microseconds())/float64(b.N), "kamailio-µs/op")
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
			e := p.endpoint(b, "tcp", p.sip)
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
// of its layers. The heap is read when the transactions that opened the dialog are over, 64·T1 later, and
// after its garbage was collected.
func BenchmarkIdleDialog(b *testing.B) {
	const dialogs = 5000
	p := startProcess(b, "GOGC=10")
	e := p.endpoint(b, "tcp", p.sip)
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
		time.Sleep(33 * time.Second)
		b.ReportMetric((settled()-before)/dialogs, "heap-B/dialog")
		b.ReportMetric((gauge(b, p.http, "go_goroutines")-goroutines)/dialogs, "goroutines/dialog")
		for _, c := range clients {
			_ = c.Close(b.Context())
		}
	}
}
