package cstasip

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"rccgw/csta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakeSession is a session whose behaviour the test writes.
type fakeSession struct {
	d      *Dialog
	serve  func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error)
	closed chan error
}

func (f *fakeSession) ServeCSTA(ctx context.Context, req csta.Message) (csta.Message, error) {
	return f.serve(ctx, f.d, req)
}

func (f *fakeSession) Close(reason error) { f.closed <- reason }

// normal is what most tests' sessions answer.
func normal(_ context.Context, _ *Dialog, req csta.Message) (csta.Message, error) {
	switch req := req.(type) {
	case *csta.RequestSystemStatus:
		return &csta.RequestSystemStatusResponse{SystemStatus: "normal"}, nil
	case *csta.SystemStatus:
		return &csta.SystemStatusResponse{}, nil
	case *csta.GetCSTAFeatures:
		return &csta.GetCSTAFeaturesResponse{}, nil
	case *csta.MonitorStart:
		return &csta.MonitorStartResponse{MonitorCrossRefID: "77"}, nil
	case *csta.MonitorStop:
		return &csta.MonitorStopResponse{}, nil
	case *csta.MakeCall:
		return &csta.MakeCallResponse{CallingDevice: csta.Connection("c1", req.CallingDevice.ID)}, nil
	case *csta.SnapshotDevice:
		return &csta.SnapshotDeviceResponse{CrossRefIDorSnapshotData: &csta.SnapshotDeviceData{ServiceCrossRefID: req.SnapshotObject.ID}}, nil
	}
	return nil, csta.Errorf(csta.Operation, "serviceNotSupported", "%T", req)
}

// A bench is a running server and what its sessions saw.
type bench struct {
	*Server
	t        testing.TB
	log      *logBuffer
	sessions chan *fakeSession // opened
	closed   chan error        // reasons of closed sessions
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serveFunc is what a test gives for ServeCSTA.
type serveFunc = func(ctx context.Context, d *Dialog, req csta.Message) (csta.Message, error)

// newBench starts a server; change may be nil. At the end of the test the
// server is shut down and must hold nothing any more.
func newBench(t testing.TB, serve serveFunc, change func(*Config)) *bench {
	t.Helper()
	return newBenchOn(t, nil, serve, change)
}

func newBenchOn(t testing.TB, n network, serve serveFunc, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, log: new(logBuffer), sessions: make(chan *fakeSession, 1000), closed: make(chan error, 1000)}
	if serve == nil {
		serve = normal
	}
	cfg := Config{
		Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0", "tls://127.0.0.1:0"},
		TLS:    serverTLS(t),
		Log:    slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Open: func(_ context.Context, d *Dialog) (Session, error) {
			s := &fakeSession{d: d, serve: serve, closed: b.closed}
			b.sessions <- s
			return s, nil
		},
	}
	if n != nil {
		cfg.Listen, cfg.TLS = []string{"udp://192.0.2.1:5060", "tcp://192.0.2.1:5060"}, nil
	}
	if change != nil {
		change(&cfg)
	}
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n != nil {
		s.core.net = n
	}
	b.Server = s
	if err := s.Listen(context.Background()); err != nil {
		t.Fatal(err)
	}
	run := make(chan error, 1)
	go func() { run <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-run; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := s.Stats().Dialogs; n != 0 {
			t.Errorf("%d dialogs are left", n)
		}
		if opened, closed := s.stats.opened.Load(), s.stats.ended.Load(); opened != closed {
			t.Errorf("%d dialogs were opened and %d ended", opened, closed)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.core.mu.Lock()
		defer s.core.mu.Unlock()
		if len(s.calls)+len(s.dialogs)+len(s.invites)+len(s.byTag)+len(s.conns) != 0 {
			t.Errorf("left: %d requests, %d dialogs, %d and %d INVITEs, %d connections", len(s.calls), len(s.dialogs), len(s.invites), len(s.byTag), len(s.conns))
		}
		if t.Failed() {
			t.Logf("server's log:\n%s", b.log)
		}
	})
	return b
}

// url returns the listener of the network.
func (b *bench) url(network string) string {
	for _, a := range b.Addrs() {
		if strings.HasPrefix(a, network+"://") {
			return a
		}
	}
	b.t.Fatalf("no %s listener", network)
	return ""
}

func (b *bench) session() *fakeSession {
	b.t.Helper()
	return within(b.t, b.sessions, "a session")
}

func (b *bench) closedWith(want error) {
	b.t.Helper()
	if err := within(b.t, b.closed, "Session.Close"); !errors.Is(err, want) {
		b.t.Fatalf("session closed with %v, want %v", err, want)
	}
}

// within receives from c, or fails after what no step of a test takes.
func within[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(100 * time.Second): // a bubble's seconds or real ones
		t.Fatalf("%s did not come", what)
	}
	panic("unreachable")
}

// dial opens a Client and closes it with the test.
func (b *bench) dial(network string, change func(*ClientConfig)) *Client {
	b.t.Helper()
	cfg := ClientConfig{Server: b.url(network), Line: "tel:1001;phone-context=dialstring"}
	if network == tlsNet {
		cfg.TLS = clientTLS(b.t)
	}
	if change != nil {
		change(&cfg)
	}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	c, err := Dial(ctx, cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_ = c.Close(ctx)
	})
	return c
}

// An sipPeer is a client that speaks bytes.
type sipPeer struct {
	t      testing.TB
	conn   net.Conn
	local  string // host:port
	remote string
	in     chan *message

	lenient bool // takes answers that lack headers
}

// newPeer connects to a listener's URL.
func newPeer(t testing.TB, url string) *sipPeer {
	t.Helper()
	network, address, err := splitListen(url)
	if err != nil {
		t.Fatal(err)
	}
	var conn net.Conn
	switch network {
	case tlsNet:
		conn, err = tls.Dial("tcp", address, clientTLS(t))
	default:
		conn, err = net.Dial(network, address)
	}
	if err != nil {
		t.Fatal(err)
	}
	return newPeerOn(t, conn)
}

func newPeerOn(t testing.TB, conn net.Conn) *sipPeer {
	p := &sipPeer{t: t, conn: conn, local: conn.LocalAddr().String(), remote: conn.RemoteAddr().String(), in: make(chan *message, 4096)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return p
}

func (p *sipPeer) read() {
	defer close(p.in)
	parser := newParser()
	take := func(m *message, err error) {
		if err != nil {
			p.t.Errorf("server sent what cannot be read: %v", err)
			return
		}
		p.in <- m
	}
	got := func(parsed sip.Message) {
		if res, ok := parsed.(*sip.Response); ok && p.lenient {
			p.in <- &message{status: res.StatusCode, reason: res.Reason}
			return
		}
		take(newMessage(parsed, flow{}))
	}
	buf := make([]byte, 64<<10)
	stream := parser.NewSIPStream()
	_, packets := p.conn.LocalAddr().(*net.UDPAddr)
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			return
		}
		if packets {
			m, err := parser.ParseSIP(buf[:n])
			if err != nil {
				p.t.Errorf("server sent %q: %v", buf[:n], err)
				return
			}
			got(m)
			continue
		}
		stream.Write(buf[:n])
		for stream.Buffer().Len() > 0 {
			m, _, err := stream.ParseNext()
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				p.t.Errorf("server sent what cannot be read: %v", err)
				return
			}
			got(m)
		}
	}
}

// send writes messages, on a connection as one piece.
func (p *sipPeer) send(messages ...string) {
	p.t.Helper()
	if _, packets := p.conn.LocalAddr().(*net.UDPAddr); packets {
		for _, m := range messages {
			if _, err := io.WriteString(p.conn, m); err != nil {
				p.t.Fatal(err)
			}
		}
		return
	}
	if _, err := io.WriteString(p.conn, strings.Join(messages, "")); err != nil {
		p.t.Fatal(err)
	}
}

// next returns the next message.
func (p *sipPeer) next() *message {
	p.t.Helper()
	m := within(p.t, p.in, "a message")
	if m == nil {
		p.t.Fatal("the connection has ended")
	}
	return m
}

// response returns the next message, which must be a response.
func (p *sipPeer) response(status int, method string, cseq uint32) *message {
	p.t.Helper()
	m := p.next()
	if m.status == 100 && status != 100 {
		m = p.next()
	}
	if m.status != status || m.method != method || m.cseq != cseq {
		p.t.Fatalf("got %s, want %d to %s %d", m.brief(), status, method, cseq)
	}
	return m
}

// request returns the next message, which must be a request.
func (p *sipPeer) request(method string) *message {
	p.t.Helper()
	m := p.next()
	if !m.request() || m.method != method {
		p.t.Fatalf("got %s, want %s", m.brief(), method)
	}
	return m
}

// ok answers a request.
func (p *sipPeer) ok(m *message, status int, headers string) {
	p.t.Helper()
	p.send(m.response(answer{status: status, headers: headers}, "").String())
}

func (m *message) brief() string {
	if m.request() {
		return fmt.Sprintf("%s %d %s", m.method, m.cseq, m.body)
	}
	return fmt.Sprintf("%d %s to %s %d %s", m.status, m.reason, m.method, m.cseq, m.body)
}

// body returns a CSTA document of edition 3.
func body(name, content string) string {
	return `<?xml version="1.0"?><` + name + ` xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3">` + content + `</` + name + `>`
}

// A script writes the requests of one client dialog.
type script struct {
	p       *sipPeer
	network string
	callID  string
	toTag   string
	branch  bool     // in Via
	extra   []string // header lines of every request
	target  string
	contact string // host:port
}

var calls int
var callsMu sync.Mutex

func (p *sipPeer) script() *script {
	callsMu.Lock()
	defer callsMu.Unlock()
	calls++
	network := "TCP"
	switch {
	case p.conn.LocalAddr().Network() == "udp":
		network = "UDP"
	default:
		if _, ok := p.conn.(*tls.Conn); ok {
			network = "TLS"
		}
	}
	return &script{p: p, network: network, callID: fmt.Sprintf("call-%d", calls), branch: true, target: "sip:csta-gw@" + p.remote, contact: p.local}
}

// write returns a request; extra are header lines.
func (s *script) write(method string, cseq int, doc string, extra ...string) string {
	var b strings.Builder
	via := ""
	if s.branch {
		via = ";branch=" + newBranch()
	}
	to := "<sip:csta-gw@lab.example>"
	if s.toTag != "" {
		to += ";tag=" + s.toTag
	}
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s%s\r\nMax-Forwards: 70\r\n", method, s.target, s.network, s.p.local, via)
	fmt.Fprintf(&b, "From: <sip:alice@lab.example>;tag=alice1;epid=9e33288b9e49\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", to, s.callID, cseq, method)
	for _, h := range append(s.extra, extra...) {
		b.WriteString(h + "\r\n")
	}
	if method == invite || method == update {
		fmt.Fprintf(&b, "Contact: <sip:alice@%s;transport=%s>\r\n", s.contact, strings.ToLower(s.network))
	}
	if doc != "" && !strings.Contains(strings.Join(extra, ""), "Content-Type") {
		b.WriteString(bodyHeaders)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(doc), doc)
	return b.String()
}

// open sends INVITE and ACK, and returns the 200.
func (s *script) open(extra ...string) *message {
	s.p.t.Helper()
	s.p.send(s.write(invite, 1, body("RequestSystemStatus", ""), extra...))
	m := s.p.response(200, invite, 1)
	s.toTag = m.toTag
	s.p.send(s.write(ack, 1, ""))
	return m
}

// bye ends the dialog.
func (s *script) bye(cseq int) {
	s.p.t.Helper()
	s.p.send(s.write(bye, cseq, ""))
	s.p.response(200, bye, uint32(cseq))
}

var (
	certOnce             sync.Once
	certServer, certPeer tls.Certificate
	certPool             *x509.CertPool
)

// certificates makes an authority, a server's certificate and a client's.
func certificates(t testing.TB) {
	certOnce.Do(func() {
		make := func(cn string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (tls.Certificate, *x509.Certificate, *ecdsa.PrivateKey) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			c := &x509.Certificate{
				SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
				NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(100, 0, 0), // a bubble has a time of its own
				IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: parent == nil, BasicConstraintsValid: true,
			}
			if parent == nil {
				parent, signer = c, key
			}
			der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
			if err != nil {
				t.Fatal(err)
			}
			x, _ := x509.ParseCertificate(der)
			return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, x, key
		}
		_, ca, key := make("authority", nil, nil)
		certPool = x509.NewCertPool()
		certPool.AddCert(ca)
		certServer, _, _ = make("server", ca, key)
		certPeer, _, _ = make("alice", ca, key)
	})
}

func serverTLS(t testing.TB) *tls.Config {
	certificates(t)
	return &tls.Config{Certificates: []tls.Certificate{certServer}, ClientCAs: certPool, RootCAs: certPool, ClientAuth: tls.VerifyClientCertIfGiven}
}

func clientTLS(t testing.TB) *tls.Config {
	certificates(t)
	return &tls.Config{Certificates: []tls.Certificate{certPeer}, RootCAs: certPool, ServerName: "127.0.0.1"}
}

func (m *message) request() bool { return m.status == 0 }
