package asterisk

import (
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/asterisk/asterisktest"
)

// A line with two phones, which are two contacts of its endpoint or two endpoints, has one connection in a call that rings at both.
func TestTwoPhones(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		options  asterisktest.Options
		endpoint string
		second   string // the extension that the second phone registers for
	}{
		"contacts": {asterisktest.Options{Contacts: 2, Dialplan: "exten => 1001,1,Dial(${PJSIP_DIAL_CONTACTS(1001)})\n same => n,Busy(10)\n"}, "{line}", "1001"},
		"endpoints": {asterisktest.Options{Extensions: []string{"1001", "1001-soft", "1002", "1003"}, PJSIP: map[string]string{"1001-soft": "callerid = Soft <1001>\n"},
			Dialplan: "exten => 1001,1,Dial(PJSIP/1001&PJSIP/1001-soft)\n same => n,Busy(10)\n"}, "{line}, {line}-soft", "1001-soft"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newRecorder(t, x.options)
			s := settings(b.Asterisk)
			s.Endpoint = x.endpoint
			b.run(s)
			b.watch("1001")
			wait[*csta.OutOfServiceEvent](b, "1001")
			soft := b.Deskphone(t, x.second)
			wait[*csta.BackInServiceEvent](b, "1001")
			bob, carol := b.Deskphone(t, "1002"), b.Deskphone(t, "1003")

			// Of several phones one that is there is called.
			made := b.makeCall("1001", "1002")
			soft.Wait("incoming 1002")
			soft.Answer()
			bob.Wait("incoming 1001")
			wait(b, "1002", func(e *csta.DeliveredEvent) bool {
				return e.Connection.CallID == made.CallID && e.CallingDevice.String() == "1001"
			})
			soft.Hangup()
			bob.Wait("ended")
			b.idle()

			desk := b.Deskphone(t, "1001")
			c := b.AMI(t)
			has := func(call, line, states string) {
				t.Helper()
				if got, want := b.snapshot(line), line+"@"+call+" "+states+"\n"; got != want {
					t.Errorf("%s has %q, not %q", line, got, want)
				}
			}
			ring := func() csta.ConnectionID {
				t.Helper()
				bob.Dial("1001")
				desk.Wait("incoming 1002")
				soft.Wait("incoming 1002")
				id := wait(b, "1001", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == "1001" }).Connection
				wait(b, "1002", func(e *csta.DeliveredEvent) bool { return e.Connection == id })
				has(id.CallID, "1002", "connected alerting")
				return id
			}
			// told are the names of what the line was told since the last time.
			at := 0
			told := func() (names string) {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, r := range b.seen[at:] {
					if r.device == "1001" {
						names += csta.Name(r.msg) + " "
					}
				}
				at = len(b.seen)
				return names
			}
			is := func(want string) {
				t.Helper()
				if got := told(); got != want {
					t.Errorf("the line is told %s; not %s", got, want)
				}
			}
			for _, phones := range [][2]*asterisktest.UA{{desk, soft}, {soft, desk}} {
				first, other := phones[0], phones[1]
				told()

				// One answers. The line goes on in the call, and the other phone is free.
				id := ring()
				first.Answer()
				other.Wait("ended elsewhere")
				wait(b, "1002", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id })
				b.until(c, "bridged", func(m map[string][]ami.Event) bool { return len(m["1001"])+len(m[x.second]) >= 1 && talking("1002")(m) })
				has(id.CallID, "1001", "connected connected")
				do(b, &csta.HoldCall{CallToBeHeld: id})
				do(b, &csta.RetrieveCall{CallToBeRetrieved: id})
				carol.Dial("1001")
				other.Wait("incoming 1003")
				second := wait(b, "1003", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == "1001" }).Connection
				do(b, &csta.ClearConnection{ConnectionToBeCleared: second})
				carol.Wait("ended 486")
				b.until(c, "retrieved", talking("1002"))
				first.Hangup()
				wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == id })
				bob.Wait("ended")
				b.idle()

				// One declines, which the line is not told. The gateway is killed, and finds one connection.
				told()
				id = ring()
				first.Hangup()
				first.Wait("ended")
				b.until(c, "declined", func(m map[string][]ami.Event) bool { return len(m["1001"])+len(m["1001-soft"]) == 1 })
				b.stop()
				is("DeliveredEvent ")
				b.run(s)
				has(id.CallID, "1001", "alerting connected")
				other.Answer()
				wait(b, "1001", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id })
				bob.Hangup()
				other.Wait("ended")
				b.idle()

				// The caller gives up.
				told()
				ring()
				bob.Hangup()
				desk.Wait("ended")
				soft.Wait("ended")
				b.idle()
				is("DeliveredEvent ConnectionClearedEvent ConnectionClearedEvent ")

				// The client declines for both.
				id = ring()
				do(b, &csta.ClearConnection{ConnectionToBeCleared: id})
				desk.Wait("ended")
				soft.Wait("ended")
				wait(b, "1001", func(e *csta.ConnectionClearedEvent) bool {
					return e.DroppedConnection == id && e.LocalConnectionInfo == pbx.Null
				})
				bob.Wait("ended 486")
				b.idle()
			}

			// One calls its own line, which is in that call already.
			soft.Dial("1001")
			desk.Wait("incoming 1001")
			desk.Answer()
			soft.Wait("established")
			desk.Hangup()
			soft.Wait("ended")
			b.idle()
		})
	}
}
