package asterisk

import (
	"context"
	"strconv"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

func (d *Driver) newchannel(f ami.Fields) {
	id, linked := f.Get("Uniqueid"), f.Get("Linkedid")
	if id == "" || d.channels[id] != nil {
		return
	}
	call := linked
	if id != linked {
		// Until DialBegin tells who dials: whoever has that Linkedid.
		for _, ch := range d.channels {
			if ch.linked == linked && ch.call != "" {
				call = ch.call
				break
			}
		}
	}
	m := d.making[id]
	if m != nil && m.into != nil {
		call = m.into.call
	}
	ch := d.newChannel(id, f.Get("Channel"), linked)
	d.enter(ch, strings.Clone(call))
	ch.state, _ = strconv.Atoi(f.Get("ChannelState"))
	if ch.own {
		ch.endpoint = callerName(f.Get("CallerIDName"), "")
	}
	if m != nil {
		if m.into != nil {
			d.additions[ch.id] = m.into
		} else {
			ch.originated, ch.calls, ch.picks = true, true, m.picks
		}
		d.callOf(ch.call).target = m.number
		m.Answer(nil)
		delete(d.making, ch.id)
	}
	if ch.state == stateRing && !ch.local {
		ch.calls = true
		d.callOf(ch.call).target = strings.Clone(f.Get("Exten"))
		if ch.own {
			d.callerIs(ch, d.shown(f.Get("Exten")), f)
		}
	}
}

// callerIs tells the model who calls, once. A caller from outside is told
// when Dial begins: by then the dialplan may have corrected the number.
func (d *Driver) callerIs(ch *channel, called csta.ExtendedDeviceID, f ami.Fields) {
	c := d.callOf(ch.call)
	if c.caller {
		return
	}
	c.caller = true
	if !ch.own {
		pres, ok := presentation(f, "")
		if !ok {
			pres = d.get(ch, "CALLERID(pres)")
		}
		ch.number, ch.person = callerNumber(f.Get("CallerIDNum"), pres), callerName(f.Get("CallerIDName"), pres)
		called.DeviceIdentifier.Dialled = false // the trunk presents it
	}
	d.calls.Originated(c.id, ch.party(), called, pbx.CauseNewCall)
}

func (d *Driver) dialBegin(f ami.Fields) {
	dest := d.channels[f.Get("DestUniqueid")]
	if dest == nil {
		return
	}
	d.nameLine(dest, f, "Dest")
	src := d.channels[f.Get("Uniqueid")]
	if src == nil {
		// Nobody dials: the PBX itself calls a phone that is to make a call.
		if !dest.local {
			dest.originated, dest.calls = true, true
			d.prompt(dest)
		}
		return
	}
	if dest.calls || dest.local && strings.HasSuffix(dest.name, ";2") {
		return // it is not called but picks up, and Pickup, which may come after this, tells so
	}
	if o := src.other; src.local && o != nil && o.by == nil && d.additions[o.id] == nil {
		// Who dialled the other half is told later than this: its call is inherited.
		if call := d.get(src, "RCC_CALL"); call != "" {
			d.move(src, call)
		}
	}
	d.move(dest, src.call)
	if src.call == "" {
		return // who dials has hung up meanwhile
	}
	d.nameLine(src, f, "")
	d.dialsOn(src, strings.Clone(f.Get("Exten")))
	c := d.callOf(src.call)
	if !src.local {
		if c.target == "" {
			c.target = number(strings.Clone(f.Get("Exten")))
		}
		called := d.shown(c.target)
		if !src.own && dest.own {
			called = csta.Party(dest.device) // not the number that the trunk presents
		}
		d.callerIs(src, called, f)
	}
	if dest.local {
		dest.by = src
		if o := dest.other; o != nil {
			d.move(o, src.call)
		}
		return
	}
	dest.dialled, dest.by = true, src
	if !dest.own {
		if c.target == "" {
			c.target = strings.Clone(f.Get("DestCallerIDNum"))
		}
		dest.number = d.shown(c.target)
		if forks(c) {
			// What was dialled is the number of the phones; the one on the trunk is another.
			dest.number = onTrunk(f.Get("DialString"))
		}
		dest.number.DeviceIdentifier.External = dest.number.DeviceIdentifier.ID != ""
	}
	d.moveOn(c)
	if c.queue != nil && c.queue.left {
		d.leaveQueue(c)
	}
	c.failed = false
	if c.app != "" {
		d.calls.Cleared(c.id, c.app, causeRedirected)
		c.app = ""
	}
	d.alert(dest)
}

// forks reports whether phones of this PBX are called in the call, too.
func forks(c *callState) bool {
	for ch := range c.members {
		if ch.own && !ch.calls && !ch.up() {
			return true
		}
	}
	return false
}

func (d *Driver) originateResponse(f ami.Fields) {
	id := f.Get("Uniqueid")
	if ch := d.channels[id]; ch != nil && ch.originated && ch.call != "" && f.Get("Response") == "Success" {
		c := d.callOf(ch.call)
		if c.target == "" {
			c.target = number(strings.Clone(f.Get("Exten")))
		}
		d.prompted(ch, c)
	}
	if ch := d.channels[id]; ch != nil && d.additions[id] != nil && ch.call != "" && f.Get("Response") == "Success" {
		d.later(appTime, func() { d.notAParty(ch) }) // the word that a phone has answered may come after this
	}
	if d.making[id] == nil {
		id = f.Get("ActionID")
	}
	m := d.making[id]
	if m == nil || f.Get("Response") == "Success" {
		return
	}
	// A second Originate with the ID of a living channel fails too, but then
	// nobody waits.
	delete(d.making, id)
	m.Answer(csta.Errorf(csta.SystemResourceAvailability, "callingDeviceOutOfService",
		"the PBX cannot call the phone: reason %s", f.Get("Reason")))
}

// prompt tells that the phone rings to make a call, if it does.
func (d *Driver) prompt(ch *channel) {
	if ch.originated && ch.state == stateRinging && !ch.prompted {
		ch.prompted = true
		cause := causeMakeCall
		if ch.picks != nil {
			cause = causePickup
		}
		d.calls.Initiated(ch.call, ch.party(), cause)
	}
}

// prompted tells that the phone that was to make a call makes it. Whom a call goes to that others than the driver
// originate is known only after the answer.
func (d *Driver) prompted(ch *channel, c *callState) {
	if !ch.up() || c.caller || c.target == "" || ch.picks != nil {
		return
	}
	c.caller = true
	d.calls.Originated(c.id, ch.party(), d.shown(c.target), pbx.CauseNewCall)
	d.later(appTime, func() { d.lookForApp(ch) })
}

// alert tells that the channel rings, if it does and who called it is known.
func (d *Driver) alert(ch *channel) {
	if ch.state != stateRinging || !ch.dialled || ch.call == "" {
		return
	}
	c := d.callOf(ch.call)
	if !c.caller {
		// Somebody calls through wires inside the PBX, at whose other end the driver has seen nobody.
		c.caller = true
		pres := d.get(ch, "CONNECTEDLINE(pres)")
		caller := pbx.Party{Device: "caller-" + ch.id, Number: callerNumber(d.get(ch, "CONNECTEDLINE(num)"), pres), Name: callerName(d.get(ch, "CONNECTEDLINE(name)"), pres)}
		d.calls.Originated(c.id, caller, csta.Party(ch.device), pbx.CauseNewCall)
	}
	d.distributed(c, ch)
	cause := c.cause
	if cause == "" {
		cause = pbx.CauseNewCall
	}
	d.reached(ch, cause)
	d.calls.Delivered(ch.call, ch.party(), cause)
}

// reached tells that a call has left over a trunk: whoever is there has said that it proceeds, by ringing, by a tone or by an answer. A call that rings
// at phones of this PBX, too, has not left.
func (d *Driver) reached(ch *channel, cause csta.EventCause) {
	if ch.own || forks(d.callOf(ch.call)) {
		return
	}
	_, trunk, _ := strings.Cut(ch.name, "/")
	if i := strings.LastIndexByte(trunk, '-'); i >= 0 {
		trunk = trunk[:i]
	}
	d.calls.NetworkReached(ch.call, ch.party(), csta.Party(trunk), cause)
}

func (d *Driver) newstate(ch *channel, f ami.Fields) {
	state, err := strconv.Atoi(f.Get("ChannelState"))
	if err != nil || ch.up() || ch.local {
		return
	}
	ch.state = state
	if ch.up() {
		d.nothingToPickUp(ch)
	}
	if ch.call == "" {
		return
	}
	c := d.callOf(ch.call)
	switch {
	case state == stateRinging:
		d.prompt(ch)
		d.alert(ch)
	case state == stateBusy && ch.calls:
		d.settle(c)
		if !c.failed {
			d.fail(c, ch, causeBusy)
		}
	case state != stateUp:
	case ch.originated:
		d.prompted(ch, c)
	case ch.dialled:
		d.distributed(c, ch)
		d.leaveQueue(c) // of which AMI may tell after the phone has hung up again
		d.reached(ch, pbx.CauseNewCall)
		d.calls.Established(c.id, ch.party(), pbx.CauseNewCall)
		d.added(ch)
		if ch.onHold {
			d.calls.Held(c.id, ch.device, pbx.CauseNormal)
		}
	case ch.calls && !d.answered(c, ch):
		d.appAnswers(ch)
	}
}

// answered reports whether somebody else in the call is connected, who does
// not make it.
func (d *Driver) answered(c *callState, except *channel) bool {
	for ch := range c.members {
		if ch != except && ch.up() {
			return true
		}
	}
	return false
}

// appTime is how long a phone that was prompted may be off hook before the
// driver looks what the dialplan does with it: nothing tells of an application
// that answers a channel which is up. A call into a conference that nobody but an application
// has answered is given as long.
const appTime = time.Second

// lookForApp finds out whether an application of the dialplan has the call.
func (d *Driver) lookForApp(ch *channel) {
	if d.channels[ch.id] != ch || ch.call == "" || ch.bridge != "" {
		return
	}
	c := d.callOf(ch.call)
	if len(c.members) > 1 || c.failed || c.lingering != nil || c.app != "" || c.queue != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), helpTime)
	defer cancel()
	found, err := d.conn.List(ctx, ami.NewAction("Status", "Channel", ch.name))
	if err != nil || len(found) != 1 {
		return
	}
	switch app := found[0].Get("Application"); {
	case app == "Busy":
		d.fail(c, ch, causeBusy)
	case app == "Congestion":
		d.fail(c, ch, causeNetwork)
	case talks(app):
		d.appAnswers(ch)
	}
}

// talks reports whether an application of the dialplan is one that a caller
// talks to, as far as its name tells.
func talks(application string) bool {
	switch application {
	case "", "Dial", "Queue", "AppDial", "AppDial2", "FollowMe", "Page", "Busy", "Congestion", "Hangup", "Ringing", "Wait", "Bridge":
		return false
	}
	return true
}

// appAnswers tells that an application of the dialplan answered: it has the
// number that was dialled.
func (d *Driver) appAnswers(ch *channel) {
	c := d.callOf(ch.call)
	if c.app != "" || !c.caller || c.queue != nil {
		return
	}
	d.moveOn(c)
	if d.emptyOrbit(c.target) {
		d.fail(c, ch, causeUnobtainable)
		return
	}
	c.app = "app-" + ch.id
	if d.atOrbit(c.target) != nil {
		c.app = c.target // it is taken next
	}
	number := d.shown(c.target)
	number.DeviceIdentifier.External = false
	d.calls.Established(c.id, pbx.Party{Device: c.app, Number: number}, pbx.CauseNewCall)
}
