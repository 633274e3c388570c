package gateway

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// A Dialect is what one family of clients expects where TR/87 leaves a choice.
// The zero Dialect is the standard's.
type Dialect struct {
	Numbers NumberForm
	Link    LinkNotice
	Names   NameForm
}

// A NumberForm is how numbers are written that are not the client's own and
// that it has not dialled.
type NumberForm string

// The forms of numbers; uri if empty.
const (
	NumbersAsURIs   NumberForm = "uri"    // tel:+16135925660, tel:5660;phone-context=…
	NumbersAsDigits NumberForm = "digits" // +16135925660, 5660
)

// A LinkNotice is how a client is told that its PBX cannot be reached, and can
// again.
type LinkNotice string

// The notices; device if empty.
const (
	NoticeByDevice LinkNotice = "device" // OutOfServiceEvent and BackInServiceEvent, to each monitor
	NoticeBySystem LinkNotice = "system" // SystemStatus "disabled" and "normal", monitors or not
	NoticeByBoth   LinkNotice = "both"
)

// systemNotices tells a client without monitors, too, how its PBX is.
type systemNotices struct{ s *Session }

// Link sends the system's status; see bus.LinkWatcher.
func (n systemNotices) Link(up bool) {
	status := pbx.StatusDisabled
	if up {
		status = pbx.StatusNormal
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if !n.s.closed {
		n.s.send(&csta.SystemStatus{SystemStatus: status})
	}
}
