package digitmod

import (
	"cmp"
	"encoding/binary"
	"regexp/syntax"
	"slices"
)

// A scanner reads numbers symbol by symbol for all rules of a table at once: the deterministic automaton of their leading
// digits and expressions, made as far as somebody reads. It knows nothing of the other conditions. What two numbers that lead
// to the same state match is the same, whatever follows them, so that one of them stands for both.
type scanner struct {
	rules  []rule
	progs  []*syntax.Prog // of match rules
	words  bool           // an expression asks for word boundaries
	states []state
	index  map[string]int
	work   int // items and instructions that were followed
	most   int // the most work; then no more states are made
}

// An item is how far a rule has come.
type item struct {
	rule int32
	pc   int32 // of leading digits how many were read; of an expression the next instruction; done
}

// done is the pc of a rule that matches whatever follows.
const done = -1

type state struct {
	items  []item // sorted
	before rune   // the symbol before, as far as word boundaries ask; -1 at the beginning
	next   [len(alphabet)]int32
}

// The limits of a scanner. Leading digits stay far below; expressions that can be anywhere in a number may not.
const (
	maxStates = 30_000
	maxFollow = 10_000_000 // items and instructions, some 100 ns each
)

const (
	unread = -1 // a next state that is not made yet
	tooBig = -2 // a state beyond the limits
)

func newScanner(rules []rule) *scanner {
	s := &scanner{rules: rules, progs: make([]*syntax.Prog, len(rules)), most: maxFollow, index: make(map[string]int)}
	var items []item
	for i := range rules {
		pc := 0
		if m := rules[i].match; m != nil {
			_, s.progs[i] = program(m.re.String())
			pc = s.progs[i].Start
			for _, inst := range s.progs[i].Inst {
				if inst.Op == syntax.InstEmptyWidth && syntax.EmptyOp(inst.Arg)&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0 {
					s.words = true
				}
			}
		}
		items = append(items, item{int32(i), int32(pc)})
	}
	s.state(items, -1)
	return s
}

// program returns the syntax tree and the program of an expression that regexp compiles.
func program(expression string) (*syntax.Regexp, *syntax.Prog) {
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		panic("digitmod: regexp compiled what its parser refuses: " + err.Error())
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		panic("digitmod: regexp compiled what its compiler refuses: " + err.Error())
	}
	return tree, prog
}

// state returns the number of the state with these items, tooBig beyond the limits. The start has number 0.
func (s *scanner) state(items []item, before rune) int {
	key := make([]byte, 0, 4+4*len(items))
	key = binary.AppendVarint(key, int64(before))
	for _, it := range items {
		key = binary.AppendVarint(key, int64(it.rule))
		key = binary.AppendVarint(key, int64(it.pc))
	}
	if n, ok := s.index[string(key)]; ok {
		return n
	}
	if len(s.states) == maxStates || s.work > s.most {
		return tooBig
	}
	st := state{items: items, before: before}
	for i := range st.next {
		st.next[i] = unread
	}
	s.states = append(s.states, st)
	s.index[string(key)] = len(s.states) - 1
	return len(s.states) - 1
}

// read returns the state after text, from the start.
func (s *scanner) read(text string) int {
	n := 0
	for i := 0; i < len(text) && n >= 0; i++ {
		n = s.step(n, text[i])
	}
	return n
}

// step returns the state after the symbol c.
func (s *scanner) step(from int, c byte) int {
	at := slices.Index([]byte(alphabet), c)
	if n := s.states[from].next[at]; n != unread {
		return int(n)
	}
	st := &s.states[from]
	if s.work += len(st.items); s.work > s.most {
		return tooBig
	}
	var items []item
	for i := 0; i < len(st.items); {
		of := st.items[i].rule
		end := i
		for end < len(st.items) && st.items[end].rule == of {
			end++
		}
		for _, pc := range s.advance(of, st.items[i:end], st.before, c) {
			items = append(items, item{of, pc})
		}
		i = end
	}
	before := rune('x')
	if s.words {
		before = rune(c)
		if c != '*' && c != '#' {
			before = '0'
		}
	}
	n := s.state(items, before)
	s.states[from].next[at] = int32(n)
	return n
}

// advance returns, sorted, where the items of one rule go when c is read.
func (s *scanner) advance(of int32, items []item, before rune, c byte) []int32 {
	r := &s.rules[of]
	if items[0].pc == done {
		return []int32{done}
	}
	if r.match == nil {
		pc := int(items[0].pc)
		switch {
		case r.leading == "" && (!r.numbers || isDigit(c)):
			return []int32{done}
		case pc < len(r.leading) && r.leading[pc] == c && pc+1 == len(r.leading):
			return []int32{done}
		case pc < len(r.leading) && r.leading[pc] == c:
			return []int32{int32(pc + 1)}
		}
		return nil
	}
	prog := s.progs[of]
	var to []int32
	matched := s.follow(prog, items, syntax.EmptyOpContext(before, rune(c)), func(pc int32) {
		if inst := &prog.Inst[pc]; inst.MatchRune(rune(c)) {
			to = append(to, int32(inst.Out))
		}
	})
	if matched {
		return []int32{done}
	}
	if prog.StartCond()&syntax.EmptyBeginText == 0 {
		to = append(to, int32(prog.Start))
	}
	slices.Sort(to)
	return slices.Compact(to)
}

// follow calls consume for every instruction that reads a symbol and can be reached from items where the conditions op hold, and
// reports whether the end of the expression can.
func (s *scanner) follow(prog *syntax.Prog, items []item, op syntax.EmptyOp, consume func(pc int32)) (matched bool) {
	seen := make(map[uint32]bool)
	var visit func(pc uint32)
	visit = func(pc uint32) {
		if seen[pc] {
			return
		}
		seen[pc] = true
		s.work++
		switch inst := &prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			visit(inst.Out)
			visit(inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			visit(inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^op == 0 {
				visit(inst.Out)
			}
		case syntax.InstMatch:
			matched = true
		case syntax.InstFail:
		default:
			consume(int32(pc))
		}
	}
	for _, it := range items {
		visit(uint32(it.pc))
	}
	return matched
}

// alive reports whether rule i may match a number that goes on from the state.
func (s *scanner) alive(n, i int) bool {
	_, ok := slices.BinarySearchFunc(s.states[n].items, int32(i), func(it item, rule int32) int { return int(it.rule - rule) })
	return ok
}

// A walk visits numbers that begin with one text, smallest first, one for every combination of states and lengths.
type walk struct {
	heads   []head
	begin   string // what every number begins with; it may be empty
	symbols string // what may follow, the smallest first
	longest int    // length of the longest number that is visited
	bound   int    // lengths from here on make no difference; 0: all do
	nodes   int    // the most that are looked at; 0: maxNodes
	alive   func(states states) bool
}

// A head is a scanner that has read one text and reads what follows begin.
type head struct {
	*scanner
	read string
}

// states are those of the heads of a walk.
type states [4]int32

// maxNodes limits a walk.
const maxNodes = 20_000

// visit calls the function with each number until it returns true. It reports whether nothing was left out, up to there.
func (w *walk) visit(found func(number string) bool) (all bool) {
	type node struct {
		states states
		length int
		from   int
		symbol byte
	}
	type key struct {
		states states
		length int
	}
	start := node{length: len(w.begin), from: -1}
	for i, h := range w.heads {
		n := h.scanner.read(h.read)
		if n == tooBig {
			return false
		}
		start.states[i] = int32(n)
	}
	all = true
	bound, most := cmp.Or(w.bound, maxDigits), cmp.Or(w.nodes, maxNodes)
	nodes := []node{start}
	seen := make(map[key]bool)
	for at := 0; at < len(nodes); at++ {
		n := nodes[at]
		if !w.alive(n.states) {
			continue
		}
		if n.length > 0 {
			word := make([]byte, n.length)
			copy(word, w.begin)
			for i, back := n.length-1, at; i >= len(w.begin); i, back = i-1, nodes[back].from {
				word[i] = nodes[back].symbol
			}
			if found(string(word)) {
				return all
			}
		}
		if n.length == w.longest {
			continue
		}
	symbols:
		for i := range len(w.symbols) {
			c := w.symbols[i]
			if n.length == 0 && 'A' <= c {
				continue // no number begins with a letter
			}
			next := node{length: n.length + 1, from: at, symbol: c}
			for h := range w.heads {
				to := w.heads[h].step(int(n.states[h]), c)
				if to == tooBig {
					all = false
					continue symbols
				}
				next.states[h] = int32(to)
			}
			k := key{next.states, min(next.length, bound)}
			if seen[k] {
				continue
			}
			if len(nodes) == most {
				return false
			}
			seen[k] = true
			nodes = append(nodes, next)
		}
	}
	return all
}

// matches looks for a number that the rule matches when it stands alone. Without one, all tells that there is none; else nobody
// knows.
func (r *rule) matches() (number string, all bool) {
	if r.min > min(r.max, maxDigits) {
		return "", true
	}
	alone := []rule{*r}
	s := newScanner(alone)
	s.most = 100_000
	w := walk{heads: []head{{s, r.leading}}, begin: r.leading, symbols: alphabet, longest: maxDigits, nodes: 500,
		alive: func(st states) bool { return s.alive(int(st[0]), 0) }}
	all = w.visit(func(digits string) bool {
		for _, n := range []Number{{Digits: digits}, {Digits: digits, Plus: true}} {
			read, err := ParseNumber(n.String())
			if i, _ := find(alone, n, r.from, nil); i == 0 && err == nil && read == n {
				number = n.String()
				return true
			}
		}
		return false
	})
	return number, all
}
