package cohort

import (
	"context"
	"errors"
	"slices"
	"time"

	"bcc/queue"
	"bcc/telemetry"
)

// putWithin is the most slides of a cohort whose jobs are put before Submit returns:
// each costs a synced write, so 30,000 take half a minute.
const putWithin = 256

// Submit takes a cohort: it fills in ID, Submitted, Row, FormatVersion and, where it
// is empty, Priority. When it returns, the cohort is in the store: it will be
// walked, whatever happens. The jobs of a small one are on the queue then; those of
// a large one are put there meanwhile. Invalid: the manifest makes no sense.
// Unavailable: the store or the queue is away.
func (l *Ledger) Submit(ctx context.Context, m Manifest) (Manifest, error) {
	now := time.Now().UTC()
	m.FormatVersion, m.ID, m.Submitted, m.Trace = FormatVersion, NewID(), now, telemetry.Traceparent(ctx)
	if m.Priority == "" {
		m.Priority = queue.Routine
	}
	if err := m.validate(l.cfg.MaxSlides, now); err != nil {
		return Manifest{}, err
	}
	if err := l.checkCap(m.CapUSD); err != nil {
		return Manifest{}, err
	}
	if err := l.cfg.Queue.Ready(); err != nil { // before anything is kept: whoever tries again for minutes would leave a cancelled cohort each time
		return Manifest{}, err
	}
	if m.Order != nil {
		before, id, err := l.ordered(ctx, m.Order)
		if err != nil {
			return Manifest{}, err
		}
		if before != nil {
			return *before, nil
		}
		m.ID = id
	}
	m.Slides = slices.Clone(m.Slides)
	l.mu.Lock()
	m.Row = l.row(m.Priority)
	l.mu.Unlock()
	b := newBook(m)
	b.price = l.price
	b.submitting, b.seen = true, now

	// The mark goes first: a cohort without one would be found by nobody.
	if err := l.mark(ctx, m.ID); err != nil {
		return Manifest{}, err
	}
	err := l.shelf.create(ctx, manifestKey(m.ID), m)
	if exists(err) && m.Order != nil { // it came twice in this moment, or our answer was lost; requeue puts its jobs
		before, _, err := l.ordered(ctx, m.Order)
		if err == nil && before == nil {
			err = ErrOtherOrder // withdrawn meanwhile
		}
		if err != nil {
			return Manifest{}, err
		}
		return *before, nil
	}
	if err == nil && time.Now().Round(0).Sub(now.Round(0)) > submitWithin/2 { // this machine slept: the mark may have been taken for a leftover
		err = l.mark(ctx, m.ID)
	}
	if err != nil {
		// It may lie there all the same, or soon: the answer may be what was lost. So the
		// mark stays, within the hour: see orphan.
		if cancelled := l.Cancel(context.WithoutCancel(ctx), m.ID); cancelled != nil && !missing(cancelled) {
			err = errors.Join(err, cancelled)
		}
		return Manifest{}, err
	}
	l.mu.Lock()
	l.open[m.ID] = b // before the jobs: the first may end at once
	late := len(m.Slides) > putWithin && l.ctx.Err() == nil
	if late {
		l.wg.Go(func() { l.putLate(b) })
	}
	l.mu.Unlock()
	l.say(cohortTopic(m.ID, wordNew), nil)
	l.log.Info("cohort submitted", "cohort_id", m.ID, "slides", len(m.Slides), "priority", m.Priority)
	if late {
		return m, nil
	}

	err = l.putJobs(ctx, b)
	l.submitted(b)
	if err != nil {
		// Nobody was told of it, and a client that tries again makes another.
		cancelled := l.Cancel(context.WithoutCancel(ctx), m.ID)
		return Manifest{}, errors.Join(err, cancelled)
	}
	return m, nil
}

// putLate puts a large cohort's jobs. Where it breaks off, requeue goes on: the
// client was told that the cohort is taken.
func (l *Ledger) putLate(b *book) {
	err := l.putJobs(l.ctx, b)
	l.submitted(b)
	if err != nil && l.ctx.Err() == nil {
		l.log.Warn("jobs of a cohort are put later", "cohort_id", b.ID, "error", err)
	}
}

func (l *Ledger) submitted(b *book) {
	l.mu.Lock()
	b.submitting = false
	l.mu.Unlock()
}

// row returns the row of the lane in which the fewest slides wait, so that a small
// cohort need not stand behind a large one. The caller holds mu.
func (l *Ledger) row(lane queue.Lane) int {
	var waiting [queue.Rows]int
	for _, b := range l.open {
		if b.Priority == lane {
			waiting[b.row()] += b.counts.Pending + b.counts.Running
		}
	}
	least := 0
	for r, n := range waiting {
		if n < waiting[least] {
			least = r
		}
	}
	return least
}
