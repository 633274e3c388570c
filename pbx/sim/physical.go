package sim

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"rccgw/csta"
	"rccgw/pbx"
)

// A phone has one of each part: a handset with speaker and microphone, a
// hookswitch, a ringer, a display. It has two lamps.
const (
	part        = "1"
	lampMessage = "1"
	lampMute    = "2"

	lampOff, lampSteady = 2, 3 // of the standard's lamp modes
	rows, columns       = 2, 24
	maxPattern          = 8
	step                = 10 // of a volume
)

// physical registers the services of the parts.
func (s *Sim) physical(m *csta.Mux) {
	csta.Handle(m, onPhone(s, s.getMessageWaiting))
	csta.Handle(m, onPhone(s, s.setMessageWaiting))
	csta.Handle(m, onPhone(s, s.getSpeakerMute))
	csta.Handle(m, onPhone(s, s.setSpeakerMute))
	csta.Handle(m, onPhone(s, s.getSpeakerVolume))
	csta.Handle(m, onPhone(s, s.setSpeakerVolume))
	csta.Handle(m, onPhone(s, s.getMicrophoneMute))
	csta.Handle(m, onPhone(s, s.setMicrophoneMute))
	csta.Handle(m, onPhone(s, s.getMicrophoneGain))
	csta.Handle(m, onPhone(s, s.setMicrophoneGain))
	csta.Handle(m, onPhone(s, s.getHookswitch))
	csta.Handle(m, onPhone(s, s.setHookswitch))
	csta.Handle(m, onPhone(s, s.getRinger))
	csta.Handle(m, onPhone(s, s.setRinger))
	csta.Handle(m, onPhone(s, s.getDisplay))
	csta.Handle(m, onPhone(s, s.setDisplay))
	csta.Handle(m, onPhone(s, s.getLamps))
	csta.Handle(m, onPhone(s, s.getLampModes))
	csta.Handle(m, onPhone(s, s.buttonPress))
	csta.Reports(m, &csta.MessageWaitingEvent{}, &csta.SpeakerMuteEvent{}, &csta.SpeakerVolumeEvent{}, &csta.MicrophoneMuteEvent{},
		&csta.HookswitchEvent{}, &csta.RingerStatusEvent{})
}

// isPart refuses a part that the phone has not got; none given means the one.
func isPart(field, id string) error {
	if id != "" && id != part {
		return csta.Errorf(csta.Operation, "objectNotKnown", "%s %q: a phone has only %q", field, id, part)
	}
	return nil
}

// level returns what a volume becomes: an absolute one, or the next step.
func level(was int64, abs *int64, inc, outOfRange string) (int64, error) {
	switch {
	case abs != nil && (*abs < 0 || *abs > 100):
		return 0, csta.Errorf(csta.Operation, outOfRange, "%d is not between 0 and 100", *abs)
	case abs != nil:
		return *abs, nil
	case inc == "increment":
		return min(was+step, 100), nil
	case inc == "decrement":
		return max(was-step, 0), nil
	}
	return 0, csta.Errorf(csta.Operation, "invalidParameterValue", "neither a level nor a step is given")
}

func volume(abs int64) *csta.Volume { return &csta.Volume{VolAbs: &abs} }

func (s *Sim) getMessageWaiting(p *phone, _ *csta.GetMessageWaitingIndicator) (*csta.GetMessageWaitingIndicatorResponse, error) {
	lamp := true
	return &csta.GetMessageWaitingIndicatorResponse{MessageWaitingOn: p.message, DeviceForMessage: csta.Device(p.messageAt), LampIsPresent: &lamp}, nil
}

func (s *Sim) setMessageWaiting(p *phone, r *csta.SetMessageWaitingIndicator) (*csta.SetMessageWaitingIndicatorResponse, error) {
	p.message, p.messageAt = r.MessageWaitingOn, r.DeviceForMessage.ID
	return &csta.SetMessageWaitingIndicatorResponse{}, nil
}

func (s *Sim) getSpeakerMute(p *phone, r *csta.GetSpeakerMute) (*csta.GetSpeakerMuteResponse, error) {
	return &csta.GetSpeakerMuteResponse{SpeakerMuteList: []csta.SpeakerMuteItem{{AuditoryApparatus: part, SpeakerMuteOn: p.speakerMute}}},
		isPart("auditoryApparatus", r.AuditoryApparatus)
}

func (s *Sim) setSpeakerMute(p *phone, r *csta.SetSpeakerMute) (*csta.SetSpeakerMuteResponse, error) {
	if err := isPart("auditoryApparatus", r.AuditoryApparatus); err != nil {
		return nil, err
	}
	p.speakerMute = r.SpeakerMuteOn
	return &csta.SetSpeakerMuteResponse{}, nil
}

func (s *Sim) getSpeakerVolume(p *phone, r *csta.GetSpeakerVolume) (*csta.GetSpeakerVolumeResponse, error) {
	return &csta.GetSpeakerVolumeResponse{SpeakerVolumeList: []csta.SpeakerVolumeItem{{AuditoryApparatus: part, SpeakerVolAbs: volume(p.speaker).VolAbs}}},
		isPart("auditoryApparatus", r.AuditoryApparatus)
}

func (s *Sim) setSpeakerVolume(p *phone, r *csta.SetSpeakerVolume) (*csta.SetSpeakerVolumeResponse, error) {
	if err := isPart("auditoryApparatus", r.AuditoryApparatus); err != nil {
		return nil, err
	}
	v := r.SpeakerVolume
	if v == nil {
		v = &csta.Volume{}
	}
	to, err := level(p.speaker, v.VolAbs, string(v.VolInc), "speakerVolumeOutOfRange")
	if err != nil {
		return nil, err
	}
	p.speaker = to
	return &csta.SetSpeakerVolumeResponse{}, nil
}

func (s *Sim) getMicrophoneMute(p *phone, r *csta.GetMicrophoneMute) (*csta.GetMicrophoneMuteResponse, error) {
	return &csta.GetMicrophoneMuteResponse{MicrophoneMuteList: []csta.MicrophoneMuteItem{{AuditoryApparatus: part, MicrophoneMuteOn: p.micMute}}},
		isPart("auditoryApparatus", r.AuditoryApparatus)
}

func (s *Sim) setMicrophoneMute(p *phone, r *csta.SetMicrophoneMute) (*csta.SetMicrophoneMuteResponse, error) {
	if err := isPart("auditoryApparatus", r.AuditoryApparatus); err != nil {
		return nil, err
	}
	p.micMute = r.MicrophoneMuteOn
	return &csta.SetMicrophoneMuteResponse{}, nil
}

func (s *Sim) getMicrophoneGain(p *phone, r *csta.GetMicrophoneGain) (*csta.GetMicrophoneGainResponse, error) {
	gain := p.mic
	return &csta.GetMicrophoneGainResponse{MicrophoneGainList: []csta.MicrophoneGainItem{{AuditoryApparatus: part, MicGainAbs: &gain}}},
		isPart("auditoryApparatus", r.AuditoryApparatus)
}

func (s *Sim) setMicrophoneGain(p *phone, r *csta.SetMicrophoneGain) (*csta.SetMicrophoneGainResponse, error) {
	if err := isPart("auditoryApparatus", r.AuditoryApparatus); err != nil {
		return nil, err
	}
	g := r.MicrophoneGain
	if g == nil {
		g = &csta.MicrophoneGain{}
	}
	to, err := level(p.mic, g.MicGainAbs, string(g.MicGainInc), "micGainOutOfRange")
	if err != nil {
		return nil, err
	}
	p.mic = to
	return &csta.SetMicrophoneGainResponse{}, nil
}

func (s *settings) ringMode() csta.RingMode {
	if s.silent {
		return "notRinging"
	}
	return "ringing"
}

func (s *Sim) getRinger(p *phone, r *csta.GetRingerStatus) (*csta.GetRingerStatusResponse, error) {
	pattern := p.ringPattern
	return &csta.GetRingerStatusResponse{RingerStatusList: []csta.RingerStatusItem{{Ringer: part, RingMode: p.ringMode(), RingPattern: &pattern,
		RingVolAbs: strconv.FormatInt(p.ringVolume, 10)}}}, isPart("ringer", r.Ringer)
}

func (s *Sim) setRinger(p *phone, r *csta.SetRingerStatus) (*csta.SetRingerStatusResponse, error) {
	if err := isPart("ringer", r.Ringer); err != nil {
		return nil, err
	}
	if r.RingMode == "" && r.RingPattern == nil && r.RingVolume == nil {
		return nil, csta.Errorf(csta.Operation, "atLeastOneConditionalParameterNotProvided", "neither ringMode, ringPattern nor ringVolume is given")
	}
	if n := r.RingPattern; n != nil && (*n < 1 || *n > maxPattern) {
		return nil, csta.Errorf(csta.Operation, "ringPatternOutOfRange", "ringPattern %d is not between 1 and %d", *n, maxPattern)
	}
	to := p.ringVolume
	if v := r.RingVolume; v != nil {
		var err error
		if to, err = level(to, v.VolAbs, string(v.VolInc), "ringVolumnOutOfRange"); err != nil {
			return nil, err
		}
	}
	p.ringVolume = to
	if r.RingPattern != nil {
		p.ringPattern = *r.RingPattern
	}
	if r.RingMode != "" {
		p.silent = r.RingMode == "notRinging"
	}
	return &csta.SetRingerStatusResponse{}, nil
}

func (s *Sim) getDisplay(p *phone, r *csta.GetDisplay) (*csta.GetDisplayResponse, error) {
	high, wide := int64(rows), int64(columns)
	return &csta.GetDisplayResponse{DisplayList: []csta.DisplayListItem{{DisplayID: part, LogicalRows: &high, LogicalColumns: &wide, ContentsOfDisplay: p.display}}},
		isPart("display", r.Display)
}

// setDisplay replaces the text from offset on; without it, all.
func (s *Sim) setDisplay(p *phone, r *csta.SetDisplay) (*csta.SetDisplayResponse, error) {
	if err := isPart("display", r.Display); err != nil {
		return nil, err
	}
	if r.PhysicalBaseRowNumber != nil || r.PhysicalBaseColumnNumber != nil {
		return nil, csta.Errorf(csta.Operation, "parameterNotSupported", "the display does not scroll: physicalBaseRowNumber and physicalBaseColumnNumber are not offered")
	}
	text := r.ContentsOfDisplay
	if text == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return nil, csta.Errorf(csta.Operation, "invalidParameterValue", "contentsOfDisplay %.80q is no text that can be shown", text)
	}
	if n := r.Offset; n != nil {
		if *n < 0 || *n >= rows*columns {
			return nil, csta.Errorf(csta.Operation, "valueOutOfRange", "offset %d is not between 0 and %d", *n, rows*columns-1)
		}
		before := []rune(p.display)
		for len(before) < int(*n) {
			before = append(before, ' ')
		}
		text = string(before[:*n]) + text
	}
	if n := utf8.RuneCountInString(text); n > rows*columns {
		return nil, csta.Errorf(csta.Operation, "valueOutOfRange", "contentsOfDisplay ends at %d: the display has %d places", n, rows*columns)
	}
	p.display = text
	return &csta.SetDisplayResponse{}, nil
}

// lamps are those of a phone, and whether each is lit.
var lamps = []struct {
	csta.LampItem
	lit func(*settings) bool
}{
	{csta.LampItem{Lamp: lampMessage, LampLabel: "message"}, func(s *settings) bool { return s.message }},
	{csta.LampItem{Lamp: lampMute, LampLabel: "mute", Button: buttonMute}, func(s *settings) bool { return s.micMute }},
}

func errLamp(id string) error {
	return csta.Errorf(csta.Operation, "invalidLampID", "a phone has no lamp %q", id)
}

func (s *Sim) getLamps(_ *phone, r *csta.GetLampInformation) (*csta.GetLampInformationResponse, error) {
	resp := &csta.GetLampInformationResponse{}
	for _, l := range lamps {
		if r.Lamp == "" || r.Lamp == l.Lamp {
			resp.LampList = append(resp.LampList, l.LampItem)
		}
	}
	if len(resp.LampList) == 0 {
		return nil, errLamp(r.Lamp)
	}
	return resp, nil
}

func (s *Sim) getLampModes(p *phone, r *csta.GetLampMode) (*csta.GetLampModeResponse, error) {
	resp := &csta.GetLampModeResponse{Lamp: r.Lamp}
	for _, l := range lamps {
		if r.Lamp == "" || r.Lamp == l.Lamp {
			mode := int64(lampOff)
			if l.lit(&p.settings) {
				mode = lampSteady
			}
			resp.LampModeList = append(resp.LampModeList, csta.LampModeItem{Lamp: l.Lamp, LampMode: &mode, Button: l.Button})
		}
	}
	if len(resp.LampModeList) == 0 {
		return nil, errLamp(r.Lamp)
	}
	return resp, nil
}

func (s *Sim) getHookswitch(p *phone, r *csta.GetHookswitchStatus) (*csta.GetHookswitchStatusResponse, error) {
	return &csta.GetHookswitchStatusResponse{HookswitchStatusList: []csta.HookswitchStatusItem{{Hookswitch: part, HookswitchOnHook: !p.offHook}}},
		isHookswitch(r.Hookswitch)
}

func isHookswitch(id string) error {
	if id != "" && id != part {
		return csta.Errorf(csta.Operation, "invalidHookswitchComponent", "hookswitch %q: a phone has only %q", id, part)
	}
	return nil
}

// setHookswitch does what a hand does with the handset. What is so already is not
// done again.
func (s *Sim) setHookswitch(p *phone, r *csta.SetHookswitchStatus) (*csta.SetHookswitchStatusResponse, error) {
	if err := isHookswitch(r.Hookswitch); err != nil {
		return nil, err
	}
	switch {
	case r.HookswitchOnhook:
		s.putDown(p)
	case !p.offHook:
		s.pickHandset(p)
	}
	return &csta.SetHookswitchStatusResponse{}, nil
}

// lift takes the handset off hook. It is back on the hook when the phone is
// active no more.
func (s *Sim) lift(p *phone) {
	p.offHook = true
	s.lifted[p] = struct{}{}
	s.tellSettings(p)
}

// pickHandset lifts the handset, which answers a phone that rings, dials for one
// that is prompted, and gives an idle one a dial tone.
func (s *Sim) pickHandset(p *phone) {
	s.lift(p)
	if c, ok := s.at(p, pbx.Alerting); ok {
		s.establish(c.ID, p.Number, causeNewCall)
	} else if c, ok := s.at(p, pbx.Initiated); ok && s.of(c.ID).dialled != "" {
		s.attempt(p, c.ID, s.of(c.ID).dialled, s.of(c.ID).why)
	} else if _, ok := s.active(p); !ok {
		s.initiate(p, s.newCall(), "", causeNormal)
	}
}

// putDown puts the handset on the hook, which ends the active call.
func (s *Sim) putDown(p *phone) {
	p.offHook = false
	if c, ok := s.active(p); ok {
		s.release(c.ID, p.Number, causeNormalClearing)
	}
}

// hangHandsets puts the handsets down of those who are active no more.
func (s *Sim) hangHandsets() {
	for p := range s.lifted {
		if _, ok := s.active(p); !ok {
			delete(s.lifted, p)
			p.offHook = false
			s.tellSettings(p)
		}
	}
}

// The buttons of a phone beside those of the digits.
const (
	buttonHold    = "hold"
	buttonMute    = "mute"
	buttonRedial  = "redial"
	buttonRelease = "release"
)

func (s *Sim) buttonPress(p *phone, r *csta.ButtonPress) (*csta.ButtonPressResponse, error) {
	if err := s.press(p, r.Button); err != nil {
		return nil, err
	}
	return &csta.ButtonPressResponse{}, nil
}

// press does what a button of the phone does.
func (s *Sim) press(p *phone, button string) error {
	refuse := func(why string) error {
		return csta.Errorf(csta.StateIncompatibility, "invalidDeviceState", "button %q of %s: %s", button, p.Number, why)
	}
	active, talks := s.at(p, pbx.Connected)
	held, holds := s.at(p, pbx.Hold)
	switch {
	case button == buttonMute:
		p.micMute = !p.micMute
	case button == buttonHold && talks:
		if err := s.talking(active, p.Number); err != nil {
			return err
		}
		s.calls.Held(active.ID, p.Number, causeKeyOperation)
	case button == buttonHold && holds && s.quiet(p) == nil:
		s.calls.Retrieved(held.ID, p.Number, causeKeyOperation)
	case button == buttonHold:
		return refuse("there is no call to hold or to take back")
	case button == buttonRelease:
		c, ok := s.active(p)
		if !ok {
			return refuse("there is no active call")
		}
		s.release(c.ID, p.Number, causeNormalClearing)
	case button == buttonRedial:
		if p.lastDialled == "" {
			return refuse("nothing was dialled before")
		}
		if err := s.dials(p, p.lastDialled); err != nil {
			return err
		}
		s.dial(p, s.initiate(p, s.newCall(), "", causeKeyOperation), p.lastDialled)
	case len(button) == 1 && strings.Contains("0123456789*#", button):
		if !talks {
			return refuse("there is no call to send digits into")
		}
		return s.dtmf(active, p, button)
	default:
		return csta.Errorf(csta.Operation, "invalidButtonIdentifier", "a phone has no button %.40q", button)
	}
	return nil
}
