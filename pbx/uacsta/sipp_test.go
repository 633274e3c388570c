package uacsta_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A desk phone that is not of our making, sipp's, rings and is answered, held, retrieved
// and cleared by the client, as the scenario checks.
func TestSippPhone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.LocalAddr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	phone := exec.CommandContext(ctx, "sipp", "-sf", "testdata/sipp/phone.xml", "-i", "127.0.0.1", "-p", port, "-m", "1", "-nostdin",
		"-key", "line", "1001", "-timeout", "60s", "-timeout_error", "-trace_err", "-error_file", "/dev/stderr")
	phone.Env = append(phone.Environ(), "TERM=dumb")
	phone.Stdout, phone.Stderr = &out, &out
	if err := phone.Start(); err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() { left <- phone.Wait() }()
	t.Cleanup(cancel)

	set := defaults()
	set.Addresses, set.Line, set.Number, set.LineInInvite = "1001=udp://"+address, "sip:{line}@{host}", "sip:{number}@{host}", "off"
	d := newDriver(t, set)
	m, seen := new(csta.Mux), &log{}
	d.Services(m)
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- pbx.Keep(running, d, seen.emit, pbx.Backoff{}, slog.New(slog.DiscardHandler)) }()
	until(t, "the link is normal", func() bool { return seen.has(func(csta.Message) bool { return true }) })
	monitor(t, m, "1001")

	event := func(name string) (ev csta.Event) {
		t.Helper()
		until(t, name, func() bool {
			return seen.has(func(msg csta.Message) bool {
				e, ok := msg.(csta.Event)
				if ok && csta.Name(msg) == name {
					ev = e
				}
				return ev != nil
			})
		})
		return ev
	}
	ringing := event("DeliveredEvent").(*csta.DeliveredEvent)
	id := ringing.Connection
	if id != csta.Connection("42", "1001") || ringing.CallingDevice.DeviceIdentifier.ID != "+16135550100" || ringing.AlertingDevice.DeviceIdentifier.ID != "1001" {
		t.Errorf("rings: %+v", ringing)
	}
	if f := m.Features("1001"); !f.Supports(&csta.HoldCall{}) || f.Supports(&csta.DeflectCall{}) || f.Supports(&csta.SnapshotDevice{}) {
		t.Errorf("features: %+v", f.SupportedServices)
	}
	if _, err := m.ServeCSTA(ctx, &csta.DeflectCall{CallToBeDiverted: id, NewDestination: csta.Device("1002")}); !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "serviceNotSupported"}) {
		t.Error(err)
	}
	for _, step := range []struct {
		ask  csta.Message
		told string
	}{
		{&csta.AnswerCall{CallToBeAnswered: id}, "EstablishedEvent"},
		{&csta.HoldCall{CallToBeHeld: id}, "HeldEvent"},
		{&csta.RetrieveCall{CallToBeRetrieved: id}, "RetrievedEvent"},
		{&csta.ClearConnection{ConnectionToBeCleared: id}, "ConnectionClearedEvent"},
	} {
		if _, err := m.ServeCSTA(ctx, step.ask); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		event(step.told)
	}
	stop()
	<-ended
	if err := <-left; err != nil {
		t.Errorf("sipp: %v\n%s", err, out.String())
	}
}

// A log keeps what is emitted.
type log struct {
	mu   sync.Mutex
	list []csta.Message
}

func (l *log) emit(_ string, msg csta.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, msg)
}

// has reports whether f says so of a message, the newest first.
func (l *log) has(f func(csta.Message) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.list) - 1; i >= 0; i-- {
		if f(l.list[i]) {
			return true
		}
	}
	return false
}
