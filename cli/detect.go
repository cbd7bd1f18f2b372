package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/detect"
	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

// detectFlags are the flags of bcc detect.
type detectFlags struct {
	engineFlags
	out       string
	mpp       float64
	threshold float64
	overlap   float64
	minTissue float64
	jobs      int
	shard     string
	json      bool
}

// registerWalk adds the flags of every command that walks slides.
func (f *detectFlags) registerWalk(fs *pflag.FlagSet) {
	fs.Float64Var(&f.threshold, "threshold", 0, "slide score from which a slide is called BCC, 0 to 1; not given: the model card's operating point")
	fs.Float64Var(&f.overlap, "overlap", 0, "part of a patch that it shares with the next, 0 to 0.75")
	fs.Float64Var(&f.minTissue, "min-tissue", 0.5, "part of a patch that must be tissue, 0 to 1")
	fs.IntVar(&f.jobs, "jobs", 2, "slides in flight: while one is written the next is read")
	fs.BoolVar(&f.json, "json", false, "print JSON to standard output, one object a line")
}

func newDetect(std Streams) *cobra.Command {
	var f detectFlags
	cmd := &cobra.Command{
		Use:   "detect [flags] SLIDE|DIR|MANIFEST…",
		Short: "Find BCC on slides and write a report for each",
		Long: `Walks every slide named (files, folders, patterns, manifests in .csv or .txt)
and writes OUT/<slide name>/ with result.json, patches.csv, lesions.geojson,
heatmap.png and report.html. A slide whose results are there already, for the
same content, model, parameters and program version, is skipped; a bad slide does not stop the
others. Nothing it writes is a diagnosis.`,
		Example: `  bcc detect slide.svs
  bcc detect --out results --overlap 0.5 slides/
  bcc detect --mpp 0.25 photo.png`,
		Args: wants("slide, folder or manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDetect(cmd, args, f, std)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.out, "out", "results", "folder for the results, one folder a slide in it")
	f.register(fs)
	fs.Float64Var(&f.mpp, "mpp", 0, "scale of level 0 in µm per pixel; 0: as the file says")
	f.registerWalk(fs)
	fs.StringVar(&f.shard, "shard", "", "i/n: walk only the i-th of n equal parts of the list (1/4 to 4/4)")
	return cmd
}

func runDetect(cmd *cobra.Command, args []string, f detectFlags, std Streams) error {
	ctx := cmd.Context()
	items, missing := detect.Find(ctx, args, f.out)
	if err := ctx.Err(); err != nil {
		return err
	}
	items, err := shard(items, f.shard)
	if err != nil {
		return err
	}
	if len(items) == 0 && missing != nil {
		return missing
	}
	if err := writable(f.out); err != nil {
		return err // now, and not after an hour of work
	}
	d, e, err := openDetector(cmd, f, std)
	if err != nil {
		return err
	}

	watch := newProgress(std.Err, len(items))
	ends := d.List(ctx, items, f.out, f.jobs, watch)
	watch.Close()
	if err := e.Close(); err != nil && ctx.Err() == nil {
		return err
	}

	if f.json {
		err = printEnds(std.Out, ends)
	} else {
		err = printTable(std.Out, ends)
	}
	if stopped := ctx.Err(); stopped != nil && unfinished(ends) {
		fmt.Fprintln(std.Err, "bcc: run the same command again to go on where it stopped")
		return stopped
	}
	return errors.Join(missing, err, firstFailure(ends))
}

// openDetector opens the model and starts the engine; the caller closes it.
func openDetector(cmd *cobra.Command, f detectFlags, std Streams) (*detect.Detector, *engine, error) {
	b, err := f.bundle()
	if err != nil {
		return nil, nil, err
	}
	cfg := detectorConfig(b)
	cfg.Patch.Overlap, cfg.Patch.MinTissue = f.overlap, f.minTissue
	if f.mpp != 0 {
		cfg.Slide.MPP = wsi.MPP{X: f.mpp, Y: f.mpp}
		if !cfg.Slide.MPP.Valid() {
			return nil, nil, fault.New(fault.Invalid, "--mpp %v: want 0.01 to 100 µm per pixel", f.mpp)
		}
	}
	if flag := cmd.Flags().Lookup("threshold"); flag != nil && flag.Changed {
		cfg.Aggregate = cfg.Aggregate.WithThreshold(f.threshold)
	}
	if f.jobs < 1 {
		return nil, nil, fault.New(fault.Invalid, "--jobs %d: want 1 or more", f.jobs)
	}
	cfg.Slide.CacheBytes = max(cacheBytes/int64(f.jobs), minCacheBytes)
	cfg.Patch.CacheBytes = cfg.Slide.CacheBytes
	cfg.Outputs = 1 // what the engine finds out; checked here so that bad flags fail before it starts
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}

	e, err := startEngine(cmd.Context(), b, f.engineFlags, std.Err)
	if err != nil {
		return nil, nil, err
	}
	e.describe(&cfg)
	d, err := detect.New(cfg, e)
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return d, e, nil
}

// The tile caches of all slides in flight share this much memory; below the
// smaller one a slide's cache would no longer hold two rows of its tiles.
const (
	cacheBytes    = 64 << 20
	minCacheBytes = 16 << 20
)

// shard keeps the i-th of n parts of the list, each a run of neighbours, their
// sizes within one of each other.
func shard(items []detect.Item, spec string) ([]detect.Item, error) {
	if spec == "" {
		return items, nil
	}
	var i, n int
	if _, err := fmt.Sscanf(spec, "%d/%d", &i, &n); err != nil || fmt.Sprintf("%d/%d", i, n) != spec || n < 1 || i < 1 || i > n {
		return nil, fault.Hint(fault.New(fault.Invalid, "--shard %q: want i/n with i from 1 to n", spec), "four machines take 1/4, 2/4, 3/4 and 4/4")
	}
	return items[len(items)*(i-1)/n : len(items)*i/n], nil
}

// unfinished reports whether a slide was stopped or never begun.
func unfinished(ends []detect.End) bool {
	return slices.ContainsFunc(ends, func(e detect.End) bool { return e.Status == detect.Stopped || e.Status == detect.Waiting })
}

// firstFailure returns the first slide's error, which gives the exit code, with
// a word on how many there were.
func firstFailure(ends []detect.End) error {
	var first error
	failed := 0
	for _, e := range ends {
		if e.Status == detect.Failed {
			if failed++; failed == 1 {
				first = e.Err
			}
		}
	}
	if failed > 1 {
		return fault.New(fault.Of(first), "%w (and %d more failed, see the table)", first, failed-1)
	}
	return first
}

// endJSON is a line of --json.
type endJSON struct {
	Slide  string         `json:"slide"`
	Status detect.Status  `json:"status"`
	TookS  float64        `json:"took_s"`
	Dir    string         `json:"dir,omitempty"`
	Error  *errorJSON     `json:"error,omitempty"`
	Result *report.Result `json:"result,omitempty"`
}

type errorJSON struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func printEnds(w io.Writer, ends []detect.End) error {
	enc := json.NewEncoder(w)
	for _, e := range ends {
		line := endJSON{Slide: e.Name, Status: e.Status, TookS: e.Took.Seconds()}
		if e.Status == detect.Waiting {
			continue
		}
		if e.Status == detect.Failed {
			line.Error = &errorJSON{Kind: fault.Of(e.Err).String(), Message: e.Err.Error(), Hint: fault.HintOf(e.Err)}
		} else if e.Result != nil {
			line.Dir, line.Result = filepath.ToSlash(e.Dir), e.Result
		}
		if err := enc.Encode(line); err != nil {
			return unwritten(err)
		}
	}
	return nil
}
