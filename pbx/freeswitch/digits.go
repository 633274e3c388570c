package freeswitch

import (
	"context"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
)

// maxDigits is how many digits are sent by one command.
const maxDigits = 64

// generateDigits sends digits to all whom the device talks with.
func (d *Driver) generateDigits(ctx context.Context, req *csta.GenerateDigits) (*csta.GenerateDigitsResponse, error) {
	send := req.CharactersToSend
	switch {
	case req.DigitMode != "" && req.DigitMode != "dTMF":
		return nil, csta.Errorf(csta.Operation, "digitModeNotSupported", "digitMode %q is not offered, only dTMF", req.DigitMode)
	case req.PulseRate != nil:
		return nil, csta.Errorf(csta.Operation, "pulseRateNotSupported", "pulseRate %d: digits are no pulses", *req.PulseRate)
	case req.ToneDuration != nil:
		return nil, csta.Errorf(csta.Operation, "toneDurationNotSupported", "toneDuration %d: FreeSWITCH says how long a tone is", *req.ToneDuration)
	case req.PauseDuration != nil:
		return nil, csta.Errorf(csta.Operation, "toneDurationNotSupported", "pauseDuration %d: FreeSWITCH says how long a pause is", *req.PauseDuration)
	}
	err := d.inTurn(ctx, func() error {
		ch, err := d.require(req.ConnectionToSendDigits, "invalidConnectionState", pbx.Connected)
		if err != nil {
			return err
		}
		if send == "" || len(send) > maxDigits || strings.Trim(send, digits+"*#ABCD") != "" {
			return csta.Errorf(csta.Operation, "charactersToSendNotSupported", "charactersToSend %.80q: not 1 to %d of 0 to 9, *, #, A to D", send, maxDigits)
		}
		to := d.members(ch.call)
		if ch.room == "" {
			far, err := d.partner(ch, "invalidConnectionState")
			if err != nil {
				return err
			}
			to = []*channel{far}
		}
		for _, far := range to {
			if far == ch {
				continue
			}
			if err := d.do(ctx, "invalidConnectionState", "uuid_send_dtmf", far.uuid, send); err != nil {
				return err
			}
		}
		d.calls.Digits(ch.call, ch.party().Device, send)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &csta.GenerateDigitsResponse{}, nil
}
