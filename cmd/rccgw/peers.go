package main

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// parsePeers reads RCC_SIP_PEERS: addresses, CIDRs and host names, or "any".
// The function it returns tells whether an address may talk to us. Names are
// looked up again every minute, in the background: a name server that hangs
// must not hold up a call.
func parsePeers(text string, m *mistakes) func(netip.Addr) bool {
	var prefixes []netip.Prefix
	var names []string
	for p := range strings.SplitSeq(text, ",") {
		p = strings.TrimSpace(p)
		if p == "any" {
			return nil
		}
		if prefix, err := parsePrefix(p); err == nil {
			prefixes = append(prefixes, prefix)
		} else if validHost(p) {
			names = append(names, p)
		} else {
			m.add("RCC_SIP_PEERS", p, "not an address, a CIDR, a host name or any")
		}
	}
	n := &namedPeers{names: names}
	return func(addr netip.Addr) bool {
		addr = addr.Unmap().WithZone("")
		for _, p := range prefixes {
			if p.Contains(addr) {
				return true
			}
		}
		return len(names) > 0 && n.allows(addr)
	}
}

// parsePrefix reads an address or a CIDR.
func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	return prefix.Masked(), err
}

// validHost reports whether the text has the form of a host name that is not
// a malformed address.
func validHost(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789./") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}

type namedPeers struct {
	names []string

	mu      sync.Mutex
	allowed map[netip.Addr]bool
	looked  time.Time
	looking bool
}

func (n *namedPeers) allows(addr netip.Addr) bool {
	n.mu.Lock()
	if n.looked.IsZero() {
		n.looked = time.Now()
		n.mu.Unlock()
		n.look()
		n.mu.Lock()
	} else if time.Since(n.looked) > time.Minute && !n.looking {
		n.looked, n.looking = time.Now(), true
		go n.look()
	}
	defer n.mu.Unlock()
	return n.allowed[addr]
}

// look resolves the names. One that cannot be resolved now keeps nobody out
// who was let in before.
func (n *namedPeers) look() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	found := map[netip.Addr]bool{}
	failed := false
	for _, name := range n.names {
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		failed = failed || err != nil
		for _, ip := range ips {
			found[ip.Unmap()] = true
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if failed {
		for ip := range n.allowed {
			found[ip] = true
		}
	}
	n.allowed, n.looking = found, false
}
