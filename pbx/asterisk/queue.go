package asterisk

import (
	"context"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// Calls that wait in a queue (app_queue) until a member answers. A member is called as by Dial, so its phone is a party like any.

// A queue is where a call waits. It is a party of the call while no member is called.
type queue struct {
	name   string
	number string // by which it is reached, as far as that is known
	waits  bool   // the model has it as a party
	left   bool   // the caller is not in it any more, and may be about to hang up
}

// The deviceID is not the number: a member may have the same.
func (q *queue) party(d *Driver) pbx.Party {
	n := d.shown(q.number)
	n.DeviceIdentifier.External = false
	return pbx.Party{Device: "queue-" + q.name, Number: n}
}

// newQueue makes a queue of what AMI tells of a channel that is in it. Its number is the extension that the channel executes; in a
// subroutine that is none, and the queue's name or what was dialled counts.
func newQueue(name, extension string, c *callState) *queue {
	q := &queue{name: strings.Clone(name), number: c.target}
	for _, n := range []string{extension, name} {
		if dialable(n) {
			q.number = strings.Clone(n)
			break
		}
	}
	return q
}

// queueJoined takes note that a caller waits in a queue.
func (d *Driver) queueJoined(f ami.Fields) {
	ch := d.channels[f.Get("Uniqueid")]
	if ch == nil || ch.call == "" {
		return
	}
	c := d.callOf(ch.call)
	d.leaveQueue(c)
	q := newQueue(f.Get("Queue"), f.Get("Exten"), c)
	if !ch.local {
		d.callerIs(ch, d.shown(q.number), f)
	}
	d.moveOn(c)
	if c.app != "" {
		d.calls.Cleared(c.id, c.app, causeRedirected)
		c.app = ""
	}
	c.queue, c.failed = q, false
	d.wait(c)
}

// wait tells that the call waits in its queue.
func (d *Driver) wait(c *callState) {
	c.queue.waits = true
	d.calls.Queued(c.id, c.queue.party(d), causeQueued)
}

// distributed tells that the call rings at a member, or that one has answered, and waits no more.
func (d *Driver) distributed(c *callState, to *channel) {
	if q := c.queue; q != nil && q.waits {
		q.waits, c.cause = false, causeDistributed
		d.calls.Diverted(c.id, q.party(d).Device, to.party().Shown(), causeDistributed)
	}
}

// memberGone takes note that a member is out of a call that is in a queue, without having answered. Where it was the last that was called, the call waits again. It
// reports whether the channel was such a member.
func (d *Driver) memberGone(c *callState, member *channel, cause csta.EventCause) bool {
	if c.queue == nil || c.queue.left || !member.dialled || member.up() || d.find(c.id, member.device) != member {
		return false
	}
	caller, others := false, false
	for ch := range c.members {
		switch {
		case ch == member || ch.local:
		case !ch.dialled:
			caller = true
		case ch.state == stateRinging:
			others = true
		}
	}
	if !caller || others {
		return false
	}
	if member.outcome != "" {
		cause = member.outcome
	}
	d.enter(member, "")
	if c.queue.waits {
		return true // it did not even ring
	}
	d.calls.Diverted(c.id, member.device, c.queue.party(d).Shown(), cause)
	d.wait(c)
	return true
}

// queueLeft takes note that a caller is not in the queue any more: the time is up, or the caller has hung up.
func (d *Driver) queueLeft(f ami.Fields) {
	ch := d.channels[f.Get("Uniqueid")]
	if ch == nil || d.states[ch.call] == nil {
		return
	}
	c := d.states[ch.call]
	q := c.queue
	if q == nil || q.name != f.Get("Queue") {
		return
	}
	q.left = true
	d.later(lingerTime, func() {
		if d.states[c.id] == c && c.queue == q {
			d.leaveQueue(c)
		}
	})
}

// leaveQueue tells, if it has not been, that the call is in no queue any more. What the dialplan does with it then, nothing may tell.
func (d *Driver) leaveQueue(c *callState) {
	q := c.queue
	if q == nil {
		return
	}
	if c.queue = nil; c.cause == causeDistributed {
		c.cause = ""
	}
	if !q.waits {
		return
	}
	d.calls.Diverted(c.id, q.party(d).Device, csta.NotKnown(), causeRedirected)
	for _, ch := range c.parties() {
		if ch.calls {
			d.later(appTime, func() { d.lookForApp(ch) })
		}
	}
}

// findQueues recovers which channels are in queues: none where app_queue is not loaded.
func (d *Driver) findQueues(ctx context.Context, items map[string]*item) error {
	found, err := d.conn.List(ctx, ami.NewAction("QueueStatus"))
	for _, e := range found {
		it := items[e.Get("Uniqueid")]
		if e.Name != "QueueEntry" || it == nil || it.call == "" {
			continue
		}
		c := d.callOf(it.call)
		rings, answered := false, false
		for ch := range c.members {
			if ch.dialled && !ch.local {
				rings, answered = rings || ch.state == stateRinging, answered || ch.up()
			}
		}
		if answered {
			continue
		}
		c.queue = newQueue(e.Get("Queue"), it.f.Get("Exten"), c)
		if c.queue.waits = !rings; rings {
			c.cause = causeDistributed
		}
	}
	if refused(err) {
		return nil
	}
	return err
}
