package freeswitch

import (
	"time"

	"rccgw/csta"
)

// A lingering is a phone that did not answer: whether the dialplan forwards the call or gives up
// is not known at once.
type lingering struct {
	device string
	cause  csta.EventCause
	until  time.Time
}

// lingerTime is how long the dialplan may take to forward a call.
const lingerTime = time.Second

// forwardCauses are what a call is forwarded for, by what ended at the phone.
var forwardCauses = map[csta.EventCause]csta.EventCause{"busy": "callForwardBusy", "callNotAnswered": "callForwardNoAnswer", "destOutOfOrder": "callForwardNoAnswer"}

// lingers reports whether it is left open what becomes of a call whose phone did not answer.
func (d *Driver) lingers(ch *channel, cause csta.EventCause) bool {
	leader := d.channels[ch.root]
	if forwardCauses[cause] == "" || ch.leads || ch.answered || leader == nil || leader.call != ch.call || d.far(leader) != nil {
		return false
	}
	d.lingering[ch.call] = lingering{ch.party().Device, cause, time.Now().Add(lingerTime)}
	return true
}

// forwarded tells that the call has left the phone that did not answer, for another.
func (d *Driver) forwarded(ch *channel) {
	if l, ok := d.lingering[ch.call]; ok {
		delete(d.lingering, ch.call)
		if l.device != ch.party().Device {
			d.calls.Diverted(ch.call, l.device, ch.party().Shown(), forwardCauses[l.cause])
			return
		}
		d.calls.Cleared(ch.call, l.device, l.cause)
	}
	if ch.redirected != "" {
		d.calls.Redirected(ch.call, d.shown(ch.redirected))
	}
}

// givenUp tells that a phone which did not answer is out of the call.
func (d *Driver) givenUp(call string) {
	if l, ok := d.lingering[call]; ok {
		delete(d.lingering, call)
		d.calls.Cleared(call, l.device, l.cause)
	}
}

// giveUp does so for all whose time is over.
func (d *Driver) giveUp() {
	for call, l := range d.lingering {
		if !l.until.After(time.Now()) {
			d.givenUp(call)
		}
	}
}
