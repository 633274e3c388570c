package freeswitch

import (
	"context"

	"rccgw/csta"
	"rccgw/pbx"
)

// holdCall has the PBX hold the call for the phone.
func (d *Driver) holdCall(ctx context.Context, req *csta.HoldCall) (*csta.HoldCallResponse, error) {
	err := d.inTurn(ctx, func() error {
		ch, err := d.require(req.CallToBeHeld, "invalidConnectionState", pbx.Connected)
		if err != nil {
			return err
		}
		return d.do(ctx, "invalidConnectionState", "uuid_hold", ch.uuid)
	})
	if err != nil {
		return nil, err
	}
	return &csta.HoldCallResponse{}, nil
}

// retrieveCall ends a hold, whoever began it.
func (d *Driver) retrieveCall(ctx context.Context, req *csta.RetrieveCall) (*csta.RetrieveCallResponse, error) {
	err := d.inTurn(ctx, func() error {
		ch, err := d.require(req.CallToBeRetrieved, "noHeldCall", pbx.Hold)
		if err != nil {
			return err
		}
		return d.do(ctx, "noHeldCall", "uuid_hold", "off", ch.uuid)
	})
	if err != nil {
		return nil, err
	}
	return &csta.RetrieveCallResponse{}, nil
}
