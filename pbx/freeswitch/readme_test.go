package freeswitch

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

var updateREADME = flag.Bool("update-readme", false, "write the table of settings into README.md")

// The README's settings are those of the struct, and it says of each service how it is done.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	var table strings.Builder
	v := reflect.TypeFor[Settings]()
	for i := range v.NumField() {
		f := v.Field(i)
		def := "–"
		if d := f.Tag.Get("default"); d != "" {
			def = "`" + d + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", variable(f.Name), def, f.Tag.Get("desc"))
	}
	if *updateREADME {
		const head = "| variable | default | meaning |\n|---|---|---|\n"
		before, rest, _ := strings.Cut(readme, head)
		_, after, _ := strings.Cut(rest, "\n\n")
		readme = before + head + table.String() + "\n" + after
		if err := os.WriteFile("README.md", []byte(readme), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(readme, table.String()) {
		t.Errorf("README.md has not the settings\n%s", table.String())
	}
}

// variable returns the name that envconfig gives the field.
func variable(field string) string {
	var b strings.Builder
	for i, r := range field {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
