package asterisktest

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx/pbxtest"
)

// The people of the conformance suite's bench, for benches on the driver and on the whole service alike.

// Of the extensions of Bench, Impatient is one whose phone rings for a second only, as long as what it parks is parked. Orbit is where calls are parked.
const (
	Impatient = "1005"
	Orbit     = "701"
	// PickupGroup is the group of all of them.
	PickupGroup = "7"
	// Queue is the number of a queue whose members are the third and the fourth phone.
	Queue = "604"
)

// Bench are the options of the suite's bench: four phones and the impatient one.
func Bench() Options {
	extensions, pjsip := []string{"1001", "1002", "1003", "1004", Impatient}, map[string]string{}
	for _, e := range extensions {
		pjsip[e] = "call_group = " + PickupGroup + "\npickup_group = " + PickupGroup + "\nmailboxes = " + e + "@default\n"
	}
	pjsip[Impatient] += "set_var = RCC_PARK_TIME=1\n"
	return Options{
		Extensions: extensions,
		Dialplan:   "exten => " + Impatient + ",1,Set(RCC_RING=1)\n same => n,Goto(rcc-ring," + Impatient + ",1)\n",
		PJSIP:      pjsip,
	}
}

// Lacks are what a bench of these people has not got.
var Lacks = map[pbxtest.Ability]string{
	pbxtest.Engaged:        "the phones have call waiting",
	pbxtest.HandPress:      "Asterisk passes on what is pressed in a call of two, and does not tell",
	pbxtest.HandConference: "the phones cannot mix voice",
	pbxtest.CrossedPickUps: "Asterisk stands still for ever, now and then, when calls are picked up and held at the same moment",
	pbxtest.HandPark:       "a phone parks by a transfer, which is told as that",
	pbxtest.VoiceMail:      "this build of Asterisk has no app_voicemail",
}

// A Phone is one of those here.
type Phone interface {
	// Extension is the number that it is registered for.
	Extension() string
	// Try is what a hand does: dial, answer, hold, resume, hangup, transfer or join, of which dial and transfer want a number. Where
	// the phone has no call for it, or cannot, it returns an error.
	Try(action, number string) error
}

// Person is who sits at the phone. Forwarding and do-not-disturb are set by the feature codes of the dialplan.
func (a *Asterisk) Person(t testing.TB, u Phone) pbxtest.Person {
	try := func(action string) func() error { return func() error { return u.Try(action, "") } }
	dial := func(number string) error { return u.Try("dial", url.PathEscape(number)) }
	p := pbxtest.Person{
		Lift: try("answer"), Dial: dial, Answer: try("answer"), HangUp: try("hangup"), Hold: try("hold"), Retrieve: try("resume"),
		Join: func() error {
			// The phone itself hears of an answer later than others do.
			if err := a.bridged(t, u.Extension(), 2); err != nil {
				return err
			}
			return u.Try("join", "")
		},
		Transfer: func(number string) error {
			// Before the call is bridged, Asterisk refuses the REFER.
			if err := a.bridged(t, u.Extension(), 1); err != nil {
				return err
			}
			return u.Try("transfer", number)
		},
		PickUp: func() error { return dial("*8") },
		SetForwarding: func(kind csta.ForwardingType, on bool, number string) error {
			codes := map[csta.ForwardingType][2]string{"forwardImmediate": {"*73", "*72"}, "forwardBusy": {"*91", "*90"}, "forwardNoAns": {"*93", "*92"}}
			if !on {
				return dial(codes[kind][0])
			}
			return dial(codes[kind][1] + number)
		},
		SetDoNotDisturb: func(on bool) error {
			if on {
				return dial("*78")
			}
			return dial("*79")
		},
	}
	if slices.Contains(a.conf.Load, "app_voicemail.so") {
		p.Message = func(waits bool) error { return a.message(u.Extension(), waits) }
	}
	if ua, ok := u.(*UA); ok {
		p.Heard = ua.Heard
	}
	return p
}

// message has voice mail have a message for the extension, or none. It finds that by itself (pollmailboxes).
func (a *Asterisk) message(extension string, waits bool) error {
	inbox := filepath.Join(a.dir, "spool/voicemail/default", extension, "INBOX")
	if !waits {
		return os.RemoveAll(inbox)
	}
	if err := os.MkdirAll(inbox, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(inbox, "msg0000.txt"), []byte("[message]\norigmailbox="+extension+"\n"), 0o600)
}

// bridged waits until as many calls of the extension are.
func (a *Asterisk) bridged(t testing.TB, extension string, calls int) error {
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	for {
		n := 0
		for line := range strings.Lines(a.CLI(t, "core show channels concise")) {
			fields := strings.Split(strings.TrimSpace(line), "!")
			if strings.HasPrefix(line, "PJSIP/"+extension+"-") && len(fields) > 12 && fields[12] != "" {
				n++
			}
		}
		if n >= calls {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// Outside is a subscriber behind the trunk, as the PBX writes numbers.
func (a *Asterisk) Outside(t testing.TB) *pbxtest.Outside {
	trunk := a.Trunk(t)
	return &pbxtest.Outside{Number: "96135550100", Shown: "6135550100", Person: a.Person(t, trunk),
		Call: func(number string) error {
			trunk.Dial("1613592"+number, "From: <sip:6135550100@127.0.0.2>")
			return nil
		},
		CallWithheld: func(number string) error {
			trunk.Dial("1613592"+number, `From: "Anonymous" <sip:anonymous@anonymous.invalid>`,
				"P-Asserted-Identity: <sip:6135550100@127.0.0.2>", "Privacy: id")
			return nil
		}}
}
