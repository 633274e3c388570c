package csta

// Call control services (ECMA-269 clause 17, TR/87 clause 10).

// MakeCall originates a call from callingDevice to calledDirectoryNumber.
type MakeCall struct {
	asks[MakeCallResponse]
	CallingDevice            DeviceID                  `json:"callingDevice,omitzero" csta:"required" number:"identity"`
	CalledDirectoryNumber    DeviceID                  `json:"calledDirectoryNumber,omitzero" csta:"required" number:"destination"`
	AccountCode              HexBinary                 `json:"accountCode,omitempty"`
	AuthCode                 HexBinary                 `json:"authCode,omitempty"`
	AutoOriginate            AutoOriginate             `json:"autoOriginate,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallingConnectionInfo    *ConnectionInformation    `json:"callingConnectionInfo,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	Common
}

// MakeCallResponse names the calling connection of the new call.
type MakeCallResponse struct {
	CallingDevice            ConnectionID              `json:"callingDevice,omitzero" csta:"required"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	InitiatedCallInfo        *ConnectionInformation    `json:"initiatedCallInfo,omitempty"`
	Common
}

// AnswerCall answers an alerting connection.
type AnswerCall struct {
	asks[AnswerCallResponse]
	CallToBeAnswered ConnectionID `json:"callToBeAnswered,omitzero" csta:"required"`
	CorrelatorData   *PrivateData `json:"correlatorData,omitempty"`
	UserData         *PrivateData `json:"userData,omitempty"`
	Common
}

// AnswerCallResponse acknowledges AnswerCall.
type AnswerCallResponse struct {
	Common
}

// ClearConnection releases a connection from its call.
type ClearConnection struct {
	asks[ClearConnectionResponse]
	ConnectionToBeCleared ConnectionID `json:"connectionToBeCleared,omitzero" csta:"required"`
	CorrelatorData        *PrivateData `json:"correlatorData,omitempty"`
	UserData              *PrivateData `json:"userData,omitempty"`
	Reason                EventCause   `json:"reason,omitempty"`
	Common
}

// ClearConnectionResponse acknowledges ClearConnection.
type ClearConnectionResponse struct {
	Common
}

// HoldCall places a connected connection on hold.
type HoldCall struct {
	asks[HoldCallResponse]
	CallToBeHeld          ConnectionID `json:"callToBeHeld,omitzero" csta:"required"`
	ConnectionReservation *bool        `json:"connectionReservation,omitempty"`
	Common
}

// HoldCallResponse acknowledges HoldCall.
type HoldCallResponse struct {
	Common
}

// RetrieveCall connects a held connection again.
type RetrieveCall struct {
	asks[RetrieveCallResponse]
	CallToBeRetrieved ConnectionID `json:"callToBeRetrieved,omitzero" csta:"required"`
	Common
}

// RetrieveCallResponse acknowledges RetrieveCall.
type RetrieveCallResponse struct {
	Common
}

// ConsultationCall holds existingCall and originates a call to consultedDevice.
type ConsultationCall struct {
	asks[ConsultationCallResponse]
	ExistingCall             ConnectionID              `json:"existingCall,omitzero" csta:"required"`
	ConsultedDevice          DeviceID                  `json:"consultedDevice,omitzero" csta:"required" number:"destination"`
	ConnectionReservation    *bool                     `json:"connectionReservation,omitempty"`
	AccountCode              HexBinary                 `json:"accountCode,omitempty"`
	AuthCode                 HexBinary                 `json:"authCode,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallingConnectionInfo    *ConnectionInformation    `json:"callingConnectionInfo,omitempty"`
	ConsultOptions           ConsultOptions            `json:"consultOptions,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	Common
}

// ConsultationCallResponse names the calling connection of the new call.
type ConsultationCallResponse struct {
	InitiatedCall            ConnectionID              `json:"initiatedCall,omitzero" csta:"required"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	InitiatedCallInfo        *ConnectionInformation    `json:"initiatedCallInfo,omitempty"`
	Common
}

// AlternateCall holds the active call and retrieves the held one.
type AlternateCall struct {
	asks[AlternateCallResponse]
	HeldCall              ConnectionID   `json:"heldCall,omitzero" csta:"required"`
	ActiveCall            ConnectionID   `json:"activeCall,omitzero" csta:"required"`
	ConnectionReservation *bool          `json:"connectionReservation,omitempty"`
	ConsultOptions        ConsultOptions `json:"consultOptions,omitempty"`
	Common
}

// AlternateCallResponse acknowledges AlternateCall.
type AlternateCallResponse struct {
	Common
}

// ReconnectCall clears the active call and retrieves the held one.
type ReconnectCall struct {
	asks[ReconnectCallResponse]
	ActiveCall ConnectionID `json:"activeCall,omitzero" csta:"required"`
	HeldCall   ConnectionID `json:"heldCall,omitzero" csta:"required"`
	Common
}

// ReconnectCallResponse acknowledges ReconnectCall.
type ReconnectCallResponse struct {
	Common
}

// TransferCall joins the far ends of a held and an active call and releases the transferring device.
type TransferCall struct {
	asks[TransferCallResponse]
	HeldCall   ConnectionID `json:"heldCall,omitzero" csta:"required"`
	ActiveCall ConnectionID `json:"activeCall,omitzero" csta:"required"`
	Common
}

// TransferCallResponse names the call that results.
type TransferCallResponse struct {
	TransferredCall     ConnectionID           `json:"transferredCall,omitzero" csta:"required"`
	Connections         []ConnectionListItem   `json:"connections,omitempty" csta:"item=connectionListItem"`
	TransferredCallInfo *ConnectionInformation `json:"transferredCallInfo,omitempty"`
	Common
}

// SingleStepTransferCall replaces the device of activeCall by transferredTo, without a consultation.
type SingleStepTransferCall struct {
	asks[SingleStepTransferCallResponse]
	ActiveCall          ConnectionID `json:"activeCall,omitzero" csta:"required"`
	TransferredTo       DeviceID     `json:"transferredTo,omitzero" csta:"required" number:"destination"`
	AccountCode         HexBinary    `json:"accountCode,omitempty"`
	AuthCode            HexBinary    `json:"authCode,omitempty"`
	CorrelatorData      *PrivateData `json:"correlatorData,omitempty"`
	UserData            *PrivateData `json:"userData,omitempty"`
	SubjectOfCall       string       `json:"subjectOfCall,omitempty"`
	LanguagePreferences string       `json:"languagePreferences,omitempty"`
	Reason              EventCause   `json:"reason,omitempty"`
	Common
}

// SingleStepTransferCallResponse names the call that results.
type SingleStepTransferCallResponse struct {
	TransferredCall     ConnectionID           `json:"transferredCall,omitzero" csta:"required"`
	Connections         []ConnectionListItem   `json:"connections,omitempty" csta:"item=connectionListItem"`
	TransferredCallInfo *ConnectionInformation `json:"transferredCallInfo,omitempty"`
	Common
}

// DeflectCall sends an alerting call to another destination.
type DeflectCall struct {
	asks[DeflectCallResponse]
	CallToBeDiverted    ConnectionID `json:"callToBeDiverted,omitzero" csta:"required"`
	NewDestination      DeviceID     `json:"newDestination,omitzero" csta:"required" number:"destination"`
	CorrelatorData      *PrivateData `json:"correlatorData,omitempty"`
	UserData            *PrivateData `json:"userData,omitempty"`
	SubjectOfCall       string       `json:"subjectOfCall,omitempty"`
	LanguagePreferences string       `json:"languagePreferences,omitempty"`
	Reason              EventCause   `json:"reason,omitempty"`
	Common
}

// DeflectCallResponse acknowledges DeflectCall.
type DeflectCallResponse struct {
	Common
}
