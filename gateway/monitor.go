package gateway

import (
	"context"
	"slices"
	"strconv"

	"rccgw/bus"
	"rccgw/csta"
)

// A monitor is one MonitorStart of this dialog (ECMA-269 clause 15). One of type
// device tells what happens at the line while it is in a call, and of its
// settings; one of type call goes with each call wherever it goes, until it is
// over, and tells of nothing else.
type monitor struct {
	id      string // its cross reference
	written string // the line as this monitor's request wrote it
	filter  *csta.MonitorFilter
	calls   bool   // it is of type call
	object  string // the callID of its object; empty: the line
	stop    func() // ends its watch of calls; nil: it has none
}

const maxMonitors = 100

// hasCallMonitors reports whether the line can have monitors of type call.
func hasCallMonitors(l bus.Line) bool { return l.Features.Supports(&csta.SnapshotCall{}) }

func (s *Session) monitorStart(ctx context.Context, r *csta.MonitorStart) (csta.Message, error) {
	m, err := s.newMonitor(r)
	if err != nil {
		return nil, err
	}
	limit := s.g.MaxMonitors
	if limit == 0 {
		limit = maxMonitors
	}
	s.mu.Lock()
	if len(s.monitors) >= limit {
		s.mu.Unlock()
		return nil, csta.Errorf(csta.SubscribedResourceAvailability, "objectMonitorLimitExceeded", "this dialog has %d monitors", limit)
	}
	s.last++
	m.id = strconv.Itoa(s.last)
	s.monitors[m.id] = m
	s.g.monitors.Add(1)
	first := s.stop == nil
	s.mu.Unlock()
	// Not under the lock: the bus calls back under one of its own.
	if first {
		stop, up := s.g.Bus.Watch(ctx, s.line, s)
		s.mu.Lock()
		if s.closed {
			defer stop() // it ended meanwhile
		} else {
			s.stop, s.up = stop, up
		}
		s.mu.Unlock()
	}
	if m.calls {
		stop, err := s.g.Bus.WatchCalls(ctx, s.line, m.object, func(ev csta.Event) { s.take(waiting{s.line.Device, ev, m}) })
		if err != nil {
			s.drop(m)
			return nil, err
		}
		s.mu.Lock()
		m.stop = stop
		s.mu.Unlock()
	}
	existing := true
	resp := &csta.MonitorStartResponse{MonitorCrossRefID: m.id, ActualMonitorFilter: s.actual(m), MonitorExistingCalls: &existing}
	if r.RequestedMonitorMediaClass != nil {
		voice := true
		resp.ActualMonitorMediaClass = &csta.MonitorMediaClass{Voice: &voice}
	}
	return resp, nil
}

// newMonitor returns the monitor that was asked for, not yet started.
func (s *Session) newMonitor(r *csta.MonitorStart) (*monitor, error) {
	m := &monitor{written: r.MonitorObject.DeviceObject.ID, filter: r.RequestedMonitorFilter, calls: r.MonitorType == "call"}
	if call := r.MonitorObject.CallObject; call != nil {
		if m.written = call.DeviceID.ID; m.written == "" {
			m.written = s.written
		}
		if r.MonitorType == "device" {
			return nil, csta.Errorf(csta.Operation, "invalidMonitorType", "the monitor of a call is of type call")
		}
		if call.CallID == "" {
			return nil, csta.Errorf(csta.Operation, "invalidConnectionID", "callObject has no callID")
		}
		m.calls, m.object = true, call.CallID
	}
	if !s.own(m.written) {
		return nil, s.errNotOwn(m.written)
	}
	if m.calls && !hasCallMonitors(s.line) {
		return nil, csta.Errorf(csta.Operation, "monitorTypeNotSupported", "PBX %s cannot tell what is in a call: only monitors of type device are supported", s.line.PBX)
	}
	if !r.RequestedMonitorMediaClass.AllowsVoice() {
		return nil, csta.Errorf(csta.Operation, "requestIncompatibleWithMedia", "requestedMonitorMediaClass leaves out voice, which is all there is")
	}
	return m, nil
}

// actual returns the filter of a monitor that is in force; nil if none was
// asked for.
func (s *Session) actual(m *monitor) *csta.MonitorFilter {
	if m.filter == nil {
		return nil
	}
	reported := csta.Clone(s.line.Features)
	if e := reported.SupportedEvents; m.calls && e != nil {
		reported.SupportedEvents = &csta.SupportedEvents{CallControlEvtsList: e.CallControlEvtsList, CallAssociatedEvtsList: e.CallAssociatedEvtsList}
	}
	if m.calls {
		reported.Add(&csta.CallClearedEvent{})
	} else {
		reported.Add(&csta.BackInServiceEvent{}, &csta.OutOfServiceEvent{})
	}
	return m.filter.Actual(reported)
}

func errNoMonitor(id string) error {
	return csta.Errorf(csta.Operation, "invalidMonitorCrossRefID", "there is no monitor %q in this dialog", id)
}

func (s *Session) changeMonitorFilter(r *csta.ChangeMonitorFilter) (csta.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.monitors[r.MonitorCrossRefID]
	if m == nil {
		return nil, errNoMonitor(r.MonitorCrossRefID)
	}
	m.filter = r.RequestedFilterList
	return &csta.ChangeMonitorFilterResponse{ActualFilterList: s.actual(m)}, nil
}

func (s *Session) monitorStop(r *csta.MonitorStop) (csta.Message, error) {
	s.mu.Lock()
	m := s.monitors[r.MonitorCrossRefID]
	s.mu.Unlock()
	if m == nil {
		return nil, errNoMonitor(r.MonitorCrossRefID)
	}
	s.drop(m)
	return &csta.MonitorStopResponse{}, nil
}

// drop ends a monitor, and with the last one the watch of the line.
func (s *Session) drop(m *monitor) {
	s.mu.Lock()
	s.forgetMonitor(m.id)
	stops := []func(){m.stop}
	if len(s.monitors) == 0 {
		stops = append(stops, s.idle())
	}
	s.mu.Unlock()
	end(stops...)
}

func (s *Session) forgetMonitor(id string) {
	if s.monitors[id] != nil {
		delete(s.monitors, id)
		s.g.monitors.Add(-1)
	}
}

// idle forgets the watch of the line and what waits, and returns what ends it.
func (s *Session) idle() (stop func()) {
	stop = s.stop
	s.stop, s.pending = nil, nil
	return stop
}

// end ends watches of the bus: not under the lock, since the bus calls back
// under one of its own.
func end(stops ...func()) {
	for _, stop := range stops {
		if stop != nil {
			stop()
		}
	}
}

// followsCalls reports whether the session has a monitor of type call.
func (s *Session) followsCalls() bool {
	for _, m := range s.monitors {
		if m.calls {
			return true
		}
	}
	return false
}

func (s *Session) crossRefs() []string {
	ids := make([]string, 0, len(s.monitors))
	for id := range s.monitors {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// tell sends an event to those whom it is for.
func (s *Session) tell(e waiting) {
	if e.to == nil {
		for _, id := range s.crossRefs() {
			if m := s.monitors[id]; !m.calls {
				s.report(m, e)
			}
		}
		return
	}
	m := s.monitors[e.to.id]
	if m == nil {
		return // it was stopped meanwhile
	}
	s.report(m, e)
	if _, over := e.ev.(*csta.CallClearedEvent); over && m.object != "" {
		// The monitor goes with its object, and the switching function says so
		// (ECMA-269 clause 15.1.3). Its watch has ended by itself. That of the line
		// stays until the next monitor ends, or the dialog: this is called by the
		// bus, which must not be called back.
		s.forgetMonitor(m.id)
		s.send(&csta.MonitorStop{MonitorCrossRefID: m.id})
	}
}

// report sends an event to one monitor, unless it filters it out.
func (s *Session) report(m *monitor, e waiting) {
	if m.filter.Filters(e.ev) {
		return
	}
	ev := csta.Clone(e.ev)
	*ev.CrossRef() = m.id
	_, call := csta.LocalConnection(ev)
	s.presentLocked(ev, e.device, m.written, call)
	if s.dialect.Names == NamesAsPrivate {
		addNames(ev)
	}
	s.send(ev)
}
