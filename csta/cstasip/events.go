package cstasip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// window is how many event INFOs may be under way on TCP and TLS before the
// first is answered, or was given T1 to be answered.
const window = 16

// An outbox holds the requests that leave a dialog, in order. They are sent by
// one goroutine at a time, which ends when there is nothing it may send: so
// CSeqs are on the wire in order.
//
// An event INFO occupies the window until it is answered, or until 500 ms have
// passed: over UDP the window is one, so that INFOs do not overtake each other;
// and a client that never answers is told everything all the same.
type outbox struct {
	list    []outgoing
	flying  int  // event INFOs that occupy the window
	sending bool // the goroutine runs
	answers bool // the client has answered an event: it is not one that never does
}

// An outgoing request.
type outgoing struct {
	method  string
	headers string
	contact bool // with our Contact
	body    []byte
	after   uint32    // the request whose answer it waits for; zero: none
	until   time.Time // but no longer than this
	final   func(*message, error)
}

// drop empties the outbox and returns how many events were in it.
func (o *outbox) drop() (events int) {
	for _, r := range o.list {
		if r.method == info {
			events++
		}
	}
	o.list = nil
	return events
}

// Send queues an event, to leave as an INFO in the order of the calls. While a
// request of the dialog is in service, events that are sent wait for its answer
// to leave first, at most EventHold. Send does not block and is done with ev
// when it returns. Its errors: what forbids to encode ev; ErrEnded; ErrOverflow
// when the client takes its events too slowly: then the dialog ends, because a
// client that has missed an event must not believe what it sees.
func (d *Dialog) Send(ev csta.Message) (err error) {
	d.mu.Lock()
	edition, ended := d.edition, d.ended || d.leaving
	d.mu.Unlock()
	if ended {
		return ErrEnded
	}
	var body []byte
	if !d.server.guard("encoding an event", func() { body, err = csta.Encode(ev, edition) }) {
		return errors.New("cstasip: the event cannot be encoded")
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	if d.ended || d.leaving {
		d.mu.Unlock()
		return ErrEnded
	}
	if len(d.outbox.list) >= d.server.cfg.MaxEvents {
		d.mu.Unlock()
		d.server.log.Warn("client does not take its events", "dialog", d.leg.callID, "line", d.Line, "waiting", d.server.cfg.MaxEvents)
		d.end(ErrOverflow, true, nil)
		return ErrOverflow
	}
	o := outgoing{method: info, body: body}
	if d.begun != d.written {
		o.after, o.until = d.begun, time.Now().Add(d.server.cfg.EventHold)
		d.arm(o.until)
	}
	d.outbox.list = append(d.outbox.list, o)
	d.pump()
	d.mu.Unlock()
	return nil
}

// pump starts the sender if there is something to send. d.mu is held.
func (d *Dialog) pump() {
	if d.outbox.sending || !d.sendable(time.Now()) {
		return
	}
	d.outbox.sending = true
	if !d.server.spawn(d.send) {
		d.outbox.sending = false
	}
}

// sendable reports whether the outbox's first request may leave. d.mu is held.
func (d *Dialog) sendable(now time.Time) bool {
	o := &d.outbox
	if len(o.list) == 0 {
		return false
	}
	first := &o.list[0]
	if first.method != info {
		return true
	}
	if d.held(now) {
		d.arm(first.until)
		return false
	}
	limit := window
	if d.leg.flow.network == udpNet {
		limit = 1
	}
	return o.flying < limit
}

// held reports whether the outbox's first request waits for an answer, and may
// do so for longer. d.mu is held.
func (d *Dialog) held(now time.Time) bool {
	o := &d.outbox
	return len(o.list) > 0 && d.waits(&o.list[0]) && now.Before(o.list[0].until)
}

// waits reports whether the answer that o waits for is not written yet.
func (d *Dialog) waits(o *outgoing) bool {
	return o.after != 0 && int32(d.written-o.after) < 0
}

// send is the sender.
func (d *Dialog) send() {
	for {
		d.mu.Lock()
		if !d.sendable(time.Now()) {
			d.outbox.sending = false
			d.mu.Unlock()
			return
		}
		o := d.outbox.list[0]
		if d.waits(&o) {
			d.server.stats.eventsForced.Add(1)
			d.written = o.after // nothing waits for that answer any more
		}
		d.outbox.list[0] = outgoing{}
		d.outbox.list = d.outbox.list[1:]
		if len(d.outbox.list) == 0 {
			d.outbox.list = nil
		}
		d.mu.Unlock()
		if err := d.transmit(o); err != nil {
			if o.final != nil {
				o.final(nil, err)
			}
			d.end(fmt.Errorf("%w: %w", ErrGone, err), false, nil)
		}
	}
}

// transmit sends a request to the client, over its own connection or one that
// is opened to it. A connection may turn out to be broken: then one more is tried.
func (d *Dialog) transmit(o outgoing) error {
	ctx, stop := context.WithTimeout(d.server.ctx, 2*dialTimeout)
	defer stop()
	var err error
	for range 2 {
		var f flow
		if f, err = d.leg.way(ctx, &d.mu); err != nil {
			return err
		}
		d.mu.Lock()
		d.leg.cseq++
		cseq := d.leg.cseq
		headers := o.headers
		if o.contact {
			headers += d.leg.contact(f)
		}
		var req *sip.Request
		if req, err = d.leg.request(f, o.method, cseq, newBranch(), headers, o.body); err != nil {
			d.mu.Unlock()
			return err
		}
		final, slow, again := o.final, (func())(nil), (func())(nil)
		switch o.method {
		case info:
			d.outbox.flying++
			d.server.stats.sent.Add(1)
			final, slow = d.eventTold()
		case invite:
			final, again = d.acknowledging(f, cseq, o.final)
		}
		d.mu.Unlock()
		if err = d.server.send(ctx, f, req, final, again); err == nil {
			return nil
		}
		if slow != nil {
			slow()
		}
		d.server.discard(f)
		if errors.Is(err, errStopped) || !f.reliable() {
			return err
		}
		d.mu.Lock()
		if d.leg.flow == f && f.conn != nil {
			d.leg.use(flow{})
		}
		d.mu.Unlock()
	}
	return err
}

// eventTold returns the callbacks of one event INFO.
func (d *Dialog) eventTold() (final func(*message, error), slow func()) {
	landed := false // guarded by d.mu
	var timer *time.Timer
	land := func() {
		if !landed {
			landed = true
			timer.Stop()
			d.outbox.flying--
		}
	}
	slow = func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		land()
		d.pump()
	}
	timer = time.AfterFunc(t1, slow)
	final = func(m *message, err error) {
		d.mu.Lock()
		land()
		gone := d.told(m, err)
		d.pump()
		d.mu.Unlock()
		if gone != nil {
			d.end(gone, false, nil)
		}
	}
	return final, slow
}

// told takes the outcome of an event INFO, and returns why the client is gone,
// nil if it is not. d.mu is held.
//
// 481 says so. So does 408, which a proxy sends for a client that does not
// answer (RFC 5057 §5.1), unless the client never answers: then the proxy knows
// no more than we do. Of a client that used to answer, silence on UDP says it,
// and a connection that is lost before the answer came: what was under way may be
// lost with it, and a client that has missed an event must not be left with the
// wrong picture.
func (d *Dialog) told(m *message, err error) error {
	c := &d.server.stats
	switch {
	case err != nil:
		c.unanswered.Add(1)
		if d.outbox.answers && (errors.Is(err, ErrDisconnected) || errors.Is(err, ErrTimeout) && d.leg.flow.network == udpNet) {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
	case m.status < 300:
		c.eventsAnswered.Add(1)
		d.outbox.answers = true
	case m.status == 481, m.status == 408 && d.outbox.answers:
		c.eventsRefused.Add(1)
		return fmt.Errorf("%w: %w", ErrGone, &StatusError{Status: m.status, Reason: m.reason})
	case m.status == 408:
		c.unanswered.Add(1)
	default:
		c.eventsRefused.Add(1)
		d.server.log.Debug("event refused", "dialog", d.leg.callID, "line", d.Line, "status", m.status)
	}
	return nil
}

// farewell sends BYE in front of everything else. d.mu is held.
func (d *Dialog) farewell(reason error, done func()) {
	leave := func(*message, error) {
		d.mu.Lock()
		d.leg.use(flow{})
		d.mu.Unlock()
		if done != nil {
			done()
		}
	}
	headers := `Reason: SIP;cause=200;text="` + quoted(reason.Error()) + "\"\r\n"
	d.outbox.list = []outgoing{{method: bye, headers: headers, final: leave}}
	d.pump()
}

// quoted makes s fit for a quoted string.
func quoted(s string) string {
	b := []byte(headerText(s))
	for i, c := range b {
		if c == '"' || c == '\\' {
			b[i] = '\''
		}
	}
	return string(b)
}
