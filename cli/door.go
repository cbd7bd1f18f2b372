package cli

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"bcc/resources"
)

// door lets the slides of a list begin as memory has room for them. A nil one stands
// open.
type door struct {
	room func() int            // how many slides may be walked at once now
	give func(context.Context) // gives back what the slide before left; nil: nobody does
	log  *slog.Logger          // hears when it is opened for want of anything to wait for

	mu      sync.Mutex
	walking int
	alone   time.Time // since when there is no room, and no slide whose end would make some; zero: it is not so
	vain    bool      // that was waited for already, and nothing came of it
}

// How often the door is looked at, and how long a list with no slide at work waits for
// room: by then what can be given back has been given back twice, and had the time to
// settle (resources.GuardConfig). Nothing of ours would change any more.
const (
	doorEvery    = 100 * time.Millisecond
	doorPatience = 15 * time.Second
)

// enter waits until a slide may begin; leave says that it has ended. It fails with ctx.
func (d *door) enter(ctx context.Context) (leave func(), err error) {
	if d == nil {
		return func() {}, nil
	}
	tick := time.NewTicker(doorEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if in, tight := d.let(time.Now()); in {
			if tight && d.give != nil {
				d.give(ctx)
			}
			return d.leave, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil, context.Cause(ctx)
}

// let reports whether one more slide may begin at now, and counts it then; tight is that
// there is no room for it.
func (d *door) let(now time.Time) (in, tight bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	room := d.room()
	if room > 0 {
		d.vain = false
	}
	switch {
	case d.walking < room:
	case room > 0 || d.walking > 0: // the end of a slide makes room
		d.alone = time.Time{}
		return false, false
	case d.vain: // one at a time, then
	case d.alone.IsZero():
		d.alone = now
		return false, false
	case now.Sub(d.alone) < doorPatience:
		return false, false
	default:
		d.vain = true
		d.log.Warn("memory stays nearly full with no slide at work: going on, one slide at a time", "waited", now.Sub(d.alone))
	}
	d.walking++
	d.alone = time.Time{}
	return true, room == 0
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.walking--
}

// room is how many slides may be walked at once as the guard sees it.
func room(g *resources.Guard) func() int {
	return func() int {
		switch g.Level() {
		case resources.Full:
			return 0
		case resources.Tight:
			return 1
		}
		return 1 << 10 // as many as there are places
	}
}
