package aggregate

import (
	"cmp"
	"slices"

	"bcc/wsi"
)

// Lesion is one connected region of cells whose vote reaches the lesion
// threshold; cells that touch at a corner are connected.
type Lesion struct {
	// AreaMM2 is the area of its cells, cut off at the slide's edge, each counted
	// whole whatever its probability or its share of tissue.
	AreaMM2 float64
	// Score is the highest threshold at which a lesion of the smallest area would
	// still be found inside it, four decimals. The slide's score is the largest.
	Score  float64
	Cells  int
	Bounds wsi.Rect // level-0 pixels
	Peak   wsi.Rect // the cell with the highest vote, level-0 pixels; the first of equals
	// Outline has one polygon for each part that is connected by sides.
	Outline []Polygon
}

// lesions finds the regions of at least k cells that reach the threshold.
func lesions(h *Heatmap, f *forest, threshold float64, k int) []Lesion {
	in := make([]bool, len(h.Vote))
	for i, v := range h.Vote {
		in[i] = round4(float64(v)) >= threshold // false for NaN
	}
	var found []Lesion
	var region []int32
	for i := range in {
		if !in[i] {
			continue
		}
		region = flood(region[:0], in, h.Cols, int32(i))
		if len(region) >= k {
			slices.Sort(region)
			found = append(found, newLesion(h, f, region, k))
		}
	}
	// Regions were met in the order of their first cell, which a stable sort keeps
	// among equals.
	slices.SortStableFunc(found, func(a, b Lesion) int { return cmp.Compare(b.Score, a.Score) })
	return found
}

// flood takes the cells connected to start out of in and appends them to region.
func flood(region []int32, in []bool, cols int, start int32) []int32 {
	in[start] = false
	region = append(region, start)
	for n := 0; n < len(region); n++ {
		x, y := int(region[n])%cols, int(region[n])/cols
		for ny := max(y-1, 0); ny <= min(y+1, len(in)/cols-1); ny++ {
			for nx := max(x-1, 0); nx <= min(x+1, cols-1); nx++ {
				if j := ny*cols + nx; in[j] {
					in[j] = false
					region = append(region, int32(j))
				}
			}
		}
	}
	return region
}

// newLesion measures the region, whose cells are in grid order.
func newLesion(h *Heatmap, f *forest, region []int32, k int) Lesion {
	l := Lesion{Cells: len(region), Score: round4(emergence(h, f, region, k)), Outline: outline(h, region)}
	var px int64
	peak := float32(-1)
	for _, i := range region {
		r := h.Rect(int(i)%h.Cols, int(i)/h.Cols)
		px += int64(r.W) * int64(r.H)
		l.Bounds = l.Bounds.Union(r)
		if h.Vote[i] > peak {
			peak, l.Peak = h.Vote[i], r
		}
	}
	l.AreaMM2 = h.grid.MPP.AreaMM2(float64(px))
	return l
}
