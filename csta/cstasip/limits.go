package cstasip

import (
	"errors"
	"net/netip"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// What one peer may take, so that it leaves room for the others whether it is
// broken or hostile. A peer is an address here, and the 64 bits that somebody owns
// of an IPv6 address: who has them all is one all the same.

func peerOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().Addr()
}

var (
	errNotPeer         = errors.New("not a peer")
	errConnections     = errors.New("too many connections")
	errPeerConnections = errors.New("too many connections of this peer")
	errPeerDialogs     = errors.New("too many dialogs of this peer")
	errPeerRequests    = errors.New("too many requests of this peer")
)

// busy refuses a request for now.
var busy = answer{status: 503, headers: "Retry-After: 5\r\n"}

// A tally counts what peers have. It has no entry for one that has nothing.
type tally map[netip.Addr]int

func (t tally) add(a netip.Addr, n int) {
	a = peerOf(a)
	if t[a] += n; t[a] == 0 {
		delete(t, a)
	}
}

func (t tally) of(a netip.Addr) int { return t[peerOf(a)] }

// ratedPeers bounds the peers whose requests are counted. A flood from more
// addresses than that is not held up by this limit, nor does it take memory.
const ratedPeers = 10_000

// A rates is a token bucket for each peer that has sent something lately, filled
// in a second.
type rates struct {
	each    int // requests per second
	buckets *lru.Cache[netip.Addr, *rate.Limiter]
}

func newRates(each int) rates {
	buckets, _ := lru.New[netip.Addr, *rate.Limiter](ratedPeers) // fails for a size that is not positive
	return rates{each, buckets}
}

// allow counts a request and reports whether the peer may send it.
func (r rates) allow(a netip.Addr) bool {
	a = peerOf(a)
	b, ok := r.buckets.Get(a)
	if !ok {
		b = rate.NewLimiter(rate.Limit(r.each), r.each)
		if before, ok, _ := r.buckets.PeekOrAdd(a, b); ok {
			b = before
		}
	}
	return b.Allow()
}
