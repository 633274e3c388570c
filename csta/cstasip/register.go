package cstasip

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The registrar (RFC 3261 §10.3). Phones and consoles that register before they
// open their dialog are told what they want to hear; the bindings lead nowhere:
// nothing is ever sent to a client but in its dialog.

const register = "REGISTER"

// A registrar holds the bindings, by user.
type registrar struct {
	mu     sync.Mutex
	users  map[string][]*binding
	total  int
	closed bool
}

// A binding is a contact of a user, until it expires.
type binding struct {
	uri, params string // as written, without expires
	callID      string
	cseq        uint32
	expires     time.Time
	timer       *time.Timer
	conn        *conn // it came over; not closed for being idle
}

// A contact is an element of a REGISTER's Contact header.
type contact struct {
	uri, params string
	interval    time.Duration
}

// maxContact bounds what is kept of one contact, in octets.
const maxContact = 1 << 10

// registered answers REGISTER.
func (s *Server) registered(m *message) answer {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	if draining {
		return answer{status: 503, headers: "Retry-After: 10\r\n"}
	}
	if m.header("path") != "" {
		// A proxy wants to be gone through on the way back, and there is none
		// (RFC 3327 §5.3).
		return answer{status: 420, headers: "Unsupported: path\r\n"}
	}
	user, a := s.authenticate(m)
	if a.status != 200 {
		return a
	}
	aor, _, _ := nameAddr(m.to)
	if name, err := url.PathUnescape(uriUser(aor)); err != nil || name != user {
		s.log.Info("REGISTER refused", "user", user, "to", headerText(clip(aor)), "peer", m.flow.peer)
		return answer{status: 403, reason: "To Is Another User"}
	}
	contacts, all, a := s.auth.contacts(m)
	if a.status != 200 {
		return a
	}
	now := time.Now()
	s.bindings.mu.Lock()
	defer s.bindings.mu.Unlock()
	if a = s.bindings.update(s.auth, user, m, contacts, all, now); a.status == 200 {
		a.headers = s.bindings.list(user, now) + "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n" + s.agentLine()
	}
	return a
}

// contacts reads what a REGISTER asks for; all: that every binding be removed.
func (a *authority) contacts(m *message) (contacts []contact, all bool, refused answer) {
	bad := func(field, value string) ([]contact, bool, answer) {
		return nil, false, answer{status: 400, reason: headerText("Bad " + field + " " + clip(value))}
	}
	// What is not there or cannot be read is as good as 3600 (RFC 3261 §10.2.1.1).
	interval := func(value string) time.Duration {
		if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32); err == nil {
			return time.Duration(n) * time.Second
		}
		return max(time.Hour, a.MinExpires)
	}
	list := m.list("contact")
	expires := m.header("expires")
	if slices.Contains(list, "*") {
		if len(list) > 1 || strings.TrimSpace(expires) == "" || interval(expires) != 0 {
			return bad("Contact", "*: alone, with Expires: 0")
		}
		return nil, true, answer{status: 200}
	}
	for _, c := range list {
		uri, params, ok := nameAddr(c)
		if _, _, sip := uriHostPort(uri); !ok || !sip || len(c) > maxContact || strings.ContainsAny(uri, "<> \t") || hasControl(c) || open(c) {
			return bad("Contact", c)
		}
		if q, there := param(params, "q"); there && !qvalue(q) {
			return bad("q of Contact", q)
		}
		d := interval(expires)
		if v, there := param(params, "expires"); there {
			d = interval(v)
		}
		if d > 0 && d < a.MinExpires {
			return nil, false, answer{status: 423, headers: "Min-Expires: " + seconds(a.MinExpires) + "\r\n"}
		}
		contacts = append(contacts, contact{strings.Clone(uri), without(params, "expires"), min(d, a.MaxExpires)})
	}
	return contacts, false, answer{status: 200}
}

// hasControl reports whether s would break the line of a header.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// open reports whether a quote or a bracket in s does not end: what is written
// behind it would be part of it.
func open(s string) bool { return index(s+"\x00", 0) < 0 }

// qvalue reports whether s is a preference from 0 to 1, with three decimals at
// most (RFC 3261 §25.1).
func qvalue(s string) bool {
	whole, decimals, _ := strings.Cut(s, ".")
	return (whole == "0" && strings.Trim(decimals, "0123456789") == "" || whole == "1" && strings.Trim(decimals, "0") == "") && len(decimals) <= 3
}

// without returns a list of parameters without one of them.
func without(params, name string) string {
	var b strings.Builder
	for p := range parameters(params) {
		if k, _, _ := strings.Cut(p, "="); !strings.EqualFold(strings.TrimSpace(k), name) && strings.TrimSpace(p) != "" {
			b.WriteString(";" + strings.TrimSpace(p))
		}
	}
	return b.String()
}

// update performs a REGISTER, as a whole or not at all (RFC 3261 §10.3 step 7).
// r.mu is held.
func (r *registrar) update(a *authority, user string, m *message, contacts []contact, all bool, now time.Time) answer {
	have := r.users[user]
	late := func(b *binding) bool { return b.callID == m.callID && m.cseq <= b.cseq }
	if all {
		if slices.ContainsFunc(have, late) {
			return answer{status: 500, reason: "CSeq Out of Order"}
		}
		for _, b := range slices.Clone(have) {
			r.remove(user, b)
		}
		return answer{status: 200}
	}
	// What there is for each contact, and how many there will be.
	olds, count := make([]*binding, len(contacts)), len(have)
	for i, c := range contacts {
		for j := range i {
			if sameURI(contacts[j].uri, c.uri) {
				return answer{status: 400, reason: "Bad Contact: twice"}
			}
		}
		if at := slices.IndexFunc(have, func(b *binding) bool { return sameURI(b.uri, c.uri) }); at >= 0 {
			olds[i] = have[at]
		}
		switch {
		case olds[i] != nil && late(olds[i]):
			return answer{status: 500, reason: "CSeq Out of Order"}
		case olds[i] == nil && c.interval > 0:
			count++
		case olds[i] != nil && c.interval == 0:
			count--
		}
	}
	switch {
	case r.closed:
		return answer{status: 503, headers: "Retry-After: 10\r\n"}
	case count > len(have) && count > a.MaxContacts:
		return answer{status: 403, reason: "Too Many Contacts"}
	case count > len(have) && r.total+count-len(have) > a.MaxBindings:
		return answer{status: 503, headers: "Retry-After: 60\r\n"}
	}
	for i, c := range contacts {
		if olds[i] != nil {
			r.remove(user, olds[i])
		}
		if c.interval > 0 {
			r.add(user, &binding{uri: c.uri, params: c.params, callID: strings.Clone(m.callID), cseq: m.cseq, expires: now.Add(c.interval), conn: m.flow.conn}, c.interval)
		}
	}
	return answer{status: 200}
}

// add enters a binding. r.mu is held.
func (r *registrar) add(user string, b *binding, interval time.Duration) {
	if r.users == nil {
		r.users = map[string][]*binding{}
	}
	if b.conn != nil {
		b.conn.users.Add(1)
	}
	r.users[user] = append(r.users[user], b)
	r.total++
	b.timer = time.AfterFunc(interval, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.remove(user, b)
	})
}

// remove takes a binding out, if it is still there. r.mu is held.
func (r *registrar) remove(user string, b *binding) {
	list := r.users[user]
	i := slices.Index(list, b)
	if i < 0 {
		return
	}
	b.timer.Stop()
	if b.conn != nil {
		b.conn.users.Add(-1)
	}
	r.total--
	if list = slices.Delete(list, i, i+1); len(list) > 0 {
		r.users[user] = list
		return
	}
	delete(r.users, user)
}

// list writes the bindings of a user as Contact header lines, with what is left of
// each (RFC 3261 §10.3 step 8). r.mu is held.
func (r *registrar) list(user string, now time.Time) string {
	var b strings.Builder
	for _, x := range r.users[user] {
		b.WriteString("Contact: <" + x.uri + ">" + x.params + ";expires=" + seconds(x.expires.Sub(now)) + "\r\n")
	}
	return b.String()
}

func (r *registrar) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// close forgets all bindings.
func (r *registrar) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for user, list := range r.users {
		for _, b := range slices.Clone(list) {
			r.remove(user, b)
		}
	}
}

// sameURI compares SIP URIs (RFC 3261 §19.1.4). The user part is a matter of
// letter; of the parameters those count that both have, and the five that may not
// be in one alone.
func sameURI(a, b string) bool {
	cut := func(uri string) (scheme, user, host string, port int, params string) {
		host, port, _ = uriHostPort(uri)
		scheme, uri, _ = strings.Cut(uri, ":")
		user, rest, ok := strings.Cut(uri, "@")
		if !ok {
			user, rest = "", uri
		}
		_, params, _ = strings.Cut(rest, ";")
		return scheme, user, host, port, params
	}
	schemeA, userA, hostA, portA, paramsA := cut(a)
	schemeB, userB, hostB, portB, paramsB := cut(b)
	fit := func(a, b string) bool {
		for p := range strings.SplitSeq(a, ";") {
			name, value, _ := strings.Cut(p, "=")
			other, there := param(b, name)
			if there && !strings.EqualFold(value, other) || !there && slices.Contains(decisive, strings.ToLower(name)) {
				return false
			}
		}
		return true
	}
	return strings.EqualFold(schemeA, schemeB) && userA == userB && strings.EqualFold(hostA, hostB) && portA == portB &&
		fit(paramsA, paramsB) && fit(paramsB, paramsA)
}

// decisive are the parameters that make a URI another where one has them and one
// has not.
var decisive = []string{"transport", "user", "ttl", "method", "maddr"}
