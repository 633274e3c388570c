package freeswitch

import (
	"context"
	"log/slog"
	"strings"

	"rccgw/csta"
	"rccgw/pbx/freeswitch/esl"
)

// handle takes note of an event. Whatever it is, it has all facts about its channel.
func (d *Driver) handle(e esl.Event) {
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("event", "name", e.Name(), "channel", e.Get("Unique-ID"), "state", e.Get("Channel-State"), "callstate", e.Get("Channel-Call-State"),
			"call", e.Get("Channel-Call-UUID"), "cause", e.Get("Hangup-Cause"), "gap", e.Gap)
	}
	if e.Name() == "BACKGROUND_JOB" {
		d.jobDone(e)
		return
	}
	f := factsOf(e)
	ch := d.channels[f.uuid]
	_, ended := d.ended[f.uuid]
	switch {
	case f.uuid == "" || ended:
	case e.Get("Answer-State") == "hangup" || f.callstate == "HANGUP":
		if ch != nil {
			d.hungUp(ch, hangupCause(e.Get("Hangup-Cause")))
		}
	case f.state == "CS_NONE" || f.state == "CS_NEW": // nothing is known of it yet
	case ch == nil:
		ch = d.newChannel(f, e.Get("Other-Leg-Unique-ID"))
		d.tell(ch)
	default:
		d.learn(ch, f)
		d.tell(ch)
	}
	if ch := d.channels[f.uuid]; ch != nil && d.making[f.uuid] != nil {
		d.making[f.uuid].answer(nil)
		delete(d.making, f.uuid)
	}
}

// newChannel takes note of a channel. One that was made for another follows it.
func (d *Driver) newChannel(f facts, other string) *channel {
	ch := &channel{}
	d.learn(ch, f)
	if !f.inbound && other != "" && ch.root == ch.uuid {
		ch.root = other
	}
	ch.leads = f.inbound || ch.root == ch.uuid
	d.channels[f.uuid] = ch
	return ch
}

func factsOf(e esl.Event) facts {
	get := func(name string) string { return strings.Clone(e.Get(name)) }
	return facts{uuid: get("Unique-ID"), inbound: e.Get("Call-Direction") == "inbound", presence: get("Channel-Presence-ID"), state: get("Channel-State"),
		callstate: get("Channel-Call-State"), answered: e.Get("Answer-State") == "answered", root: get("Channel-Call-UUID"),
		dialplan: e.Get("Caller-Dialplan") != "", dest: get("Caller-Destination-Number"), cid: get("Caller-Caller-ID-Number"),
		redirected: get("variable_rcc_redirected")}
}

// jobDone takes note of how an originate ended. One that succeeded, or that went wrong
// after the phone was called, is told by the channel.
func (d *Driver) jobDone(e esl.Event) {
	id := e.Get("Job-UUID")
	m := d.making[id]
	if m == nil {
		return
	}
	reason, failed := strings.CutPrefix(strings.TrimSpace(e.Body), "-ERR ")
	if !failed {
		return
	}
	delete(d.making, id)
	m.answer(csta.Errorf(csta.SystemResourceAvailability, "callingDeviceOutOfService", "the PBX cannot call the phone: %s", reason))
}
