package freeswitch

import (
	"strings"

	"rccgw/csta"
)

// maxNumber is the longest number that is dialled.
const maxNumber = 64

// dialable reports whether the text is a number that may be handed to the PBX:
// nothing in it means anything to the event socket or the dialplan but digits.
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
	if !dialable(number) {
		return csta.NotKnown()
	}
	p := csta.Party(strings.Clone(number))
	p.DeviceIdentifier.External = !d.phones.Match(number)
	p.DeviceIdentifier.Dialled = true
	return p
}

// outside returns the number of a party that is no phone.
func outside(number string) csta.ExtendedDeviceID {
	switch strings.ToLower(number) {
	case "anonymous", "restricted", "private", "withheld":
		return csta.Restricted()
	}
	if !dialable(number) {
		return csta.NotKnown()
	}
	p := csta.Party(strings.Clone(number))
	p.DeviceIdentifier.External = true
	return p
}
