//go:build !cgo

package jpeg

import "bcc/fault"

// Decoder stands for the real one where there is no cgo; none can be had.
type Decoder struct{}

// NewDecoder returns an error of kind Unavailable.
func NewDecoder() (*Decoder, error) { return nil, unavailable() }

// Decode returns the same error.
func (*Decoder) Decode(dst []byte, w, h int, src, tables []byte, rgb bool, reduce int) error {
	return unavailable()
}

// Close does nothing.
func (*Decoder) Close() {}

// Encoder stands for the real one where there is no cgo; none can be had.
type Encoder struct{}

// NewEncoder returns an error of kind Unavailable.
func NewEncoder(quality int, subsampling string) (*Encoder, error) { return nil, unavailable() }

// Encode returns the same error.
func (*Encoder) Encode(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	return dst, unavailable()
}

// EncodeAbbreviated returns the same error.
func (*Encoder) EncodeAbbreviated(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	return dst, unavailable()
}

// Tables returns nothing.
func (*Encoder) Tables() []byte { return nil }

// Close does nothing.
func (*Encoder) Close() {}

// unavailable is what every constructor returns where there is no library.
func unavailable() error {
	return fault.Hint(
		fault.New(fault.Unavailable, "libjpeg-turbo is not in this program: it was built without cgo"),
		"build with CGO_ENABLED=1 and Debian's libjpeg62-turbo-dev")
}
