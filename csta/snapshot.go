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

// Connections returns the connections that the response lists itself: none
// where it announces them for messages to come.
func (r *SnapshotDeviceResponse) Connections() []SnapshotDeviceResponseInfo {
	if r.CrossRefIDorSnapshotData == nil || r.CrossRefIDorSnapshotData.SnapshotData == nil {
		return nil
	}
	return r.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo
}

// SnapshotCall asks for the devices of a call.
type SnapshotCall struct {
	asks[SnapshotCallResponse]
	SnapshotObject ConnectionID `json:"snapshotObject,omitzero" csta:"required"`
	Common
}

// SnapshotCallResponse lists the connections of the call, and its parties.
type SnapshotCallResponse struct {
	CrossRefIDorSnapshotData *SnapshotCallData         `json:"crossRefIDorSnapshotData,omitempty" csta:"required"`
	MediaCallCharacteristics *MediaCallCharacteristics `json:"mediaCallCharacteristics,omitempty"`
	CallCharacteristics      *CallCharacteristics      `json:"callCharacteristics,omitempty"`
	CallingDevice            ExtendedDeviceID          `json:"callingDevice,omitzero" number:"presentation"`
	CalledDevice             ExtendedDeviceID          `json:"calledDevice,omitzero" number:"presentation"`
	AssociatedCallingDevice  ExtendedDeviceID          `json:"associatedCallingDevice,omitzero" number:"presentation"`
	AssociatedCalledDevice   ExtendedDeviceID          `json:"associatedCalledDevice,omitzero" number:"presentation"`
	CorrelatorData           *PrivateData              `json:"correlatorData,omitempty"`
	CallLinkageData          *CallLinkageData          `json:"callLinkageData,omitempty"`
	SubjectOfCall            string                    `json:"subjectOfCall,omitempty"`
	MessageInfo              []MessageInfoItem         `json:"messageInfo,omitempty" csta:"item=messageInfoItem"`
	LanguagePreferences      string                    `json:"languagePreferences,omitempty"`
	DeviceHistory            []DeviceHistoryListItem   `json:"deviceHistory,omitempty" csta:"item=DeviceHistoryListItem"`
	Common
}

// Connections returns the connections that the response lists itself: none
// where it announces them for messages to come.
func (r *SnapshotCallResponse) Connections() []SnapshotCallResponseInfo {
	if r.CrossRefIDorSnapshotData == nil || r.CrossRefIDorSnapshotData.SnapshotData == nil {
		return nil
	}
	return r.CrossRefIDorSnapshotData.SnapshotData.SnapshotCallResponseInfo
}
