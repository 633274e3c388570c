package freeswitch

import (
	"context"

	"rccgw/csta"
	"rccgw/pbx"
)

// consultationCall holds a call and has the PBX call the phone once more, which answers by
// itself: it is registered for such phones only. The new call's UUID is made of the command's key.
func (d *Driver) consultationCall(ctx context.Context, req *csta.ConsultationCall) (*csta.ConsultationCallResponse, error) {
	number, err := destination(req.ConsultedDevice, "invalidCalledDeviceID")
	if err != nil {
		return nil, err
	}
	line, id := req.ExistingCall.DeviceID.ID, newCallID(ctx)
	var held *channel
	var m *pbx.Making
	err = d.inTurn(ctx, func() error {
		if d.known(id) {
			m = d.making[id]
			return nil // the same command again: it is carried out
		}
		ch, err := d.require(req.ExistingCall, "invalidConnectionState", pbx.Connected)
		if err != nil {
			return err
		}
		if err := d.do(ctx, "invalidConnectionState", "uuid_hold", ch.uuid); err != nil {
			return err
		}
		held = ch
		m, err = d.originate(ctx, line, id, number, true)
		return err
	})
	if err == nil && m != nil {
		err = m.Wait(ctx)
	}
	if err != nil {
		if held != nil && csta.AsError(err).Class != csta.PrivateError {
			// Nobody was called: the call is to go on.
			_ = d.inTurn(ctx, func() error { return d.do(ctx, "noHeldCall", "uuid_hold", "off", held.uuid) })
		}
		return nil, err
	}
	return &csta.ConsultationCallResponse{InitiatedCall: csta.Connection(id, line)}, nil
}

// two returns the channels of a held and an active call of one device.
func (d *Driver) two(heldCall, activeCall csta.ConnectionID) (held, active *channel, err error) {
	if heldCall.DeviceID.ID != activeCall.DeviceID.ID {
		return nil, nil, csta.Errorf(csta.Operation, "notSameDevice", "%s and %s are not of one device", heldCall, activeCall)
	}
	if held, err = d.require(heldCall, "invalidHeldConnectionState", pbx.Hold); err != nil {
		return nil, nil, err
	}
	active, err = d.require(activeCall, "invalidActiveConnectionState", pbx.Connected)
	return held, active, err
}

// alternateCall holds the active call and retrieves the held one.
func (d *Driver) alternateCall(ctx context.Context, req *csta.AlternateCall) (*csta.AlternateCallResponse, error) {
	err := d.inTurn(ctx, func() error {
		held, active, err := d.two(req.HeldCall, req.ActiveCall)
		if err != nil {
			return err
		}
		if err := d.do(ctx, "invalidActiveConnectionState", "uuid_hold", active.uuid); err != nil {
			return err
		}
		return d.do(ctx, "invalidHeldConnectionState", "uuid_hold", "off", held.uuid)
	})
	if err != nil {
		return nil, err
	}
	return &csta.AlternateCallResponse{}, nil
}

// reconnectCall clears the active call and retrieves the held one.
func (d *Driver) reconnectCall(ctx context.Context, req *csta.ReconnectCall) (*csta.ReconnectCallResponse, error) {
	err := d.inTurn(ctx, func() error {
		held, active, err := d.two(req.HeldCall, req.ActiveCall)
		if err != nil {
			return err
		}
		if err := d.do(ctx, "invalidActiveConnectionState", "uuid_kill", active.uuid, "NORMAL_CLEARING"); err != nil {
			return err
		}
		return d.do(ctx, "invalidHeldConnectionState", "uuid_hold", "off", held.uuid)
	})
	if err != nil {
		return nil, err
	}
	return &csta.ReconnectCallResponse{}, nil
}
