//go:build !cgo

package openjpeg

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
