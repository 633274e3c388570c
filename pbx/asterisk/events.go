package asterisk

import (
	"context"
	"log/slog"
	"slices"
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
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("event", "name", e.Name, "channel", f.Get("Channel"), "dest", f.Get("DestChannel"), "state", f.Get("ChannelStateDesc"),
			"dial", f.Get("DialStatus"), "cause", f.Get("Cause"), "user", f.Get("UserEvent"))
	}
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
		// This comes before anything that the dialplan does next, the phone's Hangup at any time.
		if dest := d.channels[f.Get("DestUniqueid")]; dest != nil && !dest.up() && !dest.local {
			if dest.outcome = dialCauses[f.Get("DialStatus")]; dest.outcome != "" {
				d.gone(dest, dest.outcome)
			}
		}
	case "LocalBridge":
		one, two := d.channels[f.Get("LocalOneUniqueid")], d.channels[f.Get("LocalTwoUniqueid")]
		if one != nil && two != nil {
			one.other, two.other = two, one
			d.move(two, one.call)
		}
	case "OriginateResponse":
		d.originateResponse(f)
	case "BlindTransfer":
		d.blindTransfer(f)
	case "AttendedTransfer":
		d.attendedTransfer(f)
	case "UserEvent":
		d.userEvent(f)
	case "MessageWaiting":
		d.messageWaiting(f)
	case "DeviceStateChange":
		d.deviceState(f)
	case "Pickup":
		d.pickedUp(f)
	case "ParkedCall":
		d.parkedCall(f)
	case "UnParkedCall":
		d.unparkedCall(f)
	case "ParkedCallTimeOut":
		d.parkedTooLong(f)
	case "QueueCallerJoin":
		d.queueJoined(f)
	case "QueueCallerLeave":
		d.queueLeft(f)
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
		if ch.onHold = true; ch.up() { // else it is told when the phone is said to have answered
			d.calls.Held(ch.call, ch.device, pbx.CauseNormal)
		}
		d.wake()
	case "Unhold":
		ch.onHold = false
		d.calls.Retrieved(ch.call, ch.device, pbx.CauseNormal)
	case "BridgeEnter":
		if f.Get("BridgeType") == "parking" {
			return // all who are parked are in one
		}
		d.bridged(ch, f.Get("BridgeUniqueid"))
		ch.entered = time.Now()
		if ch.unsure {
			if ch.unsure = false; d.get(ch, "CHANNEL(rtp,hold)") == "1" {
				d.calls.Held(ch.call, ch.device, pbx.CauseNormal)
			}
		}
		d.wake()
		d.later(optimizingTime, d.wake)
		d.later(strayTime, func() { d.adopt(ch) })
		// In a bridge, all get the Linkedid of the oldest.
		if ch.linked = strings.Clone(f.Get("Linkedid")); ch.linked != ch.call && ch.call != "" && !ch.local {
			d.mark(ch, ch.call)
		}
	case "BridgeLeave":
		if ch.bridge == f.Get("BridgeUniqueid") {
			d.bridged(ch, "")
		}
	case "DTMFEnd":
		d.digit(ch, f)
	case "MusicOnHoldStart":
		if ch.heldBy != nil && ch.bridge == "" {
			ch.heldBy.arrived = true
			d.wake()
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
		d.nothingToPickUp(ch)
		d.wake()
		delete(d.channels, ch.id)
		delete(d.additions, ch.id)
		if ch.other != nil {
			ch.other.other = nil
		}
	}
}

// strayTime is how long two channels of different calls may be bridged before the driver makes
// one call of them: the word of a transfer comes after the bridge.
const strayTime = 500 * time.Millisecond

// adopt makes one call of two whose parties talk with each other though nobody has said why: one was picked up,
// retrieved from a parking place, or bridged by another AMI client.
func (d *Driver) adopt(ch *channel) {
	o := d.far(ch)
	if o == nil || o.local || ch.local || o.call == ch.call || o.call == "" || ch.call == "" {
		return
	}
	if !d.alone(ch) {
		ch, o = o, ch
	}
	if !d.alone(ch) {
		return
	}
	d.leave(ch, causeRedirected)
	c := d.callOf(o.call)
	d.enter(ch, c.id)
	d.calls.Established(c.id, ch.party(), causeRedirected)
	if c.app != "" {
		d.calls.Cleared(c.id, c.app, causeRedirected)
		c.app = ""
	}
	d.mark(ch, c.id)
}

// alone reports whether no other party is in the channel's call.
func (d *Driver) alone(ch *channel) bool {
	c := d.callOf(ch.call)
	for o := range c.members {
		if o != ch && !o.local {
			return false
		}
	}
	return len(c.holds) == 0
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

// wake wakes commands that wait for a channel to arrive somewhere.
func (d *Driver) wake() {
	close(d.moved)
	d.moved = make(chan struct{})
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
		if c.queue != nil {
			return // the queue tries another member, or later
		}
		d.settle(c)
		d.failAt(c, d.partyOf(extension), causeDND)
	case "RCCLeft":
		d.left(ch, f.Get("Status"))
	}
}

// partyOf returns the party of an extension that has no channel.
func (d *Driver) partyOf(extension string) pbx.Party {
	return pbx.Party{Device: extension, Own: d.lines.Match(extension)}
}

// diverted tells that the dialplan forwards the call.
func (d *Driver) diverted(c *callState, extension, to string, cause csta.EventCause) {
	if l := c.lingering; l != nil && l.party.Device == extension {
		c.lingering = nil
		d.calls.Diverted(c.id, extension, d.shown(to), cause)
	}
	d.moveOn(c)
	d.calls.Redirected(c.id, csta.Party(extension))
	c.target, c.cause = to, cause
}

// left takes note that the leg of a phone has come back from a call to its
// held parties, or has none.
func (d *Driver) left(ch *channel, status string) {
	c := d.callOf(ch.call)
	d.settle(c)
	if outcome := dialCauses[status]; outcome != "" && !c.failed {
		d.fail(c, ch, outcome)
	}
	switch status {
	case "FAILURE", "LOOP", "NONEXISTENT", "INCOMPATIBLE":
		// It could not be bridged with its held party, which would wait for ever.
		for o := range c.members {
			if o != ch && o.bridge == "" {
				d.drop(o)
			}
		}
	}
	d.leave(ch, pbx.CauseNormalClearing)
}

func (d *Driver) blindTransfer(f ami.Fields) {
	from, who := d.channels[f.Get("TransfererUniqueid")], d.channels[f.Get("TransfereeUniqueid")]
	if f.Get("Result") != "Success" || from == nil || from.call == "" || who != nil && who.call != from.call {
		return // or told already, since who was sent on has dialled
	}
	d.sentOn(from, who, strings.Clone(f.Get("Extension")))
}

// sentOn tells that a party has sent the other, who may not be known, to a number without asking there.
func (d *Driver) sentOn(from, who *channel, to string) {
	c := d.callOf(from.call)
	c.target, c.cause, c.sentBy = to, causeSingleStep, from.device
	d.calls.Transferred(pbx.Joining{Device: from.device, Primary: c.id, Result: c.id, To: d.shown(to), Cause: causeSingleStep})
	d.enter(from, "")
	if who != nil {
		who.calls = true
		d.mark(who, c.id)
	}
}

// dialsOn takes note that who is connected in a call with others dials. On a busy PBX that may be told before the word that the other has sent it on,
// whom Asterisk names in a variable of the channel.
func (d *Driver) dialsOn(who *channel, to string) {
	if !who.up() || who.local {
		return
	}
	var others []*channel
	for ch := range d.callOf(who.call).members {
		if ch != who && !ch.local && ch.up() {
			others = append(others, ch)
		}
	}
	if len(others) == 0 {
		return
	}
	by := d.get(who, "BLINDTRANSFER")
	if i := slices.IndexFunc(others, func(ch *channel) bool { return ch.name == by }); i >= 0 {
		d.sentOn(others[i], who, to)
	}
}

func (d *Driver) attendedTransfer(f ami.Fields) {
	first, second := d.channels[f.Get("OrigTransfererUniqueid")], d.channels[f.Get("SecondTransfererUniqueid")]
	if f.Get("Result") != "Success" || first == nil || second == nil || first.call == "" {
		return
	}
	j := pbx.Joining{Device: first.device, Primary: first.call, Result: first.call, Cause: causeTransfer}
	if second.call != first.call && second.call != "" {
		j.Secondary = second.call
	}
	to := d.consulted(second, d.channels[f.Get("TransfereeUniqueid")], second.call)
	j.To = shownOf(to)
	if c := d.states[second.call]; to == nil && c != nil && c.queue != nil {
		j.To = c.queue.party(d).Shown()
	}
	d.joined(j, first, second)
}

// consulted returns a party of the call that is neither the device of the leg nor who is transferred; nil if there is none.
func (d *Driver) consulted(own, transferred *channel, call string) *channel {
	c := d.states[call]
	if c == nil {
		return nil
	}
	for ch := range c.members {
		if ch != transferred && !ch.local && ch.device != own.device {
			return ch
		}
	}
	return nil
}

// shownOf returns how others are shown the party.
func shownOf(ch *channel) csta.ExtendedDeviceID {
	if ch == nil {
		return csta.NotKnown()
	}
	return ch.party().Shown()
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
		if c.queue != nil {
			d.callOf(j.Result).queue = c.queue
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
