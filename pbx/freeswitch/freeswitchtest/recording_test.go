package freeswitchtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"rccgw/pbx/freeswitch/esl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The events that the recordings were subscribed to and the fake has.
var events = []string{"CHANNEL_CREATE", "CHANNEL_STATE", "CHANNEL_CALLSTATE", "CHANNEL_PROGRESS", "CHANNEL_ORIGINATE", "CHANNEL_OUTGOING", "CHANNEL_ANSWER",
	"CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_HOLD", "CHANNEL_UNHOLD", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY", "CHANNEL_PARK",
	"CHANNEL_UNPARK", "CALL_UPDATE", "CHANNEL_EXECUTE", "BACKGROUND_JOB"}

// compared are the headers whose presence and values must be the same: all that the
// driver reads, and more.
var compared = []string{"Channel-State", "Channel-Call-State", "Original-Channel-Call-State", "Channel-Presence-ID", "Call-Direction", "Answer-State",
	"Channel-Call-UUID", "Other-Leg-Unique-ID", "Caller-Dialplan", "Caller-Destination-Number", "Caller-Caller-ID-Number", "Hangup-Cause",
	"Application", "Application-Data", "Bridge-A-Unique-ID", "Bridge-B-Unique-ID", "Job-Command", "Job-Command-Arg"}

// A step is what was done at the recorded FreeSWITCH: by a command, or by a phone.
type step func(t *testing.T, s *Server, c *esl.Conn, seen *story)

// api has a command carried out in which A, B, … are the channels in their order.
func command(format string) step {
	return func(t *testing.T, _ *Server, c *esl.Conn, seen *story) {
		t.Helper()
		line := regexp.MustCompile(`\b[A-Z]\b`).ReplaceAllStringFunc(format, func(letter string) string { return seen.uuid(letter) })
		var err error
		if rest, ok := strings.CutPrefix(line, "bgapi "); ok {
			err = c.BgAPI(t.Context(), "00000000-0000-0000-0000-000000000001", rest)
		} else {
			_, err = c.API(t.Context(), line)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func hand(do func(s *Server) error) step {
	return func(t *testing.T, s *Server, _ *esl.Conn, _ *story) {
		t.Helper()
		if err := do(s); err != nil {
			t.Fatal(err)
		}
	}
}

const call = "bgapi originate {origination_caller_id_number=1001,ignore_early_media=true}user/1001@lab 1002 XML phones"

// What the recordings have, done at the fake, gives the same events.
func TestRecordings(t *testing.T) {
	hold := hand(func(s *Server) error { return s.Phone("1001").Hold() })
	for name, tt := range map[string]struct {
		steps []step
		// The channels of the recording that the fake has, by their order.
		channels string
	}{
		"basic": {[]step{command(call), hold, hand(func(s *Server) error { return s.Phone("1001").Retrieve() }),
			command("uuid_hold A"), command("uuid_hold off A"), command("uuid_phone_event A hold"), command("uuid_kill A NORMAL_CLEARING")}, "AB"},
		"blind": {[]step{command(call), command("uuid_transfer A -bleg 1003 XML phones"), command("hupall")}, "ABC"},
		"attended-uuid-bridge": {[]step{command(call), hold, hand(func(s *Server) error { return s.Phone("1001").Dial("1003") }),
			command("uuid_bridge B D"), command("hupall")}, "ABCD"},
		"conference": {[]step{command(call), command("uuid_transfer A -both 8001 XML phones"),
			command("bgapi originate {origination_caller_id_number=1001}user/1003@lab &conference(8001@default)"), command("hupall")}, "ABC"},
		// The recorded phone was another channel of the same FreeSWITCH.
		"talk-fs-fs": {[]step{command("bgapi originate {origination_caller_id_number=1001}user/1003@lab &park"), command("uuid_phone_event A talk"), command("hupall")}, "A"},
	} {
		t.Run(name, func(t *testing.T) {
			want := recorded(t, name)
			s := Start(t, "1001", "1002", "1003")
			for _, n := range []string{"1001", "1002", "1003"} {
				if s.Phone(n).Talks(); name != "talk-fs-fs" {
					s.Phone(n).Eager()
				}
			}
			seen := newStory()
			c := connect(t, s)
			for _, do := range tt.steps {
				do(t, s, c, seen)
				settle(t, c, seen)
			}
			for _, letter := range strings.Split(tt.channels, "") {
				compare(t, letter, want.channels[letter], seen.channels[letter])
			}
			compare(t, "jobs", want.channels["jobs"], seen.channels["jobs"])
		})
	}
}

// A story is the events of each channel in their order, and of jobs. A channel is known by a letter.
type story struct {
	letters  map[string]string
	order    []string
	channels map[string][]string
}

func newStory() *story { return &story{letters: map[string]string{}, channels: map[string][]string{}} }

func (s *story) uuid(letter string) string {
	i := int(letter[0] - 'A')
	if i >= len(s.order) {
		return letter
	}
	return s.order[i]
}

func (s *story) letter(uuid string) string {
	if uuid == "" {
		return ""
	}
	if s.letters[uuid] == "" {
		s.letters[uuid] = string(rune('A' + len(s.order)))
		s.order = append(s.order, uuid)
	}
	return s.letters[uuid]
}

// contact is what differs in the name of a phone's contact.
var contact = regexp.MustCompile(`-0x[0-9a-f]+$`)

// self are the names of the recorded phone that was FreeSWITCH itself.
var self = regexp.MustCompile(`^(gw\+self|ring)$`)

func (s *story) add(e esl.Event) {
	if !slices.Contains(events, e.Name()) {
		return
	}
	channel := "jobs"
	if id := e.Get("Unique-ID"); id != "" {
		channel = s.letter(id)
	}
	line := e.Name()
	over := e.Get("Answer-State") == "hangup"
	for _, h := range compared {
		if _, has := e.Header[h]; !has {
			continue
		}
		value := e.Get(h)
		switch {
		case strings.HasSuffix(h, "UUID") || strings.HasSuffix(h, "Unique-ID"):
			// It depends on which of two threads is the faster.
			if over && h == "Channel-Call-UUID" {
				continue
			}
			value = s.letter(value)
		case h == "Application-Data" && s.letters[value] != "":
			value = s.letters[value]
		default:
			value = self.ReplaceAllString(contact.ReplaceAllString(value, ""), "1003")
		}
		line += " " + h + "=" + value
	}
	if e.Body != "" {
		word, id, _ := strings.Cut(strings.TrimSpace(e.Body), " ")
		line += " " + word + " " + s.letter(id)
	}
	s.channels[channel] = append(s.channels[channel], line)
}

// recorded reads a recording, in the order of the events' numbers.
func recorded(t *testing.T, name string) *story {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".esl")
	if err != nil {
		t.Fatal(err)
	}
	var list []esl.Event
	for block := range strings.SplitSeq(string(text), "\n---\n") {
		if strings.HasPrefix(block, ">>>") {
			continue
		}
		head, body, _ := strings.Cut(strings.TrimSpace(block), "\n\n")
		f, err := esl.ReadFrame(bufio.NewReader(strings.NewReader(regexp.MustCompile(`Content-Length: \d+\n?`).ReplaceAllString(head, "") + "\n\n")))
		if err != nil {
			t.Fatalf("%s: %q: %v", name, block, err)
		}
		list = append(list, esl.Event{Header: f.Header, Body: body})
	}
	number := func(e esl.Event) int {
		n, _ := strconv.Atoi(e.Get("Event-Sequence"))
		return n
	}
	slices.SortFunc(list, func(a, b esl.Event) int { return number(a) - number(b) })
	s := newStory()
	for _, e := range list {
		s.add(e)
	}
	return s
}

// connect listens at the fake until the test ends.
func connect(t *testing.T, s *Server) *esl.Conn {
	t.Helper()
	c, err := esl.Dial(t.Context(), esl.Config{Address: s.Address(), Password: Password})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(context.Background())
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	if err := c.Subscribe(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	return c
}

// settle takes in what has come: the answer to a question comes after it.
func settle(t *testing.T, c *esl.Conn, seen *story) {
	t.Helper()
	if _, err := c.API(t.Context(), "uptime"); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case e := <-c.Events():
			seen.add(e)
		default:
			return
		}
	}
}

func compare(t *testing.T, what string, want, got []string) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: the recording has nothing", what)
	}
	for i := range max(len(want), len(got)) {
		var w, g string
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Errorf("%s, event %d:\nrecorded %s\n    fake %s", what, i+1, w, g)
			return
		}
	}
	fmt.Fprintf(t.Output(), "%s: %d events\n", what, len(want))
}
