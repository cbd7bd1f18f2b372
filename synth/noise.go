package synth

import (
	"math"
	"math/rand/v2"
)

// stream returns the n-th independent random stream of a seed.
func stream(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n*0x9e3779b97f4a7c15+1)) }

func between(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

// hash mixes a lattice point with a seed (a murmur3 finaliser).
func hash(seed uint32, x, y int32) uint32 {
	h := seed ^ uint32(x)*0x8da6b343 ^ uint32(y)*0xd8163841
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// noise2 is value noise in -1 to 1, one hill a unit square.
func noise2(seed uint32, x, y float64) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int32(fx), int32(fy)
	tx, ty := x-fx, y-fy
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	at := func(x, y int32) float64 { return float64(hash(seed, x, y)>>8) * (1.0 / (1 << 24)) }
	a := at(ix, iy)
	a += (at(ix+1, iy) - a) * tx
	b := at(ix, iy+1)
	b += (at(ix+1, iy+1) - b) * tx
	return 2*(a+(b-a)*ty) - 1
}

// noise1 is the same along a line, with a second octave.
func noise1(seed uint32, x float64) float64 {
	return 0.7*noise2(seed, x, 0.5) + 0.3*noise2(seed+1, 2.3*x, 0.5)
}

// tiled is value noise that repeats after n units in both directions.
func tiled(seed uint32, x, y float64, nx, ny int32) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	tx, ty := x-fx, y-fy
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	x0, y0 := wrap(int32(fx), nx), wrap(int32(fy), ny)
	x1, y1 := wrap(x0+1, nx), wrap(y0+1, ny)
	at := func(x, y int32) float64 { return float64(hash(seed, x, y)>>8) * (1.0 / (1 << 24)) }
	a := at(x0, y0)
	a += (at(x1, y0) - a) * tx
	b := at(x0, y1)
	b += (at(x1, y1) - b) * tx
	return 2*(a+(b-a)*ty) - 1
}

func wrap(v, n int32) int32 { return ((v % n) + n) % n }

func clamp(v, lo, hi float64) float64 { return math.Min(math.Max(v, lo), hi) }

// ramp is 0 below lo, 1 above hi and smooth between.
func ramp(lo, hi, v float64) float64 {
	t := clamp((v-lo)/(hi-lo), 0, 1)
	return t * t * (3 - 2*t)
}

func byteOf(v float64) uint8 { return uint8(clamp(math.Round(v), 0, 255)) }
