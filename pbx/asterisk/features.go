package asterisk

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
)

// features are what AstDB has of a line.
type features struct {
	dnd     bool
	forward [len(forwardings)]string // targets; empty: off
}

// forwardings are the kinds of forwarding, in the order in which they are told.
var forwardings = [...]csta.ForwardingType{"forwardImmediate", "forwardBusy", "forwardNoAns"}

// family returns the family of AstDB of the kind of forwarding.
func (d *Driver) family(kind int) string {
	return [...]string{d.forward, d.busy, d.noAnswer}[kind]
}

// learn takes note of a line's features and tells what has changed. What is
// learned first is told by the answer to a question, not by an event.
func (d *Driver) learn(line string, f features) {
	was, known := d.features[line]
	d.features[line] = f
	if !known {
		return
	}
	if was.dnd != f.dnd {
		d.emit(line, &csta.DoNotDisturbEvent{Device: csta.Party(line), DoNotDisturbOn: f.dnd})
	}
	for i, to := range f.forward {
		if was.forward[i] != to {
			ev := &csta.ForwardingEvent{Device: csta.Party(line), ForwardingType: forwardings[i], ForwardStatus: to != ""}
			// One that is switched off names the target that it had.
			if to == "" {
				to = was.forward[i]
			}
			ev.ForwardTo = csta.Device(to)
			d.emit(line, ev)
		}
	}
}

// look reads the features of one line.
func (d *Driver) look(ctx context.Context, line string) (f features, err error) {
	dnd, err := d.read(ctx, d.dnd, line)
	f.dnd = dnd != ""
	for i := range forwardings {
		if err == nil {
			f.forward[i], err = d.read(ctx, d.family(i), line)
		}
	}
	return f, err
}

// read returns a value of AstDB, empty if there is none.
func (d *Driver) read(ctx context.Context, family, key string) (string, error) {
	found, err := d.conn.List(ctx, ami.NewAction("DBGet", "Family", family, "Key", key))
	var refused *ami.Error
	switch {
	case errors.As(err, &refused) && strings.Contains(refused.Message, "not found"):
		return "", nil
	case err != nil:
		return "", refusal(err, csta.Operation, "generic")
	case len(found) == 0:
		return "", nil
	}
	return strings.Clone(found[0].Get("Val")), nil
}

// pollLines is how many lines are looked up at a time where each has to be asked for by itself.
const pollLines = 100

// pollFeatures finds out what has changed at the watched lines without an
// event: AstDB has none. Where the PBX has no DBGetTree (before Asterisk 20) it does so for oneByOne lines, and goes on with the next ones when it is called again.
func (d *Driver) pollFeatures(ctx context.Context, oneByOne int) {
	if d.conn == nil || len(d.watched) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	found, err := d.lookAtTrees(ctx)
	if refused(err) {
		found, err = d.lookAtNext(ctx, oneByOne)
	}
	if err != nil {
		d.log.Debug("forwarding and do-not-disturb not read", "error", err)
	}
	for _, line := range slices.Sorted(maps.Keys(found)) {
		d.learn(line, found[line])
	}
}

// lookAtTrees reads the features of all watched lines, by a question for each family.
func (d *Driver) lookAtTrees(ctx context.Context) (map[string]features, error) {
	all := map[string]features{}
	for line := range d.watched {
		all[line] = features{}
	}
	tree := func(family string, set func(f *features, value string)) error {
		return d.tree(ctx, family, func(line, value string) {
			if d.watched[line] {
				f := all[line]
				set(&f, strings.Clone(value))
				all[strings.Clone(line)] = f
			}
		})
	}
	err := tree(d.dnd, func(f *features, value string) { f.dnd = value != "" })
	for i := range forwardings {
		if err == nil {
			err = tree(d.family(i), func(f *features, value string) { f.forward[i] = value })
		}
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// tree reads a family of AstDB. An Asterisk before 20 refuses. What each is given is valid until it returns.
func (d *Driver) tree(ctx context.Context, family string, each func(key, value string)) error {
	items, err := d.conn.List(ctx, ami.NewAction("DBGetTree", "Family", family))
	for _, e := range items {
		if key, ok := strings.CutPrefix(e.Get("Key"), "/"+family+"/"); ok {
			each(key, e.Get("Val"))
		}
	}
	return err
}

// lookAtNext reads the features of the watched lines whose turn it is, by four questions each.
func (d *Driver) lookAtNext(ctx context.Context, n int) (map[string]features, error) {
	some, lines := map[string]features{}, d.watchedLines()
	at, was := slices.BinarySearch(lines, d.polled)
	if was {
		at++
	}
	for i := range min(n, len(lines)) {
		line := lines[(at+i)%len(lines)]
		f, err := d.look(ctx, line)
		if err != nil {
			return some, err
		}
		some[line], d.polled = f, line
	}
	return some, nil
}

// featureCode takes note of a change that the dialplan tells of.
func (d *Driver) featureCode(f ami.Fields) {
	line, ok := d.lineOf(d.technology, f.Get("Extension"))
	if !ok {
		return
	}
	// What the event says and what was read may have crossed: read again.
	ctx, cancel := context.WithTimeout(context.Background(), helpTime)
	defer cancel()
	now, err := d.look(ctx, strings.Clone(line))
	if err != nil {
		d.log.Debug("forwarding and do-not-disturb not read", "error", err)
		return
	}
	if _, known := d.features[line]; !known {
		// Nothing is known of before: the event itself says what has changed.
		d.features[line] = before(now, d, f.Get("Feature"), f.Get("Value"))
	}
	d.learn(strings.Clone(line), now)
}

// before returns features from which the change of a family led to now.
func before(now features, d *Driver, family, value string) features {
	if family == d.dnd {
		now.dnd = value == ""
	}
	for i := range forwardings {
		if family == d.family(i) && value == now.forward[i] {
			now.forward[i] = ""
		}
	}
	return now
}

func (d *Driver) getForwarding(ctx context.Context, req *csta.GetForwarding) (*csta.GetForwardingResponse, error) {
	f, err := d.ofLine(ctx, req.Device.ID)
	if err != nil {
		return nil, err
	}
	resp := &csta.GetForwardingResponse{}
	for i, to := range f.forward {
		resp.ForwardingList = append(resp.ForwardingList, csta.ForwardListItem{ForwardingType: forwardings[i], ForwardStatus: to != "", ForwardDN: csta.Device(to)})
	}
	return resp, nil
}

func (d *Driver) getDoNotDisturb(ctx context.Context, req *csta.GetDoNotDisturb) (*csta.GetDoNotDisturbResponse, error) {
	f, err := d.ofLine(ctx, req.Device.ID)
	if err != nil {
		return nil, err
	}
	return &csta.GetDoNotDisturbResponse{DoNotDisturbOn: f.dnd}, nil
}

// ofLine answers a question for a line's features, and tells what had changed
// unnoticed.
func (d *Driver) ofLine(ctx context.Context, line string) (features, error) {
	if err := d.take(ctx); err != nil {
		return features{}, err
	}
	defer d.done()
	if err := d.line(ctx, line); err != nil {
		return features{}, err
	}
	f, err := d.look(ctx, line)
	if err == nil {
		d.learn(line, f)
	}
	return f, err
}

func (d *Driver) setForwarding(ctx context.Context, req *csta.SetForwarding) (*csta.SetForwardingResponse, error) {
	kind := 0
	if req.ForwardingType != "" {
		if kind = slices.Index(forwardings[:], req.ForwardingType); kind < 0 {
			return nil, csta.Errorf(csta.Operation, "invalidForwardingType", "%s is not one of %v", req.ForwardingType, forwardings)
		}
	}
	line, to := req.Device.ID, req.ForwardDN.ID
	switch {
	case !req.ActivateForward:
		to = ""
	case !dialable(to):
		return nil, csta.Errorf(csta.Operation, "invalidForwardingDestination", "%q is not 1 to %d digits, *, # or +", to, maxNumber)
	case to == line:
		return nil, csta.Errorf(csta.Operation, "invalidForwardingDestination", "%s cannot be forwarded to itself", line)
	}
	check := func() error {
		if to == "" {
			return nil
		}
		if err := d.reachable(ctx, to, "invalidForwardingDestination"); err != nil || kind != 0 {
			return err
		}
		return d.circle(ctx, line, to)
	}
	if err := d.change(ctx, line, d.family(kind), to, check, func(f *features) { f.forward[kind] = to }); err != nil {
		return nil, err
	}
	return &csta.SetForwardingResponse{}, nil
}

// circle refuses a target that is itself forwarded, over however many lines,
// back to the line.
func (d *Driver) circle(ctx context.Context, line, to string) error {
	for range maxForwards {
		next, err := d.read(ctx, d.forward, to)
		switch {
		case err != nil:
			return err
		case next == line:
			return csta.Errorf(csta.Operation, "invalidForwardingDestination", "%s is forwarded to %s: a circle", to, line)
		case next == "":
			return nil
		}
		to = next
	}
	return nil // the dialplan ends it
}

// maxForwards is how many diversions in a row the dialplan does.
const maxForwards = 5

func (d *Driver) setDoNotDisturb(ctx context.Context, req *csta.SetDoNotDisturb) (*csta.SetDoNotDisturbResponse, error) {
	value := ""
	if req.DoNotDisturbOn {
		value = d.dndOn
	}
	if err := d.change(ctx, req.Device.ID, d.dnd, value, nil, func(f *features) { f.dnd = req.DoNotDisturbOn }); err != nil {
		return nil, err
	}
	return &csta.SetDoNotDisturbResponse{}, nil
}

// change writes a value into AstDB, empty to delete it, and tells of it.
func (d *Driver) change(ctx context.Context, line, family, value string, check func() error, apply func(*features)) error {
	if err := d.take(ctx); err != nil {
		return err
	}
	defer d.done()
	if err := d.line(ctx, line); err != nil {
		return err
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	f, err := d.look(ctx, line)
	if err != nil {
		return err
	}
	d.learn(line, f)
	was := f
	apply(&f)
	switch {
	case value == "" && f == was:
		return nil // Asterisk refuses to delete what is not there
	case value == "":
		err = d.do(ctx, csta.Operation, "generic", "DBDel", "Family", family, "Key", line)
	default:
		err = d.do(ctx, csta.Operation, "generic", "DBPut", "Family", family, "Key", line, "Val", value)
	}
	if err != nil {
		return err
	}
	d.learn(line, f)
	return nil
}
