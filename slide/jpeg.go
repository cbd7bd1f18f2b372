package slide

import (
	"encoding/binary"

	"bcc/fault"
	"bcc/wsi"
)

// A JPEG picture: one level, decoded whole when it is opened.

func isJPEG(f *input) bool {
	return len(f.head) > 3 && f.head[0] == 0xff && f.head[1] == 0xd8 && f.head[2] == 0xff
}

func openJPEG(s *Slide, f *input) error {
	h, err := readJPEGHeader(s, f.size)
	if err != nil {
		return err
	}
	if err := checkPicture(int64(h.size.W), int64(h.size.H)); err != nil {
		return err
	}
	if most := 2*h.size.Area() + 16<<20; f.size > most {
		return fault.New(fault.Corrupt, "a file of %d bytes for %v pixels", f.size, h.size)
	}
	dec, err := s.jpeg.get()
	if err != nil {
		return err
	}
	defer s.jpeg.put(dec)
	src := make([]byte, f.size)
	if err := s.readAt(src, 0); err != nil {
		return err
	}
	m := wsi.NewImage(h.size.W, h.size.H)
	if err := dec.Decode(m.Pix, m.W, m.H, src, nil, false, 0); err != nil {
		return err
	}
	s.mpp = h.mpp
	s.usePicture(m)
	return nil
}

// jpegHeader is what the markers before the pixels say.
type jpegHeader struct {
	size wsi.Size
	mpp  wsi.MPP // from JFIF's density, zero where it has none that is plausible
}

// readJPEGHeader walks the markers up to the frame header.
func readJPEGHeader(s *Slide, size int64) (h jpegHeader, err error) {
	const (
		app0       = 0xe0
		maxMarkers = 4096
		need       = 18 // bytes of a segment that we look at
	)
	at := int64(2)
	for range maxMarkers {
		if at+4 > size {
			break
		}
		seg := make([]byte, min(need, size-at))
		if err := s.readAt(seg, at); err != nil {
			return h, err
		}
		marker, length := seg[1], int64(binary.BigEndian.Uint16(seg[2:]))
		switch {
		case seg[0] != 0xff:
			return h, fault.New(fault.Corrupt, "no marker at offset %d", at)
		case marker == 0xff: // a fill byte
			at++
			continue
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd7: // markers without a length
			at += 2
			continue
		case marker == 0xd9 || marker == 0xda:
			return h, fault.New(fault.Corrupt, "pixels without a frame header")
		case marker == app0 && len(seg) >= 16 && string(seg[4:9]) == "JFIF\x00":
			h.mpp = jfifMPP(seg[11], binary.BigEndian.Uint16(seg[12:]), binary.BigEndian.Uint16(seg[14:]))
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if len(seg) < 9 {
				return h, fault.New(fault.Corrupt, "the frame header is cut short")
			}
			h.size = wsi.Size{W: int(binary.BigEndian.Uint16(seg[7:])), H: int(binary.BigEndian.Uint16(seg[5:]))}
			return h, nil
		}
		if length < 2 {
			return h, fault.New(fault.Corrupt, "a segment of %d bytes at offset %d", length, at)
		}
		at += 2 + length
	}
	return h, fault.New(fault.Corrupt, "no frame header")
}

func jfifMPP(unit byte, x, y uint16) wsi.MPP {
	switch unit {
	case 1: // per inch
		return plausible(25400/float64(x), 25400/float64(y))
	case 2: // per centimetre
		return plausible(10000/float64(x), 10000/float64(y))
	}
	return wsi.MPP{}
}
