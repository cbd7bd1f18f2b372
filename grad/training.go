package grad

import "slices"

// train turns batch norms to the statistics of their batch and returns, for each
// state, the value that holds its statistic of the batch: the mean, and the variance
// as it is estimated from n elements, with n-1 in the denominator, which is what
// running variances average everywhere (Ioffe and Szegedy 2015, algorithm 2); the
// batch itself is normalised with n.
//
// The operator's own training mode is not used: it writes over the running statistics
// that it is given, which calls of one session share, and says nothing of the centred
// batch, which the way back reads. It would save a hundredth of a step.
func (g *Graph) train() []Value {
	states := make([]Value, len(g.state.list))
	built := g.nodes
	g.nodes = nil
	for _, n := range built {
		if n.op == "BatchNormalization" && g.err == nil {
			g.onBatch(&n, states)
		}
		g.put(n) // under the number that it has now
	}
	return states
}

// onBatch adds operators that centre what goes into a batch norm and compute its
// variance, and has the batch norm read these. Centred first, because the mean of
// squares less the square of the mean loses digits where the mean is large.
func (g *Graph) onBatch(n *node, states []Value) {
	x := Value{g, n.in[0] + 1}
	each := x.Shape().Len() / x.Shape()[1]
	if each < 2 {
		g.fail("batch norm of %v: want two elements or more a channel", x.Shape())
		return
	}
	mean := x.ReduceMean(othersThanChannels(x.Shape())...)
	g.detach(mean)
	x = x.Sub(mean)
	squares := x.dot(x)
	variance := squares.Mul(g.Scalar(1 / float32(each)))
	g.detach(variance)
	if g.err != nil {
		return
	}
	track := func(state int, v Value) {
		if s := g.values[state]; s.block == &g.state {
			states[s.param] = v
		}
	}
	track(n.in[3], mean.Reshape(x.Shape()[1]))
	track(n.in[4], squares.Mul(g.Scalar(1/float32(each-1))))
	n.in = []int{x.id - 1, n.in[1], n.in[2], g.filled(0, x.Shape()[1]).id - 1, variance.id - 1}
}

// backBatchNorm is the way back of a batch norm that onBatch has changed, and
// accounts for what flows through the statistics. With x centred, inverse
// = 1/√(variance + ε) and n elements a channel, the gradient by x is
// scale·inverse·(dy - Σdy/n - x·inverse²·Σ(dy·x)/n).
func backBatchNorm(b back) []Value {
	x, scale, variance, dy := b.in[0], b.in[1], b.in[4], b.grad[0]
	s := x.Shape()
	channels := s[1]
	perChannel := slices.Repeat([]int{1}, len(s))
	perChannel[1] = channels

	part := b.g.Scalar(-float32(channels) / float32(s.Len()))
	inverse := variance.Add(b.g.Scalar(b.call.find("epsilon").Float)).Sqrt().Reciprocal()
	sum := dy.ReduceSum(othersThanChannels(s)...).Reshape(channels)
	dot := dy.dot(x).Mul(inverse)
	d := make([]Value, len(b.in))
	if b.need[0] {
		slope := scale.Mul(inverse)
		byVariance := slope.Mul(inverse).Mul(dot).Mul(part)
		d[0] = dy.affine(slope, slope.Mul(sum).Mul(part)).Add(x.Mul(byVariance.Reshape(perChannel...)))
	}
	d[1], d[2] = dot, sum
	return d
}

// dot returns Σ v·w for each channel, the second dimension, over all others.
func (v Value) dot(w Value) Value {
	s := v.Shape()
	if len(s) < 2 {
		return Value{} // after a mistake
	}
	row := []int{s[0], s[1], 1, s.Len() / s[0] / s[1]}
	return v.Reshape(row...).MatMul(w.Reshape(row...).Transpose(0, 1, 3, 2)).ReduceSum(0).Reshape(s[1])
}

// affine scales and shifts each channel: the engine's batch norm does it in one go.
func (v Value) affine(scale, shift Value) Value {
	if v.g == nil || scale.g == nil {
		return Value{}
	}
	n := scale.Shape()[0]
	return v.BatchNorm(scale, shift, v.g.filled(0, n), v.g.filled(1, n), 0)
}

// filled returns a constant of n equal elements.
func (g *Graph) filled(v float32, n int) Value { return g.Const(slices.Repeat([]float32{v}, n), n) }

// detach lets no gradient flow back through v.
func (g *Graph) detach(v Value) {
	if v.g != nil {
		g.values[v.id-1].detached = true
	}
}

// othersThanChannels returns the dimensions but the second.
func othersThanChannels(s Shape) []int {
	axes := []int{0}
	for a := 2; a < len(s); a++ {
		axes = append(axes, a)
	}
	return axes
}
