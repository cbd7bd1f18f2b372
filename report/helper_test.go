package report

import (
	"testing"

	"bcc/aggregate"
	"bcc/wsi"
)

// sample is a small slide with two lesions, one with a hole, and everything a
// report can hold.
func sample(t testing.TB) Input {
	t.Helper()
	return sampleOf(t,
		"01000000000.",
		"01888000000.",
		"00898003000.",
		"00888000099.",
		"00000000099.",
		"....00000000",
	)
}

func sampleOf(t testing.TB, rows ...string) Input {
	t.Helper()
	const side = 200
	g := &wsi.Grid{
		Slide: wsi.Size{W: side*len(rows[0]) - 40, H: side*len(rows) - 60}, MPP: wsi.MPP{X: 0.5, Y: 0.5},
		Patch: wsi.Size{W: side, H: side}, Stride: wsi.Size{W: side, H: side}, Cols: len(rows[0]), Rows: len(rows),
	}
	var probs []float32
	for y, row := range rows {
		for x, c := range row {
			if c != '.' {
				g.Cells = append(g.Cells, wsi.Cell{Col: x, Row: y, Tissue: 1})
				probs = append(probs, float32(c-'0')/9)
			}
		}
	}
	cfg := aggregate.Config{Threshold: 0.41, Abstain: [2]float64{0.35, 0.47}, LesionThreshold: 0.5, MinLesionMM2: 0.02}
	a, err := aggregate.Slide(g, probs, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ov := &wsi.Overview{Image: wsi.NewImage(g.Slide.W/8, g.Slide.H/8), ScaleX: 8, ScaleY: 8}
	for i := range ov.Pix {
		ov.Pix[i] = byte(180 + i%60)
	}
	in := Input{
		Answer: a, Grid: g, Probs: probs, Overview: ov,
		Result: Result{
			Program:    Program{Name: "bcc", Version: "0.1.0", Engine: "fake engine 1"},
			Slide:      Slide{Name: "s1.tif", SHA256: "aa11", Format: "generic-tiff", WidthPx: g.Slide.W, HeightPx: g.Slide.H, MPPUM: 0.5},
			Model:      Model{Name: "demo", Version: "1.0.0", SHA256: "bb22", PatchSizePx: 200, MPPUM: 0.5},
			Parameters: Parameters{MinTissue: 0.5, Threshold: 0.41, Abstain: cfg.Abstain, LesionThreshold: 0.5, MinLesionMM2: 0.02},
			Tissue:     Tissue{AreaMM2: 0.61234567, Patches: len(probs)},
		},
		Card: Card{
			Description: "a test", TrainingData: "nothing", Licence: "none", IntendedUse: "tests, not for diagnostic use",
			Metrics:        []Metric{{Name: "AUROC", Value: 0.9, Low: 0.8, High: 0.95, Set: "synthetic", Slides: 40, Patients: 40}},
			OperatingPoint: OperatingPoint{Threshold: 0.41, Sensitivity: &Metric{Value: 0.95, Slides: 20}, ChosenOn: "tuning"},
			KnownFailures:  []string{"follicles"},
		},
		Timing: Timing{TotalS: 1.5, PatchesPerS: 40},
	}
	in.Result.SetAnswer(a)
	for range a.Lesions {
		in.Thumbnails = append(in.Thumbnails, wsi.NewImage(8, 8))
	}
	return in
}
