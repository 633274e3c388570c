package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"rccgw/csta"
	"rccgw/pbx"
)

// followed is a device that is watched: by whom, and what they were told of
// its calls. After events were missed, the difference between that and a
// snapshot is told to them.
type followed struct {
	Line                              // of the first who watches
	watchers map[Watcher]string       // what each means by the line: its Number
	calls    map[string]*followedCall // by callID
	settings map[string]string        // what was told of forwarding and do-not-disturb, by kind
	holding  bool                     // a snapshot is due; events wait in held
	held     []heldEvent
	stock    moment // of the last snapshot
}

// followedCall is what watchers were told of a call.
type followedCall struct {
	own    csta.LocalConnectionState
	others map[string]csta.LocalConnectionState // by the deviceID of the connection
}

type heldEvent struct {
	ev csta.Event
	at moment
	// device is what the event of a followed device calls it, and of a watched
	// call which of the PBX's devices reported it.
	device string
}

// A moment is a place in the sequence of a PBX's events: that of an event, or of
// a snapshot, which shows all events up to it and perhaps more.
type moment struct {
	epoch string
	seq   uint64
}

// shows reports whether a snapshot of the moment shows an event. It may be taken
// in before the events that it shows: they come by another way.
func (m moment) shows(at moment) bool { return at.epoch == m.epoch && at.seq <= m.seq }

// Watch tells w what happens at the line from now on, until stop is called;
// up says whether the PBX can be reached now. Neither is to be called by a
// Watcher's method.
func (c *Client) Watch(ctx context.Context, l Line, w Watcher) (stop func(), up bool) {
	c.mu.Lock()
	x := c.exchange(l.PBX)
	f := x.follow[l.Local]
	first := f == nil
	if first {
		f = &followed{Line: l, holding: true, watchers: map[Watcher]string{}, calls: map[string]*followedCall{}, settings: map[string]string{}}
		x.follow[l.Local] = f
	}
	f.watchers[w] = l.Number
	up = x.up
	c.mu.Unlock()
	if first {
		c.notice(ctx, l.PBX, watchNotice{Add: []watchedLine{{l.Number, l.Local}}})
		// What the device has already is not news, but the base of what is.
		c.takeStock(ctx, x, f, false)
	}
	var once sync.Once
	return func() {
		once.Do(func() {
			c.mu.Lock()
			delete(f.watchers, w)
			last := len(f.watchers) == 0 && x.follow[l.Local] == f
			if last {
				delete(x.follow, l.Local)
			}
			c.mu.Unlock()
			if last {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				c.notice(ctx, l.PBX, watchNotice{Remove: []string{l.Local}})
			}
		})
	}, up
}

// notice tells an adapter about watched devices, and watchers whose line is
// another device now. A lost notice is made good by the next renewal.
func (c *Client) notice(ctx context.Context, pbx string, n watchNotice) {
	n.Gateway = c.gateway
	text, err := json.Marshal(n)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	m := nats.NewMsg(watchSubject(pbx))
	m.Data = text
	answer, err := c.request(ctx, pbx, m)
	if err != nil {
		c.log.Debug("watch notice not taken", "pbx", pbx, "error", err)
		return
	}
	var reply watchReply
	if err := json.Unmarshal(answer.Data, &reply); err != nil {
		c.log.Warn("answer to a watch notice not understood", "pbx", pbx, "error", err)
		return
	}
	for _, w := range c.moved(pbx, reply.Moved) {
		w.Moved()
	}
}

// moved returns who watches the lines.
func (c *Client) moved(pbx string, lines []watchedLine) (list []Watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lines {
		if f := c.exchange(pbx).follow[l.Device]; f != nil {
			for w, number := range f.watchers {
				if number == l.Line {
					list = append(list, w)
				}
			}
		}
	}
	return list
}

func (c *Client) renewWatches() {
	c.mu.Lock()
	notices := map[string][]watchedLine{}
	for name, x := range c.pbxs {
		if !x.served {
			continue
		}
		for device, f := range x.follow {
			numbers := map[string]bool{}
			for _, number := range f.watchers {
				if !numbers[number] {
					numbers[number] = true
					notices[name] = append(notices[name], watchedLine{number, device})
				}
			}
		}
	}
	c.mu.Unlock()
	for name, lines := range notices {
		for len(lines) > 0 {
			n := min(len(lines), watchBatch)
			c.notice(c.ctx, name, watchNotice{Add: lines[:n]})
			lines = lines[n:]
		}
	}
}

// event passes an event on, or keeps it until the snapshot is there.
func (f *followed) event(device string, ev csta.Event, at moment) {
	if f.holding {
		f.held = append(f.held, heldEvent{ev, at, device})
		return
	}
	if f.stock.shows(at) {
		return
	}
	f.pass(device, ev)
}

// pass tells the watchers of an event, which calls the line device.
func (f *followed) pass(device string, ev csta.Event) {
	if local, call := csta.LocalConnection(ev); local == pbx.Null && call != "" {
		if _, known := f.calls[call]; !known {
			return // the end of a call that the device was not in when it was first watched
		}
	}
	f.note(ev)
	for w := range f.watchers {
		w.Event(device, ev)
	}
}

// note keeps the record of what watchers were told.
func (f *followed) note(ev csta.Event) {
	if kind, value := setting(ev); kind != "" {
		f.settings[kind] = value
		return
	}
	local, call := csta.LocalConnection(ev)
	if j, ok := joiningOf(ev); ok {
		f.replace(j, local)
		return
	}
	_, state := stepOf(ev)
	if call == "" || local == "" {
		return
	}
	if local == pbx.Null {
		delete(f.calls, call)
		return
	}
	c := f.call(call)
	c.own = local
	if id := csta.FirstConnection(ev).DeviceID.ID; state != "" && id != f.Local {
		if state == pbx.Null {
			delete(c.others, id)
		} else {
			c.others[id] = state
		}
	}
}

func (f *followed) call(id string) *followedCall {
	c := f.calls[id]
	if c == nil {
		c = &followedCall{others: map[string]csta.LocalConnectionState{}}
		f.calls[id] = c
	}
	return c
}

func (f *followed) replace(j joining, local csta.LocalConnectionState) {
	others := map[string]csta.LocalConnectionState{}
	for _, old := range []string{j.primary.CallID, j.secondary.CallID} {
		if c := f.calls[old]; c != nil {
			for id, state := range c.others {
				others[id] = state
			}
		}
		delete(f.calls, old)
	}
	if local == pbx.Null || len(j.connections) == 0 {
		return
	}
	c := f.call(j.result())
	c.own = local
	for _, item := range j.connections {
		if id := item.NewConnection.DeviceID.ID; id != f.Local {
			c.others[id] = pbx.Connected
			if state, ok := others[id]; ok {
				c.others[id] = state
			}
		}
	}
}

// setting says which setting an event is about, and what of it.
func setting(ev csta.Event) (kind, value string) {
	switch e := ev.(type) {
	case *csta.ForwardingEvent:
		return "forwarding " + string(e.ForwardingType), fmt.Sprint(e.ForwardStatus, " ", e.ForwardTo.ID)
	case *csta.DoNotDisturbEvent:
		return "doNotDisturb", fmt.Sprint(e.DoNotDisturbOn)
	}
	return "", ""
}

// resync takes snapshots of all watched devices of a PBX and reports the
// differences, then that the PBX is back.
func (c *Client) resync(x *exchange) {
	c.mu.Lock()
	var due []*followed
	for _, f := range x.follow {
		f.holding = true
		due = append(due, f)
	}
	c.mu.Unlock()
	c.renewWatches()
	failed := false
	for _, f := range due {
		if !c.takeStock(c.ctx, x, f, true) {
			failed = true
		}
	}
	if !c.surveyCalls(x) {
		failed = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x.taking = false
	if failed {
		x.stale = true // the next renewal of the directory tries again
		return
	}
	c.refresh(x)
}

// takeStock compares a snapshot of the device with what watchers were told,
// and tells them the difference, or only notes it; then come the events that
// were held meanwhile. It reports whether a snapshot could be had.
func (c *Client) takeStock(ctx context.Context, x *exchange, f *followed, report bool) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	h := c.On(f.Line)
	var news []csta.Event
	resp, before, err := c.perform(ctx, f.Line, &csta.SnapshotDevice{SnapshotObject: csta.Device(f.Device)})
	snapshot, _ := resp.(*csta.SnapshotDeviceResponse)
	ok := err == nil || !f.Features.Supports(&csta.SnapshotDevice{})
	if ok && report {
		news = settings(ctx, h, f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.holding = false
	held := f.held
	f.held = nil
	if !ok {
		c.log.Warn("no snapshot", "pbx", x.name, "line", f.Device, "error", err)
	} else if err == nil {
		f.stock = moment{x.epoch, before}
		news = append(difference(f, snapshot), news...)
	}
	for _, ev := range news {
		if kind, value := setting(ev); kind != "" && f.settings[kind] == value {
			continue
		}
		if report {
			f.pass(f.Device, ev)
		} else {
			f.note(ev)
		}
	}
	// The snapshot may show a part of the events after it, too.
	for _, h := range held {
		if !f.told(h.ev) {
			f.event(h.device, h.ev, h.at)
		}
	}
	return ok
}

// told reports whether an event says of the device's own connection what
// watchers know already.
func (f *followed) told(ev csta.Event) bool {
	local, call := csta.LocalConnection(ev)
	if call == "" || local == "" {
		return false
	}
	c := f.calls[call]
	if c == nil {
		return local == pbx.Null
	}
	return c.own == local && csta.FirstConnection(ev).DeviceID.ID == f.Local
}

// settings asks for what a device is set to, as the events that report it.
func settings(ctx context.Context, h csta.Handler, f *followed) []csta.Event {
	var news []csta.Event
	if f.Features.Supports(&csta.GetForwarding{}) && f.Features.Supports(&csta.ForwardingEvent{}) {
		if r, err := csta.Call(ctx, h, &csta.GetForwarding{Device: csta.Device(f.Device)}); err == nil {
			for _, item := range r.ForwardingList {
				news = append(news, &csta.ForwardingEvent{Device: csta.Party(f.Device), ForwardingType: item.ForwardingType,
					ForwardStatus: item.ForwardStatus, ForwardTo: item.ForwardDN})
			}
		}
	}
	if f.Features.Supports(&csta.GetDoNotDisturb{}) && f.Features.Supports(&csta.DoNotDisturbEvent{}) {
		if r, err := csta.Call(ctx, h, &csta.GetDoNotDisturb{Device: csta.Device(f.Device)}); err == nil {
			news = append(news, &csta.DoNotDisturbEvent{Device: csta.Party(f.Device), DoNotDisturbOn: r.DoNotDisturbOn})
		}
	}
	return news
}

func connections(s *csta.SnapshotDeviceResponse) []csta.SnapshotDeviceResponseInfo {
	if s.CrossRefIDorSnapshotData == nil || s.CrossRefIDorSnapshotData.SnapshotData == nil {
		return nil
	}
	return s.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo
}

func localState(info csta.SnapshotDeviceResponseInfo) csta.LocalConnectionState {
	if s := info.LocalCallState; s != nil && s.CompoundCallState != nil && len(s.CompoundCallState.LocalConnectionState) > 0 {
		return s.CompoundCallState.LocalConnectionState[0]
	}
	return pbx.Connected
}

// difference returns the events that lead from what watchers were told to the
// snapshot.
func difference(f *followed, s *csta.SnapshotDeviceResponse) []csta.Event {
	var events []csta.Event
	now := map[string]bool{}
	for _, info := range connections(s) {
		id := info.ConnectionIdentifier
		now[id.CallID] = true
		own := party{id: id, shown: csta.Party(f.Device), calling: info.EndpointDevice, called: csta.Party(f.Device)}
		known := f.calls[id.CallID]
		was := pbx.Null
		if known != nil {
			was = known.own
		}
		events = append(events, own.become(was, localState(info), localState(info))...)
		events = append(events, otherParty(f, known, info)...)
	}
	for call, c := range f.calls {
		if !now[call] {
			own := party{id: csta.Connection(call, f.Local), shown: csta.Party(f.Device)}
			events = append(events, own.become(c.own, pbx.Null, pbx.Null)...)
		}
	}
	return events
}

// otherParty returns what changed at the far end of a call of two that an event
// has named. Of a call of more, the snapshot does not say who is who.
func otherParty(f *followed, known *followedCall, info csta.SnapshotDeviceResponseInfo) []csta.Event {
	if known == nil || len(known.others) != 1 {
		return nil
	}
	var states []csta.LocalConnectionState
	if s := info.LocalCallState; s != nil && s.CompoundCallState != nil {
		states = s.CompoundCallState.LocalConnectionState
	}
	if len(states) > 2 {
		return nil
	}
	other := party{id: csta.Connection(info.ConnectionIdentifier.CallID, info.EndpointDevice.String()), shown: info.EndpointDevice,
		calling: csta.Party(f.Device), called: info.EndpointDevice}
	was, is := pbx.Null, pbx.Null
	for id, state := range known.others {
		other.id.DeviceID = csta.Device(id)
		was = state
	}
	if len(states) == 2 {
		is = states[1]
	}
	return other.become(was, is, localState(info))
}
