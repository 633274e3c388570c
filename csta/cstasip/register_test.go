package cstasip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A registrant writes REGISTERs.
type registrant struct {
	p              *sipPeer
	user, password string
	to             string // user of To; user if empty
	callID         string
	cseq           int
	challenge      *message
	nc             int
}

func (p *sipPeer) registrant(user, password string) *registrant {
	return &registrant{p: p, user: user, password: password, callID: p.script().callID}
}

// write returns a REGISTER; headers are lines.
func (x *registrant) write(headers ...string) string {
	x.cseq++
	to := x.to
	if to == "" {
		to = x.user
	}
	s := x.p.script()
	return fmt.Sprintf("REGISTER sip:lab.example SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s\r\nMax-Forwards: 70\r\nFrom: <sip:%s@lab.example>;tag=r1\r\n"+
		"To: <sip:%[4]s@lab.example>\r\nCall-ID: %s\r\nCSeq: %d REGISTER\r\n%sContent-Length: 0\r\n\r\n",
		s.network, x.p.local, newBranch(), to, x.callID, x.cseq, strings.Join(append(headers, ""), "\r\n"))
}

// ask sends a REGISTER, signed, and returns the answer.
func (x *registrant) ask(status int, headers ...string) *message {
	x.p.t.Helper()
	if x.challenge == nil {
		x.p.send(x.write())
		x.challenge = x.p.response(401, register, uint32(x.cseq))
	}
	x.nc++
	x.p.send(x.write(append(headers, answerTo(x.challenge, algSHA256, register, "sip:lab.example", x.user, x.password, x.nc))...))
	return x.p.response(status, register, uint32(x.cseq))
}

// bindings sends a REGISTER and compares what is bound then.
func (x *registrant) bindings(want []string, headers ...string) {
	x.p.t.Helper()
	m := x.ask(200, headers...)
	if got := values(m, "Contact"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		x.p.t.Errorf("%q: bound are %q, want %q", headers, got, want)
	}
}

func TestRegister(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, withUsers(func(a *Auth) { a.Dialogs = false }))
			p := newPeer(t, b.url(network))
			x := p.registrant("alice", "secret")
			const one, two = "sip:alice@192.0.2.7:5060;transport=udp", "sip:alice@192.0.2.8"
			x.bindings(nil)
			x.bindings([]string{"<" + one + ">;q=0.7;+sip.instance=\"<urn:x>\";expires=600"}, `Contact: "Alice" <`+one+`>;q=0.7;expires=600;+sip.instance="<urn:x>"`)
			// Another, with the header's interval; longer than the most.
			x.bindings([]string{"<" + one + ">;q=0.7;+sip.instance=\"<urn:x>\";expires=600", "<" + two + ">;expires=3600"}, "m: "+two, "Expires: 7200")
			if m := x.ask(200); m.header("date") == "" || m.header("www-authenticate") != "" {
				t.Errorf("answered %q", m.headers)
			}
			if st := b.Stats(); st.Registrations != 2 || st.Challenges != 1 || st.Requests[Outcome{register, 200}] != 4 {
				t.Errorf("%+v", st)
			}
			// The same contact, written another way, and one that is taken back.
			x.bindings([]string{"<SIP:alice@192.0.2.7:5060;Transport=UDP>;expires=60"}, "Contact: <SIP:alice@192.0.2.7:5060;Transport=UDP>;expires=60, <"+two+">;expires=0")
			// What cannot be read is an hour.
			x.bindings([]string{"<" + one + ">;expires=3600"}, "Contact: <"+one+">;expires=soon")
			// Another Call-ID: the phone has been started again.
			x.callID, x.cseq = "another", 0
			x.bindings([]string{"<" + one + ">;expires=120"}, "Contact: <"+one+">", "Expires: 120")
			bob := p.registrant("bob", "hush")
			bob.bindings([]string{"<sip:b@[2001:db8::1]:5070>;expires=3600"}, "Contact: sip:b@[2001:db8::1]:5070")
			x.bindings(nil, "Contact: *", "Expires: 0")
			if n := b.Stats().Registrations; n != 1 {
				t.Errorf("%d registrations", n)
			}
		})
	}
}

func TestRegisterIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		headers []string
		status  int
		header  string // of the answer, "name: value"
	}{
		"a path":                    {[]string{"Path: <sip:proxy.example;lr>", "Contact: <sip:a@192.0.2.9>"}, 420, "unsupported: path"},
		"a path that is required":   {[]string{"Require: path", "Contact: <sip:a@192.0.2.9>"}, 420, "unsupported: path"},
		"an interval too brief":     {[]string{"Contact: <sip:a@192.0.2.9>;expires=59"}, 423, "min-expires: 60"},
		"the header's too brief":    {[]string{"Contact: <sip:a@192.0.2.9>", "Expires: 1"}, 423, "min-expires: 60"},
		"one of two is too brief":   {[]string{"Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>;expires=1"}, 423, "min-expires: 60"},
		"all, without Expires":      {[]string{"Contact: *"}, 400, ""},
		"all, but later":            {[]string{"Contact: *", "Expires: 60"}, 400, ""},
		"all and one":               {[]string{"Contact: *, <sip:a@192.0.2.9>", "Expires: 0"}, 400, ""},
		"no URI":                    {[]string{"Contact: <>"}, 400, ""},
		"a bracket that is open":    {[]string{"Contact: <sip:a@192.0.2.9"}, 400, ""},
		"no SIP URI":                {[]string{"Contact: <mailto:a@example.com>"}, 400, ""},
		"an endless contact":        {[]string{"Contact: <sip:" + strings.Repeat("a", maxContact) + "@192.0.2.9>"}, 400, ""},
		"q above one":               {[]string{"Contact: <sip:a@192.0.2.9>;q=1.1"}, 400, ""},
		"q of four decimals":        {[]string{"Contact: <sip:a@192.0.2.9>;q=0.1234"}, 400, ""},
		"two expiries, one bad":     {[]string{"Contact: <sip:a@192.0.2.9>;expires=600, <sip:b@192.0.2.9>;expires=1"}, 423, ""},
		"a quote that does not end": {[]string{`Contact: <sip:a@192.0.2.9>;x="y`}, 400, ""},
		"one contact twice":         {[]string{"Contact: <sip:a@192.0.2.9>, <sip:a@192.0.2.9>"}, 400, ""},
		"more contacts than a user": {[]string{"Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>, <sip:c@192.0.2.9>"}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil, withUsers(func(a *Auth) { a.MaxContacts = 3 }))
			x := newPeer(t, b.url(tcpNet)).registrant("alice", "secret")
			was := []string{"<sip:old@192.0.2.9>;expires=3600"}
			x.bindings(was, "Contact: <sip:old@192.0.2.9>")
			m := x.ask(test.status, test.headers...)
			if name, want, ok := strings.Cut(test.header, ": "); ok && m.header(name) != want {
				t.Errorf("%s: %q, want %q", name, m.header(name), want)
			}
			x.bindings(was) // all or nothing
		})
	}
}

// Who may not register, and when not.
func TestWhoMayNotRegister(t *testing.T) {
	b := newBench(t, nil, withUsers(func(a *Auth) { a.MaxBindings = 1 }))
	p := newPeer(t, b.url(udpNet))
	x := p.registrant("alice", "secret")
	x.to = "bob"
	if m := x.ask(403, "Contact: <sip:a@192.0.2.9>"); len(values(m, "Contact")) != 0 {
		t.Errorf("told %q", m.headers)
	}
	x.to = "%61lice" // an escape is what it stands for
	x.bindings([]string{"<sip:a@192.0.2.9>;expires=3600"}, "Contact: <sip:a@192.0.2.9>")
	x.to = ""
	if m := x.ask(503, "Contact: <sip:a2@192.0.2.9>"); m.header("retry-after") == "" {
		t.Error("no Retry-After")
	}
	p.registrant("bob", "hush").ask(503, "Contact: <sip:b@192.0.2.9>")
	for user, password := range map[string]string{"alice": "hush", "mallory": "secret"} {
		m := p.registrant(user, password).ask(401, "Contact: <sip:a@192.0.2.9>")
		if strings.Contains(m.header("www-authenticate"), "stale") {
			t.Error("stale")
		}
	}
	// What is older than what is known changes nothing (RFC 3261 §10.3).
	for _, contact := range [][]string{{"Contact: <sip:a@192.0.2.9>;expires=0"}, {"Contact: *", "Expires: 0"}} {
		x.cseq -= 2
		x.ask(500, contact...)
		x.cseq++
	}
	x.bindings([]string{"<sip:a@192.0.2.9>;expires=3600"})
	// A place that is given back can be taken.
	x.bindings([]string{"<sip:a2@192.0.2.9>;expires=3600"}, "Contact: <sip:a@192.0.2.9>;expires=0, <sip:a2@192.0.2.9>")
	if n := b.Stats().Registrations; n != 1 {
		t.Errorf("%d registrations", n)
	}
}

// Without Auth there is no registrar; with it the server says so.
func TestRegisterIsAnOffer(t *testing.T) {
	for _, on := range []bool{false, true} {
		b := newBench(t, nil, func(cfg *Config) {
			if on {
				withUsers(nil)(cfg)
			}
		})
		p := newPeer(t, b.url(tcpNet))
		p.send(p.script().write(options, 1, ""))
		m := p.response(200, options, 1)
		if m.lists("allow", register) != on {
			t.Errorf("Allow: %s", m.header("allow"))
		}
		x := p.registrant("alice", "secret")
		if on {
			x.ask(200)
			continue
		}
		p.send(x.write())
		if m := p.response(405, register, 1); m.header("allow") != allow {
			t.Errorf("Allow: %s", m.header("allow"))
		}
	}
}

// A repetition is answered as the first was, and is no second use of the nonce.
func TestRegisterComesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, withUsers(nil))
		x := n.host("192.0.2.2").peer(t, b.url(udpNet)).registrant("alice", "secret")
		x.ask(200)
		text := x.write("Contact: <sip:a@192.0.2.2>", answerTo(x.challenge, algMD5, register, "sip:lab.example", "alice", "secret", 9))
		for range 2 {
			x.p.send(text)
			x.p.response(200, register, uint32(x.cseq))
			time.Sleep(time.Second)
		}
		// sipgo has forgotten the request, and a replay is told to come anew.
		time.Sleep(time.Minute)
		x.p.send(text)
		if m := x.p.response(401, register, uint32(x.cseq)); !strings.Contains(m.header("www-authenticate"), "stale=true") {
			t.Errorf("told %q", m.header("www-authenticate"))
		}
	})
}

// A binding is gone when its time is over, and so is its memory; a connection by
// which somebody is registered may be silent.
func TestBindingsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, withUsers(func(a *Auth) { a.NonceLife = time.Hour }))
		x := n.host("192.0.2.2").peer(t, b.url(tcpNet)).registrant("alice", "secret")
		x.ask(200, "Contact: <sip:a@192.0.2.2>;expires=600, <sip:b@192.0.2.2>;expires=900")
		time.Sleep(599*time.Second + 500*time.Millisecond)
		x.bindings([]string{"<sip:a@192.0.2.2>;expires=1", "<sip:b@192.0.2.2>;expires=301"})
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if n := b.Stats().Registrations; n != 1 {
			t.Errorf("%d registrations after ten minutes", n)
		}
		x.bindings([]string{"<sip:b@192.0.2.2>;expires=300"})
		time.Sleep(300 * time.Second)
		synctest.Wait()
		if n := b.Stats().Registrations; n != 0 || len(b.bindings.users) != 0 {
			t.Errorf("%d registrations, %d users after fifteen minutes", n, len(b.bindings.users))
		}
		if n := b.Stats().Connections; n != 1 {
			t.Errorf("%d connections", n)
		}
		time.Sleep(idleTimeout + time.Second) // nobody is registered by it any more
		if n := b.Stats().Connections; n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// A registration is kept up for as long as it is wanted, through an outage, and
// with the interval that the registrar wants.
func TestRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, withUsers(func(a *Auth) { a.MinExpires = 10 * time.Minute }))
		e, err := connect(t.Context(), n.host("192.0.2.2"), b.url(udpNet), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		r, err := e.Register(t.Context(), RegisterConfig{AOR: "sip:alice@lab.example", Password: "secret", Expires: 5 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		registrations := func(want int) {
			t.Helper()
			synctest.Wait()
			if n := b.Stats().Registrations; n != want {
				t.Fatalf("%d registrations, want %d", n, want)
			}
		}
		for range 10 {
			registrations(1)
			time.Sleep(7 * time.Minute)
		}
		n.mu.Lock()
		n.lose = func([]byte) bool { return true }
		n.mu.Unlock()
		time.Sleep(11 * time.Minute)
		registrations(0)
		if !errors.Is(r.Err(), ErrTimeout) {
			t.Errorf("error %v", r.Err())
		}
		n.mu.Lock()
		n.lose = nil
		n.mu.Unlock()
		time.Sleep(6 * time.Minute)
		registrations(1)
		if r.Err() != nil {
			t.Error(r.Err())
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		registrations(0)
		if err := r.Close(t.Context()); err != nil || !errors.Is(r.Err(), ErrEnded) {
			t.Errorf("closed twice: %v, %v", err, r.Err())
		}
		if f := b.Stats().AuthFailures; f != 0 {
			t.Errorf("%d failures", f)
		}

		// Nobody waits for a refresh that gets no answer.
		if r, err = e.Register(t.Context(), RegisterConfig{AOR: "sip:bob@lab.example", Password: "hush", Expires: 10 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		n.mu.Lock()
		n.lose = func([]byte) bool { return true }
		n.mu.Unlock()
		time.Sleep(9*time.Minute + 40*time.Second)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		start := time.Now()
		if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("closed with %v after %v", err, time.Since(start))
		}
		n.mu.Lock()
		n.lose = nil
		n.mu.Unlock()
		time.Sleep(time.Minute)
		registrations(0)

		// One that nobody closes ends with its endpoint, and expires.
		if _, err := e.Register(t.Context(), RegisterConfig{AOR: "sip:bob@lab.example", Password: "hush"}); err != nil {
			t.Fatal(err)
		}
		registrations(1)
		e.Close()
		time.Sleep(time.Hour)
		registrations(0)
	})
}

func TestRegistrationIsRefused(t *testing.T) {
	b := newBench(t, nil, withUsers(nil))
	for _, network := range networks {
		e, err := Connect(t.Context(), b.url(network), clientTLS(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		var refused *StatusError
		if _, err := e.Register(t.Context(), RegisterConfig{AOR: "sip:alice@lab.example", Password: "wrong"}); !errors.As(err, &refused) || refused.Status != 401 {
			t.Errorf("%s, wrong password: %v", network, err)
		}
		if _, err := e.Register(t.Context(), RegisterConfig{AOR: "sip:1001@lab.example", User: "alice", Password: "secret"}); !errors.As(err, &refused) || refused.Status != 403 {
			t.Errorf("%s, another's address: %v", network, err)
		}
		for _, cfg := range []RegisterConfig{{AOR: "alice"}, {AOR: "sip:lab.example"}, {AOR: "sip:a@b>"}, {AOR: "sip:a@b", Expires: time.Millisecond}} {
			if _, err := e.Register(t.Context(), cfg); err == nil || errors.As(err, &refused) {
				t.Errorf("%+v: %v", cfg, err)
			}
		}
		r, err := e.Register(t.Context(), RegisterConfig{AOR: "sip:alice@lab.example", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		if n := b.Stats().Registrations; n != 1 {
			t.Errorf("%s: %d registrations", network, n)
		}
		if err := r.Close(t.Context()); err != nil || b.Stats().Registrations != 0 {
			t.Errorf("%s: closed: %v", network, err)
		}
	}
}

func TestSameURI(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"sip:a@h", "SIP:a@H", true},
		{"sip:a@h", "sip:A@h", false},
		{"sip:a@h", "sips:a@h", false},
		{"sip:a@h", "sip:a@h:5060", false},
		{"sip:a@h", "sip:h", false},
		{"sip:h", "sip:H", true},
		{"sip:a:p@h", "sip:a@h", false},
		{"sip:a@[2001:DB8::1]:5060", "sip:a@[2001:db8::1]:5060", true},
		{"sip:a@h;transport=TCP;x=1", "sip:a@h;x=1;Transport=tcp", true},
		{"sip:a@h;transport=tcp", "sip:a@h", false},
		{"sip:a@h", "sip:a@h;maddr=i", false},
		{"sip:a@h;ob", "sip:a@h", true},
		{"sip:a@h;x=1", "sip:a@h;x=2", false},
	} {
		if sameURI(test.a, test.b) != test.same || sameURI(test.b, test.a) != test.same {
			t.Errorf("%s and %s: the same is %v", test.a, test.b, !test.same)
		}
	}
}
