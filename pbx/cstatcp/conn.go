package cstatcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"rccgw/pbx"
)

// What an unlucky request ends with. An error of ask that is not errUnanswered
// means that nothing was sent.
var (
	errUnanswered = errors.New("no answer") // whether it was executed is not known
	errBusy       = errors.New("all invoke IDs are in use")
)

// maxSilent is how many requests a server may leave unanswered before the
// connection is taken to be broken.
const maxSilent = 1000

// A conn is one connection: requests go out and find their answers. Its methods
// may be called by many goroutines at once, run once.
type conn struct {
	nc      net.Conn
	timeout time.Duration // for an answer, and for a write
	// take gets what is no answer, in the order of the wire: events, whose invoke
	// ID is eventID, and requests of the server. name is that of the root element,
	// empty where there is none.
	take func(id int, name string, body []byte)

	writing chan struct{} // holds a token while somebody writes
	out     []byte

	mu      sync.Mutex
	next    int             // invoke ID to try first
	waiting map[int]*waiter // by invoke ID, until the answer; also those nobody waits for any more
	silent  int             // of them, those
	dropped map[string]int  // messages of no use, by reason

	ending sync.Once
	done   chan struct{} // closed when the connection has ended, after err is set
	err    error
}

// A waiter is a request on its way.
type waiter struct {
	answer chan []byte // gets the answer
	gone   bool        // nobody waits any more
}

func newConn(nc net.Conn, timeout time.Duration) *conn {
	return &conn{nc: nc, timeout: timeout, writing: make(chan struct{}, 1), waiting: map[int]*waiter{}, dropped: map[string]int{}, done: make(chan struct{})}
}

// fail ends the connection because of err, unless it has ended already.
func (c *conn) fail(err error) {
	c.ending.Do(func() {
		c.err = err
		close(c.done)
		_ = c.nc.Close()
	})
}

// run reads until the connection ends, and tells why.
func (c *conn) run() error {
	r := bufio.NewReaderSize(c.nc, 1<<16)
	for {
		f, err := readFrame(r)
		if err != nil {
			if err == io.EOF {
				err = errors.New("the server closed the connection")
			}
			c.fail(err)
			return c.err
		}
		name := rootName(f.body)
		if f.id != eventID && (isAnswer(name) || name == "") {
			c.answer(f)
		} else {
			c.take(f.id, name, f.body)
		}
	}
}

// isAnswer goes by the name: the invoke IDs of both sides' requests are
// independent, so the same may be in use both ways.
func isAnswer(name string) bool {
	return strings.HasSuffix(name, "Response") || name == "CSTAErrorCode"
}

// rootName returns the name of the root element without its prefix, empty if
// there is none.
func rootName(body []byte) string {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for {
		t, err := d.RawToken()
		if err != nil {
			return ""
		}
		if e, ok := t.(xml.StartElement); ok {
			return e.Name.Local
		}
	}
}

// answer hands an answer to who waits for it.
func (c *conn) answer(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.waiting[f.id]
	switch {
	case w == nil:
		c.dropped["answer to no request"]++
		return
	case w.gone:
		c.silent--
		c.dropped["late answer"]++
	default:
		w.answer <- f.body
	}
	delete(c.waiting, f.id)
}

// drop counts a message that is of no use.
func (c *conn) drop(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped[reason]++
}

// ask sends a request and returns its answer. It blocks until that, until ctx
// ends, the time for an answer has passed, or the connection has ended.
func (c *conn) ask(ctx context.Context, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	id, w, err := c.reserve()
	if err != nil {
		return nil, err
	}
	if err := c.write(ctx, frame{id, body}); err != nil {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return nil, err
	}
	select {
	case answer := <-w.answer:
		return answer, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-c.done:
		err = c.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case answer := <-w.answer: // it came just before the end
		return answer, nil
	default:
	}
	// The ID stays reserved: its answer may still come.
	w.gone = true
	if c.silent++; c.silent > maxSilent {
		c.fail(fmt.Errorf("the server left %d requests unanswered", c.silent))
	}
	return nil, fmt.Errorf("%w: %w", errUnanswered, err)
}

// reserve finds an invoke ID that is not in use. They go round, so that an ID
// comes again as late as possible.
func (c *conn) reserve() (int, *waiter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == eventID {
		return 0, nil, errBusy
	}
	for c.waiting[c.next] != nil {
		c.next = (c.next + 1) % eventID
	}
	id, w := c.next, &waiter{answer: make(chan []byte, 1)}
	c.waiting[id] = w
	c.next = (c.next + 1) % eventID
	return id, w, nil
}

// write sends a frame or ends the connection.
func (c *conn) write(ctx context.Context, f frame) error {
	if len(f.body) > maxBody {
		return fmt.Errorf("a message of %d octets does not fit into a frame", len(f.body))
	}
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return c.err
	}
	select {
	case <-c.done: // which the select before may have passed over
		return c.err
	default:
	}
	if err := pbx.CheckLease(ctx); err != nil {
		return err
	}
	c.out = appendFrame(c.out[:0], f)
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.timeout))
	if _, err := c.nc.Write(c.out); err != nil {
		c.fail(err)
		return fmt.Errorf("%w: %w", errUnanswered, err) // a part may have left
	}
	return nil
}
