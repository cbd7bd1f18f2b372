package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bcc/dataset"
	"bcc/detect"
	"bcc/evaluate"
	"bcc/fault"
	"bcc/model"
	"bcc/report"
	"bcc/wsi"
)

// resultsDir holds, under --out, the results of the slides that were walked: a run
// that was stopped goes on from them.
const resultsDir = "results"

// scoreSlides walks the slides of the wanted splits as detect does. A slide that
// fails is an error: figures over the rest would be better than the truth.
func (f *evaluateFlags) scoreSlides(cmd *cobra.Command, s *scored, dir string, b *model.Bundle, std Streams) error {
	ctx := cmd.Context()
	set, err := openSlides(ctx, dir, s.data.Kind, f.positive)
	if err != nil {
		return err
	}
	slides := slices.DeleteFunc(slices.Clone(set.Slides), func(sl dataset.Slide) bool { return !f.wants(sl.Split) })
	if f.by != "" && len(slides) > 0 && !slices.ContainsFunc(slides, func(sl dataset.Slide) bool { return set.Value(sl, f.by) != "" }) {
		return fault.New(fault.Invalid, "--by %s: the table has no such column, or nothing in it", f.by)
	}
	s.describe(set, slides, b)

	ends, err := f.walk(cmd, slides, std)
	if err != nil {
		return err
	}
	for i, end := range ends {
		sl := slides[i]
		s.rows = append(s.rows, evaluate.Prediction{Split: sl.Split, Sample: evaluate.Sample{
			Name: sl.Name, Group: sl.Group, Part: set.Value(sl, f.by), Positive: sl.Positive(), Score: end.Result.Score,
		}})
	}
	return s.compareLesions(f.measured(s.rows), slides, ends)
}

// describe says what the slides are and which operating point the model has for them.
func (s *scored) describe(set *dataset.SlideSet, slides []dataset.Slide, b *model.Bundle) {
	s.data.SHA256, s.notes = set.Digest(), append(s.notes, set.Notes...)
	s.point = evaluate.Point{Threshold: b.Card.Threshold()}
	s.point.Abstain = operatingPoint(&b.Card).Abstain
	s.source = "0.5: the card names no operating point, and 0.5 is no clinical threshold"
	if o := b.Card.OperatingPoint; o != nil {
		s.source = "the model's card"
		if o.ChosenOn != "" {
			s.source += ", chosen on " + o.ChosenOn
		}
	}
	switch {
	case s.data.About != "":
	case synthetic(slides):
		s.data.About = "Synthetic slides of bcc synth, no patient's: every figure here is about drawings of tissue, none about basal cell carcinoma."
	case s.data.Kind == kindCobra:
		s.data.About = "A data set with the tables of COBRA; whether it is the published one is not known here."
	}
}

func openSlides(ctx context.Context, dir, kind, positive string) (*dataset.SlideSet, error) {
	cfg := dataset.SlidesConfig{Positive: positive}
	if kind == kindCobra {
		cfg.Size = slideSize
		return dataset.Cobra(ctx, dir, cfg)
	}
	return dataset.Slides(ctx, dir, cfg)
}

// walk runs detect over the slides; results that are there are not made again.
func (f *evaluateFlags) walk(cmd *cobra.Command, slides []dataset.Slide, std Streams) ([]detect.End, error) {
	if len(slides) == 0 {
		return nil, nil
	}
	d, e, err := openDetector(cmd, f.detectFlags, std)
	if err != nil {
		return nil, err
	}
	items := make([]detect.Item, len(slides))
	for i, sl := range slides {
		items[i] = detect.Item{Name: sl.Name, Path: sl.Path}
	}
	ctx := cmd.Context()
	kept := f.walkFlags
	kept.out = filepath.Join(f.out, resultsDir)
	ends, err := walkAll(ctx, items, kept, d, e, std.Err)
	if err != nil {
		return nil, err
	}
	if err := stoppedWalk(ctx, ends, std.Err); err != nil {
		return nil, err
	}
	return ends, withoutSlides(firstFailure(ends))
}

// withoutSlides refuses figures where a slide is missing, because of err.
func withoutSlides(err error) error {
	if err == nil {
		return nil
	}
	return fault.Hint(fault.New(fault.Of(err), "no figures without all slides: %w", err), "mend the slide, or take it out of the table and say so")
}

// compareLesions compares the lesions found on the measured slides with those that
// are known, where files beside the slides say so. Where one does, a negative slide
// without a file has none; a positive one without is left out.
func (s *scored) compareLesions(measured []evaluate.Prediction, slides []dataset.Slide, ends []detect.End) error {
	wanted := map[string]bool{}
	for _, r := range measured {
		wanted[r.Name] = true
	}
	known := slices.ContainsFunc(slides, func(sl dataset.Slide) bool { return wanted[sl.Name] && sl.Beside(truthEnding) != "" })
	unknown := 0
	for i, sl := range slides {
		truth := sl.Beside(truthEnding)
		if !known || !wanted[sl.Name] {
			continue
		}
		if truth == "" && sl.Positive() {
			unknown++
			continue
		}
		r := ends[i].Result
		overlap, hits, err := evaluate.CompareLesions(filepath.Join(ends[i].Dir, report.LesionsFile), truth, wsi.Size{W: r.Slide.WidthPx, H: r.Slide.HeightPx})
		if err != nil {
			return err
		}
		l := evaluate.SlideLesions{Group: sl.Group, Positive: sl.Positive(), Overlap: overlap, Hits: hits}
		for _, found := range r.Lesions {
			l.FoundMM2 += found.AreaMM2
		}
		s.lesions = append(s.lesions, l)
	}
	if unknown > 0 {
		s.notes = append(s.notes, fmt.Sprintf("On %d positive slides nobody drew the lesions: the figures of lesions leave them out.", unknown))
	}
	return nil
}

// truthEnding is that of the file beside a slide in which its true lesions are drawn.
const truthEnding = ".geojson"

// synthetic reports whether slides come from bcc synth: its truth lies beside each.
func synthetic(slides []dataset.Slide) bool {
	return len(slides) > 0 && !slices.ContainsFunc(slides, func(sl dataset.Slide) bool {
		return sl.Beside(".geojson") == "" || sl.Beside(".mask.tif") == "" || sl.Beside(".json") == ""
	})
}

// positiveName is what a model calls its positive class.
func positiveName(c *model.Card) string {
	if i := c.Positive(); i >= 0 {
		return c.ClassNames[i]
	}
	return ""
}

// isBCC reports whether a class is basal cell carcinoma by its name.
func isBCC(name string) bool {
	return slices.Contains([]string{"bcc", "basal cell carcinoma", "basal-cell-carcinoma"}, strings.ToLower(strings.TrimSpace(name)))
}

func hasColumn(columns []string, name string) bool { return slices.Contains(columns, name) }
