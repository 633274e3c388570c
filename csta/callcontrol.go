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
	Reason                   EventCause                `json:"reason,omitempty" csta:"since=6"`
	Common
}

// MakeCallResponse names the calling connection of the new call.
type MakeCallResponse struct {
	CallingDevice            ConnectionID              `json:"callingDevice,omitzero" csta:"required"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	InitiatedCallInfo        *ConnectionInformation    `json:"initiatedCallInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty" csta:"since=6"`
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
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty" csta:"since=6"`
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
	CallLinkageDataList *CallLinkageDataList   `json:"callLinkageDataList,omitempty" csta:"since=6"`
	Common
}

// SingleStepTransferCall replaces the device of activeCall by transferredTo, without a consultation.
type SingleStepTransferCall struct {
	asks[SingleStepTransferCallResponse]
	ActiveCall          ConnectionID         `json:"activeCall,omitzero" csta:"required"`
	TransferredTo       DeviceID             `json:"transferredTo,omitzero" csta:"required" number:"destination"`
	AccountCode         HexBinary            `json:"accountCode,omitempty"`
	AuthCode            HexBinary            `json:"authCode,omitempty"`
	CorrelatorData      *PrivateData         `json:"correlatorData,omitempty"`
	UserData            *PrivateData         `json:"userData,omitempty"`
	CallCharacteristics *CallCharacteristics `json:"callCharacteristics,omitempty" csta:"since=6"`
	SubjectOfCall       string               `json:"subjectOfCall,omitempty"`
	LanguagePreferences string               `json:"languagePreferences,omitempty"`
	Reason              EventCause           `json:"reason,omitempty"`
	Common
}

// SingleStepTransferCallResponse names the call that results.
type SingleStepTransferCallResponse struct {
	TransferredCall     ConnectionID           `json:"transferredCall,omitzero" csta:"required"`
	Connections         []ConnectionListItem   `json:"connections,omitempty" csta:"item=connectionListItem"`
	TransferredCallInfo *ConnectionInformation `json:"transferredCallInfo,omitempty"`
	CallLinkageDataList *CallLinkageDataList   `json:"callLinkageDataList,omitempty" csta:"since=6"`
	Common
}

// DeflectCall sends an alerting call to another destination.
type DeflectCall struct {
	asks[DeflectCallResponse]
	CallToBeDiverted    ConnectionID         `json:"callToBeDiverted,omitzero" csta:"required"`
	NewDestination      DeviceID             `json:"newDestination,omitzero" csta:"required,wrap6=device" number:"destination"`
	CorrelatorData      *PrivateData         `json:"correlatorData,omitempty"`
	UserData            *PrivateData         `json:"userData,omitempty"`
	CallCharacteristics *CallCharacteristics `json:"callCharacteristics,omitempty" csta:"since=6"`
	SubjectOfCall       string               `json:"subjectOfCall,omitempty"`
	LanguagePreferences string               `json:"languagePreferences,omitempty"`
	Reason              EventCause           `json:"reason,omitempty"`
	Common
}

// DeflectCallResponse acknowledges DeflectCall.
type DeflectCallResponse struct {
	Common
}

// AcceptCall accepts an offered call, which alerts then.
type AcceptCall struct {
	asks[AcceptCallResponse]
	CallToBeAccepted ConnectionID `json:"callToBeAccepted,omitzero" csta:"required"`
	CorrelatorData   *PrivateData `json:"correlatorData,omitempty"`
	UserData         *PrivateData `json:"userData,omitempty"`
	Common
}

// AcceptCallResponse acknowledges AcceptCall.
type AcceptCallResponse struct {
	Common
}

// CallBack asks to be called when a busy or unanswered device is free.
type CallBack struct {
	asks[CallBackResponse]
	CallbackConnection  ConnectionID         `json:"callbackConnection,omitzero" csta:"required"`
	CallCharacteristics *CallCharacteristics `json:"callCharacteristics,omitempty"`
	SubjectOfCall       string               `json:"subjectOfCall,omitempty"`
	LanguagePreferences string               `json:"languagePreferences,omitempty"`
	Common
}

// CallBackResponse names the device that is waited for.
type CallBackResponse struct {
	TargetDevice DeviceID `json:"targetDevice,omitzero" number:"presentation"`
	Common
}

// ClearCall releases all devices from a call.
type ClearCall struct {
	asks[ClearCallResponse]
	CallToBeCleared ConnectionID `json:"callToBeCleared,omitzero" csta:"required"`
	UserData        *PrivateData `json:"userData,omitempty"`
	Reason          EventCause   `json:"reason,omitempty" csta:"since=6"`
	Common
}

// ClearCallResponse acknowledges ClearCall.
type ClearCallResponse struct {
	Common
}

// ConferenceCall joins a held and an active call of a device into one conference.
type ConferenceCall struct {
	asks[ConferenceCallResponse]
	HeldCall   ConnectionID `json:"heldCall,omitzero" csta:"required"`
	ActiveCall ConnectionID `json:"activeCall,omitzero" csta:"required"`
	Common
}

// ConferenceCallResponse names the call that results.
type ConferenceCallResponse struct {
	ConferenceCall      ConnectionID           `json:"conferenceCall,omitzero" csta:"required"`
	Connections         []ConnectionListItem   `json:"connections,omitempty" csta:"item=connectionListItem"`
	ConferenceCallInfo  *ConnectionInformation `json:"conferenceCallInfo,omitempty"`
	CallLinkageDataList *CallLinkageDataList   `json:"callLinkageDataList,omitempty" csta:"since=6"`
	Common
}

// DirectedPickupCall connects an alerting or held call of another device to requestingDevice.
type DirectedPickupCall struct {
	asks[DirectedPickupCallResponse]
	CallToBePickedUp ConnectionID `json:"callToBePickedUp,omitzero" csta:"required"`
	RequestingDevice DeviceID     `json:"requestingDevice,omitzero" csta:"required" number:"identity"`
	CorrelatorData   *PrivateData `json:"correlatorData,omitempty"`
	UserData         *PrivateData `json:"userData,omitempty"`
	Common
}

// DirectedPickupCallResponse names the connection of the device that picked up.
type DirectedPickupCallResponse struct {
	PickedCall      ConnectionID           `json:"pickedCall,omitzero" csta:"required"`
	PickedCallInfo  *ConnectionInformation `json:"pickedCallInfo,omitempty"`
	CallLinkageData *CallLinkageData       `json:"callLinkageData,omitempty" csta:"since=6"`
	Common
}

// GroupPickupCall connects a call that alerts in a pick-up group to newDestination.
type GroupPickupCall struct {
	asks[GroupPickupCallResponse]
	NewDestination DeviceID     `json:"newDestination,omitzero" csta:"required" number:"identity"`
	PickGroup      DeviceID     `json:"pickGroup,omitzero" number:"destination"`
	CorrelatorData *PrivateData `json:"correlatorData,omitempty"`
	UserData       *PrivateData `json:"userData,omitempty"`
	Common
}

// GroupPickupCallResponse names the connection of the device that picked up.
type GroupPickupCallResponse struct {
	PickedCall      ConnectionID           `json:"pickedCall,omitzero" csta:"required"`
	PickedCallInfo  *ConnectionInformation `json:"pickedCallInfo,omitempty"`
	CallLinkageData *CallLinkageData       `json:"callLinkageData,omitempty" csta:"since=6"`
	Common
}

// ParkCall moves a call to a device where it waits to be retrieved.
type ParkCall struct {
	asks[ParkCallResponse]
	Parking             ConnectionID `json:"parking,omitzero" csta:"required"`
	ParkTo              DeviceID     `json:"parkTo,omitzero" csta:"required" number:"destination"`
	CorrelatorData      *PrivateData `json:"correlatorData,omitempty"`
	SubjectOfCall       string       `json:"subjectOfCall,omitempty"`
	LanguagePreferences string       `json:"languagePreferences,omitempty"`
	Common
}

// ParkCallResponse names the connection where the call waits.
type ParkCallResponse struct {
	ParkedTo        ConnectionID     `json:"parkedTo,omitzero" csta:"required"`
	CallLinkageData *CallLinkageData `json:"callLinkageData,omitempty" csta:"since=6"`
	Common
}

// SingleStepConferenceCall adds a device to an existing call.
type SingleStepConferenceCall struct {
	asks[SingleStepConferenceCallResponse]
	ActiveCall          ConnectionID      `json:"activeCall,omitzero" csta:"required"`
	DeviceToJoin        DeviceID          `json:"deviceToJoin,omitzero" csta:"required" number:"destination"`
	ParticipationType   ParticipationType `json:"participationType,omitempty" csta:"required"`
	AccountCode         HexBinary         `json:"accountCode,omitempty"`
	AuthCode            HexBinary         `json:"authCode,omitempty"`
	CorrelatorData      *PrivateData      `json:"correlatorData,omitempty"`
	UserData            *PrivateData      `json:"userData,omitempty"`
	SubjectOfCall       string            `json:"subjectOfCall,omitempty"`
	LanguagePreferences string            `json:"languagePreferences,omitempty"`
	Common
}

// SingleStepConferenceCallResponse names the connection of the added device.
type SingleStepConferenceCallResponse struct {
	ConferencedCall     ConnectionID           `json:"conferencedCall,omitzero" csta:"required"`
	ConferencedCallInfo *ConnectionInformation `json:"conferencedCallInfo,omitempty"`
	CallLinkageDataList *CallLinkageDataList   `json:"callLinkageDataList,omitempty" csta:"since=6"`
	Common
}
