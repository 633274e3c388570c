package asterisktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Baresip is the softphone of that name without sound devices. It stands for phones that know nothing of NOTIFY talk and hold. A
// call that is dialled or answered while another is active puts that one on hold.
//
// Beyond the common events it reports those of its own as "baresip TYPE".
type Baresip struct {
	*history
	ext     string
	conn    net.Conn
	mu      sync.Mutex // a command is under way
	token   int
	answers chan answer
	offered atomic.Pointer[string] // what the re-INVITE under way is for
}

// An answer is what baresip sends: the response to a command, or an event.
type answer struct {
	Response, OK         bool
	Data, Token          string
	Type, PeerURI, Param string
}

// Baresip starts a phone with that extension and waits until it is registered. Params are added to its account's address, such as
// ";sip_autoanswer=yes".
func (a *Asterisk) Baresip(t testing.TB, ext string, params ...string) *Baresip {
	t.Helper()
	b := StartBaresip(t, "baresip "+ext)
	b.Register(fmt.Sprintf("<sip:%s@%s>;auth_pass=pw%s;regint=3600%s", ext, a.SIPAddress(), ext, strings.Join(params, "")))
	b.Wait("registered")
	b.ext = ext
	return b
}

// StartBaresip starts a phone that has no account yet; name is for the messages of the test.
func StartBaresip(t testing.TB, name string) *Baresip {
	t.Helper()
	home, dir := home(t), t.TempDir()
	ctrl := fmt.Sprintf("127.0.0.1:%d", freePort(t, "127.0.0.1"))
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config", fmt.Sprintf(`sip_listen 127.0.0.1:0
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
audio_path %[1]s/root/usr/share/baresip
sip_autoanswer_beep no
rtp_ports 20000-29999
statmode_default off
module_path %[1]s/root/usr/lib/baresip/modules
module g711.so
module aubridge.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %[2]s
`, home, ctrl))
	write("accounts", "")
	write("contacts", "")
	p := spawn(t, exec.Command(filepath.Join(home, "bin/baresip"), "-4", "-f", dir), os.DevNull)
	b := &Baresip{history: newHistory(t, name), conn: dialChild(t, p, ctrl), answers: make(chan answer)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.listen()
	}()
	t.Cleanup(func() {
		_ = b.conn.Close()
		<-ended
	})
	return b
}

// Register gives the phone an account, as baresip writes it: <sip:1001@host:port>;auth_pass=secret;regint=3600. The events are "registered" and
// "baresip REGISTER_FAIL" with the reason.
func (b *Baresip) Register(account string) { b.t.Helper(); b.do("uanew", account) }

// dialChild connects to a child that has just been started, as soon as that listens.
func dialChild(t testing.TB, p *process, addr string) net.Conn {
	t.Helper()
	deadline, tick := time.After(Timeout), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c
		}
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatalf("%s has ended: %v", p.cmd.Path, p.err)
		case <-deadline:
			t.Fatalf("%s: %v", p.cmd.Path, err)
		}
	}
}

// Dial calls a number.
func (b *Baresip) Dial(number string) { b.t.Helper(); b.do("dial", number) }

// Answer answers the call that is ringing.
func (b *Baresip) Answer() { b.t.Helper(); b.do("accept", "") }

// Hold puts the current call on hold.
func (b *Baresip) Hold() { b.t.Helper(); b.offer("held"); b.do("hold", "") }

// Resume takes the current call off hold.
func (b *Baresip) Resume() {
	b.t.Helper()
	b.offer("resumed")
	b.command("resume", "") // baresip 1.1 does it and answers "Invalid argument"
}

func (b *Baresip) offer(event string) { b.offered.Store(&event) }

// Hangup ends the current call.
func (b *Baresip) Hangup() { b.t.Helper(); b.do("hangup", "") }

// Transfer transfers the current call without asking the target (REFER).
func (b *Baresip) Transfer(number string) { b.t.Helper(); b.do("transfer", number) }

// Do performs any other of baresip's commands.
func (b *Baresip) Do(command, params string) string { b.t.Helper(); return b.do(command, params) }

func (b *Baresip) do(command, params string) string {
	b.t.Helper()
	a := b.command(command, params)
	if !a.OK {
		b.t.Fatalf("%s: %s %s: %s", b.name, command, params, a.Data)
	}
	return a.Data
}

// Extension is the number that the phone is registered for.
func (b *Baresip) Extension() string { return b.ext }

// Try does what the action names, as [UA.Try] does.
func (b *Baresip) Try(action, number string) error {
	b.t.Helper()
	if action == "answer" {
		action = "accept"
	}
	if a := b.command(action, number); !a.OK && action != "resume" { // see Resume
		return fmt.Errorf("%s: %s %s: %s", b.name, action, number, a.Data)
	}
	return nil
}

func (b *Baresip) command(command, params string) answer {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token++
	token := strconv.Itoa(b.token)
	var m bytes.Buffer
	e := json.NewEncoder(&m)
	e.SetEscapeHTML(false) // baresip does not read \u003c
	if err := e.Encode(map[string]string{"command": command, "params": params, "token": token}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.conn, "%d:%s,", m.Len(), m.Bytes()); err != nil {
		b.t.Fatal(err)
	}
	deadline := time.After(Timeout)
	for {
		select {
		case r, ok := <-b.answers:
			if !ok {
				b.t.Fatalf("%s: %s: control connection lost", b.name, command)
			}
			if r.Token == token {
				return r
			}
		case <-deadline:
			b.t.Fatalf("%s: %s: no answer", b.name, command)
		}
	}
}

// listen reads netstrings: length, colon, JSON, comma.
func (b *Baresip) listen() {
	defer close(b.answers)
	for in := bufio.NewReader(b.conn); ; {
		l, err := in.ReadString(':')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(l, ":"))
		if err != nil || n > 1<<20 {
			return
		}
		m := make([]byte, n+1)
		if _, err := io.ReadFull(in, m); err != nil {
			return
		}
		var a answer
		if err := json.Unmarshal(m[:n], &a); err != nil {
			b.add("baresip " + err.Error())
			continue
		}
		if a.Response {
			select {
			case b.answers <- a:
			case <-b.t.Context().Done():
				return
			}
			continue
		}
		switch a.Type {
		case "REGISTER_OK":
			b.add("registered")
		case "CALL_INCOMING":
			b.add("incoming " + userOf(a.PeerURI))
		case "CALL_RINGING":
			b.add("ringing")
		case "CALL_ESTABLISHED":
			b.add("established")
		case "CALL_CLOSED":
			b.add("ended")
		case "CALL_ANSWERED":
			if e := b.offered.Swap(nil); e != nil {
				b.add(*e)
			}
		default:
			b.add("baresip " + a.Type + " " + a.Param)
		}
	}
}

// userOf returns the user part of the first SIP URI in s.
func userOf(s string) string {
	_, s, _ = strings.Cut(s, "sip:")
	if i := strings.IndexAny(s, "@;>"); i >= 0 {
		s = s[:i]
	}
	return s
}
