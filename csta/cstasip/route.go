package cstasip

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// A leg is one side's view of a dialog, as far as sending goes (RFC 3261 §12):
// who is who, the CSeq, and the way to the peer. Its owner's mutex guards it.
type leg struct {
	core *core

	callID              string
	localTag, remoteTag string
	local, remote       string // From and To values of our requests, tags included

	target  string   // the peer's Contact URI
	routes  []string // the route set, as header values, nearest first
	network string   // that the peer used last: the default for a new connection
	flow    flow     // the way to the next hop; not alive: not known yet, or lost
	user    string   // of our Contact
	secure  bool     // sips
	cseq    uint32   // of our last request
}

// hop returns the URI of the next hop.
func (l *leg) hop() string {
	if len(l.routes) > 0 {
		uri, _, _ := nameAddr(l.routes[0])
		return uri
	}
	return l.target
}

// hopNetwork returns the network of a URI, def if it names none.
func hopNetwork(uri, def string) string {
	t, _ := uriParam(uri, "transport")
	t = strings.ToLower(t)
	if len(uri) > 5 && strings.EqualFold(uri[:5], "sips:") {
		return tlsNet
	}
	switch t {
	case udpNet, tcpNet, tlsNet:
		return t
	}
	return def
}

// hopAddress returns host and port of a URI; maddr comes first, which is how
// SIPE writes where it really is (RFC 3261 §19.1.1).
func hopAddress(uri, network string) (host string, port uint16, ok bool) {
	host, n, ok := uriHostPort(uri)
	if !ok {
		return "", 0, false
	}
	if maddr, there := uriParam(uri, "maddr"); there && maddr != "" {
		host = strings.Trim(maddr, "[]")
	}
	if n == 0 {
		n = 5060
		if network == tlsNet {
			n = 5061
		}
	}
	return host, uint16(n), true
}

// adopt takes the way that m came as the way to the peer, where it leads to the
// next hop. Over TCP and TLS that is the client's own connection, or that of the
// proxy next to us: behind a firewall there is no other. Over UDP it is the
// Contact or the route; but a client that names itself by something other than
// the address its packets come from is behind a NAT, and is answered where it is.
func (l *leg) adopt(m *message) {
	l.network = m.flow.network()
	hop := l.hop()
	network := hopNetwork(hop, l.network)
	host, port, ok := hopAddress(hop, network)
	near := false // is the sender of m the next hop?
	addr, err := netip.ParseAddr(host)
	addr = addr.Unmap()
	source := m.flow.peer.Addr()
	if len(l.routes) == 0 {
		near = m.direct()
	} else {
		near = ok && (err == nil && addr == source || strings.EqualFold(host, m.via.host))
	}
	switch {
	case m.flow.reliable():
		if near {
			l.use(m.flow)
			return
		}
	case network != udpNet:
	case len(l.routes) == 0 && near && (err != nil || !ok || addr != source && host == m.via.host):
		l.use(m.flow)
		return
	case near && err != nil:
		l.use(flow{sock: m.flow.sock, peer: netip.AddrPortFrom(source, port)})
		return
	case err == nil:
		l.use(flow{sock: m.flow.sock, peer: netip.AddrPortFrom(addr, port)})
		return
	}
	l.use(flow{})
}

// use makes f the way to the peer. A connection that serves dialogs is not
// closed for being idle.
func (l *leg) use(f flow) {
	if f == l.flow {
		return
	}
	if f.conn != l.flow.conn {
		if f.conn != nil {
			f.conn.users.Add(1)
		}
		if l.flow.conn != nil {
			l.flow.conn.users.Add(-1)
		}
	}
	l.flow = f
}

// way returns the way to the next hop, and opens it where there is none. The
// mutex guards l and is not held while a name is looked up or a peer dialled.
func (l *leg) way(ctx context.Context, mu *sync.Mutex) (flow, error) {
	mu.Lock()
	f, hop, network := l.flow, l.hop(), l.network
	mu.Unlock()
	if f.alive() {
		return f, nil
	}
	f, err := l.core.open(ctx, hop, network)
	if err != nil {
		return flow{}, err
	}
	mu.Lock()
	l.use(f)
	mu.Unlock()
	return f, nil
}

// open opens a way to a URI.
func (c *core) open(ctx context.Context, uri, network string) (flow, error) {
	ctx, stop := context.WithTimeout(ctx, dialTimeout)
	defer stop()
	network = hopNetwork(uri, network)
	host, port, ok := hopAddress(uri, network)
	if !ok {
		return flow{}, fmt.Errorf("cstasip: %q leads nowhere", clip(uri))
	}
	addr, err := c.resolve(ctx, host)
	if err != nil {
		return flow{}, fmt.Errorf("cstasip: %w", err)
	}
	to := netip.AddrPortFrom(addr, port)
	if network == udpNet {
		sock := c.socketFor(addr)
		if sock == nil {
			return flow{}, fmt.Errorf("cstasip: no UDP socket for %s", addr)
		}
		return flow{sock: sock, peer: to}, nil
	}
	conn, err := c.connect(ctx, network, to, host)
	if err != nil {
		return flow{}, fmt.Errorf("cstasip: %w", err)
	}
	return flow{conn: conn, peer: to}, nil
}

// socketFor returns a socket that can reach addr.
func (c *core) socketFor(addr netip.Addr) *socket {
	c.transport.mu.Lock()
	defer c.transport.mu.Unlock()
	for _, s := range c.sockets {
		if a := s.local.Addr(); a.Is4() == addr.Is4() || a.Is6() && a.IsUnspecified() {
			return s
		}
	}
	return nil
}

// resolve returns the address of a host, which may be a literal.
func (c *core) resolve(ctx context.Context, host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap(), nil
	}
	list, err := c.net.lookup(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range list {
		if a.Unmap().Is4() {
			return a.Unmap(), nil
		}
	}
	if len(list) == 0 {
		return netip.Addr{}, fmt.Errorf("no address for %s", clip(host))
	}
	return list[0], nil
}

// sentBy returns the host and port by which the peer at the end of f reaches us.
func (c *core) sentBy(f flow) string {
	var cache *sync.Map
	var key any = f.peer.Addr()
	switch {
	case f.conn != nil:
		cache, key = &f.conn.sentBy, nil
	case f.sock != nil:
		cache = &f.sock.sentBy
		if !f.sock.local.Addr().IsUnspecified() {
			key = nil
		}
	default:
		return "invalid.invalid"
	}
	if s, ok := cache.Load(key); ok {
		return s.(string)
	}
	local := c.transport.local(f)
	s := local.String()
	if c.advertise != "" {
		s = c.advertise
		if _, port, ok := hostPort(s); ok && port == 0 {
			s += ":" + strconv.Itoa(int(local.Port()))
		}
	}
	cache.Store(key, s)
	return s
}

// contact returns our Contact header line for the peer at the end of f: the
// listener, and its transport, so that the client comes back the same way.
func (l *leg) contact(f flow) string {
	scheme, user := "sip:", l.user
	if user != "" {
		user += "@"
	}
	if l.secure {
		scheme = "sips:"
	}
	return "Contact: <" + scheme + user + l.core.sentBy(f) + ";transport=" + f.network() + ">\r\n"
}

// request writes a request of the dialog (RFC 3261 §12.2.1.1).
func (l *leg) request(f flow, method string, cseq uint32, branch, headers string, body []byte) []byte {
	uri, routes, last := l.target, l.routes, ""
	if len(routes) > 0 {
		first, _, _ := nameAddr(routes[0])
		if _, loose := uriParam(first, "lr"); !loose {
			// A strict router: it takes the Request-URI for itself and finds ours last.
			uri, routes, last = first, routes[1:], l.target
		}
	}
	b := make([]byte, 0, 640+len(headers)+len(body))
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, uri...)
	b = append(b, " SIP/2.0\r\nVia: SIP/2.0/"...)
	b = append(b, strings.ToUpper(f.network())...)
	b = append(b, ' ')
	b = append(b, l.core.sentBy(f)...)
	b = append(b, ";branch="...)
	b = append(b, branch...)
	if !f.reliable() {
		b = append(b, ";rport"...)
	}
	b = append(b, "\r\nMax-Forwards: 70\r\n"...)
	for _, r := range routes {
		b = append(b, "Route: "...)
		b = append(b, r...)
		b = append(b, "\r\n"...)
	}
	if last != "" {
		b = append(b, "Route: <"...)
		b = append(b, last...)
		b = append(b, ">\r\n"...)
	}
	b = append(b, "From: "...)
	b = append(b, l.local...)
	b = append(b, "\r\nTo: "...)
	b = append(b, l.remote...)
	b = append(b, "\r\nCall-ID: "...)
	b = append(b, l.callID...)
	b = append(b, "\r\nCSeq: "...)
	b = strconv.AppendUint(b, uint64(cseq), 10)
	b = append(b, ' ')
	b = append(b, method...)
	b = append(b, "\r\n"...)
	b = append(b, headers...)
	return appendBody(b, body)
}

// ack writes the ACK for the final answer to an INVITE: a request of its own
// after a 2xx (RFC 3261 §13.2.2.4), part of the transaction after a refusal
// (§17.1.1.3).
func (l *leg) ack(f flow, cseq uint32, branch string, m *message) []byte {
	if m.status < 300 {
		return l.request(f, ack, cseq, newBranch(), "", nil)
	}
	refused := *l
	refused.remote = m.to
	return refused.request(f, ack, cseq, branch, "", nil)
}
