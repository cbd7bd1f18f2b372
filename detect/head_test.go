package detect_test

import (
	"bytes"
	"context"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/aggregate"
	"bcc/bag"
	"bcc/detect"
	"bcc/fault"
	"bcc/report"
)

// head is a detect.Head from a function.
type head func(embeddings []float32, n int) (float32, []float32)

func (h head) Score(_ context.Context, embeddings []float32, n int) (float32, []float32, error) {
	score, attention := h(embeddings, n)
	return score, attention, nil
}

// redness scores 0.8 and looks where it is red.
func redness(embeddings []float32, n int) (float32, []float32) {
	attention := make([]float32, n)
	for i, v := range embeddings {
		if v > 0.5 {
			attention[i] = 1 / float32(n)
		}
	}
	return 0.8, attention
}

func headed(h detect.Head) func(*detect.Config) {
	return func(c *detect.Config) { c.Head, c.Probability = h, nil }
}

func TestAHeadJudgesTheSlideAsAWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	items := []detect.Item{{Name: "s.png", Path: path}}
	var want map[string][]byte
	for _, runners := range []int{1, 3} {
		out := t.TempDir()
		end := newDetector(t, runners, headed(head(redness)), nil).List(t.Context(), items, out, runners, nil)[0]
		if end.Err != nil {
			t.Fatal(end.Err)
		}
		r := end.Result
		if r.Score != 0.8 || r.Prediction != aggregate.BCC || r.Model.HeatMap != report.Attention {
			t.Errorf("score %v, %s, heat map %q, want 0.8, BCC, attention", r.Score, r.Prediction, r.Model.HeatMap)
		}
		if len(r.Lesions) != 1 || r.Lesions[0].BoundsPx != [4]int{nest.Min.X, nest.Min.Y, nest.Dx(), nest.Dy()} || r.Lesions[0].Score != 0.7467 {
			// a patch in fourteen is red: 14/(14+1) of 0.8
			t.Errorf("lesions %+v, want the one painted, with 14/15 of the slide's score", r.Lesions)
		}
		got := results(t, out)
		if want == nil {
			want = got
		}
		for name, b := range want {
			if !bytes.Equal(b, got[name]) {
				t.Errorf("%d runners: %s differs", runners, name)
			}
		}
	}
}

func TestAHeadSeesWhatABagKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	items := []detect.Item{{Name: "s.png", Path: path}}
	var saw []float32
	end := newDetector(t, 1, headed(head(func(v []float32, n int) (float32, []float32) {
		saw = slices.Clone(v)
		return 0.5, make([]float32, n) // and looks nowhere
	})), nil).List(t.Context(), items, t.TempDir(), 1, nil)[0]
	if end.Err != nil || len(end.Result.Lesions) != 0 {
		t.Fatalf("%v, lesions %+v, want none", end.Err, end.Result.Lesions)
	}
	end = newEmbedder(t, 1, nil, "ab").List(t.Context(), items, t.TempDir(), 1, nil)[0]
	f, err := bag.OpenFile(end.Bag)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kept, err := f.All()
	if err != nil || len(kept) != len(saw) {
		t.Fatalf("%d numbers kept, %d seen: %v", len(kept), len(saw), err)
	}
	for i := range kept {
		if math.Float32bits(kept[i]) != math.Float32bits(saw[i]) {
			t.Fatalf("number %d: the head saw %v, the bag keeps %v", i, saw[i], kept[i])
		}
	}
}

func TestAHeadIsNotAskedWithoutTissue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, image.Rectangle{}, image.Rectangle{})
	never := head(func([]float32, int) (float32, []float32) { panic("asked") })
	end := newDetector(t, 1, headed(never), nil).List(t.Context(), []detect.Item{{Name: "s.png", Path: path}}, t.TempDir(), 1, nil)[0]
	if end.Err != nil || end.Result.Prediction != aggregate.Indeterminate {
		t.Errorf("%v, %+v, want Indeterminate", end.Err, end.Result)
	}
}

func TestItRefusesAHeadThatGivesNonsense(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	nan := float32(math.NaN())
	for what, h := range map[string]head{
		"score of the slide":     func(_ []float32, n int) (float32, []float32) { return nan, make([]float32, n) },
		"of 3 patches":           func([]float32, int) (float32, []float32) { return 0.5, make([]float32, 3) },
		"attention of patch 1: ": func(_ []float32, n int) (float32, []float32) { a := make([]float32, n); a[1] = nan; return 0.5, a },
		"the model gave -1":      func(_ []float32, n int) (float32, []float32) { a := make([]float32, n); a[0] = -1; return 0.5, a },
		"attention of patch 2: t": func(_ []float32, n int) (float32, []float32) {
			a := make([]float32, n)
			a[2] = float32(math.Inf(1))
			return 0.5, a
		},
	} {
		out := t.TempDir()
		end := newDetector(t, 1, headed(h), nil).List(t.Context(), []detect.Item{{Name: "s.png", Path: path}}, out, 1, nil)[0]
		if fault.Of(end.Err) != fault.Corrupt || !strings.Contains(end.Err.Error(), what) {
			t.Errorf("%s: %v", what, end.Err)
		}
		if left, _ := os.ReadDir(out); len(left) > 0 {
			t.Errorf("%s: left %v", what, left)
		}
	}
}
