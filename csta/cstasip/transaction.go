package cstasip

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/bits"
	randv2 "math/rand/v2"
	"sync"
	"time"
)

// Timers of RFC 3261 §17 (table 4).
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second

	// patience is how long a request waits for its answer, an INVITE's 2xx for
	// its ACK, and an answer is kept for a retransmitted request: 64·T1.
	patience = 64 * t1

	// ringing is how long an INVITE that has had a provisional answer waits.
	ringing = 3 * time.Minute
)

// ErrTimeout is the error of a request that nobody answered in 64·T1 (timer B
// and F of RFC 3261 §17.1).
var ErrTimeout = errors.New("cstasip: no answer")

// A clientTx is a client transaction (RFC 3261 §17.1): a request of ours until
// its final answer. It has no goroutine; a timer retransmits on UDP.
type clientTx struct {
	core   *core
	branch string
	method string
	flow   flow
	wire   []byte // what to retransmit: the request, later the ACK; nil if nothing
	timer  *time.Timer
	wait   time.Duration // until the next retransmission
	ends   time.Time

	// slow is called once, when T1 has passed without a final answer.
	slow func()
	// final is called exactly once, by a reader or a timer: with the final
	// response, or with the error that stands in for it. It must not block.
	final func(*message, error)

	answered bool // final was called; an INVITE stays to repeat its ACK
}

// core is what server and client share: the transport, client transactions,
// and the bookkeeping of goroutines.
type core struct {
	transport
	advertise string
	agent     string

	mu  sync.Mutex
	txs map[string]*clientTx

	taskMu  sync.RWMutex
	stopped bool
	tasks   sync.WaitGroup
}

// spawn runs f in a goroutine that halt waits for. It reports false, and does
// not run f, when the core has halted.
func (c *core) spawn(f func()) bool {
	c.taskMu.RLock()
	defer c.taskMu.RUnlock()
	if c.stopped {
		return false
	}
	c.tasks.Go(f)
	return true
}

// halt ends client transactions, lets no goroutine start any more and waits for
// those that run.
func (c *core) halt() {
	c.taskMu.Lock()
	c.stopped = true
	c.taskMu.Unlock()
	c.mu.Lock()
	txs := c.txs
	c.txs = nil
	c.mu.Unlock()
	for _, tx := range txs {
		tx.stop()
		c.finish(tx, nil, errHalted)
	}
	c.tasks.Wait()
}

var errHalted = errors.New("cstasip: stopped")

// alphabet has 32 letters that may stand in tags and branches.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// newTag returns a tag with 80 bits that cannot be guessed (RFC 3261 §19.3).
func newTag() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b[:])
}

// newBranch returns a branch, unique in space and time (RFC 3261 §8.1.1.7).
// math/rand/v2 is as unpredictable as its seed, which the runtime takes from
// the system.
func newBranch() string {
	b := []byte("z9hG4bK0000000000000")
	for i, r := 7, randv2.Uint64(); i < len(b); i++ {
		b[i] = alphabet[r&31]
		r = bits.RotateLeft64(r, -5)
	}
	return string(b)
}

// request sends wire and starts its client transaction. slow may be nil. With
// an error final is not called.
func (c *core) request(f flow, method, branch string, wire []byte, slow func(), final func(*message, error)) error {
	tx := &clientTx{core: c, branch: branch, method: method, flow: f, slow: slow, final: final, wait: t1, ends: time.Now().Add(patience)}
	first := patience
	if !f.reliable() {
		tx.wire = wire
		first = t1
	} else if slow != nil {
		first = t1
	}
	c.mu.Lock()
	if c.txs == nil {
		c.mu.Unlock()
		return errHalted
	}
	c.txs[branch] = tx
	tx.timer = time.AfterFunc(first, tx.tick)
	c.mu.Unlock()
	err := f.write(wire)
	if err == nil {
		return nil
	}
	c.mu.Lock()
	answered := tx.answered
	tx.answered = true
	delete(c.txs, branch)
	c.mu.Unlock()
	tx.stop()
	if answered {
		return nil // by halt: final was called
	}
	return err
}

func (tx *clientTx) stop() {
	if tx.timer != nil {
		tx.timer.Stop()
	}
}

// tick is the one timer of a transaction: retransmission on UDP (timers A and
// E), the notice that the answer is slow, the end (B, F, D, K and M).
func (tx *clientTx) tick() {
	c := tx.core
	now := time.Now()
	c.mu.Lock()
	if c.txs[tx.branch] != tx {
		c.mu.Unlock()
		return
	}
	if !now.Before(tx.ends) {
		delete(c.txs, tx.branch)
		c.mu.Unlock()
		c.finish(tx, nil, ErrTimeout)
		return
	}
	slow := tx.slow
	tx.slow = nil
	var again []byte
	next := time.Until(tx.ends)
	if tx.wire != nil && !tx.answered {
		again = tx.wire
		tx.wait *= 2
		if tx.method != invite {
			tx.wait = min(tx.wait, t2)
		}
		next = min(next, tx.wait)
	}
	tx.timer.Reset(next)
	c.mu.Unlock()
	if slow != nil {
		slow()
	}
	if again != nil {
		_ = tx.flow.write(again) // a lost datagram: the next one may arrive
	}
}

// finish calls final, once.
func (c *core) finish(tx *clientTx, m *message, err error) {
	c.mu.Lock()
	answered := tx.answered
	tx.answered = true
	c.mu.Unlock()
	if !answered {
		tx.final(m, err)
	}
}

// respond takes a response in.
func (c *core) respond(m *message) {
	c.mu.Lock()
	tx := c.txs[m.via.branch]
	if tx == nil || tx.method != m.method {
		c.mu.Unlock()
		return // late, or not ours
	}
	switch {
	case m.status < 200:
		if tx.method == invite && !tx.answered {
			// Timer A stops, timer B gives way to the callee's patience.
			tx.wire = nil
			tx.ends = time.Now().Add(ringing)
			tx.timer.Reset(ringing)
		}
		c.mu.Unlock()
	case tx.method == invite && tx.answered:
		ack := tx.wire
		c.mu.Unlock()
		if ack != nil {
			_ = tx.flow.write(ack) // the 2xx came again: our ACK was lost (§13.2.2.4)
		}
	case tx.method == invite:
		// Stays to absorb retransmitted answers (timers D and M).
		tx.wire = nil
		tx.ends = time.Now().Add(patience)
		tx.timer.Reset(patience)
		c.mu.Unlock()
		c.finish(tx, m, nil)
	default:
		delete(c.txs, m.via.branch)
		tx.stop()
		c.mu.Unlock()
		c.finish(tx, m, nil)
	}
}

// acknowledge sends the ACK of an INVITE's final answer and keeps it for the
// answer's retransmissions.
func (c *core) acknowledge(f flow, branch string, wire []byte) {
	c.mu.Lock()
	if tx := c.txs[branch]; tx != nil {
		tx.flow, tx.wire = f, wire
	}
	c.mu.Unlock()
	_ = f.write(wire)
}

func (c *core) init(n network, log *slog.Logger, config *tls.Config, advertise string) {
	c.transport.net, c.transport.log, c.transport.tls, c.parser = n, log, config, newParser()
	c.advertise = advertise
	c.txs = map[string]*clientTx{}
}
