package gateway

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rccgw/csta"
	"rccgw/pbx"
)

// A client that wants names has them in the private data of its events, as the PBX
// wrote them; one that does not has no private data.
func TestNames(t *testing.T) {
	b := newBench(t, plan)
	wants := b.open(Peer{Line: "tel:+16135925660", Dialect: Dialect{Names: NamesAsPrivate}})
	plain := b.open(Peer{Line: "tel:+16135925660", Dialect: Dialect{Names: NamesNone}})
	silent := b.open(Peer{Line: "tel:+16135925660"})
	for _, d := range []*desk{wants, plain, silent} {
		d.monitor("tel:+16135925660", nil)
	}
	named := func(p pbx.Party, name string) pbx.Party {
		p.Name = name
		return p
	}
	long := strings.Repeat("ü", 200)
	for _, c := range []struct {
		caller pbx.Party
		want   string
	}{
		{named(outside, "4165551234"), "<callingDevice>4165551234</callingDevice>"},
		{named(outside, `Ann & "Bob" </names> ]]>`), "<callingDevice>Ann &amp; &#34;Bob&#34; &lt;/names&gt; ]]&gt;</callingDevice>"},
		{named(outside, "A\x00n\r\nn\xff"), "<callingDevice>Ann</callingDevice>"},
		{named(outside, long), "<callingDevice>" + long[:2*128] + "</callingDevice>"},
		{named(pbx.Party{Device: "t", Number: csta.Restricted()}, "Ann"), ""},
		{named(pbx.Party{Device: "t", Number: csta.NotKnown()}, "Ann"), "<callingDevice>Ann</callingDevice>"},
		// The plan takes this number for that of somebody who withholds it.
		{named(pbx.Party{Device: "t", Number: csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "anonymous", External: true}}}, "Ann"), ""},
		{outside, ""},
	} {
		b.pbx.calls.Originated("c", c.caller, csta.Party("5660"), pbx.CauseNewCall)
		b.pbx.calls.Delivered("c", named(alice, "Alice"), pbx.CauseNewCall)
		ev := next[*csta.DeliveredEvent](wants)
		want := `<names xmlns="urn:rccgw:names"><alertingDevice>Alice</alertingDevice>` + c.want + `<calledDevice>Alice</calledDevice></names>`
		if d := cmp.Diff(want, ev.Arguments().PrivateData.Private); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		// It is what the codec takes for private data, and reads back.
		body, err := csta.Encode(ev, "ed3")
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Caller string `xml:"extensions>privateData>private>names>callingDevice"`
		}
		if err := xml.Unmarshal(body, &read); err != nil || (c.want == "") != (read.Caller == "") {
			t.Errorf("%s: %q, %v", body, read.Caller, err)
		}
		for _, d := range []*desk{plain, silent} {
			if ev := next[*csta.DeliveredEvent](d); ev.Arguments() != nil {
				t.Errorf("one that does not want names is told %+v", ev.Arguments().PrivateData)
			}
		}
		b.pbx.calls.Ended("c", pbx.CauseNormal)
		for _, d := range []*desk{wants, plain, silent} {
			next[*csta.ConnectionClearedEvent](d)
			next[*csta.ConnectionClearedEvent](d)
		}
	}
}

// Names come after private data of the PBX's own, and never in its place.
func TestNamesBesidePrivateData(t *testing.T) {
	event := func(data *csta.PrivateData, name string) *csta.BackInServiceEvent {
		ev := &csta.BackInServiceEvent{Device: csta.Party("1001")}
		ev.Device.Name = name
		if data != nil {
			csta.Extend(ev).PrivateData = data
		}
		return ev
	}
	const names = `<names xmlns="urn:rccgw:names"><device>Ann</device></names>`
	for _, c := range []struct {
		data *csta.PrivateData
		name string
		want csta.PrivateData
	}{
		{&csta.PrivateData{Private: `<a xmlns="urn:a"/>`}, "Ann", csta.PrivateData{Private: `<a xmlns="urn:a"/>` + names}},
		{&csta.PrivateData{Text: "a"}, "Ann", csta.PrivateData{Text: "a"}},
		{nil, "Ann", csta.PrivateData{Private: names}},
	} {
		ev := event(c.data, c.name)
		addNames(ev)
		if got := *ev.Arguments().PrivateData; got != c.want {
			t.Errorf("%+v: %+v", c.want, got)
		}
		if err := csta.Check(ev); err != nil {
			t.Error(err)
		}
	}
	ev := event(nil, "\r\n")
	if addNames(ev); ev.Arguments() != nil {
		t.Errorf("nobody has a name: %+v", ev.Arguments())
	}
}
