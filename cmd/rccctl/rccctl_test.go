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

	"pgregory.net/rapid"
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
			base := "http://" + string(found[2])
			awaitReady(t, base+"/readyz")
			return []string{"-server", string(found[1]), "-http", base}
		}
	}
}

// awaitReady waits until the gateway sees its PBX: it listens before that.
func awaitReady(t *testing.T, url string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %v, %v", url, resp, err)
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
	expect(`(?m)^sim  1001  idle since \d{4}-.*\d$`, "lines")
	expect(`(?m)^1006  idle since .*  forwarded$`, "lines", "sim")
	expect(`^$`, "lines", "other")
	expect(`^$`, "sim", "outside", "4165551234", "withheld", "call", "1008")
	expect(`alerting in call .* with restricted`, "sim", "1008")
	refused(`there is no phone "7"`, "sim", "7")
	refused(`lift`, "sim", "1009", "sing")
	for _, args := range [][]string{nil, {"sing"}, {"call", "1001"}, {"-nonsense"}, {"dnd", "1001", "perhaps"}, {"lines", "sim", "1001"}, {"forward", "1001", "busy"},
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
	do(exitOK, ``, "lines")
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

func TestCallerOf(t *testing.T) {
	const line = "INVITE sip:+16135925660@gateway.example.com SIP/2.0\r\n"
	for _, tt := range []struct{ name, text, want string }{
		{"From", line + "Via: SIP/2.0/TCP 192.0.2.1\r\nFrom: \"A, <B>\" <sip:+16135551234@trunk.example.com;user=phone>;tag=1\r\n\r\n", "sip:+16135551234@trunk.example.com;user=phone"},
		{"compact, without brackets", line + "f: sip:5660@pbx.example.com;tag=1\r\n\r\n", "sip:5660@pbx.example.com"},
		{"asserted", line + "From: <sip:1@x>;tag=1\nP-Asserted-Identity: <sip:+16135551234@x>\n\n", "sip:+16135551234@x"},
		{"asserted twice", line + "From: <sip:1@x>;tag=1\nP-Asserted-Identity: \"A\" <sip:alice@x>, <tel:+16135551234;ext=1>\n\n", "tel:+16135551234;ext=1"},
		{"asserted in two fields", line + "P-Asserted-Identity: <sip:alice@x>\nP-Asserted-Identity: tel:+16135551234\n\n", "tel:+16135551234"},
		{"private", line + "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1\nP-Asserted-Identity: <tel:+16135551234>\nPrivacy: id;critical\n\n", "sip:anonymous@anonymous.invalid"},
		{"no privacy", line + "From: <sip:2@x>\nPrivacy: none\n", "sip:2@x"},
		{"folded and pasted with white space", "\n  INVITE sip:x SIP/2.0\n  Max-Forwards: 70\n  From:\n    \"A \\\" <x>\"\n    <tel:+1-613-555-1234>\n  \n  f: <sip:body@x>", "tel:+1-613-555-1234"},
		{"nobody", line + "To: <sip:1@x>\n\nFrom: <sip:body@x>", ""},
		{"a response", "SIP/2.0 200 OK\nFrom: <sip:1@x>\n", ""},
		{"nothing", "", ""},
		{"brackets the wrong way round", line + "From: >sip:1@x<\n", ">sip:1@x<"},
	} {
		got, err := callerOf(tt.text)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestCallerOfAnything(t *testing.T) {
	part := rapid.SampledFrom([]string{"From: ", "f:", "P-Asserted-Identity:", `"a\"\"" `, "<sip:1@x>", ",", "<sip:2@y>", ";tag=1", "\n", " folded", "\r\n", "\"", "<", "tel:+1"})
	rapid.Check(t, func(t *rapid.T) {
		text := "INVITE sip:x SIP/2.0\n" + strings.Join(rapid.SliceOf(rapid.OneOf(part, part, rapid.String())).Draw(t, "text"), "")
		if caller, err := callerOf(text); err == nil && strings.ContainsAny(caller, "\r\n") {
			t.Errorf("%q: %q", text, caller)
		}
	})
}

// The two notifications of a call are compared, and what is proposed makes them
// equal.
func TestMergeCheck(t *testing.T) {
	flags := startGateway(t, `RCC_PBX_SIM_DIGITS={"ars":"9","internal":{"maxLength":5}}`, "RCC_PBX_SIM_LINES=1001-1010")
	do := func(want int, pattern string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		code := run(t.Context(), append(flags[:len(flags):len(flags)], args...), &out, &errs)
		got := out.String() + errs.String()
		if code != want || !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%v: exit code %d, %q; want %d, %s", args, code, got, want, pattern)
		}
		return out.String()
	}
	// proposed does what a merge-check printed.
	proposed := func(text string) {
		t.Helper()
		found := regexp.MustCompile(`(?m)^  rccctl (.*)$`).FindAllStringSubmatch(text, -1)
		if found == nil {
			t.Errorf("nothing is proposed: %s", text)
		}
		for _, f := range found {
			do(exitOK, `was (added|modified)`, strings.Fields(strings.ReplaceAll(f[1], "'", ""))...)
		}
	}
	invite := func(from string) string {
		path := filepath.Join(t.TempDir(), "invite.txt")
		if err := os.WriteFile(path, []byte("INVITE sip:1001@x SIP/2.0\r\nFrom: "+from+";tag=1\r\n\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ name, from, presented, where, proposes string }{
		{"national", "<sip:+14165551234@trunk>", "4165551234", "external", `add incoming at=1 .*replacement=1 .*length=10 from=external`},
		{"internal", "<tel:+16135921002>", "1002", "internal", `(?s)add outgoing at=1 leading=1613592 .*add incoming at=2 .*length=4 from=internal`},
		{"international", "<tel:+442079460000>", "011442079460000", "external", `add incoming at=3 leading=011 .*addPlus=true`},
		{"anonymous by a placeholder", "<sip:anonymous@anonymous.invalid>", "0000000000", "external", `add incoming at=1 'match=\^0000000000\$'`},
	} {
		args := []string{"-presented", tt.presented, "digits", "merge-check", invite(tt.from), tt.where}
		proposed(do(exitRefused, tt.proposes, args...))
		do(exitOK, `(?m)^a client merges the two$`, args...)
	}
	do(exitOK, `^the INVITE is from anonymous\nthe event is from notKnown`, "-presented", "", "digits", "merge-check", "sip:anonymous@anonymous.invalid")
	do(exitOK, `(?m)^a client merges the two$`, "-shown", "tel:+16135921002", "digits", "merge-check", "sip:+16135921002@x", "internal")
	do(exitOK, `^\{"invite":.*"equal":true`, "-json", "-presented", "1002", "digits", "merge-check", "+16135921002", "internal")

	// One call at a line that is watched.
	watched := func(want int, pattern, invite string, call ...string) string {
		t.Helper()
		ready := newTrigger("waiting for a call")
		calling := make(chan struct{})
		go func() {
			defer close(calling)
			select {
			case <-ready.c:
				do(exitOK, `^$`, call...)
			case <-t.Context().Done():
			}
		}()
		var out, errs bytes.Buffer
		code := run(t.Context(), append(flags[:len(flags):len(flags)], "digits", "merge-check", invite, "1001"), io.MultiWriter(ready, &out), &errs)
		<-calling
		do(exitOK, `ClearConnectionResponse`, "clear", "1001")
		if code != want || !regexp.MustCompile(pattern).MatchString(out.String()) {
			t.Errorf("exit code %d, %q %q; want %d, %s", code, out.String(), errs.String(), want, pattern)
		}
		return out.String()
	}
	watched(exitOK, `the event is from \+16135551234`, "sip:+16135551234@trunk", "sim", "outside", "6135551234", "call", "1001")
	watched(exitOK, `the event is from restricted|which is shown as restricted`, "sip:anonymous@anonymous.invalid", "sim", "outside", "6135551234", "withheld", "call", "1001")
	proposed(watched(exitRefused, `add incoming`, "sip:+4930123456@trunk", "sim", "outside", "030123456", "call", "1001"))
	watched(exitOK, `a client merges the two`, "sip:+4930123456@trunk", "sim", "outside", "030123456", "call", "1001")

	for _, args := range [][]string{{"+1"}, {"+1", "1001", "1002"}, {"+1", "internal"}} {
		do(exitUsage, `one of -presented`, append([]string{"digits", "merge-check"}, args...)...)
	}
	do(exitUsage, `one of -presented`, "-shown", "1", "-presented", "1", "digits", "merge-check", "+1")
	do(exitRefused, `no such file`, "-shown", "1", "digits", "merge-check", "/nowhere")
	do(exitRefused, `no number`, "-shown", "1", "digits", "merge-check", "sip:pbx.example.com")
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
