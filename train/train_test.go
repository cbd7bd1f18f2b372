package train_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/grad"
	"bcc/train"
	"bcc/train/traintest"
)

const micro = 4

func config() train.Config {
	c := train.DefaultConfig()
	c.Seed, c.Epochs, c.Batch, c.Rate = 3, 5, 16, 0.02
	return c
}

func job() train.Job {
	return train.Job{
		Program: program(micro), Weights: firstWeights(1), Engine: engine{}, World: train.Alone{}, Samples: newClouds(157),
		Facts: []train.Fact{{Name: "architecture", Value: "mlp"}, {Name: "data", Value: "clouds"}},
	}
}

func run(t *testing.T, c train.Config, j train.Job) train.Outcome {
	t.Helper()
	out, err := train.Run(t.Context(), c, j)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// onRanks runs the same training on n ranks and returns what each got.
func onRanks(ctx context.Context, n int, c train.Config, make func(rank int) train.Job) ([]train.Outcome, []error) {
	outs, errs := slices.Repeat([]train.Outcome{{}}, n), slices.Repeat([]error{nil}, n)
	var eg errgroup.Group
	for r, w := range traintest.World(n) {
		eg.Go(func() error {
			j := make(r)
			j.World = w
			outs[r], errs[r] = train.Run(ctx, c, j)
			return w.Close()
		})
	}
	_ = eg.Wait()
	return outs, errs
}

func same(t *testing.T, what string, a, b grad.Weights) {
	t.Helper()
	if !slices.Equal(a.Params, b.Params) || !slices.Equal(a.State, b.State) {
		t.Errorf("%s: weights differ by %g", what, distance(a, b))
	}
}

// distance is the largest difference, by the largest weight.
func distance(a, b grad.Weights) float64 {
	d, top := 0.0, 0.0
	for i := range a.Params {
		d = max(d, math.Abs(float64(a.Params[i])-float64(b.Params[i])))
		top = max(top, math.Abs(float64(a.Params[i])))
	}
	for i := range a.State {
		d = max(d, math.Abs(float64(a.State[i])-float64(b.State[i])))
	}
	return d / top
}

func TestItLearns(t *testing.T) {
	t.Parallel()
	out := run(t, config(), job())
	first, last := out.History[0].Loss, out.History[len(out.History)-1].Loss
	if !(last < 0.7*first) || len(out.History) != 5 {
		t.Errorf("loss from %v to %v in %d epochs", first, last, len(out.History))
	}
	if n := out.History[4].Samples; n != 157 {
		t.Errorf("%d samples an epoch, want 157", n)
	}
}

func TestItGivesTheSameBitsForAnyNumberOfWorkers(t *testing.T) {
	t.Parallel()
	want := run(t, config(), job())
	for _, workers := range []int{2, 5} {
		c, j := config(), job()
		c.Workers, j.Engine = workers, engine{slow: true}
		got := run(t, c, j)
		same(t, fmt.Sprintf("%d workers", workers), got.Weights, want.Weights)
		for e := range want.History {
			if got.History[e].Loss != want.History[e].Loss {
				t.Errorf("%d workers: loss of epoch %d is %v, want %v", workers, e+1, got.History[e].Loss, want.History[e].Loss)
			}
		}
	}
}

// Not only to 1e-5 after 50 steps: to the bit.
func TestItGivesTheSameRunOnAnyNumberOfRanks(t *testing.T) {
	t.Parallel()
	c := config()
	want := run(t, c, job())
	for _, n := range []int{2, 3, 4, 7} { // 7: in each step some rank has no micro-batch
		outs, errs := onRanks(t.Context(), n, c, func(int) train.Job {
			j := job()
			j.Engine = engine{slow: n == 3}
			return j
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for r, o := range outs {
			same(t, fmt.Sprintf("rank %d of %d", r, n), o.Weights, outs[0].Weights)
		}
		if steps := outs[0].History[4].Steps; steps != 50 {
			t.Fatalf("%d steps, want 50", steps)
		}
		same(t, fmt.Sprintf("%d ranks", n), outs[0].Weights, want.Weights)
	}
}

func TestItReadsEverySampleOnceAnEpoch(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4} {
		c, s := config(), newClouds(157)
		c.Epochs = 1
		_, errs := onRanks(t.Context(), n, c, func(int) train.Job { j := job(); j.Samples = s; return j })
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		again := 0
		for i := range s.n {
			if s.read[i] == 0 {
				t.Errorf("%d ranks: sample %d was not read", n, i)
			}
			again += s.read[i] - 1
		}
		if again != 3 { // 157 samples fill 40 micro-batches of 4 but for 3 rows
			t.Errorf("%d ranks: %d samples were read as companions, want 3", n, again)
		}
	}
}

func TestItGoesOnWhereItWasStopped(t *testing.T) {
	t.Parallel()
	want := run(t, config(), job())
	for _, stop := range []int{1, 7, 10, 23, 49} { // 10: at the end of an epoch
		c, j := config(), job()
		c.Checkpoint, c.CheckpointSteps, c.Workers = t.TempDir(), 3, 2
		stopAt(t, stop, c, j, 1)
		c.Resume = true
		got := run(t, c, j)
		same(t, fmt.Sprintf("stopped after step %d", stop), got.Weights, want.Weights)
		for e := range want.History {
			if got.History[e].Loss != want.History[e].Loss {
				t.Errorf("stopped after step %d: loss of epoch %d is %v, want %v", stop, e+1, got.History[e].Loss, want.History[e].Loss)
			}
		}
	}
}

func TestItGoesOnOnAnotherNumberOfRanks(t *testing.T) {
	t.Parallel()
	want := run(t, config(), job())
	for _, n := range [][2]int{{1, 3}, {3, 1}, {2, 4}} {
		c := config()
		c.Checkpoint = t.TempDir()
		stopAt(t, 23, c, job(), n[0])
		c.Resume = true
		outs, errs := onRanks(t.Context(), n[1], c, func(int) train.Job { return job() })
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("from %d to %d ranks", n[0], n[1]), outs[0].Weights, want.Weights)
		if steps := outs[0].History[4].Steps; steps != 50 {
			t.Errorf("from %d to %d ranks: %d steps, want 50", n[0], n[1], steps)
		}
	}
}

// Whoever stops a run counts on its checkpoint: that it could not be written is not
// lost in the news of the stop.
func TestAStopWithoutACheckpointIsAnError(t *testing.T) {
	t.Parallel()
	c, j := config(), job()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	j.Watch = &watcher{stepped: func(train.Step) {
		if err := errors.Join(os.RemoveAll(c.Checkpoint), os.WriteFile(c.Checkpoint, nil, 0o666)); err != nil {
			t.Error(err)
		}
		cancel()
	}}
	_, err := train.Run(ctx, c, j)
	if fault.Of(err) != fault.Unavailable || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "write checkpoint") || fault.HintOf(err) == "" {
		t.Errorf("%v (%v)", err, fault.Of(err))
	}
}

// stopAt begins training and stops it from outside when a step has been taken.
func stopAt(t *testing.T, step int, c train.Config, j train.Job, ranks int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, errs := onRanks(ctx, ranks, c, func(rank int) train.Job {
		j := j
		if rank == 0 {
			j.Watch = &watcher{stepped: func(s train.Step) {
				if step--; step == 0 {
					cancel()
				}
			}}
		}
		return j
	})
	if !errors.Is(errs[0], context.Canceled) {
		t.Fatalf("%v, want that it was stopped", errs[0])
	}
}

type watcher struct {
	begun   func(train.Begun)
	stepped func(train.Step)
	ended   func(train.Epoch)
}

func (w *watcher) Begun(b train.Begun) {
	if w.begun != nil {
		w.begun(b)
	}
}

func (w *watcher) Stepped(s train.Step) {
	if w.stepped != nil {
		w.stepped(s)
	}
}

func (w *watcher) Ended(e train.Epoch) {
	if w.ended != nil {
		w.ended(e)
	}
}

func TestItRefusesTheCheckpointOfAnotherRun(t *testing.T) {
	t.Parallel()
	c := config()
	c.Checkpoint = t.TempDir()
	stopAt(t, 3, c, job(), 1)

	_, err := train.Run(t.Context(), c, job())
	if fault.Of(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "--resume") {
		t.Errorf("without resume: %v", err)
	}
	c.Resume = true
	for _, change := range []struct {
		want string
		do   func(*train.Config, *train.Job)
	}{
		{"architecture: mlp in the checkpoint, cnn in this run", func(_ *train.Config, j *train.Job) { j.Facts[0].Value = "cnn" }},
		{"data: clouds in the checkpoint, stars in this run", func(_ *train.Config, j *train.Job) { j.Facts[1].Value = "stars" }},
		{"seed: 3 in the checkpoint, 4 in this run", func(c *train.Config, _ *train.Job) { c.Seed = 4 }},
		{"batch: 16 in the checkpoint, 8 in this run", func(c *train.Config, _ *train.Job) { c.Batch = 8 }},
		{"samples: 157 in the checkpoint, 60 in this run", func(_ *train.Config, j *train.Job) { j.Samples = newClouds(60) }},
	} {
		c, j := c, job()
		change.do(&c, &j)
		if _, err := train.Run(t.Context(), c, j); fault.Of(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), change.want) {
			t.Errorf("%v, want %q", err, change.want)
		}
	}
	// and rank 0's refusal reaches the others
	_, errs := onRanks(t.Context(), 2, c, func(int) train.Job { j := job(); j.Facts[0].Value = "cnn"; return j })
	for r, err := range errs {
		if !strings.Contains(fmt.Sprint(err), "architecture") {
			t.Errorf("rank %d: %v", r, err)
		}
	}
}

func TestItLeavesTheCheckpointOfARunningTrainingAlone(t *testing.T) {
	t.Parallel()
	c := config()
	c.Checkpoint, c.Epochs = t.TempDir(), 1
	j := job()
	j.Watch = &watcher{ended: func(train.Epoch) {
		c := c
		c.Resume = true
		if _, err := train.Run(t.Context(), c, job()); runtime.GOOS == "linux" && fault.Of(err) != fault.Busy {
			t.Errorf("%v, want busy", err)
		}
	}}
	run(t, c, j)
}

func TestItRefusesADamagedCheckpoint(t *testing.T) {
	t.Parallel()
	c := config()
	c.Checkpoint = t.TempDir()
	stopAt(t, 3, c, job(), 1)
	c.Resume = true
	path := filepath.Join(c.Checkpoint, train.CheckpointFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 4
	for name, data := range map[string][]byte{"cut": whole[:len(whole)-7], "flipped": flipped, "empty": {}, "text": []byte("hello, world")} {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, errs := onRanks(t.Context(), 2, c, func(int) train.Job { return job() })
		for r, err := range errs {
			if fault.Of(err) != fault.Corrupt {
				t.Errorf("%s, rank %d: %v, want corrupt", name, r, err)
			}
		}
	}
}

func TestItStopsAtALossThatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, ranks := range []int{1, 2} {
		c := config()
		c.Checkpoint, c.CheckpointSteps = t.TempDir(), 1
		var steps atomic.Int64
		_, errs := onRanks(t.Context(), ranks, c, func(int) train.Job {
			s := newClouds(157)
			s.bad = 71
			j := job()
			j.Samples, j.Watch = s, &watcher{stepped: func(train.Step) { steps.Add(1) }}
			return j
		})
		for r, err := range errs {
			text := fmt.Sprint(err)
			if fault.Of(err) != fault.Invalid || !strings.Contains(text, "point-71") || strings.Count(text, "point-") > micro || fault.HintOf(err) == "" {
				t.Errorf("rank %d of %d: %v", r, ranks, err)
			}
		}
		if steps.Load() == 0 {
			continue // the bad one came first
		}
		c.Resume = true
		out := run(t, c, job()) // the last good weights are on the disk
		if slices.ContainsFunc(out.Weights.Params, func(v float32) bool { return v != v }) {
			t.Error("the checkpoint holds weights that are no numbers")
		}
	}
}

// Weights that give no numbers are never the best, not even of the first epoch.
func TestItStopsWhereValidationGivesNoNumber(t *testing.T) {
	t.Parallel()
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		for ranks := 1; ranks <= 2; ranks++ {
			c := config()
			c.Checkpoint = t.TempDir()
			_, errs := onRanks(t.Context(), ranks, c, func(rank int) train.Job {
				j := job()
				j.Validate = func(context.Context, grad.Weights) (train.Metrics, error) {
					return train.Metrics{Loss: bad, AUROC: 0.9}, nil
				}
				j.Keep = func(grad.Weights, train.Epoch) error { t.Error("such weights were kept"); return nil }
				return j
			})
			for r, err := range errs {
				if fault.Of(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), "validate after epoch 1") || fault.HintOf(err) == "" {
					t.Errorf("rank %d of %d, loss %v: %v", r, ranks, bad, err)
				}
			}
			if left, _ := os.ReadDir(c.Checkpoint); slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() == train.CheckpointFile }) {
				t.Error("a checkpoint of such weights was written")
			}
		}
	}
}

// A weight decay may be refused for the learning rate alone; the message shows both.
func TestItTellsWhatIsWrongWithADecay(t *testing.T) {
	t.Parallel()
	c := config()
	c.Rate, c.Decay = 100, 0.05
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "weight decay 0.05 at a learning rate of 100") {
		t.Errorf("%v", err)
	}
}

func TestADamagedCheckpointIsNamedAndHelpIsGiven(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "no checkpoint", "bcc train\n\x01\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("x", 64)} {
		c := config()
		c.Checkpoint, c.Resume = t.TempDir(), true
		if err := os.WriteFile(filepath.Join(c.Checkpoint, train.CheckpointFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := train.Run(t.Context(), c, job())
		if fault.Of(err) != fault.Corrupt || !strings.Contains(fmt.Sprint(err), c.Checkpoint) || fault.HintOf(err) == "" {
			t.Errorf("%q: %v, hint %q", text, err, fault.HintOf(err))
		}
	}
}

func TestItTellsWhichSampleCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 3} {
		c, j, s := config(), job(), newClouds(157)
		s.err = 40
		c.Workers, j.Samples = workers, s
		_, err := train.Run(t.Context(), c, j)
		if err == nil || !strings.Contains(err.Error(), ": point-40: the file is gone") || strings.Count(err.Error(), "point-40") != 1 {
			t.Errorf("%v", err)
		}
	}
}

// What is written when a run begins must not replace what an earlier run has left,
// where this one is refused.
func TestItBeginsOnlyWhatItHasAccepted(t *testing.T) {
	t.Parallel()
	c := config()
	c.Checkpoint, c.Epochs = t.TempDir(), 1
	var begun atomic.Int32
	counted := func(int) train.Job {
		j := job()
		j.Begin = func() error { begun.Add(1); return nil }
		return j
	}
	if _, errs := onRanks(t.Context(), 2, c, counted); errors.Join(errs...) != nil || begun.Load() != 1 {
		t.Fatalf("%v; begun %d times on two ranks, want once", errs, begun.Load())
	}
	for _, change := range []func(*train.Config){
		func(*train.Config) {}, // a checkpoint is there, and --resume is not
		func(c *train.Config) { c.Resume, c.Seed = true, 99 },
	} {
		other := c
		change(&other)
		if _, err := train.Run(t.Context(), other, counted(0)); err == nil || begun.Load() != 1 {
			t.Errorf("%v; begun though it was refused", err)
		}
	}
	fails := job()
	fails.Begin = func() error { // and while it runs nobody else begins
		if _, err := train.Run(t.Context(), c, counted(0)); fault.Of(err) != fault.Busy || begun.Load() != 1 {
			t.Errorf("beside another run: %v", err)
		}
		return errors.New("the disk is full")
	}
	c.Resume = true
	if _, err := train.Run(t.Context(), c, fails); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("%v", err)
	}
}

func TestItRefusesWhatCannotTeach(t *testing.T) {
	t.Parallel()
	c, j := config(), job()
	j.Samples = newClouds(3) // all of class 0
	if _, err := train.Run(t.Context(), c, j); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "one class") {
		t.Errorf("%v", err)
	}
	c.Batch = 6
	if _, err := train.Run(t.Context(), c, job()); fault.Of(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "8") {
		t.Errorf("%v", err)
	}
	c.Epochs, c.Rate, c.Patience = 0, math.NaN(), -1
	_, err := train.Run(t.Context(), c, job())
	for _, want := range []string{"epochs", "learning rate", "patience"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v: %s is not told", err, want)
		}
	}
}

func TestItFindsARankThatDiffers(t *testing.T) {
	t.Parallel()
	_, errs := onRanks(t.Context(), 3, config(), func(rank int) train.Job {
		j := job()
		if rank == 2 {
			j.Weights = firstWeights(2)
			j.Facts[1].Value = "other clouds"
		}
		return j
	})
	for r, err := range errs {
		for _, want := range []string{"data is not", "first weights", "ranks [2] differ"} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("rank %d: %v, want %q", r, err, want)
			}
		}
	}
}

// A rank whose memory fails must not spoil the others' work for long.
func TestItFindsARankWhoseWeightsDrift(t *testing.T) {
	t.Parallel()
	c := config()
	c.Epochs = 50
	steps := 0
	_, errs := onRanks(t.Context(), 2, c, func(rank int) train.Job {
		j := job()
		if rank == 1 {
			var memory []float32
			j.Engine = engine{opened: func(params []float32) { memory = params }}
			j.Watch = &watcher{stepped: func(train.Step) {
				if steps++; steps == 33 {
					memory[5] = math.Float32frombits(math.Float32bits(memory[5]) ^ 1)
				}
			}}
		}
		return j
	})
	for r, err := range errs {
		if !strings.Contains(fmt.Sprint(err), "weights is not the same on all ranks: ranks [1] differ") || steps > 64 {
			t.Errorf("rank %d, after %d steps: %v", r, steps, err)
		}
	}
}

// listener hears when the ranks' sums begin.
type listener struct {
	train.Alone
	sums chan struct{}
}

func (l listener) AllReduce(ctx context.Context, data []float64) error {
	l.sums <- struct{}{}
	return l.Alone.AllReduce(ctx, data)
}

// The second stage ends only when the first one's gradient is on its way.
func TestGradientsLeaveWhileOthersAreComputed(t *testing.T) {
	t.Parallel()
	c, j, l := config(), job(), listener{sums: make(chan struct{})}
	c.Epochs, c.Batch = 1, micro
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	hear := func() {
		select {
		case <-l.sums:
		case <-ctx.Done():
			t.Error("no sum began")
		}
	}
	j.World = l
	j.Engine = engine{ran: func(stage int) {
		if stage == 1 {
			hear() // of the first bucket
			go func() { hear(); hear() }()
		}
	}}
	if _, err := train.Run(ctx, c, j); err != nil {
		t.Fatal(err)
	}
}

func TestItKeepsTheBestEpochAndStopsWhenNoBetterOneComes(t *testing.T) {
	t.Parallel()
	auroc := []float64{0.6, 0.8, math.NaN(), 0.8, 0.7, 0.9}
	loss := []float64{0.9, 0.5, 0.1, 0.6, 0.4, 0.4}
	c := config()
	c.Epochs, c.Patience, c.Checkpoint = 10, 3, t.TempDir()
	c.History = filepath.Join(c.Checkpoint, "history.csv")
	var kept []int
	var weights []grad.Weights
	j := job()
	calls := 0
	j.Validate = func(_ context.Context, w grad.Weights) (train.Metrics, error) {
		weights = append(weights, grad.Weights{Params: slices.Clone(w.Params), State: slices.Clone(w.State)})
		calls++
		return train.Metrics{Loss: loss[calls-1], AUROC: auroc[calls-1]}, nil
	}
	j.Keep = func(w grad.Weights, e train.Epoch) error {
		kept = append(kept, e.Epoch)
		same(t, "kept", w, weights[e.Epoch])
		return nil
	}
	out := run(t, c, j)
	if !slices.Equal(kept, []int{0, 1}) || !out.Stopped || len(out.History) != 5 || out.Best.Epoch != 1 {
		t.Errorf("kept %v, best %d of %d epochs", kept, out.Best.Epoch, len(out.History))
	}
	same(t, "best", out.Weights, weights[1])
	text, err := os.ReadFile(c.History)
	if err != nil || strings.Count(string(text), "\n") != 6 || !strings.Contains(string(text), "\n3,30,") {
		t.Errorf("history %s %v", text, err)
	}

	c.Resume = true // nothing is left to do
	again := run(t, c, j)
	same(t, "after the end", again.Weights, weights[1])
	if calls != 5 {
		t.Errorf("%d validations", calls)
	}
}
