package augment

import (
	"math"
	"math/rand/v2"
)

// stainVectors are the optical densities of haematoxylin, eosin and what is left,
// in red, green and blue (Ruifrok and Johnston 2001; the third is their DAB, as in
// Tellez et al. 2019), each of length 1.
var stainVectors = [3][3]float64{
	{0.650, 0.704, 0.286},
	{0.072, 0.990, 0.105},
	{0.268, 0.570, 0.776},
}

// unmix is the inverse of stainVectors: densities times it are amounts of dye.
var unmix = inverse(stainVectors)

// Densities are integers: 1/odUnit of a decade of light.
const (
	odUnit   = 512
	backSize = 4 * odUnit // densities from which light can come back: up to a ten-thousandth
)

// density is the optical density of a byte, in odUnit; 0 counts as half a step.
var density = func() (t [256]int32) {
	for v := range t {
		t[v] = int32(math.Round(-odUnit * math.Log10(math.Max(float64(v), 0.5)/255)))
	}
	return t
}()

// light is the byte of a density, with 8 bits of fraction.
var light = func() (t [backSize]int32) {
	for d := range t {
		t[d] = int32(math.Round(255 * 256 * math.Pow(10, -float64(d)/odUnit)))
	}
	return t
}()

// stain is one change of colour: densities are mixed, the glass tinted, and the
// light stretched.
type stain struct {
	mix  [3][3]int32 // 16 bits of fraction: how much of density i goes to density j
	tint [3]int32    // odUnit
	gain int32       // 16 bits of fraction, around the middle
	add  int32       // of 255, 8 bits of fraction
	none bool
}

// drawStain unmixes the dyes, gives each another amount and another hue, and mixes
// them again. In densities all of that is one matrix.
func drawStain(rng *rand.Rand, c Config) stain {
	var other [3][3]float64 // the dyes as they shall be, times their amounts
	for i, v := range stainVectors {
		amount := 1 + within(rng, c.Stain)
		for j := range v {
			other[i][j] = float64(float64(v[j]*(1+within(rng, c.Hue))) * amount)
		}
	}
	var s stain
	for i := range 3 {
		for j := range 3 {
			var sum float64
			for k := range 3 {
				sum += float64(unmix[i][k] * other[k][j])
			}
			s.mix[i][j] = fixed(sum)
		}
	}
	for j := range s.tint {
		s.tint[j] = int32(math.Round(float64(odUnit * within(rng, c.Tint))))
	}
	s.gain = fixed(1 + within(rng, c.Contrast))
	s.add = int32(math.Round(float64(255 * 256 * within(rng, c.Light))))
	s.none = c.Stain == 0 && c.Hue == 0 && c.Tint == 0 && c.Contrast == 0 && c.Light == 0
	return s
}

// apply changes the colours of pix.
func (s stain) apply(pix []byte, work *scratch) {
	if s.none {
		return
	}
	// Light, contrast and the way back from densities are one table.
	const middle = 128 << 8
	for d, v := range light {
		v = middle + int32((int64(v-middle)*int64(s.gain))>>16) + s.add
		work.back[d] = byte(min(max((v+128)>>8, 0), 255))
	}
	m, tint := &s.mix, s.tint
	for len(pix) >= 3 {
		p := pix[:3:3]
		r, g, b := density[p[0]], density[p[1]], density[p[2]]
		p[0] = work.back[bounded((r*m[0][0]+g*m[1][0]+b*m[2][0])>>16+tint[0])]
		p[1] = work.back[bounded((r*m[0][1]+g*m[1][1]+b*m[2][1])>>16+tint[1])]
		p[2] = work.back[bounded((r*m[0][2]+g*m[1][2]+b*m[2][2])>>16+tint[2])]
		pix = pix[3:]
	}
}

func bounded(d int32) int32 { return min(max(d, 0), backSize-1) }

// inverse of a 3×3 matrix by cofactors.
func inverse(m [3][3]float64) (inv [3][3]float64) {
	cof := func(i, j int) float64 {
		a, b, c, d := (i+1)%3, (i+2)%3, (j+1)%3, (j+2)%3
		return float64(m[a][c]*m[b][d]) - float64(m[a][d]*m[b][c])
	}
	det := float64(m[0][0]*cof(0, 0)) + float64(m[0][1]*cof(0, 1)) + float64(m[0][2]*cof(0, 2))
	for i := range 3 {
		for j := range 3 {
			inv[j][i] = cof(i, j) / det
		}
	}
	return inv
}
