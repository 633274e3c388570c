package cstasip

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rccgw/csta"
)

// The session timer of RFC 4028: a dialog that nobody refreshes ends.

// A sessionTimer is what was agreed for a dialog.
type sessionTimer struct {
	interval time.Duration // zero: no timer
	ours     bool          // we refresh
	alive    time.Time     // when the peer last showed that it lives
	asked    time.Time     // when we last tried to refresh
}

// due returns when something must happen. Where we refresh it is half the
// interval (§10); else it is the end of the peer's patience with itself, slightly
// before the expiry: 32 seconds, or a third of the interval if that is less.
func (t *sessionTimer) due() time.Time {
	if t.interval == 0 {
		return time.Time{}
	}
	if t.ours {
		last := t.alive
		if t.asked.After(last) {
			last = t.asked
		}
		return last.Add(t.interval / 2)
	}
	return t.alive.Add(t.interval - min(32*time.Second, t.interval/3))
}

// An offer is what a request says of session timers.
type offer struct {
	supported bool          // it supports them
	interval  time.Duration // Session-Expires; zero if absent
	least     time.Duration // Min-SE
	refresher string        // uac, uas or empty
}

func sessionOffer(m *message) (offer, error) {
	o := offer{supported: m.lists("supported", "timer") || m.lists("require", "timer")}
	if v := m.header("session-expires"); v != "" {
		head, params, _ := strings.Cut(v, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(head), 10, 31)
		if err != nil {
			return o, fmt.Errorf("Session-Expires %q", clip(v))
		}
		o.interval = time.Duration(n) * time.Second
		o.refresher, _ = param(params, "refresher")
		o.refresher = strings.ToLower(o.refresher)
	}
	if v := m.header("min-se"); v != "" {
		head, _, _ := strings.Cut(v, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(head), 10, 31)
		if err != nil {
			return o, fmt.Errorf("Min-SE %q", clip(v))
		}
		o.least = time.Duration(n) * time.Second
	}
	return o, nil
}

// accept agrees on a session timer as the one who answers (§9). It returns the
// header lines of the 2xx. Not ok: the interval is too small for us, and whoever
// asked knows what 422 means.
//
// A client that does not support session timers is refreshed by us: SIPE and
// Office Communicator refresh by themselves where the answer tells them to.
func (o offer) accept(t *sessionTimer, wanted, least time.Duration) (headers string, ok bool) {
	interval := wanted
	if o.interval > 0 {
		if o.interval < least && o.supported {
			return "", false
		}
		interval = min(o.interval, wanted)
	}
	t.interval = max(interval, o.least, least)
	t.ours = !o.supported || o.refresher == "uas"
	refresher, require := "uac", "Require: timer\r\n"
	if t.ours {
		refresher, require = "uas", ""
	}
	return "Supported: timer\r\n" + sessionExpires(t.interval, refresher) + require, true
}

func sessionExpires(interval time.Duration, refresher string) string {
	return "Session-Expires: " + seconds(interval) + ";refresher=" + refresher + "\r\n"
}

// seconds writes d in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// refresh asks the client whether it is still there, where it does not do so by
// itself: with UPDATE if it allows that (RFC 4028 §7.4), else with a re-INVITE
// that carries a SystemStatus, because one without body would ask for a session
// description. d.mu is held.
func (d *Dialog) refresh(now time.Time) {
	d.expiry.asked = now
	o := outgoing{
		method:  update,
		headers: "Supported: timer\r\n" + sessionExpires(d.expiry.interval, "uac"),
		contact: true,
		final:   d.refreshTold,
	}
	if !d.updates {
		o.method = invite
		body, err := csta.Encode(&csta.SystemStatus{SystemStatus: "normal"}, d.edition)
		if err != nil {
			d.server.log.Error("refresh cannot be encoded", "dialog", d.leg.callID, "error", err)
			return
		}
		o.body = body
		o.headers += allowLine
	}
	d.outbox.list = append([]outgoing{o}, d.outbox.list...)
	d.pump()
}

// acknowledging returns final with the ACK of a 2xx before it, and what repeats
// that ACK. The ACK of a refusal is sipgo's.
func (d *Dialog) acknowledging(f flow, cseq uint32, final func(*message, error)) (func(*message, error), func()) {
	again := func() {
		d.mu.Lock()
		req, err := d.leg.ack(f, cseq)
		d.mu.Unlock()
		if err == nil {
			_ = d.server.tpl.WriteMsg(req) // if it is lost, the 2xx comes again
		}
	}
	return func(m *message, err error) {
		if m != nil && m.status < 300 {
			d.mu.Lock()
			if target, ok := contactOf(m); ok {
				d.leg.target = target
			}
			d.mu.Unlock()
			again()
		}
		final(m, err)
	}, again
}

// refreshTold takes the outcome of a refresh. Any answer shows that the client
// lives, but the two that deny it.
func (d *Dialog) refreshTold(m *message, err error) {
	d.mu.Lock()
	now := time.Now()
	t := &d.expiry
	var gone error
	sayBye := false
	switch {
	case d.ended:
	case errors.Is(err, ErrDisconnected):
		// Soon again, over another connection if there is a way.
		t.asked = now.Add(5*time.Second - t.interval/2)
		t.alive = t.asked
	case err != nil:
		// Silence; but a client may be mute and yet call.
		if t.alive.Before(t.asked) {
			gone, sayBye = fmt.Errorf("%w: %w", ErrGone, err), true
		}
	case m.status == 481:
		gone = fmt.Errorf("%w: %w", ErrGone, &StatusError{Status: m.status, Reason: m.reason})
	case m.status == 408:
		gone, sayBye = fmt.Errorf("%w: %w", ErrGone, &StatusError{Status: m.status, Reason: m.reason}), true
	case m.status == 422:
		if o, err := sessionOffer(m); err == nil && o.least > t.interval {
			t.interval = o.least
			d.refresh(now)
		}
	case m.status == 491:
		// Its own refresh is under way, or it is busy: soon again (RFC 3261 §14.1).
		t.asked = now.Add(3*time.Second - t.interval/2)
		t.alive = t.asked
	default:
		t.alive = now
		if m.status < 300 {
			if o, err := sessionOffer(m); err == nil && o.interval > 0 {
				t.interval = o.interval
				t.ours = o.refresher != "uas"
			}
		} else if m.method == update && (m.status == 405 || m.status == 501) {
			d.updates = false
		}
	}
	d.schedule()
	d.mu.Unlock()
	if gone != nil {
		d.end(gone, sayBye, nil)
	}
}
