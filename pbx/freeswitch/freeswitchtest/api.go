package freeswitchtest

import (
	"encoding/json"
	"strings"
)

// api carries out an API command and returns its output; the server is locked.
func (s *Server) api(line string) string {
	word, rest, _ := strings.Cut(line, " ")
	args := strings.Fields(rest)
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch word {
	case "uptime":
		return "17"
	case "show":
		if s.shown++; s.frozen != "" {
			return s.frozen
		}
		return s.show()
	case "uuid_getvar":
		ch := s.find(arg(0))
		if ch == nil {
			return "-ERR No such channel!\n"
		}
		if value, ok := ch.vars[arg(1)]; ok {
			return value
		}
		return "_undef_"
	case "user_exists":
		if arg(0) == "id" && s.phones[arg(1)] != nil && arg(2) == Domain {
			return "true"
		}
		return "false"
	}
	if word != "db" || !strings.HasPrefix(rest, "select/") {
		s.commands = append(s.commands, line)
	}
	switch word {
	case "uuid_hold":
		uuid, off := arg(0), arg(0) == "off"
		if off {
			uuid = arg(1)
		}
		if ch := s.find(uuid); ch == nil || !s.hold(ch, !off, false) {
			return "-ERR Operation Failed\n"
		}
		return "+OK Success\n"
	case "uuid_kill":
		ch := s.find(arg(0))
		if ch == nil {
			return "-ERR No Such Channel!\n"
		}
		s.kill(ch, arg(1))
		return "+OK\n"
	case "uuid_phone_event":
		ch := s.find(arg(0))
		if ch == nil {
			return "-ERR Operation Failed\n"
		}
		if arg(1) == "talk" && ch.phone.talks && !ch.inbound && ch.answer == "ringing" {
			s.answered(ch)
		}
		return "+OK Success\n"
	case "uuid_setvar":
		ch := s.find(arg(0))
		if ch == nil {
			return "-ERR No such channel!\n"
		}
		if ch.vars[arg(1)] = arg(2); arg(2) == "" {
			delete(ch.vars, arg(1))
		}
		return "+OK\n"
	case "uuid_bridge":
		b, d := s.find(arg(0)), s.find(arg(1))
		if b == nil || d == nil || b == d {
			return "-ERR Invalid uuid\n"
		}
		s.join(b, d)
		return "+OK " + d.uuid + "\n"
	case "uuid_transfer":
		ch := s.find(arg(0))
		if ch == nil {
			return "-ERR No Such Channel!\n"
		}
		if arg(1) == "-both" {
			if ch.peer == nil || !ch.bridged() {
				return "-ERR No such channel\n"
			}
			s.both(ch, arg(2))
		} else if arg(1) == "-bleg" {
			if ch.peer == nil || !ch.bridged() {
				return "-ERR No such channel\n"
			}
			s.transfer(ch, arg(2))
		} else {
			s.deflect(ch, arg(1))
		}
		return "+OK\n"
	case "uuid_send_dtmf":
		ch := s.find(arg(0))
		if ch == nil {
			return "-ERR No Such Channel!\n"
		}
		ch.phone.heard += arg(1)
		return ""
	case "hupall":
		for len(s.channels) > 0 {
			s.hangup(s.channels[len(s.channels)-1], "MANAGER_REQUEST")
		}
		return "+OK hangup all channels with cause MANAGER_REQUEST\n"
	case "db":
		return s.database(rest)
	}
	return "-ERR " + word + " Command not found!\n"
}

// database is mod_db's API.
func (s *Server) database(command string) string {
	parts := strings.SplitN(command, "/", 4)
	if len(parts) < 3 {
		return "-USAGE: [insert|delete|select|exists|count|list]/<realm>/<key>/<value>"
	}
	key := parts[1] + "/" + parts[2]
	switch {
	case parts[0] == "insert" && len(parts) == 4:
		s.db[key] = parts[3]
	case parts[0] == "delete":
		delete(s.db, key)
	case parts[0] == "select":
		return s.db[key]
	}
	return "+OK"
}

// kill hangs a channel up as if its phone had.
func (s *Server) kill(ch *channel, cause string) {
	if cause == "" {
		cause = "NORMAL_CLEARING"
	}
	if ch.answer == "ringing" && !ch.inbound && ch.peer != nil {
		s.rejected(ch, cause)
		return
	}
	s.hangup(ch, cause)
}

// hold holds or retrieves for a channel, which is done by its phone or for it.
func (s *Server) hold(ch *channel, on, byPhone bool) bool {
	if !ch.bridged() && ch.room == "" {
		return false
	}
	switch held := ch.callstate == "HELD"; {
	case on && !held:
		s.become(ch, "HELD")
		s.tell(ch, "CHANNEL_HOLD")
		if byPhone && ch.room == "" {
			s.execute(ch.peer, "playback", "local_stream://moh")
		}
	case !on && held:
		s.become(ch, "UNHELD")
		s.tell(ch, "CHANNEL_UNHOLD")
		s.become(ch, "ACTIVE")
	}
	return true
}

// release ends a channel whose peer is taken away.
func (s *Server) release(ch, peer *channel) {
	if ch.callstate == "HELD" {
		s.become(ch, "UNHELD")
		s.tell(ch, "CHANNEL_UNHOLD")
	}
	if ch.lead {
		s.tell(ch, "CHANNEL_UNBRIDGE", bridgeOf(ch, peer)...)
	} else {
		s.tell(peer, "CHANNEL_UNBRIDGE", bridgeOf(peer, ch)...)
	}
	ch.peer, peer.peer = nil, nil
	s.hang(ch, "NORMAL_CLEARING")
}

// transfer sends whom the channel talks to elsewhere; the channel is released.
func (s *Server) transfer(ch *channel, dest string) {
	peer := ch.peer
	s.release(ch, peer)
	s.report(ch)
	s.reroute(peer, dest)
}

// reroute begins the dialplan anew.
func (s *Server) reroute(ch *channel, dest string) {
	ch.call, ch.other, ch.dialplan, ch.lead, ch.dest = ch.uuid, nil, true, true, dest
	s.enter(ch, "CS_ROUTING")
	s.flip(ch)
	s.enter(ch, "CS_EXECUTE")
	s.route(ch)
}

// flip has a channel that was called become one that calls.
func (s *Server) flip(ch *channel) {
	if !ch.inbound && !ch.flipped {
		ch.flipped, ch.cid = true, ch.phone.contact()
		s.tell(ch, "CALL_UPDATE")
	}
}

// both sends a channel and whom it talks to elsewhere.
func (s *Server) both(ch *channel, dest string) {
	peer := ch.peer
	ch.peer, peer.peer, ch.other, ch.dest = nil, nil, nil, dest
	if ch.lead {
		s.tell(ch, "CHANNEL_UNBRIDGE", bridgeOf(ch, peer)...)
	} else {
		s.tell(peer, "CHANNEL_UNBRIDGE", bridgeOf(peer, ch)...)
	}
	s.reroute(ch, dest)
	s.reroute(peer, dest)
}

// deflect sends a channel elsewhere; whoever rings for it stops.
func (s *Server) deflect(ch *channel, dest string) {
	peer := ch.peer
	if peer != nil && ch.bridged() {
		s.transfer(peer, dest)
		return
	}
	ch.peer = nil
	if peer != nil {
		s.hang(peer, "ORIGINATOR_CANCEL")
		s.report(peer)
	}
	if ch.callstate == "RING_WAIT" {
		ch.callstate = "ACTIVE"
	}
	s.reroute(ch, dest)
}

// join bridges two channels of two calls, and releases their peers.
func (s *Server) join(b, d *channel) {
	a, c := b.peer, d.peer
	s.flip(b)
	b.other = d
	for _, state := range []string{"CS_HIBERNATE", "CS_RESET", "CS_SOFT_EXECUTE"} {
		s.enter(b, state)
	}
	if a != nil {
		s.release(a, b)
		s.report(a)
	}
	d.other, d.cid = b, b.cid
	if c != nil {
		s.release(c, d)
		s.report(c)
	}
	d.call = d.uuid
	for _, state := range []string{"CS_HIBERNATE", "CS_RESET", "CS_SOFT_EXECUTE"} {
		s.enter(d, state)
	}
	b.call = b.uuid
	s.execute(b, "uuid_bridge", d.uuid)
	s.execute(d, "uuid_bridge", b.uuid)
	b.peer, d.peer, b.lead, d.lead = d, b, true, false
	s.tell(b, "CHANNEL_BRIDGE", bridgeOf(b, d)...)
	d.call = b.uuid
	s.enter(d, "CS_EXCHANGE_MEDIA")
	s.tell(d, "CALL_UPDATE")
	s.tell(b, "CALL_UPDATE")
}

// A row is a channel as show channels has it; the driver reads no other columns.
type row struct {
	UUID       string `json:"uuid"`
	Direction  string `json:"direction"`
	State      string `json:"state"`
	CIDNumber  string `json:"cid_num"`
	Dest       string `json:"dest"`
	Dialplan   string `json:"dialplan"`
	PresenceID string `json:"presence_id"`
	CallState  string `json:"callstate"`
	CallUUID   string `json:"call_uuid"`
}

func (s *Server) show() string {
	var list struct {
		Count int   `json:"row_count"`
		Rows  []row `json:"rows,omitempty"`
	}
	for _, ch := range s.channels {
		r := row{ch.uuid, "outbound", ch.state, ch.cid, ch.dest, "", ch.presence, ch.callstate, ch.call}
		if ch.inbound {
			r.Direction = "inbound"
		}
		if ch.dialplan {
			r.Dialplan = "XML"
		}
		if ch.lead && (ch.peer == nil || !ch.bridged()) {
			r.CallUUID = ""
		}
		list.Rows = append(list.Rows, r)
	}
	list.Count = len(list.Rows)
	text, err := json.Marshal(list)
	if err != nil {
		return "-ERR " + err.Error()
	}
	return string(text)
}
