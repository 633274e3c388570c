package freeswitch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
)

// newCallID returns the callID of the call that a command makes, a UUID. The same
// command gives the same one: FreeSWITCH refuses a second channel with it while
// the first lives.
func newCallID(ctx context.Context) string {
	key := csta.CommandKey(ctx)
	if key == "" {
		key = rand.Text()
	}
	b := sha256.Sum256([]byte("rccgw " + key))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // a UUID of version 8, RFC 9562: made by rules of our own
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// makeCall has the PBX call the phone, which dials when it answers. With doNotPrompt it is
// asked to answer by itself, where the settings say that it obeys.
func (d *Driver) makeCall(ctx context.Context, req *csta.MakeCall) (*csta.MakeCallResponse, error) {
	number, err := destination(req.CalledDirectoryNumber, "invalidCalledDeviceID")
	if err != nil {
		return nil, err
	}
	line, id := req.CallingDevice.ID, newCallID(ctx)
	var m *pbx.Making
	err = d.inTurn(ctx, func() error {
		if d.known(id) {
			m = d.making[id]
			return nil // the same command again: it is carried out
		}
		if err := d.line(ctx, line); err != nil {
			return err
		}
		m, err = d.originate(ctx, line, id, number, req.AutoOriginate == "doNotPrompt")
		return err
	})
	if err == nil && m != nil {
		err = m.Wait(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &csta.MakeCallResponse{CallingDevice: csta.Connection(id, line)}, nil
}

// known reports whether the call that a command makes is there, or was.
func (d *Driver) known(id string) bool {
	_, ended := d.ended[id]
	return d.channels[id] != nil || d.making[id] != nil || ended
}

// originate has the PBX call the line's phone, which dials the number when it answers. It
// returns what to wait for, without the turn.
func (d *Driver) originate(ctx context.Context, line, id, number string, auto bool) (*pbx.Making, error) {
	vars := []string{"origination_caller_id_number=" + line}
	if auto && d.autoAnswer.Match(line) {
		vars = append(vars, "sip_auto_answer=true")
	}
	return d.call(ctx, line, id, number, vars...)
}

// call has the PBX call a phone by a channel of that UUID and with the variables, which dials the number when it is answered.
func (d *Driver) call(ctx context.Context, line, id, number string, vars ...string) (*pbx.Making, error) {
	if err := pbx.CheckLease(ctx); err != nil {
		return nil, err
	}
	vars = append(vars, "origination_uuid="+id, "ignore_early_media=true", "originate_timeout="+strconv.Itoa(int(d.ringTime.Seconds())))
	m := pbx.NewMaking()
	d.making[id] = m
	command := "originate {" + strings.Join(vars, ",") + "}user/" + line + "@" + d.domain + " " + number + " " + d.dialplan + " " + d.context
	if err := d.conn.BgAPI(ctx, id, command); err != nil {
		delete(d.making, id)
		return nil, refusal(err, csta.Operation, "generic")
	}
	return m, nil
}

// answerCall has a phone answer that obeys NOTIFY talk. It is registered for such
// phones only.
func (d *Driver) answerCall(ctx context.Context, req *csta.AnswerCall) (*csta.AnswerCallResponse, error) {
	err := d.inTurn(ctx, func() error {
		ch, err := d.require(req.CallToBeAnswered, "noCallToAnswer", pbx.Alerting)
		if err != nil {
			return err
		}
		return d.do(ctx, "noCallToAnswer", "uuid_phone_event", ch.uuid, "talk")
	})
	if err != nil {
		return nil, err
	}
	return &csta.AnswerCallResponse{}, nil
}

// require returns the channel of a connection that must be in one of the states; another is
// refused with value.
func (d *Driver) require(id csta.ConnectionID, value string, states ...csta.LocalConnectionState) (*channel, error) {
	if _, _, err := d.calls.Require(id, value, states...); err != nil {
		return nil, err
	}
	return d.find(id)
}

// clearConnection hangs a phone up, or rejects the call for it.
func (d *Driver) clearConnection(ctx context.Context, req *csta.ClearConnection) (*csta.ClearConnectionResponse, error) {
	err := d.inTurn(ctx, func() error {
		id := req.ConnectionToBeCleared
		_, conn, err := d.calls.Find(id)
		if err != nil {
			return err
		}
		ch, err := d.find(id)
		if err != nil {
			return err
		}
		cause := "NORMAL_CLEARING"
		if conn.State == pbx.Alerting {
			cause = "CALL_REJECTED"
		}
		return d.do(ctx, "noConnectionToClear", "uuid_kill", ch.uuid, cause)
	})
	if err != nil {
		return nil, err
	}
	return &csta.ClearConnectionResponse{}, nil
}

// clearCall hangs up everybody who is in the call of a connection.
func (d *Driver) clearCall(ctx context.Context, req *csta.ClearCall) (*csta.ClearCallResponse, error) {
	err := d.inTurn(ctx, func() error {
		if _, _, err := d.calls.Find(req.CallToBeCleared); err != nil {
			return err
		}
		cleared := false
		var failed error
		for _, ch := range d.channels {
			if ch.call != req.CallToBeCleared.CallID || ch.left {
				continue
			}
			// The end of one may have been that of another.
			if err := d.do(ctx, "noCallToClear", "uuid_kill", ch.uuid, "NORMAL_CLEARING"); err == nil {
				cleared = true
			} else {
				failed = err
			}
		}
		if cleared {
			return nil
		}
		if failed == nil {
			failed = csta.Errorf(csta.StateIncompatibility, "noCallToClear", "call %s has no channel at the PBX", req.CallToBeCleared.CallID)
		}
		return failed
	})
	if err != nil {
		return nil, err
	}
	return &csta.ClearCallResponse{}, nil
}
