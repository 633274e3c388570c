package asterisk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// variables are what the snapshot wants to know of each channel. While Asterisk lists them it locks the channel,
// so none may be one that waits for the channel's own thread, as those about RTP and SIP do: the two would wait for each other for ever.
const variables = "RCC_CALL,RCC_CALLED,RCC_BEFORE,RCC_HOLD,RCC_HELD,RCC_HELD_BY,RCC_PEER,RCC_ROOMS,CALLERID(pres),REDIRECTING(from-num)"

// takeStock finds out what there is at the PBX, reports what has changed since the last link, and opens
// the driver for commands. Events up to since are older than the snapshot.
func (d *Driver) takeStock(ctx context.Context, conn *ami.Conn, emit pbx.Emit) (since uint64, err error) {
	d.turn <- struct{}{}
	defer d.done()
	found, since, err := listChannels(ctx, conn)
	if err != nil {
		return 0, fmt.Errorf("asterisk: snapshot: %w", err)
	}
	d.conn, d.mayAct = conn, func() bool { return pbx.CheckLease(ctx) == nil }
	defer func() {
		if err != nil {
			d.conn = nil
		}
	}()
	d.forget()
	d.calls.SetEmit(emit)
	d.emit = emit
	calls, err := d.build(ctx, found)
	if err != nil {
		return 0, fmt.Errorf("asterisk: snapshot: %w", err)
	}
	d.calls.Sync(calls)
	for _, id := range slices.Sorted(maps.Keys(d.states)) {
		d.sweep(id, pbx.CauseNormal)
	}
	d.pollFeatures(ctx, len(d.watched))
	if err := errors.Join(d.findVoiceMail(ctx), d.catchUpOnMail(ctx), d.catchUpOnService(ctx)); err != nil {
		return 0, fmt.Errorf("asterisk: snapshot: %w", err)
	}
	d.log.Info("snapshot", "channels", len(found), "calls", len(calls), "ami", conn.Version())
	emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
	return since, nil
}

// listChannels lists all channels there are. Events up to since are older than the list. For a moment while it is bridged by Bridge or Park a
// channel is in no list of Asterisk's: so there is one before, and where that has more, one after.
func listChannels(ctx context.Context, conn *ami.Conn) (found []ami.Event, since uint64, err error) {
	list := func() []ami.Event {
		if err != nil {
			return nil
		}
		var items []ami.Event
		items, err = conn.List(ctx, ami.NewAction("Status", "Variables", variables))
		return items
	}
	wait := func() {
		select {
		case <-time.After(bridgingTime):
		case <-ctx.Done():
		}
	}
	missing := map[string]bool{}
	for _, e := range list() {
		missing[e.Get("Uniqueid")] = true
	}
	if len(missing) > 0 {
		wait()
	}
	if err != nil {
		return nil, 0, err
	}
	ping, err := conn.Do(ctx, ami.NewAction("Ping"))
	found = list()
	for _, e := range found {
		delete(missing, e.Get("Uniqueid"))
	}
	if len(missing) > 0 && err == nil {
		wait()
		for _, e := range list() {
			if missing[e.Get("Uniqueid")] {
				found = append(found, e)
			}
		}
	}
	return found, ping.Seq, err
}

// bridgingTime is how long a channel may be in no list.
const bridgingTime = 20 * time.Millisecond

// An item is a channel as Status lists it.
type item struct {
	*channel
	f    ami.Fields
	vars map[string]string
	hold bool // the phone has its call on hold
}

func newItem(ch *channel, f ami.Fields) *item {
	it := &item{channel: ch, f: f, vars: map[string]string{}}
	for _, v := range f.Values("Variable") {
		// RCC_CALL=…; what is not set is (null).
		if name, value, ok := strings.Cut(v, "="); ok && value != "(null)" {
			it.vars[name] = strings.Clone(value)
		}
	}
	return it
}

// waits reports whether the channel is the holder of a call, or the held party, at the extension of the context for held calls;
// or about to leave its bridge for there.
func (d *Driver) waits(it *item, exten, mark string) bool {
	return it.f.Get("Context") == d.holdContext && it.f.Get("Exten") == exten && (it.f.Get("BridgeID") == "" || it.vars[mark] != "")
}

func (d *Driver) isHolder(it *item) bool { return d.waits(it, "holder", "RCC_HELD") }

func (d *Driver) isHeld(it *item) bool { return d.waits(it, "held", "RCC_HOLD") }

// build makes channels and calls of what Status lists.
func (d *Driver) build(ctx context.Context, found []ami.Event) ([]pbx.Call, error) {
	items := map[string]*item{}
	halves := map[string]*channel{}
	for _, e := range found {
		f := e.Fields
		ch := d.newChannel(f.Get("Uniqueid"), f.Get("Channel"), f.Get("Linkedid"))
		it := newItem(ch, f)
		items[ch.id] = it
		ch.state, _ = strconv.Atoi(f.Get("ChannelState"))
		ch.marked = it.vars["RCC_CALL"]
		d.bridged(ch, f.Get("BridgeID"))
		ch.dialled = f.Get("Application") == "AppDial" || f.Get("Application") == "AppQueue"
		ch.originated = f.Get("Application") == "AppDial2"
		if !ch.own && !ch.local && !ch.dialled {
			ch.number = callerNumber(f.Get("CallerIDNum"), it.vars["CALLERID(pres)"])
		}
		// Whoever originated a call may have given the phone's leg the number and the name of somebody else.
		if !ch.local && (ch.own || !ch.dialled) && !(ch.originated && f.Get("CallerIDNum") != ch.device) {
			ch.person = callerName(f.Get("CallerIDName"), it.vars["CALLERID(pres)"])
		}
		if ch.local {
			pair := strings.TrimRight(ch.name, "12")
			if o := halves[pair]; o != nil {
				ch.other, o.other = o, ch
			}
			halves[pair] = ch
		}
		call := ch.marked
		if call == "" {
			call = ch.linked
		}
		if !d.isHolder(it) {
			d.enter(ch, call)
			if f.Get("Context") == d.conferenceContext { // it is there, or about to be
				d.callOf(call).room = true
			}
		}
	}
	d.findHolds(items)
	d.findUnmoved(items)
	err := d.findPickup(ctx)
	if err == nil {
		err = d.findLots(ctx)
	}
	if err == nil {
		err = d.findParked(ctx)
	}
	if err == nil {
		err = d.findQueues(ctx, items)
	}
	for _, it := range items {
		if it.bridge != "" && !it.local {
			it.hold = d.get(it.channel, "CHANNEL(rtp,hold)") == "1"
		} else if !it.local {
			it.unsure = true
		}
	}
	var calls []pbx.Call
	for _, id := range slices.Sorted(maps.Keys(d.states)) {
		if call := d.found(d.states[id], items); len(call.Connections) > 0 {
			calls = append(calls, call)
		} else if len(d.states[id].members) == 0 {
			delete(d.states, id)
		}
	}
	return calls, err
}

// findHolds recovers the holds that the PBX makes. A leg whose other end is
// gone waits for nobody and is dropped.
func (d *Driver) findHolds(items map[string]*item) {
	for _, id := range slices.Sorted(maps.Keys(items)) {
		it := items[id]
		if !d.isHeld(it) {
			continue
		}
		// call, holder, and whether the hold is mutual
		text := it.vars["RCC_HOLD"]
		if text == "" {
			text = it.vars["RCC_HELD_BY"] // it was about to be bridged
		}
		if mark := strings.Fields(text); len(mark) > 1 && items[mark[1]] != nil {
			by := items[mark[1]]
			if by.f.Get("Context") == d.holdContext && by.f.Get("Exten") == "join" && by.vars["RCC_PEER"] == it.name {
				continue // it is
			}
			if by.f.Get("Context") == d.conferenceContext && by.f.Get("Exten") == roomOf(mark[0]) {
				// The conference is half made.
				d.enter(it.channel, mark[0])
				_ = d.help("Redirect", "Channel", it.name, "Context", d.conferenceContext, "Exten", roomOf(mark[0]), "Priority", "1")
				continue
			}
			holder := by.channel
			active := holder.call
			h := d.addHold(mark[0], holder, it.channel)
			h.mutual, h.arrived = len(mark) > 2, true
			if it.vars["RCC_HOLD"] == "" {
				d.rehold(h)
			}
			if active != mark[0] {
				d.enter(holder, active) // it is in another call meanwhile
			}
			continue
		}
		if c := d.states[it.call]; c != nil && c.room {
			continue // it is on its way into the conference
		}
		d.log.Warn("a held party is released, since its holder is gone", "call", it.vars["RCC_CALL"])
		d.drop(it.channel)
		d.enter(it.channel, "")
	}
	for _, id := range slices.Sorted(maps.Keys(items)) {
		it := items[id]
		for _, call := range strings.Fields(it.vars["RCC_ROOMS"]) {
			if c := d.states[call]; c != nil && c.room && it.call != call {
				active := it.call
				d.addHold(call, it.channel, nil)
				d.enter(it.channel, active)
			}
		}
		if d.isHolder(it) && len(it.holds) == 0 {
			d.drop(it.channel)
		}
	}
}

// findUnmoved recovers who was about to be moved to another call: whoever it talks with is in the one before still, or was about to be moved with it.
func (d *Driver) findUnmoved(items map[string]*item) {
	before := func(ch *channel) (call, called string) {
		call, called, _ = strings.Cut(items[ch.id].vars["RCC_BEFORE"], " ")
		return call, called
	}
	unmoved := map[*item]string{}
	for _, it := range items {
		call, _ := before(it.channel)
		o := d.far(it.channel)
		if call == "" || it.call == call || o == nil || o.heldBy != nil || it.heldBy != nil {
			continue
		}
		if with, _ := before(o); o.call == call || with == call {
			unmoved[it] = call
		}
	}
	for it, call := range unmoved {
		d.enter(it.channel, call)
		if _, called := before(it.channel); called != "" {
			it.vars["RCC_CALLED"] = strings.TrimPrefix(called, "-")
		}
	}
}

// found describes the call for the model.
func (d *Driver) found(c *callState, items map[string]*item) pbx.Call {
	call := pbx.Call{ID: c.id}
	var dialler *channel
	members := slices.SortedFunc(maps.Keys(c.members), func(a, b *channel) int { return strings.Compare(a.id, b.id) })
	for _, ch := range members {
		it := items[ch.id]
		if app := it.f.Get("Application"); (app == "Dial" || app == "Queue") && (dialler == nil || ch.local) {
			dialler = ch
		}
		called := it.vars["RCC_CALLED"]
		if called == "" && ch.id == c.id {
			called = it.f.Get("DNID")
		}
		if ch.local || ch.dialled || called == "" && ch.id != c.id && ch.state != stateRing {
			continue
		}
		ch.calls, c.caller = true, !ch.originated || ch.up()
		if c.target == "" {
			c.target = strings.Clone(called)
		}
		call.Calling = ch.party().Shown()
		if from := it.vars["REDIRECTING(from-num)"]; from != "" && !ch.up() {
			call.LastRedirected = csta.RedirectionDeviceID{NumberDialed: csta.Device(from)}
		}
		if c.target != "" {
			call.Called = d.shown(c.target)
		}
	}
	for _, ch := range members {
		if ch.local || ch.state == stateDown && !ch.originated {
			continue
		}
		if ch.dialled && !ch.own {
			ch.number = d.shown(c.target)
			if c.target == "" {
				ch.number = d.shown(number(items[ch.id].f.Get("CallerIDNum")))
			}
			ch.number.DeviceIdentifier.External = !bool(ch.number.NotKnown)
		}
		ch.by = dialler
		state := stateOf(items[ch.id])
		if h := ch.heldBy; h != nil && h.mutual {
			state = pbx.Hold
		}
		ch.prompted = state == pbx.Initiated
		add(&call, ch.party(), state)
		if call.Called.IsZero() && ch.dialled && ch.own {
			call.Called = csta.Party(ch.device)
		}
	}
	for _, h := range c.holds {
		add(&call, h.holder.party(), pbx.Hold)
	}
	if c.orbit != nil {
		add(&call, c.orbit.party(), pbx.Queued)
	}
	switch q := c.queue; {
	case q == nil:
	case q.waits:
		add(&call, q.party(d), pbx.Queued)
	default:
		call.LastRedirected = csta.RedirectionDeviceID{NumberDialed: q.party(d).Number.DeviceIdentifier}
	}
	if c.orbit == nil && c.queue == nil && len(members) == 1 && members[0].calls && members[0].up() && len(c.holds) == 0 && talks(items[members[0].id].f.Get("Application")) {
		c.app = "app-" + members[0].id
		add(&call, pbx.Party{Device: c.app, Number: d.shown(c.target)}, pbx.Connected)
	}
	return call
}

// number returns the text if it is a number.
func number(text string) string {
	if !dialable(text) {
		return ""
	}
	return text
}

// add puts a party into the call. A device with several channels there has the
// state of the one that is farthest.
func add(call *pbx.Call, p pbx.Party, state csta.LocalConnectionState) {
	for i := range call.Connections {
		if c := &call.Connections[i]; c.Device == p.Device {
			if c.State == pbx.Alerting {
				c.State = state
			}
			return
		}
	}
	call.Connections = append(call.Connections, pbx.Connection{Party: p, State: state})
}

// stateOf returns the state of the channel's connection.
func stateOf(it *item) csta.LocalConnectionState {
	switch {
	case it.originated && !it.up():
		return pbx.Initiated
	case it.state == stateRinging:
		return pbx.Alerting
	case it.state == stateBusy:
		return pbx.Fail
	case it.hold:
		return pbx.Hold
	}
	return pbx.Connected
}
