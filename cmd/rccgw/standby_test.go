package main

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx/cstatcp/cstatcptest"
	"rccgw/pbx/sim/simtest"
)

// Two processes have an adapter of one PBX. One of them acts; when it is killed, or
// stopped for a while, the other does, and clients see their calls again.
func TestStandby(t *testing.T) {
	t.Parallel()
	s := simtest.New(t)
	server := cstatcptest.Start(t, cstatcptest.Config{Driver: s})
	w := newParts(t)
	adapter := func(name string) *part {
		t.Helper()
		return w.start(name, "RCC_SIP_LISTEN=off", "RCC_PBX=main", "RCC_PBX_MAIN_DRIVER=cstatcp", "RCC_PBX_MAIN_ADDRESS="+server.Address())
	}
	says := func(p *part, text string) {
		t.Helper()
		eventually(t, text, func() bool { return strings.Contains(p.log.String(), text) })
	}
	one := adapter("one")
	two := adapter("two") // ready, too: the PBX is served
	says(two, "this one stands by")
	g := w.gateway("gateway")
	d := g.open("tcp", "tel:1001")
	seen := watch(t, d)
	if err := s.Phone("1002").Dial("1001"); err != nil {
		t.Fatal(err)
	}
	call := callOf(seen.want(t, "Delivered .*"))

	begun := time.Now()
	one.kill()
	seen.want(t, "link false")
	seen.want(t, "link true")
	if took := time.Since(begun); took > 6*time.Second { // half of it on a machine that has nothing else to do
		t.Errorf("taken over after %v", took)
	} else {
		t.Logf("taken over after %v", took)
	}
	if _, err := csta.Call(t.Context(), d, &csta.AnswerCall{CallToBeAnswered: csta.Connection(call, "tel:1001")}); err != nil {
		t.Fatal(err)
	}
	seen.want(t, "Established connected.*call="+call)
	if err := s.Phone("1001").HangUp(); err != nil {
		t.Fatal(err)
	}
	seen.want(t, "ConnectionCleared null.*call="+call)

	// The holder is stopped, with a command on its way; it goes on when the other
	// has taken over, and before the command's deadline.
	one = adapter("one")
	says(one, "this one stands by")
	two.stop()
	result := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, err := csta.Call(ctx, d, &csta.MakeCall{CallingDevice: csta.Device("tel:1001"), CalledDirectoryNumber: csta.Device("tel:1002")})
		result <- err
	}()
	seen.want(t, "link false")
	seen.want(t, "link true")
	two.signal(syscall.SIGCONT)
	says(two, "this adapter stands by")
	err := <-result
	if !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) &&
		!errors.Is(err, &csta.Error{Class: csta.PrivateError, Value: "uncertain"}) {
		t.Errorf("the command of the stopped one: %v", err)
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("the PBX has %d calls", n)
	}
	d.resumes(t, seen)
	for name, p := range map[string]*part{"one": one, "two": two} {
		if p.ready() != 200 {
			t.Errorf("%s is not ready", name)
		}
		want := map[string]int{"one": 1, "two": 0}[name]
		p.counts(`pbx_lease{pbx="main"}`, want)
	}
}

// resumes checks that the line can be used.
func (d *desk) resumes(t *testing.T, seen tape) {
	t.Helper()
	r, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device("tel:1001"), CalledDirectoryNumber: csta.Device("tel:1002")})
	if err != nil {
		t.Fatal(err)
	}
	id := r.CallingDevice.CallID
	seen.want(t, "(ServiceInitiated|Originated) .*call="+id)
	if _, err := csta.Call(t.Context(), d, &csta.ClearConnection{ConnectionToBeCleared: r.CallingDevice}); err != nil {
		t.Error(err)
	}
	seen.want(t, "ConnectionCleared null.*call="+id)
}
