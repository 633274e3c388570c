package bus

import (
	"context"
	"encoding/json"
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
	Instance string                 `json:"instance"` // of the process
	Lines    string                 `json:"lines"`    // patterns of the lines it serves
	Link     csta.SystemStatusValue `json:"link"`     // to the PBX
	Epoch    string                 `json:"epoch"`    // of its events
	Seq      uint64                 `json:"seq"`      // of its last event
	Watches  bool                   `json:"watches"`  // it must be told which devices are watched
}

const (
	adaptersBucket = "rcc_adapters"
	commandsBucket = "rcc_commands"

	// renewal is how often an adapter renews its entry; the entry lives for
	// four of them, which outlasts a server that restarts.
	renewal     = time.Second
	entryLife   = 4 * renewal
	commandLife = 5 * time.Minute // far beyond 64·T1, the life of a SIP transaction
)

// buckets opens the two buckets, creating them where they are missing.
func buckets(ctx context.Context, nc *nats.Conn) (adapters, commands jetstream.KeyValue, err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, nil, err
	}
	open := func(name string, life time.Duration) jetstream.KeyValue {
		if err != nil {
			return nil
		}
		var kv jetstream.KeyValue
		kv, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, TTL: life, History: 1})
		if err != nil {
			err = fmt.Errorf("bucket %s: %w", name, err)
		}
		return kv
	}
	adapters = open(adaptersBucket, entryLife)
	commands = open(commandsBucket, commandLife)
	return adapters, commands, err
}

// claim takes the entry of the PBX for this adapter, or says who has it. The
// entry of the same instance is a former life of this process.
func claim(ctx context.Context, kv jetstream.KeyValue, e Entry) (revision uint64, holder string, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return 0, "", err
	}
	old, err := kv.Get(ctx, e.PBX)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		revision, err = kv.Create(ctx, e.PBX, text)
		return revision, "", err
	}
	if err != nil {
		return 0, "", err
	}
	var was Entry
	if err := json.Unmarshal(old.Value(), &was); err == nil && was.Instance != e.Instance {
		return 0, was.Instance, nil
	}
	revision, err = kv.Update(ctx, e.PBX, text, old.Revision())
	return revision, "", err
}
