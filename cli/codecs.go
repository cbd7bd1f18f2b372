package cli

import (
	"bcc/infer"
	"bcc/native/jpeg"
	"bcc/native/openjpeg"
	"bcc/native/ort"
	"bcc/slide"
)

// What native code promises to the rooms above it.
var (
	_ slide.JPEGDecoder     = (*jpeg.Decoder)(nil)
	_ slide.JPEG2000Decoder = (*openjpeg.Decoder)(nil)
	_ infer.Runner          = (*ort.Runner)(nil)
)

// codecs hands the native tile decoders to slide.
func codecs() slide.Codecs {
	return slide.Codecs{
		JPEG: func() (slide.JPEGDecoder, error) {
			d, err := jpeg.NewDecoder()
			if err != nil {
				return nil, err // not a typed nil in an interface
			}
			return d, nil
		},
		JPEG2000: func() (slide.JPEG2000Decoder, error) {
			d, err := openjpeg.NewDecoder()
			if err != nil {
				return nil, err
			}
			return d, nil
		},
	}
}
