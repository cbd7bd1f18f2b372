package grad

import "math"

// foldable returns the convolutions whose only reader is a batch norm, each with
// that batch norm's node; their weights must be their own.
func (g *Graph) foldable() map[int]int {
	reads := make([]int, len(g.values))
	for _, n := range g.nodes {
		for _, i := range n.in {
			if i >= 0 {
				reads[i]++
			}
		}
	}
	for _, o := range g.outputs {
		reads[o.v]++
	}
	own := func(i int) bool { return g.values[i].block != nil && reads[i] == 1 }

	folds := map[int]int{}
	for i, n := range g.nodes {
		if n.op != "BatchNormalization" {
			continue
		}
		made := g.values[n.in[0]].made
		if made < 0 || g.nodes[made].op != "Conv" || reads[n.in[0]] != 1 {
			continue
		}
		ok := true
		for _, p := range append(g.nodes[made].in[1:len(g.nodes[made].in):len(g.nodes[made].in)], n.in[1:]...) {
			ok = ok && own(p)
		}
		if ok {
			folds[made] = i
		}
	}
	return folds
}

// folded writes one convolution that does what conv and then bn do:
// w' = w·s and b' = (b - mean)·s + shift, where s = scale/√(variance + ε).
func (wr *writer) folded(conv, bn node) {
	c := call{attrs: bn.attrs}
	epsilon := float64(c.find("epsilon").Float)
	scale, shift, mean, variance := wr.weights(bn.in[1]), wr.weights(bn.in[2]), wr.weights(bn.in[3]), wr.weights(bn.in[4])
	old := wr.weights(conv.in[1])
	bias := make([]float32, len(scale))
	if len(conv.in) > 2 {
		copy(bias, wr.weights(conv.in[2]))
	}
	w := make([]float32, len(old))
	each := len(w) / len(scale) // weights of one output channel
	for ch := range scale {
		s := float64(scale[ch]) / math.Sqrt(float64(variance[ch])+epsilon)
		for k := ch * each; k < (ch+1)*each; k++ {
			w[k] = float32(float64(old[k]) * s)
		}
		b := float64((float64(bias[ch]) - float64(mean[ch])) * s) // float64(): no fused multiply-add
		bias[ch] = float32(b + float64(shift[ch]))
	}
	wName, bName := wr.name(conv.in[1]), wr.name(bn.in[2])
	wr.constant(wName, wr.g.values[conv.in[1]].Shape, w)
	wr.constant(bName, Shape{len(bias)}, bias)
	in := wr.use(conv.in[0])
	wr.raw(conv, []string{in, wName, bName}, wr.name(bn.out[0]))
}
