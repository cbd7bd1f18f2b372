package tissue

// stained sets bits to 1 where a pixel is coloured and not ink.
func stained(bits, pix []byte, cfg Config) {
	for i := range bits {
		r, g, b := int(pix[3*i]), int(pix[3*i+1]), int(pix[3*i+2])
		high := max(r, g, b)
		if (high-min(r, g, b))*255 > cfg.MinSaturation*high {
			bits[i] = 1
		}
	}
}
