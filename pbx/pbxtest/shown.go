package pbxtest

import (
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
}

func newShown() *shown { return &shown{offered: map[string]bool{}, worked: map[string]bool{}} }

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
