package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/beevik/etree"
)

// What clients of the field do on the wire that cstasip's own client does not is
// done for it by a relay between client and gateway. A quirk rewrites one
// message at a time.

// A sipText is one SIP message as text.
type sipText struct {
	start   string
	headers []string
	body    string
}

func (m *sipText) request() bool { return !strings.HasPrefix(m.start, "SIP/2.0 ") }

func (m *sipText) method() string {
	_, method, _ := strings.Cut(m.get("CSeq"), " ")
	return method
}

func (m *sipText) cseq() int {
	text, _, _ := strings.Cut(m.get("CSeq"), " ")
	n, _ := strconv.Atoi(text)
	return n
}

// inDialog reports whether a request has a To tag.
func (m *sipText) inDialog() bool { return strings.Contains(m.get("To"), ";tag=") }

// find returns the index of the first header of the name, -1 if there is none.
func (m *sipText) find(name string) int {
	return slices.IndexFunc(m.headers, func(h string) bool {
		n, _, _ := strings.Cut(h, ":")
		return strings.EqualFold(strings.TrimSpace(n), name)
	})
}

func (m *sipText) get(name string) string {
	i := m.find(name)
	if i < 0 {
		return ""
	}
	_, v, _ := strings.Cut(m.headers[i], ":")
	return strings.TrimSpace(v)
}

func (m *sipText) set(name, value string) {
	if i := m.find(name); i >= 0 {
		m.headers[i] = name + ": " + value
		return
	}
	m.headers = append(m.headers, name+": "+value)
}

func readSIP(r *bufio.Reader) (*sipText, error) {
	m := &sipText{}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" && m.start == "": // a keep-alive
		case line == "":
			n, err := strconv.Atoi(m.get("Content-Length"))
			if err != nil {
				return nil, fmt.Errorf("no length: %q", m.headers)
			}
			body := make([]byte, n)
			_, err = io.ReadFull(r, body)
			m.body = string(body)
			return m, err
		case m.start == "":
			m.start = line
		default:
			m.headers = append(m.headers, line)
		}
	}
}

func (m *sipText) String() string {
	m.set("Content-Length", strconv.Itoa(len(m.body)))
	return m.start + "\r\n" + strings.Join(m.headers, "\r\n") + "\r\n\r\n" + m.body
}

// A quirk rewrites what the client sends and what it is sent: it returns what
// goes on instead of the message.
type quirk interface {
	sent(m *sipText) []*sipText
	received(m *sipText) []*sipText
}

func just(m *sipText) []*sipText { return []*sipText{m} }

// quirky returns where a client connects to be such a one: a relay to the
// gateway, over network, that serves one client.
func (g *gatewayUnderTest) quirky(network string, with func() []quirk) string {
	g.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	dial := func() (net.Conn, error) { return net.Dial("tcp", g.sip[network]) }
	if network == "tls" {
		cert, err := tls.X509KeyPair(g.cert, g.key)
		if err != nil {
			g.t.Fatal(err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
		dial = func() (net.Conn, error) { return tls.Dial("tcp", g.sip[network], g.tls) }
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	g.t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			gateway, err := dial()
			if err != nil {
				_ = client.Close()
				continue
			}
			mu.Lock()
			open = append(open, client, gateway)
			mu.Unlock()
			out := with()
			back := slices.Clone(out) // what was done last is undone first
			slices.Reverse(back)
			r := &relay{}
			running.Go(func() { r.pass(g.t, client, gateway, out, quirk.sent) })
			running.Go(func() { r.pass(g.t, gateway, client, back, quirk.received) })
		}
	})
	return network + "://" + l.Addr().String()
}

type relay struct{ mu sync.Mutex }

func (r *relay) pass(t *testing.T, from, to net.Conn, quirks []quirk, rewrite func(quirk, *sipText) []*sipText) {
	defer from.Close()
	defer to.Close()
	in := bufio.NewReader(from)
	for {
		m, err := readSIP(in)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
				t.Logf("relay: %v", err)
			}
			return
		}
		list := just(m)
		r.mu.Lock()
		for _, q := range quirks {
			var next []*sipText
			for _, m := range list {
				next = append(next, rewrite(q, m)...)
			}
			list = next
		}
		r.mu.Unlock()
		for _, m := range list {
			if _, err := io.WriteString(to, m.String()); err != nil {
				return
			}
		}
	}
}

// oldVia is a Via without branch and with the transport in lower case, as SIPE
// sends it (see the recording in csta/cstasip/testdata): responses are matched
// by RFC 2543's rules.
type oldVia struct{ branches map[string]string }

func (q *oldVia) sent(m *sipText) []*sipText {
	if !m.request() {
		return just(m)
	}
	via := m.get("Via")
	head, branch, _ := strings.Cut(via, ";branch=")
	branch, rest, more := strings.Cut(branch, ";")
	if more {
		head += ";" + rest
	}
	q.branches[m.get("Call-ID")+m.get("CSeq")] = branch
	protocol, by, _ := strings.Cut(head, " ")
	m.set("Via", strings.ReplaceAll(strings.ToLower(protocol), "sip/2.0", "SIP/2.0")+" "+by)
	return just(m)
}

func (q *oldVia) received(m *sipText) []*sipText {
	if m.request() {
		return just(m)
	}
	key := m.get("Call-ID") + m.get("CSeq")
	if branch, ok := q.branches[key]; ok {
		m.set("Via", strings.Replace(strings.Replace(m.get("Via"), "SIP/2.0/tls", "SIP/2.0/TLS", 1), "SIP/2.0/tcp", "SIP/2.0/TCP", 1)+";branch="+branch)
	}
	return just(m)
}

// restarts is a CSeq that begins again after each re-INVITE: its ACK has 1, the
// next INFO 2.
type restarts struct {
	next int            // to be given out; zero before the first re-INVITE
	was  map[string]int // what the client gave to the last of that CSeq
}

func (q *restarts) sent(m *sipText) []*sipText {
	if !m.request() {
		return just(m)
	}
	n := m.cseq()
	method := m.method()
	if method == "INVITE" && m.inDialog() {
		q.next = 1
		return just(m)
	}
	if q.next == 0 {
		return just(m)
	}
	if method == "ACK" {
		m.set("CSeq", "1 ACK")
		return just(m)
	}
	q.next++
	m.set("CSeq", fmt.Sprint(q.next, " ", method))
	q.was[m.get("CSeq")] = n
	return just(m)
}

func (q *restarts) received(m *sipText) []*sipText {
	if m.request() || q.next == 0 {
		return just(m)
	}
	if n, ok := q.was[m.get("CSeq")]; ok && m.method() != "INVITE" {
		m.set("CSeq", fmt.Sprint(n, " ", m.method()))
	}
	return just(m)
}

// neverAnswers drops the client's answers to what the gateway asks or tells.
type neverAnswers struct{}

func (neverAnswers) sent(m *sipText) []*sipText {
	if m.request() || m.method() != "INFO" {
		return just(m)
	}
	return nil
}

func (neverAnswers) received(m *sipText) []*sipText { return just(m) }

// lateACK is an ACK that arrives after the first INFO.
type lateACK struct{ held *sipText }

func (q *lateACK) sent(m *sipText) []*sipText {
	if m.request() && m.method() == "ACK" {
		q.held = m
		return nil
	}
	list := just(m)
	if q.held != nil && m.request() {
		list = append(list, q.held)
		q.held = nil
	}
	return list
}

func (q *lateACK) received(m *sipText) []*sipText { return just(m) }

// microsoft are the marks of Microsoft's clients: epid, maddr, GRUU and ms-
// parameters.
type microsoft struct{}

func (microsoft) sent(m *sipText) []*sipText {
	if m.request() {
		m.set("From", m.get("From")+";epid=9e33288b9e49")
	}
	if contact := m.get("Contact"); contact != "" {
		uri, rest, _ := strings.Cut(contact, ">")
		m.set("Contact", uri+";maddr=127.0.0.1;ms-opaque=d3470f2e1d>"+rest+";proxy=replace;+sip.instance=\"<urn:uuid:11111111-2222-3333-4444-555555555555>\"")
	}
	return just(m)
}

func (microsoft) received(m *sipText) []*sipText {
	if m.request() {
		return just(m)
	}
	m.set("From", strings.Replace(m.get("From"), ";epid=9e33288b9e49", "", 1))
	return just(m)
}

// otherXML is a body in reverse order, with a prefix, a BOM and an element that
// nobody knows.
type otherXML struct{}

func (otherXML) sent(m *sipText) []*sipText {
	if m.body == "" || !m.request() {
		return just(m)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromString(m.body); err != nil {
		return just(m)
	}
	root := doc.Root()
	if uri := root.SelectAttrValue("xmlns", ""); uri != "" {
		root.RemoveAttr("xmlns")
		root.CreateAttr("xmlns:csta", uri)
		qualify(root)
	}
	children := root.ChildElements()
	for _, c := range children {
		root.RemoveChild(c)
	}
	slices.Reverse(children)
	for _, c := range children {
		root.AddChild(c)
	}
	root.CreateElement("csta:futureUse").SetText("1")
	text, err := doc.WriteToString()
	if err != nil {
		return just(m)
	}
	m.body = "\ufeff" + text
	return just(m)
}

func (otherXML) received(m *sipText) []*sipText { return just(m) }

// qualify puts an element and those below it, as far as they have none of their
// own, into the namespace csta.
func qualify(el *etree.Element) {
	if el.Space != "" || el.SelectAttr("xmlns") != nil {
		return
	}
	el.Space = "csta"
	for _, c := range el.ChildElements() {
		qualify(c)
	}
}
