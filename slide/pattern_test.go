package slide_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"bcc/patch" // the next step: only this test joins the two
	"bcc/slide"
	"bcc/slide/internal/tifftest"
	"bcc/wsi"
)

// The painted slide: level 0 is made of 2×2 squares of one colour, so that level
// 1, half as large, shows the same colours without a rounding.
const (
	patternW, patternH = 100, 84
	patternPatch       = 16
	patternUM          = 0.5
)

// squareColour returns a colour that says which 2×2 square of level 0 it is.
func squareColour(x, y int) [3]byte { return [3]byte{byte(x), byte(y), byte(x>>8<<4 | y>>8 ^ 0x55)} }

// paintPattern returns a level whose pixel spans so many squares' halves: 2 pixels
// a square on level 0, 1 on level 1.
func paintPattern(w, h, perSquare int) []byte {
	pix := make([]byte, 0, 3*w*h)
	for y := range h {
		for x := range w {
			c := squareColour(x/perSquare, y/perSquare)
			pix = append(pix, c[:]...)
		}
	}
	return pix
}

func TestItFindsAPaintedPatternThroughEveryFormatPyramidAndOverlap(t *testing.T) {
	t.Parallel()
	type layout struct{ tile, rows int }
	for _, f := range []tifftest.Format{{}, {Order: binary.BigEndian}, {Big: true}, {Big: true, Order: binary.BigEndian}} {
		for _, l := range []layout{{tile: 64}, {tile: 16}, {rows: 7}, {rows: 0}} {
			for _, compression := range []int{tifftest.None, tifftest.LZW, tifftest.Deflate, tifftest.PackBits, tifftest.Zstd} {
				for _, pyramid := range []string{"flat", "pages", "sub"} {
					name := fmt.Sprintf("big=%v/%v/tile%d-rows%d/%d/%s", f.Big, f.Order, l.tile, l.rows, compression, pyramid)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						page := func(w, h, perSquare int, reduced bool) *tifftest.Page {
							p := &tifftest.Page{
								W: w, H: h, Pix: paintPattern(w, h, perSquare), Photometric: 2,
								TileW: l.tile, TileH: l.tile, RowsPerStrip: l.rows, Compression: compression,
								Predictor: compression == tifftest.LZW || compression == tifftest.Deflate,
							}
							if reduced {
								p.Tags = append(p.Tags, tifftest.Tag{ID: 254, Type: tifftest.Long, Values: []uint64{1}})
							}
							return p
						}
						pages := []*tifftest.Page{page(patternW, patternH, 2, false)}
						switch half := page(patternW/2, patternH/2, 1, true); pyramid {
						case "pages":
							pages = append(pages, half)
						case "sub":
							pages[0].Sub = []*tifftest.Page{half}
						}
						findPattern(t, tifftest.Write(f, pages...), pyramid != "flat")
					})
				}
			}
		}
	}
}

// findPattern reads patches at the scale of level 0 and, where there is one, of
// level 1, at every overlap, and looks at each of their pixels.
func findPattern(t *testing.T, file []byte, pyramid bool) {
	t.Helper()
	cfg := slide.DefaultConfig()
	cfg.MPP = wsi.MPP{X: patternUM, Y: patternUM}
	s, err := slide.Open(bytes.NewReader(file), int64(len(file)), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	levels := s.Levels()
	if want := map[bool]int{false: 1, true: 2}[pyramid]; len(levels) != want {
		t.Fatalf("%d levels, painted %d", len(levels), want)
	}
	everywhere := &wsi.Mask{Size: wsi.Size{W: 1, H: 1}, ScaleX: patternW, ScaleY: patternH, Bits: []byte{1}}
	for level := range levels {
		for _, overlap := range []float64{0, 0.25, 0.5, 0.75} {
			pc := patch.DefaultConfig(patternPatch, patternUM*float64(level+1))
			pc.Overlap, pc.MinTissue, pc.Readers = overlap, 0, 2
			grid, err := patch.Plan(levels[0].Size, cfg.MPP, everywhere, pc)
			if err != nil {
				t.Fatal(err)
			}
			checkPatches(t, s, grid, pc, level)
		}
	}
}

func checkPatches(t *testing.T, s *slide.Slide, grid *wsi.Grid, pc patch.Config, level int) {
	t.Helper()
	reader, err := patch.NewReader(s, grid, pc)
	if err != nil {
		t.Fatal(err)
	}
	patches := make(chan wsi.Patch, 4)
	eg, ctx := errgroup.WithContext(t.Context())
	eg.Go(func() error {
		defer close(patches)
		return reader.Read(ctx, patches)
	})
	seen, wrong := 0, 0
	for p := range patches {
		seen++
		at := grid.Rect(p.Index)
		for j := range patternPatch {
			for i := range patternPatch {
				// The pixel's square, by way of level 0.
				x, y := at.X+i<<level, at.Y+j<<level
				want := [3]byte{255, 255, 255}
				if x < patternW && y < patternH {
					want = squareColour(x/2, y/2)
				}
				if got := [3]byte(p.Pix[3*(j*patternPatch+i):]); got != want {
					if wrong++; wrong < 4 {
						t.Errorf("overlap %v, level %d, patch at %v: pixel (%d,%d) is %v, painted %v", pc.Overlap, level, at, i, j, got, want)
					}
				}
			}
		}
		if p.Release != nil {
			p.Release()
		}
	}
	if err := eg.Wait(); err != nil {
		t.Fatal(err)
	}
	if seen != grid.Len() || wrong > 0 {
		t.Fatalf("overlap %v, level %d: %d of %d patches, %d wrong pixels", pc.Overlap, level, seen, grid.Len(), wrong)
	}
}
