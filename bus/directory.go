package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rccgw/csta"
)

// An Entry of the directory is what an adapter says of itself, every renewal.
// One that is not renewed vanishes: its adapter is gone.
type Entry struct {
	PBX      string                 `json:"pbx"`
	Instance string                 `json:"instance"`        // of the process
	Alone    bool                   `json:"alone,omitempty"` // the bus is inside that process: the entry counts as long as it is there
	Lines    string                 `json:"lines"`           // patterns of the lines it serves
	Link     csta.SystemStatusValue `json:"link"`            // to the PBX
	Epoch    string                 `json:"epoch"`           // of its events
	Seq      uint64                 `json:"seq"`             // of its last event
	Returns  uint64                 `json:"returns"`         // how often its connection to the bus was lost and came back
	Digits   EntryDigits            `json:"digits"`          // the plan that it translates by
}

// EntryDigits says which digit plan is in force. While it stays the same, so do
// the devices that numbers mean.
type EntryDigits struct {
	Source   Source `json:"source"`
	Revision uint64 `json:"revision"`
	Problem  bool   `json:"problem"` // the source has another that is not put in force
}

const (
	adaptersBucket = "rcc_adapters"
	commandsBucket = "rcc_commands"

	commandLife = 5 * time.Minute // far beyond 64·T1, the life of a SIP transaction
)

// openAdapters opens the directory's bucket, creating it where it is missing.
func openAdapters(ctx context.Context, nc *nats.Conn) (jetstream.KeyValue, error) {
	return openBucket(ctx, nc, jetstream.KeyValueConfig{Bucket: adaptersBucket, TTL: entryLife, History: 1})
}

// openCommands opens the bucket of commands. It is kept in memory: a record is
// of use as long as the dialog of its command lives, and a dialog does not
// outlive the gateway. Where the gateway lives and the adapter dies, there is a
// server between them that lives, too.
func openCommands(ctx context.Context, nc *nats.Conn) (jetstream.KeyValue, error) {
	return openBucket(ctx, nc, jetstream.KeyValueConfig{Bucket: commandsBucket, TTL: commandLife, History: 1, Storage: jetstream.MemoryStorage})
}

// openDigits opens the bucket of digit plans.
func openDigits(ctx context.Context, nc *nats.Conn) (jetstream.KeyValue, error) {
	return findBucket(ctx, nc, jetstream.KeyValueConfig{Bucket: digitsBucket, History: maxRevisions})
}

// openLines opens the bucket of what lines are doing.
func openLines(ctx context.Context, nc *nats.Conn) (jetstream.KeyValue, error) {
	return findBucket(ctx, nc, jetstream.KeyValueConfig{Bucket: linesBucket, History: 1})
}

// findBucket opens a bucket. One that is there stays as it is: whoever runs a
// cluster may have made it with replicas.
func findBucket(ctx context.Context, nc *nats.Conn, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return openBucket(ctx, nc, c)
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", c.Bucket, err)
	}
	return kv, nil
}

func openBucket(ctx context.Context, nc *nats.Conn, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.CreateOrUpdateKeyValue(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", c.Bucket, err)
	}
	return kv, nil
}
