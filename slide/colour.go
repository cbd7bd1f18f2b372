package slide

import "bcc/fault"

// Photometric interpretations. TIFF 6.0, section 8 and its extensions.
const (
	whiteIsZero = 0
	blackIsZero = 1
	photoRGB    = 2
	photoYCbCr  = 6
)

// checkColour refuses pixels that cannot be brought to RGB without guessing.
func (p *page) checkColour() error {
	compressed := p.codec.kind == kindJPEG || p.codec.kind == kindJPEG2000
	need := 3
	switch p.photometric {
	case whiteIsZero, blackIsZero:
		need = 1
	case photoRGB:
	case photoYCbCr:
		if !compressed {
			return fault.New(fault.Unsupported, "YCbCr pixels without JPEG compression")
		}
	case 3:
		return fault.New(fault.Unsupported, "colours come from a palette; gray and RGB are supported")
	case 4:
		return fault.New(fault.Unsupported, "the image is a transparency mask")
	case 5:
		return fault.New(fault.Unsupported, "colours are separated (CMYK); gray and RGB are supported")
	case 8, 9, 10:
		return fault.New(fault.Unsupported, "colours are CIE L*a*b*; gray and RGB are supported")
	case ^uint64(0):
		return fault.New(fault.Corrupt, "the image does not say what its samples mean (no photometric interpretation)")
	default:
		return fault.New(fault.Unsupported, "photometric interpretation %d; gray and RGB are supported", p.photometric)
	}
	if p.samples < need {
		return fault.New(fault.Corrupt, "%d samples a pixel where the colours need %d", p.samples, need)
	}
	if compressed && p.samples != need {
		return fault.New(fault.Unsupported, "%s with %d samples a pixel", p.codec.name, p.samples)
	}
	if p.photometric == whiteIsZero && compressed {
		return fault.New(fault.Unsupported, "%s with white as zero", p.codec.name)
	}
	return nil
}

// tightRGB reports whether decompressed samples are RGB as we hand it out.
func (p *page) tightRGB() bool { return p.photometric == photoRGB && p.samples == 3 }

// toRGB writes samples as RGB, leaving out alpha and other extra samples.
func (p *page) toRGB(dst, raw []byte) {
	n, step := len(raw)/p.samples, p.samples
	dst = dst[:3*n]
	if p.photometric == photoRGB {
		for i := range n {
			copy(dst[3*i:3*i+3], raw[i*step:])
		}
		return
	}
	flip := byte(0)
	if p.photometric == whiteIsZero {
		flip = 255
	}
	for i := range n {
		v := raw[i*step] ^ flip
		dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
	}
}
