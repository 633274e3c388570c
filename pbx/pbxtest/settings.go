package pbxtest

import (
	"fmt"
	"slices"

	"rccgw/csta"
	"rccgw/pbx"
)

// What a phone is set to. Every setting is written, told and read in the same
// way; what it does is checked after that.

// A setting is a pair of services and, where there is one, an event.
type setting struct {
	name     string
	services []csta.Message
	values   []string // that it is set to, one after the other
	set      func(device csta.DeviceID, value string) csta.Message
	get      func(a *actor) []string // of all parts of the kind
	// told returns what an event says and of whom; nil where no event tells of it.
	told func(ev csta.Event) (value string, device string, ok bool)
	// refused are requests that no phone can do, and the errors of class operation
	// that say so.
	refused map[string]func(device csta.DeviceID) csta.Message
}

func settingScenarios() []scenario {
	list := []scenario{
		{name: "automatic answer", services: services(&csta.SetAutoAnswer{}, &csta.MakeCall{}), play: answersByItself},
		{name: "automatic answer of a phone that is prompted", services: services(&csta.SetAutoAnswer{}, &csta.MakeCall{}, &csta.ServiceInitiatedEvent{}), play: liftsByItself},
		{name: "number withheld by a line", services: services(&csta.SetCallerIDStatus{}, &csta.MakeCall{}), play: numberWithheld},
		{name: "last number dialled", services: services(&csta.GetLastNumberDialed{}, &csta.MakeCall{}), play: lastNumber},
		{name: "message from voice mail", services: services(&csta.GetMessageWaitingIndicator{}, &csta.MessageWaitingEvent{}), needs: []Ability{VoiceMail}, play: messageLeft},
		{name: "link lost, message left", services: services(&csta.GetMessageWaitingIndicator{}, &csta.MessageWaitingEvent{}), needs: []Ability{VoiceMail, Link}, play: linkMessage},
	}
	for _, x := range phoneSettings() {
		list = append(list, scenario{name: "setting: " + x.name, services: x.services, play: x.play})
	}
	return list
}

func number64(text string) *int64 {
	var n int64
	if _, err := fmt.Sscan(text, &n); err != nil {
		panic(err)
	}
	return &n
}

func on(text string) bool { return text == "true" }

func text64(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func level(v *csta.Volume) string {
	if v == nil {
		return ""
	}
	return text64(v.VolAbs)
}

func phoneSettings() []setting {
	onOff := []string{"true", "false"}
	levels := []string{"20", "80", "0", "100"}
	return []setting{
		{name: "automatic answer", services: services(&csta.SetAutoAnswer{}, &csta.GetAutoAnswer{}, &csta.AutoAnswerEvent{}), values: onOff,
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetAutoAnswer{Device: d, AutoAnswerOn: on(v)}
			},
			get: func(a *actor) []string {
				return []string{fmt.Sprint(ask(a, &csta.GetAutoAnswer{Device: csta.Device(a.ID)}).AutoAnswerOn)}
			},
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.AutoAnswerEvent)
				if !ok {
					return "", "", false
				}
				return fmt.Sprint(e.AutoAnswerOn), e.InvokingDevice.String(), true
			},
			refused: map[string]func(csta.DeviceID) csta.Message{
				"autoAnswerOutOfRange": func(d csta.DeviceID) csta.Message {
					return &csta.SetAutoAnswer{Device: d, AutoAnswerOn: true, NumberOfRings: number64("-1")}
				}}},
		{name: "caller's number", services: services(&csta.SetCallerIDStatus{}, &csta.GetCallerIDStatus{}, &csta.CallerIDStatusEvent{}), values: []string{"false", "true"},
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetCallerIDStatus{Device: d, CallerIDProvided: on(v)}
			},
			get: func(a *actor) []string {
				return []string{fmt.Sprint(ask(a, &csta.GetCallerIDStatus{Device: csta.Device(a.ID)}).CallerIDProvided)}
			},
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.CallerIDStatusEvent)
				if !ok {
					return "", "", false
				}
				return fmt.Sprint(e.CallerIDProvided), e.Device.ID, true
			}},
		{name: "message waiting", services: services(&csta.SetMessageWaitingIndicator{}, &csta.GetMessageWaitingIndicator{}, &csta.MessageWaitingEvent{}), values: onOff,
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetMessageWaitingIndicator{Device: d, MessageWaitingOn: on(v)}
			},
			get: func(a *actor) []string {
				return []string{fmt.Sprint(ask(a, &csta.GetMessageWaitingIndicator{Device: csta.Device(a.ID)}).MessageWaitingOn)}
			},
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.MessageWaitingEvent)
				if !ok {
					return "", "", false
				}
				return fmt.Sprint(e.MessageWaitingOn), e.TargetDevice.String(), true
			}},
		{name: "speaker mute", services: services(&csta.SetSpeakerMute{}, &csta.GetSpeakerMute{}, &csta.SpeakerMuteEvent{}), values: onOff,
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetSpeakerMute{Device: d, SpeakerMuteOn: on(v)}
			},
			get: func(a *actor) (values []string) {
				for _, item := range ask(a, &csta.GetSpeakerMute{Device: csta.Device(a.ID)}).SpeakerMuteList {
					values = append(values, fmt.Sprint(item.SpeakerMuteOn))
				}
				return values
			},
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.SpeakerMuteEvent)
				if !ok {
					return "", "", false
				}
				return fmt.Sprint(e.SpeakerMuteOn), e.InvokingDevice.String(), true
			},
			refused: map[string]func(csta.DeviceID) csta.Message{
				"objectNotKnown": func(d csta.DeviceID) csta.Message {
					return &csta.SetSpeakerMute{Device: d, AuditoryApparatus: "nothing"}
				}}},
		{name: "speaker volume", services: services(&csta.SetSpeakerVolume{}, &csta.GetSpeakerVolume{}, &csta.SpeakerVolumeEvent{}), values: levels,
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetSpeakerVolume{Device: d, SpeakerVolume: &csta.Volume{VolAbs: number64(v)}}
			},
			get: func(a *actor) (values []string) {
				for _, item := range ask(a, &csta.GetSpeakerVolume{Device: csta.Device(a.ID)}).SpeakerVolumeList {
					values = append(values, text64(item.SpeakerVolAbs))
				}
				return values
			},
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.SpeakerVolumeEvent)
				if !ok {
					return "", "", false
				}
				return level(e.SpeakerVolume), e.InvokingDevice.String(), true
			},
			refused: map[string]func(csta.DeviceID) csta.Message{
				"speakerVolumeOutOfRange": func(d csta.DeviceID) csta.Message {
					return &csta.SetSpeakerVolume{Device: d, SpeakerVolume: &csta.Volume{VolAbs: number64("101")}}
				},
				"objectNotKnown": func(d csta.DeviceID) csta.Message {
					return &csta.SetSpeakerVolume{Device: d, AuditoryApparatus: "nothing", SpeakerVolume: &csta.Volume{VolAbs: number64("1")}}
				}}},
		{name: "microphone mute", services: services(&csta.SetMicrophoneMute{}, &csta.GetMicrophoneMute{}, &csta.MicrophoneMuteEvent{}), values: onOff,
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetMicrophoneMute{Device: d, MicrophoneMuteOn: on(v)}
			},
			get: func(a *actor) (values []string) {
				for _, item := range ask(a, &csta.GetMicrophoneMute{Device: csta.Device(a.ID)}).MicrophoneMuteList {
					values = append(values, fmt.Sprint(item.MicrophoneMuteOn))
				}
				return values
			},
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.MicrophoneMuteEvent)
				if !ok {
					return "", "", false
				}
				return fmt.Sprint(e.MicrophoneMuteOn), e.InvokingDevice.String(), true
			},
			refused: map[string]func(csta.DeviceID) csta.Message{
				"objectNotKnown": func(d csta.DeviceID) csta.Message {
					return &csta.SetMicrophoneMute{Device: d, AuditoryApparatus: "nothing"}
				}}},
		{name: "microphone gain", services: services(&csta.SetMicrophoneGain{}, &csta.GetMicrophoneGain{}), values: levels,
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetMicrophoneGain{Device: d, MicrophoneGain: &csta.MicrophoneGain{MicGainAbs: number64(v)}}
			},
			get: func(a *actor) (values []string) {
				for _, item := range ask(a, &csta.GetMicrophoneGain{Device: csta.Device(a.ID)}).MicrophoneGainList {
					values = append(values, text64(item.MicGainAbs))
				}
				return values
			},
			refused: map[string]func(csta.DeviceID) csta.Message{
				"micGainOutOfRange": func(d csta.DeviceID) csta.Message {
					return &csta.SetMicrophoneGain{Device: d, MicrophoneGain: &csta.MicrophoneGain{MicGainAbs: number64("-1")}}
				}}},
		{name: "ringer volume", services: services(&csta.SetRingerStatus{}, &csta.GetRingerStatus{}, &csta.RingerStatusEvent{}), values: levels,
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetRingerStatus{Device: d, RingVolume: &csta.Volume{VolAbs: number64(v)}}
			},
			get: ringer(func(item csta.RingerStatusItem) string { return item.RingVolAbs }),
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.RingerStatusEvent)
				if !ok {
					return "", "", false
				}
				return level(e.RingVolume), e.Device.String(), true
			},
			refused: map[string]func(csta.DeviceID) csta.Message{
				"ringVolumnOutOfRange": func(d csta.DeviceID) csta.Message {
					return &csta.SetRingerStatus{Device: d, RingVolume: &csta.Volume{VolAbs: number64("101")}}
				},
				"ringPatternOutOfRange": func(d csta.DeviceID) csta.Message {
					return &csta.SetRingerStatus{Device: d, RingPattern: number64("-1")}
				},
				"atLeastOneConditionalParameterNotProvided": func(d csta.DeviceID) csta.Message { return &csta.SetRingerStatus{Device: d} }}},
		{name: "ringer mode", services: services(&csta.SetRingerStatus{}, &csta.GetRingerStatus{}, &csta.RingerStatusEvent{}), values: []string{"notRinging", "ringing"},
			set: func(d csta.DeviceID, v string) csta.Message {
				return &csta.SetRingerStatus{Device: d, RingMode: csta.RingMode(v)}
			},
			get: ringer(func(item csta.RingerStatusItem) string { return string(item.RingMode) }),
			told: func(ev csta.Event) (string, string, bool) {
				e, ok := ev.(*csta.RingerStatusEvent)
				if !ok {
					return "", "", false
				}
				return string(e.RingMode), e.Device.String(), true
			}},
	}
}

func ringer(value func(csta.RingerStatusItem) string) func(a *actor) []string {
	return func(a *actor) (values []string) {
		for _, item := range ask(a, &csta.GetRingerStatus{Device: csta.Device(a.ID)}).RingerStatusList {
			values = append(values, value(item))
		}
		return values
	}
}

// play sets each value, waits until it is told, and reads it back.
func (x setting) play(s *stage) {
	for _, v := range x.values {
		if _, err := s.try(s.B, x.set(csta.Device(s.B.ID), v)); err != nil {
			s.Fatalf("%s was not set to %s: %v", x.name, v, err)
		}
		if x.told != nil {
			s.B.until(x.name+" told as "+v, func() bool {
				return slices.ContainsFunc(s.B.events, func(e seen) bool {
					value, device, ok := x.told(e.ev)
					if ok && device != s.B.ID {
						s.Errorf("%s of B is told of %q", x.name, device)
					}
					return ok && value == v
				})
			})
		}
		if got := x.get(s.B); len(got) == 0 || !slices.Contains(got, v) {
			s.Errorf("%s was set to %s and is read as %v", x.name, v, got)
		}
	}
	last := x.values[len(x.values)-1]
	for value, request := range x.refused {
		s.refused(s.B, request(csta.Device(s.B.ID)), csta.Operation, value)
	}
	if got := x.get(s.B); !slices.Contains(got, last) {
		s.Errorf("after requests that were refused %s is %v, not %s", x.name, got, last)
	}
	for _, other := range []*actor{s.A, s.C} {
		if x.told != nil && saw(other, func(ev csta.Event) bool { _, _, ok := x.told(ev); return ok }) {
			s.Errorf("%s was told of the %s of B", other.name, x.name)
		}
	}
}

func answersByItself(s *stage) {
	ask(s.B, &csta.SetAutoAnswer{Device: csta.Device(s.B.ID), AutoAnswerOn: true})
	call := s.dial(s.A, s.B.Number)
	s.answers(s.B, call, s.A)
	s.agree(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
	ask(s.B, &csta.SetAutoAnswer{Device: csta.Device(s.B.ID), AutoAnswerOn: false})
	call = s.ring(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

// A phone that answers by itself lifts by itself, too.
func liftsByItself(s *stage) {
	ask(s.A, &csta.SetAutoAnswer{Device: csta.Device(s.A.ID), AutoAnswerOn: true})
	call := s.prompted()
	s.originated(s.A, call)
	s.alerts(s.A, s.B, call)
	s.hangsUp(s.A, call, s.B)
	ask(s.A, &csta.SetAutoAnswer{Device: csta.Device(s.A.ID), AutoAnswerOn: false})
}

// Who withholds its number does so from others, not from its own client.
func numberWithheld(s *stage) {
	ask(s.A, &csta.SetCallerIDStatus{Device: csta.Device(s.A.ID), CallerIDProvided: false})
	call := s.dial(s.A, s.B.Number)
	rings := expect(s.B, "B alerts", func(e *csta.DeliveredEvent) bool { return s.B.isConn(e.Connection, call, s.B) })
	own := expect(s.A, "B alerts", func(e *csta.DeliveredEvent) bool { return s.A.isConn(e.Connection, call, s.B) })
	s.A.check(own, "callingDevice", own.CallingDevice, s.A)
	s.answer(s.B, call)
	answered := expect(s.B, "B answers", func(e *csta.EstablishedEvent) bool { return s.B.isConn(e.EstablishedConnection, call, s.B) })
	for _, shown := range []csta.ExtendedDeviceID{rings.CallingDevice, answered.CallingDevice} {
		if !bool(shown.Restricted) || !shown.DeviceIdentifier.IsZero() {
			s.Errorf("B is shown %q, whose number is withheld", shown)
		}
	}
	s.agree(s.A, s.B)
	s.hangsUp(s.A, call)
	cleared := expect(s.B, "A leaves", func(e *csta.ConnectionClearedEvent) bool { return s.B.isConn(e.DroppedConnection, call, s.A) })
	if !bool(cleared.ReleasingDevice.Restricted) {
		s.Errorf("B is shown that %q left, whose number is withheld", cleared.ReleasingDevice)
	}
	ask(s.A, &csta.SetCallerIDStatus{Device: csta.Device(s.A.ID), CallerIDProvided: true})
	call = s.ring(s.A, s.B)
	s.hangsUp(s.A, call, s.B)
}

func lastNumber(s *stage) {
	last := func() string {
		return ask(s.A, &csta.GetLastNumberDialed{Device: csta.Device(s.A.ID)}).NumberDialed.ID
	}
	s.refused(s.A, &csta.GetLastNumberDialed{Device: csta.Device(s.A.ID)}, csta.StateIncompatibility, "invalidDeviceState")
	for _, x := range []*actor{s.B, s.C} {
		call := s.ring(s.A, x)
		if got := last(); !s.A.shows(got, x) {
			s.Errorf("the last number dialled is %q, not that of %s", got, x.name)
		}
		s.hangsUp(s.A, call, x)
	}
	// Who is called dials nothing.
	call := s.ring(s.B, s.A)
	s.hangsUp(s.B, call, s.A)
	if got := last(); !s.A.shows(got, s.C) {
		s.Errorf("the last number dialled is %q, not that of C", got)
	}
}

func (s *stage) messageWaits(a *actor, waits bool) {
	s.Helper()
	ev := expect(a, "word of a message", func(e *csta.MessageWaitingEvent) bool { return e.MessageWaitingOn == waits })
	a.check(ev, "targetDevice", ev.TargetDevice, a)
	if got := ask(a, &csta.GetMessageWaitingIndicator{Device: csta.Device(a.ID)}).MessageWaitingOn; got != waits {
		s.Errorf("the indicator is %v after the event said %v", got, waits)
	}
}

func messageLeft(s *stage) {
	for _, waits := range []bool{true, false} {
		s.by("voice mail", "tell of a message", s.B.Person.Message(waits))
		s.messageWaits(s.B, waits)
	}
}

func linkMessage(s *stage) {
	s.cut()
	s.by("voice mail", "tell of a message", s.B.Person.Message(true))
	s.restore()
	s.messageWaits(s.B, true)
	if n := count(s.C, func(*csta.MessageWaitingEvent) bool { return true }); n > 0 {
		s.Errorf("C was told of B's message")
	}
	if state := s.B.states(); len(state) > 0 {
		s.Errorf("after a message B has calls: %v, of which none is %s", state, pbx.Connected)
	}
}
