package csta

import "reflect"

// filterGroups are the elements of a MonitorFilter, by the feature list of the
// events in them.
var filterGroups = map[string]string{
	"callControlEvtsList":    "callcontrol",
	"callAssociatedEvtsList": "callAssociated",
	"physDevEvtsList":        "physicalDeviceFeature",
	"logicalEvtsList":        "logicalDeviceFeature",
	"deviceMaintEvtsList":    "maintenance",
}

// filterNames are the features whose element in a MonitorFilter has another name.
var filterNames = map[string]string{"netwReached": "networkReached", "netwCapsChanged": "networkCapabilitiesChanged"}

// filterName returns the element of a MonitorFilter that stands for an event,
// and the group that it is in.
func filterName(e *entry) (group, name string) {
	name = e.feature
	if n, ok := filterNames[name]; ok {
		name = n
	}
	return filterGroups[e.list], name
}

// filtered are the events of the catalog by group and name.
var filtered = func() map[[2]string]*entry {
	m := map[[2]string]*entry{}
	for _, e := range catalog.entries {
		if e.event {
			group, name := filterName(e)
			m[[2]string{group, name}] = e
		}
	}
	return m
}()

// Filters reports whether f filters ev out: whether its owner asked not to see
// events of that kind. A nil filter filters nothing.
func (f *MonitorFilter) Filters(ev Event) bool {
	e := catalog.byType[reflect.TypeOf(ev).Elem()]
	if f == nil || e == nil {
		return false
	}
	group, name := filterName(e)
	v := reflect.ValueOf(f).Elem()
	g := planOf(v.Type()).find(group)
	if g == nil {
		return false
	}
	asked := element(v.FieldByIndex(g.index), planOf(g.typ.Elem()).find(name))
	return asked != nil && *asked
}

// element returns what a group says of an event, nil if nothing.
func element(group reflect.Value, f *field) *bool {
	if f == nil || group.IsNil() {
		return nil
	}
	b, _ := group.Elem().FieldByIndex(f.index).Interface().(*bool)
	return b
}

// Actual returns the filter that is in force where f was asked for and the
// features list the events that can be reported at all (ECMA-269 clause 15.1.1):
// true for what was asked to be filtered and for what is not reported, false for
// what was asked to be reported and is; of other events it says nothing. Of a
// nil filter it is nil.
func (f *MonitorFilter) Actual(features *GetCSTAFeaturesResponse) *MonitorFilter {
	if f == nil {
		return nil
	}
	actual := new(MonitorFilter)
	asked, answer := reflect.ValueOf(f).Elem(), reflect.ValueOf(actual).Elem()
	for _, group := range planOf(asked.Type()).fields {
		elements := reflect.New(group.typ.Elem())
		for _, el := range planOf(group.typ.Elem()).fields {
			filter := element(asked.FieldByIndex(group.index), el)
			e := filtered[[2]string{group.name, el.name}]
			reported := e != nil && features.supports(e)
			if filter == nil && (e == nil || reported) {
				continue
			}
			value := filter == nil || *filter || !reported
			elements.Elem().FieldByIndex(el.index).Set(reflect.ValueOf(&value))
			answer.FieldByIndex(group.index).Set(elements)
		}
	}
	return actual
}

// AllowsVoice reports whether a monitor of the media classes is to tell of voice
// calls: one that names other classes alone is not. A nil one is for all.
func (c *MonitorMediaClass) AllowsVoice() bool {
	if c == nil {
		return true
	}
	if c.Voice != nil {
		return *c.Voice
	}
	v := reflect.ValueOf(c).Elem()
	for _, f := range planOf(v.Type()).fields {
		if b := v.FieldByIndex(f.index); !b.IsNil() && b.Elem().Bool() {
			return false
		}
	}
	return true
}
