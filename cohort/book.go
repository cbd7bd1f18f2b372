package cohort

import (
	"slices"
	"strconv"
	"time"

	"bcc/queue"
)

// book is one cohort in memory. The ledger's lock guards it.
type book struct {
	Manifest
	lines   []line
	running map[int]hand // the lines that are Running, by index
	tally
	cap     capped
	dropped map[int]struct{} // indexes of slides whose jobs were taken off the queue because of the cap

	cancelled  bool
	cancelling bool      // cancelled.json is being written: no end counts meanwhile
	submitting bool      // its jobs are being put on the queue
	looked     time.Time // into the store, the last time
	seen       time.Time // by us, the first time: clocks of servers may differ by hours
	patience   time.Time // until then another server may be putting its jobs on the queue
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

	void    int  // so many ends of it do not count
	foreign bool // it has an end which says nothing to this version of the program
}

// maxWords bounds the list of what is said about a cohort's results.
const maxWords = 20

func newBook(m Manifest) *book {
	b := &book{
		Manifest: m, lines: make([]line, len(m.Slides)),
		running: map[int]hand{}, dropped: map[int]struct{}{}, followers: map[*follower]struct{}{}, waiters: map[int][]chan struct{}{},
	}
	b.cap.usd = m.CapUSD
	for i := range b.lines {
		b.lines[i] = line{state: Pending, planned: -1}
		b.tally.add(b.lines[i], m.size(i), 1)
	}
	return b
}

// job returns the job of the i-th slide: another ID after each cap, for the queue drops
// one that it had a short while ago.
func (b *book) job(i int) queue.Job {
	j := newJob(&b.Manifest, i, b.lines[i].void)
	if b.cap.number > 0 {
		j.ID += "_c" + strconv.Itoa(b.cap.number)
	}
	return j
}

// row is that of the queue in which the cohort's jobs stand.
func (b *book) row() int { return max(b.Row, 0) % queue.Rows }

// over reports whether every slide has come to its end.
func (b *book) over() bool { return b.counts.Pending+b.counts.Running == 0 }

// set puts another line in place of the i-th and keeps every sum in step.
func (b *book) set(i int, l line) {
	b.tally.add(b.lines[i], b.size(i), -1)
	b.tally.add(l, b.size(i), 1)
	b.lines[i] = l
	if l.state == Running {
		b.running[i] = b.running[i] // what was told stays
	} else {
		delete(b.running, i)
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
	if l.state.Final() || b.cancelling || e.generation < l.void {
		return false
	}
	l.state, l.end = e.State, e
	if e.State == Done {
		l.planned, l.scored = e.Patches, e.Patches
	} else {
		l.planned = l.scored // nothing more is to come
	}
	b.say(e.Degraded...)
	b.set(i, l)
	return true
}

// say adds words about the cohort's results.
func (b *book) say(words ...string) {
	for _, w := range words {
		if len(b.words) < maxWords && !slices.Contains(b.words, w) {
			b.words = append(b.words, w)
		}
	}
}

// estrange says that the i-th slide has an end which cannot be read here. It counts
// as waiting; no job is put for it.
func (b *book) estrange(i int, e *End) {
	l := b.lines[i]
	if l.state.Final() || l.foreign {
		return
	}
	l.foreign, l.state = true, Pending
	b.say(e.Degraded...)
	b.set(i, l)
}

// void says that an end does not count. It reports whether the slide had it.
func (b *book) void(r endRef) bool {
	if r.index >= len(b.lines) || r.generation < b.lines[r.index].void {
		return false
	}
	l := b.lines[r.index]
	l.void = r.generation + 1
	had := l.end != nil && l.end.generation <= r.generation
	if had || l.foreign {
		l = line{state: Pending, planned: -1, void: l.void}
		if b.cancelled {
			l = line{state: Cancelled, void: l.void}
		}
	}
	b.set(r.index, l)
	return had
}

// take gives the slides the ends that were found in the store.
func (b *book) take(ends map[int]*End) {
	for i, e := range ends {
		switch {
		case i >= len(b.lines):
		case e.State.Final():
			b.finish(i, e)
		default:
			b.estrange(i, e)
		}
	}
}

// cancel makes every slide Cancelled whose end is not one of those that count.
func (b *book) cancel(counts map[int]*End) {
	b.cancelling, b.cancelled = false, true
	for i := range b.lines {
		if e := counts[i]; e != nil && e.State.Final() {
			b.finish(i, e)
			continue
		}
		l := b.lines[i]
		b.set(i, line{state: Cancelled, planned: l.scored, scored: l.scored, void: l.void})
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
	unsized unsized
	foreign int // slides with an end that cannot be read: no job is put for them
	spent   Cost

	sized        int     // slides of which they are known
	sum, squares float64 // of their usual patches
	weights      weights

	price func(*End) float64 // USD; nil: not known
	usd   float64            // of spent
}

// add adds a line of a slide, or takes one away (sign -1).
func (t *tally) add(l line, of size, sign int) {
	t.weights.add(l, of, float64(sign))
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
	if l.foreign {
		t.foreign += sign
	}
	t.patches.Planned += sign * max(l.planned, 0)
	t.patches.Done += sign * l.scored
	if !l.state.Final() {
		if l.planned < 0 {
			t.unsized.add(of.density, float64(sign))
		} else {
			t.left += sign * max(l.planned-l.scored, 0)
		}
	}
	if l.planned >= 0 && (l.state == Done || !l.state.Final()) {
		p, s := float64(l.planned)/of.density, float64(sign)
		t.sized += sign
		t.sum += s * p
		t.squares += s * p * p
	}
	if e := l.end; e != nil {
		t.spent.ComputeS += float64(sign) * e.ComputeS
		t.spent.Patches += sign * e.Looked()
		if t.price != nil {
			t.usd += float64(sign) * t.price(e)
		}
	}
}
