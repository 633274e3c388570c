package pbxtest

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

var updateREADME = flag.Bool("update-readme", false, "write the table of a driver's settings into its README.md")

// SettingsTable checks that the README.md beside the test has the table of the driver's settings S, a struct with envconfig's tags default and desc, and
// returns the text. The flag -update-readme has it written.
func SettingsTable[S any](t *testing.T) (readme string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "| variable | default | meaning |\n|---|---|---|\n"
	before, rest, ok := strings.Cut(string(text), head)
	if !ok {
		t.Fatal("README.md has no place for the settings")
	}
	for strings.HasPrefix(rest, "|") {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	var table strings.Builder
	v := reflect.TypeFor[S]()
	for i := range v.NumField() {
		f := v.Field(i)
		def := "–"
		if d := f.Tag.Get("default"); d != "" {
			def = "`" + d + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", variable(f.Name), def, f.Tag.Get("desc"))
	}
	readme = before + head + table.String() + rest
	switch {
	case readme == string(text):
	case *updateREADME:
		if err := os.WriteFile("README.md", []byte(readme), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("README.md has other settings: go test -run README -update-readme writes them")
	}
	return readme
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
