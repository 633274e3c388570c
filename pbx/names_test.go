package pbx

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rccgw/csta"
)

// named is what devices are told of names, an event a line: "A Delivered callingDevice=Ann …".
func named(t *testing.T, m *Calls) *[]string {
	lines := &[]string{}
	m.SetEmit(func(device string, msg csta.Message) {
		words := []string{device, strings.TrimSuffix(csta.Name(msg), "Event")}
		csta.Names(msg.(csta.Event), func(element, name string) { words = append(words, element+"="+name) })
		*lines = append(*lines, strings.Join(words, " "))
		// Receivers own their event.
		v := reflect.ValueOf(msg).Elem()
		for i := range v.NumField() {
			if party, ok := v.Field(i).Addr().Interface().(*csta.ExtendedDeviceID); ok {
				if party.Restricted && party.Name != "" {
					t.Errorf("%s: who is restricted has the name %q", csta.Name(msg), party.Name)
				}
				party.Name = "spoilt"
			}
		}
	})
	return lines
}

var (
	ann   = Party{Device: "A", Own: true, Name: "Ann"}
	bob   = Party{Device: "B", Own: true, Name: "Bob\n" + strings.Repeat("b", 200)}
	carol = Party{Device: "T1", Number: csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "6135550100", External: true}}, Name: "Carol"}
)

// Names go with the parties of a call. That of the called party is told from when
// it is in the call; a party that is reported without its name keeps it.
func TestNames(t *testing.T) {
	long := "Bob" + strings.Repeat("b", 125)
	m := NewCalls()
	told := named(t, m)
	check := func(want ...string) {
		t.Helper()
		if d := cmp.Diff(want, *told); d != "" {
			t.Errorf("(-want +told)\n%s", d)
		}
		*told = nil
	}
	m.Originated("c1", ann, csta.Party("B"), CauseNewCall)
	m.Delivered("c1", bob, CauseNewCall)
	m.Established("c1", own("B"), CauseNewCall)
	m.Held("c1", "A", CauseNormal)
	check("A Originated callingDevice=Ann",
		"A Delivered alertingDevice="+long+" callingDevice=Ann calledDevice="+long, "B Delivered alertingDevice="+long+" callingDevice=Ann calledDevice="+long,
		"A Established answeringDevice="+long+" callingDevice=Ann calledDevice="+long, "B Established answeringDevice="+long+" callingDevice=Ann calledDevice="+long,
		"A Held holdingDevice=Ann", "B Held holdingDevice=Ann")
	s, err := m.SnapshotCall(csta.Connection("c1", ""))
	if err != nil || s.CallingDevice.Name != "Ann" || s.CalledDevice.Name != long || s.Connections()[0].DeviceOnCall.Name != "Ann" {
		t.Errorf("%+v, %v", s, err)
	}
	if d := m.SnapshotDevice("A"); d.Connections()[0].EndpointDevice.Name != long {
		t.Errorf("%+v", d.Connections())
	}
	// What was found after a lost link lacks the names.
	m.Sync([]Call{found("c1", "A=connected", "B=connected"), found("c2", "T1=connected", "B=alerting")})
	check("A Retrieved retrievingDevice=Ann", "B Retrieved retrievingDevice=Ann", "B Delivered")
	m.Ended("c2", CauseNormal)
	*told = nil
	m.Diverted("c1", "B", csta.Party("A"), CauseNormal)
	check("A Diverted divertingDevice="+long+" callingDevice=Ann calledDevice="+long, "B Diverted divertingDevice="+long+" callingDevice=Ann calledDevice="+long)
}

// A name may be learned when the party is in the call already.
func TestNamed(t *testing.T) {
	m := NewCalls()
	told := named(t, m)
	m.Originated("c1", own("A"), csta.Party("B"), CauseNewCall)
	m.Named("c1", "A", "Ann")
	m.Named("c1", "C", "Carol")
	m.Named("c2", "A", "Carol")
	m.Delivered("c1", own("B"), CauseNewCall)
	m.Named("c1", "B", "Bob")
	m.Established("c1", own("B"), CauseNewCall)
	want := []string{"A Originated", "A Delivered callingDevice=Ann", "B Delivered callingDevice=Ann",
		"A Established answeringDevice=Bob callingDevice=Ann calledDevice=Bob", "B Established answeringDevice=Bob callingDevice=Ann calledDevice=Bob"}
	if d := cmp.Diff(want, *told); d != "" {
		t.Errorf("(-want +told)\n%s", d)
	}
}

// Who withholds the number withholds the name, but not from the own device; a
// name goes with its number.
func TestNamesWithheld(t *testing.T) {
	m := NewCalls()
	told := named(t, m)
	secret := ann
	secret.Number = csta.Restricted()
	secret.Number.Name = "Ann"
	m.Originated("c1", secret, csta.Party("B"), CauseNewCall)
	m.Delivered("c1", own("B"), CauseNewCall)
	m.Held("c1", "A", CauseNormal)
	want := []string{"A Originated callingDevice=Ann", "A Delivered", "B Delivered", "A Held holdingDevice=Ann", "B Held"}
	if d := cmp.Diff(want, *told); d != "" {
		t.Errorf("(-want +told)\n%s", d)
	}
	*told = nil
	// A number from outside may be that of a line.
	same := carol
	same.Number = csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "B", External: true}}
	m.Originated("c3", same, csta.Party("B"), CauseNewCall)
	m.Delivered("c3", own("B"), CauseNewCall)
	m.Ended("c3", CauseNormal)
	want = []string{"B Delivered callingDevice=Carol", "B ConnectionCleared releasingDevice=Carol", "B ConnectionCleared"}
	if d := cmp.Diff(want, *told); d != "" {
		t.Errorf("(-want +told)\n%s", d)
	}
	*told = nil
	m.Originated("c2", carol, csta.Party("B"), CauseNewCall)
	m.Delivered("c2", own("B"), CauseNewCall)
	other := carol
	other.Number, other.Name = csta.Party("6135550199"), "Dave"
	m.Held("c2", "T1", CauseNormal)
	m.Failed("c2", other, "busy")
	want = []string{"B Delivered callingDevice=Carol", "B Held holdingDevice=Carol", "B Failed failingDevice=Dave callingDevice=Carol"}
	if d := cmp.Diff(want, *told); d != "" {
		t.Errorf("(-want +told)\n%s", d)
	}
}
