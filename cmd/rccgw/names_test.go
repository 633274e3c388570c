package main

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx/asterisk/asterisktest"
)

// A caption is what a client reads of an event when a phone rings: "callingDevice
// tel:+… Ann", a party each, without the name where it was told none.
type caption chan []string

func (c caption) Event(ev csta.Event) {
	e, ok := ev.(*csta.DeliveredEvent)
	if !ok || e.LocalConnectionInfo != "alerting" {
		return
	}
	names := map[string]string{}
	if a := e.Arguments(); a != nil && a.PrivateData != nil {
		d := xml.NewDecoder(strings.NewReader(a.PrivateData.Private))
		element := ""
		for {
			token, err := d.Token()
			if err != nil {
				break
			}
			switch t := token.(type) {
			case xml.StartElement:
				if element = t.Name.Local; t.Name.Space != "urn:rccgw:names" {
					element = "of another name space: " + element
				}
			case xml.CharData:
				names[element] = string(t)
			case xml.EndElement:
			}
		}
	}
	lines := make([]string, 0, 4)
	for _, p := range []struct {
		element string
		party   csta.ExtendedDeviceID
	}{{"alertingDevice", e.AlertingDevice}, {"callingDevice", e.CallingDevice}, {"calledDevice", e.CalledDevice}} {
		lines = append(lines, strings.TrimSpace(p.element+" "+p.party.String()+" "+names[p.element]))
		delete(names, p.element)
	}
	for element, name := range names {
		lines = append(lines, "beside "+element+" "+name)
	}
	c <- lines
}

func (caption) Link(bool) {}

func (c caption) next(t *testing.T) []string {
	t.Helper()
	select {
	case lines := <-c:
		return lines
	case <-time.After(asterisktest.Timeout):
		t.Fatal("no phone rings")
		return nil
	}
}

// A client whose profile wants names is told those of callers from the trunk and of
// colleagues, as they are written at the PBX whatever the digit plan does to
// numbers, and none of who withholds the number. Another client of the line is
// told no names.
func TestAsteriskNames(t *testing.T) {
	a := asterisktest.Start(t, asterisktest.Options{Extensions: []string{"1001", "1002", "1003"}, PJSIP: map[string]string{"1003": "callerid_privacy = prohib"}})
	o := officeOn(t, a, officePlan)
	alice, bob, carol, trunk := o.Baresip(t, "1001"), o.Baresip(t, "1002"), o.Baresip(t, "1003"), o.Trunk(t)
	g := startGateway(t, append(o.vars, `RCC_SIP_CLIENTS=[{agent: "Toast*", names: private}]`)...)
	toast, plain := make(caption, 100), make(caption, 100)
	g.open("tcp", line2, func(c *cstasip.ClientConfig) { c.UserAgent = "Toast 1.0" }).watch(t, toast)
	g.open("udp", line2, func(c *cstasip.ClientConfig) { c.UserAgent = "Other 1.0" }).watch(t, plain)
	const ann = `From: "Ann & <Bob>" <sip:4165551234@127.0.0.2>`
	for _, c := range []struct {
		call         func()
		hangup       func()
		number, name string
	}{
		{func() { trunk.Dial("16135921002", ann) }, trunk.Hangup, "tel:+14165551234", "Ann & <Bob>"},
		{func() { trunk.Dial("16135921002", `From: "1001" <sip:4165551234@127.0.0.2>`) }, trunk.Hangup, "tel:+14165551234", "1001"},
		{func() { trunk.Dial("16135921002", `From: "`+strings.Repeat("a", 70)+`" <sip:4165551234@127.0.0.2>`) }, trunk.Hangup, "tel:+14165551234", strings.Repeat("a", 70)},
		{func() { trunk.Dial("16135921002", `From: <sip:4165551234@127.0.0.2>`) }, trunk.Hangup, "tel:+14165551234", ""},
		{func() {
			trunk.Dial("16135921002", `From: "Anonymous" <sip:anonymous@anonymous.invalid>`, "Privacy: id")
		}, trunk.Hangup, "restricted", ""},
		{func() {
			trunk.Dial("16135921002", `From: "Anonymous" <sip:anonymous@anonymous.invalid>`, `P-Asserted-Identity: "Ann" <sip:4165551234@127.0.0.2>`, "Privacy: id")
		}, trunk.Hangup, "restricted", ""},
		{func() { alice.Dial("1002") }, func() { alice.Wait("ringing"); alice.Hangup() }, "tel:+16135921001", "Phone 1001"},
		{func() { carol.Dial("1002") }, func() { carol.Wait("ringing"); carol.Hangup() }, "tel:+16135921003", ""},
	} {
		c.call()
		bob.Wait("incoming")
		want := []string{"alertingDevice " + line2 + " Phone 1002", strings.TrimSpace("callingDevice " + c.number + " " + c.name), "calledDevice " + line2 + " Phone 1002"}
		if got := toast.next(t); !slices.Equal(got, want) {
			t.Errorf("one that wants names is told %q, not %q", got, want)
		}
		want = []string{"alertingDevice " + line2, "callingDevice " + c.number, "calledDevice " + line2}
		if got := plain.next(t); !slices.Equal(got, want) {
			t.Errorf("one that does not want names is told %q, not %q", got, want)
		}
		c.hangup()
		bob.Wait("ended")
	}
}
