package cstasip

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"rccgw/csta"
)

// trying is how long an INVITE may take before 100 tells that it arrived
// (RFC 3261 §17.2.1).
const trying = 200 * time.Millisecond

// An inviteTx is the server transaction of an INVITE (RFC 3261 §17.2.1, RFC
// 6026) together with the retransmission of its 2xx until ACK (§13.3.1.4).
type inviteTx struct {
	server *Server
	key    string
	tag    string  // our tag, of a first INVITE
	d      *Dialog // whose INVITE it is

	mu        sync.Mutex
	m         *message
	f         flow
	stop      func() // ends the service's context
	status    int    // of the final answer; zero before
	wire      []byte // the last response
	confirmed bool
	timer     *time.Timer
	wait      time.Duration
	ends      time.Time
}

// inviteKey is what a transaction is matched by: the branch and its sender, or
// what RFC 2543 had in its place. CANCEL and the ACK of a refusal have the key of
// their INVITE.
func inviteKey(m *message) string {
	if strings.HasPrefix(m.via.branch, "z9hG4bK") {
		return m.via.branch + " " + m.via.host + " " + strconv.Itoa(m.via.port)
	}
	return m.callID + " " + m.fromTag + " " + strconv.FormatUint(uint64(m.cseq), 10) + " " + m.vias[0]
}

// inviteFor returns the transaction of an INVITE, and whether it is a
// repetition. One without a branch looks like the re-INVITE of ten minutes
// before: it is a repetition only where one can be, on UDP and before the ACK.
func (s *Server) inviteFor(m *message) (tx *inviteTx, again bool) {
	key := inviteKey(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if tx = s.invites[key]; tx != nil {
		tx.mu.Lock()
		over := m.via.branch == "" && tx.status != 0 && (tx.confirmed || m.flow.reliable())
		tx.mu.Unlock()
		if !over {
			return tx, true
		}
		s.remove(tx)
		tx.timer.Stop()
	}
	tx = &inviteTx{server: s, key: key, m: m, f: m.replyFlow()}
	s.invites[key] = tx
	tx.mu.Lock()
	tx.timer = time.AfterFunc(trying, tx.tick)
	tx.mu.Unlock()
	return tx, false
}

// remove forgets a transaction; s.mu is held.
func (s *Server) remove(tx *inviteTx) {
	if s.invites[tx.key] == tx {
		delete(s.invites, tx.key)
	}
	if tx.tag != "" && s.byTag[tx.tag] == tx {
		delete(s.byTag, tx.tag)
	}
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

// repeat answers a repetition of the INVITE with the last response.
func (tx *inviteTx) repeat() {
	tx.mu.Lock()
	wire, f, m := tx.wire, tx.f, tx.m
	if tx.status == 0 && wire == nil {
		wire = m.reply(answer{status: 100}, "")
		tx.wire = wire
	}
	tx.mu.Unlock()
	tx.server.stats.repeated.Add(1)
	if wire != nil {
		_ = f.write(wire)
	}
}

// answer sends the final answer. It reports false, and sends nothing, when
// there was one already: the INVITE was cancelled.
func (tx *inviteTx) answer(a answer) bool {
	tx.mu.Lock()
	if tx.status != 0 {
		tx.mu.Unlock()
		return false
	}
	m := tx.m
	tag := tx.tag
	tx.status = a.status
	tx.wire = m.reply(a, tag)
	tx.m, tx.stop = nil, nil
	tx.ends = time.Now().Add(patience)
	tx.wait = t1
	wait := patience
	// A 2xx is repeated whatever the transport, if a proxy may have gone on over
	// another; a refusal from hop to hop.
	if !tx.f.reliable() || a.status < 300 && !m.direct() {
		wait = t1
	}
	tx.timer.Reset(wait)
	wire, f := tx.wire, tx.f
	tx.mu.Unlock()
	tx.server.stats.answered(invite, a.status)
	if err := f.write(wire); err != nil {
		tx.server.log.Debug("answer not sent", "peer", f.peer, "error", err)
	}
	return true
}

// confirm takes the ACK, or what counts as one.
func (tx *inviteTx) confirm() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.status == 0 || tx.confirmed {
		return
	}
	tx.confirmed = true
	tx.wire = nil
	tx.d = nil
	tx.timer.Reset(5 * time.Second) // absorbs what the network repeats (timer I)
}

func (tx *inviteTx) tick() {
	s := tx.server
	tx.mu.Lock()
	now := time.Now()
	var wire []byte
	f, d := tx.f, tx.d
	over := false
	switch {
	case tx.status == 0:
		if tx.wire == nil {
			wire = tx.m.reply(answer{status: 100}, "")
			tx.wire = wire
		}
	case tx.confirmed:
		over = true
	case !now.Before(tx.ends):
		over = true
	default:
		wire = tx.wire
		tx.wait = min(2*tx.wait, t2)
		tx.timer.Reset(min(tx.wait, tx.ends.Sub(now)))
	}
	abandoned := over && !tx.confirmed && tx.status < 300
	tx.mu.Unlock()
	if wire != nil {
		_ = f.write(wire)
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

// invited takes a first INVITE.
func (s *Server) invited(m *message) {
	tx, again := s.inviteFor(m)
	if again {
		tx.repeat()
		return
	}
	d := &Dialog{
		RequestURI: m.uri.String(), UserAgent: m.header("user-agent"),
		Peer: m.flow.peer, Transport: m.flow.network(), server: s, source: m.flow,
	}
	if m.flow.conn != nil {
		d.Certificate = m.flow.conn.cert
	}
	d.To, _, _ = nameAddr(m.to)
	d.From, _, _ = nameAddr(m.from)
	tag := newTag()
	d.leg = leg{
		core: &s.core, callID: m.callID, localTag: tag, remoteTag: m.fromTag,
		local: m.to + ";tag=" + tag, remote: m.from,
		user: uriUser(d.RequestURI), secure: len(d.RequestURI) > 5 && strings.EqualFold(d.RequestURI[:5], "sips:"),
		routes: m.list("record-route"),
	}
	tx.mu.Lock()
	tx.tag, tx.d = tag, d
	tx.mu.Unlock()
	a := answer{status: 200}
	s.mu.Lock()
	s.byTag[tag] = tx
	if s.draining {
		a = answer{status: 503, headers: "Retry-After: 10\r\n"}
	} else if s.open >= s.cfg.MaxDialogs {
		a = answer{status: 503, headers: "Retry-After: 60\r\n"}
	}
	s.mu.Unlock()
	if a.status == 200 {
		a = s.invitable(m)
	}
	if a.status != 200 {
		tx.answer(a)
		return
	}
	d.mu.Lock()
	d.tx = tx
	d.queue = []*job{{m: m, tx: tx, deadline: time.Now().Add(s.cfg.RequestTimeout)}}
	d.arm(d.queue[0].deadline)
	d.start()
	d.mu.Unlock()
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
	s.open++
	if s.draining {
		doomed = ErrShutdown
	}
	s.mu.Unlock()
	s.stats.opened.Add(1)
	s.log.Debug("dialog open", "dialog", m.callID, "from", d.From, "line", d.Line, "peer", m.flow.peer, "agent", d.UserAgent)
	if !j.tx.answer(a) {
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

// acknowledged takes an ACK. It has no answer, and its CSeq is not looked at:
// one client sends 1 whatever the INVITE's was.
func (s *Server) acknowledged(m *message) {
	s.mu.Lock()
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
		if d.tx != nil {
			d.tx.confirm()
			d.tx = nil
		}
		d.mu.Unlock()
	}
}

// cancelled takes a CANCEL: 200, and 487 to the INVITE if it is not answered
// yet (RFC 3261 §9.2).
func (s *Server) cancelled(m *message) {
	s.mu.Lock()
	tx := s.invites[inviteKey(m)]
	s.mu.Unlock()
	if tx == nil {
		s.refuse(m, answer{status: 481})
		return
	}
	tx.mu.Lock()
	tag, stop := tx.tag, tx.stop
	tx.mu.Unlock()
	s.send(m, answer{status: 200}, tag)
	if tx.answer(answer{status: 487}) && stop != nil {
		stop()
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
