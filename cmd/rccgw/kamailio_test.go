package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rccgw/pbx/sim"
)

// program returns the path of a program that is not ours. Where the gate runs,
// it has to be there.
func program(tb testing.TB, name, debianPackage string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		tb.Fatalf("%v: install Debian's package %s", err, debianPackage)
	} else if err != nil {
		tb.Skipf("%v: it is in Debian's package %s", err, debianPackage)
	}
	return path
}

// udpBuffer is what the sockets of kamailio and sipp ask for, in octets: they
// have bursts, and a message that is lost comes out of order when it is repeated.
const udpBuffer = "4194304"

// A kamailio is a Record-Routing proxy in front of a gateway.
type kamailio struct {
	address string // host:port, UDP and TCP
	cmd     *exec.Cmd
}

// startKamailio starts testdata/kamailio.cfg in front of the gateway at
// host:port.
func startKamailio(tb testing.TB, gateway string) *kamailio {
	tb.Helper()
	k := &kamailio{address: freeAddress(tb)}
	k.cmd = exec.Command(program(tb, "kamailio", "kamailio"), "-f", "testdata/kamailio.cfg", "-DD", "-E", "-m", "2048", "-b", udpBuffer, "-Y", tb.TempDir(),
		"-l", "udp:"+k.address, "-l", "tcp:"+k.address, "-A", `GATEWAY="sip:`+gateway+`"`)
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children
	startProxy(tb, k.address, k.cmd)
	return k
}

// startProxy starts a kamailio and waits until it listens. It ends with the
// test, which fails where it has logged an error.
func startProxy(tb testing.TB, address string, cmd *exec.Cmd) {
	tb.Helper()
	log := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	tb.Cleanup(func() {
		text := log.String()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			tb.Error("kamailio did not end within 10 s of SIGTERM")
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // none is left where it ended in order
		<-ended
		if bad := regexp.MustCompile(`(?m)^.*(CRITICAL|ERROR|WARNING):.*$`).FindAllString(text, 20); bad != nil {
			tb.Errorf("kamailio says\n%s", strings.Join(bad, "\n"))
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			tb.Fatalf("kamailio ended:\n%s", log)
		default:
		}
		if time.Now().After(deadline) {
			tb.Fatalf("kamailio does not listen:\n%s", log)
		}
	}
}

// recordRoute is what kamailio puts into the dialogs of a network.
func (k *kamailio) recordRoute(network string) string {
	if network == "tcp" {
		return "<sip:" + k.address + ";transport=tcp;lr>"
	}
	return "<sip:" + k.address + ";lr>"
}

// cpu returns the processor time that it has used, all processes of it.
func (k *kamailio) cpu(b *testing.B) time.Duration { return cpu(b, k.cmd.Process.Pid) }

// freeAddress returns an address of the loopback interface whose port was free
// for UDP and TCP a moment ago, and is none that the system gives to connections.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	for range 50 {
		address := fmt.Sprint("127.0.0.1:", 10000+rand.IntN(10000))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		p, err := net.ListenPacket("udp", address)
		l.Close()
		if err == nil {
			p.Close()
			return address
		}
	}
	tb.Fatal("no port is free for UDP and TCP")
	return ""
}

// A sippRun is sipp with one of the scenarios of testdata/sipp.
type sippRun struct {
	t     *testing.T
	name  string
	dir   string
	out   bytes.Buffer
	ended chan struct{}
	err   error
}

// A sippGoal is whom sipp talks to.
type sippGoal struct {
	at      string // host:port
	network string
	route   string // the Record-Route expected, or empty
}

// startSipp plays the scenario, a dialog for each line, all at once.
func startSipp(t *testing.T, to sippGoal, scenario, lines string, dialogs int) *sippRun {
	t.Helper()
	r := &sippRun{t: t, name: scenario, dir: t.TempDir(), ended: make(chan struct{})}
	n := strconv.Itoa(dialogs)
	_, port, _ := net.SplitHostPort(freeAddress(t))
	cmd := exec.CommandContext(t.Context(), program(t, "sipp", "sip-tester"), to.at, "-i", "127.0.0.1", "-p", port, "-t", to.network[:1]+"1",
		"-sf", "testdata/sipp/"+scenario+".xml", "-inf", lines, "-m", n, "-l", n, "-r", "100", "-key", "lines", n, "-key", "route", to.route,
		"-nostdin", "-buff_size", udpBuffer, "-timeout", "120s", "-timeout_error", "-watchdog_interval", "0",
		"-trace_stat", "-stf", filepath.Join(r.dir, "stat.csv"), "-trace_screen", "-screen_file", filepath.Join(r.dir, "screen.log"),
		"-trace_err", "-error_file", filepath.Join(r.dir, "error.log"))
	cmd.Env = append(cmd.Environ(), "TERM=dumb")
	cmd.Stdout, cmd.Stderr = &r.out, &r.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.err = cmd.Wait(); close(r.ended) }()
	t.Cleanup(func() { <-r.ended })
	return r
}

func (r *sippRun) running() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// check waits for the end and wants that every dialog went as the scenario has
// it, that all were open at once, and that there was no other message.
func (r *sippRun) check(to sippGoal, dialogs int) {
	r.t.Helper()
	<-r.ended
	errorLog := r.errors()
	if r.err != nil {
		r.t.Fatalf("sipp %s: %v\n%.3000s\n%s", r.name, r.err, errorLog, r.out.String()[max(0, r.out.Len()-2000):])
	}
	counts := r.counts()
	want := map[string]int{"SuccessfulCall(C)": dialogs, "OutgoingCall(C)": dialogs}
	if repeated := counts["Retransmissions(C)"]; to.network == "udp" && repeated > 0 {
		// On a busy machine an answer may take longer than T1. What sipp then
		// repeats is answered twice, and a second 200 to BYE has no dialog any more.
		want["Retransmissions(C)"], want["DeadCallMsgs(C)"], want["Warnings(C)"] = repeated, min(repeated, counts["DeadCallMsgs(C)"]), counts["Warnings(C)"]
		r.t.Logf("sipp %s: %d retransmissions", r.name, repeated)
	} else if len(errorLog) > 0 {
		r.t.Errorf("sipp %s:\n%.3000s", r.name, errorLog)
	}
	for name, n := range counts {
		if n != want[name] {
			r.t.Errorf("sipp %s: %s is %d, want %d\n%.3000s", r.name, name, n, want[name], errorLog)
		}
	}
	screen, err := os.ReadFile(filepath.Join(r.dir, "screen.log"))
	if err != nil || !strings.Contains(string(screen), fmt.Sprintf("Peak was %d calls", dialogs)) {
		r.t.Errorf("sipp %s: %d dialogs were not open at once: %v\n%s", r.name, dialogs, err, screen)
	}
}

// errors returns what sipp says went wrong. That a request was answered once
// more, after it was repeated, is none.
func (r *sippRun) errors() string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "error.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	var said []string
	for _, s := range regexp.MustCompile(`\d{4}-\d\d-\d\d\t`).Split(string(text), -1)[1:] {
		if !strings.Contains(s, ": Ignoring final UDP message for transaction ") {
			said = append(said, s)
		}
	}
	return strings.Join(said, "\n")
}

// counts returns those totals of sipp's statistics that tell of calls and
// messages.
func (r *sippRun) counts() map[string]int {
	r.t.Helper()
	f, err := os.Open(filepath.Join(r.dir, "stat.csv"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	c := csv.NewReader(f)
	c.Comma = ';'
	c.FieldsPerRecord = -1
	rows, err := c.ReadAll()
	if err != nil || len(rows) < 2 {
		r.t.Fatalf("sipp's statistics: %d lines, %v", len(rows), err)
	}
	counts := map[string]int{}
	told := regexp.MustCompile(`^(SuccessfulCall|OutgoingCall|Failed.*|OutOfCallMsgs|DeadCallMsgs|Retransmissions|AutoAnswered|Warnings|FatalErrors)\(C\)$`)
	for i, name := range rows[0] {
		if !told.MatchString(name) {
			continue
		}
		if counts[name], err = strconv.Atoi(rows[len(rows)-1][i]); err != nil {
			r.t.Fatalf("sipp's statistics: %s: %v", name, err)
		}
	}
	return counts
}

// Dialogs of a client that is not of our making, many at a time, through a proxy
// that Record-Routes and without one: calls between clients of both lines, and
// dialogs that are refreshed. Nothing is unexpected to the client, nothing is
// left in the gateway.
func TestSipp(t *testing.T) {
	program(t, "sipp", "sip-tester")
	for _, network := range []string{"udp", "tcp"} {
		for _, proxy := range []string{"kamailio", "direct"} {
			t.Run(network+"/"+proxy, func(t *testing.T) {
				if proxy == "kamailio" {
					program(t, "kamailio", "kamailio")
				}
				testSipp(t, network, proxy == "kamailio")
			})
		}
	}
}

func testSipp(t *testing.T, network string, proxied bool) {
	const dialogs = 500
	var devices []sim.Device
	callers, callees := "SEQUENTIAL\n", "SEQUENTIAL\n"
	for i := range dialogs {
		caller, callee := fmt.Sprint(20000+i), fmt.Sprint(30000+i)
		devices = append(devices, sim.Device{Number: caller}, sim.Device{Number: callee})
		callers += caller + ";" + callee + ";\n"
		callees += callee + ";" + caller + ";\n"
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	callers, callees = file("callers.csv", callers), file("callees.csv", callees)
	s, err := sim.New(sim.Config{Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	inHands(t, s)
	g := startGateway(t, "RCC_PBX_SIM_DRIVER=test")
	to := sippGoal{at: g.sip[network], network: network}
	if proxied {
		k := startKamailio(t, to.at)
		to.at, to.route = k.address, k.recordRoute(network)
	}

	called := startSipp(t, to, "callee", callees, dialogs)
	for gauge(t, g.http, "rccgw_monitors") != dialogs && called.running() {
		time.Sleep(50 * time.Millisecond)
	}
	calling := startSipp(t, to, "caller", callers, dialogs)
	calling.check(to, dialogs)
	called.check(to, dialogs)
	startSipp(t, to, "refresh", callers, dialogs).check(to, dialogs)

	eventually(t, "the end of all dialogs", func() bool { return gauge(t, g.http, "rccgw_sip_dialogs") == 0 })
	for name, want := range map[string]float64{
		"rccgw_monitors": 0, "rccgw_panics_total": 0, "rccgw_sip_malformed_total": 0,
		"rccgw_sip_dialogs_opened_total":              3 * dialogs,
		`rccgw_sip_events_total{result="answered"}`:   (4 + 4 + 2) * dialogs,
		`rccgw_sip_events_total{result="dropped"}`:    0,
		`rccgw_sip_events_total{result="refused"}`:    0,
		`rccgw_sip_events_total{result="unanswered"}`: 0,
	} {
		if got := gauge(t, g.http, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if bad := regexp.MustCompile(`(?m)^.*level=(WARN|ERROR).*$`).FindAllString(g.log.String(), 20); bad != nil {
		t.Errorf("the gateway says\n%s", strings.Join(bad, "\n"))
	}
	for _, p := range s.Calls() {
		t.Errorf("a call is left: %v", p)
	}
}

// The commands of testdata/sipp/README.md, which people copy, do what it says.
func TestSippReadme(t *testing.T) {
	program(t, "sipp", "sip-tester")
	program(t, "kamailio", "kamailio")
	program(t, "curl", "curl")
	text, err := os.ReadFile("testdata/sipp/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of commands, want 3", len(blocks))
	}
	gateway, proxy := freeAddress(t), freeAddress(t)
	g := startGateway(t, "RCC_SIP_LISTEN=udp://"+gateway+",tcp://"+gateway)
	// The README's ports may be taken.
	places := []string{"127.0.0.1:5060", gateway, "127.0.0.1:5070", proxy, "127.0.0.1:8080", g.http, "> callee.out", "> /dev/null"}
	for _, port := range []string{"5081", "5082", "5083"} {
		_, free, _ := net.SplitHostPort(freeAddress(t))
		places = append(places, "play "+port, "play "+free)
	}
	shell := func(script string) *exec.Cmd {
		cmd := exec.Command("sh", "-c", strings.NewReplacer(places...).Replace(script))
		cmd.Dir = "testdata/sipp"
		cmd.Env = append(cmd.Environ(), "TMPDIR="+t.TempDir(), "TERM=dumb")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return cmd
	}
	startProxy(t, proxy, shell("exec "+blocks[2][1]))
	ways := 0
	for _, choice := range strings.Split(strings.TrimSpace(blocks[0][1]), "\n") {
		t.Run(choice, func(t *testing.T) {
			ways++
			cmd := shell(choice + "\n" + blocks[1][1])
			timer := time.AfterFunc(2*time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			defer timer.Stop()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	eventually(t, "the end of all dialogs", func() bool { return gauge(t, g.http, "rccgw_sip_dialogs") == 0 })
	if n := gauge(t, g.http, "rccgw_sip_dialogs_opened_total"); n != float64(15*ways) {
		t.Errorf("%v dialogs were opened in %d ways, not 15 each", n, ways)
	}
}
