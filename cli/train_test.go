package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"bcc/grad"
	"bcc/grad/net"
	"bcc/native/ort"
	"bcc/train"
	"bcc/train/traintest"
)

// needEngine loads the engine, or skips the test.
func needEngine(t *testing.T) {
	t.Helper()
	path, _ := filepath.Abs("../.deps/onnxruntime/libonnxruntime.so.1")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no engine: make setup fetches it")
	}
	if err := ort.Load(path); err != nil {
		t.Skip(err)
	}
}

// A CNN with all that a large one has, but small: convolutions, batch norms, a
// residual, dropout.
const (
	testPx    = 12
	testMicro = 4
)

func smallCNN(t *testing.T) (*grad.Program, grad.Weights) {
	t.Helper()
	g := grad.New("small")
	x := g.Input(net.Input, testMicro, 3, testPx, testPx)
	block := func(x grad.Value, name string, in, out, stride int) grad.Value {
		x = x.Conv(g.Param(name+".weight", grad.He(9*in), out, in, 3, 3), grad.Value{}, grad.ConvConfig{Stride: stride, Pad: 1})
		return x.BatchNorm(g.Param(name+".scale", grad.Fill(1), out), g.Param(name+".shift", grad.Fill(0), out),
			g.State(name+".mean", grad.Fill(0), out), g.State(name+".variance", grad.Fill(1), out), 1e-5).Relu()
	}
	x = block(x, "a", 3, 8, 2)
	x = x.Add(block(x, "b", 8, 8, 1)).GlobalAvgPool().Flatten(1).Dropout("dropout", 0.9)
	logits := x.Linear(g.Param("head.weight", grad.Glorot(8, 2), 2, 8), g.Param("head.bias", grad.Fill(0), 2))
	first := g.Init(1)
	p, err := g.Program(logits.CrossEntropy(g.Input(net.Target, testMicro, 2), g.Input(net.Weight, testMicro)), 3)
	if err != nil {
		t.Fatal(err)
	}
	return p, first
}

// stripes are pictures of two classes: stripes across or down, under noise.
type stripes int

func (s stripes) Len() int           { return int(s) }
func (s stripes) Class(i int) int    { return i % 3 / 2 }
func (s stripes) Group(i int) string { return fmt.Sprint(i % 5) }
func (s stripes) Name(i int) string  { return fmt.Sprintf("picture %d", i) }

func (s stripes) Read(_ context.Context, i int, rng *rand.Rand, dst func(string) []float32) error {
	own := rand.New(rand.NewPCG(2, uint64(i)))
	row := dst(net.Input)
	for k := range row {
		at := k % testPx
		if s.Class(i) == 1 {
			at = k / testPx % testPx
		}
		row[k] = float32(at%4/2) + float32(own.NormFloat64())
		if rng != nil {
			row[k] += float32(rng.NormFloat64() / 4)
		}
	}
	return nil
}

func smallRun(t *testing.T, world train.Collective) (train.Config, train.Job) {
	p, first := smallCNN(t)
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.Rate, c.Seed = 5, 16, 3e-3, 5
	return c, train.Job{
		Program: p, Weights: first, World: world, Samples: stripes(157),
		Engine: trainEngine{device: "cpu"}, Facts: []train.Fact{{Name: "architecture", Value: "small"}},
	}
}

// trainOn trains on n ranks of one process and returns what rank 0 got.
func trainOn(t *testing.T, ctx context.Context, n int, change func(*train.Config, *train.Job)) (train.Outcome, error) {
	t.Helper()
	outs, errs := make([]train.Outcome, n), make([]error, n)
	var eg errgroup.Group
	for r, w := range traintest.World(n) {
		c, j := smallRun(t, w)
		change(&c, &j)
		eg.Go(func() error {
			outs[r], errs[r] = train.Run(ctx, c, j)
			return nil
		})
	}
	_ = eg.Wait()
	for r := range outs {
		if errs[r] == nil && !slices.Equal(outs[r].Weights.Params, outs[0].Weights.Params) {
			t.Errorf("rank %d of %d has other weights than rank 0", r, n)
		}
	}
	return outs[0], errors.Join(errs...)
}

// apart is the largest difference of weights, in parts of the largest weight.
func apart(a, b []float32) float64 {
	d, top := 0.0, 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i])-float64(b[i])))
		top = max(top, math.Abs(float64(a[i])))
	}
	return d / top
}

// The engine computes each micro-batch to the same bits, and sums are exact: not
// only to 1e-5 after 50 steps, but to the bit.
func TestTheEngineTrainsTheSameRunOnAnyNumberOfRanks(t *testing.T) {
	t.Parallel()
	needEngine(t)
	nothing := func(*train.Config, *train.Job) {}
	one, err := trainOn(t, t.Context(), 1, nothing)
	if err != nil {
		t.Fatal(err)
	}
	if first, last := one.History[0].Loss, one.History[4].Loss; !(last < first*0.95) {
		t.Errorf("loss from %v to %v", first, last)
	}
	for _, n := range []int{2, 4} {
		many, err := trainOn(t, t.Context(), n, func(c *train.Config, _ *train.Job) { c.Workers = 2 })
		if err != nil {
			t.Fatal(err)
		}
		d := max(apart(one.Weights.Params, many.Weights.Params), apart(one.Weights.State, many.Weights.State))
		if steps := many.History[4].Steps; d != 0 || steps != 50 {
			t.Errorf("%d ranks: weights differ by %g after %d steps", n, d, steps)
		}
	}
}

func TestTheEngineGoesOnToTheSameBits(t *testing.T) {
	t.Parallel()
	needEngine(t)
	want, err := trainOn(t, t.Context(), 1, func(*train.Config, *train.Job) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, stop := range []int{4, 10, 37} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		left := stop
		_, err := trainOn(t, ctx, 1, func(c *train.Config, j *train.Job) {
			c.Checkpoint = dir
			j.Watch = stopper(func() {
				if left--; left == 0 {
					cancel()
				}
			})
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for _, n := range []int{1, 2} {
			from := t.TempDir()
			if err := os.CopyFS(from, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			got, err := trainOn(t, t.Context(), n, func(c *train.Config, _ *train.Job) {
				c.Checkpoint, c.Resume, c.Workers = from, true, 3-n
			})
			if err != nil {
				t.Fatal(err)
			}
			d := max(apart(want.Weights.Params, got.Weights.Params), apart(want.Weights.State, got.Weights.State))
			if d != 0 {
				t.Errorf("stopped after step %d, on with %d ranks: weights differ by %g", stop, n, d)
			}
		}
	}
}

// stopper is a train.Watcher that is called after every step.
type stopper func()

func (stopper) Begun(train.Begun)    {}
func (s stopper) Stepped(train.Step) { s() }
func (stopper) Ended(train.Epoch)    {}
