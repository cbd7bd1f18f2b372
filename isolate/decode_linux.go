package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"sync/atomic"
	"time"

	"bcc/fault"
	"bcc/slide"
)

// decoded is the slide that a child has open.
type decoded struct {
	*slide.Slide
	file  *os.File // nil: its bytes come from the parent
	alive func()   // ends the word that bytes are read
}

// open opens the slide, whose bytes are in file or with the parent.
func (d *decoder) open(o opening, file *os.File) (done, error) {
	var src io.ReaderAt = d.bytes
	if file != nil {
		src = file
	}
	counted := &counting{ReaderAt: poisoned(src, o.Size)}
	quiet := d.tellReads(counted)
	cfg := o.config()
	cfg.Codecs = d.codecs
	s, err := slide.Open(counted, o.Size, cfg)
	if err != nil {
		quiet()
		if file != nil {
			file.Close()
		}
		return done{}, err
	}
	d.mu.Lock()
	d.slide = &decoded{s, file, quiet}
	d.mu.Unlock()
	mpp, err := s.MPP()
	if err != nil && !errors.Is(err, slide.ErrNoMPP) {
		return done{}, err
	}
	return done{Opened: &opened{Format: s.Format(), Levels: s.Levels(), MPP: mpp}}, nil
}

// close closes the slide and forgets all that was shared for it. Nothing else runs:
// the parent sees to that.
func (d *decoder) close() error {
	d.mu.Lock()
	s := d.slide
	d.slide = nil
	clear(d.views)
	for num := range d.windows {
		d.dropWindow(num)
	}
	d.mu.Unlock()
	if s == nil {
		return nil
	}
	s.alive()
	err := s.Close()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return err
}

// current returns the open slide.
func (d *decoder) current() (*decoded, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slide == nil {
		return nil, fault.New(fault.Internal, "no slide is open")
	}
	return d.slide, nil
}

// view makes an overview, which waits to be fetched.
func (d *decoder) view(ctx context.Context, num uint32, down float64) (done, error) {
	s, err := d.current()
	if err != nil {
		return done{}, err
	}
	ov, err := s.Overview(ctx, down)
	if err != nil {
		return done{}, err
	}
	d.mu.Lock()
	d.views[num] = ov
	d.mu.Unlock()
	return done{Viewed: &viewed{Size: ov.Size, ScaleX: ov.ScaleX, ScaleY: ov.ScaleY}}, nil
}

// fetch writes an overview into a window.
func (d *decoder) fetch(t fetching) error {
	w, err := d.enter(t.Window)
	if err != nil {
		return err
	}
	defer d.leave(w)
	d.mu.Lock()
	ov := d.views[t.View]
	delete(d.views, t.View)
	d.mu.Unlock()
	if ov == nil || len(ov.Pix) > len(w.mem) {
		return fault.New(fault.Internal, "no such overview, or no room for it")
	}
	copy(w.mem, ov.Pix)
	return nil
}

// read reads a rectangle into a window.
func (d *decoder) read(ctx context.Context, r reading) error {
	s, err := d.current()
	if err != nil {
		return err
	}
	w, err := d.enter(r.Window)
	if err != nil {
		return err
	}
	defer d.leave(w)
	return s.Read(ctx, r.Level, r.Rect, w.mem)
}

// counting counts how often bytes are read.
type counting struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	c.n.Add(1)
	return c.ReaderAt.ReadAt(p, at)
}

// tellReads tells the parent now and then that bytes are read: an overview of a flat
// slide takes minutes, and is no silence. The function that is returned ends it.
func (d *decoder) tellReads(c *counting) func() {
	quit := make(chan struct{})
	go func() {
		tick := time.NewTicker(min(d.patience/8, time.Second))
		defer tick.Stop()
		for last := int64(0); ; {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			if n := c.n.Load(); n != last {
				last = n
				_ = d.conn.send(fromAlive, 0, nil)
			}
		}
	}()
	return func() { close(quit) }
}

func unpackWalking(b []byte) (walking, error) {
	var w walking
	if len(b) < 4 || uint64(len(b)-4) < uint64(order.Uint32(b)) {
		return w, errors.New("a walk without words")
	}
	n := 4 + int(order.Uint32(b))
	if err := json.Unmarshal(b[4:n], &w); err != nil {
		return w, err
	}
	w.Grid.Cells = unpackCells(b[n:])
	return w, nil
}

func unpackDown(b []byte) float64 {
	if len(b) != 8 {
		return math.NaN() // which is refused
	}
	return math.Float64frombits(order.Uint64(b))
}
