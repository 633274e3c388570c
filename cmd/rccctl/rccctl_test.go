package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startGateway builds and runs the gateway with its simulated PBX and the
// variables, and returns the flags that lead to it.
func startGateway(t *testing.T, variables ...string) []string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "rccgw")
	if out, err := exec.Command("go", "build", "-o", binary, "../rccgw").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(variables, "RCC_SIP_LISTEN=tcp://127.0.0.1:0", "RCC_HTTP_LISTEN=127.0.0.1:0", "RCC_DATA="+dir)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, log)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	var text []byte
	serves := regexp.MustCompile(`rccgw serves.* sip=(\S+) http=(\S+)`)
	for buf := make([]byte, 4096); ; {
		n, err := log.Read(buf)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		text = append(text, buf[:n]...)
		if found := serves.FindSubmatch(text); found != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return []string{"-server", string(found[1]), "-http", "http://" + string(found[2])}
		}
	}
}

// Every command does what it says, against a gateway.
func TestCommands(t *testing.T) {
	flags := startGateway(t)
	do := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), append(flags[:len(flags):len(flags)], args...), &out, &errs); code != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	expect := func(pattern string, args ...string) {
		t.Helper()
		if got := do(exitOK, args...); !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%v: printed %q, want %s", args, got, pattern)
		}
	}
	refused := func(pattern string, args ...string) {
		t.Helper()
		if got := do(exitRefused, args...); !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%v: printed %q, want %s", args, got, pattern)
		}
	}
	var watching sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ready, seen := newTrigger("MonitorStartResponse"), &bytes.Buffer{}
	watching.Go(func() {
		if code := run(ctx, append(flags[:len(flags):len(flags)], "-count", "5", "-json", "monitor", "1002"), io.MultiWriter(ready, seen), io.Discard); code != exitOK {
			t.Errorf("monitor: exit code %d", code)
		}
	})
	<-ready.c

	for range 50 { // the adapter may be a moment behind the SIP side
		if run(t.Context(), append(flags[:len(flags):len(flags)], "features", "1001"), io.Discard, io.Discard) == exitOK {
			break
		}
	}
	expect(`makeCall.*transferCall`, "features", "1001")
	expect(`^MakeCallResponse  callingDevice tel:1001@`, "call", "1001", "1002")
	expect(`connectionIdentifier tel:1001@.*\[connected, alerting\]`, "snapshot", "1001")
	expect(`^AnswerCallResponse\n$`, "answer", "1002")
	refused(`no call that is alerting`, "answer", "1002")
	expect(`^HoldCallResponse`, "hold", "1001")
	expect(`^1001 .*hold in call`, "sim", "1001")
	expect(`^RetrieveCallResponse`, "retrieve", "1001")
	expect(`^ConsultationCallResponse  initiatedCall tel:1001@`, "consult", "1001", "1003")
	expect(`^1003 .*connected`, "sim", "1003", "answer")
	expect(`^AlternateCallResponse`, "alternate", "1001")
	expect(`^ReconnectCallResponse`, "reconnect", "1001")
	expect(`^SingleStepTransferCallResponse  transferredCall`, "transfer", "1001", "1004")
	expect(`^DeflectCallResponse`, "deflect", "1004", "1005")
	expect(`^1005 .*connected`, "sim", "1005", "answer")
	expect(`^ClearConnectionResponse`, "clear", "1005")
	expect(`^1001 .*idle`, "sim", "1001")
	expect(`^SetForwardingResponse`, "forward", "1001", "busy", "1004")
	expect(`forwardBusy, forwardStatus true, forwardDN tel:1004`, "forward", "1001")
	expect(`forwardBusy to 1004`, "sim", "1001")
	expect(`^SetForwardingResponse`, "forward", "1001", "busy", "off")
	expect(`^SetDoNotDisturbResponse`, "dnd", "1001", "on")
	expect(`doNotDisturbOn true`, "dnd", "1001")
	expect(`^1001 .*idle`, "sim", "1001", "dnd", "off")
	expect(`^1006 .*forwardNoAns to 1007`, "sim", "1006", "forward", "noanswer", "1007")
	expect(`(?s)1001.*1010`, "sim")
	expect(`^$`, "sim", "outside", "4165551234", "withheld", "call", "1008")
	expect(`alerting in call .* with restricted`, "sim", "1008")
	refused(`there is no phone "7"`, "sim", "7")
	refused(`lift`, "sim", "1009", "sing")
	for _, args := range [][]string{nil, {"sing"}, {"call", "1001"}, {"-nonsense"}, {"dnd", "1001", "perhaps"}, {"forward", "1001", "busy"},
		{"sim", "1001", "dnd", "perhaps"}} {
		if got := do(exitUsage, args...); !strings.Contains(got, "rccctl -help") {
			t.Errorf("%v: %q", args, got)
		}
	}
	if got := do(exitOK, "-help"); !strings.Contains(got, "consult LINE NUMBER") {
		t.Errorf("-help: %s", got)
	}
	watching.Wait()
	expect(`^$`, "sim", "link", "cut")
	refused(`503|resourceOutOfService`, "snapshot", "1001")
	expect(`^$`, "sim", "link", "restore")
	for line := range strings.Lines(seen.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if got := seen.String(); !strings.Contains(got, `{"DeliveredEvent":{"monitorCrossRefID":"1"`) {
		t.Errorf("the monitor saw %s", got)
	}
}

// Where the gateway wants a password, the environment has it, and the line must be
// the user's.
func TestPassword(t *testing.T) {
	flags := startGateway(t, "RCC_SIP_USERS={ada: {password: secret, lines: 1001}}")
	for _, test := range []struct {
		password, line, want string // what is printed
		code                 int
	}{
		{"secret", "1001", "SnapshotDeviceResponse", exitOK},
		{"secret", "1002", "403", exitRefused},
		{"wrong", "1001", "401", exitRefused},
		{"", "1001", "401", exitRefused},
	} {
		t.Setenv("RCCCTL_PASSWORD", test.password)
		var out bytes.Buffer
		code := run(t.Context(), append(flags[:len(flags):len(flags)], "-user", "ada", "snapshot", test.line), &out, &out)
		if code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("%q at %s: %d, %s", test.password, test.line, code, out.String())
		}
	}
}

// A trigger is pulled when a text is written to it.
type trigger struct {
	text string
	once sync.Once
	c    chan struct{}
}

func newTrigger(text string) *trigger { return &trigger{text: text, c: make(chan struct{})} }

func (s *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.text)) {
		s.once.Do(func() { close(s.c) })
	}
	return len(p), nil
}
