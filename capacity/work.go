package capacity

import (
	"math"
	"math/rand/v2"

	"bcc/fault"
)

// COBRA's 5,147 biopsies (docs/cobra.md): 1,062 Gpx in all, half of them under 0.163, at
// 0.48507 µm per pixel. Their sizes are drawn from the logarithmic normal distribution
// that fits the 5th and the 95th percentile (0.059 and 0.517 Gpx).
const (
	cobraMPP       = 0.48507
	cobraMedianPx  = 0.163e9
	cobraMeanPx    = 1062e9 / 5147
	cobraSigma     = 0.66
	cobraLeast     = 0.04 // of the median
	cobraMost      = 18.2 // of the median: 2.96 Gpx
	usualTissue    = 0.4  // part of a slide that is tissue: an assumption, as in the forecasts of a cohort
	tissueSpread   = 0.2  // what the mean part of a cohort may be off, as a part of it: an assumption
	maxSlides      = 1_000_000
	usualShard     = 512 // patches that a worker takes at once (worker.Config.Shard)
	maxPatchesEach = 100_000_000
)

// Patch says how a slide is cut.
type Patch struct {
	UM      float64 // side of a patch
	Overlap float64 // part of it that the next one shares, 0 to 0.75
}

// areaUM2 is what a patch takes of the tissue.
func (p Patch) areaUM2() float64 { return p.UM * p.UM * (1 - p.Overlap) * (1 - p.Overlap) }

// Tissue is the part of slides' areas that is tissue.
type Tissue struct {
	Part      float64 // mean, by area
	Deviation float64 // of the mean, as a part of it
}

// UsualTissue is what is assumed where nobody looked.
func UsualTissue() Tissue { return Tissue{usualTissue, tissueSpread} }

// Found is the part of slides that is tissue, by those of which both area and patches are
// known; false where there is none. Its deviation is what the mean of so few may be off.
func Found(seen []Size, p Patch) (Tissue, bool) {
	area, tissue := 0.0, 0.0
	for _, s := range seen {
		area += s.UM2
		tissue += s.Patches * p.areaUM2()
	}
	if area == 0 {
		return Tissue{}, false
	}
	part := min(tissue/area, 1)
	if len(seen) == 1 || tissue == 0 {
		return Tissue{part, tissueSpread}, true // of one slide nothing is learned of others
	}
	squares := 0.0
	for _, s := range seen {
		off := s.Patches*p.areaUM2() - part*s.UM2
		squares += off * off
	}
	n := float64(len(seen))
	return Tissue{part, math.Sqrt(squares*n/(n-1)) / tissue}, true // the ratio estimator's standard error
}

// Work is a list of slides.
type Work struct {
	Slides    int
	Patches   []float64 // of each, known or guessed
	Total     float64   // of all
	Deviation float64   // standard deviation of Total, as a part of it
	Basis     string    // how it is known, in words
}

// cobraSlides is what a list without sizes is taken for.
const cobraSlides = "sizes as COBRA's biopsies"

// Usual is n slides of which nothing is known but that they are biopsies as COBRA's.
func Usual(n int, p Patch, t Tissue) (Work, error) {
	if n < 1 || n > maxSlides {
		return Work{}, fault.Hint(fault.New(fault.Invalid, "%d slides: want 1 to %d", n, maxSlides), "plan a part of them: time and money go with their number")
	}
	w := Work{Patches: usual(n, p, t)}
	// Each slide is drawn, and the mean part of tissue is off for all of them.
	each := math.Sqrt(math.Exp(cobraSigma*cobraSigma) - 1)
	return w.sum(math.Hypot(each/math.Sqrt(float64(n)), t.Deviation), cobraSlides), nil
}

// usual draws the patches of n slides: evenly spread over the distribution, in an order
// that is mixed and the same each time, with the mean of COBRA's.
func usual(n int, p Patch, t Tissue) []float64 {
	all := make([]float64, n)
	sum := 0.0
	for i := range all {
		z := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/float64(n)-1)
		all[i] = min(max(math.Exp(cobraSigma*z), cobraLeast), cobraMost)
		sum += all[i]
	}
	mean := cobraMeanPx * cobraMPP * cobraMPP * t.Part / p.areaUM2()
	for i := range all {
		all[i] *= mean * float64(n) / sum
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// Size is what is known of a slide.
type Size struct {
	UM2     float64 // its area; 0: not known
	Patches float64 // counted; negative: not known, but by its area
}

// Sized is slides of which sizes are known: their patches are counted, or follow from the
// area, of which the part t is tissue, or are as COBRA's.
func Sized(sizes []Size, p Patch, t Tissue) (Work, error) {
	if len(sizes) < 1 || len(sizes) > maxSlides {
		return Work{}, fault.New(fault.Invalid, "%d slides: want 1 to %d", len(sizes), maxSlides)
	}
	w := Work{Patches: make([]float64, len(sizes))}
	var unknown []int
	guessed, drawn := 0.0, 0.0
	for i, s := range sizes {
		switch {
		case s.Patches >= 0:
			w.Patches[i] = s.Patches
		case s.UM2 > 0:
			w.Patches[i] = s.UM2 * t.Part / p.areaUM2()
			guessed += w.Patches[i]
		default:
			unknown = append(unknown, i)
		}
	}
	for i, patches := range usual(len(unknown), p, t) {
		w.Patches[unknown[i]] = patches
		guessed += patches
		drawn += patches
	}
	each := math.Sqrt(math.Exp(cobraSigma*cobraSigma)-1) * drawn / math.Sqrt(max(float64(len(unknown)), 1))
	basis := "sizes known"
	switch {
	case guessed == 0:
		basis = "patches counted"
	case drawn > 0:
		basis = "sizes known of some, the others as COBRA's biopsies"
	}
	w = w.sum(0, basis)
	if w.Total > 0 {
		w.Deviation = math.Hypot(each, guessed*t.Deviation) / w.Total
	}
	return w, nil
}

func (w Work) sum(deviation float64, basis string) Work {
	w.Slides, w.Total = len(w.Patches), 0
	for _, p := range w.Patches {
		w.Total += p
	}
	w.Deviation, w.Basis = deviation, basis
	return w
}
