package asterisk

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"

	"rccgw/csta"
)

// A desk phone that is not of our making, sipp's, is answered, held, retrieved
// and cleared by the client: by NOTIFY talk and hold, as the scenario checks.
func TestSippDeskphone(t *testing.T) {
	b := start(t, func(s *Settings) { s.TalkEvent = "1003" })
	alice := b.Baresip(t, "1001")
	ctx, cancel := context.WithTimeout(t.Context(), 6*timeout)
	defer cancel()
	sipp := func(scenario string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "sipp", append([]string{b.SIPAddress(), "-sf", "testdata/sipp/" + scenario, "-i", "127.0.0.1", "-m", "1",
			"-nostdin", "-key", "phone", "1003", "-timeout", "60s", "-timeout_error"}, args...)...)
		cmd.Env = append(cmd.Environ(), "TERM=dumb")
		return cmd
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(socket.LocalAddr().String())
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := sipp("register.xml", "-key", "port", port, "-au", "1003", "-ap", "pw1003").CombinedOutput(); err != nil {
		t.Fatalf("register: %v\n%s", err, out)
	}
	var out strings.Builder
	desk := sipp("deskphone.xml", "-p", port)
	desk.Stdout, desk.Stderr = &out, &out
	if err := desk.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- desk.Wait() }()
	t.Cleanup(cancel)

	alice.Dial("1003")
	id := wait(b, "1003", func(e *csta.DeliveredEvent) bool { return e.Connection.DeviceID.ID == "1003" }).Connection
	do(b, &csta.AnswerCall{CallToBeAnswered: id})
	alice.Wait("established")
	wait(b, "1003", func(e *csta.EstablishedEvent) bool { return e.EstablishedConnection == id })
	do(b, &csta.HoldCall{CallToBeHeld: id})
	wait(b, "1003", func(e *csta.HeldEvent) bool { return e.HeldConnection == id })
	do(b, &csta.RetrieveCall{CallToBeRetrieved: id})
	wait(b, "1003", func(e *csta.RetrievedEvent) bool { return e.RetrievedConnection == id })
	do(b, &csta.ClearConnection{ConnectionToBeCleared: id})
	alice.Wait("ended")
	if err := <-ended; err != nil {
		t.Errorf("sipp: %v\n%s", err, out.String())
	}
	b.idle()
}
