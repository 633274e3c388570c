package csta

import "reflect"

// A Role is what a number field means, and so which digit table is for it. The
// number tag of the field declares it.
type Role string

// The roles of numbers.
const (
	Identity     Role = "identity"     // a line of the PBX that is acted for
	Destination  Role = "destination"  // what is to be dialled
	Presentation Role = "presentation" // a party as the PBX shows it
	Forward      Role = "forward"      // a forward target as the PBX keeps it: what it would dial
	Redirecting  Role = "redirecting"  // a device that the call was redirected from, as the PBX shows it
)

// A Number is a number in a message, with its role. ID may be changed in place.
type Number struct {
	Role  Role
	Field string // the name of the message's or structure's element
	ID    *DeviceID

	// NotKnown and Restricted are the alternatives to ID, nil where the schema
	// has none.
	NotKnown, Restricted *Empty

	name *string // of the party; nil where none can be
}

// Withhold replaces the number by restricted or notKnown. Where the schema has
// neither, the number is left empty. A party that is restricted has no name.
func (n Number) Withhold(restricted bool) {
	*n.ID = DeviceID{}
	if restricted && n.name != nil {
		*n.name = ""
	}
	switch {
	case restricted && n.Restricted != nil:
		*n.Restricted = true
	case n.NotKnown != nil:
		*n.NotKnown = true
	}
}

// Show gives a party that was withheld the text for its number. One that was
// restricted has no name, whoever gave it one.
func (n Number) Show(id string) {
	*n.ID = Device(id)
	if n.Restricted != nil && bool(*n.Restricted) && n.name != nil {
		*n.name = ""
	}
	if n.NotKnown != nil {
		*n.NotKnown = false
	}
	if n.Restricted != nil {
		*n.Restricted = false
	}
}

// Numbers calls visit for every number of m that is present and has a role.
// ConnectionIDs are no numbers and not visited.
func Numbers(m Message, visit func(Number)) {
	if _, ok := m.(*Error); ok {
		return
	}
	walk(reflect.ValueOf(m).Elem(), "", "", func(n Number) {
		if n.ID.ID != "" {
			visit(n)
		}
	}, nil)
}

// Withheld calls visit for every party of m that has a role and no number: it
// is restricted or not known.
func Withheld(m Message, visit func(Number)) {
	if _, ok := m.(*Error); ok {
		return
	}
	walk(reflect.ValueOf(m).Elem(), "", "", func(n Number) {
		if n.ID.ID == "" {
			visit(n)
		}
	}, nil)
}

// Connections calls visit for every ConnectionID of m that is present.
func Connections(m Message, visit func(*ConnectionID)) {
	if _, ok := m.(*Error); ok {
		return
	}
	walk(reflect.ValueOf(m).Elem(), "", "", nil, visit)
}

func walk(v reflect.Value, role Role, name string, number func(Number), connection func(*ConnectionID)) {
	switch x := v.Addr().Interface().(type) {
	case *DeviceID:
		if number != nil && role != "" && x.ID != "" {
			number(Number{Role: role, Field: name, ID: x})
		}
		return
	case *ConnectionID:
		if connection != nil && !x.IsZero() {
			connection(x)
		}
		return
	case *ExtendedDeviceID:
		if number != nil && role != "" && (x.DeviceIdentifier.ID != "" || bool(x.NotKnown) || bool(x.Restricted)) {
			number(Number{role, name, &x.DeviceIdentifier, &x.NotKnown, &x.Restricted, &x.Name})
		}
		return
	case *Endpoint:
		if number != nil && role != "" && (x.DeviceID.ID != "" || bool(x.NotKnown) || bool(x.Restricted)) {
			number(Number{role, name, &x.DeviceID, &x.NotKnown, &x.Restricted, nil})
		}
		return
	case *AssociatedNID:
		if number != nil && role != "" && (x.DeviceID.ID != "" || bool(x.NotKnown)) {
			number(Number{role, name, &x.DeviceID, &x.NotKnown, nil, nil})
		}
		return
	case *RedirectionDeviceID:
		if number != nil && role != "" && (x.NumberDialed.ID != "" || bool(x.NotKnown) || bool(x.Restricted)) {
			number(Number{role, name, &x.NumberDialed, &x.NotKnown, &x.Restricted, nil})
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), role, name, number, connection)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), role, name, number, connection)
		}
	case reflect.Struct:
		p := planOf(v.Type())
		if !p.numbers {
			return
		}
		for _, f := range p.fields {
			if f.numbers {
				r := f.role
				if r == "" {
					r = role
				}
				walk(v.FieldByIndex(f.index), r, f.name, number, connection)
			}
		}
	default:
	}
}

// Subject returns the device that a request is about, as the request writes
// it: the one whose role is identity, else the device of the first ConnectionID.
// It is empty for a request that names none.
func Subject(m Message) string {
	id, connection := "", ""
	if _, ok := m.(*Error); ok {
		return ""
	}
	walk(reflect.ValueOf(m).Elem(), "", "", func(n Number) {
		if n.Role == Identity && id == "" {
			id = n.ID.ID
		}
	}, func(c *ConnectionID) {
		if connection == "" {
			connection = c.DeviceID.ID
		}
	})
	if id != "" {
		return id
	}
	return connection
}
