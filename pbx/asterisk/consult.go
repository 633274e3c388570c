package asterisk

import (
	"context"
	"slices"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// consultationCall holds a call and makes another one out of the same leg.
func (d *Driver) consultationCall(ctx context.Context, req *csta.ConsultationCall) (*csta.ConsultationCallResponse, error) {
	number, err := destination(req.ConsultedDevice, "invalidCalledDeviceID")
	if err != nil {
		return nil, err
	}
	id := newCallID(ctx)
	err = d.attempt(ctx, func() error {
		if d.states[id] != nil {
			return nil // the same command again: it was carried out
		}
		ch, err := d.connected(req.ExistingCall, "invalidConnectionState")
		if err != nil {
			return err
		}
		return d.consult(ctx, ch, d.far(ch), id, number)
	}, req.ExistingCall)
	if err != nil {
		return nil, err
	}
	return &csta.ConsultationCallResponse{InitiatedCall: csta.Connection(id, req.ExistingCall.DeviceID.ID)}, nil
}

// consult has a leg dial the number in a new call. The call that it is in now, if any, is put on hold in the
// same step: its far end, or the leg's place in a conference.
func (d *Driver) consult(ctx context.Context, ch, far *channel, id, number string) error {
	if err := d.reachable(ctx, number, "invalidCalledDeviceID"); err != nil {
		return err
	}
	call, before := ch.call, ch.marked
	moves := []move{{ch, d.consultContext, number}}
	room := d.inRoom(ch)
	if room {
		if err := d.markAway(ctx, ch, call); err != nil {
			return err
		}
	}
	if far != nil {
		if err := d.markHeld(ctx, call, ch, far); err != nil {
			return err
		}
		moves = append(moves, move{far, d.holdContext, "held"})
	}
	called := "-"
	if c := d.states[call]; c != nil && ch.calls && c.target != "" {
		called = c.target
	}
	d.remark(ch, id, called)
	d.note(ch, "RCC_CALLED", number)
	if err := d.redirect(ctx, "invalidConnectionState", moves...); err != nil {
		d.mark(ch, before)
		if far != nil {
			d.unmark(ch, far)
		}
		if room {
			d.settleHolds(ch)
		}
		return err
	}
	d.forgetBefore(ch)
	if far != nil || room {
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
	err := d.attempt(ctx, func() error {
		ch, h, active, err := d.both(req.HeldCall, req.ActiveCall)
		switch {
		case err != nil:
			return err
		case d.far(active) == nil && !d.inRoom(active):
			return csta.Errorf(csta.StateIncompatibility, "invalidActiveConnectionState", "%s is not connected to one other party", req.ActiveCall)
		case h == nil && d.talk.Match(active.device):
			return d.alternateAtPhone(ctx, ch, active, req.ActiveCall)
		case h != nil && ch == active:
			return d.retrieve(ctx, h, true)
		}
		return errTwoLegs
	}, req.HeldCall, req.ActiveCall)
	if err != nil {
		return nil, err
	}
	return &csta.AlternateCallResponse{}, nil
}

// alternateAtPhone has the phone hold the one call and then resume the other:
// both at once would cross in the phone.
func (d *Driver) alternateAtPhone(ctx context.Context, held, active *channel, id csta.ConnectionID) error {
	if err := d.notify(ctx, active, "hold"); err != nil {
		return err
	}
	deadline := time.NewTimer(arrivalTime)
	defer deadline.Stop()
	for late := false; !late; {
		if _, _, err := d.calls.Require(id, "invalidActiveConnectionState", pbx.Connected); err != nil {
			break // it is held, or over
		}
		moved := d.moved
		d.done()
		select {
		case <-moved:
		case <-ctx.Done():
			late = true
		case <-deadline.C:
			late = true
		}
		if err := d.take(ctx); err != nil {
			d.turn <- struct{}{} // the caller gives it back
			return err
		}
	}
	return d.notify(ctx, held, "talk")
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
	err := d.attempt(ctx, func() error {
		ch, h, active, err := d.both(req.HeldCall, req.ActiveCall)
		switch {
		case err != nil:
			return err
		case h != nil && ch == active:
			return d.reconnect(ctx, h)
		}
		if err := d.do(ctx, csta.StateIncompatibility, "noActiveCall", "Hangup", "Channel", active.name, "Cause", "16"); err != nil {
			return err
		}
		if h == nil {
			return d.notify(ctx, ch, "talk")
		}
		return d.retrieve(ctx, h, false)
	}, req.HeldCall) // the active one may still ring
	if err != nil {
		return nil, err
	}
	return &csta.ReconnectCallResponse{}, nil
}

// reconnect takes the leg out of its active call, back to the held party.
func (d *Driver) reconnect(ctx context.Context, h *hold) error {
	ch := h.holder
	far := d.far(ch)
	if err := d.retrieve(ctx, h, false); err != nil {
		return err
	}
	if far != nil {
		d.drop(far) // it would talk to nobody
	}
	return nil
}

// release takes the legs of a device that has transferred its calls out of use,
// but for one that has held parties left.
func (d *Driver) release(legs ...*channel) {
	for _, ch := range slices.Compact(legs) {
		if len(ch.holds) == 0 {
			d.drop(ch)
		}
	}
}
