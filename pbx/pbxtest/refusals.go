package pbxtest

import (
	"context"
	"errors"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// What must be refused, precisely and without a trace.

func refusalScenarios() []scenario {
	return []scenario{
		{name: "services that are not offered", play: notOffered},
		{name: "services that are offered", play: offered},
		{name: "unknown line", play: unknownLine},
		{name: "unknown connection", play: unknownConnection},
		{name: "malformed arguments", play: malformed},
		{name: "wrong state, prompted", services: services(&csta.MakeCall{}, &csta.ServiceInitiatedEvent{}), play: func(s *stage) {
			wrongState(s, s.A, s.prompted(), &csta.AnswerCall{}, &csta.HoldCall{}, &csta.RetrieveCall{}, &csta.DeflectCall{}, &csta.ConsultationCall{},
				&csta.ConferenceCall{}, &csta.SingleStepConferenceCall{}, &csta.ParkCall{}, &csta.CallBack{},
				&csta.GenerateDigits{}, &csta.GenerateTelephonyTones{})
		}},
		{name: "wrong state, alerting", services: services(&csta.MakeCall{}), play: func(s *stage) {
			wrongState(s, s.B, s.ring(s.A, s.B), &csta.HoldCall{}, &csta.RetrieveCall{}, &csta.ConsultationCall{},
				&csta.AlternateCall{}, &csta.ReconnectCall{}, &csta.TransferCall{}, &csta.ConferenceCall{},
				&csta.SingleStepConferenceCall{}, &csta.CallBack{}, &csta.GenerateDigits{}, &csta.GenerateTelephonyTones{})
		}},
		{name: "wrong state, connected", services: services(&csta.MakeCall{}), play: func(s *stage) {
			wrongState(s, s.A, s.talk(s.A, s.B), &csta.AnswerCall{}, &csta.RetrieveCall{}, &csta.DeflectCall{},
				&csta.AlternateCall{}, &csta.ReconnectCall{}, &csta.TransferCall{}, &csta.ConferenceCall{}, &csta.CallBack{})
		}},
		{name: "wrong state, on hold", services: services(&csta.MakeCall{}, &csta.HoldCall{}), play: func(s *stage) {
			call := s.talk(s.A, s.B)
			s.hold(s.A, call, s.B)
			wrongState(s, s.A, call, &csta.AnswerCall{}, &csta.HoldCall{}, &csta.DeflectCall{}, &csta.ConsultationCall{},
				&csta.AlternateCall{}, &csta.ReconnectCall{}, &csta.TransferCall{}, &csta.ConferenceCall{}, &csta.SingleStepConferenceCall{}, &csta.CallBack{},
				&csta.GenerateDigits{}, &csta.GenerateTelephonyTones{})
		}},
		{name: "wrong state, cleared", services: services(&csta.MakeCall{}), play: clearedBefore},
		{name: "context has ended", services: services(&csta.MakeCall{}), play: contextEnded},
	}
}

func notOffered(s *stage) {
	for _, m := range requests() {
		if !s.A.Features.Supports(m) {
			s.refused(s.A, sample(m, s.A, "none"), csta.Operation, "serviceNotSupported")
		}
	}
}

// What is offered is there: where it cannot work, it says what of the state or of
// the arguments forbids it.
func offered(s *stage) {
	for _, m := range requests() {
		if !s.A.Features.Supports(m) {
			continue
		}
		req := sample(m, s.A, "no-such-call")
		csta.Numbers(req, func(n csta.Number) {
			if n.Role == csta.Identity {
				n.ID.ID = noLine
			}
		})
		name := csta.Name(req)
		_, err := s.try(s.A, req)
		e := new(csta.Error)
		if !errors.As(err, &e) || e.Class != csta.Operation && e.Class != csta.StateIncompatibility ||
			e.Value == "serviceNotSupported" || e.Value == "generic" {
			s.Errorf("%s: %s is offered, and answers %v where it cannot work", s.A.name, name, err)
		}
	}
	s.unmoved()
}

// noLine is a line that no bench has.
const noLine = "799999"

func unknownLine(s *stage) {
	for _, m := range requests() {
		if !s.A.Features.Supports(m) {
			continue
		}
		req := sample(m, s.A, "none")
		identity := false
		csta.Numbers(req, func(n csta.Number) {
			if n.Role == csta.Identity {
				n.ID.ID, identity = noLine, true
			}
		})
		if identity {
			s.refused(s.A, req, csta.Operation, "invalidDeviceID", "invalidCallingDeviceID", "privilegeViolationSpecifiedDevice")
		}
	}
}

// connected are the services that are about a connection.
func connected(a *actor) (list []csta.Message) {
	for _, m := range requests() {
		about := false
		csta.Connections(sample(m, a, "none"), func(*csta.ConnectionID) { about = true })
		if about && !monitoring(m) {
			list = append(list, m)
		}
	}
	return list
}

var badConnections = []string{"invalidConnectionID", "invalidCallID", "invalidActiveConnectionID", "invalidHeldConnectionID", "invalidActiveCallID", "invalidHeldCallID"}

func unknownConnection(s *stage) {
	for _, m := range connected(s.A) {
		if s.A.Features.Supports(m) {
			s.refused(s.A, sample(m, s.A, "no-such-call"), csta.Operation, badConnections...)
		}
	}
	s.unmoved()
}

// unmoved checks that nobody was told anything.
func (s *stage) unmoved() {
	s.Helper()
	for _, a := range s.actors {
		s.agree(a)
		if n := count(a, func(ev csta.Event) bool { return !ofService(ev) }); n > 0 {
			s.Errorf("%s was told of %d events", a.name, n)
		}
	}
}

// ofService reports whether the event tells that a phone came or went: of one that has just registered that may be told late.
func ofService(ev csta.Event) bool {
	switch ev.(type) {
	case *csta.BackInServiceEvent, *csta.OutOfServiceEvent:
		return true
	}
	return false
}

// Malformed arguments are refused: where they come in, or by the driver, which
// may be called by others than a gateway.
func malformed(s *stage) {
	bad := []string{"", "10\r\n02", "1002,1003", "Dial(SIP/1)", "\x00", "ÄÖÜ", "${EXTEN}", "1&2|3;4"}
	for _, number := range bad {
		for _, req := range []csta.Message{
			&csta.MakeCall{CallingDevice: csta.Device(s.A.ID), CalledDirectoryNumber: csta.Device(number), AutoOriginate: doNotPrompt},
			&csta.MakeCall{CallingDevice: csta.Device(number), CalledDirectoryNumber: csta.Device(s.B.Number), AutoOriginate: doNotPrompt},
		} {
			if s.A.Features.Supports(req) {
				s.refused(s.A, req, csta.Operation)
			}
		}
		for _, m := range connected(s.A) {
			if !s.A.Features.Supports(m) || number == "" {
				continue // the line itself is meant
			}
			req := sample(m, s.A, "none")
			csta.Connections(req, func(c *csta.ConnectionID) { c.DeviceID.ID = number })
			s.refused(s.A, req, csta.Operation)
		}
	}
	s.unmoved()
}

// wrongState asks for services that the state of a's connection forbids.
func wrongState(s *stage, a *actor, call string, forbidden ...csta.Message) {
	s.agree(a)
	before := map[*actor]int{}
	for _, x := range s.actors {
		before[x] = x.seenSoFar()
	}
	for _, m := range forbidden {
		if a.Features.Supports(m) {
			s.refused(a, sample(m, a, call), csta.StateIncompatibility)
		}
	}
	for _, x := range s.actors {
		s.agree(x)
		if n := x.seenSoFar(); n != before[x] {
			s.Errorf("%s was told of events by services that were refused", x.name)
		}
	}
}

func clearedBefore(s *stage) {
	call := s.talk(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
	for _, m := range connected(s.A) {
		if s.A.Features.Supports(m) {
			s.refused(s.A, sample(m, s.A, call), csta.Operation, badConnections...)
		}
	}
	s.agree(s.A, s.B)
}

// Who has given up gets an error at once. Whether the service was performed
// before that is not known; but calls stay what events say.
func contextEnded(s *stage) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	call := s.talk(s.A, s.B)
	for _, req := range []csta.Message{
		&csta.MakeCall{CallingDevice: csta.Device(s.C.ID), CalledDirectoryNumber: csta.Device(s.D.Number), AutoOriginate: doNotPrompt},
		sample(&csta.ClearConnection{}, s.A, call),
		&csta.SnapshotDevice{SnapshotObject: csta.Device(s.A.ID)},
	} {
		if !s.A.Features.Supports(req) {
			continue
		}
		name, start := csta.Name(req), time.Now()
		line := s.A
		if name == "MakeCall" {
			line = s.C
		}
		if _, err := line.Handler.ServeCSTA(ctx, req); err == nil {
			s.Errorf("%s succeeded after its context had ended", name)
		}
		if d := time.Since(start); d > s.b.Wait {
			s.Errorf("%s took %v after its context had ended", name, d)
		}
	}
	for _, x := range s.actors {
		s.agree(x)
	}
	if state := s.A.states()[call]; state != pbx.Connected && state != "" {
		s.Errorf("the call is %s", state)
	}
}
