package slide_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"bcc/slide"
	"bcc/slide/internal/tifftest"
	"bcc/wsi"
)

// pattern returns a picture of which every pixel can be told from its neighbours,
// smooth enough in places that compression and prediction have something to do.
func pattern(w, h, samples int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	pix := make([]byte, w*h*samples)
	for i := range pix {
		x, y := i/samples%w, i/samples/w
		switch {
		case y%16 < 4:
			pix[i] = byte(rng.Uint32())
		default:
			pix[i] = byte(x*3 + y*5 + i%samples*40)
		}
	}
	return pix
}

// rgb returns the pixels as the reader shall hand them out.
func rgb(pix []byte, samples int) []byte {
	out := make([]byte, 0, len(pix)/samples*3)
	for i := 0; i < len(pix); i += samples {
		if samples < 3 {
			out = append(out, pix[i], pix[i], pix[i])
			continue
		}
		out = append(out, pix[i:i+3]...)
	}
	return out
}

func openBytes(t testing.TB, b []byte, cfg slide.Config) *slide.Slide {
	t.Helper()
	s, err := slide.Open(bytes.NewReader(b), int64(len(b)), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// crop cuts a rectangle out of a w×h picture; beyond its edge is white.
func crop(pix []byte, w, h int, r wsi.Rect) []byte {
	out := bytes.Repeat([]byte{255}, 3*r.W*r.H)
	in := r.Intersect(wsi.Rect{W: w, H: h})
	for y := in.Y; y < in.Y+in.H; y++ {
		copy(out[3*((y-r.Y)*r.W+in.X-r.X):][:3*in.W], pix[3*(y*w+in.X):])
	}
	return out
}

// checkPixels reads rectangles of all sorts and demands the very bytes of want.
func checkPixels(t *testing.T, name string, s *slide.Slide, level int, want []byte) {
	t.Helper()
	l := s.Levels()[level]
	w, h := l.Size.W, l.Size.H
	rects := []wsi.Rect{
		{W: w, H: h}, {W: l.Tile.W, H: l.Tile.H}, {X: l.Tile.W, Y: l.Tile.H, W: l.Tile.W, H: l.Tile.H},
		{X: -5, Y: -7, W: 20, H: 20}, {X: w - 9, Y: h - 3, W: 20, H: 20}, {X: w + 5, Y: 0, W: 4, H: 4},
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 6 {
		rects = append(rects, wsi.Rect{X: rng.IntN(w), Y: rng.IntN(h), W: 1 + rng.IntN(w), H: 1 + rng.IntN(h)})
	}
	for _, r := range rects {
		if got := read(t, s, level, r); !bytes.Equal(got, crop(want, w, h, r)) {
			t.Errorf("%s: level %d %v: other pixels", name, level, r)
			return
		}
	}
}

// plain is a page of w×h that costs next to nothing to make.
func plain(w, h int) *tifftest.Page {
	return &tifftest.Page{W: w, H: h, Pix: bytes.Repeat([]byte{200, 120, 160}, w*h)}
}

func tag(id, typ uint16, values ...uint64) tifftest.Tag {
	return tifftest.Tag{ID: id, Type: typ, Values: values}
}

func text(id uint16, s string, args ...any) tifftest.Tag {
	return tifftest.Tag{ID: id, Type: tifftest.ASCII, Text: fmt.Sprintf(s, args...) + "\x00"}
}
