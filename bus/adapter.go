package bus

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"

	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx"
)

// answerTime bounds how long a driver may take to accept a command, and so how
// long a client's transaction waits.
const answerTime = 8 * time.Second

// AdapterConfig is what an Adapter needs. PBX, Conn, Driver and Lines must be
// given.
type AdapterConfig struct {
	PBX      string // name; see CheckName
	Conn     *nats.Conn
	Driver   pbx.Driver
	Lines    *digitmod.Lines
	Digits   *Digits // of no other adapter; nil: one that begins without rules
	Instance string  // of the process, the same after a restart; empty: a new one
	Alone    bool    // nobody else can reach the bus: the lease does not run out
	Backoff  pbx.Backoff
	Log      *slog.Logger
}

// An Adapter serves one PBX on the bus.
type Adapter struct {
	AdapterConfig
	mux      csta.Mux
	adapters jetstream.KeyValue
	commands commands
	lease    lease

	emitting sync.Mutex // keeps the sequence of events
	epoch    string     // of the term: from when it holds the lease until it has lost it
	revision uint64     // of its entry; zero: it has none
	standsBy bool       // for the holder of the lease, which is another process
	seq      uint64
	link     csta.SystemStatusValue
	changed  chan struct{} // the directory entry is out of date

	watchers *watchers
	lines    atomic.Pointer[lines] // of the term
	serving  sync.WaitGroup
}

// NewAdapter returns an adapter of the driver. It starts nothing.
func NewAdapter(c AdapterConfig) (*Adapter, error) {
	if err := CheckName(c.PBX); err != nil {
		return nil, err
	}
	if c.Digits == nil {
		d, err := NewDigits(DigitsConfig{PBX: c.PBX, Conn: c.Conn, Lines: c.Lines, Log: c.Log})
		if err != nil {
			return nil, err
		}
		c.Digits = d
	}
	if c.Instance == "" {
		c.Instance = nuid.Next()
	}
	a := &Adapter{AdapterConfig: c, link: pbx.StatusDisabled, changed: make(chan struct{}, 1)}
	a.Log = c.Log.With("pbx", c.PBX)
	c.Driver.Services(&a.mux)
	a.watchers = newWatchers(a)
	a.lines.Store(newLines(a, ""))
	a.Digits.watched, a.Digits.changed = a.watchers.list, a.planChanged
	return a, nil
}

// Ready reports whether the link to the PBX is up, the first snapshot taken,
// and the adapter on the bus.
func (a *Adapter) Ready() bool {
	a.emitting.Lock()
	defer a.emitting.Unlock()
	return a.link == pbx.StatusNormal && a.revision > 0
}

// HoldsLease reports whether this process acts for the PBX.
func (a *Adapter) HoldsLease() bool { return a.lease.held() }

// StandsBy reports whether another process serves the PBX, and this one is there
// to take its place.
func (a *Adapter) StandsBy() bool {
	a.emitting.Lock()
	defer a.emitting.Unlock()
	return a.standsBy
}

// Run serves until ctx ends. It waits for the lease, then runs the driver again
// and again and performs requests; on the way out it finishes the requests that
// were begun and leaves the directory. Where it loses the lease it drops the link
// to the PBX and stands by again.
func (a *Adapter) Run(ctx context.Context) (err error) {
	if a.adapters, err = openAdapters(ctx, a.Conn); err != nil {
		return err
	}
	if _, err = openLines(ctx, a.Conn); err != nil {
		return err
	}
	following, stop := context.WithCancel(ctx)
	if err := a.Digits.open(following); err != nil {
		stop()
		return err
	}
	followed := make(chan struct{})
	go func() { defer close(followed); a.Digits.follow(following) }()
	defer func() { stop(); <-followed }()
	a.commands.open = func(ctx context.Context) (jetstream.KeyValue, error) { return openCommands(ctx, a.Conn) }
	c := &candidate{kv: a.adapters}
	for {
		if err := a.standBy(ctx, c); err != nil {
			return err
		}
		err := a.term(ctx)
		var taken *errTaken
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &taken) && taken.instance == a.Instance:
			c.rival = true
			a.Log.Error("another process has the same instance name; it has taken this one's place", "instance", a.Instance)
		case errors.As(err, &taken), errors.Is(err, errLeaseOver):
			a.Log.Warn("this adapter stands by", "reason", err)
		default:
			return err
		}
	}
}

// errLeaseOver ends the term of an adapter that could not renew its entry.
var errLeaseOver = errors.New("the lease could not be renewed in time")

// term serves for as long as the lease is held.
func (a *Adapter) term(ctx context.Context) (err error) {
	states := newLines(a, a.entry().Epoch)
	a.lines.Store(states)
	svc, err := a.serve()
	if err != nil {
		a.leave()
		return err
	}
	// The driver ends first, so that nothing is emitted by who is no longer in the
	// directory; the lease is renewed until what was begun is finished.
	inner, cancel := context.WithCancelCause(ctx)
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var helpers sync.WaitGroup
	helpers.Go(func() { cancel(a.renew(renewing)) })
	helpers.Go(func() { a.watchers.expire(inner) })
	helpers.Go(func() { states.run(inner) })
	defer func() {
		if e := svc.Stop(); e != nil && !errors.Is(e, nats.ErrConnectionClosed) && !errors.Is(e, nats.ErrConnectionReconnecting) {
			a.Log.Debug("endpoints not closed", "error", e)
		}
		a.serving.Wait()
		stop()
		helpers.Wait()
		a.leave()
	}()
	cancel(pbx.Keep(pbx.WithLease(inner, a.lease.held), a.Driver, a.emit, a.Backoff, a.Log))
	return context.Cause(inner)
}

func (a *Adapter) entry() Entry {
	s := a.Digits.State()
	a.emitting.Lock()
	defer a.emitting.Unlock()
	return Entry{PBX: a.PBX, Instance: a.Instance, Alone: a.Alone, Lines: a.Lines.String(), Link: a.link, Epoch: a.epoch, Seq: a.seq, Returns: a.Conn.Stats().Reconnects,
		Digits: EntryDigits{Source: s.Source, Revision: s.Revision, Problem: s.Problem != ""}}
}

// planChanged takes in that another digit plan is in force.
func (a *Adapter) planChanged() {
	a.entryChanged()
	a.lines.Load().renumber()
}

// entryChanged has the directory entry written anew, at once.
func (a *Adapter) entryChanged() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// standBy waits until this adapter holds the lease; a term begins with that.
func (a *Adapter) standBy(ctx context.Context, c *candidate) error {
	a.emitting.Lock()
	a.epoch, a.seq, a.link = nuid.Next(), 0, pbx.StatusDisabled
	a.emitting.Unlock()
	told := ""
	for {
		begun := time.Now()
		revision, holder, err := c.claim(ctx, a.entry())
		a.emitting.Lock()
		a.standsBy = err == nil && holder != ""
		a.emitting.Unlock()
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.Log.Warn("no place in the directory of adapters", "error", err)
		case holder == "":
			a.hold(revision, begun)
			c.rival = false
			return nil
		case holder != told:
			told = holder
			a.Log.Info("another process serves this PBX; this one stands by", "instance", holder)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(standbyLook):
		}
	}
}

// hold notes that the entry was renewed by what began at the time.
func (a *Adapter) hold(revision uint64, begun time.Time) {
	life := leaseLife
	if a.Alone {
		life = forever
	}
	a.lease.set(begun.Add(life))
	a.emitting.Lock()
	a.revision = revision
	a.emitting.Unlock()
}

// renew keeps the entry in the directory alive and true. It returns when the
// lease is over or somebody else's: two adapters of one PBX must not both act.
func (a *Adapter) renew(ctx context.Context) error {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		rest := time.NewTimer(time.Until(a.lease.end()))
		select {
		case <-ctx.Done():
			rest.Stop()
			return ctx.Err()
		case <-rest.C:
			return errLeaseOver
		case <-tick.C:
		case <-a.changed:
		}
		rest.Stop()
		begun := time.Now()
		a.emitting.Lock()
		last := a.revision
		a.emitting.Unlock()
		ctx, cancel := context.WithTimeout(ctx, min(2*renewal, time.Until(a.lease.end())))
		revision, err := renewEntry(ctx, a.adapters, a.entry(), last)
		cancel()
		var taken *errTaken
		switch {
		case err == nil:
			a.hold(revision, begun)
		case errors.As(err, &taken):
			a.lease.set(time.Time{})
			return err
		case ctx.Err() == nil:
			a.Log.Debug("directory entry not renewed", "error", err)
		}
	}
}

// leave gives the place up, if it is still this adapter's.
func (a *Adapter) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), renewal)
	defer cancel()
	a.lease.set(time.Time{})
	a.emitting.Lock()
	revision := a.revision
	a.revision = 0
	a.emitting.Unlock()
	// Best effort: the entry counts for a little longer, and no more.
	_ = a.adapters.Delete(ctx, a.PBX, jetstream.LastRevision(revision))
}

// serve registers an endpoint for each service that the driver has, and for
// the questions that every adapter answers.
func (a *Adapter) serve() (micro.Service, error) {
	// Without a queue group: of two that are subscribed, one was stopped and does not
	// know it yet. It is not the one that may answer, so it must not be the only one
	// that is asked.
	svc, err := micro.AddService(a.Conn, micro.Config{Name: "rccgw-" + a.PBX, Version: "1.0.0", QueueGroupDisabled: true,
		Description: "CSTA adapter of PBX " + a.PBX, Metadata: map[string]string{"pbx": a.PBX, "instance": a.Instance}})
	if err != nil {
		return nil, err
	}
	add := func(name, subject string, serve func(micro.Request)) {
		if err != nil {
			return
		}
		// micro calls the handler of an endpoint for one request at a time.
		err = svc.AddEndpoint(name, micro.HandlerFunc(func(r micro.Request) {
			a.serving.Go(func() {
				if a.lease.held() { // else whoever holds it answers
					serve(r)
				}
			})
		}), micro.WithEndpointSubject(subject))
	}
	add("GetCSTAFeatures", serviceSubject(a.PBX, "GetCSTAFeatures"), a.serveFeatures)
	add("watch", watchSubject(a.PBX), a.watchers.serve)
	for _, m := range csta.Messages() {
		switch m.(type) {
		case *csta.GetCSTAFeatures, *csta.MonitorStart, *csta.MonitorStop:
			continue
		}
		if a.mux.Registered(m) {
			name := csta.Name(m)
			add(name, serviceSubject(a.PBX, name), func(r micro.Request) { a.serveRequest(name, r) })
		}
	}
	if err == nil {
		err = a.Conn.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, svc.Stop())
	}
	return svc, nil
}

// serveFeatures answers what the line of the header can do, and how the PBX
// and the bus call it.
func (a *Adapter) serveFeatures(r micro.Request) {
	number := r.Headers().Get(headerLine)
	by := a.Digits.now()
	device, err := by.device(number)
	if err != nil {
		a.refuse(r, csta.Errorf(csta.Operation, "invalidDeviceID", "line %q: %v", number, err))
		return
	}
	_, as := a.Lines.Match(number)
	if _, is := a.Lines.Match(device); !as && !is {
		// Every adapter is asked for every line. A PBX is not troubled for those of others.
		a.refuse(r, csta.Errorf(csta.Operation, "invalidDeviceID", "line %q is not one that PBX %s serves", number, a.PBX))
		return
	}
	if err := a.known(device); err != nil {
		a.refuse(r, err)
		return
	}
	features, err := json.Marshal(a.mux.Features(device))
	if err != nil {
		a.refuse(r, err)
		return
	}
	info := lineInfo{Device: by.shown(device), Local: device, Features: features}
	// A line that does not come back through both tables would have its events
	// under one number and its commands at another device.
	if back, err := by.device(info.Device); err != nil || back != device {
		a.Log.Error("the digit plan does not bring a line back", "line", device, "shown", info.Device, "back", back)
		a.refuse(r, csta.Errorf(csta.Operation, "invalidDeviceID", "line %q: the digit plan shows device %q as %q, and that as %q", number, device, info.Device, back))
		return
	}
	a.reply(r, info)
}

// known refuses a device that the driver does not know, or has no way to now: what
// it offers cannot be told then. A driver that refuses otherwise is believed to know
// it.
func (a *Adapter) known(device string) error {
	if !a.mux.Offers(&csta.SnapshotDevice{}, device) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, err := a.ask(ctx, &csta.SnapshotDevice{SnapshotObject: csta.Device(device)})
	var refused *csta.Error
	if errors.Is(err, errNoDevice) || errors.As(err, &refused) && refused.Class == csta.SystemResourceAvailability {
		return err
	}
	return nil
}

// lineInfo is the answer to GetCSTAFeatures on the bus.
type lineInfo struct {
	Device   string          `json:"device"`   // canonical: in subjects and messages
	Local    string          `json:"local"`    // the PBX's: in ConnectionIDs
	Features json.RawMessage `json:"features"` // GetCSTAFeaturesResponse
}

func (a *Adapter) serveRequest(name string, r micro.Request) {
	req, _ := csta.New(name)
	if err := json.Unmarshal(r.Data(), req); err != nil {
		a.refuse(r, csta.Errorf(csta.Operation, "invalidParameterValue", "%s: %v", name, err))
		return
	}
	if err := csta.Check(req); err != nil {
		a.refuse(r, err)
		return
	}
	deadline := time.Now().Add(answerTime)
	if text := r.Headers().Get(headerDeadline); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			a.refuse(r, csta.Errorf(csta.Operation, "invalidParameterValue", "%s %q is not a number", headerDeadline, text))
			return
		}
		if d := time.UnixMilli(ms); d.Before(deadline) {
			deadline = d
		}
	}
	if !time.Now().Before(deadline) {
		// Whoever asked has given up; to act now would be a call that nobody expects.
		a.refuse(r, errTooLate(name))
		return
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	key := r.Headers().Get(headerKey)
	a.emitting.Lock()
	before := strconv.FormatUint(a.seq, 10)
	a.emitting.Unlock()
	resp, err := a.commands.once(ctx, key, req, func(ctx context.Context) (csta.Message, error) {
		return a.perform(csta.WithCommandKey(ctx, key), req, own{r.Headers().Get(headerLine), r.Headers().Get(headerDevice)})
	})
	if err != nil {
		a.refuse(r, err)
		return
	}
	a.answer(r, nats.Header{headerSeq: {before}}, resp)
}

func errTooLate(name string) error {
	return csta.Errorf(csta.PerformanceManagement, "performanceLimitExceeded", "%s arrived after its deadline and was not executed", name)
}

// perform hands the request to the driver, in the PBX's numbers.
func (a *Adapter) perform(ctx context.Context, req csta.Message, o own) (csta.Message, error) {
	by := a.Digits.now()
	if err := by.request(req, o); err != nil {
		return nil, err
	}
	if !a.lease.held() {
		return nil, errNoLease(a.PBX)
	}
	resp, err := a.ask(pbx.WithLease(ctx, a.lease.held), req)
	if err != nil {
		if acts(req) && !a.lease.held() {
			return nil, errUncertain(req) // it may have been begun
		}
		return nil, err
	}
	a.Digits.answer(resp, o, by)
	return resp, nil
}

// ask hands the driver a request that is in its numbers. A panic costs that
// request and no more.
func (a *Adapter) ask(ctx context.Context, req csta.Message) (resp csta.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.Log.Error("the driver panicked", "service", csta.Name(req), "panic", p)
			err = csta.Errorf(csta.Operation, "generic", "%s failed inside the driver", csta.Name(req))
		}
	}()
	resp, err = a.mux.ServeCSTA(ctx, req)
	if err == nil && resp == nil {
		err = csta.Errorf(csta.Operation, "generic", "%s was not answered by the driver", csta.Name(req))
	}
	return resp, err
}

func (a *Adapter) reply(r micro.Request, v any) { a.answer(r, nats.Header{}, v) }

func (a *Adapter) refuse(r micro.Request, refusal error) {
	e := csta.AsError(refusal)
	a.answer(r, nats.Header{micro.ErrorHeader: {string(e.Class) + "/" + e.Value}, micro.ErrorCodeHeader: {"csta"}}, e)
}

// answer sends the reply to a request. Not by the Request's own methods: they
// write to it, and micro reads it as soon as its handler returns, which is when
// our goroutine begins.
func (a *Adapter) answer(r micro.Request, header nats.Header, v any) {
	m := nats.NewMsg(r.Reply())
	m.Header = header
	var err error
	if m.Data, err = json.Marshal(v); err == nil {
		err = a.Conn.PublishMsg(m)
	}
	if err != nil {
		a.Log.Warn("answer lost", "subject", r.Subject(), "error", err)
	}
}

// emit publishes what the driver reports. It holds the order: sequence numbers
// go out as they are given.
func (a *Adapter) emit(device string, msg csta.Message) {
	if !a.lease.held() {
		return // whoever has taken over tells how it is
	}
	shown := a.Digits.report(device, msg)
	text, err := json.Marshal(msg)
	if err != nil {
		a.Log.Error("event not encoded", "event", csta.Name(msg), "error", err)
		return
	}
	a.emitting.Lock()
	if s, ok := msg.(*csta.SystemStatus); ok && device == "" {
		if a.link != s.SystemStatus {
			a.Log.Info("PBX link", "status", s.SystemStatus)
			a.entryChanged()
		}
		a.link = s.SystemStatus
	}
	a.seq++
	a.lines.Load().note(device, shown, msg)
	m := nats.NewMsg(eventSubject(a.PBX, shown, csta.Name(msg)))
	if device != "" {
		m.Header.Set(headerDevice, device)
	}
	m.Header.Set(headerEpoch, a.epoch)
	m.Header.Set(headerSeq, strconv.FormatUint(a.seq, 10))
	m.Data = text
	err = a.Conn.PublishMsg(m)
	a.emitting.Unlock()
	if err != nil {
		// Clients find the gap in the sequence and take a snapshot.
		a.Log.Warn("event lost", "event", csta.Name(msg), "error", err)
	}
}
