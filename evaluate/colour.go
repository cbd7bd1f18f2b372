package evaluate

import (
	"math"

	"bcc/fault"
)

// ColourFeatures is how many numbers ColourOf gives.
const ColourFeatures = 12

// ColourOf returns what colour alone tells of a picture (RGB bytes): mean and
// standard deviation of red, green and blue, and of their optical densities. No
// shape is in them; a model has to beat them to have learned anything.
func ColourOf(pix []byte) []float64 {
	var sum, square [6]float64
	for i := 0; i+2 < len(pix); i += 3 {
		for c, v := range pix[i : i+3] {
			light, density := float64(v)/255, opticalDensity[v]
			sum[c] += light
			square[c] += light * light
			sum[c+3] += density
			square[c+3] += density * density
		}
	}
	n := float64(len(pix) / 3)
	out := make([]float64, 0, ColourFeatures)
	for c := range sum {
		mean := sum[c] / n
		out = append(out, mean, math.Sqrt(max(square[c]/n-mean*mean, 0)))
	}
	return out
}

// opticalDensity is -log10 of the light that comes through, of 256 steps (Ruifrok
// and Johnston 2001); the darkest step counts as one, not as none.
var opticalDensity = func() (t [256]float64) {
	for v := range t {
		t[v] = -math.Log10(float64(v+1) / 256)
	}
	return t
}()

// Logistic is a logistic regression over standardised features.
type Logistic struct {
	mean, scale []float64 // of the features, on the training rows
	weight      []float64 // one a feature, then the intercept
}

// ridge is the weight of the squared length of the coefficients, as scikit-learn's
// C = 1.
const ridge = 1

// FitLogistic fits a logistic regression with a ridge by Newton's method. All rows
// have the same width; a feature that never changes gets no say.
func FitLogistic(rows [][]float64, positive []bool) (*Logistic, error) {
	if len(rows) != len(positive) || len(rows) == 0 {
		return nil, fault.New(fault.Invalid, "fit a logistic regression: %d rows, %d labels", len(rows), len(positive))
	}
	pos := 0
	for _, p := range positive {
		if p {
			pos++
		}
	}
	if pos == 0 || pos == len(rows) {
		return nil, fault.New(fault.Invalid, "fit a logistic regression: %w", ErrOneClass)
	}
	l := standardise(rows)
	n := len(rows[0]) + 1
	l.weight = make([]float64, n)
	x := make([]float64, n)
	for range 50 { // five or six rounds are enough; 50 cannot be reached on data with a ridge
		gradient := make([]float64, n)
		hessian := make([][]float64, n)
		for i := range hessian {
			hessian[i] = make([]float64, n)
			if i < n-1 { // the intercept is free
				gradient[i], hessian[i][i] = ridge*l.weight[i], ridge
			}
		}
		for k, row := range rows {
			p := Sigmoid(l.logit(row, x))
			err := p
			if positive[k] {
				err--
			}
			for i, v := range x {
				gradient[i] += err * v
				for j := range i + 1 {
					hessian[i][j] += p * (1 - p) * v * x[j]
				}
			}
		}
		step, err := cholesky(hessian, gradient)
		if err != nil {
			return nil, err
		}
		var longest float64
		for i, s := range step {
			l.weight[i] -= s
			longest = max(longest, math.Abs(s))
		}
		if longest < 1e-10 {
			break
		}
	}
	return l, nil
}

// standardise keeps mean and standard deviation of each feature.
func standardise(rows [][]float64) *Logistic {
	width, n := len(rows[0]), float64(len(rows))
	l := &Logistic{mean: make([]float64, width), scale: make([]float64, width)}
	for _, row := range rows {
		for i, v := range row {
			l.mean[i] += v / n
		}
	}
	for _, row := range rows {
		for i, v := range row {
			l.scale[i] += (v - l.mean[i]) * (v - l.mean[i]) / n
		}
	}
	for i, v := range l.scale {
		if l.scale[i] = math.Sqrt(v); l.scale[i] < 1e-12 {
			l.scale[i] = 1
		}
	}
	return l
}

// logit returns the regression's logit of a row; x is filled with the standardised
// features and a 1.
func (l *Logistic) logit(row, x []float64) float64 {
	last := len(x) - 1
	z := l.weight[last]
	x[last] = 1
	for i, v := range row {
		x[i] = (v - l.mean[i]) / l.scale[i]
		z += l.weight[i] * x[i]
	}
	return z
}

// Score returns the probability of the positive class.
func (l *Logistic) Score(row []float64) float64 {
	return Sigmoid(l.logit(row, make([]float64, len(l.weight))))
}

// cholesky solves a·x = b for a positive definite matrix of which the lower half
// is given, and destroyed.
func cholesky(a [][]float64, b []float64) ([]float64, error) {
	for i := range a {
		for j := range i + 1 {
			sum := a[i][j]
			for k := range j {
				sum -= a[i][k] * a[j][k]
			}
			if i != j {
				a[i][j] = sum / a[j][j]
			} else if a[i][i] = math.Sqrt(sum); !(a[i][i] > 0) {
				return nil, fault.New(fault.Internal, "fit a logistic regression: no maximum in feature %d", i)
			}
		}
	}
	x := make([]float64, len(b))
	for i := range x {
		x[i] = b[i]
		for k := range i {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	for i := len(x) - 1; i >= 0; i-- {
		for k := i + 1; k < len(x); k++ {
			x[i] -= a[k][i] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x, nil
}
