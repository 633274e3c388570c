package pbxtest

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// Two calls of one line: consultation, alternation, reconnection.

func consultScenarios() []scenario {
	need := services(&csta.MakeCall{}, &csta.ConsultationCall{})
	with := func(more ...csta.Message) []csta.Message { return append(need[:2:2], more...) }
	return []scenario{
		{name: "consult and hang up", services: with(&csta.RetrieveCall{}), play: consultHangUp},
		{name: "consult a busy number", services: with(), needs: []Ability{Busy}, play: consultBusy},
		{name: "reconnect", services: with(&csta.ReconnectCall{}), play: func(s *stage) { reconnect(s, true) }},
		{name: "reconnect before answer", services: with(&csta.ReconnectCall{}), play: func(s *stage) { reconnect(s, false) }},
		{name: "alternate", services: with(&csta.AlternateCall{}), play: alternate},
		{name: "held party leaves while another is consulted", services: with(), play: heldPartyLeaves},
	}
}

// consulted has A talk to B, and C be consulted and answer.
func (s *stage) consulted() (held, active string) {
	s.Helper()
	held = s.talk(s.A, s.B)
	active = s.consult(s.A, held, s.C)
	s.answer(s.C, active)
	s.answers(s.C, active, s.A)
	s.agree(s.A, s.B, s.C)
	return held, active
}

func consultHangUp(s *stage) {
	held, active := s.consulted()
	s.hangsUp(s.C, active, s.A)
	s.agree(s.A, s.B, s.C)
	ask(s.A, &csta.RetrieveCall{CallToBeRetrieved: s.A.conn(held, s.A)})
	s.retrieved(s.A, held, s.B)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.A, held, s.B)
}

func consultBusy(s *stage) {
	held := s.talk(s.A, s.B)
	resp := ask(s.A, &csta.ConsultationCall{ExistingCall: s.A.conn(held, s.A), ConsultedDevice: csta.Device(s.b.Busy)})
	s.held(s.A, held, s.B)
	s.fails(s.A, resp.InitiatedCall.CallID, "busy")
	// The call on hold must survive.
	if state := s.A.states()[held]; state != pbx.Hold {
		s.Errorf("after a consultation that failed the first call is %s", state)
	}
}

func reconnect(s *stage, answered bool) {
	held := s.talk(s.A, s.B)
	active := s.consult(s.A, held, s.C)
	if answered {
		s.answer(s.C, active)
		s.answers(s.C, active, s.A)
	}
	ask(s.A, &csta.ReconnectCall{ActiveCall: s.A.conn(active, s.A), HeldCall: s.A.conn(held, s.A)})
	s.gone(active, s.A, s.C)
	s.retrieved(s.A, held, s.B)
	s.agree(s.A, s.B, s.C)
	s.hangsUp(s.B, held, s.A)
}

func alternate(s *stage) {
	held, active := s.consulted()
	for range 2 {
		ask(s.A, &csta.AlternateCall{HeldCall: s.A.conn(held, s.A), ActiveCall: s.A.conn(active, s.A)})
		s.held(s.A, active)
		s.retrieved(s.A, held)
		s.agree(s.A, s.B, s.C)
		held, active = active, held
	}
}

func heldPartyLeaves(s *stage) {
	held, active := s.consulted()
	s.hangsUp(s.B, held, s.A)
	s.agree(s.A, s.B, s.C)
	if state := s.A.states()[active]; state != pbx.Connected {
		s.Errorf("the consultation is %s after the held party left", state)
	}
	s.hangsUp(s.A, active, s.C)
}
