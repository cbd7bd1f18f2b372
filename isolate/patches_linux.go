package isolate

import (
	"context"
	"errors"
	"sync"
	"time"

	"bcc/fault"
	"bcc/patch"
	"bcc/wsi"
)

// telling is how many patches, or released slots, go into one message at most: each
// wakes the other process, which costs more than the bytes.
const telling = 8

// walk is one reading of patches, seen from here. The window is cut into slots, a
// patch each; the child fills those that are not out.
type walk struct {
	s    *remote
	op   op
	w    *window
	grid *wsi.Grid
	cfg  patch.Config
	size int // bytes of a slot
	lag  int // released slots that wait to be told

	come chan []some // cap: the slots, each in one message at most

	mu      sync.Mutex
	taken   []bool // slots that the child may not fill
	seen    []bool // patches that came
	left    int    // patches to come
	held    int    // slots here: not released, or waiting to be sent on
	freed   []byte // released slots, not told yet
	over    bool   // nothing more is told
	tellers sync.WaitGroup

	release []func() // by slot
}

// some is one patch that the child has read.
type some struct {
	index, slot int
	took        time.Duration
}

// Patches has the child read the patches. Those that are sent lie in memory that the
// child wrote; it writes there again when they are released.
func (s *remote) Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error {
	if err := s.usable(); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	n := cfg.Prefetch
	if n == 0 {
		n = patch.DefaultConfig(cfg.SizePx, cfg.MPP).Prefetch
	}
	lag := max(min(telling, n/4), 1)
	slots := n + lag - 1 // as many as in one process, with those that wait to be told
	k := &walk{
		s: s, grid: g, cfg: cfg, size: 3 * cfg.SizePx * cfg.SizePx, lag: lag,
		come: make(chan []some, slots), taken: make([]bool, slots), seen: make([]bool, g.Len()), left: g.Len(),
		release: make([]func(), slots),
	}
	k.op.some, k.op.owes = k.arrive, k.owes
	var err error
	if k.w, err = s.window(slots * k.size); err != nil {
		return err
	}
	how := walking{
		Window: k.w.num, Grid: *g, SizePx: cfg.SizePx, MPP: cfg.MPP, Readers: cfg.Readers,
		Slots: slots, Low: lag + 4, CacheBytes: cfg.CacheBytes,
	}
	how.Grid.Cells = nil
	words := message(how)
	err = k.run(ctx, out, order.AppendUint32(nil, uint32(len(words))), words, packCells(nil, g.Cells))
	k.mu.Lock()
	k.over = true
	k.mu.Unlock()
	k.tellers.Wait()
	if err != nil {
		return s.forsake(k.w, err)
	}
	s.leave(k.w)
	return nil
}

// run asks the child and sends on what comes, until the last patch is sent.
func (k *walk) run(ctx context.Context, out chan<- wsi.Patch, body ...[]byte) error {
	asked, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := k.s.call(asked, toPatches, nil, &k.op, body...)
		ended <- err
	}()
	for sent := 0; ended != nil || sent < k.grid.Len(); {
		var more []some
		select {
		case more = <-k.come: // before the end, which comes after all patches
		default:
			select {
			case more = <-k.come:
			case err := <-ended:
				if err != nil {
					return err
				}
				if ended = nil; !k.whole() {
					return fault.New(fault.Internal, "read patches: some of %d did not come", k.grid.Len())
				}
			}
		}
		for _, p := range more {
			if err := k.send(ctx, p, out); err != nil {
				stop()
				if ended != nil {
					<-ended
				}
				return err
			}
			sent++
		}
	}
	return nil
}

// whole reports whether all patches came.
func (k *walk) whole() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left == 0
}

// send sends one patch on.
func (k *walk) send(ctx context.Context, p some, out chan<- wsi.Patch) error {
	if k.cfg.Read != nil {
		k.cfg.Read(p.took)
	}
	if k.release[p.slot] == nil {
		k.release[p.slot] = func() { k.free(p.slot) }
	}
	at := p.slot * k.size
	k.w.enter()
	select {
	case out <- wsi.Patch{Index: p.index, Pix: k.w.mem[at : at+k.size : at+k.size], Release: k.release[p.slot]}:
		return nil
	case <-ctx.Done():
		k.w.leave()
		return ctx.Err()
	}
}

// arrive takes patches that the child has read. It is called by the one goroutine
// that hears the child, and does not wait.
func (k *walk) arrive(body []byte) error {
	if len(body) == 0 || len(body)%someBytes != 0 {
		return errors.New("patches that are none")
	}
	more := make([]some, 0, len(body)/someBytes)
	k.mu.Lock()
	defer k.mu.Unlock()
	for ; len(body) > 0; body = body[someBytes:] {
		p := some{int(order.Uint32(body)), int(order.Uint32(body[4:])), time.Duration(order.Uint32(body[8:])) * time.Microsecond}
		if p.index >= len(k.seen) || k.seen[p.index] || p.slot >= len(k.taken) || k.taken[p.slot] {
			return errors.New("a patch that is not to come, or twice")
		}
		k.seen[p.index], k.taken[p.slot] = true, true
		k.held++
		k.left--
		more = append(more, p)
	}
	k.come <- more // there is room: each holds a slot
	return nil
}

// owes reports whether the child has room to go on with: nothing waits here.
func (k *walk) owes() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held == 0
}

// free is the Release of a slot's patch.
func (k *walk) free(slot int) {
	k.mu.Lock()
	k.held--
	if !k.over && k.left > 0 {
		k.taken[slot] = false
		k.freed = order.AppendUint32(k.freed, uint32(slot))
		if len(k.freed) >= 4*k.lag || k.held == 0 {
			told := k.freed
			k.freed = nil
			// Whoever releases runs the model: it must not wait for a child that is stopped.
			k.tellers.Go(func() { _ = k.s.child.conn.send(toFreed, k.op.num, nil, told) })
		}
	}
	k.mu.Unlock()
	k.s.leave(k.w)
	if k.cfg.Released != nil {
		k.cfg.Released()
	}
}
