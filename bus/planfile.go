package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"rccgw/digitmod"
)

const (
	// A file is read this often, and what it holds counts when it was read twice:
	// an editor that is writing has not finished.
	//
	// It is read and not watched, for what has to be noticed is a name that leads
	// to something else: a link in a chain of links (a Kubernetes ConfigMap swaps
	// ..data), a folder that was replaced or mounted over, a file on a network.
	// The notices of the kernel are about inodes and miss some of these; reading a
	// few kilobytes costs microseconds.
	filePause = 500 * time.Millisecond
	maxFile   = 1 << 20 // bytes
)

// followFile puts in force what the file holds, until ctx ends.
func (d *Digits) followFile(ctx context.Context) {
	tick := time.NewTicker(filePause)
	defer tick.Stop()
	var seen, done string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		text, err := readFile(d.File)
		state := text
		if err != nil {
			state = "\x00" + err.Error() // no plan begins so
		}
		if state == seen && state != done {
			done = state
			d.takeFile(text, err)
		}
		seen = state
	}
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("larger than 1 MiB")
	}
	return string(text), err
}

// takeFile puts the plan of the file in force, or keeps the old one and says
// why.
func (d *Digits) takeFile(text string, err error) {
	d.applying.Lock()
	defer d.applying.Unlock()
	now := d.current.Load()
	var c digitmod.Config
	var r *revision
	if err == nil {
		c, err = digitmod.ReadConfig([]byte(text))
	}
	if err == nil && c.Equal(now.config) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.problem = "" // it is what it was again
		return
	}
	if err == nil {
		r, err = d.compile(c)
	}
	if err != nil {
		d.refuse(fmt.Errorf("%s: %w", d.File, err))
		return
	}
	r.number, r.by, r.what, r.at = now.number+1, "file", "the file changed", time.Now()
	d.enforce(r)
}
