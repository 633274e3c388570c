package asterisk

import (
	"slices"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// gone tells that the channel has left all its calls. It may be told twice.
func (d *Driver) gone(ch *channel, cause csta.EventCause) {
	c := d.states[ch.call]
	switch {
	case c == nil:
	case d.memberGone(c, ch, cause):
	case ch.dialled && !ch.declined && !ch.up() && ch.outcome != "" && !c.room && d.lastTried(c, ch):
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
			switch {
			case c.failed:
			case !ch.up() && !ch.originated && cause != pbx.CauseNormalClearing:
				d.fail(c, ch, cause) // the dialplan refused the call
			case c.app == "" && d.emptyOrbit(c.target) && d.alone(ch):
				d.fail(c, ch, causeUnobtainable)
			}
		}
		d.leave(ch, cause)
	}
	for _, h := range slices.Clone(ch.holds) {
		d.dropHold(h)
		d.calls.Cleared(h.call, ch.device, cause)
		if h.peer == nil {
			d.sweep(h.call, cause)
			continue
		}
		d.drop(h.peer)
	}
	if h := ch.heldBy; h != nil {
		d.abandon(h, cause)
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
