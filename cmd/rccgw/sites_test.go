package main

import (
	"fmt"
	"net/url"
	"regexp"
	"testing"

	"rccgw/csta"
)

// A site is a place with its digit plan and its dialplan, which is what the plan is about.
type site struct {
	name, plan, dialplan string
	line1, line2         string // the lines of 1001 and 1002, as clients write them
	caller               string // 1001, as 1002's client is told
	calls                []dialling
	callers              [][2]string // as the trunk presents them, and as clients are told
}

// A dialling is a number that a client writes.
type dialling struct {
	written string
	dialled string // the extension at the PBX
	trunk   string // the Request-URI's user on the trunk; none: it does not leave the PBX
	shown   string // to the client, when the same is dialled by hand
}

const answers = ",1,Answer()\n same => n,Echo()\n"

// trunkLine is dialplan: the digit before X. gets a line.
func trunkLine(pattern string) string {
	return "exten => _" + pattern + ",1,Dial(PJSIP/${EXTEN:1}@trunk,60)\n same => n,Busy(10)\n"
}

var sites = []site{
	{name: "North America, 9",
		plan: `{"ars": "9", "internal": {"maxLength": 5}, "emergency": {"numbers": ["911"]},
  "outgoing": [{"leading": "1613592", "length": 11, "replacement": "", "ignoreARS": true},
    {"leading": "613592", "length": 10, "plus": false, "replacement": "", "ignoreARS": true},
    {"leading": "1", "plus": true, "replacement": "1"}, {"leading": "", "plus": true, "replacement": "011"},
    {"leading": "", "length": 10, "replacement": "1"}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "1613592", "addPlus": true},
    {"leading": "011", "from": "external", "replacement": "", "addPlus": true},
    {"leading": "1", "length": 11, "from": "external", "replacement": "1", "addPlus": true},
    {"length": 10, "from": "external", "replacement": "1", "addPlus": true}]}`,
		dialplan: "exten => 5660" + answers + "exten => 73124" + answers + "exten => 911" + answers + "exten => #900" + answers + "exten => *97" + answers,
		line1:    line1, line2: line2, caller: "tel:+16135921001",
		calls: []dialling{
			{"tel:+16135925660", "5660", "", "tel:+16135925660"},
			{"tel:+16135921002", "1002", "", "tel:+16135921002"},
			{"tel:+16135925660;ext=5660", "5660", "", "tel:+16135925660"},
			{"tel:5660", "5660", "", "tel:+16135925660"},
			{"(613) 592-5660", "5660", "", "tel:+16135925660"},
			{"sip:5660@pbx.example.com;user=phone", "5660", "", "tel:+16135925660"},
			{"tel:73124;phone-context=dialstring;partition=BE_BRS_INT", "73124", "", "tel:73124"},
			{"tel:+14165551234", "914165551234", "14165551234", "tel:+14165551234"},
			{"tel:4165551234;phone-context=+1", "914165551234", "14165551234", "tel:+14165551234"},
			{"tel:5555551234v:41234", "915555551234", "15555551234", "tel:+15555551234"},
			{"tel:+442079460123", "9011442079460123", "011442079460123", "tel:+442079460123"},
			{"911", "911", "", "tel:911"},
			{"#900", "#900", "", "tel:#900"},
			{"*97", "*97", "", "tel:*97"},
		},
		callers: [][2]string{{"4165551234", "tel:+14165551234"}, {"14165551234", "tel:+14165551234"}, {"011442079460123", "tel:+442079460123"}, {"+442079460123", "tel:+442079460123"}}},

	{name: "Germany, 0",
		plan: `{"ars": "0", "internal": {"maxLength": 4}, "emergency": {"numbers": ["110", "112"]},
  "outgoing": [{"leading": "49305550", "plus": true, "length": 12, "replacement": "", "ignoreARS": true},
    {"leading": "49", "plus": true, "replacement": "0"}, {"leading": "", "plus": true, "replacement": "00"}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "49305550", "addPlus": true},
    {"leading": "00", "from": "external", "replacement": "", "addPlus": true},
    {"leading": "0", "from": "external", "replacement": "49", "addPlus": true}]}`,
		dialplan: trunkLine("0X.") + "exten => 112" + answers,
		line1:    "tel:+493055501001", line2: "tel:+493055501002", caller: "tel:+493055501001",
		calls: []dialling{
			{"tel:+493055501002", "1002", "", "tel:+493055501002"},
			{"tel:1002", "1002", "", "tel:+493055501002"},
			{"tel:+49891234567", "00891234567", "0891234567", "tel:+49891234567"},
			{"tel:+49-89-123 4567", "00891234567", "0891234567", "tel:+49891234567"},
			{"089 1234567", "00891234567", "0891234567", "tel:+49891234567"},
			{"tel:+442079460123", "000442079460123", "00442079460123", "tel:+442079460123"},
			{"00442079460123", "000442079460123", "00442079460123", "tel:+442079460123"},
			{"112", "112", "", "tel:112"},
		},
		callers: [][2]string{{"0891234567", "tel:+49891234567"}, {"00442079460123", "tel:+442079460123"}, {"+49891234567", "tel:+49891234567"}}},

	{name: "United Kingdom, 9",
		plan: `{"ars": "9", "internal": {"maxLength": 4}, "emergency": {"numbers": ["999", "112"]},
  "outgoing": [{"leading": "44207946", "plus": true, "length": 12, "replacement": "", "ignoreARS": true},
    {"leading": "44", "plus": true, "replacement": "0"}, {"leading": "", "plus": true, "replacement": "00"}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "44207946", "addPlus": true},
    {"leading": "00", "from": "external", "replacement": "", "addPlus": true},
    {"leading": "0", "from": "external", "replacement": "44", "addPlus": true}]}`,
		dialplan: "exten => 999" + answers,
		line1:    "tel:+442079461001", line2: "tel:+442079461002;ext=1002", caller: "tel:+442079461001",
		calls: []dialling{
			{"tel:+442079461002", "1002", "", "tel:+442079461002"},
			{"tel:+441632960123", "901632960123", "01632960123", "tel:+441632960123"},
			{"01632 960123", "901632960123", "01632960123", "tel:+441632960123"},
			{"tel:+16135550100", "90016135550100", "0016135550100", "tel:+16135550100"},
			{"999", "999", "", "tel:999"},
		},
		callers: [][2]string{{"01632960123", "tel:+441632960123"}, {"0016135550100", "tel:+16135550100"}}},

	// Extensions of four digits; in the company's network a prefix of three stands for the site.
	{name: "site prefix",
		plan: `{"ars": "9", "internal": {"maxLength": 7}, "outgoing": [{"leading": "813", "length": 7, "replacement": "", "ignoreARS": true}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "813"}]}`,
		dialplan: "exten => _8XXXXXX,1,Dial(PJSIP/${EXTEN}@trunk,60)\n same => n,Busy(10)\n",
		line1:    "tel:8131001", line2: "tel:8131002;phone-context=dialstring", caller: "tel:8131001;phone-context=dialstring",
		calls: []dialling{
			{"tel:8131002", "1002", "", "tel:8131002"},
			{"tel:1002", "1002", "", "tel:8131002"},
			{"tel:8145551", "8145551", "8145551", "tel:8145551"},
			{"tel:01632960123", "901632960123", "01632960123", "tel:01632960123"},
		},
		callers: [][2]string{{"8145551", "tel:8145551;phone-context=dialstring"}}},
}

// Digit plans as sites have them, on a real PBX: what a client's number becomes is read from the PBX and from the trunk, what is shown from
// the client that calls, from the one that is called, and from the phone that is.
func TestSites(t *testing.T) {
	for _, s := range sites {
		t.Run(s.name, func(t *testing.T) {
			o := newOfficeWith(t, s.dialplan, s.plan)
			alice, bob, trunk := o.Deskphone(t, "1001"), o.Deskphone(t, "1002"), o.Trunk(t)
			g := startGateway(t, o.vars...)
			d, called := g.open("tcp", s.line1), g.open("udp", s.line2)
			events, calledEvents := d.record(t), called.record(t)
			// follow looks at a call of 1001, until it is over.
			follow := func(c dialling, how, shown string) {
				t.Helper()
				e := heard[*csta.OriginatedEvent](t, events)
				if e.CalledDevice.String() != shown || e.CallingDevice.String() != s.line1 {
					t.Errorf("%s %s: told %s to %s, not to %s", c.written, how, e.CallingDevice, e.CalledDevice, shown)
				}
				own := e.OriginatedConnection
				switch {
				case c.trunk != "":
					trunk.Wait("incoming")
					if to := trunk.Ringing().User(""); to != c.trunk {
						t.Errorf("%s %s: the trunk was asked for %s, not %s", c.written, how, to, c.trunk)
					}
				case c.dialled == "1002":
					bob.Wait("incoming 1001")
					if e := heard[*csta.DeliveredEvent](t, calledEvents); e.CallingDevice.String() != s.caller || e.CalledDevice.String() != s.line2 || e.AlertingDevice.String() != s.line2 {
						t.Errorf("%s %s: 1002's client is told %s to %s at %s", c.written, how, e.CallingDevice, e.CalledDevice, e.AlertingDevice)
					}
				case how == "by hand": // a prompted phone's client is told later
					heard(t, events, func(e *csta.EstablishedEvent) bool {
						return e.EstablishedConnection.CallID == own.CallID && e.AnsweringDevice.String() == shown
					})
				}
				if c.trunk != "" || c.dialled == "1002" {
					if e := heard[*csta.DeliveredEvent](t, events); e.CalledDevice.String() != shown || e.AlertingDevice.String() != shown {
						t.Errorf("%s %s: told that %s is called and %s alerts, not %s", c.written, how, e.CalledDevice, e.AlertingDevice, shown)
					}
				}
				at := regexp.MustCompile("PJSIP/1001-[^!]*!(phones|rcc-ring)!" + regexp.QuoteMeta(c.dialled) + "!")
				eventually(t, c.written+" "+how+": "+c.dialled+" at the PBX", func() bool { return at.MatchString(o.channels()) })
				if _, err := csta.Call(t.Context(), d, &csta.ClearConnection{ConnectionToBeCleared: own}); err != nil {
					t.Error(err)
				}
				alice.Wait("ended")
				switch {
				case c.trunk != "":
					trunk.Wait("ended")
				case c.dialled == "1002":
					bob.Wait("ended")
				}
				heard(t, events, func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == own })
			}
			for _, c := range s.calls {
				if _, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device(s.line1), CalledDirectoryNumber: csta.Device(c.written), AutoOriginate: "prompt"}); err != nil {
					t.Errorf("%s: %v", c.written, err)
					continue
				}
				alice.Wait("incoming")
				alice.Answer()
				follow(c, "by the client", c.written)
				alice.Dial(url.PathEscape(c.dialled))
				follow(c, "by hand", c.shown)
			}
			for _, c := range s.callers {
				trunk.Dial("16135921002", "From: <sip:"+c[0]+"@127.0.0.2>")
				bob.Wait("incoming")
				if e := heard[*csta.DeliveredEvent](t, calledEvents); e.CallingDevice.String() != c[1] {
					t.Errorf("a call from %s: told %s, not %s", c[0], e.CallingDevice, c[1])
				}
				trunk.Hangup()
				trunk.Wait("ended")
				bob.Wait("ended")
			}
		})
	}
}

// placesPlan shows by the result which table was applied: incoming numbers are of 1613592, forward targets of 1888592, and redirecting devices
// of 1777592.
const placesPlan = `{"ars": "9", "internal": {"maxLength": 5},
  "outgoing": [{"leading": "1613592", "replacement": "", "ignoreARS": true}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "1613592", "addPlus": true}, {"from": "external", "length": 10, "replacement": "1", "addPlus": true},
    {"leading": "1", "from": "external", "length": 11, "replacement": "1", "addPlus": true}],
  "forward": [{"length": 4, "replacement": "1888592", "addPlus": true}, {"leading": "1416", "replacement": "1888416", "addPlus": true}],
  "redirecting": [{"from": "internal", "length": 4, "replacement": "1777592", "addPlus": true}]}`

// Every place of a number has its table, in a call that goes from outside by way of a forwarded line, a transfer and a deflection to
// outside again.
func TestPlaces(t *testing.T) {
	o := newOfficeWith(t, "", placesPlan)
	alice, carol, trunk := o.Deskphone(t, "1001"), o.Deskphone(t, "1003"), o.Trunk(t)
	o.Deskphone(t, "1002")
	g := startGateway(t, o.vars...)
	const line3 = "tel:+16135921003"
	one, two, three := g.open("tcp", line1), g.open("tcp", line2), g.open("tcp", line3)
	ones, twos, threes := one.record(t), two.record(t), three.record(t)
	is := func(place string, got fmt.Stringer, want string) {
		t.Helper()
		if got.String() != want {
			t.Errorf("%s: %s, not %s", place, got, want)
		}
	}
	redirected := func(place string, got csta.RedirectionDeviceID, want string) {
		t.Helper()
		is(place, got.NumberDialed, want)
	}

	// Forward targets: the client's, the PBX's, and a phone's.
	forward := func(to string) error {
		_, err := csta.Call(t.Context(), two, &csta.SetForwarding{Device: csta.Device(line2), ForwardingType: "forwardImmediate", ActivateForward: true, ForwardDN: csta.Device(to)})
		return err
	}
	for _, c := range []struct{ to, kept, shown string }{
		{"tel:+14165550199", "914165550199", "tel:+18884165550199"}, {line3, "1003", "tel:+18885921003"},
	} {
		if err := forward(c.to); err != nil {
			t.Fatal(err)
		}
		e := heard[*csta.ForwardingEvent](t, twos)
		is("forwardTo", e.ForwardTo, c.shown)
		is("own device of a setting", e.Device, line2)
		r, err := csta.Call(t.Context(), two, &csta.GetForwarding{Device: csta.Device(line2)})
		if err != nil || len(r.ForwardingList) == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		for _, item := range r.ForwardingList {
			if item.ForwardingType == "forwardImmediate" {
				is("forwardDN of the answer", item.ForwardDN, c.shown)
			}
		}
		if db := o.CLI(t, "database show CF"); !regexp.MustCompile(`/1002\s*: ` + c.kept + `\s`).MatchString(db) {
			t.Errorf("AstDB has not %s: %s", c.kept, db)
		}
	}

	// By a feature code, which passes every table on its way out. What was forwarded to is told when it is over, too.
	for _, c := range []struct {
		code string
		on   bool
	}{{"*721003", true}, {"*73", false}} {
		if _, err := csta.Call(t.Context(), one, &csta.MakeCall{CallingDevice: csta.Device(line1), CalledDirectoryNumber: csta.Device(c.code), AutoOriginate: "prompt"}); err != nil {
			t.Fatal(err)
		}
		alice.Wait("incoming")
		alice.Answer()
		or := heard[*csta.OriginatedEvent](t, ones)
		is("called code", or.CalledDevice, c.code)
		e := heard[*csta.ForwardingEvent](t, ones)
		is("forwardTo by "+c.code, e.ForwardTo, "tel:+18885921003")
		if e.ForwardStatus != c.on || e.ForwardingType != "forwardImmediate" {
			t.Errorf("%s: %+v", c.code, e)
		}
		alice.Wait("ended")
		heard(t, ones, func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == or.OriginatedConnection })
	}

	// From outside, by way of 1002, to 1003.
	trunk.Dial("16135921002", "From: <sip:4165550100@127.0.0.2>")
	carol.Wait("incoming")
	const caller = "tel:+14165550100"
	d := heard[*csta.DeliveredEvent](t, threes)
	is("calling", d.CallingDevice, caller)
	is("called", d.CalledDevice, "tel:+16135921002")
	is("alerting", d.AlertingDevice, line3)
	redirected("lastRedirection", d.LastRedirectionDevice, "tel:+17775921002")
	carol.Answer()
	e := heard[*csta.EstablishedEvent](t, threes)
	is("answering", e.AnsweringDevice, line3)
	is("calling when answered", e.CallingDevice, caller)
	redirected("lastRedirection when answered", e.LastRedirectionDevice, "tel:+17775921002")

	// 1003 transfers to 1001.
	if _, err := csta.Call(t.Context(), three, &csta.SingleStepTransferCall{ActiveCall: d.Connection, TransferredTo: csta.Device("tel:+16135921001")}); err != nil {
		t.Fatal(err)
	}
	tr := heard[*csta.TransferedEvent](t, threes)
	is("transferring", tr.TransferringDevice, line3)
	is("transferredTo", tr.TransferredToDevice, "tel:+16135921001")
	if list := tr.TransferredConnections; len(list) != 1 {
		t.Errorf("transferred: %+v", list)
	} else {
		is("endpoint of who is transferred", list[0].Endpoint.DeviceID, caller)
	}
	alice.Wait("incoming")
	d = heard[*csta.DeliveredEvent](t, ones)
	is("calling after the transfer", d.CallingDevice, caller)
	is("alerting after the transfer", d.AlertingDevice, line1)

	// 1001 deflects to outside.
	if _, err := csta.Call(t.Context(), one, &csta.DeflectCall{CallToBeDiverted: d.Connection, NewDestination: csta.Device("tel:+14165550199")}); err != nil {
		t.Fatal(err)
	}
	di := heard[*csta.DivertedEvent](t, ones)
	is("diverting", di.DivertingDevice, line1)
	is("newDestination", di.NewDestination, "tel:+14165550199")
	redirected("lastRedirection when diverted", di.LastRedirectionDevice, "tel:+17775921001")
	trunk.Wait("incoming")
	is("on the trunk", csta.Device(trunk.Ringing().User("")), "14165550199")
	trunk.Hangup() // who calls; that it rings on the trunk ends with it
	trunk.Wait("ended")
	trunk.Wait("ended")

	// A call to outside, dialled at the phone.
	alice.Dial("914165550199")
	or := heard[*csta.OriginatedEvent](t, ones)
	is("calling of an own call", or.CallingDevice, line1)
	is("called outside", or.CalledDevice, "tel:+14165550199")
	trunk.Wait("incoming")
	trunk.Answer()
	d = heard[*csta.DeliveredEvent](t, ones)
	is("alerting outside", d.AlertingDevice, "tel:+14165550199")
	e = heard[*csta.EstablishedEvent](t, ones)
	is("answering outside", e.AnsweringDevice, "tel:+14165550199")
	redirected("lastRedirection of a call that was not", e.LastRedirectionDevice, "")
	s, err := csta.Call(t.Context(), one, &csta.SnapshotCall{SnapshotObject: or.OriginatedConnection})
	if err != nil {
		t.Fatal(err)
	}
	is("calling of the snapshot", s.CallingDevice, line1)
	is("called of the snapshot", s.CalledDevice, "tel:+14165550199")
	for i, want := range []string{line1, "tel:+14165550199"} {
		is("endpoint of the snapshot", s.CrossRefIDorSnapshotData.SnapshotData.SnapshotCallResponseInfo[i].DeviceOnCall, want)
	}
	trunk.Hangup()
	alice.Wait("ended")
	heard[*csta.ConnectionClearedEvent](t, ones)

	// A call inside.
	alice.Dial("1003")
	or = heard[*csta.OriginatedEvent](t, ones)
	is("called inside", or.CalledDevice, line3)
	d = heard[*csta.DeliveredEvent](t, ones)
	is("alerting inside", d.AlertingDevice, line3)
	is("called when it alerts", d.CalledDevice, line3)
	alice.Hangup()
	carol.Wait("ended")
}

// A caller without a number is told as such, or by the text that the plan has
// for it; a name passes every table.
func TestCallersWithoutNumbers(t *testing.T) {
	for _, c := range []struct{ texts, restricted, notKnown string }{
		{"", "restricted", "notKnown"},
		{`, "restricted": "anonymous", "notKnown": "+10000000000"`, "anonymous", "tel:+10000000000"},
	} {
		t.Run(c.restricted, func(t *testing.T) {
			o := newOfficeWith(t, "", placesPlan[:len(placesPlan)-1]+c.texts+"}")
			bob, trunk := o.Deskphone(t, "1002"), o.Trunk(t)
			events := startGateway(t, o.vars...).open("tcp", line2).record(t)
			for _, call := range []struct {
				headers []string
				want    string
			}{
				{[]string{`From: "Anonymous" <sip:anonymous@anonymous.invalid>`}, c.restricted},
				{[]string{`From: "Ann" <sip:4165550100@127.0.0.2>`, `P-Asserted-Identity: "Ann" <sip:4165550100@127.0.0.2>`, "Privacy: id"}, c.restricted},
				{[]string{"From: <sip:127.0.0.2>"}, c.notKnown},
				{[]string{"From: <sip:unavailable@unknown.invalid>"}, c.notKnown},
				{[]string{`From: "Ann" <sip:ann.other@127.0.0.2>`}, "ann.other"},
				{[]string{"From: <sip:4165550100@127.0.0.2>"}, "tel:+14165550100"},
			} {
				trunk.Dial("16135921002", call.headers...)
				bob.Wait("incoming")
				if d := heard[*csta.DeliveredEvent](t, events); d.CallingDevice.String() != call.want {
					t.Errorf("%q: told %+v, not %s", call.headers, d.CallingDevice, call.want)
				}
				bob.Answer()
				if e := heard[*csta.EstablishedEvent](t, events); e.CallingDevice.String() != call.want {
					t.Errorf("%q: told %+v when answered, not %s", call.headers, e.CallingDevice, call.want)
				}
				trunk.Wait("established")
				trunk.Hangup()
				trunk.Wait("ended")
				bob.Wait("ended")
			}
		})
	}
}
