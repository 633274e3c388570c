package freeswitch

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/freeswitch/esl"
)

var update = flag.Bool("update", false, "write what the recordings are told as")

// The recorded events themselves, in the order in which they came, are told as this. Nobody of the driver's clients
// gave the commands: it sees transfers as those of somebody else.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("freeswitchtest/testdata/*.esl")
	if err != nil || len(files) != 5 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".esl")
		t.Run(name, func(t *testing.T) {
			got := replay(t, path)
			golden := "testdata/" + name + ".txt"
			if *update {
				must(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			want, err := os.ReadFile(golden)
			must(t, err)
			if got != string(want) {
				t.Errorf("%s is told as\n%s\nnot as\n%s", name, got, want)
			}
		})
	}
}

func replay(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	must(t, err)
	s := valid()
	s.Phones = "1001-1003"
	d := newDriver(t, s)
	var b strings.Builder
	letters := map[string]string{}
	d.calls.SetEmit(func(device string, msg csta.Message) {
		ev := msg.(csta.Event)
		state, call := csta.LocalConnection(ev)
		if letters[call] == "" {
			letters[call] = string(rune('A' + len(letters)))
		}
		about, _ := pbx.StepOf(ev)
		fmt.Fprintf(&b, "%s: %s of %s in call %s, own state %s\n", device, csta.Name(ev), about.ID.DeviceID.ID, letters[call], state)
	})
	for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n---\n") {
		if command, ok := strings.CutPrefix(block, ">>> "); ok {
			fmt.Fprintf(&b, "# %s\n", regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(command, "UUID"))
			continue
		}
		head, body, _ := strings.Cut(block, "\n\n")
		head = regexp.MustCompile(`Content-Length: \d+\n?`).ReplaceAllString(head, "")
		f, err := esl.ReadFrame(bufio.NewReader(strings.NewReader(strings.TrimSpace(head) + "\n\n")))
		must(t, err)
		d.handle(esl.Event{Header: f.Header, Body: body})
	}
	if rest := shape(d); rest != "" || len(d.channels) > 0 {
		t.Errorf("in the end there are the calls\n%s\nand the channels %v", rest, d.channels)
	}
	return b.String()
}
