package traintest

import (
	"context"
	"sync"

	"bcc/train"
)

// World returns n ranks that meet in memory. Sums run in rank order.
func World(n int) []train.Collective {
	m := &meeting{size: n, all: make(chan struct{})}
	ranks := make([]train.Collective, n)
	for i := range ranks {
		ranks[i] = &member{meeting: m, rank: i}
	}
	return ranks
}

// meeting is where the ranks of one call come together. The last to come does the
// work for all and opens the next call.
type meeting struct {
	size int

	mu    sync.Mutex
	here  int
	parts []any         // what each rank brought, by rank
	all   chan struct{} // closed when the present call is over
}

// member is one rank of a World.
type member struct {
	*meeting
	rank int
}

// Rank returns this rank's place.
func (m *member) Rank() int { return m.rank }

// Size returns the number of ranks.
func (m *member) Size() int { return m.size }

// AllReduce sums in rank order.
func (m *member) AllReduce(ctx context.Context, data []float64) error {
	return m.meet(ctx, data, func(parts []any) {
		sum := make([]float64, len(data))
		for _, p := range parts {
			for i, v := range p.([]float64) {
				sum[i] += v
			}
		}
		for _, p := range parts {
			copy(p.([]float64), sum)
		}
	})
}

// Broadcast copies root's bytes.
func (m *member) Broadcast(ctx context.Context, data []byte, root int) error {
	return m.meet(ctx, data, func(parts []any) {
		for _, p := range parts {
			copy(p.([]byte), parts[root].([]byte))
		}
	})
}

// Barrier waits for all.
func (m *member) Barrier(ctx context.Context) error {
	return m.meet(ctx, nil, func([]any) {})
}

// Close does nothing.
func (m *member) Close() error { return nil }

// meet brings part to the call and returns when work was done on all parts.
func (m *member) meet(ctx context.Context, part any, work func(parts []any)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	if m.here == 0 {
		m.parts = make([]any, m.size)
	}
	m.parts[m.rank] = part
	m.here++
	all := m.all
	if m.here == m.size {
		work(m.parts)
		m.here, m.all = 0, make(chan struct{})
		close(all)
	}
	m.mu.Unlock()
	select {
	case <-all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
