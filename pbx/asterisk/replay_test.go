package asterisk

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

var update = flag.Bool("update", false, "write the golden files")

// Recorded events of real calls lead to these CSTA events. The files end in .ami
// and hold what an Asterisk 22, in one case a 16, has written.
func TestReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.ami")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(text), nil)
			golden := strings.TrimSuffix(file, ".ami") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s:\n%s\nnot\n%s", file, got, want)
			}
		})
	}
}

// A busy PBX may say that a phone rings for who was sent on before it says that: what is told is the same.
func TestReplayDialledBeforeTransfer(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/refer.ami")
	if err != nil {
		t.Fatal(err)
	}
	events := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	is := func(name string) func(string) bool {
		return func(e string) bool { return strings.HasPrefix(e, "Event: "+name+"\n") }
	}
	transfer := slices.IndexFunc(events, is("BlindTransfer"))
	for _, name := range []string{"Newchannel", "DialBegin", "Newstate"} {
		i := transfer + slices.IndexFunc(events[transfer:], is(name))
		if transfer < 0 || i < transfer {
			t.Fatal(name, transfer, i)
		}
		e := events[i]
		events = slices.Insert(slices.Delete(events, i, i+1), transfer, e)
		transfer++
	}
	got := replay(t, strings.Join(events, "\n\n"), func(action ami.Fields) string {
		if action.Get("Action") == "Getvar" && action.Get("Variable") == "BLINDTRANSFER" && action.Get("Channel") == "PJSIP/1002-0000000f" {
			return "Response: Success\nVariable: BLINDTRANSFER\nValue: PJSIP/1001-0000000e"
		}
		return ""
	})
	want, err := os.ReadFile("testdata/refer.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nnot\n%s", got, want)
	}
}

// replay runs a driver on a PBX that writes the events, and returns what it reports of them, an event a line. See fakeAMI for asked.
func replay(t *testing.T, text string, asked func(ami.Fields) string) string {
	// At the end somebody calls from a line that is in none of the files.
	const last = "1999"
	script := strings.TrimSpace(text) + "\n\nEvent: Newchannel\nChannel: PJSIP/" + last + "-00000001\nChannelState: 4\nExten: 1\n" +
		"Uniqueid: last\nLinkedid: last\n\n"
	s := defaults()
	s.Address, s.Secret = fakeAMI(t, strings.ReplaceAll(script, "\n", "\r\n"), asked), "secret"
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen strings.Builder
	over := false
	err = d.Run(ctx, func(device string, msg csta.Message) {
		if over = over || device == last; over {
			cancel()
			return
		}
		fmt.Fprintf(&seen, "%s\n", strings.TrimSpace(device+" "+line(msg)))
	})
	if !over {
		t.Errorf("not all was read: %v", err)
	}
	for _, c := range d.calls.List() {
		if c.ID != "last" {
			fmt.Fprintf(&seen, "left: %s\n", c.ID)
		}
	}
	return seen.String()
}

// fakeAMI is a manager interface that has no channels at first and agrees to
// everything. After the snapshot it writes the script. asked, if it is not nil, is
// told each action, and may answer it itself.
func fakeAMI(t *testing.T, script string, asked func(action ami.Fields) (answer string)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "Asterisk Call Manager/11.0.0\r\n")
		in := bufio.NewScanner(conn)
		var action ami.Fields
		for in.Scan() {
			if key, value, ok := strings.Cut(in.Text(), ": "); ok {
				action = append(action, ami.Field{Key: key, Value: value})
				continue
			}
			answer := ""
			if asked != nil {
				answer = asked(action)
			}
			id := action.Get("ActionID")
			switch name := action.Get("Action"); {
			case answer != "":
				for message := range strings.SplitSeq(answer, "\n\n") {
					fmt.Fprintf(conn, "%s\r\nActionID: %s\r\n\r\n", strings.ReplaceAll(message, "\n", "\r\n"), id)
				}
			case name == "Parkinglots", name == "ParkedCalls", name == "QueueStatus":
				fmt.Fprintf(conn, "Response: Error\r\nActionID: %s\r\nMessage: Invalid/unknown command\r\n\r\n", id)
			case name == "Status":
				fmt.Fprintf(conn, "Response: Success\r\nActionID: %s\r\nEventList: start\r\n\r\n", id)
				fmt.Fprintf(conn, "Event: StatusComplete\r\nActionID: %s\r\nEventList: Complete\r\n\r\n%s", id, script)
			default:
				fmt.Fprintf(conn, "Response: Success\r\nActionID: %s\r\nChallenge: 1\r\n\r\n", id)
				if name == "Login" {
					fmt.Fprint(conn, "Event: FullyBooted\r\n\r\n")
				}
			}
			action = nil
		}
	})
	return l.Addr().String()
}

// A driver whose PBX says nothing sensible ends its Run, and leaves nothing.
func TestBadPBX(t *testing.T) {
	t.Parallel()
	s := defaults()
	s.Address, s.Secret = fakeAMI(t, "no event at all", nil), "secret"
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = d.Run(ctx, func(_ string, msg csta.Message) {
		if s, ok := msg.(*csta.SystemStatus); ok && s.SystemStatus == pbx.StatusNormal {
			cancel()
		}
	})
	if err == nil {
		t.Error("Run returned no error")
	}
}
