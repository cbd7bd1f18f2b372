package slide

import (
	"sync"

	"bcc/fault"
)

// pool keeps decoders that serve one goroutine at a time.
type pool[T interface{ Close() }] struct {
	name string
	open func() (T, error)

	mu     sync.Mutex
	idle   []T
	closed bool
}

// get returns an idle decoder or a new one.
func (p *pool[T]) get() (d T, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return d, errClosed
	}
	if n := len(p.idle); n > 0 {
		d = p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return d, nil
	}
	p.mu.Unlock()
	if p.open == nil {
		return d, fault.Hint(fault.New(fault.Unsupported, "no %s decoder is there", p.name),
			"use a build of this program with cgo")
	}
	return p.open()
}

// put gives a decoder back; after close it is closed.
func (p *pool[T]) put(d T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		d.Close()
		return
	}
	p.idle = append(p.idle, d)
}

// close closes the idle decoders; those in use are closed when they come back.
func (p *pool[T]) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, d := range p.idle {
		d.Close()
	}
	p.idle = nil
}
