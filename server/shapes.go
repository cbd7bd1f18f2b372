package server

import (
	"math"
	"time"

	"bcc/aggregate"
	"bcc/cohort"
	"bcc/report"
)

// The JSON that leaves, apart from what cohort and report say by themselves.

// prediction answers POST /predict.
type prediction struct {
	ID             *string              `json:"id"` // of the slide; null: nothing of it was kept
	Prediction     aggregate.Prediction `json:"prediction"`
	Score          float64              `json:"score"`
	Confidence     float64              `json:"confidence"`
	ProcessingTime float64              `json:"processing_time"` // seconds
	Patches        []patchJSON          `json:"patches"`
	Slide          report.Slide         `json:"slide"`
	Model          report.Model         `json:"model"`
	Parameters     report.Parameters    `json:"parameters"`
	Tissue         report.Tissue        `json:"tissue"`
	Lesions        []report.Lesion      `json:"lesions"`
	Degraded       []string             `json:"degraded"`
	Notice         string               `json:"notice"`
	Cached         bool                 `json:"cached"`
	RequestID      string               `json:"request_id"`
	Files          *filesJSON           `json:"files"`
}

func newPrediction(c *call, r *report.Result) *prediction {
	return &prediction{
		Prediction: r.Prediction, Score: r.Score, Confidence: r.Confidence,
		ProcessingTime: round(time.Since(c.begun).Seconds(), 6),
		Patches:        []patchJSON{},
		Slide:          r.Slide, Model: r.Model, Parameters: r.Parameters, Tissue: r.Tissue,
		Lesions: some(r.Lesions), Degraded: some(r.Degraded), Notice: report.Notice,
		RequestID: c.id,
	}
}

// patchJSON is one patch of a prediction.
type patchJSON struct {
	Coordinates [4]int   `json:"coordinates"` // x, y, width, height in level-0 pixels
	Confidence  float64  `json:"confidence"`  // probability of BCC, four decimals
	Tissue      *float64 `json:"tissue_percentage"`
}

func newPatch(p Patch) patchJSON {
	out := patchJSON{Coordinates: [4]int{p.X, p.Y, p.W, p.H}, Confidence: round(float64(p.Probability), 4)}
	if p.Tissue >= 0 {
		t := round(100*float64(p.Tissue), 1)
		out.Tissue = &t
	}
	return out
}

func newPatches(ps []Patch) []patchJSON {
	out := make([]patchJSON, len(ps))
	for i, p := range ps {
		out[i] = newPatch(p)
	}
	return out
}

// filesJSON says where the files of a result are.
type filesJSON struct {
	Result  string `json:"result"`
	Timing  string `json:"timing"`
	Patches string `json:"patches"`
	Lesions string `json:"lesions"`
	Heatmap string `json:"heatmap"`
	Report  string `json:"report"`
	Slide   string `json:"slide"`         // deep zoom
	Heat    string `json:"heatmap_tiles"` // deep zoom
}

func filesOf(id string) *filesJSON {
	at := "/slides/" + id
	return &filesJSON{
		at + "/result", at + "/timing", at + "/patches.csv", at + "/lesions.geojson", at + "/heatmap.png", at + "/report.html",
		at + "/slide.dzi", at + "/heatmap.dzi",
	}
}

// cohortJSON is a cohort, with a page of its slides or without.
type cohortJSON struct {
	cohort.Summary
	Slides *[]slideJSON `json:"slides,omitempty"`
	Next   *int         `json:"next"` // offset of the next page; null: there is none
}

func newCohort(s cohort.Summary) cohortJSON {
	s.Degraded = some(s.Degraded)
	return cohortJSON{Summary: s}
}

// slideJSON is a slide of a cohort.
type slideJSON struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	State       cohort.State `json:"state"`
	SHA256      *string      `json:"sha256"` // null: not fetched yet
	Bytes       *int64       `json:"bytes"`
	Label       *int         `json:"label"`
	Patches     int          `json:"patches"`
	PatchesDone int          `json:"patches_done"`
	Prediction  *string      `json:"prediction"` // this and what follows: null until it is done
	Score       *float64     `json:"score"`
	Confidence  *float64     `json:"confidence"`
	Lesions     *int         `json:"lesions"`
	Degraded    []string     `json:"degraded"`
	Cached      bool         `json:"cached"`
	Error       *problemJSON `json:"error"`
	Ended       *time.Time   `json:"ended"`
	TookS       *float64     `json:"took_s"`
}

type problemJSON struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Details string `json:"details"`
}

func newSlide(st cohort.Status) slideJSON {
	out := slideJSON{
		ID: st.ID, Name: st.Slide.Name, State: st.State, SHA256: set(st.Slide.SHA256), Bytes: set(st.Slide.Bytes), Label: st.Slide.Label,
		Patches: st.Planned, PatchesDone: st.Scored, Degraded: []string{},
	}
	e := st.End
	if e == nil {
		return out
	}
	if e.SHA256 != "" {
		out.SHA256 = &e.SHA256
	}
	took := round(e.TookS, 3)
	out.Ended, out.TookS, out.Cached, out.Degraded = set(e.Ended), &took, e.Cached, some(e.Degraded)
	if e.State == cohort.Done {
		out.Prediction, out.Score, out.Confidence, out.Lesions = &e.Prediction, &e.Score, &e.Confidence, &e.Lesions
		out.Patches, out.PatchesDone = e.Patches, e.Patches
	}
	if p := e.Problem; p != nil {
		out.Error = &problemJSON{p.Code, p.Message, p.Hint}
	}
	return out
}

// oneSlideJSON answers GET /slides/{id}.
type oneSlideJSON struct {
	slideJSON
	Cohort   string     `json:"cohort"`
	WidthPx  *int       `json:"width_px"`
	HeightPx *int       `json:"height_px"`
	MPPUM    *float64   `json:"mpp_um"`
	Files    *filesJSON `json:"files"`
}

// some returns s, or an empty list in place of null.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// set returns nil for what is not known.
func set[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// round keeps so many decimals: what was measured has no more, and reads better so.
func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}
