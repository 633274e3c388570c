package csta

// Monitoring services (ECMA-269 clause 15, TR/87 clause 13).

// MonitorStart asks for the events of a device.
type MonitorStart struct {
	asks[MonitorStartResponse]
	MonitorObject              *MonitorObject     `json:"monitorObject,omitempty" csta:"required"`
	RequestedMonitorFilter     *MonitorFilter     `json:"requestedMonitorFilter,omitempty"`
	MonitorType                MonitorType        `json:"monitorType,omitempty"`
	RequestedMonitorMediaClass *MonitorMediaClass `json:"requestedMonitorMediaClass,omitempty"`
	Common
}

// MonitorStartResponse names the monitor in its cross reference identifier.
type MonitorStartResponse struct {
	MonitorCrossRefID       string             `json:"monitorCrossRefID,omitempty" csta:"required"`
	ActualMonitorFilter     *MonitorFilter     `json:"actualMonitorFilter,omitempty"`
	ActualMonitorMediaClass *MonitorMediaClass `json:"actualMonitorMediaClass,omitempty"`
	MonitorExistingCalls    *bool              `json:"monitorExistingCalls,omitempty"`
	Common
}

// MonitorStop ends a monitor.
type MonitorStop struct {
	asks[MonitorStopResponse]
	MonitorCrossRefID string `json:"monitorCrossRefID,omitempty" csta:"required"`
	Common
}

// MonitorStopResponse acknowledges MonitorStop.
type MonitorStopResponse struct {
	Common
}

// ChangeMonitorFilter replaces the filter of a monitor.
type ChangeMonitorFilter struct {
	asks[ChangeMonitorFilterResponse]
	MonitorCrossRefID   string         `json:"monitorCrossRefID,omitempty" csta:"required"`
	RequestedFilterList *MonitorFilter `json:"requestedFilterList,omitempty" csta:"required"`
	Common
}

// ChangeMonitorFilterResponse tells the filter that is in force.
type ChangeMonitorFilterResponse struct {
	ActualFilterList *MonitorFilter `json:"actualFilterList,omitempty" csta:"required"`
	Common
}
