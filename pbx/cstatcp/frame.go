package cstatcp

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Framing of CSTA XML over TCP without SOAP (ECMA-323 Annex J.2). A message is
// preceded by eight octets: two that are zero, two with the length of all in
// network order, and four ASCII digits, the invoke ID. An answer has that of its
// request; an event has 9999.
const (
	headerSize = 8
	maxBody    = 1<<16 - 1 - headerSize // octets that the length can tell
	eventID    = 9999
)

// A frame is one message on the wire.
type frame struct {
	id   int // 0 to 9999
	body []byte
}

// appendFrame appends f to b. The body must not be longer than maxBody.
func appendFrame(b []byte, f frame) []byte {
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(headerSize+len(f.body)))
	b = fmt.Appendf(b, "%04d", f.id)
	return append(b, f.body...)
}

// readFrame reads the next message. Its body is the caller's. After an error
// nobody knows where a message begins, so the connection is of no use any more;
// io.EOF means that it ended between two messages.
func readFrame(r *bufio.Reader) (frame, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	if h[0] != 0 || h[1] != 0 {
		return frame{}, fmt.Errorf("a frame begins with %#x, not with 0x0000 as CSTA XML without SOAP does", h[:2])
	}
	length := int(binary.BigEndian.Uint16(h[2:4]))
	if length < headerSize {
		return frame{}, fmt.Errorf("a frame of %d octets is shorter than its header", length)
	}
	f := frame{}
	for _, c := range h[4:] {
		if c < '0' || c > '9' {
			return frame{}, fmt.Errorf("invoke ID %q is not four digits", h[4:])
		}
		f.id = 10*f.id + int(c-'0')
	}
	f.body = make([]byte, length-headerSize)
	if _, err := io.ReadFull(r, f.body); err == io.EOF {
		return frame{}, io.ErrUnexpectedEOF
	} else if err != nil {
		return frame{}, err
	}
	return f, nil
}
