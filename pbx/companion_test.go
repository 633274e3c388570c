package pbx

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"rccgw/csta"
)

// A half is a driver whose devices have the calls that the test says.
type half struct {
	calls   map[string]csta.LocalConnectionState // of its only device; nil: there is no such device
	offers  []csta.Message
	asked   []string // "AnswerCall a"
	watched []string
	refusal error // of what it is asked but snapshots
	emit    Emit
	running chan struct{}
}

func (h *half) Services(m *csta.Mux) {
	for _, msg := range h.offers {
		switch msg.(type) {
		case *csta.SnapshotDevice:
			csta.Handle(m, h.snapshot)
		case *csta.MonitorStart:
			csta.Handle(m, func(_ context.Context, r *csta.MonitorStart) (*csta.MonitorStartResponse, error) {
				h.watched = append(h.watched, r.MonitorObject.DeviceObject.ID)
				return &csta.MonitorStartResponse{MonitorCrossRefID: "ref"}, nil
			})
			csta.Handle(m, func(_ context.Context, r *csta.MonitorStop) (*csta.MonitorStopResponse, error) {
				h.watched = append(h.watched, "not "+r.MonitorCrossRefID)
				return &csta.MonitorStopResponse{}, nil
			})
		default:
			csta.Pass(m, msg, func(_ context.Context, req csta.Message) (csta.Message, error) {
				call := ""
				csta.Connections(req, func(c *csta.ConnectionID) { call = c.CallID })
				h.asked = append(h.asked, csta.Name(req)+" "+call)
				return csta.Response(req), h.refusal
			})
		}
	}
}

func (h *half) snapshot(_ context.Context, r *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
	if h.calls == nil {
		return nil, csta.Errorf(csta.Operation, "invalidDeviceID", "")
	}
	var list []csta.SnapshotDeviceResponseInfo
	for _, call := range slices.Sorted(maps.Keys(h.calls)) {
		list = append(list, csta.SnapshotDeviceResponseInfo{ConnectionIdentifier: csta.Connection(call, r.SnapshotObject.ID),
			LocalCallState: &csta.CallState{CompoundCallState: &csta.CompoundCallState{LocalConnectionState: []csta.LocalConnectionState{h.calls[call]}}}})
	}
	return &csta.SnapshotDeviceResponse{CrossRefIDorSnapshotData: &csta.SnapshotDeviceData{SnapshotData: &csta.SnapshotDeviceDataList{SnapshotDeviceResponseInfo: list}}}, nil
}

func (h *half) Run(ctx context.Context, emit Emit) error {
	h.emit = emit
	emit("", &csta.SystemStatus{SystemStatus: StatusNormal})
	close(h.running)
	<-ctx.Done()
	return ctx.Err()
}

type callStates = map[string]csta.LocalConnectionState

// The phone is asked for the one call that can be meant, and for no other.
func TestCompanionMatch(t *testing.T) {
	answer := &csta.AnswerCall{CallToBeAnswered: csta.Connection("a", "1001")}
	hold := &csta.HoldCall{CallToBeHeld: csta.Connection("a", "1001")}
	retrieve := &csta.RetrieveCall{CallToBeRetrieved: csta.Connection("a", "1001")}
	clear := &csta.ClearConnection{ConnectionToBeCleared: csta.Connection("a", "1001")}
	for name, tt := range map[string]struct {
		req         csta.Message
		main, phone callStates
		want        string // what the phone is asked, or why it is not
	}{
		"rings":                  {answer, callStates{"a": Alerting}, callStates{"7": Alerting}, "AnswerCall 7"},
		"rings in a call":        {answer, callStates{"a": Alerting, "b": Connected}, callStates{"7": Connected, "8": Alerting}, "AnswerCall 8"},
		"talks":                  {hold, callStates{"a": Connected, "b": Hold}, callStates{"7": Hold, "8": Connected}, "HoldCall 8"},
		"holds":                  {retrieve, callStates{"a": Hold}, callStates{"7": Hold}, "RetrieveCall 7"},
		"clears what is held":    {clear, callStates{"a": Hold, "b": Connected}, callStates{"7": Hold, "8": Connected}, "ClearConnection 7"},
		"rejects":                {clear, callStates{"a": Alerting}, callStates{"7": Alerting}, "ClearConnection 7"},
		"unknown call":           {answer, callStates{"b": Alerting}, callStates{"7": Alerting}, "operation/invalidConnectionID"},
		"no call":                {clear, callStates{}, callStates{"7": Connected}, "operation/invalidConnectionID"},
		"unknown line":           {clear, nil, callStates{"7": Connected}, "operation/invalidDeviceID"},
		"answered already":       {answer, callStates{"a": Connected}, callStates{"7": Alerting}, "stateIncompatibility/invalidConnectionState"},
		"not held":               {retrieve, callStates{"a": Connected}, callStates{"7": Hold}, "stateIncompatibility/invalidConnectionState"},
		"two ring":               {answer, callStates{"a": Alerting, "b": Alerting}, callStates{"7": Alerting}, "stateIncompatibility/invalidConnectionState"},
		"two ring at the phone":  {answer, callStates{"a": Alerting}, callStates{"7": Alerting, "8": Alerting}, "stateIncompatibility/invalidConnectionState"},
		"none rings there":       {answer, callStates{"a": Alerting}, callStates{"7": Connected}, "stateIncompatibility/invalidConnectionState"},
		"the phone knows no one": {answer, callStates{"a": Alerting}, nil, "operation/invalidDeviceID"},
	} {
		t.Run(name, func(t *testing.T) {
			main := &half{calls: tt.main, offers: []csta.Message{&csta.SnapshotDevice{}, &csta.MakeCall{}}}
			phone := &half{calls: tt.phone, offers: []csta.Message{&csta.SnapshotDevice{}, answer, hold, retrieve, clear, &csta.MakeCall{}, &csta.DeflectCall{}}}
			c := NewCompanion(main, phone, quiet())
			if len(phone.asked)+len(main.asked) > 0 {
				t.Fatal("asked before anything is wanted")
			}
			_, err := c.perform(t.Context(), csta.Clone(tt.req))
			got := strings.Join(phone.asked, ",")
			var refused *csta.Error
			if errors.As(err, &refused) {
				got += string(refused.Class) + "/" + refused.Value
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// What the PBX offers it performs itself; of the phone only what is done to one
// connection is added, from when it was reached.
func TestCompanionServices(t *testing.T) {
	answer, hold := &csta.AnswerCall{CallToBeAnswered: csta.Connection("a", "1001")}, &csta.HoldCall{CallToBeHeld: csta.Connection("a", "1001")}
	main := &half{calls: callStates{"a": Alerting}, offers: []csta.Message{&csta.SnapshotDevice{}, answer}, running: make(chan struct{})}
	phone := &half{calls: callStates{"7": Alerting}, offers: []csta.Message{&csta.SnapshotDevice{}, &csta.MonitorStart{}, answer, hold, &csta.DeflectCall{}}, running: make(chan struct{})}
	c := NewCompanion(main, phone, quiet())
	var m csta.Mux
	c.Services(&m)
	if m.Offers(hold, "1001") || !m.Offers(answer, "1001") || m.Registered(&csta.DeflectCall{}) || m.Registered(&csta.MakeCall{}) {
		t.Error("before the phone is reached")
	}
	if _, err := m.ServeCSTA(t.Context(), &csta.SnapshotDevice{SnapshotObject: csta.Device("1001")}); err != nil {
		t.Fatal(err)
	}
	if !m.Offers(hold, "1001") || m.Offers(hold, "1002") {
		t.Error("when the phone was reached")
	}
	if _, err := m.ServeCSTA(t.Context(), answer); err != nil || !slices.Equal(main.asked, []string{"AnswerCall a"}) || len(phone.asked) > 0 {
		t.Errorf("%v; PBX: %v, phone: %v", err, main.asked, phone.asked)
	}
	// A refusal, and that nobody knows, is passed on, and nobody else is asked.
	main.calls["a"], phone.calls["7"] = Connected, Connected
	phone.refusal = csta.Errorf(csta.PrivateError, "uncertain", "no answer")
	if _, err := m.ServeCSTA(t.Context(), hold); !errors.Is(err, phone.refusal) || !slices.Equal(phone.asked, []string{"HoldCall 7"}) || len(main.asked) != 1 {
		t.Errorf("%v; PBX: %v, phone: %v", err, main.asked, phone.asked)
	}

	// The phone is watched with the line, and what it tells is told to nobody.
	ctx, cancel := context.WithCancel(t.Context())
	var told []string
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, func(device string, msg csta.Message) { told = append(told, device+csta.Name(msg)) })
	}()
	<-main.running
	<-phone.running
	if _, err := m.ServeCSTA(t.Context(), &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device("1001")}}); err != nil {
		t.Fatal(err)
	}
	phone.emit("1001", &csta.DeliveredEvent{Connection: csta.Connection("7", "1001"), LocalConnectionInfo: Alerting})
	main.emit("1001", &csta.DeliveredEvent{Connection: csta.Connection("a", "1001"), LocalConnectionInfo: Alerting})
	if _, err := m.ServeCSTA(t.Context(), &csta.MonitorStop{MonitorCrossRefID: "1001"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ServeCSTA(t.Context(), &csta.MonitorStop{MonitorCrossRefID: "1001"}); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidMonitorCrossRefID"}) {
		t.Error(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if !slices.Equal(told, []string{"SystemStatus", "1001DeliveredEvent"}) || !slices.Equal(phone.watched, []string{"1001", "not ref"}) {
		t.Errorf("told: %v, watched: %v", told, phone.watched)
	}
}
