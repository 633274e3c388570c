package rccgw

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"rccgw/digitmod"
)

// Every plan of the recipes is a plan that may be used for its lines, every
// number of the tables below it becomes what they say, and what Lint finds is
// what the text has.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile("docs/numbers.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes, rows := 0, 0
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		source, ok := fenced(section, "yaml")
		if !ok {
			continue // the walk-through
		}
		recipes++
		t.Run(name, func(t *testing.T) {
			first, _, _ := strings.Cut(source, "\n")
			list, ok := strings.CutPrefix(first, "# lines: ")
			if !ok {
				t.Fatal("the plan does not say for which lines it is")
			}
			lines, err := digitmod.ParseLines(list)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := digitmod.Parse([]byte(source))
			if err != nil {
				t.Fatal(err)
			}
			want, _ := fenced(section, "findings")
			var got strings.Builder
			for _, f := range plan.Lint(lines) {
				fmt.Fprintf(&got, "%s: %v\n", f.Severity, f)
				if f.Severity == digitmod.Fault {
					t.Errorf("a plan that is refused: %v", f)
				}
			}
			if got.String() != want {
				t.Errorf("Lint finds\n%s\nthe text has\n%s", got.String(), want)
			}
			tables := map[string]int{}
			table := ""
			for line := range strings.Lines(section) {
				if !strings.HasPrefix(line, "| ") {
					continue
				}
				var cells []string
				for cell := range strings.SplitSeq(strings.Trim(line, "| \n"), " | ") {
					cells = append(cells, strings.Trim(cell, "` |"))
				}
				switch {
				case cells[0] == "written" || cells[0] == "presented":
					table = cells[0]
				case table == "written":
					tables[table]++
					if res, err := plan.Destination(cells[0]); err != nil || res.Number != cells[1] {
						t.Errorf("%s is dialled as %s (%v), not %s", cells[0], res.Number, err, cells[1])
					}
				case table == "presented":
					tables[table]++
					res := plan.Present(cells[0], digitmod.Origin(cells[1]))
					if res.Number == "" {
						res.Number = res.Kind.String()
					}
					if res.Number != cells[2] {
						t.Errorf("%s, %s, is shown as %s, not %s", cells[0], cells[1], res.Number, cells[2])
					}
				}
			}
			if tables["written"] == 0 || tables["presented"] == 0 {
				t.Errorf("numbers of both ways are missing: %v", tables)
			}
			rows += tables["written"] + tables["presented"]
		})
	}
	if recipes < 7 || rows < 50 {
		t.Errorf("only %d recipes with %d numbers", recipes, rows)
	}
}

// fenced returns the text of the first block in that language.
func fenced(section, language string) (string, bool) {
	_, rest, ok := strings.Cut(section, "\n```"+language+"\n")
	if !ok {
		return "", false
	}
	text, _, _ := strings.Cut(rest, "\n```")
	return text + "\n", true
}

// What the walk-through shows happens so at a running gateway.
func TestNumbers(t *testing.T) {
	env := environment(t)
	ran := 0
	for _, b := range blocks(t, "docs/numbers.md") {
		switch b.language {
		case "sh":
			startGateway(t, strings.Join(b.lines, "\n"), env)
			ran++
		case "console":
			ran += console(t, b, env)
		}
	}
	if ran < 10 {
		t.Errorf("only %d commands were run", ran)
	}
}
