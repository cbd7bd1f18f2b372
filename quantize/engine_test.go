package quantize_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/native/ort"
	"bcc/quantize"
)

// runner is the real engine behind the seam, as cli joins them.
type runner struct {
	graph *ort.Graph
}

func opener(cfg ort.GraphConfig) quantize.Opener {
	return func(network []byte) (quantize.Runner, error) {
		g, err := ort.OpenGraph([][]byte{network}, cfg)
		if err != nil {
			return nil, err
		}
		return &runner{g}, nil
	}
}

func (r *runner) Eval(ctx context.Context, input []float32, outputs []string) ([][]float32, error) {
	in := r.graph.Inputs()[0]
	shape := append([]int64(nil), in.Shape...)
	row := int64(1)
	for _, d := range shape[1:] {
		row *= d
	}
	shape[0] = int64(len(input)) / row
	got, err := r.graph.Eval(ctx, []ort.Tensor{{Name: in.Name, Shape: shape, Data: input}}, outputs)
	if err != nil {
		return nil, err
	}
	var out [][]float32
	for _, t := range got {
		out = append(out, t.Data)
	}
	return out, nil
}

func (r *runner) Close() error { return r.graph.Close() }

// load loads the library that the set-up puts into .deps, or skips the test.
func load(t testing.TB) {
	t.Helper()
	lib, err := filepath.Abs("../.deps/onnxruntime/libonnxruntime.so.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lib); err != nil {
		t.Skip("ONNX Runtime is not in .deps/onnxruntime: scripts/setup.sh puts it there")
	}
	if err := ort.Load(lib); err != nil {
		if strings.Contains(err.Error(), "without cgo") {
			t.Skip("this build has no cgo")
		}
		t.Fatal(err)
	}
}

// pictures gives n batches of rows pictures of smooth blots with noise, the same
// each time.
func pictures(seed uint64, n, rows, px int) quantize.Batches {
	return func(yield func([]float32, error) bool) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for range n {
			batch := make([]float32, 0, rows*3*px*px)
			for range rows * 3 {
				base, cx, cy, size := rng.NormFloat64(), rng.IntN(px), rng.IntN(px), 1+rng.IntN(px/2)
				for i := range px * px {
					v := base + 0.3*rng.NormFloat64()
					if dx, dy := i%px-cx, i/px-cy; dx*dx+dy*dy < size*size {
						v -= 1.5
					}
					batch = append(batch, float32(v))
				}
			}
			if !yield(batch, nil) {
				return
			}
		}
	}
}
