package asterisk

import (
	"os"
	"strings"
	"testing"

	"rccgw/pbx/pbxtest"
)

// The README's settings are those of the struct, and its dialplan is the one that is tested.
func TestREADME(t *testing.T) {
	readme := pbxtest.SettingsTable[Settings](t)
	conf, err := os.ReadFile("asterisktest/config/rccgw.conf")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(readme, "```") {
		if dialplan, ok := strings.CutPrefix(block, "ini\n[rcc-"); ok && !strings.Contains(string(conf), "[rcc-"+dialplan) {
			t.Errorf("rccgw.conf has not what README.md has:\n%s", dialplan)
		}
	}
	for cell := range strings.SplitSeq(readme, "`") {
		if strings.HasPrefix(cell, "UserEvent(") && !strings.Contains(string(conf), cell) {
			t.Errorf("rccgw.conf has not what README.md has: %s", cell)
		}
	}
}
