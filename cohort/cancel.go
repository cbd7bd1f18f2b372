package cohort

import (
	"context"
	"slices"
	"time"
)

// Cancel ends a cohort: slides without an end become Cancelled, and workers are
// told to let go of them. What is over stays as it is.
func (l *Ledger) Cancel(ctx context.Context, id string) error {
	b, err := l.find(ctx, id)
	if err != nil {
		return err
	}
	if err := l.catchUp(ctx, b); err != nil { // what has ended has ended
		return err
	}
	l.mu.Lock()
	if b.over() {
		l.mu.Unlock()
		return nil
	}
	b.cancelling = true
	c := cancelled{FormatVersion: FormatVersion, At: time.Now().UTC(), Ended: []int{}}
	for i, line := range b.lines {
		if line.state.Final() {
			c.Ended = append(c.Ended, i)
		}
	}
	l.mu.Unlock()

	err = l.shelf.create(ctx, cancelledKey(id), c)
	if err == nil {
		err = l.strike(ctx, b, &c)
	} else if exists(err) {
		var first *cancelled
		if first, err = l.shelf.cancelled(ctx, id); err == nil {
			err = l.strike(ctx, b, first)
		}
	}
	l.mu.Lock()
	b.cancelling = false
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.say(cancelTopic(id), nil)
	l.say(cohortTopic(id, wordCancelled), nil)
	l.log.Info("cohort cancelled", "cohort_id", id)
	return nil
}

// cancelled returns nil where the cohort has not been cancelled. Where the record is
// damaged, the ends that are there now count, and it is written anew.
func (s shelf) cancelled(ctx context.Context, id string) (*cancelled, error) {
	var c cancelled
	err := s.read(ctx, cancelledKey(id), maxEndsBytes, &c)
	switch {
	case missing(err):
		return nil, nil
	case foreign(err) && c.Ended != nil:
		return &c, nil
	case damaged(err) || foreign(err):
	default:
		return &c, err
	}
	s.tell("cancelled", cancelledKey(id), err)
	c = cancelled{FormatVersion: FormatVersion, At: time.Now().UTC(), Ended: []int{}}
	refs, listed := s.refs(ctx, endsPrefix(id))
	if listed != nil {
		return nil, listed
	}
	for _, r := range refs {
		c.Ended = append(c.Ended, r.index)
	}
	slices.Sort(c.Ended)
	c.Ended = slices.Compact(c.Ended)
	if foreign(err) {
		return &c, nil // it is not ours to write over
	}
	return &c, s.put(ctx, cancelledKey(id), c)
}

// strike makes a book's slides Cancelled as c says.
func (l *Ledger) strike(ctx context.Context, b *book, c *cancelled) error {
	if c == nil {
		return nil
	}
	counts := make(map[int]*End, len(c.Ended))
	l.mu.Lock()
	var unknown []int
	for _, i := range c.Ended {
		if i < 0 || i >= len(b.lines) {
			continue
		}
		if counts[i] = b.lines[i].end; counts[i] == nil {
			unknown = append(unknown, i) // another server knew of it
		}
	}
	l.mu.Unlock()
	for _, i := range unknown {
		e, err := l.shelf.end(ctx, b.ID, i)
		if err != nil {
			return err
		}
		counts[i] = e
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !b.cancelled {
		b.cancel(counts)
	}
	l.meter.tick(time.Now(), l.busy())
	l.wake(b.ID)
	return nil
}
