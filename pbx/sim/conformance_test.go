package sim_test

import (
	"testing"

	"rccgw/bus/bustest"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim/simtest"
)

func TestDriver(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := simtest.New(t)
		var f pbxtest.Fan
		m := pbxtest.Start(t, s, f.Emit)
		return simtest.Bench(s, func(device string) *pbxtest.Line {
			return &pbxtest.Line{ID: device, Handler: m, Features: m.Features(device), Watch: func(w pbxtest.Watcher) func() { return f.Watch(device, w) }}
		})
	})
}

func TestOverBus(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := simtest.New(t)
		return simtest.Bench(s, bustest.Lines(t, s))
	})
}
