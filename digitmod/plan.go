package digitmod

import (
	"fmt"
	"strings"
)

// A Plan modifies the digits of one PBX. It does not change once made and is safe for concurrent use; to edit a plan, make a
// new one and replace the old one when there is no error. A nil and a zero Plan have no rules and no ARS.
type Plan struct {
	ars      string
	internal int // digits of the longest internal number
	outgoing []rule
	incoming []rule
}

// A Kind tells what a [Result] is about.
type Kind uint8

// The kinds of a result.
const (
	Digits     Kind = iota // a number
	Named                  // an address that is not a number, unchanged
	Restricted             // the party withholds its number: CSTA restricted
	NotKnown               // there is no number: CSTA notKnown
)

// String returns restricted and notKnown as CSTA writes them.
func (k Kind) String() string {
	switch k {
	case Digits:
		return "digits"
	case Named:
		return "named"
	case Restricted:
		return "restricted"
	case NotKnown:
		return "notKnown"
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// A Result is what became of a number, and how.
type Result struct {
	// Number is what to dial or to show. It is empty if and only if Kind is Restricted or NotKnown.
	Number string
	Kind   Kind
	// Read is the number as it went into the table, or would have gone before ARS came off a forward target.
	Read Number
	// Rule is the index of the rule that fired, in the outgoing or the incoming table; -1 means that none did.
	Rule int
	// ARS tells that the access digits were put in front of a destination, or taken off a forward target.
	ARS bool
}

// Destination returns what the PBX dials for a number that a client wrote.
//
// A rule that matches replaces, and the ARS digits come in front unless the rule ignores them. Without a rule, internal numbers,
// codes that begin with * or #, and names stay as they are; anything else gets the ARS digits. A + is never dialled unless a
// replacement contains it.
//
// The error is [ErrNoNumber] or [ErrMalformed].
func (p *Plan) Destination(written string) (Result, error) { return p.out(written, true) }

// Device returns what the PBX calls the line that a client wrote: the outgoing table without ARS. Errors are as with
// [Plan.Destination].
func (p *Plan) Device(written string) (Result, error) { return p.out(written, false) }

func (p *Plan) out(written string, dial bool) (Result, error) {
	if p == nil {
		p = new(Plan)
	}
	n, err := ParseNumber(written)
	if err != nil {
		return Result{}, err
	}
	res := Result{Number: n.Digits, Read: n, Rule: -1}
	if n.Name != "" {
		res.Number, res.Kind = n.Name, Named
		return res, nil
	}
	i, groups := find(p.outgoing, n, "")
	if i < 0 {
		if dial && p.ars != "" && !p.isInternal(n) {
			res.Number, res.ARS = p.ars+n.Digits, true
		}
		return res, nil
	}
	r := &p.outgoing[i]
	front := ""
	if dial && !r.flag {
		front = p.ars
	}
	number, err := r.apply(front, n.Digits, groups)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", fired("outgoing", i), err)
	}
	res.Number, res.Rule, res.ARS = number, i, front != ""
	return res, nil
}

// isInternal reports whether n is dialled as it is where no rule says otherwise.
func (p *Plan) isInternal(n Number) bool {
	return n.Ext || n.code() || !n.Plus && len(n.Digits) <= p.internal
}

// Present returns what clients see of a party that the PBX presents with this number.
//
// A rule that matches replaces and puts a + in front where it says so. Without a rule the number is shown as presented, in its
// canonical form, never with an invented +. What holds no number comes back as NotKnown: an empty text, unknown, <unknown>,
// unavailable, text that is malformed, and what a rule leaves nothing of, so that a rule can declare a PBX's own way to say so.
// Restricted are anonymous, restricted, private and withheld. Case does not matter in these words.
func (p *Plan) Present(number string, from Origin) Result {
	n, err := ParseNumber(number)
	if err != nil {
		return Result{Kind: NotKnown, Rule: -1}
	}
	return p.present(n, from)
}

func (p *Plan) present(n Number, from Origin) Result {
	if p == nil {
		p = new(Plan)
	}
	res := Result{Read: n, Rule: -1}
	if n.Name != "" {
		switch strings.ToLower(n.Name) {
		case "anonymous", "restricted", "private", "withheld":
			res.Kind = Restricted
		case "unknown", "<unknown>", "unavailable":
			res.Kind = NotKnown
		default:
			res.Number, res.Kind = n.Name, Named
		}
		return res
	}
	i, groups := find(p.incoming, n, from)
	if i < 0 {
		res.Number = n.String()
		return res
	}
	r := &p.incoming[i]
	front := ""
	if r.flag {
		front = "+"
	}
	res.Rule = i
	if number, err := r.apply(front, n.Digits, groups); err == nil {
		res.Number = number
	} else {
		res.Kind = NotKnown
	}
	return res
}

// ForwardTarget returns what clients see of a number to which the PBX says that a line is forwarded. Such a number stands in
// the PBX as it was dialled: the ARS digits come off, then it is presented, as an external number where they did and else as
// an internal one where it is one. A number that is internal by its length keeps its first digits, whatever they are.
func (p *Plan) ForwardTarget(dialled string) Result {
	if p == nil {
		p = new(Plan)
	}
	read, err := ParseNumber(dialled)
	if err != nil {
		return Result{Kind: NotKnown, Rule: -1}
	}
	n, from, ars := read, External, false
	switch {
	case p.isInternal(n):
		from = Internal
	case p.ars != "" && !n.Plus && len(n.Digits) > len(p.ars) && strings.HasPrefix(n.Digits, p.ars):
		n.Digits, ars = n.Digits[len(p.ars):], true
	}
	res := p.present(n, from)
	res.Read, res.ARS = read, ars
	return res
}

// RoundTrip reports whether a device of the PBX's own comes back the same when it is presented to clients as an internal
// number and meant by them as a line. If not, clients would see the line and could not control it; the error says what came out
// and which rules fired.
func (p *Plan) RoundTrip(device string) error {
	shown := p.Present(device, Internal)
	if shown.Number == "" {
		return fmt.Errorf("device %q is shown as %v (%s)", device, shown.Kind, fired("incoming", shown.Rule))
	}
	back, err := p.Device(shown.Number)
	switch {
	case err != nil:
		return fmt.Errorf("device %q is shown as %q (%s), which gives no device: %w",
			device, shown.Number, fired("incoming", shown.Rule), err)
	case back.Number != device:
		return fmt.Errorf("device %q is shown as %q (%s), which comes back as device %q (%s)",
			device, shown.Number, fired("incoming", shown.Rule), back.Number, fired("outgoing", back.Rule))
	}
	return nil
}
