package digitmod

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustLines(t testing.TB, text string) *Lines {
	t.Helper()
	l, err := ParseLines(text)
	if err != nil {
		t.Fatalf("ParseLines(%q): %v", text, err)
	}
	return l
}

func TestLinesMatch(t *testing.T) {
	for _, tt := range []struct {
		lines   string
		matches string
		not     string
	}{
		{"1001-1099", "1001 1050 1099", "1000 1100 10011 101 +1050 10#5 105a"},
		{"10XX", "1000 1099", "1100 100 10000 +1000 10*5 10XX"},
		{"+1613592XXXX", "+16135925660", "16135925660 +1613592566 +16135935660"},
		{"1001", "1001", "+1001 1002 01001"},
		{"#900-#950", "#900 #925 #950", "#951 900 *925"},
		{"+16135925600-+16135925699", "+16135925660", "16135925660 +16135925700"},
		{"*", "1001 +16135925660 alice #900", ""},
		{"*72", "*72", "72 *73 1001"},
		{"1001 , 2001 - 2003", "1001 2002", "1002 2004"},
		{"0001-0010", "0005", "5 0011"},
	} {
		l := mustLines(t, tt.lines)
		for _, number := range strings.Fields(tt.matches) {
			if _, ok := l.Match(number); !ok {
				t.Errorf("%q does not match %s", tt.lines, number)
			}
		}
		for _, number := range append(strings.Fields(tt.not), "") {
			if _, ok := l.Match(number); ok {
				t.Errorf("%q matches %q", tt.lines, number)
			}
		}
		if l.String() != tt.lines {
			t.Errorf("String() = %q, want %q", l, tt.lines)
		}
	}
}

func TestLinesSpecificity(t *testing.T) {
	order := []string{"1005", "1005-1006", "100X", "1001-1099", "10XX", "XXXX", "*"}
	last := 0
	for i, text := range order {
		got, ok := mustLines(t, text).Match("1005")
		if !ok || i > 0 && got >= last {
			t.Errorf("%s has specificity %d, %v, not below that of %s, %d", text, got, ok, order[max(0, i-1)], last)
		}
		last = got
		all, ok := mustLines(t, strings.Join(order[i:], ",")).Match("1005")
		if !ok || all != got {
			t.Errorf("from %s on: specificity %d, want %d", text, all, got)
		}
	}
}

func TestParseLinesMistakes(t *testing.T) {
	_, err := ParseLines("1001,,10xx,1099-1001,1-22,10X0-10X9,613-592-5660,+,+100-200,1001–1099,1234567890123456789,**, 1-1234567890123456789")
	want := []string{
		`pattern 2: "": is empty`,
		`pattern 3: "10xx": a line is digits, X for any digit, behind +, * or # if any`,
		`pattern 4: "1099-1001": the range ends before it begins`,
		`pattern 5: "1-22": the ends of a range have the same length`,
		`pattern 6: "10X0-10X9": the ends of a range are digits, behind +, * or # if any`,
		`pattern 7: "613-592-5660": has two hyphens; a range has one and numbers have none`,
		`pattern 8: "+": a line is digits, X for any digit, behind +, * or # if any`,
		`pattern 9: "+100-200": the ends of a range begin with the same sign`,
		`pattern 10: "1001–1099": a line is digits, X for any digit, behind +, * or # if any`,
		`pattern 11: "1234567890123456789": more than 18 digits`,
		`pattern 12: "**": a line is digits, X for any digit, behind +, * or # if any`,
		`pattern 13: "1-1234567890123456789": the ends of a range have the same length`,
	}
	if diff := cmp.Diff(want, mistakesOf(t, err)); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if _, err := ParseLines(strings.Repeat("1", 19) + "-" + strings.Repeat("2", 19)); err == nil {
		t.Error("a range of 19 digits is no mistake")
	}
	if l, err := ParseLines(""); err == nil || l != nil {
		t.Errorf("no patterns: %v, %v", l, err)
	}
}

func TestNilLines(t *testing.T) {
	var l *Lines
	if _, ok := l.Match("1001"); ok || l.String() != "" {
		t.Error("nil Lines serve a line")
	}
}

func TestChoose(t *testing.T) {
	pbxs := map[string]*Lines{
		"east": mustLines(t, "1001-1099,+1613592XXXX"),
		"west": mustLines(t, "10XX,2001"),
		"rest": mustLines(t, "*"),
		"none": nil,
	}
	// The digit plan of west makes 2001 of +12125550101.
	device := func(pbx string) string {
		if pbx == "west" {
			return "2001"
		}
		return ""
	}
	for _, tt := range []struct {
		canonical string
		device    func(string) string
		want      string
	}{
		{"1005", nil, "east"},
		{"1000", nil, "west"},
		{"+16135925660", nil, "east"},
		{"+12125550101", nil, "rest"},
		{"+12125550101", device, "west"},
		{"alice", nil, "rest"},
	} {
		if got, err := Choose(tt.canonical, pbxs, tt.device); got != tt.want || err != nil {
			t.Errorf("Choose(%s) = %q, %v, want %s", tt.canonical, got, err, tt.want)
		}
	}
	// A PBX that takes all lines still serves one that it names before one that has it in a pattern.
	named := map[string]*Lines{"named": mustLines(t, "*,2001"), "pattern": mustLines(t, "+1212XXXXXXX")}
	if got, err := Choose("+12125550101", named, func(string) string { return "2001" }); got != "named" || err != nil {
		t.Errorf("Choose of a named device = %q, %v", got, err)
	}
	if got, err := Choose("1005", map[string]*Lines{"east": mustLines(t, "2XXX")}, nil); !errors.Is(err, ErrNotServed) {
		t.Errorf("Choose of nobody's line = %q, %v", got, err)
	}
	pbxs["north"] = mustLines(t, "1001-1099")
	_, err := Choose("1005", pbxs, nil)
	if want := "the line is served equally by east (1001-1099) and north (1001-1099)"; err == nil || err.Error() != want {
		t.Errorf("Choose of two equals: %v, want %s", err, want)
	}
	pbxs["north"] = mustLines(t, "*")
	_, err = Choose("3000", pbxs, nil)
	if want := "the line is served equally by north (*) and rest (*)"; err == nil || err.Error() != want {
		t.Errorf("Choose of two that serve all: %v, want %s", err, want)
	}
}

func BenchmarkLines(b *testing.B) {
	var ranges []string
	for i := range 50 {
		ranges = append(ranges, fmt.Sprintf("%d00-%d99", 10+i, 10+i), fmt.Sprintf("+161359%dXX", i+10))
	}
	l := mustLines(b, strings.Join(ranges, ","))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := l.Match("5950"); !ok {
			b.Fatal("no match")
		}
	}
}

func TestLinesNumbers(t *testing.T) {
	for text, want := range map[string]struct {
		numbers string
		all     bool
	}{
		"1001":                 {"1001", true},
		"+1001-+1003,0098":     {"+1001 +1002 +1003 0098", true},
		"098-101":              {"098 099 100 101", true},
		"#90X":                 {"#900 #901 #902 #903 #904 #905 #906 #907 #908 #909", true},
		"*":                    {"", false},
		"1001,XXXXXX":          {"1001", false},
		"1,XXXXXXXXXXXXXXXXXX": {"1", false},
	} {
		l, err := ParseLines(text)
		if err != nil {
			t.Fatal(err)
		}
		numbers, all := l.Numbers(1000)
		if got := strings.Join(numbers, " "); got != want.numbers || all != want.all {
			t.Errorf("%s: %s, %t; want %s, %t", text, got, all, want.numbers, want.all)
		}
	}
}
