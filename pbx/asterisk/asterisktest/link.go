package asterisktest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// A Link is a way to the AMI that can be cut. Its methods may be called by any goroutine.
type Link struct {
	l      net.Listener
	target string
	wg     sync.WaitGroup

	mu    sync.Mutex
	up    bool
	conns map[net.Conn]bool
	stop  *Stop
	quiet chan struct{} // while answers are kept; closed when they may pass
}

// A Stop is a place where a link stands still: at the first command that contains Text.
type Stop struct {
	Text string
	// Sent says that the command itself still passes, and what is answered does not. Else the command is kept.
	Sent bool

	reached  chan struct{}
	released chan struct{}
}

// Stop makes the link stand still where s says, once. reached is closed when it does; release lets all pass again that was kept.
func (k *Link) Stop(s Stop) (reached <-chan struct{}, release func()) {
	s.reached, s.released = make(chan struct{}), make(chan struct{})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stop = &s
	return s.reached, sync.OnceFunc(func() { close(s.released) })
}

// Link returns a link that is up, for clients to dial instead of [Asterisk.Address].
func (a *Asterisk) Link(t testing.TB) *Link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &Link{l: l, target: a.Address(), up: true, conns: map[net.Conn]bool{}}
	k.wg.Go(k.accept)
	t.Cleanup(func() {
		_ = l.Close()
		k.Cut()
		k.wg.Wait()
	})
	return k
}

// Address is where to dial, host:port. It remains the same.
func (k *Link) Address() string { return k.l.Addr().String() }

// Cut closes all connections over the link; new ones are closed at once.
func (k *Link) Cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.up = false
	for c := range k.conns {
		_ = c.Close()
	}
}

// Restore lets clients connect again.
func (k *Link) Restore() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.up = true
}

func (k *Link) accept() {
	for {
		c, err := k.l.Accept()
		if err != nil {
			return
		}
		k.wg.Go(func() { k.serve(c) })
	}
}

func (k *Link) serve(c net.Conn) {
	s, err := net.Dial("tcp", k.target)
	if err != nil {
		_ = c.Close()
		return
	}
	defer k.forget(c, s)
	if !k.remember(c, s) {
		return
	}
	k.wg.Go(func() {
		k.commands(s, c)
		_ = s.Close()
	})
	_, _ = io.Copy(answers{c, k}, s)
}

// commands passes on what the client sends.
func (k *Link) commands(to, from net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		k.mu.Lock()
		stop := k.stop
		if stop == nil || !bytes.Contains(b[:n], []byte(stop.Text)) {
			stop = nil
		} else {
			k.stop = nil
			if stop.Sent {
				k.quiet = stop.released
			}
		}
		k.mu.Unlock()
		if stop != nil && !stop.Sent {
			close(stop.reached)
			<-stop.released
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
		if stop != nil && stop.Sent {
			close(stop.reached)
		}
	}
}

// answers is the client, who is not answered while the link stands still.
type answers struct {
	net.Conn
	k *Link
}

func (a answers) Write(b []byte) (int, error) {
	a.k.mu.Lock()
	quiet := a.k.quiet
	a.k.mu.Unlock()
	if quiet != nil {
		<-quiet
	}
	return a.Conn.Write(b)
}

func (k *Link) remember(conns ...net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range conns {
		k.conns[c] = true
	}
	return k.up
}

func (k *Link) forget(conns ...net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(k.conns, c)
	}
}
