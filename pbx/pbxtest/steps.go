package pbxtest

import (
	"maps"
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// The steps that scenarios are made of. Each waits for its events at all who
// see them, and checks their content.

const (
	prompt      csta.AutoOriginate = "prompt"
	doNotPrompt csta.AutoOriginate = "doNotPrompt"
)

// dial has a's client call number, and waits until the call is originated.
func (s *stage) dial(a *actor, number string) (call string) {
	s.Helper()
	holds := slices.Contains(slices.Collect(maps.Values(a.states())), pbx.Hold) // its phone may be off hook then
	resp := ask(a, &csta.MakeCall{CallingDevice: csta.Device(a.ID), CalledDirectoryNumber: csta.Device(number), AutoOriginate: doNotPrompt})
	call = resp.CallingDevice.CallID
	if call == "" || resp.CallingDevice.DeviceID.ID != a.ID {
		s.Fatalf("%s: MakeCall made connection %s, not one of %s", a.name, resp.CallingDevice, a.ID)
	}
	if s.b.Prompts && !holds {
		expect(a, "the phone is prompted", func(e *csta.ServiceInitiatedEvent) bool { return a.isConn(e.InitiatedConnection, call, a) })
		s.by(a.name, "lift", a.Person.Lift())
	}
	s.originated(a, call)
	return call
}

func (s *stage) originated(a *actor, call string) *csta.OriginatedEvent {
	s.Helper()
	ev := expect(a, "the call is originated", func(e *csta.OriginatedEvent) bool { return a.isConn(e.OriginatedConnection, call, a) })
	a.check(ev, "callingDevice", ev.CallingDevice, a)
	a.checkLocal(ev, pbx.Connected)
	return ev
}

// ring has a's client call b, and waits until b alerts.
func (s *stage) ring(a, b *actor) (call string) {
	s.Helper()
	call = s.dial(a, b.Number)
	s.alerts(a, b, call)
	return call
}

// alerts waits until a, who calls, and b are told that b alerts.
func (s *stage) alerts(a, b *actor, call string) {
	s.Helper()
	for _, x := range []*actor{a, b} {
		ev := expect(x, b.name+" alerts", func(e *csta.DeliveredEvent) bool { return x.isConn(e.Connection, call, b) })
		x.check(ev, "alertingDevice", ev.AlertingDevice, b)
		x.check(ev, "callingDevice", ev.CallingDevice, a)
	}
	a.untilState(call, pbx.Connected)
	b.untilState(call, pbx.Alerting)
}

// answers waits until all who are in the call are told that b answered.
func (s *stage) answers(b *actor, call string, others ...*actor) {
	s.Helper()
	for _, x := range append(others, b) {
		ev := expect(x, b.name+" answers", func(e *csta.EstablishedEvent) bool { return x.isConn(e.EstablishedConnection, call, b) })
		x.check(ev, "answeringDevice", ev.AnsweringDevice, b)
		x.checkLocal(ev, pbx.Connected)
	}
}

// talk has a call b, whose hand or, where there is none, whose client answers.
func (s *stage) talk(a, b *actor) (call string) {
	s.Helper()
	call = s.ring(a, b)
	s.answer(b, call)
	s.answers(b, call, a)
	return call
}

// answer lets b answer, by whatever the bench has.
func (s *stage) answer(b *actor, call string) {
	s.Helper()
	if b.Person.Answer != nil {
		s.by(b.name, "answer", b.Person.Answer())
		return
	}
	ask(b, &csta.AnswerCall{CallToBeAnswered: b.conn(call, b)})
}

// hold has a's client hold, and waits until a and others are told.
func (s *stage) hold(a *actor, call string, others ...*actor) {
	s.Helper()
	ask(a, &csta.HoldCall{CallToBeHeld: a.conn(call, a)})
	s.held(a, call, others...)
}

func (s *stage) held(a *actor, call string, others ...*actor) {
	s.Helper()
	for _, x := range append(others, a) {
		ev := expect(x, a.name+" holds", func(e *csta.HeldEvent) bool { return x.isConn(e.HeldConnection, call, a) })
		x.check(ev, "holdingDevice", ev.HoldingDevice, a)
	}
	a.untilState(call, pbx.Hold)
}

func (s *stage) retrieved(a *actor, call string, others ...*actor) {
	s.Helper()
	for _, x := range append(others, a) {
		ev := expect(x, a.name+" retrieves", func(e *csta.RetrievedEvent) bool { return x.isConn(e.RetrievedConnection, call, a) })
		x.check(ev, "retrievingDevice", ev.RetrievingDevice, a)
	}
	a.untilState(call, pbx.Connected)
}

// hangsUp has a's client clear its connection, and waits until a and all
// others are out of the call.
func (s *stage) hangsUp(a *actor, call string, others ...*actor) {
	s.Helper()
	ask(a, &csta.ClearConnection{ConnectionToBeCleared: a.conn(call, a)})
	s.gone(call, append(others, a)...)
}

// gone waits until the lines are told that they are out of the call.
func (s *stage) gone(call string, actors ...*actor) {
	s.Helper()
	for _, x := range actors {
		ev := expect(x, "own connection is cleared", func(e *csta.ConnectionClearedEvent) bool { return x.isConn(e.DroppedConnection, call, x) })
		x.check(ev, "releasingDevice", ev.ReleasingDevice, x)
		x.checkLocal(ev, pbx.Null)
	}
}

// consult has a's client consult b, and waits until b alerts.
func (s *stage) consult(a *actor, held string, b *actor) (call string) {
	s.Helper()
	resp := ask(a, &csta.ConsultationCall{ExistingCall: a.conn(held, a), ConsultedDevice: csta.Device(b.Number)})
	call = resp.InitiatedCall.CallID
	if call == "" || call == held || resp.InitiatedCall.DeviceID.ID != a.ID {
		s.Fatalf("%s: ConsultationCall made connection %s, not a new one of %s", a.name, resp.InitiatedCall, a.ID)
	}
	s.held(a, held)
	s.originated(a, call)
	s.alerts(a, b, call)
	return call
}

// transferred waits until all are told of the transfer by a, and returns the
// callID of what results. Others go on.
func (s *stage) transferred(a *actor, primary, secondary string, others ...*actor) (call string) {
	s.Helper()
	for _, x := range append(others, a) {
		ev := expect(x, a.name+" transfers", func(e *csta.TransferedEvent) bool {
			return x.isConn(e.PrimaryOldCall, primary, a) && (secondary == "" || x.isConn(e.SecondaryOldCall, secondary, a))
		})
		x.check(ev, "transferringDevice", ev.TransferringDevice, a)
		if x == a {
			x.checkLocal(ev, pbx.Null)
		}
		for _, item := range ev.TransferredConnections {
			if call == "" {
				call = item.NewConnection.CallID
			} else if call != item.NewConnection.CallID {
				s.Errorf("%s: the transfer results in call %s, another line was told %s", x.name, item.NewConnection.CallID, call)
			}
		}
	}
	if call == "" {
		s.Fatalf("the transfer results in no call")
	}
	return call
}

// fails waits until a's call has failed with one of the causes: by an event of
// that name, or by being released at once.
func (s *stage) fails(a *actor, call string, causes ...csta.EventCause) {
	s.Helper()
	is := func(c csta.EventCause) bool {
		for _, want := range causes {
			if c == want {
				return true
			}
		}
		return false
	}
	a.until("failure of "+call, func() bool {
		for _, x := range a.events {
			switch e := x.ev.(type) {
			case *csta.FailedEvent:
				if e.FailedConnection.CallID == call {
					if !is(e.Cause) {
						a.t.Errorf("%s: the call failed with cause %s, not %v", a.name, e.Cause, causes)
					}
					return true
				}
			case *csta.ConnectionClearedEvent:
				if a.isConn(e.DroppedConnection, call, a) {
					if !is(e.Cause) {
						a.t.Errorf("%s: the call was released with cause %s, not %v", a.name, e.Cause, causes)
					}
					return true
				}
			}
		}
		return false
	})
}

// silent checks that x was never told that it rings.
func (s *stage) silent(x *actor) {
	s.Helper()
	if saw(x, func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == x.ID }) {
		s.Errorf("%s rang", x.name)
	}
}
