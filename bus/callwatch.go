package bus

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A callWatch is somebody who watches calls as a whole.
type callWatch struct {
	line Line
	tell func(csta.Event)

	starting bool        // its first snapshot is under way; events of the line wait in held
	held     []heldEvent // that the snapshot may show
}

// A watchedCall is a call that somebody watches as a whole, and what they were
// told of it. The bus carries each occurrence once per device in the call; they
// are told it once.
type watchedCall struct {
	id          string
	watches     map[*callWatch]struct{}
	connections map[string]knownConnection // by deviceID; those that left are null
	cause       csta.EventCause            // of the last connection that was cleared

	last csta.Event      // that changed the state of no connection
	by   map[string]bool // the devices that reported it

	// reporting are the lines in the call, which report its events. When there
	// are none, it is silent: nobody tells of its end.
	reporting map[string]bool
	silent    bool

	holding bool // a snapshot is under way; events wait in held
	held    []heldEvent
	stock   moment // of the last snapshot

	asking bool // whether the silent call is still there
	pause  time.Duration
	next   time.Time
}

type knownConnection struct {
	state csta.LocalConnectionState
	shown csta.ExtendedDeviceID
}

const (
	maxHeld  = 1000         // events of a call that wait for its snapshot; more are made good by another
	maxPause = 16 * renewal // between two questions whether a call is still there
)

// WatchCalls tells what happens in calls as a whole, as a monitor of type call
// reports it (ECMA-269 clause 6.7.1), from now on until stop is called: in the
// call that is named, in which the line must be; with an empty name in all that
// are at the line or come to it. A call that leaves the line goes on being told
// of, and so does what a transfer or a conference makes of it, until it is over
// for all its devices: CallClearedEvent is the last that is told of it. What is
// there already is not told.
//
// Each occurrence is told once, without localConnectionInfo. tell is called like
// Watcher.Event, and Watcher.Link of a Watch of the same line says when the PBX
// is lost and back. An error is that of a snapshot that could not be had:
// operation/invalidConnectionID for a call in which the line is not. stop is not
// to be called by tell.
func (c *Client) WatchCalls(ctx context.Context, l Line, call string, tell func(csta.Event)) (stop func(), err error) {
	w := &callWatch{line: l, tell: tell}
	c.mu.Lock()
	x := c.exchange(l.PBX)
	c.mu.Unlock()
	err = c.startCalls(ctx, x, l, call, w)
	stop = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		x.unwatchCalls(l.Local, w)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (c *Client) startCalls(ctx context.Context, x *exchange, l Line, call string, w *callWatch) error {
	var fresh []*watchedCall
	if call == "" {
		c.mu.Lock()
		if x.callWatches[l.Local] == nil {
			x.callWatches[l.Local] = map[*callWatch]struct{}{}
		}
		x.callWatches[l.Local][w] = struct{}{}
		w.starting = true
		c.mu.Unlock()
		var err error
		var stock moment
		if fresh, stock, err = c.callsAt(ctx, x, l); err != nil {
			return err
		}
		defer c.started(x, w, stock)
	} else {
		if _, _, err := c.perform(ctx, l, &csta.SnapshotCall{SnapshotObject: csta.Connection(call, l.Local)}); err != nil {
			return err
		}
		c.mu.Lock()
		k := x.calls[call]
		if k == nil {
			k = x.newCall(call)
			k.holding = true
			fresh = append(fresh, k)
		}
		k.watches[w] = struct{}{}
		c.mu.Unlock()
	}
	for _, k := range fresh {
		if err := c.surveyCall(ctx, x, k, false); err != nil {
			return err
		}
	}
	return nil
}

// started passes on what was held while a watch began, but what its snapshot
// shows.
func (c *Client) started(x *exchange, w *callWatch, stock moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := w.held
	w.starting, w.held = false, nil
	for _, h := range held {
		if !stock.shows(h.at) {
			c.callEvent(x, h.device, h.ev, h.at)
		}
	}
}

func (x *exchange) newCall(id string) *watchedCall {
	k := &watchedCall{id: id, watches: map[*callWatch]struct{}{}, connections: map[string]knownConnection{}, reporting: map[string]bool{}, cause: pbx.CauseNormal}
	x.calls[id] = k
	return k
}

func (x *exchange) unwatchCalls(device string, w *callWatch) {
	delete(x.callWatches[device], w)
	if len(x.callWatches[device]) == 0 {
		delete(x.callWatches, device)
	}
	for id, k := range x.calls {
		if delete(k.watches, w); len(k.watches) == 0 {
			delete(x.calls, id)
		}
	}
}

// watchesCalls reports whether events of the device may be of use to those who
// watch calls.
func (x *exchange) watchesCalls(device string) bool {
	return len(x.calls) > 0 || len(x.callWatches[device]) > 0
}

// callsAt finds the calls that are at the line, for those who watch all that
// come to it, and returns those that nobody watched before, which hold their
// events, and the moment when they were found.
func (c *Client) callsAt(ctx context.Context, x *exchange, l Line) (fresh []*watchedCall, at moment, err error) {
	resp, seq, err := c.perform(ctx, l, &csta.SnapshotDevice{SnapshotObject: csta.Device(l.Device)})
	if err != nil {
		return nil, moment{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, info := range resp.(*csta.SnapshotDeviceResponse).Connections() {
		id := info.ConnectionIdentifier.CallID
		k := x.calls[id]
		if k == nil {
			k = x.newCall(id)
			k.holding = true
			fresh = append(fresh, k)
		}
		maps.Copy(k.watches, x.callWatches[l.Local])
	}
	return fresh, moment{x.epoch, seq}, nil
}

// surveyCall compares a snapshot of the call with what was told of it, and tells
// the difference, or only notes it; then come the events that were held
// meanwhile. A call that the PBX does not know is over.
func (c *Client) surveyCall(ctx context.Context, x *exchange, k *watchedCall, report bool) error {
	resp, seq, err := c.perform(ctx, Line{PBX: x.name}, &csta.SnapshotCall{SnapshotObject: csta.ConnectionID{CallID: k.id}})
	c.mu.Lock()
	defer c.mu.Unlock()
	held := k.held
	k.held, k.holding = nil, false
	switch {
	case x.calls[k.id] != k: // it became part of another, or nobody watches it any more
	case isUnknown(err):
		x.endCall(k)
		return nil
	case err != nil:
		c.log.Warn("no snapshot", "pbx", x.name, "call", k.id, "error", err)
	default:
		k.stock = moment{x.epoch, seq}
		for _, ev := range k.difference(resp.(*csta.SnapshotCallResponse), report) {
			k.tell(ev)
		}
		if report { // who reports is not known after a gap
			clear(k.reporting)
			k.silent, k.pause, k.next = true, maxPause, time.Now().Add(maxPause)
		}
	}
	for _, h := range held {
		c.callEvent(x, h.device, h.ev, h.at)
	}
	return err
}

// isUnknown reports whether a snapshot was refused because there is no such call.
func isUnknown(err error) bool {
	return errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidConnectionID"})
}

// surveyCalls is surveyCall for all that is watched at a PBX, and for what came
// to watched devices meanwhile. It reports whether all snapshots could be had.
func (c *Client) surveyCalls(x *exchange) bool {
	c.mu.Lock()
	var lines []Line
	for _, watches := range x.callWatches {
		for w := range watches {
			lines = append(lines, w.line)
			break
		}
	}
	c.mu.Unlock()
	ok := true
	for _, l := range lines {
		if _, _, err := c.callsAt(c.ctx, x, l); err != nil {
			c.log.Warn("no snapshot", "pbx", x.name, "line", l.Device, "error", err)
			ok = false
		}
	}
	c.mu.Lock()
	due := slices.Collect(maps.Values(x.calls))
	for _, k := range due {
		k.holding = true
	}
	c.mu.Unlock()
	for _, k := range due {
		if c.surveyCall(c.ctx, x, k, true) != nil {
			ok = false
		}
	}
	return ok
}

// callEvent passes an event at the device on to those who watch the call.
func (c *Client) callEvent(x *exchange, device string, ev csta.Event, at moment) {
	for w := range x.callWatches[device] {
		if w.starting {
			if len(w.held) == maxHeld {
				x.stale = true
				return
			}
			w.held = append(w.held, heldEvent{ev, at, device})
			return
		}
	}
	local, first := csta.LocalConnection(ev)
	var k *watchedCall
	csta.Connections(ev, func(id *csta.ConnectionID) {
		if of := x.calls[id.CallID]; of != nil && (k == nil || of.holding) {
			k = of
		}
	})
	if k != nil && k.holding {
		if len(k.held) == maxHeld {
			x.stale = true
			return
		}
		k.held = append(k.held, heldEvent{ev, at, device})
		return
	}
	if _, over := ev.(*csta.CallClearedEvent); over {
		if k != nil {
			x.endCall(k)
		}
		return
	}
	if k == nil {
		if first == "" || local == pbx.Null || len(x.callWatches[device]) == 0 {
			return
		}
		k = x.newCall(first)
	}
	ev = csta.WithoutLocalConnection(ev)
	j, joins := pbx.UnionOf(ev)
	known := false
	switch {
	case k.stock.shows(at):
		known = true
	case !joins:
		known = k.knows(device, ev)
	case x.calls[j.Result()] != nil && x.calls[j.Result()].repeats(device, ev):
		k, known = x.calls[j.Result()], true
	default:
		k = x.join(j)
		k.repeats(device, ev)
	}
	if local == pbx.Null {
		delete(k.reporting, device)
	} else {
		k.reporting[device] = true
		for w := range x.callWatches[device] {
			if _, in := k.watches[w]; in {
				continue
			}
			k.watches[w] = struct{}{}
			if known { // the others have been told
				w.tell(ev)
			}
		}
	}
	if !known {
		k.tell(ev)
	}
	if k.silent = len(k.reporting) == 0; k.silent {
		k.pause = 0
		c.inquire(x, k)
	}
}

func (k *watchedCall) tell(ev csta.Event) {
	for w := range k.watches {
		w.tell(ev)
	}
}

// knows takes in an event at the device, and reports whether those who watch
// have been told: its step was made, or another device reported the same.
func (k *watchedCall) knows(device string, ev csta.Event) bool {
	p, state := pbx.StepOf(ev)
	if state == "" {
		return k.repeats(device, ev)
	}
	if e, ok := ev.(*csta.ConnectionClearedEvent); ok {
		k.cause = e.Cause
	}
	was, known := k.connections[p.ID.DeviceID.ID]
	k.connections[p.ID.DeviceID.ID] = knownConnection{state, p.Shown}
	return known && was.state == state
}

// repeats takes in an event at the device that may leave all connections as they
// are, and reports whether another device has just reported the same.
func (k *watchedCall) repeats(device string, ev csta.Event) bool {
	if k.by[device] || !reflect.DeepEqual(k.last, ev) {
		k.last, k.by = ev, map[string]bool{}
	}
	k.by[device] = true
	return len(k.by) > 1
}

// join makes one call of those that were joined, for all who watched one of
// them.
func (x *exchange) join(j pbx.Union) *watchedCall {
	old := map[csta.ConnectionID]knownConnection{}
	watches, reporting := map[*callWatch]struct{}{}, map[string]bool{}
	left := map[string]knownConnection{}
	for _, id := range []string{j.Primary.CallID, j.Secondary.CallID, j.Result()} {
		k := x.calls[id]
		if k == nil {
			continue
		}
		maps.Copy(watches, k.watches)
		maps.Copy(reporting, k.reporting)
		for device, c := range k.connections {
			old[csta.Connection(id, device)] = c
			left[device] = knownConnection{pbx.Null, c.shown}
		}
		delete(x.calls, id)
	}
	k := x.newCall(j.Result())
	k.watches, k.reporting, k.connections = watches, reporting, left
	for _, item := range j.Connections {
		c, ok := old[csta.Connection(item.OldConnection.CallID, item.OldConnection.DeviceID.ID)]
		if !ok || item.NewConnection.DeviceID.ID == j.Stays {
			c.state = pbx.Connected
		}
		if e := item.Endpoint; e != nil {
			c.shown = csta.ExtendedDeviceID{DeviceIdentifier: e.DeviceID, NotKnown: e.NotKnown, Restricted: e.Restricted}
		}
		k.connections[item.NewConnection.DeviceID.ID] = c
	}
	return k
}

// difference takes in a snapshot of the call, and returns the events that lead
// to it from what was told, none if it is not to be reported. Who made a call
// that is known was connected to it all the time, though no event may have named
// its connection: of a caller outside the PBX none does.
func (k *watchedCall) difference(s *csta.SnapshotCallResponse, report bool) (news []csta.Event) {
	isNew, callers := len(k.connections) == 0, 0
	now := map[string]bool{}
	infos := s.Connections()
	for _, info := range infos {
		now[info.CallIdentifier.DeviceID.ID] = true
	}
	for _, device := range slices.Sorted(maps.Keys(k.connections)) {
		if c := k.connections[device]; !now[device] && c.state != pbx.Null {
			news = append(news, k.clear(device)...)
		}
	}
	for _, info := range infos {
		device := info.CallIdentifier.DeviceID.ID
		p := pbx.Subject{ID: info.CallIdentifier, Shown: info.DeviceOnCall, Calling: s.CallingDevice, Called: s.CalledDevice}
		if p.Shown.String() == p.Calling.String() {
			callers++
			p.Caller = callers == 1
		}
		was, known := k.connections[device]
		switch {
		case known:
		case p.Caller && !isNew:
			was.state = pbx.Connected
		default:
			was.state = pbx.Null
		}
		k.connections[device] = knownConnection{info.LocalConnectionInfo, info.DeviceOnCall}
		news = append(news, p.Become(was.state, info.LocalConnectionInfo, "")...)
	}
	if !report {
		return nil
	}
	return news
}

// clear notes that the device is no longer in the call, and returns the event
// that says so.
func (k *watchedCall) clear(device string) []csta.Event {
	was := k.connections[device]
	k.connections[device] = knownConnection{pbx.Null, was.shown}
	p := pbx.Subject{ID: csta.Connection(k.id, device), Shown: was.shown}
	return p.Become(was.state, pbx.Null, "")
}

// endCall tells that a call is over for all its devices.
func (x *exchange) endCall(k *watchedCall) {
	delete(x.calls, k.id)
	for _, device := range slices.Sorted(maps.Keys(k.connections)) {
		for _, ev := range k.clear(device) {
			k.tell(ev)
		}
	}
	k.tell(&csta.CallClearedEvent{ClearedCall: csta.ConnectionID{CallID: k.id}, Cause: k.cause})
}

// inquire asks the PBX whether a silent call is over. It may be on its way to
// another line, or somebody outside may be left in it: then it is asked again,
// after a while.
func (c *Client) inquire(x *exchange, k *watchedCall) {
	if k.asking || k.holding || c.closed {
		return
	}
	k.asking = true
	c.work.Go(func() {
		_, _, err := c.perform(c.ctx, Line{PBX: x.name}, &csta.SnapshotCall{SnapshotObject: csta.ConnectionID{CallID: k.id}})
		c.mu.Lock()
		defer c.mu.Unlock()
		k.asking = false
		if x.calls[k.id] != k || !k.silent || k.holding {
			return
		}
		if isUnknown(err) {
			x.endCall(k)
			return
		}
		k.pause = min(max(2*k.pause, renewal), maxPause)
		k.next = time.Now().Add(k.pause)
	})
}

// inquireAgain asks about the silent calls whose time has come.
func (c *Client) inquireAgain(x *exchange) {
	for _, k := range x.calls {
		if k.silent && time.Now().After(k.next) {
			c.inquire(x, k)
		}
	}
}
