package sim

import (
	"context"
	"maps"
	"slices"

	"rccgw/csta"
)

// settings are what a phone is set to, and the position of its handset. What
// changes is told by the events of reports.
type settings struct {
	forwards   map[csta.ForwardingType]forward
	dnd        bool
	autoAnswer bool  // answers by itself, and lifts when it is prompted
	rings      int64 // before it answers by itself; 0: at once
	withholds  bool  // its number, from those it calls

	offHook     bool   // the handset; a call may do without it
	message     bool   // waits
	messageAt   string // the device that has it
	speakerMute bool
	speaker     int64 // volume, 0 to 100
	micMute     bool
	mic         int64 // gain, 0 to 100
	silent      bool  // it does not ring aloud
	ringVolume  int64
	ringPattern int64
	display     string
}

// initial are the settings of a new phone.
func initial(d Device) settings {
	text := d.Name
	if text == "" {
		text = d.Number
	}
	return settings{autoAnswer: d.AutoAnswer, speaker: 50, mic: 50, ringVolume: 50, ringPattern: 1, display: text}
}

// A report is the event of a setting that differs from what was told of it.
type report struct {
	differs func(was, is *settings) bool
	event   func(device string, is *settings) csta.Event
}

// reports are in the order in which differences are told.
var reports = slices.Concat(forwardingReports(), []report{
	{func(was, is *settings) bool { return was.dnd != is.dnd }, func(device string, is *settings) csta.Event {
		return &csta.DoNotDisturbEvent{Device: csta.Party(device), DoNotDisturbOn: is.dnd}
	}},
	{func(was, is *settings) bool { return was.autoAnswer != is.autoAnswer || was.rings != is.rings }, func(device string, is *settings) csta.Event {
		return &csta.AutoAnswerEvent{InvokingDevice: csta.Party(device), AutoAnswerOn: is.autoAnswer, NumberOfRings: is.answerRings()}
	}},
	{func(was, is *settings) bool { return was.withholds != is.withholds }, func(device string, is *settings) csta.Event {
		return &csta.CallerIDStatusEvent{Device: csta.Device(device), CallerIDProvided: !is.withholds}
	}},
	{func(was, is *settings) bool { return was.offHook != is.offHook }, func(device string, is *settings) csta.Event {
		return &csta.HookswitchEvent{Device: csta.Party(device), Hookswitch: part, HookswitchOnHook: !is.offHook}
	}},
	{func(was, is *settings) bool { return was.message != is.message || was.messageAt != is.messageAt }, func(device string, is *settings) csta.Event {
		return &csta.MessageWaitingEvent{TargetDevice: csta.Party(device), DeviceForMessage: csta.Device(is.messageAt), MessageWaitingOn: is.message}
	}},
	{func(was, is *settings) bool { return was.speakerMute != is.speakerMute }, func(device string, is *settings) csta.Event {
		return &csta.SpeakerMuteEvent{InvokingDevice: csta.Party(device), AuditoryApparatus: part, SpeakerMuteOn: is.speakerMute}
	}},
	{func(was, is *settings) bool { return was.speaker != is.speaker }, func(device string, is *settings) csta.Event {
		return &csta.SpeakerVolumeEvent{InvokingDevice: csta.Party(device), AuditoryApparatus: part, SpeakerVolume: volume(is.speaker)}
	}},
	{func(was, is *settings) bool { return was.micMute != is.micMute }, func(device string, is *settings) csta.Event {
		return &csta.MicrophoneMuteEvent{InvokingDevice: csta.Party(device), AuditoryApparatus: part, MicrophoneMuteOn: is.micMute}
	}},
	{func(was, is *settings) bool {
		return was.silent != is.silent || was.ringVolume != is.ringVolume || was.ringPattern != is.ringPattern
	}, func(device string, is *settings) csta.Event {
		pattern := is.ringPattern
		return &csta.RingerStatusEvent{Device: csta.Party(device), Ringer: part, RingMode: is.ringMode(), RingPattern: &pattern, RingVolume: volume(is.ringVolume)}
	}},
})

func forwardingReports() (list []report) {
	for _, kind := range forwardingTypes {
		list = append(list, report{func(was, is *settings) bool { return was.forwards[kind] != is.forwards[kind] },
			func(device string, is *settings) csta.Event {
				f := is.forwards[kind]
				return &csta.ForwardingEvent{Device: csta.Party(device), ForwardingType: kind, ForwardStatus: f.on, ForwardTo: csta.Device(f.to), RingCount: f.ringCount()}
			}})
	}
	return list
}

// tellSettings reports what of the phone's settings has not been told, while
// there is a link.
func (s *Sim) tellSettings(p *phone) {
	if !s.running {
		return
	}
	for _, r := range reports {
		if r.differs(&p.told, &p.settings) {
			s.emit(p.Number, r.event(p.Number, &p.settings))
		}
	}
	p.told = p.settings
	p.told.forwards = maps.Clone(p.forwards)
}

// onPhone makes a handler of what is done to the phone that a request is about.
// What that changes of its settings is told.
func onPhone[Q csta.Request[R], R csta.Message](s *Sim, serve func(*phone, Q) (R, error)) func(context.Context, Q) (R, error) {
	return linked(s, func(r Q) (R, error) {
		p, err := s.line("device", csta.Device(csta.Subject(r)))
		if err != nil {
			var none R
			return none, err
		}
		defer s.tellSettings(p)
		return serve(p, r)
	})
}
