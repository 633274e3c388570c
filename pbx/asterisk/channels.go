package asterisk

import (
	"context"
	"slices"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A channel is one leg of a call at the PBX, as far as the driver knows it.
type channel struct {
	id, name string // Uniqueid; Channel, such as PJSIP/1001-0000002a
	linked   string // Linkedid, when last seen

	// local says that it is one half of a Local channel: a wire inside the
	// PBX, no party. other is the other half.
	local bool
	other *channel

	device string                // deviceID in its calls: the line, or one made of the Uniqueid
	own    bool                  // a line
	number csta.ExtendedDeviceID // what others are shown; zero for a line
	person string                // what others are shown as its name; empty if it has none, or not known yet

	// endpoint is the name in the callerid of a line's endpoint. Whether others are shown it
	// is known when Dial begins.
	endpoint string

	state      int             // AMI's ChannelState
	call       string          // callID of the call that it is active in, empty if none
	bridge     string          // Uniqueid of the bridge that it is in
	entered    time.Time       // when it came there
	originated bool            // the PBX called the device so that it makes a call
	calls      bool            // its device makes the call: it dialled, or was originated
	dialled    bool            // it was called by Dial
	declined   bool            // by a client: that it stops ringing is no failure of the call
	by         *channel        // whose Dial that is
	prompted   bool            // the model knows that it is to make a call
	outcome    csta.EventCause // why it was not answered

	onHold bool // the phone itself has its call on hold
	unsure bool // it was found before it was in a bridge: the phone may have it on hold

	holds  []*hold // calls that the PBX holds for it
	heldBy *hold   // it waits for that holder
	marked string  // RCC_CALL at the PBX
	sent   []*sending
	parked *orbit   // it waits there
	picks  *channel // what it picks up when it answers
}

// AMI's channel states.
const (
	stateDown    = 0
	stateRing    = 4 // the device calls
	stateRinging = 5 // the device is called
	stateUp      = 6
	stateBusy    = 7
)

func (ch *channel) up() bool { return ch.state == stateUp }

func (ch *channel) party() pbx.Party {
	return pbx.Party{Device: ch.device, Number: ch.number, Name: ch.person, Own: ch.own}
}

// A hold is one that the PBX makes for a phone: the peer waits with music, the
// holder's one leg waits in silence or is in another call meanwhile. Of a
// conference there is no peer: the others go on.
type hold struct {
	call         string
	holder, peer *channel
	mutual       bool // the peer, too, has the call on hold
	arrived      bool // the peer hears the music: it is where a redirection sent it
}

// A callState is what the driver knows of a call beyond what the call model does.
type callState struct {
	id      string
	members map[*channel]bool // channels that are active in it
	holds   []*hold

	room    bool            // the parties meet in a conference
	target  string          // number that is being dialled
	cause   csta.EventCause // of the next Delivered, where it is no new call
	caller  bool            // the model knows who calls
	sentBy  string          // the device that transferred a party of it last
	app     string          // deviceID of an application that answered
	orbit   *orbit          // a party waits there
	parking bool            // a party is on its way there: Asterisk does not survive that the other is parked, too
	queue   *queue          // the caller is in it

	// lingering is a party that did not answer, until it is known whether the
	// dialplan forwards the call.
	lingering *lingering
	failed    bool
}

type lingering struct {
	party pbx.Party
	cause csta.EventCause
}

func (d *Driver) callOf(id string) *callState {
	c := d.states[id]
	if c == nil {
		c = &callState{id: id, members: map[*channel]bool{}}
		d.states[id] = c
	}
	return c
}

// forget empties what is known of channels, before a snapshot.
func (d *Driver) forget() {
	d.channels = map[string]*channel{}
	d.bridges = map[string][]*channel{}
	d.states = map[string]*callState{}
	d.additions = map[string]*addition{}
	d.timers = nil
}

// newChannel adds a channel. Its device follows from its name.
func (d *Driver) newChannel(id, name, linked string) *channel {
	ch := &channel{id: strings.Clone(id), name: strings.Clone(name), linked: strings.Clone(linked)}
	d.channels[ch.id] = ch
	technology, rest, _ := strings.Cut(ch.name, "/")
	if technology == "Local" {
		ch.local = true
		return ch
	}
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		rest = rest[:i]
	}
	if line, ok := d.lineOf(technology, rest); ok {
		ch.device, ch.own = line, true
	} else {
		// Not made of the number: that may be withheld, and changes.
		ch.device = "party-" + ch.id
		ch.number = csta.NotKnown()
	}
	return ch
}

// lineOf returns the line whose endpoint it is: 1001-soft is that of 1001 where {line}-soft is a name, whatever {line} may be.
func (d *Driver) lineOf(technology, endpoint string) (string, bool) {
	if technology != d.technology {
		return "", false
	}
	found := ""
	for _, n := range d.endpoints {
		line, ok := strings.CutPrefix(endpoint, n.prefix)
		line, okay := strings.CutSuffix(line, n.suffix)
		if ok && okay && d.lines.Match(line) && (found == "" || len(line) < len(found)) {
			found = line
		}
	}
	return found, found != ""
}

// devicesOf returns what the PBX calls the line's phones.
func (d *Driver) devicesOf(line string) (devices []string) {
	for _, n := range d.endpoints {
		devices = append(devices, d.technology+"/"+n.of(line))
	}
	return devices
}

// phoneOf returns the phone that is called for the line: of several the first that is in service.
func (d *Driver) phoneOf(ctx context.Context, line string) (string, error) {
	devices := d.devicesOf(line)
	if len(devices) > 1 {
		for _, device := range devices {
			state, err := d.ask(ctx, "DEVICE_STATE("+device+")")
			if err != nil {
				return "", err
			}
			if !away(state) {
				return device, nil
			}
		}
	}
	return devices[0], nil
}

// enter makes the channel active in the call, and in no other.
func (d *Driver) enter(ch *channel, call string) {
	if ch.call == call {
		return
	}
	if c := d.states[ch.call]; c != nil {
		delete(c.members, ch)
	}
	ch.call = call
	if call != "" {
		d.callOf(call).members[ch] = true
	}
}

// move makes a channel active in the call of who dials it. Until that was known it
// may have been taken for one of another call.
func (d *Driver) move(ch *channel, call string) {
	before := ch.call
	if before == call {
		return
	}
	d.enter(ch, call)
	d.sweep(before, pbx.CauseNormalClearing)
}

// find returns the channel by which the device is in the call: the one that is
// active in it, else the one that the PBX holds it for, else nil.
func (d *Driver) find(call, device string) *channel {
	c := d.states[call]
	if c == nil {
		return nil
	}
	var found *channel
	for ch := range c.members {
		if ch.device == device && !ch.local && (found == nil || ch.state > found.state) {
			found = ch
		}
	}
	if found == nil {
		if h := c.holdOf(device); h != nil {
			return h.holder
		}
	}
	return found
}

// holdOf returns the hold that the PBX makes for the device in the call.
func (c *callState) holdOf(device string) *hold {
	if c != nil {
		for _, h := range c.holds {
			if h.holder.device == device {
				return h
			}
		}
	}
	return nil
}

// addHold records a hold: the holder is no longer active in the call.
func (d *Driver) addHold(call string, holder, peer *channel) *hold {
	h := &hold{call: call, holder: holder, peer: peer}
	d.enter(holder, "")
	holder.holds = append(holder.holds, h)
	if peer != nil {
		d.enter(peer, call)
		peer.heldBy = h
	}
	c := d.callOf(call)
	c.holds = append(c.holds, h)
	return h
}

func (d *Driver) dropHold(h *hold) {
	h.holder.holds = slices.DeleteFunc(h.holder.holds, func(o *hold) bool { return o == h })
	if h.peer != nil {
		h.peer.heldBy = nil
	}
	if c := d.states[h.call]; c != nil {
		c.holds = slices.DeleteFunc(c.holds, func(o *hold) bool { return o == h })
	}
}

// bridged records the bridge that the channel is in, empty for none.
func (d *Driver) bridged(ch *channel, bridge string) {
	if ch.bridge != "" {
		d.bridges[ch.bridge] = slices.DeleteFunc(d.bridges[ch.bridge], func(o *channel) bool { return o == ch })
		if len(d.bridges[ch.bridge]) == 0 {
			delete(d.bridges, ch.bridge)
		}
	}
	ch.bridge = strings.Clone(bridge)
	if bridge != "" {
		d.bridges[ch.bridge] = append(d.bridges[ch.bridge], ch)
	}
}

// far returns the channel that ch talks with: the other one in a bridge of two, which is no conference.
func (d *Driver) far(ch *channel) *channel {
	both := d.bridges[ch.bridge]
	if ch.bridge == "" || len(both) != 2 || d.inRoom(ch) {
		return nil
	}
	if both[0] == ch {
		return both[1]
	}
	return both[0]
}

// leave takes the channel out of the call that it is active in. A device that
// has another channel in the call stays.
func (d *Driver) leave(ch *channel, cause csta.EventCause) {
	call := ch.call
	if call == "" {
		return
	}
	d.enter(ch, "")
	if !ch.local && d.find(call, ch.device) == nil {
		d.calls.Cleared(call, ch.device, cause)
	}
	d.sweep(call, cause)
}

// sweep ends a call in which no channel of a party is left: what remains in
// the model has none.
func (d *Driver) sweep(call string, cause csta.EventCause) {
	c := d.states[call]
	if c == nil {
		return
	}
	if len(c.holds) > 0 || len(c.parties()) > 0 {
		d.lone(c, cause)
		return
	}
	d.settle(c)
	d.calls.Ended(call, cause)
	for ch := range c.members {
		ch.call = ""
	}
	delete(d.states, call)
}
