package pbx

import (
	"context"

	"rccgw/csta"
)

type leaseKey struct{}

// WithLease returns a context in which a driver performs a request for as long as
// held says that it may. Where several processes stand by for one PBX, one of them
// may act, and only for a time that it has to renew.
func WithLease(ctx context.Context, held func() bool) context.Context {
	return context.WithValue(ctx, leaseKey{}, held)
}

// CheckLease refuses where the driver may not act any more. A driver calls it
// right before each write to its PBX: a process that was stopped in the middle of
// a request does not know how long it was away.
func CheckLease(ctx context.Context) error {
	if held, ok := ctx.Value(leaseKey{}).(func() bool); ok && !held() {
		return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "another process acts for this PBX by now")
	}
	return nil
}
