package bus

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"

	"rccgw/csta"
)

// A watchNotice tells an adapter which devices a gateway watches. All is
// repeated every watchRenewal, so that neither a lost notice nor a restarted
// adapter nor a gateway that died leaves anything wrong for long.
type watchNotice struct {
	Gateway string   `json:"gateway"`
	Add     []string `json:"add,omitempty"`    // canonical devices
	Remove  []string `json:"remove,omitempty"` // canonical devices
}

const (
	watchRenewal = 20 * time.Second
	watchLife    = 3 * watchRenewal
	watchBatch   = 4000 // devices in one notice, far below NATS's limit of 1 MB
)

// watchers counts who watches which device, for a driver that must be told:
// one that registers MonitorStart and MonitorStop. The driver sees each device
// once, however many watch it.
type watchers struct {
	a        *Adapter
	mu       sync.Mutex
	devices  map[string]map[string]time.Time // PBX's device → gateway → end of its watch
	monitors map[string]string               // PBX's device → the driver's monitorCrossRefID
}

func newWatchers(a *Adapter) *watchers {
	return &watchers{a: a, devices: map[string]map[string]time.Time{}, monitors: map[string]string{}}
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
	for _, number := range n.Add {
		device, err := w.a.Digits.Device(number)
		if err != nil {
			continue
		}
		if w.devices[device] == nil {
			w.devices[device] = map[string]time.Time{}
		}
		w.devices[device][n.Gateway] = end
		w.start(ctx, device)
	}
	for _, number := range n.Remove {
		if device, err := w.a.Digits.Device(number); err == nil {
			delete(w.devices[device], n.Gateway)
			w.stopUnwatched(ctx, device)
		}
	}
	w.a.reply(r, struct{}{})
}

// start asks the driver to watch the device, once; a refusal is tried again at
// the next renewal.
func (w *watchers) start(ctx context.Context, device string) {
	if _, ok := w.monitors[device]; ok {
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
			for device, gateways := range w.devices {
				for g, end := range gateways {
					if end.Before(now) {
						delete(gateways, g)
					}
				}
				w.stopUnwatched(ctx, device)
			}
			w.mu.Unlock()
		}
	}
}
