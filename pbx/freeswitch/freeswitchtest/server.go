// Package freeswitchtest is a FreeSWITCH for tests: a fake, made from recorded traffic
// of a real one, that speaks the event socket over TCP and has phones.
//
// Its events have the names, the order and the headers that the recordings in testdata
// have; a test compares them. What no recording has follows FreeSWITCH's sources: the
// answers to commands, show channels as json, what becomes of a call that is
// rejected, given up or busy, and deflection. It is no proof of a real FreeSWITCH.
package freeswitchtest

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Password is the event socket's, Domain and Context are those of the phones.
const (
	Password = "ClueCon"
	Domain   = "lab"
	Context  = "phones"
)

// Numbers that are no phones.
const (
	Busy       = "602"  // is always busy
	Unknown    = "1999" // nobody has it
	Conference = "8001" // is a conference
)

// A Server is the fake. Its methods may be called by many goroutines at once.
type Server struct {
	t        testing.TB
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	cut      bool
	conns    map[*listener]bool
	sequence int
	lose     int
	legs     int
	channels []*channel // in the order in which they came
	phones   map[string]*Phone
	db       map[string]string
	timers   map[*time.Timer]bool
	commands []string
	deaf     map[string]bool
	frozen   string // what show channels answers; empty: what is
	shown    int    // how often that was asked for
}

// A listener is a connection of a client.
type listener struct {
	net.Conn
	wants map[string]bool
}

// Start starts a FreeSWITCH with a phone of each number, until the test is over.
func Start(t testing.TB, numbers ...string) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, listener: l, conns: map[*listener]bool{}, phones: map[string]*Phone{}, db: map[string]string{},
		timers: map[*time.Timer]bool{}, deaf: map[string]bool{}, sequence: 500}
	for _, n := range numbers {
		s.phones[n] = &Phone{server: s, number: n}
	}
	s.running.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *Server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for timer := range s.timers {
		if timer.Stop() {
			s.running.Done()
		}
	}
	s.disconnect()
	s.mu.Unlock()
	s.running.Wait()
}

// Address is where the event socket is.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Cut closes all connections and lets none in until Restore.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	s.disconnect()
}

// Restore lets connections in again.
func (s *Server) Restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = false
}

// Lose drops the next n events on their way to all listeners, as a queue does that
// is full: their numbers are missing.
func (s *Server) Lose(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

// Deafen keeps commands that begin with the word from being answered, though they are carried out.
func (s *Server) Deafen(word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf[word] = true
}

// Freeze has the list of channels stay as it is now, until it thaws: the core writes it after its events.
func (s *Server) Freeze(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen = ""; on {
		s.frozen = s.show()
	}
}

// Shown returns how often the channels were asked for.
func (s *Server) Shown() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// Commands returns what was asked for so far, without what only asks.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// Channels returns how many channels there are.
func (s *Server) Channels() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.channels)
}

func (s *Server) disconnect() {
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := &listener{Conn: conn, wants: map[string]bool{}}
		s.mu.Lock()
		if s.cut || s.closed {
			_ = conn.Close()
		} else {
			s.conns[c] = true
			s.running.Go(func() { s.serve(c) })
		}
		s.mu.Unlock()
	}
}

// serve answers a client's commands until it is gone.
func (s *Server) serve(c *listener) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = c.Close()
	}()
	s.send(c, "Content-Type: auth/request\n\n")
	in, authenticated := bufio.NewReader(c), false
	var lines []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
			continue
		}
		if len(lines) == 0 {
			continue
		}
		s.mu.Lock()
		switch {
		case authenticated:
			s.command(c, lines[0], lines[1:])
		case lines[0] == "auth "+Password:
			authenticated = true
			s.reply(c, "+OK accepted")
		default:
			s.reply(c, "-ERR invalid")
		}
		s.mu.Unlock()
		lines = nil
	}
}

func (s *Server) send(c *listener, text string) {
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, _ = c.Write([]byte(text))
}

func (s *Server) reply(c *listener, text string) {
	s.send(c, "Content-Type: command/reply\nReply-Text: "+text+"\n\n")
}

// command carries out one command; the server is locked.
func (s *Server) command(c *listener, line string, headers []string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "event":
		names := strings.Fields(rest)
		for _, n := range names[1:] {
			c.wants[n] = true
		}
		s.reply(c, "+OK event listener enabled plain")
	case "api":
		verb, _, _ := strings.Cut(rest, " ")
		out := s.api(rest)
		if out == "" {
			out = "-ERR no reply\n"
		}
		if !s.deaf[verb] {
			s.send(c, fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(out), out))
		}
	case "bgapi":
		job := newUUID()
		for _, h := range headers {
			if id, ok := strings.CutPrefix(h, "Job-UUID: "); ok {
				job = id
			}
		}
		verb, arg, _ := strings.Cut(rest, " ")
		if !s.deaf[verb] {
			s.send(c, "Content-Type: command/reply\nReply-Text: +OK Job-UUID: "+job+"\nJob-UUID: "+job+"\n\n")
		}
		s.commands = append(s.commands, rest)
		s.originate(job, arg)
	default:
		s.reply(c, "-ERR command not found")
	}
}

// emit sends an event to those who want it; the server is locked.
func (s *Server) emit(name string, headers []string, body string) {
	s.sequence++
	if s.lose > 0 {
		s.lose--
		return
	}
	lines := append([]string{"Event-Name: " + name, fmt.Sprintf("Event-Sequence: %d", s.sequence)}, headers...)
	if body != "" {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	text := strings.Join(lines, "\n") + "\n\n" + body
	for c := range s.conns {
		if c.wants[name] {
			s.send(c, fmt.Sprintf("Content-Length: %d\nContent-Type: text/event-plain\n\n%s", len(text), text))
		}
	}
}

// after has something done later, unless the server has stopped.
func (s *Server) after(wait time.Duration, do func()) {
	var timer *time.Timer
	s.running.Add(1)
	timer = time.AfterFunc(wait, func() {
		defer s.running.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.timers, timer)
		if !s.closed {
			do()
		}
	})
	s.timers[timer] = true
}

// Heartbeat emits the event that comes every 20 seconds.
func (s *Server) Heartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emit("HEARTBEAT", nil, "")
}
