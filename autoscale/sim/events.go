package sim

import "time"

// What can happen to a worker.
const (
	evDone uint8 = iota // a shard is scored
	evReady
	evFailed
	evLost
)

// event is something that will happen to a worker, unless its turn (for evLost: its
// life) is another by then.
type event struct {
	at   time.Duration
	what uint8
	id   int
	turn uint32
}

func (a event) before(b event) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.what != b.what {
		return a.what < b.what
	}
	return a.id < b.id
}

// heap keeps events by time.
type heap []event

func (h *heap) push(e event) {
	*h = append(*h, e)
	s := *h
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(s[up]) {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = e
}

func (h *heap) pop() event {
	s := *h
	top, e := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return top
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= len(s) {
			break
		}
		if down+1 < len(s) && s[down+1].before(s[down]) {
			down++
		}
		if !s[down].before(e) {
			break
		}
		s[i] = s[down]
		i = down
	}
	s[i] = e
	return top
}

// line keeps events that come in the order of their time: whole shards of one kind of
// worker take the same time. Nearly all events are of this sort, and no heap is needed.
type line struct {
	ring        []event
	first, have int
}

func (l *line) push(e event) {
	if l.have == len(l.ring) {
		bigger := make([]event, max(64, 2*len(l.ring)))
		n := copy(bigger, l.ring[l.first:])
		copy(bigger[n:], l.ring[:l.first])
		l.ring, l.first = bigger, 0
	}
	at := l.first + l.have
	if at >= len(l.ring) {
		at -= len(l.ring)
	}
	l.ring[at] = e
	l.have++
}

func (l *line) pop() event {
	e := l.ring[l.first]
	if l.first++; l.first == len(l.ring) {
		l.first = 0
	}
	l.have--
	return e
}
