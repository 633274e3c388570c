package cstasip

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// An inviteTx is what is kept of an INVITE beside sipgo's transaction: whose it
// is, whether it was acknowledged, and the 2xx, which the transaction's user has to
// repeat until then (RFC 3261 §13.3.1.4).
type inviteTx struct {
	server *Server
	key    string
	brand  string  // stands in for the branch of one that has none
	tag    string  // our tag, of a first INVITE
	d      *Dialog // whose INVITE it is
	m      *message

	mu        sync.Mutex
	tx        *sip.ServerTx
	stop      func()        // ends the service's context
	status    int           // of the final answer; zero before
	res       *sip.Response // a 2xx until its ACK
	unsent    *sip.Response // what was answered before there was a transaction
	cancelled bool
	confirmed bool
	timer     *time.Timer
	wait      time.Duration
	ends      time.Time
}

// inviteKey is what an INVITE is known by: the branch and its sender, or what RFC
// 2543 had in its place. CANCEL and the ACK of a refusal have the key of their
// INVITE.
func inviteKey(m *message) string {
	if strings.HasPrefix(m.via.branch, sip.RFC3261BranchMagicCookie) {
		return m.via.branch + " " + m.via.host + " " + strconv.Itoa(m.via.port)
	}
	return m.callID + " " + m.fromTag + " " + strconv.FormatUint(uint64(m.cseq), 10) + " " + m.vias[0]
}

// inviteFor returns what is kept of an INVITE, and whether it is a repetition; nil
// of one that is beyond a limit, and none.
// One without a branch looks like the re-INVITE of ten minutes before: it is a
// repetition only where one can be, on UDP and before the ACK.
func (s *Server) inviteFor(t *ticket) (tx *inviteTx, again bool) {
	m, brand := t.m, t.branch
	key := inviteKey(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if tx = s.invites[key]; tx != nil {
		tx.mu.Lock()
		over := brand != "" && tx.status != 0 && (tx.confirmed || m.flow.reliable())
		tx.mu.Unlock()
		if !over {
			s.stats.repeated.Add(1)
			return tx, true
		}
		s.remove(tx)
	}
	if t.limited = t.limited || len(s.invites) >= s.cfg.MaxInvites; t.limited {
		return nil, false
	}
	tx = &inviteTx{server: s, key: key, brand: brand, m: m}
	s.invites[key] = tx
	return tx, false
}

// remove forgets an INVITE; s.mu is held.
func (s *Server) remove(tx *inviteTx) {
	if s.invites[tx.key] == tx {
		delete(s.invites, tx.key)
	}
	if tx.tag != "" && s.byTag[tx.tag] == tx {
		delete(s.byTag, tx.tag)
	}
	tx.mu.Lock()
	if tx.timer != nil {
		tx.timer.Stop()
	}
	tx.mu.Unlock()
}

// begin takes sipgo's transaction, which answers CANCEL by itself, with 200, and
// then the INVITE with 487.
func (tx *inviteTx) begin(t *sip.ServerTx) {
	tx.mu.Lock()
	tx.tx = t
	unsent := tx.unsent
	tx.unsent = nil
	tx.mu.Unlock()
	if unsent != nil {
		_ = t.Respond(unsent)
	}
	if !t.OnCancel(func(*sip.Request) { tx.cancel() }) {
		tx.cancel()
	}
}

// cancel notes that sipgo has answered 487. It is called with sipgo's locks held.
func (tx *inviteTx) cancel() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.status == 0 {
		tx.status = 487
		tx.server.stats.answered(invite, 487)
	}
	tx.cancelled = true
	if tx.stop != nil {
		tx.stop()
	}
	tx.expire(patience)
}

// expire sets the timer. tx.mu is held.
func (tx *inviteTx) expire(wait time.Duration) {
	if tx.timer == nil {
		tx.timer = time.AfterFunc(wait, tx.tick)
		return
	}
	tx.timer.Reset(wait)
}

// onCancel has stop called when the INVITE is cancelled, or was.
func (tx *inviteTx) onCancel(stop func()) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.stop = stop
	if tx.status != 0 {
		stop()
	}
}

// belongs makes d the dialog that ends when the answer is not acknowledged.
func (tx *inviteTx) belongs(d *Dialog) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.d = d
}

// answer sends the final answer. It reports false when the client does not get
// it: the INVITE was cancelled, or answered at its deadline.
func (tx *inviteTx) answer(a answer) bool {
	tx.mu.Lock()
	if tx.status != 0 {
		tx.mu.Unlock()
		return false
	}
	tx.status = a.status
	tx.stop = nil
	res := tx.m.response(a, tx.tag)
	tx.ends = time.Now().Add(patience)
	tx.wait = t1
	wait := patience
	if a.status < 300 {
		tx.res = res
		if !tx.m.flow.reliable() || !tx.m.direct() {
			// Whatever the transport, if a proxy may have gone on over another.
			wait = t1
		}
	}
	tx.expire(wait)
	t := tx.tx
	if t == nil {
		tx.unsent = res
	}
	tx.mu.Unlock()
	tx.server.stats.answered(invite, a.status)
	if t == nil {
		return true
	}
	if err := t.Respond(res); err != nil {
		tx.server.log.Debug("answer not sent", "peer", tx.m.flow.peer, "error", err)
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return !tx.cancelled
}

// confirm takes the ACK, or what counts as one. sipgo's transaction has nothing
// to do any more: a 2xx is the dialog's, and on a refusal's ACK it ends by itself.
func (tx *inviteTx) confirm() {
	tx.mu.Lock()
	if tx.status == 0 || tx.confirmed {
		tx.mu.Unlock()
		return
	}
	tx.confirmed = true
	tx.d, tx.res = nil, nil
	tx.expire(5 * time.Second) // absorbs what the network repeats (timer I)
	var t *sip.ServerTx
	if tx.status < 300 {
		t, tx.tx = tx.tx, nil
	}
	tx.mu.Unlock()
	if t != nil {
		t.Terminate()
	}
}

func (tx *inviteTx) tick() {
	s := tx.server
	now := time.Now()
	tx.mu.Lock()
	t, res, d := tx.tx, tx.res, tx.d
	over := tx.confirmed || !now.Before(tx.ends)
	if over {
		res = nil
	} else if res != nil {
		tx.wait = min(2*tx.wait, t2)
		tx.expire(min(tx.wait, tx.ends.Sub(now)))
	}
	abandoned := over && !tx.confirmed && tx.status < 300
	tx.mu.Unlock()
	if res != nil && t != nil {
		_ = t.Respond(res) // lost, perhaps; it is said again
	}
	if over {
		s.mu.Lock()
		s.remove(tx)
		s.mu.Unlock()
	}
	if abandoned && d != nil {
		d.end(ErrNoACK, true, nil)
	}
}

// invited serves a first INVITE. It is not to come back before its answer is
// written: the goroutine is the INVITE's own.
func (s *Server) invited(tx *inviteTx, t *sip.ServerTx) {
	m := tx.m
	tx.begin(t)
	d := &Dialog{
		RequestURI: m.uri.String(), UserAgent: m.header("user-agent"),
		Peer: m.flow.peer, Transport: m.flow.network, server: s, source: m.flow, errors: s.cfg.ErrorStyle,
	}
	if m.flow.conn != nil {
		d.Certificate = m.flow.conn.cert.Load()
	}
	d.To, _, _ = nameAddr(m.to)
	d.From, _, _ = nameAddr(m.from)
	tag := s.newTag()
	d.leg = leg{
		core: &s.core, callID: m.callID, localTag: tag, remoteTag: m.fromTag,
		local: m.to + ";tag=" + tag, remote: m.from,
		user: uriUser(d.RequestURI), secure: len(d.RequestURI) > 5 && strings.EqualFold(d.RequestURI[:5], "sips:"),
		routes: m.list("record-route"),
	}
	s.mu.Lock()
	tx.mu.Lock()
	tx.tag, tx.d = tag, d
	tx.mu.Unlock()
	s.byTag[tag] = tx
	s.mu.Unlock()
	a := answer{status: 200}
	if s.auth != nil && s.auth.Dialogs {
		d.User, a = s.authenticate(m)
	}
	if a.status == 200 {
		a = s.invitable(m)
	}
	if a.status == 200 {
		a = s.admit(m.flow.network, m.flow.peer.Addr())
	}
	if a.status != 200 {
		tx.answer(a)
		return
	}
	now := time.Now()
	j := &job{dialog: d, m: m, tx: t, invite: tx, since: now, deadline: now.Add(s.cfg.RequestTimeout)}
	d.mu.Lock()
	d.invite = tx
	d.queue = []*job{j}
	d.arm(j.deadline)
	d.working = true
	d.mu.Unlock()
	d.work()
}

// invitable is 200 for an INVITE that may be for us: one with a CSTA body. A
// chat or a media INVITE never gets a 200.
func (s *Server) invitable(m *message) answer {
	kind, _ := mediaType(m.header("content-type"))
	switch {
	case kind == "application/sdp":
		return answer{status: 488, headers: acceptLine}
	case kind == "" || kind != contentType && !strings.HasPrefix(kind, "multipart/"):
		return answer{status: 415, headers: acceptLine}
	}
	if _, ok := cstaPart(m); !ok {
		return answer{status: 415, headers: acceptLine}
	}
	if enc := m.header("content-encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return answer{status: 415, headers: "Accept-Encoding: identity\r\n"}
	}
	if _, ok := contactOf(m); !ok {
		return answer{status: 400, reason: "Missing Contact"}
	}
	return answer{status: 200}
}

func contactOf(m *message) (uri string, ok bool) {
	list := m.list("contact")
	if len(list) == 0 {
		return "", false
	}
	uri, _, ok = nameAddr(list[0])
	if !ok {
		return "", false
	}
	if _, _, ok = uriHostPort(uri); !ok {
		return "", false
	}
	return uri, true
}

// open serves a first INVITE.
func (d *Dialog) open(ctx context.Context, j *job) answer {
	s, m := d.server, j.m
	o, err := sessionOffer(m)
	if err != nil {
		return answer{status: 400, reason: headerText("Bad " + err.Error())}
	}
	var timers sessionTimer
	timerLines, ok := o.accept(&timers, s.cfg.SessionExpires, s.cfg.MinSE)
	if !ok {
		return answer{status: 422, headers: "Min-SE: " + seconds(s.cfg.MinSE) + "\r\n"}
	}
	doc, _ := cstaPart(m)
	var req csta.Message
	var edition csta.Edition
	var decodeErr error
	if len(doc) > 0 {
		req, edition, decodeErr = csta.Decode(doc)
		if a, bad := undecoded(decodeErr); bad {
			return a
		}
	}
	d.Line = lineOf(req)
	d.mu.Lock()
	d.edition = edition
	d.updates = m.lists("allow", update)
	d.leg.target, _ = contactOf(m)
	d.leg.adopt(m)
	contact := d.leg.contact(m.flow)
	d.mu.Unlock()

	var session Session
	if !s.guard("opening a session", func() { session, err = s.cfg.Open(ctx, d) }) {
		return answer{status: 500}
	}
	if err == nil && session == nil {
		err = errors.New("cstasip: Open returned no session")
	}
	if err != nil {
		s.log.Info("INVITE refused", "dialog", m.callID, "from", d.From, "line", d.Line, "peer", m.flow.peer, "error", err)
		return openStatus(err)
	}
	d.mu.Lock()
	d.session = session
	d.mu.Unlock()
	a := answer{status: 200}
	if len(doc) > 0 {
		a = answer{status: 500}
		s.guard("serving INVITE", func() { a = d.service(ctx, j, req, edition, decodeErr) })
		if a.status >= 300 {
			return a
		}
	}
	a.headers += contact + allowLine + timerLines + recordRoutes(m) + s.agentLine()

	// The dialog stands before its 200 leaves: the first INFO may come at once.
	d.mu.Lock()
	timers.alive = time.Now()
	d.expiry = timers
	d.arm(timers.due())
	d.counted = true
	doomed := d.reason
	d.mu.Unlock()
	s.mu.Lock()
	s.dialogs[d.leg.localTag] = d
	if s.draining {
		doomed = ErrShutdown
	}
	s.mu.Unlock()
	s.stats.opened.Add(1)
	s.log.Debug("dialog open", "dialog", m.callID, "from", d.From, "line", d.Line, "peer", m.flow.peer, "agent", d.UserAgent)
	if !j.invite.answer(a) {
		d.end(ErrCanceled, false, nil)
	} else if doomed != nil {
		d.end(doomed, true, nil)
	}
	return a
}

// abandon ends a dialog that was never accepted.
func (d *Dialog) abandon() {
	d.mu.Lock()
	if d.reason == nil {
		d.reason = ErrEnded
	}
	session := d.session
	if d.closed {
		session = nil
	}
	d.ended, d.closed = true, true
	d.server.stats.eventsDropped.Add(uint64(d.outbox.drop()))
	d.leg.use(flow{})
	d.stopTimer()
	d.mu.Unlock()
	d.server.mu.Lock()
	d.server.vacate(d)
	d.server.mu.Unlock()
	if session != nil {
		d.close()
	}
}

// recordRoutes echoes the Record-Route headers of an INVITE (RFC 3261 §12.1.1).
func recordRoutes(m *message) string {
	var b strings.Builder
	for _, h := range m.headers {
		if strings.EqualFold(h.Name(), "Record-Route") {
			b.WriteString("Record-Route: ")
			b.WriteString(h.Value())
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

// acknowledged takes an ACK, in the reader. It has no answer, and its CSeq is not
// looked at: one client sends 1 whatever the INVITE's was.
func (s *Server) acknowledged(t *ticket) {
	m := t.m
	s.mu.Lock()
	if tx := s.invites[inviteKey(m)]; tx != nil {
		t.branch = tx.brand // a refusal's ACK belongs to sipgo's transaction
	}
	tx := s.byTag[m.toTag]
	if tx == nil {
		tx = s.invites[inviteKey(m)]
	}
	s.mu.Unlock()
	if tx != nil {
		tx.confirm()
	}
	if d := s.find(m); d != nil {
		d.mu.Lock()
		if d.invite != nil {
			d.invite.confirm()
			d.invite = nil
		}
		d.mu.Unlock()
	}
}

// refreshed serves re-INVITE and UPDATE: a refresh of the session and of the
// client's Contact, with or without a request in its body.
func (d *Dialog) refreshed(ctx context.Context, j *job) answer {
	s, m := d.server, j.m
	o, err := sessionOffer(m)
	if err != nil {
		return answer{status: 400, reason: headerText("Bad " + err.Error())}
	}
	d.mu.Lock()
	timers := d.expiry
	d.mu.Unlock()
	lines, ok := o.accept(&timers, s.cfg.SessionExpires, s.cfg.MinSE)
	if !ok {
		return answer{status: 422, headers: "Min-SE: " + seconds(s.cfg.MinSE) + "\r\n"}
	}
	doc, ok := cstaPart(m)
	if !ok {
		kind, _ := mediaType(m.header("content-type"))
		if kind == "application/sdp" {
			return answer{status: 488, headers: acceptLine}
		}
		return answer{status: 415, headers: acceptLine}
	}
	a := answer{status: 200}
	if len(doc) > 0 {
		if a = d.perform(ctx, j, doc); a.status >= 300 {
			return a
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended {
		timers.alive = time.Now()
		d.expiry = timers
		d.arm(timers.due())
	}
	if m.header("allow") != "" {
		d.updates = m.lists("allow", update)
	}
	if target, ok := contactOf(m); ok && target != d.leg.target {
		d.leg.target = target
		d.leg.adopt(m)
	}
	a.headers += d.leg.contact(m.flow) + allowLine + lines
	return a
}
