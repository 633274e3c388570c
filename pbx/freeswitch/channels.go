package freeswitch

import (
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A channel is one leg of a call: the facts of its last event, or of a list.
type channel struct {
	facts
	line   string    // the own line; empty for a party outside
	call   string    // the callID; empty until the model was told of it
	leads  bool      // it dials, or is called to dial: others follow it
	joins  bool      // it is called to join the call, by a conference
	quiet  bool      // another channel of the same line stands for it in the call
	left   bool      // it has no part in a call any more, though FreeSWITCH may still release it
	number string    // of a party outside
	room   string    // the conference that it is in
	marked string    // the callID that is kept at the channel
	heard  time.Time // when it said something last
}

// facts are what FreeSWITCH says of a channel.
type facts struct {
	uuid      string
	inbound   bool   // the phone, or somebody outside, dialled
	presence  string // user@domain
	state     string // CS_…
	callstate string // RINGING, ACTIVE, HELD …
	answered  bool
	root      string // the UUID of the channel that leads the call, as far as is known
	dialplan  bool   // it is in the dialplan, or was called from there
	dest      string
	cid       string
	// name is what FreeSWITCH calls the party, empty where it hides that. Events have it; a list
	// does not, which tells the name and not whether it is hidden.
	name string
	// redirected is the line whose call is forwarded to this channel, by the variable that the dialplan
	// sets. Not all events have it, but one that comes before it rings.
	redirected string
	mark       string // the callID that is kept at the channel, where that is told
}

// learn takes note of newer facts.
func (d *Driver) learn(ch *channel, f facts) {
	if f.presence == "" {
		f.presence = ch.presence
	}
	if f.name == "" {
		f.name = ch.name
	}
	if f.redirected == "" {
		f.redirected = ch.redirected
	}
	ch.facts, ch.heard = f, time.Now()
	if room := d.roomOf(f.dest); room != "" {
		ch.room = room
	} else if ch.number == "" {
		ch.number = f.dest
		if f.inbound {
			ch.number = f.cid
		}
	}
	if user, _, _ := strings.Cut(f.presence, "@"); d.phones.Match(user) {
		ch.line = user
	}
	if f.mark != "" && ch.call == "" {
		ch.belongs(f.mark)
	}
}

// party returns the channel's part in a call.
func (ch *channel) party() pbx.Party {
	if ch.line != "" {
		return pbx.Party{Device: ch.line, Name: ch.name, Own: true}
	}
	// A number from outside may be that of a line.
	return pbx.Party{Device: "fs-" + ch.uuid, Number: outside(ch.number), Name: ch.name}
}

// connection returns the state of the channel's connection, empty if it has none yet.
func (ch *channel) connection() csta.LocalConnectionState {
	// CHANNEL_ANSWER comes before the two hear each other, and until then FreeSWITCH refuses to hold.
	talks := ch.answered && ch.state != "CS_CONSUME_MEDIA" && ch.state != "CS_ROUTING" && ch.state != "CS_INIT"
	if ch.call != "" && ch.answered && !ch.leads && !ch.joins {
		talks = true // once it talked, it may be sent through the dialplan again
	}
	switch {
	case ch.callstate == "" || ch.callstate == "DOWN" || ch.callstate == "HANGUP":
		return ""
	case ch.callstate == "HELD":
		return pbx.Hold
	case ch.leads && ch.inbound, ch.leads && ch.dialplan && ch.answered, talks:
		return pbx.Connected
	case ch.answered:
		return "" // on its way
	case ch.leads:
		return pbx.Initiated
	default:
		return pbx.Alerting
	}
}

// belongs takes note that the channel is in the call whose callID is kept at it.
func (ch *channel) belongs(call string) {
	ch.call, ch.marked = call, call
	if ch.leads && !ch.inbound && !ch.answered {
		ch.leads, ch.joins = false, true // no other has the callID of another's while it rings
	}
}

// callOf returns the callID of a channel that is not in a call yet.
func (d *Driver) callOf(ch *channel) string {
	if ch.leads {
		return ch.uuid
	}
	if leader := d.channels[ch.root]; leader != nil && leader.call != "" {
		return leader.call
	}
	return ch.root
}

// tell tells the model what the channel's facts are. What it knows makes no event.
func (d *Driver) tell(ch *channel) {
	state := ch.connection()
	if ch.left || state == "" {
		return
	}
	if d.enter(ch); ch.quiet {
		return
	}
	if ch.name != "" {
		d.calls.Named(ch.call, ch.party().Device, ch.name)
	}
	switch state {
	case pbx.Initiated:
		d.calls.Initiated(ch.call, ch.party(), causeMakeCall)
	case pbx.Alerting:
		d.forwarded(ch)
		d.calls.Delivered(ch.call, ch.party(), pbx.CauseNewCall)
	case pbx.Connected, pbx.Hold:
		if ch.leads {
			d.calls.Originated(ch.call, ch.party(), d.dialled(ch), pbx.CauseNewCall)
		} else {
			d.calls.Established(ch.call, ch.party(), pbx.CauseNormal)
			d.added(ch)
		}
		if state == pbx.Hold {
			d.calls.Held(ch.call, ch.party().Device, pbx.CauseNormal)
		} else {
			d.calls.Retrieved(ch.call, ch.party().Device, pbx.CauseNormal)
		}
	}
}

// dialled returns whom a channel that leads its call has dialled.
func (d *Driver) dialled(ch *channel) csta.ExtendedDeviceID {
	if !ch.dialplan {
		return csta.NotKnown() // it is in an application
	}
	return d.shown(ch.dest)
}

// enter puts the channel into its call, if it is in none. A line may have several channels in one
// call: those of several phones, or it calls itself. One of them stands for the line: the
// first, until another answers before it.
func (d *Driver) enter(ch *channel) {
	if ch.call == "" {
		ch.call = d.callOf(ch)
		ch.quiet = d.speaker(ch) != nil
	}
	if ch.quiet && ch.answered {
		if o := d.speaker(ch); o != nil && !o.answered && !o.inbound {
			o.quiet, ch.quiet = true, false
		}
	}
}

// speaker returns the other channel that stands for the channel's line in its call.
func (d *Driver) speaker(ch *channel) *channel {
	for _, o := range d.channels {
		if ch.line != "" && o != ch && o.line == ch.line && o.call == ch.call && !o.quiet && !o.left {
			return o
		}
	}
	return nil
}

// far returns who else is in the channel's call, nil if that is nobody or several.
func (d *Driver) far(ch *channel) *channel {
	var far *channel
	for _, o := range d.channels {
		if o != ch && o.call == ch.call && !o.left {
			if far != nil {
				return nil
			}
			far = o
		}
	}
	return far
}

// hungUp takes note of the end of a channel.
func (d *Driver) hungUp(ch *channel, cause csta.EventCause) {
	delete(d.channels, ch.uuid)
	d.ended[ch.uuid] = time.Now()
	delete(d.additions, ch.uuid)
	if ch.left || ch.call == "" || ch.quiet {
		return
	}
	for _, o := range d.channels {
		if ch.line != "" && o.line == ch.line && o.call == ch.call && !o.left {
			o.quiet = false // the line is still there
			d.tell(o)
			return
		}
	}
	if d.lingers(ch, cause) {
		return
	}
	if ch.leads {
		d.givenUp(ch.call)
	}
	d.calls.Cleared(ch.call, ch.party().Device, cause)
	d.endRoom(ch.call)
}

// find returns the channel of a connection.
func (d *Driver) find(id csta.ConnectionID) (*channel, error) {
	for _, ch := range d.channels {
		if ch.call == id.CallID && ch.party().Device == id.DeviceID.ID && !ch.left && !ch.quiet {
			return ch, nil
		}
	}
	return nil, csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "connection %s has no channel at the PBX", id)
}
