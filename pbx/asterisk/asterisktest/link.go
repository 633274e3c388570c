package asterisktest

import (
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
		_, _ = io.Copy(s, c)
		_ = s.Close()
	})
	_, _ = io.Copy(c, s)
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
