package pbx

import (
	"context"

	"rccgw/csta"
)

// A Making is a command that waits, without the driver's turn, for the PBX to call a phone. It is answered once.
type Making struct {
	err  error
	done chan struct{} // closed when err is what became of it
}

// NewMaking returns one that is not answered.
func NewMaking() *Making { return &Making{done: make(chan struct{})} }

// Answer says what became of it: nil if the PBX calls the phone.
func (m *Making) Answer(err error) {
	m.err = err
	close(m.done)
}

// Wait waits for that. When ctx ends before, the command is uncertain.
func (m *Making) Wait(ctx context.Context) error {
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return csta.Errorf(csta.PrivateError, "uncertain", "the PBX has not said that it calls the phone")
	}
}
