package asterisktest

import (
	"bufio"
	"bytes"
	"crypto/md5" //nolint:gosec // the digest of SIP's authentication
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A UA is a SIP phone, or whatever is behind the trunk. It answers, holds and resumes when its methods are called, and obeys, as desk
// phones do, the headers that ask for an automatic answer and NOTIFY within the dialog: talk (answer what is ringing, else
// resume) and hold. Answering or resuming a call, and dialling, put the other one on hold.
//
// It speaks just as much SIP as Asterisk needs, by UDP on loopback, where nothing gets lost: it repeats nothing. It is silent, and hears digits only.
//
// When a call of its own fails, the event ended has the status: "ended 486". When a call that rings here is answered elsewhere, and
// Asterisk says so in the CANCEL (RFC 3326), the event is "ended elsewhere". When it is told whether messages wait (RFC 3842), the event is
// the line that says so: "Messages-Waiting: yes".
type UA struct {
	*history
	conn     *net.UDPConn
	media    *net.UDPConn
	user     string
	password string
	server   *net.UDPAddr

	mu    sync.Mutex
	cseq  int
	calls []*dialog              // those that have not ended, oldest first
	asked map[string]func(m msg) // what to do with responses, by Call-ID and CSeq
	quiet *sync.Cond             // a re-INVITE was answered, or its call ended
	heard string                 // digits, in the latest call
}

type state int

const (
	ringing state = iota // here
	calling              // there
	active
	held // by this phone
)

type dialog struct {
	state         state
	id            string
	local, remote string // From and To of our requests
	target        string // URI of our requests
	invite        msg    // received: to be answered
	branch        string // of the INVITE sent
	cseq          string // of the same
	offer         int    // version of our SDP
	confirmed     bool   // the INVITE has been acknowledged
	given         bool   // up: hung up while it rang there
	offering      bool   // a re-INVITE is under way
	voice         stream
}

// Deskphone registers a desk phone with that extension.
func (a *Asterisk) Deskphone(t testing.TB, ext string) *UA {
	t.Helper()
	u := a.ua(t, "127.0.0.1:0", ext, "desk phone "+ext)
	u.register("")
	u.Wait("registered")
	return u
}

// Trunk takes the place of the provider behind the trunk. Asterisk accepts any caller from it:
//
//	a.Trunk(t).Dial("16135921002", `From: "Anonymous" <sip:anonymous@anonymous.invalid>`, "Privacy: id")
func (a *Asterisk) Trunk(t testing.TB) *UA {
	t.Helper()
	return a.ua(t, fmt.Sprintf("127.0.0.2:%d", a.conf.TrunkPort), "trunk", "trunk")
}

// Softphones takes the place of what the users' other phones are behind, such as the server that joins a unified messaging system to the
// PBX: Dial(PJSIP/NUMBER@softphones) calls it.
func (a *Asterisk) Softphones(t testing.TB) *UA {
	t.Helper()
	return a.ua(t, fmt.Sprintf("127.0.0.3:%d", a.conf.SoftphonePort), "softphones", "softphones")
}

func (a *Asterisk) ua(t testing.TB, listen, user, name string) *UA {
	t.Helper()
	l, err := net.ResolveUDPAddr("udp", listen)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", l)
	if err != nil {
		t.Fatal(err)
	}
	media, err := listenMedia(l.IP)
	if err != nil {
		t.Fatal(err)
	}
	u := &UA{
		history: newHistory(t, name), conn: conn, media: media, user: user, password: "pw" + user,
		server: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.conf.SIPPort}, asked: map[string]func(msg){},
	}
	u.quiet = sync.NewCond(&u.mu)
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(u.hear)
	ended.Go(func() { u.talk(stop) })
	ended.Go(func() {
		b := make([]byte, 1<<16)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if m, err := parseSIP(b[:n]); err == nil { // else a keep-alive
				u.mu.Lock()
				u.receive(m)
				u.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		_ = conn.Close()
		_ = media.Close()
		ended.Wait()
	})
	return u
}

// An Invite is an INVITE as it came.
type Invite struct {
	URI    string // whom it is for
	Header textproto.MIMEHeader
}

// User returns the user part of the URI in a header, or of the Request-URI where the header is "". It is empty where there is none.
func (i Invite) User(header string) string {
	if header == "" {
		return userOf("<" + i.URI + ">")
	}
	return userOf(i.Header.Get(header))
}

// Ringing returns the INVITE of the latest call that rings here.
func (u *UA) Ringing() (i Invite) {
	u.t.Helper()
	u.must(ringing, func(d *dialog) {
		_, i.URI, _ = strings.Cut(d.invite.start, " ")
		i.URI, _, _ = strings.Cut(i.URI, " ")
		i.Header = d.invite.head
	})
	return i
}

// Dial calls a number. A header of the form "Name: value" is added to the INVITE, From replaces the phone's own.
func (u *UA) Dial(number string, headers ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.holdActive(nil)
	from := fmt.Sprintf("<sip:%s@%s>", u.user, u.server)
	for i, h := range headers {
		if v, ok := strings.CutPrefix(h, "From: "); ok {
			from, headers = v, slices.Delete(slices.Clone(headers), i, i+1)
			break
		}
	}
	d := &dialog{
		state: calling, id: rand.Text(), local: from + ";tag=" + rand.Text(),
		remote: fmt.Sprintf("<sip:%s@%s>", number, u.server),
	}
	d.target = strings.Trim(d.remote, "<>")
	u.heard = ""
	u.calls = append(u.calls, d)
	u.call(d, headers)
}

func (u *UA) call(d *dialog, headers []string) {
	d.branch, d.cseq = u.request(d, "INVITE", append(headers, "Content-Type: application/sdp"), u.sdp(d, "sendrecv"), func(m msg) {
		switch s := m.status(); {
		case s == 180 || s == 183:
			u.add("ringing")
		case s < 200:
		case s < 300:
			d.remote, d.target, d.state = m.head.Get("To"), uri(m.head.Get("Contact")), active
			d.confirmed = true
			d.voiceTo(m.body)
			u.ack(d, newBranch())
			u.add("established")
			if d.given { // the answer has crossed the CANCEL
				u.hangup(d)
			}
		case (s == 401 || s == 407) && !hasPrefix(headers, "Authorization"):
			u.ack(d, d.branch)
			u.call(d, append(headers, u.authorization(m, "INVITE", d.target)))
		default:
			u.ack(d, d.branch)
			u.end(d, fmt.Sprintf("ended %d", s))
		}
	})
}

// Answer answers the call that is ringing.
func (u *UA) Answer() { u.t.Helper(); u.must(ringing, u.answer) }

// Hold puts the active call on hold.
func (u *UA) Hold() { u.t.Helper(); u.must(active, u.hold) }

// Resume takes a call off hold.
func (u *UA) Resume() { u.t.Helper(); u.must(held, u.resume) }

// Hangup ends the active call, else the latest: by BYE, CANCEL, or 486 Busy when it is ringing here.
func (u *UA) Hangup() {
	u.t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.find(active)
	if d == nil {
		if len(u.calls) == 0 {
			u.t.Fatalf("%s: no call to hang up", u.name)
		}
		d = u.calls[len(u.calls)-1]
	}
	u.hangup(d)
}

// Transfer sends the far end of the active call to a number (REFER). This and Join fail when Asterisk has not
// bridged the call yet, which is a little later than established: wait for BridgeEnter.
func (u *UA) Transfer(number string) {
	u.t.Helper()
	u.must(active, func(d *dialog) { u.refer(d, fmt.Sprintf("<sip:%s@%s>", number, u.server)) })
}

// Join connects the far end of the held call with that of the active call (REFER with Replaces).
func (u *UA) Join() {
	u.t.Helper()
	if err := u.Try("join", ""); err != nil {
		u.t.Fatal(err)
	}
}

func (u *UA) join(held, active *dialog) {
	replaces := fmt.Sprintf("%s;to-tag=%s;from-tag=%s", active.id, tag(active.remote), tag(active.local))
	u.refer(held, fmt.Sprintf("<%s?Replaces=%s>", uri(active.remote), url.QueryEscape(replaces)))
}

func (u *UA) must(s state, do func(*dialog)) {
	u.t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.find(s)
	if d == nil {
		u.t.Fatalf("%s: no call in the state for that", u.name)
	}
	do(d)
}

// find returns the latest call in that state, or nil.
func (u *UA) find(s state) *dialog {
	for _, d := range slices.Backward(u.calls) {
		if d.state == s {
			return d
		}
	}
	return nil
}

func (u *UA) answer(d *dialog) {
	u.holdActive(d)
	d.state = active
	u.respond(d.invite, "200 OK", d.local, u.sdp(d, "sendrecv"))
}

func (u *UA) hold(d *dialog) { u.reinvite(d, "sendonly", held, "held") }

func (u *UA) resume(d *dialog) {
	u.holdActive(d)
	u.reinvite(d, "sendrecv", active, "resumed")
}

func (u *UA) holdActive(except *dialog) {
	for _, d := range u.calls {
		if d.state == active && d != except {
			u.hold(d)
		}
	}
}

func (u *UA) reinvite(d *dialog, direction string, s state, event string) {
	d.offering = true
	d.branch, d.cseq = u.request(d, "INVITE", []string{"Content-Type: application/sdp"}, u.sdp(d, direction), func(m msg) {
		if m.status() >= 200 {
			d.offering = false
			u.quiet.Broadcast()
		}
		switch {
		case m.status() < 200:
		case m.status() < 300:
			d.state = s
			d.voiceTo(m.body)
			u.ack(d, newBranch())
			u.add(event)
		default:
			u.ack(d, d.branch)
			u.add(fmt.Sprintf("not %s: %s", event, m.start))
		}
	})
}

func (u *UA) refer(d *dialog, to string) {
	u.request(d, "REFER", []string{"Refer-To: " + to, "Referred-By: " + strings.Split(d.local, ";tag")[0]}, "", func(m msg) {
		if m.status() >= 300 {
			u.add("not transferred: " + m.start)
		}
	})
}

func (u *UA) hangup(d *dialog) {
	switch d.state {
	case ringing:
		u.respond(d.invite, "486 Busy Here", d.local, "")
		u.end(d, "ended")
	case calling:
		d.given = true
		u.send("CANCEL "+d.target+" SIP/2.0", []string{
			u.via(d.branch), "From: " + d.local, "To: " + d.remote, "Call-ID: " + d.id, "CSeq: " + d.cseq + " CANCEL", "Max-Forwards: 70",
		}, "")
	default:
		u.request(d, "BYE", nil, "", func(m msg) {
			if m.status() >= 200 {
				u.end(d, "ended")
			}
		})
	}
}

func (u *UA) end(d *dialog, event string) {
	u.calls = slices.DeleteFunc(u.calls, func(o *dialog) bool { return o == d })
	u.quiet.Broadcast()
	u.add(event)
}

// Rejoin is what a phone does when its PBX was gone and is there again: its calls have ended, and it registers. It returns when it has.
func (u *UA) Rejoin() {
	u.t.Helper()
	u.mu.Lock()
	for len(u.calls) > 0 {
		u.end(u.calls[0], "ended")
	}
	u.mu.Unlock()
	u.register("")
	u.Wait("registered")
}

func (u *UA) register(authorization string) {
	aor := fmt.Sprintf("<sip:%s@%s>", u.user, u.server)
	d := &dialog{id: rand.Text(), local: aor + ";tag=" + rand.Text(), remote: aor, target: "sip:" + u.server.String()}
	headers := []string{"Expires: 3600"}
	if authorization != "" {
		headers = append(headers, authorization)
	}
	u.request(d, "REGISTER", headers, "", func(m msg) {
		switch {
		case m.status() == 200:
			u.add("registered")
		case m.status() == 401 && authorization == "":
			u.register(u.authorization(m, "REGISTER", d.target))
		case m.status() > 200:
			u.add("not registered: " + m.start)
		}
	})
}

// receive handles a message. Locked, as everything below.
func (u *UA) receive(m msg) {
	id := m.head.Get("Call-ID")
	if m.status() != 0 {
		key := id + " " + m.head.Get("CSeq")
		if f := u.asked[key]; f != nil {
			if m.status() >= 200 {
				delete(u.asked, key)
			}
			f(m)
		}
		return
	}
	i := slices.IndexFunc(u.calls, func(d *dialog) bool { return d.id == id })
	if i < 0 {
		switch m.method() {
		case "INVITE":
			u.incoming(m)
		case "ACK": // of a refusal
		default:
			u.respond(m, "200 OK", m.head.Get("To"), "")
			if m.head.Get("Event") == "message-summary" {
				waits, _, _ := strings.Cut(string(m.body), "\n")
				u.add(strings.TrimSpace(waits))
			}
		}
		return
	}
	d := u.calls[i]
	switch m.method() {
	case "INVITE":
		direction := "sendrecv"
		if bytes.Contains(m.body, []byte("a=inactive")) {
			direction = "inactive"
		} else if bytes.Contains(m.body, []byte("a=sendonly")) {
			direction = "recvonly"
		}
		d.voiceTo(m.body)
		u.respond(m, "200 OK", m.head.Get("To"), u.sdp(d, direction))
	case "ACK":
		if !d.confirmed && d.state != ringing { // before that, Asterisk knows no BYE
			d.confirmed = true
			u.add("established")
		}
	case "CANCEL":
		u.respond(m, "200 OK", d.local, "")
		u.respond(d.invite, "487 Request Terminated", d.local, "")
		event := "ended"
		if slices.ContainsFunc(m.head.Values("Reason"), elsewhere) {
			event = "ended elsewhere"
		}
		u.end(d, event)
	case "BYE":
		u.respond(m, "200 OK", m.head.Get("To"), "")
		u.end(d, "ended")
	case "NOTIFY":
		u.respond(m, "200 OK", m.head.Get("To"), "")
		switch event, _, _ := strings.Cut(m.head.Get("Event"), ";"); {
		case event == "talk" && d.state == ringing:
			u.answer(d)
		case event == "talk" && d.state == held:
			u.resume(d)
		case event == "hold" && d.state == active:
			u.hold(d)
		case event == "refer":
			// The status of the call to the target.
			switch f := (msg{start: string(m.body)}); {
			case f.status() >= 300:
				u.add("not transferred: " + strings.TrimSpace(f.start))
			case f.status() >= 200:
				u.hangup(d)
			}
		}
	default:
		u.respond(m, "200 OK", m.head.Get("To"), "")
	}
}

func (u *UA) incoming(m msg) {
	d := &dialog{
		state: ringing, id: m.head.Get("Call-ID"), local: m.head.Get("To") + ";tag=" + rand.Text(), remote: m.head.Get("From"),
		target: uri(m.head.Get("Contact")), invite: m,
	}
	d.voiceTo(m.body)
	u.heard = ""
	u.calls = append(u.calls, d)
	u.respond(m, "180 Ringing", d.local, "")
	u.add("incoming " + userOf(d.remote))
	if strings.Contains(m.head.Get("Call-Info"), "answer-after=0") || strings.Contains(m.head.Get("Alert-Info"), "alert-autoanswer") {
		u.answer(d)
	}
}

// elsewhere reports whether a Reason says that the call was completed elsewhere, by Q.850 or by SIP.
func elsewhere(reason string) bool {
	protocol, params, _ := strings.Cut(reason, ";")
	cause := map[string]string{"Q.850": "26", "SIP": "200"}[strings.TrimSpace(protocol)]
	return cause != "" && slices.ContainsFunc(strings.Split(params, ";"), func(p string) bool { return strings.TrimSpace(p) == "cause="+cause })
}

// request sends a request within d and returns its branch and CSeq number. Every response is given to f.
func (u *UA) request(d *dialog, method string, headers []string, body string, f func(m msg)) (branch, cseq string) {
	u.cseq++
	branch, cseq = newBranch(), strconv.Itoa(u.cseq)
	u.asked[d.id+" "+cseq+" "+method] = f
	u.send(method+" "+d.target+" SIP/2.0", append([]string{
		u.via(branch), "From: " + d.local, "To: " + d.remote, "Call-ID: " + d.id, "CSeq: " + cseq + " " + method, u.contact(),
		"Max-Forwards: 70", allow,
	}, headers...), body)
	return branch, cseq
}

func (u *UA) ack(d *dialog, branch string) {
	u.send("ACK "+d.target+" SIP/2.0", []string{
		u.via(branch), "From: " + d.local, "To: " + d.remote, "Call-ID: " + d.id, "CSeq: " + d.cseq + " ACK", "Max-Forwards: 70",
	}, "")
}

func (u *UA) respond(m msg, status, to, body string) {
	headers := []string{"To: " + to, u.contact(), allow, "Allow-Events: talk, hold"}
	for _, h := range []string{"Via", "From", "Call-ID", "CSeq", "Record-Route"} {
		for _, v := range m.head.Values(h) {
			headers = append(headers, h+": "+v)
		}
	}
	if body != "" {
		headers = append(headers, "Content-Type: application/sdp")
	}
	u.send("SIP/2.0 "+status, headers, body)
}

const allow = "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS, UPDATE"

func (u *UA) via(branch string) string {
	return fmt.Sprintf("Via: SIP/2.0/UDP %s;rport;branch=%s", u.conn.LocalAddr(), branch)
}

func (u *UA) contact() string { return fmt.Sprintf("Contact: <sip:%s@%s>", u.user, u.conn.LocalAddr()) }

func (u *UA) send(start string, headers []string, body string) {
	m := fmt.Sprintf("%s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", start, strings.Join(headers, "\r\n"), len(body), body)
	if _, err := u.conn.WriteToUDP([]byte(m), u.server); err != nil {
		u.add("not sent: " + err.Error())
	}
}

// sdp describes the phone's voice.
func (u *UA) sdp(d *dialog, direction string) string {
	d.offer++
	at := u.media.LocalAddr().(*net.UDPAddr)
	return fmt.Sprintf("v=0\r\no=- 1 %d IN IP4 %[2]s\r\ns=-\r\nc=IN IP4 %[2]s\r\nt=0 0\r\n"+
		"m=audio %[3]d RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=%[4]s\r\n",
		d.offer, at.IP, at.Port, direction)
}

// authorization answers the challenge in m by RFC 7616 with MD5.
func (u *UA) authorization(m msg, method, uri string) string {
	name, challenge := "Authorization", m.head.Get("WWW-Authenticate")
	if challenge == "" {
		name, challenge = "Proxy-Authorization", m.head.Get("Proxy-Authenticate")
	}
	param := func(k string) string {
		_, v, _ := strings.Cut(challenge, k+`="`)
		v, _, _ = strings.Cut(v, `"`)
		return v
	}
	sum := func(parts ...string) string {
		s := md5.Sum([]byte(strings.Join(parts, ":"))) //nolint:gosec // see the import
		return hex.EncodeToString(s[:])
	}
	realm, nonce, cnonce := param("realm"), param("nonce"), rand.Text()
	response := sum(sum(u.user, realm, u.password), nonce, "00000001", cnonce, "auth", sum(method, uri))
	return fmt.Sprintf(`%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, `+
		`cnonce="%s", opaque="%s", qop=auth, nc=00000001`, name, u.user, realm, nonce, uri, response, cnonce, param("opaque"))
}

// A msg is a SIP message.
type msg struct {
	start string
	head  textproto.MIMEHeader
	body  []byte
}

func parseSIP(b []byte) (m msg, err error) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(b)))
	if m.start, err = r.ReadLine(); err != nil {
		return m, err
	}
	if m.head, err = r.ReadMIMEHeader(); err != nil {
		return m, err
	}
	m.body, err = io.ReadAll(r.R)
	return m, err
}

// status is 0 for a request.
func (m msg) status() int {
	rest, ok := strings.CutPrefix(m.start, "SIP/2.0 ")
	if !ok || len(rest) < 3 {
		return 0
	}
	s, _ := strconv.Atoi(rest[:3])
	return s
}

func (m msg) method() string {
	method, _, _ := strings.Cut(m.start, " ")
	return method
}

func newBranch() string { return "z9hG4bK" + rand.Text() }

// uri returns the URI of a name-addr.
func uri(s string) string {
	if _, in, ok := strings.Cut(s, "<"); ok {
		in, _, _ = strings.Cut(in, ">")
		return in
	}
	s, _, _ = strings.Cut(s, ";")
	return s
}

func tag(s string) string {
	_, t, _ := strings.Cut(s, ";tag=")
	t, _, _ = strings.Cut(t, ";")
	return t
}

func hasPrefix(ss []string, prefix string) bool {
	return slices.ContainsFunc(ss, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

// Extension is the number that the phone is registered for.
func (u *UA) Extension() string { return u.user }

// Try is Answer, Hold, Resume, Hangup, Transfer or Dial, which the action names, for a hand that does things at random: where the phone
// has no call for it, it returns an error instead of failing the test. Unlike these it may be called by any goroutine.
func (u *UA) Try(action, number string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	// A hand looks at the display: what it did before has to be done.
	deadline := time.Now().Add(Timeout)
	wake := time.AfterFunc(Timeout, u.quiet.Broadcast)
	defer wake.Stop()
	for slices.ContainsFunc(u.calls, func(d *dialog) bool { return d.offering }) && time.Now().Before(deadline) {
		u.quiet.Wait()
	}
	do := func(s state, f func(*dialog)) error {
		d := u.find(s)
		if d == nil {
			return fmt.Errorf("%s: no call to %s", u.name, action)
		}
		f(d)
		return nil
	}
	switch action {
	case "answer":
		return do(ringing, u.answer)
	case "hold":
		return do(active, u.hold)
	case "resume":
		return do(held, u.resume)
	case "join":
		if o := u.find(active); o != nil {
			return do(held, func(d *dialog) { u.join(d, o) })
		}
	case "transfer":
		return do(active, func(d *dialog) { u.refer(d, fmt.Sprintf("<sip:%s@%s>", number, u.server)) })
	case "hangup":
		for _, s := range []state{active, ringing, calling, held} {
			if d := u.find(s); d != nil {
				u.hangup(d)
				return nil
			}
		}
		return fmt.Errorf("%s: no call to hang up", u.name)
	case "dial":
		u.mu.Unlock()
		defer u.mu.Lock()
		u.Dial(number)
		return nil
	}
	return fmt.Errorf("unknown action %q", action)
}
