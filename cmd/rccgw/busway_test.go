package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"

	"rccgw/pbx/pbxtest"
)

// A busWay is a way to a NATS server, which can lose and double events.
type busWay struct {
	*pbxtest.Way
	mu   sync.Mutex
	fate func() int // how often the next event passes: lost, once, doubled; nil: once
}

func newBusWay(t testing.TB, target string) *busWay {
	t.Helper()
	w := &busWay{}
	w.Way = pbxtest.NewWay(t, func() string { return target }, w.pass)
	return w
}

// spoil has fate say how often each event passes; nil: once.
func (w *busWay) spoil(fate func() int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fate = fate
}

// mend ends all faults.
func (w *busWay) mend() {
	w.spoil(nil)
	w.Mend()
}

// copies is how often the next event passes.
func (w *busWay) copies() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fate == nil {
		return 1
	}
	return w.fate()
}

// pass passes on what a NATS server sends, message by message; those with an event of a PBX as often as fate has it.
func (w *busWay) pass(to io.Writer, from io.Reader) error {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		message := line
		words := append(bytes.Fields(line), nil)
		event := false
		if verb := string(words[0]); verb == "MSG" || verb == "HMSG" {
			size, err := strconv.Atoi(string(words[len(words)-2]))
			if err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			body := make([]byte, size+2)
			if _, err := io.ReadFull(in, body); err != nil {
				return err
			}
			message = append(message, body...)
			event = bytes.HasPrefix(words[1], []byte("rcc.v1.")) && bytes.Contains(words[1], []byte(".on."))
		}
		times := 1
		if event {
			times = w.copies()
		}
		for range times {
			if _, err := to.Write(message); err != nil {
				return err
			}
		}
	}
}
