package cstasip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Methods.
const (
	invite  = "INVITE"
	ack     = "ACK"
	bye     = "BYE"
	cancel  = "CANCEL"
	info    = "INFO"
	update  = "UPDATE"
	options = "OPTIONS"
)

const (
	allow       = "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, OPTIONS"
	contentType = "application/csta+xml"

	maxMessage = 192 << 10 // octets of a message: more than those of a body that is answered 413

	// bodyHeaders accompany every CSTA body, both ways (TR/87 §7).
	bodyHeaders = "Content-Type: " + contentType + "\r\nContent-Disposition: signal;handling=required\r\n"
)

// newParser returns sipgo's parser, told to leave every header but
// Content-Length as it is written: this package echoes headers byte for byte and
// reads few of them, and the parser costs a quarter less so.
func newParser() *sip.Parser {
	all := sip.DefaultHeadersParser()
	p := sip.NewParser(sip.WithHeadersParsers(map[string]sip.HeaderParser{
		"content-length": all["content-length"],
		"l":              all["l"],
	}))
	p.MaxMessageLength = maxMessage
	return p
}

// A message is a received SIP message. Its strings are those of the headers as
// they were written.
type message struct {
	flow    flow // where it came from
	headers []sip.Header
	body    []byte

	method string   // of a response: that of its CSeq
	uri    *sip.Uri // of a request
	status int      // 0: a request
	reason string

	vias           []string // Via header values, topmost first; one may hold several elements
	via            via      // the topmost element
	from, to       string
	fromTag, toTag string
	callID         string
	cseq           uint32
	badCSeq        string // as written, where it cannot be read
}

// A flow is a way to a peer, or the way that a message came.
type flow struct {
	network string
	peer    netip.AddrPort
	sock    *socket // UDP: the socket it leaves by
	conn    *conn   // the connection that the peer opened; nil: UDP, or one that sipgo has or opens
}

func (f flow) reliable() bool { return f.network != udpNet }

// alive reports whether the flow leads somewhere, as far as is known.
func (f flow) alive() bool {
	return f.peer.IsValid() && (f.conn == nil || !f.conn.closed.Load())
}

// headerName returns the long name, in lower case, of the headers that every
// message is searched for.
func headerName(name string) string {
	switch name {
	case "Via", "v":
		return "via"
	case "From", "f":
		return "from"
	case "To", "t":
		return "to"
	case "Call-ID", "i":
		return "call-id"
	case "CSeq":
		return "cseq"
	case "Content-Length", "l":
		return "content-length"
	case "Max-Forwards", "User-Agent", "Content-Disposition", "Content-Type":
		return ""
	}
	switch lower := strings.ToLower(name); lower {
	case "v":
		return "via"
	case "f":
		return "from"
	case "t":
		return "to"
	case "i":
		return "call-id"
	case "l":
		return "content-length"
	default:
		return lower
	}
}

// compact are the short forms of header names (RFC 3261 §7.3.3, RFC 4028 §4).
var compact = map[string]string{
	"contact": "m", "content-type": "c", "content-encoding": "e", "supported": "k", "session-expires": "x",
}

// header returns the value of the first header with the name, which is given in
// lower case and in full; empty if there is none.
func (m *message) header(name string) string {
	short := compact[name]
	for _, h := range m.headers {
		if n := h.Name(); len(n) == 1 && strings.EqualFold(n, short) || strings.EqualFold(n, name) {
			return h.Value()
		}
	}
	return ""
}

// list returns the elements of all headers with the name, in order.
func (m *message) list(name string) []string {
	var list []string
	short := compact[name]
	for _, h := range m.headers {
		if n := h.Name(); len(n) == 1 && strings.EqualFold(n, short) || strings.EqualFold(n, name) {
			list = append(list, split(h.Value())...)
		}
	}
	return list
}

// lists reports whether one of the headers with the name lists the token.
func (m *message) lists(name, token string) bool {
	for _, t := range m.list(name) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}

// newMessage finds what a dialog needs. With an error the message is returned
// too where it can be answered: it has a Via that names a host.
func newMessage(from sip.Message, f flow) (*message, error) {
	m := &message{flow: f, body: from.Body()}
	version := ""
	switch x := from.(type) {
	case *sip.Request:
		m.headers, m.method, m.uri, version = x.Headers(), string(x.Method), &x.Recipient, x.SipVersion
	case *sip.Response:
		m.headers, m.status, m.reason, version = x.Headers(), x.StatusCode, x.Reason, x.SipVersion
		if m.status < 100 || m.status > 699 {
			return nil, fmt.Errorf("status %d", m.status)
		}
	default:
		return nil, errors.New("neither request nor response")
	}
	var cseq, twice string
	lengths := 0
	once := func(field *string, h sip.Header) {
		if *field != "" {
			twice = h.Name()
		}
		*field = h.Value()
	}
	for _, h := range m.headers {
		switch headerName(h.Name()) {
		case "via":
			m.vias = append(m.vias, h.Value())
		case "from":
			once(&m.from, h)
		case "to":
			once(&m.to, h)
		case "call-id":
			once(&m.callID, h)
		case "cseq":
			once(&cseq, h)
		case "content-length":
			if lengths++; lengths > 1 {
				twice = h.Name()
			}
		}
	}
	if len(m.vias) == 0 {
		return nil, errors.New("no Via")
	}
	top := m.vias[0]
	if i := index(top, ','); i >= 0 {
		top = top[:i]
	}
	ok := false
	if m.via, ok = parseVia(top); !ok {
		return nil, errors.New("malformed Via")
	}
	method := ""
	if m.cseq, method, ok = parseCSeq(cseq); !ok {
		m.badCSeq = cseq
	}
	switch {
	case m.from == "" || m.to == "" || m.callID == "" || cseq == "":
		return m, errors.New("no From, To, Call-ID or CSeq")
	case !ok:
		return m, errors.New("malformed CSeq")
	case m.status != 0:
		m.method = method
	case !strings.EqualFold(method, m.method):
		return m, fmt.Errorf("method %s with CSeq method %s", clip(m.method), clip(method))
	}
	_, fromParams, ok := nameAddr(m.from)
	if !ok {
		return m, errors.New("malformed From")
	}
	_, toParams, ok := nameAddr(m.to)
	if !ok {
		return m, errors.New("malformed To")
	}
	m.fromTag, _ = param(fromParams, "tag")
	m.toTag, _ = param(toParams, "tag")
	switch {
	case twice != "":
		return m, fmt.Errorf("more than one %s", twice)
	case version != "SIP/2.0":
		return m, errVersion
	case m.uri != nil && sipScheme(m.uri.Scheme) && (m.uri.Host == "" || len(m.uri.Headers) > 0):
		return m, errors.New("malformed Request-URI") // headers have no place in it (RFC 3261 §19.1.1)
	}
	return m, nil
}

var errVersion = errors.New("not SIP/2.0")

// clip shortens a foreign value for a log or an error text.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// direct reports whether the message came without a proxy in between.
func (m *message) direct() bool {
	return len(m.vias) == 1 && index(m.vias[0], ',') < 0
}

// replyFlow is where the answer to a request goes (RFC 3261 §18.2.2, RFC 3581
// §4): over the connection that it came by; on UDP to the address that it came
// from, at the port of its Via unless rport asks for the port that it came from.
// maddr is not followed: it lets a request direct our answers at others.
func (m *message) replyFlow() flow {
	f := m.flow
	if f.reliable() || m.via.rport {
		return f
	}
	port := m.via.port
	if port == 0 {
		port = 5060
	}
	f.peer = netip.AddrPortFrom(f.peer.Addr(), uint16(port))
	return f
}

// An answer is a response without what it takes over from its request.
type answer struct {
	status  int
	reason  string // empty: the standard's
	headers string // whole header lines
	body    []byte // CSTA; its headers are added
}

func (a answer) String() string { return strconv.Itoa(a.status) }

// response returns the response to m (RFC 3261 §8.2.6). The tag becomes the To
// tag where the request has none.
func (m *message) response(a answer, tag string) *sip.Response {
	reason := a.reason
	if reason == "" {
		reason = reasons[a.status]
	}
	res := sip.NewResponse(a.status, reason)
	for i, v := range m.vias {
		if i == 0 {
			v = m.topVia(v)
		}
		res.AppendHeader(sip.NewHeader("Via", v))
	}
	to := m.to
	if m.toTag == "" && tag != "" {
		to += ";tag=" + tag
	}
	for _, h := range [...]struct{ name, value string }{{"From", m.from}, {"To", to}, {"Call-ID", m.callID}, {"CSeq", m.badCSeq}} {
		if h.value != "" { // what is malformed may lack it
			res.AppendHeader(sip.NewHeader(h.name, h.value))
		}
	}
	if m.badCSeq == "" {
		res.AppendHeader(&sip.CSeqHeader{SeqNo: m.cseq, MethodName: sip.RequestMethod(m.method)})
	}
	appendLines(res, a.headers)
	finish(res, a.body)
	f := m.replyFlow()
	res.SetTransport(sip.NetworkToUpper(f.network))
	res.SetDestination(f.peer.String())
	return res
}

// appendLines appends whole header lines to a message.
func appendLines(to sip.Message, lines string) {
	for line := range strings.SplitSeq(lines, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			to.AppendHeader(sip.NewHeader(name, value))
		}
	}
}

// finish gives a message its CSTA body, and Content-Length.
func finish(m sip.Message, body []byte) {
	if len(body) > 0 {
		appendLines(m, bodyHeaders)
	}
	m.SetBody(body)
}

// topVia returns the topmost Via header with what the receiver adds to its
// first element: received and rport (RFC 3261 §18.2.1, RFC 3581 §4).
func (m *message) topVia(v string) string {
	source := m.flow.peer
	if !source.IsValid() || !m.via.rport && m.via.host == source.Addr().String() {
		return v
	}
	top, rest := v, ""
	if i := index(v, ','); i >= 0 {
		top, rest = v[:i], v[i:]
	}
	if m.via.rport {
		parts := strings.Split(top, ";")
		for i, p := range parts {
			name, _, _ := strings.Cut(p, "=")
			if i > 0 && strings.EqualFold(strings.TrimSpace(name), "rport") {
				parts[i] = "rport=" + strconv.Itoa(int(source.Port()))
			}
		}
		top = strings.Join(parts, ";")
	}
	return top + ";received=" + source.Addr().String() + rest
}

var reasons = map[int]string{
	100: "Trying", 200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 401: "Unauthorized", 405: "Method Not Allowed", 423: "Interval Too Brief",
	408: "Request Timeout", 413: "Request Entity Too Large", 415: "Unsupported Media Type",
	416: "Unsupported URI Scheme", 420: "Bad Extension", 422: "Session Interval Too Small",
	480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 486: "Busy Here",
	487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
	500: "Server Internal Error", 503: "Service Unavailable", 504: "Server Time-out",
	505: "Version Not Supported", 513: "Message Too Large",
}
