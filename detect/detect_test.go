package detect_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bcc/aggregate"
	"bcc/detect"
	"bcc/fault"
	"bcc/infer"
	"bcc/infer/infertest"
	"bcc/report"
	"bcc/wsi"
)

const (
	patchPx = 32
	scaleUM = 4 // µm a pixel, of slides and model
)

// pink is tissue whose mean red makes the fake model say 0.2; red makes it say 0.9.
var (
	pink = color.RGBA{51, 20, 40, 255}
	red  = color.RGBA{230, 30, 60, 255}
)

// paint writes a slide with a piece of tissue and in it a lesion, both on the grid.
func paint(t *testing.T, path string, tissue, lesion image.Rectangle) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 768, 640))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			c := color.RGBA{255, 255, 255, 255}
			if at := (image.Point{X: x, Y: y}); at.In(lesion) {
				c = red
			} else if at.In(tissue) {
				c = pink
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	piece = image.Rect(64, 64, 576, 512)
	nest  = image.Rect(256, 192, 384, 320)
)

// newDetector returns a detector over the fake model with so many runners.
func newDetector(t *testing.T, runners int, change func(*detect.Config), before func(context.Context, int) error) *detect.Detector {
	t.Helper()
	cfg := detect.DefaultConfig(patchPx, scaleUM)
	cfg.Slide.MPP = wsi.MPP{X: scaleUM, Y: scaleUM}
	cfg.Outputs = 1
	cfg.Probability = func(row []float32) float32 { return row[0] }
	cfg.Model = report.Model{Name: "fake", SHA256: "f00d", PatchSizePx: patchPx, MPPUM: scaleUM}
	if change != nil {
		change(&cfg)
	}
	d, err := detect.New(cfg, newScorer(t, runners, before))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// newScorer returns a batcher over so many fake runners, which runs until the test ends.
func newScorer(t *testing.T, runners int, before func(context.Context, int) error) *infer.Batcher {
	t.Helper()
	const batch = 4
	var rs []infer.Runner
	for range runners {
		rs = append(rs, &infertest.Fake{PatchPx: patchPx, Batch: batch, Outputs: 1, Before: before})
	}
	ic := infer.DefaultConfig()
	ic.Batch, ic.PatchPx, ic.Outputs, ic.MaxDelay = batch, patchPx, 1, time.Millisecond
	b, err := infer.New(ic, rs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return b
}

func TestItFindsThePaintedLesion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	paint(t, filepath.Join(dir, "s.png"), piece, nest)
	d := newDetector(t, 2, nil, nil)
	end := d.List(t.Context(), []detect.Item{{Name: "s.png", Path: filepath.Join(dir, "s.png")}}, filepath.Join(dir, "out"), 1, nil)[0]
	if end.Err != nil || end.Status != detect.Done {
		t.Fatalf("ended %s: %v", end.Status, end.Err)
	}
	r := end.Result
	if r.Prediction != aggregate.BCC || len(r.Lesions) != 1 {
		t.Fatalf("prediction %s with %d lesions, want BCC with 1", r.Prediction, len(r.Lesions))
	}
	if got, want := r.Lesions[0].BoundsPx, [4]int{nest.Min.X, nest.Min.Y, nest.Dx(), nest.Dy()}; got != want {
		t.Errorf("lesion at %v, painted at %v", got, want)
	}
	if got, want := r.Lesions[0].AreaMM2, float64(nest.Dx()*nest.Dy())*scaleUM*scaleUM/1e6; math.Abs(got-want) > 1e-4 { // files keep four decimals
		t.Errorf("lesion of %v mm², painted %v", got, want)
	}
	if r.Slide.WidthPx != 768 || r.Slide.MPPUM != scaleUM || r.Slide.Format != "png" || len(r.Slide.SHA256) != 64 {
		t.Errorf("slide told as %+v", r.Slide)
	}
	for _, name := range []string{report.ResultFile, report.TimingFile, report.PatchesFile, report.LesionsFile, report.HeatmapFile, report.PageFile} {
		if info, err := os.Stat(filepath.Join(dir, "out", "s.png", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s was not written: %v", name, err)
		}
	}
}

func TestTheAnswerIsTheSameWhateverTheConcurrency(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var items []detect.Item
	for i, name := range []string{"a.png", "b.png", "c.png"} {
		path := filepath.Join(dir, name)
		paint(t, path, piece.Add(image.Pt(7*i, 13*i)), nest.Add(image.Pt(32*i, 0)))
		items = append(items, detect.Item{Name: name, Path: path})
	}
	var want map[string][]byte
	for _, c := range []struct{ runners, readers, jobs int }{{1, 1, 1}, {2, 3, 2}, {5, 2, 3}} {
		d := newDetector(t, c.runners, func(cfg *detect.Config) {
			cfg.Patch.Readers, cfg.Patch.Overlap = c.readers, 0.5
		}, nil)
		out := t.TempDir()
		for _, end := range d.List(t.Context(), items, out, c.jobs, nil) {
			if end.Err != nil {
				t.Fatal(end.Err)
			}
		}
		got := results(t, out)
		if want == nil {
			want = got
		}
		for name, b := range want {
			if !bytes.Equal(b, got[name]) {
				t.Errorf("%+v: %s differs", c, name)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%+v: %d files, want %d", c, len(got), len(want))
		}
	}
}

// results reads every file below dir but timing.json.
func results(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == report.TimingFile {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestItSkipsWhatIsDoneByDigestAndNotByName(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	items := []detect.Item{{Name: "s.png", Path: path}}
	walk := func(change func(*detect.Config)) detect.Status {
		t.Helper()
		end := newDetector(t, 1, change, nil).List(t.Context(), items, out, 1, nil)[0]
		if end.Err != nil {
			t.Fatal(end.Err)
		}
		return end.Status
	}
	steps := []struct {
		what   string
		change func(*detect.Config)
		before func()
		want   detect.Status
	}{
		{what: "first", want: detect.Done},
		{what: "again", want: detect.Skipped},
		{what: "other threshold", change: func(c *detect.Config) { c.Aggregate = c.Aggregate.WithThreshold(0.7) }, want: detect.Done},
		{what: "other overlap", change: func(c *detect.Config) { c.Patch.Overlap = 0.5 }, want: detect.Done},
		{what: "other model", change: func(c *detect.Config) { c.Model.SHA256 = "beef" }, want: detect.Done},
		{what: "first once more", want: detect.Done},
		{what: "other slide of the same name", before: func() { paint(t, path, piece, nest.Add(image.Pt(32, 0))) }, want: detect.Done},
		{what: "that one again", want: detect.Skipped},
		{what: "result gone", before: func() { os.Remove(filepath.Join(out, "s.png", report.ResultFile)) }, want: detect.Done},
		{what: "picture gone", before: func() { os.Remove(filepath.Join(out, "s.png", report.HeatmapFile)) }, want: detect.Done},
		{what: "picture there again", want: detect.Skipped},
		{what: "other version of the program", change: func(c *detect.Config) { c.Program.Version = "0.0.0-other" }, want: detect.Done},
		{what: "that version again", change: func(c *detect.Config) { c.Program.Version = "0.0.0-other" }, want: detect.Skipped},
		{what: "result damaged", before: func() { os.WriteFile(filepath.Join(out, "s.png", report.ResultFile), []byte("{"), 0o644) }, want: detect.Done},
	}
	for _, s := range steps {
		if s.before != nil {
			s.before()
		}
		if got := walk(s.change); got != s.want {
			t.Errorf("%s: %s, want %s", s.what, got, s.want)
		}
	}
}

func TestABadSlideDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	paint(t, filepath.Join(dir, "good.png"), piece, nest)
	good, err := os.ReadFile(filepath.Join(dir, "good.png"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"cut.png": good[:len(good)/2], "empty.png": nil, "text.png": []byte("hello, this is no slide at all")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var items []detect.Item
	for _, name := range []string{"cut.png", "empty.png", "text.png", "missing.png", "good.png"} {
		items = append(items, detect.Item{Name: name, Path: filepath.Join(dir, name)})
	}
	ends := newDetector(t, 2, nil, nil).List(t.Context(), items, out, 2, nil)
	want := []fault.Kind{fault.Corrupt, fault.Corrupt, fault.Unsupported, fault.NotFound}
	for i, kind := range want {
		e := ends[i]
		if e.Status != detect.Failed || fault.Of(e.Err) != kind || !strings.Contains(e.Err.Error(), e.Name) {
			t.Errorf("%s: %s, %v (%v), want failed, %v, naming the file", e.Name, e.Status, e.Err, fault.Of(e.Err), kind)
		}
		if _, err := os.Stat(filepath.Join(out, e.Name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s left a folder behind", e.Name)
		}
	}
	if ends[4].Status != detect.Done {
		t.Errorf("good.png: %s, %v", ends[4].Status, ends[4].Err)
	}
}

func TestAnInterruptedRunLeavesNothingHalfAndGoesOn(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	var items []detect.Item
	for _, name := range []string{"a.png", "b.png", "c.png"} {
		paint(t, filepath.Join(dir, name), piece, nest)
		items = append(items, detect.Item{Name: name, Path: filepath.Join(dir, name)})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var batches atomic.Int64
	d := newDetector(t, 1, nil, func(ctx context.Context, _ int) error {
		if batches.Add(1) == 70 { // in the second slide
			stop()
		}
		return nil
	})
	ends := d.List(ctx, items, out, 1, nil)
	var statuses []detect.Status
	for _, e := range ends {
		statuses = append(statuses, e.Status)
	}
	if want := []detect.Status{detect.Done, detect.Stopped, detect.Stopped}; !slices.Equal(statuses, want) {
		t.Fatalf("statuses %v, want %v", statuses, want)
	}
	for name := range results(t, out) {
		if !strings.HasPrefix(name, "/a.png/") {
			t.Errorf("%s was left behind", name)
		}
	}

	quiet := t.TempDir()
	for _, e := range newDetector(t, 1, nil, nil).List(t.Context(), items, quiet, 1, nil) {
		if e.Err != nil {
			t.Fatal(e.Err)
		}
	}
	ends = newDetector(t, 2, nil, nil).List(t.Context(), items, out, 2, nil)
	if ends[0].Status != detect.Skipped || ends[1].Status != detect.Done || ends[2].Status != detect.Done {
		t.Errorf("resumed as %s, %s, %s", ends[0].Status, ends[1].Status, ends[2].Status)
	}
	want, got := results(t, quiet), results(t, out)
	for name, b := range want {
		if !bytes.Equal(b, got[name]) {
			t.Errorf("%s differs from an undisturbed run", name)
		}
	}
}

func TestSlidesOfAListWaitUntilTheyMayEnter(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	var items []detect.Item
	for _, name := range []string{"a.png", "b.png", "c.png", "d.png"} {
		paint(t, filepath.Join(dir, name), piece, nest)
		items = append(items, detect.Item{Name: name, Path: filepath.Join(dir, name)})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var asked, inside, left atomic.Int64
	d := newDetector(t, 1, func(c *detect.Config) {
		c.Enter = func(ctx context.Context) (func(), error) {
			if asked.Add(1) > 2 {
				stop() // for want of room, and of patience
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			if inside.Add(1) > 1 {
				t.Error("the second slide was let in before the first one had ended")
			}
			return func() { inside.Add(-1); left.Add(1) }, nil
		}
	}, nil)
	var statuses []detect.Status
	for _, e := range d.List(ctx, items, out, 1, nil) {
		statuses = append(statuses, e.Status)
	}
	if want := []detect.Status{detect.Done, detect.Done, detect.Waiting, detect.Waiting}; !slices.Equal(statuses, want) || left.Load() != 2 {
		t.Errorf("statuses %v, %d left; want %v, 2", statuses, left.Load(), want)
	}
}

func TestItSaysThatTheScaleIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	paint(t, filepath.Join(dir, "s.png"), piece, nest)
	d := newDetector(t, 1, func(c *detect.Config) { c.Slide.MPP = wsi.MPP{} }, nil)
	end := d.List(t.Context(), []detect.Item{{Name: "s.png", Path: filepath.Join(dir, "s.png")}}, t.TempDir(), 1, nil)[0]
	if fault.Of(end.Err) != fault.Invalid || !strings.Contains(fault.HintOf(end.Err), "--mpp") {
		t.Errorf("error %v with hint %q, want an invalid one that names --mpp", end.Err, fault.HintOf(end.Err))
	}
}
