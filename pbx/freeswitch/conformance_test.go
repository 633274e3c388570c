package freeswitch

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rccgw/pbx/freeswitch/freeswitchtest"
	"rccgw/pbx/pbxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const impatient = "1009"

// settings are those of a driver of the fake, whose phones obey.
func settings(s *freeswitchtest.Server) Settings {
	return Settings{Address: s.Address(), Secret: freeswitchtest.Password, Domain: freeswitchtest.Domain, Context: freeswitchtest.Context, Dialplan: "XML",
		Phones: "X.", TalkEvent: "X.", AutoAnswer: "X.", RingTime: "30s", LookAgain: "50ms"}
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
	pbxtest.LinkParties:       "conferences are not offered",
	pbxtest.Engaged:           "the recorded phones have call waiting",
	pbxtest.HandTransfer:      "no recording has a transfer by a phone",
	pbxtest.HandConference:    "no recording has a conference by a phone",
	pbxtest.HandPark:          "no recording has valet parking",
	pbxtest.HandPickUp:        "no recording has a pick-up",
	pbxtest.HandPress:         "no recording has digits that a phone sent",
	pbxtest.HandForwarding:    "forwarding is not offered",
	pbxtest.HandDoNotDisturb:  "do-not-disturb is not offered",
	pbxtest.VoiceMail:         "no recording has voice mail",
	pbxtest.ForwardingRefusal: "forwarding is not offered",
}

func TestConformance(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		devices := []string{"1001", "1002", "1003", "1004"}
		fake := startFake(t, append(devices, impatient)...)
		fake.Phone(impatient).Impatient(100 * time.Millisecond)
		d := newDriver(t, settings(fake))
		var f pbxtest.Fan
		m := pbxtest.Start(t, d, f.Emit)
		line := func(device string) *pbxtest.Line {
			return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device), Person: fake.Phone(device).Person(),
				Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
		}
		b := &pbxtest.Bench{Busy: freeswitchtest.Busy, Unknown: freeswitchtest.Unknown, Cut: fake.Cut, Restore: fake.Restore, Calls: d.calls.List,
			Impatient: line(impatient), Lacks: lacks}
		for _, device := range devices {
			b.Lines = append(b.Lines, line(device))
		}
		return b
	})
}
