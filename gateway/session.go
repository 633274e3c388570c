package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx"
)

const (
	maxPending = 1000 // events that wait for a PBX to come back
	maxDialled = 1000 // calls whose dialled number is noted: without a monitor no end of a call is told
)

// A Session serves one client's dialog. Its requests come one at a time.
type Session struct {
	g            *Gateway
	line         bus.Line
	written      string // the line as the client wrote it first
	phoneContext string
	dialect      Dialect
	send         func(csta.Message)
	unwatch      func() // ends systemNotices; nil where there are none
	end          func(reason error)
	log          *slog.Logger

	mu       sync.Mutex
	monitors map[string]*monitor
	last     int    // of the cross references given
	stop     func() // ends the watch of the line; nil while there is none
	up       bool
	busy     bool      // a request is under way: the events that it causes wait
	pending  []waiting // events that wait
	dialled  map[string]*dialledNumber
	closed   bool
}

// A waiting event is for one monitor of type call, or for all of type device.
type waiting struct {
	device string // what it calls the line
	ev     csta.Event
	to     *monitor // nil: all of type device
}

// A dialledNumber is what the client wrote to make a call, and how the PBX
// shows that party, once it is known.
type dialledNumber struct{ written, shown string }

// Line returns the line that the session controls.
func (s *Session) Line() bus.Line { return s.line }

// ServeCSTA performs a request of the client.
func (s *Session) ServeCSTA(ctx context.Context, req csta.Message) (csta.Message, error) {
	switch r := req.(type) {
	case *csta.RequestSystemStatus:
		return &csta.RequestSystemStatusResponse{SystemStatus: s.status(ctx)}, nil
	case *csta.SystemStatus:
		return &csta.SystemStatusResponse{}, nil
	case *csta.GetCSTAFeatures:
		return s.features(ctx)
	case *csta.MonitorStart:
		return s.monitorStart(ctx, r)
	case *csta.MonitorStop:
		return s.monitorStop(r)
	case *csta.ChangeMonitorFilter:
		return s.changeMonitorFilter(r)
	}
	if csta.Response(req) == nil {
		return nil, csta.Errorf(csta.Operation, "invalidMsgID", "%s is not a request", csta.Name(req))
	}
	return s.perform(ctx, req)
}

// status tells a client whether its PBX can be reached. Clients of the field
// give up on anything but "normal".
func (s *Session) status(ctx context.Context) csta.SystemStatusValue {
	if _, err := s.look(ctx); err != nil {
		return pbx.StatusDisabled
	}
	return pbx.StatusNormal
}

// look looks the line up anew. One that has become another device is no longer
// this dialog's.
func (s *Session) look(ctx context.Context) (bus.Line, error) {
	line, err := s.g.Bus.Line(ctx, s.line.Number)
	if err == nil && (line.PBX != s.line.PBX || line.Local != s.line.Local) {
		s.Moved()
		return line, csta.Errorf(csta.Operation, "invalidDeviceID", "line %q is another device now", s.written)
	}
	return line, err
}

func (s *Session) features(ctx context.Context) (csta.Message, error) {
	line, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	resp := csta.Clone(line.Features)
	resp.Add(&csta.GetCSTAFeatures{}, &csta.RequestSystemStatus{}, &csta.SystemStatus{}, &csta.MonitorStart{}, &csta.MonitorStop{},
		&csta.ChangeMonitorFilter{}, &csta.BackInServiceEvent{}, &csta.OutOfServiceEvent{})
	if hasCallMonitors(line) {
		resp.Add(&csta.CallClearedEvent{})
	}
	return resp, nil
}

// Close frees the monitors. No event is sent after it.
func (s *Session) Close(error) {
	s.mu.Lock()
	s.closed = true
	var stops []func()
	for id, m := range s.monitors {
		stops = append(stops, m.stop)
		s.forgetMonitor(id)
	}
	stops = append(stops, s.idle(), s.unwatch)
	s.mu.Unlock()
	end(stops...)
}

// own reports whether what a client wrote means the session's line.
func (s *Session) own(written string) bool {
	if written == s.written || written == s.line.Device || written == s.line.Local {
		return true
	}
	c, err := digitmod.Canonical(written)
	if err != nil {
		return false
	}
	line, _ := digitmod.Canonical(s.written)
	return c == line || c == s.line.Device || c == s.line.Local
}

func (s *Session) errNotOwn(written string) error {
	return csta.Errorf(csta.Operation, "privilegeViolationSpecifiedDevice", "this dialog controls %s, not %q", s.written, written)
}

// badDestination says what is wrong with a number that cannot be dialled, in
// the words of the field that has it.
func badDestination(field, written string, err error) error {
	value := "invalidDestination"
	switch field {
	case "calledDirectoryNumber", "consultedDevice":
		value = "invalidCalledDeviceID"
	case "forwardDN":
		value = "invalidForwardingDestination"
	}
	return csta.Errorf(csta.Operation, value, "%s %q: %v", field, written, err)
}

// perform passes a request to the line's PBX.
func (s *Session) perform(ctx context.Context, req csta.Message) (csta.Message, error) {
	written, destination, err := s.canonical(req)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.busy = true
	s.mu.Unlock()
	resp, err := s.g.Bus.On(s.line).ServeCSTA(ctx, req)
	if err == nil {
		s.remember(resp, destination)
		call := ""
		csta.Connections(resp, func(c *csta.ConnectionID) {
			if call == "" {
				call = c.CallID
			}
		})
		s.present(resp, s.line.Device, written, call)
	}
	s.mu.Lock()
	s.busy = false
	s.release()
	s.mu.Unlock()
	return resp, err
}

// canonical turns what the client wrote into what the bus has, in place. It
// returns the client's spelling of its line and of the destination.
func (s *Session) canonical(req csta.Message) (written, destination string, err error) {
	written = s.written
	csta.Numbers(req, func(n csta.Number) {
		switch n.Role {
		case csta.Identity:
			if !s.own(n.ID.ID) {
				err = s.errNotOwn(n.ID.ID)
				return
			}
			written = n.ID.ID
			n.ID.ID = s.line.Device
		case csta.Destination:
			c, e := digitmod.Canonical(n.ID.ID)
			if e != nil {
				err = badDestination(n.Field, n.ID.ID, e)
				return
			}
			destination = n.ID.ID
			n.ID.ID = c
		}
	})
	_, pickup := req.(*csta.DirectedPickupCall)
	csta.Connections(req, func(c *csta.ConnectionID) {
		switch {
		case c.DeviceID.ID == "":
			c.DeviceID = csta.Device(s.line.Local)
		case s.own(c.DeviceID.ID):
			written = c.DeviceID.ID
			c.DeviceID = csta.Device(s.line.Local)
		case pickup:
			// What is picked up is another's, as its PBX names it.
		default:
			err = s.errNotOwn(c.DeviceID.ID)
		}
	})
	return written, destination, err
}

// remember notes what the client dialled in the call that it made.
func (s *Session) remember(resp csta.Message, destination string) {
	call := ""
	switch r := resp.(type) {
	case *csta.MakeCallResponse:
		call = r.CallingDevice.CallID
	case *csta.ConsultationCallResponse:
		call = r.InitiatedCall.CallID
	}
	if call == "" || destination == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dialled) == maxDialled {
		clear(s.dialled)
	}
	s.dialled[call] = &dialledNumber{written: destination}
}

// Event takes in an event of the line; see bus.Watcher.
func (s *Session) Event(device string, ev csta.Event) { s.take(waiting{device: device, ev: ev}) }

func (s *Session) take(e waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.pending) == maxPending {
		s.pending = slices.Delete(s.pending, 0, 1)
		s.log.Warn("too many events wait; the oldest is lost")
	}
	s.pending = append(s.pending, e)
	if s.up && !s.busy {
		s.release()
	}
}

// Moved ends the dialog: the line that the client means is another device now.
// It opens another, for the line as it has become. See bus.Watcher.
func (s *Session) Moved() {
	s.end(errors.New("the configuration was changed: the line is another device now, or none"))
}

// Link takes in that the PBX is lost or back; see bus.Watcher.
func (s *Session) Link(up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.up == up {
		return
	}
	s.up = up
	if s.dialect.Link != NoticeBySystem {
		var ev csta.Event = &csta.OutOfServiceEvent{Device: csta.Party(s.line.Device)}
		if up {
			ev = &csta.BackInServiceEvent{Device: csta.Party(s.line.Device)}
		}
		s.tell(waiting{device: s.line.Device, ev: ev})
	}
	s.release()
}

// release sends the events that wait, unless they still have to.
func (s *Session) release() {
	if !s.up || s.busy {
		return
	}
	for _, e := range s.pending {
		s.learn(e.ev)
		s.tell(e)
		s.forget(e.ev)
	}
	s.pending = nil
}

// learn notes how the PBX shows the number that the client dialled.
func (s *Session) learn(ev csta.Event) {
	_, call := csta.LocalConnection(ev)
	d := s.dialled[call]
	if d == nil || d.shown != "" {
		return
	}
	csta.Numbers(ev, func(n csta.Number) {
		if n.Field == "calledDevice" {
			d.shown = n.ID.ID
		}
	})
}

// forget drops what was noted of a call that is over, or that the line has left
// and no monitor follows.
func (s *Session) forget(ev csta.Event) {
	local, call := csta.LocalConnection(ev)
	if _, over := ev.(*csta.CallClearedEvent); over || local == pbx.Null && !s.followsCalls() {
		delete(s.dialled, call)
	}
	if t, ok := ev.(*csta.TransferedEvent); ok {
		delete(s.dialled, t.PrimaryOldCall.CallID)
		delete(s.dialled, t.SecondaryOldCall.CallID)
	}
}

func (s *Session) present(m csta.Message, device, written, call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.presentLocked(m, device, written, call)
}

// presentLocked turns the numbers of a message, which calls the line device,
// into what the client expects, in place.
func (s *Session) presentLocked(m csta.Message, device, written, call string) {
	csta.Numbers(m, func(n csta.Number) {
		switch d := s.dialled[call]; {
		case n.ID.ID == device:
			n.ID.ID = written
		case d != nil && n.ID.ID == d.shown:
			n.ID.ID = d.written
		default:
			n.ID.ID = s.uri(n.ID.ID)
		}
	})
	csta.Connections(m, func(c *csta.ConnectionID) {
		if c.DeviceID.ID == s.line.Local {
			c.DeviceID.ID = written
		}
	})
}

// uri writes a canonical number as clients read it (RFC 3966). What is not a
// number stays as it is.
func (s *Session) uri(number string) string {
	if s.dialect.Numbers == NumbersAsDigits || number == "" || strings.Trim(number, "+0123456789*#ABCD") != "" {
		return number
	}
	if number[0] == '+' || s.phoneContext == "" {
		return "tel:" + number
	}
	return "tel:" + number + ";phone-context=" + s.phoneContext
}
