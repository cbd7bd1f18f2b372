package slide

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/image/tiff/lzw"

	"bcc/fault"
)

// maxZstdWindow is what a zstd stream may ask us to remember.
const maxZstdWindow = 32 << 20

// decompress fills dst from src and stops there, however much src would go on to
// make. Too little is Corrupt.
func decompress(kind int, dst, src []byte) error {
	var n int
	var err error
	switch kind {
	case kindNone:
		n = copy(dst, src)
	case kindLZW:
		n, err = unLZW(dst, src)
	case kindPackBits:
		n = unPackBits(dst, src)
	default:
		var r io.Reader
		var done func()
		if r, done, err = openStream(kind, bytes.NewReader(src)); err == nil {
			n, err = io.ReadFull(r, dst)
			done()
		}
	}
	if n == len(dst) {
		return nil // what comes after the last pixel does not matter
	}
	return short(n, len(dst), err)
}

// short is the error for data that ends before its pixels do. A failure of the
// reader below keeps its own kind.
func short(got, want int, cause error) error {
	if _, ok := errors.AsType[*fault.Error](cause); ok {
		return cause
	}
	if cause == nil || errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) {
		return fault.New(fault.Corrupt, "the data ends after %d of %d bytes", got, want)
	}
	return fault.New(fault.Corrupt, "the data is damaged after %d of %d bytes: %w", got, want, cause)
}

var (
	zlibPool sync.Pool // of io.ReadCloser that are zlib.Resetter
	zstdPool sync.Pool // of *zstd.Decoder
)

// openStream returns a reader of the decompressed bytes. done gives back what it
// holds; nothing may be read afterwards.
func openStream(kind int, src io.Reader) (r io.Reader, done func(), err error) {
	switch kind {
	case kindLZW:
		l := lzw.NewReader(src, lzw.MSB, 8)
		return l, func() { l.Close() }, nil

	case kindDeflate:
		z, ok := zlibPool.Get().(io.ReadCloser)
		if ok {
			err = z.(zlib.Resetter).Reset(src, nil)
		} else {
			z, err = zlib.NewReader(src)
		}
		if err != nil {
			return nil, nil, err
		}
		return z, func() { zlibPool.Put(z) }, nil

	case kindZstd:
		z, ok := zstdPool.Get().(*zstd.Decoder)
		if !ok {
			// One goroutine, and no more memory than the window.
			z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderMaxMemory(2*maxZstdWindow))
			if err != nil {
				return nil, nil, err
			}
		}
		if err := z.Reset(src); err != nil {
			return nil, nil, err
		}
		return z, func() { zstdPool.Put(z) }, nil
	}
	return nil, nil, fault.New(fault.Internal, "compression %d cannot be streamed", kind)
}

// unPackBits decodes PackBits into dst and returns the bytes written.
// TIFF 6.0, section 9.
func unPackBits(dst, src []byte) (n int) {
	for len(src) > 1 && n < len(dst) {
		head := int(int8(src[0]))
		src = src[1:]
		switch {
		case head >= 0:
			run := min(head+1, len(src))
			n += copy(dst[n:], src[:run])
			src = src[run:]
		case head != -128:
			for range min(1-head, len(dst)-n) {
				dst[n] = src[0]
				n++
			}
			src = src[1:]
		}
	}
	return n
}

// unpredict undoes horizontal differencing in rows of width pixels of samples
// bytes. TIFF 6.0, section 14.
func unpredict(pix []byte, width, samples int) {
	stride := width * samples
	for len(pix) >= stride {
		row := pix[:stride]
		pix = pix[stride:]
		if samples == 3 {
			r, g, b := byte(0), byte(0), byte(0)
			for i := 0; i+2 < len(row); i += 3 {
				r += row[i]
				g += row[i+1]
				b += row[i+2]
				row[i], row[i+1], row[i+2] = r, g, b
			}
			continue
		}
		for i := samples; i < len(row); i++ {
			row[i] += row[i-samples]
		}
	}
}
