// Package dataset reads labelled data: tables in, samples with class, group and
// split out. It knows two forms, small pictures (Tiles) and whole slides (Slides,
// Cobra), and checks all of a set before anything is learned from it.
//
// A class is a place in Classes, the positive one first. A group is a patient, or
// whatever stands for one: it never crosses splits. A split is train, val or test.
//
// It opens no slide and changes no pixel: whoever knows how hands that in.
//
//	table.go     a CSV file with named columns
//	labels.go    labels.csv: which rows are wrong, and why
//	class.go     from labels to classes
//	tiles.go     labelled pictures, kept in memory within a bound
//	slides.go    labelled slides
//	cobra.go     the three tables of COBRA
package dataset

import "math/rand/v2"

// The splits.
const (
	Train = "train"
	Val   = "val"
	Test  = "test"
)

// splits in the order in which they are reported.
var splits = []string{Train, Val, Test}

// Augment writes a changed copy of the px×px RGB patch src to dst. All that is
// random comes from rng, so that the same rng gives the same bytes.
type Augment func(rng *rand.Rand, dst, src []byte, px int)
