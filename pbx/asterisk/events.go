package asterisk

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// handle takes note of an event. Events may tell what the snapshot has told
// already: a channel is known by then, and its state does not go back.
func (d *Driver) handle(e ami.Event) {
	f := e.Fields
	d.log.Debug("event", "name", e.Name, "channel", f.Get("Channel"), "dest", f.Get("DestChannel"), "state", f.Get("ChannelStateDesc"),
		"dial", f.Get("DialStatus"), "cause", f.Get("Cause"), "user", f.Get("UserEvent"))
	switch e.Name {
	case "Newchannel":
		d.newchannel(f)
	case "DialBegin":
		d.dialBegin(f)
	case "DialState":
		// Some trunks never say that it rings, but let the caller hear it.
		if dest := d.channels[f.Get("DestUniqueid")]; dest != nil && f.Get("DialStatus") == "PROGRESS" && dest.state == stateDown {
			dest.state = stateRinging
			d.alert(dest)
		}
	case "DialEnd":
		if dest := d.channels[f.Get("DestUniqueid")]; dest != nil && !dest.up() {
			dest.outcome = dialCauses[f.Get("DialStatus")]
		}
	case "LocalBridge":
		one, two := d.channels[f.Get("LocalOneUniqueid")], d.channels[f.Get("LocalTwoUniqueid")]
		if one != nil && two != nil {
			one.other, two.other = two, one
			d.enter(two, one.call)
		}
	case "OriginateResponse":
		d.originateResponse(f)
	case "BlindTransfer":
		d.blindTransfer(f)
	case "AttendedTransfer":
		d.attendedTransfer(f)
	case "UserEvent":
		d.userEvent(f)
	default:
		if ch := d.channels[f.Get("Uniqueid")]; ch != nil {
			d.handleChannel(e.Name, ch, f)
		}
	}
}

// handleChannel takes note of an event about one channel that is known.
func (d *Driver) handleChannel(name string, ch *channel, f ami.Fields) {
	switch name {
	case "Newstate":
		d.newstate(ch, f)
	case "Hold":
		d.calls.Held(ch.call, ch.device, pbx.CauseNormal)
	case "Unhold":
		d.calls.Retrieved(ch.call, ch.device, pbx.CauseNormal)
	case "BridgeEnter":
		d.bridged(ch, f.Get("BridgeUniqueid"))
		close(d.moved)
		d.moved = make(chan struct{})
		ch.linked = strings.Clone(f.Get("Linkedid"))
	case "BridgeLeave":
		if ch.bridge == f.Get("BridgeUniqueid") {
			d.bridged(ch, "")
		}
	case "HangupRequest":
		// Who hung up is told first. A phone that refuses to ring is told when
		// Dial has made something of it.
		if ch.up() || ch.calls && !ch.originated {
			d.gone(ch, hangupCause(f.Get("Cause")))
		}
	case "Hangup":
		d.bridged(ch, "")
		cause := hangupCause(f.Get("Cause"))
		if ch.originated && !ch.up() && ch.outcome == "" && cause != pbx.CauseNormalClearing {
			ch.outcome = cause // there is no DialEnd when it rang for too long
		}
		d.gone(ch, cause)
		delete(d.channels, ch.id)
		if ch.other != nil {
			ch.other.other = nil
		}
	}
}

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
	ch := d.newChannel(id, f.Get("Channel"), linked)
	d.enter(ch, strings.Clone(call))
	ch.state, _ = strconv.Atoi(f.Get("ChannelState"))
	if m := d.making[id]; m != nil {
		ch.originated, ch.calls = true, true
		d.callOf(ch.call).target = m.number
		m.answer(nil)
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
		pres, ok := presentation(f)
		if !ok {
			pres = d.get(ch, "CALLERID(pres)")
		}
		ch.number = callerNumber(f.Get("CallerIDNum"), pres)
	}
	d.calls.Originated(c.id, ch.party(), called, pbx.CauseNewCall)
}

// get reads a channel variable, empty if that fails.
func (d *Driver) get(ch *channel, variable string) string {
	ctx, cancel := context.WithTimeout(context.Background(), helpTime)
	defer cancel()
	r, err := d.conn.Do(ctx, ami.NewAction("Getvar", "Channel", ch.name, "Variable", variable))
	if err != nil {
		d.log.Debug("not read", "variable", variable, "error", err)
		return ""
	}
	return r.Get("Value")
}

func (d *Driver) dialBegin(f ami.Fields) {
	dest := d.channels[f.Get("DestUniqueid")]
	if dest == nil {
		return
	}
	src := d.channels[f.Get("Uniqueid")]
	if src == nil {
		// Nobody dials: the PBX itself calls a phone that is to make a call.
		if !dest.local {
			dest.originated, dest.calls = true, true
			d.prompt(dest)
		}
		return
	}
	d.enter(dest, src.call)
	if src.call == "" {
		return
	}
	c := d.callOf(src.call)
	if !src.local {
		called := d.shown(c.target)
		if !src.own && dest.own {
			called = csta.Party(dest.device) // not the number that the trunk presents
		}
		d.callerIs(src, called, f)
	}
	if dest.local {
		if dest.other != nil {
			d.enter(dest.other, src.call)
		}
		return
	}
	dest.dialled, dest.by = true, src
	if !dest.own {
		if c.target == "" {
			c.target = strings.Clone(f.Get("DestCallerIDNum"))
		}
		dest.number = d.shown(c.target)
		dest.number.DeviceIdentifier.External = true
	}
	d.moveOn(c)
	c.failed = false
	if c.app != "" {
		d.calls.Cleared(c.id, c.app, causeRedirected)
		c.app = ""
	}
	d.alert(dest)
}

// prompt tells that the phone rings to make a call, if it does.
func (d *Driver) prompt(ch *channel) {
	if ch.originated && ch.state == stateRinging && !ch.prompted {
		ch.prompted = true
		d.calls.Initiated(ch.call, ch.party(), causeMakeCall)
	}
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
		number := callerNumber(d.get(ch, "CONNECTEDLINE(num)"), d.get(ch, "CONNECTEDLINE(pres)"))
		d.calls.Originated(c.id, pbx.Party{Device: "caller-" + ch.id, Number: number}, csta.Party(ch.device), pbx.CauseNewCall)
	}
	cause := c.cause
	if cause == "" {
		cause = pbx.CauseNewCall
	}
	d.calls.Delivered(ch.call, ch.party(), cause)
}

func (d *Driver) newstate(ch *channel, f ami.Fields) {
	state, err := strconv.Atoi(f.Get("ChannelState"))
	if err != nil || ch.up() || ch.local {
		return
	}
	ch.state = state
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
		c.caller = true
		d.calls.Originated(c.id, ch.party(), d.shown(c.target), pbx.CauseNewCall)
		d.later(appTime, func() { d.lookForApp(ch) })
	case ch.dialled:
		d.calls.Established(c.id, ch.party(), pbx.CauseNewCall)
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
// that answers a channel which is up.
const appTime = time.Second

// lookForApp finds out whether an application of the dialplan has the call.
func (d *Driver) lookForApp(ch *channel) {
	if d.channels[ch.id] != ch || ch.call == "" || ch.bridge != "" {
		return
	}
	c := d.callOf(ch.call)
	if len(c.members) > 1 || c.failed || c.lingering != nil || c.app != "" {
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
	if c.app != "" || !c.caller {
		return
	}
	d.moveOn(c)
	c.app = "app-" + ch.id
	number := d.shown(c.target)
	number.DeviceIdentifier.External = false
	d.calls.Established(c.id, pbx.Party{Device: c.app, Number: number}, pbx.CauseNewCall)
}

// gone tells that the channel has left all its calls. It may be told twice.
func (d *Driver) gone(ch *channel, cause csta.EventCause) {
	c := d.states[ch.call]
	switch {
	case c == nil:
	case ch.dialled && !ch.up() && ch.outcome != "" && d.lastTried(c, ch):
		// What becomes of it is up to the dialplan.
		party, why := ch.party(), ch.outcome
		ch.dialled = false
		d.enter(ch, "")
		c.lingering = &lingering{party, why}
		d.later(lingerTime, func() { d.settle(c) })
		d.sweep(c.id, why)
	case ch.originated && !ch.up() && ch.outcome != "":
		d.calls.Initiated(c.id, ch.party(), causeMakeCall) // it may not have rung at all
		d.fail(c, ch, ch.outcome)
		d.leave(ch, ch.outcome)
	default:
		if ch.calls {
			d.settle(c)
		}
		d.leave(ch, cause)
	}
	for _, h := range slices.Clone(ch.holds) {
		d.dropHold(h)
		d.calls.Cleared(h.call, ch.device, cause)
		d.drop(h.peer)
	}
	if h := ch.heldBy; h != nil {
		d.abandon(h, cause)
	}
}

// abandon ends a hold whose held party has left.
func (d *Driver) abandon(h *hold, cause csta.EventCause) {
	d.dropHold(h)
	d.calls.Cleared(h.call, h.holder.device, cause)
	d.sweep(h.call, cause)
	d.rest(h.holder)
}

// rest lets a leg go for which there is nothing to go back to.
func (d *Driver) rest(ch *channel) {
	switch {
	case len(ch.holds) > 0:
	case ch.call == "":
		d.drop(ch)
	default:
		d.note(ch, "RCC_HELD", "")
	}
}

// lastTried reports whether, with this one, all parties have been tried that
// the caller dialled, and the caller is still there.
func (d *Driver) lastTried(c *callState, last *channel) bool {
	caller := false
	for ch := range c.members {
		switch {
		case ch == last || ch.local:
		case ch.dialled && ch.outcome == "":
			return false
		default:
			caller = true
		}
	}
	return caller
}

// lingerTime is how long a party that did not answer stays in the model, while
// nothing tells what the dialplan does next.
const lingerTime = 300 * time.Millisecond

// settle tells that the call failed at the party that did not answer, since
// nothing else became of it.
func (d *Driver) settle(c *callState) {
	if c == nil || c.lingering == nil {
		return
	}
	l := c.lingering
	c.lingering = nil
	_, conn, err := d.calls.Find(csta.Connection(c.id, l.party.Device))
	if err != nil || conn.State != pbx.Alerting {
		d.failAt(c, l.party, l.cause)
		return
	}
	// It has stopped ringing. The failure is the caller's: it may go on hearing a tone.
	d.calls.Cleared(c.id, l.party.Device, l.cause)
	for ch := range c.members {
		if ch.calls && !ch.local {
			d.fail(c, ch, l.cause)
		}
	}
}

// moveOn tells that the party that did not answer is out of the call, which
// goes on to another.
func (d *Driver) moveOn(c *callState) {
	if l := c.lingering; l != nil {
		c.lingering = nil
		d.calls.Cleared(c.id, l.party.Device, l.cause)
	}
}

// failAt tells that the call failed at a party that has no channel, or none any
// more. The caller may go on hearing a tone.
func (d *Driver) failAt(c *callState, party pbx.Party, cause csta.EventCause) {
	c.failed = true
	d.calls.Failed(c.id, party, cause)
	d.calls.Cleared(c.id, party.Device, cause)
}

// fail tells that the call failed at the caller, whose channel lives.
func (d *Driver) fail(c *callState, ch *channel, cause csta.EventCause) {
	c.failed = true
	d.calls.Failed(c.id, ch.party(), cause)
}

// userEvent takes note of what the dialplan says.
func (d *Driver) userEvent(f ami.Fields) {
	name := f.Get("UserEvent")
	if name == "RCCFeature" {
		d.featureCode(f)
		return
	}
	ch := d.channels[f.Get("Uniqueid")]
	if ch == nil || ch.call == "" {
		return
	}
	c, extension := d.callOf(ch.call), strings.Clone(f.Get("Extension"))
	if !ch.local && (name == "RCCDiverted" || name == "RCCRefused") {
		called := d.shown(c.target)
		if !ch.own {
			called = d.shown(extension)
		}
		d.callerIs(ch, called, f)
	}
	switch name {
	case "RCCDiverted":
		d.diverted(c, extension, strings.Clone(f.Get("To")), forwardCause(f.Get("Reason")))
	case "RCCRefused":
		d.settle(c)
		d.failAt(c, d.partyOf(extension), causeDND)
	case "RCCLeft":
		d.left(ch, dialCauses[f.Get("Status")])
	}
}

// partyOf returns the party of an extension that has no channel.
func (d *Driver) partyOf(extension string) pbx.Party {
	return pbx.Party{Device: extension, Own: d.lines.match(extension)}
}

// diverted tells that the dialplan forwards the call.
func (d *Driver) diverted(c *callState, extension, to string, cause csta.EventCause) {
	// The phone's Hangup comes before or after this.
	left := c.lingering != nil && c.lingering.party.Device == extension
	for ch := range c.members {
		if ch.dialled && !ch.up() && ch.device == extension {
			d.enter(ch, "")
			left = true
		}
	}
	if left {
		c.lingering = nil
		d.calls.Diverted(c.id, extension, d.shown(to), cause)
	}
	d.moveOn(c)
	d.calls.Redirected(c.id, csta.Party(extension))
	c.target, c.cause = to, cause
}

// left takes note that the leg of a phone has come back from a call to its
// held parties, or has none.
func (d *Driver) left(ch *channel, outcome csta.EventCause) {
	c := d.callOf(ch.call)
	d.settle(c)
	if outcome != "" && !c.failed {
		d.fail(c, ch, outcome)
	}
	d.leave(ch, pbx.CauseNormalClearing)
}

func (d *Driver) originateResponse(f ami.Fields) {
	id := f.Get("Uniqueid")
	m := d.making[id]
	if m == nil || f.Get("Response") == "Success" {
		return
	}
	// A second Originate with the ID of a living channel fails too, but then
	// nobody waits.
	delete(d.making, id)
	m.answer(csta.Errorf(csta.SystemResourceAvailability, "callingDeviceOutOfService",
		"the PBX cannot call the phone: reason %s", f.Get("Reason")))
}

func (d *Driver) blindTransfer(f ami.Fields) {
	from, who := d.channels[f.Get("TransfererUniqueid")], d.channels[f.Get("TransfereeUniqueid")]
	if f.Get("Result") != "Success" || from == nil || from.call == "" {
		return
	}
	to := strings.Clone(f.Get("Extension"))
	c := d.callOf(from.call)
	c.target, c.cause = to, causeSingleStep
	d.calls.Transferred(pbx.Joining{Device: from.device, Primary: c.id, Result: c.id, To: d.shown(to), Cause: causeSingleStep})
	d.enter(from, "")
	if who != nil {
		who.calls = true
		d.mark(who, c.id)
	}
}

func (d *Driver) attendedTransfer(f ami.Fields) {
	first, second := d.channels[f.Get("OrigTransfererUniqueid")], d.channels[f.Get("SecondTransfererUniqueid")]
	if f.Get("Result") != "Success" || first == nil || second == nil || first.call == "" {
		return
	}
	j := pbx.Joining{Device: first.device, Primary: first.call, Result: first.call, Cause: causeTransfer, To: csta.NotKnown()}
	if second.call != first.call && second.call != "" {
		j.Secondary = second.call
		j.To = d.consulted(second)
	}
	d.joined(j, first, second)
}

// consulted returns who is at the other end of the call.
func (d *Driver) consulted(own *channel) csta.ExtendedDeviceID {
	for ch := range d.callOf(own.call).members {
		if ch != own && !ch.local && ch.device != own.device {
			return ch.party().Shown()
		}
	}
	return csta.NotKnown()
}

// joined tells of a transfer, and makes one call of the two. The own legs are
// in no call any more.
func (d *Driver) joined(j pbx.Joining, own ...*channel) {
	d.calls.Transferred(j)
	for _, ch := range own {
		d.enter(ch, "")
	}
	if c := d.states[j.Secondary]; c != nil {
		for ch := range c.members {
			d.enter(ch, j.Result)
		}
		delete(d.states, j.Secondary)
	}
	c := d.callOf(j.Result)
	c.caller = true
	for ch := range c.members {
		if !ch.local {
			d.mark(ch, j.Result)
		}
	}
}
