package freeswitch

import (
	"context"
	"maps"
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// Forwarding and do-not-disturb are kept in FreeSWITCH's database (mod_db), by a convention of
// ours that the dialplan obeys; README.md has it. The key is the line.
const realmDND = "rcc_dnd"

// forwardings are the kinds of forwarding and the realms in which their targets are.
var forwardings = map[csta.ForwardingType]string{"forwardImmediate": "rcc_cfi", "forwardBusy": "rcc_cfb", "forwardNoAns": "rcc_cfna"}

// kinds are the kinds of forwarding in their order.
var kinds = slices.Sorted(maps.Keys(forwardings))

// read returns a value of the database, empty if there is none.
func (d *Driver) read(ctx context.Context, realm, line string) (string, error) {
	value, err := d.conn.API(ctx, "db select/"+realm+"/"+line)
	if err != nil {
		return "", refusal(err, csta.Operation, "generic")
	}
	return value, nil
}

// write changes a value of the database; the empty one deletes it. It returns the value before.
func (d *Driver) write(ctx context.Context, realm, line, value string) (was string, err error) {
	if was, err = d.read(ctx, realm, line); err != nil || was == value {
		return was, err
	}
	if err := pbx.CheckLease(ctx); err != nil {
		return was, err
	}
	command := "db insert/" + realm + "/" + line + "/" + value
	if value == "" {
		command = "db delete/" + realm + "/" + line
	}
	if _, err = d.conn.API(ctx, command); err != nil {
		err = refusal(err, csta.Operation, "generic")
	}
	return was, err
}

// ofLine has a question for a line's settings, or a change of them, carried out.
func (d *Driver) ofLine(ctx context.Context, line string, do func() error) error {
	return d.inTurn(ctx, func() error {
		if err := d.line(ctx, line); err != nil {
			return err
		}
		return do()
	})
}

func (d *Driver) getDoNotDisturb(ctx context.Context, req *csta.GetDoNotDisturb) (*csta.GetDoNotDisturbResponse, error) {
	resp := &csta.GetDoNotDisturbResponse{}
	err := d.ofLine(ctx, req.Device.ID, func() error {
		value, err := d.read(ctx, realmDND, req.Device.ID)
		resp.DoNotDisturbOn = value != ""
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (d *Driver) setDoNotDisturb(ctx context.Context, req *csta.SetDoNotDisturb) (*csta.SetDoNotDisturbResponse, error) {
	line, value := req.Device.ID, ""
	if req.DoNotDisturbOn {
		value = "1"
	}
	err := d.ofLine(ctx, line, func() error {
		was, err := d.write(ctx, realmDND, line, value)
		if err == nil && was != value {
			d.emit(line, &csta.DoNotDisturbEvent{Device: csta.Party(line), DoNotDisturbOn: req.DoNotDisturbOn})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &csta.SetDoNotDisturbResponse{}, nil
}

func (d *Driver) getForwarding(ctx context.Context, req *csta.GetForwarding) (*csta.GetForwardingResponse, error) {
	resp := &csta.GetForwardingResponse{}
	err := d.ofLine(ctx, req.Device.ID, func() error {
		for _, kind := range kinds {
			to, err := d.read(ctx, forwardings[kind], req.Device.ID)
			if err != nil {
				return err
			}
			resp.ForwardingList = append(resp.ForwardingList, csta.ForwardListItem{ForwardingType: kind, ForwardStatus: to != "", ForwardDN: csta.Device(to)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (d *Driver) setForwarding(ctx context.Context, req *csta.SetForwarding) (*csta.SetForwardingResponse, error) {
	kind := req.ForwardingType
	if kind == "" {
		kind = "forwardImmediate"
	}
	realm := forwardings[kind]
	line, to := req.Device.ID, req.ForwardDN.ID
	switch {
	case realm == "":
		return nil, csta.Errorf(csta.Operation, "invalidForwardingType", "forwardingType %q is not one of %v", kind, kinds)
	case !req.ActivateForward:
		to = ""
	case !dialable(to):
		return nil, csta.Errorf(csta.Operation, "invalidForwardingDestination", "forwardDN %q is not 1 to %d digits, *, # or +", to, maxNumber)
	case to == line:
		return nil, csta.Errorf(csta.Operation, "invalidForwardingDestination", "forwardDN: %s cannot be forwarded to itself", line)
	}
	err := d.ofLine(ctx, line, func() error {
		was, err := d.write(ctx, realm, line, to)
		if err != nil || was == to {
			return err
		}
		ev := &csta.ForwardingEvent{Device: csta.Party(line), ForwardingType: kind, ForwardStatus: to != "", ForwardTo: csta.Device(to)}
		if to == "" {
			ev.ForwardTo = csta.Device(was) // one that is switched off names the target that it had
		}
		d.emit(line, ev)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &csta.SetForwardingResponse{}, nil
}
