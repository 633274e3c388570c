package csta

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
)

// fill gives every field below v that the edition has a value that its schema
// allows. Of a choice it fills the n-th alternative.
func fill(v reflect.Value, n, edition int) {
	switch x := v.Addr().Interface().(type) {
	case *DeviceID:
		*x = DeviceID{ID: "tel:+16135925660;ext=5660", Attributes: &DeviceAttributes{TypeOfNumber: "dialingNumber", BitRate: "constant"}}
		if edition >= 6 {
			x.Attributes.PrivateNumber = "true"
		}
		return
	case *LocationInfo:
		*x = LocationInfo{XML: `<l:room xmlns:l="urn:l">4.12</l:room>`}
		return
	case *PrivateData:
		if n%2 == 0 {
			*x = PrivateData{Private: `<a:b xmlns:a="urn:a">1 &amp; 2</a:b>`}
		} else {
			*x = PrivateData{Text: "a < b"}
		}
		return
	case *HexBinary:
		*x = HexBinary{0, 0xAF}
		return
	case *FeatureList:
		return // filled by the test of features
	}
	if e, ok := v.Interface().(enumeration); ok {
		values := e.values()
		if edition < 6 {
			values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return before6[s] != "" })
		}
		v.SetString(values[n%len(values)])
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n, edition)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n+i, edition)
		}
	case reflect.Struct:
		p := planOf(v.Type())
		for i, f := range p.fields {
			if (!p.choice || i == n%len(p.fields)) && f.since <= edition {
				fill(v.FieldByIndex(f.index), n, edition)
			}
		}
	case reflect.String:
		v.SetString("text & more")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(int64(n) + 1)
	}
}

func filled(empty Message, n, edition int) Message {
	m := reflect.New(reflect.TypeOf(empty).Elem()).Interface().(Message)
	if e, ok := m.(*Error); ok {
		e.Class, e.Value = Operation, enumOperationErrors[n]
		return m
	}
	fill(reflect.ValueOf(m).Elem(), n, edition)
	if r, ok := m.(*GetCSTAFeaturesResponse); ok {
		r.SupportedServices, r.SupportedEvents = &SupportedServices{}, &SupportedEvents{}
		r.SupportedServices.CallControlServList = FeatureList{{Name: "transferCall"}, {Name: "makeCall", Options: []FeatureOption{{"privateData", true}}}}
		r.SupportedEvents.LogicalEvtsList = FeatureList{{Name: "forwarding"}, {Name: "doNotDisturb"}}
	}
	return m
}

var sameMessage = cmp.Exporter(func(reflect.Type) bool { return true })

func TestRoundTrip(t *testing.T) {
	for _, empty := range Messages() {
		for n := range 8 {
			var m Message
			for _, ed := range []Edition{"ed2", "ed3", "ed4", "ed5", "ed3/privA", "ed6"} {
				m = filled(empty, n, ed.number())
				body, err := Encode(m, ed)
				if err != nil {
					t.Fatalf("%s: %v", Name(m), err)
				}
				got, gotEd, err := Decode(body)
				if err != nil {
					t.Fatalf("%s: %v\n%s", Name(m), err, body)
				}
				if gotEd != ed {
					t.Errorf("%s: edition %s, want %s", Name(m), gotEd, ed)
				}
				if _, ok := m.(*GetCSTAFeaturesResponse); !ok {
					if d := cmp.Diff(m, got, sameMessage); d != "" {
						t.Fatalf("%s: XML (-sent +got)\n%s", Name(m), d)
					}
				}
			}
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := New(Name(m))
			if err := json.Unmarshal(text, got); err != nil {
				t.Fatalf("%s: %v\n%s", Name(m), err, text)
			}
			if d := cmp.Diff(m, got, sameMessage); d != "" {
				t.Fatalf("%s: JSON (-sent +got)\n%s", Name(m), d)
			}
			if err := Check(got); err != nil {
				t.Errorf("%s: %v", Name(m), err)
			}
			if d := cmp.Diff(m, Clone(m), sameMessage); d != "" {
				t.Fatalf("%s: Clone (-sent +got)\n%s", Name(m), d)
			}
		}
	}
}

// schema is the table in testdata: the facts that documents are held against.
type schema struct {
	types map[string][]schemaElement
	enums map[string][]string
}

type schemaElement struct {
	name, item, typ string
	repeats         bool
	since           int
}

func readSchema(t *testing.T) schema {
	text, err := os.ReadFile("testdata/schema.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := schema{map[string][]schemaElement{}, map[string][]string{}}
	for line := range strings.Lines(string(text)) {
		head, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if strings.HasPrefix(line, "#") || !ok {
			head = strings.TrimSuffix(strings.TrimSpace(line), ":")
			s.types[head] = nil
			continue
		}
		if name, ok := strings.CutPrefix(head, "enum "); ok {
			s.enums[name] = strings.Fields(rest)
			continue
		}
		head, _, _ = strings.Cut(head, " ")
		var elements []schemaElement
		for _, w := range strings.Fields(rest) {
			var e schemaElement
			w, six := strings.CutSuffix(w, "@6")
			if six {
				e.since = 6
			}
			e.name, e.typ, _ = strings.Cut(w, ":")
			e.name, e.item, _ = strings.Cut(e.name, ">")
			e.repeats = strings.HasSuffix(e.name, "*")
			e.name = strings.TrimSuffix(e.name, "*")
			elements = append(elements, e)
		}
		s.types[head] = elements
	}
	return s
}

// check holds an element against its type: known children only, in order, and
// enumerated texts.
func (s schema) check(t *testing.T, el *etree.Element, typ, path string, edition int) (seen int) {
	if values, ok := s.enums[typ]; ok {
		if !slices.Contains(values, el.Text()) && (edition < 6 || !slices.Contains(values, el.Text()+"@6")) {
			t.Errorf("%s: %q is not one of %s", path, el.Text(), typ)
		}
		return 1
	}
	elements, ok := s.types[typ]
	if !ok || typ == "CSTAPrivateDataPrivate" {
		return 1
	}
	at := 0
	for _, c := range el.ChildElements() {
		i := slices.IndexFunc(elements, func(e schemaElement) bool { return e.name == c.Tag && e.since <= edition })
		if i < 0 {
			t.Errorf("%s: <%s> is not an element of %s", path, c.Tag, typ)
			continue
		}
		if i < at {
			t.Errorf("%s: <%s> is out of order in %s", path, c.Tag, typ)
		}
		at = i
		if elements[i].item == "" {
			seen += s.check(t, c, elements[i].typ, path+"/"+c.Tag, edition)
			continue
		}
		for _, item := range c.ChildElements() {
			if item.Tag != elements[i].item {
				t.Errorf("%s: <%s> in list %s of %s", path, item.Tag, c.Tag, elements[i].item)
			}
			seen += s.check(t, item, elements[i].typ, path+"/"+c.Tag, edition)
		}
	}
	return seen + 1
}

// Every message leaves with the elements of the schema, all of them, in its order.
func TestSchemaOrder(t *testing.T) {
	s := readSchema(t)
	for _, empty := range Messages() {
		name := Name(empty)
		if name == "CSTAErrorCode" || name == "GetCSTAFeaturesResponse" {
			continue
		}
		if _, ok := s.types[name]; !ok {
			t.Errorf("%s is not in testdata/schema.txt", name)
			continue
		}
		for n := range 8 {
			for _, ed := range []Edition{DefaultEdition, "ed6"} {
				// Filled with all that edition 6 has, in both editions.
				body, err := Encode(filled(empty, n, 6), ed)
				if err != nil {
					t.Fatal(err)
				}
				doc := etree.NewDocument()
				if err := doc.ReadFromBytes(body); err != nil {
					t.Fatal(err)
				}
				s.check(t, doc.Root(), name, name+" "+string(ed), ed.number())
				for _, e := range s.types[name] {
					if doc.Root().SelectElement(e.name) == nil && e.since <= ed.number() {
						t.Errorf("%s, %s: the schema's %s is not in the struct", name, ed, e.name)
					}
				}
			}
		}
	}
}

// The structs know every element and every value of the schema's types.
func TestSchemaComplete(t *testing.T) {
	s := readSchema(t)
	var visit func(t *testing.T, typ reflect.Type)
	seen := map[reflect.Type]bool{}
	visit = func(t *testing.T, typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if seen[typ] || typ == typeFeatureList || typ.Kind() != reflect.Struct {
			return
		}
		seen[typ] = true
		name := typ.Name()
		if alias, ok := map[string]string{"ExtendedDeviceID": "SubjectDeviceID", "Endpoint": "ConnectionListItemEndpoint", "AssociatedNID": "ConnectionListItemAssociatedNID",
			"SnapshotCallData": "SnapshotCallResponseCrossRefIDorSnapshotData", "SnapshotCallDataList": "SnapshotCallData", "CallMediaInfo": "CallMediaInfoListCallMediaInfo"}[name]; ok {
			name = alias
		}
		elements, ok := s.types[name]
		for i, f := range planOf(typ).fields {
			if ok && (i >= len(elements) || elements[i].name != f.name || elements[i].since != f.since) {
				t.Errorf("%s: field %d is %s, want %v", typ.Name(), i, f.name, elements)
				break
			}
			visit(t, f.typ)
		}
		if ok && len(elements) != len(planOf(typ).fields) {
			t.Errorf("%s has %d fields, the schema %d", typ.Name(), len(planOf(typ).fields), len(elements))
		}
	}
	for _, m := range Messages() {
		if _, ok := m.(*Error); !ok {
			visit(t, reflect.TypeOf(m))
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d types compared", len(seen))
	}
	for name, values := range map[string][]string{"OperationErrors": enumOperationErrors, "EventCause": enumEventCause,
		"StateIncompatibilityErrors": enumStateIncompatibilityErrors, "SystemResourceAvailabilityErrors": enumSystemResourceAvailabilityErrors,
		"LocalConnectionState": enumLocalConnectionState, "ForwardingType": enumForwardingType, "SystemStatusValue": enumSystemStatusValue} {
		var want []string
		for _, v := range s.enums[name] {
			want = append(want, strings.TrimSuffix(v, "@6"))
		}
		if d := cmp.Diff(want, values); d != "" || len(values) == 0 {
			t.Errorf("%s: (-schema +code)\n%s", name, d)
		}
	}
}

// Elements of any order mean the same.
func TestAnyOrder(t *testing.T) {
	for _, empty := range Messages() {
		if _, ok := empty.(*Error); ok {
			continue
		}
		m := filled(empty, 0, 3)
		body, err := Encode(m, DefaultEdition)
		if err != nil {
			t.Fatal(err)
		}
		doc := etree.NewDocument()
		if err := doc.ReadFromBytes(body); err != nil {
			t.Fatal(err)
		}
		root := doc.Root()
		for _, c := range slices.Backward(slices.Clone(root.ChildElements())) {
			root.RemoveChild(c)
			root.AddChild(c)
		}
		slices.Reverse(root.Child)
		root.CreateElement("somethingNew").SetText("passed over")
		reversed, err := doc.WriteToBytes()
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Decode(reversed)
		if err != nil {
			t.Fatalf("%s: %v", Name(m), err)
		}
		again, err := Encode(got, DefaultEdition)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, body) {
			t.Errorf("%s: other bytes after reordering\n%s\n%s", Name(m), body, again)
		}
	}
}

// A document that is cut anywhere (sampled where it is long) is refused, never half believed.
func TestTruncated(t *testing.T) {
	for _, empty := range Messages() {
		body, err := Encode(filled(empty, 1, 3), DefaultEdition)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(body); i += len(body)/300 + 1 {
			if _, _, err := Decode(body[:i]); err == nil {
				t.Fatalf("%s: cut at %d of %d and accepted", Name(empty), i, len(body))
			}
		}
	}
}

// A golden document per message, to read and to compare with.
func TestGolden(t *testing.T) {
	for _, empty := range Messages() {
		body, err := Encode(filled(empty, 0, 3), DefaultEdition)
		if err != nil {
			t.Fatal(err)
		}
		doc := etree.NewDocument()
		if err := doc.ReadFromBytes(body); err != nil {
			t.Fatal(err)
		}
		doc.Indent(2)
		got, err := doc.WriteToBytes()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "golden", Name(empty)+".xml")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s (-want +got)\n%s", path, d)
		}
	}
}
