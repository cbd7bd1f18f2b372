package synth

import (
	"math"
	"math/rand/v2"
)

// optics turns stain into light as one scanner does for one batch of stains.
type optics struct {
	lut     [256 * 256]uint32 // haematoxylin<<8 | eosin → 0xRRGGBB
	white   uint32            // clear glass
	soft    int32             // share of each neighbour in the lens's spread, of 256
	noise   int32             // sensor noise
	quality int               // of the JPEG tiles
	chroma  string            // "444" or "420"
}

// Stain vectors, optical density in red, green and blue, fitted by eye and by mean
// colour to a public slide of skin; each is varied per slide.
var (
	haematoxylin = [3]float64{0.60, 0.72, 0.35}
	eosin        = [3]float64{0.17, 0.85, 0.50}
	eosinDense   = [3]float64{0.26, 0.74, 0.62} // keratin, muscle and red cells turn to orange
)

func newOptics(r *rand.Rand) *optics {
	vary := func(v [3]float64, by float64) [3]float64 {
		for i := range v {
			v[i] *= 1 + by*between(r, -1, 1)
		}
		return v
	}
	hv, ev, dv := vary(haematoxylin, 0.10), vary(eosin, 0.12), vary(eosinDense, 0.10)
	hGain, eGain := between(r, 0.82, 1.18), between(r, 0.75, 1.25)
	gamma := between(r, 0.93, 1.07)
	glass := between(r, 240, 250)
	white := [3]float64{glass + between(r, -2, 2), glass + between(r, -2, 2), glass + between(r, -1, 3)}
	o := &optics{
		soft:    int32(between(r, 22, 46)),
		noise:   int32(between(r, 2, 6)),
		quality: 70 + r.IntN(23),
		chroma:  []string{"420", "420", "444"}[r.IntN(3)],
	}
	for h := range 256 {
		for e := range 256 {
			ch := 1.15 * hGain * float64(h) / 255
			ce := 0.58 * eGain * float64(e) / 255
			dense := ramp(130, 225, float64(e))
			var px uint32
			for i := range 3 {
				od := ch*hv[i] + ce*(ev[i]+(dv[i]-ev[i])*dense)
				v := white[i] * math.Pow(10, -od*gamma)
				px = px<<8 | uint32(byteOf(v))
			}
			o.lut[h<<8|e] = px
		}
	}
	o.white = o.lut[0]
	return o
}

// expose writes the light of the w×h pixels whose stains lie in p, which has one
// more pixel on every side. (x, y) is the place of the first on the slide.
func (o *optics) expose(p *plate, t *textures, rgb []byte, x, y, w, h int) {
	soft, centre := o.soft, 256-2*o.soft
	rows := [3][]uint32{}
	for i := range rows {
		rows[i] = p.rows[i*w : (i+1)*w]
	}
	// both stains ride in one word: h in the upper half, e in the lower
	blurRow := func(dst []uint32, sy int) {
		ph := p.hema[sy*p.w : sy*p.w+w+2]
		pe := p.eos[sy*p.w : sy*p.w+w+2]
		a, b := uint32(ph[0])<<16|uint32(pe[0]), uint32(ph[1])<<16|uint32(pe[1])
		for i := range dst {
			c := uint32(ph[i+2])<<16 | uint32(pe[i+2])
			dst[i] = (uint32(soft)*(a+c) + uint32(centre)*b) >> 4 & 0x0fff0fff // 12 bits each
			a, b = b, c
		}
	}
	blurRow(rows[0], 0)
	blurRow(rows[1], 1)
	for j := range h {
		r0, r1, r2 := rows[j%3], rows[(j+1)%3], rows[(j+2)%3]
		blurRow(r2, j+2)
		out := rgb[3*w*j : 3*w*(j+1)]
		grain := t.grain[(y+j)*7&texMask<<10:]
		for i := range w {
			m, n := r1[i], r0[i]+r2[i]
			hh := (int32(m>>16)*centre + int32(n>>16)*soft) >> 12
			ee := (int32(m&0xffff)*centre + int32(n&0xffff)*soft) >> 12
			px := o.white
			if hh|ee != 0 {
				g := (int32(grain[(x+i)&texMask]) - 128) * o.noise * (hh + ee + 24) >> 13
				hh, ee = clampByte(hh+g), clampByte(ee+g)
				px = o.lut[(hh<<8|ee)&0xffff]
			}
			out[3*i], out[3*i+1], out[3*i+2] = byte(px>>16), byte(px>>8), byte(px)
		}
	}
}

func clampByte(v int32) int32 {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return v
}
