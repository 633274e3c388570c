package csta

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every party of every event keeps its name in JSON and in copies, and shows it
// by Names; XML has no place for it.
func TestNames(t *testing.T) {
	parties := 0
	for _, empty := range Messages() {
		ev, ok := empty.(Event)
		if !ok {
			continue
		}
		ev = filled(ev, 0, 6).(Event)
		plain, err := Encode(ev, "ed6")
		if err != nil {
			t.Fatal(err)
		}
		v, want := reflect.ValueOf(ev).Elem(), []string(nil)
		for _, f := range planOf(v.Type()).fields {
			if party, ok := v.FieldByIndex(f.index).Addr().Interface().(*ExtendedDeviceID); ok {
				party.Name = "Ann of " + f.name
				want = append(want, f.name+" "+party.Name)
			}
		}
		parties += len(want)
		if body, err := Encode(ev, "ed6"); err != nil || string(body) != string(plain) {
			t.Errorf("XML with names: %s, %v, not %s", body, err, plain)
		}
		text, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		back, _ := New(Name(ev))
		if err := json.Unmarshal(text, back); err != nil {
			t.Fatal(err)
		}
		for _, got := range []Message{back, Clone(ev)} {
			if d := cmp.Diff(ev, got, sameMessage); d != "" {
				t.Errorf("%s: (-sent +got)\n%s", Name(ev), d)
			}
			if err := Check(got); err != nil {
				t.Error(err)
			}
			var names []string
			Names(got.(Event), func(element, name string) { names = append(names, element+" "+name) })
			if d := cmp.Diff(want, names); d != "" {
				t.Errorf("%s: (-want +got)\n%s", Name(ev), d)
			}
		}
	}
	if parties < 50 {
		t.Errorf("only %d parties", parties)
	}
	text, err := json.Marshal(&DeliveredEvent{CallingDevice: ExtendedDeviceID{DeviceIdentifier: Device("1001"), Name: "Ann"}})
	if err != nil || !strings.Contains(string(text), `"callingDevice":{"deviceIdentifier":"1001","name":"Ann"}`) {
		t.Errorf("%s, %v", text, err)
	}
}

// XML that has a name where JSON has it is not taken for one.
func TestNoNameInXML(t *testing.T) {
	m, _, err := Decode([]byte("<BackInServiceEvent" + ns + "><monitorCrossRefID>1</monitorCrossRefID><device><deviceIdentifier>1</deviceIdentifier><name>Ann</name></device><cause>normal</cause></BackInServiceEvent>"))
	if err != nil || m.(*BackInServiceEvent).Device != Party("1") {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestDisplayName(t *testing.T) {
	for in, want := range map[string]string{
		"Ann Other":                        "Ann Other",
		" \tAnn\r\nAction: Originate\x00 ": "AnnAction: Originate",
		"\xffAnn":                          "Ann",
		"Åsa <& \"x\">":                    "Åsa <& \"x\">",
		"16135921001":                      "16135921001",
		" ":                                "",
		strings.Repeat("é", 128):           strings.Repeat("é", 128),
		strings.Repeat("é", 129):           strings.Repeat("é", 128),
		strings.Repeat("a", 127) + " bc":   strings.Repeat("a", 127),
	} {
		if got := DisplayName(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

// A restricted party has no name, whoever gave it one.
func TestRestrictedHasNoName(t *testing.T) {
	ev := &DeliveredEvent{AlertingDevice: ExtendedDeviceID{DeviceIdentifier: Device("1"), Name: "Bob"}, CallingDevice: ExtendedDeviceID{DeviceIdentifier: Device("2"), Name: "Ann"},
		CalledDevice: ExtendedDeviceID{Restricted: true, Name: "Carol"}}
	Numbers(ev, func(n Number) { n.Withhold(n.Field == "callingDevice") })
	if ev.CallingDevice != Restricted() || ev.AlertingDevice != (ExtendedDeviceID{NotKnown: true, Name: "Bob"}) {
		t.Errorf("%+v", ev)
	}
	var names []string
	Names(ev, func(element, name string) { names = append(names, element+" "+name) })
	if d := cmp.Diff([]string{"alertingDevice Bob"}, names); d != "" {
		t.Error(d)
	}
}
