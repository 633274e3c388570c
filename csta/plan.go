package csta

import (
	"reflect"
	"strings"
	"sync"
)

// A plan is what the codec knows of a struct, read once from its tags: the
// fields in schema order and how each is spelled.
//
// Tags: `json:"name"` is the element's name. `csta:"…"` adds, separated by
// commas: required (must be present), item=x (a list whose items are elements
// x inside the named element; without it the named element repeats),
// alias=x (another spelling to accept), since=6 (written from that edition on,
// read in all), wrap6=x (from edition 6 on a list of elements x inside the named
// element: we write one and read one). `number:"…"` is the Role of the number.
// csta:"-" is a field that JSON alone has: no element of the schema.
// A blank field with the tag `csta:"choice"` says that exactly one of the
// struct's elements is present.
type plan struct {
	fields  []*field
	choice  bool // exactly one field is present
	numbers bool // a DeviceID with a role, or a ConnectionID, is somewhere below
}

type field struct {
	name     string
	item     string
	alias    string
	since    int    // the edition that has it first; 0: all
	wrap6    string // the element around the value from edition 6 on
	required bool
	role     Role
	index    []int
	typ      reflect.Type
	numbers  bool // see hasNumbers
}

func (f *field) is(name string) bool {
	return f.name == name || f.alias != "" && f.alias == name
}

var plans sync.Map // reflect.Type of a struct → *plan

var (
	typeDeviceID    = reflect.TypeFor[DeviceID]()
	typePrivateData = reflect.TypeFor[PrivateData]()
	typeHexBinary   = reflect.TypeFor[HexBinary]()
	typeLocation    = reflect.TypeFor[LocationInfo]()
	typeFeatureList = reflect.TypeFor[FeatureList]()
	typeEmpty       = reflect.TypeFor[Empty]()
	typeConnection  = reflect.TypeFor[ConnectionID]()
	typeExtended    = reflect.TypeFor[ExtendedDeviceID]()
)

// An enumeration is a string type whose values the schema lists.
type enumeration interface{ values() []string }

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := new(plan)
	p.add(t, nil)
	for _, f := range p.fields {
		f.numbers = hasNumbers(f.typ)
		p.numbers = p.numbers || f.numbers
	}
	plans.Store(t, p)
	return p
}

func (p *plan) add(t reflect.Type, at []int) {
	for sf := range t.Fields() {
		index := append(append([]int(nil), at...), sf.Index...)
		if sf.Name == "_" {
			p.choice = sf.Tag.Get("csta") == "choice"
			continue
		}
		if sf.Anonymous {
			p.add(sf.Type, index)
			continue
		}
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "" || sf.Tag.Get("csta") == "-" {
			continue
		}
		f := &field{name: name, index: index, typ: sf.Type, role: Role(sf.Tag.Get("number"))}
		for word := range strings.SplitSeq(sf.Tag.Get("csta"), ",") {
			switch key, value, _ := strings.Cut(word, "="); key {
			case "required":
				f.required = true
			case "item":
				f.item = value
			case "alias":
				f.alias = value
			case "since":
				f.since = int(value[0] - '0')
			case "wrap6":
				f.wrap6 = value
			}
		}
		p.fields = append(p.fields, f)
	}
}

// hasNumbers reports whether Numbers or Connections can find something in a
// value of type t.
func hasNumbers(t reflect.Type) bool {
	switch t {
	case typeDeviceID, typeConnection:
		return true
	case typePrivateData, typeFeatureList, typeHexBinary, typeLocation:
		return false
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return hasNumbers(t.Elem())
	case reflect.Struct:
		return planOf(t).numbers
	default:
		return false
	}
}

func (p *plan) find(name string) *field {
	for _, f := range p.fields {
		if f.is(name) {
			return f
		}
	}
	return nil
}
