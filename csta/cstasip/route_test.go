package cstasip

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

// A proxy is a stateless proxy that stays in the path of the dialogs (RFC 3261
// §16.11): it puts a Record-Route into every request without To tag and follows
// Route. The client speaks one transport to it and the server another, perhaps.
type proxy struct {
	t        testing.TB
	inside   string // URL of the server
	listener net.Listener
	packets  net.PacketConn
	uri      string // its own, in Record-Route

	mu    sync.Mutex
	front map[string]net.Conn // client connections by address
	back  net.Conn            // connection to the server
	seen  []string            // methods that came from the server
	done  sync.WaitGroup
}

// newProxy starts a proxy before the server; the same network on both sides.
func newProxy(t testing.TB, server string, params string) *proxy {
	t.Helper()
	network, address, err := splitListen(server)
	if err != nil {
		t.Fatal(err)
	}
	x := &proxy{t: t, inside: server, front: map[string]net.Conn{}}
	if network == udpNet {
		if x.packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		x.uri = "sip:" + x.packets.LocalAddr().String() + ";transport=udp" + params
		x.done.Go(func() { x.relayPackets(address) })
		t.Cleanup(func() { x.packets.Close(); x.done.Wait() })
		return x
	}
	if network == tlsNet {
		x.listener, err = tls.Listen("tcp", "127.0.0.1:0", serverTLS(t))
	} else {
		x.listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	x.uri = "sip:" + x.listener.Addr().String() + ";transport=" + network + params
	if network == tlsNet {
		x.back, err = tls.Dial("tcp", address, clientTLS(t))
	} else {
		x.back, err = net.Dial("tcp", address)
	}
	if err != nil {
		t.Fatal(err)
	}
	x.done.Go(func() { x.stream(x.back, false) })
	x.done.Go(func() {
		for {
			c, err := x.listener.Accept()
			if err != nil {
				return
			}
			x.mu.Lock()
			x.front[c.RemoteAddr().String()] = c
			x.mu.Unlock()
			x.done.Go(func() { x.stream(c, true) })
		}
	})
	t.Cleanup(func() {
		x.listener.Close()
		x.back.Close()
		x.mu.Lock()
		for _, c := range x.front {
			c.Close()
		}
		x.mu.Unlock()
		x.done.Wait()
	})
	return x
}

// url is where clients connect.
func (x *proxy) url() string {
	network, _, _ := splitListen(x.inside)
	if x.packets != nil {
		return network + "://" + x.packets.LocalAddr().String()
	}
	return network + "://" + x.listener.Addr().String()
}

func (x *proxy) stream(c net.Conn, fromClient bool) {
	stream := newParser().NewSIPStream()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		stream.Write(buf[:n])
		for stream.Buffer().Len() > 0 {
			if b := stream.Buffer(); b.Bytes()[0] == '\n' {
				b.Next(1)
				continue
			}
			m, _, err := stream.ParseNext()
			if err != nil {
				break
			}
			text := m.String()
			key := ""
			if fromClient {
				key = c.RemoteAddr().String()
			}
			out, to := x.forward(text, key)
			if to == "" {
				_, _ = x.back.Write([]byte(out))
				continue
			}
			x.mu.Lock()
			client := x.front[to]
			x.mu.Unlock()
			if client != nil {
				if strings.HasPrefix(out, "SIP/2.0 200 ") && strings.Contains(out, " INVITE\r\n") {
					out = trying(out) + out
				}
				_, _ = client.Write([]byte(out))
			}
		}
	}
}

// trying returns the 100 that a stateful proxy sends before a final response.
func trying(final string) string {
	head, _, _ := strings.Cut(final, "\r\n\r\n")
	kept := []string{"SIP/2.0 100 Trying"}
	for _, l := range strings.Split(head, "\r\n") {
		switch name, _, _ := strings.Cut(l, ":"); name {
		case "Via", "From", "To", "Call-ID", "CSeq":
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"
}

func (x *proxy) relayPackets(server string) {
	inside, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		x.t.Error(err)
		return
	}
	buf := make([]byte, 64<<10)
	for {
		n, from, err := x.packets.ReadFrom(buf)
		if err != nil {
			return
		}
		key := ""
		if from.String() != inside.String() {
			key = from.String()
		}
		out, to := x.forward(string(buf[:n]), key)
		addr := net.Addr(inside)
		if to != "" {
			addr, _ = net.ResolveUDPAddr("udp", to)
		}
		_, _ = x.packets.WriteTo([]byte(out), addr)
	}
}

// forward changes a message as a proxy does, and returns the client to give it
// to; empty: the server. client is who it came from; empty: the server.
//
// Its Via carries the client in the branch, so it keeps no state.
func (x *proxy) forward(text, client string) (out, to string) {
	head, rest, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	request := !strings.HasPrefix(lines[0], "SIP/2.0")
	via := "Via: SIP/2.0/" + strings.ToUpper(strings.SplitN(x.inside, ":", 2)[0]) + " " + strings.TrimPrefix(strings.SplitN(x.uri, ";", 2)[0], "sip:")
	var kept []string
	if !request {
		// Drop our Via; a response to the client goes to who our branch says.
		dropped := false
		for _, l := range lines {
			if !dropped && strings.HasPrefix(l, "Via: ") {
				dropped = true
				if i := strings.Index(l, "branch=z9hG4bKclient-"); i >= 0 {
					to, _, _ = strings.Cut(l[i+len("branch=z9hG4bKclient-"):], "-x-")
					to = strings.ReplaceAll(to, "_", ":")
				}
				continue
			}
			kept = append(kept, l)
		}
		return strings.Join(kept, "\r\n") + "\r\n\r\n" + rest, to
	}
	serial := strconv.FormatInt(time.Now().UnixNano(), 36)
	if client != "" {
		via += ";branch=z9hG4bKclient-" + strings.ReplaceAll(client, ":", "_") + "-x-" + serial
	} else {
		x.mu.Lock()
		x.seen = append(x.seen, strings.SplitN(lines[0], " ", 2)[0])
		x.mu.Unlock()
		via += ";branch=z9hG4bKserver" + serial
		uri := strings.Fields(lines[0])[1]
		if strict := !strings.HasSuffix(x.uri, ";lr"); strict != strings.HasPrefix(uri, x.uri) {
			x.t.Errorf("Request-URI %s, strict %v", uri, strict)
		}
		if strings.HasPrefix(uri, x.uri) { // a strict router finds the target in the last Route
			for i := len(lines) - 1; i > 0; i-- {
				if l, ok := strings.CutPrefix(lines[i], "Route: <"); ok {
					uri = strings.TrimSuffix(l, ">")
					lines[i] = "X-Was: Route"
					break
				}
			}
			lines[0] = strings.Fields(lines[0])[0] + " " + uri + " SIP/2.0"
		}
		host, port, _ := hopAddress(uri, "")
		to = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	kept = append(kept, lines[0], via)
	if !strings.Contains(head, "To: <sip:csta-gw@lab.example>;tag") && client != "" {
		kept = append(kept, "Record-Route: <"+x.uri+">")
	}
	for _, l := range lines[1:] {
		if strings.HasPrefix(l, "Route: <"+x.uri) {
			continue
		}
		kept = append(kept, l)
	}
	return strings.Join(kept, "\r\n") + "\r\n\r\n" + rest, to
}

// A stateful proxy says 100 right before the 200: the one may overtake the other
// inside, and the dialog is open all the same.
func TestDialThroughProxy(t *testing.T) {
	b := newBench(t, nil, nil)
	x := newProxy(t, b.url(tcpNet), ";lr")
	for range 300 {
		c := b.dial(tcpNet, func(cfg *ClientConfig) { cfg.Server = x.url() })
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.session()
		b.closedWith(ErrBye)
	}
}

// The recorded client behind a proxy: events go by the route set, over the
// proxy's own connection.
func TestReplayThroughProxy(t *testing.T) {
	for _, kind := range []string{";lr", ""} {
		for _, network := range networks {
			t.Run(network+kind, func(t *testing.T) {
				b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
					if _, ok := req.(*csta.MakeCall); ok {
						if err := d.Send(held(1)); err != nil {
							t.Error(err)
						}
					}
					return normal(ctx, d, req)
				}, nil)
				b.newTag = func() string { return recordedTag }
				x := newProxy(t, b.url(network), kind)
				p := newPeer(t, x.url())
				port := p.local[strings.LastIndex(p.local, ":")+1:]
				get := func(m string) string {
					return strings.NewReplacer("SIP/2.0/tcp", "SIP/2.0/"+network, "33924", port, "transport=tcp", "transport="+network).Replace(m)
				}
				p.send(get(recorded(t, "invite")))
				ok := p.response(200, invite, 1)
				if got := ok.header("record-route"); got != "<"+x.uri+">" {
					t.Errorf("Record-Route %q", got)
				}
				p.send(get(recorded(t, "ack")), get(recorded(t, "info-GetCSTAFeatures")), get(recorded(t, "info-MonitorStart")))
				seen := map[uint32]bool{}
				for range 2 {
					m := p.next()
					seen[m.cseq] = m.status == 200
				}
				if !seen[2] || !seen[3] {
					t.Errorf("answered %v", seen)
				}
				for n := range 2 {
					p.send(get(recorded(t, "info-MakeCall")))
					p.response(200, info, 5)
					m := p.event(1)
					if got, want := m.uri.String(), "sip:alice@lab.example:"+port+";maddr=127.0.0.1;transport="+network; got != want {
						t.Errorf("Request-URI %s, want %s", got, want)
					}
					if m.header("route") != "" {
						t.Errorf("Route %s", m.header("route"))
					}
					p.ok(m, 200, "")
					if n == 0 {
						p.send(get(reInvite(t, 5)))
						p.response(200, invite, 5)
						p.send(get(recorded(t, "ack")))
					}
				}
				if network != udpNet && b.Stats().Connections != 1 {
					t.Errorf("%d connections", b.Stats().Connections)
				}
				x.mu.Lock()
				got := fmt.Sprint(x.seen)
				x.mu.Unlock()
				if got != "[INFO INFO]" {
					t.Errorf("the proxy saw %s", got)
				}
				p.send(get(recorded(t, "bye")))
				p.response(200, bye, 7)
				b.closedWith(ErrBye)
			})
		}
	}
}

// The way to a client: its own connection, its Contact, its route set, in every
// combination that was thought of.
func TestWayToTheClient(t *testing.T) {
	type hop struct{ to string }
	sock := new(socket)
	own := new(conn)
	source := "198.51.100.7:40000"
	for name, test := range map[string]struct {
		network string
		vias    []string
		contact string
		routes  []string
		want    hop // to: own, an address, or empty for "not known yet"
	}{
		"TCP, direct": {
			tcpNet, []string{"SIP/2.0/tcp 198.51.100.7:40000"}, "sip:a@lab.example:33924;maddr=127.0.0.1;transport=tcp", nil, hop{to: "own"},
		},
		"TCP, the proxy beside us does not record": {
			tcpNet, []string{"SIP/2.0/TCP p;branch=z9hG4bK1", "SIP/2.0/TCP c"}, "sip:a@203.0.113.9:5070;transport=tcp", nil, hop{},
		},
		"TCP, the route is the proxy beside us": {
			tcpNet, []string{"SIP/2.0/TCP 198.51.100.7", "SIP/2.0/TCP c"}, "sip:a@203.0.113.9", []string{"<sip:198.51.100.7;transport=tcp;lr>"}, hop{to: "own"},
		},
		"TCP, the same by name": {
			tcpNet, []string{"SIP/2.0/TCP Proxy.example", "SIP/2.0/TCP c"}, "sip:a@203.0.113.9", []string{"<sip:proxy.example;transport=tcp;lr>"}, hop{to: "own"},
		},
		"TCP, the route is another": {
			tcpNet, []string{"SIP/2.0/TCP 198.51.100.7", "SIP/2.0/TCP c"}, "sip:a@203.0.113.9", []string{"<sip:198.51.100.8;transport=tcp;lr>"}, hop{},
		},
		"UDP, direct": {
			udpNet, []string{"SIP/2.0/UDP 198.51.100.7:5070"}, "sip:a@198.51.100.7:5070", nil, hop{to: "198.51.100.7:5070"},
		},
		"UDP, Contact without port": {
			udpNet, []string{"SIP/2.0/UDP 198.51.100.7"}, "sip:a@198.51.100.7", nil, hop{to: "198.51.100.7:5060"},
		},
		"UDP, behind a NAT": {
			udpNet, []string{"SIP/2.0/UDP 10.0.0.5:5060"}, "sip:a@10.0.0.5:5060", nil, hop{to: source},
		},
		"UDP, Contact by name": {
			udpNet, []string{"SIP/2.0/UDP alice-pc"}, "sip:a@alice-pc", nil, hop{to: source},
		},
		"UDP, Contact elsewhere on purpose": {
			udpNet, []string{"SIP/2.0/UDP 198.51.100.7"}, "sip:a@203.0.113.9", nil, hop{to: "203.0.113.9:5060"},
		},
		"UDP, maddr": {
			udpNet, []string{"SIP/2.0/UDP 198.51.100.7"}, "sip:a@lab.example:6000;maddr=203.0.113.9", nil, hop{to: "203.0.113.9:6000"},
		},
		"UDP, Contact on TCP": {
			udpNet, []string{"SIP/2.0/UDP 198.51.100.7"}, "sip:a@198.51.100.7;transport=tcp", nil, hop{},
		},
		"UDP, route": {
			udpNet, []string{"SIP/2.0/UDP 198.51.100.7", "SIP/2.0/UDP c"}, "sip:a@10.0.0.5", []string{"<sip:198.51.100.7:5080;lr>", "<sip:203.0.113.9;lr>"}, hop{to: "198.51.100.7:5080"},
		},
		"UDP, route by the name of the proxy beside us": {
			udpNet, []string{"SIP/2.0/UDP proxy.example:5060", "SIP/2.0/UDP c"}, "sip:a@10.0.0.5", []string{"<sip:proxy.example:5080;lr>"}, hop{to: "198.51.100.7:5080"},
		},
		"UDP, route by another name": {
			udpNet, []string{"SIP/2.0/UDP 198.51.100.7", "SIP/2.0/UDP c"}, "sip:a@10.0.0.5", []string{"<sip:proxy.example:5080;lr>"}, hop{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &message{vias: test.vias, flow: flow{network: test.network, peer: addrPort(net.TCPAddrFromAddrPort(mustAddrPort(source)))}}
			m.via, _ = parseVia(test.vias[0])
			if test.network == udpNet {
				m.flow.sock = sock
			} else {
				m.flow.conn = own
				own.network = test.network
			}
			l := &leg{target: test.contact, routes: test.routes}
			l.adopt(m)
			got := ""
			switch {
			case l.flow.conn != nil:
				got = "own"
			case l.flow.peer.IsValid():
				got = l.flow.peer.String()
			}
			if got != test.want.to {
				t.Errorf("goes to %q, want %q", got, test.want.to)
			}
		})
	}
}

// A connection that is lost is opened again to the Contact; where that cannot
// be, the dialog is over.
func TestLostConnection(t *testing.T) {
	for name, back := range map[string]bool{"opened again": true, "not to be opened": false} {
		for _, network := range []string{tcpNet, tlsNet} {
			t.Run(name+" "+network, func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				if network == tlsNet {
					l = tls.NewListener(l, serverTLS(t))
				}
				defer l.Close()
				b := newBench(t, nil, nil)
				first := newPeer(t, b.url(network))
				c := first.script()
				c.contact = l.Addr().String()
				c.open()
				s := b.session()
				if err := s.d.Send(held(0)); err != nil {
					t.Fatal(err)
				}
				first.ok(first.event(0), 200, "")
				for b.Stats().EventsAnswered == 0 {
					time.Sleep(time.Millisecond)
				}
				first.conn.Close()
				for b.Stats().Connections != 0 {
					time.Sleep(time.Millisecond)
				}
				if !back {
					l.Close()
				}
				if err := s.d.Send(held(1)); err != nil {
					t.Fatal(err)
				}
				if !back {
					b.closedWith(ErrGone)
					return
				}
				again, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				p := newPeerOn(t, again)
				m := p.event(1)
				if want := fmt.Sprintf("SIP/2.0/%s %s;", strings.ToUpper(network), first.remote); !strings.HasPrefix(m.vias[0], want) {
					t.Errorf("Via %s", m.vias[0])
				}
				p.ok(m, 200, "")
				// The next one goes the same way.
				if err := s.d.Send(held(2)); err != nil {
					t.Fatal(err)
				}
				p.ok(p.event(2), 200, "")
			})
		}
	}
}

// A client may come back over another connection: events follow it.
func TestClientComesBack(t *testing.T) {
	bubble(t, tcpNet, nil, nil, func(t *testing.T, b *memBench) {
		b.p.conn.Close()
		p := b.n.host("192.0.2.2").peer(t, b.url(tcpNet))
		b.c.p = p
		p.send(b.c.write(info, 2, snapshot(1)))
		p.response(200, info, 2)
		b.send(t, 1, 2)
		p.ok(p.event(1), 200, "")
	})
}

// An event under way when the connection of a client that answers is lost may
// be lost with it: the dialog ends.
func TestEventLostWithItsConnection(t *testing.T) {
	bubble(t, tcpNet, nil, nil, func(t *testing.T, b *memBench) {
		b.send(t, 0, 1)
		b.p.ok(b.p.event(0), 200, "")
		synctest.Wait()
		b.send(t, 1, 2)
		b.p.event(1)
		b.p.conn.Close()
		b.closedWith(ErrGone)
	})
}
