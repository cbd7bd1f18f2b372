package tiffwrite

// Codes of TIFF's LZW (TIFF 6.0, section 13): most significant bit first, and the
// code width grows one code early, which is why compress/lzw cannot write it.
const (
	lzwClear    = 256
	lzwEnd      = 257
	lzwFirst    = 258
	lzwLast     = 4094 // the table is cleared before code 4095 would be needed
	lzwHashBits = 13
)

// EncodeLZW appends src, compressed, to dst.
func EncodeLZW(dst, src []byte) []byte {
	var keys [1 << lzwHashBits]int32 // prefix<<8|byte plus one; 0: free
	var codes [1 << lzwHashBits]uint16
	w := bitWriter{dst: dst}
	width, next := uint(9), lzwFirst
	w.put(lzwClear, width)
	prefix := -1
	for _, b := range src {
		if prefix < 0 {
			prefix = int(b)
			continue
		}
		key := (int32(prefix)<<8 | int32(b)) + 1
		h := uint32(key) * 2654435761 >> (32 - lzwHashBits) // Knuth's multiplicative hash
		for keys[h] != 0 && keys[h] != key {
			h = (h + 1) & (1<<lzwHashBits - 1)
		}
		if keys[h] == key {
			prefix = int(codes[h])
			continue
		}
		w.put(uint32(prefix), width)
		keys[h], codes[h] = key, uint16(next)
		next++
		prefix = int(b)
		switch {
		case next == lzwLast:
			w.put(lzwClear, width)
			clear(keys[:])
			width, next = 9, lzwFirst
		case next == 1<<width:
			width++
		}
	}
	if prefix >= 0 {
		w.put(uint32(prefix), width)
		if next++; next == 1<<width && width < 12 {
			width++
		}
	}
	w.put(lzwEnd, width)
	return w.flush()
}

type bitWriter struct {
	dst  []byte
	acc  uint32
	bits uint
}

func (w *bitWriter) put(code uint32, width uint) {
	w.acc = w.acc<<width | code
	w.bits += width
	for w.bits >= 8 {
		w.bits -= 8
		w.dst = append(w.dst, byte(w.acc>>w.bits))
	}
}

func (w *bitWriter) flush() []byte {
	if w.bits > 0 {
		w.dst = append(w.dst, byte(w.acc<<(8-w.bits)))
	}
	return w.dst
}

// Differentiate replaces every sample of each row by its difference from the one
// to its left, in place: the predictor of LZW and deflate pages. stride is the
// row's length in bytes.
func Differentiate(pix []byte, stride, samples int) {
	for ; len(pix) >= stride; pix = pix[stride:] {
		for i := stride - 1; i >= samples; i-- {
			pix[i] -= pix[i-samples]
		}
	}
}
