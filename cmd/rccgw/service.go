package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/digitmod"
	"rccgw/gateway"
	"rccgw/pbx"
)

const (
	drainTime  = 15 * time.Second // how long requests and dialogs may take to end
	retryAfter = 30 * time.Second // when a client may try a PBX again that is away
)

// A service is the running process.
type service struct {
	c        *config
	log      *slog.Logger
	conn     *nats.Conn
	client   *bus.Client
	adapters []*bus.Adapter
	gateway  *gateway.Gateway
	sip      *cstasip.Server
	serving  atomic.Bool // the SIP side listens, and is not draining
}

// serve runs the service until ctx ends, and ends in order: not ready, no new
// dialogs, requests finished, BYE to clients, adapters and bus last.
func serve(ctx context.Context, c *config, log *slog.Logger) (err error) {
	s := &service{c: c, log: log}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return fmt.Errorf("RCC_DATA: %w", err)
	}
	instance, err := s.instance()
	if err != nil {
		return err
	}

	// What serves outlives ctx: it is ended below, in order.
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	var running sync.WaitGroup
	defer running.Wait()
	fail := func(what string, err error) {
		if err != nil && serving.Err() == nil {
			stop(fmt.Errorf("%s: %w", what, err))
		}
	}

	cc := bus.ConnectConfig{URL: c.natsURL, Token: c.natsToken, Creds: c.natsCreds, Name: "rccgw " + instance, Log: log}
	if c.natsURL == "" {
		server, err := bus.Embed(bus.EmbedConfig{Dir: filepath.Join(c.data, "nats"), Listen: c.natsListen, Token: c.natsToken, Log: log})
		if err != nil {
			return fmt.Errorf("embedded NATS in RCC_DATA: %w", err)
		}
		defer bus.Stop(server)
		cc.Server = server
	}
	if s.conn, err = bus.Connect(ctx, cc); err != nil {
		return err
	}
	defer s.conn.Close()

	var drivers []http.Handler
	for _, p := range c.pbxs {
		log := log.With("pbx", p.name)
		driver, err := p.build(log)
		if err != nil {
			return fmt.Errorf("PBX %s: %w", p.name, err)
		}
		digits, err := bus.NewDigits(bus.DigitsConfig{PBX: p.name, Conn: s.conn, Lines: p.lines, Config: p.digits, File: p.digitsFile, Log: s.log})
		if err != nil {
			return fmt.Errorf("PBX %s: digit plan: %w", p.name, err)
		}
		a, err := bus.NewAdapter(bus.AdapterConfig{PBX: p.name, Conn: s.conn, Driver: driver, Lines: p.lines, Digits: digits, Instance: instance,
			Alone: c.natsURL == "" && c.natsListen == "", Log: s.log})
		if err != nil {
			return fmt.Errorf("PBX %s: %w", p.name, err)
		}
		s.adapters = append(s.adapters, a)
		if c, ok := driver.(*pbx.Companion); ok {
			driver = c.Main()
		}
		if h, ok := driver.(interface{ HTTP() http.Handler }); ok {
			drivers = append(drivers, http.StripPrefix("/pbx/"+p.name, h.HTTP()))
		} else {
			drivers = append(drivers, nil)
		}
	}

	s.client = bus.NewClient(s.conn, log)
	listener, err := s.listenHTTP()
	if err != nil {
		return err
	}
	httpAddr := "off"
	if listener != nil {
		httpAddr = listener.Addr().String()
		tcp, _ := listener.Addr().(*net.TCPAddr)
		web := &http.Server{Handler: s.web(drivers, tcp != nil && tcp.IP.IsLoopback()), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
			IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
		running.Go(func() {
			if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				fail("HTTP", err)
			}
		})
		defer web.Close()
	}

	// The adapters stop after the SIP side, which needs them for its last
	// requests.
	acting, stopActing := context.WithCancel(context.WithoutCancel(ctx))
	var actors sync.WaitGroup
	defer actors.Wait()
	defer stopActing()
	for _, a := range s.adapters {
		actors.Go(func() { keepAdapter(acting, a, log) })
	}

	ears, err := s.client.Listen(serving)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	defer ears.Close()

	if len(c.sip.Listen) > 0 {
		if err := s.listenSIP(ctx, serving, &running, fail); err != nil {
			return err
		}
	}
	s.serving.Store(true)
	log.Info("rccgw serves", "version", buildVersion(), "sip", strings.Join(s.sipAddrs(), ","), "http", httpAddr, "pbx", s.pbxNames(), "instance", instance)

	select {
	case <-ctx.Done():
		log.Info("shutting down")
	case <-serving.Done():
		err = context.Cause(serving)
	}
	s.serving.Store(false)
	if s.sip != nil {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if e := s.sip.Shutdown(drain); e != nil {
			log.Warn("not every dialog ended in time", "error", e)
		}
	}
	return err
}

// instance returns the name of this process among adapters: the same after a
// restart, so that it takes its own place back at once.
func (s *service) instance() (string, error) {
	if s.c.instance != "" {
		return s.c.instance, nil
	}
	path := filepath.Join(s.c.data, "instance")
	if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) != "" {
		return strings.TrimSpace(string(text)), nil
	}
	name := nuid.Next()
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("RCC_DATA: %w", err)
	}
	return name, nil
}

// keepAdapter runs an adapter until ctx ends, again where it lost its place.
func keepAdapter(ctx context.Context, a *bus.Adapter, log *slog.Logger) {
	for ctx.Err() == nil {
		err := a.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		log.Error("adapter stopped", "pbx", a.PBX, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *service) listenSIP(ctx, serving context.Context, running *sync.WaitGroup, fail func(string, error)) error {
	s.gateway = &gateway.Gateway{Bus: s.client, PhoneContext: s.c.phoneContext, Directory: s.c.directory, Log: s.log}
	cfg := s.c.sip
	cfg.Log = s.log
	if s.c.certificates != nil {
		s.c.certificates.log = s.log
	}
	cfg.Agent = "rccgw/" + buildVersion()
	cfg.Open = func(ctx context.Context, d *cstasip.Dialog) (cstasip.Session, error) {
		name, t := s.c.clients.of(d.UserAgent, d.Peer.Addr())
		if t.Errors != "" {
			d.SetErrorStyle(t.Errors)
		}
		from, lines := cstasip.User(d.From), (*digitmod.Lines)(nil)
		if d.User != "" {
			from, lines = d.User, s.c.userLines[d.User]
		}
		session, err := s.gateway.Open(ctx, gateway.Peer{
			Line: d.Line, Users: []string{cstasip.User(d.To), cstasip.User(d.RequestURI)}, From: from, Lines: lines,
			Dialect: gateway.Dialect{Numbers: t.Numbers, Link: t.Link, Names: t.Names},
			Send: func(m csta.Message) {
				if err := d.Send(m); err != nil {
					s.log.Debug("event not sent", "dialog", d.ID(), "error", err)
				}
			}, End: d.End, Log: s.log.With("dialog", d.ID())})
		if err != nil {
			return nil, refusal(err)
		}
		s.log.Info("dialog opened", "dialog", d.ID(), "line", session.Line().Device, "pbx", session.Line().PBX, "user", d.User, "peer", d.Peer, "agent", d.UserAgent, "profile", name)
		return session, nil
	}
	var err error
	if s.sip, err = cstasip.NewServer(cfg); err != nil {
		return err
	}
	if err := s.sip.Listen(ctx); err != nil {
		return fmt.Errorf("RCC_SIP_LISTEN: %w", err)
	}
	running.Go(func() { fail("SIP", s.sip.Run(serving)) })
	return nil
}

// refusal says in SIP why a dialog is not opened.
func refusal(err error) error {
	e := csta.AsError(err)
	switch e.Value {
	case "resourceOutOfService":
		return &cstasip.Refusal{Status: 503, Reason: e.Detail, RetryAfter: retryAfter}
	case "invalidDeviceID":
		return &cstasip.Refusal{Status: 404, Reason: e.Detail}
	case "privilegeViolationSpecifiedDevice":
		return &cstasip.Refusal{Status: 403, Reason: e.Detail}
	}
	return err
}

func (s *service) sipAddrs() []string {
	if s.sip == nil {
		return nil
	}
	return s.sip.Addrs()
}

func (s *service) pbxNames() []string {
	var names []string
	for _, a := range s.adapters {
		names = append(names, a.PBX)
	}
	return names
}

func (s *service) listenHTTP() (net.Listener, error) {
	if s.c.http == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", s.c.http)
	if err != nil {
		return nil, fmt.Errorf("RCC_HTTP_LISTEN: %w", err)
	}
	return l, nil
}
