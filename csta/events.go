package csta

// Events (ECMA-269 clauses 17.2, 22.2 and 23, TR/87 clauses 10, 12).

// ServiceInitiatedEvent reports a device off hook, or prompted to go off hook, before it dials.
type ServiceInitiatedEvent struct {
	Monitored
	InitiatedConnection      ConnectionID              `json:"initiatedConnection,omitzero" csta:"required"`
	InitiatingDevice         ExtendedDeviceID          `json:"initiatingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"since=6" number:"presentation"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	InitiatedConnectionInfo  *ConnectionInformation    `json:"initiatedConnectionInfo,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// OriginatedEvent reports that a call was attempted from a device.
type OriginatedEvent struct {
	Monitored
	OriginatedConnection     ConnectionID              `json:"originatedConnection,omitzero" csta:"required"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"required" number:"presentation"`
	OriginatingDevice        DeviceID                  `json:"originatingDevice,omitzero" number:"presentation"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice   ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	OriginatedConnectionInfo *ConnectionInformation    `json:"originatedConnectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// DeliveredEvent reports a device alerting.
type DeliveredEvent struct {
	Monitored
	Connection               ConnectionID              `json:"connection,omitzero" csta:"required"`
	AlertingDevice           ExtendedDeviceID          `json:"alertingDevice,omitzero" csta:"required" number:"presentation"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"required" number:"presentation"`
	LastRedirectionDevice    RedirectionDeviceID       `json:"lastRedirectionDevice,omitzero" csta:"required" number:"redirecting"`
	OriginatingNIDConnection ConnectionID              `json:"originatingNIDConnection,omitzero"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice   ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	ConnectionInfo           *ConnectionInformation    `json:"connectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// EstablishedEvent reports that a device answered.
type EstablishedEvent struct {
	Monitored
	EstablishedConnection     ConnectionID              `json:"establishedConnection,omitzero" csta:"required"`
	AnsweringDevice           ExtendedDeviceID          `json:"answeringDevice,omitzero" csta:"required" number:"presentation"`
	CallingDevice             ExtendedDeviceID          `json:"callingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice              ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"required" number:"presentation"`
	LastRedirectionDevice     RedirectionDeviceID       `json:"lastRedirectionDevice,omitzero" csta:"required" number:"redirecting"`
	OriginatinNIDConnection   ConnectionID              `json:"originatinNIDConnection,omitzero" csta:"alias=originatingNIDConnection"`
	LocalConnectionInfo       LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData            *PrivateData              `json:"correlatorData,omitempty"`
	UserData                  *PrivateData              `json:"userData,omitempty"`
	Cause                     EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted         *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	NetworkCallingDevice      ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice       ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice   ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice    ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	MediaCallCharacteristics  *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics       *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	EstablishedConnectionInfo *ConnectionInformation    `json:"establishedConnectionInfo,omitempty"`
	CallLinkageData           *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall             string                    `json:"subjectOfCall,omitempty"`
	MessageInfo               []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences       string                    `json:"languagePreferences,omitempty"`
	DeviceHistory             []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList          []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// HeldEvent reports a connection placed on hold.
type HeldEvent struct {
	Monitored
	HeldConnection           ConnectionID              `json:"heldConnection,omitzero" csta:"required"`
	HoldingDevice            ExtendedDeviceID          `json:"holdingDevice,omitzero" csta:"required" number:"presentation"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	HeldConnectionInfo       *ConnectionInformation    `json:"heldConnectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// RetrievedEvent reports a held connection connected again.
type RetrievedEvent struct {
	Monitored
	RetrievedConnection      ConnectionID              `json:"retrievedConnection,omitzero" csta:"required"`
	RetrievingDevice         ExtendedDeviceID          `json:"retrievingDevice,omitzero" csta:"required" number:"presentation"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	RetrievedConnectionInfo  *ConnectionInformation    `json:"retrievedConnectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// DivertedEvent reports that a call left a device for another destination.
type DivertedEvent struct {
	Monitored
	Connection               ConnectionID              `json:"connection,omitzero" csta:"required"`
	DivertingDevice          ExtendedDeviceID          `json:"divertingDevice,omitzero" csta:"required" number:"presentation"`
	NewDestination           ExtendedDeviceID          `json:"newDestination,omitzero" csta:"required" number:"presentation"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" number:"presentation"`
	LastRedirectionDevice    RedirectionDeviceID       `json:"lastRedirectionDevice,omitzero" number:"redirecting"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	ConnectionInfo           *ConnectionInformation    `json:"connectionInfo,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice   ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// FailedEvent reports that a call cannot be completed.
type FailedEvent struct {
	Monitored
	FailedConnection         ConnectionID              `json:"failedConnection,omitzero" csta:"required"`
	FailingDevice            ExtendedDeviceID          `json:"failingDevice,omitzero" csta:"required" number:"presentation"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"required" number:"presentation"`
	LastRedirectionDevice    RedirectionDeviceID       `json:"lastRedirectionDevice,omitzero" csta:"required" number:"redirecting"`
	OriginatingNIDConnection ConnectionID              `json:"originatingNIDConnection,omitzero"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice   ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	FailedConnectionInfo     *ConnectionInformation    `json:"failedConnectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// TransferedEvent reports that an existing call was transferred. The schema misspells the name, and so must we.
type TransferedEvent struct {
	Monitored
	PrimaryOldCall           ConnectionID              `json:"primaryOldCall,omitzero" csta:"required"`
	SecondaryOldCall         ConnectionID              `json:"secondaryOldCall,omitzero"`
	TransferringDevice       ExtendedDeviceID          `json:"transferringDevice,omitzero" csta:"required" number:"presentation"`
	TransferredToDevice      ExtendedDeviceID          `json:"transferredToDevice,omitzero" csta:"required" number:"presentation"`
	TransferredConnections   []ConnectionListItem      `json:"transferredConnections,omitempty" csta:"item=connectionListItem,required"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	ChargingInfo             *ChargingInfo             `json:"chargingInfo,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	CallLinkageDataList      *CallLinkageDataList      `json:"callLinkageDataList,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// ConferencedEvent reports that calls were joined into a conference.
type ConferencedEvent struct {
	Monitored
	PrimaryOldCall           ConnectionID              `json:"primaryOldCall,omitzero" csta:"required"`
	SecondaryOldCall         ConnectionID              `json:"secondaryOldCall,omitzero"`
	ConferencingDevice       ExtendedDeviceID          `json:"conferencingDevice,omitzero" csta:"required" number:"presentation"`
	AddedParty               ExtendedDeviceID          `json:"addedParty,omitzero" csta:"required" number:"presentation"`
	ConferenceConnections    []ConnectionListItem      `json:"conferenceConnections,omitempty" csta:"item=connectionListItem,required"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	CallLinkageDataList      *CallLinkageDataList      `json:"callLinkageDataList,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// ConnectionClearedEvent reports that a device left a call.
type ConnectionClearedEvent struct {
	Monitored
	DroppedConnection        ConnectionID              `json:"droppedConnection,omitzero" csta:"required"`
	ReleasingDevice          ExtendedDeviceID          `json:"releasingDevice,omitzero" csta:"required" number:"presentation"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	ChargingInfo             *ChargingInfo             `json:"chargingInfo,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	DroppedConnectionInfo    *ConnectionInformation    `json:"droppedConnectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// ForwardingEvent reports a changed forwarding setting.
type ForwardingEvent struct {
	Monitored
	Device         ExtendedDeviceID `json:"device,omitzero" csta:"required" number:"presentation"`
	ForwardingType ForwardingType   `json:"forwardingType,omitempty"`
	ForwardStatus  bool             `json:"forwardStatus" csta:"required"`
	ForwardTo      DeviceID         `json:"forwardTo,omitzero" number:"forward"`
	ForwardDefault ForwardDefault   `json:"forwardDefault,omitempty"`
	RingCount      *int64           `json:"ringCount,omitempty"`
	RingDuration   string           `json:"ringDuration,omitempty" csta:"since=6"`
	Common
}

// DoNotDisturbEvent reports a changed do-not-disturb setting.
type DoNotDisturbEvent struct {
	Monitored
	Device            ExtendedDeviceID `json:"device,omitzero" csta:"required" number:"presentation"`
	DoNotDisturbOn    bool             `json:"doNotDisturbOn" csta:"required"`
	CallOrigination   *CallOrigination `json:"callOrigination,omitempty"`
	CallingDeviceList []DeviceID       `json:"callingDeviceList,omitempty" csta:"item=callingDevice" number:"presentation"`
	Common
}

// BackInServiceEvent reports that a device can be controlled and monitored again.
type BackInServiceEvent struct {
	Monitored
	Device ExtendedDeviceID `json:"device,omitzero" csta:"required" number:"presentation"`
	Cause  EventCause       `json:"cause,omitempty"`
	Common
}

// OutOfServiceEvent reports that the state of a device is no longer known and that it cannot be controlled.
type OutOfServiceEvent struct {
	Monitored
	Device ExtendedDeviceID `json:"device,omitzero" csta:"required" number:"presentation"`
	Cause  EventCause       `json:"cause,omitempty"`
	Common
}

// CallClearedEvent reports that a call has ended for all its devices.
type CallClearedEvent struct {
	Monitored
	ClearedCall              ConnectionID              `json:"clearedCall,omitzero" csta:"required"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// DigitsDialedEvent reports digits dialled, before the call is originated.
type DigitsDialedEvent struct {
	Monitored
	DialingConnection       ConnectionID           `json:"dialingConnection,omitzero" csta:"required"`
	DialingDevice           ExtendedDeviceID       `json:"dialingDevice,omitzero" csta:"required" number:"presentation"`
	DialingSequence         DeviceID               `json:"dialingSequence,omitzero" csta:"required" number:"forward"`
	LocalConnectionInfo     LocalConnectionState   `json:"localConnectionInfo,omitempty"`
	CorrelatorData          *PrivateData           `json:"correlatorData,omitempty"`
	Cause                   EventCause             `json:"cause,omitempty" csta:"required"`
	ServicesPermitted       *ServicesPermitted     `json:"servicesPermitted,omitempty"`
	NetworkCallingDevice    ExtendedDeviceID       `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice     ExtendedDeviceID       `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice ExtendedDeviceID       `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice  ExtendedDeviceID       `json:"associatedCalledDevice,omitzero" number:"presentation"`
	DialingConnectionInfo   *ConnectionInformation `json:"dialingConnectionInfo,omitempty"`
	CallCharacteristics     *CallCharacteristics   `json:"callCharacteristics,omitempty"`
	CallLinkageData         *CallLinkageData       `json:"callLinkageData,omitempty"`
	LanguagePreferences     string                 `json:"languagePreferences,omitempty"`
	LocationInfoList        []LocationInfo         `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// NetworkReachedEvent reports that a call has left for another network: from then on its events may be few.
type NetworkReachedEvent struct {
	Monitored
	OutboundConnection       ConnectionID              `json:"outboundConnection,omitzero" csta:"required"`
	NetworkInterfaceUsed     ExtendedDeviceID          `json:"networkInterfaceUsed,omitzero" csta:"required" number:"presentation"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"required" number:"presentation"`
	LastRedirectionDevice    RedirectionDeviceID       `json:"lastRedirectionDevice,omitzero" csta:"required" number:"presentation"`
	OriginatingNIDConnection ConnectionID              `json:"originatingNIDConnection,omitzero"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	NetworkCapability        *NetworkCapability        `json:"networkCapability,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	OutboundConnectionInfo   *ConnectionInformation    `json:"outboundConnectionInfo,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// OfferedEvent reports a call offered to a device, before it alerts.
type OfferedEvent struct {
	Monitored
	OfferedConnection        ConnectionID              `json:"offeredConnection,omitzero" csta:"required"`
	OfferedDevice            ExtendedDeviceID          `json:"offeredDevice,omitzero" csta:"required" number:"presentation"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"required" number:"presentation"`
	LastRedirectionDevice    RedirectionDeviceID       `json:"lastRedirectionDevice,omitzero" csta:"required" number:"presentation"`
	OriginatingNIDConnection ConnectionID              `json:"originatingNIDConnection,omitzero"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice   ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	OfferedConnectionInfo    *ConnectionInformation    `json:"offeredConnectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// QueuedEvent reports a call waiting in a queue.
type QueuedEvent struct {
	Monitored
	QueuedConnection         ConnectionID              `json:"queuedConnection,omitzero" csta:"required"`
	Queue                    ExtendedDeviceID          `json:"queue,omitzero" csta:"required" number:"presentation"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" csta:"required" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" csta:"required" number:"presentation"`
	LastRedirectionDevice    RedirectionDeviceID       `json:"lastRedirectionDevice,omitzero" csta:"required" number:"presentation"`
	NumberQueued             *int64                    `json:"numberQueued,omitempty"`
	CallsInFront             *int64                    `json:"callsInFront,omitempty"`
	LocalConnectionInfo      LocalConnectionState      `json:"localConnectionInfo,omitempty"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	UserData                 *PrivateData              `json:"userData,omitempty"`
	Cause                    EventCause                `json:"cause,omitempty" csta:"required"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	NetworkCallingDevice     ExtendedDeviceID          `json:"networkCallingDevice,omitzero" number:"presentation"`
	NetworkCalledDevice      ExtendedDeviceID          `json:"networkCalledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice   ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	QueuedConnectionInfo     *ConnectionInformation    `json:"queuedConnectionInfo,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	LocationInfoList         []LocationInfo            `json:"locationInfoList,omitempty" csta:"since=6,item=locationInfoEntry"`
	Common
}

// AutoAnswerEvent reports a changed auto-answer setting.
type AutoAnswerEvent struct {
	Monitored
	InvokingDevice ExtendedDeviceID `json:"invokingDevice,omitzero" csta:"required" number:"presentation"`
	AutoAnswerOn   bool             `json:"autoAnswerOn" csta:"required"`
	NumberOfRings  *int64           `json:"numberOfRings,omitempty"`
	Common
}

// CallerIDStatusEvent reports that the number of a device is shown to those it calls, or no longer.
type CallerIDStatusEvent struct {
	Monitored
	Device           DeviceID `json:"device,omitzero" csta:"required" number:"presentation"`
	CallerIDProvided bool     `json:"callerIDProvided" csta:"required"`
	Common
}
