package asterisk

import (
	"strings"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
)

// maxNumber is the longest number that is dialled; Asterisk's extensions have 79 characters.
const maxNumber = 64

// dialable reports whether the text is a number that may be handed to the
// PBX: nothing in it means anything to the dialplan but digits.
func dialable(number string) bool {
	return number != "" && len(number) <= maxNumber && strings.Trim(number, digits+"*#+") == ""
}

// destination checks a number that a client wants dialled.
func destination(id csta.DeviceID, value string) (string, error) {
	if !dialable(id.ID) {
		return "", csta.Errorf(csta.Operation, value, "%q is not 1 to %d digits, *, # or +", id.ID, maxNumber)
	}
	return id.ID, nil
}

// shown returns the party that a number of the dialplan is.
func (d *Driver) shown(number string) csta.ExtendedDeviceID {
	if number == "" {
		return csta.NotKnown()
	}
	p := csta.Party(strings.Clone(number))
	p.DeviceIdentifier.External = !d.lines.Match(number)
	p.DeviceIdentifier.Dialled = true
	return p
}

// callerNumber returns the number of a caller from outside: withheld, missing
// or as presented. Pres is Asterisk's CALLERID(pres).
func callerNumber(number, pres string) csta.ExtendedDeviceID {
	switch strings.ToLower(number) {
	// By RFC 3323 it is the From of who withholds the number, and nothing else
	// says so where the trunk sends no P-Asserted-Identity.
	case "anonymous", "restricted", "private", "withheld":
		return csta.Restricted()
	case "", "+", "<unknown>", "unknown", "unavailable", "asterisk":
		if strings.HasPrefix(pres, "prohib") {
			return csta.Restricted()
		}
		return csta.NotKnown()
	}
	switch {
	case strings.HasPrefix(pres, "prohib"):
		return csta.Restricted()
	case pres == "unavailable":
		return csta.NotKnown()
	}
	p := csta.Party(strings.Clone(number))
	p.DeviceIdentifier.External = true
	return p
}

// callerName returns the name of a caller, empty for what stands for none.
func callerName(name, pres string) string {
	switch strings.ToLower(name) {
	case "<unknown>", "unknown", "unavailable", "anonymous":
		return ""
	}
	if strings.HasPrefix(pres, "prohib") {
		return ""
	}
	return strings.Clone(name)
}

// nameLine takes in the name of a line that calls or is called, by the fields
// of DialBegin about its channel, which begin with prefix. The name is that of the
// endpoint: whoever originates a call, or a dialplan, may give the leg another's.
func (d *Driver) nameLine(ch *channel, f ami.Fields, prefix string) {
	if ch.endpoint == "" || ch.person != "" {
		return
	}
	pres, ok := presentation(f, prefix)
	if !ok {
		pres = d.get(ch, "CALLERID(pres)")
	}
	if ch.person = callerName(ch.endpoint, pres); ch.person != "" && ch.call != "" {
		d.calls.Named(ch.call, ch.device, ch.person)
	}
}

// onTrunk returns the party that Dial calls by number@endpoint.
func onTrunk(dialString string) csta.ExtendedDeviceID {
	number, _, ok := strings.Cut(dialString, "@")
	if !ok || !dialable(number) {
		return csta.NotKnown()
	}
	return csta.Party(strings.Clone(number))
}

// presentation returns CALLERID(pres) of the event's channel, or of the one whose fields begin
// with the prefix, where manager.conf has it in channelvars.
func presentation(e ami.Fields, prefix string) (string, bool) {
	for _, v := range e.Values(prefix + "ChanVariable") {
		if pres, ok := strings.CutPrefix(v, "CALLERID(pres)="); ok {
			return pres, true
		}
	}
	return "", false
}
