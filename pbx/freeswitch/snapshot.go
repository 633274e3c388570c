package freeswitch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/freeswitch/esl"
)

// takeStock finds out what there is at the PBX, reports what has changed since the
// last link, and opens the driver for commands. What happens meanwhile is told by
// events after it: their facts are newer, or the same.
func (d *Driver) takeStock(ctx context.Context, conn *esl.Conn, emit pbx.Emit) error {
	d.turn <- struct{}{}
	defer d.done()
	if err := conn.Subscribe(ctx, events...); err != nil {
		return err
	}
	found, err := list(ctx, conn)
	if err != nil {
		return err
	}
	before := d.channels
	d.channels, d.ended = map[string]*channel{}, map[string]time.Time{}
	for _, f := range found {
		ch := d.newChannel(f, "")
		if was := before[f.uuid]; was != nil {
			ch.call, ch.number, ch.marked, ch.quiet, ch.left, ch.leads, ch.joins = was.call, was.number, was.marked, was.quiet, was.left, was.leads, was.joins
		} else if err := d.recall(ctx, conn, ch); err != nil {
			return err
		}
	}
	maps.DeleteFunc(d.additions, func(id string, _ addition) bool { return d.channels[id] == nil })
	clear(d.lingering)
	clear(d.doubts)
	d.calls.SetEmit(emit)
	d.emit = emit
	calls := d.build()
	d.calls.Sync(calls)
	d.conn, d.mayAct = conn, func() bool { return pbx.CheckLease(ctx) == nil }
	d.suspect = true // the list may be behind
	for _, c := range calls {
		d.endRoom(c.ID)
	}
	d.log.Info("snapshot", "channels", len(found), "calls", len(calls))
	emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
	return nil
}

// build makes calls of the channels. Those that lead come first: others have their
// callIDs from them.
func (d *Driver) build() []pbx.Call {
	calls := map[string]*pbx.Call{}
	var ids []string
	for _, leads := range []bool{true, false} {
		for _, id := range slices.Sorted(maps.Keys(d.channels)) {
			ch := d.channels[id]
			state := ch.connection()
			if ch.leads != leads || ch.left || state == "" {
				continue
			}
			if d.enter(ch); ch.quiet {
				continue
			}
			c := calls[ch.call]
			if c == nil {
				c = &pbx.Call{ID: ch.call, LastRedirected: csta.RedirectionDeviceID{NotRequired: true}}
				calls[ch.call] = c
				ids = append(ids, ch.call)
			}
			party := ch.party()
			if leads && c.Calling.IsZero() {
				c.Calling = party.Shown()
				if state != pbx.Initiated {
					c.Called = d.dialled(ch)
				}
			}
			c.Connections = append(c.Connections, pbx.Connection{Party: party, State: state})
		}
	}
	list := make([]pbx.Call, 0, len(ids))
	for _, id := range ids {
		list = append(list, *calls[id])
	}
	return list
}

// A row is a channel as "show channels as json" has it. The columns are those of the
// core's table.
type row struct {
	UUID       string `json:"uuid"`
	Direction  string `json:"direction"`
	State      string `json:"state"`
	CIDNumber  string `json:"cid_num"`
	Dest       string `json:"dest"`
	Dialplan   string `json:"dialplan"`
	PresenceID string `json:"presence_id"`
	CallState  string `json:"callstate"`
	CallUUID   string `json:"call_uuid"`
}

// list asks for the channels.
func list(ctx context.Context, conn *esl.Conn) ([]facts, error) {
	text, err := conn.API(ctx, "show channels as json")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Count *int  `json:"row_count"`
		Rows  []row `json:"rows"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Count == nil {
		return nil, fmt.Errorf("show channels as json: %.80q: %w", text, err)
	}
	known := map[string]bool{}
	for _, r := range answer.Rows {
		known[r.UUID] = true
	}
	all := make([]facts, 0, len(answer.Rows))
	for _, r := range answer.Rows {
		f := facts{uuid: r.UUID, inbound: r.Direction == "inbound", presence: r.PresenceID, state: r.State, callstate: r.CallState, root: r.CallUUID,
			dialplan: r.Dialplan != "", dest: r.Dest, cid: r.CIDNumber}
		switch r.CallState {
		case "ACTIVE", "HELD", "UNHELD", "RING_WAIT":
			f.answered = true
		}
		// A call that lost the channel which led it is led by who is left.
		if f.root == "" || !known[f.root] {
			f.root = f.uuid
		}
		all = append(all, f)
	}
	return all, nil
}

// mark is the channel variable that keeps the callID of a call that was transferred.
const mark = "rcc_call"

// recall reads the callID that is kept at a channel, if one is.
func (d *Driver) recall(ctx context.Context, conn *esl.Conn, ch *channel) error {
	value, err := conn.API(ctx, "uuid_getvar "+ch.uuid+" "+mark)
	var refused *esl.Error
	switch {
	case errors.As(err, &refused): // it is gone by now
	case err != nil:
		return err
	case value != "" && value != "_undef_":
		ch.belongs(value)
	}
	return nil
}

// lookForLost compares the channels with the list where events may have been lost. The list may be behind the
// events, and ahead of those that are on their way: only what is not as it is listed at two looks, with no
// event in between, is taken for lost.
func (d *Driver) lookForLost(ctx context.Context) error {
	if !d.suspect {
		return nil
	}
	found, err := list(ctx, d.conn)
	if err != nil {
		return err
	}
	// What came before the list, and waits, happened before it.
	for range len(d.conn.Events()) {
		if e, ok := <-d.conn.Events(); ok {
			d.handle(e)
		}
	}
	doubts := map[string]time.Time{}
	lost := func(uuid string, heard time.Time) bool {
		since, known := d.doubts[uuid]
		if !known || heard.After(since) {
			since = time.Now()
		}
		doubts[uuid] = since
		return known && time.Since(since) >= d.fresh && !heard.After(since)
	}
	here := map[string]bool{}
	var changed []*channel
	for _, f := range found {
		here[f.uuid] = true
		ch := d.channels[f.uuid]
		_, ended := d.ended[f.uuid]
		switch {
		case ended || f.state == "CS_NONE" || f.state == "CS_NEW":
		case ch == nil && lost(f.uuid, time.Time{}):
			ch = d.newChannel(f, "")
			if err := d.recall(ctx, d.conn, ch); err != nil {
				return err
			}
			changed = append(changed, ch)
		case ch != nil && (ch.callstate != f.callstate || ch.answered != f.answered) && lost(f.uuid, ch.heard):
			d.learn(ch, f)
			changed = append(changed, ch)
		}
	}
	// Others have their callIDs from those that lead.
	for _, leads := range []bool{true, false} {
		for _, ch := range changed {
			if ch.leads == leads {
				d.tell(ch)
			}
		}
	}
	for _, ch := range slices.Collect(maps.Values(d.channels)) {
		if !here[ch.uuid] && lost(ch.uuid, ch.heard) {
			d.hungUp(ch, pbx.CauseNormal)
		}
	}
	d.doubts, d.suspect = doubts, len(doubts) > 0
	// What ended long ago is in no list any more.
	maps.DeleteFunc(d.ended, func(_ string, at time.Time) bool { return time.Since(at) > time.Minute })
	return nil
}
