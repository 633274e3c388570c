package main

import (
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"rccgw/bus"
)

// parts are processes of the service that share a NATS server.
type parts struct {
	t    *testing.T
	vars []string
	data map[string]string // by name: a part that starts again has what it had
}

func newParts(t *testing.T) *parts {
	t.Helper()
	server, err := bus.Embed(bus.EmbedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "t", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Stop(server) })
	return &parts{t, []string{"RCC_NATS_URL=" + server.ClientURL(), "RCC_NATS_TOKEN=t"}, map[string]string{}}
}

// asService makes the test's own program the service: see TestMain.
const asService = "BE_THE_SERVICE=1"

func TestMain(m *testing.M) {
	if slices.Contains(os.Environ(), asService) {
		main()
		return
	}
	os.Exit(m.Run())
}

// A part is a process of the service, apart from the others.
type part struct {
	*gatewayUnderTest
	cmd *exec.Cmd
}

// start runs a part with the variables until it serves; it is killed when the test
// is over.
func (p *parts) start(name string, vars ...string) *part {
	p.t.Helper()
	if p.data[name] == "" {
		p.data[name] = p.t.TempDir()
	}
	x := &part{&gatewayUnderTest{t: p.t, sip: map[string]string{}, ended: make(chan struct{}), log: &safeBuffer{}}, exec.Command(os.Args[0])}
	x.cmd.Env = slices.Concat(vars, p.vars, []string{asService, "RCC_HTTP_LISTEN=127.0.0.1:0", "RCC_DATA=" + p.data[name]})
	x.cmd.Stderr = x.log
	if err := x.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { x.err = x.cmd.Wait(); close(x.ended) }()
	p.t.Cleanup(func() {
		_ = x.cmd.Process.Kill()
		<-x.ended
		if p.t.Failed() {
			p.t.Logf("%s:\n%s", name, x.log)
		}
	})
	x.find()
	return x
}

// gateway runs the SIP side alone.
func (p *parts) gateway(name string) *part {
	p.t.Helper()
	return p.start(name, "RCC_SIP_LISTEN=tcp://127.0.0.1:0", "RCC_PBX=none")
}

func (p *part) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	<-p.ended
}

func (p *part) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop stops the process, and returns when all its threads stand: on a busy machine
// they go on for a while after the signal.
func (p *part) stop() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		p.t.Fatalf("not stopped, but %#x, %v", status, err)
	}
}
