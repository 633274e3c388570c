package pbxtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A Bench is what the scenarios are played on: a PBX, idle, with nobody's
// forwarding or do-not-disturb set. It is made anew for each scenario; what must
// be stopped afterwards is stopped by the test's Cleanup.
type Bench struct {
	// Lines are four phones, or more.
	Lines []*Line
	// Impatient is a further line, at which the PBX ends or forwards an
	// unanswered call well before Wait.
	Impatient *Line
	// Offered is a further line, to which calls are offered before it alerts.
	Offered *Line
	// Orbit is where calls are parked, as a line writes it, and how lines are
	// shown it, where that is different. Nothing is parked there.
	Orbit, OrbitShown string
	// PickupGroup is the number of the pick-up group that the lines are in.
	PickupGroup string
	// Queue is a number, as a line writes it, and how lines are shown it, where
	// that is different, whose calls go to the third and the fourth line, or wait
	// until one of them is free.
	Queue, QueueShown string
	// Busy is a number that is always busy, Unknown one that nobody has.
	Busy, Unknown string
	// Outside is a subscriber who is not of this PBX.
	Outside *Outside
	// Cut takes the link between driver and PBX away while calls go on; Restore
	// brings it back.
	Cut, Restore func()
	// Calls returns the calls in the driver's model.
	Calls func() []pbx.Call
	// Lacks declares what this bench has not got, and why.
	Lacks map[Ability]string
	// Prompts says that a phone is prompted even where the client asked not to, unless it has a call on hold.
	Prompts bool
	// Wait is how long an event may take at most; zero: 5 s.
	Wait time.Duration
	// Storm is how many random actions the last scenario does; zero: 300.
	Storm int
}

// A Line is a phone of the PBX, as a client controls it.
type Line struct {
	// ID is how the line itself is written in its own requests, ConnectionIDs
	// and events.
	ID string
	// Handle is the deviceID of its ConnectionIDs in what other lines see.
	// Empty: ID.
	Handle string
	// Number is what others dial. Empty: ID.
	Number string
	// Shown is how others are shown it. Empty: ID.
	Shown string

	// Handler performs services for the line.
	Handler csta.Handler
	// Features are what the line offers.
	Features *csta.GetCSTAFeaturesResponse
	// Watch tells w the line's events from now on, until stop is called and has
	// returned.
	Watch func(w Watcher) (stop func())
	// Person is who sits at the phone.
	Person Person
}

// A Watcher is told what happens at a line. Its methods are called one at a
// time and in order. It is the same as the bus's.
type Watcher interface {
	Event(ev csta.Event)
	Link(up bool)
}

// A Person is the hand at a phone. An ability that is nil is one that the bench
// lacks. An error says that the phone did not do it. Numbers are those of Line
// and Outside; a bench whose phones dial other ones translates them.
type Person struct {
	Lift            func() error // for a prompted phone
	Dial            func(number string) error
	Answer          func() error
	HangUp          func() error // the active call, or rejects
	Hold            func() error
	Retrieve        func() error
	Transfer        func(number string) error // of the active call, without asking
	Join            func() error              // transfers the held call to the active one
	Conference      func() error              // joins the held call and the active one
	Park            func(orbit string) error  // the active call
	PickUp          func() error              // a call that rings in the group
	Press           func(digits string) error // of the active call
	Heard           func() string             // in the last call: digits, and the name of a tone in parentheses
	SetForwarding   func(kind csta.ForwardingType, on bool, number string) error
	SetDoNotDisturb func(on bool) error
	Message         func(waits bool) error // voice mail has one for the line, or none
}

// An Outside is a subscriber who is not of this PBX.
type Outside struct {
	Number string // what lines dial
	Shown  string // how lines are shown it
	Person Person // of whom Answer and HangUp are used
	// Call calls a number; CallWithheld does so without showing its own.
	Call, CallWithheld func(number string) error
}

// An Ability is something that a bench may lack.
type Ability string

// The abilities of a bench and of its people.
const (
	Impatient         Ability = "impatient line"
	Offering          Ability = "line that is offered calls"
	Orbit             Ability = "orbit"
	Group             Ability = "pick-up group"
	Queue             Ability = "queue"
	Busy              Ability = "busy number"
	Unknown           Ability = "unknown number"
	OutsideLine       Ability = "subscriber outside"
	OutsideCalls      Ability = "calls from outside"
	WithheldNumber    Ability = "calls without a number"
	Link              Ability = "link that can be cut"
	LinkWaiting       Ability = "who waits, after a lost link" // in an orbit or a queue
	Model             Ability = "view of the driver's model"
	Engaged           Ability = "no call waiting" // a phone in a call is busy
	CrossedPickUps    Ability = "pick-ups of calls that change at the same moment"
	Quick             Ability = "phones that take a call at once after another"
	HandLift          Ability = "hand: lift"
	HandDial          Ability = "hand: dial"
	HandAnswer        Ability = "hand: answer"
	HandHangUp        Ability = "hand: hang up"
	HandHold          Ability = "hand: hold and retrieve"
	HandTransfer      Ability = "hand: transfer"
	HandJoin          Ability = "hand: transfer after asking"
	HandConference    Ability = "hand: conference"
	HandPark          Ability = "hand: park"
	HandPickUp        Ability = "hand: pick up"
	HandPress         Ability = "hand: press digits"
	Hears             Ability = "hand: hears digits and tones"
	HandForwarding    Ability = "hand: forwarding"
	HandDoNotDisturb  Ability = "hand: do not disturb"
	VoiceMail         Ability = "voice mail"
	ForwardingRefusal Ability = "refusal of bad forwarding targets" // of loops and of numbers that nobody has
)

// has reports whether the bench is fit for what needs the ability.
func (b *Bench) has(a Ability) bool {
	everyone := func(f func(p *Person) bool) bool {
		for _, l := range b.Lines {
			if !f(&l.Person) {
				return false
			}
		}
		return true
	}
	switch a {
	case Impatient:
		return b.Impatient != nil
	case Offering:
		return b.Offered != nil
	case Orbit:
		return b.Orbit != ""
	case Group:
		return b.PickupGroup != ""
	case Queue:
		return b.Queue != ""
	case Busy:
		return b.Busy != ""
	case Unknown:
		return b.Unknown != ""
	case OutsideLine:
		return b.Outside != nil && b.Outside.Person.Answer != nil && b.Outside.Person.HangUp != nil
	case OutsideCalls:
		return b.Outside != nil && b.Outside.Call != nil
	case WithheldNumber:
		return b.Outside != nil && b.Outside.CallWithheld != nil
	case Link:
		return b.Cut != nil && b.Restore != nil
	case Model:
		return b.Calls != nil
	case HandLift:
		return everyone(func(p *Person) bool { return p.Lift != nil })
	case HandDial:
		return everyone(func(p *Person) bool { return p.Dial != nil })
	case HandAnswer:
		return everyone(func(p *Person) bool { return p.Answer != nil })
	case HandHangUp:
		return everyone(func(p *Person) bool { return p.HangUp != nil })
	case HandHold:
		return everyone(func(p *Person) bool { return p.Hold != nil && p.Retrieve != nil })
	case HandTransfer:
		return everyone(func(p *Person) bool { return p.Transfer != nil })
	case HandJoin:
		return everyone(func(p *Person) bool { return p.Join != nil })
	case HandConference:
		return everyone(func(p *Person) bool { return p.Conference != nil })
	case HandPark:
		return everyone(func(p *Person) bool { return p.Park != nil })
	case HandPickUp:
		return everyone(func(p *Person) bool { return p.PickUp != nil })
	case HandPress:
		return everyone(func(p *Person) bool { return p.Press != nil })
	case Hears:
		return everyone(func(p *Person) bool { return p.Heard != nil })
	case HandForwarding:
		return everyone(func(p *Person) bool { return p.SetForwarding != nil })
	case HandDoNotDisturb:
		return everyone(func(p *Person) bool { return p.SetDoNotDisturb != nil })
	case VoiceMail:
		return everyone(func(p *Person) bool { return p.Message != nil })
	default:
		// What cannot be seen in the bench is there unless it is declared missing.
		_, lacks := b.Lacks[a]
		return !lacks
	}
}

// need skips the scenario where the ability is declared missing, and fails it
// where it is missing without.
func (b *Bench) need(t *testing.T, a Ability, record *shown) {
	t.Helper()
	reason, declared := b.Lacks[a]
	switch {
	case b.has(a):
	case declared:
		record.lacks(t, string(a), fmt.Sprintf("the bench lacks %q: %s", a, reason))
	default:
		t.Fatalf("the bench lacks %q and does not declare it in Lacks", a)
	}
}

// complete fills in what the bench leaves to be understood.
func (b *Bench) complete(t *testing.T) {
	t.Helper()
	if len(b.Lines) < 4 {
		t.Fatalf("a bench has four lines or more, not %d", len(b.Lines))
	}
	if b.Wait == 0 {
		b.Wait = 5 * time.Second
	}
	if b.Storm == 0 {
		b.Storm = 300
	}
	if b.OrbitShown == "" {
		b.OrbitShown = b.Orbit
	}
	if b.QueueShown == "" {
		b.QueueShown = b.Queue
	}
	for _, l := range slices.Concat(b.Lines, []*Line{b.Impatient, b.Offered}) {
		if l == nil {
			continue
		}
		for _, s := range []*string{&l.Handle, &l.Number, &l.Shown} {
			if *s == "" {
				*s = l.ID
			}
		}
		if l.ID == "" || l.Handler == nil || l.Features == nil || l.Watch == nil {
			t.Fatalf("line %q needs ID, Handler, Features and Watch", l.ID)
		}
	}
}
