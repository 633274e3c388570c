package csta

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Empty is an element whose presence is its meaning, such as notKnown.
type Empty bool

// DeviceID identifies a device: a dialling number, a tel or SIP URI, or a name
// that the switching function chose (ECMA-323 clause 9.2). What kind of number
// it is, is declared by the number tag of the field that holds it.
type DeviceID struct {
	ID string

	// External marks a party outside the PBX, which digit plans tell from an
	// internal one. A driver sets it where it knows; it never leaves the process.
	External bool

	// Dialled marks a number as it was dialled from inside the PBX: the digits
	// that give access to a trunk are a part of it. A driver sets it where it
	// knows; it never leaves the process.
	Dialled bool

	// Attributes are the schema's optional attributes; nil if there are none.
	Attributes *DeviceAttributes
}

// DeviceAttributes are the attributes of a DeviceID in XML.
type DeviceAttributes struct {
	TypeOfNumber                          string `json:"typeOfNumber,omitempty"`
	MediaClass                            string `json:"mediaClass,omitempty"`
	ConnectionRate                        string `json:"connectionRate,omitempty"`
	BitRate                               string `json:"bitRate,omitempty"`
	DelayTolerance                        string `json:"delayTolerance,omitempty"`
	SwitchingSubDomainCCIEType            string `json:"switchingSubDomainCCIEType,omitempty"`
	SwitchingSubDomainInformationElements string `json:"switchingSubDomainInformationElements,omitempty"`
	PrivateNumber                         string `json:"privateNumber,omitempty" csta:"since=6"`
	PrivateName                           string `json:"privateName,omitempty" csta:"since=6"`
}

// Device returns the DeviceID of a device inside the PBX.
func Device(id string) DeviceID { return DeviceID{ID: id} }

// IsZero reports whether there is no identifier.
func (d DeviceID) IsZero() bool { return d.ID == "" && d.Attributes == nil }

// String returns the identifier.
func (d DeviceID) String() string { return d.ID }

// MarshalJSON writes a string, or an object where there are attributes.
func (d DeviceID) MarshalJSON() ([]byte, error) {
	if d.Attributes == nil {
		return json.Marshal(d.ID)
	}
	return json.Marshal(deviceObject{d.ID, d.Attributes})
}

type deviceObject struct {
	ID string `json:"id"`
	*DeviceAttributes
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *DeviceID) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*d = DeviceID{}
		return json.Unmarshal(text, &d.ID)
	}
	var o deviceObject
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	*d = DeviceID{ID: o.ID, Attributes: o.DeviceAttributes}
	return nil
}

// ExtendedDeviceID is a party of a call: a device, or one that is not known or
// whose number is withheld. It is the type of callingDevice, calledDevice, the
// subject devices of events and their kin.
type ExtendedDeviceID struct {
	_                struct{} `csta:"choice"`
	DeviceIdentifier DeviceID `json:"deviceIdentifier,omitzero"`
	NotKnown         Empty    `json:"notKnown,omitzero"`
	Restricted       Empty    `json:"restricted,omitzero"`

	// Name is what the PBX calls the party; empty where it has no name, and of a
	// party that is restricted. It is text for people and no identity: two parties
	// may have the same, and digit plans leave it alone. The schema has no element
	// for it: JSON carries it, Encode and Decode do not. See DisplayName.
	Name string `json:"name,omitempty" csta:"-"`
}

// Party returns the party that is the device inside the PBX.
func Party(id string) ExtendedDeviceID {
	return ExtendedDeviceID{DeviceIdentifier: Device(id)}
}

// NotKnown is a party without a number.
func NotKnown() ExtendedDeviceID { return ExtendedDeviceID{NotKnown: true} }

// Restricted is a party that withholds its number.
func Restricted() ExtendedDeviceID { return ExtendedDeviceID{Restricted: true} }

// IsZero reports whether nothing is said of the party. A name alone says
// nothing: nobody is called by it.
func (d ExtendedDeviceID) IsZero() bool {
	return d.DeviceIdentifier.IsZero() && !bool(d.NotKnown) && !bool(d.Restricted)
}

// String returns the identifier, "notKnown" or "restricted".
func (d ExtendedDeviceID) String() string {
	switch {
	case bool(d.NotKnown):
		return "notKnown"
	case bool(d.Restricted):
		return "restricted"
	}
	return d.DeviceIdentifier.ID
}

// RedirectionDeviceID is the device that a call was redirected from last.
type RedirectionDeviceID struct {
	_            struct{} `csta:"choice"`
	NotKnown     Empty    `json:"notKnown,omitzero"`
	NotRequired  Empty    `json:"notRequired,omitzero"`
	NotSpecified Empty    `json:"notSpecified,omitzero"`
	NumberDialed DeviceID `json:"numberDialed,omitzero"`
	Restricted   Empty    `json:"restricted,omitzero"`
}

// IsZero reports whether nothing is said.
func (d RedirectionDeviceID) IsZero() bool { return d == RedirectionDeviceID{} }

// ConnectionID names a device's part in a call. Its deviceID is an opaque
// handle of the switching function, unique in the call: never a number to be
// translated or dialled.
type ConnectionID struct {
	CallID   string   `json:"callID,omitempty"`
	DeviceID DeviceID `json:"deviceID,omitzero"`
}

// Connection returns the ConnectionID of the device in the call.
func Connection(callID, device string) ConnectionID {
	return ConnectionID{CallID: callID, DeviceID: Device(device)}
}

// IsZero reports whether it names neither call nor device.
func (c ConnectionID) IsZero() bool { return c.CallID == "" && c.DeviceID.IsZero() }

// String returns device@call, for logs.
func (c ConnectionID) String() string { return c.DeviceID.ID + "@" + c.CallID }

// MonitorObject is what a monitor watches: exactly one of a call and a device.
type MonitorObject struct {
	_            struct{}      `csta:"choice"`
	CallObject   *ConnectionID `json:"callObject,omitempty"`
	DeviceObject DeviceID      `json:"deviceObject,omitzero" number:"identity"`
}

// CSTACommonArguments is the extensions element that ends every message.
type CSTACommonArguments struct {
	Security    *CSTASecurityData `json:"security,omitempty"`
	PrivateData *PrivateData      `json:"privateData,omitempty"`
}

// CSTASecurityData carries sequence number, time stamp and security information.
type CSTASecurityData struct {
	MessageSequenceNumber *int64       `json:"messageSequenceNumber,omitempty"`
	TimeStamp             string       `json:"timeStamp,omitempty"`
	SecurityInfo          *PrivateData `json:"securityInfo,omitempty"`
}

// PrivateData is data that the standard does not define: XML elements or a
// string. It is the type of privateData, correlatorData, userData and
// securityInfo.
type PrivateData struct {
	_ struct{} `csta:"choice"`
	// Private is the content of the private element: a self-contained XML
	// fragment, every namespace that it uses declared in it.
	Private string `json:"private,omitempty"`
	// Text is the content of the string element.
	Text string `json:"string,omitempty"`
}

// LocationInfo tells where a device is (edition 6). Its elements are passed on
// as they came: nothing here reads them.
type LocationInfo struct {
	// XML is the content of the element: a self-contained fragment.
	XML string `json:"xml,omitempty"`
}

// HexBinary is an octet string, hexadecimal in XML and JSON.
type HexBinary []byte

// MarshalText writes hexadecimal digits.
func (h HexBinary) MarshalText() ([]byte, error) {
	return []byte(strings.ToUpper(hex.EncodeToString(h))), nil
}

// UnmarshalText reads hexadecimal digits.
func (h *HexBinary) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("not hexadecimal: %q", text)
	}
	*h = b
	return nil
}
