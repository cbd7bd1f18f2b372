package infer

import (
	"context"
	"time"

	"bcc/wsi"
)

// Urgent is a Batcher's other entrance: what comes in by it goes into the next batch,
// before all that waits. A batch that is with a runner is not disturbed.
type Urgent struct{ b *Batcher }

// Urgent returns the entrance for what cannot wait.
func (b *Batcher) Urgent() Urgent { return Urgent{b} }

// Score is Batcher.Score for patches that go first.
func (u Urgent) Score(ctx context.Context, patches <-chan wsi.Patch, out []float32) error {
	return u.b.score(ctx, newJob(out, u.b.urgent, true), patches)
}

// Busy returns for how long runners have worked, all of them added up, and how many
// there are now.
func (b *Batcher) Busy() (worked time.Duration, runners int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Duration(b.busy.Load()), b.alive
}
