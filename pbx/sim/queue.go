package sim

import (
	"slices"
	"time"

	"rccgw/csta"
	"rccgw/pbx"
)

// A queue has calls that wait for one of its members. It is a party of each of
// them as long as they wait.
type queue struct {
	Queue
	members []*phone
	next    int      // the member whose turn it is
	calls   []string // callIDs of those that wait, and of some that have gone
}

func (s *Sim) newQueue(c Queue) *queue {
	q := &queue{Queue: c}
	for _, m := range c.Members {
		q.members = append(q.members, s.phones[m])
	}
	return q
}

// queueOf returns the queue of the number, nil if there is none.
func (s *Sim) queueOf(number string) *queue {
	i := slices.IndexFunc(s.queues, func(q *queue) bool { return q.Number == number })
	if i < 0 {
		return nil
	}
	return s.queues[i]
}

// enqueue lets the call wait in its queue until its time there is up.
func (s *Sim) enqueue(pr *progress) {
	q := pr.queue
	s.calls.Queued(pr.id, pbx.Party{Device: q.Number}, causeQueued)
	q.calls = append(q.calls, pr.id)
	s.after(pr, time.Until(pr.expires), func() {
		s.calls.Cleared(pr.id, q.Number, causeQueueTime)
		s.fail(pr.id, pbx.Party{}, causeQueueTime)
	})
}

// distribute lets calls that wait ring at members who are free. The one that
// waits longest comes first.
func (s *Sim) distribute() {
	for _, q := range s.queues {
		q.calls = slices.DeleteFunc(q.calls, func(id string) bool {
			c, _ := s.calls.Get(id)
			return !has(c, q.Number)
		})
		for len(q.calls) > 0 {
			p := s.member(q)
			if p == nil {
				break
			}
			pr := s.of(q.calls[0])
			q.calls = q.calls[1:]
			pr.target = p.Number
			s.calls.Diverted(pr.id, q.Number, csta.Party(p.Number), causeDistributed)
			s.ring(pr, p, causeDistributed)
		}
	}
}

// member returns the member whose turn it is of those who are free, nil if
// nobody is.
func (s *Sim) member(q *queue) *phone {
	for i := range q.members {
		at := (q.next + i) % len(q.members)
		if p := q.members[at]; !p.dnd && len(s.calls.At(p.Number)) == 0 {
			q.next = at + 1
			return p
		}
	}
	return nil
}
