package bench

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bcc/detect"
	"bcc/evaluate"
	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

// Truth compares what the walk says with what is known about a set of synthetic
// slides: the folder that bcc synth wrote.
type Truth struct {
	Detector *detect.Detector
	Dir      string // of the set: labels.csv, slides, NAME.geojson
	Out      string // where results go; those that are there are taken as they are
	Jobs     int
}

// TruthFigures is what a Truth measured. Intervals are 95 %, resampled by group.
type TruthFigures struct {
	Bench          string     `json:"bench"`
	Model          string     `json:"model"`
	Slides         int        `json:"slides"`
	Positives      int        `json:"positives"`
	AUROC          float64    `json:"slide_auroc"`
	AUROCInterval  [2]float64 `json:"slide_auroc_interval"`
	Threshold      float64    `json:"threshold"`
	Sensitivity    float64    `json:"slide_sensitivity"`
	Specificity    float64    `json:"slide_specificity"`
	Indeterminate  int        `json:"indeterminate"`
	Dice           float64    `json:"lesion_dice"`        // over the area of all slides
	Precision      float64    `json:"lesion_precision"`   // share of the found area that is true
	Recall         float64    `json:"lesion_recall"`      // share of the true area that was found
	LesionHits     float64    `json:"lesion_sensitivity"` // share of true lesions touched, at the lesion threshold
	FalsePerSlide  float64    `json:"false_lesions_per_slide"`
	FoundInClearMM float64    `json:"area_called_on_negatives_mm2"` // a slide, in the mean
}

// labelled is a row of labels.csv.
type labelled struct {
	path, group string
	positive    bool
}

// Run walks the set and compares. A slide that fails is an error: a figure over
// the rest would be better than the truth.
func (t Truth) Run(ctx context.Context, watch detect.Watcher) (TruthFigures, error) {
	rows, err := readLabels(filepath.Join(t.Dir, "labels.csv"))
	if err != nil {
		return TruthFigures{}, err
	}
	items := make([]detect.Item, len(rows))
	for i, r := range rows {
		items[i] = detect.Item{Name: r.path, Path: filepath.Join(t.Dir, r.path)}
	}
	ends := t.Detector.List(ctx, items, t.Out, t.Jobs, watch)

	f := TruthFigures{Bench: "truth", Slides: len(rows)}
	var scores []float64
	var positive []bool
	var groups []string
	var overlap evaluate.Overlap
	var hits []evaluate.SlideHits
	for i, end := range ends {
		if end.Err != nil {
			return f, end.Err
		}
		r := end.Result
		f.Model, f.Threshold = r.Model.Name+" "+r.Model.Version, r.Parameters.Threshold
		scores, positive, groups = append(scores, r.Score), append(positive, rows[i].positive), append(groups, rows[i].group)
		if rows[i].positive {
			f.Positives++
		} else {
			for _, l := range r.Lesions {
				f.FoundInClearMM += l.AreaMM2
			}
		}
		if r.Prediction == "Indeterminate" {
			f.Indeterminate++
		}
		o, h, err := evaluate.CompareLesions(filepath.Join(end.Dir, report.LesionsFile), truthOf(t.Dir, rows[i].path),
			wsi.Size{W: r.Slide.WidthPx, H: r.Slide.HeightPx})
		if err != nil {
			return f, err
		}
		overlap, hits = overlap.Add(o), append(hits, h)
	}
	f.FoundInClearMM /= float64(max(f.Slides-f.Positives, 1))
	auroc, interval, err := evaluate.AUROCInterval(scores, positive, groups, evaluate.Rounds, 1)
	if err != nil {
		return f, err
	}
	f.AUROC, f.AUROCInterval = auroc, [2]float64{interval.Low, interval.High}
	c, err := evaluate.At(scores, positive, f.Threshold)
	if err != nil {
		return f, err
	}
	f.Sensitivity, f.Specificity = c.Sensitivity(), c.Specificity()
	f.Dice, f.Precision, f.Recall = zeroNaN(overlap.Dice()), zeroNaN(overlap.Precision()), zeroNaN(overlap.Recall())
	points, err := evaluate.FROC(hits)
	if err != nil {
		return f, err
	}
	if n := len(points); n > 0 { // the last one counts every found lesion
		f.LesionHits, f.FalsePerSlide = points[n-1].Sensitivity, points[n-1].FalsePerSlide
	}
	return f, nil
}

// truthOf returns the file in which bcc synth wrote a slide's true lesions.
func truthOf(dir, path string) string {
	return filepath.Join(dir, strings.TrimSuffix(path, filepath.Ext(path))+".geojson")
}

// readLabels reads path, label and group; label 1 or BCC is positive.
func readLabels(path string) ([]labelled, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Hint(fault.New(fault.NotFound, "%w", err), "bcc synth makes a folder with labels.csv")
	}
	defer f.Close()
	in := csv.NewReader(f)
	head, err := in.Read()
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %w", path, err)
	}
	at := [3]int{slices.Index(head, "path"), slices.Index(head, "label"), slices.Index(head, "group")}
	if slices.Min(at[:]) < 0 {
		return nil, fault.New(fault.Invalid, "%s: the columns path, label and group are needed, it has %q", path, head)
	}
	var rows []labelled
	for {
		r, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", path, err)
		}
		if !namesFile(r[at[0]]) {
			line, _ := in.FieldPos(at[0])
			return nil, fault.New(fault.Invalid, "%s: line %d: the path %q leads out of the folder", path, line, r[at[0]])
		}
		rows = append(rows, labelled{r[at[0]], r[at[2]], r[at[1]] == "1" || strings.EqualFold(r[at[1]], "bcc")})
	}
}

// namesFile reports whether path stays below the folder it is joined to, so that
// no slide is read and no result written elsewhere.
func namesFile(path string) bool {
	path = filepath.FromSlash(path)
	return filepath.IsLocal(path) && filepath.Clean(path) != "."
}

// zeroNaN keeps JSON valid: no area found is written as 0.
func zeroNaN(v float64) float64 {
	if v != v {
		return 0
	}
	return v
}
