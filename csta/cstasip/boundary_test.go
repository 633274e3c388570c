package cstasip

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// Whatever the pieces are that a stream comes in, line ends between messages are
// gone and messages are not touched.
func TestBoundary(t *testing.T) {
	head := "INFO sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n"
	plain := head + "Content-Length: 0\r\n\r\n"
	body := "\r\n\r\n\n<a>\n\n</a>\r\n\r\n"
	tricky := head + fmt.Sprintf("cOnTent-lenGTH  :  %d\r\nX: %s\r\n\r\n", len(body), strings.Repeat("y", 500)) + body
	folded := head + fmt.Sprintf("Content-Length:\r\n\t\r\n  %d\r\nSubject: a\r\n l: 7\r\n\r\n", len(body)) + body
	short := head + fmt.Sprintf("l: %d\r\n\r\n", len(body)) + body
	want := plain + tricky + short + folded + plain
	in := "\n\r\n" + plain + "\n" + tricky + "\r\n\n" + short + folded + plain + "\n\n"
	for _, size := range []int{1, 2, 3, 7, 64, len(in)} {
		var b boundary
		var got bytes.Buffer
		for rest := []byte(in); len(rest) > 0; {
			n := min(size, len(rest))
			got.Write(b.filter(bytes.Clone(rest[:n])))
			rest = rest[n:]
		}
		if got.String() != want {
			t.Errorf("in pieces of %d:\n%q\nwant\n%q", size, got.String(), want)
		}
		if b.inside() {
			t.Errorf("in pieces of %d: not at an end", size)
		}
	}
}

// A message that does not tell where it ends has no end, and is the last; those
// before it are whole.
func TestBoundaryLost(t *testing.T) {
	good := "INFO sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nhi"
	for _, length := range []string{"-1", "x", "2\r\nl: 3", "2\r\nContent-Length: 2", "99999999999999999999"} {
		bad := "INFO sip:a SIP/2.0\r\nContent-Length: " + length + "\r\nX: y\r\n"
		var b boundary
		if got := string(b.filter([]byte(good + bad + "\r\nhi" + good))); got != good+bad || b.state != lost {
			t.Errorf("%s: %q", length, got)
		}
	}
}

// A start line is put right whether it comes in one piece or in many, and what a
// short read leaves over is read next.
func TestBoundaryStartLine(t *testing.T) {
	const in, want = "INFO <sip:a@example.com> SIP/2.0\r\nl: 2\r\n\r\nhi", "INFO sip:? SIP/2.0\r\nl: 2\r\n\r\nhi"
	for _, size := range []int{1, 2, 30, 40, len(in)} {
		var b boundary
		var got []byte
		for rest := []byte(in); len(rest) > 0; {
			n := min(size, len(rest))
			got = append(got, b.filter(bytes.Clone(rest[:n]))...)
			rest = rest[n:]
		}
		if string(got) != want {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
	long := "INFO sip:" + strings.Repeat("a", maxStartLine) + "  SIP/2.0\r\n"
	var b boundary
	if got := string(b.filter([]byte(long[:maxStartLine]))) + string(b.filter([]byte(long[maxStartLine:]))); got != long {
		t.Errorf("a line beyond the limit became %d octets of %d", len(got), len(long))
	}
}

// Keep-alives between messages are for sipgo to answer, those within are not.
func TestBoundaryKeepAlive(t *testing.T) {
	var b boundary
	if got := b.filter([]byte("\r\n\r\n")); string(got) != "\r\n\r\n" {
		t.Errorf("a ping became %q", got)
	}
	if got := b.filter([]byte("\r\n")); len(got) != 0 {
		t.Errorf("a pong became %q", got)
	}
	if got := b.filter([]byte("OPTIONS sip:a SIP/2.0\r\nX: y")); string(got) != "OPTIONS sip:a SIP/2.0\r\nX: y" {
		t.Errorf("half a message became %q", got)
	}
	if got := b.filter([]byte("\r\n\r\n")); string(got) != "\r\n\r\n" || b.inside() {
		t.Errorf("the other half became %q", got)
	}
}

// The reason for it: a line feed behind a message, as SIPE sends, and then a
// keep-alive make sipgo's parser give the stream up.
func TestSipgoNeedsBoundary(t *testing.T) {
	in := recorded(t, "ack") + "\r\n\r\n" + recorded(t, "bye")
	parse := func(in []byte) (n int, err error) {
		s := newParser().NewSIPStream()
		err = s.ParseSIPStream(in, func(sip.Message) { n++ })
		return n, err
	}
	if n, err := parse([]byte(in)); err == nil {
		t.Errorf("sipgo reads %d messages: the boundary may go", n)
	}
	var b boundary
	if n, err := parse(b.filter([]byte(in))); n != 2 || err != nil {
		t.Errorf("with the boundary: %d messages, %v", n, err)
	}
}

// In pieces or not, the boundary never changes a stream without line ends
// between its messages, and sipgo reads the same messages.
func FuzzBoundary(f *testing.F) {
	for _, name := range []string{"invite", "info-MakeCall", "ack"} {
		f.Add([]byte(recorded(f, name)+"\n"+recorded(f, "bye")), uint8(5))
	}
	f.Add([]byte("A B SIP/2.0\r\nContent-Length: 5\r\nl: 7\r\n\r\n\n\n\n\n\n\n\n\n"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		var whole, pieces boundary
		want := whole.filter(bytes.Clone(in))
		var got []byte
		for rest := in; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			if piece := bytes.Clone(rest[:n]); pieces.inside() || len(bytes.Trim(piece, "\r\n")) > 0 { // else a keep-alive
				got = append(got, pieces.filter(piece)...)
			}
			rest = rest[n:]
		}
		if len(bytes.Trim(in, "\r\n")) > 0 && !bytes.Equal(bytes.Trim(got, "\r\n"), bytes.Trim(want, "\r\n")) {
			t.Errorf("whole:  %q\npieces: %q", want, got)
		}
		if len(want) > len(in) {
			t.Errorf("%q grew to %q", in, want)
		}
	})
}
