package cstasip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// ClientConfig is what a Client is made from.
type ClientConfig struct {
	// Server is where to connect: "udp://host:port", "tcp://…", "tls://…".
	// Dial needs it; an Endpoint has its own.
	Server string

	// Line is the line that the client controls, a tel or SIP URI: it goes out as
	// lcs:line of the INVITE. Empty: the server finds it by To and From.
	Line string

	// From and To are SIP URIs; To is the Request-URI as well. Their defaults are
	// "sip:rccgw-client@" and "sip:csta@" with the server's host.
	From, To string

	// User and Password answer what asks for them, server or proxy, by digest
	// authentication. Empty User: a challenge is an error, a *StatusError.
	User, Password string

	// TLS is used by Dial for tls:// servers; its ServerName defaults to the host.
	TLS *tls.Config

	// SessionExpires is what is asked for; zero: 30 minutes. Less than zero: the
	// client does not support session timers.
	SessionExpires time.Duration

	// RefreshByInvite refreshes by re-INVITE with RequestSystemStatus, as Office
	// Communicator 2007 does, where UPDATE is possible too.
	RefreshByInvite bool

	UserAgent string
	Edition   csta.Edition // DefaultEdition if empty

	// OnEvent receives the events, in order, one at a time. The INFO of an event
	// is answered before the call. nil: events are answered and dropped.
	OnEvent func(csta.Event)

	// OnUnread is told of a request of the server that could not be read, in its
	// place among the events: one may be lost. nil: nobody is told.
	OnUnread func(error)

	// Permit is asked right before a request of ServeCSTA is written, with the context
	// of the call, and again before it is written anew because it was challenged. An
	// error keeps it from leaving: ServeCSTA returns it, as an ErrUnsent. nil: all may
	// leave.
	Permit func(context.Context) error

	// Handler serves what the server asks: requests in its INFOs. nil:
	// RequestSystemStatus, SystemStatus and MonitorStop are answered, all else is
	// refused.
	Handler csta.Handler

	// Log; nil: nothing is logged.
	Log *slog.Logger
}

// An Endpoint is a socket or connection to one server, for the dialogs of any
// number of clients. If its connection is lost their requests fail, with
// ErrDisconnected: what the server sent meanwhile may be lost, and the dialogs'
// Contact leads to it.
type Endpoint struct {
	core
	way  flow
	host string

	mu            sync.Mutex
	clients       map[string]*Client // by their tag
	registrations map[*Registration]bool
	closed        bool
}

// Connect opens an endpoint: a UDP socket, or a connection to the server.
func Connect(ctx context.Context, server string, config *tls.Config, log *slog.Logger) (*Endpoint, error) {
	return connect(ctx, hostNetwork{}, server, config, log)
}

func connect(ctx context.Context, n network, server string, config *tls.Config, log *slog.Logger) (*Endpoint, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	network, address, err := splitListen(server)
	if err != nil {
		return nil, err
	}
	host, port, ok := hostPort(address)
	if !ok || port == 0 {
		return nil, fmt.Errorf("cstasip: server %q: want udp://, tcp:// or tls://host:port", server)
	}
	if network == tlsNet && config != nil && config.ServerName == "" {
		config = config.Clone()
		config.ServerName = host
	}
	e := &Endpoint{host: host, clients: map[string]*Client{}}
	e.core.init(n, log, config, "")
	e.core.arrived, e.core.served, e.core.answered = e.arrived, e.serve, e.response
	e.core.malformed = func(_ string, from netip.AddrPort, err error) {
		log.Warn("malformed SIP message", "peer", from, "error", headerText(clip(err.Error())))
	}
	e.core.panicked = func(where string, value any, stack []byte) {
		log.Error("panic", "where", where, "panic", fmt.Sprint(value), "stack", string(stack))
	}
	e.gate.refused = func(string, netip.Addr, error) {}
	if err := e.reach(ctx, network, uint16(port)); err != nil {
		e.Close()
		return nil, fmt.Errorf("cstasip: %w", err)
	}
	return e, nil
}

// reach opens the way to the server.
func (e *Endpoint) reach(ctx context.Context, network string, port uint16) error {
	addr, err := e.resolve(ctx, e.host)
	if err != nil {
		return err
	}
	e.way = flow{network: network, peer: netip.AddrPortFrom(addr, port)}
	if network == udpNet {
		e.way.sock, err = e.listenUDP(ctx, net.JoinHostPort(e.net.localFor(addr).String(), "0"))
		e.core.serve()
		return err
	}
	// sipgo opens the connection that a request would go over.
	probe := leg{core: &e.core, target: "sip:" + net.JoinHostPort(e.host, strconv.Itoa(int(port)))}
	req, err := probe.request(e.way, options, 1, newBranch(), "", nil)
	if err != nil {
		return err
	}
	c, err := e.tpl.ClientRequestConnection(ctx, req)
	if err != nil {
		return err
	}
	e.dialled = addrPort(c.LocalAddr())
	_, err = c.TryClose() // gives back what was taken; the connection stays
	return err
}

// Connected reports whether the connection still stands. Nobody is told of a loss:
// who wants to know asks now and then. It is always true by UDP.
func (e *Endpoint) Connected() bool {
	if !e.way.reliable() {
		return true
	}
	c, err := e.tpl.GetConnection(e.way.network, e.way.peer.String())
	if err != nil {
		return false
	}
	_, _ = c.TryClose() // gives back what was taken
	return true
}

// uriHost is the server's host as URIs have it.
func (e *Endpoint) uriHost() string {
	if strings.Contains(e.host, ":") {
		return "[" + e.host + "]"
	}
	return e.host
}

// Ping returns nil if the server answers, whatever it says (OPTIONS, which every user
// agent has to answer: RFC 3261 §11). A connection may stand, as far as is known, and
// let nothing through.
func (e *Endpoint) Ping(ctx context.Context) error {
	host := e.uriHost()
	uri := "sip:" + host
	l := leg{core: &e.core, callID: newTag() + "@" + host, local: "<sip:rccgw-client@" + host + ">;tag=" + newTag(), remote: "<" + uri + ">", target: uri, network: e.way.network}
	_, err := e.ask(ctx, func() (*sip.Request, error) { return l.request(e.way, options, 1, newBranch(), "", nil) })
	return err
}

// HangUp ends, with BYE over this endpoint, the dialog of a client whose own endpoint
// was closed before the server was told. It waits for the answer, as long as ctx
// allows; that the server does not know the dialog any more is no error.
func (e *Endpoint) HangUp(ctx context.Context, c *Client) error {
	c.mu.Lock()
	l := c.leg
	c.mu.Unlock()
	if l.remoteTag == "" {
		return nil // it was never opened
	}
	l.core, l.network = &e.core, e.way.network
	m, err := c.login.attempt(func() (*message, error) {
		return e.ask(ctx, func() (*sip.Request, error) {
			l.cseq++
			req, err := l.request(e.way, bye, l.cseq, newBranch(), "", nil)
			if err == nil {
				c.login.sign(req)
			}
			return req, err
		})
	})
	if err == nil && m.status >= 300 && m.status != 481 {
		err = &StatusError{Status: m.status, Reason: m.reason}
	}
	return err
}

// Close closes the endpoint at once; clients that are still open end with
// ErrShutdown, without BYE, and registrations are left to expire. It must not be called by OnEvent or a Handler of its
// clients, for which it waits.
func (e *Endpoint) Close() {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	clients := make([]*Client, 0, len(e.clients))
	for _, c := range e.clients {
		clients = append(clients, c)
	}
	for r := range e.registrations {
		r.stop()
	}
	e.mu.Unlock()
	for _, c := range clients {
		c.end(ErrShutdown)
	}
	e.halt()
	e.core.close()
}

// A Client is the computing function's side of a TR/87 dialog. It is a
// csta.Handler: ServeCSTA asks the server.
type Client struct {
	e     *Endpoint
	own   bool // the endpoint ends with the client
	cfg   ClientConfig
	log   *slog.Logger
	login login

	sending sync.Mutex // CSeq and write are one step, so that requests leave in order

	mu      sync.Mutex
	leg     leg
	inbox   inbox
	opened  csta.Message // answer to the INVITE's request
	allowed string       // the server's Allow
	expiry  sessionTimer
	timer   *time.Timer
	queue   []*delivery
	overdue *time.Timer // of the queue's first, whose transaction may never come
	working bool
	err     error
	done    chan struct{}
}

// A delivery is a request of the server, in order of arrival.
type delivery struct {
	c     *Client
	m     *message
	rec   *record
	since time.Time
	run   func() // nil: its transaction is not there yet
	alone bool   // it is or was run without
}

// Dial opens a dialog, and a socket or connection for it alone. It returns when
// the server has accepted; ctx bounds that. A refusal is a *StatusError.
func Dial(ctx context.Context, cfg ClientConfig) (*Client, error) {
	e, err := Connect(ctx, cfg.Server, cfg.TLS, cfg.Log)
	if err != nil {
		return nil, err
	}
	c, err := e.Dial(ctx, cfg)
	if err != nil {
		e.Close()
		return nil, err
	}
	c.own = true
	return c, nil
}

// Dial opens a dialog over the endpoint.
func (e *Endpoint) Dial(ctx context.Context, cfg ClientConfig) (*Client, error) {
	host := e.uriHost()
	set(&cfg.From, "sip:rccgw-client@"+host)
	set(&cfg.To, "sip:csta@"+host)
	set(&cfg.SessionExpires, 30*time.Minute)
	set(&cfg.Edition, csta.DefaultEdition)
	for _, uri := range []string{cfg.From, cfg.To} {
		if _, _, ok := uriHostPort(uri); !ok || strings.ContainsAny(uri, "<> \r\n") {
			return nil, fmt.Errorf("cstasip: %q is not a SIP URI", uri)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{e: e, cfg: cfg, log: cfg.Log, login: login{user: cfg.User, password: cfg.Password}, done: make(chan struct{})}
	tag := newTag()
	c.leg = leg{
		core: &e.core, callID: newTag() + "@" + host, localTag: tag,
		local: "<" + cfg.From + ">;tag=" + tag, remote: "<" + cfg.To + ">",
		target: cfg.To, network: e.way.network, user: uriUser(cfg.From),
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, ErrEnded
	}
	e.clients[tag] = c
	e.mu.Unlock()
	if err := c.invite(ctx); err != nil {
		c.end(err)
		return nil, err
	}
	return c, nil
}

// invite opens the dialog. An interval that the server finds too small is
// raised to what it wants.
func (c *Client) invite(ctx context.Context) error {
	req := &csta.RequestSystemStatus{}
	if c.cfg.Line != "" {
		req.Extensions = lineData(c.cfg.Line)
	}
	body, err := csta.Encode(req, c.cfg.Edition)
	if err != nil {
		return err
	}
	for range 2 {
		m, err := c.login.attempt(func() (*message, error) { return c.inviteOnce(ctx, body) })
		if err != nil {
			return err
		}
		if m.status == 422 {
			if o, err := sessionOffer(m); err == nil && o.least > c.cfg.SessionExpires {
				c.cfg.SessionExpires = o.least
				continue
			}
		}
		if m.status >= 300 {
			return c.refusal(m)
		}
		return c.accepted(m)
	}
	return errors.New("cstasip: session intervals do not meet")
}

func (c *Client) inviteOnce(ctx context.Context, body []byte) (*message, error) {
	answers := make(chan outcome, 1)
	via, cseq, err := c.transmit(ctx, invite, c.timerLines(), body, answers)
	if err != nil {
		return nil, err
	}
	select {
	case o := <-answers:
		return o.m, o.err
	case <-c.done:
		return nil, c.Err()
	case <-ctx.Done():
	}
	// RFC 3261 §9.1: the CANCEL has the branch of its INVITE.
	c.mu.Lock()
	req, err := c.leg.request(c.e.way, cancel, cseq, via, "", nil)
	c.mu.Unlock()
	if err == nil {
		_ = c.e.tpl.WriteMsg(req)
	}
	return nil, ctx.Err()
}

type outcome struct {
	m   *message
	err error
}

// timerLines are the header lines of an INVITE or UPDATE.
func (c *Client) timerLines() string {
	h := allowLine
	if c.cfg.UserAgent != "" {
		h += "User-Agent: " + headerText(c.cfg.UserAgent) + "\r\n"
	}
	if c.cfg.SessionExpires < 0 {
		return h
	}
	interval := c.cfg.SessionExpires
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expiry.interval > 0 {
		interval = c.expiry.interval
	}
	h += "Supported: timer\r\nSession-Expires: " + seconds(interval)
	if c.leg.remoteTag != "" {
		h += ";refresher=uac"
	}
	return h + "\r\n"
}

// transmit sends a request of the dialog. Requests leave in the order of their
// CSeqs. to is told the outcome; it must have room.
func (c *Client) transmit(ctx context.Context, method, headers string, body []byte, to chan<- outcome) (branch string, cseq uint32, err error) {
	f := c.e.way
	c.sending.Lock()
	defer c.sending.Unlock()
	branch = newBranch()
	c.mu.Lock()
	c.leg.cseq++
	cseq = c.leg.cseq
	if method == invite || method == update {
		headers += c.leg.contact(f)
	}
	req, err := c.leg.request(f, method, cseq, branch, headers, body)
	c.mu.Unlock()
	if err != nil {
		return "", 0, err
	}
	signed := c.login.sign(req)
	if method == info && c.cfg.Permit != nil {
		if err := c.cfg.Permit(ctx); err != nil {
			return "", 0, fmt.Errorf("%w: %w", ErrUnsent, err)
		}
	}
	var again func()
	if method == invite {
		again = func() { c.acknowledge(cseq, signed) }
	}
	err = c.e.emit(ctx, req, func(m *message, err error) {
		if m != nil && method == invite && m.status < 300 {
			again()
		}
		to <- outcome{m, err}
	}, again)
	return branch, cseq, err
}

// emit sends a request over the endpoint's way. What could not be written whole was
// not sent.
func (e *Endpoint) emit(ctx context.Context, req *sip.Request, final func(*message, error), again func()) error {
	err := e.send(ctx, e.way, req, final, again)
	if err == nil || !e.way.reliable() || errors.Is(err, errStopped) {
		return err
	}
	e.discard(e.way)
	return fmt.Errorf("%w: %w", ErrUnsent, ErrDisconnected)
}

// acknowledge sends the ACK of a 2xx to INVITE. It cannot be challenged, and is
// signed as its INVITE was (RFC 3261 §22.1).
func (c *Client) acknowledge(cseq uint32, signed []sip.Header) {
	c.mu.Lock()
	req, err := c.leg.ack(c.e.way, cseq)
	c.mu.Unlock()
	if err == nil {
		for _, h := range signed {
			req.AppendHeader(h)
		}
		_ = c.e.tpl.WriteMsg(req) // if it is lost, the 2xx comes again
	}
}

// response sees every response in the reader: the dialog must stand when the
// message behind the 2xx is read.
func (e *Endpoint) response(m *message) {
	if m.method != invite || m.status < 200 || m.status > 299 {
		return
	}
	e.mu.Lock()
	c := e.clients[m.fromTag]
	e.mu.Unlock()
	if c == nil || c.leg.callID != m.callID {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leg.remoteTag == "" {
		c.leg.remoteTag, c.leg.remote = m.toTag, m.to
		routes := m.list("record-route")
		for i := range routes {
			c.leg.routes = append(c.leg.routes, routes[len(routes)-1-i])
		}
	}
	if target, ok := contactOf(m); ok {
		c.leg.target = target
	}
	if v := m.header("allow"); v != "" {
		c.allowed = v
	}
}

// accepted takes the 2xx of the first INVITE.
func (c *Client) accepted(m *message) error {
	var err error
	if doc, ok := cstaPart(m); ok && len(doc) > 0 {
		if c.opened, _, err = csta.Decode(doc); err != nil {
			c.log.Warn("answer to INVITE cannot be read", "error", err)
		}
	}
	c.login.reset() // most servers do not challenge in a dialog; one that does is answered from then on
	c.agree(m, true)
	return nil
}

// agree takes the session timer from a 2xx to a request of ours.
func (c *Client) agree(m *message, first bool) {
	o, err := sessionOffer(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.expiry.alive = now
	if err == nil && o.interval > 0 {
		c.expiry.interval = o.interval
		c.expiry.ours = o.refresher != "uas"
	} else if first {
		c.expiry = sessionTimer{}
	}
	c.arm()
}

func (c *Client) arm() {
	if c.err != nil || c.expiry.interval == 0 {
		return
	}
	wait := time.Until(c.expiry.due())
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.tick)
		return
	}
	c.timer.Reset(wait)
}

func (c *Client) tick() {
	c.mu.Lock()
	ours := c.expiry.ours
	if at := c.expiry.due(); c.err != nil || at.IsZero() || time.Now().Before(at) {
		c.arm()
		c.mu.Unlock()
		return
	}
	c.expiry.asked = time.Now()
	c.mu.Unlock()
	if ours {
		c.e.spawn(c.refresh)
		return
	}
	c.e.spawn(func() {
		ctx, stop := context.WithTimeout(context.Background(), t2)
		defer stop()
		c.hangUp(ctx)
		c.end(ErrExpired)
	})
}

// Opened returns the server's answer to the RequestSystemStatus of the INVITE,
// nil if it had none.
func (c *Client) Opened() csta.Message { return c.opened }

// Refresh refreshes the session now: by UPDATE, or by re-INVITE with
// RequestSystemStatus.
func (c *Client) Refresh(ctx context.Context) error {
	c.mu.Lock()
	byUpdate := hasToken(c.allowed, update) && !c.cfg.RefreshByInvite
	c.mu.Unlock()
	method, body := update, []byte(nil)
	if !byUpdate {
		method = invite
		var err error
		if body, err = csta.Encode(&csta.RequestSystemStatus{}, c.cfg.Edition); err != nil {
			return err
		}
	}
	m, err := c.roundTrip(ctx, method, c.timerLines(), body)
	if err != nil {
		return err
	}
	if m.status >= 300 {
		return c.refusal(m)
	}
	c.agree(m, false)
	return nil
}

func (c *Client) refresh() {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	err := c.Refresh(ctx)
	var refused *StatusError
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Status != 481 && refused.Status != 408:
		c.log.Warn("refresh refused", "error", err)
		c.mu.Lock()
		c.arm()
		c.mu.Unlock()
	default:
		c.end(fmt.Errorf("%w: %w", ErrGone, err))
	}
}

// roundTrip sends a request and returns its final answer. One that is challenged
// is sent again, behind those that have left meanwhile.
func (c *Client) roundTrip(ctx context.Context, method, headers string, body []byte) (*message, error) {
	return c.login.attempt(func() (*message, error) { return c.roundTripOnce(ctx, method, headers, body) })
}

func (c *Client) roundTripOnce(ctx context.Context, method, headers string, body []byte) (*message, error) {
	if err := c.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsent, err)
	}
	answers := make(chan outcome, 1)
	if _, _, err := c.transmit(ctx, method, headers, body, answers); err != nil {
		return nil, err
	}
	select {
	case o := <-answers:
		return o.m, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, c.Err()
	}
}

// ServeCSTA sends req to the server and returns its answer. A refused service is
// a *csta.Error, alone or in a *StatusError; another SIP error a *StatusError;
// ErrTimeout says that there was no answer in 32 seconds, ErrUnsent that the server
// was not asked; of any other error nobody knows whether it has performed. Calls from
// several goroutines are under way at once; they leave one after the other and are
// served in that order.
func (c *Client) ServeCSTA(ctx context.Context, req csta.Message) (csta.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsent, err) // nothing is asked for whom nobody waits
	}
	body, err := csta.Encode(req, c.cfg.Edition)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsent, err)
	}
	m, err := c.roundTrip(ctx, info, "", body)
	if err != nil {
		return nil, err
	}
	if m.status >= 300 {
		return nil, c.refusal(m)
	}
	doc, ok := cstaPart(m)
	if !ok {
		return nil, fmt.Errorf("cstasip: answer of type %q", clip(m.header("content-type")))
	}
	if len(doc) == 0 {
		return nil, errors.New("cstasip: the answer has no body")
	}
	resp, _, err := csta.Decode(doc)
	if err != nil {
		return nil, err
	}
	if e, ok := resp.(*csta.Error); ok {
		return nil, e
	}
	return resp, nil
}

// Settle returns when OnEvent has been called for all events that have arrived by
// now, or ctx or the dialog ends. After ServeCSTA has returned, these are all that the
// server sent before its answer, where the way keeps the order: by TCP and TLS. It must
// not be called by OnEvent or Handler.
func (c *Client) Settle(ctx context.Context) error {
	settled := make(chan struct{})
	c.mu.Lock()
	if !c.working && len(c.queue) == 0 {
		c.mu.Unlock()
		return nil
	}
	// Its place is behind what is there. It needs no transaction.
	c.queue = append(c.queue, &delivery{c: c, run: func() { close(settled) }})
	c.mu.Unlock()
	select {
	case <-settled:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refusal is the error of a response that is not a 2xx.
func (c *Client) refusal(m *message) error {
	e := &StatusError{Status: m.status, Reason: m.reason}
	if v, _, _ := strings.Cut(m.header("retry-after"), ";"); v != "" {
		v, _, _ = strings.Cut(v, "(")
		if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31); err == nil {
			e.RetryAfter = time.Duration(n) * time.Second
		}
	}
	if doc, ok := cstaPart(m); ok && len(doc) > 0 {
		if resp, _, err := csta.Decode(doc); err == nil {
			e.CSTA, _ = resp.(*csta.Error)
		}
	}
	if m.status == 481 {
		c.mu.Lock()
		open := c.leg.remoteTag != ""
		c.mu.Unlock()
		if open {
			c.end(fmt.Errorf("%w: %w", ErrGone, e))
		}
	}
	return e
}

// Done is closed when the dialog has ended; Err says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns nil while the dialog lasts, then why it ended: ErrBye with what
// the server told, ErrGone, ErrExpired, or ErrEnded after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the dialog with BYE and waits for its answer, as long as ctx
// allows. The dialog has ended when it returns, whatever the error.
func (c *Client) Close(ctx context.Context) error {
	var err error
	if c.Err() == nil {
		err = c.hangUp(ctx)
	}
	c.end(ErrEnded)
	if c.own {
		c.e.Close()
	}
	return err
}

func (c *Client) hangUp(ctx context.Context) error {
	m, err := c.roundTrip(ctx, bye, "", nil)
	if err == nil && m.status >= 300 && m.status != 481 {
		err = &StatusError{Status: m.status, Reason: m.reason}
	}
	return err
}

// end ends the dialog, once.
func (c *Client) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.overdue != nil {
		c.overdue.Stop()
	}
	close(c.done)
	c.mu.Unlock()
	c.e.mu.Lock()
	delete(c.e.clients, c.leg.localTag)
	c.e.mu.Unlock()
}

// arrived gives a request of the server its ticket. It runs in the reader.
func (e *Endpoint) arrived(t *ticket) {
	m := t.m
	e.mu.Lock()
	c := e.clients[m.toTag]
	e.mu.Unlock()
	switch {
	case c != nil && c.leg.callID == m.callID:
		c.arrived(t)
	case m.method == options:
		t.answer = &answer{status: 200, headers: allowLine + acceptLine}
	default:
		t.answer = &answer{status: 481}
	}
}

func (c *Client) arrived(t *ticket) {
	m := t.m
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leg.remoteTag == "" {
		return // it overtook the answer to our INVITE, and comes again
	}
	if c.leg.remoteTag != m.fromTag {
		t.answer = &answer{status: 481}
		return
	}
	c.expiry.alive = time.Now()
	switch m.method {
	case ack:
	case bye:
		t.answer = &answer{status: 200}
		t.in = &delivery{c: c, m: m}
	case options:
		t.answer = &answer{status: 200, headers: allowLine + acceptLine}
	case info, update, invite:
		rec, v := c.inbox.receive(m, time.Now(), t.branch)
		switch v {
		case pending:
			t.again, t.branch = true, rec.brand
		case repeated:
			t.again, t.branch, t.answer = true, rec.brand, &rec.answer
		case conflict:
			t.answer = &answer{status: 500, reason: "CSeq Out of Order"}
		case fresh:
			t.in = &delivery{c: c, m: m, rec: rec, since: time.Now()}
			c.queue = append(c.queue, t.in)
			if len(c.queue) == 1 {
				c.await(ticketTimeout)
			}
		}
	default:
		t.answer = &answer{status: 405, headers: allowLine}
	}
}

// serve does what the ticket says.
func (e *Endpoint) serve(t *ticket, tx *sip.ServerTx) {
	switch {
	case t.err != nil, t.m.method == ack, t.m.method == cancel:
		tx.Terminate()
	case t.answer != nil:
		_ = tx.Respond(t.m.response(*t.answer, newTag()))
		if t.in != nil {
			t.in.c.byed(t.m)
		}
	case t.in != nil:
		t.in.c.deliver(t.in, tx)
	default:
		tx.Terminate()
	}
}

// byed takes the server's BYE.
func (c *Client) byed(m *message) {
	err := ErrBye
	if text, ok := param(strings.TrimPrefix(m.header("reason"), "SIP"), "text"); ok {
		err = fmt.Errorf("%w: %s", ErrBye, clip(unquote(text)))
	}
	c.end(err)
}

// await looks in a while whether the queue's first has its transaction. c.mu is
// held.
func (c *Client) await(d time.Duration) {
	if c.overdue == nil {
		c.overdue = time.AfterFunc(d, func() { c.e.spawn(c.work) })
		return
	}
	c.overdue.Reset(d)
}

// deliver brings a request of the server its transaction: an event is answered
// at once and handed on when its turn comes; what is no event is answered at its
// turn.
func (c *Client) deliver(in *delivery, tx *sip.ServerTx) {
	c.mu.Lock()
	if in.alone {
		if in.rec.done {
			a := in.rec.answer
			c.mu.Unlock()
			_ = tx.Respond(in.m.response(a, "")) // if it is lost, the request comes again
			return
		}
		c.mu.Unlock()
		tx.Terminate()
		return
	}
	c.mu.Unlock()
	run := c.read(in, tx)
	c.mu.Lock()
	if !in.alone {
		in.run = run
	}
	c.mu.Unlock()
	c.work()
}

// work runs what is next in the queue. What has waited for its transaction too
// long is run without: an event must not be lost for that, and its sender has
// the answer when it asks again.
func (c *Client) work() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.working {
		return
	}
	c.working = true
	for len(c.queue) > 0 {
		in := c.queue[0]
		if in.run == nil {
			if wait := ticketTimeout - time.Since(in.since); wait > 0 && c.err == nil {
				c.await(wait)
				break
			}
			in.alone = true
			c.mu.Unlock()
			run := c.read(in, nil)
			c.mu.Lock()
			in.run = run
		}
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.mu.Unlock()
		c.e.guard("delivering", in.run)
		c.mu.Lock()
	}
	if len(c.queue) == 0 {
		c.queue = nil
	}
	c.working = false
}

// read decodes a request of the server, answers it if it is an event, and
// returns what is to be done in its turn.
func (c *Client) read(in *delivery, tx *sip.ServerTx) func() {
	nothing := func() {}
	unread := func(err error) func() {
		if c.cfg.OnUnread == nil {
			return nothing
		}
		return func() { c.cfg.OnUnread(err) }
	}
	doc, ok := cstaPart(in.m)
	if !ok {
		c.finish(in, tx, answer{status: 415, headers: acceptLine})
		return nothing
	}
	var req csta.Message
	var edition csta.Edition
	var err error
	if len(doc) > 0 {
		if req, edition, err = csta.Decode(doc); err != nil {
			if a, bad := undecoded(err); bad {
				c.finish(in, tx, a)
				return unread(err)
			}
		}
	}
	if ev, ok := req.(csta.Event); ok && err == nil {
		c.finish(in, tx, answer{status: 200})
		if c.cfg.OnEvent == nil {
			return nothing
		}
		return func() { c.cfg.OnEvent(ev) }
	}
	return func() {
		c.finish(in, tx, c.serve(in.m, req, edition, err))
		if err != nil {
			unread(err)()
		}
	}
}

func (c *Client) finish(in *delivery, tx *sip.ServerTx, a answer) {
	c.mu.Lock()
	if !in.rec.done {
		c.inbox.answer(in.rec, a, time.Now())
	}
	c.mu.Unlock()
	if tx == nil {
		return
	}
	if err := tx.Respond(in.m.response(a, "")); err != nil {
		c.log.Debug("answer not sent", "error", err)
	}
}

// serve answers a request of the server that is not an event.
func (c *Client) serve(m *message, req csta.Message, edition csta.Edition, err error) answer {
	a := answer{status: 200}
	if m.method != info {
		// A refresh by the server. Its interval and its role are accepted.
		if o, err := sessionOffer(m); err == nil && o.interval > 0 {
			c.mu.Lock()
			c.expiry.interval, c.expiry.ours = o.interval, o.refresher == "uas"
			c.expiry.alive = time.Now()
			c.arm()
			a.headers = sessionExpires(o.interval, "uac")
			if c.expiry.ours {
				a.headers = sessionExpires(o.interval, "uas")
			}
			c.mu.Unlock()
		}
		c.mu.Lock()
		a.headers += c.leg.contact(m.flow) + allowLine
		c.mu.Unlock()
	}
	var resp csta.Message
	switch {
	case err != nil:
	case req == nil:
		return a
	case c.cfg.Handler != nil:
		ctx, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		resp, err = c.cfg.Handler.ServeCSTA(ctx, req)
	default:
		switch req.(type) {
		case *csta.RequestSystemStatus:
			resp = &csta.RequestSystemStatusResponse{SystemStatus: "normal"}
		case *csta.SystemStatus:
			resp = &csta.SystemStatusResponse{}
		case *csta.MonitorStop:
			resp = &csta.MonitorStopResponse{}
		default:
			err = csta.Errorf(csta.Operation, "serviceNotSupported", "%s", csta.Name(req))
		}
	}
	if err != nil {
		resp = csta.AsError(err)
	}
	if resp == nil {
		return a
	}
	if a.body, err = csta.Encode(resp, edition); err != nil {
		return answer{status: 500}
	}
	return a
}
