package tifftest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// encode compresses a segment.
func (p *Page) encode(pix []byte, w, h, samples, compression int) []byte {
	if p.Encode != nil {
		return p.Encode(pix, w, h)
	}
	if p.Predictor {
		pix = slices.Clone(pix)
		stride := w * samples
		for y := range h {
			row := pix[y*stride : (y+1)*stride]
			for i := len(row) - 1; i >= samples; i-- {
				row[i] -= row[i-samples]
			}
		}
	}
	switch compression {
	case None:
		return pix
	case LZW:
		return EncodeLZW(pix)
	case Deflate:
		return EncodeDeflate(pix)
	case PackBits:
		return encodePackBits(pix)
	case Zstd:
		return zstdEncoder().EncodeAll(pix, nil)
	}
	panic(fmt.Sprintf("tifftest: compression %d", compression))
}

// zstdEncoder is shared: to make one costs megabytes.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return e
})

// EncodeDeflate compresses with zlib.
func EncodeDeflate(pix []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(pix)
	z.Close()
	return b.Bytes()
}

// encodePackBits writes runs of equal bytes, and literals.
func encodePackBits(pix []byte) (out []byte) {
	for len(pix) > 0 {
		n := 1
		for n < len(pix) && n < 128 && pix[n] == pix[0] {
			n++
		}
		if n > 1 {
			out = append(out, byte(1-n), pix[0])
		} else {
			out = append(out, 0, pix[0])
		}
		pix = pix[n:]
	}
	return append(out, 0x80) // a header that means nothing
}

// EncodeLZW compresses with TIFF's flavour of LZW. TIFF 6.0, section 13.
func EncodeLZW(pix []byte) (out []byte) {
	var acc uint64
	var have uint
	width := uint(9)
	emit := func(code int) {
		acc = acc<<width | uint64(code)
		have += width
		for have >= 8 {
			have -= 8
			out = append(out, byte(acc>>have))
		}
	}
	table := map[string]int{}
	next := 258
	lookup := func(s []byte) (int, bool) {
		if len(s) == 1 {
			return int(s[0]), true
		}
		c, ok := table[string(s)]
		return c, ok
	}
	emit(256)
	for start := 0; start < len(pix); {
		end := start + 1
		for end < len(pix) {
			if _, ok := lookup(pix[start : end+1]); !ok {
				break
			}
			end++
		}
		code, _ := lookup(pix[start:end])
		emit(code)
		if end < len(pix) {
			table[string(pix[start:end+1])] = next
			next++
		}
		switch {
		case next == 4094:
			emit(256)
			clear(table)
			next, width = 258, 9
		case next == 1<<width: // one later than the decoder, which lags an entry behind
			width++
		}
		start = end
	}
	emit(257)
	return append(out, byte(acc<<(8-have)))
}
