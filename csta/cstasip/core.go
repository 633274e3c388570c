package cstasip

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	randv2 "math/rand/v2"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Timers of RFC 3261 §17 (table 4), as sipgo has them.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second

	// patience is how long a request waits for its answer, a 2xx to INVITE for
	// its ACK, and an answer is kept for a request that comes again: 64·T1.
	patience = 64 * t1
)

// maxDatagram is what sipgo can receive by UDP: its read buffer, which each TCP
// connection has too, of the same size.
const maxDatagram = 8 << 10

var setup sync.Once

// configure sets what sipgo has as variables of its package. It is the one place
// that does; nothing of sipgo runs before.
func configure() {
	setup.Do(func() {
		sip.TransportBufferReadSize = maxDatagram // 32 kB for each idle connection by default
		sip.UDPMTUSize = 65_507 + 200             // 1,300 octets by default, more is an error; IP can fragment
		sip.Timer_J = t2                          // 64·T1 by default; see Server.respond
		sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
	})
}

// ErrTimeout is the error of a request that nobody answered in 64·T1 (timers B
// and F of RFC 3261 §17.1).
var ErrTimeout = errors.New("cstasip: no answer")

// ErrDisconnected is the error of a request whose connection was lost before its
// answer came (RFC 3261 §8.1.3.1).
var ErrDisconnected = errors.New("cstasip: the connection was lost")

var errStopped = errors.New("cstasip: stopped")

// core is what server and client share: sipgo's transport and transaction layers
// and what stands between them and the dialogs.
//
// sipgo gives every message a goroutine of its own, in which order is lost. So
// arrived is called in the reader's goroutine, before: it gives a request its
// ticket, which travels on the request and says what is to be done with it; served
// is called in the message's goroutine, with the transaction.
type core struct {
	net       network
	gate      gate
	tls       *tls.Config
	advertise string
	tpl       *sip.TransportLayer
	txl       *sip.TransactionLayer

	arrived  func(*ticket)                               // must not block
	served   func(*ticket, *sip.ServerTx)                //
	answered func(*message)                              // a response, in the reader's goroutine; may be nil
	panicked func(where string, value any, stack []byte) // for the record

	// malformed is told what came and is no SIP; for the record.
	malformed func(network string, from netip.AddrPort, err error)

	mu        sync.Mutex
	sockets   []*socket
	senders   *simplelru.LRU[netip.AddrPort, *socket] // whom sipgo's pool knows, see knows
	listeners []*listener
	dialled   netip.AddrPort          // our end of an endpoint's connection, which is its only one
	places    *lru.Cache[path, place] // of sentBy
	conns     map[connKey]*conn
	connsOf   tally            // per peer
	calls     map[string]*call // requests of ours, by transaction
	closed    bool
	readers   sync.WaitGroup

	// coming counts the requests between the reader and their transaction.
	coming atomic.Int32
	muted  atomic.Bool // what arrives is dropped

	taskMu  sync.RWMutex
	stopped bool
	tasks   sync.WaitGroup
}

type connKey struct {
	network string
	remote  netip.AddrPort
}

// A ticket is what the hook has found out about a request. It is the request's
// last header: that is how it gets from one goroutine to the other.
type ticket struct {
	sip.Header
	m   *message
	err error

	// branch is for a request that has none: a new one, or that of the request
	// that it repeats, cancels or acknowledges.
	branch string
	// again: it came before, and sipgo may have its transaction.
	again bool
	// limited: it is beyond a limit; its answer is all that is spent on it.
	limited bool

	answer *answer   // what to answer at once
	job    *job      // the place in a dialog's queue
	invite *inviteTx // of INVITE
	in     *delivery // the place in a client's queue
}

func ticketOf(req *sip.Request) *ticket {
	if h := req.Headers(); len(h) > 0 {
		if t, ok := h[len(h)-1].(*ticket); ok {
			return t
		}
	}
	return nil
}

// init builds the layers; nothing is opened.
func (c *core) init(n network, log *slog.Logger, config *tls.Config, advertise string) {
	configure()
	c.net, c.tls, c.advertise = n, config, advertise
	c.gate.log, c.gate.garbled = log, c.garbled
	c.places, _ = lru.New[path, place](maxPlaces)
	c.senders, _ = simplelru.NewLRU(maxSenders, func(peer netip.AddrPort, _ *socket) { c.tpl.Pool(udpNet).Delete(peer.String()) })
	c.calls, c.conns, c.connsOf = map[string]*call{}, map[connKey]*conn{}, tally{}
	quiet := slog.New(quietHandler{log.Handler()})
	tcp := func() *sip.TransportTCP {
		return &sip.TransportTCP{
			WriteTimeout: writeTimeout,
			DialerCreate: func(local net.Addr) net.Dialer {
				d := net.Dialer{Timeout: dialTimeout, LocalAddr: local}
				if c.dialled.IsValid() {
					d.Control = func(string, string, syscall.RawConn) error { return ErrDisconnected }
				}
				return d
			},
		}
	}
	c.tpl = sip.NewTransportLayer(net.DefaultResolver, newParser(), config,
		sip.WithTransportLayerLogger(quiet),
		sip.WithTransportLayerTransports(sip.TransportsConfig{TCP: tcp(), TLS: &sip.TransportTLS{TransportTCP: tcp()}}))
	c.tpl.OnMessage(c.hook) // before the transaction layer's own
	// Not with sip.WithTransactionLayerTerminateOnConnClose: where a connection is
	// lost while a request is prepared for it, a goroutine of sipgo's dereferences nil.
	c.txl = sip.NewTransactionLayer(c.tpl,
		sip.WithTransactionLayerLogger(quiet),
		sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {}))
	c.txl.OnRequest(c.request)
}

// A quietHandler is the log handler for sipgo: it logs whole messages, and at
// error level what a peer does wrong. Here it all is debugging, without messages.
type quietHandler struct{ slog.Handler }

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, slog.LevelDebug)
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, slog.LevelDebug, "sipgo: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			out.AddAttrs(slog.String("error", headerText(a.Value.String())))
		}
		return true
	})
	return h.Handler.Handle(ctx, out)
}

func (h quietHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h quietHandler) WithGroup(string) slog.Handler      { return h }

// listen opens the listeners; nothing is read before serve.
func (c *core) listen(ctx context.Context, urls []string) error {
	for _, url := range urls {
		network, address, err := splitListen(url)
		if err != nil {
			return err
		}
		if network == udpNet {
			if _, err := c.listenUDP(ctx, address); err != nil {
				return fmt.Errorf("cstasip: %w", err)
			}
			continue
		}
		l, err := c.net.listen(ctx, address)
		if err != nil {
			return fmt.Errorf("cstasip: %w", err)
		}
		c.mu.Lock()
		c.listeners = append(c.listeners, &listener{l, c, network, addrPort(l.Addr())})
		c.mu.Unlock()
	}
	return nil
}

func (c *core) listenUDP(ctx context.Context, address string) (*socket, error) {
	p, err := c.net.listenPacket(ctx, address)
	if err != nil {
		return nil, err
	}
	s := newSocket(p, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = append(c.sockets, s)
	return s, nil
}

// addrs returns the addresses that are listened on, as URLs.
func (c *core) addrs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, s := range c.sockets {
		list = append(list, udpNet+"://"+s.local.String())
	}
	for _, l := range c.listeners {
		list = append(list, l.network+"://"+l.local.String())
	}
	return list
}

// serve has sipgo read and accept. When it returns sipgo knows the sockets, and
// sends by them instead of by its own.
func (c *core) serve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	for _, s := range c.sockets {
		ended := make(chan struct{})
		c.readers.Go(func() {
			defer close(ended)
			_ = c.tpl.ServeUDP(s)
		})
		select {
		case <-s.reading:
		case <-ended:
		}
	}
	for _, l := range c.listeners {
		c.readers.Go(func() {
			if l.network == tlsNet {
				_ = c.tpl.ServeTLS(l)
			} else {
				_ = c.tpl.ServeTCP(l)
			}
		})
	}
}

// close closes everything and waits for the readers of the listeners.
func (c *core) close() {
	// For a request whose socket or connection is gone sipgo opens one of its own,
	// which nobody would close: those that are under way get time to arrive.
	c.muted.Store(true)
	for i := 0; i < 100 && c.coming.Load() > 0; i++ {
		time.Sleep(time.Millisecond)
	}
	c.mu.Lock()
	c.closed = true
	for _, s := range c.sockets {
		_ = s.Close()
	}
	for _, l := range c.listeners {
		_ = l.Close()
	}
	conns := make([]*conn, 0, len(c.conns))
	for _, x := range c.conns {
		conns = append(conns, x)
	}
	c.mu.Unlock()
	for _, x := range conns {
		x.shut()
	}
	c.txl.Close()
	// What sipgo knows of UDP stays: for a request that is under way still and whose
	// sender it does not find, it would open a socket that nobody closes.
	for _, network := range []string{tcpNet, tlsNet} {
		_ = c.tpl.Pool(network).Clear()
	}
	c.readers.Wait()
}

func (c *core) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns)
}

// remember enters a connection that a peer opened.
func (c *core) remember(x *conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.gate.maxConns > 0 && len(c.conns) >= c.gate.maxConns:
		return errConnections
	case c.gate.maxPeerConns > 0 && c.connsOf.of(x.remote.Addr()) >= c.gate.maxPeerConns:
		return errPeerConnections
	}
	c.conns[connKey{x.network, x.remote.AddrPort}] = x
	c.connsOf.add(x.remote.Addr(), +1)
	return nil
}

func (c *core) forget(x *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := (connKey{x.network, x.remote.AddrPort}); c.conns[k] == x {
		delete(c.conns, k)
		c.connsOf.add(x.remote.Addr(), -1)
	}
}

// enter admits a goroutine that halt waits for, until leave.
func (c *core) enter() bool {
	c.taskMu.RLock()
	defer c.taskMu.RUnlock()
	if !c.stopped {
		c.tasks.Add(1)
	}
	return !c.stopped
}

func (c *core) leave() { c.tasks.Done() }

// spawn runs f in a goroutine that halt waits for. It reports false, and does
// not run f, when the core has halted.
func (c *core) spawn(f func()) bool {
	if !c.enter() {
		return false
	}
	go func() {
		defer c.leave()
		f()
	}()
	return true
}

// halt ends the requests of ours that wait, lets nothing start any more and
// waits for what runs.
func (c *core) halt() {
	c.taskMu.Lock()
	c.stopped = true
	c.taskMu.Unlock()
	c.mu.Lock()
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	for _, x := range calls {
		x.tx.Terminate()
		x.finish(nil, errStopped)
	}
	c.tasks.Wait()
}

// guard runs f and reports whether it ended without a panic.
func (c *core) guard(where string, f func()) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(where, v, debug.Stack())
		}
	}()
	f()
	return true
}

// hook sees every message in its reader's goroutine, in order of arrival.
func (c *core) hook(raw sip.Message) {
	c.guard("receiving", func() {
		switch x := raw.(type) {
		case *sip.Request:
			c.hookRequest(x)
		case *sip.Response:
			c.hookResponse(x)
		}
	})
}

func (c *core) hookRequest(req *sip.Request) {
	f := c.flowOf(req)
	bad := separateVias(req)
	m, err := newMessage(req, f)
	err = cmp.Or(err, bad)
	t := &ticket{Header: sip.NewHeader("", ""), m: m, err: err}
	defer req.AppendHeader(t)
	if err != nil {
		c.malformed(f.network, f.peer, err)
		return
	}
	if m.method == invite {
		// sipgo reads these when it answers 100 by itself, in another goroutine
		// than ours: what it reads first it keeps.
		req.From()
		req.To()
		req.CallID()
		req.CSeq()
	}
	if !strings.HasPrefix(m.via.branch, sip.RFC3261BranchMagicCookie) {
		t.branch = newBranch()
	}
	c.arrived(t)
	if !t.again && m.method != ack && m.method != cancel {
		c.coming.Add(1)
	}
	if v := req.Via(); t.branch != "" && v != nil {
		// RFC 2543: sipgo matches by Call-ID, CSeq and Via, which for SIPE are the
		// same again after its next re-INVITE. With a branch it matches by that; the
		// header that is echoed is not changed.
		v.Params.Add("branch", t.branch)
	}
}

// separateVias gives every Via element a header of its own, with its long name:
// sipgo reads the topmost lazily, and neither finds it in a list nor in the right
// place between "Via" and "v".
func separateVias(req *sip.Request) (err error) {
	plain := true
	for _, h := range req.Headers() {
		if headerName(h.Name()) == "via" {
			plain = plain && len(h.Name()) == len("Via") && index(h.Value(), ',') < 0
		}
	}
	if plain {
		return nil
	}
	var names []string
	var separate []sip.Header
	for _, h := range req.Headers() {
		if headerName(h.Name()) != "via" {
			continue
		}
		names = append(names, h.Name())
		for _, e := range elements(h.Value()) {
			if _, ok := parseVia(e); !ok {
				err = errors.New("malformed Via")
			}
			separate = append(separate, sip.NewHeader("Via", e))
		}
	}
	for _, name := range names {
		req.RemoveHeader(name)
	}
	req.PrependHeader(separate...)
	return err
}

// garbled reports a datagram, or a stream, that the parser gave up. What of a
// datagram can be answered is answered 400 (RFC 3261 §18.3), 513 if it is too
// large: sipgo drops it.
func (c *core) garbled(network string, from netip.AddrPort, b []byte, s *socket) {
	parsed, err := newParser().ParseSIP(b)
	a := answer{status: 400}
	if err == nil {
		a.status, err = 513, errors.New("larger than what is received by UDP")
	}
	if b == nil {
		err = errors.New("a message that cannot be told from the next")
	}
	c.malformed(network, from, err)
	if _, ok := parsed.(*sip.Request); !ok || s == nil {
		return
	}
	if m, _ := newMessage(parsed, flow{network: network, peer: from, sock: s}); m != nil && m.method != ack {
		text := m.response(a, newTag()).String()
		_, _ = s.WriteToUDPAddrPort([]byte(text), m.replyFlow().peer)
	}
}

// flowOf returns the way that a message came.
func (c *core) flowOf(m sip.Message) flow {
	f := flow{network: sip.NetworkToLower(m.Transport())}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.network == udpNet {
		for _, s := range c.sockets {
			if m.Source() == s.addr.text {
				from := s.parsed()
				f.sock, f.peer = s, from.AddrPort
				m.SetSource(from.text)
				c.knows(from, s)
				return f
			}
		}
	}
	from, _ := netip.ParseAddrPort(m.Source())
	f.peer = unmap(from)
	if f.conn = c.conns[connKey{f.network, f.peer}]; f.conn != nil {
		f.conn.heard.Store(time.Now().UnixNano())
	}
	return f
}

// maxSenders is how many senders of datagrams sipgo knows at a time. It looks one
// up once, when it makes a request's transaction.
const maxSenders = 4 << 10

// knows enters the sender of a datagram into sipgo's pool, where it finds the
// socket that answers leave by. sipgo would do that itself, and keep every address
// for ever: so it is shown one address for all, see socket.ReadFrom. c.mu is held.
func (c *core) knows(from *address, s *socket) {
	if by, ok := c.senders.Get(from.AddrPort); ok && by == s {
		return
	}
	pool := c.tpl.Pool(udpNet)
	conn := pool.Get(s.addr.text)
	if conn == nil {
		return // the socket is closed
	}
	pool.Add(from.text, conn)
	_, _ = conn.TryClose() // the reference that Get has taken
	c.senders.Add(from.AddrPort, s)
}

// request takes a request from sipgo's transaction layer, in a goroutine of its
// own.
func (c *core) request(req *sip.Request, tx *sip.ServerTx) {
	t := ticketOf(req)
	if t != nil && t.err == nil && !t.again && t.m.method != ack && t.m.method != cancel {
		c.coming.Add(-1)
	}
	if t == nil || !c.enter() {
		tx.Terminate()
		return
	}
	defer c.leave()
	c.guard("answering", func() { c.served(t, tx) })
}

// A call is a request of ours that waits for its final answer.
type call struct {
	tx    *sip.ClientTx
	flow  flow
	told  atomic.Bool
	final func(*message, error)

	// drained is closed when sipgo has handed out all that it will. It is nil
	// where no provisional response came. The core's mutex guards it.
	drained chan struct{}

	mu    sync.Mutex
	timer *time.Timer // sees to it that an answer can come; nil on UDP
	ends  time.Time   // of an INVITE; zero otherwise
}

func (x *call) stop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.timer != nil {
		x.timer.Stop()
	}
}

// watch ends a call whose answer cannot come any more.
func (x *call) watch(c *core) {
	x.mu.Lock()
	over := !x.ends.IsZero() && !time.Now().Before(x.ends)
	x.mu.Unlock()
	lost := false
	if x.flow.reliable() && x.flow.conn == nil {
		// A connection that sipgo has opened: it does not tell when it is lost.
		now, err := c.tpl.GetConnection(x.flow.network, x.flow.peer.String())
		if err == nil {
			_, _ = now.TryClose()
		}
		lost = err != nil || now != x.tx.Connection()
	}
	if over || lost {
		c.abort(x, lost)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.told.Load() {
		x.timer.Reset(t1)
	}
}

// abort gives a call up.
func (c *core) abort(x *call, lost bool) {
	c.mu.Lock()
	delete(c.calls, x.tx.Key())
	c.mu.Unlock()
	x.tx.Terminate()
	if lost {
		x.finish(nil, ErrDisconnected)
	} else {
		x.finish(nil, ErrTimeout)
	}
}

// lost gives up the calls that wait for an answer over a connection that has
// ended.
func (c *core) lost(gone *conn) {
	var list []*call
	c.mu.Lock()
	for _, x := range c.calls {
		if x.flow.conn == gone {
			list = append(list, x)
		}
	}
	c.mu.Unlock()
	for _, x := range list {
		c.abort(x, true)
	}
}

// ringing is how long an INVITE waits for its final answer: sipgo has no limit
// once there was a provisional one.
const ringing = 3 * time.Minute

// finish calls final, once.
func (x *call) finish(m *message, err error) {
	if x.told.Swap(true) {
		return
	}
	x.stop()
	x.final(m, err)
}

// hookResponse sees a response before its transaction does. A sipgo transaction
// hands its responses out by a channel that somebody must wait at; nobody does for
// the 32 seconds that a mute client takes, but from here until it comes.
func (c *core) hookResponse(res *sip.Response) {
	f := c.flowOf(res)
	if c.answered != nil {
		if m, err := newMessage(res, f); err == nil {
			c.answered(m)
		}
	}
	key, err := sip.ClientTxKeyMake(res)
	if err != nil {
		return
	}
	final := res.StatusCode >= 200
	c.mu.Lock()
	x := c.calls[key]
	if x == nil {
		c.mu.Unlock()
		return
	}
	drained := x.drained
	if final {
		delete(c.calls, key)
	} else if drained == nil {
		x.drained = make(chan struct{})
	}
	c.mu.Unlock()
	switch {
	case final:
		c.spawn(func() {
			if drained != nil {
				<-drained
			} else {
				x.drain()
			}
			m, err := newMessage(res, f)
			if !x.tx.Origin().IsInvite() {
				// Nothing is to come; sipgo would keep it for 32 seconds on UDP.
				x.tx.Terminate()
			}
			x.finish(m, err)
		})
	case drained == nil:
		c.spawn(func() {
			x.drain()
			close(x.drained)
		})
	}
}

// drain takes what sipgo hands out, to the final response. The provisional one
// that a proxy sent just before may come before it, or not at all: each has a
// goroutine of its own in sipgo, and one that is overtaken is dropped.
func (x *call) drain() {
	for {
		select {
		case res := <-x.tx.Responses():
			if res.StatusCode >= 200 {
				return
			}
		case <-x.tx.Done():
			return
		}
	}
}

// send sends a request of ours by f and a client transaction of sipgo. final is
// called exactly once, in a goroutine of its own, with the final response or what
// stands in for it; with an error of send it is not called. again is called for
// each repetition of a 2xx; it may be nil.
func (c *core) send(ctx context.Context, f flow, req *sip.Request, final func(*message, error), again func()) error {
	tx, err := c.txl.NewClientTransaction(ctx, req)
	if err != nil {
		return err
	}
	x := &call{tx: tx, flow: f, final: final}
	if req.IsInvite() {
		x.ends = time.Now().Add(ringing)
	}
	if req.IsInvite() || f.reliable() && f.conn == nil {
		x.mu.Lock()
		x.timer = time.AfterFunc(t1, func() { x.watch(c) })
		x.mu.Unlock()
	}
	key := tx.Key()
	c.mu.Lock()
	if c.calls == nil {
		c.mu.Unlock()
		x.told.Store(true)
		tx.Terminate()
		x.stop()
		return errStopped
	}
	c.calls[key] = x
	c.mu.Unlock()
	if again != nil {
		tx.OnRetransmission(func(*sip.Response) { again() })
	}
	tx.OnTerminate(func(_ string, err error) {
		// Called with sipgo's locks held.
		c.mu.Lock()
		waits := c.calls[key] == x
		if waits {
			delete(c.calls, key)
		}
		c.mu.Unlock()
		if !waits || x.told.Load() {
			return
		}
		why := ErrTimeout
		if errors.Is(err, sip.ErrTransactionTransport) {
			why = ErrDisconnected
		}
		if !c.spawn(func() { x.finish(nil, why) }) {
			go x.finish(nil, why)
		}
	})
	if err := tx.Init(); err != nil {
		if x.told.Swap(true) {
			return nil // it was told meanwhile
		}
		tx.Terminate()
		x.stop()
		return err
	}
	return nil
}

// discard closes the connection of a flow that could not be written to: part of
// a message may be out.
func (c *core) discard(f flow) {
	if !f.reliable() {
		return
	}
	c.mu.Lock()
	opened := c.conns[connKey{f.network, f.peer}]
	c.mu.Unlock()
	if opened != nil {
		opened.shut() // its Close is the reader's, and tells of garbage
		return
	}
	x, err := c.tpl.GetConnection(f.network, f.peer.String())
	if err != nil {
		return
	}
	// sipgo enters a connection after it has begun to read: one that ends in between
	// stays, and is thought to stand.
	pool := c.tpl.Pool(f.network)
	_ = pool.CloseAndDelete(x, f.peer.String())
	_ = pool.CloseAndDelete(x, x.LocalAddr().String())
}

// alphabet has 32 letters that may stand in tags and branches.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// newTag returns a tag with 80 bits that cannot be guessed (RFC 3261 §19.3).
func newTag() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b[:])
}

// newBranch returns a branch, unique in space and time (RFC 3261 §8.1.1.7).
// math/rand/v2 is as unpredictable as its seed, which the runtime takes from
// the system.
func newBranch() string {
	b := []byte("z9hG4bK0000000000000")
	for i, r := 7, randv2.Uint64(); i < len(b); i++ {
		b[i] = alphabet[r&31]
		r = bits.RotateLeft64(r, -5)
	}
	return string(b)
}
