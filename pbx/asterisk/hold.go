package asterisk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// holdCall puts a call on hold: the phone does it where it honours NOTIFY
// hold, else the PBX does it for the phone, which notices nothing.
func (d *Driver) holdCall(ctx context.Context, req *csta.HoldCall) (*csta.HoldCallResponse, error) {
	id := req.CallToBeHeld
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	if _, _, err := d.calls.Require(id, "invalidConnectionState", pbx.Connected); err != nil {
		return nil, err
	}
	ch, err := d.leg(id)
	switch {
	case err != nil:
	case d.talk.match(ch.device) && ch.call == id.CallID:
		err = d.notify(ctx, ch, "hold")
	case ch.heldBy != nil:
		err = d.holdToo(ctx, ch.heldBy)
	default:
		if ch, err = d.connected(ctx, id, "invalidConnectionState"); err == nil {
			err = d.hold(ctx, ch)
		}
	}
	if err != nil {
		return nil, err
	}
	return &csta.HoldCallResponse{}, nil
}

// connected returns the channel of a connection that is connected, and to
// one other party.
func (d *Driver) connected(ctx context.Context, id csta.ConnectionID, value string) (*channel, error) {
	if err := d.settled(ctx, id); err != nil {
		return nil, err
	}
	if _, _, err := d.calls.Require(id, value, pbx.Connected); err != nil {
		return nil, err
	}
	ch, err := d.leg(id)
	if err == nil && (ch.call != id.CallID || d.far(ch) == nil) {
		err = csta.Errorf(csta.StateIncompatibility, value, "%s is not connected to one other party", id)
	}
	return ch, err
}

// bridgeTime is how long an answered call may take until its ends are bridged.
const bridgeTime = time.Second

// settled waits until a connection whose call has been answered, or retrieved, is in a
// bridge: that follows within milliseconds, and who is quick must not be refused.
// It gives the turn away meanwhile.
func (d *Driver) settled(ctx context.Context, id csta.ConnectionID) error {
	deadline := time.NewTimer(bridgeTime)
	defer deadline.Stop()
	for {
		ch := d.find(id.CallID, id.DeviceID.ID)
		if ch == nil || ch.call != id.CallID || !ch.up() || ch.heldBy != nil || d.far(ch) != nil || !d.answered(d.callOf(id.CallID), ch) {
			return nil
		}
		moved := d.moved
		d.done()
		over := false
		select {
		case <-moved:
		case <-ctx.Done():
		case <-deadline.C:
			over = true
		}
		if err := d.take(ctx); err != nil {
			d.turn <- struct{}{} // the caller gives it back
			return err
		}
		if over {
			return nil
		}
	}
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
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	ch, h, err := d.held(id, "noHeldCall")
	if err != nil {
		return nil, err
	}
	switch {
	case h == nil:
		err = d.notify(ctx, ch, "talk")
	case h.peer == ch:
		if err = d.set(ctx, ch, "RCC_HOLD", h.call+" "+h.holder.id); err == nil {
			h.mutual = false
			d.calls.Retrieved(h.call, ch.device, pbx.CauseNormal)
		}
	case ch.call != "":
		err = csta.Errorf(csta.StateIncompatibility, "connectedCallExists", "the phone's one leg is in call %s: alternate, reconnect or transfer", ch.call)
	default:
		err = d.retrieve(ctx, h, nil)
	}
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
	if h == nil && !d.talk.match(ch.device) {
		return nil, nil, csta.Errorf(csta.Operation, "requestIncompatibleWithDevice", "%s is held at the phone itself, which cannot be told to retrieve it", id)
	}
	return ch, h, nil
}

// retrieve connects the leg with the held party again. With away, the party
// that the leg talks with is put on hold in the same step.
func (d *Driver) retrieve(ctx context.Context, h *hold, away *channel) error {
	ch := h.holder
	if h.mutual {
		if away != nil {
			return csta.Errorf(csta.StateIncompatibility, "invalidHeldConnectionState", "the held party has the call on hold, too")
		}
		return d.swap(ctx, h)
	}
	if err := d.set(ctx, ch, "RCC_PEER", h.peer.name); err != nil {
		return err
	}
	moves := []move{{ch, d.holdContext, "join"}}
	if away != nil {
		if err := d.markHeld(ctx, ch.call, ch, away); err != nil {
			return err
		}
		moves = append(moves, move{away, d.holdContext, "held"})
	}
	before := ch.marked
	d.mark(ch, h.call)
	if err := d.redirect(ctx, "noHeldCall", moves...); err != nil {
		d.mark(ch, before)
		return err
	}
	cause := pbx.CauseNormal
	if away != nil {
		cause = causeAlternate
		call := ch.call
		d.addHold(call, ch, away)
		d.calls.Held(call, ch.device, cause)
	}
	d.leave(ch, pbx.CauseNormalClearing) // of a call that it was in meanwhile
	d.dropHold(h)
	d.enter(ch, h.call)
	d.unmark(ch, h.peer)
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

// consultationCall holds a call and makes another one out of the same leg.
func (d *Driver) consultationCall(ctx context.Context, req *csta.ConsultationCall) (*csta.ConsultationCallResponse, error) {
	number, err := destination(req.ConsultedDevice, "invalidCalledDeviceID")
	if err != nil {
		return nil, err
	}
	id := newCallID(ctx)
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	resp := &csta.ConsultationCallResponse{InitiatedCall: csta.Connection(id, req.ExistingCall.DeviceID.ID)}
	if d.states[id] != nil {
		return resp, nil // the same command again: it was carried out
	}
	ch, err := d.connected(ctx, req.ExistingCall, "invalidConnectionState")
	if err != nil {
		return nil, err
	}
	if err := d.consult(ctx, ch, d.far(ch), id, number); err != nil {
		return nil, err
	}
	return resp, nil
}

// consult has a leg dial the number in a new call. The far end of the call that it is in
// now, if any, is put on hold in the same step.
func (d *Driver) consult(ctx context.Context, ch, far *channel, id, number string) error {
	if err := d.reachable(ctx, number, "invalidCalledDeviceID"); err != nil {
		return err
	}
	call, before := ch.call, ch.marked
	moves := []move{{ch, d.consultContext, number}}
	if far != nil {
		if err := d.markHeld(ctx, call, ch, far); err != nil {
			return err
		}
		moves = append(moves, move{far, d.holdContext, "held"})
	}
	d.note(ch, "RCC_CALLED", number)
	d.mark(ch, id)
	if err := d.redirect(ctx, "invalidConnectionState", moves...); err != nil {
		d.mark(ch, before)
		if far != nil {
			d.unmark(ch, far)
		}
		return err
	}
	if far != nil {
		d.addHold(call, ch, far)
		d.calls.Held(call, ch.device, causeConsultation)
	}
	c := d.callOf(id)
	c.target, c.caller = number, true
	d.enter(ch, id)
	d.calls.Originated(id, ch.party(), d.shown(number), causeConsultation)
	return nil
}

// reachable checks that the dialplan has the number: a leg that is redirected
// to one that it does not have is hung up.
func (d *Driver) reachable(ctx context.Context, number, value string) error {
	answer, err := d.ask(ctx, "DIALPLAN_EXISTS("+d.context+","+number+",1)")
	if err == nil && answer == "0" {
		err = csta.Errorf(csta.Operation, value, "the dialplan has no %q in context %s", number, d.context)
	}
	return err
}

// alternateCall holds the active call and retrieves the held one.
func (d *Driver) alternateCall(ctx context.Context, req *csta.AlternateCall) (*csta.AlternateCallResponse, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	if err := d.settled(ctx, req.ActiveCall); err != nil {
		return nil, err
	}
	ch, h, active, err := d.both(req.HeldCall, req.ActiveCall)
	if err != nil {
		return nil, err
	}
	switch {
	case d.far(active) == nil:
		err = csta.Errorf(csta.StateIncompatibility, "invalidActiveConnectionState", "%s is not connected to one other party", req.ActiveCall)
	case h == nil && d.talk.match(active.device):
		if err = d.notify(ctx, active, "hold"); err == nil {
			err = d.notify(ctx, ch, "talk")
		}
	case h != nil && ch == active:
		err = d.retrieve(ctx, h, d.far(active))
	default:
		err = errTwoLegs
	}
	if err != nil {
		return nil, err
	}
	return &csta.AlternateCallResponse{}, nil
}

// errTwoLegs refuses to switch between two legs of a phone of which the PBX
// holds one: which of them the phone lets talk is the phone's own.
var errTwoLegs = csta.Errorf(csta.Operation, "requestIncompatibleWithDevice", "the calls are two of the phone's own: it must switch between them itself")

// both returns the legs of a held and an active call of one device, and the
// hold if the PBX makes it.
func (d *Driver) both(held, active csta.ConnectionID) (*channel, *hold, *channel, error) {
	if held.DeviceID.ID != active.DeviceID.ID {
		return nil, nil, nil, csta.Errorf(csta.Operation, "notSameDevice", "%s and %s are not of one device", held, active)
	}
	if _, _, err := d.calls.Require(active, "invalidActiveConnectionState", pbx.Connected); err != nil {
		return nil, nil, nil, err
	}
	ch, h, err := d.held(held, "invalidHeldConnectionState")
	if err != nil {
		return nil, nil, nil, err
	}
	other, err := d.leg(active)
	return ch, h, other, err
}

// reconnectCall clears the active call and retrieves the held one.
func (d *Driver) reconnectCall(ctx context.Context, req *csta.ReconnectCall) (*csta.ReconnectCallResponse, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	ch, h, active, err := d.both(req.HeldCall, req.ActiveCall)
	if err != nil {
		return nil, err
	}
	switch {
	case h == nil:
		if err = d.do(ctx, csta.StateIncompatibility, "noActiveCall", "Hangup", "Channel", active.name, "Cause", "16"); err == nil {
			err = d.notify(ctx, ch, "talk")
		}
	case ch == active:
		err = d.reconnect(ctx, h)
	default:
		if err = d.do(ctx, csta.StateIncompatibility, "noActiveCall", "Hangup", "Channel", active.name, "Cause", "16"); err == nil {
			err = d.retrieve(ctx, h, nil)
		}
	}
	if err != nil {
		return nil, err
	}
	return &csta.ReconnectCallResponse{}, nil
}

// reconnect takes the leg out of its active call, back to the held party.
func (d *Driver) reconnect(ctx context.Context, h *hold) error {
	ch := h.holder
	far := d.far(ch)
	if err := d.retrieve(ctx, h, nil); err != nil {
		return err
	}
	if far != nil {
		d.drop(far) // it would talk to nobody
	}
	return nil
}

// A move sends a channel elsewhere in the dialplan.
type move struct {
	ch             *channel
	context, exten string
}

// redirect moves one channel, or two at once. They leave the bridge that they are in. While
// Asterisk still carries out a redirection before, it refuses another, which is then tried again.
func (d *Driver) redirect(ctx context.Context, value string, moves ...move) error {
	var pairs []string
	for i, m := range moves {
		extra := [...]string{"", "Extra"}[i]
		pairs = append(pairs, extra+"Channel", m.ch.name, extra+"Context", m.context, extra+"Exten", m.exten, extra+"Priority", "1")
	}
	for tries := 0; ; tries++ {
		_, err := d.conn.Do(ctx, ami.NewAction("Redirect", pairs...))
		var refused *ami.Error
		switch {
		case err == nil:
			for _, m := range moves {
				d.bridged(m.ch, "") // BridgeLeave is on its way
			}
			return nil
		case errors.As(err, &refused) && strings.Contains(refused.Message, "not up") && tries < redirectTries:
			select {
			case <-ctx.Done():
			case <-time.After(redirectPause):
			}
		default:
			return refusal(err, csta.StateIncompatibility, value)
		}
	}
}

// How often and how fast a redirection is tried again.
const (
	redirectTries = 20
	redirectPause = 10 * time.Millisecond
)

// release takes the legs of a device that has transferred its calls out of use,
// but for one that has held parties left.
func (d *Driver) release(legs ...*channel) {
	for _, ch := range slices.Compact(legs) {
		if len(ch.holds) == 0 {
			d.drop(ch)
		}
	}
}
