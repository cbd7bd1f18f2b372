package net

import "bcc/grad"

// Constants of the baseline. They were set by hand, looking at synthetic slides and
// at normal skin; nothing was fitted, and no accuracy was measured on BCC. Lengths
// hold where the input has 0.5 µm a pixel; densities are decadic.
const (
	nucleusOD    = 0.48 // haematoxylin from which a pixel is nucleus: above the cytoplasm of epidermis, 0.3 to 0.45
	nucleusSlope = 0.04
	paleOD       = 0.26 // haematoxylin below which a pixel is collagen, mucin or glass
	paleSlope    = 0.03
	inkEosin     = -0.15 // eosin below which a colour is none of the stains': green, blue or black ink
	inkSlope     = 0.03

	cellPx    = 4 // side of the squares in which nuclei are counted: 4 µm, less than a nucleus
	crowdSpan = 7 // squares, 28 µm: three to four nuclei side by side

	crowded      = 0.55 // share of nuclei around from which a place lies in a sheet
	crowdedSlope = 0.05
	loose        = 0.14 // share of pale pixels around from which it does not: lymphocytes in stroma
	looseSlope   = 0.03
	inked        = 0.25 // share of ink around from which it does not
	inkedSlope   = 0.05
)

// The logistic: the log odds are bias + weight × √(share of the patch in sheets). It
// tips at 0.16 of a patch, a nest of 45 µm; the root keeps full patches from all
// giving 1.
const (
	bias   = -4
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
// stains, a soft mask of nuclei, the share of nuclei around each place, without
// places that are pale between the nuclei or inked, and a logistic of how much of
// the patch is left. It sees no palisades and no clefts: bulbs of hairs, dense
// lymphocytes and crushed tissue are sheets to it. It has two outputs, BCC first,
// and no parameters.
func baseline(g *grad.Graph, x grad.Value, _ Config) grad.Value {
	od := x.AvgPool(grad.PoolConfig{Size: 2}).Clip(1./255, 1).Log()
	stain := od.Conv(g.Const(scaled(stains, -log10e), 2, 3, 1, 1), grad.Value{}, grad.ConvConfig{})
	haematoxylin, eosin := stain.Slice(1, 0, 1), stain.Slice(1, 1, 2)

	above := func(v grad.Value, at, slope float32) grad.Value { // a soft v > at; with a negative slope v < at
		return v.Sub(g.Scalar(at)).Mul(g.Scalar(1 / slope)).Sigmoid()
	}
	around := func(mask grad.Value) grad.Value { // share of a mask within 28 µm
		return mask.AvgPool(grad.PoolConfig{Size: cellPx}).
			AvgPool(grad.PoolConfig{Size: crowdSpan, Stride: 1, Pad: crowdSpan / 2})
	}
	nuclei := around(above(haematoxylin, nucleusOD, nucleusSlope))
	pale := around(above(haematoxylin, paleOD, -paleSlope))
	ink := around(above(eosin, inkEosin, -inkSlope))
	sheet := above(nuclei, crowded, crowdedSlope).
		Mul(above(pale, loose, -looseSlope)).
		Mul(above(ink, inked, -inkedSlope))

	// Half the log odds for BCC and half against: their softmax is the logistic.
	root := sheet.GlobalAvgPool().Flatten(1).Sqrt()
	odds := root.Linear(g.Const([]float32{weight / 2., -weight / 2.}, 2, 1), g.Const([]float32{bias / 2., -bias / 2.}, 2))
	return odds.Softmax(1)
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
