package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A digitsWord is what can be done with a digit plan.
type digitsWord struct {
	name, args, text string
	min, max         int // arguments
	run              func(ctx context.Context, t *tool, args []string) error
}

var digitsWords = []digitsWord{
	{"list", "", "show the plan in force", 0, 0, digitsList},
	{"add", "TABLE [at=RULE] KEY=VALUE…", "add a rule to a table, at its end or as the one of that number", 2, 19, digitsAdd},
	{"modify", "TABLE RULE KEY=VALUE…", "put a rule in the place of another", 3, 19, digitsModify},
	{"remove", "TABLE RULE", "remove a rule", 2, 2, digitsRemove},
	{"up", "TABLE RULE", "have a rule tried earlier, by one place", 2, 2, digitsMove("up")},
	{"down", "TABLE RULE", "have a rule tried later, by one place", 2, 2, digitsMove("down")},
	{"test", "[PBX] TABLE NUMBER [identity|forward|redirecting] [internal|external] [FILE]", "translate a number with the plan in force, or with that of a file", 2, 6, digitsTest},
	{"explain", "[PBX] TABLE NUMBER [identity|forward|redirecting] [internal|external] [FILE]", "the same, with every step and the reasons", 2, 6, digitsExplain},
	{"merge-check", "INVITE [LINE] [internal|external]", "compare the caller of an INVITE with the one that clients are told of", 1, 3, mergeCheck},
	{"check", "[FILE]", "look for flaws of the plan in force, or of that of a file without putting it in force", 0, 1, digitsCheck},
	{"history", "[REVISION]", "list the revisions, or show one", 0, 1, digitsHistory},
	{"rollback", "REVISION", "go back to a revision", 1, 1, digitsRollback},
	{"import", "FILE", "replace the plan by YAML or JSON, or its rules by FILE.csv", 1, 1, digitsImport},
	{"export", "[yaml|csv]", "print the plan in force; csv has the rules alone", 0, 1, digitsExport},
}

// digits does something with the digit plan of a PBX, by the gateway's API.
func digits(ctx context.Context, t *tool, args []string) error {
	if args[0] == "help" {
		for _, w := range digitsWords {
			fmt.Fprintf(t.out, "  %-95s %s\n", "digits "+w.name+" "+w.args, w.text)
		}
		fmt.Fprint(t.out, "\nTABLE is outgoing or incoming, for rules forward and redirecting too; RULE counts from 1. The keys are leading, match, replacement, ignoreARS, addPlus,\n"+
			"length, minLength, maxLength, plus and from. FILE may be - for what is piped in.\n\n"+
			"INVITE is a file with the message, - for what is piped in, or its caller: +16135925660, sip:+16135925660@trunk.example.com.\n"+
			"It is compared with what the PBX presents, -presented, with what an event shows, -shown, or with the next call that LINE gets.\n"+
			"The exit code is 0 where a client merges the two, else 1.\n")
		return nil
	}
	i := slices.IndexFunc(digitsWords, func(w digitsWord) bool { return w.name == args[0] })
	if i < 0 {
		return fmt.Errorf("unknown word %q; see rccctl digits help: %w", args[0], errUsage)
	}
	w := digitsWords[i]
	if n := len(args) - 1; n < w.min || n > w.max {
		return fmt.Errorf("usage: rccctl digits %s %s: %w", w.name, w.args, errUsage)
	}
	return w.run(ctx, t, args[1:])
}

// questions are the paths below the plan's that change nothing.
var questions = []string{"/test", "/explain", "/merge-check", "/check"}

// api asks the API of the PBX's digit plan.
func (t *tool) api(ctx context.Context, method, path, media string, body []byte, into any) ([]byte, error) {
	header := http.Header{"Content-Type": {media}, "Rcc-User": {t.user}}
	base := t.http + "/api/v1/pbx/" + url.PathEscape(t.pbx) + "/digits"
	if method != http.MethodGet && !slices.Contains(questions, path) {
		if t.revision == 0 {
			got, _, err := t.web(ctx, http.MethodGet, base, header, nil)
			if err != nil {
				return nil, err
			}
			header.Set("If-Match", got.Get("ETag"))
		} else {
			header.Set("If-Match", strconv.Quote(strconv.FormatUint(t.revision, 10)))
		}
	}
	_, text, err := t.web(ctx, method, base+path, header, body)
	if err != nil {
		return nil, err
	}
	if into == nil {
		return text, nil
	}
	return text, json.Unmarshal(text, into)
}

// A plan is what the API says of a digit plan.
type plan struct {
	PBX, Source, File, By, What, Problem string
	Revision, Newest                     uint64
	At                                   time.Time
	Stale                                bool
	Plan                                 planText
}

// A planText is a plan as the API writes it.
type planText struct {
	ARS      string
	Internal struct{ MaxLength int }
	Outgoing []json.RawMessage
	Incoming []json.RawMessage
	Examples []json.RawMessage
}

// head says in a line which plan is in force.
func (p plan) head() string {
	source := "stored"
	if p.Source == "file" {
		source = "from " + p.File
	}
	return fmt.Sprintf("%s: revision %d, %s, by %s at %s: %s", p.PBX, p.Revision, source, p.By, p.At.Format(time.RFC3339), p.What)
}

// printPlan writes what is in force, or the JSON of it.
func (t *tool) printPlan(text []byte, p plan, whole bool) {
	if t.json {
		fmt.Fprintf(t.out, "%s\n", bytes.TrimSpace(text))
		return
	}
	fmt.Fprintln(t.out, p.head())
	if p.Problem != "" {
		fmt.Fprintf(t.out, "not in force is what is newer: %s\n", p.Problem)
	}
	if p.Stale {
		fmt.Fprintln(t.out, "the bus is away: a newer plan may be stored")
	}
	if whole {
		t.printTables(p.Plan)
	}
}

func (t *tool) printTables(p planText) {
	if p.ARS != "" {
		fmt.Fprintf(t.out, "ars: %s\n", p.ARS)
	}
	if p.Internal.MaxLength > 0 {
		fmt.Fprintf(t.out, "internal: up to %d digits\n", p.Internal.MaxLength)
	}
	for _, table := range []struct {
		name  string
		rules []json.RawMessage
	}{{"outgoing", p.Outgoing}, {"incoming", p.Incoming}, {"example", p.Examples}} {
		for i, r := range table.rules {
			fmt.Fprintf(t.out, "%s %d: %s\n", table.name, i+1, r)
		}
	}
}

func digitsList(ctx context.Context, t *tool, _ []string) error {
	var p plan
	text, err := t.api(ctx, http.MethodGet, "", "", nil, &p)
	if err == nil {
		t.printPlan(text, p, true)
	}
	return err
}

// change makes an edit and prints what is in force then.
func (t *tool) change(ctx context.Context, method, path, media string, body []byte) error {
	var p plan
	text, err := t.api(ctx, method, path, media, body, &p)
	if err == nil {
		t.printPlan(text, p, false)
	}
	return err
}

// ruleOf makes the JSON of a rule from words of the form key=value.
func ruleOf(words []string) ([]byte, error) {
	r := map[string]any{}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if _, twice := r[key]; !ok || twice {
			return nil, fmt.Errorf("%q is not KEY=VALUE, or comes twice: %w", word, errUsage)
		}
		r[key] = value
		switch key { // whatever does not fit is refused by the gateway, which knows the keys
		case "ignoreARS", "addPlus", "plus":
			if b, err := strconv.ParseBool(value); err == nil {
				r[key] = b
			}
		case "length", "minLength", "maxLength":
			if n, err := strconv.Atoi(value); err == nil {
				r[key] = n
			}
		}
	}
	return json.Marshal(r)
}

func digitsAdd(ctx context.Context, t *tool, args []string) error {
	path := "/rules/" + url.PathEscape(args[0])
	if at, ok := strings.CutPrefix(args[1], "at="); ok {
		path, args = path+"?at="+url.QueryEscape(at), args[1:]
	}
	rule, err := ruleOf(args[1:])
	if err != nil {
		return err
	}
	return t.change(ctx, http.MethodPost, path, "application/json", rule)
}

func rulePath(args []string) string {
	return "/rules/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1])
}

func digitsModify(ctx context.Context, t *tool, args []string) error {
	rule, err := ruleOf(args[2:])
	if err != nil {
		return err
	}
	return t.change(ctx, http.MethodPut, rulePath(args), "application/json", rule)
}

func digitsRemove(ctx context.Context, t *tool, args []string) error {
	return t.change(ctx, http.MethodDelete, rulePath(args), "", nil)
}

func digitsMove(direction string) func(context.Context, *tool, []string) error {
	return func(ctx context.Context, t *tool, args []string) error {
		return t.change(ctx, http.MethodPost, rulePath(args)+"/move", "application/json", []byte(`{"direction":"`+direction+`"}`))
	}
}

// onPBX takes off the name of a PBX that stands in front of a table.
func (t *tool) onPBX(args []string) []string {
	if len(args) > 2 && args[0] != "outgoing" && args[0] != "incoming" {
		t.pbx, args = args[0], args[1:]
	}
	return args
}

// ask puts the number that the arguments name to the plan in force, or to that
// of a file.
func (t *tool) ask(ctx context.Context, path string, args []string, into any) ([]byte, error) {
	question := map[string]any{"direction": args[0], "number": args[1]}
	var files []string
	for _, word := range args[2:] {
		switch word {
		case "internal", "external":
			question["from"] = word
		case "identity", "forward", "redirecting":
			question["role"] = word
		default:
			files = append(files, word)
		}
	}
	if len(files) > 1 {
		return nil, fmt.Errorf("%q is neither internal, external, identity, forward nor redirecting: %w", files[0], errUsage)
	}
	if len(files) == 1 {
		draft, err := readFile(files[0])
		if err != nil {
			return nil, err
		}
		question["plan"] = string(draft)
	}
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	return t.api(ctx, http.MethodPost, path, "application/json", body, into)
}

func digitsTest(ctx context.Context, t *tool, args []string) error {
	var a struct {
		Number, Kind, Read string
		Rule               int
		ARS                bool
	}
	args = t.onPBX(args)
	text, err := t.ask(ctx, "/test", args, &a)
	if err != nil {
		return err
	}
	if t.json {
		fmt.Fprintf(t.out, "%s\n", bytes.TrimSpace(text))
		return nil
	}
	if a.Number == "" {
		a.Number = a.Kind
	}
	how := "no rule"
	if a.Rule > 0 {
		how = fmt.Sprintf("%s rule %d", args[0], a.Rule)
	}
	if a.ARS && args[0] == "outgoing" {
		how += ", access digits in front"
	} else if a.ARS {
		how += ", access digits taken off"
	}
	fmt.Fprintf(t.out, "%s  (%s read as %s; %s)\n", a.Number, args[1], a.Read, how)
	return nil
}

func readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, maxAnswer))
	}
	return os.ReadFile(path)
}

func digitsExplain(ctx context.Context, t *tool, args []string) error {
	var a struct{ Text string }
	text, err := t.ask(ctx, "/explain", t.onPBX(args), &a)
	if err != nil {
		return err
	}
	if t.json {
		a.Text = string(bytes.TrimSpace(text))
	}
	fmt.Fprintln(t.out, a.Text)
	return nil
}

// A finding is something that a plan does and that may not be meant.
type finding struct {
	Severity, Kind, Table, Witness, From, Reason string
	Rule                                         int
}

func (f finding) String() string {
	return mistake{Table: f.Table, Rule: f.Rule, Place: f.Table, Reason: f.Reason}.String()
}

func digitsCheck(ctx context.Context, t *tool, args []string) error {
	method, of := http.MethodGet, t.pbx
	var body []byte
	if len(args) == 1 {
		var err error
		if body, err = readFile(args[0]); err != nil {
			return err
		}
		method, of = http.MethodPost, args[0]
	}
	var a struct {
		Valid    bool
		Mistakes []mistake
		Findings []finding
		Changes  []string
	}
	text, err := t.api(ctx, method, "/check", "application/yaml", body, &a)
	if err != nil {
		return err
	}
	if t.json {
		fmt.Fprintf(t.out, "%s\n", bytes.TrimSpace(text))
	} else {
		for _, c := range a.Changes {
			fmt.Fprintln(t.out, c)
		}
		for _, m := range a.Mistakes { // the findings that are errors, too
			fmt.Fprintln(t.out, "error:", m)
		}
		for _, f := range a.Findings {
			if f.Severity == "warning" {
				fmt.Fprintln(t.out, "warning:", f)
			}
		}
	}
	if !a.Valid {
		return fmt.Errorf("%s: the plan has mistakes", of)
	}
	if !t.json && len(a.Findings) == 0 {
		fmt.Fprintln(t.out, "nothing speaks against the plan")
	}
	return nil
}

// A past is a revision of the history.
type past struct {
	Revision          uint64
	At                time.Time
	By, What, Problem string
	Changes           []string
	Plan              *planText
}

func (t *tool) printPast(p past) {
	fmt.Fprintf(t.out, "revision %d, by %s at %s: %s\n", p.Revision, p.By, p.At.Format(time.RFC3339), p.What)
	for _, line := range p.Changes {
		fmt.Fprintln(t.out, "  "+line)
	}
	if p.Problem != "" {
		fmt.Fprintln(t.out, "  cannot be read: "+p.Problem)
	}
	if p.Plan != nil {
		t.printTables(*p.Plan)
	}
}

func digitsHistory(ctx context.Context, t *tool, args []string) error {
	var answer struct {
		past
		Revisions []past
	}
	path := "/history"
	if len(args) == 1 {
		path += "/" + url.PathEscape(args[0])
	}
	text, err := t.api(ctx, http.MethodGet, path, "", nil, &answer)
	switch {
	case err != nil:
		return err
	case t.json:
		fmt.Fprintf(t.out, "%s\n", bytes.TrimSpace(text))
		return nil
	case len(args) == 1:
		answer.Revisions = []past{answer.past}
	}
	for _, p := range answer.Revisions {
		t.printPast(p)
	}
	return nil
}

func digitsRollback(ctx context.Context, t *tool, args []string) error {
	if _, err := strconv.ParseUint(args[0], 10, 64); err != nil {
		return fmt.Errorf("revision %q is not a number: %w", args[0], errUsage)
	}
	return t.change(ctx, http.MethodPost, "/rollback", "application/json", []byte(`{"revision":`+args[0]+`}`))
}

func digitsImport(ctx context.Context, t *tool, args []string) error {
	text, err := readFile(args[0])
	if err != nil {
		return err
	}
	if strings.HasSuffix(strings.ToLower(args[0]), ".csv") {
		return t.change(ctx, http.MethodPost, "/import?format=csv", "text/csv", text)
	}
	return t.change(ctx, http.MethodPost, "/import?format=yaml", "application/yaml", text)
}

func digitsExport(ctx context.Context, t *tool, args []string) error {
	format := "yaml"
	if len(args) == 1 {
		format = args[0]
	}
	text, err := t.api(ctx, http.MethodGet, "/export?format="+url.QueryEscape(format), "", nil, nil)
	if err == nil {
		_, err = t.out.Write(text)
	}
	return err
}
