package dataset

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io/fs"

	"bcc/fault"
)

// Limits of a tile: what a network can look at, with room to spare.
const (
	maxTileSide = 4096     // px
	maxTileFile = 64 << 20 // bytes
)

// Beginnings and ends of the files that are read.
var (
	jpegStart, jpegEnd = []byte{0xff, 0xd8, 0xff}, []byte{0xff, 0xd9}
	pngStart, pngEnd   = []byte("\x89PNG\r\n\x1a\n"), []byte("IEND\xaeB`\x82")
)

// endWithin is how far before the end of a file its last mark may stand: some
// writers pad.
const endWithin = 64

// pictureSide returns the side of a square picture by its head, in pixels. A file
// that was cut short is found by its end.
func pictureSide(text []byte) (int, error) {
	var c image.Config
	var end []byte
	var err error
	switch {
	case bytes.HasPrefix(text, jpegStart):
		end = jpegEnd
		c, err = jpeg.DecodeConfig(bytes.NewReader(text))
	case bytes.HasPrefix(text, pngStart):
		end = pngEnd
		c, err = png.DecodeConfig(bytes.NewReader(text))
	default:
		return 0, fault.New(fault.Unsupported, "neither a JPEG nor a PNG picture")
	}
	switch {
	case err != nil:
		return 0, fault.New(fault.Corrupt, "the picture does not decode: %w", err)
	case !bytes.Contains(text[max(0, len(text)-endWithin):], end):
		return 0, fault.New(fault.Corrupt, "the picture is cut short")
	case c.Width != c.Height || c.Width < 1 || c.Width > maxTileSide:
		return 0, fault.New(fault.Unsupported, "a picture of %dx%d: want a square of at most %d px", c.Width, c.Height, maxTileSide)
	}
	return c.Width, nil
}

// decodePicture returns the pixels of a JPEG or PNG picture of px×px as RGB. What is
// transparent lies on white.
func decodePicture(text []byte, px int) ([]byte, error) {
	side, err := pictureSide(text) // the file may be another one by now
	if err != nil {
		return nil, err
	}
	if side != px {
		return nil, fault.New(fault.Corrupt, "the picture was %d px wide when the table was read and is %d now", px, side)
	}
	decode := png.Decode
	if bytes.HasPrefix(text, jpegStart) {
		decode = jpeg.Decode
	}
	m, err := decode(bytes.NewReader(text))
	if err != nil {
		return nil, fault.New(fault.Corrupt, "the picture does not decode: %w", err)
	}
	pix := make([]byte, 3*px*px)
	if y, ok := m.(*image.YCbCr); ok {
		fromYCbCr(pix, y)
		return pix, nil
	}
	flat := image.NewRGBA(image.Rect(0, 0, px, px))
	draw.Draw(flat, flat.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(flat, flat.Rect, m, m.Bounds().Min, draw.Over)
	for i := range px * px {
		copy(pix[3*i:3*i+3], flat.Pix[4*i:])
	}
	return pix, nil
}

// fromYCbCr turns what nearly every JPEG holds into RGB.
func fromYCbCr(pix []byte, m *image.YCbCr) {
	b := m.Rect
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := m.COffset(x, y)
			pix[i], pix[i+1], pix[i+2] = color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
			i += 3
		}
	}
}

// plain drops the path of a file error: messages name files as the table does.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
