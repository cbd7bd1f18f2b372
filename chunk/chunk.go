// Package chunk divides a list among workers: into runs of neighbours whose sizes
// differ by one at most. In: two numbers. Out: ranges. It knows nothing of what is
// divided.
package chunk

// Range is the items from the From-th, counted from 0, up to the To-th.
type Range struct{ From, To int }

// Len is the number of items.
func (r Range) Len() int { return r.To - r.From }

// Cut divides n items among workers. There are as many chunks as workers, or as items
// where those are fewer: none is empty, none is left over, and the longer ones come
// first. Without items or workers there is none.
func Cut(n, workers int) []Range {
	if n <= 0 || workers <= 0 {
		return nil
	}
	workers = min(workers, n)
	each, longer := n/workers, n%workers
	cuts := make([]Range, workers)
	from := 0
	for i := range cuts {
		to := from + each
		if i < longer {
			to++
		}
		cuts[i] = Range{from, to}
		from = to
	}
	return cuts
}

// Of returns what the i-th of so many workers, counted from 0, gets of n items: an
// empty range where there is nothing left for it. Cut's chunks are made of it without
// making them all, for a worker that knows only its own number.
func Of(n, workers, i int) Range {
	if n <= 0 || workers <= 0 || i < 0 || i >= workers {
		return Range{}
	}
	each, longer := n/workers, n%workers
	from := i*each + min(i, longer)
	to := from + each
	if i < longer {
		to++
	}
	return Range{from, to}
}
