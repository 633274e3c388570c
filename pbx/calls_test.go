package pbx

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rccgw/csta"
)

var update = flag.Bool("update", false, "write what the tests saw into the golden files")

// A record is what was emitted, a line for each event.
type record struct {
	t     *testing.T
	lines []string
}

func (r *record) emit(device string, msg csta.Message) {
	if err := csta.Check(msg); err != nil {
		r.t.Errorf("%s: %s is not valid: %v", device, csta.Name(msg), err)
	}
	text, err := json.Marshal(msg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.lines = append(r.lines, device+" "+csta.Name(msg)+" "+string(text))
	// Receivers own their event, and digit tables change it in place.
	spoil(msg)
}

// spoil changes all numbers of a message.
func spoil(msg csta.Message) {
	csta.Numbers(msg, func(n csta.Number) { n.ID.ID = "spoilt " + n.ID.ID })
	csta.Connections(msg, func(c *csta.ConnectionID) { c.CallID = "spoilt" })
}

type fact func(m *Calls)

func own(device string) Party { return Party{Device: device, Own: true} }

func outside(device string, number csta.ExtendedDeviceID) Party {
	return Party{Device: device, Number: number}
}

func initiated(call, device string) fact {
	return func(m *Calls) { m.Initiated(call, own(device), "makeCall") }
}

func originated(call, from, to string) fact {
	return func(m *Calls) { m.Originated(call, own(from), csta.Party(to), CauseNewCall) }
}

func delivered(call, to string) fact {
	return func(m *Calls) { m.Delivered(call, own(to), CauseNewCall) }
}

func established(call, by string) fact {
	return func(m *Calls) { m.Established(call, own(by), CauseNewCall) }
}

func held(call, device string) fact {
	return func(m *Calls) { m.Held(call, device, CauseNormal) }
}

func retrieved(call, device string) fact {
	return func(m *Calls) { m.Retrieved(call, device, CauseNormal) }
}

func failed(call, device string) fact {
	return func(m *Calls) { m.Failed(call, own(device), "busy") }
}

func cleared(call, device string) fact {
	return func(m *Calls) { m.Cleared(call, device, CauseNormalClearing) }
}

func ended(call string) fact {
	return func(m *Calls) { m.Ended(call, CauseNormalClearing) }
}

// talk is a call that was answered.
func talk(call, from, to string) []fact {
	return []fact{originated(call, from, to), delivered(call, to), established(call, to)}
}

func join(lists ...[]fact) (all []fact) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func offered(call, to string) fact {
	return func(m *Calls) { m.Offered(call, own(to), CauseNewCall) }
}

var number = csta.Party("6135550100")

func reached(call string) fact {
	return func(m *Calls) { m.NetworkReached(call, outside("T1", number), csta.Party("trunk"), CauseNewCall) }
}

// parked is a call of A and B that A parked.
var parked = join(talk("c1", "A", "B"), []fact{func(m *Calls) { m.Diverted("c1", "A", csta.Party("#900"), "park") },
	func(m *Calls) { m.Queued("c1", Party{Device: "#900", For: "A"}, "park") }})

// stories are facts and, in golden files of their names, the events of them.
var stories = []struct {
	name  string
	facts []fact
}{
	{"offered, accepted", []fact{originated("c1", "A", "B"), offered("c1", "B"), delivered("c1", "B"), established("c1", "B"), ended("c1")}},
	{"offered, answered", []fact{originated("c1", "A", "B"), offered("c1", "B"), established("c1", "B"), ended("c1")}},
	{"through a network", []fact{originated("c1", "A", "96135550100"), reached("c1"), func(m *Calls) { m.Delivered("c1", outside("T1", number), CauseNewCall) },
		func(m *Calls) { m.Established("c1", outside("T1", number), CauseNewCall) }, ended("c1")}},
	{"through a network that tells no more", []fact{originated("c1", "A", "96135550100"), reached("c1"), ended("c1")}},
	{"queued", []fact{originated("c1", "A", "600"), func(m *Calls) { m.Queued("c1", Party{Device: "600"}, "noAvailableAgents") },
		func(m *Calls) { m.Diverted("c1", "600", csta.Party("B"), "distributed") }, delivered("c1", "B"), ended("c1")}},
	{"parked, then recalled", join(parked, []fact{
		func(m *Calls) { m.Diverted("c1", "#900", csta.Party("A"), "recall") }, delivered("c1", "A"), ended("c1")})},
	{"parked, then given up", join(parked, []fact{cleared("c1", "B"), ended("c1")})},
	{"parked, then retrieved", join(parked, []fact{originated("c2", "C", "#900"),
		func(m *Calls) { m.Established("c2", Party{Device: "#900"}, "park") },
		func(m *Calls) {
			m.Transferred(Joining{Device: "#900", Primary: "c1", Secondary: "c2", Result: "c2", To: csta.Party("C"), Cause: "park"})
		}, ended("c2")})},
	{"own number withheld", join([]fact{func(m *Calls) {
		m.Originated("c1", Party{Device: "A", Number: csta.Restricted(), Own: true}, csta.Party("B"), CauseNewCall)
	}, delivered("c1", "B"), established("c1", "B"), held("c1", "A"), cleared("c1", "A"), cleared("c1", "B")})},
	{"correlated", []fact{func(m *Calls) { m.Correlate("c1", &csta.PrivateData{Text: "order 7"}) }, originated("c1", "A", "B"), delivered("c1", "B"),
		func(m *Calls) {
			m.Transferred(Joining{Device: "A", Primary: "c1", Result: "c2", To: csta.Party("C"), Cause: "singleStepTransfer"})
		}, ended("c2")}},
	{"basic", join(talk("c1", "A", "B"), []fact{held("c1", "A"), retrieved("c1", "A"), cleared("c1", "A"), cleared("c1", "B")})},
	{"prompted", []fact{initiated("c1", "A"), originated("c1", "A", "B"), delivered("c1", "B"), ended("c1")}},
	{"prompt refused", []fact{initiated("c1", "A"), cleared("c1", "A")}},
	{"busy", []fact{originated("c1", "A", "B"), failed("c1", "B"), cleared("c1", "A"), cleared("c1", "B")}},
	{"unknown number", []fact{originated("c1", "A", "99"), func(m *Calls) { m.Failed("c1", own("A"), "numberUnallocated") }, cleared("c1", "A")}},
	{"held by both", join(talk("c1", "A", "B"), []fact{held("c1", "A"), held("c1", "B"), retrieved("c1", "A"), ended("c1")})},
	{"from outside", []fact{
		func(m *Calls) {
			m.Originated("c1", outside("T1", csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "+16135550100", External: true}}), csta.Party("A"), CauseNewCall)
		},
		delivered("c1", "A"), established("c1", "A"), cleared("c1", "T1"), cleared("c1", "A")}},
	{"withheld", []fact{
		func(m *Calls) { m.Originated("c1", outside("T1", csta.Restricted()), csta.Party("A"), CauseNewCall) },
		delivered("c1", "A"), established("c1", "A"), held("c1", "A"), ended("c1")}},
	{"nothing known", []fact{
		func(m *Calls) {
			m.Originated("c1", outside("T1", csta.NotKnown()), csta.ExtendedDeviceID{}, CauseNewCall)
		},
		delivered("c1", "A"),
		func(m *Calls) { m.Diverted("c1", "A", csta.ExtendedDeviceID{}, "redirected") },
		func(m *Calls) { m.Redirected("c1", csta.ExtendedDeviceID{}) },
		delivered("c1", "B"), ended("c1")}},
	{"better number", []fact{originated("c1", "A", "B"),
		func(m *Calls) { m.Delivered("c1", Party{Device: "T1"}, CauseNewCall) },
		func(m *Calls) {
			m.Established("c1", outside("T1", csta.Party("6135550100")), CauseNewCall)
		},
		held("c1", "T1"), cleared("c1", "T1"), cleared("c1", "A")}},
	{"diverted", []fact{originated("c1", "A", "B"), delivered("c1", "B"),
		func(m *Calls) { m.Diverted("c1", "B", csta.Party("C"), "callForwardNoAnswer") },
		func(m *Calls) { m.Delivered("c1", own("C"), "callForwardNoAnswer") }, established("c1", "C"), ended("c1")}},
	{"diverted while holding", join(talk("c1", "A", "B"), []fact{held("c1", "B"),
		func(m *Calls) { m.Diverted("c1", "B", csta.Party("C"), "redirected") }, cleared("c1", "A")})},
	{"forwarded", []fact{originated("c1", "A", "B"),
		func(m *Calls) { m.Redirected("c1", csta.Party("B")) },
		func(m *Calls) { m.Delivered("c1", own("C"), "callForwardImmediate") }, established("c1", "C"), ended("c1")}},
	{"transfer", join(talk("c1", "A", "B"), []fact{held("c1", "A")}, talk("c2", "A", "C"), []fact{
		func(m *Calls) {
			m.Transferred(Joining{Device: "A", Primary: "c1", Secondary: "c2", Result: "c2", To: csta.Party("C"), Cause: "transfer"})
		},
		held("c2", "B"), ended("c2")})},
	{"transfer to a new call, of one who holds", join(talk("c1", "B", "A"), []fact{held("c1", "A"), held("c1", "B")}, []fact{originated("c2", "A", "C"), delivered("c2", "C"),
		func(m *Calls) {
			m.Transferred(Joining{Device: "A", Primary: "c1", Secondary: "c2", Result: "c3", To: csta.Party("C"), Cause: "transfer"})
		},
		established("c3", "C"), retrieved("c3", "B"), ended("c3")})},
	{"single-step transfer", join(talk("c1", "A", "B"), []fact{
		func(m *Calls) {
			m.Transferred(Joining{Device: "A", Primary: "c1", Result: "c2", To: csta.Party("C"), Cause: "singleStepTransfer"})
		},
		delivered("c2", "C"), established("c2", "C"), ended("c2")})},
	{"transfer of one with a number of its own", join(
		[]fact{func(m *Calls) {
			m.Originated("c1", Party{Device: "A", Number: csta.Party("+16135925001"), Own: true}, csta.Party("B"), CauseNewCall)
		}, delivered("c1", "B"), established("c1", "B"),
			func(m *Calls) {
				m.Transferred(Joining{Device: "A", Primary: "c1", Result: "c1", Cause: "singleStepTransfer"})
			}, ended("c1")})},
	{"transfer by the last in the call", []fact{originated("c1", "A", "B"),
		func(m *Calls) {
			m.Transferred(Joining{Device: "A", Primary: "c1", Result: "c2", To: csta.Party("C"), Cause: "transfer"})
		}}},
	{"transfers that cannot be", join(talk("c1", "A", "B"), talk("c2", "C", "D"), []fact{
		func(m *Calls) {
			for _, j := range []Joining{
				{Device: "A", Primary: "none", Result: "none"},
				{Device: "A", Primary: "c1", Secondary: "c1", Result: "c1"},
				{Device: "A", Primary: "c1", Secondary: "none", Result: "c1"},
				{Device: "A", Primary: "c1", Secondary: "c2", Result: "c2"},
				{Device: "A", Primary: "c1", Result: "c2"},
			} {
				j.Cause = "transfer"
				m.Transferred(j)
				m.Conferenced(j)
			}
		},
		ended("c1"), ended("c2")})},
	{"conference", join(talk("c1", "A", "B"), []fact{held("c1", "A")}, talk("c2", "A", "C"), []fact{
		func(m *Calls) {
			m.Conferenced(Joining{Device: "A", Primary: "c1", Secondary: "c2", Result: "c3", To: csta.Party("C"), Cause: "conference"})
		},
		held("c3", "A"), cleared("c3", "B"), ended("c3")})},
	{"single-step conference", join(talk("c1", "A", "B"), []fact{
		func(m *Calls) {
			m.Conferenced(Joining{Device: "A", Primary: "c1", Result: "c2", To: csta.Party("C"), Cause: "singleStepConference"})
		},
		delivered("c2", "C"), established("c2", "C"), ended("c2")})},
	{"what cannot be", []fact{delivered("none", "A"), established("none", "A"), held("none", "A"), retrieved("none", "A"), failed("none", "A"),
		cleared("none", "A"), ended("none"),
		func(m *Calls) { m.Diverted("none", "A", csta.Party("B"), "redirected") },
		func(m *Calls) { m.Redirected("none", csta.Party("B")) },
		originated("c1", "A", "B"), failed("c1", "B"), established("c1", "B"), held("c1", "B"), retrieved("c1", "A"), originated("c1", "B", "A"),
		initiated("c1", "A"), delivered("c1", "A"), ended("c1")}},
}

func TestStories(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			m, r := NewCalls(), &record{t: t}
			m.SetEmit(r.emit)
			for _, f := range s.facts {
				f(m)
			}
			golden(t, s.name, r.lines)
			if list := m.List(); len(list) > 0 {
				t.Errorf("calls are left: %+v", list)
			}
			if len(m.at) > 0 {
				t.Errorf("the index has %v", m.at)
			}
		})
	}
}

// golden compares lines with those of testdata.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".events")
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("events differ from %s\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

// What is told of a call without changing it.
func TestData(t *testing.T) {
	m, r := NewCalls(), &record{t: t}
	m.SetEmit(r.emit)
	for _, f := range []fact{initiated("c1", "A"), func(m *Calls) { m.Dialled("c1", "A", csta.Device("1002"), CauseNormal) }, originated("c1", "A", "1002"),
		func(m *Calls) { m.Dialled("c1", "A", csta.Device("too late"), CauseNormal) }, delivered("c1", "B"), established("c1", "B"),
		func(m *Calls) { m.Information("c1", "B", csta.HexBinary{0x12}, &csta.PrivateData{Text: "order 7"}) },
		func(m *Calls) { m.Information("c1", "A", csta.HexBinary{0x34}, nil) },
		func(m *Calls) { m.Information("none", "A", nil, nil) },
		func(m *Calls) { m.Digits("c1", "A", "12#") }, func(m *Calls) { m.Digits("c1", "C", "12#") }, ended("c1")} {
		f(m)
	}
	golden(t, "data", r.lines)
}

// A fact that is reported twice yields its events once.
func TestTwice(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			once, twice := &record{t: t}, &record{t: t}
			m := NewCalls()
			m.SetEmit(once.emit)
			for _, f := range s.facts {
				f(m)
			}
			m = NewCalls()
			m.SetEmit(twice.emit)
			for _, f := range s.facts {
				f(m)
				f(m)
			}
			if a, b := strings.Join(once.lines, "\n"), strings.Join(twice.lines, "\n"); a != b {
				t.Errorf("once:\n%s\ntwice:\n%s", a, b)
			}
		})
	}
}

// What an own device sees is what a snapshot shows: a device that only stands
// for a failure, unseen by itself, is not in a call.
func TestSnapshotDevice(t *testing.T) {
	m := NewCalls()
	for _, f := range join(talk("c1", "A", "B"), []fact{held("c1", "A")}, []fact{originated("c2", "A", "C"), delivered("c2", "C"),
		originated("c3", "D", "B"), func(m *Calls) { m.Failed("c3", Party{Device: "B"}, "busy") }}) {
		f(m)
	}
	for _, test := range []struct{ device, want string }{
		{"A", `[{"connectionIdentifier":{"callID":"c1","deviceID":"A"},"endpointDevice":{"deviceIdentifier":"B"},"localCallState":{"compoundCallState":{"localConnectionState":["hold","connected"]}}},` +
			`{"connectionIdentifier":{"callID":"c2","deviceID":"A"},"endpointDevice":{"deviceIdentifier":"C"},"localCallState":{"compoundCallState":{"localConnectionState":["connected","alerting"]}}}]`},
		{"B", `[{"connectionIdentifier":{"callID":"c1","deviceID":"B"},"endpointDevice":{"deviceIdentifier":"A"},"localCallState":{"compoundCallState":{"localConnectionState":["connected","hold"]}}}]`},
		{"E", `null`},
	} {
		shot := m.SnapshotDevice(test.device)
		if err := csta.Check(shot); err != nil {
			t.Errorf("snapshot of %s is not valid: %v", test.device, err)
		}
		got, err := json.Marshal(shot.CrossRefIDorSnapshotData.SnapshotData.SnapshotDeviceResponseInfo)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("snapshot of %s:\n got %s\nwant %s", test.device, got, test.want)
		}
	}
}

func TestFind(t *testing.T) {
	m := NewCalls()
	for _, f := range talk("c1", "A", "B") {
		f(m)
	}
	if _, _, err := m.Find(csta.Connection("c1", "C")); !isError(err, csta.Operation, "invalidConnectionID") {
		t.Errorf("unknown device: %v", err)
	}
	if _, _, err := m.Find(csta.Connection("c2", "A")); !isError(err, csta.Operation, "invalidConnectionID") {
		t.Errorf("unknown call: %v", err)
	}
	if _, _, err := m.Require(csta.Connection("c1", "A"), "noHeldCall", Hold); !isError(err, csta.StateIncompatibility, "noHeldCall") {
		t.Errorf("wrong state: %v", err)
	}
	c, conn, err := m.Require(csta.Connection("c1", "A"), "noActiveCall", Hold, Connected)
	if err != nil || conn.Device != "A" || len(c.Other("A")) != 1 {
		t.Errorf("call %+v, connection %+v, error %v", c, conn, err)
	}
	c.Connections[0].State = Fail
	if got, ok := m.Get("c1"); !ok || got.Connections[0].State != Connected {
		t.Errorf("a copy was changed and the model with it: %+v", got)
	}
	if _, ok := m.Get("c2"); ok {
		t.Error("Get found a call that is not there")
	}
}

func isError(err error, class csta.ErrorClass, value string) bool {
	e := csta.AsError(err)
	return err != nil && e.Class == class && e.Value == value
}
