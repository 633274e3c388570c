package cstasip

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"
)

// Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760), the server's side;
// login.go is the client's. The responses are computed by
// github.com/icholy/digest. Its parser is not used: it wants names of parameters
// in lower case, takes the last of two, and does not tell a parameter that is
// missing from an empty one.

// Auth says who may use a server, and is what makes it a registrar.
type Auth struct {
	// Realm is shown to clients, and part of what is computed of a password;
	// "rccgw" if empty.
	Realm string

	// Algorithms are offered in this order, "SHA-256" and "MD5" if there are none
	// (RFC 8760). Not every client passes over the one that it does not know:
	// baresip 1.1 and sipp 3.6 register only where they are offered MD5 alone.
	Algorithms []string

	// Users are all who may register. What some of them cannot answer, for lack of
	// that HA1, is not offered.
	Users map[string]Credential

	// Dialogs has an INVITE that opens a dialog authenticated as well, see
	// Dialog.User. What follows in a dialog is not: nobody else knows its tags.
	Dialogs bool

	// NonceLife is how long a client may answer with one nonce; 5 minutes if
	// zero. Then it is told stale=true, and comes again by itself.
	NonceLife time.Duration

	// MinExpires and MaxExpires bound the interval of a registration, a minute
	// and an hour if zero. Less is refused with 423, more is shortened.
	MinExpires, MaxExpires time.Duration

	MaxContacts int // of one user, 10 if zero; more are refused with 403
	MaxBindings int // of all users, 200,000 if zero; more are refused with 503
}

// Check returns every mistake in the configuration, and no secret.
func (a *Auth) Check() error {
	_, err := newAuthority(*a)
	return err
}

// A Credential is what a user is known by: the password, or its hashes
// HA1 = H(user:realm:password) in hexadecimal digits (RFC 7616 §3.4.2).
type Credential struct {
	Password    string
	MD5, SHA256 string // HA1; of the password if empty
}

// The algorithms.
const (
	algSHA256 = "SHA-256"
	algMD5    = "MD5"
)

// An authority tells who has sent a request.
type authority struct {
	Auth
	algorithms []string
	ha1        map[string]map[string]string // by algorithm and user
	decoy      string                       // HA1 of those who are no users
	nonces     nonces
}

// newAuthority prepares the configuration. Its errors are those of Auth.Check.
func newAuthority(cfg Auth) (*authority, error) {
	set(&cfg.Realm, "rccgw")
	set(&cfg.NonceLife, 5*time.Minute)
	set(&cfg.MinExpires, time.Minute)
	set(&cfg.MaxExpires, time.Hour)
	set(&cfg.MaxContacts, 10)
	set(&cfg.MaxBindings, 200_000)
	a := &authority{Auth: cfg, ha1: map[string]map[string]string{}, nonces: nonces{life: cfg.NonceLife, limit: maxNonces}}
	var wrong []error
	if strings.ContainsAny(cfg.Realm, "\"\\") || headerText(cfg.Realm) != cfg.Realm {
		wrong = append(wrong, fmt.Errorf("cstasip: realm %q: want plain text without quotes, 200 characters at most", clip(cfg.Realm)))
	}
	if len(cfg.Users) == 0 {
		wrong = append(wrong, errors.New("cstasip: no user"))
	}
	if cfg.MinExpires < time.Second || cfg.MaxExpires < cfg.MinExpires {
		wrong = append(wrong, fmt.Errorf("cstasip: registrations of %v to %v", cfg.MinExpires, cfg.MaxExpires))
	}
	for user, c := range cfg.Users {
		if user == "" || strings.Contains(user, ":") || headerText(user) != user {
			wrong = append(wrong, fmt.Errorf("cstasip: user %q: not a name without colon", clip(user)))
		}
		if c.Password == "" && c.MD5 == "" && c.SHA256 == "" {
			wrong = append(wrong, fmt.Errorf("cstasip: user %q: neither password nor HA1", clip(user)))
		}
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{algSHA256, algMD5}
	}
	for i, alg := range cfg.Algorithms {
		if alg != algSHA256 && alg != algMD5 || slices.Index(cfg.Algorithms, alg) < i {
			wrong = append(wrong, fmt.Errorf("cstasip: algorithm %q: want SHA-256, MD5 or both", clip(alg)))
			continue
		}
		all, known := true, map[string]string{}
		for user, c := range cfg.Users {
			h := c.SHA256
			digits := 64
			if alg == algMD5 {
				h, digits = c.MD5, 32
			}
			if b, err := hex.DecodeString(h); err != nil || h != "" && len(b)*2 != digits {
				wrong = append(wrong, fmt.Errorf("cstasip: user %q: HA1 for %s is not %d hexadecimal digits", clip(user), alg, digits))
			}
			if h == "" && c.Password != "" {
				h = hashHA1(alg, user, cfg.Realm, c.Password)
			}
			all = all && h != ""
			known[user] = strings.ToLower(h)
		}
		if all {
			a.algorithms = append(a.algorithms, alg)
			a.ha1[alg] = known
		}
	}
	if len(wrong) == 0 && len(a.algorithms) == 0 {
		wrong = append(wrong, fmt.Errorf("cstasip: algorithm %s: not every user has a password or that HA1", strings.Join(cfg.Algorithms, " or ")))
	}
	if len(wrong) > 0 {
		slices.SortFunc(wrong, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
		return nil, errors.Join(wrong...)
	}
	a.nonces.rotate()
	a.decoy = rand.Text()
	return a, nil
}

// hashHA1 is H(user:realm:password). The library has it only as a step of a whole
// response, in the form that has no nonce count.
func hashHA1(alg, user, realm, password string) string {
	text := []byte(user + ":" + realm + ":" + password)
	if alg == algMD5 {
		sum := md5.Sum(text)
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// A signature is what an Authorization header says.
type signature struct {
	username, nonce, uri, response, algorithm, cnonce string
	nc                                                uint32
}

// signed returns the signature for the realm, nil if there is none.
func signed(m *message, realm string) (*signature, error) {
	for _, h := range m.headers {
		if !strings.EqualFold(h.Name(), "Authorization") {
			continue
		}
		p, err := authParams(h.Value())
		if err != nil {
			return nil, err
		}
		if p == nil || p["realm"] != realm {
			continue // for somebody else
		}
		for _, name := range []string{"username", "nonce", "uri", "response", "cnonce", "nc", "qop"} {
			if p[name] == "" {
				return nil, fmt.Errorf("%s is missing", name)
			}
		}
		if !strings.EqualFold(p["qop"], "auth") {
			return nil, fmt.Errorf("qop %q was not offered", clip(p["qop"]))
		}
		nc, err := strconv.ParseUint(p["nc"], 16, 32)
		if err != nil || len(p["nc"]) != 8 {
			return nil, fmt.Errorf("nc %q is not 8 hexadecimal digits", clip(p["nc"]))
		}
		s := &signature{username: p["username"], nonce: p["nonce"], uri: p["uri"], response: strings.ToLower(p["response"]),
			algorithm: algMD5, cnonce: p["cnonce"], nc: uint32(nc)}
		if v := p["algorithm"]; v != "" {
			s.algorithm = strings.ToUpper(v)
		}
		return s, nil
	}
	return nil, nil
}

// authParams reads the parameters of a challenge or a signature, nil if it is of
// another scheme than Digest. Names are in lower case.
func authParams(value string) (map[string]string, error) {
	value = strings.TrimSpace(value)
	i := strings.IndexAny(value, " \t")
	if i < 0 || !strings.EqualFold(value[:i], "Digest") {
		return nil, nil
	}
	params := map[string]string{}
	for _, p := range split(value[i:]) {
		name, v, ok := strings.Cut(p, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := params[name]; !ok || name == "" || strings.ContainsAny(name, " \t\"") || twice || len(params) == 32 {
			return nil, fmt.Errorf("parameter %q", clip(name))
		}
		v = strings.TrimSpace(v)
		if strings.HasPrefix(v, `"`) && !quotedWhole(v) {
			return nil, fmt.Errorf("parameter %q is not quoted to its end", clip(name))
		}
		params[name] = unquote(v)
	}
	return params, nil
}

// quotedWhole reports whether s, which begins with a quote, is one quoted string.
func quotedWhole(s string) bool {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i == len(s)-1
		}
	}
	return false
}

// expected computes the response of somebody who has the HA1.
func (s *signature) expected(method, realm, ha1 string) string {
	c, err := digest.Digest(
		&digest.Challenge{Realm: realm, Nonce: s.nonce, Algorithm: s.algorithm, QOP: []string{"auth"}},
		digest.Options{Method: method, URI: s.uri, Username: s.username, A1: ha1, Cnonce: s.cnonce, Count: int(s.nc)})
	if err != nil {
		return ""
	}
	return c.Response
}

// authenticate returns the user who has signed a request, and 200, or how the
// request is refused. A name that nobody has is told the same as a wrong password,
// after the same time.
//
// The uri of the signature is not compared with the Request-URI, which proxies
// write anew (RFC 3261 §16.6); what it would keep out is kept out by the nonce.
func (s *Server) authenticate(m *message) (user string, a answer) {
	now := time.Now()
	sig, err := signed(m, s.auth.Realm)
	if err != nil {
		return "", answer{status: 400, reason: headerText("Bad Authorization: " + err.Error())}
	}
	if sig == nil {
		s.stats.challenged.Add(1)
		return "", s.auth.challenge(now, false)
	}
	ha1, known := s.auth.ha1[sig.algorithm][sig.username]
	if !known {
		ha1 = s.auth.decoy
	}
	right := subtle.ConstantTimeCompare([]byte(sig.expected(m.method, s.auth.Realm, ha1)), []byte(sig.response)) == 1
	switch {
	case !right || !known:
		s.stats.authFailed.Add(1)
		if n, ok := s.bad.tell(m.flow.peer.Addr(), now); ok {
			s.log.Warn("authentication failed", "peer", m.flow.peer, "transport", m.flow.network, "method", m.method, "user", headerText(clip(sig.username)), "more", n)
		}
		return "", s.auth.challenge(now, false)
	case !s.auth.nonces.take(sig.nonce, sig.nc, now):
		s.stats.challenged.Add(1)
		return "", s.auth.challenge(now, true)
	}
	return sig.username, answer{status: 200}
}

// challenge asks for a signature: one header for each algorithm, of which clients
// take the first that they know (RFC 8760 §2.4), all with the same nonce.
func (a *authority) challenge(now time.Time, stale bool) answer {
	nonce := a.nonces.issue(now)
	var b strings.Builder
	for _, alg := range a.algorithms {
		c := digest.Challenge{Realm: a.Realm, Nonce: nonce, Algorithm: alg, Stale: stale, QOP: []string{"auth"}}
		b.WriteString("WWW-Authenticate: " + c.String() + "\r\n")
	}
	return answer{status: 401, headers: b.String()}
}

// maxNonces is how many nonces with which somebody has authenticated are
// remembered.
const maxNonces = 100_000

// nonces are what the server has clients sign. A nonce holds when it was made, and
// the server's own signature of that: those that nobody has used yet, or nobody who
// knows a password, cost no memory.
type nonces struct {
	life  time.Duration
	limit int

	mu    sync.Mutex
	key   [32]byte
	used  map[nonceID]counts
	swept time.Time
}

// A nonceID is when a nonce was made, and random bits.
type nonceID [20]byte

func (id *nonceID) made() time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(id[:8]))) }

// rotate takes another key: no nonce that was issued before is good any more.
func (n *nonces) rotate() {
	_, _ = rand.Read(n.key[:]) // does not fail
	n.used = map[nonceID]counts{}
}

func (n *nonces) sum(id nonceID) []byte {
	h := hmac.New(sha256.New, n.key[:])
	h.Write(id[:])
	return h.Sum(nil)[:16]
}

// issue returns a new nonce.
func (n *nonces) issue(now time.Time) string {
	var id nonceID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixNano()))
	_, _ = rand.Read(id[8:])
	n.mu.Lock()
	defer n.mu.Unlock()
	return base64.RawURLEncoding.EncodeToString(append(id[:], n.sum(id)...))
}

// take reports whether a nonce is ours, is not too old, and was not used with that
// count before. It is called for signatures that are right.
func (n *nonces) take(nonce string, nc uint32, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != len(nonceID{})+16 {
		return false
	}
	id := nonceID(b[:20])
	n.mu.Lock()
	defer n.mu.Unlock()
	if age := now.Sub(id.made()); !hmac.Equal(b[20:], n.sum(id)) || age < 0 || age >= n.life {
		return false
	}
	w, known := n.used[id]
	if !w.take(nc) {
		return false
	}
	if !known && (len(n.used) >= n.limit || now.Sub(n.swept) >= n.life) {
		n.swept = now
		for old := range n.used {
			if now.Sub(old.made()) >= n.life {
				delete(n.used, old)
			}
		}
		if len(n.used) >= n.limit {
			// To forget one would let it be used again: all have to come anew.
			n.rotate()
			return true
		}
	}
	n.used[id] = w
	return true
}

// counts are which counts of a nonce were seen: the highest, and which of the 63
// below it. Requests that leave one after the other may arrive the other way round.
type counts struct {
	top  uint32
	seen uint64 // bit i: top-i
}

// take reports whether a count is new.
func (w *counts) take(nc uint32) bool {
	switch {
	case nc > w.top:
		w.seen = w.seen<<(nc-w.top) | 1
		w.top = nc
	case nc == 0, w.top-nc > 63, w.seen>>(w.top-nc)&1 == 1:
		return false
	default:
		w.seen |= 1 << (w.top - nc)
	}
	return true
}
