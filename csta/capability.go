package csta

// Capability exchange and system status services (ECMA-269 clause 12 and 13, TR/87 clause 15).

// GetCSTAFeatures asks which services and events the switching function supports.
type GetCSTAFeatures struct {
	asks[GetCSTAFeaturesResponse]
	Common
}

// GetCSTAFeaturesResponse lists the supported services and events. A client shows its buttons by it.
type GetCSTAFeaturesResponse struct {
	SupportedServices *SupportedServices `json:"supportedServices,omitempty"`
	SupportedEvents   *SupportedEvents   `json:"supportedEvents,omitempty"`
	Common
}

// RequestSystemStatus asks for the state of the switching function; it is also the keep-alive of a TR/87 dialog (clause 7).
type RequestSystemStatus struct {
	asks[RequestSystemStatusResponse]
	SysStatRegisterID string `json:"sysStatRegisterID,omitempty"`
	Common
}

// RequestSystemStatusResponse carries the state; clients of the field give up unless it reads "normal".
type RequestSystemStatusResponse struct {
	SystemStatus SystemStatusValue `json:"systemStatus,omitempty" csta:"required"`
	Common
}

// SystemStatus tells the other side the state of the sender.
type SystemStatus struct {
	asks[SystemStatusResponse]
	SysStatRegisterID string            `json:"sysStatRegisterID,omitempty"`
	SystemStatus      SystemStatusValue `json:"systemStatus,omitempty" csta:"required"`
	Common
}

// SystemStatusResponse acknowledges SystemStatus.
type SystemStatusResponse struct {
	Common
}
