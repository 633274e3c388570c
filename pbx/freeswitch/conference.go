package freeswitch

import (
	"context"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
)

// roomOf returns the conference that the number is of, empty if it is of none.
func (d *Driver) roomOf(dest string) string {
	name, ok := strings.CutPrefix(dest, d.conference)
	if !ok || d.conference == "" {
		return ""
	}
	return name
}

// members returns the channels of a call.
func (d *Driver) members(call string) (list []*channel) {
	for _, ch := range d.channels {
		if ch.call == call && !ch.left {
			list = append(list, ch)
		}
	}
	return list
}

// conferenceCall has the parties of a held and an active call meet in a conference: a new one, or
// that which one of the calls is. The device stays with one of its channels; FreeSWITCH releases the other.
func (d *Driver) conferenceCall(ctx context.Context, req *csta.ConferenceCall) (*csta.ConferenceCallResponse, error) {
	resp := &csta.ConferenceCallResponse{}
	err := d.inTurn(ctx, func() error {
		held, active, err := d.two(req.HeldCall, req.ActiveCall)
		if err != nil {
			return err
		}
		return d.confer(ctx, held, active, resp)
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (d *Driver) confer(ctx context.Context, held, active *channel, resp *csta.ConferenceCallResponse) error {
	device, primary, secondary, result := held.line, held.call, active.call, newCallID(ctx)
	if device == "" || held.room != "" && active.room != "" {
		return csta.Errorf(csta.StateIncompatibility, "invalidActiveConnectionState", "%s and %s are conferences", held.call, active.call)
	}
	room, stays, goes := result, held, active
	var first, second *channel // the far ends of calls that are no conference yet
	var err error
	switch {
	case held.room != "":
		room = held.room
	case active.room != "":
		room, stays, goes = active.room, active, held
	default:
		if first, err = d.partner(held, "invalidHeldConnectionState"); err != nil {
			return err
		}
	}
	if second, err = d.partner(goes, "invalidActiveConnectionState"); err != nil {
		return err
	}
	all := []*channel{stays, second}
	lines := map[string]bool{device: true}
	for _, ch := range append(d.members(stays.call), second) {
		if ch == stays {
			continue
		}
		if ch.line != "" && lines[ch.line] {
			return csta.Errorf(csta.StateIncompatibility, "invalidConnectionIDForActiveCall", "line %s would be in the conference twice", ch.line)
		}
		if lines[ch.line] = true; ch != second {
			all = append(all, ch)
		}
	}
	number := d.conference + room
	join := func() error {
		if err := d.do(ctx, "invalidHeldConnectionState", "uuid_hold", "off", held.uuid); err != nil {
			return err
		}
		if first != nil {
			if err := d.do(ctx, "invalidHeldConnectionState", "uuid_transfer", held.uuid, "-both", number, d.dialplan, d.context); err != nil {
				return err
			}
			held.room, first.room = room, room
		}
		return d.do(ctx, "invalidActiveConnectionState", "uuid_transfer", goes.uuid, "-bleg", number, d.dialplan, d.context)
	}
	if err := d.rename(ctx, "invalidActiveConnectionState", result, join, all...); err != nil {
		return err
	}
	second.room, goes.left = room, true
	d.calls.Conferenced(pbx.Joining{Device: device, Primary: primary, Secondary: secondary, Result: result, To: second.party().Shown(), Cause: causeConference})
	resp.ConferenceCall = csta.Connection(result, device)
	return nil
}

// An addition is a call to a party that a line adds to its call.
type addition struct{ call, by string }

// singleStepConferenceCall has the PBX call a phone into the call of a connection, whose two parties meet in a conference first, unless they are in one.
func (d *Driver) singleStepConferenceCall(ctx context.Context, req *csta.SingleStepConferenceCall) (*csta.SingleStepConferenceCallResponse, error) {
	number, err := destination(req.DeviceToJoin, "invalidDestination")
	if err != nil {
		return nil, err
	}
	if req.ParticipationType != "active" {
		return nil, csta.Errorf(csta.Operation, "invalidParticipationType", "participationType %q is not offered, only active", req.ParticipationType)
	}
	id, call := newCallID(ctx), req.ActiveCall
	var m *pbx.Making
	err = d.inTurn(ctx, func() error {
		if d.known(id) {
			m = d.making[id]
			return nil // the same command again: it is carried out
		}
		ch, err := d.require(call, "invalidConnectionState", pbx.Connected)
		if err != nil {
			return err
		}
		if err := d.line(ctx, number); err != nil {
			if csta.AsError(err).Value == "invalidDeviceID" {
				err = csta.Errorf(csta.Operation, "invalidDestination", "%s is no phone of this PBX: no other is called into a conference", number)
			}
			return err
		}
		m, err = d.add(ctx, ch, id, number)
		return err
	})
	if err == nil && m != nil {
		err = m.Wait(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &csta.SingleStepConferenceCallResponse{ConferencedCall: csta.Connection(call.CallID, number)}, nil
}

func (d *Driver) add(ctx context.Context, ch *channel, id, number string) (*pbx.Making, error) {
	for _, o := range d.members(ch.call) {
		if o.line == number {
			return nil, csta.Errorf(csta.Operation, "invalidDestination", "%s is in the call already", number)
		}
	}
	if ch.room == "" {
		far, err := d.partner(ch, "invalidConnectionState")
		if err != nil {
			return nil, err
		}
		room := ch.call
		if err := d.rename(ctx, "invalidConnectionState", ch.call, func() error {
			return d.do(ctx, "invalidConnectionState", "uuid_transfer", ch.uuid, "-both", d.conference+room, d.dialplan, d.context)
		}, ch, far); err != nil {
			return nil, err
		}
		ch.room, far.room = room, room
	}
	d.additions[id] = addition{ch.call, ch.line}
	m, err := d.call(ctx, number, id, d.conference+ch.room, "origination_caller_id_number="+ch.line, mark+"="+ch.call)
	if err != nil {
		delete(d.additions, id)
	}
	return m, err
}

// added tells that a party which was called into a conference has answered.
func (d *Driver) added(ch *channel) {
	if a, is := d.additions[ch.uuid]; is {
		delete(d.additions, ch.uuid)
		d.calls.Conferenced(pbx.Joining{Device: a.by, Primary: a.call, Result: a.call, To: ch.party().Shown(), Cause: causeConference})
	}
}

// endRoom releases who is alone in a conference: for its phone the call would go on.
func (d *Driver) endRoom(call string) {
	left := d.members(call)
	if len(left) == 1 && left[0].room != "" && d.conn != nil {
		d.help("uuid_kill", left[0].uuid, "NORMAL_CLEARING")
	}
}
