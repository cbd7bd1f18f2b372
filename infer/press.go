package infer

// press bounds what runners hold at once. The zero value is no bound.
type press struct{ batch, runners int }

// Press makes batches of at most so many patches, where fewer take less memory
// (Divisible), and lets at most so many runners
// work at once, until it is called again; 0: as they are. It is for times when memory is
// tight: a batch that is with a runner is not disturbed, no patch is lost, and nobody's
// answer changes, but the time it takes.
func (b *Batcher) Press(batch, runners int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pressed = press{max(batch, 0), max(runners, 0)}
	b.rouse() // who may work again wakes the next one
}

// size is how many patches the worker takes at once now. The caller holds mu.
func (b *Batcher) size(w *worker) int {
	if b.pressed.batch > 0 {
		return min(w.batch, max(w.least, b.pressed.batch))
	}
	return w.batch
}

// through says that the worker has no batch any more. The caller holds mu.
func (b *Batcher) through(w *worker) {
	if w.running {
		w.running = false
		b.running--
	}
}
