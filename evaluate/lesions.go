package evaluate

import (
	"context"
	"fmt"
	"math"
	"os"

	"bcc/fault"
	"bcc/wsi"
)

// rasterPx is the side of a comparison pixel in level-0 pixels: 8 µm at 0.5 µm/px,
// a nucleus.
const rasterPx = 16

// SlideLesions is what was found on one slide beside what is there.
type SlideLesions struct {
	Group    string
	Positive bool
	Overlap  Overlap
	Hits     SlideHits
	FoundMM2 float64 // area of the lesions found
}

// CompareLesions draws what was found on a slide and what is true on one raster;
// both are GeoJSON files in level-0 pixels. Without a file of true lesions there are
// none.
func CompareLesions(found, truth string, slide wsi.Size) (Overlap, SlideHits, error) {
	regions, raster, err := drawRegions(found, slide)
	if err != nil {
		return Overlap{}, SlideHits{}, err
	}
	trueRegions, trueRaster, err := drawRegions(truth, slide)
	if err != nil {
		return Overlap{}, SlideHits{}, err
	}
	overlap, err := Compare(raster, trueRaster)
	if err != nil {
		return Overlap{}, SlideHits{}, err
	}
	hits, err := Hits(regions, raster, trueRaster, len(trueRegions))
	return overlap, hits, err
}

func drawRegions(path string, slide wsi.Size) ([]Region, *Label, error) {
	if path == "" {
		raster, err := Raster(nil, slide, rasterPx)
		return nil, raster, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fault.New(fault.NotFound, "read regions: %w", err)
	}
	defer f.Close()
	regions, err := ReadRegions(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	raster, err := Raster(regions, slide, rasterPx)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return regions, raster, nil
}

// Lesions is how found lesions fit the true ones of all slides whose truth is known.
type Lesions struct {
	Slides int `json:"slides"`
	True   int `json:"true_lesions"`
	// Figures: dice, area_precision and area_recall over the area of all slides;
	// sensitivity (share of true lesions touched) and false_per_slide over all found
	// lesions; froc_score, the mean sensitivity at ¼, ½, 1, 2, 4 and 8 false lesions
	// a slide (CAMELYON16, Ehteshami Bejnordi et al. 2017);
	// area_called_on_negatives_mm2, on a slide without a lesion, in the mean.
	Figures Figures     `json:"figures"`
	FROC    []FROCPoint `json:"froc"`
}

// frocRates are the false lesions a slide at which CAMELYON16 reads the curve.
var frocRates = [...]float64{0.25, 0.5, 1, 2, 4, 8}

// lesionNames are the figures of Lesions with their titles, in the order shown.
var lesionNames = []struct{ name, title string }{
	{"froc_score", "FROC score"},
	{"sensitivity", "True lesions touched"},
	{"false_per_slide", "False lesions a slide"},
	{"dice", "Dice of the area"},
	{"area_precision", "Precision of the area"},
	{"area_recall", "Recall of the area"},
	{"area_called_on_negatives_mm2", "Area called on a slide without BCC, mm²"},
}

// MeasureLesions measures all slides, with intervals over their groups.
func MeasureLesions(ctx context.Context, slides []SlideLesions, c Config) (*Lesions, error) {
	l := &Lesions{Slides: len(slides), Figures: Figures{}}
	var all []SlideHits
	var groups []string
	var positive []bool
	for _, s := range slides {
		l.True += s.Hits.True
		all, groups, positive = append(all, s.Hits), append(groups, s.Group), append(positive, s.Positive)
	}
	var err error
	if l.FROC, err = FROC(all); err != nil {
		return nil, err
	}
	values := over(ctx, groups, positive, c, len(lesionNames), func(times, out []float64) { lesionFigures(slides, times, out) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, n := range lesionNames {
		l.Figures.set(n.name, values[i])
	}
	l.FROC = thin(l.FROC)
	return l, nil
}

// lesionFigures writes the figures of a resample in the order of lesionNames.
func lesionFigures(slides []SlideLesions, times, out []float64) {
	var overlap Overlap
	var hits []SlideHits
	var called, negatives float64
	for i, s := range slides {
		for range int(times[i]) {
			overlap, hits = overlap.Add(s.Overlap), append(hits, s.Hits)
		}
		if !s.Positive {
			called += times[i] * s.FoundMM2
			negatives += times[i]
		}
	}
	points, err := FROC(hits)
	score, sensitivity, falses := frocScore(points), 0.0, 0.0
	if n := len(points); n > 0 { // the last one counts every found lesion
		sensitivity, falses = points[n-1].Sensitivity, points[n-1].FalsePerSlide
	}
	if err != nil { // a resample without a true lesion
		score, sensitivity, falses = math.NaN(), math.NaN(), math.NaN()
	}
	copy(out, []float64{score, sensitivity, falses, overlap.Dice(), overlap.Precision(), overlap.Recall(), called / negatives})
}

// frocScore is the mean sensitivity at frocRates: at each that of the last point
// with no more false lesions.
func frocScore(points []FROCPoint) float64 {
	var sum float64
	for _, rate := range frocRates {
		var reached float64
		for _, p := range points {
			if p.FalsePerSlide <= rate {
				reached = p.Sensitivity
			}
		}
		sum += reached
	}
	return sum / float64(len(frocRates))
}
