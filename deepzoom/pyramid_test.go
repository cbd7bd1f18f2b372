package deepzoom_test

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"math"
	"slices"
	"sync"
	"testing"

	"bcc/deepzoom"
	"bcc/fault"
	"bcc/wsi"
)

// A slide that goes from black to red and green shows at every pixel of every level
// what lies at its middle, to a shade.
func TestEveryPixelShowsItsPlaceOnTheSlide(t *testing.T) {
	t.Parallel()
	size := wsi.Size{W: 1001, H: 699}
	for name, src := range map[string]deepzoom.Source{
		"levels 2 apart": &painted{size: size, downs: []int{1, 2, 4, 8}, colour: ramp(size)},
		"levels 4 apart": &painted{size: size, downs: []int{1, 4, 16}, colour: ramp(size)},
		"levels of 3":    &painted{size: size, downs: []int{1, 3, 9}, colour: ramp(size)},
		"one level":      &painted{size: size, downs: []int{1}, colour: ramp(size)},
	} {
		p := deepzoom.New(src, 125, 1)
		for n := range p.Levels() {
			down := float64(p.Down(n))
			each(t, p.Geometry, n, func(x, y int, at wsi.Rect) {
				m, err := p.Tile(t.Context(), n, x, y)
				if err != nil {
					t.Errorf("%s, level %d, tile (%d,%d): %v", name, n, x, y, err)
					return
				}
				if m.Size != (wsi.Size{W: at.W, H: at.H}) {
					t.Errorf("%s, level %d, tile (%d,%d): %v, want %v", name, n, x, y, m.Size, at)
					return
				}
				for j := range m.H {
					for i := range m.W {
						u, v := (float64(at.X+i)+0.5)*down, (float64(at.Y+j)+0.5)*down
						if u < 2*down || v < 2*down || u > float64(size.W)-2*down-16 || v > float64(size.H)-2*down-16 {
							continue // the filter meets the edge, or a level that was rounded down
						}
						r, g, _ := m.At(i, j)
						if dr, dg := math.Abs(float64(r)-255*u/float64(size.W)), math.Abs(float64(g)-255*v/float64(size.H)); dr > 1.2 || dg > 1.2 {
							t.Errorf("%s, level %d, pixel (%d,%d): %d, %d, off by %.1f and %.1f", name, n, at.X+i, at.Y+j, r, g, dr, dg)
							return
						}
					}
				}
			})
		}
	}
}

// Tiles cut from a level are the level: a pixel does not depend on its tile.
func TestTilesThatTouchAgree(t *testing.T) {
	t.Parallel()
	size := wsi.Size{W: 701, H: 533}
	for _, downs := range [][]int{{1, 2, 4}, {1, 4}, {1, 3}} {
		src := &painted{size: size, downs: downs, colour: noise}
		whole, cut := deepzoom.New(src, 1024, 0), deepzoom.New(src, 100, 3)
		for n := range whole.Levels() {
			want, err := whole.Tile(t.Context(), n, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			each(t, cut.Geometry, n, func(x, y int, at wsi.Rect) {
				got, err := cut.Tile(t.Context(), n, x, y)
				if err != nil {
					t.Error(err)
					return
				}
				for j := range at.H {
					if !bytes.Equal(got.Row(j), want.Row(at.Y + j)[3*at.X:3*(at.X+at.W)]) {
						t.Errorf("levels %v, level %d: row %d of tile (%d,%d) differs from the whole", downs, n, j, x, y)
						return
					}
				}
			})
		}
	}
}

func TestTheLastLevelIsTheSlideAsItIs(t *testing.T) {
	t.Parallel()
	src := &painted{size: wsi.Size{W: 300, H: 200}, downs: []int{1}, colour: noise}
	p := deepzoom.New(src, 1024, 0)
	m, err := p.Tile(t.Context(), p.Levels()-1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, len(m.Pix))
	if err := src.Read(t.Context(), 0, wsi.Rect{W: 300, H: 200}, want); err != nil || !bytes.Equal(want, m.Pix) {
		t.Errorf("pixels differ: %v", err)
	}
}

// The area of a mark stays where it is when it is shown smaller.
func TestAMarkStaysInItsPlace(t *testing.T) {
	t.Parallel()
	mark := wsi.Rect{X: 1100, Y: 517, W: 64, H: 64}
	src := &painted{size: wsi.Size{W: 1400, H: 900}, downs: []int{1}, colour: func(x, y float64) (r, g, b byte) {
		if at := (wsi.Rect{X: int(x), Y: int(y), W: 1, H: 1}); !at.Intersect(mark).Empty() {
			return 255, 255, 255
		}
		return 0, 0, 0
	}}
	p := deepzoom.New(src, 1024, 0)
	for n := p.Levels() - 2; p.Down(n) <= 64; n-- {
		m, err := p.Tile(t.Context(), n, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var sum, sx, sy float64
		for j := range m.H {
			for i := range m.W {
				r, _, _ := m.At(i, j)
				sum, sx, sy = sum+float64(r), sx+float64(r)*(float64(i)+0.5), sy+float64(r)*(float64(j)+0.5)
			}
		}
		down := float64(p.Down(n))
		x, y := sx/sum*down, sy/sum*down
		if math.Abs(x-1132) > down/10 || math.Abs(y-549) > down/10 {
			t.Errorf("level of 1/%v: the mark's middle is at (%.1f, %.1f), painted at (1132, 549)", down, x, y)
		}
	}
}

func TestMemoryStaysSmallOnASlideWithoutSmallLevels(t *testing.T) {
	t.Parallel()
	for size, downs := range map[wsi.Size][]int{
		{W: 20_000, H: 16_000}:   {1, 8, 16, 64, 256, 1024}, // 16 takes more than is read at once
		{W: 140_000, H: 130_000}: {1, 64, 128, 1024},        // 64 is enlarged from the overview
	} {
		flat := &overviewed{painted: &painted{size: size, downs: []int{1}, colour: ramp(size)}}
		p := deepzoom.New(flat, 128, 1)
		for n := range p.Levels() {
			if !slices.Contains(downs, p.Down(n)) {
				continue
			}
			x, y := p.Level(n).W/256, p.Level(n).H/256 // one in the middle
			at, err := p.Rect(n, x, y)
			if err != nil {
				t.Fatal(err)
			}
			m, err := p.Tile(t.Context(), n, x, y)
			if err != nil {
				t.Fatal(err)
			}
			down := float64(p.Down(n))
			r, g, _ := m.At(at.W/2, at.H/2)
			u, v := 255*(float64(at.X+at.W/2)+0.5)*down/float64(size.W), 255*(float64(at.Y+at.H/2)+0.5)*down/float64(size.H)
			if math.Abs(float64(r)-u) > 1.2 || math.Abs(float64(g)-v) > 1.2 {
				t.Errorf("%v, level %d: %d, %d, want %.1f, %.1f", size, n, r, g, u, v)
			}
		}
		if n := flat.largest.Load(); n > 4<<20 {
			t.Errorf("%v: %d pixels were read at once", size, n)
		}
		if n := flat.made.Load(); n != 1 {
			t.Errorf("%v: the overview was made %d times", size, n)
		}
		p = deepzoom.New(flat.painted, 128, 1) // which has none
		if _, err := p.Tile(t.Context(), 0, 0, 0); fault.Of(err) != fault.Unsupported || fault.HintOf(err) == "" {
			t.Errorf("%v without an overview: %v, want unsupported and what to do", size, err)
		}
	}
}

func TestTheOverviewIsMadeOnceAndAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	size := wsi.Size{W: 6000, H: 6000}
	first := true
	flat := &overviewed{painted: &painted{size: size, downs: []int{1}, colour: ramp(size)}}
	flat.fail = func() error { // one at a time: first needs no lock
		if first {
			first = false
			return fault.New(fault.Unavailable, "the disk is away")
		}
		return nil
	}
	p := deepzoom.New(flat, 256, 0)
	if _, err := p.Tile(t.Context(), 0, 0, 0); fault.Of(err) != fault.Unavailable {
		t.Errorf("error %v, want unavailable", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Tile(gone, 0, 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want cancelled", err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := p.Tile(t.Context(), 1, 0, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := flat.made.Load(); n != 2 {
		t.Errorf("made %d times, want once more than it failed", n)
	}
}

func TestATileIsAJPEG(t *testing.T) {
	t.Parallel()
	size := wsi.Size{W: 600, H: 400}
	p := deepzoom.New(&painted{size: size, downs: []int{1}, colour: ramp(size)}, 256, 1)
	b, err := p.JPEG(t.Context(), p.Levels()-1, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil || m.Bounds().Dx() != 258 || m.Bounds().Dy() != 400-255 {
		t.Fatalf("%v, %v", m.Bounds(), err)
	}
	r, g, _, _ := m.At(100, 50).RGBA()
	if math.Abs(float64(r>>8)-255*355.5/600) > 6 || math.Abs(float64(g>>8)-255*305.5/400) > 6 {
		t.Errorf("red %d, green %d", r>>8, g>>8)
	}
	if _, err := p.JPEG(t.Context(), p.Levels(), 0, 0); fault.Of(err) != fault.NotFound {
		t.Errorf("outside: %v", err)
	}
}

func TestAFailedReadIsAFailedTile(t *testing.T) {
	t.Parallel()
	size := wsi.Size{W: 600, H: 400}
	p := deepzoom.New(broken{&painted{size: size, downs: []int{1}, colour: ramp(size)}}, 256, 1)
	for n := range p.Levels() {
		if _, err := p.Tile(t.Context(), n, 0, 0); fault.Of(err) != fault.Corrupt {
			t.Errorf("level %d: %v, want corrupt", n, err)
		}
	}
}

type broken struct{ *painted }

func (broken) Read(context.Context, int, wsi.Rect, []byte) error {
	return fault.New(fault.Corrupt, "half a tile")
}
