package csta

import (
	"context"
	"reflect"
)

// A Message is a CSTA service request, a service response, an event or an
// error: a pointer to one of the structs of this package. Element names, their
// order and their optionality are those of ECMA-323; a field is named once, in
// its json tag, for XML and JSON alike.
type Message interface {
	// Arguments returns the message's security and private data, nil if it
	// carries none. The result belongs to the message.
	Arguments() *CSTACommonArguments

	message()
}

// A Request is a service request that is answered by R.
type Request[R Message] interface {
	Message
	answer() R
}

// An Event is reported to the owner of a monitor.
type Event interface {
	Message
	// CrossRef points to the event's monitor cross reference. It is empty on
	// the bus: monitors belong to the gateway, and each client has its own.
	CrossRef() *string

	extend() *CSTACommonArguments
}

// A Handler performs CSTA services. It is the one interface of the system: a
// PBX driver, the bus, the digit modifier and a client's session are Handlers.
//
// ServeCSTA returns the response that belongs to req, or an error, which is an
// *Error where the refusal has a CSTA value. It returns when the service is
// accepted, not when it is done, and at the latest when ctx ends. The request
// belongs to the handler, the response to the caller. A Handler may be called
// by many goroutines at once.
type Handler interface {
	ServeCSTA(ctx context.Context, req Message) (Message, error)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, req Message) (Message, error)

// ServeCSTA calls f.
func (f HandlerFunc) ServeCSTA(ctx context.Context, req Message) (Message, error) {
	return f(ctx, req)
}

// Call performs req on h and returns its typed answer. An answer of another
// type is an error of the handler, and reported as such.
func Call[Q Request[R], R Message](ctx context.Context, h Handler, req Q) (R, error) {
	var none R
	m, err := h.ServeCSTA(ctx, req)
	if err != nil {
		return none, err
	}
	r, ok := m.(R)
	if !ok {
		return none, Errorf(Operation, "generic", "%s was answered by %s", Name(req), Name(m))
	}
	return r, nil
}

// asks marks a struct as the request that is answered by *R.
type asks[R any] struct{}

func (asks[R]) answer() *R { return new(R) }

func (asks[R]) responseType() reflect.Type { return reflect.TypeFor[R]() }

// Common is what every message ends with: the extensions element.
type Common struct {
	Extensions *CSTACommonArguments `json:"extensions,omitempty"`
}

func (*Common) message() {}

// Arguments returns the message's security and private data, nil if none.
func (c *Common) Arguments() *CSTACommonArguments { return c.Extensions }

func (c *Common) extend() *CSTACommonArguments {
	if c.Extensions == nil {
		c.Extensions = &CSTACommonArguments{}
	}
	return c.Extensions
}

// Extend returns the event's security and private data, to be changed in place.
// Where there are none it adds them, empty: the caller puts something in, for an
// empty element says nothing. The result belongs to the event.
func Extend(ev Event) *CSTACommonArguments { return ev.extend() }

// Monitored is what every event begins with: the monitor that reports it.
type Monitored struct {
	MonitorCrossRefID string `json:"monitorCrossRefID,omitempty"`
}

// CrossRef points to the monitor cross reference.
func (m *Monitored) CrossRef() *string { return &m.MonitorCrossRefID }

type commandKey struct{}

// WithCommandKey returns a context that carries the key of the command that is
// being served. The same command, sent again, has the same key, so that
// whoever executes it can tell a repetition from a new one.
func WithCommandKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, commandKey{}, key)
}

// CommandKey returns the key of the command that ctx serves, empty if none.
func CommandKey(ctx context.Context) string {
	key, _ := ctx.Value(commandKey{}).(string)
	return key
}
