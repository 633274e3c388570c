package csta

// Call associated services and events (ECMA-269 clause 18, TR/87 clause 10).

// AssociateData attaches data, such as an account code, to a call.
type AssociateData struct {
	asks[AssociateDataResponse]
	ExistingCall        ConnectionID         `json:"existingCall,omitzero" csta:"required"`
	AccountCode         HexBinary            `json:"accountCode,omitempty"`
	AuthCode            HexBinary            `json:"authCode,omitempty"`
	CorrelatorData      *PrivateData         `json:"correlatorData,omitempty"`
	CallQualifyingData  HexBinary            `json:"callQualifyingData,omitempty"`
	CallCharacteristics *CallCharacteristics `json:"callCharacteristics,omitempty"`
	SubjectOfCall       string               `json:"subjectOfCall,omitempty"`
	LanguagePreferences string               `json:"languagePreferences,omitempty"`
	DeviceInfo          DeviceID             `json:"deviceInfo,omitzero" csta:"since=6" number:"destination"`
	Common
}

// AssociateDataResponse acknowledges AssociateData.
type AssociateDataResponse struct {
	Common
}

// GenerateDigits sends digits, usually as DTMF tones, on a connection.
type GenerateDigits struct {
	asks[GenerateDigitsResponse]
	ConnectionToSendDigits ConnectionID `json:"connectionToSendDigits,omitzero" csta:"required"`
	DigitMode              DigitMode    `json:"digitMode,omitempty"`
	CharactersToSend       string       `json:"charactersToSend,omitempty" csta:"required"`
	ToneDuration           *int64       `json:"toneDuration,omitempty"`
	PulseRate              *int64       `json:"pulseRate,omitempty"`
	PauseDuration          *int64       `json:"pauseDuration,omitempty"`
	Common
}

// GenerateDigitsResponse acknowledges GenerateDigits.
type GenerateDigitsResponse struct {
	Common
}

// GenerateTelephonyTones sends a tone on a connection.
type GenerateTelephonyTones struct {
	asks[GenerateTelephonyTonesResponse]
	ConnectionToSendTone ConnectionID  `json:"connectionToSendTone,omitzero" csta:"required"`
	ToneToSend           TelephonyTone `json:"toneToSend,omitempty" csta:"required"`
	ToneDuration         *int64        `json:"toneDuration,omitempty"`
	Common
}

// GenerateTelephonyTonesResponse acknowledges GenerateTelephonyTones.
type GenerateTelephonyTonesResponse struct {
	Common
}

// CallInformationEvent reports changed data of a call.
type CallInformationEvent struct {
	Monitored
	Connection          ConnectionID           `json:"connection,omitzero" csta:"required"`
	Device              ExtendedDeviceID       `json:"device,omitzero" csta:"required" number:"presentation"`
	CallingDevice       ExtendedDeviceID       `json:"callingDevice,omitzero" number:"presentation"`
	AccountInfo         HexBinary              `json:"accountInfo,omitempty"`
	AuthCode            HexBinary              `json:"authCode,omitempty"`
	CorrelatorData      *PrivateData           `json:"correlatorData,omitempty"`
	ServicesPermitted   *ServicesPermitted     `json:"servicesPermitted,omitempty"`
	UserData            *PrivateData           `json:"userData,omitempty"`
	CallQualifyingData  HexBinary              `json:"callQualifyingData,omitempty"`
	ConnectionInfo      *ConnectionInformation `json:"connectionInfo,omitempty"`
	CallLinkageDataList *CallLinkageDataList   `json:"callLinkageDataList,omitempty"`
	CallCharacteristics *CallCharacteristics   `json:"callCharacteristics,omitempty"`
	SubjectOfCall       string                 `json:"subjectOfCall,omitempty"`
	LanguagePreferences string                 `json:"languagePreferences,omitempty"`
	DeviceInfo          DeviceID               `json:"deviceInfo,omitzero" csta:"since=6" number:"presentation"`
	Common
}

// DigitsGeneratedEvent reports digits that were sent on a connection.
type DigitsGeneratedEvent struct {
	Monitored
	Connection         ConnectionID           `json:"connection,omitzero" csta:"required"`
	DigitGeneratedList string                 `json:"digitGeneratedList,omitempty" csta:"required"`
	DigitDurationList  []int64                `json:"digitDurationList,omitempty" csta:"item=digitDuration"`
	PauseDurationList  []int64                `json:"pauseDurationList,omitempty" csta:"item=pauseDuration"`
	ConnectionInfo     *ConnectionInformation `json:"connectionInfo,omitempty"`
	Common
}
