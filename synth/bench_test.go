package synth_test

import (
	"os"
	"testing"

	"bcc/synth"
	"bcc/wsi"
)

// BenchmarkRender renders a slide of middling size, without compressing it.
func BenchmarkRender(b *testing.B) {
	c := config(3, 6400, 6400)
	c.BCC = true
	s := scene(b, c)
	rgb, mask := make([]byte, 3*512*512), make([]byte, 512*512)
	b.SetBytes(c.Size.Area())
	for b.Loop() {
		for y := 0; y < c.Size.H; y += 512 {
			for x := 0; x < c.Size.W; x += 512 {
				s.Render(wsi.Rect{X: x, Y: y, W: 512, H: 512}, rgb, mask)
			}
		}
	}
	b.ReportMetric(float64(c.Size.Area())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpx/s")
}

// BenchmarkPlan plans a slide.
func BenchmarkPlan(b *testing.B) {
	c := config(3, 12800, 12800)
	c.BCC = true
	for b.Loop() {
		scene(b, c)
	}
}

// BenchmarkWrite writes a whole slide and its mask on one worker, with the encoder
// of the standard library (bcc bench uses the native one).
func BenchmarkWrite(b *testing.B) {
	c := config(3, 6400, 6400)
	c.BCC = true
	s := scene(b, c)
	f, err := os.CreateTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if err := synth.Write(b.Context(), f, nil, s, synth.WriteConfig{Workers: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(c.Size.Area())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpx/s")
}
