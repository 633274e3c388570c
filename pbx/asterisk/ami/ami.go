package ami

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // the digest of AMI's login is MD5
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Errors by which a link ends, and what an unlucky action ends with.
var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("ami: connection closed")
	// ErrOverflow ends the link of a consumer that does not keep up with the events.
	ErrOverflow = errors.New("ami: queue of events is full")
	// ErrSilent ends the link of a PBX that does not even answer a Ping.
	ErrSilent = errors.New("ami: PBX does not answer")
	// ErrUnanswered means that the action was sent, wholly or in part, and that no answer came: whether it was
	// carried out is unknown. An error that is neither ErrUnanswered nor an *Error means that nothing was sent.
	ErrUnanswered = errors.New("ami: no answer")
)

// An Error is the refusal of an action by Asterisk.
type Error struct {
	Action  string // name of the action
	Message string // Asterisk's reason
}

func (e *Error) Error() string { return "ami: " + e.Action + ": " + e.Message }

// An Event is something that happened in the PBX, or one item of a list.
type Event struct {
	Name   string // such as Newchannel
	Seq    uint64 // place in the stream of all messages, from 1
	Fields        // all of them, Event included
}

// A Response is the answer to an action.
type Response struct {
	Status  string // Success, Pong, Goodbye …; never Error
	Message string // Asterisk's comment
	Seq     uint64 // place in the stream of all messages, from 1
	Fields         // all of them, Response and Message included
}

func (r *Response) refused() bool { return strings.EqualFold(r.Status, "Error") }

// Config tells how to reach an Asterisk. The zero values of everything but the first three are usable.
type Config struct {
	// Address is host:port, tcp://host:port or tls://host:port. The port may be left out: 5038, with TLS 5039.
	Address string
	User    string
	Secret  string // is not sent: only a digest with Asterisk's challenge is

	TLS *tls.Config // for tls://; nil verifies against the system's authorities

	LoginTimeout  time.Duration // from dialling to logged in; 10 s
	ActionTimeout time.Duration // longest wait of Do and List, and longest write; 10 s
	PingInterval  time.Duration // silence of the PBX that is tolerated without asking; 5 s

	EventQueue int // events that may wait for their consumer; 8192
	ListLimit  int // items that List accepts; 100,000
}

func (c Config) withDefaults() Config {
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 10*time.Second)
	c.ActionTimeout = cmp.Or(c.ActionTimeout, 10*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 5*time.Second)
	c.EventQueue = cmp.Or(c.EventQueue, 8192)
	c.ListLimit = cmp.Or(c.ListLimit, 100_000)
	return c
}

// A Conn is one logged-in link. Its methods may be called concurrently; [Conn.Run] once.
type Conn struct {
	cfg     Config
	nc      net.Conn
	version string
	in      *reader
	watch   bool // logged in: silence is answered with a Ping
	events  chan Event
	running sync.Once

	wmu    sync.Mutex // held while writing to nc
	out    []byte
	nextID uint64

	mu    sync.Mutex
	seq   uint64           // last message read
	calls map[string]*call // by ActionID, from before the write until the answer; also those nobody waits for any more

	ending sync.Once
	done   chan struct{} // closed when the link has ended, after err is set
	err    error
}

// A call is an action on its way.
type call struct {
	list   bool
	limit  int
	resp   Response
	items  []Event
	err    error
	answer chan struct{} // closed when the above is complete
}

// Dial connects and logs in. It blocks until both are done, ctx ends or LoginTimeout has passed. A wrong user or
// secret gives an [*Error].
//
// The connection is the caller's: it answers nothing until [Conn.Run] is called, and holds a socket until Run returns or
// Close is called.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, cfg.LoginTimeout)
	defer cancel()
	scheme, host, ok := strings.Cut(cfg.Address, "://")
	if !ok {
		scheme, host = "tcp", cfg.Address
	}
	var d interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	}
	port := "5038"
	switch scheme {
	case "tcp":
		d = &net.Dialer{}
	case "tls":
		d, port = &tls.Dialer{Config: cfg.TLS}, "5039"
	default:
		return nil, fmt.Errorf("ami: address %q: scheme is neither tcp nor tls", cfg.Address)
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	nc, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("ami: %w", err)
	}
	return newConn(ctx, cfg, nc)
}

// newConn logs in on nc, which it closes when that fails.
func newConn(ctx context.Context, cfg Config, nc net.Conn) (*Conn, error) {
	c := &Conn{
		cfg:    cfg,
		nc:     nc,
		events: make(chan Event, cfg.EventQueue),
		calls:  map[string]*call{},
		done:   make(chan struct{}),
	}
	c.in = newReader(watchdog{c})
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err := c.login()
	if !stop() {
		err = cmp.Or(context.Cause(ctx), err) // the deadline's error says less
	}
	if err != nil {
		_ = nc.Close()
		if e := (*Error)(nil); errors.As(err, &e) {
			return nil, err
		}
		return nil, fmt.Errorf("ami: login: %w", err)
	}
	c.watch = true
	return c, nil
}

func (c *Conn) login() error {
	line, err := c.in.greeting()
	if err != nil {
		return err
	}
	var ok bool
	if c.version, ok = strings.CutPrefix(line, "Asterisk Call Manager/"); !ok {
		return errors.New("the other side is not an Asterisk Manager Interface")
	}
	// Asterisk drops a client without a login after 30 s by itself.
	fs, err := c.ask(NewAction("Challenge", "AuthType", "MD5"))
	if err != nil {
		return err
	}
	sum := md5.Sum([]byte(fs.Get("Challenge") + c.cfg.Secret)) //nolint:gosec // see the import
	_, err = c.ask(NewAction("Login", "AuthType", "MD5", "Username", c.cfg.User, "Key", hex.EncodeToString(sum[:])))
	return err
}

// ask sends an action and reads its answer, before there is a Run. Events in between are kept.
func (c *Conn) ask(a Action) (Fields, error) {
	b, err := a.append(nil)
	if err != nil {
		return nil, err
	}
	if _, err = c.nc.Write(b); err != nil {
		return nil, err
	}
	for {
		fs, err := c.in.message()
		if err != nil {
			return nil, err
		}
		c.seq++
		if !isResponse(fs) {
			if err := c.queue(Event{Name: fs.Get("Event"), Seq: c.seq, Fields: fs}); err != nil {
				return nil, err
			}
			continue
		}
		if !strings.EqualFold(fs[0].Value, "Success") {
			return nil, &Error{a.Name, fs.Get("Message")}
		}
		return fs, nil
	}
}

// Version is the version of the protocol that the PBX announced, such as 11.0.0.
func (c *Conn) Version() string { return c.version }

// Events returns the queue of the events that belong to no list, in the order of the wire. It is closed when Run returns; what is
// in it by then can still be received.
func (c *Conn) Events() <-chan Event { return c.events }

// Close ends the link: Run returns, and whoever waits in Do or List is released. It may be called at any time and more than once.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	return nil
}

// fail ends the link because of err, unless it has ended already.
func (c *Conn) fail(err error) {
	c.ending.Do(func() {
		c.err = err
		close(c.done)
		_ = c.nc.Close()
	})
}

// Run reads from the link until it ends, and then tells why: ctx's error, [ErrClosed], [ErrOverflow], [ErrSilent], or what
// the network said. It must run for Do, List and Events to work, and closes the connection before it returns.
func (c *Conn) Run(ctx context.Context) error {
	err := errors.New("ami: Run called twice")
	c.running.Do(func() {
		defer close(c.events)
		defer context.AfterFunc(ctx, func() { c.fail(context.Cause(ctx)) })()
		for err = nil; err == nil; {
			err = c.receive()
		}
		c.fail(err)
		err = c.err
	})
	return err
}

// receive reads one message and hands it on.
func (c *Conn) receive() error {
	fs, err := c.in.message()
	if err != nil {
		return err
	}
	if !isResponse(fs) {
		return c.receiveEvent(fs)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	id := fs.Get("ActionID")
	p := c.calls[id]
	if p == nil {
		return nil // a keep-alive, or an answer for nobody
	}
	p.resp = Response{Status: fs[0].Value, Message: fs.Get("Message"), Seq: c.seq, Fields: fs}
	if p.list && strings.EqualFold(fs.Get("EventList"), "start") {
		return nil // the items follow
	}
	if p.list && !p.resp.refused() {
		p.err = errors.New("ami: the answer is not a list")
	}
	c.finish(id, p)
	return nil
}

// isResponse goes by the first field: there are events with a field Response as well.
func isResponse(fs Fields) bool { return strings.EqualFold(fs[0].Key, "Response") }

func (c *Conn) receiveEvent(fs Fields) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	e := Event{Name: fs.Get("Event"), Seq: c.seq, Fields: fs}
	id := fs.Get("ActionID")
	p := c.calls[id]
	if id == "" || p == nil || !p.list {
		return c.queue(e)
	}
	// EventList is "Complete" or "cancelled" on the last one.
	if fs.Get("EventList") != "" {
		c.finish(id, p)
	} else if len(p.items) < p.limit {
		p.items = append(p.items, e)
	} else {
		p.items, p.limit = nil, 0
		p.err = fmt.Errorf("ami: list has more than %d items", c.cfg.ListLimit)
	}
	return nil
}

// finish wakes whoever waits for p. Locked.
func (c *Conn) finish(id string, p *call) {
	delete(c.calls, id)
	close(p.answer)
}

func (c *Conn) queue(e Event) error {
	select {
	case c.events <- e:
		return nil
	default:
		return ErrOverflow
	}
}

// Do carries out an action and returns Asterisk's answer. It blocks until that, until ctx ends, ActionTimeout has passed or the link has
// ended. A refusal is an [*Error]; an error that is [ErrUnanswered] leaves open whether the action was carried out; any other
// means that nothing was sent, in particular that a field contained something that must not be in there.
//
// An action without the field ActionID is given one. With it, the ID must not be in use. Events that carry
// the ID (OriginateResponse) go to the queue of events, unlike the items of a list.
func (c *Conn) Do(ctx context.Context, a Action) (Response, error) {
	p := &call{answer: make(chan struct{})}
	if err := c.do(ctx, a, p); err != nil {
		return Response{}, err
	}
	return p.resp, nil
}

// List carries out an action that is answered with a list of events and returns these, without the closing one. Otherwise it is like Do.
func (c *Conn) List(ctx context.Context, a Action) ([]Event, error) {
	p := &call{answer: make(chan struct{}), list: true, limit: c.cfg.ListLimit}
	if err := c.do(ctx, a, p); err != nil {
		return nil, err
	}
	return p.items, nil
}

func (c *Conn) do(ctx context.Context, a Action, p *call) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ActionTimeout)
	defer cancel()
	if err := c.send(ctx, a, p); err != nil {
		return err
	}
	select {
	case <-p.answer:
	case <-ctx.Done():
		c.mu.Lock()
		p.items, p.limit = nil, 0 // it stays in calls, so that what still comes is not taken for events
		c.mu.Unlock()
		return fmt.Errorf("%w to %s: %w", ErrUnanswered, a.Name, context.Cause(ctx))
	case <-c.done:
		select {
		case <-p.answer: // it came just before the end
		default:
			return fmt.Errorf("%w to %s: %w", ErrUnanswered, a.Name, c.err)
		}
	}
	if p.err != nil {
		return fmt.Errorf("%w (%s)", p.err, a.Name)
	}
	if p.resp.refused() {
		return &Error{a.Name, p.resp.Message}
	}
	return nil
}

// send registers p and writes a.
func (c *Conn) send(ctx context.Context, a Action, p *call) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("ami: %s not sent: %w", a.Name, err)
	}
	select {
	case <-c.done:
		return fmt.Errorf("ami: %s not sent: %w", a.Name, c.err)
	default:
	}
	id, ok := a.Fields.Lookup("ActionID")
	if !ok {
		c.nextID++
		id = "rccgw-" + strconv.FormatUint(c.nextID, 10)
		a.Fields = append(a.Fields[:len(a.Fields):len(a.Fields)], Field{"ActionID", id})
	}
	b, err := a.append(c.out[:0])
	if err != nil {
		return err
	}
	c.out = b
	c.mu.Lock()
	_, taken := c.calls[id]
	if taken || id == "" {
		c.mu.Unlock()
		return fmt.Errorf("ami: %s not sent: ActionID is empty or in use", a.Name)
	}
	c.calls[id] = p
	c.mu.Unlock()
	if err := c.write(b); err != nil {
		return fmt.Errorf("%w to %s: %w", ErrUnanswered, a.Name, err)
	}
	return nil
}

// write writes b or ends the link. The write lock is held.
func (c *Conn) write(b []byte) error {
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.cfg.ActionTimeout))
	_, err := c.nc.Write(b)
	if err != nil {
		c.fail(fmt.Errorf("ami: %w", err))
	}
	return err
}

func wrap(err error) error {
	if err != nil {
		err = fmt.Errorf("ami: %w", err)
	}
	return err
}

// A watchdog reads from the link and sends a Ping when nothing came for PingInterval. When nothing comes within ActionTimeout after that
// either, the link is dead.
type watchdog struct{ c *Conn }

func (w watchdog) Read(b []byte) (int, error) {
	c := w.c
	if !c.watch {
		return c.nc.Read(b)
	}
	wait, asked := c.cfg.PingInterval, false
	for {
		_ = c.nc.SetReadDeadline(time.Now().Add(wait))
		n, err := c.nc.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, wrap(err)
		}
		if asked {
			return 0, ErrSilent
		}
		c.wmu.Lock()
		err = c.write([]byte("Action: Ping\r\nActionID: ping\r\n\r\n"))
		c.wmu.Unlock()
		if err != nil {
			return 0, err
		}
		wait, asked = c.cfg.ActionTimeout, true
	}
}
