package cstasip

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"rccgw/csta"
)

// What RFC 7616 §3.9.1 and RFC 2617 §3.5 have computed, from the header as it
// stands there.
func TestDigestExamples(t *testing.T) {
	const newer = `username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", ` +
		`nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", `
	for name, test := range map[string]struct{ header, realm, password string }{
		"MD5":     {newer + `algorithm=MD5, response="8ca523f5e9506fed4657c9700eebdbec"`, "http-auth@example.org", "Circle of Life"},
		"SHA-256": {newer + `algorithm=SHA-256, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`, "http-auth@example.org", "Circle of Life"},
		"without algorithm": {`username="Mufasa",realm="testrealm@host.com",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",uri="/dir/index.html",qop=auth,` +
			`nc=00000001,cnonce="0a4f113b",response="6629fae49393a05397450978507c4ef1",opaque="5ccc069c403ebaf9f0171e9517f40e41"`, "testrealm@host.com", "Circle Of Life"},
	} {
		t.Run(name, func(t *testing.T) {
			sig, err := signed(withAuthorization("Digest "+test.header), test.realm)
			if err != nil || sig == nil {
				t.Fatalf("%v, %v", sig, err)
			}
			if got := sig.expected("GET", test.realm, hashHA1(sig.algorithm, sig.username, test.realm, test.password)); got != sig.response {
				t.Errorf("computed %s, want %s", got, sig.response)
			}
			if got := sig.expected("GET", test.realm, hashHA1(sig.algorithm, sig.username, test.realm, "circle")); got == sig.response || got == "" {
				t.Errorf("another password: computed %q", got)
			}
		})
	}
}

func withAuthorization(values ...string) *message {
	m := &message{method: register}
	for _, v := range values {
		m.headers = append(m.headers, sip.NewHeader("Authorization", v))
	}
	return m
}

// What stands in an Authorization header and cannot be used.
func TestAuthorizationIsRead(t *testing.T) {
	const good = `username="a", realm="r", nonce="n", uri="sip:r", response="00", cnonce="c", nc=00000001, qop=auth`
	change := func(old, new string) string { return "Digest " + strings.Replace(good, old, new, 1) }
	for name, test := range map[string]struct {
		values []string
		user   string // who signs for realm r
		bad    string // in the error
	}{
		"good":                         {[]string{"Digest " + good}, "a", ""},
		"names and scheme in capitals": {[]string{"DIGEST " + strings.Replace(good, "username", "USERNAME", 1)}, "a", ""},
		"no spaces":                    {[]string{"Digest " + strings.ReplaceAll(good, ", ", ",")}, "a", ""},
		"spaces and tabs":              {[]string{"Digest\t " + strings.ReplaceAll(good, ", ", "\t, ")}, "a", ""},
		"a quoted token":               {[]string{change("qop=auth", `qop="auth"`)}, "a", ""},
		"a quote and a comma inside":   {[]string{change(`"a"`, `"a\", \\b"`)}, `a", \b`, ""},
		"what nobody knows":            {[]string{"Digest " + good + `, auts="x"`}, "a", ""},
		"none":                         {nil, "", ""},
		"another realm":                {[]string{change(`"r"`, `"s"`)}, "", ""},
		"another realm first":          {[]string{change(`"r"`, `"s"`), "Digest " + good}, "a", ""},
		"another scheme":               {[]string{"Basic YTpi", "Digest " + good}, "a", ""},
		"a scheme alone":               {[]string{"Digest"}, "", ""},
		"without user":                 {[]string{change(`username="a", `, "")}, "", "username"},
		"an empty user":                {[]string{change(`"a"`, `""`)}, "", "username"},
		"without qop":                  {[]string{change(", qop=auth", "")}, "", "qop"},
		"auth-int":                     {[]string{change("qop=auth", "qop=auth-int")}, "", "auth-int"},
		"nc of seven digits":           {[]string{change("00000001", "0000001")}, "", "nc"},
		"nc below zero":                {[]string{change("00000001", "-0000001")}, "", "nc"},
		"nc of no digits":              {[]string{change("00000001", "0000000g")}, "", "nc"},
		"one twice":                    {[]string{"Digest " + good + `, username="b"`}, "", "username"},
		"a quote that does not end":    {[]string{change(`"sip:r"`, `"sip:r`)}, "", "parameter"},
		"text behind a quote":          {[]string{change(`"a"`, `"a"b`)}, "", "username"},
		"no equals sign":               {[]string{"Digest " + good + ", x"}, "", "parameter"},
		"two challenges in one":        {[]string{"Digest " + good + `, Digest username="a"`}, "", "digest username"},
	} {
		t.Run(name, func(t *testing.T) {
			sig, err := signed(withAuthorization(test.values...), "r")
			switch {
			case test.bad != "":
				if err == nil || !strings.Contains(err.Error(), test.bad) {
					t.Errorf("error %v, want one about %s", err, test.bad)
				}
			case err != nil:
				t.Error(err)
			case (sig != nil) != (test.user != "") || sig != nil && sig.username != test.user:
				t.Errorf("read %+v, want %q", sig, test.user)
			}
		})
	}
}

// A nonce is good for a while, for each count once, at the server that made it.
func TestNonces(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	fresh := func(limit int) *nonces {
		n := &nonces{life: time.Minute, limit: limit}
		n.rotate()
		return n
	}
	n := fresh(100)
	nonce := n.issue(start)
	if other := n.issue(start); other == nonce {
		t.Error("one nonce twice")
	}
	for i, step := range []struct {
		nc    uint32
		after time.Duration
		ok    bool
	}{
		{1, 0, true}, {1, 0, false}, {3, 0, true}, {2, 0, true}, {2, 0, false}, {0, 0, false},
		{100, 0, true}, {36, 0, false}, {37, 0, true}, {37, 0, false}, {3, 0, false}, {99, 0, true},
		{1 << 31, 0, true}, {100, 0, false},
		{1<<31 + 1, time.Minute - 1, true}, {1<<31 + 2, time.Minute, false}, {1<<31 + 2, -1, false},
	} {
		if ok := n.take(nonce, step.nc, start.Add(step.after)); ok != step.ok {
			t.Errorf("step %d, count %d after %v: %v", i, step.nc, step.after, ok)
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(n.issue(start))
	for i := range raw {
		raw[i] ^= 1
		if n.take(base64.RawURLEncoding.EncodeToString(raw), 1, start) {
			t.Errorf("good with octet %d changed", i)
		}
		raw[i] ^= 1
	}
	for _, foreign := range []string{"", "x", "?", nonce[1:], nonce + nonce, fresh(100).issue(start)} {
		if n.take(foreign, 1, start) {
			t.Errorf("good: %q", foreign)
		}
	}

	// Memory is for nonces that were used, no more of them than the limit, and none
	// can be used again because it was forgotten.
	n = fresh(10)
	var used []string
	for range 25 {
		nonce := n.issue(start)
		n.issue(start)
		if !n.take(nonce, 1, start) {
			t.Fatal("a new nonce is refused")
		}
		used = append(used, nonce)
		if len(n.used) > 10 {
			t.Fatalf("%d nonces are kept", len(n.used))
		}
	}
	for i, nonce := range used {
		if n.take(nonce, 1, start) {
			t.Errorf("nonce %d can be used again", i)
		}
	}
	later := start.Add(time.Minute)
	if n.take(n.issue(later), 1, later); len(n.used) != 1 {
		t.Errorf("%d nonces are kept, one of them good", len(n.used))
	}
}

func TestAuthMistakes(t *testing.T) {
	_, err := newAuthority(Auth{Realm: `a"b`, Algorithms: []string{"MD5", "SHA-256", "MD4", "MD5"}, MinExpires: time.Hour, MaxExpires: time.Minute, Users: map[string]Credential{
		"":        {Password: "hidden1"},
		"a:b":     {Password: "hidden2"},
		"nothing": {},
		"short":   {MD5: "hidden3"},
		"long":    {SHA256: strings.Repeat("ab", 16)},
	}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`algorithm "MD4"`, `algorithm "MD5"`, `realm "a\"b"`, "1h0m0s to 1m0s", `user "":`, `user "a:b"`, `user "nothing": neither`, `user "short": HA1 for MD5`, `user "long": HA1 for SHA-256`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Errorf("a secret is shown: %v", err)
	}
	if _, err = newAuthority(Auth{}); err == nil || !strings.Contains(err.Error(), "no user") {
		t.Errorf("no users: %v", err)
	}
	md5, sha := Credential{MD5: strings.Repeat("ab", 16)}, Credential{SHA256: strings.Repeat("ab", 32)}
	if _, err = newAuthority(Auth{Users: map[string]Credential{"a": md5, "b": sha}}); err == nil || !strings.Contains(err.Error(), "SHA-256 or MD5: not every user") {
		t.Errorf("no common algorithm: %v", err)
	}
	for want, users := range map[string]map[string]Credential{
		"[SHA-256 MD5]": {"a": {Password: "x"}, "b": {MD5: md5.MD5, SHA256: sha.SHA256}, "c": {Password: "x", MD5: md5.MD5}},
		"[MD5]":         {"a": {Password: "x"}, "b": md5},
		"[SHA-256]":     {"a": {Password: "x"}, "b": sha},
	} {
		a, err := newAuthority(Auth{Users: users})
		if err != nil || fmt.Sprint(a.algorithms) != want {
			t.Errorf("%v, %v; want %s", a.algorithms, err, want)
		}
	}
	if a, err := newAuthority(Auth{Algorithms: []string{"MD5"}, Users: map[string]Credential{"a": {Password: "x"}}}); err != nil || fmt.Sprint(a.algorithms) != "[MD5]" {
		t.Errorf("%v, %v; want MD5", a, err)
	}
}

// answerTo answers a 401 as a client of the tests' own does. It knows no more of
// the header than where its values stand.
func answerTo(m *message, alg, method, uri, user, password string, nc int) string {
	sum := func(parts ...string) string {
		text := []byte(strings.Join(parts, ":"))
		if alg == algMD5 {
			b := md5.Sum(text)
			return hex.EncodeToString(b[:])
		}
		b := sha256.Sum256(text)
		return hex.EncodeToString(b[:])
	}
	_, nonce, _ := strings.Cut(m.header("www-authenticate"), `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	count := fmt.Sprintf("%08x", nc)
	response := sum(sum(user, "rccgw", password), nonce, count, "c0", "auth", sum(method, uri))
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="rccgw", nonce="%s", uri="%s", response="%s", algorithm=%s, cnonce="c0", qop=auth, nc=%s`,
		user, nonce, uri, response, alg, count)
}

// withUsers gives a bench's server two users.
func withUsers(change func(*Auth)) func(*Config) {
	return func(cfg *Config) {
		cfg.Auth = &Auth{Dialogs: true, Users: map[string]Credential{"alice": {Password: "secret"}, "bob": {
			MD5: hashHA1(algMD5, "bob", "rccgw", "hush"), SHA256: strings.ToUpper(hashHA1(algSHA256, "bob", "rccgw", "hush"))}}}
		if change != nil {
			change(cfg.Auth)
		}
	}
}

// An INVITE opens a dialog where it is signed, by a user with that password, for
// the first time.
func TestInviteIsAuthenticated(t *testing.T) {
	for _, network := range networks {
		for _, alg := range []string{algSHA256, algMD5} {
			t.Run(network+" "+alg, func(t *testing.T) {
				b := newBench(t, nil, withUsers(nil))
				p := newPeer(t, b.url(network))
				c := p.script()
				cseq := 0
				ask := func(status int, extra ...string) *message {
					t.Helper()
					cseq++
					p.send(c.write(invite, cseq, body("RequestSystemStatus", ""), extra...))
					m := p.response(status, invite, uint32(cseq))
					p.send(c.ackOf(m))
					return m
				}
				challenge := ask(401)
				if list := values(challenge, "WWW-Authenticate"); len(list) != 2 || !strings.Contains(list[0], "algorithm=SHA-256") || !strings.Contains(list[1], "algorithm=MD5") ||
					!strings.HasPrefix(list[0], `Digest realm="rccgw", nonce="`) || !strings.Contains(list[1], `qop="auth"`) || strings.Contains(list[0], "stale") {
					t.Errorf("challenged with %q", list)
				}
				// Nobody is told which of the two was wrong.
				wrong := map[string]string{}
				for _, who := range [][2]string{{"alice", "hush"}, {"mallory", "secret"}, {"bob", ""}} {
					m := ask(401, answerTo(challenge, alg, invite, c.target, who[0], who[1], 1))
					wrong[who[0]] = shape(m)
					if strings.Contains(m.header("www-authenticate"), "stale") {
						t.Error("a wrong password is called stale")
					}
				}
				if wrong["alice"] != wrong["mallory"] || wrong["alice"] != shape(challenge) {
					t.Errorf("told a wrong password\n%s\nand a wrong name\n%s", wrong["alice"], wrong["mallory"])
				}
				m := ask(401, answerTo(challenge, alg, info, c.target, "alice", "secret", 1)) // another method
				if strings.Contains(m.header("www-authenticate"), "stale") {
					t.Error("another method is called stale")
				}
				ask(400, strings.Replace(answerTo(challenge, alg, invite, c.target, "alice", "secret", 1), "nc=00000001", "nc=1", 1))
				good := answerTo(challenge, alg, invite, c.target, "alice", "secret", 1)
				ask(200, good)
				if d := b.session().d; d.User != "alice" {
					t.Errorf("user %q", d.User)
				}
				again := ask(401, good)
				if !strings.Contains(again.header("www-authenticate"), "stale=true") {
					t.Errorf("a repeated signature is told %q", again.header("www-authenticate"))
				}
				ask(200, answerTo(again, alg, invite, c.target, "bob", "hush", 1))
				if d := b.session().d; d.User != "bob" {
					t.Errorf("user %q", d.User)
				}
				st := b.Stats()
				if st.Challenges != 2 || st.AuthFailures != 4 || st.Requests[Outcome{invite, 401}] != 6 {
					t.Errorf("%d challenges, %d failures, %v", st.Challenges, st.AuthFailures, st.Requests)
				}
				if log := b.log.String(); strings.Count(log, "authentication failed") != 1 || strings.Contains(log, "secret") {
					t.Errorf("log:\n%s", log)
				}
			})
		}
	}
}

// ackOf returns the ACK of an answer to INVITE: of a refusal it has the INVITE's
// branch.
func (s *script) ackOf(m *message) string {
	c := *s
	c.toTag = m.toTag
	text := c.write(ack, int(m.cseq), "")
	if m.status < 300 {
		return text
	}
	head, rest, _ := strings.Cut(text, ";branch=")
	_, rest, _ = strings.Cut(rest, "\r\n")
	return head + ";branch=" + m.via.branch + "\r\n" + rest
}

// values returns the values of all headers of the name.
func values(m *message, name string) (list []string) {
	for _, h := range m.headers {
		if strings.EqualFold(h.Name(), name) {
			list = append(list, h.Value())
		}
	}
	return list
}

// shape is a response without what differs from one to the next.
func shape(m *message) string {
	var b strings.Builder
	fmt.Fprintln(&b, m.status, m.reason)
	for _, h := range m.headers {
		switch h.Name() {
		case "Via", "To", "CSeq":
			fmt.Fprintln(&b, h.Name())
		case "WWW-Authenticate":
			v, rest, _ := strings.Cut(h.Value(), `nonce="`)
			nonce, rest, _ := strings.Cut(rest, `"`)
			fmt.Fprintln(&b, h.Name(), v, len(nonce), rest)
		default:
			fmt.Fprintln(&b, h.Name(), h.Value())
		}
	}
	return b.String()
}

// A client with the password opens its dialog, and any number after it; one
// without is told 401.
func TestClientAuthenticates(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, withUsers(nil))
			c := b.dial(network, func(cfg *ClientConfig) { cfg.User, cfg.Password = "alice", "secret" })
			if d := b.session().d; d.User != "alice" {
				t.Errorf("user %q", d.User)
			}
			if _, err := csta.Call(t.Context(), c, &csta.RequestSystemStatus{}); err != nil {
				t.Error(err)
			}
			if err := c.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			for user, password := range map[string]string{"alice": "hush", "mallory": "secret", "": ""} {
				cfg := ClientConfig{Server: b.url(network), User: user, Password: password}
				if network == tlsNet {
					cfg.TLS = clientTLS(t)
				}
				_, err := Dial(t.Context(), cfg)
				var refused *StatusError
				if !errors.As(err, &refused) || refused.Status != 401 {
					t.Errorf("%q with %q: %v", user, password, err)
				}
			}
			if st := b.Stats(); st.Challenges != 4 || st.AuthFailures != 2 || st.Dialogs != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// A nonce that is too old costs the client a round trip, and its user nothing.
func TestStaleNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, withUsers(nil))
		p := n.host("192.0.2.2").peer(t, b.url(udpNet))
		c := p.script()
		ask := func(cseq, status int, extra ...string) *message {
			t.Helper()
			p.send(c.write(invite, cseq, body("RequestSystemStatus", ""), extra...))
			m := p.response(status, invite, uint32(cseq))
			p.send(c.ackOf(m))
			return m
		}
		challenge := ask(1, 401)
		time.Sleep(5 * time.Minute)
		m := ask(2, 401, answerTo(challenge, algMD5, invite, c.target, "alice", "secret", 1))
		if !strings.Contains(m.header("www-authenticate"), "stale=true") {
			t.Errorf("told %q", m.header("www-authenticate"))
		}
		time.Sleep(5*time.Minute - 1)
		ask(3, 200, answerTo(m, algMD5, invite, c.target, "alice", "secret", 1))

		// One of the server before it was started again is told the same.
		before, err := newAuthority(*b.cfg.Auth)
		if err != nil {
			t.Fatal(err)
		}
		_, value, _ := strings.Cut(before.challenge(time.Now(), false).headers, ": ")
		m = ask(4, 401, answerTo(&message{headers: []sip.Header{sip.NewHeader("WWW-Authenticate", value)}}, algMD5, invite, c.target, "alice", "secret", 1))
		if !strings.Contains(m.header("www-authenticate"), "stale=true") {
			t.Errorf("told %q", m.header("www-authenticate"))
		}
		ask(5, 200, answerTo(m, algSHA256, invite, c.target, "alice", "secret", 1))
	})
}

// A client meets challenges of servers and proxies wherever they come: to INVITE
// and in the dialog, with any algorithm that it can, and goes on with the same
// nonce. It does not try a wrong password twice, nor an endless server for ever.
func TestClientMeetsChallenges(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type result struct {
		c   *Client
		err error
	}
	dialled := make(chan result, 1)
	go func() {
		c, err := Dial(context.Background(), ClientConfig{Server: "tcp://" + l.Addr().String(), User: "alice", Password: "secret"})
		dialled <- result{c, err}
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := newPeerOn(t, conn)
	challenge := func(m *message, status int, headers ...string) {
		t.Helper()
		p.ok(m, status, strings.Join(headers, "\r\n")+"\r\n")
		if m.method == invite {
			p.request(ack)
		}
	}
	// right fails the test where the header does not sign m for the realm.
	right := func(m *message, header, realm string, nc uint32) {
		t.Helper()
		var all []sip.Header
		for _, h := range m.headers {
			if h.Name() == header {
				all = append(all, sip.NewHeader("Authorization", h.Value()))
			}
		}
		sig, err := signed(&message{headers: all}, realm)
		if err != nil || sig == nil {
			t.Fatalf("%s: %v, %v in %q", header, sig, err, all)
		}
		if want := sig.expected(m.method, realm, hashHA1(sig.algorithm, "alice", realm, "secret")); want != sig.response || sig.nc != nc || sig.uri != m.uri.String() {
			t.Errorf("%s: %+v", header, sig)
		}
	}
	m := p.request(invite)
	challenge(m, 407, `Proxy-Authenticate: Digest realm="p", nonce="p1", algorithm=SHA-3, qop="auth"`, `Proxy-Authenticate: Basic realm="p"`,
		`Proxy-Authenticate: Digest realm="p", nonce="p1", algorithm=SHA-256, qop="auth-int, auth"`, `Proxy-Authenticate: Digest realm="p", nonce="p1", qop="auth"`)
	m = p.request(invite)
	right(m, "Proxy-Authorization", "p", 1)
	challenge(m, 401, `WWW-Authenticate: Digest realm="s", nonce="s1", opaque="o", qop="auth"`)
	m = p.request(invite)
	right(m, "Proxy-Authorization", "p", 2)
	right(m, "Authorization", "s", 1)
	challenge(m, 401, `WWW-Authenticate: Digest realm="s", nonce="s2", stale=TRUE, qop="auth"`)
	m = p.request(invite)
	right(m, "Authorization", "s", 1)
	p.send(m.response(answer{status: 200, headers: "Contact: <sip:s@" + l.Addr().String() + ">\r\n"}, "tag1").String())
	if a := p.request(ack); a.header("authorization") != m.header("authorization") || a.header("proxy-authorization") != m.header("proxy-authorization") {
		t.Errorf("ACK with %q, INVITE with %q", a.headers, m.headers)
	}
	r := within(t, dialled, "the client")
	if r.err != nil {
		t.Fatal(r.err)
	}
	answers := make(chan error, 1)
	ask := func() {
		go func() {
			_, err := csta.Call(context.Background(), r.c, &csta.RequestSystemStatus{})
			answers <- err
		}()
	}
	fine := answer{status: 200, body: []byte(body("RequestSystemStatusResponse", "<systemStatus>normal</systemStatus>"))}
	ask()
	m = p.request(info)
	if m.header("authorization") != "" {
		t.Error("a request of the dialog is signed before it was challenged")
	}
	challenge(m, 401, `WWW-Authenticate: Digest realm="s", nonce="s3", qop="auth"`)
	for nc := range uint32(2) { // the second unasked
		m = p.request(info)
		right(m, "Authorization", "s", nc+1)
		p.send(m.response(fine, "").String())
		if err := within(t, answers, "an answer"); err != nil {
			t.Error(err)
		}
		ask()
	}
	// The third: a new nonce without stale is met once.
	challenge(p.request(info), 401, `WWW-Authenticate: Digest realm="s", nonce="s4", qop="auth"`)
	m = p.request(info)
	right(m, "Authorization", "s", 1)
	challenge(m, 401, `WWW-Authenticate: Digest realm="s", nonce="s5", qop="auth"`)
	refused := func() {
		t.Helper()
		var e *StatusError
		if err := within(t, answers, "an answer"); !errors.As(err, &e) || e.Status != 401 {
			t.Errorf("told %v", err)
		}
	}
	refused()
	ask()
	for i := range maxTries {
		challenge(p.request(info), 401, fmt.Sprintf(`WWW-Authenticate: Digest realm="s", nonce="x%d", stale=true, qop="auth"`, i))
	}
	refused()
	for _, header := range []string{`Digest realm="s", nonce="n", algorithm=MD5-sess, qop="auth"`, `Digest realm="s", nonce="n", qop="auth-int"`, `Digest realm="s"`, `Digest realm="s", nonce="n`, ""} {
		ask()
		challenge(p.request(info), 401, "WWW-Authenticate: "+header)
		refused()
	}
	closed := make(chan error, 1)
	go func() { closed <- r.c.Close(context.Background()) }()
	m = p.request(bye)
	challenge(m, 401, `WWW-Authenticate: Digest realm="s", nonce="b1", qop="auth"`)
	m = p.request(bye)
	right(m, "Authorization", "s", 1)
	p.ok(m, 200, "")
	if err := within(t, closed, "Close"); err != nil {
		t.Error(err)
	}
}
