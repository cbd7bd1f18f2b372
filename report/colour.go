package report

import (
	"image/color"
	"math"
)

// The heat-map ramp runs from pale yellow over orange and red to deep violet.
// Its anchors are given in OKLCH (Ottosson 2020) and joined in OKLab. Lightness
// falls all the way, so the order survives every kind of colour blindness and a
// black-and-white print; high is dark because a slide's ground is pale.
var anchors = [...]struct{ l, c, hue float64 }{
	{0.96, 0.07, 100}, {0.83, 0.14, 75}, {0.67, 0.18, 45}, {0.50, 0.19, 10}, {0.30, 0.14, 305},
}

// ramp returns the colour of probability p, 0 to 1.
func ramp(p float64) color.RGBA {
	f := min(max(p, 0), 1) * float64(len(anchors)-1)
	i := min(int(f), len(anchors)-2)
	f -= float64(i)
	lab := func(i int) (l, a, b float64) {
		s, c := math.Sincos(anchors[i].hue * math.Pi / 180)
		return anchors[i].l, anchors[i].c * c, anchors[i].c * s
	}
	l0, a0, b0 := lab(i)
	l1, a1, b1 := lab(i + 1)
	return okLab(l0+f*(l1-l0), a0+f*(a1-a0), b0+f*(b1-b0))
}

// HeatColour returns the colour of value p, 0 to 1, as it is laid over a slide: that
// of every heat map this program shows, low values as faint as in the report.
func HeatColour(p float64) color.NRGBA {
	p = min(max(p, 0), 1)
	c := ramp(p)
	return color.NRGBA{c.R, c.G, c.B, uint8(255 * opacity(p))}
}

// okLab turns a colour of OKLab into sRGB, clamped to what a screen can show.
func okLab(lightness, a, b float64) color.RGBA {
	cube := func(v float64) float64 { return v * v * v }
	l := cube(lightness + 0.3963377774*a + 0.2158037573*b)
	m := cube(lightness - 0.1055613458*a - 0.0638541728*b)
	s := cube(lightness - 0.0894841775*a - 1.2914855480*b)
	gamma := func(v float64) uint8 {
		v = min(max(v, 0), 1)
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		return uint8(math.Round(255 * v))
	}
	return color.RGBA{
		gamma(4.0767416621*l - 3.3077115913*m + 0.2309699292*s),
		gamma(-1.2684380046*l + 2.6097574011*m - 0.3413193965*s),
		gamma(-0.0041960863*l - 0.7034186147*m + 1.7076147010*s),
		255,
	}
}
