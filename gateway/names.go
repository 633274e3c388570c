package gateway

import (
	"encoding/xml"
	"strings"

	"rccgw/csta"
)

// A NameForm is how a client is told the names of parties, for which CSTA has no
// element.
type NameForm string

// The forms of names; none if empty.
const (
	NamesNone      NameForm = "none"    // not at all
	NamesAsPrivate NameForm = "private" // in the private data of events
)

// NamesNamespace is the XML name space of the names in private data.
const NamesNamespace = "urn:rccgw:names"

// addNames puts the names of an event's parties into its private data:
//
//	<names xmlns="urn:rccgw:names"><callingDevice>Ada Lovelace</callingDevice></names>
//
// where each element has the name of that which has the party's number. Private
// data of the PBX's own stays in front; where that is a string it stays alone, for
// the schema allows one of the two.
func addNames(ev csta.Event) {
	var b strings.Builder
	csta.Names(ev, func(element, name string) {
		b.WriteString("<" + element + ">")
		_ = xml.EscapeText(&b, []byte(name)) // a Builder does not fail
		b.WriteString("</" + element + ">")
	})
	if b.Len() == 0 {
		return
	}
	args := csta.Extend(ev)
	if args.PrivateData == nil {
		args.PrivateData = &csta.PrivateData{}
	}
	if args.PrivateData.Text == "" {
		args.PrivateData.Private += `<names xmlns="` + NamesNamespace + `">` + b.String() + "</names>"
	}
}
