package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx"
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

// A forking is an office whose 1001 has a desk phone and a softphone.
type forking struct {
	*office
	desk, carol, soft *asterisktest.UA
	g                 *gatewayUnderTest
}

func newForking(t *testing.T) *forking {
	o := newOfficeWith(t, forks, forkPlan)
	return &forking{o, o.Deskphone(t, "1001"), o.Deskphone(t, "1003"), o.Softphones(t),
		// Clients that are not heard of again are missed after two seconds.
		startGateway(t, append(o.vars, "RCC_SIP_SESSION_EXPIRES=2", "RCC_SIP_MIN_SE=2")...)}
}

// ring has 1003 call 1001, at both of its phones.
func (f *forking) ring() {
	f.t.Helper()
	f.carol.Dial("1001")
	f.desk.Wait("incoming 1003")
	f.soft.Wait("incoming +16135921003")
}

// open opens a dialog for 1001; leave ends it, as the client's end or its death does.
func (f *forking) open(network string, bye bool) (d *desk, leave func()) {
	f.t.Helper()
	var e *cstasip.Endpoint
	d = f.g.openOver(network, line1, func(ctx context.Context, cfg cstasip.ClientConfig) (_ *cstasip.Client, err error) {
		if e, err = cstasip.Connect(ctx, cfg.Server, nil, nil); err != nil {
			return nil, err
		}
		f.t.Cleanup(e.Close)
		return e.Dial(ctx, cfg)
	})
	return d, func() {
		f.t.Helper()
		if bye {
			if err := d.Close(f.t.Context()); err != nil {
				f.t.Error(err)
			}
		}
		e.Close()
	}
}

// calls returns the calls of 1001 by the client's snapshot.
func (f *forking) calls(d *desk) []csta.SnapshotDeviceResponseInfo {
	f.t.Helper()
	s, err := csta.Call(f.t.Context(), d, &csta.SnapshotDevice{SnapshotObject: csta.Device(line1)})
	if err != nil {
		f.t.Fatal(err)
	}
	return s.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo
}

// sent is how many events were sent to clients.
func (f *forking) sent() string {
	return regexp.MustCompile(`rccgw_sip_events_total{result="sent"} \d+`).FindString(f.g.metrics())
}

// A user switches between the phone and the computer. The client's dialog is
// dropped and comes back, while a call rings and while one is going on at either:
// it is always the one call, and what is over leaves nothing.
func TestForkedModes(t *testing.T) {
	for _, c := range []struct {
		network string
		bye     bool
	}{{"tcp", true}, {"udp", true}, {"tcp", false}, {"udp", false}} {
		t.Run(fmt.Sprintf("%s bye=%v", c.network, c.bye), func(t *testing.T) {
			f := newForking(t)

			// The softphone answers while the client looks on.
			d, leave := f.open(c.network, c.bye)
			events := d.record(t)
			f.ring()
			own := heard(t, events, func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == line1 }).Connection
			f.soft.Answer()
			f.carol.Wait("established")
			f.desk.Wait("ended elsewhere")
			cleared := heard(t, events, func(e csta.Event) bool {
				if _, call := csta.LocalConnection(e); call != own.CallID {
					t.Errorf("%s is about a second call", csta.Name(e))
				}
				_, ok := e.(*csta.ConnectionClearedEvent)
				return ok
			}).(*csta.ConnectionClearedEvent)
			if cleared.DroppedConnection != own || cleared.Cause != "multipleAlerting" || cleared.LocalConnectionInfo != pbx.Null {
				t.Errorf("the desk phone's leg: %+v", cleared)
			}
			if calls := f.calls(d); len(calls) != 0 {
				t.Errorf("a ghost while the softphone talks: %+v", calls)
			}

			// Computer: the dialog goes. Phone: it comes back at once, during the softphone's call, which is none of the desk phone's.
			leave()
			d, leave = f.open(c.network, c.bye)
			if calls := f.calls(d); len(calls) != 0 {
				t.Errorf("a ghost after coming back: %+v", calls)
			}
			d.watch(t, discard{})
			f.carol.Hangup()
			f.soft.Wait("ended")

			// A call rings while there is no client; the one that comes finds it, and sees the desk phone answer.
			leave()
			f.g.counts("sip_dialogs", 0)
			quiet := f.sent()
			f.ring()
			if now := f.sent(); now != quiet {
				t.Errorf("events were sent to nobody: %s, before %s", now, quiet)
			}
			d, leave = f.open(c.network, c.bye)
			calls := f.calls(d)
			if len(calls) != 1 || calls[0].LocalCallState.CompoundCallState.LocalConnectionState[0] != pbx.Alerting {
				t.Fatalf("while it rings: %+v", calls)
			}
			second := calls[0].ConnectionIdentifier
			if second.CallID == own.CallID {
				t.Error("the second call has the callID of the first")
			}
			events = d.record(t)
			f.desk.Answer()
			f.soft.Wait("ended elsewhere")
			heard(t, events, func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == second })

			// Computer and phone again, during the call: it is the same one, and can be acted on.
			leave()
			d, leave = f.open(c.network, c.bye)
			calls = f.calls(d)
			if len(calls) != 1 || calls[0].ConnectionIdentifier != second || calls[0].LocalCallState.CompoundCallState.LocalConnectionState[0] != pbx.Connected {
				t.Fatalf("during the call: %+v, not %s", calls, second)
			}
			events = d.record(t)
			if _, err := csta.Call(t.Context(), d, &csta.ClearConnection{ConnectionToBeCleared: second}); err != nil {
				t.Fatal(err)
			}
			heard(t, events, func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == second })
			f.desk.Wait("ended")
			f.carol.Wait("ended")
			if calls := f.calls(d); len(calls) != 0 {
				t.Errorf("a ghost after the call: %+v", calls)
			}
			leave()
			f.g.counts("sip_dialogs", 0)
			eventually(t, "the PBX is idle", func() bool { return f.channels() == "" })
		})
	}
}
