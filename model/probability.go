package model

import (
	"math"
	"strings"
)

// positiveNames are the classes that count as positive where a card does not say
// which does, the first that a card has before the others.
var positiveNames = []string{"bcc", "basal cell carcinoma", "basal-cell-carcinoma", "carcinoma", "tumor", "tumour", "cancer", "malignant", "positive"}

// Positive returns the index of the positive class, -1 where no class is it.
func (c *Card) Positive() int {
	index := func(want string) int {
		for i, name := range c.ClassNames {
			if strings.EqualFold(strings.TrimSpace(name), want) {
				return i
			}
		}
		return -1
	}
	if c.PositiveClass != "" {
		return index(c.PositiveClass)
	}
	for _, want := range positiveNames {
		if i := index(want); i >= 0 {
			return i
		}
	}
	return -1
}

// Probability returns the probability of the positive class for one row of the
// model's output: num_classes wide, or one wide for the positive class alone. The
// card's temperature is in it. It is NaN where the row holds what no probability
// can come from.
func (c *Card) Probability(row []float32) float32 {
	i := c.Positive()
	if len(row) == 1 {
		i = 0
	}
	if i < 0 || i >= len(row) {
		return float32(math.NaN())
	}
	t := c.Temperature()
	switch c.Output.Type {
	case Logits:
		if len(row) == 1 {
			return sigmoid(row[0], t)
		}
		return softmax(row, i, t)
	case LogitSigmoid:
		return sigmoid(row[i], t)
	}
	if !(row[i] >= -probabilitySlack && row[i] <= 1+probabilitySlack) {
		return float32(math.NaN())
	}
	p := min(max(row[i], 0), 1)
	if t == 1 || p == 0 || p == 1 {
		return p
	}
	return sigmoid(float32(math.Log(float64(p)/(1-float64(p)))), t) // of this class against all others
}

// probabilitySlack is how far rounding may carry a probability out of [0, 1].
const probabilitySlack = 1e-3

func sigmoid(x float32, t float64) float32 { return float32(1 / (1 + math.Exp(-float64(x)/t))) }

func softmax(row []float32, i int, t float64) float32 {
	var sum float64
	for _, v := range row { // relative to row[i]: no overflow matters, 1/∞ is 0
		sum += math.Exp((float64(v) - float64(row[i])) / t)
	}
	return float32(1 / sum)
}
