package pbxtest

import (
	"fmt"
	"slices"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
)

// The parts of a phone that do more than keep a value: hookswitch, buttons,
// display, lamps.

func deviceScenarios() []scenario {
	hook := services(&csta.MakeCall{}, &csta.SetHookswitchStatus{}, &csta.GetHookswitchStatus{}, &csta.HookswitchEvent{})
	return []scenario{
		{name: "hookswitch, answers and clears", services: hook, play: hookAnswers},
		{name: "hookswitch, dial tone", services: append(hook[:4:4], &csta.ServiceInitiatedEvent{}), play: hookDialTone},
		{name: "hookswitch, dials for a phone that is prompted", services: append(hook[:4:4], &csta.ServiceInitiatedEvent{}), play: hookPrompted},
		{name: "hookswitch, lifted by hand", services: services(&csta.GetHookswitchStatus{}, &csta.HookswitchEvent{}), needs: []Ability{HandLift, HandHangUp}, play: hookByHand},
		{name: "hookswitch, refused", services: hook, play: hookRefused},
		{name: "button of a digit", services: services(&csta.MakeCall{}, &csta.ButtonPress{}, &csta.DigitsGeneratedEvent{}), play: buttonDigit},
		{name: "button, refused", services: services(&csta.ButtonPress{}), play: buttonRefused},
		{name: "display", services: services(&csta.SetDisplay{}, &csta.GetDisplay{}), play: display},
		{name: "display, refused", services: services(&csta.SetDisplay{}, &csta.GetDisplay{}), play: displayRefused},
		{name: "lamps", services: services(&csta.GetLampInformation{}, &csta.GetLampMode{}), play: lamps},
		{name: "lamp of messages", services: services(&csta.GetLampMode{}, &csta.SetMessageWaitingIndicator{}, &csta.GetMessageWaitingIndicator{}), play: lampOfMessages},
	}
}

func (s *stage) hook(a *actor, onHook bool) {
	s.Helper()
	ask(a, &csta.SetHookswitchStatus{Device: csta.Device(a.ID), HookswitchOnhook: onHook})
}

// hookIs waits until a is told of its hookswitch, and reads it.
func (s *stage) hookIs(a *actor, onHook bool) {
	s.Helper()
	ev := expect(a, "the hookswitch moves", func(e *csta.HookswitchEvent) bool { return e.HookswitchOnHook == onHook })
	a.check(ev, "device", ev.Device, a)
	s.eventually("hookswitch that is read as told", func() error {
		items := ask(a, &csta.GetHookswitchStatus{Device: csta.Device(a.ID)}).HookswitchStatusList
		if !slices.ContainsFunc(items, func(item csta.HookswitchStatusItem) bool {
			return item.Hookswitch == ev.Hookswitch && item.HookswitchOnHook == onHook
		}) {
			return fmt.Errorf("it is %+v", items)
		}
		return nil
	})
}

func hookAnswers(s *stage) {
	call := s.ring(s.A, s.B)
	s.hook(s.B, false)
	s.hookIs(s.B, false)
	s.answers(s.B, call, s.A)
	s.agree(s.A, s.B)
	s.hook(s.B, true)
	s.gone(call, s.A, s.B)
	s.hookIs(s.B, true)
	s.agree(s.A, s.B)
	// What is on the hook may be put there.
	s.hook(s.B, true)
	s.agree(s.B)
}

func hookDialTone(s *stage) {
	s.hook(s.A, false)
	s.hookIs(s.A, false)
	ev := expect(s.A, "dial tone", func(e *csta.ServiceInitiatedEvent) bool { return e.InitiatedConnection.DeviceID.ID == s.A.ID })
	s.A.checkLocal(ev, pbx.Initiated)
	s.agree(s.A)
	s.hook(s.A, true)
	s.gone(ev.InitiatedConnection.CallID, s.A)
	s.hookIs(s.A, true)
}

func hookPrompted(s *stage) {
	call := s.prompted()
	s.hook(s.A, false)
	s.originated(s.A, call)
	s.alerts(s.A, s.B, call)
	s.hook(s.A, true)
	s.gone(call, s.A, s.B)
}

func hookByHand(s *stage) {
	s.by("A", "lift", s.A.Person.Lift())
	s.hookIs(s.A, false)
	s.by("A", "hang up", s.A.Person.HangUp())
	s.hookIs(s.A, true)
}

func hookRefused(s *stage) {
	s.refused(s.A, &csta.SetHookswitchStatus{Device: csta.Device(s.A.ID), Hookswitch: "nothing"}, csta.Operation, "invalidHookswitchComponent", "hookswitchComponentOutOfRange", "invalidHookswitchType")
	s.refused(s.A, &csta.GetHookswitchStatus{Device: csta.Device(s.A.ID), Hookswitch: "nothing"}, csta.Operation, "invalidHookswitchComponent", "hookswitchComponentOutOfRange", "invalidHookswitchType")
	s.unmoved()
}

func buttonDigit(s *stage) {
	call := s.talk(s.A, s.B)
	for _, digit := range []string{"5", "#"} {
		ask(s.A, &csta.ButtonPress{Device: csta.Device(s.A.ID), Button: digit})
		s.generated(s.A, call, digit, s.B)
	}
	s.agree(s.A, s.B)
}

func buttonRefused(s *stage) {
	for _, button := range []string{"no such button", "55", "\x01"} {
		s.refused(s.A, &csta.ButtonPress{Device: csta.Device(s.A.ID), Button: button}, csta.Operation)
	}
	s.refused(s.A, &csta.ButtonPress{Device: csta.Device(s.A.ID), Button: "no such button"}, csta.Operation, "invalidButtonIdentifier", "buttonNotSupported")
	s.unmoved()
}

// displays checks that a display of a shows the text.
func (s *stage) displays(a *actor, text string) {
	s.Helper()
	items := ask(a, &csta.GetDisplay{Device: csta.Device(a.ID)}).DisplayList
	if !slices.ContainsFunc(items, func(item csta.DisplayListItem) bool { return strings.TrimRight(item.ContentsOfDisplay, " ") == text }) {
		s.Errorf("the display of %s shows %+v, not %q", a.name, items, text)
	}
}

func display(s *stage) {
	for _, text := range []string{"Back at 14:00", "Zurück um <5> & später"} {
		ask(s.B, &csta.SetDisplay{Device: csta.Device(s.B.ID), ContentsOfDisplay: text})
		s.displays(s.B, text)
	}
	offset := int64(10)
	resp, err := s.try(s.B, &csta.SetDisplay{Device: csta.Device(s.B.ID), ContentsOfDisplay: "at 9", Offset: &offset})
	if err != nil {
		if e := csta.AsError(err); e.Class != csta.Operation {
			s.Errorf("an offset was refused with %v", err)
		}
		return
	}
	if err := csta.Check(resp); err != nil {
		s.Errorf("the answer to SetDisplay is not valid: %v", err)
	}
	s.displays(s.B, "Zurück um at 9")
}

func displayRefused(s *stage) {
	ask(s.B, &csta.SetDisplay{Device: csta.Device(s.B.ID), ContentsOfDisplay: "stays"})
	before := int64(-1)
	for _, req := range []*csta.SetDisplay{
		{ContentsOfDisplay: ""},
		{ContentsOfDisplay: strings.Repeat("x", 1000)},
		{ContentsOfDisplay: "x", Offset: &before},
		{ContentsOfDisplay: "x", Display: "nothing"},
	} {
		req.Device = csta.Device(s.B.ID)
		s.refused(s.B, req, csta.Operation)
	}
	s.displays(s.B, "stays")
}

// modes returns what the lamps of a do, by lamp.
func (s *stage) modes(a *actor) map[string]int64 {
	s.Helper()
	modes := map[string]int64{}
	for _, item := range ask(a, &csta.GetLampMode{Device: csta.Device(a.ID)}).LampModeList {
		if item.LampMode == nil {
			s.Fatalf("lamp %q has no mode", item.Lamp)
		}
		modes[item.Lamp] = *item.LampMode
	}
	return modes
}

func lamps(s *stage) {
	list := ask(s.A, &csta.GetLampInformation{Device: csta.Device(s.A.ID)}).LampList
	modes := s.modes(s.A)
	if len(list) == 0 || len(modes) != len(list) {
		s.Errorf("there are %d lamps, of which %d have modes", len(list), len(modes))
	}
	for _, l := range list {
		if _, ok := modes[l.Lamp]; !ok {
			s.Errorf("lamp %q has no mode", l.Lamp)
		}
		if one := ask(s.A, &csta.GetLampInformation{Device: csta.Device(s.A.ID), Lamp: l.Lamp}).LampList; len(one) != 1 || one[0].Lamp != l.Lamp {
			s.Errorf("lamp %q alone is %+v", l.Lamp, one)
		}
	}
	s.refused(s.A, &csta.GetLampInformation{Device: csta.Device(s.A.ID), Lamp: "nothing"}, csta.Operation, "invalidLampID", "lampNotSupported")
	s.refused(s.A, &csta.GetLampMode{Device: csta.Device(s.A.ID), Lamp: "nothing"}, csta.Operation, "invalidLampID", "lampNotSupported")
}

// Where the indicator is a lamp, one goes on and off with it.
func lampOfMessages(s *stage) {
	if lamp := ask(s.A, &csta.GetMessageWaitingIndicator{Device: csta.Device(s.A.ID)}).LampIsPresent; lamp == nil || !*lamp {
		return
	}
	off := s.modes(s.A)
	ask(s.A, &csta.SetMessageWaitingIndicator{Device: csta.Device(s.A.ID), MessageWaitingOn: true})
	lit := 0
	for lamp, mode := range s.modes(s.A) {
		if mode != off[lamp] {
			lit++
		}
	}
	if lit != 1 {
		s.Errorf("a message changes %d lamps", lit)
	}
	ask(s.A, &csta.SetMessageWaitingIndicator{Device: csta.Device(s.A.ID)})
	for lamp, mode := range s.modes(s.A) {
		if mode != off[lamp] {
			s.Errorf("lamp %q is in mode %d after the message is gone", lamp, mode)
		}
	}
}
