package bus

import (
	"rccgw/csta"
	"rccgw/digitmod"
)

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

// PlanDigits translates by a digit plan: identities and destinations by its
// outgoing table, presented parties by its incoming one.
type PlanDigits struct{ Plan *digitmod.Plan }

// Request makes the PBX's numbers of a request's canonical ones.
func (d PlanDigits) Request(req csta.Message) (err error) {
	csta.Numbers(req, func(n csta.Number) {
		var r digitmod.Result
		var e error
		switch n.Role {
		case csta.Identity:
			r, e = d.Plan.Device(n.ID.ID)
		case csta.Destination:
			r, e = d.Plan.Destination(n.ID.ID)
		default:
			return
		}
		if e != nil {
			err = csta.Errorf(csta.Operation, "invalidParameterValue", "%s %q: %v", n.Field, n.ID.ID, e)
			return
		}
		n.ID.ID = r.Number
	})
	return err
}

// Message makes canonical numbers of the PBX's in a response or an event.
func (d PlanDigits) Message(m csta.Message) {
	csta.Numbers(m, func(n csta.Number) {
		var r digitmod.Result
		switch n.Role {
		case csta.Presentation:
			r = d.Plan.Present(n.ID.ID, origin(n.ID.External))
		case csta.Redirecting:
			r = d.Plan.Redirecting(n.ID.ID, origin(n.ID.External))
		case csta.Forward:
			r = d.Plan.ForwardTarget(n.ID.ID)
		default:
			return
		}
		if r.Number == "" {
			n.Withhold(r.Kind == digitmod.Restricted)
			return
		}
		n.ID.ID = r.Number
	})
	if d.Plan.Withheld(digitmod.Restricted).Number+d.Plan.Withheld(digitmod.NotKnown).Number != "" {
		csta.Withheld(m, d.show)
	}
}

// show gives a party without number the text that the plan has for it. A
// redirecting device that is not known stays so: mostly there is none.
func (d PlanDigits) show(n csta.Number) {
	if n.Role != csta.Presentation {
		return
	}
	kind := digitmod.NotKnown
	if n.Restricted != nil && bool(*n.Restricted) {
		kind = digitmod.Restricted
	}
	if text := d.Plan.Withheld(kind).Number; text != "" {
		n.Show(text)
	}
}

func origin(external bool) digitmod.Origin {
	if external {
		return digitmod.External
	}
	return digitmod.Internal
}

// Device returns the PBX's name of the line that a client means.
func (d PlanDigits) Device(number string) (string, error) {
	r, err := d.Plan.Device(number)
	return r.Number, err
}

// Shown returns the canonical number of the PBX's line.
func (d PlanDigits) Shown(device string) string {
	return d.Plan.Present(device, digitmod.Internal).Number
}
