package cstasip

import (
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// A login answers the challenges of servers and proxies with a user's password
// (RFC 3261 §22.2, §22.3). With MD5, SHA-256 or SHA-512-256: of several
// challenges for one realm the topmost that can be answered is (RFC 8760 §2.4).
type login struct {
	user, password string

	mu  sync.Mutex
	met []*challenge
}

// A challenge is one that was met, and that later requests answer unasked.
type challenge struct {
	digest.Challenge
	header string // that the answer goes into
	count  int    // answers so far
}

const (
	maxRealms = 4 // that are answered at once
	maxTries  = 5 // of one request
)

// attempt performs a request, again for as long as it is challenged and there is
// something new to answer. once sends it, signed.
func (l *login) attempt(once func() (*message, error)) (m *message, err error) {
	answered := map[string]bool{}
	for range maxTries {
		if m, err = once(); err != nil || !l.meet(m, answered) {
			break
		}
	}
	return m, err
}

// meet takes the challenges of a 401 or 407, and reports whether the request may
// be tried again. answered are the realms in which it was tried already: there it
// is of use only where the nonce was too old.
func (l *login) meet(m *message, answered map[string]bool) bool {
	name, header := "WWW-Authenticate", "Authorization"
	switch m.status {
	case 401:
	case 407:
		name, header = "Proxy-Authenticate", "Proxy-Authorization"
	default:
		return false
	}
	if l.user == "" {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[string]bool{}
	for _, h := range m.headers {
		if !strings.EqualFold(h.Name(), name) {
			continue
		}
		c, ok := readChallenge(h.Value())
		key := header + " " + c.Realm
		if !ok || found[key] {
			continue
		}
		if answered[key] && !c.Stale {
			return false // the password is wrong
		}
		found[key], answered[key] = true, true
		l.forget(func(x *challenge) bool { return x.header != header || x.Realm != c.Realm })
		if len(l.met) < maxRealms {
			l.met = append(l.met, &challenge{Challenge: c, header: header})
		}
	}
	return len(found) > 0
}

// forget keeps of the challenges those for which keep is true. l.mu is held.
func (l *login) forget(keep func(*challenge) bool) {
	var kept []*challenge
	for _, x := range l.met {
		if keep(x) {
			kept = append(kept, x)
		}
	}
	l.met = kept
}

// reset forgets all challenges.
func (l *login) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.met = nil
}

// readChallenge reads a challenge that can be answered.
func readChallenge(value string) (c digest.Challenge, ok bool) {
	p, err := authParams(value)
	if err != nil || p == nil || p["nonce"] == "" {
		return c, false
	}
	c = digest.Challenge{Realm: p["realm"], Nonce: p["nonce"], Opaque: p["opaque"], Algorithm: p["algorithm"], Stale: strings.EqualFold(p["stale"], "true")}
	if hasControl(c.Realm + c.Nonce + c.Opaque + c.Algorithm) {
		return c, false
	}
	if qop, there := p["qop"]; there {
		if !hasToken(strings.ToLower(qop), "auth") {
			return c, false
		}
		c.QOP = []string{"auth"}
	}
	return c, digest.CanDigest(&c)
}

// sign appends the answers to the challenges that were met, and returns the
// headers.
func (l *login) sign(req *sip.Request) (headers []sip.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.met {
		x.count++
		c, err := digest.Digest(&x.Challenge, digest.Options{
			Method: string(req.Method), URI: req.Recipient.String(), Count: x.count, Username: l.user, Password: l.password})
		if err != nil {
			continue // not one that readChallenge takes
		}
		h := sip.NewHeader(x.header, c.String())
		headers = append(headers, h)
		req.AppendHeader(h)
	}
	return headers
}
