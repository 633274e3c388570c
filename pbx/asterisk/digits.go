package asterisk

import (
	"context"
	"strconv"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// The limits of GenerateDigits. Asterisk makes no digit shorter than 80 ms.
const (
	maxDigits     = 32
	digitDuration = 100 // ms, where the client does not say
	minDuration   = 80
	maxDuration   = 2000
	// digitGap is the pause that Asterisk keeps between two digits, and lateDigits how much later than that the last may be.
	digitGap   = 50 * time.Millisecond
	lateDigits = 2 * time.Second
)

// A sending is digits that the driver had sent, as far as the PBX has told that they went.
type sending struct {
	count int
	told  string
}

// generateDigits has the PBX take digits for pressed at the device: whoever it talks with gets them, a phone, a trunk, a conference or an
// application of the dialplan. That they were pressed is told by the same event as when a hand did it.
func (d *Driver) generateDigits(ctx context.Context, req *csta.GenerateDigits) (*csta.GenerateDigitsResponse, error) {
	if req.DigitMode != "" && req.DigitMode != "dTMF" {
		return nil, csta.Errorf(csta.Operation, "digitModeNotSupported", "digitMode %q is not offered, only dTMF", req.DigitMode)
	}
	if req.PulseRate != nil {
		return nil, csta.Errorf(csta.Operation, "pulseRateNotSupported", "pulseRate %d: digits are no pulses", *req.PulseRate)
	}
	if req.PauseDuration != nil {
		return nil, csta.Errorf(csta.Operation, "parameterNotSupported", "pauseDuration %d: the pause between digits is the PBX's", *req.PauseDuration)
	}
	duration := int64(digitDuration)
	if req.ToneDuration != nil {
		if duration = *req.ToneDuration; duration < minDuration || duration > maxDuration {
			return nil, csta.Errorf(csta.Operation, "toneDurationOutOfRange", "toneDuration %d is not between %d and %d ms", duration, minDuration, maxDuration)
		}
	}
	characters := req.CharactersToSend
	if bad := strings.Trim(characters, digits+"*#ABCD"); bad != "" || characters == "" || len(characters) > maxDigits {
		return nil, csta.Errorf(csta.Operation, "charactersToSendNotSupported", "charactersToSend %.40q is not 1 to %d of 0 to 9, *, #, A to D", characters, maxDigits)
	}
	id := req.ConnectionToSendDigits
	err := d.attempt(ctx, func() error {
		if _, _, err := d.calls.Require(id, "invalidConnectionState", pbx.Connected); err != nil {
			return err
		}
		ch, err := d.leg(id)
		if err != nil {
			return err
		}
		if ch.call != id.CallID || d.far(ch) == nil && !d.inRoom(ch) && d.callOf(ch.call).app == "" {
			return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "%s talks with nobody", id)
		}
		return d.send(ctx, ch, characters, duration)
	}, id)
	if err != nil {
		return nil, err
	}
	return &csta.GenerateDigitsResponse{}, nil
}

// send hands the digits over at once: the PBX plays them one after the other.
func (d *Driver) send(ctx context.Context, ch *channel, characters string, duration int64) error {
	for i := range characters {
		err := d.do(ctx, csta.StateIncompatibility, "invalidConnectionState", "PlayDTMF", "Channel", ch.name, "Digit", characters[i:i+1],
			"Duration", strconv.FormatInt(duration, 10), "Receive", "true")
		if err != nil && i > 0 {
			d.sent(ch, i, duration)
			return csta.Errorf(csta.PrivateError, "uncertain", "%d of %d digits were sent: %v", i, len(characters), err)
		}
		if err != nil {
			return err
		}
	}
	d.sent(ch, len(characters), duration)
	return nil
}

func (d *Driver) sent(ch *channel, count int, duration int64) {
	s := &sending{count: count}
	ch.sent = append(ch.sent, s)
	each := time.Duration(duration)*time.Millisecond + digitGap
	wait := lateDigits
	for _, o := range ch.sent {
		wait += time.Duration(o.count) * each
	}
	d.later(wait, func() { d.tellSent(ch, s) })
}

// digit takes note of a digit that came from the channel, or was taken for such. Those of one sending are told together.
func (d *Driver) digit(ch *channel, f ami.Fields) {
	if ch.local || f.Get("Direction") != "Received" || ch.call == "" {
		return
	}
	digit := strings.Clone(f.Get("Digit"))
	if len(ch.sent) == 0 {
		d.calls.Digits(ch.call, ch.device, digit)
		return
	}
	s := ch.sent[0]
	if s.told += digit; len(s.told) == s.count {
		d.tellSent(ch, s)
	}
}

// tellSent tells of the digits of a sending that went. It may be told twice.
func (d *Driver) tellSent(ch *channel, s *sending) {
	for i, o := range ch.sent {
		if o == s {
			ch.sent = append(ch.sent[:i:i], ch.sent[i+1:]...)
			if s.told != "" {
				d.calls.Digits(ch.call, ch.device, s.told)
			}
			return
		}
	}
}
