package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
)

// A line is the one that a command is about, with the dialog that controls it.
type line struct {
	t       *tool
	written string
	client  *cstasip.Client
}

// on makes a command of what is done on an open line.
func on(do func(ctx context.Context, l *line, args []string) error) func(context.Context, *tool, []string) error {
	return func(ctx context.Context, t *tool, args []string) error {
		c, err := t.dial(ctx, args[0], nil)
		if err != nil {
			return err
		}
		defer closeClient(c)
		ctx, cancel := context.WithTimeout(ctx, t.timeout)
		defer cancel()
		return do(ctx, &line{t, written(args[0]), c}, args[1:])
	}
}

// written is the line as a client would write it.
func written(line string) string {
	if strings.Contains(line, ":") {
		return line
	}
	return "tel:" + line
}

// number is a destination as a client would write it.
func number(n string) csta.DeviceID {
	return csta.Device(written(n))
}

func closeClient(c *cstasip.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = c.Close(ctx) // the dialog ends by itself if the BYE is lost
}

// ask performs a request and prints the answer.
func ask[Q csta.Request[R], R csta.Message](ctx context.Context, l *line, req Q) error {
	resp, err := csta.Call(ctx, l.client, req)
	if err != nil {
		return err
	}
	l.t.print(resp)
	return nil
}

// monitor prints events until interrupted, or as many as asked for.
func monitor(ctx context.Context, t *tool, args []string) error {
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	enough := errors.New("enough events")
	n := 0
	c, err := t.dial(ctx, args[0], func(ev csta.Event) {
		if context.Cause(ctx) != nil {
			return
		}
		t.print(ev)
		if n++; n == t.count {
			done(enough)
		}
	})
	if err != nil {
		return err
	}
	defer closeClient(c)
	start, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	resp, err := csta.Call(start, c, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(written(args[0]))}})
	if err != nil {
		return err
	}
	t.print(resp)
	select {
	case <-ctx.Done():
		return nil
	case <-c.Done():
		return fmt.Errorf("the gateway ended the dialog: %w", c.Err())
	}
}

// call makes a call and waits no longer than for the answer to the request.
func call(ctx context.Context, t *tool, args []string) error {
	return on(func(ctx context.Context, l *line, args []string) error {
		req := &csta.MakeCall{CallingDevice: csta.Device(l.written), CalledDirectoryNumber: number(args[0]), AutoOriginate: "doNotPrompt"}
		if t.prompt {
			req.AutoOriginate = "prompt"
		}
		return ask(ctx, l, req)
	})(ctx, t, args)
}

// connections returns the line's connections in one of the states.
func (l *line) connections(ctx context.Context, states ...csta.LocalConnectionState) ([]csta.ConnectionID, error) {
	s, err := csta.Call(ctx, l.client, &csta.SnapshotDevice{SnapshotObject: csta.Device(l.written)})
	if err != nil {
		return nil, err
	}
	var ids []csta.ConnectionID
	if s.CrossRefIDorSnapshotData != nil && s.CrossRefIDorSnapshotData.SnapshotData != nil {
		for _, info := range s.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo {
			if cs := info.LocalCallState; cs != nil && cs.CompoundCallState != nil && len(cs.CompoundCallState.LocalConnectionState) > 0 &&
				slices.Contains(states, cs.CompoundCallState.LocalConnectionState[0]) {
				ids = append(ids, info.ConnectionIdentifier)
			}
		}
	}
	return ids, nil
}

// connection returns the connection that the argument names, or the only one
// in one of the states.
func (l *line) connection(ctx context.Context, args []string, at int, states ...csta.LocalConnectionState) (csta.ConnectionID, error) {
	if len(args) > at {
		return csta.Connection(args[at], l.written), nil
	}
	ids, err := l.connections(ctx, states...)
	switch {
	case err != nil:
		return csta.ConnectionID{}, err
	case len(ids) == 0:
		return csta.ConnectionID{}, fmt.Errorf("%s has no call that is %s", l.written, join(states))
	case len(ids) > 1:
		var calls []string
		for _, id := range ids {
			calls = append(calls, id.CallID)
		}
		return csta.ConnectionID{}, fmt.Errorf("%s has %d calls that are %s: name one of %s", l.written, len(ids), join(states), strings.Join(calls, " "))
	}
	return ids[0], nil
}

func join(states []csta.LocalConnectionState) string {
	var words []string
	for _, s := range states {
		words = append(words, string(s))
	}
	return strings.Join(words, " or ")
}

func answer(ctx context.Context, l *line, args []string) error {
	id, err := l.connection(ctx, args, 0, "alerting")
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.AnswerCall{CallToBeAnswered: id})
}

func clearCall(ctx context.Context, l *line, args []string) error {
	id, err := l.connection(ctx, args, 0, "connected", "alerting", "initiated", "fail", "hold")
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.ClearConnection{ConnectionToBeCleared: id})
}

func hold(ctx context.Context, l *line, args []string) error {
	id, err := l.connection(ctx, args, 0, "connected")
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.HoldCall{CallToBeHeld: id})
}

func retrieve(ctx context.Context, l *line, args []string) error {
	id, err := l.connection(ctx, args, 0, "hold")
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.RetrieveCall{CallToBeRetrieved: id})
}

func deflect(ctx context.Context, l *line, args []string) error {
	id, err := l.connection(ctx, args, 1, "alerting")
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.DeflectCall{CallToBeDiverted: id, NewDestination: number(args[0])})
}

func consult(ctx context.Context, l *line, args []string) error {
	id, err := l.connection(ctx, args, 1, "connected")
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.ConsultationCall{ExistingCall: id, ConsultedDevice: number(args[0])})
}

func transfer(ctx context.Context, l *line, args []string) error {
	if len(args) > 0 {
		id, err := l.connection(ctx, args, 1, "connected")
		if err != nil {
			return err
		}
		return ask(ctx, l, &csta.SingleStepTransferCall{ActiveCall: id, TransferredTo: number(args[0])})
	}
	held, active, err := l.heldAndActive(ctx)
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.TransferCall{HeldCall: held, ActiveCall: active})
}

func alternate(ctx context.Context, l *line, _ []string) error {
	held, active, err := l.heldAndActive(ctx)
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.AlternateCall{HeldCall: held, ActiveCall: active})
}

func reconnect(ctx context.Context, l *line, _ []string) error {
	held, active, err := l.heldAndActive(ctx)
	if err != nil {
		return err
	}
	return ask(ctx, l, &csta.ReconnectCall{ActiveCall: active, HeldCall: held})
}

func (l *line) heldAndActive(ctx context.Context) (held, active csta.ConnectionID, err error) {
	if held, err = l.connection(ctx, nil, 0, "hold"); err == nil {
		active, err = l.connection(ctx, nil, 0, "connected")
	}
	return held, active, err
}

var forwardingTypes = map[string]csta.ForwardingType{"immediate": "forwardImmediate", "busy": "forwardBusy", "noanswer": "forwardNoAns"}

func forward(ctx context.Context, l *line, args []string) error {
	if len(args) == 0 {
		return ask(ctx, l, &csta.GetForwarding{Device: csta.Device(l.written)})
	}
	kind, ok := forwardingTypes[args[0]]
	if !ok || len(args) != 2 {
		return fmt.Errorf("%q: immediate, busy or noanswer, and NUMBER or off: %w", strings.Join(args, " "), errUsage)
	}
	req := &csta.SetForwarding{Device: csta.Device(l.written), ForwardingType: kind}
	if args[1] != "off" {
		req.ActivateForward, req.ForwardDN = true, number(args[1])
	}
	return ask(ctx, l, req)
}

func dnd(ctx context.Context, l *line, args []string) error {
	if len(args) == 0 {
		return ask(ctx, l, &csta.GetDoNotDisturb{Device: csta.Device(l.written)})
	}
	if args[0] != "on" && args[0] != "off" {
		return fmt.Errorf("%q is neither on nor off: %w", args[0], errUsage)
	}
	return ask(ctx, l, &csta.SetDoNotDisturb{Device: csta.Device(l.written), DoNotDisturbOn: args[0] == "on"})
}

func snapshot(ctx context.Context, l *line, _ []string) error {
	return ask(ctx, l, &csta.SnapshotDevice{SnapshotObject: csta.Device(l.written)})
}

func features(ctx context.Context, l *line, _ []string) error {
	return ask(ctx, l, &csta.GetCSTAFeatures{})
}
