package cohort

import (
	"context"
	"strings"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// look brings one cohort's book to what the store says, and closes it where it is
// over.
func (l *Ledger) look(ctx context.Context, id string) error {
	l.mu.Lock()
	b := l.open[id]
	_, closed := l.closed[id]
	l.mu.Unlock()
	if closed && b == nil {
		if still, err := l.unmark(ctx, id); err != nil || still {
			return err // closed by another, or the mark outlived a crash
		}
		l.forget(id)
	}
	if b == nil {
		var is bool
		if b, is = l.keptBook(id); !is {
			var err error
			if b, err = l.load(ctx, id); err != nil {
				return err
			}
		}
		l.mu.Lock()
		b = l.arrived(b)
		l.mu.Unlock()
	} else {
		if _, err := l.hold(ctx, b); err != nil { // at once: slots are free
			return err
		}
		if err := l.catchUp(ctx, b); err != nil {
			return err
		}
	}
	l.mu.Lock()
	over := b.over()
	delete(l.unread, id)
	l.mu.Unlock()
	if over {
		return l.close(ctx, b)
	}
	return l.settle(ctx, b)
}

// arrived takes a book among the open ones, unless another has. The caller holds mu.
func (l *Ledger) arrived(b *book) *book {
	if other := l.open[b.ID]; other != nil {
		return other
	}
	now := time.Now()
	if b.seen = now; !l.started {
		b.seen = earlier(now, b.Submitted)
	} else {
		b.patience = now.Add(patience * l.cfg.Rescan)
	}
	l.open[b.ID] = b
	return b
}

// patience is how many rescans another server has to put the jobs of a cohort that
// it took, before they count as missing.
const patience = 3

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// unmark takes the open mark away from a cohort whose summary lies in the store. It
// reports whether that is so: else the cohort was opened again. That may happen just
// now, so it looks once more when the mark is gone.
func (l *Ledger) unmark(ctx context.Context, id string) (closed bool, err error) {
	if closed, err = l.shelf.has(ctx, closedKey(id)); err != nil || !closed {
		return closed, err
	}
	if err := l.cfg.Store.Delete(ctx, openKey(id)); err != nil {
		return true, err
	}
	if closed, err = l.shelf.has(ctx, closedKey(id)); err != nil || closed {
		return true, err
	}
	return false, l.mark(ctx, id)
}

// mark says that the cohort may have slides without an end.
func (l *Ledger) mark(ctx context.Context, id string) error {
	return l.cfg.Store.Put(ctx, openKey(id), strings.NewReader(""))
}

// catchUp reads the ends and the cancelling of a cohort that no word came of.
func (l *Ledger) catchUp(ctx context.Context, b *book) error {
	voids, err := l.shelf.voids(ctx, b.ID)
	if err != nil {
		return err
	}
	l.mu.Lock()
	for r := range voids {
		b.void(r)
	}
	over, known := b.over(), make([]bool, len(b.lines))
	for i, line := range b.lines {
		known[i] = line.state.Final() || line.foreign
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
	l.mu.Lock()
	was := b.cap
	l.mu.Unlock()
	is, err := l.shelf.caps(ctx, &b.Manifest, was)
	if err != nil {
		return err
	}
	l.mu.Lock()
	if is.number >= b.cap.number && is != b.cap && b.cap == was {
		b.setCap(is)
	}
	l.mu.Unlock()
	ends, fresh, err := l.shelf.ends(ctx, b.ID, voids, func(r endRef) bool { return r.index >= len(known) || known[r.index] })
	if err != nil {
		return err
	}
	l.mu.Lock()
	now := time.Now()
	for i, e := range ends {
		if e.State.Final() {
			l.finish(b, i, e, now)
		} else {
			b.estrange(i, e)
		}
	}
	for _, r := range fresh {
		b.void(r)
	}
	l.mu.Unlock()
	for _, r := range fresh {
		if err := l.putSome(ctx, b, r.index, r.index+1); err != nil {
			return err
		}
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
		if damaged(err) {
			l.shelf.tell("manifest", manifestKey(id), err)
		}
		return nil, err
	}
	if m.ID != id {
		return nil, fault.New(fault.Corrupt, "object %s: it is of another cohort", manifestKey(id))
	}
	if m.Priority != queue.Urgent && m.Priority != queue.Routine {
		return nil, fault.New(fault.Unsupported, "object %s: priority %.40q", manifestKey(id), m.Priority)
	}
	b := newBook(m)
	b.price = l.price
	var err error
	if b.cap, err = l.shelf.caps(ctx, &m, b.cap); err != nil {
		return nil, err
	}
	voids, err := l.shelf.voids(ctx, id)
	if err != nil {
		return nil, err
	}
	ends, err := l.shelf.every(ctx, id, len(m.Slides), voids)
	if err != nil {
		return nil, err
	}
	for r := range voids {
		b.void(r)
	}
	c, err := l.shelf.cancelled(ctx, id)
	if err != nil {
		return nil, err
	}
	if c == nil {
		b.take(ends)
		if b.held() { // which jobs are on the queue nobody knows
			for i := range b.lines {
				b.dropped[i] = struct{}{}
			}
		}
		return b, nil
	}
	counted := map[int]*End{}
	for _, i := range c.Ended {
		counted[i] = ends[i]
	}
	b.cancel(counted)
	return b, nil
}
