package freeswitchtest

import (
	"fmt"
	"time"

	"rccgw/pbx/pbxtest"
)

// A Phone is one that is registered at the fake.
type Phone struct {
	server   *Server
	number   string
	legs     []*channel
	obeys    bool          // answers by itself when the call asks for that
	talks    bool          // answers at the event talk
	away     bool          // it is not registered
	eager    bool          // answers whatever comes
	patience time.Duration // after which an unanswered call ends; 0: never
	heard    string
}

// Phone returns the phone of the number, of which there is one.
func (s *Server) Phone(number string) *Phone { return s.phones[number] }

// Obeys has the phone answer by itself when a call asks for that.
func (p *Phone) Obeys() *Phone {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.obeys = true
	return p
}

// Talks has the phone answer at the event talk.
func (p *Phone) Talks() *Phone {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.talks = true
	return p
}

// Eager has the phone answer whatever comes, as the recorded ones did.
func (p *Phone) Eager() *Phone {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.eager = true
	return p
}

// Impatient has calls that the phone does not answer end.
func (p *Phone) Impatient(after time.Duration) *Phone {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.patience = after
	return p
}

// do does something with one of the phone's legs that fits; of several with the last.
func (p *Phone) do(what string, fits func(ch *channel) bool, do func(ch *channel)) error {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	for i := len(p.legs) - 1; i >= 0; i-- {
		if ch := p.legs[i]; fits(ch) {
			do(ch)
			return nil
		}
	}
	return fmt.Errorf("phone %s has nothing to %s", p.number, what)
}

func rings(ch *channel) bool { return !ch.inbound && ch.callstate == "RINGING" }

// Answer answers the call that rings.
func (p *Phone) Answer() error { return p.do("answer", rings, p.server.answered) }

// HangUp ends the active call, or rejects the one that rings; one on hold is ended last.
func (p *Phone) HangUp() error {
	for _, fits := range []func(ch *channel) bool{
		func(ch *channel) bool { return ch.callstate != "HELD" && !rings(ch) }, rings, func(*channel) bool { return true },
	} {
		err := p.do("hang up", fits, func(ch *channel) {
			if rings(ch) {
				p.server.rejected(ch, "CALL_REJECTED")
			} else {
				p.server.hangup(ch, "NORMAL_CLEARING")
			}
		})
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("phone %s has no call", p.number)
}

// Hold holds the active call.
func (p *Phone) Hold() error {
	return p.do("hold", func(ch *channel) bool { return (ch.bridged() || ch.room != "") && ch.callstate == "ACTIVE" }, func(ch *channel) { p.server.hold(ch, true, true) })
}

// Retrieve takes a held call back.
func (p *Phone) Retrieve() error {
	return p.do("retrieve", func(ch *channel) bool { return ch.callstate == "HELD" }, func(ch *channel) { p.server.hold(ch, false, true) })
}

// Heard returns the digits that were sent to the phone.
func (p *Phone) Heard() string {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.heard
}

// Dial calls a number.
func (p *Phone) Dial(number string) error {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.newChannel(newUUID(), p)
	ch.inbound, ch.lead = true, true
	s.enter(ch, "CS_NEW")
	ch.presence, ch.dest, ch.cid, ch.dialplan = p.number+"@127.0.0.1", number, p.number, true
	s.enter(ch, "CS_INIT")
	s.tell(ch, "CHANNEL_CREATE")
	ch.state = "CS_ROUTING"
	s.become(ch, "RINGING")
	s.enter(ch, "CS_ROUTING")
	s.enter(ch, "CS_EXECUTE")
	s.route(ch)
	return nil
}

// Person is who sits at the phone.
func (p *Phone) Person() pbxtest.Person {
	return pbxtest.Person{Lift: p.Answer, Dial: p.Dial, Answer: p.Answer, HangUp: p.HangUp, Hold: p.Hold, Retrieve: p.Retrieve, Heard: p.Heard}
}

// Unregister has the phone be away: calls to it fail.
func (p *Phone) Unregister() {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.away = true
}
