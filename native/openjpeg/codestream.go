package openjpeg

import (
	"bytes"
	"encoding/binary"

	"bcc/fault"
)

// Markers of a codestream. ISO/IEC 15444-1, annex A.
const (
	markSOC = 0xff4f
	markSIZ = 0xff51
	markCOD = 0xff52
	markCOC = 0xff53
	markSOT = 0xff90
	markSOD = 0xff93
	markEOC = 0xffd9
)

const (
	maxTiles = 256 // inside one tile of a slide; OpenJPEG keeps 6 kB for each
	jp2Magic = "\x00\x00\x00\x0cjP  \r\n\x87\n"
)

// bare returns the codestream out of its boxes, if it has any: colour comes from
// the slide's directory, not from them.
func bare(src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, []byte(jp2Magic)) {
		return src, nil
	}
	for b := src; len(b) >= 8; {
		size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		if size == 1 && len(b) >= 16 {
			size, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size == 0 {
			size = uint64(len(b))
		}
		if size < head || size > uint64(len(b)) {
			break
		}
		if string(b[4:8]) == "jp2c" {
			return b[head:size], nil
		}
		b = b[size:]
	}
	return nil, fault.New(fault.Corrupt, "decode jpeg 2000: the boxes hold no codestream")
}

// inspect checks everything that decides how much memory decoding takes, before
// OpenJPEG sees a byte. w and h are the size wanted, halved reduce times.
func inspect(b []byte, w, h, reduce int) error {
	corrupt := func(format string, args ...any) error {
		return fault.New(fault.Corrupt, "decode jpeg 2000: "+format, args...)
	}
	if len(b) < 42 || mark(b) != markSOC || mark(b[2:]) != markSIZ {
		return corrupt("not a codestream")
	}
	size := func(i int) int64 { return int64(binary.BigEndian.Uint32(b[8+4*i:])) } // SIZ: X, Y, XO, YO, XT, YT, XTO, YTO
	fullW, fullH := size(0), size(1)
	if size(2) != 0 || size(3) != 0 || size(6) != 0 || size(7) != 0 {
		return fault.New(fault.Unsupported, "decode jpeg 2000: the image does not begin at the origin of its grid")
	}
	half := func(n int64) int64 { return (n + 1<<reduce - 1) >> reduce }
	if half(fullW) != int64(w) || half(fullH) != int64(h) || fullW*fullH > maxPixels {
		return corrupt("the stream holds %dx%d, halved %d times not %dx%d", fullW, fullH, reduce, w, h)
	}
	tileW, tileH := size(4), size(5)
	if tileW == 0 || tileH == 0 || ((fullW+tileW-1)/tileW)*((fullH+tileH-1)/tileH) > maxTiles {
		return corrupt("tiles of %dx%d in %dx%d", tileW, tileH, fullW, fullH)
	}
	n := int(binary.BigEndian.Uint16(b[40:]))
	if len(b) < 42+3*n {
		return corrupt("the header ends early")
	}
	if n != 1 && n != 3 && n != 4 {
		return fault.New(fault.Unsupported, "decode jpeg 2000: %d components; 1 and 3 are supported", n)
	}
	for i := range n {
		c := b[42+3*i:]
		if c[0] != 7 {
			return fault.New(fault.Unsupported, "decode jpeg 2000: samples are not 8 bits without a sign")
		}
		if c[1] < 1 || c[1] > 2 || c[2] < 1 || c[2] > 2 || i == 0 && (c[1] != 1 || c[2] != 1) {
			return fault.New(fault.Unsupported, "decode jpeg 2000: component %d is subsampled by %dx%d", i, c[1], c[2])
		}
	}
	if fullW*fullH <= 1<<16 { // too small for precincts to hurt
		return nil
	}
	return inspectPrecincts(b, 2)
}

// inspectPrecincts refuses large images cut into precincts of a few pixels, for
// each of which OpenJPEG would keep hundreds of bytes. at is behind SOC.
func inspectPrecincts(b []byte, at int) error {
	const least = 5 // exponent: 32 pixels
	tilePart, tileEnd := 0, 0
	for at+4 <= len(b) {
		m, n := mark(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		if m == markEOC {
			break
		}
		if m == markSOD { // pixels: on to the next tile part
			if tileEnd <= tilePart || tileEnd >= len(b) {
				break
			}
			at = tileEnd
			continue
		}
		if m>>8 != 0xff || n < 2 || at+2+n > len(b) {
			return fault.New(fault.Corrupt, "decode jpeg 2000: a damaged marker at byte %d", at)
		}
		body := b[at+4 : at+2+n]
		switch {
		case m == markSOT && len(body) >= 6:
			length := int(binary.BigEndian.Uint32(body[2:]))
			tilePart, tileEnd = at, at+length
			if length == 0 {
				tileEnd = len(b)
			}
		case m == markCOD && len(body) > 10 && body[0]&1 != 0:
			if tiny(body[10:], least) {
				return fault.New(fault.Unsupported, "decode jpeg 2000: precincts below 32 pixels")
			}
		case m == markCOC && len(body) > 7 && body[1]&1 != 0: // up to 256 components: one byte names one
			if tiny(body[7:], least) {
				return fault.New(fault.Unsupported, "decode jpeg 2000: precincts below 32 pixels")
			}
		}
		at += 2 + n
	}
	return nil
}

// tiny reports whether a precinct exponent, but for the lowest resolution's, is
// below least.
func tiny(exponents []byte, least byte) bool {
	for i, e := range exponents {
		if i > 0 && (e&15 < least || e>>4 < least) {
			return true
		}
	}
	return false
}

func mark(b []byte) int { return int(b[0])<<8 | int(b[1]) }
