package pbx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

// scripted is a driver whose links do what the test says.
type scripted struct {
	link func(ctx context.Context, run int, emit Emit) error
	runs []time.Time
}

func (*scripted) Services(*csta.Mux) {}

func (s *scripted) Run(ctx context.Context, emit Emit) error {
	s.runs = append(s.runs, time.Now())
	return s.link(ctx, len(s.runs), emit)
}

func normalStatus() csta.Message { return &csta.SystemStatus{SystemStatus: StatusNormal} }

// keep runs the driver for as long as virtual time says, and returns what it
// emitted.
func keep(t *testing.T, s *scripted, b Backoff, d time.Duration, log *slog.Logger) (emitted []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	err := Keep(ctx, s, func(device string, msg csta.Message) {
		what := csta.Name(msg)
		if st, ok := msg.(*csta.SystemStatus); ok {
			what = string(st.SystemStatus)
		}
		emitted = append(emitted, device+what)
	}, b, log)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Keep returned %v, not the context's error", err)
	}
	return emitted
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pauses returns the times between runs.
func (s *scripted) pauses() (list []time.Duration) {
	for i := 1; i < len(s.runs); i++ {
		list = append(list, s.runs[i].Sub(s.runs[i-1]))
	}
	return list
}

func TestKeepBackoff(t *testing.T) {
	fail := func(context.Context, int, Emit) error { return errors.New("no link") }
	for _, test := range []struct {
		name string
		b    Backoff
		d    time.Duration
		want []time.Duration // each up to a tenth longer
	}{
		{"default", Backoff{}, time.Minute, []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
			4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second}},
		{"given", Backoff{Min: time.Second, Max: 3 * time.Second}, 14 * time.Second, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}},
		{"max below min", Backoff{Min: 20 * time.Second, Max: time.Second}, 65 * time.Second, []time.Duration{20 * time.Second, 20 * time.Second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{link: fail}
				keep(t, s, test.b, test.d, quiet())
				got := s.pauses()
				if len(got) < len(test.want) {
					t.Fatalf("pauses %v, want at least %v", got, test.want)
				}
				for i, want := range test.want {
					if got[i] < want || got[i] > want+want/10 {
						t.Errorf("pause %d is %v, not %v", i, got[i], want)
					}
				}
			})
		})
	}
}

func TestKeepStartsOverAfterNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{link: func(_ context.Context, run int, emit Emit) error {
			if run == 4 {
				emit("", normalStatus())
			}
			return errors.New("lost")
		}}
		keep(t, s, Backoff{Min: time.Second, Max: time.Minute}, 20*time.Second, quiet())
		want := []time.Duration{1, 2, 4, 1, 2, 4}
		for i, got := range s.pauses()[:len(want)] {
			if got.Truncate(time.Second) != want[i]*time.Second {
				t.Errorf("pause %d is %v, not %d s", i, got, want[i])
			}
		}
	})
}

// "disabled" comes when a link is lost, before anything of the next one, and
// nothing comes of a link that is lost.
func TestKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late Emit
		s := &scripted{link: func(ctx context.Context, run int, emit Emit) error {
			switch run {
			case 1:
				return errors.New("no link")
			case 2:
				late = emit
				emit("A", &csta.HeldEvent{})
				emit("", normalStatus())
				emit("A", &csta.RetrievedEvent{})
				return errors.New("lost")
			case 3:
				late("A", &csta.ConnectionClearedEvent{})
				late("", normalStatus())
				return nil
			}
			emit("", normalStatus())
			<-ctx.Done()
			return ctx.Err()
		}}
		got := keep(t, s, Backoff{}, time.Minute, quiet())
		want := []string{"disabled", "AHeldEvent", "normal", "ARetrievedEvent", "disabled", "disabled", "normal", "disabled"}
		if !slices.Equal(got, want) {
			t.Errorf("emitted %v, want %v", got, want)
		}
	})
}

// A panic of the driver is a lost link and no more.
func TestKeepPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &scripted{link: func(ctx context.Context, run int, emit Emit) error {
			if run == 1 {
				emit("", normalStatus())
				panic("no such key")
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		got := keep(t, s, Backoff{}, time.Minute, slog.New(slog.NewTextHandler(&log, nil)))
		if want := []string{"normal", "disabled", "disabled"}; !slices.Equal(got, want) {
			t.Errorf("emitted %v, want %v", got, want)
		}
		if !strings.Contains(log.String(), "no such key") {
			t.Errorf("the log does not say what happened: %s", log.String())
		}
	})
}

// Keep ends at once when its context does, in a pause as in a link.
func TestKeepEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{link: func(context.Context, int, Emit) error { return errors.New("no link") }}
		start := time.Now()
		keep(t, s, Backoff{Min: time.Hour}, time.Second, quiet())
		if d := time.Since(start); d != time.Second {
			t.Errorf("Keep ended after %v", d)
		}
	})
}
