package worker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bcc/cohort"
	"bcc/detect"
	"bcc/queue"
	"bcc/report"
	"bcc/worker"
	"bcc/wsi"
)

// blink is an Examiner that looks at nothing: what remains is what conducting costs.
type blink struct{ patches int }

func (x blink) Parameters(wsi.MPP) report.Parameters { return report.Parameters{} }

func (x blink) Survey(_ context.Context, src detect.Source, watch detect.Watcher) (worker.Survey, error) {
	g := wsi.Lay(wsi.Size{W: 32 * x.patches, H: 32}, wsi.MPP{X: 1, Y: 1}, wsi.Size{W: 32, H: 32}, 0)
	for i := range x.patches {
		g.Cells = append(g.Cells, wsi.Cell{Col: i})
	}
	watch.Planned(src.Name, x.patches)
	return surveyed{g}, nil
}

func (blink) Score(_ context.Context, _ detect.Source, g *wsi.Grid, scored func(int)) ([]float32, error) {
	scored(g.Len())
	return make([]float32, g.Len()), nil
}

func (blink) Detect(context.Context, detect.Source, string, detect.Watcher) (report.Result, error) {
	return report.Result{}, nil
}

type surveyed struct{ g *wsi.Grid }

func (s surveyed) Grid() *wsi.Grid { return s.g }
func (s surveyed) Score(_ context.Context, from, to int, scored func(int)) ([]float32, error) {
	scored(to - from)
	return make([]float32, to-from), nil
}

func (s surveyed) Finish(_ context.Context, rows []float32, dir string) (report.Result, error) {
	r := report.Result{Prediction: "BCC", Tissue: report.Tissue{Patches: len(rows)}}
	return r, os.WriteFile(filepath.Join(dir, report.ResultFile), []byte(`{"format_version": 1}`), 0o644)
}
func (surveyed) Close() error { return nil }

// BenchmarkConduct is what a slide costs beside its compute: queue, leases, shards and
// results in a folder, everything synced.
func BenchmarkConduct(b *testing.B) {
	for _, shards := range []int{1, 8} {
		b.Run(fmt.Sprint("shards=", shards), func(b *testing.B) {
			w := newWorld(b)
			w.model.Examine = func(detect.Config) (worker.Examiner, error) { return blink{512 * shards}, nil }
			var slides []cohort.Slide
			for i := range 200 {
				slides = append(slides, w.upload(b, "x", fmt.Append(nil, "slide ", i, shards)))
			}
			b.ResetTimer()
			n := 0
			for b.Loop() {
				for i := range slides {
					slides[i].Parameters.MPPUM = float64(n + 1) // another slide to the cache
				}
				n++
				m := w.submit(b, queue.Routine, slides...)
				stop := w.start(b)
				for i := range slides {
					if s := w.wait(b, m, i); s.State != cohort.Done {
						b.Fatal(s.End.Problem)
					}
				}
				stop()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(n*len(slides)*shards), "ms/shard")
		})
	}
}
