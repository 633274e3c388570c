package bus

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"rccgw/csta"
	"rccgw/pbx"
)

// followed is a device that is watched: by whom, and what they were told. After
// events were missed, the difference between that and a snapshot is told to them.
type followed struct {
	device   string
	features *csta.GetCSTAFeaturesResponse
	watchers map[Watcher]struct{}
	told     *pbx.Told
	holding  bool // a snapshot is due; events wait in held
	held     []heldEvent
}

type heldEvent struct {
	ev  csta.Event
	seq uint64
}

// Watch tells w what happens at the line from now on, until stop is called;
// up says whether the PBX can be reached now. Neither is to be called by a
// Watcher's method.
func (c *Client) Watch(ctx context.Context, l Line, w Watcher) (stop func(), up bool) {
	c.mu.Lock()
	x := c.exchange(l.PBX)
	f := x.follow[l.Device]
	first := f == nil
	if first {
		f = &followed{device: l.Device, features: l.Features, holding: true, watchers: map[Watcher]struct{}{}, told: pbx.NewTold(l.Device, l.Local)}
		x.follow[l.Device] = f
	}
	f.watchers[w] = struct{}{}
	up = x.up
	notify := first && x.entry.Watches
	c.mu.Unlock()
	if notify {
		c.notice(ctx, l.PBX, watchNotice{Add: []string{l.Device}})
	}
	if first {
		// What the device has already is not news, but the base of what is.
		c.takeStock(ctx, x, f, false)
	}
	var once sync.Once
	return func() {
		once.Do(func() {
			c.mu.Lock()
			delete(f.watchers, w)
			last := len(f.watchers) == 0 && x.follow[l.Device] == f
			if last {
				delete(x.follow, l.Device)
			}
			notify := last && x.entry.Watches
			c.mu.Unlock()
			if notify {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				c.notice(ctx, l.PBX, watchNotice{Remove: []string{l.Device}})
			}
		})
	}, up
}

// notice tells an adapter about watched devices. A lost notice is made good by
// the next renewal.
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
	if _, err := c.request(ctx, pbx, m); err != nil {
		c.log.Debug("watch notice not taken", "pbx", pbx, "error", err)
	}
}

func (c *Client) renewWatches() {
	c.mu.Lock()
	notices := map[string][]string{}
	for name, x := range c.pbxs {
		if !x.entry.Watches || !x.served {
			continue
		}
		for device := range x.follow {
			notices[name] = append(notices[name], device)
		}
	}
	c.mu.Unlock()
	for name, devices := range notices {
		for len(devices) > 0 {
			n := min(len(devices), watchBatch)
			c.notice(c.ctx, name, watchNotice{Add: devices[:n]})
			devices = devices[n:]
		}
	}
}

// event passes an event on, or keeps it until the snapshot is there.
func (f *followed) event(ev csta.Event, seq uint64) {
	if f.holding {
		f.held = append(f.held, heldEvent{ev, seq})
		return
	}
	if local, call := csta.LocalConnection(ev); local == pbx.Null && call != "" && !f.told.In(call) {
		return // the end of a call that the device was not in when it was first watched
	}
	f.told.Note(ev)
	for w := range f.watchers {
		w.Event(ev)
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
	resp, before, err := c.perform(ctx, x.name, &csta.SnapshotDevice{SnapshotObject: csta.Device(f.device)})
	var snapshot *csta.SnapshotDeviceResponse
	if err == nil {
		snapshot, _ = resp.(*csta.SnapshotDeviceResponse)
	}
	var settings []csta.Event
	ok := err == nil || !f.features.Supports(&csta.SnapshotDevice{})
	if ok && report {
		settings = pbx.Settings(ctx, c.PBX(x.name), f.device, f.features)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.holding = false
	held := f.held
	f.held = nil
	if !ok {
		c.log.Warn("no snapshot", "pbx", x.name, "line", f.device, "error", err)
	}
	for _, ev := range f.told.Difference(snapshot, settings) {
		if report {
			f.event(ev, 0)
		} else {
			f.told.Note(ev)
		}
	}
	// The snapshot is newer than the events before it, and may show a part of
	// those after it.
	for _, h := range held {
		if h.seq > before && !f.told.Knew(h.ev) {
			f.event(h.ev, h.seq)
		}
	}
	return ok
}
