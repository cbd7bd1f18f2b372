package cohort

import "fmt"

// unserved says that a cohort's slides wait in vain: workers are there, and none of
// them has the model that it was submitted for. The caller holds mu.
func (l *Ledger) unserved(b *book) []string {
	words := []string{}
	if b.Model == "" || b.over() || len(l.workers) == 0 {
		return words
	}
	for _, w := range l.workers {
		if w.ModelSHA256 == "" || w.ModelSHA256 == b.Model { // an older worker does not say
			return words
		}
	}
	return append(words, fmt.Sprintf("%d slides wait for a worker with the model %.12s, which none of the %d workers has: start one, or cancel and submit them again", b.counts.Pending, b.Model, len(l.workers)))
}
