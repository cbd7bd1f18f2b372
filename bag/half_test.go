package bag

import (
	"math"
	"math/big"
	"testing"
)

// exact is the value of a finite Half by the definition of IEEE 754.
func exact(h Half) float64 {
	sign, exponent, significand := 1.0, int(h>>10&31), float64(h&1023)
	if h&halfSign != 0 {
		sign = -1
	}
	if exponent == 0 {
		return sign * math.Ldexp(significand, -24)
	}
	return sign * math.Ldexp(1024+significand, exponent-25)
}

func TestEveryHalfIsTheFloatItStandsFor(t *testing.T) {
	t.Parallel()
	for i := range 1 << 16 {
		h := Half(i)
		f := h.Float32()
		switch exponent, significand := h>>10&31, h&1023; {
		case exponent == 31 && significand != 0:
			if f == f || ToHalf(f)&0x7c00 != 0x7c00 || ToHalf(f)&0x3ff == 0 {
				t.Fatalf("NaN %#x became %v", i, f)
			}
			continue
		case exponent == 31:
			if !math.IsInf(float64(f), 1-2*int(h>>15)) {
				t.Fatalf("infinity %#x became %v", i, f)
			}
		default:
			if float64(f) != exact(h) || math.Signbit(float64(f)) != (h&halfSign != 0) {
				t.Fatalf("%#x became %v, want %v", i, f, exact(h))
			}
		}
		if back := ToHalf(f); back != h {
			t.Fatalf("%#x came back as %#x", i, back)
		}
	}
}

// Between two neighbours the tie is theirs that ends in 0, and a hair to either
// side decides.
func TestItRoundsToTheNearestAndTiesToEven(t *testing.T) {
	t.Parallel()
	check := func(f float32, want Half) {
		t.Helper()
		if got := ToHalf(f); got != want {
			t.Fatalf("%v (%#x) became %#x, want %#x", f, math.Float32bits(f), got, want)
		}
		if got := ToHalf(-f); got != want|halfSign {
			t.Fatalf("%v became %#x, want %#x", -f, got, want|halfSign)
		}
	}
	for i := range Half(halfInf) {
		high := 65536.0 // beyond the last, as if its exponent went on
		if i+1 < halfInf {
			high = exact(i + 1)
		}
		middle := float32((exact(i) + high) / 2) // exact: one more bit
		check(math.Nextafter32(middle, 0), i)
		check(middle, i+i&1)
		check(math.Nextafter32(middle, math.MaxFloat32), i+1)
	}
	check(math.SmallestNonzeroFloat32, 0)
	check(math.MaxFloat32, halfInf)
	check(float32(math.Inf(1)), halfInf)
}

func FuzzHalf(f *testing.F) {
	for _, bits := range []uint32{0, 1, 0x38800000, 0x387fffff, 0x477fefff, 0x477ff000, 0x7f800001} {
		f.Add(bits)
	}
	f.Fuzz(func(t *testing.T, bits uint32) {
		v := math.Float32frombits(bits)
		h := ToHalf(v)
		if v != v {
			if h&0x7c00 != 0x7c00 || h&0x3ff == 0 {
				t.Fatalf("NaN became %#x", h)
			}
			return
		}
		if h&0x7c00 == 0x7c00 {
			if math.Abs(float64(v)) < 65520 {
				t.Fatalf("%v became infinite", v)
			}
			return
		}
		// No neighbour is nearer.
		off := new(big.Float).Sub(big.NewFloat(float64(v)), big.NewFloat(exact(h)))
		for _, n := range []Half{h + 1, h - 1} {
			if n&0x7c00 == 0x7c00 || (n^h)&halfSign != 0 {
				continue
			}
			other := new(big.Float).Sub(big.NewFloat(float64(v)), big.NewFloat(exact(n)))
			if off.Abs(off).Cmp(other.Abs(other)) > 0 {
				t.Fatalf("%v became %v, %v is nearer", v, exact(h), exact(n))
			}
		}
	})
}

func TestRowsWidenAsNumbersDo(t *testing.T) {
	t.Parallel()
	src := make([]byte, 2<<16)
	for i := range 1 << 16 {
		src[2*i], src[2*i+1] = byte(i), byte(i>>8)
	}
	dst := make([]float32, 1)
	for i := range 1 << 16 {
		finite := widen(dst, src[2*i:])
		h := Half(i)
		if want := h&halfExponent != halfExponent; finite != want {
			t.Fatalf("%#x: finite %v", i, finite)
		}
		if finite && math.Float32bits(dst[0]) != math.Float32bits(h.Float32()) {
			t.Fatalf("%#x became %v, want %v", i, dst[0], h.Float32())
		}
	}
}

func BenchmarkWiden(b *testing.B) {
	src, dst := make([]byte, 2*1024), make([]float32, 1024)
	b.SetBytes(4 * 1024)
	for b.Loop() {
		widen(dst, src)
	}
}

func BenchmarkNarrow(b *testing.B) {
	src, dst := make([]float32, 1024), make([]byte, 2*1024)
	for i := range src {
		src[i] = float32(i) / 100
	}
	b.SetBytes(4 * 1024)
	for b.Loop() {
		narrow(dst, src)
	}
}
