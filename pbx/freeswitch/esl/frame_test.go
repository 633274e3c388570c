package esl

import (
	"bufio"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadFrame(t *testing.T) {
	tests := []struct {
		name, in string
		want     []Frame
		err      string
	}{
		{"nothing", "", nil, "EOF"},
		{"greeting", "Content-Type: auth/request\n\n", []Frame{{Header: Header{"Content-Type": "auth/request"}}}, "EOF"},
		{"body", "Content-Type: api/response\nContent-Length: 5\n\na\n\nb\nA: 1\n\n",
			[]Frame{{Header{"Content-Type": "api/response", "Content-Length": "5"}, []byte("a\n\nb\n")}, {Header: Header{"A": "1"}}}, "EOF"},
		{"a body of nothing", "Content-Length: 0\n\nA: 1\n\n", []Frame{{Header: Header{"Content-Length": "0"}}, {Header: Header{"A": "1"}}}, "EOF"},
		{"carriage returns", "A: 1\r\nB:2\r\n\r\n", []Frame{{Header: Header{"A": "1", "B": "2"}}}, "EOF"},
		{"a name twice", "A: 1\nA: 2\n\n", []Frame{{Header: Header{"A": "1"}}}, "EOF"},
		{"colons", "A: sip:1@127.0.0.1:5060\n\n", []Frame{{Header: Header{"A": "sip:1@127.0.0.1:5060"}}}, "EOF"},
		{"no colon", "odd\n\n", nil, `esl: "odd" is not Name: value`},
		{"no name", ": x\n\n", nil, `esl: ": x" is not Name: value`},
		{"cut in a line", "A: 1", nil, "unexpected EOF"},
		{"cut between lines", "A: 1\n", nil, "unexpected EOF"},
		{"cut in a body", "Content-Length: 5\n\nabc", nil, "unexpected EOF"},
		{"cut before a body", "Content-Length: 5\n\n", nil, "unexpected EOF"},
		{"length that is none", "Content-Length: x\n\n", nil, `esl: Content-Length "x" is not a number from 0 to 67108864`},
		{"negative length", "Content-Length: -1\n\n", nil, `esl: Content-Length "-1" is not a number from 0 to 67108864`},
		{"endless body", "Content-Length: 67108865\n\n", nil, `esl: Content-Length "67108865" is not a number from 0 to 67108864`},
		{"endless line", "A: " + strings.Repeat("x", maxBlock), nil, "esl: a block has more than 4194304 bytes"},
		{"endless block", strings.Repeat("A: "+strings.Repeat("x", 1000)+"\n", 5000), nil, "esl: a block has more than 4194304 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				r := bufio.NewReader(in)
				var got []Frame
				for {
					f, err := ReadFrame(r)
					if err != nil {
						if err.Error() != tt.err {
							t.Errorf("error %v, want %s", err, tt.err)
						}
						break
					}
					got = append(got, f)
				}
				if !reflect.DeepEqual(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// The messages of a recording, one of each kind.
func TestRecordedStream(t *testing.T) {
	in, err := os.Open("testdata/stream.esl")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r := bufio.NewReader(in)
	var events []Event
	for {
		f, err := ReadFrame(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Header["Content-Type"] == "text/event-plain" {
			e, err := ParseEvent(f.Body)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
	}
	if len(events) != 3 {
		t.Fatalf("%d events, not 3", len(events))
	}
	job, answer := events[0], events[1]
	if job.Name() != "BACKGROUND_JOB" || job.Body != "+OK 4efcecfa-bbac-4b55-bab4-41aeba0df3cf\n" ||
		job.Get("Job-Command-Arg") != "{origination_caller_id_number=1001,ignore_early_media=true}user/1001@lab 1002 XML phones" {
		t.Errorf("the job is %+v", job)
	}
	if answer.Name() != "CHANNEL_ANSWER" || answer.Get("Channel-Presence-ID") != "1002@lab" || answer.sequence() != 564 {
		t.Errorf("the answer is %+v", answer)
	}
}

func TestEvent(t *testing.T) {
	e, err := ParseEvent([]byte("Event-Name: CUSTOM\nEvent-Subclass: conference%3A%3Amaintenance\nA: gw%2Bself\nB: a+b\nC: 100%\nContent-Length: 2\n\nhi"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "gw+self", "B": "a+b", "C": "100%", "D": ""} {
		if got := e.Get(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if e.Name() != "conference::maintenance" || e.Body != "hi" {
		t.Errorf("the event is %s with body %q", e.Name(), e.Body)
	}
	for _, cut := range []string{"", "\n", "A: 1\n", "A", "Content-Length: 3\n\nhi"} {
		if _, err := ParseEvent([]byte(cut)); err == nil {
			t.Errorf("%q was taken for an event", cut)
		}
	}
}

// Whatever comes is read as messages or refused, and what was read is the same
// when it is written and read again.
func FuzzReadFrame(f *testing.F) {
	stream, err := os.ReadFile("testdata/stream.esl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stream)
	f.Add([]byte("Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"))
	f.Add([]byte("Content-Length: 9\nContent-Type: text/event-plain\n\nA: %41\n\nb"))
	f.Add([]byte("Content-Length: 1e9\n\n"))
	f.Add([]byte("\r\n\n: \n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(strings.NewReader(string(in)))
		for {
			one, err := ReadFrame(r)
			if err != nil {
				return
			}
			if len(one.Header) == 0 || len(one.Body) > len(in) {
				t.Fatalf("read %q", one)
			}
			var b strings.Builder
			for name, value := range one.Header {
				b.WriteString(name + ": " + value + "\n")
			}
			b.WriteString("\n" + string(one.Body))
			again, err := ReadFrame(bufio.NewReader(strings.NewReader(b.String())))
			if err != nil || !reflect.DeepEqual(one, again) {
				t.Fatalf("%q became %q, %v", one, again, err)
			}
			if e, err := ParseEvent(one.Body); err == nil {
				_, _ = e.Name(), e.sequence()
			}
		}
	})
}
