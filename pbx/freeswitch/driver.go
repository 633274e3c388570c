// Package freeswitch is the driver of FreeSWITCH, over its event socket.
//
// A Driver follows the channels of the PBX, which it gets by a list and by events
// after it, and tells the call model of package pbx what becomes of the parties.
// Commands are FreeSWITCH's API commands.
//
// # Calls
//
// A callID is the UUID of the channel that leads the call: the one that has the
// dialplan. Every channel of the call has it as Channel-Call-UUID, in events and in
// lists. A call that comes of a transfer has a callID of its own, which the driver keeps in the
// channel variable rcc_call. So another driver finds the same callIDs.
//
// # Order
//
// Events of the PBX and commands that change calls take turns. A command keeps its
// turn until the PBX has answered and the call model has been told, so that the
// events which it causes are handled after it.
//
// # What may be lost
//
// FreeSWITCH drops events silently for a listener that is slow, and what it lists
// may be older than its events. Each event says all about its channel, so that the
// next one heals what was lost; where numbers are missing the list is compared.
package freeswitch

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/freeswitch/esl"
)

// A Driver is one link to one FreeSWITCH. Its handlers may be called by many
// goroutines at once.
type Driver struct {
	config
	log   *slog.Logger
	calls *pbx.Calls
	turn  pbx.Turn // holds a token while somebody has the turn; guards all below

	conn      *esl.Conn              // nil while there is no link
	channels  map[string]*channel    // by UUID
	ended     map[string]time.Time   // UUIDs of channels that a list may still have
	making    map[string]*pbx.Making // by UUID, until the PBX has said that it calls the phone
	lingering map[string]lingering   // by callID
	additions map[string]addition    // by UUID of the channel that calls the party
	emit      pbx.Emit
	mayAct    func() bool          // whether this process may act for the PBX, by the lease of the link
	fresh     time.Duration        // how long what FreeSWITCH lists may be behind its events
	doubts    map[string]time.Time // since when the list says otherwise, by UUID
	suspect   bool                 // an event may have been lost
}

// New returns a driver with the settings, or all their mistakes. It opens
// nothing.
func New(s Settings, log *slog.Logger) (*Driver, error) {
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	return &Driver{config: c, log: log, calls: pbx.NewCalls(), turn: pbx.NewTurn(), channels: map[string]*channel{},
		ended: map[string]time.Time{}, making: map[string]*pbx.Making{}, lingering: map[string]lingering{}, additions: map[string]addition{}, doubts: map[string]time.Time{},
		fresh: 500 * time.Millisecond}, nil
}

// Services registers what the driver does.
func (d *Driver) Services(m *csta.Mux) {
	csta.Handle(m, d.makeCall)
	csta.Handle(m, d.answerCall, d.talk.Match)
	csta.Handle(m, d.clearConnection)
	csta.Handle(m, d.holdCall)
	csta.Handle(m, d.retrieveCall)
	csta.Handle(m, d.consultationCall, d.autoAnswer.Match)
	csta.Handle(m, d.alternateCall)
	csta.Handle(m, d.reconnectCall)
	csta.Handle(m, d.transferCall)
	csta.Handle(m, d.singleStepTransferCall)
	csta.Handle(m, d.deflectCall)
	csta.Handle(m, d.clearCall)
	csta.Handle(m, d.generateDigits)
	csta.Handle(m, d.snapshotDevice)
	csta.Handle(m, d.snapshotCall)
	csta.Reports(m, &csta.ServiceInitiatedEvent{}, &csta.OriginatedEvent{}, &csta.DeliveredEvent{}, &csta.EstablishedEvent{},
		&csta.HeldEvent{}, &csta.RetrievedEvent{}, &csta.DivertedEvent{}, &csta.TransferedEvent{}, &csta.DigitsGeneratedEvent{}, &csta.ConnectionClearedEvent{})
	// What the dialplan has to do is offered where the settings say that it does.
	if d.conference != "" {
		csta.Handle(m, d.conferenceCall)
		csta.Handle(m, d.singleStepConferenceCall)
		csta.Reports(m, &csta.ConferencedEvent{})
	}
	if d.features {
		csta.Handle(m, d.getForwarding)
		csta.Handle(m, d.setForwarding)
		csta.Handle(m, d.getDoNotDisturb)
		csta.Handle(m, d.setDoNotDisturb)
		csta.Reports(m, &csta.ForwardingEvent{}, &csta.DoNotDisturbEvent{})
	}
}

// events are what the driver listens to. The last comes every 20 seconds, so that a
// number is missing though nothing else happens.
var events = []string{"CHANNEL_CREATE", "CHANNEL_STATE", "CHANNEL_CALLSTATE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_ANSWER", "CHANNEL_BRIDGE",
	"CHANNEL_HOLD", "CHANNEL_UNHOLD", "CHANNEL_HANGUP", "CHANNEL_DESTROY", "BACKGROUND_JOB", "HEARTBEAT"}

// Run opens the link, takes stock and reports what happens, until ctx ends or
// the link is lost. It leaves no goroutine behind.
func (d *Driver) Run(ctx context.Context, emit pbx.Emit) error {
	conn, err := esl.Dial(ctx, esl.Config{Address: d.address, Password: d.secret})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- conn.Run(ctx) }()
	err = d.serve(ctx, conn, emit)
	_ = conn.Close()
	if lost := <-ended; err == nil {
		err = lost
	}
	return err
}

// serve takes stock and follows the events of the link until it ends.
func (d *Driver) serve(ctx context.Context, conn *esl.Conn, emit pbx.Emit) error {
	err := d.takeStock(ctx, conn, emit)
	defer d.lose()
	if err != nil {
		return fmt.Errorf("freeswitch: snapshot: %w", err)
	}
	tick := time.NewTicker(d.lookAgain)
	defer tick.Stop()
	second := time.NewTicker(lingerTime / 2)
	defer second.Stop()
	for {
		select {
		case e, ok := <-conn.Events():
			if !ok {
				return nil // whoever runs the connection knows why
			}
			d.turn <- struct{}{}
			d.suspect = d.suspect || e.Gap
			d.handle(e)
			<-d.turn
		case <-second.C:
			d.turn <- struct{}{}
			d.giveUp()
			<-d.turn
		case <-tick.C:
			d.turn <- struct{}{}
			err := d.lookForLost(ctx)
			<-d.turn
			if err != nil {
				return fmt.Errorf("freeswitch: channels: %w", err)
			}
		}
	}
}

// lose records that there is no link.
func (d *Driver) lose() {
	d.turn <- struct{}{}
	defer d.done()
	d.conn = nil
	for id, m := range d.making {
		m.Answer(csta.Errorf(csta.PrivateError, "uncertain", "the link to the PBX was lost before it said that it calls the phone"))
		delete(d.making, id)
	}
}

// take waits for the turn and for it only: without a link it returns an error.
// Whoever took it gives it back by done.
func (d *Driver) take(ctx context.Context) error {
	if err := d.turn.Take(ctx); err != nil {
		return err
	}
	if d.conn == nil {
		d.done()
		return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "there is no link to the PBX")
	}
	return nil
}

func (d *Driver) done() { d.turn.Done() }

// inTurn has a command carried out in the driver's turn.
func (d *Driver) inTurn(ctx context.Context, command func() error) error {
	if err := d.take(ctx); err != nil {
		return err
	}
	defer d.done()
	return command()
}

// do has something changed at the PBX for a command. Value is what a refusal means:
// the PBX has the channel in another state, or not any more.
func (d *Driver) do(ctx context.Context, value, command string, args ...string) error {
	if err := pbx.CheckLease(ctx); err != nil {
		return err
	}
	if _, err := d.conn.API(ctx, strings.Join(append([]string{command}, args...), " ")); err != nil {
		return refusal(err, csta.StateIncompatibility, value)
	}
	return nil
}

// line checks that the device is a line of the PBX. Whether a phone is there is
// another matter.
func (d *Driver) line(ctx context.Context, device string) error {
	if !d.phones.Match(device) {
		return csta.Errorf(csta.Operation, "invalidDeviceID", "%q is not a line of this PBX", device)
	}
	exists, err := d.conn.API(ctx, "user_exists id "+device+" "+d.domain)
	switch {
	case err != nil:
		return refusal(err, csta.Operation, "generic")
	case exists != "true":
		return csta.Errorf(csta.Operation, "invalidDeviceID", "the PBX has no user %s in domain %s", device, d.domain)
	}
	return nil
}

// snapshotDevice answers from the call model, which is true while there is a link.
func (d *Driver) snapshotDevice(ctx context.Context, req *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
	var resp *csta.SnapshotDeviceResponse
	err := d.inTurn(ctx, func() error {
		err := d.line(ctx, req.SnapshotObject.ID)
		resp = d.calls.SnapshotDevice(req.SnapshotObject.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// snapshotCall is the same of one call.
func (d *Driver) snapshotCall(ctx context.Context, req *csta.SnapshotCall) (*csta.SnapshotCallResponse, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	return d.calls.SnapshotCall(req.SnapshotObject)
}
