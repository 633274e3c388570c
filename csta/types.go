package csta

// Types that messages share, in the order of the schema (ECMA-323 clause 9 and after).

// MonitorFilter names the events that a monitor does not report: true filters the event out (ECMA-269 clause 15.1).
type MonitorFilter struct {
	Callcontrol           *CallControlEvents           `json:"callcontrol,omitempty"`
	CallAssociated        *CallAssociatedEvents        `json:"callAssociated,omitempty"`
	MediaAttachment       *MediaAttachmentEvents       `json:"mediaAttachment,omitempty"`
	PhysicalDeviceFeature *PhysicalDeviceFeatureEvents `json:"physicalDeviceFeature,omitempty"`
	LogicalDeviceFeature  *LogicalDeviceFeatureEvents  `json:"logicalDeviceFeature,omitempty"`
	Maintenance           *DeviceMaintenanceEvents     `json:"maintenance,omitempty"`
	Voice                 *VoiceEvents                 `json:"voice,omitempty"`
}

// MonitorMediaClass is the type MonitorMediaClass of the schema.
type MonitorMediaClass struct {
	Voice   *bool `json:"voice,omitempty"`
	Data    *bool `json:"data,omitempty"`
	Image   *bool `json:"image,omitempty"`
	Audio   *bool `json:"audio,omitempty"`
	Other   *bool `json:"other,omitempty"`
	Chat    *bool `json:"chat,omitempty"`
	Email   *bool `json:"email,omitempty"`
	Message *bool `json:"message,omitempty"`
	Im      *bool `json:"im,omitempty"`
	Sms     *bool `json:"sms,omitempty"`
	Mms     *bool `json:"mms,omitempty"`
}

// SnapshotDeviceData is the type SnapshotDeviceResponseCrossRefIDorSnapshotData of the schema: exactly one of its elements.
type SnapshotDeviceData struct {
	_                 struct{}                `csta:"choice"`
	ServiceCrossRefID string                  `json:"serviceCrossRefID,omitempty"`
	SnapshotData      *SnapshotDeviceDataList `json:"snapshotData,omitempty"`
}

// CallCharacteristics describes a call: assistance, priority, and so on.
type CallCharacteristics struct {
	AcdCall          *bool `json:"acdCall,omitempty"`
	LowPriorityCall  *bool `json:"lowPriorityCall,omitempty"`
	PriorityCall     *bool `json:"priorityCall,omitempty"`
	HighPriorityCall *bool `json:"highPriorityCall,omitempty"`
	MaintainanceCall *bool `json:"maintainanceCall,omitempty"`
	DirectAgent      *bool `json:"directAgent,omitempty"`
	AssistCall       *bool `json:"assistCall,omitempty"`
	VoiceUnitCall    *bool `json:"voiceUnitCall,omitempty"`
	PrivateCall      *bool `json:"privateCall,omitempty"`
	PersonalCall     *bool `json:"personalCall,omitempty"`
	SensitiveCall    *bool `json:"sensitiveCall,omitempty"`
	ConfidentialCall *bool `json:"confidentialCall,omitempty"`
	EncryptedCall    *bool `json:"encryptedCall,omitempty" csta:"since=6"`
}

// MediaCallCharacteristics describes the media of a call.
type MediaCallCharacteristics struct {
	MediaClass                            *MediaClass                `json:"mediaClass,omitempty" csta:"required"`
	ConnectionRate                        *int64                     `json:"connectionRate,omitempty"`
	BitRate                               BitRate                    `json:"bitRate,omitempty"`
	DelayTolerance                        *int64                     `json:"delayTolerance,omitempty"`
	SwitchingSubDomainCCIEType            SwitchingSubDomainCCIEType `json:"switchingSubDomainCCIEType,omitempty"`
	SwitchingSubDomainInformationElements HexBinary                  `json:"switchingSubDomainInformationElements,omitempty"`
}

// ConnectionInformation is the type ConnectionInformation of the schema.
type ConnectionInformation struct {
	FlowDirection    ConnectionInformationFlowDirection `json:"flowDirection,omitempty"`
	NumberOfChannels *int64                             `json:"numberOfChannels,omitempty"`
	MediaSessionInfo string                             `json:"mediaSessionInfo,omitempty"`
}

// ConnectionListItem relates a connection to the one it replaces after a transfer or conference.
type ConnectionListItem struct {
	NewConnection           ConnectionID           `json:"newConnection,omitzero" csta:"required"`
	OldConnection           ConnectionID           `json:"oldConnection,omitzero"`
	Endpoint                *Endpoint              `json:"endpoint,omitempty" number:"presentation"`
	AssociatedNID           *AssociatedNID         `json:"associatedNID,omitempty" number:"presentation"`
	ResultingConnectionInfo *ConnectionInformation `json:"resultingConnectionInfo,omitempty"`
}

// ForwardListItem is one forwarding setting.
type ForwardListItem struct {
	ForwardingType ForwardingType `json:"forwardingType,omitempty"`
	ForwardStatus  bool           `json:"forwardStatus" csta:"required"`
	ForwardDN      DeviceID       `json:"forwardDN,omitzero" number:"forward"`
	ForwardDefault ForwardDefault `json:"forwardDefault,omitempty"`
	RingCount      *int64         `json:"ringCount,omitempty"`
	RingDuration   string         `json:"ringDuration,omitempty" csta:"since=6"`
}

// CallOrigination is the type CallOrigination of the schema.
type CallOrigination struct {
	External *bool `json:"external,omitempty"`
}

// ServicesPermitted lists the services that may be asked for next on the call.
type ServicesPermitted struct {
	CallControlServices      *CallControlServices     `json:"callControlServices,omitempty"`
	CallAssociatedServices   *CallAssociatedServices  `json:"callAssociatedServices,omitempty"`
	MediaAttachementServices *MediaAttachmentServices `json:"mediaAttachementServices,omitempty"`
	RouteingServices         *RouteingServices        `json:"routeingServices,omitempty"`
	VoiceServices            *VoiceServices           `json:"voiceServices,omitempty"`
}

// CallLinkageData links calls and threads across switching domains.
type CallLinkageData struct {
	GlobalCallData *GlobalCallData `json:"globalCallData,omitempty"`
	ThreadData     *ThreadData     `json:"threadData,omitempty"`
}

// MessageInfoItem is the type MessageInfoItem of the schema.
type MessageInfoItem struct {
	ContentTypeAndSubtype string `json:"contentTypeAndSubtype,omitempty"`
	Contents              string `json:"contents,omitempty" csta:"required"`
	ContentsLength        string `json:"contentsLength,omitempty"`
}

// DeviceHistoryListItem is the type DeviceHistoryListItem of the schema.
type DeviceHistoryListItem struct {
	OldDeviceID     RedirectionDeviceID `json:"oldDeviceID,omitzero" number:"redirecting"`
	EventCause      EventCause          `json:"eventCause,omitempty"`
	OldConnectionID ConnectionID        `json:"oldConnectionID,omitzero"`
}

// ChargingInfo is the type ChargingInfo of the schema.
type ChargingInfo struct {
	NumberUnits        *NumberUnits                   `json:"numberUnits,omitempty"`
	TypeOfChargingInfo ChargingInfoTypeOfChargingInfo `json:"typeOfChargingInfo,omitempty"`
}

// CallLinkageDataList is the type CallLinkageDataList of the schema.
type CallLinkageDataList struct {
	NewCallLinkageData *CallLinkageData `json:"newCallLinkageData,omitempty"`
	OldCallLinkageData *CallLinkageData `json:"oldCallLinkageData,omitempty"`
}

// CallControlEvents is the type CallControlEvents of the schema.
type CallControlEvents struct {
	Bridged                    *bool `json:"bridged,omitempty"`
	CallCleared                *bool `json:"callCleared,omitempty"`
	Conferenced                *bool `json:"conferenced,omitempty"`
	ConnectionCleared          *bool `json:"connectionCleared,omitempty"`
	Delivered                  *bool `json:"delivered,omitempty"`
	DigitsDialed               *bool `json:"digitsDialed,omitempty"`
	Diverted                   *bool `json:"diverted,omitempty"`
	Established                *bool `json:"established,omitempty"`
	Failed                     *bool `json:"failed,omitempty"`
	Held                       *bool `json:"held,omitempty"`
	NetworkCapabilitiesChanged *bool `json:"networkCapabilitiesChanged,omitempty"`
	NetworkReached             *bool `json:"networkReached,omitempty"`
	Offered                    *bool `json:"offered,omitempty"`
	Originated                 *bool `json:"originated,omitempty"`
	Queued                     *bool `json:"queued,omitempty"`
	Retrieved                  *bool `json:"retrieved,omitempty"`
	ServiceInitiated           *bool `json:"serviceInitiated,omitempty"`
	Transferred                *bool `json:"transferred,omitempty"`
}

// CallAssociatedEvents is the type CallAssociatedEvents of the schema.
type CallAssociatedEvents struct {
	CallInformation          *bool `json:"callInformation,omitempty"`
	Charging                 *bool `json:"charging,omitempty"`
	DigitsGenerated          *bool `json:"digitsGenerated,omitempty"`
	TelephonyTonesGenerated  *bool `json:"telephonyTonesGenerated,omitempty"`
	ServiceCompletionFailure *bool `json:"serviceCompletionFailure,omitempty"`
}

// MediaAttachmentEvents is the type MediaAttachmentEvents of the schema.
type MediaAttachmentEvents struct {
	MediaAttached *bool `json:"mediaAttached,omitempty"`
	MediaDetached *bool `json:"mediaDetached,omitempty"`
}

// PhysicalDeviceFeatureEvents is the type PhysicalDeviceFeatureEvents of the schema.
type PhysicalDeviceFeatureEvents struct {
	ButtonInformation *bool `json:"buttonInformation,omitempty"`
	ButtonPress       *bool `json:"buttonPress,omitempty"`
	DisplayUpdated    *bool `json:"displayUpdated,omitempty"`
	Hookswitch        *bool `json:"hookswitch,omitempty"`
	LampMode          *bool `json:"lampMode,omitempty"`
	MessageWaiting    *bool `json:"messageWaiting,omitempty"`
	MicrophoneGain    *bool `json:"microphoneGain,omitempty"`
	MicrophoneMute    *bool `json:"microphoneMute,omitempty"`
	RingerStatus      *bool `json:"ringerStatus,omitempty"`
	SpeakerMute       *bool `json:"speakerMute,omitempty"`
	SpeakerVolume     *bool `json:"speakerVolume,omitempty"`
}

// LogicalDeviceFeatureEvents is the type LogicalDeviceFeatureEvents of the schema.
type LogicalDeviceFeatureEvents struct {
	AgentBusy             *bool `json:"agentBusy,omitempty"`
	AgentLoggedOn         *bool `json:"agentLoggedOn,omitempty"`
	AgentLoggedOff        *bool `json:"agentLoggedOff,omitempty"`
	AgentNotReady         *bool `json:"agentNotReady,omitempty"`
	AgentReady            *bool `json:"agentReady,omitempty"`
	AgentWorkingAfterCall *bool `json:"agentWorkingAfterCall,omitempty"`
	AutoAnswer            *bool `json:"autoAnswer,omitempty"`
	AutoWorkMode          *bool `json:"autoWorkMode,omitempty"`
	CallBack              *bool `json:"callBack,omitempty"`
	CallBackMessage       *bool `json:"callBackMessage,omitempty"`
	CallerIDStatus        *bool `json:"callerIDStatus,omitempty"`
	DoNotDisturb          *bool `json:"doNotDisturb,omitempty"`
	Forwarding            *bool `json:"forwarding,omitempty"`
	PresenceState         *bool `json:"presenceState,omitempty" csta:"since=6"`
	RouteingMode          *bool `json:"routeingMode,omitempty"`
}

// DeviceMaintenanceEvents is the type DeviceMaintenanceEvents of the schema.
type DeviceMaintenanceEvents struct {
	BackInService           *bool `json:"backInService,omitempty"`
	DeviceCapabilityChanged *bool `json:"deviceCapabilityChanged,omitempty"`
	OutOfService            *bool `json:"outOfService,omitempty"`
	PartiallyInService      *bool `json:"partiallyInService,omitempty"`
}

// VoiceEvents is the type VoiceEvents of the schema.
type VoiceEvents struct {
	BookmarkReached        *bool `json:"bookmarkReached,omitempty"`
	Completed              *bool `json:"completed,omitempty"`
	DtmfDetected           *bool `json:"dtmfDetected,omitempty"`
	Emptied                *bool `json:"emptied,omitempty"`
	InterruptionDetected   *bool `json:"interruptionDetected,omitempty"`
	NotRecognized          *bool `json:"notRecognized,omitempty"`
	Play                   *bool `json:"play,omitempty"`
	Recognized             *bool `json:"recognized,omitempty"`
	Record                 *bool `json:"record,omitempty"`
	Review                 *bool `json:"review,omitempty"`
	Started                *bool `json:"started,omitempty"`
	SilenceTimeoutExpired  *bool `json:"silenceTimeoutExpired,omitempty"`
	SpeechDetected         *bool `json:"speechDetected,omitempty"`
	Stop                   *bool `json:"stop,omitempty"`
	SuspendPlay            *bool `json:"suspendPlay,omitempty"`
	SuspendRecord          *bool `json:"suspendRecord,omitempty"`
	VoiceAttributesChanged *bool `json:"voiceAttributesChanged,omitempty"`
	VoiceErrorOccurred     *bool `json:"voiceErrorOccurred,omitempty"`
}

// SnapshotDeviceDataList is the type SnapshotDeviceDataList of the schema.
type SnapshotDeviceDataList struct {
	SnapshotDeviceResponseInfo []SnapshotDeviceResponseInfo `json:"snapshotDeviceResponseInfo,omitempty"`
}

// MediaClass is the type MediaClass of the schema.
type MediaClass struct {
	Voice    *bool `json:"voice,omitempty"`
	Data     *bool `json:"data,omitempty"`
	Image    *bool `json:"image,omitempty"`
	Audio    *bool `json:"audio,omitempty"`
	Other    *bool `json:"other,omitempty"`
	NotKnown *bool `json:"notKnown,omitempty"`
	Chat     *bool `json:"chat,omitempty"`
	Email    *bool `json:"email,omitempty"`
	Message  *bool `json:"message,omitempty"`
	Im       *bool `json:"im,omitempty"`
	Sms      *bool `json:"sms,omitempty"`
	Mms      *bool `json:"mms,omitempty"`
}

// Endpoint is the device at the other end of a connection.
type Endpoint struct {
	_          struct{} `csta:"choice"`
	DeviceID   DeviceID `json:"deviceID,omitzero"`
	NotKnown   Empty    `json:"notKnown,omitzero"`
	Restricted Empty    `json:"restricted,omitzero"`
}

// CallControlServices is the type CallControlServices of the schema.
type CallControlServices struct {
	AcceptCall           *bool `json:"acceptCall,omitempty"`
	AlternateCall        *bool `json:"alternateCall,omitempty"`
	AnswerCall           *bool `json:"answerCall,omitempty"`
	CallBack             *bool `json:"callBack,omitempty"`
	CallBackMessage      *bool `json:"callBackMessage,omitempty"`
	CampOnCall           *bool `json:"campOnCall,omitempty"`
	ClearCall            *bool `json:"clearCall,omitempty"`
	ClearConnection      *bool `json:"clearConnection,omitempty"`
	ConferenceCall       *bool `json:"conferenceCall,omitempty"`
	ConsultationCall     *bool `json:"consultationCall,omitempty"`
	DeflectCall          *bool `json:"deflectCall,omitempty"`
	DialDigits           *bool `json:"dialDigits,omitempty"`
	DirectedPickupCall   *bool `json:"directedPickupCall,omitempty"`
	GroupPickupCall      *bool `json:"groupPickupCall,omitempty"`
	HoldCall             *bool `json:"holdCall,omitempty"`
	IntrudeCall          *bool `json:"intrudeCall,omitempty"`
	JoinCall             *bool `json:"joinCall,omitempty"`
	MakeCall             *bool `json:"makeCall,omitempty"`
	MakePredictiveCall   *bool `json:"makePredictiveCall,omitempty"`
	ParkCall             *bool `json:"parkCall,omitempty"`
	ReconnectCall        *bool `json:"reconnectCall,omitempty"`
	RetrieveCall         *bool `json:"retrieveCall,omitempty"`
	SendMessage          *bool `json:"sendMessage,omitempty"`
	SingleStepConference *bool `json:"singleStepConference,omitempty"`
	SingleStepTransfer   *bool `json:"singleStepTransfer,omitempty"`
	TransferCall         *bool `json:"transferCall,omitempty"`
}

// CallAssociatedServices is the type CallAssociatedServices of the schema.
type CallAssociatedServices struct {
	AssociateData               *bool `json:"associateData,omitempty"`
	CancelTelephonyTones        *bool `json:"cancelTelephonyTones,omitempty"`
	GenerateDigits              *bool `json:"generateDigits,omitempty"`
	GenerateTelephonyTones      *bool `json:"generateTelephonyTones,omitempty"`
	SendUserInformation         *bool `json:"sendUserInformation,omitempty"`
	ChangeConnectionInformation *bool `json:"changeConnectionInformation,omitempty" csta:"since=6"`
}

// MediaAttachmentServices is the type MediaAttachmentServices of the schema.
type MediaAttachmentServices struct {
	AttachMediaService *bool `json:"attachMediaService,omitempty"`
	DetachMediaService *bool `json:"detachMediaService,omitempty"`
}

// RouteingServices is the type RouteingServices of the schema.
type RouteingServices struct {
	RouteRegister       *bool `json:"routeRegister,omitempty"`
	RouteRegisterCancel *bool `json:"routeRegisterCancel,omitempty"`
	RouteRegisterAbort  *bool `json:"routeRegisterAbort,omitempty"`
	ReRoute             *bool `json:"reRoute,omitempty"`
	RouteEnd            *bool `json:"routeEnd,omitempty"`
	RouteReject         *bool `json:"routeReject,omitempty"`
	RouteRequest        *bool `json:"routeRequest,omitempty"`
	RouteSelect         *bool `json:"routeSelect,omitempty"`
	RouteUsed           *bool `json:"routeUsed,omitempty"`
}

// VoiceServices is the type VoiceServices of the schema.
type VoiceServices struct {
	Activate            *bool `json:"activate,omitempty"`
	Clear               *bool `json:"clear,omitempty"`
	Deactivate          *bool `json:"deactivate,omitempty"`
	ConcatenateMessage  *bool `json:"concatenateMessage,omitempty"`
	DeleteMessage       *bool `json:"deleteMessage,omitempty"`
	PlayMessage         *bool `json:"playMessage,omitempty"`
	QueryVoiceAttribute *bool `json:"queryVoiceAttribute,omitempty"`
	RecordMessage       *bool `json:"recordMessage,omitempty"`
	Reposition          *bool `json:"reposition,omitempty"`
	Resume              *bool `json:"resume,omitempty"`
	Review              *bool `json:"review,omitempty"`
	SetVoiceAttribute   *bool `json:"setVoiceAttribute,omitempty"`
	Stop                *bool `json:"stop,omitempty"`
	Suspend             *bool `json:"suspend,omitempty"`
	SynthesizeMessage   *bool `json:"synthesizeMessage,omitempty"`
}

// GlobalCallData is the type GlobalCallData of the schema.
type GlobalCallData struct {
	GlobalCallSwitchingSubDomainName string               `json:"globalCallSwitchingSubDomainName,omitempty"`
	GlobalCallLinkageID              *GlobalCallLinkageID `json:"globalCallLinkageID,omitempty"`
	CallLinkageIDTimestamp           string               `json:"callLinkageIDTimestamp,omitempty"`
}

// ThreadData is the type ThreadData of the schema.
type ThreadData struct {
	ThreadSwitchingSubDomainName string           `json:"threadSwitchingSubDomainName,omitempty"`
	ThreadLinkageID              *ThreadLinkageID `json:"threadLinkageID,omitempty"`
	ThreadIDTimeStamp            string           `json:"threadIDTimeStamp,omitempty"`
}

// NumberUnits is the type NumberUnits of the schema: exactly one of its elements.
type NumberUnits struct {
	_                     struct{}               `csta:"choice"`
	NumberOfChargeUnits   *NumberOfChargingUnits `json:"numberOfChargeUnits,omitempty"`
	NumberOfCurrencyUnits *NumberOfCurrencyUnits `json:"numberOfCurrencyUnits,omitempty"`
}

// SnapshotDeviceResponseInfo is one connection of the device that a snapshot was taken of.
type SnapshotDeviceResponseInfo struct {
	ConnectionIdentifier     ConnectionID              `json:"connectionIdentifier,omitzero" csta:"required"`
	EndpointDevice           ExtendedDeviceID          `json:"endpointDevice,omitzero" number:"presentation"`
	LocalCallState           *CallState                `json:"localCallState,omitempty"`
	ServicesPermitted        *ServicesPermitted        `json:"servicesPermitted,omitempty"`
	MediaServiceInfoList     []DeviceMediaInfo         `json:"mediaServiceInfoList,omitempty" csta:"item=deviceMediaInfo"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty" csta:"since=6"`
}

// GlobalCallLinkageID is the type GlobalCallLinkageID of the schema: exactly one of its elements.
type GlobalCallLinkageID struct {
	_                           struct{} `csta:"choice"`
	GloballyUniqueCallLinkageID string   `json:"globallyUniqueCallLinkageID,omitempty"`
	SubDomainCallLinkageID      string   `json:"subDomainCallLinkageID,omitempty"`
}

// ThreadLinkageID is the type ThreadLinkageID of the schema: exactly one of its elements.
type ThreadLinkageID struct {
	_                      struct{} `csta:"choice"`
	GloballyUniqueThreadID string   `json:"globallyUniqueThreadID,omitempty"`
	SubDomainThreadID      string   `json:"subDomainThreadID,omitempty"`
}

// NumberOfChargingUnits is the type NumberOfChargingUnits of the schema.
type NumberOfChargingUnits struct {
	ChargingUnitsRecord []ChargingUnitsRecord `json:"chargingUnitsRecord,omitempty"`
}

// NumberOfCurrencyUnits is the type NumberOfCurrencyUnits of the schema.
type NumberOfCurrencyUnits struct {
	CurrencyType       string                                  `json:"currencyType,omitempty"`
	CurrencyAmount     *int64                                  `json:"currencyAmount,omitempty"`
	CurrencyMultiplier NumberOfCurrencyUnitsCurrencyMultiplier `json:"currencyMultiplier,omitempty"`
}

// CallState is the state of a call as seen by one device.
type CallState struct {
	_                 struct{}           `csta:"choice"`
	CompoundCallState *CompoundCallState `json:"compoundCallState,omitempty"`
	SimpleCallState   SimpleCallState    `json:"simpleCallState,omitempty"`
	Unknown           Empty              `json:"unknown,omitzero"`
}

// DeviceMediaInfo is the type DeviceMediaInfoListDeviceMediaInfo of the schema.
type DeviceMediaInfo struct {
	MediaStreamID         string                 `json:"mediaStreamID,omitempty"`
	ConnectionInformation *ConnectionInformation `json:"connectionInformation,omitempty"`
}

// ChargingUnitsRecord is the type ChargingUnitsRecord of the schema.
type ChargingUnitsRecord struct {
	ChargingUnits *int64 `json:"chargingUnits,omitempty"`
	TypeOfUnits   string `json:"typeOfUnits,omitempty"`
}

// CompoundCallState is the type CompoundCallState of the schema.
type CompoundCallState struct {
	LocalConnectionState []LocalConnectionState `json:"localConnectionState,omitempty"`
}

// AssociatedNID is the network interface device of a connection.
type AssociatedNID struct {
	_        struct{} `csta:"choice"`
	DeviceID DeviceID `json:"deviceID,omitzero"`
	NotKnown Empty    `json:"notKnown,omitzero"`
}

// SnapshotCallData is what SnapshotCallResponse carries: exactly one of its elements.
type SnapshotCallData struct {
	_                 struct{}              `csta:"choice"`
	ServiceCrossRefID string                `json:"serviceCrossRefID,omitempty"`
	SnapshotData      *SnapshotCallDataList `json:"snapshotData,omitempty"`
}

// SnapshotCallDataList lists the connections of a call.
type SnapshotCallDataList struct {
	SnapshotCallResponseInfo []SnapshotCallResponseInfo `json:"snapshotCallResponseInfo,omitempty"`
}

// SnapshotCallResponseInfo is one connection of the call that a snapshot was taken of.
type SnapshotCallResponseInfo struct {
	DeviceOnCall         ExtendedDeviceID     `json:"deviceOnCall,omitzero" csta:"required" number:"presentation"`
	CallIdentifier       ConnectionID         `json:"callIdentifier,omitzero" csta:"required"`
	LocalConnectionInfo  LocalConnectionState `json:"localConnectionInfo,omitempty"`
	ServicesPermitted    *ServicesPermitted   `json:"servicesPermitted,omitempty"`
	MediaServiceInfoList []CallMediaInfo      `json:"mediaServiceInfoList,omitempty" csta:"item=callMediaInfo"`
	LocationInfo         *LocationInfo        `json:"locationInfo,omitempty" csta:"since=6"`
}

// CallMediaInfo describes the media service of a connection.
type CallMediaInfo struct {
	MediaServiceType      MediaServiceType       `json:"mediaServiceType,omitempty"`
	MediaServiceVersion   *int64                 `json:"mediaServiceVersion,omitempty"`
	MediaServiceInstance  string                 `json:"mediaServiceInstance,omitempty"`
	MediaStreamID         string                 `json:"mediaStreamID,omitempty"`
	ConnectionInformation *ConnectionInformation `json:"connectionInformation,omitempty"`
}

// DisplayListItem is the type DisplayListItem of the schema.
type DisplayListItem struct {
	DisplayID                string       `json:"displayID,omitempty" csta:"required"`
	LogicalRows              *int64       `json:"logicalRows,omitempty"`
	LogicalColumns           *int64       `json:"logicalColumns,omitempty"`
	PhysicalRows             *int64       `json:"physicalRows,omitempty"`
	PhysicalColumns          *int64       `json:"physicalColumns,omitempty"`
	PhysicalBaseRowNumber    *int64       `json:"physicalBaseRowNumber,omitempty"`
	PhysicalBaseColumnNumber *int64       `json:"physicalBaseColumnNumber,omitempty"`
	CharacterSet             CharacterSet `json:"characterSet,omitempty"`
	ContentsOfDisplay        string       `json:"contentsOfDisplay,omitempty" csta:"required"`
}

// HookswitchStatusItem is the type HookswitchStatusItem of the schema.
type HookswitchStatusItem struct {
	Hookswitch       string `json:"hookswitch,omitempty" csta:"required"`
	HookswitchOnHook bool   `json:"hookswitchOnHook" csta:"required"`
}

// LampItem is the type LampItem of the schema.
type LampItem struct {
	Lamp      string `json:"lamp,omitempty" csta:"required"`
	LampLabel string `json:"lampLabel,omitempty"`
	Button    string `json:"button,omitempty"`
	LampColor *int64 `json:"lampColor,omitempty"`
}

// LampModeItem is the type LampModeItem of the schema.
type LampModeItem struct {
	Lamp           string         `json:"lamp,omitempty" csta:"required"`
	LampMode       *int64         `json:"lampMode,omitempty"`
	LampBrightness LampBrightness `json:"lampBrightness,omitempty"`
	LampColor      *int64         `json:"lampColor,omitempty"`
	Button         string         `json:"button,omitempty"`
}

// MicrophoneGainItem is the type MicrophoneGainItem of the schema.
type MicrophoneGainItem struct {
	AuditoryApparatus string `json:"auditoryApparatus,omitempty" csta:"required"`
	MicGainAbs        *int64 `json:"micGainAbs,omitempty"`
}

// MicrophoneMuteItem is the type MicrophoneMuteItem of the schema.
type MicrophoneMuteItem struct {
	AuditoryApparatus string `json:"auditoryApparatus,omitempty" csta:"required"`
	MicrophoneMuteOn  bool   `json:"microphoneMuteOn" csta:"required"`
}

// RingerStatusItem is the type RingerStatusItem of the schema.
type RingerStatusItem struct {
	Ringer       string   `json:"ringer,omitempty" csta:"required"`
	RingMode     RingMode `json:"ringMode,omitempty"`
	RingCount    string   `json:"ringCount,omitempty"`
	RingDuration string   `json:"ringDuration,omitempty" csta:"since=6"`
	RingPattern  *int64   `json:"ringPattern,omitempty"`
	RingVolAbs   string   `json:"ringVolAbs,omitempty"`
}

// SpeakerMuteItem is the type SpeakerMuteItem of the schema.
type SpeakerMuteItem struct {
	AuditoryApparatus string `json:"auditoryApparatus,omitempty" csta:"required"`
	SpeakerMuteOn     bool   `json:"speakerMuteOn" csta:"required"`
}

// SpeakerVolumeItem is the type SpeakerVolumeItem of the schema.
type SpeakerVolumeItem struct {
	AuditoryApparatus string `json:"auditoryApparatus,omitempty" csta:"required"`
	SpeakerVolAbs     *int64 `json:"speakerVolAbs,omitempty"`
}

// MicrophoneGain is a gain: absolute, 0 to 100, or a step.
type MicrophoneGain struct {
	_          struct{}   `csta:"choice"`
	MicGainAbs *int64     `json:"micGainAbs,omitempty"`
	MicGainInc MicGainInc `json:"micGainInc,omitempty"`
}

// Volume is a volume: absolute, 0 to 100, or a step.
type Volume struct {
	_      struct{} `csta:"choice"`
	VolAbs *int64   `json:"volAbs,omitempty"`
	VolInc VolInc   `json:"volInc,omitempty"`
}

// NetworkCapability tells what events the network that was reached provides.
type NetworkCapability struct {
	NetworkType    NetworkCapabilityNetworkType     `json:"networkType,omitempty" csta:"required"`
	EventsProvided *NetworkCapabilityEventsProvided `json:"eventsProvided,omitempty"`
}

// NetworkCapabilityEventsProvided is the type NetworkCapabilityEventsProvided of the schema.
type NetworkCapabilityEventsProvided struct {
	Bridged                   *bool `json:"bridged,omitempty"`
	CallCleared               *bool `json:"callCleared,omitempty"`
	Conferenced               *bool `json:"conferenced,omitempty"`
	ConnectionCleared         *bool `json:"connectionCleared,omitempty"`
	Delivered                 *bool `json:"delivered,omitempty"`
	DigitsDialed              *bool `json:"digitsDialed,omitempty"`
	Diverted                  *bool `json:"diverted,omitempty"`
	Established               *bool `json:"established,omitempty"`
	Failed                    *bool `json:"failed,omitempty"`
	Held                      *bool `json:"held,omitempty"`
	NetworkCapabilitiesChange *bool `json:"networkCapabilitiesChange,omitempty"`
	NetworkReached            *bool `json:"networkReached,omitempty"`
	Offered                   *bool `json:"offered,omitempty"`
	Originated                *bool `json:"originated,omitempty"`
	Queued                    *bool `json:"queued,omitempty"`
	Retrieved                 *bool `json:"retrieved,omitempty"`
	ServiceInitiated          *bool `json:"serviceInitiated,omitempty"`
	Transferred               *bool `json:"transferred,omitempty"`
}
