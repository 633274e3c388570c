// Package uacsta is the driver of what speaks uaCSTA itself, CSTA in SIP dialogs (ECMA TR/87): a PBX, a CTI server,
// another gateway, or a desk phone.
//
// A Driver is a relay. Each line that somebody watches or commands has one dialog at the other end, however many
// clients it has here. The dialog is opened when the line is first needed, kept alive, opened again with growing
// pauses when it was lost, and closed when nobody has needed it for a while. Services go to it as they come and its
// answers and refusals come back as they are; a line offers what the other end offers for it.
//
// The other end has the calls. The driver records what it told of each watched line: when events may have been missed,
// since a dialog was lost, it compares a snapshot with that and tells the difference (pbx.Told).
//
//	settings.go   Settings, and what they say
//	spelling.go   how the other end writes lines and numbers
//	dialled.go    numbers that it shows as they were dialled
//	driver.go     Driver: services, what a client is told of an error
//	link.go       one Run: its endpoint, the pace of opening
//	line.go       a line: its dialog, opened, kept and closed
//	stock.go      events of a line, and snapshots where some were missed
package uacsta

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
)

// A Driver reaches lines of which each has a dialog. Its handlers may be called by
// many goroutines at once.
type Driver struct {
	config
	log *slog.Logger

	mu    sync.Mutex
	link  *link // nil while there is none
	lines map[string]*line
}

// New returns a driver with the settings, or all their mistakes. It opens
// nothing.
func New(s Settings, log *slog.Logger) (*Driver, error) {
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	return &Driver{config: c, log: log, lines: map[string]*line{}}, nil
}

// Services registers everything, to be offered where the line is known to offer it.
// Of a line that has had no dialog yet nothing is known: its first request, such as
// SnapshotDevice, opens one. Status, features and monitors are between the driver and
// the other end.
func (d *Driver) Services(m *csta.Mux) {
	csta.Handle(m, d.monitorStart)
	csta.Handle(m, d.monitorStop)
	for _, msg := range csta.Messages() {
		switch msg := msg.(type) {
		case *csta.GetCSTAFeatures, *csta.RequestSystemStatus, *csta.SystemStatus, *csta.MonitorStart, *csta.MonitorStop, *csta.ChangeMonitorFilter:
		case *csta.BackInServiceEvent, *csta.OutOfServiceEvent:
			csta.Reports(m, msg.(csta.Event))
		case csta.Event:
			csta.ReportsIf(m, msg, func(device string) bool {
				f := d.offered(device)
				return f != nil && f.Supports(msg)
			})
		default:
			if csta.Response(msg) != nil {
				csta.Pass(m, msg, d.pass, func(device string) bool {
					f := d.offered(device)
					return f == nil || f.Supports(msg)
				})
			}
		}
	}
}

// offered returns what a line offers, nil if that is not known.
func (d *Driver) offered(device string) *csta.GetCSTAFeaturesResponse {
	if d.features != nil {
		return d.features
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lines[device]; l != nil {
		return l.features
	}
	return nil
}

// pass hands a service on, by the dialog of its line.
func (d *Driver) pass(ctx context.Context, req csta.Message) (csta.Message, error) {
	device := csta.Subject(req)
	if device == "" {
		var err error
		if device, err = d.lineIn(req); err != nil {
			return nil, err
		}
	}
	// A dialog may end just before it is used: then nothing has left, and there may be
	// another.
	for tries := 0; ; tries++ {
		s, err := d.dialog(ctx, device)
		if err != nil {
			return nil, err
		}
		if !s.features.Supports(req) {
			return nil, csta.Errorf(csta.Operation, "serviceNotSupported", "%s is not supported for line %q", csta.Name(req), device)
		}
		resp, err := s.ask(ctx, csta.Clone(req))
		if err == nil {
			return resp, nil
		}
		if errors.Is(err, cstasip.ErrUnsent) && s.client.Err() != nil && tries == 0 {
			continue
		}
		refused := refusal(err)
		if errors.Is(refused, errUncertain) {
			d.mu.Lock()
			s.doubt = true
			d.mu.Unlock()
			s.line.awake()
		}
		return nil, refused
	}
}

// lineIn returns a watched line that is in the call which the request is about: it
// names none, as SnapshotCall may.
func (d *Driver) lineIn(req csta.Message) (device string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	csta.Connections(req, func(c *csta.ConnectionID) {
		for _, l := range d.lines {
			if device == "" && l.told != nil && l.told.In(c.CallID) {
				device = l.device
			}
		}
	})
	if device == "" {
		return "", csta.Errorf(csta.Operation, "invalidConnectionID", "%s names no line, and no line that is watched is in the call", csta.Name(req))
	}
	return device, nil
}

// errUncertain is what a client is told where nobody knows whether its command was
// executed.
var errUncertain = &csta.Error{Class: csta.PrivateError, Value: "uncertain"}

// dialog returns the dialog of a line, in service. It opens one where there is none,
// and waits for that until ctx ends.
func (d *Driver) dialog(ctx context.Context, device string) (*dialog, error) {
	for {
		d.mu.Lock()
		if d.link == nil {
			d.mu.Unlock()
			return nil, csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "there is no link to the other end")
		}
		l, err := d.need(device)
		if err != nil {
			d.mu.Unlock()
			return nil, err
		}
		l.used = time.Now()
		s, why, changed := l.ready(), l.failed, l.changed
		d.mu.Unlock()
		switch {
		case s != nil:
			return s, nil
		case why != nil:
			return nil, notOpen(device, why)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			// Whoever watches took no stock of it: all that it does is news when it is open.
			d.mu.Lock()
			if l.opening() {
				l.tellOut()
			}
			d.mu.Unlock()
			return nil, csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "the dialog of line %q is not open yet", device)
		}
	}
}

// need returns the line, and has it opened and kept where it was not needed so far.
// Driver.mu is held.
func (d *Driver) need(device string) (*line, error) {
	l := d.lines[device]
	if l == nil {
		if err := checkLine(device); err != nil {
			return nil, csta.Errorf(csta.Operation, "invalidDeviceID", "%v", err)
		}
		at, ok := d.addresses[device]
		if !ok && d.address == nil {
			return nil, csta.Errorf(csta.Operation, "invalidDeviceID", "line %q has no address", device)
		}
		if len(d.lines) >= d.maxLines {
			return nil, csta.Errorf(csta.SystemResourceAvailability, "resourceLimitExceeded", "%d lines have a dialog already", d.maxLines)
		}
		if !ok {
			at = d.address.of(device)
		}
		l = &line{device: device, at: at, shared: !ok && !d.perLine, spelling: d.spelling(device, at), changed: make(chan struct{}), wake: make(chan struct{}, 1)}
		d.lines[device] = l
	}
	if l.link == nil && d.link != nil {
		d.link.start(l)
	}
	return l, nil
}

// monitorStart learns that somebody watches a line. The cross reference is the
// device. It does not wait: what is asked of the line does, until it is watched at the
// other end.
func (d *Driver) monitorStart(_ context.Context, req *csta.MonitorStart) (*csta.MonitorStartResponse, error) {
	if req.MonitorObject == nil || req.MonitorObject.DeviceObject.ID == "" {
		return nil, csta.Errorf(csta.Operation, "invalidMonitorObject", "only devices are watched")
	}
	device := req.MonitorObject.DeviceObject.ID
	d.mu.Lock()
	defer d.mu.Unlock()
	l, err := d.need(device)
	if err != nil {
		return nil, err
	}
	if l.told == nil {
		l.told, l.based, l.out = pbx.NewTold(device, device), false, false
		l.awake()
		if l.failed != nil {
			l.tellOut() // it is tried again later
		}
	}
	return &csta.MonitorStartResponse{MonitorCrossRefID: device}, nil
}

// monitorStop works without a link, too: the watch lasts longer than a link.
func (d *Driver) monitorStop(_ context.Context, req *csta.MonitorStop) (*csta.MonitorStopResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lines[req.MonitorCrossRefID]
	if l == nil || l.told == nil {
		return nil, csta.Errorf(csta.Operation, "invalidMonitorCrossRefID", "nobody watches %q", req.MonitorCrossRefID)
	}
	l.told = nil
	l.used = time.Now()
	if l.awake(); l.link == nil {
		delete(d.lines, l.device)
	}
	return &csta.MonitorStopResponse{}, nil
}

// notOpen is what a client is told whose line has no dialog because of err.
func notOpen(device string, err error) error {
	var status *cstasip.StatusError
	if errors.As(err, &status) {
		switch status.Status {
		case 404, 410, 604:
			return csta.Errorf(csta.Operation, "invalidDeviceID", "the other end does not know line %q: %v", device, err)
		}
	}
	return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "line %q has no dialog: %v", device, err)
}

// refusal is what a client is told of a service that was not performed, or of which
// nobody knows whether it was.
func refusal(err error) error {
	var refused *csta.Error
	if errors.As(err, &refused) {
		return refused
	}
	if errors.Is(err, cstasip.ErrUnsent) {
		return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "%v", err)
	}
	var status *cstasip.StatusError
	if errors.As(err, &status) {
		switch s := status.Status; {
		case s == 401 || s == 403 || s == 407:
			return csta.Errorf(csta.Operation, "privilegeViolationSpecifiedDevice", "%v", err)
		case s == 405 || s == 501:
			return csta.Errorf(csta.Operation, "serviceNotSupported", "%v", err)
		case s == 480 || s == 481 || s == 486 || s == 503 || s == 600:
			return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "%v", err)
		case s != 408 && s != 500 && s != 502 && s != 504:
			return csta.Errorf(csta.Operation, "generic", "%v", err)
		}
	}
	// A server that failed, or a proxy that gave up: it may have been done, and must
	// not be done again.
	return csta.Errorf(csta.PrivateError, "uncertain", "%v", err)
}
