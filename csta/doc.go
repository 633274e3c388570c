// Package csta is the protocol: the messages of ECMA-269 in the XML of
// ECMA-323, as the profile ECMA TR/87 uses them. It knows no SIP, no message
// bus and no PBX.
//
// A Message is a request, a response, an event or an Error.
// A Handler performs a request; Call performs it with types.
// A Mux is the Handler that passes requests to functions, and what it has
// registered is what GetCSTAFeatures advertises.
// Decode and Encode are the XML codec, one for all messages, driven by the
// struct tags; encoding/json writes the same structs with the same names.
// Check finds what the schema forbids in a message that came another way.
// Numbers and Connections visit the numbers and ConnectionIDs of a message;
// each number has a Role, which says what digit translation is for it.
//
// Adding a service is its two structs and a line in the catalog.
package csta
