package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/detect"
	"bcc/fault"
	"bcc/report"
)

// Again is a runner that can run its engine once more on the batch that lies
// ready in it: no pixels are converted and nothing is copied.
type Again interface {
	Again(ctx context.Context) error
}

// Detect is one comparison of the walk with the engine.
type Detect struct {
	Name     string           // of the network
	Detector *detect.Detector // the walk, with the same model and as many runners as Bare
	Slide    detect.Item
	Bare     []Again // one a core
	Batch    int     // patches a run of the engine
	Rounds   int     // how often each side runs
}

// DetectFigures is what a Detect measured.
type DetectFigures struct {
	Bench  string `json:"bench"`
	Name   string `json:"network"`
	Slide  string `json:"slide"`
	Rounds int    `json:"rounds"`

	Patches      int     `json:"patches"`                 // of the slide
	EngineRate   float64 `json:"engine_patches_per_s"`    // the engine alone, on ready-made batches; median
	WalkRate     float64 `json:"walk_patches_per_s"`      // file to finished report; median
	Ratio        float64 `json:"ratio"`                   // walk to engine; median of the rounds
	RatioLow     float64 `json:"ratio_low"`               // of the rounds
	RatioHigh    float64 `json:"ratio_high"`              //
	EngineCPU    float64 `json:"engine_cpu_ms_per_patch"` // of all cores; median
	WalkCPU      float64 `json:"walk_cpu_ms_per_patch"`
	InferenceS   float64 `json:"walk_inference_s"` // reading and scoring, in the last round
	BesidesS     float64 `json:"walk_besides_s"`   // overview, tissue, aggregation, report, digest, in the last round
	PeakRSSBytes int64   `json:"peak_rss_bytes"`   // of the process so far
	Machine      Machine `json:"machine"`
}

// Run measures. Each round runs the engine alone for about as long as the walk
// before it took, then the walk.
func (d Detect) Run(ctx context.Context) (DetectFigures, error) {
	if d.Rounds < 1 {
		return DetectFigures{}, fault.New(fault.Invalid, "bench detect: %d rounds: want 1 or more", d.Rounds)
	}
	dir, err := os.MkdirTemp("", "bcc-bench-")
	if err != nil {
		return DetectFigures{}, err
	}
	defer os.RemoveAll(dir)
	f := DetectFigures{Bench: "detect", Name: d.Name, Slide: d.Slide.Name, Rounds: d.Rounds, Machine: machine(len(d.Bare))}

	warm, err := d.walk(ctx, filepath.Join(dir, "warm"))
	if err != nil {
		return f, err
	}
	f.Patches = warm.patches
	if f.Patches == 0 {
		return f, fmt.Errorf("bench detect: no patch on %s", d.Slide.Name)
	}
	if _, err := d.engine(ctx, warm.took/8); err != nil {
		return f, err
	}

	var engine, walk, ratio, engineCPU, walkCPU []float64
	for round := range d.Rounds {
		start := CPUSeconds()
		bare, err := d.engine(ctx, warm.took)
		if err != nil {
			return f, err
		}
		engineCPU = append(engineCPU, (CPUSeconds()-start)/float64(bare.patches)*1e3)
		start = CPUSeconds()
		w, err := d.walk(ctx, filepath.Join(dir, fmt.Sprint(round)))
		if err != nil {
			return f, err
		}
		walkCPU = append(walkCPU, (CPUSeconds()-start)/float64(w.patches)*1e3)
		engine, walk, ratio = append(engine, bare.rate()), append(walk, w.rate()), append(ratio, w.rate()/bare.rate())
		f.InferenceS, f.BesidesS = w.timing.InferenceS, w.took.Seconds()-w.timing.InferenceS
	}
	f.EngineRate, f.WalkRate, f.Ratio = median(engine), median(walk), median(ratio)
	f.EngineCPU, f.WalkCPU = median(engineCPU), median(walkCPU)
	f.RatioLow, f.RatioHigh = spread(ratio)
	f.PeakRSSBytes = peakRSS()
	return f, nil
}

// engine runs the engine alone, every runner at once, for about the time.
func (d Detect) engine(ctx context.Context, span time.Duration) (measured, error) {
	begun := time.Now()
	runs := make([]int, len(d.Bare))
	eg, ctx := errgroup.WithContext(ctx)
	for i, r := range d.Bare {
		eg.Go(func() error {
			for time.Since(begun) < span {
				if err := r.Again(ctx); err != nil {
					return err
				}
				runs[i]++
			}
			return nil
		})
	}
	err := eg.Wait()
	total := 0
	for _, n := range runs {
		total += n
	}
	return measured{patches: total * d.Batch, took: time.Since(begun)}, err
}

// measured is one run of one side.
type measured struct {
	patches int
	took    time.Duration
	timing  report.Timing // of a walk
}

// rate returns patches a second.
func (m measured) rate() float64 { return float64(m.patches) / m.took.Seconds() }

// walk walks the slide as bcc detect does, digest and report included.
func (d Detect) walk(ctx context.Context, out string) (measured, error) {
	begun := time.Now()
	end := d.Detector.List(ctx, []detect.Item{d.Slide}, out, 1, nil)[0]
	took := time.Since(begun)
	if end.Err != nil {
		return measured{}, end.Err
	}
	w := measured{patches: end.Result.Tissue.Patches, took: took}
	text, err := os.ReadFile(filepath.Join(end.Dir, report.TimingFile))
	if err == nil {
		err = json.Unmarshal(text, &w.timing)
	}
	return w, err
}
