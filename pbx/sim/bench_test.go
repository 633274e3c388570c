package sim

import (
	"context"
	"fmt"
	"testing"

	"rccgw/csta"
)

// BenchmarkMakeCall is a call from MakeCall to its end: ten events, three
// services.
func BenchmarkMakeCall(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n, "phones"), func(b *testing.B) {
			var c Config
			for i := range n {
				c.Devices = append(c.Devices, Device{Number: fmt.Sprint(100_000 + i)})
			}
			s, err := New(c)
			if err != nil {
				b.Fatal(err)
			}
			var m csta.Mux
			s.Services(&m)
			s.mu.Lock()
			s.link(mute)
			s.mu.Unlock()
			ctx := context.Background()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i += 2
				a, z := fmt.Sprint(100_000+i%n), fmt.Sprint(100_001+i%n)
				made, err := csta.Call(ctx, &m, &csta.MakeCall{CallingDevice: csta.Device(a), CalledDirectoryNumber: csta.Device(z), AutoOriginate: "doNotPrompt"})
				if err != nil {
					b.Fatal(err)
				}
				call := made.CallingDevice.CallID
				if _, err := csta.Call(ctx, &m, &csta.AnswerCall{CallToBeAnswered: csta.Connection(call, z)}); err != nil {
					b.Fatal(err)
				}
				if _, err := csta.Call(ctx, &m, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(call, a)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
