package pbxtest

import "rccgw/csta"

// Hold and retrieve.

func holdScenarios() []scenario {
	need := services(&csta.MakeCall{}, &csta.HoldCall{}, &csta.RetrieveCall{})
	return []scenario{
		{name: "hold by client of caller", services: need, play: func(s *stage) { holdByClient(s, false) }},
		{name: "hold by client of called", services: need, play: func(s *stage) { holdByClient(s, true) }},
		{name: "hold by hand", services: services(&csta.MakeCall{}), needs: []Ability{HandHold}, play: holdByHand},
		{name: "hold by both", services: need, play: holdByBoth},
		{name: "holder hangs up", services: need, play: func(s *stage) { clearedOnHold(s, true) }},
		{name: "held party hangs up", services: need, play: func(s *stage) { clearedOnHold(s, false) }},
	}
}

func holdByClient(s *stage, byCalled bool) {
	call := s.talk(s.A, s.B)
	who, far := s.A, s.B
	if byCalled {
		who, far = s.B, s.A
	}
	for range 2 {
		s.hold(who, call, far)
		s.agree(s.A, s.B)
		ask(who, &csta.RetrieveCall{CallToBeRetrieved: who.conn(call, who)})
		s.retrieved(who, call, far)
		s.agree(s.A, s.B)
	}
	s.hangsUp(who, call, far)
}

func holdByHand(s *stage) {
	call := s.talk(s.A, s.B)
	s.by("A", "hold", s.A.Person.Hold())
	s.held(s.A, call, s.B)
	s.agree(s.A, s.B)
	s.by("A", "retrieve", s.A.Person.Retrieve())
	s.retrieved(s.A, call, s.B)
	s.agree(s.A, s.B)
}

func holdByBoth(s *stage) {
	call := s.talk(s.A, s.B)
	s.hold(s.A, call, s.B)
	s.hold(s.B, call, s.A)
	s.agree(s.A, s.B)
	ask(s.A, &csta.RetrieveCall{CallToBeRetrieved: s.A.conn(call, s.A)})
	s.retrieved(s.A, call, s.B)
	s.agree(s.A, s.B)
	ask(s.B, &csta.RetrieveCall{CallToBeRetrieved: s.B.conn(call, s.B)})
	s.retrieved(s.B, call, s.A)
	s.agree(s.A, s.B)
}

func clearedOnHold(s *stage, byHolder bool) {
	call := s.talk(s.A, s.B)
	s.hold(s.A, call, s.B)
	if byHolder {
		s.hangsUp(s.A, call, s.B)
	} else {
		s.hangsUp(s.B, call, s.A)
	}
	s.agree(s.A, s.B)
}
