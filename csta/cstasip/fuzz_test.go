package cstasip

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// Whatever stands in a body, a dialog is given an answer that is SIP, with CSTA
// in it or nothing.
func FuzzBody(f *testing.F) {
	files, err := filepath.Glob("testdata/sipe-in*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no recording: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		_, doc, _ := strings.Cut(string(b), "\r\n\r\n")
		f.Add(contentType, []byte(doc))
	}
	f.Add(contentType, []byte(""))
	f.Add(contentType+";charset=utf-8", []byte("\ufeff"+body("MonitorStop", "<monitorCrossRefID>1</monitorCrossRefID>")+"\x00"))
	f.Add("multipart/mixed;boundary=x", []byte("--x\r\nContent-Type: application/csta+xml\r\n\r\n"+snapshot(1)+"\r\n--x--\r\n"))
	f.Add(`multipart/related; boundary="a\"b"`, []byte("--a\"b\r\n\r\n\r\n--a\"b--"))
	f.Add("application/sdp", []byte("v=0\r\n"))
	f.Add("", []byte("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"))
	s, err := NewServer(Config{Listen: []string{"udp://127.0.0.1:0"}, Open: func(context.Context, *Dialog) (Session, error) { return nil, nil }})
	if err != nil {
		f.Fatal(err)
	}
	session := &fakeSession{serve: normal}
	f.Fuzz(func(t *testing.T, kind string, doc []byte) {
		if strings.ContainsAny(kind, "\r\n") {
			t.Skip()
		}
		m := &message{
			method: info, body: doc, callID: "a", from: "<sip:a@b>;tag=1", to: "<sip:c@d>;tag=2", vias: []string{"SIP/2.0/UDP h"},
			headers: []sip.Header{sip.NewHeader("Content-Type", kind)},
		}
		d := &Dialog{server: s, session: session}
		a := d.serve(&job{m: m, rec: new(record), deadline: time.Now().Add(time.Minute)})
		switch a.status {
		case 200, 400, 413, 415:
		default:
			t.Errorf("status %d", a.status)
		}
		if len(a.body) > 0 {
			if _, _, err := csta.Decode(a.body); err != nil {
				t.Errorf("answered with %q: %v", a.body, err)
			}
		}
		text := m.response(a, "").String()
		if _, err := newParser().ParseSIP([]byte(text)); err != nil {
			t.Errorf("answered with %q: %v", text, err)
		}
	})
}

// Whatever arrives is taken, refused or dropped; what is answered is SIP.
func FuzzMessage(f *testing.F) {
	files, err := filepath.Glob("testdata/sipe-*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no recording: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, m := range torture(f) {
		f.Add([]byte(m))
	}
	for _, m := range []string{
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n",
		"BYE sip:a SIP/2.0\r\nv: SIP/2.0/UDP [::1]:5060;branch=\"z9hG4bK\";rport, SIP/2.0/TCP b\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\ni: x\r\nCSeq: 1 BYE\r\n\r\n",
		"OPTIONS sip:a@b:99999999999 SIP/2.0\r\nVia: SIP/2.0/UDP h:-1\r\nFrom: \"\r\nTo: <\r\nCall-ID: \r\nCSeq: 99999999999999999999 OPTIONS\r\nContent-Length: 99999999999999999999\r\n\r\n",
	} {
		f.Add([]byte(m))
	}
	s, err := NewServer(Config{Listen: []string{"udp://127.0.0.1:0"}, Open: func(context.Context, *Dialog) (Session, error) { return nil, &Refusal{Status: 403} }})
	if err != nil {
		f.Fatal(err)
	}
	parser := newParser()
	f.Fuzz(func(t *testing.T, in []byte) {
		// What sipgo does in goroutines of its own, where a panic is the process's.
		_ = parser.NewSIPStream().ParseSIPStream(in, func(sip.Message) {})
		parsed, _ := parser.ParseSIP(in) // what was read before an error is looked at, too
		switch x := parsed.(type) {
		case *sip.Request:
			_, _ = sip.ServerTxKeyMake(x)
			_ = sip.NewResponseFromRequest(x, 400, "Bad Request", nil).String()
			_, _ = x.Source(), x.Destination()
		case *sip.Response:
			_, _ = sip.ClientTxKeyMake(x)
		}
		parsed, err := parser.ParseSIP(in)
		if parsed == nil || err != nil {
			s.garbled(udpNet, netip.MustParseAddrPort("192.0.2.7:5060"), in, nil)
			return
		}
		parsed.SetTransport("UDP")
		parsed.SetSource("192.0.2.7:5060")
		panics := s.stats.panics.Load()
		s.hook(parsed)
		if s.stats.panics.Load() != panics {
			t.Error("panic")
		}
		req, ok := parsed.(*sip.Request)
		if !ok {
			return
		}
		tk := ticketOf(req)
		if tk == nil {
			t.Fatal("a request without a ticket")
		}
		if tk.m == nil {
			return
		}
		a := answer{status: 481}
		if tk.answer != nil {
			a = *tk.answer
		}
		text := tk.m.response(a, "tag").String()
		again, err := parser.ParseSIP([]byte(text))
		if err != nil {
			t.Fatalf("answered with %q: %v", text, err)
		}
		m, err := newMessage(again, flow{})
		if tk.err == nil && (err != nil || m.callID != tk.m.callID || m.from != tk.m.from || m.cseq != tk.m.cseq) {
			t.Errorf("answered with %q: %v", text, err)
		}
		if tk.invite != nil {
			s.mu.Lock()
			s.remove(tk.invite)
			s.mu.Unlock()
		}
	})
}

// Whatever stands in an Authorization header, it lets nobody in who does not know
// a password, and the challenge that it is told can be answered.
func FuzzAuthorization(f *testing.F) {
	s, err := NewServer(Config{Listen: []string{"udp://127.0.0.1:0"}, Open: func(context.Context, *Dialog) (Session, error) { return nil, nil },
		Auth: &Auth{Users: map[string]Credential{"alice": {Password: "secret"}}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range []string{
		`Digest username="alice", realm="rccgw", nonce="n", uri="sip:r", response="00", cnonce="c", nc=00000001, qop=auth, algorithm=SHA-256`,
		`digest Username = "al\"\\ice" ,realm=rccgw,	nonce="", uri="sip:r;x=<,>", qop="auth", nc=ffffffff`,
		`Digest realm="rccgw", nonce="n", opaque="o", stale=TRUE, algorithm=MD5, qop="auth-int, auth"`,
		`Basic YTpi`, `Digest "`, `Digest ,=,`, `Digest`,
	} {
		f.Add(v)
	}
	parser := newParser()
	f.Fuzz(func(t *testing.T, value string) {
		m := &message{method: register, callID: "a", from: "<sip:a@b>;tag=1", to: "<sip:alice@d>", vias: []string{"SIP/2.0/UDP h"},
			headers: []sip.Header{sip.NewHeader("Authorization", value)}}
		a := s.registered(m)
		if a.status != 400 && a.status != 401 {
			t.Fatalf("status %d", a.status)
		}
		text := m.response(a, "tag").String()
		parsed, err := parser.ParseSIP([]byte(text))
		if err != nil {
			t.Fatalf("answered with %q: %v", text, err)
		}
		again, err := newMessage(parsed, flow{})
		if err != nil {
			t.Fatalf("answered with %q: %v", text, err)
		}
		challenges := values(again, "WWW-Authenticate")
		if len(challenges) != 2 && a.status == 401 {
			t.Errorf("challenged with %q", challenges)
		}
		for _, c := range append(challenges, value) {
			_, ok := readChallenge(c)
			if !ok && c != value {
				t.Errorf("cannot be answered: %q", c)
			}
			l := login{user: "alice", password: "secret"}
			if l.meet(&message{status: 401, headers: []sip.Header{sip.NewHeader("WWW-Authenticate", c)}}, map[string]bool{}) != ok {
				t.Errorf("met: %q", c)
			}
			signed := l.sign(sip.NewRequest(register, sip.Uri{Scheme: "sip", Host: "d"}))
			if len(signed) == 1 != ok || ok && hasControl(signed[0].Value()) {
				t.Errorf("answered %q with %q", c, signed)
			}
		}
	})
}

// Whatever a REGISTER asks for, what is bound then is listed as something that
// could be asked for again.
func FuzzContacts(f *testing.F) {
	a, err := newAuthority(Auth{Users: map[string]Credential{"alice": {Password: "secret"}}})
	if err != nil {
		f.Fatal(err)
	}
	for contact, expires := range map[string]string{
		`"Alice" <sip:a@192.0.2.7;transport=tcp>;q=0.7;+sip.instance="<urn:x>", sip:b@h;expires=600`: "7200",
		`*`: "0", `<sip:[::1]:5060>;expires="60"`: "", `<sip:a@h?x=y>;;=;q=1.000`: "-1", `<sips:a:b@h>;expires=59`: "60", `<`: "x",
	} {
		f.Add(contact, expires)
	}
	f.Fuzz(func(t *testing.T, text, expires string) {
		if strings.ContainsAny(text+expires, "\r\n") {
			t.Skip()
		}
		m := &message{callID: "a", cseq: 1, headers: []sip.Header{sip.NewHeader("Contact", text), sip.NewHeader("Expires", expires)}}
		contacts, all, refused := a.contacts(m)
		if refused.status != 200 {
			return
		}
		var r registrar
		defer r.close()
		now := time.Now()
		r.mu.Lock()
		refused = r.update(a, "alice", m, contacts, all, now)
		list := r.list("alice", now)
		r.mu.Unlock()
		if refused.status != 200 {
			return
		}
		bound := strings.Count(list, "\r\n")
		if bound != r.total || bound > a.MaxContacts {
			t.Fatalf("%d are bound, listed %q", r.total, list)
		}
		again := &message{callID: "a", cseq: 2}
		for line := range strings.SplitSeq(strings.TrimSuffix(list, "\r\n"), "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			if bound > 0 {
				again.headers = append(again.headers, sip.NewHeader(name, value))
			}
		}
		contacts, _, refused = a.contacts(again)
		if refused.status != 200 || len(contacts) != bound {
			t.Fatalf("listed %q, read %v, %v", list, contacts, refused)
		}
		r.mu.Lock()
		refused = r.update(a, "alice", again, contacts, false, now)
		same := r.list("alice", now)
		r.mu.Unlock()
		if refused.status != 200 || same != list {
			t.Fatalf("%v; listed %q, then %q", refused, list, same)
		}
	})
}
