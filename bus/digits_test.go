package bus

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rccgw/csta"
	"rccgw/digitmod"
)

// A number that is shown as it was dialled loses the digits that gave access to
// the trunk; the same digits of a caller are his number. It is no forward target,
// whose table may be another.
func TestDialledNumbers(t *testing.T) {
	plan, err := digitmod.Parse([]byte(`{ars: "9", internal: {maxLength: 4}, incoming: [{length: 10, replacement: "1", addPlus: true}], forward: [{leading: "", replacement: "0"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   csta.DeviceID
		want string
	}{
		{csta.DeviceID{ID: "96135550100", External: true, Dialled: true}, "+16135550100"},
		{csta.DeviceID{ID: "9613555010", External: true}, "+19613555010"},
		{csta.DeviceID{ID: "9002", Dialled: true}, "9002"},
	} {
		ev := &csta.OriginatedEvent{CalledDevice: csta.ExtendedDeviceID{DeviceIdentifier: c.id}}
		digits{plan}.message(ev, own{})
		if got := ev.CalledDevice.String(); got != c.want {
			t.Errorf("%+v is shown as %s, want %s", c.id, got, c.want)
		}
	}
}

// delivered is an event with a party of each kind.
func delivered() *csta.DeliveredEvent {
	return &csta.DeliveredEvent{
		AlertingDevice:        csta.Party("5660"),
		CallingDevice:         csta.Restricted(),
		CalledDevice:          csta.NotKnown(),
		LastRedirectionDevice: csta.RedirectionDeviceID{NumberDialed: csta.Device("5661")},
		NetworkCallingDevice:  csta.Party("anonymous"),
		NetworkCalledDevice:   csta.Party("unknown"),
	}
}

func TestDigitsOfAnEvent(t *testing.T) {
	const table = `
incoming: [{length: 4, replacement: "1613592", addPlus: true}]
`
	redirected := func(id string) csta.RedirectionDeviceID {
		return csta.RedirectionDeviceID{NumberDialed: csta.Device(id)}
	}
	for _, tt := range []struct {
		name, plan string
		want       csta.DeliveredEvent
	}{
		{"one table", "", csta.DeliveredEvent{
			CallingDevice: csta.Restricted(), CalledDevice: csta.NotKnown(), LastRedirectionDevice: redirected("+16135925661"),
			NetworkCallingDevice: csta.Restricted(), NetworkCalledDevice: csta.NotKnown()}},
		{"redirecting numbers of their own", `redirecting: [{length: 4, replacement: "4420"}]`, csta.DeliveredEvent{
			CallingDevice: csta.Restricted(), CalledDevice: csta.NotKnown(), LastRedirectionDevice: redirected("44205661"),
			NetworkCallingDevice: csta.Restricted(), NetworkCalledDevice: csta.NotKnown()}},
		{"text for withheld numbers", `restricted: nobody`, csta.DeliveredEvent{
			CallingDevice: csta.Party("nobody"), CalledDevice: csta.NotKnown(), LastRedirectionDevice: redirected("+16135925661"),
			NetworkCallingDevice: csta.Party("nobody"), NetworkCalledDevice: csta.NotKnown()}},
		{"text for unknown numbers", `notKnown: "000"`, csta.DeliveredEvent{
			CallingDevice: csta.Restricted(), CalledDevice: csta.Party("000"), LastRedirectionDevice: redirected("+16135925661"),
			NetworkCallingDevice: csta.Restricted(), NetworkCalledDevice: csta.Party("000")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan, err := digitmod.Parse([]byte(table + tt.plan))
			if err != nil {
				t.Fatal(err)
			}
			got := delivered()
			digits{plan}.message(got, own{})
			tt.want.AlertingDevice = csta.Party("+16135925660")
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

// Names are not translated, though they may look like numbers; a party whose
// number the plan withholds has none.
func TestDigitsLeaveNames(t *testing.T) {
	plan, err := digitmod.Parse([]byte(`{ars: "9", restricted: nobody, notKnown: "000", incoming: [{length: 4, replacement: "1613592", addPlus: true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	party := func(d csta.ExtendedDeviceID, name string) csta.ExtendedDeviceID {
		d.Name = name
		return d
	}
	ev := &csta.DeliveredEvent{AlertingDevice: party(csta.Party("5660"), "5660"), CallingDevice: party(csta.Party("anonymous"), "5661"), CalledDevice: party(csta.NotKnown(), "5662"),
		AssociatedCallingDevice: party(csta.Restricted(), "5663"), NetworkCallingDevice: party(csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "95664", Dialled: true, External: true}}, "95664")}
	digits{plan}.message(ev, own{line: "+16135925660", device: "5660"})
	want := &csta.DeliveredEvent{AlertingDevice: party(csta.Party("+16135925660"), "5660"), CallingDevice: csta.Party("nobody"), CalledDevice: party(csta.Party("000"), "5662"),
		AssociatedCallingDevice: csta.Party("nobody"), NetworkCallingDevice: party(csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: "+16135925664", Dialled: true, External: true}}, "95664")}
	if diff := cmp.Diff(want, ev); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// That a call was not redirected is not a caller without number.
func TestDigitsOfNoRedirection(t *testing.T) {
	plan, err := digitmod.Parse([]byte(`{restricted: nobody, notKnown: nobody}`))
	if err != nil {
		t.Fatal(err)
	}
	ev := &csta.DeliveredEvent{LastRedirectionDevice: csta.RedirectionDeviceID{NotKnown: true}}
	digits{plan}.message(ev, own{})
	if !ev.LastRedirectionDevice.NotKnown || ev.LastRedirectionDevice.NumberDialed.ID != "" {
		t.Errorf("%+v", ev.LastRedirectionDevice)
	}
}
