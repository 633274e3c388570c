package freeswitch

import (
	"log/slog"
	"maps"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rccgw/bus/bustest"
	"rccgw/pbx/freeswitch/freeswitchtest"
	"rccgw/pbx/pbxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const impatient = "1009"

// settings are those of a driver of the fake, whose phones obey.
func settings(s *freeswitchtest.Server) Settings {
	return Settings{Address: s.Address(), Secret: freeswitchtest.Password, Domain: freeswitchtest.Domain, Context: freeswitchtest.Context, Dialplan: "XML",
		Phones: "X.", TalkEvent: "X.", AutoAnswer: "X.", Conference: "rcc-conference-", Features: "db", RingTime: "30s", LookAgain: "50ms"}
}

func newDriver(t testing.TB, s Settings) *Driver {
	t.Helper()
	d, err := New(s, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// startFake starts a FreeSWITCH with phones that obey.
func startFake(t testing.TB, numbers ...string) *freeswitchtest.Server {
	s := freeswitchtest.Start(t, numbers...)
	for _, n := range numbers {
		s.Phone(n).Obeys().Talks()
	}
	return s
}

// lacks is what the fake, or FreeSWITCH, has not got.
var lacks = map[pbxtest.Ability]string{
	pbxtest.Offering:          "FreeSWITCH has no offered calls",
	pbxtest.Orbit:             "no recording has valet parking",
	pbxtest.Group:             "no recording has a pick-up",
	pbxtest.Queue:             "no recording has a queue",
	pbxtest.OutsideLine:       "no recording has a trunk",
	pbxtest.OutsideCalls:      "no recording has a trunk",
	pbxtest.WithheldNumber:    "no recording has a trunk",
	pbxtest.LinkWaiting:       "nobody waits in an orbit or a queue",
	pbxtest.Engaged:           "the recorded phones have call waiting",
	pbxtest.HandTransfer:      "no recording has a transfer by a phone",
	pbxtest.HandConference:    "no recording has a conference by a phone",
	pbxtest.HandJoin:          "nothing recorded shows what FreeSWITCH says of it",
	pbxtest.HandPark:          "no recording has valet parking",
	pbxtest.HandPickUp:        "no recording has a pick-up",
	pbxtest.HandPress:         "no recording has digits that a phone sent",
	pbxtest.HandForwarding:    "the phones' own forwarding is not FreeSWITCH's",
	pbxtest.HandDoNotDisturb:  "the phones' own do-not-disturb is not FreeSWITCH's",
	pbxtest.VoiceMail:         "no recording has voice mail",
	pbxtest.ForwardingRefusal: "FreeSWITCH does not say which numbers its dialplan has, and a forwarded call is not forwarded again",
}

func TestConformance(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		devices := []string{"1001", "1002", "1003", "1004"}
		fake := startFake(t, append(devices, impatient)...)
		fake.Phone(impatient).Impatient(100 * time.Millisecond)
		b, line := newBench(t, settings(fake), devices)
		b.Busy, b.Unknown, b.Cut, b.Restore, b.Lacks = freeswitchtest.Busy, freeswitchtest.Unknown, fake.Cut, fake.Restore, lacks
		b.Impatient = line(impatient)
		for _, l := range append(b.Lines, b.Impatient) {
			l.Person = fake.Phone(l.ID).Person()
		}
		return b
	})
}

// noHands is what a bench lacks whose phones nobody moves.
func noHands() map[pbxtest.Ability]string {
	all := maps.Clone(lacks)
	for _, a := range []pbxtest.Ability{pbxtest.HandLift, pbxtest.HandDial, pbxtest.HandAnswer, pbxtest.HandHangUp, pbxtest.HandHold, pbxtest.Hears} {
		all[a] = "nobody moves the phones: they obey"
	}
	all[pbxtest.Link] = "the link is left alone"
	all[pbxtest.Impatient] = "no phone is known at which a call ends soon"
	all[pbxtest.Busy] = "no number is known that is always busy"
	all[pbxtest.Unknown] = "no number is known that nobody has"
	return all
}

// The suite that is for a live FreeSWITCH, on the fake: it needs nothing but phones that obey.
func TestConformanceOfPhonesThatObey(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		devices := []string{"1001", "1002", "1003", "1004"}
		b, _ := newBench(t, settings(startFake(t, devices...)), devices)
		b.Lacks = noHands()
		return b
	})
}

// The suite from the bus to FreeSWITCH.
func TestOverBus(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		devices := []string{"1001", "1002", "1003", "1004"}
		fake := startFake(t, append(devices, impatient)...)
		fake.Phone(impatient).Impatient(100 * time.Millisecond)
		d := newDriver(t, settings(fake))
		line := bustest.Lines(t, d)
		b := &pbxtest.Bench{Busy: freeswitchtest.Busy, Unknown: freeswitchtest.Unknown, Cut: fake.Cut, Restore: fake.Restore, Calls: d.calls.List,
			Impatient: line(impatient), Lacks: lacks}
		for _, device := range devices {
			b.Lines = append(b.Lines, line(device))
		}
		for _, l := range append(b.Lines, b.Impatient) {
			l.Person = fake.Phone(l.ID).Person()
		}
		return b
	})
}

// newBench returns a bench of lines without people, and how to make more lines.
func newBench(t *testing.T, s Settings, devices []string) (*pbxtest.Bench, func(device string) *pbxtest.Line) {
	d := newDriver(t, s)
	var f pbxtest.Fan
	m := pbxtest.Start(t, d, f.Emit)
	line := func(device string) *pbxtest.Line {
		return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device),
			Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
	}
	b := &pbxtest.Bench{Calls: d.calls.List}
	for _, device := range devices {
		b.Lines = append(b.Lines, line(device))
	}
	return b, line
}
