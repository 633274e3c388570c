package cstatcp

import (
	"context"
	"errors"
	"sync"

	"rccgw/csta"
	"rccgw/pbx"
)

// watched is a device that somebody watches. It outlives a link. All but the
// device is guarded by Driver.mu.
type watched struct {
	device  string
	told    *pbx.Told
	monitor string // at the server; empty: none
	missed  bool   // events may have been missed since stock was taken
	busy    bool   // somebody starts the monitor or takes stock
	holding bool   // what a snapshot shows is not passed on, since one is under way
	crossed bool   // an event came meanwhile
}

// monitorStart learns that somebody watches a device. The cross reference is
// the device. Without a link, the monitor is started by the next one.
func (d *Driver) monitorStart(ctx context.Context, req *csta.MonitorStart) (*csta.MonitorStartResponse, error) {
	if req.MonitorObject == nil || req.MonitorObject.DeviceObject.ID == "" {
		return nil, csta.Errorf(csta.Operation, "invalidMonitorObject", "only devices are watched")
	}
	device := req.MonitorObject.DeviceObject.ID
	d.mu.Lock()
	l, w := d.link, d.devices[device]
	first := w == nil
	if first {
		w = &watched{device: device, told: pbx.NewTold(device, device)}
		d.devices[device] = w
	}
	d.mu.Unlock()
	if first && l != nil {
		// What the device has already is not news, but the base of what is.
		if err := l.watch(ctx, w, false); err != nil {
			d.mu.Lock()
			if d.devices[device] == w {
				delete(d.devices, device)
			}
			d.mu.Unlock()
			return nil, refusal(err)
		}
	}
	return &csta.MonitorStartResponse{MonitorCrossRefID: device}, nil
}

// monitorStop works without a link, too: the watch lasts longer than a link.
func (d *Driver) monitorStop(ctx context.Context, req *csta.MonitorStop) (*csta.MonitorStopResponse, error) {
	d.mu.Lock()
	w := d.devices[req.MonitorCrossRefID]
	if w == nil {
		d.mu.Unlock()
		return nil, csta.Errorf(csta.Operation, "invalidMonitorCrossRefID", "nobody watches %q", req.MonitorCrossRefID)
	}
	delete(d.devices, w.device)
	l, monitor := d.link, w.monitor
	d.mu.Unlock()
	if l != nil && monitor != "" {
		l.stop(ctx, monitor)
	}
	return &csta.MonitorStopResponse{}, nil
}

// stop ends a monitor at the server. It ends with the connection at the latest.
func (l *link) stop(ctx context.Context, monitor string) {
	l.mu.Lock()
	delete(l.monitors, monitor)
	l.mu.Unlock()
	if _, err := l.call(ctx, &csta.MonitorStop{MonitorCrossRefID: monitor}); err != nil {
		l.log.Debug("monitor not stopped", "monitor", monitor, "error", err)
	}
}

// atOnce is how many devices are asked about at once.
const atOnce = 16

// watchAll starts the monitors that are missing, takes stock where events may
// have been missed, and tells the difference. A device that the server refuses
// is tried again later; an error is the link's.
func (l *link) watchAll(ctx context.Context) error {
	l.mu.Lock()
	var due []*watched
	for _, w := range l.devices {
		if w.monitor == "" || w.missed {
			due = append(due, w)
		}
	}
	l.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, w := range due {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			var refused *csta.Error
			if err := l.watch(ctx, w, true); errors.As(err, &refused) {
				l.log.Warn("device not watched", "line", w.device, "error", err)
			} else if err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// watch starts the device's monitor, unless it has one, and takes stock. What
// differs from what was told is told if report is set, and else only noted.
func (l *link) watch(ctx context.Context, w *watched, report bool) error {
	l.mu.Lock()
	if w.busy {
		l.mu.Unlock()
		return nil
	}
	w.busy = true
	monitor := w.monitor
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		w.busy, w.holding = false, false
	}()
	if monitor == "" {
		resp, err := csta.Call(ctx, csta.HandlerFunc(l.call), &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(w.device)}})
		if err != nil {
			return err
		}
		// Events that came before this are older than the snapshot.
		l.mu.Lock()
		gone := l.devices[w.device] != w
		w.monitor, w.missed = resp.MonitorCrossRefID, true
		l.monitors[w.monitor] = w
		l.mu.Unlock()
		if gone {
			l.stop(ctx, resp.MonitorCrossRefID)
			return nil
		}
	}
	return l.takeStock(ctx, w, report)
}

// crossings is how often a snapshot is taken again since events crossed it.
const crossings = 5

// takeStock tells the difference between what was told of the device and what
// is. Of an event that comes while a snapshot is under way nobody knows whether
// the snapshot shows it: it is dropped, and another snapshot taken.
func (l *link) takeStock(ctx context.Context, w *watched, report bool) error {
	features := l.offered.Load()
	if !features.Supports(&csta.SnapshotDevice{}) {
		l.mu.Lock()
		defer l.mu.Unlock()
		w.missed = false
		return nil
	}
	for tries := 0; ; tries++ {
		l.mu.Lock()
		w.holding, w.crossed, w.missed = true, false, true
		l.mu.Unlock()
		snapshot, err := csta.Call(ctx, csta.HandlerFunc(l.call), &csta.SnapshotDevice{SnapshotObject: csta.Device(w.device)})
		if err != nil {
			return err
		}
		settings := pbx.Settings(ctx, csta.HandlerFunc(l.call), w.device, features)
		l.mu.Lock()
		unclear := w.told.Unclear(snapshot)
		l.mu.Unlock()
		parties := pbx.AskParties(ctx, csta.HandlerFunc(l.call), features, unclear)
		l.mu.Lock()
		if w.crossed && tries < crossings {
			l.mu.Unlock()
			continue
		}
		for _, ev := range w.told.Difference(snapshot, parties, settings) {
			w.told.Note(ev)
			if report && l.devices[w.device] == w {
				l.emit(w.device, ev)
			}
		}
		w.holding, w.missed = false, false
		l.mu.Unlock()
		return nil
	}
}

// event passes an event on to who watches its device. err is what is wrong with
// it.
func (l *link) event(ev csta.Event, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.monitors[*ev.CrossRef()]
	if w == nil || l.devices[w.device] != w {
		l.conn.drop("event of no monitor")
		return
	}
	shown := pbx.Covers(ev) && l.offered.Load().Supports(&csta.SnapshotDevice{})
	switch {
	case err != nil:
		l.log.Warn("event not understood", "line", w.device, "event", csta.Name(ev), "error", err)
		l.conn.drop(csta.Name(ev) + " not understood")
		if shown {
			w.missed, w.crossed = true, true
			l.wake()
		}
	case w.holding && shown:
		w.crossed = true
	default:
		w.told.Note(ev)
		*ev.CrossRef() = ""
		l.emit(w.device, ev)
	}
}

// miss takes in that events of all devices may have been missed.
func (l *link) miss() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.devices {
		w.missed, w.crossed = true, true
	}
	l.wake()
}

// unmonitor takes in that the server has ended a monitor, and reports whether
// there was one.
func (l *link) unmonitor(monitor string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.monitors[monitor]
	if w == nil {
		return false
	}
	delete(l.monitors, monitor)
	w.monitor = ""
	l.log.Warn("the server has ended a monitor", "line", w.device)
	l.wake()
	return true
}

// wake has watchAll called soon.
func (l *link) wake() {
	select {
	case l.lost <- struct{}{}:
	default:
	}
}
