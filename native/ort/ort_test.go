package ort_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/infer"
	"bcc/infer/infertest"
	"bcc/native/ort"
)

var (
	_ infer.Runner    = (*ort.Runner)(nil)
	_ infer.Sized     = (*ort.Runner)(nil)
	_ infer.Divisible = (*ort.Runner)(nil)
)

// load loads the library that the set-up puts into .deps, or skips the test.
func load(t testing.TB) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		lib := filepath.Join(dir, ".deps", "onnxruntime", "libonnxruntime.so.1")
		if _, err := os.Stat(lib); err == nil {
			if err := ort.Load(lib); err != nil {
				if strings.Contains(err.Error(), "without cgo") {
					t.Skip("this build has no cgo")
				}
				t.Fatal(err)
			}
			return
		}
		if dir == filepath.Dir(dir) {
			t.Skip("ONNX Runtime is not in .deps/onnxruntime: scripts/setup.sh puts it there")
		}
		dir = filepath.Dir(dir)
	}
}

func open(t testing.TB, m testModel, cfg ort.Config) *ort.Model {
	t.Helper()
	load(t)
	model, err := ort.Open(m.encode(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := model.Close(); err != nil {
			t.Errorf("close model: %v", err)
		}
	})
	return model
}

func runner(t testing.TB, m *ort.Model) *ort.Runner {
	t.Helper()
	r, err := m.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRunnersKeepTheirPromises(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		model testModel
		cfg   ort.Config
		batch int
	}{
		"open batch":       {testModel{}, ort.Config{Device: "cpu", Batch: 3, PatchPx: 16}, 3},
		"fixed batch":      {testModel{batch: 2, side: 16}, ort.Config{Device: "cpu", Batch: 3}, 2},
		"one at a time":    {testModel{batch: 1, side: 16}, ort.Config{Device: "cpu"}, 1},
		"nhwc":             {testModel{side: 16, nhwc: true}, ort.Config{Device: "cpu", Batch: 3}, 3},
		"nhwc, said so":    {testModel{nhwc: true, shapeless: true}, ort.Config{Device: "cpu", Batch: 3, Layout: ort.NHWC, PatchPx: 16}, 3},
		"without a shape":  {testModel{shapeless: true}, ort.Config{Device: "cpu", PatchPx: 16, Batch: 3}, 3},
		"weights as input": {testModel{side: 16, weightInput: true}, ort.Config{Device: "cpu"}, 2},
		"device by itself": {testModel{side: 16}, ort.Config{Batch: 3}, 3},
		"convolutions":     {testModel{side: 16, slow: 3}, ort.Config{Device: "cpu"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, c.model, c.cfg)
			info := m.Info()
			if info.Batch != c.batch || info.PatchPx != 16 || info.Outputs != 2 || info.Input != "picture" || info.Output != "scores" {
				t.Fatalf("model = %+v, want batch %d of 16 px and 2 outputs", info, c.batch)
			}
			infertest.Exercise(t, infertest.Spec{
				PatchPx: 16, Batch: info.Batch, Outputs: 2,
				New: func(t *testing.T) infer.Runner { return runner(t, m) },
				Want: func(pix []byte) []float32 {
					red := infertest.MeanRed(pix)
					return []float32{red, 1 - red}
				},
				Tolerance: 3e-6, // float32 sums of 256 values
			})
		})
	}
}

func TestItReadsTheOutputOfThatName(t *testing.T) {
	t.Parallel()
	m := open(t, testModel{side: 8}, ort.Config{Device: "cpu", Output: "green"})
	pix := bytes.Repeat([]byte{0, 51, 0}, 64)
	out := make([]float32, m.Info().Outputs)
	if err := runner(t, m).Run(t.Context(), [][]byte{pix}, out); err != nil {
		t.Fatal(err)
	}
	if len(out) != 1 || math.Abs(float64(out[0])-0.2) > 1e-6 {
		t.Errorf("outputs = %v, want the mean green, 0.2", out)
	}
}

// The reference for the C kernels: one float32 multiplication and one addition a
// value, bit for bit, seen through a model that hands its input on.
func TestItNormalisesEachByteExactly(t *testing.T) {
	t.Parallel()
	load(t)
	cfg := ort.Config{Device: "cpu", Batch: 2, Mean: [3]float64{0.485, 0.456, 0.406}, Std: [3]float64{0.229, 0.224, 0.225}}
	for _, side := range []int{1, 3, 16, 224} { // no, some and whole vectors
		for _, layout := range []ort.Layout{ort.NCHW, ort.NHWC} {
			cfg.PatchPx, cfg.Layout = side, layout
			m, err := ort.Open(identity(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			n := 3 * side * side
			patches := [][]byte{make([]byte, n), make([]byte, n)}
			for i := range n {
				patches[0][i], patches[1][i] = byte(i*7+i/256), byte(i)
			}
			got := make([]float32, 2*n)
			if err := runner(t, m).Run(t.Context(), patches, got); err != nil {
				t.Fatal(err)
			}
			for p, pix := range patches {
				for i, v := range pix {
					c := i % 3
					scale, bias := float32(1.0/255/cfg.Std[c]), float32(-cfg.Mean[c]/cfg.Std[c])
					want := float32(float32(v)*scale) + bias // the conversion keeps Go from fusing
					at := p*n + c*side*side + i/3
					if layout == ort.NHWC {
						at = p*n + i
					}
					if math.Float32bits(got[at]) != math.Float32bits(want) {
						t.Fatalf("%s side %d, patch %d byte %d (%d) = %v, want %v", layout, side, p, i, v, got[at], want)
					}
					exact := (float64(v)/255 - cfg.Mean[c]) / cfg.Std[c]
					if d := math.Abs(float64(want) - exact); d > 5e-7 {
						t.Fatalf("byte %d: %v is %g off", v, want, d)
					}
				}
			}
			m.Close()
		}
	}
}

// identity is a model that gives back its input.
func identity() []byte {
	g := message{}.bytes(1, node("Identity", []string{"x"}, "y")).text(2, "identity")
	g = g.bytes(11, info("x", 1, []int64{0, 0, 0, 0})).bytes(12, info("y", 1, nil))
	return message{}.varint(1, 8).bytes(7, g).bytes(8, message{}.varint(2, 13))
}

func TestItRefusesModelsItCannotFeed(t *testing.T) {
	t.Parallel()
	load(t)
	good := testModel{side: 8}.encode()
	flipped := bytes.Replace(good, []byte("ReduceMean"), []byte("ReduceMoan"), 1)
	for name, c := range map[string]struct {
		onnx []byte
		cfg  ort.Config
		kind fault.Kind
		says string
	}{
		"nothing":               {nil, ort.Config{}, fault.Corrupt, "not an ONNX model"},
		"text":                  {[]byte("<html>404</html>"), ort.Config{}, fault.Corrupt, "not an ONNX model"},
		"half a model":          {good[:len(good)/2], ort.Config{}, fault.Corrupt, "not an ONNX model"},
		"zeroes":                {make([]byte, 1000), ort.Config{}, fault.Corrupt, "not an ONNX model"},
		"an unknown operator":   {flipped, ort.Config{}, fault.Corrupt, "ReduceMoan"},
		"float16":               {testModel{side: 8, dtype: 10}.encode(), ort.Config{}, fault.Unsupported, "float16"},
		"an unknown type":       {testModel{side: 8, dtype: 99}.encode(), ort.Config{}, fault.Unsupported, "another type"},
		"two inputs":            {testModel{side: 8, secondInput: true}.encode(), ort.Config{}, fault.Unsupported, "2 inputs"},
		"weights elsewhere":     {testModel{side: 8, external: true}.encode(), ort.Config{}, fault.Unsupported, "other files"},
		"four channels":         {testModel{side: 8, channels: 4}.encode(), ort.Config{}, fault.Unsupported, "channels"},
		"another patch size":    {good, ort.Config{PatchPx: 224}, fault.Invalid, "patches of 8 px, not of 224 px"},
		"no patch size":         {testModel{}.encode(), ort.Config{}, fault.Invalid, "patch size"},
		"an output that is not": {good, ort.Config{Output: "cats"}, fault.Invalid, `"cats"`},
		"the wrong layout":      {testModel{nhwc: true, shapeless: true}.encode(), ort.Config{PatchPx: 8, Layout: ort.NCHW}, fault.Unsupported, "[2 3 8 8]"},
		"not a number out":      {testModel{side: 8, nan: true}.encode(), ort.Config{}, fault.Unsupported, "not a number"},
		"too many outputs":      {identity(), ort.Config{PatchPx: 640, Batch: 1}, fault.Unsupported, "1228800 values a patch"},
		"a batch too large":     {testModel{batch: 1000, side: 1024}.encode(), ort.Config{}, fault.Invalid, "12000 MB"},
		"a patch too large":     {testModel{side: 1 << 40}.encode(), ort.Config{}, fault.Unsupported, "larger than"},
		"a bad device":          {good, ort.Config{Device: "tpu"}, fault.Invalid, `"tpu"`},
		"not a number in":       {good, ort.Config{Std: [3]float64{1, 0, 1}}, fault.Invalid, "finite"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := ort.Open(c.onnx, c.cfg)
			if err == nil {
				m.Close()
				t.Fatal("it opens")
			}
			if fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error = %q (%v), want %v with %q", err, fault.Of(err), c.kind, c.says)
			}
		})
	}
}

func TestItFallsBackToTheCPUAndSaysWhy(t *testing.T) {
	t.Parallel()
	load(t)
	if ok, _ := ort.CUDAAvailable(); ok {
		t.Skip("there is a GPU")
	}
	_, reason := ort.CUDAAvailable()
	if reason == "" || strings.Contains(reason, "\n") {
		t.Errorf("reason = %q, want one line", reason)
	}
	for _, device := range []string{"cuda", "cuda:7"} {
		info := open(t, testModel{side: 8}, ort.Config{Device: device}).Info()
		if info.Device != "cpu" || !strings.Contains(info.Fallback, " cannot be used: no NVIDIA ") || strings.Contains(info.Fallback, "\n") {
			t.Errorf("%s: device %q, fallback %q, want the CPU and one line that says why", device, info.Device, info.Fallback)
		}
	}
	if info := open(t, testModel{side: 8}, ort.Config{Device: "cpu"}).Info(); info.Fallback != "" {
		t.Errorf("the CPU that was asked for calls itself a fallback: %q", info.Fallback)
	}
}

func TestItStopsAModelThatIsRunning(t *testing.T) {
	t.Parallel()
	m := open(t, testModel{side: 256, slow: 200}, ort.Config{Device: "cpu", Batch: 1})
	r := runner(t, m)
	patches := infertest.Patches(3, 256)[2:]
	out := make([]float32, 2)
	began := time.Now()
	if err := r.Run(t.Context(), patches, out); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(began)

	ctx, cancel := context.WithTimeoutCause(t.Context(), whole/20, errors.New("enough"))
	defer cancel()
	began = time.Now()
	err := r.Run(ctx, patches, out)
	took := time.Since(began)
	if err == nil || err.Error() != "enough" {
		t.Fatalf("run = %v, want the context's cause", err)
	}
	if took > whole/2+50*time.Millisecond {
		t.Errorf("stopped after %v of %v, it took %v", whole/20, whole, took)
	}
	if err := r.Run(t.Context(), patches, out); err != nil {
		t.Errorf("run after one that was stopped: %v", err)
	}
}

// A plane of 17x17 floats begins at another place of a cache line for each patch
// of a batch, which shows in the last bit of its mean.
func TestItRunsOneByOneWhereThePlaceInABatchShows(t *testing.T) {
	t.Parallel()
	m := open(t, testModel{side: 17}, ort.Config{Device: "cpu", Batch: 4})
	if info := m.Info(); info.Batch != 1 || !strings.Contains(info.Note, "batches of 1") {
		t.Errorf("model = %+v, want batches of 1 and a note", info)
	}
	infertest.Exercise(t, infertest.Spec{
		PatchPx: 17, Batch: 1, Outputs: 2,
		New: func(t *testing.T) infer.Runner { return runner(t, m) },
	})
	fixed := open(t, testModel{side: 17, batch: 4}, ort.Config{Device: "cpu"})
	if info := fixed.Info(); info.Batch != 4 || !strings.Contains(info.Note, "fixed batch") {
		t.Errorf("model = %+v, want its own batch and a note", info)
	}
	if info := open(t, testModel{side: 16}, ort.Config{Device: "cpu"}).Info(); info.Batch != 2 || info.Note != "" {
		t.Errorf("model = %+v, want batches of 2 and no note", info)
	}
}

// A lone patch is run by itself only where its bits are those it gets in a batch.
func TestALonePatchGetsTheBitsOfABatch(t *testing.T) {
	t.Parallel()
	m := open(t, testModel{side: 16}, ort.Config{Device: "cpu", Batch: 4})
	if !m.Alone() {
		t.Fatal("a lone patch is padded, and need not be")
	}
	if fixed := open(t, testModel{side: 16, batch: 4}, ort.Config{Device: "cpu"}); fixed.Alone() {
		t.Error("a patch is run alone on a model whose batch is fixed")
	}
	r := runner(t, m)
	rng := rand.New(rand.NewPCG(3, 4))
	patches := make([][]byte, 4)
	for i := range patches {
		patches[i] = make([]byte, 3*16*16)
		for k := range patches[i] {
			patches[i][k] = byte(rng.IntN(256))
		}
	}
	together, alone := make([]float32, 4*2), make([]float32, 2)
	for range 2 { // a batch after a lone one must not see what that left
		if err := r.Run(t.Context(), patches, together); err != nil {
			t.Fatal(err)
		}
		for i, p := range patches {
			if err := r.Run(t.Context(), [][]byte{p}, alone); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(alone, together[2*i:2*i+2]) {
				t.Errorf("patch %d: %v alone, %v in a batch", i, alone, together[2*i:2*i+2])
			}
		}
	}
}

func TestItKeepsTheSessionUntilTheLastRunnerIsClosed(t *testing.T) {
	t.Parallel()
	load(t)
	m, err := ort.Open(testModel{side: 8}.encode(), ort.Config{Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	r := runner(t, m)
	for range 2 {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := r.Run(t.Context(), infertest.Patches(1, 8), make([]float32, 2)); err != nil {
		t.Errorf("run after the model's close: %v", err)
	}
	if _, err := m.NewRunner(); err == nil {
		t.Error("a closed model gives a runner")
	}
	if err := r.Close(); err != nil {
		t.Errorf("close runner: %v", err)
	}
}

func BenchmarkNormalise(b *testing.B) {
	m := open(b, testModel{side: 224}, ort.Config{Device: "cpu", Batch: 1})
	r := runner(b, m)
	pix := infertest.Patches(3, 224)[2:]
	out := make([]float32, 2)
	b.SetBytes(int64(len(pix[0])))
	for b.Loop() { // the model itself is a mean: about as long again
		if err := r.Run(b.Context(), pix, out); err != nil {
			b.Fatal(err)
		}
	}
}
