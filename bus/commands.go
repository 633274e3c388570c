package bus

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"rccgw/csta"
)

// commands executes each command once.
//
// The key of a command comes from the dialog that it came in. Before the driver
// is asked, the key is created in the bucket: the intent. Afterwards the answer
// is written over it. Who finds an answer returns it; who finds an intent that
// nobody in this process is working on does not know whether the command was
// executed, says so, and does not execute it.
//
//	killed before the intent       not executed; a repetition executes it
//	between intent and answer      uncertain; a repetition is told so
//	after the answer is written    a repetition gets that answer
type commands struct {
	open func(context.Context) (jetstream.KeyValue, error)

	mu      sync.Mutex
	kv      jetstream.KeyValue       // nil until it is used
	running map[string]chan struct{} // closed when the answer is known
}

// A record is what the bucket keeps of a command.
type record struct {
	Service string          `json:"service"`
	Answer  json.RawMessage `json:"answer,omitempty"`
	Error   *csta.Error     `json:"error,omitempty"`
}

func (r *record) result(req csta.Message) (csta.Message, error) {
	if r.Service != csta.Name(req) {
		return nil, csta.Errorf(csta.Operation, "generic", "the key of this %s was used by a %s", csta.Name(req), r.Service)
	}
	if r.Error != nil {
		return nil, r.Error
	}
	if r.Answer == nil {
		return nil, errUncertain(req)
	}
	resp := csta.Response(req)
	return resp, json.Unmarshal(r.Answer, resp)
}

// errUncertain is told where nobody knows whether a command was executed.
func errUncertain(req csta.Message) error {
	return csta.Errorf(csta.PrivateError, "uncertain", "it is not known whether %s was executed", csta.Name(req))
}

// acts reports whether a service changes something. One that only asks is
// performed as often as it is asked: the standard's names say which those are.
func acts(req csta.Message) bool {
	name := csta.Name(req)
	return !strings.HasPrefix(name, "Get") && !strings.HasPrefix(name, "Snapshot")
}

// once performs the request unless its key says that it was performed before.
func (c *commands) once(ctx context.Context, key string, req csta.Message, perform func(context.Context) (csta.Message, error)) (csta.Message, error) {
	if key == "" || !acts(req) {
		return perform(ctx)
	}
	sum := sha256.Sum256([]byte(key))
	key = base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20])

	c.mu.Lock()
	if c.running == nil {
		c.running = map[string]chan struct{}{}
	}
	if wait, ok := c.running[key]; ok {
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, errUncertain(req)
		}
		kv, err := c.bucket(ctx, nil)
		if err != nil {
			return nil, errUncertain(req)
		}
		return recall(ctx, kv, key, req)
	}
	done := make(chan struct{})
	c.running[key] = done
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.running, key)
		c.mu.Unlock()
		close(done)
	}()

	intent, err := json.Marshal(record{Service: csta.Name(req)})
	if err != nil {
		return nil, err
	}
	kv, err := c.create(ctx, key, intent)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return recall(ctx, kv, key, req)
	} else if err != nil {
		return nil, csta.Errorf(csta.SystemResourceAvailability, "internalResourceBusy", "%s was not executed: the command store: %v", csta.Name(req), err)
	}
	resp, failure := perform(ctx)
	r := record{Service: csta.Name(req)}
	if failure != nil {
		r.Error = csta.AsError(failure)
	} else if r.Answer, err = json.Marshal(resp); err != nil {
		return nil, err
	}
	if text, err := json.Marshal(r); err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
		defer cancel()
		// The command was executed whatever becomes of the record, so an error
		// changes nothing: a repetition is then told that it is uncertain.
		_, _ = kv.Put(ctx, key, text)
	}
	return resp, failure
}

// bucket returns the bucket, opened anew where it is the stale one.
func (c *commands) bucket(ctx context.Context, stale jetstream.KeyValue) (jetstream.KeyValue, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kv != nil && c.kv != stale {
		return c.kv, nil
	}
	kv, err := c.open(ctx)
	if err == nil {
		c.kv = kv
	}
	return kv, err
}

// create writes the intent. A server that restarted has lost the bucket, which
// is then made again.
func (c *commands) create(ctx context.Context, key string, intent []byte) (jetstream.KeyValue, error) {
	kv, err := c.bucket(ctx, nil)
	if err != nil {
		return nil, err
	}
	if _, err = kv.Create(ctx, key, intent); err == nil || errors.Is(err, jetstream.ErrKeyExists) {
		return kv, err
	}
	if kv, err = c.bucket(ctx, kv); err == nil {
		_, err = kv.Create(ctx, key, intent)
	}
	return kv, err
}

// recall answers a repetition from the record.
func recall(ctx context.Context, kv jetstream.KeyValue, key string, req csta.Message) (csta.Message, error) {
	entry, err := kv.Get(ctx, key)
	if err != nil {
		return nil, errUncertain(req)
	}
	var r record
	if err := json.Unmarshal(entry.Value(), &r); err != nil {
		return nil, errUncertain(req)
	}
	return r.result(req)
}
