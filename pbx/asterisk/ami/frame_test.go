package ami

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestMessage(t *testing.T) {
	tests := []struct {
		name, in string
		want     []Fields
		err      string
	}{
		{"nothing", "", nil, "EOF"},
		{"two", "Event: A\r\nX: 1\r\n\r\nResponse: Success\r\n\r\n",
			[]Fields{{{"Event", "A"}, {"X", "1"}}, {{"Response", "Success"}}}, "EOF"},
		{"empty lines between", "\r\n\r\nEvent: A\r\n\r\n\r\n", []Fields{{{"Event", "A"}}}, "EOF"},
		{"colons in a value", "Contact: sip:1@127.0.0.1:5060\r\n\r\n", []Fields{{{"Contact", "sip:1@127.0.0.1:5060"}}}, "EOF"},
		{"repeated key", "V: a\r\nV: b\r\n\r\n", []Fields{{{"V", "a"}, {"V", "b"}}}, "EOF"},
		{"empty values", "A:\r\nB: \r\n\r\n", []Fields{{{"A", ""}, {"B", ""}}}, "EOF"},
		{"only the first blank goes", "Output:   x \r\n\r\n", []Fields{{{"Output", "  x "}}}, "EOF"},
		{"no colon", "odd\r\n\r\n", []Fields{{{"", "odd"}}}, "EOF"},
		{"a line feed starts no header", "CallerIDName: a\nEvent: Hangup\r\n\r\n", []Fields{{{"CallerIDName", "a\nEvent: Hangup"}}}, "EOF"},
		{"cut in a line", "Event: A\r\nX", nil, "unexpected EOF"},
		{"cut between lines", "Event: A\r\n", nil, "unexpected EOF"},
		{"long line", "X: " + strings.Repeat("x", maxLine) + "\r\n\r\n", nil, "ami: line longer than 16384 bytes"},
		{"long line with line feeds", strings.Repeat("x\n", maxLine) + "\r\n\r\n", nil, "ami: line longer than 16384 bytes"},
		{"many lines", strings.Repeat("X: 1\r\n", maxFields+1), nil, "ami: more than 16384 fields in a message"},
		{"long message", strings.Repeat(strings.Repeat("X", maxLine-2)+"\r\n", 65), nil, "ami: message longer than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				r := newReader(in)
				var got []Fields
				for {
					fs, err := r.message()
					if err != nil {
						if err.Error() != tt.err {
							t.Errorf("error %v, want %s", err, tt.err)
						}
						break
					}
					got = append(got, fs)
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

// FuzzMessage: whatever comes, a message that is read and written again is the same, and nothing panics.
func FuzzMessage(f *testing.F) {
	files, err := filepath.Glob("testdata/*.ami")
	if err != nil || len(files) == 0 {
		f.Fatal("no recorded traffic", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for m := range bytes.SplitAfterSeq(b, []byte("\r\n\r\n")) {
			f.Add(m)
		}
	}
	f.Add([]byte("Response: Success\r\nMessage: Command output follows\r\nOutput: a: b\r\nOutput: \r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newReader(bytes.NewReader(in))
		for {
			fs, err := r.message()
			if err != nil {
				if fe := frameError(""); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &fe) {
					t.Fatal(err)
				}
				return
			}
			if len(fs) == 0 {
				t.Fatal("empty message")
			}
			var b []byte
			for _, f := range fs {
				if strings.Contains(f.Key, "\r\n") || strings.Contains(f.Value, "\r\n") {
					t.Fatalf("line end in %q", f)
				}
				b = append(b, f.Key+": "+f.Value+"\r\n"...)
			}
			again, err := newReader(bytes.NewReader(append(b, "\r\n"...))).message()
			if err != nil {
				if fe := frameError(""); errors.As(err, &fe) {
					return // ": " made it longer than a limit
				}
				t.Fatal(err)
			}
			if d := cmp.Diff(fs, again); d != "" {
				t.Fatal(d)
			}
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	in, err := os.ReadFile("testdata/call.ami")
	if err != nil {
		b.Fatal(err)
	}
	n := bytes.Count(in, []byte("\r\n\r\n"))
	b.SetBytes(int64(len(in) / n))
	b.ReportAllocs()
	src := bytes.NewReader(in)
	r := newReader(src)
	for b.Loop() {
		if _, err := r.message(); err != nil {
			src.Reset(in)
		}
	}
}

func BenchmarkAction(b *testing.B) {
	a := NewAction("Redirect", "Channel", "PJSIP/1001-00000015", "ExtraChannel", "PJSIP/1002-00000016", "Context", "phones",
		"Exten", "rcc-hold", "Priority", "1", "ExtraContext", "phones", "ExtraExten", "rcc-hold", "ExtraPriority", "1")
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		out, _ = a.append(out[:0])
	}
}
