package sim

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A Sim is a PBX and the driver of it. Its methods may be called from any
// goroutine.
type Sim struct {
	config   Config
	access   string
	internal int    // digits of the longest internal number
	prefix   string // of callIDs, another in each life

	mu       sync.Mutex
	phones   map[string]*phone
	outside  map[string]*subscriber // by number
	trunk    map[string]*subscriber // by the device that stands for one in a call
	calls    *pbx.Calls             // what is so
	progress map[string]*progress   // by callID
	waiting  []callBack             // in the order in which they were asked for
	queues   []*queue
	lifted   map[*phone]struct{} // whose handset is off hook
	lastCall uint64
	lastLine uint64 // of devices that stand for callers without a number

	running  bool // the driver has a link
	emit     pbx.Emit
	told     []pbx.Call // the calls that the driver knew of when it lost its link
	cut      bool
	lost     chan struct{} // closed when the link is cut
	restored chan struct{} // closed when it is back
}

var _ pbx.Driver = (*Sim)(nil)

// New returns a PBX with idle phones. It starts nothing: time is measured only
// while something rings. The error names every mistake of the configuration.
func New(c Config) (*Sim, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &Sim{config: c, access: c.Access, prefix: rand.Text()[:12] + "-", phones: make(map[string]*phone, len(c.Devices)),
		outside: map[string]*subscriber{}, trunk: map[string]*subscriber{}, calls: pbx.NewCalls(), progress: map[string]*progress{}, lifted: map[*phone]struct{}{},
		emit: mute, lost: make(chan struct{}), restored: make(chan struct{})}
	close(s.restored)
	for _, d := range c.Devices {
		if d.RingTime == 0 {
			d.RingTime = c.RingTime
		}
		if d.ParkTime == 0 {
			d.ParkTime = c.ParkTime
		}
		d.AutoAnswer = d.AutoAnswer || c.AutoAnswer
		s.phones[d.Number] = &phone{Device: d, settings: initial(d), told: initial(d)}
		s.internal = max(s.internal, len(d.Number))
	}
	for _, q := range c.Queues {
		s.queues = append(s.queues, s.newQueue(q))
	}
	return s, nil
}

func mute(string, csta.Message) {}

// Services registers all that the PBX can do.
func (s *Sim) Services(m *csta.Mux) {
	csta.Handle(m, linked(s, s.makeCall))
	csta.Handle(m, linked(s, s.answerCall))
	csta.Handle(m, linked(s, s.clearConnection))
	csta.Handle(m, linked(s, s.holdCall))
	csta.Handle(m, linked(s, s.retrieveCall))
	csta.Handle(m, linked(s, s.consultationCall))
	csta.Handle(m, linked(s, s.alternateCall))
	csta.Handle(m, linked(s, s.reconnectCall))
	csta.Handle(m, linked(s, s.transferCall))
	csta.Handle(m, linked(s, s.singleStepTransferCall))
	csta.Handle(m, linked(s, s.deflectCall))
	csta.Handle(m, linked(s, s.conferenceCall))
	csta.Handle(m, linked(s, s.singleStepConferenceCall))
	csta.Handle(m, linked(s, s.clearCall))
	csta.Handle(m, linked(s, s.acceptCall), s.offers)
	csta.Handle(m, linked(s, s.parkCall))
	csta.Handle(m, linked(s, s.directedPickupCall))
	csta.Handle(m, linked(s, s.groupPickupCall))
	csta.Handle(m, linked(s, s.callBack))
	csta.Handle(m, linked(s, s.generateDigits))
	csta.Handle(m, linked(s, s.generateTelephonyTones))
	csta.Handle(m, linked(s, s.associateData))
	csta.Handle(m, onPhone(s, s.getForwarding))
	csta.Handle(m, onPhone(s, s.setForwarding))
	csta.Handle(m, onPhone(s, s.getDoNotDisturb))
	csta.Handle(m, onPhone(s, s.setDoNotDisturb))
	csta.Handle(m, onPhone(s, s.getAutoAnswer))
	csta.Handle(m, onPhone(s, s.setAutoAnswer))
	csta.Handle(m, onPhone(s, s.getCallerIDStatus))
	csta.Handle(m, onPhone(s, s.setCallerIDStatus))
	csta.Handle(m, onPhone(s, s.getLastNumberDialed))
	s.physical(m)
	csta.Handle(m, linked(s, s.snapshotDevice))
	csta.Handle(m, linked(s, s.snapshotCall))
	csta.Reports(m, &csta.ServiceInitiatedEvent{}, &csta.DigitsDialedEvent{}, &csta.OriginatedEvent{}, &csta.NetworkReachedEvent{}, &csta.OfferedEvent{},
		&csta.QueuedEvent{}, &csta.DeliveredEvent{}, &csta.EstablishedEvent{},
		&csta.HeldEvent{}, &csta.RetrievedEvent{}, &csta.DivertedEvent{}, &csta.FailedEvent{}, &csta.TransferedEvent{}, &csta.ConferencedEvent{},
		&csta.ConnectionClearedEvent{}, &csta.CallInformationEvent{}, &csta.DigitsGeneratedEvent{}, &csta.ForwardingEvent{}, &csta.DoNotDisturbEvent{},
		&csta.AutoAnswerEvent{}, &csta.CallerIDStatusEvent{})
}

// linked makes a handler of what is done under the lock of the PBX.
func linked[Q csta.Request[R], R csta.Message](s *Sim, serve func(Q) (R, error)) func(context.Context, Q) (R, error) {
	return func(ctx context.Context, req Q) (R, error) {
		s.mu.Lock()
		defer s.unlock()
		var none R
		if err := ctx.Err(); err != nil {
			return none, csta.Errorf(csta.PerformanceManagement, "performanceLimitExceeded", "%s was not executed: %v", csta.Name(req), err)
		}
		if !s.running {
			return none, csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "the PBX cannot be reached")
		}
		return serve(req)
	}
}

// unlock lets go of the PBX, when it has done what follows from what was done.
func (s *Sim) unlock() {
	s.distribute()
	s.callThemBack()
	s.hangHandsets()
	s.mu.Unlock()
}

// ErrCut is what Run returns when the link was cut.
var ErrCut = errors.New("sim: the link was cut")

// Run is the driver's link: it reports what changed while there was none, and
// then everything that happens, until ctx ends or the link is cut. While the
// link is cut it waits for its return.
func (s *Sim) Run(ctx context.Context, emit pbx.Emit) error {
	for {
		s.mu.Lock()
		if s.running {
			s.mu.Unlock()
			return errors.New("sim: the driver is running already")
		}
		if !s.cut {
			break
		}
		restored := s.restored
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-restored:
		}
	}
	s.link(emit)
	lost := s.lost
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.unlink()
		s.mu.Unlock()
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-lost:
		return ErrCut
	}
}

// link takes stock and tells the difference to what was told before.
func (s *Sim) link(emit pbx.Emit) {
	known := pbx.NewCalls()
	known.Sync(s.told)
	known.SetEmit(emit)
	known.Sync(s.calls.List())
	s.told = nil
	s.emit = emit
	s.calls.SetEmit(emit)
	s.running = true
	for _, p := range s.phones {
		s.tellSettings(p)
	}
	emit("", &csta.SystemStatus{SystemStatus: pbx.StatusNormal})
}

// unlink remembers what was told. Only the first call after link does anything.
func (s *Sim) unlink() {
	if !s.running {
		return
	}
	s.running = false
	s.emit = mute
	s.calls.SetEmit(mute)
	s.told = s.calls.List()
}

// Cut takes the link between the PBX and its driver away: Run returns, nothing
// is reported and services are refused. What people do goes on.
func (s *Sim) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		return
	}
	s.cut = true
	s.restored = make(chan struct{})
	s.unlink()
	close(s.lost)
}

// Restore brings the link back: the next Run, or the one that waits, succeeds.
func (s *Sim) Restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.cut {
		return
	}
	s.cut = false
	s.lost = make(chan struct{})
	close(s.restored)
}

// Calls returns all calls as they are, known to the driver or not.
func (s *Sim) Calls() []pbx.Call {
	return s.calls.List()
}

// newCall returns a callID that no other call has or had.
func (s *Sim) newCall() string {
	s.lastCall++
	return s.prefix + strconv.FormatUint(s.lastCall, 36)
}

// progress is what the PBX keeps of a call beside its connections: where it
// has been, and what happens when time is up.
type progress struct {
	id      string
	dialled string          // to be dialled when the prompted phone is lifted
	why     csta.EventCause // of the call that is made then
	target  string          // the device that it came to last
	visited []string        // phones that it rang at or was forwarded from
	queue   *queue          // that it came from
	expires time.Time       // in the queue
	adding  string          // the phone that adds who rings to a conference
	timer   *time.Timer
}

// of returns the call's progress.
func (s *Sim) of(id string) *progress {
	p := s.progress[id]
	if p == nil {
		p = &progress{id: id}
		s.progress[id] = p
	}
	return p
}

// after has f called, with the PBX locked, unless something else happens to the
// call before.
func (s *Sim) after(p *progress, d time.Duration, f func()) {
	p.stop()
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.unlock()
		if p.timer == t {
			p.timer = nil
			f()
		}
	})
	p.timer = t
}

func (p *progress) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// forget drops what was kept of a call that is over.
func (s *Sim) forget(id string) {
	if p := s.progress[id]; p != nil {
		p.stop()
		delete(s.progress, id)
	}
}
