package cstasip

import (
	"context"
	"crypto/x509"
	"errors"
	"net/netip"
	"sync"
	"time"

	"rccgw/csta"
)

// A Dialog is one client's dialog with the server. Its exported fields are set
// before Open and do not change.
type Dialog struct {
	Line        string            // that lcs:line of the INVITE names, byte for byte; empty if it names none
	RequestURI  string            // of the INVITE; see User
	To, From    string            // URIs of the INVITE; see User
	UserAgent   string            // of the client; empty if it does not tell
	Peer        netip.AddrPort    // where the INVITE came from: the client or its proxy
	Transport   string            // udp, tcp or tls: what the INVITE came over
	Certificate *x509.Certificate // of the peer; nil where it showed none

	server *Server
	leg    leg // callID and tags do not change; the rest is guarded by mu

	mu      sync.Mutex
	session Session
	edition csta.Edition
	updates bool      // the client allows UPDATE
	source  flow      // what the last request came over
	inbox   inbox     // what was received
	queue   []*job    // requests that wait, in order of arrival
	busy    *job      // the request in service
	tx      *inviteTx // of the last INVITE, until it is acknowledged
	working bool      // a goroutine serves the queue
	begun   uint32    // requests whose service has begun
	written uint32    // requests whose answer is written
	outbox  outbox
	expiry  sessionTimer

	timer   *time.Timer
	timerAt time.Time

	ended   bool
	closed  bool      // Session.Close was or is called
	counted bool      // in Server.open
	reason  error     // why it ended, or must end once it is open
	linger  time.Time // until when an ended dialog repeats its answers
}

// A job is a request that is served.
type job struct {
	m        *message
	rec      *record   // nil for INVITE
	tx       *inviteTx // of INVITE
	undo     func()    // of a re-INVITE's epoch
	deadline time.Time
	answered bool // at the deadline, or by CANCEL
}

// first reports whether the job is the INVITE that opens the dialog.
func (j *job) first() bool { return j.tx != nil && j.m.toTag == "" }

// User returns the user part of a SIP URI, or the number of a tel URI with its
// parameters, as they are written.
func User(uri string) string { return uriUser(uri) }

// ID identifies the dialog: Call-ID and both tags.
func (d *Dialog) ID() string { return d.leg.callID + ";" + d.leg.localTag + ";" + d.leg.remoteTag }

// CallID returns the dialog's Call-ID.
func (d *Dialog) CallID() string { return d.leg.callID }

// Tags returns our tag and the client's.
func (d *Dialog) Tags() (local, remote string) { return d.leg.localTag, d.leg.remoteTag }

// Edition returns the edition of ECMA-323 that the client speaks: that of its
// last body. Answers and events go out in it.
func (d *Dialog) Edition() csta.Edition {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.edition
}

// receive takes an in-dialog request from a reader.
func (d *Dialog) receive(m *message) {
	switch m.method {
	case bye:
		d.bye(m)
		return
	case info, update, invite:
	case options:
		// A keep-alive: answered at once, whatever is in service.
		d.mu.Lock()
		d.lives(m)
		d.mu.Unlock()
		d.server.send(m, d.server.capabilities(), "")
		return
	default:
		d.server.send(m, answer{status: 405, headers: allowLine}, "")
		return
	}
	d.enqueue(m)
}

// lives notes a sign of life from the client, and the way it came. Any request
// counts: one that makes calls is not to be ended for forgetting to refresh.
// It counts as the ACK as well, which may come late or not at all.
func (d *Dialog) lives(m *message) {
	d.expiry.alive = time.Now()
	if d.tx != nil {
		d.tx.confirm()
		d.tx = nil
	}
	if m.flow != d.source {
		d.source = m.flow
		d.leg.adopt(m)
	}
}

// enqueue gives a request its place among the dialog's requests. It runs in the
// reader: the place is that of arrival.
func (d *Dialog) enqueue(m *message) {
	now := time.Now()
	s := d.server
	var j *job
	if m.method == invite {
		tx, again := s.inviteFor(m)
		if again {
			tx.repeat()
			return
		}
		j = &job{m: m, tx: tx}
	}
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		d.reject(j, m, answer{status: 481})
		return
	}
	if j == nil {
		rec, v := d.inbox.receive(m, now)
		switch v {
		case pending:
			d.mu.Unlock()
			return
		case repeated:
			a := rec.answer
			d.lives(m)
			d.mu.Unlock()
			s.stats.repeated.Add(1)
			s.send(m, a, "")
			return
		case conflict:
			d.mu.Unlock()
			s.log.Warn("request out of order", "dialog", d.leg.callID, "peer", m.flow.peer, "method", m.method, "cseq", m.cseq)
			s.send(m, answer{status: 500, reason: "CSeq Out of Order"}, "")
			return
		}
		j = &job{m: m, rec: rec}
	}
	d.lives(m)
	if len(d.queue) >= s.cfg.MaxRequests {
		a := answer{status: 503, headers: "Retry-After: 5\r\n"}
		if j.rec != nil {
			d.inbox.answer(j.rec, a, now)
		}
		d.mu.Unlock()
		d.reject(j, m, a)
		return
	}
	if j.tx != nil {
		j.tx.belongs(d)
		d.tx = j.tx
		j.undo = d.inbox.turn()
	}
	j.deadline = now.Add(s.cfg.RequestTimeout)
	d.queue = append(d.queue, j)
	d.arm(j.deadline)
	d.start()
	d.mu.Unlock()
}

func (d *Dialog) reject(j *job, m *message, a answer) {
	if j != nil && j.tx != nil {
		j.tx.answer(a)
		return
	}
	d.server.send(m, a, "")
}

// start sees to it that the queue is served. d.mu is held.
func (d *Dialog) start() {
	if d.working {
		return
	}
	d.working = true
	if !d.server.spawn(d.work) {
		d.working = false
	}
}

// work serves the queue until it is empty. There is one at a time per dialog,
// and none while nothing is asked.
func (d *Dialog) work() {
	s := d.server
	s.work(+1)
	defer s.work(-1)
	for {
		d.mu.Lock()
		d.busy = nil
		if len(d.queue) == 0 {
			d.queue = nil
			d.working = false
			last := d.ended && !d.closed && d.session != nil
			d.closed = d.closed || last
			d.mu.Unlock()
			if last {
				d.close()
			}
			return
		}
		j := d.queue[0]
		d.queue[0] = nil
		d.queue = d.queue[1:]
		if j.answered {
			d.mu.Unlock()
			continue
		}
		d.busy = j
		d.begun++
		d.mu.Unlock()

		a := answer{status: 500}
		s.guard("serving "+j.m.method, func() { a = d.serve(j) })
		d.finish(j, a)
		if j.first() && a.status >= 300 {
			d.abandon()
		}
	}
}

// finish writes the answer of a request and lets the events go that waited for
// it.
func (d *Dialog) finish(j *job, a answer) {
	d.mu.Lock()
	late := j.answered
	j.answered = true
	if !late {
		if j.rec != nil {
			d.inbox.answer(j.rec, a, time.Now())
			d.arm(d.inbox.next())
		}
		if j.undo != nil && a.status >= 300 {
			j.undo()
		}
	}
	d.mu.Unlock()
	if late {
		d.server.log.Warn("answer came after the deadline", "dialog", d.leg.callID, "method", j.m.method, "status", a.status)
	} else {
		d.put(j, a)
	}
	d.mu.Lock()
	d.written = d.begun
	d.pump()
	d.mu.Unlock()
}

func (d *Dialog) put(j *job, a answer) {
	if j.tx != nil {
		j.tx.answer(a)
		return
	}
	d.server.send(j.m, a, d.leg.localTag)
}

// serve returns the answer to a request.
func (d *Dialog) serve(j *job) answer {
	ctx, stop := context.WithDeadline(d.server.ctx, j.deadline)
	defer stop()
	switch {
	case j.first():
		j.tx.onCancel(stop)
		return d.open(ctx, j)
	case j.m.method == invite, j.m.method == update:
		return d.refreshed(ctx, j)
	}
	doc, ok := cstaPart(j.m)
	if !ok {
		return answer{status: 415, headers: acceptLine}
	}
	if len(doc) == 0 {
		return answer{status: 200}
	}
	return d.perform(ctx, j, doc)
}

// perform decodes a request, has the session serve it and encodes the answer.
func (d *Dialog) perform(ctx context.Context, j *job, doc []byte) answer {
	req, edition, err := csta.Decode(doc)
	return d.service(ctx, j, req, edition, err)
}

func (d *Dialog) service(ctx context.Context, j *job, req csta.Message, edition csta.Edition, err error) answer {
	if edition != "" {
		d.mu.Lock()
		d.edition = edition
		d.mu.Unlock()
	} else {
		edition = d.Edition()
	}
	if a, bad := undecoded(err); bad {
		return a
	}
	var resp csta.Message
	if err == nil {
		rec := j.rec
		if rec == nil {
			d.mu.Lock()
			rec = &record{epoch: d.inbox.epoch, cseq: j.m.cseq, method: j.m.method, body: bodyHash(j.m.body)}
			d.mu.Unlock()
		}
		resp, err = d.session.ServeCSTA(csta.WithCommandKey(ctx, commandKey(&d.leg, rec)), req)
	}
	a := answer{status: 200}
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) {
			return r.answer()
		}
		e := csta.AsError(err)
		resp = e
		if d.server.cfg.ErrorStyle == ErrorsInSIP {
			a.status = sipStatus(e)
		}
		d.server.log.Debug("service refused", "dialog", d.leg.callID, "line", d.Line, "error", err)
	}
	if resp == nil {
		return a
	}
	if a.body, err = csta.Encode(resp, edition); err != nil {
		d.server.log.Error("answer cannot be encoded", "dialog", d.leg.callID, "answer", csta.Name(resp), "error", err)
		return answer{status: 500}
	}
	return a
}

// undecoded is the answer to a body that is not CSTA.
func undecoded(err error) (answer, bool) {
	var syntax *csta.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return answer{status: 400, reason: "Malformed Body"}, true
	case errors.Is(err, csta.ErrTooLarge):
		return answer{status: 413}, true
	}
	return answer{}, false
}

// bye ends the dialog on the client's wish. It overtakes: requests that came
// before it are still served, which may take a while.
func (d *Dialog) bye(m *message) {
	d.server.send(m, answer{status: 200}, "")
	d.end(ErrBye, false, nil)
}

// End ends the dialog with BYE. The session is closed with the reason, which
// the client is told in the BYE's Reason header, once the requests that wait are
// served. It does not block.
func (d *Dialog) End(reason error) {
	if reason == nil {
		reason = ErrEnded
	}
	d.end(reason, true, nil)
}

// end ends the dialog, once; it reports whether it was this call. done is
// called when a BYE was answered or given up. A dialog that is not open yet ends
// as soon as it is.
func (d *Dialog) end(reason error, sayBye bool, done func()) bool {
	d.mu.Lock()
	if d.ended || !d.counted {
		if !d.ended && d.reason == nil {
			d.reason = reason
		}
		d.mu.Unlock()
		return false
	}
	d.ended, d.counted = true, false
	d.reason = reason
	d.server.stats.eventsDropped.Add(uint64(d.outbox.drop()))
	if d.tx != nil {
		d.tx.confirm()
		d.tx = nil
	}
	d.expiry = sessionTimer{}
	if sayBye {
		d.farewell(reason, done)
	} else {
		d.leg.use(flow{})
	}
	last := !d.working && !d.closed && d.session != nil
	d.closed = d.closed || last
	d.linger = time.Now()
	reliable := d.source.reliable()
	if !reliable {
		// Repetitions of the last requests, BYE among them, still get their answers.
		d.linger = d.linger.Add(patience)
	}
	d.stopTimer()
	d.schedule()
	d.mu.Unlock()

	s := d.server
	s.stats.ended.Add(1)
	s.mu.Lock()
	s.open--
	if reliable {
		delete(s.dialogs, d.leg.localTag)
	}
	s.mu.Unlock()
	s.log.Debug("dialog ended", "dialog", d.leg.callID, "line", d.Line, "reason", reason)
	if last && !s.spawn(d.close) {
		d.close()
	}
	return true
}

// close closes the session.
func (d *Dialog) close() {
	d.server.guard("closing a session", func() { d.session.Close(d.reason) })
}

// arm sets the dialog's one timer to fire at the time, if it does not fire
// before; zero is never. d.mu is held.
func (d *Dialog) arm(at time.Time) {
	if at.IsZero() || !d.timerAt.IsZero() && !at.Before(d.timerAt) {
		return
	}
	d.timerAt = at
	if d.timer == nil {
		d.timer = time.AfterFunc(time.Until(at), d.tick)
		return
	}
	d.timer.Reset(time.Until(at))
}

func (d *Dialog) stopTimer() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timerAt = time.Time{}
}

// schedule sets the timer to the next thing that is due. d.mu is held.
func (d *Dialog) schedule() {
	for _, j := range append([]*job{d.busy}, d.queue...) {
		if j != nil && !j.answered {
			d.arm(j.deadline)
			break
		}
	}
	if d.ended {
		if d.linger.After(time.Now()) {
			d.arm(d.linger)
		}
		return
	}
	if len(d.outbox.list) > 0 {
		d.arm(d.outbox.list[0].until)
	}
	d.arm(d.inbox.next())
	d.arm(d.expiry.due())
}

// tick does what is due, and sets the timer again.
func (d *Dialog) tick() {
	now := time.Now()
	s := d.server
	d.mu.Lock()
	d.timerAt = time.Time{}
	var late []*job
	for _, j := range append([]*job{d.busy}, d.queue...) {
		if j != nil && !j.answered && !now.Before(j.deadline) {
			late = append(late, j)
		}
	}
	a := answer{status: 504}
	for _, j := range late {
		j.answered = true
		if j.rec != nil {
			d.inbox.answer(j.rec, a, now)
		}
		if j.undo != nil {
			j.undo()
		}
	}
	d.inbox.shrink(now)
	expired, over := false, false
	if d.ended {
		over = !now.Before(d.linger)
	} else {
		if at := d.expiry.due(); !at.IsZero() && !now.Before(at) {
			if expired = !d.expiry.ours; !expired {
				d.refresh(now)
			}
		}
		d.pump()
	}
	if !expired {
		d.schedule()
	}
	d.mu.Unlock()
	for _, j := range late {
		s.log.Warn("request not served in time", "dialog", d.leg.callID, "method", j.m.method, "cseq", j.m.cseq)
		d.put(j, a)
	}
	if expired {
		d.end(ErrExpired, true, nil)
	}
	if over {
		s.mu.Lock()
		delete(s.dialogs, d.leg.localTag)
		s.mu.Unlock()
	}
}
