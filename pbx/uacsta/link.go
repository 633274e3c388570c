package uacsta

import (
	"context"
	"errors"
	"sync"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
)

// A link is one Run: what lines share while it lasts.
type link struct {
	*Driver
	ctx    context.Context // of what lines do; ends before anything is closed
	emit   pbx.Emit
	shared *cstasip.Endpoint // of the lines that have no address of their own; nil: none
	slots  chan struct{}     // of the lines that are opened or closed at once
	keeps  sync.WaitGroup    // the lines' goroutines
	doubts chan struct{}     // has a token while it is in doubt whether the shared connection lets anything through
	bye    context.Context   // in which dialogs end with BYE; nil: they do not. Set before ctx ends

	mu   sync.Mutex
	next time.Time // when the next dialog may be opened
}

const (
	atOnce = 16 // lines that are opened or closed at once

	// look is how often a connection is looked at. Nobody tells of its loss.
	look = 250 * time.Millisecond

	// startTime is how long the link waits for the lines that are watched before it is
	// reported as normal. Those that are not open then are told to be out of service.
	startTime = 5 * time.Second

	// endTime is how long dialogs may take to end with the link.
	endTime = 5 * time.Second
)

// errLost ends a dialog, or a link, whose connection was lost.
var errLost = errors.New("the connection to the other end was lost")

// Run reaches the other end, opens the dialogs of the watched lines and passes their
// events on, until ctx ends or the connection that lines share is lost. It leaves no
// goroutine behind.
func (d *Driver) Run(ctx context.Context, emit pbx.Emit) error {
	// Lines end when it is said how, not with ctx.
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	k := &link{Driver: d, ctx: working, emit: emit, slots: make(chan struct{}, atOnce), doubts: make(chan struct{}, 1)}
	if d.address != nil && !d.perLine {
		var err error
		if k.shared, err = d.connect(ctx, *d.address); err != nil {
			return err
		}
		defer k.shared.Close()
	}
	d.mu.Lock()
	d.link = k
	var watched []*line
	for _, l := range d.lines {
		k.start(l)
		watched = append(watched, l)
	}
	d.mu.Unlock()
	err := k.run(ctx, watched)
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer stop()
	d.mu.Lock()
	d.link = nil
	if !errors.Is(err, errLost) {
		k.bye = ending
	}
	cancel()
	d.mu.Unlock()
	k.keeps.Wait()
	return err
}

// connect opens an endpoint.
func (d *Driver) connect(ctx context.Context, at address) (*cstasip.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return cstasip.Connect(ctx, at.server(), d.tls, d.log)
}

// run waits for the watched lines, says that the link is normal and looks after the
// connection.
func (k *link) run(ctx context.Context, watched []*line) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	patience := time.NewTimer(startTime)
	defer patience.Stop()
	for normal := false; ; {
		k.Driver.mu.Lock()
		for len(watched) > 0 && !watched[0].opening() {
			watched = watched[1:]
		}
		var opened <-chan struct{}
		if len(watched) > 0 {
			opened = watched[0].changed
		}
		k.Driver.mu.Unlock()
		if k.shared != nil && !k.shared.Connected() {
			return errLost
		}
		if opened == nil && !normal {
			normal = true
			k.emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-opened:
		case <-patience.C:
			k.Driver.mu.Lock()
			for _, l := range watched {
				if l.opening() {
					l.tellOut()
				}
			}
			k.Driver.mu.Unlock()
			watched = nil
		case <-tick.C: // to look at the connection
		case <-k.doubts:
			asking, cancel := context.WithTimeout(ctx, k.timeout)
			err := k.shared.Ping(asking)
			cancel()
			if err != nil && ctx.Err() == nil {
				return errLost
			}
		}
	}
}

// lost reports whether the line has no dialog because the link has no connection any more: the link ends then, which is what watchers are told.
func (k *link) lost(l *line) bool { return l.shared && k.shared != nil && !k.shared.Connected() }

// doubt has the shared connection looked at if a line's dialog has ended because it was lost, and tried if nothing
// was answered: a connection may stand and let nothing through.
func (k *link) doubt(l *line, err error) {
	if k.lost(l) || l.shared && k.address.network != "udp" && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cstasip.ErrTimeout)) {
		select {
		case k.doubts <- struct{}{}:
		default:
		}
	}
}

// start keeps a line from now on. Driver.mu is held.
func (k *link) start(l *line) {
	l.link, l.failed = k, nil
	k.keeps.Go(func() { k.keep(l) })
}

// pace waits until another dialog may be opened, and for a slot, which done gives
// back.
func (k *link) pace() (done func(), err error) {
	k.mu.Lock()
	at := time.Now()
	if k.next.After(at) {
		at = k.next
	}
	k.next = at.Add(time.Second / time.Duration(k.openRate))
	k.mu.Unlock()
	select {
	case <-time.After(time.Until(at)):
	case <-k.ctx.Done():
		return nil, k.ctx.Err()
	}
	select {
	case k.slots <- struct{}{}:
		return func() { <-k.slots }, nil
	case <-k.ctx.Done():
		return nil, k.ctx.Err()
	}
}
