package report

import "bcc/aggregate"

// FormatVersion is the version of result.json that this program writes and reads.
const FormatVersion = 1

// Notice stands in every result file.
const Notice = "research use only, not for diagnostic use"

// Result is the content of result.json: what is said about a slide, and about
// what, with which model and parameters. It is the same to the byte on every run;
// what differs from run to run stands in Timing.
type Result struct {
	FormatVersion int                  `json:"format_version"`
	Notice        string               `json:"notice"`
	Program       Program              `json:"program"`
	Slide         Slide                `json:"slide"`
	Model         Model                `json:"model"`
	Parameters    Parameters           `json:"parameters"`
	Prediction    aggregate.Prediction `json:"prediction"`
	Score         float64              `json:"score"`      // probability of BCC, four decimals
	Confidence    float64              `json:"confidence"` // that of the prediction, four decimals
	Tissue        Tissue               `json:"tissue"`
	Lesions       []Lesion             `json:"lesions"`  // by score, the highest first
	Degraded      []string             `json:"degraded"` // what was done less well than asked, in words
}

// Program says what computed the result.
type Program struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Engine  string `json:"engine,omitempty"` // with its version and kind of device
}

// Slide is the slide looked at.
type Slide struct {
	Name     string  `json:"name"`
	SHA256   string  `json:"sha256"`
	Format   string  `json:"format"`
	WidthPx  int     `json:"width_px"`
	HeightPx int     `json:"height_px"`
	MPPUM    float64 `json:"mpp_um"` // of level 0, the geometric mean of both directions
}

// Model is the model used.
type Model struct {
	Name        string  `json:"name"`
	Version     string  `json:"version"`
	SHA256      string  `json:"sha256"` // of the whole bundle
	PatchSizePx int     `json:"patch_size_px"`
	MPPUM       float64 `json:"mpp_um"`
	HeatMap     string  `json:"heat_map,omitempty"` // Attention; empty: the probability of BCC, patch by patch
}

// Parameters is everything a person can set that changes the answer.
type Parameters struct {
	Overlap         float64    `json:"overlap"`
	MinTissue       float64    `json:"min_tissue"`
	Threshold       float64    `json:"threshold"`
	Abstain         [2]float64 `json:"abstain"`
	LesionThreshold float64    `json:"lesion_threshold"`
	MinLesionMM2    float64    `json:"min_lesion_mm2"`
	MPPOverrideUM   float64    `json:"mpp_override_um,omitempty"` // 0: the scale came from the file
	Pass            string     `json:"pass,omitempty"`            // CoarseFirst; empty: every patch was scored
	Suspicious      float64    `json:"suspicious,omitempty"`      // of CoarseFirst: the probability that made it look around
}

// CoarseFirst is the Parameters.Pass of a slide of which only some patches were
// scored first, and the rest only around suspicious ones.
const CoarseFirst = "coarse-first"

// Tissue is how much was looked at.
type Tissue struct {
	AreaMM2 float64 `json:"area_mm2"`
	Patches int     `json:"patches"`
}

// Lesion is one region above the lesion threshold.
type Lesion struct {
	AreaMM2  float64 `json:"area_mm2"`
	Score    float64 `json:"score"`
	BoundsPx [4]int  `json:"bounds_px"` // x, y, width, height in level-0 pixels
}

// SetAnswer takes over what a says. Notes are added to Degraded.
func (r *Result) SetAnswer(a *aggregate.Answer) {
	r.Prediction, r.Score, r.Confidence = a.Prediction, a.Score, a.Confidence
	r.Lesions = make([]Lesion, len(a.Lesions))
	for i, l := range a.Lesions {
		b := l.Bounds
		r.Lesions[i] = Lesion{AreaMM2: l.AreaMM2, Score: l.Score, BoundsPx: [4]int{b.X, b.Y, b.W, b.H}}
	}
	r.Degraded = append(r.Degraded, a.Notes...)
}

// Same reports whether r answers for the same slide, model and parameters, by
// digests and not by names, and this version of the program gave it: then the work
// need not be done again. An empty digest is never the same.
func (r Result) Same(slideSHA256, modelSHA256, programVersion string, p Parameters) bool {
	return r.FormatVersion == FormatVersion && slideSHA256 != "" && modelSHA256 != "" &&
		r.Slide.SHA256 == slideSHA256 && r.Model.SHA256 == modelSHA256 &&
		r.Program.Version == programVersion && r.Parameters == p
}
