package aggregate

// reach is how much a cell's voice counts by its distance in the 3×3
// neighbourhood: the centre 8 of 20, a side 2, a corner 1. The centre is heavier
// than in a binomial kernel (4, 2, 1) so that 2×2 sure cells among sure
// negatives still stand at 0.6, while a lone one falls below 0.4.
var reach = [3][3]float64{{1, 2, 1}, {2, 8, 2}, {1, 2, 1}}

// vote lets each cell be outvoted by its neighbours:
//
//	v = Σ k·c(p)·p / Σ k·c(p),  c(p) = 1 + 2·|p − ½|
//
// over the planned cells of the 3×3 neighbourhood, k from reach. A sure patch (0
// or 1) counts twice as much as an undecided one (½). It cannot count more: with
// c(p) = 1 + s·|p − ½| and s > 2 the mean is no longer monotone, and raising a
// patch's probability could lower its neighbour's vote, and the slide's score.
func (h *Heatmap) vote() []float32 {
	// Products and weights are laid out with a border of zeros, so that the inner
	// loop needs no bounds; zero weight is no voice.
	stride := h.Cols + 2
	prod := make([]float64, stride*(h.Rows+2))
	weight := make([]float64, stride*(h.Rows+2))
	for y := range h.Rows {
		for x := range h.Cols {
			if p := float64(h.Patch[y*h.Cols+x]); p == p {
				c := 1 + 2*max(p-0.5, 0.5-p)
				i := (y+1)*stride + x + 1
				weight[i], prod[i] = c, c*p
			}
		}
	}
	out := h.empty()
	for y := range h.Rows {
		for x := range h.Cols {
			i := (y+1)*stride + x + 1
			if weight[i] == 0 {
				continue
			}
			var sum, total float64
			for dy := range 3 {
				j := i + (dy-1)*stride
				for dx := range 3 {
					k := reach[dy][dx]
					sum += k * prod[j+dx-1]
					total += k * weight[j+dx-1]
				}
			}
			out[y*h.Cols+x] = float32(sum / total)
		}
	}
	return out
}
