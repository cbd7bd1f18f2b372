package detect

import (
	"fmt"
	"math"
	"time"

	"bcc/aggregate"
	"bcc/report"
	"bcc/slide"
	"bcc/wsi"
)

// result says about the slide what result.json holds.
func (d *Detector) result(src Source, digest string, v *seen, a *aggregate.Answer) report.Result {
	size := v.grid.Slide
	r := report.Result{
		Program: d.cfg.Program,
		Slide: report.Slide{
			Name: src.Name, SHA256: digest, Format: v.slide.Format(),
			WidthPx: size.W, HeightPx: size.H, MPPUM: v.mpp.Mean(),
		},
		Model:      d.cfg.Model,
		Parameters: d.Parameters(src.MPP),
		Tissue: report.Tissue{
			AreaMM2: v.mpp.AreaMM2(float64(v.mask.Count()) * v.mask.ScaleX * v.mask.ScaleY),
			Patches: v.grid.Len(),
		},
	}
	if d.cfg.Head != nil {
		r.Model.HeatMap = report.Attention
	}
	r.SetAnswer(a)
	if enlarged := d.cfg.Patch.MPP / v.mpp.Mean(); enlarged < 1/tooCoarse {
		r.Degraded = append(r.Degraded, fmt.Sprintf("the slide has %.2f µm per pixel, the model was made for %.2f: it saw enlarged, blurred patches", v.mpp.Mean(), d.cfg.Patch.MPP))
	}
	r.Degraded = append(r.Degraded, v.notes...)
	r.Degraded = append(r.Degraded, d.cfg.Degraded...)
	return r
}

// tooCoarse is how many times coarser than the model a slide may be without a
// word: scanners of one nominal power differ by about as much.
const tooCoarse = 1.25

// Parameters is everything set that changes the answer: two results with equal
// ones, of one slide and one model, are the same.
func (d *Detector) Parameters(override wsi.MPP) report.Parameters {
	a := d.cfg.Aggregate
	p := report.Parameters{
		Overlap:         d.cfg.Patch.Overlap,
		MinTissue:       d.cfg.Patch.MinTissue,
		Threshold:       a.Threshold,
		Abstain:         a.Abstain,
		LesionThreshold: a.LesionThreshold,
		MinLesionMM2:    a.MinLesionMM2,
	}
	if d.cfg.Coarse.On {
		p.Pass, p.Suspicious = report.CoarseFirst, d.cfg.suspicious()
	}
	p.MPPOverrideUM = d.cfg.overrideUM(override)
	return p
}

// overrideUM returns the scale that a person gave instead of the file's, µm per
// pixel; 0: none was given.
func (w Walk) overrideUM(override wsi.MPP) float64 {
	if override == (wsi.MPP{}) {
		override = w.Slide.MPP
	}
	if override == (wsi.MPP{}) {
		return 0
	}
	return override.Mean()
}

func (w Walk) slideConfig(override wsi.MPP) slide.Config {
	cfg := w.Slide
	if override != (wsi.MPP{}) {
		cfg.MPP = override
	}
	return cfg
}

// The overview that tissue is found on and that the report shows. At 8 µm a pixel
// the smallest biopsy is 25 pixels across; a small slide is shown finer, as long as
// the picture stays small. Beyond 4 megapixels it would only cost memory.
const (
	overviewUM     = 8
	overviewFineUM = 4
	overviewPix    = 1.5e6
	overviewMaxPix = 4 << 20
)

// overviewDown returns the overview's scale in level-0 pixels a pixel: that of the
// level nearest to what is wanted, where a pyramid has one near, because reading a
// level as it is costs a tenth of averaging a finer one.
func overviewDown(levels []wsi.Level, mpp wsi.MPP) float64 {
	area := float64(levels[0].Size.Area())
	um := math.Sqrt(area/overviewPix) * mpp.Mean()
	wanted := min(max(um, overviewFineUM), overviewUM) / mpp.Mean()
	least := max(math.Sqrt(area/overviewMaxPix), 1)
	down, off := max(wanted, least), 1.5
	for _, l := range levels {
		if far := max(l.DownX/wanted, wanted/l.DownX); l.DownX >= least && far < off {
			down, off = l.DownX, far
		}
	}
	return down
}

// clock keeps what the steps took.
type clock struct {
	report.Timing
	begun, last time.Time
}

func startClock() *clock {
	now := time.Now()
	return &clock{begun: now, last: now}
}

// lap puts the seconds since the last lap into s.
func (c *clock) lap(s *float64) {
	now := time.Now()
	*s = now.Sub(c.last).Seconds()
	c.last = now
}

func (d *Detector) timing(v *seen) report.Timing {
	t := v.clock.Timing
	t.TotalS = time.Since(v.clock.begun).Seconds()
	if t.InferenceS > 0 {
		t.PatchesPerS = float64(v.grid.Len()) / t.InferenceS
	}
	t.Device, t.Workers = d.cfg.Device, d.cfg.Workers
	return t
}
