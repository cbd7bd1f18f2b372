package evaluate

import (
	"context"
	"math"
)

// ROCPoint is one point of the receiver operating characteristic: what a threshold
// does.
type ROCPoint struct {
	Threshold   *float64 `json:"threshold"` // null: above every score
	FalseRate   float64  `json:"false_positive_rate"`
	Sensitivity float64  `json:"sensitivity"`
}

// PRPoint is one point of the precision-recall curve.
type PRPoint struct {
	Threshold float64 `json:"threshold"`
	Recall    float64 `json:"recall"`
	Precision float64 `json:"precision"`
}

// BandPoint is the 95 % interval of the sensitivity at a false positive rate.
type BandPoint struct {
	FalseRate float64 `json:"false_positive_rate"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
}

// maxPoints bounds a curve in files: more are not seen.
const maxPoints = 500

// ROC returns the points of the receiver operating characteristic, from none
// called to all called; points on a straight line between others are left out.
func ROC(scores []float64, positive []bool) ([]ROCPoint, error) {
	if err := check(scores, positive); err != nil {
		return nil, err
	}
	points := rank(scores, positive).roc()
	if last := points[len(points)-1]; math.IsNaN(last.FalseRate) || math.IsNaN(last.Sensitivity) {
		return nil, ErrOneClass
	}
	return points, nil
}

func (r *ranking) roc() []ROCPoint {
	var pos, neg float64
	for t := range r.ties {
		pos += t.pos
		neg += t.neg
	}
	points := []ROCPoint{{FalseRate: 0 / neg, Sensitivity: 0 / pos}}
	var tp, fp, stepPos, stepNeg float64
	for t := range r.ties {
		if len(points) > 1 && t.pos*stepNeg == t.neg*stepPos { // goes on in the same direction
			points = points[:len(points)-1]
		}
		tp, fp, stepPos, stepNeg = tp+t.pos, fp+t.neg, t.pos, t.neg
		points = append(points, ROCPoint{&t.score, fp / neg, tp / pos})
	}
	return points
}

// PR returns the points of the precision-recall curve, the highest threshold first.
func PR(scores []float64, positive []bool) ([]PRPoint, error) {
	if err := check(scores, positive); err != nil {
		return nil, err
	}
	var points []PRPoint
	var tp, called, pos float64
	for _, p := range positive {
		if p {
			pos++
		}
	}
	if pos == 0 {
		return nil, ErrOneClass
	}
	for t := range rank(scores, positive).ties {
		tp, called = tp+t.pos, called+t.pos+t.neg
		points = append(points, PRPoint{t.score, tp / pos, tp / called})
	}
	return points, nil
}

// thin keeps at most maxPoints of a curve, both ends among them.
func thin[T any](points []T) []T {
	if len(points) <= maxPoints {
		return points
	}
	kept := make([]T, maxPoints)
	for i := range kept {
		kept[i] = points[i*(len(points)-1)/(maxPoints-1)]
	}
	return kept
}

// bandSteps is into how many steps the band of a ROC curve divides its axis.
const bandSteps = 50

// band returns the interval of the sensitivity at each of a row of false positive
// rates, each by itself.
func (r *ranking) band(ctx context.Context, groups []string, c Config) []BandPoint {
	intervals := Intervals(ctx, groups, c.Rounds, c.Seed, bandSteps+1, func(times, out []float64) {
		points := r.times(times).roc()
		at := 0
		for i := range out {
			x := float64(i) / bandSteps
			for at+1 < len(points) && points[at+1].FalseRate <= x {
				at++
			}
			out[i] = points[at].Sensitivity
			if at+1 < len(points) { // on the line to the next point
				a, b := points[at], points[at+1]
				out[i] += (b.Sensitivity - a.Sensitivity) * (x - a.FalseRate) / (b.FalseRate - a.FalseRate)
			}
			if math.IsNaN(points[len(points)-1].FalseRate) {
				out[i] = math.NaN()
			}
		}
	})
	var band []BandPoint
	for i, iv := range intervals {
		if ends := iv.ends(); ends != nil {
			band = append(band, BandPoint{float64(i) / bandSteps, ends[0], ends[1]})
		}
	}
	return band
}
