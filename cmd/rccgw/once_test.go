package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx/asterisk/asterisktest"
	"rccgw/pbx/pbxtest"
)

// A rawDialog is a client's dialog of which every byte is in the test's hands.
type rawDialog struct {
	t       *testing.T
	network string
	to      string
	conn    net.Conn
	in      *bufio.Reader
	id, tag string
}

// rawOpen opens a dialog for the line.
func (g *gatewayUnderTest) rawOpen(network, line string) *rawDialog {
	g.t.Helper()
	d := &rawDialog{t: g.t, network: network, to: g.sip[network], id: fmt.Sprintf("once-%d", time.Now().UnixNano())}
	d.connect()
	status := fmt.Sprintf(`<RequestSystemStatus xmlns="%s"><extensions><privateData><private><lcs:line xmlns:lcs="http://schemas.microsoft.com/Lcs/2005/04/RCCExtension">%s</lcs:line></private></privateData></extensions></RequestSystemStatus>`, cstaNamespace, line)
	d.send(d.request("INVITE", 1, "z9hG4bK-invite", status))
	m := d.answer("INVITE", 1)
	if !strings.HasPrefix(m.start, "SIP/2.0 200") {
		g.t.Fatalf("INVITE: %s", m.start)
	}
	_, d.tag, _ = strings.Cut(m.get("To"), ";tag=")
	d.send(d.request("ACK", 1, "z9hG4bK-ack", ""))
	return d
}

const cstaNamespace = "http://www.ecma-international.org/standards/ecma-323/csta/ed3"

// connect opens another connection, or socket.
func (d *rawDialog) connect() {
	d.t.Helper()
	c, err := net.Dial(d.network, d.to)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		d.t.Fatal(err)
	}
	d.conn, d.in = c, bufio.NewReader(c)
}

// request is a request of the dialog, byte by byte the same for the same
// arguments and connection.
func (d *rawDialog) request(method string, cseq int, branch, body string) string {
	m := &sipText{start: method + " sip:csta@127.0.0.1 SIP/2.0", headers: []string{
		"Via: SIP/2.0/" + strings.ToUpper(d.network) + " " + d.conn.LocalAddr().String() + ";branch=" + branch, "Max-Forwards: 70",
		"From: <sip:client@127.0.0.1>;tag=c1", "To: <sip:csta@127.0.0.1>", "Call-ID: " + d.id, fmt.Sprint("CSeq: ", cseq, " ", method),
		"Contact: <sip:client@" + d.conn.LocalAddr().String() + ";transport=" + d.network + ">", "Supported: timer"}, body: body}
	if d.tag != "" {
		m.set("To", m.get("To")+";tag="+d.tag)
	}
	if body != "" {
		m.set("Content-Type", "application/csta+xml")
	}
	return m.String()
}

func (d *rawDialog) send(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d.conn, text); err != nil {
		d.t.Fatal(err)
	}
}

// answer waits for the final answer to a request, passing over everything else.
func (d *rawDialog) answer(method string, cseq int) *sipText {
	d.t.Helper()
	for {
		m, err := readSIP(d.in)
		if err != nil {
			d.t.Fatalf("no answer to %s %d: %v", method, cseq, err)
		}
		if !m.request() && m.method() == method && m.cseq() == cseq && !strings.HasPrefix(m.start, "SIP/2.0 1") {
			return m
		}
	}
}

// ask sends a request and returns what its answer carries.
func (d *rawDialog) ask(method string, cseq int, branch, body string) (start, answer string) {
	d.t.Helper()
	d.send(d.request(method, cseq, branch, body))
	m := d.answer(method, cseq)
	return m.start, m.body
}

func makeCallBody(number string) string {
	return fmt.Sprintf(`<MakeCall xmlns="%s"><callingDevice>tel:1001</callingDevice><calledDirectoryNumber>tel:%s</calledDirectoryNumber></MakeCall>`, cstaNamespace, number)
}

// A command that arrives again is not executed again, whatever way it came:
// counted at the phone that a real Asterisk rings for MakeCall.
func TestAsteriskOnce(t *testing.T) {
	o := newOffice(t, nil)
	phone := o.Deskphone(t, "1001")
	g := startGateway(t, o.vars...)
	calls := 0
	executed := func(what string) {
		t.Helper()
		calls++
		phone.Wait("incoming")
		if n := phone.Count("incoming"); n != calls {
			t.Errorf("%s: the phone rang %d times, want %d", what, n, calls)
		}
	}
	for _, network := range []string{"udp", "tcp"} {
		d := g.rawOpen(network, "tel:1001")
		cseq := 2
		same := func(what, branch string) func(what, branch string) {
			_, first := d.ask("INFO", cseq, branch, makeCallBody("1002"))
			if !strings.Contains(first, "MakeCallResponse") {
				t.Fatalf("%s, %s: %s", network, what, first)
			}
			return func(what, branch string) {
				t.Helper()
				if start, again := d.ask("INFO", cseq, branch, makeCallBody("1002")); again != first {
					t.Errorf("%s, %s: answered %s\n%s\nwant\n%s", network, what, start, again, first)
				}
			}
		}
		again := same("first", "z9hG4bK-1")
		again("retransmitted", "z9hG4bK-1")
		again("retransmitted", "z9hG4bK-1")
		again("over another branch", "z9hG4bK-2")
		d.connect()
		again("over another connection", "z9hG4bK-1")
		again("over another connection and branch", "z9hG4bK-3")
		executed(network + ", repeated")

		if start, body := d.ask("INFO", cseq, "z9hG4bK-4", makeCallBody("1003")); !strings.HasPrefix(start, "SIP/2.0 500") {
			t.Errorf("%s: another command under the same CSeq: %s\n%s", network, start, body)
		}
		phone.Hangup()
		phone.Wait("ended")
		// After a re-INVITE the same CSeq is another request.
		if start, _ := d.ask("INVITE", 7, "z9hG4bK-5", ""); !strings.HasPrefix(start, "SIP/2.0 200") {
			t.Fatalf("%s: re-INVITE: %s", network, start)
		}
		d.send(d.request("ACK", 1, "z9hG4bK-6", ""))
		if _, body := d.ask("INFO", cseq, "z9hG4bK-7", makeCallBody("1003")); !strings.Contains(body, "MakeCallResponse") {
			t.Errorf("%s: after a re-INVITE: %s", network, body)
		}
		executed(network + ", after a re-INVITE")
		phone.Hangup()
		phone.Wait("ended")
	}
}

// Adapter or gateway are killed between the intent, the command and the answer:
// never is there a second call, and what cannot be known is said to be uncertain.
func TestAsteriskOnceKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		sent   bool // the link stands still behind the command, not before it
		victim string
		calls  int // at the PBX, after all is over
	}{
		{"adapter, before the command", false, "adapter", 0},
		{"adapter, before the answer", true, "adapter", 1},
		{"gateway, before the command", false, "gateway", 1},
		{"gateway, before the answer", true, "gateway", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newParts(t)
			var link *pbxtest.Way
			o := newOffice(t, func(a *asterisktest.Asterisk) string {
				link = a.Link(t)
				return link.Address()
			})
			phone := o.Deskphone(t, "1001")
			run := func(role string) *part {
				t.Helper()
				if role == "gateway" {
					return w.gateway(role)
				}
				return w.start(role, append(o.vars, "RCC_SIP_LISTEN=off")...)
			}
			parts := map[string]*part{"adapter": run("adapter")}
			parts["gateway"] = run("gateway")
			opened := func() *rawDialog {
				// The adapter's entry in the directory may be still on its way.
				eventually(t, "a line", func() bool {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					p, err := cstasip.Dial(ctx, cstasip.ClientConfig{Server: "tcp://" + parts["gateway"].sip["tcp"], Line: "tel:1001"})
					if err != nil {
						return false
					}
					_, err = csta.Call(ctx, p, &csta.SnapshotDevice{SnapshotObject: csta.Device("tel:1001")})
					return errors.Join(err, p.Close(ctx)) == nil
				})
				return parts["gateway"].rawOpen("tcp", "tel:1001")
			}
			d := opened()
			halt := link.Stop("Action: Originate", c.sent)
			command := d.request("INFO", 2, "z9hG4bK-1", makeCallBody("1002"))
			d.send(command)
			<-halt.Reached()
			parts[c.victim].kill()
			if c.victim == "adapter" {
				if m := d.answer("INFO", 2); !strings.Contains(m.body, "uncertain") {
					t.Errorf("the client was told %s\n%s", m.start, m.body)
				}
			}
			if c.victim == "gateway" {
				halt.Pass()
			} else {
				halt.Drop() // what was kept went with the adapter
			}
			if c.calls > 0 {
				phone.Wait("incoming")
			}
			parts[c.victim] = run(c.victim)

			// The client repeats what it asked.
			after := opened()
			if c.victim == "adapter" {
				d.send(command)
				if m := d.answer("INFO", 2); !strings.Contains(m.body, "uncertain") {
					t.Errorf("repeated: %s\n%s", m.start, m.body)
				}
			} else {
				d.to = parts["gateway"].sip["tcp"]
				d.connect()
				if start, body := d.ask("INFO", 2, "z9hG4bK-1", makeCallBody("1002")); !strings.HasPrefix(start, "SIP/2.0 481") {
					t.Errorf("repeated to another process: %s\n%s", start, body)
				}
			}
			// What is true then, is what the PBX has.
			_, snapshot := after.ask("INFO", 2, "z9hG4bK-2", fmt.Sprintf(`<SnapshotDevice xmlns="%s"><snapshotObject>tel:1001</snapshotObject></SnapshotDevice>`, cstaNamespace))
			if n := strings.Count(snapshot, "<connectionIdentifier>"); n != c.calls {
				t.Errorf("the snapshot has %d calls, want %d\n%s", n, c.calls, snapshot)
			}
			if n := strings.Count(o.channels(), "PJSIP/1001-"); n != c.calls || phone.Count("incoming") != c.calls {
				t.Errorf("the PBX has %d calls, the phone rang %d times, want %d", n, phone.Count("incoming"), c.calls)
			}
		})
	}
}
