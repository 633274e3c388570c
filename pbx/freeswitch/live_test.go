//go:build live

package freeswitch

import (
	"flag"
	"strings"
	"testing"
	"time"

	"rccgw/pbx/pbxtest"
)

var (
	liveAddress    = flag.String("freeswitch", "", "event socket of a live FreeSWITCH, host:port")
	livePassword   = flag.String("password", "ClueCon", "its password")
	liveDomain     = flag.String("domain", "", "domain of the phones' users; empty: the host of -freeswitch")
	liveContext    = flag.String("context", "default", "dialplan context")
	liveConference = flag.String("conference", "rcc-conference-", "how numbers of conferences begin in the dialplan; empty: it has none")
	liveFeatures   = flag.String("features", "db", "db: the dialplan has forwarding and do-not-disturb; off: it has not")
	liveLines      = flag.String("lines", "1001,1002,1003,1004", "four users or more whose phones are registered, answer by themselves when asked, and honour NOTIFY talk")
)

// The suite on a live FreeSWITCH, which is idle. README.md says what it needs.
func TestLive(t *testing.T) {
	if *liveAddress == "" {
		t.Fatal("-freeswitch HOST:PORT is missing: this suite is for a live FreeSWITCH")
	}
	domain := *liveDomain
	if domain == "" {
		domain, _, _ = strings.Cut(*liveAddress, ":")
	}
	s := Settings{Address: *liveAddress, Secret: *livePassword, Domain: domain, Context: *liveContext, Dialplan: "XML", Phones: *liveLines,
		TalkEvent: *liveLines, AutoAnswer: *liveLines, Conference: *liveConference, Features: *liveFeatures, RingTime: "30s", LookAgain: "5s"}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		b, _ := newBench(t, s, strings.Split(*liveLines, ","))
		b.Lacks, b.Wait = noHands(), 15*time.Second
		return b
	})
}
