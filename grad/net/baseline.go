package net

import "bcc/grad"

// Constants of the baseline. They were set by hand, trying values on synthetic slides
// and on a slide of skin without a tumour; none was measured on BCC. Lengths hold
// where the input has 0.5 µm a pixel; densities are decadic.
const (
	cellPx    = 4 // side of the squares over which light is averaged first: 4 µm, less than a nucleus
	crowdSpan = 9 // squares, 36 µm: four nuclei side by side

	// gapWeight says how much gaps between nuclei count: a place is as dense as the
	// light that passes, were all its stain so many times (over ln 10) as strong. 0
	// would be the plain mean, in which dark nuclei make up for pale gaps; much more
	// the palest pixel. 5.5 to 11, with sheetOD moved by 0.01, give nearly the same
	// answers.
	gapWeight = 8

	// sheetOD is the density from which a place is a sheet. On the synthetic slides nests
	// have 0.38 to 0.66 (each slide's median; 0.41 or more on 17 of 18), because cells
	// with hardly any cytoplasm leave no gaps; epidermis has 0.29 to 0.49, more than
	// 0.41 on 4 of 48 slides, the darkest.
	sheetOD    = 0.40
	sheetSlope = 0.015

	inkEosin   = -0.15 // eosin below which a colour is none of the stains': green, blue or black ink
	inkSlope   = 0.03
	inked      = 0.25 // share of ink around from which a place is no sheet
	inkedSlope = 0.05
)

// The logistic: the log odds are bias + weight × √(share of the patch in sheets). It
// tips at 0.2 of a patch; since sheets lose some 18 µm along their edges, that is a
// nest of 85 µm, or 100 µm in a pale stain. The root keeps full patches from all
// giving 1.
const (
	bias   = -4.5
	weight = 10
)

// stains gives haematoxylin and eosin from the optical densities of R, G, B: two
// rows of the inverse of the stain matrix of Ruifrok and Johnston 2001 (both stains,
// and their cross product for what is left).
var stains = []float32{
	1.48907, -0.16265, 0.51246,
	-1.08228, 1.11793, -0.29209,
}

// baseline finds sheets of crowded nuclei: optical density, fixed unmixing of the
// stains, how dense haematoxylin is around each place when gaps count more than
// nuclei, without places that are inked, and a logistic of how much of the patch is
// left. How dark the nuclei are varies more between slides, and between nests, than
// how full the space between them is, so nests on pale slides are found too, and
// lymphocytes or spinous cells, dark but with gaps, are not. Dividing by the density
// of the collagen in the patch was tried and was worse: a patch full of nest has
// none. It sees no palisades and no clefts: bulbs of hairs, keratoses, dense
// lymphocytes and crushed tissue are sheets to it. It has two outputs, BCC first, and
// no parameters.
func baseline(g *grad.Graph, x grad.Value, _ Config) (embedding, output grad.Value) {
	od := x.AvgPool(grad.PoolConfig{Size: 2}).Clip(1./255, 1).Log()
	stain := od.Conv(g.Const(scaled(stains, -log10e), 2, 3, 1, 1), grad.Value{}, grad.ConvConfig{})
	haematoxylin, eosin := stain.Slice(1, 0, 1), stain.Slice(1, 1, 2)

	above := func(v grad.Value, at, slope float32) grad.Value { // a soft v > at; with a negative slope v < at
		return v.Sub(g.Scalar(at)).Mul(g.Scalar(1 / slope)).Sigmoid()
	}
	around := func(v grad.Value) grad.Value { // mean within 36 µm
		return v.AvgPool(grad.PoolConfig{Size: cellPx}).
			AvgPool(grad.PoolConfig{Size: crowdSpan, Stride: 1, Pad: crowdSpan / 2})
	}
	light := around(haematoxylin.Mul(g.Scalar(-gapWeight)).Exp())
	density := light.Log().Mul(g.Scalar(-1. / gapWeight))
	ink := around(above(eosin, inkEosin, -inkSlope))
	sheet := above(density, sheetOD, sheetSlope).Mul(above(ink, inked, -inkedSlope))

	// Half the log odds for BCC and half against: their softmax is the logistic.
	root := sheet.GlobalAvgPool().Flatten(1).Sqrt()
	odds := root.Linear(g.Const([]float32{weight / 2., -weight / 2.}, 2, 1), g.Const([]float32{bias / 2., -bias / 2.}, 2))
	return grad.Value{}, odds.Softmax(1)
}

// log10e turns a natural logarithm into a decadic one.
const log10e = 0.4342945

func scaled(v []float32, by float32) []float32 {
	out := make([]float32, len(v))
	for i := range v {
		out[i] = v[i] * by
	}
	return out
}
