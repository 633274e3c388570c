package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rccgw/csta"
	"rccgw/digitmod"
)

// A Source is where the plan of a PBX comes from. There is one of the two.
type Source string

// The sources of plans.
const (
	FromFile   Source = "file"   // read again when it changes; not edited here
	FromBucket Source = "bucket" // KV rcc_digits, edited by Change
)

const (
	digitsBucket = "rcc_digits"
	maxRevisions = 64 // of a plan that are kept; no bucket keeps more
	storeTime    = 5 * time.Second
)

// The errors of changes, besides digitmod.Mistakes and digitmod.ErrNoRule.
var (
	// ErrStale means that a change was made against a revision that is not the
	// one in force. It is refused and not merged: whoever made it looks again.
	ErrStale = errors.New("the plan was changed meanwhile")
	// ErrFromFile means that a plan is edited in its file and nowhere else.
	ErrFromFile = errors.New("the plan comes from a file, which is edited instead")
	// ErrNoRevision means that a revision is not, or no longer, in the history.
	ErrNoRevision = errors.New("there is no such revision")
	// ErrNoStore means that the bucket cannot be reached now.
	ErrNoStore = errors.New("the store of digit plans cannot be reached")
)

// DigitsConfig says where the plan of a PBX comes from.
type DigitsConfig struct {
	PBX  string
	Conn *nats.Conn
	// Lines are the lines of the PBX. Each that they name must come back the same
	// through both tables of every plan.
	Lines *digitmod.Lines
	// Config is in force until another plan was read. It is what the bucket begins
	// with where it has nothing.
	Config digitmod.Config
	// File is the path of the file with the plan; empty: the bucket has it.
	File string
	Log  *slog.Logger
}

// Digits is the digit plan of one PBX: the one that is in force, and how it
// came there. The Adapter that it is given to keeps it up to date while it runs.
// Its methods are safe for concurrent use.
type Digits struct {
	DigitsConfig
	current atomic.Pointer[revision]
	calls   callPlans

	// Of the adapter: the PBX's devices that are watched, and whom to tell that
	// another plan is in force.
	watched func() []string
	changed func()

	applying sync.Mutex // one plan is made or tried at a time; locked before mu

	mu      sync.Mutex
	kv      jetstream.KeyValue
	updates jetstream.KeyWatcher
	newest  uint64 // revision of the bucket that was seen last
	read    uint64 // reconnections of the bus before the bucket was read
	problem string // why what the source has is not in force
}

// A revision is a plan that is or was in force.
type revision struct {
	digits
	config   digitmod.Config
	findings []digitmod.Finding // of its Lint: warnings
	number   uint64
	by       string
	what     string
	at       time.Time
}

// A planRecord is what the bucket keeps of a revision.
type planRecord struct {
	Plan json.RawMessage `json:"plan"`
	By   string          `json:"by"`
	What string          `json:"what"`
}

// DigitsState is what there is to say about the plan of a PBX.
type DigitsState struct {
	PBX      string
	Source   Source
	File     string // its path, where that is the source
	Revision uint64 // in force; 0 until something was stored, in a file counted from the start
	Config   digitmod.Config
	By, What string    // who made the revision, and how
	At       time.Time // when
	Newest   uint64    // what the bucket has; another than Revision where that is not in force
	Problem  string    // why not; empty where all is well
	Stale    bool      // the bus is away: the bucket may have a newer one
}

// NewDigits returns the plan of a PBX with c.Config in force. Its errors are
// those of Check.
func NewDigits(c DigitsConfig) (*Digits, error) {
	d := &Digits{DigitsConfig: c, watched: func() []string { return nil }, changed: func() {}}
	d.Log = c.Log.With("pbx", c.PBX, "source", d.source())
	r, err := d.compile(c.Config)
	if err != nil {
		return nil, err
	}
	r.by, r.what, r.at = "environment", "start", time.Now()
	if c.File != "" {
		r.number, r.by = 1, "file"
	}
	d.current.Store(r)
	return d, nil
}

func (d *Digits) source() Source {
	if d.File != "" {
		return FromFile
	}
	return FromBucket
}

// State returns what is in force, and why where that is not what it should be.
func (d *Digits) State() DigitsState {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.current.Load()
	s := DigitsState{PBX: d.PBX, Source: d.source(), File: d.File, Revision: r.number, Config: r.config, By: r.by, What: r.what, At: r.at,
		Newest: r.number, Problem: d.problem}
	if d.File == "" {
		s.Newest = max(d.newest, r.number)
		s.Stale = d.kv == nil || !d.Conn.IsConnected() || d.read != d.Conn.Stats().Reconnects
	}
	return s
}

// Check reports what speaks against a plan. The error is of the type
// digitmod.Mistakes: mistakes of the plan, its examples, emergency numbers, and
// lines of the adapter, named by its patterns or watched now, that would not come
// back the same through both tables. The findings are those of
// digitmod.Plan.Lint, the faults among them too; there are none of a plan that
// cannot be made.
func (d *Digits) Check(c digitmod.Config) ([]digitmod.Finding, error) {
	r, err := d.compile(c)
	if r == nil {
		return nil, err
	}
	return r.findings, err
}

// compile makes a revision of a plan. Where the error is that the plan does what
// it must not, there is a revision still, for its findings.
func (d *Digits) compile(c digitmod.Config) (*revision, error) {
	plan, err := digitmod.New(c)
	if err != nil {
		return nil, err
	}
	r := &revision{digits: digits{plan}, config: c, findings: plan.Lint(d.Lines)}
	var mistakes digitmod.Mistakes
	for _, f := range r.findings {
		if f.Severity == digitmod.Fault {
			mistakes = append(mistakes, f.Mistake())
		}
	}
	for _, device := range d.watched() {
		if err := plan.RoundTrip(device); err != nil {
			mistakes = append(mistakes, digitmod.Mistake{Place: "watched line", Reason: err.Error()})
		}
	}
	if len(mistakes) > 0 {
		return r, mistakes
	}
	return r, nil
}

// An Edit is a change of a plan: who makes it, against which revision, and what
// becomes of that. To returns the plan that is to be, made of the one in force,
// and says in a few words what it did.
type Edit struct {
	Base uint64
	By   string
	To   func(digitmod.Config) (c digitmod.Config, what string, err error)
}

// Change makes a new revision, stores it and puts it in force here; other
// processes follow. When it returns an error
// nothing has changed, but for ErrNoStore after the bus fell silent: then the
// store has it or has not, and State tells when the bus is back. A plan that is
// already in force makes no revision.
//
// Its errors: ErrFromFile, ErrStale, ErrNoStore, those of Check and those of e.To.
func (d *Digits) Change(ctx context.Context, e Edit) (DigitsState, error) {
	if d.File != "" {
		return d.State(), fmt.Errorf("%w: %s", ErrFromFile, d.File)
	}
	d.applying.Lock()
	defer d.applying.Unlock()
	d.mu.Lock()
	kv, newest := d.kv, d.newest
	d.mu.Unlock()
	now := d.current.Load()
	switch {
	case kv == nil || !d.Conn.IsConnected():
		return d.State(), ErrNoStore
	case e.Base != now.number:
		return d.State(), fmt.Errorf("%w: revision %d is in force, not %d", ErrStale, now.number, e.Base)
	}
	c, what, err := e.To(now.config)
	if err != nil {
		return d.State(), err
	}
	text, err := d.record(c, e.By, what) // before it is checked: how long that takes, its size bounds
	if err != nil {
		return d.State(), err
	}
	if _, err := d.Check(c); err != nil {
		return d.State(), err
	}
	if c.Equal(now.config) && newest <= now.number {
		return d.State(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	var number uint64
	if newest == 0 {
		number, err = kv.Create(ctx, d.PBX, text)
	} else {
		number, err = kv.Update(ctx, d.PBX, text, newest)
	}
	if errors.Is(err, jetstream.ErrKeyExists) { // also of Update: the last revision is another
		return d.State(), fmt.Errorf("%w: by another process", ErrStale)
	}
	if err != nil {
		return d.State(), fmt.Errorf("%w: whether it was stored is not known: %w", ErrNoStore, err)
	}
	d.takeLocked(number, time.Now(), text)
	return d.State(), nil
}

func (d *Digits) record(c digitmod.Config, by, what string) ([]byte, error) {
	plan, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(planRecord{Plan: plan, By: by, What: what})
	if err != nil {
		return nil, err
	}
	if most := d.Conn.MaxPayload() - 4096; int64(len(text)) > most { // headers go with it
		return nil, digitmod.Mistakes{{Reason: fmt.Sprintf("the plan has %d bytes, more than the %d that the bus carries", len(text), most)}}
	}
	return text, nil
}

// open reads what the bucket has, begins it where it has nothing, and listens
// for more until ctx ends. It returns when what is stored is in force.
func (d *Digits) open(ctx context.Context) (err error) {
	if d.File != "" {
		r := d.current.Load()
		d.Log.Info("digit plan in force", "revision", r.number, "file", d.File)
		d.warn(r)
		return nil
	}
	kv, err := openDigits(ctx, d.Conn)
	if err != nil {
		return err
	}
	updates, err := kv.Watch(ctx, d.PBX)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", digitsBucket, err)
	}
	defer func() {
		if err != nil {
			_ = updates.Stop() // it ends with ctx at the latest
		}
	}()
	d.mu.Lock()
	d.kv, d.updates, d.newest, d.read = kv, updates, 0, d.Conn.Stats().Reconnects
	d.mu.Unlock()
	for done := false; !done; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-updates.Updates():
			if !ok {
				return errWatchEnded
			}
			if done = e == nil; !done {
				d.entry(e)
			}
		}
	}
	s := d.State()
	switch {
	case s.Newest == 0 && d.Config.Equal(digitmod.Config{}):
		d.Log.Info("no digit plan is stored: no rules are in force")
	case s.Newest == 0:
		text, err := d.record(d.Config, "environment", "the plan of the environment")
		if err != nil {
			return err
		}
		number, err := kv.Create(ctx, d.PBX, text)
		if errors.Is(err, jetstream.ErrKeyExists) {
			return nil // another process was first; the watch brings it
		}
		if err != nil {
			return fmt.Errorf("bucket %s: %w", digitsBucket, err)
		}
		d.applying.Lock()
		d.takeLocked(number, time.Now(), text)
		d.applying.Unlock()
	case s.Problem != "" && s.Revision == 0:
		d.recover(ctx)
	case s.Revision > 0 && !d.Config.Equal(digitmod.Config{}) && !d.Config.Equal(s.Config):
		d.Log.Warn("the digit plan of the environment is not in force: the stored one is", "revision", s.Revision)
	}
	return nil
}

// recover puts the newest revision of the history in force that can be: the
// last one was refused, and before the restart the one before it was in force.
func (d *Digits) recover(ctx context.Context) {
	list, err := d.History(ctx)
	if err != nil {
		d.Log.Warn("no history of digit plans", "error", err)
		return
	}
	problem := d.State().Problem
	for _, r := range slices.Backward(list) {
		if plan, err := d.compile(r.Config); err == nil && r.Problem == "" {
			defer d.refuse(errors.New(problem)) // of the newest: said again, for it holds still
			plan.number, plan.by, plan.what, plan.at = r.Revision, r.By, r.What, r.At
			d.enforce(plan)
			return
		}
	}
}

var errWatchEnded = errors.New("the watch of bucket " + digitsBucket + " ended")

// follow puts in force what the source has, until ctx ends. Without the bus the
// plan that is in force stays.
func (d *Digits) follow(ctx context.Context) {
	if d.File != "" {
		d.followFile(ctx)
		return
	}
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.reread(ctx)
			continue
		case e, ok := <-d.updates.Updates():
			if ok && e != nil {
				d.entry(e)
			}
			if ok {
				continue
			}
		}
		d.Log.Warn("digit plans are not watched", "error", errWatchEnded)
		for err := errWatchEnded; err != nil; err = d.open(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(renewal):
			}
		}
	}
}

// reread reads the bucket after the bus was away. The watch would notice by
// itself what it missed, some ten seconds later.
func (d *Digits) reread(ctx context.Context) {
	count := d.Conn.Stats().Reconnects
	d.mu.Lock()
	kv, read := d.kv, d.read
	d.mu.Unlock()
	if count == read || !d.Conn.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	e, err := kv.Get(ctx, d.PBX)
	if err == nil {
		d.entry(e)
	} else if !errors.Is(err, jetstream.ErrKeyNotFound) {
		return // again at the next tick
	}
	d.mu.Lock()
	d.read = count
	d.mu.Unlock()
}

func (d *Digits) entry(e jetstream.KeyValueEntry) {
	d.applying.Lock()
	defer d.applying.Unlock()
	if e.Operation() == jetstream.KeyValuePut {
		d.takeLocked(e.Revision(), e.Created(), e.Value())
	} else if d.newer(e.Revision()) {
		d.refuse(errors.New("the stored plan was deleted"))
	}
}

// newer notes a revision of the bucket and reports whether it is new.
func (d *Digits) newer(number uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number <= d.newest {
		return false
	}
	d.newest = number
	return true
}

// takeLocked puts a stored revision in force, or keeps the old one and says why.
// d.applying is held.
func (d *Digits) takeLocked(number uint64, at time.Time, text []byte) {
	if !d.newer(number) {
		return // Change has put it in force already
	}
	stored, err := readRecord(number, at, text)
	if err == nil {
		var r *revision
		if r, err = d.compile(stored.Config); err == nil {
			r.number, r.by, r.what, r.at = number, stored.By, stored.What, at
			d.enforce(r)
			return
		}
	}
	d.refuse(fmt.Errorf("revision %d: %w", number, err))
}

// enforce puts a revision in force.
func (d *Digits) enforce(r *revision) {
	d.mu.Lock()
	d.current.Store(r)
	d.problem = ""
	d.mu.Unlock()
	d.Log.Info("digit plan in force", "revision", r.number, "by", r.by, "what", r.what)
	d.warn(r)
	d.changed()
}

// maxWarned bounds the warnings about one plan in the log: each rule may have some.
const maxWarned = 20

// warn logs what a plan does that may not be meant.
func (d *Digits) warn(r *revision) {
	for i, f := range r.findings {
		if i == maxWarned {
			d.Log.Warn("digit plan: and more, which a check of the plan lists", "revision", r.number, "more", len(r.findings)-i)
			return
		}
		d.Log.Warn("digit plan: "+f.String(), "revision", r.number, "kind", f.Kind)
	}
}

// refuse notes why the plan in force is not the newest.
func (d *Digits) refuse(err error) {
	d.mu.Lock()
	d.problem = err.Error()
	d.mu.Unlock()
	d.Log.Error("the new digit plan is not put in force; the old one goes on", "revision", d.current.Load().number, "error", err)
	d.changed()
}

// A Revision is a plan of the history.
type Revision struct {
	Revision uint64
	At       time.Time
	By, What string
	Changes  []string // compared with the one before it; see digitmod.Changes
	Config   digitmod.Config
	Problem  string // why it cannot be read; it has no Config then
}

func readRecord(number uint64, at time.Time, text []byte) (Revision, error) {
	var rec planRecord
	if err := json.Unmarshal(text, &rec); err != nil {
		return Revision{}, fmt.Errorf("what is stored is not understood: %w", err)
	}
	c, err := digitmod.ReadConfig(rec.Plan)
	return Revision{Revision: number, At: at, By: rec.By, What: rec.What, Config: c}, err
}

// History returns the revisions that are kept, the oldest first. Of a plan from
// a file that is the one in force. Its error is ErrNoStore.
func (d *Digits) History(ctx context.Context) ([]Revision, error) {
	if d.File != "" {
		s := d.State()
		return []Revision{{Revision: s.Revision, At: s.At, By: s.By, What: s.What, Config: s.Config}}, nil
	}
	d.mu.Lock()
	kv := d.kv
	d.mu.Unlock()
	if kv == nil || !d.Conn.IsConnected() {
		return nil, ErrNoStore
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	entries, err := kv.History(ctx, d.PBX)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	var list []Revision
	var before digitmod.Config
	for _, e := range entries {
		if e.Operation() != jetstream.KeyValuePut {
			continue
		}
		r, err := readRecord(e.Revision(), e.Created(), e.Value())
		if err != nil {
			r = Revision{Revision: e.Revision(), At: e.Created(), Problem: err.Error()}
		} else {
			if len(list) > 0 || len(entries) < maxRevisions { // of the oldest of many, nobody knows
				r.Changes = digitmod.Changes(before, r.Config)
			}
			before = r.Config
		}
		list = append(list, r)
	}
	return list, nil
}

// Past returns a revision of the history. Its errors are ErrNoRevision and
// ErrNoStore.
func (d *Digits) Past(ctx context.Context, number uint64) (Revision, error) {
	list, err := d.History(ctx)
	if err != nil {
		return Revision{}, err
	}
	for _, r := range list {
		if r.Revision == number {
			return r, nil
		}
	}
	return Revision{}, fmt.Errorf("%w: %d", ErrNoRevision, number)
}

// now returns the translation that is in force.
func (d *Digits) now() digits { return d.current.Load().digits }

// report makes canonical numbers in an event of the device, and returns the
// device's own. Both are by one plan: the call's, or the one in force.
func (d *Digits) report(device string, msg csta.Message) (shown string) {
	by := d.now()
	if device == "" {
		by.message(msg, own{})
		return ""
	}
	if ev, ok := msg.(csta.Event); ok {
		by = d.calls.event(device, ev, by)
	}
	by.message(msg, own{})
	return by.shown(device)
}

// answer makes canonical numbers in the answer to a request that by translated.
// What is about a call is told by the plan of that call.
func (d *Digits) answer(resp csta.Message, o own, by digits) {
	s, ok := resp.(*csta.SnapshotDeviceResponse)
	if !ok {
		call := ""
		csta.Connections(resp, func(c *csta.ConnectionID) {
			if call == "" {
				call = c.CallID
			}
		})
		d.calls.of(call, by).message(resp, o)
		return
	}
	calls := s.Connections()
	for i := range calls {
		id := calls[i].ConnectionIdentifier
		one := &csta.SnapshotDeviceResponse{CrossRefIDorSnapshotData: &csta.SnapshotDeviceData{
			SnapshotData: &csta.SnapshotDeviceDataList{SnapshotDeviceResponseInfo: calls[i : i+1]}}}
		d.calls.seen(id.CallID, id.DeviceID.ID, by).message(one, o)
	}
}
