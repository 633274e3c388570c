package asterisktest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rccgw/pbx/asterisk/ami"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// next waits for the next event of that name that has those fields, passing over others.
func next(t *testing.T, c *ami.Conn, name string, pairs ...string) ami.Event {
	t.Helper()
	var seen []string
	deadline := time.After(Timeout)
next:
	for {
		select {
		case e, ok := <-c.Events():
			if !ok {
				t.Fatal("link lost")
			}
			seen = append(seen, e.Name)
			if e.Name != name {
				continue
			}
			for i := 0; i < len(pairs); i += 2 {
				if e.Get(pairs[i]) != pairs[i+1] {
					continue next
				}
			}
			return e
		case <-deadline:
			t.Fatalf("no %s %q in %q", name, pairs, seen)
		}
	}
}

// bridged waits until two channels are connected, which is a little later than the phones see it.
func bridged(t *testing.T, c *ami.Conn) {
	t.Helper()
	next(t, c, "BridgeEnter", "BridgeNumChannels", "1")
	next(t, c, "BridgeEnter", "BridgeNumChannels", "2")
}

// each waits for events of which Asterisk does not keep the order, given as name and channel.
func each(t *testing.T, c *ami.Conn, want ...string) {
	t.Helper()
	deadline := time.After(Timeout)
	for len(want) > 0 {
		select {
		case e := <-c.Events():
			if i := slices.Index(want, e.Name+" "+e.Get("Channel")); i >= 0 {
				want = slices.Delete(want, i, i+1)
			}
		case <-deadline:
			t.Fatalf("no %q", want)
		}
	}
}

func list(t *testing.T, c *ami.Conn, name string, pairs ...string) []ami.Event {
	t.Helper()
	items, err := c.List(t.Context(), ami.NewAction(name, pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func do(t *testing.T, c *ami.Conn, name string, pairs ...string) ami.Response {
	t.Helper()
	r, err := c.Do(t.Context(), ami.NewAction(name, pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCall(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	alice, bob := a.Baresip(t, "1001"), a.Baresip(t, "1002")
	c := a.AMI(t)
	alice.Dial("1002")
	bob.Wait("incoming 1001")
	alice.Wait("ringing")
	bob.Answer()
	alice.Wait("established")
	bob.Wait("established")

	first := next(t, c, "Newchannel", "CallerIDNum", "1001", "Exten", "1002")
	caller, call := first.Get("Channel"), first.Get("Linkedid")
	callee := next(t, c, "Newchannel", "CallerIDNum", "1002", "Linkedid", call).Get("Channel")
	next(t, c, "Newstate", "Channel", callee, "ChannelStateDesc", "Up")
	next(t, c, "DialEnd", "DestChannel", callee, "DialStatus", "ANSWER")
	next(t, c, "Newstate", "Channel", caller, "ChannelStateDesc", "Up")
	bridged(t, c)
	// A phone that is quicker than that is heard before its BridgeEnter.
	alice.Hold()
	next(t, c, "Hold", "Channel", caller)
	alice.Wait("held")
	alice.Resume()
	next(t, c, "Unhold", "Channel", caller)
	alice.Wait("resumed")
	alice.Hangup()
	bob.Wait("ended")
	next(t, c, "HangupRequest", "Channel", caller)
	next(t, c, "Hangup", "Cause", "16")
	next(t, c, "Hangup", "Cause", "16")
}

// A desk phone is answered, held and resumed from outside, and hung up without harm to what knows nothing of it.
func TestDeskphone(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	alice, bob := a.Baresip(t, "1001"), a.Deskphone(t, "1002")
	c := a.AMI(t)
	alice.Dial("1002")
	bob.Wait("incoming 1001")
	ch := next(t, c, "Newchannel", "CallerIDNum", "1002").Get("Channel")
	for _, step := range []struct{ event, phone string }{{"talk", "established"}, {"hold", "held"}, {"talk", "resumed"}} {
		do(t, c, "PJSIPNotify", "Channel", ch, "Variable", "Event="+step.event)
		bob.Wait(step.phone)
	}
	next(t, c, "Hold", "Channel", ch)
	next(t, c, "Unhold", "Channel", ch)
	do(t, c, "Hangup", "Channel", ch)
	bob.Wait("ended")
	alice.Wait("ended")
}

func TestConsultation(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	alice, bob, carol := a.Deskphone(t, "1001"), a.Deskphone(t, "1002"), a.Deskphone(t, "1003")
	c := a.AMI(t)
	alice.Dial("1002")
	bob.Wait("incoming 1001")
	bob.Answer()
	alice.Wait("established")
	bridged(t, c)
	alice.Dial("1003")
	alice.Wait("held")
	carol.Wait("incoming 1001")
	carol.Answer()
	bridged(t, c)
	alice.Join()
	alice.Wait("ended")
	alice.Wait("ended")
	next(t, c, "AttendedTransfer", "Result", "Success")
	carol.Transfer("1001")
	alice.Wait("incoming 1002")
	next(t, c, "BlindTransfer", "Result", "Success", "Extension", "1001")
	alice.Answer()
	carol.Wait("ended")
	alice.Hangup()
	bob.Wait("ended")
}

// Codes dialled at a phone change AstDB, and say so afterwards.
func TestFeatureCodes(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	alice := a.Deskphone(t, "1001")
	c := a.AMI(t)
	for _, tt := range []struct{ code, family, value string }{
		{"*721003", "CF", "1003"},
		{"*72961355501#", "CF", "961355501#"},
		{"*73", "CF", ""},
		{"*78", "DND", "1"},
		{"*79", "DND", ""},
		{"*901003", "CFB", "1003"},
		{"*91", "CFB", ""},
		{"*921003", "CFNA", "1003"},
		{"*93", "CFNA", ""},
	} {
		alice.Dial(strings.ReplaceAll(tt.code, "#", "%23"))
		next(t, c, "UserEvent", "UserEvent", "RCCFeature", "Extension", "1001", "Feature", tt.family, "Value", tt.value)
		items, err := c.List(t.Context(), ami.NewAction("DBGet", "Family", tt.family, "Key", "1001"))
		var refused *ami.Error
		if tt.value == "" {
			if !errors.As(err, &refused) {
				t.Errorf("%s: %v, %v", tt.code, items, err)
			}
		} else if err != nil || len(items) != 1 || items[0].Get("Val") != tt.value {
			t.Errorf("%s: %v, %v", tt.code, items, err)
		}
		alice.Wait("ended")
	}
}

func TestDiversion(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	alice, bob, carol := a.Deskphone(t, "1001"), a.Deskphone(t, "1002"), a.Deskphone(t, "1003")
	c := a.AMI(t)
	tests := []struct {
		family, value, reason string
		bob                   func() // what he does while it rings
	}{
		{"CF", "1003", "cfu", nil},
		{"CFB", "1003", "cfb", func() { bob.Wait("incoming"); bob.Hangup() }},
		{"CFNA", "1003", "cfnr", func() { bob.Wait("incoming"); bob.Wait("ended") }},
	}
	do(t, c, "Setvar", "Variable", "RCC_RING", "Value", "1")
	for _, tt := range tests {
		do(t, c, "DBPut", "Family", tt.family, "Key", "1002", "Val", tt.value)
		alice.Dial("1002")
		if tt.bob != nil {
			tt.bob()
		}
		carol.Wait("incoming 1001")
		e := next(t, c, "UserEvent", "UserEvent", "RCCDiverted", "Extension", "1002", "To", "1003", "Reason", tt.reason)
		if e.Get("Linkedid") == "" || e.Get("CallerIDNum") != "1001" {
			t.Errorf("the event does not tell the call: %+v", e)
		}
		alice.Hangup()
		alice.Wait("ended 487")
		do(t, c, "DBDel", "Family", tt.family, "Key", "1002")
	}

	do(t, c, "DBPut", "Family", "DND", "Key", "1002", "Val", "YES")
	alice.Dial("1002")
	next(t, c, "UserEvent", "UserEvent", "RCCRefused", "Extension", "1002", "Reason", "dnd")
	alice.Wait("ended 486")

	// a circle ends
	do(t, c, "DBPut", "Family", "CF", "Key", "1002", "Val", "1003")
	do(t, c, "DBPut", "Family", "CF", "Key", "1003", "Val", "1002")
	alice.Dial("1002")
	alice.Wait("ended 486")
}

const anonymous = `From: "Anonymous" <sip:anonymous@anonymous.invalid>`

func TestTrunk(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	bob, trunk := a.Deskphone(t, "1002"), a.Trunk(t)
	c := a.AMI(t)
	tests := []struct {
		name             string
		headers          []string
		num, cname, pres string // what AMI shows
	}{
		{"number", []string{`From: "Ann Other" <sip:6135550100@127.0.0.2>`}, "6135550100", "Ann Other", "allowed_not_screened"},
		{"global", []string{`From: <sip:+16135550100@127.0.0.2>`}, "+16135550100", "<unknown>", "allowed_not_screened"},
		{"asserted", []string{`From: <sip:1@127.0.0.2>`, `P-Asserted-Identity: "Ann" <sip:6135550100@127.0.0.2>`},
			"6135550100", "Ann", "allowed_not_screened"},
		{"anonymous", []string{anonymous, "Privacy: id"}, "anonymous", "Anonymous", "allowed_not_screened"},
		{"withheld", []string{anonymous, `P-Asserted-Identity: "Ann" <sip:6135550100@127.0.0.2>`, "Privacy: id"},
			"6135550100", "Ann", "prohib_not_screened"},
		{"no user", []string{`From: <sip:127.0.0.2>`}, "<unknown>", "<unknown>", "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trunk.Dial("16135921002", tt.headers...)
			bob.Wait("incoming")
			e := next(t, c, "Newchannel", "Exten", "16135921002")
			if e.Get("CallerIDNum") != tt.num || e.Get("CallerIDName") != tt.cname {
				t.Errorf("%+v", e)
			}
			// Newchannel does not have it yet.
			if e := next(t, c, "DialBegin"); e.Get("ChanVariable") != "CALLERID(pres)="+tt.pres {
				t.Errorf("%+v", e)
			}
			trunk.Hangup()
			trunk.Wait("ended 487")
			bob.Wait("ended")
		})
	}
	bob.Dial("96135550100")
	trunk.Wait("incoming 1002")
	trunk.Answer()
	bob.Wait("established")
	trunk.Hangup()
	bob.Wait("ended")
}

func TestOriginateAutoAnswer(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	alice, bob := a.Baresip(t, "1001", ";sip_autoanswer=yes"), a.Deskphone(t, "1002")
	c := a.AMI(t)
	do(t, c, "Originate", "Channel", "PJSIP/1001", "Context", "phones", "Exten", "1002", "Priority", "1", "CallerID", "1001",
		"Async", "true", "ChannelId", "rcc-1", "Variable", "PJSIP_HEADER(add,Call-Info)=<sip:x>;answer-after=0", "Variable", "__RCC=call 7")
	alice.Wait("established")
	next(t, c, "Newchannel", "Uniqueid", "rcc-1", "Linkedid", "rcc-1")
	next(t, c, "OriginateResponse", "Uniqueid", "rcc-1", "Response", "Success")
	bob.Wait("incoming 1001")
	bob.Answer()
	next(t, c, "Newstate", "ChannelStateDesc", "Up")
	for _, e := range list(t, c, "Status", "Variables", "RCC") {
		if v := e.Get("Variable"); v != "RCC=call 7" || e.Get("Linkedid") != "rcc-1" {
			t.Errorf("%+v", e)
		}
	}
	// The same ChannelId again while the first lives rings nobody, and the refusal comes as an event.
	do(t, c, "Originate", "Channel", "PJSIP/1001", "Context", "phones", "Exten", "1002", "Priority", "1", "Async", "true", "ChannelId", "rcc-1")
	next(t, c, "OriginateResponse", "Response", "Failure", "Uniqueid", "rcc-1")
	bob.Hangup()
	alice.Wait("ended")
}

// Hold without the help of the phone: both legs go to rcc-hold, and are bridged again.
func TestHoldByRedirect(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	alice, bob := a.Baresip(t, "1001"), a.Baresip(t, "1002")
	c := a.AMI(t)
	alice.Dial("1002")
	bob.Wait("incoming")
	bob.Answer()
	alice.Wait("established")
	holder := next(t, c, "Newchannel", "CallerIDNum", "1001").Get("Channel")
	peer := next(t, c, "Newchannel", "CallerIDNum", "1002").Get("Channel")
	bridged(t, c)
	do(t, c, "Setvar", "Channel", holder, "Variable", "RCC_HELD", "Value", "1")
	do(t, c, "Redirect", "Channel", holder, "Context", "rcc-hold", "Exten", "holder", "Priority", "1",
		"ExtraChannel", peer, "ExtraContext", "rcc-hold", "ExtraExten", "held", "ExtraPriority", "1")
	each(t, c, "BridgeLeave "+holder, "BridgeLeave "+peer, "MusicOnHoldStart "+peer)
	// The holder makes no music: it waits a moment after its BridgeLeave.
	want := map[string]string{holder: "rcc-hold holder Wait", peer: "rcc-hold held MusicOnHold"}
	waits := func(e ami.Event) bool {
		return e.Get("Context")+" "+e.Get("Exten")+" "+e.Get("Application") == want[e.Get("Channel")] && e.Get("BridgeId") == ""
	}
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		channels := list(t, c, "CoreShowChannels")
		if len(channels) == 2 && waits(channels[0]) && waits(channels[1]) {
			break
		}
		if time.Since(begin) > Timeout {
			t.Fatalf("%+v", channels)
		}
	}
	do(t, c, "Bridge", "Channel1", holder, "Channel2", peer, "Tone", "no")
	bridged(t, c)
	bob.Hangup()
	alice.Wait("ended")
	next(t, c, "Hangup")
	next(t, c, "Hangup")
}

func TestRestartAndLink(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{})
	k := a.Link(t)
	dial := func() (*ami.Conn, chan error) {
		t.Helper()
		c, err := ami.Dial(t.Context(), ami.Config{Address: k.Address(), User: a.User, Secret: a.Secret})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(t.Context()) }()
		return c, ended
	}
	c, ended := dial()
	do(t, c, "DBPut", "Family", "CF", "Key", "1002", "Val", "1003")
	k.Cut()
	if err := <-ended; err == nil {
		t.Error("no error after the link was cut")
	}
	if _, err := ami.Dial(t.Context(), ami.Config{Address: k.Address(), User: a.User, Secret: a.Secret}); err == nil {
		t.Error("dialled over a link that is cut")
	}
	k.Mend()
	_, ended = dial()
	a.Restart(t)
	if err := <-ended; err == nil {
		t.Error("no error after the PBX stopped")
	}
	c, ended = dial()
	items, err := c.List(t.Context(), ami.NewAction("DBGet", "Family", "CF", "Key", "1002"))
	if err != nil || len(items) != 1 {
		t.Errorf("AstDB after a restart: %v, %v", items, err)
	}
	a.Kill(t)
	if err := <-ended; err == nil {
		t.Error("no error after the PBX was killed")
	}
}

// The AMI user can do what the gateway does, and nothing more.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	a := Start(t, Options{NoSystem: true})
	c := a.AMI(t)
	list(t, c, "CoreShowChannels")
	for _, action := range []string{"Command", "UpdateConfig", "DialplanExtensionAdd", "ModuleLoad", "GetConfig", "MessageSend", "PJSIPNotify", "DBPut", "DBDel"} {
		_, err := c.Do(t.Context(), ami.NewAction(action))
		if e := (*ami.Error)(nil); !errors.As(err, &e) || e.Message != "Permission denied" {
			t.Errorf("%s: %v", action, err)
		}
	}
	_, err := ami.Dial(t.Context(), ami.Config{Address: a.Address(), User: a.User, Secret: "wrong"})
	if e := (*ami.Error)(nil); !errors.As(err, &e) {
		t.Errorf("wrong secret: %v", err)
	}
}
