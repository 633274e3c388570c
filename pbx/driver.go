// Package pbx is what a PBX driver is, and what all drivers share.
//
// A Driver registers the services it performs and the events it reports, and
// runs one link to its PBX; Keep runs it again and again, with growing pauses.
// Calls is the call model: drivers feed it what happens at the PBX, and it
// yields CSTA events with legal transitions, snapshots of devices and, after a
// lost link, the difference between what was and what is.
//
// The package knows no SIP, no message bus, no digit translation and no
// particular PBX. Numbers here are the PBX's own.
package pbx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"rccgw/csta"
)

// A Driver is one link to one PBX.
type Driver interface {
	// Services registers the driver's services and events. It is called once,
	// before the first Run. A service that is not registered is neither
	// advertised nor accepted; a registered one is performed or refused with
	// the state that forbids it. A handler returns when the PBX has accepted
	// the command and at the latest when its context ends; it answers
	// systemResourceAvailibility/resourceOutOfService while there is no link.
	Services(m *csta.Mux)

	// Run opens the link, takes stock, and reports what happens by emit until
	// ctx ends or the link is lost, which it returns as an error. It leaves no
	// goroutine behind. Keep calls it again: what the driver knows of calls
	// stays with the driver, so that it can report the difference.
	Run(ctx context.Context, emit Emit) error
}

// Emit reports msg, an event as the device sees it, in the order of the calls.
// With an empty device, msg is a *csta.SystemStatus about the whole link: a
// driver reports "normal" when its first snapshot is taken and every difference
// reported, which is what makes it ready.
//
// Emit does not block on the network. The message belongs to the receiver.
type Emit func(device string, msg csta.Message)

// Backoff says how long Keep waits before it runs a driver again.
type Backoff struct {
	Min, Max time.Duration // first and longest pause; zero means 250 ms and 15 s
}

// Keep runs the driver until ctx ends, again after each return, with pauses
// that grow from Min to Max and start over after a link that became normal.
// Whenever the link is lost it emits SystemStatus "disabled", before anything
// else is emitted: what a driver still emits after its Run has returned is
// dropped. It returns the context's error.
func Keep(ctx context.Context, d Driver, emit Emit, b Backoff, log *slog.Logger) error {
	if b.Min <= 0 {
		b.Min = 250 * time.Millisecond
	}
	if b.Max < b.Min {
		b.Max = max(15*time.Second, b.Min)
	}
	pause := b.Min
	for {
		l := &link{emit: emit}
		err := run(ctx, d, l.pass)
		if l.end() {
			pause = b.Min
		}
		emit("", &csta.SystemStatus{SystemStatus: StatusDisabled})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// A tenth of chance keeps the adapters of one cluster apart.
		wait := pause + rand.N(pause/10+1)
		log.Warn("PBX link lost", "error", err, "retry", wait.Round(time.Millisecond))
		pause = min(2*pause, b.Max)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// A link is one Run of a driver.
type link struct {
	emit Emit

	mu     sync.Mutex
	normal bool
	ended  bool
}

// pass emits while the link lasts.
func (l *link) pass(device string, msg csta.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	if s, ok := msg.(*csta.SystemStatus); ok && s.SystemStatus == StatusNormal {
		l.normal = true
	}
	l.emit(device, msg)
}

// end stops the passing, and reports whether the link was ever normal.
func (l *link) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	return l.normal
}

// run keeps a panic of the driver from ending the process: the link is lost,
// and the next one takes stock anew.
func run(ctx context.Context, d Driver, emit Emit) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the driver panicked: %v", r)
		}
	}()
	if err := d.Run(ctx, emit); err != nil {
		return err
	}
	return errors.New("the driver returned")
}

// The two states of a link that Emit reports.
const (
	StatusNormal   csta.SystemStatusValue = "normal"
	StatusDisabled csta.SystemStatusValue = "disabled"
)
