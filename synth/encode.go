package synth

import (
	"bytes"
	"image"
	"image/jpeg"

	"bcc/fault"
)

// TileEncoder compresses tiles as JPEG. One goroutine at a time.
type TileEncoder interface {
	// Encode appends a complete stream of the w×h RGB tile to dst. asRGB: the
	// components are red, green and blue, as Aperio stores them.
	Encode(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error)
	// EncodeAbbreviated is Encode without the tables that Tables returns.
	EncodeAbbreviated(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error)
	// Tables returns the tables-only stream, nil where EncodeAbbreviated leaves nothing out.
	Tables() []byte
	Close()
}

// NewGoEncoder returns an encoder over the standard library: no native code, some
// eight times slower, chroma always halved.
func NewGoEncoder(quality int, _ string) (TileEncoder, error) {
	if quality < 1 || quality > 100 {
		return nil, fault.New(fault.Invalid, "JPEG quality %d: must be 1 to 100", quality)
	}
	return &goEncoder{quality: quality}, nil
}

type goEncoder struct {
	quality int
	rgba    image.RGBA
	buf     bytes.Buffer
}

func (e *goEncoder) Encode(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	if w < 1 || h < 1 || len(rgb) != 3*w*h {
		return nil, fault.New(fault.Invalid, "encode %dx%d tile: %d bytes", w, h, len(rgb))
	}
	var m image.Image
	if asRGB {
		m = asYCbCr(rgb, w, h)
	} else {
		m = e.toRGBA(rgb, w, h)
	}
	e.buf.Reset()
	if err := jpeg.Encode(&e.buf, m, &jpeg.Options{Quality: e.quality}); err != nil {
		return nil, fault.New(fault.Invalid, "encode %dx%d tile: %w", w, h, err)
	}
	return append(dst, e.buf.Bytes()...), nil
}

func (e *goEncoder) EncodeAbbreviated(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	return e.Encode(dst, rgb, w, h, asRGB)
}

func (e *goEncoder) Tables() []byte { return nil }
func (e *goEncoder) Close()         {}

func (e *goEncoder) toRGBA(rgb []byte, w, h int) image.Image {
	if cap(e.rgba.Pix) < 4*w*h {
		e.rgba.Pix = make([]byte, 4*w*h)
	}
	e.rgba = image.RGBA{Pix: e.rgba.Pix[:4*w*h], Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
	for i, j := 0, 0; i < len(rgb); i, j = i+3, j+4 {
		e.rgba.Pix[j], e.rgba.Pix[j+1], e.rgba.Pix[j+2], e.rgba.Pix[j+3] = rgb[i], rgb[i+1], rgb[i+2], 255
	}
	return &e.rgba
}

// asYCbCr hands red, green and blue to the library under the names of Y, Cb and
// Cr, which it stores as they are.
func asYCbCr(rgb []byte, w, h int) image.Image {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio444)
	for i := range w * h {
		m.Y[i], m.Cb[i], m.Cr[i] = rgb[3*i], rgb[3*i+1], rgb[3*i+2]
	}
	return m
}
