package cstasip

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"rccgw/csta"
)

var networks = []string{udpNet, tcpNet, tlsNet}

func held(n int) *csta.HeldEvent {
	return &csta.HeldEvent{
		Monitored:      csta.Monitored{MonitorCrossRefID: "77"},
		HeldConnection: csta.Connection(strconv.Itoa(n), "1001"),
		HoldingDevice:  csta.Party("1001"),
		Cause:          "normal",
	}
}

// A client opens a dialog, asks, is told events in order, and hangs up.
func TestClientAndServer(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, nil)
			const events = 100
			got := make(chan csta.Event, events)
			c := b.dial(network, func(cfg *ClientConfig) {
				cfg.OnEvent = func(ev csta.Event) { got <- ev }
				cfg.UserAgent = "rccctl"
			})
			if r, ok := c.Opened().(*csta.RequestSystemStatusResponse); !ok || r.SystemStatus != "normal" {
				t.Errorf("INVITE was answered with %#v", c.Opened())
			}
			s := b.session()
			if s.d.Line != "tel:1001;phone-context=dialstring" || s.d.UserAgent != "rccctl" || s.d.Transport != network || s.d.Edition() != "ed3" {
				t.Errorf("dialog %+v", s.d)
			}
			if User(s.d.To) != "csta" || User(s.d.From) != "rccgw-client" || User(s.d.RequestURI) != "csta" {
				t.Errorf("To %q, From %q, Request-URI %q", s.d.To, s.d.From, s.d.RequestURI)
			}
			if (s.d.Certificate != nil) != (network == tlsNet) {
				t.Errorf("certificate %v", s.d.Certificate)
			}
			r, err := csta.Call(t.Context(), c, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device("1001")}})
			if err != nil || r.MonitorCrossRefID != "77" {
				t.Fatalf("%v, %v", r, err)
			}
			for i := range events {
				if err := s.d.Send(held(i)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range events {
				ev := within(t, got, "an event").(*csta.HeldEvent)
				if ev.HeldConnection.CallID != strconv.Itoa(i) {
					t.Fatalf("event %s came in the place of %d", ev.HeldConnection.CallID, i)
				}
			}
			_, err = c.ServeCSTA(t.Context(), &csta.AnswerCall{CallToBeAnswered: csta.Connection("1", "1001")})
			if want := csta.Errorf(csta.Operation, "serviceNotSupported", ""); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
			b.closedWith(ErrBye)
		})
	}
}

// Requests that are under way at once are answered each with its own answer.
func TestClientPipelines(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			b := newBench(t, nil, nil)
			c := b.dial(network, nil)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					for j := range 10 {
						want := strconv.Itoa(100*i + j)
						r, err := csta.Call(context.Background(), c, &csta.SnapshotDevice{SnapshotObject: csta.Device(want)})
						if err != nil {
							t.Error(err)
							return
						}
						if got := r.CrossRefIDorSnapshotData.ServiceCrossRefID; got != want {
							t.Errorf("answer %s, want %s", got, want)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
