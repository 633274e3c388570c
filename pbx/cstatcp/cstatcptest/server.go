// Package cstatcptest is a CTI server for tests: CSTA XML over TCP (ECMA-323 Annex J.2) in front of any PBX driver,
// with application sessions (ECMA-354) where they are wanted. It shares no code with the driver that it is there to
// test, but the messages of package csta.
package cstatcptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// Config says what server it is.
type Config struct {
	Driver  pbx.Driver  // the PBX behind it; it is run by the server
	TLS     *tls.Config // nil: TCP
	Session *Session    // nil: none is wanted
	// Lacks are services that the server refuses and does not list.
	Lacks []csta.Message
}

// Session is the application session that clients must start.
type Session struct {
	ApplicationID, User, Secret string
	Duration                    time.Duration // it ends unless it is renewed
}

// A Server is a CTI server. Its methods may be called from any goroutine.
type Server struct {
	Config
	t        testing.TB
	listener net.Listener
	mux      csta.Mux
	ctx      context.Context
	running  sync.WaitGroup

	mu       sync.Mutex
	cut      bool
	conns    map[*conn]bool
	crossRef int
	asked    map[string]int // requests, by name
}

// Start returns a server that serves until the test is over.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if c.TLS != nil {
		listener = tls.NewListener(listener, c.TLS)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{Config: c, t: t, listener: listener, ctx: ctx, conns: map[*conn]bool{}, asked: map[string]int{}}
	c.Driver.Services(&s.mux)
	linked := make(chan struct{})
	var once sync.Once
	s.running.Go(func() {
		_ = c.Driver.Run(ctx, func(device string, msg csta.Message) {
			s.emit(device, msg)
			if device == "" {
				once.Do(func() { close(linked) })
			}
		})
	})
	<-linked
	s.running.Go(s.accept)
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		s.drop()
		s.running.Wait()
	})
	return s
}

// Address is the server's host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Cut ends all connections and has new ones fail, until Restore. The PBX goes on.
func (s *Server) Cut() {
	s.mu.Lock()
	s.cut = true
	s.mu.Unlock()
	s.drop()
}

// Restore has connections succeed again.
func (s *Server) Restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = false
}

func (s *Server) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.close()
	}
}

// Asked returns how many requests of the name came.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

// Monitors returns how many monitors the device has.
func (s *Server) Monitors(device string) int {
	n := 0
	s.each(device, func(*conn, string) { n++ })
	return n
}

// StopMonitors ends all monitors of the device, as a server may.
func (s *Server) StopMonitors(device string) {
	s.each(device, func(c *conn, id string) {
		delete(c.monitors, id)
		c.send(1234, &csta.MonitorStop{MonitorCrossRefID: id}, csta.DefaultEdition)
	})
}

// each calls f for every monitor of the device.
func (s *Server) each(device string, f func(c *conn, id string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		for id, d := range c.monitors {
			if d == device {
				f(c, id)
			}
		}
	}
}

// emit sends an event to who monitors the device.
func (s *Server) emit(device string, msg csta.Message) {
	ev, ok := msg.(csta.Event)
	if !ok {
		return
	}
	s.each(device, func(c *conn, id string) {
		copied := csta.Clone(ev)
		*copied.CrossRef() = id
		c.send(9999, copied, c.edition)
	})
}

func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := &conn{s: s, nc: nc, out: make(chan []byte, 10_000), done: make(chan struct{}), monitors: map[string]string{}, edition: csta.DefaultEdition}
		s.mu.Lock()
		if s.cut || s.ctx.Err() != nil {
			_ = nc.Close()
			s.mu.Unlock()
			continue
		}
		s.conns[c] = true
		s.mu.Unlock()
		s.running.Go(c.write)
		s.running.Go(c.read)
	}
}

// A conn is a client.
type conn struct {
	s       *Server
	nc      net.Conn
	out     chan []byte
	ending  sync.Once
	done    chan struct{}
	session *time.Timer // of the reading goroutine

	// guarded by Server.mu
	monitors map[string]string // device by cross reference
	edition  csta.Edition
}

func (c *conn) close() {
	c.ending.Do(func() {
		close(c.done)
		_ = c.nc.Close()
	})
}

func (c *conn) write() {
	defer c.close()
	for {
		select {
		case <-c.done:
			return
		case b := <-c.out:
			if _, err := c.nc.Write(b); err != nil {
				return
			}
		}
	}
}

// send queues a message. A client that does not read loses its connection.
func (c *conn) send(id int, m csta.Message, edition csta.Edition) {
	body, err := csta.Encode(m, edition)
	if err != nil {
		c.s.t.Errorf("the server cannot send %s: %v", csta.Name(m), err)
		return
	}
	c.queue(id, body)
}

func (c *conn) queue(id int, body []byte) {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	b = append(b, fmt.Sprintf("%04d", id)...)
	select {
	case c.out <- append(b, body...):
	default:
		c.close()
	}
}

func (c *conn) read() {
	defer func() {
		c.close()
		c.s.mu.Lock()
		delete(c.s.conns, c)
		c.s.mu.Unlock()
		if c.session != nil {
			c.session.Stop()
		}
	}()
	for {
		var header [8]byte
		if _, err := io.ReadFull(c.nc, header[:]); err != nil {
			return
		}
		size := binary.BigEndian.Uint32(header[:4])
		id, err := strconv.Atoi(string(header[4:]))
		if size < 8 || size > 0xffff || err != nil || id > 9998 {
			c.s.t.Errorf("the client's header is %x", header)
			return
		}
		body := make([]byte, size-8)
		if _, err := io.ReadFull(c.nc, body); err != nil {
			return
		}
		c.request(id, body)
	}
}

// request serves what came. Services are performed at once beside one another:
// answers leave in any order.
func (c *conn) request(id int, body []byte) {
	var root struct {
		XMLName xml.Name
		App     string `xml:"applicationInfo>applicationID"`
		User    string `xml:"applicationInfo>applicationSpecificInfo>SessionLoginInfo>userName"`
		Secret  string `xml:"applicationInfo>applicationSpecificInfo>SessionLoginInfo>password"`
		ID      string `xml:"sessionID"`
	}
	if err := xml.NewDecoder(bytes.NewReader(body)).Decode(&root); err != nil {
		c.s.t.Errorf("the client sent %q: %v", body, err)
		return
	}
	name := root.XMLName.Local
	c.s.mu.Lock()
	c.s.asked[name]++
	c.s.mu.Unlock()
	want := c.s.Session
	switch name {
	case "StartApplicationSession":
		if want == nil || root.App != want.ApplicationID || root.User != want.User || root.Secret != want.Secret {
			c.answer(id, name+"NegResponse", "<errorCode><definedError>invalidApplicationInfo</definedError></errorCode>")
			return
		}
		c.session = time.AfterFunc(want.Duration, func() {
			c.answer(9999, "ApplicationSessionTerminated", "<sessionID>s1</sessionID><sessionTermReason><definedTermReason>sessionTimerExpired</definedTermReason></sessionTermReason>")
		})
		c.answer(id, name+"PosResponse", fmt.Sprintf("<sessionID>s1</sessionID><actualProtocolVersion>%sed3</actualProtocolVersion><actualSessionDuration>%d</actualSessionDuration>",
			"http://www.ecma-international.org/standards/ecma-323/csta/", int(want.Duration.Seconds())))
	case "ResetApplicationSessionTimer", "StopApplicationSession":
		if root.ID != "s1" || !c.session.Stop() {
			c.answer(id, name+"NegResponse", "<errorCode><definedError>invalidSessionID</definedError></errorCode>")
			return
		}
		if name == "ResetApplicationSessionTimer" {
			c.session.Reset(want.Duration)
		}
		c.answer(id, name+"PosResponse", fmt.Sprintf("<actualSessionDuration>%d</actualSessionDuration>", int(want.Duration.Seconds())))
	default:
		msg, edition, err := csta.Decode(body)
		c.s.mu.Lock()
		c.edition = edition
		c.s.mu.Unlock()
		switch {
		case csta.Response(msg) == nil && err == nil:
			return // an answer
		case want != nil && c.session == nil:
			err = csta.Errorf(csta.Security, "generic", "there is no session")
		}
		c.s.running.Go(func() { c.perform(id, msg, edition, err) })
	}
}

// answer sends a message of the session, with its namespace declared for a
// prefix that is not used, as a product of the field does.
func (c *conn) answer(id int, name, content string) {
	c.queue(id, []byte(`<?xml version="1.0" encoding="UTF-8"?><`+name+` xmlns:aps="http://www.ecma-international.org/standards/ecma-354/appl_session">`+content+`</`+name+`>`))
}

func (c *conn) perform(id int, req csta.Message, edition csta.Edition, err error) {
	var resp csta.Message
	if err == nil {
		resp, err = c.serve(req)
	}
	if err != nil {
		resp = csta.AsError(err)
	}
	c.send(id, resp, edition)
}

func (c *conn) serve(req csta.Message) (csta.Message, error) {
	s := c.s
	for _, m := range s.Lacks {
		if csta.Name(m) == csta.Name(req) {
			return nil, csta.Errorf(csta.Operation, "serviceNotSupported", "as the test asked")
		}
	}
	switch req := req.(type) {
	case *csta.RequestSystemStatus:
		return &csta.RequestSystemStatusResponse{SystemStatus: pbx.StatusNormal}, nil
	case *csta.GetCSTAFeatures:
		return s.features(), nil
	case *csta.MonitorStart:
		device := req.MonitorObject.DeviceObject
		if _, err := s.mux.ServeCSTA(s.ctx, &csta.SnapshotDevice{SnapshotObject: device}); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.crossRef++
		ref := strconv.Itoa(s.crossRef)
		c.monitors[ref] = device.ID
		return &csta.MonitorStartResponse{MonitorCrossRefID: ref}, nil
	case *csta.MonitorStop:
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.monitors[req.MonitorCrossRefID] == "" {
			return nil, csta.Errorf(csta.Operation, "invalidMonitorCrossRefID", "no such monitor")
		}
		delete(c.monitors, req.MonitorCrossRefID)
		return &csta.MonitorStopResponse{}, nil
	}
	resp, err := s.mux.ServeCSTA(s.ctx, req)
	if err == nil && resp == nil {
		err = errors.New("the PBX did not answer")
	}
	return resp, err
}

// features lists what the PBX and the server do.
func (s *Server) features() *csta.GetCSTAFeaturesResponse {
	var m csta.Mux
	all := s.mux.Features("")
	all.Add(&csta.MonitorStart{}, &csta.MonitorStop{}, &csta.RequestSystemStatus{}, &csta.GetCSTAFeatures{})
	for _, msg := range csta.Messages() {
		lacks := false
		for _, l := range s.Lacks {
			lacks = lacks || csta.Name(l) == csta.Name(msg)
		}
		if lacks || !all.Supports(msg) {
			continue
		}
		if ev, ok := msg.(csta.Event); ok {
			csta.Reports(&m, ev)
		} else {
			csta.Pass(&m, msg, nil)
		}
	}
	return m.Features("")
}
