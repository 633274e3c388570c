package cstatcp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// wire are two messages as they are on the wire.
const wire = "\x00\x00\x00\x0e0042<a/>xx" + "\x00\x00\x00\x089999"

func TestFrame(t *testing.T) {
	out := appendFrame(appendFrame(nil, frame{42, []byte("<a/>xx")}), frame{eventID, nil})
	if string(out) != wire {
		t.Errorf("written %q, want %q", out, wire)
	}
	// However the stream is cut into reads, the messages are the same.
	for name, r := range map[string]io.Reader{
		"in one read":   strings.NewReader(wire),
		"octets":        iotest.OneByteReader(strings.NewReader(wire)),
		"halves":        iotest.HalfReader(strings.NewReader(wire)),
		"error at once": iotest.DataErrReader(strings.NewReader(wire)),
	} {
		in := bufio.NewReader(r)
		for _, want := range []frame{{42, []byte("<a/>xx")}, {eventID, []byte{}}} {
			f, err := readFrame(in)
			if err != nil || f.id != want.id || !bytes.Equal(f.body, want.body) {
				t.Errorf("%s: %+v, %v", name, f, err)
			}
		}
		if _, err := readFrame(in); err != io.EOF {
			t.Errorf("%s: the end is %v", name, err)
		}
	}
	long := frame{0, bytes.Repeat([]byte("x"), maxBody)}
	if f, err := readFrame(bufio.NewReader(bytes.NewReader(appendFrame(nil, long)))); err != nil || len(f.body) != maxBody {
		t.Errorf("the longest message: %d octets, %v", len(f.body), err)
	}
}

func TestBadFrames(t *testing.T) {
	for name, in := range map[string]string{
		"SOAP":           "\x00\x01\x00\x090000x",
		"HTTP":           "HTTP/1.1 400 Bad Request\r\n\r\n",
		"length 0":       "\x00\x00\x00\x000000",
		"length 7":       "\x00\x00\x00\x070000",
		"no digits":      "\x00\x00\x00\x0912.4x",
		"binary ID":      "\x00\x00\x00\x09\x00\x00\x00\x01x",
		"half a header":  "\x00\x00\x00",
		"no body":        "\x00\x00\x00\x090000",
		"half a body":    "\x00\x00\x00\x0a0000x",
		"lying length":   "\x00\x00\xff\xff0000<a/>\x00\x00\x00\x0c0001<b/>",
		"shorter length": "\x00\x00\x00\x0a0000<a/>\x00\x00\x00\x0c0001<b/>",
	} {
		in := bufio.NewReader(strings.NewReader(in))
		_, err := readFrame(in)
		if name == "shorter length" {
			_, err = readFrame(in) // the rest is no header
		}
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever comes, a frame that is read is what was written, and reading ends.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte(wire))
	f.Add([]byte("\x00\x00\xff\xff0000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bufio.NewReader(iotest.OneByteReader(bytes.NewReader(data)))
		var again []byte
		for {
			fr, err := readFrame(in)
			if err != nil {
				break
			}
			if fr.id < 0 || fr.id > eventID || len(fr.body) > maxBody {
				t.Fatalf("frame of ID %d and %d octets", fr.id, len(fr.body))
			}
			again = appendFrame(again, fr)
		}
		if !bytes.HasPrefix(data, again) {
			t.Fatalf("read %q\nas %q", data, again)
		}
	})
}

func TestRootName(t *testing.T) {
	for body, want := range map[string]string{
		`<?xml version="1.0" encoding="UTF-8"?>` + "\n<!-- x --><MakeCall/>":      "MakeCall",
		"\ufeff<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><c:HoldCall a='1'>": "HoldCall",
		"":        "",
		"x":       "",
		"<":       "",
		"<a b=c>": "",
	} {
		if got := rootName([]byte(body)); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
	answers := []string{"MakeCallResponse", "StartApplicationSessionPosResponse", "StartApplicationSessionNegResponse", "CSTAErrorCode"}
	for _, name := range append(answers, "MakeCall", "SystemStatus", "HeldEvent", "ApplicationSessionTerminated") {
		if isAnswer(name) != slices.Contains(answers, name) {
			t.Errorf("isAnswer(%s) is %v", name, isAnswer(name))
		}
	}
}
