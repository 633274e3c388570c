package sim

import (
	"slices"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
)

// What is sent into a call: digits, tones, data.

const (
	maxHeard      = 64      // characters that a phone remembers
	maxTone       = 600_000 // milliseconds
	maxAccount    = 32      // octets of an account code
	maxCorrelator = 1024    // characters of correlator data
)

func (s *Sim) generateDigits(r *csta.GenerateDigits) (*csta.GenerateDigitsResponse, error) {
	c, p, err := s.require(r.ConnectionToSendDigits, badConnection, pbx.Connected)
	if err != nil {
		return nil, err
	}
	if r.DigitMode != "" && r.DigitMode != "dTMF" {
		return nil, csta.Errorf(csta.Operation, "digitModeNotSupported", "digitMode %q is not offered, only dTMF", r.DigitMode)
	}
	if r.PulseRate != nil {
		return nil, csta.Errorf(csta.Operation, "pulseRateNotSupported", "pulseRate %d: digits are no pulses", *r.PulseRate)
	}
	for _, d := range []*int64{r.ToneDuration, r.PauseDuration} {
		if err := checkDuration(d); err != nil {
			return nil, err
		}
	}
	if err := s.dtmf(c, p, r.CharactersToSend); err != nil {
		return nil, err
	}
	return &csta.GenerateDigitsResponse{}, nil
}

func checkDuration(ms *int64) error {
	if ms != nil && (*ms <= 0 || *ms > maxTone) {
		return csta.Errorf(csta.Operation, "toneDurationOutOfRange", "a duration of %d ms is not between 1 and %d", *ms, maxTone)
	}
	return nil
}

// dtmf sends digits to all others who talk in the call.
func (s *Sim) dtmf(c pbx.Call, p *phone, digits string) error {
	if bad := strings.Trim(digits, "0123456789*#ABCD"); bad != "" || len(digits) == 0 || len(digits) > maxHeard {
		return csta.Errorf(csta.Operation, "charactersToSendNotSupported", "charactersToSend %.80q: between 1 and %d of 0 to 9, *, #, A to D, not %.40q",
			digits, maxHeard, bad)
	}
	if err := s.talking(c, p.Number); err != nil {
		return err
	}
	s.hear(c, p, digits)
	s.calls.Digits(c.ID, p.Number, digits)
	return nil
}

// hear lets all others who talk in the call hear a sound.
func (s *Sim) hear(c pbx.Call, from *phone, sound string) {
	for _, conn := range c.Other(from.Number) {
		if p := s.phones[conn.Device]; p != nil && conn.State == pbx.Connected {
			p.heard += sound
			p.heard = p.heard[max(0, len(p.heard)-maxHeard):]
		}
	}
}

// tones are those that the phones know.
var tones = []csta.TelephonyTone{"beep", "billing", "busy", "confirmation", "dial", "hold", "howler", "intrusion", "park", "recordWarning",
	"reorder", "ringback", "silence", "sitVC", "sitIC", "sitRO", "sitNC"}

func (s *Sim) generateTelephonyTones(r *csta.GenerateTelephonyTones) (*csta.GenerateTelephonyTonesResponse, error) {
	c, p, err := s.require(r.ConnectionToSendTone, badConnection, pbx.Connected)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(tones, r.ToneToSend) {
		return nil, csta.Errorf(csta.Operation, "valueOutOfRange", "toneToSend %q is none of %v", r.ToneToSend, tones)
	}
	if err := checkDuration(r.ToneDuration); err != nil {
		return nil, err
	}
	if err := s.talking(c, p.Number); err != nil {
		return nil, err
	}
	s.hear(c, p, "("+string(r.ToneToSend)+")")
	return &csta.GenerateTelephonyTonesResponse{}, nil
}

func (s *Sim) associateData(r *csta.AssociateData) (*csta.AssociateDataResponse, error) {
	c, p, err := s.require(r.ExistingCall, badConnection, pbx.Alerting, pbx.Connected, pbx.Hold)
	if err != nil {
		return nil, err
	}
	refuse := func(value, format string, args ...any) (*csta.AssociateDataResponse, error) {
		return nil, csta.Errorf(csta.Operation, value, format, args...)
	}
	switch data := r.CorrelatorData; {
	case r.AuthCode != nil:
		return refuse("authorisationCodeNotSupported", "authCode is not offered")
	case r.CallQualifyingData != nil || r.CallCharacteristics != nil || r.SubjectOfCall != "" || r.LanguagePreferences != "" || !r.DeviceInfo.IsZero():
		return refuse("parameterNotSupported", "only accountCode and correlatorData are offered")
	case r.AccountCode == nil && data == nil:
		return refuse("atLeastOneConditionalParameterNotProvided", "neither accountCode nor correlatorData is given")
	case len(r.AccountCode) > maxAccount:
		return refuse("invalidAccountCode", "accountCode has %d octets: %d are the most", len(r.AccountCode), maxAccount)
	case data != nil && len(data.Text)+len(data.Private) > maxCorrelator:
		return refuse("correlatorDataOutOfRange", "correlatorData has %d characters: %d are the most", len(data.Text)+len(data.Private), maxCorrelator)
	}
	s.calls.Information(c.ID, p.Number, r.AccountCode, r.CorrelatorData)
	return &csta.AssociateDataResponse{}, nil
}
