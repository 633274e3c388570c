package cstatcp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

// A peer is the server's end of a connection in memory. What it sends waits in
// a queue, so that it reads whatever the other side does.
type peer struct {
	t   *testing.T
	nc  net.Conn
	in  *bufio.Reader
	out chan []byte
}

// newPeer returns both ends. They are closed with the test.
func newPeer(t *testing.T) (*peer, net.Conn) {
	ours, theirs := net.Pipe()
	p := &peer{t: t, nc: theirs, in: bufio.NewReader(theirs), out: make(chan []byte, 1000)}
	var writing sync.WaitGroup
	writing.Go(func() {
		for b := range p.out {
			if _, err := theirs.Write(b); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = theirs.Close()
		close(p.out)
		writing.Wait()
	})
	return p, ours
}

func (p *peer) raw(s string) { p.out <- []byte(s) }

func (p *peer) send(id int, body string) { p.out <- appendFrame(nil, frame{id, []byte(body)}) }

// sendMessage sends a CSTA message.
func (p *peer) sendMessage(id int, m csta.Message) {
	p.t.Helper()
	body, err := csta.Encode(m, csta.DefaultEdition)
	if err != nil {
		p.t.Fatal(err)
	}
	p.send(id, string(body))
}

// next returns the next request.
func (p *peer) next() frame {
	p.t.Helper()
	f, err := readFrame(p.in)
	if err != nil {
		p.t.Fatalf("the peer reads: %v", err)
	}
	return f
}

// open returns a connection that runs, and its peer.
func open(t *testing.T, timeout time.Duration) (*conn, *peer) {
	p, nc := newPeer(t)
	c := newConn(nc, timeout)
	c.take = func(id int, name string, _ []byte) { c.drop(fmt.Sprint("taken ", id, " ", name)) }
	var running sync.WaitGroup
	running.Go(func() { _ = c.run() })
	t.Cleanup(func() {
		c.fail(errors.New("the test is over"))
		running.Wait()
	})
	return c, p
}

func (c *conn) droppedSoFar(reason string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped[reason]
}

// asking is a request under way.
type asking struct {
	body   string
	answer chan string // gets the answer or the error
}

func (c *conn) asks(ctx context.Context, body string) asking {
	a := asking{body, make(chan string, 1)}
	go func() {
		answer, err := c.ask(ctx, []byte(body))
		if err != nil {
			a.answer <- "error: " + err.Error()
		} else {
			a.answer <- string(answer)
		}
	}()
	return a
}

func response(to frame) string { return "<xResponse>" + string(to.body) + "</xResponse>" }

// Many requests are under way, and their answers come in any order.
func TestAnswersOutOfOrder(t *testing.T) {
	c, p := open(t, 10*time.Second)
	const n = 500
	var all []asking
	for i := range n {
		all = append(all, c.asks(t.Context(), fmt.Sprintf("<a>%d</a>", i)))
	}
	var came []frame
	used := map[int]bool{}
	for range n {
		f := p.next()
		if used[f.id] || f.id == eventID {
			t.Fatalf("invoke ID %d is in use", f.id)
		}
		used[f.id] = true
		came = append(came, f)
	}
	for i := range came {
		f := came[(i*7+3)%n] // 7 and n have no common divisor
		p.send(f.id, response(f))
	}
	for _, a := range all {
		if got, want := <-a.answer, "<xResponse>"+a.body+"</xResponse>"; got != want {
			t.Fatalf("%s was answered by %s", a.body, got)
		}
	}
}

// Invoke IDs go round, and do not come again while they are in use.
func TestInvokeIDsGoRound(t *testing.T) {
	c, p := open(t, time.Minute)
	slow := c.asks(t.Context(), "slow")
	held := p.next()
	go func() {
		for {
			f, err := readFrame(p.in)
			if err != nil {
				return
			}
			if f.id == held.id {
				p.t.Errorf("invoke ID %d is in use", f.id)
			}
			p.send(f.id, response(f))
		}
	}()
	for i := range 2*eventID + 10 {
		body := fmt.Sprint(i)
		if got, err := c.ask(t.Context(), []byte(body)); err != nil || string(got) != "<xResponse>"+body+"</xResponse>" {
			t.Fatalf("request %d: %s, %v", i, got, err)
		}
	}
	p.send(held.id, "<xResponse>at last</xResponse>")
	if got := <-slow.answer; got != "<xResponse>at last</xResponse>" {
		t.Errorf("the slow request was answered by %s", got)
	}
}

func TestLateAndForeignAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := open(t, time.Second)
		a := c.asks(t.Context(), "a")
		late := p.next()
		if got := <-a.answer; !strings.Contains(got, errUnanswered.Error()) {
			t.Errorf("an unanswered request: %s", got)
		}
		// The ID comes round while its answer may still come.
		c.mu.Lock()
		c.next = late.id
		c.mu.Unlock()
		b := c.asks(t.Context(), "b")
		f := p.next()
		if f.id == late.id {
			t.Errorf("invoke ID %d was used again", f.id)
		}
		p.send(late.id, "<xResponse>late</xResponse>")
		p.send(4711, "<xResponse>to nobody</xResponse>")
		p.send(f.id, response(f))
		p.send(f.id, response(f))
		p.send(77, "not XML")
		p.send(eventID, "<xResponse>an event</xResponse>")
		p.send(f.id, "<MonitorStop/>") // the server's own request: its IDs are its own
		if got := <-b.answer; got != response(f) {
			t.Errorf("b was answered by %s", got)
		}
		synctest.Wait()
		for reason, want := range map[string]int{"late answer": 1, "answer to no request": 3, fmt.Sprintf("taken %d xResponse", eventID): 1,
			fmt.Sprintf("taken %d MonitorStop", f.id): 1} {
			if n := c.droppedSoFar(reason); n != want {
				t.Errorf("%s: %d, want %d; %v", reason, n, want, c.dropped)
			}
		}
		if c.silent != 0 || len(c.waiting) != 0 {
			t.Errorf("%d IDs are reserved, %d silent", len(c.waiting), c.silent)
		}
	})
}

// A request whose context ends does not wait for the answer.
func TestAskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := open(t, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		a := c.asks(ctx, "a")
		p.next()
		cancel()
		if got := <-a.answer; !strings.Contains(got, "no answer: context canceled") {
			t.Error(got)
		}
		if _, err := c.ask(ctx, []byte("b")); err == nil || errors.Is(err, errUnanswered) {
			t.Errorf("after its context had ended: %v", err)
		}
		if _, err := c.ask(t.Context(), make([]byte, maxBody+1)); err == nil || errors.Is(err, errUnanswered) {
			t.Errorf("a message that is too long: %v", err)
		}
		// What is under way when the connection ends was perhaps executed.
		b := c.asks(t.Context(), "b")
		p.next()
		_ = p.nc.Close()
		if got := <-b.answer; !strings.Contains(got, "no answer: the server closed the connection") {
			t.Error(got)
		}
		if _, err := c.ask(t.Context(), []byte("c")); err == nil || errors.Is(err, errUnanswered) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A server that reads nothing does not hold anybody up for ever.
func TestServerDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := open(t, time.Second)
		begin := time.Now()
		for _, a := range []asking{c.asks(t.Context(), "a"), c.asks(t.Context(), "b")} {
			if got := <-a.answer; !strings.HasPrefix(got, "error") {
				t.Error(got)
			}
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("it took %v", d)
		}
		<-c.done
	})
}

// A server that answers nothing loses the connection before the IDs run out.
func TestServerDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := open(t, time.Second)
		go func() {
			for {
				if _, err := readFrame(p.in); err != nil {
					return
				}
			}
		}()
		var all []asking
		for range maxSilent + 1 {
			all = append(all, c.asks(t.Context(), "a"))
		}
		for _, a := range all {
			<-a.answer
		}
		<-c.done
		if !strings.Contains(c.err.Error(), "requests unanswered") {
			t.Error(c.err)
		}
	})
}

func TestAllIDsInUse(t *testing.T) {
	c := newConn(nil, time.Second)
	for range eventID {
		if _, _, err := c.reserve(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := c.reserve(); !errors.Is(err, errBusy) {
		t.Errorf("the ID after the last: %v", err)
	}
	if e := csta.AsError(refusal(errBusy)); e.Class != csta.SubscribedResourceAvailability || csta.Check(e) != nil {
		t.Errorf("a client is told %v", e)
	}
}

func BenchmarkAsk(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		in := bufio.NewReader(nc)
		for {
			f, err := readFrame(in)
			if err != nil {
				return
			}
			if _, err := nc.Write(appendFrame(nil, frame{f.id, []byte("<xResponse/>")})); err != nil {
				return
			}
		}
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c := newConn(nc, time.Second)
	ended := make(chan error)
	go func() { ended <- c.run() }()
	for b.Loop() {
		if _, err := c.ask(context.Background(), []byte("<x/>")); err != nil {
			b.Fatal(err)
		}
	}
	c.fail(errors.New("done"))
	<-ended
}
