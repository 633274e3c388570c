package csta

import (
	"reflect"
	"strings"
	"unicode"
)

// maxName is the longest name of a party that is passed on, in characters.
const maxName = 128

// DisplayName returns the name of a party as it is passed on: without control
// characters, invalid UTF-8 and space around it, and cut after 128 characters.
// Names come from whoever calls.
func DisplayName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.TrimSpace(name)
	n := 0
	for i := range name {
		if n == maxName {
			return strings.TrimSpace(name[:i])
		}
		n++
	}
	return name
}

// Names calls visit for every party of ev that has a name and is not restricted,
// in the order of the schema, with the name of its element and the DisplayName.
// The parties that an event lists, as ConferencedEvent does, have none.
func Names(ev Event, visit func(element, name string)) {
	v := reflect.ValueOf(ev).Elem()
	for _, f := range planOf(v.Type()).fields {
		if f.typ != typeExtended {
			continue
		}
		party := v.FieldByIndex(f.index).Interface().(ExtendedDeviceID)
		if name := DisplayName(party.Name); name != "" && !bool(party.Restricted) {
			visit(f.name, name)
		}
	}
}
