package asterisk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// attempt has a command carried out in the driver's turn, after the channels of its connections have arrived. A channel that Asterisk
// does not know for the moment, since it exchanges it with another, is tried again.
func (d *Driver) attempt(ctx context.Context, command func() error, ids ...csta.ConnectionID) error {
	if err := d.take(ctx); err != nil {
		return err
	}
	defer d.done()
	for tries := 0; ; tries++ {
		if err := d.settled(ctx, ids...); err != nil {
			return err
		}
		err := command()
		var gone *goneError
		if !errors.As(err, &gone) || tries == attempts {
			return err
		}
		d.done()
		select {
		case <-ctx.Done():
		case <-time.After(attemptPause):
		}
		if err := d.take(ctx); err != nil {
			d.turn <- struct{}{} // it is given back below
			return err
		}
	}
}

// How often and how fast a command is tried again.
const (
	attempts     = 20
	attemptPause = 10 * time.Millisecond
)

// settled waits until the channels of connections have arrived: those of an answered or retrieved call in a bridge, a held party
// at its music. That follows within milliseconds, and whoever is quick must neither be refused nor meet a channel on its way.
// It gives the turn away meanwhile.
func (d *Driver) settled(ctx context.Context, ids ...csta.ConnectionID) error {
	deadline := time.NewTimer(arrivalTime)
	defer deadline.Stop()
	for late := false; !late && slices.ContainsFunc(ids, d.underway); {
		moved := d.moved
		d.done()
		select {
		case <-moved:
		case <-ctx.Done():
		case <-deadline.C:
			late = true
		}
		if err := d.take(ctx); err != nil {
			d.turn <- struct{}{} // the caller gives it back
			return err
		}
	}
	return nil
}

// arrivalTime is how long channels may take to arrive where a command or an answer sent them.
const arrivalTime = time.Second

// underway reports whether a channel of the connection has not arrived yet.
func (d *Driver) underway(id csta.ConnectionID) bool {
	ch := d.find(id.CallID, id.DeviceID.ID)
	if ch == nil {
		return false
	}
	if h := d.states[id.CallID].holdOf(ch.device); h != nil {
		return h.peer != nil && !h.arrived
	}
	if ch.heldBy != nil {
		return !ch.heldBy.arrived
	}
	if ch.parked != nil {
		return false
	}
	// The caller's channel is up a moment after that of who answers: neither may be told to be alone meanwhile.
	_, _, err := d.calls.Require(id, "invalidConnectionState", pbx.Connected)
	if err != nil || ch.call != id.CallID {
		return false
	}
	if d.inRoom(ch) {
		// Who is on the way misses what is said, digits for one.
		absent := func(o *channel) bool { return o.up() && o.bridge == "" }
		return slices.ContainsFunc(d.states[ch.call].parties(), absent) || d.optimizing(ch)
	}
	return d.far(ch) == nil && (ch.dialled || d.answered(d.states[ch.call], ch)) || d.optimizing(ch)
}

// optimizing reports whether Asterisk is about to take a Local channel out of the call, so that its ends talk directly: it does so as soon as there
// is voice, and whoever is sent elsewhere meanwhile is hung up.
func (d *Driver) optimizing(ch *channel) bool {
	if ch.bridge == "" || time.Since(ch.entered) >= optimizingTime {
		return false
	}
	for o := range d.states[ch.call].members {
		if o.local {
			return true
		}
	}
	return false
}

// optimizingTime is how long a Local channel is waited for, which stays where there is no voice.
const optimizingTime = 200 * time.Millisecond

// A move sends a channel elsewhere in the dialplan.
type move struct {
	ch             *channel
	context, exten string
}

// redirect moves one channel, or two at once. They leave the bridge that they are in. While
// Asterisk still carries out a redirection before, it refuses another, which is then tried again.
func (d *Driver) redirect(ctx context.Context, value string, moves ...move) error {
	var pairs []string
	for i, m := range moves {
		extra := [...]string{"", "Extra"}[i]
		pairs = append(pairs, extra+"Channel", m.ch.name, extra+"Context", m.context, extra+"Exten", m.exten, extra+"Priority", "1")
	}
	for tries := 0; ; tries++ {
		err := d.act(ctx, "Redirect", pairs...)
		var refused *ami.Error
		switch {
		case err == nil:
			for _, m := range moves {
				d.bridged(m.ch, "") // BridgeLeave is on its way
			}
			return nil
		case errors.As(err, &refused) && strings.Contains(refused.Message, "not up") && tries < redirectTries:
			select {
			case <-ctx.Done():
			case <-time.After(redirectPause):
			}
		default:
			return refusal(err, csta.StateIncompatibility, value)
		}
	}
}

// How often and how fast a redirection is tried again.
const (
	redirectTries = 20
	redirectPause = 10 * time.Millisecond
)
