package cstasip

import (
	"fmt"
	"testing"
	"time"
)

func arrived(method string, cseq uint32, branch, body string) *message {
	return &message{method: method, cseq: cseq, via: via{branch: branch}, body: []byte(body)}
}

// What is new, what came again, and what cannot be told.
func TestInbox(t *testing.T) {
	type step struct {
		do   string // receive, answer (the record of that step), turn, undo, wait
		m    *message
		want verdict
		of   int // repeated: the record of which step
	}
	get := func(m *message, want verdict) step { return step{do: "receive", m: m, want: want} }
	again := func(m *message, of int) step { return step{do: "receive", m: m, want: repeated, of: of} }
	answer := func(of int) step { return step{do: "answer", of: of} }
	turn, undo, wait := step{do: "turn"}, step{do: "undo"}, step{do: "wait"}
	for name, steps := range map[string][]step{
		"repetition while served": {
			get(arrived(info, 2, "", "a"), fresh), get(arrived(info, 2, "", "a"), pending),
		},
		"repetition after the answer": {
			get(arrived(info, 2, "", "a"), fresh), answer(0), again(arrived(info, 2, "", "a"), 0),
		},
		"repetition over another path has another branch": {
			get(arrived(info, 2, "z9hG4bKa", "a"), fresh), answer(0), again(arrived(info, 2, "z9hG4bKb", "a"), 0),
		},
		"the same CSeq with another body": {
			get(arrived(info, 2, "", "a"), fresh), answer(0), get(arrived(info, 2, "", "b"), conflict),
		},
		"the same CSeq with another method": {
			get(arrived(info, 2, "", ""), fresh), answer(0), get(arrived(update, 2, "", ""), conflict),
		},
		"UDP has overtaken itself": {
			get(arrived(info, 3, "", "b"), fresh), get(arrived(info, 2, "", "a"), fresh),
		},
		"CSeq starts again after a re-INVITE": {
			get(arrived(info, 2, "", "a"), fresh), answer(0), turn, get(arrived(info, 2, "", "b"), fresh), answer(3), again(arrived(info, 2, "", "b"), 3),
		},
		"the same command again after a re-INVITE": {
			get(arrived(info, 2, "", "a"), fresh), answer(0), turn, get(arrived(info, 2, "", "a"), fresh),
		},
		"a branch is known across a re-INVITE": {
			get(arrived(info, 2, "z9hG4bKa", "a"), fresh), answer(0), turn, again(arrived(info, 2, "z9hG4bKa", "a"), 0),
		},
		"a refused re-INVITE starts nothing": {
			get(arrived(info, 2, "", "a"), fresh), answer(0), turn, undo, again(arrived(info, 2, "", "a"), 0), get(arrived(info, 2, "", "b"), conflict),
		},
		"what is forgotten is not served again": {
			get(arrived(info, 2, "", "a"), fresh), answer(0), wait, get(arrived(info, 3, "", "b"), fresh), get(arrived(info, 2, "", "a"), conflict),
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			var b inbox
			records := make([]*record, len(steps))
			var back func()
			for i, s := range steps {
				switch s.do {
				case "receive":
					r, v := b.receive(s.m, now, "")
					if v != s.want || v == repeated && r != records[s.of] {
						t.Fatalf("step %d: verdict %d, want %d", i, v, s.want)
					}
					records[i] = r
				case "answer":
					b.answer(records[s.of], answerOf(200), now)
				case "turn":
					back = b.turn()
				case "undo":
					back()
				case "wait":
					now = now.Add(patience)
				}
			}
		})
	}
}

func answerOf(status int) answer { return answer{status: status} }

// However busy a dialog is, it keeps little; and the oldest request is refused
// when it comes again, not served.
func TestInboxIsBounded(t *testing.T) {
	var b inbox
	now := time.Now()
	big := make([]byte, 10<<10)
	for i := uint32(1); i <= 1000; i++ {
		r, v := b.receive(arrived(info, i, "", fmt.Sprint(i)), now, "")
		if v != fresh {
			t.Fatalf("CSeq %d: verdict %d", i, v)
		}
		b.answer(r, answer{status: 200, body: big}, now)
		if len(b.records) > maxRecords || b.bytes > maxRecordBytes+len(big) {
			t.Fatalf("after %d: %d records of %d octets", i, len(b.records), b.bytes)
		}
	}
	if _, v := b.receive(arrived(info, 1, "", "1"), now, ""); v != conflict {
		t.Errorf("a forgotten request: verdict %d", v)
	}
	if _, v := b.receive(arrived(info, 1000, "", "1000"), now, ""); v != repeated {
		t.Errorf("the last request: verdict %d", v)
	}
	b.shrink(now.Add(patience))
	if b.records != nil || b.bytes != 0 {
		t.Errorf("after 64·T1: %d records of %d octets", len(b.records), b.bytes)
	}
}

func TestCommandKey(t *testing.T) {
	l := &leg{callID: "a", localTag: "b", remoteTag: "c"}
	base := record{epoch: 1, cseq: 2, method: info, body: bodyHash([]byte("x"))}
	key := commandKey(l, &base)
	if again := commandKey(l, &record{epoch: 1, cseq: 2, method: info, body: base.body, branch: "other"}); again != key {
		t.Error("the same command has two keys")
	}
	seen := map[string]string{key: "base"}
	for name, k := range map[string]string{
		"epoch":   commandKey(l, &record{epoch: 2, cseq: 2, method: info, body: base.body}),
		"CSeq":    commandKey(l, &record{epoch: 1, cseq: 3, method: info, body: base.body}),
		"body":    commandKey(l, &record{epoch: 1, cseq: 2, method: info, body: bodyHash([]byte("y"))}),
		"dialog":  commandKey(&leg{callID: "a", localTag: "b", remoteTag: "d"}, &base),
		"borders": commandKey(&leg{callID: "ab", localTag: "", remoteTag: "c"}, &base),
	} {
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[k] = name
	}
}
