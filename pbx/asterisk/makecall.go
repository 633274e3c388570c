package asterisk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
)

// A making is a MakeCall that waits for the PBX to call the phone.
type making struct {
	number string
	into   *addition // nil: a new call
	picks  *channel  // nil: it makes a call
	*pbx.Making
}

// newCallID returns the callID of the call that a command makes. The same
// command gives the same one: it is the ChannelId of Originate, and a second
// channel with it is refused while the first lives.
func newCallID(ctx context.Context) string {
	key := csta.CommandKey(ctx)
	if key == "" {
		key = rand.Text()
	}
	sum := sha256.Sum256([]byte(key))
	return callIDPrefix + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:15]))
}

// callIDPrefix marks channels that the gateway made.
const callIDPrefix = "rcc-"

// makeCall has the phone make a call. A phone with a free leg, since the PBX holds
// a call for it, uses that. Any other is called, and dials when it answers;
// with doNotPrompt it is asked to answer by itself, where the settings say that it obeys.
func (d *Driver) makeCall(ctx context.Context, req *csta.MakeCall) (*csta.MakeCallResponse, error) {
	number, err := destination(req.CalledDirectoryNumber, "invalidCalledDeviceID")
	if err != nil {
		return nil, err
	}
	line, id := req.CallingDevice.ID, newCallID(ctx)
	resp := &csta.MakeCallResponse{CallingDevice: csta.Connection(id, line)}
	m, err := d.originate(ctx, line, id, number, req.AutoOriginate == "doNotPrompt")
	if err != nil || m == nil {
		return resp, err
	}
	if err := m.Wait(ctx); err != nil {
		return nil, err
	}
	return resp, nil
}

// originate has its turn. It returns what to wait for, nil if nothing.
func (d *Driver) originate(ctx context.Context, line, id, number string, auto bool) (*making, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	if d.states[id] != nil || d.making[id] != nil {
		return d.making[id], nil // the same command again: it is carried out
	}
	if err := d.line(ctx, line); err != nil {
		return nil, err
	}
	if ch := d.freeLeg(line); ch != nil {
		return nil, d.consult(ctx, ch, nil, id, number)
	}
	return d.call(ctx, line, id, number, auto, d.context, number)
}

// call has the PBX call the line's phone and, when that answers, send it to the extension. The number is what it shows.
func (d *Driver) call(ctx context.Context, line, id, number string, auto bool, dialplan, exten string, more ...string) (*making, error) {
	phone, err := d.phoneOf(ctx, line)
	if err != nil {
		return nil, err
	}
	m := &making{number: number, Making: pbx.NewMaking()}
	// What became of it is told by an event with the ActionID, and not always with the ChannelId.
	pairs := []string{"ActionID", id, "Channel", phone, "ChannelId", id, "Context", dialplan, "Exten", exten, "Priority", "1",
		"Async", "true", "Timeout", strconv.FormatInt(d.ringTime.Milliseconds(), 10),
		// The phone shows whom it is about to call.
		"Variable", "CONNECTEDLINE(num,i)=" + number, "Variable", "RCC_CALLED=" + number}
	pairs = append(pairs, more...)
	if auto && d.autoAnswer.Match(line) {
		pairs = append(pairs, "Variable", d.autoAnswerVariable)
	}
	d.making[id] = m
	if err := d.do(ctx, csta.Operation, "generic", "Originate", pairs...); err != nil {
		delete(d.making, id)
		return nil, err
	}
	return m, nil
}

// answerCall has a phone answer that obeys NOTIFY talk. It is registered for
// such phones only: with any other, Asterisk would hang up the call.
func (d *Driver) answerCall(ctx context.Context, req *csta.AnswerCall) (*csta.AnswerCallResponse, error) {
	err := d.attempt(ctx, func() error {
		if _, _, err := d.calls.Require(req.CallToBeAnswered, "noCallToAnswer", pbx.Alerting); err != nil {
			return err
		}
		ch, err := d.leg(req.CallToBeAnswered)
		if err != nil {
			return err
		}
		return d.notify(ctx, ch, "talk")
	})
	if err != nil {
		return nil, err
	}
	return &csta.AnswerCallResponse{}, nil
}

// notify sends the event to a phone within the dialog of its channel. The
// predicate of the registration is no proof for other services: whoever calls
// has checked that the phone honours it.
func (d *Driver) notify(ctx context.Context, ch *channel, event string) error {
	return d.do(ctx, csta.Operation, "requestIncompatibleWithDevice", "PJSIPNotify", "Channel", ch.name, "Variable", "Event="+event)
}

// leg returns the channel of a connection, in which the model has it.
func (d *Driver) leg(id csta.ConnectionID) (*channel, error) {
	ch := d.find(id.CallID, id.DeviceID.ID)
	if ch == nil {
		return nil, csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "connection %s has no channel at the PBX", id)
	}
	return ch, nil
}

// clearConnection hangs a phone up. A phone for which the PBX holds another
// call keeps its leg for that.
func (d *Driver) clearConnection(ctx context.Context, req *csta.ClearConnection) (*csta.ClearConnectionResponse, error) {
	id := req.ConnectionToBeCleared
	err := d.attempt(ctx, func() error {
		if _, _, err := d.calls.Find(id); err != nil {
			return err
		}
		ch, err := d.leg(id)
		if err != nil {
			return err
		}
		h := d.states[id.CallID].holdOf(ch.device)
		switch {
		case ch.call == id.CallID && len(ch.holds) > 0:
			return d.back(ctx, ch)
		case ch.call != id.CallID && h != nil && h.peer == nil && (ch.call != "" || len(ch.holds) > 1):
			d.giveUp(h, pbx.CauseNormalClearing)
			return nil
		case ch.call != id.CallID && h != nil && (ch.call != "" || len(ch.holds) > 1):
			ch = h.peer // the leg is in another call, or needed for one: only the held party goes
		}
		ch.declined = ch.dialled && !ch.up()
		for _, o := range d.states[id.CallID].parties() {
			if o != ch && ch.declined && o.device == ch.device && !o.calls && !o.up() {
				o.declined = true
				d.drop(o) // another phone of the line, which rings or is about to
			}
		}
		return d.do(ctx, csta.StateIncompatibility, "noConnectionToClear", "Hangup", "Channel", ch.name, "Cause", "16")
	}, id)
	if err != nil {
		return nil, err
	}
	return &csta.ClearConnectionResponse{}, nil
}

// back takes the leg out of the call that it is active in, to wait with its
// held parties. The far end of that call is released.
func (d *Driver) back(ctx context.Context, ch *channel) error {
	far := d.far(ch)
	if err := d.redirect(ctx, "invalidConnectionState", move{ch, d.holdContext, "holder"}); err != nil {
		return err
	}
	if far != nil {
		d.drop(far)
	}
	d.leave(ch, pbx.CauseNormalClearing)
	return nil
}
