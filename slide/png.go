package slide

import (
	"bufio"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"
	"image/png"
	"io"

	"bcc/fault"
	"bcc/wsi"
)

// A PNG picture: one level, decoded whole when it is opened.

const (
	pngMagic = "\x89PNG\r\n\x1a\n"

	// Rare kinds of PNG go through image/png, which needs five times the memory.
	maxRarePNGPixels = 8 << 20
)

func isPNG(f *input) bool { return len(f.head) > 8 && string(f.head[:8]) == pngMagic }

func openPNG(s *Slide, f *input) error {
	if len(f.head) < 29 || string(f.head[12:16]) != "IHDR" {
		return fault.New(fault.Corrupt, "the file has no header")
	}
	w, h := int64(binary.BigEndian.Uint32(f.head[16:])), int64(binary.BigEndian.Uint32(f.head[20:]))
	if err := checkPicture(w, h); err != nil {
		return err
	}
	depth, kind, interlaced := f.head[24], f.head[25], f.head[28] != 0
	if depth == 16 {
		return fault.New(fault.Unsupported, "16 bits a sample; 8 are supported")
	}
	d := pngRows{size: wsi.Size{W: int(w), H: int(h)}, kind: kind}
	var m *wsi.Image
	var err error
	switch {
	case depth == 8 && !interlaced && d.samples() > 0:
		m, err = d.decode(f)
	case w*h <= maxRarePNGPixels:
		m, err = decodeRarePNG(f)
	default:
		return fault.New(fault.Unsupported, "an interlaced or palette picture of %dx%d pixels", w, h)
	}
	if err != nil {
		return err
	}
	s.mpp = pngMPP(f)
	s.usePicture(m)
	return nil
}

// decodeRarePNG decodes palettes and interlaced pictures. What is transparent
// turns white, as the slide's background is.
func decodeRarePNG(f *input) (*wsi.Image, error) {
	m, err := png.Decode(bufio.NewReaderSize(io.NewSectionReader(f.r, 0, f.size), 64<<10))
	if err != nil {
		return nil, pngError(err)
	}
	b := m.Bounds()
	out := wsi.NewImage(b.Dx(), b.Dy())
	row := image.NewRGBA(image.Rect(0, 0, b.Dx(), 1))
	for y := range b.Dy() {
		draw.Draw(row, row.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(row, row.Rect, m, image.Pt(b.Min.X, b.Min.Y+y), draw.Over)
		to := out.Row(y)
		for x := range b.Dx() {
			copy(to[3*x:3*x+3], row.Pix[4*x:])
		}
	}
	return out, nil
}

// pngError gives an error of the decoder its kind, one of the reader keeps its own.
func pngError(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[png.UnsupportedError](err); ok {
		return fault.New(fault.Unsupported, "decode png: %w", err)
	}
	return fault.New(fault.Corrupt, "decode png: %w", err)
}

// pngMPP reads the pHYs chunk, which stands before the pixels; zero without it.
func pngMPP(f *input) wsi.MPP {
	const maxChunks = 1000
	head := make([]byte, 17)
	at := int64(8)
	for range maxChunks {
		n, _ := f.r.ReadAt(head, at)
		if n < 8 {
			break
		}
		length := int64(binary.BigEndian.Uint32(head))
		switch string(head[4:8]) {
		case "IDAT", "IEND":
			return wsi.MPP{}
		case "pHYs":
			if n < 17 || length != 9 || head[16] != 1 { // 1: per metre
				return wsi.MPP{}
			}
			x, y := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
			return plausible(1e6/float64(x), 1e6/float64(y))
		}
		at += 12 + length
	}
	return wsi.MPP{}
}
