//go:build !cgo

package openjpeg

import "bcc/fault"

// Decoder stands for the real one where there is no cgo; none can be had.
type Decoder struct{}

// NewDecoder returns an error of kind Unavailable.
func NewDecoder() (*Decoder, error) { return nil, unavailable() }

// Decode returns the same error.
func (*Decoder) Decode(dst []byte, w, h int, src []byte, ycc bool, reduce int) error {
	return unavailable()
}

// Close does nothing.
func (*Decoder) Close() {}

// unavailable is what the constructor returns where there is no library.
func unavailable() error {
	return fault.Hint(
		fault.New(fault.Unavailable, "OpenJPEG is not in this program: it was built without cgo"),
		"build with CGO_ENABLED=1 and Debian's libopenjp2-7-dev")
}
