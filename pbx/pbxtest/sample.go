package pbxtest

import (
	"reflect"
	"slices"
	"strings"

	"rccgw/csta"
)

// requests are the services that a line may offer. The three that are left out
// are about no line and cannot be refused.
func requests() (list []csta.Message) {
	for _, m := range csta.Messages() {
		switch m.(type) {
		case *csta.GetCSTAFeatures, *csta.RequestSystemStatus, *csta.SystemStatus:
		default:
			if csta.Response(m) != nil {
				list = append(list, m)
			}
		}
	}
	return list
}

// monitoring reports whether a service is about a monitor, which outlasts a call
// and a link.
func monitoring(m csta.Message) bool {
	switch m.(type) {
	case *csta.MonitorStart, *csta.MonitorStop, *csta.ChangeMonitorFilter:
		return true
	}
	return false
}

// sample returns a well-formed request of the type of m, with what the schema
// requires: about a's line, or a's connection in call. Where two connections are
// needed, both are that. What is dialled is a's own number, which is refused
// where it counts.
func sample(m csta.Message, a *actor, call string) csta.Message {
	req, _ := csta.New(csta.Name(m))
	require(reflect.ValueOf(req).Elem())
	csta.Numbers(req, func(n csta.Number) {
		n.ID.ID = a.Number
		if n.Role == csta.Identity {
			n.ID.ID = a.ID
		}
	})
	csta.Connections(req, func(c *csta.ConnectionID) { *c = csta.Connection(call, a.ID) })
	if r, ok := req.(*csta.MakeCall); ok {
		r.AutoOriginate = doNotPrompt
	}
	return req
}

// require gives a value to what the schema requires in the structure v, and to
// the first alternative where one is to be chosen.
func require(v reflect.Value) {
	choice := false
	for sf, field := range v.Fields() {
		words := strings.Split(sf.Tag.Get("csta"), ",")
		switch {
		case sf.Name == "_":
			choice = slices.Contains(words, "choice")
		case sf.Anonymous:
			require(field)
		case choice || slices.Contains(words, "required"):
			give(field)
			if choice {
				return
			}
		}
	}
}

func give(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *csta.DeviceID:
		*x = csta.Device("1")
		return
	case *csta.ConnectionID:
		*x = csta.Connection("1", "1")
		return
	case *csta.ParticipationType:
		*x = "active"
		return
	case *csta.TelephonyTone:
		*x = "beep"
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		give(v.Elem())
	case reflect.Struct:
		require(v)
	case reflect.String:
		v.SetString("0") // no cross reference, and a digit
	case reflect.Int64:
		v.SetInt(1)
	default:
	}
}
