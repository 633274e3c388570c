package uacsta

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
)

// A line is one that has a dialog at the other end, or is to have one. One that is
// watched outlives a link.
type line struct {
	device   string
	at       address
	shared   bool // it goes over the link's endpoint, else over one of its own
	spelling *spelling
	dialled  dialled
	wake     chan struct{} // has a token while something is to be done: a watch began or ended, or events were missed

	// Guarded by Driver.mu.
	link     *link     // that keeps it; nil: none does
	told     *pbx.Told // what its watchers were told; nil: nobody watches
	based    bool      // told begins with a snapshot
	out      bool      // watchers were told that it is out of service
	dialog   *dialog   // that is open; nil: none is
	failed   error     // why none could be opened; nil where that is not known yet
	features *csta.GetCSTAFeaturesResponse
	used     time.Time       // when it was asked for anything last
	changed  chan struct{}   // closed when one of these changes that others wait for
	left     *cstasip.Client // a dialog that ended here, and maybe not at the other end
}

// A dialog is an open one of a line.
type dialog struct {
	*link
	line     *line
	client   *cstasip.Client
	endpoint *cstasip.Endpoint // its own, or that of the link
	features *csta.GetCSTAFeaturesResponse
	monitor  string // at the other end; empty: none. The keeper's

	// Guarded by Driver.mu.
	watching *pbx.Told // the record that it keeps true; nil: none
	holding  bool      // what a snapshot shows is not passed on, since one is under way
	crossed  bool      // an event came meanwhile
	missed   bool      // events may have been missed
	stopped  bool      // the other end has ended the monitor
	away     bool      // the other end says that the line is out of service
	doubt    bool      // a service was not answered: does the dialog still live?
	over     bool      // it is a dialog no more
}

// awake has the keeper look at what is to be done.
func (l *line) awake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// change tells those who wait for the line. Driver.mu is held.
func (l *line) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// ready returns the dialog, if it is open and whoever watches is told what happens.
// Driver.mu is held.
func (l *line) ready() *dialog {
	if l.dialog != nil && l.dialog.watching == l.told {
		return l.dialog
	}
	return nil
}

// opening reports whether the line is watched and nobody knows yet whether it can
// be. Driver.mu is held.
func (l *line) opening() bool {
	return l.link != nil && l.told != nil && l.ready() == nil && l.failed == nil
}

// tellOut tells watchers that the line is out of service. Driver.mu is held.
func (l *line) tellOut() {
	if l.told != nil && !l.out && l.link != nil {
		l.out = true
		l.link.emit(l.device, &csta.OutOfServiceEvent{Device: csta.Party(l.device)})
	}
}

// tellBack tells them that it is back. Driver.mu is held.
func (l *line) tellBack() {
	if l.out {
		l.out = false
		l.link.emit(l.device, &csta.BackInServiceEvent{Device: csta.Party(l.device)})
	}
}

// steady is how long a dialog must have lasted for the next to be opened after the
// first pause, not after a longer one.
const steady = 30 * time.Second

// keep opens the line's dialog, again and again, until nobody needs it or the link
// ends.
func (k *link) keep(l *line) {
	pause := k.retry
	for {
		s, err := k.open(l)
		if err == nil {
			begin := time.Now()
			err = s.stay()
			s.close(err)
			if time.Since(begin) > steady {
				pause = k.retry
			}
		}
		k.doubt(l, err)
		if k.rest(l, err) {
			return
		}
		if err == nil {
			continue // somebody needs it again
		}
		wait := pause + rand.N(pause/10+1)
		var status *cstasip.StatusError
		if errors.As(err, &status) {
			wait = min(max(wait, status.RetryAfter), max(wait, k.retryMax))
		}
		k.log.Warn("line has no dialog", "line", l.device, "error", err, "retry", wait.Round(time.Millisecond))
		pause = min(2*pause, k.retryMax)
		select {
		case <-k.ctx.Done():
		case <-time.After(wait):
		}
		if k.rest(l, err) {
			return
		}
	}
}

// rest notes that a line has no dialog because of err, nil where nobody needed it,
// and reports whether it is not to have another.
func (k *link) rest(l *line, err error) (over bool) {
	lost := k.lost(l)
	k.Driver.mu.Lock()
	defer k.Driver.mu.Unlock()
	defer l.change()
	// The other end may still have its dialog, and refuse another until it is told.
	owes := l.left != nil && time.Since(l.used) < max(k.sessionExpires, k.idle)
	if k.ctx.Err() != nil {
		l.link = nil
		if l.told == nil && !owes {
			delete(k.lines, l.device)
		}
		return true
	}
	first := err != nil && l.failed == nil
	if l.failed = err; err != nil && !lost {
		l.tellOut()
	}
	// The first time it is remembered for the length of a pause why there is none.
	if l.told != nil || owes || first || err == nil && time.Since(l.used) < k.idle {
		return false
	}
	l.link = nil
	delete(k.lines, l.device)
	return true
}

// open opens a dialog and does all that it takes for the line to be in service.
func (k *link) open(l *line) (s *dialog, err error) {
	done, err := k.pace()
	if err != nil {
		return nil, err
	}
	defer done()
	s = &dialog{link: k, line: l, endpoint: k.shared}
	if !l.shared {
		if s.endpoint, err = k.connect(k.ctx, l.at); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			s.close(err)
		}
	}()
	s.hangUp()
	if err := s.dial(); err != nil {
		return s, err
	}
	if r, ok := s.client.Opened().(*csta.RequestSystemStatusResponse); ok && !serves(r.SystemStatus) {
		return s, fmt.Errorf("the other end's state is %s", r.SystemStatus)
	}
	if s.features = k.Driver.features; s.features == nil {
		if s.features, err = csta.Call(k.ctx, csta.HandlerFunc(s.ask), &csta.GetCSTAFeatures{}); err != nil {
			return s, fmt.Errorf("what the line offers is not known (the setting FEATURES can say it): %w", err)
		}
	}
	k.Driver.mu.Lock()
	l.features = s.features
	k.Driver.mu.Unlock()
	if err := s.watch(); err != nil {
		return s, err
	}
	k.Driver.mu.Lock()
	defer k.Driver.mu.Unlock()
	l.dialog, l.failed = s, nil
	if l.told != s.watching {
		l.awake()
	}
	l.change()
	return s, nil
}

// hangUp tells the other end that the dialog before has ended: one that has one dialog
// for a line refuses another. What is not answered is said again with the next.
func (s *dialog) hangUp() {
	l := s.line
	if l.left == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	err := s.endpoint.HangUp(ctx, l.left)
	var status *cstasip.StatusError
	if err == nil || errors.As(err, &status) {
		l.left = nil
		return
	}
	s.log.Debug("the dialog before was not ended", "line", l.device, "error", err)
}

// dial opens the dialog itself.
func (s *dialog) dial() (err error) {
	l := s.line
	cfg := cstasip.ClientConfig{
		To: fill(s.to, "{line}", l.device, l.at.host), From: fill(s.from, "{line}", l.device, l.at.host),
		User: s.user, Password: s.secret, Edition: s.edition, SessionExpires: s.sessionExpires, RefreshByInvite: s.byInvite, UserAgent: "rccgw",
		OnEvent: s.event, OnUnread: s.unread, Permit: pbx.CheckLease, Handler: csta.HandlerFunc(s.asked), Log: s.log.With("line", l.device)}
	if s.lineInInvite {
		cfg.Line = l.spelling.line
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	s.client, err = s.endpoint.Dial(ctx, cfg)
	return err
}

// serves reports whether a system in the state performs services (ECMA-269 clause
// 13.1).
func serves(s csta.SystemStatusValue) bool { return s != pbx.StatusDisabled && s != "initializing" }

// stay keeps the dialog until it is lost, which it returns, or nobody has needed it
// for a while.
func (s *dialog) stay() error {
	heartbeat := time.NewTicker(s.heartbeat)
	defer heartbeat.Stop()
	idle := time.NewTimer(s.idle)
	defer idle.Stop()
	var connection <-chan time.Time
	if !s.line.shared && s.line.at.network != "udp" {
		tick := time.NewTicker(4 * look)
		defer tick.Stop()
		connection = tick.C
	}
	var again <-chan time.Time
	for {
		var err error
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-s.client.Done():
			return s.client.Err()
		case <-connection:
			if !s.endpoint.Connected() {
				return errLost
			}
		case <-heartbeat.C:
			err = s.refresh()
		case <-again:
			again = nil
			err = s.watch()
		case <-s.line.wake:
			s.Driver.mu.Lock()
			doubt, news, missed := s.doubt, s.line.told != s.watching, s.missed || s.stopped
			s.doubt = false
			s.Driver.mu.Unlock()
			if doubt {
				err = s.refresh()
			}
			if err == nil && news {
				err = s.watch()
			} else if missed && again == nil {
				again = time.After(pauseToWatch)
			}
		case <-idle.C:
			s.Driver.mu.Lock()
			rest := s.idle - time.Since(s.line.used)
			if s.line.told != nil {
				rest = s.idle
			} else if rest <= 0 {
				s.line.dialog = nil
			}
			s.Driver.mu.Unlock()
			if rest <= 0 {
				return nil
			}
			idle.Reset(rest)
		}
		if err != nil {
			return err
		}
	}
}

// pauseToWatch is how long a line waits to be watched again, or compared: an end that
// stops monitors does not want them back at once.
const pauseToWatch = time.Second

// refresh refreshes the dialog; an error says that it does not live. A refusal shows
// that it does, unless it says otherwise.
func (s *dialog) refresh() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	err := s.client.Refresh(ctx)
	var status *cstasip.StatusError
	if errors.As(err, &status) && status.Status != 481 && status.Status != 408 {
		s.log.Debug("refresh refused", "line", s.line.device, "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	return nil
}

// close ends the dialog because of err, nil where nobody needs it. The other end is
// told, unless the connection was lost or it does not answer: then the next dialog's
// endpoint tells it.
func (s *dialog) close(err error) {
	s.Driver.mu.Lock()
	s.over = true
	s.line.dialog = nil
	bye := s.bye
	s.line.change()
	s.Driver.mu.Unlock()
	if s.ctx.Err() == nil && !errors.Is(err, errLost) {
		bye = s.ctx
	}
	if s.client != nil {
		told := errors.Is(s.client.Err(), cstasip.ErrBye)
		if bye != nil && s.client.Err() == nil {
			ctx, cancel := context.WithTimeout(bye, s.timeout)
			defer cancel()
			if s.ctx.Err() != nil {
				select {
				case s.slots <- struct{}{}: // not all at once
					defer func() { <-s.slots }()
				case <-bye.Done():
				}
			}
			told = s.client.Close(ctx) == nil
		}
		if !told {
			s.line.left = s.client
		}
	}
	if !s.line.shared {
		s.endpoint.Close()
	}
}

// in turns what the other end says into what the driver has, in place.
func (l *line) in(m csta.Message) {
	l.spelling.in(m)
	l.dialled.mark(m)
}

// ask performs a service at the other end. req is written anew.
func (s *dialog) ask(ctx context.Context, req csta.Message) (csta.Message, error) {
	answered := s.line.dialled.note(req)
	resp, err := s.exchange(ctx, req)
	answered(resp, err)
	return resp, err
}

func (s *dialog) exchange(ctx context.Context, req csta.Message) (csta.Message, error) {
	if err := s.line.spelling.out(req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	resp, err := s.client.ServeCSTA(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", csta.Name(req), err)
	}
	if csta.Name(resp) != csta.Name(req)+"Response" {
		return nil, fmt.Errorf("%s was answered by %s", csta.Name(req), csta.Name(resp))
	}
	s.line.in(resp)
	return resp, nil
}

// asked serves what the other end asks.
func (s *dialog) asked(_ context.Context, req csta.Message) (csta.Message, error) {
	switch req := req.(type) {
	case *csta.RequestSystemStatus:
		return &csta.RequestSystemStatusResponse{SystemStatus: pbx.StatusNormal}, nil
	case *csta.SystemStatus:
		s.state(serves(req.SystemStatus))
		if req.SystemStatus == "messagesLost" {
			s.unread(errors.New("the other end has lost messages"))
		}
		return &csta.SystemStatusResponse{}, nil
	case *csta.MonitorStop:
		s.Driver.mu.Lock()
		s.stopped = true
		s.Driver.mu.Unlock()
		s.log.Warn("the other end has ended a monitor", "line", s.line.device)
		s.line.awake()
		return &csta.MonitorStopResponse{}, nil
	}
	return nil, csta.Errorf(csta.Operation, "serviceNotSupported", "%s is not supported by a client", csta.Name(req))
}
