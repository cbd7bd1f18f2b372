package slide

import "bcc/fault"

// unLZW decodes TIFF's flavour of LZW (TIFF 6.0, section 13) into dst and returns
// the bytes written. Every string of the table is a stretch of what has been
// written already, so an entry is a position and a length: twice as fast as a
// table of prefixes, and nothing is built backwards.
func unLZW(dst, src []byte) (n int, err error) {
	const (
		clearCode, endCode = 256, 257
		maxWidth           = 12
	)
	var (
		at     [1 << maxWidth]int32
		length [1 << maxWidth]int32
		next   = endCode + 1
		width  = uint(9)
		prevAt = -1 // of the string before; negative after a clear code
		prev   = 0  // its length
		bits   uint64
		have   uint
	)
	for n < len(dst) {
		for have < width {
			if len(src) == 0 {
				return n, nil
			}
			bits = bits<<8 | uint64(src[0])
			src = src[1:]
			have += 8
		}
		have -= width
		code := int(bits>>have) & (1<<width - 1)

		from, count := n, 1
		switch {
		case code < clearCode:
			dst[n] = byte(code)
		case code == clearCode:
			next, width, prevAt = endCode+1, 9, -1
			continue
		case code == endCode:
			return n, nil
		case code < next:
			count = repeat(dst, n, int(at[code]), int(length[code]))
		case code == next && prevAt >= 0: // the string before and its own first byte
			count = repeat(dst, n, prevAt, prev+1)
		default:
			return n, fault.New(fault.Corrupt, "LZW code %d where %d have been defined", code, next)
		}
		if prevAt >= 0 && next < 1<<maxWidth {
			at[next], length[next] = int32(prevAt), int32(prev+1)
			next++
			if next == 1<<width-1 && width < maxWidth { // one early, as TIFF does
				width++
			}
		}
		prevAt, prev = from, count
		n += count
	}
	return n, nil
}

// repeat copies count bytes from an earlier place of dst to n, byte after byte
// since both may overlap, and returns how many had room.
func repeat(dst []byte, n, from, count int) int {
	count = min(count, len(dst)-n)
	if from+count <= n && count > 16 {
		return copy(dst[n:n+count], dst[from:from+count])
	}
	to, src := dst[n:n+count], dst[from:from+count]
	for i := range to {
		to[i] = src[i]
	}
	return count
}
