package pbxtest

import (
	"errors"
	"fmt"

	"rccgw/csta"
	"rccgw/pbx"
)

// What a call goes through between dialling and ringing: digits, a network, a
// queue.

func routeScenarios() []scenario {
	queue := services(&csta.MakeCall{}, &csta.QueuedEvent{})
	at := []Ability{Queue}
	return []scenario{
		{name: "digits dialled", services: services(&csta.DigitsDialedEvent{}), needs: []Ability{HandDial}, play: digitsDialled},
		{name: "network reached", services: services(&csta.MakeCall{}, &csta.NetworkReachedEvent{}), needs: []Ability{OutsideLine}, play: networkReached},
		{name: "queue, somebody is free", services: queue, needs: at, play: queueFree},
		{name: "queue, everybody is busy", services: queue, needs: at, play: queueBusy},
		{name: "queue, given up", services: queue, needs: at, play: queueGivenUp},
		{name: "queue, from outside", services: queue, needs: []Ability{Queue, OutsideCalls}, play: queueFromOutside},
		{name: "link lost, queued", services: queue, needs: []Ability{Queue, Link, LinkWaiting, HandHangUp}, play: linkQueued},
	}
}

func digitsDialled(s *stage) {
	s.by("A", "dial", s.A.Person.Dial(s.B.Number))
	ev := expect(s.A, "digits are dialled", func(e *csta.DigitsDialedEvent) bool { return e.DialingConnection.DeviceID.ID == s.A.ID })
	s.A.check(ev, "dialingDevice", ev.DialingDevice, s.A)
	s.A.checkLocal(ev, pbx.Initiated)
	if !s.A.shows(ev.DialingSequence.ID, s.B) {
		s.Errorf("A dialled B and was told %q", ev.DialingSequence)
	}
	call := ev.DialingConnection.CallID
	s.originated(s.A, call)
	s.alerts(s.A, s.B, call)
	s.hangsUp(s.A, call, s.B)
}

func networkReached(s *stage) {
	o := s.b.Outside
	call := s.dial(s.A, o.Number)
	ev := expect(s.A, "the call leaves", func(e *csta.NetworkReachedEvent) bool { return e.OutboundConnection.CallID == call })
	s.A.check(ev, "callingDevice", ev.CallingDevice, s.A)
	s.A.checkLocal(ev, pbx.Connected)
	if n := ev.CalledDevice.String(); n != o.Shown && n != o.Number {
		s.Errorf("the call that leaves is for %q, not %q", n, o.Number)
	}
	s.by("the subscriber", "answer", o.Person.Answer())
	expect(s.A, "the subscriber answers", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == ev.OutboundConnection })
	s.agree(s.A)
	s.by("the subscriber", "hang up", o.Person.HangUp())
	s.gone(call, s.A)
	// A call that stays inside reaches no network.
	inside := s.talk(s.A, s.B)
	if saw(s.A, func(e *csta.NetworkReachedEvent) bool { return e.OutboundConnection.CallID == inside }) {
		s.Errorf("a call to another line reached a network")
	}
}

// member waits until the queue lets the call ring at a member, and returns which.
func (s *stage) member(call string) *actor {
	s.Helper()
	var who *actor
	s.eventually("ringing at a member of the queue", func() error {
		for _, x := range []*actor{s.C, s.D} {
			if x.states()[call] == pbx.Alerting {
				who = x
				return nil
			}
		}
		return fmt.Errorf("neither rings: C is in %v, D in %v", s.C.states(), s.D.states())
	})
	return who
}

// served lets the member answer A's call, which is one call at all times.
func (s *stage) served(call string) {
	s.Helper()
	x := s.member(call)
	ev := expect(s.A, "a member alerts", func(e *csta.DeliveredEvent) bool { return s.A.isConn(e.Connection, call, x) })
	if n := ev.CalledDevice.String(); n != s.b.Queue && n != s.b.QueueShown {
		s.Errorf("the call to the queue is for %q, not %q", n, s.b.Queue)
	}
	s.agree(s.A, x)
	s.answer(x, call)
	s.answers(x, call, s.A)
	s.agree(s.A, s.B, s.C, s.D)
	if n := len(s.A.states()); n != 1 {
		s.Errorf("one call to the queue is shown to A as %d", n)
	}
	s.hangsUp(s.A, call, x)
}

func queueFree(s *stage) {
	s.served(s.dial(s.A, s.b.Queue))
	s.served(s.dial(s.A, s.b.Queue))
}

// queued has A call the queue, whose members talk, and waits until it is queued.
func (s *stage) queued() (call, talk string) {
	s.Helper()
	talk = s.talk(s.C, s.D)
	call = s.dial(s.A, s.b.Queue)
	ev := expect(s.A, "the call is queued", func(e *csta.QueuedEvent) bool { return e.QueuedConnection.CallID == call })
	if n := ev.Queue.String(); n != s.b.Queue && n != s.b.QueueShown {
		s.Errorf("the queue is shown as %q, not %q", n, s.b.Queue)
	}
	s.A.check(ev, "callingDevice", ev.CallingDevice, s.A)
	s.A.checkLocal(ev, pbx.Connected)
	s.agree(s.A, s.C, s.D)
	return call, talk
}

func queueBusy(s *stage) {
	call, talk := s.queued()
	s.hangsUp(s.C, talk, s.D)
	ev := expect(s.A, "the call leaves the queue", func(e *csta.DivertedEvent) bool { return e.Connection.CallID == call })
	s.A.checkLocal(ev, pbx.Connected)
	s.served(call)
}

func queueGivenUp(s *stage) {
	call, talk := s.queued()
	s.hangsUp(s.A, call)
	s.hangsUp(s.C, talk, s.D)
	s.talk(s.A, s.C) // whom nobody else calls
	s.agree(s.A, s.C, s.D)
}

func queueFromOutside(s *stage) {
	o := s.b.Outside
	s.by("the subscriber", "call", o.Call(s.b.Queue))
	var ev *csta.DeliveredEvent
	s.eventually("ringing at a member of the queue", func() error {
		for _, x := range []*actor{s.C, s.D} {
			if saw(x, func(e *csta.DeliveredEvent) bool { ev = e; return true }) {
				return nil
			}
		}
		return errors.New("neither C nor D rings")
	})
	if n := ev.CallingDevice.String(); n != o.Shown {
		s.Errorf("the caller is shown as %q, not %q", n, o.Shown)
	}
}

func linkQueued(s *stage) {
	call, talk := s.queued()
	s.cut()
	s.by("C", "hang up", s.C.Person.HangUp())
	s.restore()
	s.gone(talk, s.C, s.D)
	s.served(call)
}
