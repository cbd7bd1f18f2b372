package cohort

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

// close writes what is left to be written of a cohort that is over, and lets it go.
func (l *Ledger) close(ctx context.Context, b *book) error {
	l.mu.Lock()
	all := allEnds{FormatVersion: FormatVersion, Ends: make([]*End, len(b.lines))}
	for i, line := range b.lines {
		if all.Ends[i] = line.end; line.end != nil && line.end.generation > 0 {
			if all.Generations == nil {
				all.Generations = map[int]int{}
			}
			all.Generations[i] = line.end.generation
		}
	}
	c := closed{FormatVersion: FormatVersion, Owner: b.Owner, Summary: l.summary(b, l.outlook(time.Now(), false)), Usual: b.sum}
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
	// Another may have made an end of it void meanwhile, and marked it before the mark
	// was taken away here.
	voids, err := l.shelf.voids(ctx, b.ID)
	if err != nil {
		return errors.Join(err, l.mark(context.WithoutCancel(ctx), b.ID))
	}
	l.mu.Lock()
	for r := range voids {
		b.void(r)
	}
	over := b.over()
	l.mu.Unlock()
	if !over {
		return l.reopen(ctx, b.ID)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Summary.Owner = c.Owner
	if l.open[b.ID] == b {
		delete(l.open, b.ID)
		c.share = tally{sized: b.sized, sum: b.sum, squares: b.squares, weights: b.weights, spent: b.spent, usd: b.usd, counts: b.counts}
		l.gone.merge(&c.share, 1)
	}
	l.closed[b.ID] = c
	l.kept.add(b)
	l.log.Info("cohort is over", "cohort_id", b.ID, "state", b.state(),
		"done", b.counts.Done, "failed", b.counts.Failed, "quarantined", b.counts.Quarantined, "cancelled", b.counts.Cancelled)
	return nil
}

// reopen says in the store that a cohort is not over after all. Between both marks
// another server may take the first away: the summary was there yet.
func (l *Ledger) reopen(ctx context.Context, id string) error {
	if err := l.mark(ctx, id); err != nil {
		return err
	}
	if err := l.cfg.Store.Delete(ctx, closedKey(id)); err != nil {
		return err
	}
	return l.mark(ctx, id)
}

// forget drops what is remembered of a cohort that was over.
func (l *Ledger) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, is := l.closed[id]; is {
		l.gone.merge(&c.share, -1)
		delete(l.closed, id)
	}
	l.kept.drop(id)
}

// readClosed reads the summaries of the cohorts that are over and not known: when the
// ledger opens all, later those of which another server told in vain.
func (l *Ledger) readClosed(ctx context.Context) error {
	ids, err := l.shelf.ids(ctx, closedPrefix)
	if err != nil {
		return err
	}
	l.mu.Lock()
	for id := range ids {
		if _, known := l.closed[id]; known || l.open[id] != nil {
			delete(ids, id)
		}
	}
	l.mu.Unlock()
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for id := range ids {
		eg.Go(func() error {
			var c closed
			err := l.shelf.read(ctx, closedKey(id), maxEndBytes, &c)
			if kind := fault.Of(err); err != nil && kind != fault.Unavailable && ctx.Err() == nil {
				// It is only a copy: the mark has the truth read again.
				l.log.Warn("a cohort's summary cannot be read", "cohort_id", id, "kind", kind.String())
				return l.mark(ctx, id)
			}
			if err != nil {
				return err
			}
			c.Summary.Owner = c.Owner
			c.share = c.tally()
			l.mu.Lock()
			defer l.mu.Unlock()
			if _, known := l.closed[id]; !known && l.open[id] == nil {
				l.closed[id] = c
				l.gone.merge(&c.share, 1)
			}
			return nil
		})
	}
	return eg.Wait()
}

// tally is what a summary still tells of its slides: as if all were alike.
func (c closed) tally() tally {
	s := c.Summary
	n, sum := s.Counts.Done, cmp.Or(c.Usual, float64(s.Patches.Done))
	t := tally{sized: n, sum: sum, squares: sum * sum / float64(max(n, 1)), spent: s.Cost, counts: s.Counts}
	if s.Cost.USD != nil {
		t.usd, t.spent.USD = *s.Cost.USD, nil
	}
	return t
}
