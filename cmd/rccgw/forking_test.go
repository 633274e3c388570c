package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx/asterisk/asterisktest"
)

// A record is what a client is told, event by event.
type record chan csta.Event

func (r record) Event(ev csta.Event) { r <- ev }
func (r record) Link(bool)           {}

func (d *desk) record(t *testing.T) record {
	t.Helper()
	r := make(record, 1000)
	d.watch(t, r)
	return r
}

// heard waits for an event of that type, passing over others.
func heard[E csta.Event](t *testing.T, r record, holds ...func(E) bool) E {
	t.Helper()
	var passed []string
	deadline := time.After(asterisktest.Timeout)
	for {
		select {
		case ev := <-r:
			if e, ok := ev.(E); ok && (len(holds) == 0 || holds[0](e)) {
				return e
			}
			local, _ := csta.LocalConnection(ev)
			passed = append(passed, fmt.Sprintf("%s %s", csta.Name(ev), local))
		case <-deadline:
			t.Fatalf("no %T; there were %q", *new(E), passed)
		}
	}
}

// forks is the dialplan of a site that rings the desk phone and, over a trunk, the same person's softphone. On the trunk numbers are E.164
// with a +: what the phones see as 1003, 6135550100 and 011442079460123.
const forks = `
exten => 1001,1,Dial(PJSIP/1001&PJSIP/+16135921001@softphones,60,b(softphone^s^1))
[softphone]
exten => s,1,GotoIf($["${CHANNEL(endpoint)}" != "softphones"]?end)
 same => n,Set(N=${CONNECTEDLINE(num)})
 same => n,Set(CONNECTEDLINE(num,i)=${IF($["${N:0:3}" = "011"]?+${N:3}:${IF($[${LEN(${N})} = 10]?+1:${IF($[${LEN(${N})} = 4]?+1613592:)})}${N})})
 same => n(end),Return()
`

const forkPlan = `{"ars": "9", "internal": {"maxLength": 5},
  "outgoing": [{"leading": "1613592", "replacement": "", "ignoreARS": true}],
  "incoming": [{"from": "internal", "length": 4, "replacement": "1613592", "addPlus": true},
    {"leading": "011", "from": "external", "minLength": 11, "replacement": "", "addPlus": true},
    {"length": 10, "replacement": "1", "addPlus": true}]}`

// A call rings the desk phone, of which a client is told, and the softphone
// over the trunk. The client merges the two when both name the caller in the same
// bytes: with addPlus they do, without it they do not.
func TestForking(t *testing.T) {
	for _, addPlus := range []bool{true, false} {
		t.Run(fmt.Sprint("addPlus ", addPlus), func(t *testing.T) {
			plan := forkPlan
			if !addPlus {
				plan = strings.ReplaceAll(plan, `, "addPlus": true`, "")
			}
			o := newOfficeWith(t, forks, plan)
			desk, carol, trunk, soft := o.Deskphone(t, "1001"), o.Deskphone(t, "1003"), o.Trunk(t), o.Softphones(t)
			g := startGateway(t, o.vars...)
			events := g.open("tcp", line1).record(t)
			outside := func(headers ...string) func() { return func() { trunk.Dial("16135921001", headers...) } }
			const anonymous = `From: "Anonymous" <sip:anonymous@anonymous.invalid>`
			for _, c := range []struct {
				name    string
				caller  *asterisktest.UA
				call    func()
				trunk   string // who calls, by the INVITE
				without string // what the client is told without addPlus
			}{
				{"internal", carol, func() { carol.Dial("1001") }, "+16135921003", "16135921003"},
				{"national", trunk, outside("From: <sip:6135550100@127.0.0.2>"), "+16135550100", "16135550100"},
				{"international", trunk, outside("From: <sip:011442079460123@127.0.0.2>"), "+442079460123", "442079460123"},
				// It has its + already, and no rule is for it.
				{"E.164", trunk, outside("From: <sip:+442079460123@127.0.0.2>"), "+442079460123", "+442079460123"},
				{"anonymous", trunk, outside(anonymous, "Privacy: id"), "", ""},
				{"withheld", trunk, outside(anonymous, "P-Asserted-Identity: <sip:6135550100@127.0.0.2>", "Privacy: id"), "", ""},
			} {
				c.call()
				desk.Wait("incoming")
				soft.Wait("incoming")
				invite := soft.Ringing()
				own := heard(t, events, func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == line1 })
				from, asserted := invite.User("From"), invite.User("P-Asserted-Identity")
				told, isNumber := strings.CutPrefix(own.CallingDevice.DeviceIdentifier.ID, "tel:")
				switch {
				case c.trunk == "":
					if !bool(own.CallingDevice.Restricted) || from != "anonymous" || strings.Contains(fmt.Sprint(invite.Header), "6135550100") {
						t.Errorf("%s: told %s, the INVITE is %v", c.name, own.CallingDevice, invite.Header)
					}
				case from != c.trunk || asserted != c.trunk:
					t.Errorf("%s: the INVITE is from %q and asserts %q, not %q", c.name, from, asserted, c.trunk)
				case addPlus && (!isNumber || told != from || told != asserted):
					t.Errorf("%s: told %q, the INVITE is from %q and asserts %q: two callers", c.name, told, from, asserted)
				case !addPlus && told != c.without:
					t.Errorf("%s: told %q without addPlus, not %q", c.name, told, c.without)
				}
				if called := invite.User(""); called != "+16135921001" {
					t.Errorf("%s: the INVITE is for %q", c.name, called)
				}
				c.caller.Hangup()
				soft.Wait("ended")
				desk.Wait("ended")
				heard(t, events, func(e csta.Event) bool {
					if _, call := csta.LocalConnection(e); call != own.Connection.CallID {
						t.Errorf("%s: %s is about a second call", c.name, csta.Name(e))
					}
					cleared, ok := e.(*csta.ConnectionClearedEvent)
					return ok && cleared.DroppedConnection == own.Connection
				})
			}
		})
	}
}
