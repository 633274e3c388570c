package ami

import (
	"bufio"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A script is the PBX's side of a conversation: "> " begins a line that must be among those of the next action
// received, "< " a line that is sent; a bare "<" ends a message. In both, {id} is the ActionID of the last action.
// "#" begins a comment.
func play(t *testing.T, nc net.Conn, script string) {
	t.Helper()
	in, id := bufio.NewReader(nc), ""
	var action []string
	for n, line := range strings.Split(script, "\n") {
		switch dir, text, _ := strings.Cut(line, " "); dir {
		case ">":
			if strings.HasPrefix(text, "Action: ") {
				action, id = nil, ""
				for {
					l, err := in.ReadString('\n')
					if err != nil {
						t.Errorf("line %d: waiting for %q: %v", n+1, text, err)
						return
					}
					if l == "\r\n" {
						break
					}
					action = append(action, strings.TrimSuffix(l, "\r\n"))
					if v, ok := strings.CutPrefix(l, "ActionID: "); ok {
						id = strings.TrimSpace(v)
					}
				}
			}
			if want := strings.ReplaceAll(text, "{id}", id); !slices.Contains(action, want) {
				t.Errorf("line %d: want %q in %q", n+1, want, action)
			}
		case "<":
			if _, err := io.WriteString(nc, strings.ReplaceAll(text, "{id}", id)+"\r\n"); err != nil {
				return // the client has gone
			}
		}
	}
}

const login = `
< Asterisk Call Manager/11.0.0
> Action: Challenge
> AuthType: MD5
< Response: Success
< Challenge: 840415273
<
> Action: Login
> Username: gw
> Key: ` + "{key}" + `
< Response: Success
< Message: Authentication accepted
<
# bytes behind the answer must not get lost
< Event: FullyBooted
< Privilege: system,all
< Status: Fully Booted
<
`

// pbx plays script after a login, closes the link when keep is false, and returns the client's end logged in.
func pbx(t *testing.T, cfg Config, script string, keep bool) *Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	played := make(chan struct{})
	t.Cleanup(func() { _ = theirs.Close(); <-played })
	sum := md5.Sum([]byte("840415273" + "gwsecret"))
	go func() {
		defer close(played)
		play(t, theirs, strings.ReplaceAll(login, "{key}", hex.EncodeToString(sum[:]))+script)
		if !keep {
			_ = theirs.Close()
		}
	}()
	cfg.User, cfg.Secret = "gw", "gwsecret"
	c, err := newConn(t.Context(), cfg.withDefaults(), ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// run starts c.Run; the returned function waits for its end.
func run(c *Conn) (wait func() error) {
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()
	return func() error { return <-ended }
}

func recorded(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The scripts in testdata are cut from the recorded traffic of Asterisk 22.
func TestOriginate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, recorded(t, "originate.txt"), false)
		if c.Version() != "11.0.0" {
			t.Errorf("version %q", c.Version())
		}
		wait := run(c)
		resp, err := c.Do(t.Context(), NewAction("Originate", "Channel", "PJSIP/1009", "Context", "phones", "Exten", "600",
			"Priority", "1", "CallerID", "1009 <1009>", "Async", "true", "Timeout", "15000"))
		if err != nil || resp.Message != "Originate successfully queued" || resp.Status != "Success" {
			t.Errorf("%+v, %v", resp, err)
		}
		items, err := c.List(t.Context(), NewAction("CoreShowChannels"))
		if err != nil {
			t.Fatal(err)
		}
		if len(items) != 1 || items[0].Get("Uniqueid") != "1795328883.45" || items[0].Name != "CoreShowChannel" {
			t.Errorf("list %+v", items)
		}
		if err := wait(); !errors.Is(err, io.EOF) {
			t.Errorf("Run: %v", err)
		}
		var got []string
		last := uint64(0)
		for e := range c.Events() {
			if e.Seq <= last {
				t.Errorf("%s: Seq %d after %d", e.Name, e.Seq, last)
			}
			side := "before the list"
			if e.Seq > items[0].Seq {
				side = "after the list"
			}
			if last = e.Seq; e.Seq > resp.Seq {
				got = append(got, e.Name+" "+side)
			}
		}
		want := []string{"Newchannel before the list", "DialBegin before the list",
			"Newstate after the list", "OriginateResponse after the list"}
		if d := gocmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestList(t *testing.T) {
	tests := []struct {
		name, script string
		limit        int
		want         int
		err          string
	}{
		{name: "empty", script: "< Response: Success\n< ActionID: {id}\n< EventList: start\n<\n" +
			"< Event: ParkedCallsComplete\n< ActionID: {id}\n< EventList: Complete\n< ListItems: 0\n<"},
		{name: "refused", script: "< Response: Error\n< ActionID: {id}\n< Message: No active conferences.\n<",
			err: "ami: L: No active conferences."},
		{name: "no list", script: "< Response: Success\n< ActionID: {id}\n<", err: "ami: the answer is not a list (L)"},
		{name: "too long", limit: 1, script: "< Response: Success\n< ActionID: {id}\n< EventList: start\n<\n" +
			strings.Repeat("< Event: X\n< ActionID: {id}\n<\n", 3) + "< Event: XComplete\n< ActionID: {id}\n< EventList: Complete\n<",
			err: "ami: list has more than 1 items (L)"},
		{name: "other answers between", want: 2, script: "< Response: Success\n< ActionID: {id}\n< EventList: start\n<\n" +
			"< Event: X\n< ActionID: {id}\n<\n< Response: Success\n< ActionID: other\n<\n< Event: X\n< ActionID: other\n<\n" +
			"< Event: X\n< ActionID: {id}\n<\n< Event: XComplete\n< ActionID: {id}\n< EventList: Complete\n<"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pbx(t, Config{ListLimit: tt.limit}, "> Action: L\n"+tt.script, true)
				wait := run(c)
				items, err := c.List(t.Context(), NewAction("L"))
				if len(items) != tt.want || fmt.Sprint(err) != cmp.Or(tt.err, "<nil>") {
					t.Errorf("%d items, %v", len(items), err)
				}
				_ = c.Close()
				if err := wait(); !errors.Is(err, ErrClosed) {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, "> Action: Hangup\n< Response: Error\n< ActionID: {id}\n< Message: No such channel\n<", true)
		wait := run(c)
		_, err := c.Do(t.Context(), NewAction("Hangup", "Channel", "PJSIP/1-1"))
		var e *Error
		if !errors.As(err, &e) || *e != (Error{"Hangup", "No such channel"}) || errors.Is(err, ErrUnanswered) {
			t.Errorf("%v", err)
		}
		_ = c.Close()
		_ = wait()
	})
}

func TestCommandOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, recorded(t, "command.txt"), false)
		wait := run(c)
		resp, err := c.Do(t.Context(), NewAction("Command", "Command", "database show DND"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"/DND/1002                                         : 1", "1 results found."}
		if d := gocmp.Diff(want, resp.Values("Output")); d != "" {
			t.Error(d)
		}
		_ = wait()
	})
}

func TestLoginFails(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"greeting", "< SSH-2.0-OpenSSH_9.2", "ami: login: the other side is not an Asterisk Manager Interface"},
		{"closed", "< Asterisk Call Manager/11.0.0\n> Action: Challenge", "ami: login: EOF"},
		{"no answer", "< Asterisk Call Manager/11.0.0\n> Action: Challenge\n> Action: Never", "ami: login: context deadline exceeded"},
		{"secret", "< Asterisk Call Manager/11.0.0\n> Action: Challenge\n< Response: Success\n< Challenge: 1\n<\n> Action: Login\n" +
			"< Response: Error\n< Message: Authentication failed\n<", "ami: Login: Authentication failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				played := make(chan struct{})
				go func() {
					defer close(played)
					defer theirs.Close()
					if tt.name == "no answer" {
						_, _ = io.WriteString(theirs, "Asterisk Call Manager/11.0.0\r\n")
						_, _ = io.Copy(io.Discard, theirs)
						return
					}
					play(t, theirs, tt.script)
				}()
				cfg := Config{User: "gw", Secret: "x"}.withDefaults()
				ctx, cancel := context.WithTimeout(t.Context(), cfg.LoginTimeout)
				defer cancel()
				c, err := newConn(ctx, cfg, ours)
				if c != nil || fmt.Sprint(err) != tt.want {
					t.Errorf("%v, want %s", err, tt.want)
				}
				<-played
			})
		})
	}
}

func TestDial(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	authorities := x509.NewCertPool()
	authorities.AddCert(web.Certificate())
	tests := []struct {
		scheme string
		listen func() (net.Listener, error)
	}{
		{"", func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }},
		{"tcp://", func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }},
		{"tls://", func() (net.Listener, error) {
			return tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
		}},
	}
	for _, tt := range tests {
		t.Run("scheme "+tt.scheme, func(t *testing.T) {
			l, err := tt.listen()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			sum := md5.Sum([]byte("840415273gwsecret"))
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				play(t, nc, strings.ReplaceAll(login, "{key}", hex.EncodeToString(sum[:])))
				_ = nc.Close()
			}()
			c, err := Dial(t.Context(), Config{
				Address: tt.scheme + l.Addr().String(), User: "gw", Secret: "gwsecret", TLS: &tls.Config{RootCAs: authorities},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Run(t.Context()); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			if e := <-c.Events(); e.Name != "FullyBooted" || e.Seq != 3 {
				t.Errorf("%+v", e)
			}
			if err := c.Run(t.Context()); err == nil {
				t.Error("second Run returned no error")
			}
			_ = l.Close()
			if _, err := Dial(t.Context(), Config{Address: l.Addr().String()}); err == nil {
				t.Error("dialled a closed port")
			}
		})
	}
	if _, err := Dial(t.Context(), Config{Address: "udp://127.0.0.1:5038"}); err == nil {
		t.Error("udp accepted")
	}
}

func TestTimeouts(t *testing.T) {
	script := "> Action: A\n> Action: Ping\n< Response: Success\n< ActionID: {id}\n< Ping: Pong\n<\n> Action: Ping"
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, script, true)
		start := time.Now()
		wait := run(c)
		_, err := c.Do(t.Context(), NewAction("A"))
		if !errors.Is(err, ErrUnanswered) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("Do: %v after %v", err, time.Since(start))
		}
		// 5 s of silence, Ping and Pong, 5 s of silence, Ping, 10 s of silence
		if err := wait(); !errors.Is(err, ErrSilent) || time.Since(start) != 20*time.Second {
			t.Errorf("Run: %v after %v", err, time.Since(start))
		}
		if _, err := c.Do(t.Context(), NewAction("A")); !errors.Is(err, ErrSilent) || errors.Is(err, ErrUnanswered) {
			t.Errorf("Do after the end: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, "> Action: A", true)
		wait := run(c)
		answered := make(chan error)
		go func() {
			_, err := c.Do(t.Context(), NewAction("A"))
			answered <- err
		}()
		synctest.Wait()
		_ = c.Close()
		_ = c.Close()
		if err := <-answered; !errors.Is(err, ErrUnanswered) || !errors.Is(err, ErrClosed) {
			t.Errorf("Do: %v", err)
		}
		if err := wait(); !errors.Is(err, ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, "", true)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		gone, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		if _, err := c.Do(gone, NewAction("B")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnanswered) {
			t.Errorf("Do: %v", err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{EventQueue: 2}, strings.Repeat("< Event: X\n<\n", 3), true)
		if err := run(c)(); !errors.Is(err, ErrOverflow) {
			t.Errorf("Run: %v", err)
		}
		if n := len(c.Events()); n != 2 {
			t.Errorf("%d events left", n)
		}
	})
}

func TestActionID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, "> Action: Originate\n> ActionID: call-7\n< Response: Success\n< ActionID: call-7\n<\n"+
			"< Event: OriginateResponse\n< ActionID: call-7\n< Response: Failure\n< Reason: 5\n<", false)
		wait := run(c)
		a := NewAction("Originate", "ActionID", "call-7")
		if _, err := c.Do(t.Context(), a); err != nil {
			t.Error(err)
		}
		_ = wait()
		<-c.Events()
		if e := <-c.Events(); e.Name != "OriginateResponse" || e.Get("reason") != "5" {
			t.Errorf("%+v", e)
		}
	})
}

// An action that must not be sent is refused before anything is written, and the error does not show the value.
func TestRefusedFields(t *testing.T) {
	tests := []struct {
		key, value, want string
	}{
		{"Channel", "PJSIP/1\r\nAction: Command", `ami: "Originate": field Channel contains a control character`},
		{"Channel", "a\nb", `ami: "Originate": field Channel contains a control character`},
		{"Channel", "a\x00b", `ami: "Originate": field Channel contains a control character`},
		{"Channel", "a\tb", `ami: "Originate": field Channel contains a control character`},
		{"Channel", "a\u0085b", `ami: "Originate": field Channel contains a control character`},
		{"Channel", "a\xffb", `ami: "Originate": field Channel is not UTF-8`},
		{"Cha\r\nnnel", "x", `ami: "Originate": field name "Cha\r\nnnel" is not valid`},
		{"Cha:", "x", `ami: "Originate": field name "Cha:" is not valid`},
		{"", "x", `ami: "Originate": field name "" is not valid`},
		{"Variable", strings.Repeat("x", 1013), `ami: "Originate": field Variable is longer than 1022 bytes`},
		{"Variable", strings.Repeat("x", 1012), ""},
		{"CallerID", `"Ünï" <1001>: *72#`, ""},
	}
	for _, tt := range tests {
		_, err := NewAction("Originate", tt.key, tt.value).append(nil)
		if tt.want == "" && err != nil || tt.want != "" && fmt.Sprint(err) != tt.want {
			t.Errorf("%q: %v, want %s", tt.value, err, tt.want)
		}
	}
	if _, err := NewAction("Ping\r\nAction: X").append(nil); err == nil {
		t.Error("control characters in the action's name accepted")
	}
	a := NewAction("A")
	for range 128 {
		a.Fields = append(a.Fields, Field{"Variable", "x"})
	}
	if _, err := a.append(nil); err == nil {
		t.Error("too many fields accepted")
	}
	synctest.Test(t, func(t *testing.T) {
		c := pbx(t, Config{}, "> Action: B", false)
		wait := run(c)
		if _, err := c.Do(t.Context(), NewAction("A", "K", "\n")); err == nil || errors.Is(err, ErrUnanswered) {
			t.Errorf("%v", err)
		}
		_, _ = c.Do(t.Context(), NewAction("B")) // is the first that the PBX sees
		_ = wait()
	})
}
