package pbxtest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// Backoff is short: benches cut links and bring them back.
var Backoff = pbx.Backoff{Min: time.Millisecond, Max: 20 * time.Millisecond}

// Start keeps the driver's link until the test is over, and returns its services
// as soon as the link is up.
func Start(t testing.TB, d pbx.Driver, emit pbx.Emit) *csta.Mux {
	t.Helper()
	m := new(csta.Mux)
	d.Services(m)
	normal := make(chan struct{})
	var once sync.Once
	Background(t, func(ctx context.Context) error {
		return pbx.Keep(ctx, d, func(device string, msg csta.Message) {
			emit(device, msg)
			if s, ok := msg.(*csta.SystemStatus); ok && s.SystemStatus == pbx.StatusNormal {
				once.Do(func() { close(normal) })
			}
		}, Backoff, slog.New(slog.NewTextHandler(t.Output(), nil)))
	})
	select {
	case <-normal:
	case <-time.After(10 * time.Second):
		t.Fatal("the link is not up within 10 s")
	}
	return m
}

// Background runs f until the test is over, and waits for its end.
func Background(t testing.TB, f func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = f(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}
