package asterisk

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// findPickup learns whether the dialplan has the context by which calls are picked up.
func (d *Driver) findPickup(ctx context.Context) error {
	picks, err := d.affirms(ctx, "DIALPLAN_EXISTS("+d.pickupContext+",pick,1)")
	d.picks.Store(picks)
	return err
}

// mayPickUp reports whether calls can be picked up at the PBX, as far as is known.
func (d *Driver) mayPickUp(string) bool { return d.picks.Load() }

// hasGroups reports whether the pick-up groups of lines can be read.
func (d *Driver) hasGroups(string) bool { return d.technology == "PJSIP" }

// directedPickupCall connects the line in the place of a phone that rings, or of an orbit. The line's free leg is used, else its phone is called, and
// picks the call up when it answers; until then the other goes on ringing.
func (d *Driver) directedPickupCall(ctx context.Context, req *csta.DirectedPickupCall) (*csta.DirectedPickupCallResponse, error) {
	line, target := req.RequestingDevice.ID, req.CallToBePickedUp
	_, err := d.pickUp(ctx, line, func() (csta.ConnectionID, error) {
		call, conn, err := d.calls.Require(target, "invalidConnectionState", pbx.Alerting, pbx.Queued)
		switch {
		case err != nil:
		case conn.Device == line:
			err = csta.Errorf(csta.Operation, "notDifferentDevices", "the call rings at %s itself", line)
		case slices.ContainsFunc(call.Connections, func(o pbx.Connection) bool { return o.Device == line }):
			err = csta.Errorf(csta.Operation, "requestIncompatibleWithPickupDevice", "%s is in call %s", line, call.ID)
		case conn.State == pbx.Alerting && !conn.Own:
			err = csta.Errorf(csta.Operation, "requestIncompatibleWithConnection", "%s is not a phone of this PBX", conn.Device)
		default:
			err = d.idle(line)
		}
		return target, err
	})
	if err != nil {
		return nil, err
	}
	return &csta.DirectedPickupCallResponse{PickedCall: csta.Connection(target.CallID, line)}, nil
}

// groupPickupCall does the same with the call that has rung longest in a pick-up group of the line.
func (d *Driver) groupPickupCall(ctx context.Context, req *csta.GroupPickupCall) (*csta.GroupPickupCallResponse, error) {
	line := req.NewDestination.ID
	target, err := d.pickUp(ctx, line, func() (csta.ConnectionID, error) {
		groups, err := d.groupsOf(ctx, line, "pickup_group")
		if err != nil {
			return csta.ConnectionID{}, err
		}
		if id := req.PickGroup.ID; id != "" {
			if !groups[id] {
				return csta.ConnectionID{}, csta.Errorf(csta.Operation, "invalidPickUpDeviceID", "pickGroup %q is no pick-up group of %s", id, line)
			}
			groups = map[string]bool{id: true}
		}
		if err := d.idle(line); err != nil {
			return csta.ConnectionID{}, err
		}
		return d.ringsIn(ctx, groups, line)
	})
	if err != nil {
		return nil, err
	}
	return &csta.GroupPickupCallResponse{PickedCall: csta.Connection(target.CallID, line)}, nil
}

// idle refuses a line that has a call which it does not hold.
func (d *Driver) idle(line string) error {
	for _, call := range d.calls.At(line) {
		for _, conn := range call.Connections {
			if conn.Device == line && conn.State != pbx.Hold {
				return csta.Errorf(csta.StateIncompatibility, "invalidDeviceState", "%s is %s in call %s", line, conn.State, call.ID)
			}
		}
	}
	return nil
}

// pickUp has the line pick up what choose names, and waits until the PBX calls its phone, if it must.
func (d *Driver) pickUp(ctx context.Context, line string, choose func() (csta.ConnectionID, error)) (target csta.ConnectionID, err error) {
	var m *making
	id := newCallID(ctx)
	err = d.attempt(ctx, func() error {
		if m = d.making[id]; m != nil || d.channels[id] != nil || d.states[id] != nil {
			return csta.Errorf(csta.PrivateError, "uncertain", "the same command is being carried out")
		}
		if err := d.line(ctx, line); err != nil {
			return err
		}
		if target, err = choose(); err != nil {
			return err
		}
		leg := d.freeLeg(line)
		if c := d.states[target.CallID]; c != nil && c.orbit != nil && c.orbit.number == target.DeviceID.ID {
			if leg != nil {
				return d.consult(ctx, leg, nil, id, c.orbit.number)
			}
			m, err = d.call(ctx, line, id, c.orbit.number, true, d.context, c.orbit.number)
			return err
		}
		rings, err := d.leg(target)
		if err != nil {
			return err
		}
		if leg != nil {
			return d.pickUpByLeg(ctx, leg, rings, id)
		}
		if m, err = d.call(ctx, line, id, rings.device, true, d.pickupContext, "pick", "Variable", "RCC_PEER="+rings.name); err == nil {
			m.picks = rings
		}
		return err
	})
	if err == nil && m != nil {
		err = m.Wait(ctx)
	}
	return target, err
}

// pickUpByLeg has a phone that waits for its held parties pick up by the leg that it has.
func (d *Driver) pickUpByLeg(ctx context.Context, leg, rings *channel, id string) error {
	if err := d.set(ctx, leg, "__RCC_PEER", rings.name); err != nil {
		return err
	}
	if err := d.redirect(ctx, "invalidDeviceState", move{leg, d.pickupContext, "leg"}); err != nil {
		return err
	}
	c := d.callOf(id)
	c.target, c.caller = rings.device, true
	d.enter(leg, id)
	return nil
}

// pickedUp takes note that a call was picked up, by whatever means: a phone talks in the place of one that rang.
func (d *Driver) pickedUp(f ami.Fields) {
	by, rang := d.channels[f.Get("Uniqueid")], d.channels[f.Get("TargetUniqueid")]
	if by == nil || rang == nil || rang.call == "" || by.call == rang.call {
		return
	}
	c, from := d.callOf(rang.call), d.states[by.call]
	if by.local && from != nil {
		for _, ch := range from.parties() {
			by = ch // it dials through a wire inside the PBX
		}
	}
	if by.local {
		return
	}
	if rang.originated && from != nil {
		// The phone was prompted, nobody called it: whoever picks that up makes the call instead, as one of its own.
		from.target, from.caller = c.target, true
		d.leave(rang, causePickup)
		d.mark(by, from.id)
		return
	}
	d.moveOn(c)
	rang.dialled = false
	d.enter(rang, "")
	d.calls.Diverted(c.id, rang.device, by.party().Shown(), causePickup)
	if from != nil {
		d.calls.Cleared(from.id, by.device, causePickup)
		for ch := range from.members {
			d.enter(ch, c.id)
		}
		d.sweep(from.id, causePickup)
	}
	d.enter(by, c.id)
	by.state = stateUp // the word of that may come after this
	by.originated, by.calls, by.dialled, by.by, by.picks = false, false, true, rang.by, nil
	d.calls.Established(c.id, by.party(), causePickup)
	d.mark(by, c.id)
}

// nothingToPickUp ends the prompting of phones that were to pick up what does not ring any more.
func (d *Driver) nothingToPickUp(rang *channel) {
	for _, ch := range d.channels {
		if ch.picks == rang && !ch.up() {
			d.drop(ch)
		}
	}
}

// ringsIn returns the connection that has rung longest of those in the groups, which the line is not in.
func (d *Driver) ringsIn(ctx context.Context, groups map[string]bool, line string) (csta.ConnectionID, error) {
	var ringing []*channel
	for _, ch := range d.channels {
		if ch.own && ch.dialled && ch.state == stateRinging && ch.call != "" && d.find(ch.call, line) == nil {
			ringing = append(ringing, ch)
		}
	}
	// Uniqueids count up, in digits that sort as they are written.
	slices.SortFunc(ringing, func(a, b *channel) int { return cmp.Or(cmp.Compare(len(a.id), len(b.id)), cmp.Compare(a.id, b.id)) })
	for _, ch := range ringing {
		theirs, err := d.groupsOf(ctx, ch.device, "call_group")
		if err != nil {
			return csta.ConnectionID{}, err
		}
		for g := range theirs {
			if groups[g] {
				return csta.Connection(ch.call, ch.device), nil
			}
		}
	}
	return csta.ConnectionID{}, csta.Errorf(csta.StateIncompatibility, "noCallToAnswer", "no call rings in a pick-up group of %s", line)
}

// groupsOf reads the groups of a line's endpoint, numbered and named.
func (d *Driver) groupsOf(ctx context.Context, line, kind string) (map[string]bool, error) {
	groups := map[string]bool{}
	endpoint := d.endpoints[0].of(line)
	for _, parameter := range []string{kind, "named_" + kind} {
		text, err := d.ask(ctx, "PJSIP_ENDPOINT("+endpoint+","+parameter+")")
		if err != nil {
			return nil, err
		}
		for g := range strings.SplitSeq(text, ",") {
			g = strings.TrimSpace(g)
			first, last, ok := strings.Cut(g, "-")
			low, err1 := strconv.Atoi(first)
			high, err2 := strconv.Atoi(last)
			switch {
			case g == "":
			case ok && err1 == nil && err2 == nil && high <= maxGroup:
				for n := low; n <= high; n++ {
					groups[strconv.Itoa(n)] = true
				}
			default:
				groups[g] = true
			}
		}
	}
	return groups, nil
}

// maxGroup is the highest number that Asterisk gives a pick-up group.
const maxGroup = 63
