package cohort

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/queue"
)

const (
	tickEvery    = time.Second
	maxLooks     = 500              // at cohorts known already, a scan
	submitWithin = time.Hour        // a mark without a manifest is what a submission left that broke off
	unreadAgain  = 10 * time.Minute // until one that cannot be read is looked at again
	closedEvery  = 6                // scans: how often it is asked which cohorts others have closed
)

// keep closes what is over and, now and then, looks into the store for what no word
// came of. It runs until Close.
func (l *Ledger) keep() {
	tick, rescan := time.NewTicker(tickEvery), time.NewTicker(l.cfg.Rescan)
	defer tick.Stop()
	defer rescan.Stop()
	for scans := 1; ; {
		var err error
		select {
		case <-l.ctx.Done():
			return
		case <-l.kicks:
			err = l.refresh(l.ctx)
		case <-tick.C:
			l.tick(time.Now())
		case <-rescan.C:
			if err = l.scan(l.ctx); err == nil {
				_, err = l.requeue(l.ctx, false)
			}
			if scans++; err == nil && scans%closedEvery == 0 {
				err = l.readClosed(l.ctx)
			}
		}
		if err != nil && l.ctx.Err() == nil {
			l.log.Warn("look into the store", "error", err)
		}
	}
}

// tick takes back slides whose worker says nothing any more.
func (l *Ledger) tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetWorkers(now)
	like := l.like()
	for _, b := range l.open {
		for i := range b.running {
			if line := b.lines[i]; now.Sub(line.heard) > l.cfg.Silence {
				line.state, line.scored = Pending, 0
				b.set(i, line)
			}
		}
		if l.exceeds(b, like) {
			l.wake(b.ID)
		}
	}
	l.meter.tick(now, l.busy())
}

// wake has a cohort looked at by keep.
func (l *Ledger) wake(id string) {
	l.wokenMu.Lock()
	l.woken[id] = struct{}{}
	l.wokenMu.Unlock()
	select {
	case l.kicks <- struct{}{}:
	default:
	}
}

// refresh looks at the cohorts that were woken.
func (l *Ledger) refresh(ctx context.Context) error {
	l.wokenMu.Lock()
	ids := l.woken
	l.woken = map[string]struct{}{}
	l.wokenMu.Unlock()
	var errs []error
	for id := range ids {
		errs = append(errs, l.look(ctx, id))
	}
	return errors.Join(errs...)
}

// scan looks at cohorts that are marked open: at those that are not known, and of
// the others at most so many, those first that were not looked at for longest. One
// that is open here and not marked was closed by another server.
func (l *Ledger) scan(ctx context.Context) error {
	marks, err := l.shelf.ids(ctx, openPrefix)
	if err != nil {
		return err
	}
	now := time.Now()
	l.mu.Lock()
	var fresh []string
	var known []*book
	for id := range marks {
		if b := l.open[id]; b != nil {
			if !b.submitting {
				known = append(known, b)
			}
		} else if u, is := l.unread[id]; !is || now.Sub(u.looked) >= unreadAgain {
			fresh = append(fresh, id)
		}
	}
	for id, b := range l.open {
		if _, is := marks[id]; !is && !b.submitting {
			known = append(known, b)
		}
	}
	slices.SortFunc(known, func(a, b *book) int { return a.looked.Compare(b.looked) })
	for _, b := range known[:min(len(known), maxLooks)] {
		b.looked = now
		fresh = append(fresh, b.ID)
	}
	for id := range l.orphans {
		if _, is := marks[id]; !is {
			delete(l.orphans, id)
		}
	}
	l.mu.Unlock()

	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for _, id := range fresh {
		eg.Go(func() error {
			err := l.look(ctx, id)
			switch {
			case missing(err):
				return l.orphan(ctx, id, now)
			case damaged(err) || foreign(err):
				l.cannotRead(id, marks[id], err)
				return nil // it does not stop the others
			}
			return err
		})
	}
	return eg.Wait()
}

// orphan takes a mark away that has had no manifest for so long that nobody will
// write one. The time is counted here: the clock of the store may be another.
func (l *Ledger) orphan(ctx context.Context, id string, now time.Time) error {
	l.mu.Lock()
	since, is := l.orphans[id]
	if !is {
		l.orphans[id], since = now, now
	}
	l.mu.Unlock()
	if now.Sub(since) < submitWithin {
		return nil
	}
	return l.cfg.Store.Delete(ctx, openKey(id))
}

// unread is a cohort that cannot be read.
type unread struct {
	why    string    // for people
	marked time.Time // by the store's clock
	looked time.Time // the last time, by ours
}

func (u unread) summary(id string) Summary {
	return Summary{ID: id, Priority: queue.Routine, Submitted: u.marked, State: Pending, Degraded: []string{u.why}}
}

// cannotRead takes down that a cohort cannot be read: it is not over, and not lost
// from sight.
func (l *Ledger) cannotRead(id string, marked time.Time, err error) {
	why := "the cohort's manifest is damaged: repair the store"
	if foreign(err) {
		why = "the cohort was submitted to another version of the program"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.unread[id]; !known {
		l.log.Error("a cohort cannot be read", "cohort_id", id, "kind", fault.Of(err).String(), "error", err)
	}
	l.unread[id] = unread{why, marked, time.Now()}
}
