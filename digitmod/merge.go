package digitmod

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A Merge compares what a client is told of one caller twice: by the INVITE that its softphone gets from a trunk, and by the
// event for its desk phone, which has what the PBX presents after the plan. A client that finds both byte for byte equal merges
// them into one notification. Its JSON names stay as they are.
type Merge struct {
	// Invite is the caller of the INVITE as a client reads it: a number in its canonical form, with its ;ext= where it has one,
	// or a name, such as anonymous.
	Invite string `json:"invite"`
	// Presented is the number as the PBX presents it, From where. It is empty where it presents none, or where it is not known
	// and makes no difference.
	Presented string `json:"presented"`
	From      Origin `json:"from,omitempty"`
	// Shown and Kind are what the plan makes of it, Rule the incoming rule that fired, counted from 1; 0 means that none did.
	Shown string `json:"shown,omitempty"`
	Kind  Kind   `json:"kind"`
	Rule  int    `json:"rule"`
	// Equal tells that a client merges the two. Two callers without a number are equal.
	Equal bool `json:"equal"`
	// Edits make them equal, one after another, each of which leaves a plan that can be used. Without any, Reason says why no
	// rule does. It may be there beside edits, for what is to be considered.
	Edits  []RuleEdit `json:"edits,omitempty"`
	Reason string     `json:"reason,omitempty"`
	// Findings is what the plan has more of after the edits, as counted by [Plan.Lint].
	Findings int `json:"findings,omitempty"`
}

// A RuleEdit puts a rule into a table, as its rule number Rule or in the place of that, counted from 1.
type RuleEdit struct {
	Replace bool  `json:"replace"`
	Table   Table `json:"table"`
	Rule    int   `json:"rule"`
	With    Rule  `json:"with"`
}

// Apply returns the plan with the edit made. Its errors are those of [Config.Insert] and [Config.Modify].
func (e RuleEdit) Apply(c Config) (Config, error) {
	if e.Replace {
		return c.Modify(e.Table, e.Rule, e.With)
	}
	return c.Insert(e.Table, e.Rule, e.With)
}

// minCommon is how many digits at their end two numbers have in common by more than chance.
const minCommon = 3

// Merge compares the identity of an INVITE, a URI or a number, with what the PBX presents for the same call. Where they differ
// it looks for edits that make them equal: of those that check accepts the one that leaves the fewest rules that never fire, and
// of these the most general. check tells what a plan does and whether it can be used at all.
//
// The error is that of [New], or that the identity is [ErrMalformed].
func (c Config) Merge(identity, presented string, from Origin, check func(Config) ([]Finding, error)) (Merge, error) {
	plan, err := New(c)
	if err != nil {
		return Merge{}, err
	}
	want, err := readIdentity(identity)
	if err != nil {
		return Merge{}, fmt.Errorf("the identity of the INVITE: %w", err)
	}
	shown := plan.Present(presented, from)
	m := Merge{Invite: want.text(), Presented: presented, From: from, Shown: shown.Number, Kind: shown.Kind, Rule: shown.Rule + 1, Equal: want.equals(shown)}
	if m.Equal {
		return m, nil
	}
	switch {
	case want.withheld && shown.Kind == Digits:
		m.Reason = "this hides whoever is presented so: it is for what a PBX presents instead of a number that is withheld"
	case want.withheld:
		m.Reason = fmt.Sprintf("no rule is about callers without a number: restricted and notKnown of the plan say what is shown for them, here %s", said(shown.Number))
		return m, nil
	case want.Name != "":
		m.Reason = fmt.Sprintf("%s is a name, and no rule makes one", said(want.Name))
		return m, nil
	case want.ext != "":
		m.Reason = "no rule makes a number with ;ext=: let the trunk send the number alone"
		return m, nil
	case shown.Read.Digits == "":
		m.Reason = "the PBX presents no number, of which no rule makes one"
		return m, nil
	}
	s := search{base: c, want: want, read: shown.Read, presented: presented, from: from, check: check}
	if s.before, err = check(c); err != nil {
		return Merge{}, err
	}
	s.run(shown.Rule)
	switch {
	case s.edits == nil:
		m.Reason = "no rule was found that makes them equal and keeps the lines and the examples of the plan as they are"
	case s.special && m.Reason == "":
		m.Reason = "the rule is for this number alone: is it the same call?"
	}
	m.Edits, m.Findings = s.edits, max(len(s.after)-len(s.before), 0)
	return m, nil
}

// MergeShown is Merge with the caller as clients see it, a number or restricted or unknown. From may be left out. Where the two
// differ, what the PBX presents is found by the plan, or the error says that it cannot be.
func (c Config) MergeShown(identity, shown string, from Origin, check func(Config) ([]Finding, error)) (Merge, error) {
	plan, err := New(c)
	if err != nil {
		return Merge{}, err
	}
	want, err := readIdentity(identity)
	if err != nil {
		return Merge{}, fmt.Errorf("the identity of the INVITE: %w", err)
	}
	if see := (*Plan)(nil).Present(shown, ""); want.equals(see) {
		return Merge{Invite: want.text(), From: from, Shown: see.Number, Kind: see.Kind, Equal: true}, nil
	}
	presented, from, err := plan.presented(shown, from)
	if err != nil {
		return Merge{}, err
	}
	return c.Merge(identity, presented, from, check)
}

// An identity is a caller as an INVITE has it.
type identity struct {
	Number
	ext      string // of a number with an extension: both are a part of what a client compares
	withheld bool
}

func readIdentity(written string) (identity, error) {
	n, err := ParseNumber(written)
	if err != nil {
		return identity{}, err
	}
	id := identity{Number: n}
	if n.Ext {
		user, _, _ := strings.Cut(written, ";")
		if id.Number, err = ParseNumber(user); err != nil {
			return identity{}, err
		}
		id.ext = n.Digits
	}
	kind := (*Plan)(nil).Present(written, "").Kind
	id.withheld = kind == Restricted || kind == NotKnown
	return id, nil
}

func (id identity) text() string {
	if id.ext != "" {
		return id.Number.String() + ";ext=" + id.ext
	}
	return id.Number.String()
}

func (id identity) equals(shown Result) bool {
	withheld := shown.Kind == Restricted || shown.Kind == NotKnown
	return id.withheld && withheld && shown.Number == "" || id.text() == shown.Number
}

// A search looks for the edits that make a plan show a number as an INVITE has it.
type search struct {
	base      Config
	before    []Finding
	want      identity
	read      Number // what the PBX presents
	presented string
	from      Origin
	check     func(Config) ([]Finding, error)

	edits   []RuleEdit // the best so far
	after   []Finding  // of the plan with them
	special bool       // they are about one number alone
}

// run tries rules, the most general first, and ends with one that brings no finding. fired is the index of the rule that fires
// now.
func (s *search) run(fired int) {
	at := len(s.base.Incoming) + 1
	if fired >= 0 {
		at = fired + 1
	}
	incoming := func(r Rule) RuleEdit { return RuleEdit{Table: IncomingTable, Rule: at, With: r} }
	digits, made := s.read.Digits, s.want.Digits
	common := 0
	for common < min(len(digits), len(made)) && digits[len(digits)-1-common] == made[len(made)-1-common] {
		common++
	}
	if !s.want.withheld && (common >= minCommon || common == len(digits)) {
		was, is := digits[:len(digits)-common], made[:len(made)-common]
		if was != "" {
			s.try(incoming(s.rule(was, is, 0)))
		} else if is != "" { // a + in front of whatever has that length would be one in front of a 0, too
			s.pair(incoming(s.rule(was, is, len(digits))), is, was)
		}
		if fired >= 0 && !s.done() {
			s.amend(fired)
		}
		more := 0
		if was == "" {
			more = 1
		}
		for ; more <= min(common, minCommon) && !s.done(); more++ {
			was, is := digits[:len(digits)-common+more], made[:len(made)-common+more]
			s.pair(incoming(s.rule(was, is, len(digits))), is, was)
		}
	}
	if s.edits != nil {
		return
	}
	r := s.rule("", "", 0)
	r.Leading, r.Match, r.Replacement = nil, new("^"+regexp.QuoteMeta(digits)+"$"), made
	s.special = true
	if s.want.withheld {
		r.Replacement, r.AddPlus = "", false
	}
	s.try(incoming(r))
}

// rule returns a rule for the number that is presented, and all of that length where one is given: is comes in the place of was.
func (s *search) rule(was, is string, length int) Rule {
	r := Rule{Replacement: is, AddPlus: s.want.Plus, From: s.from}
	if was != "" {
		r.Leading = &was
	}
	if length > 0 {
		r.Length = &length
	}
	if s.read.Plus {
		r.Plus = new(true)
	}
	return r
}

// pair tries an edit of the incoming table; where it alone does not do, because a line would not come back, with its opposite in
// the outgoing table before it.
func (s *search) pair(e RuleEdit, is, was string) {
	if s.try(e) || is == "" || s.from == External {
		return
	}
	plan, err := New(s.base)
	if err != nil {
		return
	}
	length := len(s.want.Digits)
	back := RuleEdit{Table: OutgoingTable, Rule: len(s.base.Outgoing) + 1, With: Rule{Leading: &is, Replacement: was, Length: &length, IgnoreARS: s.base.ARS != ""}}
	if res, err := plan.Device(s.want.String()); err == nil && res.Rule >= 0 {
		back.Rule = res.Rule + 1
	}
	s.try(back, e)
}

// amend tries to correct the rule that fires.
func (s *search) amend(fired int) {
	r := s.base.Incoming[fired]
	if r.Match != nil {
		return
	}
	leading := ""
	if r.Leading != nil {
		leading = *r.Leading
	}
	is, ok := strings.CutSuffix(s.want.Digits, strings.TrimPrefix(s.read.Digits, leading))
	if !ok {
		return
	}
	r.Replacement, r.AddPlus = is, s.want.Plus
	s.try(RuleEdit{Replace: true, Table: IncomingTable, Rule: fired + 1, With: r})
}

// done reports whether there can be no better edits.
func (s *search) done() bool { return s.edits != nil && idle(s.after) <= idle(s.before) }

// idle counts the rules that never fire. A rule in front of one that is wrong would make that one such a rule.
func idle(findings []Finding) (n int) {
	for _, f := range findings {
		if f.Kind == Shadowed {
			n++
		}
	}
	return n
}

// try keeps the edits where they are better than those before, and reports whether they are possible.
func (s *search) try(edits ...RuleEdit) bool {
	c := s.base
	var err error
	for _, e := range edits {
		if c, err = e.Apply(c); err != nil {
			return false
		}
	}
	plan, err := New(c)
	if err != nil || !s.want.equals(plan.Present(s.presented, s.from)) {
		return false
	}
	var findings []Finding
	c = s.base
	for _, e := range edits {
		if c, err = e.Apply(c); err != nil {
			return false
		}
		if findings, err = s.check(c); err != nil {
			return false
		}
	}
	if s.edits == nil || idle(findings) < idle(s.after) {
		s.edits, s.after = edits, findings
	}
	return true
}

// ErrNotPresented means that what is shown of a party does not tell what the PBX presents.
var ErrNotPresented = errors.New("what the PBX presents does not follow from the plan and has to be said")

// presented returns the number that the PBX presents where clients see shown, and from where, if that follows from the plan. From
// may be left out; it comes back empty where it makes no difference. Expressions are not followed backwards.
func (p *Plan) presented(shown string, from Origin) (string, Origin, error) {
	see := (*Plan)(nil).Present(shown, "")
	if see.Number == "" {
		return shown, from, nil
	}
	candidates := map[string]bool{see.Number: true, strings.TrimPrefix(see.Number, "+"): true}
	for i := range p.incoming {
		r := &p.incoming[i]
		digits := see.Number
		if r.flag {
			var ok bool
			if digits, ok = strings.CutPrefix(digits, "+"); !ok {
				continue
			}
		}
		if rest, ok := strings.CutPrefix(digits, r.replace); ok && r.match == nil {
			candidates[r.leading+rest] = true
		}
	}
	origins := []Origin{from}
	if from == "" {
		origins = []Origin{Internal, External, ""}
	}
	found := ""
	var where []Origin
	for number := range candidates {
		for _, o := range origins {
			if p.Present(number, o).Number != see.Number {
				continue
			}
			if found != "" && found != number {
				return "", "", fmt.Errorf("more than one number is shown as %s: %w", said(see.Number), ErrNotPresented)
			}
			found, where = number, append(where, o)
		}
	}
	switch {
	case found == "":
		return "", "", fmt.Errorf("no number was found that is shown as %s: %w", said(see.Number), ErrNotPresented)
	case from == "" && len(where) < len(origins):
		from = where[0]
	}
	return found, from, nil
}
