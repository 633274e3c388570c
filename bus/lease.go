package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"rccgw/csta"
)

// Of several adapters of one PBX, one holds the lease: the entry of the directory
// that it renews. It alone subscribes to commands and reports events; the others
// stand by.
//
// The holder counts from before it asked for a renewal, a standby from after it
// saw the last one, and the standby waits for longer: so the holder knows that it
// must not act any more before anybody else begins to.
const (
	// renewal is how often the holder renews its entry, at the least.
	renewal = 500 * time.Millisecond
	// leaseLife is how long the holder may act after it began to renew.
	leaseLife = 2 * time.Second
	// entryLife is how long an entry counts that is not renewed. Then its adapter
	// is gone: for standbys, who take its place, and for gateways.
	entryLife = leaseLife + 400*time.Millisecond
	// standbyLook is how often a standby looks.
	standbyLook = 200 * time.Millisecond
)

// forever is how long the lease of an adapter lasts that has no rivals.
const forever = 100 * 365 * 24 * time.Hour

// A lease says until when this process may act for its PBX.
type lease struct {
	mu    sync.Mutex
	until time.Time
}

func (l *lease) set(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = until
}

func (l *lease) end() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

// held reports whether the lease lasts. It is compared with both clocks: the
// monotonic one stands still while the machine sleeps, and the other one may be
// set back.
func (l *lease) held() bool {
	now, until := time.Now(), l.end()
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

// errNoLease is told where another process may act for the PBX by now.
func errNoLease(pbx string) error {
	return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "this adapter of PBX %s may not act any more: its lease ran out", pbx)
}

// A candidate looks for its chance to take the place of an adapter.
type candidate struct {
	kv       jetstream.KeyValue
	revision uint64    // of the entry of another, as it was seen last
	since    time.Time // when it was seen first
	rival    bool      // the instance's own name is no proof of being the same process
}

// claim takes the place in the directory, or says who has it: another instance
// whose entry is not old enough. The entry of the same instance is a former life
// of this process, and taken at once.
func (c *candidate) claim(ctx context.Context, e Entry) (revision uint64, holder string, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return 0, "", err
	}
	old, err := c.kv.Get(ctx, e.PBX)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		revision, err = c.kv.Create(ctx, e.PBX, text)
		return revision, "", err
	}
	if err != nil {
		return 0, "", err
	}
	if old.Revision() != c.revision {
		c.revision, c.since = old.Revision(), time.Now()
	}
	var was Entry
	if err := json.Unmarshal(old.Value(), &was); err == nil && (was.Instance != e.Instance || c.rival) && time.Since(c.since) < entryLife {
		return 0, was.Instance, nil
	}
	revision, err = c.kv.Update(ctx, e.PBX, text, old.Revision())
	return revision, "", err
}

// errTaken ends the term of an adapter whose place somebody else has taken.
type errTaken struct{ pbx, instance string }

func (e *errTaken) Error() string {
	return fmt.Sprintf("instance %s took over PBX %s", e.instance, e.pbx)
}

// renewEntry renews the entry of the holder, or says that it is somebody else's
// by now. One that has vanished is nobody's, and is made again.
func renewEntry(ctx context.Context, kv jetstream.KeyValue, e Entry, last uint64) (revision uint64, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	if revision, err = kv.Update(ctx, e.PBX, text, last); err == nil {
		return revision, nil
	}
	failure := err
	old, err := kv.Get(ctx, e.PBX)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return kv.Create(ctx, e.PBX, text)
	case err != nil:
		return 0, failure
	}
	var was Entry
	if err := json.Unmarshal(old.Value(), &was); err != nil || was.Epoch != e.Epoch {
		return 0, &errTaken{e.PBX, was.Instance}
	}
	// Ours, by a renewal whose answer was lost.
	return kv.Update(ctx, e.PBX, text, old.Revision())
}
