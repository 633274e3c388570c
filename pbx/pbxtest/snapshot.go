package pbxtest

import (
	"fmt"
	"maps"
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// agree checks that snapshots of the lines show what their events led to.
// Snapshots and events may come by different ways, so it waits.
func (s *stage) agree(actors ...*actor) {
	s.Helper()
	for _, a := range actors {
		if !a.Features.Supports(&csta.SnapshotDevice{}) {
			continue
		}
		s.eventually("agreement of the snapshot of "+a.name+" with its events", func() error { return s.compare(a) })
	}
}

// compare takes a snapshot and returns how it differs from the events.
func (s *stage) compare(a *actor) error {
	shot := map[string][]csta.LocalConnectionState{}
	resp := ask(a, &csta.SnapshotDevice{SnapshotObject: csta.Device(a.ID)})
	data := resp.CrossRefIDorSnapshotData
	if data == nil || data.SnapshotData == nil {
		return fmt.Errorf("the snapshot has no data")
	}
	for _, info := range data.SnapshotData.SnapshotDeviceResponseInfo {
		id := info.ConnectionIdentifier
		if id.DeviceID.ID != a.ID {
			return fmt.Errorf("connection %s of the snapshot is not the line's own", id)
		}
		if info.LocalCallState == nil || info.LocalCallState.CompoundCallState == nil || len(info.LocalCallState.CompoundCallState.LocalConnectionState) == 0 {
			return fmt.Errorf("connection %s of the snapshot has no state", id)
		}
		if info.EndpointDevice.IsZero() {
			return fmt.Errorf("connection %s of the snapshot has no endpoint", id)
		}
		shot[id.CallID] = info.LocalCallState.CompoundCallState.LocalConnectionState
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.view.States()
	calls := maps.Clone(own)
	for call, states := range shot {
		if own[call] != states[0] {
			return fmt.Errorf("call %s is %s in the snapshot and %s by the events; seen:\n%s", call, states[0], orNull(own[call]), a.history())
		}
		delete(calls, call)
		// The line knows some of the others; those it knows are in the snapshot.
		rest := slices.Clone(states[1:])
		for device, state := range a.view.calls[call] {
			if device == a.ID || state == pbx.Null {
				continue
			}
			i := slices.Index(rest, state)
			if i < 0 {
				return fmt.Errorf("call %s: %s is %s by the events, the snapshot has %v; seen:\n%s", call, device, state, states[1:], a.history())
			}
			rest = slices.Delete(rest, i, i+1)
		}
	}
	if len(calls) > 0 {
		return fmt.Errorf("calls %v of the events are not in the snapshot; seen:\n%s", calls, a.history())
	}
	return nil
}
