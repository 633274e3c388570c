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

// followed is a device that is watched: by whom, and what they were told of
// its calls. After events were missed, the difference between that and a
// snapshot is told to them.
type followed struct {
	device   string
	local    string
	features *csta.GetCSTAFeaturesResponse
	watchers map[Watcher]struct{}
	calls    map[string]csta.LocalConnectionState // callID → the device's own state
	holding  bool                                 // a snapshot is due; events wait in held
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
		f = &followed{device: l.Device, local: l.Local, features: l.Features, holding: true,
			watchers: map[Watcher]struct{}{}, calls: map[string]csta.LocalConnectionState{}}
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
	if local, call := csta.LocalConnection(ev); local == pbx.Null && call != "" {
		if _, known := f.calls[call]; !known {
			return // the end of a call that the device was not in when it was first watched
		}
	}
	f.note(ev)
	for w := range f.watchers {
		w.Event(ev)
	}
}

// note keeps the record of what watchers were told.
func (f *followed) note(ev csta.Event) {
	local, calls := csta.LocalConnection(ev)
	switch e := ev.(type) {
	case *csta.TransferedEvent:
		f.replace(e.PrimaryOldCall.CallID, e.SecondaryOldCall.CallID, e.TransferredConnections, local)
		return
	case *csta.ConferencedEvent:
		f.replace(e.PrimaryOldCall.CallID, e.SecondaryOldCall.CallID, e.ConferenceConnections, local)
		return
	}
	if calls == "" {
		return
	}
	if local == pbx.Null {
		delete(f.calls, calls)
	} else if local != "" {
		f.calls[calls] = local
	}
}

func (f *followed) replace(primary, secondary string, items []csta.ConnectionListItem, local csta.LocalConnectionState) {
	delete(f.calls, primary)
	delete(f.calls, secondary)
	if local != pbx.Null && len(items) > 0 {
		f.calls[items[0].NewConnection.CallID] = local
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
	h := c.PBX(x.name)
	var news []csta.Event
	resp, before, err := c.perform(ctx, x.name, &csta.SnapshotDevice{SnapshotObject: csta.Device(f.device)})
	snapshot, _ := resp.(*csta.SnapshotDeviceResponse)
	ok := err == nil || !f.features.Supports(&csta.SnapshotDevice{})
	if ok && report {
		news = settings(ctx, h, f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.holding = false
	held := f.held
	f.held = nil
	if !ok {
		c.log.Warn("no snapshot", "pbx", x.name, "line", f.device, "error", err)
	} else if err == nil {
		news = append(difference(f, snapshot), news...)
	}
	for _, ev := range news {
		if report {
			f.event(ev, 0)
		} else {
			f.note(ev)
		}
	}
	// The snapshot is newer than the events before it, and may show a part of
	// those after it.
	for _, h := range held {
		if h.seq > before && !f.told(h.ev) {
			f.event(h.ev, h.seq)
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
	state, known := f.calls[call]
	return known && state == local && csta.OwnConnection(ev, f.local) || !known && local == pbx.Null
}

// settings asks for what a device is set to, as the events that report it.
func settings(ctx context.Context, h csta.Handler, f *followed) []csta.Event {
	var news []csta.Event
	if f.features.Supports(&csta.GetForwarding{}) && f.features.Supports(&csta.ForwardingEvent{}) {
		if r, err := csta.Call(ctx, h, &csta.GetForwarding{Device: csta.Device(f.device)}); err == nil {
			for _, item := range r.ForwardingList {
				news = append(news, &csta.ForwardingEvent{Device: csta.Party(f.device), ForwardingType: item.ForwardingType,
					ForwardStatus: item.ForwardStatus, ForwardTo: item.ForwardDN})
			}
		}
	}
	if f.features.Supports(&csta.GetDoNotDisturb{}) && f.features.Supports(&csta.DoNotDisturbEvent{}) {
		if r, err := csta.Call(ctx, h, &csta.GetDoNotDisturb{Device: csta.Device(f.device)}); err == nil {
			news = append(news, &csta.DoNotDisturbEvent{Device: csta.Party(f.device), DoNotDisturbOn: r.DoNotDisturbOn})
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
	own := csta.Party(f.device)
	now := map[string]bool{}
	redirection := csta.RedirectionDeviceID{NotKnown: true}
	for _, info := range connections(s) {
		id, state := info.ConnectionIdentifier, localState(info)
		now[id.CallID] = true
		was, known := f.calls[id.CallID]
		if known && was == state {
			continue
		}
		other := info.EndpointDevice
		if other.IsZero() {
			other = csta.NotKnown()
		}
		switch state {
		case pbx.Initiated:
			events = append(events, &csta.ServiceInitiatedEvent{InitiatedConnection: id, InitiatingDevice: own, LocalConnectionInfo: state, Cause: pbx.CauseNormal})
		case pbx.Alerting:
			events = append(events, &csta.DeliveredEvent{Connection: id, AlertingDevice: own, CallingDevice: other, CalledDevice: own,
				LastRedirectionDevice: redirection, LocalConnectionInfo: state, Cause: pbx.CauseNormal})
		case pbx.Fail:
			events = append(events, &csta.FailedEvent{FailedConnection: id, FailingDevice: own, CallingDevice: own, CalledDevice: other,
				LastRedirectionDevice: redirection, LocalConnectionInfo: state, Cause: pbx.CauseNormal})
		default:
			if was == pbx.Hold && known {
				events = append(events, &csta.RetrievedEvent{RetrievedConnection: id, RetrievingDevice: own, LocalConnectionInfo: pbx.Connected, Cause: pbx.CauseNormal})
			} else if !known || was == pbx.Alerting || was == pbx.Initiated {
				events = append(events, &csta.EstablishedEvent{EstablishedConnection: id, AnsweringDevice: own, CallingDevice: other, CalledDevice: own,
					LastRedirectionDevice: redirection, LocalConnectionInfo: pbx.Connected, Cause: pbx.CauseNormal})
			}
			if state == pbx.Hold {
				events = append(events, &csta.HeldEvent{HeldConnection: id, HoldingDevice: own, LocalConnectionInfo: state, Cause: pbx.CauseNormal})
			}
		}
	}
	for call := range f.calls {
		if !now[call] {
			events = append(events, &csta.ConnectionClearedEvent{DroppedConnection: csta.Connection(call, f.local), ReleasingDevice: own,
				LocalConnectionInfo: pbx.Null, Cause: pbx.CauseNormal})
		}
	}
	return events
}
