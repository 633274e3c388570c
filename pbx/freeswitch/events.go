package freeswitch

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
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
	switch {
	case f.uuid == "":
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
	if e.Name() == "CHANNEL_BRIDGE" {
		d.bridged(d.channels[e.Get("Bridge-A-Unique-ID")], d.channels[e.Get("Bridge-B-Unique-ID")])
	}
	if ch := d.channels[f.uuid]; ch != nil {
		d.keep(ch)
		if m := d.making[f.uuid]; m != nil {
			m.Answer(nil)
			delete(d.making, f.uuid)
		}
	}
}

// bridged takes note that two channels talk with each other. Where they come from two calls, since a
// phone or somebody else transferred, the second has left its call for that of the first.
func (d *Driver) bridged(a, b *channel) {
	if a == nil || b == nil || a.left || b.left || a.call == "" || b.call == "" || a.call == b.call {
		return
	}
	if !b.quiet {
		d.calls.Cleared(b.call, b.party().Device, causeTransfer)
	}
	b.call, b.leads = a.call, false
	b.quiet = d.speaker(b) != nil
	d.tell(b)
	d.keep(b)
}

// keep keeps the callID at a channel whose UUID, or that of whom it follows, does not tell it any more.
func (d *Driver) keep(ch *channel) {
	if d.conn == nil || ch.left || ch.call == "" || ch.marked == ch.call || ch.root == ch.call {
		return
	}
	if leader := d.channels[ch.root]; leader != nil && leader != ch && leader.call == ch.call {
		return
	}
	if d.help("uuid_setvar", ch.uuid, mark, ch.call) {
		ch.marked = ch.call
	}
}

// helpTime bounds what the driver does at the PBX by itself, between events.
const helpTime = 2 * time.Second

// help has something done that nobody waits for, and reports whether it was.
func (d *Driver) help(command string, args ...string) bool {
	ctx, cancel := context.WithTimeout(pbx.WithLease(context.Background(), d.mayAct), helpTime)
	defer cancel()
	err := d.do(ctx, "generic", command, args...)
	if err != nil {
		d.log.Debug("not done", "command", command, "error", err)
	}
	return err == nil
}

// newChannel takes note of a channel. One that was made for another follows it.
func (d *Driver) newChannel(f facts, other string) *channel {
	if !f.inbound && other != "" && f.root == f.uuid {
		f.root = other
	}
	ch := &channel{leads: f.inbound || f.root == f.uuid}
	d.learn(ch, f)
	delete(d.ended, ch.uuid)
	d.channels[f.uuid] = ch
	return ch
}

func factsOf(e esl.Event) facts {
	get := func(name string) string { return strings.Clone(e.Get(name)) }
	return facts{uuid: get("Unique-ID"), inbound: e.Get("Call-Direction") == "inbound", presence: get("Channel-Presence-ID"), state: get("Channel-State"),
		callstate: get("Channel-Call-State"), answered: e.Get("Answer-State") == "answered", root: get("Channel-Call-UUID"),
		dialplan: e.Get("Caller-Dialplan") != "", dest: get("Caller-Destination-Number"), cid: get("Caller-Caller-ID-Number"),
		name: strings.Clone(nameOf(e)), redirected: get("variable_rcc_redirected"), mark: get("variable_" + mark)}
}

// nameOf returns the name of the party whose channel the event is about: of one that
// calls it is that of the caller ID, of one that is called that of the callee ID.
// What FreeSWITCH writes where there is none is none.
func nameOf(e esl.Event) string {
	name := e.Get("Caller-Callee-ID-Name")
	if e.Get("Call-Direction") == "inbound" {
		name = e.Get("Caller-Caller-ID-Name")
	}
	if e.Get("Caller-Privacy-Hide-Name") == "true" || e.Get("Caller-Privacy-Hide-Number") == "true" {
		return ""
	}
	switch strings.ToLower(name) {
	case "outbound call", "_undef_", "unknown", "anonymous":
		return ""
	}
	return name
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
	value := "callingDeviceOutOfService"
	if _, is := d.additions[id]; is {
		value = "resourceOutOfService"
		delete(d.additions, id)
	}
	m.Answer(csta.Errorf(csta.SystemResourceAvailability, value, "the PBX cannot call the phone: %s", reason))
}
