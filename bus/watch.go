package bus

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"

	"rccgw/csta"
)

// A watchNotice tells an adapter which devices a gateway watches. All is
// repeated every watchRenewal, and after a change of the digit plan, so that
// neither a lost notice nor a restarted adapter nor a gateway that died leaves
// anything wrong for long.
type watchNotice struct {
	Gateway string        `json:"gateway"`
	Add     []watchedLine `json:"add,omitempty"`
	Remove  []string      `json:"remove,omitempty"` // PBX's devices
}

// A watchedLine is a line that is watched: what a client means by it, and the
// PBX's device that this was when it was asked.
type watchedLine struct {
	Line   string `json:"line"` // canonical
	Device string `json:"device"`
}

// watchReply is the answer to a watchNotice.
type watchReply struct {
	// Moved are lines of the notice that mean another device now, or none. They
	// are not watched.
	Moved []watchedLine `json:"moved,omitempty"`
}

const (
	watchRenewal = 20 * time.Second
	watchLife    = 3 * watchRenewal
	watchBatch   = 4000 // devices in one notice, far below NATS's limit of 1 MB
)

// watchers counts who watches which device: such a line must survive a change
// of the digit plan. A driver that registers MonitorStart and MonitorStop is told
// of each device once, however many watch it.
type watchers struct {
	a        *Adapter
	mu       sync.Mutex
	devices  map[string][]watch // by the PBX's device
	monitors map[string]string  // PBX's device → the driver's monitorCrossRefID
}

// A watch is that of one gateway.
type watch struct {
	gateway string
	end     time.Time
}

func newWatchers(a *Adapter) *watchers {
	return &watchers{a: a, devices: map[string][]watch{}, monitors: map[string]string{}}
}

// list returns the PBX's devices that are watched.
func (w *watchers) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.devices))
}

func (w *watchers) serve(r micro.Request) {
	var n watchNotice
	if err := json.Unmarshal(r.Data(), &n); err != nil || n.Gateway == "" {
		w.a.refuse(r, csta.Errorf(csta.Operation, "invalidParameterValue", "watch: %v", err))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	end := time.Now().Add(watchLife)
	var reply watchReply
	by := w.a.Digits.now()
	for _, l := range n.Add {
		if device, err := by.device(l.Line); err != nil || device != l.Device {
			reply.Moved = append(reply.Moved, l)
			continue
		}
		w.unwatch(l.Device, n.Gateway)
		w.devices[l.Device] = append(w.devices[l.Device], watch{n.Gateway, end})
		w.start(ctx, l.Device)
		w.a.lines.Load().know(l.Device)
	}
	for _, device := range n.Remove {
		w.unwatch(device, n.Gateway)
		w.stopUnwatched(ctx, device)
	}
	w.a.reply(r, reply)
}

func (w *watchers) unwatch(device, gateway string) {
	if list, ok := w.devices[device]; ok {
		w.devices[device] = slices.DeleteFunc(list, func(x watch) bool { return x.gateway == gateway })
	}
}

// start asks the driver to watch the device, once; a refusal is tried again at
// the next renewal.
func (w *watchers) start(ctx context.Context, device string) {
	if _, ok := w.monitors[device]; ok || !w.a.mux.Registered(&csta.MonitorStart{}) {
		return
	}
	resp, err := csta.Call(ctx, &w.a.mux, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(device)}})
	if err != nil {
		w.a.Log.Debug("device not watched", "line", device, "error", err)
		return
	}
	w.monitors[device] = resp.MonitorCrossRefID
}

func (w *watchers) stopUnwatched(ctx context.Context, device string) {
	if len(w.devices[device]) > 0 {
		return
	}
	delete(w.devices, device)
	id, ok := w.monitors[device]
	if !ok {
		return
	}
	delete(w.monitors, device)
	if _, err := csta.Call(ctx, &w.a.mux, &csta.MonitorStop{MonitorCrossRefID: id}); err != nil {
		w.a.Log.Debug("watch not stopped", "line", device, "error", err)
	}
}

// expire ends the watches of gateways that are gone, until ctx ends.
func (w *watchers) expire(ctx context.Context) {
	tick := time.NewTicker(watchRenewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			w.mu.Lock()
			for device, list := range w.devices {
				w.devices[device] = slices.DeleteFunc(list, func(x watch) bool { return x.end.Before(now) })
				w.stopUnwatched(ctx, device)
			}
			w.mu.Unlock()
		}
	}
}
