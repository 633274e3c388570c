package cstasip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// RegisterConfig is what a Registration is made from.
type RegisterConfig struct {
	// AOR is the address-of-record, a SIP URI such as sip:1001@pbx.example.com.
	AOR string

	// User and Password answer the registrar's challenge. User is AOR's if empty.
	User, Password string

	// Expires is the interval that is asked for; an hour if zero.
	Expires time.Duration

	// Log; nil: nothing is logged.
	Log *slog.Logger
}

// A Registration keeps a user registered with the server of its endpoint (RFC 3261
// §10.2) until it is closed, or the endpoint.
type Registration struct {
	e      *Endpoint
	cfg    RegisterConfig
	login  login
	ctx    context.Context // of the refreshes
	cancel context.CancelFunc

	asking sync.Mutex // one REGISTER at a time, in the order of their CSeqs
	leg    leg        // of the REGISTERs; guarded by asking
	uri    string     // of our Contact

	mu     sync.Mutex
	timer  *time.Timer
	pause  time.Duration // before the next try, after one that failed
	err    error         // of the last try
	closed bool
}

// Register registers with the endpoint's server and returns when the server has
// accepted; ctx bounds that. A refusal is a *StatusError. The registration is
// refreshed in time; where that fails it is tried again, after pauses of 5 seconds
// up to 5 minutes, and Err says why.
func (e *Endpoint) Register(ctx context.Context, cfg RegisterConfig) (*Registration, error) {
	set(&cfg.Expires, time.Hour)
	set(&cfg.User, uriUser(cfg.AOR))
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	host, _, ok := uriHostPort(cfg.AOR)
	if !ok || uriUser(cfg.AOR) == "" || strings.ContainsAny(cfg.AOR, "<> \r\n") {
		return nil, fmt.Errorf("cstasip: %q is not a SIP URI with a user", cfg.AOR)
	}
	if cfg.Expires < time.Second {
		return nil, fmt.Errorf("cstasip: a registration of %v", cfg.Expires)
	}
	scheme, rest, _ := strings.Cut(cfg.AOR, ":")
	_, domain, _ := strings.Cut(rest, "@")
	domain, _, _ = strings.Cut(domain, ";")
	r := &Registration{e: e, cfg: cfg, login: login{user: cfg.User, password: cfg.Password}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.leg = leg{
		core: &e.core, callID: newTag() + "@" + host, local: "<" + cfg.AOR + ">;tag=" + newTag(), remote: "<" + cfg.AOR + ">",
		target: scheme + ":" + domain, network: e.way.network, user: uriUser(cfg.AOR),
	}
	r.uri, _, _ = nameAddr(strings.TrimSpace(strings.TrimPrefix(r.leg.contact(e.way), "Contact: ")))
	granted, err := r.register(ctx, cfg.Expires)
	if err != nil {
		r.cancel()
		return nil, err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		r.cancel()
		return nil, ErrEnded
	}
	if e.registrations == nil {
		e.registrations = map[*Registration]bool{}
	}
	e.registrations[r] = true
	e.mu.Unlock()
	r.plan(granted, nil)
	return r, nil
}

// plan sets the timer after a try: to shortly before the interval's end, or to the
// end of a pause.
func (r *Registration) plan(granted time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.err = err
	wait := granted - min(32*time.Second, granted/3)
	if err != nil {
		r.pause = min(max(2*r.pause, 5*time.Second), 5*time.Minute)
		wait = r.pause
	} else {
		r.pause = 0
	}
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, func() { r.e.spawn(r.refresh) })
		return
	}
	r.timer.Reset(wait)
}

func (r *Registration) refresh() {
	ctx, stop := context.WithTimeout(r.ctx, 2*patience)
	defer stop()
	granted, err := r.register(ctx, r.cfg.Expires)
	if err != nil && r.ctx.Err() == nil {
		r.cfg.Log.Warn("registration failed", "aor", r.cfg.AOR, "error", err)
	}
	r.plan(granted, err)
}

// Err returns nil while the user is registered as far as is known, else why the
// last try has failed.
func (r *Registration) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close removes the binding and waits for the answer, as long as ctx allows. There
// are no more refreshes when it returns, whatever the error.
func (r *Registration) Close(ctx context.Context) error {
	if !r.stop() {
		return nil
	}
	r.e.mu.Lock()
	delete(r.e.registrations, r)
	r.e.mu.Unlock()
	_, err := r.exchange(ctx, 0)
	return err
}

// stop ends the refreshes; it reports whether it was this call.
func (r *Registration) stop() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.closed, r.err = true, ErrEnded
	r.cancel()
	if r.timer != nil {
		r.timer.Stop()
	}
	return true
}

// register asks for an interval, or the least that the registrar allows, and
// returns the one that it grants.
func (r *Registration) register(ctx context.Context, interval time.Duration) (granted time.Duration, err error) {
	m, err := r.exchange(ctx, interval)
	var refused *StatusError
	if errors.As(err, &refused) && refused.Status == 423 {
		if n, e := strconv.ParseUint(strings.TrimSpace(m.header("min-expires")), 10, 31); e == nil && time.Duration(n)*time.Second > interval {
			interval = time.Duration(n) * time.Second
			m, err = r.exchange(ctx, interval)
		}
	}
	if err != nil {
		return 0, err
	}
	value := m.header("expires")
	for _, c := range m.list("contact") {
		if uri, params, ok := nameAddr(c); ok && sameURI(uri, r.uri) {
			value, _ = param(params, "expires")
		}
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31); err == nil && n > 0 {
		interval = time.Duration(n) * time.Second
	}
	return interval, nil
}

// exchange sends REGISTER, as often as it is challenged.
func (r *Registration) exchange(ctx context.Context, interval time.Duration) (*message, error) {
	r.asking.Lock()
	defer r.asking.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err // a refresh that Close has overtaken
	}
	m, err := r.login.attempt(func() (*message, error) {
		return r.e.ask(ctx, func() (*sip.Request, error) {
			r.leg.cseq++
			headers := "Contact: <" + r.uri + ">;expires=" + seconds(interval) + "\r\nExpires: " + seconds(interval) + "\r\n"
			req, err := r.leg.request(r.e.way, register, r.leg.cseq, newBranch(), headers, nil)
			if err == nil {
				r.login.sign(req)
			}
			return req, err
		})
	})
	if err == nil && m.status >= 300 {
		err = &StatusError{Status: m.status, Reason: m.reason}
	}
	return m, err
}

// ask sends a request outside of dialogs and returns its final answer.
func (e *Endpoint) ask(ctx context.Context, build func() (*sip.Request, error)) (*message, error) {
	req, err := build()
	if err != nil {
		return nil, err
	}
	answers := make(chan outcome, 1)
	if err := e.emit(ctx, req, func(m *message, err error) { answers <- outcome{m, err} }, nil); err != nil {
		return nil, err
	}
	select {
	case o := <-answers:
		return o.m, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
