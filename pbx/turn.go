package pbx

import (
	"context"

	"rccgw/csta"
)

// A Turn is what a driver does one thing at a time in: it takes events in, or carries a command out. What it holds is received from it by [Turn.Done];
// who need not watch a context may send to it as well.
type Turn chan struct{}

// NewTurn returns a turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the turn, for a command. Its errors: performanceManagement/performanceLimitExceeded where the context has ended before,
// systemResourceAvailibility/internalResourceBusy where it ends meanwhile. The command has not been begun then.
func (t Turn) Take(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return csta.Errorf(csta.PerformanceManagement, "performanceLimitExceeded", "not executed: %v", err)
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return csta.Errorf(csta.SystemResourceAvailability, "internalResourceBusy", "the PBX is slow to answer others: %v", context.Cause(ctx))
	}
}

// Done gives the turn back.
func (t Turn) Done() { <-t }
