package cstasip

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

// What is agreed on, for each thing that a client may offer (RFC 4028 §9).
func TestSessionTimerIsAgreedOn(t *testing.T) {
	const uac, uas = "1800;refresher=uac", "1800;refresher=uas"
	for name, test := range map[string]struct {
		headers  string
		expires  string // Session-Expires of the 200
		require  string
		status   int
		interval time.Duration
		ours     bool
	}{
		"supported, nothing offered":       {"Supported: timer", uac, "timer", 200, 30 * time.Minute, false},
		"nothing said":                     {"", uas, "", 200, 30 * time.Minute, true},
		"compact forms":                    {"k: 100rel, timer\nx: 600", "600;refresher=uac", "timer", 200, 10 * time.Minute, false},
		"shorter than ours":                {"Supported: timer\nSession-Expires: 600", "600;refresher=uac", "timer", 200, 10 * time.Minute, false},
		"longer than ours":                 {"Supported: timer\nSession-Expires: 7200", uac, "timer", 200, 30 * time.Minute, false},
		"the client wants us to refresh":   {"Supported: timer\nSession-Expires: 600;refresher=uas", "600;refresher=uas", "", 200, 10 * time.Minute, true},
		"the client will refresh":          {"Supported: timer\nSession-Expires: 600;refresher=uac", "600;refresher=uac", "timer", 200, 10 * time.Minute, false},
		"too short":                        {"Supported: timer\nSession-Expires: 60", "", "", 422, 0, false},
		"too short, from a proxy":          {"Session-Expires: 60", "90;refresher=uas", "", 200, 90 * time.Second, true},
		"the client's least is over ours":  {"Supported: timer\nMin-SE: 3600", "3600;refresher=uac", "timer", 200, time.Hour, false},
		"Require instead of Supported":     {"Require: timer\nSession-Expires: 600", "600;refresher=uac", "timer", 200, 10 * time.Minute, false},
		"nonsense":                         {"Supported: timer\nSession-Expires: soon", "", "", 400, 0, false},
		"parameters that nobody knows":     {"Supported: timer\nSession-Expires: 600;x=y;refresher=uac", "600;refresher=uac", "timer", 200, 10 * time.Minute, false},
		"the least, exactly":               {"Supported: timer\nSession-Expires: 90", "90;refresher=uac", "timer", 200, 90 * time.Second, false},
		"too short even for Require":       {"Require: timer\nSession-Expires: 1", "", "", 422, 0, false},
		"SIPE: atoi reads up to semicolon": {"Supported: timer", uac, "timer", 200, 30 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil, nil)
			p := newPeer(t, b.url(tcpNet))
			c := p.script()
			if test.headers != "" {
				c.extra = strings.Split(test.headers, "\n")
			}
			p.send(c.write(invite, 1, body("RequestSystemStatus", "")))
			m := p.response(test.status, invite, 1)
			c.toTag = m.toTag
			p.send(c.write(ack, 1, ""))
			if test.status == 422 && m.header("min-se") != "90" {
				t.Errorf("Min-SE %q", m.header("min-se"))
			}
			if test.status != 200 {
				return
			}
			if got := m.header("session-expires"); got != test.expires {
				t.Errorf("Session-Expires %q, want %q", got, test.expires)
			}
			if got := m.header("require"); got != test.require {
				t.Errorf("Require %q, want %q", got, test.require)
			}
			if !m.lists("supported", "timer") {
				t.Error("timer is not listed as supported")
			}
			d := b.session().d
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.expiry.interval != test.interval || d.expiry.ours != test.ours {
				t.Errorf("agreed on %v, ours %v", d.expiry.interval, d.expiry.ours)
			}
		})
	}
}

// Every kind of keep-alive of the field keeps a dialog; silence ends it shortly
// before the interval is over, with BYE.
func TestKeepAlive(t *testing.T) {
	for name, test := range map[string]struct {
		method, body string
		every        time.Duration
	}{
		"re-INVITE with RequestSystemStatus": {invite, body("RequestSystemStatus", ""), 10 * time.Minute},
		"re-INVITE a minute before":          {invite, body("RequestSystemStatus", ""), 29 * time.Minute},
		"re-INVITE without body":             {invite, "", 10 * time.Minute},
		"UPDATE without body":                {update, "", 25 * time.Minute},
		"UPDATE with body":                   {update, body("SystemStatus", "<systemStatus>normal</systemStatus>"), 25 * time.Minute},
		"INFO with RequestSystemStatus":      {info, body("RequestSystemStatus", ""), 25 * time.Minute},
		"INFO with SystemStatus":             {info, body("SystemStatus", "<systemStatus>normal</systemStatus>"), 25 * time.Minute},
		"OPTIONS":                            {options, "", 25 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, udpNet, nil, nil, func(t *testing.T, b *memBench) {
				for i := 2; i < 6; i++ {
					time.Sleep(test.every)
					b.p.send(b.c.write(test.method, i, test.body))
					m := b.p.response(200, test.method, uint32(i))
					if test.method == invite {
						b.p.send(b.c.write(ack, 1, ""))
					}
					if test.method != invite && test.method != update {
						continue
					}
					if got := m.header("session-expires"); got != "1800;refresher=uac" {
						t.Errorf("Session-Expires %q", got)
					}
					if answered := strings.Contains(string(m.body), "Response"); answered != (test.body != "") {
						t.Errorf("answered with %s", m.body)
					}
				}
				start := time.Now()
				time.Sleep(30*time.Minute - 33*time.Second)
				b.p.nothing()
				b.p.ok(b.p.request(bye), 200, "")
				if d := time.Since(start); d != 30*time.Minute-32*time.Second {
					t.Errorf("ended after %v", d)
				}
				b.closedWith(ErrExpired)
			})
		})
	}
}

// A client that does not support session timers is refreshed by us: with UPDATE
// if it allows it, else with a re-INVITE that carries SystemStatus.
func TestWeRefresh(t *testing.T) {
	for name, test := range map[string]struct {
		allow  string
		method string
		status int // of the answer; zero: none
		gone   error
		bye    bool
	}{
		"UPDATE":                          {"INVITE, ACK, BYE, INFO, UPDATE", update, 200, nil, false},
		"re-INVITE":                       {"INVITE, ACK, BYE, INFO", invite, 200, nil, false},
		"re-INVITE where nothing is said": {"", invite, 200, nil, false},
		"refused, but there":              {"", invite, 488, nil, false},
		"unknown dialog":                  {"UPDATE", update, 481, ErrGone, false},
		"unknown dialog, re-INVITE":       {"", invite, 481, ErrGone, false},
		"not reached by the proxy":        {"UPDATE", update, 408, ErrGone, true},
		"no answer":                       {"UPDATE", update, 0, ErrGone, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, network := range []string{udpNet, tcpNet} {
				synctest.Test(t, func(t *testing.T) {
					n := newMemNet()
					b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
					p := n.host("192.0.2.2").peer(t, b.url(network))
					c := p.script()
					if test.allow != "" {
						c.extra = []string{"Allow: " + test.allow}
					}
					c.open()
					for range 3 {
						start := time.Now()
						time.Sleep(15*time.Minute - 1)
						p.nothing()
						m := p.request(test.method)
						if d := time.Since(start); d != 15*time.Minute {
							t.Errorf("refreshed after %v", d)
						}
						if got := m.header("session-expires"); got != "1800;refresher=uac" {
							t.Errorf("Session-Expires %q", got)
						}
						if uri, ok := contactOf(m); !ok || uri != "sip:csta-gw@192.0.2.1:5060;transport="+network {
							t.Errorf("Contact %q", uri)
						}
						if test.method == invite && !strings.Contains(string(m.body), "<systemStatus>normal</systemStatus>") {
							t.Errorf("re-INVITE with %s", m.body)
						}
						if test.status != 0 {
							p.ok(m, test.status, "Contact: <sip:alice@"+p.local+">\r\n")
							if test.method == invite {
								a := p.request(ack)
								if a.cseq != m.cseq || (a.via.branch == m.via.branch) != (test.status >= 300) {
									t.Errorf("ACK %s for %s", a.brief(), m.brief())
								}
							}
						}
						if test.gone != nil {
							break
						}
					}
					if test.gone == nil {
						return
					}
					b.closedWith(test.gone)
					if test.bye {
						m := p.next()
						for ; m.method != bye; m = p.next() { // retransmissions
						}
						p.ok(m, 200, "")
					} else {
						time.Sleep(time.Second)
						p.nothing()
					}
				})
			}
		})
	}
}

// A mute client that calls is alive, whatever it leaves unanswered.
func TestRefreshOfAMuteClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
		p := n.host("192.0.2.2").peer(t, b.url(tcpNet))
		c := p.script()
		c.open()
		time.Sleep(15 * time.Minute)
		p.request(invite)
		p.send(c.write(info, 2, snapshot(1)))
		p.response(200, info, 2)
		time.Sleep(patience + time.Second)
		if b.Stats().Dialogs != 1 {
			t.Error("the dialog has ended")
		}
	})
}

// A refresh that the client finds too frequent is asked again, with its
// interval; one that crosses the client's own a little later.
func TestRefreshIsNegotiated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
		p := n.host("192.0.2.2").peer(t, b.url(tcpNet))
		c := p.script()
		c.extra = []string{"Allow: UPDATE"}
		c.open()
		time.Sleep(15 * time.Minute)
		p.ok(p.request(update), 491, "")
		start := time.Now()
		m := p.request(update)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("again after %v", d)
		}
		p.ok(m, 422, "Min-SE: 3600\r\n")
		m = p.request(update)
		if got := m.header("session-expires"); got != "3600;refresher=uac" {
			t.Errorf("Session-Expires %q", got)
		}
		p.ok(m, 200, "Session-Expires: 3600;refresher=uac\r\n")
		start = time.Now()
		time.Sleep(29 * time.Minute)
		m = p.request(update)
		if d := time.Since(start); d != 30*time.Minute {
			t.Errorf("next after %v", d)
		}
		p.ok(m, 405, "")
		time.Sleep(29 * time.Minute)
		p.ok(p.request(invite), 200, "")
		p.request(ack)
	})
}

// A target refresh: events go where the last Contact says.
func TestTargetRefresh(t *testing.T) {
	for _, method := range []string{invite, update} {
		t.Run(method, func(t *testing.T) {
			bubble(t, udpNet, nil, nil, func(t *testing.T, b *memBench) {
				other := b.n.host("192.0.2.2").peer(t, b.url(udpNet))
				b.p.send(strings.Replace(b.c.write(method, 2, ""), "Contact: <sip:alice@"+b.p.local, "Contact: <sip:alice@"+other.local, 1))
				b.p.response(200, method, 2)
				b.send(t, 1, 2)
				m := other.event(1)
				if got := m.uri.String(); got != "sip:alice@"+other.local+";transport=udp" {
					t.Errorf("Request-URI %s", got)
				}
				other.ok(m, 200, "")
			})
		})
	}
}

// The client refreshes before the interval ends, by UPDATE or re-INVITE; it is
// refreshed where it has no session timer; and it ends when the server forgets.
func TestClientSessionTimer(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*ClientConfig)
		method string // that the server sees
	}{
		"UPDATE":    {func(*ClientConfig) {}, update},
		"re-INVITE": {func(c *ClientConfig) { c.RefreshByInvite = true }, invite},
		"none":      {func(c *ClientConfig) { c.SessionExpires = -1 }, ""},
		"too short": {func(c *ClientConfig) { c.SessionExpires = time.Second }, update},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
				e, err := connect(t.Context(), n.host("192.0.2.2"), b.url(udpNet), nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				cfg := ClientConfig{}
				test.change(&cfg)
				c, err := e.Dial(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				before := b.Stats().Requests[Outcome{test.method, 200}]
				time.Sleep(3*time.Hour + time.Minute)
				if err := c.Err(); err != nil {
					t.Fatalf("ended: %v", err)
				}
				if b.Stats().Dialogs != 1 {
					t.Error("the server has ended the dialog")
				}
				if n := b.Stats().Requests[Outcome{test.method, 200}] - before; test.method != "" && n < 10 {
					t.Errorf("refreshed %d times", n)
				}
				if _, err := csta.Call(t.Context(), c, &csta.RequestSystemStatus{}); err != nil {
					t.Error(err)
				}
				b.session().d.End(errors.New("line \"1001\" is gone"))
				<-c.Done()
				if err := c.Err(); !errors.Is(err, ErrBye) || !strings.Contains(err.Error(), "line '1001' is gone") {
					t.Errorf("ended with %v", err)
				}
				if _, err := c.ServeCSTA(context.Background(), &csta.RequestSystemStatus{}); !errors.Is(err, ErrBye) {
					t.Errorf("ServeCSTA on an ended dialog: %v", err)
				}
			})
		})
	}
}
