package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/fault"
	"bcc/grad/net"
	"bcc/native/ort"
)

// benchTrainFlags are the flags of bcc bench train.
type benchTrainFlags struct {
	networks   []string
	rounds     int
	steps      int
	json       bool
	python     string
	mpirun     string
	enginePath string
	rank       bool // this process is one of several: print what it measured
}

func newBenchTrain(std Streams) *cobra.Command {
	var f benchTrainFlags
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Training steps against PyTorch's, and two ranks against one",
		Long: `Takes training steps (forward, backward, AdamW) of each network on all cores, and
in turn the same steps in PyTorch, where a Python that has it is found, and on two
ranks under mpirun that share the cores, where there is one. What is missing is
said and left out. mil is a head of gated attention on bags of 512 patches with
1,024 features; patches are of 224 px. A step has as many samples as bcc train's has by
default.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchTrain(cmd, f, std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVar(&f.networks, "network", []string{"mil", "resnet18", "resnet10-slim"}, "what is trained: mil, or networks of bcc train")
	fs.IntVar(&f.rounds, "rounds", 3, "how often each side runs; the median counts")
	fs.IntVar(&f.steps, "steps", 0, "steps a round; 0: about two seconds of them")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a network")
	fs.StringVar(&f.python, "python", "python3", "Python that has PyTorch")
	fs.StringVar(&f.mpirun, "mpirun", "mpirun", "launcher of the two ranks, with its options: Open MPI's or MPICH's")
	fs.StringVar(&f.enginePath, "engine-library", "", "path of "+libraryName+"; empty: look in the usual places")
	fs.BoolVar(&f.rank, "rank", false, "be one of the ranks")
	_ = fs.MarkHidden("rank")
	return cmd
}

func runBenchTrain(cmd *cobra.Command, f benchTrainFlags, std Streams) (err error) {
	ctx := cmd.Context()
	if err := ort.Load(libraryPaths(f.enginePath)...); err != nil {
		return err
	}
	roomForNativeCalls()
	if f.rank {
		return f.asRank(ctx, std)
	}
	partner, err := bench.StartPartner(ctx, f.python)
	if err != nil {
		fmt.Fprintf(std.Err, "bcc: note: no comparison with PyTorch: %v\n", err)
	} else {
		defer partner.Close()
	}
	launcher, err := exec.LookPath(f.mpirun)
	if err != nil {
		fmt.Fprintf(std.Err, "bcc: note: no run on two ranks: no %s\n", f.mpirun)
	}
	for _, name := range f.networks {
		task, err := f.task(name)
		if err != nil {
			return err
		}
		b := bench.Train{Task: task, Engine: trainEngine{device: "cpu"}, Workers: cores, Rounds: f.rounds, Partner: partner}
		if launcher != "" && cores > 1 {
			b.Ranks = func(ctx context.Context) (bench.TrainSteps, error) { return f.twoRanks(ctx, launcher, name, std.Err) }
		}
		figures, err := b.Run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := showTrain(std.Out, f.json, figures); err != nil {
			return err
		}
	}
	return nil
}

func showTrain(w io.Writer, asJSON bool, f bench.TrainFigures) error {
	if asJSON {
		return show(w, true, f, "")
	}
	line := fmt.Sprintf("%-16s step of %d: %.1f ms, %.1f a second", f.Name, f.Batch, 1000*f.OursS, f.Rate)
	if f.Ratio > 0 {
		line += fmt.Sprintf("   ratio to PyTorch %.2f (%.2f to %.2f; %.1f ms: %s)", f.Ratio, f.RatioLo, f.RatioHi, 1000*f.TheirsS, f.Theirs)
	}
	if f.Efficiency > 0 {
		line += fmt.Sprintf("   two ranks: efficiency %.2f, all-reduce %.1f %% of the step, %.1f %% waited for", f.Efficiency, 100*f.Reduce, 100*f.Exposed)
	}
	return show(w, false, nil, "%s", line)
}

// task describes what is trained, to both sides.
func (f *benchTrainFlags) task(name string) (bench.Task, error) {
	t := bench.Task{Name: name, Steps: f.steps}
	steps := func(n int) {
		if t.Steps == 0 {
			t.Steps = n
		}
	}
	if name == "mil" {
		c := net.MILConfig{Features: 1024, Project: 512, Attend: 256, Patches: 512, Classes: 2, Bags: 1}
		n, err := net.BuildMIL(c)
		if err != nil {
			return t, err
		}
		t.Weights, t.Batch = n.Weights, defaultSlides
		t.Program, err = net.TrainMIL(c, programStages)
		t.Theirs = map[string]any{"task": "mil", "patches": 512, "features": 1024, "project": 512, "attend": 256}
		steps(25)
		return t, err
	}
	c := net.Config{Classes: 2, PatchPx: 224, Batch: 8, Seed: 1}
	n, err := net.Build(name, c)
	if err != nil {
		return t, err
	}
	t.Weights, t.Batch = n.Weights, defaultPatches
	t.Program, err = net.Train(name, c, programStages)
	if blocks, ok := basicBlocks[name]; ok {
		t.Theirs = map[string]any{"task": "cnn", "patch_px": 224, "blocks": blocks, "first": n.Graph.Params()[0].Shape[0], "slim": strings.HasSuffix(name, "-slim")}
	}
	if slices.Contains([]string{"resnet18", "resnet34", "resnet50"}, name) {
		steps(3)
	}
	steps(15)
	return t, err
}

// asRank runs the tasks as one of several ranks and prints what rank 0 measured.
func (f *benchTrainFlags) asRank(ctx context.Context, std Streams) (err error) {
	world, err := openCollective(ctx, collectiveFlags{how: "mpi", limit: 10 * time.Minute}, std)
	if err != nil {
		return err
	}
	defer func() { err = world.leave(ctx, err) }()
	task, err := f.task(f.networks[0])
	if err != nil {
		return err
	}
	steps, err := task.Run(ctx, trainEngine{device: "cpu"}, world, max(cores/world.Size(), 1))
	if err != nil || world.Rank() > 0 {
		return err
	}
	return json.NewEncoder(std.Out).Encode(steps)
}

// twoRanks runs this program on two ranks.
func (f *benchTrainFlags) twoRanks(ctx context.Context, launcher, network string, notes io.Writer) (bench.TrainSteps, error) {
	self, err := os.Executable()
	if err != nil {
		return bench.TrainSteps{}, err
	}
	args := []string{"-np", "2", self, "bench", "train", "--rank", "--network", network,
		"--steps", strconv.Itoa(f.steps), "--engine-library", f.enginePath}
	cmd := exec.CommandContext(ctx, launcher, args...)
	// A small machine has fewer slots than ranks, and a container's user is root; these
	// mean nothing to MPICH.
	cmd.Env = append(os.Environ(), "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
		"OMPI_MCA_rmaps_base_oversubscribe=1", "OMPI_MCA_hwloc_base_binding_policy=none")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, notes
	if err := cmd.Run(); err != nil {
		return bench.TrainSteps{}, fault.New(fault.Unavailable, "two ranks under %s: %w", launcher, err)
	}
	var s bench.TrainSteps
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.StepS <= 0 {
		return s, errors.Join(fault.New(fault.Internal, "two ranks under %s measured nothing", launcher), err)
	}
	return s, nil
}
