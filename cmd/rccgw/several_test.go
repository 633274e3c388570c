package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx/cstatcp/cstatcptest"
	"rccgw/pbx/sim"
)

// twoPBXs returns two PBXs, with the phones 1001 and 1002, and 2001, 2002 and 1002.
func twoPBXs(t *testing.T) (north, south *sim.Sim, vars map[string][]string) {
	t.Helper()
	vars = map[string][]string{}
	make := func(name, lines string, numbers ...string) *sim.Sim {
		t.Helper()
		var devices []sim.Device
		for _, n := range numbers {
			devices = append(devices, sim.Device{Number: n})
		}
		s, err := sim.New(sim.Config{Devices: devices, Queues: []sim.Queue{{Number: "600", Members: numbers[:1]}}})
		if err != nil {
			t.Fatal(err)
		}
		server := cstatcptest.Start(t, cstatcptest.Config{Driver: s})
		prefix := "RCC_PBX_" + strings.ToUpper(name) + "_"
		vars[name] = []string{prefix + "DRIVER=cstatcp", prefix + "ADDRESS=" + server.Address(), prefix + "LINES=" + lines}
		return s
	}
	return make("north", "1XXX", "1001", "1002"), make("south", "2XXX", "2001", "2002", "1002"), vars
}

// dialLine opens a dialog for the line as soon as it is served.
func (g *gatewayUnderTest) dialLine(line string) *desk {
	g.t.Helper()
	eventually(g.t, line+" is served", func() bool {
		ctx, cancel := context.WithTimeout(g.t.Context(), 5*time.Second)
		defer cancel()
		probe, err := cstasip.Dial(ctx, cstasip.ClientConfig{Server: "tcp://" + g.sip["tcp"], Line: line})
		return err == nil && probe.Close(ctx) == nil
	})
	return g.open("tcp", line)
}

// Lines of several PBXs go through one gateway, whether their adapters are in its
// process or in others: each to its own PBX.
func TestSeveralPBXs(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, vars map[string][]string) *gatewayUnderTest{
		"one process": func(t *testing.T, vars map[string][]string) *gatewayUnderTest {
			return startGateway(t, append(append(vars["north"], vars["south"]...), "RCC_PBX=north,south")...)
		},
		"three processes": func(t *testing.T, vars map[string][]string) *gatewayUnderTest {
			w := newParts(t)
			for name, v := range vars {
				w.start(name, append(v, "RCC_SIP_LISTEN=off", "RCC_PBX="+name)...)
			}
			return w.gateway("gateway").gatewayUnderTest
		},
	} {
		t.Run(name, func(t *testing.T) {
			north, south, vars := twoPBXs(t)
			g := start(t, vars)
			a, b := g.dialLine("tel:1001"), g.dialLine("tel:2001")
			atA, atB := watch(t, a), watch(t, b)

			// A call from one PBX to the other, over the trunk between them: the number is
			// nobody's here, and a caller from outside there.
			r, err := csta.Call(t.Context(), a, &csta.MakeCall{CallingDevice: csta.Device("tel:1001"), CalledDirectoryNumber: csta.Device("tel:92001"), AutoOriginate: "doNotPrompt"})
			if err != nil {
				t.Fatal(err)
			}
			atA.want(t, "Originated .*call="+r.CallingDevice.CallID)
			if _, err := south.Outside("1001").Call("2001"); err != nil {
				t.Fatal(err)
			}
			there := callOf(atB.want(t, "Delivered alerting tel:1001 tel:2001"))
			if there == r.CallingDevice.CallID {
				t.Errorf("two PBXs have one callID: %s", there)
			}
			if _, err := csta.Call(t.Context(), b, &csta.AnswerCall{CallToBeAnswered: csta.Connection(there, "tel:2001")}); err != nil {
				t.Fatal(err)
			}
			atB.want(t, "Established connected.*call="+there)
			if err := north.Outside("2001").Answer(); err != nil {
				t.Fatal(err)
			}
			atA.want(t, "Established connected.*call="+r.CallingDevice.CallID)
			if _, err := csta.Call(t.Context(), b, &csta.ClearConnection{ConnectionToBeCleared: csta.Connection(there, "tel:2001")}); err != nil {
				t.Fatal(err)
			}
			atB.want(t, "ConnectionCleared null.*call="+there)
			if err := north.Outside("2001").HangUp(); err != nil {
				t.Fatal(err)
			}
			atA.want(t, "ConnectionCleared null.*call="+r.CallingDevice.CallID)
			if n := len(north.Calls()) + len(south.Calls()); n != 0 {
				t.Errorf("%d calls are left", n)
			}
		})
	}
}

// A line is moved from one PBX to another by the configuration of their adapters:
// its client opens its dialog anew, and is at the other; others notice nothing.
func TestLineMoves(t *testing.T) {
	north, south, vars := twoPBXs(t)
	w := newParts(t)
	adapter := func(name string, more ...string) *part {
		t.Helper()
		return w.start(name, append(append(vars[name], "RCC_SIP_LISTEN=off", "RCC_PBX="+name), more...)...)
	}
	adapter("north")
	old := adapter("south")
	g := w.gateway("gateway")
	stays, moves := g.dialLine("tel:1001"), g.dialLine("tel:1002")
	stayed, moved := watch(t, stays), watch(t, moves)
	ring := func(s *sim.Sim, at tape, line string) {
		t.Helper()
		if _, err := s.Outside("4165551234").Call(line); err != nil {
			t.Fatal(err)
		}
		at.want(t, fmt.Sprintf("Delivered alerting tel:4165551234 tel:%s", line))
		if err := s.Outside("4165551234").HangUp(); err != nil {
			t.Fatal(err)
		}
		at.want(t, "ConnectionCleared null")
	}
	ring(north, moved, "1002")
	old.signal(syscall.SIGTERM)
	<-old.ended
	adapter("south", "RCC_PBX_SOUTH_LINES=2XXX,1002") // more specific than the 1XXX of north
	select {
	case <-moves.Done():
	case <-time.After(15 * time.Second):
		t.Fatal("the dialog for the line that has moved goes on")
	}
	again := g.dialLine("tel:1002")
	ring(south, watch(t, again), "1002")
	ring(north, stayed, "1001")
}
