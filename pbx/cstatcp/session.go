package cstatcp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"rccgw/csta"
)

// An application session (ECMA-354): some servers want one around the CSTA
// messages, with who we are and which edition we speak.
const (
	sessionNamespace = "http://www.ecma-international.org/standards/ecma-354/appl_session"
	cstaNamespace    = "http://www.ecma-international.org/standards/ecma-323/csta/"
	loginNamespace   = "http://www.avaya.com/csta" // of the element that carries user and secret
	terminated       = "ApplicationSessionTerminated"
)

// A session is an application session on a connection.
type session struct {
	conn     *conn
	id       string
	duration time.Duration // of it, unless it is renewed; 0: for ever
}

// start opens the session, and returns when the server has accepted it.
func (c config) start(ctx context.Context, to *conn) (*session, error) {
	doc, root := message("StartApplicationSession")
	info := root.CreateElement("applicationInfo")
	info.CreateElement("applicationID").SetText(c.applicationID)
	if c.user != "" {
		login := info.CreateElement("applicationSpecificInfo").CreateElement("login:SessionLoginInfo")
		login.CreateAttr("xmlns:login", loginNamespace)
		login.CreateAttr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
		login.CreateAttr("xsi:type", "login:SessionLoginInfo")
		login.CreateElement("login:userName").SetText(c.user)
		login.CreateElement("login:password").SetText(c.secret)
		login.CreateElement("login:sessionCleanupDelay").SetText("5") // seconds; a new connection asks for everything anew
	}
	root.CreateElement("requestedProtocolVersions").CreateElement("protocolVersion").SetText(c.protocol)
	root.CreateElement("requestedSessionDuration").SetText(seconds(c.duration))
	s := &session{conn: to}
	answer, err := s.ask(ctx, doc)
	if err != nil {
		return nil, err
	}
	if s.id = text(answer, "sessionID"); s.id == "" {
		return nil, errors.New("StartApplicationSession was answered without a sessionID")
	}
	return s, s.last(answer)
}

// renewal returns a channel that says when half the time has passed: as much is
// left then for the renewal. There is none for no session, or one without end.
func (s *session) renewal() <-chan time.Time {
	if s == nil || s.duration == 0 {
		return nil
	}
	return time.After(s.duration / 2)
}

// renew has the session last another while.
func (s *session) renew(ctx context.Context, duration time.Duration) error {
	doc, root := message("ResetApplicationSessionTimer")
	root.CreateElement("sessionID").SetText(s.id)
	root.CreateElement("requestedSessionDuration").SetText(seconds(duration))
	answer, err := s.ask(ctx, doc)
	if err != nil {
		return err
	}
	return s.last(answer)
}

// stop ends the session.
func (s *session) stop(ctx context.Context) error {
	doc, root := message("StopApplicationSession")
	root.CreateElement("sessionID").SetText(s.id)
	root.CreateElement("sessionEndReason").CreateElement("definedEndReason").SetText("normal")
	_, err := s.ask(ctx, doc)
	return err
}

// last takes in how long the session lasts. What the server does not say is
// taken for ever.
func (s *session) last(answer *etree.Element) error {
	s.duration = 0
	value := text(answer, "actualSessionDuration")
	if value == "" {
		return nil
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return fmt.Errorf("%s: actualSessionDuration %q is not a number of seconds", answer.Tag, value)
	}
	s.duration = time.Duration(n) * time.Second
	return nil
}

// ask sends a request and returns its positive answer.
func (s *session) ask(ctx context.Context, doc *etree.Document) (*etree.Element, error) {
	name := doc.Root().Tag
	body, err := doc.WriteToBytes()
	if err != nil {
		return nil, err
	}
	raw, err := s.conn.ask(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	answer, err := parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: answered by %w", name, err)
	case answer.Tag == name+"PosResponse":
		return answer, nil
	case answer.Tag == name+"NegResponse", answer.Tag == "CSTAErrorCode":
		return nil, fmt.Errorf("%s was refused: %s", name, leaves(answer))
	}
	return nil, fmt.Errorf("%s was answered by %.64q", name, answer.Tag)
}

// message returns an empty message of the session.
func message(name string) (*etree.Document, *etree.Element) {
	doc := etree.NewDocument()
	doc.WriteSettings.CanonicalText = true
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	root := doc.CreateElement(name)
	root.CreateAttr("xmlns", sessionNamespace)
	return doc, root
}

// parse reads a message of the session. Names count, prefixes and namespaces do
// not: OpenScape Voice declares the namespace for a prefix that it then does not
// use.
func parse(body []byte) (*etree.Element, error) {
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = csta.MaxDepth
	if err := doc.ReadFromBytes(body); err != nil {
		return nil, fmt.Errorf("what is not XML: %w", err)
	}
	if doc.Root() == nil {
		return nil, errors.New("no element")
	}
	return doc.Root(), nil
}

func text(el *etree.Element, name string) string {
	if c := el.SelectElement(name); c != nil {
		return strings.TrimSpace(c.Text())
	}
	return ""
}

// leaves returns the texts inside el: the reason is the only one, at a depth
// that depends on whether it is of the standard.
func leaves(el *etree.Element) string {
	var words []string
	for _, c := range el.FindElements(".//*") {
		if word := strings.TrimSpace(c.Text()); word != "" {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return "no reason is given"
	}
	return fmt.Sprintf("%.200q", strings.Join(words, " "))
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
