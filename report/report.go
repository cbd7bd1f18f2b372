// Package report writes what leaves the program about a slide: result.json,
// timing.json, patches.csv, lesions.geojson, heatmap.png, report.html.
//
// In: the answer of package aggregate and, in plain words, what the slide, the
// model and the parameters were. Out: the files of one folder, complete or not at
// all: result.json comes last, so that its presence means that the set is whole.
// It decodes no slide and judges nothing.
package report

import (
	"bcc/aggregate"
	"bcc/wsi"
)

// The files of a set.
const (
	ResultFile  = "result.json"
	TimingFile  = "timing.json"
	PatchesFile = "patches.csv"
	LesionsFile = "lesions.geojson"
	HeatmapFile = "heatmap.png"
	PageFile    = "report.html"
)

// setFiles are all of them, in the order of writing: the last one's presence means
// that the set was written whole.
var setFiles = [...]string{TimingFile, PatchesFile, LesionsFile, HeatmapFile, PageFile, ResultFile}

// Input is everything that the files of one slide hold.
type Input struct {
	Result     Result            // with the answer taken over, see Result.SetAnswer
	Answer     *aggregate.Answer // for heat map and outlines
	Grid       *wsi.Grid
	Probs      []float32 // one a cell of Grid, in grid order
	Overview   *wsi.Overview
	Card       Card
	Thumbnails []*wsi.Image // of the first lesions, in their order; see ThumbnailRect
	Timing     Timing

	// Passing says that the folder is on its way into a store, which makes its copy last:
	// nothing here is synced, a power cut may leave anything. Default: what Write has
	// written lasts.
	Passing bool
}

// Timing is the content of timing.json: what differs from run to run.
type Timing struct {
	FormatVersion int     `json:"format_version"`
	TotalS        float64 `json:"total_s"`
	OverviewS     float64 `json:"overview_s"`  // reading the overview and finding the tissue
	InferenceS    float64 `json:"inference_s"` // reading and scoring the patches
	AggregateS    float64 `json:"aggregate_s"`
	PatchesPerS   float64 `json:"patches_per_s"`
	Device        string  `json:"device,omitempty"`
	Workers       int     `json:"workers,omitempty"`
}

// Card is what the report says about the model, in words for a person. Empty
// fields are left out.
type Card struct {
	Description    string // what kind of model it is
	TrainingData   string
	Licence        string
	Metrics        []Metric
	OperatingPoint OperatingPoint
	Calibration    string // how scores were made probabilities
	KnownFailures  []string
	IntendedUse    string
}

// Metric is one measured figure with its 95 % interval.
type Metric struct {
	Name      string // e.g. "AUROC"
	Value     float64
	Low, High float64 // both 0: no interval was given
	Set       string  // name of the test set
	Slides    int
	Patients  int
}

// OperatingPoint is the threshold with what it was measured to do.
type OperatingPoint struct {
	Threshold   float64
	Sensitivity *Metric // nil: not measured
	Specificity *Metric
	ChosenOn    string // name of the set the threshold was chosen on
}
