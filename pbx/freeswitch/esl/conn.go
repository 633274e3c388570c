package esl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Config says where a FreeSWITCH is. Zero durations and sizes have defaults.
type Config struct {
	Address  string        // host:port
	Password string        // of event_socket.conf.xml
	Timeout  time.Duration // of each answer; default 5 s
	Interval time.Duration // between questions that show whether the server is there; default 5 s
	Queue    int           // events that may wait; default 10,000
}

func (c Config) complete() Config {
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Interval <= 0 {
		c.Interval = 5 * time.Second
	}
	if c.Queue <= 0 {
		c.Queue = 10000
	}
	return c
}

// ErrUnanswered is what a command ends with when it was sent, or may have been,
// and no answer came: whether it was carried out is not known.
var ErrUnanswered = errors.New("no answer")

// An Error is a refusal: the text of an answer that begins with -ERR or -USAGE.
type Error struct {
	Command string // its first word
	Text    string
}

func (e *Error) Error() string { return fmt.Sprintf("FreeSWITCH refused %s: %s", e.Command, e.Text) }

// A Conn is one authenticated connection. Its methods may be called by many
// goroutines at once.
type Conn struct {
	config Config
	conn   net.Conn
	r      *bufio.Reader
	events chan Event
	last   uint64 // the highest number of an event

	mu      sync.Mutex // guards writing, so that questions wait in the order in which they were sent
	waiting []chan Frame
	lost    error // why nothing is answered any more
}

// maxWaiting bounds the questions that wait for an answer.
const maxWaiting = 1000

// Dial connects and authenticates. It starts no goroutine: nothing is answered
// before Run.
func Dial(ctx context.Context, config Config) (*Conn, error) {
	config = config.complete()
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", config.Address)
	if err != nil {
		return nil, err
	}
	c := &Conn{config: config, conn: conn, r: bufio.NewReaderSize(conn, 64<<10), events: make(chan Event, config.Queue)}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = c.authenticate()
	if !stop() {
		err = fmt.Errorf("esl: %s does not greet: %w", config.Address, context.Cause(ctx))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) authenticate() error {
	if err := check(c.config.Password); err != nil {
		return errors.New("esl: the password has a control character") // and is not shown
	}
	greeting, err := ReadFrame(c.r)
	if err != nil {
		return fmt.Errorf("esl: no greeting: %w", err)
	}
	switch kind := greeting.Header["Content-Type"]; kind {
	case "auth/request":
	case "text/rude-rejection":
		return fmt.Errorf("esl: FreeSWITCH does not let this address in: %s", strings.TrimSpace(string(greeting.Body)))
	default:
		return fmt.Errorf("esl: the greeting is %q, not auth/request", abridged(kind))
	}
	if _, err := fmt.Fprintf(c.conn, "auth %s\n\n", c.config.Password); err != nil {
		return err
	}
	answer, err := ReadFrame(c.r)
	if err != nil {
		return fmt.Errorf("esl: no answer to auth: %w", err)
	}
	return refused("auth", text(answer))
}

// Events yields events in their order. It is closed when Run has returned.
func (c *Conn) Events() <-chan Event { return c.events }

// Close ends the connection. Run returns then.
func (c *Conn) Close() error { return c.conn.Close() }

// Run reads until the connection is lost, which it returns as an error, or ctx
// ends. It leaves no goroutine behind.
func (c *Conn) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	running.Go(func() { cancel(c.keepAsking(ctx)) })
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	err := c.read()
	if cause := context.Cause(ctx); cause != nil {
		err = cause // that is why it was closed
	}
	cancel(err)
	stop()
	_ = c.conn.Close()
	c.lose(err)
	running.Wait()
	close(c.events)
	return err
}

// keepAsking asks something every few seconds. A connection that is half open
// does not answer.
func (c *Conn) keepAsking(ctx context.Context) error {
	tick := time.NewTicker(c.config.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			// A refusal is an answer as well.
			if _, err := c.API(ctx, "uptime"); err != nil && !errors.As(err, new(*Error)) {
				return fmt.Errorf("esl: the server is not there any more: %w", err)
			}
		}
	}
}

// read passes on what comes until nothing does.
func (c *Conn) read() error {
	for {
		f, err := ReadFrame(c.r)
		if err != nil {
			return fmt.Errorf("esl: connection lost: %w", err)
		}
		switch kind := f.Header["Content-Type"]; kind {
		case "command/reply", "api/response":
			if err := c.answer(f); err != nil {
				return err
			}
		case "text/event-plain":
			if err := c.event(f); err != nil {
				return err
			}
		case "text/disconnect-notice", "text/rude-rejection":
			return fmt.Errorf("esl: FreeSWITCH ends the session: %s", strings.TrimSpace(string(f.Body)))
		default: // nothing that was asked for
		}
	}
}

func (c *Conn) answer(f Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return fmt.Errorf("esl: an answer to no question: %q", abridged(text(f)))
	}
	c.waiting[0] <- f // has room for it
	c.waiting = c.waiting[1:]
	return nil
}

func (c *Conn) event(f Frame) error {
	e, err := ParseEvent(f.Body)
	if err != nil {
		return err
	}
	// Events of several channels may overtake each other by a few numbers.
	if n := e.sequence(); n > c.last {
		e.Gap = c.last != 0 && n != c.last+1
		c.last = n
	}
	select {
	case c.events <- e:
		return nil
	default:
		return fmt.Errorf("esl: %d events wait to be handled: too slow", c.config.Queue)
	}
}

// lose gives up all questions.
func (c *Conn) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = err
	for _, w := range c.waiting {
		close(w)
	}
	c.waiting = nil
}

// Send sends a command and returns the text of its answer: Reply-Text or the
// body, without line feeds at its end. Headers are further lines of it. An answer that is a refusal is an
// *Error; no answer within the time-out or the context is ErrUnanswered, and an
// answer that comes later is not taken for another's.
func (c *Conn) Send(ctx context.Context, command string, headers ...string) (string, error) {
	word, _, _ := strings.Cut(command, " ")
	lines := command + "\n"
	for _, h := range headers {
		lines += h + "\n"
	}
	for _, line := range slices.Concat(headers, []string{command}) {
		if err := check(line); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return "", err // not sent
	}
	w, err := c.write(lines + "\n")
	if err != nil {
		return "", err
	}
	select {
	case f, ok := <-w:
		if !ok {
			return "", fmt.Errorf("esl: %s: %w: the connection was lost", word, ErrUnanswered)
		}
		t := text(f)
		return t, refused(word, t)
	case <-ctx.Done():
		return "", fmt.Errorf("esl: %s: %w: %w", word, ErrUnanswered, ctx.Err())
	}
}

// write sends the lines, and returns where their answer comes.
func (c *Conn) write(lines string) (chan Frame, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return nil, c.lost
	}
	if len(c.waiting) >= maxWaiting {
		return nil, fmt.Errorf("esl: %d questions wait for an answer", maxWaiting)
	}
	w := make(chan Frame, 1)
	c.waiting = append(c.waiting, w)
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.config.Timeout))
	if _, err := c.conn.Write([]byte(lines)); err != nil {
		_ = c.conn.Close() // half a command may be there: nothing can follow it
		return nil, fmt.Errorf("esl: %w: %w", ErrUnanswered, err)
	}
	return w, nil
}

// API has a command carried out and returns its output, which may be empty.
func (c *Conn) API(ctx context.Context, command string) (string, error) {
	out, err := c.Send(ctx, "api "+command)
	// That is what FreeSWITCH answers where a command has no output, whether or not it did something.
	if refused := new(Error); errors.As(err, &refused) && refused.Text == "-ERR no reply" {
		return "", nil
	}
	return out, err
}

// BgAPI has a command carried out in the background, and returns when that was
// accepted. Its output is the body of a BACKGROUND_JOB event with that
// Job-UUID, for whoever has subscribed to it.
func (c *Conn) BgAPI(ctx context.Context, job, command string) error {
	answer, err := c.Send(ctx, "bgapi "+command, "Job-UUID: "+job)
	if err == nil && answer != "+OK Job-UUID: "+job {
		err = fmt.Errorf("esl: the job %s was accepted as %q", job, abridged(answer))
	}
	return err
}

// Subscribe asks for events by name; those after CUSTOM are subclasses. The
// numbers of events are watched from now on.
func (c *Conn) Subscribe(ctx context.Context, names ...string) error {
	_, err := c.Send(ctx, "event plain "+strings.Join(names, " "))
	return err
}

// Filter keeps away events that have not the value in the header; several
// filters pass what any of them passes.
func (c *Conn) Filter(ctx context.Context, header, value string) error {
	_, err := c.Send(ctx, "filter "+header+" "+value)
	return err
}

// text is what an answer says.
func text(f Frame) string {
	if t, ok := f.Header["Reply-Text"]; ok {
		return t
	}
	return strings.TrimRight(string(f.Body), "\r\n")
}

func refused(command, text string) error {
	if strings.HasPrefix(text, "-ERR") || strings.HasPrefix(text, "-USAGE") {
		return &Error{Command: command, Text: abridged(text)}
	}
	return nil
}

// check refuses what would not stay one line.
func check(line string) error {
	if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("esl: %q has a control character", abridged(line))
	}
	return nil
}
