package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A proxy is the way from one part to another, which fails in all the ways that networks fail in. It knows nothing of
// what passes, unless it has a filter.
type proxy struct {
	l      net.Listener
	target func() string
	filter func(to io.Writer, from io.Reader, p *proxy) error // passes on what the target sends
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[*passage]bool
	down  bool
	delay time.Duration
	fate  func() int // how often the next event passes: lost, once, doubled; nil: once
	halt  *halt
}

// A halt is what comes when a text passes on its way to the target: before it, or after it and before an answer.
type halt struct {
	text   string
	passes bool
	come   func()
}

// A passage is one connection through a proxy.
type passage struct {
	client, target net.Conn
	dead           chan struct{} // closed when the network has forgotten it: nothing passes, and nobody is told
	forgotten      bool
}

func newProxy(t testing.TB, target func() string, filter func(io.Writer, io.Reader, *proxy) error) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: target, filter: filter, conns: map[*passage]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

// newBusProxy is a proxy before a NATS server, which can lose and double events.
func newBusProxy(t testing.TB, target string) *proxy {
	return newProxy(t, func() string { return target }, natsFilter)
}

func (p *proxy) address() string { return p.l.Addr().String() }

// cut ends all connections; new ones end at once until mend.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.conns {
		c.end()
	}
}

// forget makes all connections half open: what is sent is lost, and neither side is told. New ones are possible.
func (p *proxy) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if !c.forgotten {
			c.forgotten = true
			close(c.dead)
		}
	}
}

// slow has each piece of data wait.
func (p *proxy) slow(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// spoil has fate say how often each event passes.
func (p *proxy) spoil(fate func() int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fate = fate
}

// at has come called when the text is about to pass to the target, or has passed and has not been answered; once.
func (p *proxy) at(text string, passes bool, come func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt = &halt{text, passes, come}
}

// mend ends all faults, but half open connections remain so.
func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.delay, p.fate, p.halt = false, 0, nil, nil
}

// copies is how often the next event passes.
func (p *proxy) copies() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fate == nil {
		return 1
	}
	return p.fate()
}

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *proxy) serve(client net.Conn) {
	target, err := net.Dial("tcp", p.target())
	if err != nil {
		_ = client.Close()
		return
	}
	c := &passage{client: client, target: target, dead: make(chan struct{})}
	p.mu.Lock()
	p.conns[c] = true
	if p.down {
		c.end()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(&pipe{target, c, p, true}, client)
		c.end()
	})
	if p.filter != nil {
		_ = p.filter(&pipe{client, c, p, false}, target, p)
	} else {
		_, _ = io.Copy(&pipe{client, c, p, false}, target)
	}
	c.end()
	both.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

func (c *passage) end() {
	_ = c.client.Close()
	_ = c.target.Close()
}

// A pipe is one direction of a passage.
type pipe struct {
	to net.Conn
	c  *passage
	p  *proxy
	up bool // to the target
}

func (w *pipe) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	delay, halt := w.p.delay, w.p.halt
	if halt != nil && w.up && bytes.Contains(b, []byte(halt.text)) {
		w.p.halt = nil
	} else {
		halt = nil
	}
	w.p.mu.Unlock()
	if halt != nil {
		if halt.passes {
			n, err := w.to.Write(b)
			halt.come()
			return n, err
		}
		halt.come()
	}
	if delay > 0 {
		time.Sleep(delay)
	}
	select {
	case <-w.c.dead:
		return len(b), nil
	default:
		return w.to.Write(b)
	}
}

// natsFilter passes on what a NATS server sends, message by message; those with an event of a PBX as often as fate has it.
func natsFilter(to io.Writer, from io.Reader, p *proxy) error {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		message := line
		words := append(bytes.Fields(line), nil)
		event := false
		if verb := string(words[0]); verb == "MSG" || verb == "HMSG" {
			size, err := strconv.Atoi(string(words[len(words)-2]))
			if err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			body := make([]byte, size+2)
			if _, err := io.ReadFull(in, body); err != nil {
				return err
			}
			message = append(message, body...)
			event = bytes.HasPrefix(words[1], []byte("rcc.v1.")) && bytes.Contains(words[1], []byte(".on."))
		}
		times := 1
		if event {
			times = p.copies()
		}
		for range times {
			if _, err := to.Write(message); err != nil {
				return err
			}
		}
	}
}
