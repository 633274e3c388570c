package freeswitchtest

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// A channel is one leg of a call at a phone.
type channel struct {
	uuid      string
	phone     *Phone
	inbound   bool // the phone dialled
	presence  string
	state     string // Channel-State
	callstate string // Channel-Call-State
	answer    string // Answer-State
	call      string // Channel-Call-UUID
	other     *channel
	peer      *channel // whom it is connected with, or rings for
	lead      bool     // of the two, it is the one that has the dialplan
	dialplan  bool
	dest, cid string
	cause     string
	job       string // of the originate that waits for its answer
	jobArg    string
	then      string // what is to follow the answer
	auto      bool   // the phone is asked to answer by itself
	parked    bool
	room      string // the conference that it is in
	flipped   bool   // it was called and became one that calls
	gone      bool
	vars      map[string]string
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newChannel returns a channel of the phone; its contact has a name of its own.
func (s *Server) newChannel(uuid string, p *Phone) *channel {
	s.legs++
	ch := &channel{uuid: uuid, phone: p, call: uuid, state: "CS_NONE", callstate: "DOWN", answer: "ringing", vars: map[string]string{}}
	s.channels = append(s.channels, ch)
	p.legs = append(p.legs, ch)
	if len(p.legs) == 1 {
		p.heard = ""
	}
	return ch
}

func (s *Server) find(uuid string) *channel {
	i := slices.IndexFunc(s.channels, func(ch *channel) bool { return ch.uuid == uuid && !ch.gone })
	if i < 0 {
		return nil
	}
	return s.channels[i]
}

// rooms begins the numbers of conferences.
const rooms = "rcc-conference-"

// contact is the user part by which FreeSWITCH reaches the phone.
func (p *Phone) contact() string { return p.number + "-0x55550000" }

// encode encodes as FreeSWITCH does.
func encode(value string) string {
	return strings.NewReplacer("+", "%20", "%2C", ",", "%2F", "/", "%28", "(", "%29", ")", "%21", "!", "%7E", "~", "%2A", "*").Replace(url.QueryEscape(value))
}

// tell emits an event of the channel, with the extra headers.
func (s *Server) tell(ch *channel, name string, extra ...string) {
	direction := "outbound"
	if ch.inbound {
		direction = "inbound"
	}
	var h []string
	if i := slices.IndexFunc(extra, func(e string) bool { return strings.HasPrefix(e, "Original-Channel-Call-State") }); i >= 0 {
		h, extra = append(h, extra[i]), slices.Delete(slices.Clone(extra), i, i+1)
	}
	add := func(name, value string) {
		if value != "" {
			h = append(h, name+": "+encode(value))
		}
	}
	add("Channel-State", ch.state)
	add("Channel-Call-State", ch.callstate)
	add("Unique-ID", ch.uuid)
	add("Call-Direction", direction)
	add("Channel-Presence-ID", ch.presence)
	add("Channel-Call-UUID", ch.call)
	add("Answer-State", ch.answer)
	add("Hangup-Cause", ch.cause)
	if ch.dialplan {
		add("Caller-Dialplan", "XML")
	}
	add("Caller-Caller-ID-Number", ch.cid)
	add("Caller-Destination-Number", ch.dest)
	if ch.other != nil {
		add("Other-Leg-Unique-ID", ch.other.uuid)
	}
	s.emit(name, append(h, extra...), "")
}

// enter moves the channel to a state.
func (s *Server) enter(ch *channel, state string) {
	ch.state = state
	s.tell(ch, "CHANNEL_STATE")
}

// become moves the channel to a call state.
func (s *Server) become(ch *channel, callstate string) {
	was := ch.callstate
	ch.callstate = callstate
	s.tell(ch, "CHANNEL_CALLSTATE", "Original-Channel-Call-State: "+was)
}

// variables are the channel's in its first events.
func (ch *channel) variables() (headers []string) {
	for name, value := range ch.vars {
		headers = append(headers, "variable_"+name+": "+encode(value))
	}
	return headers
}

func (s *Server) execute(ch *channel, app, data string) {
	extra := []string{"Application: " + app}
	if data != "" {
		extra = append(extra, "Application-Data: "+encode(data))
	}
	s.tell(ch, "CHANNEL_EXECUTE", extra...)
}

// jobDone ends a background job.
func (s *Server) jobDone(job, arg, out string) {
	s.emit("BACKGROUND_JOB", []string{"Job-UUID: " + job, "Job-Command: originate", "Job-Command-Arg: " + encode(arg)}, out+"\n")
}

func bridgeOf(a, b *channel) []string {
	return []string{"Bridge-A-Unique-ID: " + a.uuid, "Bridge-B-Unique-ID: " + b.uuid}
}

// ringing has an outbound channel reach its phone.
func (s *Server) ringing(ch *channel) {
	s.tell(ch, "CHANNEL_OUTGOING")
	if ch.peer != nil {
		ch.call = ch.peer.call
	}
	ch.presence = ch.phone.number + "@" + Domain
	s.enter(ch, "CS_INIT")
	s.tell(ch, "CHANNEL_CREATE", ch.variables()...)
	s.tell(ch, "CHANNEL_ORIGINATE", ch.variables()...)
	s.enter(ch, "CS_ROUTING")
	s.enter(ch, "CS_CONSUME_MEDIA")
	s.tell(ch, "CHANNEL_PROGRESS")
	s.become(ch, "RINGING")
	if ch.auto || ch.phone.eager {
		s.answered(ch)
	} else if ch.phone.patience > 0 {
		s.after(ch.phone.patience, func() {
			if !ch.gone && ch.answer == "ringing" {
				s.rejected(ch, "NO_ANSWER")
			}
		})
	}
}

// originate calls a phone, which is then connected with what the rest says.
func (s *Server) originate(job, arg string) {
	vars := map[string]string{}
	rest := arg
	if strings.HasPrefix(arg, "{") {
		list, after, _ := strings.Cut(arg[1:], "}")
		rest = after
		for pair := range strings.SplitSeq(list, ",") {
			name, value, _ := strings.Cut(pair, "=")
			vars[name] = value
		}
	}
	target, then, _ := strings.Cut(rest, " ")
	user, domain, _ := strings.Cut(strings.TrimPrefix(target, "user/"), "@")
	p := s.phones[user]
	switch {
	case p == nil || p.away || domain != Domain:
		s.jobDone(job, arg, "-ERR USER_NOT_REGISTERED")
		return
	case vars["origination_uuid"] != "" && s.find(vars["origination_uuid"]) != nil:
		s.jobDone(job, arg, "-ERR DESTINATION_OUT_OF_ORDER")
		return
	}
	uuid := vars["origination_uuid"]
	if uuid == "" {
		uuid = newUUID()
	}
	ch := s.newChannel(uuid, p)
	ch.lead, ch.job, ch.jobArg, ch.then = true, job, arg, then
	ch.auto = vars["sip_auto_answer"] == "true" && p.obeys
	ch.dest, ch.cid = p.contact(), vars["origination_caller_id_number"]
	if call, ok := vars["rcc_call"]; ok { // of the others nobody asks
		ch.vars["rcc_call"] = call
	}
	s.ringing(ch)
}

// answered has the phone of an outbound channel answer.
func (s *Server) answered(ch *channel) {
	ch.answer = "answered"
	s.tell(ch, "CHANNEL_ANSWER")
	s.become(ch, "ACTIVE")
	if ch.job == "" {
		s.connect(ch.peer, ch)
		return
	}
	s.tell(ch, "CHANNEL_OUTGOING")
	done := func() {
		s.jobDone(ch.job, ch.jobArg, "+OK "+ch.uuid)
		ch.job = ""
	}
	if app, ok := strings.CutPrefix(ch.then, "&"); ok {
		app, data, _ := strings.Cut(strings.TrimSuffix(app, ")"), "(")
		s.flip(ch)
		done()
		s.enter(ch, "CS_EXECUTE")
		s.execute(ch, app, data)
		if app == "park" {
			ch.parked = true
			s.tell(ch, "CHANNEL_PARK")
		}
		return
	}
	ch.dest, _, _ = strings.Cut(ch.then, " ")
	ch.dialplan = true
	s.enter(ch, "CS_ROUTING")
	done()
	s.flip(ch)
	s.enter(ch, "CS_EXECUTE")
	s.route(ch)
}

// route carries out the dialplan for a channel.
func (s *Server) route(ch *channel) {
	p := s.phones[ch.dest]
	switch {
	case s.db["rcc_dnd/"+ch.dest] != "":
		s.execute(ch, "hangup", "USER_BUSY")
		s.hangup(ch, "USER_BUSY")
	case s.phones[s.db["rcc_cfi/"+ch.dest]] != nil:
		s.dial(ch, s.phones[s.db["rcc_cfi/"+ch.dest]], ch.dest)
	case p != nil:
		s.dial(ch, p, "")
	case ch.dest == Conference || strings.HasPrefix(ch.dest, rooms):
		ch.room = strings.TrimPrefix(ch.dest, rooms)
		s.execute(ch, "answer", "")
		s.execute(ch, "conference", ch.room+"@default")
	case ch.dest == Busy:
		s.execute(ch, "hangup", "USER_BUSY")
		s.hangup(ch, "USER_BUSY")
	default:
		s.hangup(ch, "NO_ROUTE_DESTINATION")
	}
}

// dial calls a phone for a channel: its own, or that to which it is forwarded.
func (s *Server) dial(ch *channel, p *Phone, by string) {
	s.execute(ch, "set", "hangup_after_bridge=true")
	s.execute(ch, "set", "ringback=tone_stream://%(2000,4000,440,480)")
	s.bridge(ch, p, by)
}

func (s *Server) bridge(ch *channel, p *Phone, by string) {
	b := s.newChannel(newUUID(), p)
	target := "user/" + p.number + "@" + Domain
	if by != "" {
		b.vars["rcc_redirected"] = by
		target = "{rcc_redirected=" + by + "}" + target
	}
	s.execute(ch, "bridge", target)
	if ch.answer == "answered" && ch.callstate != "RING_WAIT" {
		s.become(ch, "RING_WAIT")
	}
	b.peer, b.other, b.dialplan, b.dest, b.cid = ch, ch, true, p.contact(), ch.phone.number
	ch.peer = b
	s.ringing(b)
}

// connect bridges who dialled with who answers.
func (s *Server) connect(a, b *channel) {
	if a.answer == "answered" {
		a.other = b
		s.become(a, "ACTIVE")
	} else {
		a.answer = "answered"
		s.tell(a, "CHANNEL_ANSWER")
		s.become(a, "ACTIVE")
		a.other = b
	}
	s.tell(b, "CHANNEL_OUTGOING")
	a.lead = true
	s.tell(a, "CHANNEL_BRIDGE", bridgeOf(a, b)...)
	s.enter(b, "CS_EXCHANGE_MEDIA")
	first, second := b, a
	if a.inbound {
		first, second = a, b
	}
	s.tell(first, "CALL_UPDATE")
	s.tell(second, "CALL_UPDATE")
}

// hangup ends a channel, and whoever has nobody left by that.
func (s *Server) hangup(ch *channel, cause string) {
	if ch.gone {
		return
	}
	peer := ch.peer
	s.hang(ch, cause)
	if peer == nil || peer.gone {
		s.report(ch)
		return
	}
	bridged := ch.bridged()
	peerCause := cause
	if !bridged && ch.lead {
		peerCause = "ORIGINATOR_CANCEL"
	}
	s.hang(peer, peerCause)
	lead, follower := ch, peer
	if !ch.lead {
		lead, follower = peer, ch
	}
	s.report(follower)
	if bridged {
		s.tell(lead, "CHANNEL_UNBRIDGE", bridgeOf(lead, follower)...)
	}
	s.report(lead)
}

// bridged reports whether the channel hears its peer.
func (ch *channel) bridged() bool {
	answered := func(c *channel) bool {
		return c != nil && c.callstate != "RINGING" && c.callstate != "DOWN" && c.callstate != "RING_WAIT"
	}
	return answered(ch) && answered(ch.peer)
}

// rejected ends a channel whose phone does not answer, and who called it.
func (s *Server) rejected(ch *channel, cause string) {
	caller := ch.peer
	s.hang(ch, cause)
	s.report(ch)
	if caller != nil && !caller.gone {
		caller.peer = nil
		realm := map[string]string{"NO_ANSWER": "rcc_cfna/", "USER_BUSY": "rcc_cfb/"}[cause]
		if to := s.phones[s.db[realm+caller.dest]]; realm != "" && to != nil && to != ch.phone {
			s.bridge(caller, to, caller.dest)
			return
		}
		s.hangup(caller, cause)
	}
}

func (s *Server) hang(ch *channel, cause string) {
	ch.cause, ch.answer = cause, "hangup"
	s.tell(ch, "CHANNEL_HANGUP")
}

// report is what a channel says after it was hung up.
func (s *Server) report(ch *channel) {
	if ch.job != "" {
		s.jobDone(ch.job, ch.jobArg, "-ERR "+ch.cause)
		ch.job = ""
	}
	if ch.parked {
		s.tell(ch, "CHANNEL_UNPARK")
	}
	s.enter(ch, "CS_HANGUP")
	s.become(ch, "HANGUP")
	s.enter(ch, "CS_REPORTING")
	s.tell(ch, "CHANNEL_HANGUP_COMPLETE")
	s.tell(ch, "CHANNEL_DESTROY")
	s.enter(ch, "CS_DESTROY")
	ch.gone = true
	is := func(o *channel) bool { return o == ch }
	s.channels = slices.DeleteFunc(s.channels, is)
	ch.phone.legs = slices.DeleteFunc(ch.phone.legs, is)
}
