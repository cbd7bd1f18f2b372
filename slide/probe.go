package slide

import (
	"encoding/binary"
	"io"

	"bcc/fault"
	"bcc/wsi"
)

// Header is what a file says about itself before a pixel is decoded.
type Header struct {
	Format string   // as Slide.Format
	Size   wsi.Size // of level 0
	MPP    wsi.MPP  // of level 0; zero: unknown
}

// Probe reads the header of a slide without decoding a pixel. Where it finds no
// fault, Open may still find one in the pixels. The kinds of error are Open's.
func Probe(r io.ReaderAt, size int64, cfg Config) (Header, error) {
	f := &input{r: r, size: size, head: make([]byte, min(32, max(size, 0)))}
	n, err := r.ReadAt(f.head, 0)
	if n < len(f.head) && err != nil && err != io.EOF {
		return Header{}, wrap(err, "read the first bytes")
	}
	switch {
	case isPNG(f):
		h, err := probePNG(f)
		return h, wrapOpen("png", err)
	case isJPEG(f):
		h, err := readJPEGHeader(&Slide{r: r}, size)
		if err == nil {
			err = checkPicture(int64(h.size.W), int64(h.size.H))
		}
		return Header{"jpeg", h.size, h.mpp}, wrapOpen("jpeg", err)
	}
	s, err := Open(r, size, cfg) // of a TIFF this reads directories only
	if err != nil {
		return Header{}, err
	}
	defer s.Close()
	return Header{s.format, s.levels[0].Size, s.mpp}, nil
}

func probePNG(f *input) (Header, error) {
	if len(f.head) < 29 || string(f.head[12:16]) != "IHDR" {
		return Header{}, fault.New(fault.Corrupt, "the file has no header")
	}
	w, h := int64(binary.BigEndian.Uint32(f.head[16:])), int64(binary.BigEndian.Uint32(f.head[20:]))
	if err := checkPicture(w, h); err != nil {
		return Header{}, err
	}
	return Header{"png", wsi.Size{W: int(w), H: int(h)}, pngMPP(f)}, nil
}
