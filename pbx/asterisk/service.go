package asterisk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
)

// Whether the phone of a watched line can be called: it is registered, and answers where Asterisk asks it (qualify_frequency).

// away reports whether a device in that state cannot be called.
func away(state string) bool { return state == "UNAVAILABLE" || state == "INVALID" }

// learnService takes note of the state of a line's device, and tells when the line is out of service, or back.
func (d *Driver) learnService(line, state string) {
	out := away(state)
	was := d.outOfService[line]
	if out == was {
		return
	}
	if out {
		d.outOfService[line] = true
		d.emit(line, &csta.OutOfServiceEvent{Device: csta.Party(line)})
	} else {
		delete(d.outOfService, line)
		d.emit(line, &csta.BackInServiceEvent{Device: csta.Party(line)})
	}
}

// lookAtService reads the state of a line's device. One that nothing was told of counts as in service.
func (d *Driver) lookAtService(ctx context.Context, line string) error {
	state, err := d.ask(ctx, "DEVICE_STATE("+d.endpointOf(line)+")")
	if err == nil {
		d.learnService(line, state)
	}
	return err
}

// catchUpOnService finds out which watched lines are in service after a lost link. Those that are not are told again: who hears that the link
// is back takes the line to be so, too.
func (d *Driver) catchUpOnService(ctx context.Context) error {
	for _, line := range d.watchedLines() {
		state, err := d.ask(ctx, "DEVICE_STATE("+d.endpointOf(line)+")")
		if err != nil {
			return fmt.Errorf("state of the phone of %s: %w", line, err)
		}
		if away(state) {
			delete(d.outOfService, line)
		}
		d.learnService(line, state)
	}
	return nil
}

// deviceState takes note of the state of a device.
func (d *Driver) deviceState(f ami.Fields) {
	technology, endpoint, _ := strings.Cut(f.Get("Device"), "/")
	if line, ok := d.lineOf(technology, endpoint); ok && d.watched[line] {
		d.learnService(strings.Clone(line), f.Get("State"))
	}
}

func (d *Driver) watchedLines() []string { return slices.Sorted(maps.Keys(d.watched)) }
