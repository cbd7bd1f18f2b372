package patch_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"bcc/patch"
	"bcc/wsi"
)

// source is a slide in memory.
type source struct {
	levels []wsi.Level
	pix    []*wsi.Image
	reads  atomic.Int64
	seen   func(level int, r wsi.Rect) // called for each read, one at a time
	err    error                       // given back by every read
	mu     sync.Mutex
}

func (s *source) Levels() []wsi.Level { return s.levels }

func (s *source) Read(_ context.Context, level int, r wsi.Rect, dst []byte) error {
	s.reads.Add(1)
	if s.err != nil {
		return s.err
	}
	if len(dst) != 3*r.W*r.H {
		return fmt.Errorf("%d bytes for %v", len(dst), r)
	}
	if s.seen != nil {
		s.mu.Lock()
		s.seen(level, r)
		s.mu.Unlock()
	}
	m := s.pix[level]
	in := r.Intersect(wsi.Rect{W: m.W, H: m.H})
	if in != r {
		for i := range dst {
			dst[i] = 255
		}
	}
	for y := in.Y; y < in.Y+in.H; y++ {
		copy(dst[3*((y-r.Y)*r.W+in.X-r.X):], m.Row(y)[3*in.X:3*(in.X+in.W)])
	}
	return nil
}

// code is a colour that says where a pixel is, for slides of up to 3840² pixels.
func code(level, x, y int) [3]byte {
	return [3]byte{byte(x) ^ byte(level*85), byte(y), byte(x>>8<<4 | y>>8)}
}

// coded is a pyramid whose every pixel says which one it is.
func coded(level0 wsi.Size, downs ...float64) *source {
	s := &source{}
	for i, d := range downs {
		m := wsi.NewImage(int(math.Ceil(float64(level0.W)/d)), int(math.Ceil(float64(level0.H)/d)))
		for y := range m.H {
			for x := range m.W {
				c := code(i, x, y)
				copy(m.Pix[3*(y*m.W+x):], c[:])
			}
		}
		s.add(m, d, d)
	}
	return s
}

func (s *source) add(m *wsi.Image, downX, downY float64) {
	s.levels = append(s.levels, wsi.Level{Index: len(s.levels), Size: m.Size, DownX: downX, DownY: downY, Tile: wsi.Size{W: 256, H: 256}})
	s.pix = append(s.pix, m)
}

// shrink adds a level that averages level 0 over boxes of downX×downY pixels,
// the size rounded up or down, as different writers do.
func (s *source) shrink(downX, downY float64, round func(float64) float64) {
	full := s.pix[0]
	m := wsi.NewImage(int(round(float64(full.W)/downX)), int(round(float64(full.H)/downY)))
	wx, wy := boxes(m.W, full.W, downX), boxes(m.H, full.H, downY)
	for y := range m.H {
		for x := range m.W {
			var sum [3]float64
			var area float64
			for _, v := range wy[y] {
				for _, u := range wx[x] {
					r, g, b := full.At(u.at, v.at)
					w := u.share * v.share
					area += w
					sum[0] += w * float64(r)
					sum[1] += w * float64(g)
					sum[2] += w * float64(b)
				}
			}
			for k := range sum {
				m.Pix[3*(y*m.W+x)+k] = byte(math.Round(sum[k] / area))
			}
		}
	}
	s.add(m, downX, downY)
}

type part struct {
	at    int
	share float64
}

// boxes returns, for each of n pixels, the pixels it averages and their shares.
func boxes(n, in int, down float64) [][]part {
	all := make([][]part, n)
	for i := range all {
		lo, hi := float64(i)*down, float64(i+1)*down
		for k := int(lo); k < in && float64(k) < hi; k++ {
			all[i] = append(all[i], part{k, math.Min(hi, float64(k+1)) - math.Max(lo, float64(k))})
		}
	}
	return all
}

// readAll returns the pixels of every planned patch in grid order.
func readAll(t *testing.T, src patch.Source, g *wsi.Grid, cfg patch.Config) [][]byte {
	t.Helper()
	r, err := patch.NewReader(src, g, cfg)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan wsi.Patch, 4)
	done := make(chan error, 1)
	go func() {
		done <- r.Read(t.Context(), out)
		close(out)
	}()
	all := make([][]byte, g.Len())
	for p := range out {
		if all[p.Index] != nil {
			t.Errorf("patch %d came twice", p.Index)
		}
		all[p.Index] = append([]byte(nil), p.Pix...)
		p.Release()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, pix := range all {
		if pix == nil {
			t.Errorf("patch %d never came", i)
		}
	}
	return all
}
