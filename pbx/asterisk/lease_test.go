package asterisk

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// A process that may not act for the PBX any more writes nothing there, neither for
// a command nor by itself.
func TestNoLease(t *testing.T) {
	t.Parallel()
	var written, lost atomic.Int32
	s := defaults()
	s.Secret = "secret"
	s.Address = fakeAMI(t, "", func(action ami.Fields) string {
		switch action.Get("Action") {
		case "Originate", "Setvar", "DBPut", "DBDel", "Hangup", "Redirect":
			written.Add(1)
		}
		return ""
	})
	d, err := New(s, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	held := func() bool { return lost.Load() == 0 }
	ctx, cancel := context.WithCancel(pbx.WithLease(t.Context(), held))
	up, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx, func(device string, _ csta.Message) {
			if device == "" {
				close(up)
			}
		})
	}()
	defer func() { cancel(); <-ended }()
	<-up
	command := func() error {
		ctx := pbx.WithLease(t.Context(), held)
		if err := d.take(ctx); err != nil {
			return err
		}
		defer d.done()
		return d.do(ctx, csta.Operation, "generic", "Setvar", "Variable", "X", "Value", "1")
	}
	byItself := func() error {
		d.turn <- struct{}{}
		defer d.done()
		return d.help("Hangup", "Channel", "PJSIP/1001-00000001")
	}
	if err := errors.Join(command(), byItself()); err != nil {
		t.Fatal(err)
	}
	if n := written.Load(); n != 2 {
		t.Fatalf("%d writes with the lease, want 2", n)
	}
	lost.Store(1)
	for name, f := range map[string]func() error{"command": command, "by itself": byItself} {
		if err := f(); !errors.Is(err, &csta.Error{Class: csta.SystemResourceAvailability, Value: "resourceOutOfService"}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := written.Load(); n != 2 {
		t.Errorf("%d writes without the lease", n-2)
	}
}
