package asterisk

import (
	"fmt"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/asterisk/asterisktest"
)

const (
	waits   = "Messages-Waiting: yes"
	nothing = "Messages-Waiting: no"
)

// A bench whose phones have mailboxes.
func newMailboxes(t *testing.T) *bench {
	t.Helper()
	b := newRecorder(t, asterisktest.Bench())
	b.run(settings(b.Asterisk))
	return b
}

// told waits until the line has been told that a message waits, or that none does.
func (b *bench) told(line string, on bool) {
	b.t.Helper()
	wait(b, line, func(e *csta.MessageWaitingEvent) bool { return e.MessageWaitingOn == on })
	if r := do(b, &csta.GetMessageWaitingIndicator{Device: device(line)}); r.MessageWaitingOn != on {
		b.t.Errorf("%s is told that it is %v that a message waits, and asked, it is %v", line, on, r.MessageWaitingOn)
	}
}

// What a client sets is told to the phone, and stays: when voice mail says otherwise, and when Asterisk is restarted.
func TestMessageWaiting(t *testing.T) {
	t.Parallel()
	b := newMailboxes(t)
	phone := b.Deskphone(t, "1001")
	b.watch("1001", "1002")

	do(b, &csta.SetMessageWaitingIndicator{Device: device("1001"), MessageWaitingOn: true})
	phone.Wait(waits)
	b.told("1001", true)
	do(b, &csta.SetMessageWaitingIndicator{Device: device("1001"), MessageWaitingOn: true}) // again

	b.Stop(t)
	b.link(pbx.StatusDisabled)
	b.Asterisk.Start(t)
	b.link(pbx.StatusNormal)
	phone.Rejoin()
	phone.Wait(waits)

	do(b, &csta.SetMessageWaitingIndicator{Device: device("1001")})
	phone.Wait(nothing)
	b.told("1001", false)
	if all := b.CLI(t, "database show "+mailFamily); !strings.Contains(all, "0 results") {
		t.Errorf("left in AstDB: %s", all)
	}
	if list := b.history(); strings.Contains(list, "1002 MessageWaiting") || strings.Count(list, "1001 MessageWaiting") != 2 {
		t.Errorf("told: %s", list)
	}
	b.idle()
}

// Voice mail's messages and what a client sets are one indicator; a message of voice mail's waits until it is heard.
func TestMessageWaitingOfBoth(t *testing.T) {
	t.Parallel()
	b := newMailboxes(t)
	if !b.d.voiceMail.Load() {
		t.Skip("this Asterisk has no voice mail")
	}
	phone := b.Deskphone(t, "1001")
	message := b.Person(t, phone).Message
	b.watch("1001")

	if err := message(true); err != nil {
		t.Fatal(err)
	}
	phone.Wait(waits)
	b.told("1001", true)
	refuses(b, &csta.SetMessageWaitingIndicator{Device: device("1001")}, csta.StateIncompatibility, "invalidDeviceState")
	do(b, &csta.SetMessageWaitingIndicator{Device: device("1001"), MessageWaitingOn: true})

	// Voice mail tells the phone that there is none; the driver knows better.
	if err := message(false); err != nil {
		t.Fatal(err)
	}
	phone.Wait(nothing)
	phone.Wait(waits)
	do(b, &csta.SetMessageWaitingIndicator{Device: device("1001")})
	phone.Wait(nothing)
	b.told("1001", false)
	if n := strings.Count(b.history(), "1001 MessageWaiting"); n != 2 {
		t.Errorf("told %d times: %s", n, b.history())
	}
}

// A driver that was killed when it had noted that a message waits, before it told the phone, tells it when it is there again.
func TestMessageWaitingKilled(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Bench())
	phone := b.Deskphone(t, "1001")
	b.CLI(t, "database put "+mailFamily+" 1001@default 1")
	b.run(settings(b.Asterisk))
	phone.Wait(waits)
	if r := do(b, &csta.GetMessageWaitingIndicator{Device: device("1001")}); !r.MessageWaitingOn {
		t.Error("no message waits")
	}
}

// However many mailboxes are set, each is known.
func TestManyMessagesWait(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Bench())
	phone := b.Deskphone(t, "1001")
	c := b.AMI(t)
	for i := range 120 {
		if _, err := c.Do(t.Context(), ami.NewAction("DBPut", "Family", mailFamily, "Key", fmt.Sprintf("%04d@default", 882+i), "Val", "1")); err != nil {
			t.Fatal(err)
		}
	}
	b.run(settings(b.Asterisk))
	for line, want := range map[string]bool{"1001": true, "1002": false} {
		if r := do(b, &csta.GetMessageWaitingIndicator{Device: device(line)}); r.MessageWaitingOn != want {
			t.Errorf("%s: a message waits: %v", line, r.MessageWaitingOn)
		}
	}
	phone.Wait(waits)
	b.idle()
}

// Setting it is offered where the dialplan and the modules for it are, whether there is voice mail or not.
func TestMessageWaitingOffered(t *testing.T) {
	t.Parallel()
	b := newMailboxes(t)
	set := &csta.SetMessageWaitingIndicator{Device: device("1001"), MessageWaitingOn: true}
	again := func(commands ...string) {
		t.Helper()
		b.stop()
		for _, c := range commands {
			b.CLI(t, c)
		}
		b.run(settings(b.Asterisk))
	}
	if b.d.voiceMail.Load() {
		again("module unload app_voicemail.so")
	}
	do(b, set)
	if r := do(b, &csta.GetMessageWaitingIndicator{Device: device("1001")}); !r.MessageWaitingOn || !b.mux.Features("1001").Supports(&csta.MessageWaitingEvent{}) {
		t.Error("no message waits, or nobody is told")
	}
	again("module unload app_minivm.so")
	refuses(b, set, csta.Operation, "serviceNotSupported")
	again("module load app_minivm.so", "dialplan remove context rcc-mwi")
	refuses(b, set, csta.Operation, "serviceNotSupported")
	if b.mux.Features("1001").Supports(&csta.MessageWaitingEvent{}) {
		t.Error("nothing can tell of messages, and the line is said to be told of them")
	}
}

// Where the phones could not be told, nothing is set.
func TestMessageWaitingRefused(t *testing.T) {
	t.Parallel()
	b := newMailboxes(t)
	b.watch("1001")
	b.CLI(t, "module unload app_minivm.so")
	refuses(b, &csta.SetMessageWaitingIndicator{Device: device("1001"), MessageWaitingOn: true}, csta.Operation, "generic")
	if r := do(b, &csta.GetMessageWaitingIndicator{Device: device("1001")}); r.MessageWaitingOn {
		t.Error("a message waits")
	}
	if all := b.CLI(t, "database show "+mailFamily); !strings.Contains(all, "0 results") {
		t.Errorf("left in AstDB: %s", all)
	}
	b.idle()
}
