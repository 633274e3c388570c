package asterisk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/asterisk/asterisktest"
)

const manyLines = 1000

// watchMany has a driver that does not run yet watch many lines.
func watchMany(d *Driver) {
	for i := range manyLines {
		d.watched[fmt.Sprint(1000+i)] = true
	}
}

// What is asked in order to find changes of many watched lines is bounded: four questions at a time, however many the lines are; or, by a PBX
// that does not list a family of AstDB, those for some of the lines. All have their turn.
func TestPollIsBounded(t *testing.T) {
	t.Parallel()
	for name, trees := range map[string]bool{"by family": true, "line by line": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			up := false
			var polls []int               // questions of each, after the snapshot
			looked := map[string]int{}    // how often a line was asked for since then
			enough := make(chan struct{}) // closed after as many polls as all lines take
			s := defaults()
			s.Secret, s.PollInterval = "secret", "1ms"
			s.Address = fakeAMI(t, "", func(action ami.Fields) string {
				mu.Lock()
				defer mu.Unlock()
				switch action.Get("Action") {
				case "DBGetTree":
					if up && action.Get("Family") == "DND" {
						if polls = append(polls, 0); len(polls) == manyLines/pollLines+2 {
							close(enough)
						}
					}
					if len(polls) > 0 {
						polls[len(polls)-1]++
					}
					if trees {
						return "Response: Success\nEventList: start\n\nEvent: DBGetTreeComplete\nEventList: Complete"
					}
					return "Response: Error\nMessage: Invalid/unknown command"
				case "DBGet":
					if len(polls) > 0 {
						polls[len(polls)-1]++
						looked[action.Get("Key")]++
					}
					return "Response: Error\nMessage: Database entry not found"
				}
				return ""
			})
			d, err := New(s, slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err != nil {
				t.Fatal(err)
			}
			d.voiceMail.Store(false)
			watchMany(d)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = d.Run(ctx, func(device string, _ csta.Message) {
					if device == "" {
						mu.Lock()
						up = true
						mu.Unlock()
					}
				})
			}()
			defer func() { cancel(); <-ended }()
			select {
			case <-enough:
			case <-time.After(timeout):
				t.Fatal("the lines are not looked up")
			}
			mu.Lock()
			defer mu.Unlock()
			want := 4
			if !trees {
				want = 1 + 4*pollLines
				if len(looked) != manyLines {
					t.Errorf("%d lines had their turn, not %d", len(looked), manyLines)
				}
			}
			for i, n := range polls[:len(polls)-1] {
				if n != want {
					t.Errorf("time %d: %d questions, not %d", i, n, want)
				}
			}
		})
	}
}

// BenchmarkPoll is what one look at a thousand watched lines costs, each of which has everything set: the worst that there is.
func BenchmarkPoll(b *testing.B) {
	a := asterisktest.Start(b, asterisktest.Options{})
	s := settings(a)
	s.PollInterval = "0"
	d, err := New(s, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	up, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx, func(device string, _ csta.Message) {
			if device == "" {
				close(up)
			}
		})
	}()
	defer func() { cancel(); <-ended }()
	<-up
	c := a.AMI(b)
	for i := range manyLines {
		for _, family := range []string{"DND", "CF", "CFB", "CFNA"} {
			if _, err := c.Do(b.Context(), ami.NewAction("DBPut", "Family", family, "Key", fmt.Sprint(1000+i), "Val", "1001")); err != nil {
				b.Fatal(err)
			}
		}
	}
	d.turn <- struct{}{}
	defer d.done()
	watchMany(d)
	for b.Loop() {
		d.pollFeatures(ctx, pollLines)
	}
	b.StopTimer()
	if len(d.features) == 0 {
		b.Fatal("nothing was found")
	}
	b.ReportMetric(float64(len(d.features)), "lines")
}
