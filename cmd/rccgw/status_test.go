package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
)

// The subscriber of docs/status.md is told how lines are when it comes, and what
// becomes of them.
func TestStatusSubscriber(t *testing.T) {
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(doc)
	if program == nil {
		t.Fatal("no program in the document")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, program[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "subscriber"), source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := freeAddress(t)
	g := startGateway(t, "RCC_NATS_LISTEN="+address, "RCC_NATS_TOKEN=secret", "RCC_PBX_SIM_LINES=1001-1010")
	d := g.open("tcp", "tel:1001")
	watch(t, d)
	cmd := exec.Command(filepath.Join(dir, "subscriber"))
	cmd.Env = []string{"NATS_URL=nats://" + address, "NATS_TOKEN=secret"}
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	says := func(pattern string) {
		t.Helper()
		re := regexp.MustCompile(pattern)
		eventually(t, pattern, func() bool { return re.MatchString(out.String()) })
	}
	says(`sim\.1001 \{.*"state":"idle","since":"\d`)
	says(`sim\.1002 \{.*"state":"idle"`)
	r, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device("tel:1001"), CalledDirectoryNumber: csta.Device("tel:1002"), AutoOriginate: "doNotPrompt"})
	if err != nil {
		t.Fatal(err)
	}
	says(`sim\.1001 \{.*"state":"busy"`)
	says(`sim\.1002 \{.*"state":"ringing"`)
	if list := newCaller(t, "http://"+g.http).expect(200, "GET", "/api/v1/lines?pbx=sim", ""); !strings.Contains(list, `"line":"1002","device":"1002","state":"ringing"`) {
		t.Errorf("the API says %s", list)
	}
	if list := newCaller(t, "http://"+g.http).expect(200, "GET", "/api/v1/lines?pbx=other", ""); strings.TrimSpace(list) != "[]" {
		t.Errorf("the API says %s of a PBX that is none", list)
	}
	before := time.Now()
	if _, err := csta.Call(t.Context(), d, &csta.ClearConnection{ConnectionToBeCleared: r.CallingDevice}); err != nil {
		t.Fatal(err)
	}
	says(`(?s)sim\.1002 \{.*"state":"ringing".*sim\.1002 \{[^}]*"state":"idle","since":"` + before.UTC().Format("2006-01-02"))
}
