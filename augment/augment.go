// Package augment changes a patch as another microtome, stain and scanner could
// have: RGB in, RGB of the same size out. What a pathologist would still call the
// same thing stays the same; colour alone, orientation and sharpness no longer
// tell one slide from another.
//
//	geometry.go   flips, quarter turns, zoom
//	stain.go      each dye's amount and hue, light, contrast
//	blur.go       focus
//	noise.go      the sensor
//
// All that is random comes from one source, drawn in a fixed order, and pixels
// are computed in integers: a seed gives the same bytes on every machine.
package augment

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"bcc/fault"
)

// Level is how much a patch may change.
type Level string

// The levels.
const (
	None  Level = "none"  // the patch as it is
	Light Level = "light" // orientation, and the differences between slides of one laboratory
	Full  Level = "full"  // the differences between laboratories
)

// Levels returns every level.
func Levels() []Level { return []Level{None, Light, Full} }

// Config says how far each change may go. Zero of a field: that change is not made.
type Config struct {
	// Orient turns by quarters and flips, each of the eight ways as likely: tissue
	// has no up.
	Orient bool

	// Zoom is the largest factor by which the patch is enlarged or reduced. What is
	// missing at the edge is mirrored. 1.2 is the difference between scanners that
	// call themselves alike, and more.
	Zoom float64

	// Stain is by how much the amount of each dye may differ, as a part of it: 0.05
	// and 0.2 are the light and strong settings of Tellez et al. 2019.
	Stain float64

	// Hue is by how much each component of a dye's colour may differ, as a part of
	// it: batches of a dye and section thickness.
	Hue float64

	// Tint is the optical density that the glass may add or take away in each
	// colour. 0.02 is 5 % of the light.
	Tint float64

	// Light and Contrast are the lamp and the sensor's curve, as parts of the full
	// range.
	Light, Contrast float64

	// Blur is the largest standard deviation of a Gaussian blur in pixels, at most 2.
	// A patch is blurred with probability BlurChance.
	Blur, BlurChance float64

	// Noise is the largest standard deviation of the sensor's noise, as a part of the
	// full range, at most 0.1. A patch gets noise with probability NoiseChance.
	Noise, NoiseChance float64
}

// Of returns what a level changes.
func Of(l Level) (Config, error) {
	switch l {
	case None:
		return Config{}, nil
	case Light:
		return Config{Orient: true, Stain: 0.05, Hue: 0.03, Tint: 0.005, Light: 0.02, Contrast: 0.03}, nil
	case Full:
		return Config{Orient: true, Zoom: 1.2, Stain: 0.25, Hue: 0.12, Tint: 0.035, Light: 0.06, Contrast: 0.12,
			Blur: 1.2, BlurChance: 0.2, Noise: 0.02, NoiseChance: 0.2}, nil
	}
	return Config{}, fault.New(fault.Invalid, "augmentation %q: want one of %v", l, Levels())
}

// Validate returns every problem of the Config at once.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct {
		name     string
		v, least float64
		most     float64
	}{
		{"zoom", c.Zoom, 1, 2}, {"stain", c.Stain, 0, 0.9}, {"hue", c.Hue, 0, 0.25}, {"tint", c.Tint, 0, 0.2},
		{"light", c.Light, 0, 0.5}, {"contrast", c.Contrast, 0, 0.9},
		{"blur", c.Blur, 0, maxSigma}, {"chance of blur", c.BlurChance, 0, 1},
		{"noise", c.Noise, 0, 0.1}, {"chance of noise", c.NoiseChance, 0, 1},
	} {
		if f.v != 0 && !(f.v >= f.least && f.v <= f.most) { // written so that NaN fails
			errs = append(errs, fmt.Errorf("%s %v: want 0 or %v to %v", f.name, f.v, f.least, f.most))
		}
	}
	if len(errs) > 0 {
		return fault.New(fault.Invalid, "augmentation: %w", errors.Join(errs...))
	}
	return nil
}

// Augmenter changes patches. Goroutines may share it.
type Augmenter struct {
	cfg     Config
	scratch sync.Pool // *scratch
}

// scratch is what one call needs besides the patch.
type scratch struct {
	a, b  []byte
	back  [backSize]byte
	taps  []tap
	steps []int32
}

// New returns an augmenter.
func New(cfg Config) (*Augmenter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Augmenter{cfg: cfg, scratch: sync.Pool{New: func() any { return new(scratch) }}}, nil
}

// Apply writes a changed copy of the px×px RGB patch src to dst (3·px·px bytes each).
// src stays as it is.
func (a *Augmenter) Apply(rng *rand.Rand, dst, src []byte, px int) {
	n := 3 * px * px
	dst, src = dst[:n], src[:n]
	s := a.scratch.Get().(*scratch)
	defer a.scratch.Put(s)
	// Every draw is made, whether it is used or not: a change of one setting leaves
	// the other changes of a seed as they were.
	g, st := drawGeometry(rng, a.cfg), drawStain(rng, a.cfg)
	sigma := a.cfg.Blur * rng.Float64()
	blurred := rng.Float64() < a.cfg.BlurChance
	noise := a.cfg.Noise * rng.Float64()
	noisy := rng.Float64() < a.cfg.NoiseChance
	start := rng.Uint32()

	g.apply(dst, src, px, s)
	if blurred {
		blur(dst, px, sigma, s)
	}
	st.apply(dst, s)
	if noisy {
		addNoise(dst, noise, start)
	}
}

// fixed returns v with 16 bits of fraction. The product is rounded by itself, so
// that no machine fuses it into what follows.
func fixed(v float64) int32 { return int32(math.Round(float64(v * 65536))) }

// within draws evenly from -by to by.
func within(rng *rand.Rand, by float64) float64 { return float64(by * float64(2*rng.Float64()-1)) }
