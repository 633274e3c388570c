package cstasip

import (
	"context"
	"crypto/x509"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// A Dialog is one client's dialog with the server. Its exported fields are set
// before Open and do not change.
type Dialog struct {
	Line        string            // that lcs:line of the INVITE names, byte for byte; empty if it names none
	RequestURI  string            // of the INVITE; see User
	To, From    string            // URIs of the INVITE; see User
	User        string            // who has authenticated, of Auth.Users; empty where nobody is asked
	UserAgent   string            // of the client; empty if it does not tell
	Peer        netip.AddrPort    // where the INVITE came from: the client or its proxy
	Transport   string            // udp, tcp or tls: what the INVITE came over
	Certificate *x509.Certificate // of the peer; nil where it showed none

	server *Server
	leg    leg // callID and tags do not change; the rest is guarded by mu

	mu      sync.Mutex
	session Session
	errors  ErrorStyle
	edition csta.Edition
	updates bool      // the client allows UPDATE
	source  flow      // what the last request came over
	inbox   inbox     // what was received
	queue   []*job    // requests that wait, in order of arrival
	busy    *job      // the request in service
	invite  *inviteTx // the last INVITE, until it is acknowledged
	working bool      // a goroutine serves the queue
	begun   uint32    // requests whose service has begun
	written uint32    // requests whose answer is written
	outbox  outbox
	expiry  sessionTimer

	timer   *time.Timer
	timerAt time.Time

	leaving bool // the client's BYE has arrived
	ended   bool
	closed  bool      // Session.Close was or is called
	counted bool      // in Server.open
	reason  error     // why it ended, or must end once it is open
	linger  time.Time // until when an ended dialog repeats its answers
}

// A job is a request that is served: a place in the queue from its arrival on,
// and its transaction as soon as sipgo has made one.
type job struct {
	dialog   *Dialog
	m        *message
	tx       *sip.ServerTx // nil: not there yet
	since    time.Time     // when it arrived
	rec      *record       // nil for INVITE
	invite   *inviteTx     // of INVITE
	undo     func()        // of a re-INVITE's epoch
	deadline time.Time
	number   uint32 // its service's, see Dialog.begun
	forced   bool   // to be served without transaction
	answered bool   // it was served, or its deadline is over

	// again are repetitions with a transaction of their own, that came while the
	// request was served: over another connection, say.
	again []repetition
}

type repetition struct {
	m  *message
	tx *sip.ServerTx
}

// ticketTimeout is how long a place in the queue waits for its transaction. It
// comes at once, but where the client has closed its connection behind its
// request, sipgo first tries to connect to it; and where a broken client has
// used a branch twice, it never comes. Then the request is served all the same,
// and its answer kept.
const ticketTimeout = t1

// first reports whether the job is the INVITE that opens the dialog.
func (j *job) first() bool { return j.invite != nil && j.m.toTag == "" }

// User returns the user part of a SIP URI, or the number of a tel URI with its
// parameters, as they are written.
func User(uri string) string { return uriUser(uri) }

// SetErrorStyle says how this client wants refused services answered, other
// than by Config.ErrorStyle. It is for Open to call.
func (d *Dialog) SetErrorStyle(style ErrorStyle) { d.errors = style }

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

// arrived gives an in-dialog request its ticket. It runs in the reader.
func (d *Dialog) arrived(t *ticket) {
	m := t.m
	switch m.method {
	case bye:
		d.mu.Lock()
		d.leaving = true
		d.mu.Unlock()
		t.answer = &answer{status: 200}
		// Now and here: a client may hang up and close its connection at once, and
		// then sipgo has no transaction for us.
		d.server.spawn(func() { d.end(ErrBye, false, nil) })
	case options:
		// A keep-alive: answered at once, whatever is in service.
		d.mu.Lock()
		d.lives(m)
		d.mu.Unlock()
		a := d.server.capabilities()
		if t.limited {
			a = busy
		}
		t.answer = &a
	case info, update:
		d.enqueue(t)
	case invite:
		d.reinvited(t)
	default:
		t.answer = &answer{status: 405, headers: allowLine}
	}
}

// lives notes a sign of life from the client, and the way it came. Any request
// counts: one that makes calls is not to be ended for forgetting to refresh.
// It counts as the ACK as well, which may come late or not at all.
func (d *Dialog) lives(m *message) {
	d.expiry.alive = time.Now()
	if d.invite != nil {
		d.invite.confirm()
		d.invite = nil
	}
	if m.flow != d.source {
		d.source = m.flow
		d.leg.adopt(m)
	}
}

// enqueue gives a request its place among the dialog's requests.
func (d *Dialog) enqueue(t *ticket) {
	now := time.Now()
	m := t.m
	d.mu.Lock()
	defer d.mu.Unlock()
	rec, v := d.inbox.receive(m, now, t.branch)
	if v == fresh && (d.ended || d.leaving) {
		d.inbox.cancel(rec)
		t.answer = &answer{status: 481}
		return
	}
	switch v {
	case pending:
		t.again, t.branch, t.job = true, rec.brand, rec.job
		return
	case repeated:
		t.again = true
		if !d.ended {
			d.lives(m)
		}
		d.server.stats.repeated.Add(1)
		t.branch, t.answer = rec.brand, &rec.answer
		return
	case conflict:
		d.server.log.Warn("request out of order", "dialog", d.leg.callID, "peer", m.flow.peer, "method", m.method, "cseq", m.cseq)
		t.answer = &answer{status: 500, reason: "CSeq Out of Order"}
		return
	}
	d.lives(m)
	if t.limited || len(d.queue) >= d.server.cfg.MaxRequests {
		t.answer = &busy
		d.inbox.answer(rec, busy, now)
		return
	}
	t.job = &job{dialog: d, m: m, rec: rec, since: now, deadline: now.Add(d.server.cfg.RequestTimeout)}
	rec.job = t.job
	d.queue = append(d.queue, t.job)
	d.arm(now.Add(ticketTimeout))
}

// reinvited gives a re-INVITE its place; an epoch begins with it.
func (d *Dialog) reinvited(t *ticket) {
	tx, again := d.server.inviteFor(t)
	if tx == nil {
		t.answer = &busy
		return
	}
	t.branch = tx.brand
	if again {
		t.again = true
		return
	}
	t.invite = tx
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || d.leaving {
		t.answer = &answer{status: 481}
		return
	}
	d.lives(t.m)
	if len(d.queue) >= d.server.cfg.MaxRequests {
		t.answer = &busy
		return
	}
	tx.belongs(d)
	d.invite = tx
	t.job = &job{dialog: d, m: t.m, invite: tx, undo: d.inbox.turn(), since: now, deadline: now.Add(d.server.cfg.RequestTimeout)}
	d.queue = append(d.queue, t.job)
	d.arm(now.Add(ticketTimeout))
}

// deposit brings a job its transaction. The goroutine that brings the one that
// is next serves the queue.
func (d *Dialog) deposit(j *job, m *message, tx *sip.ServerTx) {
	d.mu.Lock()
	if m != j.m {
		// A repetition. Where the answer was given meanwhile, it gets it as well.
		if j.answered {
			a := answer{status: 500}
			if j.rec != nil && j.rec.done {
				a = j.rec.answer
			}
			d.mu.Unlock()
			d.server.respond(tx, m, a, "")
			return
		}
		j.again = append(j.again, repetition{m, tx})
		d.mu.Unlock()
		return
	}
	j.tx = tx
	if j.answered && j.rec != nil {
		// It was served without, or not in time.
		a := j.rec.answer
		d.mu.Unlock()
		d.server.respond(tx, m, a, "")
		d.answered(j)
		return
	}
	if d.working || !d.ready() {
		d.mu.Unlock()
		return
	}
	d.working = true
	d.mu.Unlock()
	d.work()
}

// ready reports whether the next job can be served. d.mu is held.
func (d *Dialog) ready() bool {
	return len(d.queue) > 0 && (d.queue[0].tx != nil || d.queue[0].forced || d.queue[0].answered)
}

// work serves the queue as far as it is ready. There is one at a time per
// dialog, and none while nothing is asked.
func (d *Dialog) work() {
	s := d.server
	s.work(+1)
	defer s.work(-1)
	for {
		d.mu.Lock()
		d.busy = nil
		if !d.ready() {
			d.working = false
			last := false
			if len(d.queue) == 0 {
				d.queue = nil
				last = d.ended && !d.closed && d.session != nil
				d.closed = d.closed || last
			} else {
				d.arm(d.queue[0].since.Add(ticketTimeout))
			}
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
		j.number = d.begun
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
	} else if !d.put(j, a) {
		return // its transaction is still to come, and the events wait for it
	}
	d.answered(j)
}

// answered lets the events go that waited for the answer of the job.
func (d *Dialog) answered(j *job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if int32(j.number-d.written) > 0 {
		d.written = j.number
	}
	d.pump()
}

// put writes the answer of a job, to its repetitions as well. It reports whether
// there was a transaction to write it to.
func (d *Dialog) put(j *job, a answer) bool {
	if j.invite != nil {
		j.invite.answer(a)
		return true
	}
	d.mu.Lock()
	again := j.again
	j.again = nil
	if j.tx != nil {
		again = append(again, repetition{j.m, j.tx})
	}
	d.mu.Unlock()
	for _, r := range again {
		d.server.respond(r.tx, r.m, a, "")
	}
	return len(again) > 0
}

// serve returns the answer to a request.
func (d *Dialog) serve(j *job) answer {
	ctx, stop := context.WithDeadline(d.server.ctx, j.deadline)
	defer stop()
	switch {
	case j.first():
		j.invite.onCancel(stop)
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
		if d.errors == ErrorsInSIP {
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
	if d.invite != nil {
		d.invite.confirm()
		d.invite = nil
	}
	d.expiry = sessionTimer{}
	if sayBye {
		d.farewell(reason, done)
	} else {
		d.leg.use(flow{})
	}
	last := !d.working && len(d.queue) == 0 && !d.closed && d.session != nil
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
	s.vacate(d)
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
	if len(d.queue) > 0 && d.queue[0].tx == nil && !d.queue[0].forced {
		d.arm(d.queue[0].since.Add(ticketTimeout))
	}
	if d.ended {
		if d.linger.After(time.Now()) {
			d.arm(d.linger)
		}
		return
	}
	if d.held(time.Now()) {
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
	if len(d.queue) > 0 && d.queue[0].tx == nil && !now.Before(d.queue[0].since.Add(ticketTimeout)) {
		d.queue[0].forced = true
	}
	resume := !d.working && (d.ready() || d.ended && len(d.queue) == 0)
	d.working = d.working || resume
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
	if resume && !s.spawn(d.work) {
		d.mu.Lock()
		d.working = false
		d.mu.Unlock()
	}
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
