// Package tissue finds the tissue on a slide: a small overview picture comes in,
// a mask of the same size goes out. It reads no slide and plans no patch.
//
// The stain is the signal: whatever is a little coloured, is not ink and is
// large enough is tissue. Brightness alone (Otsu on grey or on haematoxylin) was
// tried and lost the pale dermis of real skin.
package tissue

import (
	"errors"
	"fmt"
	"math"

	"bcc/fault"
)

// Config says what counts as tissue. Sizes are micrometres on the specimen, so
// that one configuration serves every scanner.
type Config struct {
	// MinSaturation is the HSV saturation, 0 to 255, above which a pixel is
	// stained. Default 8, as whole-slide tools commonly take it: pale dermis lies at 12 to 25,
	// glass at 0 to 5.
	MinSaturation int

	// SmoothUM is the side of the median window. Default 56: 7 pixels at 8 µm/px,
	// wider than JPEG noise and narrower than any piece of tissue.
	SmoothUM float64

	// CloseUM is the radius within which gaps are closed. Default 24: three
	// pixels at 8 µm/px, the clefts between collagen bundles.
	CloseUM float64

	// MaxHoleUM2 is the largest hole that is filled. Default 1 mm²: fat lobules
	// and cysts belong to the piece around them, a ring of tissue keeps its glass.
	MaxHoleUM2 float64

	// MinAreaUM2 is the smallest object kept. Default 200² µm²: dust and cell
	// debris are smaller, the smallest biopsy is larger.
	MinAreaUM2 float64

	// KeepInk leaves green, blue and black ink in the mask. Default false.
	KeepInk bool
}

// DefaultConfig returns the defaults named at each field.
func DefaultConfig() Config {
	return Config{
		MinSaturation: 8,
		SmoothUM:      56,
		CloseUM:       24,
		MaxHoleUM2:    1e6,
		MinAreaUM2:    200 * 200,
	}
}

// Validate returns every problem of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	if c.MinSaturation < 0 || c.MinSaturation > 254 {
		errs = append(errs, fmt.Errorf("minimum saturation %d: want 0 to 254", c.MinSaturation))
	}
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"smoothing window in µm", c.SmoothUM}, {"closing radius in µm", c.CloseUM},
		{"largest hole in µm²", c.MaxHoleUM2}, {"smallest object in µm²", c.MinAreaUM2},
	} {
		if !(f.v >= 0) || math.IsInf(f.v, 1) { // the first also catches NaN
			errs = append(errs, fmt.Errorf("%s %v: want a number, 0 or more", f.name, f.v))
		}
	}
	if len(errs) > 0 {
		return fault.New(fault.Invalid, "tissue configuration: %w", errors.Join(errs...))
	}
	return nil
}
