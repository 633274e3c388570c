package csta

// Snapshot services (ECMA-269 clause 16, TR/87 clause 14).

// SnapshotDevice asks for the calls of a device.
type SnapshotDevice struct {
	asks[SnapshotDeviceResponse]
	SnapshotObject DeviceID `json:"snapshotObject,omitzero" csta:"required" number:"identity"`
	Common
}

// SnapshotDeviceResponse lists the connections of the device.
type SnapshotDeviceResponse struct {
	CrossRefIDorSnapshotData *SnapshotDeviceData `json:"crossRefIDorSnapshotData,omitempty" csta:"required"`
	Common
}
