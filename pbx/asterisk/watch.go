package asterisk

import (
	"context"

	"rccgw/csta"
)

// monitorStart learns that somebody watches a line: its forwarding and
// do-not-disturb are looked up from now on, and it is told of messages and of whether
// it is in service. That it is not is told at once. The cross reference is the line.
func (d *Driver) monitorStart(ctx context.Context, req *csta.MonitorStart) (*csta.MonitorStartResponse, error) {
	if req.MonitorObject == nil || req.MonitorObject.DeviceObject.ID == "" {
		return nil, csta.Errorf(csta.Operation, "invalidMonitorObject", "only devices are watched")
	}
	line := req.MonitorObject.DeviceObject.ID
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	if err := d.line(ctx, line); err != nil {
		return nil, err
	}
	f, err := d.look(ctx, line)
	if err != nil {
		return nil, err
	}
	d.learn(line, f)
	if d.tellsOfMessages(line) {
		m, err := d.lookForMail(ctx, line)
		if err != nil {
			return nil, err
		}
		d.learnMail(line, m)
	}
	if err := d.lookAtService(ctx, line); err != nil {
		return nil, err
	}
	d.tellService(line)
	d.watched[line] = true
	return &csta.MonitorStartResponse{MonitorCrossRefID: line}, nil
}

// monitorStop works without a link, too: the watch lasts longer than a link.
func (d *Driver) monitorStop(ctx context.Context, req *csta.MonitorStop) (*csta.MonitorStopResponse, error) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, csta.Errorf(csta.SystemResourceAvailability, "internalResourceBusy", "%v", context.Cause(ctx))
	}
	defer d.done()
	line := req.MonitorCrossRefID
	if !d.watched[line] {
		return nil, csta.Errorf(csta.Operation, "invalidMonitorCrossRefID", "nobody watches %q", line)
	}
	delete(d.watched, line)
	delete(d.features, line)
	delete(d.mail, line)
	delete(d.outOfService, line)
	for _, device := range d.devicesOf(line) {
		delete(d.away, device)
	}
	return &csta.MonitorStopResponse{}, nil
}
