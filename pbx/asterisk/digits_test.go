package asterisk

import (
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx/asterisk/asterisktest"
)

// An application of the dialplan gets the digits like any other party, and they are the ones that are told of.
func TestDigitsToApplication(t *testing.T) {
	t.Parallel()
	b := newRecorder(t, asterisktest.Options{Dialplan: "exten => 650,1,Answer()\n same => n,Read(RCC_READ,,4,,,5)\n same => n,UserEvent(Read,Digits: ${RCC_READ})\n same => n,Hangup()\n"})
	phone := b.Deskphone(t, "1001")
	b.run(settings(b.Asterisk))
	c := b.AMI(t)
	phone.Dial("650")
	id := wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.LocalConnectionInfo == "connected" }).EstablishedConnection
	do(b, &csta.GenerateDigits{ConnectionToSendDigits: csta.Connection(id.CallID, "1001"), CharactersToSend: "4711"})
	if got := wait[*csta.DigitsGeneratedEvent](b, "1001"); got.DigitGeneratedList != "4711" || got.Connection != csta.Connection(id.CallID, "1001") {
		t.Errorf("told %q of %s", got.DigitGeneratedList, got.Connection)
	}
	for e := range c.Events() {
		if e.Get("UserEvent") == "Read" {
			if got := e.Get("Digits"); got != "4711" {
				t.Errorf("the application read %q", got)
			}
			break
		}
	}
	phone.Wait("ended")
	b.idle()
}

// Digits go where a call is, and nowhere else.
func TestDigitsRefused(t *testing.T) {
	b := start(t, nil)
	a, o := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	one, _ := b.talk(a, o, "1001", "1002")
	send := func(digits string, duration int64) *csta.GenerateDigits {
		req := &csta.GenerateDigits{ConnectionToSendDigits: one, CharactersToSend: digits}
		if duration != 0 {
			req.ToneDuration = &duration
		}
		return req
	}
	refuses(b, send(strings.Repeat("1", maxDigits+1), 0), csta.Operation, "charactersToSendNotSupported")
	refuses(b, send("1,2", 0), csta.Operation, "charactersToSendNotSupported")
	refuses(b, send("1", minDuration-1), csta.Operation, "toneDurationOutOfRange")
	refuses(b, send("1", maxDuration+1), csta.Operation, "toneDurationOutOfRange")
	do(b, &csta.HoldCall{CallToBeHeld: csta.Connection(one.CallID, "1002")})
	refuses(b, send("1", 0), csta.StateIncompatibility, "invalidConnectionState")
	a.Hangup()
	o.Wait("ended")
	b.idle()
}
