package bag

import (
	"encoding/binary"
	"math"
)

// Half is a number of IEEE 754 binary16 (float16): 11 significant bits, up to
// ±65504. Embeddings need no more: the error, at most one part in 2048, is below
// what the scanner's noise makes of them.
type Half uint16

const (
	halfInf      = 0x7c00
	halfExponent = 0x7c00
	halfSign     = 0x8000
)

// ToHalf rounds to the nearest Half, ties to even. What is too large becomes
// infinite; NaN stays NaN.
func ToHalf(f float32) Half {
	const (
		infinite  = 255 << 23
		tooLarge  = (127 + 16) << 23 // 65536
		subnormal = (127 - 14) << 23 // the smallest float32 whose Half is normal
		// 0.5: added to a smaller number, its last bit is worth what a subnormal Half's is,
		// so that the addition itself rounds.
		magic = (127 - 1) << 23
	)
	bits := math.Float32bits(f)
	sign := Half(bits >> 16 & halfSign)
	bits &^= 1 << 31
	switch {
	case bits > infinite:
		return sign | halfInf | 0x200
	case bits >= tooLarge:
		return sign | halfInf
	case bits < subnormal:
		sum := math.Float32frombits(bits) + math.Float32frombits(magic)
		return sign | Half(math.Float32bits(sum)-magic)
	}
	odd := bits >> 13 & 1
	// Another exponent's bias, and half of the last bit kept, less a hair unless that
	// bit is set: a carry out of the significand goes into the exponent, as it should.
	bits = bits - (127-15)<<23 + 0xfff + odd
	return sign | Half(bits>>13)
}

// Float32 returns the same number as a float32.
func (h Half) Float32() float32 {
	bits := uint32(h&^halfSign) << 13
	f := math.Float32frombits(bits) * 0x1p112 // moves the exponent's bias, of subnormals too; exact
	if h&halfExponent == halfExponent {
		f = math.Float32frombits(bits | 255<<23)
	}
	return math.Float32frombits(math.Float32bits(f) | uint32(h&halfSign)<<16)
}

// Round rounds each number to the nearest Half: what a bag would give back.
// It reports whether all are finite then.
func Round(values []float32) bool {
	finite := true
	for i, v := range values {
		h := ToHalf(v)
		finite = finite && h&halfExponent != halfExponent
		values[i] = h.Float32()
	}
	return finite
}

// widen turns little-endian Halfs into float32, len(dst) of them, and reports
// whether all are finite.
func widen(dst []float32, src []byte) bool {
	src = src[:halfBytes*len(dst)]
	var full uint32 // bit 15 is set by a full exponent: 0x7c00 + 0x400
	for i := range dst {
		h := uint32(binary.LittleEndian.Uint16(src[2*i:]))
		full |= h&halfExponent + 0x400
		f := math.Float32frombits(h&^halfSign<<13) * 0x1p112
		dst[i] = math.Float32frombits(math.Float32bits(f) | h&halfSign<<16)
	}
	return full&halfSign == 0
}

// narrow turns float32 into little-endian Halfs and returns the place of the first
// that is not finite then, -1 where all are.
func narrow(dst []byte, src []float32) int {
	wrong := -1
	for i, v := range src {
		h := ToHalf(v)
		if h&halfExponent == halfExponent && wrong < 0 {
			wrong = i
		}
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(h))
	}
	return wrong
}
