package bus

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"rccgw/csta"
	"rccgw/pbx"
)

// followed is a device that is watched: by whom, and what they were told. After
// events were missed, the difference between that and a snapshot is told to them.
type followed struct {
	Line                        // of the first who watches
	watchers map[Watcher]string // what each means by the line: its Number
	told     *pbx.Told
	holding  bool // a snapshot is due; events wait in held
	held     []heldEvent
	stock    moment // of the last snapshot
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
		f = &followed{Line: l, holding: true, watchers: map[Watcher]string{}, told: pbx.NewTold(l.Device, l.Local)}
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
	answer, err := c.request(ctx, pbx, m, true)
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
		notices[name] = x.watched()
	}
	c.mu.Unlock()
	for name, lines := range notices {
		for len(lines) > 0 {
			n := min(len(lines), watchBatch)
			c.notice(c.ctx, name, watchNotice{Add: lines[:n]})
			if gone := c.unfollowed(name, lines[:n]); len(gone) > 0 {
				c.notice(c.ctx, name, watchNotice{Remove: gone}) // its own notice may have come before this one
			}
			lines = lines[n:]
		}
	}
}

// routeAgain looks up the watched lines anew, and tells those who watch one that
// is served by another PBX now, or by none.
func (c *Client) routeAgain() {
	c.mu.Lock()
	watched, away := map[string][]watchedLine{}, false
	for name, x := range c.pbxs {
		watched[name] = x.watched()
		away = away || !x.served
	}
	c.mu.Unlock()
	for name, lines := range watched {
		for _, l := range lines {
			ctx, cancel := context.WithTimeout(c.ctx, answerTime)
			now, info, err := c.route(ctx, l.Line)
			cancel()
			switch {
			case err == nil && now == name && (info == nil || info.Local == l.Device):
				continue
			case err != nil && (away || !errors.Is(err, errNoDevice)):
				// Who is away may know it by another name. When they are back, it is asked again.
				c.mu.Lock()
				c.unsure = true
				c.mu.Unlock()
				continue
			}
			c.log.Info("a line is served by another PBX now, or by none", "line", l.Line, "was", name, "is", now)
			for _, w := range c.moved(name, []watchedLine{l}) {
				w.Moved()
			}
		}
	}
}

// watched returns what is watched at a PBX: each device with each number that
// somebody means it by. Client.mu is held.
func (x *exchange) watched() (lines []watchedLine) {
	for device, f := range x.follow {
		numbers := map[string]bool{}
		for _, number := range f.watchers {
			if !numbers[number] {
				numbers[number] = true
				lines = append(lines, watchedLine{number, device})
			}
		}
	}
	return lines
}

// unfollowed returns the devices of the lines that nobody watches any more.
func (c *Client) unfollowed(pbx string, lines []watchedLine) (gone []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lines {
		if c.pbxs[pbx].follow[l.Device] == nil {
			gone = append(gone, l.Device)
		}
	}
	return gone
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
	if local, call := csta.LocalConnection(ev); local == pbx.Null && call != "" && !f.told.In(call) {
		return // the end of a call that the device was not in when it was first watched
	}
	f.told.Note(ev)
	for w := range f.watchers {
		w.Event(device, ev)
	}
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
	resp, before, err := c.perform(ctx, f.Line, &csta.SnapshotDevice{SnapshotObject: csta.Device(f.Device)})
	snapshot, _ := resp.(*csta.SnapshotDeviceResponse)
	var settings []csta.Event
	ok := err == nil || !f.Features.Supports(&csta.SnapshotDevice{})
	if ok && report {
		settings = pbx.Settings(ctx, c.On(f.Line), f.Device, f.Features)
	}
	c.mu.Lock()
	unclear := f.told.Unclear(snapshot)
	c.mu.Unlock()
	parties := pbx.AskParties(ctx, c.On(f.Line), f.Features, unclear)
	c.mu.Lock()
	defer c.mu.Unlock()
	f.holding = false
	held := f.held
	f.held = nil
	if !ok {
		c.log.Warn("no snapshot", "pbx", x.name, "line", f.Device, "error", err)
	} else if err == nil {
		f.stock = moment{x.epoch, before}
	}
	for _, ev := range f.told.Difference(snapshot, parties, settings) {
		if report {
			f.pass(f.Device, ev)
		} else {
			f.told.Note(ev)
		}
	}
	// The snapshot may show a part of the events after it, too.
	for _, h := range held {
		if !f.told.Knew(h.ev) {
			f.event(h.device, h.ev, h.at)
		}
	}
	return ok
}
