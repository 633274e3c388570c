package rccgw

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A block is a fenced block of a document.
type block struct {
	language string
	line     int
	lines    []string
}

func blocks(t *testing.T, path string) []block {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	open := false
	for i, line := range strings.Split(string(text), "\n") {
		if language, ok := strings.CutPrefix(line, "```"); ok {
			if open = !open; open {
				list = append(list, block{language: language, line: i + 2})
			}
			continue
		}
		if open {
			b := &list[len(list)-1]
			b.lines = append(b.lines, line)
		}
	}
	return list
}

// environment is the machine of a reader who has set no variable.
func environment(t *testing.T) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "RCC") {
			env = append(env, e)
		}
	}
	return append(env, "RCC_DATA="+t.TempDir())
}

// Every command that the README shows is run, and prints what the README says;
// "…" stands for what differs from run to run.
func TestREADME(t *testing.T) {
	env := environment(t)
	ran := 0
	for _, b := range blocks(t, "README.md") {
		switch b.language {
		case "sh":
			for _, line := range b.lines {
				switch line {
				case "go run ./cmd/rccgw":
					startGateway(t, line, env)
				case "go test ./...":
					// This test is a part of it; the gate runs it with more flags.
					gate, err := os.ReadFile(".ci/run")
					if err != nil || !regexp.MustCompile(`(?m)^go test .*\./\.\.\. `).Match(gate) {
						t.Errorf("line %d: the gate does not run %q: %v", b.line, line, err)
					}
				default:
					t.Errorf("line %d: %q is run by nobody", b.line, line)
				}
				ran++
			}
		case "console":
			ran += console(t, b, env)
		}
	}
	if ran < 10 {
		t.Errorf("only %d commands were run", ran)
	}
}

// console runs a block's commands, the lines that begin with "$ ", and compares
// what they print with the lines below.
func console(t *testing.T, b block, env []string) (ran int) {
	for i := 0; i < len(b.lines); {
		command, ok := strings.CutPrefix(b.lines[i], "$ ")
		if !ok {
			t.Errorf("line %d: output without a command", b.line+i)
			return ran
		}
		at := b.line + i
		i++
		var want []string
		for ; i < len(b.lines) && !strings.HasPrefix(b.lines[i], "$ "); i++ {
			want = append(want, b.lines[i])
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Env = env
		cmd.WaitDelay = 5 * time.Second // for what it left in the background
		out, err := cmd.CombinedOutput()
		cancel()
		ran++
		pattern := regexp.QuoteMeta(strings.Join(want, "\n"))
		pattern = strings.ReplaceAll(pattern, "…", `[^\n]*`)
		got := strings.TrimRight(string(out), "\n")
		if !regexp.MustCompile(`^` + pattern + `$`).MatchString(got) {
			t.Errorf("line %d: $ %s\nprints\n%s\n(%v), not\n%s", at, command, got, err, strings.Join(want, "\n"))
		}
	}
	return ran
}

// startGateway runs the README's first command until the test ends.
func startGateway(t *testing.T, command string, env []string) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = env
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Error(err)
		}
		select {
		case <-ended:
			if !strings.Contains(log.String(), "shutting down") {
				t.Errorf("it did not end in order:\n%s", log.String())
			}
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Error("it did not end within 30 s")
		}
	})
	deadline := time.Now().Add(3 * time.Minute)
	for {
		if resp, err := http.Get("http://127.0.0.1:8080/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the gateway ended: %v\n%s", err, log.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the gateway was not ready\n%s", log.String())
		}
	}
}
