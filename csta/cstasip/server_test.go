package cstasip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

// The 200 to INVITE says what a client of the field needs.
func TestInviteIsAccepted(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, func(cfg *Config) { cfg.Agent = "rccgw/1" })
			p := newPeer(t, b.url(network))
			c := p.script()
			c.extra = []string{"Supported: timer"}
			m := c.open()
			for name, want := range map[string]string{
				"contact":             "<sip:csta-gw@" + p.remote + ";transport=" + network + ">",
				"allow":               "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, OPTIONS",
				"supported":           "timer",
				"require":             "timer",
				"session-expires":     "1800;refresher=uac",
				"content-type":        "application/csta+xml",
				"content-disposition": "signal;handling=required",
				"server":              "rccgw/1",
			} {
				if got := m.header(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if err := b.session().d.Send(held(1)); err != nil {
				t.Fatal(err)
			}
			ev := p.event(1)
			for name, want := range map[string]string{
				"content-type":        "application/csta+xml",
				"content-disposition": "signal;handling=required",
				"max-forwards":        "70",
			} {
				if got := ev.header(name); got != want {
					t.Errorf("event, %s: %q, want %q", name, got, want)
				}
			}
			if ev.via.transport != strings.ToUpper(network) || fmt.Sprintf("%s:%d", ev.via.host, ev.via.port) != p.remote {
				t.Errorf("event, Via: %v", ev.vias)
			}
		})
	}
}

func TestAdvertisedAddress(t *testing.T) {
	for advertise, want := range map[string]string{"gw.example.com:5070": "gw.example.com:5070", "gw.example.com": "gw.example.com:"} {
		b := newBench(t, nil, func(cfg *Config) { cfg.Advertise = advertise })
		p := newPeer(t, b.url(udpNet))
		m := p.script().open()
		uri, _ := contactOf(m)
		if !strings.HasPrefix(uri, "sip:csta-gw@"+want) {
			t.Errorf("advertised %s: Contact %s", advertise, uri)
		}
		if err := b.session().d.Send(held(1)); err != nil {
			t.Fatal(err)
		}
		if ev := p.event(1); !strings.HasPrefix(ev.vias[0], "SIP/2.0/UDP "+want) {
			t.Errorf("advertised %s: Via %s", advertise, ev.vias[0])
		}
	}
}

// Requests that are not for a CSTA dialog, and what they are told.
func TestRequestsThatAreRefused(t *testing.T) {
	b := newBench(t, nil, nil)
	const sdp = "v=0\r\n"
	csta := body("RequestSystemStatus", "")
	for name, test := range map[string]struct {
		method string
		body   string
		extra  []string
		tag    string
		status int
		header string // of the answer, "name: value"
	}{
		"media":                         {invite, sdp, []string{"Content-Type: application/sdp"}, "", 488, "accept: application/csta+xml"},
		"media without an offer":        {invite, "", nil, "", 415, "accept: application/csta+xml"},
		"chat":                          {invite, "hello", []string{"Content-Type: text/plain"}, "", 415, "accept: application/csta+xml"},
		"multipart without CSTA":        {invite, "--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--\r\n", []string{"Content-Type: multipart/mixed;boundary=x"}, "", 415, "accept: application/csta+xml"},
		"compressed":                    {invite, csta, []string{"Content-Type: application/csta+xml", "Content-Encoding: gzip"}, "", 415, "accept-encoding: identity"},
		"not XML":                       {invite, "hello", nil, "", 400, ""},
		"two roots":                     {invite, csta + csta, nil, "", 400, ""},
		"another namespace":             {invite, "<a/>", nil, "", 400, ""},
		"too large":                     {invite, csta + strings.Repeat(" ", 64<<10), nil, "", 413, ""},
		"an extension is required":      {invite, csta, []string{"Require: 100rel, timer, foo"}, "", 420, "unsupported: 100rel, foo"},
		"an extension in OPTIONS":       {options, "", []string{"Require: foo"}, "", 420, "unsupported: foo"},
		"unknown dialog":                {info, csta, nil, "nobody", 481, ""},
		"unknown dialog, BYE":           {bye, "", nil, "nobody", 481, ""},
		"unknown dialog, re-INVITE":     {invite, csta, nil, "nobody", 481, ""},
		"unknown dialog, UPDATE":        {update, "", nil, "nobody", 481, ""},
		"INFO without a dialog":         {info, csta, nil, "", 481, ""},
		"CANCEL of nothing":             {cancel, "", nil, "", 481, ""},
		"another method":                {"SUBSCRIBE", "", nil, "", 405, "allow: " + allow},
		"another method in a dialog":    {"REFER", "", nil, "nobody", 405, "allow: " + allow},
		"REGISTER, and no registrar":    {"REGISTER", "", nil, "", 405, "allow: " + allow},
		"a method that nobody knows":    {"FROBNICATE", "", nil, "", 405, "allow: " + allow},
		"OPTIONS":                       {options, "", nil, "", 200, "accept: application/csta+xml"},
		"OPTIONS lists methods":         {options, "", nil, "", 200, "allow: " + allow},
		"OPTIONS of an unknown dialog":  {options, "", nil, "nobody", 481, ""},
		"a type with parameters is his": {invite, csta, []string{"Content-Type: Application/CSTA+XML; charset=utf-8"}, "", 200, ""},
		"empty, but of the right type":  {invite, "", []string{"Content-Type: application/csta+xml"}, "", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, network := range networks {
				p := newPeer(t, b.url(network))
				c := p.script()
				c.toTag = test.tag
				if network == udpNet && test.status == 413 {
					continue // no datagram is so large
				}
				p.send(c.write(test.method, 1, test.body, test.extra...))
				m := p.response(test.status, test.method, 1)
				if m.toTag == "" {
					t.Error("an answer without To tag")
				}
				if name, want, ok := strings.Cut(test.header, ": "); ok && m.header(name) != want {
					t.Errorf("%s: %q, want %q", name, m.header(name), want)
				}
				if test.method == invite {
					c.toTag = m.toTag
					p.send(c.write(ack, 1, ""))
				}
			}
		})
	}
}

// What is asked in a dialog, and what it is told.
func TestRequestsInADialog(t *testing.T) {
	unknown := body("MakeCoffee", "")
	for name, test := range map[string]struct {
		style  ErrorStyle
		method string
		body   string
		extra  []string
		status int
		want   string // in the answer's body or headers
	}{
		"empty INFO":                        {"", info, "", nil, 200, ""},
		"empty, of the right type":          {"", info, "", []string{"Content-Type: application/csta+xml"}, 200, ""},
		"not XML":                           {"", info, "<a", nil, 400, ""},
		"too large":                         {"", info, "<a>" + strings.Repeat(" ", 64<<10) + "</a>", nil, 413, ""},
		"another type":                      {"", info, "x", []string{"Content-Type: text/plain"}, 415, "Accept: application/csta+xml"},
		"part of a multipart body":          {"", info, "--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x\r\nContent-Disposition: signal\r\ncontent-type: application/csta+xml\r\n\r\n" + snapshot(9) + "\r\n--x--\r\n", []string{`Content-Type: multipart/mixed; boundary="x"`}, 200, "<serviceCrossRefID>9</serviceCrossRefID>"},
		"refused":                           {"", info, body("AnswerCall", "<callToBeAnswered><callID>1</callID><deviceID>1</deviceID></callToBeAnswered>"), nil, 200, "<CSTAErrorCode"},
		"refused, in SIP":                   {ErrorsInSIP, info, body("AnswerCall", "<callToBeAnswered><callID>1</callID><deviceID>1</deviceID></callToBeAnswered>"), nil, 488, "<operation>serviceNotSupported</operation>"},
		"a message that nobody knows":       {"", info, unknown, nil, 200, "<operation>invalidMsgID</operation>"},
		"the same, in SIP":                  {ErrorsInSIP, info, unknown, nil, 400, "<operation>invalidMsgID</operation>"},
		"incomplete":                        {"", info, body("MakeCall", ""), nil, 200, "<operation>invalidParameterValue</operation>"},
		"a service's SIP status":            {"", info, body("ClearConnection", "<connectionToBeCleared><callID>1</callID><deviceID>1</deviceID></connectionToBeCleared>"), nil, 503, "Retry-After: 7"},
		"OPTIONS":                           {"", options, "", nil, 200, "Allow: " + allow},
		"another method":                    {"", "MESSAGE", "", nil, 405, "Allow: " + allow},
		"an extension":                      {"", info, "", []string{"Require: foo"}, 420, "Unsupported: foo"},
		"media in a re-INVITE":              {"", invite, "v=0\r\n", []string{"Content-Type: application/sdp"}, 488, ""},
		"UPDATE with another type":          {"", update, "x", []string{"Content-Type: text/plain"}, 415, ""},
		"UPDATE with too short an interval": {"", update, "", []string{"Supported: timer", "Session-Expires: 10"}, 422, "Min-SE: 90"},
		"the edition of the client":         {"", info, strings.Replace(snapshot(1), "/ed3", "/ed4", 1), nil, 200, "csta/ed4"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
				if _, ok := req.(*csta.ClearConnection); ok {
					return nil, &Refusal{Status: 503, RetryAfter: 7 * time.Second}
				}
				return normal(ctx, d, req)
			}, func(cfg *Config) { cfg.ErrorStyle = test.style })
			p := newPeer(t, b.url(tcpNet))
			c := p.script()
			c.open()
			p.send(c.write(test.method, 2, test.body, test.extra...))
			m := p.response(test.status, test.method, 2)
			text := string(m.body)
			for _, h := range m.headers {
				text += "\r\n" + h.Name() + ": " + h.Value()
			}
			if !strings.Contains(text, test.want) {
				t.Errorf("answer %s, want %s", text, test.want)
			}
			// The dialog goes on.
			p.send(c.write(info, 3, snapshot(3)))
			p.response(200, info, 3)
		})
	}
}

// Open's error decides how an INVITE is refused; no session is left then.
func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		retry  string
	}{
		"line not allowed": {&Refusal{Status: 403}, 403, ""},
		"unknown line":     {fmt.Errorf("open: %w", &Refusal{Status: 404, Reason: "No\r\nSuch Line"}), 404, ""},
		"PBX away":         {&Refusal{Status: 503, RetryAfter: 1500 * time.Millisecond}, 503, "2"},
		"CSTA, device":     {csta.Errorf(csta.Operation, "invalidDeviceID", ""), 404, ""},
		"CSTA, privilege":  {csta.Errorf(csta.Operation, "privilegeViolationSpecifiedDevice", ""), 403, ""},
		"CSTA, away":       {csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", ""), 503, "10"},
		"anything else":    {errors.New("no"), 500, ""},
		"a strange status": {&Refusal{Status: 200}, 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil, func(cfg *Config) {
				cfg.Open = func(context.Context, *Dialog) (Session, error) { return nil, test.err }
			})
			ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
			defer stop()
			_, err := Dial(ctx, ClientConfig{Server: b.url(tcpNet)})
			var s *StatusError
			if !errors.As(err, &s) || s.Status != test.status {
				t.Fatalf("Dial: %v, want status %d", err, test.status)
			}
			if test.retry != "" && fmt.Sprint(s.RetryAfter.Seconds()) != test.retry {
				t.Errorf("Retry-After %v", s.RetryAfter)
			}
		})
	}
}

// An INVITE whose request is refused with a SIP status has its session closed.
func TestInviteWhoseServiceIsRefused(t *testing.T) {
	b := newBench(t, func(context.Context, *Dialog, csta.Message) (csta.Message, error) {
		return nil, &Refusal{Status: 480}
	}, nil)
	p := newPeer(t, b.url(udpNet))
	c := p.script()
	p.send(c.write(invite, 1, body("RequestSystemStatus", "")))
	c.toTag = p.response(480, invite, 1).toTag
	p.send(c.write(ack, 1, ""))
	b.closedWith(ErrEnded)
}

// CANCEL ends an INVITE that is not answered: 200 and 487, and the session that
// was about to open is closed.
func TestCancel(t *testing.T) {
	for _, network := range []string{udpNet, tcpNet} {
		started := make(chan struct{})
		b := newBench(t, nil, func(cfg *Config) {
			open := cfg.Open
			cfg.Open = func(ctx context.Context, d *Dialog) (Session, error) {
				close(started)
				<-ctx.Done()
				return open(ctx, d) // late, but it opens
			}
		})
		p := newPeer(t, b.url(network))
		c := p.script()
		c.branch = false // RFC 2543: CANCEL is matched without
		p.send(c.write(invite, 1, body("RequestSystemStatus", "")))
		within(t, started, "Open")
		p.send(c.write(cancel, 1, ""))
		p.response(200, cancel, 1)
		m := p.response(487, invite, 1)
		c.toTag = m.toTag
		p.send(c.write(ack, 1, ""))
		b.closedWith(ErrCanceled)
		p.send(c.write(info, 2, ""))
		p.response(481, info, 2)
	}
}

// A refusal is repeated on UDP until its ACK.
func TestRefusalIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
		p := n.host("192.0.2.2").peer(t, b.url(udpNet))
		c := p.script()
		c.branch = false
		p.send(c.write(invite, 1, "", "Content-Type: application/sdp"))
		start := time.Now()
		for range 3 {
			c.toTag = p.response(488, invite, 1).toTag
		}
		if d := time.Since(start); d != 1500*time.Millisecond {
			t.Errorf("the third after %v", d)
		}
		p.send(c.write(ack, 1, ""))
		time.Sleep(time.Minute)
		p.nothing()
	})
}

// A panic in a session costs its request, not the process.
func TestPanics(t *testing.T) {
	t.Run("Open", func(t *testing.T) {
		b := newBench(t, nil, func(cfg *Config) {
			cfg.Open = func(context.Context, *Dialog) (Session, error) { panic("no") }
		})
		p := newPeer(t, b.url(tcpNet))
		p.send(p.script().write(invite, 1, body("RequestSystemStatus", "")))
		p.response(500, invite, 1)
		if n := b.Stats().Panics; n != 1 {
			t.Errorf("%d panics counted", n)
		}
	})
	t.Run("INVITE", func(t *testing.T) {
		b := newBench(t, func(context.Context, *Dialog, csta.Message) (csta.Message, error) { panic("no") }, nil)
		p := newPeer(t, b.url(tcpNet))
		p.send(p.script().write(invite, 1, body("RequestSystemStatus", "")))
		p.response(500, invite, 1)
		b.closedWith(ErrEnded)
	})
	t.Run("INFO", func(t *testing.T) {
		b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
			if s, ok := req.(*csta.SnapshotDevice); ok && s.SnapshotObject.ID == "1" {
				panic("no")
			}
			return normal(ctx, d, req)
		}, nil)
		p := newPeer(t, b.url(tcpNet))
		c := p.script()
		c.open()
		p.send(c.write(info, 2, snapshot(1)), c.write(info, 3, snapshot(2)))
		p.response(500, info, 2)
		p.response(200, info, 3)
	})
	t.Run("Close", func(t *testing.T) {
		b := newBench(t, nil, func(cfg *Config) {
			cfg.Open = func(_ context.Context, d *Dialog) (Session, error) {
				return &panickyClose{fakeSession{d: d, serve: normal}}, nil
			}
		})
		p := newPeer(t, b.url(tcpNet))
		c := p.script()
		c.open()
		p.send(c.write(bye, 2, ""))
		p.response(200, bye, 2)
		for b.Stats().Panics == 0 {
			time.Sleep(time.Millisecond)
		}
	})
}

type panickyClose struct{ fakeSession }

func (*panickyClose) Close(error) { panic("no") }

// Rubbish is counted, answered where that can be, and logged once per peer, and
// never with what it said.
func TestMalformedMessages(t *testing.T) {
	b := newBench(t, nil, nil)
	const secret = "secret-4711"
	good := func(c *script) string { return c.write(options, 1, "") }
	for name, test := range map[string]struct {
		change func(string) string
		status int // zero: no answer
	}{
		"no SIP at all":         {func(string) string { return "GET / HTTP/1.1\r\n\r\n" }, 0},
		"no Call-ID":            {func(m string) string { return strings.Replace(m, "Call-ID", "Call-It", 1) }, 400},
		"two Call-IDs":          {func(m string) string { return strings.Replace(m, "CSeq", "i: "+secret+"\r\nCSeq", 1) }, 400},
		"CSeq of another":       {func(m string) string { return strings.Replace(m, "1 OPTIONS", "1 INVITE", 1) }, 400},
		"CSeq too large":        {func(m string) string { return strings.Replace(m, "1 OPTIONS", "2147483648 OPTIONS", 1) }, 400},
		"CSeq of one word":      {func(m string) string { return strings.Replace(m, "1 OPTIONS", "OPTIONS", 1) }, 400},
		"no From":               {func(m string) string { return strings.Replace(m, "From:", "Form:", 1) }, 400},
		"another version":       {func(m string) string { return strings.Replace(m, " SIP/2.0\r\n", " SIP/7.0\r\n", 1) }, 505},
		"body shorter":          {func(m string) string { return strings.Replace(m, "Length: 0", "Length: 100", 1) + secret }, 400},
		"negative length":       {func(m string) string { return strings.Replace(m, "Length: 0", "Length: -1", 1) + secret }, 400},
		"another scheme":        {func(m string) string { return strings.Replace(m, " sip:csta-gw", " nobody:csta-gw", 1) }, 416},
		"Via without transport": {func(m string) string { return strings.Replace(m, "SIP/2.0/UDP ", "SIP/2.0 ", 1) }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, b.url(udpNet))
			c := p.script()
			p.lenient = true
			p.send(test.change(good(c)))
			if test.status != 0 {
				if m := p.next(); m.status != test.status {
					t.Errorf("answered with %s, want %d", m.brief(), test.status)
				}
				return
			}
			p.send(good(p.script()))
			if m := p.next(); m.status != 200 {
				t.Errorf("answered with %s", m.brief())
			}
		})
	}
	if n := b.Stats().Malformed; n != 11 {
		t.Errorf("%d malformed messages counted", n)
	}
	log := b.log.String()
	if n := strings.Count(log, "malformed SIP message"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log)
	}
	if strings.Contains(log, secret) {
		t.Error("the log tells what the message said")
	}
}

// A stream in which no message can be told from the next is closed; other
// connections are not concerned.
func TestMalformedStream(t *testing.T) {
	b := newBench(t, nil, nil)
	for name, text := range map[string]string{
		"rubbish":              "rubbish rubbish\r\n\r\n",
		"no Content-Length":    "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n\r\n",
		"a body beyond limits": "OPTIONS sip:a SIP/2.0\r\nContent-Length: 999999999\r\n\r\n",
		"endless headers":      "OPTIONS sip:a SIP/2.0\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 300),
		"an endless line":      strings.Repeat("y", 300_000),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, b.url(tcpNet))
			_, _ = p.conn.Write([]byte(text))
			for m := range p.in {
				if m.status < 400 {
					t.Errorf("answered with %s", m.brief())
				}
			}
		})
	}
}

// Keep-alives of RFC 5626, line ends between messages, messages in pieces.
func TestStream(t *testing.T) {
	b := newBench(t, nil, nil)
	p := newPeer(t, b.url(tcpNet))
	c := p.script()
	m := c.open()
	p.send("\r\n")
	p.send("\n", c.write(info, 2, ""), "\n", c.write(info, 3, ""), "\r\n\r\n")
	p.response(200, info, 2)
	p.response(200, info, 3)
	for _, octet := range []byte(c.write(info, 4, snapshot(4))) {
		if _, err := p.conn.Write([]byte{octet}); err != nil {
			t.Fatal(err)
		}
	}
	p.response(200, info, 4)
	_ = m

	raw, err := net.Dial("tcp", p.remote)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write([]byte("\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 10)
	if n, err := raw.Read(pong); err != nil || string(pong[:n]) != "\r\n" {
		t.Errorf("a ping was answered with %q, %v", pong[:n], err)
	}
}

// A start line that comes in two pieces, the second with more than one read
// takes.
func TestStreamInLargePieces(t *testing.T) {
	bubble(t, tcpNet, nil, nil, func(t *testing.T, b *memBench) {
		const requests = 20
		var text strings.Builder
		for i := range requests {
			text.WriteString(b.c.write(info, 2+i, "<!--"+strings.Repeat("x", 2000)+"-->"+snapshot(i)))
		}
		b.p.send(text.String()[:20])
		synctest.Wait()
		b.p.send(text.String()[20:])
		for i := range requests {
			b.p.response(200, info, uint32(2+i))
		}
	})
}

// A connection without a dialog is closed when it is idle, one that stops in the
// middle of a message as well; one with a dialog stays.
func TestIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
		host := n.host("192.0.2.2")
		idle, partial, used := host.peer(t, b.url(tcpNet)), host.peer(t, b.url(tcpNet)), host.peer(t, b.url(tcpNet))
		c := used.script()
		c.extra = []string{"Supported: timer"}
		c.open()
		partial.send("INVITE sip:a")
		synctest.Wait()
		if n := b.Stats().Connections; n != 3 {
			t.Errorf("%d connections", n)
		}
		time.Sleep(messageTimeout + time.Second)
		if _, open := <-partial.in; open {
			t.Error("a message came")
		}
		if n := b.Stats().Connections; n != 2 {
			t.Errorf("%d connections", n)
		}
		time.Sleep(idleTimeout)
		if _, open := <-idle.in; open {
			t.Error("a message came")
		}
		time.Sleep(10 * time.Minute)
		used.send(c.write(bye, 2, ""))
		used.response(200, bye, 2)
		time.Sleep(2 * idleTimeout)
		if n := b.Stats().Connections; n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// Who is no peer is not read.
func TestPeers(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, func(cfg *Config) {
				cfg.Peers = func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }
			})
			_, address, _ := splitListen(b.url(network))
			kind := "tcp"
			if network == udpNet {
				kind = "udp"
			}
			c, err := net.Dial(kind, address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, _ = c.Write([]byte("OPTIONS sip:a SIP/2.0\r\n\r\n"))
			for b.Stats().Refused == 0 {
				time.Sleep(time.Millisecond)
			}
			if b.Stats().Malformed != 0 {
				t.Error("it was read")
			}
			if n := strings.Count(b.log.String(), "peer refused"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t, nil, func(cfg *Config) { cfg.MaxDialogs, cfg.MaxConnections = 1, 2 })
	p := newPeer(t, b.url(tcpNet))
	c := p.script()
	c.open()
	q := p.script()
	p.send(q.write(invite, 1, body("RequestSystemStatus", "")))
	if m := p.response(503, invite, 1); m.header("retry-after") == "" {
		t.Error("503 without Retry-After")
	}
	newPeer(t, b.url(tcpNet))
	for b.Stats().Connections != 2 {
		time.Sleep(time.Millisecond)
	}
	third, err := net.Dial("tcp", p.remote)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was served")
	}
	p.send(c.write(bye, 2, ""))
	p.response(200, bye, 2)
	p.script().open()
}

// Shutdown refuses what is new, waits for what is in service, says BYE to every
// dialog and closes every session.
func TestShutdown(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			started, release := make(chan struct{}), make(chan struct{})
			b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
				if _, ok := req.(*csta.SnapshotDevice); ok {
					close(started)
					<-release
				}
				return normal(ctx, d, req)
			}, nil)
			p := newPeer(t, b.url(network))
			c, other := p.script(), p.script()
			c.open()
			other.open()
			p.send(c.write(info, 2, snapshot(1)))
			within(t, started, "the request")
			down := make(chan error, 1)
			go func() { down <- b.Shutdown(context.Background()) }()
			for draining := false; !draining; {
				b.Server.mu.Lock()
				draining = b.draining
				b.Server.mu.Unlock()
			}
			p.send(p.script().write(invite, 1, body("RequestSystemStatus", "")))
			if m := p.response(503, invite, 1); m.header("retry-after") == "" {
				t.Error("503 without Retry-After")
			}
			select {
			case err := <-down:
				t.Fatalf("Shutdown returned %v before the request was answered", err)
			default:
			}
			close(release)
			got := map[string]int{}
			for range 3 {
				m := p.next()
				for m.method == invite { // 503 again, its ACK was not sent
					m = p.next()
				}
				got[m.method]++
				if m.method == bye {
					p.ok(m, 200, "")
				}
			}
			if got[info] != 1 || got[bye] != 2 {
				t.Errorf("got %v", got)
			}
			if err := within(t, down, "Shutdown"); err != nil {
				t.Error(err)
			}
			b.closedWith(ErrShutdown)
			b.closedWith(ErrShutdown)
		})
	}
}

// Shutdown does not wait for a session that hangs any longer than it is given;
// its context ends.
func TestShutdownHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := newBenchOn(t, n.host("192.0.2.1"), func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
			if _, ok := req.(*csta.SnapshotDevice); ok {
				<-ctx.Done()
			}
			return normal(ctx, d, req)
		}, func(cfg *Config) { cfg.RequestTimeout = time.Hour })
		p := n.host("192.0.2.2").peer(t, b.url(udpNet))
		c := p.script()
		c.open()
		p.send(c.write(info, 2, snapshot(1)))
		synctest.Wait()
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		b.closedWith(ErrShutdown)
	})
}

// Run ends with its context, at once, and leaves nothing.
func TestRunEndsWithItsContext(t *testing.T) {
	closed := make(chan error, 1)
	s, err := NewServer(Config{Listen: []string{"tcp://127.0.0.1:0"}, Open: func(_ context.Context, d *Dialog) (Session, error) {
		return &fakeSession{d: d, serve: normal, closed: closed}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	run := make(chan error, 1)
	go func() { run <- s.Run(ctx) }()
	newPeer(t, s.Addrs()[0]).script().open()
	stop()
	if err := within(t, run, "Run"); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if err := <-closed; !errors.Is(err, ErrShutdown) {
		t.Errorf("closed with %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown after: %v", err)
	}
}

// A dialog that its session ends while it opens is opened and ended.
func TestEndWhileOpening(t *testing.T) {
	b := newBench(t, nil, func(cfg *Config) {
		open := cfg.Open
		cfg.Open = func(ctx context.Context, d *Dialog) (Session, error) {
			d.End(errors.New("not today"))
			return open(ctx, d)
		}
	})
	p := newPeer(t, b.url(tcpNet))
	c := p.script()
	c.open()
	m := p.request(bye)
	p.ok(m, 200, "")
	if got := m.header("reason"); got != `SIP;cause=200;text="not today"` {
		t.Errorf("Reason: %s", got)
	}
	within(t, b.closed, "Close")
}

func TestConfigIsChecked(t *testing.T) {
	open := func(context.Context, *Dialog) (Session, error) { return nil, nil }
	for name, cfg := range map[string]Config{
		"no Open":       {Listen: []string{"udp://127.0.0.1:0"}},
		"no listener":   {Open: open},
		"scheme":        {Open: open, Listen: []string{"http://127.0.0.1:0"}},
		"no scheme":     {Open: open, Listen: []string{"127.0.0.1:5060"}},
		"TLS without":   {Open: open, Listen: []string{"tls://127.0.0.1:0"}},
		"error style":   {Open: open, Listen: []string{"udp://127.0.0.1:0"}, ErrorStyle: "both"},
		"advertised":    {Open: open, Listen: []string{"udp://127.0.0.1:0"}, Advertise: "a b"},
		"advertised, 2": {Open: open, Listen: []string{"udp://127.0.0.1:0"}, Advertise: "a:99999"},
	} {
		if s, err := NewServer(cfg); err == nil {
			t.Errorf("%s: accepted as %v", name, s)
		}
	}
	s, err := NewServer(Config{Open: open, Listen: []string{"udp://192.0.2.250:5060"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil {
		t.Error("listens on an address that is not here")
	}
	for url, want := range map[string]string{"udp://h": "h:5060", "tls://[::1]": "[::1]:5061", "tcp://:7": ":7"} {
		if _, address, err := splitListen(url); err != nil || address != want {
			t.Errorf("%s: %s, %v", url, address, err)
		}
	}
}

// A client may hang up and close its connection at once. What it asked before is
// served, though there is nobody to answer, and nothing is left.
func TestClientThatCloses(t *testing.T) {
	for range 5 {
		served := make(chan string, 10)
		b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
			served <- csta.Name(req)
			return normal(ctx, d, req)
		}, nil)
		p := newPeer(t, b.url(tcpNet))
		c := p.script()
		c.open()
		<-served
		p.send(c.write(info, 2, body("MonitorStop", "<monitorCrossRefID>1</monitorCrossRefID>")), c.write(bye, 3, ""))
		p.conn.Close()
		if got := within(t, served, "the request"); got != "MonitorStop" {
			t.Errorf("served %s", got)
		}
		b.closedWith(ErrBye)
	}
}

// A connection that the gateway gives up is closed, and no word of its peer's.
func TestDiscardedConnection(t *testing.T) {
	b := newBench(t, nil, nil)
	p := newPeer(t, b.url(tcpNet))
	p.script().open()
	b.discard(flow{network: tcpNet, peer: addrPort(p.conn.LocalAddr())})
	for range p.in { // until it is closed
	}
	if s := b.Stats(); s.Malformed != 0 || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
}

// A client that uses a branch twice is served: sipgo takes its second request
// for the first.
func TestBranchUsedTwice(t *testing.T) {
	served := make(chan string, 10)
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if s, ok := req.(*csta.SnapshotDevice); ok {
			served <- s.SnapshotObject.ID
		}
		return normal(ctx, d, req)
	}, nil)
	p := newPeer(t, b.url(udpNet))
	c := p.script()
	c.open()
	one, two := c.write(info, 2, snapshot(1)), c.write(info, 3, snapshot(2))
	branch := func(m string) string {
		_, m, _ = strings.Cut(m, "branch=")
		m, _, _ = strings.Cut(m, "\r\n")
		return m
	}
	p.send(one, strings.Replace(two, branch(two), branch(one), 1))
	for _, want := range []string{"1", "2"} {
		if got := within(t, served, "a request"); got != want {
			t.Errorf("served %s, want %s", got, want)
		}
	}
	p.send(c.write(info, 4, snapshot(3)))
	if got := within(t, served, "a request"); got != "3" {
		t.Errorf("served %s", got)
	}
}

// A request that comes again over another connection while it is served gets
// the answer as well; it is served once.
func TestRepetitionOverAnotherConnection(t *testing.T) {
	started, release := make(chan struct{}, 10), make(chan struct{})
	b := newBench(t, func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error) {
		if _, ok := req.(*csta.SnapshotDevice); ok {
			started <- struct{}{}
			<-release
		}
		return normal(ctx, d, req)
	}, nil)
	p := newPeer(t, b.url(tcpNet))
	c := p.script()
	c.open()
	m := c.write(info, 2, snapshot(1))
	p.send(m)
	within(t, started, "the request")
	p.conn.Close()
	q := newPeer(t, b.url(tcpNet))
	c.p = q
	q.send(strings.Replace(m, p.local, q.local, 1))
	d := b.session().d
	for waits := false; !waits; {
		d.mu.Lock()
		waits = d.busy != nil && len(d.busy.again) == 1
		d.mu.Unlock()
	}
	close(release)
	q.response(200, info, 2)
	if len(started) != 0 {
		t.Error("served twice")
	}
}

// A listener on all addresses names the one that the client reaches it by.
func TestListenerOnAllAddresses(t *testing.T) {
	for _, listen := range []string{"udp://0.0.0.0:0", "udp://:0", "tcp://0.0.0.0:0", "tcp://:0"} {
		t.Run(listen, func(t *testing.T) {
			b := newBench(t, nil, func(cfg *Config) { cfg.Listen = []string{listen} })
			network, address, _ := splitListen(b.Addrs()[0])
			_, port, _ := net.SplitHostPort(address)
			p := newPeer(t, network+"://127.0.0.1:"+port)
			m := p.script().open()
			if uri, _ := contactOf(m); uri != "sip:csta-gw@127.0.0.1:"+port+";transport="+network {
				t.Errorf("Contact %s", uri)
			}
			if err := b.session().d.Send(held(1)); err != nil {
				t.Fatal(err)
			}
			ev := p.event(1)
			if !strings.Contains(ev.vias[0], " 127.0.0.1:"+port+";") {
				t.Errorf("Via %s", ev.vias[0])
			}
			p.ok(ev, 200, "")
		})
	}
}
