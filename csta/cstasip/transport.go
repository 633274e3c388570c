package cstasip

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The sockets that sipgo's transports read and write. They are opened here,
// because sipgo does not tell when it listens, and wrapped, for what sipgo does
// not do: refuse strangers before a message is parsed, limit connections and the
// time of a handshake, of a message and of idleness, tell who sent what could not
// be parsed, and close a connection whose message was cut by a write time-out.
// Framing, connection pool, dialling and parsing are sipgo's.

// Networks, as in the URLs of listeners.
const (
	udpNet = "udp"
	tcpNet = "tcp"
	tlsNet = "tls"
)

const (
	udpBuffer = 4 << 20 // octets asked of the kernel per UDP socket: a restart of all clients comes at once

	handshakeTimeout = 10 * time.Second // of TLS
	dialTimeout      = 5 * time.Second
	writeTimeout     = 10 * time.Second // a peer that does not read for so long has its connection closed
	messageTimeout   = 30 * time.Second // from a message's first octet to its last
	idleTimeout      = 2 * time.Minute  // of a connection without a dialog
)

// A network opens what is listened on. Tests put one in memory in the place of
// the host's.
type network interface {
	listenPacket(ctx context.Context, address string) (packetConn, error)
	listen(ctx context.Context, address string) (net.Listener, error)
	lookup(ctx context.Context, host string) ([]netip.Addr, error)
	localFor(peer netip.Addr) netip.Addr
}

// packetConn is what is used of a *net.UDPConn.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

type hostNetwork struct{}

func (hostNetwork) listenPacket(ctx context.Context, address string) (packetConn, error) {
	var lc net.ListenConfig
	c, err := lc.ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	u := c.(*net.UDPConn)
	// The kernel may grant less; that is no error.
	_ = u.SetReadBuffer(udpBuffer)
	_ = u.SetWriteBuffer(udpBuffer)
	return u, nil
}

func (hostNetwork) listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}

func (hostNetwork) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// localFor returns the address by which the host reaches peer.
func (hostNetwork) localFor(peer netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return addrPort(c.LocalAddr()).Addr()
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	case *net.TCPAddr:
		return unmap(a.AddrPort())
	case *address:
		return a.AddrPort
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return unmap(ap)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// An address is a net.Addr that is written once: sipgo writes the addresses of a
// connection several times per message.
type address struct {
	netip.AddrPort
	network, text string
}

func newAddress(network string, a netip.AddrPort) *address { return &address{a, network, a.String()} }

func (a *address) Network() string { return a.network }
func (a *address) String() string  { return a.text }

// splitListen cuts "tcp://127.0.0.1:5060" and supplies the default port.
func splitListen(s string) (network, address string, err error) {
	network, address, ok := strings.Cut(s, "://")
	if !ok || network != udpNet && network != tcpNet && network != tlsNet {
		return "", "", errors.New("cstasip: listener " + strconv.Quote(s) + ": want udp://, tcp:// or tls://host:port")
	}
	address = strings.TrimSuffix(address, "/")
	if _, _, err := net.SplitHostPort(address); err != nil {
		port := "5060"
		if network == tlsNet {
			port = "5061"
		}
		address = net.JoinHostPort(strings.Trim(address, "[]"), port)
	}
	return network, address, nil
}

// A gate is what a listener or socket asks about the peers that come.
type gate struct {
	log     *slog.Logger
	peers   func(netip.Addr) bool
	refused func(network string, peer netip.Addr, why error) // for the record

	maxConns, maxPeerConns int // zero: no limit

	// garbled is told what could not be parsed: a datagram that came by s, or, b
	// and s being nil, something on a connection.
	garbled func(network string, from netip.AddrPort, b []byte, s *socket)
}

func (g *gate) admits(network string, peer netip.Addr) bool {
	if g.peers == nil || g.peers(peer) {
		return true
	}
	g.refused(network, peer, errNotPeer)
	return false
}

// A socket is a UDP socket, read by sipgo.
type socket struct {
	packetConn
	c     *core
	local netip.AddrPort
	addr  *address

	reading chan struct{} // closed when sipgo reads, and so knows it
	once    sync.Once

	buf   []byte // of one datagram; the reader's
	start startLine

	mu   sync.Mutex
	from *address // of the datagram that is being parsed
	size int
	seen bool // it was parsed
}

func newSocket(p packetConn, c *core) *socket {
	local := addrPort(p.LocalAddr())
	return &socket{packetConn: p, c: c, local: local, addr: newAddress(udpNet, local), buf: make([]byte, 64<<10), from: new(address), seen: true, reading: make(chan struct{})}
}

func (s *socket) LocalAddr() net.Addr { return s.addr }

// parsed notes that the datagram has become a message, and returns its sender. It
// is called by the reader.
func (s *socket) parsed() *address {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = true
	return s.from
}

// ReadFrom returns the next datagram of a peer. It is called when what it
// returned before was parsed, or was dropped because it could not be. The address
// that it returns is the socket's own: sipgo remembers each that it sees.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	s.once.Do(func() { close(s.reading) })
	s.mu.Lock()
	garbled := !s.seen
	s.seen = true
	s.mu.Unlock()
	if garbled {
		s.c.gate.garbled(udpNet, s.from.AddrPort, s.buf[:s.size], s)
	}
	for {
		n, from, err := s.ReadFromUDPAddrPort(s.buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			// ICMP errors of earlier sends surface here: they concern one peer,
			// and sipgo would stop to read.
			s.c.gate.log.Debug("UDP read failed", "error", err)
			continue
		}
		from = unmap(from)
		if s.c.muted.Load() || !s.c.gate.admits(udpNet, from.Addr()) {
			continue
		}
		// Some stacks send their string's NUL; line ends alone are a keep-alive
		// (RFC 5626 §3.5.1).
		data := bytes.TrimLeft(bytes.TrimRight(s.buf[:n], "\x00"), "\r\n")
		if len(data) == 0 {
			continue
		}
		if i := bytes.IndexByte(data, '\n') + 1; i > 0 {
			line := s.start.fix(data[:i])
			i -= len(line)
			copy(data[i:], line)
			data = data[i:]
		}
		s.mu.Lock()
		if s.from.AddrPort != from {
			s.from = newAddress(udpNet, from)
		}
		s.size = copy(s.buf, data)
		s.seen = false
		s.mu.Unlock()
		if s.size > len(b) {
			// sipgo's buffer: the parser will not get it whole.
			s.mu.Lock()
			s.seen = true
			s.mu.Unlock()
			s.c.gate.garbled(udpNet, from, s.buf[:s.size], s)
			continue
		}
		return copy(b, s.buf[:s.size]), s.addr, nil
	}
}

// WriteTo sends a datagram.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	return s.WriteToUDPAddrPort(b, addrPort(to))
}

// Deadlines are not used by sipgo.
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// A conn is a TCP or TLS connection that a peer opened.
type conn struct {
	net.Conn
	c             *core
	network       string
	local, remote *address

	users  atomic.Int32 // dialogs that go over it
	heard  atomic.Int64 // when the last message came, in Unix nanoseconds
	closed atomic.Bool
	cert   atomic.Pointer[x509.Certificate] // the peer's, TLS

	// The reader's.
	shaken bool // the handshake is over
	ended  bool // the peer, or a time-out, has ended it
	frame  boundary
	rest   []byte    // of a message's beginning, which did not fit
	began  time.Time // when the message that is being read began; zero between messages
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Read reads for sipgo, which waits for ever: here a connection is given up that
// does not shake hands, does not finish its message, or has no dialog and
// says nothing.
func (c *conn) Read(b []byte) (int, error) {
	if secure, ok := c.Conn.(*tls.Conn); ok && !c.shaken {
		if err := c.handshake(secure); err != nil {
			c.ended = true
			return 0, io.EOF
		}
		c.shaken = true
	}
	if len(c.rest) > 0 {
		n := copy(b, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	for c.frame.state != lost {
		deadline := time.Unix(0, c.heard.Load()).Add(idleTimeout)
		if c.frame.inside() {
			deadline = c.began.Add(messageTimeout)
		} else if c.users.Load() > 0 {
			deadline = time.Now().Add(idleTimeout)
		}
		if err := c.SetReadDeadline(deadline); err != nil {
			c.ended = true
			return 0, io.EOF
		}
		n, err := c.Conn.Read(b)
		if err == nil && c.c.muted.Load() {
			continue
		}
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() && !c.frame.inside() && c.users.Load() > 0 {
				continue
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.c.gate.log.Debug("connection lost", "network", c.network, "peer", c.remote, "error", err)
			}
			c.ended = true
			return 0, io.EOF // to sipgo any other error is one to be logged
		}
		if !c.frame.inside() {
			c.began = time.Now()
		}
		if data := c.frame.filter(b[:n]); len(data) > 0 {
			n := copy(b, data)
			c.rest = bytes.Clone(data[n:])
			return n, nil
		}
	}
	return 0, io.EOF // Close reports it
}

func (c *conn) handshake(secure *tls.Conn) error {
	ctx, stop := context.WithTimeout(context.Background(), handshakeTimeout)
	defer stop()
	if err := secure.HandshakeContext(ctx); err != nil {
		c.c.gate.refused(tlsNet, c.remote.Addr(), err)
		return err
	}
	if certs := secure.ConnectionState().PeerCertificates; len(certs) > 0 {
		c.cert.Store(certs[0])
	}
	return nil
}

// Write writes one message.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil {
		// Part of the message may be out: nothing that follows would be understood.
		c.shut()
	}
	return n, err
}

// Close is called by sipgo, when it stops to read: because Read has failed, or
// because it cannot tell where the next message begins.
func (c *conn) Close() error {
	if !c.closed.Load() && !c.ended {
		c.c.gate.garbled(c.network, c.remote.AddrPort, nil, nil)
	}
	c.shut()
	return nil
}

// shut closes the connection.
func (c *conn) shut() {
	if c.closed.Swap(true) {
		return
	}
	c.c.forget(c)
	_ = c.Conn.Close()
	c.c.spawn(func() { c.c.lost(c) })
}

// A boundary follows where messages end in a stream, takes out the line ends
// between them and puts their start lines right. SIPE sends a bare LF behind a
// message without body. sipgo takes it for the first octet of the next method, and
// where a keep-alive follows it for a start line without SIP: then it closes the
// connection. The framing stays sipgo's; what this finds wrong it lets pass.
type boundary struct {
	state int    // of those below
	left  int    // octets of the body to come
	size  int    // Content-Length; -1: none so far
	folds bool   // the value of Content-Length is in the next line
	bad   bool   // Content-Length does not tell where the message ends
	line  []byte // the start line so far, or the beginning of the header line being read
	start startLine
}

const (
	betweenMessages = iota
	inStart
	inHead
	inBody
	lost // nothing is to follow
)

// maxStartLine bounds what is kept of a start line that comes in pieces. A longer
// one passes as it is.
const maxStartLine = 4 << 10

func (b *boundary) inside() bool { return b.state != betweenMessages }

// filter returns data without what does not belong to a message, in place unless a
// start line is among it that began earlier. A keep-alive between messages
// passes, for sipgo to answer.
func (b *boundary) filter(data []byte) []byte {
	if !b.inside() && len(bytes.Trim(data, "\r\n")) == 0 {
		if len(data) >= 4 {
			return data[:copy(data, "\r\n\r\n")]
		}
		return nil
	}
	if b.state == inStart {
		data = append(b.line, data...)
		b.line = nil
	}
	out := data[:0]
	for len(data) > 0 {
		switch b.state {
		case betweenMessages:
			data = bytes.TrimLeft(data, "\r\n")
			if len(data) > 0 {
				b.state, b.size = inStart, -1
			}
		case inStart:
			n := bytes.IndexByte(data, '\n') + 1
			switch {
			case n > maxStartLine, n == 0 && len(data) > maxStartLine:
				b.state = inHead
			case n == 0:
				b.line = bytes.Clone(data)
				return out
			default:
				out, data = append(out, b.start.fix(data[:n])...), data[n:]
				b.state = inHead
			}
		case inHead:
			n := bytes.IndexByte(data, '\n') + 1
			whole := n > 0
			if !whole {
				n = len(data)
			}
			if len(b.line) < 64 {
				b.line = append(b.line, data[:min(n, 64)]...)
			}
			out, data = append(out, data[:n]...), data[n:]
			if !whole {
				break
			}
			if len(bytes.TrimRight(b.line, "\r\n")) > 0 {
				b.header(b.line)
				b.line = b.line[:0]
				break
			}
			if b.bad {
				b.state = lost
				return out[:len(out)-n] // without its empty line the message has no end
			}
			if b.left = b.size; b.left > 0 {
				b.state = inBody
			} else {
				b.state = betweenMessages
			}
			b.line = nil
		case inBody:
			n := min(b.left, len(data))
			out, data = append(out, data[:n]...), data[n:]
			if b.left -= n; b.left == 0 {
				b.state = betweenMessages
			}
		case lost:
			return out
		}
	}
	return out
}

// header takes a header line, of which only Content-Length is of interest.
func (b *boundary) header(line []byte) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if folded := line[0] == ' ' || line[0] == '\t'; folded && b.folds {
		value = line
	} else if name := string(bytes.TrimSpace(name)); folded || !ok || name != "l" && name != "L" && !strings.EqualFold(name, "content-length") {
		b.folds = false
		return
	}
	value = bytes.TrimSpace(value)
	if b.folds = len(value) == 0; b.folds {
		return
	}
	n, err := strconv.Atoi(string(value))
	b.bad = b.bad || err != nil || n < 0 || b.size >= 0
	b.size = n
}

// A listener is a TCP or TLS listener, accepted from by sipgo.
type listener struct {
	net.Listener
	c       *core
	network string
	local   netip.AddrPort
}

// Accept returns the next connection that may live.
func (l *listener) Accept() (net.Conn, error) {
	var pause time.Duration
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			// Out of descriptors, or the peer gave up: as net/http, wait and go on.
			// sipgo would stop to accept.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.c.gate.log.Warn("accept failed", "network", l.network, "error", err)
			time.Sleep(pause)
			continue
		}
		pause = 0
		c := &conn{
			Conn: raw, c: l.c, network: l.network,
			local: newAddress(tcpNet, addrPort(raw.LocalAddr())), remote: newAddress(tcpNet, addrPort(raw.RemoteAddr())),
		}
		c.heard.Store(time.Now().UnixNano())
		if l.network == tlsNet {
			c.Conn = tls.Server(raw, l.c.tls)
		}
		if !l.c.gate.admits(l.network, c.remote.Addr()) {
			_ = raw.Close()
			continue
		}
		if err := l.c.remember(c); err != nil {
			l.c.gate.refused(l.network, c.remote.Addr(), err)
			_ = raw.Close()
			continue
		}
		return c, nil
	}
}
