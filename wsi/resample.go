package wsi

// Resample scales the srcW×srcH RGB picture src to len(x.First)×len(y.First) pixels
// in dst. It is the reference for all others, in plain Go.
//
// The arithmetic, which others have to follow to the byte: first down, then
// across. For each row of dst, each byte b of a row of srcW pixels is
//
//	t[b] = clamp((Σk y.Weight[row*y.N+k] × src[y.First[row]+k][b] + 1<<(TapBits-1)) >> TapBits)
//
// rounded to a byte, and then each pixel of the row is, in each channel,
//
//	dst = clamp((Σk x.Weight[col*x.N+k] × t[x.First[col]+k] + 1<<(TapBits-1)) >> TapBits)
//
// clamp is to 0..255. Down comes first because it runs along contiguous bytes
// and leaves one short row, which stays in the nearest cache for the pass across.
//
// It is written to be read: only a build without C runs it, and the C one is
// some 25 times as fast.
func Resample(dst, src []byte, srcW, srcH int, x, y Taps) {
	n := 3 * srcW
	sums, row := make([]int32, n), make([]byte, n)
	for j, fy := range y.First {
		resampleDown(row, sums, src[int(fy)*n:(int(fy)+y.N)*n], y.Weight[j*y.N:(j+1)*y.N])
		resampleAcross(dst[3*j*len(x.First):3*(j+1)*len(x.First)], row, x)
	}
}

const tapHalf = 1 << (TapBits - 1) // so that the shift rounds

// resampleDown makes one row of rows of the same length that follow each other in src.
func resampleDown(row []byte, sums []int32, src []byte, weight []int16) {
	for b := range sums {
		sums[b] = tapHalf
	}
	for k, w := range weight {
		for b, v := range src[k*len(sums) : (k+1)*len(sums)] {
			sums[b] += int32(w) * int32(v)
		}
	}
	for b, s := range sums {
		row[b] = clamp(s >> TapBits)
	}
}

// resampleAcross makes one row of pixels of one row.
func resampleAcross(dst, row []byte, x Taps) {
	for i, f := range x.First {
		r, g, b := int32(tapHalf), int32(tapHalf), int32(tapHalf)
		p := row[3*int(f) : 3*(int(f)+x.N)]
		for _, w := range x.Weight[i*x.N : (i+1)*x.N] {
			r += int32(w) * int32(p[0])
			g += int32(w) * int32(p[1])
			b += int32(w) * int32(p[2])
			p = p[3:]
		}
		dst[3*i], dst[3*i+1], dst[3*i+2] = clamp(r>>TapBits), clamp(g>>TapBits), clamp(b>>TapBits)
	}
}

func clamp(v int32) byte { return byte(min(max(v, 0), 255)) }
