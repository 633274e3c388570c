package bus

import (
	"rccgw/csta"
	"rccgw/digitmod"
)

// digits translates the numbers of messages between the bus and a PBX, in
// place and by one plan: identities and destinations by its outgoing table,
// presented parties by its incoming one.
type digits struct{ plan *digitmod.Plan }

// An own line is the one that a request is for, as who asks calls it and as the
// PBX does. A plan may have changed since the two came together; between whom
// they concern they still mean the same. The zero value is no line.
type own struct{ line, device string }

// request makes the PBX's numbers of a request's canonical ones.
func (d digits) request(req csta.Message, o own) (err error) {
	csta.Numbers(req, func(n csta.Number) {
		var number string
		var e error
		switch {
		case n.Role == csta.Identity && o.device != "" && n.ID.ID == o.line:
			number = o.device
		case n.Role == csta.Identity:
			number, e = d.device(n.ID.ID)
		case n.Role == csta.Destination:
			var r digitmod.Result
			r, e = d.plan.Destination(n.ID.ID)
			number = r.Number
		default:
			return
		}
		if e != nil {
			err = csta.Errorf(csta.Operation, "invalidParameterValue", "%s %q: %v", n.Field, n.ID.ID, e)
			return
		}
		n.ID.ID = number
	})
	return err
}

// message makes canonical numbers of the PBX's in a response or an event.
func (d digits) message(m csta.Message, o own) {
	csta.Numbers(m, func(n csta.Number) {
		var r digitmod.Result
		switch {
		case n.Role == csta.Presentation && o.device != "" && n.ID.ID == o.device && !n.ID.External:
			r.Number = o.line
		case n.Role == csta.Forward:
			r = d.plan.ForwardTarget(n.ID.ID)
		case n.Role == csta.Presentation && n.ID.Dialled:
			r = d.plan.Dialled(n.ID.ID)
		case n.Role == csta.Presentation:
			r = d.plan.Present(n.ID.ID, origin(n.ID.External))
		case n.Role == csta.Redirecting:
			r = d.plan.Redirecting(n.ID.ID, origin(n.ID.External))
		default:
			return
		}
		switch restricted := r.Kind == digitmod.Restricted; {
		case r.Number == "":
			n.Withhold(restricted)
		case restricted: // the number is a text, and there is no name
			n.Withhold(true)
			n.Show(r.Number)
		default:
			n.ID.ID = r.Number
		}
	})
	if d.plan.Withheld(digitmod.Restricted).Number+d.plan.Withheld(digitmod.NotKnown).Number != "" {
		csta.Withheld(m, d.show)
	}
}

// show gives a party without number the text that the plan has for it. A
// redirecting device that is not known stays so: mostly there is none.
func (d digits) show(n csta.Number) {
	if n.Role != csta.Presentation {
		return
	}
	kind := digitmod.NotKnown
	if n.Restricted != nil && bool(*n.Restricted) {
		kind = digitmod.Restricted
	}
	if text := d.plan.Withheld(kind).Number; text != "" {
		n.Show(text)
	}
}

func origin(external bool) digitmod.Origin {
	if external {
		return digitmod.External
	}
	return digitmod.Internal
}

// device returns the PBX's name of the line that a client means.
func (d digits) device(number string) (string, error) {
	r, err := d.plan.Device(number)
	return r.Number, err
}

// shown returns the canonical number of the PBX's line.
func (d digits) shown(device string) string {
	return d.plan.Present(device, digitmod.Internal).Number
}
