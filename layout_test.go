// Package rccgw has tests of the module as a whole: that imports go one way and
// that what the documents say is so.
package rccgw

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"rccgw/csta"
)

// mayImport lists, for each folder, the folders of this module that it may
// import. Test helpers below a driver are the driver's own.
var mayImport = map[string][]string{
	"csta":            {},
	"csta/cstasip":    {"csta"},
	"digitmod":        {},
	"pbx":             {"csta"},
	"pbx/pbxtest":     {"csta", "pbx"},
	"pbx/sim":         {"csta", "pbx"},
	"pbx/sim/simtest": {"csta", "pbx/pbxtest", "pbx/sim"},
	"pbx/asterisk":    {"csta", "pbx", "pbx/asterisk/ami"},
	"pbx/cstatcp":     {"csta", "pbx"},
	"pbx/freeswitch":  {"csta", "pbx", "pbx/freeswitch/esl"},
	"pbx/uacsta":      {"csta", "csta/cstasip", "pbx"},

	"pbx/asterisk/ami":              {},
	"pbx/freeswitch/esl":            {},
	"pbx/freeswitch/freeswitchtest": {"pbx/pbxtest"},
	"pbx/asterisk/asterisktest":     {"csta", "pbx/pbxtest", "pbx/asterisk/ami"},
	"pbx/cstatcp/cstatcptest":       {"csta", "pbx"},

	"bus":         {"csta", "digitmod", "pbx"},
	"bus/bustest": {"csta", "digitmod", "pbx", "pbx/pbxtest", "bus"},
	"gateway":     {"csta", "digitmod", "pbx", "bus"},
	"cmd/rccgw":   {"csta", "csta/cstasip", "digitmod", "pbx", "pbx/sim", "pbx/asterisk", "pbx/cstatcp", "pbx/freeswitch", "pbx/uacsta", "bus", "gateway"},
	"cmd/rccctl":  {"csta", "csta/cstasip"},
}

// Imports go one way: the author of a driver reads two packages, and nothing
// below knows what is above it.
func TestImportDirection(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		folder := strings.TrimPrefix(strings.TrimPrefix(words[0], "rccgw"), "/")
		if folder == "" {
			continue
		}
		allowed, ok := mayImport[folder]
		if !ok {
			t.Errorf("%s is not in the table of folders", folder)
			continue
		}
		may := map[string]bool{}
		for _, a := range allowed {
			may["rccgw/"+a] = true
		}
		for _, imported := range words[1:] {
			if strings.HasPrefix(imported, "rccgw/") && !may[imported] {
				t.Errorf("%s imports %s", folder, imported)
			}
		}
	}
}

// The description of the bus names every service and event of the catalog.
func TestAsyncAPI(t *testing.T) {
	text, err := os.ReadFile("docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Channels map[string]struct {
			Address    string
			Parameters map[string]struct{ Enum []string }
		}
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var services, events []string
	for _, m := range csta.Messages() {
		switch m.(type) {
		case *csta.RequestSystemStatus, *csta.MonitorStart, *csta.MonitorStop, *csta.ChangeMonitorFilter:
			continue // the gateway's own
		case *csta.SystemStatus:
			events = append(events, "SystemStatus")
			continue
		}
		if _, ok := m.(csta.Event); ok {
			events = append(events, csta.Name(m))
		} else if csta.Response(m) != nil {
			services = append(services, csta.Name(m))
		}
	}
	for name, want := range map[string][]string{"service": services, "event": events} {
		got := doc.Channels[name].Parameters[name].Enum
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v\nwant %v", name, got, want)
		}
	}
}
