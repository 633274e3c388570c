package pbxtest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A Way is the network between two parts that talk over TCP, which fails in all the ways that networks fail in. It knows nothing of what passes,
// unless it has a filter. Its methods may be called by any goroutine.
type Way struct {
	listener net.Listener
	target   func() string
	filter   Filter
	running  sync.WaitGroup

	mu       sync.Mutex
	passages map[*passage]bool
	down     bool
	delay    time.Duration
	halt     *Halt
}

// A Filter passes on what the target sends over one connection. It returns when an end of that fails.
type Filter func(to io.Writer, from io.Reader) error

// A passage is one connection over a way.
type passage struct {
	client, target net.Conn
	end            func()        // ends it
	ended          chan struct{} // closed then

	// Guarded by Way.mu.
	forgotten bool  // nothing passes, and nobody is told
	quiet     *Halt // what the target answers is kept with that; nil: it passes
}

// A Halt is a place where a way stands still, once.
type Halt struct {
	text    string
	passes  bool
	reached chan struct{}
	goes    chan bool // whether what was kept goes on; has room for that
}

// NewWay returns a way to the target, host:port, which is asked for each connection, until the test is over. filter may be nil.
func NewWay(t testing.TB, target func() string, filter Filter) *Way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if filter == nil {
		filter = func(to io.Writer, from io.Reader) error {
			_, err := io.Copy(to, from)
			return err
		}
	}
	w := &Way{listener: l, target: target, filter: filter, passages: map[*passage]bool{}}
	w.running.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.Cut()
		w.running.Wait()
	})
	return w
}

// Address is where to connect to instead of the target, host:port.
func (w *Way) Address() string { return w.listener.Addr().String() }

// Cut ends all connections; new ones end at once.
func (w *Way) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for p := range w.passages {
		p.end()
	}
}

// Forget leaves all connections half open: what is sent is lost, and neither side is told. New ones are possible.
func (w *Way) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.passages {
		p.forgotten = true
	}
}

// Slow has each piece of data wait.
func (w *Way) Slow(delay time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = delay
}

// Stop has a connection stand still where the text is about to pass to the target or, if it passes, before anything that the target answers then.
func (w *Way) Stop(text string, passes bool) *Halt {
	h := &Halt{text, passes, make(chan struct{}), make(chan bool, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.halt = h
	return h
}

// Mend ends all faults, but connections that are half open, or stand still, do so still.
func (w *Way) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down, w.delay, w.halt = false, 0, nil
}

// Reached is closed when the connection stands still.
func (h *Halt) Reached() <-chan struct{} { return h.reached }

// Pass lets pass what was kept. It, or Drop, is called once.
func (h *Halt) Pass() { h.goes <- true }

// Drop loses what was kept, and ends the connection.
func (h *Halt) Drop() { h.goes <- false }

func (w *Way) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.running.Go(func() { w.serve(c) })
	}
}

func (w *Way) serve(client net.Conn) {
	target, err := net.Dial("tcp", w.target())
	if err != nil {
		_ = client.Close()
		return
	}
	p := &passage{client: client, target: target, ended: make(chan struct{})}
	p.end = sync.OnceFunc(func() {
		close(p.ended)
		_ = client.Close()
		_ = target.Close()
	})
	w.mu.Lock()
	w.passages[p] = true
	if w.down {
		p.end()
	}
	w.mu.Unlock()
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(&pipe{w, p, target, true}, client)
		p.end()
	})
	_ = w.filter(&pipe{w, p, client, false}, target)
	p.end()
	up.Wait()
	w.mu.Lock()
	delete(w.passages, p)
	w.mu.Unlock()
}

// A pipe is one direction of a passage.
type pipe struct {
	w  *Way
	p  *passage
	to net.Conn
	up bool // to the target
}

func (d *pipe) Write(b []byte) (int, error) {
	w, p := d.w, d.p
	w.mu.Lock()
	delay, halt := w.delay, w.halt
	if halt != nil && d.up && bytes.Contains(b, []byte(halt.text)) {
		w.halt = nil
	} else {
		halt = nil
	}
	var keeps *Halt
	switch {
	case halt != nil && halt.passes:
		p.quiet = halt
	case halt != nil:
		keeps = halt
		close(halt.reached)
	case !d.up:
		keeps = p.quiet
		p.quiet = nil
	}
	w.mu.Unlock()
	if keeps != nil && !keeps.pass(p) {
		p.end()
		return 0, net.ErrClosed
	}
	if delay > 0 {
		time.Sleep(delay)
	}
	w.mu.Lock()
	forgotten := p.forgotten
	w.mu.Unlock()
	if forgotten {
		return len(b), nil
	}
	n, err := d.to.Write(b)
	if halt != nil && halt.passes {
		close(halt.reached)
	}
	return n, err
}

// pass waits until it is said what becomes of what is kept, and reports whether it passes.
func (h *Halt) pass(p *passage) bool {
	select {
	case goes := <-h.goes:
		return goes
	case <-p.ended:
		return false
	}
}
