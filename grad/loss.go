package grad

// CrossEntropy is Σᵢ weightᵢ·(-Σ꜀ targetᵢ꜀·log softmax(v)ᵢ꜀), of shape (1): v are
// logits (N, Classes), target (N, Classes) has rows that sum to 1, weight is (N).
// It is a sum, not a mean, so that losses and gradients of the parts of a batch add.
func (v Value) CrossEntropy(target, weight Value) Value {
	if v.g == nil {
		return Value{}
	}
	if n := weight.Shape(); len(n) != 1 || len(v.Shape()) != 2 {
		return v.g.fail("cross entropy of %v with weights %v: want (N, Classes) and (N)", v.Shape(), n)
	}
	each := v.LogSoftmax(1).Mul(target).ReduceSum(1)
	return each.Mul(weight.Reshape(weight.Shape()[0], 1)).ReduceSum(0, 1).Neg().Reshape(1)
}
