package train

import (
	"context"

	"bcc/fault"
)

// Sums that come out the same to the bit in whatever order they run: what is added
// is first rounded to whole multiples of a quantum, and float64 adds those exactly
// while they stay below 2^53 quanta. So a run is the same on any number of ranks.
// In float32, the order of three sums alone drove a ResNet-18 1 % apart within 50
// steps (docs/results.md): batch norms over few values and ReLUs amplify every bit.
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

// pieceBits is how many bits of a sum one float32 carries between ranks. Its 24 bits
// leave room to add those of 128 ranks exactly.
const pieceBits = 18

// maxRanks is how many ranks' pieces add up exactly.
const maxRanks = 128

// allReduceExact sums data over all ranks. A collective adds float32, so each number
// travels as three whose sums are exact. scratch is used again where it is large
// enough; it is returned for the next call.
func allReduceExact(ctx context.Context, world Collective, data []float64, scratch []float32) ([]float32, error) {
	if world.Size() == 1 || len(data) == 0 {
		return scratch, ctx.Err()
	}
	if world.Size() > maxRanks {
		return scratch, fault.New(fault.Unsupported, "%d ranks, at most %d", world.Size(), maxRanks)
	}
	n := len(data)
	if len(scratch) < 3*n {
		scratch = make([]float32, 3*n)
	}
	hi, mid, lo := scratch[:n], scratch[n:2*n], scratch[2*n:3*n]
	const toMid = toQuanta * (1 << pieceBits)
	const toHi = toMid * (1 << pieceBits)
	for i, v := range data {
		h := v + toHi
		h -= toHi
		v -= h
		m := v + toMid
		m -= toMid
		hi[i], mid[i], lo[i] = float32(h), float32(m), float32(v-m)
	}
	if err := world.AllReduce(ctx, scratch[:3*n]); err != nil {
		return scratch, err
	}
	for i := range data {
		data[i] = float64(hi[i]) + float64(mid[i]) + float64(lo[i])
	}
	return scratch, nil
}
