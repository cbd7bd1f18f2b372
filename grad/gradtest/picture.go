package gradtest

import (
	"errors"
	"math"
	"slices"

	"bcc/onnx"
)

// window is how a kernel walks over a picture.
type window struct{ kh, kw, sy, sx, top, left, dy, dx, oh, ow int }

func windowOf(n *onnx.Node, h, w int) window {
	k, s := intsOf(n, "kernel_shape"), intsOf(n, "strides", 1, 1)
	p, d := intsOf(n, "pads", 0, 0, 0, 0), intsOf(n, "dilations", 1, 1)
	return window{
		k[0], k[1], s[0], s[1], p[0], p[1], d[0], d[1],
		(h+p[0]+p[2]-d[0]*(k[0]-1)-1)/s[0] + 1, (w+p[1]+p[3]-d[1]*(k[1]-1)-1)/s[1] + 1,
	}
}

// under calls f(tap, pixel) for each tap of the output pixel (y, x) that lies
// inside a picture of h×w.
func (win window) under(y, x, h, w int, f func(tap, pixel int)) {
	for ky := range win.kh {
		iy := y*win.sy - win.top + ky*win.dy
		if iy < 0 || iy >= h {
			continue
		}
		for kx := range win.kw {
			ix := x*win.sx - win.left + kx*win.dx
			if ix >= 0 && ix < w {
				f(ky*win.kw+kx, iy*w+ix)
			}
		}
	}
}

func conv(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	x, w := in[0], in[1]
	if len(x.Shape) != 4 {
		return nil, errors.New("want a picture")
	}
	h, wd := x.Shape[2], x.Shape[3]
	win := windowOf(n, h, wd)
	m, per, groups := w.Shape[0], w.Shape[1], intOf(n, "group", 1)
	out := New(x.Shape[0], m, win.oh, win.ow)
	for b := range x.Shape[0] {
		for o := range m {
			dst := out.Data[(b*m+o)*win.oh*win.ow:][:win.oh*win.ow]
			if len(in) > 2 {
				for i := range dst {
					dst[i] = in[2].Data[o]
				}
			}
			for c := range per {
				ch := o/(m/groups)*per + c
				src := x.Data[(b*x.Shape[1]+ch)*h*wd:][:h*wd]
				taps := w.Data[(o*per+c)*win.kh*win.kw:]
				for i := range dst {
					win.under(i/win.ow, i%win.ow, h, wd, func(tap, pixel int) { dst[i] += taps[tap] * src[pixel] })
				}
			}
		}
	}
	return out, nil
}

// convTranspose spreads each input pixel over a window of the output.
func convTranspose(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	x, w := in[0], in[1]
	k, s, p := intsOf(n, "kernel_shape"), intsOf(n, "strides", 1, 1), intsOf(n, "pads", 0, 0, 0, 0)
	d, more := intsOf(n, "dilations", 1, 1), intsOf(n, "output_padding", 0, 0)
	m, per, groups := w.Shape[0], w.Shape[1], intOf(n, "group", 1)
	h := (x.Shape[2]-1)*s[0] + d[0]*(k[0]-1) + 1 - p[0] - p[2] + more[0]
	wd := (x.Shape[3]-1)*s[1] + d[1]*(k[1]-1) + 1 - p[1] - p[3] + more[1]
	win := windowOf(n, h, wd)
	out := New(x.Shape[0], per*groups, h, wd)
	pixels := x.Shape[2] * x.Shape[3]
	for b := range x.Shape[0] {
		for o := range m {
			src := x.Data[(b*m+o)*pixels:][:pixels]
			for c := range per {
				dst := out.Data[(b*per*groups+o/(m/groups)*per+c)*h*wd:]
				taps := w.Data[(o*per+c)*k[0]*k[1]:]
				for i, v := range src {
					win.under(i/x.Shape[3], i%x.Shape[3], h, wd, func(tap, pixel int) { dst[pixel] += v * taps[tap] })
				}
			}
		}
	}
	return out, nil
}

func batchNorm(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	x, eps := in[0], floatOf(n, "epsilon", 1e-5)
	out := New(x.Shape...)
	each := product(x.Shape[2:])
	for i, v := range x.Data {
		c := i / each % x.Shape[1]
		out.Data[i] = (v-in[3].Data[c])/math.Sqrt(in[4].Data[c]+eps)*in[1].Data[c] + in[2].Data[c]
	}
	return out, nil
}

// pool gathers the pixels under each window; last is given how many there were.
func pool(start float64, f func(acc, x float64) float64, last func(acc float64, n int) float64) op {
	return func(n *onnx.Node, in []*Tensor) (*Tensor, error) {
		x := in[0]
		h, w := x.Shape[2], x.Shape[3]
		win := windowOf(n, h, w)
		out := New(x.Shape[0], x.Shape[1], win.oh, win.ow)
		for plane := range x.Shape[0] * x.Shape[1] {
			src := x.Data[plane*h*w:]
			dst := out.Data[plane*win.oh*win.ow:][:win.oh*win.ow]
			for i := range dst {
				acc, count := start, 0
				win.under(i/win.ow, i%win.ow, h, w, func(_, pixel int) { acc, count = f(acc, src[pixel]), count+1 })
				dst[i] = last(acc, count)
			}
		}
		return out, nil
	}
}

// maxPool gives the largest pixel under each window, and where it lies in the input.
func maxPool(n *onnx.Node, in []*Tensor) ([]*Tensor, error) {
	x := in[0]
	h, w := x.Shape[2], x.Shape[3]
	win := windowOf(n, h, w)
	out, at := New(x.Shape[0], x.Shape[1], win.oh, win.ow), New(x.Shape[0], x.Shape[1], win.oh, win.ow)
	each := win.oh * win.ow
	for i := range out.Data {
		first := i / each * h * w
		out.Data[i] = math.Inf(-1)
		win.under(i%each/win.ow, i%win.ow, h, w, func(_, pixel int) {
			if v := x.Data[first+pixel]; v > out.Data[i] {
				out.Data[i], at.Data[i] = v, float64(first+pixel)
			}
		})
	}
	return []*Tensor{out, at}, nil
}

// scatter adds to elements of a row.
func scatter(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
	out := &Tensor{in[0].Shape, slices.Clone(in[0].Data)}
	for i, v := range in[2].Data {
		out.Data[int(in[1].Data[i])] += v
	}
	return out, nil
}
