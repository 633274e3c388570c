package digitmod

import (
	"fmt"
	"testing"
)

// benchmarkTables are the sizes of tables; the budget is one microsecond for 50 rules.
var benchmarkTables = []int{1, 10, 50, 1000}

// leadingRules makes rules that share their first digits, as the ranges of one company do. The last one is for 1613592.
func leadingRules(n int) []Rule {
	rules := make([]Rule, n)
	for i := range rules {
		rules[i] = Rule{Leading: new(fmt.Sprintf("1612%04d", i)), IgnoreARS: true}
	}
	rules[n-1].Leading = new("1613592")
	return rules
}

// matchRules makes expressions with a literal beginning.
func matchRules(n int) []Rule {
	return expressions(n, `^1612%04d(\d{4})$`, `^1613592(\d{4})$`)
}

// classRules makes expressions that begin with classes and differ behind them only.
func classRules(n int) []Rule {
	return expressions(n, `^[1-9]\d{3}0%03d(\d+)$`, `^[1-9]\d{2}3592(\d+)$`)
}

// looseRules makes expressions that may match anywhere, the dearest kind, of several shapes.
func looseRules(n int) []Rule {
	rules := make([]Rule, n)
	for i := range rules {
		format := []string{`8%04d$`, `8%04d`, `(8%03d)\d{2,}`, `[2-5]8%03d\d?`, `\d?8%02d[0-5]$`}[i%5]
		rules[i] = Rule{Match: new(fmt.Sprintf(format, i%1000)), Replacement: "$0", IgnoreARS: true}
	}
	rules[n-1] = Rule{Match: new(`1613592`), IgnoreARS: true}
	return rules
}

func expressions(n int, format, last string) []Rule {
	rules := make([]Rule, n)
	for i := range rules {
		rules[i] = Rule{Match: new(fmt.Sprintf(format, i)), Replacement: "$0", IgnoreARS: true}
	}
	rules[n-1] = Rule{Match: &last, Replacement: "$1", IgnoreARS: true}
	return rules
}

func benchmarkDestination(b *testing.B, rules func(int) []Rule, written, want string) {
	for _, n := range benchmarkTables {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			p := mustNew(b, Config{ARS: "9", Internal: InternalConfig{MaxLength: 5}, Outgoing: rules(n)})
			b.ReportAllocs()
			for b.Loop() {
				if res, err := p.Destination(written); err != nil || res.Number != want {
					b.Fatal(res, err)
				}
			}
		})
	}
}

// BenchmarkOutgoing looks for a number that the last rule of the table matches.
func BenchmarkOutgoing(b *testing.B) {
	benchmarkDestination(b, leadingRules, "tel:+16135925660", "5660")
}

// BenchmarkOutgoingMatch is BenchmarkOutgoing with RE2 expressions.
func BenchmarkOutgoingMatch(b *testing.B) {
	benchmarkDestination(b, matchRules, "tel:+16135925660", "5660")
}

func BenchmarkOutgoingClass(b *testing.B) {
	benchmarkDestination(b, classRules, "tel:+16135925660", "5660")
}

func BenchmarkOutgoingLoose(b *testing.B) {
	benchmarkDestination(b, looseRules, "tel:+16135925660", "5660")
}

// BenchmarkOutgoingNone looks for a number that no rule matches, which gets ARS.
func BenchmarkOutgoingNone(b *testing.B) {
	benchmarkDestination(b, leadingRules, "tel:+1 (613) 555-1234", "916135551234")
}

func BenchmarkIncoming(b *testing.B) {
	for _, n := range benchmarkTables {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			rules := leadingRules(n)
			for i := range rules {
				rules[i].IgnoreARS = false
			}
			rules[n-1] = Rule{From: Internal, Length: new(4), Replacement: "1613592", AddPlus: true}
			p := mustNew(b, Config{Incoming: rules})
			b.ReportAllocs()
			for b.Loop() {
				if res := p.Present("5660", Internal); res.Number != "+16135925660" {
					b.Fatal(res)
				}
			}
		})
	}
}

// BenchmarkExplain is what a why costs, for comparison.
func BenchmarkExplain(b *testing.B) {
	p := mustNew(b, Config{ARS: "9", Internal: InternalConfig{MaxLength: 5}, Outgoing: leadingRules(50)})
	b.ReportAllocs()
	for b.Loop() {
		if e := p.Explain(Destination, "tel:+16135925660", ""); e.Number != "5660" {
			b.Fatal(e)
		}
	}
}

func BenchmarkParseNumber(b *testing.B) {
	for _, written := range []string{"tel:+16135925660", "tel:+16135925660;ext=5660", "sip:5660@pbx.example.com;user=phone", "(613) 592-5660", "sip:alice@example.com"} {
		b.Run(written, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseNumber(written); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNew makes plans, as a load or an edit does.
func BenchmarkNew(b *testing.B) {
	for name, rules := range map[string]func(int) []Rule{"leading": leadingRules, "match": matchRules, "loose": looseRules} {
		for _, n := range benchmarkTables {
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				cfg := Config{Outgoing: rules(n)}
				for b.Loop() {
					mustNew(b, cfg)
				}
			})
		}
	}
}

// BenchmarkLint looks at plans, as a load or an edit does.
func BenchmarkLint(b *testing.B) {
	for name, rules := range map[string]func(int) []Rule{"leading": leadingRules, "match": matchRules, "loose": looseRules} {
		for _, n := range benchmarkTables {
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				p := mustNew(b, Config{ARS: "9", Internal: InternalConfig{MaxLength: 4}, Outgoing: rules(n),
					Incoming: []Rule{{From: Internal, Length: new(4), Replacement: "1613592", AddPlus: true}}})
				lines := mustLines(b, "5XXX")
				for b.Loop() {
					p.Lint(lines)
				}
			})
		}
	}
}
