package main

import (
	"log/slog"
	"maps"
	"slices"

	"rccgw/pbx"
	"rccgw/pbx/asterisk"
	"rccgw/pbx/cstatcp"
	"rccgw/pbx/freeswitch"
	"rccgw/pbx/sim"
	"rccgw/pbx/uacsta"
)

// A kind of driver: what RCC_PBX_<NAME>_DRIVER may say.
type kind struct {
	// settings returns a pointer to the driver's own settings: a struct of
	// strings with the tags that describe reads.
	settings func() any
	// check returns what is wrong in the settings, a line each, beginning
	// with the variable's name without prefix.
	check func(settings any) error
	// build makes the driver of checked settings.
	build func(settings any, log *slog.Logger) (pbx.Driver, error)
}

func kindNames() []string { return slices.Sorted(maps.Keys(kinds)) }

// kinds are the drivers, by the name that RCC_PBX_<NAME>_DRIVER gives.
var kinds = map[string]kind{
	"asterisk": {
		settings: func() any { return new(asterisk.Settings) },
		check:    func(s any) error { return s.(*asterisk.Settings).Check() },
		build:    func(s any, log *slog.Logger) (pbx.Driver, error) { return asterisk.New(*s.(*asterisk.Settings), log) },
	},
	"cstatcp": {
		settings: func() any { return new(cstatcp.Settings) },
		check:    func(s any) error { return s.(*cstatcp.Settings).Check() },
		build:    func(s any, log *slog.Logger) (pbx.Driver, error) { return cstatcp.New(*s.(*cstatcp.Settings), log) },
	},
	"freeswitch": {
		settings: func() any { return new(freeswitch.Settings) },
		check:    func(s any) error { return s.(*freeswitch.Settings).Check() },
		build: func(s any, log *slog.Logger) (pbx.Driver, error) {
			return freeswitch.New(*s.(*freeswitch.Settings), log)
		},
	},
	"sim": {
		settings: func() any { return new(struct{}) },
		check:    func(any) error { return nil },
		build:    func(any, *slog.Logger) (pbx.Driver, error) { return sim.New(sim.Config{}) },
	},
	"uacsta": {
		settings: func() any { return new(uacsta.Settings) },
		check:    func(s any) error { return s.(*uacsta.Settings).Check() },
		build:    func(s any, log *slog.Logger) (pbx.Driver, error) { return uacsta.New(*s.(*uacsta.Settings), log) },
	},
}
