package train

import (
	"math"

	"bcc/evaluate"
	"bcc/fault"
)

// Measure returns the metrics of logits, a row of classes numbers a sample. Class 0
// is the positive one of the AUROC, its score the softmax's. A set of one class has
// no AUROC: NaN.
func Measure(logits []float64, classes int, class func(i int) int) (Metrics, error) {
	if classes < 1 || len(logits) == 0 || len(logits)%classes != 0 {
		return Metrics{}, fault.New(fault.Internal, "measure %d outputs of %d classes", len(logits), classes)
	}
	n := len(logits) / classes
	scores, positive := make([]float64, n), make([]bool, n)
	loss := 0.0
	for i := range n {
		row := logits[i*classes : (i+1)*classes]
		top := row[0]
		for _, v := range row {
			top = max(top, v)
		}
		sum := 0.0
		for _, v := range row {
			sum += math.Exp(v - top) // of the largest at most 1: nothing overflows
		}
		loss += math.Log(sum) - (row[class(i)] - top)
		// The logit's lead over the others orders as the probability does, and stays
		// apart where that is 1 to the last bit.
		scores[i] = row[0] - others(row)
		positive[i] = class(i) == 0
	}
	auroc, err := evaluate.AUROC(scores, positive)
	if err != nil {
		auroc = math.NaN()
	}
	return Metrics{Loss: loss / float64(n), AUROC: auroc}, nil
}

// others returns the logarithm of the sum of the exponentials of all but the first.
func others(row []float64) float64 {
	if len(row) == 2 {
		return row[1]
	}
	top, sum := math.Inf(-1), 0.0
	for _, v := range row[1:] {
		top = max(top, v)
	}
	for _, v := range row[1:] {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
