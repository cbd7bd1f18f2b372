package isolate

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// watch ends a child that says nothing for too long while it is asked for something,
// or that uses too much processor time.
type watch struct {
	child   watched
	serving func() bool // whether the child waits for bytes from here
	allowed atomic.Int64
	begun   time.Duration // processor time of the child when the slide began
	quit    chan struct{}
	wg      sync.WaitGroup
}

// watched is the child as its watch sees it.
type watched interface {
	frames() int64          // heard so far
	owing() bool            // it is its turn to say something
	cpu() time.Duration     // it has used
	ended() <-chan struct{} // closed when it is gone
	kill(cause, why string)
}

func startWatch(c watched, cfg *Config, serving func() bool) *watch {
	w := &watch{child: c, serving: serving, begun: c.cpu(), quit: make(chan struct{})}
	w.allow(cfg.CPU)
	w.wg.Go(func() { w.run(cfg.Patience) })
	return w
}

// allow sets the processor time that the slide may use.
func (w *watch) allow(d time.Duration) { w.allowed.Store(int64(d)) }

func (w *watch) stop() {
	close(w.quit)
	w.wg.Wait()
}

func (w *watch) run(patience time.Duration) {
	step := min(patience/8, time.Second)
	tick := time.NewTicker(step)
	defer tick.Stop()
	var silent time.Duration
	heard, last := w.child.frames(), time.Now()
	for {
		select {
		case <-w.quit:
			return
		case <-w.child.ended():
			return
		case <-tick.C:
		}
		if used, allowed := w.child.cpu()-w.begun, time.Duration(w.allowed.Load()); used > allowed {
			w.child.kill(causeTime, fmt.Sprintf("it used more than %v of processor time", allowed.Round(time.Second)))
			return
		}
		// A machine that was asleep, or too busy to run even this, says nothing about the
		// child: such a step counts as two.
		now := time.Now()
		passed := min(now.Sub(last), 2*step)
		last = now
		if h := w.child.frames(); h != heard || w.serving() || !w.child.owing() {
			heard, silent = h, 0
			continue
		}
		if silent += passed; silent >= patience {
			w.child.kill(causeSilence, fmt.Sprintf("it did not answer for %v", patience))
			return
		}
	}
}
