package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rccgw/bus"
	"rccgw/digitmod"
)

const digitsPath = "/api/v1/pbx/{pbx}/digits"

// digitRoutes are the routes of the digit plans.
var digitRoutes = []route{
	{http.MethodGet, digitsPath, (*api).getDigits},
	{http.MethodPut, digitsPath, (*api).putDigits},
	{http.MethodPost, digitsPath + "/rules/{table}", (*api).addRule},
	{http.MethodPut, digitsPath + "/rules/{table}/{rule}", (*api).modifyRule},
	{http.MethodDelete, digitsPath + "/rules/{table}/{rule}", (*api).removeRule},
	{http.MethodPost, digitsPath + "/rules/{table}/{rule}/move", (*api).moveRule},
	{http.MethodPost, digitsPath + "/test", (*api).testDigits},
	{http.MethodPost, digitsPath + "/explain", (*api).explainDigits},
	{http.MethodPost, digitsPath + "/merge-check", (*api).mergeCheck},
	{http.MethodGet, digitsPath + "/check", (*api).checkInForce},
	{http.MethodPost, digitsPath + "/check", (*api).checkDigits},
	{http.MethodGet, digitsPath + "/history", (*api).digitsHistory},
	{http.MethodGet, digitsPath + "/history/{revision}", (*api).pastDigits},
	{http.MethodPost, digitsPath + "/rollback", (*api).rollbackDigits},
	{http.MethodGet, digitsPath + "/export", (*api).exportDigits},
	{http.MethodPost, digitsPath + "/import", (*api).importDigits},
}

// digitsBody is a plan with what there is to say about it.
type digitsBody struct {
	PBX      string          `json:"pbx"`
	Source   bus.Source      `json:"source"`
	File     string          `json:"file,omitempty"`
	Revision uint64          `json:"revision"`
	By       string          `json:"by"`
	What     string          `json:"what"`
	At       time.Time       `json:"at"`
	Newest   uint64          `json:"newest"`
	Problem  string          `json:"problem,omitempty"`
	Stale    bool            `json:"stale"`
	Plan     digitmod.Config `json:"plan"`
}

func digitsReply(s bus.DigitsState) reply {
	return reply{revision: &s.Revision, body: digitsBody{PBX: s.PBX, Source: s.Source, File: s.File, Revision: s.Revision, By: s.By, What: s.What,
		At: s.At.UTC(), Newest: s.Newest, Problem: s.Problem, Stale: s.Stale, Plan: s.Config}}
}

// digitsOf returns the plan of the PBX that the path names.
func (a *api) digitsOf(r *http.Request) (*bus.Digits, error) {
	d := a.digits[r.PathValue("pbx")]
	if d == nil {
		return nil, &apiError{http.StatusNotFound, fmt.Sprintf("this process has no adapter of a PBX %.40q; it has %s", r.PathValue("pbx"),
			strings.Join(append(slices.Sorted(maps.Keys(a.digits)), "no other"), ", "))}
	}
	return d, nil
}

func (a *api) getDigits(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	return digitsReply(d.State()), nil
}

// change makes a new revision of what f makes of the plan in force, which must
// be the one that If-Match names. f says what it did.
func (a *api) change(r *http.Request, f func(digitmod.Config) (c digitmod.Config, what string, err error)) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	by, err := user(r)
	if err != nil {
		return reply{}, err
	}
	match := r.Header.Get("If-Match")
	if match == "" {
		return reply{}, &apiError{http.StatusPreconditionRequired, "If-Match is missing: the ETag of the plan that was looked at"}
	}
	base, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
	if err != nil {
		return reply{}, &apiError{http.StatusBadRequest, fmt.Sprintf("If-Match %.40q: not the ETag of a plan", match)}
	}
	before := d.State()
	what := ""
	// Whoever hangs up must find the change made or not made, and not be its measure.
	after, err := d.Change(context.WithoutCancel(r.Context()), bus.Edit{Base: base, By: by,
		To: func(c digitmod.Config) (_ digitmod.Config, _ string, err error) {
			c, what, err = f(c)
			return c, what, err
		}})
	attrs := []any{"audit", true, "pbx", d.PBX, "by", by, "peer", r.RemoteAddr, "what", what, "old", base}
	if err != nil {
		a.log.Warn("digit plan not changed", append(attrs, "error", err)...)
		return reply{}, err
	}
	if after.Revision != before.Revision {
		a.log.Info("digit plan changed", append(attrs, "new", after.Revision)...)
	}
	return digitsReply(after), nil
}

func (a *api) putDigits(r *http.Request) (reply, error) {
	text, err := readText(r)
	if err != nil {
		return reply{}, err
	}
	plan, err := digitmod.ReadConfig(text)
	if err != nil {
		return reply{}, err
	}
	return a.change(r, func(digitmod.Config) (digitmod.Config, string, error) { return plan, "the plan was replaced", nil })
}

func readRule(r *http.Request) (digitmod.Rule, error) {
	text, err := readText(r)
	if err != nil {
		return digitmod.Rule{}, err
	}
	return digitmod.ReadRule(text)
}

func (a *api) addRule(r *http.Request) (reply, error) {
	table := digitmod.Table(r.PathValue("table"))
	rule, err := readRule(r)
	if err != nil {
		return reply{}, err
	}
	at := 0
	if text := r.URL.Query().Get("at"); text != "" {
		if at, err = strconv.Atoi(text); err != nil || at < 1 {
			return reply{}, &apiError{http.StatusBadRequest, fmt.Sprintf("at %.40q: the number of a rule, from 1", text)}
		}
	}
	return a.change(r, func(c digitmod.Config) (digitmod.Config, string, error) {
		rules, err := c.Rules(table)
		if err != nil {
			return c, "", err
		}
		n := at
		if n == 0 {
			n = len(rules) + 1
		}
		c, err = c.Insert(table, n, rule)
		return c, fmt.Sprintf("%s rule %d was added", table, n), err
	})
}

// changeRule is change for the rule that the path names.
func (a *api) changeRule(r *http.Request, done string, f func(c digitmod.Config, t digitmod.Table, n int) (digitmod.Config, error)) (reply, error) {
	table := digitmod.Table(r.PathValue("table"))
	n, err := strconv.Atoi(r.PathValue("rule"))
	if err != nil {
		return reply{}, &apiError{http.StatusNotFound, fmt.Sprintf("rule %.40q is not a number", r.PathValue("rule"))}
	}
	return a.change(r, func(c digitmod.Config) (digitmod.Config, string, error) {
		c, err := f(c, table, n)
		return c, fmt.Sprintf("%s rule %d was %s", table, n, done), err
	})
}

func (a *api) modifyRule(r *http.Request) (reply, error) {
	rule, err := readRule(r)
	if err != nil {
		return reply{}, err
	}
	return a.changeRule(r, "modified", func(c digitmod.Config, t digitmod.Table, n int) (digitmod.Config, error) { return c.Modify(t, n, rule) })
}

func (a *api) removeRule(r *http.Request) (reply, error) {
	return a.changeRule(r, "removed", digitmod.Config.Remove)
}

func (a *api) moveRule(r *http.Request) (reply, error) {
	var body struct {
		Direction string `json:"direction"`
	}
	if err := readJSON(r, &body); err != nil {
		return reply{}, err
	}
	switch body.Direction {
	case "up":
		return a.changeRule(r, "moved up", digitmod.Config.MoveUp)
	case "down":
		return a.changeRule(r, "moved down", digitmod.Config.MoveDown)
	}
	return reply{}, &apiError{http.StatusBadRequest, fmt.Sprintf("direction %.40q is neither up nor down", body.Direction)}
}

// A questionBody is a number and what is asked about it.
type questionBody struct {
	Direction digitmod.Table  `json:"direction"`
	Number    string          `json:"number"`
	Role      string          `json:"role"` // see roles; empty: the first of the direction
	From      digitmod.Origin `json:"from"`
	Plan      json.RawMessage `json:"plan"` // a draft, or a text of YAML with it; none: the plan in force
}

// roles are the roles of numbers by direction and role of a question.
var roles = map[string]digitmod.Role{
	"outgoing ":             digitmod.Destination,
	"outgoing destination":  digitmod.Destination,
	"outgoing identity":     digitmod.Identity,
	"incoming ":             digitmod.Presentation,
	"incoming presentation": digitmod.Presentation,
	"incoming forward":      digitmod.Forward,
	"incoming redirecting":  digitmod.Redirecting,
}

// A question is a number, with the plan that it is put to.
type question struct {
	plan     *digitmod.Plan
	revision *uint64 // of the plan; nil: it is a draft
	role     digitmod.Role
	number   string
	from     digitmod.Origin
}

func (a *api) question(r *http.Request) (question, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return question{}, err
	}
	var body questionBody
	if err := readJSON(r, &body); err != nil {
		return question{}, err
	}
	q := question{number: body.Number, from: body.From}
	c, revision, err := draft(d, body.Plan)
	if err != nil {
		return question{}, err
	}
	q.revision = revision
	if q.plan, err = digitmod.New(c); err != nil {
		return question{}, err
	}
	var ok bool
	if q.role, ok = roles[string(body.Direction)+" "+body.Role]; !ok {
		return question{}, &apiError{http.StatusBadRequest, fmt.Sprintf("direction %.40q, role %.40q: outgoing has destination and identity, "+
			"incoming has presentation, forward and redirecting", string(body.Direction), body.Role)}
	}
	return q, checkOrigin(body.From, q.role)
}

// checkOrigin refuses where a party is said to be of whom it is not asked, or no
// place at all.
func checkOrigin(from digitmod.Origin, role digitmod.Role) error {
	asked := role == digitmod.Presentation || role == digitmod.Redirecting
	if from == "" || asked && (from == digitmod.Internal || from == digitmod.External) {
		return nil
	}
	return &apiError{http.StatusBadRequest, fmt.Sprintf("from %.40q: internal or external, of a party that is presented or redirects", string(from))}
}

// draft returns the plan that a request brings, or the one in force and its
// revision.
func draft(d *bus.Digits, text json.RawMessage) (digitmod.Config, *uint64, error) {
	if text == nil {
		s := d.State()
		return s.Config, &s.Revision, nil
	}
	var yaml string
	if json.Unmarshal(text, &yaml) == nil {
		text = []byte(yaml)
	}
	c, err := digitmod.ReadConfig(text)
	return c, nil, err
}

// testedBody is what became of a number.
type testedBody struct {
	Number   string  `json:"number"`
	Kind     string  `json:"kind"`
	Read     string  `json:"read"` // what went into the table
	Rule     int     `json:"rule"` // that fired, from 1; 0: none
	ARS      bool    `json:"ars"`
	Revision *uint64 `json:"revision,omitempty"` // of the plan; none: the draft
}

func (a *api) testDigits(r *http.Request) (reply, error) {
	q, err := a.question(r)
	if err != nil {
		return reply{}, err
	}
	var res digitmod.Result
	switch q.role {
	case digitmod.Destination:
		res, err = q.plan.Destination(q.number)
	case digitmod.Identity:
		res, err = q.plan.Device(q.number)
	case digitmod.Presentation:
		res = q.plan.Present(q.number, q.from)
	case digitmod.Forward:
		res = q.plan.ForwardTarget(q.number)
	case digitmod.Redirecting:
		res = q.plan.Redirecting(q.number, q.from)
	}
	if err != nil {
		return reply{}, err
	}
	return reply{body: testedBody{res.Number, res.Kind.String(), res.Read.String(), res.Rule + 1, res.ARS, q.revision}}, nil
}

// explainedBody is what became of a number, and why.
type explainedBody struct {
	Explanation digitmod.Explanation `json:"explanation"`
	Text        string               `json:"text"`
	Revision    *uint64              `json:"revision,omitempty"` // of the plan; none: the draft
}

func (a *api) explainDigits(r *http.Request) (reply, error) {
	q, err := a.question(r)
	if err != nil {
		return reply{}, err
	}
	e := q.plan.Explain(q.role, q.number, q.from)
	return reply{body: explainedBody{e, e.String(), q.revision}}, nil
}

// mergeBody is a caller, as an INVITE has it and as the PBX presents it or clients
// see it: one of these two is given.
type mergeBody struct {
	Invite    string          `json:"invite"` // URI of P-Asserted-Identity or From
	Presented *string         `json:"presented"`
	Shown     *string         `json:"shown"`
	From      digitmod.Origin `json:"from"`
	Plan      json.RawMessage `json:"plan"`
}

// mergedBody is what a client makes of the two.
type mergedBody struct {
	digitmod.Merge
	Revision *uint64 `json:"revision,omitempty"` // of the plan; none: the draft
}

// mergeCheck compares what a client is told of a caller twice.
func (a *api) mergeCheck(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	var body mergeBody
	if err := readJSON(r, &body); err != nil {
		return reply{}, err
	}
	if err := checkOrigin(body.From, digitmod.Presentation); err != nil {
		return reply{}, err
	}
	if (body.Presented == nil) == (body.Shown == nil) {
		return reply{}, &apiError{http.StatusBadRequest, "presented or shown: the number as the PBX presents it, or as clients see it"}
	}
	c, revision, err := draft(d, body.Plan)
	if err != nil {
		return reply{}, err
	}
	var m digitmod.Merge
	if body.Presented != nil {
		m, err = c.Merge(body.Invite, *body.Presented, body.From, d.Check)
	} else {
		m, err = c.MergeShown(body.Invite, *body.Shown, body.From, d.Check)
	}
	if err != nil {
		return reply{}, err
	}
	return reply{body: mergedBody{m, revision}}, nil
}

// checkedBody is what speaks against a plan.
type checkedBody struct {
	Valid    bool               `json:"valid"`
	Mistakes []mistakeBody      `json:"mistakes"` // why not
	Findings []digitmod.Finding `json:"findings"` // what it does that is not, or may not be, meant
	Changes  []string           `json:"changes"`  // to the plan in force
	Revision *uint64            `json:"revision,omitempty"`
}

// checkDigits checks a draft.
func (a *api) checkDigits(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	text, err := readText(r)
	if err != nil {
		return reply{}, err
	}
	c, err := digitmod.ReadConfig(text)
	if err != nil {
		return checked(nil, err, nil, nil)
	}
	findings, err := d.Check(c)
	return checked(findings, err, digitmod.Changes(d.State().Config, c), nil)
}

// checkInForce checks the plan in force.
func (a *api) checkInForce(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	s := d.State()
	findings, err := d.Check(s.Config)
	return checked(findings, err, nil, &s.Revision)
}

func checked(findings []digitmod.Finding, err error, changes []string, revision *uint64) (reply, error) {
	ms, mistaken := err.(digitmod.Mistakes)
	if err != nil && !mistaken {
		return reply{}, err
	}
	return reply{body: checkedBody{Valid: err == nil, Mistakes: mistakeBodies(ms), Findings: append([]digitmod.Finding{}, findings...),
		Changes: append([]string{}, changes...), Revision: revision}}, nil
}

// revisionBody is a revision of the history. Plan is there where one was asked
// for by its number.
type revisionBody struct {
	Revision uint64           `json:"revision"`
	At       time.Time        `json:"at"`
	By       string           `json:"by"`
	What     string           `json:"what"`
	Changes  []string         `json:"changes"`
	Problem  string           `json:"problem,omitempty"`
	Plan     *digitmod.Config `json:"plan,omitempty"`
}

func newRevisionBody(r bus.Revision) revisionBody {
	return revisionBody{Revision: r.Revision, At: r.At.UTC(), By: r.By, What: r.What, Changes: append([]string{}, r.Changes...), Problem: r.Problem}
}

// digitsHistory lists the revisions, the newest first.
func (a *api) digitsHistory(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	list, err := d.History(r.Context())
	if err != nil {
		return reply{}, err
	}
	revisions := []revisionBody{}
	for _, past := range slices.Backward(list) {
		revisions = append(revisions, newRevisionBody(past))
	}
	return reply{body: struct {
		Revisions []revisionBody `json:"revisions"`
	}{revisions}}, nil
}

func (a *api) pastDigits(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	number, err := strconv.ParseUint(r.PathValue("revision"), 10, 64)
	if err != nil {
		return reply{}, &apiError{http.StatusNotFound, fmt.Sprintf("revision %.40q is not a number", r.PathValue("revision"))}
	}
	past, err := d.Past(r.Context(), number)
	if err != nil {
		return reply{}, err
	}
	body := newRevisionBody(past)
	if past.Problem == "" {
		body.Plan = &past.Config
	}
	return reply{body: body}, nil
}

func (a *api) rollbackDigits(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	var body struct {
		Revision *uint64 `json:"revision"`
	}
	if err := readJSON(r, &body); err != nil {
		return reply{}, err
	}
	if body.Revision == nil {
		return reply{}, &apiError{http.StatusBadRequest, "revision is missing: the one to go back to"}
	}
	past, err := d.Past(r.Context(), *body.Revision)
	if err != nil {
		return reply{}, err
	}
	if past.Problem != "" {
		return reply{}, &apiError{http.StatusUnprocessableEntity, fmt.Sprintf("revision %d: %s", past.Revision, past.Problem)}
	}
	return a.change(r, func(digitmod.Config) (digitmod.Config, string, error) {
		return past.Config, fmt.Sprintf("back to revision %d", past.Revision), nil
	})
}

func errFormat(format string) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf("format %.40q is neither yaml nor csv", format)}
}

func (a *api) exportDigits(r *http.Request) (reply, error) {
	d, err := a.digitsOf(r)
	if err != nil {
		return reply{}, err
	}
	s := d.State()
	switch format := r.URL.Query().Get("format"); format {
	case "yaml", "":
		return reply{revision: &s.Revision, text: s.Config.YAML(), media: "application/yaml"}, nil
	case "csv":
		return reply{revision: &s.Revision, text: s.Config.CSV(), media: "text/csv; charset=utf-8"}, nil
	default:
		return reply{}, errFormat(format)
	}
}

func (a *api) importDigits(r *http.Request) (reply, error) {
	switch format := r.URL.Query().Get("format"); format {
	case "yaml", "":
		return a.putDigits(r)
	case "csv":
		text, err := readText(r)
		if err != nil {
			return reply{}, err
		}
		return a.change(r, func(c digitmod.Config) (digitmod.Config, string, error) {
			c, err := c.ReadCSV(text)
			return c, "the rules were imported", err
		})
	default:
		return reply{}, errFormat(format)
	}
}
