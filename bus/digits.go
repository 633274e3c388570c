package bus

import "rccgw/csta"

// Digits translates the numbers of messages between the bus and a PBX, in
// place: between canonical numbers and the PBX's own.
type Digits interface {
	// Request makes the PBX's numbers of a request's canonical ones.
	Request(req csta.Message) error
	// Message makes canonical numbers of the PBX's in a response or an event.
	Message(m csta.Message)
	// Device returns the PBX's name of the line that a client means.
	Device(number string) (string, error)
	// Shown returns the canonical number of the PBX's line.
	Shown(device string) string
}

// SameDigits translates nothing.
type SameDigits struct{}

// Request changes nothing.
func (SameDigits) Request(csta.Message) error { return nil }

// Message changes nothing.
func (SameDigits) Message(csta.Message) {}

// Device returns the number.
func (SameDigits) Device(number string) (string, error) { return number, nil }

// Shown returns the device.
func (SameDigits) Shown(device string) string { return device }
