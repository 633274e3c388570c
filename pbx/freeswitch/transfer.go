package freeswitch

import (
	"context"

	"rccgw/csta"
	"rccgw/pbx"
)

// partner returns the channel that a connection's channel talks with.
func (d *Driver) partner(ch *channel, value string) (*channel, error) {
	far := d.far(ch)
	if ch.room != "" || far == nil || !far.answered && !far.inbound || far.line != "" && far.line == ch.line {
		return nil, csta.Errorf(csta.StateIncompatibility, value, "%s is not connected to one other party", csta.Connection(ch.call, ch.party().Device))
	}
	return far, nil
}

// rename has a transfer carried out, after which channels are in a call of another callID. A callID is not used again:
// who left the call must not hear of it. The new one is kept at the channels, before anything
// is changed.
func (d *Driver) rename(ctx context.Context, value, call string, transfer func() error, channels ...*channel) error {
	var marked []*channel
	back := func() {
		for _, ch := range marked {
			_ = d.do(ctx, value, "uuid_setvar", ch.uuid, mark, ch.call)
			ch.marked = ch.call
		}
	}
	for _, ch := range channels {
		if err := d.do(ctx, value, "uuid_setvar", ch.uuid, mark, call); err != nil {
			back()
			return err
		}
		ch.marked = call
		marked = append(marked, ch)
	}
	if err := transfer(); err != nil {
		back()
		return err
	}
	for _, ch := range channels {
		ch.call = call
	}
	return nil
}

// transferCall bridges the far ends of a held and an active call. FreeSWITCH releases the
// device's legs, and has the first channel lead the call.
func (d *Driver) transferCall(ctx context.Context, req *csta.TransferCall) (*csta.TransferCallResponse, error) {
	resp := &csta.TransferCallResponse{}
	err := d.inTurn(ctx, func() error {
		held, active, err := d.two(req.HeldCall, req.ActiveCall)
		if err != nil {
			return err
		}
		first, err := d.partner(held, "invalidHeldConnectionState")
		if err != nil {
			return err
		}
		second, err := d.partner(active, "invalidActiveConnectionState")
		if err != nil {
			return err
		}
		if first.line != "" && first.line == second.line {
			return csta.Errorf(csta.StateIncompatibility, "invalidConnectionIDForActiveCall", "%s and %s are calls with the same line", req.HeldCall, req.ActiveCall)
		}
		result := newCallID(ctx)
		if err := d.rename(ctx, "invalidActiveConnectionState", result, func() error {
			return d.do(ctx, "invalidActiveConnectionState", "uuid_bridge", first.uuid, second.uuid)
		}, first, second); err != nil {
			return err
		}
		// FreeSWITCH will still say of both that they end.
		held.left, active.left = true, true
		to := second.party()
		d.calls.Transferred(pbx.Joining{Device: held.party().Device, Primary: req.HeldCall.CallID, Secondary: req.ActiveCall.CallID, Result: result,
			To: to.Shown(), Cause: causeTransfer})
		resp.TransferredCall = csta.Connection(result, to.Device)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// singleStepTransferCall sends the far end of a connected or held call to another
// number. An alerting call is deflected: some clients ask for that so.
func (d *Driver) singleStepTransferCall(ctx context.Context, req *csta.SingleStepTransferCall) (*csta.SingleStepTransferCallResponse, error) {
	number, err := destination(req.TransferredTo, "invalidDestination")
	if err != nil {
		return nil, err
	}
	resp := &csta.SingleStepTransferCallResponse{}
	err = d.inTurn(ctx, func() error {
		id := req.ActiveCall
		_, conn, err := d.calls.Require(id, "invalidActiveConnectionState", pbx.Connected, pbx.Hold, pbx.Alerting)
		if err != nil {
			return err
		}
		ch, err := d.find(id)
		if err != nil {
			return err
		}
		var who *channel
		if conn.State == pbx.Alerting {
			who, err = d.deflect(ctx, ch, number)
		} else {
			who, err = d.sendAway(ctx, ch, number)
		}
		if err == nil {
			// The answer names who is transferred: whom to is not in the call yet.
			resp.TransferredCall = csta.Connection(who.call, who.party().Device)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// sendAway transfers the far end, which leads the call from now on; FreeSWITCH releases the device's leg.
func (d *Driver) sendAway(ctx context.Context, ch *channel, number string) (*channel, error) {
	far, err := d.partner(ch, "invalidActiveConnectionState")
	if err != nil {
		return nil, err
	}
	result := newCallID(ctx)
	if err := d.rename(ctx, "invalidActiveConnectionState", result, func() error {
		return d.do(ctx, "invalidActiveConnectionState", "uuid_transfer", ch.uuid, "-bleg", number, d.dialplan, d.context)
	}, far); err != nil {
		return nil, err
	}
	ch.left = true
	d.calls.Transferred(pbx.Joining{Device: ch.party().Device, Primary: ch.call, Result: result, To: d.shown(number), Cause: causeSingleStep})
	return far, nil
}

// deflectCall sends an alerting call to another number.
func (d *Driver) deflectCall(ctx context.Context, req *csta.DeflectCall) (*csta.DeflectCallResponse, error) {
	number, err := destination(req.NewDestination, "invalidDestination")
	if err != nil {
		return nil, err
	}
	err = d.inTurn(ctx, func() error {
		ch, err := d.require(req.CallToBeDiverted, "noCallToAnswer", pbx.Alerting)
		if err != nil {
			return err
		}
		_, err = d.deflect(ctx, ch, number)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &csta.DeflectCallResponse{}, nil
}

// deflect transfers whoever calls the device. All phones that ring for the call stop ringing.
func (d *Driver) deflect(ctx context.Context, ch *channel, number string) (*channel, error) {
	caller := d.channels[ch.root]
	if caller == nil || caller == ch || caller.call != ch.call || caller.left {
		return nil, csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "nobody is found who calls %s", csta.Connection(ch.call, ch.line))
	}
	if err := d.do(ctx, "invalidConnectionState", "uuid_transfer", caller.uuid, number, d.dialplan, d.context); err != nil {
		return nil, err
	}
	ch.left = true
	d.calls.Diverted(ch.call, ch.party().Device, d.shown(number), causeRedirected)
	return caller, nil
}
