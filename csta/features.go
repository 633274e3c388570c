package csta

import (
	"fmt"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// What GetCSTAFeaturesResponse is made of (ECMA-323 clause 12): lists of
// features, each an element named after its service or event.

// A FeatureList lists supported services or events; features leave in the
// order of the schema.
type FeatureList []Feature

// A Feature is one supported service or event.
type Feature struct {
	Name string `json:"name"`
	// Options tell what the switching function does of the feature, in the
	// order they came in. Empty: nothing is said.
	Options []FeatureOption `json:"options,omitempty"`
}

// A FeatureOption is one named property of a feature.
type FeatureOption struct {
	Name  string `json:"name"`
	Value bool   `json:"value"`
}

// Has reports whether the list names the feature.
func (l FeatureList) Has(name string) bool {
	return slices.ContainsFunc(l, func(f Feature) bool { return f.Name == name })
}

func (l FeatureList) encode(parent *etree.Element) {
	order := featureOrder[parent.Tag]
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, func(a, b Feature) int {
		return slices.Index(order, a.Name) - slices.Index(order, b.Name)
	})
	for _, f := range sorted {
		el := parent.CreateElement(f.Name)
		for _, o := range f.Options {
			el.CreateElement(o.Name).SetText(fmt.Sprint(o.Value))
		}
	}
}

func (l FeatureList) check(list string) error {
	for _, f := range l {
		if !slices.Contains(featureOrder[list], f.Name) {
			return fmt.Errorf("%s: %q is not a feature of the list", list, f.Name)
		}
	}
	return nil
}

// SupportedServices lists the services that are supported, by group.
type SupportedServices struct {
	CapExchangeServList    FeatureList `json:"capExchangeServList,omitempty"`
	SystemStatServList     FeatureList `json:"systemStatServList,omitempty"`
	MonitoringServList     FeatureList `json:"monitoringServList,omitempty"`
	SnapshotServList       FeatureList `json:"snapshotServList,omitempty"`
	CallControlServList    FeatureList `json:"callControlServList,omitempty"`
	CallAssociatedServList FeatureList `json:"callAssociatedServList,omitempty"`
	MediaServList          FeatureList `json:"mediaServList,omitempty"`
	RouteingServList       FeatureList `json:"routeingServList,omitempty"`
	PhysDevServList        FeatureList `json:"physDevServList,omitempty"`
	LogicalServList        FeatureList `json:"logicalServList,omitempty"`
	IOServicesServList     FeatureList `json:"iOServicesServList,omitempty"`
	DataCollectionServList FeatureList `json:"dataCollectionServList,omitempty"`
	VoiceServList          FeatureList `json:"voiceServList,omitempty"`
	CDRServList            FeatureList `json:"cDRServList,omitempty"`
	VendorSpecificServList FeatureList `json:"vendorSpecificServList,omitempty"`
}

// SupportedEvents lists the events that are reported, by group.
type SupportedEvents struct {
	CallControlEvtsList    FeatureList `json:"callControlEvtsList,omitempty"`
	CallAssociatedEvtsList FeatureList `json:"callAssociatedEvtsList,omitempty"`
	MediaEvtsList          FeatureList `json:"mediaEvtsList,omitempty"`
	PhysDevEvtsList        FeatureList `json:"physDevEvtsList,omitempty"`
	LogicalEvtsList        FeatureList `json:"logicalEvtsList,omitempty"`
	DeviceMaintEvtsList    FeatureList `json:"deviceMaintEvtsList,omitempty"`
	VoiceEvtsList          FeatureList `json:"voiceEvtsList,omitempty"`
	VendorSpecificEvtsList FeatureList `json:"vendorSpecificEvtsList,omitempty"`
}

// featureOrder is the schema's order of the features in each list, by the
// name of the list's element.
var featureOrder = map[string][]string{
	"capExchangeServList":    {"getCSTAFeatures", "getLogicalDeviceInformation", "getPhysicalDeviceInformation", "getSwitchingFunctionCaps", "getSwitchingFunctionDevices", "switchingFunctionDevices"},
	"systemStatServList":     {"changeSystemStatusFilter", "systemRegister", "systemStatusRegisterAbort", "systemStatusRegisterCancel", "requestSystemStatus", "systemStatus", "swFunctionCapsChanged", "swFunctionDevicesChanged"},
	"monitoringServList":     {"changeMonitorFilter", "monitorStart", "monitorStop"},
	"snapshotServList":       {"snapshotCall", "snapshotDevice", "snapshotCallData", "snapshotDeviceData"},
	"callControlServList":    {"acceptCall", "alternateCall", "answerCall", "callBack", "callBackMessage", "campOnCall", "clearCall", "clearConnection", "conferenceCall", "consultationCall", "deflectCall", "dialDigits", "directedPickupCall", "groupPickupCall", "holdCall", "intrudeCall", "joinCall", "makeCall", "makePredictiveCall", "parkCall", "reconnectCall", "retrieveCall", "sendMessage", "singleStepConference", "singleStepTransfer", "transferCall"},
	"callAssociatedServList": {"associateData", "cancelTelephonyTones", "changeConnectionInformation", "generateDigits", "generateTelephonyTones", "sendUserInformation"},
	"mediaServList":          {"attachMediaService", "detachMediaService"},
	"routeingServList":       {"routeRegister", "routeRegisterCancel", "routeRegisterAbort", "reRoute", "routeEnd", "routeReject", "routeRequest", "routeSelect", "routeUsed"},
	"physDevServList":        {"buttonPress", "getAuditoryApparatusInfo", "getButtonInformation", "getDisplay", "getHookSwitchStatus", "getLampInfo", "getLampMode", "getMessageWaitingIndicator", "getMicrophoneGain", "getMicrophoneMute", "getRingerStatus", "getSpeakerMute", "getSpeakerVolume", "setButtonInformation", "setDisplay", "setHookSwitchStatus", "setLampMode", "setMessageWaitingIndicator", "setMicrophoneGain", "setMicrophoneMute", "setRingerStatus", "setSpeakerMute", "setSpeakerVolume"},
	"logicalServList":        {"callBackNonCallRel", "callBackMsgNonCallRel", "cancelCallBack", "cancelCallBackMsg", "getAgentState", "getAutoAnswer", "getAutoWorkMode", "getCallerIDStatus", "getDoNotDisturb", "getForwarding", "getLastNumberDialed", "getRouteingMode", "setAgentState", "setAutoAnswer", "setAutoWorkMode", "setCallerIDStatus", "setDoNotDisturb", "setForwarding", "setRouteingMode"},
	"iOServicesServList":     {"ioRegister", "ioRegisterAbort", "ioRegisterCancel", "dataPathResumed", "dataPathSuspended", "fastData", "resumeDataPath", "sendBroadcastData", "sendData", "sendMulticastData", "startDataPath", "stopDataPath", "suspendDataPath"},
	"dataCollectionServList": {"dataCollected", "dataCollectionResumed", "dataCollectionSuspended", "resumeDataCollection", "startDataCollection", "stopDataCollection", "suspendDataCollection"},
	"voiceServList":          {"activate", "clear", "deactivate", "concatenateMsg", "deleteMsg", "queueService", "playMsg", "queryVoiceAttrib", "recordMsg", "reposition", "resume", "review", "start", "setVoiceAttrib", "stop", "suspend", "synthesizeMsg"},
	"cDRServList":            {"cdrNotification", "cdrReport", "sendStoredCDRs", "startCDRTransmission", "stopCDRTransmission"},
	"vendorSpecificServList": {"escapeRegister", "escapeRegisterCancel", "escapeRegisterAbort", "escape", "privateDataVersionSelection"},
	"callControlEvtsList":    {"bridged", "callCleared", "conferenced", "connectionCleared", "delivered", "digitsDialed", "diverted", "established", "failed", "held", "netwCapsChanged", "netwReached", "offered", "originated", "queued", "retrieved", "serviceInitiated", "transferred"},
	"callAssociatedEvtsList": {"callInformation", "charging", "digitsGenerated", "telephonyTonesGenerated", "serviceCompletionFailure"},
	"mediaEvtsList":          {"mediaAttached", "mediaDetached"},
	"physDevEvtsList":        {"buttonInformation", "buttonPress", "displayUpdated", "hookswitch", "lampMode", "messageWaiting", "microphoneGain", "microphoneMute", "ringerStatus", "speakerMute", "speakerVolume"},
	"logicalEvtsList":        {"agentBusy", "agentLoggedOff", "agentLoggedOn", "agentNotReady", "agentReady", "agentWorkingAfterCall", "autoAnswer", "autoWorkMode", "callBack", "callBackMessage", "callerIDStatus", "doNotDisturb", "forwarding", "routeingMode"},
	"deviceMaintEvtsList":    {"backInService", "deviceCapsChanged", "outOfService", "partiallyInService"},
	"voiceEvtsList":          {"bookmarkReached", "completed", "dtmfDetected", "emptied", "interruptionDetected", "notRecognized", "play", "recognized", "record", "reviewEvent", "started", "silenceTimeoutExpired", "speechDetected", "stopEvent", "suspendPlay", "suspendRecord", "voiceAttribChanged", "voiceErrorOccurred"},
	"vendorSpecificEvtsList": {"privateEvent"},
}

// FeaturesOf returns the features whose messages a list names, such as
// "MakeCall, DeliveredEvent", and the names that are of no feature.
func FeaturesOf(list string) (f *GetCSTAFeaturesResponse, wrong []string) {
	f = &GetCSTAFeaturesResponse{SupportedServices: new(SupportedServices), SupportedEvents: new(SupportedEvents)}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		msg, ok := New(name)
		if ok {
			f.Add(msg)
			ok = f.Supports(msg)
		}
		if !ok {
			wrong = append(wrong, name)
		}
	}
	return f, wrong
}
