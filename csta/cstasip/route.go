package cstasip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
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
	l.network = m.flow.network
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
		l.use(flow{network: udpNet, sock: m.flow.sock, peer: netip.AddrPortFrom(source, port)})
		return
	case err == nil:
		l.use(flow{network: udpNet, sock: m.flow.sock, peer: netip.AddrPortFrom(addr, port)})
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

// way returns the way to the next hop: the one that is known, or what its URI
// says. The mutex guards l and is not held while a name is looked up.
func (l *leg) way(ctx context.Context, mu *sync.Mutex) (flow, error) {
	mu.Lock()
	f, hop, network := l.flow, l.hop(), l.network
	mu.Unlock()
	if f.alive() {
		return f, nil
	}
	f, err := l.core.route(ctx, hop, network)
	if err != nil {
		return flow{}, err
	}
	mu.Lock()
	l.use(f)
	mu.Unlock()
	return f, nil
}

// route returns the way to a URI. sipgo opens a connection when it is used, or
// takes one that it has.
func (c *core) route(ctx context.Context, uri, network string) (flow, error) {
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
	f := flow{network: network, peer: netip.AddrPortFrom(addr, port)}
	if network == udpNet {
		if f.sock = c.socketFor(addr); f.sock == nil {
			return flow{}, fmt.Errorf("cstasip: no UDP socket for %s", addr)
		}
	}
	return f, nil
}

// socketFor returns a socket that can reach addr.
func (c *core) socketFor(addr netip.Addr) *socket {
	c.mu.Lock()
	defer c.mu.Unlock()
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

// A place is a host and port by which we are reached.
type place struct {
	host string
	port int
}

// A path is what a place depends on: where a flow ends on our side, and the peer
// where that is every address of the host.
type path struct {
	local netip.AddrPort
	peer  netip.Addr
}

// maxPlaces bounds the places that are remembered, for a socket on all addresses
// has one for each peer.
const maxPlaces = 4 << 10

// sentBy returns the host and port by which the peer at the end of f reaches us.
func (c *core) sentBy(f flow) (host string, port int) {
	var by path
	switch {
	case f.conn != nil:
		by.local = f.conn.local.AddrPort
	case f.sock != nil:
		by.local = f.sock.local
		if by.local.Addr().IsUnspecified() {
			by.peer = f.peer.Addr()
		}
	}
	if p, ok := c.places.Get(by); ok {
		return p.host, p.port
	}
	local := c.local(f)
	p := place{local.Addr().String(), int(local.Port())}
	if c.advertise != "" {
		host, port, _ := hostPort(c.advertise)
		p.host = host
		if port != 0 {
			p.port = port
		}
	}
	if by.local.IsValid() {
		c.places.Add(by, p)
	}
	return p.host, p.port
}

// local returns the address to name in Via and Contact for what goes by f: that
// of a listener, not of a connection that we opened.
func (c *core) local(f flow) netip.AddrPort {
	if f.sock != nil {
		if a := f.sock.local; !a.Addr().IsUnspecified() {
			return a
		}
		return netip.AddrPortFrom(c.net.localFor(f.peer.Addr()), f.sock.local.Port())
	}
	if f.conn != nil {
		return f.conn.local.AddrPort
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.listeners {
		if l.network != f.network {
			continue
		}
		if l.local.Addr().IsUnspecified() {
			return netip.AddrPortFrom(c.net.localFor(f.peer.Addr()), l.local.Port())
		}
		return l.local
	}
	return c.dialled
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
	host, port := l.core.sentBy(f)
	return "Contact: <" + scheme + user + net.JoinHostPort(host, strconv.Itoa(port)) + ";transport=" + f.network + ">\r\n"
}

// request returns a request of the dialog (RFC 3261 §12.2.1.1) that goes by f.
func (l *leg) request(f flow, method string, cseq uint32, branch, headers string, body []byte) (*sip.Request, error) {
	uri, routes, last := l.target, l.routes, ""
	if len(routes) > 0 {
		first, _, _ := nameAddr(routes[0])
		if _, loose := uriParam(first, "lr"); !loose {
			// A strict router: it takes the Request-URI for itself and finds ours last.
			uri, routes, last = first, routes[1:], l.target
		}
	}
	var recipient sip.Uri
	if err := sip.ParseUri(uri, &recipient); err != nil {
		return nil, fmt.Errorf("cstasip: %q leads nowhere: %w", clip(uri), err)
	}
	req := sip.NewRequest(sip.RequestMethod(method), recipient)
	v := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: sip.NetworkToUpper(f.network)}
	v.Host, v.Port = l.core.sentBy(f)
	v.Params.Add("branch", branch)
	if !f.reliable() {
		v.Params.Add("rport", "")
	}
	req.AppendHeader(v)
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	for _, r := range routes {
		req.AppendHeader(sip.NewHeader("Route", r))
	}
	if last != "" {
		req.AppendHeader(sip.NewHeader("Route", "<"+last+">"))
	}
	callID := sip.CallIDHeader(l.callID)
	req.AppendHeader(sip.NewHeader("From", l.local))
	req.AppendHeader(sip.NewHeader("To", l.remote))
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: sip.RequestMethod(method)})
	appendLines(req, headers)
	finish(req, body)

	// sipgo would find the way by Route and Request-URI. It takes the connection
	// that the client opened for a way only when it is told; and for UDP a socket
	// of its own, unless it is told ours.
	req.SetTransport(sip.NetworkToUpper(f.network))
	req.SetDestination(f.peer.String())
	if f.sock != nil {
		a := f.sock.local
		req.Laddr = sip.Addr{IP: a.Addr().AsSlice(), Port: int(a.Port())}
	}
	return req, nil
}

// ack returns the ACK for a 2xx to our INVITE (RFC 3261 §13.2.2.4); that for a
// refusal is sipgo's.
func (l *leg) ack(f flow, cseq uint32) (*sip.Request, error) {
	return l.request(f, ack, cseq, newBranch(), "", nil)
}
