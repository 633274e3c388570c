package bus

import (
	"testing"

	"rccgw/csta"
	"rccgw/digitmod"
)

// A number that is shown as it was dialled loses the digits that gave access to
// the trunk; the same digits of a caller are his number.
func TestDialledNumbers(t *testing.T) {
	plan, err := digitmod.Parse([]byte(`{ars: "9", internal: {maxLength: 4}, incoming: [{length: 10, replacement: "1", addPlus: true}]}`))
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
