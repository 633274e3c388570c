package cstasip

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"
)

// Bounds of what one dialog keeps of its answers. A dialog that is busier
// forgets the oldest, and refuses its repetition instead of serving it twice.
const (
	maxRecords     = 64
	maxRecordBytes = 128 << 10
)

// An inbox tells the new requests of a dialog from repetitions, and keeps the
// answers that repetitions get. The owner's mutex guards it.
//
// CSeq orders the requests of a dialog (RFC 3261 §12.2.2), but a client of the
// field starts it again after each re-INVITE: re-INVITE 5 is followed by ACK 1
// and INFO 2. So the dialog's life is cut into epochs, the re-INVITEs so far,
// and a CSeq counts within its epoch. Where a lower CSeq than the last arrives
// that was not seen before, it is served: UDP has overtaken itself.
type inbox struct {
	epoch   uint32
	floor   uint32 // CSeqs of the epoch up to it may have been served and forgotten
	bytes   int
	records []*record
}

// A record is a request that was received, and its answer.
type record struct {
	epoch  uint32
	cseq   uint32
	method string
	branch string
	brand  string   // stands in for a branch, see ticket
	body   [16]byte // hash
	job    *job     // while it is served

	done   bool
	at     time.Time // when it was answered
	answer answer
}

// A verdict is what an inbox makes of a request.
type verdict int

const (
	fresh    verdict = iota // to be served
	pending                 // a repetition, the first is still served: to be ignored
	repeated                // a repetition, to be given the record's answer
	conflict                // another request under a CSeq that was used, or one too old to tell
)

func bodyHash(body []byte) [16]byte {
	sum := sha256.Sum256(body)
	return [16]byte(sum[:16])
}

// receive enters a request. The brand stands in for the branch of one that has
// none.
func (b *inbox) receive(m *message, now time.Time, brand string) (*record, verdict) {
	hash := bodyHash(m.body)
	for _, r := range b.records {
		same := m.via.branch != "" && m.via.branch == r.branch && m.cseq == r.cseq
		if !same && (r.epoch != b.epoch || r.cseq != m.cseq) {
			continue
		}
		switch {
		case r.method != m.method || r.body != hash:
			return nil, conflict
		case r.done:
			return r, repeated
		}
		return r, pending
	}
	if m.cseq <= b.floor {
		return nil, conflict
	}
	r := &record{epoch: b.epoch, cseq: m.cseq, method: m.method, branch: m.via.branch, brand: brand, body: hash}
	b.records = append(b.records, r)
	b.shrink(now)
	return r, fresh
}

// answer keeps the answer of a record.
func (b *inbox) answer(r *record, a answer, now time.Time) {
	r.done, r.at, r.answer, r.job = true, now, a, nil
	b.bytes += r.size()
	b.shrink(now)
}

// cancel takes back a request that is not served.
func (b *inbox) cancel(r *record) {
	b.records = slices.DeleteFunc(b.records, func(x *record) bool { return x == r })
}

func (r *record) size() int { return len(r.answer.headers) + len(r.answer.body) }

// turn begins an epoch, with a re-INVITE; the function that it returns takes
// that back, should the re-INVITE be refused.
func (b *inbox) turn() (undo func()) {
	epoch, floor := b.epoch, b.floor
	b.epoch, b.floor = epoch+1, 0
	return func() {
		if b.epoch != epoch+1 {
			return
		}
		b.epoch, b.floor = epoch, max(floor, b.floor)
		for _, r := range b.records {
			r.epoch = min(r.epoch, epoch)
		}
	}
}

// shrink forgets answers that are older than 64·T1, and the oldest ones beyond
// the bounds.
func (b *inbox) shrink(now time.Time) {
	n := len(b.records)
	b.records = slices.DeleteFunc(b.records, func(r *record) bool {
		if !r.done || now.Sub(r.at) < patience && n <= maxRecords && b.bytes <= maxRecordBytes {
			return false
		}
		n--
		b.forget(r)
		return true
	})
	if len(b.records) == 0 {
		b.records = nil
	}
}

func (b *inbox) forget(r *record) {
	b.bytes -= r.size()
	if r.epoch == b.epoch {
		b.floor = max(b.floor, r.cseq)
	}
}

// next returns when shrink has something to do; zero if nothing is kept.
func (b *inbox) next() time.Time {
	for _, r := range b.records {
		if r.done {
			return r.at.Add(patience)
		}
	}
	return time.Time{}
}

// commandKey identifies a command wherever it goes: Call-ID, both tags, epoch,
// CSeq and body. The same request that arrives twice has the same key.
func commandKey(l *leg, r *record) string {
	h := sha256.New()
	var b []byte
	for _, s := range []string{l.callID, l.localTag, l.remoteTag} {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, ':')
		b = append(b, s...)
	}
	b = strconv.AppendUint(b, uint64(r.epoch), 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(r.cseq), 10)
	b = append(b, ':')
	b = append(b, r.method...)
	b = append(b, r.body[:]...)
	h.Write(b)
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0])[:16])
}
