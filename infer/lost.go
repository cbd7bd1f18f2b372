package infer

import (
	"fmt"

	"bcc/fault"
)

// retire takes a runner that lost its device out of service. Its patches go back to
// the head of the queue for the others, or for the spares that it returns where
// there are no others. Without either they fail, and so does Run.
func (b *Batcher) retire(w *worker, batch []item, err error) ([]*worker, error) {
	b.mu.Lock()
	b.through(w)
	b.alive--
	b.lost++
	left := b.alive
	ask := left == 0 && b.cfg.Spare != nil && !b.asked
	b.asked = b.asked || ask
	if left > 0 || ask {
		b.items = append(append(make([]item, 0, len(batch)+len(b.items)), batch...), b.items...)
		b.due = true
		b.rouse()
	}
	b.mu.Unlock()
	b.met.lost(w)
	b.log.Warn("runner lost", "runner", w.index, "runners_left", left, "error", err)
	switch {
	case left > 0:
		return nil, nil
	case ask:
		return b.spares(err)
	}
	err = fault.New(fault.Unavailable, "the last runner is lost: %w", err)
	b.finish(batch, err)
	return nil, err
}

// spares opens what goes on after lost took the last runner. Scores wait meanwhile:
// their patches lie in the queue, so one that is cancelled does not.
func (b *Batcher) spares(lost error) ([]*worker, error) {
	runners, err := b.cfg.Spare()
	if err == nil && len(runners) == 0 {
		err = fault.New(fault.Unavailable, "there are none")
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "the last runner is lost: %w; open spare ones: %w", lost, err)
	}
	var workers []*worker
	for i, r := range runners {
		w := newWorker(len(b.workers)+i, r, b.cfg.Batch)
		w.batch = min(w.batch, cap(b.slots)) // a larger one would never fill
		workers = append(workers, w)
		b.met.opened(w)
	}
	b.mu.Lock()
	b.alive, b.spare = len(workers), len(workers)
	b.mu.Unlock()
	b.log.Warn("spare runners take over", "runners", len(workers))
	return workers, nil
}

// Degraded says in words what runs less well than it began: what was lost, and what
// does its work. Nil: nothing.
func (b *Batcher) Degraded() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch n := len(b.workers); {
	case b.spare > 0:
		return []string{fmt.Sprintf("the device that the model ran on is lost: %s since", count(b.alive, "spare runner goes on", "spare runners go on"))}
	case b.lost > 0:
		return []string{fmt.Sprintf("%d of %s lost with a device: the others do the work", b.lost, count(n, "runner", "runners"))}
	}
	return nil
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
