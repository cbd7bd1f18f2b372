package grad

import "slices"

// CrossEntropy is Σᵢ weightᵢ·(-Σ꜀ targetᵢ꜀·log softmax(v)ᵢ꜀), of shape (1): v are
// logits (N, Classes), target (N, Classes) has rows that sum to 1, weight is (N).
// It is a sum, not a mean, so that losses and gradients of the parts of a batch add.
func (v Value) CrossEntropy(target, weight Value) Value {
	if v.g == nil {
		return Value{}
	}
	s := v.Shape()
	if len(s) != 2 || !slices.Equal(target.Shape(), s) || !slices.Equal(weight.Shape(), s[:1]) {
		return v.g.fail("cross-entropy of %v with targets %v and weights %v: want (N, Classes) twice, and (N)",
			s, target.Shape(), weight.Shape())
	}
	each := v.LogSoftmax(1).Mul(target).ReduceSum(1)
	return each.Mul(weight.Reshape(s[0], 1)).ReduceSum(0, 1).Neg().Reshape(1)
}
