package cli

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bcc/augment"
	"bcc/dataset"
	"bcc/fault"
	"bcc/grad"
	"bcc/model"
	"bcc/models"
	"bcc/native/ort"
	"bcc/train"
	"bcc/wsi"
)

// Tasks of bcc train.
const (
	taskPatch = "patch"
	taskSlide = "slide"
)

// Where a run leaves its files, in OUT.
const (
	trainedDir    = "model"
	checkpointDir = "checkpoint"
	historyFile   = "history.csv"
	runFile       = "run.json"
)

// Samples a step where nothing is said.
const (
	defaultPatches = 32
	defaultSlides  = 8
)

// programStages is in how many parts a step's gradient is sent to the other ranks.
// It is the same for any number of ranks, so that they all compute the same bits.
const programStages = 4

// trainFlags are the flags of bcc train.
type trainFlags struct {
	task        string
	data        string
	dataset     string
	out         string
	arch        string
	epochs      int
	batch       int
	micro       int
	rate        float64
	decay       float64
	warmup      float64
	clip        float64
	dropout     float64
	standardise bool
	seed        uint64
	patience    int
	bestBy      string
	augment     string
	positive    string
	mpp         float64
	card        string
	init        string
	resume      bool
	every       int
	workers     int
	device      string
	enginePath  string
	world       collectiveFlags

	harvest harvestFlags // of task patch, on slides

	// of task slide
	bags       string
	encoder    string
	patches    int
	noEvaluate bool
}

func newTrain(std Streams) *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train --task patch|slide --out DIR DIR",
		Short: "Train a model on labelled tiles or slides",
		Long: `Trains on the split train of a labelled data set, chooses the epoch by the split
val, and writes OUT/model (network and card, as bcc detect takes it), OUT/history.csv,
OUT/run.json and OUT/checkpoint, from which --resume goes on.

  patch  a network that classifies patches, from labelled tiles or slides with masks
  slide  a head that judges a slide by the embeddings of its patches, from one label
         a slide; its attention is the heat map. Embeddings that are missing are made
         first, as by bcc embed. At the end the model's operating point is chosen on
         val and its figures are measured on test: OUT/evaluation, and the card

mpirun -np N bcc train … trains the same run on N processes.`,
		Example: `  bcc train --task patch --data tiles/ --mpp 0.5 --out run1
  bcc train --task patch --data slides/ --negatives skin.tif@0,0,9000,9000 --out run1
  bcc train --task slide --data slides/ --model encoder/ --out run2
  bcc train --dataset cobra cobra/ --model encoder/ --out run3
  mpirun -np 4 bcc train --task patch --data tiles/ --mpp 0.5 --out run1 --resume`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.take(cmd, args); err != nil {
				return err
			}
			return runTrain(cmd, f, std)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.task, "task", "", "patch or slide; not given: slide for COBRA")
	fs.StringVar(&f.data, "data", "", "folder of the data set, as the argument DIR: labels.csv and its files, or COBRA's tables")
	fs.StringVar(&f.out, "out", "", "folder for the model, the history and the checkpoint")
	fs.StringVar(&f.dataset, "dataset", "auto", "tiles, slides or cobra; auto: by the tables and the endings of the files")
	fs.StringVar(&f.arch, "arch", "", "network; empty: resnet10-slim for patches, mil for slides")
	fs.IntVar(&f.epochs, "epochs", 20, "how often every sample is seen")
	fs.IntVar(&f.batch, "batch", 0, "samples a step, over all processes; 0: 32 patches, 8 slides")
	fs.IntVar(&f.micro, "micro-batch", 0, "samples computed at once, which batch norm sees; 0: 8 patches, 1 slide")
	fs.Float64Var(&f.rate, "lr", 0, "highest learning rate; 0: 1e-3 for patches, 3e-4 for slides")
	fs.Float64Var(&f.decay, "decay", 0.05, "weight decay")
	fs.Float64Var(&f.warmup, "warmup", 0.05, "part of all steps in which the learning rate grows")
	fs.Float64Var(&f.clip, "clip", 5, "longest gradient, longer ones are shortened; 0: any")
	fs.Float64Var(&f.dropout, "dropout", 0.2, "part of the features that is hidden in training, 0 to below 1")
	fs.BoolVar(&f.standardise, "standardise", false, "bring each patch's channels to mean 0 and deviation 1 inside of the network: colour alone says nothing then (task patch)")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of the first weights, the order of samples and every draw")
	fs.IntVar(&f.patience, "patience", 0, "stop after so many epochs without a better one; 0: never")
	fs.StringVar(&f.bestBy, "best-by", string(train.ByAUROC), "figure of the validation that chooses the epoch: auroc or loss")
	fs.StringVar(&f.augment, "augment", string(augment.Full), "how much patches are changed: none, light or full")
	fs.StringVar(&f.positive, "positive", "", "label of the positive class; empty: BCC, carcinoma, tumour or 1")
	fs.Float64Var(&f.mpp, "mpp", 0, "scale of the patches in µm per pixel; 0: as --card says, else 0.5 where they are cut out of slides")
	f.harvest.add(fs)
	fs.StringVar(&f.card, "card", "", "JSON file with what the model's card shall say: name, description, licence, training.data, …")
	fs.StringVar(&f.bags, "bags", "", "folder of the slides' embeddings, as bcc embed makes them; those missing are made, those of another model refused; empty: OUT/bags, where they are replaced (task slide)")
	fs.StringVar(&f.encoder, "model", models.Default, "model that makes the embeddings; it becomes part of the trained one (task slide)")
	fs.IntVar(&f.patches, "patches", 1024, "patches drawn from a slide at a time (task slide)")
	fs.BoolVar(&f.noEvaluate, "no-evaluate", false, "leave out the evaluation at the end, and the slides of split test (task slide)")
	fs.StringVar(&f.init, "init", "", "begin with the best weights of another run of the same network: its --out")
	fs.BoolVar(&f.resume, "resume", false, "go on from OUT/checkpoint where there is one")
	fs.IntVar(&f.every, "checkpoint-steps", 0, "write a checkpoint after so many steps; 0: every 5 minutes. One is always written after an epoch")
	fs.IntVar(&f.workers, "workers", 0, "goroutines that compute; 0: one a core, shared with other processes of the run on this machine")
	fs.StringVar(&f.device, "device", "auto", "auto, cpu, cuda or cuda:n")
	fs.StringVar(&f.enginePath, "engine-library", "", "path of "+libraryName+"; empty: look in the usual places")
	f.world.add(fs)
	return cmd
}

// take takes the argument for --data, and the task that the data is for where none
// was named.
func (f *trainFlags) take(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && f.data != "" {
		return none(cmd, args[len(args)-1:])
	}
	set := cmd.Flags().Set // so that the record of the run says it too
	if len(args) == 1 {
		if err := set("data", args[0]); err != nil {
			return err
		}
	}
	if f.task != "" || f.data == "" {
		return nil
	}
	if kind, err := kindOf(f.data, f.dataset); err == nil && kind == kindCobra {
		return set("task", taskSlide)
	}
	return nil
}

// check refuses flags that make no sense before anything is read.
func (f *trainFlags) check(cmd *cobra.Command) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if f.task != taskPatch && f.task != taskSlide {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--task %q: want patch or slide", f.task), "%s --help shows examples", cmd.CommandPath()))
	}
	if f.data == "" {
		add("--data: name the folder of the data set")
	}
	if f.out == "" {
		add("--out: name a folder for the model")
	}
	if f.micro < 0 || f.batch < 0 {
		add("--batch %d, --micro-batch %d: want 0 or more", f.batch, f.micro)
	}
	if !(f.dropout >= 0 && f.dropout < 1) {
		add("--dropout %v: want a part from 0 to below 1", f.dropout)
	}
	if !slices.Contains(augment.Levels(), augment.Level(f.augment)) {
		add("--augment %q: want none, light or full", f.augment)
	}
	if f.workers < 0 {
		add("--workers %d: want 0 or more", f.workers)
	}
	if f.task == taskSlide && f.patches < 1 {
		add("--patches %d: want 1 or more", f.patches)
	}
	if f.task == taskPatch {
		errs = append(errs, f.harvest.check())
	}
	if f.mpp != 0 && !(wsi.MPP{X: f.mpp, Y: f.mpp}).Valid() {
		add("--mpp %v: want 0.01 to 100 µm per pixel", f.mpp)
	}
	f.setDefaults()
	if err := f.config(1).Validate(); err != nil {
		errs = append(errs, fault.New(fault.Invalid, "%w", err))
	}
	return errors.Join(errs...)
}

// setDefaults fills in what depends on the task.
func (f *trainFlags) setDefaults() {
	patch := f.task == taskPatch
	either := func(patches, slides int) int {
		if patch {
			return patches
		}
		return slides
	}
	if f.micro == 0 {
		f.micro = either(8, 1)
	}
	if f.batch == 0 {
		f.batch = max(either(defaultPatches, defaultSlides)/f.micro, 1) * f.micro
	}
	if f.rate == 0 {
		f.rate = 3e-4
		if patch {
			f.rate = 1e-3
		}
	}
	if f.bags == "" && f.task == taskSlide {
		f.bags = filepath.Join(f.out, bagsDir)
	}
	if f.arch == "" {
		f.arch = "mil"
		if patch {
			f.arch = "resnet10-slim"
		}
	}
}

// config returns how to train.
func (f *trainFlags) config(workers int) train.Config {
	c := train.DefaultConfig()
	c.Seed, c.Epochs, c.Batch = f.seed, f.epochs, f.batch
	c.Rate, c.Decay, c.Warmup, c.Clip = f.rate, f.decay, f.warmup, f.clip
	c.BestBy, c.Patience = train.Criterion(f.bestBy), f.patience
	c.Workers, c.Resume, c.CheckpointSteps = workers, f.resume, f.every
	c.Checkpoint = filepath.Join(f.out, checkpointDir)
	c.History = filepath.Join(f.out, historyFile)
	return c
}

// trainTask is what a task brings to the loop.
type trainTask struct {
	program *grad.Program
	weights grad.Weights
	train   train.Samples
	val     train.Samples
	data    trainData
	facts   []train.Fact
	classes int
	// logits writes those of the validation's samples from lo to hi-1, a row each, as
	// the deployed model gives them.
	logits func(ctx context.Context, w grad.Weights, lo, hi int, out []float32) error
	// bundle returns the trained model's card and its other files.
	bundle func(w grad.Weights) (model.Card, map[string][]byte, error)
	bags   *bagged // of task slide
	// measured: the model in OUT is this one and has an operating point already.
	measured bool
}

func runTrain(cmd *cobra.Command, f trainFlags, std Streams) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	t, err := f.learn(cmd, std)
	if err != nil || t == nil {
		return err
	}
	switch {
	case t.measured:
		_, err = fmt.Fprintf(std.Out, "it has an operating point, and stays as it is; to measure it again: %s\n", f.evaluation(cmd, t))
		err = unwrittenIf(err)
	case t.bags == nil || f.noEvaluate:
		_, err = fmt.Fprintf(std.Out, "to measure it: %s\n", f.evaluation(cmd, t))
		err = unwrittenIf(err)
	default:
		err = f.evaluate(cmd, t, std)
	}
	if t.bags == nil {
		return err
	}
	return errors.Join(err, t.bags.leftOut())
}

// learn trains and writes the model. All that needs the other processes of the run
// happens here: it returns what was trained on rank 0, nil on the others.
func (f *trainFlags) learn(cmd *cobra.Command, std Streams) (done *trainTask, err error) {
	ctx := cmd.Context()
	if err := ort.Load(libraryPaths(f.enginePath)...); err != nil {
		return nil, err
	}
	roomForNativeCalls()
	world, err := openCollective(ctx, f.world, std)
	if err != nil {
		return nil, err
	}
	defer func() { err = world.leave(cmd.Context(), err) }()
	ctx, unwatch := world.watch(ctx) // it ends when another process is lost
	defer unwatch()
	if world.Rank() > 0 { // one voice for all
		std.Out, std.Err = io.Discard, io.Discard
	} else if err := writable(f.out); err != nil {
		return nil, err
	}

	t, err := f.open(ctx, world, std.Err)
	if err != nil {
		return nil, err
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	if err := f.pretrain(t); err != nil {
		return nil, err
	}
	f.say(std.Err, t)
	watch := newTrainProgress(std.Err)
	defer watch.Close()
	out, err := train.Run(ctx, f.config(f.workersHere()), train.Job{
		Program: t.program, Weights: t.weights, World: world,
		Engine:   trainEngine{device: deviceHere(f.device), notes: std.Err},
		Samples:  t.train,
		Facts:    t.facts,
		Begin:    func() error { return f.writeRun(cmd, t, world.Size()) },
		Validate: func(ctx context.Context, w grad.Weights) (train.Metrics, error) { return t.validate(ctx, world, w) },
		Keep:     func(w grad.Weights, e train.Epoch) error { return f.keep(cmd, t, w, e) },
		Watch:    watch,
	})
	watch.Close()
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(std.Err, "bcc: run the same command with --resume to go on where it stopped")
		}
		return nil, err
	}
	if world.Rank() == 0 { // a run that was resumed at its end has kept nothing yet
		if err := f.keepMissing(cmd, t, out.Weights, out.Best); err != nil {
			return nil, err
		}
	}
	_, err = fmt.Fprintf(std.Out, "epoch %d of %d was the best: validation loss %s, AUROC %s\n%s\n",
		out.Best.Epoch+1, len(out.History), loss(out.Best.Validation.Loss), share(out.Best.Validation.AUROC), filepath.ToSlash(filepath.Join(f.out, trainedDir)))
	if err != nil || world.Rank() > 0 {
		return nil, unwrittenIf(err)
	}
	return t, nil
}

// open reads the data and describes the network.
func (f *trainFlags) open(ctx context.Context, world train.Collective, notes io.Writer) (*trainTask, error) {
	kind, err := kindOf(f.data, f.dataset)
	if err != nil {
		return nil, err
	}
	if f.task == taskSlide {
		return f.openSlides(ctx, kind, world, notes)
	}
	return f.openPatches(ctx, kind, notes)
}

// check refuses splits that nothing can be learned from or measured on.
func (t *trainTask) check() error {
	if err := checkSplit(t.data.Name, dataset.Train, t.train.Len(), t.train.Class); err != nil {
		return err
	}
	return checkSplit(t.data.Name, dataset.Val, t.val.Len(), t.val.Class)
}

// checkSplit refuses a split of n samples of fewer than two classes.
func checkSplit(set, split string, n int, class func(i int) int) error {
	seen := map[int]bool{}
	for i := range n {
		seen[class(i)] = true
	}
	if len(seen) > 1 {
		return nil
	}
	return fault.Hint(fault.New(fault.Invalid, "%s: split %s has %d samples of %d classes, want two classes or more", set, split, n, len(seen)),
		"the column split of the table says which samples are for training (train) and which choose the epoch (val)")
}

// validate measures weights on the validation split: every rank its part of the
// samples, through the same path as detect's.
func (t *trainTask) validate(ctx context.Context, world train.Collective, w grad.Weights) (train.Metrics, error) {
	n := t.val.Len()
	lo, hi := n*world.Rank()/world.Size(), n*(world.Rank()+1)/world.Size()
	mine := make([]float32, (hi-lo)*t.classes)
	if lo < hi {
		if err := t.logits(ctx, w, lo, hi, mine); err != nil {
			return train.Metrics{}, err
		}
	}
	all := make([]float64, n*t.classes) // zero where the other ranks write
	for k, v := range mine {
		all[lo*t.classes+k] = float64(v)
	}
	if err := world.AllReduce(ctx, all); err != nil {
		return train.Metrics{}, err
	}
	return train.Measure(all, t.classes, t.val.Class)
}

// workersHere is the number of goroutines that compute in this process.
func (f *trainFlags) workersHere() int {
	if f.workers > 0 {
		return f.workers
	}
	return max(cores/localRanks(), 1)
}

// localRanks is how many processes of the run share this machine, as launchers say.
func localRanks() int {
	for _, name := range []string{"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "LOCAL_WORLD_SIZE"} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
			return n
		}
	}
	return 1
}

// deviceHere gives each process of a machine a GPU of its own where "cuda" was asked
// for without a number.
func deviceHere(device string) string {
	if device != "cuda" {
		return device
	}
	for _, name := range []string{"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "LOCAL_RANK"} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n >= 0 {
			return "cuda:" + strconv.Itoa(n)
		}
	}
	return device
}

// pretrain takes the first weights from another run where --init names one.
func (f *trainFlags) pretrain(t *trainTask) error {
	if f.init == "" {
		return nil
	}
	w, err := train.Pretrained(filepath.Join(f.init, checkpointDir), t.program)
	if err != nil {
		return fmt.Errorf("--init: %w", err)
	}
	t.weights = w
	sum := sha256.New()
	_ = binary.Write(sum, binary.LittleEndian, w.Params) // a hash takes everything
	t.facts = append(t.facts, train.Fact{Name: "first weights", Value: hex.EncodeToString(sum.Sum(nil)[:8])})
	return nil
}

// say tells what is about to be trained on what.
func (f *trainFlags) say(w io.Writer, t *trainTask) {
	for _, n := range t.data.Notes {
		fmt.Fprintf(w, "bcc: note: %s\n", printable(n))
	}
	n := 0
	for _, p := range t.program.Params {
		n += p.Shape.Len()
	}
	fmt.Fprintf(w, "%s, %d parameters; %s: %s\n", f.arch, n, printable(t.data.Name), printable(strings.TrimSpace(t.data.Summary)))
}
