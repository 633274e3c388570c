package pbxtest

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"testing"

	"rccgw/csta"
)

// shown is what the scenarios of one run have shown to work: services that were
// performed, events that were told. It is held against what the lines offer.
type shown struct {
	mu      sync.Mutex
	offered map[string]bool
	worked  map[string]bool
	missing map[string]string // what the first lines lack, by its name, and how that is said
}

func newShown() *shown {
	return &shown{offered: map[string]bool{}, worked: map[string]bool{}, missing: map[string]string{}}
}

// lacks skips the test, and all others that need the same without a bench.
func (s *shown) lacks(t *testing.T, name, text string) {
	t.Helper()
	s.mu.Lock()
	s.missing[name] = text
	s.mu.Unlock()
	t.Skip(text)
}

// skip skips a scenario that needs what was found missing before.
func (s *shown) skip(t *testing.T, sc scenario) {
	t.Helper()
	s.mu.Lock()
	var text string
	for _, m := range sc.services {
		text = cmp.Or(text, s.missing[csta.Name(m)])
	}
	for _, a := range sc.needs {
		text = cmp.Or(text, s.missing[string(a)])
	}
	s.mu.Unlock()
	if text != "" {
		t.Skip(text)
	}
}

func (s *shown) offers(f *csta.GetCSTAFeaturesResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range csta.Messages() {
		if f.Supports(m) {
			s.offered[csta.Name(m)] = true
		}
	}
}

func (s *shown) work(m csta.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worked[csta.Name(m)] = true
}

// offersWhatNothingShows are messages whose working no scenario of a driver can
// show: a session's own, and those that need what no bench has.
var offersWhatNothingShows = []string{"GetCSTAFeatures", "RequestSystemStatus", "SystemStatus", "MonitorStart", "MonitorStop", "ChangeMonitorFilter",
	"CallClearedEvent", "BackInServiceEvent", "OutOfServiceEvent"}

// complete fails the run where something is offered that no scenario has shown to
// work, and logs what has been shown.
func (s *shown) complete(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var worked, not []string
	for name := range s.offered {
		switch {
		case s.worked[name]:
			worked = append(worked, name)
		case !slices.Contains(offersWhatNothingShows, name):
			not = append(not, name)
		}
	}
	slices.Sort(worked)
	slices.Sort(not)
	t.Logf("shown to work: %s", strings.Join(worked, " "))
	if len(not) > 0 {
		t.Errorf("offered, and shown to work by no scenario: %s", strings.Join(not, " "))
	}
}
