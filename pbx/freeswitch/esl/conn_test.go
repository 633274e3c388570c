package esl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const accepted = "Content-Type: command/reply\nReply-Text: +OK accepted\n\n"

// serve answers one connection: greeting first, and then, for each command, what answer
// says; nothing where that is empty. It hands out the connection, and ends with the test.
func serve(t *testing.T, greeting string, answer func(command string) string) (address string, server chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	server = make(chan net.Conn, 1)
	t.Cleanup(func() {
		_ = l.Close()
		select {
		case c := <-server:
			_ = c.Close()
		default:
		}
		running.Wait()
	})
	running.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		server <- c
		_, _ = c.Write([]byte(greeting))
		in := bufio.NewReader(c)
		var command []string
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimSuffix(line, "\n"); line != "" {
				command = append(command, line)
				continue
			}
			_, _ = c.Write([]byte(answer(strings.Join(command, "\n"))))
			command = nil
		}
	})
	return l.Addr().String(), server
}

const greeting = "Content-Type: auth/request\n\n"

// up is a connection that runs until the test ends.
func up(t *testing.T, config Config, answer func(command string) string) (*Conn, chan net.Conn, chan error) {
	t.Helper()
	address, server := serve(t, greeting, func(command string) string {
		if command == "auth secret" {
			return accepted
		}
		return answer(command)
	})
	c, err := Dial(t.Context(), Config{Address: address, Password: "secret", Queue: config.Queue})
	if err != nil {
		t.Fatal(err)
	}
	c.config = config.complete() // short times are for what comes now
	ended, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		ended <- c.Run(context.Background())
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c, server, ended
}

func api(body string) string {
	return fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
}

func plain(event string) string {
	return fmt.Sprintf("Content-Length: %d\nContent-Type: text/event-plain\n\n%s", len(event), event)
}

func TestDialRefused(t *testing.T) {
	for name, tt := range map[string]struct{ greeting, answer, want string }{
		"wrong password": {greeting, "Content-Type: command/reply\nReply-Text: -ERR invalid\n\n", "FreeSWITCH refused auth: -ERR invalid"},
		"address not allowed": {"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n", "",
			"esl: FreeSWITCH does not let this address in: Access Denied, go away."},
		"something else":            {"HTTP/1.1 400 Bad Request\n\n", "", `esl: "HTTP/1.1 400 Bad Request" is not Name: value`},
		"another type":              {"Content-Type: text/html\n\n", "", `"text/html", not auth/request`},
		"silent from the beginning": {"", "", "does not greet: context deadline exceeded"},
		"no answer":                 {greeting, "", "does not greet: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serve(t, tt.greeting, func(string) string { return tt.answer })
			config := Config{Address: address, Password: "x", Timeout: time.Minute}
			if strings.Contains(tt.want, "deadline") {
				config.Timeout = 50 * time.Millisecond
			}
			c, err := Dial(t.Context(), config)
			if err == nil {
				_ = c.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestQuestions(t *testing.T) {
	asked := make(chan struct{})
	c, _, _ := up(t, Config{}, func(command string) string {
		switch command {
		case "api silence":
			close(asked)
		case "api echo a":
			return api("a\n")
		case "api uuid_kill x":
			return api("-ERR No such channel!\n")
		case "api db select/a/b":
			return api("-ERR no reply\n")
		case "api uuid_hold":
			return api("-USAGE: [off|toggle] <uuid> [<display>]\n")
		case "bgapi originate x\nJob-UUID: 7":
			return "Content-Type: command/reply\nReply-Text: +OK Job-UUID: 7\nJob-UUID: 7\n\n"
		case "bgapi originate x\nJob-UUID: 8":
			return "Content-Type: command/reply\nReply-Text: +OK Job-UUID: 9\nJob-UUID: 9\n\n"
		case "event plain A CUSTOM b":
			return "Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n"
		case "filter A b":
			return "Content-Type: command/reply\nReply-Text: +OK filter added. [A]=[b]\n\n"
		}
		return ""
	})
	ctx := t.Context()
	if got, err := c.API(ctx, "echo a"); got != "a" || err != nil {
		t.Errorf("echo: %q, %v", got, err)
	}
	for command, want := range map[string]string{"uuid_kill x": "-ERR No such channel!", "uuid_hold": "-USAGE: [off|toggle] <uuid> [<display>]"} {
		var refused *Error
		if _, err := c.API(ctx, command); !errors.As(err, &refused) || refused.Text != want {
			t.Errorf("%s: %v, want %s", command, err, want)
		}
	}
	if got, err := c.API(ctx, "db select/a/b"); got != "" || err != nil {
		t.Errorf("a command without output: %q, %v", got, err)
	}
	if err := c.BgAPI(ctx, "7", "originate x"); err != nil {
		t.Error(err)
	}
	if err := c.BgAPI(ctx, "8", "originate x"); err == nil {
		t.Error("another job's acceptance was taken for it")
	}
	if err := c.Subscribe(ctx, "A", "CUSTOM", "b"); err != nil {
		t.Error(err)
	}
	if err := c.Filter(ctx, "A", "b"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"echo\n", "a\r\n\r\napi fsctl shutdown", "\x00", "\x7f"} {
		if _, err := c.API(ctx, bad); err == nil || errors.Is(err, ErrUnanswered) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.API(over, "echo a"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnanswered) {
		t.Errorf("of a context that had ended: %v", err)
	}
	over, cancel = context.WithCancel(ctx)
	defer cancel()
	go func() { <-asked; cancel() }()
	if _, err := c.API(over, "silence"); !errors.Is(err, ErrUnanswered) || !errors.Is(err, context.Canceled) {
		t.Errorf("without an answer: %v", err)
	}
}

// Without anybody's patience a question ends with the time-out.
func TestTimeout(t *testing.T) {
	c, _, _ := up(t, Config{Timeout: 20 * time.Millisecond}, func(string) string { return "" })
	if _, err := c.API(t.Context(), "silence"); !errors.Is(err, ErrUnanswered) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// An answer that comes too late belongs to its own question.
func TestLateAnswer(t *testing.T) {
	asked := make(chan struct{})
	c, _, _ := up(t, Config{}, func(command string) string {
		switch command {
		case "api slow":
			close(asked)
			return ""
		case "api fast":
			return api("slow") + api("fast")
		}
		return api("")
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-asked; cancel() }()
	if _, err := c.API(ctx, "slow"); !errors.Is(err, ErrUnanswered) {
		t.Fatal(err)
	}
	if got, err := c.API(t.Context(), "fast"); got != "fast" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestGaps(t *testing.T) {
	c, server, ended := up(t, Config{}, func(string) string { return "" })
	to := <-server
	for _, n := range []int{5, 6, 8, 7, 9, 12, 13} {
		fmt.Fprint(to, plain(fmt.Sprintf("Event-Name: X\nEvent-Sequence: %d\n\n", n)))
	}
	for _, want := range []bool{false, false, true, false, false, true, false} {
		if e := <-c.Events(); e.Gap != want {
			t.Errorf("event %d: gap %v", e.sequence(), e.Gap)
		}
	}
	fmt.Fprint(to, "Content-Type: text/disconnect-notice\nContent-Length: 23\n\nDisconnected, goodbye.\n")
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "ends the session: Disconnected, goodbye.") {
		t.Error(err)
	}
	if _, ok := <-c.Events(); ok {
		t.Error("an event after the end")
	}
	if _, err := c.API(t.Context(), "echo"); err == nil || errors.Is(err, ErrUnanswered) {
		t.Errorf("after the end: %v", err)
	}
	_ = to.Close()
}

// What ends a connection, whoever asks something meanwhile is told that it is not
// known whether it was done.
func TestLost(t *testing.T) {
	for name, tt := range map[string]struct {
		config Config
		send   string
		want   string
	}{
		"half open":            {Config{Interval: 20 * time.Millisecond, Timeout: 50 * time.Millisecond}, "", "the server is not there any more"},
		"malformed":            {Config{}, "odd\n\n", "is not Name: value"},
		"malformed event":      {Config{}, plain("odd"), "malformed"},
		"too many events":      {Config{Queue: 2}, strings.Repeat(plain("Event-Name: X\n\n"), 3), "2 events wait"},
		"answer to nothing":    {Config{}, api("a") + api("b"), "an answer to no question"},
		"rejected in the mid":  {Config{}, "Content-Type: text/rude-rejection\nContent-Length: 2\n\nno", "ends the session: no"},
		"closed by the server": {Config{}, "close", "connection lost"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{}, 100)
			c, server, ended := up(t, tt.config, func(string) string { asked <- struct{}{}; return "" })
			to := <-server
			defer to.Close()
			answer := make(chan error, 1)
			go func() {
				_, err := c.API(t.Context(), "wait")
				answer <- err
			}()
			<-asked
			if tt.send == "close" {
				_ = to.Close()
			} else {
				fmt.Fprint(to, tt.send)
			}
			if err := <-ended; err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ended with %v, want %s", err, tt.want)
			}
			if err := <-answer; tt.want != "an answer to no question" && !errors.Is(err, ErrUnanswered) {
				t.Errorf("who asked was told %v", err)
			}
		})
	}
}

// Run ends with its context.
func TestContext(t *testing.T) {
	address, server := serve(t, greeting, func(string) string { return accepted })
	c, err := Dial(t.Context(), Config{Address: address, Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_ = (<-server).Close()
}
