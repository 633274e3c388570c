package uacsta_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/digitmod"
	"rccgw/gateway"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/uacsta"
)

// An upstream is a gateway: SIP dialogs, sessions, bus, adapter, and a PBX behind it.
type upstream struct {
	t       testing.TB
	network string
	tls     *tls.Config
	client  *bus.Client
	gateway *gateway.Gateway
	way     *pbxtest.Way // to its SIP side; nil by UDP

	// before, if set, is asked before each request of a dialog is served, and may serve
	// it itself: with a message or an error that is not nil.
	before func(ctx context.Context, d *cstasip.Dialog, req csta.Message) (csta.Message, error)
	// limit, if set, is how many dialogs a line may have.
	limit int
	// refusal, if set, is why the next dialog is refused.
	refusal error
	// auth, if set, is who must show a password. It counts from the next start.
	auth *cstasip.Auth

	mu      sync.Mutex
	address string
	server  *cstasip.Server
	ended   chan struct{}
	dialogs map[string]map[*cstasip.Dialog]bool // by line
	opened  int
	most    int // dialogs of one line at a time
	asked   map[string]int
	ends    []error // why dialogs ended
}

// newUpstream starts a gateway in front of the PBX, until the test is over.
func newUpstream(t testing.TB, d pbx.Driver, network string, config *tls.Config, plan string) *upstream {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil)).With("end", "upstream")
	lines, err := digitmod.ParseLines("*")
	if err != nil {
		t.Fatal(err)
	}
	server, err := bus.Embed(bus.EmbedConfig{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Stop(server) })
	conn, err := bus.Connect(t.Context(), bus.ConnectConfig{Server: server, Name: t.Name(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	cfg := bus.AdapterConfig{PBX: "up", Conn: conn, Driver: d, Lines: lines, Backoff: pbxtest.Backoff, Log: log, Alone: true}
	if plan != "" {
		rules, err := digitmod.ReadConfig([]byte(plan))
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Digits, err = bus.NewDigits(bus.DigitsConfig{PBX: "up", Conn: conn, Lines: lines, Config: rules, Log: log}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := bus.NewAdapter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pbxtest.Background(t, a.Run)
	c := bus.NewClient(conn, log)
	ears, err := c.Listen(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ears.Close)
	u := &upstream{t: t, network: network, tls: config, client: c, gateway: &gateway.Gateway{Bus: c, Log: log},
		address: "127.0.0.1:0", dialogs: map[string]map[*cstasip.Dialog]bool{}, asked: map[string]int{}}
	u.start()
	t.Cleanup(func() { u.stop(true) })
	if network != "udp" {
		address := u.address // it remains the same
		u.way = pbxtest.NewWay(t, func() string { return address }, nil)
	}
	until(t, "the PBX is up", func() bool { return c.Up("up") })
	return u
}

// start starts the SIP side, at the address where it was before.
func (u *upstream) start() {
	u.t.Helper()
	cfg := cstasip.Config{Listen: []string{u.network + "://" + u.address}, TLS: u.tls, MinSE: time.Second, Open: u.open, Auth: u.auth}
	s, err := cstasip.NewServer(cfg)
	if err != nil {
		u.t.Fatal(err)
	}
	until(u.t, "the address is free", func() bool {
		err = s.Listen(context.Background())
		return err == nil
	})
	_, u.address = cutURL(s.Addrs()[0])
	u.mu.Lock()
	u.server, u.ended = s, make(chan struct{})
	u.mu.Unlock()
	go func() {
		defer close(u.ended)
		_ = s.Run(context.Background())
	}()
}

// stop ends the SIP side: with BYE to everybody, or so that its clients hear nothing
// of it.
func (u *upstream) stop(polite bool) {
	u.mu.Lock()
	s, ended := u.server, u.ended
	u.server = nil
	u.mu.Unlock()
	if s == nil {
		return
	}
	if !polite && u.way != nil {
		u.way.Cut()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if !polite {
		cancel()
	}
	_ = s.Shutdown(ctx)
	<-ended
	if !polite && u.way != nil {
		u.way.Mend()
	}
}

func cutURL(url string) (network, address string) {
	for i := range url {
		if url[i] == ':' {
			return url[:i], url[i+3:]
		}
	}
	return "", url
}

func (u *upstream) open(ctx context.Context, d *cstasip.Dialog) (cstasip.Session, error) {
	line := d.Line
	u.mu.Lock()
	u.opened++
	if u.dialogs[line] == nil {
		u.dialogs[line] = map[*cstasip.Dialog]bool{}
	}
	refusal := u.refusal
	u.refusal = nil
	full := u.limit > 0 && len(u.dialogs[line]) >= u.limit
	if !full {
		u.dialogs[line][d] = true
		u.most = max(u.most, len(u.dialogs[line]))
	}
	u.mu.Unlock()
	switch {
	case refusal != nil:
		u.forget(line, d)
		return nil, refusal
	case full:
		return nil, &cstasip.Refusal{Status: 486}
	}
	s, err := u.gateway.Open(ctx, gateway.Peer{Line: line, Users: []string{cstasip.User(d.To), cstasip.User(d.RequestURI)}, From: cstasip.User(d.From),
		Send: func(m csta.Message) { _ = d.Send(m) }, End: d.End, Log: u.gateway.Log})
	if err != nil {
		u.forget(line, d)
		return nil, err
	}
	return &watchedSession{s, u, d}, nil
}

func (u *upstream) forget(line string, d *cstasip.Dialog) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.dialogs[line], d)
}

// each calls f for the dialogs of a line.
func (u *upstream) each(line string, f func(d *cstasip.Dialog)) (n int) {
	u.mu.Lock()
	var list []*cstasip.Dialog
	for d := range u.dialogs[line] {
		list = append(list, d)
	}
	u.mu.Unlock()
	for _, d := range list {
		f(d)
	}
	return len(list)
}

func (u *upstream) count(line string) int { return u.each(line, func(*cstasip.Dialog) {}) }

func (u *upstream) requests(name string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked[name]
}

// A watchedSession is a gateway's session, and what the test wants of it.
type watchedSession struct {
	*gateway.Session
	u *upstream
	d *cstasip.Dialog
}

func (s *watchedSession) ServeCSTA(ctx context.Context, req csta.Message) (csta.Message, error) {
	s.u.mu.Lock()
	s.u.asked[csta.Name(req)]++
	before := s.u.before
	s.u.mu.Unlock()
	if before != nil {
		if resp, err := before(ctx, s.d, req); resp != nil || err != nil {
			return resp, err
		}
	}
	return s.Session.ServeCSTA(ctx, req)
}

func (s *watchedSession) Close(reason error) {
	s.Session.Close(reason)
	s.u.mu.Lock()
	s.u.ends = append(s.u.ends, reason)
	s.u.mu.Unlock()
	s.u.forget(s.d.Line, s.d)
}

func (u *upstream) serveBefore(f func(ctx context.Context, d *cstasip.Dialog, req csta.Message) (csta.Message, error)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.before = f
}

// settings are those of a driver of the gateway.
func (u *upstream) settings() uacsta.Settings {
	s := defaults()
	s.Address = u.network + "://" + u.address
	if u.way != nil {
		s.Address = u.network + "://" + u.way.Address()
	}
	return s
}

// defaults are those of the struct's tags, but for pauses, which are short.
func defaults() (s uacsta.Settings) {
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		v.Field(i).SetString(v.Type().Field(i).Tag.Get("default"))
	}
	s.Retry, s.RetryMax, s.OpenRate = "10ms", "50ms", "10000"
	return s
}

func newDriver(t testing.TB, s uacsta.Settings) *uacsta.Driver {
	t.Helper()
	d, err := uacsta.New(s, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// A tally counts what is emitted: "1001 DeliveredEvent", and the states of the link.
type tally struct {
	mu   sync.Mutex
	seen map[string]int
	list []string
}

func newTally() *tally { return &tally{seen: map[string]int{}} }

func (c *tally) emit(device string, msg csta.Message) {
	what := device + " " + csta.Name(msg)
	if s, ok := msg.(*csta.SystemStatus); ok {
		what = string(s.SystemStatus)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[what]++
	c.list = append(c.list, what)
}

func (c *tally) count(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[what]
}

// all returns what was emitted, in its order.
func (c *tally) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// until waits until it was seen n times.
func (c *tally) until(t testing.TB, what string, n int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for c.count(what) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d times, want %d; seen: %v", what, c.count(what), n, c.all())
		}
		time.Sleep(2 * time.Millisecond)
	}
}
