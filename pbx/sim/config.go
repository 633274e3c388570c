package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config says what the PBX has. The zero value is a PBX to try things on.
type Config struct {
	// Devices are the phones; none means ten of them, 1001 to 1010.
	Devices []Device
	// Access are the digits that are dialled before a number outside; empty: 9.
	// A number longer than every phone's goes outside without them.
	Access string
	// Busy is a number that is always busy; empty: 602.
	Busy string
	// RingTime is how long a phone rings; zero: 30 s. After it the call is
	// forwarded, or fails.
	RingTime time.Duration
	// ToneTime is how long the caller hears the tone of a failed call before
	// the PBX releases it; zero: 15 s.
	ToneTime time.Duration
	// Orbits are numbers at which calls are parked, one at each; none means ten
	// of them, #900 to #909.
	Orbits []string
	// ParkTime is how long a call is parked before it rings at the phone that
	// parked it; zero: 60 s.
	ParkTime time.Duration
	// Queues are numbers whose calls wait for a phone that is free; none means one,
	// 600, of the last two phones where Devices names none.
	Queues []Queue
	// QueueTime is how long a call waits in a queue before it fails; zero: 5 min.
	QueueTime time.Duration
	// AutoAnswer lets every phone and every subscriber outside answer at once,
	// and every phone that is prompted lift: for load tests.
	AutoAnswer bool
}

// A Device is a phone.
type Device struct {
	Number      string
	Name        string        // of its user
	AutoAnswer  bool          // answers at once, and lifts when it is prompted
	CallWaiting bool          // rings though it is in a call, where another is busy
	RingTime    time.Duration // zero: the PBX's
	ParkTime    time.Duration // of the calls that it parks; zero: the PBX's
	PickupGroup string        // its number; phones of the same one, or of none, pick up each other's calls
	Offers      bool          // is offered a call, for 5 s or until it is accepted, before it rings
}

// A Queue is a number whose calls are distributed among phones, in turn.
type Queue struct {
	Number  string
	Members []string // phones
}

// DefaultDevices returns the phones that a Sim has when it is told of none.
func DefaultDevices() []Device {
	names := []string{"Ada Lovelace", "Charles Babbage", "Grace Hopper", "Alan Turing", "Edsger Dijkstra",
		"Barbara Liskov", "Donald Knuth", "Hedy Lamarr", "Claude Shannon", "Radia Perlman"}
	devices := make([]Device, len(names))
	for i, name := range names {
		devices[i] = Device{Number: fmt.Sprint(1001 + i), Name: name}
	}
	return devices
}

const (
	defaultRingTime = 30 * time.Second
	defaultToneTime = 15 * time.Second
	defaultParkTime = time.Minute
	defaultQueue    = 5 * time.Minute
	offerTime       = 5 * time.Second
	maxDigits       = 32
	maxCalls        = 8 // of one phone at a time
	maxForwards     = 5 // of one call
	maxParties      = 8 // of one conference
	ringPeriod      = 5 * time.Second
)

// complete fills in what is not given, and returns all mistakes.
func (c *Config) complete() error {
	if len(c.Devices) == 0 {
		c.Devices = DefaultDevices()
		if len(c.Queues) == 0 {
			c.Queues = []Queue{{Number: "600", Members: []string{"1009", "1010"}}}
		}
	}
	if c.Access == "" {
		c.Access = "9"
	}
	if c.Busy == "" {
		c.Busy = "602"
	}
	if c.RingTime == 0 {
		c.RingTime = defaultRingTime
	}
	if c.ToneTime == 0 {
		c.ToneTime = defaultToneTime
	}
	if c.ParkTime == 0 {
		c.ParkTime = defaultParkTime
	}
	if c.QueueTime == 0 {
		c.QueueTime = defaultQueue
	}
	if len(c.Orbits) == 0 {
		for i := range 10 {
			c.Orbits = append(c.Orbits, fmt.Sprint("#", 900+i))
		}
	}
	var errs []error
	number := func(field, n string) {
		if err := checkDigits(n); err != nil {
			errs = append(errs, fmt.Errorf("sim: %s: %w", field, err))
		}
	}
	number("access digits", c.Access)
	number("busy number", c.Busy)
	if c.RingTime < 0 {
		errs = append(errs, fmt.Errorf("sim: ring time %v is negative", c.RingTime))
	}
	if c.ToneTime < 0 {
		errs = append(errs, fmt.Errorf("sim: tone time %v is negative", c.ToneTime))
	}
	if c.ParkTime < 0 {
		errs = append(errs, fmt.Errorf("sim: park time %v is negative", c.ParkTime))
	}
	if c.QueueTime < 0 {
		errs = append(errs, fmt.Errorf("sim: queue time %v is negative", c.QueueTime))
	}
	seen := map[string]bool{c.Busy: true}
	once := func(field, n string) {
		number(field, n)
		if seen[n] {
			errs = append(errs, fmt.Errorf("sim: number %q is given twice", n))
		}
		seen[n] = true
	}
	for _, o := range c.Orbits {
		once("orbit", o)
	}
	for _, d := range c.Devices {
		once("device", d.Number)
		if d.PickupGroup != "" {
			number("pick-up group", d.PickupGroup)
		}
		if d.RingTime < 0 {
			errs = append(errs, fmt.Errorf("sim: device %q: ring time %v is negative", d.Number, d.RingTime))
		}
		if d.ParkTime < 0 {
			errs = append(errs, fmt.Errorf("sim: device %q: park time %v is negative", d.Number, d.ParkTime))
		}
	}
	for _, q := range c.Queues {
		once("queue", q.Number)
		if len(q.Members) == 0 {
			errs = append(errs, fmt.Errorf("sim: queue %q has no members", q.Number))
		}
		for _, m := range q.Members {
			if !slices.ContainsFunc(c.Devices, func(d Device) bool { return d.Number == m }) {
				errs = append(errs, fmt.Errorf("sim: queue %q: member %q is no phone", q.Number, m))
			}
		}
	}
	return errors.Join(errs...)
}

// checkDigits refuses what no phone can dial.
func checkDigits(number string) error {
	digits := strings.TrimPrefix(number, "+")
	switch {
	case digits == "":
		return fmt.Errorf("number %q has no digits", number)
	case len(digits) > maxDigits:
		return fmt.Errorf("number %.40q… has more than %d digits", number, maxDigits)
	case strings.Trim(digits, "0123456789*#ABCD") != "":
		return fmt.Errorf("number %q: only digits, *, #, A to D, and + in front can be dialled", number)
	}
	return nil
}
