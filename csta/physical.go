package csta

// Physical device services and events (ECMA-269 clause 21, TR/87 clause 11).

// ButtonPress presses a button of a device.
type ButtonPress struct {
	asks[ButtonPressResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Button string   `json:"button,omitempty" csta:"required"`
	Common
}

// ButtonPressResponse acknowledges ButtonPress.
type ButtonPressResponse struct {
	Common
}

// GetDisplay asks what a display of a device shows.
type GetDisplay struct {
	asks[GetDisplayResponse]
	Device  DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Display string   `json:"display,omitempty"`
	Common
}

// GetDisplayResponse lists what the displays show.
type GetDisplayResponse struct {
	DisplayList []DisplayListItem `json:"displayList,omitempty" csta:"item=displayListItem"`
	Common
}

// GetHookswitchStatus asks which hookswitches of a device are on hook.
type GetHookswitchStatus struct {
	asks[GetHookswitchStatusResponse]
	Device     DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Hookswitch string   `json:"hookswitch,omitempty"`
	Common
}

// GetHookswitchStatusResponse lists the hookswitches.
type GetHookswitchStatusResponse struct {
	HookswitchStatusList []HookswitchStatusItem `json:"hookswitchStatusList,omitempty" csta:"item=hookswitchStatusItem"`
	Common
}

// GetLampInformation asks which lamps a device has.
type GetLampInformation struct {
	asks[GetLampInformationResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Lamp   string   `json:"lamp,omitempty"`
	Common
}

// GetLampInformationResponse lists the lamps.
type GetLampInformationResponse struct {
	LampList []LampItem `json:"lampList,omitempty" csta:"item=lampItem"`
	Common
}

// GetLampMode asks what the lamps of a device do.
type GetLampMode struct {
	asks[GetLampModeResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Lamp   string   `json:"lamp,omitempty"`
	Common
}

// GetLampModeResponse lists the modes of the lamps.
type GetLampModeResponse struct {
	LampModeList []LampModeItem `json:"lampModeList,omitempty" csta:"item=lampModeItem"`
	Lamp         string         `json:"lamp,omitempty"`
	Common
}

// GetMessageWaitingIndicator asks whether a message waits.
type GetMessageWaitingIndicator struct {
	asks[GetMessageWaitingIndicatorResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Common
}

// GetMessageWaitingIndicatorResponse tells whether a message waits.
type GetMessageWaitingIndicatorResponse struct {
	MessageWaitingOn bool     `json:"messageWaitingOn" csta:"required"`
	DeviceForMessage DeviceID `json:"deviceForMessage,omitzero" number:"presentation"`
	LampIsPresent    *bool    `json:"lampIsPresent,omitempty"`
	Common
}

// GetMicrophoneGain asks for the gain of the microphones of a device.
type GetMicrophoneGain struct {
	asks[GetMicrophoneGainResponse]
	Device            DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string   `json:"auditoryApparatus,omitempty"`
	Common
}

// GetMicrophoneGainResponse lists the gains.
type GetMicrophoneGainResponse struct {
	MicrophoneGainList []MicrophoneGainItem `json:"microphoneGainList,omitempty" csta:"item=microphoneGainItem"`
	Common
}

// GetMicrophoneMute asks which microphones of a device are muted.
type GetMicrophoneMute struct {
	asks[GetMicrophoneMuteResponse]
	Device            DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string   `json:"auditoryApparatus,omitempty"`
	Common
}

// GetMicrophoneMuteResponse lists the microphones.
type GetMicrophoneMuteResponse struct {
	MicrophoneMuteList []MicrophoneMuteItem `json:"microphoneMuteList,omitempty" csta:"item=microphoneMuteItem"`
	Common
}

// GetRingerStatus asks for the settings of the ringers of a device.
type GetRingerStatus struct {
	asks[GetRingerStatusResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Ringer string   `json:"ringer,omitempty"`
	Common
}

// GetRingerStatusResponse lists the ringers.
type GetRingerStatusResponse struct {
	RingerStatusList []RingerStatusItem `json:"ringerStatusList,omitempty" csta:"item=ringerStatusItem"`
	Common
}

// GetSpeakerMute asks which speakers of a device are muted.
type GetSpeakerMute struct {
	asks[GetSpeakerMuteResponse]
	Device            DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string   `json:"auditoryApparatus,omitempty"`
	Common
}

// GetSpeakerMuteResponse lists the speakers.
type GetSpeakerMuteResponse struct {
	SpeakerMuteList []SpeakerMuteItem `json:"speakerMuteList,omitempty" csta:"item=speakerMuteItem"`
	Common
}

// GetSpeakerVolume asks for the volume of the speakers of a device.
type GetSpeakerVolume struct {
	asks[GetSpeakerVolumeResponse]
	Device            DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string   `json:"auditoryApparatus,omitempty"`
	Common
}

// GetSpeakerVolumeResponse lists the volumes.
type GetSpeakerVolumeResponse struct {
	SpeakerVolumeList []SpeakerVolumeItem `json:"speakerVolumeList,omitempty" csta:"item=speakerVolumeItem"`
	Common
}

// SetDisplay writes on a display of a device.
type SetDisplay struct {
	asks[SetDisplayResponse]
	Device                   DeviceID     `json:"device,omitzero" csta:"required" number:"identity"`
	Display                  string       `json:"display,omitempty"`
	PhysicalBaseRowNumber    *int64       `json:"physicalBaseRowNumber,omitempty"`
	PhysicalBaseColumnNumber *int64       `json:"physicalBaseColumnNumber,omitempty"`
	ContentsOfDisplay        string       `json:"contentsOfDisplay,omitempty" csta:"required"`
	Offset                   *int64       `json:"offset,omitempty"`
	CharacterSet             CharacterSet `json:"characterSet,omitempty" csta:"since=6"`
	Common
}

// SetDisplayResponse acknowledges SetDisplay.
type SetDisplayResponse struct {
	Common
}

// SetHookswitchStatus takes a hookswitch of a device off hook or on hook.
type SetHookswitchStatus struct {
	asks[SetHookswitchStatusResponse]
	Device           DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Hookswitch       string   `json:"hookswitch,omitempty"`
	HookswitchOnhook bool     `json:"hookswitchOnhook" csta:"required"`
	Common
}

// SetHookswitchStatusResponse acknowledges SetHookswitchStatus.
type SetHookswitchStatusResponse struct {
	Common
}

// SetMessageWaitingIndicator switches the message waiting indicator.
type SetMessageWaitingIndicator struct {
	asks[SetMessageWaitingIndicatorResponse]
	Device           DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	MessageWaitingOn bool     `json:"messageWaitingOn" csta:"required"`
	DeviceForMessage DeviceID `json:"deviceForMessage,omitzero" number:"destination"`
	Common
}

// SetMessageWaitingIndicatorResponse acknowledges SetMessageWaitingIndicator.
type SetMessageWaitingIndicatorResponse struct {
	Common
}

// SetMicrophoneGain changes the gain of a microphone.
type SetMicrophoneGain struct {
	asks[SetMicrophoneGainResponse]
	Device            DeviceID        `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string          `json:"auditoryApparatus,omitempty"`
	MicrophoneGain    *MicrophoneGain `json:"microphoneGain,omitempty" csta:"required"`
	Common
}

// SetMicrophoneGainResponse acknowledges SetMicrophoneGain.
type SetMicrophoneGainResponse struct {
	Common
}

// SetMicrophoneMute mutes a microphone or ends that.
type SetMicrophoneMute struct {
	asks[SetMicrophoneMuteResponse]
	Device            DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string   `json:"auditoryApparatus,omitempty"`
	MicrophoneMuteOn  bool     `json:"microphoneMuteOn" csta:"required"`
	Common
}

// SetMicrophoneMuteResponse acknowledges SetMicrophoneMute.
type SetMicrophoneMuteResponse struct {
	Common
}

// SetRingerStatus changes the settings of a ringer.
type SetRingerStatus struct {
	asks[SetRingerStatusResponse]
	Device      DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Ringer      string   `json:"ringer,omitempty"`
	RingMode    RingMode `json:"ringMode,omitempty"`
	RingPattern *int64   `json:"ringPattern,omitempty"`
	RingVolume  *Volume  `json:"ringVolume,omitempty"`
	Common
}

// SetRingerStatusResponse acknowledges SetRingerStatus.
type SetRingerStatusResponse struct {
	Common
}

// SetSpeakerMute mutes a speaker or ends that.
type SetSpeakerMute struct {
	asks[SetSpeakerMuteResponse]
	Device            DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string   `json:"auditoryApparatus,omitempty"`
	SpeakerMuteOn     bool     `json:"speakerMuteOn" csta:"required"`
	Common
}

// SetSpeakerMuteResponse acknowledges SetSpeakerMute.
type SetSpeakerMuteResponse struct {
	Common
}

// SetSpeakerVolume changes the volume of a speaker.
type SetSpeakerVolume struct {
	asks[SetSpeakerVolumeResponse]
	Device            DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AuditoryApparatus string   `json:"auditoryApparatus,omitempty"`
	SpeakerVolume     *Volume  `json:"speakerVolume,omitempty" csta:"required"`
	Common
}

// SetSpeakerVolumeResponse acknowledges SetSpeakerVolume.
type SetSpeakerVolumeResponse struct {
	Common
}

// HookswitchEvent reports a hookswitch off hook or on hook.
type HookswitchEvent struct {
	Monitored
	Device           ExtendedDeviceID `json:"device,omitzero" csta:"required" number:"presentation"`
	Hookswitch       string           `json:"hookswitch,omitempty" csta:"required"`
	HookswitchOnHook bool             `json:"hookswitchOnHook" csta:"required"`
	Common
}

// MessageWaitingEvent reports that a message waits, or no longer.
type MessageWaitingEvent struct {
	Monitored
	TargetDevice     ExtendedDeviceID `json:"targetDevice,omitzero" csta:"required" number:"presentation"`
	DeviceForMessage DeviceID         `json:"deviceForMessage,omitzero" number:"presentation"`
	MessageWaitingOn bool             `json:"messageWaitingOn" csta:"required"`
	Common
}

// MicrophoneMuteEvent reports a microphone muted, or no longer.
type MicrophoneMuteEvent struct {
	Monitored
	InvokingDevice    ExtendedDeviceID `json:"invokingDevice,omitzero" csta:"required" number:"presentation"`
	AuditoryApparatus string           `json:"auditoryApparatus,omitempty"`
	MicrophoneMuteOn  bool             `json:"microphoneMuteOn" csta:"required"`
	Common
}

// RingerStatusEvent reports changed settings of a ringer.
type RingerStatusEvent struct {
	Monitored
	Device       ExtendedDeviceID `json:"device,omitzero" csta:"required" number:"presentation"`
	Ringer       string           `json:"ringer,omitempty" csta:"required"`
	RingMode     RingMode         `json:"ringMode,omitempty"`
	RingCount    string           `json:"ringCount,omitempty"`
	RingDuration string           `json:"ringDuration,omitempty" csta:"since=6"`
	RingPattern  *int64           `json:"ringPattern,omitempty"`
	RingVolume   *Volume          `json:"ringVolume,omitempty"`
	Common
}

// SpeakerMuteEvent reports a speaker muted, or no longer.
type SpeakerMuteEvent struct {
	Monitored
	InvokingDevice    ExtendedDeviceID `json:"invokingDevice,omitzero" csta:"required" number:"presentation"`
	AuditoryApparatus string           `json:"auditoryApparatus,omitempty"`
	SpeakerMuteOn     bool             `json:"speakerMuteOn" csta:"required"`
	Common
}

// SpeakerVolumeEvent reports a changed volume.
type SpeakerVolumeEvent struct {
	Monitored
	InvokingDevice    ExtendedDeviceID `json:"invokingDevice,omitzero" csta:"required" number:"presentation"`
	AuditoryApparatus string           `json:"auditoryApparatus,omitempty"`
	SpeakerVolume     *Volume          `json:"speakerVolume,omitempty" csta:"required"`
	Common
}
