package powertest

import (
	"math/rand/v2"
	"slices"
)

// Loss says what becomes of what was not synced when the power goes: it returns those
// of the operations on one file or folder that reached the plates, as they did.
type Loss func(r *rand.Rand, pending []Op) []Op

// Drop loses all that was not synced.
func Drop(*rand.Rand, []Op) []Op { return nil }

// Keep loses nothing, as when a process is killed and the machine goes on.
func Keep(_ *rand.Rand, pending []Op) []Op { return pending }

// Mix loses some of it: disks write in their own order. Each write gets there or not,
// and of those that do some are torn, at a byte or between sectors, some left zeros
// where they were to go, and in some a bit is wrong. Another seed is another disk.
func Mix(seed uint64) Loss {
	return func(r *rand.Rand, pending []Op) []Op {
		r = rand.New(rand.NewPCG(seed, r.Uint64()))
		var there []Op
		for _, op := range pending {
			if r.IntN(2) == 0 {
				continue
			}
			if op.Kind == Write && len(op.data) > 0 {
				op.data = harmed(r, op.data)
			}
			there = append(there, op)
		}
		return there
	}
}

// sector is what disks write as a whole, in bytes.
const sector = 512

// harmed returns what may arrive of one write.
func harmed(r *rand.Rand, data []byte) []byte {
	switch r.IntN(5) {
	case 0: // torn
		return data[:r.IntN(len(data)+1)]
	case 1: // torn between sectors
		return data[:r.IntN(len(data)/sector+1)*sector]
	case 2: // its room only
		return make([]byte, len(data))
	case 3:
		data = slices.Clone(data)
		data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	}
	return data
}
