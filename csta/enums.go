package csta

// Enumerations of the schema (ECMA-323). The first declared value is not a default.

// SystemStatusValue is an enumeration of the schema.
type SystemStatusValue string

func (SystemStatusValue) values() []string { return enumSystemStatusValue }

// MonitorType is an enumeration of the schema.
type MonitorType string

func (MonitorType) values() []string { return enumMonitorType }

// AutoOriginate is an enumeration of the schema.
type AutoOriginate string

func (AutoOriginate) values() []string { return enumAutoOriginate }

// EventCause is an enumeration of the schema.
type EventCause string

func (EventCause) values() []string { return enumEventCause }

// ConsultOptions is an enumeration of the schema.
type ConsultOptions string

func (ConsultOptions) values() []string { return enumConsultOptions }

// ForwardingType is an enumeration of the schema.
type ForwardingType string

func (ForwardingType) values() []string { return enumForwardingType }

// LocalConnectionState is an enumeration of the schema.
type LocalConnectionState string

func (LocalConnectionState) values() []string { return enumLocalConnectionState }

// ForwardDefault is an enumeration of the schema.
type ForwardDefault string

func (ForwardDefault) values() []string { return enumForwardDefault }

// BitRate is an enumeration of the schema.
type BitRate string

func (BitRate) values() []string { return enumBitRate }

// SwitchingSubDomainCCIEType is an enumeration of the schema.
type SwitchingSubDomainCCIEType string

func (SwitchingSubDomainCCIEType) values() []string { return enumSwitchingSubDomainCCIEType }

// ConnectionInformationFlowDirection is an enumeration of the schema.
type ConnectionInformationFlowDirection string

func (ConnectionInformationFlowDirection) values() []string {
	return enumConnectionInformationFlowDirection
}

// ChargingInfoTypeOfChargingInfo is an enumeration of the schema.
type ChargingInfoTypeOfChargingInfo string

func (ChargingInfoTypeOfChargingInfo) values() []string { return enumChargingInfoTypeOfChargingInfo }

// NumberOfCurrencyUnitsCurrencyMultiplier is an enumeration of the schema.
type NumberOfCurrencyUnitsCurrencyMultiplier string

func (NumberOfCurrencyUnitsCurrencyMultiplier) values() []string {
	return enumNumberOfCurrencyUnitsCurrencyMultiplier
}

// SimpleCallState is an enumeration of the schema.
type SimpleCallState string

func (SimpleCallState) values() []string { return enumSimpleCallState }

var enumSystemStatusValue = []string{"disabled", "partiallyDisabled", "enabled", "initializing", "messagesLost", "normal", "overloadImminent", "overloadReached", "overloadRelieved"}

var enumMonitorType = []string{"call", "device"}

var enumAutoOriginate = []string{"prompt", "doNotPrompt"}

var enumEventCause = []string{"aCDBusy", "aCDForward", "aCDSaturated", "activation", "activeParticipation", "alertTimeExpired", "alternate", "autoWork", "babble", "badAttribute", "badGrammar", "badURI", "badVoice", "blocked", "busy", "busyOverflow", "calendarOverflow", "callBack", "callCancelled", "callForward", "callForwardImmediate", "callForwardBusy", "callForwardNoAnswer", "callNotAnswered", "callPickup", "campOn", "campOnTrunks", "capacityOverflow", "characterCountReached", "conference", "consultation", "destDetected", "destNotObtainable", "destOutOfOrder", "distributed", "distributionDelay", "doNotDisturb", "dTMFDigitDetected", "duplicateDTMF", "durationExceeded", "earlyStop", "emptyQueue", "endOfMessageDetected", "enteringDistribution", "forcedPause", "forcedTransition", "incompatibleDestination", "interdigitTimeout", "intrude", "invalidAccountCode", "invalidConnection", "invalidConnectionState", "invalidNumberFormat", "joinCall", "keyOperation", "keyOperationInUse", "lockout", "maintenance", "makeCall", "makePredictiveCall", "maxTimeout", "messageDurationExceeded", "messageSizeExceeded", "multipleAlerting", "multipleQueuing", "networkCongestion", "networkDialling", "networkNotObtainable", "networkOutOfOrder", "networkSignal", "newCall", "nextMessage", "noAvailableAgents", "normal", "normalClearing", "noAudioSaved", "noQueue", "noRule", "noSpeechDetected", "notAvailableBearerService", "notSupportedBearerService", "numberChanged", "numberUnallocated", "outOfGrammar", "overflow", "override", "park", "pathReplacement", "queueCleared", "queueTimeOverflow", "recall", "recallBusy", "recallForwarded", "recallNoAnswer", "recallResourcesNotAvailable", "redirected", "remainsInQueue", "reorderTone", "reserved", "resourcesNotAvailable", "selectedTrunkBusy", "silentParticipation", "singleStepConference", "singleStepTransfer", "speechDetected", "suspend", "switchingFunctionTerminated", "terminationCharacterReceived", "timeout", "transfer", "trunksBusy", "unauthorisedBearerService", "unknownOverflow", "callInterception", "callInterceptionBusy", "callInterceptionForwarded", "callInterceptionNoAnswer", "callInterceptionResourcesNotAvailable", "lawfulInterception", "makeConnection"}

var enumConsultOptions = []string{"unrestricted", "consultOnly", "transferOnly", "conferenceOnly"}

var enumForwardingType = []string{"forwardImmediate", "forwardBusy", "forwardNoAns", "forwardDND", "forwardBusyInt", "forwardBusyExt", "forwardNoAnsInt", "forwardNoAnsExt", "forwardImmInt", "forwardImmExt", "forwardDNDInt", "forwardDNDExt"}

var enumLocalConnectionState = []string{"null", "initiated", "alerting", "connected", "hold", "queued", "fail"}

var enumForwardDefault = []string{"forwardingTypeAndForwardDN", "forwardingType", "forwardDN"}

var enumBitRate = []string{"constant", "variable"}

var enumSwitchingSubDomainCCIEType = []string{"isdn", "atm", "isoEthernet", "rsvp", "other", "sip"}

var enumConnectionInformationFlowDirection = []string{"transmit", "receive", "transmitAndReceive", "none"}

var enumChargingInfoTypeOfChargingInfo = []string{"subTotal", "total"}

var enumNumberOfCurrencyUnitsCurrencyMultiplier = []string{"oneThousandth", "oneHundredth", "oneTenth", "one", "ten", "hundred", "thousand"}

var enumSimpleCallState = []string{"callNull", "callPending", "callOriginated", "callDelivered", "callDeliveredHeld", "callReceived", "callEstablished", "callEstablishedHeld", "callReceivedOnHold", "callEstablishedOnHold", "callQueued", "callQueuedHeld", "callFailed", "callFailedHeld", "callBlocked"}

var enumOperationErrors = []string{"generic", "atLeastOneConditionalParameterNotProvided", "featureAlreadySet", "invalidMsgID", "invalidParameterValue", "invalidAccountCode", "invalidAgentGroup", "invalidAgentIdentifier", "invalidAgentPassword", "invalidAgentState", "invalidAlertTime", "invalidAllocationState", "invalidAuthCode", "invalidAutoAnswer", "invalidBitRate", "invalidButtonIdentifier", "invalidCallType", "invalidConnectionRate", "invalidConsultPurpose", "invalidCorrelatorData", "invalidCrossRefID", "invalidDelayTolerance", "invalidDestination", "invalidDestinationDetect", "invalidDoNotDisturb", "invalidEscapeCrossRefID", "invalidFeature", "invalidFile", "invalidFlowDirection", "invalidForwardingDestination", "invalidForwardingFlag", "invalidForwardingType", "invalidHookswitchType", "invalidHookswitchComponent", "invalidLampMode", "invalidLampID", "invalidMessageWaitingSetting", "invalidMicrophoneGain", "invalidMicrophoneMute", "invalidMonitorCrossRefID", "invalidMonitorFilter", "invalidMonitorObject", "invalidMonitorType", "invalidNumberOFChannels", "invalidParticipationType", "invalidRemainRetry", "invalidRingCount", "invalidRingPattern", "invalidRingVolume", "invalidRouteingAlgorithm", "invalidRouteingCrossRefID", "invalidRouteRegistrationCrossRefID", "invalidSpeakerVolume", "invalidSpeakerMute", "invalidSwitchingSubdomainCharsType", "invalidObjectType", "invalidActiveCallObject", "invalidCalledDeviceObjectType", "invalidCallingDeviceObjectType", "invalidCallToBePickedUpObjectType", "invalidCallToDivertObjectType", "invalidCallToParkObjectType", "invalidDestinationDeviceObject", "invalidHeldCallObject", "invalidMonitorObjectType", "invalidParkToObjectType", "messageIDRequired", "notDifferentDevices", "notSameDevice", "objectNotKnown", "invalidCallID", "invalidActiveCallID", "invalidHeldCallID", "invalidConnectionID", "invalidActiveConnectionID", "invalidHeldConnectionID", "invalidDeviceID", "invalidActiveDeviceID", "invalidCalledDeviceID", "invalidCallingDeviceID", "invalidCallToParkDeviceID", "invalidDestinationDeviceID", "invalidDivertingDeviceID", "invalidHeldDeviceID", "invalidParkToDeviceID", "invalidPickUpDeviceID", "parameterNotSupported", "accountCodeNotSupported", "agentGroupNotSupported", "agentPasswordNotSupported", "agentStateNotSupported", "alertTimeNotSupported", "allocationNotSupported", "authorisationCodeNotSupported", "autoAnswerNotSupported", "bitRateNotSupported", "buttonNotSupported", "callTypeNotSupported", "charactersToSendNotSupported", "connectionRateNotSupported", "connectionReservationNotSupported", "consultPurposeNotSupported", "correlatorDataNotSupported", "delayToleranceNotSupported", "destinationDetectNotSupported", "digitModeNotSupported", "errorValueNotSupported", "flowDirectionNotSupported", "forwardingDestinationNotSupported", "lampNotSupported", "monitorTypeNotSupported", "numberOfChannelsNotSupported", "parameterTypeNotSupported", "priorityNotSupported", "privateDataNotSupported", "pulseDurationNotSupported", "pulseRateNotSupported", "remainRetryNotSupported", "ringCountNotSupported", "routeUsedNotSupported", "securityNotSupported", "swSubdomainCCIETypeNotSupported", "toneDurationNotSupported", "sysStatRegIDNotSupported", "userDataNotSupported", "privilegeViolationSpecifiedDevice", "privilegeViolationActiveDevice", "privilegeViolationCalledDevice", "privilegeViolationCallingDevice", "privilegeViolationCallToParkDevice", "privilegeViolationDestinationDevice", "privilegeViolationOnDivertingDevice", "privilegeViolationHeldDevice", "privilegeViolationOnParkToDevice", "privilegeViolationPickUpDevice", "routeingTimerExpired", "requestIncompatibleWithObject", "requestIncompatibleWithConnection", "requestIncompatibleWithActiveConnection", "requestIncompatibleWithHeldConnection", "requestIncompatibleWithDevice", "requestIncompatibleWithCalledDevice", "requestIncompatibleWithCallingDevice", "requestIncompatibleWithSubjectDevice", "requestIncompatibleWithActiveDevice", "requestIncompatibleWithCallToParkDevice", "requestIncompatibleWithDestinationDevice", "requestIncompatibleWithDivertingDevice", "requestIncompatibleWithHeldDevice", "requestIncompatibleWithMedia", "requestIncompatibleWithParkToDevice", "requestIncompatibleWithPickupDevice", "serviceNotSupported", "securityViolation", "valueOutOfRange", "agentStateOutOfRange", "alertTimeOutOfRange", "allocationOutOfRange", "autoAnswerOutOfRange", "bitRateOutOfRange", "callTypeOutOfRange", "connectionRateOutOfRange", "connectionReservoationOutOfRange", "consultPurposeOutOfRange", "correlatorDataOutOfRange", "delayToleranceOutOfRange", "destinationDetectOutOfRange", "digitModeOutOfRange", "doNotDisturbOutOfRange", "flowDirectionOutOfRange", "forwardingFlagOutOfRange", "forwardingTypeOutOfRange", "hookswitchComponentOutOfRange", "hookswitchTypeOutOfRange", "lampModeOutOfRange", "messageWaitingSettingOutOfRange", "micGainOutOfRange", "micMuteOutOfRange", "monitorTypeOutOfRange", "numberOfChannelsOutOfRange", "participationTypeOutOfRange", "pulseDurationOutOfRange", "pulseRateOutOfRange", "ringCountOutOfRange", "ringPatternOutOfRange", "ringVolumnOutOfRange", "routeingAlgorithmOutOfRange", "speakerMuteOutOfRange", "speakerVolumeOutOfRange", "switchingCcittTypeOutOfRange", "systemStatusOutOfRange", "toneCharacterOutOfRange", "toneDurationOutOfRange"}

var enumPerformanceManagementErrors = []string{"generic", "performanceLimitExceeded"}

var enumPrivateDataInfoErrors = []string{"cSTAPrivateDataInfoError"}

var enumSecurityErrors = []string{"generic", "sequenceNumberViolated", "timeStampViolated", "securityInfoViolated"}

var enumStateIncompatibilityErrors = []string{"generic", "invalidObjectState", "invalidDeviceState", "connectedCallExists", "invalidActiveDeviceState", "invalidCalledDeviceState", "invalidCallingDeviceState", "invalidCallToParkDeviceState", "invalidDestinationDeviceState", "invalidDivertingDeviceState", "invalidHeldDeviceState", "invalidParkToDeviceState", "invalidConnectionState", "invalidActiveConnectionState", "invalidConnectionIDForActiveCall", "invalidHeldConnectionState", "noActiveCall", "noCallToAnswer", "noCallToClear", "noCallToComplete", "noConnectionToClear", "noHeldCall", "incorrectMsgState", "beginningOfMsg", "endOfMsg", "msgSuspended", "notAbleToPlay", "notAbleToResume"}

var enumSubscribedResourceAvailabilityErrors = []string{"generic", "objectMonitorLimitExceeded", "trunkLimitExceeded", "outstandingReqLimitExceeded", "objectRegistrationLimitExceeded"}

var enumSystemResourceAvailabilityErrors = []string{"generic", "resourceBusy", "internalResourceBusy", "classifierBusy", "noMediaChannelsAvailable", "channelsInUseForBridgedDevices", "channelsInUseForData", "toneDetectorBusy", "toneGeneratorBusy", "networkBusy", "resourceOutOfService", "deviceOutOfService", "activeDeviceOutOfService", "calledDeviceOutOfService", "callingDeviceOutOfService", "callToParkDeviceOutOfService", "destinationDeviceOutOfService", "divertingDeviceOutOfService", "heldDeviceOutOfService", "parkToDeviceOutOfService", "pickupDeviceOutOfService", "networkOutOfService", "otherResourceOutOfService", "resourceLimitExceeded", "overallMonitorLimitExceeded", "conferenceMemberLimitExceeded", "registrationLimitExceeded", "conferenceResourceCannotBeSatisfied", "maxDevicesExceeded", "startTimeOutOfRange", "durationExceeded"}

// ParticipationType is an enumeration of the schema.
type ParticipationType string

func (ParticipationType) values() []string { return enumParticipationType }

var enumParticipationType = []string{"silent", "active", "none"}

// DigitMode is an enumeration of the schema.
type DigitMode string

func (DigitMode) values() []string { return enumDigitMode }

var enumDigitMode = []string{"rotaryPulse", "dTMF"}

// TelephonyTone is an enumeration of the schema.
type TelephonyTone string

func (TelephonyTone) values() []string { return enumTelephonyTone }

var enumTelephonyTone = []string{"beep", "billing", "busy", "carrier", "confirmation", "dial", "faxCNG", "hold", "howler", "intrusion", "modemCNG", "park", "recordWarning", "reorder", "ringback", "silence", "sitVC", "sitIC", "sitRO", "sitNC", "switchSpec0", "switchSpec1", "switchSpec2", "switchSpec3", "switchSpec4", "switchSpec5", "switchSpec6", "switchSpec7", "switchSpec8", "switchSpec9", "switchSpec10", "switchSpec11", "switchSpec12", "switchSpec13", "switchSpec14", "switchSpec15", "switchSpec16", "switchSpec17", "switchSpec18", "switchSpec19", "switchSpec20", "switchSpec21", "switchSpec22", "switchSpec23", "switchSpec24", "switchSpec25", "switchSpec26", "switchSpec27", "switchSpec28", "switchSpec29", "switchSpec30", "switchSpec31", "switchSpec32", "switchSpec33", "switchSpec34", "switchSpec35", "switchSpec36", "switchSpec37", "switchSpec38", "switchSpec39", "switchSpec40", "switchSpec41", "switchSpec42", "switchSpec43", "switchSpec44", "switchSpec45", "switchSpec46", "switchSpec47", "switchSpec48", "switchSpec49", "switchSpec50", "switchSpec51", "switchSpec52", "switchSpec53", "switchSpec54", "switchSpec55", "switchSpec56", "switchSpec57", "switchSpec58", "switchSpec59", "switchSpec60", "switchSpec61", "switchSpec62", "switchSpec63", "switchSpec64", "switchSpec65", "switchSpec66", "switchSpec67", "switchSpec68", "switchSpec69", "switchSpec70", "switchSpec71", "switchSpec72", "switchSpec73", "switchSpec74", "switchSpec75", "switchSpec76", "switchSpec77", "switchSpec78", "switchSpec79", "switchSpec80", "switchSpec81", "switchSpec82", "switchSpec83", "switchSpec84", "switchSpec85", "switchSpec86", "switchSpec87", "switchSpec88", "switchSpec89", "switchSpec90", "switchSpec91", "switchSpec92", "switchSpec93", "switchSpec94", "switchSpec95", "switchSpec96", "switchSpec97", "switchSpec98", "switchSpec99", "switchSpec100"}

// CharacterSet is an enumeration of the schema.
type CharacterSet string

func (CharacterSet) values() []string { return enumCharacterSet }

var enumCharacterSet = []string{"ascii", "unicode", "proprietary"}

// RingMode is an enumeration of the schema.
type RingMode string

func (RingMode) values() []string { return enumRingMode }

var enumRingMode = []string{"ringing", "notRinging"}

// LampBrightness is an enumeration of the schema.
type LampBrightness string

func (LampBrightness) values() []string { return enumLampBrightness }

var enumLampBrightness = []string{"unspecified", "dim", "bright"}

// MicGainInc is an enumeration of the schema.
type MicGainInc string

func (MicGainInc) values() []string { return enumMicGainInc }

var enumMicGainInc = []string{"increment", "decrement"}

// VolInc is an enumeration of the schema.
type VolInc string

func (VolInc) values() []string { return enumVolInc }

var enumVolInc = []string{"increment", "decrement"}

// NetworkCapabilityNetworkType is an enumeration of the schema.
type NetworkCapabilityNetworkType string

func (NetworkCapabilityNetworkType) values() []string { return enumNetworkCapabilityNetworkType }

var enumNetworkCapabilityNetworkType = []string{"iSDNPublic", "nonISDNPublic", "iSDNPrivate", "nonISDNPrivate", "other"}

// MediaServiceType is an enumeration of the schema.
type MediaServiceType string

func (MediaServiceType) values() []string { return enumMediaServiceType }

var enumMediaServiceType = []string{"cstaVoiceUnit", "dataModem", "digitalDataIsochronousIeee1394", "digitalDataIsochronousGeoport", "digitalDataIsochronousIeeeAtm", "digitalDataIsochronousIeeeIsdn", "digitalDataApi", "ectfS100MediaServicesDefault", "ectfS100MediaServicesAppServices", "cstaIVRScript1", "cstaIVRScript2", "cstaIVRScript3", "cstaIVRScript4", "cstaIVRScript5", "cstaIVRScript6", "cstaIVRScript7", "cstaIVRScript8", "cstaIVRScript9", "cstaIVRScript10", "liveSoundCaptureAnalog", "liveSoundTransmitAnalog", "liveSoundCaptureIeee1394", "liveSoundTransmitIeee1394", "liveSoundCaptureTransmitGeoport", "liveSoundCaptureTransmitAtm", "liveSoundCaptureTransmitISDN", "soundCaptureTransmitADPCM", "soundCaptureTransmitApi", "usb", "sfSpecific1", "sfSpecific2", "sfSpecific3", "sfSpecific4", "sfSpecific5", "sfSpecific6", "sfSpecific7", "sfSpecific8", "sfSpecific9", "sfSpecific10"}
