package csta

import (
	"context"
	"reflect"
)

// A Mux is a Handler that passes each request to the function registered for
// its type, and the one record of what a switching function can do: what is
// registered is advertised, and nothing else is accepted. It is filled before
// use and not changed after.
type Mux struct {
	services map[reflect.Type]*registration
	events   map[reflect.Type]*registration
}

type registration struct {
	serve  HandlerFunc // nil for an event
	offers []func(device string) bool
}

// Handle registers f for the service Q. With conditions, the service is
// offered only for the devices that all of them hold for; the device is the
// Subject of the request. Registering a service twice is a defect and panics.
func Handle[Q Request[R], R Message](m *Mux, f func(context.Context, Q) (R, error), conditions ...func(device string) bool) {
	m.register(reflect.TypeFor[Q]().Elem(), func(ctx context.Context, req Message) (Message, error) {
		r, err := f(ctx, req.(Q))
		if err != nil {
			return nil, err // a nil R in a non-nil Message would not be nil
		}
		return r, nil
	}, conditions)
}

// Pass registers h for the service that req is an instance of, for a driver
// that hands services on whatever they are. Otherwise it is like Handle.
func Pass(m *Mux, req Message, h HandlerFunc, conditions ...func(device string) bool) {
	m.register(reflect.TypeOf(req).Elem(), h, conditions)
}

func (m *Mux) register(t reflect.Type, serve HandlerFunc, conditions []func(device string) bool) {
	if m.services[t] != nil {
		panic("csta: " + t.Name() + " is registered twice")
	}
	if m.services == nil {
		m.services = map[reflect.Type]*registration{}
	}
	m.services[t] = &registration{serve, conditions}
}

// Reports registers events that are reported.
func Reports(m *Mux, events ...Event) {
	for _, ev := range events {
		ReportsIf(m, ev)
	}
}

// ReportsIf registers an event that is reported of the devices that all
// conditions hold for.
func ReportsIf(m *Mux, ev Event, conditions ...func(device string) bool) {
	if m.events == nil {
		m.events = map[reflect.Type]*registration{}
	}
	m.events[reflect.TypeOf(ev).Elem()] = &registration{offers: conditions}
}

// ServeCSTA serves req by the registered function. A service that is not
// registered, or not offered for its device, is refused with
// operation/serviceNotSupported.
func (m *Mux) ServeCSTA(ctx context.Context, req Message) (Message, error) {
	r := m.services[reflect.TypeOf(req).Elem()]
	if r == nil {
		return nil, Errorf(Operation, "serviceNotSupported", "%s is not supported", Name(req))
	}
	if len(r.offers) > 0 {
		if device := Subject(req); !r.offered(device) {
			return nil, Errorf(Operation, "serviceNotSupported", "%s is not supported for device %q", Name(req), device)
		}
	}
	return r.serve(ctx, req)
}

// offered is false for what is not registered.
func (r *registration) offered(device string) bool {
	if r == nil {
		return false
	}
	for _, ok := range r.offers {
		if !ok(device) {
			return false
		}
	}
	return true
}

// Offers reports whether the service that req is an instance of is offered for
// the device.
func (m *Mux) Offers(req Message, device string) bool {
	return m.services[reflect.TypeOf(req).Elem()].offered(device)
}

// Registered reports whether the service is registered at all, for any device.
func (m *Mux) Registered(req Message) bool { return m.services[reflect.TypeOf(req).Elem()] != nil }

// Reported reports whether events of the type of ev are registered, for any
// device.
func (m *Mux) Reported(ev Event) bool { return m.events[reflect.TypeOf(ev).Elem()] != nil }

// ReportedOf reports whether events of the type of ev are reported of the device.
func (m *Mux) ReportedOf(ev Event, device string) bool {
	return m.events[reflect.TypeOf(ev).Elem()].offered(device)
}

// Features returns what is offered for the device, as GetCSTAFeatures answers it.
func (m *Mux) Features(device string) *GetCSTAFeaturesResponse {
	resp := &GetCSTAFeaturesResponse{SupportedServices: &SupportedServices{}, SupportedEvents: &SupportedEvents{}}
	for _, e := range catalog.entries {
		if m.services[e.typ].offered(device) || m.events[e.typ].offered(device) {
			resp.add(e)
		}
	}
	return resp
}

// add lists the entry's feature.
func (r *GetCSTAFeaturesResponse) add(e *entry) {
	if r.SupportedServices == nil {
		r.SupportedServices = new(SupportedServices)
	}
	if r.SupportedEvents == nil {
		r.SupportedEvents = new(SupportedEvents)
	}
	lists := reflect.ValueOf(r.SupportedServices).Elem()
	if e.event {
		lists = reflect.ValueOf(r.SupportedEvents).Elem()
	}
	f := planOf(lists.Type()).find(e.list)
	list := lists.FieldByIndex(f.index)
	list.Set(reflect.Append(list, reflect.ValueOf(Feature{Name: e.feature})))
}

// Add lists the services and events of the given messages as supported too.
func (r *GetCSTAFeaturesResponse) Add(ms ...Message) {
	for _, m := range ms {
		e := catalog.byType[reflect.TypeOf(m).Elem()]
		if e != nil && e.list != "" && !r.Supports(m) {
			r.add(e)
		}
	}
}

// Supports reports whether the service or event of m is listed.
func (r *GetCSTAFeaturesResponse) Supports(m Message) bool {
	e := catalog.byType[reflect.TypeOf(m).Elem()]
	return e != nil && e.list != "" && r.supports(e)
}

func (r *GetCSTAFeaturesResponse) supports(e *entry) bool {
	var lists reflect.Value
	if e.event {
		lists = reflect.ValueOf(r.SupportedEvents)
	} else {
		lists = reflect.ValueOf(r.SupportedServices)
	}
	if lists.IsNil() {
		return false
	}
	f := planOf(lists.Elem().Type()).find(e.list)
	return lists.Elem().FieldByIndex(f.index).Interface().(FeatureList).Has(e.feature)
}
