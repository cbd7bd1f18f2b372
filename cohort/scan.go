package cohort

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

const (
	tickEvery    = time.Second
	maxLooks     = 500       // at cohorts known already, a scan
	submitWithin = time.Hour // a mark without a manifest is what a submission left that broke off
)

// keep closes what is over and, now and then, looks into the store for what no word
// came of. It runs until Close.
func (l *Ledger) keep() {
	tick, rescan := time.NewTicker(tickEvery), time.NewTicker(l.cfg.Rescan)
	defer tick.Stop()
	defer rescan.Stop()
	for {
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
				err = l.requeue(l.ctx)
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
	for _, b := range l.open {
		for i := range b.running {
			if line := b.lines[i]; now.Sub(line.heard) > l.cfg.Silence {
				line.state, line.scored = Pending, 0
				b.set(i, line)
			}
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
// the others at most so many, those first that were not looked at for longest.
func (l *Ledger) scan(ctx context.Context) error {
	marks, err := l.shelf.ids(ctx, openPrefix)
	if err != nil {
		return err
	}
	l.mu.Lock()
	var fresh []string
	var known []*book
	for id := range marks {
		if b := l.open[id]; b == nil {
			fresh = append(fresh, id)
		} else if !b.submitting {
			known = append(known, b)
		}
	}
	slices.SortFunc(known, func(a, b *book) int { return a.looked.Compare(b.looked) })
	for _, b := range known[:min(len(known), maxLooks)] {
		b.looked = time.Now()
		fresh = append(fresh, b.ID)
	}
	l.mu.Unlock()

	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for _, id := range fresh {
		eg.Go(func() error {
			err := l.look(ctx, id)
			if missing(err) {
				if err = nil; time.Since(marks[id]) > submitWithin {
					err = l.cfg.Store.Delete(ctx, openKey(id))
				}
			}
			if err != nil && ctx.Err() == nil && fault.Of(err) != fault.Unavailable {
				l.log.Error("a cohort cannot be read", "cohort_id", id, "error", err)
				return nil // one that is damaged does not stop the others
			}
			return err
		})
	}
	return eg.Wait()
}

// look brings one cohort's book to what the store says, and closes it where it is
// over.
func (l *Ledger) look(ctx context.Context, id string) error {
	l.mu.Lock()
	b := l.open[id]
	_, is := l.closed[id]
	l.mu.Unlock()
	if is && b == nil {
		return l.cfg.Store.Delete(ctx, openKey(id)) // closed by another, or the mark outlived a crash
	}
	if b == nil {
		if b, is = l.keptBook(id); !is {
			var err error
			if b, err = l.load(ctx, id); err != nil {
				return err
			}
		}
		l.mu.Lock()
		if other := l.open[id]; other != nil {
			b = other
		}
		l.open[id] = b
		l.mu.Unlock()
	} else if err := l.catchUp(ctx, b); err != nil {
		return err
	}
	l.mu.Lock()
	over := b.over()
	l.mu.Unlock()
	if over {
		return l.close(ctx, b)
	}
	return nil
}

// catchUp reads the ends and the cancelling of a cohort that no word came of.
func (l *Ledger) catchUp(ctx context.Context, b *book) error {
	l.mu.Lock()
	over, known := b.over(), make([]bool, len(b.lines))
	for i, line := range b.lines {
		known[i] = line.state.Final()
	}
	l.mu.Unlock()
	if over {
		return nil
	}
	c, err := l.shelf.cancelled(ctx, b.ID)
	if err != nil {
		return err
	}
	if c != nil {
		return l.strike(ctx, b, c)
	}
	ends, err := l.shelf.ends(ctx, b.ID, func(i int) bool { return i >= len(known) || known[i] })
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for i, e := range ends {
		l.finish(b, i, e, now)
	}
	return nil
}

// load reads a cohort from the store.
func (l *Ledger) load(ctx context.Context, id string) (*book, error) {
	if !ValidID(id) {
		return nil, noCohort(id)
	}
	var m Manifest
	if err := l.shelf.read(ctx, manifestKey(id), maxManifestBytes, &m); missing(err) {
		return nil, noCohort(id)
	} else if err != nil {
		return nil, err
	}
	if m.ID != id {
		return nil, fault.New(fault.Corrupt, "object %s: it is of another cohort", manifestKey(id))
	}
	b := newBook(m)
	ends, err := l.shelf.every(ctx, id, len(m.Slides))
	if err != nil {
		return nil, err
	}
	c, err := l.shelf.cancelled(ctx, id)
	if err != nil {
		return nil, err
	}
	if c != nil {
		counted := map[int]*End{}
		for _, i := range c.Ended {
			counted[i] = ends[i]
		}
		b.cancel(counted)
		return b, nil
	}
	for i, e := range ends {
		if i < len(b.lines) && e.State.Final() {
			b.finish(i, e)
		}
	}
	return b, nil
}

// close writes what is left to be written of a cohort that is over, and lets it go.
func (l *Ledger) close(ctx context.Context, b *book) error {
	l.mu.Lock()
	all := allEnds{FormatVersion: FormatVersion, Ends: make([]*End, len(b.lines))}
	for i, line := range b.lines {
		all.Ends[i] = line.end
	}
	c := closed{FormatVersion: FormatVersion, Owner: b.Owner, Summary: l.summary(b, l.outlook(time.Now(), false))}
	l.mu.Unlock()

	if err := l.shelf.put(ctx, allEndsKey(b.ID), all); err != nil {
		return err
	}
	if err := l.shelf.put(ctx, closedKey(b.ID), c); err != nil {
		return err
	}
	if err := l.cfg.Store.Delete(ctx, openKey(b.ID)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Summary.Owner = c.Owner
	l.closed[b.ID] = c
	if l.open[b.ID] == b {
		delete(l.open, b.ID)
		l.gone.merge(&tally{sized: b.sized, sum: b.sum, squares: b.squares, spent: b.spent})
	}
	l.kept.add(b)
	l.log.Info("cohort is over", "cohort_id", b.ID, "state", b.state(), "done", b.counts.Done, "failed", b.counts.Failed, "cancelled", b.counts.Cancelled)
	return nil
}

// readClosed reads the summaries of the cohorts that are over.
func (l *Ledger) readClosed(ctx context.Context) error {
	ids, err := l.shelf.ids(ctx, closedPrefix)
	if err != nil {
		return err
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for id := range ids {
		eg.Go(func() error {
			var c closed
			err := l.shelf.read(ctx, closedKey(id), maxEndBytes, &c)
			if kind := fault.Of(err); err != nil && kind != fault.Unavailable && ctx.Err() == nil {
				// It is only a copy: the mark has the truth read again.
				l.log.Warn("a cohort's summary cannot be read", "cohort_id", id, "kind", kind.String())
				return l.cfg.Store.Put(ctx, openKey(id), strings.NewReader(""))
			}
			if err != nil {
				return err
			}
			c.Summary.Owner = c.Owner
			l.mu.Lock()
			defer l.mu.Unlock()
			l.closed[id] = c
			l.gone.merge(c.Summary.tally())
			return nil
		})
	}
	return eg.Wait()
}

// tally is what a summary still tells of its slides: as if all were alike.
func (s Summary) tally() *tally {
	n, sum := s.Counts.Done, float64(s.Patches.Done)
	return &tally{sized: n, sum: sum, squares: sum * sum / float64(max(n, 1)), spent: s.Cost}
}

// requeue puts jobs on the queue again where it holds fewer than there are slides
// without an end: it was lost, or a submission broke off. A job too many does no
// harm, see Desk.Begin.
func (l *Ledger) requeue(ctx context.Context) error {
	l.mu.Lock()
	var books []*book
	slides := 0
	for _, b := range l.open {
		if !b.submitting && !b.over() {
			books = append(books, b)
			slides += b.counts.Pending + b.counts.Running
		}
	}
	l.mu.Unlock()
	if slides == 0 {
		return nil
	}
	has, err := l.cfg.Queue.Backlog(ctx)
	if err != nil {
		return err
	}
	if has.Urgent+has.Routine+has.Leased >= slides {
		return nil
	}
	l.log.Warn("jobs are missing on the queue and put there again", "slides", slides, "jobs", has.Urgent+has.Routine+has.Leased)
	for _, b := range books {
		if err := l.putJobs(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
