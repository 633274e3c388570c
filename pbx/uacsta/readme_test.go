package uacsta

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

// The README's settings are those of the struct.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "| variable | default | meaning |\n|---|---|---|\n"
	before, rest, ok := strings.Cut(string(text), head)
	_, after, ok2 := strings.Cut(rest, "\n## ")
	if !ok || !ok2 {
		t.Fatal("README.md has no place for the settings")
	}
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
	want := before + head + table.String() + "\n## " + after
	if *updateREADME {
		if err := os.WriteFile("README.md", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("the settings are out of date: go test ./pbx/uacsta -run TestREADME -update-readme")
	}
}

// variable returns the name that envconfig gives the field.
func variable(field string) string {
	var b strings.Builder
	for i, r := range field {
		if i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(rune(field[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
