package csta

import (
	"encoding/json"
	"errors"
	"flag"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

const ns = ` xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"`

func TestDecodeRefuses(t *testing.T) {
	syntax := func(err error) bool {
		var e *SyntaxError
		return errors.As(err, &e)
	}
	value := func(want string, texts ...string) func(error) bool {
		return func(err error) bool {
			var e *Error
			if !errors.As(err, &e) || e.Value != want {
				return false
			}
			for _, text := range texts {
				if !strings.Contains(e.Detail, text) {
					return false
				}
			}
			return true
		}
	}
	for name, c := range map[string]struct {
		body string
		want func(error) bool
	}{
		"empty":              {"", syntax},
		"blank":              {" \r\n", syntax},
		"not XML":            {"MakeCall", syntax},
		"two roots":          {"<GetCSTAFeatures" + ns + "/><GetCSTAFeatures" + ns + "/>", syntax},
		"text after":         {"<GetCSTAFeatures" + ns + "/>x", syntax},
		"DOCTYPE":            {`<!DOCTYPE a [<!ENTITY b "c">]><GetCSTAFeatures` + ns + `/>`, syntax},
		"entity":             {"<MakeCall" + ns + "><callingDevice>&b;</callingDevice></MakeCall>", syntax},
		"unclosed":           {"<GetCSTAFeatures" + ns + ">", syntax},
		"no namespace":       {"<GetCSTAFeatures/>", syntax},
		"other namespace":    {`<GetCSTAFeatures xmlns="urn:x"/>`, syntax},
		"edition 1":          {strings.Replace("<GetCSTAFeatures"+ns+"/>", "ed3", "ed1", 1), syntax},
		"edition 7":          {strings.Replace("<GetCSTAFeatures"+ns+"/>", "ed3", "ed7", 1), syntax},
		"edition 30":         {strings.Replace("<GetCSTAFeatures"+ns+"/>", "ed3", "ed30", 1), syntax},
		"too deep":           {"<GetCSTAFeatures" + ns + ">" + strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40) + "</GetCSTAFeatures>", syntax},
		"too large":          {"<GetCSTAFeatures" + ns + ">" + strings.Repeat(" ", MaxBody) + "</GetCSTAFeatures>", func(err error) bool { return errors.Is(err, ErrTooLarge) }},
		"unknown encoding":   {`<?xml version="1.0" encoding="x-klingon"?><GetCSTAFeatures` + ns + "/>", syntax},
		"unknown message":    {"<MakeCoffee" + ns + "/>", value("invalidMsgID", "MakeCoffee")},
		"missing element":    {"<MakeCall" + ns + "><callingDevice>1</callingDevice></MakeCall>", value("invalidParameterValue", "calledDirectoryNumber", "missing")},
		"empty element":      {"<MakeCall" + ns + "><callingDevice/><calledDirectoryNumber>1</calledDirectoryNumber></MakeCall>", value("invalidParameterValue", "callingDevice")},
		"repeated element":   {"<MakeCall" + ns + "><callingDevice>1</callingDevice><callingDevice>2</callingDevice></MakeCall>", value("invalidParameterValue", "callingDevice")},
		"bad enumeration":    {"<MakeCall" + ns + "><callingDevice>1</callingDevice><calledDirectoryNumber>2</calledDirectoryNumber><autoOriginate>maybe</autoOriginate></MakeCall>", value("invalidParameterValue", "autoOriginate", "maybe")},
		"bad boolean":        {"<SetDoNotDisturb" + ns + "><device>1</device><doNotDisturbOn>perhaps</doNotDisturbOn></SetDoNotDisturb>", value("invalidParameterValue", "doNotDisturbOn", "perhaps")},
		"bad number":         {"<SetForwarding" + ns + "><device>1</device><activateForward>1</activateForward><ringCount>x</ringCount></SetForwarding>", value("invalidParameterValue", "ringCount", `"x"`)},
		"bad octets":         {"<MakeCall" + ns + "><callingDevice>1</callingDevice><calledDirectoryNumber>2</calledDirectoryNumber><accountCode>0g</accountCode></MakeCall>", value("invalidParameterValue", "accountCode", "0g")},
		"control character":  {"<MakeCall" + ns + "><callingDevice>1</callingDevice><calledDirectoryNumber>2&#13;&#10;Action: x</calledDirectoryNumber></MakeCall>", value("invalidParameterValue", "calledDirectoryNumber", "control")},
		"control in callID":  {"<AnswerCall" + ns + "><callToBeAnswered><callID>a&#10;b</callID></callToBeAnswered></AnswerCall>", value("invalidParameterValue", "callID")},
		"empty connection":   {"<AnswerCall" + ns + "><callToBeAnswered/></AnswerCall>", value("invalidParameterValue", "callToBeAnswered")},
		"both of a choice":   {"<MonitorStart" + ns + "><monitorObject><deviceObject>1</deviceObject><callObject><callID>1</callID></callObject></monitorObject></MonitorStart>", value("invalidParameterValue", "monitorObject", "exactly one")},
		"none of a choice":   {"<MonitorStart" + ns + "><monitorObject/></MonitorStart>", value("invalidParameterValue", "monitorObject")},
		"foreign namespaces": {`<MakeCall` + ns + `><callingDevice xmlns="urn:x">1</callingDevice><calledDirectoryNumber>2</calledDirectoryNumber></MakeCall>`, value("invalidParameterValue", "callingDevice", "missing")},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Decode([]byte(c.body))
			if err == nil || !c.want(err) {
				t.Errorf("got error %T %v", err, err)
			}
		})
	}
}

func TestDecodeTolerates(t *testing.T) {
	const plain = "<MakeCall" + ns + "><callingDevice>tel:1001;phone-context=dialstring</callingDevice><calledDirectoryNumber>é1002</calledDirectoryNumber></MakeCall>"
	for name, body := range map[string]string{
		"as it is":      plain,
		"declaration":   `<?xml version="1.0" encoding="utf-8"?>` + plain,
		"BOM":           "\ufeff" + plain,
		"final NULs":    plain + "\x00\x00",
		"comments":      "<!-- a -->" + plain + "\n<!-- b -->\n",
		"white space":   strings.NewReplacer("<calling", "\n\t<calling", ">tel", ">\r\n tel", "string<", "string \n<").Replace(plain),
		"prefix":        strings.NewReplacer("xmlns=", "xmlns:c=", "<MakeCall", "<c:MakeCall", "</MakeCall", "</c:MakeCall", "<call", "<c:call", "</call", "</c:call").Replace(plain),
		"ISO-8859-1":    `<?xml version="1.0" encoding="ISO-8859-1"?>` + strings.ReplaceAll(plain, "é", "\xe9"),
		"unknown parts": strings.Replace(plain, "<calledD", `<new><callingDevice>no</callingDevice></new><x:callingDevice xmlns:x="urn:x">no</x:callingDevice><calledD`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			m, ed, err := Decode([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			mc := m.(*MakeCall)
			if mc.CallingDevice.ID != "tel:1001;phone-context=dialstring" || mc.CalledDirectoryNumber.ID != "é1002" || ed != "ed3" {
				t.Errorf("got %+v in %s", mc, ed)
			}
		})
	}
	m, _, err := Decode([]byte("<TransferredEvent" + ns + "><primaryOldCall><callID>1</callID></primaryOldCall><transferringDevice><deviceIdentifier>1</deviceIdentifier></transferringDevice><transferredToDevice><notKnown/></transferredToDevice><transferredConnections/><cause>transfer</cause></TransferredEvent>"))
	if _, ok := m.(*TransferedEvent); !ok {
		t.Errorf("the right spelling gave %T, %v", m, err)
	}
}

// Private data means the same wherever it ends up.
func TestPrivateData(t *testing.T) {
	const body = `<c:RequestSystemStatus xmlns:c="http://www.ecma-international.org/standards/ecma-323/csta/ed3" xmlns:lcs="urn:lcs" xmlns="urn:default">` +
		`<c:extensions><c:privateData><c:private><lcs:line a="1" lcs:b="2">tel:1001</lcs:line><other><lcs:x/></other></c:private></c:privateData></c:extensions></c:RequestSystemStatus>`
	const want = `<lcs:line a="1" lcs:b="2" xmlns:lcs="urn:lcs">tel:1001</lcs:line><other xmlns="urn:default" xmlns:lcs="urn:lcs"><lcs:x/></other>`
	m, _, err := Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Arguments().PrivateData.Private; got != want {
		t.Errorf("from XML\n got %s\nwant %s", got, want)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	back := &RequestSystemStatus{}
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	out, err := Encode(back, "ed4")
	if err != nil {
		t.Fatal(err)
	}
	m, ed, err := Decode(out)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Arguments().PrivateData.Private; got != want || ed != "ed4" {
		t.Errorf("after JSON and XML\n got %s\nwant %s", got, want)
	}
	if _, err := Encode(&RequestSystemStatus{Common: Common{Extensions: &CSTACommonArguments{PrivateData: &PrivateData{Private: "<a>"}}}}, "ed3"); err == nil {
		t.Error("private data that is not XML was encoded")
	}
}

func TestError(t *testing.T) {
	e := Errorf(StateIncompatibility, "noActiveCall", "line %q", "1001")
	body, err := Encode(e, "ed3")
	if err != nil {
		t.Fatal(err)
	}
	if want := "<stateIncompatibility>noActiveCall</stateIncompatibility>"; !strings.Contains(string(body), want) {
		t.Errorf("%s does not contain %s", body, want)
	}
	m, _, err := Decode(body)
	if got, ok := m.(*Error); err != nil || !ok || !errors.Is(got, e) {
		t.Errorf("got %v, %v", m, err)
	}
	text, err := json.Marshal(e)
	if err != nil || string(text) != `{"detail":"line \"1001\"","stateIncompatibility":"noActiveCall"}` {
		t.Errorf("JSON %s, %v", text, err)
	}
	if m, _, err := Decode([]byte("<CSTAErrorCode" + ns + "><systemResourceAvailability>resourceBusy</systemResourceAvailability></CSTAErrorCode>")); err != nil || m.(*Error).Class != SystemResourceAvailability {
		t.Errorf("the right spelling gave %v, %v", m, err)
	}
	if got := AsError(errors.New("x")); got.Value != "generic" || got.Detail != "x" {
		t.Errorf("AsError gave %v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a value that the schema does not have was accepted")
		}
	}()
	_ = Errorf(Operation, "noSuchValue", "")
}

func FuzzDecode(f *testing.F) {
	for _, m := range Messages() {
		body, err := Encode(filled(m, 0, 3), DefaultEdition)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`<!DOCTYPE a><a/>`))
	f.Add([]byte("\ufeff<a xmlns='x'/>\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, ed, err := Decode(body)
		if err != nil {
			return
		}
		out, err := Encode(m, ed)
		if err != nil {
			t.Fatalf("decoded but not encoded: %v\n%s", err, body)
		}
		again, _, err := Decode(out)
		if err != nil {
			t.Fatalf("encoded but not decoded: %v\n%s", err, out)
		}
		out2, err := Encode(again, ed)
		if err != nil || string(out2) != string(out) {
			t.Fatalf("not stable: %v\n%s\n%s", err, out, out2)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body, err := Encode(delivered(), DefaultEdition)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m := delivered()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(m, DefaultEdition); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	m := delivered()
	b.ReportAllocs()
	for b.Loop() {
		text, err := json.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		if err := json.Unmarshal(text, &DeliveredEvent{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClone(b *testing.B) {
	m := delivered()
	b.ReportAllocs()
	for b.Loop() {
		Clone(m)
	}
}

func delivered() *DeliveredEvent {
	return &DeliveredEvent{Monitored: Monitored{"1"}, Connection: Connection("4711", "1002"), AlertingDevice: Party("tel:+16135925660"),
		CallingDevice: Party("tel:+16135925661"), CalledDevice: Party("tel:+16135925660"),
		LastRedirectionDevice: RedirectionDeviceID{NotRequired: true}, LocalConnectionInfo: "alerting", Cause: "newCall"}
}

// What edition 6 has more is written in it alone, and read in every edition.
func TestEdition6(t *testing.T) {
	deflect := &DeflectCall{CallToBeDiverted: Connection("1", "5660"), NewDestination: Device("tel:+4989")}
	for ed, want := range map[Edition]string{
		"ed3": "<newDestination>tel:+4989</newDestination>",
		"ed6": "<newDestination><device>tel:+4989</device></newDestination>",
	} {
		body, err := Encode(deflect, ed)
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v\n%s\nlacks %s", ed, err, body, want)
		}
		got, _, err := Decode(body)
		if err != nil || got.(*DeflectCall).NewDestination.ID != "tel:+4989" {
			t.Errorf("%s: %v, %v", ed, got, err)
		}
	}
	two := `<DeflectCall xmlns="` + namespace + `ed6"><callToBeDiverted><callID>1</callID></callToBeDiverted>` +
		`<newDestination><device>1</device><device>2</device></newDestination></DeflectCall>`
	if _, _, err := Decode([]byte(two)); !errors.Is(err, &Error{Class: Operation, Value: "invalidParameterValue"}) || !strings.Contains(err.Error(), "newDestination") {
		t.Errorf("two destinations: %v", err)
	}

	for ed, want := range map[Edition]string{"ed3": ">normal<", "ed4": ">normal<", "ed6": ">lawfulInterception<"} {
		ev := &ConnectionClearedEvent{Monitored: Monitored{"7"}, DroppedConnection: Connection("1", "5660"), ReleasingDevice: Party("5660"),
			Cause: "lawfulInterception", LocationInfoList: []LocationInfo{{XML: "<room>4</room>"}}}
		body, err := Encode(ev, ed)
		if err != nil || !strings.Contains(string(body), want) || strings.Contains(string(body), "room") != (ed == "ed6") {
			t.Errorf("%s: %v\n%s", ed, err, body)
		}
	}
	full := &Error{Class: SystemResourceAvailability, Value: "maxDevicesExceeded"}
	for ed, want := range map[Edition]string{"ed3": "conferenceMemberLimitExceeded", "ed6": "maxDevicesExceeded"} {
		if body, err := Encode(full, ed); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v\n%s", ed, err, body)
		}
	}
}
