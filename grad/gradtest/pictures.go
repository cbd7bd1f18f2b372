package gradtest

import (
	"fmt"

	"bcc/grad"
)

// pictures tries the operators of pictures.
func pictures() []Case {
	type window = grad.PoolConfig
	pool := func(name string, f func(x grad.Value) grad.Value, torch string, shape ...int) Case {
		return Case{name, func(g *grad.Graph) grad.Value { return f(param(g, "x", shape...)) }, torch}
	}
	cases := []Case{
		pool("max pool", func(x grad.Value) grad.Value { return x.MaxPool(window{Size: 2}) }, "F.max_pool2d(x, 2)", 2, 2, 4, 6),
		pool("max pool that overlaps", func(x grad.Value) grad.Value {
			return x.MaxPool(window{Size: 3, Stride: 2, Pad: 1})
		}, "F.max_pool2d(x, 3, 2, 1)", 2, 2, 5, 6),
		pool("max pool with a rest", func(x grad.Value) grad.Value {
			return x.MaxPool(window{Size: 3, Stride: 2})
		}, "F.max_pool2d(x, 3, 2)", 1, 2, 6, 8),
		pool("average pool", func(x grad.Value) grad.Value { return x.AvgPool(window{Size: 2}) }, "F.avg_pool2d(x, 2)", 2, 2, 4, 6),
		pool("average pool that overlaps", func(x grad.Value) grad.Value {
			return x.AvgPool(window{Size: 3, Stride: 2, Pad: 1})
		}, "F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)", 1, 2, 5, 6),
		pool("average pool with a rest", func(x grad.Value) grad.Value { return x.AvgPool(window{Size: 2}) }, "F.avg_pool2d(x, 2)", 1, 2, 5, 4),
		pool("average of pictures", grad.Value.GlobalAvgPool, "x.mean((2, 3))", 2, 3, 2, 3),
		pool("largest of pictures", grad.Value.GlobalMaxPool, "x.amax((2, 3))", 2, 3, 2, 3),
		{"batch norm", func(g *grad.Graph) grad.Value {
			return norm(g, param(g, "x", 3, 2, 2, 3)).Sigmoid()
		}, "F.batch_norm(x, None, None, scale, shift, True, 0, 1e-3).sigmoid()"},
		{"batch norm of rows", func(g *grad.Graph) grad.Value {
			return norm(g, param(g, "x", 5, 3)).Sigmoid()
		}, "F.batch_norm(x, None, None, scale, shift, True, 0, 1e-3).sigmoid()"},
		{"residual block", residual,
			"(lambda f: f(F.conv2d(f(F.conv2d(x, a, None, 2, 1)), b, None, 1, 1) + F.conv2d(x, c, None, 2)).mean((2, 3)))" +
				"(lambda y: F.batch_norm(y, None, None, None, None, True, 0, 1e-3).tanh())"},
	}
	for _, k := range []int{1, 3, 5} {
		for _, stride := range []int{1, 2} {
			name, c := fmt.Sprintf("convolution %d×%d, stride %d", k, k, stride), grad.ConvConfig{Stride: stride, Pad: k / 2}
			cases = append(cases,
				filter(name, 3, k, c, 2, 2, 6, 7),
				filter(name+", no margin", 2, k, grad.ConvConfig{Stride: stride}, 1, 2, 6, 5),
				filter(name+", depthwise", 4, k, grad.ConvConfig{Stride: stride, Pad: k / 2, Groups: 4}, 2, 4, 5, 4))
		}
	}
	return append(cases,
		// From 16 channels on, gradients by the weights take other ways.
		filter("convolution of many channels", 1, 3, grad.ConvConfig{Pad: 1}, 1, 16, 3, 4),
		filter("convolution of many channels, stride 2", 1, 3, grad.ConvConfig{Stride: 2, Pad: 1}, 1, 16, 4, 3),
		filter("convolution as one product", 2, 3, grad.ConvConfig{Pad: 1}, 2, 16, 2, 2),
		filter("convolution of weights that outweigh the pixels", 3, 3, grad.ConvConfig{Pad: 1}, 1, 4, 2, 1),
		filter("convolution 1×1 of weights that outweigh the pixels", 4, 1, grad.ConvConfig{}, 2, 18, 2, 1),
		filter("convolution 7×7, stride 2", 2, 7, grad.ConvConfig{Stride: 2, Pad: 3}, 1, 1, 9, 8),
		filter("convolution in groups", 6, 3, grad.ConvConfig{Pad: 1, Groups: 2}, 2, 4, 4, 5),
		filter("convolution in groups, stride 2", 6, 3, grad.ConvConfig{Stride: 2, Pad: 1, Groups: 2}, 2, 4, 4, 5),
		filter("convolution of taps apart", 2, 3, grad.ConvConfig{Pad: 1, Dilation: 2}, 1, 2, 6, 7),
		filter("convolution of taps apart, of many channels", 1, 3, grad.ConvConfig{Pad: 2, Dilation: 2}, 1, 16, 3, 3),
		filter("convolution of taps apart, stride 2", 2, 3, grad.ConvConfig{Stride: 2, Pad: 2, Dilation: 2}, 1, 2, 7, 8),
		filter("convolution with a margin beyond its taps", 1, 1, grad.ConvConfig{Pad: 1}, 1, 1, 3, 3),
		filter("convolution with a rest", 2, 3, grad.ConvConfig{Stride: 3}, 1, 2, 8, 10),
	)
}

// filter tries a convolution of a picture with m×k×k weights and a bias.
func filter(name string, m, k int, c grad.ConvConfig, picture ...int) Case {
	return Case{name, func(g *grad.Graph) grad.Value {
		w := param(g, "w", m, picture[1]/max(c.Groups, 1), k, k)
		return param(g, "x", picture...).Conv(w, param(g, "bias", m), c)
	}, fmt.Sprintf("F.conv2d(x, w, bias, %d, %d, %d, %d)", max(c.Stride, 1), c.Pad, max(c.Dilation, 1), max(c.Groups, 1))}
}

// norm is a batch norm whose scale and shift are parameters.
func norm(g *grad.Graph, x grad.Value) grad.Value {
	n := x.Shape()[1]
	return x.BatchNorm(g.Param("scale", positive, n), param(g, "shift", n), g.State("mean", grad.Fill(0), n), g.State("variance", grad.Fill(1), n), 1e-3)
}

// residual is two convolutions beside one, each with a batch norm that only
// normalises; it is smooth, as central differences want it.
func residual(g *grad.Graph) grad.Value {
	norms := 0
	f := func(y grad.Value) grad.Value {
		norms++
		n := y.Shape()[1]
		ones, zeros := make([]float32, n), make([]float32, n)
		for i := range ones {
			ones[i] = 1
		}
		mean, variance := fmt.Sprintf("mean%d", norms), fmt.Sprintf("variance%d", norms)
		return y.BatchNorm(g.Const(ones, n), g.Const(zeros, n), g.State(mean, grad.Fill(0), n), g.State(variance, grad.Fill(1), n), 1e-3).Tanh()
	}
	x := g.Input("x", 3, 2, 6, 6)
	y := f(x.Conv(param(g, "a", 3, 2, 3, 3), grad.Value{}, grad.ConvConfig{Stride: 2, Pad: 1}))
	y = y.Conv(param(g, "b", 4, 3, 3, 3), grad.Value{}, grad.ConvConfig{Pad: 1})
	return f(y.Add(x.Conv(param(g, "c", 4, 2, 1, 1), grad.Value{}, grad.ConvConfig{Stride: 2}))).GlobalAvgPool()
}
