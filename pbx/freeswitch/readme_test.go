package freeswitch

import (
	"testing"

	"rccgw/pbx/pbxtest"
)

// The README's settings are those of the struct.
func TestREADME(t *testing.T) { pbxtest.SettingsTable[Settings](t) }
