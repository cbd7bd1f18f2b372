package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/infer"
	"bcc/infer/infertest"
	"bcc/model"
	"bcc/queue"
	"bcc/report"
	"bcc/server"
	"bcc/wsi"
)

const (
	patchPx = 32
	scaleUM = 4 // µm a pixel, of slides and model
)

// world is what stands behind the real servers of these tests: a store, a queue, a
// ledger, and a worker over a fake model whose answer is the mean red.
type world struct {
	dir    string
	store  blob.Store
	ledger *cohort.Ledger
	scorer *infer.Batcher
}

var (
	beginWorld = sync.OnceValues(newWorld)
	endWorld   = func() {}
)

func TestMain(m *testing.M) {
	code := m.Run()
	endWorld()
	os.Exit(code)
}

func newWorld() (w *world, err error) {
	dir, err := os.MkdirTemp("", "client")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var close []func() error
	endWorld = func() {
		stop()
		wg.Wait()
		for i := len(close) - 1; i >= 0; i-- {
			_ = close[i]()
		}
		_ = os.RemoveAll(dir)
	}
	store, err := blob.Folder(filepath.Join(dir, "store"))
	if err != nil {
		return nil, err
	}
	q, err := queue.Open(ctx, queue.Config{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		return nil, err
	}
	close = append(close, q.Close)
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = store, q
	ledger, err := cohort.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	close = append(close, ledger.Close)
	ic := infer.DefaultConfig()
	ic.Batch, ic.PatchPx, ic.Outputs, ic.MaxDelay = 4, patchPx, 1, time.Millisecond
	scorer, err := infer.New(ic, []infer.Runner{&infertest.Fake{PatchPx: patchPx, Batch: 4, Outputs: 1}})
	if err != nil {
		return nil, err
	}
	w = &world{dir, store, ledger, scorer}
	wg.Go(func() { _ = scorer.Run(ctx) })
	wg.Go(func() { w.work(ctx, q, cohort.NewDesk(store, q)) })
	return w, nil
}

// work walks one slide after the other.
func (w *world) work(ctx context.Context, q *queue.Queue, desk *cohort.Desk) {
	for n := 0; ; n++ {
		lease, err := q.Take(ctx)
		if err != nil {
			return
		}
		if task, err := desk.Begin(ctx, lease.Data); err == nil {
			end, err := w.walk(ctx, desk, task, n)
			if err != nil {
				end = cohort.End{State: cohort.Failed, Problem: &cohort.Problem{Kind: "internal", Code: 500, Message: err.Error()}}
			}
			_ = desk.End(ctx, task, end)
		}
		_ = lease.Done(ctx)
	}
}

func (w *world) walk(ctx context.Context, desk *cohort.Desk, t cohort.Task, n int) (end cohort.End, err error) {
	o, err := w.store.Open(ctx, "slides/"+t.Slide.SHA256)
	if err != nil {
		return end, err
	}
	defer o.Close()
	d, err := w.detector(t.Slide.Parameters)
	if err != nil {
		return end, err
	}
	dir := filepath.Join(w.dir, fmt.Sprint("walk", n))
	defer os.RemoveAll(dir)
	r, err := d.Detect(ctx, detect.Source{ReaderAt: o, Size: o.Size, Name: t.Slide.Name, SHA256: func() (string, error) { return t.Slide.SHA256, nil }}, dir, nil)
	if err != nil {
		return end, err
	}
	desk.Planned(t, r.Tissue.Patches)
	desk.Scored(t, r.Tissue.Patches)
	end = cohort.End{
		State: cohort.Done, SHA256: t.Slide.SHA256, Result: fmt.Sprintf("%064x", n), Prediction: string(r.Prediction),
		Score: r.Score, Confidence: r.Confidence, Lesions: len(r.Lesions), Patches: r.Tissue.Patches, TookS: 0.1, Attempts: 1, Worker: "w1",
	}
	return end, blob.WriteSet(ctx, w.store, "results/"+end.Result, dir)
}

func (w *world) detector(p cohort.Parameters) (*detect.Detector, error) {
	cfg := detect.DefaultConfig(patchPx, scaleUM)
	cfg.Walk = detect.DefaultWalk(patchPx, scaleUM)
	cfg.Walk.Outputs, cfg.Walk.OnePatch = 1, true
	if p.MPPUM > 0 {
		cfg.Walk.Slide.MPP = wsi.MPP{X: p.MPPUM, Y: p.MPPUM}
	}
	if p.Threshold != nil {
		cfg.Aggregate = cfg.Aggregate.WithThreshold(*p.Threshold)
	}
	cfg.Probability = func(row []float32) float32 { return row[0] }
	cfg.Model = report.Model{Name: "fake", Version: "1", SHA256: strings.Repeat("f0", 32), PatchSizePx: patchPx, MPPUM: scaleUM}
	return detect.New(cfg, w.scorer)
}

// looker walks pictures at once.
type looker struct{ w *world }

func (looker) Full() (time.Duration, bool) { return 0, false }

func (l looker) Look(ctx context.Context, p server.Picture) (server.Look, error) {
	d, err := l.w.detector(p.Parameters)
	if err != nil {
		return server.Look{}, err
	}
	f, err := d.Look(ctx, detect.Source{ReaderAt: bytes.NewReader(p.Data), Size: int64(len(p.Data)), Name: p.Name, SHA256: func() (string, error) { return p.SHA256, nil }}, nil)
	if err != nil {
		return server.Look{}, err
	}
	out := server.Look{Result: f.Result}
	for i, v := range f.Values {
		r := f.Grid.Rect(i)
		out.Patches = append(out.Patches, server.Patch{X: r.X, Y: r.Y, W: r.W, H: r.H, Probability: v, Tissue: f.Grid.Cells[i].Tissue})
	}
	return out, nil
}

// realServer returns a server of the world, which stops with end.
func realServer() (s *server.Server, end func(), err error) {
	w, err := beginWorld()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(w.dir, "incoming")
	if err != nil {
		return nil, nil, err
	}
	cfg := server.DefaultConfig()
	cfg.Ledger, cfg.Store, cfg.Looker = w.ledger, w.store, looker{w}
	cfg.Model = server.Model{Card: model.Card{Name: "fake", Version: "1", PatchSizePixels: patchPx, SpacingUMPx: scaleUM, NumClasses: 2, ClassNames: []string{"BCC", "other"}}, SHA256: strings.Repeat("f0", 32), Threshold: 0.5, MinTissue: 0.5}
	cfg.Registry, cfg.Logger, cfg.Version, cfg.Incoming = prometheus.NewRegistry(), slog.New(slog.DiscardHandler), "0.0.0", dir
	cfg.SmallBytes, cfg.SmallPixels = 1<<20, 64<<10
	if s, err = server.New(cfg); err != nil {
		return nil, nil, err
	}
	return s, func() { _ = s.Close() }, nil
}

// serveReal returns the address of a real server.
func serveReal(t *testing.T) string {
	t.Helper()
	s, end, err := realServer()
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.Close(); end() })
	return h.URL
}

// picture is a PNG of w×h with a piece of tissue, and a lesion in it.
func picture(w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 255, 255, 255}
			if at := (image.Point{X: x, Y: y}); at.In(image.Rect(w/3, h/3, w/2, h/2)) {
				c = color.RGBA{230, 30, 60, 255}
			} else if at.In(image.Rect(w/12, h/10, w*3/4, h*4/5)) {
				c = color.RGBA{51, 20, 40, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(errors.New("encode a picture: " + err.Error()))
	}
	return b.Bytes()
}
