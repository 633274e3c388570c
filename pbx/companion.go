package pbx

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"rccgw/csta"
)

// A Companion is the driver of a PBX, and beside it the driver of the phones of its
// lines, desk phones that can be commanded themselves. What the PBX does not offer for a
// line, and is done to one connection at the phone, the phone is asked for: AnswerCall,
// HoldCall, RetrieveCall and ClearConnection. Everything else, and all that is told, is
// the PBX's.
//
// PBX and phone name calls differently. So the phone is asked where the line has one
// connection in the state of the one that is meant, and the phone has one in the same
// state; otherwise the command is refused, with stateIncompatibility. A phone tells its
// calls by SnapshotDevice, or by its events where it has none.
//
// A line is offered what its phone can do from when the phone was reached, which is
// tried when SnapshotDevice is asked of the line.
type Companion struct {
	main, phones     Driver
	log              *slog.Logger
	atMain, atPhones csta.Mux

	mu    sync.Mutex
	lines map[string]*phone // by the PBX's device
}

// A phone is that of a line. It is guarded by Companion.mu.
type phone struct {
	reached  bool      // it is known what it can do
	tried    time.Time // when it was to be reached last
	told     *Told     // by its events; nil where it is not watched
	watching string    // cross reference at the phones' driver; empty: none
	main     string    // at the PBX's driver; empty: none
}

const (
	reachTime  = 2 * time.Second  // how long a phone may take to be reached
	reachAgain = 30 * time.Second // after how long it is tried again
)

// NewCompanion returns a driver that is made of the two. They are its own from now on;
// it starts nothing.
func NewCompanion(main, phones Driver, log *slog.Logger) *Companion {
	c := &Companion{main: main, phones: phones, log: log, lines: map[string]*phone{}}
	main.Services(&c.atMain)
	phones.Services(&c.atPhones)
	return c
}

// Main returns the driver of the PBX.
func (c *Companion) Main() Driver { return c.main }

// atPhone are the services that a phone may be asked for, and the states of the
// connection in which they can be performed; nil: any.
func atPhone(req csta.Message) (states []csta.LocalConnectionState, ok bool) {
	switch req.(type) {
	case *csta.AnswerCall:
		return []csta.LocalConnectionState{Alerting}, true
	case *csta.HoldCall:
		return []csta.LocalConnectionState{Connected}, true
	case *csta.RetrieveCall:
		return []csta.LocalConnectionState{Hold}, true
	case *csta.ClearConnection:
		return nil, true
	}
	return nil, false
}

// Services registers what the PBX offers, and what the phones add to it.
func (c *Companion) Services(m *csta.Mux) {
	csta.Handle(m, c.monitorStart)
	csta.Handle(m, c.monitorStop)
	for _, msg := range csta.Messages() {
		atMain := func(device string) bool { return c.atMain.Offers(msg, device) }
		if ev, ok := msg.(csta.Event); ok {
			if c.atMain.Reported(ev) {
				csta.ReportsIf(m, ev, func(device string) bool { return c.atMain.ReportedOf(ev, device) })
			}
			continue
		}
		switch msg.(type) {
		case *csta.MonitorStart, *csta.MonitorStop:
			continue
		case *csta.SnapshotDevice:
			if c.atMain.Registered(msg) {
				csta.Pass(m, msg, c.snapshotDevice, atMain)
			}
			continue
		}
		if _, ok := atPhone(msg); ok && c.atPhones.Registered(msg) {
			csta.Pass(m, msg, c.perform, func(device string) bool { return atMain(device) || c.adds(msg, device) })
		} else if c.atMain.Registered(msg) {
			csta.Pass(m, msg, c.atMain.ServeCSTA, atMain)
		}
	}
}

// adds reports whether the line's phone offers a service.
func (c *Companion) adds(req csta.Message, device string) bool {
	c.mu.Lock()
	p := c.lines[device]
	reached := p != nil && p.reached
	c.mu.Unlock()
	return reached && c.atPhones.Offers(req, device)
}

// Run runs both drivers until the PBX's ends. The phones' is kept, as Keep does. The
// PBX's begins when the other's link is up, so that lines are offered what their phones
// can do from the beginning, but does not wait for it for long.
func (c *Companion) Run(ctx context.Context, emit Emit) error {
	ctx, cancel := context.WithCancel(ctx)
	var phones sync.WaitGroup
	defer phones.Wait()
	defer cancel()
	linked := make(chan struct{})
	var once sync.Once
	phones.Go(func() {
		_ = Keep(ctx, c.phones, func(device string, msg csta.Message) {
			if s, ok := msg.(*csta.SystemStatus); ok && s.SystemStatus == StatusNormal {
				once.Do(func() { close(linked) })
			}
			c.heard(device, msg)
		}, Backoff{}, c.log)
	})
	select {
	case <-linked:
	case <-time.After(reachTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.main.Run(ctx, emit)
}

// heard takes in what the phones tell. It is told to nobody.
func (c *Companion) heard(device string, msg csta.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.lines[device]
	ev, ok := msg.(csta.Event)
	if !ok || p == nil || p.told == nil {
		return
	}
	if _, out := ev.(*csta.OutOfServiceEvent); out {
		p.told = NewTold(device, device) // what it does is not known from now on
		return
	}
	p.told.Note(ev)
}

// line returns the phone of a line. c.mu is held.
func (c *Companion) line(device string) *phone {
	p := c.lines[device]
	if p == nil {
		p = &phone{}
		c.lines[device] = p
	}
	return p
}

// snapshotDevice is the PBX's. A line that it knows has its phone reached, where that
// was not yet.
func (c *Companion) snapshotDevice(ctx context.Context, req csta.Message) (csta.Message, error) {
	device := csta.Subject(req)
	resp, err := c.atMain.ServeCSTA(ctx, req)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	p := c.line(device)
	due := !p.reached && time.Since(p.tried) >= reachAgain
	if due {
		p.tried = time.Now()
	}
	c.mu.Unlock()
	if due {
		ctx, cancel := context.WithTimeout(ctx, reachTime)
		defer cancel()
		_, err := c.atPhones.ServeCSTA(ctx, &csta.SnapshotDevice{SnapshotObject: csta.Device(device)})
		if err != nil && !errors.Is(err, errNotSupported) {
			c.log.Debug("phone not reached", "line", device, "error", err)
			return resp, nil
		}
		c.mu.Lock()
		p.reached = true
		c.mu.Unlock()
	}
	return resp, nil
}

var errNotSupported = &csta.Error{Class: csta.Operation, Value: "serviceNotSupported"}

// perform has a service performed by the PBX if it offers it for the line, and else by
// the phone.
func (c *Companion) perform(ctx context.Context, req csta.Message) (csta.Message, error) {
	device := csta.Subject(req)
	if c.atMain.Offers(req, device) {
		return c.atMain.ServeCSTA(ctx, req)
	}
	var call string
	csta.Connections(req, func(id *csta.ConnectionID) { call = id.CallID })
	at, err := c.match(ctx, req, device, call)
	if err != nil {
		return nil, err
	}
	csta.Connections(req, func(id *csta.ConnectionID) { *id = csta.Connection(at, device) })
	return c.atPhones.ServeCSTA(ctx, req)
}

// match returns the phone's callID of the line's call.
func (c *Companion) match(ctx context.Context, req csta.Message, device, call string) (string, error) {
	wrong := func(format string, args ...any) error {
		return csta.Errorf(csta.StateIncompatibility, "invalidConnectionState", format, args...)
	}
	line, err := states(ctx, &c.atMain, device)
	if err != nil {
		return "", err
	}
	state, ok := line[call]
	if !ok {
		return "", csta.Errorf(csta.Operation, "invalidConnectionID", "there is no connection %s", csta.Connection(call, device))
	}
	if able, _ := atPhone(req); able != nil && state != able[0] {
		return "", wrong("connection %s is %s, not %s", csta.Connection(call, device), state, able[0])
	}
	if n := len(in(line, state)); n > 1 {
		return "", wrong("the line has %d calls that are %s: which of them is which at its phone cannot be told", n, state)
	}
	phone, err := states(ctx, &c.atPhones, device)
	if errors.Is(err, errNotSupported) {
		c.mu.Lock()
		if p := c.lines[device]; p != nil && p.told != nil {
			phone, err = p.told.Own(), nil
		}
		c.mu.Unlock()
	}
	if err != nil {
		return "", err
	}
	found := in(phone, state)
	if len(found) != 1 {
		return "", wrong("the phone has %d calls that are %s, and not the one that is meant", len(found), state)
	}
	return found[0], nil
}

// states asks for the states of a device's own connections, by callID.
func states(ctx context.Context, h csta.Handler, device string) (map[string]csta.LocalConnectionState, error) {
	s, err := csta.Call(ctx, h, &csta.SnapshotDevice{SnapshotObject: csta.Device(device)})
	if err != nil {
		return nil, err
	}
	own := map[string]csta.LocalConnectionState{}
	for _, info := range s.Connections() {
		own[info.ConnectionIdentifier.CallID] = compound(info)[0]
	}
	return own, nil
}

// in returns the calls in which a connection is in the state.
func in(own map[string]csta.LocalConnectionState, state csta.LocalConnectionState) (calls []string) {
	for call, s := range own {
		if s == state {
			calls = append(calls, call)
		}
	}
	return calls
}

// monitorStart has the line watched by both drivers, as far as they want to be told
// of that. That the phone cannot be is no reason to refuse.
func (c *Companion) monitorStart(ctx context.Context, req *csta.MonitorStart) (*csta.MonitorStartResponse, error) {
	if req.MonitorObject == nil || req.MonitorObject.DeviceObject.ID == "" {
		return nil, csta.Errorf(csta.Operation, "invalidMonitorObject", "only devices are watched")
	}
	device := req.MonitorObject.DeviceObject.ID
	start := func(m *csta.Mux) (string, error) {
		if !m.Registered(req) {
			return "", nil
		}
		r, err := csta.Call(ctx, m, csta.Clone(req))
		if err != nil {
			return "", err
		}
		return r.MonitorCrossRefID, nil
	}
	main, err := start(&c.atMain)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	p := c.line(device)
	p.main = main
	if p.told == nil {
		p.told = NewTold(device, device)
	}
	c.mu.Unlock()
	watching, err := start(&c.atPhones)
	if err != nil {
		c.log.Debug("phone not watched", "line", device, "error", err)
	}
	c.mu.Lock()
	p.watching = watching
	c.mu.Unlock()
	return &csta.MonitorStartResponse{MonitorCrossRefID: device}, nil
}

func (c *Companion) monitorStop(ctx context.Context, req *csta.MonitorStop) (*csta.MonitorStopResponse, error) {
	c.mu.Lock()
	p := c.lines[req.MonitorCrossRefID]
	if p == nil || p.told == nil {
		c.mu.Unlock()
		return nil, csta.Errorf(csta.Operation, "invalidMonitorCrossRefID", "nobody watches %q", req.MonitorCrossRefID)
	}
	main, watching := p.main, p.watching
	p.main, p.watching, p.told = "", "", nil
	c.mu.Unlock()
	stop := func(m *csta.Mux, id string) error {
		if id == "" || !m.Registered(req) {
			return nil
		}
		_, err := m.ServeCSTA(ctx, &csta.MonitorStop{MonitorCrossRefID: id})
		return err
	}
	if err := stop(&c.atPhones, watching); err != nil {
		c.log.Debug("phone still watched", "line", req.MonitorCrossRefID, "error", err)
	}
	if err := stop(&c.atMain, main); err != nil {
		return nil, err
	}
	return &csta.MonitorStopResponse{}, nil
}
