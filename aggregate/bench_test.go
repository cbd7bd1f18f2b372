package aggregate_test

import (
	"fmt"
	"math"
	"testing"

	"bcc/aggregate"
	"bcc/wsi"
)

// A slide of 40,000² at 0.5 µm/px, all of it tissue.
func BenchmarkSlide(b *testing.B) {
	for _, overlap := range []float64{0, 0.5, 0.75} {
		b.Run(fmt.Sprintf("overlap=%v", overlap), func(b *testing.B) {
			side := int(224 * (1 - overlap))
			g := &wsi.Grid{
				Slide: wsi.Size{W: 40000, H: 40000}, MPP: wsi.MPP{X: 0.5, Y: 0.5},
				Patch: wsi.Size{W: 224, H: 224}, Stride: wsi.Size{W: side, H: side}, Cols: 40000 / side, Rows: 40000 / side,
			}
			var probs []float32
			for y := range g.Rows {
				for x := range g.Cols {
					g.Cells = append(g.Cells, wsi.Cell{Col: x, Row: y, Tissue: 1})
					s, c := math.Sincos(float64(x*side)/900 + float64(y*side)/2100)
					probs = append(probs, float32(s*s*c*c*4))
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := aggregate.Slide(g, probs, aggregate.DefaultConfig()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(probs))*float64(b.N)/b.Elapsed().Seconds(), "patches/s")
		})
	}
}
