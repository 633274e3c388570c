package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"rccgw/bus"
	"rccgw/digitmod"
)

// An api serves /api/v1, which docs/openapi.yaml describes. It is offered to
// who presents the token; without one, on a loopback listener to loopback peers.
type api struct {
	token    string
	loopback bool // what the listener's address is
	digits   map[string]*bus.Digits
	lines    func(ctx context.Context) ([]bus.LineStatus, error)
	log      *slog.Logger
}

// maxAPIBody bounds what a request may send: a plan of the greatest size fits.
const maxAPIBody = 1<<20 + 1<<16

// A route is a method and a path of the API.
type route struct {
	method, path string
	serve        func(a *api, r *http.Request) (reply, error)
}

// A reply is what a request is answered with: JSON, or a text of another type.
type reply struct {
	body     any
	revision *uint64 // for the ETag
	text     []byte
	media    string // of the text
}

// apiRoutes are all routes of the API.
var apiRoutes = append(digitRoutes, route{"GET", "/api/v1/lines", (*api).getLines})

// getLines answers what all lines of all PBXs are doing, or those of one PBX.
func (a *api) getLines(r *http.Request) (reply, error) {
	list, err := a.lines(r.Context())
	if err != nil {
		return reply{}, &apiError{http.StatusServiceUnavailable, fmt.Sprintf("the states of the lines cannot be had: %v", err)}
	}
	if pbx := r.URL.Query().Get("pbx"); pbx != "" {
		list = slices.DeleteFunc(list, func(s bus.LineStatus) bool { return s.PBX != pbx })
	}
	return reply{body: list}, nil
}

// handler returns the API.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range apiRoutes {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxAPIBody)
			rep, err := rt.serve(a, r)
			if err != nil {
				a.refuse(w, err)
				return
			}
			a.reply(w, http.StatusOK, rep)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, &apiError{http.StatusNotFound, fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path)})
	})
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.admit(r); err != nil {
			a.log.Warn("API: not admitted", "audit", true, "peer", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "reason", err)
			if err.status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="rccgw"`)
			}
			a.refuse(w, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
	// A page in somebody's browser must not change anything here.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.refuse(w, &apiError{http.StatusForbidden, "the request comes from a page of another origin"})
	}))
	return protection.Handler(guarded)
}

// An apiError is a refusal with its status.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

// admit tells why a request is not let in, nil where it is.
func (a *api) admit(r *http.Request) *apiError {
	if a.token != "" {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		// Of the sums, so that not even the length of the token is told by time.
		is, want := sha256.Sum256([]byte(strings.TrimSpace(given))), sha256.Sum256([]byte(a.token))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(is[:], want[:]) != 1 {
			return &apiError{http.StatusUnauthorized, "the bearer token of RCC_API_TOKEN is missing or wrong"}
		}
		return nil
	}
	const hint = "; set RCC_API_TOKEN to open it to others"
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	switch {
	case !a.loopback:
		return &apiError{http.StatusForbidden, "the API is not offered: RCC_HTTP_LISTEN is not a loopback address" + hint}
	case err != nil || !peer.Addr().Unmap().IsLoopback():
		return &apiError{http.StatusForbidden, "the API is offered to loopback addresses only" + hint}
	case r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "":
		return &apiError{http.StatusForbidden, "the API is offered to loopback addresses only, and a proxy on this host hides whose request it is" + hint}
	case !loopbackHost(r.Host):
		// A name of elsewhere that leads here is how pages reach into a host.
		return &apiError{http.StatusForbidden, fmt.Sprintf("the API is offered by a loopback address only, not by the name %.80q", r.Host) + hint}
	}
	return nil
}

func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// A refusalBody is the body of every answer that refuses.
type refusalBody struct {
	Error    string        `json:"error"`
	Mistakes []mistakeBody `json:"mistakes,omitempty"`
}

// A mistakeBody is a digitmod.Mistake. A rule is counted from 1.
type mistakeBody struct {
	Table  digitmod.Table `json:"table,omitempty"`
	Rule   int            `json:"rule,omitempty"`
	Field  string         `json:"field,omitempty"`
	Place  string         `json:"place,omitempty"` // of what is not in a rule
	Value  string         `json:"value,omitempty"`
	Reason string         `json:"reason"`
}

func mistakeBodies(ms digitmod.Mistakes) []mistakeBody {
	list := []mistakeBody{}
	for _, m := range ms {
		b := mistakeBody{Value: m.Value, Reason: m.Reason}
		var ok bool
		if b.Table, b.Rule, b.Field, ok = m.Rule(); !ok {
			b.Place = m.Place
		}
		list = append(list, b)
	}
	return list
}

// refuse answers with what speaks against a request.
func (a *api) refuse(w http.ResponseWriter, err error) {
	body := refusalBody{Error: err.Error()}
	status := http.StatusInternalServerError
	var e *apiError
	var ms digitmod.Mistakes
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		status = e.status
	case errors.As(err, &ms):
		status, body.Error, body.Mistakes = http.StatusUnprocessableEntity, "the plan has mistakes", mistakeBodies(ms)
	case errors.As(err, &tooLarge):
		status, body.Error = http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, digitmod.ErrNoRule), errors.Is(err, bus.ErrNoRevision):
		status = http.StatusNotFound
	case errors.Is(err, bus.ErrStale), errors.Is(err, bus.ErrFromFile):
		status = http.StatusConflict
	case errors.Is(err, bus.ErrNoStore):
		status = http.StatusServiceUnavailable
	case errors.Is(err, digitmod.ErrNoNumber), errors.Is(err, digitmod.ErrMalformed), errors.Is(err, digitmod.ErrNotPresented):
		status = http.StatusUnprocessableEntity
	default:
		a.log.Error("API", "error", err)
	}
	a.reply(w, status, reply{body: body})
}

func (a *api) reply(w http.ResponseWriter, status int, rep reply) {
	if rep.revision != nil {
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(*rep.revision)))
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if rep.media != "" {
		w.Header().Set("Content-Type", rep.media)
		w.WriteHeader(status)
		_, _ = w.Write(rep.text) // the asker may be gone
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(rep.body) // the asker may be gone
}

// readJSON reads a body into a struct, and refuses what it has no field for.
func readJSON(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badBody(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badBody(errors.New("something stands behind the JSON value"))
	}
	return nil
}

func readText(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, badBody(err)
	}
	return text, nil
}

func badBody(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &apiError{http.StatusBadRequest, fmt.Sprintf("the body is not understood: %v", err)}
}

// user returns who says that they make a request. It is for the history and
// proves nothing: the token does.
func user(r *http.Request) (string, error) {
	name := r.Header.Get("Rcc-User")
	if name == "" {
		return "api", nil
	}
	if len(name) > 64 || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", &apiError{http.StatusBadRequest, "Rcc-User: at most 64 printable ASCII characters"}
	}
	return name, nil
}
