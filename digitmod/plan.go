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

	// nil where the incoming table is for them too
	forward     []rule
	redirecting []rule

	restricted string // shown for a withheld number, "" for none
	notKnown   string
	emergency  []string
	mayAlter   bool // the emergency numbers
}

// A Role is what a number means, and so which table is for it.
type Role string

// The roles of numbers.
const (
	Destination  Role = "destination"  // what a client wants called: [Plan.Destination]
	Identity     Role = "identity"     // a line that a client means: [Plan.Device]
	Presentation Role = "presentation" // a party that the PBX shows: [Plan.Present]
	Forward      Role = "forward"      // a forward target as the PBX keeps it: [Plan.ForwardTarget]
	Redirecting  Role = "redirecting"  // a device that a call was redirected from: [Plan.Redirecting]
)

// table returns the rules for numbers of the role and the name of their list.
func (p *Plan) table(role Role) (string, []rule) {
	switch {
	case role == Destination || role == Identity:
		return "outgoing", p.outgoing
	case role == Forward && p.forward != nil:
		return "forward", p.forward
	case role == Redirecting && p.redirecting != nil:
		return "redirecting", p.redirecting
	}
	return "incoming", p.incoming
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

// MarshalText returns what String does.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// A Result is what became of a number, and how.
type Result struct {
	// Number is what to dial or to show. It is empty if and only if Kind is Restricted or NotKnown and the plan has no text
	// to show instead.
	Number string
	Kind   Kind
	// Read is the number as it went into the table, or would have gone before ARS came off a forward target.
	Read Number
	// Rule is the index of the rule that fired, in the table of the role; -1 means that none did.
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
func (p *Plan) Destination(written string) (Result, error) { return p.out(Destination, written, nil) }

// Device returns what the PBX calls the line that a client wrote: the outgoing table without ARS. Errors are as with
// [Plan.Destination].
func (p *Plan) Device(written string) (Result, error) { return p.out(Identity, written, nil) }

func (p *Plan) out(role Role, written string, tr *trace) (Result, error) {
	if p == nil {
		p = new(Plan)
	}
	n, err := parseNumber(written, tr)
	if err != nil {
		return Result{}, err
	}
	if tr != nil {
		tr.read(n)
	}
	res := Result{Number: n.Digits, Read: n, Rule: -1}
	if n.Name != "" {
		res.Number, res.Kind = n.Name, Named
		return res, nil
	}
	name, table := p.table(role)
	i, groups := find(table, n, "", tr)
	var ars arsReason
	switch {
	case p.ars == "":
		ars = arsNone
	case role == Identity:
		ars = arsOfLine
	case i >= 0 && table[i].flag:
		ars = arsIgnored
	case i < 0 && p.isInternal(n):
		ars = arsInternal
	default:
		res.ARS = true
	}
	front := ""
	if res.ARS {
		front = p.ars
	}
	if i >= 0 {
		if res.Number, err = table[i].apply(front, n.Digits, groups, tr); err != nil {
			return Result{}, fmt.Errorf("%s: %w", place(name, i), err)
		}
		res.Rule = i
	} else if res.ARS {
		res.Number = front + n.Digits
	}
	if tr != nil {
		tr.ars(p, ars, n, res)
	}
	return res, nil
}

// An arsReason is why the ARS digits are not put in front of a number.
type arsReason uint8

const (
	arsAdded    arsReason = iota // they are
	arsNone                      // the plan has none
	arsOfLine                    // the number is a line's
	arsIgnored                   // the rule leaves them out
	arsInternal                  // no rule matches, and the number is internal
)

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
	return p.in(Presentation, number, from, nil)
}

// Redirecting returns what clients see of the device that a call was redirected from, as [Plan.Present] does, by the plan's
// rules for redirecting numbers where it has any of its own.
func (p *Plan) Redirecting(number string, from Origin) Result {
	return p.in(Redirecting, number, from, nil)
}

// Withheld returns what clients see of a party of whom the PBX gives no number: Kind is Restricted or NotKnown, and Number the
// text that the plan shows instead, if any.
func (p *Plan) Withheld(kind Kind) Result {
	res := Result{Kind: kind, Rule: -1}
	switch {
	case p == nil:
	case kind == Restricted:
		res.Number = p.restricted
	case kind == NotKnown:
		res.Number = p.notKnown
	}
	return res
}

func (p *Plan) in(role Role, number string, from Origin, tr *trace) Result {
	n, err := parseNumber(number, tr)
	if err != nil {
		return p.withhold(Result{Kind: NotKnown, Rule: -1}, tr)
	}
	if tr != nil {
		tr.read(n)
	}
	return p.present(role, n, from, tr)
}

// withhold completes a result without number.
func (p *Plan) withhold(res Result, tr *trace) Result {
	res.Number = p.Withheld(res.Kind).Number
	if tr != nil {
		tr.withheld(res)
	}
	return res
}

func (p *Plan) present(role Role, n Number, from Origin, tr *trace) Result {
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
			return res
		}
		return p.withhold(res, tr)
	}
	_, table := p.table(role)
	i, groups := find(table, n, from, tr)
	if i < 0 {
		res.Number = n.String()
		if tr != nil {
			tr.plus(n, res, false)
		}
		return res
	}
	r := &table[i]
	front := ""
	if r.flag {
		front = "+"
	}
	res.Rule = i
	number, err := r.apply(front, n.Digits, groups, tr)
	if err != nil {
		res.Kind = NotKnown
		return p.withhold(res, tr)
	}
	res.Number = number
	if tr != nil {
		tr.plus(n, res, r.flag)
	}
	return res
}

// ForwardTarget returns what clients see of a number to which the PBX says that a line is forwarded. Such a number stands in
// the PBX as it was dialled: the ARS digits come off, then it is presented, as an external number where they did and else as
// an internal one where it is one, by the plan's rules for forward targets where it has any of its own. A number that is
// internal by its length keeps its first digits, whatever they are.
func (p *Plan) ForwardTarget(dialled string) Result { return p.undialled(Forward, dialled, nil) }

// Dialled returns what clients see of a party that the PBX shows by the number that was dialled for it: the ARS digits come off as
// with [Plan.ForwardTarget], then it is presented as any party is, by the incoming table.
func (p *Plan) Dialled(number string) Result { return p.undialled(Presentation, number, nil) }

func (p *Plan) undialled(role Role, dialled string, tr *trace) Result {
	if p == nil {
		p = new(Plan)
	}
	read, err := parseNumber(dialled, tr)
	if err != nil {
		return p.withhold(Result{Kind: NotKnown, Rule: -1}, tr)
	}
	if tr != nil {
		tr.read(read)
	}
	n, from, ars := p.withoutARS(read)
	if tr != nil {
		tr.forwarded(p.ars, read, n, from)
	}
	res := p.present(role, n, from, tr)
	res.Read, res.ARS = read, ars
	return res
}

// withoutARS takes the ARS digits off a forward target, and tells where it is and whether there were any.
func (p *Plan) withoutARS(n Number) (Number, Origin, bool) {
	switch {
	case p.isInternal(n):
		return n, Internal, false
	case p.ars != "" && !n.Plus && len(n.Digits) > len(p.ars) && strings.HasPrefix(n.Digits, p.ars):
		n.Digits = n.Digits[len(p.ars):]
		return n, External, true
	}
	return n, External, false
}

// RoundTrip reports whether a device of the PBX's own comes back the same when it is presented to clients as an internal
// number and meant by them as a line. If not, clients would see the line and could not control it; the error says what came out
// and which rules fired.
func (p *Plan) RoundTrip(device string) error {
	shown := p.Present(device, Internal)
	if shown.Kind == Restricted || shown.Kind == NotKnown {
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

// fired names the rule that fired for a message.
func fired(table string, i int) string {
	if i < 0 {
		return "no " + table + " rule"
	}
	return place(table, i)
}
