package aggregate

import (
	"cmp"
	"math"
	"slices"
)

// emergence returns the highest threshold at which k of the cells, connected by
// sides or corners, reach it in Vote: the level at which a lesion of the smallest
// area emerges when the threshold is lowered from 1.
//
// As the slide's score this is continuous (it never moves more than the cell that
// moves most), monotone (raising a probability adds cells at every level and
// takes none away), independent of the lesion threshold, and agrees with it: the
// score reaches the lesion threshold exactly when the slide has a lesion. Without
// one it says how suspicious the most suspicious tissue is. A mean over the
// lesion was tried and left: a cell that joins a lesion would lower it.
//
// Cells are put in from the highest to the lowest and joined in a union-find. At
// least k of them must be connected (minCells sees to it). f is empty before and
// afterwards: one serves all lesions of a slide.
func emergence(h *Heatmap, f *forest, cells []int32, k int) float64 {
	order := slices.Clone(cells)
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(h.Vote[b], h.Vote[a]) })
	defer f.remove(cells)
	for _, i := range order {
		if f.add(i) >= k {
			return float64(h.Vote[i])
		}
	}
	return 0
}

// minCells returns how many cells make the smallest lesion: at least one, and no
// more than the largest connected piece of tissue has, so that a tiny biopsy can
// be judged too.
func minCells(h *Heatmap, f *forest, mm2 float64) int {
	cell := h.grid.MPP.AreaMM2(float64(h.grid.Stride.Area()))
	k := int(math.Min(math.Ceil(mm2/cell-1e-9), maxCells))
	cells, largest := allCells(h), 1
	for _, i := range cells {
		largest = max(largest, f.add(i))
	}
	f.remove(cells)
	return min(max(k, 1), largest)
}

// allCells returns the indices of the cells with a value.
func allCells(h *Heatmap) []int32 {
	var cells []int32
	for i, v := range h.Vote {
		if v == v {
			cells = append(cells, int32(i))
		}
	}
	return cells
}

// forest is a union-find over cells, joined by sides and corners.
type forest struct {
	cols, rows int
	parent     []int32 // index+1 of the parent, 0 for a cell not put in
	size       []int32
}

func newForest(h *Heatmap) *forest {
	return &forest{h.Cols, h.Rows, make([]int32, h.Cols*h.Rows), make([]int32, h.Cols*h.Rows)}
}

// add puts cell i in, joins it to its neighbours that are in, and returns the
// size of the piece it now belongs to.
func (f *forest) add(i int32) int {
	f.parent[i], f.size[i] = i+1, 1
	root := i
	x, y := int(i)%f.cols, int(i)/f.cols
	for ny := max(y-1, 0); ny <= min(y+1, f.rows-1); ny++ {
		for nx := max(x-1, 0); nx <= min(x+1, f.cols-1); nx++ {
			if j := int32(ny*f.cols + nx); f.parent[j] != 0 {
				root = f.join(root, f.find(j))
			}
		}
	}
	return int(f.size[root])
}

// remove takes out all cells that were put in.
func (f *forest) remove(cells []int32) {
	for _, i := range cells {
		f.parent[i] = 0
	}
}

func (f *forest) find(i int32) int32 {
	for f.parent[i] != i+1 {
		f.parent[i] = f.parent[f.parent[i]-1] // halve the path
		i = f.parent[i] - 1
	}
	return i
}

func (f *forest) join(a, b int32) int32 {
	if a == b {
		return a
	}
	if f.size[a] < f.size[b] {
		a, b = b, a
	}
	f.parent[b] = a + 1
	f.size[a] += f.size[b]
	return a
}
