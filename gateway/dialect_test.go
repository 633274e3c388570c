package gateway

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
)

// How clients are told that the PBX is away, with a monitor and without.
func TestLinkNotices(t *testing.T) {
	b := newBench(t, "")
	device := b.open(Peer{Line: "tel:5660"})
	system := b.open(Peer{Line: "tel:5660", Dialect: Dialect{Link: NoticeBySystem}})
	both := b.open(Peer{Line: "tel:5660", Dialect: Dialect{Link: NoticeByBoth}})
	silent := b.open(Peer{Line: "tel:5660"})
	for _, d := range []*desk{device, system, both} {
		d.monitor("tel:5660", nil)
	}
	unmonitored := b.open(Peer{Line: "tel:5660", Dialect: Dialect{Link: NoticeByBoth}})
	gone := b.open(Peer{Line: "tel:5660", Dialect: Dialect{Link: NoticeBySystem}})
	gone.Close(nil)

	b.pbx.cut <- struct{}{}
	next[*csta.OutOfServiceEvent](device)
	next[*csta.BackInServiceEvent](device)
	for _, d := range []*desk{system, both, unmonitored} {
		if s := next[*csta.SystemStatus](d); s.SystemStatus != pbx.StatusDisabled {
			t.Errorf("told %q while the PBX is away", s.SystemStatus)
		}
		if d == both {
			next[*csta.OutOfServiceEvent](d)
		}
		if s := next[*csta.SystemStatus](d); s.SystemStatus != pbx.StatusNormal {
			t.Errorf("told %q when the PBX is back", s.SystemStatus)
		}
	}
	next[*csta.BackInServiceEvent](both)
	for _, d := range []*desk{device, system, both, silent, unmonitored, gone} {
		if len(d.sent) > 0 {
			t.Errorf("one is told %s as well", csta.Name(<-d.sent))
		}
	}
}

// A client that wants digits gets no URIs, but its own line as it wrote it.
func TestNumbersAsDigits(t *testing.T) {
	b := newBench(t, plan)
	d := b.open(Peer{Line: "tel:+16135925660", Dialect: Dialect{Numbers: NumbersAsDigits}})
	d.monitor("tel:+16135925660", nil)
	b.pbx.calls.Originated("a", outside, csta.Party("5660"), pbx.CauseNewCall)
	b.pbx.calls.Delivered("a", alice, pbx.CauseNewCall)
	ev := next[*csta.DeliveredEvent](d)
	if ev.CallingDevice.String() != "+14165551234" || ev.AlertingDevice.String() != "tel:+16135925660" {
		t.Errorf("%s called by %s", ev.AlertingDevice, ev.CallingDevice)
	}
}
