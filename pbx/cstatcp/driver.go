// Package cstatcp is the driver of PBXs and CTI servers that speak CSTA themselves: CSTA XML over TCP (ECMA-323 Annex
// J.2) or TLS, where the server wants it in an application session (ECMA-354).
//
// A Driver is a relay. Services go to the server as they come and its answers and refusals come back as they are; it
// offers what the server offers. Each device that is watched has one monitor at the server, however many clients
// watch it, and its events are passed on without the monitor's cross reference.
//
// The server has the calls. The driver records what it told of each device: when events may have been missed, since the
// connection or a monitor was lost, it compares a snapshot with that and tells the difference (pbx.Told).
package cstatcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A Driver is one link to one server. Its handlers may be called by many
// goroutines at once.
type Driver struct {
	config
	log     *slog.Logger
	offered atomic.Pointer[csta.GetCSTAFeaturesResponse] // by the server, as far as is known; nil before the first link

	mu      sync.Mutex
	link    *link // nil while there is none
	devices map[string]*watched
}

// New returns a driver with the settings, or all their mistakes. It opens
// nothing.
func New(s Settings, log *slog.Logger) (*Driver, error) {
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	d := &Driver{config: c, log: log, devices: map[string]*watched{}}
	d.offered.Store(c.features)
	return d, nil
}

// Services registers everything, to be offered when the server is known to
// offer it. Status, features and monitors are between the driver and the server.
func (d *Driver) Services(m *csta.Mux) {
	csta.Handle(m, d.monitorStart)
	csta.Handle(m, d.monitorStop)
	for _, msg := range csta.Messages() {
		offers := func(string) bool {
			f := d.offered.Load()
			return f != nil && f.Supports(msg)
		}
		switch msg := msg.(type) {
		case *csta.GetCSTAFeatures, *csta.RequestSystemStatus, *csta.SystemStatus, *csta.MonitorStart, *csta.MonitorStop, *csta.ChangeMonitorFilter:
		case csta.Event:
			csta.ReportsIf(m, msg, offers)
		default:
			if csta.Response(msg) != nil {
				csta.Pass(m, msg, d.pass, offers)
			}
		}
	}
}

// pass hands a service on.
func (d *Driver) pass(ctx context.Context, req csta.Message) (csta.Message, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, csta.Errorf(csta.PerformanceManagement, "performanceLimitExceeded", "not executed: %v", err)
	}
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	if l == nil {
		return nil, csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "there is no link to the server")
	}
	resp, err := l.call(ctx, req)
	if err != nil {
		return nil, refusal(err)
	}
	return resp, nil
}

// refusal is what a client is told of an error.
func refusal(err error) error {
	var refused *csta.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errUnanswered):
		// Whether it was done is not known, and it must not be done again.
		return csta.Errorf(csta.PrivateError, "uncertain", "%v", err)
	case errors.Is(err, errBusy):
		return csta.Errorf(csta.SubscribedResourceAvailability, "outstandingReqLimitExceeded", "%v", err)
	}
	return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "%v", err)
}

// Run opens the link, takes stock of the watched devices and passes their
// events on, until ctx ends or the link is lost. It leaves no goroutine behind.
func (d *Driver) Run(ctx context.Context, emit pbx.Emit) error {
	nc, err := d.dial(ctx)
	if err != nil {
		return err
	}
	return d.run(ctx, nc, emit)
}

// run is the life of a connection.
func (d *Driver) run(ctx context.Context, nc net.Conn, emit pbx.Emit) error {
	l := &link{Driver: d, conn: newConn(nc, d.timeout), emit: emit, monitors: map[string]*watched{}, lost: make(chan struct{}, 1)}
	l.conn.take = l.take
	var running sync.WaitGroup
	running.Go(func() { _ = l.conn.run() })
	l.conn.fail(l.serve(ctx))
	running.Wait()
	if len(l.conn.dropped) > 0 {
		d.log.Warn("messages of the server were of no use", "dropped", l.conn.dropped)
	}
	return l.conn.err
}

func (d *Driver) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if d.tls != nil {
		return (&tls.Dialer{Config: d.tls}).DialContext(ctx, "tcp", d.address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", d.address)
}

// A link is a connection and what was agreed on it.
type link struct {
	*Driver
	conn     *conn
	emit     pbx.Emit
	monitors map[string]*watched // by monitorCrossRefID; guarded by Driver.mu
	lost     chan struct{}       // has a token while devices are not watched that should be
}

// again is how long a lost monitor waits to be started again: a server that
// stops monitors does not want them back at once.
const again = time.Second

// serve opens the session, asks what the server can do and keeps the link until
// it ends.
func (l *link) serve(ctx context.Context) error {
	var s *session
	if l.session {
		var err error
		if s, err = l.start(ctx, l.conn); err != nil {
			return err
		}
		defer l.end(ctx, s)
	}
	if err := l.status(ctx); err != nil {
		return err
	}
	if l.features == nil {
		f, err := csta.Call(ctx, csta.HandlerFunc(l.call), &csta.GetCSTAFeatures{})
		if err != nil {
			return fmt.Errorf("what the server can do is not known (the setting FEATURES can say it): %w", err)
		}
		l.offered.Store(f)
	}
	l.mu.Lock()
	l.link = l
	l.mu.Unlock()
	defer l.unlink()
	return l.keep(ctx, s)
}

// keep takes stock, says that the link is normal, and then keeps it: with
// heartbeats and renewals of the session, also while stock is taken, which may
// take long where many devices are watched.
func (l *link) keep(ctx context.Context, s *session) error {
	ctx, cancel := context.WithCancel(ctx)
	stock := make(chan error, 1)
	taking, normal := false, false
	take := func() {
		taking = true
		go func() { stock <- l.watchAll(ctx) }()
	}
	defer func() {
		cancel()
		if taking {
			<-stock
		}
	}()
	heartbeat := time.NewTicker(l.heartbeat)
	defer heartbeat.Stop()
	renewal, retry := s.renewal(), (<-chan time.Time)(nil)
	take()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.conn.done:
			return nil // it knows why
		case <-renewal:
			err = s.renew(ctx, l.duration)
			renewal = s.renewal()
		case <-heartbeat.C:
			if err = l.status(ctx); err == nil && !taking {
				take()
			}
		case <-l.lost:
			if retry == nil {
				retry = time.After(again)
			}
		case <-retry:
			if retry = nil; taking {
				l.wake()
			} else {
				take()
			}
		case err = <-stock:
			if taking = false; err == nil && !normal {
				normal = true
				l.emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
			}
		}
		if err != nil {
			return err
		}
	}
}

// end stops the session, if the connection still lives.
func (l *link) end(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.stop(ctx); err != nil {
		l.log.Debug("session not stopped", "error", err)
	}
}

// unlink records that there is no link.
func (l *link) unlink() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.link = nil
	for _, w := range l.devices {
		w.monitor, w.holding = "", false
	}
}

// status asks the server for its state, which is a heartbeat, too: any answer
// shows that it lives.
func (l *link) status(ctx context.Context) error {
	r, err := csta.Call(ctx, csta.HandlerFunc(l.call), &csta.RequestSystemStatus{})
	switch {
	case errors.Is(err, &csta.Error{Class: csta.Operation, Value: "serviceNotSupported"}):
		return nil
	case err != nil:
		return fmt.Errorf("RequestSystemStatus: %w", err)
	case !serves(r.SystemStatus):
		return fmt.Errorf("the server's state is %s", r.SystemStatus)
	}
	return nil
}

// serves reports whether a server in the state performs services (ECMA-269
// clause 13.1).
func serves(s csta.SystemStatusValue) bool { return s != pbx.StatusDisabled && s != "initializing" }

// call performs a service at the server. A refusal is an *csta.Error, that of
// the server unchanged.
func (l *link) call(ctx context.Context, req csta.Message) (csta.Message, error) {
	body, err := csta.Encode(req, l.edition)
	if err != nil {
		return nil, err
	}
	l.trace("to the server", body)
	raw, err := l.conn.ask(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", csta.Name(req), err)
	}
	l.trace("from the server", raw)
	resp, _, err := csta.Decode(raw)
	if err != nil {
		return nil, csta.Errorf(csta.Operation, "generic", "%s was answered by what is not understood: %v", csta.Name(req), err)
	}
	if refused, ok := resp.(*csta.Error); ok {
		return nil, refused
	}
	if csta.Name(resp) != csta.Name(req)+"Response" {
		return nil, csta.Errorf(csta.Operation, "generic", "%s was answered by %s", csta.Name(req), csta.Name(resp))
	}
	return resp, nil
}

// trace logs a message, numbers and all, at debug only.
func (l *link) trace(way string, body []byte) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(way, "message", string(body))
	}
}

// take gets what is no answer from the connection, in the order of the wire.
func (l *link) take(id int, name string, body []byte) {
	l.trace("from the server", body)
	if name == terminated {
		reason := "what is not XML"
		if el, err := parse(body); err == nil {
			reason = leaves(el)
		}
		l.conn.fail(fmt.Errorf("the server ended the session: %s", reason))
		return
	}
	msg, edition, err := csta.Decode(body)
	if ev, ok := msg.(csta.Event); ok {
		l.event(ev, err)
		return
	}
	if err == nil {
		msg, err = l.perform(msg)
	}
	if id == eventID {
		if err != nil {
			l.log.Debug("event not known", "event", name, "error", err)
			l.conn.drop("event not known")
		}
		return
	}
	if err != nil {
		msg = csta.AsError(err)
	}
	if edition == "" {
		edition = l.edition
	}
	answer, err := csta.Encode(msg, edition)
	if err == nil {
		err = l.conn.write(context.Background(), frame{id, answer})
	}
	if err != nil {
		l.log.Debug("the server's request is not answered", "request", name, "error", err)
	}
}

// perform serves a request of the server.
func (l *link) perform(req csta.Message) (csta.Message, error) {
	switch req := req.(type) {
	case *csta.RequestSystemStatus:
		return &csta.RequestSystemStatusResponse{SystemStatus: pbx.StatusNormal}, nil
	case *csta.SystemStatus:
		switch {
		case !serves(req.SystemStatus):
			// It is not answered: the link is over.
			l.conn.fail(fmt.Errorf("the server's state is %s", req.SystemStatus))
		case req.SystemStatus == "messagesLost":
			l.log.Warn("the server has lost messages; taking stock")
			l.miss()
		default:
			l.log.Info("state of the server", "status", req.SystemStatus)
		}
		return &csta.SystemStatusResponse{}, nil
	case *csta.MonitorStop:
		if !l.unmonitor(req.MonitorCrossRefID) {
			return nil, csta.Errorf(csta.Operation, "invalidMonitorCrossRefID", "there is no monitor %q", req.MonitorCrossRefID)
		}
		return &csta.MonitorStopResponse{}, nil
	}
	return nil, csta.Errorf(csta.Operation, "serviceNotSupported", "%s is not supported by a client", csta.Name(req))
}
