package cohort

import (
	"slices"
	"time"
)

// book is one cohort in memory. The ledger's lock guards it.
type book struct {
	Manifest
	lines   []line
	running map[int]struct{} // indexes of the lines that are Running
	tally

	cancelled  bool
	cancelling bool      // cancelled.json is being written: no end counts meanwhile
	submitting bool      // its jobs are being put on the queue
	looked     time.Time // into the store, the last time
	words      []string

	followers map[*follower]struct{}
	waiters   map[int][]chan struct{}
}

// line is one slide in memory.
type line struct {
	state   State
	planned int // -1: not known
	scored  int
	heard   time.Time // of a Running slide's worker, the last time
	end     *End
}

// maxWords bounds the list of what is said about a cohort's results.
const maxWords = 20

func newBook(m Manifest) *book {
	b := &book{
		Manifest: m, lines: make([]line, len(m.Slides)),
		running: map[int]struct{}{}, followers: map[*follower]struct{}{}, waiters: map[int][]chan struct{}{},
	}
	for i := range b.lines {
		b.lines[i] = line{state: Pending, planned: -1}
		b.tally.add(b.lines[i], 1)
	}
	return b
}

// over reports whether every slide has come to its end.
func (b *book) over() bool { return b.counts.Pending+b.counts.Running == 0 }

// set puts another line in place of the i-th and keeps every sum in step.
func (b *book) set(i int, l line) {
	b.tally.add(b.lines[i], -1)
	b.tally.add(l, 1)
	b.lines[i] = l
	delete(b.running, i)
	if l.state == Running {
		b.running[i] = struct{}{}
	}
	if l.state.Final() {
		for _, w := range b.waiters[i] {
			close(w)
		}
		delete(b.waiters, i)
	}
	for f := range b.followers {
		f.touch(i)
	}
}

// finish gives the i-th slide its end, unless it has one. It reports whether that
// was news.
func (b *book) finish(i int, e *End) bool {
	l := b.lines[i]
	if l.state.Final() || b.cancelling {
		return false
	}
	l.state, l.end = e.State, e
	if e.State == Done {
		l.planned, l.scored = e.Patches, e.Patches
	} else {
		l.planned = l.scored // nothing more is to come
	}
	for _, w := range e.Degraded {
		if len(b.words) < maxWords && !slices.Contains(b.words, w) {
			b.words = append(b.words, w)
		}
	}
	b.set(i, l)
	return true
}

// cancel makes every slide Cancelled whose end is not one of those that count.
func (b *book) cancel(counts map[int]*End) {
	b.cancelling, b.cancelled = false, true
	for i := range b.lines {
		if e := counts[i]; e != nil {
			b.finish(i, e)
			continue
		}
		l := b.lines[i]
		b.set(i, line{state: Cancelled, planned: l.scored, scored: l.scored})
	}
}

func (b *book) status(i int) Status {
	l := b.lines[i]
	return Status{
		ID: SlideID(b.ID, i), Index: i, Slide: b.Slides[i],
		State: l.state, Planned: max(l.planned, 0), Scored: l.scored, End: l.end,
	}
}

// state is that of the whole cohort.
func (b *book) state() State {
	switch c := b.counts; {
	case b.cancelled:
		return Cancelled
	case b.over():
		return Done
	case c.Pending == c.Submitted:
		return Pending
	default:
		return Running
	}
}

// tally keeps the sums of a cohort's lines.
type tally struct {
	counts  Counts
	patches Patches
	left    int // patches known to be left, of slides without an end
	unsized int // slides without an end of which the patches are not known
	spent   Cost

	sized        int // slides of which they are known
	sum, squares float64
}

// add adds a line, or takes one away (sign -1).
func (t *tally) add(l line, sign int) {
	t.counts.Submitted += sign
	switch l.state {
	case Pending:
		t.counts.Pending += sign
	case Running:
		t.counts.Running += sign
	case Done:
		t.counts.Done += sign
	case Failed:
		t.counts.Failed += sign
	case Quarantined:
		t.counts.Quarantined += sign
	case Cancelled:
		t.counts.Cancelled += sign
	}
	t.patches.Planned += sign * max(l.planned, 0)
	t.patches.Done += sign * l.scored
	if !l.state.Final() {
		if l.planned < 0 {
			t.unsized += sign
		} else {
			t.left += sign * max(l.planned-l.scored, 0)
		}
	}
	if l.planned >= 0 && (l.state == Done || !l.state.Final()) {
		p, s := float64(l.planned), float64(sign)
		t.sized += sign
		t.sum += s * p
		t.squares += s * p * p
	}
	if e := l.end; e != nil {
		t.spent.ComputeS += float64(sign) * e.ComputeS
		if !e.Cached {
			t.spent.Patches += sign * e.Patches
		}
	}
}
