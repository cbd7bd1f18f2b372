package detect_test

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/aggregate"
	"bcc/detect"
	"bcc/fault"
	"bcc/report"
)

func coarsely(c *detect.Config) {
	c.Coarse = detect.Coarse{On: true, Suspicious: 0.4} // pink is 0.2, red 0.9
}

func TestACoarsePassFindsTheSameWithLess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.png")
	paint(t, path, piece, nest)
	whole, err := newDetector(t, 2, nil, nil).Look(t.Context(), source(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newDetector(t, 2, coarsely, nil).Look(t.Context(), source(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, m := f.Grid.Len(), whole.Grid.Len()
	if n != f.Result.Tissue.Patches || n > m*2/3 || n < m/5 {
		t.Errorf("%d patches scored, %d in the result, of %d", n, f.Result.Tissue.Patches, m)
	}
	if diff := cmp.Diff(whole.Result.Lesions, f.Result.Lesions); diff != "" || f.Result.Score != whole.Result.Score || f.Result.Prediction != aggregate.BCC {
		t.Errorf("score %v, all patches gave %v; lesions:\n%s", f.Result.Score, whole.Result.Score, diff)
	}
	if want := fmt.Sprintf("coarse pass: %d of %d patches scored", n, m); len(f.Result.Degraded) != 1 || !strings.HasPrefix(f.Result.Degraded[0], want) {
		t.Errorf("degraded %q, want %q", f.Result.Degraded, want)
	}
	if p := f.Result.Parameters; p.Pass != report.CoarseFirst || p.Suspicious != 0.4 || p == whole.Result.Parameters {
		t.Errorf("parameters %+v", p)
	}
	scored := 0
	for i, v := range f.Answer.Heatmap.Vote {
		if v == v {
			scored++
			if math.IsNaN(float64(whole.Answer.Heatmap.Vote[i])) {
				t.Errorf("cell %d has a value, and none where all patches are scored", i)
			}
		}
	}
	if scored != n {
		t.Errorf("the heat map has %d values of %d patches", scored, n)
	}
}

func TestACoarsePassIsTheSameWhateverTheConcurrency(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest.Union(image.Rect(200, 300, 230, 330)))
	items := []detect.Item{{Name: "s.png", Path: path}}
	var want map[string][]byte
	for _, n := range []int{1, 2, 5} {
		d := newDetector(t, n, func(c *detect.Config) { coarsely(c); c.Patch.Readers, c.Patch.Overlap = n, 0.5 }, nil)
		out := t.TempDir()
		if end := d.List(t.Context(), items, out, 1, nil)[0]; end.Err != nil {
			t.Fatal(end.Err)
		}
		got := results(t, out)
		if want == nil {
			want = got
		}
		for name, b := range want {
			if !bytes.Equal(b, got[name]) {
				t.Errorf("%d runners: %s differs", n, name)
			}
		}
	}
}

func TestACoarseResultIsNotTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	items := []detect.Item{{Name: "s.png", Path: path}}
	other := func(c *detect.Config) { coarsely(c); c.Coarse.Suspicious = 0.3 }
	for i, s := range []struct {
		change func(*detect.Config)
		want   detect.Status
	}{{coarsely, detect.Done}, {coarsely, detect.Skipped}, {other, detect.Done}, {nil, detect.Done}, {nil, detect.Skipped}, {coarsely, detect.Done}} {
		end := newDetector(t, 1, s.change, nil).List(t.Context(), items, out, 1, nil)[0]
		if end.Err != nil || end.Status != s.want {
			t.Errorf("run %d: %s, %v, want %s", i, end.Status, end.Err, s.want)
		}
	}
}

func TestACoarsePassOfVeryLittleSaysNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.png")
	paint(t, path, nest, nest) // all of it suspicious
	f, err := newDetector(t, 1, coarsely, nil).Look(t.Context(), source(t, path), nil)
	if err != nil || len(f.Result.Degraded) != 0 {
		t.Errorf("%v, degraded %q, though all is scored", err, f.Result.Degraded)
	}
}

func TestACoarsePassIsRefusedWhereItMakesNoSense(t *testing.T) {
	t.Parallel()
	cfg := detect.DefaultConfig(patchPx, scaleUM)
	cfg.Outputs, cfg.Coarse.On, cfg.Head = 1, true, head(redness)
	if err := cfg.Validate(); fault.Of(err) != fault.Unsupported {
		t.Errorf("with a slide head: %v", err)
	}
	cfg.Head, cfg.Probability = nil, func(row []float32) float32 { return row[0] }
	for _, p := range []float64{-0.1, 1.1, math.NaN()} {
		cfg.Coarse.Suspicious = p
		if err := cfg.Validate(); fault.Of(err) != fault.Invalid {
			t.Errorf("suspicious from %v: %v", p, err)
		}
	}
}

func TestACoarsePassRefusesNonsense(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.png")
	paint(t, path, piece, nest)
	d := newDetector(t, 1, func(c *detect.Config) {
		coarsely(c)
		c.Probability = func([]float32) float32 { return float32(math.NaN()) }
	}, nil)
	if _, err := d.Look(t.Context(), source(t, path), nil); fault.Of(err) != fault.Corrupt {
		t.Errorf("a model that gives NaN: %v", err)
	}
}
