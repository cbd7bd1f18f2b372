package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/capacity"
	"bcc/detect"
	"bcc/disk"
	"bcc/fault"
	"bcc/model"
	"bcc/synth"
	"bcc/telemetry"
)

// benchEngineFlags are the flags of bcc bench engine.
type benchEngineFlags struct {
	engineFlags
	rounds, slides, jobs int
	size                 string
	seed                 uint64
	typeName, write      string
	json                 bool
}

func newBenchEngine(std Streams) *cobra.Command {
	var f benchEngineFlags
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "How fast this machine is at slides, as a row for bcc plan",
		Long: `Walks synthetic slides of two sizes with all cores, and has the engine run alone in
turn: patches a second of both, and what a slide takes besides its patches. Decoding,
overview, tissue and reports are in it, as on a worker of a fleet.

--write appends the row to a file of rates, which bcc plan --rates reads. The machine is
called as its instance type on Amazon EC2, local elsewhere; --type says otherwise.`,
		Example: `  bcc bench engine
  bcc bench engine --model models/mine --write rates.csv && bcc plan --slides 5000 --rates rates.csv`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.register(fs)
	f.isolate.register(fs, true)
	fs.IntVar(&f.rounds, "rounds", 3, "how often each side runs; the median counts")
	fs.IntVar(&f.slides, "slides", 2, "large slides; of small ones, a third as wide and high, there are four times as many")
	fs.StringVar(&f.size, "size", "12800x12800", "of large slides in pixels: COBRA's median")
	fs.IntVar(&f.jobs, "jobs", defaultJobs, "slides in flight")
	fs.Uint64Var(&f.seed, "seed", 1, "of the slides")
	fs.StringVar(&f.typeName, "type", instanceType(), "what the machine is called in the row: a type of the catalogue, or a name")
	fs.StringVar(&f.write, "write", "", "file of rates that the row is appended to; it is made where there is none")
	fs.BoolVar(&f.json, "json", false, "print a JSON object")
	return cmd
}

func (f *benchEngineFlags) run(ctx context.Context, std Streams) error {
	if f.rounds < 1 || f.slides < 1 || f.jobs < 1 {
		return fault.New(fault.Invalid, "--rounds %d, --slides %d, --jobs %d: want 1 or more of each", f.rounds, f.slides, f.jobs)
	}
	kept, err := ratesSoFar(f.write) // now, and not after minutes of work
	if err != nil {
		return err
	}
	b, err := benchBundle(f.model)
	if err != nil {
		return err
	}
	if b.Card.Kind != model.PatchClassifier && b.Card.Kind != model.SlideHead {
		return fault.New(fault.Unsupported, "bench engine: model %s is a %s: want one that judges slides", b.Card.Name, b.Card.Kind)
	}
	figures, err := f.measure(ctx, b, std)
	if err != nil {
		return err
	}
	row := f.row(figures, b)
	if f.write != "" {
		if err := disk.Write(f.write, append(kept, row.Row()...)); err != nil {
			return fault.New(fault.Unavailable, "write %s: %w", f.write, err)
		}
	}
	if !f.json {
		words := fmt.Sprintf("%s on %s: walks %.1f patches/s (%.1f to %.1f), and %.3f s more for each slide; the engine alone %.1f (%.1f to %.1f); ratio %.3f\n",
			f.model, f.typeName, figures.Rate, figures.Low, figures.High, figures.SlideS, figures.EngineRate, figures.EngineLow, figures.EngineHigh, figures.Ratio)
		if f.write != "" {
			words += fmt.Sprintf("The row stands in %s, for bcc plan --rates.\n", printable(f.write))
		}
		_, err = io.WriteString(std.Out, fitted(words, columnsOf(std.Out)))
		if err == nil && f.write == "" {
			_, err = fmt.Fprint(std.Out, capacity.RateHeader, row.Row())
		}
		return unwrittenIf(err)
	}
	return show(std.Out, true, figures, "")
}

// measure makes the slides and runs the comparison.
func (f *benchEngineFlags) measure(ctx context.Context, b *model.Bundle, std Streams) (figures bench.EngineFigures, err error) {
	digest, err := b.RowsDigest()
	if err != nil {
		return figures, err
	}
	dir, err := os.MkdirTemp("", "bcc-bench-slides-")
	if err != nil {
		return figures, fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	large, small, err := f.make(ctx, dir)
	if err != nil {
		return figures, err
	}
	j := &judge{bundle: b, cfg: detectorConfig(b)}
	if err := j.start(ctx, f.engineFlags, std.Err); err != nil {
		return figures, err
	}
	defer func() { err = errors.Join(err, j.engine.Close()) }()
	d, err := detect.New(j.cfg, j.engine)
	if err != nil {
		return figures, err
	}
	e := bench.Engine{
		Name: b.Card.Name, Digest: digest, Detector: d, Large: large, Small: small, Jobs: f.jobs,
		Batch: j.engine.infos[0].Batch, Cores: cores, Rounds: f.rounds,
	}
	for _, r := range j.engine.runners {
		e.Bare = append(e.Bare, r.(bench.Again)) // the batcher's, idle while the engine runs alone
	}
	for _, info := range j.engine.infos {
		if info.Device != "cpu" {
			e.GPUs++
		}
	}
	return e.Run(ctx)
}

// make makes the slides: large ones, and small ones of a ninth of the area.
func (f *benchEngineFlags) make(ctx context.Context, dir string) (large, small []detect.Item, err error) {
	size, err := parseSize(f.size)
	if err != nil {
		return nil, nil, err
	}
	set := func(name string, count, part int) ([]detect.Item, error) {
		cfg := synth.SetConfig{Slide: synth.DefaultConfig(), Count: count, BCC: 0.5}
		cfg.Slide.Seed, cfg.Slide.Size = f.seed, size
		cfg.Slide.Size.W, cfg.Slide.Size.H = size.W/part, size.H/part
		cfg.Write.NewEncoder = newEncoder
		to := filepath.Join(dir, name)
		if err := synth.WriteSet(ctx, to, cfg); err != nil {
			return nil, err
		}
		return detect.Find(ctx, []string{to}, "")
	}
	if large, err = set("large", f.slides, 1); err != nil {
		return nil, nil, err
	}
	small, err = set("small", 4*f.slides, 3)
	return large, small, err
}

// row is what was measured as bcc plan reads it.
func (f *benchEngineFlags) row(e bench.EngineFigures, b *model.Bundle) capacity.Rate {
	return capacity.Rate{
		Type: f.typeName, Model: e.Digest, ModelName: b.Card.Name,
		PatchesPerS: e.Rate, Low: e.Low, High: e.High, SlideS: e.SlideS, EngineRate: e.EngineRate,
		CPU: e.Machine.CPU, Cores: e.Machine.Cores, ThreadsPerCore: e.ThreadsPerCore, GPUs: e.GPUs, Arch: e.Arch,
		Date: time.Now().UTC().Format(time.DateOnly), Version: telemetry.Version,
	}
}

// ratesSoFar returns what the file of rates holds, the header where there is none. A file
// that is something else is not touched.
func ratesSoFar(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []byte(capacity.RateHeader), writable(filepath.Dir(path))
	case err != nil:
		return nil, fault.New(fault.Unavailable, "read %s: %w", path, err)
	case len(bytes.TrimSpace(text)) == 0:
		return []byte(capacity.RateHeader), nil
	}
	if _, err := capacity.ReadRates(bytes.NewReader(text), path); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(string(text), capacity.RateHeader) && !strings.Contains(string(text), "\n"+capacity.RateHeader) {
		return nil, fault.Hint(fault.New(fault.Invalid, "%s has its columns in another order", path), "--write another file, and put its row there by hand")
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return text, nil
}

// instanceType is what Amazon's firmware says that this machine is, local elsewhere.
func instanceType() string {
	read := func(name string) string {
		text, _ := os.ReadFile("/sys/devices/virtual/dmi/id/" + name)
		return strings.TrimSpace(string(text))
	}
	if name := read("product_name"); read("sys_vendor") == "Amazon EC2" && name != "" {
		return name
	}
	return "local"
}
