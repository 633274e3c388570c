package cstasip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// Config is what a Server is made from. Zero values are sensible but for Open
// and Listen.
type Config struct {
	// Listen are the listeners: "udp://127.0.0.1:5060", "tcp://…", "tls://…".
	// Port 0 takes a free one, see Server.Addrs.
	Listen []string

	// Advertise is host[:port] for Contact and Via, where the address that is
	// listened on is not the one that clients reach. Without a port it goes with
	// the port of each listener.
	Advertise string

	// TLS serves tls:// listeners, and connections that we open to clients. Client
	// certificates are asked for by its ClientAuth; see Dialog.Certificate. To
	// renew certificates is up to its GetCertificate.
	TLS *tls.Config

	// Peers reports who may talk to us; nil: everybody. The rest is dropped unread.
	Peers func(netip.Addr) bool

	// SessionExpires is the session interval (RFC 4028), 30 minutes if zero;
	// MinSE the least that a client may ask for, 90 seconds if zero. Less than
	// 90 seconds is against RFC 4028 §5 and of use in laboratories.
	SessionExpires, MinSE time.Duration

	// ErrorStyle says how a refused service is answered; ErrorsInCSTA if empty.
	// See Dialog.SetErrorStyle.
	ErrorStyle ErrorStyle

	// Auth has REGISTER accepted, and INVITE authenticated if it says so; nil:
	// REGISTER is refused with 405, and nobody is asked who he is.
	Auth *Auth

	// Open is called for each INVITE that could be accepted, in a goroutine of
	// its own, and returns the dialog's session. Its error refuses the INVITE:
	// with a *Refusal's status, a *csta.Error's nearest, else 500. ctx ends with
	// the INVITE: when it is cancelled or takes longer than RequestTimeout. The
	// Dialog is valid until Session.Close; events may be sent at once, they leave
	// after the answer to the INVITE.
	Open func(ctx context.Context, d *Dialog) (Session, error)

	// Log receives what an operator should know; nil: nothing is logged. Bodies
	// are not logged.
	Log *slog.Logger

	// Agent is the Server header's value; empty: none.
	Agent string

	MaxDialogs     int           // 200,000 if zero; more are refused with 503
	MaxConnections int           // 100,000 if zero; more are closed at once
	MaxInvites     int           // that are kept for their repetitions, half a minute at most, 20,000 if zero; more are refused with 503
	MaxRequests    int           // that wait in one dialog, 32 if zero; more are refused with 503
	MaxEvents      int           // that wait in one dialog, 256 if zero; more end it
	RequestTimeout time.Duration // from a request's arrival to its answer, 30 s if zero
	EventHold      time.Duration // how long events wait for an answer at most, 10 s if zero

	// What one peer may take: an IPv4 address, or the first 64 bits of an IPv6
	// address. A proxy is one peer for all its clients.
	MaxPeerDialogs     int // 100,000 if zero; more are refused with 503
	MaxPeerConnections int // 10,000 if zero; more are closed at once
	MaxPeerRequests    int // per second, and at once, 10,000 if zero; more are refused with 503, but for ACK, CANCEL and a dialog's BYE
}

// A Session is what a client's dialog works on: the services that it asks for,
// and what is freed when it ends.
//
// ServeCSTA is called for one request at a time, in the order of their arrival,
// until Close; ctx ends with RequestTimeout and carries the command's key
// (csta.CommandKey). A nil Message with a nil error is answered by a 200
// without body. An error is answered as a CSTAErrorCode; a *Refusal as a SIP
// status.
//
// Close is called once, after the last request was served, with the reason.
type Session interface {
	csta.Handler
	Close(reason error)
}

// A Server is the switching function's side of TR/87: it accepts the dialogs of
// clients, serves their requests and sends them events.
type Server struct {
	core
	cfg   Config
	log   *slog.Logger
	stats counters
	bad   quietLog
	rates rates

	newTag func() string // of dialogs

	auth     *authority // nil: REGISTER is not for us
	bindings registrar

	ctx    context.Context // of all requests; ends when the server stops
	cancel context.CancelFunc

	mu       sync.Mutex
	dialogs  map[string]*Dialog   // by our tag
	invites  map[string]*inviteTx // by transaction
	byTag    map[string]*inviteTx // of first INVITEs, by our tag
	open     int                  // dialogs that open or have not ended
	openOf   tally                // the same, per peer
	draining bool
	working  int           // dialogs with a request in service
	idle     chan struct{} // closed when working falls to zero while draining

	stopOnce sync.Once
	done     chan struct{}
}

// NewServer returns a server that does nothing yet: Listen opens its listeners,
// Run serves.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Open == nil {
		return nil, errors.New("cstasip: no Open")
	}
	if len(cfg.Listen) == 0 {
		return nil, errors.New("cstasip: no listener")
	}
	for _, url := range cfg.Listen {
		network, _, err := splitListen(url)
		if err != nil {
			return nil, err
		}
		if network == tlsNet && cfg.TLS == nil {
			return nil, fmt.Errorf("cstasip: listener %q needs a TLS configuration", url)
		}
	}
	if cfg.Advertise != "" {
		if _, _, ok := hostPort(cfg.Advertise); !ok || strings.ContainsAny(cfg.Advertise, " <>;,\r\n") {
			return nil, fmt.Errorf("cstasip: advertised address %q: want host[:port]", cfg.Advertise)
		}
	}
	switch cfg.ErrorStyle {
	case "":
		cfg.ErrorStyle = ErrorsInCSTA
	case ErrorsInCSTA, ErrorsInSIP:
	default:
		return nil, fmt.Errorf("cstasip: error style %q: want csta or sip", cfg.ErrorStyle)
	}
	set(&cfg.SessionExpires, 30*time.Minute)
	set(&cfg.MinSE, 90*time.Second)
	cfg.MinSE = min(cfg.MinSE, cfg.SessionExpires)
	set(&cfg.MaxDialogs, 200_000)
	set(&cfg.MaxConnections, 100_000)
	set(&cfg.MaxInvites, 20_000)
	set(&cfg.MaxPeerDialogs, 100_000)
	set(&cfg.MaxPeerConnections, 10_000)
	set(&cfg.MaxPeerRequests, 10_000)
	set(&cfg.MaxRequests, 32)
	set(&cfg.MaxEvents, 256)
	set(&cfg.RequestTimeout, 30*time.Second)
	set(&cfg.EventHold, 10*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, newTag: newTag, rates: newRates(cfg.MaxPeerRequests), openOf: tally{},
		dialogs: map[string]*Dialog{}, invites: map[string]*inviteTx{}, byTag: map[string]*inviteTx{},
		done: make(chan struct{}),
	}
	if cfg.Auth != nil {
		var err error
		if s.auth, err = newAuthority(*cfg.Auth); err != nil {
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.core.init(hostNetwork{}, cfg.Log, cfg.TLS, cfg.Advertise)
	s.gate.peers, s.gate.refused = cfg.Peers, s.turnedAway
	s.gate.maxConns, s.gate.maxPeerConns = cfg.MaxConnections, cfg.MaxPeerConnections
	s.core.arrived, s.core.served = s.arrived, s.serve
	s.core.malformed, s.core.panicked = s.malformed, s.panicked
	return s, nil
}

func set[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Listen opens the listeners and returns when they listen. What arrives before
// Run waits in the kernel.
func (s *Server) Listen(ctx context.Context) error {
	if err := s.core.listen(ctx, s.cfg.Listen); err != nil {
		s.core.close()
		return err
	}
	return nil
}

// Addrs returns the listeners' addresses in the form of Config.Listen, with the
// ports that were taken.
func (s *Server) Addrs() []string { return s.core.addrs() }

// Run serves until Shutdown has finished, and returns nil, or until ctx ends:
// then it stops at once, without BYE to the clients, and returns ctx's error.
// When it returns all sessions are closed and no goroutine is left.
func (s *Server) Run(ctx context.Context) error {
	s.core.serve()
	select {
	case <-ctx.Done():
		s.stop()
		return ctx.Err()
	case <-s.done:
		return nil
	}
}

// Shutdown ends the server in order: new INVITEs are refused with 503, requests
// in service are waited for, every dialog ends with BYE. It returns when all
// sessions are closed; at the end of ctx it hurries, and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	var idle chan struct{}
	if !s.draining {
		s.draining = true
		s.idle = make(chan struct{})
		if s.working == 0 {
			close(s.idle)
		}
	}
	idle = s.idle
	s.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	// A client that does not answer its BYE is not waited for any longer than
	// its retransmissions need to be heard once or twice.
	hurry, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	var byes sync.WaitGroup
	for _, d := range s.snapshot() {
		byes.Add(1)
		if !d.end(ErrShutdown, true, byes.Done) {
			byes.Done()
		}
	}
	answered := make(chan struct{})
	go func() { byes.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-hurry.Done():
	}
	s.stop()
	<-answered // stop ended the BYEs that were not
	return ctx.Err()
}

// stop ends everything at once.
func (s *Server) stop() {
	s.stopOnce.Do(func() {
		s.mu.Lock()
		s.draining = true
		if s.idle == nil {
			s.idle = make(chan struct{})
			if s.working == 0 {
				close(s.idle)
			}
		}
		s.mu.Unlock()
		s.cancel()
		for _, d := range s.snapshot() {
			d.end(ErrShutdown, false, nil)
		}
		s.core.halt()
		s.bindings.close()
		s.core.close()
		s.mu.Lock()
		for _, tx := range s.invites {
			s.remove(tx)
		}
		for _, d := range s.dialogs {
			d.mu.Lock()
			d.stopTimer()
			d.mu.Unlock()
		}
		clear(s.invites)
		clear(s.byTag)
		clear(s.dialogs)
		s.mu.Unlock()
		close(s.done)
	})
	<-s.done
}

func (s *Server) snapshot() []*Dialog {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Dialog, 0, len(s.dialogs))
	for _, d := range s.dialogs {
		list = append(list, d)
	}
	return list
}

// work counts the dialogs with a request in service.
func (s *Server) work(delta int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working += delta
	if s.working == 0 && s.draining {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// respond writes the answer to a request, other than that to an INVITE which is
// kept, and counts it. sipgo would keep the request with it, to repeat it: but a
// dialog does that itself, and what has no dialog is answered the same again (RFC
// 3261 §8.2.7), except a registration.
func (s *Server) respond(tx *sip.ServerTx, m *message, a answer, tag string) {
	s.stats.answered(m.method, a.status)
	if err := tx.Respond(m.response(a, tag)); err != nil {
		s.log.Debug("answer not sent", "peer", m.flow.peer, "error", err)
	}
	if m.method != register || a.status >= 300 {
		tx.Terminate()
	}
}

// arrived gives a request its ticket. It runs in the reader, in order of
// arrival, and is not to be held up.
func (s *Server) arrived(t *ticket) {
	m := t.m
	switch m.method {
	case ack:
		s.acknowledged(t)
		return
	case cancel:
		s.mu.Lock()
		if tx := s.invites[inviteKey(m)]; tx != nil {
			t.branch = tx.brand
		}
		s.mu.Unlock()
		t.answer = &answer{status: 481} // where sipgo knows its INVITE it does not ask us
		return
	}
	if t.limited = !s.rates.allow(m.flow.peer.Addr()); t.limited {
		s.turnedAway(m.flow.network, m.flow.peer.Addr(), errPeerRequests)
	}
	if bad := unsupported(m); bad != "" {
		t.answer = &answer{status: 420, headers: "Unsupported: " + bad + "\r\n"}
		return
	}
	if m.toTag != "" {
		if d := s.find(m); d != nil {
			d.arrived(t)
			return
		}
	}
	scheme := strings.ToLower(m.uri.Scheme)
	switch {
	case t.limited && m.method != invite:
		t.answer = &busy
	case m.method == register && s.auth != nil: // answered by serve
	case m.method == register, !known(m.method):
		t.answer = &answer{status: 405, headers: s.allowLine()}
	case m.toTag != "":
		t.answer = &answer{status: 481}
	case scheme != "sip" && scheme != "sips" && scheme != "tel" && scheme != "":
		t.answer = &answer{status: 416}
	case m.method == invite:
		again := false
		if t.invite, again = s.inviteFor(t); again {
			t.again, t.invite, t.branch = true, nil, t.invite.brand
		} else if t.invite == nil {
			t.answer = &busy
		}
	case m.method == options:
		a := s.capabilities()
		t.answer = &a
	default:
		t.answer = &answer{status: 481}
	}
}

// serve does what the ticket says.
func (s *Server) serve(t *ticket, tx *sip.ServerTx) {
	switch {
	case t.err != nil:
		s.reject(t, tx)
	case t.m.method == ack:
		tx.Terminate() // sipgo has made one for it all the same
	case t.answer != nil:
		if t.invite != nil {
			t.invite.begin(tx)
			t.invite.answer(*t.answer)
			return
		}
		s.respond(tx, t.m, *t.answer, statelessTag(t.m))
	case t.job != nil:
		if t.invite != nil {
			t.invite.begin(tx)
		}
		t.job.dialog.deposit(t.job, t.m, tx)
	case t.invite != nil && t.m.toTag == "":
		s.invited(t.invite, tx)
	case t.m.method == register:
		s.respond(tx, t.m, s.registered(t.m), statelessTag(t.m))
	default:
		tx.Terminate() // a repetition that was answered and acknowledged
	}
}

// statelessTag is the To tag of an answer without a dialog: the same for a
// repetition (RFC 3261 §8.2.7).
func statelessTag(m *message) string {
	h := bodyHash([]byte(m.callID + "\x00" + m.fromTag + "\x00" + m.via.branch))
	tag := make([]byte, 10)
	for i := range tag {
		tag[i] = alphabet[h[i]&31]
	}
	return string(tag)
}

// reject answers a request that is SIP for sipgo and not for us.
func (s *Server) reject(t *ticket, tx *sip.ServerTx) {
	a := answer{status: 400}
	if errors.Is(t.err, errVersion) {
		a.status = 505
	}
	if t.m == nil || t.m.method == ack {
		tx.Terminate()
		return
	}
	s.respond(tx, t.m, a, statelessTag(t.m))
}

func known(method string) bool {
	switch method {
	case invite, ack, bye, cancel, info, update, options, register:
		return true
	}
	return false
}

const (
	allowLine  = "Allow: " + allow + "\r\n"
	acceptLine = "Accept: " + contentType + "\r\n"
)

// capabilities answers OPTIONS (RFC 3261 §11.2).
func (s *Server) capabilities() answer {
	a := answer{status: 200, headers: s.allowLine() + acceptLine + "Supported: timer\r\n" + s.agentLine()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		a = answer{status: 503, headers: "Retry-After: 10\r\n"}
	}
	return a
}

// allowLine lists what is allowed outside of dialogs.
func (s *Server) allowLine() string {
	if s.auth == nil {
		return allowLine
	}
	return "Allow: " + allow + ", " + register + "\r\n"
}

func (s *Server) agentLine() string {
	if s.cfg.Agent == "" {
		return ""
	}
	return "Server: " + headerText(s.cfg.Agent) + "\r\n"
}

// unsupported returns the extensions that a request requires and we lack, as a
// header value (RFC 3261 §8.2.2.3).
func unsupported(m *message) string {
	var list []string
	for _, t := range m.list("require") {
		if !strings.EqualFold(t, "timer") {
			list = append(list, headerText(t))
		}
	}
	return strings.Join(list, ", ")
}

// find returns the dialog that a request belongs to, nil if there is none.
func (s *Server) find(m *message) *Dialog {
	s.mu.Lock()
	d := s.dialogs[m.toTag]
	s.mu.Unlock()
	if d == nil || d.leg.callID != m.callID || d.leg.remoteTag != m.fromTag {
		return nil
	}
	return d
}

// malformed tells the operator that somebody talks rubbish: once per peer and
// interval.
func (s *Server) malformed(network string, from netip.AddrPort, err error) {
	s.stats.malformed.Add(1)
	if n, ok := s.bad.tell(from.Addr(), time.Now()); ok {
		s.log.Warn("malformed SIP message", "peer", from, "transport", network, "error", headerText(clip(err.Error())), "more", n)
	}
}

func (s *Server) panicked(where string, value any, stack []byte) {
	s.stats.panics.Add(1)
	s.log.Error("panic", "where", where, "panic", fmt.Sprint(value), "stack", string(stack))
}

// turnedAway records what a peer, or a request of it, was refused for.
func (s *Server) turnedAway(network string, peer netip.Addr, why error) {
	if n, ok := s.bad.tell(peer, time.Now()); ok {
		s.log.Warn("peer refused", "peer", peer, "transport", network, "reason", headerText(clip(why.Error())), "more", n)
	}
	switch why {
	case errPeerConnections:
		s.stats.limitedConnections.Add(1)
	case errPeerDialogs:
		s.stats.limitedDialogs.Add(1)
	case errPeerRequests:
		s.stats.limitedRequests.Add(1)
	default:
		s.stats.refused.Add(1)
	}
}

// admit takes a place among the dialogs for a peer, until vacate.
func (s *Server) admit(network string, peer netip.Addr) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return answer{status: 503, headers: "Retry-After: 10\r\n"}
	case s.open >= s.cfg.MaxDialogs:
		return answer{status: 503, headers: "Retry-After: 60\r\n"}
	case s.openOf.of(peer) >= s.cfg.MaxPeerDialogs:
		defer s.turnedAway(network, peer, errPeerDialogs)
		return answer{status: 503, headers: "Retry-After: 60\r\n"}
	}
	s.open++
	s.openOf.add(peer, +1)
	return answer{status: 200}
}

// vacate gives the place back. s.mu is held.
func (s *Server) vacate(d *Dialog) {
	s.open--
	s.openOf.add(d.Peer.Addr(), -1)
}

// quietLog lets one line per peer and interval through.
type quietLog struct {
	mu    sync.Mutex
	peers map[netip.Addr]*quietPeer
}

type quietPeer struct {
	last time.Time
	more int
}

const (
	quietInterval = time.Minute
	quietPeers    = 1024 // remembered; a flood from everywhere starts again
)

// tell reports whether to log now, and how many were passed over since.
func (q *quietLog) tell(peer netip.Addr, now time.Time) (more int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.peers[peer]
	if p == nil {
		if q.peers == nil || len(q.peers) >= quietPeers {
			q.peers = map[netip.Addr]*quietPeer{}
		}
		p = new(quietPeer)
		q.peers[peer] = p
	}
	if !p.last.IsZero() && now.Sub(p.last) < quietInterval {
		p.more++
		return 0, false
	}
	more, p.last, p.more = p.more, now, 0
	return more, true
}

// Stats are a server's counters, for metrics.
type Stats struct {
	Dialogs     int // open now, or opening
	Connections int // TCP and TLS, open now

	Opened, Ended uint64             // dialogs
	Requests      map[Outcome]uint64 // answered
	Repeated      uint64             // requests that came again and were given the stored answer
	Malformed     uint64             // messages that could not be read
	Refused       uint64             // peers and connections turned away
	Panics        uint64             // in sessions, or ours

	// Refused for a limit of their peer.
	LimitedConnections, LimitedDialogs, LimitedRequests uint64

	Registrations int    // bindings now
	Challenges    uint64 // 401 to requests with no credentials, or with a nonce that is used up
	AuthFailures  uint64 // 401 to a wrong name or password

	EventsSent       uint64 // INFOs sent
	EventsAnswered   uint64 // by a 2xx
	EventsRefused    uint64 // by another status
	EventsUnanswered uint64 // in 64·T1; some clients never answer
	EventsDropped    uint64 // not sent, because the dialog ended
	EventsHeld       uint64 // released at the deadline, before the answer they waited for
}

// An Outcome is a kind of request and the status of its answer.
type Outcome struct {
	Method string
	Status int
}

type counters struct {
	opened, ended, repeated, malformed, refused, panics                          atomic.Uint64
	limitedConnections, limitedDialogs, limitedRequests                          atomic.Uint64
	challenged, authFailed                                                       atomic.Uint64
	sent, eventsAnswered, eventsRefused, unanswered, eventsDropped, eventsForced atomic.Uint64

	mu       sync.Mutex
	requests map[Outcome]uint64
}

func (c *counters) answered(method string, status int) {
	if !known(method) {
		method = "other" // the label of a metric is not the sender's to choose
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests = map[Outcome]uint64{}
	}
	c.requests[Outcome{method, status}]++
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := s.open
	s.mu.Unlock()
	c := &s.stats
	st := Stats{
		Dialogs: open, Connections: s.connections(),
		Opened: c.opened.Load(), Ended: c.ended.Load(), Repeated: c.repeated.Load(),
		Malformed: c.malformed.Load(), Refused: c.refused.Load(), Panics: c.panics.Load(),
		LimitedConnections: c.limitedConnections.Load(), LimitedDialogs: c.limitedDialogs.Load(), LimitedRequests: c.limitedRequests.Load(),
		Registrations: s.bindings.count(), Challenges: c.challenged.Load(), AuthFailures: c.authFailed.Load(),
		EventsSent: c.sent.Load(), EventsAnswered: c.eventsAnswered.Load(), EventsRefused: c.eventsRefused.Load(),
		EventsUnanswered: c.unanswered.Load(), EventsDropped: c.eventsDropped.Load(), EventsHeld: c.eventsForced.Load(),
		Requests: map[Outcome]uint64{},
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range c.requests {
		st.Requests[k] = n
	}
	return st
}
