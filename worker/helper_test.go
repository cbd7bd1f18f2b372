package worker_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/infer"
	"bcc/infer/infertest"
	"bcc/queue"
	"bcc/report"
	"bcc/worker"
)

const (
	patchPx = 32
	scaleUM = 4 // µm a pixel, of slides and model
)

// world is a store, a queue, a ledger and a model whose answer is the mean red.
type world struct {
	store  *blob.FolderStore
	queue  *queue.Queue
	ledger *cohort.Ledger
	desk   *cohort.Desk
	model  worker.Model
	// before is called before each batch is scored.
	before func(context.Context, int) error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, 10*time.Second)
}

// newWorldOf returns one whose jobs are leased for so long.
func newWorldOf(t testing.TB, lease time.Duration) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{}
	var err error
	if w.store, err = blob.Folder(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	if w.queue, err = queue.Open(t.Context(), queue.Config{Dir: filepath.Join(dir, "queue"), Lease: lease}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.queue.Close() })
	w.desk = cohort.NewDesk(w.store, w.queue)
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue, cfg.Rescan = w.store, w.queue, 100*time.Millisecond
	if w.ledger, err = cohort.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.ledger.Close() })
	w.model = newModel(t, patchPx, 2, func(ctx context.Context, n int) error {
		if w.before != nil {
			return w.before(ctx, n)
		}
		return nil
	})
	return w
}

// newModel returns a fake model with so many runners, whose batcher runs until the
// test ends.
func newModel(t testing.TB, px, runners int, before func(context.Context, int) error) worker.Model {
	t.Helper()
	return newModelOf(t, px, runners, 1, before)
}

// newModelOf returns one with so many outputs.
func newModelOf(t testing.TB, px, runners, outputs int, before func(context.Context, int) error) worker.Model {
	t.Helper()
	const batch = 4
	var rs []infer.Runner
	for range runners {
		rs = append(rs, &infertest.Fake{PatchPx: px, Batch: batch, Outputs: outputs, Before: before})
	}
	ic := infer.DefaultConfig()
	ic.Batch, ic.PatchPx, ic.Outputs, ic.MaxDelay = batch, px, outputs, time.Millisecond
	b, err := infer.New(ic, rs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })

	cfg := detect.DefaultConfig(px, scaleUM)
	cfg.Outputs = outputs
	cfg.Probability = func(row []float32) float32 { return row[0] }
	cfg.Model = report.Model{Name: "fake", Version: "1", SHA256: "f00d", PatchSizePx: px, MPPUM: scaleUM}
	cfg.Program = report.Program{Name: "bcc", Version: "test"}
	return worker.Model{Detect: cfg, Scorer: b, Urgent: b.Urgent(), Runners: runners, Devices: []string{"none"}}
}

// start runs a worker until stop is called or the test ends.
func (w *world) start(t testing.TB, change ...func(*worker.Config)) (stop func()) {
	t.Helper()
	return w.startWith(t, nil, change...)
}

func (w *world) startWith(t testing.TB, f worker.Fetcher, change ...func(*worker.Config)) (stop func()) {
	t.Helper()
	cfg := worker.DefaultConfig()
	cfg.Lease, cfg.Pause, cfg.Scratch = 10*time.Second, time.Millisecond, t.TempDir()
	for _, c := range change {
		c(&cfg)
	}
	wk, err := worker.New(cfg, w.model, w.store, w.queue, w.desk, f)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := wk.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

var (
	pink = color.RGBA{51, 20, 40, 255}  // tissue: 0.2
	red  = color.RGBA{230, 30, 60, 255} // lesion: 0.9
)

// paint returns a PNG with a piece of tissue and a lesion in it; number makes its
// content differ from others.
func paint(t testing.TB, number int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 384, 320))
	piece := image.Rect(32, 32, 320, 288)
	nest := image.Rect(96, 96, 192, 192).Add(image.Pt(32*(number%3), 0))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			c := color.RGBA{255, 255, 255, 255}
			if at := (image.Point{X: x, Y: y}); at.In(nest) {
				c = red
			} else if at.In(piece) {
				c = pink
			}
			m.SetRGBA(x, y, c)
		}
	}
	m.SetRGBA(0, 0, color.RGBA{255, byte(number), byte(number >> 8), 255})
	return encode(t, m)
}

func encode(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload puts a slide into the store and returns it for a manifest.
func (w *world) upload(t testing.TB, name string, data []byte) cohort.Slide {
	t.Helper()
	sum := digest(data)
	if err := w.store.Put(t.Context(), "slides/"+sum, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return cohort.Slide{Name: name, SHA256: sum, Parameters: cohort.Parameters{MPPUM: scaleUM}}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (w *world) submit(t testing.TB, lane queue.Lane, slides ...cohort.Slide) cohort.Manifest {
	t.Helper()
	m, err := w.ledger.Submit(t.Context(), cohort.Manifest{Priority: lane, Slides: slides})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wait returns where the slide stands when it has come to its end.
func (w *world) wait(t testing.TB, m cohort.Manifest, i int) cohort.Status {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	s, err := w.ledger.Wait(ctx, cohort.SlideID(m.ID, i))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
