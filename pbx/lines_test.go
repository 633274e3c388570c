package pbx_test

import (
	"strings"
	"testing"

	"rccgw/pbx"
)

// What settings mean by lines.
func TestLines(t *testing.T) {
	for _, tt := range []struct{ patterns, match, not string }{
		{"*", "1001 alice +1613", ""},
		{"X.", "1 1001", "alice 10x1 +1613"},
		{"1001-1010,20XX", "1001 1005 1010 2000 2099", "1000 1011 10010 200 20x0 alice"},
		{"1001, *30", "1001 *30", "*31 30"},
		{"1001-1003, 20XX,7", "1001 1003 2000 2099 7", "1000 1004 200 20a0 77 20XX"},
		{"", "", "1001"},
	} {
		ps, err := pbx.ParseLines(tt.patterns)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.FieldsSeq(tt.match) {
			if !ps.Match(l) {
				t.Errorf("%q does not match %s", tt.patterns, l)
			}
		}
		for l := range strings.FieldsSeq(tt.not) {
			if ps.Match(l) {
				t.Errorf("%q matches %s", tt.patterns, l)
			}
		}
		if ps.Match("") {
			t.Errorf("%q matches nothing", tt.patterns)
		}
	}
	for _, bad := range []string{",", "a", "1001-", "1-22", "5-1", "1001-1010-1020"} {
		if _, err := pbx.ParseLines(bad); err == nil {
			t.Errorf("%q is a pattern", bad)
		}
	}
}
