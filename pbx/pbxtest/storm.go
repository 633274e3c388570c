package pbxtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"rccgw/csta"
	"rccgw/pbx"
)

// All clients and all hands do anything at once. Nothing is expected but what
// is always checked.

func stormScenarios() []scenario {
	return []scenario{{name: "storm", services: services(&csta.MakeCall{}), play: storm}}
}

func storm(s *stage) {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	actors := s.actors[:4]
	var all sync.WaitGroup
	for i, a := range actors {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		all.Go(func() {
			for range s.b.Storm / len(actors) {
				if random.IntN(3) == 0 {
					_ = s.anyHand(a, random)
					continue
				}
				req := s.anyRequest(a, random)
				name := csta.Name(req)
				_, err := s.try(a, req)
				var e *csta.Error
				if err != nil && !errors.As(err, &e) {
					s.Errorf("%s was refused with %v, which is no CSTA error", name, err)
				}
			}
		})
	}
	all.Wait()
	// What still rings or fails may change while it is cleared.
	s.eventually("end of all calls", func() error {
		var refused error
		for _, a := range actors {
			for call := range a.states() {
				if _, err := s.try(a, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(call, a.ID)}); err != nil {
					refused = err
				}
			}
		}
		for _, a := range actors {
			if calls := a.states(); len(calls) > 0 {
				return fmt.Errorf("%s has calls: %v; refused: %v", a.name, calls, refused)
			}
			// An answer may be here before its events, and who is called back is
			// so when the last call has ended.
			if !a.Features.Supports(&csta.SnapshotDevice{}) {
				continue
			}
			if err := s.compare(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// anyRequest returns any service, mostly about calls that the line has.
func (s *stage) anyRequest(a *actor, random *rand.Rand) csta.Message {
	pick := func(states ...csta.LocalConnectionState) csta.ConnectionID {
		for call, state := range a.states() {
			for _, want := range states {
				if state == want {
					return csta.Connection(call, a.ID)
				}
			}
		}
		return csta.Connection("none", a.ID)
	}
	other := s.actors[random.IntN(4)]
	number := csta.Device(other.Number)
	if s.b.Orbit != "" && random.IntN(2) == 0 {
		number = csta.Device(s.b.Orbit)
	}
	if s.b.Queue != "" && random.IntN(8) == 0 {
		number = csta.Device(s.b.Queue)
	}
	what := random.IntN(20)
	if what == 12 || what == 13 || what == 11 || what == 17 || what == 18 || what == 15 {
		what = 14
	}
	if (what == 15 || what == 16) && !s.b.has(CrossedPickUps) {
		what = 3
	}
	switch what {
	case 0, 1, 2:
		return &csta.MakeCall{CallingDevice: csta.Device(a.ID), CalledDirectoryNumber: number, AutoOriginate: doNotPrompt}
	case 3, 4:
		return &csta.AnswerCall{CallToBeAnswered: pick(pbx.Alerting)}
	case 5:
		return &csta.ClearConnection{ConnectionToBeCleared: pick(pbx.Connected, pbx.Fail, pbx.Hold, pbx.Alerting)}
	case 6:
		return &csta.HoldCall{CallToBeHeld: pick(pbx.Connected)}
	case 7:
		return &csta.RetrieveCall{CallToBeRetrieved: pick(pbx.Hold)}
	case 8:
		return &csta.ConsultationCall{ExistingCall: pick(pbx.Connected), ConsultedDevice: number}
	case 9:
		return &csta.AlternateCall{HeldCall: pick(pbx.Hold), ActiveCall: pick(pbx.Connected)}
	case 10:
		return &csta.TransferCall{HeldCall: pick(pbx.Hold), ActiveCall: pick(pbx.Connected)}
	case 11:
		return &csta.SingleStepTransferCall{ActiveCall: pick(pbx.Connected, pbx.Hold, pbx.Alerting), TransferredTo: number}
	case 12:
		return &csta.ConferenceCall{HeldCall: pick(pbx.Hold), ActiveCall: pick(pbx.Connected)}
	case 13:
		return &csta.SingleStepConferenceCall{ActiveCall: pick(pbx.Connected), DeviceToJoin: number, ParticipationType: active}
	case 14:
		return &csta.ParkCall{Parking: pick(pbx.Connected), ParkTo: csta.Device(s.b.Orbit)}
	case 15:
		return &csta.GroupPickupCall{NewDestination: csta.Device(a.ID)}
	case 16:
		for call, state := range other.states() {
			if state == pbx.Alerting {
				return &csta.DirectedPickupCall{CallToBePickedUp: a.conn(call, other), RequestingDevice: csta.Device(a.ID)}
			}
		}
		return &csta.GroupPickupCall{NewDestination: csta.Device(a.ID)}
	case 17:
		return &csta.CallBack{CallbackConnection: pick(pbx.Connected, pbx.Fail)}
	case 18:
		if random.IntN(4) == 0 {
			return &csta.ClearCall{CallToBeCleared: pick(pbx.Connected, pbx.Hold, pbx.Fail)}
		}
		return &csta.GenerateDigits{ConnectionToSendDigits: pick(pbx.Connected), CharactersToSend: "1"}
	default:
		return &csta.ReconnectCall{HeldCall: pick(pbx.Hold), ActiveCall: pick(pbx.Connected)}
	}
}

// anyHand does anything at a phone, if the bench has the hand for it.
func (s *stage) anyHand(a *actor, random *rand.Rand) error {
	do := func(f func() error) error {
		if f == nil {
			return nil
		}
		return f()
	}
	p := a.Person
	switch random.IntN(9) {
	case 6:
		return do(p.Conference)
	case 7:
		if s.b.has(CrossedPickUps) {
			return do(p.PickUp)
		}
	case 8:
		if p.Park != nil {
			return p.Park(s.b.Orbit)
		}
	case 0:
		if p.Dial != nil {
			return p.Dial(s.actors[random.IntN(4)].Number)
		}
	case 1, 2:
		return do(p.Answer)
	case 3:
		return do(p.HangUp)
	case 4:
		return do(p.Hold)
	default:
		return do(p.Retrieve)
	}
	return nil
}
