package train

import (
	"context"
	"math/rand/v2"
)

// Samples is a labelled data set in a fixed order. It is safe for concurrent use.
type Samples interface {
	Len() int
	Class(i int) int    // 0 to classes-1
	Group(i int) string // patient, block, kind of tissue: batches are mixed over groups
	Name(i int) string  // for messages
	// Read writes sample i to the row that dst returns for each input of the network
	// that data fill. With a nil rng the sample is written as it is, else augmented:
	// what is drawn comes from rng alone. An error names the sample, or the file that it
	// comes from.
	Read(ctx context.Context, i int, rng *rand.Rand, dst func(input string) []float32) error
}

// Draws made for one sample come from a generator of their own, so that neither
// threads nor ranks nor a resume change them. The purpose keeps pixels and each
// noise input apart.
func draw(seed uint64, epoch, sample, purpose int) *rand.Rand {
	return rand.New(rand.NewPCG(mix(seed, uint64(epoch)), mix(uint64(sample), uint64(purpose))))
}

// mix spreads two numbers over 64 bits (the finaliser of SplitMix64, Steele et
// al. 2014), so that near numbers do not give near generators.
func mix(a, b uint64) uint64 {
	z := a*0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// balance returns the weight of each sample in the loss, by class: inverse to how
// often the class occurs, the mean over all samples 1. A class without a sample
// weighs nothing.
func balance(s Samples, classes int) []float32 {
	count := make([]int, classes)
	for i := range s.Len() {
		count[s.Class(i)]++
	}
	seen := 0
	for _, n := range count {
		if n > 0 {
			seen++
		}
	}
	weights := make([]float32, classes)
	for c, n := range count {
		if n > 0 {
			weights[c] = float32(float64(s.Len()) / float64(seen*n))
		}
	}
	return weights
}
