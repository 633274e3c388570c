package uacsta

import (
	"context"
	"fmt"

	"rccgw/csta"
	"rccgw/pbx"
)

// watch has the line watched at the other end if it is watched here, and takes stock.
// What differs from what was told is told; of a line that has just begun to be watched
// it is the base of what will be. It ends the monitor where nobody watches any more.
func (s *dialog) watch() error {
	s.Driver.mu.Lock()
	told := s.line.told
	s.holding = told != nil
	stopped := s.stopped
	s.stopped = false
	s.Driver.mu.Unlock()
	if stopped {
		s.monitor = ""
	}
	if told == nil {
		return s.unwatch()
	}
	if s.monitor == "" {
		r, err := csta.Call(s.ctx, csta.HandlerFunc(s.ask), &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(s.line.device)}})
		if err != nil {
			return err
		}
		s.monitor = r.MonitorCrossRefID
	}
	return s.takeStock(told)
}

func (s *dialog) unwatch() error {
	if s.monitor != "" {
		if _, err := csta.Call(s.ctx, csta.HandlerFunc(s.ask), &csta.MonitorStop{MonitorCrossRefID: s.monitor}); err != nil {
			return err // the dialog's end ends its monitors
		}
		s.monitor = ""
	}
	s.Driver.mu.Lock()
	defer s.Driver.mu.Unlock()
	if s.watching = nil; s.line.told != nil {
		s.line.awake()
	}
	s.line.change()
	return nil
}

// snapshots is how often a snapshot is taken at the most, since events crossed it.
const snapshots = 7

// takeStock tells the difference between what was told of the line and what is. Of an
// event that comes while a snapshot is under way nobody knows whether the snapshot shows
// it: it is dropped, and another snapshot taken. There are two at the least: what one
// shows may be told behind its answer, where the other end tells nothing while it
// serves; that is before the answer to the second.
func (s *dialog) takeStock(told *pbx.Told) error {
	if !s.features.Supports(&csta.SnapshotDevice{}) {
		s.Driver.mu.Lock()
		defer s.Driver.mu.Unlock()
		if s.line.based && s.line.told == told {
			s.log.Warn("what the line did meanwhile is not known: the other end has no SnapshotDevice", "line", s.line.device)
		}
		s.stocked(told, nil)
		return nil
	}
	ask := csta.HandlerFunc(s.ask)
	for try := 1; ; try++ {
		s.Driver.mu.Lock()
		s.crossed, s.missed = false, false
		s.Driver.mu.Unlock()
		snapshot, err := csta.Call(s.ctx, ask, &csta.SnapshotDevice{SnapshotObject: csta.Device(s.line.device)})
		if err != nil {
			return err
		}
		settings := pbx.Settings(s.ctx, ask, s.line.device, s.features)
		s.Driver.mu.Lock()
		unclear := told.Unclear(snapshot)
		s.Driver.mu.Unlock()
		parties := pbx.AskParties(s.ctx, ask, s.features, unclear)
		ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
		err = s.client.Settle(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("events are not taken: %w", err)
		}
		s.Driver.mu.Lock()
		if try == 1 || s.crossed && try < snapshots {
			s.Driver.mu.Unlock()
			continue
		}
		s.stocked(told, told.Difference(snapshot, parties, settings))
		s.Driver.mu.Unlock()
		return nil
	}
}

// stocked tells the difference and that the line is in service. Driver.mu is held.
func (s *dialog) stocked(told *pbx.Told, difference []csta.Event) {
	l := s.line
	s.holding = false
	s.watching = told
	if l.told != told {
		l.awake() // it is watched by others now, or by nobody
		return
	}
	report := l.based || l.out
	if !s.away {
		l.tellBack()
	}
	for _, ev := range difference {
		told.Note(ev)
		if report {
			s.emit(l.device, ev)
		}
	}
	l.based = true
	l.change()
}

// event passes an event on to who watches the line.
func (s *dialog) event(ev csta.Event) {
	s.line.in(ev)
	*ev.CrossRef() = ""
	switch ev.(type) {
	case *csta.OutOfServiceEvent:
		s.state(false)
		return
	case *csta.BackInServiceEvent:
		s.state(true)
		return
	}
	s.Driver.mu.Lock()
	defer s.Driver.mu.Unlock()
	told := s.line.told
	switch {
	case s.over || told == nil:
	case !s.features.Supports(ev):
		s.log.Debug("event that the line does not offer", "line", s.line.device, "event", csta.Name(ev))
	case s.holding && pbx.Covers(ev) && s.features.Supports(&csta.SnapshotDevice{}):
		s.crossed = true
	default:
		told.Note(ev)
		s.emit(s.line.device, ev)
	}
}

// state takes in that the other end says that the line is in service, or out of it.
// What has happened meanwhile is found out when it is back.
func (s *dialog) state(in bool) {
	s.Driver.mu.Lock()
	defer s.Driver.mu.Unlock()
	if s.over || s.away == !in {
		return
	}
	if s.away = !in; s.away {
		s.line.tellOut()
		return
	}
	if s.watching == nil || s.watching != s.line.told {
		return // stock is taken, or will be
	}
	s.line.tellBack()
	s.watching, s.holding = nil, s.features.Supports(&csta.SnapshotDevice{})
	s.line.awake()
}

// unread takes in that an event may have been missed.
func (s *dialog) unread(err error) {
	s.log.Warn("an event may be lost", "line", s.line.device, "error", err)
	s.Driver.mu.Lock()
	s.missed, s.crossed = true, true
	s.Driver.mu.Unlock()
	s.line.awake()
}
