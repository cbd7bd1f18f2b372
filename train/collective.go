package train

import "context"

// Collective joins the ranks of one run: processes that train the same network,
// each on its share of every step. Its methods are called from one goroutine at a
// time and in the same order, with the same lengths, on all ranks. A call that
// fails or is left before its end leaves the ranks out of step: nothing but Close
// may follow it.
type Collective interface {
	// Rank is this process's place, from 0 to Size()-1.
	Rank() int
	// Size is the number of ranks.
	Size() int
	// AllReduce replaces data by its sum over all ranks, the same bits on each. It is
	// of float64, in which sums of gradients are exact (exact.go).
	AllReduce(ctx context.Context, data []float64) error
	// Broadcast replaces data by that of rank root.
	Broadcast(ctx context.Context, data []byte, root int) error
	// Barrier returns when every rank has called it.
	Barrier(ctx context.Context) error
	// Close leaves the others. After a run that went well it waits for them.
	Close() error
}

// Alone is the world of one rank.
type Alone struct{}

var _ Collective = Alone{}

// Rank returns 0.
func (Alone) Rank() int { return 0 }

// Size returns 1.
func (Alone) Size() int { return 1 }

// AllReduce leaves data as it is: the sum over one rank.
func (Alone) AllReduce(ctx context.Context, data []float64) error { return ctx.Err() }

// Broadcast leaves data as it is.
func (Alone) Broadcast(ctx context.Context, data []byte, root int) error { return ctx.Err() }

// Barrier returns at once.
func (Alone) Barrier(ctx context.Context) error { return ctx.Err() }

// Close does nothing.
func (Alone) Close() error { return nil }
