package csta

import "reflect"

// An entry of the catalog: a message, and where GetCSTAFeatures lists it.
type entry struct {
	name    string
	list    string // the feature list's element; empty for responses
	feature string // the element in it
	typ     reflect.Type
	event   bool
}

// The catalog of messages. A service is a line here and its two structs; an
// event a line and a struct. The words are the element names under which
// GetCSTAFeaturesResponse lists them, which are not always those of the
// messages.
var catalog = newCatalog(
	service[GetCSTAFeatures]("capExchangeServList", "getCSTAFeatures"),
	service[RequestSystemStatus]("systemStatServList", "requestSystemStatus"),
	service[SystemStatus]("systemStatServList", "systemStatus"),
	service[MonitorStart]("monitoringServList", "monitorStart"),
	service[MonitorStop]("monitoringServList", "monitorStop"),
	service[ChangeMonitorFilter]("monitoringServList", "changeMonitorFilter"),
	service[SnapshotCall]("snapshotServList", "snapshotCall"),
	service[SnapshotDevice]("snapshotServList", "snapshotDevice"),
	service[MakeCall]("callControlServList", "makeCall"),
	service[AnswerCall]("callControlServList", "answerCall"),
	service[ClearConnection]("callControlServList", "clearConnection"),
	service[HoldCall]("callControlServList", "holdCall"),
	service[RetrieveCall]("callControlServList", "retrieveCall"),
	service[ConsultationCall]("callControlServList", "consultationCall"),
	service[AlternateCall]("callControlServList", "alternateCall"),
	service[ReconnectCall]("callControlServList", "reconnectCall"),
	service[TransferCall]("callControlServList", "transferCall"),
	service[SingleStepTransferCall]("callControlServList", "singleStepTransfer"),
	service[DeflectCall]("callControlServList", "deflectCall"),
	service[ConferenceCall]("callControlServList", "conferenceCall"),
	service[SingleStepConferenceCall]("callControlServList", "singleStepConference"),
	service[ClearCall]("callControlServList", "clearCall"),
	service[AcceptCall]("callControlServList", "acceptCall"),
	service[ParkCall]("callControlServList", "parkCall"),
	service[DirectedPickupCall]("callControlServList", "directedPickupCall"),
	service[GroupPickupCall]("callControlServList", "groupPickupCall"),
	service[CallBack]("callControlServList", "callBack"),
	service[GenerateDigits]("callAssociatedServList", "generateDigits"),
	service[GenerateTelephonyTones]("callAssociatedServList", "generateTelephonyTones"),
	service[AssociateData]("callAssociatedServList", "associateData"),
	service[GetForwarding]("logicalServList", "getForwarding"),
	service[SetForwarding]("logicalServList", "setForwarding"),
	service[GetDoNotDisturb]("logicalServList", "getDoNotDisturb"),
	service[SetDoNotDisturb]("logicalServList", "setDoNotDisturb"),
	service[GetAutoAnswer]("logicalServList", "getAutoAnswer"),
	service[SetAutoAnswer]("logicalServList", "setAutoAnswer"),
	service[GetLastNumberDialed]("logicalServList", "getLastNumberDialed"),
	service[GetCallerIDStatus]("logicalServList", "getCallerIDStatus"),
	service[SetCallerIDStatus]("logicalServList", "setCallerIDStatus"),
	service[GetMessageWaitingIndicator]("physDevServList", "getMessageWaitingIndicator"),
	service[SetMessageWaitingIndicator]("physDevServList", "setMessageWaitingIndicator"),
	service[GetSpeakerMute]("physDevServList", "getSpeakerMute"),
	service[SetSpeakerMute]("physDevServList", "setSpeakerMute"),
	service[GetSpeakerVolume]("physDevServList", "getSpeakerVolume"),
	service[SetSpeakerVolume]("physDevServList", "setSpeakerVolume"),
	service[GetMicrophoneMute]("physDevServList", "getMicrophoneMute"),
	service[SetMicrophoneMute]("physDevServList", "setMicrophoneMute"),
	service[GetMicrophoneGain]("physDevServList", "getMicrophoneGain"),
	service[SetMicrophoneGain]("physDevServList", "setMicrophoneGain"),
	service[GetHookswitchStatus]("physDevServList", "getHookSwitchStatus"),
	service[SetHookswitchStatus]("physDevServList", "setHookSwitchStatus"),
	service[GetRingerStatus]("physDevServList", "getRingerStatus"),
	service[SetRingerStatus]("physDevServList", "setRingerStatus"),
	service[ButtonPress]("physDevServList", "buttonPress"),
	service[GetDisplay]("physDevServList", "getDisplay"),
	service[SetDisplay]("physDevServList", "setDisplay"),
	service[GetLampInformation]("physDevServList", "getLampInfo"),
	service[GetLampMode]("physDevServList", "getLampMode"),

	event[ServiceInitiatedEvent]("callControlEvtsList", "serviceInitiated"),
	event[OriginatedEvent]("callControlEvtsList", "originated"),
	event[DeliveredEvent]("callControlEvtsList", "delivered"),
	event[EstablishedEvent]("callControlEvtsList", "established"),
	event[HeldEvent]("callControlEvtsList", "held"),
	event[RetrievedEvent]("callControlEvtsList", "retrieved"),
	event[DivertedEvent]("callControlEvtsList", "diverted"),
	event[FailedEvent]("callControlEvtsList", "failed"),
	event[TransferedEvent]("callControlEvtsList", "transferred"),
	event[ConferencedEvent]("callControlEvtsList", "conferenced"),
	event[ConnectionClearedEvent]("callControlEvtsList", "connectionCleared"),
	event[CallClearedEvent]("callControlEvtsList", "callCleared"),
	event[DigitsDialedEvent]("callControlEvtsList", "digitsDialed"),
	event[NetworkReachedEvent]("callControlEvtsList", "netwReached"),
	event[OfferedEvent]("callControlEvtsList", "offered"),
	event[QueuedEvent]("callControlEvtsList", "queued"),
	event[CallInformationEvent]("callAssociatedEvtsList", "callInformation"),
	event[DigitsGeneratedEvent]("callAssociatedEvtsList", "digitsGenerated"),
	event[ForwardingEvent]("logicalEvtsList", "forwarding"),
	event[DoNotDisturbEvent]("logicalEvtsList", "doNotDisturb"),
	event[AutoAnswerEvent]("logicalEvtsList", "autoAnswer"),
	event[CallerIDStatusEvent]("logicalEvtsList", "callerIDStatus"),
	event[MessageWaitingEvent]("physDevEvtsList", "messageWaiting"),
	event[SpeakerMuteEvent]("physDevEvtsList", "speakerMute"),
	event[SpeakerVolumeEvent]("physDevEvtsList", "speakerVolume"),
	event[MicrophoneMuteEvent]("physDevEvtsList", "microphoneMute"),
	event[HookswitchEvent]("physDevEvtsList", "hookswitch"),
	event[RingerStatusEvent]("physDevEvtsList", "ringerStatus"),
	event[BackInServiceEvent]("deviceMaintEvtsList", "backInService"),
	event[OutOfServiceEvent]("deviceMaintEvtsList", "outOfService"),
)

// rightSpellings are names that the schema misspells, as a careful client may
// write them.
var rightSpellings = map[string]string{"TransferredEvent": "TransferedEvent"}

type messages struct {
	entries []*entry
	byName  map[string]*entry
	byType  map[reflect.Type]*entry
}

func newCatalog(groups ...[]*entry) *messages {
	c := &messages{byName: map[string]*entry{}, byType: map[reflect.Type]*entry{}}
	groups = append(groups, []*entry{{name: "CSTAErrorCode", typ: reflect.TypeFor[Error]()}})
	for _, g := range groups {
		for _, e := range g {
			c.entries = append(c.entries, e)
			c.byName[e.name] = e
			c.byType[e.typ] = e
		}
	}
	return c
}

// service lists the request Q and its response.
func service[Q any, P interface {
	*Q
	Message
	responseType() reflect.Type
}](list, feature string) []*entry {
	q, r := reflect.TypeFor[Q](), P(new(Q)).responseType()
	return []*entry{
		{name: q.Name(), list: list, feature: feature, typ: q},
		{name: r.Name(), typ: r},
	}
}

func event[E any, P interface {
	*E
	Event
}](list, feature string) []*entry {
	t := reflect.TypeFor[E]()
	return []*entry{{name: t.Name(), list: list, feature: feature, typ: t, event: true}}
}

// Name returns the name of m's root element, such as MakeCall.
func Name(m Message) string {
	if e := catalog.byType[reflect.TypeOf(m).Elem()]; e != nil {
		return e.name
	}
	return reflect.TypeOf(m).Elem().Name()
}

// New returns an empty message of the name, and whether the catalog has it.
func New(name string) (Message, bool) {
	if right, ok := rightSpellings[name]; ok {
		name = right
	}
	e := catalog.byName[name]
	if e == nil {
		return nil, false
	}
	return reflect.New(e.typ).Interface().(Message), true
}

// Messages returns an empty message of every type in the catalog, in its order.
func Messages() []Message {
	var list []Message
	for _, e := range catalog.entries {
		list = append(list, reflect.New(e.typ).Interface().(Message))
	}
	return list
}

// Response returns an empty response to req, nil if req is no service request.
func Response(req Message) Message {
	m, _ := New(Name(req) + "Response")
	return m
}
