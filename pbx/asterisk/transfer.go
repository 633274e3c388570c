package asterisk

import (
	"context"

	"rccgw/csta"
	"rccgw/pbx"
)

// transferCall joins the far ends of a held and an active call by Bridge, and
// releases the device's legs. Asterisk has no event for that.
func (d *Driver) transferCall(ctx context.Context, req *csta.TransferCall) (*csta.TransferCallResponse, error) {
	held, active := req.HeldCall, req.ActiveCall
	if held.DeviceID.ID != active.DeviceID.ID {
		return nil, csta.Errorf(csta.Operation, "notSameDevice", "%s and %s are not of one device", held, active)
	}
	resp := &csta.TransferCallResponse{}
	err := d.attempt(ctx, func() error { return d.transfer(ctx, held, active, resp) }, held, active)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (d *Driver) transfer(ctx context.Context, held, active csta.ConnectionID, resp *csta.TransferCallResponse) error {
	// Two connected calls are as good: some clients retrieve before they transfer.
	if _, _, err := d.calls.Require(held, "invalidHeldConnectionState", pbx.Hold, pbx.Connected); err != nil {
		return err
	}
	one, first, err := d.partner(held, "invalidHeldConnectionState")
	if d.conferring(held) || d.conferring(active) {
		return d.transferInto(ctx, held, active, resp)
	}
	if err != nil {
		return err
	}
	if _, _, err := d.calls.Require(active, "invalidActiveConnectionState", pbx.Connected, pbx.Hold); err != nil {
		return err
	}
	two, second, err := d.partner(active, "invalidActiveConnectionState")
	if err != nil {
		return err
	}
	if first == second || held.CallID == active.CallID {
		return csta.Errorf(csta.StateIncompatibility, "invalidConnectionIDForActiveCall", "%s and %s are one call", held, active)
	}
	to := d.consulted(two, nil, active.CallID)
	// Their Linkedid becomes one of the two, and while Asterisk bridges them they cannot be marked.
	d.markAll(active, held.CallID)
	d.markAll(held, held.CallID)
	var holds []*hold
	for _, far := range []*channel{first, second} {
		if h := far.heldBy; h != nil {
			holds = append(holds, h)
			if err := d.unhold(ctx, h); err != nil {
				return err
			}
		}
	}
	if err := d.do(ctx, csta.StateIncompatibility, "invalidActiveConnectionState", "Bridge", "Channel1", first.name, "Channel2", second.name,
		"Tone", "no"); err != nil {
		d.markAll(active, active.CallID)
		for _, h := range holds {
			d.rehold(h)
		}
		return err
	}
	// Asterisk tells of the new bridge after this.
	d.bridged(first, "")
	d.bridged(second, "")
	for _, h := range holds {
		d.dropHold(h)
	}
	d.joined(pbx.Joining{Device: held.DeviceID.ID, Primary: held.CallID, Secondary: active.CallID, Result: held.CallID, To: shownOf(to),
		Cause: causeTransfer}, one, two)
	d.release(one, two)
	if to == nil {
		to = second
	}
	resp.TransferredCall = csta.Connection(held.CallID, to.device)
	return nil
}

// conferring reports whether the connection is one to a conference.
func (d *Driver) conferring(id csta.ConnectionID) bool {
	c := d.states[id.CallID]
	return c != nil && c.room
}

// transferInto transfers calls of which one is a conference: it goes on without the device.
func (d *Driver) transferInto(ctx context.Context, held, active csta.ConnectionID, resp *csta.TransferCallResponse) error {
	if held.CallID == active.CallID {
		return csta.Errorf(csta.StateIncompatibility, "invalidConnectionIDForActiveCall", "%s and %s are one call", held, active)
	}
	if _, _, err := d.calls.Require(active, "invalidActiveConnectionState", pbx.Connected, pbx.Hold); err != nil {
		return err
	}
	result, to, err := d.meet(ctx, held, active, false)
	if err == nil {
		resp.TransferredCall = csta.Connection(result, to.device)
	}
	return err
}

// markAll keeps the call at all parties of a connection's call but its own.
func (d *Driver) markAll(id csta.ConnectionID, call string) {
	for ch := range d.callOf(id.CallID).members {
		if !ch.local && ch.device != id.DeviceID.ID {
			d.remark(ch, call, "")
		}
	}
}

// partner returns the device's leg of a connection and the channel at the
// other end of it: who is held, or who it talks with.
func (d *Driver) partner(id csta.ConnectionID, value string) (own, far *channel, err error) {
	if own, err = d.leg(id); err != nil {
		return nil, nil, err
	}
	if h := d.states[id.CallID].holdOf(own.device); h != nil && h.peer != nil {
		return own, h.peer, nil
	}
	if far = d.far(own); far == nil || own.call != id.CallID {
		return nil, nil, csta.Errorf(csta.StateIncompatibility, value, "%s is not connected to one other party", id)
	}
	return own, far, nil
}

// singleStepTransferCall sends the far end of a connected or held call to
// another number. An alerting call is deflected: some clients ask for that so.
func (d *Driver) singleStepTransferCall(ctx context.Context, req *csta.SingleStepTransferCall) (*csta.SingleStepTransferCallResponse, error) {
	number, err := destination(req.TransferredTo, "invalidDestination")
	if err != nil {
		return nil, err
	}
	id := req.ActiveCall
	resp := &csta.SingleStepTransferCallResponse{TransferredCall: csta.ConnectionID{CallID: id.CallID}}
	err = d.attempt(ctx, func() error {
		_, conn, err := d.calls.Require(id, "invalidActiveConnectionState", pbx.Connected, pbx.Hold, pbx.Alerting)
		if err != nil {
			return err
		}
		if err := d.reachable(ctx, number, "invalidDestination"); err != nil {
			return err
		}
		// The answer names who is transferred: whom to is not in the call yet.
		who := d.consulted(&channel{device: id.DeviceID.ID}, nil, id.CallID)
		if conn.State == pbx.Alerting {
			err = d.deflect(ctx, id, number)
		} else {
			err = d.sendAway(ctx, id, number)
		}
		if err == nil && who != nil {
			resp.TransferredCall = csta.Connection(id.CallID, who.device)
		}
		return err
	}, id)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// sendAway redirects the far end, and releases the device's leg.
func (d *Driver) sendAway(ctx context.Context, id csta.ConnectionID, number string) error {
	own, far, err := d.partner(id, "invalidActiveConnectionState")
	if err != nil {
		return err
	}
	moves := []move{{far, d.context, number}}
	if far.heldBy == nil && len(own.holds) > 0 {
		// The leg goes back to its held parties in the same step.
		moves = append(moves, move{own, d.holdContext, "holder"})
	}
	d.mark(far, id.CallID) // who is dialled next inherits it
	if err := d.redirect(ctx, "invalidActiveConnectionState", moves...); err != nil {
		return err
	}
	c := d.callOf(id.CallID)
	if h := far.heldBy; h != nil {
		d.dropHold(h)
		d.unmark(h.holder, far)
	}
	far.calls = true
	c.target, c.cause, c.caller = number, causeSingleStep, true
	d.calls.Transferred(pbx.Joining{Device: own.device, Primary: id.CallID, Result: id.CallID, To: d.shown(number), Cause: causeSingleStep})
	if own.call == id.CallID {
		d.enter(own, "")
	}
	if own.call == "" {
		d.release(own)
	}
	return nil
}

// deflectCall sends an alerting call to another number.
func (d *Driver) deflectCall(ctx context.Context, req *csta.DeflectCall) (*csta.DeflectCallResponse, error) {
	number, err := destination(req.NewDestination, "invalidDestination")
	if err != nil {
		return nil, err
	}
	err = d.attempt(ctx, func() error {
		if _, _, err := d.calls.Require(req.CallToBeDiverted, "noCallToAnswer", pbx.Alerting); err != nil {
			return err
		}
		if err := d.reachable(ctx, number, "invalidDestination"); err != nil {
			return err
		}
		return d.deflect(ctx, req.CallToBeDiverted, number)
	})
	if err != nil {
		return nil, err
	}
	return &csta.DeflectCallResponse{}, nil
}

// deflect redirects whoever called the device. Other phones that ring for the
// same call stop ringing.
func (d *Driver) deflect(ctx context.Context, id csta.ConnectionID, number string) error {
	own, err := d.leg(id)
	if err != nil {
		return err
	}
	caller := own.by
	if caller == nil || d.channels[caller.id] != caller {
		return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "nobody is found who calls %s", id)
	}
	d.mark(caller, id.CallID)
	if err := d.redirect(ctx, "invalidConnectionState", move{caller, d.context, number}); err != nil {
		return err
	}
	c := d.callOf(id.CallID)
	c.target, c.cause = number, causeRedirected
	d.calls.Diverted(id.CallID, own.device, d.shown(number), causeRedirected)
	d.enter(own, "")
	return nil
}
