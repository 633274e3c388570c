package sim

import (
	"errors"
	"fmt"
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
	seen := map[string]bool{c.Busy: true}
	for _, d := range c.Devices {
		number("device", d.Number)
		if seen[d.Number] {
			errs = append(errs, fmt.Errorf("sim: number %q is given twice", d.Number))
		}
		seen[d.Number] = true
		if d.RingTime < 0 {
			errs = append(errs, fmt.Errorf("sim: device %q: ring time %v is negative", d.Number, d.RingTime))
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
