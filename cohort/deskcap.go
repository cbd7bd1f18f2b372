package cohort

import (
	"context"
	"time"
)

// capMemory is how long a desk goes by what it saw of a cap that was not reached: on
// object storage each look is a list, and a worker begins several slides a second. Where
// the word of it is lost too, slides are begun for so long beyond the cap.
const capMemory = 5 * time.Second

// below is which cohorts were seen below their caps. That one is reached is never
// remembered: its jobs go off the queue, each once, and when it is raised they come back
// in the same moment.
type below struct {
	memory time.Duration
	seen   map[string]time.Time
	words  int // heard of caps: what was read meanwhile may be of before
}

// capped reports whether a cohort's cap is reached, as the store says or said a moment ago.
func (d *Desk) capped(ctx context.Context, cohort string) (bool, error) {
	d.mu.Lock()
	at, known := d.below.seen[cohort]
	words := d.below.words
	d.mu.Unlock()
	if known && time.Since(at) < d.below.memory {
		return false, nil
	}
	asked := time.Now()
	_, reached, err := d.shelf.cap(ctx, cohort)
	if err != nil || reached {
		return reached, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.below.words == words {
		d.below.remember(cohort, asked)
	}
	return false, nil
}

// remember takes down that a cohort was below its cap, and forgets what is too old.
func (b *below) remember(cohort string, at time.Time) {
	kept := map[string]time.Time{cohort: at}
	for other, seen := range b.seen {
		if other != cohort && at.Sub(seen) < b.memory {
			kept[other] = seen
		}
	}
	b.seen = kept
}

// forgetCap has the next slide of a cohort ask the store.
func (d *Desk) forgetCap(cohort string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.below.words++
	delete(d.below.seen, cohort)
}
