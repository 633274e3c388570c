package asterisktest

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// A history is what a phone has gone through. Written by the goroutine that listens to the phone, read by the test's.
type history struct {
	t    testing.TB
	name string

	mu     sync.Mutex
	events []string
	read   int
	more   chan struct{} // closed when there is another event, and replaced
}

func newHistory(t testing.TB, name string) *history {
	h := &history{t: t, name: name, more: make(chan struct{})}
	t.Cleanup(func() {
		if t.Failed() {
			h.mu.Lock()
			defer h.mu.Unlock()
			t.Logf("%s: %q, of which the test has seen %d", h.name, h.events, h.read)
		}
	})
	return h
}

func (h *history) add(event string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
	close(h.more)
	h.more = make(chan struct{})
}

// Wait waits for the next event that begins with those words, passing over others, and returns it. It fails the test after [Timeout].
//
// The events: registered · incoming NUMBER · ringing (the far end) · established · held (by this phone) · resumed (by this
// phone) · ended. What else a kind of phone tells is in its documentation.
func (h *history) Wait(event string) string {
	h.t.Helper()
	deadline := time.After(Timeout)
	for {
		h.mu.Lock()
		for h.read < len(h.events) {
			e := h.events[h.read]
			h.read++
			if rest, ok := strings.CutPrefix(e, event); ok && (rest == "" || rest[0] == ' ') {
				h.mu.Unlock()
				return e
			}
		}
		more := h.more
		h.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			h.t.Fatalf("%s: no %q", h.name, event)
		}
	}
}

// Count returns how many events so far begin with those words, seen or not.
func (h *history) Count(event string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if rest, ok := strings.CutPrefix(e, event); ok && (rest == "" || rest[0] == ' ') {
			n++
		}
	}
	return n
}
