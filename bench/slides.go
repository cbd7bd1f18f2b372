package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

// Slides compares bcc detect, as it is typed, with the same walk built of OpenSlide,
// numpy and PyTorch (peers/wsi): the same slides, the same patches, the same network and
// weights. Both are processes of their own; ours counts from its start to its end, theirs
// from the moment it has loaded its libraries and the network.
type Slides struct {
	Name    string   // of the network
	Model   string   // folder with model.onnx and card.json
	Slides  []string // files
	Program string   // bcc
	Python  string
	Env     []string
	Cores   int
	Rounds  int
	Tried   func(TriedSetting) // a setting of theirs was tried; nil: nobody wants to know
}

// SlidesFigures is what a Slides measured. Where nothing else is said, figures are medians
// of the rounds.
type SlidesFigures struct {
	Bench   string `json:"bench"`
	Name    string `json:"network"`
	Slides  int    `json:"slides"`
	Patches int    `json:"patches"` // of all slides
	Rounds  int    `json:"rounds"`

	SlideRate float64 `json:"slides_per_h"`
	PatchRate float64 `json:"patches_per_s"`
	Memory    int64   `json:"peak_memory_bytes"` // largest of the rounds
	CPU       float64 `json:"cpu_ms_per_patch"`  // start and end included

	Theirs         string         `json:"peer"` // versions and the setting that did most
	TheirSlideRate float64        `json:"peer_slides_per_h"`
	TheirPatchRate float64        `json:"peer_patches_per_s"`
	TheirMemory    int64          `json:"peer_peak_memory_bytes"`
	TheirCPU       float64        `json:"peer_cpu_ms_per_patch"`
	TheirStart     float64        `json:"peer_start_s"` // not counted in its rates
	Tried          []TriedSetting `json:"peer_tried"`

	Ratio     float64 `json:"ratio"` // of slides an hour, ours to theirs; above 1 is faster
	RatioLow  float64 `json:"ratio_low"`
	RatioHigh float64 `json:"ratio_high"`

	Difference float64 `json:"score_difference_max"` // of the probabilities of one patch; ours are written with four decimals
	Mean       float64 `json:"score_difference_mean"`
	Found      float64 `json:"peer_patches_shared"` // part of our patches that their own tissue mask gives too

	Machine Machine `json:"machine"`
}

// Beyond these the sides do not compute the same and no figure of theirs means anything.
// Where a slide's scale is the model's, probabilities agree to the four decimals that are
// written; where patches are scaled, the last bit of a pixel may differ.
const (
	mostDifference = 0.2
	mostMean       = 0.005
)

// Run tries their settings and measures both sides in turn, Rounds times.
func (b Slides) Run(ctx context.Context) (SlidesFigures, error) {
	f := SlidesFigures{Bench: "slides", Name: b.Name, Slides: len(b.Slides), Rounds: b.Rounds, Machine: machine(b.Cores)}
	if b.Rounds < 1 || len(b.Slides) == 0 {
		return f, fault.New(fault.Invalid, "bench slides: %d rounds over %d slides: want 1 or more of each", b.Rounds, len(b.Slides))
	}
	names := map[string]bool{} // results lie by name
	for _, path := range b.Slides {
		if name := filepath.Base(path); names[name] {
			return f, fault.New(fault.Invalid, "bench slides: two slides are called %s", name)
		}
		names[filepath.Base(path)] = true
	}
	dir, err := os.MkdirTemp("", "bcc-bench-slides-")
	if err != nil {
		return f, fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	script, err := writeWSI(dir)
	if err != nil {
		return f, err
	}
	planned := filepath.Join(dir, "planned")
	if _, err := b.ours(ctx, planned); err != nil { // a warm-up, and whose patches both score
		return f, err
	}
	partner := wsiPartner{b, script, planned, dir}
	best, err := partner.fastest(ctx, &f.Tried)
	if err != nil {
		return f, err
	}

	var ours, theirs, ratio, cpu, theirCPU, start []float64
	for round := range b.Rounds {
		out := filepath.Join(dir, fmt.Sprintf("theirs-%d", round))
		t, err := partner.run(ctx, best, out, b.Slides)
		if err != nil {
			return f, err
		}
		o, err := b.ours(ctx, filepath.Join(dir, fmt.Sprintf("ours-%d", round)))
		if err != nil {
			return f, err
		}
		if round == 0 {
			if err := f.compare(planned, out, b.Slides); err != nil {
				return f, err
			}
			f.Theirs, f.Found = t.version+"; "+best.String(), float64(t.shared)/float64(f.Patches)
		}
		n := float64(f.Patches)
		ours, theirs = append(ours, o.took.Seconds()), append(theirs, t.seconds)
		ratio = append(ratio, t.seconds/o.took.Seconds())
		cpu, theirCPU = append(cpu, 1e3*o.cpu/n), append(theirCPU, 1e3*t.cpu/n)
		start = append(start, t.ready)
		f.Memory, f.TheirMemory = max(f.Memory, o.memory), max(f.TheirMemory, t.memory)
	}
	f.SlideRate, f.PatchRate = float64(f.Slides)/median(ours)*3600, float64(f.Patches)/median(ours)
	f.TheirSlideRate, f.TheirPatchRate = float64(f.Slides)/median(theirs)*3600, float64(f.Patches)/median(theirs)
	f.CPU, f.TheirCPU, f.TheirStart = median(cpu), median(theirCPU), median(start)
	f.Ratio = median(ratio)
	f.RatioLow, f.RatioHigh = spread(ratio)
	return f, nil
}

// ours runs bcc detect on all slides.
func (b Slides) ours(ctx context.Context, out string) (ran, error) {
	r, err := runProgram(ctx, b.Env, b.Program, append([]string{"detect", "--json", "--device", "cpu", "--model", b.Model, "--out", out}, b.Slides...)...)
	if err != nil {
		return r, fmt.Errorf("bcc detect: %w", err)
	}
	return r, nil
}

// compare counts the patches and finds by how much their probabilities differ. Another set
// of patches, or other probabilities, is an error.
func (f *SlidesFigures) compare(ours, theirs string, slides []string) error {
	f.Patches, f.Difference, f.Mean = 0, 0, 0
	for _, path := range slides {
		name := filepath.Base(path)
		rects, p, err := patchesIn(filepath.Join(ours, name))
		if err != nil {
			return err
		}
		others, q, err := patchesIn(filepath.Join(theirs, name))
		if err != nil {
			return fmt.Errorf("of the peer: %w", err)
		}
		if len(rects) != len(others) {
			return fault.New(fault.Corrupt, "%s: the peer scored %d patches, want %d", name, len(others), len(rects))
		}
		for i := range rects {
			if rects[i] != others[i] {
				return fault.New(fault.Corrupt, "%s: the peer's patch %d is %v, want %v", name, i, others[i], rects[i])
			}
			d := float64(max(p[i]-q[i], q[i]-p[i]))
			f.Difference, f.Mean = max(f.Difference, d), f.Mean+d
		}
		f.Patches += len(rects)
	}
	if f.Patches == 0 {
		return fault.New(fault.Invalid, "bench slides: no patch on any slide")
	}
	f.Mean /= float64(f.Patches)
	if f.Difference > mostDifference || f.Mean > mostMean {
		return fault.New(fault.Corrupt, "the peer's probabilities differ by %.4f at most and %.5f in the mean: it does not compute the same", f.Difference, f.Mean)
	}
	return nil
}

// patchesIn reads patches.csv of a slide's results.
func patchesIn(dir string) ([]wsi.Rect, []float32, error) {
	file, err := os.Open(filepath.Join(dir, "patches.csv"))
	if err != nil {
		return nil, nil, fault.New(fault.NotFound, "%w", err)
	}
	rects, values, err := report.ReadPatches(file)
	return rects, values, errors.Join(err, file.Close())
}
