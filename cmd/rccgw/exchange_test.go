package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/asterisk/asterisktest"
	"rccgw/pbx/cstatcp/cstatcptest"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim"
)

// An exchange is a PBX with its phones, as a world of faults has one.
type exchange interface {
	vars() []string  // of the adapter, without the address
	address() string // of the CTI link
	person(line string) pbxtest.Person
	// differs says how what a line's client believes is not what the PBX itself lists, empty if it is.
	differs(line string, believed map[string]csta.LocalConnectionState) string
	// together lists the lines that are connected with each other, where differs does not know calls.
	together() [][]string
	// twice reports whether the line might come to be in a call twice by a transfer, which differs cannot tell from two calls.
	twice(line string) bool
	// idle reports whether nobody is in a call.
	idle() bool
	// restart has the PBX crash and come back, without calls.
	restart()
}

// A simExchange is the simulated PBX behind a CSTA link.
type simExchange struct {
	*sim.Sim
	link *cstatcptest.Server
}

func newSimExchange(t *testing.T) *simExchange {
	var devices []sim.Device
	for _, n := range faultLines {
		devices = append(devices, sim.Device{Number: n, CallWaiting: true})
	}
	s, err := sim.New(sim.Config{Devices: devices, RingTime: time.Hour, ToneTime: time.Hour, Queues: []sim.Queue{{Number: "600", Members: faultLines[:1]}}})
	if err != nil {
		t.Fatal(err)
	}
	return &simExchange{s, cstatcptest.Start(t, cstatcptest.Config{Driver: s})}
}

func (x *simExchange) vars() []string {
	return []string{"RCC_PBX_MAIN_DRIVER=cstatcp", "RCC_PBX_MAIN_HEARTBEAT=1s", "RCC_PBX_MAIN_TIMEOUT=2s"}
}

func (x *simExchange) address() string { return x.link.Address() }

func (x *simExchange) person(line string) pbxtest.Person {
	p := x.Phone(line)
	return pbxtest.Person{Dial: p.Dial, Answer: p.Answer, HangUp: p.HangUp, Hold: p.Hold, Retrieve: p.Retrieve, Transfer: p.Transfer}
}

func (x *simExchange) differs(line string, believed map[string]csta.LocalConnectionState) string {
	truth := map[string]csta.LocalConnectionState{}
	for _, call := range x.Calls() {
		for _, conn := range call.Connections {
			if conn.Device == line {
				truth[call.ID] = conn.State
			}
		}
	}
	if maps.Equal(believed, truth) {
		return ""
	}
	return fmt.Sprintf("the PBX has %v", truth)
}

func (x *simExchange) together() [][]string { return nil }

func (x *simExchange) twice(string) bool { return false }

func (x *simExchange) idle() bool { return len(x.Calls()) == 0 }

// The simulated PBX cannot be killed on its own: its calls end, and its link.
func (x *simExchange) restart() {
	x.link.Cut()
	for !x.idle() {
		for _, line := range faultLines {
			_ = x.Phone(line).HangUp()
			_ = x.Phone(line).Retrieve()
		}
	}
	x.link.Restore()
}

// An asteriskExchange is a real Asterisk.
type asteriskExchange struct {
	*asterisktest.Asterisk
	t      *testing.T
	phones map[string]*asterisktest.UA
}

func newAsteriskExchange(t *testing.T) *asteriskExchange {
	x := &asteriskExchange{asterisktest.Start(t, asterisktest.Options{Extensions: faultLines}), t, map[string]*asterisktest.UA{}}
	for _, n := range faultLines {
		x.phones[n] = x.Deskphone(t, n)
	}
	return x
}

func (x *asteriskExchange) vars() []string {
	return []string{"RCC_PBX_MAIN_DRIVER=asterisk", "RCC_PBX_MAIN_USER=" + x.User, "RCC_PBX_MAIN_SECRET=" + x.Secret, "RCC_PBX_MAIN_LINES=1001-1004",
		"RCC_PBX_MAIN_TALK_EVENT=*", "RCC_PBX_MAIN_AUTO_ANSWER=*"}
}

func (x *asteriskExchange) address() string { return x.Address() }

func (x *asteriskExchange) person(line string) pbxtest.Person {
	p := x.Person(x.t, x.phones[line])
	p.Transfer = func(number string) error {
		for _, l := range x.legs() {
			if l.line == line && l.bridge != "" {
				return x.phones[line].Try("transfer", number)
			}
		}
		return errors.New("no call to transfer")
	}
	return p
}

// A leg is a channel as Asterisk's console lists it, a phone's or one half of a wire inside the PBX.
type leg struct {
	line, name, state, context, exten, bridge, id string
}

func (x *asteriskExchange) legs() (list []leg) {
	for text := range strings.Lines(x.CLI(x.t, "core show channels concise")) {
		if f := strings.Split(strings.TrimSpace(text), "!"); len(f) > 13 {
			phone, _ := strings.CutPrefix(text, "PJSIP/")
			line, _, _ := strings.Cut(phone, "-")
			list = append(list, leg{line, f[0], f[4], f[1], f[2], f[12], f[13]})
		}
	}
	return list
}

// variable reads a channel's variable.
func (x *asteriskExchange) variable(channel, name string) string {
	for text := range strings.Lines(x.CLI(x.t, "core show channel "+channel)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(text), name+"="); ok {
			return value
		}
	}
	return ""
}

// differs compares how many calls there are and how many of them ring: Asterisk has no callIDs of ours. A leg that waits in the context
// for held calls is one for each party that is held for it, and for each conference that it has left for a while.
func (x *asteriskExchange) differs(line string, believed map[string]csta.LocalConnectionState) string {
	ringing, calls := 0, 0
	for _, s := range believed {
		if s == pbx.Alerting || s == pbx.Initiated {
			ringing--
		}
	}
	legs := x.legs()
	for _, l := range legs {
		if l.context == "rcc-hold" && l.exten == "held" && l.bridge == "" {
			mark := strings.Fields(x.variable(l.name, "RCC_HOLD"))
			for _, o := range legs {
				if len(mark) > 1 && o.id == mark[1] && o.line == line {
					calls++
				}
			}
		}
		if l.line != line {
			continue
		}
		calls += len(strings.Fields(x.variable(l.name, "RCC_ROOMS")))
		if l.context != "rcc-hold" || l.exten != "holder" || l.bridge != "" {
			calls++
		}
		if l.state == "Ringing" {
			ringing++
		}
	}
	if ringing == 0 && calls == len(believed) {
		return ""
	}
	return fmt.Sprintf("the PBX has %v", legs)
}

func (x *asteriskExchange) together() (list [][]string) {
	rooms := map[string][]string{}
	for _, l := range x.legs() {
		if l.bridge != "" && slices.Contains(faultLines, l.line) {
			rooms[l.bridge] = append(rooms[l.bridge], l.line)
		}
	}
	for _, lines := range rooms {
		list = append(list, lines)
	}
	return list
}

func (x *asteriskExchange) twice(line string) bool {
	return slices.ContainsFunc(x.legs(), func(l leg) bool { return l.line == line })
}

func (x *asteriskExchange) idle() bool {
	return strings.TrimSpace(x.CLI(x.t, "core show channels concise")) == ""
}

func (x *asteriskExchange) restart() {
	x.Kill(x.t)
	x.Start(x.t)
	for _, phone := range x.phones {
		phone.Rejoin()
	}
}
