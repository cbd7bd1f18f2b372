package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/chunk"
	"bcc/detect"
	"bcc/fault"
	"bcc/wsi"
)

// walkFlags are the flags of every command that walks a list of slides.
type walkFlags struct {
	engineFlags
	out       string
	mpp       float64
	overlap   float64
	minTissue float64
	jobs      int
	shard     string
	json      bool
}

func (f *walkFlags) registerScale(fs *pflag.FlagSet) {
	fs.Float64Var(&f.mpp, "mpp", 0, "scale of level 0 in µm per pixel; 0: as the file says")
}

// What registerCut's flags are where nobody gives them.
const (
	defaultMinTissue = 0.5
	defaultJobs      = 2
)

// registerCut adds the flags that say how slides are cut into patches, how many are
// open at a time, and in which form the answer is printed.
func (f *walkFlags) registerCut(fs *pflag.FlagSet) {
	f.registerPatches(fs)
	fs.BoolVar(&f.json, "json", false, "print JSON to standard output, one object a line")
}

func (f *walkFlags) registerPatches(fs *pflag.FlagSet) {
	fs.Float64Var(&f.overlap, "overlap", 0, "part of a patch that it shares with the next, 0 to 0.75")
	fs.Float64Var(&f.minTissue, "min-tissue", defaultMinTissue, "part of a patch that must be tissue, 0 to 1")
	fs.IntVar(&f.jobs, "jobs", defaultJobs, "slides in flight: while one is written the next is read")
}

func (f *walkFlags) registerShard(fs *pflag.FlagSet) {
	fs.StringVar(&f.shard, "shard", "", "i/n: walk only the i-th of n equal parts of the list (1/4 to 4/4)")
}

// apply puts the flags into the walk's configuration.
func (f *walkFlags) apply(w *detect.Walk) error {
	w.Patch.Overlap, w.Patch.MinTissue = f.overlap, f.minTissue
	if f.mpp != 0 {
		w.Slide.MPP = wsi.MPP{X: f.mpp, Y: f.mpp}
		if !w.Slide.MPP.Valid() {
			return fault.New(fault.Invalid, "--mpp %v: want 0.01 to 100 µm per pixel", f.mpp)
		}
	}
	if f.jobs < 1 {
		return fault.New(fault.Invalid, "--jobs %d: want 1 or more", f.jobs)
	}
	w.Slide.CacheBytes = max(cacheBytes/int64(f.jobs), minCacheBytes)
	w.Patch.CacheBytes = w.Slide.CacheBytes
	return nil
}

// The tile caches of all slides in flight share this much memory; below the
// smaller one a slide's cache would no longer hold two rows of its tiles.
const (
	cacheBytes    = 64 << 20
	minCacheBytes = 16 << 20
)

// walker walks a list of slides: detect.Detector, detect.Embedder.
type walker interface {
	List(ctx context.Context, items []detect.Item, out string, jobs int, watch detect.Watcher) []detect.End
}

var (
	_ walker = (*detect.Detector)(nil)
	_ walker = (*detect.Embedder)(nil)
)

// runWalk finds the slides, opens the walker, walks them and prints how each ended.
func runWalk(cmd *cobra.Command, args []string, f walkFlags, std Streams, t table, open func() (walker, *engine, error)) error {
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
	w, e, err := open()
	if err != nil {
		return err
	}

	ends, err := walkAll(ctx, items, f, w, e, std.Err)
	if err != nil {
		return err
	}
	if f.json {
		err = printEnds(std.Out, ends)
	} else {
		err = t.print(std.Out, ends)
	}
	if stopped := stoppedWalk(ctx, ends, std.Err); stopped != nil {
		return stopped
	}
	return errors.Join(missing, err, firstFailure(ends))
}

// walkAll walks the slides, with their results in f.out, and closes the engine e
// that w has its patches scored by. The ends come back also where ctx has ended.
func walkAll(ctx context.Context, items []detect.Item, f walkFlags, w walker, e *engine, notes io.Writer) ([]detect.End, error) {
	calm, err := guarded(ctx, e, notes)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	watch := newProgress(notes, len(items))
	ends := w.List(ctx, items, f.out, f.jobs, watch)
	watch.Close()
	calm()
	if err := e.Close(); err != nil && ctx.Err() == nil {
		return nil, err
	}
	return ends, nil
}

// stoppedWalk returns why ctx ended, where slides were left because of that.
func stoppedWalk(ctx context.Context, ends []detect.End, notes io.Writer) error {
	if ctx.Err() == nil || !unfinished(ends) {
		return nil
	}
	fmt.Fprintln(notes, "bcc: run the same command again to go on where it stopped")
	return ctx.Err()
}

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
	part := chunk.Of(len(items), n, i-1)
	return items[part.From:part.To], nil
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
