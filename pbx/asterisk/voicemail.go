package asterisk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/ami"
)

// A message waits for a line while voice mail has a new one in a mailbox of its endpoint, or while a client has set that one does. The latter
// is kept in AstDB, by the mailbox: Asterisk forgets it when it is restarted, and voice mail, which knows nothing of it, may say otherwise.
const mailFamily = "rcc-mwi"

// findVoiceMail learns whether the PBX has voice mail, and whether clients may set that a message waits, and has the phones told again of what is
// set. AMI answers the question for messages without voice mail, too, by none.
func (d *Driver) findVoiceMail(ctx context.Context) error {
	r, err := d.conn.Do(ctx, ami.NewAction("ListCommands"))
	d.voiceMail.Store(r.Get("VoicemailUsersList") != "" || r.Get("MWIGet") != "")
	if err != nil && !refused(err) {
		return err
	}
	indicates, err := d.affirms(ctx, "DIALPLAN_EXISTS("+d.mailContext+",set,1)")
	if indicates {
		indicates, err = d.affirms(ctx, "IFMODULE(app_minivm.so)")
	}
	d.indicates.Store(indicates)
	clear(d.indicated)
	if !indicates {
		return err
	}
	boxes, err := d.boxesSet(ctx)
	for _, box := range boxes {
		d.indicated[box] = true
		d.remind(ctx, box)
	}
	return err
}

// boxesSet lists the mailboxes for which a client has set that a message waits. An Asterisk without DBGetTree (before 20) names as many as have room in
// 1023 octets.
func (d *Driver) boxesSet(ctx context.Context) (boxes []string, err error) {
	err = d.tree(ctx, mailFamily, func(box, _ string) { boxes = append(boxes, strings.Clone(box)) })
	if !refused(err) {
		return boxes, err
	}
	keys, err := d.ask(ctx, "DB_KEYS("+mailFamily+")")
	if len(keys) >= 1023 {
		keys = keys[:strings.LastIndexByte(keys, ',')+1] // the last may be half of one
	}
	for box := range strings.SplitSeq(keys, ",") {
		if box != "" {
			boxes = append(boxes, strings.Clone(box))
		}
	}
	return boxes, err
}

// tellsOfMessages reports whether lines are told of messages that wait, as far as is known.
func (d *Driver) tellsOfMessages(string) bool {
	return d.technology == "PJSIP" && (d.voiceMail.Load() || d.indicates.Load())
}

// mayIndicate reports whether a client may set that a message waits, as far as is known.
func (d *Driver) mayIndicate(string) bool { return d.technology == "PJSIP" && d.indicates.Load() }

// A mail is what waits for a line.
type mail struct {
	boxes []string
	left  bool // voice mail has a new message
	set   bool // a client has set that there is one
}

func (m mail) waits() bool { return m.left || m.set }

// lookForMail reads a line's mailboxes, which are those that its endpoint is told of, and whether a message waits in one.
func (d *Driver) lookForMail(ctx context.Context, line string) (m mail, err error) {
	boxes, err := d.ask(ctx, "PJSIP_ENDPOINT("+d.endpoints[0].of(line)+",mailboxes)")
	if err != nil {
		return m, err
	}
	for box := range strings.SplitSeq(boxes, ",") {
		if box = strings.TrimSpace(box); box == "" {
			continue
		}
		if !strings.Contains(box, "@") {
			box += "@default"
		}
		m.boxes = append(m.boxes, strings.Clone(box))
		left, err := d.newMail(ctx, box)
		if err != nil {
			return m, err
		}
		if d.indicates.Load() {
			value, err := d.read(ctx, mailFamily, box)
			if err != nil {
				return m, err
			}
			switch {
			case value == "":
				delete(d.indicated, box)
			case !d.indicated[box]:
				d.indicated[strings.Clone(box)] = true
				d.remind(ctx, box)
			}
		}
		m.left, m.set = m.left || left, m.set || d.indicated[box]
	}
	return m, nil
}

// newMail reports whether voice mail has a new message in the mailbox.
func (d *Driver) newMail(ctx context.Context, box string) (left bool, err error) {
	if !d.voiceMail.Load() {
		return false, nil
	}
	r, err := d.conn.Do(ctx, ami.NewAction("MailboxCount", "Mailbox", box))
	if err != nil {
		return false, refusal(err, csta.Operation, "generic")
	}
	for _, kind := range []string{"UrgMessages", "NewMessages"} {
		n, _ := strconv.Atoi(r.Get(kind))
		left = left || n > 0
	}
	return left, nil
}

// learnMail takes note of what waits for a line, and tells what has changed. What is learned first is told by the answer to a question.
func (d *Driver) learnMail(line string, m mail) {
	was, known := d.mail[line]
	d.mail[line] = m
	if known && was.waits() != m.waits() {
		d.emit(line, &csta.MessageWaitingEvent{TargetDevice: csta.Party(line), MessageWaitingOn: m.waits()})
	}
}

// catchUpOnMail finds out what waits for the watched lines after a lost link.
func (d *Driver) catchUpOnMail(ctx context.Context) error {
	if !d.tellsOfMessages("") {
		return nil
	}
	for _, line := range d.watchedLines() {
		m, err := d.lookForMail(ctx, line)
		if err != nil {
			return fmt.Errorf("mailboxes of %s: %w", line, err)
		}
		d.learnMail(line, m)
	}
	return nil
}

// messageWaiting takes note that a mailbox has changed. One that was set has its phones told again when voice mail has told them that there is nothing
// more: that is what New counts. Waiting is what voice mail has.
func (d *Driver) messageWaiting(f ami.Fields) {
	ctx, cancel := context.WithTimeout(pbx.WithLease(context.Background(), d.mayAct), helpTime)
	defer cancel()
	box := f.Get("Mailbox")
	if d.indicated[box] && f.Get("New") == "0" {
		d.remind(ctx, box)
	}
	for _, line := range d.watchedLines() {
		if !slices.Contains(d.mail[line].boxes, box) {
			continue
		}
		// It may be one of several: ask for all.
		m, err := d.lookForMail(ctx, line)
		if err != nil {
			d.log.Debug("mailboxes not read", "error", err)
			continue
		}
		d.learnMail(line, m)
	}
}

// mailOf returns what waits for a line that has mailboxes, and tells of it where it is watched.
func (d *Driver) mailOf(ctx context.Context, line string) (mail, error) {
	if err := d.line(ctx, line); err != nil {
		return mail{}, err
	}
	m, err := d.lookForMail(ctx, line)
	if err != nil {
		return mail{}, err
	}
	if len(m.boxes) == 0 {
		return mail{}, csta.Errorf(csta.Operation, "requestIncompatibleWithDevice", "the endpoint of %s has no mailboxes", line)
	}
	if d.watched[line] {
		d.learnMail(line, m)
	}
	return m, nil
}

func (d *Driver) getMessageWaitingIndicator(ctx context.Context, req *csta.GetMessageWaitingIndicator) (*csta.GetMessageWaitingIndicatorResponse, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	m, err := d.mailOf(ctx, req.Device.ID)
	if err != nil {
		return nil, err
	}
	return &csta.GetMessageWaitingIndicatorResponse{MessageWaitingOn: m.waits()}, nil
}

// setMessageWaitingIndicator has the phones of the line's first mailbox told that a message waits, or that none does. What is in AstDB says so at every
// step: a gateway that is killed on the way finds it on, and has the phones told.
func (d *Driver) setMessageWaitingIndicator(ctx context.Context, req *csta.SetMessageWaitingIndicator) (*csta.SetMessageWaitingIndicatorResponse, error) {
	line := req.Device.ID
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	m, err := d.mailOf(ctx, line)
	switch {
	case err != nil:
		return nil, err
	case req.MessageWaitingOn:
		err = d.setBox(ctx, m.boxes[0], m.left)
	case m.left:
		err = csta.Errorf(csta.StateIncompatibility, "invalidDeviceState", "voice mail has a new message for %s, which waits until it is heard", line)
	default:
		err = d.clearBoxes(ctx, m.boxes)
	}
	if err != nil {
		return nil, err
	}
	if d.watched[line] {
		m.set = req.MessageWaitingOn
		d.learnMail(line, m)
	}
	return &csta.SetMessageWaitingIndicatorResponse{}, nil
}

// setBox sets that a message waits in the mailbox; left says that voice mail has one there, so that the phones know.
func (d *Driver) setBox(ctx context.Context, box string, left bool) error {
	if err := d.do(ctx, csta.Operation, "generic", "DBPut", "Family", mailFamily, "Key", box, "Val", "1"); err != nil {
		return err
	}
	was := d.indicated[box]
	d.indicated[box] = true
	if left {
		return nil
	}
	err := d.do(ctx, csta.Operation, "generic", "Originate", d.indicate(box, true)...)
	if err != nil && !was {
		err = errors.Join(err, d.unset(ctx, box))
	}
	return err
}

// unset deletes that the mailbox was set.
func (d *Driver) unset(ctx context.Context, box string) error {
	err := d.do(ctx, csta.Operation, "generic", "DBDel", "Family", mailFamily, "Key", box)
	if err == nil {
		delete(d.indicated, box)
	}
	return err
}

func (d *Driver) clearBoxes(ctx context.Context, boxes []string) error {
	for _, box := range boxes {
		if err := d.do(ctx, csta.Operation, "generic", "Originate", d.indicate(box, false)...); err != nil {
			return err
		}
		if !d.indicated[box] {
			continue
		}
		if err := d.unset(ctx, box); err != nil {
			return err
		}
	}
	return nil
}

// indicate returns an Originate of a channel that tells the phones of a mailbox of a message, or of none. It is over when they are told.
func (d *Driver) indicate(box string, on bool) []string {
	n := "0"
	if on {
		n = "1"
	}
	return []string{"Channel", "Local/set@" + d.mailContext, "Application", "NoOp", "Timeout", strconv.FormatInt(helpTime.Milliseconds(), 10),
		"Variable", "__RCC_MAILBOX=" + box + ",__RCC_MESSAGES=" + n}
}

// remind has the phones of a mailbox told again that it was set, unless voice mail has a message in it anyway.
func (d *Driver) remind(ctx context.Context, box string) {
	left, err := d.newMail(ctx, box)
	if err == nil && !left {
		err = d.act(ctx, "Originate", append(d.indicate(box, true), "Async", "true")...)
	}
	if err != nil {
		d.log.Warn("the phones of a mailbox are not told that a message waits", "mailbox", box, "error", err)
	}
}
