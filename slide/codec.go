package slide

import "bcc/fault"

// codec is one TIFF compression.
type codec struct {
	name     string
	kind     int
	predicts bool // a predictor may stand before it
	ycc      bool // the components are luma and chroma whatever photometric says
	rgb      bool // the same, red, green and blue
}

const (
	kindNone = iota
	kindLZW
	kindDeflate
	kindZstd
	kindPackBits
	kindJPEG
	kindJPEG2000
)

// codecOf is the table of compressions.
func codecOf(compression uint64) (codec, error) {
	switch compression {
	case 1:
		return codec{name: "uncompressed", kind: kindNone}, nil
	case 5:
		return codec{name: "LZW", kind: kindLZW, predicts: true}, nil
	case 7:
		return codec{name: "JPEG", kind: kindJPEG}, nil
	case 8, 32946:
		return codec{name: "deflate", kind: kindDeflate, predicts: true}, nil
	case 32773:
		return codec{name: "PackBits", kind: kindPackBits}, nil
	case 33003, 33004: // Aperio; libvips, which stores luma and chroma and calls it RGB
		return codec{name: "JPEG 2000", kind: kindJPEG2000, ycc: true}, nil
	case 33005: // Aperio
		return codec{name: "JPEG 2000", kind: kindJPEG2000, rgb: true}, nil
	case 34712: // the directory tells the colours
		return codec{name: "JPEG 2000", kind: kindJPEG2000}, nil
	case 50000:
		return codec{name: "zstd", kind: kindZstd, predicts: true}, nil
	}
	name := map[uint64]string{
		2: "CCITT RLE", 3: "CCITT fax 3", 4: "CCITT fax 4", 6: "JPEG of TIFF 6.0, which was withdrawn", 34892: "lossy JPEG of DNG",
		34925: "LZMA", 50001: "WebP", 50002: "JPEG XL",
	}[compression]
	if name == "" {
		name = "unknown"
	}
	return codec{}, fault.Hint(
		fault.New(fault.Unsupported, "compression %d (%s)", compression, name),
		"none, LZW, deflate, zstd, PackBits, JPEG and JPEG 2000 are supported")
}

// chroma reports whether JPEG 2000 components are luma and chroma.
func (p *page) chroma() bool {
	return p.codec.ycc || !p.codec.rgb && p.photometric == photoYCbCr
}
