package csta

import (
	"context"
	"errors"
	"testing"
)

// What is passed and reported on a condition comes and goes with it; the rest
// of the Mux does not know the difference.
func TestConditions(t *testing.T) {
	var m Mux
	offered := false
	conditions := []func(string) bool{func(string) bool { return offered }, func(device string) bool { return device != "1002" }}
	Pass(&m, &HoldCall{}, func(_ context.Context, req Message) (Message, error) {
		return Response(req), nil
	}, conditions...)
	Pass(&m, &GetDoNotDisturb{}, func(context.Context, Message) (Message, error) {
		return nil, errors.New("as asked")
	})
	ReportsIf(&m, &HeldEvent{}, conditions...)
	Reports(&m, &RetrievedEvent{})
	refused := &Error{Class: Operation, Value: "serviceNotSupported"}
	for _, tt := range []struct {
		offered bool
		device  string
		want    bool
	}{{false, "1001", false}, {true, "1001", true}, {true, "1002", false}} {
		offered = tt.offered
		req := &HoldCall{CallToBeHeld: Connection("c", tt.device)}
		resp, err := m.ServeCSTA(t.Context(), req)
		if _, ok := resp.(*HoldCallResponse); ok != tt.want || !tt.want && !errors.Is(err, refused) {
			t.Errorf("%+v: got %v, %v", tt, resp, err)
		}
		f := m.Features(tt.device)
		if m.Offers(req, tt.device) != tt.want || f.Supports(req) != tt.want || f.Supports(&HeldEvent{}) != tt.want {
			t.Errorf("%+v: offers %v, features %+v", tt, m.Offers(req, tt.device), f)
		}
		if !f.Supports(&GetDoNotDisturb{}) || !f.Supports(&RetrievedEvent{}) || f.Supports(&MakeCall{}) || f.Supports(&FailedEvent{}) {
			t.Errorf("%+v: features %+v", tt, f)
		}
	}
	if !m.Registered(&HoldCall{}) || m.Registered(&MakeCall{}) || !m.Reported(&HeldEvent{}) || m.Reported(&FailedEvent{}) {
		t.Error("registered is what is offered to anybody")
	}
	if _, err := m.ServeCSTA(t.Context(), &GetDoNotDisturb{Device: Device("1001")}); err == nil || err.Error() != "as asked" {
		t.Errorf("the handler's error became %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a service was registered twice")
		}
	}()
	Pass(&m, &HoldCall{}, nil)
}
