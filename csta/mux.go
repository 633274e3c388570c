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
	events   map[reflect.Type]bool
}

type registration struct {
	serve  HandlerFunc
	offers []func(device string) bool
}

// Handle registers f for the service Q. With conditions, the service is
// offered only for the devices that all of them hold for; the device is the
// Subject of the request. Registering a service twice is a defect and panics.
func Handle[Q Request[R], R Message](m *Mux, f func(context.Context, Q) (R, error), conditions ...func(device string) bool) {
	t := reflect.TypeFor[Q]().Elem()
	if m.services[t] != nil {
		panic("csta: " + t.Name() + " is registered twice")
	}
	if m.services == nil {
		m.services = map[reflect.Type]*registration{}
	}
	m.services[t] = &registration{
		serve: func(ctx context.Context, req Message) (Message, error) {
			r, err := f(ctx, req.(Q))
			if err != nil {
				return nil, err // a nil R in a non-nil Message would not be nil
			}
			return r, nil
		},
		offers: conditions,
	}
}

// Reports registers events that are reported.
func Reports(m *Mux, events ...Event) {
	if m.events == nil {
		m.events = map[reflect.Type]bool{}
	}
	for _, ev := range events {
		m.events[reflect.TypeOf(ev).Elem()] = true
	}
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

func (r *registration) offered(device string) bool {
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
	r := m.services[reflect.TypeOf(req).Elem()]
	return r != nil && r.offered(device)
}

// Registered reports whether the service is registered at all, for any device.
func (m *Mux) Registered(req Message) bool { return m.services[reflect.TypeOf(req).Elem()] != nil }

// Reported reports whether events of the type of ev are registered.
func (m *Mux) Reported(ev Event) bool { return m.events[reflect.TypeOf(ev).Elem()] }

// Features returns what is offered for the device, as GetCSTAFeatures answers it.
func (m *Mux) Features(device string) *GetCSTAFeaturesResponse {
	resp := &GetCSTAFeaturesResponse{SupportedServices: &SupportedServices{}, SupportedEvents: &SupportedEvents{}}
	for _, e := range catalog.entries {
		r := m.services[e.typ]
		if r != nil && r.offered(device) || m.events[e.typ] {
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
