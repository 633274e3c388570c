package csta

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ptr(b bool) *bool { return &b }

// Each event of the catalog has its element in the filter, by which it is
// filtered alone.
func TestFilters(t *testing.T) {
	var events []Event
	for _, m := range Messages() {
		if ev, ok := m.(Event); ok {
			events = append(events, ev)
		}
	}
	for _, ev := range events {
		group, name := filterName(catalog.byType[reflect.TypeOf(ev).Elem()])
		m, _, err := Decode([]byte(fmt.Sprintf(`<ChangeMonitorFilter xmlns="%sed3"><monitorCrossRefID>1</monitorCrossRefID>`+
			`<requestedFilterList><%s><%s>true</%[3]s></%[2]s></requestedFilterList></ChangeMonitorFilter>`, namespace, group, name)))
		if err != nil {
			t.Fatal(err)
		}
		f := m.(*ChangeMonitorFilter).RequestedFilterList
		for _, other := range events {
			if f.Filters(other) != (other == ev) {
				t.Errorf("%s/%s filters %s: %v", group, name, Name(other), f.Filters(other))
			}
		}
	}
	if (*MonitorFilter)(nil).Filters(events[0]) || new(MonitorFilter).Filters(events[0]) {
		t.Error("a filter that names nothing filters")
	}
}

func TestActualFilter(t *testing.T) {
	features := new(GetCSTAFeaturesResponse)
	features.SupportedServices, features.SupportedEvents = new(SupportedServices), new(SupportedEvents)
	for _, m := range Messages() {
		switch m.(type) {
		case *HeldEvent, *QueuedEvent, *DigitsGeneratedEvent, *BackInServiceEvent:
		default:
			if _, ok := m.(Event); ok {
				features.Add(m)
			}
		}
	}
	// Four events are not reported; nor is what the catalog has not got, of
	// which only those are told that were asked for.
	asked := &MonitorFilter{
		Callcontrol: &CallControlEvents{Delivered: ptr(true), Established: ptr(false), Held: ptr(false), Bridged: ptr(false)},
		Voice:       &VoiceEvents{Stop: ptr(true), Play: ptr(false)},
	}
	want := &MonitorFilter{
		Callcontrol:    &CallControlEvents{Delivered: ptr(true), Established: ptr(false), Held: ptr(true), Bridged: ptr(true), Queued: ptr(true)},
		CallAssociated: &CallAssociatedEvents{DigitsGenerated: ptr(true)},
		Maintenance:    &DeviceMaintenanceEvents{BackInService: ptr(true)},
		Voice:          &VoiceEvents{Stop: ptr(true), Play: ptr(true)},
	}
	if d := cmp.Diff(want, asked.Actual(features)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := (*MonitorFilter)(nil).Actual(features); got != nil {
		t.Errorf("no filter became %+v", got)
	}
}

func TestAllowsVoice(t *testing.T) {
	for _, c := range []struct {
		class *MonitorMediaClass
		want  bool
	}{
		{nil, true},
		{&MonitorMediaClass{}, true},
		{&MonitorMediaClass{Voice: ptr(true), Data: ptr(true)}, true},
		{&MonitorMediaClass{Image: ptr(false)}, true},
		{&MonitorMediaClass{Voice: ptr(false)}, false},
		{&MonitorMediaClass{Data: ptr(true)}, false},
	} {
		if got := c.class.AllowsVoice(); got != c.want {
			t.Errorf("%+v: %v", c.class, got)
		}
	}
}

// The copy says all but the state of the reporting device.
func TestWithoutLocalConnection(t *testing.T) {
	for _, m := range Messages() {
		ev, ok := m.(Event)
		if !ok {
			continue
		}
		ev = filled(ev, 0, 6).(Event)
		state, call := LocalConnection(ev)
		bare := WithoutLocalConnection(ev)
		if s, c := LocalConnection(bare); s != "" || c != call {
			t.Errorf("%s: %s in call %s", Name(ev), s, c)
		}
		if s, _ := LocalConnection(ev); s != state {
			t.Errorf("%s: the event itself was changed", Name(ev))
		}
		if f := planOf(reflect.TypeOf(ev).Elem()).find("localConnectionInfo"); f != nil {
			reflect.ValueOf(bare).Elem().FieldByIndex(f.index).SetString(string(state))
		}
		if d := cmp.Diff(ev, bare, sameMessage); d != "" {
			t.Errorf("%s: (-event +copy)\n%s", Name(ev), d)
		}
	}
}
