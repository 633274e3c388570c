package main

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	faultsTime = flag.Duration("faults.time", 5*time.Second, "how long TestFaults goes on")
	faultsSeed = flag.Uint64("faults.seed", 1, "seed of the first round of TestFaults; 0: a fresh one")
)

// A round is a story: how far two people, or three, have come, what people and clients do then, a fault in the middle of it, what people do meanwhile,
// and the repair.
type round struct {
	fault                fault
	first, before, while []act // only the first wait until they can be done
}

// An act is what somebody at a phone does, or its client asks for.
type act struct {
	who  int // of the phones
	what string
	to   int
}

func (a act) String() string {
	return fmt.Sprintf("%s %s %s", faultLines[a.who], a.what, faultLines[a.to])
}

func (r round) String() string {
	return fmt.Sprintf("%v, %v, then %s, meanwhile %v", r.first, r.before, r.fault.name, r.while)
}

var (
	faultLines = []string{"1001", "1002", "1003", "1004"}
	faultHands = []string{"dials", "answers", "hangs up", "holds", "retrieves", "transfers to"}
	faultAsks  = []string{"MakeCall", "AnswerCall", "ClearConnection", "HoldCall", "RetrieveCall", "SingleStepTransferCall", "ConsultationCall", "ConsultationCall",
		"AlternateCall", "ReconnectCall", "TransferCall", "ConferenceCall"}
)

func newRound(seed uint64) round {
	r := rand.New(rand.NewPCG(seed, 0))
	acts := func(n int, whats ...string) (list []act) {
		for range n {
			a := act{who: r.IntN(len(faultLines)), what: whats[r.IntN(len(whats))]}
			a.to = (a.who + 1 + r.IntN(len(faultLines)-1)) % len(faultLines)
			list = append(list, a)
		}
		return list
	}
	who := r.Perm(len(faultLines))
	first := []act{{who[0], "dials", who[1]}, {who[1], "answers", who[0]}, {who[0], "holds", who[1]}, {who[0], "dials", who[2]}, {who[2], "answers", who[0]}}
	if r.IntN(2) == 0 { // the client does the same
		first = []act{{who[0], "MakeCall", who[1]}, {who[1], "answers", who[0]}, {who[0], "ConsultationCall", who[2]}, {who[2], "answers", who[0]}, {who[0], "ConferenceCall", who[2]}}
	}
	return round{faults[r.IntN(len(faults))], first[:r.IntN(len(first)+1)], acts(r.IntN(6), slices.Concat(faultHands, faultAsks)...), acts(r.IntN(5), faultHands...)}
}

// play plays a round. It begins and ends with nobody in a call.
func (w *faultWorld) play(r round) error {
	if _, err := w.settle(15 * time.Second); err != nil {
		return fmt.Errorf("before the round: %w", err)
	}
	for _, a := range r.first {
		for begun := time.Now(); w.do(a) != nil && time.Since(begun) < time.Second; {
			time.Sleep(time.Millisecond)
		}
	}
	for _, a := range r.before {
		_ = w.do(a) // what cannot be done now is not done
	}
	repair := r.fault.breaks(w)
	for _, a := range r.while {
		_ = w.do(a)
	}
	repair()
	patience := 15 * time.Second
	if r.fault.hidden {
		patience = 25 * time.Second // an Asterisk may be silent for so long
	}
	took, err := w.settle(patience)
	if err == nil && r.fault.name != "no fault" && !r.fault.hidden {
		w.recovered = append(w.recovered, took)
		if took > 2*time.Second {
			w.t.Logf("%v after: %v", took.Round(time.Millisecond), r)
		}
	}
	for begun := time.Now(); !w.pbx.idle() && time.Since(begun) < 5*time.Second; time.Sleep(time.Millisecond) {
		for _, line := range faultLines { // a held call rings back
			_ = w.pbx.person(line).HangUp()
			_ = w.pbx.person(line).Retrieve()
		}
	}
	return err
}

// shrink returns the shortest story found that still fails, within the time.
func (w *faultWorld) shrink(r round, limit time.Duration) round {
	begun := time.Now()
	for again := true; again; {
		again = false
		for _, list := range []*[]act{&r.first, &r.before, &r.while} {
			for i := 0; i < len(*list) && time.Since(begun) < limit; i++ {
				whole := *list
				*list = slices.Delete(slices.Clone(whole), i, i+1)
				if w.play(r) == nil {
					*list = whole
					continue
				}
				again = true
				i--
			}
		}
	}
	return r
}

// Whatever fails between a PBX and a client, and whatever happens meanwhile: when
// the parts are back, every client has been told how things are, and is answered
// the same. The seed of each round is printed where it fails, and the shortest
// story found that fails.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) exchange{
		"simulated": func(t *testing.T) exchange { return newSimExchange(t) },
		"Asterisk":  func(t *testing.T) exchange { return newAsteriskExchange(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			playFaults(t, start(t))
		})
	}
}

func playFaults(t *testing.T, x exchange) {
	w := newFaultWorld(t, x)
	seed := *faultsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	first, kinds := seed, map[string]int{}
	for begun := time.Now(); time.Since(begun) < *faultsTime; seed++ {
		r := newRound(seed)
		kinds[r.fault.name]++
		if err := w.play(r); err != nil {
			t.Errorf("seed %d: %v: %v", seed, r, err)
			t.Fatalf("the shortest found: %v", w.shrink(r, time.Minute))
		}
	}
	var list []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		list = append(list, fmt.Sprintf("%s %d", k, kinds[k]))
	}
	slices.Sort(w.recovered)
	if n := len(w.recovered); n > 0 {
		t.Logf("seeds %d to %d: %s; %d commands, %d uncertain; all agree after %v in the middle, %v at the most", first, seed-1,
			strings.Join(list, ", "), w.commands, w.uncertain, w.recovered[n/2].Round(time.Millisecond), w.recovered[n-1].Round(time.Millisecond))
	}
}
