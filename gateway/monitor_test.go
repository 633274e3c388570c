package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rccgw/csta"
	"rccgw/pbx"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// told returns the next event of the desk, with its monitor.
func (d *desk) told() string {
	d.t.Helper()
	m := next[csta.Message](d)
	if stop, ok := m.(*csta.MonitorStop); ok {
		return stop.MonitorCrossRefID + " MonitorStop"
	}
	ev := m.(csta.Event)
	if err := csta.Check(ev); err != nil {
		d.t.Error(err)
	}
	local, _ := csta.LocalConnection(ev)
	text := *ev.CrossRef() + " " + csta.Name(ev) + " " + csta.FirstConnection(ev).String()
	if local != "" {
		text += " " + string(local)
	}
	return text
}

// tells checks the next events of the desk. Those of several monitors about one
// thing may come in any order.
func (d *desk) tells(want ...string) {
	d.t.Helper()
	left := map[string]int{}
	var got []string
	for range want {
		got = append(got, d.told())
		left[got[len(got)-1]]++
	}
	for _, w := range want {
		left[w]--
	}
	for _, n := range left {
		if n != 0 {
			d.t.Fatalf("(-want +told)\n%s", cmp.Diff(want, got))
		}
	}
}

// quiet checks that nothing more comes, after all that has happened has passed.
func (d *desk) quiet(b *bench) {
	d.t.Helper()
	witness := b.open(Peer{Line: "1099"})
	witness.monitor("1099", nil)
	b.pbx.calls.Originated("witness", pbx.Party{Device: "1099", Own: true}, csta.Party("1"), pbx.CauseNewCall)
	next[*csta.OriginatedEvent](witness)
	b.pbx.calls.Ended("witness", pbx.CauseNormal)
	if len(d.sent) > 0 {
		d.t.Errorf("told %s", d.told())
	}
}

func inside(device string) pbx.Party { return pbx.Party{Device: device, Own: true} }

func (b *bench) talk(call string, from, to pbx.Party) {
	b.pbx.calls.Originated(call, from, csta.Party(to.Device), pbx.CauseNewCall)
	b.pbx.calls.Delivered(call, to, pbx.CauseNewCall)
	b.pbx.calls.Established(call, to, pbx.CauseNormal)
}

// What is filtered is said truly: what was asked for, and what the PBX does not
// report. A changed filter is in force for the next event.
func TestFilter(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:5660"})
	if r := d.start(&csta.MonitorStart{MonitorObject: onDevice("5660")}); r.ActualMonitorFilter != nil || r.ActualMonitorMediaClass != nil || !*r.MonitorExistingCalls {
		t.Errorf("nothing was asked for, the answer is %+v", r)
	}
	stop(t, d, "1")
	r := d.start(&csta.MonitorStart{MonitorObject: onDevice("5660"), RequestedMonitorFilter: &csta.MonitorFilter{
		Callcontrol: &csta.CallControlEvents{Delivered: yes(), Established: no(), Held: no()}, Voice: &csta.VoiceEvents{Play: no()}}})
	f := r.ActualMonitorFilter
	if c := f.Callcontrol; !*c.Delivered || *c.Established || !*c.Held || !*c.Retrieved || !*c.CallCleared || c.Diverted != nil || c.Bridged != nil {
		t.Errorf("call control: %+v", c)
	}
	if !*f.LogicalDeviceFeature.Forwarding || f.Maintenance != nil || !*f.Voice.Play {
		t.Errorf("others: %+v", f)
	}
	b.talk("a", outside, alice)
	d.tells("2 EstablishedEvent 5660@a connected")
	changed, err := csta.Call(t.Context(), d, &csta.ChangeMonitorFilter{MonitorCrossRefID: "2",
		RequestedFilterList: &csta.MonitorFilter{Callcontrol: &csta.CallControlEvents{Established: yes(), Delivered: no()}}})
	if err != nil {
		t.Fatal(err)
	}
	if c := changed.ActualFilterList.Callcontrol; *c.Delivered || !*c.Established || !*c.Held {
		t.Errorf("changed: %+v", c)
	}
	b.talk("b", outside, alice)
	d.tells("2 DeliveredEvent 5660@b alerting")
	d.quiet(b)
	_, err = d.ServeCSTA(t.Context(), &csta.ChangeMonitorFilter{MonitorCrossRefID: "1", RequestedFilterList: &csta.MonitorFilter{}})
	wantError(t, err, csta.Operation, "invalidMonitorCrossRefID")

	// A monitor of type call tells of calls and of nothing else.
	r = d.start(&csta.MonitorStart{MonitorObject: onDevice("5660"), MonitorType: "call", RequestedMonitorFilter: &csta.MonitorFilter{}})
	if f := r.ActualMonitorFilter; f.Callcontrol.CallCleared != nil || !*f.Callcontrol.Held || !*f.Maintenance.BackInService || !*f.LogicalDeviceFeature.DoNotDisturb {
		t.Errorf("of type call: %+v", f)
	}
}

func stop(t *testing.T, d *desk, id string) {
	t.Helper()
	if _, err := csta.Call(t.Context(), d, &csta.MonitorStop{MonitorCrossRefID: id}); err != nil {
		t.Error(err)
	}
}

func TestMediaClass(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:5660"})
	r := d.start(&csta.MonitorStart{MonitorObject: onDevice("5660"), RequestedMonitorMediaClass: &csta.MonitorMediaClass{Voice: yes(), Im: yes()}})
	if d := cmp.Diff(&csta.MonitorMediaClass{Voice: yes()}, r.ActualMonitorMediaClass); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	_, err := d.ServeCSTA(t.Context(), &csta.MonitorStart{MonitorObject: onDevice("5660"), RequestedMonitorMediaClass: &csta.MonitorMediaClass{Im: yes()}})
	wantError(t, err, csta.Operation, "requestIncompatibleWithMedia")
}

// One dialog has as many monitors as it may, and one more when one has ended.
func TestMonitorLimit(t *testing.T) {
	b := newBench(t, "")
	b.gw.MaxMonitors = 2
	d, other := b.open(Peer{Line: "tel:5660"}), b.open(Peer{Line: "tel:5660"})
	one := d.monitor("5660", nil)
	d.start(&csta.MonitorStart{MonitorObject: onDevice("5660"), MonitorType: "call"})
	for _, kind := range []csta.MonitorType{"", "call"} {
		_, err := d.ServeCSTA(t.Context(), &csta.MonitorStart{MonitorObject: onDevice("5660"), MonitorType: kind})
		wantError(t, err, csta.SubscribedResourceAvailability, "objectMonitorLimitExceeded")
	}
	other.monitor("5660", nil)
	stop(t, d, one)
	d.monitor("5660", nil)
	b.gw.MaxMonitors = 0
	for range maxMonitors - 2 {
		d.monitor("5660", nil)
	}
	_, err := d.ServeCSTA(t.Context(), &csta.MonitorStart{MonitorObject: onDevice("5660")})
	wantError(t, err, csta.SubscribedResourceAvailability, "objectMonitorLimitExceeded")
}

// A monitor of type call goes with the call where it goes; one of type device
// beside it does not, and each has its own filter and spelling.
func TestCallMonitor(t *testing.T) {
	b := newBench(t, plan)
	const line = "tel:+16135925660;ext=5660"
	d, other := b.open(Peer{Line: line}), b.open(Peer{Line: "5660"})
	d.monitor(line, nil)
	d.start(&csta.MonitorStart{MonitorObject: onDevice("tel:5660"), MonitorType: "call",
		RequestedMonitorFilter: &csta.MonitorFilter{Callcontrol: &csta.CallControlEvents{Established: yes()}}})
	other.start(&csta.MonitorStart{MonitorObject: onDevice("5660"), MonitorType: "call"})

	b.pbx.calls.Originated("a", outside, csta.Party("5660"), pbx.CauseNewCall)
	b.pbx.calls.Delivered("a", alice, pbx.CauseNewCall)
	d.tells("1 DeliveredEvent "+line+"@a alerting", "2 DeliveredEvent tel:5660@a")
	if ev := next[*csta.DeliveredEvent](other); ev.AlertingDevice.String() != "5660" || ev.CallingDevice.String() != "tel:+14165551234" || ev.Connection != csta.Connection("a", "5660") {
		t.Errorf("told %+v", ev)
	}
	b.pbx.calls.Diverted("a", "5660", csta.Party("5661"), "redirected")
	d.tells("1 DivertedEvent "+line+"@a null", "2 DivertedEvent tel:5660@a")
	next[*csta.DivertedEvent](other)
	b.pbx.calls.Delivered("a", inside("5661"), "redirected")
	if ev := next[*csta.DeliveredEvent](d); ev.MonitorCrossRefID != "2" || ev.AlertingDevice.String() != "tel:+16135925661" || ev.LastRedirectionDevice.NumberDialed.ID != "tel:5660" {
		t.Errorf("told %+v", ev)
	}
	b.pbx.calls.Established("a", inside("5661"), pbx.CauseNormal) // the filter of one of the two
	other.tells("1 DeliveredEvent 5661@a", "1 EstablishedEvent 5661@a")
	b.pbx.calls.Ended("a", pbx.CauseNormalClearing)
	d.tells("2 ConnectionClearedEvent trunk1@a", "2 ConnectionClearedEvent 5661@a", "2 CallClearedEvent @a")
	other.tells("1 ConnectionClearedEvent trunk1@a", "1 ConnectionClearedEvent 5661@a", "1 CallClearedEvent @a")

	// One that is stopped is told nothing more, the other is.
	b.talk("b", outside, alice)
	d.tells("1 DeliveredEvent "+line+"@b alerting", "2 DeliveredEvent tel:5660@b", "1 EstablishedEvent "+line+"@b connected")
	stop(t, d, "2")
	b.pbx.calls.Ended("b", pbx.CauseNormalClearing)
	d.tells("1 ConnectionClearedEvent trunk1@b connected", "1 ConnectionClearedEvent "+line+"@b null")
	d.quiet(b)
}

// The monitor of a call follows it through a transfer and ends with it. Its
// client is told so, and has the cross reference no more.
func TestCallObject(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:5660"})
	b.talk("a", inside("1001"), alice)
	b.talk("others", inside("1002"), inside("1003"))
	refuse := func(r *csta.MonitorStart, value string) {
		t.Helper()
		_, err := d.ServeCSTA(t.Context(), r)
		wantError(t, err, csta.Operation, value)
	}
	refuse(&csta.MonitorStart{MonitorObject: onCall("others", "")}, "invalidConnectionID")
	refuse(&csta.MonitorStart{MonitorObject: onCall("others", "1002")}, "privilegeViolationSpecifiedDevice")
	refuse(&csta.MonitorStart{MonitorObject: onCall("", "5660")}, "invalidConnectionID")
	refuse(&csta.MonitorStart{MonitorObject: onCall("a", "5660"), MonitorType: "device"}, "invalidMonitorType")
	refuse(&csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device("1002")}, MonitorType: "call"}, "privilegeViolationSpecifiedDevice")
	d.mu.Lock()
	if n := len(d.monitors); n != 0 || d.stop != nil {
		t.Errorf("%d monitors after refusals, watched: %v", n, d.stop != nil)
	}
	d.mu.Unlock()

	id := d.start(&csta.MonitorStart{MonitorObject: onCall("a", "tel:5660")}).MonitorCrossRefID
	b.talk("b", alice, inside("1003")) // not the monitored call
	b.pbx.calls.Transferred(pbx.Joining{Device: "5660", Primary: "a", Secondary: "b", Result: "b", To: csta.Party("1003"), Cause: "transfer"})
	b.pbx.calls.Cleared("b", "1001", pbx.CauseNormalClearing)
	d.tells(id+" TransferedEvent tel:5660@a", id+" ConnectionClearedEvent 1001@b")
	b.pbx.calls.Cleared("b", "1003", pbx.CauseNormalClearing)
	for _, want := range []string{"ConnectionClearedEvent 1003@b", "CallClearedEvent @b", "MonitorStop"} {
		if got := d.told(); got != id+" "+want {
			t.Fatalf("told %s, want %s", got, want)
		}
	}
	_, err := d.ServeCSTA(t.Context(), &csta.MonitorStop{MonitorCrossRefID: id})
	wantError(t, err, csta.Operation, "invalidMonitorCrossRefID")

	// A new monitor works as the first one did.
	b.talk("c", inside("1001"), alice)
	d.quiet(b)
	id = d.monitor("5660", nil)
	b.pbx.calls.Ended("c", pbx.CauseNormal)
	d.tells(id+" ConnectionClearedEvent 1001@c connected", id+" ConnectionClearedEvent 5660@c null")
	d.Close(nil)
	d.quiet(b)
}

// No event is made up for a call that is there when the monitor starts; what
// happens in it afterwards is told.
func TestExistingCalls(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:5660"})
	b.talk("a", inside("1001"), alice)
	for _, r := range []*csta.MonitorStart{{MonitorObject: onDevice("5660")}, {MonitorObject: onDevice("5660"), MonitorType: "call"}, {MonitorObject: onCall("a", "5660")}} {
		if resp := d.start(r); !*resp.MonitorExistingCalls {
			t.Errorf("answered %+v", resp)
		}
	}
	d.quiet(b)
	b.pbx.calls.Cleared("a", "1001", pbx.CauseNormalClearing)
	d.tells("1 ConnectionClearedEvent 1001@a connected", "2 ConnectionClearedEvent 1001@a", "3 ConnectionClearedEvent 1001@a")
}

// What is written of a number that was dialled stays as long as the call is
// followed.
func TestCallMonitorOfDialled(t *testing.T) {
	b := newBench(t, plan)
	const line = "tel:+16135925660"
	d := b.open(Peer{Line: line})
	d.start(&csta.MonitorStart{MonitorObject: onDevice(line), MonitorType: "call"})
	b.pbx.before = func() {
		b.pbx.calls.Originated("c1", alice, csta.Party("5661"), pbx.CauseNewCall)
	} // the PBX is quick
	if _, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device(line), CalledDirectoryNumber: csta.Device("tel:+1 (613) 592-5661")}); err != nil {
		t.Fatal(err)
	}
	next[*csta.OriginatedEvent](d)
	b.pbx.calls.Delivered("c1", inside("5661"), pbx.CauseNewCall)
	b.pbx.calls.Cleared("c1", "5660", pbx.CauseNormalClearing)
	b.pbx.calls.Established("c1", inside("5661"), pbx.CauseNormal)
	next[*csta.DeliveredEvent](d)
	next[*csta.ConnectionClearedEvent](d)
	if ev := next[*csta.EstablishedEvent](d); ev.AnsweringDevice.String() != "tel:+1 (613) 592-5661" {
		t.Errorf("answered by %s", ev.AnsweringDevice)
	}
	b.pbx.calls.Ended("c1", pbx.CauseNormalClearing)
	next[*csta.ConnectionClearedEvent](d)
	next[*csta.CallClearedEvent](d)
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.dialled); n != 0 {
		t.Errorf("%d dialled numbers are kept", n)
	}
}

// A PBX that cannot tell what is in a call has no monitors of type call.
func TestNoCallMonitors(t *testing.T) {
	b := newBench(t, "", func(p *scriptedPBX) { p.plain = true })
	d := b.open(Peer{Line: "tel:5660"})
	for _, r := range []*csta.MonitorStart{{MonitorObject: onDevice("5660"), MonitorType: "call"}, {MonitorObject: onCall("a", "5660")}} {
		_, err := d.ServeCSTA(t.Context(), r)
		wantError(t, err, csta.Operation, "monitorTypeNotSupported")
	}
	f, err := csta.Call(t.Context(), d, &csta.GetCSTAFeatures{})
	if err != nil || f.Supports(&csta.CallClearedEvent{}) || !f.Supports(&csta.ChangeMonitorFilter{}) {
		t.Errorf("%+v, %v", f, err)
	}
}

// While the PBX is away what happens in a monitored call waits, and comes when
// it is back. Monitors of type call are told of calls alone.
func TestCallMonitorPBXAway(t *testing.T) {
	b := newBench(t, "")
	d := b.open(Peer{Line: "tel:5660"})
	d.monitor("5660", nil)
	d.start(&csta.MonitorStart{MonitorObject: onDevice("5660"), MonitorType: "call"})
	b.pbx.cut <- struct{}{}
	for range 2 {
		if ev := next[csta.Event](d); *ev.CrossRef() != "1" {
			t.Errorf("told %s to monitor %s", csta.Name(ev), *ev.CrossRef())
		}
	}
	b.pbx.calls.Originated("a", outside, csta.Party("5660"), pbx.CauseNewCall)
	b.pbx.calls.Delivered("a", alice, pbx.CauseNewCall)
	d.tells("1 DeliveredEvent 5660@a alerting", "2 DeliveredEvent 5660@a")
}

// A client may look at the calls that its line is in, and at no other.
func TestSnapshotCall(t *testing.T) {
	b := newBench(t, plan)
	const line = "tel:+16135925660;ext=5660"
	d := b.open(Peer{Line: line})
	b.talk("a", outside, alice)
	b.talk("others", inside("1002"), inside("1003"))
	for _, device := range []string{line, "5660", ""} {
		r, err := csta.Call(t.Context(), d, &csta.SnapshotCall{SnapshotObject: csta.Connection("a", device)})
		if err != nil {
			t.Fatal(err)
		}
		written := device
		if device == "" {
			written = line
		}
		if r.CallingDevice.String() != "tel:+14165551234" || r.CalledDevice.String() != written {
			t.Errorf("from %s to %s", r.CallingDevice, r.CalledDevice)
		}
		want := []csta.SnapshotCallResponseInfo{
			{DeviceOnCall: csta.Party("tel:+14165551234"), CallIdentifier: csta.Connection("a", "trunk1"), LocalConnectionInfo: pbx.Connected},
			{DeviceOnCall: csta.Party(written), CallIdentifier: csta.Connection("a", written), LocalConnectionInfo: pbx.Connected},
		}
		if d := cmp.Diff(want, r.CrossRefIDorSnapshotData.SnapshotData.SnapshotCallResponseInfo, cmp.Comparer(func(a, b csta.ExtendedDeviceID) bool { return a.String() == b.String() })); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	for id, value := range map[csta.ConnectionID]string{
		{CallID: "others"}:              "invalidConnectionID",
		csta.Connection("others", line): "invalidConnectionID",
		csta.Connection("a", "1002"):    "privilegeViolationSpecifiedDevice",
		{CallID: "none"}:                "invalidConnectionID",
	} {
		_, err := d.ServeCSTA(t.Context(), &csta.SnapshotCall{SnapshotObject: id})
		wantError(t, err, csta.Operation, value)
	}
}
