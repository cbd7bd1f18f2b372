package worker

import (
	"context"
	"time"

	"bcc/chunk"
)

// shard is a run of patches of a slide, as its conductor sees it.
type shard struct {
	chunk.Range
	key string

	there  bool      // its rows are in the store
	mine   bool      // it is being made here
	offers int       // how often it was offered to others
	taken  bool      // another has begun it, as was heard
	since  time.Time // when it was begun here, offered, or begun by another: the last of these
	begun  time.Time // when it was begun here
	told   int       // patches of it that are through, as the desk was told

	// For its conductor alone.
	rows  []float32               // where it is there; nil where too large to be held
	pace  time.Duration           // time a patch, where it was made while we watched
	stop  context.CancelCauseFunc // while it is mine
	asked time.Time               // when the store was asked for it
}

// free reports whether nobody is at it.
func (s *shard) free() bool { return !s.there && !s.mine && s.offers == 0 }

// out reports whether others have it, and queued whether nobody has begun it yet, as
// far as is known.
func (s *shard) out() bool    { return !s.there && !s.mine && s.offers > 0 }
func (s *shard) queued() bool { return s.out() && !s.taken }

const (
	// A shard counts as late when it takes so many times as long as its neighbours
	// did, and lateLeast longer: idle workers cost nothing, so it is not waited long.
	lateTimes = 1.5
	lateLeast = time.Second
	// lateUnknown is when a shard is late that nothing can be compared with.
	lateUnknown = 30 * time.Second
	// slowLeast is how long a shard must yet take here to be offered while it is made:
	// a faster worker that is idle may be through with it before.
	slowLeast = 2 * time.Second
	// maxOffers is how often a shard is offered at most.
	maxOffers = 3
)

// standing is how the shards of a slide stand.
type standing struct {
	now    time.Time
	urgent bool
	idle   bool          // no slide waits on the queue: somebody may have nothing to do
	dry    bool          // the queue had nothing when it was asked: what is queued is lost
	patch  time.Duration // what a patch of this slide takes; 0: not known
	first  int           // the shard to begin with
	shards []shard
}

// each yields the shards in the order in which they are made: from the first on, and
// round. Workers that happen to conduct slides of the same content begin at different
// ones, and find what the others made.
func (s *standing) each(yield func(i int, sh *shard) bool) {
	for k := range s.shards {
		if i := (s.first + k) % len(s.shards); !yield(i, &s.shards[i]) {
			return
		}
	}
}

// late reports whether whoever is at the shard takes too long.
func (s *standing) late(i int) bool {
	bound := lateUnknown
	if s.patch > 0 {
		bound = lateLeast + time.Duration(lateTimes*float64(s.patch)*float64(s.shards[i].Len()))
	}
	return s.now.Sub(s.shards[i].since) > bound
}

// remains returns how long a shard that is made here will take yet, by how it went; 0
// where nothing is known.
func (s *standing) remains(i int) time.Duration {
	sh := &s.shards[i]
	if !sh.mine || sh.told == 0 {
		return 0
	}
	return s.now.Sub(sh.begun) / time.Duration(sh.told) * time.Duration(sh.Len()-sh.told)
}

// offer returns the shards to be offered to others now: while slides wait on the
// queue, none, because every worker has enough to do and a slide is read best in one
// place; of an urgent one, or when nothing waits, all that nobody is at but the one
// that this worker takes next. When others have begun all of these: what is made here,
// once, for workers that are faster, and those that are late, again.
func (s *standing) offer() []int {
	if !s.urgent && !s.idle {
		return nil
	}
	var out []int
	busy, waits := false, false
	for i := range s.shards {
		busy = busy || s.shards[i].mine
		waits = waits || s.shards[i].free() || s.shards[i].queued()
	}
	for i, sh := range s.each {
		switch {
		case sh.free() && !busy:
			busy = true
		case sh.free():
			out = append(out, i)
		case waits:
		case sh.mine && sh.offers == 0 && s.remains(i) > slowLeast,
			(sh.mine || sh.out()) && sh.offers < maxOffers && s.late(i):
			out = append(out, i)
		}
	}
	return out
}

// next returns the shard that this worker makes next: one that nobody is at, one whose
// offer was lost, or one that is late elsewhere; ok is false where there is none.
func (s *standing) next() (i int, ok bool) {
	waits := false
	for i, sh := range s.each {
		if sh.free() || s.dry && sh.queued() {
			return i, true
		}
		waits = waits || sh.queued()
	}
	for i, sh := range s.each {
		if !waits && sh.out() && s.late(i) {
			return i, true
		}
	}
	return 0, false
}
