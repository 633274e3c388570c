package gateway

import (
	"log/slog"
	"testing"

	"rccgw/bus"
	"rccgw/csta"
	"rccgw/pbx"
)

// BenchmarkEvent passes an event of the line on to the client's one monitor.
func BenchmarkEvent(b *testing.B) {
	sent := 0
	s := &Session{line: bus.Line{PBX: "main", Device: "5660", Local: "5660"}, written: "tel:5660", up: true, log: slog.New(slog.DiscardHandler),
		monitors: map[string]*monitor{"1": {id: "1", written: "tel:5660"}}, dialled: map[string]*dialledNumber{}, send: func(csta.Message) { sent++ }}
	ev := &csta.DeliveredEvent{Connection: csta.Connection("a", "5660"), AlertingDevice: csta.Party("5660"), CallingDevice: csta.Party("+14165551234"),
		CalledDevice: csta.Party("5660"), LastRedirectionDevice: csta.RedirectionDeviceID{NotRequired: true}, LocalConnectionInfo: pbx.Alerting, Cause: pbx.CauseNewCall}
	b.ReportAllocs()
	for b.Loop() {
		s.Event("5660", ev)
	}
	if sent == 0 {
		b.Error("nothing was sent")
	}
}
