package train

// Sums that come out the same to the bit in whatever order they run: what is added
// is first rounded to whole multiples of a quantum, and float64 adds those exactly
// while they stay below 2^53 quanta, over ranks too: a run is the same on any number
// of them.
// In float32, the order of three sums alone drove a ResNet-18 1 % apart within 50
// steps (docs/training.md): batch norms over few values and ReLUs amplify every bit.
//
// The quantum is small against all that training can tell apart: AdamW adds 1e-8 to
// the root of what it divides by, so a gradient of 1e-13 moves nothing. Sums of more
// than 2,048, which no gradient that is worth a step has, are not exact any more,
// only good to float64.
const quantum = 1.0 / (1 << 42)

// Adding and taking away 1.5×2^52 quanta rounds to whole ones: the sum's last bit is
// one quantum.
const toQuanta = 1.5 * (1 << 52) * quantum

// addExact adds v to sum, element by element.
func addExact(sum []float64, v []float32) {
	v = v[:len(sum)]
	for i := range sum {
		x := float64(v[i]) + toQuanta
		sum[i] += x - toQuanta
	}
}
