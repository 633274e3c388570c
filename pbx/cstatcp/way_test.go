package cstatcp_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A way is a network between driver and server, which can swallow what is sent
// on the connections that there are.
type way struct {
	listener net.Listener
	mu       sync.Mutex
	pipes    []*pipe
}

type pipe struct {
	mu     sync.Mutex
	closed bool // to data
	ends   [2]net.Conn
}

func newWay(t *testing.T, to string) *way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{listener: l}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			onward, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			p := &pipe{ends: [2]net.Conn{from, onward}}
			w.mu.Lock()
			w.pipes = append(w.pipes, p)
			w.mu.Unlock()
			for i := range 2 {
				running.Go(func() {
					_, _ = io.Copy(gate{p, p.ends[1-i]}, p.ends[i])
					_ = from.Close()
					_ = onward.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		for _, p := range w.pipes {
			for _, c := range p.ends {
				_ = c.Close()
			}
		}
		w.mu.Unlock()
		running.Wait()
	})
	return w
}

func (w *way) address() string { return w.listener.Addr().String() }

// swallow lets nothing through any more on the connections that there are.
func (w *way) swallow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pipes {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
	}
}

// A gate writes to one end while the pipe is not closed.
type gate struct {
	p  *pipe
	to net.Conn
}

func (g gate) Write(b []byte) (int, error) {
	g.p.mu.Lock()
	defer g.p.mu.Unlock()
	if g.p.closed {
		return len(b), nil
	}
	return g.to.Write(b)
}
