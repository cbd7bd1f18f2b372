package patch

import "bcc/wsi"

// ResampleFunc scales the srcW×srcH RGB picture src to len(x.First)×len(y.First)
// pixels in dst. It may be called by several goroutines at once. Every
// implementation gives the bytes that Resample gives.
type ResampleFunc func(dst, src []byte, srcW, srcH int, x, y wsi.Taps)

// Resample is the reference implementation of ResampleFunc, in plain Go.
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
func Resample(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
	const half = 1 << (wsi.TapBits - 1)
	n := 3 * srcW
	row := make([]byte, n)
	for j, fy := range y.First {
		wy := y.Weight[j*y.N : (j+1)*y.N]
		for b := range row {
			sum := int32(half)
			for k, w := range wy {
				sum += int32(w) * int32(src[(int(fy)+k)*n+b])
			}
			row[b] = clamp(sum >> wsi.TapBits)
		}
		out := dst[3*j*len(x.First):]
		for i, fx := range x.First {
			wx := x.Weight[i*x.N : (i+1)*x.N]
			r, g, b := int32(half), int32(half), int32(half)
			for k, w := range wx {
				p := row[3*(int(fx)+k):]
				r += int32(w) * int32(p[0])
				g += int32(w) * int32(p[1])
				b += int32(w) * int32(p[2])
			}
			out[3*i], out[3*i+1], out[3*i+2] = clamp(r>>wsi.TapBits), clamp(g>>wsi.TapBits), clamp(b>>wsi.TapBits)
		}
	}
}

func clamp(v int32) byte { return byte(min(max(v, 0), 255)) }
