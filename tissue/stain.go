package tissue

// What the colours of a picture say, per pixel. Haematoxylin and eosin both
// absorb green most, so stained tissue is pink to violet: green is its weakest
// channel or nearly so, and red is not much weaker than green. The bounds below were set on two
// real slides and on painted ones; all leave room on the side of tissue.
const (
	// minChroma, of 255, is the least difference between channels: in a grey
	// speck it is JPEG noise, and its saturation would be large. The palest
	// dermis seen has 9.
	minChroma = 7

	// Blue ink is bluer than any nucleus (red is its weakest channel) and more
	// saturated than the densest nest of them.
	blueSat = 150

	// Black ink is darker than blackHigh and less saturated than blackSat.
	// The least saturated nuclei seen, averaged over 8 µm, have 40.
	blackHigh = 128
	blackSat  = 30

	// Glass in coloured light is brighter than paleHigh, less saturated than
	// paleSat, and not of the stain's colour: green lies not below the mean of red
	// and blue. So a warm or a cold lamp does not make tissue of the whole slide.
	paleHigh = 200
	paleSat  = 45
)

// stained sets bits to 1 where a pixel of pix (RGB) is coloured and not ink.
func stained(bits, pix []byte, cfg Config) {
	pix = pix[:3*len(bits)]
	for i := range bits {
		p := pix[3*i : 3*i+3 : 3*i+3]
		r, g, b := int(p[0]), int(p[1]), int(p[2])
		high := max(r, g, b)
		chroma := high - min(r, g, b)
		if chroma <= minChroma || chroma*255 <= cfg.MinSaturation*high {
			continue
		}
		if high >= paleHigh && chroma*255 < paleSat*high && 2*g >= r+b {
			continue
		}
		if !cfg.KeepInk && ink(r, g, high, chroma) {
			continue
		}
		bits[i] = 1
	}
}

// ink tells green, blue and black ink from stain. Red ink cannot be told from eosin.
func ink(r, g, high, chroma int) bool {
	return (g-r)*8 > chroma || // hue up to 232°; pure haematoxylin (Ruifrok 2001) has 246°
		g > r && chroma*255 > blueSat*high || // hue up to 240°, strong
		high < blackHigh && chroma*255 < blackSat*high
}
