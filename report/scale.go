package report

// scale is the small drawing of the score from 0 to 1, in SVG units.
type scale struct {
	Score, Threshold, Low, Band float64
	Known                       bool // false: there is no score to show
}

// The drawing's axis runs from scaleLeft over scaleLength units.
const scaleLeft, scaleLength = 20, 560

func newScale(r Result) scale {
	x := func(v float64) float64 { return roundTo(scaleLeft+scaleLength*v, 1) }
	lo, hi := r.Parameters.Abstain[0], r.Parameters.Abstain[1]
	return scale{
		Score: x(r.Score), Threshold: x(r.Parameters.Threshold),
		Low: x(lo), Band: roundTo(scaleLength*(hi-lo), 1),
		Known: r.Tissue.Patches > 0,
	}
}
