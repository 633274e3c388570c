package asterisk

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
)

// findVoiceMail learns whether the PBX has voice mail. AMI answers the question for messages without it, too, by none.
func (d *Driver) findVoiceMail(ctx context.Context) error {
	r, err := d.conn.Do(ctx, ami.NewAction("ListCommands"))
	d.voiceMail.Store(r.Get("VoicemailUsersList") != "" || r.Get("MWIGet") != "")
	if refused(err) {
		return nil
	}
	return err
}

// hasVoiceMail reports whether the PBX tells of messages for lines, as far as is known.
func (d *Driver) hasVoiceMail(string) bool { return d.technology == "PJSIP" && d.voiceMail.Load() }

// A mail is what voice mail has for a line.
type mail struct {
	boxes []string
	waits bool
}

// lookForMail reads a line's mailboxes, which are those that its endpoint is told of, and whether one has a new message.
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
		r, err := d.conn.Do(ctx, ami.NewAction("MailboxCount", "Mailbox", box))
		if err != nil {
			return m, refusal(err, csta.Operation, "generic")
		}
		for _, kind := range []string{"UrgMessages", "NewMessages"} {
			n, _ := strconv.Atoi(r.Get(kind))
			m.waits = m.waits || n > 0
		}
	}
	return m, nil
}

// learnMail takes note of what voice mail has for a line, and tells what has changed. What is learned first is told by the answer to a question.
func (d *Driver) learnMail(line string, m mail) {
	was, known := d.mail[line]
	d.mail[line] = m
	if known && was.waits != m.waits {
		d.emit(line, &csta.MessageWaitingEvent{TargetDevice: csta.Party(line), MessageWaitingOn: m.waits})
	}
}

// catchUpOnMail finds out what voice mail has for the watched lines after a lost link.
func (d *Driver) catchUpOnMail(ctx context.Context) error {
	if !d.hasVoiceMail("") {
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

// messageWaiting takes note that a mailbox has changed.
func (d *Driver) messageWaiting(f ami.Fields) {
	for _, line := range d.watchedLines() {
		for _, box := range d.mail[line].boxes {
			if box != f.Get("Mailbox") {
				continue
			}
			// It may be one of several: ask for all.
			ctx, cancel := context.WithTimeout(context.Background(), helpTime)
			m, err := d.lookForMail(ctx, line)
			cancel()
			if err != nil {
				d.log.Debug("mailboxes not read", "error", err)
				break
			}
			d.learnMail(line, m)
			break
		}
	}
}

func (d *Driver) getMessageWaitingIndicator(ctx context.Context, req *csta.GetMessageWaitingIndicator) (*csta.GetMessageWaitingIndicatorResponse, error) {
	line := req.Device.ID
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	defer d.done()
	if err := d.line(ctx, line); err != nil {
		return nil, err
	}
	m, err := d.lookForMail(ctx, line)
	if err != nil {
		return nil, err
	}
	if len(m.boxes) == 0 {
		return nil, csta.Errorf(csta.Operation, "requestIncompatibleWithDevice", "the endpoint of %s has no mailboxes", line)
	}
	if d.watched[line] {
		d.learnMail(line, m)
	}
	return &csta.GetMessageWaitingIndicatorResponse{MessageWaitingOn: m.waits}, nil
}
