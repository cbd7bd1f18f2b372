package ort_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/fault"
	"bcc/native/ort"
)

// Two stages that hand three values on, one of them of booleans:
//
//	forward   h = x·w (rows, 2)   r = relu(h)   on = h > 0
//	backward  y = on ? r·scale : -1 (rows, 2)   loss = sum(y), without a dimension
func forward() []byte {
	g := message{}.text(2, "forward")
	g = g.bytes(1, node("MatMul", []string{"x", "w"}, "h"))
	g = g.bytes(1, node("Relu", []string{"h"}, "r"))
	g = g.bytes(1, node("Greater", []string{"h", "zero"}, "on"))
	g = g.bytes(5, tensor("zero", nil, []float32{0}))
	g = g.bytes(11, info("x", 1, []int64{0, 3})).bytes(11, info("w", 1, []int64{3, 2}))
	g = g.bytes(12, info("r", 1, []int64{0, 2})).bytes(12, info("on", 9, []int64{0, 2})).bytes(12, info("h", 1, []int64{0, 2}))
	return file(g)
}

func backward() []byte {
	g := message{}.text(2, "backward")
	g = g.bytes(1, node("Mul", []string{"r", "scale"}, "scaled"))
	g = g.bytes(1, node("Where", []string{"on", "scaled", "minus"}, "y"))
	sum := message(node("ReduceSum", []string{"y"}, "loss"))
	g = g.bytes(1, sum.bytes(5, ints("keepdims")))
	g = g.bytes(5, tensor("minus", nil, []float32{-1}))
	g = g.bytes(11, info("on", 9, []int64{0, 2})).bytes(11, info("scale", 1, []int64{})).bytes(11, info("r", 1, []int64{0, 2}))
	g = g.bytes(12, info("y", 1, []int64{0, 2})).bytes(12, info("loss", 1, []int64{}))
	return file(g)
}

func file(graph message) []byte {
	return message{}.varint(1, 8).bytes(7, graph).bytes(8, message{}.varint(2, 13))
}

func openGraph(t testing.TB, stages ...[]byte) *ort.Graph {
	t.Helper()
	load(t)
	g, err := ort.OpenGraph(stages, ort.GraphConfig{Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("close graph: %v", err)
		}
	})
	return g
}

// alloc is a tensor in memory from Floats.
func alloc(t testing.TB, name string, shape []int64, values ...float32) ort.Tensor {
	t.Helper()
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	data := ort.Floats(n)
	t.Cleanup(func() { ort.FreeFloats(data) })
	copy(data, values)
	return ort.Tensor{Name: name, Shape: shape, Data: data}
}

// expect computes the two stages.
func expect(x, w []float32, scale float32) (y []float32, loss float32) {
	for row := range slices.Chunk(x, 3) {
		for c := range 2 {
			v := row[0]*w[c] + row[1]*w[2+c] + row[2]*w[4+c]
			if v > 0 {
				v *= scale
			} else {
				v = -1
			}
			y, loss = append(y, v), loss+v
		}
	}
	return y, loss
}

// Small whole numbers, so that every sum is exact.
func picture(rows, seed int) []float32 {
	x := make([]float32, 3*rows)
	for i := range x {
		x[i] = float32((i*7+seed)%11 - 5)
	}
	return x
}

var weights = []float32{1, -2, 3, 4, -5, 6}

func TestAGraphHandsValuesFromStageToStage(t *testing.T) {
	t.Parallel()
	g := openGraph(t, forward(), backward())
	w := alloc(t, "w", []int64{3, 2}, weights...)
	scale := alloc(t, "scale", nil, 1)
	var wg sync.WaitGroup
	for i, rows := range []int{1, 2, 7} { // calls of one graph, at once, of several sizes, over the same weights
		x := alloc(t, "x", []int64{int64(rows), 3})
		y := alloc(t, "y", []int64{int64(rows), 2})
		loss := alloc(t, "loss", nil)
		call, err := g.NewCall([]ort.Tensor{scale, x, w}, []ort.Tensor{loss, y})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { call.Close() })
		wg.Go(func() {
			for round := range 50 {
				copy(x.Data, picture(rows, i+round))
				var stages []int
				if err := call.Run(t.Context(), func(s int) { stages = append(stages, s) }); err != nil {
					t.Error(err)
					return
				}
				want, sum := expect(x.Data, weights, 1)
				if !slices.Equal(y.Data, want) || loss.Data[0] != sum || !slices.Equal(stages, []int{0, 1}) {
					t.Errorf("%d rows: y %v, loss %v, stages %v, want %v, %v, [0 1]", rows, y.Data, loss.Data, stages, want, sum)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestAGraphRunsOnlyWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	g := openGraph(t, forward(), backward())
	x, w := alloc(t, "x", []int64{1, 3}, 1, 2, 3), alloc(t, "w", []int64{3, 2}, weights...)
	r := alloc(t, "r", []int64{1, 2})
	call, err := g.NewCall([]ort.Tensor{x, w}, []ort.Tensor{r})
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	var stages []int
	if err := call.Run(t.Context(), func(s int) { stages = append(stages, s) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Data, []float32{0, 24}) || !slices.Equal(stages, []int{0}) {
		t.Errorf("r = %v, stages %v, want [0 24] of stage 0", r.Data, stages)
	}
	// A value that the caller keeps is handed on too.
	loss := alloc(t, "loss", nil)
	both, err := g.NewCall([]ort.Tensor{x, w, alloc(t, "scale", nil, 2)}, []ort.Tensor{loss, r})
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	if err := both.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if loss.Data[0] != 47 || r.Data[1] != 24 {
		t.Errorf("loss = %v, r = %v, want 47 and 24", loss.Data, r.Data)
	}
}

func TestAGraphEvaluatesShapesItDoesNotKnow(t *testing.T) {
	t.Parallel()
	g := openGraph(t, forward(), backward())
	for _, rows := range []int{1, 5} {
		x := picture(rows, 3)
		got, err := g.Eval(t.Context(), []ort.Tensor{
			{Name: "x", Shape: []int64{int64(rows), 3}, Data: x}, {Name: "w", Shape: []int64{3, 2}, Data: weights}, {Name: "scale", Data: []float32{3}},
		}, []string{"loss", "y", "r"})
		if err != nil {
			t.Fatal(err)
		}
		y, loss := expect(x, weights, 3)
		if len(got) != 3 || got[0].Data[0] != loss || len(got[0].Shape) != 0 || !slices.Equal(got[1].Data, y) || !slices.Equal(got[1].Shape, []int64{int64(rows), 2}) {
			t.Errorf("%d rows: %v, want loss %v and y %v", rows, got, loss, y)
		}
	}
	for _, c := range []struct {
		wanted []string
		says   string
	}{{[]string{"on"}, `"on" is bool`}, {[]string{"cats"}, `no "cats"`}, {nil, "nothing is asked for"}, {[]string{"r", "r"}, "twice"}} {
		_, err := g.Eval(t.Context(), []ort.Tensor{{Name: "x", Shape: []int64{1, 3}, Data: picture(1, 0)}, {Name: "w", Shape: []int64{3, 2}, Data: weights}}, c.wanted)
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("eval %v: %v, want %q", c.wanted, err, c.says)
		}
	}
}

func TestAGraphSaysWhichTensorIsWrong(t *testing.T) {
	t.Parallel()
	g := openGraph(t, forward(), backward())
	x, w, scale := alloc(t, "x", []int64{4, 3}), alloc(t, "w", []int64{3, 2}), alloc(t, "scale", nil)
	y := alloc(t, "y", []int64{4, 2})
	as := func(v ort.Tensor, name string, shape ...int64) ort.Tensor { return ort.Tensor{name, shape, v.Data} }
	for name, c := range map[string]struct {
		in, out []ort.Tensor
		says    string
	}{
		"missing":            {[]ort.Tensor{x, scale}, []ort.Tensor{y}, `tensor "w" of shape [3 2] is missing`},
		"extra":              {[]ort.Tensor{x, w, scale, as(x, "age", 4, 3)}, []ort.Tensor{y}, `takes no "age"`},
		"between":            {[]ort.Tensor{x, w, scale, as(y, "r", 4, 2)}, []ort.Tensor{y}, `takes no "r"`},
		"twice":              {[]ort.Tensor{x, x, w, scale}, []ort.Tensor{y}, `"x" is given twice`},
		"wanted twice":       {[]ort.Tensor{x, w, scale}, []ort.Tensor{y, y}, `"y" is wanted twice`},
		"turned":             {[]ort.Tensor{as(x, "x", 3, 4), w, scale}, []ort.Tensor{y}, `"x": shape [3 4], want [-1 3]`},
		"another rank":       {[]ort.Tensor{x, w, as(scale, "scale", 1)}, []ort.Tensor{y}, `"scale": shape [1], want []`},
		"too few values":     {[]ort.Tensor{as(x, "x", 5, 3), w, scale}, []ort.Tensor{y}, `"x": 12 values, want 15`},
		"empty":              {[]ort.Tensor{as(x, "x", 0, 3), w, scale}, []ort.Tensor{y}, `"x": shape [0 3] is empty`},
		"endless":            {[]ort.Tensor{as(x, "x", 1<<62, 3), w, scale}, []ort.Tensor{y}, "too large"},
		"an output not made": {[]ort.Tensor{x, w, scale}, []ort.Tensor{as(y, "cats", 4, 2)}, `makes no "cats"`},
		"booleans":           {[]ort.Tensor{x, w}, []ort.Tensor{as(y, "on", 4, 2)}, `"on" is bool`},
		"nothing":            {[]ort.Tensor{x, w, scale}, nil, "nothing is asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call, err := g.NewCall(c.in, c.out)
			if err == nil {
				call.Close()
				t.Fatal("it makes a call")
			}
			if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error = %q (%v), want invalid with %q", err, fault.Of(err), c.says)
			}
		})
	}
	if _, err := g.NewCall([]ort.Tensor{{"x", []int64{1, 3}, make([]float32, 3)}, w, scale}, []ort.Tensor{y}); err == nil || !strings.Contains(err.Error(), "Floats") {
		t.Errorf("memory of Go's: %v, want it refused", err)
	}
	// The engine itself finds what no declaration says: an output of another batch.
	call, err := g.NewCall([]ort.Tensor{as(alloc(t, "", []int64{6}), "x", 2, 3), w, scale}, []ort.Tensor{y})
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	if err := call.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "stage 1") {
		t.Errorf("run = %v, want the stage that failed", err)
	}
}

func TestAGraphRefusesStagesThatDoNotMeet(t *testing.T) {
	t.Parallel()
	load(t)
	for name, c := range map[string]struct {
		stages [][]byte
		cfg    ort.GraphConfig
		kind   fault.Kind
		says   string
	}{
		"no stage":        {nil, ort.GraphConfig{}, fault.Invalid, "no stage"},
		"text":            {[][]byte{forward(), []byte("<html>")}, ort.GraphConfig{}, fault.Corrupt, "stage 1"},
		"made twice":      {[][]byte{forward(), forward()}, ort.GraphConfig{}, fault.Invalid, `stage 1: it makes "r"`},
		"backwards":       {[][]byte{backward(), forward()}, ort.GraphConfig{}, fault.Invalid, `stage 1: it makes "r", which an earlier stage makes or takes`},
		"elsewhere":       {[][]byte{testModel{side: 8, external: true}.encode()}, ort.GraphConfig{}, fault.Unsupported, "other files"},
		"no operator":     {[][]byte{[]byte(strings.Replace(string(forward()), "Greater", "Greeter", 1))}, ort.GraphConfig{}, fault.Corrupt, "Greeter"},
		"a device":        {[][]byte{forward()}, ort.GraphConfig{Device: "tpu"}, fault.Invalid, "tpu"},
		"an optimiser":    {[][]byte{forward()}, ort.GraphConfig{Optimisation: "most"}, fault.Invalid, "most"},
		"too much memory": {[][]byte{forward()}, ort.GraphConfig{GPUMemory: 2}, fault.Invalid, "fraction 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := ort.OpenGraph(c.stages, c.cfg)
			if err == nil {
				g.Close()
				t.Fatal("it opens")
			}
			if fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error = %q (%v), want %v with %q", err, fault.Of(err), c.kind, c.says)
			}
		})
	}
}

func TestAGraphStopsWhileItRuns(t *testing.T) {
	t.Parallel()
	g := openGraph(t, testModel{side: 256, slow: 200}.encode())
	picture := alloc(t, "picture", []int64{1, 3, 256, 256})
	call, err := g.NewCall([]ort.Tensor{picture}, []ort.Tensor{alloc(t, "scores", []int64{1, 2})})
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	began := time.Now()
	if err := call.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(began)
	ctx, cancel := context.WithTimeoutCause(t.Context(), whole/20, errors.New("enough"))
	defer cancel()
	began = time.Now()
	err = call.Run(ctx, nil)
	if took := time.Since(began); err == nil || err.Error() != "enough" || took > whole/2+50*time.Millisecond {
		t.Errorf("run = %v after %v of %v, want the context's cause at once", err, took, whole)
	}
	if err := call.Run(ctx, nil); err == nil {
		t.Error("it runs under a context that has ended")
	}
	if err := call.Run(t.Context(), nil); err != nil {
		t.Errorf("run after one that was stopped: %v", err)
	}
}

func TestAGraphStaysUntilItsLastCallIsClosed(t *testing.T) {
	t.Parallel()
	load(t)
	g, err := ort.OpenGraph([][]byte{forward()}, ort.GraphConfig{})
	if err != nil {
		t.Fatal(err)
	}
	in := []ort.Tensor{alloc(t, "x", []int64{1, 3}), alloc(t, "w", []int64{3, 2})}
	out := []ort.Tensor{alloc(t, "h", []int64{1, 2})}
	call, err := g.NewCall(in, out)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Close(), g.Close(), call.Run(t.Context(), nil)); err != nil {
		t.Errorf("run after the graph's close: %v", err)
	}
	if _, err := g.NewCall(in, out); err == nil {
		t.Error("a closed graph gives a call")
	}
	if err := errors.Join(call.Close(), call.Close()); err != nil {
		t.Errorf("close call: %v", err)
	}
	if err := call.Run(t.Context(), nil); err == nil {
		t.Error("a closed call runs")
	}
}

func TestFloatsAreZeroAndFreedOnce(t *testing.T) {
	t.Parallel()
	data := ort.Floats(1000)
	if len(data) != 1000 || slices.ContainsFunc(data, func(v float32) bool { return v != 0 }) {
		t.Errorf("%d values, want 1000 zeroes", len(data))
	}
	ort.FreeFloats(data)
	ort.FreeFloats(nil)
	if ort.Floats(0) != nil && len(ort.Floats(0)) > 0 {
		t.Error("no values have some")
	}
}

// The engine's functions are called by their place in its table.
func TestTheTableOfTheEngineIsTheHeaders(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("engine.c")
	if err != nil {
		t.Fatal(err)
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no C compiler")
	}
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil || len(strings.TrimSpace(string(dir))) == 0 {
		t.Skipf("the wrapper's source is not here: %v", err)
	}
	table, _, _ := strings.Cut(string(source), "interface_version = ")
	places := regexp.MustCompile(`(?m)^\t([a-z_]+) = (\d+),`).FindAllStringSubmatch(table, -1)
	program := "#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n"
	for _, p := range places {
		program += fmt.Sprintf("_Static_assert(offsetof(OrtApi, %s) == %s * sizeof(void *), \"%s\");\n", headerName(p[1]), p[2], p[1])
	}
	if len(places) < 20 {
		t.Fatalf("%d functions found in engine.c", len(places))
	}
	file := filepath.Join(t.TempDir(), "table.c")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), cc, "-fsyntax-only", "-I", strings.TrimSpace(string(dir)), file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// headerName turns a name of engine.c into the header's.
func headerName(s string) string {
	long := map[string]string{
		"create_tensor_with_data": "create_tensor_with_data_as_ort_value", "get_allocator": "get_allocator_with_default_options",
		"release_type_and_shape": "release_tensor_type_and_shape_info", "create_binding": "create_io_binding", "release_binding": "release_io_binding",
	}
	if l, ok := long[s]; ok {
		s = l
	}
	var b strings.Builder
	for word := range strings.SplitSeq(s, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
