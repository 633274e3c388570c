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
	// idle reports whether nobody is in a call.
	idle() bool
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

func (x *simExchange) idle() bool { return len(x.Calls()) == 0 }

// An asteriskExchange is a real Asterisk.
type asteriskExchange struct {
	*asterisktest.Asterisk
	t      *testing.T
	people map[string]pbxtest.Person
}

func newAsteriskExchange(t *testing.T) *asteriskExchange {
	x := &asteriskExchange{asterisktest.Start(t, asterisktest.Options{Extensions: faultLines}), t, map[string]pbxtest.Person{}}
	for _, n := range faultLines {
		phone := x.Deskphone(t, n)
		p := x.Person(t, phone)
		p.Transfer = func(number string) error {
			if slices.ContainsFunc(x.legs(n), func(l leg) bool { return l.bridge != "" }) {
				return phone.Try("transfer", number)
			}
			return errors.New("no call to transfer")
		}
		x.people[n] = p
	}
	return x
}

func (x *asteriskExchange) vars() []string {
	return []string{"RCC_PBX_MAIN_DRIVER=asterisk", "RCC_PBX_MAIN_USER=" + x.User, "RCC_PBX_MAIN_SECRET=" + x.Secret, "RCC_PBX_MAIN_LINES=1001-1004",
		"RCC_PBX_MAIN_TALK_EVENT=*", "RCC_PBX_MAIN_AUTO_ANSWER=*"}
}

func (x *asteriskExchange) address() string { return x.Address() }

func (x *asteriskExchange) person(line string) pbxtest.Person { return x.people[line] }

// A leg is a channel as Asterisk's console lists it.
type leg struct{ state, bridge string }

func (x *asteriskExchange) legs(line string) (list []leg) {
	for text := range strings.Lines(x.CLI(x.t, "core show channels concise")) {
		fields := strings.Split(strings.TrimSpace(text), "!")
		if strings.HasPrefix(text, "PJSIP/"+line+"-") && len(fields) > 12 {
			list = append(list, leg{fields[4], fields[12]})
		}
	}
	return list
}

// differs compares how many calls there are and how many of them ring: Asterisk has no callIDs of ours.
func (x *asteriskExchange) differs(line string, believed map[string]csta.LocalConnectionState) string {
	ringing := 0
	for _, s := range believed {
		if s == pbx.Alerting || s == pbx.Initiated {
			ringing++
		}
	}
	legs := x.legs(line)
	for _, l := range legs {
		if l.state == "Ringing" {
			ringing--
		}
	}
	if ringing == 0 && len(legs) == len(believed) {
		return ""
	}
	return fmt.Sprintf("the PBX has %v", legs)
}

func (x *asteriskExchange) together() (list [][]string) {
	rooms := map[string][]string{}
	for _, line := range faultLines {
		for _, l := range x.legs(line) {
			if l.bridge != "" {
				rooms[l.bridge] = append(rooms[l.bridge], line)
			}
		}
	}
	for _, lines := range rooms {
		list = append(list, lines)
	}
	return list
}

func (x *asteriskExchange) idle() bool {
	return strings.TrimSpace(x.CLI(x.t, "core show channels concise")) == ""
}
