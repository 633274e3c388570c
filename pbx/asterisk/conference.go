package asterisk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"rccgw/csta"
	"rccgw/pbx"
)

// roomOf returns the extension of the conference in which the call's parties meet: digits, always the same for the same call.
func roomOf(call string) string {
	sum := sha256.Sum256([]byte(call))
	return fmt.Sprintf("%018d", binary.BigEndian.Uint64(sum[:])%1e18)
}

// inRoom reports whether the channel is active in a conference.
func (d *Driver) inRoom(ch *channel) bool {
	c := d.states[ch.call]
	return c != nil && c.room
}

// parties returns the channels of the parties that are active in the call, in the order of their Uniqueids.
func (c *callState) parties() []*channel {
	var list []*channel
	for ch := range c.members {
		if !ch.local {
			list = append(list, ch)
		}
	}
	slices.SortFunc(list, func(a, b *channel) int { return cmp.Compare(a.id, b.id) })
	return list
}

// conferenceCall has all parties of a held and an active call meet in a ConfBridge.
func (d *Driver) conferenceCall(ctx context.Context, req *csta.ConferenceCall) (*csta.ConferenceCallResponse, error) {
	held, active := req.HeldCall, req.ActiveCall
	if held.DeviceID.ID != active.DeviceID.ID {
		return nil, csta.Errorf(csta.Operation, "notSameDevice", "%s and %s are not of one device", held, active)
	}
	resp := &csta.ConferenceCallResponse{}
	err := d.attempt(ctx, func() error {
		if _, _, err := d.calls.Require(held, "invalidHeldConnectionState", pbx.Hold); err != nil {
			return err
		}
		if _, _, err := d.calls.Require(active, "invalidActiveConnectionState", pbx.Connected); err != nil {
			return err
		}
		result, _, err := d.meet(ctx, held, active, true)
		resp.ConferenceCall = csta.Connection(result, held.DeviceID.ID)
		return err
	}, held, active)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// meet makes one conference of two calls of a device, which takes part or, where it does not stay, is released. It returns
// the callID of what results, and a party of the active call.
func (d *Driver) meet(ctx context.Context, held, active csta.ConnectionID, stays bool) (string, *channel, error) {
	one, first, err := d.side(held, "invalidHeldConnectionState")
	if err != nil {
		return "", nil, err
	}
	own, second, err := d.side(active, "invalidActiveConnectionState")
	if err != nil {
		return "", nil, err
	}
	to := d.consulted(own, nil, active.CallID)
	if to == nil {
		to = second[0]
	}
	kept, gone := d.callOf(held.CallID), d.callOf(active.CallID)
	if gone.room && !kept.room {
		kept, gone = gone, kept // who confers already need not move
	}
	var pair, rest []*channel
	if stays && !(kept.room && own.call == kept.id) {
		pair = append(pair, own)
	}
	if !d.states[active.CallID].room {
		pair = append(pair, second...) // it is connected with own: both leave their bridge at once
	} else if active.CallID != kept.id {
		rest = append(rest, second...)
	}
	if held.CallID != kept.id || !kept.room {
		rest = append(rest, first...)
	}
	marked := append(slices.Clone(pair), rest...)
	for _, ch := range gone.parties() {
		if ch != own && !slices.Contains(marked, ch) {
			marked = append(marked, ch) // it stays where it is, behind a Local channel that moves
		}
	}
	for _, ch := range marked {
		d.remark(ch, kept.id, "")
	}
	back := func() {
		for _, ch := range marked {
			d.mark(ch, ch.call)
		}
	}
	h := d.states[held.CallID].holdOf(held.DeviceID.ID)
	if h != nil && h.peer != nil {
		if err := d.unhold(ctx, h); err != nil {
			back()
			return "", nil, err
		}
	}
	if len(pair) > 0 {
		if err := d.toRoom(ctx, kept.id, pair...); err != nil {
			back()
			if h != nil && h.peer != nil {
				d.rehold(h)
			}
			return "", nil, err
		}
	}
	for _, ch := range rest {
		if err := d.toRoom(ctx, kept.id, ch); err != nil {
			d.log.Debug("not in the conference", "channel", ch.name, "error", err) // it is about to be gone
		}
	}
	for _, ch := range marked {
		d.forgetBefore(ch)
	}
	kept.room, kept.caller = true, true
	if h != nil {
		d.dropHold(h)
	}
	d.absorb(kept, gone)
	j := pbx.Joining{Device: held.DeviceID.ID, Primary: held.CallID, Secondary: active.CallID, Result: kept.id, To: shownOf(to), Cause: causeConference}
	if stays {
		d.calls.Conferenced(j)
		d.enter(own, kept.id)
		d.settleHolds(own)
	} else {
		j.Cause = causeTransfer
		d.calls.Transferred(j)
		d.enter(own, "")
		d.release(own)
	}
	if one != own {
		d.enter(one, "")
		d.release(one)
	}
	return kept.id, to, nil
}

// side returns the device's leg of a connection, and the others who are connected in its call.
func (d *Driver) side(id csta.ConnectionID, value string) (own *channel, others []*channel, err error) {
	if c := d.states[id.CallID]; c == nil || !c.room {
		own, far, err := d.partner(id, value)
		return own, []*channel{far}, err
	}
	if own, err = d.leg(id); err != nil {
		return nil, nil, err
	}
	for _, ch := range d.states[id.CallID].parties() {
		if ch != own && ch.up() {
			others = append(others, ch)
		}
	}
	if len(others) == 0 {
		err = csta.Errorf(csta.StateIncompatibility, value, "%s is connected to nobody", id)
	}
	return own, others, err
}

// toRoom sends one channel to the conference of the call, or two at once.
func (d *Driver) toRoom(ctx context.Context, call string, chs ...*channel) error {
	var moves []move
	for _, ch := range chs {
		moves = append(moves, move{ch, d.conferenceContext, roomOf(call)})
	}
	return d.redirect(ctx, "invalidActiveConnectionState", moves...)
}

// absorb makes the parties of a call those of another.
func (d *Driver) absorb(into, from *callState) {
	for ch := range from.members {
		d.enter(ch, into.id)
	}
	for _, h := range from.holds {
		h.call = into.id
		into.holds = append(into.holds, h)
		d.settleHolds(h.holder)
	}
	delete(d.states, from.id)
}

// stepOut has a party leave a conference for somewhere else in the dialplan, and keep its place there: it holds the call, and the others
// go on.
func (d *Driver) stepOut(ctx context.Context, ch *channel, cause csta.EventCause, to move) error {
	call := ch.call
	if err := d.markAway(ctx, ch, call); err != nil {
		return err
	}
	if err := d.redirect(ctx, "invalidConnectionState", to); err != nil {
		d.settleHolds(ch)
		return err
	}
	d.addHold(call, ch, nil)
	d.calls.Held(call, ch.device, cause)
	return nil
}

// markAway keeps at the PBX that the leg has a place in the conference.
func (d *Driver) markAway(ctx context.Context, ch *channel, call string) error {
	err := d.set(ctx, ch, "RCC_ROOMS", rooms(ch, call))
	if err == nil {
		err = d.set(ctx, ch, "RCC_HELD", "1")
	}
	return err
}

// settleHolds keeps at the PBX what the leg has on hold now.
func (d *Driver) settleHolds(ch *channel) {
	d.note(ch, "RCC_ROOMS", rooms(ch))
	if len(ch.holds) == 0 {
		d.note(ch, "RCC_HELD", "")
	}
}

// rooms lists the conferences in which the leg has a place.
func rooms(ch *channel, more ...string) string {
	text := ""
	for _, h := range ch.holds {
		if h.peer == nil {
			more = append(more, h.call)
		}
	}
	for i, call := range more {
		if i > 0 {
			text += " "
		}
		text += call
	}
	return text
}

// lone ends a conference in which only one party is left.
func (d *Driver) lone(c *callState, cause csta.EventCause) {
	left := c.parties()
	if !c.room || len(left)+len(c.holds) != 1 {
		return
	}
	if len(left) == 0 {
		d.giveUp(c.holds[0], cause)
		return
	}
	ch := left[0]
	if len(ch.holds) == 0 {
		d.drop(ch)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), helpTime)
	defer cancel()
	if err := d.redirect(ctx, "invalidConnectionState", move{ch, d.holdContext, "holder"}); err != nil {
		d.log.Debug("not out of the conference", "channel", ch.name, "error", err)
	}
	d.leave(ch, cause)
}

// giveUp ends the place that a leg has in a conference.
func (d *Driver) giveUp(h *hold, cause csta.EventCause) {
	d.dropHold(h)
	d.settleHolds(h.holder)
	d.calls.Cleared(h.call, h.holder.device, cause)
	d.sweep(h.call, cause)
	d.rest(h.holder)
}

// An addition is a party that is called to take part in a call.
type addition struct {
	call, by string // callID, and the device that adds it
	answered bool   // by a party
}

// singleStepConferenceCall has the call go on as a conference, and calls another party into it.
func (d *Driver) singleStepConferenceCall(ctx context.Context, req *csta.SingleStepConferenceCall) (*csta.SingleStepConferenceCallResponse, error) {
	number, err := destination(req.DeviceToJoin, "invalidDestination")
	if err != nil {
		return nil, err
	}
	if req.ParticipationType != "active" {
		return nil, csta.Errorf(csta.Operation, "invalidParticipationType", "participationType %q is not offered, only active", req.ParticipationType)
	}
	id, call := newCallID(ctx), req.ActiveCall
	var m *making
	err = d.attempt(ctx, func() error {
		if m = d.making[id]; m != nil || d.channels[id] != nil {
			return nil // the same command again: it is carried out
		}
		m, err = d.addParty(ctx, call, id, number)
		return err
	}, call)
	if err == nil && m != nil {
		err = m.Wait(ctx)
	}
	if err != nil {
		return nil, err
	}
	resp := &csta.SingleStepConferenceCallResponse{ConferencedCall: csta.ConnectionID{CallID: call.CallID}}
	if d.lines.Match(number) {
		resp.ConferencedCall = csta.Connection(call.CallID, number)
	}
	return resp, nil
}

func (d *Driver) addParty(ctx context.Context, call csta.ConnectionID, id, number string) (*making, error) {
	if _, _, err := d.calls.Require(call, "invalidConnectionState", pbx.Connected); err != nil {
		return nil, err
	}
	own, others, err := d.side(call, "invalidConnectionState")
	if err != nil {
		return nil, err
	}
	if own.call != call.CallID || others[0].heldBy != nil {
		return nil, csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "%s is not active", call)
	}
	if d.find(call.CallID, number) != nil {
		return nil, csta.Errorf(csta.Operation, "invalidDestination", "%s is in the call already", number)
	}
	if err := d.reachable(ctx, number, "invalidDestination"); err != nil {
		return nil, err
	}
	c := d.callOf(call.CallID)
	if !c.room {
		d.mark(own, c.id)
		d.mark(others[0], c.id)
		if err := d.toRoom(ctx, c.id, own, others[0]); err != nil {
			return nil, err
		}
		c.room = true
	}
	m := &making{number: number, Making: pbx.NewMaking(), into: &addition{call: c.id, by: own.device}}
	d.making[id] = m
	pairs := []string{"ActionID", id, "Channel", "Local/" + number + "@" + d.context, "ChannelId", id, "OtherChannelId", id + "b",
		"Context", d.conferenceContext, "Exten", roomOf(c.id), "Priority", "1", "Async", "true",
		"Timeout", strconv.FormatInt(d.ringTime.Milliseconds(), 10), "Variable", "__RCC_CALL=" + c.id}
	if own.own {
		pairs = append(pairs, "CallerID", own.device)
	}
	if err := d.do(ctx, csta.Operation, "generic", "Originate", pairs...); err != nil {
		delete(d.making, id)
		return nil, err
	}
	return m, nil
}

// added tells that a party which was called into a conference has answered.
func (d *Driver) added(ch *channel) {
	if a := d.additions[ch.linked]; a != nil && a.call == ch.call {
		a.answered = true
		d.calls.Conferenced(pbx.Joining{Device: a.by, Primary: a.call, Result: a.call, To: ch.party().Shown(), Cause: causeConference})
	}
}

// notAParty ends what was called into a conference and is answered by an application: it is nobody.
func (d *Driver) notAParty(local *channel) {
	if a := d.additions[local.id]; a != nil && !a.answered && d.channels[local.id] == local {
		d.drop(local)
	}
}

// clearCall clears all parties of a call.
func (d *Driver) clearCall(ctx context.Context, req *csta.ClearCall) (*csta.ClearCallResponse, error) {
	id := req.CallToBeCleared
	err := d.attempt(ctx, func() error {
		if _, _, err := d.calls.Find(id); err != nil {
			return err
		}
		c := d.states[id.CallID]
		if c == nil {
			return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", "call %s has no channel at the PBX", id.CallID)
		}
		c.room = false // nobody is left alone in it
		for _, ch := range c.parties() {
			ch.dialled = ch.dialled && ch.up() // that it stops ringing is no failure of the call
			if len(ch.holds) > 0 {
				if err := d.back(ctx, ch); err != nil {
					return err
				}
				continue
			}
			if err := d.hangUp(ctx, ch); err != nil {
				return err
			}
		}
		for _, h := range slices.Clone(c.holds) {
			if h.peer == nil {
				d.giveUp(h, pbx.CauseNormalClearing)
			}
		}
		return nil
	}, id)
	if err != nil {
		return nil, err
	}
	return &csta.ClearCallResponse{}, nil
}

// hangUp hangs a channel up for a command.
func (d *Driver) hangUp(ctx context.Context, ch *channel) error {
	err := d.act(ctx, "Hangup", "Channel", ch.name, "Cause", "16")
	if err != nil {
		err = refusal(err, csta.StateIncompatibility, "invalidConnectionState")
		if _, gone := err.(*goneError); gone {
			return nil
		}
	}
	return err
}
