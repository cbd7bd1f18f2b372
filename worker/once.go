package worker

import (
	"context"
	"sync"
)

// once keeps work of the same key from being done twice at a time. The zero value
// is ready.
type once struct {
	mu     sync.Mutex
	inside map[string]chan struct{}
}

// enter waits until nobody else is inside with the key. leave must be called.
func (o *once) enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		o.mu.Lock()
		other := o.inside[key]
		if other == nil {
			mine := make(chan struct{})
			if o.inside == nil {
				o.inside = map[string]chan struct{}{}
			}
			o.inside[key] = mine
			o.mu.Unlock()
			return func() {
				o.mu.Lock()
				delete(o.inside, key)
				o.mu.Unlock()
				close(mine)
			}, nil
		}
		o.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
