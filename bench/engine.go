package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"bcc/detect"
	"bcc/fault"
)

// Engine measures how fast this machine is at slides, so that others can be planned: the
// engine alone, and whole walks with it, all cores at work.
//
// What a walk takes is so much for each patch and so much for each slide (its overview, its
// report), so slides of two sizes are walked, and both follow from the two times.
type Engine struct {
	Name     string // of the model
	Digest   string // of its network
	Detector *detect.Detector
	Large    []detect.Item // slides with many patches
	Small    []detect.Item // slides with few
	Jobs     int           // slides in flight
	Bare     []Again       // one a runner
	Batch    int           // patches a run of the engine
	Cores    int
	GPUs     int
	Rounds   int
}

// EngineFigures is what an Engine measured.
type EngineFigures struct {
	Bench          string  `json:"bench"`
	Model          string  `json:"model"`
	Digest         string  `json:"network_sha256"`
	Rounds         int     `json:"rounds"`
	Patches        int     `json:"patches"`              // of a round
	EngineRate     float64 `json:"engine_patches_per_s"` // the engine alone, on ready-made batches; median
	EngineLow      float64 `json:"engine_low"`
	EngineHigh     float64 `json:"engine_high"`
	Rate           float64 `json:"patches_per_s"` // walks, without what a slide takes by itself; median
	Low            float64 `json:"low"`
	High           float64 `json:"high"`
	SlideS         float64 `json:"slide_s"` // what a slide takes by itself, all cores; median
	Ratio          float64 `json:"ratio"`   // of the rates; median of the rounds
	GPUs           int     `json:"gpus"`
	ThreadsPerCore int     `json:"threads_per_core"`
	Arch           string  `json:"arch"`
	Machine        Machine `json:"machine"`
}

// Run measures. Each round runs the engine alone for as long as the large slides took at
// first, then walks the large slides, then the small ones.
func (e Engine) Run(ctx context.Context) (EngineFigures, error) {
	f := EngineFigures{
		Bench: "engine", Model: e.Name, Digest: e.Digest, Rounds: e.Rounds,
		GPUs: e.GPUs, ThreadsPerCore: threadsPerCore(), Arch: runtime.GOARCH, Machine: machine(e.Cores),
	}
	if e.Rounds < 1 || len(e.Large) < 1 || len(e.Small) < 1 {
		return f, fault.New(fault.Invalid, "bench engine: %d rounds of %d large and %d small slides: want 1 or more of each", e.Rounds, len(e.Large), len(e.Small))
	}
	dir, err := os.MkdirTemp("", "bcc-bench-")
	if err != nil {
		return f, fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	bare := Detect{Bare: e.Bare, Batch: e.Batch}
	warm, err := e.walk(ctx, e.Large, filepath.Join(dir, "warm"))
	if err != nil {
		return f, err
	}
	if _, err := bare.engine(ctx, warm.took/8); err != nil {
		return f, err
	}
	var engine, rate, slide, ratio []float64
	for round := range e.Rounds {
		b, err := bare.engine(ctx, warm.took)
		if err != nil {
			return f, err
		}
		large, err := e.walk(ctx, e.Large, filepath.Join(dir, fmt.Sprint("large", round)))
		if err != nil {
			return f, err
		}
		small, err := e.walk(ctx, e.Small, filepath.Join(dir, fmt.Sprint("small", round)))
		if err != nil {
			return f, err
		}
		f.Patches = large.patches + small.patches
		r, s := split(large, small, len(e.Large), len(e.Small))
		engine, rate, slide, ratio = append(engine, b.rate()), append(rate, r), append(slide, s), append(ratio, r/b.rate())
	}
	f.EngineRate, f.Rate, f.SlideS, f.Ratio = median(engine), median(rate), median(slide), median(ratio)
	f.EngineLow, f.EngineHigh = spread(engine)
	f.Low, f.High = spread(rate)
	return f, nil
}

// split tells what patches take from what slides take: two times, two unknowns. Where
// noise says that a slide takes less than nothing, all is the patches'.
func split(large, small measured, larges, smalls int) (rate, slideS float64) {
	p1, p2 := float64(large.patches), float64(small.patches)
	t1, t2 := large.took.Seconds(), small.took.Seconds()
	n1, n2 := float64(larges), float64(smalls)
	det := p1*n2 - p2*n1
	if det != 0 {
		patchS := (t1*n2 - t2*n1) / det
		slideS = (p1*t2 - p2*t1) / det
		if patchS > 0 && slideS >= 0 {
			return 1 / patchS, slideS
		}
	}
	return (p1 + p2) / (t1 + t2), 0
}

// walk walks the slides as workers do, several in flight.
func (e Engine) walk(ctx context.Context, items []detect.Item, out string) (measured, error) {
	begun := time.Now()
	ends := e.Detector.List(ctx, items, out, e.Jobs, nil)
	m := measured{took: time.Since(begun)}
	for _, end := range ends {
		if end.Err != nil {
			return m, end.Err
		}
		if end.Status != detect.Done {
			return m, context.Cause(ctx)
		}
		m.patches += end.Result.Tissue.Patches
	}
	if m.patches == 0 {
		return m, fault.New(fault.Internal, "bench engine: no patch on %d slides", len(items))
	}
	return m, os.RemoveAll(out)
}

// threadsPerCore is how many of the processors that Linux tells of share a core; 1 where
// it does not say.
func threadsPerCore() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list") // 0,48 or 0-1
	if err != nil {
		return 1
	}
	return 1 + strings.Count(string(text), ",") + strings.Count(string(text), "-")
}
