package isolate

import (
	"context"
	"io"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"bcc/fault"
	"bcc/slide"
)

// Pool keeps children that decode slides, one slide at a time each. One more than are
// needed is started in advance. It is safe for concurrent use.
type Pool struct {
	cfg  Config
	met  *metrics
	nest *nest // nil: there can be no children

	mu     sync.Mutex
	closed bool
	idle   []*child
	all    map[*child]bool // that are not known to be dead
	spare  *spare          // on its way, nobody's yet
	lacks  []string
	wg     sync.WaitGroup // starts
}

// spare is a child that is being started.
type spare struct {
	done  chan struct{}
	child *child
	err   error
}

var errClosed = fault.New(fault.Unavailable, "the decoders are closed")

func newPool(cfg Config, met *metrics) *Pool {
	p := &Pool{cfg: cfg, met: met, all: map[*child]bool{}}
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
	if err != nil {
		p.lacks = []string{"slides are decoded in the process that walks them: the system has no memory to share (memfd_create: " + err.Error() + ")"}
		return p
	}
	_ = unix.Close(fd)
	p.nest = newNest()
	p.mu.Lock()
	p.prepare()
	p.mu.Unlock()
	return p
}

func (p *Pool) open(ctx context.Context, r io.ReaderAt, size int64, cfg slide.Config) (reader, error) {
	if p.nest == nil {
		return openHere(r, size, cfg)
	}
	c, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	s, err := p.openRemote(ctx, c, r, size, cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// take returns a child of its own for one slide.
func (p *Pool) take(ctx context.Context) (*child, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, errClosed
		}
		if n := len(p.idle); n > 0 {
			c := p.idle[n-1] // the last used: its memory is warm
			p.idle = p.idle[:n-1]
			p.prepare()
			p.mu.Unlock()
			if c.gone() {
				p.put(c)
				continue
			}
			c.used++
			return c, nil
		}
		p.prepare()
		s := p.spare
		p.spare = nil
		p.mu.Unlock()

		select {
		case <-s.done:
		case <-ctx.Done():
			p.mu.Lock()
			p.wg.Go(func() { // somebody will want it
				<-s.done
				if s.err == nil {
					p.put(s.child)
				}
			})
			p.mu.Unlock()
			return nil, ctx.Err()
		}
		if s.err != nil {
			return nil, s.err
		}
		p.mu.Lock()
		p.prepare()
		p.mu.Unlock()
		s.child.used++
		return s.child, nil
	}
}

// prepare starts a child in advance where none waits; p.mu is held.
func (p *Pool) prepare() {
	if p.closed || len(p.idle) > 0 || p.spare != nil {
		return
	}
	s := &spare{done: make(chan struct{})}
	p.spare = s
	p.wg.Go(func() {
		defer close(s.done)
		var r ready
		s.child, r, s.err = startChild(&p.cfg, p.nest, p.met)
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.err == nil {
			p.all[s.child] = true
			if len(p.lacks) == 0 && len(r.Lacks) > 0 {
				p.lacks = r.Lacks
				p.cfg.Logger.Warn("decoding processes are not bounded in all they do", "lacks", r.Lacks)
			}
		}
		if p.spare == s { // nobody waits for it
			p.spare = nil
			if s.err == nil {
				p.idle = append(p.idle, s.child)
			} else {
				p.cfg.Logger.Warn("start a decoding process", "error", s.err)
			}
		}
	})
}

// put takes a child back when its slide is closed.
func (p *Pool) put(c *child) {
	p.mu.Lock()
	keep := !p.closed && !c.gone() && c.used < p.cfg.Slides && len(p.idle) < max(p.cfg.Idle, 1)
	if keep {
		p.idle = append(p.idle, c)
	} else {
		delete(p.all, c)
		p.prepare()
	}
	p.mu.Unlock()
	if !keep {
		c.kill(causeReleased, "")
		<-c.dead
	}
}

// Degraded says in words what protects less than it should.
func (p *Pool) Degraded() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lacks)
}

// Close ends all children. Slides that are open fail; they are closed as usual.
func (p *Pool) Close() error {
	if p.nest == nil {
		return nil
	}
	p.mu.Lock()
	was := p.closed
	p.closed = true
	p.mu.Unlock()
	if was {
		return nil
	}
	p.wg.Wait() // what was being started
	p.mu.Lock()
	all := p.all
	p.all, p.idle = map[*child]bool{}, nil
	p.mu.Unlock()
	for c := range all {
		c.kill(causeReleased, "")
	}
	for c := range all {
		<-c.dead
	}
	p.nest.close()
	return nil
}
