package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
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
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				resp, err := http.Get("http://" + string(found[2]) + "/readyz")
				if err == nil {
					_ = resp.Body.Close()
					if resp.StatusCode == http.StatusOK {
						break
					}
				}
				if time.Now().After(deadline) {
					t.Fatal("not ready within 20 s")
				}
			}
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
	// The adapter may be a moment behind the SIP side.
	for run(ctx, append(flags[:len(flags):len(flags)], "features", "1001"), io.Discard, io.Discard) != exitOK {
		if ctx.Err() != nil {
			t.Fatal("the PBX is not served within a minute")
		}
	}
	ready, seen := newTrigger("MonitorStartResponse"), &bytes.Buffer{}
	watching.Go(func() {
		if code := run(ctx, append(flags[:len(flags):len(flags)], "-count", "5", "-json", "monitor", "1002"), io.MultiWriter(ready, seen), io.Discard); code != exitOK {
			t.Errorf("monitor: exit code %d", code)
		}
	})
	select {
	case <-ready.c:
	case <-ctx.Done():
		t.Fatal("nothing is monitored within a minute")
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

// The words of digits, against a gateway with a token.
func TestDigits(t *testing.T) {
	t.Setenv("RCC_API_TOKEN", "secret")
	flags := append(startGateway(t, "RCC_API_TOKEN=secret"), "-user", "ada")
	flags[2] = "-gateway"
	do := func(want int, pattern string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		code := run(t.Context(), append(flags[:len(flags):len(flags)], args...), &out, &errs)
		if got := out.String() + errs.String(); code != want || !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%v: exit code %d, %q; want %d, %s", args, code, got, want, pattern)
		}
	}
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	do(exitOK, `^sim: revision 0, stored, by environment at `, "digits", "list")
	do(exitOK, `^sim: revision 1, stored, by ada at .*: outgoing rule 1 was added\n$`, "digits", "add", "outgoing", "leading=1613592", "replacement=", "ignoreARS=true")
	do(exitOK, `incoming rule 1 was added`, "digits", "add", "incoming", "from=internal", "length=4", "replacement=1613592", "addPlus=true")
	do(exitOK, `outgoing rule 2 was added`, "digits", "add", "outgoing", "match=^00", "replacement=0")
	do(exitOK, `(?s)outgoing 1: \{"leading":"1613592",.*"ignoreARS":true\}\noutgoing 2: .*incoming 1: \{`, "digits", "list")
	do(exitRefused, `(?s)the plan has mistakes\n  outgoing rule 3 leading: "\+1"`, "digits", "add", "outgoing", "leading=+1")
	do(exitRefused, `unknown key`, "digits", "add", "outgoing", "leding=1")
	do(exitRefused, `changed meanwhile: revision 3 is in force, not 2`, "-revision", "2", "digits", "remove", "outgoing", "1")
	do(exitOK, `moved up`, "-revision", "3", "digits", "up", "outgoing", "2")
	do(exitOK, `moved down`, "digits", "down", "outgoing", "1")
	do(exitRefused, `no rule stands behind`, "digits", "down", "outgoing", "2")
	do(exitOK, `modified`, "digits", "modify", "outgoing", "2", "match=^000", "replacement=0", "plus=false")
	do(exitOK, `removed`, "digits", "remove", "outgoing", "2")
	do(exitOK, `^1001  \(tel:\+16135921001 read as \+16135921001; outgoing rule 1\)\n$`, "digits", "test", "outgoing", "tel:+16135921001")
	do(exitOK, `^\+16135921001  .*incoming rule 1`, "digits", "test", "incoming", "1001", "internal")
	do(exitOK, `^notKnown  .*no rule`, "digits", "test", "incoming", "unknown")
	draft := file("draft.yaml", "ars: \"9\" # the draft")
	do(exitOK, `^9123  .*no rule, access digits in front`, "digits", "test", "outgoing", "123", draft)
	do(exitOK, `^123  `, "digits", "test", "outgoing", "123", "identity", draft)
	do(exitOK, `^123  .*access digits taken off`, "digits", "test", "incoming", "9123", "forward", draft)
	do(exitUsage, `neither internal`, "digits", "test", "incoming", "9123", "sideways", draft)
	do(exitOK, `(?s)^tel:\+16135921001 is dialled as 1001\.\n.*Outgoing rule 1 matches: .*\nOn the way back `, "digits", "explain", "outgoing", "tel:+16135921001")
	do(exitOK, `^1001, internal, is shown as \+16135921001\.\n`, "digits", "explain", "sim", "incoming", "1001", "internal")
	do(exitOK, `^9123, a forward target, is shown as 123\.\n`, "digits", "explain", "incoming", "9123", "forward", draft)
	do(exitOK, `^9123, redirecting, external, is shown as 9123\.\n`, "digits", "explain", "incoming", "9123", "redirecting", "external", draft)
	do(exitOK, `^\{"explanation":\{"role":"identity",`, "-json", "digits", "explain", "outgoing", "1001", "identity")
	do(exitRefused, `no adapter of a PBX "other"`, "digits", "explain", "other", "outgoing", "1001")
	do(exitRefused, `direction "sideways"`, "digits", "explain", "sideways", "1001")
	do(exitOK, `^nothing speaks against the plan\n$`, "digits", "check")
	shadowed := file("shadowed.yaml", "outgoing: [{leading: '1', minLength: 4}, {leading: '1613'}]")
	do(exitOK, `(?m)^warning: outgoing rule 2: never fires: .* as outgoing rule 1 takes 1613$`, "digits", "check", shadowed)
	do(exitRefused, `(?m)^error: outgoing rule 1: the emergency number 112 `, "digits", "check", file("emergency.yaml", "outgoing: [{leading: '1', replacement: '2'}]"))
	do(exitOK, `(?s)\+ ars: "9".*- outgoing 1`, "digits", "check", draft)
	do(exitRefused, `(?s)error: outgoing rule 1 length: 0: .*\nrccctl: .*the plan has mistakes`, "digits", "check", file("bad.yaml", "outgoing: [{length: 0}]"))
	do(exitOK, `the plan was replaced`, "digits", "import", draft)
	do(exitOK, `^ars: "9"\n`, "digits", "export")
	do(exitOK, `the rules were imported`, "digits", "import", file("rules.csv", "table,kind,pattern\noutgoing,leading,00\n"))
	do(exitOK, `outgoing,leading,00,`, "digits", "export", "csv")
	do(exitRefused, `neither yaml nor csv`, "digits", "export", "xls")
	do(exitOK, `(?s)^revision 9, by ada at .*: the rules were imported\n  \+ outgoing 1: \{"leading":"00"\}\nrevision 8`, "digits", "history")
	do(exitOK, `(?s)^revision 1, .*\noutgoing 1: `, "digits", "history", "1")
	do(exitOK, `^sim: revision 10, .*: back to revision 7`, "digits", "rollback", "7")
	do(exitRefused, `no such revision`, "digits", "rollback", "99")
	do(exitUsage, `not a number`, "digits", "rollback", "yesterday")
	do(exitOK, `^\{"pbx":"sim"`, "-json", "digits", "list")
	do(exitOK, `digits rollback REVISION`, "digits", "help")
	do(exitUsage, `digits help`, "digits", "sing")
	do(exitUsage, `usage: rccctl digits remove TABLE RULE`, "digits", "remove", "outgoing")
	do(exitUsage, `not KEY=VALUE`, "digits", "add", "outgoing", "leading")
	do(exitRefused, `no adapter of a PBX "other"`, "-pbx", "other", "digits", "list")
	do(exitRefused, `no such file`, "digits", "import", "/nowhere")
	t.Setenv("RCC_API_TOKEN", "wrong")
	do(exitRefused, `token of RCC_API_TOKEN`, "digits", "list")
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
