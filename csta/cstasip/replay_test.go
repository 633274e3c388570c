package cstasip

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rccgw/csta"
)

// recorded returns the bytes of a real client: SIPE 1.25, directly connected
// over TCP. Its Via has no branch, its transport is in lower case.
func recorded(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "sipe-"+name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// recordedTag is the To tag that the recording's server gave.
const recordedTag = "ocs1795328289058"

// cseq gives a recorded request another CSeq.
func withCSeq(m string, n int) string {
	head, rest, _ := strings.Cut(m, "CSeq: ")
	_, rest, _ = strings.Cut(rest, " ")
	return head + "CSeq: " + strconv.Itoa(n) + " " + rest
}

// reInvite makes a re-INVITE of the recorded INVITE, as SIPE does every ten
// minutes: the To tag, and a CSeq that has no relation to those before.
func reInvite(t testing.TB, n int) string {
	return withCSeq(strings.Replace(recorded(t, "invite"), "To: <sip:csta-gw@lab.example>", "To: <sip:csta-gw@lab.example>;tag="+recordedTag, 1), n)
}

// The recorded client, over each transport: what it sends is what it sent, but
// over UDP and TLS the transport's name and its port.
func TestReplay(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			order := make(chan string, 100)
			b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
				order <- csta.Name(req)
				if _, ok := req.(*csta.MakeCall); ok {
					// The PBX is quicker than the answer.
					for i := range 3 {
						if err := d.Send(held(i)); err != nil {
							t.Error(err)
						}
					}
				}
				return normal(ctx, d, req)
			}, nil)
			b.newTag = func() string { return recordedTag }
			p := newPeer(t, b.url(network))
			port := p.local[strings.LastIndex(p.local, ":")+1:]
			adapt := func(m string) string {
				if network == tcpNet {
					return m
				}
				return strings.NewReplacer("SIP/2.0/tcp", "SIP/2.0/"+network, "33924", port, "transport=tcp", "transport="+network).Replace(m)
			}
			get := func(name string) string { return adapt(recorded(t, name)) }

			p.send(get("invite"))
			ok := p.response(200, invite, 1)
			if !strings.Contains(string(ok.body), "<systemStatus>normal</systemStatus>") {
				t.Errorf("INVITE answered with %s", ok.body)
			}
			if want := "<sip:alice@lab.example>;tag=3170934053;epid=9e33288b9e49"; ok.from != want {
				t.Errorf("From %q, want %q", ok.from, want)
			}
			if want := "Session-Expires"; ok.header("session-expires") != "1800;refresher=uac" {
				t.Errorf("%s: %q", want, ok.header("session-expires"))
			}
			s := b.session()
			if s.d.Line != "tel:1001;phone-context=dialstring" {
				t.Errorf("line %q", s.d.Line)
			}

			// ACK and two INFOs in one piece.
			p.send(get("ack"), get("info-GetCSTAFeatures"), get("info-MonitorStart"))
			p.response(200, info, 2)
			p.response(200, info, 3)

			// The answer, then the events it caused.
			p.send(get("info-MakeCall"))
			if m := p.response(200, info, 5); !strings.Contains(string(m.body), "<deviceID>tel:1001;phone-context=dialstring</deviceID>") {
				t.Errorf("MakeCall answered with %s", m.body)
			}
			last := uint32(0)
			for i := range 3 {
				ev := p.request(info)
				if !strings.Contains(string(ev.body), "<callID>"+strconv.Itoa(i)+"</callID>") || ev.cseq <= last {
					t.Errorf("event %d is %s", i, ev.brief())
				}
				if ev.from != "<sip:csta-gw@lab.example>;tag="+recordedTag || ev.to != ok.from {
					t.Errorf("event from %q to %q", ev.from, ev.to)
				}
				last = ev.cseq
				if network == udpNet {
					p.ok(ev, 200, "") // else the next would wait half a second
				}
			}

			// The CSeq starts again after each re-INVITE.
			for range 2 {
				p.send(adapt(reInvite(t, 5)))
				p.response(200, invite, 5)
				p.send(get("ack"), get("info-GetCSTAFeatures"), get("info-MonitorStart"))
				p.response(200, info, 2)
				p.response(200, info, 3)
			}
			p.send(get("info-MonitorStop"), get("bye"))
			// BYE overtakes, but what came before it is served.
			seen := map[string]bool{}
			for range 2 {
				m := p.next()
				seen[m.brief()[:3]+m.method] = true
			}
			if !seen["200"+info] || !seen["200"+bye] {
				t.Errorf("MonitorStop and BYE were answered by %v", seen)
			}
			b.closedWith(ErrBye)
			want := []string{"RequestSystemStatus", "GetCSTAFeatures", "MonitorStart", "MakeCall"}
			for range 2 {
				want = append(want, "RequestSystemStatus", "GetCSTAFeatures", "MonitorStart")
			}
			for _, w := range append(want, "MonitorStop") {
				if got := within(t, order, w); got != w {
					t.Fatalf("served %s in the place of %s", got, w)
				}
			}
		})
	}
}
