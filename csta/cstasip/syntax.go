package cstasip

import (
	"bytes"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// What this package reads of SIP's grammar itself (RFC 3261 §25.1). sipgo's
// parser splits a message into start line, headers and body; the values of the
// headers that a dialog needs are cut here, so that what is echoed is echoed
// byte for byte: epid and ms- parameters, unusual quoting and all.

// index returns the place of the first c in s that is neither within a quoted
// string nor within angle brackets, or -1.
func index(s string, c byte) int {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case quoted:
			if b == '\\' {
				i++
			} else if b == '"' {
				quoted = false
			}
		case b == c && !angle:
			return i
		case b == '"':
			quoted = true
		case b == '<':
			angle = true
		case b == '>':
			angle = false
		}
	}
	return -1
}

// elements returns what stands between the commas of a header value, trimmed.
func elements(s string) []string {
	var list []string
	for {
		i := index(s, ',')
		if i < 0 {
			return append(list, strings.TrimSpace(s))
		}
		list = append(list, strings.TrimSpace(s[:i]))
		s = s[i+1:]
	}
}

// split returns the elements of a comma-separated header value; empty ones,
// which RFC 3261 §7.3.1 does not have, are passed over.
func split(s string) []string {
	return slices.DeleteFunc(elements(s), func(e string) bool { return e == "" })
}

// nameAddr cuts a From, To, Contact, Route or Record-Route value into the URI
// and the parameters that follow it (RFC 3261 §20.10): without angle brackets
// parameters belong to the header, not to the URI.
func nameAddr(s string) (uri, params string, ok bool) {
	rest := s
	if i := index(s, '<'); i >= 0 {
		j := strings.IndexByte(s[i:], '>')
		if j < 0 {
			return "", "", false
		}
		uri, rest = s[i+1:i+j], s[i+j+1:]
	} else {
		uri, rest = s, ""
		if i := strings.IndexByte(s, ';'); i >= 0 {
			uri, rest = s[:i], s[i:]
		}
		if strings.ContainsAny(uri, "\"<>") {
			return "", "", false // a quoted string that does not end
		}
	}
	uri = strings.TrimSpace(uri)
	rest = strings.TrimSpace(rest)
	if uri == "" || rest != "" && rest[0] != ';' {
		return "", "", false
	}
	return uri, strings.TrimPrefix(rest, ";"), true
}

// param returns the value of a parameter in a semicolon-separated list. Names
// are compared without regard to case (RFC 3261 §7.3.1).
func param(params, name string) (value string, ok bool) {
	for p := range parameters(params) {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// parameters are those of a semicolon-separated list, as they are written.
func parameters(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for list != "" {
			p, i := list, index(list, ';')
			if i >= 0 {
				p, list = list[:i], list[i+1:]
			} else {
				list = ""
			}
			if !yield(p) {
				return
			}
		}
	}
}

// uriParam returns the value of a parameter of a SIP URI.
func uriParam(uri, name string) (value string, ok bool) {
	_, rest, _ := strings.Cut(uri, "@")
	if rest == "" {
		rest = uri
	}
	rest, _, _ = strings.Cut(rest, "?")
	_, params, _ := strings.Cut(rest, ";")
	return param(params, name)
}

// sipScheme reports whether a scheme, in lower case, is one whose URIs name a
// host.
func sipScheme(scheme string) bool { return scheme == "sip" || scheme == "sips" }

// uriUser returns the user part of a SIP URI as written, or the number of a
// tel URI with its parameters.
func uriUser(uri string) string {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	if strings.EqualFold(scheme, "tel") {
		return rest
	}
	user, _, ok := strings.Cut(rest, "@")
	if !ok {
		return ""
	}
	user, _, _ = strings.Cut(user, ":")
	return user
}

// uriHostPort returns host, without brackets, and port of a SIP URI; 0 if it
// names no port.
func uriHostPort(uri string) (host string, port int, ok bool) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips") {
		return "", 0, false
	}
	if i := strings.IndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	if i := strings.IndexAny(rest, ";?"); i >= 0 {
		rest = rest[:i]
	}
	return hostPort(rest)
}

func hostPort(s string) (host string, port int, ok bool) {
	s = strings.TrimSpace(s)
	var rest string
	if strings.HasPrefix(s, "[") {
		if host, rest, ok = strings.Cut(s[1:], "]"); !ok {
			return "", 0, false
		}
		rest = strings.TrimPrefix(strings.TrimSpace(rest), ":")
	} else {
		host, rest, _ = strings.Cut(s, ":")
	}
	host, rest = strings.TrimSpace(host), strings.TrimSpace(rest)
	if host == "" {
		return "", 0, false
	}
	if rest == "" {
		return host, 0, true
	}
	n, err := strconv.ParseUint(rest, 10, 16)
	if err != nil {
		return "", 0, false
	}
	return host, int(n), true
}

// parseCSeq cuts a CSeq value (RFC 3261 §20.16).
func parseCSeq(s string) (n uint32, method string, ok bool) {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return 0, "", false
	}
	number, err := strconv.ParseUint(fields[0], 10, 31)
	return uint32(number), fields[1], err == nil
}

// A via is what is needed of one Via element (RFC 3261 §20.42).
type via struct {
	transport string // as written: clients of the field write it in lower case
	host      string
	port      int    // 0: none given
	branch    string // empty where the sender is of RFC 2543, or SIPE directly connected
	rport     bool   // an empty rport asks for the source port (RFC 3581)
}

func parseVia(s string) (v via, ok bool) {
	head, params := s, ""
	if i := strings.IndexByte(s, ';'); i >= 0 {
		head, params = s[:i], s[i+1:]
	}
	name, rest, ok := strings.Cut(head, "/")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "SIP") {
		return via{}, false
	}
	_, rest, ok = strings.Cut(rest, "/")
	if !ok {
		return via{}, false
	}
	rest = strings.TrimSpace(rest)
	i := strings.IndexAny(rest, " \t")
	if i < 0 {
		return via{}, false
	}
	v.transport = rest[:i]
	if v.host, v.port, ok = hostPort(rest[i:]); !ok {
		return via{}, false
	}
	v.branch, _ = param(params, "branch")
	if port, there := param(params, "rport"); there && port == "" {
		v.rport = true
	}
	return v, true
}

// mediaType returns the media type of a Content-Type value in lower case, and
// its parameters.
func mediaType(s string) (kind, params string) {
	kind, params, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(kind)), params
}

// unquote takes the quotes off a parameter's value.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// A startLine makes the first lines of messages such that sipgo's parser takes
// them. It gives a message up, and with it the stream, over a request line that
// is not three words, a URI it cannot read, a scheme with anything but letters in
// it, and a status beyond 65,535. But where the message ends can be told, and a
// request has an answer: 400, and 416 for a scheme that is legal.
type startLine struct {
	good []byte // the last request line that needed nothing: most are the same
}

// These stand in for Request-URIs that sipgo does not read: one that is refused
// for having no host, and one of a scheme that nobody serves.
const (
	malformedURI = "sip:?"
	foreignURI   = "x:x"
)

// fix returns the line, or what stands in for it, in place.
func (l *startLine) fix(line []byte) []byte {
	if bytes.Equal(line, l.good) {
		return line
	}
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return line
	}
	if bytes.HasPrefix(method, []byte("SIP/")) {
		if status, _, _ := bytes.Cut(rest, []byte(" ")); len(status) > 3 {
			return append(line[:len(method)], " 0 \r\n"...)
		}
		return line
	}
	stand := malformedURI
	if uri, version, _ := bytes.Cut(bytes.TrimRight(rest, "\r\n"), []byte(" ")); bytes.HasPrefix(version, []byte("SIP/")) && bytes.IndexByte(version, ' ') < 0 {
		var u sip.Uri
		if sip.ParseUri(string(uri), &u) == nil && !u.Wildcard {
			l.good = append(l.good[:0], line...)
			return line
		}
		if scheme, _, ok := bytes.Cut(uri, []byte(":")); ok && legalScheme(scheme) && !sipScheme(strings.ToLower(string(scheme))) {
			stand = foreignURI
		}
	}
	if stand += " SIP/2.0\r\n"; len(stand) > len(rest) {
		return line
	}
	return append(line[:len(method)+1], stand...)
}

// legalScheme reports whether a URI's scheme is one by RFC 3986 §3.1.
func legalScheme(s []byte) bool {
	for i, c := range s {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return len(s) > 0
}

// hasToken reports whether a comma-separated list holds the token.
func hasToken(list, token string) bool {
	for _, t := range strings.Split(list, ",") {
		if strings.EqualFold(strings.TrimSpace(t), token) {
			return true
		}
	}
	return false
}
