package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// ranking is a set of samples, the highest score first, each with a weight: how
// often it stands in a resample. It is sorted once, so that each of a thousand
// resamples costs one pass.
type ranking struct {
	row      []int // of the caller, by place
	score    []float64
	positive []bool
	weight   []float64

	// What a sample adds to a sum, the same in each resample.
	bin          []uint8 // of the reliability curve
	square, loss []float64
}

// rank sorts the samples; each stands in it once.
func rank(scores []float64, positive []bool) *ranking {
	n := len(scores)
	r := &ranking{
		row: make([]int, n), score: make([]float64, n), positive: make([]bool, n), weight: make([]float64, n),
		bin: make([]uint8, n), square: make([]float64, n), loss: make([]float64, n),
	}
	for i := range r.row {
		r.row[i] = i
	}
	slices.SortStableFunc(r.row, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	for place, row := range r.row {
		score := scores[row]
		r.score[place], r.positive[place], r.weight[place] = score, positive[row], 1
		r.bin[place] = binOf(score)
		right := Clip(score) // the probability given to what is true
		if positive[row] {
			r.square[place] = (1 - score) * (1 - score)
		} else {
			r.square[place] = score * score
			right = 1 - right
		}
		r.loss[place] = -math.Log(right)
	}
	return r
}

// times sets the weights, which come in the order of the caller's rows.
func (r *ranking) times(times []float64) *ranking {
	for place, row := range r.row {
		r.weight[place] = times[row]
	}
	return r
}

// oneClass reports whether positives or negatives are missing.
func (r *ranking) oneClass() bool {
	var has [2]bool
	for i, w := range r.weight {
		if w > 0 && r.positive[i] {
			has[0] = true
		} else if w > 0 {
			has[1] = true
		}
	}
	return !has[0] || !has[1]
}

// tie is how many positives and negatives share one score.
type tie struct{ score, pos, neg float64 }

// ties yields each score with its samples, the highest first.
func (r *ranking) ties(yield func(tie) bool) {
	for i := 0; i < len(r.score); {
		t := tie{score: r.score[i]}
		for ; i < len(r.score) && r.score[i] == t.score; i++ {
			if r.positive[i] {
				t.pos += r.weight[i]
			} else {
				t.neg += r.weight[i]
			}
		}
		if t.pos+t.neg > 0 && !yield(t) { // a score that the resample lacks is none
			return
		}
	}
}

// auroc is AUROC; NaN without both classes.
func (r *ranking) auroc() float64 {
	var won, pos, neg float64 // pairs, and how many of each class scored higher so far
	for t := range r.ties {
		won += pos*t.neg + t.pos*t.neg/2
		pos += t.pos
		neg += t.neg
	}
	return won / (pos * neg) // 0/0 without both
}

// averagePrecision is AveragePrecision; NaN without positives.
func (r *ranking) averagePrecision() float64 {
	var sum, pos, all float64
	for t := range r.ties {
		pos += t.pos
		all += t.pos + t.neg
		sum += t.pos * pos / all
	}
	return sum / pos
}

// at counts what the operating point does.
func (r *ranking) at(p Point) outcome {
	var o outcome
	for i, s := range r.score {
		w, called := r.weight[i], p.Call(s)
		switch {
		case called == Undecided && r.positive[i]:
			o.openPos += w
		case called == Undecided:
			o.openNeg += w
		case called == Positive && r.positive[i]:
			o.tp += w
		case called == Positive:
			o.fp += w
		case r.positive[i]:
			o.fn += w
		default:
			o.tn += w
		}
	}
	return o
}

// outcome is a weighted confusion matrix; open are those left undecided.
type outcome struct{ tp, fp, tn, fn, openPos, openNeg float64 }

func (o outcome) sensitivity() float64 { return o.tp / (o.tp + o.fn) }
func (o outcome) specificity() float64 { return o.tn / (o.tn + o.fp) }
func (o outcome) precision() float64   { return o.tp / (o.tp + o.fp) }
func (o outcome) f1() float64          { return 2 * o.tp / (2*o.tp + o.fp + o.fn) }
func (o outcome) balanced() float64    { return (o.sensitivity() + o.specificity()) / 2 }
func (o outcome) negativePredictive() float64 {
	return o.tn / (o.tn + o.fn)
}

// undecided is the share that was not called either way.
func (o outcome) undecided() float64 {
	open := o.openPos + o.openNeg
	return open / (open + o.tp + o.fp + o.tn + o.fn)
}

// brier is the mean squared distance of score and truth (Brier 1950).
func (r *ranking) brier() float64 { return r.mean(r.square) }

// logLoss is the mean negative log likelihood, in nats, of scores kept within what
// Clip keeps them in.
func (r *ranking) logLoss() float64 { return r.mean(r.loss) }

func (r *ranking) mean(of []float64) float64 {
	var sum, n float64
	for i, w := range r.weight {
		sum += w * of[i]
		n += w
	}
	return sum / n
}
