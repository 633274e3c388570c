package pbxtest

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
)

// What is sent into calls: digits, tones, and data that travels with them.

func dataScenarios() []scenario {
	digits := services(&csta.MakeCall{}, &csta.GenerateDigits{}, &csta.DigitsGeneratedEvent{})
	tones := services(&csta.MakeCall{}, &csta.GenerateTelephonyTones{})
	data := services(&csta.MakeCall{}, &csta.AssociateData{}, &csta.CallInformationEvent{})
	return []scenario{
		{name: "digits", services: digits, play: func(s *stage) { digitsIn(s, s.talk(s.A, s.B), s.B) }},
		{name: "digits in a conference", services: append(digits[:3:3], &csta.ConsultationCall{}, &csta.ConferenceCall{}), play: func(s *stage) { digitsIn(s, s.three(), s.B, s.C) }},
		{name: "digits, heard", services: digits, needs: []Ability{Hears}, play: digitsHeard},
		{name: "digits pressed", services: services(&csta.MakeCall{}, &csta.DigitsGeneratedEvent{}), needs: []Ability{HandPress}, play: digitsPressed},
		{name: "digits, refused", services: digits, play: digitsRefused},
		{name: "tones, heard", services: tones, needs: []Ability{Hears}, play: tonesHeard},
		{name: "tones, refused", services: tones, play: tonesRefused},
		{name: "data of a call", services: append(data[:3:3], &csta.HoldCall{}), play: dataOfCall},
		{name: "data of a call that is transferred", services: append(data[:3:3], &csta.SingleStepTransferCall{}), play: dataTransferred},
		{name: "data of a call from its beginning", services: data, play: dataFromBeginning},
		{name: "data, refused", services: data, play: dataRefused},
	}
}

// generated waits until all are told of digits that a sent.
func (s *stage) generated(a *actor, call, digits string, others ...*actor) {
	s.Helper()
	for _, x := range append(others, a) {
		ev := expect(x, "digits", func(e *csta.DigitsGeneratedEvent) bool { return x.isConn(e.Connection, call, a) })
		if ev.DigitGeneratedList != digits {
			s.Errorf("%s: the digits are %q, not %q", x.name, ev.DigitGeneratedList, digits)
		}
	}
}

func digitsIn(s *stage, call string, others ...*actor) {
	const digits = "0123456789*#"
	ask(s.A, &csta.GenerateDigits{ConnectionToSendDigits: s.A.conn(call, s.A), DigitMode: "dTMF", CharactersToSend: digits})
	s.generated(s.A, call, digits, others...)
	for _, x := range others {
		if x.Person.Heard != nil {
			s.hears(x, digits)
		}
	}
	s.agree(append(others, s.A)...)
}

// hears waits until a has heard what it is to hear.
func (s *stage) hears(a *actor, want string) {
	s.Helper()
	s.eventually("sound at "+a.name, func() error {
		if got := a.Person.Heard(); got != want {
			return fmt.Errorf("heard %q, not %q", got, want)
		}
		return nil
	})
}

func digitsHeard(s *stage) {
	call := s.talk(s.A, s.B)
	for _, digits := range []string{"12", "3#"} {
		ask(s.A, &csta.GenerateDigits{ConnectionToSendDigits: s.A.conn(call, s.A), CharactersToSend: digits})
	}
	s.hears(s.B, "123#")
	s.hears(s.A, "")
	s.hangsUp(s.A, call, s.B)
	s.talk(s.C, s.B)
	s.hears(s.B, "")
}

func digitsPressed(s *stage) {
	call := s.talk(s.A, s.B)
	s.by("B", "press", s.B.Person.Press("42"))
	s.generated(s.B, call, "42", s.A)
}

func digitsRefused(s *stage) {
	call := s.talk(s.A, s.B)
	for _, digits := range []string{"12x4", "1 2", "12\r\n3", "１", "+1", ""} {
		req := &csta.GenerateDigits{ConnectionToSendDigits: s.A.conn(call, s.A), CharactersToSend: digits}
		s.refused(s.A, req, csta.Operation, "charactersToSendNotSupported", "toneCharacterOutOfRange", "invalidParameterValue")
		if _, err := s.try(s.A, req); err != nil {
			// The text says what it is about, where the way to the driver keeps it.
			if e := csta.AsError(err); e.Detail != "" && !strings.Contains(e.Detail, "charactersToSend") {
				s.Errorf("the refusal of %q does not name the field: %v", digits, err)
			}
		}
	}
	s.refused(s.A, &csta.GenerateDigits{ConnectionToSendDigits: s.A.conn(call, s.A), CharactersToSend: "1", DigitMode: "rotaryPulse"}, csta.Operation, "digitModeNotSupported", "digitModeOutOfRange")
	none := int64(0)
	s.refused(s.A, &csta.GenerateDigits{ConnectionToSendDigits: s.A.conn(call, s.A), CharactersToSend: "1", ToneDuration: &none}, csta.Operation, "toneDurationOutOfRange", "toneDurationNotSupported")
	if n := count(s.B, func(*csta.DigitsGeneratedEvent) bool { return true }); n > 0 {
		s.Errorf("B was told of digits that were refused")
	}
	if state := s.A.states()[call]; state != pbx.Connected {
		s.Errorf("after everything was refused the call is %s", state)
	}
}

func tonesHeard(s *stage) {
	call := s.talk(s.A, s.B)
	ask(s.B, &csta.GenerateTelephonyTones{ConnectionToSendTone: s.B.conn(call, s.B), ToneToSend: "beep"})
	s.hears(s.A, "(beep)")
	s.hears(s.B, "")
}

func tonesRefused(s *stage) {
	call := s.talk(s.A, s.B)
	for _, tone := range []csta.TelephonyTone{"switchSpec100", "no such tone", ""} {
		s.refused(s.A, &csta.GenerateTelephonyTones{ConnectionToSendTone: s.A.conn(call, s.A), ToneToSend: tone}, csta.Operation)
	}
	s.agree(s.A, s.B)
}

const order = "order 4711"

func correlated(data *csta.PrivateData) bool { return data != nil && data.Text == order }

// carries reports an error unless the event carries the correlator.
func (s *stage) carries(a *actor, ev csta.Event) {
	s.Helper()
	if data, _ := reflect.ValueOf(ev).Elem().FieldByName("CorrelatorData").Interface().(*csta.PrivateData); !correlated(data) {
		s.Errorf("%s: %s carries correlator data %v, not %q", a.name, describe(ev), data, order)
	}
}

// associated has A's client give data to its call, and waits until all are told.
func (s *stage) associated(call string, others ...*actor) {
	s.Helper()
	account := csta.HexBinary{0x12, 0x34}
	ask(s.A, &csta.AssociateData{ExistingCall: s.A.conn(call, s.A), AccountCode: account, CorrelatorData: &csta.PrivateData{Text: order}})
	for _, x := range append(others, s.A) {
		ev := expect(x, "data", func(e *csta.CallInformationEvent) bool { return x.isConn(e.Connection, call, s.A) })
		x.check(ev, "device", ev.Device, s.A)
		if !bytes.Equal(ev.AccountInfo, account) {
			s.Errorf("%s: the account code is %x, not %x", x.name, ev.AccountInfo, account)
		}
		s.carries(x, ev)
	}
	s.agree(append(others, s.A)...)
}

func dataOfCall(s *stage) {
	call := s.talk(s.A, s.B)
	s.associated(call, s.B)
	ask(s.B, &csta.HoldCall{CallToBeHeld: s.B.conn(call, s.B)})
	for _, x := range []*actor{s.A, s.B} {
		s.carries(x, expect(x, "B holds", func(e *csta.HeldEvent) bool { return x.isConn(e.HeldConnection, call, s.B) }))
	}
	ask(s.A, &csta.ClearConnection{ConnectionToBeCleared: s.A.conn(call, s.A)})
	s.carries(s.B, expect(s.B, "end", func(e *csta.ConnectionClearedEvent) bool { return s.B.isConn(e.DroppedConnection, call, s.B) }))
	// It does not cling to the line.
	other := s.ring(s.A, s.B)
	if saw(s.B, func(e *csta.DeliveredEvent) bool { return e.Connection.CallID == other && e.CorrelatorData != nil }) {
		s.Errorf("another call carries the data, too")
	}
}

func dataTransferred(s *stage) {
	call := s.talk(s.A, s.B)
	s.associated(call, s.B)
	ask(s.A, &csta.SingleStepTransferCall{ActiveCall: s.A.conn(call, s.A), TransferredTo: csta.Device(s.C.Number)})
	s.carries(s.B, expect(s.B, "A transfers", func(e *csta.TransferedEvent) bool { return s.B.isConn(e.PrimaryOldCall, call, s.A) }))
	ev := expect(s.C, "C alerts", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == s.C.ID })
	s.carries(s.C, ev)
}

func dataFromBeginning(s *stage) {
	resp := ask(s.A, &csta.MakeCall{CallingDevice: csta.Device(s.A.ID), CalledDirectoryNumber: csta.Device(s.B.Number), AutoOriginate: doNotPrompt,
		CorrelatorData: &csta.PrivateData{Text: order}})
	call := resp.CallingDevice.CallID
	s.carries(s.A, s.originated(s.A, call))
	s.carries(s.B, expect(s.B, "B alerts", func(e *csta.DeliveredEvent) bool { return s.B.isConn(e.Connection, call, s.B) }))
}

func dataRefused(s *stage) {
	call := s.talk(s.A, s.B)
	s.refused(s.A, &csta.AssociateData{ExistingCall: s.A.conn(call, s.A)}, csta.Operation, "atLeastOneConditionalParameterNotProvided")
	s.hangsUp(s.A, call, s.B)
	s.refused(s.A, &csta.AssociateData{ExistingCall: s.A.conn(call, s.A), AccountCode: csta.HexBinary{1}}, csta.Operation, badConnections...)
	if n := count(s.B, func(*csta.CallInformationEvent) bool { return true }); n > 0 {
		s.Errorf("B was told of data that was refused")
	}
}
