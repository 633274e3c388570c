package asterisk

import (
	"testing"

	"rccgw/csta"
)

func TestMakeCall(t *testing.T) {
	b := start(t, nil)
	alice, bob := b.Baresip(t, "1001"), b.Baresip(t, "1002")
	id := b.makeCall("1001", "1002")
	alice.Wait("incoming 1002") // the phone shows whom it is about to call
	wait[*csta.ServiceInitiatedEvent](b, "1001")
	alice.Answer()
	if e := wait[*csta.OriginatedEvent](b, "1001"); e.OriginatedConnection != id || e.CalledDevice.String() != "1002" {
		t.Errorf("%+v", e)
	}
	bob.Wait("incoming 1001")
	d := wait[*csta.DeliveredEvent](b, "1002")
	if d.CallingDevice.String() != "1001" || d.CalledDevice.String() != "1002" || d.Connection.CallID != id.CallID {
		t.Errorf("%+v", d)
	}
	bob.Answer()
	wait[*csta.EstablishedEvent](b, "1001")
	wait[*csta.EstablishedEvent](b, "1002")
	do(b, &csta.ClearConnection{ConnectionToBeCleared: id})
	alice.Wait("ended")
	bob.Wait("ended")
	wait[*csta.ConnectionClearedEvent](b, "1001")
	wait[*csta.ConnectionClearedEvent](b, "1002")
	b.idle()
}
