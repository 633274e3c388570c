package cstasip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// A memNet is a network in memory, so that timers can be tested in a synctest
// bubble. Datagrams may be lost on purpose.
type memNet struct {
	mu      sync.Mutex
	packets map[netip.AddrPort]*memPacket
	tcp     map[netip.AddrPort]*memListener
	names   map[string]netip.Addr
	port    uint16
	lose    func(b []byte) bool // nil: none is lost
}

func newMemNet() *memNet {
	return &memNet{packets: map[netip.AddrPort]*memPacket{}, tcp: map[netip.AddrPort]*memListener{}, names: map[string]netip.Addr{}, port: 30000}
}

// A memHost is the network as one host sees it.
type memHost struct {
	*memNet
	ip netip.Addr
}

func (n *memNet) host(ip string) memHost { return memHost{n, netip.MustParseAddr(ip)} }

func (h memHost) bind(address string) netip.AddrPort {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err)
	}
	ap := netip.MustParseAddrPort(h.ip.String() + ":" + port)
	if ap.Port() == 0 {
		h.port++
		ap = netip.AddrPortFrom(h.ip, h.port)
	}
	return ap
}

func (h memHost) listenPacket(_ context.Context, address string) (packetConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &memPacket{n: h.memNet, local: h.bind(address), in: make(chan memDatagram, 10000), closed: make(chan struct{})}
	h.packets[p.local] = p
	return p, nil
}

func (h memHost) listen(_ context.Context, address string) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &memListener{n: h.memNet, local: h.bind(address), in: make(chan net.Conn, 100), closed: make(chan struct{})}
	h.tcp[l.local] = l
	return l, nil
}

func (h memHost) dial(_ context.Context, address string) (net.Conn, error) {
	h.mu.Lock()
	l := h.tcp[netip.MustParseAddrPort(address)]
	h.port++
	local := netip.AddrPortFrom(h.ip, h.port)
	h.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: connection refused", address)
	}
	ours, theirs := memPair(local, l.local)
	select {
	case l.in <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", address)
	}
}

func (h memHost) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	if a, ok := h.names[name]; ok {
		return []netip.Addr{a}, nil
	}
	return nil, errors.New("no such host")
}

func (h memHost) localFor(netip.Addr) netip.Addr { return h.ip }

// peer connects a sipPeer to the server's URL.
func (h memHost) peer(t testing.TB, url string) *sipPeer {
	t.Helper()
	network, address, err := splitListen(url)
	if err != nil {
		t.Fatal(err)
	}
	if network == udpNet {
		c, _ := h.listenPacket(t.Context(), ":0")
		return newPeerOn(t, &memUDP{c.(*memPacket), netip.MustParseAddrPort(address)})
	}
	c, err := h.dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return newPeerOn(t, c)
}

type memDatagram struct {
	b    []byte
	from netip.AddrPort
}

type memPacket struct {
	n      *memNet
	local  netip.AddrPort
	in     chan memDatagram
	once   sync.Once
	closed chan struct{}
}

func (p *memPacket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-p.in:
		return copy(b, d.b), d.from, nil
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *memPacket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	p.n.mu.Lock()
	q := p.n.packets[to]
	lost := p.n.lose != nil && p.n.lose(b)
	p.n.mu.Unlock()
	if q != nil && !lost {
		q.in <- memDatagram{bytes.Clone(b), p.local}
	}
	return len(b), nil
}

func (p *memPacket) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.local) }

func (p *memPacket) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.n.mu.Lock()
		defer p.n.mu.Unlock()
		delete(p.n.packets, p.local)
	})
	return nil
}

// A memUDP is a memPacket as a connected socket.
type memUDP struct {
	*memPacket
	remote netip.AddrPort
}

func (c *memUDP) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromUDPAddrPort(b)
	return n, err
}
func (c *memUDP) Write(b []byte) (int, error)      { return c.WriteToUDPAddrPort(b, c.remote) }
func (c *memUDP) RemoteAddr() net.Addr             { return net.UDPAddrFromAddrPort(c.remote) }
func (c *memUDP) SetDeadline(time.Time) error      { return nil }
func (c *memUDP) SetReadDeadline(time.Time) error  { return nil }
func (c *memUDP) SetWriteDeadline(time.Time) error { return nil }

type memListener struct {
	n      *memNet
	local  netip.AddrPort
	in     chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

func (l *memListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.n.mu.Lock()
		defer l.n.mu.Unlock()
		delete(l.n.tcp, l.local)
	})
	return nil
}

// A memConn is one end of a connection with an unbounded buffer.
type memConn struct {
	local, remote netip.AddrPort
	in, out       *memPipe
}

type memPipe struct {
	mu       sync.Mutex
	cond     *sync.Cond
	b        bytes.Buffer
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

func newMemPipe() *memPipe {
	p := new(memPipe)
	p.cond = sync.NewCond(&p.mu)
	return p
}

func memPair(a, b netip.AddrPort) (net.Conn, net.Conn) {
	x, y := newMemPipe(), newMemPipe()
	return &memConn{a, b, x, y}, &memConn{b, a, y, x}
}

func (c *memConn) Read(b []byte) (int, error) {
	p := c.in
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.b.Len() == 0 {
		if p.closed {
			return 0, io.EOF
		}
		if !p.deadline.IsZero() && !time.Now().Before(p.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		p.cond.Wait()
	}
	return p.b.Read(b)
}

func (c *memConn) Write(b []byte) (int, error) {
	p := c.out
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	p.b.Write(b)
	p.cond.Broadcast()
	return len(b), nil
}

func (c *memConn) Close() error {
	for _, p := range []*memPipe{c.in, c.out} {
		p.mu.Lock()
		p.closed = true
		if p.timer != nil {
			p.timer.Stop()
		}
		p.cond.Broadcast()
		p.mu.Unlock()
	}
	return nil
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	p := c.in
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(time.Until(t), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cond.Broadcast()
	})
	return nil
}

func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
func (c *memConn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *memConn) LocalAddr() net.Addr              { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(c.remote) }

// A namedConn is a connection with addresses of the network.
type namedConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c namedConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c namedConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }
