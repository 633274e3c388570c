package main

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/digitmod"
	"rccgw/pbx/asterisk/asterisktest"
)

// recipeLine is the line that calls in the test of a recipe, as the PBX names it:
// the first of the recipe's phones but one.
func recipeLine(t *testing.T, list string) string {
	lines, err := digitmod.ParseLines(list)
	if err != nil {
		t.Fatal(err)
	}
	numbers, _ := lines.Numbers(10_000)
	phones := slices.DeleteFunc(numbers, func(n string) bool { return strings.Trim(n, "0123456789") != "" })
	if len(phones) < 2 {
		t.Fatalf("lines %q", list)
	}
	return phones[1]
}

// Each recipe of docs/numbers.md on a real Asterisk: every number of its table is
// written by a client, what is dialled is read from the PBX, and what the client
// is shown of it is what it wrote.
func TestAsteriskRecipes(t *testing.T) {
	text, err := os.ReadFile("../../docs/numbers.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := 0
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		_, plan, ok := strings.Cut(section, "\n```yaml\n# lines: ")
		if !ok {
			continue
		}
		recipes++
		list, plan, _ := strings.Cut(plan, "\n")
		plan, _, _ = strings.Cut(plan, "\n```")
		_, table, _ := strings.Cut(section, "\n| written | dialled |")
		table, _, _ = strings.Cut(table, "\n\n")
		t.Run(name, func(t *testing.T) {
			own := recipeLine(t, list)
			// Whatever is dialled is answered.
			a := asterisktest.Start(t, asterisktest.Options{Extensions: []string{own}, Dialplan: "exten => _[0-9*#].,1,Answer()\n same => n,Echo()\n"})
			o := &office{Asterisk: a, t: t}
			phone := a.Deskphone(t, own)
			g := startGateway(t, "RCC_PBX=office", "RCC_PBX_OFFICE_DRIVER=asterisk", "RCC_PBX_OFFICE_ADDRESS="+a.Address(), "RCC_PBX_OFFICE_USER="+a.User,
				"RCC_PBX_OFFICE_SECRET="+a.Secret, "RCC_PBX_OFFICE_LINES="+list, "RCC_PBX_OFFICE_DIGITS="+plan)
			line := "tel:" + own
			d := g.open("tcp", line)
			events := d.record(t)
			rows := 0
			for row := range strings.Lines(table) {
				cells := regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row, 2)
				if len(cells) < 2 {
					continue
				}
				rows++
				written, dialled := cells[0][1], cells[1][1]
				if dialled == own {
					continue // itself
				}
				resp, err := csta.Call(t.Context(), d, &csta.MakeCall{CallingDevice: csta.Device(line), CalledDirectoryNumber: csta.Device(written), AutoOriginate: "prompt"})
				if strings.Trim(dialled, "0123456789*#") != "" {
					if !errors.Is(err, &csta.Error{Class: csta.Operation, Value: "invalidCalledDeviceID"}) {
						t.Errorf("%s, a name that no PBX dials: %v", written, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", written, err)
					continue
				}
				phone.Wait("incoming")
				phone.Answer()
				e := heard[*csta.OriginatedEvent](t, events)
				if e.CalledDevice.String() != written || e.CallingDevice.String() != line {
					t.Errorf("%s: told %s to %s", written, e.CallingDevice, e.CalledDevice)
				}
				at := regexp.MustCompile("PJSIP/" + own + "-[^!]*!(phones|rcc-ring)!" + regexp.QuoteMeta(dialled) + "!")
				eventually(t, written+": "+dialled+" at the PBX", func() bool { return at.MatchString(o.channels()) })
				if _, err := csta.Call(t.Context(), d, &csta.ClearConnection{ConnectionToBeCleared: resp.CallingDevice}); err != nil {
					t.Error(err)
				}
				phone.Wait("ended")
				heard(t, events, func(e *csta.ConnectionClearedEvent) bool { return e.DroppedConnection == resp.CallingDevice })
			}
			if rows == 0 {
				t.Error("no number is written")
			}
		})
	}
	if recipes < 7 {
		t.Errorf("only %d recipes", recipes)
	}
}
