package isolate

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bcc/fault"
	"bcc/slide"
	"bcc/wsi"
)

// remote is a slide that a child decodes.
type remote struct {
	pool  *Pool
	child *child
	src   io.ReaderAt
	opened
	watch *watch

	mu      sync.Mutex
	closed  bool
	windows []*window // all; those of one user less are free
	free    []*window
	next    uint32           // window
	failed  map[uint32]error // readings of src that failed, by their number

	asks    sync.WaitGroup
	serving atomic.Int32
}

// filed is a reader of bytes that may lie in a file: blob.Object.
type filed interface{ File() *os.File }

// fileOf returns the open file that r reads from its beginning, nil where it is none.
func fileOf(r io.ReaderAt) *os.File {
	switch r := r.(type) {
	case *os.File:
		return r
	case filed:
		return r.File()
	}
	return nil
}

// openRemote has the child open the slide. Where it fails the child is nobody's.
func (p *Pool) openRemote(ctx context.Context, c *child, r io.ReaderAt, size int64, cfg slide.Config) (*remote, error) {
	s := &remote{pool: p, child: c, src: r, failed: map[uint32]error{}}
	file := fileOf(r)
	c.mu.Lock()
	c.serve = s.answer
	c.mu.Unlock()
	s.watch = startWatch(c, &p.cfg, func() bool { return s.serving.Load() > 0 })
	o := opening{Size: size, File: file != nil, CacheBytes: cfg.CacheBytes, Workers: cfg.Workers, MPP: cfg.MPP}
	d, err := s.call(ctx, toOpen, file, &op{}, message(o))
	if err == nil && (d.Opened == nil || len(d.Opened.Levels) == 0) {
		c.kill(causeLie, "it opened a slide of no levels")
		<-c.dead
		err = c.end.err()
	}
	if err != nil {
		s.giveBack()
		return nil, err
	}
	s.opened = *d.Opened
	s.watch.allow(p.cfg.CPU + time.Duration(float64(p.cfg.CPUPerMpx)*float64(s.Levels()[0].Size.Area())/1e6))
	return s, nil
}

func (s *remote) Format() string { return s.opened.Format }

func (s *remote) Levels() []wsi.Level { return append([]wsi.Level(nil), s.opened.Levels...) }

func (s *remote) MPP() (wsi.MPP, error) {
	if !s.opened.MPP.Valid() {
		return wsi.MPP{}, slide.ErrNoMPP
	}
	return s.opened.MPP, nil
}

// soon is how long a child may take to stop what nobody wants any more.
const soon = 2 * time.Second

// call asks the child for something and waits for the end of it. When ctx ends the
// child is told, and what it does not stop soon goes on until Close, which ends it.
func (s *remote) call(ctx context.Context, kind byte, file *os.File, o *op, body ...[]byte) (done, error) {
	if err := ctx.Err(); err != nil {
		return done{}, err
	}
	c := s.child
	c.begin(o)
	if err := c.conn.send(kind, o.num, file, body...); err != nil && !hungUp(err) {
		c.kill(causeLie, "it cannot be asked: "+err.Error())
	}
	select {
	case d := <-o.done:
		return d, s.errorOf(d)
	case <-c.dead:
		return done{}, c.end.err()
	case <-ctx.Done():
	}
	return done{}, s.stop(ctx, o)
}

// stop has the child stop the operation, and returns the end of ctx.
func (s *remote) stop(ctx context.Context, o *op) error {
	_ = s.child.conn.send(toCancel, o.num, nil)
	late := time.NewTimer(soon)
	defer late.Stop()
	select {
	case <-o.done:
	case <-s.child.dead:
	case <-late.C:
	}
	return ctx.Err()
}

// errorOf returns the error that the child gives, with the cause it has here.
func (s *remote) errorOf(d done) error {
	if d.Error == nil {
		return nil
	}
	s.mu.Lock()
	cause := s.failed[d.Error.Source]
	s.mu.Unlock()
	return unpack(*d.Error, cause)
}

// usable returns an error where the slide is closed.
func (s *remote) usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fault.New(fault.Invalid, "the slide is closed")
	}
	return nil
}

// maxOverview is the largest overview that a child is believed to have made, in
// pixels: four times what slide makes.
const maxOverview = 16 << 20

func (s *remote) Overview(ctx context.Context, down float64) (*wsi.Overview, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	view := &op{}
	d, err := s.call(ctx, toView, nil, view, order.AppendUint64(nil, math.Float64bits(down)))
	if err != nil {
		return nil, err
	}
	v := d.Viewed
	if v == nil || v.Size.W < 1 || v.Size.H < 1 || v.Size.W > maxOverview || v.Size.Area() > maxOverview {
		s.child.kill(causeLie, "it made an overview of no size")
		<-s.child.dead
		return nil, s.child.end.err()
	}
	ov := &wsi.Overview{Image: wsi.NewImage(v.Size.W, v.Size.H), ScaleX: v.ScaleX, ScaleY: v.ScaleY}
	w, err := s.window(len(ov.Pix))
	if err != nil {
		return nil, err
	}
	if _, err := s.call(ctx, toFetch, nil, &op{}, message(fetching{View: view.num, Window: w.num})); err != nil {
		return nil, s.forsake(w, err)
	}
	copy(ov.Pix, w.mem)
	s.leave(w)
	return ov, nil
}

// Read reads in bands, so that a large rectangle needs no large window.
func (s *remote) Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error {
	if err := s.usable(); err != nil {
		return err
	}
	const side = 1 << 20 // no level is larger: the child says what is wrong with it
	high := r.H
	if r.W > 0 && r.W < side && r.H > 0 {
		high = max(1, min(r.H, readBytes/(3*r.W)))
	}
	if r.Empty() || r.W > side || r.H > side || int64(len(dst)) < 3*int64(r.W)*int64(r.H) {
		return fault.New(fault.Invalid, "read region %v at level %d: %d bytes do not hold it", r, level, len(dst))
	}
	w, err := s.window(3 * r.W * high)
	if err != nil {
		return err
	}
	for y := 0; y < r.H; y += high {
		band := wsi.Rect{X: r.X, Y: r.Y + y, W: r.W, H: min(high, r.H-y)}
		if _, err := s.call(ctx, toRead, nil, &op{}, message(reading{level, band, w.num})); err != nil {
			return s.forsake(w, err)
		}
		copy(dst[3*r.W*y:], w.mem[:3*band.W*band.H])
	}
	s.leave(w)
	return nil
}

// readBytes is the most that Read reads at once.
const readBytes = 4 << 20

// Close gives the child back for the next slide. What it still does is ended with it.
// It waits for reads of the slide's bytes that are under way: afterwards they may go.
func (s *remote) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if !was {
		s.giveBack()
	}
	return nil
}

// giveBack ends what the slide has of the child.
func (s *remote) giveBack() {
	c := s.child
	if c.busy() {
		c.kill(causeCancelled, "nobody waits for it")
		<-c.dead
	} else {
		ctx, stop := context.WithTimeout(context.Background(), soon)
		_, err := s.call(ctx, toClose, nil, &op{})
		stop()
		if err != nil {
			c.kill(causeSilence, fmt.Sprintf("it did not close the slide within %v", soon))
			<-c.dead
		}
	}
	c.mu.Lock()
	c.serve = nil
	c.mu.Unlock()
	s.asks.Wait()
	s.watch.stop()
	s.mu.Lock()
	for _, w := range s.windows {
		w.retire()
	}
	s.windows, s.free = nil, nil
	s.mu.Unlock()
	s.pool.put(c)
}
