package pbx_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"rccgw/csta"
	"rccgw/pbx"
)

// A Doorman is the driver of a small PBX that speaks lines of text. It says what
// calls it has, "call ID FROM TO STATE", then "ready"; later "ring ID FROM TO",
// "answer ID DEVICE" and "end ID". It takes "dial ID FROM TO" and "drop ID".
type Doorman struct {
	Connect func(ctx context.Context) (net.Conn, error)

	calls *pbx.Calls
	mu    sync.Mutex
	conn  net.Conn // nil: no link
}

func NewDoorman(connect func(ctx context.Context) (net.Conn, error)) *Doorman {
	return &Doorman{Connect: connect, calls: pbx.NewCalls()}
}

// Services registers what the PBX can do. Nothing else is offered to clients.
func (d *Doorman) Services(m *csta.Mux) {
	csta.Handle(m, d.makeCall)
	csta.Handle(m, d.clearConnection)
	csta.Handle(m, func(_ context.Context, req *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
		return d.calls.SnapshotDevice(req.SnapshotObject.ID), nil
	})
	csta.Reports(m, &csta.OriginatedEvent{}, &csta.DeliveredEvent{}, &csta.EstablishedEvent{}, &csta.ConnectionClearedEvent{})
}

// Run is one link to the PBX, from the first line to the last.
func (d *Doorman) Run(ctx context.Context, emit pbx.Emit) error {
	conn, err := d.Connect(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer d.link(nil)
	d.calls.SetEmit(emit)
	var found []pbx.Call // until "ready"
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		w := append(strings.Fields(lines.Text()), "", "", "", "", "")
		switch w[0] {
		case "call":
			found = append(found, pbx.Call{ID: w[1], Calling: csta.Party(w[2]), Called: csta.Party(w[3]), Connections: []pbx.Connection{
				{Party: own(w[2]), State: pbx.Connected}, {Party: own(w[3]), State: csta.LocalConnectionState(w[4])}}})
		case "ready":
			d.calls.Sync(found) // tells the difference to what was told before the link was lost
			d.link(conn)
			emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
		case "ring":
			d.calls.Originated(w[1], own(w[2]), csta.Party(w[3]), pbx.CauseNewCall)
			d.calls.Delivered(w[1], own(w[3]), pbx.CauseNewCall)
		case "answer":
			d.calls.Established(w[1], own(w[2]), pbx.CauseNewCall)
		case "end":
			d.calls.Ended(w[1], pbx.CauseNormalClearing)
		}
	}
	return errors.Join(errors.New("the PBX closed the connection"), lines.Err())
}

func own(device string) pbx.Party { return pbx.Party{Device: device, Own: true} }

func (d *Doorman) link(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = conn
}

// send writes a command, if this process may.
func (d *Doorman) send(ctx context.Context, format string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "there is no link to the PBX")
	}
	if err := pbx.CheckLease(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.conn, format+"\n", args...)
	return err
}

func (d *Doorman) makeCall(ctx context.Context, req *csta.MakeCall) (*csta.MakeCallResponse, error) {
	from, to := req.CallingDevice.ID, req.CalledDirectoryNumber.ID
	if to == "" || strings.Trim(to, "0123456789*#") != "" { // nothing but digits gets into a line
		return nil, csta.Errorf(csta.Operation, "invalidCalledDeviceID", "calledDirectoryNumber %q is not dialled here", to)
	}
	call := "rcc-" + csta.CommandKey(ctx) // a repetition is the same call
	if err := d.send(ctx, "dial %s %s %s", call, from, to); err != nil {
		return nil, err
	}
	return &csta.MakeCallResponse{CallingDevice: csta.Connection(call, from)}, nil
}

func (d *Doorman) clearConnection(ctx context.Context, req *csta.ClearConnection) (*csta.ClearConnectionResponse, error) {
	call, _, err := d.calls.Find(req.ConnectionToBeCleared) // else operation/invalidConnectionID
	if err != nil {
		return nil, err
	}
	return &csta.ClearConnectionResponse{}, d.send(ctx, "drop %s", call.ID)
}

// A whole driver. The PBX of this example has a call already, gets another by
// MakeCall and loses both.
func ExampleDriver() {
	ours, theirs := net.Pipe()
	d := NewDoorman(func(context.Context) (net.Conn, error) { return ours, nil })
	var m csta.Mux
	d.Services(&m)

	up := make(chan bool)
	var running sync.WaitGroup
	running.Go(func() {
		err := d.Run(context.Background(), func(device string, msg csta.Message) {
			if ev, ok := msg.(csta.Event); ok {
				state, call := csta.LocalConnection(ev)
				fmt.Println(device, csta.Name(ev), call, state)
				return
			}
			close(up)
		})
		fmt.Println("link lost:", err)
	})
	fmt.Fprint(theirs, "call 7 101 102 alerting\nready\n")
	<-up

	from, said := bufio.NewScanner(theirs), make(chan bool)
	running.Go(func() {
		_, err := csta.Call(csta.WithCommandKey(context.Background(), "k1"), &m,
			&csta.MakeCall{CallingDevice: csta.Device("103"), CalledDirectoryNumber: csta.Device("104")})
		<-said
		fmt.Println("MakeCall:", err)
		fmt.Fprint(theirs, "ring rcc-k1 103 104\nanswer rcc-k1 104\nend rcc-k1\nend 7\n")
		theirs.Close()
	})
	from.Scan()
	fmt.Println("the PBX is told:", from.Text())
	close(said)
	_, _ = io.Copy(io.Discard, theirs)
	running.Wait()
	_, err := csta.Call(context.Background(), &m, &csta.AnswerCall{})
	fmt.Println("AnswerCall:", csta.AsError(err).Value)

	// Output:
	// 101 OriginatedEvent 7 connected
	// 101 DeliveredEvent 7 connected
	// 102 DeliveredEvent 7 alerting
	// the PBX is told: dial rcc-k1 103 104
	// MakeCall: <nil>
	// 103 OriginatedEvent rcc-k1 connected
	// 103 DeliveredEvent rcc-k1 connected
	// 104 DeliveredEvent rcc-k1 alerting
	// 103 EstablishedEvent rcc-k1 connected
	// 104 EstablishedEvent rcc-k1 connected
	// 103 ConnectionClearedEvent rcc-k1 null
	// 104 ConnectionClearedEvent rcc-k1 connected
	// 104 ConnectionClearedEvent rcc-k1 null
	// 101 ConnectionClearedEvent 7 null
	// 102 ConnectionClearedEvent 7 alerting
	// 102 ConnectionClearedEvent 7 null
	// link lost: the PBX closed the connection
	// AnswerCall: serviceNotSupported
}
