package asterisk

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// A lot is a parking lot of the PBX: its orbits are the numbers from first to last, behind the prefix of the settings.
type lot struct {
	name        string
	first, last int
}

func (l lot) order() string {
	if l.name == "default" {
		return ""
	}
	return l.name
}

// An orbit is where a call is parked.
type orbit struct {
	number string
	by     string // the line that parked it, empty if that is not known
	told   bool   // it has left the call by that, and is told when somebody takes it
}

func (o *orbit) party() pbx.Party {
	p := pbx.Party{Device: o.number}
	if o.told {
		p.For = o.by
	}
	return p
}

// findLots learns which parking lots there are: none where res_parking is not loaded.
func (d *Driver) findLots(ctx context.Context) error {
	found, err := d.conn.List(ctx, ami.NewAction("Parkinglots"))
	d.lots = nil
	for _, e := range found {
		first, err1 := strconv.Atoi(e.Get("StartSpace"))
		last, err2 := strconv.Atoi(e.Get("StopSpace"))
		if err1 == nil && err2 == nil {
			d.lots = append(d.lots, lot{strings.Clone(e.Get("Name")), first, last})
		}
	}
	// Where a number is an orbit of two lots, the default one counts.
	slices.SortFunc(d.lots, func(a, b lot) int { return cmp.Compare(a.order(), b.order()) })
	d.parks.Store(len(d.lots) > 0)
	if refused(err) {
		return nil
	}
	return err
}

// mayPark reports whether calls can be parked at the PBX, as far as is known.
func (d *Driver) mayPark(string) bool { return d.parks.Load() }

// lotOf returns the parking lot that the number is an orbit of.
func (d *Driver) lotOf(number string) (lot, bool) {
	space, ok := strings.CutPrefix(number, d.orbitPrefix)
	n, err := strconv.Atoi(space)
	if !ok || err != nil || strconv.Itoa(n) != space {
		return lot{}, false
	}
	i := slices.IndexFunc(d.lots, func(l lot) bool { return l.first <= n && n <= l.last })
	if i < 0 {
		return lot{}, false
	}
	return d.lots[i], true
}

// atOrbit returns the call that is parked there, nil if there is none.
func (d *Driver) atOrbit(number string) *callState {
	for _, c := range d.states {
		if c.orbit != nil && c.orbit.number == number {
			return c
		}
	}
	return nil
}

// emptyOrbit reports whether the number is an orbit where nothing is parked.
func (d *Driver) emptyOrbit(number string) bool {
	_, is := d.lotOf(number)
	return is && d.atOrbit(number) == nil
}

// parkCall has the far end wait at an orbit. Whoever dials that talks with it; when nobody has, it rings at the line again.
func (d *Driver) parkCall(ctx context.Context, req *csta.ParkCall) (*csta.ParkCallResponse, error) {
	id, number := req.Parking, req.ParkTo.ID
	if !dialable(number) {
		return nil, csta.Errorf(csta.Operation, "invalidParkToDeviceID", "parkTo %q is no orbit", number)
	}
	resp := &csta.ParkCallResponse{}
	err := d.attempt(ctx, func() error {
		if _, _, err := d.calls.Require(id, "invalidConnectionState", pbx.Connected); err != nil {
			return err
		}
		if d.conferring(id) {
			return csta.Errorf(csta.Operation, "requestIncompatibleWithConnection", "a conference is not parked")
		}
		own, far, err := d.partner(id, "invalidConnectionState")
		if err != nil {
			return err
		}
		if far.heldBy != nil || far.local || far.device == own.device || d.states[id.CallID].parking {
			return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "whom %s talks with cannot be parked now", id)
		}
		if err := d.findLots(ctx); err != nil {
			return refusal(err, csta.Operation, "generic")
		}
		l, ok := d.lotOf(number)
		switch {
		case !ok:
			return csta.Errorf(csta.Operation, "invalidParkToDeviceID", "parkTo %q is in no parking lot of the PBX", number)
		case d.atOrbit(number) != nil:
			return csta.Errorf(csta.StateIncompatibility, "invalidParkToDeviceState", "another call is parked at %s", number)
		}
		return d.park(ctx, own, far, l, number, resp)
	}, id)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (d *Driver) park(ctx context.Context, own, far *channel, l lot, number string, resp *csta.ParkCallResponse) error {
	call := own.call
	pairs := []string{"Channel", far.name, "TimeoutChannel", own.name, "Parkinglot", l.name, "ParkingSpace", strings.TrimPrefix(number, d.orbitPrefix)}
	if s, err := strconv.Atoi(d.get(own, "RCC_PARK_TIME")); err == nil && s > 0 {
		pairs = append(pairs, "Timeout", strconv.Itoa(s*1000))
	}
	d.mark(far, call)
	c := d.states[call]
	c.parking = true
	defer func() { c.parking = false }()
	if err := d.do(ctx, csta.StateIncompatibility, "invalidConnectionState", "Park", pairs...); err != nil {
		return err
	}
	// Where it is parked, Asterisk says by an event.
	deadline := time.NewTimer(arrivalTime)
	defer deadline.Stop()
	for late := false; far.parked == nil && !late && d.channels[far.id] == far; {
		moved := d.moved
		d.done()
		select {
		case <-moved:
		case <-ctx.Done():
			late = true
		case <-deadline.C:
			late = true
		}
		d.turn <- struct{}{}
	}
	if far.parked == nil {
		return csta.Errorf(csta.PrivateError, "uncertain", "the PBX has not said that the call is parked")
	}
	if d.conn != nil && d.channels[own.id] == own && own.call == "" {
		d.release(own) // it would hear the orbit announced
	}
	resp.ParkedTo = csta.Connection(call, far.parked.number)
	return nil
}

// waitAt records that the channel waits at the orbit.
func (d *Driver) waitAt(ch *channel, o *orbit) {
	d.bridged(ch, "") // others who are parked are in the same bridge
	ch.parked = o
	d.callOf(ch.call).orbit = o
}

// unpark records that the channel has left its orbit, and returns that and its call; nil if it was at none.
func (d *Driver) unpark(f ami.Fields) (*channel, *callState, *orbit) {
	ch := d.channels[f.Get("ParkeeUniqueid")]
	if ch == nil || ch.parked == nil {
		return nil, nil, nil
	}
	o := ch.parked
	ch.parked = nil
	c := d.states[ch.call]
	if c == nil {
		return nil, nil, nil
	}
	c.orbit = nil
	return ch, c, o
}

// orbitOf reads an event about a parked call.
func (d *Driver) orbitOf(f ami.Fields) *orbit {
	o := &orbit{number: d.orbitPrefix + f.Get("ParkingSpace")}
	technology, endpoint, _ := strings.Cut(f.Get("ParkerDialString"), "/")
	if line, ok := d.lineOf(technology, endpoint); ok {
		o.by = strings.Clone(line)
	}
	return o
}

// parkedCall takes note that a call is parked, by whoever.
func (d *Driver) parkedCall(f ami.Fields) {
	ch := d.channels[f.Get("ParkeeUniqueid")]
	if ch == nil || ch.local || ch.call == "" || ch.parked != nil {
		return
	}
	o := d.orbitOf(f)
	c := d.callOf(ch.call)
	o.told = c.sentBy == o.by
	d.waitAt(ch, o)
	if own := d.find(c.id, o.by); own != nil && own != ch {
		_, conn, err := d.calls.Find(csta.Connection(c.id, o.by))
		o.told = err == nil && conn.State == pbx.Connected // who holds the call meanwhile is told that its connection is cleared
		d.enter(own, "")
		d.calls.Diverted(c.id, o.by, o.party().Shown(), causePark)
	}
	if c.app != "" {
		d.calls.Cleared(c.id, c.app, causePark)
		c.app = ""
	}
	d.calls.Queued(c.id, o.party(), causePark)
	d.mark(ch, c.id)
	d.wake()
}

// unparkedCall takes note that somebody has taken a parked call: the two calls are one now.
func (d *Driver) unparkedCall(f ami.Fields) {
	ch, c, o := d.unpark(f)
	if ch == nil {
		return
	}
	by := d.channels[f.Get("RetrieverUniqueid")]
	if by == nil || by.call == "" || by.call == c.id {
		d.calls.Diverted(c.id, o.number, csta.NotKnown(), causePark)
		return
	}
	taking := d.callOf(by.call)
	if !by.local && !by.up() {
		by.state = stateUp // the word of that may come after this
		d.prompted(by, taking)
	}
	if taking.app != "" && taking.app != o.number {
		d.calls.Cleared(taking.id, taking.app, causePark)
	}
	d.calls.Established(taking.id, pbx.Party{Device: o.number}, causePark)
	to := by
	if by.local {
		to = d.consulted(ch, nil, taking.id)
	}
	d.joined(pbx.Joining{Device: o.number, Primary: c.id, Secondary: taking.id, Result: c.id, To: shownOf(to), Cause: causePark})
}

// parkedTooLong takes note that a parked call goes back to who parked it.
func (d *Driver) parkedTooLong(f ami.Fields) {
	ch, c, o := d.unpark(f)
	if ch == nil {
		return
	}
	c.caller, c.cause = true, causeRecall
	to := csta.NotKnown()
	if o.by != "" {
		c.target = o.by
		to = csta.Party(o.by)
	}
	d.calls.Diverted(c.id, o.number, to, causeRecall)
}

// findParked recovers which channels are parked.
func (d *Driver) findParked(ctx context.Context) error {
	found, err := d.conn.List(ctx, ami.NewAction("ParkedCalls"))
	for _, e := range found {
		if ch := d.channels[e.Get("ParkeeUniqueid")]; ch != nil && ch.call != "" && !ch.local {
			o := d.orbitOf(e.Fields)
			o.told = true
			d.waitAt(ch, o)
			if own := d.find(ch.call, o.by); own != nil && own != ch && d.far(own) == nil {
				d.drop(own) // as parkCall was about to do
				d.enter(own, "")
			}
		}
	}
	if refused(err) {
		return nil
	}
	return err
}
