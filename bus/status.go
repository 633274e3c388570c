package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"rccgw/csta"
	"rccgw/pbx"
)

// A LineStatus is the last known state of a line, for whoever comes late: wall
// boards, CRM pop-ups, presence. It stands in the bucket rcc_lines under the PBX
// and the line, and each change of it is a message to who watches the bucket.
//
// It holds as long as the directory has an entry of the PBX with the same epoch.
// Without one nobody knows: the adapter is gone, and nobody has taken over yet.
type LineStatus struct {
	PBX          string    `json:"pbx"`
	Line         string    `json:"line"`   // canonical number
	Device       string    `json:"device"` // what the PBX calls it
	State        LineState `json:"state"`
	Since        time.Time `json:"since"`        // when the state began, or was learned
	Forwarded    bool      `json:"forwarded"`    // calls are forwarded at once, when busy or without an answer
	DoNotDisturb bool      `json:"doNotDisturb"` // calls are not presented
	Epoch        string    `json:"epoch"`        // of the adapter's events
}

// A LineState says what a line is doing.
type LineState string

// The states of a line. Of several calls the first in this order counts.
const (
	LineBusy         LineState = "busy" // dials, talks, waits in a queue, hears a tone
	LineRinging      LineState = "ringing"
	LineHeld         LineState = "held" // all its calls are held
	LineIdle         LineState = "idle"
	LineOutOfService LineState = "outOfService" // its state cannot be known, or the device is away
)

const (
	linesBucket = "rcc_lines"
	maxRoster   = 100_000         // lines of a PBX whose status is kept though nothing has happened there
	linesPause  = renewal         // before what could not be written or asked is tried again
	linesTime   = 2 * time.Second // for one question to the driver
)

// Lines returns the status of all lines, by PBX and line. One whose adapter is gone
// or has lost its link is out of service, whatever the bucket says.
func (c *Client) Lines(ctx context.Context) ([]LineStatus, error) {
	kv, err := openLines(ctx, c.conn)
	if err != nil {
		return nil, err
	}
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	list := []LineStatus{}
	for {
		select {
		case e := <-w.Updates():
			if e == nil {
				c.mask(list)
				slices.SortFunc(list, func(a, b LineStatus) int {
					return cmp.Or(cmp.Compare(a.PBX, b.PBX), cmp.Compare(a.Line, b.Line))
				})
				return list, nil
			}
			var s LineStatus
			if err := json.Unmarshal(e.Value(), &s); err != nil {
				c.log.Warn("line state not understood", "key", e.Key(), "error", err)
				continue
			}
			list = append(list, s)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// mask makes out of service what nobody can know.
func (c *Client) mask(list []LineStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range list {
		x := c.pbxs[list[i].PBX]
		if x == nil || !x.up || x.entry.Epoch != list[i].Epoch {
			list[i].State = LineOutOfService
		}
	}
}

// lines keeps the status of the lines of one adapter for one term. Events change
// it where they are reported; one goroutine writes what has changed, only the
// newest of each line.
type lines struct {
	a     *Adapter
	epoch string
	wake  chan struct{}

	mu    sync.Mutex
	up    bool // the link
	known map[string]*lineStatus
	dirty map[string]*lineStatus // to be written
	check map[string]*lineStatus // to be compared with the PBX
}

type lineStatus struct {
	device  string
	shown   string // canonical; empty: not known yet
	told    *pbx.Told
	out     bool // the device itself is out of service
	changes int
	written LineStatus
}

func newLines(a *Adapter, epoch string) *lines {
	return &lines{a: a, epoch: epoch, wake: make(chan struct{}, 1), known: map[string]*lineStatus{}, dirty: map[string]*lineStatus{}, check: map[string]*lineStatus{}}
}

func (l *lines) awake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// line returns the status of a device; one that is new is compared with the PBX.
// l.mu is held.
func (l *lines) line(device string) *lineStatus {
	s := l.known[device]
	if s == nil {
		s = &lineStatus{device: device, told: pbx.NewTold(device, device)}
		l.known[device] = s
		l.check[device] = s
	}
	return s
}

// know has the status of a device kept from now on.
func (l *lines) know(device string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.known[device]; !ok {
		l.line(device)
		l.awake()
	}
}

// note takes in what the adapter reports, in that order. shown is the canonical
// number of the device.
func (l *lines) note(device, shown string, msg csta.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := msg.(*csta.SystemStatus); ok && device == "" {
		up := s.SystemStatus == pbx.StatusNormal
		if up == l.up {
			return
		}
		l.up = up
		for device, s := range l.known {
			l.dirty[device] = s
			if up {
				l.check[device] = s
			}
		}
		l.awake()
		return
	}
	ev, ok := msg.(csta.Event)
	if !ok || device == "" {
		return
	}
	s := l.line(device)
	s.shown = shown
	s.changes++
	switch ev.(type) {
	case *csta.OutOfServiceEvent:
		s.out = true
	case *csta.BackInServiceEvent:
		s.out = false
	default:
		s.told.Note(ev)
	}
	l.dirty[device] = s
	l.awake()
}

// renumber writes all lines anew that a changed digit plan shows otherwise.
func (l *lines) renumber() {
	l.mu.Lock()
	defer l.mu.Unlock()
	by := l.a.Digits.now()
	for device, s := range l.known {
		if shown := by.shown(device); shown != s.shown {
			s.shown = shown
			l.dirty[device] = s
		}
	}
	l.awake()
}

// state returns what the line is doing. l.mu is held.
func (l *lines) state(s *lineStatus) LineState {
	if !l.up || s.out || l.check[s.device] != nil {
		return LineOutOfService
	}
	state := LineIdle
	for _, own := range s.told.Own() {
		switch {
		case own == pbx.Alerting && state != LineBusy:
			state = LineRinging
		case own == pbx.Hold && state == LineIdle:
			state = LineHeld
		case own != pbx.Alerting && own != pbx.Hold:
			state = LineBusy
		}
	}
	return state
}

// run writes what changes until ctx ends. It begins with what the bucket has from
// a term before, and with the lines that the configuration names.
func (l *lines) run(ctx context.Context) {
	var kv jetstream.KeyValue
	for ctx.Err() == nil {
		if kv == nil {
			var err error
			if kv, err = l.open(ctx); err != nil && ctx.Err() == nil {
				l.a.Log.Warn("line states cannot be kept", "error", err)
			}
		}
		again := kv == nil
		if kv != nil {
			again = !l.compare(ctx, kv)
			if err := l.write(ctx, kv); err != nil {
				again = true
				if ctx.Err() == nil {
					l.a.Log.Debug("line state not written", "error", err)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					kv = nil // the bucket may be gone: all is written anew
				}
			}
		}
		var retry <-chan time.Time
		if again {
			retry = time.After(linesPause)
		}
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-retry:
		}
	}
}

// open opens the bucket and reads what it has of this PBX.
func (l *lines) open(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	kv, err := openLines(ctx, l.a.Conn)
	if err != nil {
		return nil, err
	}
	w, err := kv.Watch(ctx, lineKey(l.a.PBX, "*"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	found := map[string]LineStatus{}
	for {
		select {
		case e := <-w.Updates():
			if e == nil {
				l.begin(found)
				return kv, nil
			}
			var s LineStatus
			if err := json.Unmarshal(e.Value(), &s); e.Operation() == jetstream.KeyValuePut && err == nil && s.Device != "" {
				found[s.Device] = s
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin takes in what the bucket has, and the lines that the configuration names.
func (l *lines) begin(found map[string]LineStatus) {
	numbers, _ := l.a.Lines.Numbers(maxRoster)
	by := l.a.Digits.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for device, s := range found {
		l.line(device).written = s
	}
	for _, number := range numbers {
		if device, err := by.device(number); err == nil {
			l.line(device)
		}
	}
	for device, s := range l.known {
		if _, ok := found[device]; !ok {
			s.written.Epoch = "" // it is not there any more
		}
		l.dirty[device] = s
	}
}

// compare asks the PBX for the lines of which nothing is known yet, or that were
// not seen for a while. It reports whether all could be asked.
func (l *lines) compare(ctx context.Context, kv jetstream.KeyValue) (all bool) {
	l.mu.Lock()
	if !l.up {
		l.mu.Unlock()
		return true // the link will tell
	}
	todo := make([]*lineStatus, 0, len(l.check))
	for _, s := range l.check {
		todo = append(todo, s)
	}
	l.mu.Unlock()
	all = true
	for _, s := range todo {
		if ctx.Err() != nil || !l.ask(ctx, kv, s) {
			all = false
		}
	}
	return all
}

// ask compares one line with the PBX. Where events came meanwhile it is asked
// again.
func (l *lines) ask(ctx context.Context, kv jetstream.KeyValue, s *lineStatus) bool {
	ctx, cancel := context.WithTimeout(ctx, linesTime)
	defer cancel()
	l.mu.Lock()
	before := s.changes
	l.mu.Unlock()
	handler := csta.HandlerFunc(l.a.ask)
	var snapshot *csta.SnapshotDeviceResponse
	if l.a.mux.Offers(&csta.SnapshotDevice{}, s.device) {
		var err error
		snapshot, err = csta.Call(ctx, handler, &csta.SnapshotDevice{SnapshotObject: csta.Device(s.device)})
		switch {
		case errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidDeviceID"}):
			l.forget(ctx, kv, s)
			return true
		case err != nil:
			return false
		}
	}
	settings := pbx.Settings(ctx, handler, s.device, l.a.mux.Features(s.device))
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.changes != before {
		return false
	}
	for _, ev := range s.told.Difference(snapshot, nil, settings) {
		s.told.Note(ev)
	}
	delete(l.check, s.device)
	if s.shown == "" {
		s.shown = l.a.Digits.now().shown(s.device)
	}
	l.dirty[s.device] = s
	return true
}

// forget removes a line that the PBX does not have.
func (l *lines) forget(ctx context.Context, kv jetstream.KeyValue, s *lineStatus) {
	l.mu.Lock()
	delete(l.known, s.device)
	delete(l.check, s.device)
	delete(l.dirty, s.device)
	l.mu.Unlock()
	if s.written.Line != "" {
		_ = kv.Delete(ctx, lineKey(l.a.PBX, s.written.Line))
	}
}

// write writes the states that have changed, in an order that does not depend on
// chance.
func (l *lines) write(ctx context.Context, kv jetstream.KeyValue) error {
	l.mu.Lock()
	todo := l.dirty
	l.dirty = map[string]*lineStatus{}
	l.mu.Unlock()
	devices := make([]string, 0, len(todo))
	for device := range todo {
		devices = append(devices, device)
	}
	slices.Sort(devices)
	for i, device := range devices {
		if err := l.writeLine(ctx, kv, todo[device]); err != nil {
			l.mu.Lock()
			for _, rest := range devices[i:] {
				l.dirty[rest] = todo[rest]
			}
			l.mu.Unlock()
			return err
		}
	}
	return nil
}

func (l *lines) writeLine(ctx context.Context, kv jetstream.KeyValue, s *lineStatus) error {
	l.mu.Lock()
	if s.shown == "" && s.written.Line == "" {
		l.mu.Unlock()
		return nil // whether there is such a line is not known yet
	}
	now := LineStatus{PBX: l.a.PBX, Line: s.shown, Device: s.device, State: l.state(s), Since: s.written.Since, Epoch: l.epoch}
	if now.Line == "" {
		now.Line = s.written.Line
	}
	now.Forwarded, now.DoNotDisturb = s.told.Set()
	if l.check[s.device] != nil {
		now.Forwarded, now.DoNotDisturb = s.written.Forwarded, s.written.DoNotDisturb
	}
	was := s.written
	l.mu.Unlock()
	if now.State != was.State || now.Since.IsZero() {
		now.Since = time.Now().UTC().Truncate(time.Millisecond)
	}
	if now == was || !l.a.lease.held() {
		return nil
	}
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, linesTime)
	defer cancel()
	if was.Line != "" && was.Line != now.Line {
		if err := kv.Delete(ctx, lineKey(l.a.PBX, was.Line)); err != nil {
			return err
		}
	}
	if _, err := kv.Put(ctx, lineKey(l.a.PBX, now.Line), text); err != nil {
		return err
	}
	l.mu.Lock()
	s.written = now
	l.mu.Unlock()
	return nil
}
