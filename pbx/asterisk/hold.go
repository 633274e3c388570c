package asterisk

import (
	"context"

	"rccgw/csta"
	"rccgw/pbx"
)

// holdCall puts a call on hold: the phone does it where it honours NOTIFY
// hold, else the PBX does it for the phone, which notices nothing.
func (d *Driver) holdCall(ctx context.Context, req *csta.HoldCall) (*csta.HoldCallResponse, error) {
	id := req.CallToBeHeld
	err := d.attempt(ctx, func() error {
		if _, _, err := d.calls.Require(id, "invalidConnectionState", pbx.Connected); err != nil {
			return err
		}
		ch, err := d.leg(id)
		switch {
		case err != nil:
			return err
		case ch.parked != nil:
			return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "%s is parked", id)
		case d.talk.Match(ch.device) && ch.call == id.CallID:
			return d.notify(ctx, ch, "hold")
		case ch.heldBy != nil:
			return d.holdToo(ctx, ch.heldBy)
		}
		if ch, err = d.connected(id, "invalidConnectionState"); err != nil {
			return err
		}
		if d.inRoom(ch) {
			return d.stepOut(ctx, ch, pbx.CauseNormal, move{ch, d.holdContext, "holder"})
		}
		return d.hold(ctx, ch)
	}, id)
	if err != nil {
		return nil, err
	}
	return &csta.HoldCallResponse{}, nil
}

// connected returns the channel of a connection that is connected, and to
// one other party or a conference.
func (d *Driver) connected(id csta.ConnectionID, value string) (*channel, error) {
	if _, _, err := d.calls.Require(id, value, pbx.Connected); err != nil {
		return nil, err
	}
	ch, err := d.leg(id)
	if err == nil && (ch.call != id.CallID || d.far(ch) == nil && !d.inRoom(ch)) {
		err = csta.Errorf(csta.StateIncompatibility, value, "%s is not connected to one other party", id)
	}
	return ch, err
}

// holdToo records that the held party has the call on hold, too: it waits already.
func (d *Driver) holdToo(ctx context.Context, h *hold) error {
	if err := d.set(ctx, h.peer, "RCC_HOLD", h.call+" "+h.holder.id+" mutual"); err != nil {
		return err
	}
	h.mutual = true
	d.calls.Held(h.call, h.peer.device, pbx.CauseNormal)
	return nil
}

// hold makes the PBX hold the call for the phone: the far end hears music, and
// the phone's leg waits.
func (d *Driver) hold(ctx context.Context, ch *channel) error {
	far, call := d.far(ch), ch.call
	if err := d.markHeld(ctx, call, ch, far); err != nil {
		return err
	}
	if err := d.redirect(ctx, "invalidConnectionState", move{ch, d.holdContext, "holder"}, move{far, d.holdContext, "held"}); err != nil {
		d.unmark(ch, far)
		return err
	}
	d.addHold(call, ch, far)
	d.calls.Held(call, ch.device, pbx.CauseNormal)
	return nil
}

// markHeld keeps at the PBX who holds whom: on the held party the call and the
// holder, on the holder that there is somebody to go back to.
func (d *Driver) markHeld(ctx context.Context, call string, holder, peer *channel) error {
	err := d.set(ctx, peer, "RCC_HOLD", call+" "+holder.id)
	if err == nil {
		err = d.set(ctx, peer, "__RCC_CALL", call)
	}
	if err == nil {
		err = d.set(ctx, holder, "RCC_HELD", "1")
	}
	if err != nil {
		return err
	}
	peer.marked = call
	return nil
}

// unhold takes the mark off a held party that is about to be bridged: while
// Asterisk does that, the name of its channel is out of use. RCC_HELD_BY says
// who holds it until then.
func (d *Driver) unhold(ctx context.Context, h *hold) error {
	err := d.set(ctx, h.peer, "RCC_HELD_BY", h.mark())
	if err == nil {
		err = d.set(ctx, h.peer, "RCC_HOLD", "")
	}
	return err
}

// rehold undoes unhold.
func (d *Driver) rehold(h *hold) { d.note(h.peer, "RCC_HOLD", h.mark()) }

// mark is what is kept of the hold at the held party.
func (h *hold) mark() string {
	mark := h.call + " " + h.holder.id
	if h.mutual {
		mark += " mutual"
	}
	return mark
}

// unmark takes the marks of a hold away.
func (d *Driver) unmark(holder, peer *channel) {
	d.note(peer, "RCC_HOLD", "")
	if len(holder.holds) == 0 {
		d.note(holder, "RCC_HELD", "")
	}
}

// freeLeg returns the leg of the line's phone that waits for held parties and
// is in no call, nil if there is none.
func (d *Driver) freeLeg(line string) *channel {
	for _, c := range d.calls.At(line) {
		if h := d.states[c.ID].holdOf(line); h != nil && h.holder.call == "" {
			return h.holder
		}
	}
	return nil
}

// retrieveCall takes a call off hold, by who holds it.
func (d *Driver) retrieveCall(ctx context.Context, req *csta.RetrieveCall) (*csta.RetrieveCallResponse, error) {
	id := req.CallToBeRetrieved
	err := d.attempt(ctx, func() error {
		ch, h, err := d.held(id, "noHeldCall")
		switch {
		case err != nil:
			return err
		case h == nil:
			return d.notify(ctx, ch, "talk")
		case h.peer == ch:
			if err := d.set(ctx, ch, "RCC_HOLD", h.call+" "+h.holder.id); err != nil {
				return err
			}
			h.mutual = false
			d.calls.Retrieved(h.call, ch.device, pbx.CauseNormal)
			return nil
		case ch.call != "":
			return csta.Errorf(csta.StateIncompatibility, "connectedCallExists", "the phone's one leg is in call %s: alternate, reconnect or transfer", ch.call)
		}
		return d.retrieve(ctx, h, false)
	}, id)
	if err != nil {
		return nil, err
	}
	return &csta.RetrieveCallResponse{}, nil
}

// held returns the channel of a held connection, and the hold if the PBX makes
// it. A call that a phone holds by itself is only retrieved by a phone that
// honours NOTIFY talk.
func (d *Driver) held(id csta.ConnectionID, value string) (*channel, *hold, error) {
	if _, _, err := d.calls.Require(id, value, pbx.Hold); err != nil {
		return nil, nil, err
	}
	ch, err := d.leg(id)
	if err != nil {
		return nil, nil, err
	}
	h := d.states[id.CallID].holdOf(ch.device)
	if h == nil && ch.heldBy != nil && ch.heldBy.mutual {
		h = ch.heldBy
	}
	if h == nil && !d.talk.Match(ch.device) {
		return nil, nil, csta.Errorf(csta.Operation, "requestIncompatibleWithDevice", "%s is held at the phone itself, which cannot be told to retrieve it", id)
	}
	return ch, h, nil
}

// retrieve connects the leg with the held party, or the conference, again. The
// call that it is active in is put on hold in the same step, if hold is set.
func (d *Driver) retrieve(ctx context.Context, h *hold, hold bool) error {
	ch := h.holder
	if h.mutual {
		if hold {
			return csta.Errorf(csta.StateIncompatibility, "invalidHeldConnectionState", "the held party has the call on hold, too")
		}
		return d.swap(ctx, h)
	}
	moves := []move{{ch, d.conferenceContext, roomOf(h.call)}}
	if h.peer != nil {
		if err := d.set(ctx, ch, "RCC_PEER", h.peer.name); err != nil {
			return err
		}
		moves[0] = move{ch, d.holdContext, "join"}
	}
	var away *channel // nil of a conference
	switch {
	case !hold:
	case d.inRoom(ch):
		if err := d.markAway(ctx, ch, ch.call); err != nil {
			return err
		}
	default:
		away = d.far(ch)
		if err := d.markHeld(ctx, ch.call, ch, away); err != nil {
			return err
		}
		moves = append(moves, move{away, d.holdContext, "held"})
	}
	if h.peer != nil {
		if err := d.unhold(ctx, h); err != nil {
			return err
		}
	}
	before := ch.marked
	d.remark(ch, h.call, "")
	if err := d.redirect(ctx, "noHeldCall", moves...); err != nil {
		d.mark(ch, before)
		if h.peer != nil {
			d.rehold(h)
		}
		return err
	}
	d.forgetBefore(ch)
	cause := pbx.CauseNormal
	if hold {
		cause = causeAlternate
		call := ch.call
		d.addHold(call, ch, away)
		d.calls.Held(call, ch.device, cause)
	}
	d.leave(ch, pbx.CauseNormalClearing) // of a call that it was in meanwhile
	d.dropHold(h)
	d.enter(ch, h.call)
	switch {
	case h.peer == nil || hold && away == nil:
		d.settleHolds(ch)
	case len(ch.holds) == 0:
		d.note(ch, "RCC_HELD", "")
	}
	d.calls.Retrieved(h.call, ch.device, cause)
	return nil
}

// swap makes the held party, which has the call on hold too, the only holder.
func (d *Driver) swap(ctx context.Context, h *hold) error {
	one, two := h.holder, h.peer
	if err := d.markHeld(ctx, h.call, two, one); err != nil {
		return err
	}
	if err := d.redirect(ctx, "noHeldCall", move{one, d.holdContext, "held"}, move{two, d.holdContext, "holder"}); err != nil {
		return err
	}
	d.dropHold(h)
	d.unmark(one, two)
	d.addHold(h.call, two, one)
	d.calls.Retrieved(h.call, one.device, pbx.CauseNormal)
	return nil
}
