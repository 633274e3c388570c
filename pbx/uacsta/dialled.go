package uacsta

import (
	"errors"
	"slices"
	"sync"

	"rccgw/csta"
)

// A dialled remembers what a line dialled: an end that speaks TR/87 shows such a party
// by the number as its client wrote it, not as the PBX presents it, so the digits that
// give access to a trunk are a part of it. The zero value remembers nothing yet.
type dialled struct {
	mu   sync.Mutex
	list []*dialledNumber // the oldest first
}

// A dialledNumber is one that was dialled, in a call that is not known before the
// answer.
type dialledNumber struct{ number, call string }

// maxDialled is how many numbers of a line are remembered: those of its calls.
const maxDialled = 64

// note remembers the number that a request dials, before it leaves: events may come
// before its answer is seen. What it returns takes the answer, or why there is none.
func (d *dialled) note(req csta.Message) (answered func(resp csta.Message, err error)) {
	n := &dialledNumber{}
	switch req := req.(type) {
	case *csta.MakeCall:
		n.number = req.CalledDirectoryNumber.ID
	case *csta.ConsultationCall:
		n.number = req.ConsultedDevice.ID
	}
	if n.number == "" {
		return func(csta.Message, error) {}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == maxDialled {
		d.list = slices.Delete(d.list, 0, 1)
	}
	d.list = append(d.list, n)
	return func(resp csta.Message, err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err != nil && !errors.Is(refusal(err), errUncertain) {
			d.list = slices.DeleteFunc(d.list, func(x *dialledNumber) bool { return x == n })
		}
		switch resp := resp.(type) {
		case *csta.MakeCallResponse:
			n.call = resp.CallingDevice.CallID
		case *csta.ConsultationCallResponse:
			n.call = resp.InitiatedCall.CallID
		}
	}
}

// mark marks the numbers in what an end says of a call that are shown as they were
// dialled in it.
func (d *dialled) mark(m csta.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		return
	}
	calls := map[string]bool{"": true} // of one that is being made it is not known yet
	csta.Connections(m, func(c *csta.ConnectionID) { calls[c.CallID] = true })
	csta.Numbers(m, func(n csta.Number) {
		for _, x := range d.list {
			if n.Role == csta.Presentation && n.ID.ID == x.number && calls[x.call] {
				n.ID.Dialled = true
			}
		}
	})
}
