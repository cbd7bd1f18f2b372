package deepzoom_test

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"bcc/deepzoom"
	"bcc/wsi"
)

// painted is a slide of any size that costs no memory: colour says what lies at a
// level-0 position, and a pixel of a smaller level shows what lies at its middle.
type painted struct {
	size    wsi.Size
	downs   []int
	colour  func(x, y float64) (r, g, b byte)
	largest atomic.Int64 // pixels of the largest read
	read    atomic.Int64 // pixels read
}

func (p *painted) Levels() []wsi.Level {
	var ls []wsi.Level
	for i, d := range p.downs {
		ls = append(ls, wsi.Level{
			Index: i, Size: wsi.Size{W: max(p.size.W/d, 1), H: max(p.size.H/d, 1)}, // rounded down, as scanners do
			DownX: float64(d), DownY: float64(d), Tile: wsi.Size{W: 256, H: 256},
		})
	}
	return ls
}

func (p *painted) Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := int64(r.W) * int64(r.H)
	p.read.Add(n)
	for old := p.largest.Load(); n > old && !p.largest.CompareAndSwap(old, n); old = p.largest.Load() {
	}
	p.paint(p.Levels()[level].Size, float64(p.downs[level]), r, dst)
	return nil
}

func (p *painted) paint(size wsi.Size, down float64, r wsi.Rect, dst []byte) {
	for y := range r.H {
		for x := range r.W {
			d := dst[3*(y*r.W+x):][:3]
			if at := (wsi.Rect{X: r.X + x, Y: r.Y + y, W: 1, H: 1}); at.Intersect(wsi.Rect{W: size.W, H: size.H}).Empty() {
				d[0], d[1], d[2] = 255, 255, 255
				continue
			}
			d[0], d[1], d[2] = p.colour((float64(r.X+x)+0.5)*down, (float64(r.Y+y)+0.5)*down)
		}
	}
}

// overviewed is a painted slide with an overview, as slide.Slide makes one.
type overviewed struct {
	*painted
	made atomic.Int32
	fail func() error
}

func (o *overviewed) Overview(_ context.Context, down float64) (*wsi.Overview, error) {
	o.made.Add(1)
	if o.fail != nil {
		if err := o.fail(); err != nil {
			return nil, err
		}
	}
	w, h := int(float64(o.size.W)/down+0.5), int(float64(o.size.H)/down+0.5)
	m := wsi.NewImage(w, h)
	sx, sy := float64(o.size.W)/float64(w), float64(o.size.H)/float64(h)
	for y := range h {
		for x := range w {
			d := m.Pix[3*(y*w+x):][:3]
			d[0], d[1], d[2] = o.colour((float64(x)+0.5)*sx, (float64(y)+0.5)*sy)
		}
	}
	return &wsi.Overview{Image: m, ScaleX: sx, ScaleY: sy}, nil
}

// ramp says in red how far right and in green how far down a place of a slide lies.
func ramp(size wsi.Size) func(x, y float64) (r, g, b byte) {
	return func(x, y float64) (byte, byte, byte) {
		at := func(v float64, n int) byte { return byte(math.Round(255 * min(max(v/float64(n), 0), 1))) }
		return at(x, size.W), at(y, size.H), 77
	}
}

// noise is another colour at each level-0 pixel.
func noise(x, y float64) (r, g, b byte) {
	v := (uint32(int(x))*2654435761 ^ uint32(int(y))*2246822519) * 3266489917
	return byte(v >> 24), byte(v >> 16), byte(v >> 8)
}

// each calls f for every tile of a level, several at a time.
func each(t *testing.T, g deepzoom.Geometry, level int, f func(x, y int, at wsi.Rect)) {
	t.Helper()
	size := g.Level(level)
	var wg sync.WaitGroup
	defer wg.Wait()
	for y := 0; y*g.TilePx < size.H; y++ {
		for x := 0; x*g.TilePx < size.W; x++ {
			at, err := g.Rect(level, x, y)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { f(x, y, at) })
		}
	}
}
