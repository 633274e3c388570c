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

// Whether a phone of a watched line can be called: it is registered, and answers where Asterisk asks it (qualify_frequency).

// away reports whether a device in that state cannot be called.
func away(state string) bool { return state == "UNAVAILABLE" || state == "INVALID" }

// learnService takes note of the state of one of a line's devices.
func (d *Driver) learnService(device, state string) {
	if away(state) {
		d.away[device] = true
	} else {
		delete(d.away, device)
	}
}

// inService reports whether one of the line's phones can be called, as far as is known.
func (d *Driver) inService(line string) bool {
	return slices.ContainsFunc(d.devicesOf(line), func(device string) bool { return !d.away[device] })
}

// tellService tells when the line is out of service, since none of its phones is in it, or back.
func (d *Driver) tellService(line string) {
	out := !d.inService(line)
	if out == d.outOfService[line] {
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

// lookAtService reads the state of a line's devices.
func (d *Driver) lookAtService(ctx context.Context, line string) error {
	for _, device := range d.devicesOf(line) {
		state, err := d.ask(ctx, "DEVICE_STATE("+device+")")
		if err != nil {
			return err
		}
		d.learnService(device, state)
	}
	return nil
}

// catchUpOnService finds out which watched lines are in service after a lost link. Those that are not are told again: who hears that the link
// is back takes the line to be so, too.
func (d *Driver) catchUpOnService(ctx context.Context) error {
	for _, line := range d.watchedLines() {
		if err := d.lookAtService(ctx, line); err != nil {
			return fmt.Errorf("state of the phones of %s: %w", line, err)
		}
		if !d.inService(line) {
			delete(d.outOfService, line)
		}
		d.tellService(line)
	}
	return nil
}

// deviceState takes note of the state of a device.
func (d *Driver) deviceState(f ami.Fields) {
	technology, endpoint, _ := strings.Cut(f.Get("Device"), "/")
	if line, ok := d.lineOf(technology, endpoint); ok && d.watched[line] {
		d.learnService(strings.Clone(f.Get("Device")), f.Get("State"))
		d.tellService(strings.Clone(line))
	}
}

func (d *Driver) watchedLines() []string { return slices.Sorted(maps.Keys(d.watched)) }
