package patch

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// pool lends pixel buffers, so many at a time and no more.
type pool struct {
	bytes    int
	make     func(bytes int) []byte
	room     *semaphore.Weighted
	released func() // told of each buffer that comes back from a receiver; may be nil

	mu   sync.Mutex
	free []*buffer
}

type buffer struct {
	pix     []byte
	release func() // made once, so that a patch costs no allocation
}

func newPool(bytes, buffers int, make func(int) []byte, released func()) *pool {
	return &pool{bytes: bytes, make: make, room: semaphore.NewWeighted(int64(buffers)), released: released}
}

// take waits until n buffers are free and returns them.
func (p *pool) take(ctx context.Context, n int) ([]*buffer, error) {
	if err := p.room.Acquire(ctx, int64(n)); err != nil {
		return nil, err
	}
	out := make([]*buffer, 0, n)
	p.mu.Lock()
	cut := max(len(p.free)-n, 0)
	out = append(out, p.free[cut:]...) // the last used: most likely still in a core's cache
	p.free = p.free[:cut]
	p.mu.Unlock()
	for len(out) < n {
		b := &buffer{pix: p.make(p.bytes)}
		b.release = func() {
			p.put(b)
			if p.released != nil {
				p.released()
			}
		}
		out = append(out, b)
	}
	return out, nil
}

func (p *pool) put(b *buffer) {
	p.mu.Lock()
	p.free = append(p.free, b)
	p.mu.Unlock()
	p.room.Release(1)
}
