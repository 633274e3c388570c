package cstasip

import (
	"errors"
	"fmt"
	"time"

	"rccgw/csta"
)

// Why a dialog ended: Session.Close and Client.Err report one of these, wrapped
// or as it is.
var (
	ErrBye      = errors.New("cstasip: the other side hung up")
	ErrExpired  = errors.New("cstasip: the session was not refreshed")
	ErrGone     = errors.New("cstasip: the other side does not know the dialog or cannot be reached")
	ErrOverflow = errors.New("cstasip: the other side does not take its events")
	ErrNoACK    = errors.New("cstasip: the answer to INVITE was not acknowledged")
	ErrCanceled = errors.New("cstasip: the INVITE was cancelled")
	ErrShutdown = errors.New("cstasip: shutting down")
	ErrEnded    = errors.New("cstasip: the dialog has ended")
)

// ErrUnsent is the error of a client's request that has not left, wrapped with the
// reason: the server has not performed it.
var ErrUnsent = errors.New("cstasip: not sent")

// A Refusal is an error with the SIP status that tells it: 403 for a line that
// is not allowed, 404 for one that is unknown, 503 for a PBX that is away. Open
// decides with it how an INVITE is refused.
type Refusal struct {
	Status     int           // 300 to 699
	Reason     string        // phrase of the status line; empty: the standard's
	RetryAfter time.Duration // of 503; zero: none
}

func (r *Refusal) Error() string {
	reason := r.Reason
	if reason == "" {
		reason = reasons[r.Status]
	}
	return fmt.Sprintf("cstasip: refused with %d %s", r.Status, reason)
}

func (r *Refusal) answer() answer {
	a := answer{status: r.Status, reason: headerText(r.Reason)}
	if a.status < 300 || a.status > 699 {
		a.status = 500
	}
	if r.RetryAfter > 0 {
		a.headers = "Retry-After: " + seconds(r.RetryAfter) + "\r\n"
	}
	return a
}

// headerText makes s fit for a header or a reason phrase.
func headerText(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	if len(b) > 200 {
		b = b[:200]
	}
	return string(b)
}

// A StatusError is a SIP response that is not a 2xx.
type StatusError struct {
	Status     int
	Reason     string
	RetryAfter time.Duration
	// CSTA is the error that the response carried in its body, nil if none.
	CSTA *csta.Error
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("cstasip: %d %s", e.Status, e.Reason)
	if e.CSTA != nil {
		s += ": " + e.CSTA.Error()
	}
	return s
}

// Unwrap returns the CSTA error.
func (e *StatusError) Unwrap() error {
	if e.CSTA == nil {
		return nil
	}
	return e.CSTA
}

// An ErrorStyle says how a refused service is answered. Which one Microsoft's
// clients want could not be verified; one client looks at nothing but a SIP
// status of 400 and more.
type ErrorStyle string

const (
	ErrorsInCSTA ErrorStyle = "csta" // SIP 200 with a CSTAErrorCode
	ErrorsInSIP  ErrorStyle = "sip"  // SIP 4xx with the CSTAErrorCode in its body
)

// sipStatus is the status of a CSTA error in ErrorsInSIP, and of an INVITE that
// Open refuses with it.
func sipStatus(e *csta.Error) int {
	switch e.Class {
	case csta.Security:
		return 403
	case csta.StateIncompatibility:
		return 488
	case csta.SystemResourceAvailability, csta.PerformanceManagement, csta.SubscribedResourceAvailability:
		return 480
	}
	switch e.Value {
	case "invalidDeviceID", "invalidConnectionID", "invalidMonitorCrossRefID", "invalidCalledDeviceID", "invalidDestination":
		return 404
	case "privilegeViolationSpecifiedDevice", "privilegeViolationCalledDevice", "privilegeViolationCallingDevice":
		return 403
	case "invalidMsgID", "invalidParameterValue":
		return 400
	}
	return 488
}

// openStatus is the answer to an INVITE that Open refuses with err.
func openStatus(err error) answer {
	var r *Refusal
	if errors.As(err, &r) {
		return r.answer()
	}
	var e *csta.Error
	if errors.As(err, &e) {
		switch a := (answer{status: sipStatus(e)}); {
		case e.Class == csta.SystemResourceAvailability, e.Class == csta.PerformanceManagement:
			a.status, a.headers = 503, "Retry-After: 10\r\n"
			return a
		default:
			return a
		}
	}
	return answer{status: 500}
}
