package ami

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is read. They are far above what Asterisk writes and keep a broken or hostile peer from
// filling the memory.
const (
	maxLine    = 16 << 10 // bytes
	maxFields  = 16 << 10 // per message; a Command's output is one field per line
	maxMessage = 1 << 20  // bytes
)

// Limits of what Asterisk reads, measured on 22. It refuses longer ones with an answer that has no ActionID, so that
// whoever sent them would wait in vain.
const (
	maxActionLine   = 1022 // bytes, without CR LF
	maxActionFields = 128  // including Action and ActionID
)

// A Field is one header of a message.
type Field struct{ Key, Value string }

// Fields are the headers of a message in the order of the wire. A key may occur several times (Variable,
// ChanVariable, Output).
//
// The strings of one message share their memory: what outlives the message by far is better cloned.
type Fields []Field

// Get returns the value of the first field with that key, "" when there is none. Upper and lower case are the same.
func (f Fields) Get(key string) string {
	v, _ := f.Lookup(key)
	return v
}

// Lookup is Get and tells whether the field is there.
func (f Fields) Lookup(key string) (string, bool) {
	for i := range f {
		if len(f[i].Key) == len(key) && strings.EqualFold(f[i].Key, key) {
			return f[i].Value, true
		}
	}
	return "", false
}

// Values returns the values of all fields with that key.
func (f Fields) Values(key string) []string {
	var vs []string
	for i := range f {
		if strings.EqualFold(f[i].Key, key) {
			vs = append(vs, f[i].Value)
		}
	}
	return vs
}

// A frameError is a breach of the framing; the link cannot go on after it.
type frameError string

func (e frameError) Error() string { return "ami: " + string(e) }

// A reader cuts a stream into messages.
type reader struct {
	r   *bufio.Reader
	msg []byte // the message being read, reused
}

func newReader(r io.Reader) *reader {
	return &reader{r: bufio.NewReaderSize(r, maxLine)}
}

// line appends the next line to r.msg and returns its length without CR LF.
//
// Only CR LF ends a line: a line feed inside a value (a caller's name, say) must not be able to start a header.
func (r *reader) line() (int, error) {
	start := len(r.msg)
	for {
		part, err := r.r.ReadSlice('\n')
		r.msg = append(r.msg, part...)
		n := len(r.msg) - start
		switch {
		case n > maxLine, errors.Is(err, bufio.ErrBufferFull):
			return 0, frameError(fmt.Sprintf("line longer than %d bytes", maxLine))
		case len(r.msg) > maxMessage:
			return 0, frameError(fmt.Sprintf("message longer than %d bytes", maxMessage))
		case errors.Is(err, io.EOF) && len(r.msg) > 0:
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		case n >= 2 && r.msg[len(r.msg)-2] == '\r':
			return n - 2, nil
		}
	}
}

// greeting reads the one line that comes before all messages.
func (r *reader) greeting() (string, error) {
	r.msg = r.msg[:0]
	n, err := r.line()
	return string(r.msg[:n]), err
}

// message reads the next message. It returns io.EOF only between two messages.
func (r *reader) message() (Fields, error) {
	r.msg = r.msg[:0]
	lines := 0
	for {
		n, err := r.line()
		if err != nil {
			return nil, err
		}
		if n == 0 {
			if lines > 0 {
				return parse(string(r.msg), lines), nil
			}
			r.msg = r.msg[:0] // an empty line more than needed
			continue
		}
		if lines++; lines > maxFields {
			return nil, frameError(fmt.Sprintf("more than %d fields in a message", maxFields))
		}
	}
}

// parse splits a message of that many lines, the empty line at its end included in msg but not in the count. A line
// without a colon is kept as a value with an empty key.
func parse(msg string, lines int) Fields {
	fs := make(Fields, 0, lines)
	for range lines {
		line, rest, _ := strings.Cut(msg, "\r\n")
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			key, value = "", line
		}
		fs = append(fs, Field{key, strings.TrimPrefix(value, " ")})
		msg = rest
	}
	return fs
}

// An Action is a request to Asterisk.
type Action struct {
	Name   string
	Fields Fields // in the order they are to be written; ActionID, when absent, is supplied
}

// NewAction makes an action from pairs of a key and a value. It panics when a key has no value.
func NewAction(name string, pairs ...string) Action {
	if len(pairs)%2 != 0 {
		panic("ami.NewAction: odd number of arguments")
	}
	a := Action{Name: name, Fields: make(Fields, 0, len(pairs)/2)}
	for i := 0; i < len(pairs); i += 2 {
		a.Fields = append(a.Fields, Field{pairs[i], pairs[i+1]})
	}
	return a
}

// append writes the action to b, or tells which field cannot be sent. No error shows a value: it may be a secret.
func (a Action) append(b []byte) ([]byte, error) {
	if len(a.Fields)+1 > maxActionFields {
		return nil, fmt.Errorf("ami: %.40q: more than %d fields", a.Name, maxActionFields)
	}
	b, err := appendField(b, Field{"Action", a.Name})
	for i := 0; err == nil && i < len(a.Fields); i++ {
		b, err = appendField(b, a.Fields[i])
	}
	if err != nil {
		return nil, fmt.Errorf("ami: %.40q: %w", a.Name, err)
	}
	return append(b, "\r\n"...), nil
}

func appendField(b []byte, f Field) ([]byte, error) {
	switch {
	case !validKey(f.Key):
		return nil, fmt.Errorf("field name %.40q is not valid", f.Key)
	case !utf8.ValidString(f.Value):
		return nil, fmt.Errorf("field %s is not UTF-8", f.Key)
	case strings.ContainsFunc(f.Value, unicode.IsControl):
		return nil, fmt.Errorf("field %s contains a control character", f.Key)
	case len(f.Key)+len(f.Value)+2 > maxActionLine:
		return nil, fmt.Errorf("field %s is longer than %d bytes", f.Key, maxActionLine)
	}
	b = append(b, f.Key...)
	b = append(b, ": "...)
	b = append(b, f.Value...)
	return append(b, "\r\n"...), nil
}

// validKey tells whether k consists of letters, digits, '-' and '_', as all of Asterisk's header names do.
func validKey(k string) bool {
	for _, c := range []byte(k) {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return k != ""
}
