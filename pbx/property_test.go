package pbx_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
)

// A world is a model that is fed random facts, and what each own device saw of
// it. callIDs are never used twice, and who has left a call does not come back
// to it: that much any PBX keeps. All else may come in any order.
type world struct {
	*pbx.Calls
	t     *rapid.T
	views map[string]*pbxtest.View
	seen  int
	gone  map[string]bool // device@call
	over  map[string]bool // calls
	next  int
}

var devices = []string{"A", "B", "C", "D", "T1", "T2"}

func newWorld(t *rapid.T) *world {
	w := &world{Calls: pbx.NewCalls(), t: t, views: map[string]*pbxtest.View{}, gone: map[string]bool{}, over: map[string]bool{}}
	for _, d := range devices {
		w.views[d] = pbxtest.NewView(d)
	}
	w.SetEmit(w.emit)
	return w
}

func (w *world) emit(device string, msg csta.Message) {
	w.seen++
	if err := csta.Check(msg); err != nil {
		w.t.Fatalf("%s: %s is not valid: %v", device, csta.Name(msg), err)
	}
	if device[0] == 'T' {
		w.t.Fatalf("%s, who is outside, saw %s", device, csta.Name(msg))
	}
	if err := w.views[device].Take(msg.(csta.Event)); err != nil {
		w.t.Fatalf("%s: %s: %v", device, csta.Name(msg), err)
	}
}

func (w *world) party(device string) pbx.Party {
	p := pbx.Party{Device: device, Own: device[0] != 'T'}
	switch {
	case p.Own:
		if rapid.IntRange(0, 3).Draw(w.t, "withholds") == 0 {
			p.Number = csta.Restricted()
		}
	case rapid.Bool().Draw(w.t, "withheld"):
		p.Number = csta.Restricted()
	default:
		p.Number = csta.Party("613555010" + device[1:])
	}
	return p
}

// call draws a call, mostly one that there is.
func (w *world) call(label string) string {
	ids := []string{"none", fmt.Sprint("c", w.next)}
	for _, c := range w.List() {
		ids = append(ids, c.ID, c.ID, c.ID)
	}
	return rapid.SampledFrom(ids).Draw(w.t, label)
}

// step reports one random fact.
func (w *world) step() {
	before := map[string][]string{}
	for _, c := range w.List() {
		for _, conn := range c.Connections {
			before[c.ID] = append(before[c.ID], conn.Device)
		}
	}
	call, device := w.call("call"), rapid.SampledFrom(devices).Draw(w.t, "device")
	cause := pbx.CauseNormal
	enters := call != "none" && !w.gone[device+"@"+call] && !w.over[call]
	to := csta.Party(rapid.SampledFrom(devices).Draw(w.t, "to"))
	switch fact := rapid.IntRange(0, 15).Draw(w.t, "fact"); fact {
	case 0:
		if enters {
			w.Initiated(call, w.party(device), cause)
		}
	case 1, 2:
		if enters {
			w.Originated(call, w.party(device), to, cause)
		}
	case 3, 4:
		if enters {
			w.Delivered(call, w.party(device), cause)
		}
	case 5, 6:
		if enters {
			w.Established(call, w.party(device), cause)
		}
	case 7:
		w.Held(call, device, cause)
	case 8:
		w.Retrieved(call, device, cause)
	case 9:
		if enters {
			w.Failed(call, w.party(device), cause)
		}
	case 10:
		if rapid.Bool().Draw(w.t, "divert") {
			w.Diverted(call, device, to, cause)
		} else {
			w.Redirected(call, to)
		}
	case 11:
		if rapid.Bool().Draw(w.t, "all") {
			w.Ended(call, cause)
		} else {
			w.Cleared(call, device, cause)
		}
	case 12:
		w.next++
		j := pbx.Joining{Device: device, Primary: call, Result: fmt.Sprint("c", w.next), To: to, Cause: cause}
		if rapid.Bool().Draw(w.t, "two") {
			j.Secondary = w.call("secondary")
		}
		if rapid.Bool().Draw(w.t, "conference") {
			w.Conferenced(j)
		} else {
			w.Transferred(j)
		}
	case 13:
		if enters {
			switch rapid.IntRange(0, 2).Draw(w.t, "early") {
			case 0:
				w.Offered(call, w.party(device), cause)
			case 1:
				w.NetworkReached(call, w.party(device), csta.NotKnown(), cause)
			case 2:
				if device[0] == 'T' { // no phone
					w.Queued(call, w.party(device), cause)
				}
			}
		}
	case 14:
		w.Dialled(call, device, to.DeviceIdentifier, cause)
	case 15:
		if rapid.Bool().Draw(w.t, "digits") {
			w.Digits(call, device, "1")
		} else {
			w.Information(call, device, csta.HexBinary{1}, &csta.PrivateData{Text: "x"})
		}
	}
	w.next++
	for call, list := range before {
		now, ok := w.Get(call)
		w.over[call] = w.over[call] || !ok
		for _, device := range list {
			if !slices.ContainsFunc(now.Connections, func(c pbx.Connection) bool { return c.Device == device }) {
				w.gone[device+"@"+call] = true
			}
		}
	}
}

// agree checks that what devices saw is what snapshots show.
func (w *world) agree() {
	for _, d := range devices {
		if d[0] == 'T' {
			continue
		}
		shot := map[string]csta.LocalConnectionState{}
		for _, info := range w.SnapshotDevice(d).CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo {
			shot[info.ConnectionIdentifier.CallID] = info.LocalCallState.CompoundCallState.LocalConnectionState[0]
		}
		if seen := w.views[d].States(); fmt.Sprint(seen) != fmt.Sprint(shot) {
			w.t.Fatalf("%s saw %v, its snapshot shows %v", d, seen, shot)
		}
	}
}

func states(calls []pbx.Call) string {
	var lines []string
	for _, c := range calls {
		if len(c.Connections) == 0 {
			lines = append(lines, c.ID+" is empty")
		}
		for _, conn := range c.Connections {
			lines = append(lines, fmt.Sprintf("%s@%s=%s early %v %s", conn.Device, c.ID, conn.State, conn.Early, conn.Shown()))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Whatever facts come, events are valid, steps legal, and snapshots what the
// events led to.
func TestFactsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 60).Draw(t, "facts") {
			w.step()
			w.agree()
		}
		for _, c := range w.List() {
			w.Ended(c.ID, pbx.CauseNormal)
		}
		w.agree()
		if list := w.List(); len(list) > 0 {
			t.Fatalf("calls are left: %v", list)
		}
	})
}

// Calls go on while a link is lost: Sync tells the difference by legal steps,
// and once.
func TestSyncProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 30).Draw(t, "facts before") {
			w.step()
		}
		told := w.List()
		views := w.views

		// What happens while the link is lost is seen by nobody.
		w.SetEmit(func(string, csta.Message) {})
		for range rapid.IntRange(0, 30).Draw(t, "facts meanwhile") {
			w.step()
		}
		is := w.List()

		model := &world{Calls: pbx.NewCalls(), t: t, views: views}
		model.Sync(told)
		if got, want := states(model.List()), states(told); got != want {
			t.Fatalf("Sync of an empty model\n got %s\nwant %s", got, want)
		}
		model.SetEmit(model.emit)
		model.Sync(is)
		model.agree()
		if got, want := states(model.List()), states(w.List()); got != want {
			t.Fatalf("Sync\n got %s\nwant %s", got, want)
		}
		model.seen = 0
		model.Sync(model.List())
		if model.seen > 0 {
			t.Fatalf("Sync of its own list told %d events", model.seen)
		}
	})
}
