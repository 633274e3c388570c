// Package gateway is what one client's dialog sees: its line in its own
// spelling, its monitors, and the services of the line's PBX.
//
// A Session is the csta.Handler of one dialog. It acts on its own line only.
// It turns what the client wrote into canonical numbers and the PBX's
// ConnectionIDs, and back: the line in exactly the spelling of the client, a
// number that the client dialled as it wrote it, everything else as a tel URI.
// Monitors and their cross references live here; the bus knows none.
//
// The package knows neither SIP nor any PBX.
package gateway

import (
	"context"
	"log/slog"
	"strings"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/digitmod"
)

// A Gateway opens sessions.
type Gateway struct {
	Bus *bus.Client
	// PhoneContext is the phone-context of local numbers for a client whose
	// line has none; empty: none.
	PhoneContext string
	// Directory names the line of a SIP user who does not say which it is.
	Directory map[string]string
	// MaxMonitors is how many monitors a session may have; 100 if zero.
	MaxMonitors int
	Log         *slog.Logger
}

// A Peer is who opens a session.
type Peer struct {
	// Line is the line that the client names in the body of its INVITE.
	Line string
	// Users are the user parts that it called, the To header's first.
	Users []string
	// From is the user part of who it is.
	From string
	// Lines are those that it may control; nil: all.
	Lines *digitmod.Lines
	// Dialect is what the client expects where the standard leaves a choice.
	Dialect Dialect
	// Send queues an event or a request to the client: a SystemStatus, or the
	// MonitorStop of a monitor that ended with its call. It must not block.
	Send func(csta.Message)
	// End ends the dialog, which closes the session. It may be called while a
	// request is served, and more than once.
	End func(reason error)
	Log *slog.Logger
}

// lineOf returns the line as the client writes it: what the body says, else
// the number that was called, else the directory's entry for the caller, else
// whatever was called.
func (g *Gateway) lineOf(p Peer) string {
	if p.Line != "" {
		return p.Line
	}
	for _, u := range p.Users {
		if n, err := digitmod.ParseNumber(u); err == nil && n.Digits != "" {
			return u
		}
	}
	if line, ok := g.Directory[p.From]; ok {
		return line
	}
	for _, u := range p.Users {
		if u != "" {
			return u
		}
	}
	return ""
}

// Open returns a session for the peer's line. Its errors are those of
// bus.Client.Line, and operation/privilegeViolationSpecifiedDevice for a line
// that the peer may not control.
func (g *Gateway) Open(ctx context.Context, p Peer) (*Session, error) {
	written := g.lineOf(p)
	if written == "" {
		return nil, csta.Errorf(csta.Operation, "invalidDeviceID", "the client names no line")
	}
	line, err := g.Bus.Line(ctx, written)
	if err != nil {
		return nil, err
	}
	if p.Lines != nil {
		_, canonical := p.Lines.Match(line.Device)
		_, local := p.Lines.Match(line.Local)
		if !canonical && !local {
			return nil, csta.Errorf(csta.Operation, "privilegeViolationSpecifiedDevice", "line %q: not allowed to %s", written, p.From)
		}
	}
	phoneContext := g.PhoneContext
	if c := parameter(written, "phone-context"); c != "" {
		phoneContext = c
	}
	s := &Session{g: g, line: line, written: written, phoneContext: phoneContext, dialect: p.Dialect, send: p.Send, end: p.End,
		log:      p.Log.With("pbx", line.PBX, "line", line.Device),
		monitors: map[string]*monitor{}, dialled: map[string]*dialledNumber{}}
	if p.Dialect.Link == NoticeBySystem || p.Dialect.Link == NoticeByBoth {
		s.unwatch, _ = g.Bus.WatchLink(line.PBX, systemNotices{s})
	}
	return s, nil
}

// parameter returns the value of a URI parameter, empty if there is none.
func parameter(uri, name string) string {
	for p := range strings.SplitSeq(uri, ";") {
		if key, value, ok := strings.Cut(p, "="); ok && strings.EqualFold(key, name) {
			value, _, _ = strings.Cut(value, "@")
			return value
		}
	}
	return ""
}
