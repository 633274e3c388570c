// Package asterisk is the driver of Asterisk, over its manager interface (AMI).
//
// A Driver follows the channels of the PBX, which it gets by a snapshot and by events after it, and tells the call model
// of package pbx what becomes of the parties. Commands are AMI actions. What Asterisk does not do by itself it does by a
// small dialplan, which is documented in this folder's README together with the settings and the rights it needs.
//
// # Calls
//
// A callID is the Linkedid that the call's first channel had, or what the channel variable RCC_CALL says, which the driver sets
// wherever the two are no longer the same: after a transfer, say. So another driver finds the same callIDs.
//
// A call of a line has one channel per phone. When the PBX holds a call for a phone, the phone's one leg becomes free: the held party
// waits with music, and the leg is silent, or in another call. The held party's variable RCC_HOLD names the call and the holder.
//
// # Order
//
// Events of the PBX and commands that change calls take turns. A command keeps its turn until the PBX has answered and
// the call model has been told, so that the events which it causes are read after it.
package asterisk

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// A Driver is one link to one Asterisk. Its handlers may be called by many
// goroutines at once.
type Driver struct {
	config
	log   *slog.Logger
	calls *pbx.Calls
	turn  pbx.Turn // holds a token while somebody has the turn; guards all below

	conn         *ami.Conn   // nil while there is no link
	mayAct       func() bool // whether this process may act for the PBX, by the lease of the link
	emit         pbx.Emit
	channels     map[string]*channel   // by Uniqueid
	bridges      map[string][]*channel // by Uniqueid of the bridge
	states       map[string]*callState // by callID
	making       map[string]*making    // by callID, until the PBX has said that it calls the phone
	timers       []timer               // in order
	additions    map[string]*addition  // by Uniqueid of the Local channel by which the party is called
	moved        chan struct{}         // closed, and made anew, when a channel arrives where it was sent
	features     map[string]features   // of watched lines, and those that were set
	watched      map[string]bool
	polled       string // the line that was looked up last by itself
	lots         []lot
	mail         map[string]mail // of watched lines
	indicated    map[string]bool // mailboxes for which a client has set that a message waits
	away         map[string]bool // phones of watched lines, as devices
	outOfService map[string]bool // watched lines

	// What the PBX has; true until that is known.
	parks, picks, voiceMail, indicates atomic.Bool
}

// New returns a driver with the settings, or all their mistakes. It opens
// nothing.
func New(s Settings, log *slog.Logger) (*Driver, error) {
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	d := &Driver{config: c, log: log, calls: pbx.NewCalls(), turn: pbx.NewTurn(), making: map[string]*making{},
		features: map[string]features{}, watched: map[string]bool{}, mail: map[string]mail{}, indicated: map[string]bool{}, away: map[string]bool{}, outOfService: map[string]bool{}, moved: make(chan struct{})}
	d.parks.Store(true)
	d.picks.Store(true)
	d.voiceMail.Store(true)
	d.indicates.Store(true)
	d.forget()
	return d, nil
}

// Services registers what the driver does.
func (d *Driver) Services(m *csta.Mux) {
	csta.Handle(m, d.makeCall)
	csta.Handle(m, d.answerCall, d.talk.Match)
	csta.Handle(m, d.clearConnection)
	csta.Handle(m, d.holdCall)
	csta.Handle(m, d.retrieveCall)
	csta.Handle(m, d.consultationCall)
	csta.Handle(m, d.alternateCall)
	csta.Handle(m, d.reconnectCall)
	csta.Handle(m, d.transferCall)
	csta.Handle(m, d.singleStepTransferCall)
	csta.Handle(m, d.deflectCall)
	csta.Handle(m, d.conferenceCall)
	csta.Handle(m, d.singleStepConferenceCall)
	csta.Handle(m, d.clearCall)
	csta.Handle(m, d.parkCall, d.mayPark)
	csta.Handle(m, d.directedPickupCall, d.mayPickUp)
	csta.Handle(m, d.groupPickupCall, d.mayPickUp, d.hasGroups)
	csta.Handle(m, d.generateDigits)
	csta.Handle(m, d.getForwarding)
	csta.Handle(m, d.setForwarding)
	csta.Handle(m, d.getDoNotDisturb)
	csta.Handle(m, d.setDoNotDisturb)
	csta.Handle(m, d.getMessageWaitingIndicator, d.tellsOfMessages)
	csta.Handle(m, d.setMessageWaitingIndicator, d.mayIndicate)
	csta.Handle(m, d.monitorStart)
	csta.Handle(m, d.monitorStop)
	csta.Handle(m, d.snapshotDevice)
	csta.Handle(m, d.snapshotCall)
	csta.Reports(m, &csta.ServiceInitiatedEvent{}, &csta.OriginatedEvent{}, &csta.DeliveredEvent{}, &csta.EstablishedEvent{},
		&csta.HeldEvent{}, &csta.RetrievedEvent{}, &csta.DivertedEvent{}, &csta.QueuedEvent{}, &csta.NetworkReachedEvent{}, &csta.FailedEvent{}, &csta.TransferedEvent{}, &csta.ConferencedEvent{},
		&csta.ConnectionClearedEvent{}, &csta.DigitsGeneratedEvent{}, &csta.ForwardingEvent{}, &csta.DoNotDisturbEvent{},
		&csta.BackInServiceEvent{}, &csta.OutOfServiceEvent{})
	csta.ReportsIf(m, &csta.MessageWaitingEvent{}, d.tellsOfMessages)
}

// Run opens the link, takes stock and reports what happens, until ctx ends or
// the link is lost. It leaves no goroutine behind.
func (d *Driver) Run(ctx context.Context, emit pbx.Emit) error {
	conn, err := ami.Dial(ctx, ami.Config{Address: d.address, User: d.user, Secret: d.secret})
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

// bootTime bounds how long Asterisk is waited for that does not say that it is up. One that starts needs less.
const bootTime = 15 * time.Second

// booted waits until Asterisk is up. It lets managers in before it has all its modules and its dialplan, and cannot tell yet then what there is.
// One that was up before says so at once.
func (d *Driver) booted(ctx context.Context, conn *ami.Conn) error {
	late := time.NewTimer(bootTime)
	defer late.Stop()
	for {
		select {
		case e, ok := <-conn.Events():
			if !ok {
				return errors.New("asterisk: the link was lost before Asterisk said that it is up")
			}
			if e.Name == "FullyBooted" {
				return nil
			}
		case <-late.C:
			d.log.Warn("Asterisk does not say that it is up: the AMI user lacks the class system for reading")
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// serve takes stock and follows the events of the link until it ends.
func (d *Driver) serve(ctx context.Context, conn *ami.Conn, emit pbx.Emit) error {
	if err := d.booted(ctx, conn); err != nil {
		return err
	}
	since, err := d.takeStock(ctx, conn, emit)
	defer d.lose()
	if err != nil {
		return err
	}
	var poll <-chan time.Time
	if d.poll > 0 {
		tick := time.NewTicker(d.poll)
		defer tick.Stop()
		poll = tick.C
	}
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		select {
		case e, ok := <-conn.Events():
			if !ok {
				return nil // whoever runs the connection knows why
			}
			if e.Seq > since {
				d.turn <- struct{}{}
				d.handle(e)
				d.setAlarm(alarm)
				<-d.turn
			}
		case <-alarm.C:
			d.turn <- struct{}{}
			d.ring()
			d.setAlarm(alarm)
			<-d.turn
		case <-poll:
			d.turn <- struct{}{}
			d.pollFeatures(ctx, pollLines)
			<-d.turn
		}
	}
}

// lose records that there is no link.
func (d *Driver) lose() {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
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

// do has an action carried out for a command. Class and value are what a
// refusal means.
func (d *Driver) do(ctx context.Context, class csta.ErrorClass, value, action string, pairs ...string) error {
	if err := d.act(ctx, action, pairs...); err != nil {
		return refusal(err, class, value)
	}
	return nil
}

// act has an action carried out that changes something at the PBX.
func (d *Driver) act(ctx context.Context, action string, pairs ...string) error {
	if err := pbx.CheckLease(ctx); err != nil {
		return err
	}
	_, err := d.conn.Do(ctx, ami.NewAction(action, pairs...))
	return err
}

// helpTime bounds what the driver does at the PBX by itself, between events.
const helpTime = 2 * time.Second

// help has an action carried out that nobody waits for. That the channel is
// gone already is as good.
func (d *Driver) help(action string, pairs ...string) error {
	ctx, cancel := context.WithTimeout(pbx.WithLease(context.Background(), d.mayAct), helpTime)
	defer cancel()
	err := d.act(ctx, action, pairs...)
	if err != nil {
		d.log.Debug("not done", "action", action, "error", err)
	}
	return err
}

// set sets a channel variable for a command.
func (d *Driver) set(ctx context.Context, ch *channel, variable, value string) error {
	return d.do(ctx, csta.StateIncompatibility, "invalidConnectionState", "Setvar", "Channel", ch.name, "Variable", variable, "Value", value)
}

// note sets a channel variable, if the channel still lives.
func (d *Driver) note(ch *channel, variable, value string) {
	_ = d.help("Setvar", "Channel", ch.name, "Variable", variable, "Value", value)
}

// mark keeps the call of the channel at the PBX, where its Linkedid does not
// tell it.
func (d *Driver) mark(ch *channel, call string) {
	if ch.marked != call {
		// The underscores let channels that it dials inherit it.
		if err := d.help("Setvar", "Channel", ch.name, "Variable", "__RCC_CALL", "Value", call); err == nil {
			ch.marked = call
		}
	}
}

// remark keeps the call that a command is about to take the channel to, and the one that it is in until then: a driver that dies in between
// leaves both to the next. called is what its device has dialled there, unless the command does not change that: then it is empty. Of a call that
// goes on without the channel, forgetBefore follows.
func (d *Driver) remark(ch *channel, call, called string) {
	if ch.marked != call {
		d.note(ch, "RCC_BEFORE", strings.TrimSpace(ch.call+" "+called))
		d.mark(ch, call)
	}
}

// forgetBefore takes back what remark has kept, when the channel is moved.
func (d *Driver) forgetBefore(ch *channel) { d.note(ch, "RCC_BEFORE", "") }

// drop hangs a channel up.
func (d *Driver) drop(ch *channel) { _ = d.help("Hangup", "Channel", ch.name, "Cause", "16") }

// A timer is something to do later, in the driver's turn.
type timer struct {
	at time.Time
	do func()
}

// later has something done after a while. A new link forgets it.
func (d *Driver) later(wait time.Duration, do func()) {
	t := timer{time.Now().Add(wait), do}
	i := len(d.timers)
	for i > 0 && d.timers[i-1].at.After(t.at) {
		i--
	}
	d.timers = append(d.timers[:i:i], append([]timer{t}, d.timers[i:]...)...)
}

func (d *Driver) setAlarm(alarm *time.Timer) {
	if len(d.timers) > 0 {
		alarm.Reset(max(time.Until(d.timers[0].at), 0))
	}
}

func (d *Driver) ring() {
	now := time.Now()
	for len(d.timers) > 0 && !d.timers[0].at.After(now) {
		do := d.timers[0].do
		d.timers = d.timers[1:]
		do()
	}
}

// snapshotDevice answers from the call model, which is true while there is a link.
func (d *Driver) snapshotDevice(ctx context.Context, req *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	if err := d.line(ctx, req.SnapshotObject.ID); err != nil {
		return nil, err
	}
	return d.calls.SnapshotDevice(req.SnapshotObject.ID), nil
}

// snapshotCall is the same of one call.
func (d *Driver) snapshotCall(ctx context.Context, req *csta.SnapshotCall) (*csta.SnapshotCallResponse, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	return d.calls.SnapshotCall(req.SnapshotObject)
}

// line checks that the device is a line of the PBX. Whether a phone is there is
// another matter.
func (d *Driver) line(ctx context.Context, device string) error {
	if strings.Trim(device, letters+digits+"*#+_-.") != "" || !d.lines.Match(device) {
		return csta.Errorf(csta.Operation, "invalidDeviceID", "%q is not a line of this PBX", device)
	}
	phones := d.devicesOf(device)
	for _, phone := range phones {
		if state, err := d.ask(ctx, "DEVICE_STATE("+phone+")"); err != nil || state != "INVALID" {
			return err
		}
	}
	return csta.Errorf(csta.Operation, "invalidDeviceID", "the PBX has no endpoint %s", strings.Join(phones, " or "))
}

// ask reads a dialplan function that belongs to no channel.
func (d *Driver) ask(ctx context.Context, function string) (string, error) {
	r, err := d.conn.Do(ctx, ami.NewAction("Getvar", "Variable", function))
	if err != nil {
		return "", refusal(err, csta.Operation, "generic")
	}
	return r.Get("Value"), nil
}

// affirms reports whether a function of the dialplan has the value 1. One that the PBX does not have, or does not tell, has not.
func (d *Driver) affirms(ctx context.Context, function string) (bool, error) {
	r, err := d.conn.Do(ctx, ami.NewAction("Getvar", "Variable", function))
	if refused(err) {
		return false, nil
	}
	return r.Get("Value") == "1", err
}
