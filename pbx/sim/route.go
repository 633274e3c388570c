package sim

import (
	"slices"
	"strings"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// The causes that the PBX gives beside those of the model.
const (
	causeBusy           csta.EventCause = "busy"
	causeDoNotDisturb   csta.EventCause = "doNotDisturb"
	causeUnallocated    csta.EventCause = "numberUnallocated"
	causeNotObtainable  csta.EventCause = "destNotObtainable"
	causeNotAnswered    csta.EventCause = "callNotAnswered"
	causeCancelled      csta.EventCause = "callCancelled"
	causeForwarded      csta.EventCause = "callForwardImmediate"
	causeForwardedBusy  csta.EventCause = "callForwardBusy"
	causeForwardedNoAns csta.EventCause = "callForwardNoAnswer"
	causeRedirected     csta.EventCause = "redirected"
	causeMakeCall       csta.EventCause = "makeCall"
	causeConsultation   csta.EventCause = "consultation"
	causeAlternate      csta.EventCause = "alternate"
	causeTransfer       csta.EventCause = "transfer"
	causeSingleStep     csta.EventCause = "singleStepTransfer"
	causeConference     csta.EventCause = "conference"
	causeAdded          csta.EventCause = "singleStepConference"
	causeQueued         csta.EventCause = "enteringDistribution"
	causeDistributed    csta.EventCause = "distributed"
	causeQueueTime      csta.EventCause = "queueTimeOverflow"
	causePark           csta.EventCause = "park"
	causeRecall         csta.EventCause = "recall"
	causePickup         csta.EventCause = "callPickup"
	causeCallBack       csta.EventCause = "callBack"
	causeKeyOperation   csta.EventCause = "keyOperation"
	causeNormal                         = pbx.CauseNormal
	causeNewCall                        = pbx.CauseNewCall
	causeNormalClearing                 = pbx.CauseNormalClearing
)

// A target is where a dialled number leads, after all forwarding.
type target struct {
	party   pbx.Party
	phone   *phone      // that rings; nil: outside, or nobody
	sub     *subscriber // that rings outside
	orbit   bool        // at which a call is parked
	queue   *queue
	failure csta.EventCause
	from    []*phone // that the call was forwarded from, without ringing
	cause   csta.EventCause
}

// shown returns the dialled number as the PBX shows it: without access digits.
func (s *Sim) shown(number string) csta.ExtendedDeviceID {
	if out, ok := s.external(number); ok {
		return external(out)
	}
	return csta.Party(number)
}

func external(number string) csta.ExtendedDeviceID {
	return csta.ExtendedDeviceID{DeviceIdentifier: csta.DeviceID{ID: number, External: true}}
}

// external returns the number of the subscriber outside that is dialled by
// number, if it is one.
func (s *Sim) external(number string) (string, bool) {
	if s.phones[number] != nil || number == s.config.Busy || s.isOrbit(number) || s.queueOf(number) != nil || strings.ContainsAny(number, "*#") {
		return "", false
	}
	if out, ok := strings.CutPrefix(number, s.access); ok && out != "" {
		return out, true
	}
	return number, number[0] == '+' || len(number) > s.internal
}

// assigned reports whether somebody has the number.
func (s *Sim) assigned(number string) bool {
	_, out := s.external(number)
	return out || s.phones[number] != nil || s.queueOf(number) != nil || number == s.config.Busy
}

// resolve finds out where number leads; a call does not ring twice at a phone
// that it visited. It changes nothing.
func (s *Sim) resolve(number string, visited []string) target {
	t := target{cause: causeNewCall}
	for {
		if out, ok := s.external(number); ok {
			t.party = pbx.Party{Device: out, Number: external(out)}
			t.sub = s.subscriber(out)
			if t.sub.busy {
				t.failure = causeBusy
			}
			return t
		}
		t.party = pbx.Party{Device: number}
		if t.orbit = len(t.from) == 0 && s.isOrbit(number); t.orbit {
			return t
		}
		if t.queue = s.queueOf(number); t.queue != nil {
			return t
		}
		p := s.phones[number]
		if p == nil {
			t.failure = causeUnallocated
			if number == s.config.Busy {
				t.failure = causeBusy
			}
			return t
		}
		forward := func(kind csta.ForwardingType, cause csta.EventCause) bool {
			f := p.forwards[kind]
			if !f.on {
				return false
			}
			t.cause, number = cause, f.to
			t.from = append(t.from, p)
			visited = append(slices.Clip(visited), p.Number)
			return true
		}
		if slices.Contains(visited, p.Number) || len(t.from) >= maxForwards {
			t.failure = causeNotObtainable
			return t
		}
		switch {
		case forward(forwardImmediate, causeForwarded):
		case p.dnd:
			t.failure = causeDoNotDisturb
			return t
		case !s.engaged(p):
			t.phone = p
			t.party.Own = true
			return t
		case forward(forwardBusy, causeForwardedBusy):
		default:
			t.failure = causeBusy
			return t
		}
	}
}

// engaged reports whether a further caller finds the phone busy.
func (s *Sim) engaged(p *phone) bool {
	n := 0
	for _, c := range s.calls.At(p.Number) {
		if connection(c, p.Number).Own {
			n++
		}
	}
	return n > 0 && !p.CallWaiting || n >= maxCalls
}

// deliver lets the target of a call ring, or its caller hear why it cannot.
// A forwarding on the way counts as the cause before the given one.
func (s *Sim) deliver(id string, t target, cause csta.EventCause) {
	pr := s.of(id)
	pr.target = t.party.Device
	for _, p := range t.from {
		pr.visited = append(pr.visited, p.Number)
		s.calls.Redirected(id, csta.Party(p.Number))
	}
	if t.cause != causeNewCall {
		cause = t.cause
	}
	if c, _ := s.calls.Get(id); t.sub != nil && has(c, t.party.Device) {
		t.failure = causeBusy // who calls is called back by a forwarding
	}
	switch {
	case t.failure != "":
		s.fail(id, t.party, t.failure)
	case t.orbit:
		s.retrieve(id, t.party)
	case t.queue != nil:
		pr.queue, pr.expires = t.queue, time.Now().Add(s.config.QueueTime)
		s.enqueue(pr)
	case t.phone != nil:
		pr.visited = append(pr.visited, t.phone.Number)
		s.ring(pr, t.phone, cause)
	default:
		s.stands(t.party.Device, t.sub)
		s.calls.NetworkReached(id, t.party, csta.Party(trunk), cause)
		s.calls.Delivered(id, t.party, cause)
		if s.config.AutoAnswer {
			s.establish(id, t.party.Device, causeNewCall)
			return
		}
		s.after(pr, s.config.RingTime, func() { s.giveUp(pr, t.party.Device) })
	}
}

// trunk is the one by which calls go outside.
const trunk = "trunk"

// ring offers the call to a phone, or lets it ring at once.
func (s *Sim) ring(pr *progress, p *phone, cause csta.EventCause) {
	if !p.Offers {
		s.alert(pr, p, cause)
		return
	}
	s.calls.Offered(pr.id, p.party(), cause)
	s.after(pr, offerTime, func() { s.alert(pr, p, cause) })
}

// alert lets a phone ring for the call.
func (s *Sim) alert(pr *progress, p *phone, cause csta.EventCause) {
	s.calls.Delivered(pr.id, p.party(), cause)
	after := time.Duration(p.rings) * ringPeriod
	switch {
	case p.autoAnswer && after == 0:
		s.establish(pr.id, p.Number, causeNewCall)
	case p.autoAnswer && after < p.patience():
		s.after(pr, after, func() { s.establish(pr.id, p.Number, causeNewCall) })
	default:
		s.after(pr, p.patience(), func() { s.unanswered(pr, p) })
	}
}

// fail ends an attempt: the failing party is shown, and whoever waits for it
// hears a tone for a while; one outside hangs up. The phone that was called sees
// nothing of it. A conference goes on without who was to be added.
func (s *Sim) fail(id string, failing pbx.Party, cause csta.EventCause) {
	if c, _ := s.calls.Get(id); talkers(c) > 1 {
		if has(c, failing.Device) && connection(c, failing.Device).State == pbx.Alerting {
			s.calls.Cleared(id, failing.Device, cause)
			s.left(failing.Device)
		}
		pr := s.of(id)
		pr.stop()
		pr.adding = ""
		return
	}
	waits := s.hears(id)
	if cause == causeUnallocated || cause == causeNotObtainable || cause == causeNotAnswered || cause == causeQueueTime {
		// There is nobody left who could be the failing device: the caller's connection is.
		failing = waits
	}
	s.calls.Failed(id, failing, cause)
	if !waits.Own {
		s.end(id, causeNormalClearing)
		return
	}
	pr := s.of(id)
	s.after(pr, s.config.ToneTime, func() { s.end(id, causeNormalClearing) })
}

// hears returns the party that waits for an answer: the first in the call that
// is connected to it.
func (s *Sim) hears(id string) pbx.Party {
	c, _ := s.calls.Get(id)
	for _, conn := range c.Connections {
		if conn.State == pbx.Connected || conn.State == pbx.Hold {
			return conn.Party
		}
	}
	return pbx.Party{}
}

// unanswered forwards the call of a phone that rang long enough, if there is
// somewhere to, and gives up otherwise.
func (s *Sim) unanswered(pr *progress, p *phone) {
	if pr.queue != nil {
		s.calls.Diverted(pr.id, p.Number, csta.Party(pr.queue.Number), causeNotAnswered)
		s.enqueue(pr)
		return
	}
	f := p.forwards[forwardNoAns]
	if f.on && len(pr.visited) <= maxForwards {
		if t := s.resolve(f.to, pr.visited); t.failure == "" {
			s.calls.Diverted(pr.id, p.Number, t.party.Shown(), causeForwardedNoAns)
			s.deliver(pr.id, t, causeForwardedNoAns)
			return
		}
	}
	s.giveUp(pr, p.Number)
}

// giveUp stops the ringing of a device.
func (s *Sim) giveUp(pr *progress, device string) {
	s.calls.Cleared(pr.id, device, causeNotAnswered)
	s.left(device)
	s.fail(pr.id, pbx.Party{}, causeNotAnswered)
}
