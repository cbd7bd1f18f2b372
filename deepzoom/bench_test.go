package deepzoom_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"bcc/deepzoom"
	"bcc/native/jpeg"
	"bcc/native/openjpeg"
	"bcc/native/pixel"
	"bcc/report"
	"bcc/slide"
	"bcc/wsi"
)

// openShared opens a real slide, which is not part of the repository.
func openShared(b *testing.B, name string) *slide.Slide {
	b.Helper()
	dir := os.Getenv("BCC_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(dir, "slides", name))
	if err != nil {
		b.Skipf("the shared slides are not here: %v", err)
	}
	b.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	s, err := slide.Open(f, info.Size(), slide.Config{Codecs: slide.Codecs{
		JPEG:     func() (slide.JPEGDecoder, error) { return jpeg.NewDecoder() },
		JPEG2000: func() (slide.JPEG2000Decoder, error) { return openjpeg.NewDecoder() },
	}})
	if err != nil {
		b.Skip(err) // a build without cgo
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// What a viewer waits for, a tile at a random place: read, resampled, encoded.
func BenchmarkTile(b *testing.B) {
	for _, name := range []string{"skin-morphea.tif", "cmu-1-small-region.svs"} {
		for _, tilePx := range []int{256, 512} {
			s := openShared(b, name)
			p := deepzoom.New(s, tilePx, 1)
			if pixel.Available() {
				p.Resample = pixel.Resample
			}
			for n := p.Levels() - 1; p.Level(n).W > tilePx; n -= 2 {
				b.Run(fmt.Sprintf("slide=%s/tile=%d/down=%d", name, tilePx, p.Down(n)), func(b *testing.B) {
					rng, bytes := rand.New(rand.NewPCG(1, 2)), 0
					for b.Loop() {
						size := p.Level(n)
						jpg, err := p.JPEG(b.Context(), n, rng.IntN((size.W+tilePx-1)/tilePx), rng.IntN((size.H+tilePx-1)/tilePx))
						if err != nil {
							b.Fatal(err)
						}
						bytes += len(jpg)
					}
					b.ReportMetric(float64(bytes)/float64(b.N)/1000, "kB/tile")
				})
			}
		}
	}
}

// A tile of the heat map of a slide with tissue everywhere.
func BenchmarkHeat(b *testing.B) {
	c := deepzoom.Cells{Cols: 400, Rows: 400, Bounds: wsi.Rect{W: 400 * 224, H: 400 * 224}, Values: make([]float32, 400*400)}
	for i := range c.Values {
		c.Values[i] = rand.Float32()
	}
	h, err := deepzoom.NewHeat(deepzoom.NewGeometry(wsi.Size{W: 400 * 224, H: 400 * 224}, 256, 0), c, report.HeatColour)
	if err != nil {
		b.Fatal(err)
	}
	for n := h.Levels() - 1; h.Down(n) <= 256; n -= 2 {
		b.Run(fmt.Sprintf("down=%d", h.Down(n)), func(b *testing.B) {
			size, bytes := h.Level(n), 0
			for b.Loop() {
				tile, err := h.Tile(n, size.W/512, size.H/512, 0.2)
				if err != nil {
					b.Fatal(err)
				}
				bytes += len(tile)
			}
			b.ReportMetric(float64(bytes)/float64(b.N)/1000, "kB/tile")
		})
	}
}
