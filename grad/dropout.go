package grad

// Dropout keeps each element with probability keep, else makes it 0, and divides
// what stays by keep (Srivastava et al. 2014). The graph draws no numbers: in a
// program the mask is an input under the given name, like v in shape, that the
// caller fills as Port.Keep says. A deployed graph knows nothing of it.
func (v Value) Dropout(name string, keep float32) Value {
	if v.g == nil || keep == 1 {
		return v
	}
	if !(keep > 0 && keep < 1) {
		return v.g.fail("dropout %s keeps %v, want above 0, up to 1", name, keep)
	}
	mask := v.g.Input(name, v.Shape()...)
	if mask.g != nil {
		v.g.values[mask.id-1].keep = keep
	}
	return v.Mul(mask)
}

// silent reports whether a node only puts noise on its input, as dropout does.
func (g *Graph) silent(n node) bool {
	return n.op == "Mul" && n.in[1] >= 0 && g.values[n.in[1]].keep > 0
}
