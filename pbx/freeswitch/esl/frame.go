package esl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Limits of what is read. FreeSWITCH has none; a list of ten thousand channels
// has some ten megabytes, and an event with all variables some ten kilobytes.
const (
	maxBlock = 4 << 20
	maxBody  = 64 << 20
)

// A Header is a block of names and values as they were sent. Of a name that
// comes twice the first value counts.
type Header map[string]string

// A Frame is a message of the event socket.
type Frame struct {
	Header Header
	Body   []byte
}

// ReadFrame reads one message. Anything that is none is an error, after which
// the reader is not at the beginning of a message. Of the end of the stream
// between messages it says io.EOF, within one io.ErrUnexpectedEOF.
func ReadFrame(r *bufio.Reader) (Frame, error) {
	h, left := Header{}, maxBlock
	for {
		line, err := readLine(r, left)
		if err != nil {
			if errors.Is(err, io.EOF) && (len(h) > 0 || line != "") {
				err = io.ErrUnexpectedEOF
			}
			return Frame{}, err
		}
		if line == "" {
			if len(h) == 0 {
				continue // FreeSWITCH ends some bodies with more line feeds than it counts
			}
			break
		}
		if err := h.add(line); err != nil {
			return Frame{}, err
		}
		left -= len(line) + 1
	}
	n, err := h.bodyLength()
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Header: h}
	if n > 0 {
		// The body grows as it comes: a length alone takes no memory.
		var b bytes.Buffer
		if _, err := io.CopyN(&b, r, int64(n)); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return Frame{}, err
		}
		f.Body = b.Bytes()
	}
	return f, nil
}

// readLine returns a line without its end, of at most so many bytes.
func readLine(r *bufio.Reader, most int) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > most {
			return "", fmt.Errorf("esl: a block has more than %d bytes", maxBlock)
		}
		switch {
		case err == nil:
			return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return string(line), err
		}
	}
}

func (h Header) add(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return fmt.Errorf("esl: %q is not Name: value", abridged(line))
	}
	if _, twice := h[name]; !twice {
		h[name] = strings.TrimPrefix(value, " ")
	}
	return nil
}

func (h Header) bodyLength() (int, error) {
	text, ok := h["Content-Length"]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxBody {
		return 0, fmt.Errorf("esl: Content-Length %q is not a number from 0 to %d", abridged(text), maxBody)
	}
	return n, nil
}

func abridged(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// An Event is what FreeSWITCH reports. It belongs to its receiver.
type Event struct {
	Header Header // values as they were sent; Get decodes them
	Body   string
	// Gap says that numbers are missing between this event and those before it.
	Gap bool
}

// ParseEvent reads the body of a text/event-plain message.
func ParseEvent(body []byte) (Event, error) {
	r := bufio.NewReader(bytes.NewReader(body))
	f, err := ReadFrame(r)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Event{}, fmt.Errorf("esl: an event is cut short or malformed: %w", err)
	}
	return Event{Header: f.Header, Body: string(f.Body)}, nil
}

// Name returns the event's name, such as CHANNEL_CREATE, or the subclass of a
// CUSTOM one.
func (e Event) Name() string {
	if name := e.Get("Event-Name"); name != "CUSTOM" {
		return name
	}
	return e.Get("Event-Subclass")
}

// Get returns a value, decoded. What is no percent-encoding is returned as it is.
func (e Event) Get(name string) string {
	value := e.Header[name]
	if strings.IndexByte(value, '%') >= 0 {
		if decoded, err := url.PathUnescape(value); err == nil {
			return decoded
		}
	}
	return value
}

// sequence returns the event's number, 0 if it has none.
func (e Event) sequence() uint64 {
	n, _ := strconv.ParseUint(e.Header["Event-Sequence"], 10, 64)
	return n
}
