package pbxtest

import (
	"sync"

	"rccgw/csta"
	"rccgw/pbx"
)

// A Fan passes what a driver emits to those who watch its lines: the way to its
// events for a bench on the driver itself. The zero value has no watchers.
type Fan struct {
	mu    sync.Mutex
	next  int
	watch map[string]map[int]Watcher // by device
}

// Emit is the pbx.Emit of the driver.
func (f *Fan) Emit(device string, msg csta.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := msg.(*csta.SystemStatus); ok {
		for _, ws := range f.watch {
			for _, w := range ws {
				w.Link(s.SystemStatus == pbx.StatusNormal)
			}
		}
		return
	}
	for _, w := range f.watch[device] {
		w.Event(msg.(csta.Event))
	}
}

// Watch tells w the device's events until stop is called and has returned.
func (f *Fan) Watch(device string, w Watcher) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watch == nil {
		f.watch = map[string]map[int]Watcher{}
	}
	if f.watch[device] == nil {
		f.watch[device] = map[int]Watcher{}
	}
	f.next++
	n := f.next
	f.watch[device][n] = w
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watch[device], n)
	}
}
