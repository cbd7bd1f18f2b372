package synth

import (
	"math"
	"sync"
)

// The textures repeat after texSize texels of texUM; warping and a slowly changing
// threshold for the gaps between bundles keep the eye from finding the period.
const (
	texSize = 1024
	texMask = texSize - 1
	texUM   = 0.5
	texSpan = texSize * texUM
)

// textures are the same for every slide: made once, on first use.
type textures struct {
	// fibre packs four bytes a texel: distance from the nearest gap between two
	// bundles, fibrils, the bundle's tone, and a mottle.
	fibre []uint32
	// fat is the distance from the nearest wall between two fat cells, a quarter µm
	// a step.
	fat []uint8
	// grain is white noise around 128.
	grain []uint8
}

var sharedTextures = sync.OnceValue(func() *textures {
	t := &textures{
		fibre: make([]uint32, texSize*texSize),
		fat:   make([]uint8, texSize*texSize),
		grain: make([]uint8, texSize*texSize),
	}
	var wg sync.WaitGroup
	const bands = 8
	for b := range bands {
		wg.Go(func() {
			for y := b * texSize / bands; y < (b+1)*texSize/bands; y++ {
				for x := range texSize {
					t.fibre[y*texSize+x] = fibreAt(float64(x)*texUM, float64(y)*texUM)
					t.fat[y*texSize+x] = fatAt(float64(x)*texUM, float64(y)*texUM)
					a := hash(5, int32(x), int32(y))
					t.grain[y*texSize+x] = uint8((a&255 + a>>8&255 + a>>16&255 + a>>24) / 4) // nearly normal
				}
			}
		})
	}
	wg.Wait()
	return t
})

// voronoi returns the distances to the two nearest sites of a jittered lattice that
// repeats after nx by ny cells, the nearest site's hash, and the offset from it.
func voronoi(seed uint32, x, y float64, nx, ny int32) (f1, f2 float64, id uint32, dx, dy float64) {
	ix, iy := int32(math.Floor(x)), int32(math.Floor(y))
	f1, f2 = 9, 9
	for j := iy - 1; j <= iy+1; j++ {
		for i := ix - 1; i <= ix+1; i++ {
			h := hash(seed, wrap(i, nx), wrap(j, ny))
			ex := x - float64(i) - float64(h&0xffff)/0x10000
			ey := y - float64(j) - float64(h>>16)/0x10000
			if d := ex*ex + ey*ey; d < f1 {
				f1, f2, id, dx, dy = d, f1, h, ex, ey
			} else if d < f2 {
				f2 = d
			}
		}
	}
	return math.Sqrt(f1), math.Sqrt(f2), id, dx, dy
}

// fibreAt shades collagen: wavy bundles along x, some 60 µm long and 14 µm wide.
func fibreAt(x, y float64) uint32 {
	const long, wide = 64.0, 16.0
	wx := x + 16*tiled(11, x/64, y/64, texSpan/64, texSpan/64)
	wy := y + 13*tiled(12, x/64, y/64, texSpan/64, texSpan/64) +
		4.5*tiled(13, x/16, y/16, texSpan/16, texSpan/16) + 1.2*tiled(14, x/4, y/4, texSpan/4, texSpan/4)
	f1, f2, id, dx, dy := voronoi(15, wx/long, wy/wide, texSpan/long, texSpan/wide)
	gap := (f2 - f1) * 330

	lean := (float64(id&255)/255 - 0.5) * 0.9 // each bundle runs its own way
	u, v := dx*long, dy*wide+lean*dx*long
	v += 1.6 * math.Sin(u/5.5+float64(id>>8&7)) // collagen is crimped
	fib := 0.6*noise2(id, u/15, v/1.3) + 0.4*noise2(id+1, u/7, v/0.7)
	tone := float64(id>>16&255)/127.5 - 1
	mot := 0.6*tiled(16, x/4, y/4, texSpan/4, texSpan/4) + 0.4*tiled(17, x/2, y/2, texSpan/2, texSpan/2) +
		0.3*tiled(18, x, y, texSpan, texSpan)
	b := func(v float64) uint32 { return uint32(byteOf(128 + 110*v)) }
	return uint32(byteOf(gap)) | b(fib)<<8 | b(tone)<<16 | b(mot)<<24
}

// fatAt shades fat: round cells some 60 µm across.
func fatAt(x, y float64) uint8 {
	wx := x + 9*tiled(21, x/32, y/32, texSpan/32, texSpan/32)
	wy := y + 9*tiled(22, x/32, y/32, texSpan/32, texSpan/32)
	f1, f2, _, _, _ := voronoi(23, wx/64, wy/64, texSpan/64, texSpan/64)
	return byteOf((f2 - f1) * 64 / 2 * 4)
}
