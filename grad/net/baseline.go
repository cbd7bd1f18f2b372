package net

import "bcc/grad"

// Constants of the baseline. They were set by hand, looking at synthetic slides and
// at normal skin; nothing was fitted and no accuracy was measured. Lengths hold where
// the input has 0.5 µm a pixel; densities are decadic.
const (
	nucleusOD    = 0.38 // haematoxylin from which a pixel is nucleus: above the cytoplasm of epidermis, about 0.3
	nucleusSlope = 0.04
	paleOD       = 0.15 // haematoxylin below which a pixel is collagen, mucin or glass
	paleSlope    = 0.03

	cellPx    = 4 // side of the squares in which nuclei are counted: 4 µm, less than a nucleus
	grainSpan = 3 // squares, 12 µm: more than a nucleus
	crowdSpan = 7 // squares, 28 µm: three to four nuclei side by side

	crowded      = 0.45 // share of nuclei around from which a square lies in a crowd
	crowdedSlope = 0.05
	loose        = 0.20 // share of pale pixels around from which the crowd is loose: lymphocytes in stroma
	looseSlope   = 0.05
	solid        = 0.93 // share of nuclei within a grain that no crowd of cells reaches: horn, ink, a fold
	solidSlope   = 0.02
	inked        = 0.25 // share of solid grains around from which a square does not count
	inkedSlope   = 0.05
)

// The logistic: log odds are bias + sheetWeight × (share of the patch that lies in a
// sheet) + nestWeight × (the fullest place of the size of a nest).
const (
	nestSpan    = 15 // squares, 60 µm
	bias        = -4
	sheetWeight = 10
	nestWeight  = 2
)

// haematoxylin gives the stain from the optical densities of R, G, B: a row of the
// inverse of the stain matrix of Ruifrok and Johnston 2001 (haematoxylin, eosin, and
// the cross product of both for what is left).
var haematoxylin = []float32{1.48907, -0.16265, 0.51246}

// baseline finds sheets of crowded nuclei: optical density, haematoxylin by fixed
// unmixing, a soft mask of nuclei, the share of nuclei around each place, without
// places that are pale between the nuclei or dark without a gap, and a logistic of
// how much of the patch is left. It sees no palisades and no clefts: hair
// follicles, dense lymphocytes and crushed tissue are sheets to it. It has two
// outputs, whatever the configuration says, and no parameters.
func baseline(g *grad.Graph, x grad.Value, _ Config) grad.Value {
	od := x.AvgPool(grad.PoolConfig{Size: 2}).Clip(1./255, 1).Log()
	stain := od.Conv(g.Const(scaled(haematoxylin, -log10e), 1, 3, 1, 1), grad.Value{}, grad.ConvConfig{})

	above := func(v grad.Value, at, slope float32) grad.Value { // a soft v > at; a negative slope: v < at
		return v.Sub(g.Scalar(at)).Mul(g.Scalar(1 / slope)).Sigmoid()
	}
	around := func(v grad.Value, span int) grad.Value {
		return v.AvgPool(grad.PoolConfig{Size: span, Stride: 1, Pad: span / 2})
	}
	squares := grad.PoolConfig{Size: cellPx}
	nuclei := above(stain, nucleusOD, nucleusSlope).AvgPool(squares)
	pale := above(stain, paleOD, -paleSlope).AvgPool(squares)
	ink := above(around(nuclei, grainSpan), solid, solidSlope)

	sheet := above(around(nuclei, crowdSpan), crowded, crowdedSlope).
		Mul(above(around(pale, crowdSpan), loose, -looseSlope)).
		Mul(above(around(ink, crowdSpan), inked, -inkedSlope))
	features := sheet.GlobalAvgPool().Concat(1, around(sheet, nestSpan).GlobalMaxPool()).Flatten(1)

	// Half the log odds for BCC and half against: their softmax is the logistic.
	w := g.Const([]float32{sheetWeight / 2., nestWeight / 2., -sheetWeight / 2., -nestWeight / 2.}, 2, 2)
	return features.Linear(w, g.Const([]float32{bias / 2., -bias / 2.}, 2)).Softmax(1)
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
