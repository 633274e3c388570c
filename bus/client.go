package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx"
)

// A Line is a device of a PBX that a client may control. It stays that device
// when the digit plan changes: what a client means and the PBX's device are
// looked up once, here.
type Line struct {
	PBX      string
	Number   string                        // canonical: what the client means
	Device   string                        // canonical: how the PBX's device is shown
	Local    string                        // the PBX's name of it: in ConnectionIDs
	Features *csta.GetCSTAFeaturesResponse // shared by all lines that can do the same: not to be changed
}

// A Watcher is told what happens at a device. Event and Link are called one at a
// time and in order; they must neither block nor call the Client.
type Watcher interface {
	// Event gets each event of the line's device, and the number by which it
	// calls that device: the digit plan, which decides on it, may have changed
	// since the line was looked up. Other watchers get the same event: it must
	// not be changed.
	Event(device string, ev csta.Event)
	// Link tells that the PBX, or the way to it, is lost or back. When it is
	// back, the difference to what was reported before has been or will be
	// reported by Event.
	Link(up bool)
	// Moved tells that the number of the line means another device now, or none,
	// for the digit plan was changed, or which lines a PBX serves. Until the watch is
	// stopped it goes on, and Moved may come again. Unlike the others it may call the Client, and it may
	// come beside them.
	Moved()
}

// Client is a gateway's side of the bus.
type Client struct {
	conn    *nats.Conn
	log     *slog.Logger
	gateway string // names this gateway to adapters

	mu     sync.Mutex
	pbxs   map[string]*exchange
	known  map[string]*csta.GetCSTAFeaturesResponse // by its JSON: thousands of lines can do the same
	closed bool
	renew  chan struct{}   // a digit plan changed: what is watched is to be told anew
	lines  chan struct{}   // what lines a PBX serves changed: what is watched may be another's
	unsure bool            // of a watched line it could not be told whose it is
	live   life            // of the connection to the bus: what was asked is lost with it
	work   sync.WaitGroup  // snapshots under way
	ctx    context.Context // of what the client does by itself; ends with Close
}

// exchange is what the client knows of one PBX.
type exchange struct {
	name   string
	entry  Entry
	served bool      // the entry is in the directory
	seen   time.Time // when the entry came last
	lines  *digitmod.Lines
	up     bool   // what watchers were told last
	epoch  string // of the last event
	heard  bool   // an event of the epoch came: from then on a gap is a loss
	seq    uint64
	behind uint64               // seq as it was when the directory first named a later one
	since  time.Time            // when it did
	stale  bool                 // a snapshot is due before the picture is true again
	taking bool                 // snapshots are being taken
	follow map[string]*followed // by the PBX's device
	links  map[LinkWatcher]struct{}
	live   life // of its adapter: a question is not answered by another

	calls       map[string]*watchedCall            // that are watched as a whole, by callID
	callWatches map[string]map[*callWatch]struct{} // by the device whose calls are
}

// NewClient returns a client on the connection, which stays the caller's.
func NewClient(conn *nats.Conn, log *slog.Logger) *Client {
	c := &Client{conn: conn, log: log, gateway: nuid.Next(), renew: make(chan struct{}, 1), lines: make(chan struct{}, 1), pbxs: map[string]*exchange{}, known: map[string]*csta.GetCSTAFeaturesResponse{}}
	c.live.begin()
	return c
}

// A life is a context that is ended and begun anew.
type life struct {
	context.Context
	end context.CancelFunc
}

func (l *life) begin() { l.Context, l.end = context.WithCancel(context.Background()) }

// over ends it, and begins another.
func (l *life) over() {
	l.end()
	l.begin()
}

// Listen subscribes to events and reads the directory, and returns when both
// are complete: what happens afterwards is seen. Close ends it.
func (c *Client) Listen(ctx context.Context) (*Subscription, error) {
	ctx, cancel := context.WithCancel(ctx)
	c.ctx = ctx
	s := &Subscription{c: c, cancel: cancel}
	ok := false
	defer func() {
		if !ok {
			s.Close()
		}
	}()
	var err error
	if s.events, err = c.conn.Subscribe(eventsSubject("*"), c.event); err != nil {
		return nil, err
	}
	// A consumer that falls behind loses events, notices the gap and takes
	// snapshots: memory is bounded, and nothing is lost silently.
	if err := s.events.SetPendingLimits(1<<19, 256<<20); err != nil {
		return nil, err
	}
	status := c.conn.StatusChanged(nats.CONNECTED, nats.RECONNECTING)
	if err := s.watchDirectory(ctx, answerTime); err != nil {
		return nil, err
	}
	if err := c.conn.FlushTimeout(answerTime); err != nil {
		return nil, err
	}
	again := make(chan struct{}, 1)
	s.running.Go(func() { c.housekeep(ctx, s, again) })
	s.running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case now, ok := <-status:
				if !ok {
					return
				}
				c.connection(now == nats.CONNECTED)
				select {
				case again <- struct{}{}:
				default:
				}
			}
		}
	})
	ok = true
	return s, nil
}

// watchDirectory reads what the directory has, and follows it from then on, in the
// place of a watch before. It takes that time at the most.
func (s *Subscription) watchDirectory(ctx context.Context, most time.Duration) error {
	s.replace(nil)
	opening, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	adapters, err := openAdapters(opening, s.c.conn)
	if err != nil {
		return err
	}
	w, err := adapters.WatchAll(ctx)
	if err != nil {
		return err
	}
	s.replace(w)
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("bus: the directory is not told")
			case e != nil:
				s.c.entry(e)
				continue
			}
		case <-opening.Done():
			return context.Cause(opening)
		}
		break // all that was there is read
	}
	s.running.Go(func() {
		for e := range w.Updates() {
			if e != nil {
				s.c.entry(e)
			}
		}
	})
	if ctx.Err() != nil {
		s.replace(nil) // whoever closes may not have seen it
	}
	return nil
}

// A Subscription is a client's open ears.
type Subscription struct {
	c         *Client
	events    *nats.Subscription
	mu        sync.Mutex
	directory jetstream.KeyWatcher
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// replace ends the watch of the directory, and takes another in its place.
func (s *Subscription) replace(w jetstream.KeyWatcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.directory != nil {
		_ = s.directory.Stop()
	}
	s.directory = w
}

// Close ends it and waits until no watcher is called any more.
func (s *Subscription) Close() {
	s.c.mu.Lock()
	s.c.closed = true
	s.c.live.end()
	for _, x := range s.c.pbxs {
		x.live.end()
	}
	s.c.mu.Unlock()
	s.cancel()
	if s.events != nil {
		_ = s.events.Unsubscribe()
	}
	s.replace(nil)
	s.running.Wait()
	s.c.work.Wait()
}

// housekeep notices adapters that were killed, and repeats what adapters must be
// told. A connection that came back may be to a
// server that was restarted, and whose watches are silent for long before they say
// so: the directory is watched anew.
func (c *Client) housekeep(ctx context.Context, s *Subscription, again chan struct{}) {
	deaf := false
	watches, entries := time.NewTicker(watchRenewal), time.NewTicker(renewal)
	defer watches.Stop()
	defer entries.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			deaf = true
		case <-watches.C:
			c.renewWatches()
		case <-c.renew:
			c.renewWatches()
		case <-c.lines:
			c.routeAgain()
		case <-entries.C:
			c.expire()
		}
		if deaf && c.conn.IsConnected() {
			err := s.watchDirectory(ctx, 2*renewal) // a server that has just begun may not answer at all
			if deaf = err != nil; deaf && ctx.Err() == nil {
				c.log.Debug("directory not watched", "error", err)
			}
		}
	}
}

func (c *Client) connection(up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !up {
		c.live.over()
	}
	for _, x := range c.pbxs {
		x.stale = true
		if !up {
			x.live.over()
			c.tell(x, false)
		} else {
			c.refresh(x)
		}
	}
}

func (c *Client) exchange(name string) *exchange {
	x := c.pbxs[name]
	if x == nil {
		x = &exchange{name: name, follow: map[string]*followed{}, links: map[LinkWatcher]struct{}{},
			calls: map[string]*watchedCall{}, callWatches: map[string]map[*callWatch]struct{}{}}
		x.live.begin()
		c.pbxs[name] = x
	}
	return x
}

// entry takes in a change of the directory.
func (c *Client) entry(e jetstream.KeyValueEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.exchange(e.Key())
	if e.Operation() != jetstream.KeyValuePut {
		c.gone(x)
		return
	}
	var entry Entry
	if err := json.Unmarshal(e.Value(), &entry); err != nil {
		c.log.Warn("directory entry not understood", "pbx", e.Key(), "error", err)
		return
	}
	lines, err := digitmod.ParseLines(entry.Lines)
	if err != nil {
		c.log.Warn("lines not understood", "pbx", e.Key(), "error", err)
		return
	}
	back := !x.served || x.entry.Epoch != entry.Epoch
	if x.lines.String() != lines.String() || back && c.unsure {
		x.lines, c.unsure = lines, false
		select {
		case c.lines <- struct{}{}:
		default:
		}
	}
	if entry.Epoch == x.epoch && entry.Seq < x.seq {
		entry.Link = x.entry.Link // an event told the newer state already
	}
	if entry.Digits != x.entry.Digits || entry.Epoch != x.entry.Epoch {
		select {
		case c.renew <- struct{}{}:
		default:
		}
	}
	x.served, x.entry, x.seen = true, entry, time.Now()
	switch {
	case x.epoch == "" || back && x.epoch != entry.Epoch:
		// Nothing seen yet, or another life of the adapter.
		x.stale = x.epoch != ""
		x.epoch, x.seq, x.since, x.heard = entry.Epoch, entry.Seq, time.Time{}, false
		if x.stale {
			x.live.over()
			c.tell(x, false)
		}
	case x.epoch == entry.Epoch && entry.Seq > x.seq:
		// Events and directory come by different ways, so events may still be
		// under way, and many are where there is much to do. Those are lost that
		// are missing while none comes. Entries may come faster than one a renewal.
		if x.behind != x.seq || x.since.IsZero() {
			x.behind, x.since = x.seq, time.Now()
		} else if time.Since(x.since) >= renewal {
			c.log.Warn("events lost", "pbx", x.name, "seen", x.seq, "sent", entry.Seq)
			x.seq, x.stale = entry.Seq, true
		}
	}
	c.refresh(x)
}

// gone takes in that nobody serves the PBX any more.
func (c *Client) gone(x *exchange) {
	x.served, x.stale = false, true
	x.live.over()
	c.tell(x, false)
}

// expire notices the adapters that were killed: a bucket drops an entry that is
// too old without telling who watches it. It also asks after calls that may be
// over.
func (c *Client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.pbxs {
		if x.served && !x.entry.Alone && time.Since(x.seen) > entryLife {
			c.log.Warn("the adapter is gone", "pbx", x.name, "instance", x.entry.Instance)
			c.gone(x)
		}
		c.inquireAgain(x)
	}
}

// refresh brings the watchers of a PBX up to date: with a snapshot first where
// events were missed.
func (c *Client) refresh(x *exchange) {
	up := x.served && x.entry.Link == pbx.StatusNormal && c.conn.IsConnected()
	if !up {
		c.tell(x, false)
		return
	}
	if x.taking || c.closed {
		return // who takes the snapshots calls again
	}
	if !x.stale {
		c.tell(x, true)
		return
	}
	x.taking, x.stale = true, false
	for _, f := range x.follow {
		f.holding = true
	}
	for _, k := range x.calls {
		k.holding = true
	}
	c.work.Go(func() { c.resync(x) })
}

// tell passes on whether the PBX can be reached, if that is news.
func (c *Client) tell(x *exchange, up bool) {
	if x.up == up {
		return
	}
	x.up = up
	for w := range x.links {
		w.Link(up)
	}
	for _, f := range x.follow {
		for w := range f.watchers {
			w.Link(up)
		}
	}
}

// event takes in one message of the events' subscription.
func (c *Client) event(m *nats.Msg) {
	name, device, kind, err := splitEvent(m.Subject)
	if err != nil {
		c.log.Warn("event not understood", "error", err)
		return
	}
	epoch := m.Header.Get(headerEpoch)
	seq, err := strconv.ParseUint(m.Header.Get(headerSeq), 10, 64)
	if err != nil || epoch == "" {
		c.log.Warn("event without epoch and sequence number", "subject", m.Subject)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.exchange(name)
	switch {
	case x.epoch == "":
	case x.epoch != epoch:
		x.stale = true
		x.live.over()
		c.tell(x, false)
	case !x.heard:
		// The directory's number is older than our subscription, which is
		// older than any watcher: nothing that mattered was lost.
	case seq <= x.seq:
		return // a repetition
	case seq != x.seq+1:
		c.log.Warn("events lost", "pbx", name, "seen", x.seq, "next", seq)
		x.stale = true
		defer c.refresh(x)
	}
	x.epoch, x.seq, x.heard = epoch, seq, true
	at := moment{epoch, seq}
	if device == "" {
		var s csta.SystemStatus
		if err := json.Unmarshal(m.Data, &s); err == nil {
			x.entry.Link = s.SystemStatus
			c.refresh(x)
		}
		return
	}
	local := m.Header.Get(headerDevice)
	f := x.follow[local]
	if f == nil && !x.watchesCalls(local) {
		return
	}
	msg, ok := csta.New(kind)
	ev, isEvent := msg.(csta.Event)
	if !ok || !isEvent {
		c.log.Warn("unknown event", "subject", m.Subject)
		return
	}
	if err := json.Unmarshal(m.Data, ev); err != nil {
		c.log.Warn("event not understood", "subject", m.Subject, "error", err)
		return
	}
	if f != nil {
		f.event(device, ev, at)
	}
	if x.watchesCalls(local) {
		c.callEvent(x, local, ev, at)
	}
}

// Line finds the PBX of the line that a client wrote, and what the line can do.
// Its errors: operation/invalidDeviceID where nobody serves the line,
// systemResourceAvailibility/resourceOutOfService where the PBX is away.
func (c *Client) Line(ctx context.Context, number string) (Line, error) {
	canonical, err := digitmod.Canonical(number)
	if err != nil {
		return Line{}, csta.Errorf(csta.Operation, "invalidDeviceID", "line %q: %v", number, err)
	}
	// What a driver offers may depend on what its PBX has told it: an answer from
	// before the link was up is none.
	up := c.linked()
	name, info, err := c.route(ctx, canonical)
	switch {
	case err != nil:
		return Line{}, err
	case info == nil || !up[name]:
		return Line{}, errAway(name)
	}
	features, err := c.features(info.Features)
	if err != nil {
		return Line{}, fmt.Errorf("bus: features of PBX %s: %w", name, err)
	}
	return Line{PBX: name, Number: canonical, Device: info.Device, Local: info.Local, Features: features}, nil
}

// linked returns the PBXs of which their adapters say that the link is up.
func (c *Client) linked() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	up := map[string]bool{}
	for name, x := range c.pbxs {
		up[name] = x.up || x.served && x.entry.Link == pbx.StatusNormal
	}
	return up
}

// route finds the PBX of a line, and what it says of the line: nil where it cannot
// be asked now. Its errors: operation/invalidDeviceID where nobody serves the
// line, systemResourceAvailibility/resourceOutOfService where that cannot be told.
func (c *Client) route(ctx context.Context, canonical string) (name string, info *lineInfo, err error) {
	c.mu.Lock()
	lines, served := map[string]*digitmod.Lines{}, []string{}
	for name, x := range c.pbxs {
		if x.lines != nil {
			lines[name] = x.lines // of one that is away, too
		}
		if x.served {
			served = append(served, name)
		}
	}
	c.mu.Unlock()
	if len(lines) == 0 {
		return "", nil, csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "no PBX has been heard of yet")
	}
	infos, refusals := map[string]*lineInfo{}, map[string]error{}
	for _, name := range served {
		info := new(lineInfo)
		if err := c.ask(ctx, name, canonical, info); err == nil {
			infos[name] = info
		} else if ctx.Err() != nil {
			return "", nil, err
		} else {
			refusals[name] = err
		}
	}
	name, err = digitmod.Choose(canonical, lines, func(pbx string) string {
		if info := infos[pbx]; info != nil {
			return info.Local
		}
		return ""
	})
	if err != nil {
		return "", nil, csta.Errorf(csta.Operation, "invalidDeviceID", "line %q: %v", canonical, err)
	}
	if infos[name] == nil && errors.Is(refusals[name], errNoDevice) {
		return "", nil, refusals[name]
	}
	return name, infos[name], nil
}

// errNoDevice is what adapters refuse a line with that is none.
var errNoDevice = &csta.Error{Class: csta.Operation, Value: "invalidDeviceID"}

// Up reports whether the PBX can be reached, as this client sees it.
func (c *Client) Up(pbx string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.pbxs[pbx]
	return x != nil && x.up
}

// maxKnown bounds the features that are kept to be shared.
const maxKnown = 1000

func (c *Client) features(text json.RawMessage) (*csta.GetCSTAFeaturesResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.known[string(text)]; ok {
		return f, nil
	}
	f := new(csta.GetCSTAFeaturesResponse)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, err
	}
	if len(c.known) < maxKnown {
		c.known[string(text)] = f
	}
	return f, nil
}

func errAway(pbx string) error {
	return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "PBX %s cannot be reached", pbx)
}

func (c *Client) ask(ctx context.Context, pbx, number string, info *lineInfo) error {
	m := nats.NewMsg(serviceSubject(pbx, "GetCSTAFeatures"))
	m.Header.Set(headerLine, number)
	m.Data = []byte("{}")
	reply, err := c.request(ctx, pbx, m, true)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(reply.Data, info); err != nil {
		return fmt.Errorf("bus: answer of PBX %s: %w", pbx, err)
	}
	return nil
}

// PBX returns the Handler of the services of a PBX, for lines that requests
// name by their numbers.
func (c *Client) PBX(name string) csta.Handler { return c.On(Line{PBX: name}) }

// On returns the Handler of the services for a line. In requests and answers it
// is called l.Device, and is the PBX's device l.Local, whatever the digit plan
// has become.
func (c *Client) On(l Line) csta.Handler {
	return csta.HandlerFunc(func(ctx context.Context, req csta.Message) (csta.Message, error) {
		resp, _, err := c.perform(ctx, l, req)
		return resp, err
	})
}

// perform asks the line's adapter for a service. seq is the sequence number of
// the last event that the adapter had sent before it performed.
func (c *Client) perform(ctx context.Context, l Line, req csta.Message) (resp csta.Message, seq uint64, err error) {
	m := nats.NewMsg(serviceSubject(l.PBX, csta.Name(req)))
	if m.Data, err = json.Marshal(req); err != nil {
		return nil, 0, err
	}
	if key := csta.CommandKey(ctx); key != "" {
		m.Header.Set(headerKey, key)
	}
	if l.Local != "" {
		m.Header.Set(headerLine, l.Device)
		m.Header.Set(headerDevice, l.Local)
	}
	reply, err := c.request(ctx, l.PBX, m, !acts(req))
	if l.Features != nil && l.Features.Supports(req) && errors.Is(err, &csta.Error{Class: csta.Operation, Value: "serviceNotSupported"}) {
		return nil, 0, errAway(l.PBX) // its adapter has just gone
	}
	if !acts(req) && errors.Is(err, &csta.Error{Class: csta.PrivateError, Value: "uncertain"}) {
		return nil, 0, errAway(l.PBX) // it may be asked again
	}
	if err != nil {
		return nil, 0, err
	}
	resp = csta.Response(req)
	if err := json.Unmarshal(reply.Data, resp); err != nil {
		return nil, 0, fmt.Errorf("bus: answer of PBX %s: %w", l.PBX, err)
	}
	seq, _ = strconv.ParseUint(reply.Header.Get(headerSeq), 10, 64)
	return resp, seq, nil
}

// lastWord is how long an adapter may still answer a command after another has taken its place.
const lastWord = time.Second

// request sends a request with its deadline and returns the answer. A refusal
// comes back as the *csta.Error that the adapter gave. One that only asks is given
// up when another adapter has taken over; whether a command was executed may still
// be told by the one before, which may have been paused, for the time of lastWord.
func (c *Client) request(ctx context.Context, pbx string, m *nats.Msg, asks bool) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	deadline, _ := ctx.Deadline()
	m.Header.Set(headerDeadline, strconv.FormatInt(deadline.UnixMilli(), 10))
	c.mu.Lock()
	linked, live := c.live.Context, c.exchange(pbx).live.Context
	c.mu.Unlock()
	asking, forget := context.WithCancel(ctx)
	defer forget()
	defer context.AfterFunc(linked, forget)()
	defer context.AfterFunc(live, func() {
		if asks || linked.Err() != nil {
			forget()
			return
		}
		select {
		case <-asking.Done():
		case <-time.After(lastWord):
			forget()
		}
	})()
	reply, err := c.conn.RequestMsgWithContext(asking, m)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		c.mu.Lock()
		x := c.pbxs[pbx]
		away := x == nil || !x.served || !x.up
		c.mu.Unlock()
		if away {
			return nil, errAway(pbx)
		}
		return nil, csta.Errorf(csta.Operation, "serviceNotSupported", "PBX %s does not perform %s", pbx, m.Subject)
	case err != nil && ctx.Err() != nil:
		// The adapter does not execute it any more, but may have begun to.
		return nil, csta.Errorf(csta.PrivateError, "uncertain", "PBX %s did not answer in time", pbx)
	case err != nil && (linked.Err() != nil || live.Err() != nil):
		return nil, csta.Errorf(csta.PrivateError, "uncertain", "the way to PBX %s was lost before it answered", pbx)
	case err != nil:
		return nil, csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "bus: %v", err)
	}
	if reply.Header.Get("Nats-Service-Error-Code") != "" {
		var e csta.Error
		if err := json.Unmarshal(reply.Data, &e); err != nil {
			return nil, fmt.Errorf("bus: refusal of PBX %s: %w", pbx, err)
		}
		return nil, &e
	}
	return reply, nil
}
