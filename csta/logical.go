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
