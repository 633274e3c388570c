package cstasip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Networks, as in the URLs of listeners.
const (
	udpNet = "udp"
	tcpNet = "tcp"
	tlsNet = "tls"
)

const (
	maxMessage = 192 << 10 // octets of a message: more than a body that is answered 413
	readBuffer = 4 << 10   // octets held per connection while it is idle
	udpBuffer  = 4 << 20   // octets asked of the kernel per UDP socket: a restart of all clients comes at once

	handshakeTimeout = 10 * time.Second // of TLS
	dialTimeout      = 5 * time.Second
	writeTimeout     = 10 * time.Second // a peer that does not read for so long has its connection closed
	messageTimeout   = 30 * time.Second // from a message's first octet to its last
	idleTimeout      = 2 * time.Minute  // of a connection without a dialog
)

// A network makes sockets. Tests put one in memory in the place of the host's.
type network interface {
	listenPacket(ctx context.Context, address string) (packetConn, error)
	listen(ctx context.Context, address string) (net.Listener, error)
	dial(ctx context.Context, address string) (net.Conn, error)
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

func (hostNetwork) dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
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
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}

// A flow is a way to a peer: a UDP socket and an address, or a connection. The
// zero flow leads nowhere.
type flow struct {
	sock *socket
	conn *conn
	peer netip.AddrPort
}

func (f flow) network() string {
	switch {
	case f.conn != nil:
		return f.conn.network
	case f.sock != nil:
		return udpNet
	}
	return ""
}

func (f flow) reliable() bool { return f.conn != nil }

// alive reports whether the flow leads somewhere, as far as is known.
func (f flow) alive() bool {
	return f.sock != nil || f.conn != nil && !f.conn.closed.Load()
}

var errNoFlow = errors.New("no way to the peer")

// write sends one message. It may block for writeTimeout on a connection whose
// peer does not read.
func (f flow) write(b []byte) error {
	switch {
	case f.conn != nil:
		return f.conn.write(b)
	case f.sock != nil:
		_, err := f.sock.WriteToUDPAddrPort(b, f.peer)
		return err
	}
	return errNoFlow
}

// A socket is a UDP socket.
type socket struct {
	packetConn
	t      *transport
	local  netip.AddrPort
	sentBy sync.Map // of core.sentBy
}

// A conn is a TCP or TLS connection, accepted or dialled.
type conn struct {
	net.Conn
	t             *transport
	network       string
	local, remote netip.AddrPort
	cert          *x509.Certificate // the peer's, TLS

	users  atomic.Int32 // dialogs that go over it
	closed atomic.Bool
	sentBy sync.Map // of core.sentBy
}

func (c *conn) write(b []byte) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	err := c.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.Conn.Write(b)
	}
	if err != nil {
		// Part of the message may be out: nothing that follows would be understood.
		c.close()
	}
	return err
}

func (c *conn) close() {
	if c.closed.Swap(true) {
		return
	}
	c.t.forget(c)
	_ = c.Conn.Close()
}

// A transport owns sockets and connections and parses what they receive.
type transport struct {
	net       network
	log       *slog.Logger
	tls       *tls.Config
	peers     func(netip.Addr) bool
	maxConns  int
	parser    *sip.Parser
	receive   func(*message)                                    // called by the reader: per connection and per socket in order of arrival
	malformed func(f flow, m *message, err error)               // as receive; m may be nil
	panicked  func(where string, value any, stack []byte)       // for the record
	refused   func(network string, peer netip.Addr, why string) // likewise

	mu        sync.Mutex
	sockets   []*socket
	listeners []*listener
	conns     map[connKey]*conn
	dials     map[connKey]*dialing
	closed    bool
	readers   sync.WaitGroup
}

type connKey struct {
	network string
	remote  netip.AddrPort
}

type listener struct {
	net.Listener
	network string
	local   netip.AddrPort
}

// splitListen cuts "tcp://127.0.0.1:5060" and supplies the default port.
func splitListen(s string) (network, address string, err error) {
	network, address, ok := strings.Cut(s, "://")
	if !ok || network != udpNet && network != tcpNet && network != tlsNet {
		return "", "", fmt.Errorf("cstasip: listener %q: want udp://, tcp:// or tls://host:port", s)
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

// listen opens the listeners; nothing is read before serve.
func (t *transport) listen(ctx context.Context, urls []string) error {
	for _, url := range urls {
		network, address, err := splitListen(url)
		if err != nil {
			return err
		}
		if network == udpNet {
			if _, err := t.listenUDP(ctx, address); err != nil {
				return fmt.Errorf("cstasip: %w", err)
			}
			continue
		}
		if network == tlsNet && t.tls == nil {
			return fmt.Errorf("cstasip: listener %q needs a TLS configuration", url)
		}
		l, err := t.net.listen(ctx, address)
		if err != nil {
			return fmt.Errorf("cstasip: %w", err)
		}
		t.mu.Lock()
		t.listeners = append(t.listeners, &listener{l, network, addrPort(l.Addr())})
		t.mu.Unlock()
	}
	return nil
}

func (t *transport) listenUDP(ctx context.Context, address string) (*socket, error) {
	c, err := t.net.listenPacket(ctx, address)
	if err != nil {
		return nil, err
	}
	s := &socket{packetConn: c, t: t, local: addrPort(c.LocalAddr())}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sockets = append(t.sockets, s)
	return s, nil
}

// addrs returns the addresses that are listened on, as URLs.
func (t *transport) addrs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for _, s := range t.sockets {
		list = append(list, udpNet+"://"+s.local.String())
	}
	for _, l := range t.listeners {
		list = append(list, l.network+"://"+l.local.String())
	}
	return list
}

// serve starts a reader per socket and listener.
func (t *transport) serve() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	for _, s := range t.sockets {
		t.readers.Go(func() { t.readPackets(s) })
	}
	for _, l := range t.listeners {
		t.readers.Go(func() { t.accept(l) })
	}
}

// close closes everything and waits for the readers.
func (t *transport) close() {
	t.mu.Lock()
	t.closed = true
	for _, s := range t.sockets {
		_ = s.Close()
	}
	for _, l := range t.listeners {
		_ = l.Close()
	}
	conns := make([]*conn, 0, len(t.conns))
	for _, c := range t.conns {
		conns = append(conns, c)
	}
	t.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
	t.readers.Wait()
}

func (t *transport) connections() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

func (t *transport) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := (connKey{c.network, c.remote}); t.conns[k] == c {
		delete(t.conns, k)
	}
}

// add enters a connection, and reports whether it may live.
func (t *transport) add(c *conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return net.ErrClosed
	case t.maxConns > 0 && len(t.conns) >= t.maxConns:
		return errors.New("too many connections")
	}
	if t.conns == nil {
		t.conns = map[connKey]*conn{}
	}
	t.conns[connKey{c.network, c.remote}] = c
	return nil
}

func (t *transport) readPackets(s *socket) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// ICMP errors of earlier sends surface here: they concern one peer.
			t.log.Debug("UDP read failed", "error", err)
			continue
		}
		peer := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if t.peers != nil && !t.peers(peer.Addr()) {
			t.refused(udpNet, peer.Addr(), "not a peer")
			continue
		}
		data := trimNUL(buf[:n])
		if blank(data) {
			continue // a keep-alive (RFC 5626 §3.5.1)
		}
		f := flow{sock: s, peer: peer}
		t.guard(func() {
			m, err := t.parser.ParseSIP(data)
			t.deliver(m, f, err)
		})
	}
}

// trimNUL cuts NULs off a datagram's end: some stacks send their string's own.
func trimNUL(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// deliver hands a parsed message on, or reports it.
func (t *transport) deliver(parsed sip.Message, f flow, err error) {
	var m *message
	if parsed != nil {
		var incomplete error
		m, incomplete = newMessage(parsed, f)
		if err == nil {
			err = incomplete
		}
	}
	if err != nil {
		t.malformed(f, m, err)
		return
	}
	t.receive(m)
}

// guard runs f; a panic in it costs the message, not the process.
func (t *transport) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			t.panicked("receiving", v, debug.Stack())
		}
	}()
	f()
}

func (t *transport) accept(l *listener) {
	var pause time.Duration
	for {
		raw, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors, or the peer gave up: as net/http, wait and go on.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			t.log.Warn("accept failed", "network", l.network, "error", err)
			time.Sleep(pause)
			continue
		}
		pause = 0
		c := &conn{Conn: raw, t: t, network: l.network, local: addrPort(raw.LocalAddr()), remote: addrPort(raw.RemoteAddr())}
		if t.peers != nil && !t.peers(c.remote.Addr()) {
			t.refused(l.network, c.remote.Addr(), "not a peer")
			_ = raw.Close()
			continue
		}
		if l.network == tlsNet {
			c.Conn = tls.Server(raw, t.tls)
		}
		if err := t.add(c); err != nil {
			t.refused(l.network, c.remote.Addr(), err.Error())
			_ = raw.Close()
			continue
		}
		t.readers.Go(func() {
			defer c.close()
			if secure, ok := c.Conn.(*tls.Conn); ok && !t.handshake(c, secure) {
				return
			}
			t.read(c)
		})
	}
}

func (t *transport) handshake(c *conn, secure *tls.Conn) bool {
	ctx, stop := context.WithTimeout(context.Background(), handshakeTimeout)
	defer stop()
	if err := secure.HandshakeContext(ctx); err != nil {
		t.refused(tlsNet, c.remote.Addr(), err.Error())
		return false
	}
	if certs := secure.ConnectionState().PeerCertificates; len(certs) > 0 {
		c.cert = certs[0]
	}
	return true
}

// read reads messages until the connection ends or a message cannot be
// delimited: behind it nothing could be told apart.
func (t *transport) read(c *conn) {
	stream := t.parser.NewSIPStream()
	defer stream.Close()
	f := flow{conn: c, peer: c.remote}
	buf := make([]byte, readBuffer)
	var began time.Time // when the message that is being read began; zero between messages
	for {
		deadline := time.Now().Add(idleTimeout)
		if !began.IsZero() {
			deadline = began.Add(messageTimeout)
		}
		if c.SetReadDeadline(deadline) != nil {
			return
		}
		n, err := c.Read(buf)
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() && began.IsZero() && c.users.Load() > 0 {
				continue
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				t.log.Debug("connection lost", "network", c.network, "peer", c.remote, "error", err)
			}
			return
		}
		data := buf[:n]
		if began.IsZero() {
			if blank(data) {
				// RFC 5626 §3.5.1: two CRLF are a ping, one is its answer.
				if n >= 4 && c.write(crlf) != nil {
					return
				}
				continue
			}
			began = time.Now()
		}
		_, _ = stream.Write(data)
		open := false // and stays so if there is a panic
		t.guard(func() { open = t.drain(stream, f, &began) })
		if !open {
			return
		}
		if began.IsZero() {
			stream.Close() // gives its buffer back while the connection is idle
		}
	}
}

var crlf = []byte("\r\n")

// drain delivers the messages that are complete, and reports whether the stream
// can go on.
func (t *transport) drain(stream *sip.ParserStream, f flow, began *time.Time) (ok bool) {
	for stream.Buffer().Len() > 0 {
		m, _, err := stream.ParseNext()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return true
		}
		t.deliver(m, f, err)
		if err != nil {
			return false
		}
		*began = time.Time{}
		if stream.Buffer().Len() > 0 {
			*began = time.Now()
		}
	}
	return true
}

type dialing struct {
	done chan struct{}
	conn *conn
	err  error
}

// connect returns a connection to the address, one that exists if there is one.
// Many dialogs may ask at once, when their proxy comes back: one dials for all.
func (t *transport) connect(ctx context.Context, network string, to netip.AddrPort, serverName string) (*conn, error) {
	k := connKey{network, to}
	t.mu.Lock()
	if c := t.conns[k]; c != nil {
		t.mu.Unlock()
		return c, nil
	}
	if t.closed {
		t.mu.Unlock()
		return nil, net.ErrClosed
	}
	if d := t.dials[k]; d != nil {
		t.mu.Unlock()
		select {
		case <-d.done:
			return d.conn, d.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	d := &dialing{done: make(chan struct{})}
	if t.dials == nil {
		t.dials = map[connKey]*dialing{}
	}
	t.dials[k] = d
	t.mu.Unlock()

	d.conn, d.err = t.dial(ctx, network, to, serverName)
	t.mu.Lock()
	delete(t.dials, k)
	t.mu.Unlock()
	close(d.done)
	return d.conn, d.err
}

func (t *transport) dial(ctx context.Context, network string, to netip.AddrPort, serverName string) (*conn, error) {
	ctx, stop := context.WithTimeout(ctx, dialTimeout)
	defer stop()
	raw, err := t.net.dial(ctx, to.String())
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, t: t, network: network, local: addrPort(raw.LocalAddr()), remote: to}
	if network == tlsNet {
		config := t.tls.Clone()
		if config == nil {
			config = new(tls.Config)
		}
		if config.ServerName == "" {
			config.ServerName = serverName
		}
		secure := tls.Client(raw, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		c.Conn = secure
		if certs := secure.ConnectionState().PeerCertificates; len(certs) > 0 {
			c.cert = certs[0]
		}
	}
	if err := t.add(c); err != nil {
		_ = c.Conn.Close()
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = c.Conn.Close()
		return nil, net.ErrClosed
	}
	t.readers.Go(func() {
		defer c.close()
		t.read(c)
	})
	return c, nil
}

// local returns host and port to name in Via and Contact for what goes over f:
// those of a listener, not of a dialled connection.
func (t *transport) local(f flow) netip.AddrPort {
	if f.sock != nil {
		if a := f.sock.local; !a.Addr().IsUnspecified() {
			return a
		}
		return netip.AddrPortFrom(t.net.localFor(f.peer.Addr()), f.sock.local.Port())
	}
	if f.conn == nil {
		return netip.AddrPort{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.listeners {
		if l.network == f.conn.network && (l.local.Addr() == f.conn.local.Addr() || l.local.Addr().IsUnspecified()) {
			return netip.AddrPortFrom(f.conn.local.Addr(), l.local.Port())
		}
	}
	return f.conn.local
}
