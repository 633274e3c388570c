package csta

// Logical device services (ECMA-269 clause 22, TR/87 clause 12).

// GetForwarding asks for the forwarding settings of a device.
type GetForwarding struct {
	asks[GetForwardingResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Common
}

// GetForwardingResponse lists the forwarding settings of a device.
type GetForwardingResponse struct {
	ForwardingList []ForwardListItem `json:"forwardingList,omitempty" csta:"item=forwardListItem"`
	Common
}

// SetForwarding changes a forwarding setting.
type SetForwarding struct {
	asks[SetForwardingResponse]
	Device          DeviceID       `json:"device,omitzero" csta:"required" number:"identity"`
	ForwardingType  ForwardingType `json:"forwardingType,omitempty"`
	ActivateForward bool           `json:"activateForward" csta:"required"`
	ForwardDN       DeviceID       `json:"forwardDN,omitzero" number:"destination"`
	RingCount       *int64         `json:"ringCount,omitempty"`
	RingDuration    string         `json:"ringDuration,omitempty" csta:"since=6"`
	Common
}

// SetForwardingResponse acknowledges SetForwarding.
type SetForwardingResponse struct {
	Common
}

// GetDoNotDisturb asks for the do-not-disturb setting.
type GetDoNotDisturb struct {
	asks[GetDoNotDisturbResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Common
}

// GetDoNotDisturbResponse tells the do-not-disturb setting.
type GetDoNotDisturbResponse struct {
	DoNotDisturbOn    bool             `json:"doNotDisturbOn" csta:"required"`
	CallOrigination   *CallOrigination `json:"callOrigination,omitempty"`
	CallingDeviceList []DeviceID       `json:"callingDeviceList,omitempty" csta:"item=callingDevice" number:"presentation"`
	Common
}

// SetDoNotDisturb changes the do-not-disturb setting.
type SetDoNotDisturb struct {
	asks[SetDoNotDisturbResponse]
	Device            DeviceID         `json:"device,omitzero" csta:"required" number:"identity"`
	DoNotDisturbOn    bool             `json:"doNotDisturbOn" csta:"required"`
	CallOrigination   *CallOrigination `json:"callOrigination,omitempty"`
	CallingDeviceList []DeviceID       `json:"callingDeviceList,omitempty" csta:"item=callingDevice" number:"destination"`
	Common
}

// SetDoNotDisturbResponse acknowledges SetDoNotDisturb.
type SetDoNotDisturbResponse struct {
	Common
}

// GetAutoAnswer asks whether a device answers by itself.
type GetAutoAnswer struct {
	asks[GetAutoAnswerResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Common
}

// GetAutoAnswerResponse tells whether the device answers by itself.
type GetAutoAnswerResponse struct {
	AutoAnswerOn  bool   `json:"autoAnswerOn" csta:"required"`
	NumberOfRings *int64 `json:"numberOfRings,omitempty"`
	Common
}

// SetAutoAnswer makes a device answer by itself, or ends that.
type SetAutoAnswer struct {
	asks[SetAutoAnswerResponse]
	Device        DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	AutoAnswerOn  bool     `json:"autoAnswerOn" csta:"required"`
	NumberOfRings *int64   `json:"numberOfRings,omitempty"`
	Common
}

// SetAutoAnswerResponse acknowledges SetAutoAnswer.
type SetAutoAnswerResponse struct {
	Common
}

// GetCallerIDStatus asks whether a device shows its number to those it calls.
type GetCallerIDStatus struct {
	asks[GetCallerIDStatusResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Common
}

// GetCallerIDStatusResponse tells whether the number is shown.
type GetCallerIDStatusResponse struct {
	CallerIDProvided bool `json:"callerIDProvided" csta:"required"`
	Common
}

// SetCallerIDStatus shows the number of a device to those it calls, or withholds it.
type SetCallerIDStatus struct {
	asks[SetCallerIDStatusResponse]
	Device           DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	CallerIDProvided bool     `json:"callerIDProvided" csta:"required"`
	Common
}

// SetCallerIDStatusResponse acknowledges SetCallerIDStatus.
type SetCallerIDStatusResponse struct {
	Common
}

// GetLastNumberDialed asks for the number that a device dialled last.
type GetLastNumberDialed struct {
	asks[GetLastNumberDialedResponse]
	Device DeviceID `json:"device,omitzero" csta:"required" number:"identity"`
	Common
}

// GetLastNumberDialedResponse tells the number.
type GetLastNumberDialedResponse struct {
	NumberDialed DeviceID `json:"numberDialed,omitzero" csta:"required" number:"forward"`
	Common
}
