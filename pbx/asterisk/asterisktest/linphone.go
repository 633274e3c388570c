package asterisktest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Linphone is the softphone of that name without sound devices. A call
// that is dialled or answered while another is active puts that one on hold.
type Linphone struct {
	*history
	ext    string
	server string
	stdin  io.Writer

	mu      sync.Mutex
	calls   []*linphoneCall // those that have not ended, oldest first
	answers chan string     // Status of the command under way, with the reason of a refusal
}

type linphoneCall struct {
	id    string
	state state
}

// Linphone starts a phone with that extension and waits until it is registered. The program linphone-daemon must be installed: linphone-cli is the
// package.
func (a *Asterisk) Linphone(t testing.TB, ext string) *Linphone {
	t.Helper()
	program, err := exec.LookPath("linphone-daemon")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "linphonerc")
	if err := os.WriteFile(config, []byte("[sip]\nsip_port=-1\nsip_tcp_port=0\nsip_tls_port=0\nguess_hostname=0\n[rtp]\naudio_rtp_port=-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config", config, "--disable-stats-events")
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = in
	spawn(t, cmd, os.DevNull)
	_ = in.Close()
	p := &Linphone{history: newHistory(t, "linphone "+ext), ext: ext, server: a.SIPAddress(), stdin: stdin, answers: make(chan string, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.listen(out)
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = out.Close()
		<-ended
	})
	if err := p.command(fmt.Sprintf("register sip:%s@%s sip:%s;transport=udp pw%s %s asterisk", ext, p.server, p.server, ext, ext)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(Timeout); p.Count("registered") == 0; time.Sleep(10 * time.Millisecond) {
		if err := p.command("register-status 1"); err != nil || time.Now().After(deadline) {
			t.Fatalf("%s is not registered: %v", p.name, err)
		}
	}
	p.Wait("registered")
	return p
}

// Extension is the number that the phone is registered for.
func (p *Linphone) Extension() string { return p.ext }

// Try does what the action names, as [UA.Try] does.
func (p *Linphone) Try(action, number string) error {
	p.t.Helper()
	on := func(command string, states ...state) error {
		// The phone's display is behind what it sends.
		c := p.find(states...)
		for deadline := time.Now().Add(displayTime); c == nil && time.Now().Before(deadline); c = p.find(states...) {
			time.Sleep(time.Millisecond)
		}
		if c == nil {
			return fmt.Errorf("%s: no call to %s", p.name, action)
		}
		return p.command(strings.Replace(command, "ID", c.id, 1))
	}
	switch action {
	case "dial":
		return p.command(fmt.Sprintf("call sip:%s@%s", number, p.server))
	case "answer":
		return on("answer ID", ringing)
	case "hangup":
		for _, s := range []state{active, ringing, calling, held} {
			if p.find(s) != nil {
				return on("terminate ID", s)
			}
		}
		return on("terminate ID")
	case "hold":
		return on("call-pause ID", active)
	case "resume":
		return on("call-resume ID", held)
	case "join":
		return p.join()
	case "transfer":
		return on(fmt.Sprintf("call-transfer ID sip:%s@%s", number, p.server), active)
	}
	return fmt.Errorf("%s cannot %s", p.name, action)
}

// displayTime is how long a hand waits for the phone to show a call in the state that it needs.
const displayTime = time.Second

// join transfers the held call to the active one (REFER with Replaces).
func (p *Linphone) join() error {
	p.t.Helper()
	one, two := p.find(held), p.find(active)
	for deadline := time.Now().Add(displayTime); (one == nil || two == nil) && time.Now().Before(deadline); one, two = p.find(held), p.find(active) {
		time.Sleep(time.Millisecond)
	}
	if one == nil || two == nil {
		return fmt.Errorf("%s: no held and active call to join", p.name)
	}
	return p.command("call-transfer " + one.id + " " + two.id)
}

// find returns the latest call in one of the states, or nil.
func (p *Linphone) find(states ...state) *linphoneCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found *linphoneCall
	for _, c := range p.calls {
		for _, s := range states {
			if c.state == s {
				found = c
			}
		}
	}
	return found
}

// command has the phone do something, and returns its refusal.
func (p *Linphone) command(text string) error {
	if _, err := io.WriteString(p.stdin, text+"\n"); err != nil {
		return err
	}
	select {
	case status := <-p.answers:
		if status != "Ok" {
			return fmt.Errorf("%s: %s: %s", p.name, text, status)
		}
		return nil
	case <-time.After(Timeout):
		return fmt.Errorf("%s: %s: no answer", p.name, text)
	}
}

// listen reads what the phone prints: answers to commands, which begin with their Status, and events, of which Event is the line before From and Id.
func (p *Linphone) listen(out io.Reader) {
	var event, from string
	for in := bufio.NewScanner(out); in.Scan(); {
		key, value, _ := strings.Cut(strings.TrimPrefix(in.Text(), "daemon-linphone>"), ": ")
		switch key {
		case "Status":
			if value == "Ok" {
				p.answers <- value
			}
		case "Reason":
			p.answers <- value
		case "Event":
			event, from = value, ""
		case "From":
			from = value
		case "State":
			if value == "LinphoneRegistrationOk" {
				p.add("registered")
			}
		case "Id":
			if event != "" {
				p.happened(event, from, value)
				event = ""
			}
		}
	}
}

// happened takes note of an event of a call.
func (p *Linphone) happened(event, from, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var c *linphoneCall
	for _, o := range p.calls {
		if o.id == id {
			c = o
		}
	}
	start := func(s state) {
		if c == nil {
			p.calls = append(p.calls, &linphoneCall{id, s})
		}
	}
	switch strings.TrimPrefix(event, "LinphoneCall") {
	case "IncomingReceived":
		start(ringing)
		p.add("incoming " + userOf(from))
	case "OutgoingInit":
		start(calling)
	case "OutgoingRinging":
		p.add("ringing")
	case "StreamsRunning":
		if c == nil || c.state == active {
			return
		}
		before := c.state
		if c.state = active; before == held {
			p.add("resumed")
		} else {
			p.add("established")
		}
	case "Paused":
		if c != nil {
			c.state = held
			p.add("held")
		}
	case "End", "Error":
		for i, o := range p.calls {
			if o == c {
				p.calls = append(p.calls[:i:i], p.calls[i+1:]...)
				p.add("ended")
				break
			}
		}
	}
}
