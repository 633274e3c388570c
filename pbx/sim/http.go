package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"rccgw/csta"
)

// PhoneState is a phone as HTTP shows it.
type PhoneState struct {
	Device       string         `json:"device"`
	Name         string         `json:"name,omitempty"`
	DoNotDisturb bool           `json:"doNotDisturb"`
	Message      bool           `json:"message,omitempty"`    // waits
	Forwarding   []ForwardState `json:"forwarding,omitempty"` // what is on
	Calls        []CallState    `json:"calls"`
	Heard        string         `json:"heard,omitempty"` // in the last call: digits, and tones in parentheses
}

// ForwardState is a forwarding that is on.
type ForwardState struct {
	Type csta.ForwardingType `json:"type"`
	To   string              `json:"to"`
}

// CallState is a call of a phone.
type CallState struct {
	CallID  string                    `json:"callID"`
	State   csta.LocalConnectionState `json:"state"`
	Parties []PartyState              `json:"parties"`
}

// PartyState is another party of a phone's call.
type PartyState struct {
	Number string                    `json:"number"` // "notKnown" and "restricted" for what has none
	State  csta.LocalConnectionState `json:"state"`
}

// maxBody bounds what a request may send; all that is meant fits many times.
const maxBody = 4 << 10

// HTTP returns the hands at all phones, for other processes:
//
//	GET  /phones                     all phones
//	GET  /phones/{device}            one phone
//	POST /phones/{device}/{action}   lift, dial, answer, hangup, hold, retrieve,
//	                                 consult, transfer, conference, park, pickup, press, forward, dnd,
//	                                 message
//	POST /outside/{number}/{action}  call, answer, hangup, busy
//	POST /link/{action}              cut, restore
//
// A body is JSON: {"number":"1002"} for dial, consult, transfer, park, press and call,
// {"type":"forwardBusy","on":true,"number":"1002"} for forward, {"on":true} for
// dnd, message and busy, {"number":"1002","withheld":true} for a call without a number.
// An action at a phone answers with the phone's new state; a refused one with
// 409, a mistaken one with 400, both as {"error":"…"}.
func (s *Sim) HTTP() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /phones", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.states()) })
	m.HandleFunc("GET /phones/{device}", func(w http.ResponseWriter, r *http.Request) { s.replyPhone(w, r.PathValue("device")) })
	m.HandleFunc("POST /phones/{device}/{action}", func(w http.ResponseWriter, r *http.Request) {
		device := r.PathValue("device")
		if s.phones[device] == nil {
			s.replyPhone(w, device)
			return
		}
		if handle(w, r, phoneActions(s.Phone(device))) {
			s.replyPhone(w, device)
		}
	})
	m.HandleFunc("POST /outside/{number}/{action}", func(w http.ResponseWriter, r *http.Request) {
		if err := checkDigits(r.PathValue("number")); err != nil {
			replyError(w, http.StatusBadRequest, err)
			return
		}
		if handle(w, r, outsideActions(s.Outside(r.PathValue("number")))) {
			reply(w, http.StatusOK, struct{}{})
		}
	})
	m.HandleFunc("POST /link/{action}", func(w http.ResponseWriter, r *http.Request) {
		if handle(w, r, map[string]func(body) error{
			"cut":     func(body) error { s.Cut(); return nil },
			"restore": func(body) error { s.Restore(); return nil },
		}) {
			reply(w, http.StatusOK, struct{}{})
		}
	})
	// A page in somebody's browser must not make calls.
	return http.NewCrossOriginProtection().Handler(m)
}

// body is what an action may be given.
type body struct {
	Number   *string             `json:"number"`
	Type     csta.ForwardingType `json:"type"`
	On       *bool               `json:"on"`
	Withheld bool                `json:"withheld"`
}

// errBody marks a body that lacks something.
var errBody = errors.New("body")

func (b body) number() (string, error) {
	if b.Number == nil {
		return "", fmt.Errorf(`%w: "number" is missing`, errBody)
	}
	return *b.Number, nil
}

func (b body) on() (bool, error) {
	if b.On == nil {
		return false, fmt.Errorf(`%w: "on" is missing: true or false`, errBody)
	}
	return *b.On, nil
}

func phoneActions(h Phone) map[string]func(body) error {
	plain := func(f func() error) func(body) error { return func(body) error { return f() } }
	numbered := func(f func(string) error) func(body) error {
		return func(b body) error {
			n, err := b.number()
			if err != nil {
				return err
			}
			return f(n)
		}
	}
	switched := func(f func(bool) error) func(body) error {
		return func(b body) error {
			on, err := b.on()
			if err != nil {
				return err
			}
			return f(on)
		}
	}
	return map[string]func(body) error{
		"lift": plain(h.Lift), "answer": plain(h.Answer), "hangup": plain(h.HangUp), "hold": plain(h.Hold), "retrieve": plain(h.Retrieve),
		"conference": plain(h.Conference), "pickup": plain(h.PickUp), "park": numbered(h.Park), "press": numbered(h.Press),
		"dial": numbered(h.Dial), "consult": numbered(h.Consult),
		"transfer": func(b body) error {
			if b.Number == nil {
				return h.Transfer("")
			}
			return h.Transfer(*b.Number)
		},
		"forward": func(b body) error {
			on, err := b.on()
			if err != nil {
				return err
			}
			to := ""
			if b.Number != nil {
				to = *b.Number
			}
			return h.SetForwarding(b.Type, on, to)
		},
		"dnd": switched(h.SetDoNotDisturb), "message": switched(h.Message),
	}
}

func outsideActions(o Outside) map[string]func(body) error {
	return map[string]func(body) error{
		"call": func(b body) error {
			n, err := b.number()
			if err != nil {
				return err
			}
			if b.Withheld {
				_, err = o.Call(n, csta.Restricted())
			} else {
				_, err = o.Call(n)
			}
			return err
		},
		"answer": func(body) error { return o.Answer() },
		"hangup": func(body) error { return o.HangUp() },
		"busy": func(b body) error {
			on, err := b.on()
			if err == nil {
				o.Busy(on)
			}
			return err
		},
	}
}

// handle performs the action of the request's path and reports whether it was
// done; otherwise the answer is written.
func handle(w http.ResponseWriter, r *http.Request, actions map[string]func(body) error) bool {
	name := r.PathValue("action")
	act := actions[name]
	if act == nil {
		names := make([]string, 0, len(actions))
		for n := range actions {
			names = append(names, n)
		}
		slices.Sort(names)
		replyError(w, http.StatusNotFound, fmt.Errorf("there is no action %q, only %s", name, strings.Join(names, ", ")))
		return false
	}
	var b body
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil && !errors.Is(err, io.EOF) {
		replyError(w, http.StatusBadRequest, fmt.Errorf("%w: %w", errBody, err))
		return false
	}
	if d.More() {
		replyError(w, http.StatusBadRequest, fmt.Errorf("%w: more than one JSON value", errBody))
		return false
	}
	switch err := act(b); {
	case err == nil:
		return true
	case errors.Is(err, errBody):
		replyError(w, http.StatusBadRequest, fmt.Errorf("%s: %w", name, err))
	default:
		replyError(w, http.StatusConflict, fmt.Errorf("%s: %w", name, err))
	}
	return false
}

func (s *Sim) replyPhone(w http.ResponseWriter, device string) {
	p := s.phones[device]
	if p == nil {
		replyError(w, http.StatusNotFound, fmt.Errorf("there is no phone %q", device))
		return
	}
	s.mu.Lock()
	state := s.state(p)
	s.mu.Unlock()
	reply(w, http.StatusOK, state)
}

// states returns all phones, ordered by number.
func (s *Sim) states() []PhoneState {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]PhoneState, 0, len(s.phones))
	for _, p := range s.phones {
		list = append(list, s.state(p))
	}
	slices.SortFunc(list, func(a, b PhoneState) int { return strings.Compare(a.Device, b.Device) })
	return list
}

func (s *Sim) state(p *phone) PhoneState {
	state := PhoneState{Device: p.Number, Name: p.Name, DoNotDisturb: p.dnd, Message: p.message, Calls: []CallState{}, Heard: p.heard}
	for _, kind := range forwardingTypes {
		if f := p.forwards[kind]; f.on {
			state.Forwarding = append(state.Forwarding, ForwardState{kind, f.to})
		}
	}
	for _, c := range s.calls.At(p.Number) {
		conn := connection(c, p.Number)
		if !conn.Own {
			continue
		}
		call := CallState{CallID: c.ID, State: conn.State, Parties: []PartyState{}}
		for _, o := range c.Other(p.Number) {
			call.Parties = append(call.Parties, PartyState{o.Shown().String(), o.State})
		}
		state.Calls = append(state.Calls, call)
	}
	return state
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Who asked may have left; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(v)
}

func replyError(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}
